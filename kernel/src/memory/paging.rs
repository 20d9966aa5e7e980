//! Page tables in the hardware's format (SDM volume 3, 4.5): mapping single pages, and the kernel's own half.
//!
//! The kernel's half is the same everywhere: its top-level entries are made here, once, and copied into every address
//! space, so a page mapped below one of them is at once mapped for all. Entries of the kernel's half only ever go from
//! absent to present (stacks, heap, devices), hence need no shootdown. The window on code memory is the exception: its
//! top-level entry exists only in the tables of a core that writes code.
//!
//! The judge of these tables is `kernel::judge`, which knows the hardware's rules but not this file.

use super::{OutOfMemory, allocate_frame, release_frame};
use crate::metal::cpu;
use crate::metal::devices::Registers;
use core::ptr;
use kernel::bootinfo::{BootInfo, Region, RegionKind};
use kernel::frames::Frame;
use kernel::judge::Facts;
use kernel::layout::{self, LARGE_PAGE_SIZE, PAGE_SIZE, PhysAddr, VirtAddr};
use spin::{Mutex, Once};

unsafe extern "C" {
    static image_start: u8;
    static text_start: u8;
    static text_end: u8;
    static rodata_end: u8;
    static image_end: u8;
}

const PRESENT: u64 = 1 << 0;
const WRITABLE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const WRITE_THROUGH: u64 = 1 << 3;
const UNCACHED: u64 = 1 << 4;
const LARGE: u64 = 1 << 7;
const GLOBAL: u64 = 1 << 8;
/// Ignored by the hardware: the frame belongs to the address space and is freed with it.
const OWNED: u64 = 1 << 9;
const NO_EXECUTE: u64 = 1 << 63;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// What a mapping allows. There is no value that is both writable and executable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rights(u64);

impl Rights {
    /// Kernel instructions.
    pub(crate) const KERNEL_EXECUTE: Self = Self(GLOBAL);
    /// Kernel constants.
    pub(crate) const KERNEL_READ: Self = Self(GLOBAL | NO_EXECUTE);
    /// Kernel data.
    pub(crate) const KERNEL_WRITE: Self = Self(GLOBAL | WRITABLE | NO_EXECUTE);
    /// Kernel data that only one core's tables show, so it must go when CR3 changes.
    pub(crate) const KERNEL_WINDOW: Self = Self(WRITABLE | NO_EXECUTE);
    /// Instructions that only one core's tables show: the AP trampoline.
    pub(crate) const KERNEL_TRAMPOLINE: Self = Self(0);
    /// Device registers.
    pub(crate) const DEVICE: Self = Self(GLOBAL | WRITABLE | WRITE_THROUGH | UNCACHED | NO_EXECUTE);
    /// Ring-3 instructions, readable.
    pub(crate) const USER_EXECUTE: Self = Self(USER);
    /// Ring-3 constants.
    pub(crate) const USER_READ: Self = Self(USER | NO_EXECUTE);
    /// Ring-3 data.
    pub(crate) const USER_WRITE: Self = Self(USER | WRITABLE | NO_EXECUTE);

    /// The same rights; the frame is freed with the address space.
    pub(crate) const fn owned(self) -> Self {
        Self(self.0 | OWNED)
    }
}

/// Why a page could not be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MapError {
    /// No frame for a table.
    OutOfMemory,
    /// Something is mapped there already.
    Occupied(VirtAddr),
}

impl From<OutOfMemory> for MapError {
    fn from(_: OutOfMemory) -> Self {
        Self::OutOfMemory
    }
}

/// Guards changes of the kernel's half; holds the next free address of the device window.
static KERNEL_SPACE: Mutex<u64> = Mutex::new(layout::DEVICES);
static KERNEL_TABLES: Once<PhysAddr> = Once::new();

/// Top-level slots of the kernel's half that exist from the start.
const SHARED_SLOTS: [u64; 6] = [
    layout::DIRECT_MAP,
    layout::DEVICES,
    layout::STACKS,
    layout::HEAP,
    layout::ARENAS,
    layout::IMAGE,
];

