//! Helpers: native blobs in ring 3 that code calls instead of being code that calls for the runtime.
//!
//! Block copies, `setjmp`, 128-bit division: what tiers would otherwise inline in every function or
//! what a C library could only do slowly. They are position-independent, follow the ABI of
//! `jit/docs/abi.md` (System V registers and clobbers), keep no state, and lie behind the gates at the
//! start of the code region. Tiers reach them through the reserved slots, modules by name: a
//! declaration that no module of the program defines is bound here before archives are searched.
//!
//! A fault inside one is a fault of its caller; reports name both.
//!
//! * [`memory`]: `memcpy`, `memmove`, `memset`.
//! * [`jump`]: `setjmp` and `longjmp`, and what they promise.
//! * [`divide`]: 128-bit quotients and remainders.

mod divide;
mod jump;
mod memory;

use crate::abi;
use alloc::vec::Vec;
use asm::CodeBuffer;
use core::ops::Range;
use ir::{TypeId, Types};

/// A helper.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Helper {
    /// `memcpy`.
    Memcpy,
    /// `memmove`.
    Memmove,
    /// `memset`.
    Memset,
    /// Unsigned quotient of 128 bits.
    UDiv128,
    /// Unsigned remainder of 128 bits.
    URem128,
    /// Signed quotient of 128 bits; wraps.
    SDiv128,
    /// Signed remainder of 128 bits.
    SRem128,
    /// `setjmp`.
    Setjmp,
    /// `longjmp`.
    Longjmp,
}

impl Helper {
    /// All, in the order in which they lie in memory.
    pub const ALL: [Self; 9] = [
        Self::Memcpy,
        Self::Memmove,
        Self::Memset,
        Self::UDiv128,
        Self::URem128,
        Self::SDiv128,
        Self::SRem128,
        Self::Setjmp,
        Self::Longjmp,
    ];

    /// As reports name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Memcpy => "memcpy",
            Self::Memmove => "memmove",
            Self::Memset => "memset",
            Self::UDiv128 => "unsigned 128-bit division",
            Self::URem128 => "unsigned 128-bit remainder",
            Self::SDiv128 => "signed 128-bit division",
            Self::SRem128 => "signed 128-bit remainder",
            Self::Setjmp => "setjmp",
            Self::Longjmp => "longjmp",
        }
    }

    /// The helper that modules import under this name.
    #[must_use]
    pub fn from_symbol(symbol: &str) -> Option<Self> {
        Some(match symbol {
            "memcpy" => Self::Memcpy,
            "memmove" => Self::Memmove,
            "memset" => Self::Memset,
            "setjmp" | "_setjmp" | "sigsetjmp" | "__sigsetjmp" => Self::Setjmp,
            "longjmp" | "_longjmp" | "siglongjmp" => Self::Longjmp,
            _ => return None,
        })
    }

    /// The reserved slot through which tiers reach it.
    #[must_use]
    pub fn slot(self) -> Option<u32> {
        Some(match self {
            Self::Memcpy => abi::SLOT_MEMCPY,
            Self::Memmove => abi::SLOT_MEMMOVE,
            Self::Memset => abi::SLOT_MEMSET,
            Self::UDiv128 => abi::SLOT_UDIV128,
            Self::URem128 => abi::SLOT_UREM128,
            Self::SDiv128 => abi::SLOT_SDIV128,
            Self::SRem128 => abi::SLOT_SREM128,
            Self::Setjmp | Self::Longjmp => return None,
        })
    }

    /// The function type under which modules call it; `None` if they do not, or `types` is full.
    pub fn ty(self, types: &mut Types) -> Option<TypeId> {
        let (ret, params): (_, &[_]) = match self {
            Self::Memcpy | Self::Memmove => (TypeId::PTR, &[TypeId::PTR, TypeId::PTR, TypeId::I32]),
            Self::Memset => (TypeId::PTR, &[TypeId::PTR, TypeId::I32, TypeId::I32]),
            // `sigsetjmp` has a second argument, which is not looked at.
            Self::Setjmp => (TypeId::I32, &[TypeId::PTR]),
            Self::Longjmp => (TypeId::VOID, &[TypeId::PTR, TypeId::I32]),
            _ => return None,
        };
        types.function(ret, params.to_vec()).ok()
    }
}

/// Where the helpers lie, as offsets in the code that they were emitted into.
#[derive(Clone, Debug, Default)]
pub struct Map(Vec<(Range<u32>, Helper)>);

impl Map {
    /// The first byte of a helper.
    #[must_use]
    pub fn start(&self, helper: Helper) -> u32 {
        let found = self.0.iter().find(|(_, other)| *other == helper);
        found.map_or(0, |(range, _)| range.start)
    }

    /// The helper that the byte at `offset` belongs to.
    #[must_use]
    pub fn at(&self, offset: u32) -> Option<Helper> {
        let found = self.0.iter().find(|(range, _)| range.contains(&offset));
        found.map(|(_, helper)| *helper)
    }
}

/// Appends all helpers to `code`; with AVX they use it.
pub fn emit(code: &mut CodeBuffer, avx: bool) -> Map {
    let mut map = Vec::new();
    for helper in Helper::ALL {
        code.align_trap(32);
        let start = code.text().len() as u32;
        match helper {
            Helper::Memcpy => memory::copy(code, avx, false),
            Helper::Memmove => memory::copy(code, avx, true),
            Helper::Memset => memory::set(code, avx),
            Helper::UDiv128 => divide::unsigned(code, true),
            Helper::URem128 => divide::unsigned(code, false),
            Helper::SDiv128 => divide::signed(code, avx, true),
            Helper::SRem128 => divide::signed(code, avx, false),
            Helper::Setjmp => jump::set(code),
            Helper::Longjmp => jump::long(code),
        }
        map.push((start..code.text().len() as u32, helper));
    }
    Map(map)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_to_its_helper_and_symbols_to_theirs() {
        let mut code = CodeBuffer::new();
        let map = emit(&mut code, true);
        for helper in Helper::ALL {
            assert_eq!(map.at(map.start(helper)), Some(helper));
        }
        assert_eq!(map.at(code.text().len() as u32), None);
        assert_eq!(Helper::from_symbol("__sigsetjmp"), Some(Helper::Setjmp));
        assert_eq!(Helper::from_symbol("memcpyx"), None);
    }
}
