//! Which parts values of a type have, and the parts of constants.

use super::Stop;
use super::machine::Lane;
use super::rewrite::{Parts, Place, Res, Rewriter, Val};
use super::shape::{self, Shape};
use alloc::vec::Vec;
use ir::{ConstId, ConstKind, MemFlags, Type, TypeId, Value};
use smallvec::SmallVec;

impl Rewriter<'_, '_> {
    /// The value whose transported parts are `ids`: objects are made for the extended ones among them.
    pub(super) fn received(
        &mut self,
        ty: TypeId,
        ids: &[Value],
        extended: &mut SmallVec<[(Value, Parts); 2]>,
    ) -> Val {
        let mut leaves = Vec::new();
        self.leaves(ty, &mut leaves);
        let mut parts = Parts::new();
        let mut at = 0;
        for leaf in leaves {
            if self.shape(leaf) == Shape::Extended {
                let slot = self.extended_object();
                extended.push((slot, SmallVec::from_slice(&ids[at..at + 2])));
                parts.push(slot);
                at += 2;
                continue;
            }
            let count = self.count(leaf);
            parts.extend_from_slice(&ids[at..at + count]);
            at += count;
        }
        Val {
            lane: self.lane_of_type(ty),
            ..Val::new(ty, parts)
        }
    }

    pub(super) fn types(&self) -> &ir::Types {
        self.cx.types
    }

    pub(super) fn shape(&self, ty: TypeId) -> Shape {
        self.cx.rules.shape(Shape::of(self.cx.types, ty))
    }

    /// How wide the lanes of masks of type `ty` are where nothing else says it.
    pub(super) fn lane_of_type(&self, ty: TypeId) -> Lane {
        match self.shape(ty) {
            Shape::Mask(n) => shape::default_mask(n, self.cx.cpu),
            _ => Lane::I8,
        }
    }

    /// The constant `id`, made once.
    pub(super) fn constant(&mut self, id: ConstId) -> Res<Place> {
        let place = self.consts[id.index()];
        if place.len != u32::MAX {
            return Ok(place);
        }
        let constant = self.old.constant(id);
        let value = match constant.kind {
            _ if self.shape(constant.ty) == Shape::Machine => {
                Val::one(constant.ty, Value::constant(id))
            }
            ConstKind::Zero => self.zero(constant.ty),
            _ => self.make_constant(constant.ty, constant.kind)?,
        };
        let place = self.keep(&value);
        self.consts[id.index()] = place;
        Ok(place)
    }

    fn make_constant(&mut self, ty: TypeId, kind: ConstKind) -> Res<Val> {
        let old = self.old;
        match (self.shape(ty), kind) {
            (Shape::Half, ConstKind::F32(bits)) => {
                let bits = self.out.bits(TypeId::I16, u64::from(bits & 0xffff));
                Ok(Val::one(ty, bits))
            }
            (Shape::Wide(bits), ConstKind::Wide { start }) => {
                let limbs = bits.div_ceil(64);
                let words = old.words(start, limbs * 2);
                let pairs = words.chunks_exact(2);
                let limbs: SmallVec<[u64; 4]> = pairs
                    .map(|pair| u64::from(pair[0]) | u64::from(pair[1]) << 32)
                    .collect();
                let parts = limbs.iter().enumerate();
                let parts = parts.map(|(at, &limb)| {
                    let used = (bits - 64 * at as u32).min(64);
                    self.out.word(limb & u64::MAX >> (64 - used))
                });
                Ok(Val::new(ty, parts.collect()))
            }
            (Shape::Wide(_), ConstKind::Int(bits)) => {
                let mut value = self.zero(ty);
                value.parts[0] = self.out.word(bits);
                Ok(value)
            }
            (Shape::Extended, ConstKind::Wide { start }) => {
                let words = old.words(start, 4);
                let low = u64::from(words[0]) | u64::from(words[1]) << 32;
                let high = u64::from(words[2] & 0xffff);
                Ok(self.extended_constant(ty, low, high))
            }
            (_, ConstKind::Elements { start, len }) => {
                let mut elements = Vec::with_capacity(len as usize);
                for &id in old.words(start, len) {
                    let place = self.constant(ConstId(id))?;
                    let parts = &self.parts[place.start as usize..][..place.len as usize];
                    elements.push(Val {
                        lane: place.lane,
                        ..Val::new(old.constant(ConstId(id)).ty, SmallVec::from_slice(parts))
                    });
                }
                self.whole(ty, &elements)
            }
            _ => Err(Stop::Unsupported("this constant")),
        }
    }

    /// All bits 0.
    pub(super) fn zero(&mut self, ty: TypeId) -> Val {
        if self.shape(ty) == Shape::Extended {
            return self.extended_constant(ty, 0, 0);
        }
        let mut leaves = Vec::new();
        self.leaves(ty, &mut leaves);
        let mut parts = Parts::new();
        for leaf in leaves {
            if self.shape(leaf) == Shape::Extended {
                parts.push(self.extended_constant(leaf, 0, 0).parts[0]);
                continue;
            }
            let mut types = Vec::new();
            self.transport(leaf, &mut types);
            parts.extend(types.into_iter().map(|ty| self.out.zero(ty)));
        }
        Val {
            lane: self.lane_of_type(ty),
            ..Val::new(ty, parts)
        }
    }

