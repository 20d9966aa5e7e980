//! The longest time that worker cores make no progress, with the compiler off and on.
//!
//! A guest on each worker core reads the clock again and again and keeps the longest step (`heartbeat.c`). Meanwhile
//! the JIT worker is idle, or recompiles all functions of another instance without a pause. What both figures share
//! (timer interrupts, an emulator's scheduling) is not the compiler's doing.

use crate::console;
use crate::cores::machine;
use crate::instance::guest::{self, Loaded, Setup};
use crate::instance::worker::Recompiler;
use crate::tasks::executive::Executive;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use jit::policy::Thresholds;
use sched::TaskSpec;

/// How long each measurement takes, µs.
const DURATION_US: u64 = 300_000;
/// How long it may take until all guests have answered, µs.
const PATIENCE_US: u64 = 60_000_000;

/// Measures and prints both figures.
pub(super) fn show(executive: &mut Executive) {
    let (off, on) = match (measure(executive, false), measure(executive, true)) {
        (Ok(off), Ok(on)) => (off, on),
        (Err(why), _) | (_, Err(why)) => {
            console::say!("progress of the worker cores: not measured: {why}");
            return;
        }
    };
    console::say!(
        "longest time a worker core made no progress: {} us with the compiler off, {} us \
         while it compiled {} versions",
        off.longest_us,
        on.longest_us,
        on.versions
    );
    console::json!(
        "{{\"event\":\"pause\",\"off_us\":{},\"on_us\":{},\"versions\":{}}}",
        off.longest_us,
        on.longest_us,
        on.versions
    );
}

/// A measurement.
struct Measured {
    longest_us: u64,
    versions: u64,
}

fn measure(executive: &mut Executive, compiling: bool) -> Result<Measured, String> {
    let heart = load("heartbeat", false)?;
    let func = heart
        .instance
        .program()
        .entry("heartbeat")
        .ok_or("no heartbeat")?;
    let load_of = load("mix", false)?;
    let recompiler = if compiling {
        Some(Recompiler::start(&load_of.instance)?)
    } else {
        None
    };
    let guests: Vec<_> = machine().roles().guests().iter().collect();
    for core in &guests {
        let pin = sched::CoreId::new(core.index());
        heart.start(
            core.index() as u64,
            func,
            &[DURATION_US],
            TaskSpec {
                pin,
                ..TaskSpec::default()
            },
        )?;
    }
    let mut longest_us = 0;
    let mut answered = 0;
    let ended = executive.run_until(PATIENCE_US, || {
        for finished in heart.take_finished() {
            longest_us = longest_us.max(finished.result);
            answered += 1;
        }
        answered == guests.len()
    });
    if let Some(recompiler) = recompiler {
        recompiler.stop(executive);
    }
    let versions = load_of.instance.version_stats().made;
    load_of.unload();
    heart.unload();
    if ended {
        Ok(Measured {
            longest_us,
            versions,
        })
    } else {
        Err("a guest did not answer".into())
    }
}

/// Loads an embedded guest at -O2.
pub(crate) fn load(name: &str, tier_up: bool) -> Result<Loaded, String> {
    let module = modules::find(name, 2).ok_or_else(|| name.to_string())?;
    let (program, _) = guest::read(name, module.file)?;
    guest::load(
        program,
        Setup {
            thresholds: Thresholds::default(),
            tier_up,
        },
    )
}
