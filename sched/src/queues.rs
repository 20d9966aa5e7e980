//! Run queues: where ready tasks wait, and in which order a core looks.
//!
//! | queue | who takes from it | room |
//! | --- | --- | --- |
//! | pinned, of each core | that core | `pinned_per_core`; `spawn` counts |
//! | local, of each worker | that worker; others steal | `local_queue`; overflow goes to shared |
//! | shared | all workers | one place per task |
//! | pinned background, of each core | that core | `pinned_per_core` |
//! | shared background | all workers | one place per task |
//!
//! # Room
//! A task has at most one entry (W1 in `word`). So queues with a place per task, or per task that
//! may be pinned there, cannot overflow, and making a task ready never fails.
//!
//! # Order, and why nobody starves
//! A core looks at its pinned queue, its local queue, the shared one, at other workers' local queues
//! (from the front, so the longest waiting is stolen), and last at background tasks. Alone that
//! order would starve whatever comes late in it. So each pick has a *first choice* that is looked at
//! before all others, and [`ROTATION`] makes every normal queue of the core first choice once in 5
//! picks, the background ones once in 16. As queues are first in, first out, an entry with `n` before
//! it is taken within `5 (n + 1)` or `16 (n + 1)` picks of a core that serves the queue.

use crate::guards::{Guard, Guards};
use crate::stats::Counter;
use crate::sync::{AtomicU32, Ordering, TaskQueue};
use crate::types::{Class, CoreConfig, CoreId, CoreSet, Limits, TaskId};
use alloc::boxed::Box;

/// A kind of queue, as seen from one core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Pinned,
    Local,
    Shared,
    Steal,
    PinnedBackground,
    SharedBackground,
}

use Source::{Local, Pinned, PinnedBackground, Shared, SharedBackground, Steal};

/// The first choices of successive picks of a core.
pub(crate) const ROTATION: [Source; 16] = [
    Pinned,
    Local,
    Shared,
    Pinned,
    Local,
    Shared,
    Local,
    PinnedBackground,
    Pinned,
    Local,
    Shared,
    Pinned,
    Local,
    Shared,
    Local,
    SharedBackground,
];

/// Picks within which every normal queue of a core is first choice.
pub(crate) const NORMAL_PERIOD: usize = 5;
/// Picks within which every queue of a core is first choice.
pub(crate) const BACKGROUND_PERIOD: usize = ROTATION.len();

/// The order in which a core looks when its first choice is empty.
const ORDER: [Source; 6] = [
    Pinned,
    Local,
    Shared,
    Steal,
    PinnedBackground,
    SharedBackground,
];

/// What decides in which queue a task waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) class: Class,
    pub(crate) pin: Option<CoreId>,
    /// The core it ran on last.
    pub(crate) home: Option<CoreId>,
}

/// An entry that was taken out of a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Picked {
    pub(crate) task: TaskId,
    pub(crate) stolen_from: Option<CoreId>,
}

/// The queues of one core. Aligned so that two cores' queues share no cache line.
#[derive(Debug)]
#[repr(align(128))]
struct CoreQueues {
    pinned: TaskQueue,
    local: TaskQueue,
    background: TaskQueue,
    /// Tasks alive that are pinned here.
    pins: AtomicU32,
}

/// All run queues.
#[derive(Debug)]
pub(crate) struct Queues {
    cores: Box<[CoreQueues]>,
    workers: CoreSet,
    shared: TaskQueue,
    background: TaskQueue,
    pinned_per_core: u32,
    overflows: Counter,
    guards: Guards,
}

impl Queues {
    pub(crate) fn new(configs: &[CoreConfig], limits: &Limits, guards: Guards) -> Self {
        let mut workers = CoreSet::EMPTY;
        for (index, config) in configs.iter().enumerate() {
            if let Some(core) = CoreId::new(index)
                && config.runs_guests
            {
                workers.insert(core);
            }
        }
        let core_queues = |config: &CoreConfig| CoreQueues {
            pinned: TaskQueue::new(limits.pinned_per_core),
            // A core that is no worker never has an entry in its local queue.
            local: TaskQueue::new(if config.runs_guests {
                limits.local_queue
            } else {
                1
            }),
            background: TaskQueue::new(limits.pinned_per_core),
            pins: AtomicU32::new(0),
        };
        Self {
            cores: configs.iter().map(core_queues).collect(),
            workers,
            shared: TaskQueue::new(limits.tasks),
            background: TaskQueue::new(limits.tasks),
            pinned_per_core: u32::try_from(limits.pinned_per_core).unwrap_or(u32::MAX),
            overflows: Counter::default(),
            guards,
        }
    }

    /// The cores that run tasks which are not pinned.
    pub(crate) const fn workers(&self) -> CoreSet {
        self.workers
    }

    /// How often a local queue was full.
    pub(crate) fn overflows(&self) -> u64 {
        self.overflows.get()
    }

