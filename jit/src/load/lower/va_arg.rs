//! The `va_arg` instruction, by the i386 convention: the list is a pointer to the next argument.
//!
//! clang writes this sequence itself; other front ends leave it to the target. An argument takes a
//! multiple of four bytes and lies at a multiple of four, of more only if its type demands it.
//! (LLVM: `SelectionDAG::expandVAArg`.)

use ir::{MemFlags, Op, TypeId, Value};

use crate::load::body::BodyLoader;
use crate::load::error::{LoadError, Result};

/// log2 of the size of a place on the i386 stack.
const PLACE_LOG2: u8 = 2;

impl BodyLoader<'_, '_, '_> {
    /// Takes the next argument, of type `ty`, from the list at `list`.
    pub(in crate::load) fn va_arg(&mut self, list: Value, ty: TypeId) -> Result<Value> {
        let types = &self.loader.module.types;
        if !types.is_sized(ty) {
            return Err(LoadError::malformed("va_arg of a type without a size"));
        }
        let layout = self.loader.layout(ty);
        let word = MemFlags::aligned(PLACE_LOG2);
        let mut at = self.emit(Op::Load, 0, TypeId::PTR, [list.0, word.0, 0]);
        if layout.align_log2 > PLACE_LOG2 {
            let unit = 1u32 << layout.align_log2.min(30);
            let last = self.ptr_add(at, None, unit.wrapping_sub(1), 0);
            let number = self.convert(Op::PtrToInt, last, TypeId::I32);
            let mask = self
                .builder
                .int(TypeId::I32, u64::from(unit.wrapping_neg()));
            let number = self.binary_op(Op::And, number, mask);
            at = self.convert(Op::IntToPtr, number, TypeId::PTR);
        }
        let size = layout.size.next_multiple_of(1 << PLACE_LOG2);
        let next = self.ptr_add(at, None, size, 0);
        self.emit(Op::Store, 0, TypeId::PTR, [list.0, next.0, word.0]);
        let flags = MemFlags::aligned(layout.align_log2.min(PLACE_LOG2));
        self.load(at, ty, flags)
    }
}
