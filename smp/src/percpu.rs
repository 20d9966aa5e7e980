//! Per-core storage: one cache-line aligned value per core, indexed by [`CoreId`].
//!
//! The values are reached by shared reference from every core, so their own fields decide who may
//! change what (atomics, or data that only one core touches behind a type that checks). That keeps
//! this module free of `unsafe`. Alignment to 128 bytes, two lines, keeps the adjacent-line
//! prefetcher of Intel cores from joining two cores' values.

use alloc::boxed::Box;
use core::ops::Index;

use crate::ids::{CoreId, MAX_CORES};

/// A value that shares no cache line, nor pair of lines, with another.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded<T>(T);

/// One `T` for each core of the machine.
#[derive(Debug)]
pub struct PerCpu<T>(Box<[Padded<T>]>);

impl<T> PerCpu<T> {
    /// Makes the values for the cores 0 to `cores` − 1, each by `make`. At least one core exists;
    /// more than [`MAX_CORES`] are cut off.
    pub fn new(cores: usize, mut make: impl FnMut(CoreId) -> T) -> PerCpu<T> {
        let cores = cores.clamp(1, MAX_CORES);
        PerCpu(
            (0..cores)
                .map_while(CoreId::new)
                .map(|core| Padded(make(core)))
                .collect(),
        )
    }

    /// How many cores have a value; at least 1.
    #[expect(clippy::len_without_is_empty, reason = "never empty: the BSP exists")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The value of `core`, or `None` if the machine has no such core.
    pub fn get(&self, core: CoreId) -> Option<&T> {
        self.0.get(core.index()).map(|padded| &padded.0)
    }

    /// All cores with their values, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (CoreId, &T)> {
        self.0
            .iter()
            .enumerate()
            .filter_map(|(i, padded)| Some((CoreId::new(i)?, &padded.0)))
    }
}

/// The value of a core that exists.
///
/// # Panics
/// If `core` is not a core of this machine. Ids come from the topology that sized the array, so
/// that is a bug and not an input.
impl<T> Index<CoreId> for PerCpu<T> {
    type Output = T;

    fn index(&self, core: CoreId) -> &T {
        &self.0[core.index()].0
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn values_never_share_a_line_pair() {
        let values = PerCpu::new(3, |core| core.index() as u8);
        let address = |i| core::ptr::from_ref(&values[CoreId::new(i).unwrap()]).addr();
        assert_eq!(address(1) - address(0), 128);
        assert_eq!(address(0) % 128, 0);
        assert_eq!(
            values.iter().map(|(_, v)| *v).collect::<Vec<_>>(),
            [0, 1, 2]
        );
    }

    #[test]
    fn number_of_cores_is_bounded_both_ways() {
        assert_eq!(PerCpu::new(0, |_| ()).len(), 1);
        assert_eq!(PerCpu::new(9999, |_| ()).len(), MAX_CORES);
        assert!(
            PerCpu::new(2, |_| ())
                .get(CoreId::new(2).unwrap())
                .is_none()
        );
    }
}
