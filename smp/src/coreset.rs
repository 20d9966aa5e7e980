//! Sets of cores: [`CoreMask`], a plain value, and [`CoreSet`], shared between cores.
//!
//! 64-bit words hold one bit for each of the [`MAX_CORES`] possible cores. A [`CoreSet`] is not
//! atomic as a whole: a snapshot may mix moments of different words. Each user of one has to be
//! content with the bits of single cores being atomic, and all of them are: `shootdown` asks of
//! every core for itself whether it may hold a translation.
//!
//! # Invariant
//! S1. [`CoreSet::insert`] and [`CoreSet::remove`] are read-modify-write operations with acquire
//!     and release, hence a reader that sees a core's bit also sees all that the core did before
//!     setting it.

use core::fmt;

use crate::ids::{CoreId, MAX_CORES};
use crate::sync::{AtomicU64, Ordering};

const WORDS: usize = MAX_CORES / 64;

/// A set of cores as a plain value.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct CoreMask([u64; WORDS]);

impl CoreMask {
    /// No core.
    pub const EMPTY: CoreMask = CoreMask([0; WORDS]);

    /// The cores 0 to `count` − 1; `count` above [`MAX_CORES`] means all.
    pub fn first(count: usize) -> CoreMask {
        (0..count).map_while(CoreId::new).collect()
    }

    /// Only `core`.
    pub fn only(core: CoreId) -> CoreMask {
        CoreMask::EMPTY.with(core)
    }

    /// This set and `core`.
    #[must_use]
    pub fn with(mut self, core: CoreId) -> CoreMask {
        let (word, bit) = place(core);
        self.0[word] |= bit;
        self
    }

    /// This set less `core`.
    #[must_use]
    pub fn without(mut self, core: CoreId) -> CoreMask {
        let (word, bit) = place(core);
        self.0[word] &= !bit;
        self
    }

    /// The cores that are in both sets.
    #[must_use]
    pub fn and(self, other: CoreMask) -> CoreMask {
        CoreMask(core::array::from_fn(|i| self.0[i] & other.0[i]))
    }

    /// The cores that are in either set.
    #[must_use]
    pub fn or(self, other: CoreMask) -> CoreMask {
        CoreMask(core::array::from_fn(|i| self.0[i] | other.0[i]))
    }

    /// The cores of this set that are not in `other`.
    #[must_use]
    pub fn minus(self, other: CoreMask) -> CoreMask {
        CoreMask(core::array::from_fn(|i| self.0[i] & !other.0[i]))
    }

    /// Whether `core` is in the set.
    pub fn contains(&self, core: CoreId) -> bool {
        let (word, bit) = place(core);
        self.0[word] & bit != 0
    }

    /// Whether no core is in the set.
    pub fn is_empty(&self) -> bool {
        self.0 == [0; WORDS]
    }

    /// How many cores are in the set.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The cores in ascending order.
    pub fn iter(&self) -> Iter {
        Iter {
            rest: self.0,
            word: 0,
        }
    }
}

impl FromIterator<CoreId> for CoreMask {
    fn from_iter<I: IntoIterator<Item = CoreId>>(cores: I) -> CoreMask {
        cores.into_iter().fold(CoreMask::EMPTY, CoreMask::with)
    }
}

impl IntoIterator for &CoreMask {
    type Item = CoreId;
    type IntoIter = Iter;

    fn into_iter(self) -> Iter {
        self.iter()
    }
}

/// `{0,2,3}`, as a report shows it.
impl fmt::Display for CoreMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (i, core) in self.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            fmt::Display::fmt(&core, f)?;
        }
        f.write_str("}")
    }
}

impl fmt::Debug for CoreMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The cores of a [`CoreMask`], ascending.
#[derive(Clone, Debug)]
pub struct Iter {
    rest: [u64; WORDS],
    word: usize,
}

impl Iterator for Iter {
    type Item = CoreId;

