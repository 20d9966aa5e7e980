//! The hardware, one thin file per device: the only folder besides `boot`, `memory`, `trap` and `syscall` with unsafe code.
//!
//! Functions here are safe to call when they cannot break memory safety whatever the argument; the others say what the
//! caller must promise. Nothing here decides policy.

use core::arch::global_asm;

pub(crate) mod apic;
pub(crate) mod cpu;
pub(crate) mod devices;
pub(crate) mod exit;
pub(crate) mod gdt;
pub(crate) mod pci;
pub(crate) mod percore;
pub(crate) mod random;
pub(crate) mod rtc;
pub(crate) mod time;
pub(crate) mod uart;

global_asm!(include_str!("memory_functions.s"), options(att_syntax));
