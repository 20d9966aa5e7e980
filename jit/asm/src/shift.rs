//! Shifts and rotations.
//!
//! Three families. Group 2 (SDM vol. 2, appendix A, table A-6) takes its count from an immediate or
//! from cl and sets flags, which costs extra micro-operations when the count is in cl. The double
//! shifts fill from a second register: 64-bit shifts of 32-bit pairs. The BMI2 shifts take the
//! count from any register and leave flags alone, so they free the allocator from rcx; they exist
//! for 32 and 64 bits.
//!
//! Every count is taken modulo 64 for 64-bit operands and modulo 32 for all smaller ones, 8 and 16
//! bits included (SDM vol. 2, "SAL/SAR/SHL/SHR"): C's rule that the count is below the width after
//! promotion makes that enough. A count of zero leaves the flags as they were.

use crate::buffer::CodeBuffer;
use crate::encode::{Code, Imm, Prefixes};
use crate::{Gpr, RegMem, Size};

/// Shifts and rotations of group 2; the discriminant is ModRM.reg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Shift {
    /// Rotate left.
    Rol = 0,
    /// Rotate right.
    Ror = 1,
    /// Rotate left through carry.
    Rcl = 2,
    /// Rotate right through carry.
    Rcr = 3,
    /// Shift left.
    Shl = 4,
    /// Shift right, zeros in.
    Shr = 5,
    /// Shift right, sign in.
    Sar = 7,
}

impl Shift {
    /// Every operation.
    pub const ALL: [Self; 7] = [
        Self::Rol,
        Self::Ror,
        Self::Rcl,
        Self::Rcr,
        Self::Shl,
        Self::Shr,
        Self::Sar,
    ];
}

/// Shifts that take the incoming bits from a second register. 16, 32 and 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ShiftDouble {
    /// Shift left, the source's high bits in.
    Shld = 0xA4,
    /// Shift right, the source's low bits in.
    Shrd = 0xAC,
}

/// BMI2 shifts: any count register, no flags. 32 and 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ShiftX {
    /// Left.
    Shlx,
    /// Right, zeros in.
    Shrx,
    /// Right, sign in.
    Sarx,
}

impl ShiftX {
    /// Every operation.
    pub const ALL: [Self; 3] = [Self::Shlx, Self::Shrx, Self::Sarx];

    const fn code(self) -> Code {
        match self {
            Self::Shlx => Code::of38(0xF7).p66(),
            Self::Shrx => Code::of38(0xF7).pf2(),
            Self::Sarx => Code::of38(0xF7).pf3(),
        }
    }
}

impl CodeBuffer {
    /// `op dst, count`; a count of one has an encoding of its own, a byte shorter.
    #[inline]
    pub fn shift_i(&mut self, op: Shift, size: Size, dst: impl RegMem<Gpr>, count: u8) {
        let code = if count == 1 {
            Code::one(0xD0)
        } else {
            Code::one(0xC0)
        };
        let imm = if count == 1 {
            Imm::NONE
        } else {
            Imm::byte(count)
        };
        self.legacy(code.sized(size), Prefixes::rm(size), op as u8, dst, imm);
    }

    /// `op dst, cl`.
    #[inline]
    pub fn shift_cl(&mut self, op: Shift, size: Size, dst: impl RegMem<Gpr>) {
        let code = Code::one(0xD2).sized(size);
        self.legacy(code, Prefixes::rm(size), op as u8, dst, Imm::NONE);
    }

    /// `op dst, src, count`. Not for bytes.
    #[inline]
    pub fn shift_double_i(
        &mut self,
        op: ShiftDouble,
        size: Size,
        dst: impl RegMem<Gpr>,
        src: Gpr,
        count: u8,
    ) {
        debug_assert!(size != Size::B8);
        let code = Code::of(op as u8);
        self.legacy(
            code,
            Prefixes::both(size),
            src.number(),
            dst,
            Imm::byte(count),
        );
    }

    /// `op dst, src, cl`. Not for bytes.
    #[inline]
    pub fn shift_double_cl(
        &mut self,
        op: ShiftDouble,
        size: Size,
        dst: impl RegMem<Gpr>,
        src: Gpr,
    ) {
        debug_assert!(size != Size::B8);
        let code = Code::of(op as u8 + 1);
        self.legacy(code, Prefixes::both(size), src.number(), dst, Imm::NONE);
    }

    /// `op dst, src, count` of BMI2.
    #[inline]
    pub fn shiftx(&mut self, op: ShiftX, size: Size, dst: Gpr, src: impl RegMem<Gpr>, count: Gpr) {
        self.vex_gpr(op.code(), size, dst.number(), count, src, Imm::NONE);
    }

    /// `rorx dst, src, count`: rotates right without flags. 32 and 64 bits.
    #[inline]
    pub fn rorx(&mut self, size: Size, dst: Gpr, src: impl RegMem<Gpr>, count: u8) {
        // vvvv is unused and must be all ones: register number 0 before inversion.
        let imm = Imm::byte(count);
        self.vex_gpr(
            Code::of3a(0xF0).pf2(),
            size,
            dst.number(),
            Gpr::Rax,
            src,
            imm,
        );
    }
}
