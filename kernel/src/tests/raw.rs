//! Ring-3 processes from a few bytes of machine code, for tests of what surrounds the JIT.

use crate::memory::paging::Rights;
use crate::memory::space::Space;
use crate::syscall::copy;
use crate::tasks::body::{Action, UserTask};
use crate::tasks::executive::Executive;
use crate::tasks::process::{Ending, Process, Program};
use crate::trap::context::{Context, Fault};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use kernel::frames::Frame;
use sched::TaskSpec;
use smp::CoreId;

/// Where the code is.
pub(super) const CODE: u64 = 0x40_0000;
/// Where the shared data page is.
pub(super) const DATA: u64 = 0x50_0000;
/// Where the stacks begin; each has 64 KiB above as much that is not mapped.
const STACKS: u64 = 0x7000_0000;
const STACK_SIZE: u64 = 64 << 10;
/// How long a test waits for a process, µs: generous, because emulated cores share few real ones.
pub(super) const PATIENCE_US: u64 = 60_000_000;

/// The system calls of test programs.
#[derive(Debug)]
struct Raw;

impl Program for Raw {
    fn syscall(&self, task: &mut UserTask) -> Action {
        let registers = &mut task.context.registers;
        match registers.rax {
            0 => return Action::Exit(registers.rdi),
            1 => return Action::Yield,
            2 => return Action::Sleep(registers.rdi),
            3 => {
                let mut bytes = [0; 8];
                let outcome = copy::from_user(registers.rdi, &mut bytes);
                registers.rax = outcome.map_or(1, |()| 0);
            }
            number => return Action::Fail(format!("no system call {number}")),
        }
        Action::Continue
    }

    fn explain(&self, fault: Fault, _context: &Context) -> String {
        fault.to_string()
    }

    fn gs_base(&self, _core: CoreId, _task: &UserTask) -> u64 {
        0
    }
}

/// A process with this code and a data page, without tasks.
pub(super) fn process(code: &[u8]) -> Result<Arc<Process>, String> {
    let mut space = Space::new().map_err(|error| format!("{error:?}"))?;
    let mut fill = || {
        space.map_fresh(CODE, 4096, Rights::USER_EXECUTE)?;
        space.write(CODE, code)?;
        space.map_fresh(DATA, 4096, Rights::USER_WRITE)
    };
    fill().map_err(|error| format!("{error:?}"))?;
    Ok(Process::new(space, Box::new(Raw)))
}

/// Starts task `number` of a process, with a stack of its own.
pub(super) fn add_task(process: &Arc<Process>, number: u64, spec: TaskSpec) -> Result<(), String> {
    let stack = STACKS + (2 * number + 1) * STACK_SIZE;
    process
        .map(stack, STACK_SIZE, Rights::USER_WRITE)
        .map_err(|error| format!("{error:?}"))?;
    let mut context = Context::user(CODE, stack + STACK_SIZE);
    context.registers.rdi = number;
    context.registers.rsi = DATA;
    process
        .add_task(spec, number as usize, context, None)
        .map(|_| ())
        .map_err(|error| format!("{error:?}"))
}

/// Starts `count` tasks of `code`; the process stays until all have been added.
pub(super) fn start(code: &[u8], count: u64) -> Result<Arc<Process>, String> {
    let process = process(code)?;
    process.hold();
    (0..count).try_for_each(|number| add_task(&process, number, TaskSpec::default()))?;
    process.release();
    Ok(process)
}

/// Runs `count` tasks of `code` until all are over.
pub(super) fn run(
    executive: &mut Executive,
    code: &[u8],
    count: u64,
) -> Result<(Arc<Process>, Ending), String> {
    let process = start(code, count)?;
    let ending = wait(executive, &process)?;
    Ok((process, ending))
}

/// Waits for a process to end.
pub(super) fn wait(executive: &mut Executive, process: &Arc<Process>) -> Result<Ending, String> {
    executive.run_until(PATIENCE_US, || process.ending().is_some());
    process
        .ending()
        .ok_or_else(|| "the process did not end".to_string())
}

/// The word at `index` of a process's data page, as the tasks see it.
pub(super) fn word(process: &Process, index: usize) -> u64 {
    let frame = process
        .with_space(|space| space.translate(DATA))
        .map(|phys| Frame::containing(phys.0));
    frame.map_or(0, |frame| crate::memory::read_shared_word(frame, index))
}

/// Sets the word at `index` of a process's data page.
pub(super) fn set_word(process: &Process, index: usize, value: u64) {
    if let Some(phys) = process.with_space(|space| space.translate(DATA)) {
        crate::memory::write_shared_word(Frame::containing(phys.0), index, value);
    }
}
