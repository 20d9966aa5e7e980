//! Code: from bitcode to machine code that is published while other cores run.
//!
//! ```text
//!   load      bitcode -> verified IR, once
//!   legal     what machines do not have, in terms of what they have
//!   tier      IR -> machine code: baseline, then the optimising pipeline
//!   code      code cache, versions, dispatch slots, publication, retirement
//!   gates     the ring-3 blobs through which code reaches the runtime
//!   helpers   blobs that code calls: block copies, setjmp, 128-bit division
//!   queue     compile requests, lock-free, bounded, deduplicated
//!   policy    counters and thresholds: when to ask for the next tier
//!   instance  a loaded program: bindings, functions, what each call of a gate does
//!   worker    takes requests, compiles, publishes
//! ```
//!
//! What this crate does not know: cores (it is told a number), page tables (`CodeMemory`), how
//! other cores are made to serialise (`CoreSync`), time (passed in).
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;
#[cfg(any(test, feature = "host"))]
extern crate std;

pub mod abi;
pub mod code;
pub mod gates;
pub mod helpers;
pub mod instance;
pub mod legal;
pub mod listing;
pub mod load;
#[cfg(all(test, loom))]
mod loom_models;
pub mod policy;
pub mod queue;
mod reciprocal;
mod sync;
pub mod tier;
pub mod weaken;
pub mod worker;
