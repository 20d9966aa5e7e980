//! Constants as operands.
//!
//! Numbers, addresses and data become constants of the body. Expressions that are neither become
//! instructions of the prologue. Operands of both come first, so a constant is made with an
//! explicit stack; each is made once per function.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bitcode::{Constant, ConstantKind, Constants, ValueId};
use ir::verify::MAX_VALUE_SCALARS;
use ir::{ConstKind, Op, RelocTarget, Type, TypeId, Value};

use super::body::BodyLoader;
use super::error::{LoadError, Result};
use super::fold::{Folded, zero_extend};
use super::module::{Loader, Symbol};

/// Deepest nesting of constants, which also ends cycles.
const MAX_DEPTH: usize = 64;

impl BodyLoader<'_, '_, '_> {
    /// The value of a symbol or a constant, made now.
    pub(super) fn materialise(&mut self, root: ValueId) -> Result<Value> {
        if let Some(value) = self.leaf(root)? {
            self.define(root, value);
            return Ok(value);
        }
        let mut stack = alloc::vec![(root, 0usize)];
        let mut made = Value::NONE;
        while let Some((id, next)) = stack.last_mut() {
            let (id, at) = (*id, *next);
            *next = at.saturating_add(1);
            let Some(operand) = self.operand_of(id, at) else {
                made = self.compose(id)?;
                self.define(id, made);
                stack.pop();
                continue;
            };
            if self.known(operand).is_some() {
                continue;
            }
            match self.leaf(operand)? {
                Some(value) => self.define(operand, value),
                None if stack.len() >= MAX_DEPTH => {
                    return Err(LoadError::limit("depth of a constant"));
                }
                None => stack.push((operand, 0)),
            }
        }
        Ok(made)
    }

    /// The constant with this id and the pools that its lists lie in.
    fn find(&self, id: ValueId) -> Result<(Constant, &Constants)> {
        let constant = self.loader.constant(id, Some(self.constants()));
        let constant =
            constant.ok_or_else(|| LoadError::malformed("constant made of what is not one"))?;
        Ok((
            constant.clone(),
            self.loader.pools(id, Some(self.constants())),
        ))
    }

    /// The value of a constant that is not made of others.
    fn leaf(&mut self, id: ValueId) -> Result<Option<Value>> {
        // Most constants are numbers.
        if let Some((number, ty, bits)) = self.plain_int(id) {
            let ty = self.ty(ty)?;
            let number = zero_extend(number.cast_unsigned(), bits);
            return Ok(Some(self.builder.int(ty, number)));
        }
        if let Some(&symbol) = self.loader.symbols.get(id.0 as usize) {
            if let Some(target) = Loader::symbol_target(symbol) {
                return Ok(Some(self.symbol(Some(target), 0)));
            }
            let folded = self.fold(id)?;
            return self.folded(folded, TypeId::PTR).map(Some);
        }
        let (constant, pools) = self.find(id)?;
        let ty = self.ty(constant.ty)?;
        let value = match constant.kind {
            ConstantKind::Null | ConstantKind::Undef | ConstantKind::Poison => self.zero(ty),
            ConstantKind::Int(value) => self.stored_int(ty, &[value.cast_unsigned()]),
            ConstantKind::WideInt(span) => {
                let words = pools.words(span).to_vec();
                self.stored_int(ty, &words)
            }
            ConstantKind::Float(bits) => self.float(ty, bits),
            ConstantKind::WideFloat(span) => {
                let words = pools.words(span).to_vec();
                self.wide(ty, &words, 0)
            }
            ConstantKind::Data(span) => {
                let bytes = pools.bytes(span).to_vec();
                self.data(ty, &bytes)?
            }
            ConstantKind::InlineAsm(_) => {
                return Err(LoadError::unsupported("inline assembly as a value"));
            }
            ConstantKind::BlockAddress { function, .. }
                if self.loader.symbols.get(function.0 as usize).is_none_or(
                    |symbol| !matches!(symbol, Symbol::Func(id) if *id == self.own),
                ) =>
            {
                let what = "address of a block of another function";
                return Err(LoadError::unsupported(what));
            }
            ConstantKind::Other(name) => return Err(LoadError::unsupported(name)),
            _ => match self.fold(id)? {
                Folded::Opaque => return Ok(None),
                folded => self.folded(folded, ty)?,
            },
        };
        Ok(Some(value))
    }

    /// The operand at index `at` of a constant that is made of others.
    fn operand_of(&self, id: ValueId, at: usize) -> Option<ValueId> {
        let (constant, pools) = self.find(id).ok()?;
        let of = |operands: &[ValueId]| operands.get(at).copied();
        match constant.kind {
            ConstantKind::Aggregate(span) | ConstantKind::Select(span) => pools.id_at(span, at),
            ConstantKind::Compare { operands, .. } => pools.id_at(operands, at),
            ConstantKind::Gep { operands, .. } => {
                pools.id_at(operands, at.checked_mul(2)?.checked_add(1)?)
            }
            ConstantKind::Binary { lhs, rhs, .. } => of(&[lhs, rhs]),
            ConstantKind::Cast { value, .. } | ConstantKind::Neg(value) => of(&[value]),
            _ => None,
        }
    }

    /// Makes a constant from operands that are all known.
    fn compose(&mut self, id: ValueId) -> Result<Value> {
        let (constant, pools) = self.find(id)?;
        let ty = self.ty(constant.ty)?;
        if let ConstantKind::Aggregate(span) = constant.kind {
            let ids: Vec<ValueId> = pools.ids(span).take(MAX_VALUE_SCALARS as usize).collect();
            return self.elements(ty, &ids);
        }
        let operands: Vec<ValueId> = (0..=MAX_DEPTH)
            .map_while(|at| self.operand_of(id, at))
            .collect();
        let values: Option<Vec<Value>> = operands.iter().map(|id| self.known(*id)).collect();
        let values = values.ok_or_else(|| LoadError::malformed("constant without operands"))?;
        let outer = core::mem::replace(&mut self.in_prologue, true);
        let value = self.expression(&constant, ty, &values);
        self.in_prologue = outer;
        value
    }

    /// Computes an expression in the prologue, with the methods that translate instructions.
    fn expression(&mut self, constant: &Constant, ty: TypeId, values: &[Value]) -> Result<Value> {
        match (&constant.kind, values) {
            (ConstantKind::Binary { op, .. }, &[lhs, rhs]) => self.binary(*op, lhs, rhs, 0),
            (ConstantKind::Neg(_), &[value]) => Ok(self.emit(Op::FNeg, 0, ty, [value.0, 0, 0])),
            (ConstantKind::Cast { op, .. }, &[value]) => self.cast(*op, value, ty, 0),
            (ConstantKind::Compare { pred, .. }, &[lhs, rhs]) => self.compare(*pred, lhs, rhs, 0),
            (ConstantKind::Select(_), &[cond, if_true, if_false]) => {
                Ok(self.emit(Op::Select, 0, ty, [cond.0, if_true.0, if_false.0]))
            }
            (
                ConstantKind::Gep {
                    element: Some(element),
                    inbounds,
                    ..
                },
                &[base, ref indices @ ..],
            ) => self.address(*element, base, indices, u32::from(*inbounds)),
            _ => Err(LoadError::unsupported("constant expression")),
        }
    }

    /// A number or an address as a value of type `ty`.
    ///
    /// The IR's constants are symbols plus a number, of type `ptr`. Everything else about addresses is
    /// computed: as an integer, as a difference of two, as a function plus an offset.
    fn folded(&mut self, folded: Folded, ty: TypeId) -> Result<Value> {
        let (plus, minus, add) = match folded {
            Folded::Int(value) => return Ok(self.int(ty, &[value])),
            Folded::Address { plus, minus, add } => (plus, minus, add),
            Folded::Opaque => return Err(LoadError::unsupported("constant expression")),
        };
        if minus.is_none() && ty == TypeId::PTR {
            return Ok(self.symbol(plus, add));
        }
        let outer = core::mem::replace(&mut self.in_prologue, true);
        let mut value = self.symbol(plus, add);
        if ty != TypeId::PTR || minus.is_some() {
            let number = if ty == TypeId::PTR { TypeId::I32 } else { ty };
            value = self.emit(Op::PtrToInt, 0, number, [value.0, 0, 0]);
            if let Some(minus) = minus {
                let less = self.symbol(Some(minus), 0);
                let less = self.emit(Op::PtrToInt, 0, number, [less.0, 0, 0]);
                value = self.emit(Op::Sub, 0, number, [value.0, less.0, 0]);
            }
            if ty == TypeId::PTR {
                value = self.emit(Op::IntToPtr, 0, ty, [value.0, 0, 0]);
            }
        }
        self.in_prologue = outer;
        Ok(value)
    }

    /// The address of a symbol plus a number.
    fn symbol(&mut self, symbol: Option<RelocTarget>, add: u32) -> Value {
        let offset = add.cast_signed();
        match symbol {
            None => self.builder.int(TypeId::PTR, u64::from(add)),
            Some(RelocTarget::Global(id)) => self
                .builder
                .constant(TypeId::PTR, ConstKind::Global { id, offset }),
            Some(RelocTarget::Func(id)) => {
                let function = self.builder.constant(TypeId::PTR, ConstKind::Func(id));
                if add == 0 {
                    return function;
                }
                let outer = core::mem::replace(&mut self.in_prologue, true);
                let value = self.emit(Op::PtrAdd, 0, TypeId::PTR, [function.0, Value::NONE.0, add]);
                self.in_prologue = outer;
                value
            }
        }
    }

    /// Zero of any type, in the form in which numbers of that type are written.
    pub(super) fn zero(&mut self, ty: TypeId) -> Value {
        match self.loader.module.types.get(ty) {
            Type::Int(1..=64) | Type::Ptr => self.builder.int(ty, 0),
            Type::Float | Type::Double | Type::Half => self.float(ty, 0),
            _ => self.builder.constant(ty, ConstKind::Zero),
        }
    }

    /// An integer as a file has it: LLVM leaves out words of zeros at the top, and only those.
    fn stored_int(&mut self, ty: TypeId, words: &[u64]) -> Value {
        match self.loader.module.types.int_bits(ty) {
            Some(65..) => self.wide(ty, words, 0),
            _ => self.int(ty, words),
        }
    }

    /// An integer from words, the last of them sign-extended.
    pub(super) fn int(&mut self, ty: TypeId, words: &[u64]) -> Value {
        let bits = self.loader.module.types.int_bits(ty).unwrap_or(64);
        let low = words.first().copied().unwrap_or(0);
        if bits <= 64 {
            return self.builder.int(ty, zero_extend(low, bits));
        }
        let negative = words.last().is_some_and(|word| word.cast_signed() < 0);
        self.wide(ty, words, if negative { u64::MAX } else { 0 })
    }

    /// A number of more than 64 bits; `fill` stands for the words that are not given.
    fn wide(&mut self, ty: TypeId, words: &[u64], fill: u64) -> Value {
        let types = &self.loader.module.types;
        let bits = types.int_bits(ty).unwrap_or(80);
        let words = words.iter().copied().chain(core::iter::repeat(fill));
        let mut left = bits;
        let mut halves = Vec::new();
        for word in words.take(bits.div_ceil(64) as usize) {
            let word = zero_extend(word, left.min(64));
            left = left.saturating_sub(64);
            halves.extend([(word & 0xFFFF_FFFF) as u32, (word >> 32) as u32]);
        }
        let start = self.builder.pool(halves);
        self.builder.constant(ty, ConstKind::Wide { start })
    }

    /// A half, float or double from its bits.
    fn float(&mut self, ty: TypeId, bits: u64) -> Value {
        let kind = match self.loader.module.types.get(ty) {
            Type::Double => ConstKind::F64(bits),
            _ => ConstKind::F32((bits & 0xFFFF_FFFF) as u32),
        };
        self.builder.constant(ty, kind)
    }

    /// Array or vector data: its elements, from the bytes that memory would hold.
    fn data(&mut self, ty: TypeId, bytes: &[u8]) -> Result<Value> {
        let element = match self.loader.module.types.get(ty) {
            Type::Vector { elem, .. } | Type::Array { elem, .. } => *elem,
            _ => return Err(LoadError::malformed("data constant of a scalar type")),
        };
        let size = (self.loader.module.types.layout(element).size as usize).max(1);
        let mut ids = Vec::new();
        for chunk in bytes.chunks_exact(size).take(MAX_VALUE_SCALARS as usize) {
            let bits = chunk
                .iter()
                .rev()
                .fold(0, |bits, byte| bits << 8 | u64::from(*byte));
            let is_float = self.loader.module.types.is_float(element);
            let value = if is_float {
                self.float(element, bits)
            } else {
                self.int(element, &[bits])
            };
            ids.extend(value.as_const().map(|id| id.0));
        }
        self.elements_of(ty, ids)
    }

    /// An aggregate of constants that were made before. Late values among them have no constant.
    fn elements(&mut self, ty: TypeId, ids: &[ValueId]) -> Result<Value> {
        let consts = ids.iter().map(|id| Some(self.known(*id)?.as_const()?.0));
        let consts: Option<Vec<u32>> = consts.collect();
        let what = "constant expression inside a constant aggregate";
        self.elements_of(ty, consts.ok_or_else(|| LoadError::unsupported(what))?)
    }

    /// An aggregate or vector from the ids of its elements, which the pool then holds.
    pub(super) fn elements_of(&mut self, ty: TypeId, ids: Vec<u32>) -> Result<Value> {
        let len = ids.len() as u32;
        let start = self.builder.pool(ids);
        Ok(self
            .builder
            .constant(ty, ConstKind::Elements { start, len }))
    }

    /// The lanes that the mask of a shuffle names; `u32::MAX` is any.
    pub(super) fn shuffle_mask(&mut self, mask: ValueId) -> Result<Vec<u32>> {
        let (constant, pools) = self.find(mask)?;
        let types = self.loader.source.types();
        let bitcode::Type::Vector { lanes, .. } = types.get(constant.ty) else {
            return Err(LoadError::malformed(
                "shuffle with a mask that is no vector",
            ));
        };
        let lanes = *lanes as usize;
        match constant.kind {
            ConstantKind::Null => Ok(alloc::vec![0; lanes]),
            ConstantKind::Undef | ConstantKind::Poison => Ok(alloc::vec![u32::MAX; lanes]),
            ConstantKind::Data(span) => {
                let (words, _) = pools.bytes(span).as_chunks::<4>();
                Ok(words.iter().map(|word| u32::from_le_bytes(*word)).collect())
            }
            ConstantKind::Aggregate(span) => {
                let ids: Vec<ValueId> = pools.ids(span).take(lanes).collect();
                let lane = |id: &ValueId| match self.find(*id)?.0.kind {
                    ConstantKind::Int(lane) => u32::try_from(lane).map_err(|_| no_lane()),
                    ConstantKind::Null => Ok(0),
                    ConstantKind::Undef | ConstantKind::Poison => Ok(u32::MAX),
                    _ => Err(no_lane()),
                };
                ids.iter().map(lane).collect()
            }
            _ => Err(no_lane()),
        }
    }
}

/// A mask that names no lane.
fn no_lane() -> Box<LoadError> {
    LoadError::malformed("shuffle with a mask that is no constant of lanes")
}
