//! 128-bit division: dividend `rsi:rdi`, divisor `rcx:rdx`, result `rdx:rax`, low parts second.
//!
//! With a divisor below 2^64 it is long division by two `div`. Otherwise the quotient has one digit
//! of 64 bits and is estimated as Hacker's Delight (figure 9-5) does: divide half the dividend by the
//! highest 64 bits of the shifted divisor, which gives the quotient or one more; subtracting one and
//! looking at the remainder once settles it.
//!
//! A divisor of 0 reaches the first `div`, which raises `#DE`. Signed division divides magnitudes and
//! wraps where the quotient does not fit; the remainder has the dividend's sign. The sign waits in
//! `xmm0`: all general registers that may be lost are in use, and nothing may lie on the stack above
//! the return address, which a report wants to see.

use asm::{Alu, BitCount, CodeBuffer, Cond, Enc, Gpr, Shift, ShiftDouble, Size, Unary, Xmm};

const Q: Size = Size::B64;

/// Emits the unsigned quotient or remainder.
pub(super) fn unsigned(code: &mut CodeBuffer, quotient: bool) {
    divide(code);
    result(code, quotient);
    code.ret();
}

/// Emits the signed quotient or remainder.
pub(super) fn signed(code: &mut CodeBuffer, avx: bool, quotient: bool) {
    let enc = if avx { Enc::Vex128 } else { Enc::Legacy };
    code.mov(Q, Gpr::Rax, Gpr::Rsi);
    if quotient {
        code.alu(Alu::Xor, Q, Gpr::Rax, Gpr::Rcx);
    }
    code.movd(enc, Q, Xmm::Xmm0, Gpr::Rax);
    for (low, high) in [(Gpr::Rdi, Gpr::Rsi), (Gpr::Rdx, Gpr::Rcx)] {
        let positive = code.label();
        code.test(Q, high, high);
        code.jcc(Cond::Ns, positive);
        negate(code, low, high);
        code.bind(positive);
    }
    divide(code);
    result(code, quotient);
    let positive = code.label();
    code.movd_mr(enc, Q, Gpr::Rcx, Xmm::Xmm0);
    code.test(Q, Gpr::Rcx, Gpr::Rcx);
    code.jcc(Cond::Ns, positive);
    negate(code, Gpr::Rax, Gpr::Rdx);
    code.bind(positive);
    code.ret();
}

/// `high:low = -(high:low)`.
fn negate(code: &mut CodeBuffer, low: Gpr, high: Gpr) {
    code.unary(Unary::Neg, Q, low);
    code.alu_i(Alu::Adc, Q, high, 0);
    code.unary(Unary::Neg, Q, high);
}

/// `divide` leaves the quotient in `rdx:rax` and the remainder in `rsi:rdi`.
fn result(code: &mut CodeBuffer, quotient: bool) {
    if !quotient {
        code.mov(Q, Gpr::Rax, Gpr::Rdi);
        code.mov(Q, Gpr::Rdx, Gpr::Rsi);
    }
}

/// Quotient to `rdx:rax`, remainder to `rsi:rdi`; `rcx r8 r9 r10 r11` are lost.
fn divide(code: &mut CodeBuffer) {
    let (large, done) = (code.label(), code.label());
    code.mov(Q, Gpr::R10, Gpr::Rdx);
    code.mov(Q, Gpr::R9, Gpr::Rcx);
    code.test(Q, Gpr::R9, Gpr::R9);
    code.jcc(Cond::Ne, large);
    code.mov(Q, Gpr::Rax, Gpr::Rsi);
    code.alu(Alu::Xor, Size::B32, Gpr::Rdx, Gpr::Rdx);
    code.unary(Unary::Div, Q, Gpr::R10);
    code.mov(Q, Gpr::R8, Gpr::Rax);
    code.mov(Q, Gpr::Rax, Gpr::Rdi);
    code.unary(Unary::Div, Q, Gpr::R10);
    code.mov(Q, Gpr::Rdi, Gpr::Rdx);
    code.alu(Alu::Xor, Size::B32, Gpr::Rsi, Gpr::Rsi);
    code.mov(Q, Gpr::Rdx, Gpr::R8);
    code.jmp(done);
    code.bind(large);
    estimate(code);
    correct(code);
    code.bind(done);
}

/// One less than the estimated quotient, and not below 0, to `r8`.
fn estimate(code: &mut CodeBuffer) {
    // r8 = number of the divisor's highest bit = 63 - shift.
    code.bit_count(BitCount::Bsr, Q, Gpr::R8, Gpr::R9);
    code.mov_i(Gpr::Rcx, 63);
    code.alu(Alu::Sub, Size::B32, Gpr::Rcx, Gpr::R8);
    code.mov(Q, Gpr::R11, Gpr::R9);
    code.shift_double_cl(ShiftDouble::Shld, Q, Gpr::R11, Gpr::R10);
    code.mov(Q, Gpr::Rdx, Gpr::Rsi);
    code.mov(Q, Gpr::Rax, Gpr::Rdi);
    code.shift_double_i(ShiftDouble::Shrd, Q, Gpr::Rax, Gpr::Rdx, 1);
    code.shift_i(Shift::Shr, Q, Gpr::Rdx, 1);
    code.unary(Unary::Div, Q, Gpr::R11);
    code.mov(Size::B32, Gpr::Rcx, Gpr::R8);
    code.shift_cl(Shift::Shr, Q, Gpr::Rax);
    code.alu_i(Alu::Sub, Q, Gpr::Rax, 1);
    code.alu_i(Alu::Adc, Q, Gpr::Rax, 0);
    code.mov(Q, Gpr::R8, Gpr::Rax);
}

/// Remainder for the quotient in `r8`; one step more if it is not below the divisor.
fn correct(code: &mut CodeBuffer) {
    let exact = code.label();
    code.unary(Unary::Mul, Q, Gpr::R10);
    code.mov(Q, Gpr::R11, Gpr::R8);
    code.imul(Q, Gpr::R11, Gpr::R9);
    code.alu(Alu::Add, Q, Gpr::Rdx, Gpr::R11);
    code.alu(Alu::Sub, Q, Gpr::Rdi, Gpr::Rax);
    code.alu(Alu::Sbb, Q, Gpr::Rsi, Gpr::Rdx);
    code.mov(Q, Gpr::Rax, Gpr::Rdi);
    code.mov(Q, Gpr::Rdx, Gpr::Rsi);
    code.alu(Alu::Sub, Q, Gpr::Rax, Gpr::R10);
    code.alu(Alu::Sbb, Q, Gpr::Rdx, Gpr::R9);
    code.jcc(Cond::B, exact);
    code.mov(Q, Gpr::Rdi, Gpr::Rax);
    code.mov(Q, Gpr::Rsi, Gpr::Rdx);
    code.alu_i(Alu::Add, Q, Gpr::R8, 1);
    code.bind(exact);
    code.mov(Q, Gpr::Rax, Gpr::R8);
    code.alu(Alu::Xor, Size::B32, Gpr::Rdx, Gpr::Rdx);
}
