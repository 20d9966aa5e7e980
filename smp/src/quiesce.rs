//! Quiescence: when has every core let go of what was retired?
//!
//! Retired memory (an old code version, a table that was replaced) may be freed when no core can
//! hold a reference to it any more. Readers take no lock and write nothing shared; instead each
//! core says now and then that it holds no reference at all: it passes a *quiescent state*. Once
//! every core has passed one after the retirement, a *grace period* has elapsed.
//!
//! ```text
//!   retiring core                              any other core
//!   slot.store(new)                            … runs, may hold references to old …
//!   gp = begin():  epoch += 1  (= e)
//!                                              pass():  seen[me] = epoch          (holds nothing)
//!   has_elapsed(gp):  all seen ≥ e, or idle
//!   free(old)
//! ```
//!
//! Nothing here waits or blocks: [`Quiesce::has_elapsed`] is asked again later. A core that is in
//! no hurry to pass can be nudged (`Request::Quiesce`); [`Quiesce::laggards`] names those.
//!
//! # Where a core passes
//! On a task switch, and on return from an interrupt to ring 3, provided that it holds no reference
//! (in the kernel: is not between reading a slot table and using what it read). Before `hlt` it
//! goes [`Quiesce::idle`], a quiescent state that lasts, and it ends that by [`Quiesce::resume`]
//! before it reads anything that may be retired.
//!
//! # Serialising
//! For code, not holding a reference is not enough: the core must also not have old bytes in its
//! pipeline (SDM vol. 3, 8.1.3, cross-modifying code). So between a pass and the next instruction
//! of generated code a core executes a serialising instruction. `iretq` is one; `sysretq` is not,
//! so a path that returns by it does not pass, or serialises by itself.
//!
//! # Invariants
//! Q1. `seen[core] = e` is stored when the core holds no reference to anything retired before epoch
//!     e.
//! Q2. `seen[core]` is `IDLE` only while the core holds no reference at all.
//! Q3. Only the core itself writes its `seen` (and [`Quiesce::forget`], for a core that has
//!     halted).
//!
//! # Why nothing is freed too early
//! Let e be the epoch of the grace period. Take one core, at the moment it is checked.
//!
//! - *It shows at least e.* It read the epoch after `begin`, and with acquire, so all it reads
//!   afterwards is the new slot; and what it did with the old version came before its release store
//!   of `seen`, which the check acquires, so it comes before the free.
//! - *It shows idle.* By Q2 it holds nothing now. When it resumes, it marks itself, fences, and reads
//!   slots; the check fenced between the retirement and its look at the mark. It missed the mark, so
//!   the core's read comes later and finds the new slot.
//! - *It shows less.* The period has not elapsed. A core that never passes (lost, or stuck with
//!   interrupts off) keeps every later one from elapsing. That costs memory and is visible in
//!   `laggards`; freeing would cost correctness.

use crate::coreset::CoreMask;
use crate::ids::CoreId;
use crate::percpu::PerCpu;
use crate::sync::{AtomicU64, Ordering, fence};
#[cfg(test)]
use crate::weaken::Weakness;
use crate::weaken::weak;

/// The mark of a core that holds no reference and will say so before it takes one.
const IDLE: u64 = u64::MAX;

/// The quiescent states of all cores.
#[derive(Debug)]
pub struct Quiesce {
    epoch: AtomicU64,
    seen: PerCpu<AtomicU64>,
    #[cfg(test)]
    weakness: Weakness,
}

/// An interval that ends when every core has passed a quiescent state in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct GracePeriod(u64);

impl Quiesce {
    /// For a machine with this many cores, all of them idle: a core that is not up holds nothing.
    pub fn new(cores: usize) -> Quiesce {
        Quiesce {
            epoch: AtomicU64::new(1),
            seen: PerCpu::new(cores, |_| AtomicU64::new(IDLE)),
            #[cfg(test)]
            weakness: Weakness::None,
        }
    }

    /// The same with a step left out.
    #[cfg(test)]
    pub(crate) fn weakened(cores: usize, weakness: Weakness) -> Quiesce {
        Quiesce {
            weakness,
            ..Quiesce::new(cores)
        }
    }

    /// Begins a grace period for everything that the caller has retired before.
    pub fn begin(&self) -> GracePeriod {
        if weak!(self, NoNewEpoch) {
            // ORDERING: as below; the fault under test is the missing increment.
            return GracePeriod(self.epoch.load(Ordering::Acquire));
        }
        // ORDERING: AcqRel pairs with the Acquire loads in `pass` and `resume`: who reads this
        // epoch sees what was retired before. 64 bits do not wrap.
        GracePeriod(self.epoch.fetch_add(1, Ordering::AcqRel) + 1)
    }

    /// Whether every core has passed a quiescent state since `period` began. Never blocks.
    pub fn has_elapsed(&self, period: GracePeriod) -> bool {
        self.enter_check();
        self.seen
            .iter()
            .all(|(core, _)| self.has_passed(core, period))
    }

