//! The half of the scheduler that belongs to one core: what it runs, its timers, and what to do next.
//!
//! All calls here are made by the core itself, with its interrupts off, and take `&mut Core`. So a
//! core's timers, its current task and its turn need no atomics, and no lock is ever waited for.
//!
//! # Time
//! `next` and `tick` say until when the core needs no timer interrupt: the end of the slice, the
//! end of the budget, or its earliest timer. The kernel arms the one-shot timer there. A timer is
//! thus late by the latency of that interrupt only (P4), and never early: it is compared with the
//! time that the caller passes in.

use crate::budget::BudgetState;
use crate::guards::Guard;
use crate::scheduler::{Effect, Scheduler, SpawnError};
use crate::stats::Counters;
use crate::timer::{Timer, Timers};
use crate::types::{CoreId, CoreSet, TaskId, Ticks};
use crate::word::{Event, KILL, Outcome};

/// What one core keeps for itself.
#[derive(Debug)]
pub struct Core {
    id: CoreId,
    current: Option<Current>,
    timers: Timers,
    /// Picks made so far: the place in the rotation of first choices.
    turn: usize,
    /// The core that was stolen from last; the next search begins after it.
    victim: usize,
    /// Whether its bit in the idle mask may be set.
    announced: bool,
    /// Whether somebody woke it and it has not looked at the queues since.
    owes_look: bool,
}

/// The task that the core runs.
#[derive(Clone, Copy, Debug)]
struct Current {
    task: TaskId,
    slice_end: Ticks,
    /// Its running time is charged up to here.
    charged_until: Ticks,
}

/// What a core does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Run `task`; call `tick` at `until` at the latest.
    Run {
        /// The task, now running on this core.
        task: TaskId,
        /// When the one-shot timer has to come.
        until: Ticks,
    },
    /// Halt until an interrupt, then call `next` again.
    Idle {
        /// When the one-shot timer has to come, if at all.
        until: Option<Ticks>,
    },
}

/// What a core does with the task that it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It runs none: call `next`.
    Idle,
    /// Go on; call `tick` again at `until` at the latest.
    Continue {
        /// When the one-shot timer has to come.
        until: Ticks,
    },
    /// Its slice is over or it has been killed: call `preempted` as soon as possible, then `next`.
    Preempt,
    /// Its budget is used up: end the call, or the task with `exit`, or give it more.
    Exhausted,
}

impl Core {
    pub(crate) fn new(id: CoreId, tasks: usize) -> Self {
        Self {
            id,
            current: None,
            timers: Timers::new(tasks),
            turn: 0,
            victim: id.index(),
            announced: false,
            owes_look: false,
        }
    }

    /// Which core this is.
    #[must_use]
    pub const fn id(&self) -> CoreId {
        self.id
    }

    /// How many tasks it has chosen so far.
    #[must_use]
    pub const fn picks(&self) -> usize {
        self.turn
    }

    /// The task it runs.
    #[must_use]
    pub fn current(&self) -> Option<TaskId> {
        self.current.map(|current| current.task)
    }
}

impl Scheduler {
    /// Chooses what `core` does next. A core that runs a task already goes on with it.
    pub fn next(&self, core: &mut Core, now: Ticks) -> (Next, CoreSet) {
        let mut kick = self.wake(core, now);
        if core.current.is_none() && !self.look(core, now, &mut kick) {
            self.announce(core);
            self.look_again(core, now, &mut kick);
        }
        let next = match core.current() {
            Some(task) => Next::Run {
                task,
                until: self.until(core),
            },
            None => {
                self.own(core).idles.add_one();
                Next::Idle {
                    until: self.next_timer(core),
                }
            }
        };
        (next, kick)
    }

    /// Tells `core` what time it is, after a timer interrupt or a reschedule IPI: fires timers,
    /// charges the running task, and says whether it may go on.
    pub fn tick(&self, core: &mut Core, now: Ticks) -> (Decision, CoreSet) {
        let kick = self.fire_timers(core, now);
        let budget = self.charge_current(core, now);
        let waits = self.queues.waits_for(core.id);
        let Some(current) = core.current else {
            return (Decision::Idle, kick);
        };
        let slice_over = now >= current.slice_end;
        // A kill comes first: what is killed needs no budget. A slice that is over counts only if
        // somebody waits for the core; preempting for nobody would cost two context switches.
        let decision = if self.kill_pending(core) {
            Decision::Preempt
        } else if budget == BudgetState::Exhausted {
            Decision::Exhausted
        } else if slice_over && waits {
            Decision::Preempt
        } else {
            let end = if slice_over {
                now.after(self.limits.slice)
            } else {
                current.slice_end
            };
            let slice_end = end.min(self.budget_end(current.task, now));
            core.current = Some(Current {
                slice_end,
                ..current
            });
            Decision::Continue {
                until: self.until(core),
            }
        };
        (decision, kick)
    }

