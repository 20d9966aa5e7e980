//! The program of an instance's process: what its gates do, what its faults mean, which tasks it has.
//!
//! Gate arguments are untrusted numbers. Pointers among them are used only through `syscall::copy`, once; function
//! numbers are checked by the instance. A task's number is the number of its stack, so stacks are used again.

use super::memory::InstanceMemory;
use super::registry::registry;
use super::{Instance, compiler};
use crate::console;
use crate::cores::{self, machine};
use crate::memory::paging::Rights;
use crate::memory::space::Space;
use crate::metal::{cpu, time};
use crate::syscall::copy;
use crate::tasks::body::{Action, UserTask};
use crate::tasks::process::{Process, Program};
use crate::trap::context::{self, Context};
use ::abi::{Errno, HostCall};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use jit::abi::{self, gate};
use jit::code::publish::Outcome;
use jit::gates::Crossing;
use jit::instance::{Config, Fault, FaultReport, NotCompiled, arguments};
use jit::policy::{Event, Thresholds};
use jit::queue::Pushed;
use jit::tier::Tier;
use kernel::layout::PAGE_SIZE;
use kernel::text::BoundedText;
use sched::TaskSpec;
use smp::{CoreId, CoreMask};
use spin::Mutex;

/// Most code of one instance, in bytes.
const CODE_LIMIT: u64 = 8 << 20;
/// Tasks that an instance can have at once.
const MAX_TASKS: usize = ((abi::STACKS_END - abi::STACKS) / abi::STACK_STRIDE) as usize;
/// Results of tasks that are kept until someone asks.
const MAX_RESULTS: usize = 4096;
/// Longest line of output that is put together before it is printed.
const MAX_LINE: usize = 512;
/// Most bytes that one `bf_write` takes.
const MAX_WRITE: usize = 4096;

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

/// What a process and its starter share.
#[derive(Debug)]
struct Guest {
    instance: Arc<Instance>,
    stacks: Mutex<Stacks>,
    finished: Mutex<VecDeque<Finished>>,
    line: Mutex<BoundedText<MAX_LINE>>,
}

/// Stacks by number: which are mapped, which are free, and what runs on the others.
#[derive(Debug, Default)]
struct Stacks {
    free: Vec<usize>,
    /// Tag, and time of the first turn (0 before it).
    tasks: Vec<(u64, u64)>,
}

/// The process's handle on its guest.
#[derive(Debug)]
struct Handle(Arc<Guest>);

/// Binds and loads a module file's program into an address space of its own.
///
/// # Errors
/// A sentence that says what is missing.
pub(crate) fn load(program: Arc<jit::instance::Program>, setup: Setup) -> Result<Loaded, String> {
    let no_memory = || String::from("no memory for the instance");
    let mut space = Space::new().map_err(|_| no_memory())?;
    for segment in program.segments.iter().filter(|segment| segment.size > 0) {
        let rights = if segment.writable {
            Rights::USER_WRITE
        } else {
            Rights::USER_READ
        };
        let start = u64::from(segment.address);
        space
            .map_fresh(start, u64::from(segment.size), rights)
            .map_err(|_| no_memory())?;
        space
            .write(start, &segment.bytes)
            .map_err(|_| no_memory())?;
    }
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
    let instance = jit::instance::Instance::new(id, program, config, memory)
        .map_err(|why| format!("{why}"))?;
    let instance = Arc::new(instance);
    let space = instance.memory().take_space().ok_or_else(no_memory)?;
    let guest = Arc::new(Guest {
        instance: instance.clone(),
        stacks: Mutex::default(),
        finished: Mutex::default(),
        line: Mutex::new(BoundedText::new()),
    });
    let process = Process::new(space, Box::new(Handle(guest.clone())));
    process.hold();
    instance.memory().settle(Arc::downgrade(&process));
    registry().insert(instance.clone());
    Ok(Loaded {
        process,
        instance,
        guest,
    })
}

