//! Decoded instructions.
//!
//! Operands are absolute value ids: first the module's globals, then its constants, then per
//! function the parameters, the function's constants and the results of its instructions in the
//! order of the file. Blocks are numbered from 0 in the order of the file. Lists borrow from the
//! [`crate::BodyReader`] and are valid until its next event.

use crate::module::SyncScope;
use crate::opcode::{AtomicOrdering, BinOp, CastOp, Predicate, RmwOp};
use crate::types::TypeId;

/// Absolute number of a value in a function; see the head of this file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId(pub u32);

/// An operand, with its type if the file gives one.
///
/// The file gives the type exactly where a value is used before its definition and the user does
/// not determine it. Operands written as a bare [`ValueId`] have a type that the instruction
/// determines (the right-hand side has the type of the left one) also when they refer forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value {
    /// Which value. For an argument whose parameter is metadata: the metadata id. For one whose
    /// parameter is a label: the block.
    pub id: ValueId,
    ty: u32,
}

impl Value {
    const UNTYPED: u32 = u32::MAX;

    #[inline]
    pub(crate) fn known(id: ValueId) -> Self {
        Self {
            id,
            ty: Self::UNTYPED,
        }
    }

    #[inline]
    pub(crate) fn typed(id: ValueId, ty: TypeId) -> Self {
        Self { id, ty: ty.0 }
    }

    /// The type that the file gives: present for forward references and variadic arguments only.
    #[inline]
    pub fn given_type(self) -> Option<TypeId> {
        (self.ty != Self::UNTYPED).then_some(TypeId(self.ty))
    }
}

/// How an atomic load or store orders memory, and among whom.
pub type Atomic = Option<(AtomicOrdering, SyncScope)>;

/// Bits of a call that are not attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct CallFlags {
    /// `llvm::CallingConv`: 0 is C, 8 fastcc, 9 cold.
    pub conv: u32,
    /// May be a tail call.
    pub tail: bool,
    /// Has to be a tail call.
    pub must_tail: bool,
    /// Must not be a tail call.
    pub no_tail: bool,
    /// Fast-math bits ([`crate::flags`]).
    pub fast_math: u32,
}

/// An instruction. Fields are named as in LLVM's language reference; alignments are in bytes, 0
/// where the type's own is meant; `flags` are bits of [`crate::flags`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(
    missing_docs,
    reason = "operands are named as in LLVM's language reference"
)]
pub enum Inst<'r> {
    Binary {
        op: BinOp,
        lhs: Value,
        rhs: ValueId,
        flags: u32,
    },
    /// `fneg`.
    Neg {
        value: Value,
        flags: u32,
    },
    Cast {
        op: CastOp,
        value: Value,
        ty: TypeId,
        flags: u32,
    },
    Compare {
        pred: Predicate,
        lhs: Value,
        rhs: ValueId,
        flags: u32,
    },
    Select {
        cond: Value,
        if_true: Value,
        if_false: ValueId,
        flags: u32,
    },
    Freeze(Value),

    Alloca {
        ty: TypeId,
        count_type: TypeId,
        count: ValueId,
        align: u32,
        in_alloca: bool,
        space: u32,
    },
    Load {
        ptr: Value,
        ty: TypeId,
        align: u32,
        volatile: bool,
        atomic: Atomic,
    },
    Store {
        ptr: Value,
        value: Value,
        align: u32,
        volatile: bool,
        atomic: Atomic,
    },
    Gep {
        element: TypeId,
        base: Value,
        indices: &'r [Value],
        flags: u32,
    },
    Fence {
        ordering: AtomicOrdering,
        scope: SyncScope,
    },
    CmpXchg {
        ptr: Value,
        expected: Value,
        new: ValueId,
        volatile: bool,
        success: AtomicOrdering,
        failure: AtomicOrdering,
        scope: SyncScope,
        weak: bool,
        align: u32,
    },
    AtomicRmw {
        op: RmwOp,
        ptr: Value,
        value: Value,
        volatile: bool,
        ordering: AtomicOrdering,
        scope: SyncScope,
        align: u32,
    },
    VaArg {
        list: ValueId,
        list_type: TypeId,
        ty: TypeId,
    },

    ExtractElement {
        vector: Value,
        index: Value,
    },
    InsertElement {
        vector: Value,
        element: ValueId,
        index: Value,
    },
    /// The mask is a constant.
    Shuffle {
        a: Value,
        b: ValueId,
        mask: Value,
    },
    ExtractValue {
        aggregate: Value,
        path: &'r [u32],
    },
    InsertValue {
        aggregate: Value,
        value: Value,
        path: &'r [u32],
    },

    /// `ty` is the function type of the call itself, which need not be the callee's.
    Call {
        callee: Value,
        ty: TypeId,
        args: &'r [Value],
        attributes: Option<u32>,
        flags: CallFlags,
    },
    Phi {
        ty: TypeId,
        incoming: &'r [(ValueId, u32)],
        flags: u32,
    },

    Ret(Option<Value>),
    Br(u32),
    CondBr {
        cond: ValueId,
        if_true: u32,
        if_false: u32,
    },
    /// Cases are value ids of constants.
    Switch {
        ty: TypeId,
        value: ValueId,
        default: u32,
        cases: &'r [(ValueId, u32)],
    },
    IndirectBr {
        ty: TypeId,
        address: ValueId,
        targets: &'r [u32],
    },
    Unreachable,

    /// Decoded as far as value numbering needs: exception handling, `callbr`.
    Other {
        name: &'static str,
        is_terminator: bool,
    },
}

impl Inst<'_> {
    /// Whether the block ends with it.
    #[inline]
    pub fn is_terminator(&self) -> bool {
        match self {
            Self::Ret(_) | Self::Br(_) | Self::CondBr { .. } | Self::Switch { .. } => true,
            Self::IndirectBr { .. } | Self::Unreachable => true,
            Self::Other { is_terminator, .. } => *is_terminator,
            _ => false,
        }
    }
}

/// Where an instruction comes from in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DebugLoc {
    /// Line, from 1; 0: compiler-made.
    pub line: u32,
    /// Column, from 1; 0: not known.
    pub column: u32,
    /// Metadata id of the scope.
    pub scope: Option<u32>,
    /// Metadata id of the location of the call that was inlined.
    pub inlined_at: Option<u32>,
}

/// A fact about an instruction or a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Number of the instruction, counted from 0 in the function; `None`: it is about the function.
    pub inst: Option<u32>,
    /// Number of its kind ([`crate::Module::metadata_kinds`]).
    pub kind: u32,
    /// Metadata id of what it says.
    pub node: u32,
}

/// What [`crate::BodyReader::next_event`] yields.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event<'r> {
    /// An instruction, and the id of its result if it has one.
    Inst(Inst<'r>, Option<ValueId>),
    /// Location of the instruction just before.
    Loc(DebugLoc),
    /// The instruction just before has the location given last.
    LocAgain,
    /// An operand bundle of the next call: index into [`crate::Module::bundle_tags`], and inputs.
    Bundle(u32, &'r [Value]),
    /// Facts about instructions and the function, from one block. It comes after all instructions.
    Attached(&'r [Attachment]),
}
