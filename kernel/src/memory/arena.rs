//! Compile arenas: where a compiling core's allocations come from, so that a failed compile leaves nothing behind.
//!
//! An arena is a range of mapped kernel memory with a bump pointer. Only the newest block can be freed or resized in
//! place, which serves the growing vectors of a compiler well. When the mapped part is used up the allocation fails,
//! the compile is abandoned, and its owner may [`Arena::grow`] the arena and try again: mapping takes the kernel's
//! locks, which a compile must not.

use super::heap::map_range;
use core::alloc::Layout;
use core::cell::Cell;
use core::ptr;
use core::sync::atomic::{AtomicU64, Ordering};
use kernel::layout;
use kernel::text::BoundedText;

/// What is kept of a panic's message.
pub(crate) type Note = BoundedText<240>;

/// Address space of one arena, and so the most it can grow to.
const RESERVED: u64 = 256 << 20;

static NEXT: AtomicU64 = AtomicU64::new(layout::ARENAS);

/// One arena. It belongs to one owner, hence to one core at a time.
#[derive(Debug)]
pub(crate) struct Arena {
    start: u64,
    mapped: Cell<u64>,
    used: Cell<u64>,
    peak: Cell<u64>,
    exhausted: Cell<bool>,
    note: Cell<Note>,
}

impl Arena {
    /// An arena with `size` bytes (a multiple of the page size) mapped.
    pub(crate) fn new(size: u64) -> Result<Self, super::OutOfMemory> {
        // ORDERING: Relaxed: only the uniqueness of the numbers matters.
        let start = NEXT.fetch_add(RESERVED, Ordering::Relaxed);
        map_range(start, size)?;
        Ok(Self {
            start,
            mapped: Cell::new(size),
            used: Cell::new(0),
            peak: Cell::new(0),
            exhausted: Cell::new(false),
            note: Cell::new(Note::new()),
        })
    }

    /// Doubles the mapped part. Must not be called from inside a compile.
    pub(crate) fn grow(&self) -> Result<(), super::OutOfMemory> {
        let size = self.mapped.get();
        if size * 2 > RESERVED {
            return Err(super::OutOfMemory);
        }
        map_range(self.start + size, size)?;
        self.mapped.set(size * 2);
        Ok(())
    }

    /// Whether an allocation has failed since the last reset.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.exhausted.get()
    }

    /// Keeps the message of the panic that ends the call which uses this arena.
    pub(crate) fn put_note(&self, note: Note) {
        self.note.set(note);
    }

    /// The message kept last.
    pub(crate) fn take_note(&self) -> Note {
        self.note.take()
    }

    /// The most bytes that were ever in use, and the bytes mapped.
    pub(crate) fn sizes(&self) -> (u64, u64) {
        (self.peak.get(), self.mapped.get())
    }

    /// Forgets every block.
    ///
    /// # Safety
    /// Nothing may still refer to memory of the arena.
    pub(crate) unsafe fn reset(&self) {
        self.used.set(0);
        self.exhausted.set(false);
    }

    pub(super) fn allocate(&self, layout: Layout) -> *mut u8 {
        let start = (self.start + self.used.get()).next_multiple_of(layout.align() as u64);
        let end = start + layout.size() as u64;
        if end > self.start + self.mapped.get() {
            self.exhausted.set(true);
            return ptr::null_mut();
        }
        self.set_used(end - self.start);
        start as *mut u8
    }

    pub(super) fn free_last(&self, memory: u64, size: u64) {
        if memory + size == self.start + self.used.get() {
            self.used.set(memory - self.start);
        }
    }

    pub(super) fn resize_last(&self, memory: u64, old: u64, new: u64) -> bool {
        let last = memory >= self.start && memory + old == self.start + self.used.get();
        let fits = memory.saturating_sub(self.start) + new <= self.mapped.get();
        if last && fits {
            self.set_used(memory - self.start + new);
        }
        last && fits
    }

    fn set_used(&self, used: u64) {
        self.used.set(used);
        self.peak.set(self.peak.get().max(used));
    }
}
