//! Integers above 64 bits: limbs of 64, lowest first, as on paper. Bits above the width are 0, so
//! comparison, conversion and storing need no care; what can set them ends in [`Rewriter::cut`].

use super::rewrite::{Do, Parts, Res, Rewriter, Val};
use super::shape::Shape;
use super::{Helper, Stop};
use ir::{IntPred, Intrinsic, Op, TypeId, Value};
use smallvec::SmallVec;

impl Rewriter<'_, '_> {
    /// Operations and intrinsics whose first operand has `bits` bits.
    pub(super) fn wide(&mut self, what: Do, ty: TypeId, bits: u32, args: &[Val]) -> Res<Val> {
        if what.op == Op::Intrinsic {
            return self.wide_intrinsic(what, ty, bits, args);
        }
        let (a, b) = (&args[0].parts, &args[1].parts);
        let parts = match what.op {
            Op::ICmp => {
                let pred = IntPred::ALL.get(usize::from(what.flags & 15)).copied();
                let truth = self.wide_compare(pred.unwrap_or(IntPred::Eq), bits, a, b);
                return Ok(Val::one(ty, truth));
            }
            Op::Add => self.add(a, b).0,
            Op::Sub => self.subtract(a, b).0,
            Op::Mul => self.multiply(a, b, a.len()),
            Op::And | Op::Or | Op::Xor => {
                let pairs = a.iter().zip(b);
                pairs.map(|(&a, &b)| self.out.op64(what.op, a, b)).collect()
            }
            Op::Shl | Op::LShr | Op::AShr => {
                let amount = self.amount(b, bits);
                self.wide_shift(what.op, bits, a, amount)
            }
            Op::UDiv | Op::SDiv | Op::URem | Op::SRem => self.divide(what.op, bits, a, b),
            _ => return Err(Stop::Unsupported("an operation on wide integers")),
        };
        Ok(Val::new(ty, self.cut(parts, bits)))
    }

    /// With the bits above the width cleared.
    pub(super) fn cut(&mut self, mut parts: Parts, bits: u32) -> Parts {
        let used = bits % 64;
        if let (1.., Some(top)) = (used, parts.last_mut()) {
            let mask = self.out.word(u64::MAX >> (64 - used));
            *top = self.out.op64(Op::And, *top, mask);
        }
        parts
    }

    /// With the sign in all bits above the width.
    pub(super) fn signed(&mut self, parts: &[Value], bits: u32) -> Parts {
        let mut parts = Parts::from_slice(parts);
        let used = bits % 64;
        if let (1.., Some(top)) = (used, parts.last_mut()) {
            let amount = self.out.word(u64::from(64 - used));
            let up = self.out.op64(Op::Shl, *top, amount);
            *top = self.out.op64(Op::AShr, up, amount);
        }
        parts
    }

    /// All ones if the number is negative, else 0.
    pub(super) fn sign(&mut self, parts: &[Value], bits: u32) -> Value {
        let signed = self.signed(parts, bits);
        let amount = self.out.word(63);
        let top = signed.last().copied().unwrap_or(Value::NONE);
        self.out.op64(Op::AShr, top, amount)
    }

    pub(super) fn carry(&mut self, truth: Value) -> Value {
        self.out.cast(Op::ZExt, TypeId::I64, truth)
    }

    /// The sum and the carry out of the highest limb.
    pub(super) fn add(&mut self, a: &[Value], b: &[Value]) -> (Parts, Value) {
        let mut sum = Parts::new();
        let mut carry: Option<Value> = None;
        for (&a, &b) in a.iter().zip(b) {
            let part = self.out.op64(Op::Add, a, b);
            let mut over = self.out.icmp(IntPred::Ult, part, a);
            let mut total = part;
            if let Some(carry) = carry {
                let carry = self.carry(carry);
                total = self.out.op64(Op::Add, part, carry);
                let again = self.out.icmp(IntPred::Ult, total, part);
                over = self.out.binary(Op::Or, TypeId::I1, over, again);
            }
            sum.push(total);
            carry = Some(over);
        }
        (sum, carry.unwrap_or(Value::NONE))
    }

    /// The difference and the borrow out of the highest limb.
    pub(super) fn subtract(&mut self, a: &[Value], b: &[Value]) -> (Parts, Value) {
        let mut difference = Parts::new();
        let mut borrow: Option<Value> = None;
        for (&a, &b) in a.iter().zip(b) {
            let part = self.out.op64(Op::Sub, a, b);
            let mut under = self.out.icmp(IntPred::Ult, a, b);
            let mut total = part;
            if let Some(borrow) = borrow {
                let borrow = self.carry(borrow);
                total = self.out.op64(Op::Sub, part, borrow);
                let again = self.out.icmp(IntPred::Ult, part, borrow);
                under = self.out.binary(Op::Or, TypeId::I1, under, again);
            }
            difference.push(total);
            borrow = Some(under);
        }
        (difference, borrow.unwrap_or(Value::NONE))
    }

