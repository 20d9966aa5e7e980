//! What this crate needs from the platform to make code executable.
//!
//! No mapping through which modules run is ever writable (W^X): the platform writes through a
//! window of its own. The kernel has a page-table window for the core that compiles, the host has
//! a second mapping of the same memory file, the hostile test double fails on demand.

use crate::sync::{AtomicI32, AtomicU64};
use core::fmt;

/// A part of an instance's address space that holds compiler output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Region {
    /// Instructions and `int3`, from [`crate::abi::CODE`].
    Code,
    /// Constants and jump tables, from [`crate::abi::RODATA`].
    Rodata,
    /// Function stubs, from [`crate::abi::STUBS`].
    Stubs,
}

/// Why code could not be put into memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CodeMemoryError {
    /// No frames are left for code.
    OutOfMemory,
    /// The range is outside the region.
    OutOfRange,
}

impl fmt::Display for CodeMemoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutOfMemory => "no memory is left for code",
            Self::OutOfRange => "code range outside its region",
        })
    }
}

/// The memory of one instance that its runtime writes and its module only reads or executes.
pub trait CodeMemory: Sync {
    /// Writes `bytes` at `offset` of `region` through the writable window and makes them
    /// executable (code, stubs) or readable (rodata) for the instance. Bytes of touched pages
    /// that were never written read as `int3` in executable regions and 0 in rodata. No core has
    /// fetched from the range since it was reserved.
    ///
    /// # Errors
    /// Nothing of the range is accessible then.
    fn commit(&self, region: Region, offset: u64, bytes: &[u8]) -> Result<(), CodeMemoryError>;

    /// Gives `work` the dispatch slot `slot` through the writable window; `None` if there is no such
    /// slot. `work` is short and touches nothing else of the instance's memory: on metal the window
    /// is only there while it runs.
    fn with_slot<R>(&self, slot: u32, work: impl FnOnce(&AtomicU64) -> R) -> Option<R>;

    /// The counters in the GS block of `core`: two a function (calls, loops), module-writable.
    fn counters(&self, core: usize) -> &[AtomicI32];

    /// Number of GS blocks.
    fn cores(&self) -> usize;

    /// How many of them are in use from the start; the others when `Instance::arm` was called.
    fn first_cores(&self) -> usize {
        self.cores()
    }
}
