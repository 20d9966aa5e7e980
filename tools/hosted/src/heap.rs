//! The heap of the process: grown in large steps, and of huge pages.
//!
//! Loading and compiling fill fresh memory, some 40 bytes an instruction. The system clears it page by page, when
//! each is touched first; with pages of 4 KiB that alone took a tenth of the time from bitcode to code of
//! SQLite. So the C library's allocator, which Rust uses, is told to grow the heap by [`STEP`] bytes at once,
//! and the system to back that with pages of 2 MiB. Whoever touches little pays for one of them.
//!
//! All of it is advice: where it is not taken, the process runs as before.

use core::ffi::c_int;
use core::hint::black_box;

/// Bytes by which the heap grows.
const STEP: usize = 64 << 20;
/// Bytes of a huge page.
const HUGE: usize = 2 << 20;
/// Largest allocation that comes from the heap: the most that the C library accepts.
const LARGEST: usize = 32 << 20;

/// Makes the heap of the main thread one of huge pages. For the start of `main`.
pub fn use_huge_pages() {
    for (option, value) in [
        (libc::M_MMAP_THRESHOLD, LARGEST),
        (libc::M_TRIM_THRESHOLD, 2 * STEP),
        (libc::M_TOP_PAD, STEP),
    ] {
        // SAFETY: the options are the C library's own, and only say when it asks the system for memory.
        unsafe { libc::mallopt(option, value as c_int) };
    }
    let start = program_break();
    // More than the heap has left, so it grows by a step; it keeps what is given back.
    drop(black_box(Vec::<u8>::with_capacity(HUGE)));
    let from = start.next_multiple_of(HUGE);
    let Some(len) = program_break().checked_sub(from) else {
        return;
    };
    // SAFETY: the range is part of the heap, which grew by it just now. The advice changes no content.
    unsafe { libc::madvise(from as *mut libc::c_void, len, libc::MADV_HUGEPAGE) };
}

/// Where the heap ends.
fn program_break() -> usize {
    // SAFETY: with an increment of 0 nothing moves.
    unsafe { libc::sbrk(0) as usize }
}
