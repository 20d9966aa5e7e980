//! Instances of modules as ring-3 processes: joins `jit` (which knows code) with `tasks` and `memory`.
//!
//! * [`memory`]: an instance's code, slots and GS blocks in page tables; implements `jit::code::memory::CodeMemory`.
//! * [`compiler`]: compilations as contained calls, on whichever core needs one.
//! * [`guest`]: the program of a process: its gates, faults and tasks.
//! * [`worker`]: the JIT worker as a kernel task.
//! * [`registry`]: the instances there are, and the queue of compile requests.

pub(crate) mod compiler;
pub(crate) mod guest;
pub(crate) mod memory;
pub(crate) mod registry;
pub(crate) mod worker;

use memory::InstanceMemory;

/// An instance on metal.
pub(crate) type Instance = jit::instance::Instance<InstanceMemory>;
