//! Static allocas that are mere variables: only loaded and stored, always whole and as one type.
//!
//! Their accesses become moves of a register or a home. A variable's interval is that of its accesses,
//! like a value's; but its content also flows from an access to an *earlier* one in the next round of a
//! loop. Two cases:
//!
//! * The first access is a store that dominates all others: `int x = 0;` in an inner scope, the
//!   usual case. Every content that is read was written since that store was last passed, so the store is
//!   like the definition of a value, and loops around it do not matter.
//! * Otherwise the content may flow around any loop with an access in it, and the interval covers the
//!   outermost loops around the first and the last one. (Those between lie in between.)

use super::analysis::{Candidate, Pass, parts_of};
use super::layout::NONE;
use super::value::{Ix, NO_IX, Val};
use crate::abi::Part;
use ir::{BlockId, Inst, InstId, MemFlags, Op, TypeId};

/// A static alloca with an access.
#[derive(Clone, Copy, Debug)]
pub(super) struct Variable {
    ix: Ix,
    /// Type of the accesses.
    ty: TypeId,
    /// What the accesses hold, as a part.
    pub(super) part: Part,
    /// Position of the alloca.
    alloca: u32,
    /// The first access: its block, position and innermost loop.
    block: BlockId,
    first: u32,
    inner: u32,
    /// The first access is a store that dominates the others.
    store_first: bool,
}

impl Pass<'_> {
    /// A load or store of a static alloca.
    pub(super) fn access(&mut self, ix: Ix, inst: &Inst, flags: MemFlags) {
        let ty = if inst.ty == TypeId::PTR {
            TypeId::I32
        } else {
            inst.ty
        };
        let plain = !flags.is_volatile() && flags.ordering() == 0;
        let fits = match self.out.vals[ix as usize].extra {
            NO_IX => self.first_access(ix, inst.op, ty),
            known => self.next_access(ix, known as usize, ty),
        };
        if !plain || !fits {
            self.out.vals[ix as usize].flags |= Val::ESCAPED;
        }
    }

    /// Whether the access can be one of a variable.
    fn first_access(&mut self, ix: Ix, op: Op, ty: TypeId) -> bool {
        let site = self.site;
        let bytes = self.body.insts[(ix - self.params) as usize].args[0];
        let Ok((part, later)) = parts_of(self.job, ty, InstId(0)) else {
            return false;
        };
        let fits = self.job.module.types.layout(ty).store <= bytes;
        if !later.is_empty() || part == Part::Int(0) || !fits {
            return false;
        }
        // Without loops the difference does not matter.
        let store_first =
            op == Op::Store && !self.layout.loops.is_empty() && !self.layout.irreducible;
        let val = &mut self.out.vals[ix as usize];
        let alloca = val.def;
        if store_first {
            val.def = site.position;
        }
        val.extra = self.out.variables.len() as u32;
        val.flags |= Val::CANDIDATE | Val::CROSS;
        self.out.variables.push(Variable {
            ix,
            ty,
            part,
            alloca,
            block: site.block,
            first: site.position,
            inner: site.inner,
            store_first,
        });
        true
    }

    fn next_access(&mut self, ix: Ix, number: usize, ty: TypeId) -> bool {
        let block = self.site.block;
        let variable = &mut self.out.variables[number];
        if variable.store_first && !self.layout.dominates(self.body, variable.block, block) {
            variable.store_first = false;
            let val = &mut self.out.vals[ix as usize];
            val.def = variable.alloca;
            val.flags &= !Val::EXTENDED;
        }
        variable.ty == ty
    }

    /// All accesses are known: decides what is a variable, and makes candidates of them.
    pub(super) fn settle_variables(&mut self) {
        for &variable in &self.out.variables {
            let val = &mut self.out.vals[variable.ix as usize];
            if self.out.returns_twice {
                val.flags |= Val::ESCAPED;
            }
            let mut start = variable.first;
            if val.has(Val::ESCAPED) {
                start = variable.alloca;
                val.end = NONE;
            } else {
                val.part = variable.part;
                if !variable.store_first {
                    let around = self.layout.outermost_after(variable.inner, variable.alloca);
                    start = around.map_or(start, |l| l.start);
                }
            }
            let ix = variable.ix;
            self.out.candidates.push(Candidate { start, ix });
        }
    }
}
