//! The handshake by which a core joins, or is kept out for good.
//!
//! A core that was sent a SIPI may come up at once, after seconds, twice, or never. The BSP cannot
//! wait for ever, so the two sides race for one word per core:
//!
//! ```text
//!            BSP: open            AP: claim              AP: go_online
//!   Absent ───────────► Starting ───────────► Claimed ────────────────► Online
//!                           │                    │                        │
//!                           │   BSP: declare_lost (deadline missed)       │  (stopped answering)
//!                           └────────────────────┴──────► Lost ◄──────────┘
//! ```
//!
//! Every arrow is a compare-and-swap from the state at its foot. An AP may use what is prepared for
//! its core (stack, per-core data) only between a granted [`CoreSlot::claim`] and a refused
//! [`CoreSlot::go_online`]; refused means: park, interrupts off, `hlt` for ever.
//!
//! # Invariants
//! H1. At most one arrival is ever granted a slot: only one CAS leaves `Starting`.
//! H2. `Lost` is final. A late core loses its CAS and parks; it never joins.
//! H3. The BSP's verdict and the AP's are the same: whoever's CAS fails learns the other's.
//! H4. What belongs to a slot is never given to anyone else, not even after `Lost`, since a core
//!     that claimed may be standing on that stack.
//!
//! The claim comes before the first use of the slot's stack. The AP's entry code therefore makes it
//! either in assembly (the word is at offset 0, [`STARTING`] → [`CLAIMED`]) or on a stack of its
//! own.

use crate::sync::{AtomicU32, AtomicU64, Ordering, const_unless_loom};
#[cfg(test)]
use crate::weaken::Weakness;
use crate::weaken::weak;

/// The state word's value while a core is expected. Public for the AP's entry code.
pub const STARTING: u32 = 1;
/// The state word's value once an AP owns its slot. Public for the AP's entry code.
pub const CLAIMED: u32 = 2;
const ABSENT: u32 = 0;
const ONLINE: u32 = 3;
const LOST: u32 = 4;

/// State of one core, from the BSP's point of view.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SlotState {
    /// Nobody has tried to start it.
    Absent,
    /// It was told to start and may claim its slot.
    Starting,
    /// It runs our code and sets itself up.
    Claimed,
    /// It takes part.
    Online,
    /// It was given up, for good.
    Lost,
}

/// What an arriving core has to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "a core that is not granted its slot has to park"]
pub enum Claim {
    /// The slot and all that belongs to it is the caller's.
    Granted,
    /// Too late, or another core came with the same id: park.
    Park,
}

/// One core's place in the machine. The state word is at offset 0.
#[derive(Debug)]
#[repr(C)]
pub struct CoreSlot {
    state: AtomicU32,
    /// Arrivals that were sent to park.
    parked: AtomicU32,
    /// When the core claimed its slot or went online, µs of the BSP's clock; 0 before.
    online_at_us: AtomicU64,
    #[cfg(test)]
    weakness: Weakness,
}

impl CoreSlot {
    const_unless_loom! {
        /// A slot whose core nobody has tried to start.
        pub fn new() -> CoreSlot {
            CoreSlot {
                state: AtomicU32::new(ABSENT),
                parked: AtomicU32::new(0),
                online_at_us: AtomicU64::new(0),
                #[cfg(test)]
                weakness: Weakness::None,
            }
        }
    }

    /// The same with a step left out.
    #[cfg(all(test, loom))]
    pub(crate) fn weakened(weakness: Weakness) -> CoreSlot {
        CoreSlot {
            weakness,
            ..CoreSlot::new()
        }
    }

    /// The state now.
    pub fn state(&self) -> SlotState {
        // ORDERING: Acquire pairs with the Release half of `advance` on the core's side: who sees
        // `Online` sees all that the core set up before.
        match self.state.load(Ordering::Acquire) {
            ABSENT => SlotState::Absent,
            STARTING => SlotState::Starting,
            CLAIMED => SlotState::Claimed,
            ONLINE => SlotState::Online,
            _ => SlotState::Lost,
        }
    }

    /// BSP: everything that belongs to the slot is ready, the core may come. Returns whether the
    /// slot was untouched before.
    pub fn open(&self) -> bool {
        self.advance(ABSENT, STARTING)
    }

