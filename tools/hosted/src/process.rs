//! One instance in this process: its cores, its JIT workers, its host calls.
//!
//! The runtime is leaked: its address space is the process's, which is never given back while the
//! process lives, and every thread may hold on to it.

use crate::affinity::Affinity;
use crate::cores::{Answer, Core, Departure, Gates, Left, Place};
use crate::files::{Directory, Files};
use crate::space::Space;
use crate::tasks::{Reserved, Tasks};
use abi::{Errno, HostCall};
use jit::abi::{gate, slot_address, stub_func};
use jit::code::publish::Outcome;
use jit::gates::Crossing;
use jit::instance::arguments::BadArguments;
use jit::instance::runtime::CompileLabel;
use jit::instance::{
    Abandoned, Binding, Config, CoreContext, Fault, FaultReport, Instance, LinkError, NotCompiled,
    Program,
};
use jit::legal::LegalError;
use jit::policy::{Event, Thresholds};
use jit::queue::{CompileQueue, InstanceId, Pushed};
use jit::tier::{CpuFeatures, Tier};
use jit::worker::{self, Instances};
use std::fmt;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// How to run a program.
#[derive(Clone, Debug)]
pub struct Options {
    /// Threads that may run module code at one time.
    pub cores: usize,
    /// JIT workers; 0 leaves every function at baseline.
    pub workers: usize,
    /// The tier of all functions, compiled before the first call; `None` tiers up while running.
    pub forced: Option<Tier>,
    /// When to tier up.
    pub thresholds: Thresholds,
    /// Most bytes of code.
    pub code_limit: u64,
    /// Entries of each class of the compile queue.
    pub queue: usize,
    /// CPU time that one call may take.
    pub budget: Option<Duration>,
    /// The CPU features to use; by default all that are there.
    pub cpu: CpuFeatures,
    /// Directories that the program may use.
    pub directories: Vec<Directory>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cores: 1,
            workers: 1,
            forced: None,
            thresholds: Thresholds::default(),
            code_limit: 64 << 20,
            queue: 1024,
            budget: None,
            cpu: cpu_features(),
            directories: Vec::new(),
        }
    }
}

/// What this machine's CPU can do.
#[must_use]
pub fn cpu_features() -> CpuFeatures {
    CpuFeatures {
        sse41: is_x86_feature_detected!("sse4.1"),
        popcnt: is_x86_feature_detected!("popcnt"),
        avx: is_x86_feature_detected!("avx"),
        avx2: is_x86_feature_detected!("avx2"),
        fma: is_x86_feature_detected!("fma"),
        bmi1: is_x86_feature_detected!("bmi1"),
        bmi2: is_x86_feature_detected!("bmi2"),
        lzcnt: is_x86_feature_detected!("lzcnt"),
        f16c: is_x86_feature_detected!("f16c"),
    }
}

/// Why a program could not be started.
#[derive(Debug)]
pub enum StartError {
    /// Its symbols do not bind.
    Link(LinkError),
    /// It uses what the machine dialect cannot say.
    Legal(LegalError),
    /// The system refused memory.
    System(io::Error),
    /// A directory cannot be granted.
    Files(io::Error),
    /// A function could not be compiled at the forced tier.
    Compile(String, NotCompiled),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(why) => why.fmt(f),
            Self::Legal(why) => why.fmt(f),
            Self::System(why) => write!(f, "cannot set up the address space: {why}"),
            Self::Files(why) => write!(f, "cannot grant a directory: {why}"),
            Self::Compile(func, why) => write!(f, "cannot compile {func}: {why}"),
        }
    }
}

/// A compilation, for the log.
#[derive(Clone, Debug)]
pub struct CompileEvent {
    /// Microseconds since start.
    pub at_us: u64,
    /// The core that compiled.
    pub core: u32,
    /// The function.
    pub func: u32,
    /// The tier.
    pub tier: Tier,
    /// How it ended.
    pub result: Result<Outcome, NotCompiled>,
}

