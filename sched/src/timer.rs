//! The timers of one core: a binary heap with at most one entry per task.
//!
//! Only its own core touches it, so it needs no atomics. A wait that ends early elsewhere does not
//! come here to cancel: its entry becomes stale and is dropped when it reaches the top, where the
//! state word and `wake_at` tell (see `Scheduler::expire`). As a task has one entry at most and a new
//! wait overwrites the old entry, stale ones cannot pile up, and the heap never needs more places
//! than there are tasks: setting a timer cannot fail.

use crate::types::{TaskId, Ticks};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// No place in the heap.
const NOWHERE: u32 = u32::MAX;

/// One timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timer {
    pub(crate) at: Ticks,
    pub(crate) task: TaskId,
    /// The wait that it ends, as counted in the task's state word.
    pub(crate) epoch: u16,
}

/// A heap ordered by time, earliest on top, and where each task's entry lies in it.
#[derive(Debug)]
pub(crate) struct Timers {
    heap: Vec<Timer>,
    /// By task index.
    places: Box<[u32]>,
}

impl Timers {
    /// Timers for a table of `tasks` tasks. All memory is taken here.
    pub(crate) fn new(tasks: usize) -> Self {
        Self {
            heap: Vec::with_capacity(tasks),
            places: (0..tasks).map(|_| NOWHERE).collect(),
        }
    }

    /// Sets the task's timer, in place of an older one of that slot.
    pub(crate) fn set(&mut self, timer: Timer) {
        let place = self.places[timer.task.index()];
        let place = if place == NOWHERE {
            self.heap.push(timer);
            self.heap.len() - 1
        } else {
            self.heap[place as usize] = timer;
            place as usize
        };
        let place = self.rise(place);
        self.sink(place);
    }

    /// The earliest timer.
    pub(crate) fn first(&self) -> Option<Timer> {
        self.heap.first().copied()
    }

    /// Removes the earliest timer.
    pub(crate) fn remove_first(&mut self) {
        if self.heap.is_empty() {
            return;
        }
        let gone = self.heap.swap_remove(0);
        self.places[gone.task.index()] = NOWHERE;
        if !self.heap.is_empty() {
            self.sink(0);
        }
    }

    /// Moves the entry at `place` up to where it belongs; notes and returns that place.
    fn rise(&mut self, mut place: usize) -> usize {
        while place > 0 && self.heap[place].at < self.heap[(place - 1) / 2].at {
            let parent = (place - 1) / 2;
            self.swap(place, parent);
            place = parent;
        }
        self.note(place);
        place
    }

    /// Moves the entry at `place` down to where it belongs, and notes that place.
    fn sink(&mut self, mut place: usize) {
        loop {
            let children = [2 * place + 1, 2 * place + 2];
            let earliest = children
                .into_iter()
                .filter(|&child| child < self.heap.len())
                .min_by_key(|&child| self.heap[child].at);
            match earliest {
                Some(child) if self.heap[child].at < self.heap[place].at => {
                    self.swap(place, child);
                    place = child;
                }
                _ => break,
            }
        }
        self.note(place);
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        self.note(a);
        self.note(b);
    }

    fn note(&mut self, place: usize) {
        self.places[self.heap[place].task.index()] = place as u32;
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::{Timer, Timers};
    use crate::types::{TaskId, Ticks};
    use alloc::vec;
    use alloc::vec::Vec;

    #[test]
    fn timers_come_in_order_and_a_new_one_replaces_the_old() {
        let tasks = 32;
        let mut timers = Timers::new(tasks);
        let mut wanted = vec![Ticks::NEVER; tasks];
        let mut random = 1_u64;
        for _ in 0..1000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let (index, at) = ((random >> 33) as usize % tasks, Ticks(random >> 50));
            wanted[index] = at;
            timers.set(Timer {
                at,
                task: TaskId::new(index as u32, 0),
                epoch: 0,
            });
            if random >> 62 == 0 {
                let first = timers.first().expect("one was just set");
                assert_eq!(
                    Some(&first.at),
                    wanted.iter().min(),
                    "the earliest is on top"
                );
                assert_eq!(wanted[first.task.index()], first.at);
                wanted[first.task.index()] = Ticks::NEVER;
                timers.remove_first();
            }
        }
        wanted.retain(|&at| at != Ticks::NEVER);
        wanted.sort_unstable();
        let rest = core::iter::from_fn(|| {
            let first = timers.first()?;
            timers.remove_first();
            Some(first.at)
        });
        assert_eq!(rest.collect::<Vec<_>>(), wanted);
    }
}
