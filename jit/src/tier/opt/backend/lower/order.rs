//! The order of blocks, and a block for each critical edge.
//!
//! An edge from a block with several successors to one with several predecessors is *critical*: code on
//! it would run on other edges, too. It gets an empty block in the middle (V2), which emission
//! removes again if the allocator puts no moves there.
//!
//! The order is reverse postorder with every loop made one piece: a loop stands where its header
//! does. Definitions still come before uses. For let A dominate B, and let L and M be the largest loops
//! with A but not B, and B but not A. Then A dominates the header of M, since otherwise that header
//! would dominate A and A would be in M; so header of L <= A < header of M in reverse postorder.
//!
//! An edge that leaves loops is placed behind the outermost of them, any other behind its source.

use alloc::vec;
use alloc::vec::Vec;
use ir::cfg::{Cfg, LoopId, Loops};
use ir::{BlockId, Body};

/// What a machine block is made from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Source {
    /// A block of the body.
    Real(BlockId),
    /// The critical edge between two.
    Edge(BlockId, BlockId),
}

impl Source {
    /// The block of the body, if it is one.
    pub(super) fn real(self) -> Option<BlockId> {
        match self {
            Self::Real(id) => Some(id),
            Self::Edge(..) => None,
        }
    }
}

/// The machine blocks, in an order in which definitions come before uses.
#[derive(Debug)]
pub(super) struct Order {
    /// The blocks.
    pub(super) blocks: Vec<Source>,
    /// By block of the body: its number.
    number: Vec<u32>,
    /// By block of the body: distinct reachable predecessors.
    preds: Vec<u32>,
    /// By block of the body: one of them.
    one_pred: Vec<BlockId>,
    /// (from, to, number) of critical edges, ascending.
    edges: Vec<(BlockId, BlockId, u32)>,
}

impl Order {
    pub(super) fn new(body: &Body, cfg: &Cfg, loops: &Loops) -> Self {
        let count = body.blocks.len();
        let mut order = Self {
            blocks: Vec::with_capacity(count * 2),
            number: vec![0; count],
            preds: vec![0; count],
            one_pred: vec![BlockId(0); count],
            edges: Vec::new(),
        };
        let mut seen = vec![u32::MAX; count];
        for &from in cfg.rpo() {
            for &to in cfg.succs(from) {
                if core::mem::replace(&mut seen[to.index()], from.0) != from.0 {
                    order.preds[to.index()] += 1;
                    order.one_pred[to.index()] = from;
                }
            }
        }
        let real = in_pieces(cfg, loops);
        let inserted = order.critical_edges(cfg, loops, &real);
        order.number_all(&real, &inserted);
        order
    }

    /// (block after which it stands, from, to) of each critical edge, by the former's position.
    fn critical_edges(
        &self,
        cfg: &Cfg,
        loops: &Loops,
        real: &[BlockId],
    ) -> Vec<(u32, BlockId, BlockId)> {
        let mut position = vec![0u32; self.number.len()];
        let mut ends = vec![0u32; loops.all().len()];
        for (at, &block) in (0u32..).zip(real) {
            position[block.index()] = at;
            if let Some(inner) = loops.innermost(block) {
                ends[inner.index()] = at;
            }
        }
        // Inner loops come before outer ones in the list of loops only by accident: walk up.
        for inner in (0..ends.len() as u32).map(LoopId) {
            let mut outer = loops.get(inner).parent;
            while let Some(id) = outer {
                ends[id.index()] = ends[id.index()].max(ends[inner.index()]);
                outer = loops.get(id).parent;
            }
        }
        let mut edges = Vec::new();
        let mut succs = Vec::new();
        for &from in real {
            distinct(cfg.succs(from), &mut succs);
            if succs.len() < 2 {
                continue;
            }
            for &to in succs.iter().filter(|to| self.preds[to.index()] > 1) {
                let left = outermost_left(loops, from, to);
                let after = left.map_or(position[from.index()], |id| ends[id.index()]);
                edges.push((after, left.is_some(), from, to));
            }
        }
        // Those that stay in the loop come before those that leave it at its end.
        edges.sort_by_key(|&(after, leaves, ..)| (after, leaves));
        let placed = edges.into_iter();
        placed
            .map(|(after, _, from, to)| (after, from, to))
            .collect()
    }

