//! Typed SSA: the form in which BareFlow keeps a module for all tiers.
//!
//! A module is read once, verified once, and then read without locks by every core: nothing in a
//! stored [`Module`] changes after `jit::load` made it. Tiers that transform code copy a [`Body`]
//! into a working form of their own and never write back.
//!
//! # Shape
//!
//! * [`types`]: interned types with the data layout applied (size, alignment), one table a module.
//! * [`inst`]: one instruction is 16 bytes: opcode, flags, result type, three 32-bit arguments.
//!   Longer argument lists (calls, phis, switches) live in the body's operand pool.
//! * [`body`]: instructions in block order, constants, operand pool, source lines.
//! * [`module`]: functions, globals, their initialisers and relocations.
//! * [`cfg`]: edges, dominators and loops of a body, for all who read one.
//! * [`builder`]: the only way to make a body; it keeps blocks contiguous.
//! * `text`, `verify`, `interp`: print and parse; check; execute.
//!
//! # Semantics that differ from LLVM's, on purpose
//!
//! All tiers and the interpreter give the same bits: poison and undef are 0, shift amounts are
//! taken modulo the width, `freeze` is a copy, division traps as x86 of its width does. Pointer
//! arithmetic is [`inst::Op::PtrAdd`]: `base + sext(index) * scale + disp`, 32 bits, wrapping; the
//! reader lowers `getelementptr` to it, so no tier knows struct layouts.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod body;
pub mod builder;
pub mod cfg;
pub mod inst;
pub mod module;
pub mod types;

pub use body::{Block, BlockId, Body, Const, ConstId, ConstKind, Line, Value, ValueKind};
pub use builder::Builder;
pub use inst::{Atomic, Flags, FloatPred, Inst, InstId, IntPred, Intrinsic, MemFlags, Op};
pub use module::{
    FuncAttrs, FuncId, Function, Global, GlobalId, Linkage, Module, Reloc, RelocTarget,
};
pub use types::{Type, TypeId, Types};
