//! Host calls: what a module may ask of the runtime, in one match.
//!
//! A call that is over at once has a value; one that may take longer is a [`Wait`] that the task goes on with
//! (`tasks::body`). A value below zero is a negated error number; values of 32 bits are zero-extended, as the ABI has it.

use super::guest::Guest;
use crate::console::{self, input};
use crate::cores::{self, machine};
use crate::metal::{random, rtc, time};
use crate::syscall::copy;
use crate::tasks::body::{Action, Poll, UserTask, Wait};
use crate::trap::context::Context;
use ::abi::{Errno, HostCall, Type};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use jit::abi;
use sched::{TaskId, Ticks};

/// Most bytes that one call copies to or from a module.
pub(super) const MAX_COPY: usize = 64 << 10;
/// How long a task leaves a console that is full alone, µs: the BSP empties it at least so often.
const LOOK_AGAIN_US: u64 = 1000;
/// Most bytes that one write to the console takes; its ring has room for several.
const MAX_WRITE: usize = 4096;
/// Most random bytes that one call gives.
const MAX_RANDOM: usize = 4096;

/// What a host call comes to.
#[derive(Debug)]
pub(super) enum Answer {
    /// This value, at once.
    Value(i64),
    /// Something that the executive does.
    Act(Action),
}

impl Answer {
    /// The call goes on in `wait`.
    pub(super) fn wait(wait: impl Wait + 'static) -> Self {
        Self::Act(Action::Wait(Box::new(wait)))
    }

    /// The call failed.
    pub(super) fn error(errno: Errno) -> Self {
        Self::Value(i64::from(errno.to_result()))
    }
}

/// A value of 32 bits as RAX holds it.
pub(super) fn narrow(value: i64) -> u64 {
    u64::from(value as u32)
}

/// The value of a call that failed, in RAX.
pub(super) fn failed(errno: Errno) -> Poll {
    Poll::Done(narrow(i64::from(errno.to_result())))
}

impl Guest {
    /// Does host call `call` for `task`.
    pub(super) fn host_call(
        self: &Arc<Self>,
        call: HostCall,
        args: [u64; 4],
        task: &mut UserTask,
    ) -> Action {
        match self.answer(call, args, task) {
            Answer::Act(action) => action,
            Answer::Value(value) => {
                let wide = call.signature().result == Some(Type::I64);
                task.context.registers.rax = if wide { value as u64 } else { narrow(value) };
                Action::Continue
            }
        }
    }

    fn answer(self: &Arc<Self>, call: HostCall, args: [u64; 4], task: &UserTask) -> Answer {
        let [a, b, c, _] = args.map(|arg| arg as u32);
        match call {
            HostCall::Exit => Answer::Act(Action::ExitProcess(u64::from(a))),
            HostCall::Yield => Answer::Act(Action::Yield),
            HostCall::SleepUs => Answer::Act(Action::Sleep(u64::from(a))),
            HostCall::Write if a != 0 && self.files.is_console(a) => self.print(b, c, true),
            HostCall::Log => self.print(a, b, false),
            HostCall::Core => Answer::Value(own_core()),
            HostCall::CoreCount => Answer::Value(machine().roles().guests().len() as i64),
            HostCall::TicksUs => Answer::Value(time::now_us() as i64),
            HostCall::Grow => self.grow(a),
            HostCall::Spawn => self.spawn(a, b, c as i32),
            HostCall::Join => self.join(a as i32, b, task),
            HostCall::SelfTask => Answer::Value(i64::from(self.team.lock().number(task.number))),
            HostCall::Wait => self.wait(a, b, args[2].cast_signed(), task),
            HostCall::Wake => self.wake(a, c_count(b)),
            HostCall::ClockUs => Answer::Value(rtc::now_us()),
            HostCall::Read if a == 0 && self.files.is_console(a) => self.read_line(b, c, task),
            HostCall::Pin => match core_of_rank(a as i32) {
                Ok(pin) => Answer::Act(Action::Pin(pin)),
                Err(errno) => Answer::error(errno),
            },
            HostCall::Random => Answer::Value(random_bytes(a, b)),
            HostCall::TaskExit => self.task_exit(a, task),
            HostCall::Open
            | HostCall::Close
            | HostCall::Read
            | HostCall::Write
            | HostCall::Seek
            | HostCall::Stat
            | HostCall::FStat
            | HostCall::Truncate
            | HostCall::Sync
            | HostCall::Remove
            | HostCall::Rename
            | HostCall::MakeDirectory
            | HostCall::List => self.file_call(call, args, task),
        }
    }

