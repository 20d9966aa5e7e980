//! The compile queue: which functions the JIT workers compile next.
//!
//! Bounded and lock-free. An entry names a function; which tier it is wanted at is in the
//! function's state word, so raising the tier needs no new entry (S3 in [`crate::code::state`]).
//! Three queues by heat make a hotter function overtake colder ones; a full queue refuses, which
//! is normal: the counters will ask again.

use crate::code::state::{FuncState, Requested};
use crate::sync::{AtomicU64, Ordering};
use crate::tier::Tier;
use crossbeam_queue::ArrayQueue;

/// Classes of heat.
const CLASSES: usize = 3;

/// Which instance, and which of those that had its number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct InstanceId {
    /// Number of its place.
    pub index: u32,
    /// Counts the instances that had the place.
    pub generation: u32,
}

/// An entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The instance; an entry of an unloaded one is dropped when it is taken.
    pub instance: InstanceId,
    /// The function, by its number in the instance.
    pub func: u32,
}

/// What became of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pushed {
    /// An entry was added.
    Queued,
    /// The entry in the queue was raised.
    Upgraded,
    /// Nothing to do.
    Already,
    /// The queue is full; ask again later.
    Refused,
}

/// Figures since boot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct QueueStats {
    /// Entries added.
    pub queued: u64,
    /// Entries raised in place.
    pub upgraded: u64,
    /// Requests that found one pending.
    pub deduplicated: u64,
    /// Requests refused because the queue was full.
    pub refused: u64,
}

/// The queue.
#[derive(Debug)]
pub struct CompileQueue {
    classes: [ArrayQueue<Entry>; CLASSES],
    counts: [AtomicU64; 4],
}

impl CompileQueue {
    /// A queue of at most `capacity` entries a class.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            classes: core::array::from_fn(|_| ArrayQueue::new(capacity.max(1))),
            counts: core::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// Asks that `entry`, whose state word is `state`, be compiled at `tier`.
    pub fn request(&self, entry: Entry, state: &FuncState, tier: Tier) -> Pushed {
        let pushed = match state.request(tier) {
            Requested::New => self.push(entry, state, tier),
            Requested::Upgraded => Pushed::Upgraded,
            Requested::Already | Requested::Pointless => Pushed::Already,
        };
        let count = match pushed {
            Pushed::Queued => 0,
            Pushed::Upgraded => 1,
            Pushed::Already => 2,
            Pushed::Refused => 3,
        };
        // ORDERING: Relaxed, a figure for people; pairs with nothing.
        self.counts[count].fetch_add(1, Ordering::Relaxed);
        pushed
    }

    /// The next entry, hottest class first.
    #[must_use]
    pub fn pop(&self) -> Option<Entry> {
        self.classes.iter().rev().find_map(ArrayQueue::pop)
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.classes.iter().all(ArrayQueue::is_empty)
    }

    /// Entries waiting.
    #[must_use]
    pub fn len(&self) -> usize {
        self.classes.iter().map(ArrayQueue::len).sum()
    }

    /// Figures since boot.
    #[must_use]
    pub fn stats(&self) -> QueueStats {
        // ORDERING: Relaxed, figures for people; pairs with nothing.
        let count = |at: usize| self.counts[at].load(Ordering::Relaxed);
        QueueStats {
            queued: count(0),
            upgraded: count(1),
            deduplicated: count(2),
            refused: count(3),
        }
    }

    fn push(&self, entry: Entry, state: &FuncState, tier: Tier) -> Pushed {
        if self.push_entry(entry, tier) {
            return Pushed::Queued;
        }
        state.unrequest();
        Pushed::Refused
    }

    /// Adds an entry whatever the state word says; `false` if the class is full.
    pub(crate) fn push_entry(&self, entry: Entry, tier: Tier) -> bool {
        let class = (tier as usize).saturating_sub(1).min(CLASSES - 1);
        self.classes[class].push(entry).is_ok()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const ENTRY: Entry = Entry {
        instance: InstanceId {
            index: 0,
            generation: 1,
        },
        func: 5,
    };

    #[test]
    fn a_full_queue_refuses_and_the_function_can_ask_again() {
        let queue = CompileQueue::new(1);
        let (a, b) = (FuncState::new(), FuncState::new());
        assert_eq!(queue.request(ENTRY, &a, Tier::O1), Pushed::Queued);
        assert_eq!(queue.request(ENTRY, &b, Tier::O1), Pushed::Refused);
        assert_eq!(queue.pop(), Some(ENTRY));
        assert_eq!(queue.request(ENTRY, &b, Tier::O1), Pushed::Queued);
        assert_eq!(queue.stats().refused, 1);
    }

    #[test]
    fn hotter_functions_come_first() {
        let queue = CompileQueue::new(4);
        let states: [FuncState; 2] = core::array::from_fn(|_| FuncState::new());
        let hot = Entry { func: 6, ..ENTRY };
        queue.request(ENTRY, &states[0], Tier::O1);
        queue.request(hot, &states[1], Tier::O3);
        assert_eq!(queue.pop(), Some(hot));
        assert_eq!(queue.len(), 1);
    }
}
