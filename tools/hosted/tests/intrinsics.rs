//! Intrinsics of the processor: what clang's headers leave to the back end, by every engine, against the processor.
//!
//! `guests/intrinsics.c` has one case for each; the same file is compiled natively and to bitcode. Engines are the
//! interpreter and each tier, for this processor and for one that has SSE2 only.

#![expect(
    clippy::unwrap_used,
    reason = "a test on Linux: a failed expectation is a failed test"
)]

mod child;

use child::in_child;
use core::time::Duration;
use hosted::{Left, Options, Process};
use ir::interp::{Val, run};
use jit::instance::{Input, Program};
use jit::tier::{CpuFeatures, Tier};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Times that each intrinsic is tried.
const ROUNDS: u32 = 2;
/// Instructions of one try.
const FUEL: u64 = 1_000_000;
/// What the native program ends with where the processor lacks something.
const LACKING: i32 = 77;
const TARGET: [&str; 4] = ["-march=x86-64-v3", "-mpclmul", "-ffp-contract=off", "-w"];

fn clang(args: &[&str], name: &str) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/intrinsics.c");
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mut command = Command::new("clang-19");
    command
        .args(TARGET)
        .args(args)
        .arg(source)
        .arg("-o")
        .arg(&to);
    let output = command.output().expect("clang-19 must be installed");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    to
}

fn module(case: &str, level: &str) -> ir::Module {
    let target = ["--target=i386-unknown-none-elf", "-ffreestanding"];
    let args = [&target[..], &["-emit-llvm", "-c", level]].concat();
    let file = std::fs::read(clang(&args, &format!("intrinsics-{case}.bc"))).unwrap();
    jit::load::module(&file).unwrap()
}

/// How many intrinsics there are.
fn count(module: &ir::Module) -> u32 {
    let count = module.func_by_name("count").unwrap();
    run(module, count, &[], FUEL).unwrap().addr()
}

/// What the processor gives for numbers up to `count`; `None` if it lacks something.
fn native(case: &str, count: u32) -> Option<Vec<u32>> {
    let args = ["-m32", "-msse2", "-mfpmath=sse", "-O1", "-DNATIVE"];
    let program = clang(&args, &format!("intrinsics-{case}"));
    let output = Command::new(program)
        .arg(count.to_string())
        .output()
        .unwrap();
    if output.status.code() == Some(LACKING) {
        eprintln!("this processor has no AVX2: intrinsics are not compared");
        return None;
    }
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let results: Vec<u32> = text.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(results.len(), count as usize);
    Some(results)
}

/// Compares what an engine gives with the processor, for all intrinsics before anything is said.
fn compare(expected: &[u32], count: u32, test: impl Fn(u32) -> u32) {
    let wrong = (0..).zip(expected).filter(|&(n, &right)| test(n) != right);
    let mut wrong: Vec<u32> = wrong.map(|(n, _)| n % count).collect();
    wrong.sort_unstable();
    wrong.dedup();
    assert!(
        wrong.is_empty(),
        "wrong are intrinsics {wrong:?} of {count}"
    );
}

#[test]
fn the_interpreter_agrees_with_the_processor() {
    let module = module("interpreted", "-O1");
    let count = count(&module);
    assert!(count > 250, "{count}");
    let Some(expected) = native("interpreted", count * ROUNDS) else {
        return;
    };
    let test = module.func_by_name("test").unwrap();
    compare(&expected, count, |n| {
        run(&module, test, &[Val::Bits(n.into())], FUEL)
            .unwrap()
            .addr()
    });
}

/// All functions compiled by one tier, for a processor.
fn compiled(case: &'static str, level: &'static str, tier: Tier, cpu: Option<CpuFeatures>) {
    in_child(case, || {
        let module = module(case, level);
        let count = count(&module);
        let Some(expected) = native(case, count * ROUNDS) else {
            return;
        };
        let program = Program::link(vec![Input::Module(module)], "main").unwrap();
        let mut options = Options {
            workers: 0,
            forced: Some(tier),
            budget: Some(Duration::from_secs(20)),
            ..Options::default()
        };
        if let Some(cpu) = cpu {
            options.cpu = cpu;
        }
        let process = Process::start(program, options).unwrap();
        let core = process.attach(0).unwrap();
        let test = process.instance().program().entry("test").unwrap();
        compare(&expected, count, |n| {
            match process.call(&core, test, [n.into(), 0, 0, 0, 0, 0]) {
                Left::Returned(value, _) => value as u32,
                Left::Faulted(fault, pc, caller) => panic!("{}", process.report(fault, pc, caller)),
                other => panic!("{n}: {other:?}"),
            }
        });
    });
}

#[test]
fn baseline_agrees_with_the_processor() {
    compiled(
        "baseline_agrees_with_the_processor",
        "-O0",
        Tier::Baseline,
        None,
    );
}

#[test]
fn baseline_without_avx_agrees_with_the_processor() {
    compiled(
        "baseline_without_avx_agrees_with_the_processor",
        "-O2",
        Tier::Baseline,
        Some(CpuFeatures::default()),
    );
}

#[test]
fn optimised_code_agrees_with_the_processor() {
    compiled(
        "optimised_code_agrees_with_the_processor",
        "-O2",
        Tier::O2,
        None,
    );
}

#[test]
fn optimised_code_without_avx_agrees_with_the_processor() {
    compiled(
        "optimised_code_without_avx_agrees_with_the_processor",
        "-O1",
        Tier::O2,
        Some(CpuFeatures::default()),
    );
}
