//! Vectors of every element and of odd and wide lane counts.

use super::Random;
use std::fmt::Write as _;

/// An element: its C type, the integer type of a comparison's lanes, bits, whether it is floating point.
#[derive(Clone, Copy)]
struct Element {
    ty: &'static str,
    mask: &'static str,
    bits: u64,
    float: bool,
}

const fn element(ty: &'static str, mask: &'static str, bits: u64, float: bool) -> Element {
    Element {
        ty,
        mask,
        bits,
        float,
    }
}

const ELEMENTS: [Element; 10] = [
    element("u8", "char", 8, false),
    element("i8", "char", 8, false),
    element("u16", "i16", 16, false),
    element("i16", "i16", 16, false),
    element("u32", "i32", 32, false),
    element("i32", "i32", 32, false),
    element("u64", "i64", 64, false),
    element("i64", "i64", 64, false),
    element("float", "i32", 32, true),
    element("double", "i64", 64, true),
];

impl Element {
    /// Mixes the scalar `value` into the checksum.
    fn mixed(self, value: &str) -> String {
        match (self.float, self.bits) {
            (true, 32) => format!("mix_float({value})"),
            (true, _) => format!("mix_double({value})"),
            (false, 64) => format!("mix64((u64){value})"),
            (false, _) => format!("mix((u32){value})"),
        }
    }

    /// A fresh scalar.
    fn fresh(self) -> String {
        match self.float {
            true => format!("({})tame()", self.ty),
            false => format!("({})odd()", self.ty),
        }
    }

    /// The unsigned type of its width.
    fn unsigned(self) -> &'static str {
        match self.bits {
            8 => "u8",
            16 => "u16",
            32 => "u32",
            _ => "u64",
        }
    }

    fn signed(self) -> bool {
        self.ty.starts_with('i')
    }
}

/// Lane counts: powers of two mostly, odd ones, and up to 64 bytes or a bit more.
fn lanes(random: &mut Random, element: Element) -> u64 {
    let most = (random.pick(&[128, 256, 256, 512]) / element.bits).max(2);
    if random.one_in(3) {
        return random.range(2, most.min(24));
    }
    1 << random.range(1, most.ilog2().into())
}

/// Types V (vector) and M (mask), a filler and a mixer.
fn prelude(element: Element, lanes: u64, number: usize) -> String {
    let Element { ty, mask, .. } = element;
    let (fresh, mixed) = (element.fresh(), element.mixed("v[i]"));
    format!(
        "typedef {ty} V{number} __attribute__((ext_vector_type({lanes})));\n\
         typedef {mask} M{number} __attribute__((ext_vector_type({lanes})));\n\
         static NOINLINE V{number} fill_{number}(void) {{ V{number} v = 0; for (int i = 0; i < {lanes}; i++) v[i] = {fresh}; return v; }}\n\
         static NOINLINE void show_{number}(V{number} v) {{ for (int i = 0; i < {lanes}; i++) {mixed}; }}\n"
    )
}

