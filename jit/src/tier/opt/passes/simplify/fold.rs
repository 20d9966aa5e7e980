//! Constant folding: an operation on constants is a constant.
//!
//! Integers of at most 64 bits, `float`, `double`, addresses with known offsets. What faults is not
//! folded. The arithmetic is that of the head of crate `ir`, written for one width at a time in 64
//! bits; the interpreter, written for all widths in 128, judges it.

use super::pattern::{ones, signed};
use crate::tier::opt::graph::Graph;
use ir::{ConstKind, FloatPred, Inst, IntPred, Intrinsic, Op, TypeId, Value};

/// The constant that an instruction computes, if all it needs is constant.
pub(in crate::tier::opt) fn constant(graph: &mut Graph<'_>, inst: &Inst) -> Option<Value> {
    let [a, b, _] = inst.values();
    let kind = match inst.op {
        op if op.is_int_binary() => {
            let width = narrow(graph, inst.ty)?;
            ConstKind::Int(binary(op, width, graph.const_int(a)?, graph.const_int(b)?)?)
        }
        Op::ICmp => {
            let width = narrow(graph, graph.type_of(a))?;
            let (x, y) = (graph.const_int(a)?, graph.const_int(b)?);
            ConstKind::Int(compare(inst.int_pred()?, width, x, y).into())
        }
        Op::FCmp => {
            let (x, y) = (float(graph, a)?, float(graph, b)?);
            ConstKind::Int(compare_floats(inst.float_pred(), x, y).into())
        }
        Op::FAdd | Op::FSub | Op::FMul | Op::FDiv => float_binary(graph, inst, a, b)?,
        op if op.is_cast() => return cast(graph, inst, a),
        Op::PtrAdd => address(graph, inst)?,
        Op::Select if graph.type_of(a) == TypeId::I1 => {
            let taken = if graph.const_int(a)? == 0 {
                inst.args[2]
            } else {
                b.0
            };
            return Some(Value(taken));
        }
        Op::Intrinsic => intrinsic(graph, inst)?,
        _ => return None,
    };
    Some(match kind {
        ConstKind::Int(bits) => graph.int(inst.ty, bits),
        kind => graph.constant(inst.ty, kind),
    })
}

/// Width of an integer or address type of at most 64 bits.
fn narrow(graph: &Graph<'_>, ty: TypeId) -> Option<u32> {
    graph.types().int_bits(ty).filter(|bits| *bits <= 64)
}

/// One of the thirteen integer operations; `None` where it faults.
#[must_use]
pub fn binary(op: Op, width: u32, a: u64, b: u64) -> Option<u64> {
    let amount = (b % u64::from(width)) as u32;
    let result = match op {
        Op::Add => a.wrapping_add(b),
        Op::Sub => a.wrapping_sub(b),
        Op::Mul => a.wrapping_mul(b),
        Op::UDiv => a.checked_div(b)?,
        Op::URem => a.checked_rem(b)?,
        Op::SDiv | Op::SRem => signed_division(op, width, signed(a, width), signed(b, width))?,
        Op::Shl => a << amount,
        Op::LShr => a >> amount,
        Op::AShr => (signed(a, width) >> amount).cast_unsigned(),
        Op::And => a & b,
        Op::Or => a | b,
        Op::Xor => a ^ b,
        _ => return None,
    };
    Some(result & ones(width))
}

/// x86 divides in 32 bits up to i32 and in 64 above, and faults where that overflows.
fn signed_division(op: Op, width: u32, a: i64, b: i64) -> Option<u64> {
    if b == 0 || width == 32 && b == -1 && a == i64::from(i32::MIN) {
        return None;
    }
    let result = match op {
        Op::SDiv => a.checked_div(b),
        _ => a.checked_rem(b),
    };
    result.map(i64::cast_unsigned)
}

/// An integer comparison.
#[must_use]
pub fn compare(pred: IntPred, width: u32, a: u64, b: u64) -> bool {
    let order = if pred.is_signed() {
        signed(a, width).cmp(&signed(b, width))
    } else {
        a.cmp(&b)
    };
    match pred {
        IntPred::Eq => order.is_eq(),
        IntPred::Ne => order.is_ne(),
        IntPred::Ugt | IntPred::Sgt => order.is_gt(),
        IntPred::Uge | IntPred::Sge => order.is_ge(),
        IntPred::Ult | IntPred::Slt => order.is_lt(),
        IntPred::Ule | IntPred::Sle => order.is_le(),
    }
}

