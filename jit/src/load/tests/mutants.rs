//! Damaged modules: translation ends without a panic, in an error or in a module that the verifier
//! accepts.

use alloc::vec::Vec;
use std::sync::OnceLock;

use super::clang::{EVERYTHING, bitcode};
use crate::load;

fn corpus() -> &'static [Vec<u8>] {
    static CORPUS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    CORPUS.get_or_init(|| {
        let flags: &[&[&str]] = &[&["-O0"], &["-O1", "-g"], &["-O3", "-march=x86-64-v3"]];
        flags
            .iter()
            .filter_map(|flags| bitcode(EVERYTHING, flags))
            .collect()
    })
}

/// Runs `count` mutants of 1 to 3 flipped bits; returns how many were accepted.
fn run(count: u64, seed: u64) -> u64 {
    let mut accepted = 0;
    for round in 0..count {
        let mut state = (seed.wrapping_add(round)).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut random = || {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            state.wrapping_mul(0x2545_F491_4F6C_DD1D)
        };
        let mut file = corpus()[(round % corpus().len() as u64) as usize].clone();
        for _ in 0..1 + random() % 3 {
            let bit = (random() % (file.len() as u64 * 8)) as usize;
            file[bit / 8] ^= 1 << (bit % 8);
        }
        let outcome = std::panic::catch_unwind(|| load::module(&file).is_ok());
        accepted +=
            u64::from(outcome.unwrap_or_else(|_| panic!("mutant {round} of seed {seed} panicked")));
    }
    accepted
}

#[test]
fn damaged_modules_are_refused_or_verified() {
    if corpus().is_empty() {
        return;
    }
    let accepted = run(1_500, 7);
    assert!(accepted > 0 && accepted < 1_500, "{accepted}");
}

#[test]
#[ignore = "long: MUTANTS=1000000 SEED=1 cargo test --release -p jit -- --ignored many_damaged"]
fn many_damaged_modules_are_refused_or_verified() {
    let number = |name: &str, default| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let (count, seed) = (number("MUTANTS", 100_000), number("SEED", 1));
    std::println!("{} of {count} mutants were accepted", run(count, seed));
}
