//! Random programs: the baseline tier natively against the interpreter.
//!
//! A failing seed prints its program; `BASELINE_SEEDS=from..to` runs others than the everyday ones.

mod exec;

use exec::{check_on, cpu, old_cpu};
use ir::random::{self, Config, Random};

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

fn run(config: &Config, everyday: u64) {
    for seed in seeds(everyday) {
        let source = random::source(seed, config);
        let module = exec::parse(&source);
        let entry = module.func_by_name("entry").unwrap();
        let mut random = Random::new(seed);
        let args = [random.bits() & 0xffff_ffff, random.bits()];
        let result = std::panic::catch_unwind(|| {
            let cpus = [cpu(), old_cpu()];
            check_on(&module, entry, &args, &cpus[..1 + (seed % 2) as usize]);
        });
        if result.is_err() {
            panic!("seed {seed} {config:?}\n{source}");
        }
    }
}

#[test]
fn integer_programs_agree() {
    run(&Config::integers(), 300);
}

#[test]
fn programs_with_everything_supported_agree() {
    run(&config(), 300);
}

#[test]
fn programs_that_may_fault_agree() {
    run(
        &Config {
            faults: true,
            ..config()
        },
        150,
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
    );
}
