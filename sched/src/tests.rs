//! The public operations, one behaviour each, on a clock that the test turns by hand.
#![cfg(not(loom))]

use crate::guards::{Guard, Guards};
use crate::{
    BudgetState, Class, Core, CoreConfig, CoreId, CoreSet, Decision, Limits, Next, Outcome,
    Scheduler, SpawnError, State, TaskId, TaskSpec, Ticks,
};
use alloc::vec;
use alloc::vec::Vec;

const LIMITS: Limits = Limits {
    tasks: 8,
    pinned_per_core: 2,
    local_queue: 4,
    slice: Ticks(100),
};

fn workers(count: usize) -> (Scheduler, Vec<Core>) {
    Scheduler::new(&vec![CoreConfig { runs_guests: true }; count], LIMITS).unwrap()
}

fn started(scheduler: &Scheduler, spec: TaskSpec) -> TaskId {
    let task = scheduler.spawn(spec).unwrap();
    let _ = scheduler.start(task);
    task
}

fn core(index: usize) -> CoreId {
    CoreId::new(index).unwrap()
}

/// Lets `core` choose; the task it runs, if any.
fn run(scheduler: &Scheduler, core: &mut Core, now: u64) -> Option<TaskId> {
    let (_, _) = scheduler.next(core, Ticks(now));
    core.current()
}

#[test]
fn tasks_run_in_the_order_in_which_they_became_ready() {
    let (scheduler, mut cores) = workers(1);
    let tasks = [(); 3].map(|()| started(&scheduler, TaskSpec::default()));
    for task in tasks {
        assert_eq!(run(&scheduler, &mut cores[0], 0), Some(task));
        assert_eq!(scheduler.exit(&mut cores[0], Ticks(0)), Outcome::Done);
    }
    assert_eq!(run(&scheduler, &mut cores[0], 0), None);
}

#[test]
fn a_task_that_is_not_started_does_not_run() {
    let (scheduler, mut cores) = workers(1);
    let task = scheduler.spawn(TaskSpec::default()).unwrap();
    assert_eq!(run(&scheduler, &mut cores[0], 0), None);
    assert!(
        scheduler.start(task).kick.contains(core(0)),
        "the idle core hears of it"
    );
    assert_eq!(run(&scheduler, &mut cores[0], 0), Some(task));
}

/// A task that is alone is not disturbed for nothing, and the new slice begins when the old one ended.
#[test]
fn a_slice_ends_only_when_another_task_waits() {
    let (scheduler, mut cores) = workers(1);
    let first = started(&scheduler, TaskSpec::default());
    let (next, _) = scheduler.next(&mut cores[0], Ticks(5));
    assert_eq!(
        next,
        Next::Run {
            task: first,
            until: Ticks(105)
        }
    );
    let (alone, _) = scheduler.tick(&mut cores[0], Ticks(105));
    assert_eq!(alone, Decision::Continue { until: Ticks(205) });
    let second = started(&scheduler, TaskSpec::default());
    let (early, _) = scheduler.tick(&mut cores[0], Ticks(204));
    assert_eq!(early, Decision::Continue { until: Ticks(205) });
    assert_eq!(
        scheduler.tick(&mut cores[0], Ticks(205)).0,
        Decision::Preempt
    );
    assert_eq!(
        scheduler.preempted(&mut cores[0], Ticks(205)).outcome,
        Outcome::Done
    );
    // The first task is in the local queue now, the second in the shared one, whose turn is next.
    assert_eq!(run(&scheduler, &mut cores[0], 205), Some(first));
    assert_eq!(
        scheduler.preempted(&mut cores[0], Ticks(305)).outcome,
        Outcome::Done
    );
    assert_eq!(run(&scheduler, &mut cores[0], 305), Some(second));
}

/// P1 in its smallest form: the waker overtakes the task on its way into `block`.
#[test]
fn an_unblock_before_the_block_makes_it_return_at_once() {
    let (scheduler, mut cores) = workers(1);
    let task = started(&scheduler, TaskSpec::default());
    run(&scheduler, &mut cores[0], 0);
    assert_eq!(scheduler.unblock(task).outcome, Outcome::Pending);
    assert_eq!(
        scheduler.block(&mut cores[0], Ticks(1)).outcome,
        Outcome::Stays
    );
    assert_eq!(
        scheduler.block(&mut cores[0], Ticks(2)).outcome,
        Outcome::Done
    );
    assert_eq!(
        scheduler.state(task),
        Some(State::Blocked),
        "one wake-up ends one wait"
    );
}

