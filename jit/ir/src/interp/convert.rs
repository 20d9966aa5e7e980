//! Casts of one scalar.
//!
//! Every float of at most 64 bits is exactly a double, so conversions from floats begin there, and
//! conversions to floats round once at their end; `x86_fp80` has its own arithmetic. What a conversion gives where the result does not
//! fit is the processor's answer, spelled out in the head of the crate.

use super::float::Format;
use super::int::{cut, signed, signed_range};
use super::value::{mask, width};
use super::{FaultKind, extended};
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
        Op::FpToSi => to_signed(Format::of(types, from)?.truncated(bits), to_width),
        Op::FpToUi => {
            let format = Format::of(types, from)?;
            match to_width {
                ..=64 => to_unsigned(format.truncated(bits), to_width),
                _ => saturate_unsigned(format.truncated_unsigned(bits), to_width),
            }
        }
        Op::SiToFp => {
            let number = signed(bits, from_width);
            Format::of(types, to)?.write_int(number < 0, number.unsigned_abs())
        }
        Op::UiToFp => Format::of(types, to)?.write_int(false, bits),
        _ => between(Format::of(types, from)?, Format::of(types, to)?, bits),
    })
}

/// From one format to another, rounded once.
fn between(from: Format, to: Format, bits: u128) -> u128 {
    match (from, to) {
        (Format::Extended, Format::Half) => extended::to_half(bits),
        (Format::Extended, Format::Float) => u128::from(extended::to_float(bits).to_bits()),
        _ => to.write(from.read(bits)),
    }
}

/// `cvttsd2si` of a register of `width` bits: truncation, or the lowest number.
fn cvtt(number: Option<i128>, width: u32) -> i128 {
    let (low, high) = signed_range(width);
    let fits = |number: &i128| (low..=high).contains(number);
    number.filter(fits).unwrap_or(low)
}

/// Narrow results come from the 32-bit form of the instruction, as compilers do it: an i8 is the
/// low byte of the i32, not saturated.
fn to_signed(number: Option<i128>, width: u32) -> u128 {
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
fn to_unsigned(number: Option<i128>, width: u32) -> u128 {
    let result = match width {
        ..=31 => cvtt(number, 32),
        32..=63 => cvtt(number, 64),
        _ => {
            let low = cvtt(number, 64);
            let high = cvtt(number.map(|number| number.saturating_sub(1 << 63)), 64);
            low | (high & (low >> 63))
        }
    };
    cut(result, width)
}

/// The nearest number of `width` bits; 0 for NaN.
pub(super) fn saturate_signed(number: Option<i128>, width: u32) -> u128 {
    let (low, high) = signed_range(width);
    cut(number.unwrap_or(0).clamp(low, high), width)
}

/// The nearest number of `width` bits.
pub(super) fn saturate_unsigned(number: u128, width: u32) -> u128 {
    number.min(mask(width))
}
