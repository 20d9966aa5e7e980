//! Single lanes: taken out, put in, vectors built from numbers.

use super::Shape;
use crate::tier::opt::backend::lower::operand::exact_size;
use crate::tier::opt::backend::lower::{Lower, Lowered};
use crate::tier::opt::backend::vcode::{MInst, Operand, Vreg};
use alloc::vec;
use alloc::vec::Vec;
use asm::{Size, VecBin, VecBinImm, VecMerge, VecUn, VecUnImm};
use ir::{ConstKind, Inst, InstId, Op, Value};

impl Lower<'_> {
    /// The lane that a constant number names.
    fn lane_number(&self, value: Value, shape: Shape) -> Lowered<u32> {
        match self.const_bits(value) {
            Some(lane) if lane < u64::from(shape.count) => Ok(lane as u32),
            _ => self.unsupported("a lane that is not constant"),
        }
    }

    /// `ExtractElement`. The lowest lane of floats is its vector (`leaf`).
    pub(super) fn lanes_extract(&mut self, inst: &Inst) -> Lowered<Vreg> {
        let [vector, lane, _] = inst.values();
        let shape = self.shape_of(vector)?;
        let lane = self.lane_number(lane, shape)?;
        let vector = self.reg(vector)?;
        Ok(self.take_lane(shape, vector, lane))
    }

    /// Lane `lane` of `vector`: floats in the lowest lane, integers in a general register.
    fn take_lane(&mut self, shape: Shape, vector: Vreg, lane: u32) -> Vreg {
        let half = 128 / shape.bits;
        if lane >= half {
            let upper = self.upper(vector);
            return self.take_lane(shape, upper, lane - half);
        }
        if shape.float {
            return match (shape.bits, lane) {
                (_, 0) => vector,
                (32, _) if self.cpu.avx => {
                    self.un_imm(VecUnImm::VPERMILPS, lane as u8, false, vector)
                }
                (32, _) => self.un_imm(VecUnImm::PSHUFD, lane as u8, false, vector),
                _ => self.bin(VecBin::UNPCKHPD, false, vector, vector),
            };
        }
        let dst = self.temp();
        let operands = [Operand::def(dst), Operand::reg(vector)];
        let size = exact_size(shape.bits);
        if lane == 0 {
            let size = size.max(Size::B32);
            self.push(MInst::MovFromVec { size }, &operands);
        } else {
            let lane = lane as u8;
            self.push(MInst::VLane { size, lane }, &operands);
        }
        dst
    }

    /// `InsertElement`: with all those below it that only it uses.
    pub(super) fn lanes_insert(&mut self, id: InstId, inst: &Inst) -> Lowered<Vreg> {
        let shape = self.shape_of(Value(inst.args[0]))?;
        let mut lanes: Vec<Option<Value>> = vec![None; shape.count as usize];
        let (mut base, mut at) = (Value::NONE, Some((id, *inst)));
        while let Some((_, insert)) = at {
            let [below, value, lane] = insert.values();
            let lane = self.lane_number(lane, shape)? as usize;
            lanes[lane] = lanes[lane].or(Some(value));
            base = below;
            let (leaf, _) = self.leaf(below, 0);
            at = self.def(leaf).map(|(id, inst)| (id, *inst));
            at = at.filter(|(id, inst)| {
                inst.op == Op::InsertElement
                    && self.block_of[id.index()] == self.block
                    && !self.is_wanted(*id)
                    && self.is_sole(below)
            });
        }
        self.fill_lanes(shape, base, &lanes)
    }

    /// `base` with the lanes that are given.
    fn fill_lanes(&mut self, shape: Shape, base: Value, lanes: &[Option<Value>]) -> Lowered<Vreg> {
        if let Some(&Some(first)) = lanes.first()
            && lanes.iter().all(|lane| *lane == Some(first))
        {
            return self.broadcast(shape, first);
        }
        let complete = lanes.iter().all(Option::is_some);
        let zero = |this: &Self| {
            let (leaf, _) = this.leaf(base, 0);
            leaf.as_const()
                .is_some_and(|id| this.body.constant(id).kind == ConstKind::Zero)
        };
        let fresh = complete || zero(self);
        if !shape.wide() {
            let base = if fresh { None } else { Some(self.reg(base)?) };
            return self.fill_half(shape, base, lanes);
        }
        let middle = lanes.len() / 2;
        let base = if fresh { None } else { Some(self.reg(base)?) };
        let half = Shape {
            count: shape.count / 2,
            ..shape
        };
        let upper = if lanes[middle..].iter().any(Option::is_some) {
            let old = base.map(|base| self.upper(base));
            Some(self.fill_half(half, old, &lanes[middle..])?)
        } else {
            None
        };
        let lower = if lanes[..middle].iter().any(Option::is_some) {
            Some(self.fill_half(half, base, &lanes[..middle])?)
        } else {
            None
        };
        Ok(match (base, lower, upper) {
            // What writes 128 bits of a register clears the rest.
            (None, Some(lower), None) => lower,
            (None, lower, Some(upper)) => {
                let lower = lower.unwrap_or_else(|| self.zeros(true));
                self.with_upper(lower, upper)
            }
            (Some(base), None, Some(upper)) => self.with_upper(base, upper),
            (Some(_), Some(lower), Some(upper)) => self.with_upper(lower, upper),
            (Some(base), Some(lower), None) => {
                self.bin_imm(VecBinImm::BLENDPS, 0x0f, true, base, lower)
            }
            (base, None, None) => base.unwrap_or_else(|| self.zeros(true)),
        })
    }

    /// `upper` above the low half of `lower`.
    pub(in crate::tier::opt::backend::lower) fn with_upper(
        &mut self,
        lower: Vreg,
        upper: Vreg,
    ) -> Vreg {
        self.bin_imm(VecBinImm::VINSERTF128, 1, true, lower, upper)
    }

    /// As `fill_lanes` for 128 bits; without a base all other lanes are 0.
    fn fill_half(
        &mut self,
        shape: Shape,
        base: Option<Vreg>,
        lanes: &[Option<Value>],
    ) -> Lowered<Vreg> {
        if let Some(built) = self.build_by_pairs(shape, lanes)? {
            return Ok(built);
        }
        let mut rest: Vec<(u32, Value)> = (0..)
            .zip(lanes)
            .filter_map(|(at, lane)| lane.map(|value| (at, value)))
            .collect();
        let mut vector = match base {
            Some(base) => base,
            None if lanes[0].is_some() => {
                let (_, first) = rest.remove(0);
                self.lowest(shape, first)?
            }
            None => self.zeros(false),
        };
        for (lane, value) in rest {
            vector = self.put(shape, vector, lane, value)?;
        }
        Ok(vector)
    }

    /// Four singles or two 64-bit lanes, all given: two at a time.
    fn build_by_pairs(&mut self, shape: Shape, lanes: &[Option<Value>]) -> Lowered<Option<Vreg>> {
        let given: Option<Vec<Value>> = lanes.iter().copied().collect();
        let Some(given) = given.filter(|_| shape.bytes() == 16) else {
            return Ok(None);
        };
        let pair = |this: &mut Self, op, a, b| this.bin(op, false, a, b);
        match (shape.bits, shape.float, given.as_slice()) {
            (64, true, &[a, b]) => {
                let (a, b) = (self.reg(a)?, self.reg(b)?);
                Ok(Some(pair(self, VecBin::UNPCKLPD, a, b)))
            }
            (32, true, &[a, b, c, d]) => {
                let (a, b) = (self.reg(a)?, self.reg(b)?);
                let low = pair(self, VecBin::UNPCKLPS, a, b);
                let (c, d) = (self.reg(c)?, self.reg(d)?);
                let high = pair(self, VecBin::UNPCKLPS, c, d);
                Ok(Some(pair(self, VecBin::UNPCKLPD, low, high)))
            }
            (32, false, &[a, b, c, d]) => {
                let low = self.lowest(shape, a)?;
                let low = self.put(shape, low, 1, b)?;
                let high = self.lowest(shape, c)?;
                let high = self.put(shape, high, 1, d)?;
                Ok(Some(pair(self, VecBin::PUNPCKLQDQ, low, high)))
            }
            _ => Ok(None),
        }
    }

    /// A vector of `value` in the lowest lane and zeros.
    fn lowest(&mut self, shape: Shape, value: Value) -> Lowered<Vreg> {
        if shape.float {
            let zero = self.zeros(false);
            let number = self.reg(value)?;
            let op = if shape.bits == 64 {
                VecMerge::MOVSD
            } else {
                VecMerge::MOVSS
            };
            return Ok(self.merge(op, zero, number));
        }
        let number = self.zero_extended(value, shape.bits)?;
        Ok(self.vector_of(exact_size(shape.bits.max(32)), number))
    }

    /// `vector` with `value` in lane `lane` of 128 bits.
    fn put(&mut self, shape: Shape, vector: Vreg, lane: u32, value: Value) -> Lowered<Vreg> {
        if shape.float {
            let number = self.reg(value)?;
            return Ok(match (shape.bits, lane) {
                (32, 0) => self.merge(VecMerge::MOVSS, vector, number),
                (32, _) => {
                    // Bits 4 and 5: to which lane (SDM vol. 2, INSERTPS).
                    self.bin_imm(
                        VecBinImm::INSERTPS,
                        (lane as u8) << 4,
                        false,
                        vector,
                        number,
                    )
                }
                (_, 0) => self.merge(VecMerge::MOVSD, vector, number),
                _ => self.bin(VecBin::UNPCKLPD, false, vector, number),
            });
        }
        let size = exact_size(shape.bits);
        let (src, operands) = self.reg_or_mem(value, size)?;
        let dst = self.vector_temp(false);
        let lane = lane as u8;
        let inst = MInst::VInsert { size, lane, src };
        self.push_with(
            inst,
            &[self.tied_result(dst), Operand::reg(vector)],
            &operands,
        );
        Ok(dst)
    }

    /// `value` in every lane.
    pub(super) fn broadcast(&mut self, shape: Shape, value: Value) -> Lowered<Vreg> {
        let wide = shape.wide();
        let bytes = shape.bits / 8;
        let from_memory = self.cpu.avx2 || (self.cpu.avx && shape.float);
        if from_memory && let Some(input) = self.sinkable_bytes(value, bytes)? {
            return Ok(self.un_input(broadcast_op(shape), wide, input));
        }
        let low = if shape.float {
            self.reg(value)?
        } else {
            let number = self.reg(value)?;
            self.vector_of(exact_size(shape.bits.max(32)), number)
        };
        Ok(self.broadcast_lowest(shape, low))
    }

    /// The lowest lane of `low` in every lane.
    pub(super) fn broadcast_lowest(&mut self, shape: Shape, low: Vreg) -> Vreg {
        if self.cpu.avx2 && (shape.wide() || shape.bits != 64) {
            return self.un(broadcast_op(shape), shape.wide(), low);
        }
        match (shape.bits, shape.float) {
            (64, true) => self.un(VecUn::MOVDDUP, false, low),
            (64, false) => self.bin(VecBin::PUNPCKLQDQ, false, low, low),
            (32, true) => self.bin_imm(VecBinImm::SHUFPS, 0, false, low, low),
            (32, false) => self.un_imm(VecUnImm::PSHUFD, 0, false, low),
            (16, _) => {
                let low = self.un_imm(VecUnImm::PSHUFLW, 0, false, low);
                self.un_imm(VecUnImm::PSHUFD, 0, false, low)
            }
            _ => {
                let zero = self.zeros(false);
                self.bin(VecBin::PSHUFB, false, low, zero)
            }
        }
    }

    /// A constant some lanes of which are addresses that only run time knows.
    pub(super) fn build_constant(&mut self, value: Value, shape: Shape) -> Lowered<Vreg> {
        let constant = value.as_const().map(|id| self.body.constant(id).kind);
        let Some(ConstKind::Elements { start, len }) = constant else {
            return self.unsupported("a constant");
        };
        let elements = self.body.words(start, len).iter();
        let lanes: Vec<_> = elements
            .map(|&element| Some(Value::constant(ir::ConstId(element))))
            .collect();
        self.fill_lanes(shape, value, &lanes)
    }

    /// If `value`, which is being stored, is the upper half of a vector and used nowhere else: the vector.
    pub(super) fn stored_upper(&self, value: Value) -> Option<Value> {
        let (leaf, _) = self.leaf(value, 0);
        let (id, inst) = self.def(leaf)?;
        if inst.op != Op::Shuffle || self.is_wanted(id) || !self.is_sole(value) {
            return None;
        }
        let source = Value(inst.args[0]);
        let (from, to) = (self.shape(self.body.type_of(source))?, self.shape(inst.ty)?);
        if from.bytes() != 32 || to.bytes() != 16 {
            return None;
        }
        let mask = self.body.words(inst.args[2], to.count);
        let is_upper = (to.count..).zip(mask).all(|(want, &lane)| lane == want);
        is_upper.then_some(source)
    }
}

/// The instruction that fills lanes with the lowest one. Those for integers need AVX2.
fn broadcast_op(shape: Shape) -> VecUn {
    match (shape.bits, shape.float) {
        (8, _) => VecUn::VPBROADCASTB,
        (16, _) => VecUn::VPBROADCASTW,
        (32, true) => VecUn::VBROADCASTSS,
        (32, false) => VecUn::VPBROADCASTD,
        (_, true) if shape.wide() => VecUn::VBROADCASTSD,
        (_, true) => VecUn::MOVDDUP,
        (..) => VecUn::VPBROADCASTQ,
    }
}