/// A vector expression over a, b, c of type V.
fn expression(random: &mut Random, element: Element, number: usize, depth: u32) -> String {
    if depth == 0 || random.one_in(8) {
        return match random.below(5) {
            0 => format!("(V{number})({})", random.range(0, 100)),
            _ => random.pick(&["a", "b", "c"]).to_owned(),
        };
    }
    let x = expression(random, element, number, depth - 1);
    let y = expression(random, element, number, depth - 1);
    let test = random.pick(&["<", "<=", ">", ">=", "==", "!="]);
    let select = format!("(({x} {test} {y}) ? {x} : {y})");
    if element.float {
        return match random.below(8) {
            0 | 1 => format!("({x} + {y})"),
            2 => format!("({x} - {y})"),
            3 => format!("({x} * {y})"),
            4 => format!("({x} / ({y} * {y} + 1))"),
            5 => format!("(-{x})"),
            6 => format!("__builtin_elementwise_abs({x})"),
            _ => select,
        };
    }
    let width = element.bits;
    let wraps = |op: &str| {
        // Signed lanes wrap too: clang's vectors are compiled with -fwrapv semantics only when asked, so
        // the sum is made on masks reinterpreted as unsigned lanes.
        format!("WRAP{number}({x}, {op}, {y})")
    };
    match random.below(14) {
        0 | 1 => wraps("+"),
        2 => wraps("-"),
        3 => wraps("*"),
        4 => format!("({x} & {y})"),
        5 => format!("({x} | {y})"),
        6 => format!("({x} ^ {y})"),
        7 => format!("({x} >> ({y} & {}))", width - 1),
        8 => format!("({x} >> {})", random.below(width)),
        9 => format!(
            "WRAP{number}({x}, <<, (V{number})({}))",
            random.below(width)
        ),
        10 => format!("WRAP{number}({x}, <<, ({y} & {}))", width - 1),
        11 => format!("__builtin_elementwise_max({x}, {y})"),
        12 => {
            let halved = if element.signed() { " >> 1" } else { "" };
            let op = random.pick(&["/", "%"]);
            format!("(({x}{halved}) {op} ({y} | 1))")
        }
        _ => select,
    }
}

/// Defines the macro by which expressions wrap.
fn wrapping(element: Element, lanes: u64, number: usize) -> String {
    let unsigned = element.unsigned();
    format!(
        "typedef {unsigned} W{number} __attribute__((ext_vector_type({lanes})));\n\
         #define WRAP{number}(x, op, y) ((V{number})((W{number})(x) op (W{number})(y)))\n"
    )
}

/// Arithmetic, comparisons, selections.
pub(super) fn arithmetic(random: &mut Random, number: usize) -> String {
    let element = random.pick(&ELEMENTS);
    let lanes = lanes(random, element);
    let mut text = prelude(element, lanes, number) + &wrapping(element, lanes, number);
    let _ = writeln!(
        text,
        "static NOINLINE V{number} go_{number}(V{number} a, V{number} b, V{number} c) {{"
    );
    for _ in 0..random.range(1, 3) {
        let target = random.pick(&["a", "b", "c"]);
        let _ = writeln!(
            text,
            "    {target} = {};",
            expression(random, element, number, 2)
        );
    }
    let _ = writeln!(
        text,
        "    M{number} m = a {} b;",
        random.pick(&["<", ">=", "==", "!="])
    );
    let index = random.below(lanes);
    let _ = write!(
        text,
        "    for (int i = 0; i < {lanes}; i++) mix((u32)m[i]);\n    a[{index}] = b[(u32)rnd() % {lanes}];\n    return {};\n}}\n\
         static void piece_{number}(void) {{\n\
         V{number} x = fill_{number}();\n\
         for (int i = 0; i < 4; i++) x = go_{number}(x, fill_{number}(), fill_{number}()), show_{number}(x);\n}}\n",
        expression(random, element, number, 3)
    );
    text
}

/// Lanes of one type to lanes of another.
pub(super) fn conversions(random: &mut Random, number: usize) -> String {
    let (from, to) = (random.pick(&ELEMENTS), random.pick(&ELEMENTS));
    let lanes = lanes(random, if from.bits > to.bits { from } else { to });
    // What is converted to integers must fit them: small numbers, positive ones where there is no sign.
    let small = match (from.float, to.float) {
        (true, false) => format!(
            "v[i] = ({})(u32)(rnd() % {});",
            from.ty,
            if to.bits == 8 { 100 } else { 30000 }
        ),
        _ => String::new(),
    };
    let negative = if from.float && !to.float && to.signed() {
        "v[0] = -v[0];"
    } else {
        ""
    };
    let (to_ty, mixed) = (to.ty, to.mixed("w[i]"));
    prelude(from, lanes, number)
        + &format!(
            "typedef {to_ty} T{number} __attribute__((ext_vector_type({lanes})));\n\
             static NOINLINE T{number} turn_{number}(V{number} v) {{ return __builtin_convertvector(v, T{number}); }}\n\
             static void piece_{number}(void) {{\n\
             V{number} v = fill_{number}(); for (int i = 0; i < {lanes}; i++) {{ {small} }} {negative}\n\
             T{number} w = turn_{number}(v);\n\
             for (int i = 0; i < {lanes}; i++) {mixed};\n\
             w = __builtin_convertvector(v < (V{number})(3), T{number}) + w;\n\
             for (int i = 0; i < {lanes}; i++) {mixed};\n}}\n"
        )
}

