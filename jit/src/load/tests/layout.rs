//! Integers above 64 bits in memory, as compilers before and after LLVM 18 lay them out.

use alloc::string::String;

use ir::interp::{Val, run};

use super::clang::{VERSIONS, assemble_with, bitcode_of, native};
use super::computes;
use crate::load;

/// Structs, arrays and copies of integers that are wider than 64 bits: as variables with initial
/// values, on the stack, by value, and through a list of arguments.
const SOURCE: &str = "#include <stdarg.h>\n#include <stddef.h>\n\
    typedef _BitInt(128) T; typedef _BitInt(65) W;\n\
    struct s { char a; T b; char c; };\n\
    struct w { short a; W b[2]; struct s s[2]; char d; W e; };\n\
    struct s g[3] = {{1, 2, 3}, {4, 5, 6}, {7, 8, 9}};\n\
    struct w x[2] = {{1, {2, 3}, {{4, 5, 6}, {7, -8, 9}}, 10, -11}, {12, {13, 14}, {{15, 16, 17}, {18, 19, 20}}, 21, 22}};\n\
    static const char *const last = &x[1].s[1].c;\n\
    __attribute__((noinline)) static int field(struct s *p, int i) { return p[i].c + (int)p[i].b * 16; }\n\
    __attribute__((noinline)) static int deep(struct w *p, int i, int j) { p[i].b[j] += j; return p[i].d * 3 + (int)p[i].b[j] * 5 + (int)p[i].s[j].b * 7 + p[i].s[j].c * 11 + (int)p[i].e; }\n\
    __attribute__((noinline)) static struct s turn(struct s a, int k) { a.b = a.b * k + a.c; a.c ^= a.a; return a; }\n\
    __attribute__((noinline)) static int sum(int count, ...) { va_list list; va_start(list, count); int r = 0; while (count--) { struct s a = va_arg(list, struct s); r = r * 7 + (int)a.b + a.c; r += va_arg(list, int); } va_end(list); return r; }\n\
    unsigned test(int n) {\n\
      struct s t[2]; int k = n & 1; __builtin_memcpy(t, g, sizeof t); struct w y = x[k], z[2] = {x[0], x[1]};\n\
      unsigned r = field(g, k + 1) + 100u * field(t, k);\n\
      for (int j = 0; j < 2; j++) r = r * 31 + deep(&y, 0, j) + deep(z, k, j);\n\
      struct s u = turn(t[k], n + 3); r = r * 31 + field(&u, 0); u = turn(u, k);\n\
      r = r * 31 + sum(2, t[1], 5, u, 6) + *last;\n\
      struct s v[n + 1]; for (int i = 0; i <= n; i++) v[i] = turn(g[k], i);\n\
      r = r * 31 + field(v, n);\n\
      return r * 31 + sizeof(struct w) + 1000 * offsetof(struct w, s) + (unsigned)((char *)&x[1].e - (char *)&x[0].d); }\n";

#[test]
fn wide_integers_lie_where_each_compiler_put_them() {
    const COUNT: u32 = 4;
    let Some(expected) = native(SOURCE, COUNT) else {
        return;
    };
    for version in VERSIONS {
        for flags in [&["-O0"][..], &["-O1"], &["-O2", "-msse2"]] {
            let Some(file) = bitcode_of(version, SOURCE, flags) else {
                continue;
            };
            let what = std::format!("{version} {flags:?}");
            computes(&what, &file, 1_000_000, (0..).zip(expected.iter().copied()));
        }
    }
}

/// What `@test(0)` gives under a data layout.
fn answer(wide: &str, source: &str) -> Option<u32> {
    let file = assemble_with(wide, 16, source)?;
    let module = load::module(&file).unwrap_or_else(|error| panic!("{error}: {source}"));
    let test = module.func_by_name("test").unwrap();
    let result = run(&module, test, &[Val::Bits(0)], 10_000);
    Some(result.unwrap_or_else(|fault| panic!("{fault}")).addr())
}

#[test]
fn the_data_layout_says_how_wide_integers_are_aligned() {
    // Offset of the last field, distance of elements, both through the initial value.
    let source = "%s = type { i8, i128, i8 }\n\
        @g = global [2 x %s] [%s { i8 1, i128 2, i8 3 }, %s { i8 4, i128 5, i8 6 }]\n\
        define i32 @test(i32 %n) {\n\
          %p = getelementptr %s, ptr @g, i32 %n, i32 2\n  %q = getelementptr %s, ptr @g, i32 1, i32 %n\n\
          %c = load i8, ptr %p\n  %v = zext i8 %c to i32\n\
          %a = ptrtoint ptr %p to i32\n  %b = ptrtoint ptr @g to i32\n  %o = sub i32 %a, %b\n\
          %e = ptrtoint ptr %q to i32\n  %d = sub i32 %e, %b\n\
          %x = mul i32 %v, 10000\n  %y = mul i32 %d, 100\n  %s1 = add i32 %x, %y\n  %r = add i32 %s1, %o\n\
          ret i32 %r\n}";
    let source = source.replace("i32 1, i32 %n\n", "i32 1, i32 0\n");
    if let Some(old) = answer("", &source) {
        assert_eq!(old, 32_420, "value 3, elements 24 apart, offset 20");
    }
    if let Some(new) = answer("-i128:128", &source) {
        assert_eq!(new, 34_832, "value 3, elements 48 apart, offset 32");
    }
}

#[test]
fn values_of_several_parts_are_accessed_part_by_part() {
    // A whole value goes from bytes to bytes; packed, nested, and in an array of 12-byte elements.
    let source = "%in = type <{ i8, i65 }>\n%s = type { i8, i128, [2 x i65], %in, i16 }\n\
        @g = global %s { i8 1, i128 2, [2 x i65] [i65 3, i65 4], %in <{ i8 5, i65 6 }>, i16 7 }\n\
        @to = global [72 x i8] zeroinitializer\n\
        define i32 @test(i32 %n) {\n\
          %v = load %s, ptr @g, align 4\n  %w = insertvalue %s %v, i65 9, 2, 0\n\
          store volatile %s %w, ptr @to, align 4\n\
          LOADS\n  ret i32 %r12\n}";
    // Offsets 0 | 4 | 20, 32 | 44, 45 | 58, as the layout of LLVM 17 has them, weighed by place.
    let mut loads = String::new();
    for (number, at) in (0..).zip([0, 4, 20, 32, 44, 45, 58]) {
        let before = if number == 0 {
            String::from("0")
        } else {
            std::format!("%s{}", number - 1)
        };
        loads += &std::format!(
            "%p{number} = getelementptr i8, ptr @to, i32 {at}\n%b{number} = load i8, ptr %p{number}\n\
             %z{number} = zext i8 %b{number} to i32\n%m{number} = mul i32 {before}, 10\n\
             %s{number} = add i32 %m{number}, %z{number}\n"
        );
    }
    let source = source.replace("LOADS", &loads).replace("%r12", "%s6");
    if let Some(result) = answer("", &source) {
        assert_eq!(result, 1_294_567);
    }
}
