//! Floating-point intrinsics.

use super::emit::Emitter;
use super::float::format;
use super::operand::bits_of;
use super::regs::VEC_TEMP;
use super::rounding::{DOWN, NEAREST, TO_ZERO, UP};
use super::value::Reg;
use crate::abi::Part;
use crate::tier::Declined;
use asm::{Cond, Fma, FmaOrder, FpOp, Gpr, Rounding, Size, VecBin, VecExtract, VecUn, Xmm};
use ir::{FuncAttrs, Inst, InstId, Intrinsic, Value};

/// `vcvtps2ph` immediate: to nearest even, whatever MXCSR says.
pub(super) const HALF_NEAREST: u8 = 0;

impl Emitter<'_> {
    /// Emits a floating-point intrinsic with operands `args`.
    pub(super) fn float_intrinsic(
        &mut self,
        id: InstId,
        inst: &Inst,
        which: Intrinsic,
        args: &[Value],
    ) -> Result<(), Declined> {
        let part = self.result_part(id);
        let dst = match (which, args) {
            (Intrinsic::FMulAdd | Intrinsic::Fma, &[a, b, c]) => {
                let attrs = self.job.function().attrs;
                if which == Intrinsic::Fma || attrs.has(FuncAttrs::FMA) {
                    self.fused(id, a, b, c)
                } else {
                    self.multiply_add(id, a, b, c)
                }
            }
            (Intrinsic::FAbs, &[a]) => {
                let mask = Self::sign(part) - 1;
                self.with_mask(id, VecBin::ANDPS, a, mask)
            }
            (Intrinsic::Sqrt, &[a]) => {
                let op = if part == Part::F32 {
                    VecBin::SQRTSS
                } else {
                    VecBin::SQRTSD
                };
                let source = self.xmm(a);
                let dst = self.dst(id);
                self.asm.vec_mov(self.enc, dst.xmm(), source);
                self.asm
                    .vec_bin(self.enc, op, dst.xmm(), dst.xmm(), dst.xmm());
                dst
            }
            (Intrinsic::Floor, &[a]) => self.round_to(id, a, DOWN),
            (Intrinsic::Ceil, &[a]) => self.round_to(id, a, UP),
            (Intrinsic::FTrunc, &[a]) => self.round_to(id, a, TO_ZERO),
            (Intrinsic::Rint, &[a]) => self.round_to(id, a, NEAREST),
            (Intrinsic::Round, &[a]) => self.round_half_away(id, a),
            (Intrinsic::CopySign, &[a, b]) => self.copy_sign(id, a, b),
            (Intrinsic::MinNum, &[a, b]) => self.extremum(id, FpOp::Min, a, b),
            (Intrinsic::MaxNum, &[a, b]) => self.extremum(id, FpOp::Max, a, b),
            (Intrinsic::FpToSiSat, &[a]) => self.saturate(id, a, true),
            (Intrinsic::FpToUiSat, &[a]) => self.saturate(id, a, false),
            (Intrinsic::HalfToFloat, &[a]) if self.job.cpu.f16c => {
                let source = self.gpr(a);
                let dst = self.dst(id);
                self.asm.movd(self.enc, Size::B32, dst.xmm(), source);
                self.asm
                    .vec_un(self.enc, VecUn::VCVTPH2PS, dst.xmm(), dst.xmm());
                dst
            }
            (Intrinsic::FloatToHalf, &[a]) if self.job.cpu.f16c => {
                let source = self.xmm(a);
                let dst = self.dst(id);
                self.asm.vec_extract(
                    self.enc,
                    VecExtract::VCVTPS2PH,
                    VEC_TEMP,
                    source,
                    HALF_NEAREST,
                );
                self.asm.movd_mr(self.enc, Size::B32, dst.gpr(), VEC_TEMP);
                dst
            }
            _ => return self.unsupported("intrinsic"),
        };
        self.done(id, inst, dst, 0);
        Ok(())
    }

    fn fused(&mut self, id: InstId, a: Value, b: Value, c: Value) -> Reg {
        if !self.job.cpu.fma {
            return self.fused_by_x87(id, [a, b, c]);
        }
        let x = self.get(a);
        let y = self.xmm(b);
        let z = self.xmm(c);
        let dst = self.dst(id);
        self.asm.vec_mov(self.enc, dst.xmm(), x.xmm());
        let op = VecBin::fma(Fma::Madd, FmaOrder::F213, format(self.result_part(id)));
        self.asm.vec_bin(self.enc, op, dst.xmm(), y, z);
        dst
    }

    fn multiply_add(&mut self, id: InstId, a: Value, b: Value, c: Value) -> Reg {
        let format = format(self.result_part(id));
        let x = self.xmm(a);
        let y = self.xmm(b);
        let z = self.xmm(c);
        let dst = self.dst(id).xmm();
        self.asm
            .vec_bin(self.enc, VecBin::arith(FpOp::Mul, format), dst, x, y);
        self.asm
            .vec_bin(self.enc, VecBin::arith(FpOp::Add, format), dst, dst, z);
        Reg::of_xmm(dst)
    }

    fn copy_sign(&mut self, id: InstId, a: Value, b: Value) -> Reg {
        let part = self.result_part(id);
        let sign = self.mask(part, Self::sign(part));
        let rest = self.mask(part, Self::sign(part) - 1);
        let magnitude = self.xmm(a);
        let signed = self.xmm(b);
        let dst = self.dst(id).xmm();
        self.asm.vec_mov(self.enc, VEC_TEMP, signed);
        self.asm
            .vec_bin(self.enc, VecBin::ANDPS, VEC_TEMP, VEC_TEMP, sign);
        self.asm.vec_mov(self.enc, dst, magnitude);
        self.asm.vec_bin(self.enc, VecBin::ANDPS, dst, dst, rest);
        self.asm.vec_bin(self.enc, VecBin::ORPS, dst, dst, VEC_TEMP);
        Reg::of_xmm(dst)
    }

    /// The hardware's minimum is `l < r ? l : r`: with `b` left and `a` right a NaN in `b` gives `a`; a NaN in
    /// `a` gives `a` and is corrected.
    fn extremum(&mut self, id: InstId, op: FpOp, a: Value, b: Value) -> Reg {
        let part = self.result_part(id);
        let x = self.xmm(a);
        let y = self.xmm(b);
        let dst = self.dst(id).xmm();
        self.asm
            .vec_bin(self.enc, VecBin::arith(op, format(part)), dst, y, x);
        self.compare_with_itself(part, x);
        let ordered = self.asm.label();
        self.asm.jcc_short(Cond::Np, ordered);
        self.asm.vec_mov(self.enc, dst, y);
        self.asm.bind(ordered);
        Reg::of_xmm(dst)
    }

    fn compare_with_itself(&mut self, part: Part, x: Xmm) {
        let op = if part == Part::F32 {
            VecUn::UCOMISS
        } else {
            VecUn::UCOMISD
        };
        self.asm.vec_un(self.enc, op, x, x);
    }

    /// Conversion that gives the nearest integer there is, and 0 for NaN. In double, in which floats
    /// and the limits are exact.
    fn saturate(&mut self, id: InstId, a: Value, signed: bool) -> Reg {
        let bits = bits_of(self.result_part(id));
        let part = self.part(a);
        let mut x = self.xmm(a);
        if part == Part::F32 {
            let wide = self.vec_temp();
            self.asm.vec_mov(self.enc, wide, x);
            self.asm
                .vec_bin(self.enc, VecBin::CVTSS2SD, wide, wide, wide);
            x = wide;
        }
        let dst = self.dst(id).gpr();
        let limit = self.temp();
        let range = if signed { bits - 1 } else { bits };
        let double = asm::Fp::Sd;
        self.asm
            .cvt_to_int(self.enc, Rounding::Truncate, double, Size::B64, dst, x);
        if !signed && bits == 64 {
            self.unsigned_above(dst, limit, x);
        }
        // 2^range as a double: exponent bias 1023.
        let power = (1023 + u64::from(range)) << 52;
        let above = u64::MAX >> (64 - u32::from(range));
        self.clamp(dst, limit, x, power, Cond::Ae, above);
        if signed {
            let lowest = (1u64 << 63) >> (63 - u32::from(range));
            self.clamp(
                dst,
                limit,
                x,
                power | 1 << 63,
                Cond::B,
                lowest.wrapping_neg(),
            );
            self.asm.mov_i(limit, 0);
            self.asm.vec_un(self.enc, VecUn::UCOMISD, x, x);
            self.asm.cmov(Cond::P, Size::B64, dst, limit);
        } else {
            self.clamp(dst, limit, x, 0, Cond::Be, 0);
        }
        if bits == 32 {
            self.asm.mov(Size::B32, dst, dst);
        }
        Reg::of(dst)
    }

    /// From 2⁶³ on, `dst` is the difference to it, converted, with the top bit set.
    fn unsigned_above(&mut self, dst: Gpr, high: Gpr, x: Xmm) {
        self.upper_half(Part::F64, high, x);
        let small = self.asm.label();
        self.asm.test(Size::B64, dst, dst);
        self.asm.jcc_short(Cond::Ns, small);
        self.asm.alu(asm::Alu::Or, Size::B64, dst, high);
        self.asm.bind(small);
    }

    /// `dst = value` if `x` compares with the double `bound` as `cond` says.
    fn clamp(&mut self, dst: Gpr, temp: Gpr, x: Xmm, bound: u64, cond: Cond, value: u64) {
        self.asm.mov_i(temp, value);
        self.load_float(VEC_TEMP, Part::F64, bound);
        self.asm.vec_un(self.enc, VecUn::UCOMISD, x, VEC_TEMP);
        self.asm.cmov(cond, Size::B64, dst, temp);
    }
}
