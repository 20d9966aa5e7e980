//! Integers, memory, control flow and calls at the baseline tier, natively against the interpreter.

mod exec;

use exec::{Outcome, Signal, check_text};

/// Interesting arguments.
const EDGES: [u64; 10] = [
    0,
    1,
    2,
    7,
    31,
    0x7f,
    0x80,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
];

/// Bits of `value` that a type of `bits` bits has, its sign spread to the edges of wider types.
fn cut(value: u64, bits: u32) -> u64 {
    let wide = i64::from(value as u32 as i32) as u64;
    if bits == 64 {
        wide
    } else {
        wide & ((1 << bits) - 1)
    }
}

fn check_binary(op: &str, bits: u32) {
    let text = format!(
        "define i{bits} @f(i{bits} %a, i{bits} %b) {{\nbb0:\n  %0 = {op} i{bits} %a, %b\n  ret i{bits} %0\n}}\n"
    );
    for a in EDGES {
        for b in EDGES {
            check_text(&text, &[cut(a, bits), cut(b, bits)]);
        }
    }
}

fn check_with_constants(op: &str, bits: u32) {
    for b in EDGES {
        let b = cut(b, bits);
        let signed = (b << (64 - bits)) as i64 >> (64 - bits);
        let text = format!(
            "define i{bits} @f(i{bits} %a) {{\nbb0:\n  %0 = {op} i{bits} %a, {signed}\n  %1 = {op} i{bits} {signed}, %0\n  ret i{bits} %1\n}}\n"
        );
        for a in EDGES {
            check_text(&text, &[cut(a, bits)]);
        }
    }
}

#[test]
fn arithmetic_agrees_at_every_width() {
    for op in ["add", "sub", "mul", "and", "or", "xor"] {
        for bits in [1, 8, 13, 16, 32, 33, 64] {
            check_binary(op, bits);
        }
    }
}

#[test]
fn shifts_take_their_count_modulo_the_width() {
    for op in ["shl", "lshr", "ashr"] {
        for bits in [1, 7, 8, 16, 24, 32, 48, 64] {
            check_binary(op, bits);
        }
    }
}

#[test]
fn division_agrees_and_faults_alike() {
    for op in ["udiv", "sdiv", "urem", "srem"] {
        for bits in [8, 16, 17, 32, 40, 64] {
            check_binary(op, bits);
        }
    }
}

#[test]
fn division_by_constants_agrees_with_the_hardware() {
    let divisors = [
        1i64,
        2,
        3,
        5,
        6,
        7,
        9,
        10,
        11,
        25,
        100,
        127,
        128,
        641,
        1000,
        65_535,
        65_537,
        1_000_000_007,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_fffe,
        0xffff_ffff,
        0,
    ];
    let random = |seed: u64| seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 29;
    for op in ["udiv", "sdiv", "urem", "srem"] {
        for bits in [8, 16, 23, 32] {
            for divisor in divisors.into_iter().flat_map(|d| [d, -d]) {
                let divisor = (divisor << (64 - bits)) >> (64 - bits);
                let text = format!(
                    "define i{bits} @f(i{bits} %a) {{\nbb0:\n  %0 = {op} i{bits} %a, {divisor}\n  ret i{bits} %0\n}}\n"
                );
                let near = [0, 1, -1, 2, -2].map(|by| divisor.wrapping_mul(3).wrapping_add(by));
                let edges = EDGES.map(|edge| edge as i64);
                for a in near
                    .into_iter()
                    .chain(edges)
                    .chain((1..6).map(|n| random(n) as i64))
                {
                    exec::check_text_on(&text, &[cut(a as u64, bits)], &[exec::cpu()]);
                }
            }
        }
    }
}

#[test]
fn constants_are_folded_into_instructions() {
    for op in [
        "add", "sub", "mul", "xor", "udiv", "srem", "lshr", "ashr", "shl",
    ] {
        for bits in [8, 11, 32, 64] {
            check_with_constants(op, bits);
        }
    }
}

#[test]
fn comparisons_agree_as_values_branches_and_selections() {
    let preds = [
        "eq", "ne", "ugt", "uge", "ult", "ule", "sgt", "sge", "slt", "sle",
    ];
    for pred in preds {
        for bits in [1, 5, 8, 16, 32, 36, 64] {
            let text = format!(
                "define i32 @f(i{bits} %a, i{bits} %b) {{
bb0:
  %c = icmp {pred} i{bits} %a, %b
  %z = zext i1 %c to i32
  %d = icmp {pred} i{bits} %b, %a
  %s = select i1 %d, i32 40, %z
  %e = icmp {pred} i{bits} %a, 1
  condbr %e, bb1, bb2
bb1:
  %t = add i32 %s, 1000
  ret i32 %t
bb2:
  ret i32 %s
}}
"
            );
            for a in EDGES {
                for b in [0, 1, 0x80, 0x7fff_ffff, 0xffff_ffff] {
                    check_text(&text, &[cut(a, bits), cut(b, bits)]);
                }
            }
        }
    }
}

#[test]
fn casts_agree() {
    for (from, to) in [
        (1, 8),
        (8, 32),
        (8, 64),
        (16, 32),
        (7, 16),
        (32, 64),
        (33, 64),
        (13, 40),
    ] {
        for op in ["zext", "sext"] {
            let text = format!(
                "define i{to} @f(i{from} %a) {{\nbb0:\n  %0 = {op} i{from} %a to i{to}\n  %1 = add i{to} %0, 3\n  %2 = trunc i{to} %1 to i{from}\n  %3 = {op} i{from} %2 to i{to}\n  %4 = xor i{to} %3, %0\n  ret i{to} %4\n}}\n"
            );
            for a in EDGES {
                check_text(&text, &[cut(a, from)]);
            }
        }
    }
}