#[test]
fn a_sleeper_wakes_at_its_time_and_not_before() {
    let (scheduler, mut cores) = workers(1);
    let task = started(&scheduler, TaskSpec::default());
    run(&scheduler, &mut cores[0], 0);
    assert_eq!(
        scheduler.sleep(&mut cores[0], Ticks(0), Ticks(50)).outcome,
        Outcome::Done
    );
    let (next, _) = scheduler.next(&mut cores[0], Ticks(49));
    assert_eq!(
        next,
        Next::Idle {
            until: Some(Ticks(50))
        }
    );
    assert_eq!(run(&scheduler, &mut cores[0], 50), Some(task));
}

/// Core 0 keeps the entry of a wait that ended elsewhere; it must neither wake the task nor the core.
#[test]
fn the_timer_of_a_wait_that_ended_early_does_not_end_the_next_one() {
    let (scheduler, mut cores) = workers(2);
    let task = started(
        &scheduler,
        TaskSpec {
            pin: None,
            ..TaskSpec::default()
        },
    );
    run(&scheduler, &mut cores[0], 0);
    assert_eq!(
        scheduler.sleep(&mut cores[0], Ticks(0), Ticks(50)).outcome,
        Outcome::Done
    );
    let _ = scheduler.unblock(task);
    assert_eq!(run(&scheduler, &mut cores[1], 10), Some(task), "stolen");
    assert_eq!(
        scheduler.sleep(&mut cores[1], Ticks(10), Ticks(90)).outcome,
        Outcome::Done
    );
    assert_eq!(
        scheduler.next(&mut cores[0], Ticks(60)).0,
        Next::Idle { until: None }
    );
    assert_eq!(scheduler.state(task), Some(State::Blocked));
    assert_eq!(run(&scheduler, &mut cores[1], 90), Some(task));
    assert_eq!(scheduler.stats(core(1)).steals, 1);
}

/// The slot of a task that is killed in a queue stays taken until its entry is out, so that no entry
/// ever names the next tenant (W2).
#[test]
fn a_running_task_is_killed_at_its_next_tick_and_a_waiting_one_at_once() {
    let (scheduler, mut cores) = workers(1);
    let [first, second] = [(); 2].map(|()| started(&scheduler, TaskSpec::default()));
    run(&scheduler, &mut cores[0], 0);
    let effect = scheduler.kill(first);
    assert_eq!(
        (effect.outcome, effect.kick.contains(core(0))),
        (Outcome::Pending, true)
    );
    assert_eq!(scheduler.tick(&mut cores[0], Ticks(1)).0, Decision::Preempt);
    assert_eq!(
        scheduler.preempted(&mut cores[0], Ticks(1)).outcome,
        Outcome::Killed
    );
    assert_eq!(scheduler.kill(second).outcome, Outcome::Killed);
    assert_eq!(scheduler.kill(second).outcome, Outcome::Lost(State::Killed));
    assert_eq!(
        scheduler.reap(second),
        Outcome::Pending,
        "its entry is still queued"
    );
    assert_eq!(run(&scheduler, &mut cores[0], 1), None);
    assert_eq!(
        scheduler.state(second),
        None,
        "the entry is gone, and so is the task"
    );
    assert_eq!(scheduler.reap(first), Outcome::Done);
    assert_eq!(scheduler.kill(first).outcome, Outcome::Stale);
}

#[test]
fn every_way_off_a_core_notices_a_kill() {
    type Leave = fn(&Scheduler, &mut Core) -> Outcome;
    let ways: [Leave; 4] = [
        |scheduler, core| scheduler.preempted(core, Ticks(1)).outcome,
        |scheduler, core| scheduler.yield_now(core, Ticks(1)).outcome,
        |scheduler, core| scheduler.block(core, Ticks(1)).outcome,
        |scheduler, core| scheduler.sleep(core, Ticks(1), Ticks(2)).outcome,
    ];
    for way in ways {
        let (scheduler, mut cores) = workers(1);
        let task = started(&scheduler, TaskSpec::default());
        run(&scheduler, &mut cores[0], 0);
        let _ = scheduler.kill(task);
        assert!(scheduler.kill_pending(&cores[0]));
        assert_eq!(way(&scheduler, &mut cores[0]), Outcome::Killed);
        assert_eq!(cores[0].current(), None);
    }
}

