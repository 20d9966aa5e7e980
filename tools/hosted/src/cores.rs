//! A thread becomes a core: it enters module code and leaves it.
//!
//! ```text
//!   Rust stack                                     module stack (low 2 GiB)
//!   Core::call ── bareflow_enter: save, switch ──►  function … call [slot] …
//!   dispatch   ◄─ bareflow_gate: switch back ─────  gate: eax = number
//!      └────────── value ────────────────────────►  continues
//!   Core::call ◄─ bareflow_leave ─────────────────  exit gate, or a signal that found a fault
//! ```
//!
//! # Safety argument
//!
//! Module code runs on its own stack and keeps to the ABI, so from Rust's view `bareflow_enter` is a
//! C function that returns once. It can return early: `bareflow_leave` resets the stack pointer to the
//! value that `bareflow_enter` saved, and only ever runs when no Rust frame lies in between: from the
//! gate after `dispatch` has returned, or from a signal that arrived while [`IN_MODULE`] was set, which
//! `dispatch` clears before any Rust code runs on this side. The saved stack pointer lies in the GS
//! block, which a module could overwrite; see the crate's head for why that is accepted here.

use jit::abi::{self, gs};
use jit::instance::arguments::{self, BadArguments};
use jit::instance::{Fault, Tls};
use std::cell::Cell;
use std::io;
use std::mem;
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

std::arch::global_asm!(
    ".global bareflow_enter",
    "bareflow_enter:", // (rdi: *const Entry)
    "push rbx; push rbp; push r12; push r13; push r14; push r15",
    "sub rsp, 8",
    "mov gs:[{saved_rsp}], rsp",
    "mov rax, [rdi]",
    "mov r11, [rdi + 8]",
    "mov rsi, [rdi + 24]; mov rdx, [rdi + 32]; mov rcx, [rdi + 40]",
    "mov r8, [rdi + 48]; mov r9, [rdi + 56]",
    "mov rdi, [rdi + 16]",
    "mov rsp, r11",
    "push qword ptr [{exit_slot}]",
    "jmp rax",
    "",
    ".global bareflow_gate",
    "bareflow_gate:", // eax = number, arguments in rdi rsi rdx r10 r8 r9
    "mov r11, rsp",
    "mov rsp, gs:[{saved_rsp}]",
    "sub rsp, 64",
    "mov [rsp], rdi; mov [rsp + 8], rsi; mov [rsp + 16], rdx; mov [rsp + 24], r10",
    "mov [rsp + 32], r8; mov [rsp + 40], r9; mov [rsp + 48], r11",
    "mov rdi, rsp",
    "mov esi, eax",
    "call {dispatch}",
    "test rdx, rdx",
    "jnz bareflow_leave",
    "mov rsp, [rsp + 48]",
    "ret",
    "",
    ".global bareflow_leave",
    "bareflow_leave:",
    "mov rsp, gs:[{saved_rsp}]",
    "cld",
    "add rsp, 8",
    "pop r15; pop r14; pop r13; pop r12; pop rbp; pop rbx",
    "ret",
    saved_rsp = const gs::SCRATCH,
    exit_slot = const abi::slot_address(abi::SLOT_EXIT),
    dispatch = sym dispatch,
);

unsafe extern "C" {
    fn bareflow_enter(entry: *const Entry);
    fn bareflow_gate();
    fn bareflow_leave();
}

/// What `bareflow_enter` loads; the order is known to the assembly.
#[repr(C)]
struct Entry {
    address: u64,
    stack: u64,
    args: [u64; 6],
}

/// Arguments of a gate as `bareflow_gate` stores them.
#[repr(C)]
#[derive(Debug)]
pub struct GateFrame {
    /// `rdi rsi rdx r10 r8 r9`.
    pub args: [u64; 6],
    module_rsp: u64,
    unused: u64,
}

/// What `dispatch` tells the assembly, in `rax` and `rdx`.
#[repr(C)]
struct Continue {
    value: u64,
    leave: u64,
}

/// How a call ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Left {
    /// The function returned; its result as an integer and as a float's bits.
    Returned(u64, u64),
    /// The module ended the program.
    Exited(i32),
    /// It was ended: what happened, where, and the return address on top of the stack.
    Faulted(Fault, u64, Option<u64>),
}

/// How a thread came back from module code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Departure {
    /// The call ended, and with it, unless it returned from a spawned task, the program's run.
    Left(Left),
    /// The module ended the calling task, with this result.
    TaskExited(u32),
    /// Another task ended the program's run.
    Ended,
}

