//! The instances there are, and the queue of compile requests that all share.
//!
//! An instance is found by index and generation, so that a request for one that was unloaded finds nothing, even if
//! another has its place meanwhile.

use super::Instance;
use super::memory::InstanceMemory;
use alloc::sync::Arc;
use alloc::vec::Vec;
use jit::queue::{CompileQueue, InstanceId};
use jit::worker::Instances;
use sched::TaskId;
use spin::{Mutex, Once};

/// Entries of each class of the compile queue.
const QUEUE: usize = 256;
/// Instances loaded at once.
const MAX_INSTANCES: usize = 64;

static REGISTRY: Once<Registry> = Once::new();

/// All instances.
#[derive(Debug)]
pub(crate) struct Registry {
    places: Mutex<Vec<Place>>,
    queue: CompileQueue,
    workers: Mutex<Vec<TaskId>>,
}

#[derive(Debug, Default)]
struct Place {
    generation: u32,
    instance: Option<Arc<Instance>>,
}

/// The registry.
pub(crate) fn registry() -> &'static Registry {
    REGISTRY.call_once(|| Registry {
        places: Mutex::new(Vec::new()),
        queue: CompileQueue::new(QUEUE),
        workers: Mutex::new(Vec::new()),
    })
}

impl Registry {
    /// The queue.
    pub(crate) fn queue(&self) -> &CompileQueue {
        &self.queue
    }

    /// A place for an instance; `None` when all are taken.
    pub(crate) fn reserve(&self) -> Option<InstanceId> {
        let mut places = self.places.lock();
        let free = places
            .iter()
            .position(|place| place.instance.is_none() && !place.is_reserved());
        let index = match free {
            Some(index) => index,
            None if places.len() < MAX_INSTANCES => {
                places.push(Place::default());
                places.len() - 1
            }
            None => return None,
        };
        // Odd while reserved or in use, even while free.
        places[index].generation += 1;
        Some(InstanceId {
            index: index as u32,
            generation: places[index].generation,
        })
    }

    /// Puts an instance into the place that was reserved for it.
    pub(crate) fn insert(&self, instance: Arc<Instance>) {
        let id = instance.id();
        if let Some(place) = self.places.lock().get_mut(id.index as usize) {
            place.instance = Some(instance);
        }
    }

    /// Empties a place; requests that name the instance are dropped when they are taken.
    pub(crate) fn remove(&self, id: InstanceId) {
        let mut places = self.places.lock();
        if let Some(place) = places.get_mut(id.index as usize)
            && place.generation == id.generation
        {
            place.generation += 1;
            let gone = place.instance.take();
            drop(places);
            drop(gone);
        }
    }

    /// All instances.
    pub(crate) fn all(&self) -> Vec<Arc<Instance>> {
        self.places
            .lock()
            .iter()
            .filter_map(|place| place.instance.clone())
            .collect()
    }

    /// A JIT worker that wants to be woken when there is work.
    pub(crate) fn add_worker(&self, task: TaskId) {
        self.workers.lock().push(task);
    }

    /// Whether nobody serves the queue.
    pub(crate) fn is_without_worker(&self) -> bool {
        self.workers.lock().is_empty()
    }

    /// Wakes the JIT workers.
    pub(crate) fn wake_workers(&self) {
        // A worker that runs already looks at the queue again before it waits.
        if let Some(workers) = self.workers.try_lock() {
            workers.iter().for_each(|&task| crate::tasks::unblock(task));
        }
    }
}

impl Place {
    fn is_reserved(&self) -> bool {
        self.generation % 2 == 1
    }
}

impl Instances for Registry {
    type Memory = InstanceMemory;

    fn get(&self, id: InstanceId) -> Option<Arc<Instance>> {
        let places = self.places.lock();
        let place = places.get(id.index as usize)?;
        place
            .instance
            .clone()
            .filter(|_| place.generation == id.generation)
    }
}
