//! The state word of a task, and the one function that changes it.
//!
//! Everything that may be raced for lies in one 64-bit word, so every event is one compare-and-swap
//! and every race has a winner. [`step`] is pure: word and event in, new word and what follows out.
//! It can be tested exhaustively, and there is no second place that knows a transition.
//!
//! ```text
//!  63            32 31    16 15     8 7     4 3    0
//! ┌────────────────┬────────┬────────┬───────┬──────┐
//! │   generation   │ epoch  │  core  │ flags │ state│
//! └────────────────┴────────┴────────┴───────┴──────┘
//!  generation  which tenant of the slot; an event with another id is `Stale`
//!  epoch       how often the task has blocked; ties a timer to one wait
//!  core        where it runs (Running only)
//! ```
//!
//! # Invariants
//! W1. `QUEUED` is set from the moment the task becomes Ready until its entry has been taken out of a
//!     queue. So a task has at most one entry, and the entries never outnumber the tasks.
//! W2. A slot becomes free only when `QUEUED` is clear: no entry ever names a later tenant.
//! W3. Exactly one event per task answers `Killed`, or `Done` to `Exit`: its caller tears down.
//! W4. `Wake` always writes, even when it changes nothing. The token is the channel through which
//!     the waker's data reaches the task: a waker that only looked at a token already set could be
//!     overtaken by the task taking the token and missing the data (the store-buffer pattern).

use crate::types::{CoreId, TaskId};

/// Where a task is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The slot has no task.
    Free,
    /// Spawned, not started: the kernel is still preparing it.
    New,
    /// Waits for a core.
    Ready,
    /// Runs on this core.
    Running(CoreId),
    /// Waits for an `unblock` or a timer.
    Blocked,
    /// Held still by the reclaimer; will be ready when given back.
    ScanReady,
    /// Held still by the reclaimer; will be blocked when given back.
    ScanBlocked,
    /// Ended by itself; to be reaped.
    Exited,
    /// Ended by `kill`; to be reaped.
    Killed,
}

/// What came of an event. Losing a race is an answer, not an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an event may have lost a race, and whoever is told `Killed` must tear the task down"]
pub enum Outcome {
    /// The event took effect.
    Done,
    /// The task stays on its core: a wake-up was waiting for it, or nothing else wants the core.
    Stays,
    /// It is noted in the task and takes effect when its present holder (core or reclaimer) lets go.
    Pending,
    /// The task has ended now, by this call: the caller tears it down and reaps it.
    Killed,
    /// Somebody else was first; this is the state found.
    Lost(State),
    /// The id names no task of today.
    Stale,
}

/// What can happen to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A fresh tenant moves in.
    Allocate,
    /// Preparation is over.
    Start,
    /// A core took the task's entry out of a queue.
    Take(CoreId),
    /// Its core takes it off, to run on later.
    Preempt,
    /// Its core takes it off, to wait.
    Block,
    /// Somebody ends the wait.
    Wake,
    /// The timer of this epoch's wait ran out.
    Expire(u16),
    /// The task ends itself.
    Exit,
    /// Somebody ends the task.
    Kill,
    /// The reclaimer wants to hold it still.
    Claim,
    /// The reclaimer gives it back.
    Release,
    /// Teardown is over; the slot may be used again.
    Reap,
}

/// What the winner of a transition has to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Nothing.
    Nothing,
    /// Put the task into a queue: it has become Ready.
    Enqueue,
    /// Put the slot into the free list.
    Free,
    /// Make this core look at the task soon.
    Kick(CoreId),
}

/// The answer of [`step`]: `next` is the word to write, if anything is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) next: Option<Word>,
    pub(crate) outcome: Outcome,
    pub(crate) then: Then,
}

/// A value of the state word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word(pub(crate) u64);

/// `kill` came while a core or the reclaimer held the task.
pub(crate) const KILL: u64 = 1 << 4;
/// A wake-up came while the task was not blocked; the next `block` takes it.
pub(crate) const WAKE: u64 = 1 << 5;
/// An entry of the task is in a queue, or on its way into one (W1).
pub(crate) const QUEUED: u64 = 1 << 6;
/// Reaped while `QUEUED`: whoever takes the entry frees the slot.
pub(crate) const REAP: u64 = 1 << 7;

