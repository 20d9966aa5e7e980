//! The plain values that cross the crate's boundary: ids, time, limits, what a task asks for.
//!
//! None of them holds state; each number has a type, so that a core cannot be passed for a task or
//! a duration for a place in a table.

use core::fmt;

/// Most cores that one scheduler serves; a core number has eight bits in the task's state word.
pub const MAX_CORES: usize = 256;

/// A core, named by its place in the list given to [`Scheduler::new`](crate::Scheduler::new).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CoreId(u8);

impl CoreId {
    /// The core at place `index` of the list, or `None` from [`MAX_CORES`] on.
    #[must_use]
    pub const fn new(index: usize) -> Option<Self> {
        // The mask loses nothing: the comparison has just proved it.
        if index < MAX_CORES {
            Some(Self((index & 0xff) as u8))
        } else {
            None
        }
    }

    /// The place in the list of cores.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    pub(crate) const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    pub(crate) const fn bits(self) -> u8 {
        self.0
    }
}

/// A set of cores: those that the caller has to send the reschedule IPI to.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
#[must_use = "a core in this set may be halted; without the IPI it stays so"]
pub struct CoreSet([u64; MAX_CORES / 64]);

impl CoreSet {
    /// No core.
    pub const EMPTY: Self = Self([0; MAX_CORES / 64]);

    /// Adds a core.
    pub const fn insert(&mut self, core: CoreId) {
        self.0[core.index() / 64] |= 1 << (core.index() % 64);
    }

    /// Adds all cores of `other`.
    pub fn extend(&mut self, other: Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine |= theirs;
        }
    }

    /// Whether no core is in it.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Self::EMPTY
    }

    /// Whether `core` is in it.
    #[must_use]
    pub const fn contains(self, core: CoreId) -> bool {
        self.0[core.index() / 64] & (1 << (core.index() % 64)) != 0
    }

    /// The cores, in ascending order.
    pub fn iter(self) -> impl Iterator<Item = CoreId> {
        (0..MAX_CORES)
            .filter_map(CoreId::new)
            .filter(move |&core| self.contains(core))
    }

    pub(crate) const fn word(self, index: usize) -> u64 {
        self.0[index]
    }
}

impl fmt::Debug for CoreSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.iter().map(CoreId::index))
            .finish()
    }
}

/// A task: a place in the task table and the number of the tenancy, so that an id that outlives
/// its task never names the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId {
    index: u32,
    generation: u32,
}

impl TaskId {
    pub(crate) const fn new(index: u32, generation: u32) -> Self {
        Self { index, generation }
    }

    /// The place in the task table, below [`Limits::tasks`]: the kernel's key for save areas and
    /// stacks. It is the task's alone from `spawn` to `reap`.
    #[must_use]
    pub const fn index(self) -> usize {
        self.index as usize
    }

    /// Which tenant of that place this is.
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.generation
    }
}

/// A point in time or a span of it, in ticks of whatever clock the consumer has (the TSC, a virtual
/// clock). It only has to be monotonic on each core; see [`Scheduler::sleep`](crate::Scheduler::sleep)
/// for what a difference between the cores' clocks means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticks(pub u64);

impl Ticks {
    /// No time.
    pub const ZERO: Self = Self(0);
    /// Later than every time that comes.
    pub const NEVER: Self = Self(u64::MAX);

    /// This much later, ending at [`Ticks::NEVER`].
    #[must_use]
    pub const fn after(self, span: Self) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// How long since `earlier`; nothing if it is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }
}

/// What a core is for, as far as tasks are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoreConfig {
    /// A worker: takes tasks that are not pinned, and steals. Other cores (BSP, JIT worker) run
    /// only what is pinned to them.
    pub runs_guests: bool,
}

/// The sizes of everything; all memory is allocated once, from these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Tasks alive at once.
    pub tasks: usize,
    /// Tasks alive at once that are pinned to the same core.
    pub pinned_per_core: usize,
    /// Places in a core's own queue; what does not fit goes to the queue shared by all workers.
    pub local_queue: usize,
    /// How long a task runs before others get their turn.
    pub slice: Ticks,
}

impl Limits {
    /// The starvation bound (promise P2): a ready task of `class` is chosen before the core that
    /// holds it has made this many picks; a task that no core holds (fresh, overflowed, or background
    /// and not pinned), before *any* worker has.
    ///
    /// Each queue of a core is its first choice once in every 5 picks, or 16 for background queues
    /// (`queues` states the rotation). Queues are first in, first out, and hold no more than `tasks`
    /// entries. So after `5 × tasks` or `16 × tasks` picks the entry has been taken. The number of
    /// cores does not make it worse; stealing and sharing only shorten the wait.
    ///
    /// Picks count when a core changes tasks. A task that is alone on its core is not preempted, but
    /// as soon as another waits there, it is at the end of its slice: picks are at most a slice apart.
    #[must_use]
    pub const fn max_picks(&self, class: Class) -> usize {
        self.tasks
            * match class {
                Class::Normal => crate::queues::NORMAL_PERIOD,
                Class::Background => crate::queues::BACKGROUND_PERIOD,
            }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            tasks: 1024,
            pinned_per_core: 32,
            local_queue: 256,
            slice: Ticks(1_000_000),
        }
    }
}

/// How urgent a task is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Class {
    /// A guest's task, or a kernel task that somebody waits for.
    #[default]
    Normal,
    /// Runs when nothing else is ready, and otherwise for one slice in 16, so that it is slow but
    /// not starved: the JIT worker when there is no core for it alone.
    Background,
}

/// What a new task is to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskSpec {
    /// How urgent it is.
    pub class: Class,
    /// The only core it may run on, or `None` for any worker.
    pub pin: Option<CoreId>,
    /// Processor time it may use until the budget is set anew; `None` is no limit.
    pub budget: Option<Ticks>,
}
