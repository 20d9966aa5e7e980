//! Types as text: `i32`, `<4 x float>`, `[3 x i8]`, `{i32, ptr}`, `<{i8, i32}>`, `i32 (ptr, ...)`.
//!
//! A type with more than [`INLINE_NODES`] parts is written by its number, `%t12`, and defined at
//! the head of the module. That keeps lines short, and it bounds both the recursion and the output:
//! written out, thirty struct types that each hold the one before twice would be 2^30 names long.

use crate::types::{Type, TypeId, Types};
use alloc::vec::Vec;
use core::fmt;

/// Largest number of parts of a type that is written in place.
pub(super) const INLINE_NODES: u32 = 8;

/// A type, ready to be formatted.
#[derive(Clone, Copy, Debug)]
pub struct TypeText<'a> {
    types: &'a Types,
    id: TypeId,
}

/// The text of type `id`, for use in `format!`. An `id` of another table gives `<bad type>`.
#[must_use]
pub fn type_text(types: &Types, id: TypeId) -> TypeText<'_> {
    TypeText { types, id }
}

impl fmt::Display for TypeText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.types.contains(self.id) {
            return f.write_str("<bad type>");
        }
        if is_named(self.types, self.id) {
            return write!(f, "%t{}", self.id.0);
        }
        write_definition(f, self.types, self.id)
    }
}

/// Whether the type is written by its number.
pub(super) fn is_named(types: &Types, id: TypeId) -> bool {
    // Counts parts with a stack of its own and stops as soon as there are too many.
    let mut stack = Vec::from([id]);
    let mut nodes = 0;
    while let Some(id) = stack.pop() {
        nodes += 1;
        if nodes > INLINE_NODES {
            return true;
        }
        match types.get(id) {
            Type::Vector { elem, .. } | Type::Array { elem, .. } => stack.push(*elem),
            Type::Struct { fields, .. } => {
                stack.extend(fields.iter().take(INLINE_NODES as usize + 1));
            }
            Type::Func { ret, params, .. } => {
                stack.push(*ret);
                stack.extend(params.iter().take(INLINE_NODES as usize + 1));
            }
            _ => {}
        }
    }
    false
}

/// Writes the type out, its components in place or by number.
pub(super) fn write_definition(f: &mut dyn fmt::Write, types: &Types, id: TypeId) -> fmt::Result {
    let text = |id| type_text(types, id);
    match types.get(id) {
        Type::Void => f.write_str("void"),
        Type::Int(bits) => write!(f, "i{bits}"),
        Type::Half => f.write_str("half"),
        Type::Float => f.write_str("float"),
        Type::Double => f.write_str("double"),
        Type::X86Fp80 => f.write_str("x86_fp80"),
        Type::Ptr => f.write_str("ptr"),
        Type::Label => f.write_str("label"),
        Type::Metadata => f.write_str("metadata"),
        Type::Opaque => f.write_str("opaque"),
        Type::Vector { elem, len } => write!(f, "<{len} x {}>", text(*elem)),
        Type::Array { elem, len } => write!(f, "[{len} x {}]", text(*elem)),
        Type::Struct { fields, packed } => {
            f.write_str(if *packed { "<{" } else { "{" })?;
            write_list(f, types, fields)?;
            f.write_str(if *packed { "}>" } else { "}" })
        }
        Type::Func {
            ret,
            params,
            variadic,
        } => {
            write!(f, "{} (", text(*ret))?;
            write_list(f, types, params)?;
            f.write_str(match (variadic, params.is_empty()) {
                (false, _) => ")",
                (true, true) => "...)",
                (true, false) => ", ...)",
            })
        }
    }
}

fn write_list(f: &mut dyn fmt::Write, types: &Types, list: &[TypeId]) -> fmt::Result {
    for (at, &id) in list.iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        write!(f, "{comma}{}", type_text(types, id))?;
    }
    Ok(())
}
