//! Bring-up against the simulated machine: each fault alone, then random mixtures on 1 to 64 cores,
//! and once more with a real thread for each core.

use alloc::format;
use std::sync::Mutex;
use std::thread::{self, Scope};

use super::*;
use crate::ids::{ApicId, CoreId};
use crate::report;

use crate::sim::{Command, CoreModel, Machine, Rng, TimeModel};
use crate::slot::Claim;

/// Time in which every late core of these tests has come.
const LONG_US: u64 = 100_000_000;

fn listed(count: usize) -> Vec<Core> {
    let core = |i| Core {
        id: CoreId::new(i).unwrap(),
        apic: ApicId(i as u32 * 2),
    };
    (0..count).map(core).collect()
}

fn slots(count: usize) -> PerCpu<CoreSlot> {
    let slots = PerCpu::new(count, |_| CoreSlot::new());
    assert!(slots[CoreId::BSP].occupy(0));
    slots
}

fn bring_up(
    machine: &Machine<'_>,
    slots: &PerCpu<CoreSlot>,
    aps: &[Core],
    timing: Timing,
) -> Vec<Outcome> {
    let page = StartupPage::at(0x8000).unwrap();
    Bringup {
        bus: machine,
        clock: machine,
        slots,
        page,
        timing,
    }
    .run(aps, |_| {})
}

/// Starts one AP of this kind and lets all late cores come; returns how it ended and who joined.
fn one(model: CoreModel, timing: Timing) -> (Outcome, Vec<CoreId>, SlotState) {
    let (listed, slots) = (listed(2), slots(2));
    let machine = Machine::new(
        &listed,
        &slots,
        &[CoreModel {
            apic: listed[1].apic,
            ..model
        }],
    );
    let outcomes = bring_up(&machine, &slots, &listed[1..], timing);
    machine.run_for(LONG_US);
    (outcomes[0], machine.joined(), slots[listed[1].id].state())
}

fn healthy() -> CoreModel {
    CoreModel::healthy(0)
}

fn lost(reason: LostReason) -> Ending {
    Ending::Lost(reason)
}

#[test]
fn healthy_core_needs_one_sipi() {
    let (outcome, joined, _) = one(healthy(), Timing::MODERN);
    assert_eq!(
        outcome.ending,
        Ending::Started {
            after_us: 200 + 100 + 50
        }
    );
    assert_eq!((outcome.sipis, joined.len()), (1, 1));
}

#[test]
fn lost_sipi_is_retried() {
    let (outcome, ..) = one(
        CoreModel {
            lose_sipis: 1,
            ..healthy()
        },
        Timing::MODERN,
    );
    assert!(matches!(outcome.ending, Ending::Started { .. }));
    assert_eq!(outcome.sipis, 2);
}

#[test]
fn lost_sipi_loses_the_core_without_the_retry() {
    let once = Timing {
        sipis: 1,
        rounds: 1,
        ..Timing::MODERN
    };
    let (outcome, ..) = one(
        CoreModel {
            lose_sipis: 1,
            ..healthy()
        },
        once,
    );
    assert_eq!(outcome.ending, lost(LostReason::NoAnswer));
}

#[test]
fn lost_init_is_cured_by_the_second_round_and_by_nothing_else() {
    let model = CoreModel {
        lose_inits: 1,
        ..healthy()
    };
    let (outcome, ..) = one(model, Timing::MODERN);
    assert!(matches!(outcome.ending, Ending::Started { .. }));
    let (outcome, ..) = one(
        model,
        Timing {
            rounds: 1,
            ..Timing::MODERN
        },
    );
    assert_eq!(outcome.ending, lost(LostReason::NoAnswer));
}

#[test]
fn dead_core_is_reported_after_all_attempts() {
    let (outcome, joined, state) = one(
        CoreModel {
            boot_us: u64::MAX,
            ..healthy()
        },
        Timing::MODERN,
    );
    assert_eq!(outcome.ending, lost(LostReason::NoAnswer));
    assert_eq!(outcome.sipis, 4);
    assert!(joined.is_empty());
    assert_eq!(state, SlotState::Lost);
}

