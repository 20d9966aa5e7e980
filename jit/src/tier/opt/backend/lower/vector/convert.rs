//! Lanes of other widths and kinds.

use super::Shape;
use crate::tier::opt::backend::lower::{Lower, Lowered};
use crate::tier::opt::backend::vcode::{MInst, Operand, Vreg};
use asm::{Size, VecBin, VecUn, VecUnImm};
use ir::{Inst, InstId, Op, Value};

impl Lower<'_> {
    /// `Trunc` to `FpExt` of lanes.
    pub(super) fn lanes_cast(&mut self, inst: &Inst) -> Lowered<Vreg> {
        let value = Value(inst.args[0]);
        let from = self.shape_of(value)?;
        let Some(to) = self.shape(inst.ty) else {
            return self.unsupported("a conversion of vectors");
        };
        let wide = to.wide();
        match inst.op {
            Op::ZExt | Op::SExt => self.lanes_extend(inst.op == Op::SExt, from, to, value),
            Op::Trunc => self.lanes_truncate(from, to, value),
            Op::SiToFp if (from.bits, to.bits) == (32, 32) => {
                let input = self.lanes_input(value)?;
                Ok(self.un_input(VecUn::CVTDQ2PS, wide, input))
            }
            Op::SiToFp if (from.bits, to.bits) == (32, 64) => {
                self.lengthen(VecUn::CVTDQ2PD, wide, value)
            }
            Op::FpToSi if (from.bits, to.bits) == (32, 32) => {
                let input = self.lanes_input(value)?;
                Ok(self.un_input(VecUn::CVTTPS2DQ, wide, input))
            }
            Op::FpToSi if (from.bits, to.bits) == (64, 32) => {
                let a = self.reg(value)?;
                Ok(self.un(VecUn::CVTTPD2DQ, from.wide(), a))
            }
            Op::FpExt => self.lengthen(VecUn::CVTPS2PD, wide, value),
            Op::FpTrunc => {
                let a = self.reg(value)?;
                Ok(self.un(VecUn::CVTPD2PS, from.wide(), a))
            }
            _ => self.unsupported("a conversion of vectors"),
        }
    }

    /// A conversion that reads lanes half as wide as it writes.
    fn lengthen(&mut self, op: VecUn, wide: bool, value: Value) -> Lowered<Vreg> {
        let bytes = self.shape_of(value)?.bytes();
        let aligned = bytes == 16 && !self.cpu.avx;
        let read = if wide { 16 } else { 8 };
        if !aligned
            && bytes == read
            && let Some(input) = self.sinkable_bytes(value, bytes)?
        {
            return Ok(self.un_input(op, wide, input));
        }
        let a = self.reg(value)?;
        Ok(self.un(op, wide, a))
    }

    fn lanes_extend(
        &mut self,
        signed: bool,
        from: Shape,
        to: Shape,
        value: Value,
    ) -> Lowered<Vreg> {
        let op = extension(signed, from.bits, to.bits);
        // The instruction reads as many bytes as its full result needs: no more than there are.
        let read = (if to.wide() { 32 } else { 16 }) * from.bits / to.bits;
        if read == from.bytes()
            && let Some(input) = self.sinkable_bytes(value, read)?
        {
            return Ok(self.un_input(op, to.wide(), input));
        }
        let a = self.reg(value)?;
        Ok(self.un(op, to.wide(), a))
    }

    /// The low parts of lanes, side by side.
    fn lanes_truncate(&mut self, from: Shape, to: Shape, value: Value) -> Lowered<Vreg> {
        let a = self.reg(value)?;
        if !from.wide() {
            return Ok(self.narrow_lanes(from, to.bits, a));
        }
        if from.bits == 64 && to.bits == 32 {
            let picks = self.load_constant(picks([0, 2, 4, 6, 0, 2, 4, 6]), true);
            return Ok(self.bin(VecBin::VPERMD, true, picks, a));
        }
        if from.bits == 64 {
            // In two steps.
            let picks = self.load_constant(picks([0, 2, 4, 6, 0, 2, 4, 6]), true);
            let words = self.bin(VecBin::VPERMD, true, picks, a);
            let shape = Shape { bits: 32, ..from };
            return Ok(self.narrow_lanes(shape, to.bits, words));
        }
        // Each half by itself, then both together.
        let gathered = self.bin_constant(VecBin::PSHUFB, true, a, gather(from.bits, to.bits));
        if from.bits == 2 * to.bits {
            return Ok(self.un_imm(VecUnImm::VPERMQ, 0x08, true, gathered));
        }
        let picks = self.load_constant(picks([0, 4, 0, 4, 0, 4, 0, 4]), true);
        Ok(self.bin(VecBin::VPERMD, true, picks, gathered))
    }

    /// The low `to` bits of lanes of a 128-bit register, side by side.
    fn narrow_lanes(&mut self, from: Shape, to: u32, a: Vreg) -> Vreg {
        if from.bits == 64 && to == 32 {
            return self.un_imm(VecUnImm::PSHUFD, 0x08, false, a);
        }
        self.bin_constant(VecBin::PSHUFB, false, a, gather(from.bits, to))
    }

    /// `Bitcast` between a vector and a number. Vectors and floats share registers (`leaf`).
    pub(super) fn lanes_bitcast(&mut self, id: InstId, inst: &Inst) -> Lowered {
        let dst = self.result(id)?;
        let src = self.reg(Value(inst.args[0]))?;
        let size = if self.types.layout(inst.ty).store == 8 {
            Size::B64
        } else {
            Size::B32
        };
        if src.is_vector() == dst.is_vector() {
            self.copy(dst, src);
        } else if dst.is_vector() {
            self.push(
                MInst::MovToVec { size },
                &[Operand::def(dst), Operand::any(src)],
            );
        } else {
            self.push(
                MInst::MovFromVec { size },
                &[Operand::def(dst), Operand::reg(src)],
            );
        }
        Ok(())
    }
}

/// The instruction that extends lanes.
fn extension(signed: bool, from: u32, to: u32) -> VecUn {
    match (signed, from, to) {
        (true, 8, 16) => VecUn::PMOVSXBW,
        (true, 8, 32) => VecUn::PMOVSXBD,
        (true, 8, _) => VecUn::PMOVSXBQ,
        (true, 16, 32) => VecUn::PMOVSXWD,
        (true, 16, _) => VecUn::PMOVSXWQ,
        (true, ..) => VecUn::PMOVSXDQ,
        (false, 8, 16) => VecUn::PMOVZXBW,
        (false, 8, 32) => VecUn::PMOVZXBD,
        (false, 8, _) => VecUn::PMOVZXBQ,
        (false, 16, 32) => VecUn::PMOVZXWD,
        (false, 16, _) => VecUn::PMOVZXWQ,
        (false, ..) => VecUn::PMOVZXDQ,
    }
}

/// For `pshufb`: the low `to` bits of lanes of `from` bits come first, in each half alike.
fn gather(from: u32, to: u32) -> [u128; 2] {
    let mut half = 0u128;
    let (step, kept) = (from / 8, to / 8);
    for byte in 0..16 {
        let lane = byte / kept;
        let source = lane * step + byte % kept;
        let pick = if source < 16 { source } else { 0x80 };
        half |= u128::from(pick) << (8 * byte);
    }
    [half; 2]
}

/// For `vpermd`: lane numbers.
pub(super) fn picks(lanes: [u8; 8]) -> [u128; 2] {
    let mut halves = [0; 2];
    for (at, lane) in (0..).zip(lanes) {
        super::put_lane(&mut halves, 32, at, u64::from(lane));
    }
    halves
}
