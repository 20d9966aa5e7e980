//! `x86_fp80` arithmetic on one scalar, by bits: sign, 15 bits of exponent, 64 of significand whose
//! leading one is not hidden.
//!
//! Every result is first made exactly, or with a lowest bit that says "and a bit more", as an integer
//! of 128 bits times a power of two, and then rounded once by [`round`], to nearest even. That is what
//! the x87 does with its control word at the default, so the numbers are the machine's.

use crate::inst::{FloatPred, Intrinsic, Op};
use core::cmp::Ordering;

/// A number taken apart.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Num {
    Nan,
    Inf(bool),
    Zero(bool),
    /// Sign, significand with bit 63 set, exponent: significand times 2^exponent.
    Finite(bool, u64, i32),
}

/// The quiet NaN that the x87 makes.
const NAN: u128 = 0xffff_c000_0000_0000_0000;
/// Exponent field minus this is the exponent of the significand's lowest bit.
const BIAS: i32 = 16383 + 63;
/// The sign of a number.
pub(super) const SIGN: u128 = 1 << 79;

/// What an interchange format looks like: bits of significand with the leading one, smallest exponent
/// of the significand's lowest bit, largest exponent field.
#[derive(Clone, Copy)]
struct Shape {
    bits: u32,
    least: i32,
    top: i32,
}

const EXTENDED: Shape = Shape {
    bits: 64,
    least: 1 - BIAS,
    top: 0x7fff,
};
const DOUBLE: Shape = Shape {
    bits: 53,
    least: -1074,
    top: 0x7ff,
};
const HALF: Shape = Shape {
    bits: 11,
    least: -24,
    top: 0x1f,
};
const FLOAT: Shape = Shape {
    bits: 24,
    least: -149,
    top: 0xff,
};

fn unpack(bits: u128) -> Num {
    let (sign, field) = (bits & SIGN != 0, (bits >> 64 & 0x7fff) as i32);
    let significand = bits as u64;
    match (field, significand) {
        (0x7fff, 0x8000_0000_0000_0000) => Num::Inf(sign),
        (0x7fff, _) => Num::Nan,
        (_, 0) if field == 0 => Num::Zero(sign),
        // Numbers without their leading one do not exist since the 387.
        (1.., _) if significand >> 63 == 0 => Num::Nan,
        _ => finite(sign, u128::from(significand), field.max(1) - BIAS),
    }
}

/// The number `significand * 2^exponent`, which fits 64 bits exactly.
fn finite(sign: bool, significand: u128, exponent: i32) -> Num {
    if significand == 0 {
        return Num::Zero(sign);
    }
    let up = significand.leading_zeros() as i32 - 64;
    let moved = if up >= 0 {
        significand << up
    } else {
        significand >> -up
    };
    Num::Finite(sign, moved as u64, exponent - up)
}

/// Rounds `significand * 2^exponent` to a format: the exponent field and the significand with its
/// leading one.
fn round(significand: u128, exponent: i32, shape: Shape) -> (i32, u64) {
    let up = significand.leading_zeros();
    let (significand, exponent) = (significand << up, exponent - up as i32);
    // Bits to drop: those beyond the precision, or more below the smallest normal number.
    let normal = 128 - shape.bits as i32;
    let drop = normal.max(shape.least - exponent);
    if drop > 128 {
        return (0, 0);
    }
    let (kept, rest, half) = match drop {
        128 => (0, significand, 1 << 127),
        _ => (
            (significand >> drop) as u64,
            significand & ((1 << drop) - 1),
            1u128 << (drop - 1),
        ),
    };
    let away = match rest.cmp(&half) {
        Ordering::Less => false,
        Ordering::Equal => kept & 1 != 0,
        Ordering::Greater => true,
    };
    let (mut kept, mut unit) = (u128::from(kept) + u128::from(away), exponent + drop);
    if kept >> shape.bits != 0 {
        kept >>= 1;
        unit += 1;
    }
    let field = if kept >> (shape.bits - 1) == 0 {
        0
    } else {
        unit - shape.least + 1
    };
    if field >= shape.top {
        return (shape.top, 1 << (shape.bits - 1));
    }
    (field, kept as u64)
}

fn pack(num: Num) -> u128 {
    match num {
        Num::Nan => NAN,
        Num::Inf(sign) => signed(sign, 0x7fff_8000_0000_0000_0000),
        Num::Zero(sign) => signed(sign, 0),
        Num::Finite(sign, significand, exponent) => {
            pack_rounded(sign, u128::from(significand), exponent)
        }
    }
}

fn signed(sign: bool, bits: u128) -> u128 {
    bits | if sign { SIGN } else { 0 }
}

