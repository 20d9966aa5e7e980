//! Damaged modules: whatever is done to a file, reading it ends, quickly and without a panic.

use alloc::vec::Vec;
use core::time::Duration;
use std::time::Instant;

use super::read_all;
use crate::testing::corpus;
use crate::{Metadata, Module};

/// xorshift64*: the seed is printed on failure.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

/// Flips bits, cuts, doubles or moves pieces.
fn damage(file: &mut Vec<u8>, random: &mut Random) {
    match random.below(8) {
        0 => file.truncate(random.below(file.len()) & !3),
        1 => {
            let (from, to) = (random.below(file.len()), random.below(file.len()));
            let len = random.below(64).min(file.len() - from.max(to));
            file.copy_within(from..from + len, to);
        }
        2 => {
            let at = random.below(file.len() / 4) * 4;
            file.splice(at..at, [0xFF; 4]);
        }
        3 => {
            let at = random.below(file.len() - 4) & !3;
            let word = [0u32, 1, u32::MAX, 1 << 31][random.below(4)];
            file[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
        _ => {
            for _ in 0..1 + random.below(3) {
                let bit = random.below(file.len() * 8);
                file[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }
}

fn read_everything(file: &[u8]) -> bool {
    if let Ok(module) = Module::parse(file)
        && let Ok(mut info) = Metadata::read(&module)
    {
        for function in 0..module.functions().len() as u32 {
            // Errors are as good as results here.
            let _ = info.read_function(&module, function);
        }
    }
    read_all(file, |_, _| {}).is_ok()
}

/// Runs `count` mutants; returns how many were read to the end, and the slowest.
fn run(count: u64, seed: u64) -> (u64, Duration) {
    let (mut read, mut slowest) = (0, Duration::ZERO);
    for round in 0..count {
        let (_, original) = &corpus()[(round % corpus().len() as u64) as usize];
        let mut random = Random(seed.wrapping_add(round).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let mut file = original.clone();
        damage(&mut file, &mut random);
        let start = Instant::now();
        let outcome = std::panic::catch_unwind(|| read_everything(&file));
        slowest = slowest.max(start.elapsed());
        read += u64::from(
            outcome.unwrap_or_else(|_| panic!("mutant {round} of seed {seed:#x} panicked")),
        );
    }
    (read, slowest)
}

#[test]
fn damaged_modules_neither_panic_nor_hang() {
    if corpus().is_empty() {
        return;
    }
    let (read, _) = run(4_000, 0xBA5E);
    assert!(
        read > 0 && read < 4_000,
        "some damage is harmless, most is not: {read}"
    );
}

#[test]
#[ignore = "long: MUTANTS=1000000 SEED=1 cargo test --release -p bitcode -- --ignored many_damaged"]
fn many_damaged_modules_neither_panic_nor_hang() {
    let number = |name: &str, default| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let (count, seed) = (number("MUTANTS", 200_000), number("SEED", 1));
    let (read, slowest) = run(count, seed);
    println!("{read} of {count} mutants read to the end, slowest {slowest:?}");
}
