//! Access to the registers of memory-mapped devices and to 32-bit I/O ports.

use core::ptr;
use kernel::layout::VirtAddr;
use x86::io;

/// A mapped range of device registers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registers {
    base: VirtAddr,
    size: u64,
}

impl Registers {
    /// # Safety
    /// `[base, base + size)` must be mapped as device memory for ever.
    pub(crate) unsafe fn new(base: VirtAddr, size: u64) -> Self {
        Self { base, size }
    }

    /// First address of the range.
    pub(crate) fn base(self) -> VirtAddr {
        self.base
    }

    /// Reads the 32-bit register at `offset` bytes.
    pub(crate) fn read(self, offset: u64) -> u32 {
        self.check(offset);
        // SAFETY: inside the mapped range and aligned; `check` saw to both.
        unsafe { ptr::read_volatile(self.base.add(offset).0 as *const u32) }
    }

    /// Writes the 32-bit register at `offset` bytes.
    pub(crate) fn write(self, offset: u64, value: u32) {
        self.check(offset);
        // SAFETY: as in `read`; that the device does nothing to memory is the promise of whoever drives it.
        unsafe { ptr::write_volatile(self.base.add(offset).0 as *mut u32, value) }
    }

    fn check(self, offset: u64) {
        assert!(
            offset.is_multiple_of(4) && offset + 4 <= self.size,
            "register at {offset:#x} is outside the device"
        );
    }
}

/// Writes `value` to an 8-bit port.
///
/// # Safety
/// The device behind the port must not be made to touch memory.
pub(crate) unsafe fn out8(port: u16, value: u8) {
    // SAFETY: forwarded to the caller.
    unsafe { io::outb(port, value) }
}

/// Reads an 8-bit port.
pub(crate) fn in8(port: u16) -> u8 {
    // SAFETY: reading a port touches no memory.
    unsafe { io::inb(port) }
}

/// Masks the two 8259 interrupt controllers for ever; their spurious interrupts go to vectors 32 to 47.
pub(crate) fn silence_legacy_interrupts() {
    for (port, value) in [
        (0x20, 0x11),
        (0xa0, 0x11),
        (0x21, 32),
        (0xa1, 40),
        (0x21, 4),
        (0xa1, 2),
        (0x21, 1),
        (0xa1, 1),
        (0x21, 0xff),
        (0xa1, 0xff),
    ] {
        // SAFETY: the ports of the two 8259s; they do not touch memory.
        unsafe { out8(port, value) };
    }
}
