//! Functions' types, calls and returns.
//!
//! An argument of several parts becomes its parts in order, each an ordinary argument. A result of one
//! part is that part; two integers come back as `{i64, i64}`; anything more is written through a hidden
//! pointer, which is the first argument.
//!
//! # Variadic functions
//!
//! Callers lay out all arguments as an i386 stack image (`docs/abi.md`), in which `va_start` points
//! behind the fixed ones. So an argument that the machine does not have, or that is a vector, is passed as the
//! i32 words that it takes in that image, with words in front that align it: the image keeps every byte in its
//! place whatever is legalised, on both sides of the call.

use super::Stop;
use super::rewrite::{Parts, Res, Rewriter, Val};
use super::shape::Shape;
use alloc::vec::Vec;
use ir::{Flags, FuncId, Inst, InstId, MemFlags, Op, Type, TypeId, Value};
use smallvec::SmallVec;

/// How a function gives its result.
#[derive(Clone, Debug)]
pub(super) enum Return {
    /// None.
    Void,
    /// One part of this type.
    One(TypeId),
    /// Two integers of these types, as `{i64, i64}`.
    Pair(TypeId, TypeId),
    /// Parts of these types through a pointer; inside of the function: which.
    Hidden(Vec<TypeId>, Value),
}

/// A stored signature: result, parameters, variadic.
type Signature = (TypeId, Vec<TypeId>, bool);

impl Rewriter<'_, '_> {
    fn signature(&self, ty: TypeId) -> Res<Signature> {
        match self.types().signature(ty) {
            Some((ret, params, variadic)) => Ok((ret, params.to_vec(), variadic)),
            None => Err(Stop::Unsupported("a call of what is no function type")),
        }
    }

    fn returns(&mut self, ret: TypeId) -> Return {
        let mut types = Vec::new();
        self.transport(ret, &mut types);
        match types[..] {
            [] => Return::Void,
            [one] => Return::One(one),
            [a, b] if [a, b].iter().all(|&ty| self.types().int_bits(ty).is_some()) => {
                Return::Pair(a, b)
            }
            _ => Return::Hidden(types, Value::NONE),
        }
    }

    /// The function type after legalisation.
    pub(super) fn legal_type(&mut self, ty: TypeId, variadic: bool) -> Res<TypeId> {
        if let Some(&legal) = self.cx.signatures.get(&(ty, variadic)) {
            return Ok(legal);
        }
        let (ret, params, own) = self.signature(ty)?;
        let variadic = variadic || own;
        let mut list = Vec::new();
        let ret = match self.returns(ret) {
            Return::Void => TypeId::VOID,
            Return::One(ty) => ty,
            Return::Pair(..) => self.cx.pair(TypeId::I64, TypeId::I64),
            Return::Hidden(..) => {
                list.push(TypeId::PTR);
                TypeId::VOID
            }
        };
        for param in params {
            if variadic && !self.is_plain(param) {
                let end = list.iter().map(|&ty| self.slot(ty)).sum();
                let (pad, words) = self.image_words(param, end);
                list.extend(core::iter::repeat_n(TypeId::I32, (pad + words) as usize));
            } else {
                self.transport(param, &mut list);
            }
        }
        let legal = self.cx.intern(Type::Func {
            ret,
            params: list,
            variadic,
        });
        self.cx.signatures.insert((ty, variadic), legal);
        Ok(legal)
    }

    /// The function type after legalisation, and where each stored parameter begins.
    pub(super) fn new_type(mut self, ty: TypeId) -> Res<(TypeId, Vec<u32>)> {
        let (ret, params, variadic) = self.signature(ty)?;
        let legal = self.legal_type(ty, false)?;
        let mut next = u32::from(matches!(self.returns(ret), Return::Hidden(..)));
        let mut end = 4 * next;
        let mut starts = Vec::new();
        for param in params {
            starts.push(match self.is_plain(param) {
                true => next,
                false => super::SPLIT,
            });
            if variadic && !self.is_plain(param) {
                let (pad, words) = self.image_words(param, end);
                next += pad + words;
                end += 4 * (pad + words);
                continue;
            }
            let mut types = Vec::new();
            self.transport(param, &mut types);
            next += types.len() as u32;
            end += self.slot(param);
        }
        Ok((legal, starts))
    }

    /// Whether a variadic argument is passed as it is.
    fn is_plain(&self, ty: TypeId) -> bool {
        self.shape(ty) == Shape::Machine
    }

    /// Bytes that a machine's scalar takes in an image.
    fn slot(&self, ty: TypeId) -> u32 {
        self.types().layout(ty).size.next_multiple_of(4)
    }