const STATE_MASK: u64 = 0xf;
const CORE_SHIFT: u32 = 8;
const EPOCH_SHIFT: u32 = 16;
const GENERATION_SHIFT: u32 = 32;

impl Word {
    /// The word of a slot that never had a task.
    pub(crate) const FRESH: Self = Self(0);

    pub(crate) const fn state(self) -> State {
        match self.0 & STATE_MASK {
            1 => State::New,
            2 => State::Ready,
            3 => State::Running(CoreId::from_bits((self.0 >> CORE_SHIFT) as u8)),
            4 => State::Blocked,
            5 => State::ScanReady,
            6 => State::ScanBlocked,
            7 => State::Exited,
            8 => State::Killed,
            _ => State::Free,
        }
    }

    pub(crate) const fn generation(self) -> u32 {
        (self.0 >> GENERATION_SHIFT) as u32
    }

    pub(crate) const fn epoch(self) -> u16 {
        (self.0 >> EPOCH_SHIFT) as u16
    }

    pub(crate) const fn has(self, flag: u64) -> bool {
        self.0 & flag != 0
    }

    /// Whether `id` names the tenant of this slot.
    pub(crate) fn is(self, id: TaskId) -> bool {
        self.generation() == id.generation() && self.state() != State::Free
    }

    const fn with(self, flag: u64) -> Self {
        Self(self.0 | flag)
    }

    const fn without(self, flag: u64) -> Self {
        Self(self.0 & !flag)
    }

    /// The same task in another state: flags and epoch stay, the core is that of `Running`.
    const fn to(self, state: State) -> Self {
        let (number, core) = match state {
            State::Free => (0, 0),
            State::New => (1, 0),
            State::Ready => (2, 0),
            State::Running(core) => (3, core.bits()),
            State::Blocked => (4, 0),
            State::ScanReady => (5, 0),
            State::ScanBlocked => (6, 0),
            State::Exited => (7, 0),
            State::Killed => (8, 0),
        };
        let kept = self.0 & !(STATE_MASK | 0xff << CORE_SHIFT);
        Self(kept | number | (core as u64) << CORE_SHIFT)
    }

    /// The same word with the number of the next wait.
    pub(crate) const fn next_epoch(self) -> Self {
        let epoch = self.epoch().wrapping_add(1) as u64;
        Self(self.0 & !(0xffff << EPOCH_SHIFT) | epoch << EPOCH_SHIFT)
    }

    /// The empty slot after this tenant.
    const fn vacated(self) -> Self {
        Self((self.generation().wrapping_add(1) as u64) << GENERATION_SHIFT)
    }
}

/// The transition function: what `event` makes of a task in `word`.
pub(crate) fn step(word: Word, event: Event) -> Step {
    match event {
        Event::Allocate => match word.state() {
            State::Free => done(word.to(State::New)),
            _ => lost(word),
        },
        Event::Start => match word.state() {
            State::New => ready(word),
            _ => lost(word),
        },
        Event::Take(core) => take(word, core),
        Event::Preempt => match word.state() {
            State::Running(_) if word.has(KILL) => killed(word),
            State::Running(_) => ready(word),
            _ => lost(word),
        },
        Event::Block => block(word),
        Event::Wake => wake(word),
        Event::Expire(epoch) => match word.state() {
            State::Blocked if word.epoch() == epoch => ready(word),
            State::ScanBlocked if word.epoch() == epoch => pending(word.to(State::ScanReady)),
            _ => lost(word),
        },
        Event::Exit => match word.state() {
            State::Running(_) => done(word.to(State::Exited)),
            _ => lost(word),
        },
        Event::Kill => kill(word),
        Event::Claim => match word.state() {
            State::Ready => done(word.to(State::ScanReady)),
            State::Blocked => done(word.to(State::ScanBlocked)),
            _ => lost(word),
        },
        Event::Release => release(word),
        Event::Reap => match word.state() {
            State::Exited | State::Killed if word.has(REAP) => lost(word),
            State::Exited | State::Killed if word.has(QUEUED) => pending(word.with(REAP)),
            State::Exited | State::Killed => freed(word),
            _ => lost(word),
        },
    }
}

