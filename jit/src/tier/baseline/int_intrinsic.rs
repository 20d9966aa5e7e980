//! Integer intrinsics.

use super::emit::Emitter;
use super::operand::{bits_of, size_of};
use super::regs::TEMP;
use super::value::Reg;
use crate::tier::Declined;
use asm::{Alu, BitCount, Cond, Gpr, Shift, ShiftDouble, Size, Unary};
use ir::{Inst, InstId, Intrinsic, Value};

impl Emitter<'_> {
    /// Emits an integer intrinsic with operands `args`.
    pub(super) fn int_intrinsic(
        &mut self,
        id: InstId,
        inst: &Inst,
        which: Intrinsic,
        args: &[Value],
    ) -> Result<(), Declined> {
        let reg = match (which, args) {
            (Intrinsic::SMax, &[a, b]) => self.select_by_order(id, a, b, true, Cond::L),
            (Intrinsic::SMin, &[a, b]) => self.select_by_order(id, a, b, true, Cond::G),
            (Intrinsic::UMax, &[a, b]) => self.select_by_order(id, a, b, false, Cond::B),
            (Intrinsic::UMin, &[a, b]) => self.select_by_order(id, a, b, false, Cond::A),
            (Intrinsic::Abs, &[a]) => self.absolute(id, a),
            (Intrinsic::FShl, &[a, b, n]) => self.funnel(id, true, a, b, n),
            (Intrinsic::FShr, &[a, b, n]) => self.funnel(id, false, a, b, n),
            (Intrinsic::CtPop, &[a]) => self.count_ones(id, a),
            (Intrinsic::CtLz, &[a]) => self.leading_zeros(id, a),
            (Intrinsic::CtTz, &[a]) => self.trailing_zeros(id, a),
            (Intrinsic::BSwap, &[a]) => self.reverse(id, a, false),
            (Intrinsic::BitReverse, &[a]) => self.reverse(id, a, true),
            (Intrinsic::UMulHigh, &[a, b]) => self.high_product(a, b),
            (Intrinsic::UCmp, &[a, b]) => self.three_way(a, b, false),
            (Intrinsic::SCmp, &[a, b]) => self.three_way(a, b, true),
            (
                Intrinsic::SAddSat | Intrinsic::UAddSat | Intrinsic::SSubSat | Intrinsic::USubSat,
                &[a, b],
            ) => self.saturating(which, a, b),
            (
                Intrinsic::SAddOverflow
                | Intrinsic::UAddOverflow
                | Intrinsic::SSubOverflow
                | Intrinsic::USubOverflow
                | Intrinsic::SMulOverflow
                | Intrinsic::UMulOverflow,
                &[a, b],
            ) => return self.with_overflow(id, inst, which, a, b),
            (_, args @ &[_, _, _, _]) if super::helper::division(which).is_some() => {
                return self.divide_wide(id, which, args);
            }
            _ => return self.unsupported("intrinsic"),
        };
        self.done(id, inst, reg, 0);
        Ok(())
    }

    /// `a`, or `b` if `a` compares with it as `cond` says.
    fn select_by_order(&mut self, id: InstId, a: Value, b: Value, signed: bool, cond: Cond) -> Reg {
        let size = size_of(bits_of(self.part(a)));
        let left = self.extended(a, signed, size);
        let right = self.extended(b, signed, size);
        let dst = self.dst(id);
        self.asm.mov(size, dst.gpr(), left);
        self.asm.alu(Alu::Cmp, size, left, right);
        self.asm.cmov(cond, size, dst.gpr(), right);
        dst
    }

    fn absolute(&mut self, id: InstId, a: Value) -> Reg {
        let size = size_of(bits_of(self.part(a)));
        let from = self.extended(a, true, size);
        let dst = self.dst(id);
        self.asm.mov(size, dst.gpr(), from);
        self.asm.unary(Unary::Neg, size, dst.gpr());
        self.asm.cmov(Cond::S, size, dst.gpr(), from);
        dst
    }

    /// The upper half of the 128-bit product.
    fn high_product(&mut self, a: Value, b: Value) -> Reg {
        self.take(Gpr::Rax);
        self.take(Gpr::Rdx);
        let right = self.gpr(b);
        self.fetch(Gpr::Rax, a);
        self.asm.unary(Unary::Mul, Size::B64, right);
        Reg::of(Gpr::Rdx)
    }

    fn three_way(&mut self, a: Value, b: Value, signed: bool) -> Reg {
        let size = size_of(bits_of(self.part(a)));
        let left = self.extended(a, signed, size);
        let right = self.extended(b, signed, size);
        let dst = self.temp();
        let (above, below) = if signed {
            (Cond::G, Cond::L)
        } else {
            (Cond::A, Cond::B)
        };
        self.asm.alu(Alu::Cmp, size, left, right);
        self.asm.setcc(above, dst);
        self.asm.setcc(below, TEMP);
        self.asm.alu(Alu::Sub, Size::B8, dst, TEMP);
        self.asm.movsx(Size::B64, dst, Size::B8, dst);
        // A result of 32 bits is kept zero-extended; a wider one keeps its sign.
        Reg::of(dst)
    }

    /// Bits of `a:b` shifted. Whole registers have an instruction; narrower pairs fit one register.
    fn funnel(&mut self, id: InstId, left: bool, a: Value, b: Value, n: Value) -> Reg {
        let bits = bits_of(self.part(a));
        if bits > 32 && bits < 64 {
            return self.wide_funnel(id, left, a, b, n);
        }
        let size = size_of(bits);
        let known = self.const_int(n).map(|n| (n % u64::from(bits)) as u8);
        if let Some(n) = known.filter(|_| matches!(bits, 32 | 64)) {
            return self.funnel_by(id, left, a, b, n);
        }
        let count = self.shift_count(n, bits);
        let high = self.gpr(a);
        if matches!(bits, 32 | 64) {
            let low = self.gpr(b);
            let dst = self.dst(id).gpr();
            let (op, start, other) = if left {
                (ShiftDouble::Shld, high, low)
            } else {
                (ShiftDouble::Shrd, low, high)
            };
            self.asm.mov(size, dst, start);
            self.asm.shift_double_cl(op, size, dst, other);
            return Reg::of(dst);
        }
        debug_assert_eq!(count, Gpr::Rcx);
        let low = self.extended(b, false, Size::B32);
        let dst = self.dst(id).gpr();
        self.asm.mov(Size::B64, dst, high);
        self.asm.shift_i(Shift::Shl, Size::B64, dst, bits);
        self.asm.alu(Alu::Or, Size::B64, dst, low);
        if left {
            self.asm.shift_cl(Shift::Shl, Size::B64, dst);
            self.asm.shift_i(Shift::Shr, Size::B64, dst, bits);
        } else {
            self.asm.shift_cl(Shift::Shr, Size::B64, dst);
        }
        Reg::of(dst)
    }

    /// Whole registers by a known count; of a register with itself it is a rotation.
    fn funnel_by(&mut self, id: InstId, left: bool, a: Value, b: Value, n: u8) -> Reg {
        let size = size_of(bits_of(self.part(a)));
        let (start, other) = if left { (a, b) } else { (b, a) };
        let from = self.get(start);
        if a == b {
            let dst = self.dst_from(id, start, from, Reg::NONE);
            let op = if left { Shift::Rol } else { Shift::Ror };
            self.asm.shift_i(op, size, dst.gpr(), n);
            return dst;
        }
        let other = self.get(other);
        let dst = self.dst_from(id, start, from, other);
        let op = if left {
            ShiftDouble::Shld
        } else {
            ShiftDouble::Shrd
        };
        self.asm.shift_double_i(op, size, dst.gpr(), other.gpr(), n);
        dst
    }

    /// 33 to 63 bits: the two halves of the result by two shifts. What a count of zero shifts by, the
    /// whole width, leaves nothing of a zero-extended operand below the width.
    fn wide_funnel(&mut self, id: InstId, left: bool, a: Value, b: Value, n: Value) -> Reg {
        let bits = bits_of(self.part(a));
        let count = self.shift_count(n, bits);
        let high = self.gpr(a);
        let low = self.extended(b, false, Size::B64);
        let (dst, other) = (self.dst(id).gpr(), self.temp());
        let (first, second) = if left { (dst, other) } else { (other, dst) };
        self.asm.mov(Size::B64, first, high);
        self.asm.mov(Size::B64, second, low);
        let (now, then) = if left {
            ((Shift::Shl, first), (Shift::Shr, second))
        } else {
            ((Shift::Shr, second), (Shift::Shl, first))
        };
        self.asm.shift_cl(now.0, Size::B64, now.1);
        self.asm.unary(Unary::Neg, Size::B32, count);
        self.asm.alu_i(Alu::Add, Size::B32, count, i32::from(bits));
        self.asm.shift_cl(then.0, Size::B64, then.1);
        self.asm.alu(Alu::Or, Size::B64, dst, other);
        Reg::of(dst)
    }

    fn count_ones(&mut self, id: InstId, a: Value) -> Reg {
        let size = size_of(bits_of(self.part(a)));
        let from = self.extended(a, false, size);
        let dst = self.dst(id).gpr();
        if self.job.cpu.popcnt {
            self.asm.bit_count(BitCount::Popcnt, size, dst, from);
            return Reg::of(dst);
        }
        // Sums of neighbours of 1, 2 and 4 bits, then all bytes by a multiplication.
        let temp = self.temp();
        self.asm.mov(size, dst, from);
        self.asm.mov(size, temp, from);
        self.asm.shift_i(Shift::Shr, size, temp, 1);
        self.and_pattern(size, temp, 0x5555_5555_5555_5555);
        self.asm.alu(Alu::Sub, size, dst, temp);
        self.asm.mov(size, temp, dst);
        self.asm.shift_i(Shift::Shr, size, temp, 2);
        self.and_pattern(size, temp, 0x3333_3333_3333_3333);
        self.and_pattern(size, dst, 0x3333_3333_3333_3333);
        self.asm.alu(Alu::Add, size, dst, temp);
        self.asm.mov(size, temp, dst);
        self.asm.shift_i(Shift::Shr, size, temp, 4);
        self.asm.alu(Alu::Add, size, dst, temp);
        self.and_pattern(size, dst, 0x0f0f_0f0f_0f0f_0f0f);
        self.asm.mov_i(TEMP, cut(size, 0x0101_0101_0101_0101));
        self.asm.imul(size, dst, TEMP);
        self.asm
            .shift_i(Shift::Shr, size, dst, size.bits() as u8 - 8);
        Reg::of(dst)
    }

    fn and_pattern(&mut self, size: Size, dst: Gpr, pattern: u64) {
        self.asm.mov_i(TEMP, cut(size, pattern));
        self.asm.alu(Alu::And, size, dst, TEMP);
    }

    fn leading_zeros(&mut self, id: InstId, a: Value) -> Reg {
        let bits = bits_of(self.part(a));
        let size = size_of(bits);
        let from = self.extended(a, false, size);
        let dst = self.dst(id).gpr();
        if self.job.cpu.lzcnt {
            self.asm.bit_count(BitCount::Lzcnt, size, dst, from);
        } else {
            // The index of the highest one, counted from the other end; for 0 as if it were −1.
            self.asm.mov_i(TEMP, u64::from(2 * size.bits() - 1));
            self.asm.bit_count(BitCount::Bsr, size, dst, from);
            self.asm.cmov(Cond::E, size, dst, TEMP);
            self.asm.alu_i(Alu::Xor, size, dst, size.bits() as i32 - 1);
        }
        let unused = size.bits() as i32 - i32::from(bits);
        if unused != 0 {
            self.asm.alu_i(Alu::Sub, size, dst, unused);
        }
        Reg::of(dst)
    }

    /// A one just above the width stops the search.
    fn trailing_zeros(&mut self, id: InstId, a: Value) -> Reg {
        let bits = bits_of(self.part(a));
        let size = size_of(bits);
        let mut from = self.gpr(a);
        let dst = self.dst(id).gpr();
        if !matches!(bits, 32 | 64) {
            self.asm.mov_i(TEMP, 1 << bits);
            self.asm.alu(Alu::Or, size, TEMP, from);
            from = TEMP;
        }
        if self.job.cpu.bmi1 {
            self.asm.bit_count(BitCount::Tzcnt, size, dst, from);
        } else {
            let width = self.temp();
            self.asm.mov_i(width, u64::from(bits));
            self.asm.bit_count(BitCount::Bsf, size, dst, from);
            self.asm.cmov(Cond::E, size, dst, width);
        }
        Reg::of(dst)
    }

    /// Bytes reversed, and bits within bytes if `bits_too`; what was above the width is shifted out.
    fn reverse(&mut self, id: InstId, a: Value, bits_too: bool) -> Reg {
        let bits = bits_of(self.part(a));
        let size = size_of(bits);
        let from = self.gpr(a);
        let dst = self.dst(id).gpr();
        let temp = self.temp();
        self.asm.mov(size, dst, from);
        if bits_too {
            let steps = [
                (1, 0x5555_5555_5555_5555),
                (2, 0x3333_3333_3333_3333),
                (4, 0x0f0f_0f0f_0f0f_0f0f),
            ];
            for (by, pattern) in steps {
                self.asm.mov(size, temp, dst);
                self.asm.shift_i(Shift::Shr, size, temp, by);
                self.and_pattern(size, temp, pattern);
                self.and_pattern(size, dst, pattern);
                self.asm.shift_i(Shift::Shl, size, dst, by);
                self.asm.alu(Alu::Or, size, dst, temp);
            }
        }
        self.asm.bswap(size, dst);
        let unused = size.bits() as u8 - bits;
        if unused != 0 {
            self.asm.shift_i(Shift::Shr, size, dst, unused);
        }
        Reg::of(dst)
    }
}

/// The pattern in an operand of `size`.
fn cut(size: Size, pattern: u64) -> u64 {
    if size == Size::B32 {
        pattern & 0xffff_ffff
    } else {
        pattern
    }
}
