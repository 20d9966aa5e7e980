//! Calls.
//!
//! The function type is the call's own: the callee may be declared or defined with another (K&R C,
//! implicit declarations), and what happens then is settled when symbols are bound.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use bitcode::{CallFlags, ConstantKind, ValueId};
use ir::facts::kind;
use ir::{Flags, Op, RelocTarget, TypeId, Value};

use super::body::BodyLoader;
use super::error::{LoadError, Result};
use super::fold::Folded;
use super::inst::fast_math;
use super::intrinsic::Action;
use super::module::Symbol;

impl BodyLoader<'_, '_, '_> {
    /// A call: of an intrinsic, of inline assembly, or of code.
    ///
    /// Intrinsics are told first, because they are no functions here and may take metadata, which is
    /// no value. Operand bundles stand in records before the call; only those of `assume`, which is
    /// dropped with all it says, mean nothing to execution.
    pub(super) fn call(
        &mut self,
        callee: bitcode::Value,
        ty: bitcode::TypeId,
        args: &[bitcode::Value],
        attributes: Option<u32>,
        flags: CallFlags,
    ) -> Result<Value> {
        let source = self.loader.source;
        let bundle = self.bundle.take();
        let bitcode::Type::Function { result, params, .. } = source.types().get(ty) else {
            return Err(LoadError::malformed(
                "call with a type that is no function type",
            ));
        };
        let params = source.types().list(params);
        let symbol = self.loader.symbols.get(callee.id.0 as usize).copied();
        if let Some(Symbol::Intrinsic(action)) = symbol {
            let result = self.ty(*result)?;
            match action {
                Action::Unknown => return Err(self.unknown_intrinsic(callee.id)),
                // What `assume` says in bundles may be dropped with it.
                Action::Drop => {}
                _ if bundle.is_some() => return Err(self.bundle_error(bundle)),
                _ => {}
            }
            if let Action::Constrained(which) = action {
                return self.constrained(which, result, params, args, flags.fast_math);
            }
            let args = self.intrinsic_args(params, args)?;
            return self.intrinsic(action, result, &args, flags.fast_math);
        }
        if bundle.is_some() {
            return Err(self.bundle_error(bundle));
        }
        let direct = match symbol {
            Some(Symbol::Func(id)) => Some(id),
            _ => {
                if let Some(text) = self.assembly(callee.id) {
                    let result = self.ty(*result)?;
                    let args = self.intrinsic_args(params, args)?;
                    return self.inline_asm(&text, result, &args);
                }
                self.direct(callee.id)?
            }
        };
        self.plain_call((callee, direct), (ty, params), args, attributes, flags)
    }

    /// The text of a callee that is inline assembly.
    fn assembly(&self, callee: ValueId) -> Option<Vec<u8>> {
        let constant = self.loader.constant(callee, Some(self.constants()))?;
        let ConstantKind::InlineAsm(span) = constant.kind else {
            return None;
        };
        let pools = self.loader.pools(callee, Some(self.constants()));
        Some(pools.bytes(span).to_vec())
    }

    /// A call of code, direct if the callee is a function of this module or an import.
    ///
    /// The callee may be any constant that is the address of a function: an alias, or a function cast
    /// to another type by a compiler that still had typed pointers.
    fn plain_call(
        &mut self,
        (callee, direct): (bitcode::Value, Option<ir::FuncId>),
        (ty, params): (bitcode::TypeId, &[bitcode::TypeId]),
        args: &[bitcode::Value],
        attributes: Option<u32>,
        flags: CallFlags,
    ) -> Result<Value> {
        let signature = self.ty(ty)?;
        let result = self
            .loader
            .module
            .types
            .signature(signature)
            .map_or(TypeId::VOID, |(result, ..)| result);
        let set = self.loader.attribute_set(attributes)?;
        let indirect = match direct {
            Some(_) => Value::NONE,
            None => self.operand(callee)?,
        };
        let mut words = core::mem::take(&mut self.words);
        words.clear();
        words.extend([u32::from(signature.0), set]);
        for (at, &arg) in args.iter().enumerate() {
            let value = match params.get(at) {
                Some(&param) => self.operand_like(arg.id, self.ty(param)?)?,
                None => self.operand(arg)?,
            };
            words.push(value.0);
        }
        let pool = self.builder.pool_slice(&words);
        self.words = words;
        let tail = if flags.tail { Flags::TAIL } else { 0 };
        let marks = tail | if flags.must_tail { Flags::MUSTTAIL } else { 0 };
        let (op, target) = match direct {
            Some(id) => (Op::Call, id.0),
            None => (Op::CallIndirect, indirect.0),
        };
        let value = self.emit(op, marks, result, [target, pool, args.len() as u32]);
        if flags.no_tail {
            self.note_last(kind::NOTAIL, 0);
        }
        if flags.fast_math != 0 {
            self.note_last(kind::CALL_FAST_MATH, u32::from(fast_math(flags.fast_math)));
        }
        Ok(if result == TypeId::VOID {
            Value::NONE
        } else {
            value
        })
    }

    /// The function that is called directly, also by an alias.
    ///
    /// Imports count as functions: which code they mean is decided when symbols are bound.
    fn direct(&mut self, callee: ValueId) -> Result<Option<ir::FuncId>> {
        if (callee.0 as usize) >= self.loader.symbols.len()
            && self
                .loader
                .constant(callee, Some(self.constants()))
                .is_none()
        {
            return Ok(None);
        }
        Ok(match self.fold(callee)? {
            Folded::Address {
                plus: Some(RelocTarget::Func(id)),
                minus: None,
                add: 0,
            } => Some(id),
            _ => None,
        })
    }

    #[cold]
    fn unknown_intrinsic(&self, id: ValueId) -> Box<LoadError> {
        let source = self.loader.source;
        let function = match source.global(id) {
            Some(bitcode::GlobalId::Function(at)) => source.functions().get(at as usize),
            _ => None,
        };
        let name = function.map(|function| self.loader.name(function.name));
        LoadError::unsupported(format!("intrinsic {}", name.unwrap_or_default()))
    }

    /// Bundles change what a call means (`deopt`, `funclet`, `ptrauth`), so an unknown one is refused.
    #[cold]
    fn bundle_error(&self, bundle: Option<u32>) -> Box<LoadError> {
        let tags = self.loader.source.bundle_tags();
        let tag = bundle.and_then(|tag| tags.get(tag as usize));
        let tag = tag.map_or_else(
            || String::from("?"),
            |tag| String::from_utf8_lossy(tag).into_owned(),
        );
        LoadError::unsupported(format!("operand bundle {tag}"))
    }
}