/// One instance in this process.
pub struct Process {
    pub(crate) instance: Arc<Instance<Space>>,
    queue: CompileQueue,
    pub(crate) options: Options,
    pub(crate) start: Instant,
    workers: OnceLock<Vec<Thread>>,
    events: Mutex<Vec<CompileEvent>>,
    /// GS blocks for spawned tasks.
    lanes: usize,
    pub(crate) tasks: Tasks,
    pub(crate) files: Files,
    pub(crate) affinity: Affinity,
    /// Where the heap goes on.
    pub(crate) heap: Mutex<u32>,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Process {
    /// Loads `program`; there can be one in a process.
    ///
    /// # Errors
    /// The program cannot be legalised, the system refuses memory, or a function cannot be compiled at the
    /// forced tier.
    pub fn start(mut program: Program, options: Options) -> Result<&'static Self, StartError> {
        program.legalise(options.cpu).map_err(StartError::Legal)?;
        let lanes = lanes(&program);
        let space = Space::new(&program, options.cores, lanes, options.code_limit)
            .map_err(StartError::System)?;
        let files = Files::new(&options.directories).map_err(StartError::Files)?;
        let heap = Mutex::new(program.heap);
        let config = Config {
            thresholds: options.thresholds,
            cpu: options.cpu,
            crossing: Crossing::HostCall,
            code_limit: options.code_limit,
            tier_up: options.forced.is_none() && options.workers > 0,
        };
        let id = InstanceId {
            index: 0,
            generation: 1,
        };
        let instance = Instance::new(id, Arc::new(program), config, space)
            .map_err(|why| StartError::System(io::Error::other(why.to_string())))?;
        let process: &'static Self = Box::leak(Box::new(Self {
            instance: Arc::new(instance),
            queue: CompileQueue::new(options.queue),
            start: Instant::now(),
            workers: OnceLock::new(),
            events: Mutex::default(),
            lanes,
            tasks: Tasks::default(),
            files,
            affinity: Affinity::of_this_process(),
            heap,
            options,
        }));
        if let Some(tier) = process.options.forced {
            let cx = process.context(0);
            process
                .instance
                .compile_all(tier, &cx)
                .map_err(|(func, why)| StartError::Compile(process.func_name(func), why))?;
        }
        process.start_workers();
        Ok(process)
    }

    /// The instance.
    #[must_use]
    pub fn instance(&self) -> &Instance<Space> {
        &self.instance
    }

    /// The compile queue.
    #[must_use]
    pub fn queue(&self) -> &CompileQueue {
        &self.queue
    }

    /// Compilations so far.
    #[must_use]
    pub fn events(&self) -> Vec<CompileEvent> {
        self.events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What a compilation on `core` is given; cores behind the last are JIT workers.
    #[must_use]
    pub fn context(&self, core: u32) -> HostContext {
        HostContext {
            core,
            start: self.start,
        }
    }

    /// Makes the calling thread core `number` with a stack of its own.
    ///
    /// # Errors
    /// There is no such core, no stack is left, or the system refuses.
    pub fn attach(&'static self, number: usize) -> io::Result<Core> {
        if number >= self.options.cores {
            return Err(io::Error::other(format!("there is no core {number}")));
        }
        let stack = self.instance.memory().take_stack()?;
        self.attach_at(number, stack)
    }

    fn attach_at(&'static self, number: usize, stack: (usize, u32)) -> io::Result<Core> {
        let program = self.instance.program();
        let place = Place {
            number,
            block: self
                .instance
                .memory()
                .gs_block(number, program.imports.len() as u32),
            stack,
            cores: self.core_count(),
            tls: &program.tls,
        };
        Core::attach(self, place).inspect_err(|_| self.instance.memory().give_stack(stack.0))
    }

    /// How many cores module code runs on: those of the machine if the program has tasks.
    pub(crate) fn core_count(&self) -> usize {
        if self.lanes == 0 {
            self.options.cores
        } else {
            self.options.cores.max(self.affinity.cores())
        }
    }

    /// Calls function `func` on `core`; ends with all tasks that the call has spawned.
    #[must_use]
    pub fn call(&self, core: &Core, func: u32, args: [u64; 6]) -> Left {
        let Some(entry) = self.instance.entry_of(func) else {
            return Left::Faulted(Fault::NullCall, 0, None);
        };
        self.tasks.enter();
        self.tasks
            .leave(core.call(entry, args, self.options.budget))
    }

    /// Calls `main`, which is function `func`, on `core` with these words as `argv`; ends with all tasks
    /// that the program has spawned.
    ///
    /// # Errors
    /// The words do not fit, or one contains a NUL.
    pub fn call_main(&self, core: &Core, func: u32, words: &[&str]) -> Result<Left, BadArguments> {
        let Some(entry) = self.instance.entry_of(func) else {
            return Ok(Left::Faulted(Fault::NullCall, 0, None));
        };
        self.tasks.enter();
        match core.call_main(entry, words, self.options.budget) {
            Ok(left) => Ok(self.tasks.leave(left)),
            Err(why) => {
                self.tasks.leave(Departure::Ended);
                Err(why)
            }
        }
    }

    /// Starts a task that calls the function whose stub is at `entry`; gives its number.
    pub(crate) fn spawn(
        &'static self,
        entry: u32,
        argument: u32,
        core: Option<usize>,
    ) -> Result<u32, Errno> {
        let funcs = self.instance.program().imports.len() as u32;
        let func = stub_func(entry, funcs).ok_or(Errno::Invalid)?;
        let address = self.instance.entry_of(func).ok_or(Errno::Invalid)?;
        let task = self.tasks.reserve(self.lanes)?;
        let number = task.number;
        let Ok(stack) = self.instance.memory().take_stack() else {
            self.tasks.give_up(&task);
            return Err(Errno::NoMemory);
        };
        // The closure owns the task's place, which is given up here if no thread comes to be.
        let task = Arc::new(task);
        let own = task.clone();
        let body = move || {
            self.tasks.begin(&own);
            self.affinity.pin(core);
            let left = self.run_task(&own, stack, address, argument);
            let result = match left {
                Departure::Left(Left::Returned(value, _)) => value as u32,
                Departure::TaskExited(value) => value,
                Departure::Ended => 0,
                Departure::Left(left) => {
                    self.tasks.end_instance(left);
                    0
                }
            };
            self.tasks.end(&own, result);
        };
        let name = format!("task {number}");
        if thread::Builder::new().name(name).spawn(body).is_err() {
            self.instance.memory().give_stack(stack.0);
            self.tasks.give_up(&task);
            return Err(Errno::Again);
        }
        Ok(number)
    }

    fn run_task(
        &'static self,
        task: &Reserved,
        stack: (usize, u32),
        address: u64,
        argument: u32,
    ) -> Departure {
        let lane = self.options.cores + task.lane;
        if task.is_fresh {
            self.instance.arm(lane);
        }
        match self.attach_at(lane, stack) {
            Ok(core) => {
                let args = [u64::from(argument), 0, 0, 0, 0, 0];
                core.call(address, args, self.options.budget)
            }
            Err(_) => Departure::Left(Left::Faulted(Fault::NotCompiled, address, None)),
        }
    }

    /// What to tell a person about a call that was ended.
    #[must_use]
    pub fn report(&self, fault: Fault, pc: u64, caller: Option<u64>) -> FaultReport {
        FaultReport::new(&*self.instance, fault, pc, caller)
    }

    fn func_name(&self, func: u32) -> String {
        self.instance.program().module.funcs[func as usize]
            .name
            .clone()
    }

    fn start_workers(&'static self) {
        let spawn = |number: usize| {
            let core = (self.options.cores + self.lanes + number) as u32;
            let work = move || self.work(core);
            let name = format!("jit worker {number}");
            thread::Builder::new()
                .name(name)
                .spawn(work)
                .map(|handle| handle.thread().clone())
        };
        let tier_up = self.options.forced.is_none();
        let count = if tier_up { self.options.workers } else { 0 };
        let threads = (0..count).filter_map(|number| spawn(number).ok()).collect();
        let first = self.workers.set(threads);
        debug_assert!(first.is_ok(), "workers start once");
    }

    /// The loop of a JIT worker: bounded work, then sleep until there is more.
    fn work(&self, core: u32) {
        let cx = self.context(core);
        loop {
            match worker::step(&self.queue, self, &cx) {
                Some(served) => self.log(core, served.func, served.tier, served.result),
                None => thread::park_timeout(Duration::from_millis(10)),
            }
        }
    }

    fn log(&self, core: u32, func: u32, tier: Tier, result: Result<Outcome, NotCompiled>) {
        let at_us = self.start.elapsed().as_micros() as u64;
        let event = CompileEvent {
            at_us,
            core,
            func,
            tier,
            result,
        };
        self.events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(event);
    }

    fn first_call(&self, core: usize, func: u32) -> Answer {
        match self.instance.first_call(func, &self.context(core as u32)) {
            Ok(entry) => Answer::Continue(entry),
            Err(_) => {
                let at = self.instance.entry_of(func).unwrap_or(0);
                leave(Left::Faulted(Fault::NotCompiled, at, None))
            }
        }
    }

    fn count(&self, core: usize, which: u64) -> Answer {
        let event = if which & 1 == 0 {
            Event::Call
        } else {
            Event::Loop
        };
        let pushed = self
            .instance
            .count((which >> 1) as u32, event, core, &self.queue);
        if pushed == Pushed::Queued {
            self.workers
                .get()
                .into_iter()
                .flatten()
                .for_each(Thread::unpark);
        }
        Answer::Continue(0)
    }
}

