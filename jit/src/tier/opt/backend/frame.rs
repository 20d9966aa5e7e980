//! The frame of a finished function.
//!
//! ```text
//!   stack arguments of the caller
//!   return address
//!   rbp                       only with a frame pointer
//!   saved registers           only those that are written
//!   homes                     of what lives in registers at a counted loop
//!   spill slots
//!   static allocas
//!   outgoing arguments        at rsp
//! ```
//! Places are reached from `rbp` where there is a frame pointer, which there must be where `rsp` moves in the
//! body, else from `rsp`. A function that needs nothing of all this has no frame at all.

use super::regalloc::{Allocation, Loc};
use super::vcode::{Base, MInst, VCode};
use crate::abi::PROBE_INTERVAL;
use crate::tier::Declined;
use alloc::vec::Vec;
use asm::{Alu, CodeBuffer, Cond, Gpr, Mem, Plain, Size};

/// Larger frames are declined: the stack is smaller.
const MAX_FRAME: u64 = 1 << 20;
/// So many touches of the stack are unrolled.
const MAX_UNROLLED: u32 = 4;

/// Sizes and saved registers.
#[derive(Debug)]
pub(super) struct Frame {
    /// Registers pushed, in order, without the frame pointer.
    saved: Vec<Gpr>,
    pointer: bool,
    moves_rsp: bool,
    /// Bytes of outgoing arguments.
    pub(super) outgoing: u32,
    allocas: u32,
    slots: u32,
    /// Bytes of a home for a value that a loop has in a register.
    home: u32,
    /// Bytes below the saved registers.
    below: u32,
}

impl Frame {
    pub(super) fn new(code: &VCode, allocation: &Allocation) -> Result<Self, Declined> {
        let saved = allocation.saved.clone();
        let outgoing = code.outgoing.next_multiple_of(16);
        let allocas = code.alloca_bytes.next_multiple_of(16);
        let slots = 8 * allocation.slots();
        let home = code.vector_bytes;
        let homes = most_in_registers(code, allocation).saturating_mul(home);
        let areas = [outgoing, allocas, slots, homes];
        let bytes: u64 = areas.into_iter().map(u64::from).sum();
        if bytes > MAX_FRAME {
            return Err(Declined::LimitExceeded("frame size"));
        }
        let mut below = bytes as u32;
        let pushed = 8 + 8 * (saved.len() as u32 + u32::from(code.frame_pointer));
        let aligned = below != 0
            || code.moves_rsp
            || code.insts.iter().any(|inst| matches!(inst, MInst::Call(_)));
        if aligned {
            below += (pushed + below).wrapping_neg() % 16;
        }
        Ok(Self {
            saved,
            pointer: code.frame_pointer,
            moves_rsp: code.moves_rsp,
            outgoing,
            allocas,
            slots,
            home,
            below,
        })
    }

    /// Bytes from the caller's `rsp` before the call to the lowest `rsp`.
    pub(super) fn size(&self) -> u32 {
        8 + 8 * (self.saved.len() as u32 + u32::from(self.pointer)) + self.below
    }

    /// Register and offset of what lies `offset` bytes above the lowest `rsp`.
    fn bottom_up(&self, offset: u32) -> (Gpr, i32) {
        if self.pointer {
            let depth = 8 * self.saved.len() as u32 + self.below;
            (Gpr::Rbp, offset as i32 - depth as i32)
        } else {
            (Gpr::Rsp, offset as i32)
        }
    }

    /// Register and offset of the beginning of an area.
    pub(super) fn base(&self, base: Base) -> (Gpr, i32) {
        match base {
            Base::Alloca => self.bottom_up(self.outgoing),
            Base::Incoming => {
                if self.pointer {
                    (Gpr::Rbp, 16)
                } else {
                    (Gpr::Rsp, self.size() as i32)
                }
            }
            _ => (Gpr::Rsp, 0),
        }
    }

    /// The spill slot that starts at unit `slot`.
    pub(super) fn slot(&self, slot: u32) -> Mem {
        let (base, offset) = self.bottom_up(self.outgoing + self.allocas + 8 * slot);
        Mem::base(base, offset)
    }

    /// Home number `number` of what a loop has in registers.
    pub(super) fn home(&self, number: u32) -> Mem {
        let start = self.outgoing + self.allocas + self.slots;
        let (base, offset) = self.bottom_up(start + self.home * number);
        Mem::base(base, offset)
    }

