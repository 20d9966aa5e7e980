//! Tasks: joins `sched` (which decides who runs where and until when) with contexts and address spaces.
//!
//! A task is a ring-3 thread of a [`process::Process`], or a piece of the kernel's own work ([`body::KernelWork`], such
//! as the JIT worker). `sched` names tasks by an index; the table here holds what belongs to an index. From `start` to
//! the moment a task is taken off a core, its body is used by that core alone; the lock of its place is therefore never
//! waited for, it only tells the compiler so.

pub(crate) mod body;
pub(crate) mod executive;
pub(crate) mod process;

use crate::cores::{self, machine};
use crate::metal::time;
use crate::trap::interrupts::Idle;
use alloc::boxed::Box;
use alloc::vec::Vec;
use body::Body;
use executive::Executive;
use sched::{CoreConfig, Limits, Scheduler, SpawnError, TaskId, TaskSpec, Ticks};
use smp::roles::Roles;
use smp::{CoreId, CoreMask};
use spin::{Mutex, Once};

/// Tasks alive at once.
const MAX_TASKS: usize = 1024;
/// How long a task runs before others get their turn, µs.
const SLICE_US: u64 = 5_000;

struct Tasks {
    scheduler: Scheduler,
    bodies: Box<[Mutex<Option<Body>>]>,
    halves: Box<[Mutex<Option<sched::Core>>]>,
}

static TASKS: Once<Tasks> = Once::new();

/// Makes the scheduler for cores with these roles. Once, on the BSP.
pub(crate) fn initialise(roles: &Roles) {
    let count = machine().topology.cores().len();
    let guests = roles.guests();
    let config = |core: &smp::topology::Core| CoreConfig {
        runs_guests: guests.contains(core.id),
    };
    let configs: Vec<CoreConfig> = machine().topology.cores().iter().map(config).collect();
    let slice = Ticks(SLICE_US * time::ticks_per_us());
    let limits = Limits {
        tasks: MAX_TASKS,
        slice,
        ..Limits::default()
    };
    let (scheduler, halves) = Scheduler::new(&configs, limits)
        .expect("there are between 1 and 64 cores and the limits are constants");
    assert_eq!(halves.len(), count);
    TASKS.call_once(|| Tasks {
        scheduler,
        bodies: (0..MAX_TASKS).map(|_| Mutex::new(None)).collect(),
        halves: halves
            .into_iter()
            .map(|half| Mutex::new(Some(half)))
            .collect(),
    });
}

/// Waits, halted, until the BSP has given roles to all cores.
pub(crate) fn wait_for_roles() {
    let mut idle = Idle::new();
    while machine().known_roles().is_none() {
        idle.wait();
    }
}

/// The executive of the core that runs; each core takes its own once.
pub(crate) fn executive() -> Executive {
    let index = cores::me().index();
    let half = tasks().halves[index]
        .lock()
        .take()
        .expect("a core takes its executive once");
    Executive::new(half)
}

/// What a core other than the BSP does for ever.
pub(crate) fn run_core() -> ! {
    let mut executive = executive();
    loop {
        executive.turn(None);
    }
}

/// The scheduler.
pub(crate) fn scheduler() -> &'static Scheduler {
    &tasks().scheduler
}

/// Starts a piece of kernel work.
pub(crate) fn spawn_kernel(
    spec: TaskSpec,
    work: Box<dyn body::KernelWork>,
) -> Result<TaskId, SpawnError> {
    spawn(spec, |_| Body::Kernel(work))
}

/// Starts a task whose body `make` returns.
fn spawn(spec: TaskSpec, make: impl FnOnce(TaskId) -> Body) -> Result<TaskId, SpawnError> {
    let task = scheduler().spawn(spec)?;
    *place(task).lock() = Some(make(task));
    wake(scheduler().start(task).kick);
    Ok(task)
}

/// Ends the wait of a task.
pub(crate) fn unblock(task: TaskId) {
    wake(scheduler().unblock(task).kick);
}

/// Sends the reschedule interrupt to the cores that `sched` names.
pub(crate) fn wake(kick: sched::CoreSet) {
    let mask: CoreMask = kick
        .iter()
        .filter_map(|core| CoreId::new(core.index()))
        .collect();
    machine().wake(mask);
}

/// Where the body of a task is kept.
fn place(task: TaskId) -> &'static Mutex<Option<Body>> {
    &tasks().bodies[task.index()]
}

fn tasks() -> &'static Tasks {
    TASKS.get().expect("the scheduler is made before any task")
}
