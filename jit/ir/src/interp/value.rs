//! Values, and how they lie in memory.
//!
//! A scalar is its bits, zero-extended to 128; the type is not kept with it, as the instruction that
//! uses it knows. A vector or an aggregate is a list of values, and so is an integer above 128 bits. Memory is little endian: a scalar
//! takes as many bytes as its width needs, a vector the packed bits of its lanes, an aggregate its
//! parts at their offsets, without touching the padding between.

use super::{FaultKind, wide};
use crate::types::{Type, TypeId, Types};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

/// A value. What its bits mean is the type's matter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Val {
    /// Integer, address or float by its bits; those above the width are 0.
    Bits(u128),
    /// Lanes of a vector, elements of an array, fields of a struct.
    List(Box<[Self]>),
}

impl Val {
    /// What `undef` and `poison` scalars are, and the result of a function without one.
    pub const ZERO: Self = Self::Bits(0);

    /// The bits of a scalar; 0 for a list, which no verified use of a scalar meets.
    #[must_use]
    pub fn bits(&self) -> u128 {
        match self {
            Self::Bits(bits) => *bits,
            Self::List(_) => 0,
        }
    }

    /// The low 32 bits of a scalar: an address.
    #[must_use]
    pub fn addr(&self) -> u32 {
        self.bits() as u32
    }

    /// The elements of a list; none for a scalar.
    #[must_use]
    pub fn list(&self) -> &[Self] {
        match self {
            Self::Bits(_) => &[],
            Self::List(list) => list,
        }
    }

    /// A vector or aggregate of these.
    pub(super) fn from_list(list: Vec<Self>) -> Self {
        Self::List(list.into_boxed_slice())
    }

    /// All bits 0 of type `ty`.
    #[must_use]
    pub fn zero(types: &Types, ty: TypeId) -> Self {
        match types.get(ty) {
            Type::Vector { elem, len } | Type::Array { elem, len } => {
                Self::from_list(vec![Self::zero(types, *elem); *len as usize])
            }
            Type::Struct { fields, .. } => {
                Self::from_list(fields.iter().map(|&ty| Self::zero(types, ty)).collect())
            }
            _ => match wide::width(types, ty) {
                Some(width) => wide::write([0, 0], width),
                None => Self::ZERO,
            },
        }
    }
}

impl From<u32> for Val {
    fn from(value: u32) -> Self {
        Self::Bits(u128::from(value))
    }
}

impl From<u64> for Val {
    fn from(value: u64) -> Self {
        Self::Bits(u128::from(value))
    }
}

impl From<i32> for Val {
    fn from(value: i32) -> Self {
        Self::from(value.cast_unsigned())
    }
}

impl From<f32> for Val {
    fn from(value: f32) -> Self {
        Self::from(value.to_bits())
    }
}

impl From<f64> for Val {
    fn from(value: f64) -> Self {
        Self::from(value.to_bits())
    }
}

/// Width of a scalar in bits.
pub(super) fn width(types: &Types, ty: TypeId) -> Result<u32, FaultKind> {
    match types.get(ty) {
        Type::Int(bits @ 0..=128) => Ok(u32::from(*bits)),
        Type::Int(_) => Err(FaultKind::Unsupported(
            "this operation on integers above 128 bits",
        )),
        Type::Half => Ok(16),
        Type::Float | Type::Ptr => Ok(32),
        Type::Double => Ok(64),
        Type::X86Fp80 => Ok(80),
        _ => Err(FaultKind::Unsupported("a type without values")),
    }
}

/// The lowest `width` bits set.
pub(super) fn mask(width: u32) -> u128 {
    match width {
        0 => 0,
        1..128 => (1 << width) - 1,
        _ => u128::MAX,
    }
}

/// The bytes of a value as a store writes them, at the offset of each field; padding is left out.
pub(super) fn to_bytes(
    types: &Types,
    ty: TypeId,
    value: &Val,
    mut write: impl FnMut(u32, &[u8]) -> Result<(), FaultKind>,
) -> Result<(), FaultKind> {
    if let Val::Bits(bits) = value {
        let len = width(types, ty)?.div_ceil(8).max(1) as usize;
        return write(0, &bits.to_le_bytes()[..len]);
    }
    if let Some(width) = wide::width(types, ty) {
        return write(0, &wide::to_bytes(value, width));
    }
    let mut leaves = Vec::new();
    collect_leaves(types, ty, value, 0, &mut leaves);
    for (offset, ty, value) in leaves {
        write(offset, &pack(types, ty, value)?)?;
    }
    Ok(())
}

