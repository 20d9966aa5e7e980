//! `bareflow call`: calls one function, prints its result and what a call costs.
//!
//! The time is measured around batches of calls that enter the module once each, so the cost of
//! entering it (some tens of nanoseconds) is part of every call; compile time is not.

use crate::fail::{self, Failure, Outcome};
use crate::module_file::ModuleFile;
use crate::{perf, run};
use hosted::{Core, Left, Options, Process};
use ir::TypeId;
use jit::tier::Tier;
use lexopt::{Arg, ValueExt as _};
use serde_json::json;
use std::path::PathBuf;
use std::time::Instant;

/// Most calls of `--repeat`.
const MAX_REPEAT: usize = 100_000_000;
/// Samples that are kept for the median.
const MAX_SAMPLES: usize = 1_000_000;

#[derive(Debug, Default)]
struct Request {
    file: Option<PathBuf>,
    func: Option<String>,
    args: Vec<u64>,
    tier: Option<Tier>,
    repeat: usize,
    json: bool,
    perf: perf::Request,
}

/// What was measured, in nanoseconds.
#[derive(Debug)]
struct Timing {
    minimum: u64,
    median: u64,
}

pub(crate) fn main(args: lexopt::Parser) -> Outcome {
    let request = parse(args)?;
    let (Some(path), Some(func)) = (&request.file, &request.func) else {
        return Err(Failure::usage("call: wants FILE FUNCTION [INT…]"));
    };
    if request.args.len() > 6 {
        return Err(Failure::usage("call: at most six arguments"));
    }
    let loaded = ModuleFile::read(path)?.load()?;
    let number = loaded.func(func)?;
    let workers = usize::from(request.tier.is_none());
    let options = Options {
        forced: request.tier,
        workers,
        ..Options::default()
    };
    let process = run::start(loaded, options)?;
    let core = process
        .attach(0)
        .map_err(|error| Failure::new(fail::SYSTEM, error.to_string()))?;
    let mut args = [0; 6];
    args[..request.args.len()].copy_from_slice(&request.args);
    let profile = request.perf.open()?;
    let compile_start = Instant::now();
    let first = process.call(&core, number, args);
    let first_us = compile_start.elapsed().as_micros();
    let Left::Returned(int, float) = first else {
        return run::status(process, first);
    };
    let timing = measure(process, &core, number, args, request.repeat);
    let result = show_result(process, number, int, float);
    profile.write(process)?;
    print(&request, &result, &timing, process, number, first_us);
    Ok(0)
}

fn measure(process: &Process, core: &Core, func: u32, args: [u64; 6], repeat: usize) -> Timing {
    let mut samples = Vec::with_capacity(repeat.min(MAX_SAMPLES));
    let batch = repeat.div_ceil(MAX_SAMPLES).max(1);
    for _ in 0..repeat.max(1).div_ceil(batch) {
        let start = Instant::now();
        for _ in 0..batch {
            let _ = process.call(core, func, args);
        }
        samples.push(start.elapsed().as_nanos() as u64 / batch as u64);
    }
    samples.sort_unstable();
    Timing {
        minimum: samples[0],
        median: samples[samples.len() / 2],
    }
}

/// The result as C would print it: signed for integers.
pub(crate) fn show_result(process: &Process, func: u32, int: u64, float: u64) -> String {
    let module = &process.instance().program().module;
    let ret = module
        .types
        .signature(module.funcs[func as usize].ty)
        .map(|(ret, ..)| ret);
    match ret {
        Some(TypeId::VOID) | None => "void".to_owned(),
        Some(TypeId::F64) => f64::from_bits(float).to_string(),
        Some(TypeId::F32) => f32::from_bits(float as u32).to_string(),
        Some(TypeId::PTR) => format!("{:#x}", int as u32),
        Some(ty) => {
            let bits = module.types.int_bits(ty).unwrap_or(64).clamp(1, 64);
            let shift = 64 - bits;
            (((int << shift) as i64) >> shift).to_string()
        }
    }
}

fn print(
    request: &Request,
    result: &str,
    timing: &Timing,
    process: &Process,
    func: u32,
    first_us: u128,
) {
    let tier = process
        .instance()
        .published(func)
        .map_or("none", |version| version.tier.name());
    if request.json {
        let line = json!({
            "function": request.func, "result": result, "tier": tier,
            "repeat": request.repeat, "min_ns": timing.minimum, "median_ns": timing.median,
            "first_call_us": first_us as u64,
        });
        println!("{line}");
        return;
    }
    println!("{result}");
    if request.repeat > 1 {
        eprintln!(
            "{} calls at the end in {tier}: minimum {} ns, median {} ns a call; first call {first_us} us",
            request.repeat, timing.minimum, timing.median
        );
    }
}

fn parse(mut args: lexopt::Parser) -> Result<Request, Failure> {
    let mut request = Request {
        repeat: 1,
        ..Request::default()
    };
    loop {
        // Negative numbers look like options: once the function is known, take them as they are.
        if request.func.is_some()
            && let Some(mut raw) = args.try_raw_args()
            && let Some(number) = raw.peek().and_then(|word| integer(word.to_str()?))
        {
            raw.next();
            request.args.push(number);
            continue;
        }
        let Some(arg) = args.next()? else { break };
        if let Some(wants) = request.perf.accept(&arg) {
            if wants == perf::Wants::Directory {
                request.perf.directory(&mut args)?;
            }
            continue;
        }
        match arg {
            Arg::Value(path) if request.file.is_none() => request.file = Some(path.into()),
            Arg::Value(func) if request.func.is_none() => request.func = Some(func.string()?),
            Arg::Value(word) => {
                let word = word.string()?;
                return Err(Failure::usage(format!("call: `{word}` is not an integer")));
            }
            Arg::Long("tier") => request.tier = run::tier(&args.value()?.string()?)?,
            Arg::Long("repeat") => {
                let repeat: usize = args.value()?.parse()?;
                request.repeat = repeat.clamp(1, MAX_REPEAT);
            }
            Arg::Long("json") => request.json = true,
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(request)
}

/// A decimal or hexadecimal integer as an argument register holds it: 32-bit values zero-extended,
/// as the ABI has it.
pub(crate) fn integer(text: &str) -> Option<u64> {
    let value: i64 = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok()? as i64,
        None => text.parse().ok()?,
    };
    let narrow = i64::from(i32::MIN) <= value && value <= i64::from(u32::MAX);
    Some(if narrow {
        u64::from(value as u32)
    } else {
        value as u64
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_zero_extended_from_32_bits() {
        assert_eq!(integer("-1"), Some(0xffff_ffff));
        assert_eq!(integer("0x80000000"), Some(0x8000_0000));
        assert_eq!(integer("4294967296"), Some(1 << 32));
        assert_eq!(integer("-5000000000"), Some(-5_000_000_000i64 as u64));
        assert_eq!(integer("--json"), None);
    }
}