    /// The cores that have not passed one yet.
    pub fn laggards(&self, period: GracePeriod) -> CoreMask {
        self.enter_check();
        self.seen
            .iter()
            .map(|(core, _)| core)
            .filter(|core| !self.has_passed(*core, period))
            .collect()
    }

    /// `me` holds no reference to anything that may be retired. See the head for where this may be
    /// said, and for the serialising instruction that has to follow.
    pub fn pass(&self, me: CoreId) {
        // ORDERING: Acquire pairs with the increment in `begin`: later reads of slots see what was
        // stored before.
        let epoch = self.epoch.load(Ordering::Acquire);
        // ORDERING: Release pairs with the Acquire load in `has_passed`: earlier uses come before
        // the free.
        let release = if weak!(self, RelaxedPass) {
            Ordering::Relaxed
        } else {
            Ordering::Release
        };
        self.seen[me].store(epoch, release);
    }

    /// `me` holds no reference and will take none before [`Quiesce::resume`].
    pub fn idle(&self, me: CoreId) {
        // ORDERING: Release pairs with the Acquire load in `has_passed`, as in `pass`.
        self.seen[me].store(IDLE, Ordering::Release);
    }

    /// `me` may take references from now on: after `hlt`, or when it comes up.
    pub fn resume(&self, me: CoreId) {
        // ORDERING: Acquire pairs with the increment in `begin`, as in `pass`.
        let epoch = self.epoch.load(Ordering::Acquire);
        // ORDERING: Release pairs with the Acquire load in `has_passed`: the mark may count as a
        // pass, so what the core did before it went idle has to come before the free.
        self.seen[me].store(epoch, Ordering::Release);
        if !weak!(self, NoResumeFence) {
            // ORDERING: SeqCst pairs with the fence in `enter_check`: a check that misses this mark
            // comes before the reads that follow it.
            fence(Ordering::SeqCst);
        }
    }

    /// `core` has halted for good (`Calls::halted`) and so holds nothing for ever.
    pub fn forget(&self, core: CoreId) {
        self.idle(core);
    }

    fn enter_check(&self) {
        // ORDERING: SeqCst pairs with the fence in `resume`; it comes after the retirement and
        // before the marks are read, also if another core began the period and handed it over.
        fence(Ordering::SeqCst);
    }

    fn has_passed(&self, core: CoreId, period: GracePeriod) -> bool {
        // ORDERING: Acquire pairs with the Release stores in `pass` and `idle`.
        self.seen[core].load(Ordering::Acquire) >= period.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn core(index: usize) -> CoreId {
        CoreId::new(index).unwrap()
    }

    /// Two cores that are up.
    fn two() -> Quiesce {
        let quiesce = Quiesce::new(2);
        quiesce.resume(core(0));
        quiesce.resume(core(1));
        quiesce
    }

    #[test]
    fn grace_period_needs_a_pass_of_every_core() {
        let quiesce = two();
        quiesce.pass(core(0));
        let period = quiesce.begin();
        assert!(
            !quiesce.has_elapsed(period),
            "a pass from before does not count"
        );
        quiesce.pass(core(1));
        assert_eq!(quiesce.laggards(period), CoreMask::only(core(0)));
        quiesce.pass(core(0));
        assert!(quiesce.has_elapsed(period));
    }

    #[test]
    fn old_pass_counts_without_a_new_epoch() {
        let quiesce = Quiesce::weakened(1, Weakness::NoNewEpoch);
        quiesce.resume(core(0));
        let period = quiesce.begin();
        assert!(
            quiesce.has_elapsed(period),
            "freed while core 0 may still hold it"
        );
    }

    #[test]
    fn idle_cores_are_not_waited_for() {
        let quiesce = two();
        let period = quiesce.begin();
        quiesce.idle(core(0));
        quiesce.idle(core(1));
        assert!(quiesce.has_elapsed(period));
        quiesce.resume(core(1));
        assert!(
            quiesce.has_elapsed(period),
            "it resumed after the retirement"
        );
        assert!(!quiesce.has_elapsed(quiesce.begin()));
    }

    #[test]
    fn cores_that_never_came_up_or_have_halted_do_not_count() {
        let quiesce = Quiesce::new(64);
        quiesce.resume(core(0));
        quiesce.resume(core(9));
        let period = quiesce.begin();
        quiesce.pass(core(0));
        assert_eq!(quiesce.laggards(period), CoreMask::only(core(9)));
        quiesce.forget(core(9));
        assert!(quiesce.has_elapsed(period));
    }

    #[test]
    fn later_period_implies_all_earlier_ones() {
        let quiesce = two();
        let (first, second) = (quiesce.begin(), quiesce.begin());
        assert!(first < second);
        quiesce.pass(core(0));
        quiesce.pass(core(1));
        assert!(quiesce.has_elapsed(first) && quiesce.has_elapsed(second));
    }
}