/// Reads a module file: LLBC or plain bitcode.
///
/// # Errors
/// A sentence that names what is wrong and where.
pub(crate) fn read(
    name: &str,
    file: &[u8],
) -> Result<(Arc<jit::instance::Program>, String), String> {
    let container = ::abi::Container::parse(file).map_err(|why| why.to_string())?;
    let mut module = jit::load::module(container.bitcode).map_err(|why| why.to_string())?;
    module.name = if container.name.is_empty() {
        name
    } else {
        container.name
    }
    .into();
    let entry = container.entry.to_string();
    let program = jit::instance::Program::new(module).map_err(|why| why.to_string())?;
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
        let number = self.take_stack(tag)?;
        let outcome = self.start_on(number, func, arguments, stack_end(number), spec);
        if outcome.is_err() {
            self.guest.stacks.lock().free.push(number);
        }
        outcome
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
        let number = self.take_stack(tag)?;
        let block = arguments::block(words, stack_end(number) as u32)
            .map_err(|_| String::from("the arguments do not fit"))?;
        let (argc, argv) = (u64::from(block.count), u64::from(block.start));
        self.process
            .with_space(|space| space.write(argv, &block.bytes))
            .map_err(|_| String::from("the stack is not mapped"))?;
        self.start_on(number, func, &[argc, argv], argv, spec)
    }

    /// Whether [`Self::take_finished`] would give something.
    pub(crate) fn has_finished(&self) -> bool {
        !self.guest.finished.lock().is_empty()
    }

    /// Tasks that ended by themselves since the last call.
    pub(crate) fn take_finished(&self) -> Vec<Finished> {
        self.guest.finished.lock().drain(..).collect()
    }

    /// Takes the instance off the machine: requests for it are dropped, its tasks end.
    pub(crate) fn unload(self) {
        registry().remove(self.instance.id());
        self.process.end(crate::tasks::process::Ending::Exited(0));
        self.process.release();
    }

    fn start_on(
        &self,
        number: usize,
        func: u32,
        arguments: &[u64],
        top: u64,
        spec: TaskSpec,
    ) -> Result<(), String> {
        let entry = self.instance.entry_of(func).ok_or("no such function")?;
        let exit = self.instance.memory().exit_gate();
        let rsp = top - 8;
        self.process
            .with_space(|space| space.write(rsp, &exit.to_le_bytes()))
            .map_err(|_| String::from("the stack is not mapped"))?;
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
        self.process
            .add_task(spec, number, context)
            .map(|_| ())
            .map_err(|why| format!("no task: {why:?}"))
    }

    fn take_stack(&self, tag: u64) -> Result<usize, String> {
        let mut stacks = self.guest.stacks.lock();
        if let Some(number) = stacks.free.pop() {
            stacks.tasks[number] = (tag, 0);
            return Ok(number);
        }
        let number = stacks.tasks.len();
        if number >= MAX_TASKS {
            return Err(String::from("too many tasks"));
        }
        let size = u64::from(abi::STACK_SIZE);
        self.process
            .map(stack_end(number) - size, size, Rights::USER_WRITE)
            .map_err(|_| String::from("no memory for a stack"))?;
        stacks.tasks.push((tag, 0));
        Ok(number)
    }
}

impl Program for Handle {
    fn syscall(&self, task: &mut UserTask) -> Action {
        let registers = &task.context.registers;
        let [rdi, rsi, rdx] = [registers.rdi, registers.rsi, registers.rdx];
        let number = registers.rax as u32;
        let answer = match number {
            gate::FIRST_CALL => self.0.first_call(rdi as u32),
            gate::COUNT => self.0.count(rdi),
            gate::EXIT => return self.0.finish(task.number, rdi),
            gate::UNRESOLVED => Err(self.0.fail(Fault::NullCall, task)),
            _ => match HostCall::from_number(number) {
                Some(call) => return self.0.host_call(call, [rdi, rsi, rdx], task),
                None => Err(self.0.fail(Fault::BadHostCall, task)),
            },
        };
        match answer {
            Ok(value) => {
                task.context.registers.rax = value;
                Action::Continue
            }
            Err(report) => Action::Fail(report),
        }
    }

