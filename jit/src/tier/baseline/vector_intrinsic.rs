//! Intrinsics on vectors.

use super::emit::Emitter;
use super::float_intrinsic::HALF_NEAREST;
use super::lanes::{Lane, Shape};
use super::regs::VEC_TEMP;
use super::rounding::{DOWN, NEAREST, TO_ZERO, UP};
use super::value::Reg;
use crate::tier::Declined;
use asm::{Alu, Fma, FmaOrder, FpOp, Size, VecBin, VecExtract, VecSigns, VecUn, VecUnImm};
use ir::{FuncAttrs, Inst, InstId, Intrinsic, Value};

impl Emitter<'_> {
    /// An intrinsic whose result is a vector.
    pub(super) fn vector_intrinsic(
        &mut self,
        id: InstId,
        inst: &Inst,
        which: Intrinsic,
        args: &[Value],
    ) -> Result<(), Declined> {
        let shape = self.shape(inst.ty)?;
        let dst = match (which, args) {
            (Intrinsic::Blend, &[mask, a, b]) => self.blend(id, [mask, a, b])?,
            (Intrinsic::FMulAdd | Intrinsic::Fma, &[a, b, c]) => {
                self.vector_multiply_add(id, shape, which, [a, b, c])?
            }
            (Intrinsic::FAbs, &[a]) => {
                let mask = u64::MAX >> (65 - shape.lane.bits());
                self.vector_with_mask(id, inst.ty, VecBin::ANDPS, a, mask)?
            }
            (Intrinsic::CopySign, &[a, b]) => self.vector_copy_sign(id, shape, a, b),
            (Intrinsic::Floor, &[a]) => self.vector_round(id, shape, a, DOWN),
            (Intrinsic::Ceil, &[a]) => self.vector_round(id, shape, a, UP),
            (Intrinsic::FTrunc, &[a]) => self.vector_round(id, shape, a, TO_ZERO),
            (Intrinsic::Rint, &[a]) => self.vector_round(id, shape, a, NEAREST),
            (Intrinsic::FloatToHalf, &[a]) => {
                let source = self.xmm(a);
                let from = self.shape(self.body.type_of(a))?;
                let dst = self.dst(id);
                self.asm.vec_extract(
                    self.enc_for(from),
                    VecExtract::VCVTPS2PH,
                    dst.xmm(),
                    source,
                    HALF_NEAREST,
                );
                dst
            }
            (_, &[a]) => {
                let Some(op) = of_one(which, shape.lane) else {
                    return self.unsupported("vector intrinsic outside the machine dialect");
                };
                let source = self.xmm(a);
                let dst = self.dst(id);
                self.asm.vec_un(self.enc_for(shape), op, dst.xmm(), source);
                dst
            }
            (_, &[a, b]) => match of_two(which, shape.lane) {
                Some(op) => self.vec_binary(id, op, a, b),
                None => return self.unsupported("vector intrinsic outside the machine dialect"),
            },
            _ => return self.unsupported("vector intrinsic outside the machine dialect"),
        };
        self.done(id, inst, dst, 0);
        Ok(())
    }

    fn vector_multiply_add(
        &mut self,
        id: InstId,
        shape: Shape,
        which: Intrinsic,
        args: [Value; 3],
    ) -> Result<Reg, Declined> {
        let attrs = self.job.function().attrs;
        let fused = which == Intrinsic::Fma || attrs.has(FuncAttrs::FMA);
        if fused && !self.job.cpu.fma {
            return self.unsupported("vector intrinsic outside the machine dialect");
        }
        let [x, y, z] = args.map(|value| self.xmm(value));
        let dst = self.dst(id);
        let format = shape.lane.packed();
        if fused {
            self.vec_copy(shape, dst.xmm(), x);
            let op = VecBin::fma(Fma::Madd, FmaOrder::F213, format);
            self.vec_op(shape, op, dst.xmm(), y, z);
        } else {
            self.vec_op(shape, VecBin::arith(FpOp::Mul, format), dst.xmm(), x, y);
            self.vec_step(shape, VecBin::arith(FpOp::Add, format), dst.xmm(), z);
        }
        Ok(dst)
    }

    fn vector_copy_sign(&mut self, id: InstId, shape: Shape, a: Value, b: Value) -> Reg {
        let sign = self.splat(shape, 1 << (shape.lane.bits() - 1));
        let magnitude = self.xmm(a);
        let signed = self.xmm(b);
        let dst = self.dst(id);
        let signs = self.vec_temp();
        let enc = self.enc_for(shape);
        self.asm.vec_load(enc, asm::VecLoad::MOVAPS, signs, sign);
        self.vec_op(shape, VecBin::ANDPS, VEC_TEMP, signs, signed);
        self.vec_op(shape, VecBin::ANDNPS, dst.xmm(), signs, magnitude);
        self.vec_step(shape, VecBin::ORPS, dst.xmm(), VEC_TEMP);
        dst
    }

    fn vector_round(&mut self, id: InstId, shape: Shape, a: Value, mode: u8) -> Reg {
        let source = self.xmm(a);
        let dst = self.dst(id);
        let op = if shape.lane == Lane::F32 {
            VecUnImm::ROUNDPS
        } else {
            VecUnImm::ROUNDPD
        };
        self.asm
            .vec_un_i(self.enc_for(shape), op, dst.xmm(), source, mode);
        dst
    }

    /// `MoveMask`: each lane's top bit, the first lane's lowest.
    pub(super) fn move_mask(&mut self, id: InstId, value: Value) -> Result<Reg, Declined> {
        let shape = self.shape(self.body.type_of(value))?;
        let source = self.xmm(value);
        let dst = self.dst(id);
        let enc = self.enc_for(shape);
        let mut valid = 16 / shape.lane.bytes();
        match shape.lane.log2() {
            0 => self
                .asm
                .vec_signs(enc, VecSigns::PMOVMSKB, dst.gpr(), source),
            1 => {
                // Words become bytes with the same sign; of 256 bits, those of both halves.
                let high = if shape.is_wide() {
                    self.upper_lanes(source)
                } else {
                    source
                };
                let packed = self.vec_temp();
                self.asm
                    .vec_bin(self.enc, VecBin::PACKSSWB, packed, source, high);
                self.asm
                    .vec_signs(self.enc, VecSigns::PMOVMSKB, dst.gpr(), packed);
                valid = 16;
            }
            2 => self
                .asm
                .vec_signs(enc, VecSigns::MOVMSKPS, dst.gpr(), source),
            _ => self
                .asm
                .vec_signs(enc, VecSigns::MOVMSKPD, dst.gpr(), source),
        }
        if shape.count < valid {
            self.asm
                .alu_i(Alu::And, Size::B32, dst.gpr(), (1 << shape.count) - 1);
        }
        Ok(dst)
    }
}

