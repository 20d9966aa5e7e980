//! Integers of 129 to 256 bits: two halves of 128, low first, as a list of two scalars.
//!
//! C has them as `_BitInt` only, so they are done the simple way: schoolbook products of 64-bit
//! digits, and division bit by bit. Everything is computed in 256 bits and cut to the width.

use super::FaultKind;
use super::float::Format;
use super::value::Val;
use crate::inst::{IntPred, Op};
use crate::types::{Type, TypeId, Types};
use alloc::vec::Vec;

/// A number of 256 bits: low and high half.
pub(super) type Wide = [u128; 2];

/// Width of an integer type above 128 bits; `None` for every other type.
pub(super) fn width(types: &Types, ty: TypeId) -> Option<u32> {
    match types.get(ty) {
        Type::Int(bits @ 129..) => Some(u32::from(*bits)),
        _ => None,
    }
}

/// The halves of a value.
pub(super) fn read(value: &Val) -> Wide {
    match value.list() {
        [low, high] => [low.bits(), high.bits()],
        _ => [value.bits(), 0],
    }
}

/// A value of `width` bits, wide or not.
pub(super) fn write(number: Wide, width: u32) -> Val {
    let [low, high] = cut(number, width);
    if width <= 128 {
        return Val::Bits(low);
    }
    Val::from_list(Vec::from([Val::Bits(low), Val::Bits(high)]))
}

/// The low `width` bits.
fn cut([low, high]: Wide, width: u32) -> Wide {
    match width {
        0..128 => [low & ((1 << width) - 1), 0],
        128 => [low, 0],
        129..256 => [low, high & ((1 << (width - 128)) - 1)],
        _ => [low, high],
    }
}

/// The number with its sign, which is bit `width - 1`, in all higher bits.
fn extend(number: Wide, width: u32) -> Wide {
    let top = 256 - width.clamp(1, 256);
    shift_right(shift_left(number, top), top, true)
}

fn add(a: Wide, b: Wide) -> Wide {
    let (low, carry) = a[0].overflowing_add(b[0]);
    [low, a[1].wrapping_add(b[1]).wrapping_add(u128::from(carry))]
}

fn negate(a: Wide) -> Wide {
    add([!a[0], !a[1]], [1, 0])
}

fn multiply(a: Wide, b: Wide) -> Wide {
    let digit = |n: Wide, at: usize| n[at / 2] >> (64 * (at % 2)) & u128::from(u64::MAX);
    let mut sum = [0, 0];
    for i in 0..4 {
        for j in 0..4 - i {
            let product = [digit(a, i) * digit(b, j), 0];
            sum = add(sum, shift_left(product, 64 * (i + j) as u32));
        }
    }
    sum
}

fn shift_left([low, high]: Wide, by: u32) -> Wide {
    match by {
        0 => [low, high],
        1..128 => [low << by, high << by | low >> (128 - by)],
        128..256 => [0, low << (by - 128)],
        _ => [0, 0],
    }
}

fn shift_right([low, high]: Wide, by: u32, signed: bool) -> Wide {
    let fill = if signed && high >> 127 != 0 {
        u128::MAX
    } else {
        0
    };
    let arithmetic = |n: u128, by: u32| match by {
        0 => n,
        _ => n >> by | fill << (128 - by),
    };
    match by {
        0 => [low, high],
        1..128 => [low >> by | high << (128 - by), arithmetic(high, by)],
        128..256 => [arithmetic(high, by - 128), fill],
        _ => [fill, fill],
    }
}

fn below(a: Wide, b: Wide) -> bool {
    (a[1], a[0]) < (b[1], b[0])
}

fn is_negative(a: Wide) -> bool {
    a[1] >> 127 != 0
}

/// Quotient and remainder, bit by bit from the top.
fn divide(a: Wide, b: Wide) -> Result<(Wide, Wide), FaultKind> {
    if b == [0, 0] {
        return Err(FaultKind::DivideByZero);
    }
    let (mut quotient, mut rest) = ([0, 0], [0, 0]);
    for bit in (0..256).rev() {
        let lost = is_negative(rest);
        rest = add(shift_left(rest, 1), [shift_right(a, bit, false)[0] & 1, 0]);
        quotient = shift_left(quotient, 1);
        if lost || !below(rest, b) {
            rest = add(rest, negate(b));
            quotient[0] |= 1;
        }
    }
    Ok((quotient, rest))
}

/// One of the thirteen operations. Signed overflow of a division wraps.
pub(super) fn binary(op: Op, width: u32, a: Wide, b: Wide) -> Result<Val, FaultKind> {
    let amount = divide(b, [u128::from(width), 0])?.1[0] as u32;
    let (sa, sb) = (extend(a, width), extend(b, width));
    let magnitude = |n: Wide| if is_negative(n) { negate(n) } else { n };
    let signed = |n: Wide, minus: bool| if minus { negate(n) } else { n };
    let result = match op {
        Op::Add => add(a, b),
        Op::Sub => add(a, negate(b)),
        Op::Mul => multiply(a, b),
        Op::UDiv => divide(a, b)?.0,
        Op::URem => divide(a, b)?.1,
        Op::SDiv => {
            let (quotient, _) = divide(magnitude(sa), magnitude(sb))?;
            signed(quotient, is_negative(sa) != is_negative(sb))
        }
        Op::SRem => signed(divide(magnitude(sa), magnitude(sb))?.1, is_negative(sa)),
        Op::Shl => shift_left(a, amount),
        Op::LShr => shift_right(a, amount, false),
        Op::AShr => shift_right(sa, amount, true),
        Op::And => [a[0] & b[0], a[1] & b[1]],
        Op::Or => [a[0] | b[0], a[1] | b[1]],
        _ => [a[0] ^ b[0], a[1] ^ b[1]],
    };
    Ok(write(result, width))
}

