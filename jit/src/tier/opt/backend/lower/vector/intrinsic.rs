//! Intrinsics on lanes.

use super::arith::packed;
use super::{Shape, splat};
use crate::tier::opt::backend::lower::{Lower, Lowered};
use crate::tier::opt::backend::vcode::{MInst, Operand, Vreg};
use asm::{FpOp, VecBin, VecUn, VecUnImm};
use ir::{FuncAttrs, Inst, Intrinsic, Value};

impl Lower<'_> {
    /// `Intrinsic` on vectors.
    pub(super) fn lanes_intrinsic(&mut self, inst: &Inst) -> Lowered<Vreg> {
        use Intrinsic as I;
        let Some(intrinsic) = inst.intrinsic() else {
            return self.unsupported("an intrinsic");
        };
        let words = self.body.words(inst.args[1], inst.args[2]);
        let arg = |at: usize| words.get(at).map_or(Value::NONE, |&word| Value(word));
        let args = [arg(0), arg(1), arg(2)];
        let [a, b, _] = args;
        match intrinsic {
            I::Blend => self.lanes_blend(args),
            I::MoveMask => self.lanes_move_mask(a),
            I::HalfToFloat | I::FloatToHalf => self.lanes_half(intrinsic == I::HalfToFloat, a),
            I::SMax => self.lanes_extreme(true, true, [a, b]),
            I::SMin => self.lanes_extreme(true, false, [a, b]),
            I::UMax => self.lanes_extreme(false, true, [a, b]),
            I::UMin => self.lanes_extreme(false, false, [a, b]),
            I::Abs => self.lanes_abs(a),
            I::SAddSat | I::UAddSat | I::SSubSat | I::USubSat => {
                self.lanes_saturating(intrinsic, [a, b])
            }
            I::FMulAdd | I::Fma => self.lanes_fused(intrinsic == I::Fma, args),
            _ => self.lanes_float_intrinsic(intrinsic, a, b),
        }
    }

    /// F16C's conversions; the integer side holds halves.
    fn lanes_half(&mut self, to_float: bool, a: Value) -> Lowered<Vreg> {
        let shape = self.shape_of(a)?;
        let a = self.reg(a)?;
        if to_float {
            return Ok(self.un(VecUn::VCVTPH2PS, shape.count == 8, a));
        }
        Ok(self.halves_of(shape.wide(), a))
    }

    fn lanes_abs(&mut self, a: Value) -> Lowered<Vreg> {
        let shape = self.shape_of(a)?;
        let wide = shape.wide();
        let a = self.reg(a)?;
        let op = match shape.bits {
            8 => VecUn::PABSB,
            16 => VecUn::PABSW,
            _ => VecUn::PABSD,
        };
        Ok(self.un(op, wide, a))
    }

    fn lanes_saturating(&mut self, which: Intrinsic, [a, b]: [Value; 2]) -> Lowered<Vreg> {
        let shape = self.shape_of(a)?;
        let op = match (which, shape.bits) {
            (Intrinsic::SAddSat, 8) => VecBin::PADDSB,
            (Intrinsic::SAddSat, 16) => VecBin::PADDSW,
            (Intrinsic::UAddSat, 8) => VecBin::PADDUSB,
            (Intrinsic::UAddSat, 16) => VecBin::PADDUSW,
            (Intrinsic::SSubSat, 8) => VecBin::PSUBSB,
            (Intrinsic::SSubSat, 16) => VecBin::PSUBSW,
            (Intrinsic::USubSat, 8) => VecBin::PSUBUSB,
            (Intrinsic::USubSat, 16) => VecBin::PSUBUSW,
            _ => return self.unsupported("saturating arithmetic on these lanes"),
        };
        let a = self.reg(a)?;
        let b = self.lanes_input(b)?;
        Ok(self.bin_input(op, shape.wide(), a, b))
    }

    fn lanes_fused(&mut self, always: bool, [a, b, c]: [Value; 3]) -> Lowered<Vreg> {
        let shape = self.shape_of(a)?;
        let wide = shape.wide();
        let fp = packed(shape.bits);
        let fused = always || self.job.function().attrs.has(FuncAttrs::FMA);
        if !fused {
            let (a, b) = (self.reg(a)?, self.lanes_input(b)?);
            let product = self.bin_input(VecBin::arith(FpOp::Mul, fp), wide, a, b);
            let c = self.reg(c)?;
            return Ok(self.bin(VecBin::arith(FpOp::Add, fp), wide, product, c));
        }
        if !self.cpu.fma {
            return self.unsupported("fused multiply-add of vectors on this CPU");
        }
        let (a, b) = (self.reg(a)?, self.reg(b)?);
        let (src, operands) = self.lanes_input(c)?;
        let dst = self.vector_temp(wide);
        let first = [Operand::tied(dst, 1), Operand::reg(a), Operand::reg(b)];
        self.push_with(MInst::FFma { fp, wide, src }, &first, &operands);
        Ok(dst)
    }

    fn lanes_float_intrinsic(&mut self, which: Intrinsic, a: Value, b: Value) -> Lowered<Vreg> {
        use Intrinsic as I;
        let shape = self.shape_of(a)?;
        let Shape { bits, .. } = shape;
        let wide = shape.wide();
        let sign = splat(bits, 1 << (bits - 1));
        let magnitude = sign.map(|half| !half);
        match which {
            I::Sqrt => {
                let input = self.lanes_input(a)?;
                let op = if bits == 64 {
                    VecUn::SQRTPD
                } else {
                    VecUn::SQRTPS
                };
                Ok(self.un_input(op, wide, input))
            }
            I::FAbs => {
                let a = self.reg(a)?;
                Ok(self.bin_constant(VecBin::ANDPS, wide, a, magnitude))
            }
            I::CopySign => {
                let (a, b) = (self.reg(a)?, self.reg(b)?);
                let number = self.bin_constant(VecBin::ANDPS, wide, a, magnitude);
                let sign = self.bin_constant(VecBin::ANDPS, wide, b, sign);
                Ok(self.bin(VecBin::ORPS, wide, number, sign))
            }
            I::Floor | I::Ceil | I::FTrunc | I::Rint => {
                // Bit 3: no inexact exception (SDM vol. 2, ROUNDPD).
                let mode = 8 | match which {
                    I::Floor => 1,
                    I::Ceil => 2,
                    I::FTrunc => 3,
                    _ => 0,
                };
                let op = if bits == 64 {
                    VecUnImm::ROUNDPD
                } else {
                    VecUnImm::ROUNDPS
                };
                let a = self.reg(a)?;
                Ok(self.un_imm(op, mode, wide, a))
            }
            _ => self.unsupported(which.name()),
        }
    }
}
