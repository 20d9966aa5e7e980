//! Contexts: what a core can be given to run, and how it comes back.
//!
//! A context is a complete processor state: a ring-3 task, a compile on a stack of its own, or the idle loop. The kernel
//! runs with interrupts off and gives its core away by [`Context::run`], an ordinary call that returns when the context
//! traps. So all scheduling, interrupt and fault handling is plain Rust on the core's kernel stack; no frame stays on
//! an interrupt stack; and a context that goes wrong (a panic, a stack overflow, a compile that never ends) is simply
//! never run again. One kernel stack per core is enough, however many tasks there are.
//!
//! # Invariants
//! C1. A ring-3 context has the user selectors, IF set, and an address space whose lower half holds its code; what it
//!     names is the program's affair.
//! C2. A kernel context's stack range covers its stack and its guard page; nothing else ever runs with RSP in there.
//! C3. A context is run by one core at a time: `run` takes `&mut`.

use crate::metal::cpu::{CLEAN_MXCSR, CLEAN_X87_CONTROL};
use crate::metal::gdt::{KERNEL_CODE, KERNEL_DATA, USER_CODE, USER_DATA};
use crate::metal::percore::{self, PerCore};
use core::arch::global_asm;
use core::{fmt, mem};

global_asm!(include_str!("stubs.s"), options(att_syntax));

unsafe extern "C" {
    // The second argument is the address of the core's `PerCore`.
    fn context_run(context: *mut Context, core: u64);
    fn context_leave(core: u64, vector: u64) -> !;
    fn contained_entry();
    fn idle_loop();
}

/// Vectors that no interrupt has: what `context.vector` says after a system call or a voluntary leave.
const VECTOR_SYSCALL: u64 = 256;
const VECTOR_FINISHED: u64 = 257;
const VECTOR_PANICKED: u64 = 258;

const FLAG_ALWAYS: u64 = 1 << 1;
const FLAG_INTERRUPTS: u64 = 1 << 9;

/// General registers in the order of their numbers in machine code.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Registers {
    pub(crate) rax: u64,
    pub(crate) rcx: u64,
    pub(crate) rdx: u64,
    pub(crate) rbx: u64,
    pub(crate) rsp: u64,
    pub(crate) rbp: u64,
    pub(crate) rsi: u64,
    pub(crate) rdi: u64,
    pub(crate) r8: u64,
    pub(crate) r9: u64,
    pub(crate) r10: u64,
    pub(crate) r11: u64,
    pub(crate) r12: u64,
    pub(crate) r13: u64,
    pub(crate) r14: u64,
    pub(crate) r15: u64,
}

/// A complete processor state; the layout is known to `stubs.s`.
#[repr(C, align(64))]
pub(crate) struct Context {
    /// The general registers.
    pub(crate) registers: Registers,
    /// Next instruction.
    pub(crate) rip: u64,
    rflags: u64,
    cs: u64,
    ss: u64,
    vector: u64,
    error: u64,
    fault_address: u64,
    mxcsr: u32,
    x87_control: u16,
    /// 0: everything is restored; 1: return behind a `syscall`.
    entry: u8,
    padding_0: u8,
    stack_low: u64,
    stack_high: u64,
    padding_1: [u64; 6],
    vector_state: [u8; 1024],
}

const _: () = {
    assert!(mem::offset_of!(Context, rip) == 128 && mem::offset_of!(Context, vector) == 160);
    assert!(mem::offset_of!(Context, mxcsr) == 184 && mem::offset_of!(Context, x87_control) == 188);
    assert!(mem::offset_of!(Context, entry) == 190 && mem::offset_of!(Context, stack_low) == 192);
    assert!(mem::offset_of!(Context, vector_state) == 256);
    assert!(mem::offset_of!(PerCore, kernel_rsp) == 8 && mem::offset_of!(PerCore, context) == 16);
    assert!(mem::offset_of!(PerCore, user_rsp) == 24);
};

/// Why [`Context::run`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trap {
    /// The program executed `syscall`.
    Syscall,
    /// An interrupt with this vector arrived; it is not yet acknowledged.
    Interrupt(u8),
    /// A non-maskable interrupt.
    Nmi,
    /// The context did something that the processor refuses.
    Fault(Fault),
    /// A kernel context's function has returned.
    Finished,
    /// A kernel context's function has panicked.
    Panicked,
}

/// An exception (SDM volume 3, 6.15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Exception number.
    pub(crate) vector: u8,
    /// Error code, or 0.
    pub(crate) error: u64,
    /// Address of the instruction.
    pub(crate) rip: u64,
    /// The address that was accessed; meaningful for page faults.
    pub(crate) address: u64,
}

