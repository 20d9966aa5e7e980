//! One program in the reference interpreter: linked, placed and served like an instance with one core and no files.
//!
//! It judges the tiers, so it has what they have: the linker's layout, a task's stack and thread-local block, `main`'s
//! arguments, heap, clock, console. What needs a second task or a file is answered as a platform without would.

use crate::child::{BROKEN, DECLINED, ENDLESS, FAULTED, REFUSED, complain};
use abi::file::{Kind, Stat};
use abi::{Errno, HostCall};
use ir::interp::{
    Addresses, Arg, BadAddress, FaultKind, FlatMemory, Host, Interp, Limits, Memory, Val,
};
use ir::{FuncId, GlobalId, Module};
use jit::helpers::Helper;
use jit::instance::Program;
use std::io::{self, Write as _};
use std::ops::Range;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Instructions of a program.
const STEPS: u64 = 30_000_000;
const STACK: Range<u32> = 0x7010_0000..0x7020_0000;
/// The thread-local block of the only task.
const TLS: u32 = 0x7100_0000;
/// `argv` and what it points to.
const ARGUMENTS: u32 = 0x7200_0000;
/// Bytes of heap.
const HEAP: u32 = 16 << 20;
const PAGE: u32 = 4096;
/// Most bytes that a call moves.
const MOST: u32 = 1 << 20;

/// Runs `main` of a module; the exit status of this process.
pub(crate) fn run(module: Module) -> i32 {
    let program = match Program::new(module) {
        Ok(program) => program,
        Err(why) => return complain(REFUSED, &why.to_string()),
    };
    let Some(main) = program.start("main").map(FuncId) else {
        return complain(REFUSED, "there is no main");
    };
    let Ok(mut memory) = place(&program) else {
        return complain(BROKEN, "the program does not fit its memory");
    };
    let limits = Limits {
        steps: STEPS,
        depth: 10_000,
        stack: STACK,
    };
    // argc, argv and envp, as far as the function takes them.
    let module = &program.module;
    let count = module
        .types
        .signature(module.func(main).ty)
        .map_or(0, |(_, params, _)| params.len());
    let args = &[Val::Bits(1), Val::Bits(ARGUMENTS.into()), Val::Bits(0)][..count.min(3)];
    let mut host = Console::new(program.heap);
    let places = Places(&program);
    let mut interp = Interp::new(module, &mut memory, &places, &mut host, limits);
    match interp.call(main, args).map_err(|fault| (fault.kind, fault)) {
        Ok(status) => (status.addr() & 255) as i32,
        Err((FaultKind::Exit(status), _)) => status & 255,
        Err((FaultKind::StepLimit, _)) => complain(ENDLESS, "step limit reached"),
        Err((FaultKind::Unsupported(what), _)) => {
            complain(DECLINED, &format!("unsupported: {what}"))
        }
        Err((_, fault)) => {
            let name = &module.func(fault.func).name;
            complain(FAULTED, &format!("{fault} ({name})"))
        }
    }
}

/// The memory of a program before it runs.
fn place(program: &Program) -> Result<FlatMemory, BadAddress> {
    let mut memory = FlatMemory::new();
    for segment in program.segments.iter().filter(|segment| segment.size > 0) {
        memory.map(segment.address, segment.size);
        memory.store(segment.address, &segment.bytes)?;
        if !segment.writable {
            memory.protect(segment.address);
        }
    }
    memory.map(program.heap, HEAP);
    memory.map(STACK.start, STACK.end - STACK.start);
    memory.map(TLS, program.tls.size.max(1));
    memory.store(TLS, &program.tls.bytes)?;
    memory.map(ARGUMENTS, PAGE);
    memory.store(ARGUMENTS, &(ARGUMENTS + 8).to_le_bytes())?;
    memory.store(ARGUMENTS + 8, b"program\0")?;
    Ok(memory)
}

/// Where things are: as the linker says, and thread-local variables in the only block.
struct Places<'a>(&'a Program);

impl Addresses for Places<'_> {
    fn func(&self, id: FuncId) -> u32 {
        self.0.func(id)
    }

    fn global(&self, id: GlobalId) -> u32 {
        let place = self.0.global(id);
        if self.0.module.globals[id.index()].thread_local {
            TLS + place
        } else {
            place
        }
    }

    fn func_at(&self, address: u32) -> Option<FuncId> {
        self.0.func_at(address)
    }

    fn definition(&self, id: FuncId) -> FuncId {
        self.0.definition(id)
    }
}

/// The host calls of an instance with one task, a console and no files.
struct Console {
    start: Instant,
    /// What of the heap is left.
    heap: Range<u32>,
    random: u64,
}

