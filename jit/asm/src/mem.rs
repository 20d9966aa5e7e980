//! Memory operands, and the ModRM/SIB/displacement bytes they turn into.
//!
//! # What the hardware offers (SDM vol. 2, sections 2.1.5 and 2.2.1, tables 2-2 and 2-3)
//! ModRM.mod selects the displacement (0, 8 or 32 bits) or a register operand, ModRM.rm the base.
//! Three base numbers are taken for other things, and the fourth register bit (REX.B) is not looked
//! at when this is decided, so each exception also hits the register eight above it:
//!
//! * rm = 100 (rsp, r12) means "a SIB byte follows"; such a base is written as SIB without an
//!   index.
//! * mod = 00, rm = 101 (rbp, r13) means RIP + disp32; such a base takes a disp8 of zero instead.
//! * SIB.base = 101 with mod = 00 means "no base, disp32": the only absolute form in 64-bit mode.
//!
//! SIB.index = 100 without REX.X means "no index": rsp cannot be an index, but r12 can, and so can
//! xmm4 in a gather.
//!
//! # Representation
//! A missing base or index is stored as a number above 15 whose low four bits are exactly what the
//! hardware wants in its place (100 or 101, extension bit clear). The encoder below therefore has
//! no special case for "no index", and one for "no base".

use crate::{Gpr, Label, Xmm};

/// Stored for "no index": low bits 0100, the hardware's own "none".
const NO_INDEX: u8 = 0x14;
/// Stored for "no base": low bits 0101, which with mod = 00 under a SIB byte means disp32 alone.
const NO_BASE: u8 = 0x15;
/// Stored for RIP-relative: low bits 0101, which with mod = 00 in ModRM means RIP + disp32.
const RIP: u8 = 0x25;

/// The address-size prefix, which truncates the effective address to 32 bits (SDM vol. 2, 2.1.1
/// group 4).
const ADDR32_PREFIX: u8 = 0x67;
/// The GS segment override prefix (SDM vol. 2, 2.1.1 group 2).
const GS_PREFIX: u8 = 0x65;

/// What an index register is multiplied with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Scale {
    /// Times one.
    S1,
    /// Times two.
    S2,
    /// Times four.
    S4,
    /// Times eight.
    S8,
}

impl Scale {
    /// Every scale, ascending.
    pub const ALL: [Self; 4] = [Self::S1, Self::S2, Self::S4, Self::S8];

    /// The factor: 1, 2, 4 or 8.
    #[must_use]
    pub const fn factor(self) -> u32 {
        1 << self as u32
    }

    /// The scale that multiplies with `factor`, if the hardware has it.
    #[must_use]
    pub const fn from_factor(factor: u32) -> Option<Self> {
        match factor {
            1 => Some(Self::S1),
            2 => Some(Self::S2),
            4 => Some(Self::S4),
            8 => Some(Self::S8),
            _ => None,
        }
    }
}

/// Something outside the code buffer whose address is known only when the code is placed: a
/// dispatch slot, a global, a helper. The number means whatever the user of the buffer wants it to
/// mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(pub u32);

/// What the displacement refers to besides its own value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// Nothing: the displacement is final.
    None,
    /// A label of the same buffer, relative to RIP.
    Label(Label),
    /// A symbol's absolute address.
    Symbol(Symbol),
    /// A symbol's address relative to RIP.
    SymbolRip(Symbol),
}

/// A memory operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mem {
    disp: i32,
    base: u8,
    index: u8,
    scale: u8,
    /// 0 for none, else [`ADDR32_PREFIX`] or [`GS_PREFIX`].
    prefix: u8,
    link: Link,
}

impl Mem {
    /// `[base + disp]`.
    #[inline(always)]
    #[must_use]
    pub const fn base(base: Gpr, disp: i32) -> Self {
        Self::raw(base.number(), NO_INDEX, 0, disp)
    }

