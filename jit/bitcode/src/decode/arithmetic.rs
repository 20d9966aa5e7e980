//! Records that compute: binary operators, conversions, comparisons, select.

use super::{Decoded, Record};
use crate::inst::Inst;
use crate::opcode::{BinOp, CastOp, Predicate};

impl Record<'_> {
    pub(super) fn binary<'r>(mut self) -> Decoded<'r> {
        let (lhs, rhs) = (self.pair()?, self.value()?);
        let op = BinOp::from_code(self.ops.next()?);
        let op = op.ok_or_else(|| self.ops.malformed("binary operator"))?;
        let flags = self.flags()?;
        self.result(Inst::Binary {
            op,
            lhs,
            rhs,
            flags,
        })
    }

    pub(super) fn cast<'r>(mut self) -> Decoded<'r> {
        let (value, ty) = (self.pair()?, self.ty()?);
        let op = CastOp::from_code(self.ops.next()?);
        let op = op.ok_or_else(|| self.ops.malformed("cast operator"))?;
        let flags = self.flags()?;
        self.result(Inst::Cast {
            op,
            value,
            ty,
            flags,
        })
    }

    pub(super) fn compare<'r>(mut self) -> Decoded<'r> {
        let (lhs, rhs) = (self.pair()?, self.value()?);
        let pred = Predicate::from_code(self.ops.next()?);
        let pred = pred.ok_or_else(|| self.ops.malformed("predicate"))?;
        let flags = self.flags()?;
        self.result(Inst::Compare {
            pred,
            lhs,
            rhs,
            flags,
        })
    }

    pub(super) fn select<'r>(mut self) -> Decoded<'r> {
        let (if_true, if_false) = (self.pair()?, self.value()?);
        let cond = self.pair()?;
        let flags = self.flags()?;
        self.result(Inst::Select {
            cond,
            if_true,
            if_false,
            flags,
        })
    }
}
