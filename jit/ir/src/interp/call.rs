//! Calls: arguments, frames, the i386 image of variadic ones.
//!
//! Arguments are passed as values. Two rules of `docs/abi.md` show in results and are followed here:
//!
//! * where the call's type or the definition is variadic, the whole list also lies in memory as on
//!   the i386 stack, and `va_start` gives the place behind the fixed parameters of the *callee*;
//! * where the types do not match (K&R), general and vector parts are matched by kind and in order,
//!   missing ones are 0, extra ones dropped.
//!
//! # The stack
//!
//! Everything a call puts on the stack (copies of `byval` objects, the image of arguments, the
//! callee's allocas) lies below the stack pointer the caller had, which the frame remembers as
//! `caller_sp`; returning sets the pointer back to it. So nothing needs to be freed one by one, and
//! an object of a frame stays where it is as long as the frame lives.
//!
//! ```text
//!   caller_sp ->  … the caller's frame
//!                 byval copies, image of variadic arguments
//!                 16 bytes, as a return address would take
//!                 static allocas
//!   base_sp   ->  dynamic allocas, freed by stackrestore
//!   sp        ->  free
//! ```

use super::value::{Val, mask, pack, to_bytes, unpack, width};
use super::{Arg, FaultKind, Frame, Interp};
use crate::body::{BlockId, Value};
use crate::inst::{Inst, InstId, Op};
use crate::module::{FuncId, ParamAttrs};
use crate::types::{Type, TypeId, Types};
use alloc::vec;
use alloc::vec::Vec;

impl<'a> Interp<'a> {
    /// Executes a call: pushes the callee's frame, or does the host call at once.
    pub(super) fn execute_call(&mut self, inst: &Inst) -> Result<(), FaultKind> {
        let body = self.frame().body;
        let [callee, start, n] = inst.args;
        let head = body.words(start, 2);
        let func = if inst.op == Op::Call {
            self.addresses.definition(FuncId(callee))
        } else {
            let addr = self.value(callee)?.addr();
            self.addresses
                .func_at(addr)
                .ok_or(FaultKind::BadCall(addr))?
        };
        let caller_sp = self.sp;
        let params = self.param_attrs(head[1]);
        let mut args = Vec::new();
        for (at, &raw) in body.words(start + 2, n).iter().enumerate() {
            let mut value = self.value(raw)?;
            let byval = params.get(at).map_or(0, |param| param.byval);
            if byval != 0 {
                value = Val::from(self.copy_object(value.addr(), byval)?);
            }
            let ty = body.type_of(Value(raw));
            args.push(Arg { ty, value });
        }
        let types = &self.module.types;
        let variadic = |ty| types.signature(ty).is_some_and(|(.., variadic)| variadic);
        let call_type = u16::try_from(head[0]).map_or(TypeId::VOID, TypeId);
        let definition = self.module.func(func);
        if definition.body.is_none() {
            let value = self.host.call(self.module, func, &args, self.memory)?;
            self.sp = caller_sp;
            self.finish_call(value);
            return Ok(());
        }
        let mut varargs = 0;
        if variadic(call_type) || variadic(definition.ty) {
            let image = self.write_image(&args, params)?;
            varargs = image.wrapping_add(self.fixed_size(func));
        }
        let values = self.match_params(func, &args)?;
        self.enter(func, values, varargs, caller_sp)
    }

