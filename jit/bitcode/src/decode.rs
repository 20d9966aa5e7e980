//! One function record to one instruction.
//!
//! Operand order is that of LLVM's reader (`BitcodeReader::parseFunctionBody`). Inside a function a
//! value operand is stored as the distance from the number that the next result will get, modulo
//! 2^32; one whose distance leads forward is followed by its type where the user does not imply
//! one. Every id is made absolute and bounded here: types and blocks by their tables, forward
//! references by what the rest of the body can still define.

use alloc::vec::Vec;

use crate::error::Result;
use crate::inst::{Atomic, CallFlags, Inst, Value, ValueId};
use crate::module::SyncScope;
use crate::opcode::{AtomicOrdering, BinOp, CastOp, Predicate, RmwOp};
use crate::operands::{Operands, unrotate};
use crate::types::{Type, TypeId, Types};

/// Buffers that the lists of an instruction live in.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    pub(crate) values: Vec<Value>,
    edges: Vec<(ValueId, u32)>,
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
}

/// A record being decoded.
pub(crate) struct Record<'x> {
    pub(crate) ops: Operands<'x>,
    pub(crate) types: &'x Types,
    pub(crate) scopes: &'x [SyncScope],
    pub(crate) bounds: &'x mut Bounds,
}

impl Record<'_> {
    /// Decodes the record; `code` is one of `bitc::FunctionCodes` that are instructions.
    #[inline]
    pub(crate) fn decode<'r>(mut self, code: u32, lists: &'r mut Lists) -> Result<Inst<'r>> {
        let inst = match code {
            2 => self.binary()?,
            3 => self.cast()?,
            9 | 28 => self.compare()?,
            10 => Inst::Ret(if self.ops.is_empty() {
                None
            } else {
                Some(self.pair()?)
            }),
            11 => self.branch()?,
            12 => return self.switch(lists),
            15 => Inst::Unreachable,
            16 => return self.phi(lists),
            19 => self.alloca()?,
            20 | 41 => self.load(code == 41)?,
            43 => return self.gep(lists),
            44 | 45 => self.store(code == 45)?,
            34 => return self.call(lists),
            29 => self.select()?,
            _ => return self.rare(code, lists),
        };
        self.ops.finish()?;
        Ok(inst)
    }

    fn rare(mut self, code: u32, lists: &mut Lists) -> Result<Inst<'_>> {
        let inst = match code {
            6 => Inst::ExtractElement {
                vector: self.pair()?,
                index: self.pair()?,
            },
            7 => {
                let (vector, element) = (self.pair()?, self.value()?);
                Inst::InsertElement {
                    vector,
                    element,
                    index: self.pair()?,
                }
            }
            8 => {
                let (a, b) = (self.pair()?, self.value()?);
                Inst::Shuffle {
                    a,
                    b,
                    mask: self.pair()?,
                }
            }
            23 => {
                let (list_type, list) = (self.ty()?, self.value()?);
                Inst::VaArg {
                    list,
                    list_type,
                    ty: self.ty()?,
                }
            }
            26 => {
                let aggregate = self.pair()?;
                return Ok(Inst::ExtractValue {
                    aggregate,
                    path: self.path(lists)?,
                });
            }
            27 => {
                let (aggregate, value) = (self.pair()?, self.pair()?);
                return Ok(Inst::InsertValue {
                    aggregate,
                    value,
                    path: self.path(lists)?,
                });
            }
            31 => return self.indirect_branch(lists),
            36 => Inst::Fence {
                ordering: self.ordering()?,
                scope: self.scope()?,
            },
            46 => self.cmpxchg()?,
            56 => {
                let value = self.pair()?;
                if self.ops.next()? != 0 {
                    return Err(self.ops.malformed("unary operator"));
                }
                Inst::Neg {
                    value,
                    flags: self.flags()?,
                }
            }
            58 => Inst::Freeze(self.pair()?),
            59 => self.atomic_rmw()?,
            _ => return self.unusual(code),
        };
        self.ops.finish()?;
        Ok(inst)
    }

    /// Exception handling and the like: decoded only as far as value numbering needs.
    fn unusual<'r>(mut self, code: u32) -> Result<Inst<'r>> {
        let other = |name, has_result, is_terminator| Inst::Other {
            name,
            has_result,
            is_terminator,
        };
        Ok(match code {
            13 => {
                // [attributes, cc, normal, unwind, function type if bit 13, callee, arguments]
                let _attributes = self.ops.next()?;
                let explicit = self.ops.next()? >> 13 & 1 == 1;
                let _blocks = (self.block()?, self.block()?);
                other("invoke instruction", self.returns_value(explicit)?, true)
            }
            57 => {
                // [attributes, cc, default, count, targets, function type if bit 15, callee, …]
                let _attributes = self.ops.next()?;
                let explicit = self.ops.next()? >> 15 & 1 == 1;
                let _default = self.block()?;
                for _ in 0..self.ops.next()? {
                    self.block()?;
                }
                other("callbr instruction", self.returns_value(explicit)?, true)
            }
            39 => other("resume instruction", false, true),
            47 => other("landingpad instruction", true, false),
            48 => other("cleanupret instruction", false, true),
            49 => other("catchret instruction", false, true),
            50 => other("catchpad instruction", true, false),
            51 => other("cleanuppad instruction", true, false),
            52 => other("catchswitch instruction", true, true),
            4 | 5 | 24 | 30 | 37 | 38 | 40 | 42 => {
                return Err(self
                    .ops
                    .unsupported(&alloc::format!("record {code} of LLVM before 3.7")));
            }
            _ => {
                return Err(self
                    .ops
                    .unsupported(&alloc::format!("function record {code}")));
            }
        })
    }

    fn returns_value(&mut self, explicit: bool) -> Result<bool> {
        if !explicit {
            return Err(self.ops.unsupported("call without a function type"));
        }
        let ty = self.ty()?;
        match self.types.get(ty) {
            Type::Function { result, .. } => Ok(!self.types.is_void(*result)),
            _ => Err(self
                .ops
                .malformed("call with a type that is no function type")),
        }
    }

    fn binary<'r>(&mut self) -> Result<Inst<'r>> {
        let (lhs, rhs) = (self.pair()?, self.value()?);
        let op = BinOp::from_code(self.ops.next()?);
        let op = op.ok_or_else(|| self.ops.malformed("binary operator"))?;
        Ok(Inst::Binary {
            op,
            lhs,
            rhs,
            flags: self.flags()?,
        })
    }

    fn cast<'r>(&mut self) -> Result<Inst<'r>> {
        let (value, ty) = (self.pair()?, self.ty()?);
        let op = CastOp::from_code(self.ops.next()?);
        let op = op.ok_or_else(|| self.ops.malformed("cast operator"))?;
        Ok(Inst::Cast {
            op,
            value,
            ty,
            flags: self.flags()?,
        })
    }

    fn compare<'r>(&mut self) -> Result<Inst<'r>> {
        let (lhs, rhs) = (self.pair()?, self.value()?);
        let pred = Predicate::from_code(self.ops.next()?);
        let pred = pred.ok_or_else(|| self.ops.malformed("predicate"))?;
        Ok(Inst::Compare {
            pred,
            lhs,
            rhs,
            flags: self.flags()?,
        })
    }

    fn select<'r>(&mut self) -> Result<Inst<'r>> {
        let (if_true, if_false) = (self.pair()?, self.value()?);
        Ok(Inst::Select {
            cond: self.pair()?,
            if_true,
            if_false,
            flags: self.flags()?,
        })
    }

    fn branch<'r>(&mut self) -> Result<Inst<'r>> {
        let if_true = self.block()?;
        if self.ops.is_empty() {
            return Ok(Inst::Br(if_true));
        }
        Ok(Inst::CondBr {
            if_true,
            if_false: self.block()?,
            cond: self.value()?,
        })
    }

    fn switch(mut self, lists: &mut Lists) -> Result<Inst<'_>> {
        let (ty, value, default) = (self.ty()?, self.value()?, self.block()?);
        lists.edges.clear();
        lists.edges.reserve(self.ops.len() / 2);
        while !self.ops.is_empty() {
            let case = ValueId(self.ops.next_u32()?);
            lists.edges.push((self.earlier(case)?, self.block()?));
        }
        Ok(Inst::Switch {
            ty,
            value,
            default,
            cases: &lists.edges,
        })
    }

    fn indirect_branch(mut self, lists: &mut Lists) -> Result<Inst<'_>> {
        let (ty, address) = (self.ty()?, self.value()?);
        lists.numbers.clear();
        while !self.ops.is_empty() {
            lists.numbers.push(self.block()?);
        }
        Ok(Inst::IndirectBr {
            ty,
            address,
            targets: &lists.numbers,
        })
    }

    fn phi(mut self, lists: &mut Lists) -> Result<Inst<'_>> {
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
        Ok(Inst::Phi {
            ty,
            incoming: &lists.edges,
            flags,
        })
    }

    fn alloca<'r>(&mut self) -> Result<Inst<'r>> {
        let (named, count_type) = (self.ty()?, self.ty()?);
        let count = ValueId(self.ops.next_u32()?);
        let count = self.absolute(count)?;
        let packed = self.ops.next()?;
        let space = if self.ops.is_empty() {
            0
        } else {
            self.ops.next_u32()?
        };
        let ty = match self.types.get(named) {
            _ if packed >> 6 & 1 == 1 => named,
            Type::Pointer {
                pointee: Some(pointee),
                ..
            } => *pointee,
            _ => return Err(self.ops.malformed("alloca without a type")),
        };
        let align = self.ops.align(packed & 0x1F | packed >> 3 & 0xE0)?;
        Ok(Inst::Alloca {
            ty,
            count_type,
            count,
            align,
            in_alloca: packed >> 5 & 1 == 1,
            space,
        })
    }

    fn load<'r>(&mut self, atomic: bool) -> Result<Inst<'r>> {
        let ptr = self.pair()?;
        let tail = if atomic { 4 } else { 2 };
        if self.ops.len() == tail {
            return Err(self.ops.unsupported("load without a type"));
        }
        let ty = self.ty()?;
        let (align, volatile) = (self.ops.next_align()?, self.ops.next_bool()?);
        Ok(Inst::Load {
            ptr,
            ty,
            align,
            volatile,
            atomic: self.atomic(atomic)?,
        })
    }

    fn store<'r>(&mut self, atomic: bool) -> Result<Inst<'r>> {
        let (ptr, value) = (self.pair()?, self.pair()?);
        let (align, volatile) = (self.ops.next_align()?, self.ops.next_bool()?);
        Ok(Inst::Store {
            ptr,
            value,
            align,
            volatile,
            atomic: self.atomic(atomic)?,
        })
    }

    fn gep(mut self, lists: &mut Lists) -> Result<Inst<'_>> {
        let flags = self.ops.next_u32()?;
        let (element, base) = (self.ty()?, self.pair()?);
        lists.values.clear();
        while !self.ops.is_empty() {
            let index = self.pair()?;
            lists.values.push(index);
        }
        Ok(Inst::Gep {
            element,
            base,
            indices: &lists.values,
            flags,
        })
    }

    fn cmpxchg<'r>(&mut self) -> Result<Inst<'r>> {
        let (ptr, expected, new) = (self.pair()?, self.pair()?, self.value()?);
        let volatile = self.ops.next_bool()?;
        let (success, scope, failure) = (self.ordering()?, self.scope()?, self.ordering()?);
        let weak = self.ops.next_bool()?;
        let align = if self.ops.is_empty() {
            0
        } else {
            self.ops.next_align()?
        };
        Ok(Inst::CmpXchg {
            ptr,
            expected,
            new,
            volatile,
            success,
            failure,
            scope,
            weak,
            align,
        })
    }

    fn atomic_rmw<'r>(&mut self) -> Result<Inst<'r>> {
        let (ptr, value) = (self.pair()?, self.pair()?);
        let op = RmwOp::from_code(self.ops.next()?);
        let op = op.ok_or_else(|| self.ops.malformed("atomicrmw operation"))?;
        let volatile = self.ops.next_bool()?;
        let (ordering, scope) = (self.ordering()?, self.scope()?);
        let align = if self.ops.is_empty() {
            0
        } else {
            self.ops.next_align()?
        };
        Ok(Inst::AtomicRmw {
            op,
            ptr,
            value,
            volatile,
            ordering,
            scope,
            align,
        })
    }

    fn call(mut self, lists: &mut Lists) -> Result<Inst<'_>> {
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
        let Type::Function {
            variadic, params, ..
        } = self.types.get(ty)
        else {
            return Err(self
                .ops
                .malformed("call with a type that is no function type"));
        };
        let callee = self.pair()?;
        lists.values.clear();
        for param in self.types.list(params) {
            let arg = self.argument(*param)?;
            lists.values.push(arg);
        }
        if *variadic {
            while !self.ops.is_empty() {
                let arg = self.pair()?;
                lists.values.push(arg);
            }
        }
        self.ops.finish()?;
        let flags = CallFlags {
            conv: bits >> 1 & 0x3FF,
            tail: bits & 1 == 1,
            must_tail: bits >> 14 & 1 == 1,
            no_tail: bits >> 16 & 1 == 1,
            fast_math,
        };
        Ok(Inst::Call {
            callee,
            ty,
            args: &lists.values,
            attributes,
            flags,
        })
    }

    /// An argument of a named parameter. Metadata is not a value: its id is only made absolute.
    #[inline]
    fn argument(&mut self, param: TypeId) -> Result<Value> {
        Ok(Value::known(match self.types.get(param) {
            Type::Label => ValueId(self.block()?),
            Type::Metadata => ValueId(self.bounds.next.wrapping_sub(self.ops.next_u32()?)),
            _ => self.value()?,
        }))
    }

    fn path<'r>(&mut self, lists: &'r mut Lists) -> Result<&'r [u32]> {
        if self.ops.is_empty() {
            return Err(self.ops.malformed("aggregate access without an index"));
        }
        lists.numbers.clear();
        while !self.ops.is_empty() {
            lists.numbers.push(self.ops.next_u32()?);
        }
        Ok(&lists.numbers)
    }

    #[inline]
    fn ty(&mut self) -> Result<TypeId> {
        self.ops.next_type(self.types.len())
    }

    /// A jump target. Block 0 is the entry, which nothing may jump to.
    #[inline]
    fn block(&mut self) -> Result<u32> {
        let block = self.ops.next_u32()?;
        if block == 0 || block >= self.bounds.blocks {
            return Err(self.ops.malformed("jump target out of range"));
        }
        Ok(block)
    }

    /// A value, followed by its type if it refers forward.
    #[inline]
    pub(crate) fn pair(&mut self) -> Result<Value> {
        let id = self.value()?;
        if id.0 < self.bounds.next {
            Ok(Value::known(id))
        } else {
            Ok(Value::typed(id, self.ty()?))
        }
    }

    /// A value whose type is implied.
    #[inline]
    fn value(&mut self) -> Result<ValueId> {
        let distance = self.ops.next_u32()?;
        self.absolute(ValueId(self.bounds.next.wrapping_sub(distance)))
    }

    /// A value of a phi: its distance is a signed number.
    #[inline]
    fn signed_value(&mut self) -> Result<ValueId> {
        let distance = unrotate(self.ops.next()?);
        let id = i64::from(self.bounds.next).checked_sub(distance);
        let id = id.and_then(|id| u32::try_from(id).ok());
        self.absolute(ValueId(
            id.ok_or_else(|| self.ops.malformed("value out of range"))?,
        ))
    }

    /// Bounds a value id.
    #[inline]
    fn absolute(&mut self, id: ValueId) -> Result<ValueId> {
        if id.0 < self.bounds.next {
            Ok(id)
        } else {
            self.forward(id)
        }
    }

    fn forward(&mut self, id: ValueId) -> Result<ValueId> {
        if id.0 >= self.bounds.limit {
            return Err(self.ops.malformed("value out of range"));
        }
        self.bounds.referenced = self.bounds.referenced.max(id.0.wrapping_add(1));
        Ok(id)
    }

    /// Bounds a value id that cannot refer forward.
    #[inline]
    fn earlier(&self, id: ValueId) -> Result<ValueId> {
        if id.0 < self.bounds.next {
            Ok(id)
        } else {
            Err(self.ops.malformed("case that is not a constant"))
        }
    }

    /// The optional last operand of arithmetic.
    #[inline]
    fn flags(&mut self) -> Result<u32> {
        if self.ops.is_empty() {
            Ok(0)
        } else {
            self.ops.next_u32()
        }
    }

    fn atomic(&mut self, present: bool) -> Result<Atomic> {
        if present {
            Ok(Some((self.ordering()?, self.scope()?)))
        } else {
            Ok(None)
        }
    }

    fn ordering(&mut self) -> Result<AtomicOrdering> {
        AtomicOrdering::from_code(self.ops.next()?)
            .ok_or_else(|| self.ops.malformed("atomic ordering"))
    }

    fn scope(&mut self) -> Result<SyncScope> {
        let index = self.ops.next_u32()? as usize;
        self.scopes
            .get(index)
            .copied()
            .ok_or_else(|| self.ops.malformed("synchronisation scope"))
    }
}
