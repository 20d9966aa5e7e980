//! The middle end: passes one by one on files, all together on programs.
//!
//! * `files`: `filetests/passes/*.bfir`, input and what named passes make of it.
//! * `semantics`: the interpreter runs random programs and the demos before and after passes.
//! * `switches`: the verifier and the fuel bisector find passes that are wrong on purpose.

mod support;

#[path = "passes/files.rs"]
mod files;
#[path = "passes/semantics.rs"]
mod semantics;
#[path = "passes/switches.rs"]
mod switches;
