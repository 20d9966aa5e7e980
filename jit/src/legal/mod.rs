//! Legalisation: what machines do not have, in terms of what they have.
//!
//! Bitcode has integers of any width, `half`, `x86_fp80`, vectors of any length of anything, structs and
//! arrays as values. Machines have none of these, and every tier would have to know about all of them.
//! So a program is rewritten once, when it is linked: afterwards its functions are in the machine dialect
//! ([`machine`], `jit/docs/legal.md`), and tiers, inliner and side tables know nothing else.
//!
//! ```text
//!   Function ─ needed? ─┬─ no, or in the dialect already: untouched
//!                       └─ yes: rewrite ─ parts of values ─ operations by kind of type
//!                               │  shape      what each type becomes
//!                               │  emit       the new body
//!                               │  signature  parameters, results, calls
//!                               └  memory pieces vector convert wide half x87
//! ```
//!
//! # Why a program at a time, and why before any tier
//!
//! Types, attribute sets and helper functions belong to the module, so one walk with the module in hand
//! needs no second copy of any of them, and all that follows (the inliner, marshalling of mismatched calls, lines
//! of faults, loop numbers, homes of values) speaks of one body and one signature a function.
//! Only functions that need it pay: the question costs a table look-up an instruction, and where types are seen that
//! few machines have, a look at each instruction by the [judge](dialect).
//!
//! # What may be relied on
//! D1. A module that the verifier accepts is accepted afterwards, and means the same: the interpreter gives the same
//!     results and leaves the same memory, byte by byte.
//! D2. Every function is in the dialect ([`dialect::check`]), for the CPU that was given.
//! D3. Block and loop numbers of bodies stay.
//! D4. A call and the function it reaches agree after as before: legal types depend on types alone.

mod convert;
pub mod dialect;
mod divide;
mod emit;
mod half;
mod helpers;
pub mod machine;
mod memory;
mod parts;
mod pieces;
mod rewrite;
mod shape;
mod signature;
mod vector;
mod vector_intrinsic;
mod wide;
mod wide_intrinsic;
mod x87;

use crate::tier::CpuFeatures;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use dialect::Judge;
use hashbrown::HashMap;
use helpers::Helper;
use ir::module::AttrSet;
use ir::{
    Body, FuncAttrs, FuncId, Function, Inst, InstId, Intrinsic, Module, Op, Type, TypeId, Types,
    Value,
};
use rewrite::Rewriter;
use shape::Shape;
use smallvec::SmallVec;

/// Why a function cannot be legalised.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LegalError {
    /// By design, or not yet: what, in which function, at which instruction.
    Unsupported(&'static str, String, InstId),
    /// A bound was reached: which, in which function.
    LimitExceeded(&'static str, String),
}

impl fmt::Display for LegalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(what, func, at) => {
                write!(f, "unsupported: {what} in function `{func}` at %{}", at.0)
            }
            Self::LimitExceeded(which, func) => {
                write!(f, "limit exceeded: {which} in function `{func}`")
            }
        }
    }
}

impl core::error::Error for LegalError {}

/// Why rewriting stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stop {
    Unsupported(&'static str),
    /// The function would have too many instructions, operands or parts.
    TooLarge,
}

/// Which rules are left out: tests see that the judges notice.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rules(pub u8);

impl Rules {
    /// Integers above 64 bits stay.
    pub const WIDE: u8 = 1;
    /// Halves stay.
    pub const HALF: u8 = 2;
    /// `x86_fp80` stays.
    pub const EXTENDED: u8 = 4;
    /// Masks stay vectors of i1.
    pub const MASKS: u8 = 8;
    /// Structs and arrays stay.
    pub const AGGREGATES: u8 = 16;
    /// Vectors of machine lanes stay as long as they are.
    pub const LENGTHS: u8 = 32;
    /// Vector operations that the machine has not are kept as if it had them.
    pub const OPERATIONS: u8 = 64;

    /// Whether a rule is left out.
    #[must_use]
    pub fn without(self, rule: u8) -> bool {
        self.0 & rule != 0
    }

    /// What becomes of a type of this shape: as if the machine had it, if its rule is left out.
    fn shape(self, shape: Shape) -> Shape {
        let rule = match shape {
            Shape::Wide(_) => Self::WIDE,
            Shape::Half => Self::HALF,
            Shape::Extended => Self::EXTENDED,
            Shape::Mask(_) => Self::MASKS,
            Shape::Aggregate => Self::AGGREGATES,
            Shape::Lanes(..) => Self::LENGTHS,
            _ => 0,
        };
        match self.without(rule) {
            true => Shape::Machine,
            false => shape,
        }
    }
}

