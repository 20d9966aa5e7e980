//! Memory: atomics, unaligned and packed accesses, copies of every length, volatile.

use super::Random;
use std::fmt::Write as _;

/// Atomic operations of all widths and orders, in one thread: their results are those of plain ones.
pub(super) fn atomics(random: &mut Random, number: usize) -> String {
    let (ty, size) = random.pick(&[
        ("u8", 1),
        ("u16", 2),
        ("u32", 4),
        ("i32", 4),
        ("u64", 8),
        ("i8", 1),
    ]);
    let mut text = format!(
        "static _Alignas(8) {ty} at_{number}[4];\n\
         static void piece_{number}(void) {{\n    {ty} x = ({ty})odd(), y = 0; _Alignas(8) {ty} own = ({ty})odd();\n"
    );
    for _ in 0..random.range(3, 10) {
        let place = match (size, random.below(3)) {
            // Elements of 4 bytes and less are aligned in the array.
            (8, 0) => format!("&at_{number}[0]"),
            (1..=4, 0) => format!("&at_{number}[rnd() & 3]"),
            (_, 1) => format!("&at_{number}[0]"),
            _ => "&own".to_owned(),
        };
        let order = random.pick(&[
            "__ATOMIC_RELAXED",
            "__ATOMIC_ACQUIRE",
            "__ATOMIC_RELEASE",
            "__ATOMIC_ACQ_REL",
            "__ATOMIC_SEQ_CST",
        ]);
        let op = random.pick(&["add", "sub", "and", "or", "xor", "nand"]);
        let _ = match random.below(9) {
            0..=2 => writeln!(
                text,
                "    mix64((u64)__atomic_fetch_{op}({place}, x, {order}));"
            ),
            3 => writeln!(text, "    __atomic_fetch_{op}({place}, x, {order});"),
            4 => writeln!(
                text,
                "    mix64((u64)__atomic_{op}_fetch({place}, ({ty})odd(), {order}));"
            ),
            5 => writeln!(
                text,
                "    x ^= __atomic_exchange_n({place}, ({ty})odd(), {order}); mix64((u64)x);"
            ),
            6 => writeln!(
                text,
                "    y = __atomic_load_n({place}, __ATOMIC_ACQUIRE) + ({ty})(rnd() & 1);\n    \
                 mix(__atomic_compare_exchange_n({place}, &y, x, 0, {order}, __ATOMIC_RELAXED)), mix64((u64)y);"
            ),
            7 => writeln!(
                text,
                "    __atomic_store_n({place}, ({ty})odd(), __ATOMIC_SEQ_CST); __atomic_thread_fence({order});"
            ),
            _ => writeln!(
                text,
                "    y = __atomic_load_n({place}, __ATOMIC_RELAXED);\n    \
                 while (!__atomic_compare_exchange_n({place}, &y, ({ty})(y * 3 + 1), 1, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {{}}"
            ),
        };
    }
    let _ = writeln!(
        text,
        "    mix64((u64)own); for (int i = 0; i < 4; i++) mix64((u64)at_{number}[i]);\n}}"
    );
    text
}

/// Unaligned loads and stores through packed structs, and structs with packed arrays.
pub(super) fn unaligned(random: &mut Random, number: usize) -> String {
    let (ty, mixer) = random.pick(&[
        ("u16", "mix"),
        ("u32", "mix"),
        ("u64", "mix64"),
        ("i16", "mix"),
        ("float", "mix_float"),
        ("double", "mix_double"),
    ]);
    let (before, elements) = (random.range(1, 7), random.range(2, 5));
    let value = if mixer.contains('_') {
        "tame()"
    } else {
        "odd()"
    };
    format!(
        "struct __attribute__((packed)) one_{number} {{ {ty} v; }};\n\
         struct __attribute__((packed)) p_{number} {{ u8 a[{before}]; {ty} v; u8 b; {ty} w[{elements}]; u64 l; }};\n\
         static struct p_{number} g_{number}[3];\n\
         static NOINLINE void put_{number}(u8 *at, {ty} v) {{ ((struct one_{number} *)at)->v = v; }}\n\
         static NOINLINE {ty} get_{number}(const u8 *at) {{ return ((const struct one_{number} *)at)->v; }}\n\
         static void piece_{number}(void) {{\n\
         u8 bytes[64]; __builtin_memset(bytes, 0, sizeof bytes);\n\
         for (int i = 0; i < 6; i++) {{ u32 at = (u32)(rnd() % 56); put_{number}(bytes + at, ({ty}){value}); {mixer}(get_{number}(bytes + at)); }}\n\
         for (int i = 0; i < 3; i++) {{\n\
         struct p_{number} s = g_{number}[i]; s.v += ({ty})(i32)(rnd() >> 40); s.w[rnd() % {elements}] = s.v; s.b++; s.l = odd(); s.a[0] ^= s.b;\n\
         g_{number}[(i + 1) % 3] = s; {mixer}(s.v); {mixer}(s.w[1]); mix64(s.l); mix(s.b + s.a[0]);\n\
         }}\n{tail}}}\n",
        tail = if mixer.contains('_') {
            ""
        } else {
            "for (int i = 0; i < 64; i++) mix(bytes[i]);\n"
        },
    )
}

