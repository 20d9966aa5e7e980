//! System calls: the entry registers, and safe copies from and to a program's memory.

pub(crate) mod copy;
mod entry;

pub(crate) use entry::install;
