//! The state word of a function: who may compile it, who may publish it, what is published.
//!
//! One 64-bit word, changed by compare-and-swap only, so that every question has one answer at one
//! moment and losing a race has a defined outcome. Nobody waits on it.
//!
//! ```text
//! bits  0–2   published rank: 0 none, else tier + 1
//! bit   3     claimed: someone is between claim and publish
//! bits  4–7   requested, a bit a tier: an entry for this function is in the compile queue
//! bits  8–11  in progress, a bit a tier: a worker compiles it
//! bits 12–15  declined, a bit a tier: never asked again
//! bits 32–63  serial of the published version
//! ```
//!
//! # Invariants
//!
//! S1. Between a successful [`FuncState::claim`] and the [`FuncState::published`] or
//!     [`FuncState::unclaim`] that ends it, no other claim succeeds; hence the dispatch slot has
//!     one writer at a time.
//! S2. (rank, serial) of the published version only grows: a lower tier never replaces a higher.
//! S3. A function has at most one entry in the queue: an entry is pushed only by the request that
//!     found no requested bit set, and taking the entry clears all of them in the same step. A
//!     request that finds a bit set raises the entry in place, or, if it was taken meanwhile, is
//!     the first again. So no request is lost and none is doubled.

use crate::sync::{AtomicU64, Ordering};
use crate::tier::Tier;

const RANK: u64 = 7;
const CLAIMED: u64 = 1 << 3;
const REQUESTED: u64 = 4;
const IN_PROGRESS: u64 = 8;
const DECLINED: u64 = 12;
const TIERS: u64 = 15;
const SERIAL: u64 = 32;

/// The state word.
#[derive(Debug)]
pub struct FuncState(AtomicU64);

/// The state word at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Snapshot(u64);

/// What became of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Requested {
    /// The caller must push an entry, or take the request back with [`FuncState::unrequest`].
    New,
    /// The entry that is in the queue was raised to this tier.
    Upgraded,
    /// That tier is requested or being compiled already.
    Already,
    /// That tier or a higher one is published, or the tier declined.
    Pointless,
}

/// Why a claim failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lost {
    /// The published version is not older: drop the new one.
    Newer,
    /// Another is just publishing; its step is a few instructions long.
    Busy,
}

impl Snapshot {
    /// Tier of the published version.
    #[must_use]
    pub fn published(self) -> Option<Tier> {
        let rank = (self.0 & RANK) as usize;
        rank.checked_sub(1)
            .and_then(|at| Tier::ALL.get(at).copied())
    }

    /// Serial of the published version.
    #[must_use]
    pub fn serial(self) -> u32 {
        (self.0 >> SERIAL) as u32
    }

    /// Whether someone is just publishing.
    #[must_use]
    pub fn is_claimed(self) -> bool {
        self.0 & CLAIMED != 0
    }

    /// The highest requested tier.
    #[must_use]
    pub fn requested(self) -> Option<Tier> {
        highest(self.0 >> REQUESTED)
    }

    /// Whether a compilation is requested or in progress.
    #[must_use]
    pub fn is_pending(self) -> bool {
        self.0 >> REQUESTED & (TIERS | TIERS << (IN_PROGRESS - REQUESTED)) != 0
    }

    /// Whether `tier` declined this function.
    #[must_use]
    pub fn has_declined(self, tier: Tier) -> bool {
        self.0 & bit(DECLINED, tier) != 0
    }

    fn order(self) -> (u64, u32) {
        (self.0 & RANK, self.serial())
    }
}

impl Default for FuncState {
    fn default() -> Self {
        Self::new()
    }
}

impl FuncState {
    /// Nothing published, nothing requested.
    #[must_use]
    pub fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// The word now.
    #[must_use]
    pub fn load(&self) -> Snapshot {
        // ORDERING: Acquire pairs with the AcqRel updates below: who sees a rank here also sees
        // the slot store and the version record that went before it.
        Snapshot(self.0.load(Ordering::Acquire))
    }

    /// Asks for `tier`.
    pub fn request(&self, tier: Tier) -> Requested {
        let mut outcome = Requested::Pointless;
        let _ = self.update(|word| {
            let declined = word & bit(DECLINED, tier) != 0;
            let pending = word & (bit(REQUESTED, tier) | bit(IN_PROGRESS, tier)) != 0;
            outcome = if declined || word & RANK > tier as u64 {
                Requested::Pointless
            } else if pending {
                Requested::Already
            } else if word >> REQUESTED & TIERS != 0 {
                Requested::Upgraded
            } else {
                Requested::New
            };
            let sets = matches!(outcome, Requested::New | Requested::Upgraded);
            sets.then_some(word | bit(REQUESTED, tier))
        });
        outcome
    }

