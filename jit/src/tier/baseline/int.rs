//! Integer arithmetic of at most 64 bits, but for division (`divide`).
//!
//! Widths up to 32 are computed in 32 bits, others in 64; bits above the width come out as they may
//! (`docs/abi.md`: the user of a value extends). So addition, subtraction, multiplication, logic
//! and left shifts need no care, and only right shifts and divisions extend their operands first.

use super::emit::Emitter;
use super::operand::size_of;
use super::value::{Reg, Val};
use crate::tier::Declined;
use asm::{Alu, Gpr, Mem, Rm, Scale, Shift, ShiftX, Size, Unary};
use ir::{Inst, InstId, Op, Value};

impl Emitter<'_> {
    /// The thirteen integer operations.
    pub(super) fn int_binary(&mut self, id: InstId, inst: &Inst) -> Result<(), Declined> {
        if !matches!(
            self.vals[self.result(id) as usize].part,
            crate::abi::Part::Int(1..=64)
        ) {
            return if self.is_vector(id) {
                self.vector_binary(id, inst)
            } else {
                self.unsupported("integer operation on a wide value")
            };
        }
        match inst.op {
            Op::Add => self.add(id, inst),
            Op::Sub => self.sub(id, inst),
            Op::Mul => self.mul(id, inst),
            Op::And => self.logic(id, inst, Alu::And),
            Op::Or => self.logic(id, inst, Alu::Or),
            Op::Xor => self.logic(id, inst, Alu::Xor),
            Op::Shl | Op::LShr | Op::AShr => self.shift(id, inst),
            _ => self.divide(id, inst),
        }
        Ok(())
    }

    pub(super) fn width(&self, id: InstId) -> u8 {
        super::operand::bits_of(self.vals[self.result(id) as usize].part)
    }

    /// Operands of a commutative operation, the constant one second.
    fn ordered(&self, inst: &Inst) -> (Value, Value) {
        let (a, b) = (Value(inst.args[0]), Value(inst.args[1]));
        if a.as_const().is_some() {
            (b, a)
        } else {
            (a, b)
        }
    }

    /// A last use from memory where that saves a load; else a register.
    pub(super) fn rm(&mut self, value: Value) -> Rm<Gpr> {
        if let Some(ix) = self.index(value) {
            let val = &self.vals[ix as usize];
            let full = matches!(val.part, crate::abi::Part::Int(32 | 64));
            if full && !val.reg.is_some() && val.has(Val::STORED) && self.dies(value) {
                return Rm::Mem(self.local(val.home));
            }
        }
        Rm::Reg(self.gpr(value))
    }

    /// `dst = a op b` for a commutative operation on registers or memory.
    fn commute(
        &mut self,
        id: InstId,
        a: Value,
        b: Value,
        op: impl FnOnce(&mut Self, Gpr, Rm<Gpr>),
    ) -> Reg {
        let left = self.get(a);
        let right = self.rm(b);
        let other = match right {
            Rm::Reg(reg) => Reg::of(reg),
            Rm::Mem(_) => Reg::NONE,
        };
        let to_right =
            other.is_some() && (self.prefers(id, b, other) && !self.prefers(id, a, left));
        let (dst, source) = if to_right {
            (self.dst_from(id, b, other, left), Rm::Reg(left.gpr()))
        } else {
            (self.dst_from(id, a, left, other), right)
        };
        op(self, dst.gpr(), source);
        dst
    }

    /// Whether the result of `id` can replace `value` in `reg` without a copy.
    fn prefers(&self, id: InstId, value: Value, reg: Reg) -> bool {
        let target = self.target(id);
        if target.is_some() {
            return target == reg;
        }
        let owned = self
            .index(value)
            .is_some_and(|ix| self.regs.owner[usize::from(reg.0)] == ix);
        owned && self.dies(value)
    }

    fn add(&mut self, id: InstId, inst: &Inst) {
        let size = size_of(self.width(id));
        let (a, b) = self.ordered(inst);
        if let Some(imm) = self.imm(b, self.width(id)) {
            return self.add_imm(id, inst, a, imm);
        }
        let left = self.get(a);
        let right = self.rm(b);
        let free = |e: &Self, reg: Rm<Gpr>| match reg {
            Rm::Reg(reg) => e.prefers(id, b, Reg::of(reg)),
            Rm::Mem(_) => true,
        };
        let dst = if let Rm::Reg(right) = right
            && !self.prefers(id, a, left)
            && !free(self, Rm::Reg(right))
        {
            let dst = self.dst_late(id);
            let sum = Mem::base_index(left.gpr(), right, Scale::S1, 0);
            self.asm.lea(size, dst.gpr(), sum);
            dst
        } else {
            self.commute(id, a, b, |e, dst, src| e.asm.alu(Alu::Add, size, dst, src))
        };
        self.done(id, inst, dst, 0);
    }

    fn add_imm(&mut self, id: InstId, inst: &Inst, a: Value, imm: i32) {
        let size = size_of(self.width(id));
        let from = self.get(a);
        let dst = if self.prefers(id, a, from) {
            let dst = self.dst_from(id, a, from, Reg::NONE);
            self.asm.alu_i(Alu::Add, size, dst.gpr(), imm);
            dst
        } else {
            let dst = self.dst_late(id);
            self.asm.lea(size, dst.gpr(), Mem::base(from.gpr(), imm));
            dst
        };
        self.done(id, inst, dst, 0);
    }

    fn sub(&mut self, id: InstId, inst: &Inst) {
        let size = size_of(self.width(id));
        let (a, b) = (Value(inst.args[0]), Value(inst.args[1]));
        if let Some(imm) = self.imm(b, self.width(id))
            && imm != i32::MIN
        {
            return self.add_imm(id, inst, a, -imm);
        }
        let dst = if self.const_int(a) == Some(0) {
            let from = self.get(b);
            let dst = self.dst_from(id, b, from, Reg::NONE);
            self.asm.unary(Unary::Neg, size, dst.gpr());
            dst
        } else {
            let left = self.get(a);
            let right = self.rm(b);
            let other = match right {
                Rm::Reg(reg) => Reg::of(reg),
                Rm::Mem(_) => Reg::NONE,
            };
            let dst = self.dst_from(id, a, left, other);
            self.asm.alu(Alu::Sub, size, dst.gpr(), right);
            dst
        };
        self.done(id, inst, dst, 0);
    }

    fn mul(&mut self, id: InstId, inst: &Inst) {
        let size = size_of(self.width(id));
        let (a, b) = self.ordered(inst);
        let dst = match self.imm(b, self.width(id)) {
            Some(imm) if imm > 0 && imm.count_ones() == 1 => {
                let from = self.get(a);
                let dst = self.dst_from(id, a, from, Reg::NONE);
                let count = imm.trailing_zeros() as u8;
                self.asm.shift_i(Shift::Shl, size, dst.gpr(), count);
                dst
            }
            Some(imm) => {
                let from = self.rm(a);
                let dst = self.dst_late(id);
                self.asm.imul_i(size, dst.gpr(), from, imm);
                dst
            }
            None => self.commute(id, a, b, |e, dst, src| e.asm.imul(size, dst, src)),
        };
        self.done(id, inst, dst, 0);
    }

    fn logic(&mut self, id: InstId, inst: &Inst, op: Alu) {
        let width = self.width(id);
        let size = size_of(width);
        let (a, b) = self.ordered(inst);
        let mut flags = 0;
        let dst = if let Some(imm) = self.imm(b, width) {
            if op == Alu::And && width < 32 && imm >= 0 && imm >> width == 0 {
                flags = Val::ZEXT;
            }
            let from = self.get(a);
            let dst = self.dst_from(id, a, from, Reg::NONE);
            self.asm.alu_i(op, size, dst.gpr(), imm);
            dst
        } else {
            self.commute(id, a, b, |e, dst, src| e.asm.alu(op, size, dst, src))
        };
        let after = self.asm.offset().0;
        self.done(id, inst, dst, flags);
        if matches!(width, 32 | 64) || flags != 0 {
            self.zero_flag = (after, self.result(id));
        }
    }

    fn shift(&mut self, id: InstId, inst: &Inst) {
        let width = self.width(id);
        let size = size_of(width);
        let (value, count) = (Value(inst.args[0]), Value(inst.args[1]));
        let (op, opx) = match inst.op {
            Op::Shl => (Shift::Shl, ShiftX::Shlx),
            Op::LShr => (Shift::Shr, ShiftX::Shrx),
            _ => (Shift::Sar, ShiftX::Sarx),
        };
        let flags = if inst.op == Op::LShr { Val::ZEXT } else { 0 };
        let whole = matches!(width, 32 | 64);
        let needs_extension = !whole && inst.op != Op::Shl;
        if let Some(count) = self.const_int(count) {
            let count = (count % u64::from(width)) as u8;
            let dst =
                self.shifted_value(id, value, needs_extension, inst.op == Op::AShr, Reg::NONE);
            if count != 0 {
                self.asm.shift_i(op, size, dst.gpr(), count);
            }
            return self.done(id, inst, dst, flags);
        }
        let dst = if self.job.cpu.bmi2 && whole {
            let from = self.get(value);
            let by = self.gpr(count);
            let dst = self.dst_late(id);
            self.asm.shiftx(opx, size, dst.gpr(), from.gpr(), by);
            dst
        } else {
            let by = self.shift_count(count, width);
            let rcx = Reg::of(by);
            let dst = self.shifted_value(id, value, needs_extension, inst.op == Op::AShr, rcx);
            self.asm.shift_cl(op, size, dst.gpr());
            dst
        };
        self.done(id, inst, dst, flags);
    }

    /// `value` in a register that can be changed, extended to the operation's size if `extend`.
    pub(super) fn shifted_value(
        &mut self,
        id: InstId,
        value: Value,
        extend: bool,
        signed: bool,
        not: Reg,
    ) -> Reg {
        let size = size_of(self.width(id));
        if extend {
            let from = self.extended(value, signed, size);
            let dst = self.dst(id);
            self.asm.mov(size, dst.gpr(), from);
            return dst;
        }
        let from = self.get(value);
        self.dst_from(id, value, from, not)
    }

    /// `count mod width` in `rcx`, as far as the hardware does not do it.
    pub(super) fn shift_count(&mut self, count: Value, width: u8) -> Gpr {
        if let Some(count) = self.const_int(count) {
            self.take(Gpr::Rcx);
            self.asm.mov_i(Gpr::Rcx, count % u64::from(width));
            return Gpr::Rcx;
        }
        if !width.is_power_of_two() {
            return self.odd_shift_count(count, width);
        }
        self.take(Gpr::Rcx);
        self.fetch(Gpr::Rcx, count);
        if width < 32 {
            self.asm
                .alu_i(Alu::And, Size::B32, Gpr::Rcx, i32::from(width) - 1);
        }
        Gpr::Rcx
    }

    /// The remainder by a division, for widths that are no power of two.
    fn odd_shift_count(&mut self, count: Value, width: u8) -> Gpr {
        let size = size_of(width);
        let before = self.regs.locked;
        self.take(Gpr::Rcx);
        self.take(Gpr::Rax);
        self.take(Gpr::Rdx);
        let from = self.extended(count, false, size);
        self.asm.mov(size, Gpr::Rax, from);
        self.asm.alu(Alu::Xor, Size::B32, Gpr::Rdx, Gpr::Rdx);
        self.asm.mov_i(Gpr::Rcx, u64::from(width));
        self.asm.unary(Unary::Div, size, Gpr::Rcx);
        self.asm.mov(Size::B32, Gpr::Rcx, Gpr::Rdx);
        // Only the remainder is needed on.
        self.regs.locked = before;
        self.lock(Reg::of(Gpr::Rcx));
        Gpr::Rcx
    }
}
