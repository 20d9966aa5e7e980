//! Loads, stores, and fields: what lies in memory is what the type's layout says, byte by byte.
//!
//! A vector of lanes of whole bytes lies in memory as its chunks, one behind the other; one of other lanes is
//! a row of bits, which is put together from the lanes' words and taken apart again. Wide integers
//! are their limbs, the highest with as many bytes as it needs. Nothing is touched behind the end.

use super::Stop;
use super::rewrite::{Parts, Res, Rewriter, Val};
use super::shape::{self, Shape};
use alloc::vec;
use alloc::vec::Vec;
use ir::{Inst, InstId, Intrinsic, MemFlags, Op, Type, TypeId, Value};
use smallvec::SmallVec;

impl Rewriter<'_, '_> {
    /// Accesses of memory.
    pub(super) fn memory(&mut self, id: InstId, inst: &Inst) -> Res {
        let [a, b, c] = inst.args;
        let address = self.scalar(Value(a))?;
        match inst.op {
            Op::Load => {
                let value = self.load_value(inst.ty, address, 0, MemFlags(b))?;
                self.set(id, &value);
            }
            Op::Store => {
                let value = self.get(Value(b))?;
                self.store_value(&value, address, 0, MemFlags(c))?;
            }
            Op::AtomicRmw => {
                let operand = self.scalar(Value(b))?;
                let old = self.exchange(inst, address, operand);
                self.set_one(id, old);
            }
            _ => {
                let words = self.old.words(b, 2);
                let (expected, new) = (Value(words[0]), Value(words[1]));
                let words = [self.scalar(expected)?.0, self.scalar(new)?.0];
                let pool = self.out.words(words);
                let args = [address.0, pool, c];
                let pair = self.out.emit(Op::CmpXchg, inst.flags.0, inst.ty, args);
                let value = self.fields_of(inst.ty, pair);
                self.set(id, &value);
            }
        }
        Ok(())
    }

    /// `AtomicRmw`. Floats are exchanged as the integers that their bits are.
    fn exchange(&mut self, inst: &Inst, address: Value, operand: Value) -> Value {
        let ty = self.memory_type(inst.ty);
        let int = match ty {
            TypeId::F32 => TypeId::I32,
            TypeId::F64 => TypeId::I64,
            _ => {
                let args = [address.0, operand.0, inst.args[2]];
                return self.out.emit(Op::AtomicRmw, inst.flags.0, ty, args);
            }
        };
        let bits = self.out.cast(Op::Bitcast, int, operand);
        let args = [address.0, bits.0, inst.args[2]];
        let old = self.out.emit(Op::AtomicRmw, inst.flags.0, int, args);
        self.out.cast(Op::Bitcast, ty, old)
    }

    /// The type of the access to a scalar of one part.
    fn memory_type(&self, ty: TypeId) -> TypeId {
        match self.shape(ty) {
            Shape::Half => TypeId::I16,
            _ => ty,
        }
    }

    /// A value from `at` bytes behind `address`.
    pub(super) fn load_value(
        &mut self,
        ty: TypeId,
        address: Value,
        at: u32,
        flags: MemFlags,
    ) -> Res<Val> {
        match self.shape(ty) {
            Shape::Machine | Shape::Half => {
                let part = self.memory_type(ty);
                Ok(Val::one(ty, self.out.load(part, address, at, flags)))
            }
            Shape::Extended => {
                let slot = self.extended_object();
                let from = self.out.offset(address, at);
                self.out
                    .intrinsic(Intrinsic::X87Copy, TypeId::VOID, &[slot, from]);
                Ok(Val::one(ty, slot))
            }
            Shape::Lanes(lane, n) => {
                let mut parts = Parts::new();
                for (first, len) in shape::chunks(n, shape::longest(lane, self.cx.cpu)) {
                    let ty = self.chunk_type(lane, len);
                    let at = at + first * lane.bits() / 8;
                    parts.push(self.out.load(ty, address, at, flags));
                }
                Ok(Val::new(ty, parts))
            }
            Shape::Wide(bits) => {
                let words = self.load_bits(bits, address, at, flags);
                Ok(Val::new(ty, Parts::from_slice(&words)))
            }
            Shape::Mask(n) => {
                let words = self.load_bits(n, address, at, flags);
                let lanes: Vec<Val> = (0..n)
                    .map(|lane| {
                        let word = self.bits_at(&words, lane, 1);
                        Val::one(TypeId::I1, self.narrowed(TypeId::I1, word))
                    })
                    .collect();
                self.whole(ty, &lanes)
            }
            Shape::Scattered(elem, n) => {
                let bits = self.types().int_bits(elem).unwrap_or(64);
                let words = self.load_bits(bits * n, address, at, flags);
                let mut lanes = Vec::new();
                for lane in 0..n {
                    lanes.push(self.integer_at(elem, &words, lane * bits, bits));
                }
                self.whole(ty, &lanes)
            }
            Shape::Aggregate => {
                let mut parts = Parts::new();
                for (field, offset) in self.field_offsets(ty) {
                    parts.extend(self.load_value(field, address, at + offset, flags)?.parts);
                }
                Ok(Val::new(ty, parts))
            }
            Shape::Void => Err(Stop::Unsupported("a load of such a type")),
        }
    }