/// A core holds the task's only entry, so clearing `QUEUED` is its right in every state.
fn take(word: Word, core: CoreId) -> Step {
    let taken = word.without(QUEUED);
    match word.state() {
        State::Ready => done(taken.to(State::Running(core))),
        // The reclaimer holds it, sees the cleared flag on release, and enqueues it again.
        State::ScanReady => pending(taken),
        State::Killed if word.has(REAP) => Step {
            outcome: Outcome::Lost(State::Killed),
            ..freed(word)
        },
        _ => Step {
            next: Some(taken),
            outcome: Outcome::Lost(word.state()),
            then: Then::Nothing,
        },
    }
}

fn block(word: Word) -> Step {
    match word.state() {
        State::Running(_) if word.has(KILL) => killed(word),
        State::Running(_) if word.has(WAKE) => Step {
            next: Some(word.without(WAKE)),
            outcome: Outcome::Stays,
            then: Then::Nothing,
        },
        State::Running(_) => done(word.next_epoch().to(State::Blocked)),
        _ => lost(word),
    }
}

fn wake(word: Word) -> Step {
    match word.state() {
        State::Blocked => ready(word),
        State::ScanBlocked => pending(word.to(State::ScanReady)),
        // Not blocked *yet*, perhaps: it may have registered with the waker and be on its way.
        State::New | State::Ready | State::Running(_) | State::ScanReady => {
            pending(word.with(WAKE))
        }
        State::Free | State::Exited | State::Killed => lost(word),
    }
}

fn kill(word: Word) -> Step {
    match word.state() {
        State::New | State::Ready | State::Blocked => killed(word),
        State::Running(core) => Step {
            then: Then::Kick(core),
            ..pending(word.with(KILL))
        },
        State::ScanReady | State::ScanBlocked => pending(word.with(KILL)),
        State::Free | State::Exited | State::Killed => lost(word),
    }
}

fn release(word: Word) -> Step {
    match word.state() {
        State::ScanReady | State::ScanBlocked if word.has(KILL) => killed(word),
        State::ScanReady if word.has(QUEUED) => done(word.to(State::Ready)),
        State::ScanReady => ready(word),
        State::ScanBlocked => done(word.to(State::Blocked)),
        _ => lost(word),
    }
}

const fn done(next: Word) -> Step {
    Step {
        next: Some(next),
        outcome: Outcome::Done,
        then: Then::Nothing,
    }
}

const fn pending(next: Word) -> Step {
    Step {
        next: Some(next),
        outcome: Outcome::Pending,
        then: Then::Nothing,
    }
}

const fn killed(word: Word) -> Step {
    let next = word.to(State::Killed);
    Step {
        next: Some(next),
        outcome: Outcome::Killed,
        then: Then::Nothing,
    }
}

const fn ready(word: Word) -> Step {
    let next = word.to(State::Ready).with(QUEUED);
    Step {
        next: Some(next),
        outcome: Outcome::Done,
        then: Then::Enqueue,
    }
}

const fn freed(word: Word) -> Step {
    Step {
        next: Some(word.vacated()),
        outcome: Outcome::Done,
        then: Then::Free,
    }
}

