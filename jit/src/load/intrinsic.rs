//! Intrinsics: what a call of `llvm.NAME` becomes.
//!
//! Told by name, whatever the type suffixes; the table of those that are instructions is the IR's.

use ir::{Intrinsic, Op, Type, TypeId, Value};

use super::body::{BodyLoader, Values};
use super::constrained::{Constrained, constrained};
use super::error::{LoadError, Result};
use super::inst::fast_math;
use super::lower::{self, MinMax, X86};
use super::masked::Masked;

/// What a call becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// An instruction with the first so many arguments; what follows are hints.
    Emit(Intrinsic, usize),
    /// Nothing; its result, if any, is 0.
    Drop,
    /// Its first argument.
    First,
    /// "Not known" of `objectsize`: 0 for a minimum, else -1.
    ObjectSize,
    /// The rounding mode, which is always to nearest.
    Rounding,
    /// A call of the function of C's mathematical library with this name, or that of another width.
    Libm(&'static str),
    /// The bits of an address that a mask keeps.
    PtrMask,
    /// This operation over the lanes in order, from the first argument.
    Reduce(Op),
    /// This intrinsic over the lanes in order.
    ReduceBy(Intrinsic),
    /// The smaller or larger of two floats over the lanes.
    ReduceMinMax(MinMax),
    /// Memory accesses of the lanes that a mask selects.
    Masked(Masked),
    /// The smaller or larger of two floats.
    MinMax(MinMax),
    /// Which kind of number a float is.
    FpClass,
    /// A float to the power of an integer.
    Powi,
    /// A function of C's mathematical library that gives a second result through a pointer.
    LibmPair(&'static str),
    /// Sine and cosine at once.
    SinCos,
    /// Times one: quiets a NaN and changes nothing else.
    Canonical,
    /// A half as 16 bits, from or to a wider float.
    HalfBits { to: bool },
    /// What a strict program calls in place of an operation.
    Constrained(Constrained),
    /// An intrinsic of the processor.
    X86(X86),
    /// Refused when called.
    Unknown,
}

/// Intrinsics that are functions of C's library: compilers write them with `-fno-math-errno`. What
/// computes them is up to who links the module, like any other import.
const LIBM: &[&str] = &[
    "sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "exp", "exp2",
    "exp10", "log", "log2", "log10", "pow", "ldexp", "lround", "llround", "lrint", "llrint",
];

/// Intrinsics that only tell an optimiser something, or ask for what need not be known: what it
/// knows (`is.constant`: nothing), the frame's address, a counter that not every machine has.
const NOTHING: &[&str] = &[
    "lifetime.start",
    "lifetime.end",
    "va_end",
    "assume",
    "donothing",
    "sideeffect",
    "prefetch",
    "invariant.start",
    "invariant.end",
    "experimental.noalias.scope.decl",
    "var.annotation",
    "frameaddress",
    "is.constant",
    "dbg.declare",
    "dbg.value",
    "dbg.assign",
    "dbg.label",
    "clear_cache",
    "pseudoprobe",
    "fake.use",
    "readcyclecounter",
    "readsteadycounter",
];

/// The maximum and minimum in which a NaN wins.
const MAXIMUM: MinMax = MinMax {
    max: true,
    nan_wins: true,
};
const MINIMUM: MinMax = MinMax {
    max: false,
    nan_wins: true,
};

/// What a call of `llvm.` + `name` becomes.
pub(super) fn action(name: &str) -> Action {
    // Suffixes are types, and types have no dots: cut from the right until a name remains.
    let mut base = name;
    if let Some(name) = name.strip_prefix("x86.") {
        return lower::named(name).map_or(Action::Unknown, Action::X86);
    }
    if let Some(name) = name.strip_prefix("experimental.constrained.") {
        return constrained(name).map_or(Action::Unknown, Action::Constrained);
    }
    loop {
        if let Some(action) = exact(base) {
            return action;
        }
        match base.rsplit_once('.') {
            Some((shorter, _)) => base = shorter,
            None => return Action::Unknown,
        }
    }
}

/// The action for a name without suffixes.
fn exact(base: &str) -> Option<Action> {
    if NOTHING.contains(&base) {
        return Some(Action::Drop);
    }
    let all = usize::MAX;
    Some(match base {
        "expect"
        | "expect.with.probability"
        | "launder.invariant.group"
        | "strip.invariant.group"
        | "threadlocal.address"
        | "annotation"
        | "ptr.annotation"
        | "arithmetic.fence"
        | "ssa.copy" => Action::First,
        "objectsize" => Action::ObjectSize,
        "ptrmask" => Action::PtrMask,
        "get.rounding" | "flt.rounds" => Action::Rounding,
        "debugtrap" | "ubsantrap" => Action::Emit(Intrinsic::Trap, 0),
        "nearbyint" | "roundeven" => Action::Emit(Intrinsic::Rint, 1),
        "memcpy.inline" => Action::Emit(Intrinsic::Memcpy, 3),
        "memset.inline" => Action::Emit(Intrinsic::Memset, 3),
        "masked.load" => Action::Masked(Masked::Load),
        "masked.store" => Action::Masked(Masked::Store),
        "masked.gather" => Action::Masked(Masked::Gather),
        "masked.scatter" => Action::Masked(Masked::Scatter),
        "vector.reduce.fadd" => Action::Reduce(Op::FAdd),
        "vector.reduce.fmul" => Action::Reduce(Op::FMul),
        "vector.reduce.fmax" => Action::ReduceBy(Intrinsic::MaxNum),
        "vector.reduce.fmin" => Action::ReduceBy(Intrinsic::MinNum),
        "vector.reduce.fmaximum" => Action::ReduceMinMax(MAXIMUM),
        "vector.reduce.fminimum" => Action::ReduceMinMax(MINIMUM),
        "maximum" => Action::MinMax(MAXIMUM),
        "minimum" => Action::MinMax(MINIMUM),
        "maximumnum" => Action::MinMax(MinMax {
            max: true,
            nan_wins: false,
        }),
        "minimumnum" => Action::MinMax(MinMax {
            max: false,
            nan_wins: false,
        }),
        "is.fpclass" => Action::FpClass,
        "powi" => Action::Powi,
        "frexp" => Action::LibmPair("frexp"),
        "modf" => Action::LibmPair("modf"),
        "sincos" => Action::SinCos,
        "canonicalize" => Action::Canonical,
        "convert.to.fp16" => Action::HalfBits { to: true },
        "convert.from.fp16" => Action::HalfBits { to: false },
        // Cut at a dot these would become something else.
        "memcpy.element.unordered.atomic"
        | "memmove.element.unordered.atomic"
        | "memset.element.unordered.atomic"
        | "memset.pattern" => Action::Unknown,
        _ => {
            if let Some(name) = LIBM.iter().find(|name| **name == base) {
                return Some(Action::Libm(name));
            }
            let which = Intrinsic::ALL
                .iter()
                .copied()
                .find(|which| which.name() == base)?;
            let args = match which {
                Intrinsic::Abs | Intrinsic::CtLz | Intrinsic::CtTz => 1,
                Intrinsic::Memcpy | Intrinsic::Memmove | Intrinsic::Memset => 3,
                _ => all,
            };
            Action::Emit(which, args)
        }
    })
}

impl BodyLoader<'_, '_, '_> {
    /// A call of an intrinsic with result type `ty`.
    pub(super) fn intrinsic(
        &mut self,
        action: Action,
        ty: TypeId,
        args: &[Value],
        flags: u32,
    ) -> Result<Value> {
        let first = args.first().copied();
        let missing = || LoadError::malformed("intrinsic without its arguments");
        match action {
            Action::Emit(which, kept) => {
                let kept = args.get(..kept.min(args.len())).unwrap_or(args);
                Ok(self.emit_intrinsic(which, ty, kept, flags))
            }
            Action::Drop if ty == TypeId::VOID => Ok(Value::NONE),
            Action::Drop => Ok(self.zero(ty)),
            Action::First => first.ok_or_else(missing),
            Action::ObjectSize => {
                let minimum = args
                    .get(1)
                    .and_then(|value| self.builder.body().const_int(*value));
                let bits = self.loader.module.types.int_bits(ty).unwrap_or(64);
                let unknown = if minimum == Some(1) {
                    0
                } else {
                    super::fold::zero_extend(u64::MAX, bits)
                };
                Ok(self.builder.int(ty, unknown))
            }
            // As `FLT_ROUNDS` numbers it.
            Action::Rounding => Ok(self.builder.int(ty, 1)),
            Action::Libm(name) => self.libm(name, ty, args),
            Action::PtrMask => {
                let [ptr, mask] = *args else {
                    return Err(missing());
                };
                let mask_type = self.type_of(mask);
                let number = self.emit(Op::PtrToInt, 0, mask_type, [ptr.0, 0, 0]);
                let kept = self.emit(Op::And, 0, mask_type, [number.0, mask.0, 0]);
                Ok(self.emit(Op::IntToPtr, 0, ty, [kept.0, 0, 0]))
            }
            Action::Reduce(op) => {
                let [start, vector] = *args else {
                    return Err(missing());
                };
                Ok(self.reduce(vector, Some(start), |body, sum, part| {
                    body.emit(op, fast_math(flags), ty, [sum.0, part.0, 0])
                }))
            }
            Action::ReduceBy(which) => {
                let vector = first.ok_or_else(missing)?;
                Ok(self.reduce(vector, None, |body, best, part| {
                    let pool = body.builder.pool([best.0, part.0]);
                    body.emit(Op::Intrinsic, fast_math(flags), ty, [which as u32, pool, 2])
                }))
            }
            Action::ReduceMinMax(which) => {
                let vector = first.ok_or_else(missing)?;
                let mut best = self.lane(vector, 0);
                for lane in 1..self.lanes_of(vector) {
                    let part = self.lane(vector, lane);
                    best = self.min_max(which, best, part)?;
                }
                Ok(best)
            }
            Action::Masked(which) => self.masked(which, ty, args),
            Action::X86(which) => self.x86(which, ty, args),
            // Takes metadata, and is told before its arguments become values.
            Action::Constrained(_) => Err(LoadError::malformed("constrained operation")),
            _ => self.float_intrinsic(action, ty, args),
        }
    }

    /// An intrinsic of the IR, with fast-math bits.
    fn emit_intrinsic(
        &mut self,
        which: Intrinsic,
        ty: TypeId,
        args: &[Value],
        flags: u32,
    ) -> Value {
        let pool = self.builder.pool(args.iter().map(|value| value.0));
        let words = [which as u32, pool, args.len() as u32];
        let value = self.emit(Op::Intrinsic, fast_math(flags), ty, words);
        if ty == TypeId::VOID {
            Value::NONE
        } else {
            value
        }
    }

    /// Intrinsics on floats that are sequences of instructions.
    fn float_intrinsic(&mut self, action: Action, ty: TypeId, args: &[Value]) -> Result<Value> {
        match (action, args) {
            (Action::MinMax(which), &[a, b]) => self.min_max(which, a, b),
            (Action::FpClass, &[value, mask]) => {
                let mask = self.immediate(mask)?;
                self.is_fpclass(value, mask)
            }
            (Action::Powi, &[base, exponent]) => self.powi(ty, base, exponent),
            (Action::LibmPair(name), &[value]) => self.libm_pair(name, ty, value),
            (Action::SinCos, &[value]) => self.sin_cos(ty, value),
            (Action::Canonical, &[value]) => {
                let one = self.one(ty)?;
                Ok(self.binary_op(Op::FMul, value, one))
            }
            (Action::HalfBits { to: true }, &[value]) => {
                let half = self.intern(Type::Half)?;
                let value = self.convert(Op::FpTrunc, value, half);
                Ok(self.convert(Op::Bitcast, value, ty))
            }
            (Action::HalfBits { to: false }, &[bits]) => {
                let half = self.intern(Type::Half)?;
                let value = self.convert(Op::Bitcast, bits, half);
                Ok(self.convert(Op::FpExt, value, ty))
            }
            (Action::Unknown, _) => Err(LoadError::unsupported("intrinsic")),
            _ => Err(LoadError::malformed("intrinsic with other arguments")),
        }
    }

    /// Combines the lanes of a vector in order: into `start`, or into the first of them.
    fn reduce(
        &mut self,
        vector: Value,
        start: Option<Value>,
        combine: impl Fn(&mut Self, Value, Value) -> Value,
    ) -> Value {
        let lanes = self.loader.module.types.vector(self.type_of(vector));
        let (_, lanes) = lanes.unwrap_or((TypeId::VOID, 0));
        let mut sum = start;
        for lane in 0..lanes {
            let part = self.lane(vector, lane);
            sum = Some(match sum {
                Some(sum) => combine(self, sum, part),
                None => part,
            });
        }
        sum.unwrap_or(vector)
    }

    /// The arguments of an intrinsic as values. Metadata is none, and is left out.
    pub(super) fn intrinsic_args(
        &mut self,
        params: &[bitcode::TypeId],
        args: &[bitcode::Value],
    ) -> Result<Values> {
        let mut values = Values::new();
        for (&arg, &param) in args.iter().zip(params) {
            if !matches!(
                self.loader.source.types().get(param),
                bitcode::Type::Metadata
            ) {
                let ty = self.ty(param)?;
                values.push(self.operand_like(arg.id, ty)?);
            }
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_whatever_their_suffixes() {
        let all = usize::MAX;
        for (name, expected) in [
            ("memcpy.p0.p0.i32", Action::Emit(Intrinsic::Memcpy, 3)),
            ("memcpy.p0i8.p0i8.i64", Action::Emit(Intrinsic::Memcpy, 3)),
            (
                "memcpy.inline.p0.p0.i64",
                Action::Emit(Intrinsic::Memcpy, 3),
            ),
            ("memcpy.element.unordered.atomic.p0.p0.i32", Action::Unknown),
            (
                "vector.reduce.add.v4i32",
                Action::Emit(Intrinsic::ReduceAdd, all),
            ),
            ("vector.reduce.fadd.v4f32", Action::Reduce(Op::FAdd)),
            (
                "vector.reduce.fmax.v4f32",
                Action::ReduceBy(Intrinsic::MaxNum),
            ),
            (
                "vector.reduce.fmaximum.v4f32",
                Action::ReduceMinMax(MAXIMUM),
            ),
            (
                "sadd.with.overflow.i32",
                Action::Emit(Intrinsic::SAddOverflow, all),
            ),
            ("va_start", Action::Emit(Intrinsic::VaStart, all)),
            ("va_start.p0", Action::Emit(Intrinsic::VaStart, all)),
            ("lifetime.start.p0", Action::Drop),
            ("trap", Action::Emit(Intrinsic::Trap, all)),
            ("trunc.f64", Action::Emit(Intrinsic::FTrunc, all)),
            ("ctlz.i32", Action::Emit(Intrinsic::CtLz, 1)),
            ("x86.sse2.pause", Action::X86(X86::Nothing)),
            ("x86.sse4a.extrq", Action::Unknown),
            ("exp2.f64", Action::Libm("exp2")),
            (
                "experimental.constrained.fadd.f64",
                Action::Constrained(Constrained::Binary(bitcode::BinOp::Add)),
            ),
            (
                "experimental.constrained.sqrt.v2f64",
                Action::Constrained(Constrained::Same("sqrt")),
            ),
            ("eh.sjlj.setjmp", Action::Unknown),
        ] {
            assert_eq!(action(name), expected, "{name}");
        }
    }
}
