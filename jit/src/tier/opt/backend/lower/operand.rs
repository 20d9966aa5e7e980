//! Values as operands: what a value really is, and where it comes from.
//!
//! Many IR instructions change a value's type and not its bits, as registers hold them (V4), or only
//! take parts from one value to another. [`Lower::leaf`] looks through them.

use super::{Lower, Lowered, bits_of};
use crate::abi::{self, Part, Parts};
use crate::tier::opt::backend::vcode::{Base, MInst, Mem, Operand, Src, Vreg};
use asm::Size;
use ir::{ConstKind, Inst, InstId, Op, Type, TypeId, Value, ValueKind};
use smallvec::SmallVec;

/// Operands of one instruction.
pub(super) type Operands = SmallVec<[Operand; 4]>;

/// Casts and aggregates deeper than this are not looked through further: bounds the time.
const MAX_CHAIN: u32 = 32;

impl Lower<'_> {
    /// The parts of type `ty`.
    pub(super) fn parts(&self, ty: TypeId) -> Lowered<Parts> {
        match abi::parts(self.types, ty, self.cpu.avx2) {
            Some(parts) => Ok(parts),
            None => self.unsupported("a value that lives in memory"),
        }
    }

    /// The one part of type `ty`.
    pub(super) fn part(&self, ty: TypeId) -> Lowered<Part> {
        let parts = self.parts(ty)?;
        match parts.as_slice() {
            [part] => Ok(*part),
            _ => self.unsupported("a value of several parts"),
        }
    }

    /// Width of an integer or pointer value of at most 64 bits.
    pub(super) fn bits(&self, value: Value) -> Lowered<u32> {
        self.type_bits(self.body.type_of(value))
    }

    /// Width of an integer or pointer type of at most 64 bits.
    pub(super) fn type_bits(&self, ty: TypeId) -> Lowered<u32> {
        match self.types.int_bits(ty) {
            Some(bits @ 1..=64) => Ok(bits),
            _ => self.unsupported("a value that is no machine integer"),
        }
    }

    /// Whether a float type is `double`.
    pub(super) fn is_double(&self, ty: TypeId) -> Lowered<bool> {
        match self.types.get(ty) {
            Type::Float => Ok(false),
            Type::Double => Ok(true),
            _ => self.unsupported("a value that is no machine float"),
        }
    }

    /// The instruction behind `value`, if it is one in reachable code.
    pub(super) fn def(&self, value: Value) -> Option<(InstId, &Inst)> {
        let id = value.as_inst()?;
        Some((id, self.body.inst(id)))
    }

    /// Where part `part` of `value` really comes from.
    pub(super) fn leaf(&self, value: Value, part: u32) -> (Value, u32) {
        let mut at = (value, part);
        for _ in 0..MAX_CHAIN {
            let Some(next) = self.behind(at.0, at.1) else {
                break;
            };
            at = next;
        }
        at
    }

    /// One step of [`leaf`](Self::leaf).
    fn behind(&self, value: Value, part: u32) -> Option<(Value, u32)> {
        let id = value.as_inst()?;
        let inst = self.body.inst(id);
        match inst.op {
            Op::Freeze => Some((Value(inst.args[0]), part)),
            op if op.is_cast() => {
                let from = Value(inst.args[0]);
                self.keeps_bits(inst, from).then_some((from, part))
            }
            Op::Phi => self.only_input(id).map(|input| (input, part)),
            Op::ExtractValue => self.extracted(inst, part),
            Op::InsertValue => self.inserted(inst, part),
            Op::ExtractElement | Op::Shuffle => self.same_lanes(id, inst).map(|from| (from, part)),
            _ => None,
        }
    }

    /// The vector whose lowest lanes are the result of `inst`: a float in the lowest lane, or lanes that
    /// stay where they are.
    fn same_lanes(&self, id: InstId, inst: &Inst) -> Option<Value> {
        let [a, b, pool] = inst.args;
        if inst.op == Op::ExtractElement {
            let lowest = self.types.is_float(inst.ty) && self.const_bits(Value(b)) == Some(0);
            return lowest.then_some(Value(a));
        }
        let (_, count) = self.types.vector(inst.ty)?;
        let mask = self.body.words(pool, count);
        let stays = (0..)
            .zip(mask)
            .all(|(at, &lane)| lane == at || lane == u32::MAX);
        // Numbers beyond the first operand's lanes would be the second's.
        let (_, lanes) = self.types.vector(self.body.type_of(Value(a)))?;
        let inside = mask.iter().all(|&lane| lane == u32::MAX || lane < lanes);
        (stays && inside && self.zero_lanes(id) == 0).then_some(Value(a))
    }

    /// Whether the cast `inst` of `from` changes no register.
    fn keeps_bits(&self, inst: &Inst, from: Value) -> bool {
        let (Some(to_bits), Some(from_bits)) = (
            self.types.int_bits(inst.ty),
            self.types.int_bits(self.body.type_of(from)),
        ) else {
            return self.keeps_vector(inst, from);
        };
        if to_bits > 64 || from_bits > 64 {
            return false;
        }
        match inst.op {
            Op::Bitcast => true,
            Op::Trunc | Op::PtrToInt | Op::IntToPtr if to_bits <= from_bits => {
                to_bits != 32 || from_bits == 32
            }
            Op::ZExt | Op::PtrToInt | Op::IntToPtr => {
                from_bits == 32 || self.is_clean(from, from_bits)
            }
            _ => false,
        }
    }

    /// As before for casts that are not among integers: vectors and floats share registers, and a mask is what
    /// its extension would be.
    fn keeps_vector(&self, inst: &Inst, from: Value) -> bool {
        let ty = self.body.type_of(from);
        let in_vector = |ty| self.types.vector(ty).is_some() || self.types.is_float(ty);
        match inst.op {
            Op::Bitcast => ty == inst.ty || (in_vector(ty) && in_vector(inst.ty)),
            Op::SExt => self.types.scalar(ty) == TypeId::I1 && self.types.vector(ty).is_some(),
            _ => false,
        }
    }

    /// Whether the register of `value`, an integer of `bits`, holds zeros above them.
    pub(super) fn is_clean(&self, value: Value, bits: u32) -> bool {
        let Some((_, inst)) = self.def(value) else {
            return bits == 32 || bits == 64 || value.as_const().is_some();
        };
        match inst.op {
            Op::ICmp | Op::FCmp => true,
            Op::Load => matches!(bits, 8 | 16 | 32 | 64),
            // Its input is zero-extended first.
            Op::LShr => true,
            Op::And if bits < 32 => inst.args[..2].iter().any(|&arg| self.is_low(arg, bits)),
            _ => bits == 32 || bits == 64,
        }
    }

    /// Whether an operand of `bits` is a constant without its highest bit: as an immediate of 32 bits it has
    /// zeros above.
    fn is_low(&self, arg: u32, bits: u32) -> bool {
        let known = self.const_bits(Value(arg));
        known.is_some_and(|raw| raw & (u64::MAX >> (64 - bits)) < 1 << (bits - 1))
    }

    /// The input of a phi whose block has one predecessor.
    fn only_input(&self, id: InstId) -> Option<Value> {
        let pred = self.order.only_pred(self.block_of[id.index()])?;
        Some(self.phi_input(id, pred))
    }

    /// What the phi `id` is when its block is entered from `pred`.
    pub(super) fn phi_input(&self, id: InstId, pred: ir::BlockId) -> Value {
        let inst = self.body.inst(id);
        let pairs = self.body.words(inst.args[0], inst.args[1] * 2);
        let entry = pairs.chunks_exact(2).find(|pair| pair[0] == pred.0);
        Value(entry.expect("a verified phi has an entry for each predecessor (B2)")[1])
    }

    /// The part of the aggregate that `ExtractValue` takes.
    fn extracted(&self, inst: &Inst, part: u32) -> Option<(Value, u32)> {
        let aggregate = Value(inst.args[0]);
        let path = self.body.words(inst.args[1], inst.args[2]);
        let (offset, _) = self.field(self.body.type_of(aggregate), path)?;
        Some((aggregate, offset + part))
    }

    /// Part `part` of what `InsertValue` makes.
    fn inserted(&self, inst: &Inst, part: u32) -> Option<(Value, u32)> {
        let [aggregate, value, pool] = inst.args;
        let len = self.body.pool[pool as usize];
        let path = self.body.words(pool + 1, len);
        let (offset, count) = self.field(inst.ty, path)?;
        if (offset..offset + count).contains(&part) {
            Some((Value(value), part - offset))
        } else {
            Some((Value(aggregate), part))
        }
    }

    /// First part and number of parts of the field at `path` in aggregate type `ty`.
    fn field(&self, ty: TypeId, path: &[u32]) -> Option<(u32, u32)> {
        let mut ty = ty;
        let mut offset = 0;
        for &number in path {
            let Type::Struct { fields, .. } = self.types.get(ty) else {
                return None;
            };
            for &before in &fields[..number as usize] {
                offset += abi::parts(self.types, before, self.cpu.avx2)?.len() as u32;
            }
            ty = fields[number as usize];
        }
        let count = abi::parts(self.types, ty, self.cpu.avx2)?.len() as u32;
        Some((offset, count))
    }

    /// Position of a value in `first`.
    fn index(&self, value: Value) -> Option<usize> {
        match value.kind() {
            ValueKind::Inst(id) => Some(self.body.params.len() + id.index()),
            ValueKind::Arg(n) => Some(n as usize),
            ValueKind::Const(_) | ValueKind::None => None,
        }
    }

    /// The virtual registers of `value`, an instruction or parameter: asks for its code.
    fn demand(&mut self, value: Value, part: u32) -> Lowered<Vreg> {
        let index = self.index(value).expect("constants are made, not demanded");
        let parts = self.parts(self.body.type_of(value))?;
        if self.first[index] == 0 {
            self.first[index] = self.code.num_vregs + 1;
            self.code.num_vregs += parts.len() as u32;
            if self.job.counting {
                self.demanded.push(value);
            }
        }
        let kind = parts[part as usize];
        if matches!(kind, Part::V128 | Part::V256) {
            self.need_bytes(kind.home_size());
        }
        Ok(Vreg::new(self.first[index] - 1 + part, !kind.is_int()))
    }

    /// The virtual register in which part `part` of the result of `id` is wanted; a new one if nobody
    /// wants it.
    pub(super) fn result_part(&mut self, id: InstId, part: u32) -> Lowered<Vreg> {
        self.demand(Value::inst(id), part)
    }

    /// The virtual register for the result of `id`, which has one part.
    pub(super) fn result(&mut self, id: InstId) -> Lowered<Vreg> {
        self.result_part(id, 0)
    }

    /// The virtual register of parameter `n`'s part, if it is wanted.
    pub(super) fn wanted_param(&mut self, n: u32, part: u32) -> Lowered<Option<Vreg>> {
        if self.first[n as usize] == 0 {
            return Ok(None);
        }
        self.demand(Value::arg(n), part).map(Some)
    }

    /// Part `part` of `value` in a virtual register.
    pub(super) fn use_part(&mut self, value: Value, part: u32) -> Lowered<Vreg> {
        let (leaf, part) = self.leaf(value, part);
        match leaf.kind() {
            ValueKind::Const(id) => self.constant(id, part),
            ValueKind::None => self.unsupported("an operand that is none"),
            _ if self.alloca_of(leaf).is_some() => {
                let dst = self.temp();
                self.address_into(leaf, dst)?;
                Ok(dst)
            }
            _ => self.demand(leaf, part),
        }
    }

    /// `vreg`, which holds `value`, for an operand that must be in one register: a copy of its own if
    /// the value may live on. The allocator would keep the value in that register as long as it
    /// can and split its life there, be it in the middle of a loop.
    pub(super) fn detached(&mut self, value: Value, vreg: Vreg) -> Vreg {
        let (leaf, _) = self.leaf(value, 0);
        let shared = self
            .index(leaf)
            .is_some_and(|at| self.uses[at] > 1 || self.far[at]);
        if !shared || self.alloca_of(leaf).is_some() {
            return vreg;
        }
        let copy = self.fresh(vreg.is_vector());
        self.copy(copy, vreg);
        copy
    }

    /// Whether the result of `id` is used in another block.
    pub(super) fn lives_on(&self, id: InstId) -> bool {
        self.far[self.body.params.len() + id.index()]
    }

    /// `value`, of one part, in a virtual register.
    pub(super) fn reg(&mut self, value: Value) -> Lowered<Vreg> {
        self.use_part(value, 0)
    }

    /// Constant `id` in a new virtual register.
    fn constant(&mut self, id: ir::ConstId, part: u32) -> Lowered<Vreg> {
        let constant = self.body.constant(id);
        if self.types.vector(constant.ty).is_some() {
            return self.vector_constant(Value::constant(id));
        }
        match constant.kind {
            ConstKind::Elements { start, len } => {
                let mut part = part;
                for at in start..start + len {
                    let field = ir::ConstId(self.body.pool[at as usize]);
                    let count = self.parts(self.body.constant(field).ty)?.len() as u32;
                    if part < count {
                        return self.constant(field, part);
                    }
                    part -= count;
                }
                self.unsupported("a constant")
            }
            ConstKind::Zero => match self.parts(constant.ty)?[part as usize] {
                Part::Int(_) => Ok(self.imm(0)),
                _ => Ok(self.float_zero()),
            },
            ConstKind::F32(bits) => Ok(self.float_constant(u64::from(bits), false)),
            ConstKind::F64(bits) => Ok(self.float_constant(bits, true)),
            _ => match (self.const_bits(Value::constant(id)), constant.kind) {
                (Some(bits), _) => Ok(self.imm(bits)),
                (None, ConstKind::Global { id, offset }) => {
                    Ok(self.thread_local_address(id, offset))
                }
                _ => self.unsupported("a constant"),
            },
        }
    }

    /// A number in a new virtual register.
    pub(super) fn imm(&mut self, bits: u64) -> Vreg {
        let dst = self.temp();
        self.push(MInst::Imm(bits), &[Operand::def(dst)]);
        dst
    }

    fn float_zero(&mut self) -> Vreg {
        let dst = self.float_temp();
        self.push(MInst::FZero, &[Operand::def(dst)]);
        dst
    }

    fn float_constant(&mut self, bits: u64, double: bool) -> Vreg {
        if bits == 0 {
            return self.float_zero();
        }
        let mem = self.constant_mem(u128::from(bits), if double { 8 } else { 4 });
        let dst = self.float_temp();
        self.push(MInst::FLoad { double, mem }, &[Operand::def(dst)]);
        dst
    }

    /// A constant of `size` bytes, at most 16, in memory.
    pub(super) fn constant_mem(&mut self, bits: u128, size: u8) -> Mem {
        self.constant_bytes([bits, 0], size)
    }

    /// A constant of `size` bytes in memory.
    pub(super) fn constant_bytes(&mut self, halves: [u128; 2], size: u8) -> Mem {
        let number = self.code.constants.len();
        self.code.constants.push((halves, size));
        Mem::at(Base::Constant, number as i32)
    }

    /// The bits of an integer or address constant, looking through casts: those above its width are
    /// unspecified.
    pub(super) fn const_bits(&self, value: Value) -> Option<u64> {
        let (leaf, 0) = self.leaf(value, 0) else {
            return None;
        };
        match self.body.constant(leaf.as_const()?).kind {
            ConstKind::Int(bits) => Some(bits),
            ConstKind::Zero => Some(0),
            ConstKind::Func(func) => {
                let address = self.job.bindings.addresses[func.index()];
                Some(u64::from(address))
            }
            ConstKind::Global { id, offset } if !self.is_thread_local(id) => {
                let address = self.job.bindings.globals[id.index()];
                Some(u64::from(address.wrapping_add_signed(offset)))
            }
            ConstKind::Block(block) => Some(u64::from(block.0) + 1),
            _ => None,
        }
    }

    fn is_thread_local(&self, id: ir::GlobalId) -> bool {
        self.job.module.globals[id.index()].thread_local
    }

    /// The thread-local global that `value` is an address in, with the offset from the task's base.
    pub(super) fn thread_local(&self, value: Value) -> Option<i32> {
        let (leaf, 0) = self.leaf(value, 0) else {
            return None;
        };
        match self.body.constant(leaf.as_const()?).kind {
            ConstKind::Global { id, offset } if self.is_thread_local(id) => {
                let start = self.job.bindings.globals[id.index()];
                Some(start.wrapping_add_signed(offset) as i32)
            }
            _ => None,
        }
    }

    /// The running task's block of thread-local globals.
    pub(super) fn thread_base(&mut self) -> Vreg {
        let base = self.temp();
        let mem = Mem::at(Base::Gs, abi::gs::TLS as i32);
        self.load_word(base, Size::B32, mem, &[]);
        base
    }

    fn thread_local_address(&mut self, id: ir::GlobalId, offset: i32) -> Vreg {
        let start = self.job.bindings.globals[id.index()];
        let base = self.thread_base();
        let dst = self.temp();
        self.add_imm(
            dst,
            base,
            start.wrapping_add_signed(offset) as i32,
            Size::B32,
        );
        dst
    }

    /// The constant that `value` of width `bits` is, sign-extended, if an immediate can hold it.
    pub(super) fn imm_of(&self, value: Value, bits: u32) -> Option<i32> {
        let raw = self.const_bits(value)?;
        let shift = 64 - bits.max(1);
        i32::try_from((raw << shift) as i64 >> shift).ok()
    }

    /// Whether `value`, through whatever [`leaf`](Self::leaf) looks through, has no other use.
    pub(super) fn is_sole(&self, value: Value) -> bool {
        let mut at = (value, 0);
        for _ in 0..MAX_CHAIN {
            let Some(id) = at.0.as_inst() else {
                return false;
            };
            if self.uses[self.body.params.len() + id.index()] != 1 {
                return false;
            }
            let Some(next) = self.behind(at.0, at.1) else {
                return true;
            };
            at = next;
        }
        false
    }

    /// The load behind `value` if the root may do it itself (L2).
    pub(super) fn sinkable_load(&self, value: Value) -> Option<Inst> {
        let (leaf, 0) = self.leaf(value, 0) else {
            return None;
        };
        let (id, inst) = self.def(leaf)?;
        let same = inst.op == Op::Load
            && self.block_of[id.index()] == self.block
            && self.epoch[id.index()] == self.epoch[self.at.index()]
            && !super::has_effect(inst)
            && !self.is_wanted(id)
            && self.is_sole(value);
        same.then_some(*inst)
    }

    /// The sinkable load behind `value` if it reads exactly `size` bytes of an integer.
    pub(super) fn sinkable_int(&self, value: Value, size: Size) -> Option<Inst> {
        let inst = self.sinkable_load(value)?;
        let bits = self.types.int_bits(inst.ty)?;
        (bits == size.bits()).then_some(inst)
    }

    /// `value` as second input of an operation of `size` on integers of `bits`.
    pub(super) fn src(&mut self, value: Value, bits: u32, size: Size) -> Lowered<(Src, Operands)> {
        if let Some(imm) = self.imm_of(value, bits) {
            return Ok((Src::Imm(imm), Operands::new()));
        }
        self.reg_or_mem(value, size)
    }

    /// `value` as an input of an operation of `size` that cannot be an immediate.
    pub(super) fn reg_or_mem(&mut self, value: Value, size: Size) -> Lowered<(Src, Operands)> {
        if let Some(load) = self.sinkable_int(value, size) {
            let (mem, operands) = self.address(Value(load.args[0]))?;
            return Ok((Src::Mem(mem), operands));
        }
        let vreg = self.reg(value)?;
        Ok((Src::Reg, Operands::from_slice(&[Operand::any(vreg)])))
    }

    /// `value`, an integer of `bits`, with zeros above in 32 or 64 bits.
    pub(super) fn zero_extended(&mut self, value: Value, bits: u32) -> Lowered<Vreg> {
        let (leaf, _) = self.leaf(value, 0);
        if bits == 32 || bits == 64 {
            return self.reg(value);
        }
        if let Some(raw) = self.const_bits(value) {
            return Ok(self.imm(raw & (u64::MAX >> (64 - bits))));
        }
        let same_width = self.types.int_bits(self.body.type_of(leaf)) == Some(bits);
        if same_width && self.is_clean(leaf, bits) {
            return self.reg(value);
        }
        let src = self.reg(value)?;
        Ok(self.extend_zero(src, bits))
    }

    /// The low `bits` of `src` in a new register.
    pub(super) fn extend_zero(&mut self, src: Vreg, bits: u32) -> Vreg {
        let dst = self.temp();
        match bits {
            8 | 16 | 32 => {
                let from = exact_size(bits);
                let inst = MInst::Extend {
                    from,
                    to: Size::B32,
                    signed: false,
                    src: Src::Reg,
                };
                self.push(inst, &[Operand::def(dst), Operand::any(src)]);
            }
            0..32 => {
                let src_imm = Src::Imm(((1u32 << bits) - 1) as i32);
                let inst = MInst::Alu {
                    op: asm::Alu::And,
                    size: Size::B32,
                    src: src_imm,
                };
                self.push(inst, &[Operand::tied(dst, 1), Operand::reg(src)]);
            }
            _ => self.shift_pair(asm::Shift::Shr, Size::B64, 64 - bits, src, dst),
        }
        dst
    }

    /// `value`, an integer of `bits`, sign-extended to 32 or 64 bits.
    pub(super) fn sign_extended(&mut self, value: Value, bits: u32) -> Lowered<Vreg> {
        if bits == 32 || bits == 64 {
            return self.reg(value);
        }
        if let Some(raw) = self.const_bits(value) {
            let wide = ((raw << (64 - bits)) as i64 >> (64 - bits)) as u64;
            let mask = if bits < 32 {
                u64::from(u32::MAX)
            } else {
                u64::MAX
            };
            return Ok(self.imm(wide & mask));
        }
        let dst = self.temp();
        self.sign_extend_into(value, bits, super::size_of(bits), dst)?;
        Ok(dst)
    }

    /// `dst = value`, an integer of `bits`, sign-extended to `to`.
    pub(super) fn sign_extend_into(
        &mut self,
        value: Value,
        bits: u32,
        to: Size,
        dst: Vreg,
    ) -> Lowered {
        if matches!(bits, 8 | 16 | 32) {
            let from = exact_size(bits);
            let (src, operands) = self.reg_or_mem(value, from)?;
            let inst = MInst::Extend {
                from,
                to,
                signed: true,
                src,
            };
            self.push_with(inst, &[Operand::def(dst)], &operands);
            return Ok(());
        }
        let src = self.reg(value)?;
        self.shift_pair(asm::Shift::Sar, to, to.bits() - bits, src, dst);
        Ok(())
    }

    /// `dst = src << count`, then shifted back by `op`.
    fn shift_pair(&mut self, op: asm::Shift, size: Size, count: u32, src: Vreg, dst: Vreg) {
        let count = count as u8;
        let high = self.temp();
        let up = MInst::ShiftImm {
            op: asm::Shift::Shl,
            size,
            count,
        };
        self.push(up, &[Operand::tied(high, 1), Operand::reg(src)]);
        let down = MInst::ShiftImm { op, size, count };
        self.push(down, &[Operand::tied(dst, 1), Operand::reg(high)]);
    }

    /// Appends an instruction whose operands come in two pieces.
    pub(super) fn push_with(&mut self, inst: MInst, first: &[Operand], rest: &[Operand]) {
        let mut all = Operands::from_slice(first);
        all.extend_from_slice(rest);
        self.push(inst, &all);
    }

    /// `dst = src`.
    pub(super) fn copy(&mut self, dst: Vreg, src: Vreg) {
        self.push(MInst::Copy, &[Operand::def(dst), Operand::any(src)]);
    }

    /// The instruction size for a part.
    pub(super) fn part_size(part: Part) -> Size {
        super::size_of(bits_of(part))
    }
}

/// The size of exactly `bits`, which is 8, 16, 32 or 64.
pub(super) fn exact_size(bits: u32) -> Size {
    match bits {
        8 => Size::B8,
        16 => Size::B16,
        32 => Size::B32,
        _ => Size::B64,
    }
}
