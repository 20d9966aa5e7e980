//! The task table: a fixed number of slots, each with a state word and what the task asked for.
//!
//! A slot's other fields are written by whoever the state word gives the right to: the spawner
//! while `New`, the core that runs the task while `Running`. The transition that ends that state is
//! a release, the one that begins the next is an acquire, so readers see them complete.
//!
//! Free slots wait in a queue, as the ids that their next tenants will have; first in, first out,
//! so that generations advance evenly.

use crate::budget::Budget;
use crate::guards::{Guard, Guards};
use crate::sync::{AtomicU32, AtomicU64, Ordering, TaskQueue};
use crate::types::{Class, CoreId, TaskId, TaskSpec, Ticks};
use crate::word::{Event, Outcome, State, Step, Then, Word, step};
use alloc::boxed::Box;

/// No core, in a field that names one.
const NO_CORE: u32 = u32::MAX;

/// The place of one task.
#[derive(Debug)]
pub(crate) struct Slot {
    word: AtomicU64,
    /// When the present wait ends by itself; `NEVER` if it does not.
    wake_at: AtomicU64,
    /// The core it ran on last: where its cache lines are, and its queue.
    home: AtomicU32,
    pin: AtomicU32,
    background: AtomicU32,
    pub(crate) budget: Budget,
}

/// All slots.
#[derive(Debug)]
pub(crate) struct Table {
    slots: Box<[Slot]>,
    free: TaskQueue,
    guards: Guards,
}

/// An event that was applied, or refused.
#[derive(Clone, Copy, Debug)]
#[must_use = "`then` says what has to be done next"]
pub(crate) struct Applied {
    pub(crate) outcome: Outcome,
    pub(crate) then: Then,
}

impl Slot {
    fn new() -> Self {
        Self {
            word: AtomicU64::new(Word::FRESH.0),
            wake_at: AtomicU64::new(Ticks::NEVER.0),
            home: AtomicU32::new(NO_CORE),
            pin: AtomicU32::new(NO_CORE),
            background: AtomicU32::new(0),
            budget: Budget::new(None),
        }
    }

    /// The state word now.
    pub(crate) fn word(&self) -> Word {
        // ORDERING: Acquire pairs with the AcqRel exchange in `Table::apply`: whoever sees a state
        // sees the fields that were written before it.
        Word(self.word.load(Ordering::Acquire))
    }

    /// Says when the wait that is about to begin ends by itself. Only the task's core may call it.
    pub(crate) fn set_wake_at(&self, at: Ticks) {
        // ORDERING: Release pairs with the Acquire in `wake_at`: a timer that reads this time also
        // sees that the wait before it has ended, so its exchange on the old epoch fails.
        self.wake_at.store(at.0, Ordering::Release);
    }

    /// When the present wait ends by itself.
    pub(crate) fn wake_at(&self) -> Ticks {
        // ORDERING: Acquire pairs with the Release in `set_wake_at`.
        Ticks(self.wake_at.load(Ordering::Acquire))
    }

    pub(crate) fn home(&self) -> Option<CoreId> {
        core_of(&self.home)
    }

    /// Notes where the task runs now. Only that core may call it.
    pub(crate) fn set_home(&self, core: CoreId) {
        // ORDERING: Relaxed: the state word carries it (see the head of the file).
        self.home.store(u32::from(core.bits()), Ordering::Relaxed);
    }

    pub(crate) fn pin(&self) -> Option<CoreId> {
        core_of(&self.pin)
    }

    /// Says where the task may run from its next transition on. Only the core that runs it may call it.
    pub(crate) fn set_pin(&self, pin: Option<CoreId>) {
        let pin = pin.map_or(NO_CORE, |core| u32::from(core.bits()));
        // ORDERING: Relaxed: the state word carries it (see the head of the file).
        self.pin.store(pin, Ordering::Relaxed);
    }

    pub(crate) fn class(&self) -> Class {
        // ORDERING: Relaxed: the state word carries it (see the head of the file).
        if self.background.load(Ordering::Relaxed) == 0 {
            Class::Normal
        } else {
            Class::Background
        }
    }

    /// Makes the slot what `spec` asks for. Only the spawner may call it, while `New`.
    fn furnish(&self, spec: &TaskSpec) {
        let pin = spec.pin.map_or(NO_CORE, |core| u32::from(core.bits()));
        let background = u32::from(spec.class == Class::Background);
        // ORDERING: Relaxed, all of them: the `Start` transition publishes them.
        self.home.store(NO_CORE, Ordering::Relaxed);
        self.pin.store(pin, Ordering::Relaxed);
        self.background.store(background, Ordering::Relaxed);
        self.budget.set(spec.budget);
        self.set_wake_at(Ticks::NEVER);
    }
}

fn core_of(field: &AtomicU32) -> Option<CoreId> {
    // ORDERING: Relaxed: the state word carries it (see the head of the file).
    let index = field.load(Ordering::Relaxed);
    if index == NO_CORE {
        None
    } else {
        CoreId::new(index as usize)
    }
}