    fn explain(&self, fault: context::Fault, context: &Context) -> String {
        let kind = match fault.vector {
            0 => Fault::Divide,
            6 => Fault::InvalidInstruction,
            12 | 13 => Fault::Protection,
            14 => Fault::Memory {
                address: fault.address,
                write: fault.error & 2 != 0,
                fetch: fault.error & 16 != 0,
            },
            vector => Fault::Exception(vector),
        };
        let caller = top_of_stack(context.registers.rsp);
        FaultReport::new(&self.0.instance, kind, fault.rip, caller).to_string()
    }

    fn explain_time(&self, context: &Context) -> String {
        FaultReport::new(&self.0.instance, Fault::TimeUsedUp, context.rip, None).to_string()
    }

    fn gs_base(&self, core: CoreId, task: &UserTask) -> u64 {
        if let Some(entry) = self.0.stacks.lock().tasks.get_mut(task.number)
            && entry.1 == 0
        {
            entry.1 = time::now_ns();
        }
        let memory = self.0.instance.memory();
        memory.set_stack_limit(core, stack_end(task.number) - u64::from(abi::STACK_SIZE));
        memory.gs_base(core)
    }
}

impl Guest {
    fn first_call(&self, func: u32) -> Result<u64, String> {
        let instance = &self.instance;
        let published = instance
            .state(func)
            .is_some_and(|state| state.load().published().is_some());
        if published {
            return instance
                .entry_of(func)
                .ok_or_else(|| String::from("no such function"));
        }
        let result = compiler::compile_here(instance, func, Tier::Baseline);
        compiled(
            instance,
            func,
            Tier::Baseline,
            &result.clone().map(|(_, outcome)| outcome),
        );
        match result {
            Ok((_, Outcome::Lost)) => instance
                .entry_of(func)
                .ok_or_else(|| String::from("no such function")),
            Ok((entry, _)) => Ok(entry),
            Err(why) => {
                let name = instance.program().module.funcs.get(func as usize);
                let name = name.map_or("?", |func| func.name.as_str());
                Err(format!("function {name} cannot be compiled: {why}"))
            }
        }
    }

    fn count(&self, which: u64) -> Result<u64, String> {
        let event = if which & 1 == 0 {
            Event::Call
        } else {
            Event::Loop
        };
        let (func, core) = ((which >> 1) as u32, cores::me().index());
        if self.instance.count(func, event, core, registry().queue()) == Pushed::Queued {
            registry().wake_workers();
        }
        Ok(0)
    }

    /// A task's first frame has returned.
    fn finish(&self, number: usize, result: u64) -> Action {
        let now = time::now_ns();
        let mut stacks = self.stacks.lock();
        if let Some(&(tag, start)) = stacks.tasks.get(number) {
            stacks.free.push(number);
            drop(stacks);
            let took_ns = now.saturating_sub(start);
            let core = cores::me().index();
            let mut finished = self.finished.lock();
            if finished.len() < MAX_RESULTS {
                finished.push_back(Finished {
                    tag,
                    result,
                    took_ns,
                    core,
                });
            }
        }
        machine().wake(CoreMask::only(CoreId::BSP));
        Action::Exit(result)
    }

    fn host_call(&self, call: HostCall, args: [u64; 3], task: &mut UserTask) -> Action {
        let [a, b, c] = args.map(|arg| arg as u32);
        let value = match call {
            HostCall::Exit => return Action::ExitProcess(u64::from(a)),
            HostCall::Yield => return Action::Yield,
            HostCall::SleepUs => return Action::Sleep(u64::from(a)),
            HostCall::Write => self.write(a, b, c),
            HostCall::Log => self.write(2, a, b).min(0),
            HostCall::Core => cores::me().index() as i64,
            HostCall::CoreCount => machine().roles().guests().len() as i64,
            HostCall::TicksUs => time::now_us() as i64,
            HostCall::Grow => 0,
            _ => i64::from(Errno::NoSuchCall.to_result()),
        };
        // Results of 32 bits are zero-extended, as the ABI has it.
        let wide = call.signature().result == Some(::abi::Type::I64);
        let result = if wide {
            value as u64
        } else {
            u64::from(value as u32)
        };
        task.context.registers.rax = result;
        Action::Continue
    }

