//! Floating-point instructions.

use super::Emit;
use super::inst::Ops;
use crate::tier::flags::Test;
use crate::tier::opt::backend::regalloc::Loc;
use crate::tier::opt::backend::vcode::MInst;
use asm::{
    Cond, Enc, Fma, FmaOrder, Fp, Gpr, Plain, Rm, Rounding, Size, VecBin, VecBinImm, VecLoad,
    VecStore, VecUn, X87Mem, X87Stack, Xmm,
};

/// Bit 2 of the x87 status word's upper byte: the remainder is partial (SDM vol. 2, FPREM).
const INCOMPLETE: i32 = 4;

fn fp(double: bool) -> Fp {
    if double { Fp::Sd } else { Fp::Ss }
}

impl Emit<'_> {
    /// `FSelect`.
    pub(super) fn select_float(&mut self, test: Test, dst: Xmm, src: Loc) {
        let past = self.asm.label();
        test.skip_unless(&mut self.asm, past);
        self.move_value(src, Loc::Xmm(dst));
        self.asm.bind(past);
    }

    /// Instructions on floats.
    pub(super) fn float(&mut self, inst: MInst, ops: &mut Ops) {
        let enc = self.enc;
        match inst {
            MInst::FZero => {
                let dst = self.xmm(ops);
                self.asm.vec_bin(enc, VecBin::XORPS, dst, dst, dst);
            }
            MInst::FCmp { double, src } => {
                let a = self.xmm(ops);
                let src = self.vec_input(src, ops);
                let op = if double {
                    VecUn::UCOMISD
                } else {
                    VecUn::UCOMISS
                };
                self.asm.vec_un(enc, op, a, src);
            }
            MInst::FLoad { double, mem } => {
                let dst = self.xmm(ops);
                let mem = self.mem(mem, ops);
                let op = if double {
                    VecLoad::MOVSD
                } else {
                    VecLoad::MOVSS
                };
                self.asm.vec_load(enc, op, dst, mem);
            }
            MInst::FStore { double, mem } => {
                let value = self.xmm(ops);
                let mem = self.mem(mem, ops);
                let op = if double {
                    VecStore::MOVSD
                } else {
                    VecStore::MOVSS
                };
                self.asm.vec_store(enc, op, mem, value);
            }
            MInst::FBin { op, double, src } => {
                let (dst, a) = (self.xmm(ops), self.xmm(ops));
                let src = self.vec_input(src, ops);
                self.asm
                    .vec_bin(enc, VecBin::arith(op, fp(double)), dst, a, src);
            }
            _ => self.convert(inst, ops),
        }
    }

    fn convert(&mut self, inst: MInst, ops: &mut Ops) {
        let enc = self.enc;
        match inst {
            MInst::FConvert { op, src } => {
                let dst = self.xmm(ops);
                match self.vec_input(src, ops) {
                    Rm::Reg(src) => self.asm.vec_bin(enc, op, dst, src, src),
                    Rm::Mem(mem) => {
                        // Otherwise the result would depend on what `dst` held before.
                        self.asm.vec_bin(enc, VecBin::XORPS, dst, dst, dst);
                        self.asm.vec_bin(enc, op, dst, dst, mem);
                    }
                }
            }
            MInst::FRound { double, mode } => {
                let (dst, src) = (self.xmm(ops), self.xmm(ops));
                let op = if double {
                    VecBinImm::ROUNDSD
                } else {
                    VecBinImm::ROUNDSS
                };
                self.asm.vec_bin_i(enc, op, dst, src, src, mode);
            }
            MInst::FFma { fp, wide, src } => {
                let (dst, _, b) = (self.xmm(ops), self.xmm(ops), self.xmm(ops));
                let c = self.vec_input(src, ops);
                let op = VecBin::fma(Fma::Madd, FmaOrder::F213, fp);
                let enc = if wide { Enc::Vex256 } else { Enc::Vex128 };
                self.asm.vec_bin(enc, op, dst, b, c);
            }
            MInst::FromInt { fp, size } => {
                let (dst, src) = (self.xmm(ops), self.rm(ops));
                self.asm.vec_bin(enc, VecBin::XORPS, dst, dst, dst);
                self.asm.cvt_from_int(enc, fp, size, dst, dst, src);
            }
            MInst::ToInt { fp, size } => {
                let (dst, src) = (self.gpr(ops), self.xmm(ops));
                self.asm
                    .cvt_to_int(enc, Rounding::Truncate, fp, size, dst, src);
            }
            MInst::MovToVec { size } => {
                let (dst, src) = (self.xmm(ops), self.rm(ops));
                self.asm.movd(enc, size, dst, src);
            }
            MInst::MovFromVec { size } => {
                let (dst, src) = (self.gpr(ops), self.xmm(ops));
                self.asm.movd_mr(enc, size, dst, src);
            }
            MInst::FRem { double } => {
                let (dst, a, b) = (self.xmm(ops), self.xmm(ops), self.xmm(ops));
                self.remainder(double, dst, a, b);
            }
            _ => self.vector(inst, ops),
        }
    }

    /// The x87 remainder is exact, and so is `fmod`: the operands fit 80 bits, the result fits theirs.
    /// The bottom of the frame is free between calls.
    fn remainder(&mut self, double: bool, dst: Xmm, a: Xmm, b: Xmm) {
        let place = asm::Mem::base(Gpr::Rsp, 0);
        let (load, store) = if double {
            (X87Mem::FLD_M64, X87Mem::FSTP_M64)
        } else {
            (X87Mem::FLD_M32, X87Mem::FSTP_M32)
        };
        for value in [b, a] {
            self.asm.vec_store(self.enc, VecStore::MOVSD, place, value);
            self.asm.x87_mem(load, place);
        }
        self.reduce();
        self.asm.x87_mem(store, place);
        self.asm.x87_stack(X87Stack::FSTP, 0);
        let op = if double {
            VecLoad::MOVSD
        } else {
            VecLoad::MOVSS
        };
        self.asm.vec_load(self.enc, op, dst, place);
    }

    /// The remainder of the x87 stack's top by the number below it, however many steps that takes.
    pub(super) fn reduce(&mut self) {
        let again = self.asm.here();
        self.asm.plain(Plain::FPREM);
        self.asm.plain(Plain::FNSTSW);
        self.asm.test_i(Size::B32, Gpr::Rax, INCOMPLETE << 8);
        self.asm.jcc(Cond::Ne, again);
    }
}