    /// The lowest `limbs` limbs of the product, row by row.
    pub(super) fn multiply(&mut self, a: &[Value], b: &[Value], limbs: usize) -> Parts {
        let zero = self.out.word(0);
        let mut sum: Parts = SmallVec::from_elem(zero, limbs);
        for (i, &x) in a.iter().enumerate().take(limbs) {
            let mut carry = zero;
            for (j, &y) in b.iter().enumerate() {
                let at = i + j;
                if at >= limbs {
                    break;
                }
                let mut low = self.out.op64(Op::Mul, x, y);
                let last = at + 1 == limbs;
                let mut high = zero;
                if !last && self.out.const_int(x) != Some(0) && self.out.const_int(y) != Some(0) {
                    high = self
                        .out
                        .intrinsic(Intrinsic::UMulHigh, TypeId::I64, &[x, y]);
                }
                for more in [sum[at], carry] {
                    if self.out.const_int(more) == Some(0) {
                        continue;
                    }
                    let total = self.out.op64(Op::Add, low, more);
                    if !last {
                        let over = self.out.icmp(IntPred::Ult, total, more);
                        let over = self.carry(over);
                        high = self.out.op64(Op::Add, high, over);
                    }
                    low = total;
                }
                sum[at] = low;
                carry = high;
            }
            if i + b.len() < limbs {
                sum[i + b.len()] = carry;
            }
        }
        sum
    }

    pub(super) fn wide_compare(
        &mut self,
        pred: IntPred,
        bits: u32,
        a: &[Value],
        b: &[Value],
    ) -> Value {
        if matches!(pred, IntPred::Eq | IntPred::Ne) {
            let mut differ = self.out.word(0);
            for (&a, &b) in a.iter().zip(b) {
                let part = self.out.op64(Op::Xor, a, b);
                differ = self.out.op64(Op::Or, differ, part);
            }
            let zero = self.out.word(0);
            return self.out.icmp(pred, differ, zero);
        }
        let (a, b) = match pred.is_signed() {
            true => (self.signed(a, bits), self.signed(b, bits)),
            false => (Parts::from_slice(a), Parts::from_slice(b)),
        };
        let unsigned = match pred {
            IntPred::Sgt => IntPred::Ugt,
            IntPred::Sge => IntPred::Uge,
            IntPred::Slt => IntPred::Ult,
            IntPred::Sle => IntPred::Ule,
            other => other,
        };
        let top = a.len() - 1;
        let mut result = self.out.icmp(unsigned, a[0], b[0]);
        for at in 1..=top {
            let pred = if at == top { pred } else { unsigned };
            let equal = self.out.icmp(IntPred::Eq, a[at], b[at]);
            let here = self.out.icmp(pred, a[at], b[at]);
            result = self.out.select(TypeId::I1, equal, result, here);
        }
        result
    }

    /// A shift amount, modulo the width, as an i64.
    pub(super) fn amount(&mut self, parts: &[Value], bits: u32) -> Value {
        let bits = u64::from(bits);
        if bits.is_power_of_two() {
            let mask = self.out.word(bits - 1);
            return self.out.op64(Op::And, parts[0], mask);
        }
        let known: Option<SmallVec<[u64; 4]>> =
            parts.iter().map(|&part| self.out.const_int(part)).collect();
        // 2^64 modulo the width.
        let step = (u64::MAX % bits + 1) % bits;
        if let Some(limbs) = known {
            let fold = |sum: u64, limb: &u64| (sum * step + limb % bits) % bits;
            let amount = limbs.iter().rev().fold(0, fold);
            return self.out.word(amount);
        }
        let (modulus, step) = (self.out.word(bits), self.out.word(step));
        let mut sum = self.out.word(0);
        for &part in parts.iter().rev() {
            let moved = self.out.op64(Op::Mul, sum, step);
            let rest = self.out.op64(Op::URem, part, modulus);
            let total = self.out.op64(Op::Add, moved, rest);
            sum = self.out.op64(Op::URem, total, modulus);
        }
        sum
    }

