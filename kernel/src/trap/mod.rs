//! Traps: interrupts, exceptions and system calls, seen as the return of a call.

pub(crate) mod contain;
pub(crate) mod context;
mod idt;
pub(crate) mod interrupts;
mod kernel;

pub(crate) use idt::install as install_table;
