//! Machine vectors: power-of-two lanes in one vector register.
//!
//! A vector of 32 bytes fills a 256-bit register (AVX2), one of 16 bytes a 128-bit one; a shorter one is the
//! low bytes of a 128-bit register, the others are unspecified. A comparison of vectors gives a *mask*:
//! lanes as wide as the operands', all ones or all zeros. `legal::machine` says which vectors and operations
//! there are; all need SSE4.1.
//!
//! # How code is written here
//!
//! Functions take virtual registers and return a new one; [`Lower::bind`] makes the last of them the
//! root's result. `wide` means 256 bits. Only what AVX encodes takes memory that may be unaligned, so
//! without AVX a vector of 16 bytes is an operand in memory only where it is a constant.

mod arith;
mod compare;
mod convert;
mod demand;
mod intrinsic;
mod lanes;
mod shuffle;

use super::operand::Operands;
use super::{Lower, Lowered};
use crate::tier::opt::backend::vcode::{MInst, Mem, Operand, Role, Src, Vreg};
use alloc::vec::Vec;
use asm::{Size, VecBin, VecBinImm, VecLoad, VecMerge, VecShift, VecStore, VecUn, VecUnImm};
use ir::{ConstKind, Inst, InstId, Intrinsic, Op, Type, TypeId, Value};

/// The lanes of a vector type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Shape {
    /// Bits of a lane.
    bits: u32,
    /// Whether lanes are floats.
    float: bool,
    /// Number of lanes.
    count: u32,
}

impl Shape {
    fn bytes(self) -> u32 {
        self.bits * self.count / 8
    }

    /// Whether it fills a 256-bit register.
    fn wide(self) -> bool {
        self.bytes() > 16
    }
}

/// A second input and its registers.
type Input = (Src, Operands);

