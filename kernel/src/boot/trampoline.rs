//! The start-up page of the other cores: copied below 1 MiB, mapped by tables of its own, and taken away afterwards.
//!
//! A core that starts has paging off. Its first tables map the trampoline's page where it lies (read-execute) and the
//! kernel's half. They are used by nobody else and are freed when bring-up is over; a core that comes later than that
//! finds no page tables worth the name, which is why bring-up waits and then declares such a core lost: it is left
//! with tables whose memory is never reused (they are kept if any core was lost).

use crate::memory::paging::{self, MapError, Rights};
use crate::metal::percore::{Handle, MAX_CORES, PerCore};
use core::arch::global_asm;
use core::cell::UnsafeCell;
use core::ptr;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use kernel::bootinfo::BootInfo;
use kernel::layout::{PAGE_SIZE, PhysAddr, VirtAddr};
use smp::slot::CoreSlot;

global_asm!(include_str!("trampoline.s"), options(att_syntax));

unsafe extern "C" {
    static ap_trampoline_start: u8;
    static ap_trampoline_end: u8;
    static ap_trampoline_parameters: u8;
    static ap_trampoline_long_offset: u32;
    static ap_trampoline_gdt_offset: u32;
    fn ap_entry();
}

/// Where a core finds what belongs to it; read by `ap_entry`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct StartRecord {
    apic_id: u32,
    unused: u32,
    slot: *const CoreSlot,
    stack: u64,
    core: u64,
}

/// The records; entries are written before the count that covers them.
#[repr(transparent)]
struct StartRecords(UnsafeCell<[StartRecord; MAX_CORES]>);

// SAFETY: the BSP alone writes, each entry once, before the count covers it; other cores only read covered entries.
unsafe impl Sync for StartRecords {}

#[unsafe(no_mangle)]
static START_RECORDS: StartRecords = StartRecords(UnsafeCell::new(
    [StartRecord {
        apic_id: 0,
        unused: 0,
        slot: ptr::null(),
        stack: 0,
        core: 0,
    }; MAX_CORES],
));
#[unsafe(no_mangle)]
static START_RECORD_COUNT: AtomicU32 = AtomicU32::new(0);
#[unsafe(no_mangle)]
static START_ROOT: AtomicU64 = AtomicU64::new(0);

/// The installed trampoline.
#[derive(Debug)]
pub(crate) struct Trampoline {
    page: PhysAddr,
    root: PhysAddr,
}

/// What `trampoline.s` keeps at `ap_trampoline_parameters`.
#[repr(C, packed)]
struct Parameters {
    root: u32,
    long_entry: u32,
    code_selector: u16,
    gdt_limit: u16,
    gdt: u32,
    entry: u64,
}

/// Copies the trampoline to a usable page below 1 MiB and makes its page tables. `None` without such a page.
pub(crate) fn install(info: &BootInfo) -> Result<Option<Trampoline>, MapError> {
    let Some(page) = find_page(info) else {
        return Ok(None);
    };
    let root = paging::new_root()?;
    // SAFETY: tables of their own, in the lower half, for a page that nothing else uses (`find_page`).
    unsafe { paging::map(root, VirtAddr(page.0), page, Rights::KERNEL_TRAMPOLINE)? };
    let parameters = Parameters {
        root: u32::try_from(root.0).map_err(|_| MapError::OutOfMemory)?,
        // SAFETY: constants of `trampoline.s`.
        long_entry: page.0 as u32 + unsafe { ap_trampoline_long_offset },
        code_selector: 8,
        gdt_limit: 23,
        // SAFETY: as above.
        gdt: page.0 as u32 + unsafe { ap_trampoline_gdt_offset },
        entry: ap_entry as *const () as u64,
    };
    copy(page, &parameters);
    // ORDERING: Relaxed: the slot's state word, opened later with Release, carries it to the cores.
    START_ROOT.store(paging::kernel_root().0, Ordering::Relaxed);
    Ok(Some(Trampoline { page, root }))
}

/// Tells the core with this APIC id what belongs to it. Called by the BSP, once per core, before its slot is opened.
pub(crate) fn announce(apic_id: u32, slot: &'static CoreSlot, stack: u64, core: Handle) {
    // ORDERING: Relaxed: only the BSP writes the count.
    let count = START_RECORD_COUNT.load(Ordering::Relaxed) as usize;
    let record = StartRecord {
        apic_id,
        unused: 0,
        slot,
        stack,
        core: core.address(),
    };
    // SAFETY: in bounds, because cores are at most MAX_CORES; nobody reads an entry that the count does not cover.
    unsafe { (*START_RECORDS.0.get())[count] = record };
    // ORDERING: Release keeps the entry before the count for `ap_entry`, whose loads are ordered on x86-64.
    START_RECORD_COUNT.store(count as u32 + 1, Ordering::Release);
}

impl Trampoline {
    /// Physical address of the start-up page.
    pub(crate) fn page(&self) -> PhysAddr {
        self.page
    }

    /// Frees the page tables. Only when every core that was sent a start-up IPI is online.
    pub(crate) fn remove(self) {
        // SAFETY: online cores have left these tables (`ap_entry` loads the kernel's), and no other core was started.
        unsafe { paging::free_root(self.root, 0..256) };
    }
}

/// A usable page below 640 KiB that holds nothing of the loader's; not page 0.
fn find_page(info: &BootInfo) -> Option<PhysAddr> {
    let free = |start: u64| {
        let inside = info
            .usable()
            .any(|region| region.start <= start && start + PAGE_SIZE <= region.end);
        let taken = info
            .loader_ranges
            .as_slice()
            .iter()
            .any(|range| range.start < start + PAGE_SIZE && start < range.end);
        inside && !taken
    };
    (0x1000..0xa_0000)
        .step_by(PAGE_SIZE as usize)
        .find(|&start| start >= 0x8000 && free(start))
        .map(PhysAddr)
}

fn copy(page: PhysAddr, parameters: &Parameters) {
    let size = &raw const ap_trampoline_end as usize - &raw const ap_trampoline_start as usize;
    let offset =
        &raw const ap_trampoline_parameters as usize - &raw const ap_trampoline_start as usize;
    let to = page.direct().0 as *mut u8;
    // SAFETY: the blob is smaller than a page, and the page is usable memory that nothing else uses.
    unsafe { ptr::copy_nonoverlapping(&raw const ap_trampoline_start, to, size) };
    // SAFETY: the parameters lie inside the blob, in this order.
    unsafe {
        ptr::copy_nonoverlapping(
            ptr::from_ref(parameters).cast::<u8>(),
            to.wrapping_add(offset),
            size_of::<Parameters>(),
        );
    };
}

/// Called by `ap_entry` with the core's record, on the core's stack.
#[unsafe(no_mangle)]
extern "C" fn ap_start(core: *const PerCore) -> ! {
    // SAFETY: the address that `announce` was given; the record lives for ever and belongs to this core.
    unsafe { (*core).install() };
    crate::cores::ap_main()
}
