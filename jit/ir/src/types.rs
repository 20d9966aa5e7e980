//! Types, interned, with the i386 data layout applied.
//!
//! Types are compared by [`TypeId`]; equal types have equal ids because [`Types::intern`] is the
//! only way in. The ids of the common types are constants, so that a tier can match on them.
//! Layout follows `e-m:e-p:32:32-i128:128-f64:32:64-f80:32-n8:16:32-S128`: 64-bit integers and
//! doubles are 4-aligned in memory, pointers are 32 bits wide. Files of LLVM before 18 lay integers
//! above 64 bits out in another way; what loads them settles that in their offsets and sizes.

use alloc::vec::Vec;
use core::fmt;
use hashbrown::HashMap;

/// Index of an interned type. At most 65 536 a module.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeId(pub u16);

impl TypeId {
    /// No value.
    pub const VOID: Self = Self(0);
    /// A truth value; 0 or 1 in a byte of memory.
    pub const I1: Self = Self(1);
    /// 8-bit integer.
    pub const I8: Self = Self(2);
    /// 16-bit integer.
    pub const I16: Self = Self(3);
    /// 32-bit integer.
    pub const I32: Self = Self(4);
    /// 64-bit integer.
    pub const I64: Self = Self(5);
    /// IEEE binary32.
    pub const F32: Self = Self(6);
    /// IEEE binary64.
    pub const F64: Self = Self(7);
    /// Address, 32 bits.
    pub const PTR: Self = Self(8);
    /// Basic block as an operand.
    pub const LABEL: Self = Self(9);
    /// 128-bit integer.
    pub const I128: Self = Self(10);
    /// x87 double extended, 12 bytes in memory.
    pub const X86_FP80: Self = Self(11);

    /// As an index into the table.
    #[must_use]
    #[inline]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Debug for TypeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ty{}", self.0)
    }
}

/// What a type is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Type {
    /// No value.
    Void,
    /// Integer of 1 to 256 bits.
    Int(u16),
    /// IEEE binary16.
    Half,
    /// IEEE binary32.
    Float,
    /// IEEE binary64.
    Double,
    /// x87 double extended.
    X86Fp80,
    /// Address.
    Ptr,
    /// Basic block.
    Label,
    /// Argument of an intrinsic that takes metadata; carries nothing.
    Metadata,
    /// `len` elements of `elem`, at most 256.
    Vector {
        /// Element type: integer, float or pointer.
        elem: TypeId,
        /// Number of elements.
        len: u32,
    },
    /// `len` elements of `elem` in memory.
    Array {
        /// Element type.
        elem: TypeId,
        /// Number of elements.
        len: u32,
    },
    /// Fields in memory, each at its offset.
    Struct {
        /// Field types.
        fields: Vec<TypeId>,
        /// Without padding and with alignment 1.
        packed: bool,
    },
    /// Function signature.
    Func {
        /// Result.
        ret: TypeId,
        /// Fixed parameters.
        params: Vec<TypeId>,
        /// Whether more arguments may follow.
        variadic: bool,
    },
    /// A struct whose body is unknown; it has no size.
    Opaque,
}

/// Size and alignment of a type in memory, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Layout {
    /// Bytes that a store writes.
    pub store: u32,
    /// Distance of two array elements.
    pub size: u32,
    /// log2 of the ABI alignment.
    pub align_log2: u8,
}

/// Why a type cannot be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TypeError {
    /// More than 65 536 types.
    TooMany,
    /// Larger than [`MAX_BYTES`].
    TooLarge,
    /// An element type that has no size.
    Unsized,
    /// A component that is not in the table.
    Unknown,
}

/// Largest type, in bytes (1 GiB).
pub const MAX_BYTES: u64 = 1 << 30;

/// The types of a module.
#[derive(Clone, Debug)]
pub struct Types {
    list: Vec<Type>,
    layout: Vec<Layout>,
    /// Byte offsets of struct fields, parallel to `list`; empty for others.
    offsets: Vec<Vec<u32>>,
    ids: HashMap<Type, TypeId>,
}

impl Default for Types {
    fn default() -> Self {
        Self::new()
    }
}

impl Types {
    /// A table that holds the types with constant ids.
    #[must_use]
    pub fn new() -> Self {
        let mut types = Self {
            list: Vec::new(),
            layout: Vec::new(),
            offsets: Vec::new(),
            ids: HashMap::new(),
        };
        for ty in [
            Type::Void,
            Type::Int(1),
            Type::Int(8),
            Type::Int(16),
            Type::Int(32),
            Type::Int(64),
            Type::Float,
            Type::Double,
            Type::Ptr,
            Type::Label,
            Type::Int(128),
            Type::X86Fp80,
        ] {
            types.intern(ty).expect("the fixed types have a layout");
        }
        types
    }

