//! What values look like after legalisation: every type is a list of parts that the machine has.
//!
//! | type | parts |
//! | --- | --- |
//! | integer up to 64 bits, `ptr`, `float`, `double` | itself |
//! | wider integer | i64 limbs, lowest first; bits above the width are 0 |
//! | `half` | its bits, an i16 |
//! | `x86_fp80` | the address of a stack object that holds it (see `x87`) |
//! | vector of lanes that machine vectors have | chunks: the longest vectors that exist, then the rest in falling powers of two, a single lane as a scalar; `ptr` lanes are i32, `half` lanes i16 |
//! | vector of i1 | a mask: chunks of integers, all ones or 0, as wide as those compared; a single lane is an i1 |
//! | any other vector | the parts of its lanes in order |
//! | struct, array | the parts of its fields in order |
//!
//! Chunks instead of padding have two merits: a memory access touches exactly the bytes of the vector,
//! and no lane is computed that the program does not have.

use super::machine::{self, Lane};
use crate::tier::CpuFeatures;
use ir::{Type, TypeId, Types};

/// How values of a type are represented.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    /// No value.
    Void,
    /// The machine has it.
    Machine,
    /// An integer of so many bits, above 64.
    Wide(u32),
    /// `half`.
    Half,
    /// `x86_fp80`.
    Extended,
    /// A vector of lanes that machine vectors have.
    Lanes(Lane, u32),
    /// A vector of so many i1.
    Mask(u32),
    /// A vector of anything else.
    Scattered(TypeId, u32),
    /// A struct or an array.
    Aggregate,
}

impl Shape {
    /// That of `ty`.
    pub(super) fn of(types: &Types, ty: TypeId) -> Self {
        match types.get(ty) {
            Type::Int(..=64) | Type::Ptr | Type::Float | Type::Double => Self::Machine,
            Type::Int(bits) => Self::Wide(u32::from(*bits)),
            Type::Half => Self::Half,
            Type::X86Fp80 => Self::Extended,
            Type::Vector { elem, len } => match types.get(*elem) {
                Type::Int(1) => Self::Mask(*len),
                Type::Ptr => Self::Lanes(Lane::I32, *len),
                Type::Half => Self::Lanes(Lane::I16, *len),
                _ => match Lane::of(*elem) {
                    Some(lane) => Self::Lanes(lane, *len),
                    None => Self::Scattered(*elem, *len),
                },
            },
            Type::Array { .. } | Type::Struct { .. } => Self::Aggregate,
            _ => Self::Void,
        }
    }
}

/// Most lanes of one chunk.
pub(super) fn longest(lane: Lane, cpu: CpuFeatures) -> u32 {
    (machine::max_bits(cpu) / lane.bits()).max(1)
}

/// The chunks of `n` lanes, none longer than `longest`: (first lane, lanes).
pub(super) fn chunks(n: u32, longest: u32) -> impl Iterator<Item = (u32, u32)> {
    let mut at = 0;
    core::iter::from_fn(move || {
        let left = n - at;
        if left == 0 {
            return None;
        }
        let len = longest.min(1 << left.ilog2());
        at += len;
        Some((at - len, len))
    })
}

/// The lanes of a mask of `n` whose origin does not say how wide they are: as wide as fills a register.
pub(super) fn default_mask(n: u32, cpu: CpuFeatures) -> Lane {
    match machine::max_bits(cpu) / n.next_power_of_two() {
        64.. => Lane::I64,
        32..64 => Lane::I32,
        16..32 => Lane::I16,
        _ => Lane::I8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn chunks_are_exact() {
        let list = |n, longest| chunks(n, longest).collect::<Vec<_>>();
        assert_eq!(list(3, 4), [(0, 2), (2, 1)]);
        assert_eq!(list(11, 4), [(0, 4), (4, 4), (8, 2), (10, 1)]);
        assert_eq!(list(2, 1), [(0, 1), (1, 1)]);
    }
}
