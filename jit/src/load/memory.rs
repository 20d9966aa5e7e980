//! Memory: accesses, stack memory, addresses, atomic operations.
//!
//! A `getelementptr` becomes `PtrAdd`s: constant indices add up to one displacement, and each other
//! index takes a step of its own, in the 32 bits of an address.

use alloc::format;

use bitcode::{AtomicOrdering, ConstantKind, Inst, RmwOp, ValueId};
use ir::facts::kind;
use ir::types::MAX_BYTES;
use ir::{Atomic, Flags, MemFlags, Op, Type, TypeId, Value};
use smallvec::SmallVec;

use super::body::{BodyLoader, Values};
use super::error::{LoadError, Result};
use super::fold::{sign_extend, zero_extend};
use super::gep::{IndexStep, TypeWalk};
use super::module::align_log2;

/// An index of a `getelementptr`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Index {
    Number(i64),
    Value(Value),
}

/// Those of one.
pub(super) type Indices = SmallVec<[Index; 4]>;

/// What the indices of a `getelementptr` come to.
#[derive(Debug, Default)]
struct Sum {
    bytes: u32,
    /// Indices that are not constant, each with the bytes that it counts.
    indices: SmallVec<[(Value, u32); 2]>,
}

impl Sum {
    /// Adds what an index contributes; its value if it is not constant.
    #[inline(always)]
    fn add(&mut self, step: IndexStep, index: Option<Value>) {
        self.bytes = self.bytes.wrapping_add(step.bytes);
        if let (Some(index), 1..) = (index, step.stride) {
            self.indices.push((index, step.stride));
        }
    }
}

