//! Vector instructions, and the x87 ones.
//!
//! Every encoding reads its operands in the order that `vcode` gives. Legacy encoding computes in its first
//! input, to whose register the result is tied, so none of these needs a move.

use super::Emit;
use super::inst::Ops;
use crate::tier::opt::backend::vcode::{MInst, Src};
use asm::{Enc, Gpr, Rm, VecBin, VecExtract, Xmm};

impl Emit<'_> {
    /// The encoding of an operation of 128 or 256 bits.
    fn width(&self, wide: bool) -> Enc {
        if wide { Enc::Vex256 } else { self.enc }
    }

    /// Instructions on vectors.
    pub(super) fn vector(&mut self, inst: MInst, ops: &mut Ops) {
        match inst {
            MInst::VLoad { op, wide, mem } => {
                let dst = self.xmm(ops);
                let mem = self.mem(mem, ops);
                self.asm.vec_load(self.width(wide), op, dst, mem);
            }
            MInst::VStore { op, wide, mem } => {
                let value = self.xmm(ops);
                let mem = self.mem(mem, ops);
                self.asm.vec_store(self.width(wide), op, mem, value);
            }
            MInst::VBin { op, wide, src } => {
                let (dst, lhs, src) = self.three(src, ops);
                self.asm.vec_bin(self.width(wide), op, dst, lhs, src);
            }
            MInst::VBinImm { op, imm, wide, src } => {
                let (dst, lhs, src) = self.three(src, ops);
                self.asm.vec_bin_i(self.width(wide), op, dst, lhs, src, imm);
            }
            MInst::VUn { op, wide, src } => {
                let dst = self.xmm(ops);
                let src = self.vec_input(src, ops);
                self.asm.vec_un(self.width(wide), op, dst, src);
            }
            MInst::VUnImm { op, imm, wide, src } => {
                let dst = self.xmm(ops);
                let src = self.vec_input(src, ops);
                self.asm.vec_un_i(self.width(wide), op, dst, src, imm);
            }
            MInst::VMerge { op } => {
                let (dst, lhs, rhs) = (self.xmm(ops), self.xmm(ops), self.xmm(ops));
                self.asm.vec_merge(self.enc, op, dst, lhs, rhs);
            }
            MInst::VShift { op, count, wide } => {
                let (dst, src) = (self.xmm(ops), self.xmm(ops));
                self.asm.vec_shift_i(self.width(wide), op, dst, src, count);
            }
            MInst::VOnes { wide } => {
                let dst = self.xmm(ops);
                let enc = self.width(wide);
                self.asm.vec_bin(enc, VecBin::PCMPEQD, dst, dst, dst);
            }
            _ => self.lanes(inst, ops),
        }
    }

    /// Result and inputs of an operation of three operands.
    fn three(&mut self, src: Src, ops: &mut Ops) -> (Xmm, Xmm, Rm<Xmm>) {
        let (dst, lhs) = (self.xmm(ops), self.xmm(ops));
        (dst, lhs, self.vec_input(src, ops))
    }

    fn lanes(&mut self, inst: MInst, ops: &mut Ops) {
        match inst {
            MInst::VBlend { op, wide } => {
                let (dst, lhs, rhs) = (self.xmm(ops), self.xmm(ops), self.xmm(ops));
                let mask = self.xmm(ops);
                self.asm
                    .vec_blend(self.width(wide), op, dst, lhs, rhs, mask);
            }
            MInst::VInsert { size, lane, src } => {
                let (dst, lhs) = (self.xmm(ops), self.xmm(ops));
                let src: Rm<Gpr> = match src {
                    Src::Mem(mem) => Rm::Mem(self.mem(mem, ops)),
                    _ => self.rm(ops),
                };
                self.asm.vec_insert(self.enc, size, dst, lhs, src, lane);
            }
            MInst::VLane { size, lane } => {
                let (dst, src) = (self.gpr(ops), self.xmm(ops));
                self.asm.vec_lane(self.enc, size, dst, src, lane);
            }
            MInst::VSigns { op, wide } => {
                let (dst, src) = (self.gpr(ops), self.xmm(ops));
                self.asm.vec_signs(self.width(wide), op, dst, src);
            }
            MInst::VToHalf { wide } => {
                let (dst, src) = (self.xmm(ops), self.xmm(ops));
                // Rounded as MXCSR says: to nearest even.
                self.asm
                    .vec_extract(self.width(wide), VecExtract::VCVTPS2PH, dst, src, 4);
            }
            MInst::VUpper => {
                let (dst, src) = (self.xmm(ops), self.xmm(ops));
                self.asm
                    .vec_extract(Enc::Vex256, VecExtract::VEXTRACTF128, dst, src, 1);
            }
            MInst::VUpperStore { mem } => {
                let src = self.xmm(ops);
                let mem = self.mem(mem, ops);
                self.asm
                    .vec_extract(Enc::Vex256, VecExtract::VEXTRACTF128, mem, src, 1);
            }
            MInst::X87Mem { op, mem } => {
                let mem = self.mem(mem, ops);
                self.asm.x87_mem(op, mem);
            }
            MInst::X87Stack { op, index } => self.asm.x87_stack(op, index),
            MInst::X87Remainder => self.reduce(),
            MInst::Plain(plain) => self.asm.plain(plain),
            _ => self.special(inst, ops),
        }
    }
}
