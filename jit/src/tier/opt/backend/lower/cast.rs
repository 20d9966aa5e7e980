//! Casts that change bits. Those that do not are looked through (`operand`).

use super::operand::{Operands, exact_size};
use super::{Lower, Lowered, size_of};
use crate::tier::flags::Test;
use crate::tier::opt::backend::vcode::{MInst, Operand, Src, Vreg};
use asm::{Alu, Cond, Fp, FpOp, Shift, Size, VecBin};
use ir::{Inst, InstId, Op, Type, Value};

impl Lower<'_> {
    /// `Trunc` to `Bitcast`.
    pub(super) fn cast(&mut self, id: InstId, inst: &Inst) -> Lowered {
        let value = Value(inst.args[0]);
        if self.leaf(Value::inst(id), 0).0 != Value::inst(id) {
            return Ok(());
        }
        let dst = self.result(id)?;
        match inst.op {
            Op::ZExt => self.zero_extend(dst, value),
            Op::SExt => self.sign_extend(dst, value, inst),
            Op::Trunc | Op::PtrToInt | Op::IntToPtr => self.narrow_or_widen(dst, value, inst),
            Op::FpToSi | Op::FpToUi => self.float_to_int(dst, value, inst),
            Op::SiToFp => self.signed_to_float(dst, value, inst),
            Op::UiToFp => self.unsigned_to_float(dst, value, inst),
            Op::FpTrunc | Op::FpExt => self.float_to_float(dst, value, inst),
            _ => self.bitcast(dst, value, inst),
        }
    }

    fn zero_extend(&mut self, dst: Vreg, value: Value) -> Lowered {
        let bits = self.bits(value)?;
        if bits == 1 {
            // A comparison gives a clean 0 or 1 (`is_clean`); anything else is masked.
            let src = self.reg(value)?;
            self.alu_src(Alu::And, Size::B32, dst, src, Src::Imm(1), &[]);
            return Ok(());
        }
        if matches!(bits, 8 | 16) {
            let from = exact_size(bits);
            let (src, operands) = self.reg_or_mem(value, from)?;
            let inst = MInst::Extend {
                from,
                to: Size::B32,
                signed: false,
                src,
            };
            self.push_with(inst, &[Operand::def(dst)], &operands);
            return Ok(());
        }
        let src = self.zero_extended(value, bits)?;
        self.copy(dst, src);
        Ok(())
    }

    fn sign_extend(&mut self, dst: Vreg, value: Value, inst: &Inst) -> Lowered {
        let from = self.bits(value)?;
        let to = size_of(self.type_bits(inst.ty)?);
        if from == 1 {
            // 0 or -1.
            let bit = self.zero_extended(value, 1)?;
            let neg = MInst::Unary {
                op: asm::Unary::Neg,
                size: to,
            };
            self.push(neg, &[Operand::tied(dst, 1), Operand::reg(bit)]);
            return Ok(());
        }
        if from == 32 && to == Size::B32 {
            let src = self.reg(value)?;
            self.copy(dst, src);
            return Ok(());
        }
        self.sign_extend_into(value, from, to, dst)
    }

    /// `Trunc` to 32 bits, and conversions between addresses and narrow or wide integers.
    fn narrow_or_widen(&mut self, dst: Vreg, value: Value, inst: &Inst) -> Lowered {
        let from = self.bits(value)?;
        let to = self.type_bits(inst.ty)?;
        if to <= from {
            let src = self.reg(value)?;
            let cut = MInst::Extend {
                from: Size::B32,
                to: Size::B32,
                signed: false,
                src: Src::Reg,
            };
            self.push(cut, &[Operand::def(dst), Operand::any(src)]);
            return Ok(());
        }
        let src = self.zero_extended(value, from)?;
        self.copy(dst, src);
        Ok(())
    }

    fn float_to_int(&mut self, dst: Vreg, value: Value, inst: &Inst) -> Lowered {
        let bits = self.type_bits(inst.ty)?;
        let fp = self.scalar(self.body.type_of(value))?;
        let src = self.reg(value)?;
        self.truncate_float(dst, src, fp, bits, inst.op == Op::FpToSi);
        Ok(())
    }

    /// `dst = src` as an integer of `bits`, as the head of the IR crate says.
    fn truncate_float(&mut self, dst: Vreg, src: Vreg, fp: Fp, bits: u32, signed: bool) {
        if signed || bits < 32 {
            let size = size_of(bits);
            self.push(
                MInst::ToInt { fp, size },
                &[Operand::def(dst), Operand::reg(src)],
            );
        } else if bits == 32 {
            let wide = self.temp();
            self.push(
                MInst::ToInt {
                    fp,
                    size: Size::B64,
                },
                &[Operand::def(wide), Operand::reg(src)],
            );
            let cut = MInst::Extend {
                from: Size::B32,
                to: Size::B32,
                signed: false,
                src: Src::Reg,
            };
            self.push(cut, &[Operand::def(dst), Operand::any(wide)]);
        } else if bits < 64 {
            self.push(
                MInst::ToInt {
                    fp,
                    size: Size::B64,
                },
                &[Operand::def(dst), Operand::reg(src)],
            );
        } else {
            self.float_to_u64(dst, src, fp);
        }
    }

    /// `fptosi.sat` and `fptoui.sat`: what is too low, too high or no number is replaced afterwards.
    pub(super) fn float_to_int_saturating(
        &mut self,
        id: InstId,
        inst: &Inst,
        value: Value,
        signed: bool,
    ) -> Lowered {
        let bits = self.type_bits(inst.ty)?;
        let size = size_of(bits);
        let fp = self.scalar(self.body.type_of(value))?;
        let double = fp.is_double();
        let dst = self.result(id)?;
        let src = self.reg(value)?;
        let all = if size == Size::B64 {
            u64::MAX
        } else {
            u64::from(u32::MAX)
        };
        let magnitude = if signed { bits - 1 } else { bits };
        let lowest = if signed {
            self.imm((u64::MAX << magnitude) & all)
        } else {
            self.imm(0)
        };
        let highest = self.imm(u64::MAX.checked_shr(64 - magnitude).unwrap_or(0));
        let zero = self.imm(0);
        let raw = self.temp();
        self.truncate_float(raw, src, fp, bits, signed);
        let (above, below) = (self.float_temp(), self.float_temp());
        self.load_power(above, magnitude, false, double);
        if signed {
            self.load_power(below, magnitude, true, double);
        } else {
            self.push(MInst::FZero, &[Operand::def(below)]);
        }
        let compare = MInst::FCmp {
            double,
            src: Src::Reg,
        };
        let (clamped, bounded) = (self.temp(), self.temp());
        self.push(compare, &[Operand::reg(below), Operand::any(src)]);
        self.choose(Test::One(Cond::A), size, clamped, lowest, raw);
        self.push(compare, &[Operand::reg(src), Operand::any(above)]);
        self.choose(Test::One(Cond::Ae), size, bounded, highest, clamped);
        self.push(compare, &[Operand::reg(src), Operand::any(src)]);
        self.choose(Test::One(Cond::P), size, dst, zero, bounded);
        Ok(())
    }

    /// `dst` = plus or minus 2^`exponent`.
    fn load_power(&mut self, dst: Vreg, exponent: u32, negative: bool, double: bool) {
        let exponent = u64::from(exponent);
        let bits = if double {
            (1023 + exponent) << 52 | u64::from(negative) << 63
        } else {
            (127 + exponent) << 23 | u64::from(negative) << 31
        };
        let mem = self.constant_mem(u128::from(bits), if double { 8 } else { 4 });
        self.push(MInst::FLoad { double, mem }, &[Operand::def(dst)]);
    }

    /// `s | (cvtt(x - 2^63) & (s >> 63))` with `s = cvtt(x)`.
    fn float_to_u64(&mut self, dst: Vreg, src: Vreg, fp: Fp) {
        let double = fp.is_double();
        let size = Size::B64;
        let power = if double {
            0x43e0_0000_0000_0000
        } else {
            0x5f00_0000
        };
        let mem = self.constant_mem(power, if double { 8 } else { 4 });
        let (low, high, less) = (self.temp(), self.temp(), self.float_temp());
        let (sign, masked) = (self.temp(), self.temp());
        self.push(
            MInst::ToInt { fp, size },
            &[Operand::def(low), Operand::reg(src)],
        );
        self.float_op(FpOp::Sub, double, less, src, Src::Mem(mem), &[]);
        self.push(
            MInst::ToInt { fp, size },
            &[Operand::def(high), Operand::reg(less)],
        );
        let shift = MInst::ShiftImm {
            op: Shift::Sar,
            size,
            count: 63,
        };
        self.push(shift, &[Operand::tied(sign, 1), Operand::reg(low)]);
        self.alu_src(
            Alu::And,
            size,
            masked,
            sign,
            Src::Reg,
            &[Operand::any(high)],
        );
        self.alu_src(Alu::Or, size, dst, masked, Src::Reg, &[Operand::any(low)]);
    }

    fn signed_to_float(&mut self, dst: Vreg, value: Value, inst: &Inst) -> Lowered {
        let bits = self.bits(value)?;
        let fp = self.scalar(inst.ty)?;
        let size = size_of(bits);
        let src = self.sign_extended(value, bits)?;
        self.push(
            MInst::FromInt { fp, size },
            &[Operand::def(dst), Operand::any(src)],
        );
        Ok(())
    }

    fn unsigned_to_float(&mut self, dst: Vreg, value: Value, inst: &Inst) -> Lowered {
        let bits = self.bits(value)?;
        let fp = self.scalar(inst.ty)?;
        let src = self.zero_extended(value, bits)?;
        if bits < 64 {
            let size = if bits < 32 { Size::B32 } else { Size::B64 };
            self.push(
                MInst::FromInt { fp, size },
                &[Operand::def(dst), Operand::any(src)],
            );
            return Ok(());
        }
        // From 2^63 on: half of the number, the lost bit kept as a sticky one, is converted and doubled;
        // so there is one rounding.
        let size = Size::B64;
        let (half, bit, odd) = (self.temp(), self.temp(), self.temp());
        let shift = MInst::ShiftImm {
            op: Shift::Shr,
            size,
            count: 1,
        };
        self.push(shift, &[Operand::tied(half, 1), Operand::reg(src)]);
        self.alu_src(Alu::And, Size::B32, bit, src, Src::Imm(1), &[]);
        self.alu_src(Alu::Or, size, odd, half, Src::Reg, &[Operand::any(bit)]);
        let (chosen, single, doubled) = (self.temp(), self.float_temp(), self.float_temp());
        self.compare_imm(size, src, 0);
        self.choose(Test::One(Cond::S), size, chosen, odd, src);
        self.push(
            MInst::FromInt { fp, size },
            &[Operand::def(single), Operand::any(chosen)],
        );
        self.float_op(
            FpOp::Add,
            fp.is_double(),
            doubled,
            single,
            Src::Reg,
            &[Operand::any(single)],
        );
        self.compare_imm(size, src, 0);
        self.choose_float(Test::One(Cond::S), dst, doubled, single);
        Ok(())
    }

    fn float_to_float(&mut self, dst: Vreg, value: Value, inst: &Inst) -> Lowered {
        let from = self.is_double(self.body.type_of(value))?;
        let to = self.is_double(inst.ty)?;
        let op = match (from, to) {
            (true, false) => VecBin::CVTSD2SS,
            (false, true) => VecBin::CVTSS2SD,
            _ => return self.unsupported("conversion of floats"),
        };
        let (src, operands) = self.float_src(value, from)?;
        self.push_with(MInst::FConvert { op, src }, &[Operand::def(dst)], &operands);
        Ok(())
    }

    fn bitcast(&mut self, dst: Vreg, value: Value, inst: &Inst) -> Lowered {
        let from = self.part(self.body.type_of(value))?;
        let to = self.part(inst.ty)?;
        let bytes = self.types.layout(inst.ty).store;
        let size = if bytes == 8 { Size::B64 } else { Size::B32 };
        let src = self.reg(value)?;
        match (from.is_int(), to.is_int()) {
            (true, false) => {
                let operands: Operands =
                    [Operand::def(dst), Operand::any(src)].into_iter().collect();
                self.push(MInst::MovToVec { size }, &operands);
            }
            (false, true) => {
                self.push(
                    MInst::MovFromVec { size },
                    &[Operand::def(dst), Operand::reg(src)],
                );
            }
            _ => self.copy(dst, src),
        }
        Ok(())
    }

    /// The scalar operations' type for `ty`.
    pub(super) fn scalar(&self, ty: ir::TypeId) -> Lowered<Fp> {
        match self.types.get(ty) {
            Type::Float => Ok(Fp::Ss),
            Type::Double => Ok(Fp::Sd),
            _ => self.is_double(ty).map(|_| Fp::Sd),
        }
    }
}
