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
use crate::tasks::executive::Executive;
use crate::trap::contain::{Chamber, Failure, Step};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};
use jit::code::publish::Outcome;
use jit::instance::NotCompiled;
use jit::tier::Tier;
use jit::worker::Instances;
use sched::{Class, TaskSpec};
use smp::CoreId;

/// One worker.
#[derive(Debug)]
struct JitWorker {
    chamber: Chamber<Output>,
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
        let Some(chamber) = compiler::chamber() else {
            console::log!(
                Warning,
                "no memory for the JIT worker of core {}",
                core.index()
            );
            continue;
        };
        let work = Box::new(JitWorker {
            chamber,
            current: None,
        });
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
        match self.chamber.step() {
            Step::Interrupted(vector) => {
                self.check_time();
                WorkStep::Interrupted(vector)
            }
            Step::Finished => {
                self.deliver();
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
            let Some(instance) = registry().get(entry.instance) else {
                continue;
            };
            let Some(tier) = instance.take_request(entry.func) else {
                continue;
            };
            let start_us = time::now_us();
            self.current = Some(Current {
                instance,
                func: entry.func,
                tier,
                start_us,
            });
            self.restart();
            return true;
        }
        false
    }

    fn restart(&mut self) {
        if let Some(current) = &self.current {
            let call = compiler::call(current.instance.clone(), current.func, current.tier);
            self.chamber.start(call);
        }
    }

    fn deliver(&mut self) {
        let Some(current) = self.current.take() else {
            return;
        };
        let spent = time::now_us() - current.start_us;
        let core = cores::me().index() as u32;
        let (instance, func, tier) = (&current.instance, current.func, current.tier);
        let deliver = |output: &Output| instance.deliver(func, tier, output, core, spent);
        let result = self
            .chamber
            .finish(deliver)
            .unwrap_or_else(|| Err(instance.abandoned()));
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
            self.chamber.abandon();
            self.give_up(None);
        }
    }
}

impl Current {
    /// Books the end of the request and tells people and machines.
    fn end(self, result: Result<Outcome, NotCompiled>) {
        self.instance.end_request(self.func, self.tier, &result);
        super::gate::compiled(&self.instance, self.func, self.tier, &result);
    }
}

/// Recompiles all functions of an instance again and again, on the JIT worker's core: load for measurements and the
/// stress test. Each version is a younger one, so each is published.
#[derive(Clone, Debug)]
pub(crate) struct Recompiler(Arc<Recompiling>);

/// What the recompiler and its starter share.
#[derive(Debug)]
struct Recompiling {
    stop: AtomicBool,
    over: AtomicBool,
}

/// The kernel task.
#[derive(Debug)]
struct RecompilerTask {
    worker: JitWorker,
    instance: Arc<Instance>,
    next: u32,
    shared: Arc<Recompiling>,
}

impl Recompiler {
    /// Starts recompiling.
    pub(crate) fn start(instance: &Arc<Instance>) -> Result<Self, String> {
        let chamber = compiler::chamber().ok_or("no memory for a compiler")?;
        let shared = Arc::new(Recompiling {
            stop: AtomicBool::new(false),
            over: AtomicBool::new(false),
        });
        let task = RecompilerTask {
            worker: JitWorker {
                chamber,
                current: None,
            },
            instance: instance.clone(),
            next: 0,
            shared: shared.clone(),
        };
        let core = cores::machine()
            .roles()
            .compilers()
            .iter()
            .next()
            .unwrap_or(CoreId::BSP);
        let spec = TaskSpec {
            class: Class::Background,
            pin: sched::CoreId::new(core.index()),
            ..TaskSpec::default()
        };
        tasks::spawn_kernel(spec, Box::new(task)).map_err(|why| format!("no task: {why:?}"))?;
        Ok(Self(shared))
    }

    /// Stops and waits until the task is over.
    pub(crate) fn stop(self, executive: &mut Executive) {
        const PATIENCE_US: u64 = 30_000_000;
        // ORDERING: Relaxed: only tells the task to end.
        self.0.stop.store(true, Ordering::Relaxed);
        // ORDERING: Acquire pairs with the Release in `step`: what the task did is done.
        let over = || self.0.over.load(Ordering::Acquire);
        if !executive.run_until(PATIENCE_US, over) {
            console::log!(Warning, "the recompiler did not stop in time");
        }
    }
}

impl KernelWork for RecompilerTask {
    fn step(&mut self) -> WorkStep {
        if self.worker.current.is_none() {
            // ORDERING: Relaxed: as in `stop`.
            if self.shared.stop.load(Ordering::Relaxed) || !self.begin() {
                // ORDERING: Release pairs with the Acquire in `stop`.
                self.shared.over.store(true, Ordering::Release);
                return WorkStep::Done;
            }
        }
        self.worker.step()
    }
}

impl RecompilerTask {
    /// Begins with the next function that has a body; false if there is none.
    fn begin(&mut self) -> bool {
        let count = self.instance.program().imports.len() as u32;
        let has_body = |&func: &u32| self.instance.job(func, Tier::O1).is_some();
        let Some(func) = (self.next..count).chain(0..count).find(has_body) else {
            return false;
        };
        self.next = func + 1;
        let instance = self.instance.clone();
        self.worker.current = Some(Current {
            instance,
            func,
            tier: Tier::O1,
            start_us: time::now_us(),
        });
        self.worker.restart();
        true
    }
}
