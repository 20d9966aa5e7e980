//! Loom explores the interleavings and stale reads of small races between cores, on the real code.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p sched --release`. The models are complete but for the
//! number of forced context switches per run, [`SWITCHES`]. Every mechanism that a model is about
//! has a twin of the model with that mechanism off, in which loom must find the failure: so a model
//! that could not fail would be noticed.
#![cfg(loom)]

use crate::guards::{Guard, Guards};
use crate::{
    Core, CoreConfig, CoreId, CoreSet, Limits, Outcome, Scheduler, State, TaskId, TaskSpec, Ticks,
};
use alloc::vec;
use alloc::vec::Vec;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;
use std::panic;

/// Forced context switches per run. Three suffice for each failure that the twins find.
const SWITCHES: usize = 3;

const NOW: Ticks = Ticks(0);

/// Runs `model` over all interleavings.
fn explore(guards: Guards, model: fn(Guards)) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(SWITCHES);
    builder.check(move || model(guards));
}

/// Whether loom finds a run in which `model` fails without `guard`.
fn fails_without(guard: Guard, model: fn(Guards)) -> bool {
    panic::catch_unwind(|| explore(Guards::without(guard), model)).is_err()
}

fn workers(count: usize, guards: Guards) -> (Arc<Scheduler>, Vec<Core>) {
    let limits = Limits {
        tasks: 2,
        pinned_per_core: 1,
        local_queue: 1,
        slice: Ticks(100),
    };
    let configs = vec![CoreConfig { runs_guests: true }; count];
    let (scheduler, cores) = Scheduler::with_guards(&configs, limits, guards).unwrap();
    (Arc::new(scheduler), cores)
}

fn spawn(scheduler: &Scheduler) -> TaskId {
    scheduler.spawn(TaskSpec::default()).unwrap()
}

/// A task that runs on `core`.
fn running(scheduler: &Scheduler, core: &mut Core) -> TaskId {
    let task = spawn(scheduler);
    let _ = scheduler.start(task);
    let _ = scheduler.next(core, NOW);
    assert_eq!(core.current(), Some(task));
    task
}

fn core_id(index: usize) -> CoreId {
    CoreId::new(index).unwrap()
}

/// A core becomes idle while a task becomes ready: it runs it, or it is kicked.
fn a_core_halts_while_a_task_is_started(guards: Guards) {
    let (scheduler, mut cores) = workers(1, guards);
    let task = spawn(&scheduler);
    let starter = {
        let scheduler = scheduler.clone();
        thread::spawn(move || scheduler.start(task).kick)
    };
    let _ = scheduler.next(&mut cores[0], NOW);
    let kick = starter.join().unwrap();
    let runs = cores[0].current().is_some();
    assert!(
        runs || kick.contains(core_id(0)),
        "halted with a ready task"
    );
}

#[test]
fn no_core_halts_on_a_ready_task() {
    explore(Guards::ALL, a_core_halts_while_a_task_is_started);
}

#[test]
fn without_the_fences_a_core_halts_on_a_ready_task() {
    assert!(fails_without(
        Guard::IdleFence,
        a_core_halts_while_a_task_is_started
    ));
}

#[test]
fn without_the_second_look_a_core_halts_on_a_ready_task() {
    assert!(fails_without(
        Guard::Recheck,
        a_core_halts_while_a_task_is_started
    ));
}

#[test]
fn without_the_ipi_a_core_halts_on_a_ready_task() {
    assert!(fails_without(
        Guard::WakeIpi,
        a_core_halts_while_a_task_is_started
    ));
}

