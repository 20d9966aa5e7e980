//! Scalar promotion: a place that a loop reads and writes becomes a value while the loop runs.
//!
//! *Before*: a graph from which `hoist`, whose last step this is, has moved what is invariant.
//! *During*, for each loop, inner ones first, places written through one invariant address are given an
//! alloca of their own: it is filled in the preheader, the loop's accesses go to it, and every way out
//! of the loop stores it back. *After*, when `sroa` has made values of those allocas, the loop does not
//! access the place at all; `gvn` is run again where that was done, as what is stored behind a loop is
//! often loaded there.
//!
//! ```text
//!   preheader              preheader: v0 = load p
//!   loop: x = load p   ►   loop: v = phi v0, y
//!         store y, p             y = …
//!   exit                   exit: store v, p
//! ```
//!
//! # When it is right
//!
//! P1. Nothing else in the loop may touch the place; calls and atomic accesses that could are among
//!     that, so whoever may look at the place while the loop runs keeps the loop as it is.
//! P2. The load in front faults only where the loop would have: the place is there all the time, or
//!     one of the accesses is executed whenever the loop is entered ([`Sure`]).
//! P3. The store behind writes only where the loop would have: a store to the place is executed
//!     whenever the loop is entered, or the place is an object of this call that nobody else knows.
//!     Else another task could own the place and lose what it wrote meanwhile.
//! P4. Ways out that cannot take a store (of `indirectbr`) leave the loop as it is. The block that a
//!     way leads to gets the store if it is entered from the loop only, else a new one in between.
//!
//! Cost: linear, times [`MAX_ACCESSES`] and [`MAX_PROMOTED`] a loop.

use super::gvn;
use super::nest::{self, Nest};
use super::sroa;
use super::sure::{self, Sure};
use crate::tier::opt::graph::{Graph, is_plain};
use crate::tier::opt::memory::{Memory, Place, Reach};
use alloc::vec::Vec;
use ir::cfg::LoopId;
use ir::{BlockId, Flags, Inst, InstId, MemFlags, Op, TypeId, Value};

/// Instructions that touch memory in one loop; loops with more stay as they are.
const MAX_ACCESSES: usize = 64;
/// Places promoted in one loop.
const MAX_PROMOTED: usize = 4;
/// Ways out of a loop; those with more stay as they are.
const MAX_EXITS: usize = 8;

/// Promotes places in all loops of `nest`. What is handed in was made for the graph; operations may have
/// been moved out of loops since, if the nest knows.
pub(super) fn run(graph: &mut Graph<'_>, nest: Nest, memory: Memory, sure: Sure) {
    let mut promoter = Promoter {
        accesses: accesses(graph, &memory, &nest),
        exits: exits(&nest),
        sure,
        memory,
        nest,
        has_promoted: false,
    };
    for id in promoter.nest.all() {
        promoter.visit(graph, id);
    }
    if promoter.has_promoted {
        sroa::run(graph);
        graph.settle();
        gvn::run(graph);
    }
}

/// An instruction that touches memory, and its block.
type At = (BlockId, InstId);

/// By loop: what touches memory in it but in no inner loop; `None` if that is too much.
fn accesses(graph: &Graph<'_>, memory: &Memory, nest: &Nest) -> Vec<Option<Vec<At>>> {
    let mut all: Vec<_> = nest.all().map(|_| Some(Vec::new())).collect();
    for &block in nest.cfg.rpo() {
        let Some(innermost) = nest.innermost(block) else {
            continue;
        };
        for &id in graph.insts(block) {
            let access = memory.access(graph, id);
            if access.reads != Reach::Nothing || access.writes != Reach::Nothing {
                note(&mut all[innermost.index()], (block, id));
            }
        }
    }
    all
}

/// By loop: edges out of it; `None` if there are too many.
fn exits(nest: &Nest) -> Vec<Option<Vec<(BlockId, BlockId)>>> {
    let mut all: Vec<_> = nest.all().map(|_| Some(Vec::new())).collect();
    for &block in nest.cfg.rpo() {
        for &to in nest.cfg.succs(block) {
            let mut around = nest.innermost(block);
            while let Some(id) = around.filter(|&id| !nest.contains(id, to)) {
                match &mut all[id.index()] {
                    Some(edges) if edges.contains(&(block, to)) => {}
                    Some(edges) if edges.len() < MAX_EXITS => edges.push((block, to)),
                    edges => *edges = None,
                }
                around = nest.parent(id);
            }
        }
    }
    all
}

fn note(list: &mut Option<Vec<At>>, at: At) {
    match list {
        Some(accesses) if accesses.len() < MAX_ACCESSES => accesses.push(at),
        _ => *list = None,
    }
}

struct Promoter {
    nest: Nest,
    memory: Memory,
    sure: Sure,
    /// By loop, with those of inner loops once they have been visited.
    accesses: Vec<Option<Vec<At>>>,
    exits: Vec<Option<Vec<(BlockId, BlockId)>>>,
    has_promoted: bool,
}