/// A float constant, widened to `double`, which changes neither value nor order.
fn float(graph: &Graph<'_>, value: Value) -> Option<f64> {
    let constant = graph.code().constant(value.as_const()?);
    match (constant.ty, constant.kind) {
        (TypeId::F32, ConstKind::F32(bits)) => Some(f32::from_bits(bits).into()),
        (TypeId::F64, ConstKind::F64(bits)) => Some(f64::from_bits(bits)),
        (TypeId::F32 | TypeId::F64, ConstKind::Zero) => Some(0.0),
        _ => None,
    }
}

/// Bit 0 of the predicate: equal, 1: greater, 2: less, 3: unordered.
fn compare_floats(pred: FloatPred, x: f64, y: f64) -> bool {
    let bit = match x.partial_cmp(&y) {
        Some(order) if order.is_eq() => 0,
        Some(order) if order.is_gt() => 1,
        Some(_) => 2,
        None => 3,
    };
    pred.0 >> bit & 1 == 1
}

/// Arithmetic in the type's own precision. A NaN is left to the machine.
fn float_binary(graph: &Graph<'_>, inst: &Inst, a: Value, b: Value) -> Option<ConstKind> {
    let (x, y) = (float(graph, a)?, float(graph, b)?);
    let kind = match inst.ty {
        TypeId::F64 => {
            let result = match inst.op {
                Op::FAdd => x + y,
                Op::FSub => x - y,
                Op::FMul => x * y,
                _ => x / y,
            };
            (!result.is_nan()).then_some(ConstKind::F64(result.to_bits()))
        }
        _ => {
            let (x, y) = (x as f32, y as f32);
            let result = match inst.op {
                Op::FAdd => x + y,
                Op::FSub => x - y,
                Op::FMul => x * y,
                _ => x / y,
            };
            (!result.is_nan()).then_some(ConstKind::F32(result.to_bits()))
        }
    };
    kind.filter(|_| matches!(inst.ty, TypeId::F32 | TypeId::F64))
}

fn cast(graph: &mut Graph<'_>, inst: &Inst, a: Value) -> Option<Value> {
    let from = graph.type_of(a);
    let bits = match inst.op {
        Op::Trunc | Op::ZExt | Op::PtrToInt | Op::IntToPtr => {
            // The bits above are cut off where the result is narrower.
            narrow(graph, inst.ty)?;
            graph.const_int(a)?
        }
        Op::SExt => {
            let width = narrow(graph, from)?;
            narrow(graph, inst.ty)?;
            signed(graph.const_int(a)?, width).cast_unsigned()
        }
        Op::FpToSi | Op::FpToUi => to_int(inst.op, narrow(graph, inst.ty)?, float(graph, a)?),
        _ => return to_float(graph, inst, a),
    };
    Some(graph.int(inst.ty, bits))
}

/// `cvttsd2si` of 32 bits.
fn truncated32(x: f64) -> i64 {
    let fits = x > f64::from(i32::MIN) - 1.0 && x < f64::from(i32::MAX) + 1.0;
    if fits { x as i64 } else { i64::from(i32::MIN) }
}

/// `cvttsd2si` of 64 bits.
fn truncated64(x: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    let fits = (-LIMIT..LIMIT).contains(&x);
    if fits { x as i64 } else { i64::MIN }
}

fn to_int(op: Op, width: u32, x: f64) -> u64 {
    let narrow = if op == Op::FpToSi {
        width <= 32
    } else {
        width < 32
    };
    let result = match (narrow, op, width) {
        (true, ..) => truncated32(x),
        (_, Op::FpToUi, 64) => {
            let low = truncated64(x);
            low | (truncated64(x - 9_223_372_036_854_775_808.0) & (low >> 63))
        }
        _ => truncated64(x),
    };
    result.cast_unsigned()
}

