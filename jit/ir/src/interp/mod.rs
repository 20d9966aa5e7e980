//! The reference interpreter: what a verified module means, written to be read.
//!
//! It judges the compilers, so it shares nothing with them but the IR: every value is kept as its
//! bits in 128, every operation is done on one scalar at a time in the widest arithmetic at hand and
//! then cut to its width, and vectors are just lists. Speed does not matter; that each rule of the
//! head of this crate has one obvious place does.
//!
//! # Bounds
//!
//! Frames are a list, not recursion. Steps, depth and the stack are limited by [`Limits`], so every
//! run ends. Values are bounded by the verifier (`MAX_VALUE_SCALARS`).
//!
//! # What comes from outside
//!
//! [`Memory`] holds bytes, [`Addresses`] says where functions and globals are, [`Host`] does what is
//! declared but not defined. [`FlatMemory`] and [`Image`] implement the first two for a module that
//! runs alone; [`run`] puts everything together for tests.
//!
//! # Not interpreted
//!
//! Integers above 128 bits and `setjmp` end in [`FaultKind::Unsupported`],
//! which names what is missing.

mod call;
mod convert;
mod exec;
mod extended;
mod float;
mod image;
mod int;
mod intrinsics;
mod machine;
mod value;
mod wide;

pub use image::{FlatMemory, Image, NoHost, Region, run};
pub use value::Val;

use crate::body::{BlockId, Body};
use crate::inst::InstId;
use crate::module::{FuncId, GlobalId, Module};
use crate::types::TypeId;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

/// Why a run ended without a result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultKind {
    /// A divisor was 0.
    DivideByZero,
    /// The quotient does not fit (x86 raises the same exception as for 0).
    Overflow,
    /// Memory at this address is absent or may not be written.
    BadAddress(u32),
    /// `unreachable` was reached.
    Unreachable,
    /// Frames or dynamic allocas do not fit the stack.
    StackOverflow,
    /// More instructions than [`Limits::steps`].
    StepLimit,
    /// `llvm.trap`.
    Trap,
    /// The called address is no function, nobody provides the function, or a branch target is none.
    BadCall(u32),
    /// The host ended the program with this status.
    Exit(i32),
    /// Outside what the interpreter knows.
    Unsupported(&'static str),
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DivideByZero => f.write_str("division by zero"),
            Self::Overflow => f.write_str("division overflow"),
            Self::BadAddress(addr) => write!(f, "bad address {addr:#x}"),
            Self::Unreachable => f.write_str("unreachable code reached"),
            Self::StackOverflow => f.write_str("stack overflow"),
            Self::StepLimit => f.write_str("step limit reached"),
            Self::Trap => f.write_str("trap"),
            Self::BadCall(addr) => write!(f, "bad call of {addr:#x}"),
            Self::Exit(status) => write!(f, "exit with status {status}"),
            Self::Unsupported(what) => write!(f, "not interpreted: {what}"),
        }
    }
}

/// Why and where a run ended without a result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Why.
    pub kind: FaultKind,
    /// The innermost function.
    pub func: FuncId,
    /// The instruction in it.
    pub inst: InstId,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, func, inst } = self;
        write!(f, "{kind} in function {} at %{}", func.0, inst.0)
    }
}

impl core::error::Error for Fault {}

/// An access outside of memory; the first address that is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadAddress(pub u32);

impl From<BadAddress> for FaultKind {
    fn from(BadAddress(addr): BadAddress) -> Self {
        Self::BadAddress(addr)
    }
}

/// Bytes at 32-bit addresses.
pub trait Memory {
    /// Fills `bytes` from `addr` on.
    ///
    /// # Errors
    /// When any of the bytes is not readable.
    fn load(&mut self, addr: u32, bytes: &mut [u8]) -> Result<(), BadAddress>;

    /// Writes `bytes` from `addr` on.
    ///
    /// # Errors
    /// When any of the bytes is not writable; then none is written.
    fn store(&mut self, addr: u32, bytes: &[u8]) -> Result<(), BadAddress>;
}

