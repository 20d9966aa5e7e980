//! Conversions that memory does: what is stored as one type and loaded as another.
//!
//! Scalars of up to eight bytes go through the integer of as many bytes. The functions append the
//! instructions that they need to a list.

use crate::tier::opt::graph::Graph;
use alloc::vec::Vec;
use ir::{InstId, Op, Type, TypeId, Types, Value};

/// The integer of so many bytes: 1, 2, 4 or 8.
pub(super) fn int_of_bytes(bytes: u32) -> TypeId {
    match bytes {
        1 => TypeId::I8,
        2 => TypeId::I16,
        4 => TypeId::I32,
        _ => TypeId::I64,
    }
}

/// Whether values of the type can be turned into the integer of as many bytes.
pub(super) fn has_int(ty: TypeId) -> bool {
    matches!(
        ty,
        TypeId::I1
            | TypeId::I8
            | TypeId::I16
            | TypeId::I32
            | TypeId::I64
            | TypeId::F32
            | TypeId::F64
            | TypeId::PTR
    )
}

/// Bits of a vector that may be cast to another of as many bits; `None` for other types.
pub(super) fn vector_bits(types: &Types, ty: TypeId) -> Option<u32> {
    let (elem, len) = types.vector(ty)?;
    let bits = match types.get(elem) {
        Type::Int(bits) => u32::from(*bits),
        Type::Half => 16,
        Type::Float => 32,
        Type::Double => 64,
        _ => return None,
    };
    Some(bits * len)
}

/// Makes instructions for one place in a block.
pub(super) struct Converter<'g, 'a> {
    pub(super) graph: &'g mut Graph<'a>,
    /// Where instructions go.
    pub(super) list: &'g mut Vec<InstId>,
    /// The instruction that they stand for.
    pub(super) like: InstId,
}

impl Converter<'_, '_> {
    /// Appends an instruction.
    pub(super) fn op(&mut self, op: Op, ty: TypeId, args: [u32; 3]) -> Value {
        let id = self.graph.op(op, ty, args, self.like);
        self.list.push(id);
        Value::inst(id)
    }

    fn cast(&mut self, op: Op, value: Value, ty: TypeId) -> Value {
        self.op(op, ty, [value.0, 0, 0])
    }

    fn store_size(&self, ty: TypeId) -> u32 {
        self.graph.types().layout(ty).store
    }

    /// The bytes of `value`, read as `ty`, which has as many.
    pub(super) fn reinterpret(&mut self, value: Value, ty: TypeId) -> Value {
        let from = self.graph.type_of(value);
        if from == ty {
            return value;
        }
        if !has_int(ty) {
            return self.cast(Op::Bitcast, value, ty);
        }
        let int = self.as_int(value, from);
        self.int_as(int, ty)
    }

    /// `value` as the integer of its bytes.
    fn as_int(&mut self, value: Value, from: TypeId) -> Value {
        let int = int_of_bytes(self.store_size(from));
        match from {
            TypeId::I1 => self.cast(Op::ZExt, value, int),
            TypeId::PTR => self.cast(Op::PtrToInt, value, int),
            TypeId::F32 | TypeId::F64 => self.cast(Op::Bitcast, value, int),
            _ => value,
        }
    }

    /// An integer of as many bytes as `ty` has, read as `ty`.
    fn int_as(&mut self, int: Value, ty: TypeId) -> Value {
        match ty {
            TypeId::I1 => self.cast(Op::Trunc, int, ty),
            TypeId::PTR => self.cast(Op::IntToPtr, int, ty),
            TypeId::F32 | TypeId::F64 => self.cast(Op::Bitcast, int, ty),
            _ => int,
        }
    }

    /// The bytes of the integer `value` from byte `at` on, read as `ty`.
    pub(super) fn extract(&mut self, value: Value, at: u8, ty: TypeId) -> Value {
        let wide = self.graph.type_of(value);
        let mut part = value;
        if at != 0 {
            let amount = self.graph.int(wide, u64::from(at) * 8);
            part = self.op(Op::LShr, wide, [part.0, amount.0, 0]);
        }
        let narrow = int_of_bytes(self.store_size(ty));
        if narrow != wide {
            part = self.cast(Op::Trunc, part, narrow);
        }
        self.int_as(part, ty)
    }

    /// The integer `old` with its bytes from byte `at` on replaced by those of `value`.
    pub(super) fn insert(&mut self, old: Value, at: u8, value: Value) -> Value {
        let (wide, ty) = (self.graph.type_of(old), self.graph.type_of(value));
        let bits = self.store_size(ty) * 8;
        let mut part = self.as_int(value, ty);
        if self.graph.type_of(part) != wide {
            part = self.cast(Op::ZExt, part, wide);
        }
        if at != 0 {
            let amount = self.graph.int(wide, u64::from(at) * 8);
            part = self.op(Op::Shl, wide, [part.0, amount.0, 0]);
        }
        let hole = (u64::MAX >> (64 - bits)) << (u32::from(at) * 8);
        let mask = self.graph.int(wide, !hole);
        let rest = self.op(Op::And, wide, [old.0, mask.0, 0]);
        self.op(Op::Or, wide, [rest.0, part.0, 0])
    }

    /// `ty`, which has an integer, with all its bytes equal to `byte`.
    pub(super) fn repeat_byte(&mut self, byte: Value, ty: TypeId) -> Value {
        if self.graph.const_int(byte) == Some(0) {
            return self.graph.zero(ty);
        }
        let int = int_of_bytes(self.store_size(ty));
        let mut wide = byte;
        if int != TypeId::I8 {
            let ones = self.graph.int(int, u64::MAX / 255);
            wide = self.cast(Op::ZExt, byte, int);
            wide = self.op(Op::Mul, int, [wide.0, ones.0, 0]);
        }
        self.int_as(wide, ty)
    }
}
