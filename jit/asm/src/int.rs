//! Integer instructions: moves, arithmetic and logic, multiplication and division, atomics.
//!
//! Opcodes are those of the SDM vol. 2 instruction pages (chapters 3 to 5; appendix A, tables A-2
//! and A-6 for the groups). Nearly all follow one pattern: bit 0 of the opcode tells byte operands
//! from larger ones, the prefix 66 tells 16 bits from 32, REX.W tells 64.
//!
//! 32-bit instructions clear the upper half of their destination, 8- and 16-bit ones keep the rest
//! of it.

use crate::buffer::{CodeBuffer, CodeOffset};
use crate::encode::{Code, Imm, Prefixes};
use crate::finalize::{Reloc, RelocKind};
use crate::{Gpr, Mem, RegMem, Size, Symbol};

/// Two-operand arithmetic of group 1; the discriminant is ModRM.reg of the immediate forms and bits
/// 3–5 of the opcode of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Alu {
    /// `dst += src`
    Add,
    /// `dst |= src`
    Or,
    /// `dst += src + carry`
    Adc,
    /// `dst -= src + carry`
    Sbb,
    /// `dst &= src`
    And,
    /// `dst -= src`
    Sub,
    /// `dst ^= src`
    Xor,
    /// Flags of `dst - src`
    Cmp,
}

impl Alu {
    /// Every operation, in hardware order.
    pub const ALL: [Self; 8] = [
        Self::Add,
        Self::Or,
        Self::Adc,
        Self::Sbb,
        Self::And,
        Self::Sub,
        Self::Xor,
        Self::Cmp,
    ];
}

/// One-operand arithmetic, groups 3 (F6/F7) and 4/5 (FE/FF).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Unary {
    /// `dst += 1`, carry untouched
    Inc = 0,
    /// `dst -= 1`, carry untouched
    Dec = 1,
    /// `dst = !dst`, flags untouched
    Not = 2,
    /// `dst = -dst`
    Neg = 3,
    /// `rdx:rax = rax * src`, unsigned (`ax = al * src` for bytes)
    Mul = 4,
    /// `rdx:rax = rax * src`, signed
    Imul = 5,
    /// `rax, rdx = rdx:rax / src`, unsigned (`al, ah` for bytes)
    Div = 6,
    /// `rax, rdx = rdx:rax / src`, signed
    Idiv = 7,
}

impl Unary {
    /// Every operation.
    pub const ALL: [Self; 8] = [
        Self::Inc,
        Self::Dec,
        Self::Not,
        Self::Neg,
        Self::Mul,
        Self::Imul,
        Self::Div,
        Self::Idiv,
    ];

    /// The byte form's opcode; the ModRM.reg extension is the discriminant.
    const fn code(self) -> Code {
        match self {
            Self::Inc | Self::Dec => Code::one(0xFE),
            _ => Code::one(0xF6),
        }
    }
}

/// Moves and address calculation.
impl CodeBuffer {
    /// `mov dst, src`. A 32-bit register move zero-extends.
    #[inline]
    pub fn mov(&mut self, size: Size, dst: Gpr, src: impl RegMem<Gpr>) {
        self.legacy(
            Code::one(0x8A).sized(size),
            Prefixes::both(size),
            dst.number(),
            src,
            Imm::NONE,
        );
    }

    /// `mov dst, src` into memory (or a register).
    #[inline]
    pub fn mov_mr(&mut self, size: Size, dst: impl RegMem<Gpr>, src: Gpr) {
        self.legacy(
            Code::one(0x88).sized(size),
            Prefixes::both(size),
            src.number(),
            dst,
            Imm::NONE,
        );
    }

    /// `mov dst, value`, all 64 bits, in the shortest form that leaves the flags alone: 5–6 bytes
    /// zero-extending, 7 sign-extending, else 10.
    #[inline]
    pub fn mov_i(&mut self, dst: Gpr, value: u64) {
        let number = dst.number();
        let opcode = u64::from(0xB8 | number & 7);
        let rex_b = u64::from(number >> 3);
        if value <= u64::from(u32::MAX) {
            let head = if rex_b != 0 {
                opcode << 8 | 0x41
            } else {
                opcode
            };
            self.put(head, 1 + rex_b as u32, value, 4);
        } else if i64::from(value as i32) as u64 == value {
            let imm = Imm::sized(Size::B64, value as i32);
            self.legacy(Code::one(0xC7), Prefixes::rm(Size::B64), 0, dst, imm);
        } else {
            self.put(opcode << 8 | 0x48 | rex_b, 2, value, 8);
        }
    }