/// What was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Functions that were rewritten.
    pub functions: usize,
    /// Their instructions before and after.
    pub insts: [usize; 2],
    /// Helper functions that were added.
    pub helpers: usize,
}

/// Rewrites `module`, which the verifier has accepted, into the machine dialect of `cpu`. A module that is in the
/// dialect stays as it is, so doing it twice does no harm.
///
/// # Errors
/// A function uses what has no rule, or becomes too large. The module is in pieces then.
pub fn module(module: &mut Module, cpu: CpuFeatures) -> Result<Report, LegalError> {
    let mut definitions = own_types(module);
    linked(module, &mut definitions, cpu, Rules::default())
}

/// The types of a module's functions, which are those of their definitions in a module by itself.
#[must_use]
pub fn own_types(module: &Module) -> Vec<TypeId> {
    module.funcs.iter().map(|func| func.ty).collect()
}

/// As [`module`], for a module of several files. `definitions` holds the type of each function's definition, before
/// and afterwards; `rules` are left out.
///
/// # Errors
/// As [`module`].
pub fn linked(
    module: &mut Module,
    definitions: &mut [TypeId],
    cpu: CpuFeatures,
    rules: Rules,
) -> Result<Report, LegalError> {
    let kinds = Kinds::without(&module.types, cpu, rules);
    let judge = Judge::new(&module.types, cpu);
    let wanted: Vec<bool> = module
        .funcs
        .iter()
        .map(|func| needed(&kinds, func) && !stays(&judge, &module.types, definitions, func))
        .collect();
    if !wanted.contains(&true) {
        return Ok(Report::default());
    }
    let stored = definitions.to_vec();
    let attr_sets = core::mem::take(&mut module.attr_sets);
    let mut cx = Context::new(&mut module.types, &kinds, &stored, attr_sets, cpu, rules);
    let mut report = Report::default();
    let mut failed = None;
    for (func, wanted) in module.funcs.iter_mut().zip(wanted) {
        if wanted && let Err((at, stop)) = function(&mut cx, func, &mut report) {
            failed = Some((func.name.clone(), at, stop));
            break;
        }
    }
    for ty in definitions {
        if kinds.of(*ty) != Kinds::NOTHING {
            let legal = Rewriter::new(&mut cx, &Body::default(), false).new_type(*ty);
            *ty = legal.map_or(*ty, |(legal, _)| legal);
        }
    }
    let full = cx.full;
    let helpers = core::mem::take(&mut cx.wanted);
    module.attr_sets = cx.attr_sets;
    if let Some((name, at, stop)) = failed {
        return Err(match stop {
            Stop::Unsupported(what) => LegalError::Unsupported(what, name, at),
            Stop::TooLarge => LegalError::LimitExceeded("size of a legalised function", name),
        });
    }
    report.helpers = helpers.len();
    let helpers = helpers::functions(&mut module.types, &helpers);
    match helpers {
        Some(helpers) if !full => module.funcs.extend(helpers),
        _ => {
            let which = "types of a module";
            return Err(LegalError::LimitExceeded(which, module.name.clone()));
        }
    }
    Ok(report)
}

/// One function: its type, the numbers of its parameters' attributes, its body.
fn function(
    cx: &mut Context<'_>,
    func: &mut Function,
    report: &mut Report,
) -> Result<(), (InstId, Stop)> {
    let stored = func.ty;
    let fused = func.attrs.has(FuncAttrs::FMA);
    let old = func.body.take();
    cx.constants.clear();
    let (ty, starts) = Rewriter::new(cx, &Body::default(), fused)
        .new_type(stored)
        .map_err(|stop| (InstId(0), stop))?;
    func.ty = ty;
    func.attr_set = cx.attr_set(func.attr_set, &starts);
    if let Some(old) = &old {
        let body = Rewriter::new(cx, old, fused).run(stored)?;
        report.functions += 1;
        report.insts[0] += old.insts.len();
        report.insts[1] += body.insts.len();
        func.body = Some(body);
    }
    Ok(())
}

/// Whether legalisation may have anything to do with a function: a type that the machine has not, of a parameter, the
/// result, a constant or an instruction (every other operand is one of these), or an operation that it has not.
#[must_use]
pub fn needed(kinds: &Kinds, func: &Function) -> bool {
    if kinds.of(func.ty) != Kinds::NOTHING {
        return true;
    }
    let Some(body) = &func.body else {
        return false;
    };
    let fused = func.attrs.has(FuncAttrs::FMA);
    if !kinds.fma && body.insts.iter().any(|inst| is_fused(inst, fused)) {
        return true;
    }
    let pair = |op| matches!(op, Op::Intrinsic | Op::CmpXchg);
    body.consts.iter().any(|c| kinds.of(c.ty) != Kinds::NOTHING)
        || body.insts.iter().any(|inst| match kinds.of(inst.ty) {
            Kinds::NOTHING => is_float_exchange(inst),
            Kinds::PAIR => !pair(inst.op),
            _ => true,
        })
}

