//! Vectors: in chunks where the machine has the operation, lane by lane where it has not.
//!
//! An operation is done in the longest chunks that exist for all of its types. They need not be those
//! in which its operands or its result are kept: `zext <8 x i8>` to i32 with 128 bits reads one
//! chunk and makes two. [`Pieces`] is a list of chunks of any lengths, from which any run of lanes can be taken
//! ([`Rewriter::piece`]): a whole one, a part of one, or several joined.

use super::machine::{self, Lane, Vector};
use super::rewrite::{Do, Parts, Res, Rewriter, Val};
use super::shape::{self, Shape};
use super::{Rules, Stop};
use ir::{ConstKind, FloatPred, IntPred, Intrinsic, Op, Type, TypeId, Value};
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

    /// Does an operation chunk by chunk where `has` says that the machine can, else lane by lane.
    /// `lanes` are the kinds of lanes of operands and result; masks among the operands come with lanes
    /// `mask`, and a mask as result is made with them.
    pub(super) fn chunked(
        &mut self,
        what: Do,
        ty: TypeId,
        args: &[Val],
        lanes: &[Lane],
        mask: Lane,
        has: impl Fn(u32) -> bool,
        mut chunk: impl FnMut(&mut Self, u32, &[Value]) -> Value,
    ) -> Res<Val> {
        let cpu = self.cx.cpu;
        let n = self.types().vector(ty).map_or(1, |(_, n)| n);
        let longest = lanes.iter().map(|&lane| shape::longest(lane, cpu)).min();
        let mut sources: SmallVec<[Pieces; 3]> = SmallVec::new();
        for arg in args {
            let arg = match self.shape(arg.ty) {
                Shape::Mask(_) => self.mask_to(arg, mask),
                _ => arg.clone(),
            };
            sources.push(self.pieces(&arg));
        }
        let (elem, _) = self.types().vector(ty).unwrap_or((ty, 1));
        let (lane, is_mask) = match self.shape(ty) {
            Shape::Lanes(lane, _) => (lane, false),
            _ => (mask, true),
        };
        let mut list = SmallVec::new();
        for (at, len) in shape::chunks(n, longest.unwrap_or(1)) {
            if len > 1 && (has(len) || self.cx.rules.without(Rules::OPERATIONS)) {
                let values: SmallVec<[Value; 3]> = sources
                    .iter()
                    .map(|source| self.piece(source, at, len))
                    .collect();
                list.push((at, len, chunk(self, len, &values)));
                continue;
            }
            for at in at..at + len {
                let scalars: Res<SmallVec<[Val; 3]>> =
                    args.iter().map(|arg| Ok(self.lane(arg, at))).collect();
                let result = self.compute(what, elem, &scalars?)?;
                let mut value = result.value();
                if elem == TypeId::PTR {
                    value = self.out.cast(Op::PtrToInt, TypeId::I32, value);
                }
                list.push((at, 1, value));
            }
        }
        let pieces = Pieces {
            lane,
            mask: is_mask,
            list,
        };
        Ok(self.regroup(ty, &pieces))
    }

    /// Lane by lane.
    pub(super) fn scalarised(&mut self, what: Do, ty: TypeId, args: &[Val]) -> Res<Val> {
        if let Type::Struct { fields, .. } = self.types().get(ty) {
            let fields: SmallVec<[TypeId; 2]> = fields.iter().copied().collect();
            return self.scalarised_pair(what, ty, &fields, args);
        }
        let (elem, n) = self.types().vector(ty).unwrap_or((ty, 1));
        let mut elements = SmallVec::<[Val; 16]>::new();
        for at in 0..n {
            let scalars: SmallVec<[Val; 3]> = args.iter().map(|arg| self.lane(arg, at)).collect();
            elements.push(self.compute(what, elem, &scalars)?);
        }
        self.whole(ty, &elements)
    }

    /// Lane by lane, where each lane gives two results.
    fn scalarised_pair(
        &mut self,
        what: Do,
        ty: TypeId,
        fields: &[TypeId],
        args: &[Val],
    ) -> Res<Val> {
        let &[first, second] = fields else {
            return Err(Stop::Unsupported("an intrinsic with such a result"));
        };
        let (elem, n) = self.types().vector(first).unwrap_or((first, 1));
        let pair = self.cx.pair(elem, TypeId::I1);
        let (mut values, mut flags) = (SmallVec::<[Val; 16]>::new(), SmallVec::<[Val; 16]>::new());
        for at in 0..n {
            let scalars: SmallVec<[Val; 3]> = args.iter().map(|arg| self.lane(arg, at)).collect();
            let mut both = self.compute(what, pair, &scalars)?;
            let flag = both.parts.pop().unwrap_or(Value::NONE);
            values.push(Val::new(elem, both.parts));
            flags.push(Val::one(TypeId::I1, flag));
        }
        let (values, flags) = (self.whole(first, &values)?, self.whole(second, &flags)?);
        self.whole(ty, &[values, flags])
    }

    /// Operations and intrinsics whose first operand is a vector.
    pub(super) fn vector(&mut self, what: Do, ty: TypeId, args: &[Val]) -> Res<Val> {
        let Shape::Lanes(lane, _) = self.shape(args[0].ty) else {
            return match self.shape(args[0].ty) {
                Shape::Mask(_) if matches!(what.op, Op::And | Op::Or | Op::Xor) => {
                    self.mask_logic(what, ty, args)
                }
                _ => self.scalarised(what, ty, args),
            };
        };
        if self.is_half(args[0].ty) {
            return self.half_vector(what, ty, args);
        }
        if what.op == Op::Intrinsic {
            return self.vector_intrinsic(what, ty, args, lane);
        }
        if matches!(what.op, Op::ICmp | Op::FCmp) {
            return self.compare(what, ty, args, lane);
        }
        if matches!(what.op, Op::Shl | Op::LShr | Op::AShr) {
            return self.shift(what, ty, args, lane);
        }
        if what.op == Op::Mul && lane == Lane::I8 && machine::max_bits(self.cx.cpu) != 0 {
            return self.widened(what, Op::ZExt, TypeId::I16, ty, args);
        }
        let cpu = self.cx.cpu;
        let has = |lanes| machine::supports(what.op, Vector { lane, lanes }, cpu);
        self.chunked(what, ty, args, &[lane], lane, has, |this, len, values| {
            let ty = this.chunk_type(lane, len);
            this.machine_op(what, ty, values)
        })
    }

    /// In wider lanes, and back.
    fn widened(
        &mut self,
        what: Do,
        extend: Op,
        elem: TypeId,
        ty: TypeId,
        args: &[Val],
    ) -> Res<Val> {
        let wide = self.like(ty, elem);
        let mut wider = SmallVec::<[Val; 3]>::new();
        for arg in args {
            wider.push(self.compute(Do::op(extend), wide, core::slice::from_ref(arg))?);
        }
        let result = self.compute(what, wide, &wider)?;
        self.compute(Do::op(Op::Trunc), ty, &[result])
    }

    fn mask_logic(&mut self, what: Do, ty: TypeId, args: &[Val]) -> Res<Val> {
        let lane = args[0].lane;
        let other = self.mask_to(&args[1], lane);
        let (a, b) = (self.pieces(&args[0]), self.pieces(&other));
        let mut parts = Parts::new();
        for (a, b) in a.list.iter().zip(&b.list) {
            let ty = self.mask_type(lane, a.1);
            parts.push(self.out.binary(what.op, ty, a.2, b.2));
        }
        Ok(Val { ty, lane, parts })
    }

    /// Comparisons give masks as wide as what is compared.
    fn compare(&mut self, what: Do, ty: TypeId, args: &[Val], lane: Lane) -> Res<Val> {
        let cpu = self.cx.cpu;
        let pred = FloatPred(what.flags & 15);
        if what.op == Op::FCmp && matches!(pred.0, 0 | 15) {
            let mut mask = self.zero(ty);
            if pred.0 == 15 {
                let pieces = self.pieces(&mask);
                let ones = u64::MAX >> (64 - pieces.lane.bits());
                for (part, (_, len, _)) in mask.parts.iter_mut().zip(&pieces.list) {
                    *part = match len {
                        1 => self.out.bits(TypeId::I1, 1),
                        _ => self.splat(pieces.lane, *len, ones),
                    };
                }
            }
            return Ok(mask);
        }
        let int = IntPred::ALL.get(usize::from(what.flags & 15)).copied();
        let has = |lanes| {
            let v = Vector { lane, lanes };
            match what.op {
                Op::FCmp => machine::supports_fcmp(pred, v, cpu),
                _ => int.is_some_and(|int| machine::supports_icmp(int, v, cpu)),
            }
        };
        let mask = lane.mask();
        self.chunked(what, ty, args, &[lane], mask, has, |this, len, values| {
            let truth = this.cx.vector(TypeId::I1, len);
            let wide = this.chunk_type(mask, len);
            let truth = this.machine_op(what, truth, values);
            this.out.cast(Op::SExt, wide, truth)
        })
    }

    /// Shifts: by one constant, by an amount a lane where the CPU can, else in wider lanes, from
    /// logical ones, or lane by lane.
    fn shift(&mut self, what: Do, ty: TypeId, args: &[Val], lane: Lane) -> Res<Val> {
        let cpu = self.cx.cpu;
        let amounts = self.pieces(&args[1]);
        let known: Option<SmallVec<[u64; 16]>> = amounts
            .list
            .iter()
            .map(|piece| self.constant_lanes(piece.2, piece.1))
            .try_fold(SmallVec::new(), |mut all, lanes| {
                all.extend(lanes?);
                Some(all)
            });
        let width = u64::from(lane.bits());
        let same = known.filter(|all| all.iter().all(|&amount| amount % width == all[0] % width));
        let constant = same.map(|all| all[0] % width);
        if cpu.sse41 && lane == Lane::I8 && (constant.is_some() || cpu.avx2) {
            return self.shift_bytes(what, ty, args, constant);
        }
        if cpu.avx2 && lane == Lane::I16 && constant.is_none() {
            let mask = self.splat_value(ty, 15);
            let amount = self.compute(Do::op(Op::And), ty, &[args[1].clone(), mask])?;
            let extend = if what.op == Op::AShr {
                Op::SExt
            } else {
                Op::ZExt
            };
            return self.widened(what, extend, TypeId::I32, ty, &[args[0].clone(), amount]);
        }
        if lane == Lane::I64 && what.op == Op::AShr && (constant.is_some() || cpu.avx2) && cpu.sse41
        {
            return self.shift_signs(what, ty, args);
        }
        let has = |lanes| {
            machine::supports_shift(what.op, Vector { lane, lanes }, constant.is_some(), cpu)
        };
        self.chunked(what, ty, args, &[lane], lane, has, |this, len, values| {
            let amount = match constant {
                Some(amount) => this.splat(lane, len, amount),
                None => values[1],
            };
            let ty = this.chunk_type(lane, len);
            this.machine_op(what, ty, &[values[0], amount])
        })
    }

    /// Bytes are shifted in wider lanes.
    fn shift_bytes(
        &mut self,
        what: Do,
        ty: TypeId,
        args: &[Val],
        constant: Option<u64>,
    ) -> Res<Val> {
        let extend = if what.op == Op::AShr {
            Op::SExt
        } else {
            Op::ZExt
        };
        let mask = self.splat_value(ty, 7);
        let amount = self.compute(Do::op(Op::And), ty, &[args[1].clone(), mask])?;
        let elem = if constant.is_some() {
            TypeId::I16
        } else {
            TypeId::I32
        };
        let Some(amount_bits) = constant else {
            return self.widened(what, extend, elem, ty, &[args[0].clone(), amount]);
        };
        let wide = self.like(ty, elem);
        let value = self.compute(Do::op(extend), wide, &args[..1])?;
        let amount = self.splat_value(wide, amount_bits);
        let result = self.compute(what, wide, &[value, amount])?;
        self.compute(Do::op(Op::Trunc), ty, &[result])
    }

    /// Arithmetic right shift of i64 lanes: `(x >> n ^ m) - m` with `m` the place of the sign.
    fn shift_signs(&mut self, what: Do, ty: TypeId, args: &[Val]) -> Res<Val> {
        let logical = Do {
            op: Op::LShr,
            flags: 0,
            ..what
        };
        let top = self.splat_value(ty, 1 << 63);
        let place = self.compute(logical, ty, &[top, args[1].clone()])?;
        let shifted = self.compute(logical, ty, args)?;
        let flipped = self.compute(Do::op(Op::Xor), ty, &[shifted, place.clone()])?;
        self.compute(Do::op(Op::Sub), ty, &[flipped, place])
    }

    /// Intrinsics on lanes.
    fn vector_intrinsic(&mut self, what: Do, ty: TypeId, args: &[Val], lane: Lane) -> Res<Val> {
        use Intrinsic as I;
        let Some(which) = what.which else {
            return Err(Stop::Unsupported("an intrinsic"));
        };
        let cpu = self.cx.cpu;
        match which {
            I::FMulAdd if !self.fused => {
                let product = self.compute(Do::op(Op::FMul), ty, &args[..2])?;
                return self.compute(Do::op(Op::FAdd), ty, &[product, args[2].clone()]);
            }
            I::MinNum | I::MaxNum if cpu.sse41 => return self.choose_number(which, ty, args),
            I::SMin | I::SMax | I::UMin | I::UMax if lane == Lane::I64 && cpu.avx => {
                let pred = match which {
                    I::SMin => IntPred::Slt,
                    I::SMax => IntPred::Sgt,
                    I::UMin => IntPred::Ult,
                    _ => IntPred::Ugt,
                };
                return self.choose_by(
                    Do {
                        flags: pred as u8,
                        ..Do::op(Op::ICmp)
                    },
                    ty,
                    args,
                );
            }
            I::FShl | I::FShr => {
                if let Some(result) = self.rotate_by_constant(which, ty, args, lane)? {
                    return Ok(result);
                }
            }
            I::BSwap if cpu.sse41 && lane != Lane::I8 => {
                return self.swap_bytes(ty, &args[0], lane);
            }
            _ => {}
        }
        if !matches!(self.shape(ty), Shape::Lanes(..)) {
            return self.scalarised(what, ty, args);
        }
        let to = match self.shape(ty) {
            Shape::Lanes(to, _) => to,
            _ => lane,
        };
        let has = |lanes| machine::supports_intrinsic(which, Vector { lane, lanes }, cpu);
        self.chunked(
            what,
            ty,
            args,
            &[lane, to],
            lane,
            has,
            |this, len, values| {
                let ty = this.chunk_type(to, len);
                this.machine_op(what, ty, values)
            },
        )
    }

    /// `pred(a, b) ? a : b`.
    fn choose_by(&mut self, compare: Do, ty: TypeId, args: &[Val]) -> Res<Val> {
        let truth = self.like(ty, TypeId::I1);
        let mask = self.compute(compare, truth, args)?;
        self.select(ty, &[mask, args[0].clone(), args[1].clone()])
    }

    /// `minnum`: `y` if `x` is NaN, else `y < x ? y : x`.
    fn choose_number(&mut self, which: Intrinsic, ty: TypeId, args: &[Val]) -> Res<Val> {
        const OLT: u8 = 4;
        const OGT: u8 = 2;
        const UNO: u8 = 8;
        let truth = self.like(ty, TypeId::I1);
        let (x, y) = (&args[0], &args[1]);
        let fcmp = |flags| Do {
            flags,
            ..Do::op(Op::FCmp)
        };
        let pred = if which == Intrinsic::MinNum { OLT } else { OGT };
        let better = self.compute(fcmp(pred), truth, &[y.clone(), x.clone()])?;
        let none = self.compute(fcmp(UNO), truth, &[x.clone(), x.clone()])?;
        let mask = self.compute(Do::op(Op::Or), truth, &[better, none])?;
        self.select(ty, &[mask, y.clone(), x.clone()])
    }

    /// A funnel shift by one constant is two shifts.
    fn rotate_by_constant(
        &mut self,
        which: Intrinsic,
        ty: TypeId,
        args: &[Val],
        lane: Lane,
    ) -> Res<Option<Val>> {
        let width = u64::from(lane.bits());
        let mut amount = None;
        for (_, len, value) in self.pieces(&args[2]).list {
            for bits in self.constant_lanes(value, len).unwrap_or_default() {
                let bits = bits % width;
                if *amount.get_or_insert(bits) != bits {
                    return Ok(None);
                }
            }
            if self.constant_lanes(value, len).is_none() {
                return Ok(None);
            }
        }
        let left = match (which, amount) {
            (Intrinsic::FShl, Some(0)) => return Ok(Some(args[0].clone())),
            (_, Some(0)) => return Ok(Some(args[1].clone())),
            (Intrinsic::FShl, Some(amount)) => amount,
            (_, Some(amount)) => width - amount,
            _ => return Ok(None),
        };
        let (up, down) = (
            self.splat_value(ty, left),
            self.splat_value(ty, width - left),
        );
        let high = self.compute(Do::op(Op::Shl), ty, &[args[0].clone(), up])?;
        let low = self.compute(Do::op(Op::LShr), ty, &[args[1].clone(), down])?;
        self.compute(Do::op(Op::Or), ty, &[high, low]).map(Some)
    }

    /// Bytes reversed in each lane: a shuffle of bytes.
    fn swap_bytes(&mut self, ty: TypeId, value: &Val, lane: Lane) -> Res<Val> {
        let each = lane.bits() / 8;
        let mut pieces = self.pieces(value);
        for (_, len, chunk) in &mut pieces.list {
            if *len == 1 {
                *chunk = self.out.intrinsic(Intrinsic::BSwap, lane.ty(), &[*chunk]);
                continue;
            }
            let bytes = self.chunk_type(Lane::I8, *len * each);
            let whole = self.chunk_type(lane, *len);
            let cut = self.out.cast(Op::Bitcast, bytes, *chunk);
            let mask = (0..*len * each).map(|at| at / each * each + (each - 1 - at % each));
            let swapped = self.shuffle(bytes, cut, cut, mask.collect());
            *chunk = self.out.cast(Op::Bitcast, whole, swapped);
        }
        Ok(self.regroup(ty, &pieces))
    }

    /// Whether the lanes are halves.
    pub(super) fn is_half(&self, ty: TypeId) -> bool {
        matches!(self.types().get(self.types().scalar(ty)), Type::Half)
    }

    /// By one condition for all lanes, or by one a lane.
    pub(super) fn select(&mut self, ty: TypeId, args: &[Val]) -> Res<Val> {
        let [cond, a, b] = args else {
            return Err(Stop::Unsupported("a select without three operands"));
        };
        let mask = matches!(self.shape(ty), Shape::Mask(_));
        let b = if mask { &self.mask_to(b, a.lane) } else { b };
        if cond.ty == TypeId::I1 {
            let pairs = a.parts.iter().zip(&b.parts);
            let parts: Parts = pairs
                .map(|(&a, &b)| {
                    let ty = self.out_type(a);
                    self.out.select(ty, cond.value(), a, b)
                })
                .collect();
            return Ok(Val {
                ty,
                lane: a.lane,
                parts,
            });
        }
        let lane = match self.shape(ty) {
            Shape::Lanes(lane, _) => lane,
            Shape::Mask(_) => a.lane,
            _ => return self.scalarised(Do::op(Op::Select), ty, args),
        };
        let cond = self.mask_to(cond, lane.mask());
        let (cond, a, b) = (self.pieces(&cond), self.pieces(a), self.pieces(b));
        let mut list = SmallVec::new();
        for (at, len) in shape::chunks(
            self.types().vector(ty).map_or(0, |(_, n)| n),
            shape::longest(lane, self.cx.cpu),
        ) {
            let values = [&cond, &a, &b].map(|pieces| self.piece(pieces, at, len));
            let value = match len {
                1 => {
                    let ty = if mask { TypeId::I1 } else { lane.ty() };
                    self.out.select(ty, values[0], values[1], values[2])
                }
                _ => {
                    let ty = self.chunk_type(lane, len);
                    self.out.intrinsic(Intrinsic::Blend, ty, &values)
                }
            };
            list.push((at, len, value));
        }
        Ok(self.regroup(ty, &Pieces { lane, mask, list }))
    }

    /// The type of a value of the new body.
    pub(super) fn out_type(&self, value: Value) -> TypeId {
        match value.kind() {
            ir::ValueKind::Inst(id) => self.out.type_of_inst(id),
            ir::ValueKind::Const(id) => self.out.consts[id.index()].ty,
            ir::ValueKind::Arg(n) => self.params[n as usize],
            ir::ValueKind::None => TypeId::VOID,
        }
    }

    /// Folds the lanes: halves with halves while they are machine vectors, else from the first to the last.
    /// All of these operations are associative.
    pub(super) fn reduce(&mut self, what: Do, ty: TypeId, vector: &Val) -> Res<Val> {
        use Intrinsic as I;
        let step = match what.which {
            Some(I::ReduceAdd) => Do::op(Op::Add),
            Some(I::ReduceMul) => Do::op(Op::Mul),
            Some(I::ReduceAnd) => Do::op(Op::And),
            Some(I::ReduceOr) => Do::op(Op::Or),
            Some(I::ReduceXor) => Do::op(Op::Xor),
            Some(I::ReduceSMax) => Do::intrinsic(I::SMax),
            Some(I::ReduceSMin) => Do::intrinsic(I::SMin),
            Some(I::ReduceUMax) => Do::intrinsic(I::UMax),
            _ => Do::intrinsic(I::UMin),
        };
        let mut vector = vector.clone();
        while let Some((elem, n)) = self.types().vector(vector.ty) {
            let halves = n >= 2 && n.is_power_of_two() && self.cx.cpu.sse41;
            let Shape::Lanes(lane, _) = self.shape(vector.ty) else {
                break;
            };
            if !halves {
                break;
            }
            if n == 2 {
                let (a, b) = (self.lane(&vector, 0), self.lane(&vector, 1));
                return self.compute(step, ty, &[a, b]);
            }
            let half = self.cx.vector(elem, n / 2);
            let pieces = self.pieces(&vector);
            let mut ends: SmallVec<[Val; 2]> = SmallVec::new();
            for from in [0, n / 2] {
                let mut parts = Parts::new();
                for (at, len) in shape::chunks(n / 2, shape::longest(lane, self.cx.cpu)) {
                    parts.push(self.piece(&pieces, from + at, len));
                }
                ends.push(Val::new(half, parts));
            }
            vector = self.compute(step, half, &ends)?;
        }
        let n = self.types().vector(vector.ty).map_or(1, |(_, n)| n);
        let mut sum = self.lane(&vector, 0);
        for at in 1..n {
            let next = self.lane(&vector, at);
            sum = self.compute(step, ty, &[sum, next])?;
        }
        Ok(sum)
    }
}
