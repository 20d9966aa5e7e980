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
        assert!(expected.0.is_ok(), "seed {seed}: {:?}", expected.0);
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

/// So many programs, or as many as `LEGAL_SEEDS` says.
fn seeds(everyday: u64) -> core::ops::Range<u64> {
    0..std::env::var("LEGAL_SEEDS").map_or(everyday, |n| n.parse().unwrap())
}

fn everything() -> Config {
    Config {
        wide: true,
        ..Config::default()
    }
}

#[test]
fn generated_programs_mean_the_same() {
    check(seeds(150), &everything());
}

#[test]
fn programs_of_what_no_machine_has_mean_the_same() {
    let exotic = Config {
        exotic: true,
        ..everything()
    };
    check(seeds(150), &exotic);
}
