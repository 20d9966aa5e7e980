//! The first pass: how often and how long each value is used.
//!
//! Blocks are walked in emission order, so every definition is seen before its uses (L1; a phi's
//! operands count as used at the end of the predecessor, not at the phi). For each value the pass counts
//! the uses, weighs them by loop depth, and finds the last position at which it is live (see `layout`
//! for why one interval is enough). Values that are wanted in more than one block become *candidates*
//! for a register of their own.
//!
//! Two kinds of address get special treatment, because nearly all code at -O0 is made of them: static
//! allocas that are only loaded and stored (see `variable`), and `PtrAdd`s whose uses are all
//! addresses of loads and stores in their own block. The latter are *folded*: nothing is emitted for them, and
//! their operands stay alive until the last use.

use super::lanes::Shape;
use super::layout::{Layout, NONE};
use super::phi::PhiInputs;
use super::value::{Ix, NO_IX, Val, index};
use super::variable::Variable;
use crate::abi::{self, Part};
use crate::tier::{Declined, Job};
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;
use ir::{BlockId, Body, FuncAttrs, Inst, InstId, MemFlags, Op, TypeId, Types, Value};

/// Accesses at loop depth 0, 1, … count so much.
const WEIGHTS: [u32; 6] = [1, 8, 64, 512, 4096, 32768];

/// A value that may get a register for all its life.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    /// Position at which the register is first written.
    pub(super) start: u32,
    pub(super) ix: Ix,
}

impl Candidate {
    /// What candidates are ordered by.
    pub(super) fn order(&self) -> (u32, Ix) {
        (self.start, self.ix)
    }
}

/// Result of the pass.
#[derive(Debug)]
pub(super) struct Analysis {
    pub(super) vals: Vec<Val>,
    /// Ascending by `start`.
    pub(super) candidates: Vec<Candidate>,
    pub(super) phis: PhiInputs,
    /// Positions of calls, ascending.
    pub(super) calls: Vec<u32>,
    /// Number of parameters; they are the first of `vals`.
    pub(super) params: u32,
    /// Static allocas that were loaded or stored.
    pub(super) variables: Vec<Variable>,
    /// A callee may return twice: every value keeps a home of its own.
    pub(super) returns_twice: bool,
    /// Some constant is the address of a thread-local variable.
    pub(super) has_thread_locals: bool,
    /// Some value has 256 bits.
    pub(super) has_wide_vectors: bool,
}

/// Where the operands that are being looked at are used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site {
    pub(super) block: BlockId,
    pub(super) position: u32,
    /// First position of the block.
    base: u32,
    /// Innermost loop.
    pub(super) inner: u32,
    weight: u32,
}

pub(super) struct Pass<'a> {
    pub(super) job: &'a Job<'a>,
    pub(super) body: &'a Body,
    pub(super) layout: &'a Layout,
    pub(super) params: u32,
    pub(super) site: Site,
    pub(super) out: Analysis,
}

/// Analyses the job's function.
///
/// # Errors
/// A value of a type that this tier does not hold in registers yet.
pub(super) fn run(job: &Job<'_>, body: &Body, layout: &Layout) -> Result<Analysis, Declined> {
    let params = body.params.len();
    let mut pass = Pass {
        job,
        body,
        layout,
        params: params as u32,
        site: Site {
            block: BlockId(0),
            position: 0,
            base: 0,
            inner: NONE,
            weight: 0,
        },
        out: Analysis {
            vals: vec![Val::EMPTY; params + body.insts.len()],
            candidates: Vec::with_capacity(params + body.insts.len() / 8),
            phis: PhiInputs::new(body, layout),
            calls: Vec::with_capacity(body.insts.len() / 16),
            params: params as u32,
            variables: Vec::with_capacity(body.insts.len() / 16),
            returns_twice: false,
            has_thread_locals: has_thread_locals(job, body),
            has_wide_vectors: false,
        },
    };
    for (ix, &ty) in (0..).zip(&body.params) {
        pass.define(ix, ty, InstId(0))?;
    }
    for &id in &layout.order {
        pass.block(id)?;
    }
    pass.collect_candidates();
    let ascending = match layout.irreducible {
        true => 0,
        false => pass.out.candidates.len(),
    };
    pass.settle_variables();
    merge(&mut pass.out.candidates, ascending);
    Ok(pass.out)
}

/// Sorts `candidates`, of which so many ascend: sorts the others and merges them in, from the last on.
fn merge(candidates: &mut [Candidate], ascending: usize) {
    let mut others = candidates[ascending..].to_vec();
    others.sort_unstable_by_key(Candidate::order);
    let mut from = ascending;
    let mut to = candidates.len();
    for other in others.into_iter().rev() {
        while from > 0 && candidates[from - 1].order() > other.order() {
            from -= 1;
            to -= 1;
            candidates[to] = candidates[from];
        }
        to -= 1;
        candidates[to] = other;
    }
}