/// Whether a function is in the dialect, and its calls are what they will be: one that hides that the function
/// it names is variadic changes with the kinds of its arguments.
fn stays(judge: &Judge<'_>, types: &Types, definitions: &[TypeId], func: &Function) -> bool {
    let variadic = |ty| matches!(types.signature(ty), Some((.., true)));
    let hides = |body: &Body, inst: &Inst| {
        let callee = definitions.get(inst.args[0] as usize);
        inst.op == Op::Call
            && callee.is_some_and(|&ty| variadic(ty))
            && !variadic(TypeId(body.pool[inst.args[1] as usize] as u16))
    };
    let any = |body: &Body| body.insts.iter().any(|inst| hides(body, inst));
    judge.function(func).is_ok() && !func.body.as_ref().is_some_and(any)
}

/// Whether `inst` exchanges a float with memory: only general registers can.
fn is_float_exchange(inst: &Inst) -> bool {
    inst.op == Op::AtomicRmw && matches!(inst.ty, TypeId::F32 | TypeId::F64)
}

/// Whether `inst`, of a function that is `fused` or not, rounds a product and a sum once.
fn is_fused(inst: &Inst, fused: bool) -> bool {
    match inst.intrinsic().filter(|_| inst.op == Op::Intrinsic) {
        Some(Intrinsic::Fma) => true,
        Some(Intrinsic::FMulAdd) => fused,
        _ => false,
    }
}

/// By type: whether legalisation has to do with it.
#[derive(Clone, Debug)]
pub struct Kinds {
    of: Vec<u8>,
    /// Whether the CPU rounds a product and a sum once.
    fma: bool,
}

impl Kinds {
    const NOTHING: u8 = 0;
    /// `{iN, i1}`: fine as the result of an operation that gives both.
    const PAIR: u8 = 1;
    const LEGALISED: u8 = 2;

    /// The table for a module's types.
    #[must_use]
    pub fn new(types: &Types, cpu: CpuFeatures) -> Self {
        Self::without(types, cpu, Rules::default())
    }

    /// As [`Kinds::new`], with `rules` left out.
    fn without(types: &Types, cpu: CpuFeatures, rules: Rules) -> Self {
        let ids = (0..=u16::MAX).take(types.len()).map(TypeId);
        let mut kinds = Self {
            of: Vec::with_capacity(types.len()),
            fma: cpu.fma,
        };
        for id in ids {
            let kind = kinds.classify(types, id, rules);
            kinds.of.push(kind);
        }
        kinds
    }

    /// Components have lower numbers, so they are classified already.
    fn classify(&self, types: &Types, id: TypeId, rules: Rules) -> u8 {
        match types.get(id) {
            Type::Func { ret, params, .. } => {
                let all = params.iter().chain(core::iter::once(ret));
                all.map(|&ty| self.of(ty)).max().unwrap_or(0).min(1) * Self::LEGALISED
            }
            Type::Struct { fields, .. } => match fields[..] {
                [first, TypeId::I1] if types.int_bits(first).is_some_and(|bits| bits <= 64) => {
                    Self::PAIR
                }
                _ if rules.without(Rules::AGGREGATES) => Self::NOTHING,
                _ => Self::LEGALISED,
            },
            Type::Void | Type::Label | Type::Metadata | Type::Opaque => Self::NOTHING,
            _ => match rules.shape(Shape::of(types, id)) {
                Shape::Machine => Self::NOTHING,
                _ => Self::LEGALISED,
            },
        }
    }

    /// Whether values of a type stay as they are.
    fn stays(&self, ty: TypeId) -> bool {
        self.of(ty) == Self::NOTHING
    }

    fn of(&self, ty: TypeId) -> u8 {
        self.of.get(ty.index()).copied().unwrap_or(Self::LEGALISED)
    }
}

/// Place of a parameter that is not one of the machine's: what was known of it holds for no part.
const SPLIT: u32 = u32::MAX;

