//! One instruction, after the name of its result.
//!
//! # Grammar
//!
//! `T` is a type, `v` an operand (`%name` or a constant), `b` a label, `N` a number, `p` an operand
//! of type `ptr`; `mem` is `, align N [volatile] [ordering]`; `[…]` may be absent.
//!
//! ```text
//! add|sub|…|frem [flags] T v, v               fneg|freeze [flags] T v
//! icmp pred T v, v                            fcmp [flags] pred T v, v
//! trunc|zext|…|bitcast [flags] T v to T       select T v, T v, v
//! load T, p mem                               store T v, p mem
//! alloca T, size N, align N                   dynalloca T v, size N, align N
//! ptradd [flags] p, N                         ptradd [flags] p, v * N, N
//! atomicrmw op T v, p mem                     cmpxchg T v, v, p mem
//! fence ordering                              phi [flags] T [v, b], …
//! call [flags] T @f(T v, …) [attrs N]         calli [flags] T p(T v, …) [attrs N]
//! intrinsic [flags] name T (T v, …)
//! extractelement T v, T v                     insertelement T v, v, T v
//! shuffle T v, v, [N, any, …]
//! extractvalue T v, N, …                      insertvalue T v, T v, N, …
//! br b                                        condbr v, b, b
//! switch T v, b, N: b, …                      indirectbr p, b, …
//! ret [T v]                                   unreachable
//! ```
//!
//! The type of a result is written only where the operands do not fix it (casts, loads, calls,
//! intrinsics); else it is computed here exactly as the verifier demands it, so that what prints
//! without its type comes back with the same one.

use super::lex::Tok;
use super::parse::Parse;
use super::parse_body::BodyParser;
use super::words::{ATOMICS, INT_PREDS, OPS, ORDERINGS, flag_names};
use crate::body::Value;
use crate::inst::{Flags, FloatPred, Inst, Intrinsic, MemFlags, Op};
use crate::module::RelocTarget;
use crate::types::{Type, TypeId};
use alloc::vec::Vec;

impl BodyParser<'_, '_> {
    /// An operation with its flags and operands. The order of alternatives is that of the printer.
    pub(super) fn instruction(&mut self) -> Parse<Inst> {
        let found = match self.parser.peek() {
            Tok::Word(word) => OPS.iter().find(|entry| entry.1 == word),
            _ => None,
        };
        let Some(&(op, _)) = found else {
            return self.parser.fail("expected an operation");
        };
        self.parser.next();
        // Predicates of comparisons and operations of `atomicrmw` are parsed with their operands.
        let flags = self.parser.bits(flag_names(op))?;
        let mut inst = Inst {
            op,
            flags: Flags(flags as u8),
            ty: TypeId::VOID,
            args: [0; 3],
        };
        match op {
            op if op.is_int_binary() || op.is_float_binary() => self.same_typed(&mut inst, 2)?,
            op if op.is_cast() => {
                inst.args[0] = self.typed()?.1.0;
                self.parser.expect_word("to")?;
                inst.ty = self.parser.ty()?;
            }
            Op::FNeg | Op::Freeze => self.same_typed(&mut inst, 1)?,
            Op::ICmp | Op::FCmp => self.compare(&mut inst, flags)?,
            Op::Select => self.select(&mut inst)?,
            Op::Load | Op::Store | Op::AtomicRmw | Op::CmpXchg | Op::Fence => {
                self.memory(&mut inst)?;
            }
            Op::Alloca | Op::DynAlloca => self.alloca(&mut inst)?,
            Op::PtrAdd => self.ptr_add(&mut inst)?,
            Op::Phi => self.phi(&mut inst)?,
            Op::Call | Op::CallIndirect => self.call(&mut inst)?,
            Op::Intrinsic => self.intrinsic(&mut inst)?,
            Op::ExtractElement | Op::InsertElement | Op::Shuffle => self.lanes(&mut inst)?,
            Op::ExtractValue | Op::InsertValue => self.fields(&mut inst)?,
            _ => self.terminator(&mut inst)?,
        }
        Ok(inst)
    }

    /// Takes a comma.
    fn comma(&mut self) -> Parse {
        self.parser.expect(b',')
    }

    /// `type value, …`, where the type is also the result's.
    fn same_typed(&mut self, inst: &mut Inst, n: usize) -> Parse {
        inst.ty = self.parser.ty()?;
        for at in 0..n {
            if at != 0 {
                self.comma()?;
            }
            inst.args[at] = self.value(inst.ty)?.0;
        }
        Ok(())
    }

