//! Scalar floating point: arithmetic, signs, rounding.

use super::operand::Operands;
use super::{Lower, Lowered};
use crate::tier::flags::Test;
use crate::tier::opt::backend::vcode::{MInst, Operand, Src, Vreg};
use asm::{Cond, Fp, FpOp, VecBin};
use ir::{ConstKind, Inst, InstId, Op, Value};

impl Lower<'_> {
    /// `FAdd` to `FRem`.
    pub(super) fn float_binary(&mut self, id: InstId, inst: &Inst) -> Lowered {
        let double = self.is_double(inst.ty)?;
        let dst = self.result(id)?;
        let [a, b, _] = inst.values();
        let op = match inst.op {
            Op::FAdd => FpOp::Add,
            Op::FSub => FpOp::Sub,
            Op::FMul => FpOp::Mul,
            Op::FDiv => FpOp::Div,
            _ => return self.float_remainder(dst, a, b, double),
        };
        let commutes = matches!(op, FpOp::Add | FpOp::Mul);
        let (a, b) = if commutes && self.in_memory(a) && !self.in_memory(b) {
            (b, a)
        } else {
            (a, b)
        };
        let a = self.reg(a)?;
        let (src, operands) = self.float_src(b, double)?;
        self.float_op(op, double, dst, a, src, &operands);
        Ok(())
    }

    /// `dst = a op src`.
    pub(super) fn float_op(
        &mut self,
        op: FpOp,
        double: bool,
        dst: Vreg,
        a: Vreg,
        src: Src,
        operands: &[Operand],
    ) {
        let inst = MInst::FBin { op, double, src };
        self.push_with(inst, &[self.tied_result(dst), Operand::reg(a)], operands);
    }

    fn float_remainder(&mut self, dst: Vreg, a: Value, b: Value, double: bool) -> Lowered {
        let (a, b) = (self.reg(a)?, self.reg(b)?);
        self.code.outgoing = self.code.outgoing.max(16);
        self.push(
            MInst::FRem { double },
            &[Operand::def(dst), Operand::reg(a), Operand::reg(b)],
        );
        Ok(())
    }

    /// Whether the float `value` can be a memory operand.
    fn in_memory(&self, value: Value) -> bool {
        let (leaf, _) = self.leaf(value, 0);
        leaf.as_const().is_some() || self.sinkable_load(value).is_some()
    }

    /// The float `value` as second input.
    pub(super) fn float_src(&mut self, value: Value, double: bool) -> Lowered<(Src, Operands)> {
        if let Some(load) = self.sinkable_load(value)
            && self.is_double(load.ty) == Ok(double)
        {
            let (mem, operands) = self.address(Value(load.args[0]))?;
            return Ok((Src::Mem(mem), operands));
        }
        let (leaf, _) = self.leaf(value, 0);
        if let Some(id) = leaf.as_const() {
            let bits = match self.body.constant(id).kind {
                ConstKind::F32(bits) => u64::from(bits),
                ConstKind::F64(bits) => bits,
                _ => 0,
            };
            if bits != 0 {
                let mem = self.constant_mem(u128::from(bits), if double { 8 } else { 4 });
                return Ok((Src::Mem(mem), Operands::new()));
            }
        }
        let vreg = self.reg(value)?;
        Ok((Src::Reg, Operands::from_slice(&[Operand::any(vreg)])))
    }

    /// The sign bit of every lane.
    fn sign_bits(double: bool) -> u128 {
        if double {
            0x8000_0000_0000_0000_8000_0000_0000_0000
        } else {
            0x8000_0000_8000_0000_8000_0000_8000_0000
        }
    }

    /// `FNeg`.
    pub(super) fn float_negate(&mut self, id: InstId, inst: &Inst) -> Lowered {
        let double = self.is_double(inst.ty)?;
        let dst = self.result(id)?;
        let src = self.reg(Value(inst.args[0]))?;
        self.mask(VecBin::XORPS, dst, src, Self::sign_bits(double));
        Ok(())
    }

    /// `dst = src op mask`.
    fn mask(&mut self, op: VecBin, dst: Vreg, src: Vreg, mask: u128) {
        let mem = self.constant_mem(mask, 16);
        let inst = MInst::VBin {
            op,
            wide: false,
            src: Src::Mem(mem),
        };
        self.push(inst, &[self.tied_result(dst), Operand::reg(src)]);
    }

    /// `dst = |src|`.
    pub(super) fn float_abs(&mut self, dst: Vreg, src: Vreg, double: bool) {
        self.mask(VecBin::ANDPS, dst, src, !Self::sign_bits(double));
    }

    /// `dst` = magnitude of `a`, sign of `b`.
    pub(super) fn copy_sign(&mut self, dst: Vreg, a: Vreg, b: Vreg, double: bool) {
        let (magnitude, sign) = (self.float_temp(), self.float_temp());
        self.float_abs(magnitude, a, double);
        self.mask(VecBin::ANDPS, sign, b, Self::sign_bits(double));
        let or = MInst::VBin {
            op: VecBin::ORPS,
            wide: false,
            src: Src::Reg,
        };
        self.push(
            or,
            &[
                self.tied_result(dst),
                Operand::reg(magnitude),
                Operand::reg(sign),
            ],
        );
    }

    /// `minnum` or `maxnum`: the hardware's result is right unless the first operand is NaN.
    pub(super) fn min_max(&mut self, op: FpOp, dst: Vreg, a: Vreg, b: Vreg, double: bool) {
        let chosen = self.float_temp();
        self.float_op(op, double, chosen, b, Src::Reg, &[Operand::any(a)]);
        let compare = MInst::FCmp {
            double,
            src: Src::Reg,
        };
        self.push(compare, &[Operand::reg(a), Operand::any(a)]);
        self.choose_float(Test::One(Cond::P), dst, b, chosen);
    }

    /// `dst = src` rounded to an integer: 0 to nearest, 1 down, 2 up, 3 towards zero, as `round*` have it.
    pub(super) fn round(&mut self, dst: Vreg, src: Vreg, double: bool, mode: u8) {
        if self.cpu.sse41 {
            // Bit 3: no inexact exception (SDM vol. 2, ROUNDSD).
            let inst = MInst::FRound {
                double,
                mode: mode | 8,
            };
            return self.push(inst, &[Operand::def(dst), Operand::reg(src)]);
        }
        // Adding and subtracting a number whose last bit counts ones rounds to nearest; a result on the
        // wrong side is one off. Numbers from that one on are integers already, NaN stays.
        let power = self.load_float(if double { 0x4330 << 48 } else { 0x4b00 << 16 }, double);
        let one = self.load_float(if double { 0x3ff0 << 48 } else { 0x3f80 << 16 }, double);
        let magnitude = self.float_temp();
        self.float_abs(magnitude, src, double);
        // Towards zero is down for the magnitude.
        let from = if mode == 3 { magnitude } else { src };
        let (magic, sum, near) = (self.float_temp(), self.float_temp(), self.float_temp());
        self.copy_sign(magic, power, from, double);
        self.float_op(
            FpOp::Add,
            double,
            sum,
            from,
            Src::Reg,
            &[Operand::any(magic)],
        );
        self.float_op(
            FpOp::Sub,
            double,
            near,
            sum,
            Src::Reg,
            &[Operand::any(magic)],
        );
        let rounded = match mode {
            0 => near,
            _ => self.correct(near, from, one, double, mode == 2),
        };
        let signed = self.float_temp();
        self.copy_sign(signed, rounded, src, double);
        let compare = MInst::FCmp {
            double,
            src: Src::Reg,
        };
        self.push(compare, &[Operand::reg(power), Operand::any(magnitude)]);
        self.choose_float(Test::One(Cond::A), dst, signed, src);
    }

    /// `near`, or the integer beside it if it is above `from` (if `up`: below).
    fn correct(&mut self, near: Vreg, from: Vreg, one: Vreg, double: bool, up: bool) -> Vreg {
        let (beside, dst) = (self.float_temp(), self.float_temp());
        let op = if up { FpOp::Add } else { FpOp::Sub };
        self.float_op(op, double, beside, near, Src::Reg, &[Operand::any(one)]);
        let (greater, less) = if up { (from, near) } else { (near, from) };
        let compare = MInst::FCmp {
            double,
            src: Src::Reg,
        };
        self.push(compare, &[Operand::reg(greater), Operand::any(less)]);
        self.choose_float(Test::One(Cond::A), dst, beside, near);
        dst
    }

    /// The float of these bits in a register.
    fn load_float(&mut self, bits: u64, double: bool) -> Vreg {
        let mem = self.constant_mem(u128::from(bits), if double { 8 } else { 4 });
        let dst = self.float_temp();
        self.push(MInst::FLoad { double, mem }, &[Operand::def(dst)]);
        dst
    }

    /// `dst = src` rounded half away from zero: what is just below a half is added, so that it does
    /// not carry numbers just below a half to one.
    pub(super) fn round_half_away(&mut self, dst: Vreg, src: Vreg, double: bool) {
        let bits = if double {
            0x3fdf_ffff_ffff_ffff
        } else {
            0x3eff_ffff
        };
        let half = self.load_float(bits, double);
        let (signed, sum) = (self.float_temp(), self.float_temp());
        self.copy_sign(signed, half, src, double);
        self.float_op(
            FpOp::Add,
            double,
            sum,
            src,
            Src::Reg,
            &[Operand::any(signed)],
        );
        self.round(dst, sum, double, 3);
    }

    /// `a * b + c`, rounded once if `fused`.
    pub(super) fn multiply_add(
        &mut self,
        dst: Vreg,
        [a, b, c]: [Value; 3],
        double: bool,
        fused: bool,
    ) -> Lowered {
        if fused && !self.cpu.fma {
            return self.unsupported("fused multiply-add without FMA");
        }
        let (a, b) = (self.reg(a)?, self.reg(b)?);
        if fused {
            let (src, operands) = self.float_src(c, double)?;
            let first = [Operand::tied(dst, 1), Operand::reg(a), Operand::reg(b)];
            let fp = if double { Fp::Sd } else { Fp::Ss };
            let fma = MInst::FFma {
                fp,
                wide: false,
                src,
            };
            self.push_with(fma, &first, &operands);
            return Ok(());
        }
        let (src, operands) = self.float_src(c, double)?;
        let product = self.float_temp();
        self.float_op(FpOp::Mul, double, product, a, Src::Reg, &[Operand::any(b)]);
        self.float_op(FpOp::Add, double, dst, product, src, &operands);
        Ok(())
    }
}
