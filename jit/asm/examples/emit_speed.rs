//! Time per emitted instruction: `cargo run --release -p asm --example emit_speed`.
//!
//! Each line is the best of several rounds over the same buffer, operands taken from a small table
//! so that neither registers nor displacements nor sizes are known at compile time, as in a
//! one-pass compiler.

use core::hint::black_box;
use std::time::Instant;

use asm::{Alu, CodeBuffer, Cond, Enc, Fp, FpOp, Gpr, Mem, Scale, Size, VecBin, VecLoad, Xmm};

const ROUNDS: usize = 20;
const PER_ROUND: usize = 100_000;

/// Operands of one instruction.
#[derive(Clone, Copy)]
struct Operands {
    size: Size,
    a: Gpr,
    b: Gpr,
    disp: i32,
}

fn operands() -> Vec<Operands> {
    let one = |n: u32| Operands {
        size: if n.is_multiple_of(3) {
            Size::B64
        } else {
            Size::B32
        },
        a: Gpr::new((n * 7) as u8),
        b: Gpr::new((n * 5 + 2) as u8),
        disp: (n as i32 - 20) * 8,
    };
    (0..64).map(one).collect()
}

/// Prints the time that `emit` takes per instruction; it emits `count` of them.
fn measure(name: &str, count: usize, emit: impl Fn(&mut CodeBuffer, Operands)) {
    let operands = operands();
    let mut buf = CodeBuffer::new();
    let mut best = f64::MAX;
    let mut bytes = 0;
    for _ in 0..ROUNDS {
        buf.clear();
        let start = Instant::now();
        for n in 0..PER_ROUND {
            emit(&mut buf, operands[n & 63]);
        }
        let done = buf.finalize(0).expect("only bound labels");
        bytes = black_box(done.text).len();
        best = best.min(start.elapsed().as_secs_f64());
    }
    let instructions = (PER_ROUND * count) as f64;
    let ns = best * 1e9 / instructions;
    println!(
        "{name:28} {ns:6.2} ns  {:5.2} bytes",
        bytes as f64 / instructions
    );
}

fn main() {
    measure("mov reg, reg", 1, |buf, o| buf.mov(o.size, o.a, o.b));
    measure("add reg, reg", 1, |buf, o| {
        buf.alu(Alu::Add, o.size, o.a, o.b);
    });
    measure("mov reg, [base+disp]", 1, |buf, o| {
        buf.mov(o.size, o.a, Mem::base(o.b, o.disp));
    });
    measure("mov [rbp+disp], reg", 1, |buf, o| {
        buf.mov_mr(o.size, Mem::base(Gpr::Rbp, o.disp), o.a);
    });
    measure("mov reg, [base+index*4+disp]", 1, |buf, o| {
        let mem = Mem::base_index(o.a, Gpr::Rcx, Scale::S4, o.disp).addr32();
        buf.mov(o.size, o.a, mem);
    });
    measure("add reg, imm", 1, |buf, o| {
        buf.alu_i(Alu::Add, o.size, o.a, o.disp);
    });
    measure("mov reg, imm64", 1, |buf, o| buf.mov_i(o.a, o.disp as u64));
    measure("dec gs:[disp]", 1, |buf, o| {
        buf.unary(asm::Unary::Dec, Size::B32, Mem::gs(o.disp));
    });
    measure("call [slot]", 1, |buf, o| buf.call_rm(Mem::abs(o.disp)));
    measure("jcc forward, bound later", 1, |buf, _| {
        let label = buf.label();
        buf.jcc(Cond::E, label);
        buf.bind(label);
    });
    let add = VecBin::arith(FpOp::Add, Fp::Sd);
    measure("vaddsd xmm, xmm, [rbp+disp]", 1, |buf, o| {
        let (dst, lhs) = (Xmm::new(o.a.number()), Xmm::new(o.b.number()));
        buf.vec_bin(Enc::Vex128, add, dst, lhs, Mem::base(Gpr::Rbp, o.disp));
    });
    measure("movsd xmm, [rbp+disp]", 1, |buf, o| {
        let dst = Xmm::new(o.a.number());
        buf.vec_load(
            Enc::Legacy,
            VecLoad::MOVSD,
            dst,
            Mem::base(Gpr::Rbp, o.disp),
        );
    });
    measure("a mix of eight", 8, |buf, o| {
        let skip = buf.label();
        buf.mov(o.size, o.a, Mem::base(Gpr::Rbp, o.disp));
        buf.mov(o.size, o.b, Mem::base(Gpr::Rbp, o.disp + 8));
        buf.alu(Alu::Add, o.size, o.a, o.b);
        buf.alu_i(Alu::Cmp, o.size, o.a, 100);
        buf.jcc(Cond::L, skip);
        buf.lea(Size::B32, o.b, Mem::base(o.a, 1));
        buf.bind(skip);
        buf.mov_mr(o.size, Mem::base(Gpr::Rbp, o.disp), o.a);
        buf.call_rm(Mem::abs(0x12340));
    });
}
