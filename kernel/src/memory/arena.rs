//! Compile arenas: where a compiling core's allocations come from, so that a failed compile leaves nothing behind.
//!
//! An arena is a range of kernel addresses with a bump pointer. Only the newest block can be freed or resized in place,
//! which serves the growing vectors of a compiler well. Memory is mapped when it is first touched: the compile is a
//! context, so its page fault comes back to its owner, who maps a step more and lets it go on (`trap::contain`). The
//! compile itself takes no lock. What is mapped stays mapped for the next compile.

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
const RESERVED: u64 = 1 << 30;
/// How much is mapped at a time.
const STEP: u64 = 256 << 10;

static NEXT: AtomicU64 = AtomicU64::new(layout::ARENAS);

/// One arena. It belongs to one owner, hence to one core at a time.
#[derive(Debug)]
pub(crate) struct Arena {
    start: u64,
    limit: u64,
    mapped: Cell<u64>,
    used: Cell<u64>,
    exhausted: Cell<bool>,
    note: Cell<Note>,
}

impl Arena {
    /// An arena that hands out at most `limit` bytes; nothing is mapped yet.
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            // ORDERING: Relaxed: only the uniqueness of the numbers matters.
            start: NEXT.fetch_add(RESERVED, Ordering::Relaxed),
            limit: limit.min(RESERVED - STEP),
            mapped: Cell::new(0),
            used: Cell::new(0),
            exhausted: Cell::new(false),
            note: Cell::new(Note::new()),
        }
    }

    /// Maps memory up to and including `address` if it was handed out; false if it was not, or if memory is out.
    /// Must not be called from inside a compile.
    pub(crate) fn map_more(&self, address: u64) -> bool {
        let mapped = self.start + self.mapped.get();
        if address < mapped || address >= self.start + self.used.get() {
            return false;
        }
        let size = (address + 1 - mapped).next_multiple_of(STEP);
        let done = map_range(mapped, size).is_ok();
        if done {
            self.mapped.set(self.mapped.get() + size);
        } else {
            self.exhausted.set(true);
        }
        done
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
        let end = start.saturating_add(layout.size() as u64);
        if end > self.start + self.limit {
            self.exhausted.set(true);
            return ptr::null_mut();
        }
        self.used.set(end - self.start);
        start as *mut u8
    }

    pub(super) fn free_last(&self, memory: u64, size: u64) {
        if memory + size == self.start + self.used.get() {
            self.used.set(memory - self.start);
        }
    }

    pub(super) fn resize_last(&self, memory: u64, old: u64, new: u64) -> bool {
        let last = memory >= self.start && memory + old == self.start + self.used.get();
        let fits = memory.saturating_sub(self.start).saturating_add(new) <= self.limit;
        if last && fits {
            self.used.set(memory - self.start + new);
        }
        last && fits
    }
}
