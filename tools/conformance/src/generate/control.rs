//! Control flow: wide switches, labels as values, variable-length arrays, setjmp.

use super::{Random, constant};
use std::fmt::Write as _;

/// A switch over up to 64 bits: dense, sparse, with ranges and fall-through.
pub(super) fn wide_switch(random: &mut Random, number: usize) -> String {
    let (ty, mask) = random.pick(&[
        ("u8", 0xff),
        ("i16", 0x7fff),
        ("u32", 0xffff_ffff),
        ("u64", u64::MAX),
    ]);
    let dense = random.one_in(2);
    let base = constant(random) & (mask >> 1);
    let mut cases = Vec::new();
    let mut text =
        format!("static NOINLINE u32 sw_{number}({ty} x) {{\n    u32 r = 1;\n    switch (x) {{\n");
    for at in 0..random.range(1, 40) {
        let value = if dense {
            base.wrapping_add(at + at / 7)
        } else {
            constant(random)
        } & (mask >> 1);
        if cases.contains(&value) {
            continue;
        }
        cases.push(value);
        let _ = write!(
            text,
            "    case {value}ull: r = r * {}u + {};",
            random.range(1, 9),
            random.below(1 << 16)
        );
        text.push_str(if random.one_in(4) { "\n" } else { " break;\n" });
    }
    if random.one_in(3) {
        let _ = writeln!(text, "    default: r ^= (u32)x; break;");
    }
    let list: Vec<String> = cases.iter().map(|value| format!("{value}ull")).collect();
    let _ = write!(
        text,
        "    }}\n    return r;\n}}\n\
         static const u64 values_{number}[] = {{{list}}};\n\
         static void piece_{number}(void) {{\n\
         for (u32 i = 0; i < {count}; i++) mix(sw_{number}(({ty})values_{number}[i])), mix(sw_{number}(({ty})(values_{number}[i] + 1)));\n\
         for (int i = 0; i < 9; i++) mix(sw_{number}(({ty})odd()));\n}}\n",
        list = list.join(", "),
        count = list.len(),
    );
    text
}

/// A small interpreter with labels as values.
pub(super) fn computed_goto(random: &mut Random, number: usize) -> String {
    let count = random.range(2, 7);
    let labels: Vec<String> = (0..count).map(|at| format!("&&l{at}")).collect();
    let mut text = format!(
        "static NOINLINE u64 vm_{number}(const u8 *code, u64 x) {{\n\
         static const void *const to[] = {{{}, &&end}};\n\
         u64 y = 7; u32 at = 0;\n    goto *to[code[at++]];\n",
        labels.join(", ")
    );
    let ops = [
        "x += y;",
        "y ^= x << 3;",
        "x = x * 3 + 1;",
        "y = y >> 1 | y << 63;",
        "if (x & 1) x -= y; else y++;",
        "mix64(x);",
        "x ^= code[at];",
        "y = (u64)(i64)(i32)x;",
    ];
    for label in 0..count {
        let op = random.pick(&ops);
        let _ = writeln!(text, "l{label}: {op} goto *to[code[at++]];");
    }
    let _ = write!(
        text,
        "end: return x ^ y;\n}}\n\
         static void piece_{number}(void) {{\n\
         u8 code[40]; for (int i = 0; i < 39; i++) code[i] = (u8)(rnd() % {count}); code[39] = {count};\n\
         mix64(vm_{number}(code, odd()));\n}}\n"
    );
    text
}

/// alloca and arrays of variable length, in loops and nested, some of them aligned.
pub(super) fn dynamic_stack(random: &mut Random, number: usize) -> String {
    let ty = random.pick(&["u8", "u16", "u32", "u64", "double"]);
    let most = random.range(1, 300);
    let align = random.pick(&[8, 16, 32, 64]);
    format!(
        "static NOINLINE u64 sum_{number}(int n, {ty} *p) {{ u64 s = 0; for (int i = 0; i < n; i++) s = s * 31 + (u64)p[i]; return s; }}\n\
         static NOINLINE u64 dyn_{number}(int n, u64 x) {{\n\
         _Alignas({align}) u32 fixed[4] = {{(u32)x, 2, 3, 4}};\n\
         {ty} *first = __builtin_alloca((u32)(n + 1) * sizeof *first);\n\
         for (int i = 0; i <= n; i++) first[i] = ({ty})(u32)(x >> (i & 31));\n\
         u64 s = 0;\n\
         for (int k = 1; k < 5; k++) {{\n\
         {ty} array[n * k + 1]; array[0] = 1;\n\
         for (int i = 1; i <= n * k; i++) array[i] = ({ty})(u32)((u64)array[i - 1] + x + (u32)i) ;\n\
         s += sum_{number}(n * k + 1, array); fixed[k & 3] += (u32)s;\n\
         if (s % 7 == 0) continue;\n\
         s ^= sum_{number}(n + 1, first);\n\
         }}\n\
         mix(((uintptr_t)fixed & {mask}) == 0);\n\
         return s + fixed[0] + fixed[3];\n}}\n\
         static void piece_{number}(void) {{ for (int i = 0; i < 4; i++) mix64(dyn_{number}((int)(rnd() % {most}), odd())); }}\n",
        mask = align - 1,
    )
}

/// setjmp and longjmp over several frames, with volatile variables that change in between.
pub(super) fn jumps(random: &mut Random, number: usize) -> String {
    let (times, depth) = (random.range(1, 6), random.range(0, 9));
    let kind = random.pick(&["int", "u64", "double"]);
    format!(
        "static JMP_BUF buffer_{number};\n\
         static NOINLINE void deep_{number}(int depth, int value) {{\n\
         volatile u32 own[3] = {{1, 2, (u32)depth}};\n\
         if (depth == 0) longjmp(buffer_{number}, value);\n\
         deep_{number}(depth - 1, value); mix(own[2]);\n}}\n\
         static void piece_{number}(void) {{\n\
         volatile {kind} count = 0; u64 before = rnd(); volatile double kept = tame(); u32 fixed = (u32)before * 3;\n\
         int got = setjmp(buffer_{number});\n\
         mix((u32)got), mix64((u64)count), mix64(before), mix_double(kept), mix(fixed);\n\
         count = count + 1;\n\
         if (count <= {times}) {{ kept = kept / 2; deep_{number}({depth}, (int)count + 40); }}\n\
         mix64((u64)count);\n}}\n"
    )
}
