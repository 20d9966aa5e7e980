//! The process side: mappings, the entry blob, signals.

use super::{Place, link, result_bits};
use asm::{CodeBuffer, Enc, Gpr, Mem, Size, VecLoad, VecStore, Xmm};
use core::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use ir::{FuncId, Module, Type};
use jit::abi;
use jit::helpers::{self, Helper};
use jit::tier::Compiled;
use std::sync::{Mutex, MutexGuard, OnceLock};

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// It returned these bits.
    Returned(u64),
    /// It faulted.
    Faulted(Signal),
}

/// The kind of a fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Signal {
    /// SIGFPE: #DE.
    Division,
    /// SIGSEGV or SIGBUS.
    Access,
    /// SIGILL: `ud2`.
    Illegal,
    /// SIGALRM: it ran for [`PATIENCE_S`] seconds.
    Endless,
}

/// Bytes of the stack that hold junk when a run begins.
const JUNK: u64 = 16 << 10;
/// Seconds of a run; correct programs of the tests take milliseconds.
const PATIENCE_S: i64 = 10;

const CODE_BYTES: usize = 16 << 20;
const GLOBAL_BYTES: usize = 16 << 20;
const GS_BYTES: usize = 1 << 20;
/// Where the blobs are; module code follows.
const BLOBS: u64 = abi::CODE;
const MODULE_CODE: u64 = abi::CODE + 0x1000;
const MAGIC: [u64; 5] = [0x1111, 0x2222, 0x3333, 0x4444, 0x5555];
/// Callee-saved registers that the entry blob fills with [`MAGIC`].
const KEPT: [Gpr; 5] = [Gpr::Rbx, Gpr::R12, Gpr::R13, Gpr::R14, Gpr::R15];

/// What the entry blob reads and writes, all in 8-byte words.
#[repr(C)]
#[derive(Default)]
struct Frame {
    target: u64,
    stack: u64,
    ints: [u64; 6],
    vectors: [u64; 8],
    rax: u64,
    xmm0: u64,
    kept: [u64; 5],
}

static RECOVER: AtomicU64 = AtomicU64::new(0);
static FAULT: AtomicI32 = AtomicI32::new(0);
static FAULT_IP: AtomicU64 = AtomicU64::new(0);
/// The thread that runs code.
static RUNNER: AtomicI32 = AtomicI32::new(0);

/// The mapped address space.
#[derive(Debug)]
pub(crate) struct Machine {
    entry: u64,
    helpers: helpers::Map,
    /// Number of times the count gate was called.
    counted: u64,
}

fn map(address: u64, bytes: usize) {
    let protection = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    // SAFETY: NOREPLACE maps only where nothing is, so no object of Rust's is touched.
    let got = unsafe {
        libc::mmap(
            address as *mut _,
            bytes,
            protection,
            flags | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    assert_eq!(got as u64, address, "{}", std::io::Error::last_os_error());
}

/// The mapped bytes from `address` on.
fn bytes(address: u64, len: usize) -> &'static mut [u8] {
    // SAFETY: callers name ranges that `Machine::new` mapped, hold its lock, and keep no two of
    // these slices for the same range at a time.
    unsafe { core::slice::from_raw_parts_mut(address as *mut u8, len) }
}

extern "C" fn on_signal(signal: i32, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes a ucontext_t of this thread to an SA_SIGINFO handler.
    let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    let ip = &mut context.uc_mcontext.gregs[libc::REG_RIP as usize];
    let at = *ip as u64;
    let in_code = (abi::CODE..abi::CODE + CODE_BYTES as u64).contains(&at);
    // A wild call leaves the code and faults where it lands, still with our stack.
    let low = at < 1 << 36;
    if signal == libc::SIGALRM && !in_code {
        // The alarm is the process's: pass it on to the thread that is meant, if it still runs code.
        // ORDERING: Relaxed: a stale number only delays the end.
        let runner = RUNNER.load(Ordering::Relaxed);
        // SAFETY: asks for the thread's number only.
        if runner != unsafe { libc::gettid() } {
            // SAFETY: sends a signal that this handler takes.
            unsafe { libc::syscall(libc::SYS_tkill, runner, signal) };
        }
        return;
    }
    if !in_code && !low {
        // SAFETY: resetting to the default action and returning runs into the fault again.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
        return;
    }
    // ORDERING: Relaxed: the same thread reads them after it has returned from the entry blob.
    FAULT.store(signal, Ordering::Relaxed);
    FAULT_IP.store(at, Ordering::Relaxed);
    // ORDERING: Relaxed: written before the first run.
    *ip = RECOVER.load(Ordering::Relaxed) as i64;
    context.uc_mcontext.gregs[libc::REG_EFL as usize] &= !0x400;
}

/// Gives the calling thread an alternate signal stack and its GS base.
fn prepare_thread() {
    std::thread_local! {
        static STACK: Box<[u8]> = vec![0; 1 << 16].into_boxed_slice();
    }
    STACK.with(|stack| {
        let alternate = libc::stack_t {
            ss_sp: stack.as_ptr().cast_mut().cast(),
            ss_flags: 0,
            ss_size: stack.len(),
        };
        // SAFETY: the stack lives as long as the thread.
        let status = unsafe { libc::sigaltstack(&raw const alternate, core::ptr::null_mut()) };
        assert_eq!(status, 0);
    });
    const ARCH_SET_GS: i32 = 0x1001;
    // SAFETY: Rust and libc use FS only on x86-64 Linux.
    let status = unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_SET_GS, abi::GS_BLOCKS) };
    assert_eq!(status, 0);
}

