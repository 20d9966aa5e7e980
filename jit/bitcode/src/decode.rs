//! One function record to one instruction.
//!
//! Operand order is that of LLVM's reader (`BitcodeReader::parseFunctionBody`). Inside a function a
//! value operand is stored as the distance from the number that the next result will get, modulo
//! 2^32; one whose distance leads forward is followed by its type where the user does not imply
//! one. Every id is made absolute and bounded here: types and blocks by their tables, forward
//! references by what the rest of the body can still define.

mod arithmetic;
mod control;
mod memory;
mod operand;

use alloc::vec::Vec;

use crate::error::Result;
use crate::inst::{Attachment, Event, Inst, Value, ValueId};
use crate::module::Module;
use crate::operands::Operands;

/// Buffers that the lists of an instruction live in.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    pub(crate) values: Vec<Value>,
    edges: Vec<(ValueId, u32)>,
    pub(crate) facts: Vec<Attachment>,
    numbers: Vec<u32>,
}

/// What an operand may refer to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Number of the next result.
    pub(crate) next: u32,
    /// No value of this function has this number or a higher one.
    pub(crate) limit: u32,
    /// Highest forward reference so far, plus one.
    pub(crate) referenced: u32,
    /// Number of blocks.
    pub(crate) blocks: u32,
    /// Blocks not yet ended.
    pub(crate) blocks_left: u32,
}

/// An instruction that is not common, and whether it has a result.
type Decoded<'r> = Result<(Inst<'r>, bool)>;

/// Whether the record with this code ends a block.
#[inline]
pub(crate) fn is_terminator(code: u32) -> bool {
    matches!(code, 10..=13 | 15 | 31 | 39 | 48 | 49 | 52 | 57)
}

/// A record being decoded.
pub(crate) struct Record<'x> {
    pub(crate) ops: Operands<'x>,
    /// The whole module, so that only what the record needs of it is looked at.
    pub(crate) module: &'x Module<'x>,
    pub(crate) bounds: &'x mut Bounds,
}

