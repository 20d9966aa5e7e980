//! The frame: homes, allocas, prologue and epilogue.
//!
//! Layout and probing as `docs/abi.md` says. Offsets from `rbp` are handed out downwards as they are
//! asked for; the size is known only at the end, so the prologue's `sub rsp` has a full immediate that is
//! patched then. A frame that must touch the stack on its way down gets a *cold prologue*: the
//! `sub` is replaced by a jump to it.

use super::emit::Emitter;
use crate::abi;
use alloc::vec::Vec;
use asm::{Alu, CodeOffset, Cond, Gpr, Mem, Plain, Size};

/// Frames above this are declined: the stack is smaller.
const MAX_FRAME: u64 = 16 << 20;
/// Length of `sub rsp, imm32`: REX.W, opcode, ModRM, immediate.
const SUB_LEN: u32 = 7;

/// Which list of free homes is for homes of `size` bytes.
fn class(size: u32) -> usize {
    match size {
        0..=8 => 0,
        9..=16 => 1,
        _ => 2,
    }
}

/// Space in the frame.
#[derive(Debug, Default)]
pub(super) struct Frame {
    /// Bytes below `rbp` in use.
    depth: u64,
    /// Bytes of outgoing arguments at the bottom.
    outgoing: u32,
    /// Homes of 8, 16 and 32 bytes that can be used again.
    free: [Vec<i32>; 3],
    /// Homes freed by the instruction being emitted, with their size.
    freed: Vec<(i32, u32)>,
    /// Room for one vector while moves go in circles.
    scratch: i32,
    /// End of the prologue's `sub rsp, imm32`.
    sub_end: u32,
    /// Displacements that wait for the size of the outgoing arguments.
    outgoing_uses: Vec<CodeOffset>,
    /// Callee-saved registers, in the order in which they are pushed.
    pub(super) saved: Vec<Gpr>,
}

impl Frame {
    pub(super) fn new(saved: Vec<Gpr>) -> Self {
        Self {
            depth: 8 * saved.len() as u64,
            saved,
            ..Self::default()
        }
    }

    /// A home of `size` bytes (8, 16 or 32); its offset from `rbp`.
    pub(super) fn home(&mut self, size: u32) -> i32 {
        if let Some(home) = self.free[class(size)].pop() {
            return home;
        }
        self.area(u64::from(size), size.min(16))
    }

    /// Bytes for an object; the offset from `rbp` of the lowest. `align` is at most 16.
    pub(super) fn area(&mut self, bytes: u64, align: u32) -> i32 {
        self.depth = (self.depth + bytes).next_multiple_of(u64::from(align.max(1)));
        // Beyond the limit the function is declined in the end; until then any offset will do.
        -(self.depth.min(MAX_FRAME * 2) as i32)
    }

    /// Gives a home back, for the instructions that follow.
    pub(super) fn free(&mut self, home: i32, size: u32) {
        self.freed.push((home, size));
    }

    /// An instruction ends: what it freed can be used again.
    #[inline(always)]
    pub(super) fn settle(&mut self) {
        if !self.freed.is_empty() {
            self.take_freed();
        }
    }

    fn take_freed(&mut self) {
        while let Some((home, size)) = self.freed.pop() {
            self.free[class(size)].push(home);
        }
    }

    /// 32 bytes that hold something only for a moment; the offset from `rbp`.
    pub(super) fn scratch(&mut self) -> i32 {
        if self.scratch == 0 {
            self.scratch = self.area(32, 16);
        }
        self.scratch
    }

    /// Makes room for `bytes` of outgoing arguments.
    pub(super) fn reserve_outgoing(&mut self, bytes: u32) {
        self.outgoing = self.outgoing.max(bytes.next_multiple_of(16));
    }

    /// Whether the frame is too large to be compiled.
    pub(super) fn is_too_large(&self) -> bool {
        self.depth > MAX_FRAME
    }

    /// Bytes between `rbp` and the lowest `rsp`.
    fn size(&self) -> u32 {
        (self.depth + u64::from(self.outgoing)).next_multiple_of(16) as u32
    }
}

