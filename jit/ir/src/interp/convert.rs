//! Casts of one scalar.
//!
//! Every float of at most 64 bits is exactly a double, so conversions from floats begin there, and
//! conversions to floats round once at their end. What a conversion gives where the result does not
//! fit is the processor's answer, spelled out in the head of the crate.

use super::FaultKind;
use super::float::Format;
use super::int::{cut, signed, signed_range};
use super::value::{mask, width};
use crate::inst::Op;
use crate::types::{TypeId, Types};

/// Any cast but `bitcast`.
pub(super) fn cast(
    op: Op,
    types: &Types,
    from: TypeId,
    to: TypeId,
    bits: u128,
) -> Result<u128, FaultKind> {
    let from_width = width(types, from)?;
    let to_width = width(types, to)?;
    Ok(match op {
        Op::Trunc | Op::ZExt | Op::PtrToInt | Op::IntToPtr => bits & mask(to_width),
        Op::SExt => cut(signed(bits, from_width), to_width),
        Op::FpToSi => to_signed(Format::of(types, from)?.read(bits), to_width),
        Op::FpToUi => to_unsigned(Format::of(types, from)?.read(bits), to_width),
        Op::SiToFp => from_int(signed(bits, from_width), Format::of(types, to)?),
        Op::UiToFp => from_uint(bits, Format::of(types, to)?),
        _ => Format::of(types, to)?.write(Format::of(types, from)?.read(bits)),
    })
}

/// `cvttsd2si` of a register of `width` bits: truncation, or the lowest number.
fn cvtt(number: f64, width: u32) -> i128 {
    let (low, high) = signed_range(width);
    // `as` saturates far outside of the range, so the comparison is safe.
    let truncated = number as i128;
    if number.is_nan() || truncated < low || truncated > high {
        low
    } else {
        truncated
    }
}

/// Narrow results come from the 32-bit form of the instruction, as compilers do it: an i8 is the
/// low byte of the i32, not saturated.
fn to_signed(number: f64, width: u32) -> u128 {
    let result = match width {
        ..=32 => cvtt(number, 32),
        33..=64 => cvtt(number, 64),
        _ => return saturate_signed(number, width),
    };
    cut(result, width)
}

/// Below 64 bits the next wider signed conversion holds every result that is in range. For 64 the
/// processor has none, and two signed ones are combined: where the first overflows, its sign bit
/// selects the second, of the number less 2^63.
fn to_unsigned(number: f64, width: u32) -> u128 {
    const TWO_63: f64 = 9_223_372_036_854_775_808.0;
    let result = match width {
        ..=31 => cvtt(number, 32),
        32..=63 => cvtt(number, 64),
        64 => {
            let low = cvtt(number, 64);
            let high = cvtt(number - TWO_63, 64);
            low | (high & (low >> 63))
        }
        _ => return saturate_unsigned(number, width),
    };
    cut(result, width)
}

/// The nearest number of `width` bits; 0 for NaN.
pub(super) fn saturate_signed(number: f64, width: u32) -> u128 {
    let (low, high) = signed_range(width);
    cut((number as i128).clamp(low, high), width)
}

/// The nearest number of `width` bits; 0 for NaN.
pub(super) fn saturate_unsigned(number: f64, width: u32) -> u128 {
    (number as u128).min(mask(width))
}

/// Rounded once: Rust's `as` rounds to nearest even from any integer.
fn from_int(number: i128, format: Format) -> u128 {
    match format {
        Format::Float => u128::from((number as f32).to_bits()),
        // What double cannot hold exactly is infinite as a half.
        _ => format.write(number as f64),
    }
}

/// As `from_int`.
fn from_uint(number: u128, format: Format) -> u128 {
    match format {
        Format::Float => u128::from((number as f32).to_bits()),
        _ => format.write(number as f64),
    }
}
