//! Vector and scalar floating-point instructions, in legacy SSE or VEX encoding.
//!
//! # One method per shape, both encodings
//! AVX gave most SSE instructions a third operand: SSE's `addsd dst, rhs` is AVX's `vaddsd dst,
//! lhs, rhs` with `dst = lhs`. The methods here take all three. Under [`Enc::Legacy`], if `dst` is
//! not `lhs`, a `movaps dst, lhs` goes first, which is right as long as `rhs` is not `dst`; that is
//! asserted. So a compiler that keeps `dst` and `rhs` apart writes one sequence for both kinds of
//! machine.
//!
//! The upper bits differ, as the SDM (vol. 1, section 14.8) defines: VEX instructions clear the
//! destination above their width, legacy ones keep it. Mixing them costs a transition, so code
//! sticks to one, and executes `vzeroupper` before it calls code of unknown kind.
//!
//! # Alignment
//! Legacy instructions other than the unaligned moves fault on a 16-byte memory operand that is not
//! aligned; VEX ones do not (except the aligned and non-temporal moves).

use crate::buffer::CodeBuffer;
use crate::encode::{Code, Imm, Prefixes};
use crate::mem::Parts;
use crate::vecop::{
    Fp, VecBin, VecBinImm, VecBlend, VecExtract, VecGather, VecLoad, VecLoadHalf, VecMaskLoad,
    VecMaskStore, VecMerge, VecShift, VecSigns, VecStore, VecUn, VecUnImm,
};
use crate::{Gpr, Mem, RegMem, Size, Xmm};

/// How a vector instruction is encoded, and how wide it is. Scalar instructions use `Legacy` or
/// `Vex128`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Enc {
    /// SSE: 128 bits, two operands.
    Legacy,
    /// AVX: 128 bits, three operands.
    Vex128,
    /// AVX: 256 bits, three operands.
    Vex256,
}

impl Enc {
    /// Every encoding.
    pub const ALL: [Self; 3] = [Self::Legacy, Self::Vex128, Self::Vex256];

    #[inline(always)]
    const fn is_wide(self) -> bool {
        matches!(self, Self::Vex256)
    }
}

/// Which integer a conversion from floating point yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Rounding {
    /// Towards zero, as C casts; the discriminant is the opcode.
    Truncate = 0x2C,
    /// As MXCSR says.
    Current = 0x2D,
}

/// Moves.
impl CodeBuffer {
    /// Copies a whole register.
    #[inline]
    pub fn vec_mov(&mut self, enc: Enc, dst: Xmm, src: Xmm) {
        self.vec(
            enc,
            Code::of(0x28),
            dst.number(),
            0,
            src.parts_of(),
            Imm::NONE,
        );
    }

    /// `op dst, src` from memory.
    #[inline]
    pub fn vec_load(&mut self, enc: Enc, op: VecLoad, dst: Xmm, src: Mem) {
        self.vec(enc, op.0, dst.number(), 0, mem(src), Imm::NONE);
    }

    /// `op dst, src` to memory.
    #[inline]
    pub fn vec_store(&mut self, enc: Enc, op: VecStore, dst: Mem, src: Xmm) {
        self.vec(enc, op.0, src.number(), 0, mem(dst), Imm::NONE);
    }

    /// Loads one half of `dst`; the other comes from `lhs`.
    #[inline]
    pub fn vec_load_half(&mut self, enc: Enc, op: VecLoadHalf, dst: Xmm, lhs: Xmm, src: Mem) {
        self.vec_three(enc, op.0, dst, lhs, mem(src), Imm::NONE);
    }

    /// Combines parts of two registers.
    #[inline]
    pub fn vec_merge(&mut self, enc: Enc, op: VecMerge, dst: Xmm, lhs: Xmm, rhs: Xmm) {
        self.vec_three(enc, op.0, dst, lhs, rhs.parts_of(), Imm::NONE);
    }

    /// `movd` or `movq dst, src`: 32 or 64 bits from a general register or memory, the rest
    /// cleared.
    #[inline]
    pub fn movd(&mut self, enc: Enc, size: Size, dst: Xmm, src: impl RegMem<Gpr>) {
        let code = Code::of(0x6E).p66().w_if(is_b64(size));
        self.vec(enc, code, dst.number(), 0, src.parts(), Imm::NONE);
    }

    /// `movd` or `movq dst, src`: 32 or 64 bits to a general register or memory.
    #[inline]
    pub fn movd_mr(&mut self, enc: Enc, size: Size, dst: impl RegMem<Gpr>, src: Xmm) {
        let code = Code::of(0x7E).p66().w_if(is_b64(size));
        self.vec(enc, code, src.number(), 0, dst.parts(), Imm::NONE);
    }

    /// Loads the elements that `mask` selects. VEX only.
    #[inline]
    pub fn vec_mask_load(&mut self, enc: Enc, op: VecMaskLoad, dst: Xmm, mask: Xmm, src: Mem) {
        self.vec(enc, op.0, dst.number(), mask.number(), mem(src), Imm::NONE);
    }