    /// `pred type value, value`
    fn compare(&mut self, inst: &mut Inst, flags: u32) -> Parse {
        let Tok::Word(word) = self.parser.peek() else {
            return self.parser.fail("expected a predicate");
        };
        let number = if inst.op == Op::FCmp {
            inst.args[2] = flags;
            FloatPred::NAMES.iter().position(|&name| name == word)
        } else {
            INT_PREDS.iter().position(|entry| entry.1 == word)
        };
        let Some(number) = number else {
            return self.parser.fail("there is no such predicate");
        };
        self.parser.next();
        let extra = if inst.op == Op::FCmp { 0 } else { flags };
        inst.flags = Flags((number as u32 | extra) as u8);
        let (ty, a) = self.typed()?;
        self.comma()?;
        inst.args[0] = a.0;
        inst.args[1] = self.value(ty)?.0;
        inst.ty = match self.parser.module.types.vector(ty) {
            Some((_, len)) => self.parser.intern(Type::Vector {
                elem: TypeId::I1,
                len,
            })?,
            None => TypeId::I1,
        };
        Ok(())
    }

    /// `type cond, type value, value`
    fn select(&mut self, inst: &mut Inst) -> Parse {
        let (_, cond) = self.typed()?;
        self.comma()?;
        let (ty, then) = self.typed()?;
        self.comma()?;
        let other = self.value(ty)?;
        inst.ty = ty;
        inst.args = [cond, then, other].map(|value| value.0);
        Ok(())
    }

    /// Loads, stores, atomics and fences.
    fn memory(&mut self, inst: &mut Inst) -> Parse {
        match inst.op {
            Op::Load => {
                inst.ty = self.parser.ty()?;
                self.comma()?;
                inst.args[0] = self.value(TypeId::PTR)?.0;
                inst.args[1] = self.mem_flags()?;
            }
            Op::Store => self.value_and_address(inst)?,
            Op::AtomicRmw => {
                let number = match self.parser.peek() {
                    Tok::Word(word) => ATOMICS.iter().position(|entry| entry.1 == word),
                    _ => None,
                };
                let Some(number) = number else {
                    return self.parser.fail("expected an atomic operation");
                };
                self.parser.next();
                inst.flags = Flags(number as u8);
                self.value_and_address(inst)?;
            }
            Op::CmpXchg => {
                let (ty, expected) = self.typed()?;
                self.comma()?;
                let new = self.value(ty)?;
                self.comma()?;
                inst.args[0] = self.value(TypeId::PTR)?.0;
                inst.args[1] = self.builder.pool([expected.0, new.0]);
                inst.args[2] = self.mem_flags()?;
                inst.ty = self.parser.intern(Type::Struct {
                    fields: Vec::from([ty, TypeId::I1]),
                    packed: false,
                })?;
            }
            _ => inst.args[0] = self.mem_flags()?,
        }
        Ok(())
    }

    /// `type value, address, flags`, as stores and `atomicrmw` have it.
    fn value_and_address(&mut self, inst: &mut Inst) -> Parse {
        let (ty, value) = self.typed()?;
        self.comma()?;
        let address = self.value(TypeId::PTR)?;
        inst.ty = ty;
        inst.args = [address.0, value.0, self.mem_flags()?];
        Ok(())
    }

    /// `, align N volatile ordering`, each optional.
    fn mem_flags(&mut self) -> Parse<u32> {
        let mut flags = MemFlags(0);
        if self.parser.accept(b',') {
            self.parser.expect_word("align")?;
            flags = MemFlags::aligned(self.parser.alignment()?);
        }
        flags = flags.with_volatile(self.parser.accept_word("volatile"));
        if let Tok::Word(word) = self.parser.peek() {
            let ordering = ORDERINGS.iter().position(|&name| name == word);
            if let Some(ordering) = ordering {
                self.parser.next();
                flags = flags.with_ordering(ordering as u8);
            }
        }
        Ok(flags.0)
    }

    /// `type, size N, align N`, or `type count, size N, align N` for dynamic ones.
    fn alloca(&mut self, inst: &mut Inst) -> Parse {
        inst.ty = TypeId::PTR;
        let first = if inst.op == Op::Alloca {
            u32::from(self.parser.ty()?.0)
        } else {
            self.typed()?.1.0
        };
        self.comma()?;
        self.parser.expect_word("size")?;
        let size = self.parser.number_u32()?;
        self.comma()?;
        self.parser.expect_word("align")?;
        let align_log2 = u32::from(self.parser.alignment()?);
        inst.args = if inst.op == Op::Alloca {
            [size, align_log2, first]
        } else {
            [first, align_log2, size]
        };
        Ok(())
    }

