//! What belongs to a task: its context, or the kernel's work that it does.

use super::process::Process;
use crate::trap::context::Context;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use sched::{TaskId, Ticks};

/// A task's own things.
#[derive(Debug)]
pub(crate) enum Body {
    /// A ring-3 thread.
    User(UserTask),
    /// A piece of the kernel's own work.
    Kernel(Box<dyn KernelWork>),
}

/// A ring-3 thread.
#[derive(Debug)]
pub(crate) struct UserTask {
    /// Its registers.
    pub(crate) context: Box<Context>,
    /// The process it belongs to.
    pub(crate) process: Arc<Process>,
    /// What the program calls it.
    pub(crate) number: usize,
    /// What the scheduler calls it: whom to unblock.
    pub(crate) id: TaskId,
    /// When it ran first, ns; 0 before.
    pub(crate) started_ns: u64,
    /// The system call that has to come to its end before the task goes on in ring 3.
    pub(crate) wait: Option<Box<dyn Wait>>,
}

/// A system call that may take longer than the kernel should be in one.
///
/// It is looked at whenever its task runs, on that task's core and with its address space loaded. A task that waits is
/// off its core. It may run again for no reason, so a wait always looks at what it waits for, not at having been woken.
pub(crate) trait Wait: Send + core::fmt::Debug {
    /// Does what can be done now, in a bounded time.
    fn poll(&mut self, context: &mut Context) -> Poll;
}

/// How far a [`Wait`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Poll {
    /// Over: the task goes on with this in RAX.
    Done(u64),
    /// There is more to do; others may run first.
    More,
    /// Nothing to do until the task is unblocked or this time has come.
    Until(Ticks),
    /// The whole process is over, with this result.
    ExitProcess(u64),
    /// The program did something that ends it.
    Fail(String),
}

/// Waits until a time has come.
#[derive(Debug)]
pub(crate) struct Sleep(pub(crate) Ticks);

impl Wait for Sleep {
    fn poll(&mut self, context: &mut Context) -> Poll {
        if crate::metal::time::ticks() < self.0.0 {
            Poll::Until(self.0)
        } else {
            Poll::Done(context.registers.rax)
        }
    }
}

/// Work that the kernel does as a task, in bounded steps.
pub(crate) trait KernelWork: Send + core::fmt::Debug {
    /// Does a piece of the work. It must return at the next interrupt, whose vector it hands back.
    fn step(&mut self) -> WorkStep;
}

/// How a step of kernel work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkStep {
    /// An interrupt with this vector came; there is more to do.
    Interrupted(u8),
    /// A bounded piece is done and there is more to do.
    More,
    /// Nothing to do until the task is unblocked.
    Wait,
    /// The work is over.
    Done,
}

/// What a program's system call leads to.
#[derive(Debug)]
pub(crate) enum Action {
    /// Go on behind the call, with the result in the registers.
    Continue,
    /// Let others run, then go on.
    Yield,
    /// Go on after this many microseconds.
    Sleep(u64),
    /// Go on when this is over.
    Wait(Box<dyn Wait>),
    /// Go on, on this core only, or on any; the result is 0 or what [`Program::no_room`] says.
    ///
    /// [`Program::no_room`]: super::process::Program::no_room
    Pin(Option<sched::CoreId>),
    /// The task is over, with this result.
    Exit(u64),
    /// The whole process is over, with this result.
    ExitProcess(u64),
    /// The program did something that ends it.
    Fail(String),
}
