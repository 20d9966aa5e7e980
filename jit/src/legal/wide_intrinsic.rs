//! Intrinsics on integers above 64 bits.

use super::Stop;
use super::rewrite::{Do, Parts, Res, Rewriter, Val};
use super::shape::Shape;
use ir::{IntPred, Intrinsic, Op, TypeId, Value};
use smallvec::SmallVec;

impl Rewriter<'_, '_> {
    /// Intrinsics with an operand that the machine has and a result that it has not.
    pub(super) fn widening_intrinsic(&mut self, what: Do, ty: TypeId, args: &[Val]) -> Res<Val> {
        match what.which {
            Some(Intrinsic::FpToSiSat) => self.cast_value(Op::FpToSi, ty, &args[0]),
            Some(Intrinsic::FpToUiSat) => self.cast_value(Op::FpToUi, ty, &args[0]),
            Some(Intrinsic::UCmp | Intrinsic::SCmp) => {
                let order = self.compute(what, TypeId::I8, args)?;
                self.cast_value(Op::SExt, ty, &order)
            }
            _ => Err(Stop::Unsupported("an intrinsic with such a result")),
        }
    }

    pub(super) fn wide_intrinsic(
        &mut self,
        what: Do,
        ty: TypeId,
        bits: u32,
        args: &[Val],
    ) -> Res<Val> {
        use Intrinsic as I;
        let Some(which) = what.which else {
            return Err(Stop::Unsupported("an intrinsic"));
        };
        let a = &args[0].parts;
        let parts = match which {
            I::Abs => {
                let sign = self.sign(a, bits);
                self.with_sign(a, sign)
            }
            I::CtPop | I::CtLz | I::CtTz => self.count_bits(which, bits, a),
            I::BSwap | I::BitReverse => {
                let reversed: Parts = a
                    .iter()
                    .rev()
                    .map(|&part| self.out.intrinsic(which, TypeId::I64, &[part]))
                    .collect();
                let amount = self.out.word(u64::from(64 * a.len() as u32 - bits));
                let width = 64 * a.len() as u32;
                self.wide_shift(Op::LShr, width, &reversed, amount)
            }
            I::FShl | I::FShr => self.wide_funnel(which, bits, args),
            I::SMin | I::SMax | I::UMin | I::UMax => {
                let pred = match which {
                    I::SMin => IntPred::Slt,
                    I::SMax => IntPred::Sgt,
                    I::UMin => IntPred::Ult,
                    _ => IntPred::Ugt,
                };
                let first = self.wide_compare(pred, bits, a, &args[1].parts);
                self.choose(first, a, &args[1].parts)
            }
            I::UCmp | I::SCmp => return self.wide_order(which, ty, bits, args),
            I::SAddOverflow | I::UAddOverflow | I::SSubOverflow | I::USubOverflow => {
                let (mut parts, over) = self.overflowing(which, bits, a, &args[1].parts);
                parts.push(over);
                return Ok(Val::new(ty, parts));
            }
            I::SMulOverflow | I::UMulOverflow => {
                let (mut parts, over) = self.multiply_overflowing(which, bits, a, &args[1].parts);
                parts.push(over);
                return Ok(Val::new(ty, parts));
            }
            I::SAddSat | I::UAddSat | I::SSubSat | I::USubSat => {
                self.saturating(which, bits, a, &args[1].parts)
            }
            _ => return Err(Stop::Unsupported("an intrinsic on wide integers")),
        };
        Ok(Val::new(ty, self.cut(parts, bits)))
    }

    fn choose(&mut self, cond: Value, a: &[Value], b: &[Value]) -> Parts {
        let pairs = a.iter().zip(b);
        pairs
            .map(|(&a, &b)| self.out.select(TypeId::I64, cond, a, b))
            .collect()
    }

    /// Negated if `sign` is all ones.
    fn with_sign(&mut self, parts: &[Value], sign: Value) -> Parts {
        let flipped: Parts = parts
            .iter()
            .map(|&part| self.out.op64(Op::Xor, part, sign))
            .collect();
        let all: Parts = SmallVec::from_elem(sign, parts.len());
        self.subtract(&flipped, &all).0
    }

    /// Counts end in the lowest limb.
    fn count_bits(&mut self, which: Intrinsic, bits: u32, parts: &[Value]) -> Parts {
        let zero = self.out.word(0);
        let count = |this: &mut Self, part| this.out.intrinsic(which, TypeId::I64, &[part]);
        let mut total;
        if which == Intrinsic::CtPop {
            total = zero;
            for &part in parts {
                let some = count(self, part);
                total = self.out.op64(Op::Add, total, some);
            }
        } else {
            // From the far end: a limb that is not 0 decides, else 64 more.
            let far: SmallVec<[Value; 4]> = match which {
                Intrinsic::CtLz => parts.iter().copied().collect(),
                _ => parts.iter().rev().copied().collect(),
            };
            total = count(self, far[0]);
            for &part in &far[1..] {
                let here = count(self, part);
                let more = self.out.word(64);
                let more = self.out.op64(Op::Add, total, more);
                let empty = self.out.icmp(IntPred::Eq, part, zero);
                total = self.out.select(TypeId::I64, empty, more, here);
            }
            let unused = u64::from(64 * parts.len() as u32 - bits);
            if which == Intrinsic::CtLz {
                let unused = self.out.word(unused);
                total = self.out.op64(Op::Sub, total, unused);
            } else if unused != 0 {
                let most = self.out.word(u64::from(bits));
                total = self
                    .out
                    .intrinsic(Intrinsic::UMin, TypeId::I64, &[total, most]);
            }
        }
        let mut result: Parts = SmallVec::from_elem(zero, parts.len());
        result[0] = total;
        result
    }

