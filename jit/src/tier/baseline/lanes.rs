//! Vectors: their shape, how instructions on them are encoded, how they get into registers.
//!
//! A vector of the machine dialect fills a vector register of 128 or, with AVX2, 256 bits from the
//! bottom; what lies above a shorter one is unspecified, so every operation may compute there whatever
//! the instruction does. Only two things see the difference: memory, which is read and written in
//! exactly the vector's size, and operations that move lanes, which name the lanes they read.
//!
//! A comparison's `<N x i1>` is a mask of lanes as wide as those compared: all ones or all zeros.

use super::emit::Emitter;
use super::regs::{TEMP, VEC_TEMP};
use crate::abi::Part;
pub(super) use crate::legal::machine::Lane;
use crate::tier::Declined;
use asm::{Enc, Fp, Mem, Size, VecBin, VecLoad, VecStore, Xmm};
use ir::{ConstId, ConstKind, TypeId, Types};

/// How the code generator sees a lane.
impl Lane {
    /// log2 of its bytes.
    pub(super) fn log2(self) -> usize {
        self.bytes().ilog2() as usize
    }

    /// Its bytes.
    pub(super) fn bytes(self) -> u32 {
        self.bits() / 8
    }

    /// How packed floating-point instructions name it.
    pub(super) fn packed(self) -> Fp {
        if self.log2() == 2 { Fp::Ps } else { Fp::Pd }
    }

    /// The lane in a register of its own.
    pub(super) fn part(self) -> Part {
        match self {
            Self::F32 => Part::F32,
            Self::F64 => Part::F64,
            _ => Part::Int(self.bits() as u8),
        }
    }

    /// The general register's size for the lane.
    pub(super) fn size(self) -> Size {
        Size::ALL[self.log2()]
    }
}

/// Lanes of a vector.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Shape {
    pub(super) lane: Lane,
    pub(super) count: u32,
}

impl Shape {
    /// The shape of a vector type; `None` for other types and for vectors that no register holds.
    pub(super) fn of(types: &Types, ty: TypeId) -> Option<Self> {
        let (elem, count) = types.vector(ty)?;
        // Addresses are the machine's 32-bit integers.
        let lane = if elem == TypeId::PTR {
            Lane::I32
        } else {
            Lane::of(elem)?
        };
        let shape = Self { lane, count };
        (count.is_power_of_two() && shape.bytes() <= 32).then_some(shape)
    }

    /// Bytes in memory.
    pub(super) fn bytes(self) -> u32 {
        self.count * self.lane.bytes()
    }

    /// Whether it takes a 256-bit register.
    pub(super) fn is_wide(self) -> bool {
        self.bytes() > 16
    }

    /// The part that such a value is.
    pub(super) fn part(self) -> Part {
        if self.is_wide() {
            Part::V256
        } else {
            Part::V128
        }
    }
}