/// `significand * 2^exponent`, rounded; 0 if the significand is.
fn pack_rounded(sign: bool, significand: u128, exponent: i32) -> u128 {
    if significand == 0 {
        return signed(sign, 0);
    }
    let (field, kept) = round(significand, exponent, EXTENDED);
    signed(sign, (field as u128) << 64 | u128::from(kept))
}

/// One of the five operations.
pub(super) fn binary(op: Op, a: u128, b: u128) -> u128 {
    let (x, y) = (unpack(a), unpack(b));
    match op {
        Op::FAdd => sum(x, y),
        Op::FSub => sum(x, negated(y)),
        Op::FMul => product(x, y),
        Op::FDiv => quotient(x, y),
        _ => remainder(x, y),
    }
}

fn negated(num: Num) -> Num {
    match num {
        Num::Nan => Num::Nan,
        Num::Inf(sign) => Num::Inf(!sign),
        Num::Zero(sign) => Num::Zero(!sign),
        Num::Finite(sign, significand, exponent) => Num::Finite(!sign, significand, exponent),
    }
}

fn sum(x: Num, y: Num) -> u128 {
    match (x, y) {
        (Num::Nan, _) | (_, Num::Nan) => NAN,
        (Num::Inf(a), Num::Inf(b)) if a != b => NAN,
        (Num::Inf(_), _) | (_, Num::Zero(_)) if !matches!(x, Num::Zero(_)) => pack(x),
        (_, Num::Inf(_)) => pack(y),
        (Num::Zero(a), Num::Zero(b)) => signed(a && b, 0),
        (Num::Zero(_), _) => pack(y),
        (Num::Finite(a, m, e), Num::Finite(b, n, f)) => {
            let ((a, m, e), (b, n, f)) = if (e, m) >= (f, n) {
                ((a, m, e), (b, n, f))
            } else {
                ((b, n, f), (a, m, e))
            };
            // 62 bits of room below the larger one: what falls out is only "a bit more".
            let (large, small, by) = (u128::from(m) << 62, u128::from(n) << 62, (e - f) as u32);
            let small = match by {
                0..126 => {
                    let moved = small >> by;
                    moved | u128::from(moved << by != small)
                }
                _ => 1,
            };
            if a == b {
                return pack_rounded(a, large + small, e - 62);
            }
            match large - small {
                0 => 0,
                difference => pack_rounded(a, difference, e - 62),
            }
        }
        _ => pack(x),
    }
}

fn product(x: Num, y: Num) -> u128 {
    let sign = is_negative(x) != is_negative(y);
    match (x, y) {
        (Num::Nan, _) | (_, Num::Nan) => NAN,
        (Num::Inf(_), Num::Zero(_)) | (Num::Zero(_), Num::Inf(_)) => NAN,
        (Num::Inf(_), _) | (_, Num::Inf(_)) => pack(Num::Inf(sign)),
        (Num::Finite(_, m, e), Num::Finite(_, n, f)) => {
            pack_rounded(sign, u128::from(m) * u128::from(n), e + f)
        }
        _ => signed(sign, 0),
    }
}

fn quotient(x: Num, y: Num) -> u128 {
    let sign = is_negative(x) != is_negative(y);
    match (x, y) {
        (Num::Nan, _) | (_, Num::Nan) => NAN,
        (Num::Inf(_), Num::Inf(_)) | (Num::Zero(_), Num::Zero(_)) => NAN,
        (Num::Inf(_), _) | (_, Num::Zero(_)) => pack(Num::Inf(sign)),
        (Num::Zero(_), _) | (_, Num::Inf(_)) => signed(sign, 0),
        (Num::Finite(_, m, e), Num::Finite(_, n, f)) => {
            let n = u128::from(n);
            let high = u128::from(m) << 63;
            let (q, r) = (high / n, high % n);
            let (low, rest) = ((r << 32) / n, (r << 32) % n);
            pack_rounded(sign, q << 33 | low << 1 | u128::from(rest != 0), e - f - 96)
        }
    }
}

/// `fmod`: bit by bit, as `fprem` does it.
fn remainder(x: Num, y: Num) -> u128 {
    match (x, y) {
        (Num::Nan | Num::Inf(_), _) | (_, Num::Nan | Num::Zero(_)) => NAN,
        (Num::Zero(_), _) | (_, Num::Inf(_)) => pack(x),
        (Num::Finite(sign, m, e), Num::Finite(_, n, f)) => {
            if e < f {
                // The quotient is below 1, or the significands decide.
                return match (f - e, m >= n) {
                    _ if e + 64 <= f => pack(x),
                    (by, _) => {
                        let (m, n) = (u128::from(m), u128::from(n) << by.min(63));
                        pack_rounded(sign, m % n, e)
                    }
                };
            }
            let (mut rest, n) = (u128::from(m) % u128::from(n), u128::from(n));
            for _ in f..e {
                rest = (rest << 1) % n;
            }
            pack_rounded(sign, rest, f)
        }
    }
}

