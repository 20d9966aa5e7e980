//! `bareflow stress`: calls while everything that is called is recompiled.
//!
//! Each core calls the sixteen functions of the guest `mix`, the first most and the last least,
//! and compares every result with what native code returned. Meanwhile a JIT worker recompiles
//! all of them, again and again, alternating between the tiers, so that each publication is of
//! different code. The same is measured with the compiler off: the difference is what background
//! recompilation costs the callers.
//!
//! A process holds one instance, so the two phases run in a child process each.

use crate::fail::{self, Failure, Outcome};
use crate::run;
use hosted::{Core, Left, Options, Process};
use jit::code::publish;
use jit::instance::Program;
use jit::tier::Tier;
use lexopt::{Arg, ValueExt as _};
use serde_json::{Value, json};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const GUEST: &str = "mix";
/// Latencies that each core keeps.
const SAMPLES: usize = 1 << 20;

#[derive(Debug)]
struct Request {
    cores: usize,
    seconds: f64,
    json: bool,
    /// Set in the child: whether the compiler is on.
    phase: Option<bool>,
}

/// One function to call, and what it must return.
#[derive(Clone, Copy, Debug)]
struct Target {
    func: u32,
    arg: u64,
    expected: u32,
}

/// What one core saw.
#[derive(Debug, Default)]
struct Seen {
    calls: u64,
    wrong: u64,
    latencies_ns: Vec<u32>,
}

pub(crate) fn main(args: lexopt::Parser) -> Outcome {
    let request = parse(args)?;
    if let Some(compiler) = request.phase {
        println!("{}", phase(&request, compiler)?);
        return Ok(0);
    }
    let off = child(&request, false)?;
    let on = child(&request, true)?;
    if request.json {
        println!("{}", json!({ "compiler_off": off, "compiler_on": on }));
    } else {
        print_table(&request, &off, &on);
    }
    let wrong = |phase: &Value| phase["wrong"].as_u64().unwrap_or(u64::MAX);
    Ok(u8::from(wrong(&off) + wrong(&on) > 0))
}

fn child(request: &Request, compiler: bool) -> Result<Value, Failure> {
    let failed = |why: String| Failure::new(fail::SYSTEM, format!("stress: {why}"));
    let exe = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
    let phase = if compiler { "on" } else { "off" };
    let output = Command::new(exe)
        .args(["stress", "--phase", phase])
        .args(["--cores", &request.cores.to_string()])
        .args(["--seconds", &request.seconds.to_string()])
        .output()
        .map_err(|error| failed(error.to_string()))?;
    serde_json::from_slice(&output.stdout).map_err(|_| {
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        failed(format!("the phase ended with {}: {words}", output.status))
    })
}

fn phase(request: &Request, compiler: bool) -> Result<Value, Failure> {
    let (process, targets) = start(request)?;
    let stop = AtomicBool::new(false);
    let published = AtomicU64::new(0);
    let (seen, seconds) = thread::scope(|scope| {
        if compiler {
            scope.spawn(|| recompile(process, &targets, &stop, &published));
        }
        let start = Instant::now();
        let callers: Vec<_> = (0..request.cores)
            .map(|number| {
                let (stop, targets) = (&stop, &targets);
                scope.spawn(move || {
                    process
                        .attach(number)
                        .map(|core| call_until(process, &core, targets, stop))
                })
            })
            .collect();
        thread::sleep(Duration::from_secs_f64(request.seconds));
        // ORDERING: Relaxed: only tells the threads to end; their joins order the rest.
        stop.store(true, Ordering::Relaxed);
        let seen: Vec<Seen> = callers
            .into_iter()
            .filter_map(|caller| caller.join().ok()?.ok())
            .collect();
        (seen, start.elapsed().as_secs_f64())
    });
    if seen.len() != request.cores {
        return Err(Failure::new(
            fail::SYSTEM,
            "stress: a core could not be set up",
        ));
    }
    // ORDERING: Relaxed: the threads have been joined.
    Ok(summary(
        process,
        seen,
        seconds,
        published.load(Ordering::Relaxed),
    ))
}

fn start(request: &Request) -> Result<(&'static Process, Vec<Target>), Failure> {
    let internal = |why: String| Failure::new(fail::REJECTED, format!("{GUEST}: {why}"));
    let guest = modules::MIX
        .iter()
        .find(|module| module.name == GUEST && module.level == 2)
        .ok_or_else(|| internal("not embedded".to_owned()))?;
    let file = abi::Container::parse(guest.file).map_err(|why| internal(why.to_string()))?;
    let module = jit::load::module(file.bitcode).map_err(|why| internal(why.to_string()))?;
    let program = Program::new(module).map_err(|why| internal(why.to_string()))?;
    let mut targets = Vec::new();
    for check in guest
        .checks
        .iter()
        .filter(|check| check.function.starts_with('f'))
    {
        let (Some(func), &[arg]) = (program.entry(check.function), check.args) else {
            continue;
        };
        let target = Target {
            func,
            arg: u64::from(arg as u32),
            expected: check.expected as u32,
        };
        targets.push(target);
    }
    let options = Options {
        cores: request.cores,
        workers: 0,
        ..Options::default()
    };
    let loaded = crate::module_file::Loaded {
        program,
        entry: String::new(),
    };
    Ok((run::start(loaded, options)?, targets))
}

