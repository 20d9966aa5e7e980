//! Comparisons of lanes, masks, and what is chosen by them.

use super::arith::packed;
use super::{Shape, splat};
use crate::tier::opt::backend::lower::{Lower, Lowered};
use crate::tier::opt::backend::vcode::{MInst, Operand, Src, Vreg};
use asm::{Alu, Fp, Size, VecBin, VecBinImm, VecBlend, VecSigns, Xmm};
use ir::{Inst, IntPred, Value};

impl Lower<'_> {
    /// `ICmp` of lanes: a mask.
    pub(super) fn lanes_compare(&mut self, inst: &Inst) -> Lowered<Vreg> {
        let [a, b, _] = inst.values();
        let shape = self.shape_of(a)?;
        let Some(pred) = inst.int_pred() else {
            return self.unsupported("predicate");
        };
        let (a, b) = (self.reg(a)?, self.reg(b)?);
        Ok(self.compare_lanes(pred, shape, a, b))
    }

    /// The mask of `a pred b`.
    pub(super) fn compare_lanes(&mut self, pred: IntPred, shape: Shape, a: Vreg, b: Vreg) -> Vreg {
        let wide = shape.wide();
        match pred {
            IntPred::Eq => self.equal(shape, a, b),
            IntPred::Ne => {
                let mask = self.equal(shape, a, b);
                self.invert(wide, mask)
            }
            IntPred::Sgt => self.greater(shape, a, b),
            IntPred::Slt => self.greater(shape, b, a),
            IntPred::Sle | IntPred::Sge => {
                let (a, b) = if pred == IntPred::Sle { (a, b) } else { (b, a) };
                let mask = self.greater(shape, a, b);
                self.invert(wide, mask)
            }
            IntPred::Uge | IntPred::Ule if shape.bits < 64 => {
                let op = extreme(false, pred == IntPred::Uge, shape.bits);
                let chosen = self.bin(op, wide, a, b);
                self.equal(shape, chosen, a)
            }
            _ => {
                // As signed numbers once the sign bits are flipped.
                let sign = splat(shape.bits, 1 << (shape.bits - 1));
                let a = self.bin_constant(VecBin::PXOR, wide, a, sign);
                let b = self.bin_constant(VecBin::PXOR, wide, b, sign);
                let signed = match pred {
                    IntPred::Ugt => IntPred::Sgt,
                    IntPred::Uge => IntPred::Sge,
                    IntPred::Ult => IntPred::Slt,
                    _ => IntPred::Sle,
                };
                self.compare_lanes(signed, shape, a, b)
            }
        }
    }

    /// Every bit of `a` flipped.
    fn invert(&mut self, wide: bool, a: Vreg) -> Vreg {
        let ones = self.load_constant(super::ones(wide), wide);
        self.bin(VecBin::PXOR, wide, a, ones)
    }

    fn equal(&mut self, shape: Shape, a: Vreg, b: Vreg) -> Vreg {
        let wide = shape.wide();
        match shape.bits {
            8 => self.bin(VecBin::PCMPEQB, wide, a, b),
            16 => self.bin(VecBin::PCMPEQW, wide, a, b),
            32 => self.bin(VecBin::PCMPEQD, wide, a, b),
            _ => self.bin(VecBin::PCMPEQQ, wide, a, b),
        }
    }

    /// `a > b`, signed.
    fn greater(&mut self, shape: Shape, a: Vreg, b: Vreg) -> Vreg {
        let wide = shape.wide();
        match shape.bits {
            8 => self.bin(VecBin::PCMPGTB, wide, a, b),
            16 => self.bin(VecBin::PCMPGTW, wide, a, b),
            32 => self.bin(VecBin::PCMPGTD, wide, a, b),
            // SSE4.2, which AVX includes.
            _ => self.bin(VecBin::PCMPGTQ, wide, a, b),
        }
    }

    /// `FCmp` of lanes: a mask.
    pub(super) fn lanes_compare_floats(&mut self, inst: &Inst) -> Lowered<Vreg> {
        let [a, b, _] = inst.values();
        let shape = self.shape_of(a)?;
        let wide = shape.wide();
        // 0 to 7 are eq, lt, le, unord, neq, nlt, nle, ord (SDM vol. 2, CMPPD). "Greater" is "less" of
        // swapped operands.
        let (swap, imm) = match inst.float_pred().0 {
            0 => return Ok(self.zeros(wide)),
            15 => return Ok(self.load_constant(super::ones(wide), wide)),
            1 => (false, 0),
            2 => (true, 1),
            3 => (true, 2),
            4 => (false, 1),
            5 => (false, 2),
            7 => (false, 7),
            8 => (false, 3),
            10 => (false, 6),
            11 => (false, 5),
            12 => (true, 6),
            13 => (true, 5),
            14 => (false, 4),
            number => return self.equal_or_unordered(number == 9, shape, a, b),
        };
        let (a, b) = if swap { (b, a) } else { (a, b) };
        let a = self.reg(a)?;
        let b = self.lanes_input(b)?;
        Ok(self.bin_imm_input(compare_op(shape.bits), imm, wide, a, b))
    }

    /// `ueq`, or `one`, which is its opposite.
    fn equal_or_unordered(
        &mut self,
        equal: bool,
        shape: Shape,
        a: Value,
        b: Value,
    ) -> Lowered<Vreg> {
        let wide = shape.wide();
        let op = compare_op(shape.bits);
        let (a, b) = (self.reg(a)?, self.reg(b)?);
        let same = self.bin_imm(op, if equal { 0 } else { 4 }, wide, a, b);
        let order = self.bin_imm(op, if equal { 3 } else { 7 }, wide, a, b);
        let join = if equal { VecBin::ORPS } else { VecBin::ANDPS };
        Ok(self.bin(join, wide, same, order))
    }

    /// `blend(mask, a, b)`: lanes of `a` where the mask is set.
    pub(super) fn lanes_blend(&mut self, [mask, a, b]: [Value; 3]) -> Lowered<Vreg> {
        let shape = self.shape_of(a)?;
        let (mask, a, b) = (self.reg(mask)?, self.reg(a)?, self.reg(b)?);
        Ok(self.choose_lanes(shape, mask, a, b))
    }

    fn choose_lanes(&mut self, shape: Shape, mask: Vreg, a: Vreg, b: Vreg) -> Vreg {
        let op = match shape.bits {
            32 => VecBlend::Blendvps,
            64 => VecBlend::Blendvpd,
            _ => VecBlend::Pblendvb,
        };
        self.blend_by(op, shape.wide(), mask, a, b)
    }

    /// `b` with lanes of `a` where `mask` is set, by one instruction.
    pub(super) fn blend_by(
        &mut self,
        op: VecBlend,
        wide: bool,
        mask: Vreg,
        a: Vreg,
        b: Vreg,
    ) -> Vreg {
        let dst = self.vector_temp(wide);
        let mask = if self.cpu.avx {
            Operand::reg(mask)
        } else {
            Operand::in_xmm(mask, Xmm::Xmm0)
        };
        let first = self.tied_result(dst);
        let operands = [first, Operand::reg(b), Operand::reg(a), mask];
        self.push(MInst::VBlend { op, wide }, &operands);
        dst
    }

    /// `movemask`: the top bits of the lanes as a number.
    pub(super) fn lanes_move_mask(&mut self, value: Value) -> Lowered<Vreg> {
        let shape = self.shape_of(value)?;
        let a = self.reg(value)?;
        let (op, wide, from) = match shape.bits {
            32 => (VecSigns::MOVMSKPS, shape.wide(), a),
            64 => (VecSigns::MOVMSKPD, shape.wide(), a),
            8 => (VecSigns::PMOVMSKB, shape.wide(), a),
            _ => {
                // Bytes keep the signs.
                let high = if shape.wide() { self.upper(a) } else { a };
                let bytes = self.bin(VecBin::PACKSSWB, false, a, high);
                (VecSigns::PMOVMSKB, false, bytes)
            }
        };
        let dst = self.temp();
        let signs = MInst::VSigns { op, wide };
        self.push(signs, &[Operand::def(dst), Operand::reg(from)]);
        // What lies above the lanes counts, too.
        let seen = match shape.bits {
            16 => 16,
            bits => (if wide { 256 } else { 128 }) / bits,
        };
        if seen == shape.count {
            return Ok(dst);
        }
        let cut = self.temp();
        let src = Src::Imm(((1u32 << shape.count) - 1) as i32);
        self.alu_src(Alu::And, Size::B32, cut, dst, src, &[]);
        Ok(cut)
    }

    /// `smax smin umax umin` of lanes.
    pub(super) fn lanes_extreme(
        &mut self,
        signed: bool,
        greatest: bool,
        [a, b]: [Value; 2],
    ) -> Lowered<Vreg> {
        let shape = self.shape_of(a)?;
        let a = self.reg(a)?;
        let b = self.lanes_input(b)?;
        let op = extreme(signed, greatest, shape.bits);
        Ok(self.bin_input(op, shape.wide(), a, b))
    }
}

/// The instruction for an extreme of lanes of 8, 16 or 32 bits.
fn extreme(signed: bool, greatest: bool, bits: u32) -> VecBin {
    match (signed, greatest, bits) {
        (true, true, 8) => VecBin::PMAXSB,
        (true, true, 16) => VecBin::PMAXSW,
        (true, true, _) => VecBin::PMAXSD,
        (true, false, 8) => VecBin::PMINSB,
        (true, false, 16) => VecBin::PMINSW,
        (true, false, _) => VecBin::PMINSD,
        (false, true, 8) => VecBin::PMAXUB,
        (false, true, 16) => VecBin::PMAXUW,
        (false, true, _) => VecBin::PMAXUD,
        (false, false, 8) => VecBin::PMINUB,
        (false, false, 16) => VecBin::PMINUW,
        (false, false, _) => VecBin::PMINUD,
    }
}

fn compare_op(bits: u32) -> VecBinImm {
    match packed(bits) {
        Fp::Pd => VecBinImm::CMPPD,
        _ => VecBinImm::CMPPS,
    }
}
