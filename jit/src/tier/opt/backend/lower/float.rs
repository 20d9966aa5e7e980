//! Scalar floating point: arithmetic, signs, rounding.

use super::operand::Operands;
use super::{Lower, Lowered};
use crate::tier::opt::backend::vcode::{MInst, Operand, Src, Test, Vreg};
use asm::{Cond, FpOp, VecBin};
use ir::{ConstKind, Inst, InstId, Op, Value};

impl Lower<'_> {
    /// `FAdd` to `FRem`.
    pub(super) fn float_binary(&mut self, id: InstId, inst: &Inst) -> Lowered {
        let double = self.is_double(inst.ty)?;
        let dst = self.result(id)?;
        let [a, b, _] = inst.args.map(Value);
        let op = match inst.op {
            Op::FAdd => FpOp::Add,
            Op::FSub => FpOp::Sub,
            Op::FMul => FpOp::Mul,
            Op::FDiv => FpOp::Div,
            _ => return self.float_remainder(dst, a, b, double),
        };
        let commutes = matches!(op, FpOp::Add | FpOp::Mul);
        let (a, b) = if commutes && self.in_memory(a) && !self.in_memory(b) { (b, a) } else { (a, b) };
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
        self.push_with(inst, &[self.float_result(dst), Operand::reg(a)], operands);
    }

    /// A result that legacy encoding computes in its first input.
    fn float_result(&self, dst: Vreg) -> Operand {
        if self.cpu.avx { Operand::def(dst) } else { Operand::tied(dst, 1) }
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
        let inst = MInst::FVec { op, src: Src::Mem(mem) };
        self.push(inst, &[self.float_result(dst), Operand::reg(src)]);
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
        let or = MInst::FVec { op: VecBin::ORPS, src: Src::Reg };
        self.push(or, &[self.float_result(dst), Operand::reg(magnitude), Operand::reg(sign)]);
    }

    /// `minnum` or `maxnum`: the hardware's result is right unless the first operand is NaN.
    pub(super) fn min_max(&mut self, op: FpOp, dst: Vreg, a: Vreg, b: Vreg, double: bool) {
        let chosen = self.float_temp();
        self.float_op(op, double, chosen, b, Src::Reg, &[Operand::any(a)]);
        let compare = MInst::FCmp { double, src: Src::Reg };
        self.push(compare, &[Operand::reg(a), Operand::any(a)]);
        self.choose_float(Test::One(Cond::P), dst, b, chosen);
    }

    /// `dst = src` rounded to an integer as `mode` of `round*` says.
    pub(super) fn round(&mut self, dst: Vreg, src: Vreg, double: bool, mode: u8) -> Lowered {
        if !self.cpu.sse41 {
            return self.unsupported("rounding without SSE4.1");
        }
        self.push(MInst::FRound { double, mode }, &[Operand::def(dst), Operand::reg(src)]);
        Ok(())
    }

    /// `dst = src` rounded half away from zero: what is just below a half is added, so that it does
    /// not carry numbers just below a half to one.
    pub(super) fn round_half_away(&mut self, dst: Vreg, src: Vreg, double: bool) -> Lowered {
        let bits = if double { 0x3fdf_ffff_ffff_ffff } else { 0x3eff_ffff };
        let mem = self.constant_mem(bits, if double { 8 } else { 4 });
        let (half, signed, sum) = (self.float_temp(), self.float_temp(), self.float_temp());
        self.push(MInst::FLoad { double, mem }, &[Operand::def(half)]);
        self.copy_sign(signed, half, src, double);
        self.float_op(FpOp::Add, double, sum, src, Src::Reg, &[Operand::any(signed)]);
        self.round(dst, sum, double, 3 | 8)
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
            let c = self.reg(c)?;
            let operands =
                [Operand::tied(dst, 1), Operand::reg(a), Operand::reg(b), Operand::reg(c)];
            self.push(MInst::FFma { double }, &operands);
            return Ok(());
        }
        let (src, operands) = self.float_src(c, double)?;
        let product = self.float_temp();
        self.float_op(FpOp::Mul, double, product, a, Src::Reg, &[Operand::any(b)]);
        self.float_op(FpOp::Add, double, dst, product, src, &operands);
        Ok(())
    }
}