impl Emitter<'_> {
    /// The shape of a vector type.
    ///
    /// # Errors
    /// No register holds it.
    pub(super) fn shape(&self, ty: TypeId) -> Result<Shape, Declined> {
        match Shape::of(&self.job.module.types, ty) {
            Some(shape) if !shape.is_wide() || self.job.cpu.avx2 => Ok(shape),
            _ => self.unsupported("vector that no register holds"),
        }
    }

    /// How instructions on all of a part are encoded.
    pub(super) fn enc_of(&self, part: Part) -> Enc {
        if part == Part::V256 {
            Enc::Vex256
        } else {
            self.enc
        }
    }

    /// How instructions on all lanes are encoded.
    pub(super) fn enc_for(&self, shape: Shape) -> Enc {
        self.enc_of(shape.part())
    }

    /// Loads exactly `bytes` from memory to the low end of a register.
    pub(super) fn load_lanes(&mut self, dst: Xmm, bytes: u32, from: Mem) {
        let op = match bytes {
            2 => {
                self.asm.movzx(TEMP, Size::B16, from);
                return self.asm.movd(self.enc, Size::B32, dst, TEMP);
            }
            4 => VecLoad::MOVD,
            8 => VecLoad::MOVQ,
            _ => VecLoad::MOVUPS,
        };
        let enc = if bytes > 16 { Enc::Vex256 } else { self.enc };
        self.asm.vec_load(enc, op, dst, from);
    }

    /// Stores exactly `bytes` from the low end of a register to memory.
    pub(super) fn store_lanes(&mut self, to: Mem, bytes: u32, source: Xmm) {
        let op = match bytes {
            2 => {
                self.asm.vec_word(self.enc, TEMP, source, 0);
                return self.asm.mov_mr(Size::B16, to, TEMP);
            }
            4 => VecStore::MOVD,
            8 => VecStore::MOVQ,
            _ => VecStore::MOVUPS,
        };
        let enc = if bytes > 16 { Enc::Vex256 } else { self.enc };
        self.asm.vec_store(enc, op, to, source);
    }

    /// The bytes of a vector constant, zero above its end.
    pub(super) fn vector_bytes(&self, id: ConstId) -> [u8; 32] {
        let mut bytes = [0; 32];
        let constant = self.body.constant(id);
        let (ConstKind::Elements { start, len }, Some(shape)) = (
            constant.kind,
            Shape::of(&self.job.module.types, constant.ty),
        ) else {
            return bytes;
        };
        let width = shape.lane.bytes() as usize;
        let elements = self.body.words(start, len.min(shape.count));
        for (&element, place) in elements.iter().zip(bytes.chunks_exact_mut(width)) {
            let (_, bits) = self.const_bits(ConstId(element), 0);
            place.copy_from_slice(&bits.to_le_bytes()[..width]);
        }
        bytes
    }

    /// The bits of each lane if all lanes of the constant are the same.
    pub(super) fn splat_bits(&self, id: ConstId, shape: Shape) -> Option<u64> {
        let bytes = self.vector_bytes(id);
        let width = shape.lane.bytes() as usize;
        let lanes = bytes[..shape.bytes() as usize].chunks_exact(width);
        let first = &bytes[..width];
        let mut word = [0; 8];
        word[..width].copy_from_slice(first);
        lanes
            .clone()
            .all(|lane| lane == first)
            .then(|| u64::from_le_bytes(word))
    }

    /// Bytes in the constants, as the operand of an instruction on all of `part`.
    pub(super) fn vector_place(&mut self, part: Part, bytes: &[u8; 32]) -> Mem {
        let size = part.home_size().max(16);
        Mem::label(self.asm.constant(&bytes[..size as usize], size))
    }

    /// `dst` = the bytes of `part`.
    pub(super) fn load_bytes(&mut self, dst: Xmm, part: Part, bytes: &[u8; 32]) {
        let size = part.home_size() as usize;
        let enc = self.enc_of(part);
        if bytes[..size].iter().all(|&byte| byte == 0) {
            // Under VEX this clears all of the register.
            return self.asm.vec_bin(self.enc, VecBin::XORPS, dst, dst, dst);
        }
        if bytes[..size].iter().all(|&byte| byte == 0xff) {
            return self.asm.vec_bin(enc, VecBin::PCMPEQD, dst, dst, dst);
        }
        let from = self.vector_place(part, bytes);
        self.asm.vec_load(enc, VecLoad::MOVAPS, dst, from);
    }

    /// Every lane of `shape` with the same bits, in the constants.
    pub(super) fn splat(&mut self, shape: Shape, bits: u64) -> Mem {
        let bytes = splat_bytes(shape, bits);
        self.vector_place(shape.part(), &bytes)
    }

    /// All of a register.
    pub(super) fn vec_copy(&mut self, shape: Shape, dst: Xmm, src: Xmm) {
        if dst != src {
            self.asm.vec_mov(self.enc_for(shape), dst, src);
        }
    }

    /// `dst` = all ones.
    pub(super) fn all_ones(&mut self, shape: Shape, dst: Xmm) {
        let enc = self.enc_for(shape);
        self.asm.vec_bin(enc, VecBin::PCMPEQD, dst, dst, dst);
    }

    /// `dst` = `op dst, src`.
    pub(super) fn vec_step(
        &mut self,
        shape: Shape,
        op: VecBin,
        dst: Xmm,
        src: impl asm::RegMem<Xmm>,
    ) {
        self.asm.vec_bin(self.enc_for(shape), op, dst, dst, src);
    }

    /// The upper half of a 256-bit register, in the temporary.
    pub(super) fn upper_lanes(&mut self, source: Xmm) -> Xmm {
        self.asm.vec_extract(
            Enc::Vex256,
            asm::VecExtract::VEXTRACTI128,
            VEC_TEMP,
            source,
            1,
        );
        VEC_TEMP
    }
}

/// Every lane of `shape` with the same bits.
pub(super) fn splat_bytes(shape: Shape, bits: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    let width = shape.lane.bytes() as usize;
    for place in bytes.chunks_exact_mut(width) {
        place.copy_from_slice(&bits.to_le_bytes()[..width]);
    }
    bytes
}