    /// Words in front of an argument at offset `end` of an image, and words of it.
    fn image_words(&self, ty: TypeId, end: u32) -> (u32, u32) {
        let aligned = match self.types().vector(ty) {
            Some(_) => end.next_multiple_of(16),
            None => end,
        };
        let size = self.types().layout(ty).size.next_multiple_of(4);
        ((aligned - end) / 4, size / 4)
    }

    /// The parameters of the function: their new types, and what the stored ones are.
    pub(super) fn parameters(&mut self, ty: TypeId) -> Res<(Vec<TypeId>, Vec<Val>)> {
        let (ret, params, variadic) = self.signature(ty)?;
        self.ret = self.returns(ret);
        let legal = self.legal_type(ty, false)?;
        let new = self.signature(legal)?.1;
        self.params = new.clone();
        let mut next = 0;
        let mut end = 0;
        if let Return::Hidden(_, pointer) = &mut self.ret {
            *pointer = Value::arg(0);
            (next, end) = (1, 4);
        }
        let mut values = Vec::new();
        let mut extended = SmallVec::new();
        for param in params {
            if variadic && !self.is_plain(param) {
                let (pad, words) = self.image_words(param, end);
                let place = self.out.object((words * 4).max(4), 4, TypeId::I32);
                let flags = MemFlags::aligned(2);
                for word in 0..words {
                    let value = Value::arg(next + pad + word);
                    self.out.store(TypeId::I32, place, 4 * word, value, flags);
                }
                values.push(self.load_value(param, place, 0, flags)?);
                next += pad + words;
                end += 4 * (pad + words);
                continue;
            }
            let mut types = Vec::new();
            self.transport(param, &mut types);
            let ids: Parts = (next..).map(Value::arg).take(types.len()).collect();
            next += types.len() as u32;
            end += self.slot(param);
            values.push(self.received(param, &ids, &mut extended));
        }
        for (slot, words) in extended {
            self.store_extended(slot, &words);
        }
        Ok((new, values))
    }

    /// `ret`.
    pub(super) fn ret(&mut self, inst: &Inst) -> Res {
        let parts = match Value(inst.args[0]) {
            Value::NONE => Parts::new(),
            value => {
                let value = self.get(value)?;
                let lane = self.lane_of_type(value.ty);
                self.transported(&value, lane)?
            }
        };
        let result = match self.ret.clone() {
            Return::Void => Value::NONE,
            Return::One(_) => parts[0],
            Return::Pair(a, b) => {
                let ty = self.cx.pair(TypeId::I64, TypeId::I64);
                let mut pair = self.out.zero(ty);
                for (at, (&part, from)) in parts.iter().zip([a, b]).enumerate() {
                    let word = self.widened_word(Op::ZExt, from, part);
                    let path = self.out.words([1, at as u32]);
                    let args = [pair.0, word.0, path];
                    pair = self.out.emit(Op::InsertValue, 0, ty, args);
                }
                pair
            }
            Return::Hidden(types, pointer) => {
                let (offsets, _) = self.hidden_layout(&types);
                let flags = MemFlags::aligned(3);
                for ((&part, ty), at) in parts.iter().zip(types).zip(offsets) {
                    self.out.store(ty, pointer, at, part, flags);
                }
                Value::NONE
            }
        };
        self.out.emit(Op::Ret, 0, TypeId::VOID, [result.0, 0, 0]);
        Ok(())
    }

    /// Offsets of the parts behind a hidden pointer, and the size of all.
    fn hidden_layout(&self, types: &[TypeId]) -> (Vec<u32>, u32) {
        let mut end = 0u32;
        let mut offsets = Vec::with_capacity(types.len());
        for &ty in types {
            let size = self.types().layout(ty).size;
            end = end.next_multiple_of(size.next_power_of_two().clamp(1, 8));
            offsets.push(end);
            end += size;
        }
        (offsets, end)
    }

    /// Whether nothing that a call passes changes, apart from its operands' numbers: not even whether the caller
    /// knows that the callee is variadic.
    pub(super) fn is_plain_call(&self, inst: &Inst) -> bool {
        let ty = self.call_type(inst);
        let types = self.types();
        self.cx.kinds.stays(ty)
            && types.signature(ty).is_some_and(|(.., variadic)| {
                variadic || inst.op != Op::Call || !self.cx.is_variadic(FuncId(inst.args[0]))
            })
    }

    /// The function type that a call has.
    fn call_type(&self, inst: &Inst) -> TypeId {
        let ty = self.old.pool[inst.args[1] as usize];
        u16::try_from(ty).map_or(TypeId::VOID, TypeId)
    }

