//! The simulation's runs: all promises hold, and each mechanism turned off breaks one.

use super::{Action, Profile, Property, Totals, Violation, run};
use crate::guards::{Guard, Guards};
use crate::types::{Limits, Ticks};
use core::ops::Range;
use std::eprintln;

/// Seeds that every profile runs with in the everyday test.
const SEEDS: u64 = 100;

const LIMITS: Limits = Limits {
    tasks: 12,
    pinned_per_core: 4,
    local_queue: 3,
    slice: Ticks(100),
};

use Action::{Block, Compute, Exit, Kill, Scan, Sleep, Spawn, Unblock, Yield};

/// A bit of everything, on two workers beside two cores that are not.
const MIXED: Profile = Profile {
    name: "mixed",
    cores: &[false, true, true, false],
    limits: LIMITS,
    actions: &[
        (Compute, 40),
        (Yield, 5),
        (Block, 15),
        (Sleep, 10),
        (Exit, 5),
        (Spawn, 8),
        (Unblock, 15),
        (Kill, 2),
        (Scan, 4),
    ],
    pinned: 30,
    background: 15,
    steps: 6000,
};

/// Tasks come and go faster than they run.
const SHORT: Profile = Profile {
    name: "short",
    cores: &[true; 4],
    limits: Limits {
        tasks: 24,
        ..LIMITS
    },
    actions: &[
        (Compute, 5),
        (Exit, 40),
        (Spawn, 45),
        (Unblock, 5),
        (Kill, 5),
    ],
    pinned: 10,
    background: 5,
    ..MIXED
};

/// Most of the time everybody waits: cores halt and wake.
const SLEEPY: Profile = Profile {
    name: "sleepy",
    cores: &[true; 3],
    actions: &[
        (Compute, 5),
        (Block, 45),
        (Sleep, 45),
        (Exit, 1),
        (Unblock, 4),
    ],
    pinned: 25,
    background: 10,
    ..MIXED
};

/// Everybody always wants to run, on one core for all, as with `SMP=1`.
const CROWDED: Profile = Profile {
    name: "crowded",
    cores: &[true],
    actions: &[(Compute, 60), (Yield, 40), (Spawn, 10), (Scan, 2)],
    pinned: 50,
    background: 20,
    ..MIXED
};

/// Many cores, few tasks.
const WIDE: Profile = Profile {
    name: "wide",
    cores: &[true; 16],
    actions: &[
        (Compute, 60),
        (Block, 20),
        (Sleep, 10),
        (Unblock, 30),
        (Spawn, 5),
        (Exit, 1),
    ],
    pinned: 15,
    background: 10,
    ..MIXED
};

const PROFILES: [Profile; 5] = [MIXED, SHORT, SLEEPY, CROWDED, WIDE];

/// The seeds to run: those of every day, as many as are asked for, or the one that is.
fn seeds() -> Range<u64> {
    let number = |name| {
        std::env::var(name)
            .ok()
            .and_then(|value| value.parse().ok())
    };
    match number("SCHED_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SCHED_SIM_SEEDS").unwrap_or(SEEDS),
    }
}

fn check(profile: &Profile) -> Totals {
    let mut last = Totals::default();
    for seed in seeds() {
        match run(profile, seed, Guards::ALL) {
            Ok(totals) => last = totals,
            Err(violation) => panic!("profile {}, seed {seed}: {violation:?}", profile.name),
        }
    }
    eprintln!("profile {}: {last:?}", profile.name);
    last
}

/// The first violation without `guard`, which the same seed must show again.
fn violation_without(guard: Guard, profile: &Profile) -> Option<Violation> {
    let mut found = (0..4 * SEEDS)
        .filter_map(|seed| Some((seed, run(profile, seed, Guards::without(guard)).err()?)));
    let (seed, violation) = found.next()?;
    eprintln!(
        "without {guard:?}, profile {}, seed {seed}: {violation:?}",
        profile.name
    );
    let again = run(profile, seed, Guards::without(guard));
    assert_eq!(
        again,
        Err(violation.clone()),
        "seed {seed} does not reproduce"
    );
    Some(violation)
}

/// Asserts that without `guard` some seed breaks `property`.
fn breaks(guard: Guard, profile: &Profile, property: Property) {
    let found = violation_without(guard, profile).map(|violation| violation.property);
    assert_eq!(found, Some(property));
}

#[test]
fn promises_hold_for_a_mix_of_everything() {
    let totals = check(&MIXED);
    assert!(
        totals.steals > 0 && totals.timers > 0 && totals.preemptions > 0,
        "{totals:?}"
    );
}

#[test]
fn promises_hold_for_many_short_tasks() {
    let totals = check(&SHORT);
    assert!(totals.spawned > 500, "{totals:?}");
}

#[test]
fn promises_hold_when_cores_halt_all_the_time() {
    let totals = check(&SLEEPY);
    assert!(totals.halts > 100 && totals.timers > 100, "{totals:?}");
}

#[test]
fn promises_hold_on_one_crowded_core() {
    let totals = check(&CROWDED);
    assert!(
        totals.overflows > 0 && totals.preemptions > 10,
        "{totals:?}"
    );
}

#[test]
fn promises_hold_on_many_cores() {
    let totals = check(&WIDE);
    assert!(totals.halts > 100 && totals.steals > 0, "{totals:?}");
}

#[test]
fn a_seed_reproduces_its_run() {
    for profile in &PROFILES {
        assert_eq!(run(profile, 7, Guards::ALL), run(profile, 7, Guards::ALL));
        assert_ne!(run(profile, 7, Guards::ALL), run(profile, 8, Guards::ALL));
    }
}

#[test]
fn without_the_second_look_a_core_halts_beside_work() {
    breaks(Guard::Recheck, &SLEEPY, Property::IdleBesideWork);
}

#[test]
fn without_the_ipi_a_core_stays_halted_beside_work() {
    breaks(Guard::WakeIpi, &SLEEPY, Property::IdleBesideWork);
}

#[test]
fn without_passing_on_a_core_stays_halted_beside_work() {
    breaks(Guard::PassOn, &MIXED, Property::IdleBesideWork);
}

#[test]
fn without_stealing_a_core_halts_beside_work() {
    breaks(Guard::Steal, &MIXED, Property::IdleBesideWork);
}

#[test]
fn without_the_generation_an_old_id_reaches_the_next_tenant() {
    breaks(Guard::Generation, &SHORT, Property::WrongAnswer);
}

#[test]
fn without_the_token_a_wake_up_is_lost() {
    breaks(Guard::WakeToken, &MIXED, Property::LostWakeUp);
}

#[test]
fn without_comparing_waits_a_timer_fires_early() {
    breaks(Guard::TimerCheck, &SLEEPY, Property::TimerEarly);
}

#[test]
fn without_the_rotation_a_task_starves() {
    breaks(Guard::Rotation, &CROWDED, Property::Starved);
}
