//! Random programs: the baseline tier natively against the interpreter.
//!
//! A failing seed prints its program; `BASELINE_SEEDS=from..to` runs others than the everyday ones.

#![expect(clippy::unwrap_used, reason = "test code outside of test functions")]

mod exec;

use exec::{check_on, cpu, old_cpu};
use ir::random::{self, Config, Random};
use jit::tier::{CpuFeatures, baseline};

/// What the tier supports.
fn config() -> Config {
    Config {
        wide: false,
        vectors: false,
        ..Config::default()
    }
}

fn seeds(everyday: u64) -> core::ops::Range<u64> {
    let Ok(range) = std::env::var("BASELINE_SEEDS") else {
        return 0..everyday;
    };
    let (from, to) = range.split_once("..").expect("from..to");
    from.parse().unwrap()..to.parse().unwrap()
}

/// What is done to a program first.
type Change = fn(&mut ir::Module, u64);

fn run(config: &Config, everyday: u64, change: Change) {
    for seed in seeds(everyday) {
        let mut module = exec::parse(&random::source(seed, config));
        change(&mut module, seed);
        let entry = module.func_by_name("entry").unwrap();
        let mut random = Random::new(seed);
        let args = [random.bits() & 0xffff_ffff, random.bits()];
        let result = std::panic::catch_unwind(|| {
            let cpus = [cpu(), old_cpu()];
            check_on(&module, entry, &args, &cpus[..1 + (seed % 2) as usize]);
        });
        if result.is_err() {
            panic!("seed {seed} {config:?}\n{}", ir::text::module_text(&module));
        }
    }
}

#[test]
fn integer_programs_agree() {
    run(&Config::integers(), 300, |_, _| {});
}

#[test]
fn programs_with_everything_supported_agree() {
    run(&config(), 300, |_, _| {});
}

#[test]
fn programs_that_may_fault_agree() {
    run(
        &Config {
            faults: true,
            ..config()
        },
        150,
        |_, _| {},
    );
}

#[test]
fn long_functions_agree() {
    run(
        &Config {
            funcs: 1,
            statements: 200,
            ..config()
        },
        40,
        |_, _| {},
    );
}

/// Like clang's -O0 code: values in allocas.
#[test]
fn programs_with_values_in_allocas_agree() {
    run(&config(), 300, exec::demote::demote);
}

/// Anything that bitcode can say, legalised for CPUs with and without vectors, at the baseline.
#[test]
fn legalised_programs_agree() {
    let config = Config {
        wide: true,
        funcs: 3,
        ..Config::default()
    };
    let here = cpu();
    let old = CpuFeatures {
        sse41: here.sse41,
        ..old_cpu()
    };
    for seed in seeds(60) {
        let module = exec::parse(&random::source(seed, &config));
        let mut random = Random::new(seed);
        let args = [random.bits() & 0xffff_ffff, random.bits()];
        let result = std::panic::catch_unwind(|| {
            for cpu in [here, old, old_cpu()] {
                let mut module = module.clone();
                jit::legal::module(&mut module, cpu).expect("can be legalised");
                let entry = module.func_by_name("entry").unwrap();
                exec::check_with(baseline::compile, &module, entry, &args, &[cpu]);
            }
        });
        if result.is_err() {
            panic!("seed {seed}\n{}", ir::text::module_text(&module));
        }
    }
}