#[test]
fn core_that_hangs_in_setup_is_lost_and_not_reset() {
    let (outcome, _, state) = one(
        CoreModel {
            setup_us: u64::MAX,
            ..healthy()
        },
        Timing::MODERN,
    );
    assert_eq!(outcome.ending, lost(LostReason::StuckInSetup));
    assert_eq!((outcome.sipis, state), (1, SlotState::Lost));
}

#[test]
fn slow_core_that_claims_in_time_gets_its_setup_time() {
    let slow = CoreModel {
        setup_us: Timing::MODERN.online_us * 2,
        ..healthy()
    };
    let (outcome, joined, _) = one(slow, Timing::MODERN);
    assert!(matches!(outcome.ending, Ending::Started { .. }));
    assert_eq!(joined.len(), 1);
}

#[test]
fn late_core_parks() {
    let late = CoreModel {
        boot_us: 60_000_000,
        ..healthy()
    };
    let (outcome, joined, state) = one(late, Timing::MODERN);
    assert_eq!(outcome.ending, lost(LostReason::NoAnswer));
    assert_eq!((joined.len(), state), (0, SlotState::Lost));
}

#[test]
fn late_core_joins_without_the_handshake() {
    let (listed, slots) = (listed(2), slots(2));
    let late = CoreModel {
        apic: listed[1].apic,
        boot_us: 60_000_000,
        ..healthy()
    };
    let machine = Machine::new(&listed, &slots, &[late]).without_handshake();
    let outcomes = bring_up(&machine, &slots, &listed[1..], Timing::MODERN);
    machine.run_for(LONG_US);
    assert_eq!(outcomes[0].ending, lost(LostReason::NoAnswer));
    assert_eq!(
        machine.joined(),
        [listed[1].id],
        "the danger: a core that the BSP has written off runs"
    );
}

#[test]
fn core_that_answers_twice_joins_once() {
    let (outcome, joined, state) = one(
        CoreModel {
            answers_twice: true,
            ..healthy()
        },
        Timing::MODERN,
    );
    assert!(matches!(outcome.ending, Ending::Started { .. }));
    assert_eq!((joined.len(), state), (1, SlotState::Online));
}

#[test]
fn two_cores_with_one_id_share_no_slot() {
    let (listed, slots) = (listed(2), slots(2));
    let twin = CoreModel {
        apic: listed[1].apic,
        ..healthy()
    };
    let machine = Machine::new(
        &listed,
        &slots,
        &[
            twin,
            CoreModel {
                boot_us: 101,
                ..twin
            },
        ],
    );
    bring_up(&machine, &slots, &listed[1..], Timing::MODERN);
    machine.run_for(LONG_US);
    assert_eq!((machine.joined().len(), machine.parked()), (1, 1));
    assert_eq!(slots[listed[1].id].parked(), 1);
}

#[test]
fn refused_commands_are_counted_and_survived() {
    let (listed, slots) = (listed(2), slots(2));
    let machine = Machine::new(
        &listed,
        &slots,
        &[CoreModel {
            apic: listed[1].apic,
            ..healthy()
        }],
    );
    machine.refuse_commands(3);
    let outcome = bring_up(&machine, &slots, &listed[1..], Timing::MODERN)[0];
    assert!(matches!(outcome.ending, Ending::Started { .. }));
    assert_eq!(outcome.refused, 3);
}

#[test]
fn stopped_clock_ends_the_wait() {
    let (listed, slots) = (listed(3), slots(3));
    let models = [listed[1].apic, listed[2].apic].map(|apic| CoreModel { apic, ..healthy() });
    let machine = Machine::new(&listed, &slots, &models).with_time(TimeModel::Frozen);
    let timing = Timing {
        max_polls: 1000,
        ..Timing::MODERN
    };
    let outcomes = bring_up(&machine, &slots, &listed[1..], timing);
    assert!(
        outcomes
            .iter()
            .all(|outcome| outcome.ending == lost(LostReason::ClockStopped))
    );
}

