//! What a core needs before it can run anything: a record, descriptors, stacks.
//!
//! A kit is made by the BSP and installed by its core. It lives for ever: a core that was declared lost may still be
//! standing on its stacks (`smp::slot`, H4).

use crate::memory::OutOfMemory;
use crate::memory::stacks::{CORE_STACK_SIZE, INTERRUPT_STACK_SIZE, Stack};
use crate::metal::gdt::{INTERRUPT_STACKS, Segments};
use crate::metal::percore::Handle;
use crate::metal::{apic, cpu};
use crate::{syscall, trap};
use alloc::boxed::Box;

/// One core's equipment.
#[derive(Debug)]
pub(crate) struct Kit {
    core: Handle,
    stack: Stack,
    tops: [u64; INTERRUPT_STACKS],
}

impl Kit {
    /// Makes the equipment of core `index`. The BSP keeps the record it has been using.
    pub(crate) fn new(index: u32) -> Result<Self, OutOfMemory> {
        let core = Handle::new(index);
        let mut tops = [0; INTERRUPT_STACKS];
        for top in &mut tops {
            *top = Stack::new(INTERRUPT_STACK_SIZE)?.set_top_word(core.address());
        }
        Ok(Self {
            core,
            stack: Stack::new(CORE_STACK_SIZE)?,
            tops,
        })
    }

    /// The core's record.
    pub(crate) fn core(&self) -> Handle {
        self.core
    }

    /// The core's own stack.
    pub(crate) fn stack(&self) -> Stack {
        self.stack
    }

    /// The interrupt stacks, for [`equip`].
    pub(crate) fn interrupt_stacks(&self) -> [u64; INTERRUPT_STACKS] {
        self.tops
    }
}

/// Puts the calling core into order: features, record, descriptors, traps, system calls. All but its APIC.
pub(crate) fn equip(core: Handle, interrupt_stacks: [u64; INTERRUPT_STACKS]) {
    cpu::enable_features();
    // The record comes first: even the allocator asks for it.
    core.install();
    Box::leak(Box::new(Segments::new(interrupt_stacks))).install();
    trap::install_table();
    syscall::install();
}

/// Completes a core whose APIC can be reached.
pub(crate) fn go_live() {
    apic::enable();
}