    /// Takes the running task off `core`, to run on later: `Done`, or `Killed`.
    pub fn preempted(&self, core: &mut Core, now: Ticks) -> Effect {
        self.own(core).preemptions.add_one();
        self.leave(core, now, Event::Preempt)
    }

    /// As [`Scheduler::preempted`] by the task's own wish; `Stays` if nothing else wants the core.
    pub fn yield_now(&self, core: &mut Core, now: Ticks) -> Effect {
        if core.current.is_some() && !self.kill_pending(core) && !self.queues.waits_for(core.id) {
            return Effect {
                outcome: Outcome::Stays,
                kick: CoreSet::EMPTY,
            };
        }
        self.leave(core, now, Event::Preempt)
    }

    /// The running task waits for an `unblock`: `Done`, `Stays` if one came already, or `Killed`.
    pub fn block(&self, core: &mut Core, now: Ticks) -> Effect {
        self.sleep(core, now, Ticks::NEVER)
    }

    /// As [`Scheduler::block`], but the wait ends at `until` at the latest.
    ///
    /// `until` is a time of this core's clock and is compared with that clock only.
    pub fn sleep(&self, core: &mut Core, now: Ticks, until: Ticks) -> Effect {
        let Some(task) = core.current() else {
            return NOTHING_RUNS;
        };
        let slot = self.table.slot(task);
        slot.set_wake_at(until);
        // Read before: once the task has blocked, others may wake it, and it may block again.
        let epoch = slot.word().next_epoch().epoch();
        let effect = self.leave(core, now, Event::Block);
        if effect.outcome == Outcome::Done && until != Ticks::NEVER {
            core.timers.set(Timer {
                at: until,
                task,
                epoch,
            });
        }
        effect
    }

    /// The running task ends itself; the caller reaps it after teardown.
    pub fn exit(&self, core: &mut Core, now: Ticks) -> Outcome {
        self.leave(core, now, Event::Exit).outcome
    }

    /// Pins the running task to a core, or to none; it moves when it leaves `core`, so the caller lets it yield then.
    ///
    /// The task has no queue entry while it runs (W1 of the state word), so no queue ever holds it under its old
    /// pin, and the room that is reserved here is there when it is queued.
    ///
    /// # Errors
    /// [`SpawnError::NoSuchCore`], [`SpawnError::PinLimit`], or [`SpawnError::NoWorker`]; the task stays as it is.
    pub fn pin_current(&self, core: &mut Core, pin: Option<CoreId>) -> Result<(), SpawnError> {
        let Some(task) = core.current() else {
            return Ok(());
        };
        let slot = self.table.slot(task);
        let old = slot.pin();
        if old == pin {
            return Ok(());
        }
        self.reserve(pin)?;
        slot.set_pin(pin);
        if let Some(old) = old {
            self.queues.release_pin(old);
        }
        Ok(())
    }

    /// Whether somebody has killed the task that `core` runs: gates ask before they begin long work.
    #[must_use]
    pub fn kill_pending(&self, core: &Core) -> bool {
        core.current()
            .is_some_and(|task| self.table.slot(task).word().has(KILL))
    }

    /// When `core` needs its one-shot timer: the end of slice or budget, or its earliest timer.
    /// `next` and `tick` return the same; this is for a core that could not follow a `Preempt` yet.
    pub fn until(&self, core: &mut Core) -> Ticks {
        let slice_end = core
            .current
            .map_or(Ticks::NEVER, |current| current.slice_end);
        self.next_timer(core)
            .map_or(slice_end, |timer| timer.min(slice_end))
    }

