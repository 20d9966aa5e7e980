//! TLB shootdown: when may the frames behind removed mappings be used again?
//!
//! x86 cores cache translations, nothing keeps those caches coherent with the page tables, and so a
//! core may go on using a frame after its mapping is gone. Whoever unmaps must have every core that
//! may hold the old translation drop it, and only then give the frame away. Asking all cores always
//! would wake idle ones for nothing; so each [`Space`] knows which cores may hold its translations,
//! and a sleeping core is left alone and checks for itself when it wakes.
//!
//! ```text
//!   initiator (Shootdown::unmap)              core that starts to use the space (Space::enter)
//!   page table entries cleared
//!   generation += 1                           active += me
//!   ── fence ──                               ── fence ──
//!   read active                               read generation; moved since last time? flush
//!   ask those cores, wait bounded             use the space
//! ```
//!
//! # Invariants
//! D1. A core uses a space only between [`Space::enter`] (and the flush it may demand) and
//!     [`Space::idle`] or [`Space::depart`].
//! D2. The generation moves on after the page tables have changed and before `active` is read.
//! D3. `seen[core]` is a generation whose unmappings that core has flushed. Only `enter` writes it.
//! D4. A core is in `loaded` while its CR3 points to the space, and a core in `active` is in
//!     `loaded`.
//! D5. [`FrameFate::Reusable`] is returned only if every core that may hold a removed translation
//!     has flushed it, will flush it before its next use of the space, or has halted for good.
//!
//! # Why D5 holds
//! Take one unmapping with generation g and one other core. Both sides write, fence, and read the
//! other's word, so they cannot both miss each other. Either the initiator sees the core in
//! `active`: then the core acknowledges (`mailbox`: an acknowledged flush has happened) or is
//! silent, and the frames are quarantined. Or it does not, and the core is not using the space;
//! when it enters again it reads a generation of at least g, which differs from `seen`, because
//! `seen` was written by an earlier `enter` whose read came before g. It flushes. (Were `seen`
//! written when the core *leaves*, it could equal g without a flush: the switch `SeenOnLeave` shows
//! it.)
//!
//! A sleeping core's CR3 still points to the tables, and the processor may walk them speculatively.
//! A stale leaf entry does no harm (it is flushed before use); freed *tables* would, because the
//! walker would read whatever the frame holds next. So an unmapping that frees tables addresses
//! `loaded` instead of `active`, and a space is taken apart only when [`Space::loaded`] is empty.
//!
//! # Cost
//! One fence per entry, one interrupt per active core and unmapping. Batch: unmap many pages with
//! one [`Flush::Space`].

use alloc::boxed::Box;

use crate::bus::{ApicBus, Clock};
use crate::call::{Calls, Limit, Request, Responder};
use crate::coreset::{CoreMask, CoreSet};
use crate::ids::CoreId;
use crate::sync::{AtomicU64, Ordering, fence};
#[cfg(test)]
use crate::weaken::Weakness;
use crate::weaken::weak;

pub use crate::call::{Flush, SpaceId, Tlb};

/// What cores know about one address space's translations.
#[derive(Debug)]
pub struct Space {
    id: SpaceId,
    generation: AtomicU64,
    active: CoreSet,
    loaded: CoreSet,
    /// For each core the generation that it saw when it last entered.
    seen: Box<[AtomicU64]>,
    #[cfg(test)]
    weakness: Weakness,
}

/// What a core has to do before it uses a space.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "stale translations must be flushed before the space is used"]
pub enum Freshness {
    /// Whatever translations of the space the core still holds are right.
    Current,
    /// Flush this space first. Loading CR3 without PCID does that.
    Stale,
}

/// What an unmapping takes away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Frees {
    /// Only mapped pages.
    Pages,
    /// Page-table frames as well.
    Tables,
}

/// What may happen to the frames of an unmapping.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "frames that a silent core may still reach must not be used again"]
pub enum FrameFate {
    /// No core can reach them.
    Reusable,
    /// These cores may; the frames are to be kept out of use for good.
    Quarantined {
        /// The cores that did not acknowledge.
        silent: CoreMask,
        /// Those among them that this unmapping declared lost, to be reported.
        newly_lost: CoreMask,
    },
}

impl Space {
    /// A space that no core uses yet, on a machine with this many cores.
    pub fn new(id: SpaceId, cores: usize) -> Space {
        Space {
            id,
            // Ahead of every `seen`: whatever a core holds under this name is from an older user of
            // it.
            generation: AtomicU64::new(1),
            active: CoreSet::new(),
            loaded: CoreSet::new(),
            seen: (0..cores.max(1)).map(|_| AtomicU64::new(0)).collect(),
            #[cfg(test)]
            weakness: Weakness::None,
        }
    }

