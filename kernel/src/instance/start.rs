//! Starting a task: a seat, a stack, and what lies on it before the first instruction.
//!
//! ```text
//! stack_end   thread-local variables, a copy of the program's template
//! tls_base    argument block of main, if it is main
//!             address of the exit gate: where the first frame returns to
//! rsp         the first frame
//! ```
//!
//! The new task itself maps its stack and fills it, in pieces, the first time it runs ([`Start`]): so the task that
//! started it is not held up, the work lies on the core that needs it, and memory that other tasks of the instance may
//! be writing is only touched through the fault-tolerant copy. That there is memory is promised before.

use super::guest::Guest;
use crate::memory::OutOfMemory;
use crate::memory::paging::Rights;
use crate::memory::promise::Promise;
use crate::syscall::copy;
use crate::tasks::body::{Poll, Wait};
use crate::tasks::process::{AddTaskError, Process};
use crate::trap::context::Context;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use jit::abi;
use jit::instance::arguments::ArgumentBlock;
use kernel::layout::PAGE_SIZE;
use sched::TaskSpec;

/// Tasks that an instance can have at once: one a stack.
pub(super) const MAX_TASKS: usize = ((abi::STACKS_END - abi::STACKS) / abi::STACK_STRIDE) as usize;
/// Pages that are mapped without a look at what else there is to do.
pub(super) const PAGES_AT_ONCE: u64 = 64;

/// What a seat has besides its task.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seat {
    /// What the kernel calls the task; those that other tasks started have none.
    pub(super) tag: Option<u64>,
    /// Whether its stack has been mapped, or its task is about to.
    mapped: bool,
}

/// Why there is no task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoTask {
    /// No memory for a stack.
    Memory,
    /// The process or the scheduler takes none.
    Refused(AddTaskError),
}

impl fmt::Display for NoTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("no memory for a stack"),
            Self::Refused(why) => write!(f, "{why:?}"),
        }
    }
}

/// End of the stack of the task on `seat`.
pub(super) fn stack_end(seat: usize) -> u64 {
    u64::from(abi::STACKS) + (seat as u64 + 1) * u64::from(abi::STACK_STRIDE)
}

/// First mapped address of that stack.
pub(super) fn stack_start(seat: usize) -> u64 {
    stack_end(seat) - u64::from(abi::STACK_SIZE)
}

impl Guest {
    /// A seat for a task that the kernel calls `tag`, or that another task can join; `None` if all are taken.
    pub(super) fn take_seat(&self, tag: Option<u64>) -> Option<usize> {
        let seat = self.team.lock().start(tag.is_none())?;
        self.seats.lock()[seat].tag = tag;
        Some(seat)
    }

    /// Starts the task on `seat`, which is free again if that fails.
    pub(super) fn launch(
        self: &Arc<Self>,
        seat: usize,
        entry: u64,
        arguments: &[u64],
        block: Option<ArgumentBlock>,
        spec: TaskSpec,
    ) -> Result<(), NoTask> {
        let outcome = self.try_launch(seat, entry, arguments, block, spec);
        if outcome.is_err() {
            self.team.lock().cancel(seat);
        }
        outcome
    }

    fn try_launch(
        self: &Arc<Self>,
        seat: usize,
        entry: u64,
        arguments: &[u64],
        block: Option<ArgumentBlock>,
        spec: TaskSpec,
    ) -> Result<(), NoTask> {
        let ended = NoTask::Refused(AddTaskError::Ended);
        let process = self.process().ok_or(ended)?;
        let stack = self.stack(seat).map_err(|OutOfMemory| NoTask::Memory)?;
        let mut writes = Vec::new();
        let tls = &self.instance.program().tls;
        let mut top = self.tls_base(seat);
        if tls.size > 0 {
            let mut bytes = tls.bytes.clone();
            bytes.resize(tls.size as usize, 0);
            writes.push((top, bytes));
        }
        if let Some(block) = block {
            top = u64::from(block.start);
            writes.push((top, block.bytes));
        }
        let rsp = top - 8;
        let exit = self.instance.memory().exit_gate();
        writes.push((rsp, exit.to_le_bytes().to_vec()));
        let start = Start {
            process: process.clone(),
            stack,
            writes,
        };
        let mut context = Context::user(entry, rsp);
        let registers = &mut context.registers;
        let places = [
            &mut registers.rdi,
            &mut registers.rsi,
            &mut registers.rdx,
            &mut registers.rcx,
            &mut registers.r8,
            &mut registers.r9,
        ];
        places
            .into_iter()
            .zip(arguments)
            .for_each(|(place, &value)| *place = value);
        let added = process.add_task(spec, seat, context, Some(Box::new(start)));
        match added {
            Ok(_) => Ok(()),
            Err(why) => {
                self.seats.lock()[seat].mapped = false;
                Err(NoTask::Refused(why))
            }
        }
    }

    /// The stack of `seat`: what of it has to be mapped.
    fn stack(&self, seat: usize) -> Result<Pages, OutOfMemory> {
        let place = &mut self.seats.lock()[seat];
        let (start, end) = (stack_start(seat), stack_end(seat));
        if place.mapped {
            return Pages::new(end, end);
        }
        let pages = Pages::new(start, end)?;
        place.mapped = true;
        Ok(pages)
    }
}

/// A range of pages that is being mapped, writable and zeroed.
#[derive(Debug)]
pub(super) struct Pages {
    next: u64,
    promise: Promise,
}

impl Pages {
    /// The pages from `start` up to `end`, for which memory is promised.
    pub(super) fn new(start: u64, end: u64) -> Result<Self, OutOfMemory> {
        Ok(Self {
            next: start,
            promise: Promise::new((end - start) / PAGE_SIZE)?,
        })
    }

    /// Maps a piece of the range; whether that was the last. The kernel itself may have used up what was promised.
    pub(super) fn map_some(&mut self, process: &Process) -> Result<bool, OutOfMemory> {
        let size = self.promise.take(PAGES_AT_ONCE) * PAGE_SIZE;
        process.map(self.next, size, Rights::USER_WRITE)?;
        self.next += size;
        Ok(self.promise.left() == 0)
    }
}

/// What a new task does before its first instruction.
#[derive(Debug)]
struct Start {
    process: Arc<Process>,
    stack: Pages,
    /// What to put where.
    writes: Vec<(u64, Vec<u8>)>,
}

impl Wait for Start {
    fn poll(&mut self, _context: &mut Context) -> Poll {
        match self.stack.map_some(&self.process) {
            Ok(false) => return Poll::More,
            Ok(true) => {}
            Err(OutOfMemory) => return Poll::Fail(String::from("no memory for a stack")),
        }
        let written = self
            .writes
            .iter()
            .try_for_each(|(at, bytes)| copy::to_user(bytes, *at));
        match written {
            Ok(()) => Poll::Done(0),
            Err(_) => Poll::Fail(String::from("its stack is not mapped")),
        }
    }
}

const _: () = assert!((abi::STACK_SIZE as u64).is_multiple_of(PAGE_SIZE));
const _: () = assert!(MAX_TASKS == ::abi::file::MAX_TASKS);