    /// A signed number of 32 bits, by its bits.
    fn signed(&mut self) -> Parse<u32> {
        match self.parser.peek() {
            Tok::Number(text) => match text.parse::<i32>() {
                Ok(value) => {
                    self.parser.next();
                    Ok(value.cast_unsigned())
                }
                Err(_) => self.parser.fail("expected a number of 32 bits"),
            },
            _ => self.parser.fail("expected a number"),
        }
    }

    /// `base, disp` or `base, index * scale, disp`; only the `*` tells which.
    fn ptr_add(&mut self, inst: &mut Inst) -> Parse {
        inst.ty = TypeId::PTR;
        inst.args[0] = self.value(TypeId::PTR)?.0;
        self.comma()?;
        if let Tok::Number(_) = self.parser.peek() {
            let here = self.parser.mark();
            let disp = self.signed()?;
            if self.parser.peek() != Tok::Mark(b'*') {
                inst.args[1] = Value::NONE.0;
                inst.args[2] = disp;
                return Ok(());
            }
            self.parser.reset(here);
        }
        inst.args[1] = self.value(TypeId::I32)?.0;
        self.parser.expect(b'*')?;
        let scale = self.signed()?;
        self.comma()?;
        let disp = self.signed()?;
        inst.args[2] = self.builder.pool([scale, disp]);
        Ok(())
    }

    /// `type [value, block], …`
    fn phi(&mut self, inst: &mut Inst) -> Parse {
        inst.ty = self.parser.ty()?;
        let mut words = Vec::new();
        while self.parser.peek() == Tok::Mark(b'[') || self.parser.peek() == Tok::Mark(b',') {
            if !words.is_empty() {
                self.comma()?;
            }
            self.parser.expect(b'[')?;
            let value = self.value(inst.ty)?;
            self.comma()?;
            let from = self.block()?;
            self.parser.expect(b']')?;
            words.extend([from.0, value.0]);
        }
        inst.args[1] = words.len() as u32 / 2;
        inst.args[0] = self.builder.pool(words);
        Ok(())
    }

    /// `type @name(type value, …) attrs N`. The type is the function type or, if that is not
    /// variadic, only its result: the rest follows from the arguments.
    fn call(&mut self, inst: &mut Inst) -> Parse {
        let written = self.parser.ty()?;
        inst.args[0] = if inst.op == Op::Call {
            let here = self.parser.mark();
            let RelocTarget::Func(id) = self.parser.symbol()? else {
                self.parser.reset(here);
                return self.parser.fail("this is not a function");
            };
            id.0
        } else {
            self.value(TypeId::PTR)?.0
        };
        let (types, args) = self.args()?;
        let signature = self.parser.module.types.signature(written);
        let (ret, ty) = match signature {
            Some((ret, ..)) => (ret, written),
            None => {
                let ty = Type::Func {
                    ret: written,
                    params: types,
                    variadic: false,
                };
                (written, self.parser.intern(ty)?)
            }
        };
        let attrs = if self.parser.accept_word("attrs") {
            self.parser.number_u32()?
        } else {
            0
        };
        inst.ty = ret;
        inst.args[2] = args.len() as u32;
        let words = [u32::from(ty.0), attrs].into_iter().chain(args);
        inst.args[1] = self.builder.pool(words);
        Ok(())
    }

    /// `(type value, …)`.
    fn args(&mut self) -> Parse<(Vec<TypeId>, Vec<u32>)> {
        let (mut types, mut args) = (Vec::new(), Vec::new());
        self.parser.expect(b'(')?;
        while !self.parser.accept(b')') {
            if !args.is_empty() {
                self.comma()?;
            }
            let (ty, value) = self.typed()?;
            types.push(ty);
            args.push(value.0);
        }
        Ok((types, args))
    }

    /// `name type (type value, …)`
    fn intrinsic(&mut self, inst: &mut Inst) -> Parse {
        let number = match self.parser.peek() {
            Tok::Word(word) => Intrinsic::ALL.iter().position(|which| which.name() == word),
            _ => None,
        };
        let Some(number) = number else {
            return self.parser.fail("expected the name of an intrinsic");
        };
        self.parser.next();
        // Not `ty`, which would take the arguments for parameters.
        inst.ty = self.parser.result_type()?;
        let (_, args) = self.args()?;
        inst.args = [number as u32, 0, args.len() as u32];
        inst.args[1] = self.builder.pool(args);
        Ok(())
    }