    /// The same with a step left out.
    #[cfg(all(test, loom))]
    pub(crate) fn weakened(id: SpaceId, cores: usize, weakness: Weakness) -> Space {
        Space {
            weakness,
            ..Space::new(id, cores)
        }
    }

    /// Its name.
    pub fn id(&self) -> SpaceId {
        self.id
    }

    /// `me` is about to use the space: on a task switch to it, or on waking in it. On
    /// [`Freshness::Stale`] the caller flushes after this call and before the first use.
    ///
    /// # Panics
    /// If the space was made for fewer cores.
    pub fn enter(&self, me: CoreId) -> Freshness {
        self.loaded.insert(me);
        self.active.insert(me);
        if !weak!(self, NoEntryFence) {
            // ORDERING: SeqCst pairs with the fence in `begin_unmap`: one of the two sees the
            // other.
            fence(Ordering::SeqCst);
        }
        // ORDERING: Acquire pairs with the AcqRel increment in `begin_unmap`: the cleared entries
        // are visible.
        let generation = self.generation.load(Ordering::Acquire);
        let seen = &self.seen[me.index()];
        // ORDERING: Relaxed, both: only this core touches its element.
        if seen.load(Ordering::Relaxed) == generation {
            return Freshness::Current;
        }
        // ORDERING: as above.
        seen.store(generation, Ordering::Relaxed);
        Freshness::Stale
    }

    /// `me` stops using the space and is about to `hlt`; CR3 stays.
    pub fn idle(&self, me: CoreId) {
        if weak!(self, SeenOnLeave) {
            // ORDERING: as in `enter`; the fault under test is the moment.
            let generation = self.generation.load(Ordering::Acquire);
            // ORDERING: Relaxed: only this core touches its element.
            self.seen[me.index()].store(generation, Ordering::Relaxed);
        }
        self.active.remove(me);
    }

    /// `me` has loaded another root table.
    pub fn depart(&self, me: CoreId) {
        self.active.remove(me);
        self.loaded.remove(me);
    }

    /// The cores whose CR3 points to the space. Its tables may be freed when this is empty and
    /// nobody can enter any more.
    pub fn loaded(&self) -> CoreMask {
        self.loaded.snapshot()
    }

    /// Starts an unmapping whose page-table changes are done: returns the cores to be asked.
    pub(crate) fn begin_unmap(&self, frees: Frees) -> CoreMask {
        // ORDERING: AcqRel pairs with the Acquire load in `enter`; carries the cleared entries
        // (D2).
        self.generation.fetch_add(1, Ordering::AcqRel);
        if !weak!(self, NoUnmapFence) {
            // ORDERING: SeqCst pairs with the fence in `enter`: one of the two sees the other.
            fence(Ordering::SeqCst);
        }
        match frees {
            Frees::Pages => self.active.snapshot(),
            Frees::Tables => self.loaded.snapshot(),
        }
    }
}

/// What an initiator needs.
#[derive(Debug)]
pub struct Shootdown<'a, B, C> {
    /// The mailboxes.
    pub calls: &'a Calls,
    /// The calling core's interrupt command register.
    pub bus: &'a B,
    /// The calling core's clock.
    pub clock: &'a C,
    /// How long to wait for acknowledgements.
    pub limit: Limit,
}

impl<B: ApicBus, C: Clock> Shootdown<'_, B, C> {
    /// Makes all cores drop translations of `space`. The page tables have been changed already and
    /// no core can find the old entries there. Interrupts are off; `me` is the calling core.
    pub fn unmap(
        &self,
        me: CoreId,
        space: &Space,
        flush: Flush,
        frees: Frees,
        responder: &mut impl Responder,
    ) -> FrameFate {
        let targets = space.begin_unmap(frees);
        // The caller's own translations: also if it is not using the space, since the kernel may
        // reach into the space of another task.
        responder.flush(flush);
        let receipt = self
            .calls
            .post(me, targets, Request::Shootdown(flush), self.bus);
        let answer = self
            .calls
            .wait(me, receipt, self.limit, (self.bus, self.clock), responder);
        match answer {
            Ok(()) => FrameFate::Reusable,
            Err(silent) => FrameFate::Quarantined {
                silent: silent.cores,
                newly_lost: silent.newly_lost,
            },
        }
    }
}

#[cfg(test)]
#[path = "shootdown_tests.rs"]
mod tests;
