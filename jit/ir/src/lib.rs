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
//! * [`append`]: several modules made one.
//! * [`module`]: functions, globals, their initialisers and relocations.
//! * [`mod@cfg`]: edges, dominators and loops of a body, for all who read one.
//! * [`builder`]: the only way to make a body; it keeps blocks contiguous.
//! * [`facts`]: what the compiler knew, for optimising passes.
//! * [`filetest`]: what a test file expects of its module.
//! * `random` (feature `gen`): random valid programs for differential tests.
//! * [`text`], [`verify`], [`interp`]: print and parse; check; execute.
//!
//! # Semantics that differ from LLVM's, on purpose
//!
//! All tiers and the interpreter give the same bits: poison and undef are 0, shift amounts are
//! taken modulo the width, `freeze` is a copy, division traps as x86 of its width does. Pointer
//! arithmetic is [`inst::Op::PtrAdd`]: `base + sext(index) * scale + disp`, 32 bits, wrapping; the
//! reader lowers `getelementptr` to it, so no tier knows struct layouts.
//!
//! Where LLVM leaves a result open, this is what it is (`interp` is the reference):
//!
//! * **Division** is done in 32 bits up to i32 and in 64 up to i64. A divisor of 0 faults. Signed
//!   overflow faults where that width overflows: for i32 and i64 only (an i8 -128 / -1 is -128).
//!   Above 64 bits it wraps. Vectors are divided lane by lane.
//! * **Float to signed**: up to i32 as `cvttsd2si r32`, up to i64 as `cvttsd2si r64`, then
//!   truncated; so NaN and what does not fit that register give its lowest number (0x80…0) before
//!   truncation. **Float to unsigned**: below i32 as to signed i32, below i64 as to signed i64,
//!   truncated; to i64 `s | (cvttsd2si(x - 2^63) & (s >> 63))` with `s = cvttsd2si(x)` and an
//!   arithmetic shift. Above 64 bits both saturate, and NaN gives 0.
//! * **Integer to float** is rounded to nearest even once, whatever the widths.
//! * **`minnum(x, y)`**: `y` if `x` is NaN, else `y < x ? y : x`; `maxnum` likewise with `>`.
//! * **Lane numbers** of `extractelement` and `insertelement` are taken modulo the number of lanes
//!   rounded up to a power of two; a lane beyond the last reads as 0 and writes nothing. A shuffle
//!   lane that may be any is 0.
//! * **Memory**: integers take `store` bytes ([`types::Layout`]), zero-extended; loading ignores
//!   the bits above the width. Vectors are packed bit by bit, lane 0 lowest. The bytes of a fresh
//!   alloca are unspecified.
//! * **`block bb`** as an address is the number of the block plus 1; only `indirectbr` in the same
//!   function means anything by it.
//! * **NaN** payloads and signs are unspecified wherever an operation other than `fneg`, `fabs`,
//!   `copysign`, `select`, or a copy makes the NaN.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod append;
pub mod body;
pub mod builder;
pub mod cfg;
pub mod facts;
pub mod filetest;
pub mod inst;
pub mod interp;
pub mod module;
#[cfg(any(test, feature = "gen"))]
pub mod random;
pub mod text;
pub mod types;
pub mod verify;

pub use body::{Block, BlockId, Body, Const, ConstId, ConstKind, Line, Value, ValueKind};
pub use builder::Builder;
pub use inst::{Atomic, Flags, FloatPred, Inst, InstId, IntPred, Intrinsic, MemFlags, Op};
pub use module::{
    Alias, AttrSet, FuncAttrs, FuncId, Function, Global, GlobalId, Linkage, Module, ParamAttrs,
    Reloc, RelocTarget, Scope,
};
pub use types::{Type, TypeId, Types};
