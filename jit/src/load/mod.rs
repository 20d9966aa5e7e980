//! From bitcode to verified IR, once per module.
//!
//! ```text
//!   bitcode::Module ─ types ─ symbols ─ initialisers ─┐
//!                        └─ bodies, one event a time ─┴─ ir::verify ─ ir::Module
//! ```
//!
//! Each instruction is translated as its record is decoded; nothing of the file's form is kept.
//! What LLVM's type system and ours see differently is settled here and nowhere else: typed
//! pointers vanish, `getelementptr` becomes address arithmetic, intrinsics are told by name,
//! constant expressions become constants with a relocation, or instructions at the entry of the
//! function that uses them.
//!
//! # What may be relied on
//! L1. A module that comes out has passed the verifier: the reader bounds ids, this module maps
//!     them, the verifier judges types and dominance. None of the three trusts the one before.
//! L2. Time and memory are linear in the file, but for initialisers that share parts, which have a
//!     budget ([`MAX_INIT_BYTES`]). Nothing here recurses.
//! L3. A refusal says what, in which function, at which source line if known, and at which bit.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod attributes;
mod body;
mod call;
mod constant;
mod constrained;
mod control;
mod error;
mod facts;
mod finish;
mod fold;
mod gep;
mod init;
mod inline_asm;
mod inst;
mod intrinsic;
mod layout;
mod lower;
mod masked;
mod memory;
mod meta;
mod module;
mod parts;
mod place;
mod summary;
mod types;

#[cfg(test)]
mod tests;

pub use error::{LoadError, LoadErrorKind};
pub use init::MAX_INIT_BYTES;
pub use summary::{Summary, SummaryItem, summary};

/// Translates and verifies a bitcode file.
///
/// # Errors
/// When the file is damaged, uses something that is not supported, or exceeds a limit.
pub fn module(file: &[u8]) -> Result<ir::Module, LoadError> {
    let source = bitcode::Module::parse(file)?;
    let module = module::Loader::new(&source).and_then(module::Loader::load);
    let module = module.map_err(|error| *error)?;
    match ir::verify::module(&module) {
        Ok(()) => Ok(module),
        Err(error) => Err(LoadError::from_verifier(&error, &module)),
    }
}