fn is_negative(num: Num) -> bool {
    match num {
        Num::Nan => false,
        Num::Inf(sign) | Num::Zero(sign) | Num::Finite(sign, ..) => sign,
    }
}

/// Intrinsics of one operand.
pub(super) fn unary(which: Intrinsic, bits: u128) -> u128 {
    use Intrinsic as I;
    let num = unpack(bits);
    match which {
        I::X87Neg => bits ^ SIGN,
        I::X87Abs | I::FAbs => bits & !SIGN,
        I::X87Sqrt | I::Sqrt => square_root(num),
        _ => match num {
            Num::Nan => NAN,
            Num::Finite(sign, m, e) if e < 0 => whole(which, sign, m, e),
            _ => pack(num),
        },
    }
}

/// To a whole number; `exponent` is negative, so there is a fraction to drop.
fn whole(which: Intrinsic, sign: bool, m: u64, exponent: i32) -> u128 {
    use Intrinsic as I;
    let down = exponent.unsigned_abs();
    let (kept, rest, half) = match down {
        0..64 => (m >> down, m & ((1 << down) - 1), 1u64 << (down - 1)),
        64 => (0, m, 1 << 63),
        _ => (0, 1, 2),
    };
    let up = match which {
        I::Floor => sign && rest != 0,
        I::Ceil => !sign && rest != 0,
        I::FTrunc => false,
        I::Round => rest >= half,
        _ => rest > half || rest == half && kept & 1 != 0,
    };
    pack_rounded(sign, u128::from(kept) + u128::from(up), 0)
}

fn square_root(num: Num) -> u128 {
    let Num::Finite(false, m, e) = num else {
        return match num {
            Num::Zero(_) | Num::Inf(false) => pack(num),
            _ => NAN,
        };
    };
    // Make 127 or 128 bits with an even exponent; the root has 64, and the rest rounds it.
    let up = if (e & 1) == 0 { 64 } else { 63 };
    let (n, exponent) = (u128::from(m) << up, e - up);
    let mut root = 0u128;
    for bit in (0..64).rev() {
        let more = root | 1 << bit;
        if more * more <= n {
            root = more;
        }
    }
    let rest = n - root * root;
    let tail = u128::from(rest > root) << 1 | u128::from(rest != 0);
    pack_rounded(false, root << 2 | tail, exponent / 2 - 2)
}

/// `minnum` and `maxnum` as the head of the crate defines them, and `copysign`.
pub(super) fn choose(which: Intrinsic, x: u128, y: u128) -> u128 {
    match which {
        Intrinsic::CopySign => x & !SIGN | y & SIGN,
        _ if unpack(x) == Num::Nan => y,
        Intrinsic::MinNum if outcome(y, x) == 4 => y,
        Intrinsic::MaxNum if outcome(y, x) == 2 => y,
        _ => x,
    }
}

/// A comparison: 1 equal, 2 greater, 4 less, 8 unordered.
pub(super) fn outcome(a: u128, b: u128) -> u8 {
    let key = |num: Num| match num {
        Num::Nan => None,
        Num::Zero(_) => Some((0, 0, 0)),
        Num::Inf(sign) => Some((if sign { -2 } else { 2 }, 0, 0)),
        Num::Finite(true, m, e) => Some((-1, -e, -i128::from(m))),
        Num::Finite(false, m, e) => Some((1, e, i128::from(m))),
    };
    match (key(unpack(a)), key(unpack(b))) {
        (Some(x), Some(y)) => match x.cmp(&y) {
            Ordering::Equal => 1,
            Ordering::Greater => 2,
            Ordering::Less => 4,
        },
        _ => 8,
    }
}

/// Whether a predicate holds.
pub(super) fn compare(pred: FloatPred, a: u128, b: u128) -> bool {
    pred.0 & outcome(a, b) != 0
}

/// The number an integer is, rounded.
pub(super) fn from_int(sign: bool, magnitude: u128) -> u128 {
    pack_rounded(sign, magnitude, 0)
}

/// A double, exactly.
pub(super) fn from_double(number: f64) -> u128 {
    let bits = number.to_bits();
    let (sign, field) = (bits >> 63 != 0, (bits >> 52 & 0x7ff) as i32);
    let fraction = bits & ((1 << 52) - 1);
    pack(match field {
        0x7ff if fraction != 0 => Num::Nan,
        0x7ff => Num::Inf(sign),
        0 => finite(sign, u128::from(fraction), -1074),
        _ => finite(sign, u128::from(fraction | 1 << 52), field - 1075),
    })
}

/// Rounded to a double.
pub(super) fn to_double(bits: u128) -> f64 {
    f64::from_bits(narrow(bits, DOUBLE, 11))
}

