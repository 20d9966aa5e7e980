//! Bit-field instructions of BMI and BMI2: `bextr`, `bzhi`, `pext`, `pdep`.
//!
//! The first two are a mask made from a number. The other two move bits by as many places as the
//! mask has zeros below them, which differs from bit to bit. Written out, that number is taken in
//! binary: step `i` moves by `2^i` places exactly the bits whose number has bit `i` set, and the
//! parity of the zeros below each bit, a prefix xor, says which they are. So a word of `2^n` bits
//! takes `n` steps and no loop; `pdep` takes those of `pext` backwards.
//! (Warren, Hacker's Delight, 7-4 and 7-5; Intel SDM volume 2, the page of each instruction.)

use alloc::vec::Vec;

use bitcode::Predicate;
use ir::{Op, Value};

use crate::load::body::BodyLoader;
use crate::load::error::{LoadError, Result};

/// What one step of `pext` needs to know.
struct Step {
    /// Places that bits move by.
    places: u32,
    /// Bits that move, where they are before the step.
    moved: Value,
}

impl BodyLoader<'_, '_, '_> {
    /// `bzhi`: the low bits of a number, as many as the low byte of `count` says.
    pub(super) fn x86_low_bits(&mut self, value: Value, count: Value) -> Result<Value> {
        let (ty, width) = self.x86_word(value)?;
        let byte = self.number(ty, 0xFF)?;
        let count = self.binary_op(Op::And, count, byte);
        self.x86_below(value, count, width)
    }

    /// `bextr`: a field of a number; the low two bytes of `field` are its place and its width.
    pub(super) fn x86_field(&mut self, value: Value, field: Value) -> Result<Value> {
        let (ty, width) = self.x86_word(value)?;
        let (byte, eight, zero) = (
            self.number(ty, 0xFF)?,
            self.number(ty, 8)?,
            self.number(ty, 0)?,
        );
        let place = self.binary_op(Op::And, field, byte);
        let count = self.binary_op(Op::LShr, field, eight);
        let count = self.binary_op(Op::And, count, byte);
        let (inside, amount) = self.x86_amount(place, width)?;
        let shifted = self.binary_op(Op::LShr, value, amount);
        let shifted = self.choose(inside, shifted, zero);
        self.x86_below(shifted, count, width)
    }

    /// The bits of `value` below bit `count`, all of them if there is no such bit.
    fn x86_below(&mut self, value: Value, count: Value, width: u32) -> Result<Value> {
        let ty = self.type_of(value);
        let one = self.number(ty, 1)?;
        let (inside, amount) = self.x86_amount(count, width)?;
        let bit = self.binary_op(Op::Shl, one, amount);
        let mask = self.binary_op(Op::Sub, bit, one);
        let low = self.binary_op(Op::And, value, mask);
        Ok(self.choose(inside, low, value))
    }

    /// Whether `count` is less than the width, and `count` as an amount that may be shifted by.
    fn x86_amount(&mut self, count: Value, width: u32) -> Result<(Value, Value)> {
        let ty = self.type_of(count);
        let limit = self.number(ty, u128::from(width))?;
        let last = self.number(ty, u128::from(width.saturating_sub(1)))?;
        let inside = self.test(Predicate::IcmpUlt, count, limit)?;
        Ok((inside, self.binary_op(Op::And, count, last)))
    }

    /// `pext`: the bits that a mask names, moved together at the low end.
    pub(super) fn x86_gather_bits(&mut self, value: Value, mask: Value) -> Result<Value> {
        let steps = self.x86_steps(mask)?;
        let mut bits = self.binary_op(Op::And, value, mask);
        for step in steps {
            let moving = self.binary_op(Op::And, bits, step.moved);
            let staying = self.binary_op(Op::Xor, bits, moving);
            let moving = self.x86_move(Op::LShr, moving, step.places)?;
            bits = self.binary_op(Op::Or, staying, moving);
        }
        Ok(bits)
    }

    /// `pdep`: the low bits of a number, moved to the places that a mask names.
    pub(super) fn x86_scatter_bits(&mut self, value: Value, mask: Value) -> Result<Value> {
        let ones = self.number(self.type_of(mask), u128::MAX)?;
        let steps = self.x86_steps(mask)?;
        let mut bits = value;
        for step in steps.into_iter().rev() {
            let moving = self.x86_move(Op::Shl, bits, step.places)?;
            let moving = self.binary_op(Op::And, moving, step.moved);
            let others = self.binary_op(Op::Xor, step.moved, ones);
            let staying = self.binary_op(Op::And, bits, others);
            bits = self.binary_op(Op::Or, staying, moving);
        }
        Ok(self.binary_op(Op::And, bits, mask))
    }

    /// The steps that move what `mask` names to the low end.
    ///
    /// `zeros` holds, before step `i`, for each remaining bit of the mask a number of zeros to count
    /// below it: those that bits 0 to `i - 1` of the distance did not account for.
    fn x86_steps(&mut self, mask: Value) -> Result<Vec<Step>> {
        let (ty, width) = self.x86_word(mask)?;
        let ones = self.number(ty, u128::MAX)?;
        let inverse = self.binary_op(Op::Xor, mask, ones);
        let mut zeros = self.x86_move(Op::Shl, inverse, 1)?;
        let (mut mask, mut steps) = (mask, Vec::new());
        for places in (0..width.trailing_zeros()).map(|log2| 1 << log2) {
            let odd = self.x86_parity(zeros, width)?;
            let moved = self.binary_op(Op::And, odd, mask);
            steps.push(Step { places, moved });
            let staying = self.binary_op(Op::Xor, mask, moved);
            let moving = self.x86_move(Op::LShr, moved, places)?;
            mask = self.binary_op(Op::Or, staying, moving);
            let even = self.binary_op(Op::Xor, odd, ones);
            zeros = self.binary_op(Op::And, zeros, even);
        }
        Ok(steps)
    }

    /// In each bit, whether the number of ones up to and including it is odd.
    fn x86_parity(&mut self, bits: Value, width: u32) -> Result<Value> {
        let mut parity = bits;
        for places in (0..width.trailing_zeros()).map(|log2| 1 << log2) {
            let below = self.x86_move(Op::Shl, parity, places)?;
            parity = self.binary_op(Op::Xor, parity, below);
        }
        Ok(parity)
    }

    /// A shift by a constant.
    fn x86_move(&mut self, op: Op, value: Value, places: u32) -> Result<Value> {
        let places = self.number(self.type_of(value), u128::from(places))?;
        Ok(self.binary_op(op, value, places))
    }

    /// Type and width of an operand, which is a word of 32 or 64 bits.
    fn x86_word(&self, value: Value) -> Result<(ir::TypeId, u32)> {
        let ty = self.type_of(value);
        match self.loader.module.types.int_bits(ty) {
            Some(width @ (32 | 64)) => Ok((ty, width)),
            _ => Err(LoadError::malformed("bit field of what is no word")),
        }
    }
}
