//! Promises of frames: memory that an instance was told it has, before each frame of it is mapped.
//!
//! Mapping much memory takes long, so it is done in pieces, by whoever will use it. That it will not fail half-way is
//! known before the first piece: the frames are promised, and what is promised to one is not promised to another. A
//! reserve stays for the kernel itself: page tables, its heap, the arenas of compilations.

use super::{OutOfMemory, frame_counts};
use core::sync::atomic::{AtomicU64, Ordering};

/// Frames that are never promised: 96 MiB.
const RESERVE: u64 = (96 << 20) / 4096;

/// Frames promised and not yet taken.
static PROMISED: AtomicU64 = AtomicU64::new(0);

/// A right to so many frames; what was not taken goes back when it is dropped.
#[derive(Debug)]
pub(crate) struct Promise(u64);

impl Promise {
    /// Promises `frames` frames, if so many are free and not promised to others.
    pub(crate) fn new(frames: u64) -> Result<Self, OutOfMemory> {
        let free = frame_counts().0.saturating_sub(RESERVE);
        let grant = |promised: u64| promised.checked_add(frames).filter(|&sum| sum <= free);
        // ORDERING: AcqRel: pairs with itself; the sum is all there is to agree on.
        PROMISED
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, grant)
            .map(|_| Self(frames))
            .map_err(|_| OutOfMemory)
    }

    /// Up to `most` of the frames are taken now: they count as used, not as promised, from here on.
    pub(crate) fn take(&mut self, most: u64) -> u64 {
        let taken = self.0.min(most);
        self.0 -= taken;
        // ORDERING: AcqRel: as in `new`.
        PROMISED.fetch_sub(taken, Ordering::AcqRel);
        taken
    }

    /// Frames not taken yet.
    pub(crate) fn left(&self) -> u64 {
        self.0
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.take(u64::MAX);
    }
}
