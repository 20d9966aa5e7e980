//! Bit-field instructions: against the processor's own, and bit by bit as the manual says it.

use alloc::string::String;
use alloc::vec::Vec;

use ir::interp::{Val, run};

use super::clang::{assemble, bitcode, native};
use super::{FUEL, computes};
use crate::load;

/// Every instruction with operands that a small generator makes, dense and sparse masks among them,
/// and constant ones.
const SOURCE: &str = "#include <immintrin.h>\n\
    static unsigned state; static unsigned next(void) { state = state * 1664525u + 1013904223u; return state ^ state >> 15; }\n\
    __attribute__((target(\"bmi,bmi2\"))) unsigned test(int n) {\n\
      state = (unsigned)n * 2654435761u; unsigned hash = 0;\n\
      for (int i = 0; i < 60; i++) {\n\
        unsigned x = next(), m = next();\n\
        if (i % 3 == 1) m &= next() & next(); if (i % 3 == 2) m |= next() | next();\n\
        if (i == 30) m = 0; if (i == 31) m = ~0u;\n\
        hash = hash * 31 + _bzhi_u32(x, m); hash = hash * 31 + _bzhi_u32(x, i);\n\
        hash = hash * 31 + _bextr_u32(x, m & 63, i % 40); hash = hash * 31 + __bextr_u32(x, m);\n\
        hash = hash * 31 + _pext_u32(x, m); hash = hash * 31 + _pdep_u32(x, m);\n\
        hash = hash * 31 + _pdep_u32(x, 0x0F0F00FF) + _pext_u32(x, 0x80000001) + _bzhi_u32(x, 12);\n\
      }\n\
      return hash; }\n";

#[test]
fn bit_fields_are_what_the_processor_makes_of_them() {
    const COUNT: u32 = 8;
    if !std::is_x86_feature_detected!("bmi2") {
        std::eprintln!("the processor has no BMI2: not compared with it");
        return;
    }
    let Some(expected) = native(SOURCE, COUNT) else {
        return;
    };
    for flags in [&["-O0", "-mbmi2"][..], &["-O3", "-march=x86-64-v3"]] {
        let Some(file) = bitcode(SOURCE, flags) else {
            return;
        };
        let what = std::format!("{flags:?}");
        computes(&what, &file, FUEL, (0..).zip(expected.iter().copied()));
    }
}

/// What an instruction gives, bit by bit.
fn reference(name: &str, width: u32, x: u64, y: u64) -> u64 {
    let bit = |value: u64, at: u64| {
        if at < u64::from(width) {
            value >> at & 1
        } else {
            0
        }
    };
    let places = (0..u64::from(width)).filter(|at| bit(y, *at) == 1);
    let field = |start: u64, len: u64| {
        (0..len.min(64)).fold(0, |sum, at| sum | bit(x, start.wrapping_add(at)) << at)
    };
    match name {
        "bzhi" => field(0, y & 0xFF),
        "bextr" => field(y & 0xFF, y >> 8 & 0xFF),
        "pext" => (0..)
            .zip(places)
            .fold(0, |sum, (to, from)| sum | bit(x, from) << to),
        _ => (0..)
            .zip(places)
            .fold(0, |sum, (from, to)| sum | bit(x, from) << to),
    }
}

#[test]
fn bit_fields_of_both_widths_are_what_the_manual_says() {
    const WORDS: [u64; 9] = [
        0,
        1,
        u64::MAX,
        0x8000_0000_8000_0001,
        0x0123_4567_89AB_CDEF,
        0xF0F0_0FF0_AAAA_5555,
        0x1040,
        0x203F,
        0xFFFF_0000_0000_3F05,
    ];
    for name in ["bzhi", "bextr", "pext", "pdep"] {
        for width in [32, 64] {
            let source = std::format!(
                "declare i{width} @llvm.x86.bmi.{name}.{width}(i{width}, i{width})\n\
                 define i{width} @test(i{width} %x, i{width} %y) {{\n\
                   %r = call i{width} @llvm.x86.bmi.{name}.{width}(i{width} %x, i{width} %y)\n\
                   ret i{width} %r\n}}"
            );
            let Some(file) = assemble(&source) else {
                return;
            };
            let module = load::module(&file).unwrap_or_else(|error| panic!("{error}: {source}"));
            let test = module.func_by_name("test").unwrap();
            let low = |word: u64| {
                if width == 32 {
                    word & 0xFFFF_FFFF
                } else {
                    word
                }
            };
            let pairs = WORDS
                .iter()
                .flat_map(|x| WORDS.iter().map(move |y| (*x, *y)));
            let wrong: Vec<String> = pairs
                .filter_map(|(x, y)| {
                    let (x, y) = (low(x), low(y));
                    let args = [Val::Bits(u128::from(x)), Val::Bits(u128::from(y))];
                    let result = run(&module, test, &args, 10_000);
                    let expected = Ok(Val::Bits(u128::from(reference(name, width, x, y))));
                    (result != expected).then(|| {
                        std::format!("{name}.{width}({x:#x}, {y:#x}): {result:?}, not {expected:?}")
                    })
                })
                .collect();
            assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        }
    }
}
