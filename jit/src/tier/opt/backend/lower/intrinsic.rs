//! Intrinsics: bits, extremes, floats, blocks of memory, the stack.

use super::operand::{Operands, exact_size};
use super::{Lower, Lowered, size_of};
use crate::tier::opt::backend::vcode::{MInst, Mem, Operand, Src, Test, Vreg};
use asm::{Alu, BitCount, Cond, FpOp, Gpr, Shift, Size, Unary, VecBin};
use ir::{FuncAttrs, Inst, InstId, Intrinsic, Value};

/// Blocks up to this size are copied or filled by single instructions.
const INLINE_BYTES: u32 = 128;

/// Whether an intrinsic must stay though its result is not used.
pub(super) fn has_effect(intrinsic: Intrinsic) -> bool {
    use Intrinsic::{Memcpy, Memmove, Memset, StackRestore, StackSave, Trap, VaCopy, VaStart};
    matches!(
        intrinsic,
        Memcpy | Memmove | Memset | VaStart | VaCopy | StackSave | StackRestore | Trap
    )
}

/// A memory operand and its registers.
type Location = (Mem, Operands);

impl Lower<'_> {
    /// `Intrinsic`.
    pub(super) fn intrinsic(&mut self, id: InstId, inst: &Inst) -> Lowered {
        use Intrinsic as I;
        let Some(intrinsic) = inst.intrinsic() else {
            return self.unsupported("an intrinsic");
        };
        let words = self.body.words(inst.args[1], inst.args[2]);
        let arg = |at: usize| words.get(at).map_or(Value::NONE, |&word| Value(word));
        let args = [arg(0), arg(1), arg(2)];
        match intrinsic {
            I::Memcpy | I::Memmove => self.copy_block(args, intrinsic == I::Memmove),
            I::Memset => self.fill_block(args),
            I::VaStart => self.va_start(args[0]),
            I::VaCopy => self.va_copy(args[0], args[1]),
            I::StackSave | I::StackRestore | I::Trap => self.stack_or_trap(id, intrinsic, args[0]),
            I::SMax | I::SMin | I::UMax | I::UMin | I::Abs | I::UCmp | I::SCmp => {
                self.extreme(id, intrinsic, inst, args)
            }
            I::FShl | I::FShr => self.funnel_shift(id, intrinsic == I::FShl, inst, args),
            I::CtPop | I::CtLz | I::CtTz => self.count_bits(id, intrinsic, inst, args[0]),
            I::BSwap => self.swap_bytes(id, inst, args[0]),
            I::SAddSat | I::UAddSat | I::SSubSat | I::USubSat => {
                self.saturating(id, intrinsic, inst, args)
            }
            I::SAddOverflow
            | I::UAddOverflow
            | I::SSubOverflow
            | I::USubOverflow
            | I::SMulOverflow
            | I::UMulOverflow => self.overflowing(id, intrinsic, args),
            I::FMulAdd | I::Fma => self.fused(id, intrinsic, inst, args),
            _ => self.float_intrinsic(id, intrinsic, inst, args),
        }
    }

    fn stack_or_trap(&mut self, id: InstId, intrinsic: Intrinsic, arg: Value) -> Lowered {
        match intrinsic {
            Intrinsic::Trap => self.push(MInst::Ud2, &[]),
            Intrinsic::StackSave => {
                let dst = self.result(id)?;
                self.push(MInst::StackSave, &[Operand::def(dst)]);
            }
            _ => {
                let src = self.reg(arg)?;
                self.code.moves_rsp = true;
                self.code.frame_pointer = true;
                self.push(MInst::StackRestore, &[Operand::reg(src)]);
            }
        }
        Ok(())
    }

    fn fused(&mut self, id: InstId, intrinsic: Intrinsic, inst: &Inst, args: [Value; 3]) -> Lowered {
        let double = self.is_double(inst.ty)?;
        let dst = self.result(id)?;
        let has = self.job.function().attrs.has(FuncAttrs::FMA);
        self.multiply_add(dst, args, double, intrinsic == Intrinsic::Fma || has)
    }

    fn float_intrinsic(
        &mut self,
        id: InstId,
        intrinsic: Intrinsic,
        inst: &Inst,
        args: [Value; 3],
    ) -> Lowered {
        use Intrinsic as I;
        let known = matches!(
            intrinsic,
            I::FAbs | I::Sqrt | I::Floor | I::Ceil | I::FTrunc | I::Rint | I::Round
                | I::CopySign | I::MinNum | I::MaxNum
        );
        if !known {
            return self.unsupported(intrinsic.name());
        }
        let double = self.is_double(inst.ty)?;
        let dst = self.result(id)?;
        if intrinsic == I::Sqrt {
            let op = if double { VecBin::SQRTSD } else { VecBin::SQRTSS };
            let (src, operands) = self.float_src(args[0], double)?;
            self.push_with(MInst::FConvert { op, src }, &[Operand::def(dst)], &operands);
            return Ok(());
        }
        let a = self.reg(args[0])?;
        match intrinsic {
            I::FAbs => self.float_abs(dst, a, double),
            I::CopySign => {
                let b = self.reg(args[1])?;
                self.copy_sign(dst, a, b, double);
            }
            I::MinNum | I::MaxNum => {
                let b = self.reg(args[1])?;
                let op = if intrinsic == I::MinNum { FpOp::Min } else { FpOp::Max };
                self.min_max(op, dst, a, b, double);
            }
            I::Round => return self.round_half_away(dst, a, double),
            _ => {
                let mode = match intrinsic {
                    I::Floor => 1,
                    I::Ceil => 2,
                    I::FTrunc => 3,
                    _ => 0,
                };
                // Bit 3: no inexact exception (SDM vol. 2, ROUNDSD).
                return self.round(dst, a, double, mode | 8);
            }
        }
        Ok(())
    }

    /// Both arguments extended as the intrinsic's sign asks.
    fn extended_pair(&mut self, signed: bool, args: [Value; 3], bits: u32) -> Lowered<(Vreg, Vreg)> {
        if signed {
            Ok((self.sign_extended(args[0], bits)?, self.sign_extended(args[1], bits)?))
        } else {
            Ok((self.zero_extended(args[0], bits)?, self.zero_extended(args[1], bits)?))
        }
    }

    fn extreme(
        &mut self,
        id: InstId,
        intrinsic: Intrinsic,
        inst: &Inst,
        args: [Value; 3],
    ) -> Lowered {
        use Intrinsic as I;
        let bits = self.bits(args[0])?;
        let size = size_of(bits);
        let dst = self.result(id)?;
        if intrinsic == I::Abs {
            let a = self.sign_extended(args[0], bits)?;
            let negated = self.temp();
            let neg = MInst::Unary { op: Unary::Neg, size };
            self.push(neg, &[Operand::tied(negated, 1), Operand::reg(a)]);
            self.compare_imm(size, a, 0);
            self.choose(Test::One(Cond::S), size, dst, negated, a);
            return Ok(());
        }
        let signed = matches!(intrinsic, I::SMax | I::SMin | I::SCmp);
        let (a, b) = self.extended_pair(signed, args, bits)?;
        let cond = match intrinsic {
            I::SMax | I::SCmp => Cond::G,
            I::SMin => Cond::L,
            I::UMax | I::UCmp => Cond::A,
            _ => Cond::B,
        };
        let compare = MInst::Cmp { size, src: Src::Reg };
        if !matches!(intrinsic, I::UCmp | I::SCmp) {
            self.push(compare, &[Operand::reg(a), Operand::any(b)]);
            self.choose(Test::One(cond), size, dst, a, b);
            return Ok(());
        }
        let (above, below) = (self.temp(), self.temp());
        let less = if signed { Cond::L } else { Cond::B };
        self.push(compare, &[Operand::reg(a), Operand::any(b)]);
        self.push(MInst::Set(Test::One(cond)), &[Operand::def(above)]);
        self.push(compare, &[Operand::reg(a), Operand::any(b)]);
        self.push(MInst::Set(Test::One(less)), &[Operand::def(below)]);
        let size = size_of(self.type_bits(inst.ty)?);
        self.alu_src(Alu::Sub, size, dst, above, Src::Reg, &[Operand::any(below)]);
        Ok(())
    }

    fn funnel_shift(&mut self, id: InstId, left: bool, inst: &Inst, args: [Value; 3]) -> Lowered {
        let bits = self.type_bits(inst.ty)?;
        let [a, b, n] = args;
        let size = size_of(bits);
        let dst = self.result(id)?;
        if !matches!(bits, 8 | 16 | 32 | 64) {
            return self.unsupported("a funnel shift of odd width");
        }
        let count = self.const_bits(n).map(|raw| (raw % u64::from(bits)) as u8);
        if self.leaf(a, 0) == self.leaf(b, 0) {
            let op = if left { Shift::Rol } else { Shift::Ror };
            let a = self.reg(a)?;
            return self.rotate(op, exact_size(bits), dst, a, n, count);
        }
        if bits < 32 {
            return self.unsupported("a funnel shift of narrow integers");
        }
        // The register that stays in place comes first.
        let (first, second) = if left { (a, b) } else { (b, a) };
        let (first, second) = (self.reg(first)?, self.reg(second)?);
        let inputs = [Operand::tied(dst, 1), Operand::reg(first), Operand::reg(second)];
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

    fn count_bits(&mut self, id: InstId, intrinsic: Intrinsic, inst: &Inst, arg: Value) -> Lowered {
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
        self.push(MInst::BitCount { op, size }, &[Operand::def(dst), Operand::any(src)]);
    }

    /// The number of ones, in parallel: pairs, nibbles, bytes, then the sum of the bytes by a product.
    fn count_ones(&mut self, dst: Vreg, src: Vreg, size: Size) {
        let all = if size == Size::B64 { u64::MAX } else { u64::from(u32::MAX) };
        let [ones, pairs, nibbles] = [0x55, 0x33, 0x0f].map(|byte| all / 0xff * byte);
        let odd = self.shift_and(src, 1, ones, size);
        let twos = self.temp();
        self.alu_src(Alu::Sub, size, twos, src, Src::Reg, &[Operand::any(odd)]);
        let high = self.shift_and(twos, 2, pairs, size);
        let low = self.shift_and(twos, 0, pairs, size);
        let fours = self.temp();
        self.push(MInst::Add { size }, &[Operand::def(fours), Operand::reg(high), Operand::reg(low)]);
        let shifted = self.shift_and(fours, 4, all, size);
        let both = self.temp();
        self.push(
            MInst::Add { size },
            &[Operand::def(both), Operand::reg(fours), Operand::reg(shifted)],
        );
        let bytes = self.shift_and(both, 0, nibbles, size);
        let factor = self.imm(all / 0xff);
        let product = self.temp();
        let mul = MInst::Mul { size, src: Src::Reg };
        self.push(mul, &[Operand::tied(product, 1), Operand::reg(bytes), Operand::any(factor)]);
        let count = size.bits() as u8 - 8;
        let shift = MInst::ShiftImm { op: Shift::Shr, size, count };
        self.push(shift, &[Operand::tied(dst, 1), Operand::reg(product)]);
    }

    /// `(src >> count) & mask`.
    fn shift_and(&mut self, src: Vreg, count: u8, mask: u64, size: Size) -> Vreg {
        let (shifted, dst) = (self.temp(), self.temp());
        let shift = MInst::ShiftImm { op: Shift::Shr, size, count };
        self.push(shift, &[Operand::tied(shifted, 1), Operand::reg(src)]);
        let mask = self.imm(mask);
        self.alu_src(Alu::And, size, dst, shifted, Src::Reg, &[Operand::any(mask)]);
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
        let minus = self.imm(if size == Size::B32 { u64::from(u32::MAX) } else { u64::MAX });
        let (found, index) = (self.temp(), self.temp());
        self.bit_count(BitCount::Bsr, size, found, src);
        self.choose(Test::One(Cond::E), size, index, minus, found);
        let neg = MInst::Unary { op: Unary::Neg, size };
        self.push(neg, &[Operand::tied(count, 1), Operand::reg(index)]);
        self.add_imm(dst, count, bits as i32 - 1, size);
    }

    fn swap_bytes(&mut self, id: InstId, inst: &Inst, arg: Value) -> Lowered {
        let bits = self.type_bits(inst.ty)?;
        let dst = self.result(id)?;
        let src = self.reg(arg)?;
        let size = size_of(bits);
        if bits == size.bits() {
            self.push(MInst::Bswap { size }, &[Operand::tied(dst, 1), Operand::reg(src)]);
            return Ok(());
        }
        let swapped = self.temp();
        self.push(MInst::Bswap { size }, &[Operand::tied(swapped, 1), Operand::reg(src)]);
        let shift = MInst::ShiftImm { op: Shift::Shr, size, count: (size.bits() - bits) as u8 };
        self.push(shift, &[Operand::tied(dst, 1), Operand::reg(swapped)]);
        Ok(())
    }

    fn va_start(&mut self, list: Value) -> Lowered {
        let image = match self.image {
            Some(image) => image,
            None => self.temp(),
        };
        self.image = Some(image);
        let first = self.temp();
        let bytes = self.fixed_image_bytes() as i32;
        self.add_imm(first, image, bytes, Size::B32);
        let (mem, operands) = self.address(list)?;
        self.store_word(first, mem, &operands);
        Ok(())
    }

    fn va_copy(&mut self, to: Value, from: Value) -> Lowered {
        let (source, operands) = self.address(from)?;
        let word = self.temp();
        self.load_word(word, Size::B32, source, &operands);
        let (target, operands) = self.address(to)?;
        self.store_word(word, target, &operands);
        Ok(())
    }

    fn store_word(&mut self, value: Vreg, mem: Mem, operands: &[Operand]) {
        let store = MInst::Store { size: Size::B32, mem };
        self.push_with(store, &[Operand::reg(value)], operands);
    }

    fn load_word(&mut self, dst: Vreg, size: Size, mem: Mem, operands: &[Operand]) {
        let to = if size == Size::B64 { Size::B64 } else { Size::B32 };
        let load = MInst::Extend { from: size, to, signed: false, src: Src::Mem(mem) };
        self.push_with(load, &[Operand::def(dst)], operands);
    }

    /// `memcpy` and `memmove`.
    fn copy_block(&mut self, [to, from, len]: [Value; 3], overlap: bool) -> Lowered {
        let bits = self.bits(len)?;
        let known = self.const_bits(len).and_then(|len| u32::try_from(len).ok());
        if let Some(len) = known.filter(|&len| len <= INLINE_BYTES) {
            let source = self.address(from)?;
            let target = self.address(to)?;
            if overlap {
                self.move_bytes(&target, &source, len);
            } else {
                self.copy_bytes(target, source, len);
            }
            return Ok(());
        }
        let (to, from) = (self.reg(to)?, self.reg(from)?);
        let len = self.zero_extended(len, bits)?;
        self.repeat_copy(to, from, len, overlap);
        Ok(())
    }

    fn repeat_copy(&mut self, to: Vreg, from: Vreg, len: Vreg, overlap: bool) {
        let scratch = self.temp();
        let operands = [
            Operand::early(scratch),
            Operand::in_gpr(to, Gpr::Rdi),
            Operand::in_gpr(from, Gpr::Rsi),
            Operand::in_gpr(len, Gpr::Rcx),
        ];
        self.push(MInst::RepMovs { overlap }, &operands);
    }

    /// Copies `len` bytes between places that do not overlap.
    pub(super) fn copy_bytes(&mut self, target: Location, source: Location, len: u32) {
        if len > INLINE_BYTES {
            let (to, from) = (self.temp(), self.temp());
            for (dst, (mem, operands)) in [(to, &target), (from, &source)] {
                let mem = Mem { wraps: false, ..*mem };
                let lea = MInst::Lea { size: Size::B32, mem };
                self.push_with(lea, &[Operand::def(dst)], operands);
            }
            let len = self.imm(u64::from(len));
            return self.repeat_copy(to, from, len, false);
        }
        for (offset, size) in pieces(len) {
            let piece = self.load_piece(&source, offset, size);
            self.store_piece(piece, &target, offset, size);
        }
    }

    /// Copies `len` bytes between places that may overlap: all are loaded before any is stored.
    fn move_bytes(&mut self, target: &Location, source: &Location, len: u32) {
        let mut loaded = Operands::new();
        for (offset, size) in pieces(len) {
            let piece = self.load_piece(source, offset, size);
            loaded.push(Operand::reg(piece));
        }
        for ((offset, size), piece) in pieces(len).zip(&loaded) {
            self.store_piece(piece.vreg, target, offset, size);
        }
    }

    fn load_piece(&mut self, (mem, operands): &Location, offset: u32, size: u32) -> Vreg {
        let mem = mem.offset(offset as i32);
        if size == 16 {
            self.code.vector_bytes = self.code.vector_bytes.max(16);
            let piece = self.float_temp();
            self.push_with(MInst::VLoad { mem }, &[Operand::def(piece)], operands);
            return piece;
        }
        let piece = self.temp();
        self.load_word(piece, exact_size(size * 8), mem, operands);
        piece
    }

    fn store_piece(&mut self, piece: Vreg, (mem, operands): &Location, offset: u32, size: u32) {
        let mem = mem.offset(offset as i32);
        let inst = match size {
            16 => MInst::VStore { mem },
            size => MInst::Store { size: exact_size(size * 8), mem },
        };
        self.push_with(inst, &[Operand::reg(piece)], operands);
    }

    /// `memset`.
    fn fill_block(&mut self, [to, byte, len]: [Value; 3]) -> Lowered {
        let bits = self.bits(len)?;
        let known = self.const_bits(len).and_then(|len| u32::try_from(len).ok());
        let Some(len) = known.filter(|&len| len <= INLINE_BYTES) else {
            let (to, byte) = (self.reg(to)?, self.reg(byte)?);
            let len = self.zero_extended(len, bits)?;
            let operands = [
                Operand::in_gpr(to, Gpr::Rdi),
                Operand::in_gpr(byte, Gpr::Rax),
                Operand::in_gpr(len, Gpr::Rcx),
            ];
            self.push(MInst::RepStos, &operands);
            return Ok(());
        };
        let target = self.address(to)?;
        let known = self.const_bits(byte).map(|byte| byte & 0xff);
        let wide = if known == Some(0) && len >= 16 { Some(self.zero_vector()) } else { None };
        let word = match known {
            Some(byte) => self.imm(byte * 0x0101_0101_0101_0101),
            None => self.repeated(byte)?,
        };
        for (offset, size) in pieces(len) {
            match wide {
                Some(zero) if size == 16 => self.store_piece(zero, &target, offset, 16),
                None if size == 16 => {
                    self.store_piece(word, &target, offset, 8);
                    self.store_piece(word, &target, offset + 8, 8);
                }
                _ => self.store_piece(word, &target, offset, size),
            }
        }
        Ok(())
    }

    fn zero_vector(&mut self) -> Vreg {
        self.code.vector_bytes = self.code.vector_bytes.max(16);
        let zero = self.float_temp();
        self.push(MInst::FZero, &[Operand::def(zero)]);
        zero
    }

    /// The byte in each byte of a word.
    fn repeated(&mut self, byte: Value) -> Lowered<Vreg> {
        let byte = self.zero_extended(byte, 8)?;
        let ones = self.imm(0x0101_0101_0101_0101);
        let word = self.temp();
        let mul = MInst::Mul { size: Size::B64, src: Src::Reg };
        self.push(mul, &[Operand::tied(word, 1), Operand::reg(byte), Operand::any(ones)]);
        Ok(word)
    }
}

/// (offset, size) of the pieces of a block: 16 bytes as long as they fit, then 8, 4, 2, 1.
fn pieces(len: u32) -> impl Iterator<Item = (u32, u32)> {
    let mut at = 0;
    core::iter::from_fn(move || {
        let rest = len - at;
        let size = [16, 8, 4, 2, 1].into_iter().find(|&size| size <= rest)?;
        at += size;
        Some((at - size, size))
    })
}
