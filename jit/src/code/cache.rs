//! The code cache of an instance: hands out ranges of code and rodata, within a bound.
//!
//! Ranges are aligned to 64 bytes, so that no cache line holds instructions of two versions, and
//! are handed out upwards by one compare-and-swap: no compiler waits for another. A range is never
//! handed out twice: retired versions stay where they are and are counted (reusing their ranges
//! needs the grace periods of `DESIGN` 3.7).

use crate::sync::{AtomicU64, Ordering};

/// Alignment of ranges, in bytes.
pub const ALIGN: u64 = 64;

/// A range of code and one of rodata, as offsets in their regions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Range {
    /// Offset of the code.
    pub code: u64,
    /// Bytes of code, a multiple of [`ALIGN`].
    pub code_len: u64,
    /// Offset of the rodata.
    pub rodata: u64,
    /// Bytes of rodata, a multiple of [`ALIGN`].
    pub rodata_len: u64,
}

/// The cache is full: the function stays at its tier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

/// Bookkeeping of an instance's code memory.
#[derive(Debug)]
pub struct CodeCache {
    code_end: AtomicU64,
    rodata_end: AtomicU64,
    limit: u64,
}

impl CodeCache {
    /// A cache of at most `limit` bytes of code and as many of rodata, of which the first
    /// `reserved` bytes of code are taken (gates).
    #[must_use]
    pub fn new(limit: u64, reserved: u64) -> Self {
        Self {
            code_end: AtomicU64::new(reserved.next_multiple_of(ALIGN)),
            rodata_end: AtomicU64::new(0),
            limit: limit.min(crate::abi::CODE_SIZE),
        }
    }

    /// Reserves room for `code` and `rodata` bytes.
    ///
    /// # Errors
    /// The cache's limit is reached; nothing is reserved then (at most rodata is lost).
    pub fn reserve(&self, code: usize, rodata: usize) -> Result<Range, Full> {
        let code_len = (code as u64).next_multiple_of(ALIGN);
        let rodata_len = (rodata as u64).next_multiple_of(ALIGN);
        let rodata = self.bump(&self.rodata_end, rodata_len)?;
        let code = self.bump(&self.code_end, code_len)?;
        Ok(Range {
            code,
            code_len,
            rodata,
            rodata_len,
        })
    }

    /// Bytes of code handed out so far.
    #[must_use]
    pub fn used(&self) -> u64 {
        // ORDERING: Relaxed, a figure for people; pairs with nothing.
        self.code_end.load(Ordering::Relaxed)
    }

    fn bump(&self, end: &AtomicU64, len: u64) -> Result<u64, Full> {
        let take = |at: u64| at.checked_add(len).filter(|&to| to <= self.limit);
        // ORDERING: Relaxed: the range is private to the caller until `publish`, whose Release
        // store carries everything that was written there.
        end.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .map_err(|_| Full)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn ranges_do_not_overlap_and_the_limit_holds() {
        let cache = CodeCache::new(256, 10);
        let a = cache.reserve(1, 0).unwrap();
        let b = cache.reserve(65, 3).unwrap();
        assert_eq!((a.code, a.code_len), (64, 64));
        assert_eq!(
            (b.code, b.code_len, b.rodata, b.rodata_len),
            (128, 128, 0, 64)
        );
        assert_eq!(cache.reserve(1, 0), Err(Full));
        assert_eq!(cache.used(), 256);
    }
}
