//! Records that concern memory.

use super::{Decoded, Lists, Record};
use crate::inst::{Inst, ValueId};
use crate::opcode::RmwOp;
use crate::types::Type;

impl Record<'_> {
    pub(super) fn alloca<'r>(mut self) -> Decoded<'r> {
        let (named, count_type) = (self.ty()?, self.ty()?);
        let count = ValueId(self.ops.next_u32()?);
        let count = self.absolute(count)?;
        let packed = self.ops.next()?;
        let space = if self.ops.is_empty() {
            0
        } else {
            self.ops.next_u32()?
        };
        let ty = match self.types.get(named) {
            _ if packed >> 6 & 1 == 1 => named,
            Type::Pointer {
                pointee: Some(pointee),
                ..
            } => *pointee,
            _ => return Err(self.ops.malformed("alloca without a type")),
        };
        let align = self.ops.align(packed & 0x1F | packed >> 3 & 0xE0)?;
        self.result(Inst::Alloca {
            ty,
            count_type,
            count,
            align,
            in_alloca: packed >> 5 & 1 == 1,
            space,
        })
    }

    pub(super) fn load<'r>(mut self, atomic: bool) -> Decoded<'r> {
        let ptr = self.pair()?;
        let tail = if atomic { 4 } else { 2 };
        if self.ops.len() == tail {
            return Err(self.ops.unsupported("load without a type"));
        }
        let ty = self.ty()?;
        let (align, volatile) = (self.ops.next_align()?, self.ops.next_bool()?);
        let atomic = self.atomic(atomic)?;
        self.result(Inst::Load {
            ptr,
            ty,
            align,
            volatile,
            atomic,
        })
    }

    pub(super) fn store<'r>(mut self, atomic: bool) -> Decoded<'r> {
        let (ptr, value) = (self.pair()?, self.pair()?);
        let (align, volatile) = (self.ops.next_align()?, self.ops.next_bool()?);
        let atomic = self.atomic(atomic)?;
        self.effect(Inst::Store {
            ptr,
            value,
            align,
            volatile,
            atomic,
        })
    }

    pub(super) fn gep(mut self, lists: &mut Lists) -> Decoded<'_> {
        let flags = self.ops.next_u32()?;
        let (element, base) = (self.ty()?, self.pair()?);
        lists.values.clear();
        while !self.ops.is_empty() {
            let index = self.pair()?;
            lists.values.push(index);
        }
        self.result(Inst::Gep {
            element,
            base,
            indices: &lists.values,
            flags,
        })
    }

    pub(super) fn cmpxchg<'r>(mut self) -> Decoded<'r> {
        let (ptr, expected, new) = (self.pair()?, self.pair()?, self.value()?);
        let volatile = self.ops.next_bool()?;
        let (success, scope, failure) = (self.ordering()?, self.scope()?, self.ordering()?);
        let weak = self.ops.next_bool()?;
        let align = if self.ops.is_empty() {
            0
        } else {
            self.ops.next_align()?
        };
        self.result(Inst::CmpXchg {
            ptr,
            expected,
            new,
            volatile,
            success,
            failure,
            scope,
            weak,
            align,
        })
    }

    pub(super) fn atomic_rmw<'r>(mut self) -> Decoded<'r> {
        let (ptr, value) = (self.pair()?, self.pair()?);
        let op = RmwOp::from_code(self.ops.next()?);
        let op = op.ok_or_else(|| self.ops.malformed("atomicrmw operation"))?;
        let volatile = self.ops.next_bool()?;
        let (ordering, scope) = (self.ordering()?, self.scope()?);
        let align = if self.ops.is_empty() {
            0
        } else {
            self.ops.next_align()?
        };
        self.result(Inst::AtomicRmw {
            op,
            ptr,
            value,
            volatile,
            ordering,
            scope,
            align,
        })
    }
}