/// Casts whose result is a float, and casts of floats to integers of the same bits.
fn to_float(graph: &mut Graph<'_>, inst: &Inst, a: Value) -> Option<Value> {
    let from = graph.type_of(a);
    let int = |graph: &Graph<'_>| Some((graph.const_int(a)?, narrow(graph, from)?));
    let kind = match (inst.op, inst.ty) {
        (Op::SiToFp, TypeId::F64) => {
            let (bits, width) = int(graph)?;
            ConstKind::F64((signed(bits, width) as f64).to_bits())
        }
        (Op::SiToFp, TypeId::F32) => {
            let (bits, width) = int(graph)?;
            ConstKind::F32((signed(bits, width) as f32).to_bits())
        }
        (Op::UiToFp, TypeId::F64) => ConstKind::F64((int(graph)?.0 as f64).to_bits()),
        (Op::UiToFp, TypeId::F32) => ConstKind::F32((int(graph)?.0 as f32).to_bits()),
        (Op::FpExt, TypeId::F64) => {
            let x = float(graph, a).filter(|x| !x.is_nan())?;
            ConstKind::F64(x.to_bits())
        }
        (Op::FpTrunc, TypeId::F32) => {
            let x = float(graph, a).filter(|x| !x.is_nan())?;
            ConstKind::F32((x as f32).to_bits())
        }
        (Op::Bitcast, to) => return same_bits(graph, a, from, to),
        _ => return None,
    };
    Some(graph.constant(inst.ty, kind))
}

fn same_bits(graph: &mut Graph<'_>, a: Value, from: TypeId, to: TypeId) -> Option<Value> {
    let constant = graph.code().constant(a.as_const()?);
    let bits = match constant.kind {
        ConstKind::Int(bits) => bits,
        ConstKind::F32(bits) if from == TypeId::F32 => bits.into(),
        ConstKind::F64(bits) => bits,
        ConstKind::Zero => 0,
        _ => return None,
    };
    match to {
        TypeId::F32 => Some(graph.constant(to, ConstKind::F32(bits as u32))),
        TypeId::F64 => Some(graph.constant(to, ConstKind::F64(bits))),
        _ => narrow(graph, to).map(|_| graph.int(to, bits)),
    }
}

/// An address whose base and index are constants.
fn address(graph: &Graph<'_>, inst: &Inst) -> Option<ConstKind> {
    let [base, index, c] = inst.args;
    let added = if Value(index) == Value::NONE {
        c
    } else {
        let index = graph.const_int(Value(index))? as u32;
        let words = graph.code().words(c, 2);
        index.wrapping_mul(words[0]).wrapping_add(words[1])
    };
    match graph.code().constant(Value(base).as_const()?).kind {
        ConstKind::Int(at) => Some(ConstKind::Int((at as u32).wrapping_add(added).into())),
        ConstKind::Global { id, offset } => Some(ConstKind::Global {
            id,
            offset: offset.wrapping_add(added.cast_signed()),
        }),
        _ => None,
    }
}

fn intrinsic(graph: &Graph<'_>, inst: &Inst) -> Option<ConstKind> {
    let width = narrow(graph, inst.ty)?;
    let words = graph.code().words(inst.args[1], inst.args[2]);
    let at = |n: usize| words.get(n).and_then(|&word| graph.const_int(Value(word)));
    let x = at(0)?;
    let result = match inst.intrinsic()? {
        Intrinsic::SMax => pick(IntPred::Sgt, width, x, at(1)?),
        Intrinsic::SMin => pick(IntPred::Slt, width, x, at(1)?),
        Intrinsic::UMax => pick(IntPred::Ugt, width, x, at(1)?),
        Intrinsic::UMin => pick(IntPred::Ult, width, x, at(1)?),
        Intrinsic::Abs => signed(x, width).unsigned_abs(),
        Intrinsic::CtPop => x.count_ones().into(),
        Intrinsic::CtLz => (x.leading_zeros() - (64 - width)).into(),
        Intrinsic::CtTz => x.trailing_zeros().min(width).into(),
        Intrinsic::BSwap => x.swap_bytes() >> (64 - width),
        Intrinsic::BitReverse => x.reverse_bits() >> (64 - width),
        _ => return None,
    };
    Some(ConstKind::Int(result))
}

fn pick(pred: IntPred, width: u32, x: u64, y: u64) -> u64 {
    if compare(pred, width, x, y) { x } else { y }
}
