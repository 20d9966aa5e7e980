//! Arithmetic that tells when it overflows, or saturates.
//!
//! Widths that the hardware has set its flags. Narrower ones are computed exactly in a wider
//! register and compared with what is left after cutting, or at the top of one.

use super::operand::exact_size;
use super::{Lower, Lowered, size_of};
use crate::tier::flags::Test;
use crate::tier::opt::backend::vcode::{MInst, Operand, Src, Vreg};
use asm::{Alu, Cond, Gpr, Shift, Size, Unary};
use ir::{Inst, InstId, Intrinsic, Value};

/// What kind of arithmetic an intrinsic is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Kind {
    op: Arith,
    signed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Arith {
    Add,
    Sub,
    Mul,
}

fn kind(intrinsic: Intrinsic) -> Kind {
    use Intrinsic as I;
    let op = match intrinsic {
        I::SAddOverflow | I::UAddOverflow | I::SAddSat | I::UAddSat => Arith::Add,
        I::SSubOverflow | I::USubOverflow | I::SSubSat | I::USubSat => Arith::Sub,
        _ => Arith::Mul,
    };
    let signed = matches!(
        intrinsic,
        I::SAddOverflow | I::SSubOverflow | I::SMulOverflow | I::SAddSat | I::SSubSat
    );
    Kind { op, signed }
}