/// Rounded to a float.
pub(super) fn to_float(bits: u128) -> f32 {
    f32::from_bits(narrow(bits, FLOAT, 8) as u32)
}

/// Rounded to a half, by its bits.
pub(super) fn to_half(bits: u128) -> u128 {
    u128::from(narrow(bits, HALF, 5))
}

/// To a format with a hidden leading one and so many bits of exponent.
fn narrow(bits: u128, shape: Shape, exponent_bits: u32) -> u64 {
    let place = shape.bits - 1;
    let top = (shape.top as u64) << place;
    let (sign, rest) = match unpack(bits) {
        Num::Nan => (false, top | 1 << (place - 1)),
        Num::Inf(sign) => (sign, top),
        Num::Zero(sign) => (sign, 0),
        Num::Finite(sign, m, e) => {
            let (field, kept) = round(u128::from(m), e, shape);
            (sign, (field as u64) << place | kept & ((1 << place) - 1))
        }
    };
    rest | u64::from(sign) << (place + exponent_bits)
}

/// The number without its fraction, the nearest if it does not fit; `None` for NaN.
pub(super) fn truncated(bits: u128) -> Option<i128> {
    let (sign, magnitude) = match unpack(bits) {
        Num::Nan => return None,
        Num::Zero(_) => (false, 0),
        Num::Inf(sign) => (sign, u128::MAX),
        Num::Finite(sign, _, 64..) => (sign, u128::MAX),
        Num::Finite(sign, m, e @ 0..) => (sign, u128::from(m) << e),
        Num::Finite(sign, m, e) => (sign, u128::from(m) >> (-e).min(127)),
    };
    let magnitude = i128::try_from(magnitude).unwrap_or(i128::MAX);
    Some(match sign {
        true if magnitude == i128::MAX => i128::MIN,
        true => -magnitude,
        false => magnitude,
    })
}

/// The number without its fraction, the nearest if it does not fit; 0 for NaN.
pub(super) fn truncated_unsigned(bits: u128) -> u128 {
    match unpack(bits) {
        Num::Inf(false) | Num::Finite(false, _, 65..) => u128::MAX,
        Num::Finite(false, m, e @ 0..) => u128::from(m) << e,
        Num::Finite(false, m, e) => u128::from(m) >> (-e).min(127),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Doubles whose results in double are exact are the same in both formats.
    #[test]
    fn exact_results_agree_with_double() {
        let numbers = [
            0.0,
            -0.0,
            1.0,
            -1.5,
            3.0,
            0.375,
            1e10,
            -2.0f64.powi(40),
            5e-324,
            1e308,
        ];
        for a in numbers {
            for b in numbers {
                let (x, y) = (from_double(a), from_double(b));
                let ops: [(Op, f64); 3] = [(Op::FAdd, a + b), (Op::FSub, a - b), (Op::FMul, a * b)];
                for (op, expected) in ops {
                    let result = to_double(binary(op, x, y));
                    assert!(
                        result.to_bits() == expected.to_bits(),
                        "{op:?} {a:e} {b:e}: {result:e} instead of {expected:e}"
                    );
                }
                let rem = to_double(binary(Op::FRem, x, y));
                let expected = libm::fmod(a, b);
                assert!(
                    rem.to_bits() == expected.to_bits() || rem.is_nan() && expected.is_nan(),
                    "{a:e} % {b:e}: {rem:e} instead of {expected:e}"
                );
            }
        }
    }

    #[test]
    fn a_third_and_the_root_of_two_have_the_bits_of_the_machine() {
        let number = |n: f64| from_double(n);
        // As an x87 gives them.
        let third = binary(Op::FDiv, number(1.0), number(3.0));
        assert_eq!(third, 0x3ffd_aaaa_aaaa_aaaa_aaab);
        assert_eq!(
            unary(Intrinsic::Sqrt, number(2.0)),
            0x3fff_b504_f333_f9de_6484
        );
    }

    #[test]
    fn whole_numbers_come_out_on_their_side() {
        use Intrinsic as I;
        for (which, x, expected) in [
            (I::Floor, -1.5, -2.0),
            (I::Ceil, -1.5, -1.0),
            (I::FTrunc, -1.5, -1.0),
            (I::Rint, 2.5, 2.0),
            (I::Rint, -0.25, -0.0),
            (I::Round, 2.5, 3.0),
            (I::Round, -0.5, -1.0),
            (I::Floor, 0.75, 0.0),
        ] {
            let result: f64 = to_double(unary(which, from_double(x)));
            assert!(
                result.to_bits() == f64::to_bits(expected),
                "{which:?} {x}: {result}"
            );
        }
        assert_eq!(truncated(from_double(-1.9)), Some(-1));
        assert_eq!(truncated_unsigned(from_double(1e30)), 1e30 as u128);
    }
}
