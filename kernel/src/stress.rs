//! The stress test: many tasks on all worker cores call a skewed mix of functions while every function is recompiled
//! again and again.
//!
//! The same number of calls is made with the compiler off and on. Each call is a task of its own, so scheduling,
//! stealing and address-space switches are part of it; each result is compared with native code's.

use crate::console;
use crate::cores::machine;
use crate::demo::pause;
use crate::instance::guest::Loaded;
use crate::instance::registry::registry;
use crate::instance::worker::Recompiler;
use crate::metal::exit::Status;
use crate::metal::time;
use crate::tasks::executive::Executive;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use sched::TaskSpec;

/// Tasks in flight for each worker core.
const AT_ONCE: usize = 8;
/// How long each phase may take, µs.
const PATIENCE_US: u64 = 600_000_000;

/// What a phase saw.
#[derive(Debug, Default)]
struct Seen {
    calls: u64,
    wrong: u64,
    took_us: u64,
    latencies_ns: Vec<u64>,
    published: u64,
    retired: u64,
}

/// One function to call, and what it must return.
#[derive(Clone, Copy, Debug)]
struct Target {
    func: u32,
    argument: u64,
    expected: i32,
}

/// Runs both phases with `calls` calls each; the status says whether every result was right.
pub(crate) fn run(executive: &mut Executive, calls: u32) -> Status {
    let phases = phase(executive, u64::from(calls), false)
        .and_then(|off| Ok((off, phase(executive, u64::from(calls), true)?)));
    let (mut off, mut on) = match phases {
        Ok(phases) => phases,
        Err(why) => {
            console::say!("stress: {why}");
            return Status::Failure;
        }
    };
    print(&mut off, &mut on);
    if off.wrong + on.wrong == 0 && off.calls == on.calls {
        Status::Success
    } else {
        Status::Failure
    }
}

fn phase(executive: &mut Executive, calls: u64, compiling: bool) -> Result<Seen, String> {
    let loaded = pause::load("mix", false)?;
    let targets = targets(&loaded)?;
    let recompiler = if compiling {
        Some(Recompiler::start(&loaded.instance)?)
    } else {
        None
    };
    let outcome = call(executive, &loaded, &targets, calls);
    if let Some(recompiler) = recompiler {
        recompiler.stop(executive);
    }
    let versions = loaded.instance.version_stats();
    let mut seen = outcome?;
    seen.published = versions.made;
    seen.retired = versions.retired;
    loaded.unload();
    Ok(seen)
}

fn targets(loaded: &Loaded) -> Result<Vec<Target>, String> {
    let module = modules::find("mix", 2).ok_or("the guest is not embedded")?;
    let target = |check: &modules::Check| {
        let func = loaded.instance.program().entry(check.function)?;
        let &[argument] = check.args else { return None };
        Some(Target {
            func,
            argument: u64::from(argument as u32),
            expected: check.expected,
        })
    };
    let checks = module
        .checks
        .iter()
        .filter(|check| check.function.starts_with('f'));
    let targets: Vec<Target> = checks.filter_map(target).collect();
    if targets.is_empty() {
        Err(String::from("the guest has no functions"))
    } else {
        Ok(targets)
    }
}

fn call(
    executive: &mut Executive,
    loaded: &Loaded,
    targets: &[Target],
    calls: u64,
) -> Result<Seen, String> {
    let at_once = AT_ONCE * machine().roles().guests().len().max(1);
    let mut seen = Seen::default();
    let mut started = 0;
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let start = time::now_us();
    while seen.calls < calls {
        while started < calls && started - seen.calls < at_once as u64 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            // Each function half as often as the one before: a geometric distribution.
            let at = ((random >> 32 | 1 << 31).trailing_zeros() as usize).min(targets.len() - 1);
            let target = targets[at];
            loaded.start(
                at as u64,
                target.func,
                &[target.argument],
                TaskSpec::default(),
            )?;
            started += 1;
        }
        executive.run_until(10_000, || loaded.has_finished());
        for finished in loaded.take_finished() {
            let right = targets
                .get(finished.tag as usize)
                .is_some_and(|target| finished.result as i32 == target.expected);
            seen.calls += 1;
            seen.wrong += u64::from(!right);
            seen.latencies_ns.push(finished.took_ns);
        }
        if loaded.process.ending().is_some() || time::now_us() - start > PATIENCE_US {
            return Err(format!(
                "ended after {} calls: {:?}",
                seen.calls,
                loaded.process.ending()
            ));
        }
    }
    seen.took_us = time::now_us() - start;
    Ok(seen)
}

fn print(off: &mut Seen, on: &mut Seen) {
    let queue = registry().queue().stats();
    console::say!(
        "{:<22} {:>14} {:>14}",
        "stress",
        "compiler off",
        "compiler on"
    );
    let mut row = |label: &str, of: &dyn Fn(&mut Seen) -> u64| {
        let (off, on) = (of(off), of(on));
        console::say!("{label:<22} {off:>14} {on:>14}");
        console::json!("{{\"event\":\"stress\",\"what\":\"{label}\",\"off\":{off},\"on\":{on}}}");
    };
    row("calls", &|seen| seen.calls);
    row("calls a second", &|seen| {
        seen.calls * 1_000_000 / seen.took_us.max(1)
    });
    row("p50 latency, ns", &|seen| seen.percentile(50));
    row("p99 latency, ns", &|seen| seen.percentile(99));
    row("max latency, ns", &|seen| seen.percentile(100));
    row("publications", &|seen| seen.published);
    row("retired versions", &|seen| seen.retired);
    row("wrong results", &|seen| seen.wrong);
    console::say!("{:<22} {:>14} {:>14}", "queue refusals", "", queue.refused);
}

impl Seen {
    fn percentile(&mut self, percent: usize) -> u64 {
        self.latencies_ns.sort_unstable();
        let last = self.latencies_ns.len().saturating_sub(1);
        self.latencies_ns
            .get(last * percent / 100)
            .copied()
            .unwrap_or(0)
    }
}
