//! A loop as a thing that can be copied: for passes that make several loops or turns out of one.
//!
//! # The form
//!
//! A [`Region`] is an innermost loop in *closed form*:
//!
//! R1. it is entered from one block, its preheader, which leads nowhere else, and it has one latch;
//! R2. each block that it leaves to (an *exit*) is entered from the loop only;
//! R3. a value made in the loop is used outside by phis of exits only;
//! R4. no address leads to its blocks or exits, and its terminators are `br`, `condbr`, `switch`.
//!
//! Then a copy of the loop's blocks needs nothing else than one more entry in the phis of the exits
//! for each edge that leaves the copy; no dominance has to be looked at any more.
//!
//! # Why closing is possible
//!
//! A use of `v` outside lies in a block `U` (for phis, the predecessor). If an exit `E` dominates
//! `U`, the use becomes one of a new phi in `E` that takes `v` from every predecessor. `v` dominates
//! them all: a path to a predecessor without `v` goes on through `E` to `U` without the loop (a path
//! that went back into it could leave it by another exit and reach `U` around `E`), and would
//! contradict that `v` dominates `U`. If no exit dominates `U`, the loop is left alone.

use super::nest::{self, Nest};
use crate::tier::opt::graph::Graph;
use alloc::vec::Vec;
use hashbrown::HashMap;
use ir::cfg::LoopId;
use ir::{BlockId, InstId, Op, Value};

/// An innermost loop in closed form.
#[derive(Debug)]
pub(super) struct Region {
    /// Where it is entered.
    pub(super) header: BlockId,
    /// From where the header is reached again.
    pub(super) latch: BlockId,
    /// From where it is entered.
    pub(super) preheader: BlockId,
    /// All blocks, the header first.
    pub(super) blocks: Vec<BlockId>,
    /// Blocks outside that edges lead to.
    pub(super) exits: Vec<BlockId>,
}

/// What became of blocks and values of a region in a copy.
#[derive(Debug)]
pub(super) struct Copied {
    values: HashMap<InstId, Value>,
    blocks: HashMap<BlockId, BlockId>,
    /// Where edges back to the header go.
    next: BlockId,
}

impl Copied {
    /// The copy of a block of the original.
    pub(super) fn block(&self, block: BlockId) -> BlockId {
        self.blocks[&block]
    }

    /// What a value of the original is in the copy.
    pub(super) fn value(&self, value: Value) -> Value {
        let new = value.as_inst().and_then(|id| self.values.get(&id));
        new.copied().unwrap_or(value)
    }
}

/// Brings these innermost loops into closed form; those for which that is possible, in the same
/// order. Linear in the function, whatever the number of loops.
pub(super) fn close(graph: &mut Graph<'_>, nest: &mut Nest, loops: &[LoopId]) -> Vec<Region> {
    let headers: Vec<BlockId> = loops.iter().map(|&id| nest.header(id)).collect();
    let find = |nest: &Nest, header| {
        let id = nest.innermost(header);
        id.filter(|&id| nest.header(id) == header)
    };
    // Each step changes edges only that no other loop's turn of the same step looks at.
    for &id in loops {
        nest.preheader(graph, id);
    }
    *nest = Nest::new(graph);
    let members = nest.members();
    for id in headers.iter().filter_map(|&header| find(nest, header)) {
        make_exits(graph, nest, id, &members[id.index()]);
    }
    *nest = Nest::new(graph);
    let members = nest.members();
    let mut regions: Vec<Option<Region>> = headers
        .iter()
        .filter_map(|&header| find(nest, header))
        .map(|id| Region::closed(graph, nest, id, &members[id.index()]))
        .collect();
    close_values(graph, nest, &mut regions);
    regions.into_iter().flatten().collect()
}

