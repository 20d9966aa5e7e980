//! The heap, with a count of bytes that can be turned on.
//!
//! Off, it costs one load an allocation. Only one thread of a child that counts allocates.

use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::alloc::System;

#[global_allocator]
static HEAP: Counting = Counting;

static ON: AtomicBool = AtomicBool::new(false);
static LIVE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator.
#[derive(Debug)]
struct Counting;

/// From now on, bytes are counted.
pub(crate) fn count() {
    // ORDERING: Relaxed: a flag and numbers of one thread, here and below.
    ON.store(true, Ordering::Relaxed);
}

/// Bytes that are allocated now, from where the most are counted again.
pub(crate) fn start() -> usize {
    // ORDERING: Relaxed, as in `count`.
    let live = LIVE.load(Ordering::Relaxed);
    // ORDERING: Relaxed, as in `count`.
    MOST.store(live, Ordering::Relaxed);
    live
}

/// The most bytes since [`start`] gave `before`, and those that are left, both beyond that.
pub(crate) fn end(before: usize) -> (usize, usize) {
    // ORDERING: Relaxed, as in `count`.
    let most = MOST.load(Ordering::Relaxed);
    // ORDERING: Relaxed, as in `count`.
    let live = LIVE.load(Ordering::Relaxed);
    (most.wrapping_sub(before), live.wrapping_sub(before))
}

/// Adds so many bytes. What was allocated before counting began wraps around when it is freed.
fn change(bytes: usize) {
    // ORDERING: Relaxed, as in `count`.
    if !ON.load(Ordering::Relaxed) {
        return;
    }
    // ORDERING: Relaxed, as in `count`.
    let now = LIVE.fetch_add(bytes, Ordering::Relaxed).wrapping_add(bytes);
    if now < usize::MAX / 2 {
        // ORDERING: Relaxed, as in `count`.
        MOST.fetch_max(now, Ordering::Relaxed);
    }
}

// SAFETY: every request goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        change(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        change(layout.size().wrapping_neg());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        change(size.wrapping_sub(layout.size()));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
