//! A ring-3 process: an address space, a program that answers its system calls, and its tasks.
//!
//! A process ends when its last task is gone. The first of these decides how: a task's `ExitProcess`, a fault (which
//! ends all tasks on all cores), or the last task's return. Other processes go on.
//!
//! Its page tables are freed when the last `Arc` goes. Each core that has them loaded holds one (`executive`), so that
//! no core can be using tables that are freed.

use super::body::{Action, Body, UserTask, Wait};
use super::{place, scheduler, spawn, wake};
use crate::cores::machine;
use crate::memory::OutOfMemory;
use crate::memory::paging::Rights;
use crate::memory::space::Space;
use crate::trap::context::{Context, Fault};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};
use sched::{Outcome, SpawnError, TaskId, TaskSpec};
use smp::call::{Flush, SpaceId};
use smp::shootdown::{self, FrameFate, Frees};
use smp::{CoreId, CoreMask};
use spin::{Mutex, Once};

/// What a process runs, as the kernel sees it.
pub(crate) trait Program: Send + Sync + fmt::Debug {
    /// Answers a system call: number and arguments are in the context's registers, and so is the result.
    fn syscall(&self, task: &mut UserTask) -> Action;

    /// Explains a fault to a person: the function, the source line, what is at the address.
    fn explain(&self, fault: Fault, context: &Context) -> String;

    /// Explains to a person that a task's time is used up.
    fn explain_time(&self, _context: &Context) -> String {
        String::from("its time is used up")
    }

    /// The GS base for tasks on this core; 0 if the program uses none.
    fn gs_base(&self, core: CoreId, task: &UserTask) -> u64;

    /// What RAX holds when a task cannot be pinned.
    fn no_room(&self) -> u64 {
        u64::MAX
    }
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// By itself, with this result.
    Exited(u64),
    /// By a fault or a limit, with this report.
    Failed(String),
}

/// Why a task could not be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddTaskError {
    /// The process has ended.
    Ended,
    /// The scheduler has no place.
    Scheduler(SpawnError),
}

/// A ring-3 process.
#[derive(Debug)]
pub(crate) struct Process {
    space: Mutex<Space>,
    tlb: shootdown::Space,
    program: Box<dyn Program>,
    tasks: Mutex<Vec<TaskId>>,
    /// How many want the process to stay when it has no task.
    holds: AtomicU64,
    /// The result of the task that was removed last.
    last_result: AtomicU64,
    ending: Once<Ending>,
    /// Frames that a silent core may still reach; never used again.
    quarantined: AtomicU64,
}

/// Names of address spaces, never used twice.
static NEXT_SPACE: AtomicU64 = AtomicU64::new(1);

impl Process {
    /// A process without tasks that will run `program` in `space`.
    pub(crate) fn new(space: Space, program: Box<dyn Program>) -> Arc<Self> {
        // ORDERING: Relaxed: only the uniqueness of the number matters.
        let id = SpaceId(NEXT_SPACE.fetch_add(1, Ordering::Relaxed));
        Arc::new(Self {
            space: Mutex::new(space),
            tlb: shootdown::Space::new(id, machine().topology.cores().len()),
            program,
            tasks: Mutex::new(Vec::new()),
            holds: AtomicU64::new(0),
            last_result: AtomicU64::new(0),
            ending: Once::new(),
            quarantined: AtomicU64::new(0),
        })
    }

    /// What it runs.
    pub(crate) fn program(&self) -> &dyn Program {
        self.program.as_ref()
    }

    /// Keeps the process from ending when it has no task, until [`Self::release`].
    pub(crate) fn hold(&self) {
        // ORDERING: AcqRel pairs with the load in `remove` and with itself: a count.
        self.holds.fetch_add(1, Ordering::AcqRel);
    }

    /// Takes a hold back; without tasks the process ends now.
    pub(crate) fn release(&self) {
        // ORDERING: AcqRel: as in `hold`.
        let last = self.holds.fetch_sub(1, Ordering::AcqRel) == 1;
        if last && self.tasks.lock().is_empty() {
            // ORDERING: Relaxed: written under the lock of `tasks`, which was just held.
            self.ending
                .call_once(|| Ending::Exited(self.last_result.load(Ordering::Relaxed)));
        }
    }

