//! One compilation result: where its code lies, what is known about it, in which state it is.
//!
//! Records are kept in a table that only grows, in segments that never move, so that a fault
//! handler on any core may look an address up at any time without a lock. A record stays after
//! its version is retired: it is what the accounts are made of.

use super::cache::Range;
use crate::abi;
use crate::sync::{AtomicU32, AtomicUsize, Ordering};
use crate::tier::{SideTables, Tier};
use alloc::boxed::Box;
use once_cell::race::OnceBox;

/// Where in its life a version is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u32)]
pub enum VersionState {
    /// Has a range of the code cache; nobody can enter it.
    Reserved,
    /// Its bytes are in place and will not change until it is freed.
    Sealed,
    /// Callers enter it.
    Published,
    /// Callers no longer enter it; frames may still be inside.
    Retired,
    /// Its range may be used again.
    Freed,
}

impl VersionState {
    const ALL: [Self; 5] = [
        Self::Reserved,
        Self::Sealed,
        Self::Published,
        Self::Retired,
        Self::Freed,
    ];

    /// Whether a version may go from here to `to` (the diagram in `code`).
    #[must_use]
    pub fn may_become(self, to: Self) -> bool {
        matches!(
            (self, to),
            (Self::Reserved, Self::Sealed | Self::Retired)
                | (Self::Sealed, Self::Published | Self::Retired)
                | (Self::Published, Self::Retired)
                | (Self::Retired, Self::Freed)
        )
    }
}

/// A version's record.
#[derive(Debug)]
pub struct CodeVersion {
    /// The function, by its number in the instance.
    pub func: u32,
    /// The tier that made it.
    pub tier: Tier,
    /// Counts the versions of the instance; higher is younger.
    pub serial: u32,
    /// The core that compiled it.
    pub core: u32,
    /// Time that compiling took, in microseconds.
    pub compile_us: u64,
    /// Where it lies.
    pub range: Range,
    /// Bytes of instructions, without padding.
    pub code_bytes: u32,
    /// What is known about the code.
    pub tables: SideTables,
    state: AtomicU32,
}

impl CodeVersion {
    /// The record of a version that has just got its range.
    #[must_use]
    pub fn new(func: u32, tier: Tier, serial: u32, range: Range) -> Self {
        Self {
            func,
            tier,
            serial,
            core: 0,
            compile_us: 0,
            range,
            code_bytes: 0,
            tables: SideTables::default(),
            state: AtomicU32::new(VersionState::Reserved as u32),
        }
    }

    /// The address that callers enter.
    #[must_use]
    pub fn entry(&self) -> u64 {
        abi::CODE + self.range.code
    }

    /// Whether `address` lies in the version's code.
    #[must_use]
    pub fn contains(&self, address: u64) -> bool {
        address.wrapping_sub(self.entry()) < self.range.code_len
    }

    /// The state now.
    #[must_use]
    pub fn state(&self) -> VersionState {
        // ORDERING: Acquire pairs with the AcqRel in `advance`.
        VersionState::ALL[self.state.load(Ordering::Acquire) as usize % 5]
    }

    /// Goes to `to`; returns whether *this* call did it: `false` if the diagram does not allow it
    /// from where the version is, which is also what the loser of a race gets.
    pub fn advance(&self, to: VersionState) -> bool {
        let step = |now: u32| {
            let from = VersionState::ALL[now as usize % 5];
            from.may_become(to).then_some(to as u32)
        };
        // ORDERING: AcqRel / Acquire pair with each other and with `state`: the one who wins a
        // transition sees all that led to the state before.
        self.state
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, step)
            .is_ok()
    }
}

const SEGMENT: usize = 256;
const SEGMENTS: usize = 1024;

type Segment = [OnceBox<CodeVersion>; SEGMENT];

/// Number of a version in its instance's table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct VersionId(pub u32);

/// All versions of an instance, 262 144 at most.
#[derive(Debug)]
pub struct VersionTable {
    segments: Box<[OnceBox<Segment>]>,
    len: AtomicUsize,
}

impl Default for VersionTable {
    fn default() -> Self {
        Self::new()
    }
}

impl VersionTable {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self {
            segments: (0..SEGMENTS).map(|_| OnceBox::new()).collect(),
            len: AtomicUsize::new(0),
        }
    }

    /// Adds a record; `None` when the table is full.
    pub fn push(&self, version: CodeVersion) -> Option<VersionId> {
        let more = |len: usize| (len < SEGMENT * SEGMENTS).then_some(len + 1);
        // ORDERING: Relaxed: the number only makes the cell private; `OnceBox::set` releases the
        // record, and `get` acquires it.
        let at = self
            .len
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .ok()?;
        let fresh = || Box::new(core::array::from_fn(|_| OnceBox::new()));
        let segment = self.segments[at / SEGMENT].get_or_init(fresh);
        let set = segment[at % SEGMENT].set(Box::new(version));
        debug_assert!(set.is_ok(), "a number is given once");
        Some(VersionId(at as u32))
    }

    /// The record; `None` if there is none or it is just being added.
    #[must_use]
    pub fn get(&self, id: VersionId) -> Option<&CodeVersion> {
        let at = id.0 as usize;
        self.segments.get(at / SEGMENT)?.get()?[at % SEGMENT].get()
    }

    /// All records, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &CodeVersion> {
        // ORDERING: Relaxed: a bound only; each record is acquired by `get`.
        let len = self.len.load(Ordering::Relaxed);
        (0..len as u32).filter_map(|id| self.get(VersionId(id)))
    }

    /// The version whose code holds `address`.
    #[must_use]
    pub fn find(&self, address: u64) -> Option<&CodeVersion> {
        self.iter().find(|version| version.contains(address))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn version(serial: u32, code: u64) -> CodeVersion {
        let range = Range {
            code,
            code_len: 64,
            ..Range::default()
        };
        CodeVersion::new(3, Tier::Baseline, serial, range)
    }

    #[test]
    fn states_follow_the_diagram_and_the_loser_is_told() {
        let version = version(1, 0);
        assert!(!version.advance(VersionState::Published), "not sealed");
        assert!(version.advance(VersionState::Sealed));
        assert!(version.advance(VersionState::Published));
        assert!(version.advance(VersionState::Retired));
        assert!(!version.advance(VersionState::Retired), "already");
        assert!(version.advance(VersionState::Freed));
        assert_eq!(version.state(), VersionState::Freed);
    }

    #[test]
    fn an_address_is_found_in_its_version_only() {
        let table = VersionTable::new();
        for at in 0..600 {
            table.push(version(at, u64::from(at) * 64)).unwrap();
        }
        assert_eq!(table.find(abi::CODE + 599 * 64 + 63).unwrap().serial, 599);
        assert!(table.find(abi::CODE + 600 * 64).is_none());
        assert!(table.find(abi::CODE - 1).is_none());
    }
}
