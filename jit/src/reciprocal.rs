//! Multipliers in place of divisors: `x / d` for a constant `d` as a product and shifts.
//!
//! For `x` of `w` bits, `m = ceil(2^(w+s) / d)` gives `x / d = x * m >> w + s` for every `x` if
//! `m * d - 2^(w+s) <= 2^s`: the error of the product then stays below `2^(w+s) / d`, the distance to the
//! next multiple. With `s = ceil(log2 d)` that always holds, but `m` may have `w + 1` bits. Granlund and
//! Montgomery, "Division by Invariant Integers using Multiplication" (PLDI 1994), sections 4 and 5.

/// How to divide unsigned numbers of some width.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Unsigned {
    /// The multiplier without bit `w`, the width.
    pub(crate) multiplier: u64,
    /// Bits to shift right by after taking the high half `h = x * multiplier >> w`.
    pub(crate) shift: u32,
    /// Whether the multiplier has bit `w`, too. The quotient is then
    /// `((x - h >> 1) + h) >> shift`, since `x + h` could overflow and half of it cannot.
    pub(crate) is_long: bool,
}

/// For numbers of `width` bits by `d`, which is no power of two and has at most `width` bits.
pub(crate) fn unsigned(d: u64, width: u32) -> Unsigned {
    let bits = 64 - d.leading_zeros();
    for shift in 0..bits {
        let power = 1u128 << (width + shift);
        let multiplier = power.div_ceil(d.into());
        let error = multiplier * u128::from(d) - power;
        if multiplier >> width == 0 && error <= 1 << shift {
            return Unsigned {
                multiplier: multiplier as u64,
                shift,
                is_long: false,
            };
        }
    }
    // d divides no power of two, so that 2^k and 2^k - 1 have the same quotient.
    let multiplier = (u128::MAX >> (128 - width - bits)) / u128::from(d) + 1;
    Unsigned {
        multiplier: (multiplier - (1u128 << width)) as u64,
        shift: bits - 1,
        is_long: true,
    }
}

/// How to divide signed numbers of some width.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Signed {
    /// The multiplier, at most `2^w`.
    pub(crate) multiplier: u64,
    /// `x * multiplier >> shift` is the quotient, one too low for a negative `x`.
    pub(crate) shift: u32,
}

/// For numbers of `width` bits, at most 32, by `magnitude`, which is no power of two and below `2^(width - 1)`.
pub(crate) fn signed(magnitude: u64, width: u32) -> Signed {
    let shift = width - 1 + 64 - magnitude.leading_zeros();
    Signed {
        multiplier: (1u64 << shift) / magnitude + 1,
        shift,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_quotient_of_8_bits_is_exact() {
        for d in (3..256u64).filter(|d| !d.is_power_of_two()) {
            let by = unsigned(d, 8);
            for x in 0..256 {
                let high = (x * by.multiplier) >> 8;
                let sum = if by.is_long {
                    ((x - high) >> 1) + high
                } else {
                    high
                };
                assert_eq!(sum >> by.shift, x / d, "{x} / {d}");
            }
        }
        for d in (3..128).filter(|d: &i64| d.count_ones() > 1) {
            let by = signed(d as u64, 8);
            for x in -128..128 {
                let floor = (x * by.multiplier as i64) >> by.shift;
                assert_eq!(floor + i64::from(x < 0), x / d, "{x} / {d}");
            }
        }
    }
}
