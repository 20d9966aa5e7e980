//! The virtual cores, the device, the clock, and what they do in a step.
//!
//! A core is where the kernel would be: waking, looking for work, halted, or running a task, whose
//! code is drawn action by action. Interrupts come in only where the kernel has them on: while a
//! task runs and while the core is halted. So a core that is in the middle of an operation is
//! overtaken by the other actors, but never by itself.
//!
//! Each method asks the model first what has to come of an action, then does it, then compares.
//! After the profile's steps the machine *drains*: tasks exit as they run, the device wakes, starts
//! and releases what waits, and at the end nothing may be left. A lost task shows here at the latest.

use super::model::{Check, Model, Phase, Wait, at_step, compare};
use super::{Action, Profile, Property, Random, Totals, Violation};
use crate::guards::Guards;
use crate::queues::Place;
use crate::types::{Class, CoreConfig, CoreId, CoreSet, TaskId, TaskSpec, Ticks};
use crate::word::{Event, Outcome, QUEUED, Then};
use crate::{Claim, Core, Decision, Scheduler};
use alloc::format;
use alloc::vec::Vec;

/// Steps after the profile's, in which every task must come to its end.
const DRAIN_STEPS: usize = 200_000;

/// Where an actor is in its code.
#[derive(Clone, Copy, Debug)]
enum Doing {
    /// About to call `next`: it will look at the queues.
    Waking,
    Looking,
    Announcing,
    LookingAgain,
    /// `hlt`, until this time or a kick.
    Halted(Option<Ticks>),
    /// Runs a task, with the timer set to this time.
    Running(Ticks),
    /// In the middle of making a task ready; `until` is what it will be running until.
    Queueing(TaskId, Ticks),
    Finding(Place, Ticks),
}

/// An actor: a core, or last in the list the device, which only makes things happen.
#[derive(Debug)]
struct Actor {
    doing: Doing,
    /// An IPI is on its way to it.
    kicked: bool,
}

/// All of a run.
#[derive(Debug)]
pub(super) struct Machine<'a> {
    profile: &'a Profile,
    scheduler: Scheduler,
    cores: Vec<Core>,
    actors: Vec<Actor>,
    model: Model,
    claims: Vec<Claim>,
    random: Random,
    now: Ticks,
    draining: bool,
    totals: Totals,
}

impl<'a> Machine<'a> {
    pub(super) fn new(profile: &'a Profile, seed: u64, guards: Guards) -> Self {
        let configs: Vec<_> = profile
            .cores
            .iter()
            .map(|&runs_guests| CoreConfig { runs_guests })
            .collect();
        let (scheduler, cores) = Scheduler::with_guards(&configs, profile.limits, guards)
            .expect("the profiles of the tests are sound");
        let mut actors: Vec<_> = cores
            .iter()
            .map(|_| Actor {
                doing: Doing::Waking,
                kicked: false,
            })
            .collect();
        actors.push(Actor {
            doing: Doing::Running(Ticks::NEVER),
            kicked: false,
        });
        Self {
            profile,
            scheduler,
            cores,
            actors,
            model: Model::new(profile.limits),
            claims: Vec::new(),
            random: Random(seed),
            now: Ticks::ZERO,
            draining: false,
            totals: Totals::default(),
        }
    }

    pub(super) fn run(mut self) -> Result<Totals, Violation> {
        let steps = self.profile.steps;
        for step in 0..steps + DRAIN_STEPS {
            self.draining = step >= steps;
            self.step()
                .and_then(|()| self.check())
                .map_err(at_step(step))?;
            if self.draining && self.model.tasks.is_empty() && self.scheduler.tasks().count() == 0 {
                return Ok(self.finish());
            }
        }
        let left = format!("left at the end: {:?}", self.model.tasks);
        Err(at_step(steps + DRAIN_STEPS)((Property::Misplaced, left)))
    }

    fn finish(mut self) -> Totals {
        for core in &self.cores {
            let stats = self.scheduler.stats(core.id());
            self.totals.runs += stats.runs;
            self.totals.steals += stats.steals;
            self.totals.preemptions += stats.preemptions;
            self.totals.timers += stats.timers;
            self.totals.passed_on += stats.passed_on;
        }
        self.totals.overflows = self.scheduler.overflows();
        self.totals.end = self.now;
        self.totals
    }

