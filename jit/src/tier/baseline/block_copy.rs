//! Copying and filling of known, small amounts of memory; helpers do the rest (`helper`).

use super::emit::Emitter;
use super::regs::{TEMP, VEC_TEMP};
use asm::{Alu, Cond, Gpr, Mem, Plain, Scale, Size, VecBin, VecLoad, VecStore};
use ir::Value;

/// Copies of at most so many bytes are unrolled.
const UNROLLED: u32 = 128;
/// Copies of at most so many bytes loop over vector registers.
pub(super) const LOOPED: u64 = 2048;
/// Bytes of one round of such a loop.
const ROUND: u32 = 32;
/// Fills of at most so many bytes are unrolled.
pub(super) const FILL_UNROLLED: u64 = 128;
/// Copies of at most so many bytes are read whole before they are written.
pub(super) const SMALL: u64 = 16;

impl Emitter<'_> {
    /// Copies `bytes` from the address `from` to offset `to` in the frame.
    pub(super) fn copy_to_frame(&mut self, to: i32, from: Value, bytes: u32) {
        let target = self.local(to);
        if bytes <= UNROLLED {
            let base = self.gpr(from);
            self.note(self.at);
            return self.copy_unrolled(target, Mem::base(base, 0), bytes);
        }
        self.take(Gpr::Rsi);
        self.take(Gpr::Rdi);
        self.take(Gpr::Rcx);
        let base = self.gpr(from);
        self.asm.mov(Size::B32, Gpr::Rsi, base);
        self.asm.lea(Size::B32, Gpr::Rdi, target);
        self.asm.mov_i(Gpr::Rcx, u64::from(bytes));
        self.note(self.at);
        self.asm.plain(Plain::REP_MOVSB);
    }

    /// Copies a known number of bytes through the temporaries, front to back.
    pub(super) fn copy_unrolled(&mut self, to: Mem, from: Mem, bytes: u32) {
        let mut at = 0;
        while bytes - at >= 16 {
            let (to, from) = (to.offset(at as i32), from.offset(at as i32));
            self.asm.vec_load(self.enc, VecLoad::MOVUPS, VEC_TEMP, from);
            self.asm.vec_store(self.enc, VecStore::MOVUPS, to, VEC_TEMP);
            at += 16;
        }
        for size in [Size::B64, Size::B32, Size::B16, Size::B8] {
            while bytes - at >= size.bytes() {
                let (to, from) = (to.offset(at as i32), from.offset(at as i32));
                self.asm.mov(size, TEMP, from);
                self.asm.mov_mr(size, to, TEMP);
                at += size.bytes();
            }
        }
    }
}

impl Emitter<'_> {
    /// `Memcpy` and `Memmove` of a known number of bytes that the helpers are not asked for.
    pub(super) fn copy_memory(&mut self, to: Value, from: Value, bytes: u64) {
        match bytes {
            0 => {}
            1..=SMALL => {
                let source = self.address(from);
                let target = self.address(to);
                self.note(self.at);
                self.copy_at_once(target, source, bytes as u32);
            }
            _ if bytes > u64::from(UNROLLED) => self.copy_looped(to, from, bytes as u32),
            _ => {
                let source = self.address(from);
                let target = self.address(to);
                self.note(self.at);
                self.copy_unrolled(target, source, bytes as u32);
            }
        }
    }

    /// Copies a known number of bytes in rounds; what is left over is unrolled.
    fn copy_looped(&mut self, to: Value, from: Value, bytes: u32) {
        self.take(Gpr::Rsi);
        self.take(Gpr::Rdi);
        self.fetch(Gpr::Rsi, from);
        self.fetch(Gpr::Rdi, to);
        self.note(self.at);
        let looped = (bytes - bytes % ROUND) as i32;
        // The index runs from minus the length up to zero, against the end of what is looped over.
        self.asm.mov_i(TEMP, i64::from(-looped) as u64);
        let again = self.asm.here();
        for at in [looped, looped + 16] {
            let source = Mem::base_index(Gpr::Rsi, TEMP, Scale::S1, at);
            let target = Mem::base_index(Gpr::Rdi, TEMP, Scale::S1, at);
            self.asm
                .vec_load(self.enc, VecLoad::MOVUPS, VEC_TEMP, source);
            self.asm
                .vec_store(self.enc, VecStore::MOVUPS, target, VEC_TEMP);
        }
        self.asm.alu_i(Alu::Add, Size::B64, TEMP, ROUND as i32);
        self.asm.jcc(Cond::Ne, again);
        let (source, target) = (Mem::base(Gpr::Rsi, looped), Mem::base(Gpr::Rdi, looped));
        self.copy_unrolled(target, source, bytes % ROUND);
    }

    /// Reads all `bytes` (at most [`SMALL`]) before it writes any, so the regions may overlap.
    fn copy_at_once(&mut self, to: Mem, from: Mem, bytes: u32) {
        let size = match bytes {
            16.. => return self.copy_unrolled(to, from, bytes),
            8.. => Size::B64,
            4.. => Size::B32,
            2.. => Size::B16,
            _ => Size::B8,
        };
        // Two pieces that may overlap cover every length up to twice the piece.
        let last = (bytes - size.bytes()) as i32;
        let second = self.temp();
        self.asm.mov(size, TEMP, from);
        self.asm.mov(size, second, from.offset(last));
        self.asm.mov_mr(size, to, TEMP);
        self.asm.mov_mr(size, to.offset(last), second);
    }

    /// `Memset` of a known number of known bytes that the helper is not asked for.
    pub(super) fn fill_memory(&mut self, to: Value, byte: u64, bytes: u64) {
        let target = self.address(to);
        self.note(self.at);
        self.fill_unrolled(target, byte as u8, bytes as u32);
    }

    fn fill_unrolled(&mut self, to: Mem, byte: u8, bytes: u32) {
        let mut at = 0;
        if bytes >= 16 {
            if byte == 0 {
                self.asm
                    .vec_bin(self.enc, VecBin::XORPS, VEC_TEMP, VEC_TEMP, VEC_TEMP);
            } else {
                let pattern = Mem::label(self.asm.constant(&[byte; 16], 16));
                self.asm
                    .vec_load(self.enc, VecLoad::MOVUPS, VEC_TEMP, pattern);
            }
            while bytes - at >= 16 {
                let to = to.offset(at as i32);
                self.asm.vec_store(self.enc, VecStore::MOVUPS, to, VEC_TEMP);
                at += 16;
            }
        }
        let word = i32::from_le_bytes([byte; 4]);
        for size in [Size::B32, Size::B16, Size::B8] {
            while bytes - at >= size.bytes() {
                self.asm.mov_mi(size, to.offset(at as i32), word);
                at += size.bytes();
            }
        }
    }
}
