//! The tasks of an instance: each is a thread with a stack, a GS block and thread-local variables of
//! its own.
//!
//! The thread that calls `main` is task 1. Tasks that the module spawns run until they return, end
//! themselves, or the instance ends: when `main` has returned or the program exited, or when any task
//! faulted. The first such event is the outcome.
//!
//! # How a thread is ended
//!
//! It cannot be killed, since it may be inside the runtime. [`cores::set_ending`] raises a flag that
//! every gate looks at before it goes back to module code, and a signal takes a thread out of module
//! code or out of a system call that waits. A signal that arrives between the look and the wait is
//! lost; so it is sent again every few milliseconds until the thread has gone. Waits inside the runtime
//! are on one condition variable, which is notified.
//!
//! Only the thread that called `main` waits for others to end, so no two wait for each other.
//!
//! At most [`MAX_TASKS`] at a time, ended ones that nobody joined included.

use crate::cores::{self, Departure, Left};
use abi::Errno;
use abi::file::MAX_TASKS;
use std::cell::Cell;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long to wait before a signal is sent again.
const AGAIN: Duration = Duration::from_millis(3);

thread_local! {
    /// Number of the task that this thread is.
    static SELF: Cell<u32> = const { Cell::new(1) };
}

/// All tasks but the one that runs `main`.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    table: Mutex<Table>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Table {
    list: Vec<Task>,
    /// How many tasks were made.
    made: u32,
    /// Threads that call functions from outside.
    callers: Vec<libc::pid_t>,
    /// How the instance ended, if a spawned task ended it.
    outcome: Option<Left>,
    /// By lane: whether a task has it now; a lane that was never had is not in the list.
    lanes: Vec<bool>,
}

#[derive(Debug)]
struct Task {
    number: u32,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Not in module code yet.
    Starting,
    Running(libc::pid_t),
    Ended(u32),
}

/// A task that was entered into the table and must be started or given up.
#[derive(Debug)]
pub(crate) struct Reserved {
    pub(crate) number: u32,
    /// Which GS block behind the cores' is its own.
    pub(crate) lane: usize,
    /// Nobody had this block before.
    pub(crate) is_fresh: bool,
}

/// The number of the calling thread's task.
pub(crate) fn own_number() -> u32 {
    SELF.get()
}

impl Tasks {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, table: MutexGuard<'a, Table>) -> MutexGuard<'a, Table> {
        let waited = self.changed.wait_timeout(table, AGAIN);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// A place for another task, one of `lanes`.
    pub(crate) fn reserve(&self, lanes: usize) -> Result<Reserved, Errno> {
        let mut table = self.table();
        if table.list.len() + 1 >= MAX_TASKS || cores::is_ending() {
            return Err(Errno::Again);
        }
        let free = table.lanes.iter().position(|used| !used);
        let lane = free.unwrap_or(table.lanes.len());
        if lane >= lanes {
            return Err(Errno::Again);
        }
        let is_fresh = lane == table.lanes.len();
        if is_fresh {
            table.lanes.push(true);
        }
        table.lanes[lane] = true;
        // Numbers are used again after 2^31 - 2 tasks; 0 and 1 are never given out.
        let number = table.made + 2;
        table.made = (table.made + 1) % (i32::MAX as u32 - 1);
        table.list.push(Task {
            number,
            state: State::Starting,
        });
        Ok(Reserved {
            number,
            lane,
            is_fresh,
        })
    }

    /// The calling thread becomes the task.
    pub(crate) fn begin(&self, task: &Reserved) {
        SELF.set(task.number);
        self.set(task.number, State::Running(cores::thread_id()));
    }

    /// The task has ended and its lane is free.
    pub(crate) fn end(&self, task: &Reserved, result: u32) {
        self.set(task.number, State::Ended(result));
        self.table().lanes[task.lane] = false;
        self.changed.notify_all();
    }

    /// The task could not be started.
    pub(crate) fn give_up(&self, task: &Reserved) {
        let mut table = self.table();
        table.list.retain(|other| other.number != task.number);
        table.lanes[task.lane] = false;
    }

    fn set(&self, number: u32, state: State) {
        let mut table = self.table();
        if let Some(task) = table.list.iter_mut().find(|task| task.number == number) {
            task.state = state;
        }
    }

    /// Waits until a task has ended and gives its result, once.
    pub(crate) fn join(&self, number: u32) -> Result<u32, Errno> {
        if number == own_number() {
            return Err(Errno::Deadlock);
        }
        let mut table = self.table();
        loop {
            let at = table.list.iter().position(|task| task.number == number);
            let at = at.ok_or(Errno::NoTask)?;
            if let State::Ended(result) = table.list[at].state {
                table.list.remove(at);
                return Ok(result);
            }
            if cores::is_ending() {
                return Err(Errno::NoTask);
            }
            table = self.wait(table);
        }
    }

    /// A call from outside begins on this thread.
    pub(crate) fn enter(&self) {
        self.table().callers.push(cores::thread_id());
    }

    /// It has left module code; gives how the instance's run ended, when all its tasks
    /// have.
    pub(crate) fn leave(&self, departure: Departure) -> Left {
        let own = cores::thread_id();
        let mut table = self.table();
        if let Some(at) = table.callers.iter().position(|&caller| caller == own) {
            table.callers.swap_remove(at);
        }
        if matches!(departure, Departure::TaskExited(_)) {
            while table.is_running() && table.outcome.is_none() {
                table = self.wait(table);
            }
        }
        if !table.list.is_empty() {
            cores::set_ending(true);
            while table.is_running() {
                table.signal_tasks();
                table = self.wait(table);
            }
            table.list.clear();
            if table.callers.is_empty() {
                cores::set_ending(false);
            }
        }
        match (departure, table.outcome.take()) {
            (Departure::Left(left), _) => left,
            (_, outcome) => outcome.unwrap_or(Left::Exited(0)),
        }
    }

    /// A spawned task ends the instance. Returns when all calls from outside have noticed.
    pub(crate) fn end_instance(&self, left: Left) {
        let mut table = self.table();
        table.outcome.get_or_insert(left);
        cores::set_ending(true);
        self.changed.notify_all();
        while !table.callers.is_empty() {
            table
                .callers
                .iter()
                .for_each(|&caller| cores::interrupt(caller));
            table = self.wait(table);
        }
    }
}

impl Table {
    fn is_running(&self) -> bool {
        let ended = |task: &Task| matches!(task.state, State::Ended(_));
        !self.list.iter().all(ended)
    }

    fn signal_tasks(&self) {
        for task in &self.list {
            if let State::Running(thread) = task.state {
                cores::interrupt(thread);
            }
        }
    }
}
