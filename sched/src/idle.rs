//! Idle cores: halting without losing a wake-up.
//!
//! A core that found nothing to do announces itself in a mask, looks *again*, and halts only then.
//! A core that queues a task looks at the mask afterwards, claims one idle core by clearing its bit,
//! and has an IPI sent to it.
//!
//! ```text
//!   core that becomes idle                 core that makes a task ready
//!   I1  mask |= me                         R1  queue.push(task)
//!       fence(SeqCst)   ◄── pairs with ──►     fence(SeqCst)
//!   I2  look at all queues                 R2  look at mask, claim a core, IPI
//!       halt until IPI or timer
//! ```
//!
//! # Why no wake-up is lost
//!
//! This is the store-buffer litmus test: each side writes one place and then reads the other's.
//! Without fences both may read the old value (x86-64 too lets a load overtake an older store), the
//! core halts and the task waits for ever. The two fences are totally ordered. If I's comes first,
//! R2 sees the bit; if R's comes first, I2 sees the task. So one side at least knows of the other.
//!
//! The IPI cannot come too early: the core has interrupts off from before I1 to the `hlt`, where a
//! pending IPI ends the halt at once. The mask bit is cleared by exactly one read-modify-write, the
//! claimer's or the core's own, so a wake-up is given once and the core knows whether it got one.
//!
//! # Why no core stays halted while a task is queued (promise P3)
//!
//! Invariant: *if a worker is announced while a stealable task is queued, then some worker is bound
//! to look at the queues*: one that is between I1 and the end of I2, or one that has been claimed
//! and not looked since. R establishes it by claiming. A claimed core that looks and finds something
//! *else* than the task it was claimed for is then busy and would break it. So a core whose bit had
//! been cleared by a claimer *passes the wake-up on*: after taking a task it acts as R2 once more,
//! if stealable tasks are left. A core whose bit was still set when it withdrew was nobody's promise.
//!
//! Both fences, the second look, the IPI and the passing on have switches in the tests, and each is
//! seen to lose a task when it is off (`loom_models`, `sim`).

use crate::guards::{Guard, Guards};
use crate::sync::{AtomicU64, Ordering, fence};
use crate::types::{CoreId, CoreSet, MAX_CORES};
use alloc::boxed::Box;

/// Which cores are halted or about to be.
#[derive(Debug)]
pub(crate) struct IdleMask {
    words: Box<[AtomicU64]>,
    guards: Guards,
}

impl IdleMask {
    /// A mask with a bit for each of `cores` cores; none is idle.
    pub(crate) fn new(cores: usize, guards: Guards) -> Self {
        let words = cores.min(MAX_CORES).div_ceil(64);
        Self {
            words: (0..words).map(|_| AtomicU64::new(0)).collect(),
            guards,
        }
    }

    /// I1 and its fence: from here on, `core` must look at all its queues before it halts.
    pub(crate) fn announce(&self, core: CoreId) {
        // ORDERING: Relaxed: the fence below orders it before the looks at the queues.
        self.word(core).fetch_or(bit(core), Ordering::Relaxed);
        self.fence();
    }

    /// Withdraws `core`; whether a claimer was faster, so that a wake-up for it is on its way.
    pub(crate) fn withdraw(&self, core: CoreId) -> bool {
        // ORDERING: Acquire pairs with the Release in `claim`: a claimed core sees what was queued
        // before the claim.
        self.word(core).fetch_and(!bit(core), Ordering::Acquire) & bit(core) == 0
    }

    /// The fence between R1 and R2. Call it after queueing and before `claim`.
    pub(crate) fn order_after_push(&self) {
        self.fence();
    }

    /// R2 for one core: whether it was idle and is now claimed by this call.
    pub(crate) fn claim(&self, core: CoreId) -> bool {
        // ORDERING: Relaxed: the fence in `order_after_push` makes an announcement that came before
        // it visible here; a later one is the idle core's to notice (I2).
        if self.word(core).load(Ordering::Relaxed) & bit(core) == 0 {
            return false;
        }
        // ORDERING: Release pairs with the Acquire in `withdraw`.
        self.word(core).fetch_and(!bit(core), Ordering::Release) & bit(core) != 0
    }

    /// R2 for any of `cores`: claims an idle one. Each round that fails found a bit cleared by
    /// another core; there are at most as many rounds as cores.
    pub(crate) fn claim_any(&self, cores: CoreSet) -> Option<CoreId> {
        (0..self.words.len()).find_map(|index| {
            // ORDERING: Relaxed: as in `claim`, which repeats the look.
            let idle = self.words[index].load(Ordering::Relaxed) & cores.word(index);
            ones(idle)
                .filter_map(|place| CoreId::new(index * 64 + place))
                .find(|&core| self.claim(core))
        })
    }

    fn fence(&self) {
        if self.guards.on(Guard::IdleFence) {
            // ORDERING: SeqCst: the total order of these fences is the argument above; `announce`'s
            // pairs with `order_after_push`'s.
            fence(Ordering::SeqCst);
        }
    }

    fn word(&self, core: CoreId) -> &AtomicU64 {
        &self.words[core.index() / 64]
    }
}

const fn bit(core: CoreId) -> u64 {
    1 << (core.index() % 64)
}

/// The places of the one bits, lowest first.
fn ones(mut bits: u64) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let place = bits.trailing_zeros() as usize;
        let found = bits != 0;
        bits &= bits.wrapping_sub(1);
        found.then_some(place)
    })
}
