//! Division of vectors by one constant: as products in lanes of twice the width.
//!
//! No machine divides vectors of integers. By a constant that is the same in all lanes a quotient is a
//! product and shifts ([`reciprocal`]), which all machines with vectors have; in wider lanes the product is
//! whole, so its high half needs no instruction of its own. Everything else is done lane by lane: other
//! divisors, those by which division faults, and lanes of 32 bits and more, as there are no products of
//! 64-bit lanes.

use super::machine::{self, Lane};
use super::rewrite::{Do, Res, Rewriter, Val};
use crate::reciprocal;
use ir::{Op, TypeId};

impl Rewriter<'_, '_> {
    /// The number in all lanes of `divisor`, if [`divide_by`](Self::divide_by) takes it, and as signed if `op`
    /// is.
    pub(super) fn common_divisor(&self, op: Op, divisor: &Val, lane: Lane) -> Option<i64> {
        if machine::max_bits(self.cx.cpu) == 0 || !matches!(lane, Lane::I8 | Lane::I16) {
            return None;
        }
        let unused = 64 - lane.bits();
        let all = self.known_lanes(divisor)?;
        let first = *all.first()? << unused;
        let same = all.iter().all(|&bits| bits << unused == first);
        let number = match op {
            Op::SDiv | Op::SRem => first.cast_signed() >> unused,
            _ => (first >> unused).cast_signed(),
        };
        // The lowest number has no magnitude among the signed ones.
        let lowest = matches!(op, Op::SDiv | Op::SRem) && first == 1 << 63;
        (same && !lowest && number.unsigned_abs() > 1).then_some(number)
    }

    /// `x / divisor` or its remainder, lane by lane at once.
    pub(super) fn divide_by(&mut self, op: Op, x: &Val, lane: Lane, divisor: i64) -> Res<Val> {
        let magnitude = divisor.unsigned_abs();
        let mut quotient = match op {
            Op::UDiv | Op::URem if magnitude.is_power_of_two() => {
                self.by(Op::LShr, x, magnitude.trailing_zeros().into())?
            }
            Op::UDiv | Op::URem => self.unsigned_quotient(x, lane, magnitude)?,
            _ if magnitude.is_power_of_two() => self.shifted_quotient(x, lane, magnitude)?,
            _ => self.signed_quotient(x, lane, magnitude)?,
        };
        if divisor < 0 {
            let zero = self.zero(x.ty);
            quotient = self.both(Op::Sub, &zero, &quotient)?;
        }
        if matches!(op, Op::UDiv | Op::SDiv) {
            return Ok(quotient);
        }
        let bits = divisor.cast_unsigned() & (u64::MAX >> (64 - lane.bits()));
        let whole = self.by(Op::Mul, &quotient, bits)?;
        self.both(Op::Sub, x, &whole)
    }

    fn both(&mut self, op: Op, a: &Val, b: &Val) -> Res<Val> {
        self.compute(Do::op(op), a.ty, &[a.clone(), b.clone()])
    }

    /// `x op bits`, the same number for each lane.
    fn by(&mut self, op: Op, x: &Val, bits: u64) -> Res<Val> {
        let bits = self.splat_value(x.ty, bits);
        self.both(op, x, &bits)
    }

    /// `x` in lanes of twice the width.
    fn wider(&mut self, extend: Op, x: &Val, lane: Lane) -> Res<Val> {
        let elem = match lane {
            Lane::I8 => TypeId::I16,
            _ => TypeId::I32,
        };
        let wide = self.like(x.ty, elem);
        self.compute(Do::op(extend), wide, core::slice::from_ref(x))
    }

    fn in_lanes_of(&mut self, ty: TypeId, wide: Val) -> Res<Val> {
        self.compute(Do::op(Op::Trunc), ty, &[wide])
    }

    fn unsigned_quotient(&mut self, x: &Val, lane: Lane, d: u64) -> Res<Val> {
        let by = reciprocal::unsigned(d, lane.bits());
        let wide = self.wider(Op::ZExt, x, lane)?;
        let product = self.by(Op::Mul, &wide, by.multiplier)?;
        if !by.is_long {
            let quotient = self.by(Op::LShr, &product, (lane.bits() + by.shift).into())?;
            return self.in_lanes_of(x.ty, quotient);
        }
        // In wider lanes the sum does not overflow.
        let high = self.by(Op::LShr, &product, lane.bits().into())?;
        let sum = self.both(Op::Add, &wide, &high)?;
        let quotient = self.by(Op::LShr, &sum, u64::from(by.shift) + 1)?;
        self.in_lanes_of(x.ty, quotient)
    }

    fn signed_quotient(&mut self, x: &Val, lane: Lane, magnitude: u64) -> Res<Val> {
        let by = reciprocal::signed(magnitude, lane.bits());
        let wide = self.wider(Op::SExt, x, lane)?;
        let product = self.by(Op::Mul, &wide, by.multiplier)?;
        let floor = self.by(Op::AShr, &product, by.shift.into())?;
        let floor = self.in_lanes_of(x.ty, floor)?;
        // Rounded down so far; a negative one is one more.
        let sign = self.by(Op::LShr, x, u64::from(lane.bits()) - 1)?;
        self.both(Op::Add, &floor, &sign)
    }

    /// `x / magnitude`, a power of two: negative numbers get one less than it added first.
    fn shifted_quotient(&mut self, x: &Val, lane: Lane, magnitude: u64) -> Res<Val> {
        let power = magnitude.trailing_zeros();
        let sign = self.by(Op::AShr, x, u64::from(lane.bits()) - 1)?;
        let bias = self.by(Op::LShr, &sign, (lane.bits() - power).into())?;
        let biased = self.both(Op::Add, x, &bias)?;
        self.by(Op::AShr, &biased, power.into())
    }
}