/// Puts blocks where a loop leaves to one that is entered from elsewhere, too (R2).
fn make_exits(graph: &mut Graph<'_>, nest: &Nest, id: LoopId, members: &[BlockId]) {
    let mut leaving: Vec<(BlockId, BlockId)> = Vec::new();
    for &block in members {
        let outside = graph
            .succs(block)
            .into_iter()
            .filter(|&to| !nest.contains(id, to));
        leaving.extend(outside.map(|to| (to, block)));
    }
    leaving.sort_unstable();
    leaving.dedup();
    for edges in leaving.chunk_by(|a, b| a.0 == b.0) {
        let exit = edges[0].0;
        let is_other = |pred: &BlockId| !nest.contains(id, *pred);
        if !nest.is_pinned(exit) && nest.cfg.preds(exit).iter().any(is_other) {
            let from: Vec<BlockId> = edges.iter().map(|edge| edge.1).collect();
            nest::put_before(graph, exit, &from);
        }
    }
}

/// A use outside: the user, whether it is a phi and then for which predecessor, and the value.
struct Use {
    user: InstId,
    from: Option<BlockId>,
    value: InstId,
    region: usize,
    exit: BlockId,
}

/// Makes uses outside uses of phis in exits (R3); regions for which that fails become `None`.
fn close_values(graph: &mut Graph<'_>, nest: &Nest, regions: &mut [Option<Region>]) {
    let mut of_loop: HashMap<LoopId, usize> = HashMap::new();
    for (at, region) in regions.iter().enumerate() {
        if let Some(id) = region.as_ref().and_then(|r| nest.innermost(r.header)) {
            of_loop.insert(id, at);
        }
    }
    let mut uses = Vec::new();
    for &block in nest.cfg.rpo() {
        for &user in graph.insts(block) {
            uses_outside(graph, nest, (block, user), |from, value| {
                let at = *of_loop.get(&nest.innermost(nest.home(value))?)?;
                let region = regions[at].as_ref()?;
                let place = from.unwrap_or(block);
                if region.blocks.contains(&place) {
                    return None;
                }
                let above = |&&exit: &&BlockId| nest.dominators.dominates(exit, place);
                let Some(&exit) = region.exits.iter().find(above) else {
                    regions[at] = None;
                    return None;
                };
                uses.push(Use {
                    user,
                    from,
                    value,
                    region: at,
                    exit,
                });
                Some(())
            });
        }
    }
    let mut phis: HashMap<(InstId, BlockId), InstId> = HashMap::new();
    for outside in uses.iter().filter(|at| regions[at.region].is_some()) {
        let key = (outside.value, outside.exit);
        let phi = *phis
            .entry(key)
            .or_insert_with(|| exit_phi(graph, nest, key));
        redirect(graph, outside, phi);
    }
}

/// Calls `f` with each value made in a loop that `user`, in `block`, uses, and for phis with the
/// predecessor.
fn uses_outside(
    graph: &Graph<'_>,
    nest: &Nest,
    (block, user): (BlockId, InstId),
    mut f: impl FnMut(Option<BlockId>, InstId) -> Option<()>,
) {
    let here = nest.innermost(block);
    let mut visit = |from: Option<BlockId>, value: Value| {
        if let Some(id) = value.as_inst()
            && let Some(inner) = nest.innermost(nest.home(id))
            && (from.is_some() || here != Some(inner))
        {
            f(from, id);
        }
    };
    if graph.inst(user).op == Op::Phi {
        let entries = graph.phi(user).into_iter();
        entries.for_each(|(from, value)| visit(Some(from), value));
    } else {
        let operands = |value| visit(None, value);
        graph.code().for_each_operand(graph.inst(user), operands);
    }
}

/// A phi that takes `value` from all predecessors of `exit`.
fn exit_phi(graph: &mut Graph<'_>, nest: &Nest, (value, exit): (InstId, BlockId)) -> InstId {
    let phi = graph.make_phi(graph.inst(value).ty, value);
    let mut preds = nest.cfg.preds(exit).to_vec();
    preds.sort_unstable();
    preds.dedup();
    let entries: Vec<_> = preds
        .iter()
        .map(|&from| (from, Value::inst(value)))
        .collect();
    graph.set_phi(phi, &entries);
    graph.insts_mut(exit).insert(0, phi);
    phi
}

