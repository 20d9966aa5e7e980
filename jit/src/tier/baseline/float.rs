//! Floating point: arithmetic and conversions of `float` and `double` scalars.
//!
//! With AVX every instruction is VEX-encoded. Only the low lane of a register means anything; what
//! instructions put into the others is of no concern, but conversions clear their destination first
//! where they would otherwise wait for its old content.

use super::emit::Emitter;
use super::operand::bits_of;
use super::value::{Reg, Val};
use crate::abi::Part;
use crate::tier::Declined;
use asm::{
    Alu, Cond, Enc, Fp, FpOp, Gpr, Mem, Rm, Rounding, Shift, Size, VecBin, VecLoad, VecStore,
    X87Mem, X87Stack, Xmm,
};
use ir::{Inst, InstId, Op, Value};

/// 2⁶³ as a double.
const TWO_63: u64 = 0x43e0_0000_0000_0000;
/// How instructions name the format of a part.
pub(super) fn format(part: Part) -> Fp {
    if part == Part::F32 { Fp::Ss } else { Fp::Sd }
}

impl Emitter<'_> {
    /// Part of the result of `id`.
    pub(super) fn result_part(&self, id: InstId) -> Part {
        self.vals[self.result(id) as usize].part
    }

    /// Whether the result of `id` is a vector.
    pub(super) fn is_vector(&self, id: InstId) -> bool {
        matches!(self.result_part(id), Part::V128 | Part::V256)
    }

    /// A last use from memory, or a constant's place; else a register.
    pub(super) fn vec_rm(&mut self, value: Value) -> Rm<Xmm> {
        if let Some(id) = value.as_const() {
            if self.is_special(id) {
                let part = self.part(value);
                let bytes = self.vector_bytes(id);
                return Rm::Mem(self.vector_place(part, &bytes));
            }
            let (part, bits) = self.const_bits(id, 0);
            if bits != 0 {
                return Rm::Mem(self.float_constant(part, bits));
            }
        }
        if let Some(ix) = self.index(value) {
            let val = &self.vals[ix as usize];
            if !val.reg.is_some() && val.has(Val::STORED) && self.dies(value) {
                return Rm::Mem(self.local(val.home));
            }
        }
        Rm::Reg(self.xmm(value))
    }

    /// `dst = a op b` by one instruction; with two operands, `a` is moved to `dst` first.
    pub(super) fn vec_binary(&mut self, id: InstId, op: VecBin, a: Value, b: Value) -> Reg {
        let enc = self.enc_of(self.result_part(id));
        let left = self.get(a);
        let right = self.vec_rm(b);
        let other = match right {
            Rm::Reg(reg) => Reg::of_xmm(reg),
            Rm::Mem(_) => Reg::NONE,
        };
        if self.enc == Enc::Legacy {
            let dst = self.dst_from(id, a, left, other);
            self.asm.vec_bin(enc, op, dst.xmm(), dst.xmm(), right);
            dst
        } else {
            let dst = self.dst_late(id);
            self.asm.vec_bin(enc, op, dst.xmm(), left.xmm(), right);
            dst
        }
    }

    /// `FAdd` to `FRem`.
    pub(super) fn float_binary(&mut self, id: InstId, inst: &Inst) -> Result<(), Declined> {
        if self.is_vector(id) {
            return self.vector_binary(id, inst);
        }
        let (a, b) = (Value(inst.args[0]), Value(inst.args[1]));
        let op = match inst.op {
            Op::FAdd => FpOp::Add,
            Op::FSub => FpOp::Sub,
            Op::FMul => FpOp::Mul,
            Op::FDiv => FpOp::Div,
            _ => {
                self.float_remainder(id, inst);
                return Ok(());
            }
        };
        let op = VecBin::arith(op, format(self.result_part(id)));
        let dst = self.vec_binary(id, op, a, b);
        self.done(id, inst, dst, 0);
        Ok(())
    }

    /// The x87 remainder is exact, and so is `fmod`: both operands fit 80 bits, the result fits theirs.
    fn float_remainder(&mut self, id: InstId, inst: &Inst) {
        let part = self.result_part(id);
        let (load, store) = if part == Part::F32 {
            (X87Mem::FLD_M32, X87Mem::FSTP_M32)
        } else {
            (X87Mem::FLD_M64, X87Mem::FSTP_M64)
        };
        self.take(Gpr::Rax);
        let home = self.frame.home(8);
        let place = self.local(home);
        for operand in [inst.args[1], inst.args[0]] {
            let from = self.get(Value(operand));
            self.spill(home, from, part);
            self.asm.x87_mem(load, place);
        }
        self.x87_reduce();
        self.asm.x87_mem(store, place);
        self.asm.x87_stack(X87Stack::FSTP, 0);
        let dst = self.dst(id);
        self.load_home(dst, home, part);
        self.frame.free(home, 8);
        self.done(id, inst, dst, 0);
    }

    /// A 16-byte constant that repeats `bits` of the part's width.
    pub(super) fn mask(&mut self, part: Part, bits: u64) -> Mem {
        let mut bytes = [0; 16];
        let width = if part == Part::F32 { 4 } else { 8 };
        for chunk in bytes.chunks_exact_mut(width) {
            chunk.copy_from_slice(&bits.to_le_bytes()[..width]);
        }
        Mem::label(self.asm.constant(&bytes, 16))
    }

    /// The sign bit of a part.
    pub(super) fn sign(part: Part) -> u64 {
        if part == Part::F32 { 1 << 31 } else { 1 << 63 }
    }

    /// `value op mask` in a register that becomes the result of `id`.
    pub(super) fn with_mask(&mut self, id: InstId, op: VecBin, value: Value, bits: u64) -> Reg {
        let part = self.result_part(id);
        let mask = self.mask(part, bits);
        let from = self.get(value);
        if self.enc == Enc::Legacy {
            let dst = self.dst_from(id, value, from, Reg::NONE);
            self.asm.vec_bin(self.enc, op, dst.xmm(), dst.xmm(), mask);
            dst
        } else {
            let dst = self.dst_late(id);
            self.asm.vec_bin(self.enc, op, dst.xmm(), from.xmm(), mask);
            dst
        }
    }

    /// `FNeg`.
    pub(super) fn float_negate(&mut self, id: InstId, inst: &Inst) -> Result<(), Declined> {
        if self.is_vector(id) {
            let sign = 1 << (self.shape(inst.ty)?.lane.bits() - 1);
            let dst =
                self.vector_with_mask(id, inst.ty, VecBin::XORPS, Value(inst.args[0]), sign)?;
            self.done(id, inst, dst, 0);
            return Ok(());
        }
        let sign = Self::sign(self.result_part(id));
        let dst = self.with_mask(id, VecBin::XORPS, Value(inst.args[0]), sign);
        self.done(id, inst, dst, 0);
        Ok(())
    }

    /// Conversions from or to floats.
    pub(super) fn float_cast(&mut self, id: InstId, inst: &Inst) -> Result<(), Declined> {
        let value = Value(inst.args[0]);
        let (from, to) = (self.part(value), self.result_part(id));
        if matches!(from, Part::V128 | Part::V256) || self.is_vector(id) {
            return self.vector_cast(id, inst);
        }
        let dst = match inst.op {
            Op::FpTrunc | Op::FpExt if from == to => {
                self.forward_reg(id, inst, value, 0);
                return Ok(());
            }
            Op::FpTrunc | Op::FpExt => self.convert_format(id, inst.op, value),
            Op::FpToSi => self.float_to_signed(id, value, bits_of(to)),
            Op::FpToUi => self.float_to_unsigned(id, value, bits_of(to)),
            Op::SiToFp => self.signed_to_float(id, value),
            Op::UiToFp => self.unsigned_to_float(id, value),
            Op::Bitcast => match (from, to) {
                (Part::Int(32 | 64), Part::F32 | Part::F64) => {
                    let source = self.gpr(value);
                    let dst = self.dst(id);
                    self.asm.movd(self.enc, word(to), dst.xmm(), source);
                    dst
                }
                (Part::F32 | Part::F64, Part::Int(32 | 64)) => {
                    let source = self.xmm(value);
                    let dst = self.dst(id);
                    self.asm.movd_mr(self.enc, word(from), dst.gpr(), source);
                    dst
                }
                _ if from == to => {
                    self.forward_reg(id, inst, value, 0);
                    return Ok(());
                }
                _ => return self.unsupported("bitcast"),
            },
            _ => return self.unsupported("conversion"),
        };
        self.done(id, inst, dst, 0);
        Ok(())
    }

    fn convert_format(&mut self, id: InstId, op: Op, value: Value) -> Reg {
        let op = if op == Op::FpTrunc {
            VecBin::CVTSD2SS
        } else {
            VecBin::CVTSS2SD
        };
        let source = self.xmm(value);
        let dst = self.dst(id);
        // Legacy encoding merges into the destination: make that the source's content.
        self.asm.vec_mov(self.enc, dst.xmm(), source);
        self.asm
            .vec_bin(self.enc, op, dst.xmm(), dst.xmm(), dst.xmm());
        dst
    }

    fn truncate(&mut self, size: Size, part: Part, dst: Gpr, source: Xmm) {
        self.asm.cvt_to_int(
            self.enc,
            Rounding::Truncate,
            format(part),
            size,
            dst,
            source,
        );
    }

    fn float_to_signed(&mut self, id: InstId, value: Value, bits: u8) -> Reg {
        let part = self.part(value);
        let source = self.xmm(value);
        let dst = self.dst(id);
        self.truncate(super::operand::size_of(bits), part, dst.gpr(), source);
        dst
    }

    /// Up to 63 bits the next wider signed conversion serves. 64 bits take two: below 2⁶³ the plain
    /// one, else that of the difference, whose sign bit is put back by the first one's failure value.
    fn float_to_unsigned(&mut self, id: InstId, value: Value, bits: u8) -> Reg {
        let part = self.part(value);
        let source = self.xmm(value);
        let dst = self.dst(id);
        let size = if bits <= 31 { Size::B32 } else { Size::B64 };
        self.truncate(size, part, dst.gpr(), source);
        if bits == 32 {
            self.asm.mov(Size::B32, dst.gpr(), dst.gpr());
        }
        if bits == 64 {
            let (high, sign) = (self.temp(), self.temp());
            self.upper_half(part, high, source);
            self.asm.mov(Size::B64, sign, dst.gpr());
            self.asm.shift_i(Shift::Sar, Size::B64, sign, 63);
            self.asm.alu(Alu::And, Size::B64, high, sign);
            self.asm.alu(Alu::Or, Size::B64, dst.gpr(), high);
        }
        dst
    }

    /// `high` = `source - 2⁶³`, truncated.
    pub(super) fn upper_half(&mut self, part: Part, high: Gpr, source: Xmm) {
        let limit = if part == Part::F32 {
            u64::from((TWO_63_F32).to_bits())
        } else {
            TWO_63
        };
        let limit = self.float_constant(part, limit);
        let difference = super::regs::VEC_TEMP;
        let op = VecBin::arith(FpOp::Sub, format(part));
        self.asm.vec_bin(self.enc, op, difference, source, limit);
        self.truncate(Size::B64, part, high, difference);
    }

    fn int_to_float(&mut self, part: Part, size: Size, dst: Xmm, source: Gpr) {
        // Breaks the dependency on what the register held.
        self.asm.vec_bin(self.enc, VecBin::XORPS, dst, dst, dst);
        self.asm
            .cvt_from_int(self.enc, format(part), size, dst, dst, source);
    }

    fn signed_to_float(&mut self, id: InstId, value: Value) -> Reg {
        let part = self.result_part(id);
        let size = super::operand::size_of(bits_of(self.part(value)));
        let source = self.extended(value, true, size);
        let dst = self.dst(id);
        self.int_to_float(part, size, dst.xmm(), source);
        dst
    }

    /// Up to 63 bits are a signed number of 64. Otherwise half of it, rounded to odd so that rounding
    /// once more cannot go astray, is converted and doubled.
    fn unsigned_to_float(&mut self, id: InstId, value: Value) -> Reg {
        let part = self.result_part(id);
        let source = self.extended(value, false, Size::B64);
        let dst = self.dst(id);
        if bits_of(self.part(value)) < 64 {
            self.int_to_float(part, Size::B64, dst.xmm(), source);
            return dst;
        }
        let (half, low) = (self.temp(), self.temp());
        let (large, done) = (self.asm.label(), self.asm.label());
        self.asm.test(Size::B64, source, source);
        self.asm.jcc_short(Cond::S, large);
        self.int_to_float(part, Size::B64, dst.xmm(), source);
        self.asm.jmp_short(done);
        self.asm.bind(large);
        self.asm.mov(Size::B64, half, source);
        self.asm.mov(Size::B32, low, source);
        self.asm.shift_i(Shift::Shr, Size::B64, half, 1);
        self.asm.alu_i(Alu::And, Size::B32, low, 1);
        self.asm.alu(Alu::Or, Size::B64, half, low);
        self.int_to_float(part, Size::B64, dst.xmm(), half);
        let op = VecBin::arith(FpOp::Add, format(part));
        self.asm
            .vec_bin(self.enc, op, dst.xmm(), dst.xmm(), dst.xmm());
        self.asm.bind(done);
        dst
    }

    /// Loads a part from memory.
    pub(super) fn load_vector(&mut self, dst: Xmm, part: Part, from: Mem) {
        let op = if part == Part::F32 {
            VecLoad::MOVSS
        } else {
            VecLoad::MOVSD
        };
        self.asm.vec_load(self.enc, op, dst, from);
    }

    /// Stores a part to memory.
    pub(super) fn store_vector(&mut self, to: Mem, part: Part, source: Xmm) {
        let op = if part == Part::F32 {
            VecStore::MOVSS
        } else {
            VecStore::MOVSD
        };
        self.asm.vec_store(self.enc, op, to, source);
    }
}

/// 2⁶³ as a float.
const TWO_63_F32: f32 = 9_223_372_036_854_775_808.0;

/// The general register's size for a float part.
fn word(part: Part) -> Size {
    if part == Part::F32 {
        Size::B32
    } else {
        Size::B64
    }
}
