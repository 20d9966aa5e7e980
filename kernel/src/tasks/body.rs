//! What belongs to a task: its context, or the kernel's work that it does.

use super::process::Process;
use crate::trap::context::Context;
use alloc::boxed::Box;
use alloc::sync::Arc;

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Go on behind the call, with the result in the registers.
    Continue,
    /// Let others run, then go on.
    Yield,
    /// Go on after this many microseconds.
    Sleep(u64),
    /// The task is over, with this result.
    Exit(u64),
    /// The whole process is over, with this result.
    ExitProcess(u64),
    /// The program did something that ends it.
    Fail(alloc::string::String),
}
