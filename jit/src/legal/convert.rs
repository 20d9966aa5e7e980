//! Conversions of vectors, and `bitcast` of anything.

use super::Stop;
use super::machine::{self, Lane, Vector};
use super::pieces::Pieces;
use super::rewrite::{Do, Parts, Res, Rewriter, Val};
use super::shape::{self, Shape};
use alloc::vec;
use alloc::vec::Vec;
use ir::{IntPred, Intrinsic, Op, Type, TypeId, Value};
use smallvec::SmallVec;

impl Rewriter<'_, '_> {
    /// A conversion of all lanes of a vector.
    pub(super) fn vector_cast(&mut self, what: Do, ty: TypeId, value: &Val) -> Res<Val> {
        if self.is_half(value.ty) || self.is_half(ty) {
            return self.half_vector_cast(what, ty, value);
        }
        match (self.shape(value.ty), self.shape(ty)) {
            (Shape::Mask(_), Shape::Lanes(to, _)) => self.cast_mask(what, ty, value, to),
            (Shape::Lanes(..), Shape::Mask(_)) if what.op == Op::Trunc => {
                let ones = self.splat_value(value.ty, 1);
                let bit = self.compute(Do::op(Op::And), value.ty, &[value.clone(), ones])?;
                let zero = self.zero(value.ty);
                let ne = Do {
                    flags: IntPred::Ne as u8,
                    ..Do::op(Op::ICmp)
                };
                self.compute(ne, ty, &[bit, zero])
            }
            (Shape::Lanes(from, _), Shape::Lanes(to, _)) => {
                self.cast_lanes(what, ty, value, (from, to))
            }
            _ => self.scalarised(what, ty, core::slice::from_ref(value)),
        }
    }

    /// Truth values to numbers: a mask is their sign extension.
    fn cast_mask(&mut self, what: Do, ty: TypeId, value: &Val, to: Lane) -> Res<Val> {
        match what.op {
            Op::SExt => {
                let numbers = self.mask_integers(value, to);
                Ok(Val { ty, ..numbers })
            }
            Op::ZExt => {
                let numbers = self.mask_integers(value, to);
                let ones = self.splat_value(numbers.ty, 1);
                self.compute(Do::op(Op::And), ty, &[numbers, ones])
            }
            Op::SiToFp | Op::UiToFp => {
                let ints = self.like(ty, TypeId::I32);
                let extend = if what.op == Op::SiToFp {
                    Op::SExt
                } else {
                    Op::ZExt
                };
                let numbers = self.cast_mask(Do::op(extend), ints, value, Lane::I32)?;
                self.compute(Do::op(Op::SiToFp), ty, &[numbers])
            }
            _ => self.scalarised(what, ty, core::slice::from_ref(value)),
        }
    }

    fn cast_lanes(&mut self, what: Do, ty: TypeId, value: &Val, lanes: (Lane, Lane)) -> Res<Val> {
        let (from, to) = lanes;
        let cpu = self.cx.cpu;
        let mut what = what;
        if matches!(what.op, Op::PtrToInt | Op::IntToPtr) {
            what = Do::op(match from.bits().cmp(&to.bits()) {
                core::cmp::Ordering::Less => Op::ZExt,
                core::cmp::Ordering::Equal => {
                    return Ok(Val {
                        ty,
                        ..value.clone()
                    });
                }
                core::cmp::Ordering::Greater => Op::Trunc,
            });
            // From here on addresses are numbers.
            let (from, to) = (self.like(value.ty, from.ty()), self.like(ty, to.ty()));
            let value = Val {
                ty: from,
                ..value.clone()
            };
            let cast = self.cast_lanes(what, to, &value, lanes)?;
            return Ok(Val { ty, ..cast });
        }
        let narrow = |lane| matches!(lane, Lane::I8 | Lane::I16);
        if matches!(what.op, Op::SiToFp | Op::UiToFp) && narrow(from) {
            let ints = self.like(ty, TypeId::I32);
            let extend = if what.op == Op::SiToFp {
                Op::SExt
            } else {
                Op::ZExt
            };
            let value = self.compute(Do::op(extend), ints, core::slice::from_ref(value))?;
            return self.compute(Do::op(Op::SiToFp), ty, &[value]);
        }
        if matches!(what.op, Op::FpToSi | Op::FpToUi) && narrow(to) {
            let ints = self.like(ty, TypeId::I32);
            let value = self.compute(Do::op(Op::FpToSi), ints, core::slice::from_ref(value))?;
            return self.compute(Do::op(Op::Trunc), ty, &[value]);
        }
        let has = |lanes| {
            let of = |lane| Vector { lane, lanes };
            machine::supports_cast(what.op, of(from), of(to), cpu)
        };
        let args = core::slice::from_ref(value);
        self.chunked(
            what,
            ty,
            args,
            (&[from, to], to),
            has,
            |this, len, values| {
                let ty = this.chunk_type(to, len);
                this.machine_op(what, ty, values)
            },
        )
    }