impl BodyLoader<'_, '_, '_> {
    /// Loads, stores, addresses, stack memory.
    #[inline(always)]
    pub(super) fn memory(&mut self, inst: &Inst<'_>) -> Result<Value> {
        match *inst {
            Inst::Load {
                ptr,
                ty,
                align,
                volatile,
                atomic,
            } => {
                let (ptr, ty) = (self.operand(ptr)?, self.ty(ty)?);
                let flags =
                    self.access(ty, align, volatile, atomic.map(|(ordering, _)| ordering))?;
                self.load(ptr, ty, flags)
            }
            Inst::Store {
                ptr,
                value,
                align,
                volatile,
                atomic,
            } => {
                let (ptr, value) = (self.operand(ptr)?, self.operand(value)?);
                let ty = self.type_of(value);
                let flags =
                    self.access(ty, align, volatile, atomic.map(|(ordering, _)| ordering))?;
                self.store(ptr, value, ty, flags)?;
                Ok(Value::NONE)
            }
            Inst::Gep {
                element,
                base,
                indices,
                flags,
            } => {
                let base = self.operand(base)?;
                self.gep(element, base, indices, flags)
            }
            Inst::Alloca {
                ty,
                count_type,
                count,
                align,
                in_alloca,
                space,
            } => {
                if in_alloca || space != 0 {
                    return Err(LoadError::unsupported(
                        "alloca with inalloca or in an address space",
                    ));
                }
                self.alloca(ty, count_type, count, align)
            }
            _ => self.atomic(inst),
        }
    }

    /// Read-modify-write operations and fences.
    ///
    /// The synchronisation scope is ignored: what holds between all threads holds for one. A weak
    /// compare-exchange may fail without a reason and never has to: it is done as a strong one.
    fn atomic(&mut self, inst: &Inst<'_>) -> Result<Value> {
        match *inst {
            Inst::Fence { ordering, .. } => {
                let flags = MemFlags::default().with_ordering(ordering as u8);
                self.emit(Op::Fence, 0, TypeId::VOID, [flags.0, 0, 0]);
                Ok(Value::NONE)
            }
            Inst::CmpXchg {
                ptr,
                expected,
                new,
                volatile,
                success,
                failure,
                align,
                ..
            } => {
                let (ptr, expected) = (self.operand(ptr)?, self.operand(expected)?);
                let ty = self.type_of(expected);
                let new = self.operand_like(new, ty)?;
                let flags = self.access(ty, align, volatile, Some(stronger(success, failure)))?;
                let result = self.intern(Type::Struct {
                    fields: alloc::vec![ty, TypeId::I1],
                    packed: false,
                })?;
                let pool = self.builder.pool([expected.0, new.0]);
                Ok(self.emit(Op::CmpXchg, 0, result, [ptr.0, pool, flags.0]))
            }
            Inst::AtomicRmw {
                op,
                ptr,
                value,
                volatile,
                ordering,
                align,
                ..
            } => {
                let (ptr, value) = (self.operand(ptr)?, self.operand(value)?);
                let ty = self.type_of(value);
                let flags = self.access(ty, align, volatile, Some(ordering))?;
                Ok(self.emit(
                    Op::AtomicRmw,
                    atomic_op(op)? as u8,
                    ty,
                    [ptr.0, value.0, flags.0],
                ))
            }
            _ => Err(LoadError::unsupported("instruction")),
        }
    }

    /// A `getelementptr` instruction.
    fn gep(
        &mut self,
        element: bitcode::TypeId,
        base: Value,
        indices: &[bitcode::Value],
        flags: u32,
    ) -> Result<Value> {
        if let Some(sum) = self.scalar_sum(element, base, indices)? {
            return Ok(self.sum(base, sum, flags));
        }
        let values: Result<Values> = indices.iter().map(|index| self.operand(*index)).collect();
        self.address(element, base, &values?, flags)
    }

    /// What the indices come to; `None` if there is a vector among the operands.
    #[inline(always)]
    fn scalar_sum(
        &mut self,
        element: bitcode::TypeId,
        base: Value,
        indices: &[bitcode::Value],
    ) -> Result<Option<Sum>> {
        if self.is_vector(base) {
            return Ok(None);
        }
        let mut walk = TypeWalk::new(element);
        let mut sum = Sum::default();
        for &index in indices {
            if let Some((number, _)) = self.plain_int(index.id) {
                sum.add(walk.step(self.loader, Some(number))?, None);
                continue;
            }
            let value = self.operand(index)?;
            if self.is_vector(value) {
                return Ok(None);
            }
            sum.add(walk.step(self.loader, None)?, Some(value));
        }
        Ok(Some(sum))
    }

    /// The number, and its width, that an operand is if it is an integer constant of at most 64 bits. As an operand of
    /// this kind it need not become a constant of the body.
    #[inline(always)]
    pub(super) fn plain_int(&self, id: ValueId) -> Option<(i64, u32)> {
        if id >= self.head.first_result {
            return None;
        }
        let constant = self.loader.constant(id, Some(self.constants()))?;
        let bitcode::Type::Integer(bits @ ..=64) = *self.loader.source.types().get(constant.ty)
        else {
            return None;
        };
        match constant.kind {
            ConstantKind::Int(number) => Some((number, bits)),
            ConstantKind::Null => Some((0, bits)),
            _ => None,
        }
    }

    /// Whether a value is one for each lane.
    #[inline(always)]
    fn is_vector(&self, value: Value) -> bool {
        let ty = self.type_of(value);
        ty != TypeId::PTR && self.loader.module.types.vector(ty).is_some()
    }

    /// A value as an index.
    pub(super) fn index_of(&self, value: Value) -> Index {
        let bits = self.loader.module.types.int_bits(self.type_of(value));
        match self.builder.body().const_int(value) {
            Some(number) => Index::Number(sign_extend(number, bits.unwrap_or(0))),
            None => Index::Value(value),
        }
    }

    /// Flags of an access. The file gives an alignment for every one; the type's own stands in for none.
    /// Atomic ones are of sizes that the processor does in one piece.
    #[inline(always)]
    fn access(
        &self,
        ty: TypeId,
        align: u32,
        volatile: bool,
        ordering: Option<AtomicOrdering>,
    ) -> Result<MemFlags> {
        let align = match align_log2(align) {
            Some(align) => align,
            None => self.loader.layout(ty).align_log2,
        };
        let flags = MemFlags::aligned(align).with_volatile(volatile);
        match ordering {
            None | Some(AtomicOrdering::NotAtomic) => Ok(flags),
            Some(ordering) => {
                self.check_atomic(ty)?;
                Ok(flags.with_ordering(ordering as u8))
            }
        }
    }

    /// That the processor can access a value of the type in one piece.
    fn check_atomic(&self, ty: TypeId) -> Result<()> {
        let types = &self.loader.module.types;
        let whole = types.int_bits(ty).is_none_or(|bits| bits % 8 == 0);
        let scalar = types.vector(ty).is_none() && ty != TypeId::X86_FP80;
        if whole && scalar && matches!(self.loader.layout(ty).store, 1 | 2 | 4 | 8) {
            return Ok(());
        }
        let name = ir::text::type_text(types, ty);
        Err(LoadError::unsupported(format!("atomic access of {name}")))
    }

    /// Stack memory: of the frame in the entry block, made at run time anywhere else.
    fn alloca(
        &mut self,
        ty: bitcode::TypeId,
        count_type: bitcode::TypeId,
        count: ValueId,
        align: u32,
    ) -> Result<Value> {
        let ty = self.ty(ty)?;
        if !self.loader.module.types.is_sized(ty) {
            return Err(LoadError::malformed("alloca of a type without a size"));
        }
        let layout = self.loader.layout(ty);
        let align = u32::from(align_log2(align).unwrap_or(layout.align_log2));
        let in_entry = self.builder.body().blocks.len() <= 1;
        if let (true, Some((number, bits))) = (in_entry, self.plain_int(count)) {
            let bytes = u64::from(layout.size)
                .checked_mul(zero_extend(number.cast_unsigned(), bits))
                .filter(|bytes| *bytes <= MAX_BYTES);
            let bytes = bytes.and_then(|bytes| u32::try_from(bytes).ok());
            let bytes = bytes.ok_or_else(|| LoadError::limit("size of an alloca"))?;
            return Ok(self.emit(Op::Alloca, 0, TypeId::PTR, [bytes, align, u32::from(ty.0)]));
        }
        let count = self.operand_like(count, self.ty(count_type)?)?;
        Ok(self.emit(Op::DynAlloca, 0, TypeId::PTR, [count.0, align, layout.size]))
    }

    /// A `getelementptr` of scalars: constant indices add up, each other one takes a step of its own.
    pub(super) fn scalar_address(
        &mut self,
        element: bitcode::TypeId,
        base: Value,
        indices: &[Index],
        flags: u32,
    ) -> Result<Value> {
        let mut walk = TypeWalk::new(element);
        let mut sum = Sum::default();
        for &index in indices {
            match index {
                Index::Number(number) => sum.add(walk.step(self.loader, Some(number))?, None),
                Index::Value(value) => sum.add(walk.step(self.loader, None)?, Some(value)),
            }
        }
        Ok(self.sum(base, sum, flags))
    }

    /// The address that is so far behind `base`.
    #[inline(always)]
    fn sum(&mut self, base: Value, sum: Sum, flags: u32) -> Value {
        let no_wrap = flags & bitcode::flags::GEP_NUW != 0;
        let flags = (flags & u32::from(Flags::INBOUNDS | Flags::NUSW)) as u8;
        let (mut at, mut pending) = (base, None);
        for (index, stride) in sum.indices {
            let index = self.index(index);
            if let Some(before) = pending.replace((index, stride)) {
                at = self.ptr_add(at, Some(before), 0, flags);
            }
        }
        let sum = self.ptr_add(at, pending, sum.bytes, flags);
        if no_wrap && sum != base {
            self.note_last(kind::PTR_ADD_NUW, 0);
        }
        sum
    }

    /// An index in the width of addresses. Indices are signed, and address arithmetic wraps in 32 bits,
    /// so the low half of a wider one is enough.
    fn index(&mut self, index: Value) -> Value {
        let bits = self.loader.module.types.int_bits(self.type_of(index));
        match bits.unwrap_or(0) {
            32 => index,
            0..=31 => self.emit(Op::SExt, 0, TypeId::I32, [index.0, 0, 0]),
            _ => self.emit(Op::Trunc, 0, TypeId::I32, [index.0, 0, 0]),
        }
    }

    /// One step of address arithmetic; none at all for a step of 0 bytes.
    #[inline]
    pub(super) fn ptr_add(
        &mut self,
        base: Value,
        index: Option<(Value, u32)>,
        add: u32,
        flags: u8,
    ) -> Value {
        match index {
            None if add == 0 => base,
            None => self.emit(Op::PtrAdd, flags, TypeId::PTR, [base.0, Value::NONE.0, add]),
            Some((index, stride)) => {
                let pool = self.builder.pool_slice(&[stride, add]);
                self.emit(Op::PtrAdd, flags, TypeId::PTR, [base.0, index.0, pool])
            }
        }
    }
}

