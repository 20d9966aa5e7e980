//! Memory: physical frames, page tables, the kernel heap, compile arenas, kernel stacks.
//!
//! [`initialise`] takes the machine from the loose tables of `boot.s` to the strict ones (`paging`): each page has one
//! purpose, nothing is writable and executable, and the frames of the code cache are not in the direct map.
//!
//! Locks are `spin` mutexes held for short bounded pieces of work with interrupts off (the kernel always runs so). They
//! nest in one order: heap, then kernel space, then frames. Nobody waits for another core while holding one.

pub(crate) mod arena;
pub(crate) mod code;
pub(crate) mod firmware;
mod heap;
pub(crate) mod paging;
pub(crate) mod promise;
mod shared;
pub(crate) mod space;
pub(crate) mod stacks;

use core::ptr;
use core::slice;
use kernel::bootinfo::{BootInfo, PhysicalMemory, Region};
use kernel::frames::{Frame, Frames};
use kernel::layout::{self, LARGE_PAGE_SIZE, PAGE_SIZE, PhysAddr};
use spin::{Mutex, Once};

pub(crate) use heap::usage as heap_usage;
pub(crate) use shared::SharedFrames;

/// Memory below this is left to the firmware, the AP trampoline and ancient devices.
const LOW_MEMORY_END: u64 = 1 << 20;
/// What the tables of `boot.s` map.
const BOOT_MAP_END: u64 = 4 << 30;

static FRAMES: Mutex<Option<Frames<'static>>> = Mutex::new(None);
static CODE_FRAMES: Once<(PhysAddr, u64)> = Once::new();

/// Why memory could not be set up or handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfMemory;

/// Physical memory below 4 GiB as `boot.s` maps it, for reading what the loader and the firmware left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BootMemory;

impl PhysicalMemory for BootMemory {
    fn read(&self, address: u64, out: &mut [u8]) -> bool {
        let Some(end) = address.checked_add(out.len() as u64) else {
            return false;
        };
        if end > BOOT_MAP_END {
            return false;
        }
        let from = PhysAddr(address).direct().0 as *const u8;
        // SAFETY: the boot tables map all of the first 4 GiB; nobody writes there yet.
        unsafe { ptr::copy_nonoverlapping(from, out.as_mut_ptr(), out.len()) };
        true
    }
}

/// Sets up frames, page tables and the heap. Afterwards the boot tables are out of use.
pub(crate) fn initialise(info: &BootInfo) -> Result<(), OutOfMemory> {
    let image = paging::image_range();
    let bitmap = place_bitmap(info, image.end)?;
    let mut frames = Frames::new(bitmap_words(bitmap));
    info.usable()
        .for_each(|region| frames.add(region.start, region.end));
    let kept = info
        .regions
        .as_slice()
        .iter()
        .filter(|region| region.kind != kernel::bootinfo::RegionKind::Usable);
    kept.chain(info.loader_ranges.as_slice())
        .for_each(|region| frames.remove(region.start, region.end));
    frames.remove(0, LOW_MEMORY_END);
    frames.remove(image.start, image.end);
    frames.remove(bitmap.start, bitmap.end);
    reserve_code_frames(&mut frames)?;
    *FRAMES.lock() = Some(frames);
    paging::initialise(info, code_frames())?;
    heap::initialise()?;
    code::initialise()
}

/// The frames set aside for code: first byte and size.
pub(crate) fn code_frames() -> (PhysAddr, u64) {
    *CODE_FRAMES
        .get()
        .expect("memory is initialised before anyone asks for code frames")
}

/// Hands out a frame filled with zeros.
pub(crate) fn allocate_frame() -> Result<Frame, OutOfMemory> {
    let frame = FRAMES
        .lock()
        .as_mut()
        .and_then(Frames::allocate)
        .ok_or(OutOfMemory)?;
    zero(frame, 1);
    Ok(frame)
}

/// Hands out `count` adjacent frames filled with zeros, ending at or below `limit`.
pub(crate) fn allocate_frames(count: u64, limit: u64) -> Result<Frame, OutOfMemory> {
    let frame = FRAMES
        .lock()
        .as_mut()
        .and_then(|frames| frames.allocate_contiguous(count, 1, limit));
    let frame = frame.ok_or(OutOfMemory)?;
    zero(frame, count);
    Ok(frame)
}

/// Takes a frame back. A frame that was not handed out is a bug of the kernel.
pub(crate) fn release_frame(frame: Frame) {
    let outcome = FRAMES.lock().as_mut().map(|frames| frames.release(frame));
    assert_eq!(
        outcome,
        Some(Ok(())),
        "a frame is released once, by its owner"
    );
}