    /// The id of `ty`, which is added if it is new.
    ///
    /// # Errors
    /// When the table is full, the type is too large, an element has no size, or a component is not
    /// in this table. So components always have lower ids, and no type holds itself.
    pub fn intern(&mut self, ty: Type) -> Result<TypeId, TypeError> {
        if let Some(&id) = self.ids.get(&ty) {
            return Ok(id);
        }
        if !self.knows_components(&ty) {
            return Err(TypeError::Unknown);
        }
        let id = TypeId(u16::try_from(self.list.len()).map_err(|_| TypeError::TooMany)?);
        let (layout, offsets) = self.lay_out(&ty)?;
        self.list.push(ty.clone());
        self.layout.push(layout);
        self.offsets.push(offsets);
        self.ids.insert(ty, id);
        Ok(id)
    }

    /// What `id` is.
    #[must_use]
    pub fn get(&self, id: TypeId) -> &Type {
        &self.list[id.index()]
    }

    /// Number of types.
    #[must_use]
    #[expect(
        clippy::len_without_is_empty,
        reason = "a table always holds the fixed types"
    )]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether `id` belongs to this table.
    #[must_use]
    pub fn contains(&self, id: TypeId) -> bool {
        id.index() < self.list.len()
    }

    /// Size and alignment in memory.
    #[must_use]
    pub fn layout(&self, id: TypeId) -> Layout {
        self.layout[id.index()]
    }

    /// Byte offset of field `field` of struct `id`; `None` if there is no such field.
    #[must_use]
    pub fn field_offset(&self, id: TypeId, field: usize) -> Option<u32> {
        self.offsets[id.index()].get(field).copied()
    }

    /// Width of an integer or a pointer in bits; `None` for others.
    #[must_use]
    #[inline]
    pub fn int_bits(&self, id: TypeId) -> Option<u32> {
        match self.get(id) {
            Type::Int(bits) => Some(u32::from(*bits)),
            Type::Ptr => Some(32),
            _ => None,
        }
    }

    /// Whether `id` is a floating-point scalar.
    #[must_use]
    pub fn is_float(&self, id: TypeId) -> bool {
        matches!(
            self.get(id),
            Type::Half | Type::Float | Type::Double | Type::X86Fp80
        )
    }

    /// Element type and count of a vector; `None` for others.
    #[must_use]
    pub fn vector(&self, id: TypeId) -> Option<(TypeId, u32)> {
        match self.get(id) {
            Type::Vector { elem, len } => Some((*elem, *len)),
            _ => None,
        }
    }

    /// The element type of a vector, and `id` itself for anything else.
    #[must_use]
    pub fn scalar(&self, id: TypeId) -> TypeId {
        self.vector(id).map_or(id, |(elem, _)| elem)
    }

    /// The type of functions with these parameters and no others.
    ///
    /// # Errors
    /// As [`Types::intern`].
    pub fn function(&mut self, ret: TypeId, params: Vec<TypeId>) -> Result<TypeId, TypeError> {
        self.intern(Type::Func {
            ret,
            params,
            variadic: false,
        })
    }

    /// Result, parameters and variadicity of a function type; `None` for others.
    #[must_use]
    pub fn signature(&self, id: TypeId) -> Option<(TypeId, &[TypeId], bool)> {
        match self.get(id) {
            Type::Func {
                ret,
                params,
                variadic,
            } => Some((*ret, params, *variadic)),
            _ => None,
        }
    }

    /// Whether a value of the type can lie in memory.
    #[must_use]
    pub fn is_sized(&self, id: TypeId) -> bool {
        !matches!(
            self.get(id),
            Type::Void | Type::Label | Type::Metadata | Type::Opaque | Type::Func { .. }
        )
    }

    fn knows_components(&self, ty: &Type) -> bool {
        match ty {
            Type::Vector { elem, .. } | Type::Array { elem, .. } => self.contains(*elem),
            Type::Struct { fields, .. } => fields.iter().all(|&field| self.contains(field)),
            Type::Func { ret, params, .. } => {
                self.contains(*ret) && params.iter().all(|&param| self.contains(param))
            }
            _ => true,
        }
    }

    fn lay_out(&self, ty: &Type) -> Result<(Layout, Vec<u32>), TypeError> {
        let scalar = |store, size, align_log2| {
            Ok((
                Layout {
                    store,
                    size,
                    align_log2,
                },
                Vec::new(),
            ))
        };
        match ty {
            Type::Void | Type::Label | Type::Metadata | Type::Opaque | Type::Func { .. } => {
                scalar(0, 0, 0)
            }
            Type::Int(bits) => Ok((int_layout(*bits), Vec::new())),
            Type::Half => scalar(2, 2, 1),
            Type::Float | Type::Ptr => scalar(4, 4, 2),
            Type::Double => scalar(8, 8, 2),
            Type::X86Fp80 => scalar(10, 12, 2),
            Type::Vector { elem, len } => self.lay_out_vector(*elem, *len),
            Type::Array { elem, len } => self.lay_out_array(*elem, *len),
            Type::Struct { fields, packed } => self.lay_out_struct(fields, *packed),
        }
    }

    fn lay_out_vector(&self, elem: TypeId, len: u32) -> Result<(Layout, Vec<u32>), TypeError> {
        let bits = match self.get(elem) {
            Type::Int(bits) => u32::from(*bits),
            Type::Half | Type::Float | Type::Double | Type::Ptr => self.layout(elem).size * 8,
            _ => return Err(TypeError::Unsized),
        };
        let total = bits.checked_mul(len).ok_or(TypeError::TooLarge)?;
        let store = total.div_ceil(8);
        let size = store
            .max(1)
            .checked_next_power_of_two()
            .ok_or(TypeError::TooLarge)?;
        let align_log2 = u8::try_from(size.trailing_zeros()).unwrap_or(31);
        Ok((
            Layout {
                store,
                size,
                align_log2,
            },
            Vec::new(),
        ))
    }

    fn lay_out_array(&self, elem: TypeId, len: u32) -> Result<(Layout, Vec<u32>), TypeError> {
        if !self.is_sized(elem) {
            return Err(TypeError::Unsized);
        }
        let element = self.layout(elem);
        let size = bounded(u64::from(element.size) * u64::from(len))?;
        Ok((
            Layout {
                store: size,
                size,
                align_log2: element.align_log2,
            },
            Vec::new(),
        ))
    }

    fn lay_out_struct(
        &self,
        fields: &[TypeId],
        packed: bool,
    ) -> Result<(Layout, Vec<u32>), TypeError> {
        let mut end = 0u64;
        let mut align_log2 = 0u8;
        let mut offsets = Vec::with_capacity(fields.len());
        for &field in fields {
            if !self.is_sized(field) {
                return Err(TypeError::Unsized);
            }
            let layout = self.layout(field);
            if !packed {
                end = end.next_multiple_of(1 << layout.align_log2);
                align_log2 = align_log2.max(layout.align_log2);
            }
            offsets.push(bounded(end)?);
            end += u64::from(if packed {
                layout.store.max(layout.size)
            } else {
                layout.size
            });
        }
        let size = bounded(end.next_multiple_of(1 << align_log2))?;
        Ok((
            Layout {
                store: size,
                size,
                align_log2,
            },
            offsets,
        ))
    }
}