/// Core 1 is halted, core 0 about to be; a task pinned to core 0 and one for any core are started at
/// once. At the end, with every kick delivered, no task waits while a core is halted.
fn two_tasks_are_started_for_two_idle_cores(guards: Guards) {
    let (scheduler, mut cores) = workers(2, guards);
    let mut late = cores.pop().unwrap();
    let mut early = cores.pop().unwrap();
    let _ = scheduler.next(&mut late, NOW);
    let pinned = TaskSpec {
        pin: Some(core_id(0)),
        ..TaskSpec::default()
    };
    let tasks = [scheduler.spawn(pinned).unwrap(), spawn(&scheduler)];
    let starters = tasks.map(|task| {
        let scheduler = scheduler.clone();
        thread::spawn(move || scheduler.start(task).kick)
    });
    let mut kick = scheduler.next(&mut early, NOW).1;
    for starter in starters {
        kick.extend(starter.join().unwrap());
    }
    deliver(&scheduler, [&mut early, &mut late], kick);
    // The pinned task may have to wait for core 0, but then core 0 is busy.
    assert!(
        early.current().is_some(),
        "core 0 is halted beside its task"
    );
    let runs = matches!(scheduler.state(tasks[1]), Some(State::Running(_)));
    assert!(runs, "core 1 is halted beside a free task");
}

/// Kicked cores look, until nobody is left to kick. A busy core goes on with what it runs.
fn deliver(scheduler: &Scheduler, cores: [&mut Core; 2], mut kick: CoreSet) {
    let mut rounds = 0;
    let mut cores = cores;
    while !kick.is_empty() {
        rounds += 1;
        assert!(rounds < 8, "kicks do not come to an end");
        let mut next = CoreSet::EMPTY;
        for core in &mut cores {
            if kick.contains(core.id()) {
                next.extend(scheduler.next(core, NOW).1);
            }
        }
        kick = next;
    }
}

#[test]
fn two_started_tasks_get_two_idle_cores() {
    explore(Guards::ALL, two_tasks_are_started_for_two_idle_cores);
}

#[test]
fn without_passing_on_a_task_waits_beside_a_halted_core() {
    assert!(fails_without(
        Guard::PassOn,
        two_tasks_are_started_for_two_idle_cores
    ));
}

/// A task looks at its condition and blocks, while the condition comes true and it is woken. An
/// older wake-up is already noted, so that the waker finds the token set.
fn a_condition_comes_true_while_its_task_blocks(guards: Guards) {
    let (scheduler, mut cores) = workers(1, guards);
    let task = running(&scheduler, &mut cores[0]);
    assert_eq!(scheduler.unblock(task).outcome, Outcome::Pending);
    let condition = Arc::new(AtomicU64::new(0));
    let waker = {
        let (scheduler, condition) = (scheduler.clone(), condition.clone());
        thread::spawn(move || {
            // ORDERING: Relaxed, and so are the loads: the wake-up alone has to carry it over.
            condition.store(1, Ordering::Relaxed);
            let _ = scheduler.unblock(task);
        })
    };
    // ORDERING: Relaxed, both loads, as said at the store.
    let mut is_true = condition.load(Ordering::Relaxed) == 1;
    while !is_true && scheduler.block(&mut cores[0], NOW).outcome == Outcome::Stays {
        is_true = condition.load(Ordering::Relaxed) == 1;
    }
    waker.join().unwrap();
    let sleeps = scheduler.state(task) == Some(State::Blocked);
    assert!(is_true || !sleeps, "blocked although its condition is true");
}

#[test]
fn a_wake_up_carries_its_data_to_a_task_that_blocks() {
    explore(Guards::ALL, a_condition_comes_true_while_its_task_blocks);
}

#[test]
fn without_the_token_a_wake_up_is_lost() {
    assert!(fails_without(
        Guard::WakeToken,
        a_condition_comes_true_while_its_task_blocks
    ));
}

#[test]
fn without_writing_a_set_token_again_the_data_is_missed() {
    assert!(fails_without(
        Guard::WakeWrites,
        a_condition_comes_true_while_its_task_blocks
    ));
}

