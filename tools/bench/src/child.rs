//! A process that measures one program in the engine and prints a line of JSON.
//!
//! `child run FILE TIER MS` measures `bench()` exactly as `driver.c` does natively and adds what
//! the engine knows: load and compile time, bytes of code, peak memory. With the tier `auto` it
//! also gives the *path*: the wall time since the file was in memory at call counts that grow by a
//! quarter, compile time included; from it the report tells when tiering overtakes other code.
//!
//! `child program FILE TIER LIBC DIR REPORT ARG…` runs `main` of a program with the C library and one directory, and
//! writes its line to the file REPORT: what it prints itself is the program's.
//!
//! `child compile FILE TIER [steps|memory]` loads the file and compiles every function, counters on; it also says
//! where the time went, or how many bytes the largest functions took.

use crate::{Error, heap};
use hosted::{Core, Directory, Left, Options, Process};
use jit::instance::{Archive, Input, Program};
use jit::tier::opt::{self, Timing};
use jit::tier::{Job, SideTables, Tier};
use serde_json::{Value, json};

use std::ffi::OsString;
use std::fs;
use std::hint::black_box;
use std::time::Instant;

/// Where the path ends: calls, and seconds of wall time.
const PATH_END: (u64, f64) = (200_000, 1.5);

pub(crate) fn main(words: impl Iterator<Item = OsString>) -> Result<(), Error> {
    hosted::heap::use_huge_pages();
    let words: Vec<String> = words
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if let [
        "program",
        file,
        tier,
        library,
        place,
        report,
        ref arguments @ ..,
    ] = words[..]
    {
        let line = program([file, library], tier, place, arguments)?;
        return Ok(fs::write(report, line.to_string())?);
    }
    let line = match words[..] {
        ["run", file, tier, ms] => run(file, tier, ms.parse()?)?,
        ["compile", file, tier] => compile(file, tier, Also::Nothing)?,
        ["compile", file, tier, "steps"] => compile(file, tier, Also::Steps)?,
        ["compile", file, tier, "memory"] => compile(file, tier, Also::Memory)?,
        _ => return Err("child: run, compile or program, and their arguments".into()),
    };
    println!("{line}");
    Ok(())
}

fn run(file: &str, tier: &str, budget_ms: u32) -> Result<Value, Error> {
    let bytes = fs::read(file)?;
    let start = Instant::now();
    let (process, load_us) = start_process(&bytes, tier)?;
    let compile_us = start.elapsed().as_micros() as u64 - load_us;
    let func = process
        .instance()
        .program()
        .entry("bench")
        .ok_or("no function `bench`")?;
    let core = process.attach(0)?;
    let path = if tier == "auto" {
        climb(process, &core, func, start)?
    } else {
        Vec::new()
    };
    let check = check(process, &core, func)?;
    let ns = measure(process, &core, func, f64::from(budget_ms) * 1e6)?;
    Ok(json!({
        "check": check, "ns": ns, "load_us": load_us, "compile_us": compile_us,
        "code_bytes": code_bytes(process), "peak_kib": peak_kib(), "path": path,
    }))
}

/// Runs `main` of a module with a library.
fn program(
    [file, library]: [&str; 2],
    tier: &str,
    place: &str,
    arguments: &[&str],
) -> Result<Value, Error> {
    let (bytes, library) = (fs::read(file)?, fs::read(library)?);
    let start = Instant::now();
    let module = module(&bytes)?;
    let archive = Archive::parse("libc.a", &library).map_err(|error| error.to_string())?;
    let inputs = vec![Input::Module(module), Input::Archive(archive)];
    let program = Program::link(inputs, "main").map_err(|error| error.to_string())?;
    let entry = program.start("main").ok_or("no function `main`")?;
    let load_us = start.elapsed().as_micros() as u64;
    let directory = Directory {
        path: place.into(),
        name: None,
    };
    let options = Options {
        directories: vec![directory],
        ..options(tier)?
    };
    let process = Process::start(program, options).map_err(|error| error.to_string())?;
    let compile_us = start.elapsed().as_micros() as u64 - load_us;
    let core = process.attach(0)?;
    let words: Vec<&str> = [file].iter().chain(arguments).copied().collect();
    let before = cpu_ns();
    let left = process
        .call_main(&core, entry, &words)
        .map_err(|_| "too many arguments")?;
    let ns = cpu_ns() - before;
    if !matches!(left, Left::Returned(0, _) | Left::Exited(0)) {
        return Err(format!("the program ended with {left:?}").into());
    }
    Ok(json!({
        "ns": ns, "load_us": load_us, "compile_us": compile_us,
        "code_bytes": code_bytes(process), "peak_kib": peak_kib(),
    }))
}

