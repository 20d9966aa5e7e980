//! A function's body: blocks of instructions, the values they name, and where they came from.
//!
//! # Invariants (checked by `verify`)
//!
//! B1. `blocks` are in order and cover `insts` without gaps; block 0 is the entry and has no
//!     predecessors.
//! B2. Each block ends with its only terminator; phis come first and have an entry for each
//!     predecessor and for no other block. A predecessor with several edges may have as many
//!     entries, all of the same value.
//! B3. Every use is dominated by its definition.
//! B4. Types are as [`Op`](crate::Op) demands.

use crate::inst::{Inst, InstId};
use crate::module::{FuncId, GlobalId};
use crate::types::TypeId;
use alloc::vec::Vec;
use core::fmt;

/// Index of a block in its body.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct BlockId(pub u32);

impl BlockId {
    /// As an index.
    #[must_use]
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Index of a constant in its body.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ConstId(pub u32);

impl ConstId {
    /// As an index.
    #[must_use]
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// An operand: an instruction's result, a parameter, or a constant, told apart by the two highest
/// bits, so that no table is needed to see which.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value(pub u32);

/// A [`Value`] taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ValueKind {
    /// Result of an instruction.
    Inst(InstId),
    /// Parameter by number.
    Arg(u32),
    /// Constant of the body.
    Const(ConstId),
    /// No value ([`Value::NONE`]).
    None,
}

impl Value {
    const TAG: u32 = 3 << 30;
    const ARG: u32 = 1 << 30;
    const CONST: u32 = 2 << 30;
    /// Largest index of an instruction, parameter or constant.
    pub const MAX_INDEX: u32 = (1 << 30) - 1;
    /// Absent: the index of a `PtrAdd` without one, the operand of `ret void`.
    pub const NONE: Self = Self(u32::MAX);

    /// The result of instruction `id`.
    #[must_use]
    pub fn inst(id: InstId) -> Self {
        debug_assert!(id.0 <= Self::MAX_INDEX);
        Self(id.0)
    }

    /// Parameter number `n`.
    #[must_use]
    pub fn arg(n: u32) -> Self {
        debug_assert!(n <= Self::MAX_INDEX);
        Self(Self::ARG | n)
    }

    /// Constant `id`.
    #[must_use]
    pub fn constant(id: ConstId) -> Self {
        debug_assert!(id.0 <= Self::MAX_INDEX);
        Self(Self::CONST | id.0)
    }

    /// Which kind of value, with its index.
    #[must_use]
    #[inline]
    pub fn kind(self) -> ValueKind {
        let index = self.0 & !Self::TAG;
        match self.0 & Self::TAG {
            0 => ValueKind::Inst(InstId(index)),
            Self::ARG => ValueKind::Arg(index),
            Self::CONST => ValueKind::Const(ConstId(index)),
            _ => ValueKind::None,
        }
    }

    /// The instruction that defines the value, if one does.
    #[must_use]
    #[inline]
    pub fn as_inst(self) -> Option<InstId> {
        (self.0 & Self::TAG == 0).then_some(InstId(self.0))
    }

    /// The number of the parameter that the value is, if it is one.
    #[must_use]
    #[inline]
    pub fn as_arg(self) -> Option<u32> {
        (self.0 & Self::TAG == Self::ARG).then_some(self.0 & !Self::TAG)
    }

    /// The constant that the value is, if it is one.
    #[must_use]
    #[inline]
    pub fn as_const(self) -> Option<ConstId> {
        (self.0 & Self::TAG == Self::CONST).then_some(ConstId(self.0 & !Self::TAG))
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            ValueKind::Inst(id) => write!(f, "%{}", id.0),
            ValueKind::Arg(n) => write!(f, "%a{n}"),
            ValueKind::Const(id) => write!(f, "c{}", id.0),
            ValueKind::None => f.write_str("none"),
        }
    }
}

/// A constant's value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ConstKind {
    /// Integer of at most 64 bits, zero-extended from its width; also null pointers.
    Int(u64),
    /// Integer above 64 bits, or `x86_fp80`: words `pool[start..]`, two `u32` for each 64 bits, low
    /// first.
    Wide {
        /// First index in the body's pool.
        start: u32,
    },
    /// `float`, by its bits; `half` likewise.
    F32(u32),
    /// `double`, by its bits.
    F64(u64),
    /// All bits 0 of any type: `zeroinitializer`, `undef`, `poison`.
    Zero,
    /// Vector or aggregate: ids of element constants `pool[start..start + len]`.
    Elements {
        /// First index in the body's pool.
        start: u32,
        /// Number of elements.
        len: u32,
    },
    /// Address of a function's stub.
    Func(FuncId),
    /// Address of a global plus an offset in bytes.
    Global {
        /// Which.
        id: GlobalId,
        /// Bytes added, wrapping in 32 bits.
        offset: i32,
    },
    /// Address of a block of this body, for `indirectbr`.
    Block(BlockId),
}

/// A typed constant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Const {
    /// Its type.
    pub ty: TypeId,
    /// Its value.
    pub kind: ConstKind,
}

/// A block: a run of instructions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Block {
    /// First instruction.
    pub start: u32,
    /// One past the last.
    pub end: u32,
}

impl Block {
    /// Its instructions' ids, in order.
    pub fn insts(self) -> impl DoubleEndedIterator<Item = InstId> + ExactSizeIterator {
        (self.start..self.end).map(InstId)
    }

    /// Its terminator (B2).
    #[must_use]
    #[inline]
    pub fn terminator(self) -> InstId {
        InstId(self.end - 1)
    }
}