/// Core 0 fires the timer of a wait that core 1 ends early; the task sleeps again on core 1, longer.
fn a_timer_fires_while_the_wait_ends_and_another_begins(guards: Guards) {
    let (scheduler, mut cores) = workers(2, guards);
    let task = running(&scheduler, &mut cores[0]);
    assert_eq!(
        scheduler.sleep(&mut cores[0], NOW, Ticks(50)).outcome,
        Outcome::Done
    );
    let mut other = cores.pop().unwrap();
    let waker = {
        let scheduler = scheduler.clone();
        thread::spawn(move || {
            let _ = scheduler.unblock(task);
            let _ = scheduler.next(&mut other, Ticks(50));
            other.current().is_some()
                && scheduler.sleep(&mut other, Ticks(50), Ticks(1000)).outcome == Outcome::Done
        })
    };
    let _ = scheduler.tick(&mut cores[0], Ticks(50));
    let sleeps = waker.join().unwrap();
    assert!(
        !sleeps || scheduler.state(task) == Some(State::Blocked),
        "woken 950 ticks early"
    );
}

#[test]
fn an_old_timer_never_ends_a_new_wait() {
    explore(
        Guards::ALL,
        a_timer_fires_while_the_wait_ends_and_another_begins,
    );
}

#[test]
fn without_comparing_times_an_old_timer_ends_a_new_wait() {
    let model = a_timer_fires_while_the_wait_ends_and_another_begins;
    assert!(fails_without(Guard::TimerCheck, model));
}

/// Two killers and the core that takes the task: one of them ends it, the slot becomes free once.
fn a_task_is_killed_twice_while_it_is_taken(guards: Guards) {
    let (scheduler, mut cores) = workers(1, guards);
    let task = spawn(&scheduler);
    let _ = scheduler.start(task);
    let killers = [(); 2].map(|()| {
        let scheduler = scheduler.clone();
        thread::spawn(move || end(&scheduler, task, scheduler.kill(task).outcome))
    });
    let _ = scheduler.next(&mut cores[0], NOW);
    let outcome = scheduler.preempted(&mut cores[0], NOW).outcome;
    let mut ends = end(&scheduler, task, outcome);
    for killer in killers {
        ends += killer.join().unwrap();
    }
    // A kill that found the task running may have been noted after it was preempted.
    let _ = scheduler.next(&mut cores[0], NOW);
    let outcome = scheduler.preempted(&mut cores[0], NOW).outcome;
    ends += end(&scheduler, task, outcome);
    assert_eq!(
        (ends, scheduler.state(task)),
        (1, None),
        "torn down once, then free"
    );
}

/// Tears `task` down if `outcome` says that it is the caller's to do.
fn end(scheduler: &Scheduler, task: TaskId, outcome: Outcome) -> usize {
    if outcome != Outcome::Killed {
        return 0;
    }
    let reaped = scheduler.reap(task);
    assert!(
        matches!(reaped, Outcome::Done | Outcome::Pending),
        "reaped twice: {reaped:?}"
    );
    1
}

#[test]
fn a_task_ends_exactly_once() {
    explore(Guards::ALL, a_task_is_killed_twice_while_it_is_taken);
}

/// The reclaimer holds a ready task while its core takes the entry and somebody wakes it.
fn a_task_is_scanned_while_it_is_taken(guards: Guards) {
    let (scheduler, mut cores) = workers(1, guards);
    let task = spawn(&scheduler);
    let _ = scheduler.start(task);
    let scanner = {
        let scheduler = scheduler.clone();
        thread::spawn(move || match scheduler.claim(task) {
            Ok(claim) => {
                let held = scheduler.state(task);
                assert_eq!(held, Some(State::ScanReady), "a held task moved");
                scheduler.release(claim).kick
            }
            Err(_) => CoreSet::EMPTY,
        })
    };
    let _ = scheduler.next(&mut cores[0], NOW);
    let kick = scanner.join().unwrap();
    if kick.contains(core_id(0)) {
        let _ = scheduler.next(&mut cores[0], NOW);
    }
    assert_eq!(cores[0].current(), Some(task), "the task was lost");
}

#[test]
fn a_scanned_task_is_not_lost() {
    explore(Guards::ALL, a_task_is_scanned_while_it_is_taken);
}