    /// Charges the running task and applies the event that takes it off its core.
    fn leave(&self, core: &mut Core, now: Ticks, event: Event) -> Effect {
        // A task that leaves with nothing left learns of it when it runs again.
        let _ = self.charge_current(core, now);
        let Some(current) = core.current.take() else {
            return NOTHING_RUNS;
        };
        // From a successful transition on, the task may run elsewhere, so `current` is gone before it.
        let effect = self.apply(current.task, event);
        if effect.outcome == Outcome::Stays {
            core.current = Some(current);
        }
        effect
    }

    /// The core is awake: its announcement ends, and its timers fire.
    pub(crate) fn wake(&self, core: &mut Core, now: Ticks) -> CoreSet {
        self.withdraw(core);
        self.fire_timers(core, now)
    }

    /// Looks at all queues once and begins to run what it finds, if anything.
    pub(crate) fn look(&self, core: &mut Core, now: Ticks, kick: &mut CoreSet) -> bool {
        let id = core.id;
        // An entry may be of a task that was killed or is being scanned: `Take` refuses it then.
        let take = |task| self.apply(task, Event::Take(id)).outcome == Outcome::Done;
        let Some(picked) = self.queues.pick(id, core.turn, core.victim, take) else {
            // What it was woken for has found another core, and nothing else is left.
            core.owes_look = false;
            return false;
        };
        self.withdraw(core);
        core.turn += 1;
        self.own(core).runs.add_one();
        if let Some(victim) = picked.stolen_from {
            core.victim = victim.index();
            self.own(core).steals.add_one();
        }
        self.begin(core, picked.task, now);
        if core::mem::take(&mut core.owes_look) {
            let passed = self.pass_on();
            if !passed.is_empty() {
                self.own(core).passed_on.add_one();
            }
            kick.extend(passed);
        }
        true
    }

    /// I1 of the idle protocol.
    pub(crate) fn announce(&self, core: &mut Core) {
        core.announced = true;
        self.idle.announce(core.id);
    }

    /// I2 of the idle protocol: what was queued meanwhile is run instead of halting.
    pub(crate) fn look_again(&self, core: &mut Core, now: Ticks, kick: &mut CoreSet) -> bool {
        self.guards.on(Guard::Recheck) && self.look(core, now, kick)
    }

    /// Ends the announcement, and notes whether somebody had claimed this core.
    fn withdraw(&self, core: &mut Core) {
        if core::mem::take(&mut core.announced) {
            core.owes_look |= self.idle.withdraw(core.id);
        }
    }

    fn begin(&self, core: &mut Core, task: TaskId, now: Ticks) {
        self.table.slot(task).set_home(core.id);
        let slice_end = now.after(self.limits.slice).min(self.budget_end(task, now));
        core.current = Some(Current {
            task,
            slice_end,
            charged_until: now,
        });
    }

    /// When the budget of a task that runs from `now` on is used up.
    fn budget_end(&self, task: TaskId, now: Ticks) -> Ticks {
        self.table
            .slot(task)
            .budget
            .left()
            .map_or(Ticks::NEVER, |left| now.after(left))
    }

    fn charge_current(&self, core: &mut Core, now: Ticks) -> BudgetState {
        let Some(current) = &mut core.current else {
            return BudgetState::Ok;
        };
        let used = now.since(current.charged_until);
        current.charged_until = now;
        self.table.slot(current.task).budget.charge(used)
    }

    /// Ends all waits that are over. At most as many rounds as tasks have timers here.
    fn fire_timers(&self, core: &mut Core, now: Ticks) -> CoreSet {
        let mut kick = CoreSet::EMPTY;
        while let Some(timer) = core.timers.first().filter(|timer| timer.at <= now) {
            core.timers.remove_first();
            if let Some(woken) = self.expire(timer, now) {
                self.own(core).timers.add_one();
                kick.extend(woken);
            }
        }
        kick
    }

    /// The earliest timer that still ends a wait; stale ones before it are dropped.
    pub(crate) fn next_timer(&self, core: &mut Core) -> Option<Ticks> {
        while let Some(timer) = core.timers.first() {
            if self.wait_of(timer).is_some() {
                return Some(timer.at);
            }
            core.timers.remove_first();
        }
        None
    }

    fn own(&self, core: &Core) -> &Counters {
        &self.counters[core.id.index()].0
    }
}

/// The answer to a core that takes off a task it does not have.
const NOTHING_RUNS: Effect = Effect {
    outcome: Outcome::Stale,
    kick: CoreSet::EMPTY,
};
