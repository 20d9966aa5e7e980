//! Calls: variadic, structs by value and as results, K&R, through pointers, recursive.

use super::Random;
use std::fmt::Write as _;

/// A variadic function that is told by a string what it gets.
pub(super) fn variadic(random: &mut Random, number: usize) -> String {
    let mut text = format!(
        "struct v_{number} {{ u8 a; u32 b; u16 c[3]; }};\n\
         static NOINLINE void take_{number}(const char *kinds, double first, ...) {{\n\
         va_list args, again; va_start(args, first); va_copy(again, args); mix_double(first);\n\
         for (int pass = 0; pass < 2; pass++) {{\n\
         if (pass) {{ va_end(args); va_copy(args, again); }}\n\
         for (const char *k = kinds; *k; k++) switch (*k) {{\n\
         case 'i': mix((u32)va_arg(args, int)); break;\n\
         case 'l': mix64(va_arg(args, u64)); break;\n\
         case 'd': mix_double(va_arg(args, double)); break;\n\
         case 'p': mix(*va_arg(args, u32 *)); break;\n\
         case 'e': mix_double((double)va_arg(args, long double)); break;\n\
         case 's': {{ struct v_{number} s = va_arg(args, struct v_{number}); mix(s.a), mix(s.b), mix(s.c[0] + s.c[2]); break; }}\n\
         }}\n}}\nva_end(args); va_end(again);\n}}\n\
         static void (*volatile take_p{number})(const char *, double, ...) = take_{number};\n\
         static void piece_{number}(void) {{\n\
         u32 at = (u32)rnd(); struct v_{number} s = {{(u8)rnd(), (u32)rnd(), {{1, 2, (u16)rnd()}}}};\n"
    );
    for _ in 0..random.range(2, 4) {
        let (mut kinds, mut args) = (String::new(), String::new());
        for _ in 0..random.range(0, 11) {
            let extended = if random.one_in(4) { 'e' } else { 'd' };
            let kind = random.pick(&['i', 'i', 'l', 'd', 'p', 's', extended]);
            kinds.push(kind);
            args.push_str(match kind {
                'i' => random.pick(&[
                    ", (i8)odd()",
                    ", (u16)odd()",
                    ", (int)odd()",
                    ", (char)rnd() < 3",
                ]),
                'l' => ", odd()",
                'd' => random.pick(&[", tame()", ", (float)tame()"]),
                'e' => ", (long double)tame()",
                'p' => ", &at",
                _ => ", s",
            });
        }
        let how = random.pick(&["take_", "take_p"]);
        let _ = writeln!(text, "    {how}{number}(\"{kinds}\", tame(){args});");
    }
    text + "}\n"
}

/// Structs of all sizes as arguments and results, direct and through a pointer.
pub(super) fn by_value(random: &mut Random, number: usize) -> String {
    let mut text = format!("struct s_{number} {{\n");
    let count = random.range(1, 6);
    let mut sums = String::new();
    for field in 0..count {
        let kinds = [
            ("u8", ""),
            ("u16", ""),
            ("u32", ""),
            ("u64", ""),
            ("float", ""),
            ("double", ""),
            ("u8", "[3]"),
            ("u32", "[5]"),
        ];
        let (ty, array) = random.pick(&kinds);
        let _ = writeln!(text, "    {ty} f{field}{array};");
        let at = if array.is_empty() { "" } else { "[n & 1]" };
        let float = matches!(ty, "float" | "double");
        let _ = if float {
            writeln!(
                sums,
                "    s.f{field} = s.f{field} * 0.5f + n; mix_double(s.f{field});"
            )
        } else {
            writeln!(
                sums,
                "    s.f{field}{at} += ({ty})(n * {}u); mix64(s.f{field}{at});",
                random.range(1, 99)
            )
        };
    }
    let before = random.pick(&["", "u64 w, ", "double w, ", "u8 w, "]);
    let value = if before.is_empty() { "" } else { "3, " };
    let _ = write!(
        text,
        "}};\n\
         static NOINLINE struct s_{number} go_{number}({before}struct s_{number} s, u32 n) {{\n{sums}    return s;\n}}\n\
         static struct s_{number} (*volatile goes_{number})({before}struct s_{number}, u32) = go_{number};\n\
         static NOINLINE u32 apply_{number}(struct s_{number} (*f)({before}struct s_{number}, u32), struct s_{number} *s) {{\n\
         struct s_{number} t = f({value}*s, (u32)odd()); *s = f({value}t, 7); return sizeof t;\n}}\n\
         static void piece_{number}(void) {{\n\
         struct s_{number} s, kept[3]; __builtin_memset(&s, 0, sizeof s); kept[0] = kept[1] = kept[2] = s;\n\
         for (int i = 0; i < 4; i++) {{\n\
         s = go_{number}({value}s, (u32)rnd()); mix(apply_{number}(goes_{number}, &s));\n\
         kept[i % 3] = go_{number}({value}kept[(i + 1) % 3], (u32)i);\n\
         }}\n}}\n"
    );
    text
}

