//! Random programs: valid by construction, always ending, the same for the same seed.
//!
//! A program is written as text and parsed, so a failing seed can be read, cut down by hand and kept
//! as a file test. It is judged by one number: `@entry` calls every function and then hashes the
//! memory they share, so that whatever a compiler gets wrong shows in its result.
//!
//! # Why every program is valid and ends
//!
//! * Values live in scopes that open and close with the branches of structured code, so an operand
//!   always dominates its use.
//! * Loops count to less than 8, nest at most three deep, and call only what calls nothing. Functions
//!   call earlier ones only, at most twice each, or themselves with a smaller number below 8.
//! * Memory is reached through 64-byte windows with masked indices. All memory is initialised.
//! * A pointer that outlives a call leads to a global; `noalias` parameters get different objects,
//!   and functions that have them touch no global that is written.
//! * Promises (`nsw` and the like) are made where masks make them true.
//! * Divisors are made positive, unless [`Config::faults`] lets some programs fault.
//! * What the semantics leave open is kept from the result: NaNs become 0 before they are stored,
//!   reinterpreted, or returned; addresses never become numbers.

mod calls;
mod code;
mod exotic;
pub mod flow;
mod memory;
mod source;
mod walk;

use crate::module::Module;
use crate::text;
use alloc::string::String;

/// Calls in one function.
const MAX_CALLS: u32 = 2;

/// What programs consist of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Functions beside `@entry`.
    pub funcs: u32,
    /// About as many statements in each.
    pub statements: u32,
    /// Widths other than 1, 8, 16, 32 and 64, up to 63.
    pub odd_widths: bool,
    /// i128.
    pub wide: bool,
    /// Float and double.
    pub floats: bool,
    /// Vectors.
    pub vectors: bool,
    /// Loads, stores, memory intrinsics.
    pub memory: bool,
    /// Atomic operations.
    pub atomics: bool,
    /// Loops, irreducible ones among them.
    pub loops: bool,
    /// Direct and indirect calls.
    pub calls: bool,
    /// Variadic functions.
    pub varargs: bool,
    /// Dynamic allocas.
    pub dynamic: bool,
    /// Divisions that may fault.
    pub faults: bool,
    /// With `vectors`, `wide` and `floats`: types and operations that no machine has.
    pub exotic: bool,
}

impl Default for Config {
    /// Everything but faults, i128 and what is exotic.
    fn default() -> Self {
        Self {
            funcs: 4,
            statements: 30,
            odd_widths: true,
            wide: false,
            floats: true,
            vectors: true,
            memory: true,
            atomics: true,
            loops: true,
            calls: true,
            varargs: true,
            dynamic: true,
            faults: false,
            exotic: false,
        }
    }
}

impl Config {
    /// Integers of 1 to 64 bits, control flow, memory and direct calls: what a first compiler does.
    #[must_use]
    pub fn integers() -> Self {
        Self {
            odd_widths: false,
            floats: false,
            vectors: false,
            atomics: false,
            varargs: false,
            dynamic: false,
            ..Self::default()
        }
    }
}

/// The text of program `seed`. Its entry is `i64 @entry(i32, i64)`.
#[must_use]
pub fn source(seed: u64, config: &Config) -> String {
    source::Program::new(seed, *config).write()
}

/// Program `seed`, which is valid.
///
/// # Panics
/// Never: that the text parses is tested.
#[must_use]
pub fn module(seed: u64, config: &Config) -> Module {
    text::parse(&source(seed, config)).expect("generated text parses")
}

/// A sequence of numbers that look random (splitmix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ x >> 31
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        (((self.bits() >> 32) * u64::from(bound)) >> 32) as u32
    }

    /// Whether something that happens once in `n` times happens.
    pub fn once_in(&mut self, n: u32) -> bool {
        self.below(n) == 0
    }

    /// One of the things.
    pub fn pick<T: Copy>(&mut self, things: &[T]) -> T {
        things[self.below(things.len() as u32) as usize]
    }
}

#[cfg(test)]
mod tests;
