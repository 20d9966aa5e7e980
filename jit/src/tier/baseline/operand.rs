//! Operands and results: values into registers, registers into values.
//!
//! Selecting code for an instruction always goes the same way: get the operands (which locks their
//! registers), choose the result's register, emit, then [`Emitter::done`] releases the operands and
//! notes where the result is. So an operand's register can become the result's, and nothing that is
//! still needed is overwritten.

use super::emit::Emitter;
use super::moves::Source;
use super::regs::{INTS, VECTORS, class};
use super::value::{Ix, NO_IX, Reg, Val};
use crate::abi::{self, Part};
use asm::{Alu, Gpr, Mem, Size, VecBin, VecLoad, VecStore, Xmm};
use ir::{ConstId, ConstKind, Inst, InstId, Op, TypeId, Value};

/// The size of instructions on an integer of so many bits.
pub(super) fn size_of(bits: u8) -> Size {
    if bits <= 32 { Size::B32 } else { Size::B64 }
}

/// Bits of an integer part.
pub(super) fn bits_of(part: Part) -> u8 {
    match part {
        Part::Int(bits) => bits,
        _ => 64,
    }
}

impl Emitter<'_> {
    /// The part that the first part of a value is.
    pub(super) fn part(&self, value: Value) -> Part {
        match self.index(value) {
            Some(ix) => self.vals[ix as usize].part,
            None => self.const_part(value),
        }
    }

    /// The part that the value is, if it is one.
    pub(super) fn only_part(&self, value: Value) -> Option<Part> {
        match self.index(value) {
            Some(ix) => {
                let val = &self.vals[ix as usize];
                (val.more == 0).then_some(val.part)
            }
            None => super::analysis::scalar_part(self.body.type_of(value)),
        }
    }

    fn const_part(&self, value: Value) -> Part {
        self.part_of_type(self.body.type_of(value))
    }

    /// The first part of values of a type.
    #[inline]
    fn part_of_type(&self, ty: TypeId) -> Part {
        if let Some(part) = super::analysis::scalar_part(ty) {
            return part;
        }
        match super::analysis::parts_of(self.job, ty, self.at) {
            Ok((part, _)) => part,
            Err(_) => Part::Int(0),
        }
    }

    /// Width in bits of an integer value.
    pub(super) fn bits(&self, value: Value) -> u8 {
        bits_of(self.part(value))
    }

    /// Number of part `part` of a value that is no constant.
    #[inline(always)]
    pub(super) fn part_ix(&self, ix: Ix, part: u32) -> Ix {
        if part == 0 {
            ix
        } else {
            self.vals[ix as usize].extra + part - 1
        }
    }

    /// The value's first part in a register, locked.
    #[inline]
    pub(super) fn get(&mut self, value: Value) -> Reg {
        self.get_part(value, 0)
    }

    /// A part of the value in a register, locked.
    #[inline]
    pub(super) fn get_part(&mut self, value: Value, part: u32) -> Reg {
        match self.index(value) {
            Some(ix) => self.get_ix(self.part_ix(ix, part)),
            None => match value.as_const() {
                Some(id) => self.constant(id, part),
                None => Reg::of(Gpr::Rax),
            },
        }
    }

    /// The value as a general register.
    pub(super) fn gpr(&mut self, value: Value) -> Gpr {
        self.get(value).gpr()
    }

    /// The value as a vector register.
    pub(super) fn xmm(&mut self, value: Value) -> Xmm {
        self.get(value).xmm()
    }

    /// Copies the value's first part to `dst`, which was taken, without locking another register.
    pub(super) fn fetch(&mut self, dst: Gpr, value: Value) {
        let (from, part) = (self.source(value, 0), self.part(value));
        self.move_to_reg(Reg::of(dst), from, part);
    }

    #[inline]
    fn get_ix(&mut self, ix: Ix) -> Reg {
        let reg = self.vals[ix as usize].reg;
        if reg.is_some() {
            self.lock(reg);
            return reg;
        }
        self.bring(ix)
    }

    /// A part that is in no register in one, locked.
    #[inline(never)]
    fn bring(&mut self, ix: Ix) -> Reg {
        let val = self.vals[ix as usize];
        if val.has(Val::ALLOCA) {
            let reg = self.alloc(INTS);
            let object = self.local(val.home);
            self.asm.lea(Size::B32, reg.gpr(), object);
            self.bind(reg, ix);
            return reg;
        }
        debug_assert!(val.has(Val::STORED), "value {ix} is nowhere");
        let reg = self.alloc(class(val.part));
        self.load_home(reg, val.home, val.part);
        self.bind(reg, ix);
        reg
    }

    /// Loads a part from a home.
    pub(super) fn load_home(&mut self, reg: Reg, home: i32, part: Part) {
        let from = self.local(home);
        match part {
            Part::Int(0..=32) => self.asm.mov(Size::B32, reg.gpr(), from),
            Part::Int(_) => self.asm.mov(Size::B64, reg.gpr(), from),
            Part::F32 => self.asm.vec_load(self.enc, VecLoad::MOVSS, reg.xmm(), from),
            Part::F64 => self.asm.vec_load(self.enc, VecLoad::MOVSD, reg.xmm(), from),
            Part::V128 | Part::V256 => {
                let enc = self.enc_of(part);
                self.asm.vec_load(enc, VecLoad::MOVUPS, reg.xmm(), from);
            }
        }
    }

    /// Stores a part to a home.
    pub(super) fn spill(&mut self, home: i32, reg: Reg, part: Part) {
        let to = self.local(home);
        match part {
            Part::Int(0..=32) => self.asm.mov_mr(Size::B32, to, reg.gpr()),
            Part::Int(_) => self.asm.mov_mr(Size::B64, to, reg.gpr()),
            Part::F32 => self.asm.vec_store(self.enc, VecStore::MOVSS, to, reg.xmm()),
            Part::F64 => self.asm.vec_store(self.enc, VecStore::MOVSD, to, reg.xmm()),
            Part::V128 | Part::V256 => {
                let enc = self.enc_of(part);
                self.asm.vec_store(enc, VecStore::MOVUPS, to, reg.xmm());
            }
        }
    }

    /// A constant in a temporary. Clobbers the flags.
    #[inline(never)]
    fn constant(&mut self, id: ConstId, part: u32) -> Reg {
        if self.is_special(id) {
            return self.special_constant(id);
        }
        let (kind, bits) = self.const_bits(id, part);
        if kind.is_int() {
            let reg = self.alloc(INTS);
            self.load_int(reg.gpr(), bits);
            reg
        } else {
            let reg = self.alloc(VECTORS);
            self.load_float(reg.xmm(), kind, bits);
            reg
        }
    }

    /// Whether the constant is more than a few bits: a vector, or the address of a thread-local
    /// variable, which only the running task knows.
    pub(super) fn is_special(&self, id: ConstId) -> bool {
        let constant = self.body.constant(id);
        match constant.kind {
            ConstKind::Elements { .. } => self.job.module.types.vector(constant.ty).is_some(),
            ConstKind::Global { id, .. } => {
                self.has_thread_locals && self.job.module.globals[id.index()].thread_local
            }
            _ => false,
        }
    }

    /// Such a constant in a temporary. Clobbers the flags.
    fn special_constant(&mut self, id: ConstId) -> Reg {
        let part = self.const_part(Value::constant(id));
        let reg = self.alloc(class(part));
        self.move_to_reg(reg, Source::Special(id), part);
        reg
    }

    /// The address of a thread-local variable: the task's block, and the offset in it. Keeps the
    /// flags.
    pub(super) fn load_thread_local(&mut self, dst: Gpr, id: ConstId) {
        let (_, offset) = self.const_bits(id, 0);
        self.asm.mov(Size::B32, dst, Mem::gs(abi::gs::TLS as i32));
        if offset != 0 {
            self.asm
                .lea(Size::B32, dst, Mem::base(dst, offset as u32 as i32));
        }
    }

    /// `dst = bits`. Clobbers the flags.
    pub(super) fn load_int(&mut self, dst: Gpr, bits: u64) {
        if bits == 0 {
            self.asm.alu(Alu::Xor, Size::B32, dst, dst);
        } else {
            self.asm.mov_i(dst, bits);
        }
    }

    /// `dst = bits` of a float. Keeps the flags.
    pub(super) fn load_float(&mut self, dst: Xmm, part: Part, bits: u64) {
        if bits == 0 {
            // Under VEX this clears all of the register.
            return self.asm.vec_bin(self.enc, VecBin::XORPS, dst, dst, dst);
        }
        let from = self.float_constant(part, bits);
        let op = if part == Part::F32 {
            VecLoad::MOVSS
        } else {
            VecLoad::MOVSD
        };
        self.asm.vec_load(self.enc, op, dst, from);
    }

    /// A float in the constants of the code.
    pub(super) fn float_constant(&mut self, part: Part, bits: u64) -> Mem {
        let label = if part == Part::F32 {
            self.asm.constant(&(bits as u32).to_le_bytes(), 4)
        } else {
            self.asm.constant(&bits.to_le_bytes(), 8)
        };
        Mem::label(label)
    }

    /// What a part of a constant is, and its bits.
    pub(super) fn const_bits(&self, id: ConstId, part: u32) -> (Part, u64) {
        let constant = self.body.constant(id);
        match constant.kind {
            ConstKind::Int(bits) => (self.part_of_type(constant.ty), bits),
            ConstKind::F32(bits) => (Part::F32, u64::from(bits)),
            ConstKind::F64(bits) => (Part::F64, bits),
            ConstKind::Func(func) => {
                let address = self.job.bindings.addresses[func.index()];
                (Part::Int(32), u64::from(address))
            }
            ConstKind::Global { id, offset } => {
                let base = self.job.bindings.globals[id.index()];
                (Part::Int(32), u64::from(base.wrapping_add_signed(offset)))
            }
            ConstKind::Block(block) => (Part::Int(32), u64::from(block.0) + 1),
            ConstKind::Elements { start, len } => {
                // Fields have one part each: fields with more are not supported in registers.
                let field = part.min(len.saturating_sub(1));
                let field = ConstId(self.body.pool[(start + field) as usize]);
                self.const_field(field)
            }
            ConstKind::Zero | ConstKind::Wide { .. } => {
                let parts = super::analysis::parts_of(self.job, constant.ty, self.at);
                let part = match parts {
                    Ok((first, _)) if part == 0 => first,
                    Ok((_, later)) => later
                        .get(part as usize - 1)
                        .copied()
                        .unwrap_or(Part::Int(0)),
                    Err(_) => Part::Int(0),
                };
                (part, 0)
            }
        }
    }

    /// A field of a constant that is itself of one part.
    fn const_field(&self, id: ConstId) -> (Part, u64) {
        match self.body.constant(id).kind {
            ConstKind::Elements { .. } => (Part::Int(0), 0),
            _ => self.const_bits(id, 0),
        }
    }

    /// The constant's bits if it is an integer or an address.
    #[inline]
    pub(super) fn const_int(&self, value: Value) -> Option<u64> {
        let id = value.as_const()?;
        match self.body.consts[id.index()].kind {
            ConstKind::Int(bits) => Some(bits),
            _ => self.other_const_int(id),
        }
    }

    fn other_const_int(&self, id: ConstId) -> Option<u64> {
        match self.body.constant(id).kind {
            ConstKind::F32(_) | ConstKind::F64(_) | ConstKind::Elements { .. } => None,
            ConstKind::Global { .. } if self.is_special(id) => None,
            _ => Some(self.const_bits(id, 0))
                .filter(|c| c.0.is_int())
                .map(|c| c.1),
        }
    }

    /// The constant as an immediate of an instruction on `bits` bits, if it fits.
    pub(super) fn imm(&self, value: Value, bits: u8) -> Option<i32> {
        let raw = self.const_int(value)?;
        if bits <= 32 {
            return Some(raw as i32);
        }
        let shift = 64 - u32::from(bits);
        i32::try_from(((raw << shift) as i64) >> shift).ok()
    }

    /// One use of `value` has been emitted.
    #[inline(always)]
    pub(super) fn release(&mut self, value: Value) {
        if let Some(ix) = self.index(value) {
            self.release_ix(ix);
        }
    }

    /// Whether the current instruction is the last use of `value`.
    pub(super) fn dies(&self, value: Value) -> bool {
        self.index(value).is_some_and(|ix| {
            let val = &self.vals[ix as usize];
            val.uses == 1 && val.end <= self.position
        })
    }

    /// The register in which the result of `id` would best be: its own, or that of the variable it is
    /// stored to next.
    pub(super) fn target(&self, id: InstId) -> Reg {
        let val = &self.vals[self.result(id) as usize];
        if val.fixed.is_some() || val.uses != 1 {
            return val.fixed;
        }
        let Some(next) = self.body.insts.get(id.index() + 1) else {
            return Reg::NONE;
        };
        if next.op != Op::Store || Value(next.args[1]) != Value::inst(id) {
            return Reg::NONE;
        }
        match self.variable(Value(next.args[0])) {
            // Before the variable's interval the register is not its own yet.
            Some(reg) if reg.bit() & (INTS | VECTORS) & !self.regs.reserved == 0 => reg,
            _ => Reg::NONE,
        }
    }

    /// The register of the variable whose address `value` is.
    pub(super) fn variable(&self, value: Value) -> Option<Reg> {
        let val = &self.vals[self.index(value)? as usize];
        (val.is_variable() && val.fixed.is_some()).then_some(val.fixed)
    }

    /// A register for the result of `id` that is none of the operands'.
    pub(super) fn dst(&mut self, id: InstId) -> Reg {
        let target = self.target(id);
        if target.is_some() && self.regs.locked & target.bit() == 0 {
            self.lock(target);
            self.unalias(target, NO_IX);
            return target;
        }
        let part = self.vals[self.result(id) as usize].part;
        self.alloc(class(part))
    }

    /// A register for the result of `id`, written by a single instruction that reads all operands first:
    /// it may be an operand's, if that is the result's own anyway.
    pub(super) fn dst_late(&mut self, id: InstId) -> Reg {
        let target = self.target(id);
        if target.is_some() {
            self.lock(target);
            self.unalias(target, NO_IX);
            return target;
        }
        self.dst(id)
    }

    /// A register for the result of `id` that holds `a` (which is in `from`) and may be changed; not
    /// `other`, nor another locked one.
    pub(super) fn dst_from(&mut self, id: InstId, a: Value, from: Reg, other: Reg) -> Reg {
        let part = self.vals[self.result(id) as usize].part;
        let target = self.target(id);
        let a_ix = self.index(a);
        if target.is_some() && target == from && other != from {
            let dying = a_ix.filter(|_| self.dies(a)).unwrap_or(NO_IX);
            self.unalias(target, dying);
            return target;
        }
        if target.is_some() && self.regs.locked & target.bit() == 0 {
            self.lock(target);
            self.unalias(target, NO_IX);
            self.copy(target, from, part);
            return target;
        }
        let owned = match a_ix {
            Some(ix) => self.regs.owner[usize::from(from.0)] == ix && self.dies(a),
            // A constant is in a temporary of its own.
            None => true,
        };
        if owned && from != other {
            return from;
        }
        let reg = self.alloc(class(part));
        self.copy(reg, from, part);
        reg
    }

    /// The instruction is emitted and its result, if any, is in `reg`.
    pub(super) fn done(&mut self, id: InstId, inst: &Inst, reg: Reg, flags: u16) {
        if inst.op.is_int_binary() {
            self.release(Value(inst.args[0]));
            self.release(Value(inst.args[1]));
        } else {
            let body = self.body;
            body.for_each_operand(inst, |operand| self.release(operand));
        }
        self.set(self.result(id), reg, flags);
    }

    /// Part `ix` is defined: it is in `reg`.
    pub(super) fn set(&mut self, ix: Ix, reg: Reg, flags: u16) {
        if self.vals[self.main(ix) as usize].uses == 0 {
            return;
        }
        let val = &mut self.vals[ix as usize];
        val.flags |= flags;
        let (fixed, part) = (val.fixed, val.part);
        if fixed.is_some() {
            val.reg = fixed;
            if fixed != reg {
                self.unalias(fixed, NO_IX);
                self.copy(fixed, reg, part);
            }
        } else if class(part) & !self.regs.reserved & reg.bit() != 0 {
            self.bind(reg, ix);
        } else if !self.alias(reg, ix) {
            let own = self.alloc(class(part));
            self.copy(own, reg, part);
            self.bind(own, ix);
        }
    }

    /// The result of `id` is `value` itself, with the same bits in the same kind of register.
    pub(super) fn forward_reg(&mut self, id: InstId, inst: &Inst, value: Value, flags: u16) {
        let from = self.get(value);
        let ix = self.result(id);
        let keep = self
            .index(value)
            .is_some_and(|v| self.regs.owner[usize::from(from.0)] == v);
        if keep && !self.dies(value) || self.target(id).is_some() {
            let part = self.vals[ix as usize].part;
            let reg = self.dst_late(id);
            self.copy(reg, from, part);
            return self.done(id, inst, reg, flags);
        }
        self.done(id, inst, from, flags);
    }
}
