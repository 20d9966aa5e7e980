//! What the verifier needs to know of a type, in eight bytes, computed once a module.
//!
//! The table is filled in ascending order, so the components of a type are known before it
//! (`Types::intern` refuses others) and nothing recurses.

use crate::types::{Type, TypeId, Types};
use alloc::vec::Vec;

/// Largest number of scalars in an SSA value. Memory may hold larger types; as values they would
/// make a copy of any size one instruction.
pub const MAX_VALUE_SCALARS: u32 = 4096;
/// Deepest nesting of an SSA value's type, so that tiers may recurse over it.
pub const MAX_VALUE_DEPTH: u8 = 16;
/// Most lanes of a vector.
pub const MAX_LANES: u32 = 256;
/// Widest integer.
pub const MAX_INT_BITS: u16 = 256;

/// What kind of value a type describes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    /// Not a value: `void`, labels, functions, and what exceeds the bounds above.
    None,
    /// Integer, or a vector of them.
    Int,
    /// Address, or a vector of them.
    Ptr,
    /// Float, or a vector of them.
    Float,
    /// Struct or array.
    Aggregate,
}

/// A type as the verifier sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Class {
    /// Kind of the type, or of a vector's elements.
    pub(super) shape: Shape,
    /// Lanes of a vector; 0 for others.
    pub(super) lanes: u16,
    /// Bits of the scalar, or of a vector's element; 0 for aggregates.
    pub(super) bits: u16,
    /// The type itself, or a vector's element type.
    pub(super) scalar: TypeId,
}

impl Class {
    /// Whether values of the type exist.
    pub(super) fn is_value(self) -> bool {
        self.shape != Shape::None
    }

    /// Whether the type is a scalar of that shape.
    pub(super) fn is_scalar(self, shape: Shape) -> bool {
        self.shape == shape && self.lanes == 0
    }

    /// Bits of all lanes together.
    pub(super) fn total_bits(self) -> u32 {
        u32::from(self.bits) * u32::from(self.lanes.max(1))
    }
}

/// The classes of all types, by id.
pub(super) fn classes(types: &Types) -> Vec<Class> {
    let mut classes: Vec<Class> = Vec::with_capacity(types.len());
    // Scalars in a value, and nesting depth, by id.
    let mut sizes: Vec<(u32, u8)> = Vec::with_capacity(types.len());
    for id in (0..=u16::MAX).take(types.len()).map(TypeId) {
        let (shape, bits) = scalar_class(types.get(id));
        let mut class = Class {
            shape,
            lanes: 0,
            bits,
            scalar: id,
        };
        let mut size = (1, 0);
        match types.get(id) {
            Type::Vector { elem, len } => {
                let lane = classes[elem.index()];
                let fits = (1..=MAX_LANES).contains(len) && lane.lanes == 0;
                class = Class {
                    shape: if fits { lane.shape } else { Shape::None },
                    lanes: if fits { *len as u16 } else { 0 },
                    ..lane
                };
                size.0 = *len;
            }
            Type::Array { elem, len } => {
                size = aggregate_size(&classes, &sizes, &[*elem], *len);
            }
            Type::Struct { fields, .. } => size = aggregate_size(&classes, &sizes, fields, 1),
            _ => {}
        }
        if size.0 > MAX_VALUE_SCALARS || size.1 > MAX_VALUE_DEPTH {
            class.shape = Shape::None;
        }
        classes.push(class);
        sizes.push(size);
    }
    classes
}

/// Shape and bits of everything but vectors, for which the caller takes those of the element.
fn scalar_class(ty: &Type) -> (Shape, u16) {
    match ty {
        Type::Int(bits) if (1..=MAX_INT_BITS).contains(bits) => (Shape::Int, *bits),
        Type::Ptr => (Shape::Ptr, 32),
        Type::Half => (Shape::Float, 16),
        Type::Float => (Shape::Float, 32),
        Type::Double => (Shape::Float, 64),
        Type::X86Fp80 => (Shape::Float, 80),
        Type::Struct { .. } | Type::Array { .. } => (Shape::Aggregate, 0),
        _ => (Shape::None, 0),
    }
}

/// Scalars and depth of `count` times `parts`; more than any bound if a part is no value.
fn aggregate_size(
    classes: &[Class],
    sizes: &[(u32, u8)],
    parts: &[TypeId],
    count: u32,
) -> (u32, u8) {
    let mut total = 1u32;
    let mut depth = 0u8;
    for part in parts {
        let (scalars, below) = sizes[part.index()];
        if !classes[part.index()].is_value() {
            return (u32::MAX, u8::MAX);
        }
        total = total.saturating_add(scalars.saturating_mul(count));
        depth = depth.max(below);
    }
    (total, depth.saturating_add(1))
}
