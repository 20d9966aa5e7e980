//! `x86_fp80`: every value has a stack object of its own, and operations read and write those.
//!
//! An object holds its value from the definition until the definition is executed again. By SSA no use
//! but a phi's can see the value after that: a use is dominated by the definition, so on every path from one
//! execution of it to a use there is none other. What phis receive is taken out of the objects at the
//! end of the predecessors, as 64 and 16 bits, and put into the phi's own object behind all phis.

use super::rewrite::{Do, Parts, Res, Rewriter, Val};
use super::shape::Shape;
use super::{Helper, Stop};
use ir::{IntPred, Intrinsic, Op, TypeId, Value};
use smallvec::SmallVec;

impl Rewriter<'_, '_> {
    /// A stack object for a number.
    pub(super) fn extended_object(&mut self) -> Value {
        self.out.object(16, 4, TypeId::X86_FP80)
    }

    /// The 64 and 16 bits of the number in an object.
    pub(super) fn load_extended(&mut self, slot: Value) -> Parts {
        let flags = ir::MemFlags::aligned(3);
        let low = self.out.load(TypeId::I64, slot, 0, flags);
        let high = self.out.load(TypeId::I16, slot, 8, flags);
        SmallVec::from_slice(&[low, high])
    }

    pub(super) fn store_extended(&mut self, slot: Value, words: &[Value]) {
        let flags = ir::MemFlags::aligned(3);
        self.out.store(TypeId::I64, slot, 0, words[0], flags);
        self.out.store(TypeId::I16, slot, 8, words[1], flags);
    }

    /// An object that holds a constant.
    pub(super) fn extended_constant(&mut self, ty: TypeId, low: u64, high: u64) -> Val {
        let slot = self.extended_object();
        let words = [self.out.word(low), self.out.bits(TypeId::I16, high)];
        self.store_extended(slot, &words);
        Val::one(ty, slot)
    }

    /// `which(dst, args…)` into a new object.
    fn x87(&mut self, which: Intrinsic, ty: TypeId, args: &[Value]) -> Val {
        let slot = self.extended_object();
        let mut all: SmallVec<[Value; 3]> = SmallVec::from_slice(&[slot]);
        all.extend_from_slice(args);
        self.out.intrinsic(which, TypeId::VOID, &all);
        Val::one(ty, slot)
    }

    /// Operations and intrinsics whose first operand is such a number.
    pub(super) fn extended(&mut self, what: Do, ty: TypeId, args: &[Val]) -> Res<Val> {
        use Intrinsic as I;
        let slots: SmallVec<[Value; 3]> = args.iter().map(Val::value).collect();
        let which = match (what.op, what.which) {
            (Op::FAdd, _) => I::X87Add,
            (Op::FSub, _) => I::X87Sub,
            (Op::FMul, _) => I::X87Mul,
            (Op::FDiv, _) => I::X87Div,
            (Op::FRem, _) => I::X87Rem,
            (Op::FNeg, _) => I::X87Neg,
            (Op::FCmp, _) => return Ok(Val::one(ty, self.x87_compare(what.flags & 15, &slots))),
            (_, Some(I::FAbs)) => I::X87Abs,
            (_, Some(I::Sqrt)) => I::X87Sqrt,
            (_, Some(I::Rint)) => I::X87Rint,
            (_, Some(I::Fma | I::FMulAdd)) => {
                let product = self.x87(I::X87Mul, ty, &slots[..2]);
                return Ok(self.x87(I::X87Add, ty, &[product.value(), slots[2]]));
            }
            (_, Some(which @ (I::Floor | I::Ceil | I::FTrunc | I::Round))) => {
                let helper = match which {
                    I::Floor => Helper::ExtendedFloor,
                    I::Ceil => Helper::ExtendedCeil,
                    I::FTrunc => Helper::ExtendedTrunc,
                    _ => Helper::ExtendedRound,
                };
                let slot = self.extended_object();
                self.helper(helper, &[slot, slots[0]]);
                return Ok(Val::one(ty, slot));
            }
            (_, Some(I::CopySign)) => return Ok(self.x87_copy_sign(ty, &slots)),
            (_, Some(which @ (I::MinNum | I::MaxNum))) => {
                // The first is NaN, or the second is on the better side of it.
                let side = if which == I::MinNum { 2 } else { 4 };
                let second = self.x87_compare(8 | side, &slots);
                return Ok(self.x87_either(ty, second, slots[1], slots[0]));
            }
            (_, Some(I::FpToSiSat | I::FpToUiSat)) => {
                return Err(Stop::Unsupported("saturating conversion of x86_fp80"));
            }
            _ => return self.unknown(),
        };
        Ok(self.x87(which, ty, &slots))
    }

