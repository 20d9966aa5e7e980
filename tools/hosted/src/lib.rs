//! The engine as a Linux process: threads as cores.
//!
//! The same `jit` that the kernel runs, in the same address space layout (`jit/docs/abi.md`): the low
//! 4 GiB and everything up to 48 GiB are reserved, so that an access of a module that goes astray faults.
//! One process holds one instance; whoever wants several starts several processes.
//!
//! * [`space`]: the address space; the only writable mapping of code is a window elsewhere.
//! * [`cores`]: a thread becomes a core: GS base, signal stack, entering and leaving modules.
//! * [`process`]: one instance with its JIT workers; `calls`: its host calls.
//! * [`heap`]: large pages for what loading and compiling allocate.
//! * `tasks`: threads as tasks of the module; `files`: descriptors and granted directories.
//!
//! # What it contains, and what not
//!
//! Honest faults: a wild access, a division by zero, a stack overflow, an endless loop end the call with
//! a report, and the process goes on. It is **not** a security boundary: module and runtime share one
//! address space and one privilege level. The kernel is the boundary.

#![expect(
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    reason = "a Linux program: std is always there"
)]

mod affinity;
mod calls;
mod copy;
pub mod cores;
mod files;
pub mod heap;
pub mod process;
pub mod profile;
pub mod space;
mod tasks;

pub use cores::{Core, Left};
pub use files::Directory;
pub use process::{Options, Process, StartError};
