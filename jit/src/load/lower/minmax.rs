//! The minima and maxima of IEEE 754-2019, from comparisons.
//!
//! `minnum` is an intrinsic of the IR. The newer four order the zeros (-0 is below +0), and
//! `minimum` and `maximum` give NaN if an operand is one. Equal numbers differ at most in the sign
//! of zero, so of two equal ones the `or` of the bits is the smaller and the `and` the larger.

use bitcode::Predicate;
use ir::{Op, Value};

use crate::load::body::BodyLoader;
use crate::load::error::{LoadError, Result};

/// Which of two numbers, and what a NaN does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::load) struct MinMax {
    /// The larger one.
    pub(in crate::load) max: bool,
    /// A NaN is the result; otherwise the other operand is.
    pub(in crate::load) nan_wins: bool,
}

impl BodyLoader<'_, '_, '_> {
    /// The smaller or larger of two floats.
    pub(in crate::load) fn min_max(&mut self, which: MinMax, a: Value, b: Value) -> Result<Value> {
        let ty = self.type_of(a);
        if self.loader.module.types.scalar(ty) == ir::TypeId::X86_FP80 {
            return Err(LoadError::unsupported("minimum or maximum of x86_fp80"));
        }
        let bits = self.bits_type(ty)?;
        let (pred, join) = if which.max {
            (Predicate::FcmpOgt, Op::And)
        } else {
            (Predicate::FcmpOlt, Op::Or)
        };
        let first = self.test(pred, a, b)?;
        let chosen = self.choose(first, a, b);
        let (a_bits, b_bits) = (
            self.convert(Op::Bitcast, a, bits),
            self.convert(Op::Bitcast, b, bits),
        );
        let joined = self.binary_op(join, a_bits, b_bits);
        let joined = self.convert(Op::Bitcast, joined, ty);
        let equal = self.test(Predicate::FcmpOeq, a, b)?;
        let chosen = self.choose(equal, joined, chosen);
        if which.nan_wins {
            let nan = self.test(Predicate::FcmpUno, a, b)?;
            let sum = self.binary_op(Op::FAdd, a, b);
            return Ok(self.choose(nan, sum, chosen));
        }
        // An ordered comparison with NaN fails and chooses `b`, so only a NaN in `b` is left.
        let b_is_nan = self.test(Predicate::FcmpUno, b, b)?;
        Ok(self.choose(b_is_nan, a, chosen))
    }
}