fn redirect(graph: &mut Graph<'_>, outside: &Use, phi: InstId) {
    let (old, new) = (Value::inst(outside.value), Value::inst(phi));
    let Some(from) = outside.from else {
        let swap = |value| if value == old { new } else { value };
        return graph.map_operands(outside.user, swap);
    };
    let mut entries = graph.phi(outside.user);
    for entry in entries.iter_mut().filter(|entry| **entry == (from, old)) {
        entry.1 = new;
    }
    graph.set_phi(outside.user, &entries);
}

impl Region {
    /// A loop as it is, closed or not, if R4 holds and it has one latch; the preheader is any block
    /// that it is entered from.
    pub(super) fn open(
        graph: &Graph<'_>,
        nest: &Nest,
        id: LoopId,
        members: &[BlockId],
    ) -> Option<Self> {
        let header = nest.header(id);
        let mut exits = Vec::new();
        for &block in members {
            let last = graph.inst(graph.terminator(block));
            if nest.is_pinned(block) || !matches!(last.op, Op::Br | Op::CondBr | Op::Switch) {
                return None;
            }
            let succs = graph.succs(block).into_iter();
            exits.extend(succs.filter(|&to| !nest.contains(id, to)));
        }
        exits.sort_unstable();
        exits.dedup();
        let mut preds = nest.cfg.preds(header).iter();
        let preheader = *preds.find(|&&from| !nest.contains(id, from))?;
        let pinned = exits.iter().any(|&exit| nest.is_pinned(exit));
        (!pinned).then_some(Self {
            header,
            latch: nest.latch(id)?,
            preheader,
            blocks: members.to_vec(),
            exits,
        })
    }

    /// A loop of which all holds but R3.
    fn closed(graph: &Graph<'_>, nest: &Nest, id: LoopId, members: &[BlockId]) -> Option<Self> {
        let region = Self::open(graph, nest, id, members)?;
        let inside = |from: &BlockId| nest.contains(id, *from);
        let own = |&exit: &BlockId| nest.cfg.preds(exit).iter().all(inside);
        let entries = nest.cfg.preds(region.header).iter();
        let entered_once = entries.filter(|&from| !inside(from)).count() == 1
            && graph.succs(region.preheader).len() == 1;
        (entered_once && region.exits.iter().all(own)).then_some(region)
    }

    /// What the phis of the header are when the loop is entered; `NONE` where that depends on the
    /// way in.
    pub(super) fn start(&self, graph: &Graph<'_>) -> Vec<Value> {
        let first = |phi| {
            let mut entries = graph
                .phi(phi)
                .into_iter()
                .filter(|entry| entry.0 != self.latch);
            let value = entries.next().map_or(Value::NONE, |entry| entry.1);
            let same = entries.all(|entry| entry.1 == value);
            if same { value } else { Value::NONE }
        };
        self.phis(graph).into_iter().map(first).collect()
    }

    /// The phis of the header.
    pub(super) fn phis(&self, graph: &Graph<'_>) -> Vec<InstId> {
        phis(graph, self.header)
    }

    /// What they are in the next turn.
    pub(super) fn around(&self, graph: &Graph<'_>) -> Vec<Value> {
        let entry = |phi| {
            let entries = graph.phi(phi);
            let found = entries.iter().find(|entry| entry.0 == self.latch);
            found.map_or(Value::NONE, |entry| entry.1)
        };
        self.phis(graph).into_iter().map(entry).collect()
    }

    /// Instructions of a turn, but for phis and jumps.
    pub(super) fn size(&self, graph: &Graph<'_>) -> usize {
        let insts = self.blocks.iter().flat_map(|&block| graph.insts(block));
        let counts = |id: &&InstId| !matches!(graph.inst(**id).op, Op::Phi | Op::Br);
        insts.filter(counts).count()
    }

