//! The fuzz harness with a fixed seed, for about a second: no mutant makes loading panic.
//!
//! `make fuzz` runs the same harness with coverage and for as long as one likes.

use conformance::fuzz::{Mutator, Reached, SMALL_MODULE, load_path};
use jit::tier::Tier;
use std::panic;

const MUTANTS: u64 = 250;
const SEED: u64 = 3;

fn mutant(number: u64) -> Vec<u8> {
    let mut file = SMALL_MODULE.to_vec();
    Mutator::new(SEED + number).mutate(&mut file);
    file
}

#[test]
fn the_module_that_mutants_are_made_of_loads_and_compiles() {
    let reached = load_path(SMALL_MODULE, &[Tier::Baseline]);
    assert!(
        matches!(reached, Reached::Compiled { done: 10.., .. }),
        "{reached:?}"
    );
}

#[test]
fn mutants_are_refused_or_compiled_and_never_panic() {
    let mut loaded = 0;
    for number in 0..MUTANTS {
        let file = mutant(number);
        let reached = panic::catch_unwind(|| load_path(&file, &[Tier::Baseline, Tier::O2]));
        let reached = reached.unwrap_or_else(|_| panic!("mutant {number} of seed {SEED} panicked"));
        loaded += u64::from(reached != Reached::Refused);
    }
    assert!(
        loaded > MUTANTS / 20 && loaded < MUTANTS,
        "{loaded} of {MUTANTS} were taken"
    );
}
