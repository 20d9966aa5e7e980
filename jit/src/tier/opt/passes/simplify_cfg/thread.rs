//! A branch on what the way here has decided already is taken at once.
//!
//! ```text
//!   A: condbr x, B, J        J: p = phi [false, A], [y, B]        A: condbr x, B, no
//!   B: … br J                   condbr p, yes, no            →    B: … condbr y, yes, no
//! ```
//!
//! That is how `x && y` looks before optimisation. The block `J` holds nothing but phis and the
//! branch on one of them; a predecessor for which that phi is a constant goes where the constant
//! leads. What remains of `J` then has fewer predecessors, in the end one, and is merged.
//!
//! # Why it is right
//!
//! A skipped block computes only its phis, so nothing is lost if those are used nowhere else but in
//! its branch and, from it, in phis of its successors: there, the new edge brings what the phi would
//! have been. Everything else that a successor uses dominates `J`, so it dominates every predecessor
//! of `J`.

use super::{Budget, Edges, graph_value, phis};
use crate::tier::opt::graph::Graph;
use alloc::vec::Vec;
use ir::{BlockId, InstId, Op, Value};

/// Most predecessors of a block that is looked at, so that the search stays linear.
const MAX_PREDS: usize = 16;
/// Most phis of such a block.
const MAX_PHIS: usize = 4;

/// Leads edges past blocks whose branch they decide. The graph is settled.
pub(super) fn run(graph: &mut Graph<'_>, budget: &mut Budget) -> bool {
    let mut threads = Threads {
        edges: Edges::new(graph, budget),
        uses: graph.use_counts(),
    };
    let mut changed = false;
    for block in graph.blocks() {
        changed |= threads.thread(graph, block);
    }
    changed
}

struct Threads<'b> {
    edges: Edges<'b>,
    /// By instruction: how many operands name it, kept exact.
    uses: Vec<u32>,
}

impl Threads<'_> {
    /// Leads predecessors of `block` past it where they decide its branch.
    fn thread(&mut self, graph: &mut Graph<'_>, block: BlockId) -> bool {
        let Some(cond) = self.branch_on_phi(graph, block) else {
            return false;
        };
        let [_, then, other] = graph.inst(graph.terminator(block)).args;
        let mut changed = false;
        for pred in self.edges.preds[block.index()].clone() {
            let decided = graph.const_int(graph_value(&graph.phi(cond), pred));
            let Some(decided) = decided else {
                continue;
            };
            let to = BlockId(if decided == 0 { other } else { then });
            // A second edge to the same place would need the same values in its phis.
            let known = self.edges.preds[to.index()].contains(&pred);
            let fits = to != block && (!known || phis(graph, to).is_empty());
            if fits && self.edges.afford(graph, to) && graph.fuel.spend() {
                self.lead_past(graph, pred, block, to);
                changed = true;
            }
        }
        changed
    }

    /// The phi that `block` branches on, if the block holds nothing but phis that only it and its
    /// successors' phis use.
    fn branch_on_phi(&self, graph: &Graph<'_>, block: BlockId) -> Option<InstId> {
        let (&last, own) = graph.insts(block).split_last()?;
        let branch = graph.inst(last);
        let cond = Value(branch.args[0]).as_inst()?;
        let fits = branch.op == Op::CondBr
            && branch.args[1] != branch.args[2]
            && !self.edges.pinned[block.index()]
            && self.edges.preds[block.index()].len() <= MAX_PREDS
            && own.len() <= MAX_PHIS
            && own.contains(&cond)
            && own.iter().all(|&id| graph.inst(id).op == Op::Phi);
        let decides = |entry: &(BlockId, Value)| graph.const_int(entry.1).is_some();
        (fits && graph.phi(cond).iter().any(decides) && self.is_private(graph, block, own))
            .then_some(cond)
    }

    /// Whether the phis `own` of `block` are used only by its branch and, from it, by phis.
    fn is_private(&self, graph: &Graph<'_>, block: BlockId, own: &[InstId]) -> bool {
        let mut expected = 1;
        for to in graph.succs(block) {
            for phi in phis(graph, to) {
                let value = graph_value(&graph.phi(phi), block);
                expected += u32::from(value.as_inst().is_some_and(|id| own.contains(&id)));
            }
        }
        let found: u32 = own.iter().map(|id| self.uses[id.index()]).sum();
        found == expected
    }

    /// Moves the edges from `pred` to `block` to `to`.
    fn lead_past(&mut self, graph: &mut Graph<'_>, pred: BlockId, block: BlockId, to: BlockId) {
        let own = phis(graph, block);
        for phi in phis(graph, to) {
            let mut entries = graph.phi(phi);
            let mut value = graph_value(&entries, block);
            if let Some(id) = value.as_inst().filter(|id| own.contains(id)) {
                value = graph_value(&graph.phi(id), pred);
            }
            self.count(value, 1);
            entries.push((pred, value));
            graph.set_phi(phi, &entries);
        }
        let terminator = graph.terminator(pred);
        graph.map_successors(terminator, |at| if at == block { to } else { at });
        for &phi in &own {
            let value = graph_value(&graph.phi(phi), pred);
            self.count(value, u32::MAX);
        }
        graph.retain_phi_entries(block, |from| from != pred);
        let preds = &mut self.edges.preds;
        preds[block.index()].retain(|&at| at != pred);
        let list = &mut preds[to.index()];
        if !list.contains(&pred) {
            list.push(pred);
        }
    }

    /// Adds to the uses of a value, modulo 2^32.
    fn count(&mut self, value: Value, change: u32) {
        if let Some(id) = value.as_inst() {
            let uses = &mut self.uses[id.index()];
            *uses = uses.wrapping_add(change);
        }
    }
}
