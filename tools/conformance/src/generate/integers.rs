//! Integers of odd widths, wide ones, bit-fields, the built-in functions on bits.

use super::{Random, expression};
use std::fmt::Write as _;

/// `_BitInt(N)` of one width: arithmetic, passing, storing.
pub(super) fn bit_int(random: &mut Random, number: usize) -> String {
    let bits = match random.below(4) {
        0 => random.range(2, 31),
        1 => random.range(33, 63),
        2 => 128,
        _ => random.range(65, 127),
    };
    let mut text = format!(
        "typedef unsigned _BitInt({bits}) U{number};\ntypedef _BitInt({bits}) S{number};\n\
         static U{number} kept_{number}[4];\n\
         struct in_{number} {{ u8 a; U{number} b; u8 c; }};\n\
         static NOINLINE U{number} step_{number}(U{number} a, S{number} b, int n, U{number} c) {{\n"
    );
    let leaves = [
        "a".into(),
        format!("(U{number})b"),
        "c".into(),
        format!("(U{number})n"),
    ];
    let ty = (&*format!("U{number}"), &*format!("S{number}"), bits);
    let _ = writeln!(
        text,
        "    U{number} x = {};",
        expression(random, ty, &leaves, 3)
    );
    let _ = writeln!(
        text,
        "    U{number} y = {};",
        expression(random, ty, &leaves, 3)
    );
    let wide = if bits > 64 {
        "mix64((u64)(x >> 64));"
    } else {
        ""
    };
    let _ = write!(
        text,
        "    mix(b < 0), mix(a < c), mix((S{number})x > b);\n    return x ^ y;\n}}\n\
         static void piece_{number}(void) {{\n\
         U{number} x = (U{number})odd();\n\
         struct in_{number} s = {{1, x, 2}};\n\
         for (int i = 0; i < 5; i++) {{\n\
         {fill}\n\
         x = step_{number}(x, (S{number})odd(), i, kept_{number}[i & 3]);\n\
         kept_{number}[(i + 1) & 3] = x; s.b += x;\n\
         mix64((u64)x); {wide} mix64((u64)(i64)(S{number})x);\n\
         }}\n\
         x = s.b; mix(s.a + s.c); mix64((u64)x); {wide}\n}}\n",
        fill = if bits > 64 {
            format!("x ^= (U{number})odd() << {};", bits - 64)
        } else {
            String::new()
        },
    );
    text
}

/// Bit-fields of odd widths, signed and not, packed or not, volatile or not.
pub(super) fn bit_fields(random: &mut Random, number: usize) -> String {
    let packed = if random.one_in(2) {
        " __attribute__((packed))"
    } else {
        ""
    };
    let mut text = format!("struct{packed} f_{number} {{\n");
    let count = random.range(3, 8);
    for field in 0..count {
        let (ty, most) = random.pick(&[
            ("u32", 32),
            ("i32", 32),
            ("u64", 64),
            ("i64", 64),
            ("u16", 16),
            ("i8", 8),
        ]);
        let volatile = if random.one_in(5) { "volatile " } else { "" };
        let width = random.range(1, most);
        let _ = writeln!(text, "    {volatile}{ty} f{field} : {width};");
        if random.one_in(5) {
            let _ = writeln!(text, "    u32 : {};", random.range(0, 9));
        }
    }
    let _ = write!(
        text,
        "}};\nstatic struct f_{number} g_{number};\n\
         static NOINLINE struct f_{number} change_{number}(struct f_{number} s) {{\n"
    );
    for _ in 0..random.range(3, 9) {
        let (to, from) = (random.below(count), random.below(count));
        let op = random.pick(&["=", "+=", "^=", "|=", "-="]);
        let operand = random.pick(&["(u32)rnd()", "(i64)odd()", "3", "-1"]);
        // Sums are unsigned, so that they wrap.
        let _ = writeln!(
            text,
            "    s.f{to} = (u64)s.f{to}, s.f{to} {op} (u64)s.f{from} ^ (u64){operand};"
        );
    }
    let _ = write!(
        text,
        "    return s;\n}}\nstatic void piece_{number}(void) {{\n\
         for (int i = 0; i < 3; i++) {{ g_{number} = change_{number}(g_{number});\n"
    );
    for field in 0..count {
        let _ = writeln!(text, "    mix64((u64)g_{number}.f{field});");
    }
    text + "}\n}\n"
}

