//! Rounding to whole numbers.
//!
//! SSE4.1 has an instruction. Before it, numbers below 2⁵² (2²³ for floats) are rounded to nearest even
//! by adding that power to their magnitude and taking it away again: the sum's last place is one. What
//! that overshoots is corrected by one, and the sign is put back last, so that results of zero keep
//! it. Larger numbers are whole, and those and NaNs are left alone.

use super::emit::Emitter;
use super::float::format;
use super::regs::VEC_TEMP;
use super::value::Reg;
use crate::abi::Part;
use asm::{FpOp, Mem, VecBin, VecBinImm, VecLoad, Xmm};
use ir::{InstId, Value};

/// `round*` immediates (SDM vol. 2, ROUNDSD): bit 3 suppresses the inexact exception.
pub(super) const NEAREST: u8 = 8;
pub(super) const DOWN: u8 = 9;
pub(super) const UP: u8 = 10;
pub(super) const TO_ZERO: u8 = 11;
/// `cmps*` number of "less".
const LESS: u8 = 1;

impl Emitter<'_> {
    /// `Floor`, `Ceil`, `FTrunc` or `Rint`.
    pub(super) fn round_to(&mut self, id: InstId, a: Value, mode: u8) -> Reg {
        let source = self.xmm(a);
        let dst = self.dst(id);
        self.round(self.result_part(id), dst.xmm(), source, mode);
        dst
    }

    /// `dst` = `source`, another register, rounded.
    fn round(&mut self, part: Part, dst: Xmm, source: Xmm, mode: u8) {
        if !self.job.cpu.sse41 {
            return self.round_by_steps(part, dst, source, mode);
        }
        let op = if part == Part::F32 {
            VecBinImm::ROUNDSS
        } else {
            VecBinImm::ROUNDSD
        };
        self.asm.vec_mov(self.enc, dst, source);
        self.asm.vec_bin_i(self.enc, op, dst, dst, dst, mode);
    }

    /// `dst = dst op operand` on all bits.
    fn mix(&mut self, op: VecBin, dst: Xmm, operand: impl asm::RegMem<Xmm>) {
        self.asm.vec_bin(self.enc, op, dst, dst, operand);
    }

    fn round_by_steps(&mut self, part: Part, dst: Xmm, source: Xmm, mode: u8) {
        let (limit, one) = if part == Part::F32 {
            (u64::from(8_388_608f32.to_bits()), u64::from(1f32.to_bits()))
        } else {
            (4_503_599_627_370_496f64.to_bits(), 1f64.to_bits())
        };
        let sign = self.mask(part, Self::sign(part));
        let rest = self.mask(part, Self::sign(part) - 1);
        let limit = self.mask(part, limit);
        let one = self.mask(part, one);
        let add = VecBin::arith(FpOp::Add, format(part));
        let sub = VecBin::arith(FpOp::Sub, format(part));
        let small = self.vec_temp();
        self.asm.vec_mov(self.enc, dst, source);
        self.mix(VecBin::ANDPS, dst, rest);
        self.asm.vec_mov(self.enc, small, dst);
        self.less(part, small, limit);
        self.asm.vec_mov(self.enc, VEC_TEMP, dst);
        self.mix(add, dst, limit);
        self.mix(sub, dst, limit);
        match mode {
            // The magnitude must not have grown.
            TO_ZERO => {
                self.less(part, VEC_TEMP, dst);
                self.mix(VecBin::ANDPS, VEC_TEMP, one);
                self.mix(sub, dst, VEC_TEMP);
            }
            DOWN | UP => {
                self.with_sign_of(dst, source, sign);
                let (low, high) = if mode == DOWN {
                    (source, dst)
                } else {
                    (dst, source)
                };
                self.asm.vec_mov(self.enc, VEC_TEMP, low);
                self.less(part, VEC_TEMP, high);
                self.mix(VecBin::ANDPS, VEC_TEMP, one);
                self.mix(if mode == DOWN { sub } else { add }, dst, VEC_TEMP);
            }
            _ => {}
        }
        self.mix(VecBin::ANDPS, dst, small);
        self.mix(VecBin::ANDNPS, small, source);
        self.mix(VecBin::ORPS, dst, small);
        self.with_sign_of(dst, source, sign);
    }

    /// `dst` = mask of `dst < other`.
    fn less(&mut self, part: Part, dst: Xmm, other: impl asm::RegMem<Xmm>) {
        let op = if part == Part::F32 {
            VecBinImm::CMPSS
        } else {
            VecBinImm::CMPSD
        };
        self.asm.vec_bin_i(self.enc, op, dst, dst, other, LESS);
    }

    /// Sets the sign of `dst` if that of `source` is set. Changes the temporary.
    fn with_sign_of(&mut self, dst: Xmm, source: Xmm, sign: Mem) {
        self.asm.vec_load(self.enc, VecLoad::MOVAPS, VEC_TEMP, sign);
        self.mix(VecBin::ANDPS, VEC_TEMP, source);
        self.mix(VecBin::ORPS, dst, VEC_TEMP);
    }

    /// `Round`: `trunc(x + copysign(h, x))` with `h` the largest number below one half: adding one half
    /// itself would carry numbers just below it up to one.
    pub(super) fn round_half_away(&mut self, id: InstId, a: Value) -> Reg {
        let part = self.result_part(id);
        let half = if part == Part::F32 {
            u64::from(0.5f32.to_bits()) - 1
        } else {
            0.5f64.to_bits() - 1
        };
        let sign = self.mask(part, Self::sign(part));
        let half = self.mask(part, half);
        let source = self.xmm(a);
        let sum = self.vec_temp();
        let dst = self.dst(id);
        self.asm.vec_mov(self.enc, sum, source);
        self.mix(VecBin::ANDPS, sum, sign);
        self.mix(VecBin::ORPS, sum, half);
        self.mix(VecBin::arith(FpOp::Add, format(part)), sum, source);
        self.round(part, dst.xmm(), sum, TO_ZERO);
        dst
    }
}
