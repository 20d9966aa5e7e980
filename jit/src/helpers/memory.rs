//! `memcpy`, `memmove`, `memset`: `rdi` destination, `rsi` source or value, `rdx` bytes, `rdi` back.
//!
//! Most calls are short, so length decides first and each class up to 128 bytes is straight-line:
//! everything is loaded before anything is stored, from both ends towards the middle, so a class needs
//! no loop, no exact length and no care about overlap.
//!
//! ```text
//!   0 … 3     first, middle and last byte           4 … 7, 8 … 15    two words that overlap
//!  16 … 32    two vectors    33 … 64  four    65 … 128  eight
//!  above      a loop of four vectors (of 32 bytes with AVX); the last four are loaded before it begins
//! ```
//!
//! Copying upwards is right where the destination does not begin inside the source; else the loop runs
//! downwards and the *first* four vectors are kept. In both loops a store only reaches source bytes
//! that the loop has passed or that are kept, which is why overlap is harmless.
//!
//! Addresses are 64-bit sums of zero-extended pointers: a block that runs past 4 GiB meets memory that
//! is never mapped and faults.

use asm::{Alu, CodeBuffer, Cond, Enc, Gpr, Mem, Plain, Scale, Size, VecLoad, VecStore, Xmm};

/// Vectors that a loop moves at a time.
const VECTORS: u8 = 4;

/// `[base + disp]`.
fn at(base: Gpr, disp: i32) -> Mem {
    Mem::base(base, disp)
}

/// `[base + rdx + disp]`: counted from the end.
fn from_end(base: Gpr, disp: i32) -> Mem {
    Mem::base_index(base, Gpr::Rdx, Scale::S1, disp)
}

/// Emits a copy; with `overlap` the blocks may overlap in any way.
pub(super) fn copy(code: &mut CodeBuffer, avx: bool, overlap: bool) {
    let small = code.label();
    let large = code.label();
    let enc = if avx { Enc::Vex128 } else { Enc::Legacy };
    code.mov(Size::B64, Gpr::Rax, Gpr::Rdi);
    code.alu_i(Alu::Cmp, Size::B64, Gpr::Rdx, 16);
    code.jcc(Cond::B, small);
    for (limit, pairs) in [(32, 1), (64, 2), (128, 4)] {
        let longer = if limit == 128 { large } else { code.label() };
        code.alu_i(Alu::Cmp, Size::B64, Gpr::Rdx, limit);
        code.jcc(Cond::A, longer);
        copy_ends(code, enc, pairs);
        if limit != 128 {
            code.bind(longer);
        }
    }
    code.bind(small);
    copy_small(code);
    code.bind(large);
    let backward = code.label();
    if overlap {
        // Unsigned: also false when the destination lies below the source.
        code.mov(Size::B64, Gpr::Rcx, Gpr::Rdi);
        code.alu(Alu::Sub, Size::B64, Gpr::Rcx, Gpr::Rsi);
        code.alu(Alu::Cmp, Size::B64, Gpr::Rcx, Gpr::Rdx);
        code.jcc(Cond::B, backward);
    }
    let wide = if avx { Enc::Vex256 } else { Enc::Legacy };
    let width = if avx { 32 } else { 16 };
    copy_up(code, wide, width);
    if overlap {
        code.bind(backward);
        copy_down(code, wide, width);
    }
}

/// `pairs` vectors from each end, then return.
fn copy_ends(code: &mut CodeBuffer, enc: Enc, pairs: u8) {
    for number in 0..pairs {
        let step = 16 * i32::from(number);
        let (low, high) = (Xmm::new(number), Xmm::new(number + pairs));
        code.vec_load(enc, VecLoad::MOVUPS, low, at(Gpr::Rsi, step));
        code.vec_load(enc, VecLoad::MOVUPS, high, from_end(Gpr::Rsi, -16 - step));
    }
    for number in 0..pairs {
        let step = 16 * i32::from(number);
        let (low, high) = (Xmm::new(number), Xmm::new(number + pairs));
        code.vec_store(enc, VecStore::MOVUPS, at(Gpr::Rdi, step), low);
        code.vec_store(enc, VecStore::MOVUPS, from_end(Gpr::Rdi, -16 - step), high);
    }
    code.ret();
}