impl Record<'_> {
    /// The same record, to be handed on: this one then stays in registers.
    #[inline(always)]
    pub(crate) fn again(&mut self) -> Record<'_> {
        Record {
            ops: self.ops,
            module: self.module,
            bounds: self.bounds,
        }
    }

    /// Decodes the record; `code` is one of `bitc::FunctionCodes` that are instructions (B1).
    ///
    /// Common records are decoded in arms of their own, each with a copy of `each` inside: what an
    /// instruction is made into is then known where it is decoded, and no [`Inst`] is ever stored.
    #[inline(always)]
    pub(crate) fn decode<'r, R>(
        mut self,
        code: u32,
        lists: &'r mut Lists,
        each: impl FnOnce(Event<'r>) -> R,
    ) -> Result<R> {
        match code {
            20 | 41 => self.load(code == 41, each),
            11 => self.branch(each),
            43 => self.gep(lists, each),
            44 | 45 => self.store(code == 45, each),
            9 | 28 => self.compare(each),
            34 => self.call(lists, each),
            2 => self.binary(each),
            3 => self.cast(each),
            16 => self.phi(lists, each),
            19 => self.alloca(each),
            _ => {
                let (inst, has_result) = self.again().rare(code, lists)?;
                self.ops.skip();
                if is_terminator(code) {
                    self.terminator(inst, has_result, each)
                } else if has_result {
                    self.result(inst, each)
                } else {
                    self.effect(inst, each)
                }
            }
        }
    }

    /// That there is a block which the instruction is in (B1).
    #[inline(always)]
    fn expect_block(&self) -> Result<()> {
        if self.bounds.blocks_left == 0 {
            return Err(self.ops.malformed("instruction after the last block"));
        }
        Ok(())
    }

    /// The instruction is complete and defines the next value.
    #[inline(always)]
    fn result<'r, R>(&mut self, inst: Inst<'r>, each: impl FnOnce(Event<'r>) -> R) -> Result<R> {
        self.expect_block()?;
        self.ops.finish()?;
        let id = ValueId(self.bounds.next);
        // Cannot wrap: `limit` is above what the body can define.
        self.bounds.next = id.0.wrapping_add(1);
        Ok(each(Event::Inst(inst, Some(id))))
    }

    /// The instruction is complete and defines nothing.
    #[inline(always)]
    fn effect<'r, R>(&mut self, inst: Inst<'r>, each: impl FnOnce(Event<'r>) -> R) -> Result<R> {
        self.expect_block()?;
        self.ops.finish()?;
        Ok(each(Event::Inst(inst, None)))
    }

    /// The instruction is complete and ends its block; some that are refused later have a result.
    #[inline(always)]
    fn terminator<'r, R>(
        &mut self,
        inst: Inst<'r>,
        has_result: bool,
        each: impl FnOnce(Event<'r>) -> R,
    ) -> Result<R> {
        self.expect_block()?;
        self.ops.finish()?;
        self.bounds.blocks_left = self.bounds.blocks_left.wrapping_sub(1);
        let id = ValueId(self.bounds.next);
        self.bounds.next = id.0.wrapping_add(u32::from(has_result));
        Ok(each(Event::Inst(inst, has_result.then_some(id))))
    }

    /// Records that make up a few hundredths of code; kept out of the way of the others.
    ///
    /// unreachable [], va_arg [list type, list, result type], fence [ordering, scope], fneg [value, operator,
    /// flags?], freeze [value].
    #[inline(never)]
    fn rare<'r>(mut self, code: u32, lists: &'r mut Lists) -> Decoded<'r> {
        let decoded = match code {
            10 => self.ret()?,
            12 => self.switch(lists)?,
            15 => (Inst::Unreachable, false),
            29 => self.select()?,
            6..=8 | 26 | 27 => self.parts(code, lists)?,
            23 => {
                let (list_type, list, ty) = (self.ty()?, self.value()?, self.ty()?);
                (
                    Inst::VaArg {
                        list,
                        list_type,
                        ty,
                    },
                    true,
                )
            }
            31 => self.indirect_branch(lists)?,
            36 => {
                let (ordering, scope) = (self.ordering()?, self.scope()?);
                (Inst::Fence { ordering, scope }, false)
            }
            46 => self.cmpxchg()?,
            56 => {
                let value = self.pair()?;
                if self.ops.next()? != 0 {
                    return Err(self.ops.malformed("unary operator"));
                }
                let flags = self.flags()?;
                (Inst::Neg { value, flags }, true)
            }
            58 => {
                let value = self.pair()?;
                (Inst::Freeze(value), true)
            }
            59 => self.atomic_rmw()?,
            _ => self.unusual(code)?,
        };
        self.ops.finish()?;
        Ok(decoded)
    }

    /// What takes vectors and aggregates apart or puts them together.
    ///
    /// extractelement [vector, index], insertelement [vector, element, index], shufflevector [a, b, mask],
    /// extractvalue and insertvalue [aggregate, (value), path…].
    fn parts<'r>(&mut self, code: u32, lists: &'r mut Lists) -> Decoded<'r> {
        let inst = match code {
            6 => {
                let (vector, index) = (self.pair()?, self.pair()?);
                Inst::ExtractElement { vector, index }
            }
            7 => {
                let (vector, element, index) = (self.pair()?, self.value()?, self.pair()?);
                Inst::InsertElement {
                    vector,
                    element,
                    index,
                }
            }
            8 => {
                let (a, b, mask) = (self.pair()?, self.value()?, self.pair()?);
                Inst::Shuffle { a, b, mask }
            }
            26 => {
                let aggregate = self.pair()?;
                let path = self.path(lists)?;
                Inst::ExtractValue { aggregate, path }
            }
            _ => {
                let (aggregate, value) = (self.pair()?, self.pair()?);
                let path = self.path(lists)?;
                Inst::InsertValue {
                    aggregate,
                    value,
                    path,
                }
            }
        };
        Ok((inst, true))
    }

    /// Exception handling and the like: decoded only as far as value numbering needs.
    fn unusual<'r>(&mut self, code: u32) -> Decoded<'r> {
        let (name, has_result) = match code {
            13 => {
                // [attributes, cc, normal, unwind, function type if bit 13, callee, arguments]
                let _attributes = self.ops.next()?;
                let explicit = self.ops.next()? >> 13 & 1 == 1;
                let _blocks = (self.block()?, self.block()?);
                ("invoke instruction", self.returns_value(explicit)?)
            }
            57 => {
                // [attributes, cc, default, count, targets, function type if bit 15, callee, …]
                let _attributes = self.ops.next()?;
                let explicit = self.ops.next()? >> 15 & 1 == 1;
                let _default = self.block()?;
                for _ in 0..self.ops.next()? {
                    self.block()?;
                }
                ("callbr instruction", self.returns_value(explicit)?)
            }
            39 => ("resume instruction", false),
            47 => ("landingpad instruction", true),
            48 => ("cleanupret instruction", false),
            49 => ("catchret instruction", false),
            50 => ("catchpad instruction", true),
            51 => ("cleanuppad instruction", true),
            52 => ("catchswitch instruction", true),
            4 | 5 | 24 | 30 | 37 | 38 | 40 | 42 => {
                let what = alloc::format!("record {code} of LLVM before 3.7");
                return Err(self.ops.unsupported(&what));
            }
            _ => {
                let what = alloc::format!("function record {code}");
                return Err(self.ops.unsupported(&what));
            }
        };
        let inst = Inst::Other {
            name,
            is_terminator: is_terminator(code),
        };
        self.ops.skip();
        Ok((inst, has_result))
    }
}
