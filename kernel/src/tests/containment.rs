//! Contained calls: a compile may panic, overflow, exhaust its memory, run for ever, and nothing is left behind.

use super::ensure;
use crate::memory::heap_usage;
use crate::metal::{apic, time};
use crate::tasks::executive::Executive;
use crate::trap::contain::{Chamber, Enclosure, Failure, Step};
use crate::trap::interrupts;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Each kind of failure is reported as what it is, and the next call works.
pub(super) fn failures_are_contained(_executive: &mut Executive) -> Result<(), String> {
    let enclosure = Enclosure::new(64 << 10, 1 << 20).map_err(|error| format!("{error:?}"))?;
    let mut enclosure = Chamber::new(enclosure);
    let (heap_before, ..) = heap_usage();
    for _ in 0..3 {
        works(&mut enclosure)?;
        let failure = fails(&mut enclosure, || panic!("on purpose, with {} values", 3))?;
        ensure(
            matches!(&failure, Failure::Panic(note) if note.as_str().starts_with("on purpose, with 3 values")),
            &format!("a panic was reported as {failure:?}"),
        )?;
        let failure = fails(&mut enclosure, || recurse(0))?;
        ensure(
            failure == Failure::StackOverflow,
            &format!("a stack overflow was reported as {failure:?}"),
        )?;
        let failure = fails(&mut enclosure, || {
            Vec::<u64>::with_capacity(1 << 20).capacity() as u64
        })?;
        ensure(
            failure == Failure::ArenaFull,
            &format!("a full arena was reported as {failure:?}"),
        )?;
        stops(&mut enclosure)?;
    }
    let (heap_after, _, leaked) = heap_usage();
    ensure(
        leaked == 0,
        &format!("{leaked} heap objects were dropped inside"),
    )?;
    ensure(
        heap_after <= heap_before + 4096,
        &format!("the heap grew from {heap_before} to {heap_after}"),
    )
}

fn works(enclosure: &mut Chamber<Vec<u64>>) -> Result<(), String> {
    enclosure.start(Box::new(|| (0..1000).map(|n| n * n).collect()));
    ensure(
        matches!(drive(enclosure), Step::Finished),
        "a harmless call did not finish",
    )?;
    let sum = enclosure.finish(|squares| squares.iter().sum::<u64>());
    ensure(sum == Some(332_833_500), &format!("it returned {sum:?}"))
}

fn fails(enclosure: &mut Chamber<Vec<u64>>, call: fn() -> u64) -> Result<Failure, String> {
    enclosure.start(Box::new(move || {
        let mut some: Vec<u64> = (0..100).collect();
        some.push(call());
        some
    }));
    match drive(enclosure) {
        Step::Failed(failure) => Ok(failure),
        other => Err(format!("a call that must fail ended with {other:?}")),
    }
}

/// A call that never returns is interrupted by the timer and abandoned.
fn stops(enclosure: &mut Chamber<Vec<u64>>) -> Result<(), String> {
    enclosure.start(Box::new(|| {
        loop {
            core::hint::spin_loop();
        }
    }));
    for _ in 0..3 {
        apic::arm_timer(500);
        match enclosure.step() {
            Step::Interrupted(vector) => interrupts::handle(vector),
            other => return Err(format!("an endless call ended with {other:?}")),
        }
    }
    enclosure.abandon();
    ensure(
        time::now_us() > 0 && !enclosure.is_busy(),
        "an abandoned call is still there",
    )
}

/// Runs a call to its end, whatever interrupts it.
fn drive(enclosure: &mut Chamber<Vec<u64>>) -> Step {
    loop {
        match enclosure.step() {
            Step::Interrupted(vector) => interrupts::handle(vector),
            step => return step,
        }
    }
}

#[inline(never)]
fn recurse(depth: u64) -> u64 {
    let frame = core::hint::black_box([depth; 64]);
    if depth == u64::MAX {
        0
    } else {
        recurse(depth + 1) + frame[3]
    }
}
