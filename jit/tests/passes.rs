//! The middle end: passes one by one on files, all together on programs.
//!
//! * `files`: `filetests/passes/*.bfir`, input and what named passes make of it.
//! * `inlining`: bindings, bounds, and who is named for a copied instruction.
//! * `memory`: types and attributes that the memory model believes.
//! * `semantics`: the interpreter runs random programs and the demos before and after passes.
//! * `switches`: the verifier and the fuel bisector find passes that are wrong on purpose.

mod support;

#[path = "passes/files.rs"]
mod files;
#[path = "passes/inlining.rs"]
mod inlining;
#[path = "passes/memory.rs"]
mod memory;
#[path = "passes/semantics.rs"]
mod semantics;
#[path = "passes/switches.rs"]
mod switches;
