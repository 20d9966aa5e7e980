//! Truth values in the CPU's flags: what both code generators know of comparisons.
//!
//! After `cmp a, b` one condition tells every order of integers (SDM vol. 1, appendix B). After
//! `ucomis a, b` unordered sets Z, P and C, less sets C, equal sets Z (SDM vol. 2, UCOMISD): some orders take
//! two conditions, and "less" is asked as "greater" of swapped operands, because C alone is also set
//! for unordered.

use asm::{CodeBuffer, Cond, Label};
use ir::{FloatPred, IntPred};

/// How a truth value is read from the flags.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Test {
    /// A condition.
    One(Cond),
    /// Both conditions.
    Both(Cond, Cond),
    /// At least one of the conditions.
    Either(Cond, Cond),
}

impl Test {
    /// True exactly when this is false.
    pub(super) fn invert(self) -> Self {
        match self {
            Self::One(cond) => Self::One(cond.invert()),
            Self::Both(a, b) => Self::Either(a.invert(), b.invert()),
            Self::Either(a, b) => Self::Both(a.invert(), b.invert()),
        }
    }

    /// Jumps to `past`, which is near, unless the test holds.
    pub(super) fn skip_unless(self, asm: &mut CodeBuffer, past: Label) {
        match self.invert() {
            Self::One(cond) => asm.jcc_short(cond, past),
            Self::Either(a, b) => {
                asm.jcc_short(a, past);
                asm.jcc_short(b, past);
            }
            Self::Both(a, b) => {
                let holds = asm.label();
                asm.jcc_short(a.invert(), holds);
                asm.jcc_short(b, past);
                asm.bind(holds);
            }
        }
    }
}

/// A truth value that has been put into the flags, or is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Truth {
    /// Read it so.
    Test(Test),
    /// No flags are needed, and none were set.
    Known(bool),
}

impl Truth {
    /// True exactly when this is false.
    pub(super) fn invert(self) -> Self {
        match self {
            Self::Test(test) => Self::Test(test.invert()),
            Self::Known(known) => Self::Known(!known),
        }
    }
}

/// The condition that `pred` is after `cmp`.
pub(super) fn int_condition(pred: IntPred) -> Cond {
    match pred {
        IntPred::Eq => Cond::E,
        IntPred::Ne => Cond::Ne,
        IntPred::Ugt => Cond::A,
        IntPred::Uge => Cond::Ae,
        IntPred::Ult => Cond::B,
        IntPred::Ule => Cond::Be,
        IntPred::Sgt => Cond::G,
        IntPred::Sge => Cond::Ge,
        IntPred::Slt => Cond::L,
        IntPred::Sle => Cond::Le,
    }
}

/// What `pred` is after `ucomis`, and whether the operands are to be swapped for it.
pub(super) fn float_truth(pred: FloatPred) -> (bool, Truth) {
    let (swap, number) = match pred.0 {
        // olt, ole become ogt, oge; ugt, uge become ult, ule.
        4 => (true, 2),
        5 => (true, 3),
        10 => (true, 12),
        11 => (true, 13),
        number => (false, number),
    };
    let test = match number {
        0 | 15 => return (false, Truth::Known(number == 15)),
        1 => Test::Both(Cond::E, Cond::Np),
        2 => Test::One(Cond::A),
        3 => Test::One(Cond::Ae),
        6 => Test::One(Cond::Ne),
        7 => Test::One(Cond::Np),
        8 => Test::One(Cond::P),
        9 => Test::One(Cond::E),
        12 => Test::One(Cond::B),
        13 => Test::One(Cond::Be),
        _ => Test::Either(Cond::Ne, Cond::P),
    };
    (swap, Truth::Test(test))
}
