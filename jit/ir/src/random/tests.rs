//! Programs are valid, end, and use everything that they are said to use.

use super::*;
use crate::interp::{self, FaultKind, Val};
use crate::text::module_text;
use crate::verify;
use alloc::string::ToString;

const STEPS: u64 = 3_000_000;

fn everything() -> Config {
    Config {
        wide: true,
        ..Config::default()
    }
}

fn run(seed: u64, config: &Config) -> Result<Val, FaultKind> {
    let module = module(seed, config);
    let entry = module.func_by_name("entry").unwrap();
    let args = [Val::from(seed as u32), Val::from(seed ^ 0x1234_5678_9ABC)];
    interp::run(&module, entry, &args, STEPS)
}

#[test]
fn programs_are_valid_and_end_without_fault() {
    let mut results = alloc::collections::BTreeSet::new();
    for seed in 0..150 {
        for config in [everything(), Config::default(), Config::integers()] {
            let module = module(seed, &config);
            if let Err(error) = verify::module(&module) {
                panic!("seed {seed}: {error}");
            }
            match run(seed, &config) {
                Ok(value) => results.insert(value.bits()),
                Err(kind) => panic!("seed {seed}: {kind}"),
            };
        }
    }
    assert!(results.len() > 400, "{}", results.len());
}

#[test]
fn a_seed_always_gives_the_same_program() {
    for seed in 0..20 {
        assert_eq!(source(seed, &everything()), source(seed, &everything()));
        assert_ne!(source(seed, &everything()), source(seed + 1, &everything()));
    }
}

#[test]
fn programs_survive_printing() {
    for seed in 0..100 {
        let module = module(seed, &everything());
        let printed = module_text(&module).to_string();
        let again = text::parse(&printed).unwrap();
        assert_eq!(module_text(&again).to_string(), printed, "seed {seed}");
    }
}

#[test]
fn faults_happen_only_where_they_are_allowed() {
    let config = Config {
        faults: true,
        ..Config::integers()
    };
    let faulted = (0..100).filter(|&seed| run(seed, &config).is_err()).count();
    assert!((5..100).contains(&faulted), "{faulted}");
}

#[test]
fn every_statement_occurs() {
    let all: String = (0..100).map(|seed| source(seed, &everything())).collect();
    for word in [
        "sdiv",
        "urem",
        "ashr",
        "fcmp",
        "icmp",
        "zext",
        "sext",
        "trunc",
        "select",
        "freeze",
        "phi",
        "switch",
        "condbr",
        "load",
        "store",
        "memmove",
        "memset",
        "dynalloca",
        "atomicrmw",
        "cmpxchg",
        "calli",
        "@variadic",
        "extractelement",
        "insertelement",
        "shuffle",
        "vector.reduce.smax",
        "fmuladd",
        "sqrt",
        "minnum",
        "fptoui",
        "uitofp",
        "bitcast",
        "fpext",
        "fptrunc",
        "fneg",
        "umul.with.overflow",
        "fshl",
        "bswap",
        "ctlz",
        "usub.sat",
        "i128",
        "i17",
        "<16 x i8>",
        "any",
        "memcpy",
        "nuw nsw",
        "exact",
        "phi ptr",
        ", ptr %window, ",
        "noalias",
        "attrs 1",
        "load ptr, @cell",
        "@unwritten,",
        "call tail i64 @last",
        "call i64 @inner",
    ] {
        assert!(all.contains(word), "{word}");
    }
}
