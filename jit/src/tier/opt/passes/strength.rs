//! Strength reduction: products and quotients by constants from cheaper operations.
//!
//! *Before*: any graph, simplified (powers of two are shifts already where that is one instruction).
//! *During*, one walk: see the table. *After*: no `div` by a constant at 32 bits, and none by a power
//! of two at any width.
//!
//! | operation | becomes | cycles, about |
//! | --- | --- | --- |
//! | `x * (2^k ± 1)`, not 3, 5, 9 | `(x << k) ± x` | 3 → 2 |
//! | `x / 2^k` signed | `(x + (x >> w-1 >>> w-k)) >> k` | 25 → 4 |
//! | `x / d` unsigned, 32 bits | high half of `x * m`, shifted | 25 → 5 |
//! | `x / d` signed, 32 bits | the same with a correction by the sign | 25 → 6 |
//! | `x % d` | `x - x / d * d` | |
//!
//! Multipliers: Granlund and Montgomery, "Division by Invariant Integers using Multiplication" (PLDI
//! 1994), sections 4 and 5; the 64-bit product is one instruction here, so most need no fix-up. A
//! constant divisor other than 0 and -1 cannot fault, and those two are left alone.

use super::simplify::pattern::signed;
use crate::tier::opt::graph::Graph;
use alloc::vec::Vec;
use ir::{Inst, InstId, Op, TypeId, Value};

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
            Op::UDiv => Some(self.unsigned_quotient(x, c)),
            Op::SDiv => Some(self.signed_quotient(inst.ty, width, x, c)),
            Op::URem => {
                let quotient = self.unsigned_quotient(x, c);
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
        match inst.op {
            // A 32-bit product of 64-bit numbers would need a wider type, a narrower one gains
            // nothing.
            Op::Mul => matches!(width, 32 | 64) && near_power(c).is_some_and(|(_, k)| k < width),
            Op::UDiv | Op::URem => width == 32 && c > 1 && !c.is_power_of_two(),
            _ if magnitude < 2 || c == 1 << (width - 1) => false,
            _ => magnitude.is_power_of_two() || width == 32,
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

    /// `x / d` at 32 bits; `d` is neither 0 nor a power of two.
    fn unsigned_quotient(&mut self, x: Value, d: u64) -> Value {
        let wide = self.cast(Op::ZExt, TypeId::I64, x);
        let bits = 64 - d.leading_zeros();
        // The least multiplier that is exact enough may have 32 bits.
        for shift in 0..bits {
            let power = 1u64 << (32 + shift);
            let m = power.div_ceil(d);
            if m < 1 << 32 && m * d - power <= 1 << shift {
                return self.high(wide, m, 32 + shift, Op::LShr);
            }
        }
        // It has 33: m = 2^32 + low. Adding x shifted by 32 could overflow, half of it cannot.
        let low = ((1u128 << (32 + bits)) / u128::from(d) + 1) as u64 & 0xffff_ffff;
        let high = self.high(wide, low, 32, Op::LShr);
        let rest = self.op(Op::Sub, TypeId::I32, x, high);
        let half = self.op_const(Op::LShr, TypeId::I32, rest, 1);
        let sum = self.op(Op::Add, TypeId::I32, half, high);
        self.op_const(Op::LShr, TypeId::I32, sum, u64::from(bits) - 1)
    }

    /// `wide * m >> shift`, as 32 bits.
    fn high(&mut self, wide: Value, m: u64, shift: u32, op: Op) -> Value {
        let product = self.op_const(Op::Mul, TypeId::I64, wide, m);
        let shifted = self.op_const(op, TypeId::I64, product, shift.into());
        self.cast(Op::Trunc, TypeId::I32, shifted)
    }

    /// `x / d`; `d` is not 0, 1, -1 or the lowest number, and a power of two unless at 32 bits.
    fn signed_quotient(&mut self, ty: TypeId, width: u32, x: Value, d: u64) -> Value {
        let divisor = signed(d, width);
        let magnitude = divisor.unsigned_abs();
        let quotient = if magnitude.is_power_of_two() {
            let power = magnitude.trailing_zeros();
            self.shifted_quotient(ty, width, x, power)
        } else {
            let bits = 64 - magnitude.leading_zeros();
            let m = (1u64 << (31 + bits)) / magnitude + 1;
            let wide = self.cast(Op::SExt, TypeId::I64, x);
            let floor = self.high(wide, m, 31 + bits, Op::AShr);
            // Rounded down so far; a negative one is one more.
            let sign = self.op_const(Op::LShr, ty, x, 31);
            self.op(Op::Add, ty, floor, sign)
        };
        if divisor > 0 {
            return quotient;
        }
        let zero = self.graph.int(ty, 0);
        self.op(Op::Sub, ty, zero, quotient)
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