    /// `mov dst, imm` into memory; for 64 bits the immediate is sign-extended.
    #[inline]
    pub fn mov_mi(&mut self, size: Size, dst: Mem, imm: i32) {
        let imm = Imm::sized(size, imm);
        self.legacy::<Gpr>(Code::one(0xC6).sized(size), Prefixes::rm(size), 0, dst, imm);
    }

    /// `mov dst32, symbol + addend`: an address below 4 GiB, zero-extended.
    pub fn mov_symbol(&mut self, dst: Gpr, symbol: Symbol, addend: i64) {
        self.mov_i(dst, 0);
        let offset = CodeOffset(self.offset().0 - 4);
        self.relocs.push(Reloc {
            offset,
            kind: RelocKind::Abs32,
            symbol,
            addend,
        });
    }

    /// `mov dst64, symbol + addend`: any address.
    pub fn mov_symbol64(&mut self, dst: Gpr, symbol: Symbol, addend: i64) {
        let number = u64::from(dst.number());
        self.put((0xB8 | number & 7) << 8 | 0x48 | number >> 3, 2, 0, 8);
        let offset = CodeOffset(self.offset().0 - 8);
        self.relocs.push(Reloc {
            offset,
            kind: RelocKind::Abs64,
            symbol,
            addend,
        });
    }

    /// `movzx dst32, src`; a source of 32 bits is an ordinary `mov`. `from` is at most 32 bits.
    #[inline]
    pub fn movzx(&mut self, dst: Gpr, from: Size, src: impl RegMem<Gpr>) {
        debug_assert!(from != Size::B64);
        if from == Size::B32 {
            return self.mov(Size::B32, dst, src);
        }
        let prefixes = Prefixes {
            byte_rm: from == Size::B8,
            ..Prefixes::NONE
        };
        self.legacy(
            Code::of(0xB6).sized(from),
            prefixes,
            dst.number(),
            src,
            Imm::NONE,
        );
    }

    /// `movsx dst, src`, or `movsxd` for a source of 32 bits. `to` is wider than `from`.
    #[inline]
    pub fn movsx(&mut self, to: Size, dst: Gpr, from: Size, src: impl RegMem<Gpr>) {
        debug_assert!(from < to);
        let code = if from == Size::B32 {
            Code::one(0x63)
        } else {
            Code::of(0xBE).sized(from)
        };
        let prefixes = Prefixes {
            byte_rm: from == Size::B8,
            ..Prefixes::rm(to)
        };
        self.legacy(code, prefixes, dst.number(), src, Imm::NONE);
    }

    /// `lea dst, src`; `size` is 32 (the address modulo 2^32) or 64.
    #[inline]
    pub fn lea(&mut self, size: Size, dst: Gpr, src: Mem) {
        debug_assert!(size >= Size::B32);
        self.legacy::<Gpr>(
            Code::one(0x8D),
            Prefixes::both(size),
            dst.number(),
            src,
            Imm::NONE,
        );
    }

    /// `xchg dst, src`; with memory it is atomic without a lock prefix.
    #[inline]
    pub fn xchg(&mut self, size: Size, dst: impl RegMem<Gpr>, src: Gpr) {
        self.legacy(
            Code::one(0x86).sized(size),
            Prefixes::both(size),
            src.number(),
            dst,
            Imm::NONE,
        );
    }
}

/// Arithmetic and logic.
impl CodeBuffer {
    /// `op dst, src`.
    #[inline]
    pub fn alu(&mut self, op: Alu, size: Size, dst: Gpr, src: impl RegMem<Gpr>) {
        let code = Code::one(0x02).plus((op as u8) << 3).sized(size);
        self.legacy(code, Prefixes::both(size), dst.number(), src, Imm::NONE);
    }

    /// `op dst, src` on memory (or a register).
    #[inline]
    pub fn alu_mr(&mut self, op: Alu, size: Size, dst: impl RegMem<Gpr>, src: Gpr) {
        let code = Code::one(0x00).plus((op as u8) << 3).sized(size);
        self.legacy(code, Prefixes::both(size), src.number(), dst, Imm::NONE);
    }

    /// `op dst, imm`; one byte of immediate if it fits. For 64 bits the immediate is sign-extended,
    /// for smaller sizes its upper bits are ignored.
    #[inline]
    pub fn alu_i(&mut self, op: Alu, size: Size, dst: impl RegMem<Gpr>, imm: i32) {
        let short = size != Size::B8 && imm == i32::from(imm as i8);
        let code = Code::one(0x80).sized(size).plus(u8::from(short) << 1);
        let imm = if short {
            Imm::byte(imm as u8)
        } else {
            Imm::sized(size, imm)
        };
        self.legacy(code, Prefixes::rm(size), op as u8, dst, imm);
    }