/// One ordering that is at least as strong as both.
fn stronger(a: AtomicOrdering, b: AtomicOrdering) -> AtomicOrdering {
    use AtomicOrdering::{AcqRel, Acquire, Release, SeqCst};
    match (a, b) {
        (SeqCst, _) | (_, SeqCst) => SeqCst,
        (Release, Acquire) | (Acquire, Release) => AcqRel,
        _ if a as u8 >= b as u8 => a,
        _ => b,
    }
}

/// The operations that x86 and the IR have. The float ones and the wrapping counters are GPU code's.
fn atomic_op(op: RmwOp) -> Result<Atomic> {
    Ok(match op {
        RmwOp::Xchg => Atomic::Xchg,
        RmwOp::Add => Atomic::Add,
        RmwOp::Sub => Atomic::Sub,
        RmwOp::And => Atomic::And,
        RmwOp::Nand => Atomic::Nand,
        RmwOp::Or => Atomic::Or,
        RmwOp::Xor => Atomic::Xor,
        RmwOp::Max => Atomic::Max,
        RmwOp::Min => Atomic::Min,
        RmwOp::UMax => Atomic::UMax,
        RmwOp::UMin => Atomic::UMin,
        _ => return Err(LoadError::unsupported(alloc::format!("atomicrmw {op:?}"))),
    })
}