/// From instruction `from` on, up to the next entry: a position in the source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line {
    /// First instruction at this position.
    pub from: InstId,
    /// Line, from 1; 0 is unknown.
    pub line: u32,
    /// Column, from 1; 0 is unknown.
    pub column: u32,
    /// Index into [`Module::files`](crate::Module::files); `u32::MAX` is unknown.
    pub file: u32,
    /// Index into [`Module::scopes`](crate::Module::scopes); `u32::MAX` is unknown.
    pub scope: u32,
}

/// The code of a function.
#[derive(Clone, Debug, Default)]
pub struct Body {
    /// Types of the parameters.
    pub params: Vec<TypeId>,
    /// Instructions in block order.
    pub insts: Vec<Inst>,
    /// Blocks in order; the first is the entry.
    pub blocks: Vec<Block>,
    /// Long operand lists.
    pub pool: Vec<u32>,
    /// Constants; equal ones are hardly ever there twice.
    pub consts: Vec<Const>,
    /// Source positions, by ascending `from`.
    pub lines: Vec<Line>,
    /// Facts that only optimising passes read (TBAA, `!range`, …): (instruction, kind, payload),
    /// ascending by instruction; kinds and payloads are explained in [`facts`](crate::facts).
    pub side: Vec<(InstId, u32, u32)>,
}

impl Body {
    /// The instruction `id`.
    #[must_use]
    #[inline]
    pub fn inst(&self, id: InstId) -> &Inst {
        &self.insts[id.index()]
    }

    /// The block `id`.
    #[must_use]
    #[inline]
    pub fn block(&self, id: BlockId) -> Block {
        self.blocks[id.index()]
    }

    /// The constant `id`.
    #[must_use]
    #[inline]
    pub fn constant(&self, id: ConstId) -> Const {
        self.consts[id.index()]
    }

    /// `n` pool words from `start`.
    #[must_use]
    #[inline]
    pub fn words(&self, start: u32, n: u32) -> &[u32] {
        &self.pool[start as usize..][..n as usize]
    }

    /// The type of a value; [`TypeId::VOID`] for [`Value::NONE`].
    #[must_use]
    #[inline]
    pub fn type_of(&self, value: Value) -> TypeId {
        // Most values are results.
        if let Some(id) = value.as_inst() {
            return self.insts[id.index()].ty;
        }
        match value.kind() {
            ValueKind::Const(id) => self.consts[id.index()].ty,
            ValueKind::Arg(n) => self.params[n as usize],
            ValueKind::Inst(_) | ValueKind::None => TypeId::VOID,
        }
    }

    /// The integer that `value` is, zero-extended, if it is a constant one (0 for `undef`).
    #[must_use]
    pub fn const_int(&self, value: Value) -> Option<u64> {
        match self.constant(value.as_const()?).kind {
            ConstKind::Int(bits) => Some(bits),
            ConstKind::Zero => Some(0),
            _ => None,
        }
    }

    /// The source position of an instruction, if known.
    #[must_use]
    pub fn line_of(&self, id: InstId) -> Option<Line> {
        let after = self.lines.partition_point(|line| line.from <= id);
        self.lines[..after]
            .last()
            .copied()
            .filter(|line| line.line != 0)
    }

    /// Calls `f` with each value operand of `inst`, in order; block and number arguments are left
    /// out, values of a phi included.
    pub fn for_each_operand(&self, inst: &Inst, mut f: impl FnMut(Value)) {
        use crate::inst::Op;
        let [a, b, c] = inst.args;
        let words = |start: u32, n: u32| self.words(start, n);
        match inst.op {
            Op::Alloca | Op::Fence | Op::Br | Op::Unreachable => {}
            Op::FNeg | Op::Freeze | Op::Load | Op::DynAlloca | Op::CondBr | Op::Switch => {
                f(Value(a));
            }
            Op::IndirectBr | Op::ExtractValue => f(Value(a)),
            op if op.is_cast() => f(Value(a)),
            Op::Ret => {
                if Value(a) != Value::NONE {
                    f(Value(a));
                }
            }
            Op::Select | Op::InsertElement => {
                f(Value(a));
                f(Value(b));
                f(Value(c));
            }
            Op::PtrAdd => {
                f(Value(a));
                if Value(b) != Value::NONE {
                    f(Value(b));
                }
            }
            Op::Phi => words(a, b * 2)
                .chunks_exact(2)
                .for_each(|pair| f(Value(pair[1]))),
            Op::Call => words(b + 2, c).iter().for_each(|&v| f(Value(v))),
            Op::CallIndirect => {
                f(Value(a));
                words(b + 2, c).iter().for_each(|&v| f(Value(v)));
            }
            Op::Intrinsic => words(b, c).iter().for_each(|&v| f(Value(v))),
            Op::CmpXchg => {
                f(Value(a));
                words(b, 2).iter().for_each(|&v| f(Value(v)));
            }
            _ => {
                f(Value(a));
                f(Value(b));
            }
        }
    }

    /// Calls `f` with each successor of a terminator, in the order of its arguments; a block that
    /// is named twice comes twice.
    pub fn for_each_successor(&self, inst: &Inst, mut f: impl FnMut(BlockId)) {
        use crate::inst::Op;
        let [a, b, c] = inst.args;
        match inst.op {
            Op::Br => f(BlockId(a)),
            Op::CondBr => {
                f(BlockId(b));
                f(BlockId(c));
            }
            Op::Switch => {
                f(BlockId(self.pool[b as usize]));
                let cases = self.words(b + 1, c * 3);
                cases.chunks_exact(3).for_each(|case| f(BlockId(case[2])));
            }
            Op::IndirectBr => self.words(b, c).iter().for_each(|&to| f(BlockId(to))),
            _ => {}
        }
    }
}

const _: () = assert!(size_of::<Inst>() == 16);
