//! Read access to the firmware's tables, wherever they lie.
//!
//! ACPI tables may be in memory that the map calls reserved, which the direct map leaves out. So pages are mapped one
//! by one, as asked for, up to a bound; only pages inside some region of the memory map or below 1 MiB, because
//! anything else may be a hole or a device.

use super::paging;
use crate::metal::devices::Registers;
use alloc::collections::BTreeMap;
use core::cell::RefCell;
use kernel::bootinfo::BootInfo;
use kernel::layout::{PAGE_SIZE, PhysAddr};
use smp::tables::{PhysMem, Unreadable};

/// Most pages that are mapped for one reader.
const MAX_PAGES: usize = 256;
const BIOS_AREA: core::ops::Range<u64> = 0xe_0000..0x10_0000;
const RSDP_SIGNATURE: &[u8; 8] = b"RSD PTR ";

/// The firmware's memory.
#[derive(Debug)]
pub(crate) struct Firmware<'a> {
    info: &'a BootInfo,
    pages: RefCell<BTreeMap<u64, Registers>>,
}

impl<'a> Firmware<'a> {
    /// The memory that `info` describes.
    pub(crate) fn new(info: &'a BootInfo) -> Self {
        Self {
            info,
            pages: RefCell::new(BTreeMap::new()),
        }
    }

    /// Looks for the root pointer where a PC BIOS keeps it (ACPI 6.5, 5.2.5.1).
    pub(crate) fn find_rsdp(&self) -> Option<u64> {
        BIOS_AREA.step_by(16).find(|&at| {
            let mut signature = [0; 8];
            self.read(at, &mut signature).is_ok() && &signature == RSDP_SIGNATURE
        })
    }

    fn page(&self, page: u64) -> Option<Registers> {
        let mut pages = self.pages.borrow_mut();
        if let Some(&registers) = pages.get(&page) {
            return Some(registers);
        }
        let inside = |start: u64, end: u64| start <= page && page < end;
        let known = inside(0, 1 << 20)
            || self
                .info
                .regions
                .as_slice()
                .iter()
                .any(|region| inside(region.start / PAGE_SIZE * PAGE_SIZE, region.end));
        if !known || pages.len() == MAX_PAGES {
            return None;
        }
        let registers = paging::map_device(PhysAddr(page), PAGE_SIZE).ok()?;
        pages.insert(page, registers);
        Some(registers)
    }
}

impl PhysMem for Firmware<'_> {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), Unreadable> {
        for (at, byte) in into.iter_mut().enumerate() {
            let address = address.checked_add(at as u64).ok_or(Unreadable)?;
            let word_at = (address % PAGE_SIZE) & !3;
            let word = self
                .page(address / PAGE_SIZE * PAGE_SIZE)
                .ok_or(Unreadable)?
                .read(word_at);
            *byte = (word >> (8 * (address % 4))) as u8;
        }
        Ok(())
    }
}