impl Lower<'_> {
    /// The lanes of `ty`, if it is a vector.
    pub(super) fn shape(&self, ty: TypeId) -> Option<Shape> {
        let (elem, count) = self.types.vector(ty)?;
        let (bits, float) = match self.types.get(elem) {
            Type::Float => (32, true),
            Type::Double => (64, true),
            _ => (self.types.int_bits(elem)?, false),
        };
        Some(Shape { bits, float, count })
    }

    /// The lanes of `value`, which is a vector.
    fn shape_of(&self, value: Value) -> Lowered<Shape> {
        let shape = self.shape(self.body.type_of(value));
        shape.map_or_else(|| self.unsupported("a vector of this kind"), Ok)
    }

    /// Whether `inst` computes with lanes, which is this file's business.
    pub(super) fn is_by_lanes(&self, inst: &Inst) -> bool {
        let is_vector = |ty| self.types.vector(ty).is_some();
        match inst.op {
            Op::ExtractElement | Op::InsertElement | Op::Shuffle => true,
            Op::Bitcast => is_vector(inst.ty) || is_vector(self.body.type_of(Value(inst.args[0]))),
            Op::Intrinsic => is_vector(inst.ty) || inst.intrinsic() == Some(Intrinsic::MoveMask),
            Op::Select | Op::Load | Op::Store | Op::Call | Op::CallIndirect | Op::Freeze => false,
            Op::ExtractValue | Op::InsertValue => false,
            _ => is_vector(inst.ty),
        }
    }

    /// Code for an instruction that computes with lanes.
    pub(super) fn by_lanes(&mut self, id: InstId, inst: &Inst) -> Lowered {
        if self.leaf(Value::inst(id), 0).0 != Value::inst(id) {
            return Ok(());
        }
        let value = match inst.op {
            op if op.is_int_binary() => self.lanes_binary(inst)?,
            op if op.is_float_binary() => self.lanes_float_binary(inst)?,
            Op::FNeg => self.lanes_negate(inst)?,
            Op::ICmp => self.lanes_compare(inst)?,
            Op::FCmp => self.lanes_compare_floats(inst)?,
            Op::Bitcast => return self.lanes_bitcast(id, inst),
            op if op.is_cast() => self.lanes_cast(inst)?,
            Op::Intrinsic => self.lanes_intrinsic(inst)?,
            Op::Shuffle => self.lanes_shuffle(id, inst)?,
            Op::InsertElement => self.lanes_insert(id, inst)?,
            Op::ExtractElement => self.lanes_extract(inst)?,
            _ => return self.unsupported("an operation on vectors"),
        };
        let dst = self.result(id)?;
        self.bind(dst, value);
        Ok(())
    }

    /// Makes `value`, computed by the root, its result `dst`.
    ///
    /// Nothing outside of the root's code names a register that was made for it, so renaming it there is
    /// enough; a value from elsewhere is copied.
    pub(super) fn bind(&mut self, dst: Vreg, value: Vreg) {
        let from = self.seq.first().map_or(0, |first| first.range.0 as usize);
        let operands = &mut self.code.operands[from..];
        let is_result = |operand: &Operand| {
            operand.vreg == value && matches!(operand.role, Role::Def | Role::EarlyDef)
        };
        if self.seq.is_empty() || !operands.iter().any(is_result) {
            return self.copy(dst, value);
        }
        for operand in operands.iter_mut().filter(|operand| operand.vreg == value) {
            operand.vreg = dst;
        }
    }

    /// A new virtual register for a vector.
    fn vector_temp(&mut self, wide: bool) -> Vreg {
        self.need_bytes(if wide { 32 } else { 16 });
        self.fresh(true)
    }

    /// Vector registers of this function hold values of so many bytes.
    pub(super) fn need_bytes(&mut self, bytes: u32) {
        self.code.vector_bytes = self.code.vector_bytes.max(bytes);
    }

    /// The result of an operation that legacy encoding computes in its first input.
    pub(super) fn tied_result(&self, dst: Vreg) -> Operand {
        if self.cpu.avx {
            Operand::def(dst)
        } else {
            Operand::tied(dst, 1)
        }
    }

    /// `vreg` as a second input: from its spill slot only if that need not be aligned.
    fn input(&self, vreg: Vreg) -> Input {
        let operand = if self.cpu.avx {
            Operand::any(vreg)
        } else {
            Operand::reg(vreg)
        };
        (Src::Reg, Operands::from_slice(&[operand]))
    }

    /// `value`, of as many bytes as the operation reads, as its second input.
    fn lanes_input(&mut self, value: Value) -> Lowered<Input> {
        let bytes = self.shape_of(value)?.bytes();
        if self.cpu.avx
            && bytes >= 16
            && let Some(mem) = self.sinkable_bytes(value, bytes)?
        {
            return Ok(mem);
        }
        let (leaf, _) = self.leaf(value, 0);
        if leaf.as_const().is_some()
            && let Some(halves) = self.vector_bits(leaf)
            && halves != [0; 2]
            && halves != ones(bytes > 16)
        {
            return Ok(self.constant_input(halves, bytes > 16));
        }
        let vreg = self.reg(value)?;
        Ok(self.input(vreg))
    }

    /// The load behind `value` as an operand in memory, if it reads exactly `bytes` and the root may do it.
    fn sinkable_bytes(&mut self, value: Value, bytes: u32) -> Lowered<Option<Input>> {
        let load = self.sinkable_load(value);
        let Some(load) = load.filter(|load| self.types.layout(load.ty).store == bytes) else {
            return Ok(None);
        };
        let (mem, operands) = self.address(Value(load.args[0]))?;
        Ok(Some((Src::Mem(mem), operands)))
    }

    /// A constant in memory as second input.
    fn constant_input(&mut self, halves: [u128; 2], wide: bool) -> Input {
        let mem = self.constant_bytes(halves, if wide { 32 } else { 16 });
        (Src::Mem(mem), Operands::new())
    }

    /// The bits of a vector constant of numbers, low half first; upper bytes of a short one are 0.
    pub(super) fn vector_bits(&self, value: Value) -> Option<[u128; 2]> {
        let constant = self.body.constant(value.as_const()?);
        let shape = self.shape(constant.ty)?;
        let ConstKind::Elements { start, len } = constant.kind else {
            return matches!(constant.kind, ConstKind::Zero).then_some([0; 2]);
        };
        let mut halves = [0; 2];
        for (at, &element) in (0..).zip(self.body.words(start, len)) {
            let id = ir::ConstId(element);
            let bits = match self.body.constant(id).kind {
                ConstKind::F32(bits) => u64::from(bits),
                ConstKind::F64(bits) => bits,
                _ => self.const_bits(Value::constant(id))?,
            };
            put_lane(&mut halves, shape.bits, at, bits);
        }
        Some(halves)
    }

    /// The lanes of `value`, if it is a vector of numbers.
    fn lane_constants(&self, value: Value) -> Option<Vec<u64>> {
        let (leaf, _) = self.leaf(value, 0);
        let shape = self.shape(self.body.type_of(value))?;
        let halves = self.vector_bits(leaf)?;
        Some(
            (0..shape.count)
                .map(|at| lane_of(&halves, shape.bits, at))
                .collect(),
        )
    }

    /// A vector constant in a new virtual register.
    pub(super) fn vector_constant(&mut self, value: Value) -> Lowered<Vreg> {
        let ty = self.body.type_of(value);
        let Some(shape) = self.shape(ty) else {
            return self.unsupported("a constant");
        };
        match self.vector_bits(value) {
            Some(halves) => Ok(self.load_constant(halves, shape.wide())),
            None => self.build_constant(value, shape),
        }
    }

    /// A vector of these bits.
    fn load_constant(&mut self, halves: [u128; 2], wide: bool) -> Vreg {
        if halves == [0; 2] {
            return self.zeros(wide);
        }
        let dst = self.vector_temp(wide);
        if halves == ones(wide) {
            self.push(MInst::VOnes { wide }, &[Operand::def(dst)]);
            return dst;
        }
        let mem = self.constant_bytes(halves, if wide { 32 } else { 16 });
        let op = VecLoad::MOVUPS;
        self.push(MInst::VLoad { op, wide, mem }, &[Operand::def(dst)]);
        dst
    }

    /// A vector of zeros.
    pub(super) fn zeros(&mut self, wide: bool) -> Vreg {
        let dst = self.vector_temp(wide);
        self.push(MInst::FZero, &[Operand::def(dst)]);
        dst
    }

    /// `dst` = the vector at `mem`.
    pub(super) fn load_vector(&mut self, dst: Vreg, bytes: u32, mem: Mem, operands: &[Operand]) {
        self.need_bytes(bytes.max(16));
        if bytes < 4 {
            let word = self.temp();
            self.load_word(word, super::operand::exact_size(bytes * 8), mem, operands);
            let size = Size::B32;
            let inst = MInst::MovToVec { size };
            return self.push(inst, &[Operand::def(dst), Operand::any(word)]);
        }
        let op = match bytes {
            4 => VecLoad::MOVSS,
            8 => VecLoad::MOVSD,
            _ => VecLoad::MOVUPS,
        };
        let wide = bytes == 32;
        let inst = MInst::VLoad { op, wide, mem };
        self.push_with(inst, &[Operand::def(dst)], operands);
    }

    /// Stores the low `bytes` of `value`.
    pub(super) fn store_vector(&mut self, value: Vreg, bytes: u32, mem: Mem, operands: &[Operand]) {
        self.need_bytes(bytes.max(16));
        if bytes < 4 {
            let word = self.lane_word(value);
            return self.store_bytes(word, bytes, mem, operands);
        }
        let op = match bytes {
            4 => VecStore::MOVSS,
            8 => VecStore::MOVSD,
            _ => VecStore::MOVUPS,
        };
        let wide = bytes == 32;
        let inst = MInst::VStore { op, wide, mem };
        self.push_with(inst, &[Operand::reg(value)], operands);
    }

    /// `Load` of a vector.
    pub(super) fn lanes_load(&mut self, id: InstId, inst: &Inst) -> Lowered {
        let dst = self.result(id)?;
        let bytes = self.types.layout(inst.ty).store;
        let (mem, operands) = self.address(Value(inst.args[0]))?;
        self.load_vector(dst, bytes, mem, &operands);
        Ok(())
    }

    /// `Store` of a vector.
    pub(super) fn lanes_store(&mut self, inst: &Inst) -> Lowered {
        let [pointer, value, _] = inst.values();
        let bytes = self.types.layout(inst.ty).store;
        if let Some(vector) = self.stored_upper(value) {
            let vector = self.reg(vector)?;
            let (mem, operands) = self.address(pointer)?;
            let inst = MInst::VUpperStore { mem };
            self.push_with(inst, &[Operand::reg(vector)], &operands);
            return Ok(());
        }
        let vreg = self.reg(value)?;
        let (mem, operands) = self.address(pointer)?;
        self.store_vector(vreg, bytes, mem, &operands);
        Ok(())
    }

    /// Floats rounded to halves, which are integers of 16 bits (F16C).
    pub(super) fn halves_of(&mut self, wide: bool, a: Vreg) -> Vreg {
        let dst = self.vector_temp(wide);
        self.push(
            MInst::VToHalf { wide },
            &[Operand::def(dst), Operand::reg(a)],
        );
        dst
    }

    /// The low 32 bits of a vector in a general register.
    pub(super) fn lane_word(&mut self, vector: Vreg) -> Vreg {
        let dst = self.temp();
        let inst = MInst::MovFromVec { size: Size::B32 };
        self.push(inst, &[Operand::def(dst), Operand::reg(vector)]);
        dst
    }
}

