//! Vectors in chunks: taking them apart, putting them together, constants.
//!
//! An operation's chunks need not be those in which its operands or its result are kept: `zext <8 x i8>` to i32 with
//! 128 bits reads one chunk and makes two. [`Pieces`] is a list of chunks of any lengths, from which any run of lanes can
//! be taken ([`Rewriter::piece`]): a whole one, a part of one, or several joined.

use super::machine::Lane;
use super::rewrite::{Parts, Res, Rewriter, Val};
use super::shape::{self, Shape};
use ir::{ConstKind, Op, TypeId, Value};
use smallvec::{SmallVec, smallvec};

/// Lanes in chunks: (first lane, lanes, value), in order.
#[derive(Clone, Debug)]
pub(super) struct Pieces {
    pub(super) lane: Lane,
    /// Single lanes are i1.
    pub(super) mask: bool,
    pub(super) list: SmallVec<[(u32, u32, Value); 8]>,
}

impl Rewriter<'_, '_> {
    /// The chunks of a vector of machine lanes or of a mask.
    pub(super) fn pieces(&self, value: &Val) -> Pieces {
        let (lane, n, mask) = match self.shape(value.ty) {
            Shape::Lanes(lane, n) => (lane, n, false),
            Shape::Mask(n) => (value.lane, n, true),
            _ => (Lane::I8, 0, false),
        };
        let chunks = shape::chunks(n, shape::longest(lane, self.cx.cpu));
        let list = chunks.zip(&value.parts);
        Pieces {
            lane,
            mask,
            list: list.map(|((at, len), &value)| (at, len, value)).collect(),
        }
    }

    /// The vector of type `ty` that the pieces make.
    pub(super) fn regroup(&mut self, ty: TypeId, pieces: &Pieces) -> Val {
        let n = self.types().vector(ty).map_or(0, |(_, n)| n);
        let chunks = shape::chunks(n, shape::longest(pieces.lane, self.cx.cpu));
        let mut parts = Parts::new();
        for (at, len) in chunks {
            parts.push(self.piece(pieces, at, len));
        }
        Val {
            ty,
            lane: pieces.lane,
            parts,
        }
    }

    /// Lanes `at..at + len` as one chunk, which the machine has.
    pub(super) fn piece(&mut self, pieces: &Pieces, at: u32, len: u32) -> Value {
        let within = |piece: &&(u32, u32, Value)| piece.0 <= at && at < piece.0 + piece.1;
        let Some(&(start, size, value)) = pieces.list.iter().find(within) else {
            return Value::NONE;
        };
        if start == at && size == len {
            return value;
        }
        if at + len <= start + size {
            return self.part_of(pieces, value, (size, at - start, len));
        }
        let covered = |piece: &&(u32, u32, Value)| piece.0 >= at && piece.0 < at + len;
        let all = || pieces.list.iter().filter(covered);
        if all().all(|piece| piece.1 == 1) {
            let scalars: SmallVec<[Value; 16]> = all().map(|piece| piece.2).collect();
            return self.gather(pieces, &scalars);
        }
        let half = len / 2;
        let a = self.piece(pieces, at, half);
        let b = self.piece(pieces, at + half, half);
        if half == 1 {
            return self.gather(pieces, &[a, b]);
        }
        let ty = self.chunk_type(pieces.lane, len);
        self.shuffle(ty, a, b, (0..len).collect())
    }

    /// Lanes `from..from + len` of a chunk of `size`.
    fn part_of(
        &mut self,
        pieces: &Pieces,
        value: Value,
        (size, from, len): (u32, u32, u32),
    ) -> Value {
        if let Some(lanes) = self.constant_lanes(value, size) {
            let part = &lanes[from as usize..(from + len) as usize];
            if len == 1 && pieces.mask {
                return self.out.bits(TypeId::I1, part[0] & 1);
            }
            if len == 1 {
                return self.out.bits(pieces.lane.ty(), part[0]);
            }
            return self.constant_vector(pieces.lane, part);
        }
        if len > 1 {
            let ty = self.chunk_type(pieces.lane, len);
            return self.shuffle(ty, value, value, (from..from + len).collect());
        }
        let index = self.out.number(from);
        let args = [value.0, index.0, 0];
        let lane = self.out.emit(Op::ExtractElement, 0, pieces.lane.ty(), args);
        match pieces.mask {
            true => self.out.cast(Op::Trunc, TypeId::I1, lane),
            false => lane,
        }
    }

