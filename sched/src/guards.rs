//! Switches that turn a protecting mechanism off, for tests that show what it protects from.
//!
//! In the kernel there are none: [`Guards`] is empty, every question is the constant `true`, and
//! nothing is left of it after compilation.

/// A mechanism that a test can turn off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// The fences that order "queue, then look for idle cores" against "announce, then look again".
    IdleFence,
    /// Looking at the queues again after announcing to be idle.
    Recheck,
    /// Asking for an IPI to an idle core when a task becomes ready.
    WakeIpi,
    /// Passing a wake-up on when the core that got it is busy and work is left.
    PassOn,
    /// Taking tasks from other workers.
    Steal,
    /// Comparing the generation of an id with the slot's.
    Generation,
    /// Keeping a wake-up that comes before the task has blocked.
    WakeToken,
    /// Writing the state word on a wake-up even when the token is set already (W4).
    WakeWrites,
    /// Comparing a timer with the wait it belongs to before it ends a wait.
    TimerCheck,
    /// First choices that rotate, instead of a fixed order of queues.
    Rotation,
}

/// Which mechanisms are on.
#[cfg(not(test))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guards;

#[cfg(not(test))]
impl Guards {
    /// All mechanisms: there is no other choice.
    pub(crate) const ALL: Self = Self;

    /// Always, outside tests.
    #[inline]
    pub(crate) const fn on(self, _guard: Guard) -> bool {
        true
    }
}

/// Which mechanisms are on: all but at most one.
#[cfg(test)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guards {
    off: Option<Guard>,
}

#[cfg(test)]
impl Guards {
    /// All mechanisms.
    pub(crate) const ALL: Self = Self { off: None };

    /// All mechanisms but `guard`.
    pub(crate) const fn without(guard: Guard) -> Self {
        Self { off: Some(guard) }
    }

    pub(crate) fn on(self, guard: Guard) -> bool {
        self.off != Some(guard)
    }
}