/// What is measured beside time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Also {
    Nothing,
    /// The time of each step; the whole takes longer by that.
    Steps,
    /// Bytes.
    Memory,
}

/// Functions with fewer instructions are not asked how many bytes they take for each: tables have a least size.
const LARGE: usize = 256;

fn compile(file: &str, tier: &str, also: Also) -> Result<Value, Error> {
    let tier = Tier::from_name(tier).ok_or("no such tier")?;
    let bytes = fs::read(file)?;
    let start = cpu_ns();
    let mut module = module(&bytes)?;
    let loaded = cpu_ns();
    let insts: usize = (0..module.funcs.len())
        .map(|at| stored_insts(&module, at))
        .sum();
    leave_unresolved(&mut module);
    let mut program = Program::new(module).map_err(|error| error.to_string())?;
    let cpu = hosted::process::cpu_features();
    program.legalise(cpu).map_err(|error| error.to_string())?;
    let module = &program.module;
    let (mut code_bytes, mut declined, mut funcs, mut copied) = (0, 0, 0, 0);
    let (mut most_each, mut kept) = (0, 0);
    let mut timing = Timing::default();
    if also == Also::Memory {
        heap::count();
    }
    for at in (0..module.funcs.len()).filter(|&at| module.funcs[at].body.is_some()) {
        let job = Job {
            module,
            func: ir::FuncId(at as u32),
            bindings: &program.bindings,
            cpu,
            counting: true,
        };
        funcs += 1;
        let before = heap::start();
        let compiled = if also == Also::Steps && tier != Tier::Baseline {
            opt::compile_timed(&job, tier, &mut cpu_ns, &mut timing)
        } else {
            jit::tier::compile(&job, tier)
        };
        let mut here = stored_insts(module, at);
        match black_box(compiled) {
            Ok(compiled) => {
                code_bytes += compiled.code.len();
                let copies = copied_insts(module, &compiled.tables);
                copied += copies;
                here += copies;
            }
            Err(_) => declined += 1,
        }
        let (most, after) = heap::end(before);
        kept += after;
        if here >= LARGE {
            most_each = most_each.max(most / here);
        }
    }
    let end = cpu_ns();
    Ok(json!({
        "insts": insts, "funcs": funcs, "declined": declined, "code_bytes": code_bytes,
        "load_ns": loaded - start, "compile_ns": end - loaded, "peak_kib": peak_kib(),
        "copied_insts": copied, "regalloc_ns": timing.back_end.regalloc, "steps": steps(&timing),
        "bytes_per_inst": most_each, "kept_bytes": kept,
    }))
}

/// Instructions of the stored body of function `at`.
fn stored_insts(module: &ir::Module, at: usize) -> usize {
    let body = module.funcs[at].body.as_ref();
    body.map_or(0, |body| body.insts.len())
}

/// Instructions of the bodies that were copied into a function, each body once.
fn copied_insts(module: &ir::Module, tables: &SideTables) -> usize {
    let mut funcs: Vec<u32> = tables.inlined.iter().map(|copy| copy.func.0).collect();
    funcs.sort_unstable();
    funcs.dedup();
    let sizes = funcs
        .iter()
        .map(|&func| stored_insts(module, func as usize));
    sizes.sum()
}

/// Nanoseconds by step: each pass, and what the back end does.
fn steps(timing: &Timing) -> Value {
    let mut steps: Vec<(&str, u64)> = Vec::new();
    let back_end = timing.back_end;
    let back_end = [
        ("lower", back_end.lower),
        ("regalloc", back_end.regalloc),
        ("emit", back_end.emit),
    ];
    let passes = timing.passes.iter().map(|run| (run.pass, run.time));
    for (name, time) in passes.chain(back_end) {
        match steps.iter_mut().find(|step| step.0 == name) {
            Some(step) => step.1 += time,
            None => steps.push((name, time)),
        }
    }
    json!(steps)
}