    /// The same bits as another type: chunk by chunk, limb by limb, or through memory.
    pub(super) fn bitcast(&mut self, ty: TypeId, value: &Val) -> Res<Val> {
        if value.ty == ty {
            return Ok(value.clone());
        }
        match (self.shape(value.ty), self.shape(ty)) {
            (Shape::Machine, Shape::Machine) | (Shape::Half, Shape::Half) => Ok(Val::one(
                ty,
                self.machine(Do::op(Op::Bitcast), ty, core::slice::from_ref(value)),
            )),
            (Shape::Half, Shape::Machine) | (Shape::Machine, Shape::Half) => {
                Ok(Val::one(ty, value.value()))
            }
            (Shape::Mask(n), Shape::Machine) if self.types().int_bits(ty) == Some(n) => {
                let bits = self.mask_bits(value);
                Ok(Val::one(ty, self.narrowed(ty, bits[0])))
            }
            (from, to) if self.chunk_sizes(value.ty, from).is_some() => {
                let (Some(from), Some(to)) =
                    (self.chunk_sizes(value.ty, from), self.chunk_sizes(ty, to))
                else {
                    return self.through_memory(ty, value);
                };
                if from != to {
                    return self.through_memory(ty, value);
                }
                self.bitcast_chunks(ty, value)
            }
            _ => self.through_memory(ty, value),
        }
    }

    /// Bits of each part of a value that is a row of whole machine values; `None` for others.
    fn chunk_sizes(&self, ty: TypeId, shape: Shape) -> Option<Parts32> {
        let cpu = self.cx.cpu;
        match shape {
            Shape::Machine if self.types().get(ty) != &Type::Ptr => {
                Some(Parts32::from_slice(&[self.types().layout(ty).size * 8]))
            }
            Shape::Lanes(lane, n) => Some(
                shape::chunks(n, shape::longest(lane, cpu))
                    .map(|(_, len)| len * lane.bits())
                    .collect(),
            ),
            _ => None,
        }
    }

    fn bitcast_chunks(&mut self, ty: TypeId, value: &Val) -> Res<Val> {
        let mut types = Vec::new();
        self.transport(ty, &mut types);
        let pairs = value.parts.iter().zip(types);
        let parts: Parts = pairs
            .map(|(&part, ty)| match self.out_type(part) == ty {
                true => part,
                false => self.out.cast(Op::Bitcast, ty, part),
            })
            .collect();
        Ok(Val::new(ty, parts))
    }

    /// The truth values of a mask as bits of words, lane 0 lowest. Chunks begin at multiples of their length,
    /// so none lies in two words.
    pub(super) fn mask_bits(&mut self, mask: &Val) -> Vec<Value> {
        let pieces = self.pieces(mask);
        let n = pieces.list.last().map_or(0, |last| last.0 + last.1);
        let mut words = vec![self.out.word(0); n.div_ceil(64) as usize];
        for (at, len, value) in pieces.list {
            let some = match len {
                1 => self.out.cast(Op::ZExt, TypeId::I64, value),
                _ => {
                    let some = self
                        .out
                        .intrinsic(Intrinsic::MoveMask, TypeId::I32, &[value]);
                    self.out.cast(Op::ZExt, TypeId::I64, some)
                }
            };
            let word = &mut words[at as usize / 64];
            let at = self.out.word(u64::from(at % 64));
            let some = self.out.op64(Op::Shl, some, at);
            *word = self.out.op64(Op::Or, *word, some);
        }
        words
    }

