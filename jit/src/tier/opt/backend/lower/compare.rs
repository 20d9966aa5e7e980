//! Comparisons: flags for whoever reads them, truth values for the rest; selections.

use super::operand::{Operands, exact_size};
use super::{Lower, Lowered, size_of};
use crate::tier::flags::{Test, Truth, float_truth, int_condition};
use crate::tier::opt::backend::vcode::{MInst, Operand, Src, Vreg};
use asm::{Cond, Size};
use ir::{Inst, InstId, IntPred, Op, Value};

/// Negations deeper than this are not looked through.
const MAX_NEGATIONS: u32 = 8;

impl Lower<'_> {
    /// "Not zero", after [`test_bit`](Self::test_bit).
    pub(super) const SET: Test = Test::One(Cond::Ne);

    /// Puts the truth of `value`, an `i1`, into the flags.
    pub(super) fn truth(&mut self, value: Value) -> Lowered<Truth> {
        let mut value = value;
        let mut inverted = false;
        for _ in 0..MAX_NEGATIONS {
            let Some(inner) = self.negated(value) else {
                break;
            };
            value = inner;
            inverted = !inverted;
        }
        let truth = self.plain_truth(value)?;
        Ok(if inverted { truth.invert() } else { truth })
    }

    /// What `value` is the negation of.
    fn negated(&self, value: Value) -> Option<Value> {
        let (leaf, _) = self.leaf(value, 0);
        let (_, inst) = self.def(leaf)?;
        let [a, b, _] = inst.values();
        let not = inst.op == Op::Xor && self.types.int_bits(inst.ty) == Some(1);
        (not && self.const_bits(b).is_some_and(|bits| bits & 1 != 0)).then_some(a)
    }

    fn plain_truth(&mut self, value: Value) -> Lowered<Truth> {
        if let Some(bits) = self.const_bits(value) {
            return Ok(Truth::Known(bits & 1 != 0));
        }
        let (leaf, _) = self.leaf(value, 0);
        if let Some((id, inst)) = self.def(leaf)
            && matches!(inst.op, Op::ICmp | Op::FCmp)
        {
            let here = self.block_of[id.index()] == self.block;
            let sole = self.is_sole(value);
            if sole || (here && !self.is_wanted(id)) {
                let inst = *inst;
                return self.compare(&inst, sole);
            }
        }
        let vreg = self.reg(value)?;
        self.test_bit(vreg);
        Ok(Truth::Test(Self::SET))
    }

    /// Flags of the lowest bit of `vreg`.
    pub(super) fn test_bit(&mut self, vreg: Vreg) {
        let inst = MInst::Test {
            size: Size::B8,
            src: Src::Imm(1),
        };
        self.push(inst, &[Operand::reg(vreg)]);
    }

    /// Flags of the comparison `inst`. Loads may be done by it if it is done only once.
    fn compare(&mut self, inst: &Inst, once: bool) -> Lowered<Truth> {
        let [a, b, _] = inst.values();
        if inst.op == Op::FCmp {
            return self.compare_floats(inst, a, b, once);
        }
        let Some(pred) = inst.int_pred() else {
            return self.unsupported("predicate");
        };
        let bits = self.bits(a)?;
        let (pred, a, b) = if self.imm_of(a, bits).is_some() && self.imm_of(b, bits).is_none() {
            (pred.swap(), b, a)
        } else {
            (pred, a, b)
        };
        if matches!(bits, 8 | 16 | 32 | 64) {
            self.compare_ints(pred, a, b, bits, once)
        } else {
            self.compare_odd(pred, a, b, bits)
        }
    }

    fn compare_ints(
        &mut self,
        pred: IntPred,
        a: Value,
        b: Value,
        bits: u32,
        once: bool,
    ) -> Lowered<Truth> {
        let size = exact_size(bits);
        let cond = int_condition(pred);
        if let Some(imm) = self.imm_of(b, bits) {
            if imm == 0 && self.test_mask(a, bits, once)? {
                return Ok(Truth::Test(Test::One(cond)));
            }
            if once && let Some(load) = self.sinkable_int(a, size) {
                let (mem, operands) = self.address(Value(load.args[0]))?;
                self.push(MInst::CmpMemImm { size, imm, mem }, &operands);
                return Ok(Truth::Test(Test::One(cond)));
            }
            let a = self.reg(a)?;
            self.compare_imm(size, a, imm);
            return Ok(Truth::Test(Test::One(cond)));
        }
        let from_load = |this: &Self, value| once && this.sinkable_int(value, size).is_some();
        if from_load(self, a) && !from_load(self, b) {
            let b = self.reg(b)?;
            let load = self.sinkable_int(a, size).expect("it was found just now");
            let (mem, operands) = self.address(Value(load.args[0]))?;
            self.push_with(MInst::CmpMem { size, mem }, &[Operand::reg(b)], &operands);
            return Ok(Truth::Test(Test::One(cond)));
        }
        let a = self.reg(a)?;
        let (src, operands) = if once {
            self.reg_or_mem(b, size)?
        } else {
            (
                Src::Reg,
                Operands::from_slice(&[Operand::any(self.reg(b)?)]),
            )
        };
        self.push_with(MInst::Cmp { size, src }, &[Operand::reg(a)], &operands);
        Ok(Truth::Test(Test::One(cond)))
    }

    /// Flags of `a` compared with `imm`: for 0, `test` gives the same ones.
    pub(super) fn compare_imm(&mut self, size: Size, a: Vreg, imm: i32) {
        if imm == 0 {
            let test = MInst::Test {
                size,
                src: Src::Reg,
            };
            self.push(test, &[Operand::reg(a), Operand::reg(a)]);
        } else {
            self.push(
                MInst::Cmp {
                    size,
                    src: Src::Imm(imm),
                },
                &[Operand::reg(a)],
            );
        }
    }

    /// If `value` is an `and` with no other use: the flags of it.
    fn test_mask(&mut self, value: Value, bits: u32, once: bool) -> Lowered<bool> {
        let (leaf, _) = self.leaf(value, 0);
        let Some((id, inst)) = self.def(leaf) else {
            return Ok(false);
        };
        let fits = inst.op == Op::And && self.types.int_bits(inst.ty) == Some(bits);
        if !fits || !once || !self.is_sole(value) || self.is_wanted(id) {
            return Ok(false);
        }
        let [a, b, _] = inst.values();
        let size = exact_size(bits);
        let (a, b) = if self.imm_of(a, bits).is_some() {
            (b, a)
        } else {
            (a, b)
        };
        match self.imm_of(b, bits) {
            Some(imm) => {
                if let Some(load) = self.sinkable_int(a, size) {
                    let (mem, operands) = self.address(Value(load.args[0]))?;
                    self.push(MInst::TestMemImm { size, imm, mem }, &operands);
                } else {
                    let a = self.reg(a)?;
                    let inst = MInst::Test {
                        size,
                        src: Src::Imm(imm),
                    };
                    self.push(inst, &[Operand::reg(a)]);
                }
            }
            None => {
                let (a, b) = (self.reg(a)?, self.reg(b)?);
                let inst = MInst::Test {
                    size,
                    src: Src::Reg,
                };
                self.push(inst, &[Operand::reg(a), Operand::reg(b)]);
            }
        }
        Ok(true)
    }

    /// Widths that the hardware does not have: extended first.
    fn compare_odd(&mut self, pred: IntPred, a: Value, b: Value, bits: u32) -> Lowered<Truth> {
        let size = size_of(bits);
        let (a, b) = if pred.is_signed() {
            (self.sign_extended(a, bits)?, self.sign_extended(b, bits)?)
        } else {
            (self.zero_extended(a, bits)?, self.zero_extended(b, bits)?)
        };
        let cmp = MInst::Cmp {
            size,
            src: Src::Reg,
        };
        self.push(cmp, &[Operand::reg(a), Operand::any(b)]);
        Ok(Truth::Test(Test::One(int_condition(pred))))
    }

    fn compare_floats(&mut self, inst: &Inst, a: Value, b: Value, once: bool) -> Lowered<Truth> {
        let (swap, truth) = float_truth(inst.float_pred());
        if matches!(truth, Truth::Known(_)) {
            return Ok(truth);
        }
        let (a, b) = if swap { (b, a) } else { (a, b) };
        let double = self.is_double(self.body.type_of(a))?;
        let a = self.reg(a)?;
        let (src, operands) = if once {
            self.float_src(b, double)?
        } else {
            (
                Src::Reg,
                Operands::from_slice(&[Operand::any(self.reg(b)?)]),
            )
        };
        self.push_with(MInst::FCmp { double, src }, &[Operand::reg(a)], &operands);
        Ok(truth)
    }

    /// A comparison whose truth value is wanted in a register: 0 or 1 in all of it.
    pub(super) fn compare_value(&mut self, id: InstId, inst: &Inst) -> Lowered {
        let dst = self.result(id)?;
        let truth = self.compare(inst, true)?;
        self.set(dst, truth);
        Ok(())
    }

    /// `dst = truth`.
    pub(super) fn set(&mut self, dst: Vreg, truth: Truth) {
        match truth {
            Truth::Known(known) => self.push(MInst::Imm(u64::from(known)), &[Operand::def(dst)]),
            Truth::Test(test @ Test::One(_)) => self.push(MInst::Set(test), &[Operand::def(dst)]),
            Truth::Test(test) => {
                let scratch = self.temp();
                self.push(
                    MInst::Set(test),
                    &[Operand::def(dst), Operand::def(scratch)],
                );
            }
        }
    }

    /// `Select`, part by part.
    pub(super) fn select(&mut self, id: InstId, inst: &Inst) -> Lowered {
        let [cond, then, other] = inst.values();
        let parts = self.parts(inst.ty)?;
        for (number, &part) in (0u32..).zip(&parts) {
            let dst = self.result_part(id, number)?;
            let a = self.use_part(then, number)?;
            let b = self.use_part(other, number)?;
            let truth = self.truth(cond)?;
            let size = Self::part_size(part);
            match truth {
                Truth::Known(known) => self.copy(dst, if known { a } else { b }),
                Truth::Test(test) if part.is_int() => self.choose(test, size, dst, a, b),
                Truth::Test(test) => self.choose_float(test, dst, a, b),
            }
        }
        Ok(())
    }

    /// `dst = a if test else b`, integers.
    pub(super) fn choose(&mut self, test: Test, size: Size, dst: Vreg, a: Vreg, b: Vreg) {
        // "Both" would need a branch: it is "either" of the opposite.
        let (test, a, b) = match test {
            Test::Both(..) => (test.invert(), b, a),
            _ => (test, a, b),
        };
        let inst = MInst::Cmov {
            test,
            size,
            src: Src::Reg,
        };
        self.push(
            inst,
            &[Operand::tied(dst, 1), Operand::reg(b), Operand::any(a)],
        );
    }

    /// `dst = a if test else b`, floats.
    pub(super) fn choose_float(&mut self, test: Test, dst: Vreg, a: Vreg, b: Vreg) {
        let operands = [Operand::tied(dst, 1), Operand::reg(b), Operand::any(a)];
        self.push(MInst::FSelect(test), &operands);
    }
}
