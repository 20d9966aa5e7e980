//! An instance's code, slots and GS blocks in page tables.
//!
//! Pages of code are mapped when the first version is written into them; until then an access faults. A new mapping
//! needs no shootdown: x86 does not remember that a page was absent (SDM volume 3, 4.10.2.3).
//!
//! The lock is held for the mapping and writing of one version, a bounded time, by a core that has just compiled; callers
//! of published code never come here. It nests outside of the process's lock of its address space.

use crate::memory::OutOfMemory;
use crate::memory::code::CodeFrame;
use crate::memory::paging::Rights;
use crate::memory::space::Space;
use crate::memory::{self, SharedFrames};
use crate::tasks::process::Process;
use alloc::collections::BTreeMap;
use alloc::sync::Weak;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use jit::abi::{self, gs};
use jit::code::memory::{CodeMemory, CodeMemoryError, Region};
use kernel::layout::PAGE_SIZE;
use smp::CoreId;
use spin::{Mutex, Once};

const INT3: u8 = 0xcc;
const SLOTS_A_PAGE: u32 = 512;

/// The memory that an instance's runtime writes and its module only reads or executes.
#[derive(Debug)]
pub(crate) struct InstanceMemory {
    /// The address space while the instance is loaded; then it is the process's.
    loading: Mutex<Option<Space>>,
    process: Once<Weak<Process>>,
    pages: Mutex<BTreeMap<u64, CodeFrame>>,
    slots: Vec<CodeFrame>,
    gs_blocks: SharedFrames,
    block_size: u64,
    funcs: usize,
    cores: usize,
}

impl InstanceMemory {
    /// Maps slots and GS blocks for `funcs` functions on `cores` cores into `space`.
    pub(crate) fn new(mut space: Space, funcs: usize, cores: usize) -> Result<Self, OutOfMemory> {
        let pages = abi::func_slot(funcs as u32).div_ceil(SLOTS_A_PAGE);
        let mut slots = Vec::new();
        for page in 0..pages {
            let frame = CodeFrame::take(0)?;
            let at = u64::from(abi::SLOTS) + u64::from(page) * PAGE_SIZE;
            frame
                .show(&mut space, at, Rights::USER_READ)
                .map_err(|_| OutOfMemory)?;
            slots.push(frame);
        }
        let block_size = u64::from(gs::size(funcs as u32));
        let gs_blocks = SharedFrames::new(cores as u64 * block_size / PAGE_SIZE)?;
        gs_blocks
            .show(&mut space, abi::GS_BLOCKS)
            .map_err(|_| OutOfMemory)?;
        let memory = Self {
            loading: Mutex::new(Some(space)),
            process: Once::new(),
            pages: Mutex::new(BTreeMap::new()),
            slots,
            gs_blocks,
            block_size,
            funcs,
            cores,
        };
        (0..cores).for_each(|core| memory.initialise_block(core));
        Ok(memory)
    }

    /// The address space, when loading is over; [`Self::settle`] must follow.
    pub(crate) fn take_space(&self) -> Option<Space> {
        self.loading.lock().take()
    }

    /// Where the address space has gone.
    pub(crate) fn settle(&self, process: Weak<Process>) {
        self.process.call_once(|| process);
    }

    /// Address of the GS block of a core.
    pub(crate) fn gs_base(&self, core: CoreId) -> u64 {
        abi::GS_BLOCKS + core.index() as u64 * self.block_size
    }

    /// Tells the module which stack its task uses on a core, a hint for its probes, and where its thread-local
    /// variables lie.
    pub(crate) fn set_task(&self, core: CoreId, stack_limit: u64, tls: u64) {
        self.write_block(core.index(), gs::STACK_LIMIT, stack_limit);
        self.write_block(core.index(), gs::TLS, tls);
    }

    /// Address of the gate to which a task's first frame returns.
    pub(crate) fn exit_gate(&self) -> u64 {
        // ORDERING: Relaxed: set while loading, before any task exists.
        self.with_slot(abi::SLOT_EXIT, |slot| slot.load(Ordering::Relaxed))
            .unwrap_or(0)
    }

    fn initialise_block(&self, core: usize) {
        self.write_block(
            core,
            gs::SELF,
            abi::GS_BLOCKS + core as u64 * self.block_size,
        );
        self.write_block(core, gs::CORE, core as u64 | (self.cores as u64) << 32);
    }

    fn write_block(&self, core: usize, offset: u32, value: u64) {
        let at = core as u64 * self.block_size + u64::from(offset);
        let frame = self.gs_blocks.frame(at / PAGE_SIZE);
        memory::write_shared_word(frame, (at % PAGE_SIZE / 8) as usize, value);
    }

    fn with_space<R>(&self, work: impl FnOnce(&mut Space) -> R) -> Option<R> {
        if let Some(process) = self.process.get().and_then(Weak::upgrade) {
            return Some(process.with_space(work));
        }
        self.loading.lock().as_mut().map(work)
    }

    /// Writes into one page, which is mapped first if it is new.
    fn write_page(&self, page: u64, offset: usize, bytes: &[u8], code: bool) -> Option<()> {
        let mut pages = self.pages.lock();
        if let Some(frame) = pages.get(&page) {
            frame.write(offset, bytes);
            return Some(());
        }
        let frame = CodeFrame::take(if code { INT3 } else { 0 }).ok()?;
        frame.write(offset, bytes);
        let rights = if code {
            Rights::USER_EXECUTE
        } else {
            Rights::USER_READ
        };
        self.with_space(|space| frame.show(space, page, rights))?
            .ok()?;
        pages.insert(page, frame);
        Some(())
    }
}

impl CodeMemory for InstanceMemory {
    fn commit(&self, region: Region, offset: u64, bytes: &[u8]) -> Result<(), CodeMemoryError> {
        let (base, size, code) = match region {
            Region::Code => (abi::CODE, abi::CODE_SIZE, true),
            Region::Rodata => (abi::RODATA, abi::CODE_SIZE, false),
            Region::Stubs => (u64::from(abi::STUBS), u64::from(abi::MAX_SLOTS) * 8, true),
        };
        if offset
            .checked_add(bytes.len() as u64)
            .is_none_or(|end| end > size)
        {
            return Err(CodeMemoryError::OutOfRange);
        }
        let mut done = 0;
        while done < bytes.len() {
            let at = base + offset + done as u64;
            let within = (at % PAGE_SIZE) as usize;
            let end = bytes.len().min(done + PAGE_SIZE as usize - within);
            self.write_page(at - within as u64, within, &bytes[done..end], code)
                .ok_or(CodeMemoryError::OutOfMemory)?;
            done = end;
        }
        Ok(())
    }

    fn with_slot<R>(&self, slot: u32, work: impl FnOnce(&AtomicU64) -> R) -> Option<R> {
        let frame = self.slots.get((slot / SLOTS_A_PAGE) as usize)?;
        Some(frame.with_word((slot % SLOTS_A_PAGE) as usize, work))
    }

    fn counters(&self, core: usize) -> &[AtomicI32] {
        let offset = core as u64 * self.block_size + u64::from(gs::COUNTERS);
        self.gs_blocks.words(offset, 2 * self.funcs)
    }

    fn cores(&self) -> usize {
        self.cores
    }
}