impl Table {
    pub(crate) fn new(tasks: usize, guards: Guards) -> Self {
        let free = TaskQueue::new(tasks);
        let slots = (0..tasks).map(|_| Slot::new()).collect();
        for index in 0..tasks {
            Self::give_back(&free, TaskId::new(index as u32, 0));
        }
        Self {
            slots,
            free,
            guards,
        }
    }

    /// A new tenant for a free slot, in state `New`; `None` if there is none.
    pub(crate) fn allocate(&self, spec: &TaskSpec) -> Option<TaskId> {
        let id = self.free.pop()?;
        let applied = self.change(id, Event::Allocate, |word| {
            word.generation() == id.generation()
        });
        debug_assert_eq!(
            applied.outcome,
            Outcome::Done,
            "a free slot belongs to who took its id"
        );
        self.slot(id).furnish(spec);
        Some(id)
    }

    /// The slot that `id` names, whoever lives there now.
    pub(crate) fn slot(&self, id: TaskId) -> &Slot {
        &self.slots[id.index()]
    }

    /// The same for an id that may never have been handed out by this table.
    pub(crate) fn get(&self, id: TaskId) -> Option<&Slot> {
        self.slots.get(id.index())
    }

    /// The state of `id`, unless it names no task of today.
    pub(crate) fn state(&self, id: TaskId) -> Option<State> {
        let word = self.get(id)?.word();
        word.is(id).then(|| word.state())
    }

    /// All tasks there are at some moment during the call, each by itself.
    pub(crate) fn ids(&self) -> impl Iterator<Item = TaskId> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| {
            let word = slot.word();
            let id = TaskId::new(index as u32, word.generation());
            (word.state() != State::Free).then_some(id)
        })
    }

    /// Applies `event` to `id`; what follows for queues and cores is the caller's to do.
    pub(crate) fn apply(&self, id: TaskId, event: Event) -> Applied {
        let checked = self.guards.on(Guard::Generation);
        let applied = self.change(id, event, |word| word.is(id) || !checked);
        if applied.then == Then::Free {
            let next = self.slot(id).word().generation();
            Self::give_back(&self.free, TaskId::new(id.index() as u32, next));
        }
        applied
    }

    /// The exchange behind every transition. Each failed round means that another core's
    /// transition succeeded, and a task has only a few holders that could make one.
    fn change(&self, id: TaskId, event: Event, is_meant: impl Fn(Word) -> bool) -> Applied {
        let stale = Applied {
            outcome: Outcome::Stale,
            then: Then::Nothing,
        };
        let Some(slot) = self.get(id) else {
            return stale;
        };
        let mut word = self.first_look(slot, event);
        loop {
            if !is_meant(word) {
                return stale;
            }
            let Step {
                next,
                outcome,
                then,
            } = self.step(word, event);
            let Some(next) = next else {
                return Applied { outcome, then };
            };
            // ORDERING: AcqRel: Release hands the saved context and the slot's fields to the next
            // holder, Acquire takes them over; both pair with this same exchange on another core
            // and with the load in `Slot::word`. Acquire on failure: the word is used again.
            let (won, lost) = (Ordering::AcqRel, Ordering::Acquire);
            match slot.word.compare_exchange(word.0, next.0, won, lost) {
                Ok(_) => return Applied { outcome, then },
                Err(now) => word = Word(now),
            }
        }
    }

    /// The word to begin an exchange with.
    #[cfg(not(loom))]
    fn first_look(&self, slot: &Slot, _event: Event) -> Word {
        slot.word()
    }

    /// The same for loom, which reverses races only with the *last* access to a place: a plain load
    /// right before an exchange would hide the other cores' accesses from it. Without `WakeWrites`
    /// the stale load is the failure itself.
    #[cfg(loom)]
    fn first_look(&self, slot: &Slot, event: Event) -> Word {
        if event == Event::Wake && !self.guards.on(Guard::WakeWrites) {
            return slot.word();
        }
        // ORDERING: AcqRel: the exchange that follows has it, too; pairs as described there.
        Word(slot.word.fetch_or(0, Ordering::AcqRel))
    }

    /// The transition function, with the mechanisms that a test turned off left out.
    fn step(&self, word: Word, event: Event) -> Step {
        let mut step = step(word, event);
        if event == Event::Wake && step.outcome == Outcome::Pending {
            let changes = step.next.is_some_and(|next| next != word);
            let drop_token = !self.guards.on(Guard::WakeToken);
            let skip_write = !self.guards.on(Guard::WakeWrites) && !changes;
            if drop_token || skip_write {
                step.next = None;
            }
        }
        step
    }

    fn give_back(free: &TaskQueue, id: TaskId) {
        let room = free.push(id);
        debug_assert!(room.is_ok(), "the free list has a place for every slot");
    }
}