/// A place that may be promoted.
#[derive(Debug)]
struct Candidate {
    ty: TypeId,
    address: Value,
    /// What computes the address in the loop, operands first.
    chain: Vec<InstId>,
    accesses: Vec<At>,
    flags: MemFlags,
}

impl Promoter {
    fn visit(&mut self, graph: &mut Graph<'_>, id: LoopId) {
        let parent = self.nest.parent(id);
        let mut list = self.accesses[id.index()].take();
        if let Some(accesses) = &mut list {
            let around = self.promote(graph, id, accesses);
            accesses.extend(around);
        }
        if let Some(parent) = parent {
            let outer = &mut self.accesses[parent.index()];
            let nest = &self.nest;
            match list {
                Some(list) => list
                    .into_iter()
                    .filter(|at| nest.contains(parent, at.0))
                    .for_each(|at| note(outer, at)),
                None => *outer = None,
            }
        }
    }

    /// Promotes what can be in loop `id`, and makes `accesses` say what is left in it. Returns the
    /// accesses made around it.
    fn promote(&mut self, graph: &mut Graph<'_>, id: LoopId, accesses: &mut Vec<At>) -> Vec<At> {
        let mut around = Vec::new();
        let mut ends: Option<(BlockId, Vec<BlockId>)> = None;
        for _ in 0..MAX_PROMOTED {
            let Some(candidate) = self.candidate(graph, id, accesses) else {
                break;
            };
            if ends.is_none() {
                ends = self.ends(graph, id);
            }
            let Some((preheader, exits)) = &ends else {
                break;
            };
            if !graph.fuel.spend() {
                break;
            }
            self.has_promoted = true;
            accesses.retain(|at| !candidate.accesses.contains(at));
            self.rewrite(graph, *preheader, &candidate, exits, &mut around);
        }
        around
    }

    /// The first place in loop `id` that may be promoted.
    fn candidate(&self, graph: &Graph<'_>, id: LoopId, accesses: &[At]) -> Option<Candidate> {
        let mut seen: Vec<Place> = Vec::new();
        for &(_, store) in accesses {
            let inst = graph.inst(store);
            let place = self.plain_place(graph, store);
            let Some(place) = place.filter(|_| inst.op == Op::Store && is_simple(graph, inst.ty))
            else {
                continue;
            };
            if seen.iter().any(|at| at.is_same(&place)) {
                continue;
            }
            seen.push(place);
            let mut chain = Vec::new();
            let address = Value(inst.args[0]);
            if !sure::chain(graph, &self.nest, id, address, &mut chain) {
                continue;
            }
            let candidate = self.collect(graph, accesses, place, inst.ty);
            let Some((place, own, flags)) = candidate else {
                continue;
            };
            if self.is_legal(graph, id, &place, &own) {
                return Some(Candidate {
                    ty: inst.ty,
                    address,
                    chain,
                    accesses: own,
                    flags,
                });
            }
        }
        None
    }

    /// The place of a plain load or store of a scalar.
    fn plain_place(&self, graph: &Graph<'_>, id: InstId) -> Option<Place> {
        let inst = graph.inst(id);
        let flags = match inst.op {
            Op::Load => inst.args[1],
            Op::Store => inst.args[2],
            _ => return None,
        };
        is_plain(MemFlags(flags)).then(|| {
            let address = Value(inst.args[0]);
            self.memory.place(graph, address, inst.ty, id)
        })
    }

    /// The accesses of exactly `place` and type, and what they have in common, if nothing else may
    /// touch it (P1).
    fn collect(
        &self,
        graph: &Graph<'_>,
        accesses: &[At],
        mut place: Place,
        ty: TypeId,
    ) -> Option<(Place, Vec<At>, MemFlags)> {
        let mut own = Vec::new();
        let mut flags = u32::MAX;
        for &at in accesses {
            let inst = graph.inst(at.1);
            let Some(other) = self.plain_place(graph, at.1) else {
                continue;
            };
            if other.is_same(&place) && inst.ty == ty {
                if !other.has_tag_of(&place) {
                    place = place.untagged();
                }
                let mine = match inst.op {
                    Op::Load => inst.args[1],
                    _ => inst.args[2],
                };
                flags = flags.min(mine);
                own.push(at);
            }
        }
        let others = accesses.iter().filter(|at| !own.contains(at));
        let mut others = others.map(|at| self.memory.access(graph, at.1));
        let touched = others.any(|access| {
            self.memory.may_touch(graph, &access.reads, &place)
                || self.memory.may_touch(graph, &access.writes, &place)
        });
        (!touched).then_some((place, own, MemFlags(flags)))
    }