    /// `op dst, imm` of 32 or 64 bits with four bytes of immediate in any case; returns where they
    /// are, for [`patch32`](Self::patch32).
    #[inline]
    pub fn alu_i32(&mut self, op: Alu, size: Size, dst: impl RegMem<Gpr>, imm: i32) -> CodeOffset {
        debug_assert!(size >= Size::B32);
        self.legacy(
            Code::one(0x81),
            Prefixes::rm(size),
            op as u8,
            dst,
            Imm::sized(size, imm),
        );
        CodeOffset(self.offset().0 - 4)
    }

    /// `test dst, src`: flags of `dst & src`.
    #[inline]
    pub fn test(&mut self, size: Size, dst: impl RegMem<Gpr>, src: Gpr) {
        self.legacy(
            Code::one(0x84).sized(size),
            Prefixes::both(size),
            src.number(),
            dst,
            Imm::NONE,
        );
    }

    /// `test dst, imm`.
    #[inline]
    pub fn test_i(&mut self, size: Size, dst: impl RegMem<Gpr>, imm: i32) {
        let imm = Imm::sized(size, imm);
        self.legacy(Code::one(0xF6).sized(size), Prefixes::rm(size), 0, dst, imm);
    }

    /// A one-operand operation.
    #[inline]
    pub fn unary(&mut self, op: Unary, size: Size, dst: impl RegMem<Gpr>) {
        let extension = op as u8
            & if matches!(op, Unary::Inc | Unary::Dec) {
                1
            } else {
                7
            };
        self.legacy(
            op.code().sized(size),
            Prefixes::rm(size),
            extension,
            dst,
            Imm::NONE,
        );
    }

    /// `imul dst, src`: the low half of the product. Not for bytes.
    #[inline]
    pub fn imul(&mut self, size: Size, dst: Gpr, src: impl RegMem<Gpr>) {
        debug_assert!(size != Size::B8);
        self.legacy(
            Code::of(0xAF),
            Prefixes::both(size),
            dst.number(),
            src,
            Imm::NONE,
        );
    }

    /// `imul dst, src, imm`; one byte of immediate if it fits. Not for bytes.
    #[inline]
    pub fn imul_i(&mut self, size: Size, dst: Gpr, src: impl RegMem<Gpr>, imm: i32) {
        debug_assert!(size != Size::B8);
        let short = imm == i32::from(imm as i8);
        let code = if short {
            Code::one(0x6B)
        } else {
            Code::one(0x69)
        };
        let imm = if short {
            Imm::byte(imm as u8)
        } else {
            Imm::sized(size, imm)
        };
        self.legacy(code, Prefixes::both(size), dst.number(), src, imm);
    }
}

/// Atomic read-modify-write; put [`lock`](CodeBuffer::lock) before those that need it.
impl CodeBuffer {
    /// The lock prefix, for the instruction emitted next: one with a memory destination.
    #[inline]
    pub fn lock(&mut self) {
        self.put_head(0xF0, 1);
    }

    /// `xadd dst, src`: `src` gets the old value of `dst`, `dst` the sum.
    #[inline]
    pub fn xadd(&mut self, size: Size, dst: impl RegMem<Gpr>, src: Gpr) {
        self.legacy(
            Code::of(0xC0).sized(size),
            Prefixes::both(size),
            src.number(),
            dst,
            Imm::NONE,
        );
    }

    /// `cmpxchg dst, src`: if rax equals `dst` store `src` there, else load `dst` into rax.
    #[inline]
    pub fn cmpxchg(&mut self, size: Size, dst: impl RegMem<Gpr>, src: Gpr) {
        self.legacy(
            Code::of(0xB0).sized(size),
            Prefixes::both(size),
            src.number(),
            dst,
            Imm::NONE,
        );
    }

    /// `cmpxchg8b dst`: compares edx:eax, stores ecx:ebx. The 64-bit atomic of 32-bit programs.
    #[inline]
    pub fn cmpxchg8b(&mut self, dst: Mem) {
        self.legacy::<Gpr>(Code::of(0xC7), Prefixes::NONE, 1, dst, Imm::NONE);
    }

    /// `cmpxchg16b dst`: compares rdx:rax, stores rcx:rbx; `dst` must be 16-byte aligned.
    #[inline]
    pub fn cmpxchg16b(&mut self, dst: Mem) {
        self.legacy::<Gpr>(Code::of(0xC7).w(), Prefixes::NONE, 1, dst, Imm::NONE);
    }
}