    /// Adds a task that starts with `context`, when `wait` is over; `number` is what the program calls it.
    pub(crate) fn add_task(
        self: &Arc<Self>,
        spec: TaskSpec,
        number: usize,
        context: Context,
        wait: Option<Box<dyn Wait>>,
    ) -> Result<TaskId, AddTaskError> {
        let mut tasks = self.tasks.lock();
        if self.ending.is_completed() {
            return Err(AddTaskError::Ended);
        }
        let body = |id| {
            Body::User(UserTask {
                context: Box::new(context),
                process: self.clone(),
                number,
                id,
                started_ns: 0,
                wait,
            })
        };
        let task = spawn(spec, body).map_err(AddTaskError::Scheduler)?;
        tasks.push(task);
        Ok(task)
    }

    /// How it ended, when all its tasks are gone.
    pub(crate) fn ending(&self) -> Option<Ending> {
        let over = self.tasks.lock().is_empty();
        if over {
            self.ending.get().cloned()
        } else {
            None
        }
    }

    /// Ends all tasks on all cores. The first call decides how the process ended; false if it had ended already.
    pub(crate) fn end(&self, ending: Ending) -> bool {
        let mut first = false;
        self.ending.call_once(|| {
            first = true;
            ending
        });
        let tasks = self.tasks.lock().clone();
        for task in tasks {
            let effect = scheduler().kill(task);
            wake(effect.kick);
            if effect.outcome == Outcome::Killed {
                self.remove(task, 0);
            }
        }
        first
    }

    /// Tears down a task that no core runs any more, and reaps it. The last one's result is the process's.
    pub(super) fn remove(&self, task: TaskId, result: u64) {
        let body = place(task).lock().take();
        let _reaped = scheduler().reap(task);
        let last = {
            let mut tasks = self.tasks.lock();
            tasks.retain(|&other| other != task);
            // ORDERING: Relaxed: read in `release` after the lock that is held here.
            self.last_result.store(result, Ordering::Relaxed);
            tasks.is_empty()
        };
        // ORDERING: Acquire pairs with the AcqRel in `hold` and `release`.
        if last && self.holds.load(Ordering::Acquire) == 0 {
            self.ending.call_once(|| Ending::Exited(result));
            machine().wake(CoreMask::only(CoreId::BSP));
        }
        drop(body);
    }

    /// The calling core is about to run one of the tasks: loads the page tables, with fresh translations.
    pub(super) fn enter(&self, me: CoreId) {
        let freshness = self.tlb.enter(me);
        let loaded = self.space.lock().activate();
        if freshness == shootdown::Freshness::Stale && !loaded {
            crate::metal::cpu::flush_all();
        }
    }

    /// The calling core has loaded other page tables.
    pub(super) fn depart(&self, me: CoreId) {
        self.tlb.depart(me);
    }

    /// Maps fresh zeroed memory.
    pub(crate) fn map(&self, start: u64, size: u64, rights: Rights) -> Result<(), OutOfMemory> {
        self.space
            .lock()
            .map_fresh(start, size, rights)
            .map_err(|_| OutOfMemory)
    }

    /// Unmaps owned memory: no core can reach the frames any more when they are freed. With `shoot_down` off, in tests,
    /// other cores are not told; the frames are then kept.
    pub(crate) fn unmap(&self, start: u64, size: u64, shoot_down: bool) {
        let mut frames = Vec::new();
        self.space
            .lock()
            .unmap(start, size, |frame| frames.push(frame));
        if !shoot_down {
            return;
        }
        let page = kernel::layout::PAGE_SIZE;
        let flush = Flush::Pages {
            space: self.tlb.id(),
            first: start / page,
            count: size / page,
        };
        match machine().shoot_down(&self.tlb, flush, Frees::Pages) {
            FrameFate::Reusable => frames.into_iter().for_each(crate::memory::release_frame),
            FrameFate::Quarantined { .. } => {
                // ORDERING: Relaxed: a statistic, it orders nothing.
                self.quarantined
                    .fetch_add(frames.len() as u64, Ordering::Relaxed);
            }
        }
    }

    /// Works on the address space; for loading, for the judge, and for whoever owns code mappings in it.
    pub(crate) fn with_space<R>(&self, work: impl FnOnce(&mut Space) -> R) -> R {
        work(&mut self.space.lock())
    }
}