    /// `bf_write` to the console: takes at most [`MAX_WRITE`] bytes, and waits until the console has room for the
    /// lines that are complete. The range must be the program's as a whole, and nothing is printed unless all that is
    /// taken can be read. The value is the number of bytes if they are to be counted.
    fn print(&self, address: u32, length: u32, counted: bool) -> Answer {
        let mut bytes = alloc::vec![0; (length as usize).min(MAX_WRITE)];
        if !inside(address, length) || copy::from_user(u64::from(address), &mut bytes).is_err() {
            return Answer::error(Errno::BadPointer);
        }
        let value = if counted { bytes.len() } else { 0 };
        let mut line = self.line.lock();
        let text = line.add(&bytes);
        // Printed before the lock is given back: lines of several tasks keep their order while there is room.
        if console::print(&text) {
            return Answer::Value(value as i64);
        }
        drop(line);
        Answer::wait(Printing {
            text,
            value: value as u64,
        })
    }

    /// `bf_read` from the console: at most [`MAX_COPY`] bytes.
    fn read_line(&self, address: u32, length: u32, task: &UserTask) -> Answer {
        if !inside(address, length) {
            return Answer::error(Errno::BadPointer);
        }
        // What it asks for is seen before the answer is typed; if there is no room, it is of use no more.
        console::print(&self.line.lock().flush());
        Answer::wait(Typed {
            reader: task.id,
            address,
            length: (length as usize).min(MAX_COPY),
        })
    }
}

/// A write to the console, which has no room at the moment.
#[derive(Debug)]
struct Printing {
    text: String,
    value: u64,
}

impl Wait for Printing {
    fn poll(&mut self, _context: &mut Context) -> Poll {
        if console::print(&self.text) {
            return Poll::Done(self.value);
        }
        let pause = LOOK_AGAIN_US * time::ticks_per_us();
        Poll::Until(Ticks(time::ticks() + pause))
    }
}

/// A read from the console.
#[derive(Debug)]
struct Typed {
    reader: TaskId,
    address: u32,
    length: usize,
}

impl Wait for Typed {
    fn poll(&mut self, _context: &mut Context) -> Poll {
        let Some(bytes) = input::take(self.length, self.reader) else {
            return Poll::Until(Ticks::NEVER);
        };
        match copy::to_user(&bytes, u64::from(self.address)) {
            Ok(()) => Poll::Done(bytes.len() as u64),
            Err(_) => failed(Errno::BadPointer),
        }
    }
}

/// Whether a range lies in the memory that a module can name.
pub(super) fn inside(address: u32, length: u32) -> bool {
    u64::from(address) + u64::from(length) <= u64::from(abi::MEMORY_END)
}

/// Modules number the cores that run tasks from 0. The core with number `rank`; none means any.
pub(super) fn core_of_rank(rank: i32) -> Result<Option<sched::CoreId>, Errno> {
    if rank == -1 {
        return Ok(None);
    }
    let rank = usize::try_from(rank).map_err(|_| Errno::Invalid)?;
    let core = machine().roles().guests().iter().nth(rank);
    let core = core.ok_or(Errno::Invalid)?;
    Ok(sched::CoreId::new(core.index()))
}

/// The number that a module has for the core that runs.
fn own_core() -> i64 {
    let me = cores::me();
    let guests = machine().roles().guests();
    guests.iter().position(|core| core == me).unwrap_or(0) as i64
}

fn random_bytes(address: u32, length: u32) -> i64 {
    if length as usize > MAX_RANDOM {
        return i64::from(Errno::Invalid.to_result());
    }
    let mut bytes = alloc::vec![0; length as usize];
    random::fill(&mut bytes);
    if inside(address, length) && copy::to_user(&bytes, u64::from(address)).is_ok() {
        i64::from(length)
    } else {
        i64::from(Errno::BadPointer.to_result())
    }
}

/// A count that a module gave: below 0 is none.
fn c_count(count: u32) -> u32 {
    u32::try_from(count.cast_signed()).unwrap_or(0)
}
