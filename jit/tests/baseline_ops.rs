//! Integer intrinsics, atomics, aggregates, stack and variadic operations at the baseline tier.

mod exec;

use exec::{check_text, check_with, cpu};
use jit::tier::baseline;

const EDGES: [u64; 12] = [
    0,
    1,
    2,
    5,
    0x7f,
    0x80,
    0xff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fffe,
    0xffff_ffff,
    0x1234_5678,
];

fn cut(value: u64, bits: u32) -> u64 {
    (i64::from(value as u32 as i32) as u64) & (u64::MAX >> (64 - bits))
}

#[test]
fn binary_integer_intrinsics_agree() {
    let ops = [
        "smax", "smin", "umax", "umin", "sadd.sat", "uadd.sat", "ssub.sat", "usub.sat", "ucmp",
        "scmp",
    ];
    for op in ops {
        for bits in [8, 13, 16, 32, 40, 64] {
            let text = format!(
                "define i{bits} @f(i{bits} %a, i{bits} %b) {{\nbb0:\n  %0 = intrinsic {op} i{bits} (i{bits} %a, i{bits} %b)\n  ret i{bits} %0\n}}\n"
            );
            for a in EDGES {
                for b in EDGES {
                    check_text(&text, &[cut(a, bits), cut(b, bits)]);
                }
            }
        }
    }
}

#[test]
fn overflow_is_told() {
    for op in ["sadd", "uadd", "ssub", "usub", "smul", "umul"] {
        for bits in [8, 17, 32, 64] {
            let text = format!(
                "define i{bits} @f(i{bits} %a, i{bits} %b) {{
bb0:
  %0 = intrinsic {op}.with.overflow {{i{bits}, i1}} (i{bits} %a, i{bits} %b)
  %1 = extractvalue {{i{bits}, i1}} %0, 1
  condbr %1, bb1, bb2
bb1:
  %3 = extractvalue {{i{bits}, i1}} %0, 0
  %4 = xor i{bits} %3, -1
  ret i{bits} %4
bb2:
  %6 = extractvalue {{i{bits}, i1}} %0, 0
  ret i{bits} %6
}}
"
            );
            for a in EDGES {
                for b in EDGES {
                    check_text(&text, &[cut(a, bits), cut(b, bits)]);
                }
            }
        }
    }
}

#[test]
fn bit_intrinsics_agree() {
    for op in ["abs", "ctpop", "ctlz", "cttz", "bswap", "bitreverse"] {
        for bits in [8, 16, 24, 32, 48, 64] {
            if op == "bswap" && bits % 16 != 0 {
                continue;
            }
            let text = format!(
                "define i{bits} @f(i{bits} %a) {{\nbb0:\n  %0 = intrinsic {op} i{bits} (i{bits} %a)\n  ret i{bits} %0\n}}\n"
            );
            for a in EDGES {
                check_text(&text, &[cut(a, bits)]);
            }
        }
    }
    for op in ["fshl", "fshr"] {
        for bits in [8, 13, 16, 32, 64] {
            let text = format!(
                "define i{bits} @f(i{bits} %a, i{bits} %b, i{bits} %n) {{\nbb0:\n  %0 = intrinsic {op} i{bits} (i{bits} %a, i{bits} %b, i{bits} %n)\n  ret i{bits} %0\n}}\n"
            );
            for a in EDGES {
                for n in [0, 1, 7, 8, 13, 31, 63] {
                    check_text(&text, &[cut(a, bits), cut(!a, bits), cut(n, bits)]);
                }
            }
        }
    }
}

#[test]
fn atomics_agree() {
    let ops = [
        "xchg", "add", "sub", "and", "nand", "or", "xor", "max", "min", "umax", "umin",
    ];
    for op in ops {
        for bits in [8, 16, 32, 64] {
            let text = format!(
                "global @cell = size 64 align 16
define i{bits} @f(i{bits} %a, i{bits} %b) {{
bb0:
  store i{bits} %a, @cell, align 8
  %1 = atomicrmw {op} i{bits} %b, @cell, align 8 seq_cst
  %2 = cmpxchg i{bits} %a, %b, @cell, align 8 seq_cst
  %3 = extractvalue {{i{bits}, i1}} %2, 0
  %4 = extractvalue {{i{bits}, i1}} %2, 1
  %5 = select i1 %4, i{bits} %1, %3
  fence seq_cst
  store i{bits} %5, @cell+8, align 8 seq_cst
  %8 = load i{bits}, @cell+8, align 8 acquire
  ret i{bits} %8
}}
"
            );
            for a in EDGES {
                for b in [0, 1, 0x80, 0xffff_ffff, 0x7fff_ffff] {
                    check_text(&text, &[cut(a, bits), cut(b, bits)]);
                }
            }
        }
    }
}

