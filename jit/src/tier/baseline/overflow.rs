//! Arithmetic with overflow: saturating, and with a flag.
//!
//! Where the hardware has the width, its carry and overflow flags tell. Narrower operands are
//! extended to twice the room they need, so the exact result is at hand and is compared with what the
//! width can hold.

use super::emit::Emitter;
use super::operand::{bits_of, size_of};
use super::regs::TEMP;
use super::value::{Reg, Val};
use crate::tier::Declined;
use asm::{Alu, Cond, Gpr, Shift, Size, Unary};
use ir::{Inst, InstId, Intrinsic, Value};

/// An operation that can overflow.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Add,
    Sub,
    Mul,
}

impl Emitter<'_> {
    /// `*.with.overflow`.
    pub(super) fn with_overflow(
        &mut self,
        id: InstId,
        inst: &Inst,
        which: Intrinsic,
        a: Value,
        b: Value,
    ) -> Result<(), Declined> {
        let (kind, signed) = match which {
            Intrinsic::SAddOverflow => (Kind::Add, true),
            Intrinsic::UAddOverflow => (Kind::Add, false),
            Intrinsic::SSubOverflow => (Kind::Sub, true),
            Intrinsic::USubOverflow => (Kind::Sub, false),
            Intrinsic::SMulOverflow => (Kind::Mul, true),
            _ => (Kind::Mul, false),
        };
        let bits = bits_of(self.part(a));
        let (value, flag) = if !matches!(bits, 32 | 64) {
            self.narrow_overflow(kind, signed, a, b)
        } else if kind == Kind::Mul && !signed {
            self.unsigned_product(size_of(bits), a, b)
        } else {
            let size = size_of(bits);
            let left = self.gpr(a);
            let right = self.gpr(b);
            let (value, flag) = (self.temp(), self.temp());
            self.asm.mov(size, value, left);
            match kind {
                Kind::Add => self.asm.alu(Alu::Add, size, value, right),
                Kind::Sub => self.asm.alu(Alu::Sub, size, value, right),
                Kind::Mul => self.asm.imul(size, value, right),
            }
            self.asm.setcc(if signed { Cond::O } else { Cond::B }, flag);
            (value, flag)
        };
        self.asm.movzx(flag, Size::B8, flag);
        let body = self.body;
        body.for_each_operand(inst, |operand| self.release(operand));
        let ix = self.result(id);
        self.set(ix, Reg::of(value), 0);
        let second = self.part_ix(ix, 1);
        self.set(second, Reg::of(flag), Val::ZEXT);
        Ok(())
    }

    fn unsigned_product(&mut self, size: Size, a: Value, b: Value) -> (Gpr, Gpr) {
        self.take(Gpr::Rax);
        self.take(Gpr::Rdx);
        let left = self.gpr(a);
        let right = self.gpr(b);
        self.asm.mov(size, Gpr::Rax, left);
        self.asm.unary(Unary::Mul, size, right);
        self.asm.setcc(Cond::B, Gpr::Rdx);
        (Gpr::Rax, Gpr::Rdx)
    }

    /// The exact result in a wider register, and whether cutting it to the width changes it. A product
    /// of more than 32 bits may not fit 64: then the hardware's flag counts too.
    fn narrow_overflow(&mut self, kind: Kind, signed: bool, a: Value, b: Value) -> (Gpr, Gpr) {
        let bits = bits_of(self.part(a));
        let size = if kind == Kind::Mul {
            Size::B64
        } else {
            size_of(bits)
        };
        let by_rax = kind == Kind::Mul && !signed;
        if by_rax {
            self.take(Gpr::Rax);
            self.take(Gpr::Rdx);
        }
        let left = self.extended(a, signed, size);
        let right = self.extended(b, signed, size);
        let (value, flag, lost) = if by_rax {
            (Gpr::Rax, Gpr::Rdx, Cond::B)
        } else {
            (self.temp(), self.temp(), Cond::O)
        };
        self.asm.mov(size, value, left);
        match kind {
            Kind::Add => self.asm.alu(Alu::Add, size, value, right),
            Kind::Sub => self.asm.alu(Alu::Sub, size, value, right),
            Kind::Mul if signed => self.asm.imul(size, value, right),
            Kind::Mul => self.asm.unary(Unary::Mul, size, right),
        }
        if kind == Kind::Mul {
            self.asm.setcc(lost, TEMP);
        }
        let unused = size.bits() as u8 - bits;
        self.asm.mov(size, flag, value);
        self.asm.shift_i(Shift::Shl, size, flag, unused);
        let back = if signed { Shift::Sar } else { Shift::Shr };
        self.asm.shift_i(back, size, flag, unused);
        self.asm.alu(Alu::Cmp, size, flag, value);
        self.asm.setcc(Cond::Ne, flag);
        if kind == Kind::Mul {
            self.asm.alu(Alu::Or, Size::B8, flag, TEMP);
        }
        (value, flag)
    }

    /// `*.sat`: the result is in the register returned.
    pub(super) fn saturating(&mut self, which: Intrinsic, a: Value, b: Value) -> Reg {
        let signed = matches!(which, Intrinsic::SAddSat | Intrinsic::SSubSat);
        let op = match which {
            Intrinsic::SAddSat | Intrinsic::UAddSat => Alu::Add,
            _ => Alu::Sub,
        };
        let bits = bits_of(self.part(a));
        let size = size_of(bits);
        let left = self.extended(a, signed, size);
        let right = self.extended(b, signed, size);
        let (value, limit) = (self.temp(), self.temp());
        self.asm.mov(size, value, left);
        let whole = matches!(bits, 32 | 64);
        match (signed, whole) {
            (true, true) => {
                // On overflow the result has the sign of the first operand.
                let top = size.bits() as u8 - 1;
                self.asm.mov(size, limit, left);
                self.asm.shift_i(Shift::Sar, size, limit, top);
                self.asm.mov_i(TEMP, u64::MAX >> (64 - u32::from(top)));
                self.asm.alu(Alu::Xor, size, limit, TEMP);
                self.asm.alu(op, size, value, right);
                self.asm.cmov(Cond::O, size, value, limit);
            }
            (false, true) => {
                let edge = if op == Alu::Add { u64::MAX } else { 0 };
                self.asm.mov_i(limit, edge);
                self.asm.alu(op, size, value, right);
                self.asm.cmov(Cond::B, size, value, limit);
            }
            (true, false) => {
                self.asm.alu(op, size, value, right);
                let high = (1u64 << (bits - 1)) - 1;
                self.limit(size, value, limit, high, Cond::G);
                self.limit(size, value, limit, !high, Cond::L);
            }
            (false, false) if op == Alu::Add => {
                self.asm.alu(op, size, value, right);
                self.limit(size, value, limit, (1 << bits) - 1, Cond::A);
            }
            (false, false) => {
                self.asm.mov_i(limit, 0);
                self.asm.alu(op, size, value, right);
                self.asm.cmov(Cond::B, size, value, limit);
            }
        }
        Reg::of(value)
    }

    /// `value = bound` if `value` compares with it as `cond` says.
    fn limit(&mut self, size: Size, value: Gpr, temp: Gpr, bound: u64, cond: Cond) {
        let bound = if size == Size::B32 {
            bound & 0xffff_ffff
        } else {
            bound
        };
        self.asm.mov_i(temp, bound);
        self.asm.alu(Alu::Cmp, size, value, temp);
        self.asm.cmov(cond, size, value, temp);
    }
}