/// Sends SIGALRM in so many seconds; 0 calls it off.
fn set_alarm(seconds: i64) {
    // SAFETY: all zero is a valid itimerval.
    let mut timer: libc::itimerval = unsafe { core::mem::zeroed() };
    timer.it_value.tv_sec = seconds;
    // ORDERING: Relaxed: the handler may see it late, see there.
    // SAFETY: asks for the thread's number only.
    RUNNER.store(unsafe { libc::gettid() }, Ordering::Relaxed);
    // SAFETY: the handler for SIGALRM is installed.
    let status =
        unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, core::ptr::null_mut()) };
    assert_eq!(status, 0);
}

impl Machine {
    /// The machine, once it is free.
    pub(crate) fn get() -> MutexGuard<'static, Self> {
        static MACHINE: OnceLock<Mutex<Machine>> = OnceLock::new();
        let machine = MACHINE.get_or_init(|| Mutex::new(Self::new()));
        prepare_thread();
        machine
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn new() -> Self {
        map(
            u64::from(abi::SLOTS),
            (abi::OSR_SLOTS + 0x10_0000 - abi::SLOTS) as usize,
        );
        map(u64::from(abi::GLOBALS), GLOBAL_BYTES);
        map(
            u64::from(abi::STACKS + abi::STACK_SIZE),
            abi::STACK_SIZE as usize,
        );
        map(abi::CODE, CODE_BYTES);
        map(abi::RODATA, CODE_BYTES);
        map(abi::GS_BLOCKS, GS_BYTES);
        for signal in [
            libc::SIGSEGV,
            libc::SIGBUS,
            libc::SIGFPE,
            libc::SIGILL,
            libc::SIGALRM,
        ] {
            // SAFETY: all zero is a valid sigaction.
            let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
            action.sa_sigaction = on_signal as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            // SAFETY: the handler only touches atomics and its context.
            let status =
                unsafe { libc::sigaction(signal, &raw const action, core::ptr::null_mut()) };
            assert_eq!(status, 0);
        }
        let (entry, helpers) = Self::blobs();
        Self {
            entry,
            helpers,
            counted: 0,
        }
    }

    /// Writes the blobs; the entry's address, and where the helpers are.
    fn blobs() -> (u64, helpers::Map) {
        let mut asm = CodeBuffer::new();
        // Count gate: counts, pops both words.
        asm.push(Gpr::Rax);
        asm.mov(Size::B64, Gpr::Rax, Mem::gs(abi::gs::SCRATCH as i32 + 16));
        asm.lea(Size::B64, Gpr::Rax, Mem::base(Gpr::Rax, 1));
        asm.mov_mr(Size::B64, Mem::gs(abi::gs::SCRATCH as i32 + 16), Gpr::Rax);
        asm.pop(Gpr::Rax);
        asm.ret_i(16);
        asm.align_trap(16);
        // Unresolved functions.
        let missing = asm.offset().0;
        asm.plain(asm::Plain::UD2);
        asm.align_trap(16);
        let entry = asm.offset().0;
        let recover = Self::entry_blob(&mut asm);
        let helpers = helpers::emit(&mut asm, is_x86_feature_detected!("avx"));
        let code = asm.finalize(0).unwrap().text.to_vec();
        bytes(BLOBS, code.len()).copy_from_slice(&code);
        // ORDERING: Relaxed: read by this thread or by others after they took the lock.
        RECOVER.store(BLOBS + u64::from(recover), Ordering::Relaxed);
        let slots = bytes(u64::from(abi::SLOTS), 8 * abi::MAX_SLOTS as usize);
        for slot in slots.chunks_exact_mut(8) {
            slot.copy_from_slice(&(BLOBS + u64::from(missing)).to_le_bytes());
        }
        let count = 8 * abi::SLOT_COUNT as usize;
        slots[count..count + 8].copy_from_slice(&BLOBS.to_le_bytes());
        for helper in Helper::ALL {
            let Some(slot) = helper.slot() else { continue };
            let start = BLOBS + u64::from(helpers.start(helper));
            slots[8 * slot as usize..][..8].copy_from_slice(&start.to_le_bytes());
        }
        for at in 0..abi::MAX_SLOTS {
            let mut stub = CodeBuffer::new();
            stub.jmp_rm(Mem::abs(abi::slot_address(at) as i32));
            let stub = stub.finalize(0).unwrap().text.to_vec();
            bytes(u64::from(abi::STUBS + 8 * at), stub.len()).copy_from_slice(&stub);
        }
        (BLOBS + u64::from(entry), helpers)
    }

