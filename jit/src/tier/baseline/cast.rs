//! Conversions between integers and addresses, and the extension of operands.

use super::emit::Emitter;
use super::operand::{bits_of, size_of};
use super::value::Val;
use crate::abi::Part;
use crate::tier::Declined;
use asm::{Alu, Gpr, Shift, Size};
use ir::{Inst, InstId, Op, Value};

/// The operand size of so many bits, if the hardware has it.
fn exact(bits: u8) -> Option<Size> {
    match bits {
        8 => Some(Size::B8),
        16 => Some(Size::B16),
        32 => Some(Size::B32),
        64 => Some(Size::B64),
        _ => None,
    }
}

impl Emitter<'_> {
    /// All conversions.
    pub(super) fn cast(&mut self, id: InstId, inst: &Inst) -> Result<(), Declined> {
        let value = Value(inst.args[0]);
        let (from, to) = (self.part(value), self.vals[self.result(id) as usize].part);
        let (Part::Int(from @ 1..=64), Part::Int(to @ 1..=64)) = (from, to) else {
            return self.float_cast(id, inst);
        };
        match inst.op {
            Op::SExt => self.sign_extend(id, inst, from, to),
            Op::ZExt => self.zero_extend(id, inst, from)?,
            _ if from < to => self.zero_extend(id, inst, from)?,
            _ if to == 32 && from > 32 => {
                let source = self.rm(value);
                let dst = self.dst_late(id);
                self.asm.mov(Size::B32, dst.gpr(), source);
                self.done(id, inst, dst, 0);
            }
            _ => self.forward_reg(id, inst, value, 0),
        }
        Ok(())
    }

    pub(super) fn freeze(&mut self, id: InstId, inst: &Inst) -> Result<(), Declined> {
        if self.vals[self.result(id) as usize].more != 0 {
            self.forward_parts(id, Value(inst.args[0]));
            return Ok(());
        }
        self.forward_reg(id, inst, Value(inst.args[0]), 0);
        Ok(())
    }

    fn zero_extend(&mut self, id: InstId, inst: &Inst, from: u8) -> Result<(), Declined> {
        let value = Value(inst.args[0]);
        if self.fused.is_some() && self.fused == value.as_inst() {
            let test = self.test(value)?;
            let dst = self.dst(id);
            self.truth(dst.gpr(), test);
            self.set(self.result(id), dst, Val::ZEXT);
            return Ok(());
        }
        if from == 32 || self.is_zero_extended(value) {
            self.forward_reg(id, inst, value, Val::ZEXT);
            return Ok(());
        }
        let source = self.gpr(value);
        let dst = self.dst_late(id);
        self.extend_into(dst.gpr(), source, from, false, size_of(from));
        self.done(id, inst, dst, Val::ZEXT);
        Ok(())
    }

    fn sign_extend(&mut self, id: InstId, inst: &Inst, from: u8, to: u8) {
        let source = self.gpr(Value(inst.args[0]));
        let dst = self.dst_late(id);
        self.extend_into(dst.gpr(), source, from, true, size_of(to));
        self.done(id, inst, dst, 0);
    }

    fn is_zero_extended(&self, value: Value) -> bool {
        match self.index(value) {
            Some(ix) => self.vals[ix as usize].has(Val::ZEXT),
            None => true,
        }
    }

    /// `dst` = the low `bits` of `source`, extended to `size`.
    fn extend_into(&mut self, dst: Gpr, source: Gpr, bits: u8, signed: bool, size: Size) {
        if let Some(narrow) = exact(bits).filter(|&narrow| narrow < size) {
            if signed {
                self.asm.movsx(size, dst, narrow, source);
            } else {
                self.asm.movzx(dst, narrow, source);
            }
            return;
        }
        self.asm.mov(size, dst, source);
        let unused = (size.bits() as u8).saturating_sub(bits);
        if unused == 0 {
            return;
        }
        if !signed && bits < 32 {
            self.asm
                .alu_i(Alu::And, Size::B32, dst, ((1u32 << bits) - 1) as i32);
            return;
        }
        let back = if signed { Shift::Sar } else { Shift::Shr };
        self.asm.shift_i(Shift::Shl, size, dst, unused);
        self.asm.shift_i(back, size, dst, unused);
    }

    /// The value extended to `size` (32 or 64 bits), in a register that must not be changed.
    pub(super) fn extended(&mut self, value: Value, signed: bool, size: Size) -> Gpr {
        let bits = bits_of(self.part(value));
        if let Some(raw) = self.const_int(value) {
            let shift = 64 - u32::from(bits);
            let wide = if signed {
                ((raw << shift) as i64 >> shift) as u64
            } else {
                raw
            };
            let dst = self.temp();
            self.load_int(
                dst,
                if size == Size::B32 {
                    wide & 0xffff_ffff
                } else {
                    wide
                },
            );
            return dst;
        }
        let before = self.regs.locked;
        let source = self.gpr(value);
        let extended = if signed {
            u32::from(bits) == size.bits()
        } else {
            bits == 32 || bits == 64 || self.is_zero_extended(value)
        };
        if extended {
            return source;
        }
        let dst = self.temp();
        self.extend_into(dst, source, bits, signed, size);
        // Few registers may be free: only the extended value is needed on.
        self.unlock(source, before);
        dst
    }
}
