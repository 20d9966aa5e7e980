//! The fuzz harness with a fixed seed, for about a second: no mutant makes loading, linking, legalising, compiling or
//! resolving paths panic, hang, or hold more memory than it may.
//!
//! `make fuzz` runs the same harness with coverage and for as long as one likes.

#![expect(
    clippy::unwrap_used,
    reason = "a test: a failed expectation is a failed test"
)]

use conformance::fuzz::parcel::{self, Item, Kind};
use conformance::fuzz::{Meter, Mutator, Reached, SMALL_MODULE, load_path, measured, most_memory};
use core::time::Duration;
use jit::tier::Tier;
use std::sync::mpsc;
use std::{fs, panic, process, thread};

#[global_allocator]
static METER: Meter = Meter;

/// A program of two modules and an archive, made of `seeds/*.c` by clang 19.
const LINKED: &[u8] = include_bytes!("seeds/linked.parcel");
/// A module of rustc, which writes LLVM 22, made of `jit/src/load/tests/program.rs`.
const RUST: &[u8] = include_bytes!("seeds/rust.bc");
const SEED: u64 = 3;
/// After which a mutant is a hang. They take milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);

fn paths() -> Vec<u8> {
    let item = |kind, bytes| Item { kind, bytes };
    let items = [
        item(Kind::Grants, &b"/srv/in:d\n/srv/out:e"[..]),
        item(Kind::Grants, b"/srv/data"),
        item(Kind::Path, b"d/../e/./b"),
        item(Kind::Path, b"/a//b/.."),
    ];
    parcel::close(items)
}

/// How far an input comes, in bounded time and memory; `what` names it if that fails.
fn reached(input: Vec<u8>, what: &str) -> Reached {
    let (done, is_done) = mpsc::channel();
    let bound = most_memory(input.len());
    let work = thread::spawn(move || {
        let tiers = &[Tier::Baseline, Tier::O2];
        let result = panic::catch_unwind(|| measured(bound, || load_path(&input, tiers)));
        let _ = done.send(());
        result
    });
    if is_done.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
        eprintln!("{what} hangs");
        process::abort();
    }
    let (reached, peak) = work
        .join()
        .unwrap()
        .unwrap_or_else(|_| panic!("{what} panicked"));
    assert!(peak > 0, "memory is metered");
    reached
}

/// Runs mutants; how many were not refused.
fn mutants(name: &str, seed: &[u8], count: u64) -> u64 {
    let mut taken = 0;
    for number in 0..count {
        let mut input = seed.to_vec();
        Mutator::new(SEED + number).mutate(&mut input);
        let what = format!("mutant {number} of {name} with seed {SEED}");
        taken += u64::from(reached(input, &what) != Reached::Refused);
    }
    taken
}

#[test]
fn what_mutants_are_made_of_comes_through() {
    for (seed, least) in [(SMALL_MODULE, 1), (LINKED, 3), (RUST, 1)] {
        let reached = reached(seed.to_vec(), "a seed");
        assert!(
            matches!(reached, Reached::Compiled { units, done: 10.., .. } if units >= least),
            "{reached:?}"
        );
    }
    assert_eq!(reached(paths(), "paths"), Reached::Resolved(3));
}

#[test]
fn mutants_of_a_module_are_refused_or_compiled_and_never_panic() {
    for (name, seed) in [("everything", SMALL_MODULE), ("rust", RUST)] {
        let taken = mutants(name, seed, 120);
        assert!((6..120).contains(&taken), "{taken} of {name} were taken");
    }
}

#[test]
fn mutants_of_a_program_of_several_files_never_panic() {
    let taken = mutants("linked", LINKED, 120);
    assert!((6..=120).contains(&taken), "{taken} were taken");
}

#[test]
fn inputs_that_cross_become_one_program() {
    let mut mutator = Mutator::new(SEED);
    for number in 0..10 {
        let crossed = mutator.cross(SMALL_MODULE, LINKED);
        let _ = reached(crossed, &format!("crossing {number}"));
    }
}

#[test]
fn no_path_leads_out_of_its_grant() {
    assert!(mutants("paths", &paths(), 2000) > 500);
}

#[test]
fn inputs_that_were_found_or_thought_of_do_no_harm() {
    let inputs = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/inputs");
    for entry in fs::read_dir(inputs).unwrap() {
        let path = entry.unwrap().path();
        let _ = reached(fs::read(&path).unwrap(), &path.display().to_string());
    }
}