    /// `extern "C" fn(*mut Frame)`; gives the offset of its exit part.
    fn entry_blob(asm: &mut CodeBuffer) -> u32 {
        let word = |field: usize| Mem::base(Gpr::Rdi, field as i32);
        let scratch = |at: u32| Mem::gs((abi::gs::SCRATCH + at) as i32);
        for reg in KEPT.into_iter().chain([Gpr::Rbp]) {
            asm.push(reg);
        }
        asm.mov_mr(Size::B64, scratch(0), Gpr::Rsp);
        asm.mov_mr(Size::B64, scratch(8), Gpr::Rdi);
        for (at, reg) in KEPT.into_iter().enumerate() {
            asm.mov_i(reg, MAGIC[at]);
        }
        asm.mov(
            Size::B64,
            Gpr::R11,
            word(core::mem::offset_of!(Frame, target)),
        );
        asm.mov(
            Size::B64,
            Gpr::Rsp,
            word(core::mem::offset_of!(Frame, stack)),
        );
        let vectors = core::mem::offset_of!(Frame, vectors);
        for at in 0..8 {
            let from = word(vectors + 8 * at);
            asm.vec_load(Enc::Legacy, VecLoad::MOVSD, Xmm::new(at as u8), from);
        }
        let ints = core::mem::offset_of!(Frame, ints);
        let regs = [Gpr::Rsi, Gpr::Rdx, Gpr::Rcx, Gpr::R8, Gpr::R9];
        for (at, reg) in regs.into_iter().enumerate() {
            asm.mov(Size::B64, reg, word(ints + 8 * (at + 1)));
        }
        asm.mov(Size::B64, Gpr::Rdi, word(ints));
        asm.call_rm(Gpr::R11);
        asm.mov(Size::B64, Gpr::Rdi, scratch(8));
        asm.mov_mr(Size::B64, word(core::mem::offset_of!(Frame, rax)), Gpr::Rax);
        let xmm0 = word(core::mem::offset_of!(Frame, xmm0));
        asm.vec_store(Enc::Legacy, VecStore::MOVSD, xmm0, Xmm::Xmm0);
        let kept = core::mem::offset_of!(Frame, kept);
        for (at, reg) in KEPT.into_iter().enumerate() {
            asm.mov_mr(Size::B64, word(kept + 8 * at), reg);
        }
        let recover = asm.offset().0;
        asm.mov(Size::B64, Gpr::Rsp, scratch(0));
        asm.pop(Gpr::Rbp);
        for reg in KEPT.into_iter().rev() {
            asm.pop(reg);
        }
        asm.ret();
        recover
    }

