//! `half`: its bits in an i16, computed in `float`.
//!
//! A sum, difference, product, quotient or square root of halves, computed in float and rounded to half, is the
//! correctly rounded one, as 24 >= 2 * 11 + 2. Everything that a double must be rounded to half for is
//! first rounded *to odd* to float, so that the second rounding sees whether anything was lost.

use super::machine::{self, Lane, Vector};
use super::rewrite::{Do, Res, Rewriter, Val};
use super::shape::Shape;
use super::{Helper, Stop};
use ir::{IntPred, Intrinsic, Op, TypeId, Value};
use smallvec::SmallVec;

/// `one`: ordered and not equal.
const ONE: u8 = 6;
/// `ogt`.
const OGT: u8 = 2;

impl Rewriter<'_, '_> {
    /// The float that a half is.
    pub(super) fn half_to_float(&mut self, half: Value) -> Value {
        let which = Intrinsic::HalfToFloat;
        if machine::supports_scalar_intrinsic(which, self.cx.cpu) {
            return self.out.intrinsic(which, TypeId::F32, &[half]);
        }
        let word = self.out.cast(Op::ZExt, TypeId::I64, half);
        let bits = self.helper(Helper::HalfToFloat, &[word]);
        let bits = self.out.cast(Op::Trunc, TypeId::I32, bits);
        self.out.cast(Op::Bitcast, TypeId::F32, bits)
    }

    /// The half nearest to a float.
    pub(super) fn float_to_half(&mut self, float: Value) -> Value {
        let which = Intrinsic::FloatToHalf;
        if machine::supports_scalar_intrinsic(which, self.cx.cpu) {
            return self.out.intrinsic(which, TypeId::I16, &[float]);
        }
        let bits = self.out.cast(Op::Bitcast, TypeId::I32, float);
        let word = self.out.cast(Op::ZExt, TypeId::I64, bits);
        let half = self.helper(Helper::FloatToHalf, &[word]);
        self.out.cast(Op::Trunc, TypeId::I16, half)
    }

    /// The half nearest to a double: the float below it, with the lowest bit set if it is not exact.
    pub(super) fn double_to_half(&mut self, double: Value) -> Value {
        let float = self.out.cast(Op::FpTrunc, TypeId::F32, double);
        let back = self.out.cast(Op::FpExt, TypeId::F64, float);
        let inexact = Do {
            flags: ONE,
            ..Do::op(Op::FCmp)
        };
        let inexact = self.machine_op(inexact, TypeId::I1, &[back, double]);
        let fabs = |this: &mut Self, x| this.out.intrinsic(Intrinsic::FAbs, TypeId::F64, &[x]);
        let (far, near) = (fabs(self, back), fabs(self, double));
        let above = Do {
            flags: OGT,
            ..Do::op(Op::FCmp)
        };
        let above = self.machine_op(above, TypeId::I1, &[far, near]);
        let bits = self.out.cast(Op::Bitcast, TypeId::I32, float);
        let above = self.out.cast(Op::ZExt, TypeId::I32, above);
        let bits = self.out.binary(Op::Sub, TypeId::I32, bits, above);
        let inexact = self.out.cast(Op::ZExt, TypeId::I32, inexact);
        let bits = self.out.binary(Op::Or, TypeId::I32, bits, inexact);
        let odd = self.out.cast(Op::Bitcast, TypeId::F32, bits);
        self.float_to_half(odd)
    }