/// 64-bit arithmetic in functions with many parameters.
pub(super) fn wide(random: &mut Random, number: usize) -> String {
    let leaves: Vec<String> = ["a", "b", "c", "d", "e", "(u64)n"]
        .map(String::from)
        .to_vec();
    let ty = ("u64", "i64", 64);
    let mut text = format!(
        "static NOINLINE u64 w_{number}(u64 a, u32 n, u64 b, u64 c, i8 narrow, u64 d, u16 small, u64 e) {{\n\
         u64 x = {}; n += (u32)narrow + small;\n",
        expression(random, ty, &leaves, 3)
    );
    for _ in 0..random.range(1, 3) {
        let value = expression(random, ty, &leaves, 2);
        let _ = writeln!(
            text,
            "    if ((i64)x < (i64){value}) x ^= {value}; else e += x >> 7;"
        );
    }
    let _ = write!(
        text,
        "    x = (x << (n & 63)) | (x >> (-n & 63)); return x + e;\n}}\n\
         static void piece_{number}(void) {{\n\
         u64 x = odd();\n\
         for (int i = 0; i < 8; i++) mix64(x = w_{number}(x, (u32)odd(), odd(), odd(), (i8)odd(), rnd(), (u16)odd(), odd()));\n\
         }}\n"
    );
    text
}

/// Built-in functions on bits, and arithmetic that tells of overflow.
pub(super) fn built_ins(random: &mut Random, number: usize) -> String {
    let mut text = format!("static void piece_{number}(void) {{\n");
    text.push_str("    u64 a = odd(), b = odd(); u32 x = (u32)a, y = (u32)b; i32 s; i64 t; u8 c; i16 h; u32 o;\n");
    let calls = [
        "mix(x ? __builtin_clz(x) : 32)",
        "mix(y ? __builtin_ctz(y) : 32)",
        "mix(a ? __builtin_clzll(a) : 64)",
        "mix(b ? __builtin_ctzll(b) : 64)",
        "mix(__builtin_popcount(x) + __builtin_parity(y))",
        "mix(__builtin_popcountll(a))",
        "mix(__builtin_ffs((int)x) + __builtin_ffsll((i64)b))",
        "mix(__builtin_bswap32(x)), mix(__builtin_bswap16((u16)y)), mix64(__builtin_bswap64(a))",
        "mix(__builtin_bitreverse8((u8)x)), mix(__builtin_bitreverse16((u16)x))",
        "mix(__builtin_bitreverse32(x)), mix64(__builtin_bitreverse64(b))",
        "mix(__builtin_rotateleft8((u8)x, (u8)y)), mix(__builtin_rotateright16((u16)x, (u16)y))",
        "mix(__builtin_rotateleft32(x, y)), mix64(__builtin_rotateright64(a, b))",
        "mix(__builtin_add_overflow((i32)x, (i32)y, &s)), mix((u32)s)",
        "mix(__builtin_sub_overflow((i64)a, (i64)b, &t)), mix64((u64)t)",
        "mix(__builtin_mul_overflow((i32)x, (i32)y, &s)), mix((u32)s)",
        "mix(__builtin_mul_overflow(x, y, &o)), mix(o)",
        "mix(__builtin_add_overflow((u8)x, (u8)y, &c)), mix(c)",
        "mix(__builtin_sub_overflow((i16)x, (i16)y, &h)), mix((u16)h)",
        "mix(__builtin_add_overflow(a, b, &a)), mix64(a)",
        "mix(__builtin_mul_overflow((i16)x, (i8)y, &h)), mix((u16)h)",
        "mix((u32)((i32)x < 0 ? 0 - x : x)), mix64((i64)b < 0 ? 0 - b : b)",
        "mix(x > y ? x : y), mix((i32)x < (i32)y ? x : y), mix64((i64)a > (i64)b ? a : b)",
    ];
    for _ in 0..random.range(4, 10) {
        let _ = writeln!(text, "    {};", random.pick(&calls));
        text.push_str("    a = odd(), b ^= a, x = (u32)a, y = (u32)(b >> 7);\n");
    }
    text + "}\n"
}

/// 8- and 16-bit arithmetic, where sign and truncation must be right at every step.
pub(super) fn narrow(random: &mut Random, number: usize) -> String {
    let (ty, signed, bits) =
        random.pick(&[("u8", "i8", 8), ("u16", "i16", 16), ("u32", "i32", 32)]);
    let leaves: Vec<String> = ["a", "b", "c", "t[a & 7]"].map(String::from).to_vec();
    let shape = (ty, signed, bits);
    let (first, second) = (
        expression(random, shape, &leaves, 3),
        expression(random, shape, &leaves, 3),
    );
    let (low, high) = (random.range(1, 100), random.range(1, 100));
    format!(
        "static NOINLINE {ty} n_{number}({ty} a, {ty} b, {signed} c, {ty} *t) {{\n\
         {ty} x = {first};\n\
         if (({signed})x >= -{low} && ({signed})x < {high}) x += b;\n\
         t[b & 7] = x;\n\
         return {second};\n}}\n\
         static void piece_{number}(void) {{\n\
         {ty} t[8] = {{1, 2, 3}}, x = ({ty})odd();\n\
         for (int i = 0; i < 20; i++) x = n_{number}(x, ({ty})odd(), ({signed})odd(), t), mix(x);\n\
         for (int i = 0; i < 8; i++) mix((u32)({signed})t[i]);\n}}\n"
    )
}
