//! Tiers: what they are given and what they return.
//!
//! A tier is a function from verified IR to machine code. It reads the stored module and the
//! instance's bindings, writes only into the [`Compiled`] it returns, takes no lock and knows
//! nothing of slots being published or memory being executable: that is `code`'s business.
//! A tier may decline ([`Declined`]); it never fails on verified IR in any other way.

pub mod baseline;
mod flags;
pub mod opt;

use crate::abi::{self, Part};
use alloc::vec::Vec;
use core::fmt;
use ir::{BlockId, FuncId, Function, InstId, Module, TypeId, Value};

/// A point of cost and quality.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Tier {
    /// One pass over the IR on the first call.
    Baseline,
    /// Scalar optimisation and register allocation.
    O1,
    /// With inlining and loop optimisation.
    O2,
    /// With unrolling, vectorisation, speculation.
    O3,
}

impl Tier {
    /// All, lowest first.
    pub const ALL: [Self; 4] = [Self::Baseline, Self::O1, Self::O2, Self::O3];

    /// The tier above, if there is one.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        Self::ALL.get(self as usize + 1).copied()
    }

    /// Lower-case name, as on command lines.
    #[must_use]
    pub fn name(self) -> &'static str {
        ["baseline", "o1", "o2", "o3"][self as usize]
    }

    /// The tier of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.name() == name)
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What the CPU can do beyond x86-64's SSE2.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CpuFeatures {
    /// SSE4.1 (`round*`, `pinsr*`, `pmulld`).
    pub sse41: bool,
    /// `popcnt`.
    pub popcnt: bool,
    /// AVX: all vector code is VEX-encoded.
    pub avx: bool,
    /// AVX2.
    pub avx2: bool,
    /// Fused multiply-add.
    pub fma: bool,
    /// `andn`, `tzcnt`, …
    pub bmi1: bool,
    /// `shlx`, `mulx`, …
    pub bmi2: bool,
    /// `lzcnt`.
    pub lzcnt: bool,
    /// `vcvtph2ps`, `vcvtps2ph`.
    pub f16c: bool,
}

/// The answers that an instance gives to names in its modules. All are fixed at load.
#[derive(Debug, Default)]
pub struct Bindings {
    /// Address of each global of the module, by `GlobalId`; of a thread-local one the offset from the
    /// base in `gs:[TLS]`.
    pub globals: Vec<u32>,
    /// Number of the definition of each function of the module, by `FuncId`: it selects slot, stub and
    /// counters (`abi::func_slot`, `abi::stub_address`, `abi::gs::calls`). Of a function with a body it
    /// is the index of that body's function.
    pub funcs: Vec<u32>,
    /// Type of the definition of each function, by `FuncId`: a direct call of another type is
    /// marshalled to it.
    pub types: Vec<TypeId>,
    /// Value of a pointer to each function, by `FuncId`: its stub, or null where nobody defines it.
    pub addresses: Vec<u32>,
}

impl Bindings {
    /// The bindings of a module that is a program by itself, with its globals at these addresses.
    #[must_use]
    pub fn alone(module: &Module, globals: Vec<u32>) -> Self {
        let numbers = 0..module.funcs.len() as u32;
        Self {
            globals,
            funcs: numbers.clone().collect(),
            types: module.funcs.iter().map(|func| func.ty).collect(),
            addresses: numbers.map(abi::stub_address).collect(),
        }
    }

    /// The function whose body a direct call of `func` runs; `None` if that is the runtime's.
    #[must_use]
    pub fn definition(&self, module: &Module, func: FuncId) -> Option<FuncId> {
        let definition = FuncId(*self.funcs.get(func.index())?);
        module.funcs.get(definition.index())?.body.as_ref()?;
        Some(definition)
    }
}

/// What a compilation is given.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// The module, verified.
    pub module: &'a Module,
    /// The function; it has a body.
    pub func: FuncId,
    /// Bindings of the instance.
    pub bindings: &'a Bindings,
    /// The CPU.
    pub cpu: CpuFeatures,
    /// Count calls and loop back-edges (off at the highest tier and when a tier is forced).
    pub counting: bool,
}

impl<'a> Job<'a> {
    /// The function to compile.
    #[must_use]
    pub fn function(&self) -> &'a Function {
        self.module.func(self.func)
    }
}

/// What a tier makes. Bytes are position-independent but for `relocs`.
#[derive(Debug, Default)]
pub struct Compiled {
    /// Instructions and `int3`.
    pub code: Vec<u8>,
    /// Constants and jump tables; alignment 32.
    pub rodata: Vec<u8>,
    /// Places that depend on where the two parts are put.
    pub relocs: Vec<Reloc>,
    /// What the runtime must know about the code.
    pub tables: SideTables,
}