    /// `bf_write`: takes at most [`MAX_WRITE`] bytes; prints whole lines. The range must be the program's as a whole,
    /// and nothing is printed unless all that is taken can be read.
    fn write(&self, descriptor: u32, address: u32, length: u32) -> i64 {
        if !matches!(descriptor, 1 | 2) {
            return i64::from(Errno::BadDescriptor.to_result());
        }
        let mut bytes = alloc::vec![0; (length as usize).min(MAX_WRITE)];
        let inside = u64::from(address) + u64::from(length) <= u64::from(abi::MEMORY_END);
        if !inside || copy::from_user(u64::from(address), &mut bytes).is_err() {
            return i64::from(Errno::BadPointer.to_result());
        }
        bytes.iter().for_each(|&byte| self.put(byte));
        bytes.len() as i64
    }

    /// Adds a byte of output to the line, which is printed when it is complete; control characters become dots.
    fn put(&self, byte: u8) {
        use core::fmt::Write as _;
        let mut line = self.line.lock();
        if byte != b'\n' {
            let shown = if (b' '..0x7f).contains(&byte) || byte == b'\t' {
                byte
            } else {
                b'.'
            };
            let _ = line.write_char(char::from(shown));
            if line.as_str().len() < MAX_LINE - 4 {
                return;
            }
        }
        console::say!("{}", line.as_str());
        *line = BoundedText::new();
    }

    fn fail(&self, fault: Fault, task: &UserTask) -> String {
        FaultReport::new(&self.instance, fault, task.context.rip, None).to_string()
    }
}

/// Tells people and machines how a compilation ended.
pub(crate) fn compiled(
    instance: &Instance,
    func: u32,
    tier: Tier,
    result: &Result<Outcome, NotCompiled>,
) {
    let module = &instance.program().module;
    let name = module
        .funcs
        .get(func as usize)
        .map_or("?", |func| func.name.as_str());
    let core = cores::me().index();
    let calls = instance.func_stats(func).map_or(0, |stats| stats.calls);
    let at_us = time::now_us();
    match (result, instance.published(func)) {
        (Ok(outcome), Some(version)) => {
            console::json!(
                "{{\"event\":\"compiled\",\"at_us\":{at_us},\"core\":{core},\"instance\":{},\"module\":\"{}\",\
                 \"function\":\"{name}\",\"tier\":\"{tier}\",\"outcome\":\"{outcome:?}\",\"calls\":{calls},\
                 \"compile_us\":{},\"bytes\":{}}}",
                instance.id().index,
                module.name,
                version.compile_us,
                version.code_bytes
            );
            console::log!(
                Debug,
                "core {core:>2}  {:<20} {name:<20} {tier:<8} {calls:>7} calls {:>6} us {:>5} bytes",
                module.name,
                version.compile_us,
                version.code_bytes
            );
        }
        (Err(why), _) => {
            console::json!(
                "{{\"event\":\"not compiled\",\"at_us\":{at_us},\"core\":{core},\"module\":\"{}\",\
                 \"function\":\"{name}\",\"tier\":\"{tier}\",\"why\":\"{why}\"}}",
                module.name
            );
        }
        (Ok(_), None) => {}
    }
}

/// End of the stack of task `number`.
fn stack_end(number: usize) -> u64 {
    u64::from(abi::STACKS) + (number as u64 + 1) * u64::from(abi::STACK_STRIDE)
}

/// The word on top of a program's stack, if it can be read.
fn top_of_stack(rsp: u64) -> Option<u64> {
    let mut word = [0; 8];
    copy::from_user(rsp, &mut word).ok()?;
    Some(u64::from_le_bytes(word))
}

const _: () = assert!((abi::STACK_SIZE as u64).is_multiple_of(PAGE_SIZE));