    /// Sets the frame up. Arguments are in registers: only `r11` may be used.
    pub(super) fn enter(&self, asm: &mut CodeBuffer) {
        if self.pointer {
            asm.push(Gpr::Rbp);
            asm.mov(Size::B64, Gpr::Rbp, Gpr::Rsp);
        }
        self.saved.iter().for_each(|&gpr| asm.push(gpr));
        let mut rest = self.below;
        if rest > PROBE_INTERVAL {
            probe(asm, rest / PROBE_INTERVAL);
            rest %= PROBE_INTERVAL;
        }
        if rest != 0 {
            asm.alu_i(Alu::Sub, Size::B64, Gpr::Rsp, rest as i32);
        }
        if self.below > PROBE_INTERVAL {
            touch(asm);
        }
    }

    /// Takes the frame down and returns.
    pub(super) fn leave(&self, asm: &mut CodeBuffer) {
        if self.moves_rsp {
            let saved = Mem::base(Gpr::Rbp, -8 * self.saved.len() as i32);
            asm.lea(Size::B64, Gpr::Rsp, saved);
        } else if self.below != 0 {
            asm.alu_i(Alu::Add, Size::B64, Gpr::Rsp, self.below as i32);
        }
        self.saved.iter().rev().for_each(|&gpr| asm.pop(gpr));
        if self.pointer {
            asm.pop(Gpr::Rbp);
        }
        asm.ret();
    }
}

/// The largest number of values that a counted loop has in registers.
fn most_in_registers(code: &VCode, allocation: &Allocation) -> u32 {
    let mut most = 0;
    for counted in &code.loops {
        let labels = counted.label..counted.label + counted.live.len() as u32;
        let in_register =
            |label: &u32| matches!(allocation.live_loc(*label), Some(Loc::Gpr(_) | Loc::Xmm(_)));
        most = most.max(labels.filter(in_register).count() as u32);
    }
    most
}

/// Touches the stack at `rsp`, changing nothing but flags.
fn touch(asm: &mut CodeBuffer) {
    asm.alu_i(Alu::Or, Size::B32, Mem::base(Gpr::Rsp, 0), 0);
}

/// Lowers `rsp` by `times` intervals and touches each.
fn probe(asm: &mut CodeBuffer, times: u32) {
    let step = |asm: &mut CodeBuffer| {
        asm.alu_i(Alu::Sub, Size::B64, Gpr::Rsp, PROBE_INTERVAL as i32);
        touch(asm);
    };
    if times <= MAX_UNROLLED {
        (0..times).for_each(|_| step(asm));
        return;
    }
    asm.mov_i(Gpr::R11, u64::from(times));
    let again = asm.here();
    step(asm);
    asm.alu_i(Alu::Sub, Size::B32, Gpr::R11, 1);
    asm.jcc(Cond::Ne, again);
}

/// Lowers `rsp` for a dynamic alloca: `size` bytes rounded up to `align`; `dst` gets its address.
pub(super) fn dynamic_alloca(
    asm: &mut CodeBuffer,
    [dst, scratch, size]: [Gpr; 3],
    align: u32,
    outgoing: u32,
) {
    let mask = -(align as i32);
    asm.lea(Size::B64, dst, Mem::base(size, 15));
    asm.alu_i(Alu::And, Size::B64, dst, -16);
    // The block lies above the outgoing arguments, which stay at `rsp`.
    asm.lea(Size::B64, scratch, Mem::base(Gpr::Rsp, outgoing as i32));
    asm.alu(Alu::Sub, Size::B64, scratch, dst);
    asm.alu_i(Alu::And, Size::B64, scratch, mask);
    asm.lea(Size::B64, dst, Mem::base(scratch, -(outgoing as i32)));
    // A step that goes too far is taken back before anything is touched.
    let (again, done) = (asm.label(), asm.label());
    asm.bind(again);
    asm.alu_i(Alu::Sub, Size::B64, Gpr::Rsp, PROBE_INTERVAL as i32);
    asm.alu(Alu::Cmp, Size::B64, Gpr::Rsp, dst);
    asm.jcc_short(Cond::Le, done);
    touch(asm);
    asm.jmp(again);
    asm.bind(done);
    asm.mov(Size::B64, Gpr::Rsp, dst);
    touch(asm);
    asm.mov(Size::B64, dst, scratch);
}

/// The unused trap instruction between functions and behind calls that do not return.
pub(super) fn trap(asm: &mut CodeBuffer) {
    asm.plain(Plain::UD2);
}
