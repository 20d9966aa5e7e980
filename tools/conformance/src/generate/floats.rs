//! Floating point: NaN, infinities, denormals, zeros of both signs; comparisons; conversions; x87.

use super::Random;
use std::fmt::Write as _;

/// An expression over a, b and c of `ty`; `f` is the suffix of constants and built-ins.
fn expression(random: &mut Random, ty: &str, f: &str, depth: u32) -> String {
    if depth == 0 || random.one_in(8) {
        let constants = [
            "0.0", "-0.0", "1.0", "0.5", "-3.25", "1e30", "1e-38", "1e-44",
        ];
        return match random.below(5) {
            0 => format!("({ty}){}{f}", random.pick(&constants)),
            _ => random.pick(&["a", "b", "c"]).to_owned(),
        };
    }
    let (x, y) = (
        expression(random, ty, f, depth - 1),
        expression(random, ty, f, depth - 1),
    );
    match random.below(14) {
        0..=2 => format!("({x} + {y})"),
        3 | 4 => format!("({x} - {y})"),
        5 | 6 => format!("({x} * {y})"),
        7 | 8 => format!("({x} / {y})"),
        9 => format!("(-{x})"),
        10 => format!("__builtin_fabs{f}({x})"),
        11 => format!("__builtin_copysign{f}({x}, {y})"),
        _ => {
            let op = random.pick(&["<", "<=", ">", ">=", "==", "!="]);
            let not = random.pick(&["", "!"]);
            format!("({not}({x} {op} {y}) ? {x} : {y})")
        }
    }
}

/// Scalar arithmetic and comparison on any bit patterns.
pub(super) fn arithmetic(random: &mut Random, number: usize) -> String {
    let (ty, f, any, mixer) = random.pick(&[
        ("float", "f", "any_float", "mix_float"),
        ("double", "", "any_double", "mix_double"),
    ]);
    let mut text = format!("static NOINLINE {ty} f_{number}({ty} a, {ty} b, int n, {ty} c) {{\n");
    for _ in 0..random.range(1, 4) {
        let (x, y) = (expression(random, ty, f, 2), expression(random, ty, f, 2));
        let test = random.pick(&["<", "<=", ">", ">=", "==", "!="]);
        let built_in = random.pick(&[
            "__builtin_isless",
            "__builtin_isunordered",
            "__builtin_islessgreater",
            "__builtin_isgreaterequal",
        ]);
        let _ = match random.below(4) {
            0 => writeln!(text, "    if ({x} {test} {y}) c = {x};"),
            1 => writeln!(text, "    mix({built_in}({x}, {y})); b = {x};"),
            2 => writeln!(
                text,
                "    mix(({x} {test} {y}) + 2 * ({x} {test} c)); a += ({ty})n;"
            ),
            _ => writeln!(text, "    c = {x}; b = {y};"),
        };
    }
    let _ = write!(
        text,
        "    {mixer}(b); return {};\n}}\nstatic void piece_{number}(void) {{\n\
         {ty} x = {any}(); for (int i = 0; i < 16; i++) x = f_{number}(x, {any}(), i, {any}()), {mixer}(x), x = i & 3 ? x : {any}();\n}}\n",
        expression(random, ty, f, 3)
    );
    text
}

/// Between floats and integers of all widths; float values are kept inside the integer's range.
pub(super) fn conversions(random: &mut Random, number: usize) -> String {
    let mut text = format!(
        "static void piece_{number}(void) {{\n    for (int i = 0; i < 6; i++) {{\n    double d = tame(); float f = (float)d; u64 n = odd();\n"
    );
    let lines = [
        "mix((u32)(i32)d), mix((u32)(i16)(d / 65536)), mix((u32)(i8)(f / 16777216.0f));",
        "mix64((u64)(i64)(d * 4096)), mix64((u64)(i64)(f * 1024));",
        "d = d < 0 ? -d : d; mix((u32)d), mix64((u64)(d * 4294967296.0)), mix((u8)(d / 16777216)), mix64((u64)(d * 4e9));",
        "f = f < 0 ? -f : f; mix((u32)f), mix64((u64)(f * 4294967296.0f)), mix((u16)(f / 65536));",
        "mix_double((double)(i64)n), mix_float((float)(i64)n);",
        "mix_double((double)n), mix_float((float)n);",
        "mix_double((double)(u32)n), mix_float((float)(u32)n), mix_float((float)(i32)n);",
        "mix_double((double)(i8)n), mix_float((float)(u16)n), mix_double((double)(i16)n);",
        "mix_float((float)any_double()), mix_double((double)any_float());",
        "mix_double(__builtin_fabs(d)), mix_float(-f), mix(__builtin_signbit(d) != 0), mix(d > 0), mix((_Bool)f);",
        "{ u64 b; __builtin_memcpy(&b, &d, 8); b ^= 1ull << 63; __builtin_memcpy(&d, &b, 8); mix_double(d); }",
        "{ u32 b; __builtin_memcpy(&b, &f, 4); mix(b >> 23); b += 1; __builtin_memcpy(&f, &b, 4); mix_float(f); }",
    ];
    for _ in 0..random.range(3, 8) {
        let _ = writeln!(text, "    {}", random.pick(&lines));
    }
    text + "    }\n}\n"
}

/// `long double`, which is x87's 80 bits in module and judge.
pub(super) fn extended(random: &mut Random, number: usize) -> String {
    let mut text = format!(
        "struct x_{number} {{ u8 before; long double v; u8 behind; }};\n\
         static long double kept_{number} = 1.5L;\n\
         static NOINLINE long double l_{number}(long double a, int n, long double b, struct x_{number} *s) {{\n"
    );
    for _ in 0..random.range(2, 6) {
        let lines = [
            "a = a * b + n;",
            "b = a / (b * b + 1);",
            "s->v -= a;",
            "if (a < b) a = -a;",
            "mix(a == b), mix(a != s->v), mix(a >= b);",
            "b += s->v * 0.25L;",
            "mix_double((double)(a / 3));",
            "a = (long double)(float)b + 1e-3;",
            "mix64((u64)(i64)(b > -1e9L && b < 1e9L ? b : 5));",
            "a = a > 1e9L || a < -1e9L ? (long double)n : a;",
            "kept_{n} = b; b = kept_{n} - n;",
            "a = (long double)odd();",
            "a = (long double)(i64)odd() / 7;",
        ];
        let line = random.pick(&lines).replace("{n}", &number.to_string());
        let _ = writeln!(text, "    {line}");
    }
    let _ = write!(
        text,
        "    return a - b;\n}}\nstatic void piece_{number}(void) {{\n\
         struct x_{number} s = {{1, 2.5L, 3}}; long double x = tame();\n\
         for (int i = 0; i < 8; i++) {{ x = l_{number}(x, i, tame(), &s); mix_double((double)x); mix_float((float)s.v); mix(s.before + s.behind); }}\n}}\n"
    );
    text
}