/// Less than 16 bytes.
fn copy_small(code: &mut CodeBuffer) {
    for (size, bytes) in [(Size::B64, 8), (Size::B32, 4)] {
        let shorter = code.label();
        code.alu_i(Alu::Cmp, Size::B32, Gpr::Rdx, bytes);
        code.jcc(Cond::B, shorter);
        code.mov(size, Gpr::Rcx, at(Gpr::Rsi, 0));
        code.mov(size, Gpr::R8, from_end(Gpr::Rsi, -bytes));
        code.mov_mr(size, at(Gpr::Rdi, 0), Gpr::Rcx);
        code.mov_mr(size, from_end(Gpr::Rdi, -bytes), Gpr::R8);
        code.ret();
        code.bind(shorter);
    }
    let none = code.label();
    code.test(Size::B32, Gpr::Rdx, Gpr::Rdx);
    code.jcc(Cond::E, none);
    let middle = |base| Mem::base_index(base, Gpr::R9, Scale::S1, 0);
    code.mov(Size::B32, Gpr::R9, Gpr::Rdx);
    code.shift_i(asm::Shift::Shr, Size::B32, Gpr::R9, 1);
    code.movzx(Gpr::Rcx, Size::B8, at(Gpr::Rsi, 0));
    code.movzx(Gpr::R8, Size::B8, from_end(Gpr::Rsi, -1));
    code.movzx(Gpr::R10, Size::B8, middle(Gpr::Rsi));
    code.mov_mr(Size::B8, at(Gpr::Rdi, 0), Gpr::Rcx);
    code.mov_mr(Size::B8, middle(Gpr::Rdi), Gpr::R10);
    code.mov_mr(Size::B8, from_end(Gpr::Rdi, -1), Gpr::R8);
    code.bind(none);
    code.ret();
}

/// More than 128 bytes, upwards; `xmm4`–`xmm7` keep the end.
fn copy_up(code: &mut CodeBuffer, enc: Enc, width: i32) {
    let block = width * i32::from(VECTORS);
    let step = |number: u8| width * i32::from(number);
    for number in 0..VECTORS {
        let from = from_end(Gpr::Rsi, step(number) - block);
        code.vec_load(enc, VecLoad::MOVUPS, Xmm::new(VECTORS + number), from);
    }
    code.lea(Size::B64, Gpr::R8, from_end(Gpr::Rdi, -block));
    let again = code.here();
    for number in 0..VECTORS {
        let from = at(Gpr::Rsi, step(number));
        code.vec_load(enc, VecLoad::MOVUPS, Xmm::new(number), from);
    }
    for number in 0..VECTORS {
        let to = at(Gpr::Rdi, step(number));
        code.vec_store(enc, VecStore::MOVUPS, to, Xmm::new(number));
    }
    code.alu_i(Alu::Add, Size::B64, Gpr::Rsi, block);
    code.alu_i(Alu::Add, Size::B64, Gpr::Rdi, block);
    code.alu(Alu::Cmp, Size::B64, Gpr::Rdi, Gpr::R8);
    code.jcc(Cond::B, again);
    finish(code, enc, width);
}

/// More than 128 bytes, downwards; `xmm4`–`xmm7` keep the beginning.
fn copy_down(code: &mut CodeBuffer, enc: Enc, width: i32) {
    let block = width * i32::from(VECTORS);
    let step = |number: u8| width * i32::from(number);
    for number in 0..VECTORS {
        let from = at(Gpr::Rsi, step(number));
        code.vec_load(enc, VecLoad::MOVUPS, Xmm::new(VECTORS + number), from);
    }
    code.mov(Size::B64, Gpr::R8, Gpr::Rdi);
    let again = code.here();
    for number in 0..VECTORS {
        let from = from_end(Gpr::Rsi, step(number) - block);
        code.vec_load(enc, VecLoad::MOVUPS, Xmm::new(number), from);
    }
    for number in 0..VECTORS {
        let to = from_end(Gpr::Rdi, step(number) - block);
        code.vec_store(enc, VecStore::MOVUPS, to, Xmm::new(number));
    }
    code.alu_i(Alu::Sub, Size::B64, Gpr::Rdx, block);
    code.alu_i(Alu::Cmp, Size::B64, Gpr::Rdx, block);
    code.jcc(Cond::A, again);
    finish(code, enc, width);
}

