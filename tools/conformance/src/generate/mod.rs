//! Our own generator: programs of what csmith never makes.
//!
//! A program is a list of independent *pieces*, each a function that computes something and mixes it into a
//! checksum, which `main` prints after each piece: a mismatch names its piece, and a reduction drops whole
//! pieces first. All inputs come from a generator with a volatile seed, so no compiler can compute a
//! result beforehand.
//!
//! # Defined behaviour
//!
//! Every piece has one result in C as clang compiles it: arithmetic is unsigned where it may wrap, shift amounts
//! are reduced, divisors are odd or forced to be, conversions from float are guarded, NaNs are mixed as one
//! value, padding is never read. A piece that breaks this rule shows as a difference between two judges.

mod calls;
mod control;
mod floats;
mod integers;
mod memory;
mod vectors;

use std::fmt::Write as _;

/// Pieces of a program, at most.
const MOST_PIECES: u64 = 7;

/// What every program starts with.
const PROLOGUE: &str = include_str!("../../guest/prologue.c");

/// splitmix64: a seed stands for one program for ever.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The numbers of `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// A number in `low..=high`.
    pub(crate) fn range(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True once in `times`.
    pub(crate) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of them.
    pub(crate) fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u64) as usize]
    }
}

/// A piece: writes declarations and a function `void piece_N(void)`.
type Piece = fn(&mut Random, usize) -> String;

const PIECES: &[Piece] = &[
    vectors::arithmetic,
    vectors::conversions,
    vectors::shuffles,
    vectors::passed,
    vectors::loops,
    integers::bit_int,
    integers::bit_fields,
    integers::wide,
    integers::built_ins,
    integers::narrow,
    calls::variadic,
    calls::by_value,
    calls::old_style,
    calls::pointers,
    calls::recursion,
    control::wide_switch,
    control::computed_goto,
    control::dynamic_stack,
    control::jumps,
    memory::atomics,
    memory::unaligned,
    memory::copies,
    memory::volatiles,
    floats::arithmetic,
    floats::conversions,
    floats::extended,
];

/// The program of `seed`: its C source.
#[must_use]
pub(crate) fn program(seed: u64) -> String {
    let mut random = Random::new(seed);
    let count = random.range(3, MOST_PIECES) as usize;
    let mut text = String::from(PROLOGUE);
    for number in 0..count {
        let piece = random.pick(PIECES);
        text.push_str(&piece(&mut random, number));
        text.push('\n');
    }
    text.push_str("int main(void) {\n");
    for number in 0..count {
        let _ = writeln!(text, "    run({number}, piece_{number});");
    }
    text.push_str("    return (int)(checksum & 63);\n}\n");
    text
}

/// An expression of unsigned integers of `ty`, `bits` wide, over `leaves`. `signed` is the signed type of that
/// width, in which some operations are done.
fn expression(
    random: &mut Random,
    (ty, signed, bits): (&str, &str, u64),
    leaves: &[String],
    depth: u32,
) -> String {
    if depth == 0 || random.one_in(8) {
        if random.one_in(4) {
            return format!("({ty}){}ull", constant(random));
        }
        return leaves[random.below(leaves.len() as u64) as usize].clone();
    }
    let shape = (ty, signed, bits);
    let a = expression(random, shape, leaves, depth - 1);
    let b = expression(random, shape, leaves, depth - 1);
    match random.below(19) {
        0 | 1 => format!("({ty})({a} + {b})"),
        2 | 3 => format!("({ty})({a} - {b})"),
        4 | 5 => format!("({ty})(({ty})1 * {a} * {b})"),
        6 => format!("({ty})({a} & {b})"),
        7 => format!("({ty})({a} | {b})"),
        8 => format!("({ty})({a} ^ {b})"),
        9 => format!("({ty})({a} << (int)({b} % {bits}))"),
        10 => format!("({ty})({a} >> (int)({b} % {bits}))"),
        11 => format!("({ty})(({signed}){a} >> (int)({b} % {bits}))"),
        12 => format!("({ty})({a} / ({ty})({b} | 1))"),
        13 => format!("({ty})({a} % ({ty})({b} | 1))"),
        // The dividend is not the least number, so the quotient fits.
        14 => format!("({ty})((({signed}){a} >> 1) / ({signed})({b} | 1))"),
        15 => format!("({ty})((({signed}){a} >> 1) % ({signed})({b} | 1))"),
        16 => {
            let op = random.pick(&["<", "<=", ">", ">=", "==", "!="]);
            let cast = random.pick(&[ty, signed]);
            format!("({ty})(({cast}){a} {op} ({cast}){b} ? {a} : {b})")
        }
        17 => format!("({ty})~{a}"),
        _ => format!("({ty})(0 - {a})"),
    }
}

/// A constant with an interesting shape.
fn constant(random: &mut Random) -> u64 {
    match random.below(6) {
        0 => random.below(4),
        1 => u64::MAX - random.below(3),
        2 => 1 << random.below(64),
        3 => (1u64 << random.range(1, 63)) - 1,
        4 => random.below(1000),
        _ => random.next(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_stands_for_one_program() {
        assert_eq!(program(7), program(7));
        assert_ne!(program(7), program(8));
    }

    #[test]
    fn every_piece_is_made_by_some_seed_and_defines_its_function() {
        for piece in PIECES {
            let text = piece(&mut Random::new(1), 3);
            assert!(text.contains("void piece_3(void)"), "{text}");
        }
    }
}
