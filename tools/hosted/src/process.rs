//! One instance in this process: its cores, its JIT workers, its host calls.
//!
//! The runtime is leaked: its address space is the process's, which is never given back while the
//! process lives, and every thread may hold on to it.

use crate::cores::{Answer, Core, Gates, Left};
use crate::space::Space;
use abi::{Errno, HostCall};
use jit::abi::{gate, slot_address};
use jit::code::publish::Outcome;
use jit::gates::Crossing;
use jit::instance::arguments::BadArguments;
use jit::instance::runtime::CompileLabel;
use jit::instance::{
    Abandoned, Config, CoreContext, Fault, FaultReport, Instance, LinkError, NotCompiled, Program,
};
use jit::legal::LegalError;
use jit::policy::{Event, Thresholds};
use jit::queue::{CompileQueue, InstanceId, Pushed};
use jit::tier::{CpuFeatures, Tier};
use jit::worker::{self, Instances};
use std::fmt;
use std::io::{self, Write as _};
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU32, Ordering};
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
    /// A function could not be compiled at the forced tier.
    Compile(String, NotCompiled),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(why) => why.fmt(f),
            Self::Legal(why) => why.fmt(f),
            Self::System(why) => write!(f, "cannot set up the address space: {why}"),
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
    instance: Arc<Instance<Space>>,
    queue: CompileQueue,
    options: Options,
    start: Instant,
    workers: OnceLock<Vec<Thread>>,
    events: Mutex<Vec<CompileEvent>>,
    stacks: AtomicU32,
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
        let space =
            Space::new(&program, options.cores, options.code_limit).map_err(StartError::System)?;
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
            stacks: AtomicU32::new(0),
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
    pub fn attach(&'static self, number: usize) -> io::Result<Core<'static>> {
        if number >= self.options.cores {
            return Err(io::Error::other(format!("there is no core {number}")));
        }
        let space = self.instance.memory();
        // ORDERING: Relaxed: only a number of one's own is wanted.
        let stack = space.stack(self.stacks.fetch_add(1, Ordering::Relaxed))?;
        let funcs = self.instance.program().imports.len() as u32;
        Core::attach(self, number, space.gs_block(number, funcs), stack)
    }

    /// Calls function `func` on `core`.
    #[must_use]
    pub fn call(&self, core: &Core<'_>, func: u32, args: [u64; 6]) -> Left {
        match self.instance.entry_of(func) {
            Some(entry) => core.call(entry, args, self.options.budget),
            None => Left::Faulted(Fault::NullCall, 0, None),
        }
    }

    /// Calls `main`, which is function `func`, on `core` with these words as `argv`.
    ///
    /// # Errors
    /// The words do not fit, or one contains a NUL.
    pub fn call_main(
        &self,
        core: &Core<'_>,
        func: u32,
        words: &[&str],
    ) -> Result<Left, BadArguments> {
        match self.instance.entry_of(func) {
            Some(entry) => core.call_main(entry, words, self.options.budget),
            None => Ok(Left::Faulted(Fault::NullCall, 0, None)),
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
            let core = (self.options.cores + number) as u32;
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
                Answer::Leave(Left::Faulted(Fault::NotCompiled, at, None))
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

    fn host_call(&self, core: usize, call: HostCall, args: &[u64; 6]) -> Answer {
        let value = match call {
            HostCall::Exit => return Answer::Leave(Left::Exited(args[0] as i32)),
            HostCall::Write => write(args[0] as u32, args[1] as u32, args[2] as u32),
            HostCall::Log => write(2, args[0] as u32, args[1] as u32).min(0),
            HostCall::Core => core as i64,
            HostCall::CoreCount => self.options.cores as i64,
            HostCall::TicksUs => self.start.elapsed().as_micros() as i64,
            HostCall::Yield => {
                thread::yield_now();
                0
            }
            HostCall::SleepUs => {
                thread::sleep(Duration::from_micros(u64::from(args[0] as u32)));
                0
            }
            HostCall::Grow => 0,
            _ => i64::from(Errno::NoSuchCall.to_result()),
        };
        // Results of 32 bits are zero-extended, as the ABI has it.
        let narrow = call.signature().result != Some(abi::Type::I64);
        Answer::Continue(if narrow {
            u64::from(value as u32)
        } else {
            value as u64
        })
    }
}

impl Gates for Process {
    fn gate(&self, core: usize, number: u32, args: &[u64; 6]) -> Answer {
        if let Some(call) = HostCall::from_number(number) {
            return self.host_call(core, call, args);
        }
        let fault = |fault| Answer::Leave(Left::Faulted(fault, u64::from(slot_address(0)), None));
        match number {
            gate::FIRST_CALL => self.first_call(core, args[0] as u32),
            gate::COUNT => self.count(core, args[0]),
            gate::EXIT => Answer::Leave(Left::Returned(args[0], args[1])),
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

/// `bf_write`: copies through the system, which answers a bad address with an error instead of a
/// signal; the copy is what is written.
fn write(fd: u32, address: u32, length: u32) -> i64 {
    const MOST: u32 = 1 << 20;
    let mut bytes = vec![0u8; length.min(MOST) as usize];
    let local = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    let at = std::ptr::without_provenance_mut(address as usize);
    let remote = libc::iovec {
        iov_base: at,
        iov_len: bytes.len(),
    };
    // SAFETY: no arguments.
    let own = unsafe { libc::getpid() };
    // SAFETY: the local range is `bytes`; the remote one is checked by the system.
    let copied =
        unsafe { libc::process_vm_readv(own, &raw const local, 1, &raw const remote, 1, 0) };
    let low = u64::from(address) + u64::from(length) <= u64::from(jit::abi::MEMORY_END);
    if !low || copied < 0 || copied as usize != bytes.len() {
        return i64::from(Errno::BadPointer.to_result());
    }
    let written = match fd {
        1 => io::stdout()
            .write_all(&bytes)
            .and_then(|()| io::stdout().flush()),
        2 => io::stderr().write_all(&bytes),
        _ => return i64::from(Errno::BadDescriptor.to_result()),
    };
    // A closed console takes nothing.
    if written.is_ok() {
        bytes.len() as i64
    } else {
        0
    }
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