    /// `[base + index * scale + disp]`. `index` must not be rsp, which the hardware cannot encode.
    #[inline(always)]
    #[must_use]
    pub const fn base_index(base: Gpr, index: Gpr, scale: Scale, disp: i32) -> Self {
        debug_assert!(
            !matches!(index, Gpr::Rsp),
            "rsp cannot be an index register"
        );
        Self::raw(base.number(), index.number(), scale as u8, disp)
    }

    /// `[index * scale + disp]`. `index` must not be rsp. Without a base the hardware always takes
    /// four displacement bytes, so a scale of one is encoded as a base instead.
    #[inline(always)]
    #[must_use]
    pub const fn index(index: Gpr, scale: Scale, disp: i32) -> Self {
        if matches!(scale, Scale::S1) {
            return Self::base(index, disp);
        }
        debug_assert!(
            !matches!(index, Gpr::Rsp),
            "rsp cannot be an index register"
        );
        Self::raw(NO_BASE, index.number(), scale as u8, disp)
    }

    /// `[disp]`, an absolute address sign-extended from 32 bits: the low and high 2 GiB. With
    /// [`addr32`](Self::addr32) it is zero-extended: the low 4 GiB.
    #[inline(always)]
    #[must_use]
    pub const fn abs(disp: i32) -> Self {
        Self::raw(NO_BASE, NO_INDEX, 0, disp)
    }

    /// `gs:[disp]`, absolute within the GS segment.
    #[inline(always)]
    #[must_use]
    pub const fn gs(disp: i32) -> Self {
        let mut mem = Self::abs(disp);
        mem.prefix = GS_PREFIX;
        mem
    }

    /// The place `label` is bound to, relative to RIP.
    #[inline(always)]
    #[must_use]
    pub const fn label(label: Label) -> Self {
        let mut mem = Self::raw(RIP, NO_INDEX, 0, 0);
        mem.link = Link::Label(label);
        mem
    }

    /// `[symbol + disp]` as an absolute address, which must turn out to lie in the low 2 GiB.
    #[inline(always)]
    #[must_use]
    pub const fn symbol(symbol: Symbol, disp: i32) -> Self {
        Self::abs(disp).plus_symbol(symbol)
    }

    /// `[rip + symbol + disp]`: the symbol must turn out to lie within 2 GiB of the code.
    #[inline(always)]
    #[must_use]
    pub const fn symbol_rip(symbol: Symbol, disp: i32) -> Self {
        let mut mem = Self::raw(RIP, NO_INDEX, 0, disp);
        mem.link = Link::SymbolRip(symbol);
        mem
    }

    /// `[base + index * scale + disp]` with a vector register as index, for gathers only (VSIB, SDM
    /// vol. 2, section 2.3.12).
    #[inline(always)]
    #[must_use]
    pub const fn vector_index(base: Option<Gpr>, index: Xmm, scale: Scale, disp: i32) -> Self {
        let base = match base {
            Some(base) => base.number(),
            None => NO_BASE,
        };
        Self::raw(base, index.number(), scale as u8, disp)
    }

    /// The same operand with the symbol's absolute address added to the displacement.
    #[inline(always)]
    #[must_use]
    pub const fn plus_symbol(mut self, symbol: Symbol) -> Self {
        debug_assert!(matches!(self.link, Link::None) && self.base != RIP);
        self.link = Link::Symbol(symbol);
        self
    }

    /// The same operand with its effective address computed modulo 2^32 (prefix 0x67): address
    /// arithmetic as a program with 32-bit pointers means it. Not with GS.
    #[inline(always)]
    #[must_use]
    pub const fn addr32(mut self) -> Self {
        debug_assert!(self.prefix != GS_PREFIX && self.base != RIP);
        self.prefix = ADDR32_PREFIX;
        self
    }

    /// The same operand `bytes` further on (the displacement wraps).
    #[inline(always)]
    #[must_use]
    pub const fn offset(mut self, bytes: i32) -> Self {
        self.disp = self.disp.wrapping_add(bytes);
        self
    }

    /// The displacement: relative to the label or symbol if there is one.
    #[inline(always)]
    #[must_use]
    pub const fn disp(&self) -> i32 {
        self.disp
    }

