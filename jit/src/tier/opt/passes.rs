//! The passes of the optimising tiers, one a file.
//!
//! Each file's head says what holds before it, what it does, and what holds after it. All keep the
//! semantics of the IR bit by bit (head of crate `ir`): flags such as `nsw` are facts that a pass
//! may use only where it says so, and none of O1 does.

pub mod address;
pub mod balance;
pub mod dce;
pub mod dse;
pub mod gvn;
pub mod hoist;
pub mod induction;
pub mod inline;
mod nest;
mod promote;
pub mod recursion;
mod region;
pub mod scalarise;
pub mod sccp;
pub mod simplify;
pub mod simplify_cfg;
pub mod sink;
pub mod sroa;
pub mod strength;
mod sure;
pub mod unroll;