    /// Reserves room for one more task pinned to `core`; `false` if there is none.
    pub(crate) fn reserve_pin(&self, core: CoreId) -> bool {
        let pins = &self.cores[core.index()].pins;
        // ORDERING: Relaxed: a count; the queues themselves carry the entries.
        let mut count = pins.load(Ordering::Relaxed);
        while count < self.pinned_per_core {
            // ORDERING: Relaxed on both ends, for the same reason.
            let (won, lost) = (Ordering::Relaxed, Ordering::Relaxed);
            match pins.compare_exchange(count, count + 1, won, lost) {
                Ok(_) => return true,
                Err(now) => count = now,
            }
        }
        false
    }

    /// The task that had reserved it is gone, and so is its entry.
    pub(crate) fn release_pin(&self, core: CoreId) {
        // ORDERING: Relaxed: a count, as in `reserve_pin`.
        self.cores[core.index()]
            .pins
            .fetch_sub(1, Ordering::Relaxed);
    }

    /// Queues `task`, which has just become ready and has no entry.
    pub(crate) fn push(&self, task: TaskId, place: Place) {
        let home = place.home.filter(|&core| self.workers.contains(core));
        let result = match (place.pin, place.class, home) {
            (Some(core), Class::Normal, _) => self.cores[core.index()].pinned.push(task),
            (Some(core), Class::Background, _) => self.cores[core.index()].background.push(task),
            (None, Class::Background, _) => self.background.push(task),
            (None, Class::Normal, None) => self.shared.push(task),
            (None, Class::Normal, Some(core)) => {
                self.cores[core.index()].local.push(task).or_else(|task| {
                    self.overflows.add_one();
                    self.shared.push(task)
                })
            }
        };
        result.expect("a task has one entry at most, and these queues have a place for every task");
    }

    /// Takes an entry for `core`, looking in the order of pick number `turn`; steals begin with the
    /// worker after `victim`. `take` decides whether the entry still names a ready task; others are
    /// dropped, and the search goes on.
    pub(crate) fn pick(
        &self,
        core: CoreId,
        turn: usize,
        victim: usize,
        mut take: impl FnMut(TaskId) -> bool,
    ) -> Option<Picked> {
        let first = ROTATION[turn % ROTATION.len()];
        let first = self.guards.on(Guard::Rotation).then_some(first);
        first.into_iter().chain(ORDER).find_map(|source| {
            // Every round takes an entry out, so a core could only be kept here by others that
            // queue and kill tasks faster than it discards them.
            while let Some(picked) = self.pop(core, source, victim) {
                if take(picked.task) {
                    return Some(picked);
                }
            }
            None
        })
    }

    /// Whether an entry waits that `core` would find without stealing.
    pub(crate) fn waits_for(&self, core: CoreId) -> bool {
        let own = &self.cores[core.index()];
        !own.pinned.is_empty()
            || !own.background.is_empty()
            || self.workers.contains(core)
                && !(own.local.is_empty() && self.shared.is_empty() && self.background.is_empty())
    }

    /// Whether an entry waits that any worker may take.
    pub(crate) fn has_stealable(&self) -> bool {
        !self.shared.is_empty()
            || !self.background.is_empty()
            || self
                .workers
                .iter()
                .any(|core| !self.cores[core.index()].local.is_empty())
    }

    fn pop(&self, core: CoreId, source: Source, victim: usize) -> Option<Picked> {
        let own = &self.cores[core.index()];
        let task = match source {
            Pinned => own.pinned.pop(),
            PinnedBackground => own.background.pop(),
            // Only workers take what is not pinned.
            _ if !self.workers.contains(core) => None,
            Local => own.local.pop(),
            Shared => self.shared.pop(),
            SharedBackground => self.background.pop(),
            Steal => return self.steal(core, victim),
        };
        task.map(|task| Picked {
            task,
            stolen_from: None,
        })
    }

    fn steal(&self, thief: CoreId, victim: usize) -> Option<Picked> {
        if !self.guards.on(Guard::Steal) {
            return None;
        }
        let count = self.cores.len();
        let others = (1..=count).filter_map(|step| CoreId::new((victim + step) % count));
        others.filter(|&other| other != thief).find_map(|other| {
            let task = self.cores[other.index()].local.pop()?;
            Some(Picked {
                task,
                stolen_from: Some(other),
            })
        })
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::{
        BACKGROUND_PERIOD, Local, NORMAL_PERIOD, Pinned, PinnedBackground, ROTATION, Shared,
        SharedBackground,
    };

    #[test]
    fn every_queue_is_first_choice_once_in_its_period() {
        let periods = [
            (Pinned, NORMAL_PERIOD),
            (Local, NORMAL_PERIOD),
            (Shared, NORMAL_PERIOD),
            (PinnedBackground, BACKGROUND_PERIOD),
            (SharedBackground, BACKGROUND_PERIOD),
        ];
        for (source, period) in periods {
            for start in 0..ROTATION.len() {
                let mut picks = ROTATION.iter().cycle().skip(start).take(period);
                assert!(
                    picks.any(|&first| first == source),
                    "{source:?} from {start} on"
                );
            }
        }
    }
}
