//! Tasks: per-core run queues, stealing, timers, time budgets.
//!
//! This crate decides *which task runs where and until when*. It owns no stack, touches no
//! register, reads no clock and sends no interrupt: time comes in as [`Ticks`], and whatever has to
//! happen on another core goes out as a [`CoreSet`] of cores to send the reschedule IPI to. So the
//! same code runs in the kernel and, step by step, in a deterministic simulation on the host.
//!
//! # Two halves
//!
//! [`Scheduler`] is shared by all cores (`&self`, no locks): the task table, the run queues, the
//! mask of idle cores. [`Core`] belongs to one core (`&mut`, never shared): what it runs, its
//! timers, its turn. The borrow checker therefore proves what a lock would have to enforce.
//!
//! ```text
//!              start          next                exit
//!   spawn ─► New ───► Ready ◄─────────► Running ───────► Exited ─┐
//!                      ▲ ▲   preempted    │                      ├─ reap ─► slot is free again
//!               unblock│ └──────────┐     │block, sleep   Killed ┘
//!               or time│            │     ▼                 ▲
//!                      └────────── Blocked ◄┘    kill ──────┘  (at once, unless running or scanned)
//! ```
//!
//! # What the kernel does
//!
//! * Timer interrupt or reschedule IPI: save the interrupted context, then [`Scheduler::tick`]; on
//!   [`Decision::Preempt`] call [`Scheduler::preempted`] and then [`Scheduler::next`].
//! * Arm the one-shot timer at the `until` that `tick` and `next` return; nothing else is needed
//!   for slices, sleeps and budgets to end in time.
//! * Send the reschedule IPI to every core of each `kick` set, as soon as possible.
//! * On [`Next::Idle`]: with interrupts still off since before the call, `sti; hlt`; on waking, call
//!   `next` again. An IPI sent in between is pending and ends the `hlt` at once.
//! * Before any call that takes the running task off its core: its context is saved, and the core no
//!   longer uses the task's stack. From that call on, another core may run it.
//! * Every call of one core happens with interrupts off on that core.
//! * Whoever receives [`Outcome::Killed`], or called `exit`, tears the task down and then calls
//!   [`Scheduler::reap`]; there is exactly one such caller per task.
//!
//! # Promises, each checked by the simulation
//!
//! P1. No lost wake-up: an `unblock` that comes before `block` makes that `block` return at once.
//! P2. A ready task is chosen within [`Limits::max_picks`] picks of the core that holds it.
//! P3. No worker core stays halted while a task that it may run is queued.
//! P4. A timer never fires early, and fires at the first `tick` or `next` at or after its time.
//! P5. A task runs on one core at a time, and none is lost or duplicated.
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;
#[cfg(any(test, loom))]
extern crate std;

mod budget;
mod guards;
mod idle;
mod local;
#[cfg(test)]
mod loom_models;
mod queues;
mod scheduler;
#[cfg(test)]
mod sim;
mod stats;
mod sync;
mod table;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod threads;
mod timer;
mod types;
mod word;

pub use budget::{Budget, BudgetState};
pub use local::{Core, Decision, Next};
pub use scheduler::{Claim, ConfigError, Effect, Scheduler, SpawnError};
pub use stats::CoreStats;
pub use types::{Class, CoreConfig, CoreId, CoreSet, Limits, MAX_CORES, TaskId, TaskSpec, Ticks};
pub use word::{Outcome, State};
