//! Control flow, the stack, conditions, and instructions without operands.
//!
//! Branches to a bound label take two bytes if the distance fits. Forward branches take rel32, or
//! rel8 if the caller promises by calling the `_short` form; a broken promise is an error of
//! [`CodeBuffer::finalize`], never wrong code. Near branches, `push` and `pop` have 64-bit operands
//! in 64-bit mode without REX.W (SDM vol. 2, section 2.2.1.7).

use crate::buffer::{CodeBuffer, CodeOffset, FixupKind, Label};
use crate::encode::{Code, Imm, Prefixes};
use crate::finalize::{Reloc, RelocKind};
use crate::{Cond, Gpr, Mem, RegMem, Size, Symbol};

/// An instruction without operands: its bytes, little endian, and their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Plain {
    bytes: u32,
    len: u8,
}

/// Defines the constants of [`Plain`] and the list of them all.
macro_rules! plain {
    ($($name:ident = [$($byte:literal),+], $doc:literal;)*) => {
        impl Plain {
            $(#[doc = $doc] pub const $name: Self = Self::new(&[$($byte),+]);)*

            /// Every one with its name.
            pub const ALL: &[(&str, Self)] = &[$((stringify!($name), Self::$name)),*];
        }
    };
}

plain! {
    RET = [0xC3], "Return.";
    LEAVE = [0xC9], "`mov rsp, rbp; pop rbp`.";
    CWD = [0x66, 0x99], "Sign of ax into dx.";
    CDQ = [0x99], "Sign of eax into edx.";
    CQO = [0x48, 0x99], "Sign of rax into rdx.";
    CBW = [0x66, 0x98], "al sign-extended to ax.";
    CWDE = [0x98], "ax sign-extended to eax.";
    CDQE = [0x48, 0x98], "eax sign-extended to rax.";
    NOP = [0x90], "No operation.";
    PAUSE = [0xF3, 0x90], "Spin-loop hint.";
    UD2 = [0x0F, 0x0B], "Raises #UD.";
    INT3 = [0xCC], "Raises #BP.";
    HLT = [0xF4], "Privileged; raises #GP in ring 3.";
    SYSCALL = [0x0F, 0x05], "Fast system call: clobbers rcx and r11.";
    CPUID = [0x0F, 0xA2], "Identification; serialises.";
    RDTSC = [0x0F, 0x31], "Time stamp counter into edx:eax.";
    RDTSCP = [0x0F, 0x01, 0xF9], "Time stamp counter into edx:eax, processor id into ecx.";
    MFENCE = [0x0F, 0xAE, 0xF0], "Orders all memory accesses.";
    LFENCE = [0x0F, 0xAE, 0xE8], "Orders loads; waits for earlier instructions.";
    SFENCE = [0x0F, 0xAE, 0xF8], "Orders stores.";
    CLD = [0xFC], "String instructions go upwards.";
    STD = [0xFD], "String instructions go downwards.";
    CLC = [0xF8], "Clears carry.";
    STC = [0xF9], "Sets carry.";
    CMC = [0xF5], "Complements carry.";
    PUSHFQ = [0x9C], "Pushes the flags.";
    POPFQ = [0x9D], "Pops the flags.";
    REP_MOVSB = [0xF3, 0xA4], "Copies rcx bytes from `[rsi]` to `[rdi]`.";
    REP_MOVSD = [0xF3, 0xA5], "Copies rcx 4-byte units from `[rsi]` to `[rdi]`.";
    REP_MOVSQ = [0xF3, 0x48, 0xA5], "Copies rcx 8-byte units from `[rsi]` to `[rdi]`.";
    REP_STOSB = [0xF3, 0xAA], "Fills rcx bytes at `[rdi]` with al.";
    REP_STOSD = [0xF3, 0xAB], "Fills rcx 4-byte units at `[rdi]` with eax.";
    REP_STOSQ = [0xF3, 0x48, 0xAB], "Fills rcx 8-byte units at `[rdi]` with rax.";
    VZEROUPPER = [0xC5, 0xF8, 0x77], "Clears bits 128 and up of all vector registers.";
    VZEROALL = [0xC5, 0xFC, 0x77], "Clears all vector registers.";
    FCHS = [0xD9, 0xE0], "`st(0) = -st(0)`.";
    FABS = [0xD9, 0xE1], "`st(0) = |st(0)|`.";
    FLD1 = [0xD9, 0xE8], "Pushes 1.";
    FLDZ = [0xD9, 0xEE], "Pushes 0.";
    FSQRT = [0xD9, 0xFA], "`st(0) = sqrt(st(0))`.";
    FRNDINT = [0xD9, 0xFC], "Rounds st(0) to an integer as the control word says.";
    FPREM = [0xD9, 0xF8], "Partial remainder of st(0) by st(1), truncating.";
    FNSTSW = [0xDF, 0xE0], "x87 status word into ax.";
    FNCLEX = [0xDB, 0xE2], "Clears the x87 exception flags.";
    FNINIT = [0xDB, 0xE3], "Resets the x87 unit.";
}

impl Plain {
    const fn new(bytes: &[u8]) -> Self {
        let mut word = 0;
        let mut index = 0;
        while index < bytes.len() {
            word |= (bytes[index] as u32) << (8 * index);
            index += 1;
        }
        Self {
            bytes: word,
            len: bytes.len() as u8,
        }
    }
}

/// Branches and calls.
impl CodeBuffer {
    /// `jmp label`.
    #[inline]
    pub fn jmp(&mut self, label: Label) {
        if let Some(target) = self.branch_target(label) {
            self.jump_back(target, 0xEB, 0xE9, 1);
        } else {
            self.put(0xE9, 1, 0, 4);
            self.fix_branch(label, FixupKind::Rel32);
        }
    }

    /// `jcc label`.
    #[inline]
    pub fn jcc(&mut self, cond: Cond, label: Label) {
        let cond = u64::from(cond.number());
        if let Some(target) = self.branch_target(label) {
            self.jump_back(target, 0x70 | cond, (0x80 | cond) << 8 | 0x0F, 2);
        } else {
            self.put((0x80 | cond) << 8 | 0x0F, 2, 0, 4);
            self.fix_branch(label, FixupKind::Rel32);
        }
    }

    /// `jmp label` in two bytes: the caller promises that the label is or will be bound close by.
    #[inline]
    pub fn jmp_short(&mut self, label: Label) {
        self.put_head(0xEB, 2);
        self.fix_branch(label, FixupKind::Rel8);
    }

    /// `jcc label` in two bytes: the caller promises that the label is or will be bound close by.
    #[inline]
    pub fn jcc_short(&mut self, cond: Cond, label: Label) {
        self.put_head(0x70 | u64::from(cond.number()), 2);
        self.fix_branch(label, FixupKind::Rel8);
    }

    /// `call label`.
    #[inline]
    pub fn call(&mut self, label: Label) {
        self.put(0xE8, 1, 0, 4);
        self.fix_branch(label, FixupKind::Rel32);
    }

    /// `jmp symbol`, relative.
    #[inline]
    pub fn jmp_symbol(&mut self, symbol: Symbol) {
        self.put(0xE9, 1, 0, 4);
        self.branch_reloc(symbol);
    }

    /// `jcc symbol`, relative.
    #[inline]
    pub fn jcc_symbol(&mut self, cond: Cond, symbol: Symbol) {
        self.put(u64::from(0x80 | cond.number()) << 8 | 0x0F, 2, 0, 4);
        self.branch_reloc(symbol);
    }

    /// `call symbol`, relative.
    #[inline]
    pub fn call_symbol(&mut self, symbol: Symbol) {
        self.put(0xE8, 1, 0, 4);
        self.branch_reloc(symbol);
    }

    /// `jmp target`: through a register, or through a 64-bit pointer in memory.
    #[inline]
    pub fn jmp_rm(&mut self, target: impl RegMem<Gpr>) {
        self.legacy(Code::one(0xFF), Prefixes::NONE, 4, target, Imm::NONE);
    }

    /// `call target`: through a register, or through a 64-bit pointer in memory such as a dispatch
    /// slot.
    #[inline]
    pub fn call_rm(&mut self, target: impl RegMem<Gpr>) {
        self.legacy(Code::one(0xFF), Prefixes::NONE, 2, target, Imm::NONE);
    }

    /// `ret`.
    #[inline]
    pub fn ret(&mut self) {
        self.plain(Plain::RET);
    }

    /// `ret pop`: also removes `pop` bytes of arguments.
    #[inline]
    pub fn ret_i(&mut self, pop: u16) {
        self.put(0xC2, 1, u64::from(pop), 2);
    }

    /// An instruction without operands.
    #[inline]
    pub fn plain(&mut self, op: Plain) {
        self.put_head(u64::from(op.bytes), u32::from(op.len));
    }

    /// A branch to a place already emitted.
    #[inline(always)]
    fn jump_back(&mut self, target: u32, short: u64, long: u64, long_len: u32) {
        // After an overflow `pos` may lie before the target; the bytes are then worthless anyway.
        let distance = target.wrapping_sub(self.offset().0) as i32;
        if distance - 2 >= i32::from(i8::MIN) {
            self.put(short, 1, (distance - 2) as u64, 1);
        } else {
            self.put(long, long_len, (distance - 4 - long_len as i32) as u64, 4);
        }
    }

    fn branch_reloc(&mut self, symbol: Symbol) {
        let offset = CodeOffset(self.offset().0 - 4);
        self.relocs.push(Reloc {
            offset,
            kind: RelocKind::Rel32,
            symbol,
            addend: -4,
        });
    }
}

/// The stack.
impl CodeBuffer {
    /// `push src`.
    #[inline]
    pub fn push(&mut self, src: Gpr) {
        self.one_byte(0x50, src);
    }

    /// `pop dst`.
    #[inline]
    pub fn pop(&mut self, dst: Gpr) {
        self.one_byte(0x58, dst);
    }

    /// `push imm`, sign-extended to 64 bits.
    #[inline]
    pub fn push_i(&mut self, imm: i32) {
        if imm == i32::from(imm as i8) {
            self.put(0x6A, 1, imm as u64, 1);
        } else {
            self.put(0x68, 1, imm as u64, 4);
        }
    }

    /// `push qword src`.
    #[inline]
    pub fn push_m(&mut self, src: Mem) {
        self.legacy::<Gpr>(Code::one(0xFF), Prefixes::NONE, 6, src, Imm::NONE);
    }

    /// `pop qword dst`.
    #[inline]
    pub fn pop_m(&mut self, dst: Mem) {
        self.legacy::<Gpr>(Code::one(0x8F), Prefixes::NONE, 0, dst, Imm::NONE);
    }

    /// An opcode that holds the register's low bits.
    #[inline(always)]
    fn one_byte(&mut self, opcode: u8, reg: Gpr) {
        let opcode = u64::from(opcode | reg.number() & 7);
        if reg.number() >= 8 {
            self.put_head(opcode << 8 | 0x41, 2);
        } else {
            self.put_head(opcode, 1);
        }
    }
}

/// Conditions, and hints.
impl CodeBuffer {
    /// `setcc dst`: one byte, 0 or 1.
    #[inline]
    pub fn setcc(&mut self, cond: Cond, dst: impl RegMem<Gpr>) {
        let code = Code::of(0x90).plus(cond.number());
        self.legacy(code, Prefixes::rm(Size::B8), 0, dst, Imm::NONE);
    }

    /// `cmovcc dst, src`. A 32-bit one clears the upper half even if it does not move. Not for
    /// bytes.
    #[inline]
    pub fn cmov(&mut self, cond: Cond, size: Size, dst: Gpr, src: impl RegMem<Gpr>) {
        debug_assert!(size != Size::B8);
        let code = Code::of(0x40).plus(cond.number());
        self.legacy(code, Prefixes::both(size), dst.number(), src, Imm::NONE);
    }

    /// `prefetchnta`, `prefetcht0`, `prefetcht1`, `prefetcht2` for `level` 0 to 3.
    #[inline]
    pub fn prefetch(&mut self, level: u8, src: Mem) {
        self.legacy::<Gpr>(Code::of(0x18), Prefixes::NONE, level & 3, src, Imm::NONE);
    }
}