    /// The types that are no aggregates in a value of type `ty`, in order.
    pub(super) fn leaves(&self, ty: TypeId, list: &mut Vec<TypeId>) {
        match self.types().get(ty) {
            Type::Array { elem, len } => {
                for _ in 0..*len {
                    self.leaves(*elem, list);
                }
            }
            Type::Struct { fields, .. } => {
                fields.iter().for_each(|&field| self.leaves(field, list));
            }
            _ => list.push(ty),
        }
    }

    /// The types of the parts by which values of type `ty` come through phis and calls. They are those
    /// of the parts, but for `x86_fp80`, which comes as its 64 and 16 bits.
    pub(super) fn transport(&mut self, ty: TypeId, list: &mut Vec<TypeId>) {
        match self.shape(ty) {
            Shape::Void => {}
            Shape::Machine => list.push(ty),
            Shape::Wide(bits) => list.extend((0..bits.div_ceil(64)).map(|_| TypeId::I64)),
            Shape::Half => list.push(TypeId::I16),
            Shape::Extended => list.extend([TypeId::I64, TypeId::I16]),
            Shape::Lanes(lane, n) => {
                for (_, len) in shape::chunks(n, shape::longest(lane, self.cx.cpu)) {
                    list.push(self.chunk_type(lane, len));
                }
            }
            Shape::Mask(n) => {
                let lane = shape::default_mask(n, self.cx.cpu);
                for (_, len) in shape::chunks(n, shape::longest(lane, self.cx.cpu)) {
                    list.push(self.mask_type(lane, len));
                }
            }
            Shape::Scattered(elem, n) => {
                for _ in 0..n {
                    self.transport(elem, list);
                }
            }
            Shape::Aggregate => {
                let mut leaves = Vec::new();
                self.leaves(ty, &mut leaves);
                for leaf in leaves {
                    self.transport(leaf, list);
                }
            }
        }
    }

    /// The number of parts of a value of type `ty`.
    pub(super) fn count(&self, ty: TypeId) -> usize {
        match self.shape(ty) {
            Shape::Void => 0,
            Shape::Machine | Shape::Half | Shape::Extended => 1,
            Shape::Wide(bits) => bits.div_ceil(64) as usize,
            Shape::Lanes(lane, n) => shape::chunks(n, shape::longest(lane, self.cx.cpu)).count(),
            Shape::Mask(n) => {
                let lane = shape::default_mask(n, self.cx.cpu);
                shape::chunks(n, shape::longest(lane, self.cx.cpu)).count()
            }
            Shape::Scattered(elem, n) => self.count(elem) * n as usize,
            Shape::Aggregate => match self.types().get(ty) {
                Type::Array { elem, len } => self.count(*elem) * *len as usize,
                Type::Struct { fields, .. } => fields.iter().map(|&field| self.count(field)).sum(),
                _ => 0,
            },
        }
    }

    /// The parts by which a value comes through phis and calls; masks with lanes `lane`.
    pub(super) fn transported(&mut self, value: &Val, lane: Lane) -> Res<Parts> {
        match self.shape(value.ty) {
            Shape::Mask(_) => Ok(self.mask_to(value, lane).parts),
            Shape::Extended => Ok(self.load_extended(value.value())),
            Shape::Aggregate => {
                let mut leaves = Vec::new();
                self.leaves(value.ty, &mut leaves);
                let mut parts = Parts::new();
                let mut at = 0;
                for leaf in leaves {
                    if self.shape(leaf) == Shape::Extended {
                        parts.extend(self.load_extended(value.parts[at]));
                        at += 1;
                        continue;
                    }
                    let count = self.count(leaf);
                    parts.extend_from_slice(&value.parts[at..at + count]);
                    at += count;
                }
                Ok(parts)
            }
            _ => Ok(value.parts.clone()),
        }
    }

    /// The type of a chunk of so many lanes.
    pub(super) fn chunk_type(&mut self, lane: Lane, len: u32) -> TypeId {
        match len {
            1 => lane.ty(),
            _ => self.cx.vector(lane.ty(), len),
        }
    }

    /// The type of a mask's chunk.
    pub(super) fn mask_type(&mut self, lane: Lane, len: u32) -> TypeId {
        match len {
            1 => TypeId::I1,
            _ => self.cx.vector(lane.ty(), len),
        }
    }

    /// A place of at least so many bytes, whose content nobody needs.
    pub(super) fn scratch(&mut self, bytes: u32) -> Value {
        if let Some((place, size)) = self.scratch
            && size >= bytes
        {
            return place;
        }
        let size = bytes.max(64).next_power_of_two();
        let place = self.out.object(size, 5, TypeId::I64);
        self.scratch = Some((place, size));
        place
    }

    /// Both fields of a pair that an instruction gave.
    pub(super) fn fields_of(&mut self, ty: TypeId, pair: Value) -> Val {
        let fields: SmallVec<[TypeId; 2]> = match self.types().get(ty) {
            Type::Struct { fields, .. } => fields.iter().copied().collect(),
            _ => SmallVec::new(),
        };
        let parts = (0u32..).zip(fields);
        let parts = parts.map(|(at, field)| self.out.field(field, pair, at));
        Val::new(ty, parts.collect())
    }

    /// Unaligned plain accesses, for places whose alignment is not known.
    pub(super) fn plain(&self) -> MemFlags {
        MemFlags::aligned(0)
    }
}
