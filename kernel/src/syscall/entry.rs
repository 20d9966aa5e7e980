//! The registers that make `syscall` reach `syscall_entry` (`trap/stubs.s`).
//!
//! FMASK clears IF (the kernel runs with interrupts off), TF (no single step into ring 0), DF (what Rust expects), AC
//! (no SMAP override) and NT. There is no 32-bit user code segment; CSTAR points to an error stub all the same.

use crate::metal::cpu::{read_msr, write_msr};
use crate::metal::gdt::{KERNEL_CODE, SYSRET_BASE};
use x86::msr::{IA32_CSTAR, IA32_EFER, IA32_FMASK, IA32_LSTAR, IA32_STAR};

unsafe extern "C" {
    fn syscall_entry();
    fn syscall_entry_32();
}

const SYSCALL_ENABLE: u64 = 1;
const CLEARED_FLAGS: u64 = 1 << 8 | 1 << 9 | 1 << 10 | 1 << 14 | 1 << 18;

/// Sets this core up for system calls.
pub(crate) fn install() {
    let segments = u64::from(SYSRET_BASE) << 48 | u64::from(KERNEL_CODE) << 32;
    let registers = [
        (IA32_STAR, segments),
        (IA32_LSTAR, syscall_entry as *const () as u64),
        (IA32_CSTAR, syscall_entry_32 as *const () as u64),
        (IA32_FMASK, CLEARED_FLAGS),
        (IA32_EFER, read_msr(IA32_EFER) | SYSCALL_ENABLE),
    ];
    for (register, value) in registers {
        // SAFETY: the entry points are those of `stubs.s`, the segments those of `metal::gdt`.
        unsafe { write_msr(register, value) };
    }
}
