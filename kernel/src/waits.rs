//! Waiting for a word of memory to change: the table behind `bf_wait` and `bf_wake`.
//!
//! A task waits at an address as long as the word there has the value that it expects; another stores a new value
//! and then wakes some of the tasks at the address. The table knows who waits where; parking and unparking a task is
//! the caller's, and so is reading the word, because only it can survive an address that is not mapped.
//!
//! # Why no wake-up is lost
//! W1. [`Waits::begin`] looks at the word and enters the waiter under the lock of the address's bucket, and
//!     [`Waits::wake`] takes the same lock after its caller's store. If the wake comes second it finds the waiter. If it
//!     comes first, its store happened before the lock was given on, so the look sees the new value and nobody waits.
//! W2. A waiter that is taken out is told exactly once, by the wake that took it out. The scheduler remembers an unpark
//!     that comes before the park (`sched`, P1), so it does not matter that the waiter parks after it left the lock.
//! W3. A time-out takes the waiter out under the lock. If it is not there any more, a wake was first, and the wait
//!     counts as woken: a wake is never spent on a waiter that reports a time-out.
//!
//! # Bounds
//! Each task waits at one address at most, so all buckets together hold no more entries than there are tasks; the lock
//! is held for one pass over a bucket.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::sync::atomic::{AtomicU64, Ordering};
use spin::Mutex;

/// Addresses are spread over so many buckets.
const BUCKETS: usize = 32;

/// How far apart look and entry are where the guard is off, in turns of a loop: so far that wakes come in between.
const GAP: u32 = 2_000;

/// Who waits where. `T` names a task to whoever unparks it.
#[derive(Debug)]
pub struct Waits<T> {
    buckets: Box<[Mutex<VecDeque<Waiter<T>>>]>,
    next: AtomicU64,
    /// Off only in tests: the look at the word then comes before the lock.
    look_under_lock: bool,
}

/// An entry of the table.
#[derive(Debug)]
struct Waiter<T> {
    address: u32,
    number: u64,
    task: T,
}

/// Names one wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    address: u32,
    number: u64,
}

impl<T: Copy> Default for Waits<T> {
    fn default() -> Self {
        Self::new(true)
    }
}

impl<T: Copy> Waits<T> {
    /// An empty table. Without `look_under_lock`, which only tests leave off, wake-ups can be lost.
    #[must_use]
    pub fn new(look_under_lock: bool) -> Self {
        Self {
            buckets: (0..BUCKETS).map(|_| Mutex::default()).collect(),
            next: AtomicU64::new(0),
            look_under_lock,
        }
    }

    /// Enters `task` at `address` if `look` says that the word is as expected; else gives what it says instead.
    ///
    /// # Errors
    /// Whatever `look` answers when the task must not wait.
    pub fn begin<E>(
        &self,
        address: u32,
        task: T,
        look: impl FnOnce() -> Result<(), E>,
    ) -> Result<Ticket, E> {
        // ORDERING: Relaxed: only the uniqueness of the number matters.
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut bucket = if self.look_under_lock {
            let bucket = self.bucket(address).lock();
            look()?;
            bucket
        } else {
            look()?;
            (0..GAP).for_each(|_| core::hint::spin_loop());
            self.bucket(address).lock()
        };
        bucket.push_back(Waiter {
            address,
            number,
            task,
        });
        Ok(Ticket { address, number })
    }

    /// Takes up to `count` waiters of `address` out, the longest waiting first, and hands each to `unpark`; returns how
    /// many there were.
    pub fn wake(&self, address: u32, count: u32, mut unpark: impl FnMut(T)) -> u32 {
        let mut woken = 0;
        let mut bucket = self.bucket(address).lock();
        bucket.retain(|waiter| {
            let chosen = waiter.address == address && woken < count;
            if chosen {
                woken += 1;
                unpark(waiter.task);
            }
            !chosen
        });
        woken
    }

    /// Whether the waiter is still in the table: nobody has woken it.
    #[must_use]
    pub fn is_waiting(&self, ticket: Ticket) -> bool {
        let bucket = self.bucket(ticket.address).lock();
        bucket.iter().any(|waiter| waiter.number == ticket.number)
    }

    /// Ends a wait whose time is over; false if it was woken before.
    pub fn cancel(&self, ticket: Ticket) -> bool {
        let mut bucket = self.bucket(ticket.address).lock();
        let place = bucket
            .iter()
            .position(|waiter| waiter.number == ticket.number);
        place.and_then(|place| bucket.remove(place)).is_some()
    }

