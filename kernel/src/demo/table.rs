//! What the demonstration prints, in 80 columns.

use super::climb::{Climb, Row};
use crate::console;
use crate::cores::machine;
use crate::instance::registry::registry;
use crate::memory;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Functions listed of each program.
const MAX_ROWS: usize = 12;

/// Prints a program that is over: a line, and for unoptimised bitcode its functions.
pub(super) fn print_climb(climb: &Climb) {
    let name = &climb.file.name;
    let [before, after] = climb.best_ns;
    if climb.is_right() {
        console::say!(
            "{name:<22} {:<5} {:>3} results right   {:>8} us -> {:>8} us   {}",
            climb.file.source,
            climb.checked,
            before / 1000,
            after / 1000,
            ratio(before, after)
        );
    } else {
        climb
            .wrong
            .iter()
            .for_each(|why| console::say!("{name:<22} WRONG: {why}"));
    }
    console::json!(
        "{{\"event\":\"program\",\"module\":\"{name}\",\"disk\":{},\"right\":{},\"checked\":{},\
         \"baseline_ns\":{before},\"tiered_ns\":{after}}}",
        climb.is_from_disk(),
        climb.is_right(),
        climb.checked
    );
    climb.rows.iter().for_each(|row| print_json(name, row));
    if climb.guest().level == 0 {
        print_functions(&climb.rows);
    }
}

fn print_functions(rows: &[Row]) {
    console::say!("  function             calls     loops  tiers            us  bytes  core");
    let mut hottest: Vec<&Row> = rows.iter().collect();
    hottest.sort_by_key(|row| core::cmp::Reverse(row.calls + row.loops / 10));
    for row in hottest.into_iter().take(MAX_ROWS) {
        console::say!(
            "  {:<16.16} {:>9} {:>9}  {:<13} {:>5} {:>6} {:>5}",
            row.name,
            row.calls,
            row.loops,
            path(row),
            row.compile_us,
            row.bytes,
            row.core
        );
    }
}

/// The way through the tiers: `base`, `base>o1`, `base>o1>o2>o3`.
pub(crate) fn path(row: &Row) -> String {
    let mut path = String::new();
    for tier in &row.path {
        if !path.is_empty() {
            path.push('>');
        }
        path.push_str(match tier {
            jit::tier::Tier::Baseline => "base",
            jit::tier::Tier::O1 => "o1",
            jit::tier::Tier::O2 => "o2",
            jit::tier::Tier::O3 => "o3",
        });
    }
    path
}

fn print_json(module: &str, row: &Row) {
    console::json!(
        "{{\"event\":\"function\",\"module\":\"{module}\",\"function\":\"{}\",\"tiers\":\"{}\",\
         \"calls\":{},\"loops\":{},\"compile_us\":{},\"bytes\":{},\"core\":{}}}",
        row.name,
        path(row),
        row.calls,
        row.loops,
        row.compile_us,
        row.bytes,
        row.core
    );
}

/// The last table: the speed-up of each program at each of clang's levels.
pub(super) fn print_summary(climbs: &[Climb]) {
    let mut programs: BTreeMap<&str, [Option<&Climb>; 4]> = BTreeMap::new();
    for climb in climbs {
        let guest = climb.guest();
        let levels = programs.entry(guest.name).or_default();
        if let Some(place) = levels.get_mut(usize::from(guest.level)) {
            *place = Some(climb);
        }
    }
    console::say!("");
    console::say!("speed-up of the benchmark: baseline -> tiers, by clang's level of the bitcode");
    console::say!(
        "{:<20} {:>10} {:>10} {:>10} {:>10}",
        "program",
        "-O0",
        "-O1",
        "-O2",
        "-O3"
    );
    for (name, levels) in programs {
        let cells: Vec<String> = levels
            .iter()
            .map(|climb| {
                climb.map_or(String::from("-"), |climb| {
                    if climb.is_right() {
                        ratio(climb.best_ns[0], climb.best_ns[1])
                    } else {
                        String::from("WRONG")
                    }
                })
            })
            .collect();
        console::say!(
            "{name:<20} {:>10} {:>10} {:>10} {:>10}",
            cells[0],
            cells[1],
            cells[2],
            cells[3]
        );
    }
    let wrong = climbs.iter().filter(|climb| !climb.is_right()).count();
    let checked: u64 = climbs.iter().map(|climb| climb.checked).sum();
    console::say!(
        "{} programs, {checked} results, {wrong} programs wrong",
        climbs.len()
    );
}

/// Figures of the machine.
pub(super) fn print_machine() {
    print_queue();
    print_memory();
}

/// Figures of the compile queue.
pub(crate) fn print_queue() {
    let queue = registry().queue().stats();
    console::say!(
        "compile queue: {} queued, {} raised, {} pending already, {} refused",
        queue.queued,
        queue.upgraded,
        queue.deduplicated,
        queue.refused
    );
}

/// Figures of memory and console.
pub(crate) fn print_memory() {
    let (used, all) = memory::code::usage();
    let (heap, mapped) = memory::heap_usage_kib();
    console::say!(
        "memory: code {} of {} KiB, heap {heap} of {mapped} KiB; {} cores; {} lines dropped",
        used >> 10,
        all >> 10,
        machine().online().len(),
        console::dropped()
    );
}

fn ratio(before: u64, after: u64) -> String {
    if after == 0 || before == u64::MAX || after == u64::MAX {
        return String::from("?");
    }
    let hundredths = before.saturating_mul(100) / after;
    format!("{}.{:02}x", hundredths / 100, hundredths % 100)
}
