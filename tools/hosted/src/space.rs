//! The address space of the one instance of this process.
//!
//! ```text
//! low 4 GiB, up to 48 GiB   reserved without access, at start, by MAP_FIXED_NOREPLACE
//! slots, OSR slots          read-only view of the memory file
//! stubs, code               read-execute view of the memory file
//! rodata, constants         read-only view of the memory file
//! GS blocks, globals        read-write
//! stacks                    read-write, a guard of 1 MiB below each
//! elsewhere                 the window: the whole memory file, read-write, for the runtime
//! ```
//!
//! Code memory is one memory file mapped twice and never `mprotect`ed: no page is writable and
//! executable at one address.
//!
//! # Safety argument
//!
//! All `unsafe` here is `mmap` at addresses that this module reserved itself (nothing of Rust lies
//! there) and access to the window, which lives as long as the process: a [`Space`] is made once
//! and leaked.

use jit::abi;
use jit::code::memory::{CodeMemory, CodeMemoryError, Region};
use jit::instance::{Program, Segment};
use std::ffi::c_void;
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

const PAGE: u64 = 4096;
const TABLES: u64 = (abi::GLOBALS - abi::SLOTS) as u64;
const INT3: u8 = 0xcc;

/// Set when the process's one space was made.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The mapped address space.
#[derive(Debug)]
pub struct Space {
    /// Start of the window, and where each part lies in it.
    window: *mut u8,
    layout: Layout,
    slots: &'static [AtomicU64],
    counters: Vec<&'static [AtomicI32]>,
    /// Which stacks are in use.
    stacks: Mutex<Vec<bool>>,
    /// GS blocks whose counters are set at the start; those behind are set when a task gets one.
    first_cores: usize,
    /// For each code page: 0 untouched, 1 being filled, 2 filled with `int3`.
    filled: Vec<AtomicU8>,
}

// SAFETY: the window is plain shared memory that lives as long as the process; the ranges written
// through it are handed out once (`CodeCache`), slots and counters are atomics.
unsafe impl Send for Space {}
// SAFETY: as for `Send`.
unsafe impl Sync for Space {}

/// Offsets in the memory file: tables (slots, stubs, OSR slots), code, rodata, constants.
#[derive(Clone, Copy, Debug)]
struct Layout {
    code: u64,
    code_size: u64,
    rodata: u64,
    constants: u64,
    end: u64,
}

impl Space {
    /// Maps the space for `program` with room for `code_limit` bytes of code, and fills the globals.
    /// There are GS blocks for `cores` cores and behind them for `tasks` tasks.
    ///
    /// # Errors
    /// The address space is taken (one instance a process), or the system refuses.
    pub fn new(program: &Program, cores: usize, tasks: usize, code_limit: u64) -> io::Result<Self> {
        // ORDERING: AcqRel: pairs with itself; the second caller must not map anything.
        if TAKEN.swap(true, Ordering::AcqRel) {
            return Err(io::Error::other("this process has an instance already"));
        }
        let code_size = code_limit.next_multiple_of(PAGE);
        let layout = Layout {
            code: TABLES,
            code_size,
            rodata: TABLES + code_size,
            constants: TABLES + 2 * code_size,
            end: TABLES + 2 * code_size + u64::from(program.segments[0].size),
        };
        reserve(u64::from(abi::LOWEST), abi::CODE)?;
        let window = map_file(&layout, &program.segments[0])?;
        let funcs = program.imports.len();
        let block = u64::from(abi::gs::size(funcs as u32));
        map(
            Some(abi::GS_BLOCKS),
            block * (cores + tasks) as u64,
            READ | WRITE,
            Backing::Zero,
        )?;
        map_globals(&program.segments[1])?;
        let space = Self {
            window,
            layout,
            // SAFETY: the window starts with the slots, is page-aligned and lives for ever.
            slots: unsafe { std::slice::from_raw_parts(window.cast(), abi::MAX_SLOTS as usize) },
            counters: (0..(cores + tasks) as u64)
                .map(|core| counters(core * block, funcs))
                .collect(),
            stacks: Mutex::new(vec![
                false;
                ((abi::STACKS_END - abi::STACKS) / abi::STACK_STRIDE)
                    as usize
            ]),
            first_cores: cores,
            filled: (0..code_size / PAGE).map(|_| AtomicU8::new(0)).collect(),
        };
        space.write(layout.constants, &program.segments[0].bytes);
        Ok(space)
    }

