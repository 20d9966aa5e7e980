//! Control flow of a body: edges, order, dominators, loops. Shared by the verifier and all tiers.
//!
//! Each part is an array indexed by block, made once and then only read: [`Cfg`] (edges both ways
//! in flat arrays, reverse postorder), [`Dominators`] on top of it, [`Loops`] on top of both. A
//! tier makes only the parts that it needs.
//!
//! # Cost and bounds
//!
//! The graph may come from a hostile module, so nothing recurses and nothing is quadratic: edges
//! and order are linear, dominators `O(edges * log blocks)`, loops nearly linear. That is why the
//! dominators are not found by the usual fix-point iteration, which is quadratic on a ladder, and why climbing
//! in their tree is given up where it takes long.
//!
//! # Precondition
//!
//! Block ids in terminators are in range and pool ranges lie inside the pool (what `verify` checks
//! before it makes a `Cfg`); else construction panics.

mod dominators;
mod loops;

pub use dominators::Dominators;
pub use loops::{Loop, LoopId, Loops};

use crate::body::{BlockId, Body};
use alloc::vec::Vec;

/// Marks "no position": the block is unreachable.
const NONE: u32 = u32::MAX;

/// Edges between blocks, and reverse postorder.
#[derive(Clone, Debug, Default)]
pub struct Cfg {
    /// `succ[succ_at[b]..succ_at[b + 1]]` are the successors of `b`.
    succ_at: Vec<u32>,
    succ: Vec<BlockId>,
    /// Likewise the predecessors.
    pred_at: Vec<u32>,
    pred: Vec<BlockId>,
    /// Reachable blocks in reverse postorder.
    order: Vec<BlockId>,
    /// Position of each block in `order`.
    position: Vec<u32>,
    /// Scratch of the walk that finds the order.
    path: Vec<(BlockId, u32)>,
}

impl Cfg {
    /// The control flow of `body`.
    #[must_use]
    pub fn new(body: &Body) -> Self {
        let mut cfg = Self::default();
        cfg.reset(body);
        cfg
    }

    /// Makes this the control flow of `body`, in the buffers that are there.
    pub fn reset(&mut self, body: &Body) {
        self.find_successors(body);
        self.transpose();
        self.number();
    }

    /// Number of blocks, unreachable ones included.
    #[must_use]
    pub fn num_blocks(&self) -> usize {
        self.position.len()
    }

    /// Successors in the order of the terminator's arguments; one that is named twice comes twice.
    #[must_use]
    #[inline]
    pub fn succs(&self, block: BlockId) -> &[BlockId] {
        let at = block.index();
        &self.succ[self.succ_at[at] as usize..self.succ_at[at + 1] as usize]
    }

    /// Predecessors by ascending id, unreachable ones included; a block with two edges comes twice,
    /// side by side.
    #[must_use]
    #[inline]
    pub fn preds(&self, block: BlockId) -> &[BlockId] {
        let at = block.index();
        &self.pred[self.pred_at[at] as usize..self.pred_at[at + 1] as usize]
    }

    /// The reachable blocks in reverse postorder, the entry first: a block comes after all its
    /// predecessors except those over retreating edges.
    #[must_use]
    pub fn rpo(&self) -> &[BlockId] {
        &self.order
    }

    /// Position in [`Cfg::rpo`]; `None` for an unreachable block.
    #[must_use]
    #[inline]
    pub fn rpo_position(&self, block: BlockId) -> Option<u32> {
        Some(self.position[block.index()]).filter(|&at| at != NONE)
    }

    /// Whether a path leads from the entry to `block`.
    #[must_use]
    #[inline]
    pub fn is_reachable(&self, block: BlockId) -> bool {
        self.position[block.index()] != NONE
    }

    /// Whether the edge goes backwards in reverse postorder. Every cycle of reachable blocks has
    /// such an edge, also where the graph is irreducible and has no natural loop.
    #[must_use]
    #[inline]
    pub fn is_retreating(&self, from: BlockId, to: BlockId) -> bool {
        let from = self.position[from.index()];
        from != NONE && self.position[to.index()] <= from
    }

    /// Fills in the successors, and in `pred_at` the number of each block's predecessors.
    fn find_successors(&mut self, body: &Body) {
        let count = body.blocks.len();
        let (starts, targets) = (&mut self.succ_at, &mut self.succ);
        starts.clear();
        starts.reserve(count + 1);
        starts.push(0);
        targets.clear();
        targets.reserve(count * 2);
        self.pred_at.clear();
        self.pred_at.resize(count + 1, 0);
        let preds = &mut self.pred_at;
        for block in &body.blocks {
            body.for_each_successor(body.inst(block.terminator()), |to| {
                preds[to.index()] += 1;
                targets.push(to);
            });
            starts.push(targets.len() as u32);
        }
    }

    /// The same edges, grouped by target: a counting sort from the back, so that each group is in
    /// the order of its sources.
    fn transpose(&mut self) {
        let mut end = 0;
        for slot in &mut self.pred_at {
            end += *slot;
            *slot = end;
        }
        self.pred.clear();
        self.pred.resize(self.succ.len(), BlockId(0));
        for from in (0..self.succ_at.len() - 1).rev() {
            let range = self.succ_at[from] as usize..self.succ_at[from + 1] as usize;
            for to in self.succ[range].iter().rev() {
                let slot = &mut self.pred_at[to.index()];
                *slot -= 1;
                self.pred[*slot as usize] = BlockId(from as u32);
            }
        }
    }

    /// Fills in `order` and `position` by a depth-first walk with a stack of its own.
    fn number(&mut self) {
        let count = self.succ_at.len() - 1;
        self.position.clear();
        self.position.resize(count, NONE);
        self.order.clear();
        if count == 0 {
            return;
        }
        self.order.reserve(count);
        let (starts, succ) = (self.succ_at.as_slice(), self.succ.as_slice());
        // During the walk, `position` only tells visited blocks (0) from others.
        let visited = self.position.as_mut_slice();
        let (mut block, mut next) = (BlockId(0), 0);
        visited[0] = 0;
        loop {
            if next < starts[block.index() + 1] {
                let to = succ[next as usize];
                next += 1;
                if visited[to.index()] == NONE {
                    visited[to.index()] = 0;
                    self.path.push((block, next));
                    (block, next) = (to, starts[to.index()]);
                }
                continue;
            }
            self.order.push(block);
            match self.path.pop() {
                Some(above) => (block, next) = above,
                None => break,
            }
        }
        self.order.reverse();
        for (at, block) in (0u32..).zip(&self.order) {
            self.position[block.index()] = at;
        }
    }
}

#[cfg(test)]
mod tests;