    /// Stores the elements that `mask` selects. VEX only.
    #[inline]
    pub fn vec_mask_store(&mut self, enc: Enc, op: VecMaskStore, dst: Mem, mask: Xmm, src: Xmm) {
        self.vec(enc, op.0, src.number(), mask.number(), mem(dst), Imm::NONE);
    }

    /// Gathers the elements that `mask` selects and clears `mask`; `src` must be a
    /// [`Mem::vector_index`]. All three registers must differ, or the instruction faults. VEX only.
    #[inline]
    pub fn vec_gather(&mut self, enc: Enc, op: VecGather, dst: Xmm, src: Mem, mask: Xmm) {
        debug_assert!(dst != mask, "a gather's registers must differ");
        // Even without an address to add to, VSIB needs its SIB byte; `vector_index` sees to that.
        self.vec(enc, op.0, dst.number(), mask.number(), mem(src), Imm::NONE);
    }
}

/// Operations.
impl CodeBuffer {
    /// `op dst, lhs, rhs`.
    #[inline]
    pub fn vec_bin(&mut self, enc: Enc, op: VecBin, dst: Xmm, lhs: Xmm, rhs: impl RegMem<Xmm>) {
        self.vec_three(enc, op.0, dst, lhs, rhs.parts(), Imm::NONE);
    }

    /// `op dst, lhs, rhs, imm`.
    #[inline]
    pub fn vec_bin_i(
        &mut self,
        enc: Enc,
        op: VecBinImm,
        dst: Xmm,
        lhs: Xmm,
        rhs: impl RegMem<Xmm>,
        imm: u8,
    ) {
        self.vec_three(enc, op.0, dst, lhs, rhs.parts(), Imm::byte(imm));
    }

    /// `op dst, src`.
    #[inline]
    pub fn vec_un(&mut self, enc: Enc, op: VecUn, dst: Xmm, src: impl RegMem<Xmm>) {
        self.vec(enc, op.0, dst.number(), 0, src.parts(), Imm::NONE);
    }

    /// `op dst, src, imm`.
    #[inline]
    pub fn vec_un_i(&mut self, enc: Enc, op: VecUnImm, dst: Xmm, src: impl RegMem<Xmm>, imm: u8) {
        self.vec(enc, op.0, dst.number(), 0, src.parts(), Imm::byte(imm));
    }

    /// `op dst, src, imm` to a register or memory. VEX only.
    #[inline]
    pub fn vec_extract(
        &mut self,
        enc: Enc,
        op: VecExtract,
        dst: impl RegMem<Xmm>,
        src: Xmm,
        imm: u8,
    ) {
        self.vec(enc, op.0, src.number(), 0, dst.parts(), Imm::byte(imm));
    }

    /// `op dst, src, count`: shifts every element by an immediate.
    #[inline]
    pub fn vec_shift_i(&mut self, enc: Enc, op: VecShift, dst: Xmm, src: Xmm, count: u8) {
        // The reg field extends the opcode; VEX has the destination in vvvv.
        let extension = op.0.extension_bits();
        if enc == Enc::Legacy && dst != src {
            self.vec_mov(enc, dst, src);
        }
        let operand = if enc == Enc::Legacy { dst } else { src };
        self.vec(
            enc,
            op.0,
            extension,
            dst.number(),
            operand.parts_of(),
            Imm::byte(count),
        );
    }

    /// `op dst, lhs, rhs, mask`: `rhs` where the mask's sign bit is set. Legacy needs `mask` = xmm0
    /// (and therefore `dst` other than xmm0 unless `dst` is `lhs`).
    pub fn vec_blend(
        &mut self,
        enc: Enc,
        op: VecBlend,
        dst: Xmm,
        lhs: Xmm,
        rhs: impl RegMem<Xmm>,
        mask: Xmm,
    ) {
        if enc == Enc::Legacy {
            assert!(mask == Xmm::Xmm0, "the legacy blend's mask is xmm0");
            assert!(dst == lhs || dst != mask, "the mask would be overwritten");
            self.vec_three(enc, op.legacy(), dst, lhs, rhs.parts(), Imm::NONE);
        } else {
            let imm = Imm::byte(mask.number() << 4);
            self.vec_three(enc, op.vex(), dst, lhs, rhs.parts(), imm);
        }
    }
}

/// Between vector and general registers.
impl CodeBuffer {
    /// `cvtsi2ss` or `cvtsi2sd dst, lhs, src`: a 32- or 64-bit signed integer to scalar floating
    /// point; the upper elements come from `lhs`.
    #[inline]
    pub fn cvt_from_int(
        &mut self,
        enc: Enc,
        fp: Fp,
        size: Size,
        dst: Xmm,
        lhs: Xmm,
        src: impl RegMem<Gpr>,
    ) {
        debug_assert!(fp.is_scalar());
        let code = Code::of(0x2A).pp_number(fp as u8).w_if(is_b64(size));
        self.vec_three(enc, code, dst, lhs, src.parts(), Imm::NONE);
    }

