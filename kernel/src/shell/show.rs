//! The commands that only show something.

use crate::catalog::File;
use crate::console;
use crate::cores::machine;
use crate::demo::{self, Row};
use crate::instance::registry::registry;
use crate::memory;
use crate::tasks::scheduler;
use alloc::string::String;
use alloc::vec::Vec;
use jit::tier::Tier;
use kernel::cmdline::Options;

/// Functions that `top` lists.
const TOP: usize = 16;

pub(super) fn files(files: &[File]) {
    for file in files {
        console::say!(
            "  {:<24} {:>7} bytes  {}",
            file.name,
            file.bytes.len(),
            file.source
        );
    }
}

pub(super) fn top(history: &[(String, Row)]) {
    let mut rows: Vec<&(String, Row)> = history.iter().collect();
    rows.sort_by_key(|(_, row)| core::cmp::Reverse(row.calls + row.loops / 10));
    console::say!("  module             function          calls     loops  tiers          bytes");
    for (module, row) in rows.into_iter().take(TOP) {
        console::say!(
            "  {module:<18.18} {:<14.14} {:>8} {:>9}  {:<13} {:>6}",
            row.name,
            row.calls,
            row.loops,
            demo::path(row),
            row.bytes
        );
    }
}

pub(super) fn tiers(options: &Options, history: &[(String, Row)]) {
    let thresholds = options.thresholds;
    for (at, tier) in Tier::ALL.into_iter().enumerate() {
        let reached = history
            .iter()
            .filter(|(_, row)| row.path.last() == Some(&tier))
            .count();
        let calls = match at.checked_sub(1).and_then(|at| thresholds.get(at)) {
            Some(calls) => alloc::format!("from {calls} calls"),
            None => String::from("on the first call"),
        };
        console::say!("  {tier:<9} {calls:<20} {reached:>5} functions ended here");
    }
    demo::print_queue();
}

pub(super) fn statistics() {
    let (free, total) = memory::frame_counts();
    console::say!("frames: {free} of {total} free");
    demo::print_memory();
    for instance in registry().all() {
        let stats = instance.version_stats();
        console::say!(
            "instance {}: {} versions, {} retired ({} bytes)",
            instance.program().module.name,
            stats.made,
            stats.retired,
            stats.retired_bytes
        );
    }
}

pub(super) fn cores() {
    let machine = machine();
    console::say!("  core  apic  role          runs   steals    idles  preempted");
    for core in machine.topology.cores() {
        let stats = sched::CoreId::new(core.id.index()).map(|id| scheduler().stats(id));
        let stats = stats.unwrap_or_default();
        console::say!(
            "  {:>4}  {:>4}  {:<10} {:>7} {:>8} {:>8} {:>10}",
            core.id.index(),
            core.apic.0,
            alloc::format!("{}", machine.roles().of(core.id)),
            stats.runs,
            stats.steals,
            stats.idles,
            stats.preemptions
        );
    }
}
