//! The kernel heap, and the switch that serves a compiling core from its own arena.
//!
//! Outside of a compile, allocations come from one `linked_list_allocator` heap behind a spin lock. While a core
//! compiles, the very same global allocator serves it from that compile's arena (DESIGN 3.8): no lock is taken, and
//! when the compile fails, whatever it allocated goes away with the arena. Memory is told apart by its address.
//!
//! A compile may drop a heap object that it was given. Freeing it would take the lock, and a compile can be abandoned
//! at any instruction, so the object is leaked and counted instead; a well-behaved compiler never does this.

use super::arena::Arena;
use super::paging::{self, Rights};
use super::{OutOfMemory, allocate_frame};
use crate::metal::percore;
use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU64, Ordering};
use kernel::layout::{self, PAGE_SIZE, PhysAddr, VirtAddr};
use linked_list_allocator::Heap;
use spin::Mutex;

/// Mapped at first, and the least by which the heap grows.
const STEP: u64 = 2 << 20;
/// The heap never grows beyond this.
const LIMIT: u64 = 2 << 30;

#[global_allocator]
static ALLOCATOR: Switched = Switched;

static HEAP: Mutex<Growing> = Mutex::new(Growing {
    heap: Heap::empty(),
    mapped: 0,
});
static LEAKED_BY_COMPILES: AtomicU64 = AtomicU64::new(0);

struct Growing {
    heap: Heap,
    mapped: u64,
}

/// Bytes in use, bytes mapped, and objects leaked because a compile dropped them.
pub(crate) fn usage() -> (usize, u64, u64) {
    let heap = HEAP.lock();
    // ORDERING: Relaxed: a statistic, it orders nothing.
    (
        heap.heap.used(),
        heap.mapped,
        LEAKED_BY_COMPILES.load(Ordering::Relaxed),
    )
}

pub(super) fn initialise() -> Result<(), OutOfMemory> {
    let mut heap = HEAP.lock();
    map_range(layout::HEAP, STEP)?;
    heap.mapped = STEP;
    // SAFETY: the range was just mapped, and is used by this heap only.
    unsafe { heap.heap.init(layout::HEAP as *mut u8, STEP as usize) };
    Ok(())
}

/// Maps `size` bytes of fresh frames at `start` in the kernel's half.
pub(super) fn map_range(start: u64, size: u64) -> Result<(), OutOfMemory> {
    for at in (start..start + size).step_by(PAGE_SIZE as usize) {
        let frame = allocate_frame()?;
        // SAFETY: a fresh frame at an address that only the caller uses.
        unsafe {
            paging::map_kernel(
                VirtAddr(at),
                PhysAddr(frame.address()),
                Rights::KERNEL_WRITE,
            )
        }
        .map_err(|_| OutOfMemory)?;
    }
    Ok(())
}

impl Growing {
    fn allocate(&mut self, layout: Layout) -> *mut u8 {
        if let Ok(found) = self.heap.allocate_first_fit(layout) {
            return found.as_ptr();
        }
        let wanted = (layout.size() + layout.align()) as u64;
        let step = (wanted + PAGE_SIZE).next_multiple_of(STEP);
        if self.mapped + step > LIMIT || map_range(layout::HEAP + self.mapped, step).is_err() {
            return ptr::null_mut();
        }
        // SAFETY: the bytes right behind the heap were just mapped for it.
        unsafe { self.heap.extend(step as usize) };
        self.mapped += step;
        self.heap
            .allocate_first_fit(layout)
            .map_or(ptr::null_mut(), NonNull::as_ptr)
    }
}

struct Switched;

impl Switched {
    fn arena() -> Option<&'static Arena> {
        let arena = percore::current().arena.get();
        // SAFETY: `contain` sets the pointer only while the arena is borrowed, and clears it before it goes on.
        unsafe { arena.as_ref() }
    }
}

// SAFETY: both sources hand out memory that is unused, aligned, and stays until it is freed or the arena is reset; an
// arena is reset only after everything in it is unreachable (`trap::contain`).
unsafe impl GlobalAlloc for Switched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match Self::arena() {
            Some(arena) => arena.allocate(layout),
            None => HEAP.lock().allocate(layout),
        }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        let in_arena = (layout::ARENAS..layout::WINDOW).contains(&(memory as u64));
        match (Self::arena(), in_arena) {
            (Some(arena), true) => arena.free_last(memory as u64, layout.size() as u64),
            (None, true) => {}
            (Some(_), false) => {
                // ORDERING: Relaxed: a statistic, it orders nothing.
                LEAKED_BY_COMPILES.fetch_add(1, Ordering::Relaxed);
            }
            (None, false) => {
                let memory = NonNull::new(memory)
                    .expect("the global allocator frees only what it handed out");
                // SAFETY: the caller's promise: allocated here, with this layout, and no longer used.
                unsafe { HEAP.lock().heap.deallocate(memory, layout) };
            }
        }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if let Some(arena) = Self::arena()
            && arena.resize_last(memory as u64, layout.size() as u64, new_size as u64)
        {
            return memory;
        }
        let Ok(new_layout) = Layout::from_size_align(new_size, layout.align()) else {
            return ptr::null_mut();
        };
        // SAFETY: the new layout has a size that is not zero, as the caller promises for `new_size`.
        let new = unsafe { self.alloc(new_layout) };
        if !new.is_null() {
            // SAFETY: both blocks are at least as long as the smaller size, and they are different blocks.
            unsafe { ptr::copy_nonoverlapping(memory, new, layout.size().min(new_size)) };
            // SAFETY: the caller's promise for the old block.
            unsafe { self.dealloc(memory, layout) };
        }
        new
    }
}