    /// Pushes the frame of a function that has a body.
    pub(super) fn enter(
        &mut self,
        func: FuncId,
        args: Vec<Val>,
        varargs: u32,
        caller_sp: u32,
    ) -> Result<(), FaultKind> {
        let Some(body) = self.module.func(func).body.as_ref() else {
            return Err(FaultKind::BadCall(self.addresses.func(func)));
        };
        if args.len() != body.params.len() {
            return Err(FaultKind::BadCall(self.addresses.func(func)));
        }
        if self.frames.len() >= self.limits.depth {
            return Err(FaultKind::StackOverflow);
        }
        // A frame costs at least its return address, so that depth shows in the stack too.
        self.push_stack(16, 4)?;
        let mut values = vec![Val::ZERO; body.insts.len()];
        for (value, inst) in values.iter_mut().zip(&body.insts) {
            if inst.op == Op::Alloca {
                let [bytes, align_log2, _] = inst.args;
                *value = Val::from(self.push_stack(u64::from(bytes.max(1)), align_log2)?);
            }
        }
        self.frames.push(Frame {
            func,
            body,
            args,
            values,
            block: BlockId(0),
            at: InstId(0),
            varargs,
            caller_sp,
            base_sp: self.sp,
        });
        Ok(())
    }

    /// Pops the running frame and gives its result to the caller, which still stands at its call;
    /// or back, if it was the first frame.
    pub(super) fn leave(&mut self, value: Val) -> Result<Option<Val>, FaultKind> {
        let Some(left) = self.frames.pop() else {
            return Ok(Some(value));
        };
        self.sp = left.caller_sp;
        let Some(caller) = self.frames.last() else {
            return Ok(Some(value));
        };
        let types = &self.module.types;
        let signature = types.signature(self.module.func(left.func).ty);
        let ty = signature.map_or(TypeId::VOID, |(ret, ..)| ret);
        let wanted = caller.body.inst(caller.at).ty;
        let arg = Arg { ty, value };
        let matched = match_types(types, &[wanted], core::slice::from_ref(&arg))?;
        self.finish_call(matched.into_iter().next().unwrap_or(arg.value));
        Ok(None)
    }

    /// What is known of the parameters in attribute set number `attr_set`, counted from 1 as bodies
    /// do; nothing for number 0 and for parameters behind the end of the list.
    fn param_attrs(&self, attr_set: u32) -> &'a [ParamAttrs] {
        let set = self.module.attr_set(attr_set);
        set.map_or(&[], |set| &set.params)
    }

    /// The caller's copy of a `byval` object.
    fn copy_object(&mut self, from: u32, bytes: u32) -> Result<u32, FaultKind> {
        let to = self.push_stack(u64::from(bytes), 4)?;
        self.copy(to, from, u64::from(bytes))?;
        Ok(to)
    }

    /// Lays out all arguments as on the i386 stack and gives the address of the first.
    fn write_image(&mut self, args: &[Arg], params: &[ParamAttrs]) -> Result<u32, FaultKind> {
        let types = &self.module.types;
        let byval = |at: usize| params.get(at).map_or(0, |param| param.byval);
        let slots = args.iter().enumerate().map(|(at, arg)| (arg.ty, byval(at)));
        let (offsets, size) = image_layout(types, slots);
        let image = self.push_stack(u64::from(size), 4)?;
        for (at, (arg, offset)) in args.iter().zip(offsets).enumerate() {
            let to = image.wrapping_add(offset);
            if byval(at) != 0 {
                self.copy(to, arg.value.addr(), u64::from(byval(at)))?;
                continue;
            }
            // Narrow values are extended to their slot.
            let memory = &mut *self.memory;
            let slot = slot_size(types, arg.ty, 0);
            memory.store(to, &vec![0; slot as usize])?;
            to_bytes(types, arg.ty, &arg.value, |inner, bytes| {
                Ok(memory.store(to.wrapping_add(inner), bytes)?)
            })?;
        }
        Ok(image)
    }

    /// Bytes of the image that the fixed parameters of a definition take.
    fn fixed_size(&self, func: FuncId) -> u32 {
        let types = &self.module.types;
        let func = self.module.func(func);
        let attrs = self.param_attrs(func.attr_set);
        let params = types.signature(func.ty).map_or(&[][..], |(_, p, _)| p);
        let byval = |at: usize| attrs.get(at).map_or(0, |param| param.byval);
        let slots = params.iter().enumerate().map(|(at, &ty)| (ty, byval(at)));
        image_layout(types, slots).1
    }

    /// The arguments as the definition's parameters.
    fn match_params(&self, func: FuncId, args: &[Arg]) -> Result<Vec<Val>, FaultKind> {
        let types = &self.module.types;
        let signature = types.signature(self.module.func(func).ty);
        let params = signature.map_or(&[][..], |(_, params, _)| params);
        match_types(types, params, args)
    }
}

