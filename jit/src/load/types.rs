//! The file's types as IR types.
//!
//! A type that the IR does not have (or that is too large) is no error by itself: files declare
//! many that no code uses. It is refused by name where a value of it would be needed.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::error::{LoadError, Result};
use super::layout::OwnLayouts;
use hashbrown::HashMap;
use ir::types::TypeError;

/// The limit that a type may be beyond.
const SIZE: &str = "size of a type";

/// More than the size of any type.
const NO_STRIDE: u32 = u32::MAX;

/// IR types by the file's type ids.
#[derive(Debug)]
pub(super) struct TypeMap {
    ids: Vec<Option<ir::TypeId>>,
    /// By type without an IR type: the limit that is in the way, if one is.
    beyond: HashMap<bitcode::TypeId, &'static str>,
    /// Distances of array elements in bytes, in the file's sense; [`NO_STRIDE`] without a size.
    strides: Vec<u32>,
    /// Layouts in the file's sense.
    pub(super) layouts: OwnLayouts,
}

impl TypeMap {
    /// Interns every type of the file that the IR can express.
    pub(super) fn new(source: &bitcode::Types, types: &mut ir::Types, layouts: OwnLayouts) -> Self {
        let mut map = Self {
            ids: alloc::vec![None; source.len()],
            beyond: HashMap::new(),
            strides: alloc::vec![NO_STRIDE; source.len()],
            layouts,
        };
        let is_function = |id| matches!(source.get(id), bitcode::Type::Function { .. });
        // By-value parts come first in this order; what functions name, they name by reference.
        let values = source
            .by_value_order()
            .iter()
            .filter(|id| !is_function(**id));
        let functions = source
            .by_value_order()
            .iter()
            .filter(|id| is_function(**id));
        for &id in values.chain(functions) {
            let converted = map.convert(source, source.get(id));
            let interned = converted.map(|ty| types.intern(ty));
            let limit = match interned {
                Some(Err(TypeError::TooLarge)) => Some(SIZE),
                Some(Err(TypeError::TooMany)) => Some("number of types"),
                Some(_) => None,
                None => map.limit_of_parts(source, source.get(id)),
            };
            if let Some(limit) = limit {
                map.beyond.insert(id, limit);
            }
            let ty = interned.and_then(core::result::Result::ok);
            if let Some(ty) = ty {
                map.layouts.note(types, ty);
            }
            if let Some(slot) = map.ids.get_mut(id.0 as usize) {
                *slot = ty;
            }
            if let (Some(ty), Some(slot)) = (ty, map.strides.get_mut(id.0 as usize))
                && types.is_sized(ty)
            {
                *slot = map.layouts.layout(types, ty).size;
            }
        }
        map
    }

    /// The IR type, if there is one.
    #[inline(always)]
    pub(super) fn find(&self, id: bitcode::TypeId) -> Option<ir::TypeId> {
        self.ids.get(id.0 as usize).copied().flatten()
    }

    /// Distance of two elements of this type in an array; `None` if it has no size or is not in the
    /// IR.
    #[inline(always)]
    pub(super) fn stride(&self, id: bitcode::TypeId) -> Option<u32> {
        let stride = self.strides.get(id.0 as usize).copied();
        stride.filter(|stride| *stride != NO_STRIDE)
    }

    /// The IR type of something that has to have one.
    #[inline(always)]
    pub(super) fn get(&self, source: &bitcode::Types, id: bitcode::TypeId) -> Result<ir::TypeId> {
        match self.find(id) {
            Some(ty) => Ok(ty),
            None => Err(self.no_type(source, id)),
        }
    }

    /// The IR's form of a type whose parts are converted already.
    fn convert(&self, source: &bitcode::Types, ty: &bitcode::Type) -> Option<ir::Type> {
        use bitcode::Type as Bc;
        Some(match ty {
            Bc::Void => ir::Type::Void,
            Bc::Half => ir::Type::Half,
            Bc::Float => ir::Type::Float,
            Bc::Double => ir::Type::Double,
            Bc::X86Fp80 => ir::Type::X86Fp80,
            Bc::Label => ir::Type::Label,
            Bc::Metadata => ir::Type::Metadata,
            Bc::Opaque => ir::Type::Opaque,
            Bc::Integer(bits) => ir::Type::Int(u16::try_from(*bits).ok()?),
            Bc::Pointer { space: 0, .. } => ir::Type::Ptr,
            Bc::Array { len, element } => ir::Type::Array {
                elem: self.find(*element)?,
                len: u32::try_from(*len).ok()?,
            },
            Bc::Vector {
                lanes,
                element,
                scalable: false,
            } => ir::Type::Vector {
                elem: self.find(*element)?,
                len: *lanes,
            },
            Bc::Struct { packed, fields } => ir::Type::Struct {
                fields: self.list(source, fields)?,
                packed: *packed,
            },
            Bc::Function {
                variadic,
                result,
                params,
            } => ir::Type::Func {
                ret: self.find(*result)?,
                params: self.list(source, params)?,
                variadic: *variadic,
            },
            _ => return None,
        })
    }

    #[cold]
    fn no_type(&self, source: &bitcode::Types, id: bitcode::TypeId) -> Box<LoadError> {
        match self.limit(id) {
            Some(which) => LoadError::limit(which),
            None => LoadError::unsupported(format!("type {}", describe(source, id))),
        }
    }

    /// The limit that a type without an IR type is beyond.
    pub(super) fn limit(&self, id: bitcode::TypeId) -> Option<&'static str> {
        self.beyond.get(&id).copied()
    }

    /// The limit that a part of a type is beyond, or an array's length.
    fn limit_of_parts(&self, source: &bitcode::Types, ty: &bitcode::Type) -> Option<&'static str> {
        use bitcode::Type as Bc;
        match ty {
            Bc::Array { len, element } => match self.find(*element) {
                Some(_) => u32::try_from(*len).err().map(|_| SIZE),
                None => self.limit(*element),
            },
            Bc::Struct { fields, .. } => {
                let mut fields = source.list(fields).iter();
                fields.find_map(|field| self.limit(*field))
            }
            _ => None,
        }
    }

    /// The types of a list, if the IR has them all.
    fn list(&self, source: &bitcode::Types, list: &bitcode::TypeList) -> Option<Vec<ir::TypeId>> {
        source.list(list).iter().map(|id| self.find(*id)).collect()
    }
}

/// Names a type in a message.
pub(super) fn describe(source: &bitcode::Types, id: bitcode::TypeId) -> String {
    use bitcode::Type as Bc;
    let name = match source.get(id) {
        Bc::BFloat => "bfloat",
        Bc::Fp128 => "fp128",
        Bc::PpcFp128 => "ppc_fp128",
        Bc::X86Mmx => "x86_mmx",
        Bc::X86Amx => "x86_amx",
        Bc::Token => "token",
        Bc::Target => "of a target extension",
        Bc::Opaque => "without a body",
        Bc::Integer(bits) => return format!("i{bits}"),
        Bc::Pointer { space, .. } => return format!("pointer into address space {space}"),
        Bc::Vector { scalable: true, .. } => "scalable vector",
        Bc::Vector { .. } => "vector of what is not supported",
        Bc::Array { .. } => "array of what is not supported",
        Bc::Struct { .. } => "struct that holds what is not supported",
        Bc::Function { .. } => "function of what is not supported",
        _ => "that has no values",
    };
    String::from(name)
}
