//! The scheduler on real threads, one per core: the real queues and the machine's own memory order.
//!
//! What order things happen in is the machine's choice, so a failure here is not reproduced by a
//! seed; `sim` and `loom_models` are for that. A halted core waits for nothing but its kick or its
//! timer, so a lost wake-up shows as cores that spin until the bound, [`MAX_SPINS`].
#![cfg(not(loom))]

use crate::{Core, CoreConfig, CoreId, CoreSet, Limits, Next, Outcome, Scheduler, TaskSpec, Ticks};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;

const CORES: usize = 4;
const TASKS: usize = 48;
/// How often each task runs before it exits.
const ROUNDS: usize = 2000;
/// Rounds of waiting of one core without an event, after which its wake-up counts as lost.
const MAX_SPINS: usize = 20_000_000;

// ORDERING: SeqCst for all of the test's own bookkeeping, which must not be what fails; each
// access pairs with every other one of the same place.
const BOOKS: Ordering = Ordering::SeqCst;

/// What the cores share: the scheduler, and the test's books about it.
struct Shared {
    scheduler: Scheduler,
    /// By core: a reschedule IPI is pending.
    kicked: Vec<AtomicBool>,
    /// By task index: it is on a core.
    on_core: Vec<AtomicBool>,
    /// By task index: how often it ran.
    rounds: Vec<AtomicUsize>,
    /// The clock; every look at it takes a tick.
    clock: AtomicU64,
    ended: AtomicUsize,
}

impl Shared {
    fn now(&self) -> Ticks {
        Ticks(self.clock.fetch_add(1, BOOKS))
    }

    fn kick(&self, cores: CoreSet) {
        for core in cores.iter() {
            self.kicked[core.index()].store(true, BOOKS);
        }
    }

    /// A core's life, until all tasks have ended.
    fn work(&self, mut core: Core) {
        while self.ended.load(BOOKS) < TASKS {
            let (next, kick) = self.scheduler.next(&mut core, self.now());
            self.kick(kick);
            match next {
                Next::Run { .. } => self.run_task(&mut core),
                Next::Idle { until } => self.halt(&core, until),
            }
        }
    }

    fn halt(&self, core: &Core, until: Option<Ticks>) {
        let kicked = &self.kicked[core.id().index()];
        for _ in 0..MAX_SPINS {
            let is_time = until.is_some_and(|until| until <= self.now());
            if kicked.swap(false, BOOKS) || is_time || self.ended.load(BOOKS) == TASKS {
                return;
            }
            thread::yield_now();
        }
        panic!("core {:?} is halted and nobody wakes it", core.id());
    }

    /// Runs the core's task until it leaves: it wakes another, and then yields, sleeps or blocks.
    fn run_task(&self, core: &mut Core) {
        while let Some(task) = core.current() {
            let (index, now) = (task.index(), self.now());
            assert!(
                !self.on_core[index].swap(true, BOOKS),
                "{task:?} is on two cores"
            );
            let round = self.rounds[index].fetch_add(1, BOOKS);
            let draw = round * 7 + index * 13;
            for other in self.scheduler.tasks().skip(draw % TASKS).take(2) {
                self.kick(self.scheduler.unblock(other).kick);
            }
            self.on_core[index].store(false, BOOKS);
            if round + 1 == ROUNDS {
                assert_eq!(self.scheduler.exit(core, now), Outcome::Done);
                assert_eq!(self.scheduler.reap(task), Outcome::Done);
                self.ended.fetch_add(1, BOOKS);
                continue;
            }
            let effect = match draw % 3 {
                0 => self.scheduler.yield_now(core, now),
                1 => self.scheduler.preempted(core, now),
                _ => self
                    .scheduler
                    .sleep(core, now, now.after(Ticks(draw as u64 % 64))),
            };
            self.kick(effect.kick);
        }
    }
}

#[test]
fn no_task_is_lost_or_doubled_on_real_threads() {
    let limits = Limits {
        tasks: TASKS,
        pinned_per_core: 8,
        local_queue: 4,
        slice: Ticks(100),
    };
    let configs = [CoreConfig { runs_guests: true }; CORES];
    let (scheduler, cores) = Scheduler::new(&configs, limits).unwrap();
    for index in 0..TASKS {
        let pin = CoreId::new(index % CORES).filter(|_| index < 8);
        let task = scheduler
            .spawn(TaskSpec {
                pin,
                ..TaskSpec::default()
            })
            .unwrap();
        // No core runs yet, so there is none to kick.
        assert!(scheduler.start(task).kick.is_empty());
    }
    let shared = Shared {
        scheduler,
        kicked: (0..CORES).map(|_| AtomicBool::new(false)).collect(),
        on_core: (0..TASKS).map(|_| AtomicBool::new(false)).collect(),
        rounds: (0..TASKS).map(|_| AtomicUsize::new(0)).collect(),
        clock: AtomicU64::new(0),
        ended: AtomicUsize::new(0),
    };
    thread::scope(|scope| {
        for core in cores {
            scope.spawn(|| shared.work(core));
        }
    });
    assert_eq!(
        shared.scheduler.tasks().count(),
        0,
        "every slot is free again"
    );
    assert!(
        shared
            .rounds
            .iter()
            .all(|rounds| rounds.load(BOOKS) == ROUNDS)
    );
}