    /// A value to `at` bytes behind `address`.
    pub(super) fn store_value(
        &mut self,
        value: &Val,
        address: Value,
        at: u32,
        flags: MemFlags,
    ) -> Res {
        let ty = value.ty;
        match self.shape(ty) {
            Shape::Machine | Shape::Half => {
                let part = self.memory_type(ty);
                self.out.store(part, address, at, value.value(), flags);
            }
            Shape::Extended => {
                let to = self.out.offset(address, at);
                self.out
                    .intrinsic(Intrinsic::X87Copy, TypeId::VOID, &[to, value.value()]);
            }
            Shape::Lanes(lane, _) => {
                for (first, len, part) in self.pieces(value).list {
                    let ty = self.chunk_type(lane, len);
                    let at = at + first * lane.bits() / 8;
                    self.out.store(ty, address, at, part, flags);
                }
            }
            Shape::Wide(bits) => self.store_bits(bits, &value.parts, address, at, flags),
            Shape::Mask(n) => {
                let words = self.mask_bits(value);
                self.store_bits(n, &words, address, at, flags);
            }
            Shape::Scattered(elem, n) => {
                let bits = self.types().int_bits(elem).unwrap_or(64);
                let mut words: Vec<Value> =
                    vec![self.out.word(0); (bits * n).div_ceil(64) as usize];
                for lane in 0..n {
                    let part = self.lane(value, lane);
                    self.put_integer(&mut words, &part, lane * bits, bits);
                }
                self.store_bits(bits * n, &words, address, at, flags);
            }
            Shape::Aggregate => {
                let mut from = 0;
                for (field, offset) in self.field_offsets(ty) {
                    let count = self.count(field);
                    let part = Val {
                        lane: self.lane_of_type(field),
                        ..Val::new(field, Parts::from_slice(&value.parts[from..from + count]))
                    };
                    from += count;
                    self.store_value(&part, address, at + offset, flags)?;
                }
            }
            Shape::Void => return Err(Stop::Unsupported("a store of such a type")),
        }
        Ok(())
    }

    /// The fields of an aggregate and where they are.
    fn field_offsets(&self, ty: TypeId) -> Vec<(TypeId, u32)> {
        let types = self.types();
        match types.get(ty) {
            Type::Array { elem, len } => {
                let size = types.layout(*elem).size;
                (0..*len).map(|at| (*elem, at * size)).collect()
            }
            Type::Struct { fields, .. } => {
                let offset = |at| types.field_offset(ty, at).unwrap_or(0);
                let fields = fields.iter().enumerate();
                fields.map(|(at, &field)| (field, offset(at))).collect()
            }
            _ => Vec::new(),
        }
    }

    /// So many bits of memory as words; those above are 0.
    fn load_bits(&mut self, bits: u32, address: Value, at: u32, flags: MemFlags) -> Vec<Value> {
        let words = (0..bits).step_by(64);
        words
            .map(|first| {
                let width = (bits - first).min(64);
                let ty = self.cx.int(width);
                let part = self.out.load(ty, address, at + first / 8, flags);
                self.widened_word(Op::ZExt, ty, part)
            })
            .collect()
    }

