//! Tests of the translation.
//!
//! Judges: LLVM's own compiler for what a program means (the same source run natively on i386),
//! the IR's interpreter for what was made of it, the verifier for its form.

mod bits;
mod bounds;
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

use ir::interp::{Val, run};

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

/// Instructions that a call of `test` may take.
const FUEL: u64 = 50_000_000;

/// Checks that `test(n)` of the file is what the native program gave, for each pair of both.
#[track_caller]
fn computes(what: &str, file: &[u8], fuel: u64, results: impl IntoIterator<Item = (u32, u32)>) {
    let module = super::module(file).unwrap_or_else(|error| panic!("{what}: {error}"));
    let test = module.func_by_name("test").unwrap();
    for (n, expected) in results {
        let result = run(&module, test, &[Val::Bits(u128::from(n))], fuel);
        let result = result.map(|value| value.addr());
        assert_eq!(result, Ok(expected), "{what}: test({n})");
    }
}
