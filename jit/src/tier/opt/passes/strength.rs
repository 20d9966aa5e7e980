//! Strength reduction: products and quotients by constants from cheaper operations.
//!
//! *Before*: any graph, simplified (powers of two are shifts already where that is one instruction).
//! *During*, one walk: see the table. *After*: no `div` by a constant at 64 bits or up to 32, and none by
//! a power of two at any width.
//!
//! | operation | becomes | cycles, about |
//! | --- | --- | --- |
//! | `x * (2^k ± 1)`, not 3, 5, 9 | `(x << k) ± x` | 3 → 2 |
//! | `x / 2^k` signed | `(x + (x >> w-1 >>> w-k)) >> k` | 25 → 4 |
//! | `x / d` unsigned, 32 bits or less | high half of `x * m`, shifted | 25 → 5 |
//! | `x / d` signed, 32 bits or less | the same with a correction by the sign | 25 → 6 |
//! | `x / d` unsigned, 64 bits | the same from a product of 128 bits | 35 → 6 |
//! | `x / d` signed, 64 bits | that of the magnitude, with the sign | 40 → 9 |
//! | `x % d` | `x - x / d * d` | |
//!
//! Multipliers: [`reciprocal`]; the 64-bit product is one instruction here, so numbers of fewer than 32 bits
//! need no fix-up. A constant divisor other than 0 and -1 cannot fault, and those two are left alone.

use super::simplify::pattern::signed;
use crate::reciprocal;
use crate::tier::opt::graph::Graph;
use alloc::vec::Vec;
use ir::{Inst, InstId, Intrinsic, Op, TypeId, Value};

/// Replaces products and quotients by constants.
pub fn run(graph: &mut Graph<'_>) {
    for block in graph.blocks() {
        let reducible = |&id: &InstId| is_candidate(graph.inst(id).op);
        if !graph.insts(block).iter().any(reducible) {
            continue;
        }
        let mut list = Vec::new();
        for id in graph.take_insts(block) {
            graph.resolve_operands(id);
            let mut reducer = Reducer {
                graph,
                list: &mut list,
                like: id,
            };
            if let Some(value) = reducer.reduce() {
                graph.replace(id, value);
            } else {
                list.push(id);
            }
        }
        *graph.insts_mut(block) = list;
    }
}

fn is_candidate(op: Op) -> bool {
    matches!(op, Op::Mul | Op::UDiv | Op::SDiv | Op::URem | Op::SRem)
}

/// Makes what replaces one instruction.
struct Reducer<'g, 'a> {
    graph: &'g mut Graph<'a>,
    list: &'g mut Vec<InstId>,
    like: InstId,
}

impl Reducer<'_, '_> {
    fn op(&mut self, op: Op, ty: TypeId, a: Value, b: Value) -> Value {
        let id = self.graph.op(op, ty, [a.0, b.0, 0], self.like);
        self.list.push(id);
        Value::inst(id)
    }

    fn op_const(&mut self, op: Op, ty: TypeId, a: Value, bits: u64) -> Value {
        let b = self.graph.int(ty, bits);
        self.op(op, ty, a, b)
    }

    fn cast(&mut self, op: Op, ty: TypeId, a: Value) -> Value {
        let id = self.graph.op(op, ty, [a.0, 0, 0], self.like);
        self.list.push(id);
        Value::inst(id)
    }

    /// The value that takes the instruction's place.
    fn reduce(&mut self) -> Option<Value> {
        let inst = *self.graph.inst(self.like);
        if !is_candidate(inst.op) {
            return None;
        }
        let c = self.graph.const_int(Value(inst.args[1]))?;
        let width = self.graph.types().int_bits(inst.ty).filter(|w| *w <= 64)?;
        if !self.is_worth_it(&inst, width, c) || !self.graph.fuel.spend() {
            return None;
        }
        let x = Value(inst.args[0]);
        match inst.op {
            Op::Mul => Some(self.product(inst.ty, x, c)),
            Op::UDiv => Some(self.unsigned_quotient(inst.ty, width, x, c)),
            Op::SDiv => Some(self.signed_quotient(inst.ty, width, x, c)),
            Op::URem => {
                let quotient = self.unsigned_quotient(inst.ty, width, x, c);
                Some(self.remainder(inst.ty, x, quotient, c))
            }
            _ => {
                let quotient = self.signed_quotient(inst.ty, width, x, c);
                Some(self.remainder(inst.ty, x, quotient, c))
            }
        }
    }

    /// Whether the table has an entry for this.
    fn is_worth_it(&self, inst: &Inst, width: u32, c: u64) -> bool {
        let magnitude = signed(c, width).unsigned_abs();
        let divides = width <= 32 || width == 64;
        match inst.op {
            // A 32-bit product of 64-bit numbers would need a wider type, a narrower one gains
            // nothing.
            Op::Mul => matches!(width, 32 | 64) && near_power(c).is_some_and(|(_, k)| k < width),
            Op::UDiv | Op::URem => divides && c > 1 && !c.is_power_of_two(),
            _ if magnitude < 2 || c == 1 << (width - 1) => false,
            _ => magnitude.is_power_of_two() || divides,
        }
    }

    fn product(&mut self, ty: TypeId, x: Value, c: u64) -> Value {
        // `is_worth_it` has found it to be near one.
        let (op, power) = near_power(c).unwrap_or((Op::Add, 0));
        let shifted = self.op_const(Op::Shl, ty, x, power.into());
        self.op(op, ty, shifted, x)
    }

