//! What a fault says to a person: module, function, tier, address, reason, source line.

use super::runtime::Instance;
use crate::abi;
use crate::code::memory::CodeMemory;
use crate::helpers::Helper;
use crate::tier::Tier;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Why an instance is ended, as the platform saw it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Page fault.
    Memory {
        /// The address, as the CPU reports it.
        address: u64,
        /// A store.
        write: bool,
        /// An instruction fetch.
        fetch: bool,
    },
    /// A general protection or stack fault, or an address beyond the canonical range.
    Protection,
    /// `#DE`.
    Divide,
    /// `#UD`: an `unreachable` or a trap was reached, or data was executed.
    InvalidInstruction,
    /// Another exception vector.
    Exception(u8),
    /// The time budget of the call is used up.
    TimeUsedUp,
    /// A null or unresolved function was called.
    NullCall,
    /// A host call got an argument that it cannot accept.
    BadHostCall,
    /// A function could not be compiled at baseline.
    NotCompiled,
}

/// The kind of a fault, for people and for tests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// Load or store in the first 64 KiB.
    NullAccess,
    /// The guard below a stack was touched.
    StackOverflow,
    /// A store to memory that is read-only.
    ReadOnly,
    /// A jump to something that is not code.
    JumpToData,
    /// Another access that is not mapped.
    BadAccess,
    /// Division by zero or overflow.
    Divide,
    /// `unreachable` or trap.
    Unreachable,
    /// Budget.
    TimeUsedUp,
    /// Call of a null function.
    NullCall,
    /// Argument of a host call.
    BadHostCall,
    /// No code.
    NotCompiled,
    /// `longjmp` with a buffer that `setjmp` did not fill, or to a frame that is gone.
    BadLongJump,
    /// Anything else.
    Exception,
}

/// Where in the program an address is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Location {
    /// Name of the function's module.
    pub unit: String,
    /// Function name.
    pub function: String,
    /// Tier of the version.
    pub tier: Tier,
    /// IR instruction.
    pub inst: Option<u32>,
    /// Source line, if the module has debug information.
    pub line: Option<u32>,
    /// The calls through which a tier inlined it, innermost first; the last one is in the function
    /// that the version is of.
    pub inlined: Vec<Caller>,
}

/// A call that is no more, because its callee was inlined.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    /// Name of the function that made it.
    pub function: String,
    /// IR instruction.
    pub inst: u32,
    /// Source line, if the module has debug information.
    pub line: Option<u32>,
}

/// A fault with everything that is known about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FaultReport {
    /// Module name.
    pub module: String,
    /// What happened.
    pub fault: Fault,
    /// Its kind.
    pub reason: Reason,
    /// Program counter.
    pub pc: u64,
    /// The helper that it is in.
    pub helper: Option<Helper>,
    /// Where that is; of a wild jump and of a helper: where it came from.
    pub at: Option<Location>,
}

impl Fault {
    /// The kind of the fault.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::Memory { fetch: true, .. } => Reason::JumpToData,
            Self::Memory { address, write, .. } => memory_reason(address, write),
            Self::Protection => Reason::BadAccess,
            Self::Divide => Reason::Divide,
            Self::InvalidInstruction => Reason::Unreachable,
            Self::Exception(_) => Reason::Exception,
            Self::TimeUsedUp => Reason::TimeUsedUp,
            Self::NullCall => Reason::NullCall,
            Self::BadHostCall => Reason::BadHostCall,
            Self::NotCompiled => Reason::NotCompiled,
        }
    }
}

fn memory_reason(address: u64, write: bool) -> Reason {
    let within = |from: u32, to: u32| (u64::from(from)..u64::from(to)).contains(&address);
    if address < u64::from(abi::LOWEST) {
        Reason::NullAccess
    } else if within(abi::STACKS, abi::STACKS_END) {
        Reason::StackOverflow
    } else if write && (within(abi::SLOTS, abi::GLOBALS) || address >= abi::CODE) {
        Reason::ReadOnly
    } else {
        Reason::BadAccess
    }
}

impl Reason {
    /// As a person reads it.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::NullAccess => "access through a null pointer",
            Self::StackOverflow => "stack overflow",
            Self::ReadOnly => "store to read-only memory",
            Self::JumpToData => "jump to memory that is not code",
            Self::BadAccess => "access to memory that is not mapped",
            Self::Divide => "division by zero or overflow",
            Self::Unreachable => "code that must not be reached",
            Self::TimeUsedUp => "time budget used up",
            Self::NullCall => "call of a null function",
            Self::BadHostCall => "bad argument of a host call",
            Self::NotCompiled => "function cannot be compiled",
            Self::BadLongJump => "longjmp to a place that no setjmp stored or that is gone",
            Self::Exception => "processor exception",
        }
    }
}

impl FaultReport {
    /// The report of `fault` at `pc` in `instance`. `caller` is the return address on top of the
    /// stack, read by the platform without trusting the stack pointer; it names the function that a
    /// wild jump came from.
    #[must_use]
    pub fn new<M: CodeMemory>(
        instance: &Instance<M>,
        fault: Fault,
        pc: u64,
        caller: Option<u64>,
    ) -> Self {
        // A return address lies behind the call, possibly in the next function.
        let at = instance
            .locate(pc)
            .or_else(|| instance.locate(caller?.wrapping_sub(1)));
        let module = instance.program().module.name.clone();
        let mut reason = fault.reason();
        let helper = instance.helper_at(pc);
        if (fault, helper) == (Fault::InvalidInstruction, Some(Helper::Longjmp)) {
            reason = Reason::BadLongJump;
        }
        let read_only = |segment: &super::Segment| {
            let range = u64::from(segment.address)..u64::from(segment.address + segment.size);
            matches!(fault, Fault::Memory { address, write: true, .. } if range.contains(&address))
        };
        if reason == Reason::BadAccess && read_only(&instance.program().segments[0]) {
            reason = Reason::ReadOnly;
        }
        Self {
            module,
            fault,
            reason,
            pc,
            helper,
            at,
        }
    }
}

impl fmt::Display for FaultReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "module {}: {}", self.module, self.reason.text())?;
        match self.fault {
            Fault::Memory {
                address,
                fetch: false,
                ..
            } => write!(f, ", address {address:#x}")?,
            Fault::Exception(vector) => write!(f, ", vector {vector}")?,
            _ => {}
        }
        if let Some(helper) = self.helper {
            write!(f, ", in {}", helper.name())?;
        }
        if let Some(at) = &self.at {
            let how = self.helper.map_or("in", |_| "called from");
            let comma = self.helper.map_or(",", |_| "");
            write!(f, "{comma} {how} {} ({})", at.function, at.tier)?;
            if at.unit != self.module {
                write!(f, " of {}", at.unit)?;
            }
            write_place(f, at.line, at.inst)?;
            for caller in &at.inlined {
                write!(f, ", inlined into {}", caller.function)?;
                write_place(f, caller.line, Some(caller.inst))?;
            }
        }
        write!(f, ", pc {:#x}", self.pc)
    }
}

/// The line, or else the instruction.
fn write_place(f: &mut fmt::Formatter<'_>, line: Option<u32>, inst: Option<u32>) -> fmt::Result {
    match (line, inst) {
        (Some(line), _) => write!(f, " line {line}"),
        (None, Some(inst)) => write!(f, " instruction {inst}"),
        (None, None) => Ok(()),
    }
}