/// KiB of the kernel heap in use and mapped.
pub(crate) fn heap_usage_kib() -> (u64, u64) {
    let (used, mapped, _) = heap_usage();
    (used as u64 >> 10, mapped >> 10)
}

/// Free and total frames.
pub(crate) fn frame_counts() -> (u64, u64) {
    FRAMES
        .lock()
        .as_ref()
        .map_or((0, 0), |frames| (frames.free(), frames.total()))
}

/// The bytes of frames that the caller owns, through the direct map.
///
/// # Safety
/// The caller must own the frames and let nobody else use them, or their bytes through another mapping, meanwhile.
pub(crate) unsafe fn frame_bytes<'a>(frame: Frame, count: u64) -> &'a mut [u8] {
    let start = PhysAddr(frame.address()).direct().0 as *mut u8;
    // SAFETY: the direct map shows all frames that the allocator hands out; the rest is the caller's promise.
    unsafe { slice::from_raw_parts_mut(start, (count * PAGE_SIZE) as usize) }
}

fn zero(frame: Frame, count: u64) {
    // SAFETY: the frames have just been taken out of the free memory, so nobody else uses them.
    unsafe { frame_bytes(frame, count) }.fill(0);
}

/// Finds room for the frame bitmap: usable, above the image, inside what the boot tables map, and not the loader's.
fn place_bitmap(info: &BootInfo, image_end: u64) -> Result<Region, OutOfMemory> {
    let size = Frames::bitmap_bytes(info.memory_end()).next_multiple_of(PAGE_SIZE);
    let loader = info.loader_ranges.as_slice();
    for region in info.usable() {
        let mut start = region.start.max(image_end).next_multiple_of(PAGE_SIZE);
        while let Some(range) = loader
            .iter()
            .find(|range| start < range.end && range.start < start + size)
        {
            start = range.end.next_multiple_of(PAGE_SIZE);
        }
        if start + size <= region.end.min(BOOT_MAP_END) {
            return Ok(Region {
                start,
                end: start + size,
                kind: region.kind,
            });
        }
    }
    Err(OutOfMemory)
}

fn bitmap_words(bitmap: Region) -> &'static mut [u64] {
    let start = PhysAddr(bitmap.start).direct().0 as *mut u64;
    // SAFETY: usable memory that nothing else uses, mapped now and, being usable memory, in the direct map later.
    unsafe { slice::from_raw_parts_mut(start, ((bitmap.end - bitmap.start) / 8) as usize) }
}

/// Takes the code range out of the free memory for ever: as much as asked for, or less on a small machine.
fn reserve_code_frames(frames: &mut Frames<'_>) -> Result<(), OutOfMemory> {
    let mut size = layout::CODE_FRAMES_SIZE;
    while size > frames.free() * PAGE_SIZE / 4 && size > LARGE_PAGE_SIZE {
        size /= 2;
    }
    let align = LARGE_PAGE_SIZE / PAGE_SIZE;
    let first = frames
        .allocate_contiguous(size / PAGE_SIZE, align, BOOT_MAP_END)
        .ok_or(OutOfMemory)?;
    CODE_FRAMES.call_once(|| (PhysAddr(first.address()), size));
    Ok(())
}

/// Reads a word of a frame that a program may be writing at the same time.
pub(crate) fn read_shared_word(frame: Frame, index: usize) -> u64 {
    assert!(index < 512);
    let word = (PhysAddr(frame.address()).direct().0 as *const u64).wrapping_add(index);
    // SAFETY: inside the frame, which the direct map shows; an aligned word is read whole.
    unsafe { ptr::read_volatile(word) }
}

/// Writes a word of a frame that a program may be reading at the same time.
pub(crate) fn write_shared_word(frame: Frame, index: usize, value: u64) {
    assert!(index < 512);
    let word = (PhysAddr(frame.address()).direct().0 as *mut u64).wrapping_add(index);
    // SAFETY: inside a frame that belongs to a program; no Rust object lives there.
    unsafe { ptr::write_volatile(word, value) };
}

/// Writes to the kernel's text, which must fault. For the test of exactly that.
pub(crate) fn write_to_kernel_text() {
    let (start, _) = paging::text_range();
    // SAFETY: the kernel's text is mapped and readable.
    let byte = unsafe { ptr::read_volatile(start as *const u8) };
    // SAFETY: the fault comes before anything is written; were it to succeed, the byte would be the one already there.
    unsafe { ptr::write_volatile(start as *mut u8, byte) };
}