    /// A shift by an amount below the width: whole limbs first, then funnel shifts between neighbours.
    pub(super) fn wide_shift(
        &mut self,
        op: Op,
        bits: u32,
        parts: &[Value],
        amount: Value,
    ) -> Parts {
        let mut fill = self.out.word(0);
        let mut parts = Parts::from_slice(parts);
        if op == Op::AShr {
            parts = self.signed(&parts, bits);
            fill = self.sign(&parts, 64 * parts.len() as u32);
        }
        let count = parts.len();
        let six = self.out.word(6);
        let limbs = self.out.op64(Op::LShr, amount, six);
        let moved = |parts: &Parts, at: usize, by: usize| match op {
            Op::Shl => at.checked_sub(by).map(|from| parts[from]),
            _ => parts.get(at + by).copied(),
        };
        if let Some(limbs) = self.out.const_int(limbs) {
            let from = parts.clone();
            for at in 0..count {
                parts[at] = moved(&from, at, limbs as usize).unwrap_or(fill);
            }
        } else {
            let mut by = 1;
            while by < count {
                let bit = self.out.word(by as u64);
                let some = self.out.op64(Op::And, limbs, bit);
                let zero = self.out.word(0);
                let yes = self.out.icmp(IntPred::Ne, some, zero);
                let from = parts.clone();
                for at in 0..count {
                    let other = moved(&from, at, by).unwrap_or(fill);
                    parts[at] = self.out.select(TypeId::I64, yes, other, from[at]);
                }
                by *= 2;
            }
        }
        let mask = self.out.word(63);
        let amount = self.out.op64(Op::And, amount, mask);
        if self.out.const_int(amount) == Some(0) {
            return parts;
        }
        let which = match op {
            Op::Shl => Intrinsic::FShl,
            _ => Intrinsic::FShr,
        };
        let from = parts.clone();
        for at in 0..count {
            let next = moved(&from, at, 1).unwrap_or(fill);
            let pair = match op {
                Op::Shl => [from[at], next, amount],
                _ => [next, from[at], amount],
            };
            parts[at] = self.out.intrinsic(which, TypeId::I64, &pair);
        }
        parts
    }

    /// 128 bits by the machine's helper, more by one of our own.
    fn divide(&mut self, op: Op, bits: u32, a: &[Value], b: &[Value]) -> Parts {
        let signed = matches!(op, Op::SDiv | Op::SRem);
        let (a, b) = match signed {
            true => (self.signed(a, bits), self.signed(b, bits)),
            false => (Parts::from_slice(a), Parts::from_slice(b)),
        };
        if a.len() == 2 {
            let which = match op {
                Op::UDiv => Intrinsic::UDiv128,
                Op::SDiv => Intrinsic::SDiv128,
                Op::URem => Intrinsic::URem128,
                _ => Intrinsic::SRem128,
            };
            let ty = self.cx.pair(TypeId::I64, TypeId::I64);
            let pair = self.out.intrinsic(which, ty, &[a[0], a[1], b[0], b[1]]);
            return self.fields_of(ty, pair).parts;
        }
        self.divide_by_loop(op, &a, &b)
    }

    /// Up to 256 bits: operands and results in memory, bit by bit in a helper written in IR.
    fn divide_by_loop(&mut self, op: Op, a: &[Value], b: &[Value]) -> Parts {
        let place = self.scratch(128);
        let flags = self.plain();
        let signed = matches!(op, Op::SDiv | Op::SRem);
        for (start, parts) in [(0, a), (32, b)] {
            let fill = match signed {
                true => self.sign(parts, 64 * parts.len() as u32),
                false => self.out.word(0),
            };
            for at in 0..4 {
                let part = parts.get(at as usize).copied().unwrap_or(fill);
                self.out
                    .store(TypeId::I64, place, start + 8 * at, part, flags);
            }
        }
        let helper = if signed {
            Helper::SDivide256
        } else {
            Helper::UDivide256
        };
        self.helper(helper, &[place]);
        let from = if matches!(op, Op::UDiv | Op::SDiv) {
            64
        } else {
            96
        };
        let limbs = 0..a.len() as u32;
        limbs
            .map(|at| self.out.load(TypeId::I64, place, from + 8 * at, flags))
            .collect()
    }