const fn lost(word: Word) -> Step {
    Step {
        next: None,
        outcome: Outcome::Lost(word.state()),
        then: Then::Nothing,
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::{Event, KILL, Outcome, QUEUED, REAP, State, Then, WAKE, Word, step};
    use crate::types::CoreId;
    use alloc::collections::VecDeque;
    use alloc::vec::Vec;
    use std::collections::HashSet;

    const CORE: CoreId = CoreId::from_bits(3);
    const EVENTS: [Event; 12] = [
        Event::Allocate,
        Event::Start,
        Event::Take(CORE),
        Event::Preempt,
        Event::Block,
        Event::Wake,
        Event::Expire(1),
        Event::Exit,
        Event::Kill,
        Event::Claim,
        Event::Release,
        Event::Reap,
    ];

    /// All words that a first and a second wait of the first two tenants can reach, by any events in
    /// any order; `Take` only with an entry in a queue, as its caller guarantees.
    fn reachable() -> Vec<Word> {
        let mut seen = HashSet::from([Word::FRESH.0]);
        let mut open = VecDeque::from([Word::FRESH]);
        while let Some(word) = open.pop_front() {
            for event in EVENTS {
                let allowed = word.has(QUEUED) || !matches!(event, Event::Take(_));
                let next = step(word, event).next.filter(|_| allowed);
                if let Some(next) = next
                    && next.epoch() <= 2
                    && next.generation() <= 1
                    && seen.insert(next.0)
                {
                    open.push_back(next);
                }
            }
        }
        seen.into_iter().map(Word).collect()
    }

    #[test]
    fn every_reachable_word_keeps_the_invariants() {
        let words = reachable();
        assert!(words.len() > 50, "only {} words reached", words.len());
        for word in words {
            let (state, queued) = (word.state(), word.has(QUEUED));
            let may_be_queued = matches!(state, State::Ready | State::ScanReady | State::Killed);
            assert!(
                may_be_queued || !queued,
                "an entry without reason: {state:?}"
            );
            assert!(state != State::Ready || queued, "ready without an entry");
            assert!(
                !word.has(REAP) || state == State::Killed && queued,
                "{state:?} {word:x?}"
            );
            let held = matches!(
                state,
                State::Running(_) | State::ScanReady | State::ScanBlocked
            );
            let ended = matches!(state, State::Killed | State::Exited);
            assert!(
                !word.has(KILL) || held || ended,
                "an unseen kill: {state:?}"
            );
            assert!(
                !word.has(WAKE) || state != State::Blocked,
                "a wake-up asleep: {word:x?}"
            );
            assert!(
                state != State::Free || word.0 as u32 == 0,
                "a free slot keeps nothing"
            );
        }
    }

    #[test]
    fn an_entry_is_asked_for_exactly_when_there_is_none() {
        for word in reachable() {
            for event in EVENTS {
                let step = step(word, event);
                if step.then == Then::Enqueue {
                    let next = step.next.unwrap();
                    assert!(
                        !word.has(QUEUED) && next.has(QUEUED),
                        "{event:?} on {word:x?}"
                    );
                    assert_eq!(next.state(), State::Ready);
                }
            }
        }
    }

    #[test]
    fn a_task_ends_once_and_is_freed_once() {
        for word in reachable() {
            for event in EVENTS {
                let step = step(word, event);
                let next = step.next.unwrap_or(word);
                let ended = |word: Word| matches!(word.state(), State::Killed | State::Exited);
                let ends = ended(next) && !ended(word);
                let told = step.outcome == Outcome::Killed
                    || event == Event::Exit && step.outcome == Outcome::Done;
                assert_eq!(ends, told, "{event:?} on {word:x?}");
                assert!(!ended(word) || ended(next) || step.then == Then::Free);
                assert_eq!(
                    step.then == Then::Free,
                    next.generation() != word.generation()
                );
                assert!(step.then != Then::Free || !word.has(QUEUED) || event == Event::Take(CORE));
            }
        }
    }

    #[test]
    fn a_wake_up_always_reaches_the_next_block() {
        for word in reachable() {
            let woken = step(word, Event::Wake);
            let Some(next) = woken.next else {
                assert!(matches!(woken.outcome, Outcome::Lost(_)), "{word:x?}");
                continue;
            };
            let kept = next.has(WAKE) || matches!(next.state(), State::Ready | State::ScanReady);
            assert!(kept, "{word:x?} forgets a wake-up");
        }
    }

    #[test]
    fn a_late_timer_does_not_end_the_next_wait() {
        let blocked = Word::FRESH;
        let blocked = step(blocked, Event::Allocate).next.unwrap();
        let blocked = step(blocked, Event::Start).next.unwrap();
        let running = step(blocked, Event::Take(CORE)).next.unwrap();
        let first = step(running, Event::Block).next.unwrap();
        let ready = step(first, Event::Wake).next.unwrap();
        let running = step(ready, Event::Take(CORE)).next.unwrap();
        let second = step(running, Event::Block).next.unwrap();
        let late = step(second, Event::Expire(first.epoch()));
        assert_eq!(late.outcome, Outcome::Lost(State::Blocked));
        assert_eq!(
            step(second, Event::Expire(second.epoch())).then,
            Then::Enqueue
        );
    }
}
