//! Kernel stacks: mapped memory above an unmapped guard of the same size.
//!
//! Each slot of address space is twice the stack, aligned to its own size, and the stack is the upper half. An overflow
//! so hits the guard and not another stack. Interrupt stacks use the alignment too: OR-ing their address with
//! `size - 1` finds their top word, where the stubs look for the core's record. Stacks are never unmapped.

use super::OutOfMemory;
use super::heap::map_range;
use crate::metal::cpu::{self, Continuation};
use core::ptr;
use core::sync::atomic::{AtomicU64, Ordering};
use kernel::layout;

/// Bytes of an interrupt stack; `stubs.s` knows the number.
pub(crate) const INTERRUPT_STACK_SIZE: u64 = 16 << 10;
/// Bytes of the stack on which a core's own kernel code runs.
pub(crate) const CORE_STACK_SIZE: u64 = 128 << 10;

static NEXT: AtomicU64 = AtomicU64::new(layout::STACKS);

/// A kernel stack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stack {
    /// First mapped byte; the guard lies right below and is as large.
    pub(crate) low: u64,
    /// One past the last byte.
    pub(crate) high: u64,
}

impl Stack {
    /// Maps a stack of `size` bytes, a power of two and at least a page.
    pub(crate) fn new(size: u64) -> Result<Self, OutOfMemory> {
        assert!(size.is_power_of_two() && size >= layout::PAGE_SIZE);
        // ORDERING: Relaxed: only the uniqueness of the range matters. Four times the size always holds an aligned slot.
        let slot = NEXT
            .fetch_add(size * 4, Ordering::Relaxed)
            .next_multiple_of(size * 2);
        let (low, high) = (slot + size, slot + 2 * size);
        map_range(low, size)?;
        Ok(Self { low, high })
    }

    /// First byte of the guard.
    pub(crate) fn guard(self) -> u64 {
        self.low - (self.high - self.low)
    }

    /// Puts `word` into the top word of the stack and returns the stack pointer to start below it, 16-byte aligned.
    pub(crate) fn set_top_word(self, word: u64) -> u64 {
        // SAFETY: the top word of a mapped stack that nobody uses yet.
        unsafe { ptr::write((self.high - 8) as *mut u64, word) };
        self.high - 16
    }

    /// Goes on with `continuation` on this stack, which must be fresh; the present one is left for ever.
    pub(crate) fn enter<T>(self, continuation: &'static Continuation<T>) -> ! {
        // SAFETY: the stack is mapped for ever; that it is fresh means that nothing else uses it.
        unsafe { cpu::continue_on_stack(self.high, continuation) }
    }
}