    /// One of two numbers, in an object of its own.
    fn x87_either(&mut self, ty: TypeId, cond: Value, a: Value, b: Value) -> Val {
        let from = self.out.select(TypeId::PTR, cond, a, b);
        self.x87(Intrinsic::X87Copy, ty, &[from])
    }

    /// Whether the comparison of two numbers has one of the outcomes in `pred`.
    fn x87_compare(&mut self, pred: u8, slots: &[Value]) -> Value {
        let outcome = self.out.intrinsic(Intrinsic::X87Cmp, TypeId::I32, slots);
        let mask = self.out.number(u32::from(pred));
        let some = self.out.binary(Op::And, TypeId::I32, outcome, mask);
        self.is_set(TypeId::I32, some)
    }

    fn x87_copy_sign(&mut self, ty: TypeId, slots: &[Value]) -> Val {
        let (mut number, other) = (self.load_extended(slots[0]), self.load_extended(slots[1]));
        let (rest, place) = (
            self.out.bits(TypeId::I16, 0x7fff),
            self.out.bits(TypeId::I16, 0x8000),
        );
        let magnitude = self.out.binary(Op::And, TypeId::I16, number[1], rest);
        let sign = self.out.binary(Op::And, TypeId::I16, other[1], place);
        number[1] = self.out.binary(Op::Or, TypeId::I16, magnitude, sign);
        let slot = self.extended_object();
        self.store_extended(slot, &number);
        Val::one(ty, slot)
    }

    /// Conversions from and to such numbers.
    pub(super) fn extended_cast(&mut self, what: Do, ty: TypeId, value: &Val) -> Res<Val> {
        if self.shape(value.ty) == Shape::Extended {
            return self.extended_to(what, ty, value.value());
        }
        match what.op {
            Op::FpExt => match self.shape(value.ty) {
                Shape::Half => {
                    let float = self.half_to_float(value.value());
                    Ok(self.x87(Intrinsic::X87From, ty, &[float]))
                }
                _ => Ok(self.x87(Intrinsic::X87From, ty, &[value.value()])),
            },
            Op::SiToFp | Op::UiToFp => self.int_to_extended(what.op, ty, value),
            _ => self.unknown(),
        }
    }

    fn int_to_extended(&mut self, op: Op, ty: TypeId, value: &Val) -> Res<Val> {
        let extend = if op == Op::SiToFp { Op::SExt } else { Op::ZExt };
        let from = Intrinsic::X87From;
        match self.shape(value.ty) {
            Shape::Machine => {
                let bits = self.types().int_bits(value.ty).unwrap_or(64);
                let word = self.widened_word(extend, value.ty, value.value());
                if bits == 64 && op == Op::UiToFp {
                    return Ok(self.word_to_extended(ty, word));
                }
                Ok(self.x87(from, ty, &[word]))
            }
            Shape::Wide(bits @ ..=128) => {
                // Both halves are exact, and so is the product; the sum rounds once.
                let wide = self.cx.int(128);
                let value = match bits {
                    128 => value.clone(),
                    _ => self.cast_value(extend, wide, value)?,
                };
                let high = match op {
                    Op::SiToFp => self.x87(from, ty, &[value.parts[1]]),
                    _ => self.word_to_extended(ty, value.parts[1]),
                };
                let low = self.word_to_extended(ty, value.parts[0]);
                let scale = self.extended_constant(ty, 1 << 63, 16383 + 64);
                let high = self.x87(Intrinsic::X87Mul, ty, &[high.value(), scale.value()]);
                Ok(self.x87(Intrinsic::X87Add, ty, &[high.value(), low.value()]))
            }
            _ => super::convert::no_conversion(),
        }
    }

