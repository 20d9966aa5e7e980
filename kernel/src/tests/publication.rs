//! Publication on metal: versions of one function are published while all worker cores call it.
//!
//! Each version's code returns its number, so a caller sees which version it entered. On every core the numbers must
//! never go backwards (P3 in `jit::code::publish`), and the last version must reach every core.

use super::ensure;
use crate::cores::machine;
use crate::demo::pause;
use crate::tasks::executive::Executive;
use crate::tasks::process::Ending;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use jit::code::publish::Outcome;
use jit::tier::{Compiled, Tier};
use sched::TaskSpec;

const VERSIONS: u32 = 1000;
const PATIENCE_US: u64 = 120_000_000;

/// Publishes [`VERSIONS`] versions under load.
pub(super) fn versions_arrive_in_order(executive: &mut Executive) -> Result<(), String> {
    let loaded = pause::load("publication", false)?;
    let entry = |name: &str| {
        loaded
            .instance
            .program()
            .entry(name)
            .ok_or("no such function")
    };
    let (version, watch) = (entry("version")?, entry("watch")?);
    publish(&loaded, version, 1)?;
    let watchers = machine().roles().guests();
    for core in watchers.iter() {
        let pin = sched::CoreId::new(core.index());
        let spec = TaskSpec {
            pin,
            ..TaskSpec::default()
        };
        loaded.start(core.index() as u64, watch, &[u64::from(VERSIONS)], spec)?;
    }
    for number in 2..=VERSIONS {
        publish(&loaded, version, number)?;
        // Where the BSP is a worker, its watcher runs in between.
        executive.turn(Some(200));
    }
    let mut calls = Vec::new();
    let over = || {
        calls.extend(
            loaded
                .take_finished()
                .iter()
                .map(|finished| finished.result as i32),
        );
        calls.len() == watchers.len() || loaded.process.ending().is_some()
    };
    executive.run_until(PATIENCE_US, over);
    let ending = loaded.process.ending();
    loaded.unload();
    if let Some(Ending::Failed(why)) = ending {
        return Err(why);
    }
    ensure(
        calls.len() == watchers.len(),
        &format!(
            "the last version reached {} of {} cores",
            calls.len(),
            watchers.len()
        ),
    )?;
    ensure(
        calls.iter().all(|&calls| calls > 0),
        "a replaced version was entered again",
    )
}

/// Publishes code that returns `number`.
fn publish(loaded: &crate::instance::guest::Loaded, func: u32, number: u32) -> Result<(), String> {
    // mov eax, number; ret
    let mut code = Vec::from([0xb8]);
    code.extend(number.to_le_bytes());
    code.push(0xc3);
    let compiled = Compiled {
        code,
        ..Compiled::default()
    };
    match loaded
        .instance
        .install(func, Tier::Baseline, &compiled, 0, 0)
    {
        Ok((_, Outcome::Published)) => Ok(()),
        other => Err(format!("version {number}: {other:?}")),
    }
}