#[test]
fn aggregates_are_taken_apart_and_put_together() {
    let text = "
define {i32, i64} @pair(i32 %a, i64 %b) {
bb0:
  %0 = insertvalue {i32, i64} zero, i32 %a, 0
  %1 = insertvalue {i32, i64} %0, i64 %b, 1
  ret {i32, i64} %1
}
define i64 @f(i32 %a, i64 %b) {
bb0:
  %0 = call {i32, i64} @pair(i32 %a, i64 %b)
  %1 = extractvalue {i32, i64} %0, 0
  %2 = extractvalue {i32, i64} %0, 1
  %3 = insertvalue {i32, i64} %0, i32 9, 0
  %4 = freeze {i32, i64} %3
  %5 = extractvalue {i32, i64} %4, 0
  %6 = add i32 %1, %5
  %7 = zext i32 %6 to i64
  %8 = add i64 %7, %2
  ret i64 %8
}
";
    check_text(text, &[3, 1 << 40]);
}

#[test]
fn memory_is_copied_and_filled() {
    for len in [
        0, 1, 2, 3, 5, 7, 8, 9, 12, 15, 16, 17, 31, 64, 100, 127, 128, 129, 300,
    ] {
        for (op, target) in [("memcpy", 512), ("memmove", 3), ("memmove", 512)] {
            let text = format!(
                "global @cells = size 1024 align 16 init \"abcdefghijklmnopqrstuvwxyz\"
define i32 @f(i32 %len) {{
bb0:
  intrinsic memset void (ptr @cells+26, i8 7, i32 {len})
  intrinsic {op} void (ptr @cells+{target}, ptr @cells, i32 {len})
  intrinsic memset void (ptr @cells+900, i8 3, i32 %len)
  intrinsic {op} void (ptr @cells+{target}, ptr @cells+1, i32 %len)
  %5 = load i32, @cells+{target}, align 1
  ret i32 %5
}}
"
            );
            check_text(&text, &[len.min(100)]);
        }
    }
}

#[test]
fn dynamic_allocas_lie_above_outgoing_arguments() {
    let text = "
define i32 @sum(i32 %a, i32 %b, i32 %c, i32 %d, i32 %e, i32 %f, i32 %g, i32 %h) {
bb0:
  %0 = add i32 %a, %g
  %1 = mul i32 %0, %h
  ret i32 %1
}
define i32 @f(i32 %n) {
bb0:
  %0 = intrinsic stacksave ptr ()
  %1 = dynalloca i32 %n, size 4, align 64
  %2 = dynalloca i32 40000, size 4, align 4
  store i32 %n, %1, align 4
  store i32 77, %2, align 4
  %5 = call i32 @sum(i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 %n, i32 8)
  %6 = load i32, %1, align 4
  %7 = load i32, %2, align 4
  %8 = add i32 %6, %7
  %9 = ptrtoint ptr %1 to i32
  %10 = and i32 %9, 63
  intrinsic stackrestore void (ptr %0)
  %12 = dynalloca i32 1, size 4, align 4
  store i32 %5, %12, align 4
  %14 = load i32, %12, align 4
  %15 = add i32 %14, %8
  %16 = add i32 %15, %10
  ret i32 %16
}
";
    for n in [1, 2, 100] {
        check_text(text, &[n]);
    }
}

#[test]
fn variadic_arguments_are_found_in_the_image() {
    let text = "
attrs [byval 0 align 1, byval 12 align 4]
global @object = size 12 align 4 init \"abcdefghijkl\"
define i64 @pick(i32 %n, i64 %k, ...) {
bb0:
  %list = alloca ptr, size 4, align 4
  intrinsic va_start void (ptr %list)
  %0 = load ptr, %list, align 4
  %1 = load i32, %0, align 4
  %2 = ptradd %0, 4
  %3 = load i64, %2, align 4
  %4 = ptradd %2, 8
  %5 = load double, %4, align 4
  %6 = fptosi double %5 to i64
  %7 = zext i32 %1 to i64
  %8 = add i64 %7, %3
  %9 = mul i64 %8, %k
  %10 = add i64 %9, %6
  %11 = zext i32 %n to i64
  %12 = sub i64 %10, %11
  ret i64 %12
}
define i32 @bytes(i32 %a, ptr %p) attrs 1 {
bb0:
  store i32 1, %p, align 4
  %0 = ptradd %p, 8
  %1 = load i32, %0, align 4
  ret i32 %1
}
define i64 @f(i32 %n, i64 %k) {
bb0:
  %0 = call i64 (i32, i64, ...) @pick(i32 %n, i64 %k, i32 5, i64 -6, double 7.5)
  %1 = call i32 @bytes(i32 %n, ptr @object) attrs 1
  %2 = load i32, @object, align 4
  %3 = add i32 %1, %2
  %4 = zext i32 %3 to i64
  %5 = add i64 %0, %4
  ret i64 %5
}
";
    check_text(text, &[3, 1 << 33]);
}

