//! Tests of the translation.
//!
//! Judges: LLVM's own compiler for what a program means (the same source run natively on i386),
//! the IR's interpreter for what was made of it, the verifier for its form.

mod bits;
mod clang;
mod compiled;
mod facts;
mod layout;
mod lowered;
mod mutants;
mod rules;
mod rust;
mod table;

use alloc::string::{String, ToString};

std::thread_local! {
    /// Whether modules of other targets are loaded by this thread.
    pub(super) static IGNORE_LAYOUT: core::cell::Cell<bool> = const { core::cell::Cell::new(false) };
}

/// The refusal of a module in LLVM assembly.
fn refusal(source: &str) -> Option<String> {
    let file = clang::assemble(source)?;
    match super::module(&file) {
        Ok(_) => panic!("accepted: {source}"),
        Err(error) => Some(error.to_string()),
    }
}