/// What all functions of a module share while they are rewritten.
struct Context<'a> {
    types: &'a mut Types,
    kinds: &'a Kinds,
    cpu: CpuFeatures,
    rules: Rules,
    /// The types of all functions' definitions before.
    stored: &'a [TypeId],
    attr_sets: Vec<AttrSet>,
    /// Attribute sets with parameters in other places.
    moved: HashMap<(u32, SmallVec<[u32; 8]>), u32>,
    /// Legal types of functions, as they are and as variadic ones.
    signatures: HashMap<(TypeId, bool), TypeId>,
    vectors: HashMap<(TypeId, u32), TypeId>,
    /// Constant vectors of the function at hand.
    constants: HashMap<(TypeId, SmallVec<[u32; 16]>), Value>,
    /// Helper functions that are called, in the order of their numbers behind the stored functions.
    wanted: Vec<Helper>,
    /// There was no room for a type.
    full: bool,
}

impl<'a> Context<'a> {
    fn new(
        types: &'a mut Types,
        kinds: &'a Kinds,
        stored: &'a [TypeId],
        attr_sets: Vec<AttrSet>,
        cpu: CpuFeatures,
        rules: Rules,
    ) -> Self {
        Self {
            types,
            kinds,
            cpu,
            rules,
            stored,
            attr_sets,
            moved: HashMap::new(),
            signatures: HashMap::new(),
            vectors: HashMap::new(),
            constants: HashMap::new(),
            wanted: Vec::new(),
            full: false,
        }
    }

    fn intern(&mut self, ty: Type) -> TypeId {
        self.types.intern(ty).unwrap_or_else(|_| {
            self.full = true;
            TypeId::VOID
        })
    }

    /// A vector type, or the element for one lane.
    fn vector(&mut self, elem: TypeId, len: u32) -> TypeId {
        if let Some(&ty) = self.vectors.get(&(elem, len)) {
            return ty;
        }
        let ty = self.intern(Type::Vector { elem, len });
        self.vectors.insert((elem, len), ty);
        ty
    }

    fn int(&mut self, bits: u32) -> TypeId {
        match bits {
            1 => TypeId::I1,
            8 => TypeId::I8,
            16 => TypeId::I16,
            32 => TypeId::I32,
            64 => TypeId::I64,
            128 => TypeId::I128,
            _ => self.intern(Type::Int(bits as u16)),
        }
    }

    fn pair(&mut self, first: TypeId, second: TypeId) -> TypeId {
        self.intern(Type::Struct {
            fields: vec![first, second],
            packed: false,
        })
    }

    /// Whether the function that a direct call names is variadic.
    fn is_variadic(&self, id: FuncId) -> bool {
        let ty = self.stored.get(id.index());
        let signature = ty.and_then(|&ty| self.types.signature(ty));
        signature.is_some_and(|(.., variadic)| variadic)
    }

    /// Bytes of the object that argument `at` with attribute set `set` is a copy of; 0 if it is none.
    fn byval(&self, set: u32, at: usize) -> u32 {
        let set = (set as usize).checked_sub(1);
        let set = set.and_then(|set| self.attr_sets.get(set));
        let param = set.and_then(|set| set.params.get(at));
        param.map_or(0, |param| param.byval)
    }

    /// The attribute set for parameters that are now at `starts`, or [`SPLIT`]. What it says of the result is
    /// lost: nothing that changes parameters is worth more.
    fn attr_set(&mut self, set: u32, starts: &[u32]) -> u32 {
        let Some(stored) = (set as usize).checked_sub(1) else {
            return set;
        };
        let Some(stored) = self.attr_sets.get(stored) else {
            return set;
        };
        if starts
            .iter()
            .enumerate()
            .all(|(at, &start)| at as u32 == start)
        {
            return set;
        }
        let key = (set, SmallVec::from_slice(starts));
        if let Some(&moved) = self.moved.get(&key) {
            return moved;
        }
        let mut moved = AttrSet {
            func: stored.func,
            ..AttrSet::default()
        };
        for (&start, &param) in starts.iter().zip(&stored.params) {
            if start != SPLIT {
                moved.params.resize(start as usize + 1, Default::default());
                moved.params[start as usize] = param;
            }
        }
        self.attr_sets.push(moved);
        let number = self.attr_sets.len() as u32;
        self.moved.insert(key, number);
        number
    }

    /// A helper's number, function type and result.
    fn helper(&mut self, helper: Helper) -> (FuncId, TypeId, TypeId) {
        let known = self.wanted.iter().position(|&known| known == helper);
        let at = known.unwrap_or_else(|| {
            self.wanted.push(helper);
            self.wanted.len() - 1
        });
        let (params, ret) = helper.signature();
        let ty = self.intern(Type::Func {
            ret,
            params: params.to_vec(),
            variadic: false,
        });
        (FuncId((self.stored.len() + at) as u32), ty, ret)
    }
}

#[cfg(test)]
mod tests;
