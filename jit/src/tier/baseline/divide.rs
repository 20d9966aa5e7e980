//! Division and remainder.
//!
//! The hardware's division needs `rax` and `rdx` and tens of cycles. By a constant of at most 32 bits it
//! becomes a multiplication in 64 bits (Granlund and Montgomery, "Division by Invariant Integers
//! using Multiplication", PLDI 1994):
//!
//! * unsigned: the upper half of `n·m` with `m = ⌈2⁶⁴/d⌉ = (2⁶⁴ + e)/d`, `e < d`. That is `n/d` plus
//!   `n·e/(d·2⁶⁴)`, which is less than `1/d` because `n·e < 2⁶⁴`: not enough to reach the next integer.
//! * signed: `⌊n·m / 2³¹⁺ˡ⌋` plus 1 for negative `n`, with `l = ⌈log₂|d|⌉` and `m = ⌊2³¹⁺ˡ/|d|⌋ + 1`, which is below
//!   2³², so that the product is exact in 64 bits (their theorem 5.1 with N = 32).
//!
//! Divisors 0, 1 and −1 stay with the hardware: it faults as it should.

use super::emit::Emitter;
use super::operand::size_of;
use super::regs::TEMP;
use super::value::{Reg, Val};
use asm::{Alu, Gpr, Plain, Shift, Size, Unary};
use ir::{Inst, InstId, Op, Value};

/// A constant divisor as a factor.
#[derive(Clone, Copy, Debug)]
struct Divisor {
    /// The divisor.
    value: i32,
    signed: bool,
    negative: bool,
    factor: u64,
    /// What the signed product is shifted by.
    shift: u8,
}

impl Divisor {
    /// `None` for a divisor that is left to the hardware. `bits` has `width`, at most 32.
    fn new(bits: u64, width: u8, signed: bool) -> Option<Self> {
        if !signed {
            let value = bits as u32;
            return (value > 1).then(|| Self {
                value: value as i32,
                signed,
                negative: false,
                factor: (u64::MAX / u64::from(value)) + 1,
                shift: 0,
            });
        }
        let value = ((bits << (64 - width)) as i64 >> (64 - width)) as i32;
        let magnitude = value.unsigned_abs();
        if magnitude < 2 {
            return None;
        }
        let log = 32 - (magnitude - 1).leading_zeros();
        let shift = 31 + log;
        Some(Self {
            value,
            signed,
            negative: value < 0,
            factor: (1u64 << shift) / u64::from(magnitude) + 1,
            shift: shift as u8,
        })
    }
}

impl Emitter<'_> {
    /// `UDiv`, `SDiv`, `URem`, `SRem`.
    pub(super) fn divide(&mut self, id: InstId, inst: &Inst) {
        let width = self.width(id);
        let size = size_of(width);
        let (a, b) = (Value(inst.args[0]), Value(inst.args[1]));
        let signed = matches!(inst.op, Op::SDiv | Op::SRem);
        let quotient = matches!(inst.op, Op::SDiv | Op::UDiv);
        let divisor = self.const_int(b);
        if !signed
            && let Some(divisor) = divisor
            && divisor.is_power_of_two()
        {
            return self.divide_by_power(id, inst, divisor, quotient);
        }
        if width <= 32
            && let Some(divisor) = divisor.and_then(|bits| Divisor::new(bits, width, signed))
        {
            return self.divide_by_constant(id, inst, divisor, quotient);
        }
        let was_in_rax = self
            .index(a)
            .is_some_and(|ix| self.vals[ix as usize].reg == Reg::of(Gpr::Rax));
        if !(was_in_rax && self.dies(a)) {
            self.take(Gpr::Rax);
        }
        self.lock(Reg::of(Gpr::Rax));
        self.take(Gpr::Rdx);
        if matches!(width, 32 | 64) {
            if !was_in_rax {
                let from = self.rm(a);
                self.asm.mov(size, Gpr::Rax, from);
            }
        } else {
            let from = self.extended(a, signed, size);
            self.asm.mov(size, Gpr::Rax, from);
        }
        let by = match divisor {
            Some(_) if matches!(width, 32 | 64) => {
                self.asm.mov_i(TEMP, divisor.unwrap_or(0));
                TEMP
            }
            _ => self.extended(b, signed, size),
        };
        let (op, extend) = match (signed, size) {
            (true, Size::B64) => (Unary::Idiv, Plain::CQO),
            (true, _) => (Unary::Idiv, Plain::CDQ),
            (false, _) => (Unary::Div, Plain::CDQ),
        };
        if signed {
            self.asm.plain(extend);
        } else {
            self.asm.alu(Alu::Xor, Size::B32, Gpr::Rdx, Gpr::Rdx);
        }
        self.note(id);
        self.asm.unary(op, size, by);
        let result = if quotient { Gpr::Rax } else { Gpr::Rdx };
        self.done(id, inst, Reg::of(result), 0);
    }

    fn divide_by_power(&mut self, id: InstId, inst: &Inst, divisor: u64, quotient: bool) {
        let size = size_of(self.width(id));
        let whole = matches!(self.width(id), 32 | 64);
        let value = Value(inst.args[0]);
        let dst = self.shifted_value(id, value, !whole, false, Reg::NONE);
        if quotient {
            let count = divisor.trailing_zeros() as u8;
            self.asm.shift_i(Shift::Shr, size, dst.gpr(), count);
        } else if let Ok(mask) = i32::try_from(divisor - 1) {
            self.asm.alu_i(Alu::And, size, dst.gpr(), mask);
        } else {
            self.asm.mov_i(TEMP, divisor - 1);
            self.asm.alu(Alu::And, size, dst.gpr(), TEMP);
        }
        self.done(id, inst, dst, Val::ZEXT);
    }

    /// Quotient by multiplication, remainder by multiplying back.
    fn divide_by_constant(&mut self, id: InstId, inst: &Inst, by: Divisor, quotient: bool) {
        let value = Value(inst.args[0]);
        if !by.signed {
            self.take(Gpr::Rax);
            self.take(Gpr::Rdx);
        }
        let from = self.extended(value, by.signed, Size::B32);
        let result = if by.signed {
            let (high, sign) = (self.temp(), self.temp());
            self.asm.movsx(Size::B64, high, Size::B32, from);
            self.asm.mov_i(TEMP, by.factor);
            self.asm.imul(Size::B64, high, TEMP);
            self.asm.shift_i(Shift::Sar, Size::B64, high, by.shift);
            self.asm.mov(Size::B32, sign, from);
            self.asm.shift_i(Shift::Sar, Size::B32, sign, 31);
            self.asm.alu(Alu::Sub, Size::B32, high, sign);
            if by.negative {
                self.asm.unary(Unary::Neg, Size::B32, high);
            }
            high
        } else {
            self.asm.mov(Size::B32, Gpr::Rax, from);
            self.asm.mov_i(TEMP, by.factor);
            self.asm.unary(Unary::Mul, Size::B64, TEMP);
            Gpr::Rdx
        };
        if quotient {
            return self.done(id, inst, Reg::of(result), 0);
        }
        let rest = self.temp();
        self.asm.imul_i(Size::B32, result, result, by.value);
        self.asm.mov(Size::B32, rest, from);
        self.asm.alu(Alu::Sub, Size::B32, rest, result);
        self.done(id, inst, Reg::of(rest), 0);
    }
}
