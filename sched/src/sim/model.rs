//! What each task must be doing, kept in the plainest way, and the checks against the scheduler.
//!
//! The model knows nothing of words, queues or masks: a task is in a phase, may have a wake-up or a
//! kill to come, and that decides what every operation has to answer.

use super::{Property, Violation};
use crate::types::{CoreId, Limits, TaskId, TaskSpec, Ticks};
use crate::word::{Outcome, State};
use crate::{Class, Core, Scheduler};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// A wait, and the core whose timer ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    pub(super) until: Ticks,
    pub(super) core: CoreId,
}

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    New,
    Ready,
    Running(CoreId),
    Blocked(Wait),
    /// Held by the reclaimer, out of this wait if it was in one.
    Held(Option<Wait>),
    Ended,
}

/// A task of the model.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) id: TaskId,
    pub(super) spec: TaskSpec,
    pub(super) phase: Phase,
    /// A wake-up came before the wait.
    pub(super) woken: bool,
    /// A kill waits for the holder to let go.
    pub(super) killed: bool,
    /// What is left of its budget.
    left: Option<Ticks>,
    /// Its running time is charged up to here.
    charged_until: Ticks,
    /// The core it ran on last.
    home: Option<CoreId>,
    /// How many picks each core had made when the task was queued; `None` while it is not.
    queued_at: Option<Vec<usize>>,
}

/// All tasks that are not reaped yet, and some ids that are.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) tasks: Vec<Task>,
    pub(super) stale: Vec<TaskId>,
    limits: Limits,
}

/// What went wrong, before the step is known.
pub(super) type Check = Result<(), (Property, String)>;

impl Model {
    pub(super) const fn new(limits: Limits) -> Self {
        Self {
            tasks: Vec::new(),
            stale: Vec::new(),
            limits,
        }
    }

    pub(super) fn add(&mut self, id: TaskId, spec: TaskSpec) {
        let task = Task {
            id,
            spec,
            phase: Phase::New,
            woken: false,
            killed: false,
            left: spec.budget,
            charged_until: Ticks::ZERO,
            home: None,
            queued_at: None,
        };
        self.tasks.push(task);
    }

    pub(super) fn find(&mut self, id: TaskId) -> Option<&mut Task> {
        self.tasks.iter_mut().find(|task| task.id == id)
    }

    /// What `start` answers.
    pub(super) fn start(&mut self, id: TaskId) -> Outcome {
        match self.find(id) {
            Some(task) if task.phase == Phase::New => {
                task.phase = Phase::Ready;
                Outcome::Done
            }
            Some(task) => Outcome::Lost(task.state()),
            None => Outcome::Stale,
        }
    }

    /// What `unblock` answers.
    pub(super) fn unblock(&mut self, id: TaskId) -> Outcome {
        let Some(task) = self.find(id) else {
            return Outcome::Stale;
        };
        match task.phase {
            Phase::Blocked(_) => {
                task.phase = Phase::Ready;
                Outcome::Done
            }
            Phase::Held(Some(_)) => {
                task.phase = Phase::Held(None);
                Outcome::Pending
            }
            Phase::Ended => Outcome::Lost(task.state()),
            _ => {
                task.woken = true;
                Outcome::Pending
            }
        }
    }

    /// What `kill` answers.
    pub(super) fn kill(&mut self, id: TaskId) -> Outcome {
        let Some(task) = self.find(id) else {
            return Outcome::Stale;
        };
        match task.phase {
            Phase::Running(_) | Phase::Held(_) => {
                task.killed = true;
                Outcome::Pending
            }
            Phase::Ended => Outcome::Lost(task.state()),
            _ => task.end(),
        }
    }