#[test]
fn a_pinned_task_runs_on_its_core_only() {
    let configs = [
        CoreConfig { runs_guests: true },
        CoreConfig { runs_guests: false },
    ];
    let (scheduler, mut cores) = Scheduler::new(&configs, LIMITS).unwrap();
    let pinned = started(
        &scheduler,
        TaskSpec {
            pin: Some(core(1)),
            ..TaskSpec::default()
        },
    );
    let free = started(&scheduler, TaskSpec::default());
    assert_eq!(run(&scheduler, &mut cores[0], 0), Some(free));
    let _ = scheduler.preempted(&mut cores[0], Ticks(1));
    assert_eq!(run(&scheduler, &mut cores[1], 1), Some(pinned));
    assert_eq!(scheduler.exit(&mut cores[1], Ticks(2)), Outcome::Done);
    assert_eq!(run(&scheduler, &mut cores[1], 2), None, "it is no worker");
}

/// Slow but not starved: the JIT worker of a machine with one core.
#[test]
fn a_running_task_moves_to_the_core_that_it_is_pinned_to() {
    let (scheduler, mut cores) = workers(2);
    let task = started(&scheduler, TaskSpec::default());
    assert_eq!(run(&scheduler, &mut cores[0], 0), Some(task));
    assert_eq!(scheduler.pin_current(&mut cores[0], Some(core(1))), Ok(()));
    let _ = scheduler.preempted(&mut cores[0], Ticks(0));
    assert_eq!(run(&scheduler, &mut cores[0], 1), None, "it left core 0");
    assert_eq!(run(&scheduler, &mut cores[1], 1), Some(task));
    assert_eq!(scheduler.pin_current(&mut cores[1], None), Ok(()));
    let _ = scheduler.preempted(&mut cores[1], Ticks(1));
    assert_eq!(run(&scheduler, &mut cores[0], 2), Some(task), "it is free");
    let nowhere = scheduler.pin_current(&mut cores[0], Some(core(7)));
    assert_eq!(nowhere, Err(SpawnError::NoSuchCore));
}

#[test]
fn a_pin_that_is_given_up_makes_room_for_another() {
    let (scheduler, mut cores) = workers(1);
    let pinned = TaskSpec {
        pin: Some(core(0)),
        ..TaskSpec::default()
    };
    let first = started(&scheduler, pinned);
    let _second = started(&scheduler, pinned);
    assert_eq!(scheduler.spawn(pinned), Err(SpawnError::PinLimit));
    assert_eq!(run(&scheduler, &mut cores[0], 0), Some(first));
    assert_eq!(scheduler.pin_current(&mut cores[0], None), Ok(()));
    assert!(scheduler.spawn(pinned).is_ok());
    let full = scheduler.pin_current(&mut cores[0], Some(core(0)));
    assert_eq!(full, Err(SpawnError::PinLimit), "and it stays unpinned");
}

#[test]
fn a_background_task_gets_one_slice_in_sixteen() {
    let (scheduler, mut cores) = workers(1);
    let normal = started(&scheduler, TaskSpec::default());
    let spec = TaskSpec {
        class: Class::Background,
        pin: Some(core(0)),
        ..TaskSpec::default()
    };
    let background = started(&scheduler, spec);
    let mut turns = [0; 2];
    for slice in 0..160 {
        let task = run(&scheduler, &mut cores[0], slice).unwrap();
        turns[usize::from(task == background)] += 1;
        assert!(task == background || task == normal);
        let _ = scheduler.preempted(&mut cores[0], Ticks(slice));
    }
    assert_eq!(turns, [150, 10]);
}

