//! The atomics of this crate: `core`'s, or loom's when a model checker drives the threads.
//!
//! Every module that takes part in a protocol between cores imports its atomics from here, so that
//! the code that runs on metal is the code that loom explores (`RUSTFLAGS="--cfg loom" cargo test
//! -p smp --release loom`). loom's constructors are not `const`; [`const_unless_loom`] hides that
//! difference.

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// Declares a function that is `const` on metal and plain under loom.
macro_rules! const_unless_loom {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),*) -> $ret:ty $body:block) => {
        #[cfg(not(loom))]
        $(#[$meta])*
        $vis const fn $name($($arg: $ty),*) -> $ret $body

        #[cfg(loom)]
        $(#[$meta])*
        $vis fn $name($($arg: $ty),*) -> $ret $body
    };
}
pub(crate) use const_unless_loom;
