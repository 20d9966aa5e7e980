//! Changes to a module file: to what its records say, and plain damage.

use super::fields::{self, Field};

/// Makes mutants of one file after the other; the same ones for the same seed.
#[derive(Clone, Debug)]
pub struct Mutator(u64);

impl Mutator {
    /// The mutants of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// xorshift64*.
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    /// Changes `file` in one to four places.
    pub fn mutate(&mut self, file: &mut Vec<u8>) {
        if file.len() < 8 {
            return;
        }
        // A header in front is damaged like any other bytes; the fields are those of the bitcode.
        let start = match abi::Container::parse(file) {
            Ok(container) => file.len() - container.bitcode.len().min(file.len()),
            Err(_) => 0,
        };
        if self.below(4) == 0 {
            return self.damage(file);
        }
        let found = fields::find(&file[start..]);
        if found.is_empty() {
            return self.damage(file);
        }
        for _ in 0..1 + self.below(4) {
            self.say_otherwise(&mut file[start..], &found);
        }
    }

    /// Gives a field another value.
    fn say_otherwise(&mut self, file: &mut [u8], found: &[Field]) {
        let field = found[self.below(found.len())];
        let old = fields::get(file, field);
        let value = match self.below(9) {
            0 => 0,
            1 => old.wrapping_add(1),
            2 => old.wrapping_sub(1),
            3 => old ^ 1 << self.below(8),
            4 => u64::MAX,
            5 => self.below(64) as u64,
            6 => self.next(),
            // What another field says: a type where a value was, the operand of a neighbour.
            7 => fields::get(file, found[self.below(found.len())]),
            _ => {
                let near = (field.bit / 64).min(found.len() - 1);
                fields::get(file, found[near])
            }
        };
        fields::set(file, field, value);
    }

    /// Flips bits, cuts, moves pieces, plants words.
    fn damage(&mut self, file: &mut Vec<u8>) {
        match self.below(6) {
            0 => {
                let end = self.below(file.len()) & !3;
                file.truncate(end);
            }
            1 => {
                let (from, to) = (self.below(file.len()), self.below(file.len()));
                let len = self.below(64).min(file.len() - from.max(to));
                file.copy_within(from..from + len, to);
            }
            2 => {
                let at = self.below(file.len() / 4) * 4;
                let word = [0u32, 1, u32::MAX, 1 << 31][self.below(4)];
                file[at..at + 4].copy_from_slice(&word.to_le_bytes());
            }
            _ => {
                for _ in 0..1 + self.below(3) {
                    let bit = self.below(file.len() * 8);
                    file[bit / 8] ^= 1 << (bit % 8);
                }
            }
        }
    }
}
