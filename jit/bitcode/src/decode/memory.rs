//! Records that concern memory: stack, accesses, addresses, atomic operations.
//!
//! Alignments are stored as log2 plus one and bounded where they are read.

use super::{Decoded, Lists, Record};
use crate::error::Result;
use crate::inst::{Event, Inst, ValueId};
use crate::opcode::RmwOp;
use crate::types::Type;

impl Record<'_> {
    /// [pointer or allocated type, count type, count, bits, address space?]
    ///
    /// The count is the one operand that is stored as an absolute id. Bits: 0 to 4 the low part of the
    /// alignment, 5 `inalloca`, 6 the first operand is the allocated type, 7 `swifterror`, 8 to 10 the
    /// high part of the alignment, which was widened when 32 sizes no longer sufficed.
    #[inline(always)]
    pub(super) fn alloca<'r, R>(mut self, each: impl FnOnce(Event<'r>) -> R) -> Result<R> {
        let (named, count_type) = (self.ty()?, self.ty()?);
        let count = ValueId(self.ops.next_u32()?);
        let count = self.absolute(count)?;
        let packed = self.ops.next()?;
        let space = if self.ops.is_empty() {
            0
        } else {
            self.ops.next_u32()?
        };
        let ty = match self.module.types().get(named) {
            _ if packed >> 6 & 1 == 1 => named,
            Type::Pointer {
                pointee: Some(pointee),
                ..
            } => *pointee,
            _ => return Err(self.ops.malformed("alloca without a type")),
        };
        let align = self.ops.align(packed & 0x1F | packed >> 3 & 0xE0)?;
        self.result(
            Inst::Alloca {
                ty,
                count_type,
                count,
                align,
                in_alloca: packed >> 5 & 1 == 1,
                space,
            },
            each,
        )
    }

    /// [address, type if forward, result type, alignment, volatile], atomic: [.., ordering, scope]
    ///
    /// Until LLVM 3.6 there was no result type: it followed from the typed pointer.
    #[inline(always)]
    pub(super) fn load<'r, R>(
        mut self,
        atomic: bool,
        each: impl FnOnce(Event<'r>) -> R,
    ) -> Result<R> {
        let ptr = self.pair()?;
        let tail = if atomic { 4 } else { 2 };
        if self.ops.len() == tail {
            return Err(self.ops.unsupported("load without a type"));
        }
        let ty = self.ty()?;
        let (align, volatile) = (self.ops.next_align()?, self.ops.next_bool()?);
        let atomic = self.atomic(atomic)?;
        self.result(
            Inst::Load {
                ptr,
                ty,
                align,
                volatile,
                atomic,
            },
            each,
        )
    }

    /// [address, type if forward, value, type if forward, alignment, volatile], atomic: as a load
    #[inline(always)]
    pub(super) fn store<'r, R>(
        mut self,
        atomic: bool,
        each: impl FnOnce(Event<'r>) -> R,
    ) -> Result<R> {
        let (ptr, value) = (self.pair()?, self.pair()?);
        let (align, volatile) = (self.ops.next_align()?, self.ops.next_bool()?);
        let atomic = self.atomic(atomic)?;
        self.effect(
            Inst::Store {
                ptr,
                value,
                align,
                volatile,
                atomic,
            },
            each,
        )
    }

    /// [flags, element type, base, type if forward, (index, type if forward)…]
    ///
    /// The flags were a mere `inbounds` until LLVM 18, which is their bit 0.
    #[inline(always)]
    pub(super) fn gep<'r, R>(
        mut self,
        lists: &'r mut Lists,
        each: impl FnOnce(Event<'r>) -> R,
    ) -> Result<R> {
        let flags = self.ops.next_u32()?;
        let (element, base) = (self.ty()?, self.pair()?);
        lists.values.clear();
        while !self.ops.is_empty() {
            let index = self.pair()?;
            lists.values.push(index);
        }
        self.result(
            Inst::Gep {
                element,
                base,
                indices: &lists.values,
                flags,
            },
            each,
        )
    }

    /// [address, type if forward, expected, type if forward, new, volatile, success ordering, scope,
    /// failure ordering, weak, alignment?]
    pub(super) fn cmpxchg<'r>(&mut self) -> Decoded<'r> {
        let (ptr, expected, new) = (self.pair()?, self.pair()?, self.value()?);
        let volatile = self.ops.next_bool()?;
        let (success, scope, failure) = (self.ordering()?, self.scope()?, self.ordering()?);
        let weak = self.ops.next_bool()?;
        let align = if self.ops.is_empty() {
            0
        } else {
            self.ops.next_align()?
        };
        Ok((
            Inst::CmpXchg {
                ptr,
                expected,
                new,
                volatile,
                success,
                failure,
                scope,
                weak,
                align,
            },
            true,
        ))
    }

    /// [address, type if forward, value, type if forward, operation, volatile, ordering, scope,
    /// alignment?]
    pub(super) fn atomic_rmw<'r>(&mut self) -> Decoded<'r> {
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
        Ok((
            Inst::AtomicRmw {
                op,
                ptr,
                value,
                volatile,
                ordering,
                scope,
                align,
            },
            true,
        ))
    }
}
