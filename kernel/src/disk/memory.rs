//! What the virtio driver needs of the machine's memory: frames for the device, and the device's registers.
//!
//! # Invariants
//! M1. Memory that the device may write lies in frames that belong to it: the queue's (`dma_alloc`) and the buffers of
//!     `virtio`. Such frames are never given back once a device has been told of them, because a device that did not
//!     answer in time may still do so later.
//! M2. Registers are mapped once, whole base address register by whole register, before the driver asks for parts.

use crate::memory::{self, paging};
use alloc::vec::Vec;
use core::ptr::NonNull;
use kernel::frames::Frame;
use kernel::layout::{PAGE_SIZE, PhysAddr, VirtAddr};
use spin::Mutex;
use virtio_drivers::{BufferDirection, Hal};

/// Largest register range that is mapped for a disk, in bytes; QEMU's has 16 KiB.
const MAX_REGISTERS: u64 = 1 << 20;

/// A mapped range of registers.
#[derive(Clone, Copy, Debug)]
struct Window {
    phys: u64,
    size: u64,
    virt: VirtAddr,
}

static WINDOWS: Mutex<Vec<Window>> = Mutex::new(Vec::new());

/// Maps a base address register's range unless that was done before; false if it is too large or memory is out.
pub(super) fn map_registers(phys: u64, size: u64) -> bool {
    let mut windows = WINDOWS.lock();
    if windows
        .iter()
        .any(|window| window.phys == phys && window.size == size)
    {
        return true;
    }
    if size > MAX_REGISTERS {
        return false;
    }
    let Ok(registers) = paging::map_device(PhysAddr(phys), size) else {
        return false;
    };
    let virt = registers.base();
    windows.push(Window { phys, size, virt });
    true
}

/// The kernel's memory as the driver sees it.
#[derive(Debug)]
pub(super) struct KernelMemory;

// SAFETY: frames are owned by who allocates them and lie in the direct map, zeroed and aligned; register ranges are
// mapped for ever (M2); `share` gives the address at which the device finds the buffer.
unsafe impl Hal for KernelMemory {
    fn dma_alloc(pages: usize, _: BufferDirection) -> (u64, NonNull<u8>) {
        let frames = memory::allocate_frames(pages as u64, u64::MAX);
        let phys = frames.map_or(0, Frame::address);
        // An address of 0 tells the driver that there was none; the pointer is not used then.
        let virt = PhysAddr(phys).direct().0 as *mut u8;
        (phys, NonNull::new(virt).unwrap_or(NonNull::dangling()))
    }

    unsafe fn dma_dealloc(_: u64, _: NonNull<u8>, _: usize) -> i32 {
        // The queue is dropped only when a driver could not be set up; its frames stay with the device (M1).
        0
    }

    unsafe fn mmio_phys_to_virt(phys: u64, size: usize) -> NonNull<u8> {
        let inside = |window: &&Window| {
            (window.phys..window.phys + window.size).contains(&phys)
                && size as u64 <= window.phys + window.size - phys
        };
        let windows = WINDOWS.lock();
        let window = windows.iter().find(inside);
        let virt = window.map(|window| window.virt.add(phys - window.phys).0 as *mut u8);
        virt.and_then(NonNull::new)
            .expect("registers are checked and mapped before the driver is made")
    }

    /// All buffers of `virtio` lie in adjacent frames; any other buffer of the kernel works if it lies in one page.
    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> u64 {
        let start = VirtAddr(buffer.as_ptr().cast::<u8>() as u64);
        let last = start.add(buffer.len() as u64 - 1);
        let phys = |at| paging::translate_kernel(at).map(|phys| phys.0);
        let first = phys(start).expect("a buffer is mapped");
        let pages = (start.0 / PAGE_SIZE)..=(last.0 / PAGE_SIZE);
        let adjacent = pages.skip(1).all(|page| {
            let at = page * PAGE_SIZE;
            phys(VirtAddr(at)) == Some(first + (at - start.0))
        });
        assert!(adjacent, "a buffer for a device lies in adjacent frames");
        first
    }

    unsafe fn unshare(_: u64, _: NonNull<[u8]>, _: BufferDirection) {}
}