    /// An unsigned i64: as signed, plus 2^64 if that was negative.
    fn word_to_extended(&mut self, ty: TypeId, word: Value) -> Val {
        let signed = self.x87(Intrinsic::X87From, ty, &[word]);
        let scale = self.extended_constant(ty, 1 << 63, 16383 + 64);
        let sum = self.x87(Intrinsic::X87Add, ty, &[signed.value(), scale.value()]);
        let zero = self.out.word(0);
        let negative = self.out.icmp(IntPred::Slt, word, zero);
        self.x87_either(ty, negative, sum.value(), signed.value())
    }

    fn extended_to(&mut self, what: Do, ty: TypeId, slot: Value) -> Res<Val> {
        let to = |this: &mut Self, ty| this.out.intrinsic(Intrinsic::X87To, ty, &[slot]);
        match (what.op, self.shape(ty)) {
            (Op::FpTrunc, Shape::Machine) => Ok(Val::one(ty, to(self, ty))),
            (Op::FpTrunc, Shape::Half) => {
                // To odd, as `half` says: the nearest double, one towards 0 if it is further, and
                // the lowest bit if it is not exact.
                let double = to(self, TypeId::F64);
                let back = self.x87(Intrinsic::X87From, TypeId::X86_FP80, &[double]);
                let magnitude = |this: &mut Self, slot| {
                    this.x87(Intrinsic::X87Abs, TypeId::X86_FP80, &[slot])
                        .value()
                };
                let pair = [magnitude(self, back.value()), magnitude(self, slot)];
                let above = self.x87_compare(2, &pair);
                let inexact = self.x87_compare(6, &pair);
                let bits = self.out.cast(Op::Bitcast, TypeId::I64, double);
                let above = self.out.cast(Op::ZExt, TypeId::I64, above);
                let bits = self.out.op64(Op::Sub, bits, above);
                let inexact = self.out.cast(Op::ZExt, TypeId::I64, inexact);
                let bits = self.out.op64(Op::Or, bits, inexact);
                let odd = self.out.cast(Op::Bitcast, TypeId::F64, bits);
                Ok(Val::one(ty, self.double_to_half(odd)))
            }
            (Op::FpToSi | Op::FpToUi, Shape::Machine) => {
                let bits = self.types().int_bits(ty).unwrap_or(64);
                let limit = if what.op == Op::FpToSi { 32 } else { 31 };
                if bits <= limit {
                    let word = to(self, TypeId::I32);
                    return Ok(Val::one(
                        ty,
                        match bits {
                            32 => word,
                            _ => self.out.cast(Op::Trunc, ty, word),
                        },
                    ));
                }
                let low = to(self, TypeId::I64);
                if bits < 64 || what.op == Op::FpToSi {
                    return Ok(Val::one(ty, self.narrowed(ty, low)));
                }
                let limit = self.extended_constant(TypeId::X86_FP80, 1 << 63, 16383 + 63);
                let rest = [slot, limit.value()];
                let rest = self.x87(Intrinsic::X87Sub, TypeId::X86_FP80, &rest);
                let high = self
                    .out
                    .intrinsic(Intrinsic::X87To, TypeId::I64, &[rest.value()]);
                let places = self.out.word(63);
                let sign = self.out.op64(Op::AShr, low, places);
                let high = self.out.op64(Op::And, high, sign);
                Ok(Val::one(ty, self.out.op64(Op::Or, low, high)))
            }
            (Op::FpToSi, Shape::Wide(bits)) => {
                self.float_to_wide(Helper::ExtendedToSigned, ty, bits, slot)
            }
            (Op::FpToUi, Shape::Wide(bits)) => {
                self.float_to_wide(Helper::ExtendedToUnsigned, ty, bits, slot)
            }
            _ => self.unknown(),
        }
    }
}
