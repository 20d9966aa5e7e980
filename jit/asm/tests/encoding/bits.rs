//! Bit counting, testing, byte order, BMI1 and BMI2.

use asm::{BitCount, BitTest, Bmi, Gpr, ShiftX, Size};

use crate::integer::{check_one, check_pair, few_memory, few_places, mem};
use crate::judge::{Judge, Want, gpr};

const WIDE: [Size; 3] = [Size::B16, Size::B32, Size::B64];
const LARGE: [Size; 2] = [Size::B32, Size::B64];

fn lower(op: impl core::fmt::Debug) -> String {
    format!("{op:?}").to_lowercase()
}

#[test]
fn counts_and_scans() {
    for op in BitCount::ALL {
        check_pair(
            &lower(op),
            &WIDE,
            &few_places(),
            false,
            |buf, size, reg, rm| {
                buf.bit_count(op, size, reg, rm);
            },
        );
    }
}

#[test]
fn single_bit_tests() {
    for op in BitTest::ALL {
        check_pair(
            &lower(op),
            &WIDE,
            &few_places(),
            true,
            |buf, size, reg, rm| {
                buf.bit_test(op, size, rm, reg);
            },
        );
        let want = |_| vec![Want::Imm(13, 8)];
        check_one(&lower(op), &WIDE, &few_places(), want, |buf, size, rm| {
            buf.bit_test_i(op, size, rm, 13);
        });
    }
}

#[test]
fn byte_order() {
    let mut judge = Judge::new();
    for (size, dst) in LARGE.into_iter().flat_map(|s| Gpr::ALL.map(|dst| (s, dst))) {
        let wants = [Want::Reg(gpr(dst, size))];
        judge.check_plain("bswap", &wants, |buf| buf.bswap(size, dst));
    }
    check_pair(
        "movbe",
        &WIDE,
        &few_memory(),
        false,
        |buf, size, reg, rm| {
            buf.movbe(size, reg, mem(rm));
        },
    );
    check_pair("movbe", &WIDE, &few_memory(), true, |buf, size, reg, rm| {
        buf.movbe_mr(size, mem(rm), reg);
    });
}

#[test]
fn lowest_one() {
    for op in Bmi::ALL {
        check_pair(
            &lower(op),
            &LARGE,
            &few_places(),
            false,
            |buf, size, reg, rm| {
                buf.bmi(op, size, reg, rm);
            },
        );
    }
}

/// The three-operand forms: all combinations of two registers, the third taking turns.
#[test]
fn three_operand_forms() {
    let mut judge = Judge::new();
    for place in few_places() {
        for (size, a) in LARGE.into_iter().flat_map(|s| Gpr::ALL.map(|a| (s, a))) {
            let b = Gpr::new(a.number().wrapping_mul(7) + 3);
            let rm = place.want(|r| gpr(r, size), size.bytes() as usize);
            let (first, second) = (Want::Reg(gpr(a, size)), Want::Reg(gpr(b, size)));
            let wants = [first, second, rm];
            judge.check("andn", place, &wants, |buf, rm| buf.andn(size, a, b, rm));
            judge.check("mulx", place, &wants, |buf, rm| buf.mulx(size, a, b, rm));
            for op in ShiftX::ALL {
                let wants = [first, rm, second];
                judge.check(&lower(op), place, &wants, |buf, rm| {
                    buf.shiftx(op, size, a, rm, b);
                });
            }
            let wants = [first, rm, Want::Imm(11, 8)];
            judge.check("rorx", place, &wants, |buf, rm| buf.rorx(size, a, rm, 11));
        }
    }
}
