//! The shared half: every operation that any core may do to any task.
//!
//! Each operation is one transition of the task's state word, followed by what the transition asks
//! for: queue the task and find an idle core for it, free its slot, or tell the core that runs it.
//! What concerns only the calling core is in `local`.

use crate::budget::BudgetState;
use crate::guards::{Guard, Guards};
use crate::idle::IdleMask;
use crate::local::Core;
use crate::queues::{Place, Queues};
use crate::stats::{CoreStats, Counters};
use crate::table::{Slot, Table};
use crate::timer::Timer;
use crate::types::{CoreConfig, CoreId, CoreSet, Limits, MAX_CORES, TaskId, TaskSpec, Ticks};
use crate::word::{Event, Outcome, State, Then};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

/// Tasks, run queues and idle cores, shared by all cores.
#[derive(Debug)]
pub struct Scheduler {
    pub(crate) table: Table,
    pub(crate) queues: Queues,
    pub(crate) idle: IdleMask,
    pub(crate) counters: Box<[CoreCounters]>,
    pub(crate) limits: Limits,
    pub(crate) guards: Guards,
    cores: usize,
}

/// A core's counters, on a cache line of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct CoreCounters(pub(crate) Counters);

/// What an operation did, and which cores have to hear of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the cores in `kick` wait for an IPI"]
pub struct Effect {
    /// What came of it.
    pub outcome: Outcome,
    /// Cores to send the reschedule IPI to.
    pub kick: CoreSet,
}

/// The right to look at a task that is held still; given back with [`Scheduler::release`].
#[derive(Debug)]
#[must_use = "a claimed task runs again only after `release`"]
pub struct Claim {
    task: TaskId,
}

impl Claim {
    /// The task that is held.
    #[must_use]
    pub const fn task(&self) -> TaskId {
        self.task
    }
}

/// Why a scheduler cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// The list of cores is empty.
    NoCores,
    /// It has more than [`MAX_CORES`].
    TooManyCores,
    /// `tasks`, `local_queue`, `pinned_per_core` or `slice` is zero, or `tasks` exceeds 32 bits.
    BadLimits,
}

/// Why a task cannot be spawned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpawnError {
    /// [`Limits::tasks`] are alive.
    TableFull,
    /// [`Limits::pinned_per_core`] are alive that are pinned to that core.
    PinLimit,
    /// It is pinned to a core that is not in the list.
    NoSuchCore,
    /// It is not pinned, and no core is a worker.
    NoWorker,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCores => "no core to schedule for",
            Self::TooManyCores => "more cores than the scheduler can name",
            Self::BadLimits => "a limit is zero or does not fit",
        })
    }
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TableFull => "task table is full",
            Self::PinLimit => "too many tasks are pinned to that core",
            Self::NoSuchCore => "pinned to a core that does not exist",
            Self::NoWorker => "not pinned, and no core is a worker",
        })
    }
}

impl core::error::Error for ConfigError {}
impl core::error::Error for SpawnError {}

