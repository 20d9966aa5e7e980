//! Intrinsics on vectors, choices between vectors, and folding their lanes.

use super::Stop;
use super::machine::{self, Lane, Vector};
use super::pieces::Pieces;
use super::rewrite::{Do, Parts, Res, Rewriter, Val};
use super::shape::{self, Shape};
use ir::{IntPred, Intrinsic, Op, TypeId, Value};
use smallvec::SmallVec;

impl Rewriter<'_, '_> {
    pub(super) fn mask_logic(&mut self, what: Do, ty: TypeId, args: &[Val]) -> Res<Val> {
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

    /// Intrinsics on lanes.
    pub(super) fn vector_intrinsic(
        &mut self,
        what: Do,
        ty: TypeId,
        args: &[Val],
        lane: Lane,
    ) -> Res<Val> {
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
            (&[lane, to], lane),
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
