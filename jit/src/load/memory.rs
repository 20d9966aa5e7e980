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
use super::gep::TypeWalk;
use super::module::align_log2;

/// An index of a `getelementptr`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Index {
    Number(i64),
    Value(Value),
}

/// Those of one.
pub(super) type Indices = SmallVec<[Index; 4]>;

/// An address that is being added up.
#[derive(Clone, Copy, Debug)]
struct Sum {
    at: Value,
    /// An index that is not constant and the bytes that it counts, still to be added.
    pending: Option<(Value, u32)>,
    bytes: u32,
    flags: u8,
}

impl Sum {
    fn new(base: Value, flags: u32) -> Self {
        Self {
            at: base,
            pending: None,
            bytes: 0,
            flags: (flags & u32::from(Flags::INBOUNDS | Flags::NUSW)) as u8,
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
        let mut has_vector = self.is_vector(base);
        let (mut sum, mut walk) = (Sum::new(base, flags), TypeWalk::new(element));
        for &index in indices {
            if let Some((number, ..)) = self.plain_int(index.id) {
                let step = walk.step(self.loader, Some(number))?;
                sum.bytes = sum.bytes.wrapping_add(step.bytes);
                continue;
            }
            let value = self.operand(index)?;
            has_vector |= self.is_vector(value);
            if has_vector {
                break;
            }
            let step = walk.step(self.loader, None)?;
            self.add_index(&mut sum, value, step.stride);
        }
        if !has_vector {
            return Ok(self.sum(sum, flags));
        }
        let values: Result<Values> = indices.iter().map(|index| self.operand(*index)).collect();
        self.address(element, base, &values?, flags)
    }

    /// The number, and its type and width, that an operand is if it is an integer constant of at most
    /// 64 bits. As an operand of this kind it need not become a constant of the body.
    #[inline(always)]
    pub(super) fn plain_int(&self, id: ValueId) -> Option<(i64, bitcode::TypeId, u32)> {
        if id >= self.head.first_result {
            return None;
        }
        let constant = self.loader.constant(id, Some(self.constants()))?;
        let bitcode::Type::Integer(bits @ ..=64) = *self.loader.source.types().get(constant.ty)
        else {
            return None;
        };
        match constant.kind {
            ConstantKind::Int(number) => Some((number, constant.ty, bits)),
            ConstantKind::Null => Some((0, constant.ty, bits)),
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
        if let (true, Some((number, _, bits))) = (in_entry, self.plain_int(count)) {
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
        let (mut sum, mut walk) = (Sum::new(base, flags), TypeWalk::new(element));
        for &index in indices {
            match index {
                Index::Number(number) => {
                    let step = walk.step(self.loader, Some(number))?;
                    sum.bytes = sum.bytes.wrapping_add(step.bytes);
                }
                Index::Value(value) => {
                    let step = walk.step(self.loader, None)?;
                    self.add_index(&mut sum, value, step.stride);
                }
            }
        }
        Ok(self.sum(sum, flags))
    }

    /// Adds an index that is not constant. One is kept back, to be added together with the constants.
    fn add_index(&mut self, sum: &mut Sum, index: Value, stride: u32) {
        if stride == 0 {
            return;
        }
        let index = self.index(index);
        if let Some(before) = sum.pending.replace((index, stride)) {
            sum.at = self.ptr_add(sum.at, Some(before), 0, sum.flags);
        }
    }

    /// The finished address.
    #[inline(always)]
    fn sum(&mut self, sum: Sum, flags: u32) -> Value {
        let value = self.ptr_add(sum.at, sum.pending, sum.bytes, sum.flags);
        let is_new = sum.bytes != 0 || sum.pending.is_some();
        if flags & bitcode::flags::GEP_NUW != 0 && is_new {
            self.note_last(kind::PTR_ADD_NUW, 0);
        }
        value
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
