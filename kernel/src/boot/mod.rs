//! From the boot loader to Rust (`boot.s`), and from the start-up IPI to Rust on the other cores (`trampoline.s`).

use core::arch::global_asm;

pub(crate) mod trampoline;

global_asm!(include_str!("boot.s"), options(att_syntax));
