//! `llvm.is.fpclass`: which kind of number a float is, as comparisons of its bits.
//!
//! Without the sign, the bits of a float ascend with these kinds: zero, subnormal, normal, infinite,
//! signalling NaN, quiet NaN. So kinds that are neighbours are one range of unsigned numbers, and
//! whatever is asked is at most three ranges for each sign. x86_fp80 has an explicit leading bit;
//! numbers that lack it although their exponent demands it are NaNs to the processor, and here.
//! (LLVM: `FPClassTest`, `TargetLowering::expandIS_FPCLASS`.)

use bitcode::Predicate;
use ir::{Op, TypeId, Value};

use crate::load::body::BodyLoader;
use crate::load::error::Result;

/// Kinds in the order of their bits, as the file numbers them: (negative, positive). NaNs have one
/// number for both signs.
const KINDS: [(u32, u32); 6] = [(5, 6), (4, 7), (3, 8), (2, 9), (0, 0), (1, 1)];

/// The first bits of each kind and the end of the last, for formats with `exponent` and `fraction`
/// bits.
fn starts(exponent: u32, fraction: u32, explicit: bool) -> [u128; 7] {
    let all = (1u128 << exponent) - 1;
    let fraction_bits = fraction + u32::from(explicit);
    // With an explicit leading bit the smallest normal number has it set, as has infinity.
    let lead = if explicit { 1u128 << fraction } else { 0 };
    let infinite = all << fraction_bits | lead;
    let normal = 1u128 << fraction_bits;
    let quiet = infinite | 1u128 << (fraction - 1);
    let end = 1u128 << (exponent + fraction_bits);
    [0, 1, normal, infinite, infinite + 1, quiet, end]
}

impl BodyLoader<'_, '_, '_> {
    /// Whether `value` is of one of the kinds whose bits are set in `mask`.
    pub(in crate::load) fn is_fpclass(&mut self, value: Value, mask: u64) -> Result<Value> {
        let bits_type = self.bits_type(self.type_of(value))?;
        let scalar = self.loader.module.types.scalar(bits_type);
        let width = self.loader.module.types.int_bits(scalar).unwrap_or(64);
        let starts = match width {
            16 => starts(5, 10, false),
            32 => starts(8, 23, false),
            64 => starts(11, 52, false),
            _ => starts(15, 63, true),
        };
        let bits = self.emit(Op::Bitcast, 0, bits_type, [value.0, 0, 0]);
        let magnitude_mask = self.number(bits_type, starts[6] - 1)?;
        let magnitude = self.binary_op(Op::And, bits, magnitude_mask);
        let negative = KINDS.map(|(negative, _)| mask >> negative & 1 == 1);
        let positive = KINDS.map(|(_, positive)| mask >> positive & 1 == 1);
        if negative == positive {
            return self.in_kinds(magnitude, &starts, positive, width);
        }
        let zero = self.number(bits_type, 0)?;
        let below = self.test(Predicate::IcmpSlt, bits, zero)?;
        let of_negative = self.in_kinds(magnitude, &starts, negative, width)?;
        let of_positive = self.in_kinds(magnitude, &starts, positive, width)?;
        Ok(self.choose(below, of_negative, of_positive))
    }

    /// Whether a magnitude lies in one of the ranges of the wanted kinds.
    fn in_kinds(
        &mut self,
        magnitude: Value,
        starts: &[u128; 7],
        wanted: [bool; 6],
        width: u32,
    ) -> Result<Value> {
        let truth = self.shaped(TypeId::I1, self.type_of(magnitude))?;
        let mut any = self.number(truth, 0)?;
        let mut kind = 0;
        while kind < wanted.len() {
            let run = wanted
                .iter()
                .skip(kind)
                .take_while(|wanted| **wanted)
                .count();
            if let (1.., Some(&from), Some(&to)) = (run, starts.get(kind), starts.get(kind + run)) {
                let inside = self.in_range(magnitude, from, to)?;
                any = self.binary_op(Op::Or, any, inside);
            }
            kind += run + 1;
        }
        if width != 80 {
            return Ok(any);
        }
        self.without_pseudo(magnitude, any, wanted[4])
    }

    /// `from <= magnitude < to`, by one subtraction that wraps.
    fn in_range(&mut self, magnitude: Value, from: u128, to: u128) -> Result<Value> {
        let ty = self.type_of(magnitude);
        let (from_value, len) = (self.number(ty, from)?, self.number(ty, to - from)?);
        let above = self.binary_op(Op::Sub, magnitude, from_value);
        self.test(Predicate::IcmpUlt, above, len)
    }

    /// Corrects the answer for encodings of x86_fp80 that have an exponent and no leading bit: they
    /// are taken for signalling NaNs.
    fn without_pseudo(&mut self, magnitude: Value, any: Value, as_nan: bool) -> Result<Value> {
        let ty = self.type_of(magnitude);
        let lead = self.number(ty, 1 << 63)?;
        let zero = self.number(ty, 0)?;
        let first_exponent = self.number(ty, 1 << 64)?;
        let leading = self.binary_op(Op::And, magnitude, lead);
        let lacks = self.test(Predicate::IcmpEq, leading, zero)?;
        let has_exponent = self.test(Predicate::IcmpUge, magnitude, first_exponent)?;
        let pseudo = self.binary_op(Op::And, lacks, has_exponent);
        let truth = self.type_of(any);
        let answer = self.number(truth, u128::from(as_nan))?;
        Ok(self.choose(pseudo, answer, any))
    }
}
