//! A loaded program: its modules, verified and bound, in an address space of its own.
//!
//! * [`link`]: modules and archives become one module; [`archive`]: members by symbol.
//! * [`program`]: what all instances of a module share: IR, bindings, the initial memory.
//! * [`runtime`]: one instance: slots, versions, counters, and what each gate does.
//! * [`arguments`]: `argc` and `argv`; [`grants`]: which files a program sees.
//! * [`report`]: what a fault says to a person.

pub mod archive;
pub mod arguments;
pub mod grants;
pub mod link;
pub mod program;
pub mod report;
pub mod runtime;
mod start;
mod symbols;
mod users;

pub use archive::Archive;
pub use link::{Input, LinkError};
pub use program::{Binding, Program, Segment, Tls};
pub use report::{Fault, FaultReport, Location, Reason};
pub use runtime::{Abandoned, Config, CoreContext, FuncStats, Instance, NotCompiled};