    /// What its core is answered when it takes the task off to be in `phase`.
    pub(super) fn leave(&mut self, id: TaskId, phase: Phase) -> Outcome {
        let Some(task) = self.find(id) else {
            return Outcome::Stale;
        };
        let waits = matches!(phase, Phase::Blocked(_));
        if task.killed {
            return task.end();
        }
        if waits && core::mem::take(&mut task.woken) {
            return Outcome::Stays;
        }
        task.phase = phase;
        Outcome::Done
    }

    /// What `release` answers.
    pub(super) fn release(&mut self, id: TaskId) -> Outcome {
        let Some(task) = self.find(id) else {
            return Outcome::Stale;
        };
        match task.phase {
            Phase::Held(_) if task.killed => return task.end(),
            Phase::Held(Some(wait)) => task.phase = Phase::Blocked(wait),
            Phase::Held(None) => task.phase = Phase::Ready,
            _ => return Outcome::Lost(task.state()),
        }
        Outcome::Done
    }

    /// If the task is ready, it is in a queue from now on, or again.
    pub(super) fn queued(&mut self, id: TaskId, cores: &[Core]) {
        let turns = cores.iter().map(Core::picks).collect();
        if let Some(task) = self.find(id) {
            task.queued_at = Some(turns).filter(|_| task.phase == Phase::Ready);
        }
    }

    /// The running task is charged up to `now`; whether its budget is used up.
    pub(super) fn charge(&mut self, id: TaskId, now: Ticks) -> bool {
        let Some(task) = self.find(id) else {
            return false;
        };
        let used = now.since(task.charged_until);
        task.charged_until = now;
        task.left = task.left.map(|left| left.since(used));
        task.left == Some(Ticks::ZERO)
    }

    /// A core has taken the task out of a queue.
    pub(super) fn taken(&mut self, id: TaskId, core: CoreId, is_worker: bool, now: Ticks) -> Check {
        let Some(task) = self.find(id) else {
            return Err((
                Property::Misplaced,
                format!("{core:?} runs {id:?}, which has ended"),
            ));
        };
        let may_run = task.spec.pin.map_or(is_worker, |pin| pin == core);
        if task.phase != Phase::Ready || !may_run {
            return Err((Property::Misplaced, format!("{core:?} runs {task:?}")));
        }
        task.phase = Phase::Running(core);
        task.home = Some(core);
        task.charged_until = now;
        task.queued_at = None;
        Ok(())
    }

    /// `core` has just looked at its timers.
    pub(super) fn timers_fired(&mut self, core: CoreId, now: Ticks, cores: &[Core]) {
        let is_over = |wait: Wait| wait.core == core && wait.until <= now;
        let turns: Vec<_> = cores.iter().map(Core::picks).collect();
        for task in &mut self.tasks {
            match task.phase {
                Phase::Blocked(wait) if is_over(wait) => {
                    task.phase = Phase::Ready;
                    task.queued_at = Some(turns.clone());
                }
                Phase::Held(Some(wait)) if is_over(wait) => task.phase = Phase::Held(None),
                _ => {}
            }
        }
    }

    /// Whether `core` was told to look at its timers, and at the budget of its task, in time.
    pub(super) fn check_until(&self, core: CoreId, until: Option<Ticks>) -> Check {
        let until = until.unwrap_or(Ticks::NEVER);
        for task in &self.tasks {
            let limit = match task.phase {
                Phase::Blocked(wait) if wait.core == core => wait.until,
                Phase::Running(by) if by == core => task
                    .left
                    .map_or(Ticks::NEVER, |left| task.charged_until.after(left)),
                _ => continue,
            };
            if limit < until {
                return Err((
                    Property::TimerLate,
                    format!("{core:?} sleeps until {until:?}: {task:?}"),
                ));
            }
        }
        Ok(())
    }