/// One instruction each; the result is new.
impl Lower<'_> {
    /// `a op b`.
    fn bin(&mut self, op: VecBin, wide: bool, a: Vreg, b: Vreg) -> Vreg {
        let input = self.input(b);
        self.bin_input(op, wide, a, input)
    }

    /// `a op b` for any second input.
    fn bin_input(&mut self, op: VecBin, wide: bool, a: Vreg, (src, operands): Input) -> Vreg {
        let dst = self.vector_temp(wide);
        let first = [self.tied_result(dst), Operand::reg(a)];
        self.push_with(MInst::VBin { op, wide, src }, &first, &operands);
        dst
    }

    /// `a op constant`.
    fn bin_constant(&mut self, op: VecBin, wide: bool, a: Vreg, halves: [u128; 2]) -> Vreg {
        let input = self.constant_input(halves, wide);
        self.bin_input(op, wide, a, input)
    }

    /// `a op b` with an immediate.
    fn bin_imm(&mut self, op: VecBinImm, imm: u8, wide: bool, a: Vreg, b: Vreg) -> Vreg {
        let input = self.input(b);
        self.bin_imm_input(op, imm, wide, a, input)
    }

    fn bin_imm_input(
        &mut self,
        op: VecBinImm,
        imm: u8,
        wide: bool,
        a: Vreg,
        (src, operands): Input,
    ) -> Vreg {
        let dst = self.vector_temp(wide);
        let first = [self.tied_result(dst), Operand::reg(a)];
        self.push_with(MInst::VBinImm { op, imm, wide, src }, &first, &operands);
        dst
    }

    /// `op a`.
    pub(super) fn un(&mut self, op: VecUn, wide: bool, a: Vreg) -> Vreg {
        let input = self.input(a);
        self.un_input(op, wide, input)
    }

    fn un_input(&mut self, op: VecUn, wide: bool, (src, operands): Input) -> Vreg {
        let dst = self.vector_temp(wide);
        self.push_with(
            MInst::VUn { op, wide, src },
            &[Operand::def(dst)],
            &operands,
        );
        dst
    }

    /// `op a` with an immediate.
    fn un_imm(&mut self, op: VecUnImm, imm: u8, wide: bool, a: Vreg) -> Vreg {
        let (src, operands) = self.input(a);
        let dst = self.vector_temp(wide);
        let inst = MInst::VUnImm { op, imm, wide, src };
        self.push_with(inst, &[Operand::def(dst)], &operands);
        dst
    }

    /// Lanes of `a` shifted by `count`.
    fn shift_lanes(&mut self, op: VecShift, wide: bool, a: Vreg, count: u32) -> Vreg {
        let count = count as u8;
        let dst = self.vector_temp(wide);
        let operands = [self.tied_result(dst), Operand::reg(a)];
        self.push(MInst::VShift { op, count, wide }, &operands);
        dst
    }

    /// `a` with a part of `b`.
    fn merge(&mut self, op: VecMerge, a: Vreg, b: Vreg) -> Vreg {
        let dst = self.vector_temp(false);
        let operands = [self.tied_result(dst), Operand::reg(a), Operand::reg(b)];
        self.push(MInst::VMerge { op }, &operands);
        dst
    }

    /// The upper half of 256 bits.
    fn upper(&mut self, a: Vreg) -> Vreg {
        let dst = self.vector_temp(false);
        self.push(MInst::VUpper, &[Operand::def(dst), Operand::reg(a)]);
        dst
    }

    /// 32 or 64 bits of a general register in a vector register, the rest 0.
    pub(super) fn vector_of(&mut self, size: Size, a: Vreg) -> Vreg {
        let dst = self.vector_temp(false);
        self.push(
            MInst::MovToVec { size },
            &[Operand::def(dst), Operand::any(a)],
        );
        dst
    }
}

/// All bits of a register's width.
fn ones(wide: bool) -> [u128; 2] {
    [u128::MAX, if wide { u128::MAX } else { 0 }]
}

/// Every lane of `bits` holds `value`.
fn splat(bits: u32, value: u64) -> [u128; 2] {
    let mut halves = [0; 2];
    for at in 0..256 / bits {
        put_lane(&mut halves, bits, at, value);
    }
    halves
}

fn put_lane(halves: &mut [u128; 2], bits: u32, at: u32, value: u64) {
    let low = u128::from(value & (u64::MAX >> (64 - bits)));
    halves[(at * bits / 128) as usize] |= low << (at * bits % 128);
}

fn lane_of(halves: &[u128; 2], bits: u32, at: u32) -> u64 {
    (halves[(at * bits / 128) as usize] >> (at * bits % 128)) as u64 & (u64::MAX >> (64 - bits))
}
