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
//! dominators are not found by the usual fix-point iteration, which is quadratic on a ladder.
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
use alloc::vec;
use alloc::vec::Vec;

/// Marks "no position": the block is unreachable.
const NONE: u32 = u32::MAX;

/// Edges between blocks, and reverse postorder.
#[derive(Clone, Debug)]
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
}

impl Cfg {
    /// The control flow of `body`.
    #[must_use]
    pub fn new(body: &Body) -> Self {
        let (succ_at, succ) = successors(body);
        let (pred_at, pred) = transpose(&succ_at, &succ);
        let mut cfg = Self {
            succ_at,
            succ,
            pred_at,
            pred,
            order: Vec::new(),
            position: vec![NONE; body.blocks.len()],
        };
        cfg.number();
        cfg
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

    /// Fills in `order` and `position` by a depth-first walk with a stack of its own.
    fn number(&mut self) {
        if self.position.is_empty() {
            return;
        }
        // During the walk, `position` only tells visited blocks (0) from others.
        let mut stack = vec![(BlockId(0), self.succ_at[0])];
        self.position[0] = 0;
        while let Some((block, next)) = stack.last_mut() {
            if *next == self.succ_at[block.index() + 1] {
                self.order.push(*block);
                stack.pop();
                continue;
            }
            let to = self.succ[*next as usize];
            *next += 1;
            if self.position[to.index()] == NONE {
                self.position[to.index()] = 0;
                stack.push((to, self.succ_at[to.index()]));
            }
        }
        self.order.reverse();
        for (at, block) in (0u32..).zip(&self.order) {
            self.position[block.index()] = at;
        }
    }
}

/// Flat successor lists: starts (one more than blocks) and targets.
fn successors(body: &Body) -> (Vec<u32>, Vec<BlockId>) {
    let mut starts = Vec::with_capacity(body.blocks.len() + 1);
    let mut targets = Vec::with_capacity(body.blocks.len() * 2);
    starts.push(0);
    for block in &body.blocks {
        let last = body.inst(block.terminator());
        body.for_each_successor(last, |to| targets.push(to));
        starts.push(targets.len() as u32);
    }
    (starts, targets)
}

/// The same edges, grouped by target: a counting sort.
fn transpose(succ_at: &[u32], succ: &[BlockId]) -> (Vec<u32>, Vec<BlockId>) {
    let mut starts = vec![0u32; succ_at.len()];
    for to in succ {
        starts[to.index() + 1] += 1;
    }
    for at in 1..starts.len() {
        starts[at] += starts[at - 1];
    }
    let mut next = starts.clone();
    let mut sources = vec![BlockId(0); succ.len()];
    for (from, range) in (0u32..).zip(succ_at.windows(2)) {
        for to in &succ[range[0] as usize..range[1] as usize] {
            let slot = &mut next[to.index()];
            sources[*slot as usize] = BlockId(from);
            *slot += 1;
        }
    }
    (starts, sources)
}

#[cfg(test)]
mod tests;
