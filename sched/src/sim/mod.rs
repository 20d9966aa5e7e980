//! A deterministic simulation: the real scheduler on virtual cores, in an order drawn from a seed.
//!
//! One thread plays all cores. Each step it draws an actor, a core or the device that interrupts,
//! and lets it do one *step*: not one public operation but a part of it, where the operation could
//! be overtaken. `next` is four steps (wake, look, announce, look again), `start` and `unblock` are
//! three (transition, queue, find a core). The clock moves on between steps; timer interrupts and
//! IPIs arrive late by as much as the drawing of actors makes them.
//!
//! `model` says beside it, in the plainest way, what each task must be doing, and after every step
//! compares the two and checks the promises P1 to P5 of the crate. What goes wrong is a
//! [`Violation`] with the step; the seed alone reproduces it:
//! `SCHED_SIM_SEED=17 cargo test -p sched sim::` runs only that seed, in every profile, and
//! `SCHED_SIM_SEEDS=5000` more than every day.
#![cfg(not(loom))]

mod machine;
mod model;
mod tests;

use crate::guards::Guards;
use crate::types::{Limits, Ticks};
use alloc::string::String;

/// What a running task may do in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Compute,
    Yield,
    Block,
    Sleep,
    Exit,
    Spawn,
    Unblock,
    Kill,
    Scan,
}

/// What a run is made of.
#[derive(Clone, Copy, Debug)]
struct Profile {
    name: &'static str,
    /// For each core, whether it is a worker.
    cores: &'static [bool],
    limits: Limits,
    /// How often each action is drawn.
    actions: &'static [(Action, u32)],
    /// In 100: new tasks that are pinned, that are background tasks.
    pinned: u32,
    background: u32,
    steps: usize,
}

/// The promise that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Property {
    /// P1: a task blocks although it had been woken.
    LostWakeUp,
    /// P2: a ready task was passed over too often.
    Starved,
    /// P3: a core is halted beside a task that it may run.
    IdleBesideWork,
    /// P4: a wait ended before its time and without a wake-up.
    TimerEarly,
    /// P4: a wait outlived a `tick` or `next` after its time, or the core was not told the time.
    TimerLate,
    /// P5: a task is where it must not be.
    Misplaced,
    /// An operation gave another answer than the model.
    WrongAnswer,
}

/// A broken promise, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Violation {
    property: Property,
    step: usize,
    detail: String,
}

/// What a run without violation came to, so that a test can see that things did happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Totals {
    spawned: u64,
    runs: u64,
    steals: u64,
    halts: u64,
    preemptions: u64,
    timers: u64,
    passed_on: u64,
    overflows: u64,
    exhausted: u64,
    /// The most picks that a ready task waited for.
    longest_wait: usize,
    end: Ticks,
}

/// Runs `profile` in the order that `seed` gives, until its steps are over and all tasks have ended.
fn run(profile: &Profile, seed: u64, guards: Guards) -> Result<Totals, Violation> {
    machine::Machine::new(profile, seed, guards).run()
}

/// Numbers drawn from a seed (SplitMix64).
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `bound`, which is not zero.
    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// True `percent` times in 100.
    fn percent(&mut self, percent: u32) -> bool {
        self.below(100) < percent as usize
    }

    fn action(&mut self, actions: &[(Action, u32)]) -> Action {
        let total: u32 = actions.iter().map(|&(_, weight)| weight).sum();
        let mut drawn = self.below(total as usize) as u32;
        for &(action, weight) in actions {
            if drawn < weight {
                return action;
            }
            drawn -= weight;
        }
        Action::Compute
    }
}