    /// Calls, direct and indirect.
    pub(super) fn call(&mut self, id: InstId, inst: &Inst) -> Res {
        let [callee, start, n] = inst.args;
        let old = self.old;
        let head = old.words(start, 2);
        let ty = self.call_type(inst);
        let (ret, params, own) = self.signature(ty)?;
        let by_callee = inst.op == Op::Call && self.cx.is_variadic(FuncId(callee));
        let legal = self.legal_type(ty, by_callee)?;
        let variadic = own || by_callee;
        let returns = self.returns(ret);
        let mut args: Vec<Value> = Vec::new();
        let hidden = match &returns {
            Return::Hidden(types, _) => {
                let size = self.hidden_layout(types).1;
                let place = self.out.object(size.max(4), 5, TypeId::I64);
                args.push(place);
                Some(place)
            }
            _ => None,
        };
        // Where each stored argument begins among the new ones.
        let mut starts: Vec<u32> = Vec::new();
        let mut end = 4 * args.len() as u32;
        for (at, &word) in old.words(start + 2, n).iter().enumerate() {
            let stored = old.type_of(Value(word));
            starts.push(match self.is_plain(stored) {
                true => args.len() as u32,
                false => super::SPLIT,
            });
            let byval = self.cx.byval(head[1], at);
            if self.is_plain(stored) {
                args.push(self.scalar(Value(word))?);
                // Fixed parameters are placed by their types alone, as their callee sees them.
                end += match byval {
                    1.. if at >= params.len() => byval.next_multiple_of(4),
                    _ => self.slot(stored),
                };
                continue;
            }
            let value = self.get(Value(word))?;
            if variadic {
                end += self.push_words(&value, end, &mut args)?;
                continue;
            }
            let lane = self.lane_of_type(value.ty);
            args.extend(self.transported(&value, lane)?);
        }
        let attrs = self.cx.attr_set(head[1], &starts);
        let changed = legal != ty || args.len() != n as usize;
        let target = match inst.op {
            Op::CallIndirect => self.scalar(Value(callee))?.0,
            _ => callee,
        };
        let words = [u32::from(legal.0), attrs];
        let count = args.len() as u32;
        let pool = self
            .out
            .words(words.into_iter().chain(args.into_iter().map(|arg| arg.0)));
        let result_type = self.signature(legal)?.0;
        // What must be a tail call must also be the same call.
        let flags = match changed {
            true => Flags(inst.flags.0 & !Flags::MUSTTAIL),
            false => inst.flags,
        };
        let result = self.out.push(Inst {
            op: inst.op,
            flags,
            ty: result_type,
            args: [target, pool, count],
        });
        self.call_result(id, ret, &returns, result, hidden)
    }

    /// Takes a call's result apart.
    fn call_result(
        &mut self,
        id: InstId,
        ret: TypeId,
        returns: &Return,
        result: Value,
        hidden: Option<Value>,
    ) -> Res {
        let mut parts = Parts::new();
        match returns {
            Return::Void => {}
            Return::One(_) => parts.push(result),
            Return::Pair(a, b) => {
                let ty = self.cx.pair(TypeId::I64, TypeId::I64);
                let words = self.fields_of(ty, result).parts;
                for (word, &ty) in words.into_iter().zip([a, b]) {
                    parts.push(self.narrowed(ty, word));
                }
            }
            Return::Hidden(types, _) => {
                let place = hidden.unwrap_or(Value::NONE);
                let (offsets, _) = self.hidden_layout(types);
                let flags = MemFlags::aligned(3);
                for (&ty, at) in types.iter().zip(offsets) {
                    parts.push(self.out.load(ty, place, at, flags));
                }
            }
        }
        if ret == TypeId::VOID {
            return Ok(());
        }
        let mut extended = SmallVec::new();
        let value = self.received(ret, &parts, &mut extended);
        for (slot, words) in extended {
            self.store_extended(slot, &words);
        }
        self.set(id, &value);
        Ok(())
    }

    /// An argument as the words it takes in a variadic image, and how many bytes that are.
    fn push_words(&mut self, value: &Val, end: u32, args: &mut Vec<Value>) -> Res<u32> {
        let (pad, words) = self.image_words(value.ty, end);
        let zero = self.out.number(0);
        args.extend(core::iter::repeat_n(zero, pad as usize));
        if words > 256 {
            return Err(Stop::Unsupported("a variadic argument above 1 KiB"));
        }
        let place = self.scratch(4 * words.max(1));
        let flags = MemFlags::aligned(2);
        for word in 0..words {
            self.out.store(TypeId::I32, place, 4 * word, zero, flags);
        }
        self.store_value(value, place, 0, flags)?;
        for word in 0..words {
            args.push(self.out.load(TypeId::I32, place, 4 * word, flags));
        }
        Ok(4 * (pad + words))
    }
}