impl Fault {
    /// The exception's name.
    pub(crate) fn name(self) -> &'static str {
        match self.vector {
            0 => "division error",
            1 => "debug exception",
            3 => "breakpoint",
            4 => "overflow",
            5 => "bound range exceeded",
            6 => "invalid instruction",
            7 => "device not available",
            8 => "double fault",
            12 => "stack segment fault",
            13 => "general protection fault",
            14 => "page fault",
            16 => "x87 floating-point error",
            17 => "alignment check",
            18 => "machine check",
            19 => "SIMD floating-point error",
            _ => "exception",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:#x}", self.name(), self.rip)?;
        if self.vector == 14 {
            let what = match self.error & 0b1_0010 {
                0b1_0000 | 0b1_0010 => "executing",
                0b0_0010 => "writing",
                _ => "reading",
            };
            return write!(f, " {what} {:#x}", self.address);
        }
        write!(f, " (error code {:#x})", self.error)
    }
}

impl Context {
    /// A ring-3 context that starts at `rip` with stack pointer `rsp` and all other registers 0.
    pub(crate) fn user(rip: u64, rsp: u64) -> Self {
        let mut context = Self::empty();
        context.rip = rip;
        context.registers.rsp = rsp;
        context.cs = u64::from(USER_CODE);
        context.ss = u64::from(USER_DATA);
        context
    }

    /// A ring-0 context that calls `function(argument)` on the stack `[low, high)`; the range from `guard_low` also
    /// counts as its own, so that an overflow is seen as this context's fault. The function must end in [`finish`].
    ///
    /// # Safety
    /// The stack must be mapped and unused for as long as the context may run, and `argument` valid for `function`.
    pub(crate) unsafe fn kernel(
        function: extern "C" fn(u64) -> !,
        argument: u64,
        guard_low: u64,
        high: u64,
    ) -> Self {
        let mut context = Self::empty();
        context.rip = contained_entry as *const () as u64;
        context.registers.rsp = high;
        context.registers.r12 = function as *const () as u64;
        context.registers.rdi = argument;
        context.make_ring_0(guard_low, high);
        context
    }

    /// The idle loop. It uses no stack; RSP only marks the context as interrupted in its own code (C2).
    pub(crate) fn idle(mark: u64) -> Self {
        let mut context = Self::empty();
        context.rip = idle_loop as *const () as u64;
        context.registers.rsp = mark;
        context.make_ring_0(mark, mark);
        context
    }

    /// Gives the core to this context until it traps.
    pub(crate) fn run(&mut self) -> Trap {
        // SAFETY: C1 to C3; the record is the running core's own, and its kernel stack is the one in use.
        unsafe { context_run(self, percore::current().address()) };
        match self.vector {
            2 => Trap::Nmi,
            vector @ 0..32 => Trap::Fault(Fault {
                vector: vector as u8,
                error: self.error,
                rip: self.rip,
                address: self.fault_address,
            }),
            vector @ 32..256 => Trap::Interrupt(vector as u8),
            VECTOR_SYSCALL => Trap::Syscall,
            VECTOR_FINISHED => Trap::Finished,
            _ => Trap::Panicked,
        }
    }

    /// Whether an overflow of this kernel context's stack explains `fault`: the access hit `[guard_low, low)`.
    pub(crate) fn is_stack_overflow(&self, fault: Fault, low: u64) -> bool {
        fault.vector == 14 && (self.stack_low..low).contains(&fault.address)
    }

    fn empty() -> Self {
        let mut vector_state = [0; 1024];
        vector_state[..2].copy_from_slice(&CLEAN_X87_CONTROL.to_le_bytes());
        vector_state[24..28].copy_from_slice(&CLEAN_MXCSR.to_le_bytes());
        Self {
            registers: Registers::default(),
            rip: 0,
            rflags: FLAG_ALWAYS | FLAG_INTERRUPTS,
            cs: 0,
            ss: 0,
            vector: 0,
            error: 0,
            fault_address: 0,
            mxcsr: CLEAN_MXCSR,
            x87_control: CLEAN_X87_CONTROL,
            entry: 0,
            padding_0: 0,
            stack_low: 0,
            stack_high: 0,
            padding_1: [0; 6],
            vector_state,
        }
    }

    fn make_ring_0(&mut self, low: u64, high: u64) {
        self.cs = u64::from(KERNEL_CODE);
        self.ss = u64::from(KERNEL_DATA);
        self.stack_low = low;
        self.stack_high = high;
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("rip", &self.rip)
            .field("registers", &self.registers)
            .finish_non_exhaustive()
    }
}

/// Ends the kernel context that runs, from inside it: `run` returns `Finished`.
pub(crate) fn finish() -> ! {
    // SAFETY: only functions started by `Context::kernel` come here, so a context is running on this core.
    unsafe { context_leave(percore::current().address(), VECTOR_FINISHED) }
}

/// If a kernel context runs on this core, ends it: `run` returns `Panicked`. Otherwise returns.
pub(crate) fn leave_after_panic() {
    let core = percore::current();
    if !core.context.get().is_null() {
        // SAFETY: a context is running on this core, and ring-3 contexts do not execute kernel code.
        unsafe { context_leave(core.address(), VECTOR_PANICKED) }
    }
}