/// What a gate answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The module goes on with this value.
    Continue(u64),
    /// The thread leaves module code.
    Leave(Departure),
}

impl Drop for Core {
    fn drop(&mut self) {
        self.gates.give_stack(self.stack_number);
    }
}

/// The runtime behind the gates.
pub trait Gates: Sync {
    /// Takes the stack of a thread back, which runs no module code any more.
    fn give_stack(&self, stack: usize);

    /// Serves gate `number` on core `core`.
    fn gate(&'static self, core: usize, number: u32, args: &[u64; 6]) -> Answer;
}

/// A thread that may run module code.
pub struct Core {
    gates: &'static dyn Gates,
    number: usize,
    /// End of the stack below the thread-local variables.
    stack: u32,
    stack_number: usize,
    _signals: SignalStack,
}

/// Where a thread's module code finds what is its own.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Number of the GS block.
    pub number: usize,
    /// Address of the GS block.
    pub block: u64,
    /// Number of the stack and its end; it is fresh: all 0.
    pub stack: (usize, u32),
    /// Number of cores.
    pub cores: usize,
    /// Thread-local variables.
    pub tls: &'a Tls,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

thread_local! {
    /// Set while this thread's instruction pointer is in module code.
    static IN_MODULE: Cell<bool> = const { Cell::new(false) };
    /// Set when the time was used up while the runtime served a gate.
    static TIME_IS_UP: Cell<bool> = const { Cell::new(false) };
    /// The core that this thread is, while it is in a call.
    static CURRENT: Cell<Option<*const Core>> = const { Cell::new(None) };
    /// How the call ended.
    static LEFT: Cell<Departure> = const { Cell::new(Departure::Ended) };
}

impl Core {
    /// Makes this thread one that runs module code at `place`.
    ///
    /// # Errors
    /// The system refuses the GS base or the signal stack.
    pub fn attach(gates: &'static dyn Gates, place: Place<'_>) -> io::Result<Self> {
        static HANDLERS: Once = Once::new();
        HANDLERS.call_once(install_handlers);
        let Place {
            number,
            block,
            stack: (stack_number, stack),
            cores,
            tls,
        } = place;
        set_gs_base(block)?;
        let signals = SignalStack::new()?;
        let tls_base = tls.base(stack);
        // SAFETY: the block lies at the end of this thread's own stack, which is mapped, idle and
        // larger than any block (`Program::link`).
        unsafe {
            let to = ptr::with_exposed_provenance_mut::<u8>(tls_base as usize);
            ptr::copy_nonoverlapping(tls.bytes.as_ptr(), to, tls.bytes.len());
        }
        let words = [
            (gs::SELF, block),
            (gs::STACK_LIMIT, u64::from(stack - abi::STACK_SIZE)),
            (gs::TLS, u64::from(tls_base)),
            (gs::GATE, bareflow_gate as *const () as u64),
            (gs::CORE, number as u64 | (cores as u64) << 32),
        ];
        for (offset, word) in words {
            let at = ptr::with_exposed_provenance_mut::<u64>((block + u64::from(offset)) as usize);
            // SAFETY: the GS block is mapped for ever; these offsets are in its first 64 bytes.
            unsafe { at.write(word) };
        }
        Ok(Self {
            gates,
            number,
            stack: tls_base,
            stack_number,
            _signals: signals,
        })
    }

    /// Calls the code at `address` with up to six integer arguments. `budget` bounds the CPU time.
    #[must_use]
    pub fn call(&self, address: u64, args: [u64; 6], budget: Option<Duration>) -> Departure {
        self.call_on(self.stack, address, args, budget)
    }

    /// Calls `main` at `address` with these words as `argv`.
    ///
    /// # Errors
    /// The words do not fit, or one contains a NUL.
    pub fn call_main(
        &self,
        address: u64,
        words: &[&str],
        budget: Option<Duration>,
    ) -> Result<Departure, BadArguments> {
        let block = arguments::block(words, self.stack)?;
        let to = ptr::with_exposed_provenance_mut::<u8>(block.start as usize);
        // SAFETY: the block ends at the end of this thread's own stack, which is mapped and idle, and
        // is smaller than it.
        unsafe { ptr::copy_nonoverlapping(block.bytes.as_ptr(), to, block.bytes.len()) };
        let args = [u64::from(block.count), u64::from(block.start), 0, 0, 0, 0];
        Ok(self.call_on(block.start, address, args, budget))
    }