/// Stores what was kept at `r8` and returns.
fn finish(code: &mut CodeBuffer, enc: Enc, width: i32) {
    for number in 0..VECTORS {
        let to = at(Gpr::R8, width * i32::from(number));
        code.vec_store(enc, VecStore::MOVUPS, to, Xmm::new(VECTORS + number));
    }
    if enc == Enc::Vex256 {
        code.plain(Plain::VZEROUPPER);
    }
    code.ret();
}

/// Emits `memset`.
pub(super) fn set(code: &mut CodeBuffer, avx: bool) {
    let small = code.label();
    let large = code.label();
    let enc = if avx { Enc::Vex128 } else { Enc::Legacy };
    code.mov(Size::B64, Gpr::Rax, Gpr::Rdi);
    code.movzx(Gpr::Rsi, Size::B8, Gpr::Rsi);
    code.mov_i(Gpr::Rcx, 0x0101_0101_0101_0101);
    code.imul(Size::B64, Gpr::Rsi, Gpr::Rcx);
    code.alu_i(Alu::Cmp, Size::B64, Gpr::Rdx, 16);
    code.jcc(Cond::B, small);
    code.movd(enc, Size::B64, Xmm::Xmm0, Gpr::Rsi);
    code.vec_bin(
        enc,
        asm::VecBin::PUNPCKLQDQ,
        Xmm::Xmm0,
        Xmm::Xmm0,
        Xmm::Xmm0,
    );
    for (limit, pairs) in [(32, 1), (64, 2)] {
        let longer = if limit == 64 { large } else { code.label() };
        code.alu_i(Alu::Cmp, Size::B64, Gpr::Rdx, limit);
        code.jcc(Cond::A, longer);
        for step in (0..pairs).map(|number| 16 * number) {
            code.vec_store(enc, VecStore::MOVUPS, at(Gpr::Rdi, step), Xmm::Xmm0);
            code.vec_store(
                enc,
                VecStore::MOVUPS,
                from_end(Gpr::Rdi, -16 - step),
                Xmm::Xmm0,
            );
        }
        code.ret();
        if limit != 64 {
            code.bind(longer);
        }
    }
    code.bind(small);
    set_small(code);
    code.bind(large);
    code.lea(Size::B64, Gpr::R8, from_end(Gpr::Rdi, -64));
    let again = code.here();
    store_four(code, enc, Gpr::Rdi);
    code.alu_i(Alu::Add, Size::B64, Gpr::Rdi, 64);
    code.alu(Alu::Cmp, Size::B64, Gpr::Rdi, Gpr::R8);
    code.jcc(Cond::B, again);
    store_four(code, enc, Gpr::R8);
    code.ret();
}

fn store_four(code: &mut CodeBuffer, enc: Enc, to: Gpr) {
    for step in [0, 16, 32, 48] {
        code.vec_store(enc, VecStore::MOVUPS, at(to, step), Xmm::Xmm0);
    }
}

/// Less than 16 bytes.
fn set_small(code: &mut CodeBuffer) {
    for (size, bytes) in [(Size::B64, 8), (Size::B32, 4), (Size::B16, 2)] {
        let shorter = code.label();
        code.alu_i(Alu::Cmp, Size::B32, Gpr::Rdx, bytes);
        code.jcc(Cond::B, shorter);
        code.mov_mr(size, at(Gpr::Rdi, 0), Gpr::Rsi);
        code.mov_mr(size, from_end(Gpr::Rdi, -bytes), Gpr::Rsi);
        code.ret();
        code.bind(shorter);
    }
    let none = code.label();
    code.test(Size::B32, Gpr::Rdx, Gpr::Rdx);
    code.jcc(Cond::E, none);
    code.mov_mr(Size::B8, at(Gpr::Rdi, 0), Gpr::Rsi);
    code.bind(none);
    code.ret();
}