    /// An i64 as an integer of at most 64 bits, or as an address.
    pub(super) fn narrowed(&mut self, ty: TypeId, word: Value) -> Value {
        if ty == TypeId::I64 {
            return word;
        }
        if ty == TypeId::PTR {
            return self.out.cast(Op::IntToPtr, ty, word);
        }
        match self.out.const_int(word) {
            Some(bits) => {
                let width = self.types().int_bits(ty).unwrap_or(64).clamp(1, 64);
                self.out.bits(ty, bits & u64::MAX >> (64 - width))
            }
            None => self.out.cast(Op::Trunc, ty, word),
        }
    }

    /// An integer of at most 64 bits, or an address, as an i64.
    pub(super) fn widened_word(&mut self, op: Op, ty: TypeId, value: Value) -> Value {
        match ty {
            TypeId::I64 => value,
            TypeId::PTR => self.out.cast(Op::PtrToInt, TypeId::I64, value),
            _ => match self.out.const_int(value) {
                Some(bits) if op == Op::ZExt => self.out.word(bits),
                _ => self.out.cast(op, TypeId::I64, value),
            },
        }
    }

    /// Stores the value and loads it as another type: what `bitcast` means by its definition.
    fn through_memory(&mut self, ty: TypeId, value: &Val) -> Res<Val> {
        let bytes = self.types().layout(value.ty).size;
        let bytes = bytes.max(self.types().layout(ty).size);
        let place = self.scratch(bytes);
        let flags = self.plain();
        self.store_value(value, place, 0, flags)?;
        self.load_value(ty, place, 0, flags)
    }

    /// `extractelement`, `insertelement`, `shufflevector`.
    pub(super) fn lanes(&mut self, inst: &ir::Inst) -> Res<Val> {
        let [a, b, c] = inst.args;
        let vector = self.get(Value(a))?;
        let (_, n) = self.types().vector(vector.ty).unwrap_or((TypeId::VOID, 1));
        if inst.op == Op::Shuffle {
            let second = self.get(Value(b))?;
            let (_, len) = self.types().vector(inst.ty).unwrap_or((TypeId::VOID, 0));
            let old = self.old;
            return self.shuffled(inst.ty, &vector, &second, old.words(c, len));
        }
        let at = if inst.op == Op::ExtractElement { b } else { c };
        let modulus = u64::from(n.next_power_of_two());
        let Some(at) = self.old.const_int(Value(at)) else {
            return self.dynamic_lane(inst, &vector, Value(at));
        };
        let at = (at % modulus) as u32;
        if inst.op == Op::ExtractElement {
            return Ok(match at < n {
                true => self.lane(&vector, at),
                false => self.zero(inst.ty),
            });
        }
        if at >= n {
            return Ok(vector);
        }
        let part = self.get(Value(b))?;
        self.with_lane(&vector, at, &part)
    }

    /// The vector with lane `at` replaced.
    fn with_lane(&mut self, vector: &Val, at: u32, part: &Val) -> Res<Val> {
        let mut result = vector.clone();
        if let Shape::Scattered(elem, _) = self.shape(vector.ty) {
            let count = self.count(elem);
            result.parts[at as usize * count..][..count].copy_from_slice(&part.parts);
            return Ok(result);
        }
        let pieces = self.pieces(vector);
        let within = |piece: &(u32, u32, Value)| piece.0 <= at && at < piece.0 + piece.1;
        let Some(chunk) = pieces.list.iter().position(within) else {
            return Ok(result);
        };
        let (start, len, value) = pieces.list[chunk];
        let mut part = part.value();
        if self.types().scalar(vector.ty) == TypeId::PTR {
            part = self.out.cast(Op::PtrToInt, TypeId::I32, part);
        }
        if len == 1 {
            result.parts[chunk] = part;
            return Ok(result);
        }
        if pieces.mask {
            part = self.out.cast(Op::SExt, pieces.lane.ty(), part);
        }
        let ty = self.chunk_type(pieces.lane, len);
        let index = self.out.number(at - start);
        result.parts[chunk] = self
            .out
            .emit(Op::InsertElement, 0, ty, [value.0, part.0, index.0]);
        Ok(result)
    }