    fn step(&mut self) -> Check {
        if self.random.percent(25) {
            self.now = self.now.after(Ticks(1 + self.random.below(40) as u64));
        }
        let actor = self.random.below(self.actors.len());
        match self.actors[actor].doing {
            Doing::Queueing(task, until) => {
                self.queue(actor, task, until);
                Ok(())
            }
            Doing::Finding(place, until) => {
                let kick = self.scheduler.find_core_for(place);
                self.kick(kick);
                self.actors[actor].doing = Doing::Running(until);
                Ok(())
            }
            _ if actor == self.cores.len() => self.device(actor),
            Doing::Running(until) => self.running(actor, until),
            _ => self.between_tasks(actor),
        }
    }

    /// A step of a core that runs nothing: a part of `next`.
    fn between_tasks(&mut self, actor: usize) -> Check {
        let (core, mut kick) = (&mut self.cores[actor], CoreSet::EMPTY);
        let mut found = false;
        let next = match self.actors[actor].doing {
            Doing::Halted(until) => {
                let is_time = until.is_some_and(|until| until <= self.now);
                if !is_time && !self.actors[actor].kicked {
                    return Ok(());
                }
                self.actors[actor].kicked = false;
                Doing::Waking
            }
            Doing::Waking => {
                kick = self.scheduler.wake(core, self.now);
                let id = core.id();
                self.model.timers_fired(id, self.now, &self.cores);
                Doing::Looking
            }
            Doing::Looking => {
                found = self.scheduler.look(core, self.now, &mut kick);
                Doing::Announcing
            }
            Doing::Announcing => {
                self.scheduler.announce(core);
                Doing::LookingAgain
            }
            _ => {
                found = self.scheduler.look_again(core, self.now, &mut kick);
                Doing::Halted(self.scheduler.next_timer(core))
            }
        };
        self.actors[actor].doing = next;
        self.kick(kick);
        if found {
            self.taken(actor)
        } else {
            self.check_halt(actor)
        }
    }

    /// A core has begun to run a task.
    fn taken(&mut self, actor: usize) -> Check {
        let core = &mut self.cores[actor];
        let (id, until) = (core.id(), self.scheduler.until(core));
        self.actors[actor].doing = Doing::Running(until);
        let task = core.current().expect("it was found");
        self.model
            .taken(task, id, self.profile.cores[actor], self.now)?;
        self.model.check_until(id, Some(until))
    }

    fn check_halt(&mut self, actor: usize) -> Check {
        if let Doing::Halted(until) = self.actors[actor].doing {
            self.totals.halts += 1;
            self.model.check_until(self.cores[actor].id(), until)?;
        }
        Ok(())
    }

    /// A step of a core that runs a task: an interrupt, or what the task does.
    fn running(&mut self, actor: usize, until: Ticks) -> Check {
        if core::mem::take(&mut self.actors[actor].kicked) || until <= self.now {
            return self.interrupt(actor);
        }
        let action = if self.draining {
            Action::Exit
        } else {
            self.random.action(self.profile.actions)
        };
        match action {
            Action::Compute => Ok(()),
            Action::Yield | Action::Block | Action::Sleep => self.leave(actor, action),
            Action::Exit => self.exit(actor),
            _ => self.act(actor, action),
        }
    }

    fn exit(&mut self, actor: usize) -> Check {
        let core = &mut self.cores[actor];
        let task = core.current().expect("it runs one");
        let outcome = self.scheduler.exit(core, self.now);
        self.actors[actor].doing = Doing::Waking;
        self.model.charge(task, self.now);
        if let Some(task) = self.model.find(task) {
            task.phase = Phase::Ended;
        }
        compare("exit", task, outcome, Outcome::Done)
    }

    /// The timer interrupt or a reschedule IPI.
    fn interrupt(&mut self, actor: usize) -> Check {
        let core = &mut self.cores[actor];
        let id = core.id();
        let task = core.current().expect("it runs one");
        let (decision, kick) = self.scheduler.tick(core, self.now);
        self.kick(kick);
        self.model.timers_fired(id, self.now, &self.cores);
        let exhausted = self.model.charge(task, self.now);
        let killed = self.model.find(task).is_some_and(|task| task.killed);
        match decision {
            Decision::Continue { until } if !exhausted && !killed => {
                self.actors[actor].doing = Doing::Running(until);
                self.model.check_until(id, Some(until))
            }
            Decision::Preempt if killed || !exhausted => self.leave(actor, Action::Compute),
            Decision::Exhausted if exhausted && !killed => {
                self.totals.exhausted += 1;
                self.exit(actor)
            }
            _ => Err((
                Property::WrongAnswer,
                format!("tick on {id:?} answered {decision:?}"),
            )),
        }
    }