/// Shuffles of two vectors with any constant mask, swizzles, elements by number.
pub(super) fn shuffles(random: &mut Random, number: usize) -> String {
    let element = random.pick(&ELEMENTS);
    let (lanes, out) = (lanes(random, element), lanes(random, element));
    let mut mask: Vec<String> = (0..out)
        .map(|_| random.below(2 * lanes).to_string())
        .collect();
    match random.below(5) {
        // One lane everywhere; reversed; every second one.
        0 => mask.fill(random.below(lanes).to_string()),
        1 => {
            let reversed = |at: u64| ((2 * lanes - 1 - at % lanes) % lanes).to_string();
            mask = (0..out).map(reversed).collect();
        }
        2 => {
            let second = |at: u64| (2 * at % (2 * lanes)).to_string();
            mask = (0..out).map(second).collect();
        }
        _ => {}
    }
    let (ty, mixed, mask) = (element.ty, element.mixed("r[i]"), mask.join(", "));
    prelude(element, lanes, number)
        + &format!(
            "typedef {ty} R{number} __attribute__((ext_vector_type({out})));\n\
             static NOINLINE R{number} sh_{number}(V{number} a, V{number} b) {{ return __builtin_shufflevector(a, b, {mask}); }}\n\
             static NOINLINE V{number} set_{number}(V{number} a, u32 at, {ty} x) {{ a[at % {lanes}] = x; a.lo = a.lo; a.s0 = a[(at + 1) % {lanes}]; return a; }}\n\
             static void piece_{number}(void) {{\n\
             V{number} a = fill_{number}(), b = fill_{number}();\n\
             R{number} r = sh_{number}(a, b); for (int i = 0; i < {out}; i++) {mixed};\n\
             for (int i = 0; i < 3; i++) a = set_{number}(a, (u32)rnd(), {fresh}), show_{number}(a);\n\
             r = sh_{number}(b, a); for (int i = 0; i < {out}; i++) {mixed};\n}}\n",
            fresh = element.fresh(),
        )
}

/// Vectors as arguments among others, as results, in structs, in memory that is not aligned.
pub(super) fn passed(random: &mut Random, number: usize) -> String {
    let element = random.pick(&ELEMENTS);
    let lanes = lanes(random, element);
    let add = if element.float { "+" } else { "^" };
    prelude(element, lanes, number)
        + &format!(
            "typedef V{number} N{number} __attribute__((aligned(1)));\n\
             struct h_{number} {{ u8 a; V{number} v; u8 b; }};\n\
             static V{number} g_{number}[3];\n\
             static NOINLINE V{number} many_{number}(u32 n, V{number} a, double d, V{number} b, u64 l, V{number} c, V{number} e, V{number} f) {{\n\
             mix(n), mix_double(d), mix64(l); return n & 1 ? (a {add} f) : (b {add} c {add} e);\n}}\n\
             static NOINLINE struct h_{number} hold_{number}(struct h_{number} s, V{number} v) {{ s.v = s.v {add} v; s.a++; s.b += s.a; return s; }}\n\
             static NOINLINE void put_{number}(u8 *at, V{number} v) {{ *(N{number} *)at = v; }}\n\
             static NOINLINE V{number} get_{number}(const u8 *at) {{ return *(const N{number} *)at; }}\n\
             static V{number} (*volatile ptr_{number})(u32, V{number}, double, V{number}, u64, V{number}, V{number}, V{number}) = many_{number};\n\
             static void piece_{number}(void) {{\n\
             struct h_{number} s; s.a = 1; s.b = 2; s.v = fill_{number}(); u8 bytes[sizeof(V{number}) + 8];\n\
             for (u32 i = 0; i < 3; i++) {{\n\
             g_{number}[i] = many_{number}(i, fill_{number}(), tame(), s.v, odd(), g_{number}[2 - i], s.v, fill_{number}());\n\
             g_{number}[(i + 1) % 3] = ptr_{number}(i + 1, s.v, tame(), fill_{number}(), odd(), g_{number}[i], s.v, fill_{number}());\n\
             s = hold_{number}(s, g_{number}[i]); put_{number}(bytes + i + 1, s.v); show_{number}(get_{number}(bytes + i + 1));\n\
             show_{number}(g_{number}[i]), mix(s.a + s.b);\n\
             }}\n}}\n"
        )
}

