//! Cores: find, start, name, call, quiesce, shoot down.
//!
//! This crate knows what a core is and nothing of what cores run: no code version, no task, no page
//! table appears in it. It is logic only. Every touch of hardware goes through a small trait that
//! is defined here and implemented by the kernel on metal and by `sim` on the host.
//!
//! | module | question it answers | trait it needs |
//! | --- | --- | --- |
//! | [`topology`] (with [`tables`]) | which cores does the firmware list? | [`tables::PhysMem`] |
//! | [`bringup`], [`slot`] | which of them came up? | [`bus::ApicBus`], [`bus::Clock`] |
//! | [`roles`] | what does each of them do? | – |
//! | [`percpu`], [`coreset`] | where is a core's data; which cores? | – |
//! | [`report`] | what is there to tell a person? | – |
//!
//! Rules that hold in all of them: cores are named by [`CoreId`], dense from 0, and the BSP is core
//! 0. Time is passed in, never read. Every wait has an end, and a core that misses it is declared
//! lost: reported, left out for good, and never let back in.
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod bringup;
pub mod bus;
pub mod call;
pub mod coreset;
pub mod finding;
pub mod percpu;
pub mod quiesce;
pub mod report;
pub mod roles;
pub mod shootdown;
pub mod slot;
pub mod tables;
pub mod topology;

mod ids;
mod mailbox;
mod sync;
mod wait;
mod weaken;

#[cfg(all(test, loom))]
mod loom_models;

#[cfg(any(test, feature = "host"))]
pub mod sim;

pub use coreset::{CoreMask, CoreSet};
pub use ids::{ApicId, CoreId, MAX_CORES};
pub use percpu::PerCpu;
