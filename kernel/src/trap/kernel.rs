//! What happens when the kernel itself is interrupted. It runs with interrupts off, so there are three cases.
//!
//! 1. A copy from or to a program's memory faulted: go on at its fix-up (`syscall::copy`).
//! 2. An NMI: another core wants this one to stop, or it was meant for a context that has just ended.
//! 3. Anything else is a bug: panic with the place.

use super::context::Fault;
use crate::metal::{cpu, percore};
use crate::{panic, syscall};

/// The interrupted state, as `in_kernel` of `stubs.s` pushes it.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct KernelFrame {
    gs_base: u64,
    r15: u64,
    r14: u64,
    r13: u64,
    r12: u64,
    r11: u64,
    r10: u64,
    r9: u64,
    r8: u64,
    rdi: u64,
    rsi: u64,
    rbp: u64,
    rdx: u64,
    rcx: u64,
    rbx: u64,
    rax: u64,
    vector: u64,
    error: u64,
    rip: u64,
    cs: u64,
    rflags: u64,
    rsp: u64,
    ss: u64,
}

const NMI: u64 = 2;
const GENERAL_PROTECTION: u64 = 13;
const PAGE_FAULT: u64 = 14;

/// Called by `stubs.s` on an interrupt stack.
#[unsafe(no_mangle)]
extern "C" fn trap_in_kernel(frame: &mut KernelFrame) {
    match frame.vector {
        NMI => panic::stop_if_asked(),
        PAGE_FAULT | GENERAL_PROTECTION if syscall::copy::fix_up(&mut frame.rip) => {}
        vector => unexpected(frame, vector as u8),
    }
}

/// Reports a trap that only a bug explains. A second one while the first is reported stops the core.
fn unexpected(frame: &KernelFrame, vector: u8) -> ! {
    let core = percore::current();
    core.trap_depth.set(core.trap_depth.get() + 1);
    if core.trap_depth.get() > 1 {
        cpu::stop();
    }
    let fault = Fault {
        vector,
        error: frame.error,
        rip: frame.rip,
        address: cpu::read_fault_address(),
    };
    panic::fatal_trap(fault, frame.rsp)
}