    fn next(&mut self) -> Option<CoreId> {
        while self.word < WORDS {
            let bits = &mut self.rest[self.word];
            if *bits != 0 {
                let bit = bits.trailing_zeros() as usize;
                *bits &= *bits - 1;
                return CoreId::new(self.word * 64 + bit);
            }
            self.word += 1;
        }
        None
    }
}

/// A set of cores that any core may change and read at any time.
#[derive(Debug)]
pub struct CoreSet([AtomicU64; WORDS]);

impl CoreSet {
    /// The empty set.
    #[cfg(not(loom))]
    pub const fn new() -> CoreSet {
        CoreSet([const { AtomicU64::new(0) }; WORDS])
    }

    /// The empty set.
    #[cfg(loom)]
    pub fn new() -> CoreSet {
        CoreSet(core::array::from_fn(|_| AtomicU64::new(0)))
    }

    /// Adds `core`; returns whether it was absent.
    pub fn insert(&self, core: CoreId) -> bool {
        let (word, bit) = place(core);
        // ORDERING: AcqRel pairs with the Acquire loads in `snapshot` and `contains` (S1).
        self.0[word].fetch_or(bit, Ordering::AcqRel) & bit == 0
    }

    /// Takes `core` out; returns whether it was present.
    pub fn remove(&self, core: CoreId) -> bool {
        let (word, bit) = place(core);
        // ORDERING: AcqRel pairs with the Acquire loads in `snapshot` and `contains` (S1).
        self.0[word].fetch_and(!bit, Ordering::AcqRel) & bit != 0
    }

    /// Whether `core` is in the set now.
    pub fn contains(&self, core: CoreId) -> bool {
        let (word, bit) = place(core);
        // ORDERING: Acquire pairs with the AcqRel of `insert` and `remove` (S1).
        self.0[word].load(Ordering::Acquire) & bit != 0
    }

    /// The members, each word read at one moment, the words one after the other.
    pub fn snapshot(&self) -> CoreMask {
        // ORDERING: Acquire pairs with the AcqRel of `insert` and `remove` (S1).
        CoreMask(core::array::from_fn(|i| self.0[i].load(Ordering::Acquire)))
    }
}

impl Default for CoreSet {
    fn default() -> CoreSet {
        CoreSet::new()
    }
}

/// The word that holds a core's bit, and that bit.
fn place(core: CoreId) -> (usize, u64) {
    (core.index() / 64, 1 << (core.index() % 64))
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec::Vec;

    use super::*;

    fn core(index: usize) -> CoreId {
        CoreId::new(index).unwrap()
    }

    #[test]
    fn mask_algebra_holds_across_word_borders() {
        let a: CoreMask = [0, 63, 64, 127, 255].map(core).into_iter().collect();
        let b = CoreMask::only(core(64)).with(core(1));
        assert_eq!(a.len(), 5);
        assert_eq!(a.and(b), CoreMask::only(core(64)));
        assert_eq!(a.or(b).len(), 6);
        assert_eq!(a.minus(b).len(), 4);
        assert!(a.contains(core(255)) && !a.contains(core(254)));
        assert_eq!(a.without(core(255)).len(), 4);
        assert_eq!(
            a.iter().map(CoreId::index).collect::<Vec<_>>(),
            [0, 63, 64, 127, 255]
        );
    }

    #[test]
    fn first_saturates_at_the_bound() {
        assert_eq!(CoreMask::first(1000).len(), MAX_CORES);
        assert!(CoreMask::first(0).is_empty());
        assert_eq!(CoreMask::first(3).to_string(), "{0,1,2}");
    }

    #[test]
    fn shared_set_reports_whether_it_changed() {
        let set = CoreSet::default();
        assert!(set.insert(core(70)));
        assert!(!set.insert(core(70)));
        assert!(set.contains(core(70)));
        assert_eq!(set.snapshot(), CoreMask::only(core(70)));
        assert!(set.remove(core(70)));
        assert!(!set.remove(core(70)));
        assert!(set.snapshot().is_empty());
    }
}
