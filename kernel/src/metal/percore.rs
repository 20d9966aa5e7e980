//! What belongs to one core: the record that GS points to while the kernel runs.
//!
//! In ring 0 the GS base of a core is the address of its `PerCore`; `swapgs` exchanges it with the running instance's
//! block on every crossing. Traps do not trust GS: the top word of every interrupt stack holds the same address
//! (`trap/stubs.s`). The first fields are used by assembly through the offsets given to `global_asm!`.
//!
//! A `PerCore` is only ever used by its own core, with interrupts off or from code that interrupts do not share it
//! with; fields are `Cell`s for that reason. What other cores may touch is atomic and lives elsewhere (`cores`).

use super::cpu;
use crate::memory::arena::Arena;
use crate::trap::context::Context;
use alloc::boxed::Box;
use core::arch::asm;
use core::cell::Cell;
use core::ptr;
use x86::msr;

/// Most cores that the kernel uses.
pub(crate) const MAX_CORES: usize = 64;

/// One core's record.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct PerCore {
    /// Its own address: `gs:[0]`.
    pub(crate) this: Cell<*const PerCore>,
    /// Stack pointer of the kernel code that waits in `Context::run`.
    pub(crate) kernel_rsp: Cell<u64>,
    /// The context that runs now, or null while the kernel itself does.
    pub(crate) context: Cell<*mut Context>,
    /// Scratch of the system call entry.
    pub(crate) user_rsp: Cell<u64>,
    /// Dense number of the core: 0 is the BSP.
    pub(crate) index: Cell<u32>,
    /// Depth of unexpected traps; a second one stops the core instead of recursing.
    pub(crate) trap_depth: Cell<u32>,
    /// The arena that serves this core's allocations while it compiles, else null.
    pub(crate) arena: Cell<*const Arena>,
    /// The value of the user GS base that the processor holds now.
    pub(crate) user_gs_base: Cell<u64>,
}

/// The BSP's record, in use before there is memory to allocate.
static BOOT_CORE: BootCore = BootCore(PerCore::new(0));

struct BootCore(PerCore);

// SAFETY: only the BSP uses the record (`boot_core`).
unsafe impl Sync for BootCore {}

impl PerCore {
    /// A record for core `index`; `install` completes it.
    pub(crate) const fn new(index: u32) -> Self {
        Self {
            this: Cell::new(ptr::null()),
            kernel_rsp: Cell::new(0),
            context: Cell::new(ptr::null_mut()),
            user_rsp: Cell::new(0),
            index: Cell::new(index),
            trap_depth: Cell::new(0),
            arena: Cell::new(ptr::null()),
            user_gs_base: Cell::new(0),
        }
    }

    /// Where the record is, for assembly.
    pub(crate) fn address(&self) -> u64 {
        ptr::from_ref(self) as u64
    }

    /// Makes this the record of the core that runs.
    pub(crate) fn install(&'static self) {
        self.this.set(self);
        // SAFETY: GS base addresses nothing but this record, which lives for ever; the user's base starts as 0.
        unsafe { cpu::write_msr(msr::IA32_GS_BASE, self.address()) };
        // SAFETY: as above.
        unsafe { cpu::write_msr(msr::IA32_KERNEL_GSBASE, 0) };
    }

    /// Sets the GS base that ring 3 will see.
    pub(crate) fn set_user_gs_base(&self, base: u64) {
        if self.user_gs_base.get() != base {
            // SAFETY: `swapgs` exchanges it into use only on the way to ring 3; contexts hold canonical values only.
            unsafe { cpu::write_msr(msr::IA32_KERNEL_GSBASE, base) };
            self.user_gs_base.set(base);
        }
    }
}

/// Names a core's record without giving access to it: what the BSP prepares and the core itself installs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handle(&'static PerCore);

// SAFETY: a handle gives out the record's address only; `install` is called by the record's own core.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Handle {
    /// A record for core `index`, which lives for ever. The BSP keeps the one it has been using.
    pub(crate) fn new(index: u32) -> Self {
        if index == 0 {
            Self(boot_core())
        } else {
            Self(Box::leak(Box::new(PerCore::new(index))))
        }
    }

    /// Where the record is, for assembly.
    pub(crate) fn address(self) -> u64 {
        self.0.address()
    }

    /// Makes this the record of the calling core, whose kit it belongs to.
    pub(crate) fn install(self) {
        self.0.install();
    }
}

/// The BSP's record; for the first call of `install` only.
pub(crate) fn boot_core() -> &'static PerCore {
    &BOOT_CORE.0
}

/// The record of the core that runs.
pub(crate) fn current() -> &'static PerCore {
    let this: *const PerCore;
    // SAFETY: every core runs `install` before anything that comes here, so `gs:[0]` is the record's address.
    unsafe { asm!("mov {}, gs:[0]", out(reg) this, options(nostack, preserves_flags, readonly)) };
    // SAFETY: records live for ever and are used by their own core only.
    unsafe { &*this }
}

/// The dense number of the core that runs.
pub(crate) fn core_index() -> usize {
    current().index.get() as usize
}