    /// A chunk of single lanes.
    fn gather(&mut self, pieces: &Pieces, scalars: &[Value]) -> Value {
        let lane = pieces.lane;
        let known: Option<SmallVec<[u64; 16]>> = scalars
            .iter()
            .map(|&value| self.scalar_bits(value))
            .collect();
        if let Some(mut bits) = known {
            if pieces.mask {
                let ones = u64::MAX >> (64 - lane.bits());
                bits.iter_mut()
                    .for_each(|bit| *bit = if *bit & 1 != 0 { ones } else { 0 });
            }
            return self.constant_vector(lane, &bits);
        }
        let ty = self.chunk_type(lane, scalars.len() as u32);
        let mut vector = self.out.zero(ty);
        for (at, &scalar) in scalars.iter().enumerate() {
            if self.scalar_bits(scalar) == Some(0) {
                continue;
            }
            let scalar = match pieces.mask {
                true => self.out.cast(Op::SExt, lane.ty(), scalar),
                false => scalar,
            };
            let index = self.out.number(at as u32);
            vector = self
                .out
                .emit(Op::InsertElement, 0, ty, [vector.0, scalar.0, index.0]);
        }
        vector
    }

    /// A shuffle of two chunks of one type.
    pub(super) fn shuffle(
        &mut self,
        ty: TypeId,
        a: Value,
        b: Value,
        mask: SmallVec<[u32; 32]>,
    ) -> Value {
        let pool = self.out.words(mask);
        self.out.emit(Op::Shuffle, 0, ty, [a.0, b.0, pool])
    }

    /// The bits of a scalar that is a constant number.
    fn scalar_bits(&self, value: Value) -> Option<u64> {
        match self.out.constant(value)?.kind {
            ConstKind::Int(bits) | ConstKind::F64(bits) => Some(bits),
            ConstKind::F32(bits) => Some(u64::from(bits)),
            ConstKind::Zero => Some(0),
            _ => None,
        }
    }

    /// The bits of the lanes of a chunk that is constant.
    pub(super) fn constant_lanes(&self, value: Value, size: u32) -> Option<SmallVec<[u64; 16]>> {
        match self.out.constant(value)?.kind {
            ConstKind::Zero => Some(smallvec![0; size as usize]),
            ConstKind::Elements { start, len } => {
                let ids = &self.out.pool[start as usize..][..len as usize];
                let lane = |&id: &u32| self.scalar_bits(Value::constant(ir::ConstId(id)));
                ids.iter().map(lane).collect()
            }
            _ if size == 1 => self.scalar_bits(value).map(|bits| smallvec![bits]),
            _ => None,
        }
    }

    /// A constant chunk.
    pub(super) fn constant_vector(&mut self, lane: Lane, bits: &[u64]) -> Value {
        let ty = self.chunk_type(lane, bits.len() as u32);
        if bits.iter().all(|&bits| bits == 0) {
            return self.out.zero(ty);
        }
        if let [bits] = bits {
            return self.out.bits(lane.ty(), *bits);
        }
        let ids: SmallVec<[u32; 16]> = bits
            .iter()
            .filter_map(|&bits| self.out.bits(lane.ty(), bits).as_const())
            .map(|id| id.0)
            .collect();
        if let Some(&value) = self.cx.constants.get(&(ty, ids.clone())) {
            return value;
        }
        let start = self.out.words(ids.iter().copied());
        let len = bits.len() as u32;
        let value = self.out.intern(ty, ConstKind::Elements { start, len });
        self.cx.constants.insert((ty, ids), value);
        value
    }

    /// A chunk of `len` lanes that are all `bits`; a scalar for one.
    pub(super) fn splat(&mut self, lane: Lane, len: u32, bits: u64) -> Value {
        let bits: SmallVec<[u64; 32]> = smallvec![bits; len as usize];
        self.constant_vector(lane, &bits)
    }

    /// The same number in each lane of a vector of type `ty`.
    pub(super) fn splat_value(&mut self, ty: TypeId, bits: u64) -> Val {
        let Shape::Lanes(lane, n) = self.shape(ty) else {
            return self.zero(ty);
        };
        let mut parts = Parts::new();
        for (_, len) in shape::chunks(n, shape::longest(lane, self.cx.cpu)) {
            parts.push(self.splat(lane, len, bits));
        }
        Val::new(ty, parts)
    }

