//! Frames for code, and the window through which the kernel writes them.
//!
//! What ring 3 executes, and the dispatch slots it jumps through, lie in frames that are not in the direct map. No page
//! tables in which a program runs show them writable, not even to the kernel: the window is a separate set of tables,
//! which a core loads for the few instructions of one write and leaves again (DESIGN 3.5, section 4).
//!
//! Loading tables is also a serialising instruction (SDM volume 3, 9.3), on the core that writes.
//!
//! # Invariants
//! W1. The tables of the window are the only ones that map code frames writable; nothing in them is executable.
//! W2. A core has them loaded only inside [`through_window`], with interrupts off; `work` there uses kernel memory and
//!     the window and nothing else.
//! W3. A [`CodeFrame`] is handed out once; it goes back when the address space that showed it is gone.

use super::paging::{self, MapError, Rights};
use super::{OutOfMemory, code_frames, space::Space};
use crate::metal::cpu;
use alloc::vec::Vec;
use core::ptr;
use core::sync::atomic::AtomicU64;
use kernel::layout::{PAGE_SIZE, PhysAddr, VirtAddr, WINDOW};
use spin::{Mutex, Once};

/// One frame of the code range, owned.
#[derive(Debug)]
pub(crate) struct CodeFrame(PhysAddr);

static POOL: Mutex<Pool> = Mutex::new(Pool {
    used: 0,
    free: Vec::new(),
});
static WINDOW_ROOT: Once<PhysAddr> = Once::new();

/// Frames never handed out lie behind the first `used`; those that came back are in `free`.
struct Pool {
    used: u64,
    free: Vec<PhysAddr>,
}

/// Builds the window. Once, on the BSP, before any code is written.
pub(crate) fn initialise() -> Result<(), OutOfMemory> {
    let root = paging::new_root()?;
    let (start, size) = code_frames();
    for offset in (0..size).step_by(PAGE_SIZE as usize) {
        // SAFETY: code frames belong to this file; no reference to their bytes outlives `through_window` (W2).
        let mapped = unsafe {
            paging::map(
                root,
                VirtAddr(WINDOW + offset),
                start.add(offset),
                Rights::KERNEL_WINDOW,
            )
        };
        mapped.map_err(|_| OutOfMemory)?;
    }
    WINDOW_ROOT.call_once(|| root);
    Ok(())
}

/// Bytes of code frames in use and in all.
pub(crate) fn usage() -> (u64, u64) {
    let pool = POOL.lock();
    let used = pool.used - pool.free.len() as u64 * PAGE_SIZE;
    (used, code_frames().1)
}

impl CodeFrame {
    /// Takes a frame and fills it with `filler`.
    pub(crate) fn take(filler: u8) -> Result<Self, OutOfMemory> {
        let frame = {
            let mut pool = POOL.lock();
            let (start, size) = code_frames();
            let fresh = (pool.used < size).then(|| start.add(pool.used));
            let reused = pool.free.pop();
            if reused.is_none() && fresh.is_some() {
                pool.used += PAGE_SIZE;
            }
            Self(reused.or(fresh).ok_or(OutOfMemory)?)
        };
        frame.write(0, &[filler; PAGE_SIZE as usize]);
        Ok(frame)
    }

    /// Writes bytes at an offset of the frame.
    pub(crate) fn write(&self, offset: usize, bytes: &[u8]) {
        assert!(
            offset + bytes.len() <= PAGE_SIZE as usize,
            "a write stays in its frame"
        );
        let to = (self.window() + offset as u64) as *mut u8;
        through_window(|| {
            // SAFETY: in the window, which is loaded; the frame is owned, and ring 3 never writes it.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
        });
    }

    /// Gives `work` the aligned word at an index of the frame. It must use nothing else but registers and kernel memory.
    pub(crate) fn with_word<R>(&self, index: usize, work: impl FnOnce(&AtomicU64) -> R) -> R {
        assert!(index < PAGE_SIZE as usize / 8, "a word lies in its frame");
        let word = (self.window() as *const AtomicU64).wrapping_add(index);
        through_window(|| {
            // SAFETY: in the window, which is loaded; an aligned word that is only ever used as an atomic.
            work(unsafe { &*word })
        })
    }

    /// Shows the frame to the program of `space` at `at`, with rights that do not include writing.
    pub(crate) fn show(&self, space: &mut Space, at: u64, rights: Rights) -> Result<(), MapError> {
        assert!(
            rights != Rights::USER_WRITE,
            "W1: code frames are never writable for a program"
        );
        // SAFETY: the frame holds code, constants of code or slots, and stays what it is while the space lives (W3).
        unsafe { space.map_borrowed(at, self.0, PAGE_SIZE, rights) }
    }

    fn window(&self) -> u64 {
        WINDOW + (self.0.0 - code_frames().0.0)
    }
}

impl Drop for CodeFrame {
    fn drop(&mut self) {
        POOL.lock().free.push(self.0);
    }
}

/// Runs `work` with the window loaded.
fn through_window<R>(work: impl FnOnce() -> R) -> R {
    let window = *WINDOW_ROOT
        .get()
        .expect("the window is built before any code is written");
    let before = cpu::read_root();
    // SAFETY: the window's tables have the kernel's half and live for ever.
    unsafe { cpu::write_root(window.0) };
    let result = work();
    // SAFETY: the tables that were loaded before.
    unsafe { cpu::write_root(before) };
    result
}
