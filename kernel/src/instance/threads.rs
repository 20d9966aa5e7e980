//! Several tasks in one instance: start, end, join, and waiting for a word of memory.
//!
//! What is decided is in `kernel::team` and `kernel::waits`; here it meets the scheduler, and memory that may not be
//! there. A wait looks at its condition each time its task runs, so an unblock without a reason does no harm.

use super::calls::{Answer, core_of_rank, failed, narrow};
use super::guest::Guest;
use super::start::NoTask;
use crate::metal::time;
use crate::syscall::copy;
use crate::tasks;
use crate::tasks::body::{Action, Poll, UserTask, Wait};
use crate::trap::context::Context;
use ::abi::Errno;
use alloc::sync::Arc;
use kernel::team::Joined;
use kernel::waits::Ticket;
use sched::{TaskId, TaskSpec, Ticks};

impl Guest {
    /// `bf_spawn`: `entry` may be any address; where there is no code, the task's first instruction is a fault.
    pub(super) fn spawn(self: &Arc<Self>, entry: u32, argument: u32, core: i32) -> Answer {
        let pin = match core_of_rank(core) {
            Ok(pin) => pin,
            Err(errno) => return Answer::error(errno),
        };
        let Some(seat) = self.take_seat(None) else {
            return Answer::error(Errno::Again);
        };
        // Read before the start: the task may have ended and been joined when `launch` returns.
        let number = self.team.lock().number(seat);
        let spec = TaskSpec {
            pin,
            ..TaskSpec::default()
        };
        let arguments = [u64::from(argument)];
        match self.launch(seat, u64::from(entry), &arguments, None, spec) {
            Ok(()) => Answer::Value(i64::from(number)),
            Err(NoTask::Memory) => Answer::error(Errno::NoMemory),
            Err(NoTask::Refused(_)) => Answer::error(Errno::Again),
        }
    }

    /// `bf_join`.
    pub(super) fn join(self: &Arc<Self>, number: i32, result: u32, task: &UserTask) -> Answer {
        Answer::wait(Join {
            guest: self.clone(),
            number,
            result,
            seat: task.number,
            asker: task.id,
        })
    }

    /// `bf_task_exit`: the task that `main` runs in waits for all others and ends the program.
    pub(super) fn task_exit(self: &Arc<Self>, result: u32, task: &UserTask) -> Answer {
        if self.seats.lock()[task.number].tag.is_some() {
            return Answer::wait(Last {
                guest: self.clone(),
                asker: task.id,
            });
        }
        self.leave(task.number, result);
        Answer::Act(Action::Exit(u64::from(result)))
    }

    /// The task on `seat` is over: its stack can be another's, and whoever waits for its end goes on.
    pub(super) fn leave(&self, seat: usize, result: u32) {
        let told = self.team.lock().end(seat, result);
        told.into_iter().flatten().for_each(tasks::unblock);
    }

    /// `bf_wait`.
    pub(super) fn wait(
        self: &Arc<Self>,
        address: u32,
        expected: u32,
        timeout_us: i64,
        task: &UserTask,
    ) -> Answer {
        let look = || match copy::load_word(u64::from(address)) {
            Ok(word) if word == expected => Ok(()),
            Ok(_) => Err(Errno::Again),
            Err(_) => Err(Errno::BadPointer),
        };
        let until = u64::try_from(timeout_us).map_or(Ticks::NEVER, |us| {
            let span = us.saturating_mul(time::ticks_per_us());
            Ticks(time::ticks()).after(Ticks(span))
        });
        match self.waits.begin(address, task.id, look) {
            Ok(ticket) => Answer::wait(WordWait {
                guest: self.clone(),
                ticket,
                until,
            }),
            Err(errno) => Answer::error(errno),
        }
    }

    /// `bf_wake`.
    pub(super) fn wake(&self, address: u32, count: u32) -> Answer {
        Answer::Value(i64::from(self.waits.wake(address, count, tasks::unblock)))
    }
}

/// A wait for the end of a task.
#[derive(Debug)]
struct Join {
    guest: Arc<Guest>,
    number: i32,
    result: u32,
    seat: usize,
    asker: TaskId,
}

impl Wait for Join {
    fn poll(&mut self, _context: &mut Context) -> Poll {
        let joined = self
            .guest
            .team
            .lock()
            .join(self.number, self.seat, self.asker);
        let result = match joined {
            Ok(Joined::Runs) => return Poll::Until(Ticks::NEVER),
            Ok(Joined::Ended(result)) => result,
            Err(errno) => return failed(errno),
        };
        let to = u64::from(self.result);
        if to != 0 && copy::to_user(&result.to_le_bytes(), to).is_err() {
            return failed(Errno::BadPointer);
        }
        Poll::Done(0)
    }
}

/// The main task's wait for all others.
#[derive(Debug)]
struct Last {
    guest: Arc<Guest>,
    asker: TaskId,
}

impl Wait for Last {
    fn poll(&mut self, _context: &mut Context) -> Poll {
        if self.guest.team.lock().is_last(self.asker) {
            Poll::ExitProcess(0)
        } else {
            Poll::Until(Ticks::NEVER)
        }
    }
}

/// A wait for a word; its entry in the table goes with it, however it ends.
#[derive(Debug)]
struct WordWait {
    guest: Arc<Guest>,
    ticket: Ticket,
    until: Ticks,
}

impl Wait for WordWait {
    fn poll(&mut self, _context: &mut Context) -> Poll {
        let late = time::ticks() >= self.until.0;
        if late && self.guest.waits.cancel(self.ticket) {
            return failed(Errno::TimedOut);
        }
        if !late && self.guest.waits.is_waiting(self.ticket) {
            return Poll::Until(self.until);
        }
        Poll::Done(narrow(0))
    }
}

impl Drop for WordWait {
    fn drop(&mut self) {
        self.guest.waits.cancel(self.ticket);
    }
}