    /// Operations on lanes; their result type follows from the vector's.
    fn lanes(&mut self, inst: &mut Inst) -> Parse {
        let here = self.parser.mark();
        let (ty, vector) = self.typed()?;
        let Some((elem, _)) = self.parser.module.types.vector(ty) else {
            self.parser.reset(here);
            return self.parser.fail("expected a vector");
        };
        self.comma()?;
        inst.args[0] = vector.0;
        match inst.op {
            Op::ExtractElement => {
                inst.ty = elem;
                inst.args[1] = self.typed()?.1.0;
            }
            Op::InsertElement => {
                inst.ty = ty;
                inst.args[1] = self.value(elem)?.0;
                self.comma()?;
                inst.args[2] = self.typed()?.1.0;
            }
            _ => {
                inst.args[1] = self.value(ty)?.0;
                self.comma()?;
                let mask = self.mask()?;
                inst.ty = self.parser.intern(Type::Vector {
                    elem,
                    len: mask.len() as u32,
                })?;
                inst.args[2] = self.builder.pool(mask);
            }
        }
        Ok(())
    }

    /// `[lane, any, …]`
    fn mask(&mut self) -> Parse<Vec<u32>> {
        let mut mask = Vec::new();
        self.parser.expect(b'[')?;
        while !self.parser.accept(b']') {
            if !mask.is_empty() {
                self.comma()?;
            }
            mask.push(if self.parser.accept_word("any") {
                u32::MAX
            } else {
                self.parser.number_u32()?
            });
        }
        Ok(mask)
    }

    /// `type aggregate, fields`, or `type aggregate, type value, fields` for insertion.
    fn fields(&mut self, inst: &mut Inst) -> Parse {
        let (whole, aggregate) = self.typed()?;
        self.comma()?;
        inst.args[0] = aggregate.0;
        if inst.op == Op::InsertValue {
            inst.ty = whole;
            inst.args[1] = self.typed()?.1.0;
            self.comma()?;
            let path = self.path()?;
            let words = core::iter::once(path.len() as u32).chain(path);
            inst.args[2] = self.builder.pool(words);
            return Ok(());
        }
        let path = self.path()?;
        let mut ty = whole;
        for &field in &path {
            ty = match self.parser.module.types.get(ty) {
                Type::Array { elem, .. } => *elem,
                Type::Struct { fields, .. } => match fields.get(field as usize) {
                    Some(&field) => field,
                    None => return self.parser.fail("there is no such field"),
                },
                _ => return self.parser.fail("there is no such field"),
            };
        }
        inst.ty = ty;
        inst.args[2] = path.len() as u32;
        inst.args[1] = self.builder.pool(path);
        Ok(())
    }

    /// One or more field numbers.
    fn path(&mut self) -> Parse<Vec<u32>> {
        let mut path = Vec::from([self.parser.number_u32()?]);
        while self.parser.accept(b',') {
            path.push(self.parser.number_u32()?);
        }
        Ok(path)
    }

    /// Everything that ends a block. Labels are looked up, so the order of blocks is free.
    fn terminator(&mut self, inst: &mut Inst) -> Parse {
        match inst.op {
            Op::Br => inst.args[0] = self.block()?.0,
            Op::CondBr => {
                inst.args[0] = self.value(TypeId::I1)?.0;
                self.comma()?;
                inst.args[1] = self.block()?.0;
                self.comma()?;
                inst.args[2] = self.block()?.0;
            }
            Op::Switch => self.switch(inst)?,
            Op::IndirectBr => {
                inst.args[0] = self.value(TypeId::PTR)?.0;
                let mut words = Vec::new();
                while self.parser.accept(b',') {
                    words.push(self.block()?.0);
                }
                inst.args[2] = words.len() as u32;
                inst.args[1] = self.builder.pool(words);
            }
            Op::Ret => {
                inst.args[0] = Value::NONE.0;
                if !self.parser.at_line_start() && self.parser.peek() != Tok::Mark(b'}') {
                    inst.args[0] = self.typed()?.1.0;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// `type value, default, case: block, …`; cases are written without sign.
    fn switch(&mut self, inst: &mut Inst) -> Parse {
        let (ty, value) = self.typed()?;
        self.comma()?;
        let mut words = Vec::from([self.block()?.0]);
        while self.parser.accept(b',') {
            let case = self.parser.number(u64::MAX)?;
            self.parser.expect(b':')?;
            let to = self.block()?;
            words.extend([case as u32, (case >> 32) as u32, to.0]);
        }
        inst.ty = ty;
        inst.args = [value.0, 0, words.len() as u32 / 3];
        inst.args[1] = self.builder.pool(words);
        Ok(())
    }
}