/// K&R definitions and calls without a prototype: arguments are promoted, the definition narrows them.
pub(super) fn old_style(random: &mut Random, number: usize) -> String {
    let kinds = [
        "signed char",
        "unsigned char",
        "short",
        "u16",
        "int",
        "u64",
        "float",
        "double",
        "u32 *",
    ];
    let params: Vec<&str> = (0..random.range(1, 8))
        .map(|_| random.pick(&kinds))
        .collect();
    let names: Vec<String> = (0..params.len()).map(|at| format!("p{at}")).collect();
    let mut text = format!(
        "static int old_{number}();\nstatic void piece_{number}(void) {{\n    u32 at = (u32)rnd();\n"
    );
    for _ in 0..3 {
        let mut args: Vec<&str> = Vec::new();
        for &param in &params {
            args.push(match param {
                "u64" => "odd()",
                "float" => "(float)tame()",
                "double" => "tame()",
                "u32 *" => "&at",
                "signed char" => "(signed char)odd()",
                "unsigned char" => "(unsigned char)odd()",
                "short" => "(short)odd()",
                "u16" => "(u16)odd()",
                _ => "(int)odd()",
            });
        }
        // Arguments that nobody takes: the i386 convention lets them pass.
        if random.one_in(3) {
            args.push("(int)odd()");
        }
        let _ = writeln!(text, "    mix((u32)old_{number}({}));", args.join(", "));
    }
    let _ = writeln!(
        text,
        "}}\nstatic NOINLINE int old_{number}({})",
        names.join(", ")
    );
    for (param, name) in params.iter().zip(&names) {
        let _ = writeln!(text, "    {param} {name};");
    }
    text.push_str("{\n");
    for (&param, name) in params.iter().zip(&names) {
        let _ = match param {
            "float" | "double" => writeln!(text, "    mix_double({name});"),
            "u32 *" => writeln!(text, "    mix(*{name});"),
            _ => writeln!(text, "    mix64((u64){name});"),
        };
    }
    text + &format!("    return {};\n}}\n", random.below(1000))
}

/// Tables of function pointers, compared, stored and called.
pub(super) fn pointers(random: &mut Random, number: usize) -> String {
    let count = random.range(2, 6);
    let mut text = String::new();
    let mut table = Vec::new();
    for at in 0..count {
        let (shift, add) = (random.range(1, 31), random.range(1, 1 << 20));
        let inline = if random.one_in(2) { "NOINLINE " } else { "" };
        let _ = writeln!(
            text,
            "static {inline}u32 f_{number}_{at}(u32 x, u64 y) {{ return (x >> {shift}) * {add}u + (u32)(y >> {shift}); }}"
        );
        table.push(format!("f_{number}_{at}"));
    }
    let _ = write!(
        text,
        "typedef u32 (*F_{number})(u32, u64);\n\
         static const F_{number} table_{number}[] = {{{list}}};\n\
         static F_{number} chosen_{number};\n\
         static NOINLINE u32 fold_{number}(F_{number} *from, int n, u32 x) {{ while (n--) x = from[n](x, rnd()) ^ (x << 5); return x; }}\n\
         static void piece_{number}(void) {{\n\
         F_{number} own[4]; u32 x = (u32)odd();\n\
         for (int i = 0; i < 4; i++) own[i] = table_{number}[rnd() % {count}];\n\
         mix(x = fold_{number}(own, 4, x));\n\
         mix(own[0] == own[1]), mix(own[2] == f_{number}_0), mix(chosen_{number} == 0);\n\
         chosen_{number} = own[3]; mix(chosen_{number}(x, x));\n\
         for (u32 i = 0; i < {count}; i++) mix(table_{number}[i](x + i, odd()));\n}}\n",
        list = table.join(", ")
    );
    text
}

/// Recursion: deep, through two functions, with objects in the frames.
pub(super) fn recursion(random: &mut Random, number: usize) -> String {
    let (objects, depth) = (random.range(1, 12), random.range(3, 60));
    let tail = if random.one_in(2) {
        "return b_{n}(p, depth - 1, x);"
    } else {
        "return b_{n}(own, depth - 1, x) + own[0];"
    };
    let tail = tail.replace("{n}", &number.to_string());
    format!(
        "static u64 b_{number}(u32 *p, int depth, u64 x);\n\
         static NOINLINE u64 a_{number}(u32 *p, int depth, u64 x) {{\n\
         u32 own[{objects}]; if (depth <= 0) return x ^ *p;\n\
         for (int i = 0; i < {objects}; i++) own[i] = (u32)(x >> i) + *p;\n\
         x = x * 0x5851F42D4C957F2Dull + own[{objects} - 1];\n    {tail}\n}}\n\
         static NOINLINE u64 b_{number}(u32 *p, int depth, u64 x) {{\n\
         double keep = (double)(i32)x; u64 r = a_{number}(p, depth - 1 - (x & 1), x >> 1 | x << 63);\n\
         mix_double(keep); return r + (u64)depth;\n}}\n\
         static NOINLINE u32 fib_{number}(u32 n) {{ return n < 2 ? n : fib_{number}(n - 1) + fib_{number}(n - 2); }}\n\
         static void piece_{number}(void) {{\n\
         u32 start = (u32)rnd(); mix64(a_{number}(&start, {depth}, odd())); mix(fib_{number}(3 + (u32)(rnd() & 7)));\n}}\n"
    )
}
