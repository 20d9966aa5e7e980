//! Arithmetic, logic and shifts on vectors.
//!
//! What the machine dialect has is one instruction for each width of lane (`legal::machine` is the
//! table); legalisation has put together the rest. Sequences work alike in both encodings, because
//! they name a destination that is no operand.

use super::emit::Emitter;
use super::lanes::{Lane, Shape};
use super::regs::VEC_TEMP;
use super::value::Reg;
use crate::tier::Declined;
use asm::{FpOp, RegMem, VecBin, VecShift, Xmm};
use ir::{Inst, InstId, Op, TypeId, Value};

const ADD: [VecBin; 4] = [VecBin::PADDB, VecBin::PADDW, VecBin::PADDD, VecBin::PADDQ];
const SUB: [VecBin; 4] = [VecBin::PSUBB, VecBin::PSUBW, VecBin::PSUBD, VecBin::PSUBQ];

impl Emitter<'_> {
    /// Integer and float operations of two vectors.
    pub(super) fn vector_binary(&mut self, id: InstId, inst: &Inst) -> Result<(), Declined> {
        let shape = self.shape(inst.ty)?;
        let (a, b) = (Value(inst.args[0]), Value(inst.args[1]));
        let log2 = shape.lane.log2();
        let op = match inst.op {
            Op::Add => ADD[log2],
            Op::Sub => SUB[log2],
            Op::And => VecBin::PAND,
            Op::Or => VecBin::POR,
            Op::Xor => VecBin::PXOR,
            Op::FAdd => VecBin::arith(FpOp::Add, shape.lane.packed()),
            Op::FSub => VecBin::arith(FpOp::Sub, shape.lane.packed()),
            Op::FMul => VecBin::arith(FpOp::Mul, shape.lane.packed()),
            Op::FDiv => VecBin::arith(FpOp::Div, shape.lane.packed()),
            Op::Mul if shape.lane == Lane::I16 => VecBin::PMULLW,
            Op::Mul if shape.lane == Lane::I32 => VecBin::PMULLD,
            Op::Shl | Op::LShr | Op::AShr => return self.vector_shift(id, inst, shape),
            _ => return self.unsupported("vector operation outside the machine dialect"),
        };
        let dst = self.vec_binary(id, op, a, b);
        self.done(id, inst, dst, 0);
        Ok(())
    }

    /// `value op mask` where every lane of the mask has the same bits.
    pub(super) fn vector_with_mask(
        &mut self,
        id: InstId,
        ty: TypeId,
        op: VecBin,
        value: Value,
        bits: u64,
    ) -> Result<Reg, Declined> {
        let shape = self.shape(ty)?;
        let mask = self.splat(shape, bits);
        let source = self.xmm(value);
        let dst = self.dst(id);
        self.asm
            .vec_bin(self.enc_for(shape), op, dst.xmm(), source, mask);
        Ok(dst)
    }

    /// `dst = op a, b`, of which `dst` is neither unless it is `a`.
    pub(super) fn vec_op(
        &mut self,
        shape: Shape,
        op: VecBin,
        dst: Xmm,
        a: Xmm,
        b: impl RegMem<Xmm>,
    ) {
        self.asm.vec_bin(self.enc_for(shape), op, dst, a, b);
    }

    /// `dst = src` shifted by an immediate.
    pub(super) fn vec_shift(&mut self, shape: Shape, op: VecShift, dst: Xmm, src: Xmm, by: u8) {
        self.asm.vec_shift_i(self.enc_for(shape), op, dst, src, by);
    }
}

/// Shifts.
impl Emitter<'_> {
    /// All lanes by one known number, or with AVX2 each by its own, modulo the width.
    fn vector_shift(&mut self, id: InstId, inst: &Inst, shape: Shape) -> Result<(), Declined> {
        let at = match (inst.op, shape.lane) {
            (_, Lane::I16) => 0,
            (_, Lane::I32) => 1,
            (Op::Shl | Op::LShr, Lane::I64) => 2,
            _ => return self.unsupported("vector shift outside the machine dialect"),
        };
        let source = self.xmm(Value(inst.args[0]));
        let by = Value(inst.args[1]);
        let bits = u64::from(shape.lane.bits());
        let known = by.as_const().and_then(|id| self.splat_bits(id, shape));
        let dst = if let Some(known) = known {
            let op = match inst.op {
                Op::Shl => [VecShift::PSLLW, VecShift::PSLLD, VecShift::PSLLQ][at],
                Op::LShr => [VecShift::PSRLW, VecShift::PSRLD, VecShift::PSRLQ][at],
                _ => [VecShift::PSRAW, VecShift::PSRAD][at],
            };
            let dst = self.dst(id);
            self.vec_shift(shape, op, dst.xmm(), source, (known % bits) as u8);
            dst
        } else if self.job.cpu.avx2 && at != 0 {
            let op = match inst.op {
                Op::Shl => [VecBin::VPSLLVD, VecBin::VPSLLVQ][at - 1],
                Op::LShr => [VecBin::VPSRLVD, VecBin::VPSRLVQ][at - 1],
                _ => VecBin::VPSRAVD,
            };
            let mask = self.splat(shape, bits - 1);
            let amounts = self.xmm(by);
            let dst = self.dst(id);
            self.vec_op(shape, VecBin::PAND, VEC_TEMP, amounts, mask);
            self.vec_op(shape, op, dst.xmm(), source, VEC_TEMP);
            dst
        } else {
            return self.unsupported("vector shift outside the machine dialect");
        };
        self.done(id, inst, dst, 0);
        Ok(())
    }
}
