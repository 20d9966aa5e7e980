//! Parts of vectors and aggregates: lanes, fields, shuffles.
//!
//! C code has aggregates as values only where an instruction gives two results at once (overflow
//! checks, compare-exchange); vectors come from the vectorisers. Lanes are chosen by any integer,
//! fields by a path of numbers in the file.

use bitcode::Inst;
use ir::{Op, Type, TypeId, Value};

use super::body::BodyLoader;
use super::error::{LoadError, Result};

impl BodyLoader<'_, '_, '_> {
    /// Takes parts out or puts them in.
    pub(super) fn parts(&mut self, inst: &Inst<'_>) -> Result<Value> {
        match *inst {
            Inst::ExtractElement { vector, index } => {
                let (vector, index) = (self.operand(vector)?, self.operand(index)?);
                let ty = self.loader.module.types.scalar(self.type_of(vector));
                Ok(self.emit(Op::ExtractElement, 0, ty, [vector.0, index.0, 0]))
            }
            Inst::InsertElement {
                vector,
                element,
                index,
            } => {
                let vector = self.operand(vector)?;
                let ty = self.type_of(vector);
                let element = self.operand_like(element, self.loader.module.types.scalar(ty))?;
                let index = self.operand(index)?;
                Ok(self.emit(Op::InsertElement, 0, ty, [vector.0, element.0, index.0]))
            }
            Inst::Shuffle { a, b, mask } => {
                let a = self.operand(a)?;
                let ty = self.type_of(a);
                let b = self.operand_like(b, ty)?;
                let lanes = self.shuffle_mask(mask.id)?;
                let (elem, len) = (self.loader.module.types.scalar(ty), lanes.len() as u32);
                let result = self.intern(Type::Vector { elem, len })?;
                let pool = self.builder.pool(lanes);
                Ok(self.emit(Op::Shuffle, 0, result, [a.0, b.0, pool]))
            }
            Inst::ExtractValue { aggregate, path } => {
                let aggregate = self.operand(aggregate)?;
                let ty = self.field_type(self.type_of(aggregate), path)?;
                Ok(self.extract_value(aggregate, ty, path))
            }
            Inst::InsertValue {
                aggregate,
                value,
                path,
            } => {
                let (aggregate, value) = (self.operand(aggregate)?, self.operand(value)?);
                Ok(self.insert_value(aggregate, value, path))
            }
            _ => Err(LoadError::unsupported("instruction")),
        }
    }

    /// Takes a part, of type `ty`, out of an aggregate.
    pub(super) fn extract_value(&mut self, aggregate: Value, ty: TypeId, path: &[u32]) -> Value {
        let pool = self.builder.pool(path.iter().copied());
        let args = [aggregate.0, pool, path.len() as u32];
        self.emit(Op::ExtractValue, 0, ty, args)
    }

    /// Puts a part into an aggregate. The pool holds the path with its length in front.
    pub(super) fn insert_value(&mut self, aggregate: Value, value: Value, path: &[u32]) -> Value {
        let pool = self
            .builder
            .pool([path.len() as u32].into_iter().chain(path.iter().copied()));
        self.emit(
            Op::InsertValue,
            0,
            self.type_of(aggregate),
            [aggregate.0, value.0, pool],
        )
    }

    /// The type at the end of a path. Lengths of arrays are the verifier's to check.
    fn field_type(&self, whole: TypeId, path: &[u32]) -> Result<TypeId> {
        let mut ty = whole;
        for &field in path {
            let inner = match self.loader.module.types.get(ty) {
                Type::Struct { fields, .. } => fields.get(field as usize).copied(),
                Type::Array { elem, .. } => Some(*elem),
                _ => None,
            };
            ty = inner
                .ok_or_else(|| LoadError::malformed("field of a value that has no such field"))?;
        }
        Ok(ty)
    }
}