    /// Words to memory, as many bytes as the bits need; bits above them are 0.
    fn store_bits(&mut self, bits: u32, words: &[Value], address: Value, at: u32, flags: MemFlags) {
        for (first, &word) in (0..bits).step_by(64).zip(words) {
            let ty = self.cx.int((bits - first).min(64));
            let part = self.narrowed(ty, word);
            self.out.store(ty, address, at + first / 8, part, flags);
        }
    }

    /// At most 64 bits of a row of words, from bit `from` on; those above are 0.
    fn bits_at(&mut self, words: &[Value], from: u32, bits: u32) -> Value {
        let (word, shift) = ((from / 64) as usize, from % 64);
        let amount = self.out.word(u64::from(shift));
        let mut result = self.out.op64(Op::LShr, words[word], amount);
        if shift + bits > 64 {
            let up = self.out.word(u64::from(64 - shift));
            let high = self.out.op64(Op::Shl, words[word + 1], up);
            result = self.out.op64(Op::Or, result, high);
        }
        let mask = self.out.word(u64::MAX >> (64 - bits));
        self.out.op64(Op::And, result, mask)
    }

    /// An integer of any width in a row of words.
    fn integer_at(&mut self, ty: TypeId, words: &[Value], from: u32, bits: u32) -> Val {
        let limbs = (0..bits).step_by(64);
        let limbs: Parts = limbs
            .map(|first| self.bits_at(words, from + first, (bits - first).min(64)))
            .collect();
        match self.shape(ty) {
            Shape::Wide(_) => Val::new(ty, limbs),
            _ => Val::one(ty, self.narrowed(ty, limbs[0])),
        }
    }

    /// Puts an integer into a row of words, which are 0 there.
    fn put_integer(&mut self, words: &mut [Value], value: &Val, from: u32, bits: u32) {
        let limbs: SmallVec<[Value; 4]> = match self.shape(value.ty) {
            Shape::Wide(_) => value.parts.clone(),
            _ => SmallVec::from_slice(&[self.widened_word(Op::ZExt, value.ty, value.value())]),
        };
        for (first, limb) in (0..bits).step_by(64).zip(limbs) {
            let (word, shift) = (((from + first) / 64) as usize, (from + first) % 64);
            let amount = self.out.word(u64::from(shift));
            let low = self.out.op64(Op::Shl, limb, amount);
            words[word] = self.out.op64(Op::Or, words[word], low);
            if shift + (bits - first).min(64) > 64 {
                let down = self.out.word(u64::from(64 - shift));
                let high = self.out.op64(Op::LShr, limb, down);
                words[word + 1] = self.out.op64(Op::Or, words[word + 1], high);
            }
        }
    }

    /// `extractvalue` and `insertvalue`: parts taken from a list, or replaced in it.
    pub(super) fn fields(&mut self, id: InstId, inst: &Inst) -> Res {
        let [a, b, c] = inst.args;
        let whole = self.get(Value(a))?;
        let old = self.old;
        let path = match inst.op {
            Op::ExtractValue => old.words(b, c),
            _ => old.words(c + 1, old.words(c, 1)[0]),
        };
        let (mut ty, mut from) = (whole.ty, 0);
        for &at in path {
            let (field, before) = self.field_start(ty, at);
            (ty, from) = (field, from + before);
        }
        let count = self.count(ty);
        if inst.op == Op::ExtractValue {
            let field = Val {
                lane: self.lane_of_type(ty),
                ..Val::new(ty, Parts::from_slice(&whole.parts[from..from + count]))
            };
            self.set(id, &field);
            return Ok(());
        }
        let mut part = self.get(Value(b))?;
        if let Shape::Mask(_) = self.shape(ty) {
            let lane = self.lane_of_type(ty);
            part = self.mask_to(&part, lane);
        }
        let mut result = whole;
        result.parts[from..from + count].copy_from_slice(&part.parts);
        self.set(id, &result);
        Ok(())
    }

    /// The type of a field and the number of parts before it.
    fn field_start(&self, ty: TypeId, at: u32) -> (TypeId, usize) {
        match self.types().get(ty) {
            Type::Array { elem, .. } => (*elem, self.count(*elem) * at as usize),
            Type::Struct { fields, .. } => {
                let before = fields[..at as usize].iter();
                (
                    fields[at as usize],
                    before.map(|&field| self.count(field)).sum(),
                )
            }
            _ => (ty, 0),
        }
    }
}