    /// Copies the first `count` blocks. The header's copy is `head` and has no phis: they are the
    /// values `phis`. Edges back to the header go to `next`, whose phis, if any, are the caller's
    /// business; edges that leave the loop leave it, and edges to blocks that are not copied must
    /// be removed by the caller.
    pub(super) fn copy(
        &self,
        graph: &mut Graph<'_>,
        count: usize,
        phis: &[Value],
        (head, next): (BlockId, BlockId),
    ) -> Copied {
        let mut copied = Copied {
            values: HashMap::new(),
            blocks: HashMap::new(),
            next,
        };
        let in_header = self.phis(graph);
        copied
            .values
            .extend(in_header.iter().copied().zip(phis.iter().copied()));
        for &block in &self.blocks[..count] {
            let new = if block == self.header {
                head
            } else {
                graph.add_block()
            };
            copied.blocks.insert(block, new);
            for at in 0..graph.insts(block).len() {
                let id = graph.insts(block)[at];
                if copied.values.contains_key(&id) {
                    continue;
                }
                let duplicate = graph.duplicate(id);
                if graph.inst(id).has_result() {
                    copied.values.insert(id, Value::inst(duplicate));
                }
                graph.insts_mut(new).push(duplicate);
            }
        }
        for &block in &self.blocks[..count] {
            self.connect(graph, &copied, block);
        }
        copied
    }

    /// Makes operands, predecessors and successors in the copy of `block` the copy's.
    fn connect(&self, graph: &mut Graph<'_>, copied: &Copied, block: BlockId) {
        let new = copied.blocks[&block];
        for at in 0..graph.insts(new).len() {
            let id = graph.insts(new)[at];
            if graph.inst(id).op == Op::Phi {
                let mut entries = graph.phi(id);
                for (from, value) in &mut entries {
                    *from = copied.blocks.get(from).copied().unwrap_or(*from);
                    *value = copied.value(*value);
                }
                graph.set_phi(id, &entries);
            } else {
                graph.map_operands(id, |value| copied.value(value));
            }
        }
        let mut leaves = Vec::new();
        graph.map_successors(graph.terminator(new), |to| {
            if to == self.header {
                return copied.next;
            }
            if self.exits.contains(&to) && !leaves.contains(&to) {
                leaves.push(to);
            }
            copied.blocks.get(&to).copied().unwrap_or(to)
        });
        for exit in leaves {
            for phi in phis(graph, exit) {
                let mut entries = graph.phi(phi);
                if let Some(&(_, value)) = entries.iter().find(|entry| entry.0 == block) {
                    entries.push((new, copied.value(value)));
                    graph.set_phi(phi, &entries);
                }
            }
        }
    }

    /// Makes the terminator of the copy of `block` a jump to `to`, which is one of its successors in
    /// the original: the others are not reached from it any more.
    pub(super) fn settle(
        &self,
        graph: &mut Graph<'_>,
        copied: &Copied,
        block: BlockId,
        to: BlockId,
    ) {
        let new = copied.blocks[&block];
        let kept = match copied.blocks.get(&to) {
            _ if to == self.header => copied.next,
            Some(&inside) => inside,
            None => to,
        };
        let terminator = graph.terminator(new);
        for exit in self.exits.iter().copied().filter(|&exit| exit != kept) {
            graph.retain_phi_entries(exit, |from| from != new);
        }
        jump(graph, terminator, kept);
    }

    /// Takes the original away. Nothing leads to it any more.
    pub(super) fn remove(&self, graph: &mut Graph<'_>) {
        for &block in &self.blocks {
            graph.take_insts(block);
        }
        for &exit in &self.exits {
            graph.retain_phi_entries(exit, |from| !self.blocks.contains(&from));
        }
    }
}

/// Makes `terminator` a jump.
pub(super) fn jump(graph: &mut Graph<'_>, terminator: InstId, to: BlockId) {
    let mut inst = *graph.inst(terminator);
    inst.op = Op::Br;
    inst.flags = ir::Flags::default();
    inst.args = [to.0, 0, 0];
    graph.set(terminator, inst);
}

/// The phis of a block.
fn phis(graph: &Graph<'_>, block: BlockId) -> Vec<InstId> {
    let insts = graph.insts(block).iter().copied();
    insts
        .take_while(|&id| graph.inst(id).op == Op::Phi)
        .collect()
}