    /// `x - quotient * c`.
    fn remainder(&mut self, ty: TypeId, x: Value, quotient: Value, c: u64) -> Value {
        let op = if c.is_power_of_two() {
            Op::Shl
        } else {
            Op::Mul
        };
        let by = if c.is_power_of_two() {
            c.trailing_zeros().into()
        } else {
            c
        };
        let whole = self.op_const(op, ty, quotient, by);
        self.op(Op::Sub, ty, x, whole)
    }

    /// `x / d` at 64 bits or up to 32; `d` is neither 0 nor a power of two.
    fn unsigned_quotient(&mut self, ty: TypeId, width: u32, x: Value, d: u64) -> Value {
        let by = reciprocal::unsigned(d, width);
        if width < 32 {
            let wide = self.cast(Op::ZExt, TypeId::I64, x);
            let long = u32::from(by.is_long);
            let m = by.multiplier + (u64::from(long) << width);
            return self.high(ty, wide, m, width + by.shift + long, Op::LShr);
        }
        let then = if by.is_long { 0 } else { by.shift };
        let high = if width == 64 {
            let high = self.high_half(x, by.multiplier);
            self.op_const(Op::LShr, ty, high, then.into())
        } else {
            let wide = self.cast(Op::ZExt, TypeId::I64, x);
            self.high(ty, wide, by.multiplier, 32 + then, Op::LShr)
        };
        if !by.is_long {
            return high;
        }
        let rest = self.op(Op::Sub, ty, x, high);
        let half = self.op_const(Op::LShr, ty, rest, 1);
        let sum = self.op(Op::Add, ty, half, high);
        self.op_const(Op::LShr, ty, sum, by.shift.into())
    }

    /// The high half of the 128 bits of `x * m`.
    fn high_half(&mut self, x: Value, m: u64) -> Value {
        let m = self.graph.int(TypeId::I64, m);
        let pool = self.graph.pool(&[x.0, m.0]);
        let args = [Intrinsic::UMulHigh as u32, pool, 2];
        let id = self.graph.op(Op::Intrinsic, TypeId::I64, args, self.like);
        self.list.push(id);
        Value::inst(id)
    }

    /// `wide * m >> shift`, as `ty`.
    fn high(&mut self, ty: TypeId, wide: Value, m: u64, shift: u32, op: Op) -> Value {
        let product = self.op_const(Op::Mul, TypeId::I64, wide, m);
        let shifted = self.op_const(op, TypeId::I64, product, shift.into());
        self.cast(Op::Trunc, ty, shifted)
    }

    /// `x / d`; `d` is not 0, 1, -1 or the lowest number, and a power of two unless at 64 bits or up to 32.
    fn signed_quotient(&mut self, ty: TypeId, width: u32, x: Value, d: u64) -> Value {
        let divisor = signed(d, width);
        let magnitude = divisor.unsigned_abs();
        if width == 64 && !magnitude.is_power_of_two() {
            return self.wide_quotient(x, divisor);
        }
        let quotient = if magnitude.is_power_of_two() {
            let power = magnitude.trailing_zeros();
            self.shifted_quotient(ty, width, x, power)
        } else {
            let by = reciprocal::signed(magnitude, width);
            let wide = self.cast(Op::SExt, TypeId::I64, x);
            let floor = self.high(ty, wide, by.multiplier, by.shift, Op::AShr);
            // Rounded down so far; a negative one is one more.
            let sign = self.op_const(Op::LShr, ty, x, u64::from(width) - 1);
            self.op(Op::Add, ty, floor, sign)
        };
        if divisor > 0 {
            return quotient;
        }
        let zero = self.graph.int(ty, 0);
        self.op(Op::Sub, ty, zero, quotient)
    }

    /// `x / divisor` of 64 bits: the quotient of the magnitudes, negated (`(q ^ -1) - -1`) where the signs differ.
    fn wide_quotient(&mut self, x: Value, divisor: i64) -> Value {
        let ty = TypeId::I64;
        let sign = self.op_const(Op::AShr, ty, x, 63);
        let flipped = self.op(Op::Xor, ty, x, sign);
        let magnitude = self.op(Op::Sub, ty, flipped, sign);
        let quotient = self.unsigned_quotient(ty, 64, magnitude, divisor.unsigned_abs());
        let sign = if divisor < 0 {
            self.op_const(Op::Xor, ty, sign, u64::MAX)
        } else {
            sign
        };
        let flipped = self.op(Op::Xor, ty, quotient, sign);
        self.op(Op::Sub, ty, flipped, sign)
    }

    /// `x / 2^power`, rounded towards 0: negative numbers get 2^power - 1 added first.
    fn shifted_quotient(&mut self, ty: TypeId, width: u32, x: Value, power: u32) -> Value {
        let mut sign = x;
        if power > 1 {
            sign = self.op_const(Op::AShr, ty, x, u64::from(width) - 1);
        }
        let bias = self.op_const(Op::LShr, ty, sign, (width - power).into());
        let biased = self.op(Op::Add, ty, x, bias);
        self.op_const(Op::AShr, ty, biased, power.into())
    }
}

/// `c` as `2^k + 1` (`Add`) or `2^k - 1` (`Sub`), k from 1 on, where that is cheaper.
fn near_power(c: u64) -> Option<(Op, u32)> {
    // By 3, 5 and 9, one `lea` multiplies.
    if matches!(c, 3 | 5 | 9) {
        return None;
    }
    let power = |n: u64| (n.is_power_of_two() && n > 1).then(|| n.trailing_zeros());
    let below = c.checked_sub(1).and_then(power);
    let above = || c.checked_add(1).filter(|_| c > 2).and_then(power);
    below
        .map(|k| (Op::Add, k))
        .or_else(|| above().map(|k| (Op::Sub, k)))
}

#[cfg(test)]
mod tests;