/// The physical range of the kernel image.
pub(crate) fn image_range() -> Region {
    let (start, end) = (
        &raw const image_start as u64,
        &raw const image_end as u64 - layout::IMAGE,
    );
    Region {
        start,
        end,
        kind: RegionKind::Reserved,
    }
}

/// The virtual range of the kernel's text.
pub(crate) fn text_range() -> (u64, u64) {
    (&raw const text_start as u64, &raw const text_end as u64)
}

/// What the judge needs to know.
pub(crate) fn facts() -> Facts {
    let (code, size) = super::code_frames();
    let text = &raw const text_start as u64 - layout::IMAGE;
    let end = &raw const rodata_end as u64 - layout::IMAGE;
    Facts {
        code_frames: (code.0, code.0 + size),
        kernel_read_only: (text, end),
    }
}

/// Physical address of the tables that map the kernel's half and nothing else.
pub(crate) fn kernel_root() -> PhysAddr {
    *KERNEL_TABLES
        .get()
        .expect("memory is initialised before page tables are used")
}

/// Builds the strict tables and switches this core to them.
pub(super) fn initialise(info: &BootInfo, code: (PhysAddr, u64)) -> Result<(), OutOfMemory> {
    let root = PhysAddr(allocate_frame()?.address());
    for slot in SHARED_SLOTS {
        let table = allocate_frame()?;
        write_entry(
            root,
            VirtAddr(slot).index(4),
            table.address() | PRESENT | WRITABLE,
        );
    }
    map_image(root)?;
    for region in info
        .regions
        .as_slice()
        .iter()
        .filter(|region| region.kind != RegionKind::Reserved)
    {
        map_direct(root, *region, code)?;
    }
    KERNEL_TABLES.call_once(|| root);
    // SAFETY: the tables map the image where it runs, and the direct map in which they lie themselves.
    unsafe { cpu::write_root(root.0) };
    Ok(())
}

/// Maps one 4 KiB page in the tables at `root`.
///
/// # Safety
/// The mapping must not give anyone access to memory that a reference elsewhere relies on; `root` must be page tables.
pub(crate) unsafe fn map(
    root: PhysAddr,
    virt: VirtAddr,
    phys: PhysAddr,
    rights: Rights,
) -> Result<(), MapError> {
    let table = table_for(root, virt, 1)?;
    let index = virt.index(1);
    if read_entry(table, index) & PRESENT != 0 {
        return Err(MapError::Occupied(virt));
    }
    write_entry(table, index, phys.0 | rights.0 | PRESENT);
    Ok(())
}

/// Maps a page of the kernel's half for all address spaces.
///
/// # Safety
/// As for [`map`].
pub(crate) unsafe fn map_kernel(
    virt: VirtAddr,
    phys: PhysAddr,
    rights: Rights,
) -> Result<(), MapError> {
    let _guard = KERNEL_SPACE.lock();
    // SAFETY: forwarded to the caller.
    unsafe { map(kernel_root(), virt, phys, rights) }
}

/// Maps `size` bytes of device registers at `phys`; they stay mapped for ever.
pub(crate) fn map_device(phys: PhysAddr, size: u64) -> Result<Registers, MapError> {
    let first = phys.0 / PAGE_SIZE * PAGE_SIZE;
    let pages = (phys.0 + size - first).div_ceil(PAGE_SIZE);
    let mut next = KERNEL_SPACE.lock();
    let virt = VirtAddr(*next);
    for page in 0..pages {
        let at = page * PAGE_SIZE;
        let (to, from) = (virt.add(at), PhysAddr(first + at));
        // SAFETY: device memory, on which no reference exists; callers name ranges that firmware or a BAR reported.
        unsafe { map(kernel_root(), to, from, Rights::DEVICE)? };
    }
    *next += (pages + 1) * PAGE_SIZE;
    // SAFETY: mapped just above, and never unmapped.
    Ok(unsafe { Registers::new(virt.add(phys.0 - first), size) })
}

