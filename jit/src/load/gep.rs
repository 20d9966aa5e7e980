//! Walking into a type with the indices of a `getelementptr`.
//!
//! The first index steps over whole elements, each further one goes inside. An index contributes a
//! number of bytes if it is constant, and a stride otherwise; only constants choose struct fields.
//! Constant expressions and instructions walk alike.

use alloc::boxed::Box;

use bitcode::{Type, TypeId};

use super::error::{LoadError, Result};
use super::module::Loader;

/// What one index contributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IndexStep {
    /// Bytes to add; 0 if the index is not constant.
    pub(super) bytes: u32,
    /// Bytes to add for each unit of an index that is not constant.
    pub(super) stride: u32,
}

/// A walk that has reached some type.
#[derive(Clone, Copy, Debug)]
pub(super) struct TypeWalk {
    at: TypeId,
    first: bool,
}

impl TypeWalk {
    /// Begins a walk over elements of type `element`.
    pub(super) fn new(element: TypeId) -> Self {
        Self {
            at: element,
            first: true,
        }
    }

    /// Takes one index; its value if it is a constant.
    #[inline(always)]
    pub(super) fn step(
        &mut self,
        loader: &Loader<'_, '_>,
        index: Option<i64>,
    ) -> Result<IndexStep> {
        let types = loader.source.types();
        if self.first {
            self.first = false;
            return stride(loader, self.at, index);
        }
        match types.get(self.at) {
            Type::Array { element, .. } | Type::Vector { element, .. } => {
                self.at = *element;
                stride(loader, *element, index)
            }
            Type::Struct { fields, .. } => {
                let field = index.and_then(|index| usize::try_from(index).ok());
                let inner = field.and_then(|field| types.list(fields).get(field));
                let whole = loader.types.get(types, self.at)?;
                let offset = field.and_then(|field| loader.field_offset(whole, field));
                let Some((&inner, bytes)) = inner.zip(offset) else {
                    return Err(LoadError::malformed(
                        "getelementptr of a field that does not exist",
                    ));
                };
                self.at = inner;
                Ok(IndexStep { bytes, stride: 0 })
            }
            _ => Err(LoadError::malformed(
                "getelementptr into a type without parts",
            )),
        }
    }
}

#[inline(always)]
fn stride(loader: &Loader<'_, '_>, element: TypeId, index: Option<i64>) -> Result<IndexStep> {
    let Some(stride) = loader.types.stride(element) else {
        return Err(no_stride(loader, element));
    };
    // Addresses have 32 bits, so only the low half of an index counts.
    let low = |index: i64| (index.cast_unsigned() & 0xFFFF_FFFF) as u32;
    let bytes = index.map_or(0, |index| low(index).wrapping_mul(stride));
    Ok(IndexStep { bytes, stride })
}

#[cold]
fn no_stride(loader: &Loader<'_, '_>, element: TypeId) -> Box<LoadError> {
    match loader.types.get(loader.source.types(), element) {
        Ok(_) => LoadError::malformed("getelementptr over a type without a size"),
        Err(error) => error,
    }
}
