//! When a function is hot: counters, their sum over the cores, thresholds.
//!
//! Each core counts down in its own GS block, so that no cache line is shared on the call path. A
//! counter that goes negative *trips*: the core enters the count gate, which adds up what all cores
//! have counted and either requests the next tier or sets the counter anew to the core's share of
//! what is missing. Modules can write their counters, so these are hints: a forged one costs or
//! wins compile time and nothing else.
//!
//! The share is 1/cores of what is missing, at least [`LEAST_STEP`]: whichever cores do the calling,
//! a threshold of 100 is noticed before 100 + cores × `LEAST_STEP` calls. Cores that begin later find
//! shares already given out, and these stay until they are used up: the n-th core's share is 1/n, so
//! c cores that begin one by one notice it before 1 + 1/2 + … + 1/c times as many calls.

use crate::sync::{AtomicI32, AtomicU32, AtomicU64, Ordering};
use crate::tier::Tier;
use alloc::boxed::Box;

/// Smallest number that a counter is set to.
pub const LEAST_STEP: u32 = 8;

/// Calls that a function must have had before each tier is requested.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Thresholds {
    /// For O1, O2, O3.
    pub calls: [u32; 3],
    /// So many loop back-edges count as one call.
    pub loop_weight: u32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            calls: [100, 1000, 10_000],
            loop_weight: 10,
        }
    }
}

impl Thresholds {
    /// The highest tier that `heat` calls justify.
    #[must_use]
    pub fn tier_for(&self, heat: u64) -> Option<Tier> {
        let justified = |&(at, _): &(usize, &u32)| heat >= u64::from(self.calls[at]);
        let (at, _) = self.calls.iter().enumerate().rev().find(justified)?;
        Tier::ALL.get(at + 1).copied()
    }

    /// Calls still missing to the next threshold above `heat`; `None` above the last.
    #[must_use]
    pub fn missing(&self, heat: u64) -> Option<u32> {
        let next = self
            .calls
            .iter()
            .copied()
            .find(|&calls| u64::from(calls) > heat)?;
        Some((u64::from(next) - heat) as u32)
    }
}

/// What a counter counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// Calls of the function.
    Call,
    /// Back-edges of its loops.
    Loop,
}

/// What a function has done, as far as the runtime knows without asking the cores.
#[derive(Debug, Default)]
struct Heat {
    counted: [AtomicU64; 2],
}

/// The runtime's half of the counters of an instance.
#[derive(Debug)]
pub struct Profile {
    thresholds: Thresholds,
    funcs: Box<[Heat]>,
    /// What each core's counter was last set to: `[core][func * 2 + event]`.
    set_to: Box<[Box<[AtomicU32]>]>,
    /// Cores whose counters were set: a threshold is divided among them.
    armed: AtomicU32,
}

impl Profile {
    /// For `funcs` functions on `cores` cores.
    #[must_use]
    pub fn new(thresholds: Thresholds, funcs: usize, cores: usize) -> Self {
        let counters = || (0..funcs * 2).map(|_| AtomicU32::new(0)).collect();
        Self {
            thresholds,
            funcs: (0..funcs).map(|_| Heat::default()).collect(),
            set_to: (0..cores).map(|_| counters()).collect(),
            armed: AtomicU32::new(0),
        }
    }

    /// The thresholds.
    #[must_use]
    pub fn thresholds(&self) -> Thresholds {
        self.thresholds
    }