    /// Conversions from and to wide integers, the other side a scalar that the machine has.
    pub(super) fn wide_cast(&mut self, what: Do, ty: TypeId, value: &Val) -> Res<Val> {
        match (self.shape(value.ty), self.shape(ty)) {
            (Shape::Wide(from), Shape::Wide(to)) => {
                let (mut parts, mut fill) = (value.parts.clone(), self.out.word(0));
                if what.op == Op::SExt {
                    parts = self.signed(&parts, from);
                    fill = self.sign(&parts, 64 * parts.len() as u32);
                }
                parts.resize(to.div_ceil(64) as usize, fill);
                Ok(Val::new(ty, self.cut(parts, to)))
            }
            (Shape::Wide(bits), _) => match what.op {
                Op::SiToFp | Op::UiToFp => self.wide_to_float(what.op, ty, bits, &value.parts),
                _ => Ok(Val::one(ty, self.narrowed(ty, value.parts[0]))),
            },
            (_, Shape::Wide(bits)) => match what.op {
                Op::FpToSi | Op::FpToUi => {
                    let mut double = value.value();
                    if value.ty == TypeId::F32 {
                        double = self.out.cast(Op::FpExt, TypeId::F64, double);
                    }
                    let helper = match what.op {
                        Op::FpToSi => Helper::DoubleToSigned,
                        _ => Helper::DoubleToUnsigned,
                    };
                    self.float_to_wide(helper, ty, bits, double)
                }
                op => {
                    let low = self.widened_word(op, value.ty, value.value());
                    let fill = match op {
                        Op::SExt => self.sign(&[low], 64),
                        _ => self.out.word(0),
                    };
                    let mut parts = Parts::from_slice(&[low]);
                    parts.resize(bits.div_ceil(64) as usize, fill);
                    Ok(Val::new(ty, self.cut(parts, bits)))
                }
            },
            _ => Err(Stop::Unsupported("a conversion")),
        }
    }

    /// Rounded once: the helper makes the bits of the magnitude's float.
    fn wide_to_float(&mut self, op: Op, ty: TypeId, bits: u32, parts: &[Value]) -> Res<Val> {
        if bits > 128 {
            return super::convert::no_conversion();
        }
        let mut magnitude = Parts::from_slice(parts);
        let mut sign = self.out.word(0);
        if op == Op::SiToFp {
            sign = self.sign(parts, bits);
            let signed = self.signed(parts, bits);
            let flipped: Parts = signed
                .iter()
                .map(|&part| self.out.op64(Op::Xor, part, sign))
                .collect();
            magnitude = self.subtract(&flipped, &[sign, sign]).0;
        }
        let (helper, int, place) = match ty {
            TypeId::F32 => (Helper::ToFloatBits, TypeId::I32, 31),
            _ => (Helper::ToDoubleBits, TypeId::I64, 63),
        };
        let word = self.helper(helper, &magnitude);
        let place = self.out.word(place);
        let sign = self.out.op64(Op::Shl, sign, place);
        let word = self.out.op64(Op::Or, word, sign);
        let word = self.narrowed_low(int, word);
        Ok(Val::one(ty, self.out.cast(Op::Bitcast, ty, word)))
    }

    fn narrowed_low(&mut self, ty: TypeId, word: Value) -> Value {
        if ty == TypeId::I64 {
            return word;
        }
        self.out.cast(Op::Trunc, ty, word)
    }

    /// The nearest integer of the width: the helper saturates at 128 bits, the rest is clamped here.
    pub(super) fn float_to_wide(
        &mut self,
        helper: Helper,
        ty: TypeId,
        bits: u32,
        from: Value,
    ) -> Res<Val> {
        if bits > 128 {
            return super::convert::no_conversion();
        }
        let place = self.scratch(16);
        self.helper(helper, &[place, from]);
        let flags = self.plain();
        let parts: Parts = [0, 8]
            .map(|at| self.out.load(TypeId::I64, place, at, flags))
            .into_iter()
            .collect();
        if bits == 128 {
            return Ok(Val::new(ty, parts));
        }
        let ones = u64::MAX >> (128 - bits);
        let signed = matches!(helper, Helper::DoubleToSigned | Helper::ExtendedToSigned);
        let bounds = match signed {
            true => [
                (IntPred::Sgt, u64::MAX, ones >> 1),
                (IntPred::Slt, 0, !(ones >> 1)),
            ],
            false => [(IntPred::Ugt, u64::MAX, ones), (IntPred::Ult, 0, 0)],
        };
        let mut result = parts;
        for (pred, low, high) in bounds {
            let bound = [self.out.word(low), self.out.word(high)];
            let beyond = self.wide_compare(pred, 128, &result, &bound);
            for (part, bound) in result.iter_mut().zip(bound) {
                *part = self.out.select(TypeId::I64, beyond, bound, *part);
            }
        }
        Ok(Val::new(ty, self.cut(result, bits)))
    }

    pub(super) fn cast_value(&mut self, op: Op, ty: TypeId, value: &Val) -> Res<Val> {
        self.compute(Do::op(op), ty, core::slice::from_ref(value))
    }
}
