//! Finished code: where it lies, which version callers enter, and what happened to the others.
//!
//! ```text
//!            commit                 publish                 a higher version is published
//! Reserved ─────────► Sealed ──────────────► Published ───────────────────────► Retired ──► Freed
//!     │                  │  lost the race                                          ▲
//!     └── not committed ─┴─────────────────────────────────────────────────────────┘
//! ```
//!
//! * [`memory`]: what this crate needs from the platform to put bytes where cores can execute them.
//! * [`cache`]: hands out ranges of code memory; bounded.
//! * [`version`]: one compilation result and its state machine.
//! * [`state`]: the state word of a function: requests, claims, what is published.
//! * [`publish`]: the store that makes callers enter a version, and why it is enough.

pub mod cache;
pub mod memory;
pub mod publish;
pub mod state;
pub mod version;