    /// The type of as many lanes as `ty` has, of another kind.
    pub(super) fn like(&mut self, ty: TypeId, elem: TypeId) -> TypeId {
        let n = self.types().vector(ty).map_or(1, |(_, n)| n);
        self.cx.vector(elem, n)
    }

    /// Lane `at` of any vector, as a value of the element's type; anything else is the same for all lanes.
    pub(super) fn lane(&mut self, value: &Val, at: u32) -> Val {
        let Some((elem, _)) = self.types().vector(value.ty) else {
            return value.clone();
        };
        if let Shape::Scattered(..) = self.shape(value.ty) {
            let count = self.count(elem);
            let parts = &value.parts[at as usize * count..][..count];
            return Val::new(elem, SmallVec::from_slice(parts));
        }
        let pieces = self.pieces(value);
        let mut lane = self.piece(&pieces, at, 1);
        if elem == TypeId::PTR {
            lane = self.out.cast(Op::IntToPtr, TypeId::PTR, lane);
        }
        Val::one(elem, lane)
    }

    /// A vector or an aggregate of these.
    pub(super) fn whole(&mut self, ty: TypeId, elements: &[Val]) -> Res<Val> {
        let (lane, mask) = match self.shape(ty) {
            Shape::Lanes(lane, _) => (lane, false),
            Shape::Mask(_) => (self.lane_of_type(ty), true),
            _ => {
                let mut parts = Parts::new();
                for element in elements {
                    let lane = self.lane_of_type(element.ty);
                    match self.shape(element.ty) {
                        Shape::Mask(_) => parts.extend(self.mask_to(element, lane).parts),
                        _ => parts.extend_from_slice(&element.parts),
                    }
                }
                return Ok(Val {
                    lane: self.lane_of_type(ty),
                    ..Val::new(ty, parts)
                });
            }
        };
        let address = self.types().scalar(ty) == TypeId::PTR;
        let mut list = SmallVec::new();
        for (at, element) in (0u32..).zip(elements) {
            let mut value = element.value();
            if address {
                value = match self.scalar_bits(value) {
                    Some(bits) => self.out.number(bits as u32),
                    None => self.out.cast(Op::PtrToInt, TypeId::I32, value),
                };
            }
            list.push((at, 1, value));
        }
        Ok(self.regroup(ty, &Pieces { lane, mask, list }))
    }

    /// The mask with other lanes.
    pub(super) fn mask_to(&mut self, mask: &Val, lane: Lane) -> Val {
        if mask.lane == lane {
            return mask.clone();
        }
        let from = self.pieces(mask);
        let n = self.types().vector(mask.ty).map_or(0, |(_, n)| n);
        let cpu = self.cx.cpu;
        let longest = shape::longest(lane, cpu).min(shape::longest(from.lane, cpu));
        let mut list = SmallVec::new();
        for (at, len) in shape::chunks(n, longest) {
            let value = self.piece(&from, at, len);
            list.push((at, len, self.mask_chunk(value, from.lane, lane, len)));
        }
        let to = Pieces {
            lane,
            mask: true,
            list,
        };
        self.regroup(mask.ty, &to)
    }

    /// One chunk of a mask with other lanes.
    fn mask_chunk(&mut self, value: Value, from: Lane, to: Lane, len: u32) -> Value {
        if len == 1 || from == to {
            return value;
        }
        if let Some(mut lanes) = self.constant_lanes(value, len) {
            let ones = u64::MAX >> (64 - to.bits());
            lanes
                .iter_mut()
                .for_each(|bits| *bits = if *bits & 1 != 0 { ones } else { 0 });
            return self.constant_vector(to, &lanes);
        }
        let ty = self.chunk_type(to, len);
        let op = if from.bits() < to.bits() {
            Op::SExt
        } else {
            Op::Trunc
        };
        self.out.cast(op, ty, value)
    }

    /// The mask as a vector of integers, all ones or 0.
    pub(super) fn mask_integers(&mut self, mask: &Val, lane: Lane) -> Val {
        let mask = self.mask_to(mask, lane);
        let ty = self.like(mask.ty, lane.ty());
        let mut parts = Parts::new();
        for (_, len, value) in self.pieces(&mask).list {
            parts.push(match len {
                1 => self.out.cast(Op::SExt, lane.ty(), value),
                _ => value,
            });
        }
        Val::new(ty, parts)
    }
}
