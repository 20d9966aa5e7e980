//! What is known about single bits of a value, and what follows from it.
//!
//! Only "this bit is 0" is tracked: it is what masks, shifts, widening and comparisons leave behind,
//! and it tells unsigned bounds and signs. The look back is at most [`DEPTH`] instructions deep.

use super::pattern::ones;
use super::{Simpler, Simplifier, plain};
use ir::{Flags, Inst, IntPred, Intrinsic, Op, Value};

/// How far to look back.
const DEPTH: u32 = 4;

impl Simplifier<'_, '_> {
    /// What the zero bits of its operands make of an instruction.
    pub(super) fn by_known_bits(&mut self, inst: &Inst) -> Option<Simpler> {
        let [a, b, _] = inst.values();
        match inst.op {
            Op::And => {
                let mask = self.graph.const_int(b)?;
                let all = ones(self.width(a)?);
                // Every bit that the mask clears is 0 already.
                let idle = self.zeros(a, DEPTH) | mask == all;
                idle.then_some(Simpler::Value(a))
            }
            Op::SDiv | Op::SRem | Op::AShr | Op::SExt => self.as_unsigned(inst),
            Op::ICmp => self.known_compare(inst),
            _ => None,
        }
    }

    fn width(&self, value: Value) -> Option<u32> {
        let bits = self.graph.types().int_bits(self.graph.type_of(value));
        bits.filter(|bits| (1..=64).contains(bits))
    }

    fn is_not_negative(&self, value: Value) -> bool {
        let sign = |width: u32| 1u64 << (width - 1);
        let width = self.width(value);
        width.is_some_and(|width| self.zeros(value, DEPTH) & sign(width) != 0)
    }

    /// Signed operations on what is not negative are unsigned ones, which are cheaper.
    fn as_unsigned(&self, inst: &Inst) -> Option<Simpler> {
        let [a, b, _] = inst.values();
        let op = match inst.op {
            Op::SDiv => Op::UDiv,
            Op::SRem => Op::URem,
            Op::AShr => Op::LShr,
            _ => Op::ZExt,
        };
        let divides = matches!(inst.op, Op::SDiv | Op::SRem);
        let fits = self.is_not_negative(a) && (!divides || self.is_not_negative(b));
        fits.then(|| Simpler::Inst(plain(op, inst.ty, inst.args)))
    }

    fn known_compare(&mut self, inst: &Inst) -> Option<Simpler> {
        let [a, b, _] = inst.values();
        let limit = self.graph.const_int(b)?;
        let all = ones(self.width(a)?);
        let zeros = self.zeros(a, DEPTH);
        let highest = all & !zeros;
        let known = match inst.int_pred()? {
            IntPred::Eq if limit & zeros != 0 => Some(false),
            IntPred::Ne if limit & zeros != 0 => Some(true),
            IntPred::Ult if highest < limit => Some(true),
            IntPred::Ugt if highest <= limit => Some(false),
            _ => None,
        };
        if let Some(known) = known {
            let truth = self.graph.int(inst.ty, known.into());
            return Some(Simpler::Value(truth));
        }
        let both = self.is_not_negative(a) && self.is_not_negative(b);
        let pred = match inst.int_pred()? {
            IntPred::Slt if both => IntPred::Ult,
            IntPred::Sgt if both => IntPred::Ugt,
            _ => return None,
        };
        Some(Simpler::Inst(Inst {
            flags: Flags(pred as u8),
            ..*inst
        }))
    }

    /// Bits of an integer of at most 64 bits that are 0; none for other values.
    fn zeros(&self, value: Value, depth: u32) -> u64 {
        let Some(width) = self.width(value) else {
            return 0;
        };
        let all = ones(width);
        if let Some(bits) = self.graph.const_int(value) {
            return all & !bits;
        }
        let Some(inst) = self.def(value).filter(|_| depth != 0) else {
            return 0;
        };
        let [a, b, c] = inst.values();
        let of = |value| self.zeros(value, depth - 1);
        let amount = || self.graph.const_int(b).filter(|&n| n < u64::from(width));
        let zeros = match inst.op {
            Op::And => of(a) | of(b),
            Op::Or | Op::Xor => of(a) & of(b),
            Op::Select => of(b) & of(c),
            Op::Shl => amount().map_or(0, |n| of(a) << n | !(u64::MAX << n)),
            Op::LShr => amount().map_or(0, |n| of(a) >> n | !(all >> n)),
            Op::ZExt => self.width(a).map_or(0, |from| of(a) | !ones(from)),
            Op::PtrToInt if width > 32 => !ones(32),
            Op::Trunc if self.width(a).is_some() => of(a),
            // No result is above the dividend, nor is a remainder above the divisor.
            Op::UDiv => above(of(a), all),
            Op::URem => above(of(a), all) | above(of(b), all),
            Op::Intrinsic => match inst.intrinsic() {
                Some(Intrinsic::CtPop | Intrinsic::CtLz | Intrinsic::CtTz) => !0x7f,
                _ => 0,
            },
            _ => 0,
        };
        zeros & all
    }
}

/// The zero bits above the highest bit that may be set.
fn above(zeros: u64, all: u64) -> u64 {
    let highest = all & !zeros;
    match highest.leading_zeros() {
        64 => all,
        n => all & !(u64::MAX >> n),
    }
}
