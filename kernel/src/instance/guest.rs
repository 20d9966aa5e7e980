//! An instance as a process: loading it, starting tasks in it, and what its tasks share.
//!
//! What its gates do is in `gate`, its host calls in `calls` and the files beside it. A task's seat (`kernel::team`) is
//! the number of its stack, so stacks are used again.

use super::Instance;
use super::files::Files;
use super::gate::Handle;
use super::heap::Heap;
use super::memory::InstanceMemory;
use super::registry::registry;
use super::start::{MAX_TASKS, Seat, stack_end};
use crate::console;
use crate::cores::machine;
use crate::memory::paging::Rights;
use crate::memory::space::Space;
use crate::metal::cpu;
use crate::tasks::process::{Ending, Process};
use ::abi::HostCall;
use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use ir::{Function, Module};
use jit::gates::Crossing;
use jit::instance::archive::Archive;
use jit::instance::link::Input;
use jit::instance::{Config, Program, arguments};
use jit::policy::Thresholds;
use kernel::output::Line;
use kernel::team::Team;
use kernel::waits::Waits;
use sched::{TaskId, TaskSpec};
use spin::{Mutex, Once};

/// Most code of one instance, in bytes: enough for SQLite at every tier.
const CODE_LIMIT: u64 = 24 << 20;

/// How an instance is to be run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    /// When to tier up.
    pub(crate) thresholds: Thresholds,
    /// Whether to tier up at all.
    pub(crate) tier_up: bool,
}

/// How a task of the instance ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Finished {
    /// What the starter called it.
    pub(crate) tag: u64,
    /// The function's result.
    pub(crate) result: u64,
    /// From its first turn to its end, ns.
    pub(crate) took_ns: u64,
    /// The core it ended on.
    pub(crate) core: usize,
}

/// A loaded instance with its process.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    /// The process; held open until [`Loaded::unload`].
    pub(crate) process: Arc<Process>,
    /// The instance.
    pub(crate) instance: Arc<Instance>,
    guest: Arc<Guest>,
}

/// What the tasks of an instance and their starter share.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) instance: Arc<Instance>,
    /// Set once, right after the process was made.
    process: Once<Weak<Process>>,
    pub(super) team: Mutex<Team<TaskId>>,
    /// What each seat has besides its task.
    pub(super) seats: Mutex<Vec<Seat>>,
    pub(super) waits: Waits<TaskId>,
    pub(super) heap: Mutex<Heap>,
    pub(super) files: Files,
    pub(super) finished: Mutex<VecDeque<Finished>>,
    pub(super) line: Mutex<Line>,
}

/// Binds and loads a module file's program into an address space of its own.
///
/// # Errors
/// A sentence that says what is missing.
pub(crate) fn load(program: Arc<Program>, setup: Setup) -> Result<Loaded, String> {
    load_with(program, setup, Waits::default(), Files::new(&[])?)
}

/// As [`load`], with a table of waiting tasks that a test has made, and with folders of the volume for the program's files.
pub(crate) fn load_with(
    program: Arc<Program>,
    setup: Setup,
    waits: Waits<TaskId>,
    files: Files,
) -> Result<Loaded, String> {
    let no_memory = || String::from("no memory for the instance");
    let space = fill_space(&program).ok_or_else(no_memory)?;
    let cores = machine().topology.cores().len();
    let memory =
        InstanceMemory::new(space, program.imports.len(), cores).map_err(|_| no_memory())?;
    let config = Config {
        thresholds: setup.thresholds,
        cpu: cpu::code_features(),
        crossing: Crossing::Syscall,
        code_limit: CODE_LIMIT,
        tier_up: setup.tier_up,
    };
    let id = registry().reserve().ok_or("too many instances")?;
    let heap = Heap::new(program.heap);
    let instance = jit::instance::Instance::new(id, program, config, memory)
        .map_err(|why| format!("{why}"))?;
    let instance = Arc::new(instance);
    let space = instance.memory().take_space().ok_or_else(no_memory)?;
    let guest = Arc::new(Guest {
        instance: instance.clone(),
        process: Once::new(),
        team: Mutex::new(Team::new(MAX_TASKS)),
        seats: Mutex::new(alloc::vec![Seat::default(); MAX_TASKS]),
        waits,
        heap: Mutex::new(heap),
        files,
        finished: Mutex::default(),
        line: Mutex::default(),
    });
    let process = Process::new(space, Box::new(Handle(guest.clone())));
    process.hold();
    guest.process.call_once(|| Arc::downgrade(&process));
    instance.memory().settle(Arc::downgrade(&process));
    registry().insert(instance.clone());
    Ok(Loaded {
        process,
        instance,
        guest,
    })
}

/// An address space with the program's constants and globals; `None` if memory is out.
fn fill_space(program: &Program) -> Option<Space> {
    let mut space = Space::new().ok()?;
    for segment in program.segments.iter().filter(|segment| segment.size > 0) {
        let rights = if segment.writable {
            Rights::USER_WRITE
        } else {
            Rights::USER_READ
        };
        let start = u64::from(segment.address);
        space
            .map_fresh(start, u64::from(segment.size), rights)
            .ok()?;
        space.write(start, &segment.bytes).ok()?;
    }
    Some(space)
}

/// A file by its name and bytes.
pub(crate) type Named<'a> = (&'a str, &'a [u8]);

/// Reads a module file: LLBC or plain bitcode.
///
/// # Errors
/// A sentence that names what is wrong and where.
pub(crate) fn read(name: &str, file: &[u8]) -> Result<(Arc<Program>, String), String> {
    link(parse(&[(name, file)])?, &[])
}

