//! What Linux perf needs of a process to find a file of generated code.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

/// Maps the first page of `file` executable, for as long as the process lives: the event by which
/// `perf record` notes that the file belongs to it. Nothing is executed there.
///
/// # Errors
/// The system refuses the mapping.
pub fn mark(file: &File) -> io::Result<()> {
    /// One page.
    const BYTES: usize = 4096;
    let protection = libc::PROT_READ | libc::PROT_EXEC;
    // SAFETY: a new private mapping at an address of the system's choice touches no object of Rust's.
    let page = unsafe {
        libc::mmap(
            core::ptr::null_mut(),
            BYTES,
            protection,
            libc::MAP_PRIVATE,
            file.as_raw_fd(),
            0,
        )
    };
    if page == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Nanoseconds of the monotonic clock, which `perf record -k mono` uses.
#[must_use]
pub fn monotonic_ns() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a timespec to write to, and the clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
