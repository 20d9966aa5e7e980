//! Comparisons, conditions and selections.
//!
//! A comparison sets the flags; where its only user is the next instruction (a branch, a selection,
//! a widening) no truth value is made. Otherwise the byte of `setcc` is widened to the whole register.
//!
//! Instructions that materialise operands may change the flags, so operands come first, then the
//! comparison, then only moves until the condition is used.

use super::emit::Emitter;
use super::operand::size_of;
use super::value::{Reg, Val};
use crate::abi::Part;
use crate::tier::Declined;
use crate::tier::flags::{Test, Truth, float_truth, int_condition};
use asm::{Alu, Cond, Gpr, Label, Size, VecUn};
use ir::{Inst, InstId, IntPred, Op, Value};

impl Emitter<'_> {
    /// `ICmp` and `FCmp`.
    pub(super) fn compare(&mut self, id: InstId, inst: &Inst) -> Result<(), Declined> {
        if self.is_vector(id) {
            return self.compare_lanes(id, inst);
        }
        if self.is_fused(id) {
            self.fused = Some(id);
            return Ok(());
        }
        let truth = self.compare_operands(inst)?;
        let dst = self.dst(id);
        self.truth(dst.gpr(), truth);
        self.done(id, inst, dst, Val::ZEXT);
        Ok(())
    }

    /// Whether the only use of `id` is as the condition of the next instruction.
    fn is_fused(&self, id: InstId) -> bool {
        let val = &self.vals[self.result(id) as usize];
        let Some(next) = self.body.insts.get(id.index() + 1) else {
            return false;
        };
        let by = matches!(next.op, Op::CondBr | Op::Select | Op::ZExt);
        val.uses == 1 && by && Value(next.args[0]) == Value::inst(id)
    }

    /// `dst = truth` as 0 or 1 in all its bits.
    pub(super) fn truth(&mut self, dst: Gpr, truth: Truth) {
        match truth {
            Truth::Known(value) => return self.asm.mov_i(dst, u64::from(value)),
            Truth::Test(Test::One(cond)) => self.asm.setcc(cond, dst),
            Truth::Test(test @ (Test::Both(a, b) | Test::Either(a, b))) => {
                let op = if matches!(test, Test::Both(..)) {
                    Alu::And
                } else {
                    Alu::Or
                };
                self.asm.setcc(a, dst);
                self.asm.setcc(b, super::regs::TEMP);
                self.asm.alu(op, Size::B8, dst, super::regs::TEMP);
            }
        }
        self.asm.movzx(dst, Size::B8, dst);
    }

    /// Emits the comparison of `inst`; its operands stay locked and are not released.
    fn compare_operands(&mut self, inst: &Inst) -> Result<Truth, Declined> {
        let [a, b, _] = inst.args;
        if inst.op == Op::FCmp {
            return Ok(self.compare_floats(inst, Value(a), Value(b)));
        }
        let Some(pred) = inst.int_pred() else {
            return self.unsupported("predicate");
        };
        if self
            .vals
            .get(self.index(Value(a)).unwrap_or(0) as usize)
            .is_some_and(|v| v.more != 0)
        {
            return self.unsupported("comparison of a wide value");
        }
        if self.const_int(Value(a)).is_some() && self.const_int(Value(b)).is_none() {
            return Ok(self.compare_ints(pred.swap(), Value(b), Value(a)));
        }
        Ok(self.compare_ints(pred, Value(a), Value(b)))
    }

    fn compare_ints(&mut self, pred: IntPred, a: Value, b: Value) -> Truth {
        let bits = self.bits(a);
        let native = match bits {
            8 => Some(Size::B8),
            16 => Some(Size::B16),
            32 => Some(Size::B32),
            64 => Some(Size::B64),
            _ => None,
        };
        let size = native.unwrap_or(size_of(bits));
        let left = match native {
            Some(_) => self.gpr(a),
            None => self.extended(a, pred.is_signed(), size),
        };
        let imm = self.imm(b, bits).map(|imm| match native {
            None if bits < 32 && !pred.is_signed() => imm & ((1u32 << bits) - 1) as i32,
            None if bits < 32 => imm << (32 - bits) >> (32 - bits),
            _ => imm,
        });
        // A wide odd width compared as unsigned needs its constant zero-extended: no immediate.
        let odd_wide = native.is_none() && bits > 32 && !pred.is_signed();
        match imm.filter(|&imm| !odd_wide || imm >= 0) {
            Some(0) if matches!(pred, IntPred::Eq | IntPred::Ne) || pred.is_signed() => {
                let known = (self.asm.offset().0, self.index(a));
                if pred.is_signed() || known != (self.zero_flag.0, Some(self.zero_flag.1)) {
                    self.asm.test(size, left, left);
                }
            }
            Some(imm) => self.asm.alu_i(Alu::Cmp, size, left, imm),
            None => {
                let right = match native {
                    Some(_) => self.gpr(b),
                    None => self.extended(b, pred.is_signed(), size),
                };
                self.asm.alu(Alu::Cmp, size, left, right);
            }
        }
        Truth::Test(Test::One(int_condition(pred)))
    }

    fn compare_floats(&mut self, inst: &Inst, a: Value, b: Value) -> Truth {
        let (swap, truth) = float_truth(inst.float_pred());
        if matches!(truth, Truth::Known(_)) {
            return truth;
        }
        let (a, b) = if swap { (b, a) } else { (a, b) };
        let op = if self.part(a) == Part::F32 {
            VecUn::UCOMISS
        } else {
            VecUn::UCOMISD
        };
        let left = self.xmm(a);
        let right = self.xmm(b);
        self.asm.vec_un(self.enc, op, left, right);
        truth
    }

    /// Puts the truth of `value` into the flags and releases it.
    pub(super) fn test(&mut self, value: Value) -> Result<Truth, Declined> {
        if let Some(id) = self.fused.take()
            && value == Value::inst(id)
        {
            let inst = *self.body.inst(id);
            let truth = self.compare_operands(&inst)?;
            self.release(Value(inst.args[0]));
            self.release(Value(inst.args[1]));
            self.release(value);
            return Ok(truth);
        }
        if let Some(bits) = self.const_int(value) {
            return Ok(Truth::Known(bits & 1 != 0));
        }
        let reg = self.gpr(value);
        self.asm.test_i(Size::B8, reg, 1);
        self.release(value);
        Ok(Truth::Test(Test::One(Cond::Ne)))
    }

    /// Jumps to `label` if `truth` holds.
    pub(super) fn jump_if(&mut self, truth: Truth, label: Label) {
        match truth {
            Truth::Test(Test::One(cond)) => self.asm.jcc(cond, label),
            Truth::Test(Test::Either(a, b)) => {
                self.asm.jcc(a, label);
                self.asm.jcc(b, label);
            }
            Truth::Test(Test::Both(a, b)) => {
                let past = self.asm.label();
                self.asm.jcc_short(a.invert(), past);
                self.asm.jcc(b, label);
                self.asm.bind(past);
            }
            Truth::Known(true) => self.asm.jmp(label),
            Truth::Known(false) => {}
        }
    }

    /// `Select`.
    pub(super) fn select(&mut self, id: InstId, inst: &Inst) -> Result<(), Declined> {
        let [cond, then, other] = inst.values();
        let ix = self.result(id);
        if self.vals[ix as usize].more != 0 {
            return self.unsupported("selection of an aggregate");
        }
        let part = self.vals[ix as usize].part;
        let a = self.get(then);
        let b = self.get(other);
        let truth = self.test(cond)?;
        let dst = self.dst_from(id, other, b, a);
        if part.is_int() {
            let size = size_of(super::operand::bits_of(part));
            self.move_if(truth, size, dst.gpr(), a.gpr());
        } else {
            self.vec_move_if(truth, part, dst, a);
        }
        self.release(then);
        self.release(other);
        self.set(ix, dst, 0);
        Ok(())
    }

    fn move_if(&mut self, truth: Truth, size: Size, dst: Gpr, src: Gpr) {
        match truth {
            Truth::Test(Test::One(cond)) => self.asm.cmov(cond, size, dst, src),
            Truth::Test(Test::Either(a, b)) => {
                self.asm.cmov(a, size, dst, src);
                self.asm.cmov(b, size, dst, src);
            }
            Truth::Test(Test::Both(a, b)) => {
                let past = self.asm.label();
                self.asm.jcc_short(a.invert(), past);
                self.asm.cmov(b, size, dst, src);
                self.asm.bind(past);
            }
            Truth::Known(true) => self.asm.mov(size, dst, src),
            Truth::Known(false) => {}
        }
    }

    fn vec_move_if(&mut self, truth: Truth, part: Part, dst: Reg, src: Reg) {
        let past = self.asm.label();
        match truth {
            Truth::Test(test) => test.skip_unless(&mut self.asm, past),
            Truth::Known(false) => self.asm.jmp_short(past),
            Truth::Known(true) => {}
        }
        self.copy(dst, src, part);
        self.asm.bind(past);
    }
}
