//! Frames that a program and the kernel both use: GS blocks with their counters.
//!
//! The program may write them at any time, so the kernel sees them as atomics or copies words; no other reference to
//! their bytes exists. They are adjacent, hence one slice in the direct map.

use super::paging::{MapError, Rights};
use super::space::Space;
use super::{OutOfMemory, allocate_frames, release_frame};
use core::slice;
use core::sync::atomic::AtomicI32;
use kernel::frames::Frame;
use kernel::layout::{PAGE_SIZE, PhysAddr};

/// Adjacent frames, owned; given back when the address space that showed them is gone.
#[derive(Debug)]
pub(crate) struct SharedFrames {
    first: Frame,
    count: u64,
}

impl SharedFrames {
    /// `count` zeroed frames.
    pub(crate) fn new(count: u64) -> Result<Self, OutOfMemory> {
        Ok(Self {
            first: allocate_frames(count, u64::MAX)?,
            count,
        })
    }

    /// Shows them to the program of `space` from `at` on, writable.
    pub(crate) fn show(&self, space: &mut Space, at: u64) -> Result<(), MapError> {
        let start = PhysAddr(self.first.address());
        // SAFETY: the frames hold nothing but what the program may write, and live longer than the space (struct head).
        unsafe { space.map_borrowed(at, start, self.count * PAGE_SIZE, Rights::USER_WRITE) }
    }

    /// Frame number `index`.
    pub(crate) fn frame(&self, index: u64) -> Frame {
        assert!(index < self.count, "a frame of these");
        Frame::containing(self.first.address() + index * PAGE_SIZE)
    }

    /// `count` 32-bit words from byte `offset` on.
    pub(crate) fn words(&self, offset: u64, count: usize) -> &[AtomicI32] {
        let end = offset + count as u64 * 4;
        assert!(
            offset.is_multiple_of(4) && end <= self.count * PAGE_SIZE,
            "words of these frames"
        );
        let start = PhysAddr(self.first.address() + offset).direct().0 as *const AtomicI32;
        // SAFETY: in the direct map, aligned, owned by `self`; used by kernel and program as atomics only.
        unsafe { slice::from_raw_parts(start, count) }
    }
}

impl Drop for SharedFrames {
    fn drop(&mut self) {
        (0..self.count).for_each(|index| release_frame(self.frame(index)));
    }
}
