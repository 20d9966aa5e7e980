//! Random programs: the back end natively against the interpreter, with and without the passes.
//!
//! A failing seed prints its program; `BACKEND_SEEDS=from..to` runs others than the everyday ones.

#![expect(clippy::unwrap_used, reason = "test code outside of test functions")]

mod exec;

use exec::{check_with, cpu, old_cpu};
use ir::random::{self, Config, Random};
use jit::tier::opt::backend;
use jit::tier::{Compiled, CpuFeatures, Declined, Job, Tier};

/// What the back end supports.
fn config() -> Config {
    Config {
        wide: false,
        vectors: false,
        ..Config::default()
    }
}

fn seeds(everyday: u64) -> core::ops::Range<u64> {
    let Ok(range) = std::env::var("BACKEND_SEEDS") else {
        return 0..everyday;
    };
    let (from, to) = range.split_once("..").expect("from..to");
    from.parse().unwrap()..to.parse().unwrap()
}

/// The back end alone.
fn alone(job: &Job<'_>) -> Result<Compiled, Declined> {
    let body = job.function().body.as_ref().expect("a definition");
    backend::compile(job, body, Tier::O1)
}

/// The back end with registers allocated in a single pass.
fn fast(job: &Job<'_>) -> Result<Compiled, Declined> {
    let body = job.function().body.as_ref().expect("a definition");
    backend::compile(job, body, Tier::Baseline)
}

/// Passes and back end.
fn whole(job: &Job<'_>) -> Result<Compiled, Declined> {
    jit::tier::compile(job, Tier::O1)
}

fn run(tier: exec::Tier, config: &Config, everyday: u64) {
    for seed in seeds(everyday) {
        let source = random::source(seed, config);
        let module = exec::parse(&source);
        let entry = module.func_by_name("entry").unwrap();
        let mut random = Random::new(seed);
        let args = [random.bits() & 0xffff_ffff, random.bits()];
        let result = std::panic::catch_unwind(|| {
            // Without FMA the back end declines what must be rounded once.
            let old = CpuFeatures {
                fma: cpu().fma,
                ..old_cpu()
            };
            let cpus = [cpu(), old];
            let cpus = &cpus[..1 + (seed % 2) as usize];
            check_with(tier, &module, entry, &args, cpus);
        });
        assert!(result.is_ok(), "seed {seed} {config:?}\n{source}");
    }
}

#[test]
fn integer_programs_agree() {
    run(alone, &Config::integers(), 150);
}

#[test]
fn programs_with_everything_supported_agree() {
    run(alone, &config(), 150);
}

#[test]
fn programs_that_may_fault_agree() {
    let config = Config {
        faults: true,
        ..config()
    };
    run(alone, &config, 100);
}

#[test]
fn long_functions_agree() {
    let config = Config {
        funcs: 1,
        statements: 200,
        ..config()
    };
    run(alone, &config, 20);
}

#[test]
fn programs_with_registers_of_a_single_pass_agree() {
    run(fast, &config(), 100);
}

/// With inlining.
fn inlined(job: &Job<'_>) -> Result<Compiled, Declined> {
    jit::tier::compile(job, Tier::O3)
}

#[test]
fn optimised_programs_agree() {
    run(whole, &config(), 100);
}

#[test]
fn programs_with_inlined_calls_agree() {
    run(inlined, &config(), 100);
    let faults = Config {
        faults: true,
        ..Config::integers()
    };
    run(inlined, &faults, 50);
}