/// Module files that have been read and not been linked yet.
#[derive(Debug)]
pub(crate) struct Parsed {
    modules: Vec<Module>,
    /// The entry that the first of them names.
    entry: String,
}

/// Reads module files that make one program; the first says where it begins.
///
/// # Errors
/// A sentence that names what is wrong, in which file and where.
pub(crate) fn parse(files: &[Named<'_>]) -> Result<Parsed, String> {
    let mut parsed = Parsed {
        modules: Vec::new(),
        entry: String::new(),
    };
    for (index, &(name, file)) in files.iter().enumerate() {
        let wrong = |why: &dyn core::fmt::Display| format!("{name}: {why}");
        let container = ::abi::Container::parse(file).map_err(|why| wrong(&why))?;
        let mut module = jit::load::module(container.bitcode).map_err(|why| wrong(&why))?;
        let own_name = Some(container.name).filter(|name| !name.is_empty());
        module.name = own_name.unwrap_or(name).into();
        if index == 0 {
            parsed.entry = container.entry.to_string();
        }
        parsed.modules.push(module);
    }
    Ok(parsed)
}

impl Parsed {
    /// Whether a function is missing that only a library can have.
    pub(crate) fn needs_library(&self) -> bool {
        let funcs = || self.modules.iter().flat_map(|module| &module.funcs);
        let defined: BTreeSet<&str> = funcs()
            .filter(|func| func.body.is_some())
            .map(|func| func.name.as_str())
            .collect();
        let missing = |func: &Function| {
            func.body.is_none()
                && !func.name.starts_with("llvm.")
                && HostCall::from_symbol(&func.name).is_none()
                && !defined.contains(func.name.as_str())
        };
        funcs().any(missing)
    }
}

/// Makes one program of modules and what they need of these archives.
///
/// # Errors
/// A sentence that names what is wrong.
pub(crate) fn link(
    parsed: Parsed,
    archives: &[Named<'_>],
) -> Result<(Arc<Program>, String), String> {
    let entry = match parsed.entry.as_str() {
        "" => String::from("main"),
        entry => entry.to_string(),
    };
    let mut inputs: Vec<Input<'_>> = parsed.modules.into_iter().map(Input::Module).collect();
    for &(name, bytes) in archives {
        let archive = Archive::parse(name, bytes).map_err(|why| why.to_string())?;
        inputs.push(Input::Archive(archive));
    }
    let mut program = Program::link(inputs, &entry).map_err(|why| why.to_string())?;
    let cpu = cpu::code_features();
    program.legalise(cpu).map_err(|why| why.to_string())?;
    Ok((Arc::new(program), entry))
}

impl Loaded {
    /// Starts a task that calls `func` with up to six integers; [`Self::take_finished`] tells its result under `tag`.
    ///
    /// # Errors
    /// The process has ended, or there is no stack or no place for another task.
    pub(crate) fn start(
        &self,
        tag: u64,
        func: u32,
        arguments: &[u64],
        spec: TaskSpec,
    ) -> Result<(), String> {
        let entry = self.instance.entry_of(func).ok_or("no such function")?;
        let seat = self.guest.take_seat(Some(tag)).ok_or("too many tasks")?;
        self.guest
            .launch(seat, entry, arguments, None, spec)
            .map_err(|why| format!("no task: {why}"))
    }

    /// Starts a task that calls `main`, which is `func`, with these words as `argv`.
    ///
    /// # Errors
    /// As [`Self::start`], or the words do not fit.
    pub(crate) fn start_main(
        &self,
        tag: u64,
        func: u32,
        words: &[&str],
        spec: TaskSpec,
    ) -> Result<(), String> {
        let entry = self.instance.entry_of(func).ok_or("no such function")?;
        let seat = self.guest.take_seat(Some(tag)).ok_or("too many tasks")?;
        let Ok(block) = arguments::block(words, self.guest.tls_base(seat) as u32) else {
            self.guest.team.lock().cancel(seat);
            return Err(String::from("the arguments do not fit"));
        };
        let registers = [u64::from(block.count), u64::from(block.start)];
        self.guest
            .launch(seat, entry, &registers, Some(block), spec)
            .map_err(|why| format!("no task: {why}"))
    }

    /// Whether [`Self::take_finished`] would give something.
    pub(crate) fn has_finished(&self) -> bool {
        !self.guest.finished.lock().is_empty()
    }

    /// Tasks that ended by themselves since the last call.
    pub(crate) fn take_finished(&self) -> Vec<Finished> {
        self.guest.finished.lock().drain(..).collect()
    }

    /// Prints what the program has written of a line that it did not end, and ends it. On the BSP only.
    pub(crate) fn flush_output(&self) {
        console::drain();
        console::print(&self.guest.line.lock().end());
    }

    /// Takes the instance off the machine: requests for it are dropped, its tasks end, its files are closed.
    pub(crate) fn unload(self) {
        registry().remove(self.instance.id());
        self.process.end(Ending::Exited(0));
        self.guest.files.close_all();
        self.process.release();
    }
}

impl Guest {
    /// The process; `None` when it is being torn down.
    pub(super) fn process(&self) -> Option<Arc<Process>> {
        self.process.get().and_then(Weak::upgrade)
    }

    /// Where the thread-local variables of the task on `seat` lie: on top of its stack.
    pub(super) fn tls_base(&self, seat: usize) -> u64 {
        let tls = &self.instance.program().tls;
        u64::from(tls.base(stack_end(seat) as u32))
    }
}