    const fn raw(base: u8, index: u8, scale: u8, disp: i32) -> Self {
        Self {
            disp,
            base,
            index,
            scale,
            prefix: 0,
            link: Link::None,
        }
    }
}

/// An r/m operand taken apart into the bytes and bits that the instruction formats need.
#[derive(Clone, Copy, Debug)]
pub struct Parts {
    /// ModRM.mod and ModRM.rm; the reg field is clear.
    pub(crate) modrm: u8,
    pub(crate) sib: u8,
    /// 0 or 1.
    pub(crate) sib_len: u32,
    /// The X (bit 1) and B (bit 0) extension bits.
    pub(crate) xb: u8,
    /// A legacy prefix, or 0.
    pub(crate) prefix: u8,
    /// Whether this is a register.
    pub(crate) is_reg: bool,
    /// Whether it is a vector register.
    pub(crate) vector: bool,
    /// 0, 1 or 4.
    pub(crate) disp_len: u32,
    pub(crate) disp: i32,
    /// The register's number, or 0 for memory: decides whether a byte operand needs REX.
    pub(crate) reg: u8,
    pub(crate) link: Link,
}

impl Parts {
    #[inline(always)]
    const fn of_reg(number: u8, vector: bool) -> Self {
        Self {
            modrm: 0xC0 | (number & 7),
            sib: 0,
            sib_len: 0,
            xb: number >> 3,
            prefix: 0,
            is_reg: true,
            vector,
            disp_len: 0,
            disp: 0,
            reg: number,
            link: Link::None,
        }
    }

    #[inline(always)]
    const fn of_mem(mem: Mem) -> Self {
        let low = mem.base & 7;
        // A linked displacement keeps all four bytes: its value is not known yet.
        let linked = !matches!(mem.link, Link::None);
        let (mode, disp_len) = if mem.base >= 16 {
            (0x00, 4)
        } else if linked {
            (0x80, 4)
        } else if mem.disp == 0 && low != 5 {
            (0x00, 0)
        } else if mem.disp as i8 as i32 == mem.disp {
            (0x40, 1)
        } else {
            (0x80, 4)
        };
        // `low == 4` is rsp or r12; `NO_BASE` needs SIB to be told from RIP.
        let sib = low == 4 || mem.index != NO_INDEX || mem.base == NO_BASE;
        Self {
            modrm: mode | if sib { 4 } else { low },
            sib: mem.scale << 6 | (mem.index & 7) << 3 | low,
            sib_len: sib as u32,
            xb: (mem.index >> 3 & 1) << 1 | (mem.base >> 3 & 1),
            prefix: mem.prefix,
            is_reg: false,
            vector: false,
            disp_len,
            disp: mem.disp,
            reg: 0,
            link: mem.link,
        }
    }
}

/// Either a register or memory, decided at run time. Where it is known at compile time pass the
/// register or the [`Mem`] itself, and nothing is decided at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rm<R> {
    /// A register.
    Reg(R),
    /// A place in memory.
    Mem(Mem),
}

/// What can stand where the manual says r/m: a register of class `R`, a [`Mem`], or an [`Rm`] of
/// both.
pub trait RegMem<R>: Copy {
    /// The operand's bytes. For the encoder.
    #[doc(hidden)]
    fn parts(self) -> Parts;
}

impl RegMem<Self> for Gpr {
    #[inline(always)]
    fn parts(self) -> Parts {
        Parts::of_reg(self.number(), false)
    }
}

impl RegMem<Self> for Xmm {
    #[inline(always)]
    fn parts(self) -> Parts {
        Parts::of_reg(self.number(), true)
    }
}

impl<R> RegMem<R> for Mem {
    #[inline(always)]
    fn parts(self) -> Parts {
        Parts::of_mem(self)
    }
}

impl<R: RegMem<R>> RegMem<R> for Rm<R> {
    #[inline(always)]
    fn parts(self) -> Parts {
        match self {
            Self::Reg(reg) => reg.parts(),
            Self::Mem(mem) => Parts::of_mem(mem),
        }
    }
}
