//! What the crate takes from the outside to share memory: atomics, the fence, and the task queue.
//! Under `--cfg loom` each is replaced by one that loom can explore.
//!
//! The real queue is crossbeam's `ArrayQueue`: bounded, lock-free, first in, first out. A core that
//! is delayed in the middle of a push or a pop makes others that reach the same place spin until it
//! is done; scheduler calls run with interrupts off, so that is a few instructions, or on an
//! emulator one time slice of the host.
//!
//! Loom's queue is the *weakest* that the crate's arguments permit: a pop that finds nothing learns
//! nothing (plain acquire loads), while a mutex would order every push and pop and hide a fence that
//! is missing in `idle`. It is not first in, first out, which no loom model relies on.

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

#[cfg(loom)]
pub(crate) use weak::TaskQueue;

#[cfg(not(loom))]
pub(crate) use real::TaskQueue;

#[cfg(not(loom))]
mod real {
    use crate::types::TaskId;
    use crossbeam_queue::ArrayQueue;

    /// A bounded queue of tasks, for any number of cores on both ends.
    #[derive(Debug)]
    pub(crate) struct TaskQueue(ArrayQueue<TaskId>);

    impl TaskQueue {
        pub(crate) fn new(capacity: usize) -> Self {
            // `ArrayQueue` refuses zero.
            Self(ArrayQueue::new(capacity.max(1)))
        }

        /// Appends, or gives the task back when the queue is full.
        pub(crate) fn push(&self, task: TaskId) -> Result<(), TaskId> {
            self.0.push(task)
        }

        pub(crate) fn pop(&self) -> Option<TaskId> {
            self.0.pop()
        }

        pub(crate) fn is_empty(&self) -> bool {
            self.0.is_empty()
        }
    }
}

#[cfg(loom)]
mod weak {
    use super::{AtomicU64, Ordering};
    use crate::types::TaskId;
    use alloc::vec::Vec;

    /// The stand-in: places that are empty (0) or hold an id plus one.
    #[derive(Debug)]
    pub(crate) struct TaskQueue(Vec<AtomicU64>);

    impl TaskQueue {
        pub(crate) fn new(capacity: usize) -> Self {
            Self((0..capacity.max(1)).map(|_| AtomicU64::new(0)).collect())
        }

        pub(crate) fn push(&self, task: TaskId) -> Result<(), TaskId> {
            let bits = (u64::from(task.generation()) << 32 | task.index() as u64) + 1;
            // ORDERING: Release pairs with the Acquire in `pop`; Relaxed on failure, nothing is read.
            let (won, lost) = (Ordering::Release, Ordering::Relaxed);
            if self
                .0
                .iter()
                .any(|place| place.compare_exchange(0, bits, won, lost).is_ok())
            {
                Ok(())
            } else {
                Err(task)
            }
        }

        pub(crate) fn pop(&self) -> Option<TaskId> {
            self.0.iter().find_map(|place| {
                // ORDERING: Relaxed: only a hint; the exchange below is what takes the entry.
                let bits = place.load(Ordering::Relaxed);
                // ORDERING: Acquire pairs with the Release in `push`; a failure takes nothing.
                let (won, lost) = (Ordering::Acquire, Ordering::Relaxed);
                let taken = bits != 0 && place.compare_exchange(bits, 0, won, lost).is_ok();
                taken.then(|| TaskId::new((bits - 1) as u32, ((bits - 1) >> 32) as u32))
            })
        }

        pub(crate) fn is_empty(&self) -> bool {
            // ORDERING: Relaxed: a hint; callers that rely on it put a fence before it.
            self.0
                .iter()
                .all(|place| place.load(Ordering::Relaxed) == 0)
        }
    }
}
