//! Counters per core, for people and reports; nothing is decided by them.
//!
//! Each core writes its own and any may read: plain relaxed additions, one cache line per core.
//! They take their atomics from `core` even under loom, which then has less to explore.

use core::sync::atomic::{AtomicU64, Ordering};

/// What a core has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CoreStats {
    /// Tasks put on this core.
    pub runs: u64,
    /// Of these, taken from another worker's queue.
    pub steals: u64,
    /// Times it found nothing to do.
    pub idles: u64,
    /// Tasks taken off because their slice was over.
    pub preemptions: u64,
    /// Waits that its timers ended.
    pub timers: u64,
    /// Wake-ups that it passed on to another idle core.
    pub passed_on: u64,
}

/// The counters behind [`CoreStats`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) runs: Counter,
    pub(crate) steals: Counter,
    pub(crate) idles: Counter,
    pub(crate) preemptions: Counter,
    pub(crate) timers: Counter,
    pub(crate) passed_on: Counter,
}

impl Counters {
    /// Each number is exact; together they may lie some events apart.
    pub(crate) fn snapshot(&self) -> CoreStats {
        CoreStats {
            runs: self.runs.get(),
            steals: self.steals.get(),
            idles: self.idles.get(),
            preemptions: self.preemptions.get(),
            timers: self.timers.get(),
            passed_on: self.passed_on.get(),
        }
    }
}

/// A number that only grows.
#[derive(Debug)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add_one(&self) {
        // ORDERING: Relaxed: a statistic, it publishes nothing else.
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        // ORDERING: Relaxed: as in `add_one`.
        self.0.load(Ordering::Relaxed)
    }
}

impl Default for Counter {
    fn default() -> Self {
        Self(AtomicU64::new(0))
    }
}