/// memcpy, memmove and memset of constant and of run-time lengths; struct copies; unions.
pub(super) fn copies(random: &mut Random, number: usize) -> String {
    let mut text = format!(
        "static u8 m_{number}[700];\n\
         union u_{number} {{ u64 l; double d; u8 b[8]; u16 h[4]; float f[2]; }};\n\
         static void piece_{number}(void) {{\n\
         union u_{number} u; u.l = odd(); u8 *m = m_{number};\n\
         for (int i = 0; i < 700; i += 7) m[i] ^= (u8)rnd();\n"
    );
    for _ in 0..random.range(2, 7) {
        // At most 200 bytes from below 200 to above 400: what memcpy is given does not overlap.
        let length = match random.below(4) {
            0 => random.range(0, 17).to_string(),
            1 => random.range(18, 200).to_string(),
            _ => format!("(u32)(rnd() % {})", random.range(1, 200)),
        };
        let (to, from) = (random.below(200), random.below(200));
        let _ = match random.below(5) {
            0 => writeln!(
                text,
                "    __builtin_memset(m + {to}, (int)rnd(), {length});"
            ),
            1 => writeln!(
                text,
                "    __builtin_memset(m + {to}, {}, {length});",
                random.pick(&["0", "255", "7"])
            ),
            2 => writeln!(
                text,
                "    __builtin_memmove(m + {to}, m + {from}, {length});"
            ),
            3 => writeln!(
                text,
                "    __builtin_memcpy(m + {}, m + {from}, {length});",
                400 + to % 90
            ),
            _ => writeln!(
                text,
                "    u.b[{}] ^= (u8)rnd(); mix(u.h[{}]); mix64(u.l); u.h[{}] += 3;",
                to % 8,
                from % 4,
                to % 4
            ),
        };
    }
    text + "    for (int i = 0; i < 700; i += 4) { u32 w; __builtin_memcpy(&w, m + i, 4); mix(w); }\n    mix64(u.l);\n}\n"
}

/// Volatile objects of every kind: read and written exactly as often as said.
pub(super) fn volatiles(random: &mut Random, number: usize) -> String {
    let (ty, mixer) = random.pick(&[
        ("u8", "mix"),
        ("i16", "mix"),
        ("u32", "mix"),
        ("u64", "mix64"),
        ("float", "mix_float"),
        ("double", "mix_double"),
    ]);
    let times = random.range(2, 9);
    format!(
        "struct vs_{number} {{ volatile {ty} a; u8 b; volatile {ty} c[3]; }};\n\
         static volatile {ty} g_{number}; static struct vs_{number} s_{number};\n\
         static NOINLINE {ty} twice_{number}(volatile {ty} *p) {{ {ty} a = *p; *p = a + 1; return a + *p; }}\n\
         static void piece_{number}(void) {{\n\
         volatile {ty} own = ({ty})(i32)rnd(); volatile u32 n = {times};\n\
         while (n--) {{ own = ({ty})(own / 2 + g_{number}); g_{number} = own; s_{number}.c[n % 3] = twice_{number}(&s_{number}.a); s_{number}.b++; }}\n\
         {mixer}(own), {mixer}(g_{number}), {mixer}(s_{number}.c[1]), mix(s_{number}.b), {mixer}(twice_{number}(&own));\n}}\n"
    )
}
