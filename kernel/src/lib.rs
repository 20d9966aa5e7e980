//! The parts of the kernel that touch no hardware, as a library that is also tested on the host.
//!
//! The image (`src/main.rs`) joins these with the folders that do: `boot`, `metal`, `memory`, `trap`, `syscall`. What
//! is decided from bytes alone (the boot loader's tables, the command line, which frame is free, what a page table
//! entry may say) belongs here, without `unsafe`, so that `cargo test -p kernel --lib` can try the hostile cases.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod bootinfo;
pub mod calendar;
pub mod cmdline;
pub mod files;
pub mod frames;
pub mod judge;
pub mod layout;
pub mod output;
pub mod ring;
pub mod team;
pub mod text;
pub mod volume;
pub mod waits;
