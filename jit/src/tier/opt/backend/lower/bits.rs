//! Intrinsics on bits: counting, reversing, rotating.

use super::operand::exact_size;
use super::{Lower, Lowered, size_of};
use crate::tier::flags::Test;
use crate::tier::opt::backend::vcode::{MInst, Operand, Src, Vreg};
use asm::{Alu, BitCount, Cond, Gpr, Shift, Size, Unary};
use ir::{Inst, InstId, Intrinsic, Value};

impl Lower<'_> {
    /// `fshl` and `fshr`.
    pub(super) fn funnel_shift(
        &mut self,
        id: InstId,
        left: bool,
        inst: &Inst,
        args: [Value; 3],
    ) -> Lowered {
        let bits = self.type_bits(inst.ty)?;
        let [a, b, n] = args;
        let size = size_of(bits);
        let dst = self.result(id)?;
        let count = self
            .const_bits(n)
            .map(|raw| raw & (u64::MAX >> (64 - bits)));
        let count = count.map(|raw| (raw % u64::from(bits)) as u8);
        if self.leaf(a, 0) == self.leaf(b, 0) && matches!(bits, 8 | 16 | 32 | 64) {
            let op = if left { Shift::Rol } else { Shift::Ror };
            let a = self.reg(a)?;
            return self.rotate(op, exact_size(bits), dst, a, n, count);
        }
        if bits != size.bits() {
            return self.narrow_funnel(dst, left, bits, args);
        }
        // The register that stays in place comes first.
        let (first, second) = if left { (a, b) } else { (b, a) };
        let (first, second) = (self.reg(first)?, self.reg(second)?);
        let inputs = [
            Operand::tied(dst, 1),
            Operand::reg(first),
            Operand::reg(second),
        ];
        match count {
            Some(count) => self.push(MInst::ShiftDoubleImm { left, size, count }, &inputs),
            None => {
                let count = self.reg(n)?;
                let count = [Operand::in_gpr(count, Gpr::Rcx)];
                self.push_with(MInst::ShiftDoubleCl { left, size }, &inputs, &count);
            }
        }
        Ok(())
    }

    /// Widths without a double shift: the two halves apart. A count of 0 makes the other count the width,
    /// which is below the register's, and that half 0 or out of sight.
    fn narrow_funnel(
        &mut self,
        dst: Vreg,
        left: bool,
        bits: u32,
        [a, b, n]: [Value; 3],
    ) -> Lowered {
        let size = size_of(bits);
        let high = self.reg(a)?;
        let low = self.zero_extended(b, bits)?;
        let count = self.shift_count(n, bits)?;
        let width = self.imm(u64::from(bits));
        let rest = self.temp();
        self.alu_src(
            Alu::Sub,
            Size::B32,
            rest,
            width,
            Src::Reg,
            &[Operand::any(count)],
        );
        let (up, down) = if left { (count, rest) } else { (rest, count) };
        let (upper, lower) = (self.temp(), self.temp());
        self.shift_by(Shift::Shl, size, upper, high, up);
        self.shift_by(Shift::Shr, size, lower, low, down);
        self.alu_src(Alu::Or, size, dst, upper, Src::Reg, &[Operand::any(lower)]);
        Ok(())
    }

    fn rotate(
        &mut self,
        op: Shift,
        size: Size,
        dst: Vreg,
        a: Vreg,
        n: Value,
        count: Option<u8>,
    ) -> Lowered {
        match count {
            Some(count) => {
                let inst = MInst::ShiftImm { op, size, count };
                self.push(inst, &[Operand::tied(dst, 1), Operand::reg(a)]);
            }
            None => {
                // The hardware takes the count modulo 32 first, which the width divides.
                let count = self.reg(n)?;
                self.shift_by(op, size, dst, a, count);
            }
        }
        Ok(())
    }

    /// `ctpop`, `ctlz`, `cttz`.
    pub(super) fn count_bits(
        &mut self,
        id: InstId,
        intrinsic: Intrinsic,
        inst: &Inst,
        arg: Value,
    ) -> Lowered {
        let bits = self.type_bits(inst.ty)?;
        let size = size_of(bits);
        let dst = self.result(id)?;
        let src = self.zero_extended(arg, bits)?;
        let (op, there) = match intrinsic {
            Intrinsic::CtPop => (BitCount::Popcnt, self.cpu.popcnt),
            Intrinsic::CtLz => (BitCount::Lzcnt, self.cpu.lzcnt),
            _ => (BitCount::Tzcnt, self.cpu.bmi1),
        };
        match intrinsic {
            Intrinsic::CtPop if there => self.bit_count(op, size, dst, src),
            Intrinsic::CtPop => self.count_ones(dst, src, size),
            Intrinsic::CtTz => {
                // A bit above the width makes the count right for 0.
                let source = self.with_bit_above(src, bits);
                self.trailing_zeros(dst, source, bits, size, there);
            }
            _ => self.leading_zeros(dst, src, bits, size, there),
        }
        Ok(())
    }

    fn bit_count(&mut self, op: BitCount, size: Size, dst: Vreg, src: Vreg) {
        self.push(
            MInst::BitCount { op, size },
            &[Operand::def(dst), Operand::any(src)],
        );
    }

    /// The number of ones, in parallel: pairs, nibbles, bytes, then the sum of the bytes by a product.
    fn count_ones(&mut self, dst: Vreg, src: Vreg, size: Size) {
        let all = if size == Size::B64 {
            u64::MAX
        } else {
            u64::from(u32::MAX)
        };
        let [ones, pairs, nibbles] = [0x55, 0x33, 0x0f].map(|byte| all / 0xff * byte);
        let odd = self.shift_and(src, 1, ones, size);
        let twos = self.temp();
        self.alu_src(Alu::Sub, size, twos, src, Src::Reg, &[Operand::any(odd)]);
        let high = self.shift_and(twos, 2, pairs, size);
        let low = self.shift_and(twos, 0, pairs, size);
        let fours = self.temp();
        self.push(
            MInst::Add { size },
            &[Operand::def(fours), Operand::reg(high), Operand::reg(low)],
        );
        let shifted = self.shift_and(fours, 4, all, size);
        let both = self.temp();
        self.push(
            MInst::Add { size },
            &[
                Operand::def(both),
                Operand::reg(fours),
                Operand::reg(shifted),
            ],
        );
        let bytes = self.shift_and(both, 0, nibbles, size);
        let factor = self.imm(all / 0xff);
        let product = self.temp();
        let mul = MInst::Mul {
            size,
            src: Src::Reg,
        };
        self.push(
            mul,
            &[
                Operand::tied(product, 1),
                Operand::reg(bytes),
                Operand::any(factor),
            ],
        );
        let count = size.bits() as u8 - 8;
        let shift = MInst::ShiftImm {
            op: Shift::Shr,
            size,
            count,
        };
        self.push(shift, &[Operand::tied(dst, 1), Operand::reg(product)]);
    }

    /// `(src >> count) & mask`.
    fn shift_and(&mut self, src: Vreg, count: u8, mask: u64, size: Size) -> Vreg {
        let (shifted, dst) = (self.temp(), self.temp());
        let shift = MInst::ShiftImm {
            op: Shift::Shr,
            size,
            count,
        };
        self.push(shift, &[Operand::tied(shifted, 1), Operand::reg(src)]);
        let mask = self.imm(mask);
        self.alu_src(
            Alu::And,
            size,
            dst,
            shifted,
            Src::Reg,
            &[Operand::any(mask)],
        );
        dst
    }

    /// `src` with bit number `bits` set, if a register of its size has one.
    fn with_bit_above(&mut self, src: Vreg, bits: u32) -> Vreg {
        if bits == 32 || bits == 64 {
            return src;
        }
        let dst = self.temp();
        let size = size_of(bits);
        if bits < 31 {
            self.alu_src(Alu::Or, size, dst, src, Src::Imm(1 << bits), &[]);
        } else {
            let bit = self.imm(1 << bits);
            self.alu_src(Alu::Or, size, dst, src, Src::Reg, &[Operand::any(bit)]);
        }
        dst
    }

    fn trailing_zeros(&mut self, dst: Vreg, src: Vreg, bits: u32, size: Size, there: bool) {
        if there {
            return self.bit_count(BitCount::Tzcnt, size, dst, src);
        }
        let width = self.imm(u64::from(bits));
        let found = self.temp();
        self.bit_count(BitCount::Bsf, size, found, src);
        self.choose(Test::One(Cond::E), size, dst, width, found);
    }

    fn leading_zeros(&mut self, dst: Vreg, src: Vreg, bits: u32, size: Size, there: bool) {
        let count = self.temp();
        if there {
            self.bit_count(BitCount::Lzcnt, size, count, src);
            return self.add_imm(dst, count, bits as i32 - size.bits() as i32, size);
        }
        // bits - 1 - index; for 0 the index counts as -1.
        let minus = self.imm(if size == Size::B32 {
            u64::from(u32::MAX)
        } else {
            u64::MAX
        });
        let (found, index) = (self.temp(), self.temp());
        self.bit_count(BitCount::Bsr, size, found, src);
        self.choose(Test::One(Cond::E), size, index, minus, found);
        let neg = MInst::Unary {
            op: Unary::Neg,
            size,
        };
        self.push(neg, &[Operand::tied(count, 1), Operand::reg(index)]);
        self.add_imm(dst, count, bits as i32 - 1, size);
    }

    /// `bswap`.
    pub(super) fn swap_bytes(&mut self, id: InstId, inst: &Inst, arg: Value) -> Lowered {
        let bits = self.type_bits(inst.ty)?;
        let dst = self.result(id)?;
        let src = self.reg(arg)?;
        let size = size_of(bits);
        if bits == size.bits() {
            self.push(
                MInst::Bswap { size },
                &[Operand::tied(dst, 1), Operand::reg(src)],
            );
            return Ok(());
        }
        let swapped = self.temp();
        self.push(
            MInst::Bswap { size },
            &[Operand::tied(swapped, 1), Operand::reg(src)],
        );
        let shift = MInst::ShiftImm {
            op: Shift::Shr,
            size,
            count: (size.bits() - bits) as u8,
        };
        self.push(shift, &[Operand::tied(dst, 1), Operand::reg(swapped)]);
        Ok(())
    }

    /// `bitreverse`: bytes, then nibbles, pairs and single bits change places.
    pub(super) fn reverse_bits(&mut self, id: InstId, inst: &Inst, arg: Value) -> Lowered {
        let bits = self.type_bits(inst.ty)?;
        let size = size_of(bits);
        let all = if size == Size::B64 {
            u64::MAX
        } else {
            u64::from(u32::MAX)
        };
        let dst = self.result(id)?;
        let src = self.reg(arg)?;
        let mut value = self.temp();
        self.push(
            MInst::Bswap { size },
            &[Operand::tied(value, 1), Operand::reg(src)],
        );
        for (count, byte) in [(4, 0x0f), (2, 0x33), (1, 0x55)] {
            let mask = all / 0xff * byte;
            let high = self.shift_and(value, count, mask, size);
            let low = self.shift_and(value, 0, mask, size);
            let (up, both) = (self.temp(), self.temp());
            let shift = MInst::ShiftImm {
                op: Shift::Shl,
                size,
                count,
            };
            self.push(shift, &[Operand::tied(up, 1), Operand::reg(low)]);
            self.alu_src(Alu::Or, size, both, up, Src::Reg, &[Operand::any(high)]);
            value = both;
        }
        let shift = MInst::ShiftImm {
            op: Shift::Shr,
            size,
            count: (size.bits() - bits) as u8,
        };
        self.push(shift, &[Operand::tied(dst, 1), Operand::reg(value)]);
        Ok(())
    }
}
