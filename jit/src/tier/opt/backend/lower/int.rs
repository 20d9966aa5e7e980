//! Integer arithmetic up to 64 bits: done in 32 or 64, upper bits as V4 says.

use super::operand::Operands;
use super::{Lower, Lowered, size_of};
use crate::tier::opt::backend::vcode::{Base, MInst, Mem, Operand, Src, Vreg};
use asm::{Alu, Gpr, Scale, Shift, Size, Unary};
use ir::{Inst, InstId, Op, Value};

impl Lower<'_> {
    /// `Add` to `Xor`.
    pub(super) fn int_binary(&mut self, id: InstId, inst: &Inst) -> Lowered {
        let bits = self.type_bits(inst.ty)?;
        let dst = self.result(id)?;
        let [a, b, _] = inst.values();
        match inst.op {
            Op::Add => self.add(dst, a, b, bits),
            Op::Sub => self.subtract(dst, a, b, bits),
            Op::Mul => self.multiply(dst, a, b, bits),
            Op::And => self.and(dst, a, b, bits),
            Op::Or => self.alu(Alu::Or, dst, a, b, bits),
            Op::Xor => self.xor(dst, a, b, bits),
            Op::Shl | Op::LShr | Op::AShr => self.shift(dst, inst.op, a, b, bits),
            _ => self.divide(dst, inst.op, a, b, bits),
        }
    }

    /// `a` and `b` with a constant or else a load, if there is one, in second place.
    fn commuted(&self, a: Value, b: Value, bits: u32) -> (Value, Value) {
        let size = size_of(bits);
        let swap = if self.imm_of(b, bits).is_some() {
            false
        } else if self.imm_of(a, bits).is_some() {
            true
        } else {
            self.sinkable_int(b, size).is_none() && self.sinkable_int(a, size).is_some()
        };
        if swap { (b, a) } else { (a, b) }
    }

    fn add(&mut self, dst: Vreg, a: Value, b: Value, bits: u32) -> Lowered {
        let (a, b) = self.commuted(a, b, bits);
        let size = size_of(bits);
        if let Some(imm) = self.imm_of(b, bits) {
            let a = self.reg(a)?;
            self.add_imm(dst, a, imm, size);
            return Ok(());
        }
        if self.sinkable_int(b, size).is_some() {
            return self.alu(Alu::Add, dst, a, b, bits);
        }
        let a = self.reg(a)?;
        if let Some((index, scale)) = self.scaled(b, bits) {
            let index = self.reg(index)?;
            let mem = Mem {
                disp: 0,
                base: Base::Reg,
                index: Some(scale),
                wraps: false,
            };
            let operands = [Operand::def(dst), Operand::reg(a), Operand::reg(index)];
            self.push(MInst::Lea { size, mem }, &operands);
            return Ok(());
        }
        let b = self.reg(b)?;
        self.push(
            MInst::Add { size },
            &[Operand::def(dst), Operand::reg(a), Operand::reg(b)],
        );
        Ok(())
    }

    /// `value` as a factor times a number of which it is the only use.
    fn scaled(&self, value: Value, bits: u32) -> Option<(Value, Scale)> {
        let (leaf, _) = self.leaf(value, 0);
        let (id, inst) = self.def(leaf)?;
        if inst.op != Op::Shl || !self.is_sole(value) || self.is_wanted(id) {
            return None;
        }
        if self.types.int_bits(inst.ty) != Some(bits) {
            return None;
        }
        let count = self.imm_of(Value(inst.args[1]), bits)?;
        let factor = 1u32.checked_shl(u32::try_from(count).ok()?)?;
        Some((Value(inst.args[0]), Scale::from_factor(factor)?))
    }

    /// `dst = src + imm`.
    pub(super) fn add_imm(&mut self, dst: Vreg, src: Vreg, imm: i32, size: Size) {
        if imm == 0 {
            return self.copy(dst, src);
        }
        self.push(
            MInst::AddImm { size, imm },
            &[Operand::def(dst), Operand::reg(src)],
        );
    }

    fn subtract(&mut self, dst: Vreg, a: Value, b: Value, bits: u32) -> Lowered {
        let size = size_of(bits);
        let negated = self.imm_of(b, bits).and_then(i32::checked_neg);
        if let Some(imm) = negated {
            let a = self.reg(a)?;
            self.add_imm(dst, a, imm, size);
            return Ok(());
        }
        if self.imm_of(a, bits) == Some(0) {
            let b = self.reg(b)?;
            self.push(
                MInst::Unary {
                    op: Unary::Neg,
                    size,
                },
                &[Operand::tied(dst, 1), Operand::reg(b)],
            );
            return Ok(());
        }
        self.alu(Alu::Sub, dst, a, b, bits)
    }

    /// `dst = a op b` in the two-operand form.
    pub(super) fn alu(&mut self, op: Alu, dst: Vreg, a: Value, b: Value, bits: u32) -> Lowered {
        let (a, b) = match op {
            Alu::Sub => (a, b),
            _ => self.commuted(a, b, bits),
        };
        let size = size_of(bits);
        let a = self.reg(a)?;
        let (src, operands) = self.src(b, bits, size)?;
        self.alu_src(op, size, dst, a, src, &operands);
        Ok(())
    }

    /// `dst = a op src`.
    pub(super) fn alu_src(
        &mut self,
        op: Alu,
        size: Size,
        dst: Vreg,
        a: Vreg,
        src: Src,
        operands: &[Operand],
    ) {
        let inst = MInst::Alu { op, size, src };
        self.push_with(inst, &[Operand::tied(dst, 1), Operand::reg(a)], operands);
    }

    fn and(&mut self, dst: Vreg, a: Value, b: Value, bits: u32) -> Lowered {
        let (a, b) = self.commuted(a, b, bits);
        let mask = self
            .const_bits(b)
            .map(|raw| raw & (u64::MAX >> (64 - bits)));
        let from = match mask {
            Some(0xff) => Some(Size::B8),
            Some(0xffff) => Some(Size::B16),
            Some(0xffff_ffff) if bits > 32 => Some(Size::B32),
            _ => None,
        };
        if let Some(from) = from {
            let (src, operands) = self.reg_or_mem(a, from)?;
            let inst = MInst::Extend {
                from,
                to: Size::B32,
                signed: false,
                src,
            };
            self.push_with(inst, &[Operand::def(dst)], &operands);
            return Ok(());
        }
        if let Some(mask) = mask.filter(|&mask| bits > 32 && mask <= 0x7fff_ffff) {
            // The upper half of the result is zero: 32 bits are enough.
            let a = self.reg(a)?;
            self.alu_src(Alu::And, Size::B32, dst, a, Src::Imm(mask as i32), &[]);
            return Ok(());
        }
        self.alu(Alu::And, dst, a, b, bits)
    }

    fn xor(&mut self, dst: Vreg, a: Value, b: Value, bits: u32) -> Lowered {
        let (a, b) = self.commuted(a, b, bits);
        if bits > 1 && self.imm_of(b, bits) == Some(-1) {
            let a = self.reg(a)?;
            let not = MInst::Unary {
                op: Unary::Not,
                size: size_of(bits),
            };
            self.push(not, &[Operand::tied(dst, 1), Operand::reg(a)]);
            return Ok(());
        }
        self.alu(Alu::Xor, dst, a, b, bits)
    }

    fn multiply(&mut self, dst: Vreg, a: Value, b: Value, bits: u32) -> Lowered {
        let (a, b) = self.commuted(a, b, bits);
        let size = size_of(bits);
        if let Some(imm) = self.imm_of(b, bits) {
            if !imm.unsigned_abs().is_power_of_two()
                && let Some(load) = self.sinkable_int(a, size)
            {
                let (mem, operands) = self.address(Value(load.args[0]))?;
                let inst = MInst::MulImm {
                    size,
                    imm,
                    src: Src::Mem(mem),
                };
                self.push_with(inst, &[Operand::def(dst)], &operands);
                return Ok(());
            }
            let a = self.reg(a)?;
            self.multiply_by(dst, a, imm, size);
            return Ok(());
        }
        let a = self.reg(a)?;
        let (src, operands) = self.reg_or_mem(b, size)?;
        let inst = MInst::Mul { size, src };
        self.push_with(inst, &[Operand::tied(dst, 1), Operand::reg(a)], &operands);
        Ok(())
    }

    /// `dst = src * imm`.
    pub(super) fn multiply_by(&mut self, dst: Vreg, src: Vreg, imm: i32, size: Size) {
        let scale = match imm {
            3 => Some(Scale::S2),
            5 => Some(Scale::S4),
            9 => Some(Scale::S8),
            _ => None,
        };
        if let Some(scale) = scale {
            let mem = Mem {
                disp: 0,
                base: Base::Reg,
                index: Some(scale),
                wraps: false,
            };
            let operands = [Operand::def(dst), Operand::reg(src), Operand::reg(src)];
            return self.push(MInst::Lea { size, mem }, &operands);
        }
        match imm {
            0 => self.push(MInst::Imm(0), &[Operand::def(dst)]),
            1.. if imm.count_ones() == 1 => self.shift_left(dst, src, imm.trailing_zeros(), size),
            _ => {
                let inst = MInst::MulImm {
                    size,
                    imm,
                    src: Src::Reg,
                };
                self.push(inst, &[Operand::def(dst), Operand::any(src)]);
            }
        }
    }

    /// `dst = src << count`.
    fn shift_left(&mut self, dst: Vreg, src: Vreg, count: u32, size: Size) {
        let count = count as u8;
        match count {
            0 => self.copy(dst, src),
            1..=3 => {
                let operands = [Operand::def(dst), Operand::reg(src)];
                self.push(MInst::ShlLea { size, count }, &operands);
            }
            _ => {
                let inst = MInst::ShiftImm {
                    op: Shift::Shl,
                    size,
                    count,
                };
                self.push(inst, &[Operand::tied(dst, 1), Operand::reg(src)]);
            }
        }
    }

    fn shift(&mut self, dst: Vreg, op: Op, a: Value, b: Value, bits: u32) -> Lowered {
        let size = size_of(bits);
        let value = match op {
            Op::LShr => self.zero_extended(a, bits)?,
            Op::AShr => self.sign_extended(a, bits)?,
            _ => self.reg(a)?,
        };
        let kind = match op {
            Op::LShr => Shift::Shr,
            Op::AShr => Shift::Sar,
            _ => Shift::Shl,
        };
        if let Some(raw) = self.const_bits(b) {
            let raw = raw & (u64::MAX >> (64 - bits));
            let count = (raw % u64::from(bits)) as u32;
            match kind {
                _ if count == 0 => self.copy(dst, value),
                Shift::Shl => self.shift_left(dst, value, count, size),
                _ => {
                    let inst = MInst::ShiftImm {
                        op: kind,
                        size,
                        count: count as u8,
                    };
                    self.push(inst, &[Operand::tied(dst, 1), Operand::reg(value)]);
                }
            }
            return Ok(());
        }
        let count = self.shift_count(b, bits)?;
        self.shift_by(kind, size, dst, value, count);
        Ok(())
    }

    /// The shift amount `b` modulo the width, for what the hardware does not take modulo it.
    pub(super) fn shift_count(&mut self, b: Value, bits: u32) -> Lowered<Vreg> {
        if bits == 32 || bits == 64 {
            return self.reg(b);
        }
        let count = self.zero_extended(b, bits)?;
        let dst = self.temp();
        if bits.is_power_of_two() {
            self.alu_src(
                Alu::And,
                Size::B32,
                dst,
                count,
                Src::Imm(bits as i32 - 1),
                &[],
            );
        } else {
            let width = self.imm(u64::from(bits));
            self.division(dst, count, width, size_of(bits), false, Gpr::Rdx);
        }
        Ok(dst)
    }

    /// `dst = value` shifted or rotated by `count`.
    pub(super) fn shift_by(&mut self, op: Shift, size: Size, dst: Vreg, value: Vreg, count: Vreg) {
        let shifts = matches!(op, Shift::Shl | Shift::Shr | Shift::Sar);
        if self.cpu.bmi2 && shifts {
            let operands = [Operand::def(dst), Operand::any(value), Operand::reg(count)];
            self.push(MInst::ShiftX { op, size }, &operands);
        } else {
            let operands = [
                Operand::tied(dst, 1),
                Operand::reg(value),
                Operand::in_gpr(count, Gpr::Rcx),
            ];
            self.push(MInst::ShiftCl { op, size }, &operands);
        }
    }

    fn divide(&mut self, dst: Vreg, op: Op, a: Value, b: Value, bits: u32) -> Lowered {
        let size = size_of(bits);
        let signed = matches!(op, Op::SDiv | Op::SRem);
        let remainder = matches!(op, Op::URem | Op::SRem);
        if !signed && self.divide_by_power(dst, a, b, bits, remainder)? {
            return Ok(());
        }
        let dividend = a;
        let (a, b) = if signed {
            (self.sign_extended(a, bits)?, self.sign_extended(b, bits)?)
        } else {
            (self.zero_extended(a, bits)?, self.zero_extended(b, bits)?)
        };
        let a = if bits == size.bits() {
            self.detached(dividend, a)
        } else {
            a
        };
        let result = if remainder { Gpr::Rdx } else { Gpr::Rax };
        self.division(dst, a, b, size, signed, result);
        Ok(())
    }

    /// Unsigned division by a constant power of two.
    fn divide_by_power(
        &mut self,
        dst: Vreg,
        a: Value,
        b: Value,
        bits: u32,
        remainder: bool,
    ) -> Lowered<bool> {
        let raw = self
            .const_bits(b)
            .map(|raw| raw & (u64::MAX >> (64 - bits)));
        let Some(power) = raw.filter(|raw| raw.is_power_of_two() && *raw < 1 << 31) else {
            return Ok(false);
        };
        let size = size_of(bits);
        if remainder {
            let a = self.reg(a)?;
            self.alu_src(Alu::And, Size::B32, dst, a, Src::Imm(power as i32 - 1), &[]);
            return Ok(true);
        }
        let a = self.zero_extended(a, bits)?;
        match power.trailing_zeros() {
            0 => self.copy(dst, a),
            count => {
                let inst = MInst::ShiftImm {
                    op: Shift::Shr,
                    size,
                    count: count as u8,
                };
                self.push(inst, &[Operand::tied(dst, 1), Operand::reg(a)]);
            }
        }
        Ok(true)
    }

    /// `dst` = quotient (`rax`) or remainder (`rdx`) of `a` and `b`.
    pub(super) fn division(
        &mut self,
        dst: Vreg,
        a: Vreg,
        b: Vreg,
        size: Size,
        signed: bool,
        result: Gpr,
    ) {
        let operands: Operands = [
            Operand::to_gpr(dst, result),
            Operand::in_gpr(a, Gpr::Rax),
            Operand::any_late(b),
        ]
        .into_iter()
        .collect();
        self.push(MInst::Div { size, signed }, &operands);
    }
}