fn of_one(which: Intrinsic, lane: Lane) -> Option<VecUn> {
    Some(match (which, lane) {
        (Intrinsic::Sqrt, Lane::F32) => VecUn::SQRTPS,
        (Intrinsic::Sqrt, Lane::F64) => VecUn::SQRTPD,
        (Intrinsic::Abs, Lane::I8) => VecUn::PABSB,
        (Intrinsic::Abs, Lane::I16) => VecUn::PABSW,
        (Intrinsic::Abs, Lane::I32) => VecUn::PABSD,
        (Intrinsic::HalfToFloat, Lane::F32) => VecUn::VCVTPH2PS,
        _ => return None,
    })
}

fn of_two(which: Intrinsic, lane: Lane) -> Option<VecBin> {
    let at = lane.log2();
    let table = match which {
        Intrinsic::SMin => [VecBin::PMINSB, VecBin::PMINSW, VecBin::PMINSD],
        Intrinsic::SMax => [VecBin::PMAXSB, VecBin::PMAXSW, VecBin::PMAXSD],
        Intrinsic::UMin => [VecBin::PMINUB, VecBin::PMINUW, VecBin::PMINUD],
        Intrinsic::UMax => [VecBin::PMAXUB, VecBin::PMAXUW, VecBin::PMAXUD],
        _ if at > 1 => return None,
        Intrinsic::SAddSat => [VecBin::PADDSB, VecBin::PADDSW, VecBin::PADDSW],
        Intrinsic::UAddSat => [VecBin::PADDUSB, VecBin::PADDUSW, VecBin::PADDUSW],
        Intrinsic::SSubSat => [VecBin::PSUBSB, VecBin::PSUBSW, VecBin::PSUBSW],
        Intrinsic::USubSat => [VecBin::PSUBUSB, VecBin::PSUBUSW, VecBin::PSUBUSW],
        _ => return None,
    };
    (!lane.is_float()).then(|| table.get(at).copied()).flatten()
}