/// Whether some constant is the address of a thread-local variable.
fn has_thread_locals(job: &Job<'_>, body: &Body) -> bool {
    let is_local = |constant: &ir::Const| match constant.kind {
        ir::ConstKind::Global { id, .. } => job.module.globals[id.index()].thread_local,
        _ => false,
    };
    body.consts.iter().any(is_local)
}

impl Pass<'_> {
    fn block(&mut self, id: BlockId) -> Result<(), Declined> {
        let place = self.layout.place(id);
        let depth = self.layout.depth(id) as usize;
        self.site = Site {
            block: id,
            position: place.start,
            base: place.start,
            inner: place.inner,
            weight: WEIGHTS[depth.min(WEIGHTS.len() - 1)],
        };
        let body = self.body;
        let block = body.block(id);
        let insts = &body.insts[block.start as usize..block.end as usize];
        for (at, inst) in (block.start..).zip(insts) {
            self.inst(InstId(at), inst)?;
            self.site.position += 1;
        }
        self.site.position -= 1;
        for at in self.out.phis.from(id) {
            let (phi, value) = self.out.phis.at(at);
            self.use_value(value);
            self.hint(value, self.params + phi.0);
        }
        Ok(())
    }

    /// Counts the operands and notes the result.
    #[inline]
    fn inst(&mut self, id: InstId, inst: &Inst) -> Result<(), Declined> {
        let [a, b, c] = inst.args;
        let ix = self.params + id.0;
        match inst.op {
            Op::Phi => {
                self.define(ix, inst.ty, id)?;
                self.mark_phi(ix);
                return Ok(());
            }
            Op::Load => self.address(Value(a), inst, MemFlags(b)),
            Op::Store => {
                self.address(Value(a), inst, MemFlags(c));
                self.use_value(Value(b));
                return Ok(());
            }
            Op::PtrAdd => {
                let flags = self.address_arithmetic(Value(a), Value(b));
                self.define(ix, inst.ty, id)?;
                self.out.vals[ix as usize].flags |= flags;
                return Ok(());
            }
            Op::ICmp | Op::FCmp => {
                self.use_value(Value(a));
                self.use_value(Value(b));
                // A mask of lanes is as wide as what was compared.
                if inst.ty != TypeId::I1 {
                    return self.define(ix, self.body.type_of(Value(a)), id);
                }
            }
            op if op.is_int_binary() => {
                self.use_value(Value(a));
                self.use_value(Value(b));
            }
            Op::Br => return Ok(()),
            _ => self.other_operands(id, inst),
        }
        if inst.has_result() {
            self.define(ix, inst.ty, id)?;
            if inst.op == Op::Alloca && b <= 4 && self.site.base == 0 {
                self.out.vals[ix as usize].flags |= Val::ALLOCA;
            }
        }
        Ok(())
    }

    /// Counts the operands of an instruction that needs no more than that, or is rare.
    fn other_operands(&mut self, id: InstId, inst: &Inst) {
        let [a, b, c] = inst.args;
        match inst.op {
            Op::CondBr | Op::Select | Op::ZExt => self.extend_compared(Value(a), id),
            Op::Call | Op::CallIndirect => {
                self.out.calls.push(self.site.position);
                self.note_call(inst);
            }
            Op::Intrinsic if super::helper::is_call(self.body, inst) => {
                self.out.calls.push(self.site.position);
            }
            _ => {}
        }
        let body = self.body;
        match inst.op {
            Op::CondBr | Op::ZExt => self.use_value(Value(a)),
            Op::Call | Op::CallIndirect => {
                if inst.op == Op::CallIndirect {
                    self.use_value(Value(a));
                }
                for &word in body.words(b + 2, c) {
                    self.use_value(Value(word));
                }
            }
            _ => body.for_each_operand(inst, |value| self.use_value(value)),
        }
    }

    /// Counts the operands of a `PtrAdd`; the flags of the result.
    fn address_arithmetic(&mut self, base: Value, index: Value) -> u16 {
        if index != Value::NONE {
            self.use_value(base);
            self.use_value(index);
            return Val::PTR_ADD;
        }
        self.use_base(base);
        let chained = self.index(base).is_some_and(|base| {
            let base = &self.out.vals[base as usize];
            base.flags & (Val::PTR_ADD | Val::CHAINED) == Val::PTR_ADD && base.def >= self.site.base
        });
        Val::PTR_ADD | if chained { Val::CHAINED } else { 0 }
    }

    /// A comparison just before its user is emitted with the user: its operands live until then.
    fn extend_compared(&mut self, cond: Value, user: InstId) {
        let Some(id) = cond.as_inst().filter(|id| id.0 + 1 == user.0) else {
            return;
        };
        let compare = self.body.inst(id);
        if matches!(compare.op, Op::ICmp | Op::FCmp) {
            self.extend(Value(compare.args[0]));
            self.extend(Value(compare.args[1]));
        }
    }

    /// `value` lives at least until here.
    fn extend(&mut self, value: Value) {
        if let Some(ix) = self.index(value) {
            let end = &mut self.out.vals[ix as usize].end;
            *end = (*end).max(self.site.position);
        }
    }

    fn note_call(&mut self, inst: &Inst) {
        let module = self.job.module;
        let set = self.body.pool[inst.args[1] as usize + 1];
        let set = module.attr_set(set);
        let mut attrs = set.map_or(0, |set| set.func.0);
        if inst.op == Op::Call {
            attrs |= module.funcs[inst.args[0] as usize].attrs.0;
        }
        self.out.returns_twice |= FuncAttrs(attrs).has(FuncAttrs::RETURNS_TWICE);
    }

    #[inline(always)]
    fn index(&self, value: Value) -> Option<Ix> {
        index(value, self.params)
    }

    /// A use that needs the value itself.
    #[inline]
    fn use_value(&mut self, value: Value) {
        if let Some(ix) = self.index(value) {
            self.touch(ix, Val::NO_FOLD | Val::ESCAPED);
        }
    }

    /// A use as the address of `inst`, a load or store.
    fn address(&mut self, value: Value, inst: &Inst, flags: MemFlags) {
        let Some(ix) = self.index(value) else { return };
        let val = &self.out.vals[ix as usize];
        if val.has(Val::ALLOCA) {
            self.access(ix, inst, flags);
        } else if val.has(Val::PTR_ADD) {
            self.fold(ix);
        }
        self.touch(ix, 0);
    }

    /// The base of a `PtrAdd` without index.
    fn use_base(&mut self, value: Value) {
        let Some(ix) = self.index(value) else { return };
        let val = &self.out.vals[ix as usize];
        if !val.has(Val::PTR_ADD) || val.has(Val::CHAINED) {
            return self.use_value(value);
        }
        self.fold(ix);
        self.touch(ix, 0);
    }

    /// Keeps the operands of a `PtrAdd` alive for an access here, if it can be folded here.
    fn fold(&mut self, ix: Ix) {
        let val = &mut self.out.vals[ix as usize];
        if val.def < self.site.base {
            val.flags |= Val::NO_FOLD;
            return;
        }
        // At most one step: a base that is chained itself is not folded.
        let mut chained = val.has(Val::CHAINED);
        let mut inst = &self.body.insts[(ix - self.params) as usize];
        loop {
            self.extend(Value(inst.args[0]));
            self.extend(Value(inst.args[1]));
            match Value(inst.args[0]).as_inst() {
                Some(base) if chained => inst = self.body.inst(base),
                _ => return,
            }
            chained = false;
        }
    }

    /// Counts a use of a kind that sets `flags`.
    #[inline]
    fn touch(&mut self, ix: Ix, flags: u16) {
        let site = &self.site;
        let val = &mut self.out.vals[ix as usize];
        val.uses += 1;
        val.flags |= Val::USED | flags;
        val.weight = val.weight.saturating_add(site.weight);
        // A loop around the use that the definition is not in does not begin within the block.
        if val.def < site.base {
            self.touch_outside(ix);
        } else {
            val.end = val.end.max(site.position);
        }
    }

    /// The last use counted is in another block than the definition.
    fn touch_outside(&mut self, ix: Ix) {
        let site = self.site;
        let val = &mut self.out.vals[ix as usize];
        let known = val.has(Val::EXTENDED) && site.position <= val.end;
        val.end = val.end.max(site.position);
        if !known {
            if self.layout.irreducible {
                val.end = NONE;
            } else if site.inner != NONE
                && let Some(around) = self.layout.outermost_after(site.inner, val.def)
            {
                val.end = val.end.max(around.end);
                val.flags |= Val::EXTENDED;
            }
        }
        if !val.has(Val::CROSS) {
            self.cross(ix);
        }
    }

    /// The value leaves its block.
    fn cross(&mut self, ix: Ix) {
        let val = &mut self.out.vals[ix as usize];
        val.flags |= Val::CROSS;
        if !val.has(Val::ALLOCA) || val.has(Val::ESCAPED) {
            val.flags |= Val::CANDIDATE;
        }
    }

    /// Lists the candidates but for variables, in the order of the code: ascending by where they begin, unless
    /// all begin with the function because the layout is irreducible.
    fn collect_candidates(&mut self) {
        self.collect(0..self.params);
        for &id in &self.layout.order {
            let block = self.body.block(id);
            self.collect(self.params + block.start..self.params + block.end);
        }
    }

    fn collect(&mut self, range: Range<Ix>) {
        let Analysis {
            vals, candidates, ..
        } = &mut self.out;
        let vals = &vals[range.start as usize..range.end as usize];
        for (at, val) in vals.iter().enumerate() {
            if !val.has(Val::CANDIDATE) || val.has(Val::ALLOCA) && val.extra != NO_IX {
                continue;
            }
            let start = if self.layout.irreducible { 0 } else { val.def };
            let ix = range.start + at as u32;
            candidates.push(Candidate { start, ix });
        }
    }

    /// `value` flows into phi `phi`: it would do well in the same register.
    fn hint(&mut self, value: Value, phi: Ix) {
        let Some(ix) = self.index(value) else { return };
        let val = &mut self.out.vals[ix as usize];
        if val.more == 0 && !val.has(Val::ALLOCA) && !val.has(Val::HINTED) {
            val.flags |= Val::HINTED;
            val.extra = phi;
            val.flags |= Val::CANDIDATE;
        }
    }

    #[inline]
    fn define(&mut self, ix: Ix, ty: TypeId, at: InstId) -> Result<(), Declined> {
        let def = self.site.position;
        let part = match scalar_part(ty) {
            Some(part) => part,
            None => self.define_parts(ix, ty, at)?,
        };
        let val = &mut self.out.vals[ix as usize];
        val.def = def;
        val.end = val.end.max(def);
        val.part = part;
        Ok(())
    }

    /// Makes the later parts of a value; its first part.
    #[cold]
    fn define_parts(&mut self, ix: Ix, ty: TypeId, at: InstId) -> Result<Part, Declined> {
        let (first, later) = parts_of(self.job, ty, at)?;
        self.out.has_wide_vectors |= first == Part::V256;
        if !later.is_empty() {
            let extra = self.out.vals.len() as u32;
            let val = &mut self.out.vals[ix as usize];
            val.more = later.len() as u8;
            val.extra = extra;
            self.out.vals.extend(later.iter().map(|&part| Val {
                part,
                extra: ix,
                flags: Val::LATER,
                ..Val::EMPTY
            }));
        }
        Ok(first)
    }

    /// Notes what the users of a phi must know of it.
    fn mark_phi(&mut self, ix: Ix) {
        // Edges that come later in the code write the home again.
        let Val { more, extra, .. } = self.out.vals[ix as usize];
        let later = (0..u32::from(more)).map(|part| extra + part);
        for part in core::iter::once(ix).chain(later) {
            self.out.vals[part as usize].flags |= Val::KEEP_HOME;
        }
        self.cross(ix);
    }
}