/// The values of `args` as values of types `wanted`.
fn match_types(types: &Types, wanted: &[TypeId], args: &[Arg]) -> Result<Vec<Val>, FaultKind> {
    let pairs = || wanted.iter().zip(args);
    if args.len() >= wanted.len() && pairs().all(|(&ty, arg)| ty == arg.ty) {
        return Ok(pairs().map(|(_, arg)| arg.value.clone()).collect());
    }
    let mut general = Vec::new();
    let mut vector = Vec::new();
    for arg in args {
        split(types, arg, &mut general, &mut vector)?;
    }
    let (mut general, mut vector) = (general.into_iter(), vector.into_iter());
    let value = |&ty: &TypeId| match class(types, ty) {
        Class::General(parts) => {
            let part = |at: u32| general.next().unwrap_or(0) << (64 * at);
            let bits: u128 = (0..parts).map(part).sum();
            Ok(Val::Bits(bits & mask(width(types, ty)?)))
        }
        Class::Vector => match vector.next() {
            Some(bytes) => unpack(types, ty, &bytes),
            None => Ok(Val::zero(types, ty)),
        },
        Class::Other => Ok(Val::zero(types, ty)),
    };
    wanted.iter().map(value).collect()
}

/// Where a value goes when types do not match.
enum Class {
    /// So many general registers.
    General(u32),
    /// One vector register.
    Vector,
    /// Memory: matched with nothing.
    Other,
}

/// Where `docs/abi.md` puts a value of that type: the table of value parts, cut down to what a
/// mismatched call can show.
fn class(types: &Types, ty: TypeId) -> Class {
    match types.get(ty) {
        Type::Int(..=64) | Type::Ptr => Class::General(1),
        Type::Int(..=128) => Class::General(2),
        Type::Half | Type::Float | Type::Double | Type::Vector { .. } => Class::Vector,
        _ => Class::Other,
    }
}

/// Adds the parts of an argument.
fn split(
    types: &Types,
    arg: &Arg,
    general: &mut Vec<u128>,
    vector: &mut Vec<Vec<u8>>,
) -> Result<(), FaultKind> {
    match class(types, arg.ty) {
        Class::General(parts) => {
            let part = |at: u32| arg.value.bits() >> (64 * at) & mask(64);
            general.extend((0..parts).map(part));
        }
        Class::Vector => vector.push(pack(types, arg.ty, &arg.value)?),
        Class::Other => {}
    }
    Ok(())
}

/// Offsets of arguments on the i386 stack, and the size of all.
fn image_layout(types: &Types, slots: impl Iterator<Item = (TypeId, u32)>) -> (Vec<u32>, u32) {
    let mut end = 0u32;
    let mut offsets = Vec::new();
    for (ty, byval) in slots {
        if byval == 0 && types.vector(ty).is_some() {
            end = end.saturating_add(15) & !15;
        }
        offsets.push(end);
        end = end.saturating_add(slot_size(types, ty, byval));
    }
    (offsets, end)
}

/// Bytes of an argument on the i386 stack, in whole words of four: a `byval` object in full, long
/// double in twelve, everything else as in memory.
fn slot_size(types: &Types, ty: TypeId, byval: u32) -> u32 {
    let bytes = match types.get(ty) {
        _ if byval != 0 => byval,
        Type::X86Fp80 => 12,
        _ => types.layout(ty).size,
    };
    bytes.saturating_add(3) & !3
}
