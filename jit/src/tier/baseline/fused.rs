//! `a * b + c` rounded once, on CPUs without FMA: by x87.
//!
//! Its registers hold 64 bits of mantissa and exponents that no product of doubles leaves. A sum that
//! is *rounded to odd* there (cut off, and the last bit set if anything was lost) and then rounded to
//! nearest in the result's format, two bits narrower at least, is the exact sum rounded once (Boldo
//! and Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using rounding to
//! odd", 2008).
//!
//! * Floats: the product is exact (48 bits), so one sum does it.
//! * Doubles: the product is `ph + pl`, exactly, by products of halves of the factors (Dekker 1971).
//!   Two exact sums (Knuth's "two-sum") of `c`, `pl` and `ph` leave `th + tl + ul`, of which the small ones are
//!   added rounded to odd, and then to `th`. Where a factor is 0 or anything is infinite or NaN, two
//!   plain operations are exact, and only they give the right sign of zero.

use super::emit::Emitter;
use super::regs::VEC_TEMP;
use super::value::Reg;
use crate::abi::Part;
use asm::{
    Alu, Cond, FpOp, Gpr, Mem, Plain, Size, VecBin, VecLoad, VecStore, VecUn, X87Mem, X87Stack, Xmm,
};
use ir::{InstId, Value};

/// Control words: 64 bits, all exceptions masked; towards zero, and to nearest.
const TRUNCATING: u16 = 0xf7f;
const NEAREST: u16 = 0x37f;
/// The flag of the x87 status word that says that a result was inexact.
const INEXACT: i32 = 0x20;
/// A double without the low 27 bits of its mantissa.
const UPPER_HALF: u64 = 0xffff_ffff_f800_0000;

/// Places of numbers of ten bytes in the scratch area.
const C: i32 = 64;
const PH: i32 = 80;
const PL: i32 = 96;
const UH: i32 = 112;
const UL: i32 = 128;
const TH: i32 = 144;
const TL: i32 = 160;
const SUM: i32 = 176;
const PART: i32 = 192;
/// And of doubles: the factors and their halves.
const A: i32 = 0;
const B: i32 = 8;
const A_HIGH: i32 = 16;
const A_LOW: i32 = 24;
const B_HIGH: i32 = 32;
const B_LOW: i32 = 40;
const RESULT: i32 = 48;
const BYTES: u64 = 208;