/// Time that others spend on the task's behalf counts, and brings the end of its slice forward.
#[test]
fn a_budget_ends_the_slice_and_is_charged_exactly() {
    let (scheduler, mut cores) = workers(1);
    let spec = TaskSpec {
        budget: Some(Ticks(30)),
        ..TaskSpec::default()
    };
    let task = started(&scheduler, spec);
    let (next, _) = scheduler.next(&mut cores[0], Ticks(0));
    assert_eq!(
        next,
        Next::Run {
            task,
            until: Ticks(30)
        }
    );
    assert_eq!(
        scheduler.charge(task, Ticks(10)),
        BudgetState::Ok,
        "a compile on its behalf"
    );
    let (decision, _) = scheduler.tick(&mut cores[0], Ticks(5));
    assert_eq!(decision, Decision::Continue { until: Ticks(20) });
    assert_eq!(
        scheduler.tick(&mut cores[0], Ticks(20)).0,
        Decision::Exhausted
    );
    assert_eq!(scheduler.set_budget(task, None), Outcome::Done);
    assert_eq!(
        scheduler.tick(&mut cores[0], Ticks(21)).0,
        Decision::Continue { until: Ticks(121) }
    );
}

#[test]
fn spawning_stops_at_the_limits_and_goes_on_after_a_reap() {
    let (scheduler, _) = workers(1);
    let pinned = TaskSpec {
        pin: Some(core(0)),
        ..TaskSpec::default()
    };
    let first = scheduler.spawn(pinned).unwrap();
    let _second = scheduler.spawn(pinned).unwrap();
    assert_eq!(scheduler.spawn(pinned), Err(SpawnError::PinLimit));
    let elsewhere = TaskSpec {
        pin: Some(core(1)),
        ..TaskSpec::default()
    };
    assert_eq!(scheduler.spawn(elsewhere), Err(SpawnError::NoSuchCore));
    for _ in 2..LIMITS.tasks {
        assert!(scheduler.spawn(TaskSpec::default()).is_ok());
    }
    assert_eq!(
        scheduler.spawn(TaskSpec::default()),
        Err(SpawnError::TableFull)
    );
    assert_eq!(scheduler.kill(first).outcome, Outcome::Killed);
    assert_eq!(scheduler.reap(first), Outcome::Done);
    let next = scheduler.spawn(pinned).unwrap();
    assert_eq!(next.index(), first.index());
    assert_ne!(next, first, "the generation differs");
}

/// An old id is killed after another task has moved into its slot; whether that one survives.
fn next_tenant_survives(guards: Guards) -> bool {
    let configs = [CoreConfig { runs_guests: true }];
    let limits = Limits { tasks: 1, ..LIMITS };
    let (scheduler, _) = Scheduler::with_guards(&configs, limits, guards).unwrap();
    let first = scheduler.spawn(TaskSpec::default()).unwrap();
    let _ = scheduler.kill(first);
    assert_eq!(scheduler.reap(first), Outcome::Done);
    let second = scheduler.spawn(TaskSpec::default()).unwrap();
    let _ = scheduler.kill(first);
    scheduler.state(second) == Some(State::New)
}

#[test]
fn an_old_id_does_not_reach_the_next_tenant() {
    assert!(next_tenant_survives(Guards::ALL));
    assert!(
        !next_tenant_survives(Guards::without(Guard::Generation)),
        "the check is what saves it"
    );
}

/// All tasks have the same home, whose queue is smaller than they are many.
#[test]
fn a_full_local_queue_overflows_and_loses_nothing() {
    let (scheduler, mut cores) = workers(1);
    let tasks: Vec<_> = (0..LIMITS.tasks)
        .map(|_| started(&scheduler, TaskSpec::default()))
        .collect();
    for _ in &tasks {
        run(&scheduler, &mut cores[0], 0);
        assert_eq!(
            scheduler.block(&mut cores[0], Ticks(0)).outcome,
            Outcome::Done
        );
    }
    for &task in &tasks {
        assert_eq!(scheduler.unblock(task).outcome, Outcome::Done);
    }
    assert_eq!(
        scheduler.overflows(),
        (LIMITS.tasks - LIMITS.local_queue) as u64
    );
    let mut ran: Vec<_> = (0..LIMITS.tasks)
        .filter_map(|_| {
            let task = run(&scheduler, &mut cores[0], 0);
            let _ = scheduler.exit(&mut cores[0], Ticks(0));
            task
        })
        .collect();
    ran.sort();
    assert_eq!(ran, tasks);
}