    fn call_on(
        &self,
        stack: u32,
        address: u64,
        args: [u64; 6],
        budget: Option<Duration>,
    ) -> Departure {
        let entry = Entry {
            address,
            stack: u64::from(stack),
            args,
        };
        CURRENT.set(Some(ptr::from_ref(self).cast()));
        TIME_IS_UP.set(false);
        let timer = budget.map(Timer::start);
        IN_MODULE.set(true);
        // SAFETY: this thread is attached: GS base, stack and gates are in place (see the head).
        unsafe { bareflow_enter(&raw const entry) };
        IN_MODULE.set(false);
        drop(timer);
        CURRENT.set(None);
        LEFT.get()
    }
}

/// Called by `bareflow_gate`.
extern "C" fn dispatch(frame: &GateFrame, number: u32) -> Continue {
    IN_MODULE.set(false);
    let core = CURRENT
        .get()
        .expect("gates are only reached from `Core::call`");
    // SAFETY: `Core::call` put it there and is still on the stack below.
    let core = unsafe { &*core };
    let mut answer = core.gates.gate(core.number, number, &frame.args);
    if matches!(answer, Answer::Continue(_)) {
        if is_ending() {
            answer = Answer::Leave(Departure::Ended);
        } else if TIME_IS_UP.get() {
            answer = Answer::Leave(Departure::Left(Left::Faulted(Fault::TimeUsedUp, 0, None)));
        }
    }
    match answer {
        Answer::Continue(value) => {
            IN_MODULE.set(true);
            Continue { value, leave: 0 }
        }
        Answer::Leave(left) => {
            LEFT.set(left);
            Continue { value: 0, leave: 1 }
        }
    }
}

fn set_gs_base(block: u64) -> io::Result<()> {
    const ARCH_SET_GS: libc::c_long = 0x1001;
    // SAFETY: Linux user space keeps thread data behind FS; nothing in Rust or libc uses GS.
    let result = unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_SET_GS, block) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The signal stack of a thread: a fault handler must not run on a module's stack.
#[derive(Debug)]
struct SignalStack {
    _memory: Box<[u8]>,
}

impl SignalStack {
    fn new() -> io::Result<Self> {
        const SIZE: usize = 64 * 1024;
        let mut memory = vec![0u8; SIZE].into_boxed_slice();
        let stack = libc::stack_t {
            ss_sp: memory.as_mut_ptr().cast(),
            ss_flags: 0,
            ss_size: SIZE,
        };
        // SAFETY: the memory lives until `drop` takes it from the thread.
        let result = unsafe { libc::sigaltstack(&raw const stack, ptr::null_mut()) };
        if result == 0 {
            Ok(Self { _memory: memory })
        } else {
            Err(io::Error::last_os_error())
        }
    }
}

impl Drop for SignalStack {
    fn drop(&mut self) {
        let mut present = libc::stack_t {
            ss_sp: ptr::null_mut(),
            ss_flags: 0,
            ss_size: 0,
        };
        // SAFETY: asks only.
        unsafe { libc::sigaltstack(ptr::null(), &raw mut present) };
        // A thread that was attached again has another one by now.
        if present.ss_sp.cast_const().cast() == self._memory.as_ptr() {
            present.ss_flags = libc::SS_DISABLE;
            // SAFETY: from here on signals come on the thread's own stack.
            unsafe { libc::sigaltstack(&raw const present, ptr::null_mut()) };
        }
    }
}

/// Set while the instance is being ended: no thread goes back to module code.
static ENDING: AtomicBool = AtomicBool::new(false);

/// Whether the instance is being ended.
#[must_use]
pub fn is_ending() -> bool {
    // ORDERING: Relaxed: a flag alone; who must see it is told again and again (`tasks`).
    ENDING.load(Ordering::Relaxed)
}

/// Says whether the instance is being ended.
pub fn set_ending(on: bool) {
    // ORDERING: Relaxed, as in `is_ending`.
    ENDING.store(on, Ordering::Relaxed);
}

/// Whether the calling thread must return from a wait: the instance ends, or its time is used up.
#[must_use]
pub fn must_leave() -> bool {
    is_ending() || TIME_IS_UP.get()
}

/// The calling thread, for [`interrupt`].
#[must_use]
pub fn thread_id() -> libc::pid_t {
    // SAFETY: no arguments.
    unsafe { libc::gettid() }
}

/// Takes a thread of this process out of module code or out of a system call, if it is in one now.
pub fn interrupt(thread: libc::pid_t) {
    // SAFETY: no arguments.
    let own = unsafe { libc::getpid() };
    // SAFETY: no memory is touched; a thread that is gone gives an error.
    unsafe { libc::syscall(libc::SYS_tgkill, own, thread, TIME) };
}

const FAULTS: [i32; 4] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL];
const TIME: i32 = libc::SIGVTALRM;