    /// Takes a request back that could not be queued; the counters will ask again.
    pub fn unrequest(&self) {
        let _ = self.update(|word| Some(word & !(TIERS << REQUESTED)));
    }

    /// Takes the requests of this function's entry: the highest tier asked for, which is in
    /// progress from now on. `None` if there are none (the function was unloaded or served).
    pub fn take(&self) -> Option<Tier> {
        let before = self.update(|word| {
            let tier = highest(word >> REQUESTED)?;
            Some(word & !(TIERS << REQUESTED) | bit(IN_PROGRESS, tier))
        });
        before.and_then(|word| highest(word >> REQUESTED))
    }

    /// The compilation at `tier` has ended, one way or another; with `declined` it is never asked
    /// for again.
    pub fn finish(&self, tier: Tier, declined: bool) {
        let set = if declined { bit(DECLINED, tier) } else { 0 };
        let _ = self.update(|word| Some(word & !bit(IN_PROGRESS, tier) | set));
    }

    /// Claims the right to store the slot for a version of `tier` with `serial`.
    ///
    /// # Errors
    /// [`Lost`] says what the loser does.
    pub fn claim(&self, tier: Tier, serial: u32) -> Result<(), Lost> {
        let mut lost = Lost::Busy;
        let claimed = self.update(|word| {
            let now = Snapshot(word);
            if now.order() >= (rank(tier), serial) {
                lost = Lost::Newer;
                return None;
            }
            lost = Lost::Busy;
            (!now.is_claimed()).then_some(word | CLAIMED)
        });
        claimed.map(|_| ()).ok_or(lost)
    }

    /// The claimant has stored the slot.
    pub(super) fn published(&self, tier: Tier, serial: u32) {
        let _ = self.update(|word| {
            let kept = word & (0xffff & !RANK & !CLAIMED);
            Some(kept | rank(tier) | u64::from(serial) << SERIAL)
        });
    }

    /// The claimant gives up without storing the slot.
    pub fn unclaim(&self) {
        let _ = self.update(|word| Some(word & !CLAIMED));
    }

    fn update(&self, f: impl FnMut(u64) -> Option<u64>) -> Option<u64> {
        // ORDERING: AcqRel on success and Acquire on failure pair with each other and with `load`:
        // each step sees what the step before it saw, so the word's history is one sequence that
        // carries the claimant's writes with it.
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, f)
            .ok()
    }
}

const fn rank(tier: Tier) -> u64 {
    tier as u64 + 1
}

const fn bit(field: u64, tier: Tier) -> u64 {
    1 << (field + tier as u64)
}

fn highest(bits: u64) -> Option<Tier> {
    Tier::ALL
        .into_iter()
        .rev()
        .find(|&tier| bits & TIERS & 1 << tier as u64 != 0)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_second_request_upgrades_the_entry_in_place() {
        let state = FuncState::new();
        assert_eq!(state.request(Tier::O1), Requested::New);
        assert_eq!(state.request(Tier::O1), Requested::Already);
        assert_eq!(state.request(Tier::O3), Requested::Upgraded);
        assert!(state.load().is_pending());
        assert_eq!(state.take(), Some(Tier::O3));
        assert!(state.load().is_pending(), "in progress");
        assert_eq!(state.take(), None);
        assert_eq!(state.request(Tier::O3), Requested::Already, "in progress");
        state.finish(Tier::O3, false);
        assert!(!state.load().is_pending());
        assert_eq!(state.request(Tier::O3), Requested::New);
    }

    #[test]
    fn a_lower_tier_never_replaces_a_higher() {
        let state = FuncState::new();
        state.claim(Tier::O2, 1).unwrap();
        assert_eq!(state.claim(Tier::O3, 2), Err(Lost::Busy));
        state.published(Tier::O2, 1);
        assert_eq!(state.claim(Tier::O1, 9), Err(Lost::Newer));
        assert_eq!(state.claim(Tier::O2, 1), Err(Lost::Newer));
        assert_eq!(state.claim(Tier::O2, 2), Ok(()), "same tier, younger");
        state.unclaim();
        assert_eq!(state.load().published(), Some(Tier::O2));
        assert_eq!(state.request(Tier::O1), Requested::Pointless);
    }

    #[test]
    fn a_declined_tier_is_not_asked_again() {
        let state = FuncState::new();
        assert_eq!(state.request(Tier::O1), Requested::New);
        assert_eq!(state.take(), Some(Tier::O1));
        state.finish(Tier::O1, true);
        assert_eq!(state.request(Tier::O1), Requested::Pointless);
        assert_eq!(state.request(Tier::O2), Requested::New);
        assert!(state.load().has_declined(Tier::O1));
    }
}
