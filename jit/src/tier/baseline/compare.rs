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
use asm::{Alu, Cond, Gpr, Label, Size, VecUn};
use ir::{Inst, InstId, IntPred, Op, Value};

/// How a truth value is read from the flags.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Test {
    /// A condition.
    One(Cond),
    /// Both conditions.
    Both(Cond, Cond),
    /// At least one of the conditions.
    Either(Cond, Cond),
    /// Known without flags.
    Known(bool),
}

impl Test {
    /// True exactly when this is false.
    pub(super) fn invert(self) -> Self {
        match self {
            Self::One(cond) => Self::One(cond.invert()),
            Self::Both(a, b) => Self::Either(a.invert(), b.invert()),
            Self::Either(a, b) => Self::Both(a.invert(), b.invert()),
            Self::Known(value) => Self::Known(!value),
        }
    }
}

fn condition(pred: IntPred) -> Cond {
    match pred {
        IntPred::Eq => Cond::E,
        IntPred::Ne => Cond::Ne,
        IntPred::Ugt => Cond::A,
        IntPred::Uge => Cond::Ae,
        IntPred::Ult => Cond::B,
        IntPred::Ule => Cond::Be,
        IntPred::Sgt => Cond::G,
        IntPred::Sge => Cond::Ge,
        IntPred::Slt => Cond::L,
        IntPred::Sle => Cond::Le,
    }
}

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
        let test = self.compare_operands(inst)?;
        let dst = self.dst(id);
        self.truth(dst.gpr(), test);
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

    /// `dst = test` as 0 or 1 in all its bits.
    pub(super) fn truth(&mut self, dst: Gpr, test: Test) {
        match test {
            Test::One(cond) => self.asm.setcc(cond, dst),
            Test::Both(a, b) | Test::Either(a, b) => {
                let op = if matches!(test, Test::Both(..)) {
                    Alu::And
                } else {
                    Alu::Or
                };
                self.asm.setcc(a, dst);
                self.asm.setcc(b, super::regs::TEMP);
                self.asm.alu(op, Size::B8, dst, super::regs::TEMP);
            }
            Test::Known(value) => return self.asm.mov_i(dst, u64::from(value)),
        }
        self.asm.movzx(dst, Size::B8, dst);
    }

    /// Emits the comparison of `inst`; its operands stay locked and are not released.
    fn compare_operands(&mut self, inst: &Inst) -> Result<Test, Declined> {
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

    fn compare_ints(&mut self, pred: IntPred, a: Value, b: Value) -> Test {
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
        Test::One(condition(pred))
    }

    fn compare_floats(&mut self, inst: &Inst, a: Value, b: Value) -> Test {
        // `ucomis`: unordered sets Z, P and C; less sets C; equal sets Z. "Less" is asked as
        // "greater" of swapped operands, because C alone is also set for unordered.
        let number = inst.float_pred().0;
        let (a, b, number) = match number {
            // olt, ole -> ogt, oge; ugt, uge -> ult, ule.
            4 => (b, a, 2),
            5 => (b, a, 3),
            10 => (b, a, 12),
            11 => (b, a, 13),
            _ => (a, b, number),
        };
        if number == 0 || number == 15 {
            return Test::Known(number == 15);
        }
        let op = if self.part(a) == Part::F32 {
            VecUn::UCOMISS
        } else {
            VecUn::UCOMISD
        };
        let left = self.xmm(a);
        let right = self.xmm(b);
        self.asm.vec_un(self.enc, op, left, right);
        match number {
            1 => Test::Both(Cond::E, Cond::Np),
            2 => Test::One(Cond::A),
            3 => Test::One(Cond::Ae),
            6 => Test::One(Cond::Ne),
            7 => Test::One(Cond::Np),
            8 => Test::One(Cond::P),
            9 => Test::One(Cond::E),
            12 => Test::One(Cond::B),
            13 => Test::One(Cond::Be),
            _ => Test::Either(Cond::Ne, Cond::P),
        }
    }

    /// Puts the truth of `value` into the flags and releases it.
    pub(super) fn test(&mut self, value: Value) -> Result<Test, Declined> {
        if let Some(id) = self.fused.take()
            && value == Value::inst(id)
        {
            let inst = *self.body.inst(id);
            let test = self.compare_operands(&inst)?;
            self.release(Value(inst.args[0]));
            self.release(Value(inst.args[1]));
            self.release(value);
            return Ok(test);
        }
        if let Some(bits) = self.const_int(value) {
            return Ok(Test::Known(bits & 1 != 0));
        }
        let reg = self.gpr(value);
        self.asm.test_i(Size::B8, reg, 1);
        self.release(value);
        Ok(Test::One(Cond::Ne))
    }

    /// Jumps to `label` if `test` holds.
    pub(super) fn jump_if(&mut self, test: Test, label: Label) {
        match test {
            Test::One(cond) => self.asm.jcc(cond, label),
            Test::Either(a, b) => {
                self.asm.jcc(a, label);
                self.asm.jcc(b, label);
            }
            Test::Both(a, b) => {
                let past = self.asm.label();
                self.asm.jcc_short(a.invert(), past);
                self.asm.jcc(b, label);
                self.asm.bind(past);
            }
            Test::Known(true) => self.asm.jmp(label),
            Test::Known(false) => {}
        }
    }

    /// `Select`.
    pub(super) fn select(&mut self, id: InstId, inst: &Inst) -> Result<(), Declined> {
        let [cond, then, other] = inst.args.map(Value);
        let ix = self.result(id);
        if self.vals[ix as usize].more != 0 {
            return self.unsupported("selection of an aggregate");
        }
        let part = self.vals[ix as usize].part;
        let a = self.get(then);
        let b = self.get(other);
        let test = self.test(cond)?;
        let dst = self.dst_from(id, other, b, a);
        if part.is_int() {
            let size = size_of(super::operand::bits_of(part));
            self.move_if(test, size, dst.gpr(), a.gpr());
        } else {
            self.vec_move_if(test, part, dst, a);
        }
        self.release(then);
        self.release(other);
        self.set(ix, dst, 0);
        Ok(())
    }

    fn move_if(&mut self, test: Test, size: Size, dst: Gpr, src: Gpr) {
        match test {
            Test::One(cond) => self.asm.cmov(cond, size, dst, src),
            Test::Either(a, b) => {
                self.asm.cmov(a, size, dst, src);
                self.asm.cmov(b, size, dst, src);
            }
            Test::Both(a, b) => {
                let past = self.asm.label();
                self.asm.jcc_short(a.invert(), past);
                self.asm.cmov(b, size, dst, src);
                self.asm.bind(past);
            }
            Test::Known(true) => self.asm.mov(size, dst, src),
            Test::Known(false) => {}
        }
    }

    fn vec_move_if(&mut self, test: Test, part: Part, dst: Reg, src: Reg) {
        let past = self.asm.label();
        match test.invert() {
            Test::One(cond) => self.asm.jcc_short(cond, past),
            Test::Either(a, b) => {
                self.asm.jcc_short(a, past);
                self.asm.jcc_short(b, past);
            }
            Test::Both(a, b) => {
                let change = self.asm.label();
                self.asm.jcc_short(a.invert(), change);
                self.asm.jcc_short(b, past);
                self.asm.bind(change);
            }
            Test::Known(true) => self.asm.jmp_short(past),
            Test::Known(false) => {}
        }
        self.copy(dst, src, part);
        self.asm.bind(past);
    }
}