impl Emitter<'_> {
    /// Sets up the frame.
    pub(super) fn enter_frame(&mut self) {
        self.asm.push(Gpr::Rbp);
        self.asm.mov(Size::B64, Gpr::Rbp, Gpr::Rsp);
        for at in 0..self.frame.saved.len() {
            self.asm.push(self.frame.saved[at]);
        }
        self.asm.alu_i32(Alu::Sub, Size::B64, Gpr::Rsp, 0);
        self.frame.sub_end = self.asm.offset().0;
    }

    /// Takes the frame down and returns.
    pub(super) fn leave_frame(&mut self) {
        let saved = self.frame.saved.len();
        if saved == 0 {
            self.asm.plain(Plain::LEAVE);
        } else {
            let to = Mem::base(Gpr::Rbp, -8 * saved as i32);
            self.asm.lea(Size::B64, Gpr::Rsp, to);
            for at in (0..saved).rev() {
                self.asm.pop(self.frame.saved[at]);
            }
            self.asm.pop(Gpr::Rbp);
        }
        self.asm.ret();
    }

    /// `[rbp + offset]`.
    pub(super) fn local(&self, offset: i32) -> Mem {
        Mem::base(Gpr::Rbp, offset)
    }

    /// `lea dst, [rsp + size of the outgoing arguments]`, which is patched at the end.
    pub(super) fn lea_above_outgoing(&mut self, dst: Gpr) {
        self.asm.mov(Size::B64, dst, Gpr::Rsp);
        let at = self.asm.alu_i32(Alu::Add, Size::B64, dst, 0);
        self.frame.outgoing_uses.push(at);
    }

    /// Fills in what depends on the frame's size.
    pub(super) fn finish_frame(&mut self) {
        let outgoing = self.frame.outgoing;
        for at in core::mem::take(&mut self.frame.outgoing_uses) {
            self.asm.patch32(at, outgoing);
        }
        let size = self.frame.size();
        let below = size - 8 * self.frame.saved.len() as u32;
        let end = self.frame.sub_end;
        self.asm.patch32(CodeOffset(end - 4), below);
        if size > abi::PROBE_INTERVAL {
            self.cold_prologue(below);
        }
        self.tables.frame_size = size + 16;
        self.tables.has_frame_pointer = true;
    }

    /// Moves the `sub rsp` behind the code, with a touch of the stack every interval. Arguments are
    /// in registers here, so only `r11` may be used.
    fn cold_prologue(&mut self, below: u32) {
        let cold = self.asm.offset().0;
        self.probe_down(below);
        // jmp back, of which the displacement counts from its end.
        let back = self.frame.sub_end.wrapping_sub(self.asm.offset().0 + 5);
        let mut jump = [0xe9, 0, 0, 0, 0];
        jump[1..].copy_from_slice(&back.to_le_bytes());
        self.asm.raw(&jump);
        // jmp cold; nop word [rax + rax] of the remaining two bytes (66 90).
        let start = self.frame.sub_end - SUB_LEN;
        let there = cold.wrapping_sub(start + 5).to_le_bytes();
        let head = u32::from_le_bytes([0xe9, there[0], there[1], there[2]]);
        let tail = u32::from_le_bytes([there[2], there[3], 0x66, 0x90]);
        self.asm.patch32(CodeOffset(start), head);
        self.asm.patch32(CodeOffset(start + 3), tail);
    }

    /// Lowers `rsp` by `bytes` and touches each interval on the way.
    fn probe_down(&mut self, bytes: u32) {
        let interval = abi::PROBE_INTERVAL;
        let temp = super::regs::TEMP;
        self.asm.mov_i(temp, u64::from(bytes / interval));
        let again = self.asm.here();
        self.asm
            .alu_i(Alu::Sub, Size::B64, Gpr::Rsp, interval as i32);
        self.asm
            .alu_i(Alu::Or, Size::B32, Mem::base(Gpr::Rsp, 0), 0);
        self.asm.alu_i(Alu::Sub, Size::B32, temp, 1);
        self.asm.jcc(Cond::Ne, again);
        self.asm
            .alu_i32(Alu::Sub, Size::B64, Gpr::Rsp, (bytes % interval) as i32);
        self.asm
            .alu_i(Alu::Or, Size::B32, Mem::base(Gpr::Rsp, 0), 0);
    }
}
