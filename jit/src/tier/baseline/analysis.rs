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
use super::value::{Ix, NO_IX, Val};
use super::variable::Variable;
use crate::abi::{self, Part};
use crate::tier::{Declined, Job};
use alloc::vec;
use alloc::vec::Vec;
use ir::{BlockId, Body, FuncAttrs, Inst, InstId, MemFlags, Op, TypeId, Types, Value, ValueKind};

/// Accesses at loop depth 0, 1, … count so much.
const WEIGHTS: [u32; 6] = [1, 8, 64, 512, 4096, 32768];

/// A value that may get a register for all its life.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    /// Position at which the register is first written.
    pub(super) start: u32,
    pub(super) ix: Ix,
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

/// Where an operand is used.
#[derive(Clone, Copy)]
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
        pass.define(ix, ty, 0, InstId(0))?;
    }
    for &id in &layout.order {
        pass.block(id)?;
    }
    pass.collect_candidates();
    pass.settle_variables();
    // One run or two that ascend already, unless the blocks are out of order: nearly free.
    pass.out.candidates.sort_by_key(|c| (c.start, c.ix));
    Ok(pass.out)
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
        let mut site = Site {
            block: id,
            position: place.start,
            base: place.start,
            inner: place.inner,
            weight: WEIGHTS[depth.min(WEIGHTS.len() - 1)],
        };
        let body = self.body;
        for at in body.block(id).insts() {
            let inst = body.inst(at);
            self.operands(at, inst, site);
            if inst.has_result() {
                // A mask of lanes is as wide as what was compared.
                let ty = match inst.op {
                    Op::ICmp | Op::FCmp if inst.ty != TypeId::I1 => {
                        body.type_of(Value(inst.args[0]))
                    }
                    _ => inst.ty,
                };
                self.define(self.params + at.0, ty, site.position, at)?;
                self.mark(at, inst, site);
            }
            site.position += 1;
        }
        site.position -= 1;
        for at in self.out.phis.from(id) {
            let (phi, value) = self.out.phis.at(at);
            self.use_value(value, site);
            self.hint(value, self.params + phi.0);
        }
        Ok(())
    }

    /// Counts the operands of a non-phi.
    fn operands(&mut self, id: InstId, inst: &Inst, site: Site) {
        let [a, b, c] = inst.args;
        match inst.op {
            Op::Phi => {}
            Op::Load => self.address(Value(a), inst, MemFlags(b), site),
            Op::Store => {
                self.address(Value(a), inst, MemFlags(c), site);
                self.use_value(Value(b), site);
            }
            Op::PtrAdd if Value(b) == Value::NONE => self.use_base(Value(a), id, site),
            Op::Call | Op::CallIndirect => {
                self.out.calls.push(site.position);
                self.note_call(inst);
                self.body
                    .for_each_operand(inst, |v| self.use_value(v, site));
            }
            _ => {
                if inst.op == Op::Intrinsic && super::helper::is_call(self.body, inst) {
                    self.out.calls.push(site.position);
                }
                if matches!(inst.op, Op::CondBr | Op::Select | Op::ZExt) {
                    self.extend_compared(Value(a), id, site);
                }
                self.body
                    .for_each_operand(inst, |v| self.use_value(v, site));
            }
        }
    }

    /// A comparison just before its user is emitted with the user: its operands live until then.
    fn extend_compared(&mut self, cond: Value, user: InstId, site: Site) {
        let Some(id) = cond.as_inst().filter(|id| id.0 + 1 == user.0) else {
            return;
        };
        let compare = self.body.inst(id);
        if matches!(compare.op, Op::ICmp | Op::FCmp) {
            for operand in [Value(compare.args[0]), Value(compare.args[1])] {
                if let Some(ix) = self.index(operand) {
                    let end = &mut self.out.vals[ix as usize].end;
                    *end = (*end).max(site.position);
                }
            }
        }
    }

    fn note_call(&mut self, inst: &Inst) {
        let module = self.job.module;
        let set = self.body.pool[inst.args[1] as usize + 1];
        let set = module.attr_sets.get(set.wrapping_sub(1) as usize);
        let mut attrs = set.map_or(0, |set| set.func.0);
        if inst.op == Op::Call {
            attrs |= module.funcs[inst.args[0] as usize].attrs.0;
        }
        self.out.returns_twice |= FuncAttrs(attrs).has(FuncAttrs::RETURNS_TWICE);
    }

    fn index(&self, value: Value) -> Option<Ix> {
        match value.kind() {
            ValueKind::Inst(id) => Some(self.params + id.0),
            ValueKind::Arg(n) => Some(n),
            ValueKind::Const(_) | ValueKind::None => None,
        }
    }

    /// A use that needs the value itself.
    fn use_value(&mut self, value: Value, site: Site) {
        let Some(ix) = self.index(value) else { return };
        let val = &mut self.out.vals[ix as usize];
        val.flags |= Val::NO_FOLD;
        if val.has(Val::ALLOCA) {
            val.flags |= Val::ESCAPED;
        }
        self.touch(ix, site);
    }

    /// A use as the address of `inst`, a load or store.
    fn address(&mut self, value: Value, inst: &Inst, flags: MemFlags, site: Site) {
        let Some(ix) = self.index(value) else { return };
        let val = self.out.vals[ix as usize];
        if val.has(Val::ALLOCA) {
            self.access(ix, inst, flags, site);
        } else if val.has(Val::PTR_ADD) {
            self.fold(ix, site);
        }
        self.touch(ix, site);
    }

    /// The base of a `PtrAdd` without index.
    fn use_base(&mut self, value: Value, _user: InstId, site: Site) {
        let Some(ix) = self.index(value) else { return };
        let val = self.out.vals[ix as usize];
        if !val.has(Val::PTR_ADD) || val.has(Val::CHAINED) {
            return self.use_value(value, site);
        }
        self.fold(ix, site);
        self.touch(ix, site);
    }

    /// Keeps the operands of a `PtrAdd` alive for an access at `site`, if it can be folded there.
    fn fold(&mut self, ix: Ix, site: Site) {
        let val = &mut self.out.vals[ix as usize];
        if val.def < site.base {
            val.flags |= Val::NO_FOLD;
            return;
        }
        let mut ix = ix;
        loop {
            let inst = self.body.insts[(ix - self.params) as usize];
            for operand in [Value(inst.args[0]), Value(inst.args[1])] {
                if let Some(operand) = self.index(operand) {
                    let end = &mut self.out.vals[operand as usize].end;
                    *end = (*end).max(site.position);
                }
            }
            // At most one step: a base that is chained itself is not folded.
            match self.index(Value(inst.args[0])) {
                Some(base) if self.out.vals[ix as usize].has(Val::CHAINED) => ix = base,
                _ => return,
            }
        }
    }

    /// Counts a use.
    fn touch(&mut self, ix: Ix, site: Site) {
        let val = &mut self.out.vals[ix as usize];
        val.uses += 1;
        val.flags |= Val::USED;
        val.weight = val.weight.saturating_add(site.weight);
        let known = val.has(Val::EXTENDED) && site.position <= val.end;
        val.end = val.end.max(site.position);
        let outside = val.def < site.base;
        if outside && !val.has(Val::CROSS) {
            self.cross(ix);
        }
        if !outside && site.inner == NONE {
            return;
        }
        let val = &mut self.out.vals[ix as usize];
        if self.layout.irreducible && outside {
            val.end = NONE;
        } else if !known
            && site.inner != NONE
            && let Some(around) = self.layout.outermost_after(site.inner, val.def)
        {
            val.end = val.end.max(around.end);
            val.flags |= Val::EXTENDED;
        }
    }

    /// The value leaves its block.
    fn cross(&mut self, ix: Ix) {
        let val = &mut self.out.vals[ix as usize];
        val.flags |= Val::CROSS;
        if !val.has(Val::ALLOCA) || val.has(Val::ESCAPED) {
            self.candidate(ix);
        }
    }

    fn candidate(&mut self, ix: Ix) {
        self.out.vals[ix as usize].flags |= Val::CANDIDATE;
    }

    /// Lists the candidates but for variables.
    fn collect_candidates(&mut self) {
        let count = self.params as usize + self.body.insts.len();
        for (ix, val) in (0..).zip(&self.out.vals[..count]) {
            let variable = val.has(Val::ALLOCA) && val.extra != NO_IX;
            if val.has(Val::CANDIDATE) && !variable {
                let start = if self.layout.irreducible { 0 } else { val.def };
                self.out.candidates.push(Candidate { start, ix });
            }
        }
    }

    /// `value` flows into phi `phi`: it would do well in the same register.
    fn hint(&mut self, value: Value, phi: Ix) {
        let Some(ix) = self.index(value) else { return };
        let val = &mut self.out.vals[ix as usize];
        if val.more == 0 && !val.has(Val::ALLOCA) && !val.has(Val::HINTED) {
            val.flags |= Val::HINTED;
            val.extra = phi;
            self.candidate(ix);
        }
    }

    #[inline]
    fn define(&mut self, ix: Ix, ty: TypeId, def: u32, at: InstId) -> Result<(), Declined> {
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

    /// Notes what the users of an instruction must know of it.
    fn mark(&mut self, at: InstId, inst: &Inst, site: Site) {
        let ix = self.params + at.0;
        match inst.op {
            Op::Phi => {
                // Edges that come later in the code write the home again.
                let val = self.out.vals[ix as usize];
                let later = (0..u32::from(val.more)).map(|part| val.extra + part);
                for part in core::iter::once(ix).chain(later) {
                    self.out.vals[part as usize].flags |= Val::KEEP_HOME;
                }
                self.cross(ix);
            }
            Op::Alloca if inst.args[1] <= 4 && site.base == 0 => {
                self.out.vals[ix as usize].flags |= Val::ALLOCA;
            }
            Op::PtrAdd => {
                let base = self.index(Value(inst.args[0]));
                let chained = Value(inst.args[1]) == Value::NONE
                    && base.is_some_and(|base| {
                        let base = self.out.vals[base as usize];
                        base.has(Val::PTR_ADD) && !base.has(Val::CHAINED) && base.def >= site.base
                    });
                let chained = if chained { Val::CHAINED } else { 0 };
                self.out.vals[ix as usize].flags |= Val::PTR_ADD | chained;
            }
            _ => {}
        }
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