    fn number_all(&mut self, real: &[BlockId], inserted: &[(u32, BlockId, BlockId)]) {
        let mut edges = inserted.iter().peekable();
        for (at, &block) in (0u32..).zip(real) {
            self.number[block.index()] = self.blocks.len() as u32;
            self.blocks.push(Source::Real(block));
            while let Some(&(_, from, to)) = edges.next_if(|edge| edge.0 == at) {
                self.edges.push((from, to, self.blocks.len() as u32));
                self.blocks.push(Source::Edge(from, to));
            }
        }
        self.edges.sort_unstable();
    }

    /// Whether `block` has several predecessors.
    pub(super) fn is_join(&self, block: BlockId) -> bool {
        self.preds[block.index()] > 1
    }

    /// The only predecessor of `block`.
    pub(super) fn only_pred(&self, block: BlockId) -> Option<BlockId> {
        (self.preds[block.index()] == 1).then(|| self.one_pred[block.index()])
    }

    /// The number of `block`.
    pub(super) fn number(&self, block: BlockId) -> u32 {
        self.number[block.index()]
    }

    /// Appends to `numbers` where control goes from `from` to each of its distinct `succs`.
    pub(super) fn targets(&self, from: BlockId, succs: &[BlockId], numbers: &mut Vec<u32>) {
        for &to in succs {
            let edge = self
                .edges
                .binary_search_by_key(&(from, to), |edge| (edge.0, edge.1));
            numbers.push(edge.map_or(self.number(to), |at| self.edges[at].2));
        }
    }
}

/// The outermost loop that an edge leaves.
fn outermost_left(loops: &Loops, from: BlockId, to: BlockId) -> Option<LoopId> {
    let mut left = None;
    let mut at = loops.innermost(from);
    while let Some(id) = at.filter(|&id| !loops.contains(id, to)) {
        left = Some(id);
        at = loops.get(id).parent;
    }
    left
}

/// An item of a loop's list.
#[derive(Clone, Copy, Debug)]
enum Item {
    Block(BlockId),
    Loop(LoopId),
}

/// Reachable blocks in reverse postorder, every loop in one piece.
fn in_pieces(cfg: &Cfg, loops: &Loops) -> Vec<BlockId> {
    let mut lists: Vec<Vec<Item>> = vec![Vec::new(); loops.all().len() + 1];
    let outside = loops.all().len();
    let list_of = |id: Option<LoopId>| id.map_or(outside, LoopId::index);
    for &block in cfg.rpo() {
        let inner = loops.innermost(block);
        if let Some(id) = inner.filter(|_| loops.is_header(block)) {
            lists[list_of(loops.get(id).parent)].push(Item::Loop(id));
        }
        lists[list_of(inner)].push(Item::Block(block));
    }
    let mut order = Vec::with_capacity(cfg.rpo().len());
    let mut stack = vec![(outside, 0)];
    while let Some((list, at)) = stack.last_mut() {
        let Some(&item) = lists[*list].get(*at) else {
            stack.pop();
            continue;
        };
        *at += 1;
        match item {
            Item::Block(block) => order.push(block),
            Item::Loop(id) => stack.push((id.index(), 0)),
        }
    }
    order
}

/// The blocks of `list`, each once, in order of first mention.
pub(super) fn distinct(list: &[BlockId], result: &mut Vec<BlockId>) {
    result.clear();
    if list.len() <= 8 {
        for &block in list {
            if !result.contains(&block) {
                result.push(block);
            }
        }
        return;
    }
    let mut sorted: Vec<(BlockId, usize)> = list.iter().copied().zip(0..).collect();
    sorted.sort_unstable();
    sorted.dedup_by_key(|entry| entry.0);
    sorted.sort_unstable_by_key(|entry| entry.1);
    result.extend(sorted.iter().map(|entry| entry.0));
}
