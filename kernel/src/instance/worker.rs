//! The JIT worker: takes compile requests and serves them, as a kernel task.
//!
//! On a core of its own it runs all the time there is work; on a machine with one core it is a background task that
//! any guest preempts, in the middle of a compilation if need be: the compilation is a context that is gone on with
//! later (`trap::contain`).

use super::Instance;
use super::compiler::{self, LIMIT_US, Output};
use super::registry::registry;
use crate::console;
use crate::cores;
use crate::metal::time;
use crate::tasks;
use crate::tasks::body::{KernelWork, WorkStep};
use crate::trap::contain::{Enclosure, Failure, Step};
use alloc::boxed::Box;
use alloc::sync::Arc;
use jit::code::publish::Outcome;
use jit::instance::NotCompiled;
use jit::tier::Tier;
use jit::worker::Instances;
use sched::{Class, TaskSpec};
use smp::CoreId;

/// One worker.
#[derive(Debug)]
struct JitWorker {
    enclosure: Enclosure<Output>,
    current: Option<Current>,
}

/// What it compiles.
#[derive(Debug)]
struct Current {
    instance: Arc<Instance>,
    func: u32,
    tier: Tier,
    start_us: u64,
}

/// Starts a worker on each core whose role it is, or in the background of the BSP if there is none; `most` bounds them.
pub(crate) fn start(most: usize) {
    let compilers = cores::machine().roles().compilers();
    let mut cores: alloc::vec::Vec<CoreId> = compilers.iter().collect();
    if cores.is_empty() && most > 0 {
        cores.push(CoreId::BSP);
    }
    for core in cores.into_iter().take(most) {
        let Some(enclosure) = compiler::enclosure() else {
            console::log!(Warning, "no memory for the JIT worker of core {}", core.index());
            continue;
        };
        let work = Box::new(JitWorker { enclosure, current: None });
        let spec = TaskSpec {
            class: Class::Background,
            pin: sched::CoreId::new(core.index()),
            ..TaskSpec::default()
        };
        match tasks::spawn_kernel(spec, work) {
            Ok(task) => registry().add_worker(task),
            Err(why) => console::log!(Warning, "no JIT worker on core {}: {why:?}", core.index()),
        }
    }
}

impl KernelWork for JitWorker {
    fn step(&mut self) -> WorkStep {
        if self.current.is_none() && !self.take() {
            return WorkStep::Wait;
        }
        match self.enclosure.step() {
            Step::Interrupted(vector) => {
                self.check_time();
                WorkStep::Interrupted(vector)
            }
            Step::Finished => {
                self.deliver();
                WorkStep::More
            }
            Step::Failed(Failure::ArenaFull) if self.enclosure.arena().grow().is_ok() => {
                self.restart();
                WorkStep::More
            }
            Step::Failed(failure) => {
                self.give_up(Some(failure));
                WorkStep::More
            }
        }
    }
}

impl JitWorker {
    /// Takes the next request; false if there is none.
    fn take(&mut self) -> bool {
        while let Some(entry) = registry().queue().pop() {
            let Some(instance) = registry().get(entry.instance) else { continue };
            let Some(tier) = instance.take_request(entry.func) else { continue };
            let start_us = time::now_us();
            self.current = Some(Current { instance, func: entry.func, tier, start_us });
            self.restart();
            return true;
        }
        false
    }

    fn restart(&mut self) {
        if let Some(current) = &self.current {
            let call = compiler::call(current.instance.clone(), current.func, current.tier);
            self.enclosure.start(call);
        }
    }

    fn deliver(&mut self) {
        let Some(current) = self.current.take() else { return };
        let spent = time::now_us() - current.start_us;
        let core = cores::me().index() as u32;
        let (instance, func, tier) = (&current.instance, current.func, current.tier);
        let deliver = |output: &Output| instance.deliver(func, tier, output, core, spent);
        let result = self.enclosure.finish(deliver).unwrap_or_else(|| Err(instance.abandoned()));
        current.end(result.map(|(_, outcome)| outcome));
    }

    fn give_up(&mut self, failure: Option<Failure>) {
        if let Some(current) = self.current.take() {
            compiler::report(&current.instance, current.func, current.tier, failure);
            let result = Err(current.instance.abandoned());
            current.end(result);
        }
    }

    /// The watchdog: a compilation that does not end is abandoned, and the worker goes on.
    fn check_time(&mut self) {
        let late = |current: &Current| time::now_us() - current.start_us > LIMIT_US;
        if self.current.as_ref().is_some_and(late) {
            self.enclosure.abandon();
            self.give_up(None);
        }
    }
}

impl Current {
    /// Books the end of the request and tells people and machines.
    fn end(self, result: Result<Outcome, NotCompiled>) {
        self.instance.end_request(self.func, self.tier, &result);
        super::guest::compiled(&self.instance, self.func, self.tier, &result);
    }
}
