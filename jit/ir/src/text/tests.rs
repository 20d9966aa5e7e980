//! Round trips of text that uses everything, and errors with their places.

use super::*;
use crate::verify;
use alloc::format;
use alloc::string::{String, ToString};

/// One of every operation, flag and kind of constant, as the printer writes it.
const EVERYTHING: &str = include_str!("everything.bfir");

fn printed(source: &str) -> String {
    match parse(source) {
        Ok(module) => module_text(&module).to_string(),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn printed_text_is_a_fixed_point() {
    let text = printed(EVERYTHING);
    for (printed, original) in text.lines().zip(EVERYTHING.lines()) {
        assert_eq!(printed, original);
    }
    assert_eq!(text.len(), EVERYTHING.len());
}

#[test]
fn the_text_with_everything_is_valid() {
    let module = parse(EVERYTHING).unwrap();
    if let Err(error) = verify::module(&module) {
        panic!("{error}");
    }
}

#[test]
fn every_operation_occurs_in_it() {
    for (_, name) in words::OPS {
        let found = EVERYTHING.split_whitespace().any(|word| word == name);
        assert!(found, "{name}");
    }
    for which in crate::Intrinsic::ALL {
        let call = format!(" {} ", which.name());
        assert!(EVERYTHING.contains(&call), "{call}");
    }
}

#[test]
fn names_written_by_hand_become_numbers() {
    let source = "define i32 @f(i32 %n) {
        start:
          br loop
        loop:
          %i = phi i32 [0, start], [%next, loop]
          %next = add i32 %i, 1
          %more = icmp ult i32 %next, %n
          condbr %more, loop, done
        done:
          ret i32 %next
        }";
    let text = printed(source);
    assert!(
        text.contains("  %1 = phi i32 [0, bb0], [%2, bb1]\n"),
        "{text}"
    );
    assert_eq!(printed(&text), text);
}

#[test]
fn equal_names_are_told_apart() {
    let source = "\
global @x!g0 = size 4 align 4
global @x!g1 = size 4 align 4 init \"\\00\\00\\00\\00\" reloc 0 + @x!g0
declare void @\"a b\"()
declare void @\"\"()
";
    assert_eq!(printed(source), source);
}

#[test]
fn errors_name_line_and_column() {
    for (source, expected) in [
        (
            "define i32 @f() {\nbb0:\n  ret i33 %x\n}",
            "3:11: nothing has this name",
        ),
        (
            "define i32 @f() {\nbb0:\n  jump bb1\n}",
            "3:3: expected an operation",
        ),
        (
            "define i32 @f() {\nbb0:\n  br bb1\n}",
            "3:6: expected the label of a block",
        ),
        ("define i32 @f() {\n", "2:1: the body has no end"),
        ("declare i32 @f() x", "1:18: expected the end of the line"),
        (
            "declare i32 @f()\ndeclare i32 @f()",
            "2:13: this name is taken",
        ),
        (
            "type %t0 = [3 x void]",
            "1:22: an element of the type has no size",
        ),
        (
            "global @g = size 4 align 3",
            "1:26: expected a power of two",
        ),
        (
            "global @g = size 4 align 4 init \"a",
            "1:33: a string without end",
        ),
        ("define void @f() {\nret\n}", "2:1: expected a label first"),
        (
            "define i8 @f() {\na:\n  ret i8 256\n}",
            "3:10: this number is not a value of its type",
        ),
        (
            "define void @f() {\na:\n  %x = br a\n}",
            "3:3: this instruction has no result",
        ),
        ("é", "1:1: a character that is not ASCII"),
    ] {
        let error = parse(source).unwrap_err();
        assert_eq!(error.to_string(), expected, "{source}");
    }
}

#[test]
fn deep_nesting_is_an_error_and_no_overflow() {
    let deep = "[1 x ".repeat(100_000);
    let error = parse(&format!("type %t0 = {deep}")).unwrap_err();
    assert_eq!(error.what, "types nest too deep");
}

#[test]
fn types_that_grow_without_bound_print_in_short() {
    // Written out, the last would be 2^40 names long.
    let mut source = String::from("type %t0 = {i8, i16, i8, i16, i8, i16, i8, i16}\n");
    for at in 1..20 {
        let before = at - 1;
        source += &format!("type %t{at} = {{%t{before}, %t{before}}}\n");
    }
    assert_eq!(printed(&source), source);
}

#[test]
fn no_damage_to_text_makes_it_panic() {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut below = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as usize % bound
    };
    let original = EVERYTHING.as_bytes();
    let mut parsed = 0;
    for _ in 0..3000 {
        let mut bytes = original.to_vec();
        for _ in 0..=below(4) {
            let at = below(bytes.len());
            match below(4) {
                0 => {
                    bytes.remove(at);
                }
                1 => bytes[at] = b' ' + below(95) as u8,
                2 => {
                    let from = below(original.len());
                    let len = below(20).min(original.len() - from);
                    bytes.splice(at..at, original[from..from + len].iter().copied());
                }
                _ => bytes.truncate(bytes.len() - below(50)),
            }
        }
        let source = String::from_utf8(bytes).unwrap();
        if let Ok(module) = parse(&source) {
            parsed += 1;
            // What is valid must survive the round trip.
            if verify::module(&module).is_ok() {
                let text = module_text(&module).to_string();
                assert_eq!(printed(&text), text);
            }
        }
    }
    assert!(parsed > 50, "{parsed}");
}