    /// P2 and P3.
    fn is_legal(&self, graph: &Graph<'_>, id: LoopId, place: &Place, own: &[At]) -> bool {
        let is_sure = |at: &&At| {
            self.sure
                .executes(graph, &self.memory, &self.nest, id, **at)
        };
        let is_store = |at: &&At| graph.inst(at.1).op == Op::Store;
        if own.iter().filter(is_store).any(|at| is_sure(&at)) {
            return true;
        }
        let is_own = self.memory.ends_with_function(place.root()) && self.memory.is_private(place);
        is_own && (self.memory.is_mapped(graph, place) || own.iter().any(|at| is_sure(&at)))
    }

    /// The preheader of loop `id`, and the blocks for what is done on the ways out (P4).
    fn ends(&mut self, graph: &mut Graph<'_>, id: LoopId) -> Option<(BlockId, Vec<BlockId>)> {
        let edges = self.exits[id.index()].clone()?;
        for &(from, to) in &edges {
            // An edge that was split for another loop is not where it was.
            let is_there = graph.succs(from).contains(&to);
            let is_fixed = graph.inst(graph.terminator(from)).op == Op::IndirectBr;
            if !is_there || is_fixed || self.nest.is_pinned(to) {
                return None;
            }
        }
        let preheader = self.nest.preheader(graph, id)?;
        self.nest.adopt(id, preheader);
        let mut targets: Vec<BlockId> = edges.iter().map(|edge| edge.1).collect();
        targets.sort();
        targets.dedup();
        let exit = |to: &BlockId| {
            let edges = edges.iter().filter(|edge| edge.1 == *to);
            let from: Vec<BlockId> = edges.map(|edge| edge.0).collect();
            self.exit(graph, id, *to, &from)
        };
        Some((preheader, targets.iter().map(exit).collect()))
    }

    /// Gives a candidate an alloca of its own, filled in the preheader and stored back in `exits`; adds
    /// the accesses to the place itself to `around`.
    fn rewrite(
        &mut self,
        graph: &mut Graph<'_>,
        preheader: BlockId,
        candidate: &Candidate,
        exits: &[BlockId],
        around: &mut Vec<At>,
    ) {
        let &Candidate {
            ty, address, flags, ..
        } = candidate;
        for &part in &candidate.chain {
            let from = self.nest.home(part);
            graph.insts_mut(from).retain(|&at| at != part);
            insert_last(graph, preheader, part);
            self.nest.settle(part, preheader);
        }
        let like = candidate.accesses[0].1;
        let layout = graph.types().layout(ty);
        let parts = [layout.store, u32::from(layout.align_log2), ty.0.into()];
        let own = graph.op(Op::Alloca, TypeId::PTR, parts, like);
        graph.insts_mut(BlockId(0)).insert(0, own);
        let slot = Value::inst(own);
        let copy = |graph: &mut Graph<'_>, from: Value, to: Value| {
            let load = graph.op(Op::Load, ty, [from.0, flags.0, 0], like);
            let store = Inst {
                op: Op::Store,
                flags: Flags::default(),
                ty,
                args: [to.0, Value::inst(load).0, flags.0],
            };
            [load, graph.make(store, like)]
        };
        let first = copy(graph, address, slot);
        first
            .into_iter()
            .for_each(|id| insert_last(graph, preheader, id));
        around.push((preheader, first[0]));
        for &(_, id) in &candidate.accesses {
            let mut inst = *graph.inst(id);
            inst.args[0] = slot.0;
            graph.set(id, inst);
        }
        for &block in exits {
            let last = copy(graph, slot, address);
            let insts = graph.insts(block).iter();
            let at = insts
                .take_while(|&&id| graph.inst(id).op == Op::Phi)
                .count();
            graph.insts_mut(block).splice(at..at, last);
            around.push((block, last[1]));
        }
        for &(block, id) in around.iter().rev().take(exits.len() + 1) {
            self.nest.settle(id, block);
        }
    }

    /// The block for what is done on the way from blocks `from` of loop `id` to `to`.
    fn exit(
        &mut self,
        graph: &mut Graph<'_>,
        id: LoopId,
        to: BlockId,
        from: &[BlockId],
    ) -> BlockId {
        let preds = self.nest.cfg.preds(to);
        if preds.iter().all(|pred| from.contains(pred)) {
            return to;
        }
        let block = nest::put_before(graph, to, from);
        // It lies in the loops that are not left.
        let mut around = self.nest.parent(id);
        while let Some(outer) = around.filter(|&outer| !self.nest.contains(outer, to)) {
            around = self.nest.parent(outer);
        }
        self.nest.place(block, around);
        block
    }
}

/// Whether values of the type lie in a register.
fn is_simple(graph: &Graph<'_>, ty: TypeId) -> bool {
    let is_scalar = matches!(
        ty,
        TypeId::I8
            | TypeId::I16
            | TypeId::I32
            | TypeId::I64
            | TypeId::F32
            | TypeId::F64
            | TypeId::PTR
    );
    is_scalar || graph.types().vector(ty).is_some()
}

/// Puts an instruction in front of a block's terminator.
fn insert_last(graph: &mut Graph<'_>, block: BlockId, id: InstId) {
    let end = graph.insts(block).len() - 1;
    graph.insts_mut(block).insert(end, id);
}
