//! Which physical frames are free: one bit per 4 KiB frame, in memory that the caller provides.
//!
//! Next-fit over 64-bit words: an allocation usually looks at one word. Contiguous runs (DMA, the code range) are found
//! by a linear scan, which is fine because they are asked for at boot and by devices only. Frame 0 is never handed out,
//! so a physical address of 0 always means "none".
//!
//! Invariant: a set bit means that the frame is usable memory and owned by nobody. `release` of a frame that is free
//! already, or was never memory, is refused and reported; so a double free cannot give one frame to two owners.

use crate::layout::PAGE_SIZE;

/// A 4 KiB frame by its number (physical address / 4096).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Frame(pub u64);

impl Frame {
    /// The frame that contains `address`.
    #[must_use]
    pub const fn containing(address: u64) -> Self {
        Self(address / PAGE_SIZE)
    }

    /// Physical address of the frame's first byte.
    #[must_use]
    pub const fn address(self) -> u64 {
        self.0 * PAGE_SIZE
    }
}

/// A frame was given back that was not handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAllocated(pub Frame);

/// The free frames of the machine.
#[derive(Debug)]
pub struct Frames<'a> {
    free_bits: &'a mut [u64],
    /// Usable memory that was ever added; tells a double free from a free of something else.
    total: u64,
    free: u64,
    next_word: usize,
}

impl<'a> Frames<'a> {
    /// Bytes of bitmap that frames below physical address `end` need.
    #[must_use]
    pub const fn bitmap_bytes(end: u64) -> u64 {
        end.div_ceil(PAGE_SIZE).div_ceil(64) * 8
    }

    /// Starts with no free frame; `words` is cleared.
    #[must_use]
    pub fn new(words: &'a mut [u64]) -> Self {
        words.fill(0);
        Self {
            free_bits: words,
            total: 0,
            free: 0,
            next_word: 0,
        }
    }

    /// Adds the whole frames inside `[start, end)` as free memory.
    pub fn add(&mut self, start: u64, end: u64) {
        let first = start.div_ceil(PAGE_SIZE).max(1);
        let limit = (end / PAGE_SIZE).min(self.free_bits.len() as u64 * 64);
        for frame in first..limit {
            if !self.is_free(Frame(frame)) {
                self.set(frame, true);
                self.total += 1;
            }
        }
    }

    /// Takes every frame that touches `[start, end)` out of the free memory for ever.
    pub fn remove(&mut self, start: u64, end: u64) {
        for frame in start / PAGE_SIZE..end.div_ceil(PAGE_SIZE) {
            if self.is_free(Frame(frame)) {
                self.set(frame, false);
                self.total -= 1;
            }
        }
    }

    /// Hands out one frame, or `None` when memory is full. Its contents are unspecified.
    pub fn allocate(&mut self) -> Option<Frame> {
        let words = self.free_bits.len();
        for step in 0..words {
            let word = (self.next_word + step) % words;
            if self.free_bits[word] != 0 {
                self.next_word = word;
                let frame = word as u64 * 64 + u64::from(self.free_bits[word].trailing_zeros());
                self.set(frame, false);
                return Some(Frame(frame));
            }
        }
        None
    }

    /// Hands out `count` frames that follow each other; the first one's number is a multiple of `align` (in frames) and
    /// the last one ends at or below physical address `limit`.
    pub fn allocate_contiguous(&mut self, count: u64, align: u64, limit: u64) -> Option<Frame> {
        let end = (self.free_bits.len() as u64 * 64).min(limit / PAGE_SIZE);
        let mut start = align.max(1);
        while start + count <= end {
            match (start..start + count)
                .rev()
                .find(|&frame| !self.is_free(Frame(frame)))
            {
                None => {
                    (start..start + count).for_each(|frame| self.set(frame, false));
                    return Some(Frame(start));
                }
                Some(taken) => start = (taken + 1).next_multiple_of(align.max(1)),
            }
        }
        None
    }

    /// Takes a frame back.
    ///
    /// # Errors
    /// The frame was free already or is outside the bitmap; nothing changes.
    pub fn release(&mut self, frame: Frame) -> Result<(), NotAllocated> {
        if frame.0 == 0 || frame.0 / 64 >= self.free_bits.len() as u64 || self.is_free(frame) {
            return Err(NotAllocated(frame));
        }
        self.set(frame.0, true);
        Ok(())
    }

    /// Number of frames that are free now.
    #[must_use]
    pub fn free(&self) -> u64 {
        self.free
    }

    /// Number of frames that were ever added and not removed.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Whether `frame` is free.
    #[must_use]
    pub fn is_free(&self, frame: Frame) -> bool {
        self.free_bits
            .get((frame.0 / 64) as usize)
            .is_some_and(|word| word >> (frame.0 % 64) & 1 == 1)
    }

    fn set(&mut self, frame: u64, free: bool) {
        let bit = 1 << (frame % 64);
        let word = &mut self.free_bits[(frame / 64) as usize];
        if free {
            *word |= bit;
            self.free += 1;
        } else {
            *word &= !bit;
            self.free -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_frame_is_handed_out_once() {
        let mut words = [0; 4];
        let mut frames = Frames::new(&mut words);
        frames.add(0, 100 * PAGE_SIZE);
        frames.remove(10 * PAGE_SIZE + 1, 11 * PAGE_SIZE + 1);
        let mut seen = HashSet::new();
        while let Some(frame) = frames.allocate() {
            assert!(seen.insert(frame.0));
        }
        assert_eq!(seen.len(), 97, "100 frames less frame 0, 10 and 11");
        assert!(!seen.contains(&0) && !seen.contains(&10) && !seen.contains(&11));
        assert_eq!((frames.free(), frames.total()), (0, 97));
    }

    #[test]
    fn a_double_free_is_refused() {
        let mut words = [0; 1];
        let mut frames = Frames::new(&mut words);
        frames.add(PAGE_SIZE, 3 * PAGE_SIZE);
        let frame = frames.allocate().unwrap();
        assert_eq!(frames.release(frame), Ok(()));
        assert_eq!(frames.release(frame), Err(NotAllocated(frame)));
        assert_eq!(frames.release(Frame(64)), Err(NotAllocated(Frame(64))));
        assert_eq!(frames.release(Frame(0)), Err(NotAllocated(Frame(0))));
    }

    #[test]
    fn runs_are_aligned_and_below_the_limit() {
        let mut words = [0; 2];
        let mut frames = Frames::new(&mut words);
        frames.add(PAGE_SIZE, 128 * PAGE_SIZE);
        frames.remove(20 * PAGE_SIZE, 21 * PAGE_SIZE);
        assert_eq!(
            frames.allocate_contiguous(16, 16, u64::MAX),
            Some(Frame(32))
        );
        assert_eq!(frames.allocate_contiguous(16, 16, 48 * PAGE_SIZE), None);
        assert_eq!(
            frames.allocate_contiguous(16, 16, 64 * PAGE_SIZE),
            Some(Frame(48))
        );
        assert_eq!(frames.allocate_contiguous(65, 1, u64::MAX), None);
    }

    #[test]
    fn partial_frames_are_not_memory() {
        let mut words = [0; 1];
        let mut frames = Frames::new(&mut words);
        frames.add(PAGE_SIZE + 1, 3 * PAGE_SIZE - 1);
        assert_eq!(frames.total(), 0);
    }
}
