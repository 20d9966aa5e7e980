//! `setjmp` and `longjmp`: `rdi` the buffer, `esi` the value.
//!
//! ```text
//! buffer   u32 rsp after the return from setjmp; u32 rbp; u32 return address - CODE; u32 check
//! ```
//!
//! Sixteen bytes, so every C library's buffer has room. A function that calls `setjmp` stays at
//! baseline, keeps every value in its frame across the call and saves all callee-saved registers in
//! its prologue, so stack pointer, frame pointer and the place to return to are all that there is.
//!
//! # What `longjmp` checks
//!
//! * The four words are as `setjmp` wrote them (a hash: it finds a buffer that was never set, or that
//!   was overwritten; it is no secret, since a module may jump within its code as it likes anyway).
//! * The frame is still there: its stack pointer is above the present one, on the same stack.
//!
//! Otherwise it ends in `ud2`, which the report calls by name.

use crate::abi;
use crate::weaken::{Weakness, is_left_out};
use asm::{Alu, CodeBuffer, Cond, Gpr, Mem, Plain, Shift, Size};

const RSP: i32 = 0;
const RBP: i32 = 4;
const TARGET: i32 = 8;
const CHECK: i32 = 12;

fn field(disp: i32) -> Mem {
    Mem::base(Gpr::Rdi, disp)
}

/// Emits `setjmp`.
pub(super) fn set(code: &mut CodeBuffer) {
    code.mov(Size::B64, Gpr::Rax, Mem::base(Gpr::Rsp, 0));
    code.lea(Size::B64, Gpr::Rdx, Mem::base(Gpr::Rsp, 8));
    code.mov(Size::B32, Gpr::R8, Gpr::Rbp);
    code.mov_i(Gpr::Rcx, abi::CODE);
    code.alu(Alu::Sub, Size::B64, Gpr::Rax, Gpr::Rcx);
    check(code);
    code.mov_mr(Size::B32, field(RSP), Gpr::Rdx);
    code.mov_mr(Size::B32, field(RBP), Gpr::R8);
    code.mov_mr(Size::B32, field(TARGET), Gpr::Rax);
    code.mov_mr(Size::B32, field(CHECK), Gpr::Rcx);
    code.alu(Alu::Xor, Size::B32, Gpr::Rax, Gpr::Rax);
    code.ret();
}

/// Emits `longjmp`.
pub(super) fn long(code: &mut CodeBuffer) {
    code.mov(Size::B32, Gpr::Rdx, field(RSP));
    code.mov(Size::B32, Gpr::R8, field(RBP));
    code.mov(Size::B32, Gpr::Rax, field(TARGET));
    if is_left_out(Weakness::UncheckedJump) {
        jump(code);
        return;
    }
    let bad = code.label();
    check(code);
    code.alu(Alu::Cmp, Size::B32, Gpr::Rcx, field(CHECK));
    code.jcc(Cond::Ne, bad);
    code.alu(Alu::Cmp, Size::B64, Gpr::Rdx, Gpr::Rsp);
    code.jcc(Cond::Be, bad);
    // The same stack: both addresses are in one stride.
    code.mov(Size::B64, Gpr::Rcx, Gpr::Rsp);
    code.alu(Alu::Xor, Size::B64, Gpr::Rcx, Gpr::Rdx);
    let stride = abi::STACK_STRIDE.trailing_zeros() as u8;
    code.shift_i(Shift::Shr, Size::B64, Gpr::Rcx, stride);
    code.jcc(Cond::Ne, bad);
    jump(code);
    code.bind(bad);
    code.plain(Plain::UD2);
}

/// Emits the return to `eax` with stack pointer `edx` and frame pointer `r8d`.
fn jump(code: &mut CodeBuffer) {
    code.mov_i(Gpr::R9, abi::CODE);
    code.alu(Alu::Add, Size::B64, Gpr::R9, Gpr::Rax);
    code.mov_i(Gpr::Rax, 1);
    code.test(Size::B32, Gpr::Rsi, Gpr::Rsi);
    code.cmov(Cond::Ne, Size::B32, Gpr::Rax, Gpr::Rsi);
    code.mov(Size::B64, Gpr::Rsp, Gpr::Rdx);
    code.mov(Size::B64, Gpr::Rbp, Gpr::R8);
    code.jmp_rm(Gpr::R9);
}

/// A hash of `edx r8d eax` to `ecx`: odd multipliers and xor, so each word's every bit counts.
fn check(code: &mut CodeBuffer) {
    code.mov(Size::B32, Gpr::Rcx, Gpr::Rdx);
    for word in [Gpr::R8, Gpr::Rax] {
        code.imul_i(Size::B32, Gpr::Rcx, Gpr::Rcx, 0x9e37_79b1_u32.cast_signed());
        code.shift_i(Shift::Ror, Size::B32, Gpr::Rcx, 15);
        code.alu(Alu::Xor, Size::B32, Gpr::Rcx, word);
    }
    code.imul_i(Size::B32, Gpr::Rcx, Gpr::Rcx, 0x85eb_ca6b_u32.cast_signed());
    code.alu_i(Alu::Xor, Size::B32, Gpr::Rcx, 0x6a6d_7062);
}
