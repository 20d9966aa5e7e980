//! Vectors divided by constants, against Rust's own division.

use super::{cpus, legalised};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use ir::interp::{self, Val};
use ir::random::Random;
use ir::{FuncId, Op, text};

const OPS: [&str; 4] = ["udiv", "sdiv", "urem", "srem"];

/// `x op c` as numbers of `width` bits, less than 32; `None` where that faults: the lowest by -1 does not.
fn expected(op: &str, width: u32, x: u64, c: u64) -> Option<u64> {
    let unused = 64 - width;
    let signed = |n: u64| (n << unused).cast_signed() >> unused;
    let result = match op {
        "udiv" => x.checked_div(c)?,
        "urem" => x.checked_rem(c)?,
        "sdiv" => signed(x).checked_div(signed(c))?.cast_unsigned(),
        _ => signed(x).checked_rem(signed(c))?.cast_unsigned(),
    };
    Some(result & (u64::MAX >> unused))
}

/// A function for each operation and constant: 64 bits of lanes of `width` by the constant.
fn source(width: u32, constants: &[u64]) -> String {
    let lanes = 64 / width;
    let mut all = String::new();
    for op in OPS {
        for (at, c) in constants.iter().enumerate() {
            let list = (0..lanes)
                .map(|_| format!("{c}"))
                .collect::<Vec<_>>()
                .join(", ");
            all += &format!(
                "define i64 @{op}{at}(i64 %x) {{\na:\n  %v = bitcast i64 %x to <{lanes} x i{width}>\n  \
                 %q = {op} <{lanes} x i{width}> %v, <{list}>\n  \
                 %r = bitcast <{lanes} x i{width}> %q to i64\n  ret i64 %r\n}}\n"
            );
        }
    }
    all
}

/// `numbers`, as many in 64 bits as there are lanes.
fn packed(width: u32, numbers: &[u64]) -> impl Iterator<Item = u64> {
    let chunks = numbers.chunks((64 / width) as usize);
    chunks.map(move |chunk| {
        let places = chunk.iter().zip(0..);
        places.fold(0, |all, (n, at)| all | n << (at * width))
    })
}

fn check(width: u32, constants: &[u64], numbers: &[u64]) {
    let module = text::parse(&source(width, constants)).unwrap();
    for cpu in [cpus()[0], cpus()[3]] {
        let legal = legalised(&module, cpu);
        let pairs = OPS
            .iter()
            .flat_map(|op| constants.iter().map(move |&c| (*op, c)));
        for (func, (op, c)) in (0..).zip(pairs) {
            for x in packed(width, numbers) {
                let mask = u64::MAX >> (64 - width);
                let lanes = (0..64 / width).map(|at| x >> (at * width) & mask);
                let each: Option<Vec<u64>> = lanes.map(|x| expected(op, width, x, c)).collect();
                let wanted = each.map(|each| packed(width, &each).next());
                let result = interp::run(&legal, FuncId(func), &[Val::from(x)], 10_000);
                let result = result.ok().map(|value| Some(value.bits() as u64));
                assert_eq!(result, wanted, "{op} i{width} {x:#x}, {c}");
            }
        }
    }
}

#[test]
fn bytes_divided_by_every_constant_are_right() {
    let all: Vec<u64> = (0..256).collect();
    check(8, &all, &all);
}

#[test]
fn words_divided_by_constants_are_right() {
    let mut random = Random::new(11);
    let mut constants: Vec<u64> = (1..20).chain([60, 100, 641, 1000, 10_000]).collect();
    constants.extend((0..16).flat_map(|bit| [(1u64 << bit) - 1, 1 << bit, (1 << bit) + 1]));
    let opposite: Vec<u64> = constants
        .iter()
        .map(|c| c.wrapping_neg() & 0xffff)
        .collect();
    constants.extend(opposite);
    constants.extend((0..20).map(|_| random.bits() & 0xffff));
    let mut numbers = constants.clone();
    numbers.extend((0..60).map(|_| random.bits() & 0xffff));
    check(16, &constants, &numbers);
}

#[test]
fn a_vector_is_divided_without_a_division() {
    let module = text::parse(&source(16, &[12, 7, 0xfff4])).unwrap();
    let legal = legalised(&module, cpus()[3]);
    let bodies = legal.funcs.iter().filter_map(|func| func.body.as_ref());
    let divides = |op| matches!(op, Op::UDiv | Op::SDiv | Op::URem | Op::SRem);
    let mut insts = bodies.flat_map(|body| &body.insts);
    assert!(insts.all(|inst| !divides(inst.op)));
}
