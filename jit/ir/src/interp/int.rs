//! Integer arithmetic on one scalar of up to 128 bits.
//!
//! Operands come zero-extended. Unsigned operations work on them as they are, signed ones on their
//! sign extension; either way the exact result, or its low 128 bits, is cut to the width at the end.
//! Up to 64 bits no intermediate result can overflow; at 128 the wrapping operations cut by
//! themselves.

use super::FaultKind;
use super::value::mask;
use crate::inst::{IntPred, Op};

/// The number that `width` bits of two's complement mean.
pub(super) fn signed(bits: u128, width: u32) -> i128 {
    let unused = 128 - width.clamp(1, 128);
    (bits << unused).cast_signed() >> unused
}

/// The bits of a number, cut to `width`.
pub(super) fn cut(number: i128, width: u32) -> u128 {
    number.cast_unsigned() & mask(width)
}

/// The smallest and largest number of `width` bits.
pub(super) fn signed_range(width: u32) -> (i128, i128) {
    let largest = signed(mask(width.clamp(1, 128) - 1), 128);
    (-largest - 1, largest)
}

/// One of the thirteen operations.
pub(super) fn binary(op: Op, width: u32, a: u128, b: u128) -> Result<u128, FaultKind> {
    // Shift amounts are modulo the width.
    let amount = (b % u128::from(width.max(1))) as u32;
    let result = match op {
        Op::Add => a.wrapping_add(b),
        Op::Sub => a.wrapping_sub(b),
        Op::Mul => a.wrapping_mul(b),
        Op::UDiv => a.checked_div(b).ok_or(FaultKind::DivideByZero)?,
        Op::URem => a.checked_rem(b).ok_or(FaultKind::DivideByZero)?,
        Op::SDiv => {
            let (a, b) = divisible(width, a, b)?;
            a.wrapping_div(b).cast_unsigned()
        }
        Op::SRem => {
            let (a, b) = divisible(width, a, b)?;
            a.wrapping_rem(b).cast_unsigned()
        }
        Op::Shl => a << amount,
        Op::LShr => a >> amount,
        Op::AShr => (signed(a, width) >> amount).cast_unsigned(),
        Op::And => a & b,
        Op::Or => a | b,
        _ => a ^ b,
    };
    Ok(result & mask(width))
}

/// The numbers to divide, unless `idiv` would raise an exception. Narrow widths are divided in 32
/// bits and odd ones in 32 or 64, where their quotient always fits.
fn divisible(width: u32, a: u128, b: u128) -> Result<(i128, i128), FaultKind> {
    let (a, b) = (signed(a, width), signed(b, width));
    if b == 0 {
        return Err(FaultKind::DivideByZero);
    }
    if matches!(width, 32 | 64) && b == -1 && a == signed_range(width).0 {
        return Err(FaultKind::Overflow);
    }
    Ok((a, b))
}

/// An integer comparison.
pub(super) fn compare(pred: IntPred, width: u32, a: u128, b: u128) -> bool {
    let (sa, sb) = (signed(a, width), signed(b, width));
    match pred {
        IntPred::Eq => a == b,
        IntPred::Ne => a != b,
        IntPred::Ugt => a > b,
        IntPred::Uge => a >= b,
        IntPred::Ult => a < b,
        IntPred::Ule => a <= b,
        IntPred::Sgt => sa > sb,
        IntPred::Sge => sa >= sb,
        IntPred::Slt => sa < sb,
        IntPred::Sle => sa <= sb,
    }
}
