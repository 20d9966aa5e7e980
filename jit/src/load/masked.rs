//! Lanes one by one: masked accesses of memory, and addresses in vectors.
//!
//! A lane that the mask leaves out must not be accessed, and blocks are the file's, so there is no
//! branch around the access. Instead its address is chosen: the lane's own, or that of a spare
//! place on the stack that nobody reads. All accesses then happen, and only the chosen ones matter.

use ir::{ConstKind, MemFlags, Op, Type, TypeId, Value};

use super::body::BodyLoader;
use super::error::{LoadError, Result};
use super::memory::Indices;

/// Which masked access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Masked {
    /// `(ptr, mask, else)`: lanes that lie side by side.
    Load,
    /// `(vector, ptr, mask)`.
    Store,
    /// `(pointers, mask, else)`: lanes that lie anywhere.
    Gather,
    /// `(vector, pointers, mask)`.
    Scatter,
}

impl BodyLoader<'_, '_, '_> {
    /// A call of a masked access with result type `ty`. Until LLVM 21 an alignment stands before
    /// the mask; since then it is an attribute. It is not needed for accesses lane by lane.
    pub(super) fn masked(&mut self, which: Masked, ty: TypeId, args: &[Value]) -> Result<Value> {
        let stores = matches!(which, Masked::Store | Masked::Scatter);
        let (first, second, mask, last) = match (stores, args) {
            (true, &[vector, ptr, _, mask] | &[vector, ptr, mask]) => (vector, ptr, mask, vector),
            (false, &[ptr, _, mask, other] | &[ptr, mask, other]) => (other, ptr, mask, other),
            _ => return Err(LoadError::malformed("masked access with other arguments")),
        };
        let vector_type = if stores { self.type_of(first) } else { ty };
        let Some((elem, lanes)) = self.loader.module.types.vector(vector_type) else {
            return Err(LoadError::malformed("masked access of what is no vector"));
        };
        let layout = self.loader.module.types.layout(elem);
        if self
            .loader
            .module
            .types
            .int_bits(elem)
            .is_some_and(|bits| bits % 8 != 0)
        {
            return Err(LoadError::unsupported(
                "masked access of integers that are no whole bytes",
            ));
        }
        let spare = self.spare(elem, layout.size);
        let flags = MemFlags::aligned(0);
        let mut result = last;
        for lane in 0..lanes {
            let own = match which {
                Masked::Load | Masked::Store => {
                    self.ptr_add(second, None, lane.wrapping_mul(layout.store), 0)
                }
                Masked::Gather | Masked::Scatter => self.lane(second, lane),
            };
            let chosen = self.lane(mask, lane);
            let place = self.emit(Op::Select, 0, TypeId::PTR, [chosen.0, own.0, spare.0]);
            let part = self.lane(first, lane);
            if stores {
                self.emit(Op::Store, 0, elem, [place.0, part.0, flags.0]);
                continue;
            }
            let loaded = self.emit(Op::Load, 0, elem, [place.0, flags.0, 0]);
            let part = self.emit(Op::Select, 0, elem, [chosen.0, loaded.0, part.0]);
            result = self.with_lane(result, lane, part);
        }
        Ok(if stores { Value::NONE } else { result })
    }

    /// A place on the stack that is written and never read for its value.
    pub(super) fn spare(&mut self, elem: TypeId, size: u32) -> Value {
        let outer = core::mem::replace(&mut self.in_prologue, true);
        let spare = self.emit(Op::Alloca, 0, TypeId::PTR, [size, 4, u32::from(elem.0)]);
        self.in_prologue = outer;
        spare
    }

    /// A `getelementptr`; with a vector among its operands, one for each lane.
    pub(super) fn address(
        &mut self,
        element: bitcode::TypeId,
        base: Value,
        indices: &[Value],
        flags: u32,
    ) -> Result<Value> {
        let types = &self.loader.module.types;
        let operands = core::iter::once(&base).chain(indices);
        let lanes = operands
            .filter_map(|value| types.vector(self.type_of(*value)))
            .map(|(_, lanes)| lanes)
            .max();
        let Some(lanes) = lanes else {
            let indices: Indices = indices.iter().map(|index| self.index_of(*index)).collect();
            return self.scalar_address(element, base, &indices, flags);
        };
        let ty = self.intern(Type::Vector {
            elem: TypeId::PTR,
            len: lanes,
        })?;
        let mut whole = self.zero(ty);
        for lane in 0..lanes {
            let base = self.lane(base, lane);
            let mut parts = Indices::new();
            for &index in indices {
                let part = self.lane(index, lane);
                parts.push(self.index_of(part));
            }
            let at = self.scalar_address(element, base, &parts, flags)?;
            whole = self.with_lane(whole, lane, at);
        }
        Ok(whole)
    }

    /// One lane of a vector; anything else is the same for all lanes.
    pub(super) fn lane(&mut self, value: Value, lane: u32) -> Value {
        let Some((elem, _)) = self.loader.module.types.vector(self.type_of(value)) else {
            return value;
        };
        let constant = value
            .as_const()
            .map(|id| self.builder.body().constant(id).kind);
        match constant {
            Some(ConstKind::Zero) => return self.zero(elem),
            Some(ConstKind::Elements { start, len }) if lane < len => {
                let at = start.saturating_add(lane);
                if let Some(&id) = self.builder.body().pool.get(at as usize) {
                    return Value::constant(ir::ConstId(id));
                }
            }
            _ => {}
        }
        let index = self.builder.int(TypeId::I32, u64::from(lane));
        self.emit(Op::ExtractElement, 0, elem, [value.0, index.0, 0])
    }

    /// A vector with one lane replaced.
    pub(super) fn with_lane(&mut self, vector: Value, lane: u32, part: Value) -> Value {
        let index = self.builder.int(TypeId::I32, u64::from(lane));
        let ty = self.type_of(vector);
        self.emit(Op::InsertElement, 0, ty, [vector.0, part.0, index.0])
    }
}
