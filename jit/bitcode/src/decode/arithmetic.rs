//! Records that compute: binary operators, conversions, comparisons, select.
//!
//! Layouts are written as `[operand, …]`; "type if forward" stands only after an operand that refers
//! to a value not yet defined, and `?` marks what may be missing.

use super::{Decoded, Record};
use crate::error::Result;
use crate::inst::{Event, Inst};
use crate::opcode::{BinOp, CastOp, Predicate};

impl Record<'_> {
    /// [lhs, type if forward, rhs, operator, flags?]
    ///
    /// The operator does not say whether it is for integers or floats; the type of `lhs` does. The
    /// writer leaves the flags out when none is set, here as in the records below.
    #[inline(always)]
    pub(super) fn binary<'r, R>(mut self, each: impl FnOnce(Event<'r>) -> R) -> Result<R> {
        let (lhs, rhs) = (self.pair()?, self.value()?);
        let op = BinOp::from_code(self.ops.next()?);
        let op = op.ok_or_else(|| self.ops.malformed("binary operator"))?;
        let flags = self.flags()?;
        self.result(
            Inst::Binary {
                op,
                lhs,
                rhs,
                flags,
            },
            each,
        )
    }

    /// [value, type if forward, result type, operator, flags?]
    #[inline(always)]
    pub(super) fn cast<'r, R>(mut self, each: impl FnOnce(Event<'r>) -> R) -> Result<R> {
        let (value, ty) = (self.pair()?, self.ty()?);
        let op = CastOp::from_code(self.ops.next()?);
        let op = op.ok_or_else(|| self.ops.malformed("cast operator"))?;
        let flags = self.flags()?;
        self.result(
            Inst::Cast {
                op,
                value,
                ty,
                flags,
            },
            each,
        )
    }

    /// [lhs, type if forward, rhs, predicate, flags?]
    #[inline(always)]
    pub(super) fn compare<'r, R>(mut self, each: impl FnOnce(Event<'r>) -> R) -> Result<R> {
        let (lhs, rhs) = (self.pair()?, self.value()?);
        let pred = Predicate::from_code(self.ops.next()?);
        let pred = pred.ok_or_else(|| self.ops.malformed("predicate"))?;
        let flags = self.flags()?;
        self.result(
            Inst::Compare {
                pred,
                lhs,
                rhs,
                flags,
            },
            each,
        )
    }

    /// [value if set, type if forward, value if not, condition, type if forward, flags?]
    ///
    /// The condition comes last and carries a type of its own, since it may be a vector of bits.
    pub(super) fn select<'r>(&mut self) -> Decoded<'r> {
        let (if_true, if_false) = (self.pair()?, self.value()?);
        let cond = self.pair()?;
        let flags = self.flags()?;
        Ok((
            Inst::Select {
                cond,
                if_true,
                if_false,
                flags,
            },
            true,
        ))
    }
}