impl Gates for Process {
    fn give_stack(&self, stack: usize) {
        self.instance.memory().give_stack(stack);
    }

    fn gate(&'static self, core: usize, number: u32, args: &[u64; 6]) -> Answer {
        if let Some(call) = HostCall::from_number(number) {
            return self.host_call(core, call, args);
        }
        let fault = |fault| leave(Left::Faulted(fault, u64::from(slot_address(0)), None));
        match number {
            gate::FIRST_CALL => self.first_call(core, args[0] as u32),
            gate::COUNT => self.count(core, args[0]),
            gate::EXIT => leave(Left::Returned(args[0], args[1])),
            gate::UNRESOLVED => fault(Fault::NullCall),
            _ => fault(Fault::BadHostCall),
        }
    }
}

impl Instances for Process {
    type Memory = Space;

    fn get(&self, id: InstanceId) -> Option<Arc<Instance<Space>>> {
        (id == self.instance.id()).then(|| self.instance.clone())
    }
}

fn leave(left: Left) -> Answer {
    Answer::Leave(Departure::Left(left))
}

/// GS blocks for tasks: none for a program that cannot spawn any.
fn lanes(program: &Program) -> usize {
    let spawns = program.imports.contains(&Binding::Host(HostCall::Spawn));
    if spawns { abi::file::MAX_TASKS - 1 } else { 0 }
}

/// A core of the host, as the compiler sees it.
#[derive(Clone, Copy, Debug)]
pub struct HostContext {
    core: u32,
    start: Instant,
}

impl CoreContext for HostContext {
    fn core(&self) -> u32 {
        self.core
    }

    fn now_us(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }

    fn contained<R, K>(
        &self,
        _what: &CompileLabel<'_>,
        work: impl FnOnce() -> R,
        keep: impl FnOnce(&R) -> K,
    ) -> Result<K, Abandoned> {
        let result = panic::catch_unwind(AssertUnwindSafe(work)).map_err(|_| Abandoned)?;
        Ok(keep(&result))
    }
}