fn call_until(process: &Process, core: &Core, targets: &[Target], stop: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    // ORDERING: Relaxed: as at the store.
    while !stop.load(Ordering::Relaxed) {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        // Each function half as often as the one before: a geometric distribution.
        let at = ((random >> 32 | 1 << 31).trailing_zeros() as usize).min(targets.len() - 1);
        let target = targets[at];
        let start = Instant::now();
        let left = process.call(core, target.func, [target.arg, 0, 0, 0, 0, 0]);
        let spent = start.elapsed().as_nanos().min(u128::from(u32::MAX)) as u32;
        let right = matches!(left, Left::Returned(value, _) if value as u32 == target.expected);
        seen.calls += 1;
        seen.wrong += u64::from(!right);
        if seen.latencies_ns.len() < SAMPLES {
            seen.latencies_ns.push(spent);
        } else {
            let slot = (random >> 20) as usize % SAMPLES;
            seen.latencies_ns[slot] = seen.latencies_ns[slot].max(spent);
        }
    }
    seen
}

/// Recompiles all targets, tier after tier, until told to stop or the code cache is full.
fn recompile(process: &Process, targets: &[Target], stop: &AtomicBool, published: &AtomicU64) {
    let cx = process.context(u32::MAX);
    let instance = process.instance();
    for round in 0.. {
        // A version of a lower tier never replaces a higher one: first the lower tier, then the higher
        // one again and again, each time as a younger version.
        let tier = if round == 0 { Tier::Baseline } else { Tier::O1 };
        for target in targets {
            // ORDERING: Relaxed: as at the store.
            if stop.load(Ordering::Relaxed) {
                return;
            }
            match instance.compile(target.func, tier, &cx) {
                Ok((_, publish::Outcome::Published)) => {
                    // ORDERING: Relaxed, a figure; the join orders it.
                    published.fetch_add(1, Ordering::Relaxed);
                }
                Ok(_) => {}
                Err(_) => return,
            }
        }
    }
}

fn summary(process: &Process, seen: Vec<Seen>, seconds: f64, published: u64) -> Value {
    let calls: u64 = seen.iter().map(|core| core.calls).sum();
    let wrong: u64 = seen.iter().map(|core| core.wrong).sum();
    let mut all: Vec<u32> = seen
        .into_iter()
        .flat_map(|core| core.latencies_ns)
        .collect();
    all.sort_unstable();
    let at = |share: f64| {
        all.get(((all.len() - 1) as f64 * share) as usize)
            .copied()
            .unwrap_or(0)
    };
    let versions = process.instance().version_stats();
    json!({
        "calls": calls, "calls_per_second": (calls as f64 / seconds) as u64, "wrong": wrong,
        "p50_ns": at(0.5), "p99_ns": at(0.99), "max_ns": at(1.0),
        "published": published, "refused": process.queue().stats().refused,
        "retired": versions.retired, "retired_bytes": versions.retired_bytes,
    })
}

fn print_table(request: &Request, off: &Value, on: &Value) {
    println!(
        "{} cores call sixteen functions for {} s; the compiler recompiles all of them",
        request.cores, request.seconds
    );
    println!("{:<24} {:>16} {:>16}", "", "compiler off", "compiler on");
    let rows = [
        ("calls a second", "calls_per_second"),
        ("p50 latency, ns", "p50_ns"),
        ("p99 latency, ns", "p99_ns"),
        ("max latency, ns", "max_ns"),
        ("publications", "published"),
        ("queue refusals", "refused"),
        ("wrong results", "wrong"),
    ];
    for (label, key) in rows {
        println!(
            "{label:<24} {:>16} {:>16}",
            off[key].to_string(),
            on[key].to_string()
        );
    }
}

fn parse(mut args: lexopt::Parser) -> Result<Request, Failure> {
    let mut request = Request {
        cores: 2,
        seconds: 2.0,
        json: false,
        phase: None,
    };
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Long("cores") => request.cores = args.value()?.parse::<usize>()?.clamp(1, 64),
            Arg::Long("seconds") => {
                request.seconds = args.value()?.parse::<f64>()?.clamp(0.01, 3600.0);
            }
            Arg::Long("json") => request.json = true,
            Arg::Long("phase") => request.phase = Some(args.value()?.string()? == "on"),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(request)
}