#[test]
fn jumping_clock_costs_no_core() {
    let (listed, slots) = (listed(2), slots(2));
    let slow = CoreModel {
        apic: listed[1].apic,
        boot_us: 30_000,
        ..healthy()
    };
    let machine = Machine::new(&listed, &slots, &[slow]).with_time(TimeModel::Jumping);
    let outcome = bring_up(&machine, &slots, &listed[1..], Timing::MODERN)[0];
    assert!(
        matches!(outcome.ending, Ending::Started { .. }),
        "{outcome:?}"
    );
}

#[test]
fn observer_sees_preparation_before_any_command_of_that_core() {
    let (listed, slots) = (listed(4), slots(4));
    let models: Vec<_> = listed
        .iter()
        .map(|c| CoreModel {
            apic: c.apic,
            ..healthy()
        })
        .collect();
    let machine = Machine::new(&listed, &slots, &models[1..]);
    let page = StartupPage::at(0x8000).unwrap();
    let bringup = Bringup {
        bus: &machine,
        clock: &machine,
        slots: &slots,
        page,
        timing: Timing::MODERN,
    };
    let (mut prepared, mut finished) = (0, 0);
    bringup.run(&listed[1..], |event| match event {
        Event::Preparing(core) => {
            prepared += 1;
            assert_eq!(slots[core.id].state(), SlotState::Absent);
            let addressed = |c: &Command| matches!(c, Command::Init(to, _) if *to == core.apic);
            assert!(!machine.commands().iter().any(addressed));
        }
        Event::Finished(_) => finished += 1,
    });
    assert_eq!((prepared, finished), (3, 3));
}

/// A random core: mostly healthy, sometimes with one of the faults above.
fn random_core(rng: &mut Rng, apic: ApicId) -> CoreModel {
    let mut model = CoreModel {
        apic,
        boot_us: rng.below(3000),
        setup_us: rng.below(3000),
        ..healthy()
    };
    match rng.below(10) {
        0 => model.lose_sipis = 1 + rng.below(4) as u32,
        1 => model.lose_inits = 1 + rng.below(2) as u32,
        2 => model.boot_us = u64::MAX,
        3 => model.boot_us = rng.below(3_000_000),
        4 => model.setup_us = rng.below(5_000_000),
        5 => model.answers_twice = true,
        _ => {}
    }
    model
}

fn check_random_machine(cores: usize, seed: u64) {
    let mut rng = Rng::new(seed);
    let (listed, slots) = (listed(cores), slots(cores));
    let mut models: Vec<_> = listed[1..]
        .iter()
        .map(|core| random_core(&mut rng, core.apic))
        .collect();
    if rng.one_in(4) && cores > 1 {
        let twin = models[rng.below(models.len() as u64) as usize];
        models.push(CoreModel {
            boot_us: rng.below(3000),
            ..twin
        });
    }
    // Cores that firmware disabled: they exist, and must never be addressed.
    models.extend((0..2).map(|i| CoreModel::healthy(1001 + i)));
    let timing = Timing {
        batch: 1 + rng.below(16) as usize,
        ..Timing::MODERN
    };
    let time = if rng.one_in(4) {
        TimeModel::Jumping
    } else {
        TimeModel::Steady
    };
    let machine = Machine::new(&listed, &slots, &models).with_time(time);
    machine.refuse_commands(rng.below(3) as u32);
    let outcomes = bring_up(&machine, &slots, &listed[1..], timing);
    machine.run_for(LONG_US);

    let why = format!("cores {cores} seed {seed}");
    assert_eq!(
        outcomes.iter().map(|o| o.core).collect::<Vec<_>>(),
        listed[1..],
        "{why}"
    );
    let joined = machine.joined();
    for outcome in &outcomes {
        let started = matches!(outcome.ending, Ending::Started { .. });
        let state = slots[outcome.core.id].state();
        assert_eq!(
            state,
            if started {
                SlotState::Online
            } else {
                SlotState::Lost
            },
            "{why}"
        );
        let joins = joined.iter().filter(|id| **id == outcome.core.id).count();
        assert_eq!(joins, usize::from(started), "{why}: {outcome:?}");
    }

    assert_eq!(report::online(&outcomes).len(), 1 + joined.len(), "{why}");
    for command in machine.commands() {
        let (Command::Init(to, _) | Command::Sipi(to, _) | Command::Ipi(to) | Command::Nmi(to)) =
            command;
        assert!(
            listed[1..].iter().any(|core| core.apic == to),
            "{why}: {command:?}"
        );
    }
}

