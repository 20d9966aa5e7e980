//! Comparisons of vectors, and choice by a mask.
//!
//! The hardware compares for "equal" and "greater as signed"; the other orders swap the operands,
//! flip their signs (unsigned), or flip the result.

use super::emit::Emitter;
use super::lanes::{Lane, Shape};
use super::regs::VEC_TEMP;
use super::value::Reg;
use crate::tier::Declined;
use asm::{Enc, VecBin, VecBinImm, VecBlend, Xmm};
use ir::{Inst, InstId, IntPred, Op, Value};

const EQUAL: [VecBin; 4] = [
    VecBin::PCMPEQB,
    VecBin::PCMPEQW,
    VecBin::PCMPEQD,
    VecBin::PCMPEQQ,
];
const GREATER: [VecBin; 4] = [
    VecBin::PCMPGTB,
    VecBin::PCMPGTW,
    VecBin::PCMPGTD,
    VecBin::PCMPGTQ,
];

/// `cmpps` numbers (SDM vol. 2, CMPPD, table 3-1).
const EQ: u8 = 0;
const LT: u8 = 1;
const LE: u8 = 2;
const UNORD: u8 = 3;
const NEQ: u8 = 4;
const NLT: u8 = 5;
const NLE: u8 = 6;
const ORD: u8 = 7;

impl Emitter<'_> {
    /// `ICmp` and `FCmp` of vectors: a mask.
    pub(super) fn compare_lanes(&mut self, id: InstId, inst: &Inst) -> Result<(), Declined> {
        let (a, b) = (Value(inst.args[0]), Value(inst.args[1]));
        let shape = self.shape(self.body.type_of(a))?;
        let x = self.xmm(a);
        let y = self.xmm(b);
        let dst = self.dst(id);
        if inst.op == Op::FCmp {
            self.compare_float_lanes(shape, inst.float_pred().0, dst.xmm(), x, y);
        } else {
            let Some(pred) = inst.int_pred() else {
                return self.unsupported("predicate");
            };
            self.compare_int_lanes(shape, pred, dst.xmm(), x, y);
        }
        self.done(id, inst, dst, 0);
        Ok(())
    }

    /// `dst` = mask of `x pred y`.
    pub(super) fn compare_int_lanes(
        &mut self,
        shape: Shape,
        pred: IntPred,
        dst: Xmm,
        x: Xmm,
        y: Xmm,
    ) {
        let log2 = shape.lane.log2();
        // Greater, less; and their opposites flipped.
        let (x, y, flip) = match pred {
            IntPred::Eq => (x, y, false),
            IntPred::Ne => (x, y, true),
            IntPred::Ugt | IntPred::Sgt => (x, y, false),
            IntPred::Ult | IntPred::Slt => (y, x, false),
            IntPred::Ule | IntPred::Sle => (x, y, true),
            IntPred::Uge | IntPred::Sge => (y, x, true),
        };
        match pred {
            IntPred::Eq | IntPred::Ne => self.vec_op(shape, EQUAL[log2], dst, x, y),
            _ if pred.is_signed() => self.vec_op(shape, GREATER[log2], dst, x, y),
            _ => {
                let sign = self.splat(shape, 1 << (shape.lane.bits() - 1));
                self.vec_op(shape, VecBin::PXOR, VEC_TEMP, y, sign);
                self.vec_op(shape, VecBin::PXOR, dst, x, sign);
                self.vec_step(shape, GREATER[log2], dst, VEC_TEMP);
            }
        }
        if flip {
            self.all_ones(shape, VEC_TEMP);
            self.vec_step(shape, VecBin::PXOR, dst, VEC_TEMP);
        }
    }

    fn compare_float_lanes(&mut self, shape: Shape, pred: u8, dst: Xmm, x: Xmm, y: Xmm) {
        let op = if shape.lane == Lane::F32 {
            VecBinImm::CMPPS
        } else {
            VecBinImm::CMPPD
        };
        let enc = self.enc_for(shape);
        let compare = |this: &mut Self, number, dst, x, y| {
            this.asm.vec_bin_i(enc, op, dst, x, y, number);
        };
        match pred {
            1 => compare(self, EQ, dst, x, y),
            2 => compare(self, LT, dst, y, x),
            3 => compare(self, LE, dst, y, x),
            4 => compare(self, LT, dst, x, y),
            5 => compare(self, LE, dst, x, y),
            6 => {
                compare(self, NEQ, dst, x, y);
                compare(self, ORD, VEC_TEMP, x, y);
                self.vec_step(shape, VecBin::PAND, dst, VEC_TEMP);
            }
            // 0 and 15 compare nothing and are no part of the dialect.
            7 => compare(self, ORD, dst, x, y),
            8 => compare(self, UNORD, dst, x, y),
            9 => {
                compare(self, EQ, dst, x, y);
                compare(self, UNORD, VEC_TEMP, x, y);
                self.vec_step(shape, VecBin::POR, dst, VEC_TEMP);
            }
            10 => compare(self, NLE, dst, x, y),
            11 => compare(self, NLT, dst, x, y),
            12 => compare(self, NLE, dst, y, x),
            13 => compare(self, NLT, dst, y, x),
            _ => compare(self, NEQ, dst, x, y),
        }
    }

    /// `dst` = lanes of `a` where `mask` is all ones, of `b` where it is all zeros; `dst` is none of
    /// them.
    fn choose(&mut self, shape: Shape, dst: Xmm, mask: Xmm, a: Xmm, b: Xmm) {
        let enc = self.enc_for(shape);
        if self.enc == Enc::Legacy {
            self.vec_op(shape, VecBin::PAND, VEC_TEMP, mask, a);
            self.vec_op(shape, VecBin::PANDN, dst, mask, b);
            self.vec_step(shape, VecBin::POR, dst, VEC_TEMP);
        } else {
            let op = match shape.lane.log2() {
                2 => VecBlend::Blendvps,
                3 => VecBlend::Blendvpd,
                _ => VecBlend::Pblendvb,
            };
            self.asm.vec_blend(enc, op, dst, b, a, mask);
        }
    }

    /// The intrinsic `blend`.
    pub(super) fn blend(&mut self, id: InstId, args: [Value; 3]) -> Result<Reg, Declined> {
        let shape = self.shape(self.body.type_of(args[1]))?;
        let [mask, a, b] = args.map(|value| self.xmm(value));
        let dst = self.dst(id);
        self.choose(shape, dst.xmm(), mask, a, b);
        Ok(dst)
    }
}
