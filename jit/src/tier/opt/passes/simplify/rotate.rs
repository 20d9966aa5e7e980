//! Rotations, as C says them: two shifts and a sum without carries.
//!
//! Shifts are modulo the width, so `x << n | x >> (w - n)` is a rotation for all `n`, 0 included, where both
//! are `x`. With `^` or `+` that case would be another, so there `n` must be a constant other than 0.

use super::{Simpler, Simplifier, plain};
use ir::{Inst, Intrinsic, Op, Value};

impl Simplifier<'_, '_> {
    /// `(x << n) | (x >> w - n)` in either order is a rotation of `x`.
    pub(super) fn rotation(&mut self, inst: &Inst) -> Option<Simpler> {
        let width = self.graph.types().int_bits(inst.ty)?;
        if !matches!(width, 8 | 16 | 32 | 64) {
            return None;
        }
        let [a, b, _] = inst.args.map(Value);
        let (a, b) = (*self.def(a)?, *self.def(b)?);
        let (left, right) = match (a.op, b.op) {
            (Op::Shl, Op::LShr) => (a, b),
            (Op::LShr, Op::Shl) => (b, a),
            _ => return None,
        };
        let x = left.args[0];
        if right.args[0] != x {
            return None;
        }
        let (left, right) = (Value(left.args[1]), Value(right.args[1]));
        let (which, amount) = self.turn(left, right, width.into(), inst.op == Op::Or)?;
        let pool = self.graph.pool(&[x, x, amount.0]);
        let args = [which as u32, pool, 3];
        Some(Simpler::Inst(plain(Op::Intrinsic, inst.ty, args)))
    }

    /// The direction and amount of a rotation, if shift amounts are `width` together, modulo it; `any` if a
    /// variable may be 0.
    fn turn(&self, left: Value, right: Value, width: u64, any: bool) -> Option<(Intrinsic, Value)> {
        let constant = |value| self.graph.const_int(value).map(|bits| bits % width);
        if let (Some(l), Some(r)) = (constant(left), constant(right)) {
            let is_turn = (l + r).is_multiple_of(width) && (any || l != 0);
            return is_turn.then_some((Intrinsic::FShl, left));
        }
        let (l, r) = (self.amount(left, width), self.amount(right, width));
        if !any {
            None
        } else if self.is_rest(l, r, width) {
            Some((Intrinsic::FShl, left))
        } else {
            let is_turn = self.is_rest(r, l, width);
            is_turn.then_some((Intrinsic::FShr, right))
        }
    }

    /// Whether `rest` is a multiple of `width` less `amount`.
    fn is_rest(&self, amount: Value, rest: Value, width: u64) -> bool {
        self.def(rest).is_some_and(|def| {
            let whole = self.graph.const_int(Value(def.args[0]));
            def.op == Op::Sub
                && whole.is_some_and(|bits| bits.is_multiple_of(width))
                && self.amount(Value(def.args[1]), width) == amount
        })
    }

    /// What a shift amount is made from, modulo the width: without masks and extensions that keep its low bits.
    fn amount(&self, value: Value, width: u64) -> Value {
        let mut at = value;
        // A mask in an extension in a mask is all that C writes.
        for _ in 0..3 {
            let Some(def) = self.def(at) else {
                break;
            };
            let from = Value(def.args[0]);
            let bits = |value| self.graph.types().int_bits(self.graph.type_of(value));
            let keeps = match def.op {
                Op::And => {
                    let mask = self.graph.const_int(Value(def.args[1]));
                    mask.is_some_and(|mask| mask & (width - 1) == width - 1)
                }
                Op::ZExt | Op::SExt => bits(from).is_some_and(|bits| 1 << bits.min(8) >= width),
                Op::Trunc => bits(at).is_some_and(|bits| 1 << bits.min(8) >= width),
                _ => false,
            };
            if !keeps {
                break;
            }
            at = from;
        }
        at
    }
}