/// An integer comparison.
pub(super) fn compare(pred: IntPred, width: u32, a: Wide, b: Wide) -> bool {
    let flip = |n: Wide| {
        let n = extend(n, width);
        [n[0], n[1] ^ 1 << 127]
    };
    let (a, b) = if pred.is_signed() {
        (flip(a), flip(b))
    } else {
        (a, b)
    };
    match pred {
        IntPred::Eq => a == b,
        IntPred::Ne => a != b,
        IntPred::Ugt | IntPred::Sgt => below(b, a),
        IntPred::Uge | IntPred::Sge => !below(a, b),
        IntPred::Ult | IntPred::Slt => below(a, b),
        IntPred::Ule | IntPred::Sle => !below(b, a),
    }
}

/// A cast of which one side at least is wide. Widths are those of integers.
pub(super) fn cast(
    op: Op,
    types: &Types,
    (from, to): (TypeId, TypeId),
    value: &Val,
) -> Result<Val, FaultKind> {
    let bits = |ty: TypeId| types.int_bits(ty).unwrap_or(0);
    let number = read(value);
    Ok(match op {
        Op::SExt => write(extend(number, bits(from)), bits(to)),
        Op::SiToFp | Op::UiToFp => {
            let number = if op == Op::SiToFp {
                extend(number, bits(from))
            } else {
                number
            };
            Val::Bits(to_float(number, op == Op::SiToFp, Format::of(types, to)?))
        }
        Op::FpToSi | Op::FpToUi => {
            let number = Format::of(types, from)?.read(value.bits());
            write(from_float(number, op == Op::FpToSi, bits(to)), bits(to))
        }
        _ => write(number, bits(to)),
    })
}

/// Rounded once: the highest 128 bits, the lowest of them set if any below is.
fn to_float(number: Wide, signed: bool, format: Format) -> u128 {
    let minus = signed && is_negative(number);
    let number = if minus { negate(number) } else { number };
    let by = 128 - number[1].leading_zeros();
    let lost = by > 0 && number[0] << (128 - by) != 0;
    let top = shift_right(number, by, false)[0] | u128::from(lost);
    let scale = libm::scalbn(if minus { -1.0 } else { 1.0 }, by as i32);
    format.write(match format {
        Format::Float => f64::from(top as f32) * scale,
        _ => top as f64 * scale,
    })
}

/// Truncated; the nearest number of the width if it does not fit, 0 for NaN.
fn from_float(number: f64, signed: bool, width: u32) -> Wide {
    let ones = |count: u32| cut([u128::MAX, u128::MAX], count);
    let largest = if signed { ones(width - 1) } else { ones(width) };
    let minus = number < 0.0;
    if number.is_nan() || minus && !signed {
        return [0, 0];
    }
    let magnitude = libm::trunc(libm::fabs(number));
    let exponent = libm::ilogb(magnitude.max(1.0));
    let mut result = if exponent < 127 {
        [magnitude as u128, 0]
    } else if exponent < 256 {
        shift_left(
            [libm::scalbn(magnitude, 64 - exponent) as u128, 0],
            exponent as u32 - 64,
        )
    } else {
        [u128::MAX, u128::MAX]
    };
    let limit = if minus { add(largest, [1, 0]) } else { largest };
    if below(limit, result) {
        result = limit;
    }
    if minus { negate(result) } else { result }
}

/// The bytes of a value in memory.
pub(super) fn to_bytes(value: &Val, width: u32) -> Vec<u8> {
    let [low, high] = read(value);
    let mut bytes = low.to_le_bytes().to_vec();
    bytes.extend(high.to_le_bytes());
    bytes.truncate(width.div_ceil(8) as usize);
    bytes
}

/// The reverse of [`to_bytes`].
pub(super) fn from_bytes(bytes: &[u8], width: u32) -> Val {
    let half = |from: usize| {
        let part = bytes.iter().skip(from).take(16).rev();
        part.fold(0, |number, byte| number << 8 | u128::from(*byte))
    };
    write([half(0), half(16)], width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotient_and_remainder_make_the_dividend_again() {
        let numbers: [Wide; 5] = [
            [u128::MAX, u128::MAX],
            [12_345, 1 << 127],
            [u128::MAX, 3],
            [7, 0],
            [1 << 100, 5],
        ];
        for a in numbers {
            for b in numbers {
                let (quotient, rest) = divide(a, b).unwrap();
                assert!(below(rest, b));
                assert_eq!(add(multiply(quotient, b), rest), a);
            }
        }
    }

    #[test]
    fn floats_are_rounded_once_and_saturate() {
        // 2^200 + 2^147: half a unit above 2^200 in double, which is even; one more bit rounds up.
        let half = [0, 1 << 72 | 1 << 19];
        assert_eq!(
            to_float(half, false, Format::Double),
            u128::from(libm::scalbn(1.0, 200).to_bits())
        );
        let above = add(half, [1, 0]);
        let next = libm::scalbn(1.0, 200).to_bits() + 1;
        assert_eq!(to_float(above, false, Format::Double), u128::from(next));
        assert_eq!(
            from_float(f64::INFINITY, false, 200),
            cut([u128::MAX; 2], 200)
        );
        assert_eq!(from_float(-8.75, true, 200), negate([8, 0]));
        assert_eq!(from_float(libm::scalbn(1.5, 150), true, 256), [0, 3 << 21]);
    }
}