    /// Maps a stack that nobody uses and gives its number and the address of its end. It is all 0.
    ///
    /// # Errors
    /// None is left, or the system refuses.
    pub fn take_stack(&self) -> io::Result<(usize, u32)> {
        let mut stacks = self.stacks.lock().unwrap_or_else(PoisonError::into_inner);
        let free = stacks.iter().position(|used| !used);
        let index = free.ok_or_else(|| io::Error::other("no stack is left"))?;
        let end = abi::STACKS + (index as u32 + 1) * abi::STACK_STRIDE;
        let (start, size) = stack_range(index);
        map(Some(start), size, READ | WRITE, Backing::Zero)?;
        stacks[index] = true;
        Ok((index, end))
    }

    /// Takes the memory of a stack back, which no thread runs on any more.
    pub fn give_stack(&self, index: usize) {
        let mut stacks = self.stacks.lock().unwrap_or_else(PoisonError::into_inner);
        let (start, size) = stack_range(index);
        // A stack that the system does not take back stays mapped and is not used again.
        if map(Some(start), size, libc::PROT_NONE, Backing::Zero).is_ok() {
            stacks[index] = false;
        }
    }

    /// Maps `size` bytes of heap at `address`, both multiples of 4096 between globals and stacks.
    ///
    /// # Errors
    /// The system refuses.
    pub fn grow(&self, address: u32, size: u32) -> io::Result<()> {
        let (start, size) = (u64::from(address), u64::from(size));
        map(Some(start), size, READ | WRITE, Backing::Zero).map(|_| ())
    }

    /// The GS block of `core`.
    #[must_use]
    pub fn gs_block(&self, core: usize, funcs: u32) -> u64 {
        abi::GS_BLOCKS + core as u64 * u64::from(abi::gs::size(funcs))
    }

    fn write(&self, offset: u64, bytes: &[u8]) {
        assert!(
            offset + bytes.len() as u64 <= self.layout.end,
            "a write stays in the window"
        );
        // SAFETY: within the window, as just checked.
        let to = unsafe { self.window.add(offset as usize) };
        // SAFETY: as above; nobody else writes this range.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
    }

    /// Fills the untouched code pages of a range with `int3`. Of two cores that touch a page for the
    /// first time one fills it, and the other looks on for the length of a 4 KiB fill.
    fn fill_pages(&self, offset: u64, len: u64) {
        for page in offset / PAGE..(offset + len).div_ceil(PAGE) {
            let state = &self.filled[page as usize];
            // ORDERING: Acquire / Release pair with each other: who sees 2 writes after the fill.
            match state.compare_exchange(0, 1, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => {
                    self.write(self.layout.code + page * PAGE, &[INT3; PAGE as usize]);
                    // ORDERING: Release, as above.
                    state.store(2, Ordering::Release);
                }
                // ORDERING: Acquire, as above.
                Err(_) => {
                    while state.load(Ordering::Acquire) != 2 {
                        std::hint::spin_loop();
                    }
                }
            }
        }
    }
}

impl CodeMemory for Space {
    fn commit(&self, region: Region, offset: u64, bytes: &[u8]) -> Result<(), CodeMemoryError> {
        let len = bytes.len() as u64;
        let (base, size) = match region {
            Region::Code => (self.layout.code, self.layout.code_size),
            Region::Rodata => (self.layout.rodata, self.layout.code_size),
            Region::Stubs => (stubs_offset(), 8 * u64::from(abi::MAX_SLOTS)),
        };
        if offset.checked_add(len).is_none_or(|end| end > size) {
            return Err(CodeMemoryError::OutOfRange);
        }
        if region == Region::Code && len > 0 {
            self.fill_pages(offset, len);
        }
        self.write(base + offset, bytes);
        Ok(())
    }

    fn with_slot<R>(&self, slot: u32, work: impl FnOnce(&AtomicU64) -> R) -> Option<R> {
        self.slots.get(slot as usize).map(work)
    }

    fn counters(&self, core: usize) -> &[AtomicI32] {
        self.counters[core]
    }

    fn cores(&self) -> usize {
        self.counters.len()
    }

    fn first_cores(&self) -> usize {
        self.first_cores
    }
}

