//! Compile time of a bitcode file, per IR instruction and stage:
//! `cargo run --release -p jit --example compile_speed -- FILE.bc [ROUNDS [LOADS]]`.
//!
//! Each line is the least thread CPU time of several rounds (of one for legalisation). Functions that the tier declines count
//! neither as time nor as instructions, and are listed by reason.
#![expect(clippy::print_stdout, reason = "a program for people")]

extern crate alloc;

use alloc::collections::BTreeMap;
use core::hint::black_box;
use ir::FuncId;
use jit::tier::{Bindings, CpuFeatures, Declined, Job, baseline};

/// CPU time of this thread in nanoseconds.
fn now() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a timespec of this frame.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn main() {
    let mut args = std::env::args().skip(1);
    let file = args.next().expect("a bitcode file");
    let rounds: u32 = args.next().map_or(5, |n| n.parse().expect("a number"));
    let bytes = std::fs::read(&file).expect("the file can be read");
    let cpu = CpuFeatures {
        sse41: true,
        popcnt: true,
        avx: true,
        avx2: true,
        fma: true,
        bmi1: true,
        bmi2: true,
        lzcnt: true,
        f16c: true,
    };
    let (mut load, mut compile) = (u64::MAX, u64::MAX);
    let (mut insts, mut size) = (0, 0);
    let mut declined = BTreeMap::new();
    let loads: u32 = args.next().map_or(rounds, |n| n.parse().expect("a number"));
    for _ in 0..loads {
        let start = now();
        let module = jit::load::module(&bytes).expect("the file loads");
        load = load.min(now() - start);
        drop(module);
    }
    let mut module = jit::load::module(&bytes).expect("the file loads");
    let start = now();
    jit::legal::module(&mut module, cpu).expect("the module can be legalised");
    let legal = now() - start;
    let globals = vec![0x40_0000; module.globals.len()];
    let bindings = Bindings::alone(&module, globals);
    let job = |func| Job {
        module: &module,
        func,
        bindings: &bindings,
        cpu,
        counting: true,
    };
    let mut compiled = Vec::new();
    for func in (0..module.funcs.len() as u32).map(FuncId) {
        let Some(body) = &module.func(func).body else {
            continue;
        };
        match baseline::compile(&job(func)) {
            Ok(code) => {
                compiled.push(func);
                insts += body.insts.len();
                size += code.code.len();
            }
            Err(Declined::Unsupported(what, _) | Declined::LimitExceeded(what)) => {
                *declined.entry(what).or_insert(0) += 1;
            }
        }
    }
    for _ in 0..rounds {
        let start = now();
        for &func in &compiled {
            black_box(baseline::compile(&job(func)).is_ok());
        }
        compile = compile.min(now() - start);
    }
    println!("{insts} instructions, {size} bytes of code");
    for (stage, time) in [("load", load), ("legal", legal), ("baseline", compile)] {
        let per_inst = time as f64 / insts as f64;
        println!("{stage:8} {:7.2} ms {per_inst:6.1} ns", time as f64 / 1e6);
    }
    println!("declined {declined:?}");
}
