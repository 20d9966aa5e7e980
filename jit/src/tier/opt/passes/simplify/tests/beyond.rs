//! What is no rule of the table (`special`, `known`), on all bytes.
//!
//! Each line is a function of a byte with two constants. For many constants it is optimised by the pass, and
//! run by the interpreter before and after for all 256 values.

use super::{run, simplified};
use alloc::format;
use alloc::string::{String, ToString};
use ir::text;

/// Name, the type of the result, operations on `%x` that define `%r`.
const FUNCTIONS: &[(&str, &str, &str)] = &[
    (
        "inverted compare",
        "i1",
        "%c = icmp PRED i8 %x, C\n %r = xor i1 %c, true",
    ),
    (
        "mask of a mask",
        "i8",
        "%a = and i8 %x, C\n %r = and i8 %a, D",
    ),
    (
        "mask of set bits",
        "i8",
        "%a = or i8 %x, C\n %r = and i8 %a, D",
    ),
    (
        "mask of a left shift",
        "i8",
        "%a = shl i8 %x, SHIFT\n %r = and i8 %a, D",
    ),
    (
        "mask of a right shift",
        "i8",
        "%a = lshr i8 %x, SHIFT\n %r = and i8 %a, D",
    ),
    (
        "mask of a quotient",
        "i8",
        "%a = udiv i8 %x, ODD\n %r = and i8 %a, D",
    ),
    (
        "mask of a remainder",
        "i8",
        "%a = urem i8 %x, ODD\n %r = and i8 %a, D",
    ),
    (
        "mask of a count",
        "i8",
        "%a = intrinsic ctpop i8 (i8 %x)\n %r = and i8 %a, 127",
    ),
    (
        "compare of a mask",
        "i1",
        "%a = and i8 %x, C\n %r = icmp PRED i8 %a, D",
    ),
    (
        "compare of a shift",
        "i1",
        "%a = lshr i8 %x, SHIFT\n %r = icmp PRED i8 %a, D",
    ),
    (
        "quotient of a mask",
        "i8",
        "%a = and i8 %x, C\n %r = sdiv i8 %a, ODD",
    ),
    (
        "remainder of a mask",
        "i8",
        "%a = and i8 %x, C\n %r = srem i8 %a, ODD",
    ),
    (
        "shift of a mask",
        "i8",
        "%a = and i8 %x, C\n %r = ashr i8 %a, SHIFT",
    ),
    (
        "sign of a mask",
        "i32",
        "%a = and i8 %x, C\n %r = sext i8 %a to i32",
    ),
    (
        "cut and widened",
        "i8",
        "%t = trunc i8 %x to i3\n %z = zext i3 %t to i8\n %r = add i8 %z, C",
    ),
    (
        "shifted there and back",
        "i32",
        "%w = zext i8 %x to i32\n %m = mul i32 %w, 257\n %a = shl i32 %m, 24\n %r = ashr i32 %a, 24",
    ),
    (
        "chosen twice",
        "i8",
        "%c = icmp PRED i8 %x, C\n %s = select i1 %c, i8 %x, %x\n %r = xor i8 %s, D",
    ),
    (
        "to an address and back",
        "i32",
        "%w = sext i8 %x to i32\n %p = inttoptr i32 %w to ptr\n %q = ptradd %p, C\n \
         %n = ptrtoint ptr %q to i32\n %i = inttoptr i32 %n to ptr\n %r = ptrtoint ptr %i to i32",
    ),
];

const PREDS: [&str; 10] = [
    "eq", "ne", "ugt", "uge", "ult", "ule", "sgt", "sge", "slt", "sle",
];
const CONSTANTS: [u8; 4] = [1, 7, 0x80, 0xf0];

/// Whether the pass changed the function; what it computes must be the same.
fn changed(name: &str, source: &str) -> bool {
    let before = text::parse(source).unwrap_or_else(|error| panic!("{name}: {error}: {source}"));
    let after = simplified(&before);
    let text_of = |module| text::module_text(module).to_string();
    if text_of(&before) == text_of(&after) {
        return false;
    }
    for x in 0..256 {
        assert_eq!(
            run(&after, &[x]),
            run(&before, &[x]),
            "{name}, {x}: {source}"
        );
    }
    true
}

#[test]
fn what_is_no_rule_holds_for_all_bytes() {
    for &(name, ret, operations) in FUNCTIONS {
        let mut any = false;
        for (number, c) in CONSTANTS.into_iter().enumerate() {
            let two = operations.contains(" D") || operations.contains("ODD");
            for d in CONSTANTS.into_iter().take(if two { 4 } else { 1 }) {
                let preds = if operations.contains("PRED") {
                    &PREDS[..]
                } else {
                    &PREDS[..1]
                };
                for pred in preds {
                    let lines: String = operations
                        .replace("PRED", pred)
                        .replace("SHIFT", &(2 * number + 1).to_string())
                        .replace("ODD", &(d | 1).cast_signed().to_string())
                        .replace(" C", &format!(" {}", c.cast_signed()))
                        .replace(" D", &format!(" {}", d.cast_signed()));
                    let source =
                        format!("define {ret} @f(i8 %x) {{\na:\n {lines}\n  ret {ret} %r\n}}");
                    any |= changed(name, &source);
                }
            }
        }
        assert!(any, "the pass never does anything: {name}");
    }
}

#[test]
fn branches_on_the_opposite_lead_to_the_same_blocks() {
    for pred in PREDS {
        let source = format!(
            "define i8 @f(i8 %x) {{\na:\n  %c = icmp {pred} i8 %x, 5\n  %n = xor i1 %c, true\n  \
             condbr %n, b, d\nb:\n  ret i8 1\nd:\n  ret i8 2\n}}"
        );
        assert!(changed(pred, &source));
    }
}