    /// A lane whose number is not known: in memory. The places of lanes up to the next power of two are
    /// there; what is read from one that does not exist is 0, and what is written to it is lost.
    fn dynamic_lane(&mut self, inst: &ir::Inst, vector: &Val, at: Value) -> Res<Val> {
        let (elem, n) = self.types().vector(vector.ty).unwrap_or((TypeId::VOID, 1));
        let masked = matches!(self.shape(vector.ty), Shape::Mask(_));
        let vector = match masked {
            true => self.mask_integers(vector, Lane::I8),
            false => vector.clone(),
        };
        let (elem, stored) = if masked {
            (TypeId::I8, TypeId::I8)
        } else {
            (elem, elem)
        };
        let stride = self.types().layout(stored).size.next_power_of_two();
        let places = n.next_power_of_two();
        let place = self.scratch(stride * places);
        let flags = self.plain();
        let packed = stride * 8 == self.types().layout(stored).store * 8
            && matches!(self.shape(vector.ty), Shape::Lanes(..));
        match packed {
            true => self.store_value(&vector, place, 0, flags)?,
            false => {
                for lane in 0..n {
                    let value = self.lane(&vector, lane);
                    self.store_value(&value, place, lane * stride, flags)?;
                }
            }
        }
        if inst.op == Op::ExtractElement {
            for lane in n..places {
                let zero = self.zero(elem);
                self.store_value(&zero, place, lane * stride, flags)?;
            }
        }
        let index_type = self.old.type_of(at);
        let index = self.scalar(at)?;
        let index = self.widened_word(Op::ZExt, index_type, index);
        let mask = self.out.word(u64::from(places - 1));
        let index = self.out.op64(Op::And, index, mask);
        let index = self.out.cast(Op::Trunc, TypeId::I32, index);
        let pool = self.out.words([stride, 0]);
        let address = self
            .out
            .emit(Op::PtrAdd, 0, TypeId::PTR, [place.0, index.0, pool]);
        if inst.op == Op::ExtractElement {
            let value = self.load_value(elem, address, 0, flags)?;
            if !masked {
                return Ok(value);
            }
            let truth = self.out.cast(Op::Trunc, TypeId::I1, value.value());
            return Ok(Val::one(inst.ty, truth));
        }
        let mut part = self.get(Value(inst.args[1]))?;
        if masked {
            part = Val::one(elem, self.out.cast(Op::SExt, TypeId::I8, part.value()));
        }
        self.store_value(&part, address, 0, flags)?;
        let mut lanes = Vec::new();
        for lane in 0..n {
            let value = self.load_value(elem, place, lane * stride, flags)?;
            lanes.push(match masked {
                true => Val::one(
                    TypeId::I1,
                    self.out.cast(Op::Trunc, TypeId::I1, value.value()),
                ),
                false => value,
            });
        }
        self.whole(inst.ty, &lanes)
    }

    /// Lanes chosen from two vectors.
    fn shuffled(&mut self, ty: TypeId, a: &Val, b: &Val, mask: &[u32]) -> Res<Val> {
        let (elem, n) = self.types().vector(a.ty).unwrap_or((TypeId::VOID, 0));
        if let Shape::Scattered(..) = self.shape(a.ty) {
            let mut parts = Parts::new();
            for &at in mask {
                parts.extend(match at {
                    u32::MAX => self.zero(elem).parts,
                    at if at < n => self.lane(a, at).parts,
                    at => self.lane(b, at - n).parts,
                });
            }
            return Ok(Val::new(ty, parts));
        }
        let b = match self.shape(a.ty) {
            Shape::Mask(_) => self.mask_to(b, a.lane),
            _ => b.clone(),
        };
        let (first, second) = (self.pieces(a), self.pieces(&b));
        let lane = first.lane;
        let mut all = first;
        all.list.extend(
            second
                .list
                .iter()
                .map(|&(at, len, value)| (at + n, len, value)),
        );
        let mut parts = Parts::new();
        for (at, len) in shape::chunks(mask.len() as u32, shape::longest(lane, self.cx.cpu)) {
            let wanted = &mask[at as usize..(at + len) as usize];
            parts.push(self.shuffled_chunk(&all, wanted));
        }
        Ok(Val { ty, lane, parts })
    }