/// Loops that the vectoriser turns into vectors of the target's width.
pub(super) fn loops(random: &mut Random, number: usize) -> String {
    let (a, b) = (random.pick(&ELEMENTS), random.pick(&ELEMENTS));
    let (to, from) = (a.ty, b.ty);
    let length = random.range(5, 70);
    let unsigned = a.unsigned();
    let body = match (a.float, b.float) {
        (false, false) => random.pick(&[
            "x[i] = (T)((W)x[i] + (W)y[i]);",
            "x[i] = (T)((W)y[i] * 3u ^ (W)x[i]);",
            "if (y[i] > 10) x[i] = (T)y[i];",
            "x[i] = (T)(y[i] < 0 ? 0 : y[i] > 100 ? 100 : y[i]);",
            "x[i] = (T)((W)x[i] >> (y[i] & 7));",
            "s += (W)x[i] * (W)y[i];",
            "x[i] = (T)(y[n - 1 - i]);",
            "s = s > (W)y[i] ? s : (W)y[i];",
            "x[i] = x[i] == (T)y[i] ? 1 : (T)(x[i] >> 1);",
        ]),
        (true, false) => random.pick(&[
            "x[i] += (T)y[i];",
            "x[i] = y[i] > 3 ? x[i] : (T)2;",
            "if (x[i] < (T)y[i]) x[i] = x[i] * 2;",
        ]),
        (false, true) => {
            random.pick(&["x[i] = (T)(y[i] > 0 ? 1 : 2);", "if (y[i] >= 1) x[i] ^= 5;"])
        }
        (true, true) => random.pick(&[
            "x[i] = x[i] * 3 + (T)y[i];",
            "x[i] = x[i] > y[i] ? x[i] : (T)y[i];",
            "x[i] = (T)(y[i] / (x[i] * x[i] + 1));",
        ]),
    };
    let body = body
        .replace("(T)", &format!("({to})"))
        .replace("(W)", &format!("({unsigned})"));
    let (mixed, fill_x, fill_y) = (a.mixed("x[i]"), a.fresh(), b.fresh());
    format!(
        "static {to} x_{number}[{length}]; static {from} y_{number}[{length}];\n\
         static NOINLINE {unsigned} loop_{number}({to} *restrict x, const {from} *restrict y, int n) {{\n\
         {unsigned} s = 0; for (int i = 0; i < n; i++) {{ {body} }} return s;\n}}\n\
         static void piece_{number}(void) {{\n\
         {to} *x = x_{number}; for (int i = 0; i < {length}; i++) x[i] = {fill_x}, y_{number}[i] = {fill_y};\n\
         for (int k = 0; k < 3; k++) mix64(loop_{number}(x, y_{number}, {length} - (int)(rnd() % 5)));\n\
         for (int i = 0; i < {length}; i++) {mixed};\n}}\n"
    )
}