/// A place to fill in when code and rodata have addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reloc {
    /// 32-bit displacement at code offset `at`, relative to `end` (the end of its instruction), to
    /// byte `to` of rodata.
    CodeToRodata {
        /// Offset of the field in code.
        at: u32,
        /// Offset in code that the displacement counts from.
        end: u32,
        /// Offset in rodata.
        to: u32,
    },
    /// 32-bit entry at rodata offset `at` of a jump table that starts at `table`: the distance from
    /// the table's address to code offset `to`.
    TableToCode {
        /// Offset of the entry in rodata.
        at: u32,
        /// Offset of the table in rodata.
        table: u32,
        /// Offset in code.
        to: u32,
    },
}

/// A copy of a function's body that inlining put in place of a call of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Inlined {
    /// The function.
    pub func: FuncId,
    /// The call, in the stored body of the function that made it.
    pub call: InstId,
    /// In which copy that call was: 0 is the compiled function itself, `n` the n-th copy. Always a
    /// lower number than this copy's own, so chains end.
    pub caller: u32,
}

/// A place in a stored body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Origin {
    /// In which copy: 0 is the compiled function itself, `n` the n-th entry of [`SideTables::inlined`].
    pub copy: u32,
    /// The instruction, in the stored body of that copy's function.
    pub inst: InstId,
}

/// What the runtime must know about a version's code.
#[derive(Debug, Default, Clone)]
pub struct SideTables {
    /// (code offset, IR instruction), ascending: code from the offset on comes from that instruction
    /// of the stored body of its copy.
    pub insts: Vec<(u32, InstId)>,
    /// (code offset, copy), ascending: code from the offset on belongs to that copy, as in
    /// [`Origin::copy`]; before the first entry to the function itself.
    pub copies: Vec<(u32, u32)>,
    /// Calls that are not there any more.
    pub inlined: Vec<Inlined>,
    /// Code offsets behind calls, ascending.
    pub returns: Vec<u32>,
    /// Bytes from the caller's `rsp` before the call to the lowest `rsp` of the frame, without
    /// dynamic allocas.
    pub frame_size: u32,
    /// Whether `rbp` is the frame pointer (always at baseline).
    pub has_frame_pointer: bool,
    /// Loop headers, ascending.
    pub loops: Vec<LoopPoint>,
    /// What lives at them. In no order.
    pub homes: Vec<LiveHome>,
}

impl SideTables {
    /// What lives at the loop header `point` of these tables.
    pub fn homes_at(&self, point: &LoopPoint) -> impl Iterator<Item = &LiveHome> {
        let at = point.at;
        let live = move |home: &&LiveHome| (home.first..=home.last).contains(&at);
        self.homes.iter().filter(live)
    }

    /// Where in stored bodies the code at `offset` comes from: the instruction itself first, with
    /// its function, then the calls through which it was inlined, up to one in `func`, which is the
    /// compiled function. Empty if nothing is known of the offset.
    #[must_use]
    pub fn chain(&self, func: FuncId, offset: u32) -> Vec<(FuncId, InstId)> {
        let after = self.insts.partition_point(|&(at, _)| at <= offset);
        let Some(&(_, mut inst)) = self.insts[..after].last() else {
            return Vec::new();
        };
        let after = self.copies.partition_point(|&(at, _)| at <= offset);
        let mut copy = self.copies[..after].last().map_or(0, |&(_, copy)| copy);
        let mut chain = Vec::new();
        while let Some(at) = (copy as usize).checked_sub(1) {
            let inlined = self.inlined[at];
            chain.push((inlined.func, inst));
            (inst, copy) = (inlined.call, inlined.caller);
        }
        chain.push((func, inst));
        chain
    }
}

/// A loop header: where a version can be left for an OSR entry.
#[derive(Debug, Clone)]
pub struct LoopPoint {
    /// The header; points are in ascending order, which numbers the loops.
    pub header: BlockId,
    /// Code offset of the cold block.
    pub cold: u32,
    /// Number by which homes are found. It counts in the order of the code.
    pub at: u32,
}

/// A part of a value that lies in the frame at some loop headers.
#[derive(Debug, Clone)]
pub struct LiveHome {
    /// The value.
    pub value: Value,
    /// Number of the part.
    pub part: u8,
    /// What the part is.
    pub kind: Part,
    /// Its home's offset from `rbp`.
    pub offset: i32,
    /// The least and the greatest [`LoopPoint::at`] of the headers at which it lives: at all between, too.
    pub first: u32,
    /// See `first`.
    pub last: u32,
}

/// Why a tier did not compile a function.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Declined {
    /// By design, for now: names the construct.
    Unsupported(&'static str, InstId),
    /// A bound was reached: names it.
    LimitExceeded(&'static str),
}

impl fmt::Display for Declined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(what, at) => write!(f, "unsupported: {what} at instruction {}", at.0),
            Self::LimitExceeded(which) => write!(f, "limit exceeded: {which}"),
        }
    }
}

/// Compiles one function at one tier.
///
/// # Errors
/// The tier declined; the function stays where it is.
pub fn compile(job: &Job<'_>, tier: Tier) -> Result<Compiled, Declined> {
    match tier {
        Tier::Baseline => baseline::compile(job),
        Tier::O1 | Tier::O2 | Tier::O3 => opt::compile(job, tier),
    }
}
