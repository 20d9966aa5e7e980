//! Intrinsics: which is which; extremes, floats, variadic lists, the stack.

use super::{Lower, Lowered, size_of};
use crate::tier::flags::Test;
use crate::tier::opt::backend::vcode::{MInst, Operand, Src, Vreg};
use asm::{Alu, Cond, FpOp, Size, Unary, VecBin};
use ir::{FuncAttrs, Inst, InstId, Intrinsic, Value};

/// Whether an intrinsic must stay though its result is not used.
pub(super) fn has_effect(intrinsic: Intrinsic) -> bool {
    use Intrinsic as I;
    match intrinsic {
        I::Memcpy | I::Memmove | I::Memset | I::VaStart | I::VaCopy => true,
        I::StackSave | I::StackRestore | I::Trap => true,
        I::UDiv128 | I::URem128 | I::SDiv128 | I::SRem128 => true,
        other => other.is_x87() && !matches!(other, I::X87Cmp | I::X87To),
    }
}

impl Lower<'_> {
    /// `Intrinsic`.
    pub(super) fn intrinsic(&mut self, id: InstId, inst: &Inst) -> Lowered {
        use Intrinsic as I;
        let Some(intrinsic) = inst.intrinsic() else {
            return self.unsupported("an intrinsic");
        };
        let words = self.body.words(inst.args[1], inst.args[2]);
        let arg = |at: usize| words.get(at).map_or(Value::NONE, |&word| Value(word));
        let args = [arg(0), arg(1), arg(2)];
        match intrinsic {
            I::Memcpy | I::Memmove => self.copy_block(args, intrinsic == I::Memmove),
            I::Memset => self.fill_block(args),
            I::VaStart => self.va_start(args[0]),
            I::VaCopy => self.va_copy(args[0], args[1]),
            I::StackSave | I::StackRestore | I::Trap => self.stack_or_trap(id, intrinsic, args[0]),
            I::SMax | I::SMin | I::UMax | I::UMin | I::Abs | I::UCmp | I::SCmp => {
                self.extreme(id, intrinsic, inst, args)
            }
            I::FShl | I::FShr => self.funnel_shift(id, intrinsic == I::FShl, inst, args),
            I::CtPop | I::CtLz | I::CtTz => self.count_bits(id, intrinsic, inst, args[0]),
            I::BSwap => self.swap_bytes(id, inst, args[0]),
            I::BitReverse => self.reverse_bits(id, inst, args[0]),
            I::FpToSiSat | I::FpToUiSat => {
                self.float_to_int_saturating(id, inst, args[0], intrinsic == I::FpToSiSat)
            }
            I::SAddSat | I::UAddSat | I::SSubSat | I::USubSat => {
                self.saturating(id, intrinsic, inst, args)
            }
            I::SAddOverflow
            | I::UAddOverflow
            | I::SSubOverflow
            | I::USubOverflow
            | I::SMulOverflow
            | I::UMulOverflow => self.overflowing(id, intrinsic, args),
            I::FMulAdd | I::Fma => self.fused(id, intrinsic, inst, args),
            _ if Self::is_machine(intrinsic) => self.machine_intrinsic(id, intrinsic, inst, args),
            _ => self.float_intrinsic(id, intrinsic, inst, args),
        }
    }

    fn stack_or_trap(&mut self, id: InstId, intrinsic: Intrinsic, arg: Value) -> Lowered {
        match intrinsic {
            Intrinsic::Trap => self.push(MInst::Ud2, &[]),
            Intrinsic::StackSave => {
                let dst = self.result(id)?;
                self.push(MInst::StackSave, &[Operand::def(dst)]);
            }
            _ => {
                let src = self.reg(arg)?;
                self.code.moves_rsp = true;
                self.code.frame_pointer = true;
                self.push(MInst::StackRestore, &[Operand::reg(src)]);
            }
        }
        Ok(())
    }

    fn fused(
        &mut self,
        id: InstId,
        intrinsic: Intrinsic,
        inst: &Inst,
        args: [Value; 3],
    ) -> Lowered {
        let double = self.is_double(inst.ty)?;
        let dst = self.result(id)?;
        let has = self.job.function().attrs.has(FuncAttrs::FMA);
        self.multiply_add(dst, args, double, intrinsic == Intrinsic::Fma || has)
    }

    fn float_intrinsic(
        &mut self,
        id: InstId,
        intrinsic: Intrinsic,
        inst: &Inst,
        args: [Value; 3],
    ) -> Lowered {
        use Intrinsic as I;
        let known = matches!(
            intrinsic,
            I::FAbs
                | I::Sqrt
                | I::Floor
                | I::Ceil
                | I::FTrunc
                | I::Rint
                | I::Round
                | I::CopySign
                | I::MinNum
                | I::MaxNum
        );
        if !known {
            return self.unsupported(intrinsic.name());
        }
        let double = self.is_double(inst.ty)?;
        let dst = self.result(id)?;
        if intrinsic == I::Sqrt {
            let op = if double {
                VecBin::SQRTSD
            } else {
                VecBin::SQRTSS
            };
            let (src, operands) = self.float_src(args[0], double)?;
            self.push_with(MInst::FConvert { op, src }, &[Operand::def(dst)], &operands);
            return Ok(());
        }
        let a = self.reg(args[0])?;
        match intrinsic {
            I::FAbs => self.float_abs(dst, a, double),
            I::CopySign => {
                let b = self.reg(args[1])?;
                self.copy_sign(dst, a, b, double);
            }
            I::MinNum | I::MaxNum => {
                let b = self.reg(args[1])?;
                let op = if intrinsic == I::MinNum {
                    FpOp::Min
                } else {
                    FpOp::Max
                };
                self.min_max(op, dst, a, b, double);
            }
            I::Round => self.round_half_away(dst, a, double),
            _ => {
                let mode = match intrinsic {
                    I::Floor => 1,
                    I::Ceil => 2,
                    I::FTrunc => 3,
                    _ => 0,
                };
                self.round(dst, a, double, mode);
            }
        }
        Ok(())
    }

    /// Both arguments extended as the intrinsic's sign asks.
    fn extended_pair(
        &mut self,
        signed: bool,
        args: [Value; 3],
        bits: u32,
    ) -> Lowered<(Vreg, Vreg)> {
        if signed {
            Ok((
                self.sign_extended(args[0], bits)?,
                self.sign_extended(args[1], bits)?,
            ))
        } else {
            Ok((
                self.zero_extended(args[0], bits)?,
                self.zero_extended(args[1], bits)?,
            ))
        }
    }

    fn extreme(
        &mut self,
        id: InstId,
        intrinsic: Intrinsic,
        inst: &Inst,
        args: [Value; 3],
    ) -> Lowered {
        use Intrinsic as I;
        let bits = self.bits(args[0])?;
        let size = size_of(bits);
        let dst = self.result(id)?;
        if intrinsic == I::Abs {
            let a = self.sign_extended(args[0], bits)?;
            let negated = self.temp();
            let neg = MInst::Unary {
                op: Unary::Neg,
                size,
            };
            self.push(neg, &[Operand::tied(negated, 1), Operand::reg(a)]);
            self.compare_imm(size, a, 0);
            self.choose(Test::One(Cond::S), size, dst, negated, a);
            return Ok(());
        }
        let signed = matches!(intrinsic, I::SMax | I::SMin | I::SCmp);
        let (a, b) = self.extended_pair(signed, args, bits)?;
        let cond = match intrinsic {
            I::SMax | I::SCmp => Cond::G,
            I::SMin => Cond::L,
            I::UMax | I::UCmp => Cond::A,
            _ => Cond::B,
        };
        let compare = MInst::Cmp {
            size,
            src: Src::Reg,
        };
        if !matches!(intrinsic, I::UCmp | I::SCmp) {
            self.push(compare, &[Operand::reg(a), Operand::any(b)]);
            self.choose(Test::One(cond), size, dst, a, b);
            return Ok(());
        }
        let (above, below) = (self.temp(), self.temp());
        let less = if signed { Cond::L } else { Cond::B };
        self.push(compare, &[Operand::reg(a), Operand::any(b)]);
        self.push(MInst::Set(Test::One(cond)), &[Operand::def(above)]);
        self.push(compare, &[Operand::reg(a), Operand::any(b)]);
        self.push(MInst::Set(Test::One(less)), &[Operand::def(below)]);
        let size = size_of(self.type_bits(inst.ty)?);
        self.alu_src(Alu::Sub, size, dst, above, Src::Reg, &[Operand::any(below)]);
        Ok(())
    }

    fn va_start(&mut self, list: Value) -> Lowered {
        let image = match self.image {
            Some(image) => image,
            None => self.temp(),
        };
        self.image = Some(image);
        let first = self.temp();
        let bytes = self.fixed_image_bytes() as i32;
        self.add_imm(first, image, bytes, Size::B32);
        let (mem, operands) = self.address(list)?;
        self.store_word(first, mem, &operands);
        Ok(())
    }

    fn va_copy(&mut self, to: Value, from: Value) -> Lowered {
        let (source, operands) = self.address(from)?;
        let word = self.temp();
        self.load_word(word, Size::B32, source, &operands);
        let (target, operands) = self.address(to)?;
        self.store_word(word, target, &operands);
        Ok(())
    }
}