/// Layout of an integer: rounded up to a power of two bytes, aligned to at most 4 up to 64 bits
/// and to 16 above (the `i128:128` of LLVM 18 and later).
fn int_layout(bits: u16) -> Layout {
    let store = u32::from(bits).div_ceil(8).max(1);
    let align_log2 = match store {
        1 => 0,
        2 => 1,
        3..=8 => 2,
        _ => 4,
    };
    Layout {
        store,
        size: store.next_multiple_of(1 << align_log2),
        align_log2,
    }
}

fn bounded(bytes: u64) -> Result<u32, TypeError> {
    u32::try_from(bytes)
        .ok()
        .filter(|_| bytes <= MAX_BYTES)
        .ok_or(TypeError::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_types_have_equal_ids() {
        let mut types = Types::new();
        assert_eq!(types.intern(Type::Int(32)), Ok(TypeId::I32));
        let a = types
            .intern(Type::Array {
                elem: TypeId::I8,
                len: 3,
            })
            .unwrap();
        let b = types
            .intern(Type::Array {
                elem: TypeId::I8,
                len: 3,
            })
            .unwrap();
        assert_eq!(a, b);
    }

    #[test]
    fn structs_follow_the_i386_layout() {
        let mut types = Types::new();
        let fields = alloc::vec![TypeId::I8, TypeId::I64, TypeId::I16, TypeId::F64];
        let natural = types
            .intern(Type::Struct {
                fields: fields.clone(),
                packed: false,
            })
            .unwrap();
        assert_eq!(types.layout(natural).size, 24);
        assert_eq!(types.field_offset(natural, 1), Some(4));
        assert_eq!(types.field_offset(natural, 3), Some(16));
        let packed = types
            .intern(Type::Struct {
                fields,
                packed: true,
            })
            .unwrap();
        assert_eq!(types.layout(packed).size, 19);
        assert_eq!(types.field_offset(packed, 4), None);
    }

    #[test]
    fn a_type_larger_than_the_bound_is_refused() {
        let mut types = Types::new();
        let big = Type::Array {
            elem: TypeId::I64,
            len: u32::MAX,
        };
        assert_eq!(types.intern(big), Err(TypeError::TooLarge));
        assert_eq!(
            types.intern(Type::Array {
                elem: TypeId::VOID,
                len: 1
            }),
            Err(TypeError::Unsized)
        );
    }

    #[test]
    fn a_component_from_elsewhere_is_refused() {
        let mut types = Types::new();
        let elem = TypeId(500);
        for ty in [
            Type::Vector { elem, len: 4 },
            Type::Array { elem, len: 4 },
            Type::Struct {
                fields: alloc::vec![TypeId::I8, elem],
                packed: true,
            },
            Type::Func {
                ret: TypeId::VOID,
                params: alloc::vec![elem],
                variadic: false,
            },
        ] {
            assert_eq!(types.intern(ty), Err(TypeError::Unknown));
        }
    }
}
