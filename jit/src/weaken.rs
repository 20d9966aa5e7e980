//! Switches that turn a guard of generated code off, for tests only.
//!
//! A guard that was never seen to be needed may not be one. What longjmp checks, and what a function that calls
//! setjmp saves, can be seen only in code that runs, so the tests are those of a platform (`hosted`), in a
//! process of their own: a switch is the process's and is never turned back. The feature `weaken` is for such tests;
//! without it there are no switches, and [`is_left_out`] is the constant `false`.

/// What is left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Weakness {
    /// `longjmp` looks at nothing before it jumps.
    UncheckedJump = 1,
    /// A function that calls `setjmp` saves no register for its caller.
    NothingSaved = 2,
}

#[cfg(feature = "weaken")]
static LEFT_OUT: core::sync::atomic::AtomicU32 = core::sync::atomic::AtomicU32::new(0);

/// Code that is generated from now on lacks the guard.
#[cfg(feature = "weaken")]
pub fn leave_out(weakness: Weakness) {
    // ORDERING: Relaxed: a test says so before it makes any code; pairs with nothing.
    LEFT_OUT.fetch_or(weakness as u32, core::sync::atomic::Ordering::Relaxed);
}

/// Whether a test has said so.
#[cfg(feature = "weaken")]
pub(crate) fn is_left_out(weakness: Weakness) -> bool {
    // ORDERING: Relaxed: as above.
    LEFT_OUT.load(core::sync::atomic::Ordering::Relaxed) & weakness as u32 != 0
}

/// Never.
#[cfg(not(feature = "weaken"))]
pub(crate) fn is_left_out(_: Weakness) -> bool {
    false
}