/// The parts of a value that are no aggregates, with their offsets. The verifier bounds the depth.
fn collect_leaves<'v>(
    types: &Types,
    ty: TypeId,
    value: &'v Val,
    offset: u32,
    leaves: &mut Vec<(u32, TypeId, &'v Val)>,
) {
    match types.get(ty) {
        Type::Array { elem, .. } => {
            let size = types.layout(*elem).size;
            for (at, part) in (0u32..).zip(value.list()) {
                collect_leaves(types, *elem, part, offset + at * size, leaves);
            }
        }
        Type::Struct { fields, .. } => {
            for (at, (&field, part)) in fields.iter().zip(value.list()).enumerate() {
                let inner = types.field_offset(ty, at).unwrap_or(0);
                collect_leaves(types, field, part, offset + inner, leaves);
            }
        }
        _ => leaves.push((offset, ty, value)),
    }
}

/// Fills the slice with the bytes at an offset.
pub(super) type Read<'r> = dyn FnMut(u32, &mut [u8]) -> Result<(), FaultKind> + 'r;

/// The value whose bytes `read` gives by offset.
pub(super) fn from_bytes(
    types: &Types,
    ty: TypeId,
    offset: u32,
    read: &mut Read<'_>,
) -> Result<Val, FaultKind> {
    match types.get(ty) {
        Type::Array { elem, len } => {
            let size = types.layout(*elem).size;
            let part = |at| from_bytes(types, *elem, offset + at * size, read);
            (0..*len)
                .map(part)
                .collect::<Result<_, _>>()
                .map(Val::from_list)
        }
        Type::Struct { fields, .. } => {
            let mut list = Vec::with_capacity(fields.len());
            for (at, &field) in fields.iter().enumerate() {
                let inner = types.field_offset(ty, at).unwrap_or(0);
                list.push(from_bytes(types, field, offset + inner, read)?);
            }
            Ok(Val::from_list(list))
        }
        Type::Vector { .. } => {
            let mut bytes = vec![0; types.layout(ty).store as usize];
            read(offset, &mut bytes)?;
            unpack(types, ty, &bytes)
        }
        _ => {
            if let Some(width) = wide::width(types, ty) {
                let mut bytes = [0; 32];
                let used = &mut bytes[..width.div_ceil(8) as usize];
                read(offset, used)?;
                return Ok(wide::from_bytes(used, width));
            }
            let mut bytes = [0; 16];
            let width = width(types, ty)?;
            read(offset, &mut bytes[..width.div_ceil(8) as usize])?;
            Ok(Val::Bits(u128::from_le_bytes(bytes) & mask(width)))
        }
    }
}

/// The bits of a scalar or vector in a row, lane 0 lowest, in whole bytes.
pub(super) fn pack(types: &Types, ty: TypeId, value: &Val) -> Result<Vec<u8>, FaultKind> {
    if let Some(width) = wide::width(types, ty) {
        return Ok(wide::to_bytes(value, width));
    }
    let width = width(types, types.scalar(ty))?;
    let one = core::slice::from_ref(value);
    let lanes = match types.vector(ty) {
        Some(_) => value.list(),
        None => one,
    };
    let total = width as usize * lanes.len();
    let mut bytes = vec![0u8; total.div_ceil(8).max(1)];
    for (lane, value) in lanes.iter().enumerate() {
        for bit in 0..width as usize {
            let at = lane * width as usize + bit;
            let set = value.bits() >> bit & 1 != 0;
            bytes[at / 8] |= u8::from(set) << (at % 8);
        }
    }
    Ok(bytes)
}

/// The reverse of [`pack`]; bits above the width are ignored, absent bytes are 0.
pub(super) fn unpack(types: &Types, ty: TypeId, bytes: &[u8]) -> Result<Val, FaultKind> {
    if let Some(width) = wide::width(types, ty) {
        return Ok(wide::from_bytes(bytes, width));
    }
    let width = width(types, types.scalar(ty))?;
    let lane = |lane: usize| {
        let mut bits = 0u128;
        for bit in 0..width as usize {
            let at = lane * width as usize + bit;
            let byte = bytes.get(at / 8).copied().unwrap_or(0);
            bits |= u128::from(byte >> (at % 8) & 1) << bit;
        }
        Val::Bits(bits)
    };
    Ok(match types.vector(ty) {
        Some((_, len)) => Val::from_list((0..len as usize).map(lane).collect()),
        None => lane(0),
    })
}
