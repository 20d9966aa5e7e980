//! The machine's cores: joins `smp` (which knows the protocols) with `metal` (which knows the registers).

pub(crate) mod kit;

use crate::metal::cpu::Continuation;
use alloc::boxed::Box;
use kernel::bootinfo::BootInfo;
use kit::Kit;

/// Moves the BSP from the boot stack to a guarded one, with all its equipment, and goes on with `next`.
pub(crate) fn enter_kernel_stack(info: BootInfo, next: fn(&'static BootInfo) -> !) -> ! {
    let kit = Kit::new(0).expect("there is memory for the first core");
    kit::equip(kit.core(), kit.interrupt_stacks());
    kit.stack().enter(Box::leak(Box::new(Continuation {
        next,
        argument: info,
    })))
}