/// Reads a module file.
fn module(bytes: &[u8]) -> Result<ir::Module, Error> {
    let bitcode = abi::Container::parse(bytes)?.bitcode;
    Ok(jit::load::module(bitcode).map_err(|error| error.to_string())?)
}

/// Lets the linker accept a source without the libraries it needs: only its own code is compiled.
fn leave_unresolved(module: &mut ir::Module) {
    let funcs = module.funcs.iter_mut().filter(|func| func.body.is_none());
    funcs.for_each(|func| func.linkage = ir::Linkage::ExternWeak);
    let globals = module.globals.iter_mut().filter(|global| !global.defined);
    globals.for_each(|global| global.linkage = ir::Linkage::ExternWeak);
}

/// The engine with the program, and how many microseconds loading took.
fn start_process(bytes: &[u8], tier: &str) -> Result<(&'static Process, u64), Error> {
    let start = Instant::now();
    let program = Program::new(module(bytes)?).map_err(|error| error.to_string())?;
    let load_us = start.elapsed().as_micros() as u64;
    let process = Process::start(program, options(tier)?).map_err(|error| error.to_string())?;
    Ok((process, load_us))
}

/// Every function at this tier, or `auto`.
fn options(tier: &str) -> Result<Options, Error> {
    let forced = match tier {
        "auto" => None,
        name => Some(Tier::from_name(name).ok_or("no such tier")?),
    };
    Ok(Options {
        forced,
        workers: usize::from(forced.is_none()),
        ..Options::default()
    })
}

fn call(process: &Process, core: &Core, func: u32, n: u32) -> Result<u32, Error> {
    match process.call(core, func, [u64::from(n), 0, 0, 0, 0, 0]) {
        Left::Returned(value, _) => Ok(value as u32),
        other => Err(format!("the call ended with {other:?}").into()),
    }
}

/// (calls, microseconds since `start`) along the first calls.
fn climb(
    process: &Process,
    core: &Core,
    func: u32,
    start: Instant,
) -> Result<Vec<(u64, f64)>, Error> {
    let (mut path, mut calls, mut next) = (Vec::new(), 0, 1);
    while calls < PATH_END.0 && start.elapsed().as_secs_f64() < PATH_END.1 {
        while calls < next {
            black_box(call(process, core, func, calls as u32 & 7)?);
            calls += 1;
        }
        path.push((calls, start.elapsed().as_secs_f64() * 1e6));
        next = (calls + calls / 4).max(calls + 1);
    }
    Ok(path)
}

fn check(process: &Process, core: &Core, func: u32) -> Result<u32, Error> {
    (0..8).try_fold(0u32, |sum, n| {
        Ok(sum
            .wrapping_mul(31)
            .wrapping_add(call(process, core, func, n)?))
    })
}

/// Nanoseconds of CPU time a call, the best of six batches.
fn measure(process: &Process, core: &Core, func: u32, budget_ns: f64) -> Result<f64, Error> {
    let batch = |calls: u32| -> Result<f64, Error> {
        let start = cpu_ns();
        for n in 0..calls {
            black_box(call(process, core, func, n & 7)?);
        }
        Ok((cpu_ns() - start) as f64)
    };
    let mut calls = 8;
    while batch(calls)? < budget_ns / 8.0 && calls < 1 << 30 {
        calls *= 2;
    }
    let mut best = f64::INFINITY;
    for _ in 0..6 {
        best = best.min(batch(calls)? / f64::from(calls));
    }
    Ok(best)
}

fn code_bytes(process: &Process) -> u64 {
    let instance = process.instance();
    (0..instance.program().imports.len() as u32)
        .filter_map(|func| instance.published(func))
        .map(|version| u64::from(version.code_bytes))
        .sum()
}

/// CPU time of this thread, in nanoseconds.
fn cpu_ns() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a timespec to write to, and the clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// CPU time of all child processes that have ended, in nanoseconds.
pub(crate) fn children_ns() -> f64 {
    // SAFETY: an all-zero rusage is a valid value of a plain C struct.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is a rusage to write to.
    unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) };
    let ns = |time: libc::timeval| time.tv_sec as f64 * 1e9 + time.tv_usec as f64 * 1e3;
    ns(usage.ru_utime) + ns(usage.ru_stime)
}

/// Most memory this process has had, in KiB (`VmHWM`); 0 if the system does not say.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}
