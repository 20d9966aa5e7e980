//! The interrupt descriptor table: all 256 gates, each on an interrupt stack.
//!
//! The precompiled `core` library uses the red zone below RSP, so no interrupt may ever push onto the stack that it
//! interrupts: every gate has an IST entry. NMI, #DF, #MC and #DB have stacks of their own because they can arrive
//! while another handler's first instructions run; all other exceptions share one, all interrupts another.

use crate::metal::gdt::KERNEL_CODE;
use spin::Once;
use x86::dtables::{self, DescriptorTablePointer};

unsafe extern "C" {
    static trap_stubs: [[u8; 16]; 256];
}

/// A 64-bit gate (SDM volume 3, 6.14.1).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Gate {
    offset_low: u16,
    selector: u16,
    stack: u8,
    kind: u8,
    offset_middle: u16,
    offset_high: u32,
    reserved: u32,
}

const INTERRUPT_GATE: u8 = 0x8e;
const OPEN_TO_RING_3: u8 = 3 << 5;

static TABLE: Once<[Gate; 256]> = Once::new();

/// Which interrupt stack (1 to 6) serves `vector`.
fn stack_of(vector: usize) -> u8 {
    match vector {
        2 => 1,
        8 => 2,
        18 => 3,
        1 => 4,
        0..32 => 5,
        _ => 6,
    }
}

fn gate(vector: usize) -> Gate {
    // SAFETY: the address of a symbol of `stubs.s`, which has 256 stubs.
    let stub = unsafe { &raw const trap_stubs[vector] } as u64;
    // `int3` fills unused executable memory; a program that falls into it is reported as that, not as a #GP.
    let opening = if vector == 3 { OPEN_TO_RING_3 } else { 0 };
    Gate {
        offset_low: stub as u16,
        selector: KERNEL_CODE,
        stack: stack_of(vector),
        kind: INTERRUPT_GATE | opening,
        offset_middle: (stub >> 16) as u16,
        offset_high: (stub >> 32) as u32,
        reserved: 0,
    }
}

/// Makes this core use the table. Its task state segment must be loaded already.
pub(crate) fn install() {
    let table = TABLE.call_once(|| core::array::from_fn(gate));
    let pointer = DescriptorTablePointer::new_from_slice(table);
    // SAFETY: the table is complete and lives for ever.
    unsafe { dtables::lidt(&pointer) };
}