impl Scheduler {
    /// A scheduler for `cores`, and for each of them the half that belongs to it, in the same order.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn new(cores: &[CoreConfig], limits: Limits) -> Result<(Self, Vec<Core>), ConfigError> {
        Self::with_guards(cores, limits, Guards::ALL)
    }

    /// As [`Scheduler::new`], with a choice of protecting mechanisms.
    pub(crate) fn with_guards(
        cores: &[CoreConfig],
        limits: Limits,
        guards: Guards,
    ) -> Result<(Self, Vec<Core>), ConfigError> {
        let Limits {
            tasks,
            pinned_per_core,
            local_queue,
            slice,
        } = limits;
        if cores.is_empty() {
            return Err(ConfigError::NoCores);
        }
        if cores.len() > MAX_CORES {
            return Err(ConfigError::TooManyCores);
        }
        let sizes = [tasks, pinned_per_core, local_queue];
        if sizes.contains(&0) || slice == Ticks::ZERO || tasks >= u32::MAX as usize {
            return Err(ConfigError::BadLimits);
        }
        let scheduler = Self {
            table: Table::new(tasks, guards),
            queues: Queues::new(cores, &limits, guards),
            idle: IdleMask::new(cores.len(), guards),
            counters: cores.iter().map(|_| CoreCounters::default()).collect(),
            limits,
            guards,
            cores: cores.len(),
        };
        let ids = (0..cores.len()).filter_map(CoreId::new);
        Ok((scheduler, ids.map(|id| Core::new(id, tasks)).collect()))
    }

    /// Reserves a task in state `New`. It does not run before [`Scheduler::start`], so the caller
    /// can prepare what belongs to its [`TaskId::index`].
    ///
    /// # Errors
    /// See [`SpawnError`].
    pub fn spawn(&self, spec: TaskSpec) -> Result<TaskId, SpawnError> {
        self.reserve(spec.pin)?;
        self.table.allocate(&spec).ok_or_else(|| {
            if let Some(core) = spec.pin {
                self.queues.release_pin(core);
            }
            SpawnError::TableFull
        })
    }

    /// Reserves room for a task that is to run on `pin`, or on any worker.
    pub(crate) fn reserve(&self, pin: Option<CoreId>) -> Result<(), SpawnError> {
        match pin {
            Some(core) if core.index() >= self.cores => Err(SpawnError::NoSuchCore),
            Some(core) if !self.queues.reserve_pin(core) => Err(SpawnError::PinLimit),
            None if self.queues.workers().is_empty() => Err(SpawnError::NoWorker),
            _ => Ok(()),
        }
    }

    /// Makes a new task ready.
    pub fn start(&self, task: TaskId) -> Effect {
        self.apply(task, Event::Start)
    }

    /// Ends the wait of a blocked task. On a task that is not blocked (yet), its next `block` or
    /// `sleep` returns at once: waiter and waker need no order between them, as long as the waiter
    /// first says where it waits, then checks its condition, then blocks.
    pub fn unblock(&self, task: TaskId) -> Effect {
        self.apply(task, Event::Wake)
    }

    /// Ends a task. `Killed`: at once; the caller tears it down. `Pending`: the core that runs it is
    /// in `kick`, and its next `tick`, `block`, `yield_now` or `preempted` answers `Killed` to that
    /// core (for a claimed task: `release` does).
    pub fn kill(&self, task: TaskId) -> Effect {
        self.apply(task, Event::Kill)
    }

    /// Gives the slot of an ended task back, after teardown. `Pending` means that it will be free as
    /// soon as a queue entry of the task has been discarded; either way the id is the caller's no more.
    pub fn reap(&self, task: TaskId) -> Outcome {
        self.apply(task, Event::Reap).outcome
    }

    /// Holds a task still that is ready or blocked, so that its saved registers and stack can be
    /// read. A running one answers `Lost(Running)`: its own core looks at its next preemption.
    ///
    /// # Errors
    /// The state found, if it can not be held in it, or that the id is stale.
    pub fn claim(&self, task: TaskId) -> Result<Claim, Outcome> {
        match self.table.apply(task, Event::Claim).outcome {
            Outcome::Done => Ok(Claim { task }),
            other => Err(other),
        }
    }

    /// Lets a claimed task go on. `Killed` if somebody ended it meanwhile: the caller tears it down.
    pub fn release(&self, claim: Claim) -> Effect {
        self.apply(claim.task, Event::Release)
    }

    /// Limits the processor time of `task` from now on; a new call begins. The core that runs it
    /// learns of an earlier end at its next `tick`.
    pub fn set_budget(&self, task: TaskId, limit: Option<Ticks>) -> Outcome {
        match self.table.state(task) {
            None => Outcome::Stale,
            Some(_) => {
                self.table.slot(task).budget.set(limit);
                Outcome::Done
            }
        }
    }

    /// Charges `task` for time used on its behalf elsewhere, such as a compile; its own running time
    /// is charged by the core it runs on. A stale id is charged nothing.
    pub fn charge(&self, task: TaskId, used: Ticks) -> BudgetState {
        match self.table.state(task) {
            None => BudgetState::Ok,
            Some(_) => self.table.slot(task).budget.charge(used),
        }
    }

    /// The state of a task, or `None` if the id is stale.
    #[must_use]
    pub fn state(&self, task: TaskId) -> Option<State> {
        self.table.state(task)
    }

    /// The tasks alive or to be reaped; each is looked at by itself, not all at one moment.
    pub fn tasks(&self) -> impl Iterator<Item = TaskId> {
        self.table.ids()
    }

    /// What `core` has done so far.
    #[must_use]
    pub fn stats(&self, core: CoreId) -> CoreStats {
        self.counters
            .get(core.index())
            .map(|own| own.0.snapshot())
            .unwrap_or_default()
    }

    /// How often a ready task did not fit into a core's own queue and went to the shared one.
    #[must_use]
    pub fn overflows(&self) -> u64 {
        self.queues.overflows()
    }

    /// The limits it was made with.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// One transition, and all that it asks for.
    pub(crate) fn apply(&self, task: TaskId, event: Event) -> Effect {
        // Once the slot is free, its pin belongs to the next tenant.
        let pin = self.table.get(task).and_then(Slot::pin);
        let applied = self.table.apply(task, event);
        let kick = match applied.then {
            Then::Nothing => CoreSet::EMPTY,
            Then::Enqueue => self.enqueue(task),
            Then::Kick(core) => single(Some(core)),
            Then::Free => {
                if let Some(core) = pin {
                    self.queues.release_pin(core);
                }
                CoreSet::EMPTY
            }
        };
        Effect {
            outcome: applied.outcome,
            kick,
        }
    }

    /// Ends the wait that `timer` was set for, if it is over and its task is still in it; the answer
    /// is whom to kick for a task that was woken, or nothing.
    ///
    /// An entry may be stale in three ways. The task is gone: the generation differs. It waits no
    /// more: the state tells. It is in a later wait: the epoch differs; as that is a small number
    /// which may come round, `wake_at` must agree as well. If a later wait begins only after these
    /// looks, the exchange finds another epoch and fails.
    pub(crate) fn expire(&self, timer: Timer, now: Ticks) -> Option<CoreSet> {
        let epoch = self.wait_of(timer).filter(|_| timer.at <= now)?;
        let effect = self.apply(timer.task, Event::Expire(epoch));
        let woken = matches!(effect.outcome, Outcome::Done | Outcome::Pending);
        woken.then_some(effect.kick)
    }

    /// The epoch of the wait that `timer` ends, or `None` if it is stale.
    pub(crate) fn wait_of(&self, timer: Timer) -> Option<u16> {
        let slot = self.table.slot(timer.task);
        let word = slot.word();
        let same_task = word.is(timer.task) || !self.guards.on(Guard::Generation);
        let waits = matches!(word.state(), State::Blocked | State::ScanBlocked);
        let same_wait = word.epoch() == timer.epoch && slot.wake_at() == timer.at;
        let is_current = same_wait || !self.guards.on(Guard::TimerCheck);
        (same_task && waits && is_current).then_some(word.epoch())
    }

    /// Queues a task that has just become ready, and finds an idle core for it. Its slot is read
    /// before its entry is in a queue: from then on another core may run and even reap it.
    fn enqueue(&self, task: TaskId) -> CoreSet {
        let place = self.place_of(task);
        self.queues.push(task, place);
        self.find_core_for(place)
    }

    /// Where `task` waits when it is ready.
    pub(crate) fn place_of(&self, task: TaskId) -> Place {
        let slot = self.table.slot(task);
        Place {
            class: slot.class(),
            pin: slot.pin(),
            home: slot.home(),
        }
    }

    /// R2 of the idle protocol: an idle core that may run a task queued at `place`, claimed for it.
    /// Rather the one it ran on last, then any worker.
    pub(crate) fn find_core_for(&self, place: Place) -> CoreSet {
        self.idle.order_after_push();
        if !self.guards.on(Guard::WakeIpi) {
            return CoreSet::EMPTY;
        }
        if let Some(core) = place.pin {
            return single(Some(core).filter(|&core| self.idle.claim(core)));
        }
        let workers = self.queues.workers();
        let home = place
            .home
            .filter(|&core| workers.contains(core) && self.idle.claim(core));
        single(home.or_else(|| self.idle.claim_any(workers)))
    }

    /// A wake-up was given to a core that is busy now: another idle worker gets it, if tasks are left.
    pub(crate) fn pass_on(&self) -> CoreSet {
        self.idle.order_after_push();
        if self.guards.on(Guard::PassOn) && self.queues.has_stealable() {
            single(self.idle.claim_any(self.queues.workers()))
        } else {
            CoreSet::EMPTY
        }
    }
}

fn single(core: Option<CoreId>) -> CoreSet {
    let mut set = CoreSet::EMPTY;
    if let Some(core) = core {
        set.insert(core);
    }
    set
}