    /// P5, and with it P1 and P4: every task is in the state that it must be in.
    pub(super) fn check_states(&self, scheduler: &Scheduler, cores: &[Core]) -> Check {
        for task in &self.tasks {
            let state = scheduler.state(task.id);
            let same = match task.phase {
                Phase::Ended => matches!(state, Some(State::Exited | State::Killed)),
                _ => state == Some(task.state()),
            };
            if !same {
                let property = match (task.phase, state) {
                    (Phase::Blocked(_), Some(State::Ready)) => Property::TimerEarly,
                    (Phase::Ready, Some(State::Blocked)) => Property::TimerLate,
                    _ => Property::Misplaced,
                };
                return Err((property, format!("found {state:?} of {task:?}")));
            }
        }
        for core in cores {
            let current = self
                .tasks
                .iter()
                .find(|task| task.phase == Phase::Running(core.id()));
            if current.map(|task| task.id) != core.current() {
                let detail = format!("{:?} runs {:?}, not {current:?}", core.id(), core.current());
                return Err((Property::Misplaced, detail));
            }
        }
        Ok(())
    }

    /// P2: nobody has been passed over too often by a core that holds the task. Returns the most
    /// picks that a task is waiting for now.
    pub(super) fn check_waits(
        &self,
        cores: &[Core],
        is_worker: &[bool],
    ) -> Result<usize, (Property, String)> {
        let mut longest = 0;
        for task in self.tasks.iter().filter(|task| task.phase == Phase::Ready) {
            let Some(queued_at) = &task.queued_at else {
                continue;
            };
            let local_home = task.home.filter(|_| task.spec.class == Class::Normal);
            for (core, &before) in cores.iter().zip(queued_at) {
                let holds = match task.spec.pin.or(local_home) {
                    Some(holder) => holder == core.id(),
                    None => is_worker[core.id().index()],
                };
                let picks = if holds { core.picks() - before } else { 0 };
                longest = longest.max(picks);
                if picks > self.limits.max_picks(task.spec.class) {
                    let detail = format!("{picks} picks by {:?} before {task:?}", core.id());
                    return Err((Property::Starved, detail));
                }
            }
        }
        Ok(longest)
    }

    /// The ready tasks that any worker may run, and those pinned to `core`.
    pub(super) fn ready_for_any(&self) -> Option<&Task> {
        self.tasks
            .iter()
            .find(|task| task.phase == Phase::Ready && task.spec.pin.is_none())
    }

    /// A ready task that is pinned to `core`.
    pub(super) fn ready_for(&self, core: CoreId) -> Option<&Task> {
        let is_it = |task: &&Task| task.phase == Phase::Ready && task.spec.pin == Some(core);
        self.tasks.iter().find(is_it)
    }
}

impl Task {
    fn end(&mut self) -> Outcome {
        self.phase = Phase::Ended;
        Outcome::Killed
    }

    /// The state that the scheduler must show; an ended task may show another kind of end.
    fn state(&self) -> State {
        match self.phase {
            Phase::New => State::New,
            Phase::Ready => State::Ready,
            Phase::Running(core) => State::Running(core),
            Phase::Blocked(_) => State::Blocked,
            Phase::Held(None) => State::ScanReady,
            Phase::Held(Some(_)) => State::ScanBlocked,
            Phase::Ended => State::Killed,
        }
    }
}

/// Whether an answer is the model's. Which kind of end was found does not matter.
pub(super) fn compare(what: &str, id: TaskId, found: Outcome, wanted: Outcome) -> Check {
    let both_ended = matches!(found, Outcome::Lost(State::Exited | State::Killed))
        && matches!(wanted, Outcome::Lost(State::Killed));
    if found == wanted || both_ended {
        return Ok(());
    }
    let property = if wanted == Outcome::Stays {
        Property::LostWakeUp
    } else {
        Property::WrongAnswer
    };
    Err((
        property,
        format!("{what} of {id:?} answered {found:?}, not {wanted:?}"),
    ))
}

/// The violation, now that the step is known.
pub(super) fn at_step(step: usize) -> impl Fn((Property, String)) -> Violation {
    move |(property, detail)| Violation {
        property,
        step,
        detail,
    }
}
