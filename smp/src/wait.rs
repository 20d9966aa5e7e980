//! Bounded waiting on a clock that is not trusted.
//!
//! # Invariant
//! W1. A wait ends, whatever the clock does: time that runs backwards counts as none, a jump counts
//!     as at most [`MAX_STEP_US`], and a clock that stands still is noticed after a number of
//!     polls.

use crate::bus::Clock;

/// The most time that one poll may add to a wait, µs. A machine that was suspended between two
/// polls did not give its cores that time either.
pub(crate) const MAX_STEP_US: u64 = 10_000;

/// How long to wait for an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit {
    /// Time, µs.
    pub us: u64,
    /// Polls during which the clock may stand still.
    pub polls: u32,
}

impl Limit {
    /// For an answer to an interrupt. Generous: under emulation on a busy host a core may not run
    /// for a good part of a second, and giving up is final.
    pub const ANSWER: Limit = Limit {
        us: 2_000_000,
        polls: 50_000_000,
    };
}

/// Time as waits count it (W1).
#[derive(Debug)]
pub(crate) struct Timer<'a, C> {
    clock: &'a C,
    last_us: u64,
    total_us: u64,
    polls_without_time: u32,
}

impl<'a, C: Clock> Timer<'a, C> {
    pub(crate) fn new(clock: &'a C) -> Timer<'a, C> {
        Timer {
            clock,
            last_us: clock.now_us(),
            total_us: 0,
            polls_without_time: 0,
        }
    }

    /// Time since `new`, µs.
    pub(crate) fn elapsed_us(&self) -> u64 {
        self.total_us
    }

    /// Whether the clock has been standing still for `polls` polls.
    pub(crate) fn stands_still_for(&self, polls: u32) -> bool {
        self.polls_without_time >= polls
    }

    /// Whether `limit` has passed since `new`.
    pub(crate) fn is_over(&self, limit: Limit) -> bool {
        self.total_us >= limit.us || self.stands_still_for(limit.polls)
    }

    /// Lets some time pass, at most until `deadline_us` of this timer (or what the clock makes of
    /// it).
    pub(crate) fn pass_until(&mut self, deadline_us: u64) {
        let wait_us = deadline_us.saturating_sub(self.total_us).min(MAX_STEP_US);
        self.clock.relax(self.last_us.saturating_add(wait_us));
        let now_us = self.clock.now_us();
        let step_us = now_us.saturating_sub(self.last_us).min(MAX_STEP_US);
        self.last_us = now_us;
        self.total_us += step_us;
        self.polls_without_time = if step_us == 0 {
            self.polls_without_time + 1
        } else {
            0
        };
    }
}
