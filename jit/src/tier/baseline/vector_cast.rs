//! Conversions of vectors, lane by lane, and between vectors and scalars of the same bits.

use super::emit::Emitter;
use super::lanes::{Lane, Shape};
use super::regs::VEC_TEMP;
use crate::abi::Part;
use crate::tier::Declined;
use asm::{Size, VecBin, VecBinImm, VecUn, Xmm};
use ir::{Inst, InstId, Op, TypeId, Value};

impl Emitter<'_> {
    /// A cast from or to a vector.
    pub(super) fn vector_cast(&mut self, id: InstId, inst: &Inst) -> Result<(), Declined> {
        let value = Value(inst.args[0]);
        if inst.op == Op::Bitcast {
            return self.vector_bits(id, inst, value);
        }
        let ty = self.body.type_of(value);
        if self.is_mask_type(ty) {
            // The mask's lanes are as wide as the result's.
            self.forward_reg(id, inst, value, 0);
            return Ok(());
        }
        let (from, to) = (self.shape(ty)?, self.shape(inst.ty)?);
        let source = self.xmm(value);
        let dst = self.dst(id);
        let op = match inst.op {
            Op::Trunc => {
                self.narrow_lanes(from, to, dst.xmm(), source);
                self.done(id, inst, dst, 0);
                return Ok(());
            }
            Op::SExt | Op::ZExt => extension(inst.op, from.lane, to.lane),
            Op::SiToFp if to.lane == Lane::F32 => VecUn::CVTDQ2PS,
            Op::SiToFp => VecUn::CVTDQ2PD,
            Op::FpToSi if from.lane == Lane::F32 => VecUn::CVTTPS2DQ,
            Op::FpToSi => VecUn::CVTTPD2DQ,
            Op::FpExt => VecUn::CVTPS2PD,
            Op::FpTrunc => VecUn::CVTPD2PS,
            _ => return self.unsupported("vector cast outside the machine dialect"),
        };
        // As wide as the wider of the two.
        let enc = self.enc_for(if from.bytes() > to.bytes() { from } else { to });
        self.asm.vec_un(enc, op, dst.xmm(), source);
        self.done(id, inst, dst, 0);
        Ok(())
    }

    fn is_mask_type(&self, ty: TypeId) -> bool {
        let vector = self.job.module.types.vector(ty);
        vector.is_some_and(|(lane, _)| lane == TypeId::I1)
    }

    /// The same bits: between vector registers nothing happens.
    fn vector_bits(&mut self, id: InstId, inst: &Inst, value: Value) -> Result<(), Declined> {
        let size = |part: Part| match part {
            Part::Int(64) => Size::B64,
            _ => Size::B32,
        };
        let (from, to) = (self.part(value), self.result_part(id));
        let dst = if to.is_int() {
            let source = self.xmm(value);
            let dst = self.dst(id);
            self.asm.movd_mr(self.enc, size(to), dst.gpr(), source);
            dst
        } else if from.is_int() {
            let source = self.gpr(value);
            let dst = self.dst(id);
            self.asm.movd(self.enc, size(from), dst.xmm(), source);
            dst
        } else {
            let source = self.get(value);
            let dst = self.dst(id);
            self.copy(dst, source, to);
            dst
        };
        self.done(id, inst, dst, 0);
        Ok(())
    }

    /// Integers to narrower ones: halved until they fit, two registers of 128 bits becoming one.
    fn narrow_lanes(&mut self, from: Shape, to: Shape, dst: Xmm, source: Xmm) {
        let (mut low, mut high) = (source, source);
        let mut width = from.lane.log2();
        if from.is_wide() {
            high = self.vec_temp();
            let upper = self.upper_lanes(source);
            self.asm.vec_mov(self.enc, high, upper);
        }
        while width > to.lane.log2() {
            self.narrow_once(width, dst, low, high);
            (low, high) = (dst, dst);
            width -= 1;
        }
    }

    /// `dst` = lanes of `low` and then of `high`, half as wide.
    fn narrow_once(&mut self, width: usize, dst: Xmm, low: Xmm, high: Xmm) {
        let enc = self.enc;
        if width == 3 {
            return self
                .asm
                .vec_bin_i(enc, VecBinImm::SHUFPS, dst, low, high, 0x88);
        }
        let lane = if width == 2 { Lane::I32 } else { Lane::I16 };
        let (kept, pack) = if width == 2 {
            (0xffff, VecBin::PACKUSDW)
        } else {
            (0xff, VecBin::PACKUSWB)
        };
        let count = 16 / lane.bytes();
        let kept = self.splat(Shape { lane, count }, kept);
        self.asm.vec_bin(enc, VecBin::PAND, VEC_TEMP, high, kept);
        if low == high {
            return self.asm.vec_bin(enc, pack, dst, VEC_TEMP, VEC_TEMP);
        }
        self.asm.vec_bin(enc, VecBin::PAND, dst, low, kept);
        self.asm.vec_bin(enc, pack, dst, dst, VEC_TEMP);
    }
}

/// The instruction that widens lanes.
fn extension(op: Op, from: Lane, to: Lane) -> VecUn {
    let table = if op == Op::SExt {
        [
            [VecUn::PMOVSXBW, VecUn::PMOVSXBD, VecUn::PMOVSXBQ],
            [VecUn::PMOVSXWD, VecUn::PMOVSXWD, VecUn::PMOVSXWQ],
            [VecUn::PMOVSXDQ; 3],
        ]
    } else {
        [
            [VecUn::PMOVZXBW, VecUn::PMOVZXBD, VecUn::PMOVZXBQ],
            [VecUn::PMOVZXWD, VecUn::PMOVZXWD, VecUn::PMOVZXWQ],
            [VecUn::PMOVZXDQ; 3],
        ]
    };
    table[from.log2()][to.log2() - 1]
}