    /// One chunk of a shuffle: what each source chunk gives is put in its place, and these are merged.
    fn shuffled_chunk(&mut self, all: &Pieces, wanted: &[u32]) -> Value {
        let len = wanted.len() as u32;
        if let [at] = *wanted {
            return match at {
                u32::MAX if all.mask => self.out.bits(TypeId::I1, 0),
                u32::MAX => self.out.bits(all.lane.ty(), 0),
                at => self.piece(all, at, 1),
            };
        }
        let ty = self.chunk_type(all.lane, len);
        if wanted
            .windows(2)
            .all(|pair| pair[0] != u32::MAX && pair[1] == pair[0].wrapping_add(1))
            && all
                .list
                .iter()
                .any(|piece| piece.0 <= wanted[0] && wanted[0] + len <= piece.0 + piece.1)
        {
            return self.piece(all, wanted[0], len);
        }
        let mut done = vec![false; wanted.len()];
        let result = self.merged_chunks(all, wanted, &mut done);
        let mut result = result.unwrap_or_else(|| self.out.zero(ty));
        for (k, &at) in wanted.iter().enumerate() {
            if done[k] || at == u32::MAX {
                continue;
            }
            let mut scalar = self.piece(all, at, 1);
            if all.mask {
                scalar = self.out.cast(Op::SExt, all.lane.ty(), scalar);
            }
            let index = self.out.number(k as u32);
            result = self
                .out
                .emit(Op::InsertElement, 0, ty, [result.0, scalar.0, index.0]);
        }
        result
    }

    /// What vector sources give to a chunk of a shuffle: two of one length go into one shuffle, the next ones are merged.
    /// Marks the lanes that are done.
    fn merged_chunks(&mut self, all: &Pieces, wanted: &[u32], done: &mut [bool]) -> Option<Value> {
        let len = wanted.len() as u32;
        let ty = self.chunk_type(all.lane, len);
        let holds = |piece: (u32, u32, Value), at: u32| {
            at != u32::MAX && piece.0 <= at && at < piece.0 + piece.1
        };
        let mut result: Option<Value> = None;
        for (number, &source) in all.list.iter().enumerate() {
            let (start, size, value) = source;
            let used = wanted.iter().zip(&*done);
            let used = used
                .into_iter()
                .any(|(&at, &done)| holds(source, at) && !done);
            if size == 1 || !used {
                continue;
            }
            let mut rest = all.list[number + 1..].iter().copied();
            let second =
                rest.find(|&piece| piece.1 == size && wanted.iter().any(|&at| holds(piece, at)));
            let mut mask = SmallVec::new();
            for (&at, done) in wanted.iter().zip(&mut *done) {
                let from = match second {
                    _ if *done => u32::MAX,
                    _ if holds(source, at) => at - start,
                    Some(second) if holds(second, at) => at - second.0 + size,
                    _ => u32::MAX,
                };
                *done |= from != u32::MAX;
                mask.push(from);
            }
            let own: SmallVec<[bool; 32]> = mask.iter().map(|&from| from != u32::MAX).collect();
            let part = self.shuffle(ty, value, second.map_or(value, |second| second.2), mask);
            result = Some(match result {
                None => part,
                Some(before) => {
                    let merge = (0..len).map(|k| if own[k as usize] { len + k } else { k });
                    self.shuffle(ty, before, part, merge.collect())
                }
            });
        }
        result
    }
}

/// Sizes of parts.
type Parts32 = SmallVec<[u32; 8]>;

/// What cannot be converted.
pub(super) fn no_conversion<T>() -> Res<T> {
    Err(Stop::Unsupported(
        "conversion between floats and integers above 128 bits",
    ))
}