    fn bucket(&self, address: u32) -> &Mutex<VecDeque<Waiter<T>>> {
        // Words that lie side by side get buckets of their own; the multiplier is Knuth's.
        let hash = (address >> 2).wrapping_mul(0x9e37_79b1) >> 16;
        &self.buckets[hash as usize % BUCKETS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
    use std::thread;
    use std::vec::Vec;

    /// A word, and one flag a task that an unpark sets.
    struct World {
        waits: Waits<usize>,
        word: AtomicU32,
        unparked: [AtomicU32; 4],
    }

    fn world(look_under_lock: bool) -> Arc<World> {
        Arc::new(World {
            waits: Waits::new(look_under_lock),
            word: AtomicU32::new(0),
            unparked: Default::default(),
        })
    }

    impl World {
        fn word(&self) -> u32 {
            // ORDERING: SeqCst: the strongest, so that only the lock of `Waits` can be at fault.
            self.word.load(SeqCst)
        }

        fn store(&self, value: u32) {
            // ORDERING: SeqCst: as in `word`.
            self.word.store(value, SeqCst);
        }

        fn look(&self, expected: u32) -> Result<(), u32> {
            match self.word() {
                value if value == expected => Ok(()),
                value => Err(value),
            }
        }

        fn wake(&self, count: u32) -> u32 {
            // ORDERING: SeqCst: pairs with the swap in `was_unparked`.
            let unpark = |task: usize| _ = self.unparked[task].fetch_add(1, SeqCst);
            self.waits.wake(64, count, unpark)
        }

        fn was_unparked(&self, task: usize) -> bool {
            // ORDERING: SeqCst: pairs with the addition in `wake`.
            self.unparked[task].swap(0, SeqCst) > 0
        }

        fn park(&self, task: usize) {
            while !self.was_unparked(task) {
                thread::yield_now();
            }
        }
    }

    #[test]
    fn a_waiter_with_another_value_does_not_wait() {
        let world = world(true);
        assert_eq!(world.waits.begin(64, 0, || world.look(1)), Err(0));
        assert_eq!(world.wake(9), 0);
    }

    #[test]
    fn waiters_are_woken_in_order_and_only_at_their_address() {
        let world = world(true);
        let at = |address, task| world.waits.begin(address, task, || world.look(0)).unwrap();
        let first = at(64, 0);
        let elsewhere = at(64 + 4 * BUCKETS as u32, 3);
        let second = at(64, 1);
        assert_eq!(world.wake(1), 1);
        assert!(!world.waits.is_waiting(first) && world.waits.is_waiting(second));
        assert_eq!(world.wake(9), 1);
        assert!(world.waits.is_waiting(elsewhere));
        assert_eq!(
            [0, 1, 2, 3].map(|task| world.was_unparked(task)),
            [true, true, false, false]
        );
    }

    #[test]
    fn a_wake_and_a_time_out_of_one_wait_do_not_both_win() {
        let world = world(true);
        let ticket = world.waits.begin(64, 0, || world.look(0)).unwrap();
        assert!(world.waits.cancel(ticket));
        assert_eq!(world.wake(1), 0, "nobody is left");
        let ticket = world.waits.begin(64, 0, || world.look(0)).unwrap();
        assert_eq!(world.wake(1), 1);
        assert!(!world.waits.cancel(ticket), "the wake was first");
    }

    #[test]
    fn two_tasks_that_take_turns_never_miss_each_other() {
        const ROUNDS: u32 = 20_000;
        let world = world(true);
        let turns = |me: usize| {
            let world = world.clone();
            thread::spawn(move || {
                for round in (me as u32..ROUNDS).step_by(2) {
                    while let value = world.word()
                        && value != round
                    {
                        if world.waits.begin(64, me, || world.look(value)).is_ok() {
                            world.park(me);
                        }
                    }
                    world.store(round + 1);
                    world.wake(1);
                }
            })
        };
        let both: Vec<_> = [0, 1].map(turns).into();
        both.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(world.word(), ROUNDS);
    }

    /// Lets a store and a wake come between the look and the entry.
    fn store_between(world: &Arc<World>, wait_for_it: bool) -> bool {
        let mut waker = None;
        let looked = world.waits.begin(64, 0, || {
            let result = world.look(0);
            let other = world.clone();
            let thread = thread::spawn(move || {
                other.store(1);
                other.wake(1);
            });
            if wait_for_it {
                thread.join().unwrap();
            } else {
                waker = Some(thread);
            }
            result
        });
        let ticket = looked.unwrap();
        if let Some(thread) = waker {
            thread.join().unwrap();
        }
        world.waits.is_waiting(ticket)
    }

    #[test]
    fn a_wake_between_look_and_entry_finds_the_waiter() {
        assert!(!store_between(&world(true), false), "it waits for ever");
    }

    #[test]
    fn without_the_lock_a_wake_between_look_and_entry_is_lost() {
        assert!(
            store_between(&world(false), true),
            "the lock would prove nothing"
        );
    }
}