    /// Operations and intrinsics whose first operand is a half.
    pub(super) fn half(&mut self, what: Do, ty: TypeId, args: &[Val]) -> Res<Val> {
        use Intrinsic as I;
        let bits = |at: usize| args[at].value();
        match (what.op, what.which) {
            (Op::FNeg, _) => {
                let sign = self.out.bits(TypeId::I16, 0x8000);
                return Ok(Val::one(
                    ty,
                    self.out.binary(Op::Xor, TypeId::I16, bits(0), sign),
                ));
            }
            (_, Some(I::FAbs | I::CopySign)) => {
                let rest = self.out.bits(TypeId::I16, 0x7fff);
                let mut result = self.out.binary(Op::And, TypeId::I16, bits(0), rest);
                if what.which == Some(I::CopySign) {
                    let place = self.out.bits(TypeId::I16, 0x8000);
                    let sign = self.out.binary(Op::And, TypeId::I16, bits(1), place);
                    result = self.out.binary(Op::Or, TypeId::I16, result, sign);
                }
                return Ok(Val::one(ty, result));
            }
            (_, Some(I::FMulAdd)) if !self.fused => {
                let product = self.half(Do::op(Op::FMul), ty, &args[..2])?;
                return self.half(Do::op(Op::FAdd), ty, &[product, args[2].clone()]);
            }
            _ => {}
        }
        let mut floats = SmallVec::<[Val; 3]>::new();
        for arg in args {
            floats.push(Val::one(TypeId::F32, self.half_to_float(arg.value())));
        }
        if matches!(what.which, Some(I::FMulAdd | I::Fma)) {
            // Products of halves are exact in double; so it rounds as the interpreter does.
            let mut doubles = SmallVec::<[Value; 3]>::new();
            for float in &floats {
                doubles.push(self.out.cast(Op::FpExt, TypeId::F64, float.value()));
            }
            let product = self
                .out
                .binary(Op::FMul, TypeId::F64, doubles[0], doubles[1]);
            let sum = self.out.binary(Op::FAdd, TypeId::F64, product, doubles[2]);
            return Ok(Val::one(ty, self.double_to_half(sum)));
        }
        if self.shape(ty) != Shape::Half {
            return self.compute(what, ty, &floats);
        }
        let result = self.compute(what, TypeId::F32, &floats)?;
        Ok(Val::one(ty, self.float_to_half(result.value())))
    }

    /// Conversions from and to half.
    pub(super) fn half_cast(&mut self, what: Do, ty: TypeId, value: &Val) -> Res<Val> {
        if self.shape(value.ty) == Shape::Half {
            let float = self.half_to_float(value.value());
            let float = Val::one(TypeId::F32, float);
            return match ty {
                TypeId::F32 => Ok(float),
                _ => self.compute(what, ty, &[float]),
            };
        }
        if value.ty == TypeId::F32 {
            return Ok(Val::one(ty, self.float_to_half(value.value())));
        }
        let double = match what.op {
            Op::FpTrunc => value.clone(),
            _ => self.compute(what, TypeId::F64, core::slice::from_ref(value))?,
        };
        Ok(Val::one(ty, self.double_to_half(double.value())))
    }

    /// Operations on lanes of halves: in floats where the CPU converts them, else lane by lane.
    pub(super) fn half_vector(&mut self, what: Do, ty: TypeId, args: &[Val]) -> Res<Val> {
        let simple = matches!(
            what.op,
            Op::FAdd | Op::FSub | Op::FMul | Op::FDiv | Op::FCmp
        );
        if !simple || !self.cx.cpu.f16c {
            return self.scalarised(what, ty, args);
        }
        let mut floats = SmallVec::<[Val; 3]>::new();
        for arg in args {
            floats.push(self.half_lanes_to_float(arg)?);
        }
        if what.op == Op::FCmp {
            return self.compute(what, ty, &floats);
        }
        let result = self.compute(what, floats[0].ty, &floats)?;
        self.float_lanes_to_half(ty, &result)
    }

    fn half_lanes_to_float(&mut self, value: &Val) -> Res<Val> {
        let ty = self.like(value.ty, TypeId::F32);
        self.converted_lanes(Intrinsic::HalfToFloat, ty, value, Lane::F32)
    }

    fn float_lanes_to_half(&mut self, ty: TypeId, value: &Val) -> Res<Val> {
        self.converted_lanes(Intrinsic::FloatToHalf, ty, value, Lane::I16)
    }