    /// AP: asks for the slot. At most one arrival is granted it, and none after `declare_lost`.
    pub fn claim(&self) -> Claim {
        if self.advance(STARTING, CLAIMED) {
            return Claim::Granted;
        }
        // ORDERING: Relaxed: a statistic; nothing is read through it, so it pairs with nothing.
        self.parked.fetch_add(1, Ordering::Relaxed);
        Claim::Park
    }

    /// AP: set up and ready for interrupts. If refused, the BSP gave up on this core meanwhile:
    /// park.
    pub fn go_online(&self, now_us: u64) -> Claim {
        // ORDERING: Relaxed: carried by the Release half of the `advance` that follows.
        self.online_at_us.store(now_us, Ordering::Relaxed);
        if self.advance(CLAIMED, ONLINE) {
            return Claim::Granted;
        }
        // ORDERING: Relaxed: a statistic, pairs with nothing.
        self.parked.fetch_add(1, Ordering::Relaxed);
        Claim::Park
    }

    /// BSP: the slot for the core that runs this; it needs no start.
    pub fn occupy(&self, now_us: u64) -> bool {
        self.open() && self.claim() == Claim::Granted && self.go_online(now_us) == Claim::Granted
    }

    /// Gives up on the core if it is still in state `from`. Returns whether *this* call did; if
    /// not, the core has moved on (or another core gave it up), and [`CoreSlot::state`] tells.
    pub fn declare_lost(&self, from: SlotState) -> bool {
        match from {
            SlotState::Starting => self.advance(STARTING, LOST),
            SlotState::Claimed => self.advance(CLAIMED, LOST),
            SlotState::Online => self.advance(ONLINE, LOST),
            SlotState::Absent | SlotState::Lost => false,
        }
    }

    /// How many arrivals were sent to park.
    pub fn parked(&self) -> u32 {
        // ORDERING: Relaxed: a statistic, pairs with nothing.
        self.parked.load(Ordering::Relaxed)
    }

    /// When the core said it went online, µs of the clock it was given.
    pub fn online_at_us(&self) -> u64 {
        // ORDERING: Relaxed: callers have seen `Online` through the Acquire load in `state`.
        self.online_at_us.load(Ordering::Relaxed)
    }

    /// The only transition: from `from` to `to`, or nothing.
    fn advance(&self, from: u32, to: u32) -> bool {
        if weak!(self, TransitionByStore) {
            // ORDERING: as below; the fault under test is that a load and a store are two steps.
            let allowed = self.state.load(Ordering::Acquire) == from;
            if allowed {
                // ORDERING: as below.
                self.state.store(to, Ordering::Release);
            }
            return allowed;
        }
        // ORDERING: AcqRel/Acquire: each side's Release pairs with the other side's Acquire, here
        // and in `state`. The AP's claim sees what the BSP prepared before `open`, the BSP sees
        // what the AP set up.
        self.state
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

impl Default for CoreSlot {
    fn default() -> CoreSlot {
        CoreSlot::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_joins_once() {
        let slot = CoreSlot::new();
        assert_eq!(slot.claim(), Claim::Park, "nobody called it");
        assert!(slot.open());
        assert!(!slot.open());
        assert_eq!(slot.claim(), Claim::Granted);
        assert_eq!(slot.claim(), Claim::Park, "a second core with the same id");
        assert_eq!(slot.go_online(77), Claim::Granted);
        assert_eq!(
            (slot.state(), slot.online_at_us(), slot.parked()),
            (SlotState::Online, 77, 2)
        );
    }

    #[test]
    fn lost_is_final_whenever_it_is_declared() {
        let late = CoreSlot::new();
        assert!(late.open());
        assert!(late.declare_lost(SlotState::Starting));
        assert_eq!(late.claim(), Claim::Park);

        let slow = CoreSlot::new();
        assert!(slow.open());
        assert_eq!(slow.claim(), Claim::Granted);
        assert!(
            !slow.declare_lost(SlotState::Starting),
            "it has come meanwhile"
        );
        assert!(slow.declare_lost(SlotState::Claimed));
        assert_eq!(slow.go_online(1), Claim::Park);

        let silent = CoreSlot::new();
        assert!(silent.occupy(0));
        assert!(silent.declare_lost(SlotState::Online));
        assert!(!silent.declare_lost(SlotState::Lost));
        assert_eq!(silent.state(), SlotState::Lost);
    }

    #[test]
    fn entry_code_finds_the_state_word_at_offset_zero() {
        assert_eq!(core::mem::offset_of!(CoreSlot, state), 0);
    }
}