/// A core takes the entry, and later a timer fires, while the reclaimer holds the task: both take
/// effect when it is given back.
#[test]
fn a_claimed_task_is_held_still_and_loses_no_event() {
    let (scheduler, mut cores) = workers(1);
    let task = started(&scheduler, TaskSpec::default());
    let claim = scheduler.claim(task).unwrap();
    assert_eq!(
        scheduler.claim(task).unwrap_err(),
        Outcome::Lost(State::ScanReady)
    );
    assert_eq!(
        run(&scheduler, &mut cores[0], 0),
        None,
        "its entry is taken, it is not"
    );
    let effect = scheduler.release(claim);
    assert_eq!(
        (effect.outcome, effect.kick.contains(core(0))),
        (Outcome::Done, true)
    );
    assert_eq!(run(&scheduler, &mut cores[0], 1), Some(task));
    assert_eq!(
        scheduler.claim(task).unwrap_err(),
        Outcome::Lost(State::Running(core(0))),
        "a running task cannot be held"
    );
    assert_eq!(
        scheduler.sleep(&mut cores[0], Ticks(1), Ticks(9)).outcome,
        Outcome::Done
    );
    let claim = scheduler.claim(task).unwrap();
    assert_eq!(
        run(&scheduler, &mut cores[0], 9),
        None,
        "its timer fires, but it is held"
    );
    let _ = scheduler.release(claim);
    assert_eq!(run(&scheduler, &mut cores[0], 10), Some(task));
}

#[test]
fn a_kill_of_a_claimed_task_is_told_to_the_claimer() {
    let (scheduler, mut cores) = workers(1);
    let task = started(&scheduler, TaskSpec::default());
    let claim = scheduler.claim(task).unwrap();
    assert_eq!(scheduler.kill(task).outcome, Outcome::Pending);
    assert_eq!(scheduler.release(claim).outcome, Outcome::Killed);
    assert_eq!(scheduler.reap(task), Outcome::Pending);
    assert_eq!(run(&scheduler, &mut cores[0], 0), None);
    assert_eq!(scheduler.state(task), None);
}

/// Its cache lines are there; and one task is no reason to wake three cores.
#[test]
fn one_ready_task_wakes_one_idle_core_and_rather_its_own() {
    let (scheduler, mut cores) = workers(3);
    let task = started(&scheduler, TaskSpec::default());
    assert_eq!(run(&scheduler, &mut cores[2], 0), Some(task));
    let _ = scheduler.block(&mut cores[2], Ticks(0));
    for core in &mut cores {
        assert_eq!(run(&scheduler, core, 0), None);
    }
    let kick = scheduler.unblock(task).kick;
    assert_eq!(kick.iter().collect::<Vec<_>>(), [core(2)]);
    let kicks = started(&scheduler, TaskSpec::default());
    assert_eq!(scheduler.state(kicks), Some(State::Ready));
}

/// The invariant of `idle`: whoever was woken and runs something else hands the duty on.
#[test]
fn a_busy_core_that_was_woken_passes_the_wake_up_on() {
    let (scheduler, mut cores) = workers(2);
    let pinned = started(
        &scheduler,
        TaskSpec {
            pin: Some(core(0)),
            ..TaskSpec::default()
        },
    );
    run(&scheduler, &mut cores[0], 0);
    let _ = scheduler.block(&mut cores[0], Ticks(0));
    for core in &mut cores {
        run(&scheduler, core, 0);
    }
    // Core 0 is claimed for the free task, but its own task comes first.
    let free = scheduler.spawn(TaskSpec::default()).unwrap();
    assert!(scheduler.start(free).kick.contains(core(0)));
    assert_eq!(scheduler.unblock(pinned).kick, CoreSet::EMPTY);
    let mut passed = CoreSet::EMPTY;
    while cores[0].current() != Some(pinned) {
        let _ = scheduler.yield_now(&mut cores[0], Ticks(1));
        passed.extend(scheduler.next(&mut cores[0], Ticks(1)).1);
    }
    assert!(
        passed.contains(core(1)),
        "core 1 hears of the task that core 0 does not run"
    );
    assert_eq!(run(&scheduler, &mut cores[1], 1), Some(free));
}