#[test]
fn every_start_ends_and_both_sides_agree() {
    for cores in [1, 2, 3, 4, 8, 16, 64] {
        for seed in 0..60 {
            check_random_machine(cores, seed * 1000 + cores as u64);
        }
    }
}

/// One real thread per AP, and a clock that ticks with each poll: the hand-over of slots is a true
/// race between threads, only the deadlines are virtual.
struct Threads<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    slots: &'env PerCpu<CoreSlot>,
    /// For each APIC id how often its core yields before each of its two steps.
    delays: &'env [u64],
    started: Mutex<Vec<ApicId>>,
    joined: &'env Mutex<Vec<CoreId>>,
    polls: Mutex<u64>,
}

impl ApicBus for Threads<'_, '_> {
    fn own_id(&self) -> ApicId {
        ApicId(0)
    }
    fn send_init(&self, _: ApicId, _: InitLevel) -> Result<(), BusBusy> {
        Ok(())
    }
    fn send_sipi(&self, to: ApicId, _: StartupPage) -> Result<(), BusBusy> {
        let mut started = self.started.lock().unwrap();
        if !started.contains(&to) {
            started.push(to);
            let (slots, joined) = (self.slots, self.joined);
            let (id, delay) = (
                CoreId::new(to.0 as usize).unwrap(),
                self.delays[to.0 as usize],
            );
            self.scope.spawn(move || {
                let dawdle = || (0..delay).for_each(|_| thread::yield_now());
                dawdle();
                if slots[id].claim() == Claim::Granted {
                    dawdle();
                    if slots[id].go_online(0) == Claim::Granted {
                        joined.lock().unwrap().push(id);
                    }
                }
            });
        }
        Ok(())
    }
    fn send_ipi(&self, _: ApicId) -> Result<(), BusBusy> {
        Ok(())
    }
    fn send_nmi(&self, _: ApicId) -> Result<(), BusBusy> {
        Ok(())
    }
}

impl Clock for Threads<'_, '_> {
    fn now_us(&self) -> u64 {
        *self.polls.lock().unwrap()
    }
    fn relax(&self, _: u64) {
        *self.polls.lock().unwrap() += 1;
        thread::yield_now();
    }
}

#[test]
fn real_threads_and_their_starter_agree() {
    let wait = 40;
    let timing = Timing {
        init_us: 1,
        sipi_us: 5,
        online_us: wait,
        setup_us: wait,
        rounds: 1,
        batch: 4,
        ..Timing::MODERN
    };
    for seed in 0..60 {
        let mut rng = Rng::new(seed);
        let slots = slots(9);
        let aps: Vec<_> = (1..9)
            .map(|i| Core {
                id: CoreId::new(i).unwrap(),
                apic: ApicId(i as u32),
            })
            .collect();
        let delays: Vec<_> = (0..9).map(|_| rng.below(2 * wait)).collect();
        let joined = Mutex::new(Vec::new());
        let outcomes = thread::scope(|scope| {
            let bus = Threads {
                scope,
                slots: &slots,
                delays: &delays,
                started: Mutex::default(),
                joined: &joined,
                polls: Mutex::default(),
            };
            let page = StartupPage::at(0x8000).unwrap();
            Bringup {
                bus: &bus,
                clock: &bus,
                slots: &slots,
                page,
                timing,
            }
            .run(&aps, |_| {})
        });
        let joined: crate::CoreMask = joined.into_inner().unwrap().into_iter().collect();
        assert_eq!(
            report::online(&outcomes),
            joined.with(CoreId::BSP),
            "seed {seed}"
        );
    }
}
