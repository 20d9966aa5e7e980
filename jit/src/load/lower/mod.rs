//! Intrinsics that are sequences of instructions.
//!
//! What the IR has no word for and every tier would have to learn is written out here in words that
//! it has. The tiers, the legaliser and the interpreter then agree by construction, and a sequence
//! costs only the code that uses it.

mod fpclass;
mod libm;
mod minmax;
mod va_arg;
mod x86;
mod x86_bits;
mod x86_lanes;
mod x86_mixed;

use bitcode::Predicate;
use ir::{ConstKind, Intrinsic, Op, Type, TypeId, Value};

pub(super) use minmax::MinMax;
pub(super) use x86::{X86, named};

use super::body::BodyLoader;
use super::error::{LoadError, Result};

impl BodyLoader<'_, '_, '_> {
    /// `a op b`, of the type of `a`.
    pub(super) fn binary_op(&mut self, op: Op, a: Value, b: Value) -> Value {
        self.emit(op, 0, self.type_of(a), [a.0, b.0, 0])
    }

    /// A conversion to `ty`; none at all if that is the type already.
    pub(super) fn convert(&mut self, op: Op, value: Value, ty: TypeId) -> Value {
        if self.type_of(value) == ty {
            return value;
        }
        self.emit(op, 0, ty, [value.0, 0, 0])
    }

    /// `cond ? a : b`, lane by lane if the condition is a vector.
    pub(super) fn choose(&mut self, cond: Value, a: Value, b: Value) -> Value {
        self.emit(Op::Select, 0, self.type_of(a), [cond.0, a.0, b.0])
    }

    /// A comparison without flags.
    pub(super) fn test(&mut self, pred: Predicate, a: Value, b: Value) -> Result<Value> {
        self.compare(pred, a, b, 0)
    }

    /// An intrinsic of the IR, of type `ty`.
    pub(super) fn apply(&mut self, which: Intrinsic, ty: TypeId, args: &[Value]) -> Value {
        let pool = self.builder.pool(args.iter().map(|value| value.0));
        self.emit(
            Op::Intrinsic,
            0,
            ty,
            [which as u32, pool, args.len() as u32],
        )
    }

    /// An integer constant of type `ty`, in every lane of a vector.
    pub(super) fn number(&mut self, ty: TypeId, bits: u128) -> Result<Value> {
        let words = [(bits & u128::from(u64::MAX)) as u64, (bits >> 64) as u64];
        let (elem, lanes) = match self.loader.module.types.vector(ty) {
            Some((elem, lanes)) => (elem, Some(lanes)),
            None => (ty, None),
        };
        let width = self.loader.module.types.int_bits(elem).unwrap_or(64);
        let one = self.int(elem, if width > 64 { &words } else { &words[..1] });
        let Some((lanes, id)) = lanes.zip(one.as_const()) else {
            return Ok(one);
        };
        self.elements_of(ty, alloc::vec![id.0; lanes as usize])
    }

    /// `elem`, or a vector of as many as `like` has lanes.
    pub(super) fn shaped(&mut self, elem: TypeId, like: TypeId) -> Result<TypeId> {
        match self.loader.module.types.vector(like) {
            Some((_, len)) => self.intern(Type::Vector { elem, len }),
            None => Ok(elem),
        }
    }

    /// The integer type as wide as `ty`, lane by lane.
    pub(super) fn bits_type(&mut self, ty: TypeId) -> Result<TypeId> {
        let scalar = self.loader.module.types.scalar(ty);
        let bits = match self.loader.module.types.get(scalar) {
            Type::Half => 16,
            Type::Float => 32,
            Type::Double => 64,
            Type::X86Fp80 => 80,
            Type::Int(bits) => *bits,
            _ => return Err(LoadError::malformed("number that has no bits")),
        };
        let elem = self.intern(Type::Int(bits))?;
        self.shaped(elem, ty)
    }

    /// Rearranged lanes of two vectors of one type.
    pub(super) fn shuffle(&mut self, a: Value, b: Value, lanes: &[u32]) -> Result<Value> {
        let elem = self.loader.module.types.scalar(self.type_of(a));
        let len = lanes.len() as u32;
        let ty = self.intern(Type::Vector { elem, len })?;
        let pool = self.builder.pool(lanes.iter().copied());
        Ok(self.emit(Op::Shuffle, 0, ty, [a.0, b.0, pool]))
    }

    /// Number of lanes; 1 for a scalar.
    pub(super) fn lanes_of(&self, value: Value) -> u32 {
        let lanes = self.loader.module.types.vector(self.type_of(value));
        lanes.map_or(1, |(_, lanes)| lanes)
    }

    /// The number that a constant operand is, which an instruction of the machine would encode.
    pub(super) fn immediate(&self, value: Value) -> Result<u64> {
        self.builder
            .body()
            .const_int(value)
            .ok_or_else(|| LoadError::malformed("operand that has to be a constant"))
    }

    /// Does something lane by lane and puts the results together; once, if `ty` is no vector.
    pub(super) fn each_lane(
        &mut self,
        ty: TypeId,
        mut f: impl FnMut(&mut Self, u32) -> Result<Value>,
    ) -> Result<Value> {
        let Some((_, lanes)) = self.loader.module.types.vector(ty) else {
            return f(self, 0);
        };
        let mut whole = self.builder.constant(ty, ConstKind::Zero);
        for lane in 0..lanes {
            let part = f(self, lane)?;
            whole = self.with_lane(whole, lane, part);
        }
        Ok(whole)
    }
}