/// The only part of a value of one of the common types.
#[inline]
pub(super) fn scalar_part(ty: TypeId) -> Option<Part> {
    const PARTS: [Option<Part>; 9] = [
        None,
        Some(Part::Int(1)),
        Some(Part::Int(8)),
        Some(Part::Int(16)),
        Some(Part::Int(32)),
        Some(Part::Int(64)),
        Some(Part::F32),
        Some(Part::F64),
        Some(Part::Int(32)),
    ];
    PARTS.get(ty.index()).copied().flatten()
}

/// The parts of a value of type `ty`: the first, and the later ones. An empty struct has `Int(0)`.
///
/// # Errors
/// A type that this tier does not hold in registers yet.
pub(super) fn parts_of(
    job: &Job<'_>,
    ty: TypeId,
    at: InstId,
) -> Result<(Part, abi::Parts), Declined> {
    let one = |part| Ok((part, abi::Parts::new()));
    match scalar_part(ty) {
        Some(part) => one(part),
        None => {
            let types = &job.module.types;
            let unsupported = |what| Err(Declined::Unsupported(what, at));
            if uses_half(types, ty) {
                return unsupported("half");
            }
            match types.get(ty) {
                ir::Type::Int(bits) if *bits > 64 => return unsupported("integer above 64 bits"),
                ir::Type::X86Fp80 => return unsupported("x86_fp80"),
                ir::Type::Vector { .. } => {
                    return match Shape::of(types, ty) {
                        Some(shape) if !shape.is_wide() || job.cpu.avx2 => one(shape.part()),
                        _ => unsupported("vector that no register holds"),
                    };
                }
                _ => {}
            }
            let Some(mut parts) = abi::parts(types, ty, job.cpu.avx2) else {
                return unsupported("aggregate of more than four parts");
            };
            if parts.is_empty() {
                return one(Part::Int(0));
            }
            let first = parts.remove(0);
            Ok((first, parts))
        }
    }
}

/// Whether a value of type `ty` holds a half anywhere.
fn uses_half(types: &Types, ty: TypeId) -> bool {
    match types.get(ty) {
        ir::Type::Half => true,
        ir::Type::Struct { fields, .. } => fields.iter().any(|&f| types.get(f) == &ir::Type::Half),
        _ => false,
    }
}
