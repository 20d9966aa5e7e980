//! Products and quotients by many constants, against the interpreter.

use crate::tier::opt::pipeline::{self, Options};
use alloc::format;
use alloc::vec::Vec;
use ir::interp::{self, FaultKind, Val};
use ir::random::Random;
use ir::{FuncId, Module, Op, text};

/// `@f(x) = x op c`, before and after the pass.
fn both(name: &str, width: u32, c: i64) -> (Module, Module) {
    let source = format!(
        "define i{width} @f(i{width} %x) {{\na:\n  %r = {name} i{width} %x, {c}\n  ret i{width} %r\n}}"
    );
    let before = text::parse(&source).unwrap_or_else(|error| panic!("{error}: {source}"));
    let options = Options {
        passes: &[("strength", super::run)],
        ..Options::default()
    };
    let outcome = pipeline::run(&before, FuncId(0), options, &mut || 0).unwrap();
    let mut after = before.clone();
    after.funcs[0].body = Some(outcome.optimised.body);
    (before, after)
}

fn run(module: &Module, x: u64) -> Result<u64, FaultKind> {
    let result = interp::run(module, FuncId(0), &[Val::from(x)], 100);
    result.map(|value| value.bits() as u64)
}

/// Numbers near powers of two, near multiples of `c`, and any.
fn dividends(width: u32, c: i64, random: &mut Random) -> Vec<u64> {
    let mut list: Vec<u64> = (0..width).map(|bit| 1 << bit).collect();
    let c = c.cast_unsigned();
    list.extend((0..8).map(|_| c.wrapping_mul(random.bits() >> random.below(60))));
    list.extend([c, c.wrapping_mul(2), 0, u64::MAX / 2]);
    let near = list
        .iter()
        .flat_map(|&x| [x.wrapping_sub(1), x, x.wrapping_add(1), !x]);
    let mut list: Vec<u64> = near.collect();
    list.extend((0..8).map(|_| random.bits()));
    let mask = u64::MAX >> (64 - width);
    list.iter_mut().for_each(|x| *x &= mask);
    list.sort_unstable();
    list.dedup();
    list
}

/// Small constants, neighbours of powers of two, and any, as numbers of the width.
fn constants(width: u32, random: &mut Random) -> Vec<i64> {
    let unused = 64 - width;
    let cut = |c: i64| c << unused >> unused;
    let mut list: Vec<i64> = (-12..=40).collect();
    list.extend([
        60,
        100,
        127,
        255,
        641,
        1000,
        3600,
        10_000,
        86_400,
        1_000_000_007,
    ]);
    for bit in 0..width - 1 {
        let power = 1i64 << bit;
        list.extend([power - 1, power, power + 1, -power]);
    }
    list.extend((0..40).map(|_| random.bits().cast_signed() >> random.below(60)));
    list.iter_mut().for_each(|c| *c = cut(*c));
    list.sort_unstable();
    list.dedup();
    list
}

#[test]
fn every_reduction_gives_the_same_number_or_fault() {
    let mut random = Random::new(5);
    for width in [1, 7, 8, 16, 32, 33, 64] {
        for c in constants(width, &mut random) {
            for name in ["mul", "udiv", "sdiv", "urem", "srem"] {
                let (before, after) = both(name, width, c);
                let list = dividends(width, c, &mut random);
                let step = if width == 32 { 5 } else { 29 };
                for &x in list.iter().step_by(step) {
                    let (expected, actual) = (run(&before, x), run(&after, x));
                    assert_eq!(actual, expected, "{name} i{width} {x:#x}, {c}");
                }
            }
        }
    }
}

#[test]
fn no_division_by_a_constant_is_left() {
    for width in [8, 16, 32, 64] {
        no_division_is_left(width);
    }
}

fn no_division_is_left(width: u32) {
    let mut random = Random::new(6);
    for c in constants(width, &mut random) {
        for name in ["udiv", "sdiv", "urem", "srem"] {
            let (_, after) = both(name, width, c);
            let body = after.funcs[0].body.as_ref().unwrap();
            let divides = |op| matches!(op, Op::UDiv | Op::SDiv | Op::URem | Op::SRem);
            let left = body.insts.iter().any(|inst| divides(inst.op));
            // What can fault, and what is simpler than this (a shift, a comparison) is not ours.
            let unsigned = c.cast_unsigned() & (u64::MAX >> (64 - width));
            let ours = match name {
                "udiv" | "urem" => unsigned > 1 && !unsigned.is_power_of_two(),
                _ => !matches!(c, -1..=1) && c != i64::MIN >> (64 - width),
            };
            assert_eq!(left, !ours, "{name} by {c}");
        }
    }
}
