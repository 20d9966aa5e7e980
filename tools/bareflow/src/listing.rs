//! What happened in a run: functions, tiers, compilations; as a table and as JSON lines.

use crate::fail::{self, Failure};
use hosted::Process;
use ir::FuncId;
use jit::tier::opt::pipeline::stays_at_baseline;
use serde_json::json;
use std::fmt::Write as _;
use std::path::Path;
use std::{fs, iter};

/// A table of the functions that were compiled, in at most 80 columns.
pub(crate) fn table(process: &Process) -> String {
    let instance = process.instance();
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{:<28} {:<8} {:>9} {:>9} {:>8} {:>6} {:>4}",
        "function", "tier", "calls", "loops", "us", "bytes", "core"
    );
    for func in 0..instance.program().imports.len() as u32 {
        let (Some(stats), Some(version)) = (instance.func_stats(func), instance.published(func))
        else {
            continue;
        };
        let _ = writeln!(
            text,
            "{:<28.28} {:<8} {:>9} {:>9} {:>8} {:>6} {:>4}",
            stats.name,
            version.tier,
            stats.calls,
            stats.loops,
            version.compile_us,
            version.code_bytes,
            version.core
        );
    }
    let versions = instance.version_stats();
    let queue = process.queue().stats();
    let _ = writeln!(
        text,
        "{} versions, {} retired ({} bytes); queue: {} queued, {} raised, {} refused",
        versions.made,
        versions.retired,
        versions.retired_bytes,
        queue.queued,
        queue.upgraded,
        queue.refused
    );
    text
}

/// One JSON object a line: each compilation by a worker, then each published function.
pub(crate) fn write_json(process: &Process, path: &Path) -> Result<(), Failure> {
    let instance = process.instance();
    let name = |func: u32| instance.program().module.funcs[func as usize].name.clone();
    let events = process.events().into_iter().map(|event| {
        json!({
            "event": "compiled", "at_us": event.at_us, "core": event.core,
            "function": name(event.func), "tier": event.tier.name(),
            "result": match event.result {
                Ok(outcome) => format!("{outcome:?}").to_lowercase(),
                Err(why) => why.to_string(),
            },
        })
    });
    let funcs = (0..instance.program().imports.len() as u32).filter_map(|func| {
        let stats = instance.func_stats(func)?;
        let version = instance.published(func)?;
        Some(json!({
            "event": "function", "function": stats.name, "tier": version.tier.name(),
            "calls": stats.calls, "loops": stats.loops, "compile_us": version.compile_us,
            "bytes": version.code_bytes, "core": version.core,
            "returns_twice": stays_at_baseline(&instance.program().module, FuncId(func)),
        }))
    });
    let lines: String = events
        .chain(funcs)
        .flat_map(|line| iter::once(line.to_string()).chain(iter::once("\n".to_owned())))
        .collect();
    fs::write(path, lines)
        .map_err(|error| Failure::new(fail::NO_FILE, format!("{}: {error}", path.display())))
}
