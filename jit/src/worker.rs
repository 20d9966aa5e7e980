//! The JIT worker: takes requests, compiles, publishes.
//!
//! A worker is a loop that the platform runs: on a core of its own, as a task of the lowest
//! priority where there is one core, or on several cores. It holds nothing between two requests,
//! so it can be abandoned and started again at any moment; what it was compiling then stays at
//! its tier and is booked as declined.

use crate::code::memory::CodeMemory;
use crate::code::publish::Outcome;
use crate::instance::{CoreContext, Instance, NotCompiled};
use crate::queue::{CompileQueue, InstanceId};
use crate::tier::Tier;
use alloc::sync::Arc;

/// Finds the instance that an entry names.
pub trait Instances {
    /// What its memory is.
    type Memory: CodeMemory;

    /// The instance, if that generation of it is still loaded.
    fn get(&self, id: InstanceId) -> Option<Arc<Instance<Self::Memory>>>;
}

/// What a worker did with one entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Served {
    /// The instance.
    pub instance: InstanceId,
    /// The function.
    pub func: u32,
    /// The tier asked for.
    pub tier: Tier,
    /// Published, lost, or why not.
    pub result: Result<Outcome, NotCompiled>,
}

/// Takes one entry and serves it; `None` if there was none to serve.
pub fn step(
    queue: &CompileQueue,
    instances: &impl Instances,
    cx: &impl CoreContext,
) -> Option<Served> {
    while let Some(entry) = queue.pop() {
        let Some(instance) = instances.get(entry.instance) else {
            continue;
        };
        if let Some((tier, result)) = instance.serve(entry.func, cx) {
            return Some(Served {
                instance: entry.instance,
                func: entry.func,
                tier,
                result,
            });
        }
    }
    None
}
