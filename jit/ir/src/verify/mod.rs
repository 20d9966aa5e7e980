//! The verifier: the gate between untrusted modules and everything that compiles or runs code.
//!
//! Tiers index by the ids in a body without looking twice, allocate by its types, and promise that
//! no pass fails on verified IR. So whatever they rely on is checked here, and this file's contract
//! is: **for any `Module` value whatsoever, [`module`] returns, without a panic, in time nearly
//! linear in its size.** Ids are followed only after a range check; nothing recurses; phis and
//! switches may not be longer than the edges they describe, so that shared pool ranges cannot make
//! a small body expensive.
//!
//! # What is checked
//!
//! * module: signatures, attribute sets, initialisers and relocations, aliases, names of files
//!   (`module`, here);
//! * B1 and B2, lines and side table, constants (`body`);
//! * B3 by dominator intervals: within a block by position, from the entry block for free, else one
//!   comparison (`body`);
//! * B4, operation by operation (`ops`, `intrinsics`).
//!
//! Blocks that no path reaches are held to everything but dominance across blocks.

mod body;
mod class;
mod intrinsics;
mod ops;

pub use class::{MAX_INT_BITS, MAX_LANES, MAX_VALUE_DEPTH, MAX_VALUE_SCALARS};

use crate::inst::InstId;
use crate::module::{FuncId, Function, Global, Module, ParamAttrs, RelocTarget};
use crate::types::MAX_BYTES;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use class::Class;
use core::fmt;

/// log2 of the largest alignment (LLVM's limit before version 15, more than anyone needs).
pub const MAX_ALIGN_LOG2: u32 = 29;

/// Why a module is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifyError {
    /// The function at fault, if it is one.
    pub func: Option<FuncId>,
    /// The instruction at fault, if it is one.
    pub inst: Option<InstId>,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(func) = self.func {
            write!(f, "function {}: ", func.0)?;
        }
        if let Some(inst) = self.inst {
            write!(f, "%{}: ", inst.0)?;
        }
        f.write_str(&self.what)
    }
}

impl core::error::Error for VerifyError {}

/// What is wrong, the place still to be added. Boxed, so that the result of a check is returned in
/// registers.
#[expect(clippy::box_collection, reason = "one word, where a string is three")]
struct Message(Box<String>);

impl From<String> for Message {
    #[cold]
    fn from(what: String) -> Self {
        Self(Box::new(what))
    }
}

/// Result of a check.
type Check<T = ()> = Result<T, Message>;

/// Checks the whole module.
///
/// # Errors
/// The first thing found wrong.
pub fn module(module: &Module) -> Result<(), VerifyError> {
    let verifier = Verifier::new(module);
    let at_module = |message: Message| VerifyError {
        func: None,
        inst: None,
        what: *message.0,
    };
    verifier.check_tables().map_err(at_module)?;
    let mut scratch = body::Scratch::default();
    for (id, func) in (0u32..).map(FuncId).zip(&module.funcs) {
        verifier.check_signature(func).map_err(in_function(id))?;
        if let Some(body) = &func.body {
            verifier.body_with(func, id, body, &mut scratch)?;
        }
    }
    Ok(())
}

/// Checks one function of a module whose other parts are known to be right.
///
/// # Errors
/// The first thing found wrong.
pub fn function(module: &Module, id: FuncId) -> Result<(), VerifyError> {
    Verifier::new(module).function(id)
}

/// Checks `body` as if it were the body of function `id`: what a pass that works on a copy runs
/// before and after itself.
///
/// # Errors
/// The first thing found wrong.
pub fn body(module: &Module, id: FuncId, body: &crate::Body) -> Result<(), VerifyError> {
    Verifier::new(module).body(id, body)
}

/// A module with the tables that make checking it fast; for callers that check many bodies.
#[derive(Debug)]
pub struct Verifier<'a> {
    module: &'a Module,
    classes: Vec<Class>,
}

impl<'a> Verifier<'a> {
    /// Prepares to check functions of `module`.
    #[must_use]
    pub fn new(module: &'a Module) -> Self {
        Self {
            module,
            classes: class::classes(&module.types),
        }
    }

