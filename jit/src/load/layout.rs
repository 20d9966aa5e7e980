//! Where the file's own layout differs from the IR's.
//!
//! Since LLVM 18 the data layout of i386 says `i128:128`, and the IR lays integers above 64 bits out
//! that way: aligned to 16. Files of older compilers do not say it, and LLVM then gives every such
//! integer the alignment of the widest that it does say something of, which is 4. Code of both may
//! be linked into one program, so this cannot be a property of the IR's types. It need not be:
//! offsets, strides and sizes are numbers by the time a module is loaded. [`OwnLayouts`] has them
//! in the file's sense for the types that differ, and everything that loads asks it.
//!
//! What is left is a struct or an array that is loaded or stored as one value: [`BodyLoader::load`]
//! and [`BodyLoader::store`] take it apart, so that the IR's layout of it never matters.
//! (LLVM: language reference, "Data Layout"; release notes of 18, "i128 alignment".)

use alloc::vec::Vec;

use hashbrown::HashMap;
use ir::types::Layout;
use ir::verify::MAX_VALUE_SCALARS;
use ir::{MemFlags, Op, Type, TypeId, Types, Value};

use super::body::BodyLoader;
use super::error::{LoadError, Result};
use super::module::Loader;

/// log2 of the alignment of integers above 64 bits where a file says nothing about them.
const ALIGN_LOG2: u8 = 2;

/// Layouts that differ from the IR's, by type.
#[derive(Debug, Default)]
pub(super) struct OwnLayouts {
    /// Whether any can differ.
    differ: bool,
    own: HashMap<TypeId, Own>,
}

/// The layout of a type that holds an integer above 64 bits.
#[derive(Debug)]
struct Own {
    layout: Layout,
    /// Byte offsets of a struct's fields.
    offsets: Vec<u32>,
}

impl OwnLayouts {
    /// Those of a file with this data layout.
    pub(super) fn new(data_layout: &str) -> Self {
        let says = data_layout.split('-').any(|part| part.starts_with("i128:"));
        Self {
            differ: !says,
            own: HashMap::new(),
        }
    }

    /// Lays out a type whose parts were laid out before.
    ///
    /// No alignment is larger than in the IR, so no offset or size is, and the IR bounds those.
    pub(super) fn note(&mut self, types: &Types, ty: TypeId) {
        if !self.differ || self.own.contains_key(&ty) {
            return;
        }
        let own = match types.get(ty) {
            Type::Int(65..) => {
                let store = types.layout(ty).store;
                let size = store.next_multiple_of(1 << ALIGN_LOG2);
                let align_log2 = ALIGN_LOG2;
                Own {
                    layout: Layout {
                        store,
                        size,
                        align_log2,
                    },
                    offsets: Vec::new(),
                }
            }
            Type::Array { elem, len } if self.own.contains_key(elem) => {
                let element = self.layout(types, *elem);
                let size = element.size.saturating_mul(*len);
                Own {
                    layout: Layout {
                        store: size,
                        size,
                        ..element
                    },
                    offsets: Vec::new(),
                }
            }
            Type::Struct { fields, packed }
                if fields.iter().any(|field| self.own.contains_key(field)) =>
            {
                self.lay_out_struct(types, fields, *packed)
            }
            _ => return,
        };
        self.own.insert(ty, own);
    }

    fn lay_out_struct(&self, types: &Types, fields: &[TypeId], packed: bool) -> Own {
        let (mut end, mut align_log2, mut offsets) = (0u32, 0, Vec::new());
        for &field in fields {
            let layout = self.layout(types, field);
            if !packed {
                end = end.next_multiple_of(1 << layout.align_log2);
                align_log2 = layout.align_log2.max(align_log2);
            }
            offsets.push(end);
            end = end.saturating_add(layout.size);
        }
        let size = end.next_multiple_of(1 << align_log2);
        Own {
            layout: Layout {
                store: size,
                size,
                align_log2,
            },
            offsets,
        }
    }

    /// Size and alignment in the file's sense.
    #[inline]
    pub(super) fn layout(&self, types: &Types, ty: TypeId) -> Layout {
        match self.find(ty) {
            Some(own) => own.layout,
            None => types.layout(ty),
        }
    }

    /// The layout of a type that differs from the IR's. Newer files have none.
    #[inline(always)]
    fn find(&self, ty: TypeId) -> Option<&Own> {
        if self.differ { self.own.get(&ty) } else { None }
    }
}

