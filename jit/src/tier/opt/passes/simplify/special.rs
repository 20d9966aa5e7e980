//! Simplifications that are no equation between trees of integers.

use super::{Simpler, Simplifier, plain};
use ir::{Flags, FloatPred, Inst, InstId, Op, TypeId, Value};

impl Simplifier<'_, '_> {
    /// The first special simplification that applies.
    pub(super) fn special(&mut self, id: InstId, inst: &Inst) -> Option<Simpler> {
        let a = Value(inst.args[0]);
        match inst.op {
            Op::Phi => self.same_from_everywhere(inst, id).map(Simpler::Value),
            // Poison is 0 (head of crate `ir`), so there is nothing to freeze.
            Op::Freeze => Some(Simpler::Value(a)),
            Op::Select => {
                (inst.args[1] == inst.args[2]).then(|| Simpler::Value(Value(inst.args[1])))
            }
            Op::Or => self.rotation(inst),
            Op::Xor => self.inverted_compare(inst).or_else(|| self.rotation(inst)),
            Op::Add => self.rotation(inst),
            Op::AShr => self.sign_extension(inst, id),
            Op::ZExt => self.low_bits(inst),
            Op::ICmp => self.compare_addresses(inst),
            Op::Bitcast | Op::PtrToInt | Op::IntToPtr => self.cast_back(inst),
            Op::PtrAdd => self.constant_offset(inst),
            Op::CondBr => self.swap_targets(inst),
            _ => None,
        }
    }

    /// The value that a phi has whichever way control came, itself aside. It dominates the phi: all
    /// ways to the phi pass through it, or they came through the phi before.
    fn same_from_everywhere(&self, inst: &Inst, id: InstId) -> Option<Value> {
        let mut same = None;
        let [start, n, _] = inst.args;
        for pair in self.graph.code().words(start, n * 2).chunks_exact(2) {
            let value = Value(pair[1]);
            if value != Value::inst(id) && *same.get_or_insert(value) != value {
                return None;
            }
        }
        same
    }

    /// `xor (icmp p x, y), true` is `icmp !p x, y`; likewise for floats, where "unordered" is one of
    /// the four outcomes that a predicate chooses from.
    fn inverted_compare(&self, inst: &Inst) -> Option<Simpler> {
        let [a, b, _] = inst.values();
        let compare = *self.def(a).filter(|_| inst.ty == TypeId::I1)?;
        if self.graph.const_int(b) != Some(1) {
            return None;
        }
        let flags = match compare.op {
            Op::ICmp => compare.int_pred()?.invert() as u8,
            Op::FCmp => compare.float_pred().invert().0 & (FloatPred::NAMES.len() as u8 - 1),
            _ => return None,
        };
        Some(Simpler::Inst(Inst {
            flags: Flags(flags),
            ..compare
        }))
    }

    /// Shifting left and back with sign is sign extension of the low bits.
    fn sign_extension(&mut self, inst: &Inst, id: InstId) -> Option<Simpler> {
        let [a, b, _] = inst.values();
        let shl = *self.def(a).filter(|def| def.op == Op::Shl)?;
        if shl.args[1] != inst.args[1] || !self.used_once(a) {
            return None;
        }
        let amount = self.graph.const_int(b)?;
        let width = u64::from(self.graph.types().int_bits(inst.ty)?);
        let narrow = match width.checked_sub(amount)? {
            8 => TypeId::I8,
            16 => TypeId::I16,
            32 if width == 64 => TypeId::I32,
            _ => return None,
        };
        if amount == 0 {
            return None;
        }
        let low = self.emit(plain(Op::Trunc, narrow, [shl.args[0], 0, 0]), id);
        Some(Simpler::Inst(plain(Op::SExt, inst.ty, [low.0, 0, 0])))
    }

    /// Narrowing and widening back keeps the low bits.
    fn low_bits(&mut self, inst: &Inst) -> Option<Simpler> {
        let trunc = *self
            .def(Value(inst.args[0]))
            .filter(|def| def.op == Op::Trunc)?;
        let from = Value(trunc.args[0]);
        let bits = self.graph.types().int_bits(trunc.ty)?;
        let wide = self.graph.types().int_bits(inst.ty)?;
        if self.graph.type_of(from) != inst.ty || wide > 64 {
            return None;
        }
        let mask = self.graph.int(inst.ty, super::pattern::ones(bits));
        Some(Simpler::Inst(plain(Op::And, inst.ty, [from.0, mask.0, 0])))
    }

    /// Comparing the numbers of two addresses is comparing the addresses.
    fn compare_addresses(&self, inst: &Inst) -> Option<Simpler> {
        let number = |value| {
            let def = self.def(value)?;
            let same = def.op == Op::PtrToInt && def.ty == TypeId::I32;
            same.then_some(def.args[0])
        };
        let [a, b, _] = inst.values();
        let args = [number(a)?, number(b)?, 0];
        Some(Simpler::Inst(Inst { args, ..*inst }))
    }

    /// A cast of a cast that gives the first type again, or skips the type between.
    fn cast_back(&self, inst: &Inst) -> Option<Simpler> {
        let a = Value(inst.args[0]);
        let from = self.graph.type_of(a);
        if inst.op == Op::Bitcast && from == inst.ty {
            return Some(Simpler::Value(a));
        }
        let inner = *self.def(a)?;
        let first = Value(inner.args[0]);
        let undone = match (inner.op, inst.op) {
            (Op::Bitcast, Op::Bitcast) => true,
            (Op::PtrToInt, Op::IntToPtr) | (Op::IntToPtr, Op::PtrToInt) => {
                // An integer between that is narrower loses bits; one around is cut to 32.
                let bits = |ty| self.graph.types().int_bits(ty);
                bits(from) >= Some(32) && bits(inst.ty) >= Some(32)
            }
            _ => return None,
        };
        if undone && self.graph.type_of(first) == inst.ty {
            let wide = self.graph.types().int_bits(inst.ty) > Some(32);
            let keeps = inst.op == Op::Bitcast || !wide;
            return keeps.then_some(Simpler::Value(first));
        }
        let casts = inst.op == Op::Bitcast;
        casts.then(|| Simpler::Inst(plain(Op::Bitcast, inst.ty, [first.0, 0, 0])))
    }

    /// A constant index is part of the displacement; adding 0 is nothing.
    fn constant_offset(&self, inst: &Inst) -> Option<Simpler> {
        let [base, index, c] = inst.args;
        if Value(index) == Value::NONE {
            return (c == 0).then_some(Simpler::Value(Value(base)));
        }
        let index = self.graph.const_int(Value(index))? as u32;
        let words = self.graph.code().words(c, 2);
        let added = index.wrapping_mul(words[0]).wrapping_add(words[1]);
        Some(Simpler::Inst(Inst {
            args: [base, Value::NONE.0, added],
            ..*inst
        }))
    }

    /// A branch on the opposite is the opposite branch.
    fn swap_targets(&self, inst: &Inst) -> Option<Simpler> {
        let [cond, then, other] = inst.args;
        let not = self.def(Value(cond)).filter(|def| def.op == Op::Xor)?;
        let inverts = self.graph.const_int(Value(not.args[1])) == Some(1);
        let args = [not.args[0], other, then];
        inverts.then_some(Simpler::Inst(Inst { args, ..*inst }))
    }
}
