//! What the compiler knows of each value while it emits code.
//!
//! Values are numbered densely: parameters, then instructions, then the second and later parts of
//! values that have several ([`Val::more`]); a number is an [`Ix`]. A part is in a register, in its
//! home in the frame, or in both; or it is not kept at all because it can be made again (the address
//! of a static alloca, an address that is folded into the accesses that use it).

use crate::abi::Part;
use asm::{Gpr, Xmm};
use ir::Value;

/// Number of a value part.
pub(super) type Ix = u32;

/// No value part.
pub(super) const NO_IX: Ix = u32::MAX;

/// The number of `value` in a function with so many parameters; `None` for constants.
#[inline(always)]
pub(super) fn index(value: Value, params: u32) -> Option<Ix> {
    match value.as_inst() {
        Some(id) => Some(params + id.0),
        None => value.as_arg(),
    }
}

/// A machine register: 0–15 general, 16–31 vector.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Reg(pub(super) u8);

impl Reg {
    /// No register.
    pub(super) const NONE: Self = Self(0xff);

    /// The general register.
    pub(super) const fn of(gpr: Gpr) -> Self {
        Self(gpr.number())
    }

    /// The vector register.
    pub(super) const fn of_xmm(xmm: Xmm) -> Self {
        Self(xmm.number() + 16)
    }

    /// As a general register.
    #[inline(always)]
    pub(super) fn gpr(self) -> Gpr {
        debug_assert!(self.0 < 16);
        Gpr::new(self.0)
    }

    /// As a vector register.
    pub(super) fn xmm(self) -> Xmm {
        debug_assert!((16..32).contains(&self.0));
        Xmm::new(self.0)
    }

    /// Whether there is one.
    #[inline(always)]
    pub(super) fn is_some(self) -> bool {
        self.0 < 32
    }

    /// Its bit in a set of registers; none for no register.
    #[inline(always)]
    pub(super) fn bit(self) -> u32 {
        if self.is_some() { 1 << self.0 } else { 0 }
    }
}

/// A value part. 32 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Val {
    /// Uses not yet emitted; of the whole value, kept with its first part.
    pub(super) uses: u32,
    /// Position of the definition.
    pub(super) def: u32,
    /// Last position at which the value is live.
    pub(super) end: u32,
    /// Offset from `rbp` of the home; 0 for none.
    pub(super) home: i32,
    /// Estimated number of accesses.
    pub(super) weight: u32,
    /// Number of the second part if there is one; of the first part in a later part. A static alloca
    /// has the number of its variable here.
    pub(super) extra: u32,
    /// What kind of register it needs.
    pub(super) part: Part,
    /// Where it is now.
    pub(super) reg: Reg,
    /// The register that is its for all its life.
    pub(super) fixed: Reg,
    /// Number of parts after the first.
    pub(super) more: u8,
    /// Bits below.
    pub(super) flags: u16,
}

impl Val {
    /// The home holds the value.
    pub(super) const STORED: u16 = 1;
    /// Upper register bits are zero.
    pub(super) const ZEXT: u16 = 2;
    /// A `PtrAdd`.
    pub(super) const PTR_ADD: u16 = 4;
    /// Some use needs it in a register; says something of a `PtrAdd`.
    pub(super) const NO_FOLD: u16 = 8;
    /// A `PtrAdd` on a `PtrAdd` of the same block.
    pub(super) const CHAINED: u16 = 16;
    /// A static alloca.
    pub(super) const ALLOCA: u16 = 32;
    /// Used for more than plain accesses of one type through it; says something of static allocas.
    pub(super) const ESCAPED: u16 = 64;
    /// Among the candidates for a fixed register.
    pub(super) const CANDIDATE: u16 = 128;
    /// Has a use.
    pub(super) const USED: u16 = 256;
    /// `end` covers the outermost loop around the last use.
    pub(super) const EXTENDED: u16 = 512;
    /// A second or later part.
    pub(super) const LATER: u16 = 1024;
    /// Used by a phi whose register would suit; the phi's number is in `extra`.
    pub(super) const HINTED: u16 = 2048;
    /// The home is not ours to give back.
    pub(super) const KEEP_HOME: u16 = 4096;
    /// Wanted in another block than its own.
    pub(super) const CROSS: u16 = 8192;

    /// Nothing known yet.
    pub(super) const EMPTY: Self = Self {
        uses: 0,
        def: 0,
        end: 0,
        home: 0,
        weight: 0,
        extra: NO_IX,
        part: Part::Int(0),
        reg: Reg::NONE,
        fixed: Reg::NONE,
        more: 0,
        flags: 0,
    };

    /// Whether all of `flags` are set.
    pub(super) fn has(&self, flags: u16) -> bool {
        self.flags & flags == flags
    }

    /// Whether the value is an address that is never put into a register for its own sake.
    pub(super) fn is_folded(&self) -> bool {
        self.flags & (Self::PTR_ADD | Self::NO_FOLD) == Self::PTR_ADD
    }

    /// Whether the value is a static alloca that is never more than a variable.
    pub(super) fn is_variable(&self) -> bool {
        self.flags & (Self::ALLOCA | Self::ESCAPED) == Self::ALLOCA
    }
}

const _: () = assert!(size_of::<Val>() == 32);