    /// `a << n | b >> (bits - n)`, the second shift in two steps so that it is never by the width.
    fn wide_funnel(&mut self, which: Intrinsic, bits: u32, args: &[Val]) -> Parts {
        let amount = self.amount(&args[2].parts, bits);
        let last = self.out.word(u64::from(bits - 1));
        let rest = self.out.op64(Op::Sub, last, amount);
        let one = self.out.word(1);
        let (a, b) = (&args[0].parts, &args[1].parts);
        let (left, right) = match which {
            Intrinsic::FShl => {
                let left = self.wide_shift(Op::Shl, bits, a, amount);
                let right = self.wide_shift(Op::LShr, bits, b, rest);
                (left, self.wide_shift(Op::LShr, bits, &right, one))
            }
            _ => {
                let left = self.wide_shift(Op::Shl, bits, a, rest);
                let left = self.cut(left, bits);
                let left = self.wide_shift(Op::Shl, bits, &left, one);
                (left, self.wide_shift(Op::LShr, bits, b, amount))
            }
        };
        let pairs = left.iter().zip(&right);
        pairs
            .map(|(&left, &right)| self.out.op64(Op::Or, left, right))
            .collect()
    }

    fn wide_order(&mut self, which: Intrinsic, ty: TypeId, bits: u32, args: &[Val]) -> Res<Val> {
        let (less, more) = match which {
            Intrinsic::UCmp => (IntPred::Ult, IntPred::Ugt),
            _ => (IntPred::Slt, IntPred::Sgt),
        };
        let (a, b) = (&args[0].parts, &args[1].parts);
        let less = self.wide_compare(less, bits, a, b);
        let more = self.wide_compare(more, bits, a, b);
        let (less, more) = (self.carry(less), self.carry(more));
        let order = self.out.op64(Op::Sub, more, less);
        match self.shape(ty) {
            Shape::Wide(_) => self.cast_value(Op::SExt, ty, &Val::one(TypeId::I64, order)),
            _ => Ok(Val::one(ty, self.narrowed(ty, order))),
        }
    }

    /// Sum or difference, and whether it lost something.
    fn overflowing(
        &mut self,
        which: Intrinsic,
        bits: u32,
        a: &[Value],
        b: &[Value],
    ) -> (Parts, Value) {
        use Intrinsic as I;
        let sum = matches!(
            which,
            I::SAddOverflow | I::UAddOverflow | I::SAddSat | I::UAddSat
        );
        let parts = match sum {
            true => self.add(a, b).0,
            false => self.subtract(a, b).0,
        };
        let parts = self.cut(parts, bits);
        let over = match which {
            I::UAddOverflow | I::UAddSat => self.wide_compare(IntPred::Ult, bits, &parts, a),
            I::USubOverflow | I::USubSat => self.wide_compare(IntPred::Ult, bits, a, b),
            _ => {
                // Operands of the same sign (of different ones) and a result of the other.
                let top = a.len() - 1;
                let other = if sum { parts[top] } else { b[top] };
                let first = self.out.op64(Op::Xor, a[top], parts[top]);
                let second = match sum {
                    true => self.out.op64(Op::Xor, b[top], other),
                    false => self.out.op64(Op::Xor, a[top], other),
                };
                let both = self.out.op64(Op::And, first, second);
                let place = self.out.word(1 << ((bits - 1) % 64));
                let bit = self.out.op64(Op::And, both, place);
                let zero = self.out.word(0);
                self.out.icmp(IntPred::Ne, bit, zero)
            }
        };
        (parts, over)
    }

    /// The product of twice the width shows what was lost.
    fn multiply_overflowing(
        &mut self,
        which: Intrinsic,
        bits: u32,
        a: &[Value],
        b: &[Value],
    ) -> (Parts, Value) {
        let count = a.len();
        let signed = which == Intrinsic::SMulOverflow;
        let double = |this: &mut Self, parts: &[Value]| {
            let (mut parts, fill) = match signed {
                true => {
                    let parts = this.signed(parts, bits);
                    let fill = this.sign(&parts, 64 * count as u32);
                    (parts, fill)
                }
                false => (Parts::from_slice(parts), this.out.word(0)),
            };
            parts.resize(2 * count, fill);
            parts
        };
        let (a, b) = (double(self, a), double(self, b));
        let product = self.multiply(&a, &b, 2 * count);
        let result = self.cut(Parts::from_slice(&product[..count]), bits);
        let exact = double(self, &result);
        let lost = self.wide_compare(IntPred::Ne, 128 * count as u32, &product, &exact);
        (result, lost)
    }

    fn saturating(&mut self, which: Intrinsic, bits: u32, a: &[Value], b: &[Value]) -> Parts {
        use Intrinsic as I;
        let (parts, over) = self.overflowing(which, bits, a, b);
        let count = a.len();
        let limit: Parts = match which {
            I::UAddSat => SmallVec::from_elem(self.out.word(u64::MAX), count),
            I::USubSat => SmallVec::from_elem(self.out.word(0), count),
            _ => {
                // The largest number, or its complement, the smallest.
                let sign = self.sign(a, bits);
                (0..count as u32)
                    .map(|at| {
                        let used = (bits - 1 - 64 * at).min(64);
                        let largest = if used == 0 {
                            0
                        } else {
                            u64::MAX >> (64 - used)
                        };
                        let largest = self.out.word(largest);
                        self.out.op64(Op::Xor, largest, sign)
                    })
                    .collect()
            }
        };
        self.choose(over, &limit, &parts)
    }
}