    /// Places a module: globals as at its start, code, constants, slots.
    pub(crate) fn load(&mut self, module: &Module, place: &Place, compiled: &[Option<Compiled>]) {
        let image = place.image(module);
        bytes(u64::from(abi::GLOBALS), image.len()).copy_from_slice(&image);
        let (mut code, mut rodata) = (MODULE_CODE, abi::RODATA);
        for (at, compiled) in compiled.iter().enumerate() {
            let Some(compiled) = compiled else {
                if let Some(helper) = Helper::from_symbol(&module.funcs[at].name) {
                    let slot = abi::slot_address(abi::func_slot(place.bindings.funcs[at]));
                    let start = BLOBS + u64::from(self.helpers.start(helper));
                    bytes(u64::from(slot), 8).copy_from_slice(&start.to_le_bytes());
                }
                continue;
            };
            let (text, data) = link(compiled, code, rodata);
            bytes(code, text.len()).copy_from_slice(&text);
            bytes(rodata, data.len()).copy_from_slice(&data);
            let slot = abi::slot_address(abi::func_slot(place.bindings.funcs[at]));
            bytes(u64::from(slot), 8).copy_from_slice(&code.to_le_bytes());
            code = (code + text.len() as u64).next_multiple_of(64);
            rodata = (rodata + data.len() as u64).next_multiple_of(64);
        }
        let gs = abi::gs::size(module.funcs.len() as u32) as usize;
        let block = bytes(abi::GS_BLOCKS, gs);
        block.fill(0);
        let tls = abi::gs::TLS as usize;
        block[tls..tls + 4].copy_from_slice(&abi::GLOBALS.to_le_bytes());
        // Every counter trips at its third decrement and at each after it.
        for counter in block[abi::gs::COUNTERS as usize..].chunks_exact_mut(4) {
            counter.copy_from_slice(&2i32.to_le_bytes());
        }
    }

    /// Calls `func` of the module that was loaded last.
    pub(crate) fn call(&mut self, module: &Module, func: FuncId, args: &[u64]) -> Outcome {
        let slot = abi::slot_address(abi::func_slot(func.0));
        let target = u64::from_le_bytes(bytes(u64::from(slot), 8).try_into().unwrap());
        let top = u64::from(abi::STACKS + abi::STACK_STRIDE);
        let mut frame = Frame {
            target,
            ..Frame::default()
        };
        let (ret, params, _) = module.types.signature(module.func(func).ty).unwrap();
        let (mut ints, mut vectors, mut stack) = (0, 0, Vec::new());
        for (&ty, &arg) in params.iter().zip(args) {
            let float = matches!(module.types.get(ty), Type::Float | Type::Double);
            match (float, ints, vectors) {
                (true, _, 0..8) => {
                    frame.vectors[vectors] = arg;
                    vectors += 1;
                }
                (false, 0..6, _) => {
                    frame.ints[ints] = arg;
                    ints += 1;
                }
                _ => stack.push(arg),
            }
        }
        let below = (8 * stack.len() as u64).next_multiple_of(16);
        frame.stack = top - 64 - below;
        // What lies below is never 0: whoever reads more of it than was written shall notice.
        bytes(frame.stack - JUNK, JUNK as usize).fill(0xa5);
        for (at, word) in (0u64..).zip(&stack) {
            bytes(frame.stack + 8 * at, 8).copy_from_slice(&word.to_le_bytes());
        }
        // ORDERING: Relaxed: the handler runs in this thread.
        FAULT.store(0, Ordering::Relaxed);
        // SAFETY: `entry` is the blob's address, which keeps the C convention; module code either
        // returns to it or faults, and then the handler continues in its exit part.
        let entry: extern "C" fn(*mut Frame) =
            unsafe { core::mem::transmute(self.entry as *const ()) };
        set_alarm(PATIENCE_S);
        entry(&raw mut frame);
        set_alarm(0);
        self.counted = u64::from_le_bytes(
            bytes(abi::GS_BLOCKS + u64::from(abi::gs::SCRATCH) + 16, 8)
                .try_into()
                .unwrap(),
        );
        // ORDERING: Relaxed: the handler ran in this thread.
        match FAULT.load(Ordering::Relaxed) {
            0 => {
                assert_eq!(frame.kept, MAGIC, "callee-saved registers changed");
                Outcome::Returned(result_bits(module, ret, frame.rax, frame.xmm0))
            }
            libc::SIGFPE => Outcome::Faulted(Signal::Division),
            libc::SIGILL => Outcome::Faulted(Signal::Illegal),
            libc::SIGALRM => Outcome::Faulted(Signal::Endless),
            _ => Outcome::Faulted(Signal::Access),
        }
    }

    /// Offset in the code region of the last fault.
    pub(crate) fn fault_offset(&self) -> u64 {
        // ORDERING: Relaxed: the handler ran in a thread that held the lock.
        FAULT_IP.load(Ordering::Relaxed).wrapping_sub(MODULE_CODE)
    }

    /// How often the last call reached the count gate.
    pub(crate) fn counted(&self) -> u64 {
        self.counted
    }

    /// The first `len` bytes of the globals.
    pub(crate) fn globals(&self, len: usize) -> &[u8] {
        bytes(u64::from(abi::GLOBALS), len)
    }
}