    /// The running task leaves its core: `Compute` stands for being preempted.
    fn leave(&mut self, actor: usize, how: Action) -> Check {
        let until = self.now.after(Ticks(self.random.below(400) as u64));
        let core = &mut self.cores[actor];
        let task = core.current().expect("it runs one");
        self.model.charge(task, self.now);
        let wait = |until| {
            Phase::Blocked(Wait {
                until,
                core: core.id(),
            })
        };
        let wanted = match how {
            Action::Block => self.model.leave(task, wait(Ticks::NEVER)),
            Action::Sleep => self.model.leave(task, wait(until)),
            _ => self.model.leave(task, Phase::Ready),
        };
        let effect = match how {
            Action::Block => self.scheduler.block(core, self.now),
            Action::Sleep => self.scheduler.sleep(core, self.now, until),
            Action::Yield => self.scheduler.yield_now(core, self.now),
            _ => self.scheduler.preempted(core, self.now),
        };
        self.kick(effect.kick);
        let stays = self.cores[actor].current().is_some();
        if stays && how == Action::Yield && effect.outcome == Outcome::Stays {
            let core = self.cores[actor].id();
            if let Some(task) = self.model.find(task) {
                task.phase = Phase::Running(core);
            }
            return Ok(());
        }
        if !stays {
            self.actors[actor].doing = Doing::Waking;
            self.model.queued(task, &self.cores);
        }
        compare("leave", task, effect.outcome, wanted)
    }

    /// A step of the device: tasks start, wake-ups come in. At the end it ends what waits.
    fn device(&mut self, actor: usize) -> Check {
        if !self.draining {
            let action = [Action::Spawn, Action::Unblock, Action::Scan][self.random.below(3)];
            return self.act(actor, action);
        }
        if let Some(claim) = self.claims.pop() {
            return self.release(claim);
        }
        self.reap();
        match self.draw_task() {
            Some(id) if self.random.percent(50) => self.unblock(actor, id),
            Some(id) => self.start(actor, id),
            None => Ok(()),
        }
    }

    /// What concerns another task, done by a running task or the device.
    fn act(&mut self, actor: usize, action: Action) -> Check {
        self.reap();
        if action == Action::Spawn {
            return self.spawn(actor);
        }
        let Some(id) = self.draw_task() else {
            return Ok(());
        };
        match action {
            Action::Unblock => self.unblock(actor, id),
            Action::Kill => self.kill(id),
            _ => self.scan(id),
        }
    }

    fn spawn(&mut self, actor: usize) -> Check {
        let pin = self.random.percent(self.profile.pinned);
        let background = self.random.percent(self.profile.background);
        let spec = TaskSpec {
            class: if background {
                Class::Background
            } else {
                Class::Normal
            },
            pin: CoreId::new(self.random.below(self.cores.len())).filter(|_| pin),
            budget: self.random.percent(30).then_some(Ticks(300)),
        };
        match self.scheduler.spawn(spec) {
            Ok(id) => {
                self.totals.spawned += 1;
                self.model.add(id, spec);
                self.start(actor, id)
            }
            // The limits are there to be hit; how many live is the workload's choice.
            Err(_) => Ok(()),
        }
    }

    fn start(&mut self, actor: usize, id: TaskId) -> Check {
        let wanted = self.model.start(id);
        self.make_ready(actor, "start", id, Event::Start, wanted)
    }

    fn unblock(&mut self, actor: usize, id: TaskId) -> Check {
        let wanted = self.model.unblock(id);
        self.make_ready(actor, "unblock", id, Event::Wake, wanted)
    }

    /// `Scheduler::apply` in its three steps: this one, `queue`, and `find_core_for`.
    fn make_ready(
        &mut self,
        actor: usize,
        what: &str,
        id: TaskId,
        event: Event,
        wanted: Outcome,
    ) -> Check {
        let applied = self.scheduler.table.apply(id, event);
        if applied.then == Then::Enqueue {
            let Doing::Running(until) = self.actors[actor].doing else {
                return Ok(());
            };
            self.actors[actor].doing = Doing::Queueing(id, until);
        }
        compare(what, id, applied.outcome, wanted)
    }