#[test]
fn mismatched_calls_match_parts_by_kind() {
    let text = "
define i64 @callee(i32 %a, double %b, i64 %c, i32 %d) {
bb0:
  %0 = zext i32 %a to i64
  %1 = fptosi double %b to i64
  %2 = add i64 %0, %1
  %3 = mul i64 %c, 3
  %4 = add i64 %2, %3
  %5 = zext i32 %d to i64
  %6 = sub i64 %4, %5
  ret i64 %6
}
define i32 @f(i32 %n, i64 %k) {
bb0:
  %0 = call i32 (i64, i32, double) @callee(i64 %k, i32 %n, double 2.5)
  %1 = call i32 (i32, double, i64, i32, i32) @callee(i32 %n, double 3.5, i64 %k, i32 4, i32 5)
  %2 = add i32 %0, %1
  %3 = call double (i32) @callee(i32 %n)
  %4 = fptosi double %3 to i32
  %5 = add i32 %2, %4
  ret i32 %5
}
";
    check_text(text, &[3, 0x1_0000_0005]);
}

#[test]
fn large_frames_probe_on_the_way_down() {
    let text = "
define i32 @deep(i32 %n) {
bb0:
  %big = alloca [300000 x i8], size 300000, align 16
  store i32 %n, %big, align 4
  %0 = icmp eq i32 %n, 0
  condbr %0, bb1, bb2
bb1:
  ret i32 5
bb2:
  %3 = sub i32 %n, 1
  %4 = call i32 @deep(i32 %3)
  %5 = load i32, %big, align 4
  %6 = add i32 %4, %5
  ret i32 %6
}
define i32 @f(i32 %n) {
bb0:
  %0 = call i32 @deep(i32 %n)
  ret i32 %0
}
";
    check_text(text, &[2]);
    // Optimised, the object is a value and nothing overflows.
    let module = exec::parse(text);
    let func = module.func_by_name("f").expect("a function f");
    check_with(baseline::compile, &module, func, &[50], &[cpu()]);
}

#[test]
fn switches_of_all_shapes_agree() {
    let tables = [
        "0: bb1, 1: bb2, 2: bb1, 3: bb3, 4: bb2, 6: bb3, 9: bb1",
        "-5: bb1, -4: bb2, -3: bb3, -2: bb1, -1: bb2, 0: bb3",
        "1: bb1, 100: bb2, 10000: bb3, 1000000: bb1, -7: bb2",
        "2147483647: bb1",
    ];
    for bits in [32, 64, 8] {
        for cases in &tables[..if bits == 8 { 2 } else { 4 }] {
            // Cases are written unsigned.
            let cases: Vec<String> = cases
                .split(", ")
                .map(|case| {
                    let (value, to) = case.split_once(": ").unwrap();
                    let value = value.parse::<i64>().unwrap() as u64;
                    format!("{}: {to}", value & (u64::MAX >> (64 - bits)))
                })
                .collect();
            let cases = cases.join(", ");
            let text = format!(
                "define i32 @f(i{bits} %a) {{
bb0:
  switch i{bits} %a, bb4, {cases}
bb1:
  %1 = phi i32 [1, bb0]
  br bb4
bb2:
  br bb4
bb3:
  ret i32 33
bb4:
  %5 = phi i32 [0, bb0], [%1, bb1], [2, bb2]
  ret i32 %5
}}
"
            );
            for a in [
                -1000i64,
                -8,
                -7,
                -6,
                -5,
                -4,
                -3,
                -2,
                -1,
                0,
                1,
                2,
                3,
                4,
                5,
                6,
                7,
                9,
                10,
                100,
                10000,
                1_000_000,
                2_147_483_647,
            ] {
                check_text(&text, &[a as u64 & (u64::MAX >> (64 - bits))]);
            }
        }
    }
}
