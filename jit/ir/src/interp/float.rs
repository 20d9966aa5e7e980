//! Float arithmetic on one scalar, by bits.
//!
//! `half` is computed in double and rounded once: for `+ - * /` and the square root that is the
//! correctly rounded result, as 53 >= 2 * 11 + 2.

use super::{FaultKind, extended};
use crate::inst::{FloatPred, Op};
use crate::types::{Type, TypeId, Types};

/// A format that the interpreter computes in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Format {
    /// binary16.
    Half,
    /// binary32.
    Float,
    /// binary64.
    Double,
    /// x87's, computed in [`extended`]: numbers of it are not doubles.
    Extended,
}

impl Format {
    /// The format of a scalar type.
    pub(super) fn of(types: &Types, ty: TypeId) -> Result<Self, FaultKind> {
        match types.get(ty) {
            Type::Half => Ok(Self::Half),
            Type::Float => Ok(Self::Float),
            Type::Double => Ok(Self::Double),
            Type::X86Fp80 => Ok(Self::Extended),
            _ => Err(FaultKind::Unsupported("arithmetic on what is no float")),
        }
    }

    /// Position of the sign.
    pub(super) fn sign(self) -> u128 {
        match self {
            Self::Half => 1 << 15,
            Self::Float => 1 << 31,
            Self::Double => 1 << 63,
            Self::Extended => extended::SIGN,
        }
    }

    /// The number, exactly; rounded for [`Format::Extended`].
    pub(super) fn read(self, bits: u128) -> f64 {
        match self {
            Self::Half => half_to_double(bits as u16),
            Self::Float => f64::from(f32::from_bits(bits as u32)),
            Self::Double => f64::from_bits(bits as u64),
            Self::Extended => extended::to_double(bits),
        }
    }

    /// The number rounded to nearest even.
    pub(super) fn write(self, number: f64) -> u128 {
        match self {
            Self::Half => u128::from(double_to_half(number)),
            Self::Float => u128::from((number as f32).to_bits()),
            Self::Double => u128::from(number.to_bits()),
            Self::Extended => extended::from_double(number),
        }
    }

    /// The number without its fraction, or the nearest of 128 bits; `None` for NaN.
    pub(super) fn truncated(self, bits: u128) -> Option<i128> {
        if self == Self::Extended {
            return extended::truncated(bits);
        }
        let number = self.read(bits);
        (!number.is_nan()).then_some(number as i128)
    }

    /// The number without its fraction, or the nearest of 128 bits without sign; 0 for NaN.
    pub(super) fn truncated_unsigned(self, bits: u128) -> u128 {
        if self == Self::Extended {
            return extended::truncated_unsigned(bits);
        }
        self.read(bits) as u128
    }

    /// The nearest number to an integer, given by sign and magnitude.
    pub(super) fn write_int(self, negative: bool, magnitude: u128) -> u128 {
        let sign = if negative { self.sign() } else { 0 };
        let bits = match self {
            Self::Extended => return extended::from_int(negative, magnitude),
            Self::Float => u128::from((magnitude as f32).to_bits()),
            // What double cannot hold exactly is infinite as a half.
            _ => self.write(magnitude as f64),
        };
        sign | bits
    }
}

/// One of the five operations.
pub(super) fn binary(op: Op, format: Format, a: u128, b: u128) -> u128 {
    if format == Format::Extended {
        return extended::binary(op, a, b);
    }
    if format == Format::Float && op != Op::FRem {
        let (a, b) = (f32::from_bits(a as u32), f32::from_bits(b as u32));
        let result = match op {
            Op::FAdd => a + b,
            Op::FSub => a - b,
            Op::FMul => a * b,
            _ => a / b,
        };
        return u128::from(result.to_bits());
    }
    let (a, b) = (format.read(a), format.read(b));
    format.write(match op {
        Op::FAdd => a + b,
        Op::FSub => a - b,
        Op::FMul => a * b,
        Op::FDiv => a / b,
        // The remainder of two floats is a float, so it may be taken in double.
        _ => libm::fmod(a, b),
    })
}

/// `a * b + c`, rounded once if `fused`.
pub(super) fn mul_add(format: Format, [a, b, c]: [u128; 3], fused: bool) -> u128 {
    if !fused {
        let product = binary(Op::FMul, format, a, b);
        return binary(Op::FAdd, format, product, c);
    }
    match format {
        Format::Float => {
            let [a, b, c] = [a, b, c].map(|bits| f32::from_bits(bits as u32));
            u128::from(libm::fmaf(a, b, c).to_bits())
        }
        _ => format.write(libm::fma(format.read(a), format.read(b), format.read(c))),
    }
}

/// A float comparison: the predicate names the outcomes for which it holds.
pub(super) fn compare(pred: FloatPred, format: Format, a: u128, b: u128) -> bool {
    if format == Format::Extended {
        return extended::compare(pred, a, b);
    }
    let (a, b) = (format.read(a), format.read(b));
    let outcome = if a == b {
        1
    } else if a > b {
        2
    } else if a < b {
        4
    } else {
        8
    };
    pred.0 & outcome != 0
}

/// Exact: every half is a whole number of units of 2^-24 or more.
fn half_to_double(bits: u16) -> f64 {
    let exponent = i32::from(bits >> 10 & 31);
    let fraction = f64::from(bits & 0x3FF);
    let magnitude = match exponent {
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        0 => libm::scalbn(fraction, -24),
        _ => libm::scalbn(fraction + 1024.0, exponent - 25),
    };
    if bits >> 15 != 0 {
        -magnitude
    } else {
        magnitude
    }
}

/// To nearest even, in three steps: too large is infinite; else count units in the last place,
/// rounded by `rint`; then put exponent and units together so that a carry does the right thing.
fn double_to_half(number: f64) -> u16 {
    let sign = if number.is_sign_negative() { 0x8000 } else { 0 };
    let magnitude = libm::fabs(number);
    if number.is_nan() {
        return sign | 0x7E00;
    }
    // Half-way between the largest half and the next power of two.
    if magnitude >= 65520.0 {
        return sign | 0x7C00;
    }
    // A unit in the last place, then a whole number of units, exactly.
    let exponent = libm::ilogb(magnitude.max(f64::MIN_POSITIVE)).max(-14);
    let units = libm::rint(libm::scalbn(magnitude, 10 - exponent)) as u16;
    // A carry out of the fraction lands in the exponent, where it belongs.
    let biased = ((exponent + 14) as u16) << 10;
    sign | (biased + units)
}
