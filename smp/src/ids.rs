//! Names of cores.
//!
//! Two numberings exist and must never be mixed up, so each is a type. The hardware's [`ApicId`] is
//! sparse, up to 32 bits, and only useful to address an interrupt. Everything else uses [`CoreId`],
//! which this crate hands out densely from 0 in the order of the MADT, with the BSP always 0.

use core::fmt;

/// The largest number of cores that BareFlow uses; the rest are reported and left alone.
///
/// It bounds [`CoreMask`](crate::CoreMask) and every per-core array. Fewer under loom, whose cost
/// is exponential in the number of words that are read.
pub const MAX_CORES: usize = if cfg!(loom) { 64 } else { 256 };

/// A core's dense index, 0 to [`MAX_CORES`] − 1. The BSP is [`CoreId::BSP`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CoreId(u16);

impl CoreId {
    /// The core that the firmware started.
    pub const BSP: CoreId = CoreId(0);

    /// The core with this dense index, or `None` if it is not below [`MAX_CORES`].
    pub const fn new(index: usize) -> Option<CoreId> {
        // The comparison makes the cast exact: MAX_CORES fits in 16 bits.
        if index < MAX_CORES {
            Some(CoreId(index as u16))
        } else {
            None
        }
    }

    /// The index, always below [`MAX_CORES`].
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for CoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The identity of a local APIC: 8 bits in xAPIC mode, 32 in x2APIC mode (SDM vol. 3, 11.12.9).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ApicId(pub u32);

impl ApicId {
    /// The highest id that xAPIC mode can address; 0xff is its broadcast.
    pub const XAPIC_MAX: ApicId = ApicId(0xfe);
    /// The highest id that x2APIC mode can address; all ones is its broadcast.
    pub const X2APIC_MAX: ApicId = ApicId(0xffff_fffe);
}

impl fmt::Display for ApicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
