//! Control flow made simple.
//!
//! *Before*: any graph. *During*, until nothing changes:
//!
//! ```text
//!   condbr true, A, B                 →  br A                              (fold)
//!   switch with one case              →  icmp, condbr                      (fold)
//!   a block that no path reaches      →  gone                              (reach)
//!   A: … br B    B: only from A       →  A: … …                            (merge)
//!   A: br B      (nothing else)       →  A's predecessors go to B          (forward)
//!   condbr c, A, J    A: cheap, br J  →  cheap, selects instead of phis    (select)
//!   A: br B   B: phi, condbr phi, …   →  A: br where its entry leads       (thread)
//! ```
//!
//! *After*: every block is reachable, no block only forwards where that can be avoided, no chain of
//! blocks is longer than it must be. Critical edges may appear; whoever minds splits them.
//!
//! # Why it ends
//!
//! Every step removes a block, an edge, or a case, and none adds any, except that `forward` of a
//! block with several predecessors keeps the number of edges while it removes a block, and `thread`
//! keeps both while it makes the way through them shorter. A walk over all blocks is repeated at most
//! [`MAX_WALKS`] times, and steps that look at long lists of phi entries or predecessors have a
//! budget ([`Budget`]), so that the whole is nearly linear.

mod fold;
mod select;
mod thread;

use crate::tier::opt::graph::Graph;
use alloc::vec;
use alloc::vec::Vec;
use ir::{BlockId, Op, Value};

/// Walks over the function. clang's output settles in two or three.
const MAX_WALKS: u32 = 8;

/// Simplifies control flow.
pub fn run(graph: &mut Graph<'_>) {
    let mut budget = Budget::new(graph);
    for _ in 0..MAX_WALKS {
        let mut changed = false;
        for block in graph.blocks() {
            changed |= fold::terminator(graph, &mut budget, block);
        }
        changed |= remove_unreachable(graph);
        changed |= Edges::new(graph, &mut budget).walk(graph);
        graph.settle();
        changed |= thread::run(graph, &mut budget);
        graph.settle();
        if !changed {
            break;
        }
    }
}

/// How many entries and predecessors may still be looked at.
struct Budget(usize);

impl Budget {
    /// Plenty for code in which joins have few predecessors.
    fn new(graph: &Graph<'_>) -> Self {
        Self((1 << 18) + 64 * graph.num_insts())
    }

    /// Pays for a step that changes the phis of `block`, and `more`; whether that is possible.
    fn afford(&mut self, graph: &Graph<'_>, block: BlockId, more: usize) -> bool {
        let phis = graph.insts(block).iter().map(|&id| graph.inst(id));
        let phis = phis.take_while(|inst| inst.op == Op::Phi);
        let entries: usize = phis.map(|phi| phi.args[1] as usize).sum();
        let left = self.0.checked_sub(1 + entries + more);
        self.0 = left.unwrap_or(self.0);
        left.is_some()
    }
}

/// Removes the blocks that neither the entry nor a taken address leads to.
fn remove_unreachable(graph: &mut Graph<'_>) -> bool {
    let mut reached = vec![false; graph.num_blocks()];
    let mut work = graph.address_taken();
    work.push(BlockId(0));
    while let Some(block) = work.pop() {
        if !core::mem::replace(&mut reached[block.index()], true) {
            work.extend(graph.succs(block));
        }
    }
    let dead: Vec<_> = graph.blocks().filter(|b| !reached[b.index()]).collect();
    if dead.is_empty() || !graph.fuel.spend() {
        return false;
    }
    let mut joined: Vec<_> = dead.iter().flat_map(|&b| graph.succs(b)).collect();
    joined.sort();
    joined.dedup();
    for to in joined.into_iter().filter(|to| reached[to.index()]) {
        graph.retain_phi_entries(to, |from| reached[from.index()]);
    }
    for &block in &dead {
        for id in graph.take_insts(block) {
            // Another block without a path to it may name its values.
            if graph.inst(id).has_result() {
                let zero = graph.zero(graph.inst(id).ty);
                graph.replace(id, zero);
            }
        }
    }
    true
}

/// Predecessors while blocks are joined.
struct Edges<'b> {
    budget: &'b mut Budget,
    /// Each predecessor once.
    preds: Vec<Vec<BlockId>>,
    /// Blocks that must stay: the entry, and those whose address is taken.
    pinned: Vec<bool>,
}

impl<'b> Edges<'b> {
    fn new(graph: &Graph<'_>, budget: &'b mut Budget) -> Self {
        let mut preds: Vec<Vec<BlockId>> = vec![Vec::new(); graph.num_blocks()];
        for block in graph.blocks() {
            for to in graph.succs(block) {
                let list = &mut preds[to.index()];
                if list.last() != Some(&block) {
                    list.push(block);
                }
            }
        }
        let mut pinned = vec![false; graph.num_blocks()];
        pinned[0] = true;
        for block in graph.address_taken() {
            pinned[block.index()] = true;
        }
        Self {
            budget,
            preds,
            pinned,
        }
    }

