//! A loaded program: one module, verified and bound, in an address space of its own.
//!
//! * [`program`]: what all instances of a module share: IR, bindings, the initial memory.
//! * [`runtime`]: one instance: slots, versions, counters, and what each gate does.
//! * [`arguments`]: `argc` and `argv`.
//! * [`report`]: what a fault says to a person.

pub mod arguments;
pub mod program;
pub mod report;
pub mod runtime;

pub use program::{Binding, LinkError, Program, Segment};
pub use report::{Fault, FaultReport, Location, Reason};
pub use runtime::{Abandoned, Config, CoreContext, FuncStats, Instance, NotCompiled};
