//! Operations on vectors: in the longest chunks that exist for all of their types, lane by lane where the
//! machine does not have them.

use super::machine::{self, Lane, Vector};
use super::pieces::Pieces;
use super::rewrite::{Do, Res, Rewriter, Val};
use super::shape::{self, Shape};
use super::{Rules, Stop};
use ir::{FloatPred, IntPred, Op, Type, TypeId, Value};
use smallvec::SmallVec;

impl Rewriter<'_, '_> {
    /// Does an operation chunk by chunk where `has` says that the machine can, else lane by lane.
    /// `lanes` are the kinds of lanes of operands and result; masks among the operands come with lanes
    /// `mask`, and a mask as result is made with them.
    pub(super) fn chunked(
        &mut self,
        what: Do,
        ty: TypeId,
        args: &[Val],
        (lanes, mask): (&[Lane], Lane),
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
        if matches!(what.op, Op::UDiv | Op::URem | Op::SDiv | Op::SRem)
            && let Some(divisor) = self.common_divisor(what.op, &args[1], lane)
        {
            return self.divide_by(what.op, &args[0], lane, divisor);
        }
        let cpu = self.cx.cpu;
        let has = |lanes| machine::supports(what.op, Vector { lane, lanes }, cpu);
        self.chunked(what, ty, args, (&[lane], lane), has, |this, len, values| {
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
        self.chunked(what, ty, args, (&[lane], mask), has, |this, len, values| {
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
        let known = self.known_lanes(&args[1]);
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
        self.chunked(what, ty, args, (&[lane], lane), has, |this, len, values| {
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

    /// The lanes of a constant vector.
    pub(super) fn known_lanes(&self, value: &Val) -> Option<SmallVec<[u64; 16]>> {
        let mut all = SmallVec::new();
        for (_, len, piece) in self.pieces(value).list {
            all.extend(self.constant_lanes(piece, len)?);
        }
        Some(all)
    }

    /// Whether the lanes are halves.
    pub(super) fn is_half(&self, ty: TypeId) -> bool {
        matches!(self.types().get(self.types().scalar(ty)), Type::Half)
    }
}