/// Removes the mapping of a page and returns its frame with whether the address space owned it. The caller sees to the
/// TLBs before the frame is used for anything else.
pub(crate) fn unmap(root: PhysAddr, virt: VirtAddr) -> Option<(PhysAddr, bool)> {
    let table = find_table(root, virt)?;
    let entry = read_entry(table, virt.index(1));
    if entry & PRESENT == 0 {
        return None;
    }
    write_entry(table, virt.index(1), 0);
    Some((PhysAddr(entry & ADDRESS), entry & OWNED != 0))
}

/// The frame behind a 4 KiB page, if it is mapped.
pub(crate) fn translate(root: PhysAddr, virt: VirtAddr) -> Option<PhysAddr> {
    let entry = read_entry(find_table(root, virt)?, virt.index(1));
    (entry & PRESENT != 0).then_some(PhysAddr((entry & ADDRESS) | (virt.0 % PAGE_SIZE)))
}

/// Physical address of any mapped byte of the kernel's half, large pages included.
pub(crate) fn translate_kernel(virt: VirtAddr) -> Option<PhysAddr> {
    let mut table = kernel_root();
    for level in (1..=4).rev() {
        let entry = read_entry(table, virt.index(level));
        if entry & PRESENT == 0 {
            return None;
        }
        let size = PAGE_SIZE << (9 * (level - 1));
        if level == 1 || entry & LARGE != 0 {
            return Some(PhysAddr(
                (entry & ADDRESS & !(size - 1)) | (virt.0 & (size - 1)),
            ));
        }
        table = PhysAddr(entry & ADDRESS);
    }
    None
}

/// A byte of the kernel's half, or `None` where nothing is mapped. For a panic, which must not fault.
pub(crate) fn read_kernel_byte(virt: VirtAddr) -> Option<u8> {
    KERNEL_TABLES.get()?;
    translate_kernel(virt)?;
    // SAFETY: mapped, as just seen; kernel mappings other than windows are never removed.
    Some(unsafe { ptr::read_volatile(virt.0 as *const u8) })
}

/// New tables whose upper half is the kernel's.
pub(crate) fn new_root() -> Result<PhysAddr, OutOfMemory> {
    let root = PhysAddr(allocate_frame()?.address());
    for index in 256..512 {
        write_entry(root, index, read_entry(kernel_root(), index));
    }
    Ok(root)
}

/// Frees the tables at `root` with everything below the given range of top-level slots, and the frames that are owned.
///
/// # Safety
/// No core may use the tables any more, nor hold translations from them.
pub(crate) unsafe fn free_root(root: PhysAddr, private_slots: core::ops::Range<usize>) {
    for index in private_slots {
        free_below(read_entry(root, index), 3);
    }
    release_frame(Frame::containing(root.0));
}

/// Reads an entry of a page table; also what the judge reads through.
pub(crate) fn read_entry(table: PhysAddr, index: usize) -> u64 {
    // SAFETY: tables lie in frames of the allocator, which the direct map shows; `index` is below 512.
    unsafe { ptr::read_volatile((table.direct().0 as *const u64).wrapping_add(index & 511)) }
}

fn write_entry(table: PhysAddr, index: usize, entry: u64) {
    // SAFETY: as in `read_entry`; no Rust object lives in a page table.
    unsafe {
        ptr::write_volatile(
            (table.direct().0 as *mut u64).wrapping_add(index & 511),
            entry,
        );
    };
}

fn free_below(entry: u64, level: u32) {
    if entry & PRESENT == 0 {
        return;
    }
    if level > 0 {
        (0..512)
            .for_each(|index| free_below(read_entry(PhysAddr(entry & ADDRESS), index), level - 1));
    }
    if level > 0 || entry & OWNED != 0 {
        release_frame(Frame::containing(entry & ADDRESS));
    }
}