impl Host for Console {
    fn call(
        &mut self,
        module: &Module,
        func: FuncId,
        args: &[Arg],
        memory: &mut dyn Memory,
    ) -> Result<Val, FaultKind> {
        let name = module.func(func).name.as_str();
        let arg = |at: usize| args.get(at).map_or(0, |arg| arg.value.bits() as u64);
        let low = |result: i64| Val::Bits(u128::from(result as u32));
        if let Some(helper) = Helper::from_symbol(name) {
            let args = [arg(0), arg(1), arg(2)].map(|arg| arg as u32);
            return block(helper, args, memory).map(low);
        }
        let call = HostCall::from_symbol(name).ok_or(FaultKind::BadCall(func.0))?;
        let result = self.serve(call, [arg(0), arg(1), arg(2)], memory)?;
        Ok(match call.signature().result {
            Some(abi::host_call::Type::I64) => Val::Bits(u128::from(result.cast_unsigned())),
            _ => low(result),
        })
    }
}

impl Console {
    fn new(heap: u32) -> Self {
        Self {
            start: Instant::now(),
            heap: heap..heap.saturating_add(HEAP),
            random: 0x2545_F491_4F6C_DD1D,
        }
    }

    fn serve(
        &mut self,
        call: HostCall,
        args: [u64; 3],
        memory: &mut dyn Memory,
    ) -> Result<i64, FaultKind> {
        let [first, second, third] = args.map(|arg| arg as u32);
        let error = |why: Errno| Ok(i64::from(why.to_result()));
        Ok(match call {
            HostCall::Exit => return Err(FaultKind::Exit(first.cast_signed())),
            HostCall::TaskExit => return Err(FaultKind::Exit(0)),
            HostCall::Write if matches!(first, 1 | 2) => {
                let mut bytes = vec![0; third.min(MOST) as usize];
                if memory.load(second, &mut bytes).is_err() {
                    return error(Errno::BadPointer);
                }
                // Nobody listens any more: the program goes on.
                let _ = match first {
                    1 => io::stdout().write_all(&bytes),
                    _ => io::stderr().write_all(&bytes),
                };
                bytes.len() as i64
            }
            HostCall::Grow => self.grow(first).into(),
            HostCall::TicksUs => self.start.elapsed().as_micros() as i64,
            HostCall::ClockUs => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_micros() as i64),
            HostCall::Random => return self.random(first, second, memory),
            HostCall::CoreCount | HostCall::SelfTask => 1,
            HostCall::FStat if first < 3 => {
                let stat = Stat {
                    size: 0,
                    mtime_us: 0,
                    kind: Kind::Console,
                };
                match memory.store(second, &stat.to_bytes()) {
                    Ok(()) => 0,
                    Err(_) => return error(Errno::BadPointer),
                }
            }
            HostCall::Wait => return wait(first, second, args[2].cast_signed(), memory),
            // Time passes, nobody wakes up, nothing is typed.
            HostCall::Log
            | HostCall::Core
            | HostCall::Yield
            | HostCall::SleepUs
            | HostCall::Pin
            | HostCall::Wake => 0,
            HostCall::Read if first == 0 => 0,
            HostCall::Close if first < 3 => 0,
            HostCall::Spawn => return error(Errno::Again),
            HostCall::Join => return error(Errno::NoTask),
            HostCall::Open
            | HostCall::Stat
            | HostCall::Remove
            | HostCall::Rename
            | HostCall::MakeDirectory => return error(Errno::NoAccess),
            HostCall::Seek if first < 3 => return error(Errno::NotSeekable),
            _ => return error(Errno::BadDescriptor),
        })
    }

    /// So many more bytes of heap, in pages; 0 if there are none.
    fn grow(&mut self, bytes: u32) -> u32 {
        let size = bytes.checked_next_multiple_of(PAGE);
        let room = self.heap.end - self.heap.start;
        match size.filter(|&size| size <= room) {
            Some(size) => {
                let start = self.heap.start;
                self.heap.start += size;
                start
            }
            None => 0,
        }
    }

    fn random(&mut self, to: u32, count: u32, memory: &mut dyn Memory) -> Result<i64, FaultKind> {
        for at in 0..count.min(MOST) {
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            memory.store(to.wrapping_add(at), &[self.random as u8])?;
        }
        Ok(count.into())
    }
}

/// `bf_wait` where nobody else could wake the task.
fn wait(
    address: u32,
    expected: u32,
    timeout_us: i64,
    memory: &mut dyn Memory,
) -> Result<i64, FaultKind> {
    let mut word = [0; 4];
    memory.load(address, &mut word)?;
    let why = match (u32::from_le_bytes(word) == expected, timeout_us) {
        (false, _) => Errno::Again,
        (true, 0..) => Errno::TimedOut,
        (true, _) => return Err(FaultKind::Unsupported("waiting for another task")),
    };
    Ok(why.to_result().into())
}

/// What a helper of the runtime does, if the interpreter can do it.
fn block(helper: Helper, args: [u32; 3], memory: &mut dyn Memory) -> Result<i64, FaultKind> {
    let [to, from, size] = args;
    if size > HEAP {
        return Err(FaultKind::BadAddress(to));
    }
    let mut bytes = vec![from as u8; size as usize];
    match helper {
        Helper::Memcpy | Helper::Memmove => memory.load(from, &mut bytes)?,
        Helper::Memset => {}
        // Frames of the interpreter cannot be left this way.
        _ => return Err(FaultKind::Unsupported("setjmp")),
    }
    memory.store(to, &bytes)?;
    Ok(to.into())
}
