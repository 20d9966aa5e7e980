//! Publication: make a finished code version the one that callers enter.
//!
//! Every call goes through an 8-byte dispatch slot. The claimant of the function's state word is
//! the only writer; any core may read at any time. So one release store publishes, and no reader
//! ever waits.
//!
//! ```text
//!   publisher                              other core
//!   reserve a range never executed before
//!   fill it through the window, seal
//!   claim the state word (S1)
//!   slot.store(entry, Release)     ───►    call [slot]     (old entry or new, never a mix)
//!   state word := (tier, serial)
//!   retire the old version                 … may still run the old version
//! ```
//!
//! # Invariants
//!
//! P1. A slot always holds the entry of a sealed version, or of a gate.
//! P2. Code bytes never change between seal and free.
//! P3. The entries that one core reads from a slot over time are of ascending (tier, serial): the
//!     slot's stores are made in the order of the claims (S1, S2), and a location's values are
//!     seen by every core in one order (SDM vol. 3A, 10.2.3.9: total order of stores to a location).
//! P4. A range is executed for the first time after its publication, and is used again only after
//!     every core has executed a serialising instruction since its version was freed.
//!
//! # Why this is enough on x86-64
//!
//! *The bytes are seen.* Stores of one core become visible in program order, and loads are not
//! reordered with other loads (SDM vol. 3A, 10.2.2; AMD APM vol. 2, 7.2). A core that reads the
//! new entry therefore finds the new bytes in memory. Instruction fetch is coherent with stores
//! (SDM 12.6, AMD 7.6.1: hardware keeps instruction caches coherent); the window and the executed
//! mapping are different linear addresses of the same physical lines, and coherence is by physical
//! address.
//!
//! *No stale instruction is executed.* SDM vol. 3A 10.1.3 ("Handling Self- and Cross-Modifying
//! Code") asks the executing core to serialise before it runs code that another core has modified.
//! What could be stale is something fetched or decoded *before* the store became visible. A core
//! fetches from a range only by prediction or by architecture; it is architecturally led there only
//! by the slot, hence after the store. A predicted fetch of a range never executed has no branch
//! history to follow; where bytes were fetched by straight-line prefetch behind a neighbour, the
//! line is invalidated by the store and fetched again before those instructions can retire (the
//! pipeline is checked against stores to fetched lines by physical address: SDM 10.1.3's reason
//! why same-address self-modification works without serialisation on current processors). Ranges
//! start at 64-byte lines of their own, so no line holds sealed code and bytes still being filled.
//!
//! *Reuse is different*, because branch predictors and decoded instructions may remember the old
//! contents of a range. P4 asks for a serialising instruction on every core between free and reuse;
//! today no range is reused.
//!
//! *What was tested, what is open.* The loom models (`loom_models.rs`) prove P3 and the claim protocol for the
//! state word and the slot; the stress test publishes under load in QEMU and natively and checks P3
//! with code whose result names its version. QEMU's emulation cannot show a stale fetch; that
//! needs the hardware validation image.

use super::memory::CodeMemory;
use super::state::{FuncState, Lost};
use super::version::{CodeVersion, VersionState};
use crate::sync::{AtomicU64, Ordering, spin_loop};

/// What became of a version that was offered for publication.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Callers enter it from now on.
    Published,
    /// A version at least as good is published: this one is retired.
    Lost,
    /// Another publication of the same function was under way all the while: this one is retired.
    Busy,
}

/// How often a publisher looks again while another is between claim and slot store, which is a few
/// instructions long.
const CLAIM_ATTEMPTS: u32 = if cfg!(loom) { 2 } else { 1000 };

/// Makes `version`, which is sealed, the one that callers of `slot` enter. `while_claimed` runs
/// between the store and the end of the claim: one publisher of a function at a time (S1).
///
/// On [`Outcome::Lost`] and [`Outcome::Busy`] the version is retired; the caller has nothing to do.
pub fn publish(
    state: &FuncState,
    slot: &AtomicU64,
    version: &CodeVersion,
    while_claimed: impl FnOnce(),
) -> Outcome {
    for _ in 0..CLAIM_ATTEMPTS {
        match state.claim(version.tier, version.serial) {
            Ok(()) => {
                version.advance(VersionState::Published);
                store(slot, version.entry());
                while_claimed();
                state.published(version.tier, version.serial);
                return Outcome::Published;
            }
            Err(Lost::Newer) => {
                version.advance(VersionState::Retired);
                return Outcome::Lost;
            }
            Err(Lost::Busy) => spin_loop(),
        }
    }
    version.advance(VersionState::Retired);
    Outcome::Busy
}

/// Points a slot at a gate, before any core runs in the instance.
pub fn set_gate(memory: &impl CodeMemory, slot: u32, entry: u64) {
    memory.with_slot(slot, |slot| store(slot, entry));
}

fn store(slot: &AtomicU64, entry: u64) {
    // ORDERING: Release pairs with the load that `call [slot]` is (every x86 load acquires); it
    // carries the code bytes and the side tables (P1).
    slot.store(entry, Ordering::Release);
}