/// Where functions and globals are.
pub trait Addresses {
    /// The stub of a function: the value of a pointer to it.
    fn func(&self, id: FuncId) -> u32;
    /// The first byte of a global.
    fn global(&self, id: GlobalId) -> u32;
    /// The function whose stub is at `addr`.
    fn func_at(&self, addr: u32) -> Option<FuncId>;
    /// The function that a direct call of `id` runs: another one where several modules are linked.
    fn definition(&self, id: FuncId) -> FuncId {
        id
    }
}

/// An argument of a host call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Arg {
    /// Its type.
    pub ty: TypeId,
    /// Its value.
    pub value: Val,
}

/// What is declared but not defined.
pub trait Host {
    /// Calls `func`, which has no body. The arguments are all of the call's, variadic ones included.
    ///
    /// # Errors
    /// The fault in which the program ends; [`FaultKind::BadCall`] for an unknown function.
    fn call(
        &mut self,
        module: &Module,
        func: FuncId,
        args: &[Arg],
        memory: &mut dyn Memory,
    ) -> Result<Val, FaultKind>;
}

/// What a run may use.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Instructions, and sixteenths of the bytes that memory intrinsics touch.
    pub steps: u64,
    /// Frames at a time.
    pub depth: usize,
    /// Addresses of the stack, which grows down from the end.
    pub stack: Range<u32>,
}

/// A machine that runs one module.
pub struct Interp<'a> {
    module: &'a Module,
    memory: &'a mut dyn Memory,
    addresses: &'a dyn Addresses,
    host: &'a mut dyn Host,
    limits: Limits,
    /// Instructions executed so far.
    steps: u64,
    /// Everything below is free.
    sp: u32,
    frames: Vec<Frame<'a>>,
}

impl fmt::Debug for Interp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interp")
            .field("steps", &self.steps)
            .field("depth", &self.frames.len())
            .finish_non_exhaustive()
    }
}

/// An activation of a function.
struct Frame<'a> {
    func: FuncId,
    body: &'a Body,
    args: Vec<Val>,
    /// By instruction; 0 until executed.
    values: Vec<Val>,
    block: BlockId,
    /// The next instruction.
    at: InstId,
    /// Where the first variadic argument is; 0 if none was passed.
    varargs: u32,
    /// The stack pointer to return to.
    caller_sp: u32,
    /// The stack pointer after static allocas; dynamic ones lie below.
    base_sp: u32,
}

impl<'a> Interp<'a> {
    /// A machine for a verified module.
    #[must_use]
    pub fn new(
        module: &'a Module,
        memory: &'a mut dyn Memory,
        addresses: &'a dyn Addresses,
        host: &'a mut dyn Host,
        limits: Limits,
    ) -> Self {
        Self {
            module,
            memory,
            addresses,
            host,
            sp: limits.stack.end,
            limits,
            steps: 0,
            frames: Vec::new(),
        }
    }

    /// Instructions executed so far, over all calls.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Calls a function that has a body.
    ///
    /// # Errors
    /// The fault that ended the run; frames are gone then, memory is as it was left.
    pub fn call(&mut self, func: FuncId, args: &[Val]) -> Result<Val, Fault> {
        let outcome = self.enter(func, args.to_vec(), 0, self.sp);
        let result = outcome.and_then(|()| self.run());
        result.map_err(|kind| {
            let frame = self.frames.last();
            let fault = Fault {
                kind,
                func: frame.map_or(func, |frame| frame.func),
                inst: frame.map_or(InstId(0), |frame| frame.at),
            };
            self.frames.clear();
            self.sp = self.limits.stack.end;
            fault
        })
    }

    /// Counts steps.
    fn spend(&mut self, steps: u64) -> Result<(), FaultKind> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > self.limits.steps {
            return Err(FaultKind::StepLimit);
        }
        Ok(())
    }

    /// The running frame.
    fn frame(&self) -> &Frame<'a> {
        // Callers run inside `run`, which ends when the last frame does.
        self.frames.last().expect("a frame is running")
    }

    /// The running frame.
    fn frame_mut(&mut self) -> &mut Frame<'a> {
        self.frames.last_mut().expect("a frame is running")
    }
}

#[cfg(test)]
mod tests;