    /// Checks function `id`.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn function(&self, id: FuncId) -> Result<(), VerifyError> {
        let Some(func) = self.module.funcs.get(id.index()) else {
            return Err(in_function(id)(
                String::from("there is no such function").into(),
            ));
        };
        self.check_signature(func).map_err(in_function(id))?;
        match &func.body {
            Some(body) => self.body(id, body),
            None => Ok(()),
        }
    }

    /// Checks `body` as if it were the body of function `id`.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn body(&self, id: FuncId, body: &crate::Body) -> Result<(), VerifyError> {
        let Some(func) = self.module.funcs.get(id.index()) else {
            return Err(in_function(id)(
                String::from("there is no such function").into(),
            ));
        };
        self.check_signature(func).map_err(in_function(id))?;
        self.body_with(func, id, body, &mut body::Scratch::default())
    }

    /// As [`Verifier::body`], with buffers that serve for many bodies.
    fn body_with(
        &self,
        func: &Function,
        id: FuncId,
        body: &crate::Body,
        scratch: &mut body::Scratch,
    ) -> Result<(), VerifyError> {
        body::check(self, func, body, scratch).map_err(|(inst, message)| VerifyError {
            func: Some(id),
            inst,
            what: *message.0,
        })
    }

    /// The function's type, and that the body's parameters are its. Declarations may have types
    /// that the body of a function may not.
    fn check_signature(&self, func: &Function) -> Check {
        let types = &self.module.types;
        let signature = types.contains(func.ty).then(|| types.signature(func.ty));
        let Some((ret, params, _)) = signature.flatten() else {
            return fail("its type is not a function type");
        };
        self.check_attr_set(func.attr_set)?;
        let Some(body) = &func.body else {
            return Ok(());
        };
        if body.params != params {
            return fail("the body's parameters are not those of the signature");
        }
        if let Some(at) = params.iter().position(|&ty| !self.is_value(ty)) {
            return Err(format!("parameter {at} has a type without values").into());
        }
        if ret != crate::TypeId::VOID && !self.is_value(ret) {
            return fail("the result has a type without values");
        }
        Ok(())
    }

    /// That an attribute set exists; number 0 is none.
    fn check_attr_set(&self, number: u32) -> Check {
        if number as usize <= self.module.attr_sets.len() {
            Ok(())
        } else {
            Err(format!("there is no attribute set {number}").into())
        }
    }

    /// Everything of the module but functions.
    fn check_tables(&self) -> Check {
        let module = self.module;
        let limit = crate::Value::MAX_INDEX as usize;
        if module.funcs.len() > limit || module.globals.len() > limit {
            return fail("too many functions or globals");
        }
        for (at, global) in module.globals.iter().enumerate() {
            self.check_global(global)
                .map_err(|message| format!("global {at}: {}", message.0))?;
        }
        for (at, alias) in module.aliases.iter().enumerate() {
            if !self.has_target(alias.target) {
                return Err(format!("alias {at}: its target is out of range").into());
            }
        }
        for (at, scope) in module.scopes.iter().enumerate() {
            let call = scope.call.is_none_or(|call| (call.scope as usize) < at);
            if !call || scope.function as usize >= module.source_functions.len() {
                return Err(format!("source scope {at}: its call or name is out of range").into());
            }
        }
        if !module.facts.is_consistent() {
            return fail("the tables of facts name what they do not have");
        }
        for (at, set) in module.attr_sets.iter().enumerate() {
            // Together, because a caller lays all of them out side by side.
            let byval: u64 = set.params.iter().map(|p| u64::from(p.byval)).sum();
            let aligned = |p: &ParamAttrs| u32::from(p.align_log2) <= MAX_ALIGN_LOG2;
            if byval > MAX_BYTES || !set.params.iter().all(aligned) {
                return Err(format!("attribute set {at}: size or alignment too large").into());
            }
        }
        Ok(())
    }

    /// Sizes, and that every relocation changes four bytes of the initialiser.
    fn check_global(&self, global: &Global) -> Check {
        if u64::from(global.size) > MAX_BYTES {
            return fail("larger than 1 GiB");
        }
        if u32::from(global.align_log2) > MAX_ALIGN_LOG2 {
            return fail("alignment too large");
        }
        if global.init.len() > global.size as usize {
            return fail("the initialiser is larger than the variable");
        }
        for reloc in &global.relocs {
            if u64::from(reloc.offset) + 4 > global.init.len() as u64 {
                return fail("a relocation lies outside the initialiser");
            }
            if !self.has_target(reloc.target) {
                return fail("a relocation's target is out of range");
            }
        }
        Ok(())
    }

    /// Whether what a relocation or alias names exists.
    fn has_target(&self, target: RelocTarget) -> bool {
        match target {
            RelocTarget::Func(id) => id.index() < self.module.funcs.len(),
            RelocTarget::Global(id) => id.index() < self.module.globals.len(),
        }
    }

    /// Whether values of the type exist; not for ids out of range.
    fn is_value(&self, id: crate::TypeId) -> bool {
        self.classes
            .get(id.index())
            .is_some_and(|class| class.is_value())
    }
}

/// Adds the place to a message.
fn in_function(func: FuncId) -> impl Fn(Message) -> VerifyError {
    move |message| VerifyError {
        func: Some(func),
        inst: None,
        what: *message.0,
    }
}

/// Kept out of line: messages are made on the way out only.
#[cold]
fn fail<T>(what: &str) -> Check<T> {
    Err(String::from(what).into())
}

#[cfg(test)]
mod tests;