impl Emitter<'_> {
    /// `Fma` without the instruction.
    pub(super) fn fused_by_x87(&mut self, id: InstId, args: [Value; 3]) -> Reg {
        self.take(Gpr::Rax);
        let part = self.result_part(id);
        let [a, b, c] = args.map(|value| self.xmm(value));
        let dst = self.dst(id);
        let base = self.frame.area(BYTES, 16);
        if part == Part::F32 {
            for (at, reg) in [(A, a), (B, b), (C, c)] {
                self.spill(base + at, Reg::of_xmm(reg), part);
            }
            self.asm.x87_mem(X87Mem::FLD_M32, self.local(base + A));
            self.asm.x87_mem(X87Mem::FMUL_M32, self.local(base + B));
            self.asm.x87_mem(X87Mem::FLD_M32, self.local(base + C));
            self.sum_to_odd(base, SUM);
            self.asm.x87_mem(X87Mem::FLD_M80, self.local(base + SUM));
            self.asm
                .x87_mem(X87Mem::FSTP_M32, self.local(base + RESULT));
            self.load_home(dst, base + RESULT, part);
        } else {
            self.fused_doubles(base, dst.xmm(), [a, b, c]);
        }
        dst
    }

    fn fused_doubles(&mut self, base: i32, dst: Xmm, [a, b, c]: [Xmm; 3]) {
        let (plain, done) = (self.asm.label(), self.asm.label());
        let difference = VecBin::arith(FpOp::Sub, asm::Fp::Sd);
        for x in [a, b, c] {
            self.asm.vec_bin(self.enc, difference, dst, x, x);
            self.asm.vec_un(self.enc, VecUn::UCOMISD, dst, dst);
            self.asm.jcc(Cond::P, plain);
        }
        self.load_float(dst, Part::F64, 0);
        for x in [a, b] {
            self.asm.vec_un(self.enc, VecUn::UCOMISD, x, dst);
            self.asm.jcc(Cond::E, plain);
        }
        for (x, whole, high, low) in [(a, A, A_HIGH, A_LOW), (b, B, B_HIGH, B_LOW)] {
            let mask = self.mask(Part::F64, UPPER_HALF);
            self.asm.vec_bin(self.enc, VecBin::ANDPS, VEC_TEMP, x, mask);
            self.asm.vec_bin(self.enc, difference, dst, x, VEC_TEMP);
            for (at, reg) in [(whole, x), (high, VEC_TEMP), (low, dst)] {
                self.asm
                    .vec_store(self.enc, VecStore::MOVSD, self.local(base + at), reg);
            }
        }
        self.asm
            .vec_store(self.enc, VecStore::MOVSD, self.local(base + RESULT), c);
        self.asm.x87_mem(X87Mem::FLD_M64, self.local(base + RESULT));
        self.store_extended(base + C);
        self.exact_product(base);
        self.two_sum(base, C, PL, (UH, UL));
        self.two_sum(base, PH, UH, (TH, TL));
        self.load_extended(base + TL);
        self.load_extended(base + UL);
        self.sum_to_odd(base, PART);
        self.load_extended(base + TH);
        self.load_extended(base + PART);
        self.sum_to_odd(base, SUM);
        self.load_extended(base + SUM);
        self.asm
            .x87_mem(X87Mem::FSTP_M64, self.local(base + RESULT));
        let result = self.local(base + RESULT);
        self.asm.vec_load(self.enc, VecLoad::MOVSD, dst, result);
        self.asm.jmp(done);
        self.asm.bind(plain);
        let product = VecBin::arith(FpOp::Mul, asm::Fp::Sd);
        let sum = VecBin::arith(FpOp::Add, asm::Fp::Sd);
        self.asm.vec_bin(self.enc, product, dst, a, b);
        self.asm.vec_bin(self.enc, sum, dst, dst, c);
        self.asm.bind(done);
    }

    fn load_extended(&mut self, at: i32) {
        let from = self.local(at);
        self.asm.x87_mem(X87Mem::FLD_M80, from);
    }

    fn store_extended(&mut self, at: i32) {
        let to = self.local(at);
        self.asm.x87_mem(X87Mem::FSTP_M80, to);
    }

    /// `PH + PL` = the product, exactly.
    fn exact_product(&mut self, base: i32) {
        let place = |this: &Self, at: i32| -> Mem { this.local(base + at) };
        self.asm.x87_mem(X87Mem::FLD_M64, place(self, A));
        self.asm.x87_mem(X87Mem::FMUL_M64, place(self, B));
        self.store_extended(base + PH);
        let halves = [
            (A_HIGH, B_HIGH),
            (A_HIGH, B_LOW),
            (A_LOW, B_HIGH),
            (A_LOW, B_LOW),
        ];
        for (number, (x, y)) in halves.into_iter().enumerate() {
            self.asm.x87_mem(X87Mem::FLD_M64, place(self, x));
            self.asm.x87_mem(X87Mem::FMUL_M64, place(self, y));
            if number == 0 {
                self.load_extended(base + PH);
                self.asm.x87_stack(X87Stack::FSUBP, 1);
            } else {
                self.asm.x87_stack(X87Stack::FADDP, 1);
            }
        }
        self.store_extended(base + PL);
    }

    /// `high + low` = `x + y`, exactly, `high` being the rounded sum.
    fn two_sum(&mut self, base: i32, x: i32, y: i32, (high, low): (i32, i32)) {
        self.load_extended(base + x);
        self.load_extended(base + y);
        self.asm.x87_stack(X87Stack::FADDP, 1);
        self.store_extended(base + high);
        // What of `y` is in the sum.
        self.load_extended(base + high);
        self.load_extended(base + x);
        self.asm.x87_stack(X87Stack::FSUBP, 1);
        self.store_extended(base + PART);
        self.load_extended(base + x);
        self.load_extended(base + high);
        self.load_extended(base + PART);
        self.asm.x87_stack(X87Stack::FSUBP, 1);
        self.asm.x87_stack(X87Stack::FSUBP, 1);
        self.load_extended(base + y);
        self.load_extended(base + PART);
        self.asm.x87_stack(X87Stack::FSUBP, 1);
        self.asm.x87_stack(X87Stack::FADDP, 1);
        self.store_extended(base + low);
    }

    /// The sum of the two numbers on the register stack, rounded to odd, to memory. Changes `rax`.
    fn sum_to_odd(&mut self, base: i32, to: i32) {
        let exact = self.asm.label();
        let word = |this: &mut Self, word: u16| {
            let label = this.asm.constant(&word.to_le_bytes(), 2);
            this.asm.x87_mem(X87Mem::FLDCW_M16, Mem::label(label));
        };
        word(self, TRUNCATING);
        self.asm.plain(Plain::FNCLEX);
        self.asm.x87_stack(X87Stack::FADDP, 1);
        self.asm.plain(Plain::FNSTSW);
        word(self, NEAREST);
        self.store_extended(base + to);
        self.asm.test_i(Size::B32, Gpr::Rax, INEXACT);
        self.asm.jcc_short(Cond::E, exact);
        self.asm.alu_i(Alu::Or, Size::B8, self.local(base + to), 1);
        self.asm.bind(exact);
    }
}
