//! Instructions, one by one.
//!
//! Each method gives the value that the record defines, [`Value::NONE`] if it defines none. Types
//! are taken from operands and left for the verifier to judge.

use alloc::vec::Vec;

use bitcode::{AtomicOrdering, BinOp, CastOp, Inst, Predicate, RmwOp, ValueId, flags};
use ir::types::MAX_BYTES;
use ir::{Atomic, Flags, MemFlags, Op, Type, TypeId, Value};

use super::body::BodyLoader;
use super::error::{LoadError, Result};
use super::fold::{Folded, sign_extend};
use super::gep::TypeWalk;
use super::module::align_log2;

impl BodyLoader<'_, '_, '_> {
    /// Translates an instruction.
    pub(super) fn inst(&mut self, inst: &Inst<'_>) -> Result<Value> {
        match *inst {
            Inst::Binary {
                op,
                lhs,
                rhs,
                flags,
            } => {
                let lhs = self.operand(lhs)?;
                let rhs = self.operand_like(rhs, self.type_of(lhs))?;
                self.binary(op, lhs, rhs, flags)
            }
            Inst::Neg { value, flags } => {
                let value = self.operand(value)?;
                Ok(self.emit(
                    Op::FNeg,
                    fast_math(flags),
                    self.type_of(value),
                    [value.0, 0, 0],
                ))
            }
            Inst::Cast {
                op,
                value,
                ty,
                flags,
            } => {
                let (value, ty) = (self.operand(value)?, self.ty(ty)?);
                self.cast(op, value, ty, flags)
            }
            Inst::Compare {
                pred,
                lhs,
                rhs,
                flags,
            } => {
                let lhs = self.operand(lhs)?;
                let rhs = self.operand_like(rhs, self.type_of(lhs))?;
                self.compare(pred, lhs, rhs, flags)
            }
            Inst::Select {
                cond,
                if_true,
                if_false,
                flags,
            } => {
                let (cond, then) = (self.operand(cond)?, self.operand(if_true)?);
                let ty = self.type_of(then);
                let other = self.operand_like(if_false, ty)?;
                Ok(self.emit(
                    Op::Select,
                    self.float_flags(ty, flags),
                    ty,
                    [cond.0, then.0, other.0],
                ))
            }
            Inst::Freeze(value) => {
                let value = self.operand(value)?;
                Ok(self.emit(Op::Freeze, 0, self.type_of(value), [value.0, 0, 0]))
            }
            Inst::Call {
                callee,
                ty,
                args,
                attributes,
                flags,
            } => self.call(callee, ty, args, attributes, flags),
            Inst::Other { name, .. } => Err(LoadError::unsupported(name)),
            Inst::VaArg { .. } => Err(LoadError::unsupported("va_arg instruction")),
            Inst::ExtractElement { .. }
            | Inst::InsertElement { .. }
            | Inst::Shuffle { .. }
            | Inst::ExtractValue { .. }
            | Inst::InsertValue { .. } => self.parts(inst),
            Inst::Ret(_)
            | Inst::Br(_)
            | Inst::CondBr { .. }
            | Inst::Switch { .. }
            | Inst::IndirectBr { .. }
            | Inst::Unreachable
            | Inst::Phi { .. } => self.control(inst),
            _ => self.memory(inst),
        }
    }

    pub(super) fn binary(
        &mut self,
        op: BinOp,
        lhs: Value,
        rhs: Value,
        flags: u32,
    ) -> Result<Value> {
        let ty = self.type_of(lhs);
        let types = &self.loader.module.types;
        let is_float = types.is_float(types.scalar(ty));
        let wrap = (flags & 3) as u8;
        let exact = if flags & flags::EXACT != 0 {
            Flags::EXACT
        } else {
            0
        };
        let disjoint = if flags & flags::DISJOINT != 0 {
            Flags::DISJOINT
        } else {
            0
        };
        let (op, flags) = match op {
            BinOp::Add if is_float => (Op::FAdd, fast_math(flags)),
            BinOp::Sub if is_float => (Op::FSub, fast_math(flags)),
            BinOp::Mul if is_float => (Op::FMul, fast_math(flags)),
            BinOp::SDiv if is_float => (Op::FDiv, fast_math(flags)),
            BinOp::SRem if is_float => (Op::FRem, fast_math(flags)),
            BinOp::Add => (Op::Add, wrap),
            BinOp::Sub => (Op::Sub, wrap),
            BinOp::Mul => (Op::Mul, wrap),
            BinOp::Shl => (Op::Shl, wrap),
            BinOp::UDiv => (Op::UDiv, exact),
            BinOp::SDiv => (Op::SDiv, exact),
            BinOp::LShr => (Op::LShr, exact),
            BinOp::AShr => (Op::AShr, exact),
            BinOp::URem => (Op::URem, 0),
            BinOp::SRem => (Op::SRem, 0),
            BinOp::And => (Op::And, 0),
            BinOp::Or => (Op::Or, disjoint),
            BinOp::Xor => (Op::Xor, 0),
        };
        Ok(self.emit(op, flags, ty, [lhs.0, rhs.0, 0]))
    }

    pub(super) fn cast(
        &mut self,
        op: CastOp,
        value: Value,
        ty: TypeId,
        flags: u32,
    ) -> Result<Value> {
        // Between typed pointers, and what else is the same type here.
        if op == CastOp::BitCast && self.type_of(value) == ty {
            return Ok(value);
        }
        let nneg = if flags & flags::NNEG != 0 {
            Flags::NNEG
        } else {
            0
        };
        let (op, flags) = match op {
            CastOp::Trunc => (Op::Trunc, (flags & 3) as u8),
            CastOp::ZExt => (Op::ZExt, nneg),
            CastOp::SExt => (Op::SExt, 0),
            CastOp::FpToUi => (Op::FpToUi, 0),
            CastOp::FpToSi => (Op::FpToSi, 0),
            CastOp::UiToFp => (Op::UiToFp, nneg),
            CastOp::SiToFp => (Op::SiToFp, 0),
            CastOp::FpTrunc => (Op::FpTrunc, fast_math(flags)),
            CastOp::FpExt => (Op::FpExt, fast_math(flags)),
            CastOp::PtrToInt | CastOp::PtrToAddr => (Op::PtrToInt, 0),
            CastOp::IntToPtr => (Op::IntToPtr, 0),
            CastOp::BitCast => (Op::Bitcast, 0),
            CastOp::AddrSpaceCast => {
                return Err(LoadError::unsupported("addrspacecast instruction"));
            }
        };
        Ok(self.emit(op, flags, ty, [value.0, 0, 0]))
    }

    pub(super) fn compare(
        &mut self,
        pred: Predicate,
        lhs: Value,
        rhs: Value,
        flags: u32,
    ) -> Result<Value> {
        let vector = self.loader.module.types.vector(self.type_of(lhs));
        let ty = match vector {
            Some((_, len)) => self.intern(Type::Vector {
                elem: TypeId::I1,
                len,
            })?,
            None => TypeId::I1,
        };
        // Both enumerations are numbered like the IR's predicates.
        let number = pred as u8;
        Ok(if pred.is_int() {
            let number = number.wrapping_sub(Predicate::IcmpEq as u8);
            self.emit(Op::ICmp, number, ty, [lhs.0, rhs.0, 0])
        } else {
            self.emit(
                Op::FCmp,
                number,
                ty,
                [lhs.0, rhs.0, u32::from(fast_math(flags))],
            )
        })
    }

    fn memory(&mut self, inst: &Inst<'_>) -> Result<Value> {
        match *inst {
            Inst::Load {
                ptr,
                ty,
                align,
                volatile,
                atomic,
            } => {
                let (ptr, ty) = (self.operand(ptr)?, self.ty(ty)?);
                let flags = self.access(ty, align, volatile, atomic.map(|(ordering, _)| ordering));
                Ok(self.emit(Op::Load, 0, ty, [ptr.0, flags.0, 0]))
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
                let flags = self.access(ty, align, volatile, atomic.map(|(ordering, _)| ordering));
                self.emit(Op::Store, 0, ty, [ptr.0, value.0, flags.0]);
                Ok(Value::NONE)
            }
            Inst::Gep {
                element,
                base,
                indices,
                flags,
            } => {
                let base = self.operand(base)?;
                let values: Result<Vec<Value>> =
                    indices.iter().map(|index| self.operand(*index)).collect();
                self.address(element, base, &values?, flags)
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
                let flags = self.access(ty, align, volatile, Some(stronger(success, failure)));
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
                let flags = self.access(ty, align, volatile, Some(ordering));
                Ok(self.emit(
                    Op::AtomicRmw,
                    atomic(op)? as u8,
                    ty,
                    [ptr.0, value.0, flags.0],
                ))
            }
            _ => Err(LoadError::unsupported("instruction")),
        }
    }

    fn access(
        &self,
        ty: TypeId,
        align: u32,
        volatile: bool,
        ordering: Option<AtomicOrdering>,
    ) -> MemFlags {
        let natural = self.loader.module.types.layout(ty).align_log2;
        let flags = MemFlags::aligned(align_log2(align).unwrap_or(natural)).with_volatile(volatile);
        flags.with_ordering(ordering.map_or(0, |ordering| ordering as u8))
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
        let layout = self.loader.module.types.layout(ty);
        let align = u32::from(align_log2(align).unwrap_or(layout.align_log2));
        let count = self.operand_like(count, self.ty(count_type)?)?;
        let in_entry = self.builder.body().blocks.len() <= 1;
        if let (true, Some(number)) = (in_entry, self.builder.body().const_int(count)) {
            let bytes = u64::from(layout.size)
                .checked_mul(number)
                .filter(|bytes| *bytes <= MAX_BYTES);
            let bytes = bytes.and_then(|bytes| u32::try_from(bytes).ok());
            let bytes = bytes.ok_or_else(|| LoadError::limit("size of an alloca"))?;
            return Ok(self.emit(Op::Alloca, 0, TypeId::PTR, [bytes, align, u32::from(ty.0)]));
        }
        Ok(self.emit(Op::DynAlloca, 0, TypeId::PTR, [count.0, align, layout.size]))
    }

    /// A `getelementptr`: constant indices add up, each other one takes a step of its own.
    pub(super) fn address(
        &mut self,
        element: bitcode::TypeId,
        base: Value,
        indices: &[Value],
        flags: u32,
    ) -> Result<Value> {
        let flags = (flags & u32::from(Flags::INBOUNDS | Flags::NUSW)) as u8;
        let mut walk = TypeWalk::new(element);
        let (mut at, mut add, mut pending) = (base, 0u32, None);
        for &index in indices {
            let ty = self.type_of(index);
            let types = &self.loader.module.types;
            if self.type_of(at) != TypeId::PTR || types.vector(ty).is_some() {
                return Err(LoadError::unsupported("getelementptr of vectors"));
            }
            let bits = types.int_bits(ty).unwrap_or(0);
            let known = self
                .builder
                .body()
                .const_int(index)
                .map(|value| sign_extend(value, bits));
            let step = walk.step(self.loader, known)?;
            add = add.wrapping_add(step.bytes);
            if known.is_none() && step.stride != 0 {
                let index = self.index(index, bits);
                if let Some((before, stride)) = pending.replace((index, step.stride)) {
                    at = self.ptr_add(at, Some((before, stride)), 0, flags);
                }
            }
        }
        Ok(self.ptr_add(at, pending, add, flags))
    }

    /// An index in the width of addresses.
    fn index(&mut self, index: Value, bits: u32) -> Value {
        match bits {
            32 => index,
            0..=31 => self.emit(Op::SExt, 0, TypeId::I32, [index.0, 0, 0]),
            _ => self.emit(Op::Trunc, 0, TypeId::I32, [index.0, 0, 0]),
        }
    }

    fn ptr_add(&mut self, base: Value, index: Option<(Value, u32)>, add: u32, flags: u8) -> Value {
        match index {
            None if add == 0 => base,
            None => self.emit(Op::PtrAdd, flags, TypeId::PTR, [base.0, Value::NONE.0, add]),
            Some((index, stride)) => {
                let pool = self.builder.pool([stride, add]);
                self.emit(Op::PtrAdd, flags, TypeId::PTR, [base.0, index.0, pool])
            }
        }
    }

    fn parts(&mut self, inst: &Inst<'_>) -> Result<Value> {
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
                let pool = self.builder.pool(path.iter().copied());
                Ok(self.emit(
                    Op::ExtractValue,
                    0,
                    ty,
                    [aggregate.0, pool, path.len() as u32],
                ))
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

    fn control(&mut self, inst: &Inst<'_>) -> Result<Value> {
        let (op, ty, args) = match *inst {
            Inst::Ret(None) => (Op::Ret, TypeId::VOID, [Value::NONE.0, 0, 0]),
            Inst::Ret(Some(value)) => (Op::Ret, TypeId::VOID, [self.operand(value)?.0, 0, 0]),
            Inst::Br(to) => (Op::Br, TypeId::VOID, [to, 0, 0]),
            Inst::CondBr {
                cond,
                if_true,
                if_false,
            } => {
                let cond = self.operand_like(cond, TypeId::I1)?;
                (Op::CondBr, TypeId::VOID, [cond.0, if_true, if_false])
            }
            Inst::Switch {
                ty,
                value,
                default,
                cases,
            } => {
                let ty = self.ty(ty)?;
                let value = self.operand_like(value, ty)?;
                let mut words = alloc::vec![default];
                for &(case, to) in cases {
                    let Folded::Int(number) = self.fold(case)? else {
                        return Err(LoadError::unsupported("switch over integers above 64 bits"));
                    };
                    words.extend([(number & 0xFFFF_FFFF) as u32, (number >> 32) as u32, to]);
                }
                (
                    Op::Switch,
                    ty,
                    [value.0, self.builder.pool(words), cases.len() as u32],
                )
            }
            Inst::IndirectBr {
                address, targets, ..
            } => {
                let address = self.operand_like(address, TypeId::PTR)?;
                let pool = self.builder.pool(targets.iter().copied());
                (
                    Op::IndirectBr,
                    TypeId::VOID,
                    [address.0, pool, targets.len() as u32],
                )
            }
            Inst::Phi {
                ty,
                incoming,
                flags,
            } => return self.phi(ty, incoming, flags),
            _ => (Op::Unreachable, TypeId::VOID, [0; 3]),
        };
        self.emit(op, 0, ty, args);
        Ok(Value::NONE)
    }

    /// Values that no record has defined yet are filled in at the end.
    fn phi(
        &mut self,
        ty: bitcode::TypeId,
        incoming: &[(ValueId, u32)],
        flags: u32,
    ) -> Result<Value> {
        let ty = self.ty(ty)?;
        let mut words = Vec::with_capacity(incoming.len().saturating_mul(2));
        let mut waiting = Vec::new();
        for &(id, block) in incoming {
            let value = match self.known(id) {
                Some(value) => value,
                None if id < self.head.first_result => self.materialise(id)?,
                None => {
                    waiting.push((words.len().saturating_add(1) as u32, id));
                    Value::NONE
                }
            };
            words.extend([block, value.0]);
        }
        let pool = self.builder.pool(words);
        self.phis.extend(
            waiting
                .into_iter()
                .map(|(at, id)| (pool.saturating_add(at), id)),
        );
        Ok(self.emit(
            Op::Phi,
            self.float_flags(ty, flags),
            ty,
            [pool, incoming.len() as u32, 0],
        ))
    }

    /// Fast-math bits where the type has a use for them.
    fn float_flags(&self, ty: TypeId, flags: u32) -> u8 {
        let types = &self.loader.module.types;
        if types.is_float(types.scalar(ty)) {
            fast_math(flags)
        } else {
            0
        }
    }
}

/// Fast-math bits of the file as bits of [`Flags`]; they differ in where `reassoc` is.
pub(super) fn fast_math(bits: u32) -> u8 {
    if bits & flags::FAST != 0 {
        return 0x7F;
    }
    let reassoc = if bits & flags::REASSOC != 0 {
        Flags::REASSOC
    } else {
        0
    };
    (bits & 0x7E) as u8 | reassoc
}

/// A mask that names no lane.
pub(super) fn no_lane() -> LoadError {
    LoadError::malformed("shuffle with a mask that is no constant of lanes")
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

fn atomic(op: RmwOp) -> Result<Atomic> {
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
