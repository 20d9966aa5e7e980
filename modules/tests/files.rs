//! The embedded modules are what their table says.

use abi::Container;
use modules::{BAD, DEMOS, HELLO, MIX, Outcome};
use std::collections::HashSet;

#[test]
fn every_file_parses_and_says_its_name_and_level() {
    for module in modules::all() {
        let loaded = Container::parse(module.file).unwrap();
        assert_eq!(loaded.name, module.name);
        assert_eq!(loaded.level, Some(module.level));
        assert_eq!(loaded.entry, "main");
        assert_eq!(
            module.file_name,
            format!("{}-O{}.llbc", module.name, module.level)
        );
    }
}

#[test]
fn the_demos_are_the_promised_ones_at_four_levels_each() {
    let names: HashSet<_> = DEMOS.iter().map(|m| m.name).collect();
    for name in [
        "fibonacci",
        "sum",
        "compute_intensive",
        "matrix_int",
        "matrix_float",
        "sieve",
        "sort",
        "indirect",
        "globals",
    ] {
        assert!(names.contains(name), "{name}");
    }
    assert_eq!(DEMOS.len(), names.len() * 4);
    assert_eq!((HELLO.len(), MIX.len()), (4, 4));
}

#[test]
fn levels_change_the_code_and_never_a_result() {
    for module in DEMOS.iter().chain(&MIX) {
        let plain = modules::find(module.name, 0).unwrap();
        assert_eq!(plain.checks, module.checks, "{}", module.file_name);
        assert_eq!(plain.outcome, module.outcome, "{}", module.file_name);
        assert!(
            module.level == 0 || module.file != plain.file,
            "{}",
            module.file_name
        );
    }
}

#[test]
fn every_demo_has_a_bench_function_with_a_known_result() {
    for module in DEMOS.iter().chain(&MIX) {
        assert!(
            module.checks.iter().any(|c| c.function == "bench"),
            "{}",
            module.file_name
        );
        assert!(module.main_result().is_some(), "{}", module.file_name);
    }
}

#[test]
fn known_values_came_out_of_the_native_builds() {
    let fibonacci = modules::find("fibonacci", 0).unwrap();
    assert!(
        fibonacci
            .checks
            .iter()
            .any(|c| c.function == "fib" && c.expected == 610)
    );
    let sieve = modules::find("sieve", 3).unwrap();
    assert!(
        sieve
            .checks
            .iter()
            .any(|c| c.args == [1000] && c.expected == 168)
    );
}

#[test]
fn bad_programs_fault_except_the_one_that_host_calls_refuse() {
    for module in &BAD {
        let faults = matches!(module.outcome, Outcome::Faults(_));
        assert_eq!(
            faults,
            module.name != "bad_host_call",
            "{}",
            module.file_name
        );
    }
    assert!(BAD.len() >= 14);
}

#[test]
fn no_path_of_the_build_machine_is_in_a_file() {
    let here = env!("CARGO_MANIFEST_DIR").as_bytes();
    for module in modules::all() {
        let found = module.file.windows(here.len()).any(|window| window == here);
        assert!(!found, "{}", module.file_name);
    }
}