const LOOPS: &str = "
global @table = size 4096 align 4
define i32 @f(i32 %n) {
bb0:
  br bb1
bb1:
  %i = phi i32 [0, bb0], [%i2, bb3]
  %sum = phi i32 [0, bb0], [%sum2, bb3]
  %a = phi i32 [1, bb0], [%b, bb3]
  %b = phi i32 [2, bb0], [%a, bb3]
  %in = icmp ult i32 %i, %n
  condbr %in, bb2, bb4
bb2:
  %p = ptradd @table, %i * 4, 0
  store i32 %sum, %p, align 4
  %j = and i32 %i, 3
  switch i32 %j, bb3, 0: bb5, 2: bb6
bb5:
  %x5 = add i32 %sum, %a
  br bb3
bb6:
  %x6 = mul i32 %sum, 3
  br bb3
bb3:
  %s3 = phi i32 [%sum, bb2], [%x5, bb5], [%x6, bb6]
  %v = load i32, %p, align 4
  %w = xor i32 %v, %i
  %sum2 = add i32 %s3, %w
  %i2 = add i32 %i, 1
  br bb1
bb4:
  %r = sub i32 %sum, %b
  ret i32 %r
}
";

#[test]
fn loops_carry_values_and_swap_phis() {
    for n in [0, 1, 2, 3, 10, 1000] {
        check_text(LOOPS, &[n]);
    }
}

const CALLS: &str = "
define i32 @fib(i32 %n) {
bb0:
  %small = icmp slt i32 %n, 2
  condbr %small, bb1, bb2
bb1:
  ret i32 %n
bb2:
  %a = sub i32 %n, 1
  %x = call i32 @fib(i32 %a)
  %b = sub i32 %n, 2
  %y = call i32 @fib(i32 %b)
  %z = add i32 %x, %y
  ret i32 %z
}
define i64 @many(i32 %a, i64 %b, i8 %c, i32 %d, i32 %e, i32 %f, i32 %g, i64 %h, ptr %p) {
bb0:
  %0 = zext i32 %a to i64
  %1 = add i64 %0, %b
  %2 = sext i8 %c to i64
  %3 = mul i64 %1, %2
  %4 = zext i32 %g to i64
  %5 = xor i64 %3, %4
  %6 = sub i64 %5, %h
  %7 = load i32, %p, align 4
  %8 = add i32 %7, %d
  %9 = add i32 %8, %e
  %10 = add i32 %9, %f
  %11 = zext i32 %10 to i64
  %12 = add i64 %6, %11
  ret i64 %12
}
define i64 @f(i32 %n, i64 %k) {
bb0:
  %slot = alloca i32, size 4, align 4
  store i32 %n, %slot, align 4
  %0 = call i32 @fib(i32 %n)
  %1 = trunc i64 %k to i8
  %2 = call i64 @many(i32 %n, i64 %k, i8 %1, i32 1, i32 %0, i32 3, i32 77, i64 -5, ptr %slot)
  %3 = calli i32 @fib(i32 %n)
  %4 = zext i32 %3 to i64
  %5 = add i64 %2, %4
  ret i64 %5
}
";

#[test]
fn calls_pass_arguments_in_registers_and_on_the_stack() {
    let text = CALLS;
    for n in [0, 1, 5, 12] {
        check_text(text, &[n, 0x1234_5678_9abc_def0 + n]);
    }
}

#[test]
fn variables_in_registers_keep_old_values_alive() {
    let text = "
define i32 @f(i32 %n) {
bb0:
  %i = alloca i32, size 4, align 4
  %s = alloca i32, size 4, align 4
  store i32 0, %i, align 4
  store i32 %n, %s, align 4
  br bb1
bb1:
  %0 = load i32, %i, align 4
  %1 = add i32 %0, 1
  store i32 %1, %i, align 4
  %2 = load i32, %s, align 4
  %3 = mul i32 %0, %2
  %4 = add i32 %2, %3
  store i32 %4, %s, align 4
  %5 = load i32, %i, align 4
  %6 = sub i32 %2, %5
  store i32 %6, %i, align 4
  %7 = add i32 %6, %1
  store i32 %7, %i, align 4
  store i32 %1, %i, align 4
  %8 = load i32, %i, align 4
  %9 = icmp slt i32 %8, 10
  condbr %9, bb1, bb2
bb2:
  %10 = load i32, %s, align 4
  ret i32 %10
}
";
    for n in [0, 1, 9, 0xffff_ffff] {
        check_text(text, &[n]);
    }
}

#[test]
fn wild_accesses_fault() {
    let load = "define i32 @f(i32 %a) {\nbb0:\n  %p = inttoptr i32 %a to ptr\n  %0 = load i32, %p, align 4\n  ret i32 %0\n}\n";
    for address in [0u64, 4, 0xffff, 0xffff_fff0, 0xffff_ffff, 0x6000_0000] {
        assert_eq!(
            check_text(load, &[address]),
            Outcome::Faulted(Signal::Access)
        );
    }
    let unreachable = "define void @f() {\nbb0:\n  unreachable\n}\n";
    assert_eq!(
        check_text(unreachable, &[]),
        Outcome::Faulted(Signal::Illegal)
    );
}
