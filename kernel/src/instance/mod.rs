//! Instances of modules as ring-3 processes: joins `jit` (which knows code) with `tasks` and `memory`.
//!
//! * [`memory`]: an instance's code, slots and GS blocks in page tables; implements `jit::code::memory::CodeMemory`.
//! * [`compiler`]: compilations as contained calls, on whichever core needs one.
//! * [`guest`]: an instance as a process; [`start`]: how its tasks begin; [`gate`]: its gates and faults.
//! * [`calls`]: its host calls; [`threads`]: those that are about tasks; [`heap`]: `bf_grow`;
//!   [`files`]: those that are about files.
//! * [`worker`]: the JIT worker as a kernel task.
//! * [`registry`]: the instances there are, and the queue of compile requests.

mod calls;
pub(crate) mod compiler;
pub(crate) mod files;
mod gate;
pub(crate) mod guest;
mod heap;
pub(crate) mod memory;
pub(crate) mod registry;
mod start;
mod threads;
pub(crate) mod worker;

use memory::InstanceMemory;

/// An instance on metal.
pub(crate) type Instance = jit::instance::Instance<InstanceMemory>;