impl Loader<'_, '_> {
    /// Size and alignment of a type in the file's sense.
    pub(super) fn layout(&self, ty: TypeId) -> Layout {
        self.types.layouts.layout(&self.module.types, ty)
    }

    /// Byte offset of a struct's field in the file's sense; `None` if there is no such field.
    pub(super) fn field_offset(&self, ty: TypeId, field: usize) -> Option<u32> {
        match self.types.layouts.find(ty) {
            Some(own) => own.offsets.get(field).copied(),
            None => self.module.types.field_offset(ty, field),
        }
    }

    /// Whether a value of the type lies in memory in another way than the IR would put it there.
    #[inline(always)]
    fn is_apart(&self, ty: TypeId) -> bool {
        self.types.layouts.find(ty).is_some() && self.module.types.int_bits(ty).is_none()
    }
}

/// A part of a value in memory.
struct Part {
    /// Numbers of fields on the way to it.
    path: Vec<u32>,
    /// Byte offset.
    offset: u32,
    ty: TypeId,
}

impl BodyLoader<'_, '_, '_> {
    /// Loads a value.
    #[inline(always)]
    pub(super) fn load(&mut self, ptr: Value, ty: TypeId, flags: MemFlags) -> Result<Value> {
        if self.loader.is_apart(ty) {
            return self.load_parts(ptr, ty, flags);
        }
        Ok(self.emit(Op::Load, 0, ty, [ptr.0, flags.0, 0]))
    }

    #[cold]
    fn load_parts(&mut self, ptr: Value, ty: TypeId, flags: MemFlags) -> Result<Value> {
        let mut whole = self.zero(ty);
        for part in self.parts_in_memory(ty)? {
            let place = self.ptr_add(ptr, None, part.offset, 0);
            let flags = flags.behind(part.offset).with_ordering(0);
            let value = self.emit(Op::Load, 0, part.ty, [place.0, flags.0, 0]);
            whole = self.insert_value(whole, value, &part.path);
        }
        Ok(whole)
    }

    /// Stores a value of type `ty`.
    #[inline(always)]
    pub(super) fn store(
        &mut self,
        ptr: Value,
        value: Value,
        ty: TypeId,
        flags: MemFlags,
    ) -> Result<()> {
        if self.loader.is_apart(ty) {
            return self.store_parts(ptr, value, ty, flags);
        }
        self.emit(Op::Store, 0, ty, [ptr.0, value.0, flags.0]);
        Ok(())
    }

    #[cold]
    fn store_parts(&mut self, ptr: Value, value: Value, ty: TypeId, flags: MemFlags) -> Result<()> {
        for part in self.parts_in_memory(ty)? {
            let place = self.ptr_add(ptr, None, part.offset, 0);
            let flags = flags.behind(part.offset).with_ordering(0);
            let value = self.extract_value(value, part.ty, &part.path);
            self.emit(Op::Store, 0, part.ty, [place.0, value.0, flags.0]);
        }
        Ok(())
    }

    /// The parts of a type that lie in memory as the IR would put each of them there.
    fn parts_in_memory(&self, ty: TypeId) -> Result<Vec<Part>> {
        let mut open = alloc::vec![Part {
            path: Vec::new(),
            offset: 0,
            ty,
        }];
        let mut parts = Vec::new();
        while let Some(part) = open.pop() {
            if !self.loader.is_apart(part.ty) {
                parts.push(part);
                continue;
            }
            let inner: Vec<TypeId> = match self.loader.module.types.get(part.ty) {
                Type::Struct { fields, .. } => fields.clone(),
                Type::Array { elem, len } if *len <= MAX_VALUE_SCALARS => {
                    alloc::vec![*elem; *len as usize]
                }
                _ => return Err(LoadError::limit("parts of a value")),
            };
            let sum = inner
                .len()
                .saturating_add(open.len())
                .saturating_add(parts.len());
            if sum > MAX_VALUE_SCALARS as usize {
                return Err(LoadError::limit("parts of a value"));
            }
            for (number, ty) in (0u32..).zip(inner) {
                let field = self.loader.field_offset(part.ty, number as usize);
                let stride = self.loader.layout(ty).size;
                let inside = field.unwrap_or_else(|| stride.saturating_mul(number));
                let mut path = part.path.clone();
                path.push(number);
                let offset = part.offset.saturating_add(inside);
                open.push(Part { path, offset, ty });
            }
        }
        Ok(parts)
    }
}