    /// `cvt(t)ss2si` or `cvt(t)sd2si dst, src`: scalar floating point to a 32- or 64-bit signed
    /// integer; what does not fit becomes the smallest integer.
    #[inline]
    pub fn cvt_to_int(
        &mut self,
        enc: Enc,
        rounding: Rounding,
        fp: Fp,
        size: Size,
        dst: Gpr,
        src: impl RegMem<Xmm>,
    ) {
        debug_assert!(fp.is_scalar());
        let code = Code::of(rounding as u8)
            .pp_number(fp as u8)
            .w_if(is_b64(size));
        self.vec(enc, code, dst.number(), 0, src.parts(), Imm::NONE);
    }

    /// `op dst, src`: the elements' sign bits.
    #[inline]
    pub fn vec_signs(&mut self, enc: Enc, op: VecSigns, dst: Gpr, src: Xmm) {
        self.vec(enc, op.0, dst.number(), 0, src.parts_of(), Imm::NONE);
    }

    /// `pinsrb`, `w`, `d` or `q dst, lhs, src, lane`. All but `w` need SSE4.1.
    #[inline]
    pub fn vec_insert(
        &mut self,
        enc: Enc,
        size: Size,
        dst: Xmm,
        lhs: Xmm,
        src: impl RegMem<Gpr>,
        lane: u8,
    ) {
        let code = match size {
            Size::B8 => Code::of3a(0x20),
            Size::B16 => Code::of(0xC4),
            Size::B32 => Code::of3a(0x22),
            Size::B64 => Code::of3a(0x22).w(),
        };
        self.vec_three(enc, code.p66(), dst, lhs, src.parts(), Imm::byte(lane));
    }

    /// `pextrb`, `w`, `d` or `q dst, src, lane`; a register gets the lane zero-extended. Needs
    /// SSE4.1.
    #[inline]
    pub fn vec_lane(&mut self, enc: Enc, size: Size, dst: impl RegMem<Gpr>, src: Xmm, lane: u8) {
        let code = match size {
            Size::B8 => Code::of3a(0x14),
            Size::B16 => Code::of3a(0x15),
            Size::B32 => Code::of3a(0x16),
            Size::B64 => Code::of3a(0x16).w(),
        };
        self.vec(
            enc,
            code.p66(),
            src.number(),
            0,
            dst.parts(),
            Imm::byte(lane),
        );
    }

    /// `pextrw dst, src, lane`, the form that SSE2 has: 16 bits, zero-extended, to a register only.
    #[inline]
    pub fn vec_word(&mut self, enc: Enc, dst: Gpr, src: Xmm, lane: u8) {
        let code = Code::of(0xC5).p66();
        self.vec(enc, code, dst.number(), 0, src.parts_of(), Imm::byte(lane));
    }

    /// `ldmxcsr src`: sets rounding mode, masks and exception flags.
    #[inline]
    pub fn ldmxcsr(&mut self, src: Mem) {
        self.legacy::<Gpr>(Code::of(0xAE), Prefixes::NONE, 2, src, Imm::NONE);
    }

    /// `stmxcsr dst`.
    #[inline]
    pub fn stmxcsr(&mut self, dst: Mem) {
        self.legacy::<Gpr>(Code::of(0xAE), Prefixes::NONE, 3, dst, Imm::NONE);
    }
}

impl CodeBuffer {
    /// Three operands; legacy encoding copies `lhs` to `dst` first if they differ.
    fn vec_three(&mut self, enc: Enc, code: Code, dst: Xmm, lhs: Xmm, rhs: Parts, imm: Imm) {
        if enc == Enc::Legacy && dst != lhs {
            let overwritten = rhs.vector && rhs.reg == dst.number();
            assert!(
                !overwritten,
                "legacy encoding cannot keep rhs in dst while lhs moves there"
            );
            self.vec_mov(enc, dst, lhs);
        }
        self.vec(enc, code, dst.number(), lhs.number(), rhs, imm);
    }

    /// The instruction itself. `second` is the register in VEX's vvvv, 0 if unused; legacy encoding
    /// ignores it. Not inlined: vector code is rarer than integer code, and this is long.
    #[inline(never)]
    fn vec(&mut self, enc: Enc, code: Code, reg: u8, second: u8, rm: Parts, imm: Imm) {
        if enc == Enc::Legacy {
            debug_assert!(!code.is_vex_only(), "no legacy encoding");
            self.legacy_parts(code, Prefixes::NONE, reg, &rm, imm);
        } else {
            self.vex_parts(code, enc.is_wide(), reg, second, &rm, imm);
        }
    }
}

impl Xmm {
    /// [`RegMem::parts`] without the trait's type parameter to infer.
    #[inline(always)]
    fn parts_of(self) -> Parts {
        RegMem::<Self>::parts(self)
    }
}

#[inline(always)]
fn mem(mem: Mem) -> Parts {
    RegMem::<Xmm>::parts(mem)
}

#[inline(always)]
fn is_b64(size: Size) -> bool {
    debug_assert!(size >= Size::B32);
    size == Size::B64
}
