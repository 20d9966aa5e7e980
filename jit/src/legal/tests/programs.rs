//! Generated programs, before and after.

use super::*;
use ir::random::{self, Config, Random};

/// Runs programs `seeds` before and after, for every CPU in turn.
fn check(seeds: core::ops::Range<u64>, config: &Config) {
    for seed in seeds {
        let module = random::module(seed, config);
        let entry = module.func_by_name("entry").unwrap();
        let mut random = Random::new(seed);
        let args = [Val::from(random.bits() as u32), Val::from(random.bits())];
        let expected = run(&module, entry, &args);
        let cpus = cpus();
        let cpu = cpus[seed as usize % cpus.len()];
        let result = std::panic::catch_unwind(|| {
            let legal = legalised(&module, cpu);
            let outcome = run(&legal, entry, &args);
            assert!(outcome == expected, "{:?} {:?}", outcome.0, expected.0);
        });
        assert!(result.is_ok(), "seed {seed} {config:?} {cpu:?}");
    }
}

fn everything() -> Config {
    Config {
        wide: true,
        ..Config::default()
    }
}

#[test]
fn generated_programs_mean_the_same() {
    let end = std::env::var("LEGAL_SEEDS").map_or(150, |n| n.parse().unwrap());
    check(0..end, &everything());
}