impl Lower<'_> {
    /// `*.with.overflow`.
    pub(super) fn overflowing(
        &mut self,
        id: InstId,
        intrinsic: Intrinsic,
        args: [Value; 3],
    ) -> Lowered {
        let bits = self.bits(args[0])?;
        let value = self.result_part(id, 0)?;
        let overflow = self.result_part(id, 1)?;
        let test = self.arithmetic(kind(intrinsic), value, args, bits)?;
        self.push(MInst::Set(test), &[Operand::def(overflow)]);
        Ok(())
    }

    /// `dst = a op b`; the flags then say whether it overflowed.
    fn arithmetic(&mut self, kind: Kind, dst: Vreg, args: [Value; 3], bits: u32) -> Lowered<Test> {
        if !matches!(bits, 32 | 64) {
            return self.narrow_arithmetic(kind, dst, args, bits);
        }
        let size = exact_size(bits);
        let a = self.reg(args[0])?;
        if kind.op == Arith::Mul && !kind.signed {
            let b = self.reg(args[1])?;
            let high = self.temp();
            self.wide_product(size, dst, high, a, b);
            return Ok(Test::One(Cond::O));
        }
        let (src, operands) = self.src(args[1], bits, size)?;
        let op = match kind.op {
            Arith::Add => Alu::Add,
            Arith::Sub => Alu::Sub,
            Arith::Mul => {
                let inst = match src {
                    Src::Imm(imm) => MInst::MulImm {
                        size,
                        imm,
                        src: Src::Reg,
                    },
                    _ => MInst::Mul { size, src },
                };
                if let MInst::MulImm { .. } = inst {
                    self.push(inst, &[Operand::def(dst), Operand::any(a)]);
                } else {
                    let first = [Operand::tied(dst, 1), Operand::reg(a)];
                    self.push_with(inst, &first, &operands);
                }
                return Ok(Test::One(Cond::O));
            }
        };
        self.alu_src(op, size, dst, a, src, &operands);
        Ok(Test::One(if kind.signed { Cond::O } else { Cond::B }))
    }

    /// Up to 31 bits in 32 or, for products, 64; up to 63 in 64.
    fn narrow_arithmetic(
        &mut self,
        kind: Kind,
        dst: Vreg,
        args: [Value; 3],
        bits: u32,
    ) -> Lowered<Test> {
        let (a, b) = if kind.signed {
            (
                self.sign_extended(args[0], bits)?,
                self.sign_extended(args[1], bits)?,
            )
        } else {
            (
                self.zero_extended(args[0], bits)?,
                self.zero_extended(args[1], bits)?,
            )
        };
        let size = size_of(bits);
        if kind.op == Arith::Mul {
            return Ok(self.narrow_product(kind.signed, dst, a, b, bits));
        }
        let inputs = [Operand::tied(dst, 1), Operand::reg(a), Operand::any(b)];
        let inst = match kind.op {
            Arith::Sub => MInst::Alu {
                op: Alu::Sub,
                size,
                src: Src::Reg,
            },
            _ => MInst::Alu {
                op: Alu::Add,
                size,
                src: Src::Reg,
            },
        };
        self.push(inst, &inputs);
        let again = self.temp();
        let high = self.temp();
        let count = (size.bits() - bits) as u8;
        let up = MInst::ShiftImm {
            op: Shift::Shl,
            size,
            count,
        };
        self.push(up, &[Operand::tied(high, 1), Operand::reg(dst)]);
        let op = if kind.signed { Shift::Sar } else { Shift::Shr };
        let down = MInst::ShiftImm { op, size, count };
        self.push(down, &[Operand::tied(again, 1), Operand::reg(high)]);
        let compare = MInst::Cmp {
            size,
            src: Src::Reg,
        };
        self.push(compare, &[Operand::reg(again), Operand::any(dst)]);
        Ok(Test::One(Cond::Ne))
    }

    /// One factor moved to the top of its register: the product overflows there exactly if the narrow
    /// one does. The flags are kept over the shift back.
    fn narrow_product(&mut self, signed: bool, dst: Vreg, a: Vreg, b: Vreg, bits: u32) -> Test {
        let size = size_of(bits);
        let count = (size.bits() - bits) as u8;
        let (top, product, overflow) = (self.temp(), self.temp(), self.temp());
        let up = MInst::ShiftImm {
            op: Shift::Shl,
            size,
            count,
        };
        self.push(up, &[Operand::tied(top, 1), Operand::reg(a)]);
        if signed {
            let mul = MInst::Mul {
                size,
                src: Src::Reg,
            };
            self.push(
                mul,
                &[
                    Operand::tied(product, 1),
                    Operand::reg(top),
                    Operand::any(b),
                ],
            );
        } else {
            let high = self.temp();
            self.wide_product(size, product, high, top, b);
        }
        self.push(MInst::Set(Test::One(Cond::O)), &[Operand::def(overflow)]);
        let op = if signed { Shift::Sar } else { Shift::Shr };
        let down = MInst::ShiftImm { op, size, count };
        self.push(down, &[Operand::tied(dst, 1), Operand::reg(product)]);
        self.test_bit(overflow);
        Self::SET
    }

    /// `dst` and `high` = halves of the unsigned product; the flags say whether the high one is 0.
    pub(super) fn wide_product(&mut self, size: Size, dst: Vreg, high: Vreg, a: Vreg, b: Vreg) {
        let operands = [
            Operand::to_gpr(dst, Gpr::Rax),
            Operand::to_gpr(high, Gpr::Rdx),
            Operand::in_gpr(a, Gpr::Rax),
            Operand::any(b),
        ];
        self.push(
            MInst::MulWide {
                op: Unary::Mul,
                size,
            },
            &operands,
        );
    }

    /// `*.sat`.
    pub(super) fn saturating(
        &mut self,
        id: InstId,
        intrinsic: Intrinsic,
        inst: &Inst,
        args: [Value; 3],
    ) -> Lowered {
        let bits = self.type_bits(inst.ty)?;
        let kind = kind(intrinsic);
        let dst = self.result(id)?;
        let size = size_of(bits);
        let limit = if kind.signed {
            // The sign of the first operand says which limit: its sign bits xor the highest number.
            let a = self.sign_extended(args[0], bits)?;
            let (sign, limit) = (self.temp(), self.temp());
            let shift = MInst::ShiftImm {
                op: Shift::Sar,
                size,
                count: size.bits() as u8 - 1,
            };
            self.push(shift, &[Operand::tied(sign, 1), Operand::reg(a)]);
            let highest = self.imm((u64::MAX >> (64 - bits)) >> 1);
            self.alu_src(
                Alu::Xor,
                size,
                limit,
                sign,
                Src::Reg,
                &[Operand::any(highest)],
            );
            limit
        } else if kind.op == Arith::Sub {
            self.imm(0)
        } else {
            self.imm(u64::MAX >> (64 - bits))
        };
        let value = self.temp();
        let test = self.arithmetic(kind, value, args, bits)?;
        self.choose(
            test,
            if size == Size::B64 { size } else { Size::B32 },
            dst,
            limit,
            value,
        );
        Ok(())
    }
}