/// Makes the memory file and maps the window and all views of it; gives the window.
fn map_file(layout: &Layout, constants: &Segment) -> io::Result<*mut u8> {
    let file = memory_file(layout.end)?;
    let window = map(None, layout.end, READ | WRITE, Backing::File(file, 0))?;
    let table = 8 * u64::from(abi::MAX_SLOTS);
    let views = [
        (u64::from(abi::SLOTS), 0, table, READ),
        (u64::from(abi::STUBS), stubs_offset(), table, READ | EXEC),
        (u64::from(abi::OSR_SLOTS), osr_offset(), table, READ),
        (abi::CODE, layout.code, layout.code_size, READ | EXEC),
        (abi::RODATA, layout.rodata, layout.code_size, READ),
        (
            u64::from(constants.address),
            layout.constants,
            u64::from(constants.size),
            READ,
        ),
    ];
    for (address, offset, size, access) in views.into_iter().filter(|view| view.2 > 0) {
        map(Some(address), size, access, Backing::File(file, offset))?;
    }
    // SAFETY: the file is mapped; its descriptor is not used again.
    unsafe { libc::close(file) };
    Ok(window)
}

/// Maps the writable globals and fills them.
fn map_globals(globals: &Segment) -> io::Result<()> {
    if globals.size == 0 {
        return Ok(());
    }
    let at = map(
        Some(u64::from(globals.address)),
        u64::from(globals.size),
        READ | WRITE,
        Backing::Zero,
    )?;
    // SAFETY: just mapped, writable, and at least as long as its initial bytes.
    unsafe { ptr::copy_nonoverlapping(globals.bytes.as_ptr(), at, globals.bytes.len()) };
    Ok(())
}

/// Start and size of the mapped half of a stack.
fn stack_range(index: usize) -> (u64, u64) {
    let end = abi::STACKS + (index as u32 + 1) * abi::STACK_STRIDE;
    (u64::from(end - abi::STACK_SIZE), u64::from(abi::STACK_SIZE))
}

fn stubs_offset() -> u64 {
    u64::from(abi::STUBS - abi::SLOTS)
}

fn osr_offset() -> u64 {
    u64::from(abi::OSR_SLOTS - abi::SLOTS)
}

fn counters(block: u64, funcs: usize) -> &'static [AtomicI32] {
    let at = abi::GS_BLOCKS + block + u64::from(abi::gs::COUNTERS);
    // SAFETY: the GS blocks are mapped for ever; a block has two counters a function.
    unsafe { std::slice::from_raw_parts(ptr::with_exposed_provenance(at as usize), 2 * funcs) }
}

const READ: i32 = libc::PROT_READ;
const WRITE: i32 = libc::PROT_WRITE;
const EXEC: i32 = libc::PROT_EXEC;

enum Backing {
    /// Zero pages of its own.
    Zero,
    /// The memory file from an offset.
    File(i32, u64),
}

/// Maps `size` bytes, at `at` (which must be reserved by this module or free) or anywhere.
fn map(at: Option<u64>, size: u64, access: i32, backing: Backing) -> io::Result<*mut u8> {
    let (kind, file, offset) = match backing {
        Backing::Zero => (
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        ),
        Backing::File(file, offset) => (libc::MAP_SHARED, file, offset),
    };
    // Below CODE the range is reserved by `reserve`; above it must be free.
    let fixed = match at {
        None => 0,
        Some(at) if at < abi::CODE => libc::MAP_FIXED,
        Some(_) => libc::MAP_FIXED_NOREPLACE,
    };
    mmap(at.unwrap_or(0), size, access, kind | fixed, file, offset)
}

/// Reserves a range without access; it must be free.
fn reserve(from: u64, to: u64) -> io::Result<()> {
    let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    mmap(
        from,
        to - from,
        libc::PROT_NONE,
        kind | libc::MAP_FIXED_NOREPLACE,
        -1,
        0,
    )
    .map(|_| ())
}

fn mmap(at: u64, size: u64, access: i32, kind: i32, file: i32, offset: u64) -> io::Result<*mut u8> {
    let hint: *mut c_void = ptr::without_provenance_mut(at as usize);
    // SAFETY: fixed addresses are either free (NOREPLACE) or were reserved by this module, so no
    // memory that Rust knows is replaced.
    let got = unsafe { libc::mmap(hint, size as usize, access, kind, file, offset as i64) };
    if got == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    if at != 0 && got.expose_provenance() as u64 != at {
        return Err(io::Error::other(format!("address {at:#x} is not free")));
    }
    Ok(got.cast())
}

fn memory_file(size: u64) -> io::Result<i32> {
    // SAFETY: the name is a C string; no memory is touched.
    let file = unsafe { libc::memfd_create(c"bareflow-code".as_ptr(), libc::MFD_CLOEXEC) };
    if file < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a descriptor that was just made.
    if unsafe { libc::ftruncate(file, size as i64) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(file)
}
