//! Copying and filling memory.

use super::emit::Emitter;
use super::regs::{TEMP, VEC_TEMP};
use asm::{Gpr, Mem, Plain, Size, VecLoad, VecStore};
use ir::Value;

/// Copies of at most so many bytes are unrolled.
const UNROLLED: u32 = 128;

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