fn install_handlers() {
    for signal in FAULTS.into_iter().chain([libc::SIGTRAP, TIME]) {
        // SAFETY: all fields of `sigaction` may be zero.
        let mut action: libc::sigaction = unsafe { mem::zeroed() };
        action.sa_sigaction = on_signal as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: the handler is async-signal-safe: it touches this thread's cells and its context.
        unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
    }
}

extern "C" fn on_signal(signal: i32, _info: *const libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes a `ucontext_t` to an `SA_SIGINFO` handler.
    let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    let registers = &mut context.uc_mcontext.gregs;
    if signal == TIME && !IN_MODULE.get() {
        TIME_IS_UP.set(true);
        return;
    }
    if !IN_MODULE.get() {
        // A fault of the runtime itself: let it happen again without this handler.
        // SAFETY: resetting a disposition touches no memory.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
        return;
    }
    let fault = if signal == TIME {
        Fault::TimeUsedUp
    } else {
        fault_of(registers)
    };
    let pc = registers[libc::REG_RIP as usize] as u64;
    let caller = top_of_stack(registers[libc::REG_RSP as usize] as u64);
    LEFT.set(if signal == TIME && is_ending() {
        Departure::Ended
    } else {
        Departure::Left(Left::Faulted(fault, pc, caller))
    });
    IN_MODULE.set(false);
    registers[libc::REG_RIP as usize] = bareflow_leave as *const () as i64;
    // Alignment checks and the direction flag are the module's doing.
    registers[libc::REG_EFL as usize] &= !(1 << 18 | 1 << 10 | 1 << 8);
}

fn fault_of(registers: &[i64; 23]) -> Fault {
    let error = registers[libc::REG_ERR as usize];
    match registers[libc::REG_TRAPNO as usize] {
        0 => Fault::Divide,
        6 => Fault::InvalidInstruction,
        14 => Fault::Memory {
            address: registers[libc::REG_CR2 as usize] as u64,
            write: error & 2 != 0,
            fetch: error & 16 != 0,
        },
        13 => Fault::Protection,
        vector => Fault::Exception(vector as u8),
    }
}

/// The word at `rsp` if that lies in the mapped part of a stack.
fn top_of_stack(rsp: u64) -> Option<u64> {
    let stacks = u64::from(abi::STACKS)..u64::from(abi::STACKS_END);
    let offset = rsp.checked_sub(stacks.start)? % u64::from(abi::STACK_STRIDE);
    let mapped = u64::from(abi::STACK_STRIDE - abi::STACK_SIZE)..u64::from(abi::STACK_STRIDE) - 7;
    if !stacks.contains(&rsp) || !mapped.contains(&offset) || !rsp.is_multiple_of(8) {
        return None;
    }
    // SAFETY: inside a stack's mapped half; a thread that runs module code has its stack mapped, and
    // a forged `rsp` in another mapped stack reads a module's memory.
    Some(unsafe { ptr::with_exposed_provenance::<u64>(rsp as usize).read() })
}

/// Sends this thread [`TIME`] when it has used the CPU time, and again every 10 ms until dropped.
struct Timer(libc::timer_t);

impl Timer {
    fn start(budget: Duration) -> Self {
        // SAFETY: all fields of `sigevent` may be zero.
        let mut event: libc::sigevent = unsafe { mem::zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = TIME;
        // SAFETY: no arguments.
        event.sigev_notify_thread_id = unsafe { libc::gettid() };
        let mut timer: libc::timer_t = ptr::null_mut();
        let clock = libc::CLOCK_THREAD_CPUTIME_ID;
        // SAFETY: both pointers are to locals.
        let made = unsafe { libc::timer_create(clock, &raw mut event, &raw mut timer) };
        assert!(made == 0, "a thread can have a timer");
        let seconds = |time: Duration| libc::timespec {
            tv_sec: time.as_secs() as i64,
            tv_nsec: i64::from(time.subsec_nanos()),
        };
        let spec = libc::itimerspec {
            it_value: seconds(budget.max(Duration::from_micros(1))),
            it_interval: seconds(Duration::from_millis(10)),
        };
        // SAFETY: the timer was just made.
        unsafe { libc::timer_settime(timer, 0, &raw const spec, ptr::null_mut()) };
        Self(timer)
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // SAFETY: made by `start` and deleted once.
        unsafe { libc::timer_delete(self.0) };
    }
}
