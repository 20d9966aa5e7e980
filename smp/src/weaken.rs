//! Switches that turn one step of a protocol off, for tests only.
//!
//! A guard that was never seen to be needed may not be one. So each protocol of this crate has
//! steps that a test can leave out, and a test (mostly a loom model) in which the harm then shows.
//! In a build without `cfg(test)` neither the switches nor the fields that hold them exist.

/// The step that is left out.
#[cfg(test)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Weakness {
    /// Nothing is left out.
    #[default]
    None,
    /// `slot`: transitions load and then store, instead of comparing and swapping.
    TransitionByStore,
    /// `mailbox`: the request is counted before its payload is in place.
    CountBeforePayload,
    /// `mailbox`: the acknowledgement goes out before the work is done.
    AcknowledgeFirst,
    /// `mailbox`: a full mailbox drops a flush instead of falling back to flushing everything.
    DropOnOverflow,
    /// `call`: a core that waits does not serve its own mailbox.
    DeafWaiter,
    /// `shootdown`: a core that enters a space does not order its bit before its look at the
    /// generation.
    NoEntryFence,
    /// `shootdown`: the initiator does not order the generation before its look at the cores.
    NoUnmapFence,
    /// `shootdown`: a core that goes idle takes the present generation for seen.
    SeenOnLeave,
    /// `quiesce`: a pass does not release what the core did before.
    RelaxedPass,
    /// `quiesce`: a core that leaves idle does not order its mark before its next reads.
    NoResumeFence,
    /// `quiesce`: the epoch does not move on, so an old pass counts for a new grace period.
    NoNewEpoch,
}

/// Whether `$owner` was made with this weakness; the constant `false` outside tests.
macro_rules! weak {
    ($owner:expr, $weakness:ident) => {{
        #[cfg(test)]
        let weak = $owner.weakness == crate::weaken::Weakness::$weakness;
        #[cfg(not(test))]
        let weak = false;
        weak
    }};
}
pub(crate) use weak;
