//! Bit manipulation: counting, testing, byte order, BMI1 and BMI2.
//!
//! What needs which CPUID bit: `popcnt` POPCNT; `lzcnt` LZCNT; `tzcnt`, [`Bmi`] and `andn` BMI1;
//! `mulx` BMI2; `movbe` MOVBE. Without them `lzcnt` and `tzcnt` run as `bsr` and `bsf`, silently.

use crate::buffer::CodeBuffer;
use crate::encode::{Code, Imm, Prefixes};
use crate::{Gpr, Mem, RegMem, Size};

/// Counts and scans. 16, 32 and 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BitCount {
    /// Number of ones.
    Popcnt,
    /// Leading zeros; the operand's width for zero.
    Lzcnt,
    /// Trailing zeros; the operand's width for zero.
    Tzcnt,
    /// Index of the lowest one; for zero ZF is set and the destination undefined.
    Bsf,
    /// Index of the highest one; for zero ZF is set and the destination undefined.
    Bsr,
}

impl BitCount {
    /// Every operation.
    pub const ALL: [Self; 5] = [Self::Popcnt, Self::Lzcnt, Self::Tzcnt, Self::Bsf, Self::Bsr];

    const fn code(self) -> Code {
        match self {
            Self::Popcnt => Code::of(0xB8).pf3(),
            Self::Lzcnt => Code::of(0xBD).pf3(),
            Self::Tzcnt => Code::of(0xBC).pf3(),
            Self::Bsf => Code::of(0xBC),
            Self::Bsr => Code::of(0xBD),
        }
    }
}

/// Single-bit operations of group 8: the bit goes to carry. The discriminant is ModRM.reg of the
/// immediate form. 16, 32 and 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum BitTest {
    /// Test only.
    Bt = 4,
    /// Test and set.
    Bts = 5,
    /// Test and clear.
    Btr = 6,
    /// Test and complement.
    Btc = 7,
}

impl BitTest {
    /// Every operation.
    pub const ALL: [Self; 4] = [Self::Bt, Self::Bts, Self::Btr, Self::Btc];
}

/// BMI1 operations on the lowest one of a value (group 17); the discriminant is ModRM.reg. 32 and
/// 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Bmi {
    /// `src & (src - 1)`
    Blsr = 1,
    /// `src ^ (src - 1)`
    Blsmsk = 2,
    /// `src & -src`
    Blsi = 3,
}

impl Bmi {
    /// Every operation.
    pub const ALL: [Self; 3] = [Self::Blsr, Self::Blsmsk, Self::Blsi];
}

impl CodeBuffer {
    /// `op dst, src`.
    #[inline]
    pub fn bit_count(&mut self, op: BitCount, size: Size, dst: Gpr, src: impl RegMem<Gpr>) {
        debug_assert!(size != Size::B8);
        self.legacy(
            op.code(),
            Prefixes::both(size),
            dst.number(),
            src,
            Imm::NONE,
        );
    }

    /// `op dst, bit`: the bit number is taken modulo the width for a register, but addresses a bit
    /// string of any length for memory.
    #[inline]
    pub fn bit_test(&mut self, op: BitTest, size: Size, dst: impl RegMem<Gpr>, bit: Gpr) {
        debug_assert!(size != Size::B8);
        let code = Code::of(0x83 | (op as u8) << 3);
        self.legacy(code, Prefixes::both(size), bit.number(), dst, Imm::NONE);
    }

    /// `op dst, bit`, the bit number taken modulo the width.
    #[inline]
    pub fn bit_test_i(&mut self, op: BitTest, size: Size, dst: impl RegMem<Gpr>, bit: u8) {
        debug_assert!(size != Size::B8);
        self.legacy(
            Code::of(0xBA),
            Prefixes::rm(size),
            op as u8,
            dst,
            Imm::byte(bit),
        );
    }

    /// `bswap dst`: reverses the bytes. 32 and 64 bits.
    #[inline]
    pub fn bswap(&mut self, size: Size, dst: Gpr) {
        debug_assert!(size >= Size::B32);
        let number = u64::from(dst.number());
        let opcode = (0xC8 | number & 7) << 8 | 0x0F;
        let rex = u64::from(size == Size::B64) << 3 | number >> 3;
        if rex != 0 {
            self.put_head(opcode << 8 | 0x40 | rex, 3);
        } else {
            self.put_head(opcode, 2);
        }
    }

    /// `movbe dst, src`: loads with the bytes reversed. Not for bytes.
    #[inline]
    pub fn movbe(&mut self, size: Size, dst: Gpr, src: Mem) {
        debug_assert!(size != Size::B8);
        self.legacy::<Gpr>(
            Code::of38(0xF0),
            Prefixes::both(size),
            dst.number(),
            src,
            Imm::NONE,
        );
    }

    /// `movbe dst, src`: stores with the bytes reversed. Not for bytes.
    #[inline]
    pub fn movbe_mr(&mut self, size: Size, dst: Mem, src: Gpr) {
        debug_assert!(size != Size::B8);
        self.legacy::<Gpr>(
            Code::of38(0xF1),
            Prefixes::both(size),
            src.number(),
            dst,
            Imm::NONE,
        );
    }

    /// `andn dst, not, src`: `!not & src`. 32 and 64 bits.
    #[inline]
    pub fn andn(&mut self, size: Size, dst: Gpr, not: Gpr, src: impl RegMem<Gpr>) {
        self.vex_gpr(Code::of38(0xF2), size, dst.number(), not, src, Imm::NONE);
    }

    /// `op dst, src` of BMI1.
    #[inline]
    pub fn bmi(&mut self, op: Bmi, size: Size, dst: Gpr, src: impl RegMem<Gpr>) {
        self.vex_gpr(Code::of38(0xF3), size, op as u8, dst, src, Imm::NONE);
    }

    /// `mulx high, low, src`: the full unsigned product of rdx and `src`, without flags.
    #[inline]
    pub fn mulx(&mut self, size: Size, high: Gpr, low: Gpr, src: impl RegMem<Gpr>) {
        self.vex_gpr(
            Code::of38(0xF6).pf2(),
            size,
            high.number(),
            low,
            src,
            Imm::NONE,
        );
    }

    /// VEX-encoded instruction on general registers: W is the operand size.
    #[inline(always)]
    pub(crate) fn vex_gpr(
        &mut self,
        code: Code,
        size: Size,
        reg: u8,
        second: Gpr,
        rm: impl RegMem<Gpr>,
        imm: Imm,
    ) {
        debug_assert!(size >= Size::B32);
        self.vex(
            code.w_if(size == Size::B64),
            false,
            reg,
            second.number(),
            rm,
            imm,
        );
    }
}