    /// Whether a step that changes phis and predecessors of `block` can be paid for.
    fn afford(&mut self, graph: &Graph<'_>, block: BlockId) -> bool {
        self.budget
            .afford(graph, block, self.preds[block.index()].len())
    }

    fn walk(&mut self, graph: &mut Graph<'_>) -> bool {
        let mut changed = false;
        for block in graph.blocks() {
            while graph.has_block(block) && self.merge(graph, block) {
                changed = true;
            }
            changed |= graph.has_block(block) && self.forward(graph, block);
            changed |= graph.has_block(block) && self.select(graph, block);
        }
        changed
    }

    /// Appends the only successor of `block` to it if `block` is its only predecessor.
    fn merge(&mut self, graph: &mut Graph<'_>, block: BlockId) -> bool {
        let last = *graph.inst(graph.terminator(block));
        let next = BlockId(last.args[0]);
        if last.op != Op::Br
            || next == block
            || self.pinned[next.index()]
            || self.preds[next.index()] != [block]
            || !graph.succs(next).iter().all(|&to| self.afford(graph, to))
            || !graph.fuel.spend()
        {
            return false;
        }
        graph.insts_mut(block).pop();
        for id in graph.take_insts(next) {
            if graph.inst(id).op == Op::Phi {
                let value = graph.phi(id)[0].1;
                graph.replace(id, value);
            } else {
                graph.insts_mut(block).push(id);
            }
        }
        self.preds[next.index()].clear();
        for to in graph.succs(block) {
            graph.rename_phi_entries(to, next, block);
            rename(&mut self.preds[to.index()], next, block);
        }
        true
    }

    /// Sends the predecessors of a block that does nothing to where it leads.
    fn forward(&mut self, graph: &mut Graph<'_>, block: BlockId) -> bool {
        let &[last] = graph.insts(block) else {
            return false;
        };
        let last = *graph.inst(last);
        let to = BlockId(last.args[0]);
        if last.op != Op::Br
            || to == block
            || self.pinned[block.index()]
            || !self.phis_permit(graph, block, to)
            || !self.afford(graph, to)
            || !graph.fuel.spend()
        {
            return false;
        }
        let preds = core::mem::take(&mut self.preds[block.index()]);
        self.redirect_phis(graph, block, to, &preds);
        for &pred in &preds {
            let terminator = graph.terminator(pred);
            graph.map_successors(terminator, |at| if at == block { to } else { at });
        }
        let list = &mut self.preds[to.index()];
        list.retain(|&pred| pred != block && !preds.contains(&pred));
        list.extend(preds);
        graph.take_insts(block);
        true
    }

    /// Whether the phis of `to` can tell the predecessors of `block` from its other ones: one that
    /// leads to both must bring the same value either way.
    fn phis_permit(&self, graph: &mut Graph<'_>, block: BlockId, to: BlockId) -> bool {
        let preds = &self.preds[block.index()];
        let others = &self.preds[to.index()];
        let Some(&first) = graph.insts(to).first() else {
            return false;
        };
        if graph.inst(first).op != Op::Phi {
            return true;
        }
        // Both lists long: comparing them all would be quadratic.
        if preds.is_empty() || preds.len().saturating_mul(others.len()) > 1024 {
            return false;
        }
        let both: Vec<_> = preds.iter().filter(|p| others.contains(p)).collect();
        phis(graph, to).into_iter().all(|phi| {
            let entries = graph.phi(phi);
            let value = |from| graph_value(&entries, from);
            both.iter().all(|&&pred| value(pred) == value(block))
        })
    }

    fn redirect_phis(&self, graph: &mut Graph<'_>, block: BlockId, to: BlockId, preds: &[BlockId]) {
        for phi in phis(graph, to) {
            let mut entries = graph.phi(phi);
            let value = graph_value(&entries, block);
            entries.retain(|entry| entry.0 != block && !preds.contains(&entry.0));
            entries.extend(preds.iter().map(|&pred| (pred, value)));
            graph.set_phi(phi, &entries);
        }
    }
}

/// The phis of a block.
fn phis(graph: &Graph<'_>, block: BlockId) -> Vec<ir::InstId> {
    let insts = graph.insts(block).iter().copied();
    insts
        .take_while(|&id| graph.inst(id).op == Op::Phi)
        .collect()
}

/// What a phi is when control comes from `from`.
fn graph_value(entries: &[(BlockId, Value)], from: BlockId) -> Value {
    let entry = entries.iter().find(|entry| entry.0 == from);
    entry.map_or(Value::NONE, |entry| entry.1)
}

fn rename(list: &mut [BlockId], old: BlockId, new: BlockId) {
    for entry in list.iter_mut().filter(|entry| **entry == old) {
        *entry = new;
    }
}