    fn queue(&mut self, actor: usize, task: TaskId, until: Ticks) {
        let place = self.scheduler.place_of(task);
        self.scheduler.queues.push(task, place);
        self.model.queued(task, &self.cores);
        self.actors[actor].doing = Doing::Finding(place, until);
    }

    fn kill(&mut self, id: TaskId) -> Check {
        let wanted = self.model.kill(id);
        let effect = self.scheduler.kill(id);
        self.kick(effect.kick);
        compare("kill", id, effect.outcome, wanted)
    }

    /// Holds a task still, or lets one go.
    fn scan(&mut self, id: TaskId) -> Check {
        if self.claims.len() > 2 || !self.claims.is_empty() && self.random.percent(50) {
            let claim = self.claims.swap_remove(0);
            return self.release(claim);
        }
        let held = match self.model.find(id).map(|task| task.phase) {
            Some(Phase::Ready) => Some(None),
            Some(Phase::Blocked(wait)) => Some(Some(wait)),
            _ => None,
        };
        let claim = self.scheduler.claim(id);
        if claim.is_ok() != held.is_some() {
            return Err((Property::WrongAnswer, format!("claim answered {claim:?}")));
        }
        if let (Some(wait), Some(task)) = (held, self.model.find(id)) {
            task.phase = Phase::Held(wait);
        }
        self.claims.extend(claim);
        Ok(())
    }

    fn release(&mut self, claim: Claim) -> Check {
        let id = claim.task();
        let keeps_its_place = self.scheduler.table.slot(id).word().has(QUEUED);
        let wanted = self.model.release(id);
        let effect = self.scheduler.release(claim);
        self.kick(effect.kick);
        if !keeps_its_place {
            self.model.queued(id, &self.cores);
        }
        compare("release", id, effect.outcome, wanted)
    }

    /// Reaps one ended task, if there is one.
    fn reap(&mut self) {
        if let Some(place) = self
            .model
            .tasks
            .iter()
            .position(|task| task.phase == Phase::Ended)
        {
            let id = self.model.tasks.swap_remove(place).id;
            let reaped = self.scheduler.reap(id);
            debug_assert!(
                matches!(reaped, Outcome::Done | Outcome::Pending),
                "{reaped:?}"
            );
            if self.model.stale.len() < 8 && self.scheduler.state(id).is_none() {
                self.model.stale.push(id);
            }
        }
    }

    /// A task, or now and then the id of one that was.
    fn draw_task(&mut self) -> Option<TaskId> {
        if !self.model.stale.is_empty() && self.random.percent(3) {
            let place = self.random.below(self.model.stale.len());
            return Some(self.model.stale.swap_remove(place));
        }
        let count = self.model.tasks.len();
        (count > 0).then(|| self.model.tasks[self.random.below(count)].id)
    }

    fn kick(&mut self, cores: CoreSet) {
        for core in cores.iter() {
            self.actors[core.index()].kicked = true;
        }
    }

    /// What holds after every step.
    fn check(&mut self) -> Check {
        self.model.check_states(&self.scheduler, &self.cores)?;
        let wait = self.model.check_waits(&self.cores, self.profile.cores)?;
        self.totals.longest_wait = self.totals.longest_wait.max(wait);
        self.check_idle()
    }

    /// P3. While somebody is in the middle of making a task ready, nothing is promised yet. Else a
    /// worker may be halted beside a task only if another is bound to look.
    fn check_idle(&self) -> Check {
        let in_the_middle =
            |actor: &Actor| matches!(actor.doing, Doing::Queueing(..) | Doing::Finding(..));
        if self.actors.iter().any(in_the_middle) {
            return Ok(());
        }
        let mut halted = None;
        let mut bound_to_look = false;
        for (core, actor) in self.cores.iter().zip(&self.actors) {
            let sleeps = matches!(actor.doing, Doing::Halted(_)) && !actor.kicked;
            if let Some(task) = self.model.ready_for(core.id()).filter(|_| sleeps) {
                let detail = format!("{:?} is halted beside {task:?}", core.id());
                return Err((Property::IdleBesideWork, detail));
            }
            if self.profile.cores[core.id().index()] {
                halted = halted.or(sleeps.then(|| core.id()));
                bound_to_look |= !sleeps && !matches!(actor.doing, Doing::Running(_));
            }
        }
        match (self.model.ready_for_any(), halted) {
            (Some(task), Some(core)) if !bound_to_look => Err((
                Property::IdleBesideWork,
                format!("{core:?} is halted beside {task:?}"),
            )),
            _ => Ok(()),
        }
    }
}