    fn converted_lanes(&mut self, which: Intrinsic, ty: TypeId, value: &Val, to: Lane) -> Res<Val> {
        let cpu = self.cx.cpu;
        let source = self.pieces(value);
        let n = self.types().vector(ty).map_or(0, |(_, n)| n);
        let mut list = SmallVec::new();
        for (at, len) in super::shape::chunks(n, super::shape::longest(Lane::F32, cpu)) {
            let v = Vector {
                lane: Lane::F32,
                lanes: len,
            };
            let each = if machine::supports_intrinsic(which, v, cpu) {
                len
            } else {
                1
            };
            for at in (at..at + len).step_by(each as usize) {
                let chunk = self.piece(&source, at, each);
                let to = self.chunk_type(to, each);
                list.push((at, each, self.out.intrinsic(which, to, &[chunk])));
            }
        }
        let pieces = super::pieces::Pieces {
            lane: to,
            mask: false,
            list,
        };
        Ok(self.regroup(ty, &pieces))
    }

    /// Conversions between lanes, of which one kind is half.
    pub(super) fn half_vector_cast(&mut self, what: Do, ty: TypeId, value: &Val) -> Res<Val> {
        let float = |this: &Self, ty| this.types().scalar(ty) == TypeId::F32;
        if self.cx.cpu.f16c && self.is_half(value.ty) {
            let floats = self.half_lanes_to_float(value)?;
            if float(self, ty) {
                return Ok(floats);
            }
            return self.compute(what, ty, &[floats]);
        }
        if self.cx.cpu.f16c && float(self, value.ty) && what.op == Op::FpTrunc {
            return self.float_lanes_to_half(ty, value);
        }
        self.scalarised(what, ty, core::slice::from_ref(value))
    }

    /// Whether a word is not 0.
    pub(super) fn is_set(&mut self, ty: TypeId, word: Value) -> Value {
        let zero = self.out.bits(ty, 0);
        self.out.icmp(IntPred::Ne, word, zero)
    }

    /// A call of a helper function: words in, a word out, or nothing.
    pub(super) fn helper(&mut self, helper: Helper, args: &[Value]) -> Value {
        let (id, ty, ret) = self.cx.helper(helper);
        let words = [u32::from(ty.0), 0];
        let pool = self
            .out
            .words(words.into_iter().chain(args.iter().map(|arg| arg.0)));
        self.out
            .emit(Op::Call, 0, ret, [id.0, pool, args.len() as u32])
    }

    /// A product and a sum that are rounded once, for a CPU that does not do it.
    pub(super) fn fused_by_helper(
        &mut self,
        which: Intrinsic,
        ty: TypeId,
        values: &[Value],
    ) -> Option<Value> {
        let fuses = match which {
            Intrinsic::Fma => true,
            Intrinsic::FMulAdd => self.fused,
            _ => false,
        };
        let (helper, int) = match ty {
            TypeId::F32 => (Helper::FmaFloat, TypeId::I32),
            TypeId::F64 => (Helper::FmaDouble, TypeId::I64),
            _ => return None,
        };
        if !fuses || self.cx.cpu.fma {
            return None;
        }
        let words: SmallVec<[Value; 3]> = values
            .iter()
            .map(|&value| {
                let bits = self.out.cast(Op::Bitcast, int, value);
                match int {
                    TypeId::I64 => bits,
                    _ => self.out.cast(Op::ZExt, TypeId::I64, bits),
                }
            })
            .collect();
        let mut bits = self.helper(helper, &words);
        if int == TypeId::I32 {
            bits = self.out.cast(Op::Trunc, int, bits);
        }
        Some(self.out.cast(Op::Bitcast, ty, bits))
    }

    /// What no rule knows.
    pub(super) fn unknown<T>(&self) -> Res<T> {
        Err(Stop::Unsupported("an operation on such values"))
    }
}