    /// Sets all counters of `core`, which begins to count; a core may begin anew.
    pub fn arm_all(&self, core: usize, counters: &[AtomicI32]) {
        // ORDERING: Relaxed, a hint; pairs with nothing.
        let _ = self
            .armed
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |armed| {
                Some(armed.max(core as u32 + 1))
            });
        for func in 0..self.funcs.len() {
            self.arm(core, func, counters, Event::Call, 0);
            self.arm(core, func, counters, Event::Loop, 0);
        }
    }

    /// Calls and back-edges of a function, summed over the cores' counters.
    pub fn counts<'a>(
        &self,
        func: usize,
        counters: impl Fn(usize) -> &'a [AtomicI32],
    ) -> (u64, u64) {
        let [calls, loops] = [Event::Call, Event::Loop].map(|event| {
            let partial = |core: usize| self.partial(core, func, counters(core), event);
            let at_cores: u64 = (0..self.set_to.len()).map(partial).sum();
            // ORDERING: Relaxed, a hint; pairs with nothing.
            self.funcs[func].counted[event as usize].load(Ordering::Relaxed) + at_cores
        });
        (calls, loops)
    }

    /// The counter of `event` of `func` tripped on `core`: books what it counted and gives the tier
    /// that the function's heat justifies; the counter is set anew.
    pub fn trip<'a>(
        &self,
        core: usize,
        func: usize,
        event: Event,
        counters: impl Fn(usize) -> &'a [AtomicI32],
    ) -> Option<Tier> {
        let counted = self.partial(core, func, counters(core), event);
        // ORDERING: Relaxed, a hint; pairs with nothing.
        self.funcs[func].counted[event as usize].fetch_add(counted, Ordering::Relaxed);
        self.clear(core, func, event);
        let (calls, loops) = self.counts(func, &counters);
        let heat = calls + loops / u64::from(self.thresholds.loop_weight.max(1));
        self.arm(core, func, counters(core), event, heat);
        self.thresholds.tier_for(heat)
    }

    /// What the counter has counted since it was set: never more than it was set to.
    fn partial(&self, core: usize, func: usize, counters: &[AtomicI32], event: Event) -> u64 {
        let at = func * 2 + event as usize;
        let (Some(set), Some(now)) = (self.set_to[core].get(at), counters.get(at)) else {
            return 0;
        };
        // ORDERING: Relaxed, hints; pair with nothing.
        let (set, now) = (set.load(Ordering::Relaxed), now.load(Ordering::Relaxed));
        u64::from(set) - u64::from(now.max(0).unsigned_abs().min(set))
    }

    fn clear(&self, core: usize, func: usize, event: Event) {
        // ORDERING: Relaxed, a hint; pairs with nothing.
        self.set_to[core][func * 2 + event as usize].store(0, Ordering::Relaxed);
    }

    fn arm(&self, core: usize, func: usize, counters: &[AtomicI32], event: Event, heat: u64) {
        let missing = self.thresholds.missing(heat).unwrap_or(u32::MAX / 64);
        let weight = if event == Event::Loop {
            self.thresholds.loop_weight.max(1)
        } else {
            1
        };
        // ORDERING: Relaxed, as above.
        let share = missing / self.armed.load(Ordering::Relaxed).max(1);
        let step = share
            .max(LEAST_STEP)
            .saturating_mul(weight)
            .min(i32::MAX as u32);
        let at = func * 2 + event as usize;
        // ORDERING: Relaxed, hints; pair with nothing.
        self.set_to[core][at].store(step, Ordering::Relaxed);
        if let Some(counter) = counters.get(at) {
            // ORDERING: Relaxed, as above.
            counter.store(step as i32, Ordering::Relaxed);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    type Counters = Vec<Vec<AtomicI32>>;

    fn setup(cores: usize) -> (Profile, Counters) {
        let profile = Profile::new(Thresholds::default(), 1, cores);
        let counters: Counters = (0..cores)
            .map(|_| (0..2).map(|_| AtomicI32::new(0)).collect())
            .collect();
        for (core, counters) in counters.iter().enumerate() {
            profile.arm_all(core, counters);
        }
        (profile, counters)
    }

    /// Calls the function until it is to be compiled; returns the number of calls and the tier.
    fn call_until_hot(cores: &[usize], profile: &Profile, counters: &Counters) -> (u64, Tier) {
        for call in 1..1_000_000 {
            let core = cores[call as usize % cores.len()];
            // ORDERING: Relaxed: one thread; pairs with nothing.
            if counters[core][0].fetch_sub(1, Ordering::Relaxed) > 0 {
                continue;
            }
            let tier = profile.trip(core, 0, Event::Call, |core| &counters[core]);
            if let Some(tier) = tier {
                return (call, tier);
            }
        }
        panic!("never hot");
    }

    #[test]
    fn a_threshold_is_noticed_whichever_cores_call() {
        for cores in [&[0][..], &[3], &[0, 1, 2, 3], &[1, 1, 1, 2]] {
            let (profile, counters) = setup(4);
            let (calls, tier) = call_until_hot(cores, &profile, &counters);
            assert_eq!(tier, Tier::O1);
            assert!(
                (100..=100 + 4 * u64::from(LEAST_STEP)).contains(&calls),
                "{calls}"
            );
        }
    }

    /// Calls on all of `cores` that began late, in turn, until the function is to be compiled: each core uses
    /// up its own share, the first one the longest.
    fn calls_of_late_cores(cores: usize, late: impl Fn(&Profile, &Counters)) -> u64 {
        let profile = Profile::new(Thresholds::default(), 1, cores);
        let counters: Counters = (0..cores)
            .map(|_| (0..2).map(|_| AtomicI32::new(0)).collect())
            .collect();
        late(&profile, &counters);
        let mut calls = 0;
        // The worst order: each core calls until its counter is one call from tripping.
        for counters in &counters {
            // ORDERING: Relaxed: one thread; pairs with nothing.
            calls += u64::from(counters[0].swap(0, Ordering::Relaxed).max(0).unsigned_abs());
        }
        let all: Vec<usize> = (0..cores).collect();
        calls + call_until_hot(&all, &profile, &counters).0
    }

    #[test]
    fn cores_that_begin_late_delay_a_threshold_by_a_harmonic_sum_and_no_more() {
        let one_by_one = |profile: &Profile, counters: &Counters| {
            for (core, counters) in counters.iter().enumerate() {
                profile.arm_all(core, counters);
            }
        };
        for cores in [1usize, 2, 4, 16] {
            let calls = calls_of_late_cores(cores, one_by_one);
            let sum: f64 = (1..=cores).map(|nth| 100.0 / nth as f64).sum();
            let most = sum as u64 + cores as u64 * u64::from(LEAST_STEP);
            assert!(
                (100..=most).contains(&calls),
                "{cores} cores: {calls}, {most}"
            );
        }
    }

    #[test]
    fn cores_that_do_not_know_of_each_other_delay_it_by_their_number() {
        // Each core's share is the whole threshold, as if nobody counted those that have begun.
        let apart = |profile: &Profile, counters: &Counters| {
            for (core, counters) in counters.iter().enumerate() {
                // ORDERING: Relaxed: one thread; pairs with nothing.
                profile.armed.store(0, Ordering::Relaxed);
                profile.arm(core, 0, counters, Event::Call, 0);
            }
        };
        let calls = calls_of_late_cores(16, apart);
        assert!(calls >= 1600, "{calls}");
    }

    #[test]
    fn forged_counters_are_only_hints() {
        let (profile, counters) = setup(2);
        // ORDERING: Relaxed: one thread; pairs with nothing.
        counters[0][0].store(i32::MAX, Ordering::Relaxed);
        counters[1][0].store(i32::MIN, Ordering::Relaxed);
        // Core 1 was the second to begin: its share is half of the threshold.
        assert_eq!(
            profile.trip(1, 0, Event::Call, |core| &counters[core]),
            None
        );
        assert_eq!(profile.counts(0, |core| &counters[core]), (50, 0));
    }

    #[test]
    fn loops_count_less_than_calls() {
        let thresholds = Thresholds::default();
        assert_eq!(thresholds.tier_for(99), None);
        assert_eq!(thresholds.tier_for(20_000), Some(Tier::O3));
        assert_eq!(thresholds.missing(100), Some(900));
        let (profile, counters) = setup(1);
        // ORDERING: Relaxed: one thread; pairs with nothing.
        counters[0][1].store(-1, Ordering::Relaxed);
        assert_eq!(
            profile.trip(0, 0, Event::Loop, |core| &counters[core]),
            Some(Tier::O1)
        );
        assert_eq!(profile.counts(0, |core| &counters[core]).1, 1000);
    }
}
