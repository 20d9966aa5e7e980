//! Records that say where control goes: calls, phis, terminators.
//!
//! Blocks are numbers from 0 in the order of the body. Which block an instruction is in is not
//! stored: a block ends with its terminator.

use super::{Decoded, Lists, Record};
use crate::error::Result;
use crate::inst::{CallFlags, Event, Inst, ValueId};
use crate::types::Type;

impl Record<'_> {
    /// [] or [value, type if forward]
    pub(super) fn ret<'r>(&mut self) -> Decoded<'r> {
        let value = if self.ops.is_empty() {
            None
        } else {
            Some(self.pair()?)
        };
        Ok((Inst::Ret(value), false))
    }

    /// [attributes + 1, bits, fast-math flags if bit 17, function type if bit 15, callee, type if forward,
    /// arguments…]
    ///
    /// Bits: 0 `tail`, 1 to 10 the calling convention, 14 `musttail`, 16 `notail`. Arguments of named
    /// parameters have the parameters' types; those of a variadic tail are pairs, which always carry
    /// a type when they refer forward. The function type is the call's own: it need not be the callee's.
    #[inline(always)]
    pub(super) fn call<'r, R>(
        mut self,
        lists: &'r mut Lists,
        each: impl FnOnce(Event<'r>) -> R,
    ) -> Result<R> {
        let attributes = self.ops.next_index()?;
        let bits = self.ops.next_u32()?;
        let fast_math = if bits >> 17 & 1 == 1 {
            self.ops.next_u32()?
        } else {
            0
        };
        if bits >> 15 & 1 == 0 {
            return Err(self.ops.unsupported("call without a function type"));
        }
        let ty = self.ty()?;
        let types = self.module.types();
        let Type::Function {
            variadic,
            result,
            params,
        } = types.get(ty)
        else {
            return Err(self
                .ops
                .malformed("call with a type that is no function type"));
        };
        let callee = self.pair()?;
        lists.values.clear();
        for param in types.list(params) {
            let arg = self.argument(*param)?;
            lists.values.push(arg);
        }
        if *variadic {
            while !self.ops.is_empty() {
                let arg = self.pair()?;
                lists.values.push(arg);
            }
        }
        let flags = CallFlags {
            conv: bits >> 1 & 0x3FF,
            tail: bits & 1 == 1,
            must_tail: bits >> 14 & 1 == 1,
            no_tail: bits >> 16 & 1 == 1,
            fast_math,
        };
        let inst = Inst::Call {
            callee,
            ty,
            args: &lists.values,
            attributes,
            flags,
        };
        if types.is_void(*result) {
            self.effect(inst, each)
        } else {
            self.result(inst, each)
        }
    }

    /// [type, (value, block)…, fast-math flags?]
    ///
    /// Values of loops refer forward, so the distance is a signed number here; everywhere else a forward
    /// reference is a huge unsigned one. An even number of operands means that flags are present.
    #[inline(always)]
    pub(super) fn phi<'r, R>(
        mut self,
        lists: &'r mut Lists,
        each: impl FnOnce(Event<'r>) -> R,
    ) -> Result<R> {
        let ty = self.ty()?;
        // Pairs, then fast-math bits if any are set.
        let flags = if self.ops.len() & 1 == 1 {
            self.ops.pop_last().unwrap_or(0)
        } else {
            0
        };
        let flags = u32::try_from(flags).map_err(|_| self.ops.malformed("flags"))?;
        lists.edges.clear();
        lists.edges.reserve(self.ops.len() / 2);
        while !self.ops.is_empty() {
            let value = self.signed_value()?;
            let block = self.ops.next_u32()?;
            if block >= self.bounds.blocks {
                return Err(self.ops.malformed("block out of range"));
            }
            lists.edges.push((value, block));
        }
        self.result(
            Inst::Phi {
                ty,
                incoming: &lists.edges,
                flags,
            },
            each,
        )
    }

    /// [target] or [target if set, target if not, condition]
    #[inline(always)]
    pub(super) fn branch<'r, R>(mut self, each: impl FnOnce(Event<'r>) -> R) -> Result<R> {
        let if_true = self.block()?;
        if self.ops.is_empty() {
            return self.terminator(Inst::Br(if_true), false, each);
        }
        let (if_false, cond) = (self.block()?, self.value()?);
        let inst = Inst::CondBr {
            if_true,
            if_false,
            cond,
        };
        self.terminator(inst, false, each)
    }

    /// [type, value, default, (case, target)…]
    ///
    /// Cases are absolute ids of constants, which stand before all instructions.
    pub(super) fn switch<'r>(&mut self, lists: &'r mut Lists) -> Decoded<'r> {
        let (ty, value, default) = (self.ty()?, self.value()?, self.block()?);
        lists.edges.clear();
        lists.edges.reserve(self.ops.len() / 2);
        while !self.ops.is_empty() {
            let case = ValueId(self.ops.next_u32()?);
            lists.edges.push((self.earlier(case)?, self.block()?));
        }
        Ok((
            Inst::Switch {
                ty,
                value,
                default,
                cases: &lists.edges,
            },
            false,
        ))
    }

    /// [type, address, targets…]
    pub(super) fn indirect_branch<'r>(&mut self, lists: &'r mut Lists) -> Decoded<'r> {
        let (ty, address) = (self.ty()?, self.value()?);
        lists.numbers.clear();
        while !self.ops.is_empty() {
            lists.numbers.push(self.block()?);
        }
        Ok((
            Inst::IndirectBr {
                ty,
                address,
                targets: &lists.numbers,
            },
            false,
        ))
    }
}
