//! LLVM bitcode reader: bits to records to a module, bounded and without unsafe code.
//!
//! Reads what LLVM 14 to 22 write (module version 2, epoch 0) and nothing else. The input is
//! hostile until proven otherwise, and reading it is part of the compile time of every module, so
//! the crate is built around four rules:
//!
//! * **No panic on any input.** Unsafe code is forbidden; indexing, overflowing arithmetic and
//!   truncating casts are denied by lint outside tests. A wrong file is an [`Error`] with the bit
//!   at which it went wrong.
//! * **Linear time, bounded memory.** Nothing seeks backwards, nothing recurses, every count is
//!   compared with the bits that are left before memory is reserved for it ([`limits`]).
//! * **No allocation per record.** A record is decoded into one operand buffer that is reused;
//!   lists in a decoded instruction borrow from buffers of the [`BodyReader`].
//! * **Decode once, decide elsewhere.** Every record of a function decodes, also those that the
//!   engine will not run; whether an instruction is supported is the translator's business.
//!
//! ```text
//!  bytes ─ cursor ─ stream (abbreviations, blocks, records) ─ container (which block is where)
//!        ─ module (types, attributes, globals, constants)   ─ body (instructions on demand)
//! ```
//!
//! Function bodies are not touched by [`Module::parse`]: it notes where they are, and a
//! [`BodyReader`] decodes one at a time, from any thread, since a [`Module`] never changes.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation
    )
)]

extern crate alloc;
#[cfg(test)]
#[macro_use]
extern crate std;

mod abbrev;
mod attributes;
mod body;
mod constants;
mod container;
mod cursor;
mod decode;
mod error;
mod globals;
mod inst;
pub mod limits;
mod metadata;
mod module;
mod opcode;
mod operands;
mod stream;
mod types;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use attributes::{Attribute, AttributeIndex, AttributeKind, AttributeValue, Attributes};
pub use body::{BodyHead, BodyReader};
pub use constants::{Constant, ConstantKind, Constants, Span};
pub use error::{Error, ErrorKind, Result};
pub use globals::{Alias, Function, GlobalId, GlobalVar, Linkage, Name, ThreadLocal, Visibility};
pub use inst::{Atomic, Attachment, CallFlags, DebugLoc, Event, Inst, Value, ValueId};
pub use metadata::{Location, Metadata};
pub use module::{Module, SyncScope};
pub use opcode::{AtomicOrdering, BinOp, CastOp, Predicate, RmwOp, flags};
pub use types::{Type, TypeId, TypeList, Types};
