//! A meter of memory: how much a piece of work holds at its highest point, and a limit that it cannot pass.
//!
//! A program that makes [`Meter`] its global allocator can measure any closure. Counts belong to threads,
//! so tests that run at the same time do not see each other. At the limit an allocation fails, which
//! ends the process by name; that happens to inputs that nobody should wait for.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use std::alloc::System;

/// Counts and limits what its thread allocates.
#[derive(Debug)]
pub struct Meter;

#[derive(Clone, Copy)]
struct Count {
    now: usize,
    peak: usize,
    limit: usize,
}

thread_local! {
    static COUNT: Cell<Count> = const {
        Cell::new(Count {
            now: 0,
            peak: 0,
            limit: usize::MAX,
        })
    };
}

/// Runs `work` with a limit of `limit` bytes; its result and its highest point in bytes, which is 0 where
/// [`Meter`] is not the allocator.
pub fn measured<T>(limit: usize, work: impl FnOnce() -> T) -> (T, usize) {
    COUNT.set(Count {
        now: 0,
        peak: 0,
        limit,
    });
    let result = work();
    let peak = COUNT.get().peak;
    COUNT.set(Count {
        limit: usize::MAX,
        ..COUNT.get()
    });
    (result, peak)
}

/// Counts `size` bytes; whether there is room for them.
fn take(size: usize) -> bool {
    let mut count = COUNT.get();
    count.now = count.now.saturating_add(size);
    if count.now > count.limit {
        return false;
    }
    count.peak = count.peak.max(count.now);
    COUNT.set(count);
    true
}

fn give(size: usize) {
    let mut count = COUNT.get();
    // What was allocated before the measurement may be freed in it.
    count.now = count.now.saturating_sub(size);
    COUNT.set(count);
}

// SAFETY: every request goes to the system's allocator as it came, or fails; counting allocates nothing,
// because the counts are plain cells made at compile time.
unsafe impl GlobalAlloc for Meter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !take(layout.size()) {
            return core::ptr::null_mut();
        }
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !take(layout.size()) {
            return core::ptr::null_mut();
        }
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both may exist for a moment.
        if !take(size) {
            return core::ptr::null_mut();
        }
        give(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        give(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(memory, layout) }
    }
}