/// The table of `level` that holds the entry of `virt`; missing ones are made.
fn table_for(root: PhysAddr, virt: VirtAddr, level: u32) -> Result<PhysAddr, MapError> {
    let user = if virt.0 < layout::KERNEL_HALF {
        USER
    } else {
        0
    };
    let mut table = root;
    for above in (level + 1..=4).rev() {
        let index = virt.index(above);
        let entry = read_entry(table, index);
        if entry & LARGE != 0 {
            return Err(MapError::Occupied(virt));
        }
        table = if entry & PRESENT != 0 {
            PhysAddr(entry & ADDRESS)
        } else {
            let new = allocate_frame()?.address();
            write_entry(table, index, new | PRESENT | WRITABLE | user);
            PhysAddr(new)
        };
    }
    Ok(table)
}

/// The last-level table of `virt`, if it exists.
fn find_table(root: PhysAddr, virt: VirtAddr) -> Option<PhysAddr> {
    (2..=4).rev().try_fold(root, |table, level| {
        let entry = read_entry(table, virt.index(level));
        (entry & PRESENT != 0 && entry & LARGE == 0).then_some(PhysAddr(entry & ADDRESS))
    })
}

/// Maps the image, each part with its own rights. `.boot` is left out: it has done its work.
fn map_image(root: PhysAddr) -> Result<(), OutOfMemory> {
    let parts = [
        (
            &raw const text_start as u64,
            &raw const text_end as u64,
            Rights::KERNEL_EXECUTE,
        ),
        (
            &raw const text_end as u64,
            &raw const rodata_end as u64,
            Rights::KERNEL_READ,
        ),
        (
            &raw const rodata_end as u64,
            &raw const image_end as u64,
            Rights::KERNEL_WRITE,
        ),
    ];
    for (start, end, rights) in parts {
        for virt in (start..end).step_by(PAGE_SIZE as usize) {
            // SAFETY: the very mapping that is in use already, with fewer rights.
            unsafe { map(root, VirtAddr(virt), PhysAddr(virt - layout::IMAGE), rights) }
                .map_err(|_| OutOfMemory)?;
        }
    }
    Ok(())
}

/// Maps one region of memory into the direct map: large pages where all 2 MiB are alike, and no code frame.
fn map_direct(root: PhysAddr, region: Region, code: (PhysAddr, u64)) -> Result<(), OutOfMemory> {
    let text = (
        &raw const text_start as u64 - layout::IMAGE,
        &raw const rodata_end as u64 - layout::IMAGE,
    );
    let end = region
        .end
        .next_multiple_of(PAGE_SIZE)
        .min(layout::DIRECT_MAP_SIZE);
    let mut phys = region.start / PAGE_SIZE * PAGE_SIZE;
    while phys < end {
        if phys >= code.0.0 && phys < code.0.0 + code.1 {
            phys = code.0.0 + code.1;
            continue;
        }
        let large = phys.is_multiple_of(LARGE_PAGE_SIZE)
            && phys + LARGE_PAGE_SIZE <= end
            && (phys + LARGE_PAGE_SIZE <= text.0 || phys >= text.1);
        let read_only = phys >= text.0 && phys < text.1;
        let rights = if read_only {
            Rights::KERNEL_READ
        } else {
            Rights::KERNEL_WRITE
        };
        let virt = PhysAddr(phys).direct();
        let (level, bits, size) = if large {
            (2, LARGE, LARGE_PAGE_SIZE)
        } else {
            (1, 0, PAGE_SIZE)
        };
        let table = table_for(root, virt, level).map_err(|_| OutOfMemory)?;
        // Regions may share a page at their border; the first mapping of it stays.
        if read_entry(table, virt.index(level)) & PRESENT == 0 {
            write_entry(table, virt.index(level), phys | rights.0 | bits | PRESENT);
        }
        phys += size;
    }
    Ok(())
}
