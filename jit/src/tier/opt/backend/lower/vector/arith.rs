//! Arithmetic on lanes: integers, shifts, floats.

use super::{Shape, splat};
use crate::tier::opt::backend::lower::{Lower, Lowered};
use crate::tier::opt::backend::vcode::Vreg;
use asm::{Fp, FpOp, VecBin, VecShift};
use ir::{Inst, Op, Value};

/// The packed type for floats of `bits`.
pub(super) fn packed(bits: u32) -> Fp {
    if bits == 64 { Fp::Pd } else { Fp::Ps }
}

impl Lower<'_> {
    /// `Add` to `Xor` on lanes.
    pub(super) fn lanes_binary(&mut self, inst: &Inst) -> Lowered<Vreg> {
        let [a, b, _] = inst.values();
        let shape = self.shape_of(a)?;
        if let Some(op) = simple(inst.op, shape.bits) {
            let commutes = inst.op != Op::Sub;
            let (a, b) = if commutes && self.is_lanes_memory(a) && !self.is_lanes_memory(b) {
                (b, a)
            } else {
                (a, b)
            };
            let a = self.reg(a)?;
            let b = self.lanes_input(b)?;
            return Ok(self.bin_input(op, shape.wide(), a, b));
        }
        match inst.op {
            Op::Shl | Op::LShr | Op::AShr => self.lanes_shift(inst.op, shape, a, b),
            _ => self.unsupported("an operation on these lanes"),
        }
    }

    /// Whether `value` can be an operand in memory.
    fn is_lanes_memory(&self, value: Value) -> bool {
        let (leaf, _) = self.leaf(value, 0);
        leaf.as_const().is_some() || (self.cpu.avx && self.sinkable_load(value).is_some())
    }

    /// Shifts: by one constant for all lanes, or with AVX2 by an amount of its own for each lane, which
    /// counts modulo the width.
    fn lanes_shift(&mut self, op: Op, shape: Shape, a: Value, b: Value) -> Lowered<Vreg> {
        let (bits, wide) = (shape.bits, shape.wide());
        let amounts = self.lane_constants(b);
        let a = self.reg(a)?;
        if let Some(amounts) = &amounts
            && let amount = amounts[0] % u64::from(bits)
            && amounts
                .iter()
                .all(|other| other % u64::from(bits) == amount)
        {
            let op = match (op, bits) {
                (Op::Shl, 16) => VecShift::PSLLW,
                (Op::Shl, 32) => VecShift::PSLLD,
                (Op::Shl, 64) => VecShift::PSLLQ,
                (Op::LShr, 16) => VecShift::PSRLW,
                (Op::LShr, 32) => VecShift::PSRLD,
                (Op::LShr, 64) => VecShift::PSRLQ,
                (_, 16) => VecShift::PSRAW,
                (_, 32) => VecShift::PSRAD,
                _ => return self.unsupported("a shift of these lanes"),
            };
            return Ok(self.shift_lanes(op, wide, a, amount as u32));
        }
        let op = match (op, bits) {
            (Op::Shl, 32) => VecBin::VPSLLVD,
            (Op::Shl, 64) => VecBin::VPSLLVQ,
            (Op::LShr, 32) => VecBin::VPSRLVD,
            (Op::LShr, 64) => VecBin::VPSRLVQ,
            (Op::AShr, 32) => VecBin::VPSRAVD,
            _ => return self.unsupported("a shift of these lanes"),
        };
        let amount = match amounts {
            Some(_) => self.constant_amounts(b, bits, wide),
            None => {
                let b = self.reg(b)?;
                let low = splat(bits, u64::from(bits) - 1);
                self.bin_constant(VecBin::PAND, wide, b, low)
            }
        };
        Ok(self.bin(op, wide, a, amount))
    }

    /// The constant `value` with every lane modulo `bits`.
    fn constant_amounts(&mut self, value: Value, bits: u32, wide: bool) -> Vreg {
        let (leaf, _) = self.leaf(value, 0);
        let low = splat(bits, u64::from(bits) - 1);
        let amounts = self.vector_bits(leaf).unwrap_or_default();
        self.load_constant([amounts[0] & low[0], amounts[1] & low[1]], wide)
    }

    /// `FAdd` to `FDiv` on lanes.
    pub(super) fn lanes_float_binary(&mut self, inst: &Inst) -> Lowered<Vreg> {
        let [a, b, _] = inst.values();
        let shape = self.shape_of(a)?;
        let op = match inst.op {
            Op::FAdd => FpOp::Add,
            Op::FSub => FpOp::Sub,
            Op::FMul => FpOp::Mul,
            Op::FDiv => FpOp::Div,
            _ => return self.unsupported("remainder of vectors"),
        };
        let commutes = matches!(op, FpOp::Add | FpOp::Mul);
        let (a, b) = if commutes && self.is_lanes_memory(a) && !self.is_lanes_memory(b) {
            (b, a)
        } else {
            (a, b)
        };
        let a = self.reg(a)?;
        let b = self.lanes_input(b)?;
        Ok(self.bin_input(VecBin::arith(op, packed(shape.bits)), shape.wide(), a, b))
    }

    /// `FNeg` on lanes.
    pub(super) fn lanes_negate(&mut self, inst: &Inst) -> Lowered<Vreg> {
        let value = Value(inst.args[0]);
        let shape = self.shape_of(value)?;
        let a = self.reg(value)?;
        let sign = splat(shape.bits, 1 << (shape.bits - 1));
        Ok(self.bin_constant(VecBin::XORPS, shape.wide(), a, sign))
    }
}

/// The one instruction that does `op` on lanes of `bits`.
fn simple(op: Op, bits: u32) -> Option<VecBin> {
    Some(match (op, bits) {
        (Op::Add, 8) => VecBin::PADDB,
        (Op::Add, 16) => VecBin::PADDW,
        (Op::Add, 32) => VecBin::PADDD,
        (Op::Add, _) => VecBin::PADDQ,
        (Op::Sub, 8) => VecBin::PSUBB,
        (Op::Sub, 16) => VecBin::PSUBW,
        (Op::Sub, 32) => VecBin::PSUBD,
        (Op::Sub, _) => VecBin::PSUBQ,
        (Op::And, _) => VecBin::PAND,
        (Op::Or, _) => VecBin::POR,
        (Op::Xor, _) => VecBin::PXOR,
        (Op::Mul, 16) => VecBin::PMULLW,
        (Op::Mul, 32) => VecBin::PMULLD,
        _ => return None,
    })
}
