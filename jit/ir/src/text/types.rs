//! Types as text: `i32`, `<4 x float>`, `[3 x i8]`, `{i32, ptr}`, `<{i8, i32}>`, `i32 (ptr, ...)`.
//!
//! A type with more than [`INLINE_NODES`] parts is written by its number, `%t12`, and defined at
//! the head of the module. That keeps lines short, and it bounds both the recursion and the output:
//! written out, thirty struct types that each hold the one before twice would be 2^30 names long.
//! Function types do not nest, so they are always written out.

use crate::types::{Type, TypeId, Types};
use alloc::vec::Vec;
use core::fmt;

/// Largest number of parts of a type that is written in place.
pub(super) const INLINE_NODES: u32 = 8;

/// A type, ready to be formatted.
#[derive(Clone, Copy, Debug)]
pub struct TypeText<'a> {
    types: &'a Types,
    ranks: Option<&'a [u32]>,
    id: TypeId,
}

/// The text of type `id`, for use in `format!`. An `id` of another table gives `<bad type>`.
#[must_use]
pub fn type_text(types: &Types, id: TypeId) -> TypeText<'_> {
    TypeText {
        types,
        ranks: None,
        id,
    }
}

/// How many types that are written by number precede each type: the numbers. They do not depend
/// on the types between, so they survive printing and parsing.
pub(super) fn ranks(types: &Types) -> Vec<u32> {
    let ids = (0..=u16::MAX).take(types.len()).map(TypeId);
    ids.scan(0, |next, id| {
        let rank = *next;
        *next += u32::from(is_named(types, id));
        Some(rank)
    })
    .collect()
}

impl<'a> TypeText<'a> {
    /// With the numbers at hand, so that they are not counted each time.
    pub(super) fn with_ranks(types: &'a Types, ranks: &'a [u32], id: TypeId) -> Self {
        Self {
            types,
            ranks: Some(ranks),
            id,
        }
    }

    /// The number by which the type is written.
    fn rank(&self) -> u32 {
        match self.ranks {
            Some(ranks) => ranks[self.id.index()],
            None => ranks(self.types)[self.id.index()],
        }
    }

    /// Writes the type out, its components in place or by number.
    pub(super) fn write_definition(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.types.get(self.id) {
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
            Type::Vector { elem, len } => write!(f, "<{len} x {}>", self.part(*elem)),
            Type::Array { elem, len } => write!(f, "[{len} x {}]", self.part(*elem)),
            Type::Struct { fields, packed } => {
                f.write_str(if *packed { "<{" } else { "{" })?;
                self.write_list(f, fields)?;
                f.write_str(if *packed { "}>" } else { "}" })
            }
            Type::Func {
                ret,
                params,
                variadic,
            } => {
                write!(f, "{} (", self.part(*ret))?;
                self.write_list(f, params)?;
                f.write_str(match (variadic, params.is_empty()) {
                    (false, _) => ")",
                    (true, true) => "...)",
                    (true, false) => ", ...)",
                })
            }
        }
    }

    /// A component, to be formatted alike.
    fn part(&self, id: TypeId) -> Self {
        Self { id, ..*self }
    }

    /// Components with commas between.
    fn write_list(&self, f: &mut fmt::Formatter<'_>, list: &[TypeId]) -> fmt::Result {
        for (at, &id) in list.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { ", " })?;
            fmt::Display::fmt(&self.part(id), f)?;
        }
        Ok(())
    }
}

impl fmt::Display for TypeText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.types.contains(self.id) {
            return f.write_str("<bad type>");
        }
        if is_named(self.types, self.id) {
            return write!(f, "%t{}", self.rank());
        }
        self.write_definition(f)
    }
}

/// Whether the type is written by its number.
pub(super) fn is_named(types: &Types, id: TypeId) -> bool {
    let is_func = |&id: &TypeId| types.signature(id).is_some();
    if let Some((ret, params, _)) = types.signature(id) {
        // One that has another as a part means nothing, but must not grow or recurse either.
        return is_func(&ret) || params.iter().any(is_func);
    }
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
            _ => {}
        }
    }
    false
}
