//! Operands of a function record: ids made absolute and bounded.
//!
//! A distance of 1 is the value defined last, 0 the one that this record itself may define. Most are
//! small, which is why they are stored so. Subtraction wraps modulo 2^32, and a forward reference is
//! a distance that wrapped.

use super::{Lists, Record};
use crate::error::Result;
use crate::inst::{Atomic, Value, ValueId};
use crate::module::SyncScope;
use crate::opcode::AtomicOrdering;
use crate::operands::unrotate;
use crate::types::{Type, TypeId};

impl Record<'_> {
    /// Whether the call in an `invoke` or `callbr` has a result: [.., function type, ..].
    pub(super) fn returns_value(&mut self, explicit: bool) -> Result<bool> {
        if !explicit {
            return Err(self.ops.unsupported("call without a function type"));
        }
        let ty = self.ty()?;
        let types = self.module.types();
        match types.get(ty) {
            Type::Function { result, .. } => Ok(!types.is_void(*result)),
            _ => Err(self
                .ops
                .malformed("call with a type that is no function type")),
        }
    }

    /// An argument of a named parameter. Metadata is not a value: its id is only made absolute.
    #[inline(always)]
    pub(super) fn argument(&mut self, param: TypeId) -> Result<Value> {
        Ok(Value::known(match self.module.types().get(param) {
            Type::Label => ValueId(self.block()?),
            Type::Metadata => ValueId(self.bounds.next.wrapping_sub(self.ops.next_u32()?)),
            _ => self.value()?,
        }))
    }

    /// Field numbers to the end of the record; at least one.
    pub(super) fn path<'r>(&mut self, lists: &'r mut Lists) -> Result<&'r [u32]> {
        if self.ops.is_empty() {
            return Err(self.ops.malformed("aggregate access without an index"));
        }
        lists.numbers.clear();
        while !self.ops.is_empty() {
            lists.numbers.push(self.ops.next_u32()?);
        }
        Ok(&lists.numbers)
    }

    /// A type id.
    #[inline(always)]
    pub(super) fn ty(&mut self) -> Result<TypeId> {
        self.ops.next_type(self.module.types().len())
    }

    /// A jump target. Block 0 is the entry, which nothing may jump to.
    #[inline(always)]
    pub(super) fn block(&mut self) -> Result<u32> {
        let block = self.ops.next_u32()?;
        if block == 0 || block >= self.bounds.blocks {
            return Err(self.ops.malformed("jump target out of range"));
        }
        Ok(block)
    }

    /// A value, followed by its type if it refers forward.
    #[inline(always)]
    pub(crate) fn pair(&mut self) -> Result<Value> {
        let id = self.value()?;
        if id.0 < self.bounds.next {
            Ok(Value::known(id))
        } else {
            Ok(Value::typed(id, self.ty()?))
        }
    }

    /// A value whose type is implied.
    #[inline(always)]
    pub(super) fn value(&mut self) -> Result<ValueId> {
        let distance = self.ops.next_u32()?;
        self.absolute(ValueId(self.bounds.next.wrapping_sub(distance)))
    }

    /// A value of a phi: its distance is a signed number.
    #[inline(always)]
    pub(super) fn signed_value(&mut self) -> Result<ValueId> {
        let distance = unrotate(self.ops.next()?);
        let id = i64::from(self.bounds.next).checked_sub(distance);
        let id = id.and_then(|id| u32::try_from(id).ok());
        self.absolute(ValueId(
            id.ok_or_else(|| self.ops.malformed("value out of range"))?,
        ))
    }

    /// Bounds a value id.
    #[inline(always)]
    pub(super) fn absolute(&mut self, id: ValueId) -> Result<ValueId> {
        if id.0 >= self.bounds.next {
            self.forward(id)?;
        }
        Ok(id)
    }

    /// Bounds a forward reference, and remembers the farthest: it must be defined by the end (B2).
    #[inline(always)]
    pub(super) fn forward(&mut self, id: ValueId) -> Result<()> {
        if id.0 >= self.bounds.limit {
            return Err(self.ops.malformed("value out of range"));
        }
        self.bounds.referenced = self.bounds.referenced.max(id.0.wrapping_add(1));
        Ok(())
    }

    /// Bounds a value id that cannot refer forward.
    #[inline(always)]
    pub(super) fn earlier(&self, id: ValueId) -> Result<ValueId> {
        if id.0 < self.bounds.next {
            Ok(id)
        } else {
            Err(self.ops.malformed("case that is not a constant"))
        }
    }

    /// The optional last operand of arithmetic.
    #[inline(always)]
    pub(super) fn flags(&mut self) -> Result<u32> {
        if self.ops.is_empty() {
            Ok(0)
        } else {
            self.ops.next_u32()
        }
    }

    /// What the atomic forms of load and store have at their end.
    #[inline(always)]
    pub(super) fn atomic(&mut self, present: bool) -> Result<Atomic> {
        if present {
            Ok(Some((self.ordering()?, self.scope()?)))
        } else {
            Ok(None)
        }
    }

    /// A memory ordering.
    #[inline(always)]
    pub(super) fn ordering(&mut self) -> Result<AtomicOrdering> {
        AtomicOrdering::from_code(self.ops.next()?)
            .ok_or_else(|| self.ops.malformed("atomic ordering"))
    }

    /// An index into the table of synchronisation scopes, which the module lists by name.
    #[inline(always)]
    pub(super) fn scope(&mut self) -> Result<SyncScope> {
        let index = self.ops.next_u32()? as usize;
        self.module
            .sync_scopes()
            .get(index)
            .copied()
            .ok_or_else(|| self.ops.malformed("synchronisation scope"))
    }
}
