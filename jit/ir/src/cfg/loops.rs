//! Natural loops and how they nest.
//!
//! An edge whose target dominates its source is a back edge, its target a loop header; the loop is
//! every block that reaches a back edge of the header without passing the header. Loops of
//! different headers are disjoint or nested. Cycles of irreducible graphs have no header in this
//! sense and are not loops here; see [`Cfg::is_retreating`] for counting those.
//!
//! # How
//!
//! Headers are taken from the last in reverse postorder to the first, which puts inner loops
//! before outer ones. From the back edges the walk goes against the edges; a block that already
//! belongs to a loop stands for its outermost loop found so far, which becomes a child and is
//! left by the entries of its header. Finding the outermost uses path compression, so each edge is
//! looked at once and the whole is nearly linear.

use super::{Cfg, Dominators, NONE};
use crate::body::BlockId;
use alloc::vec;
use alloc::vec::Vec;

/// Index of a loop in its body; inner loops come before the loops that hold them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct LoopId(pub u32);

impl LoopId {
    /// As an index.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A natural loop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Loop {
    /// The block through which the loop is entered.
    pub header: BlockId,
    /// The closest loop around it.
    pub parent: Option<LoopId>,
    /// Nesting depth, 1 for an outermost loop.
    pub depth: u32,
}

/// The natural loops of a body.
#[derive(Clone, Debug)]
pub struct Loops {
    loops: Vec<Loop>,
    /// Innermost loop by block; `NONE` outside loops.
    innermost: Vec<u32>,
}

impl Loops {
    /// The loops of `cfg`.
    #[must_use]
    pub fn new(cfg: &Cfg, dominators: &Dominators) -> Self {
        let mut finder = Finder {
            loops: Vec::new(),
            innermost: vec![NONE; cfg.num_blocks()],
            outer: Vec::new(),
        };
        let mut stack = Vec::new();
        for &header in cfg.rpo().iter().rev() {
            let back =
                |&&from: &&BlockId| cfg.is_reachable(from) && dominators.dominates(header, from);
            stack.extend(cfg.preds(header).iter().filter(back));
            if !stack.is_empty() {
                finder.collect(cfg, header, &mut stack);
            }
        }
        finder.finish()
    }

    /// The loops, inner before outer.
    #[must_use]
    pub fn all(&self) -> &[Loop] {
        &self.loops
    }

    /// The loop `id`.
    #[must_use]
    pub fn get(&self, id: LoopId) -> Loop {
        self.loops[id.index()]
    }

    /// The innermost loop that holds `block`.
    #[must_use]
    #[inline]
    pub fn innermost(&self, block: BlockId) -> Option<LoopId> {
        Some(LoopId(self.innermost[block.index()])).filter(|id| id.0 != NONE)
    }

    /// The headers in the order of their blocks: the numbering of loops that counters and OSR use.
    pub fn headers(&self) -> impl Iterator<Item = BlockId> + '_ {
        let blocks = (0..self.innermost.len() as u32).map(BlockId);
        blocks.filter(|&block| self.is_header(block))
    }

    /// How many loops hold `block`.
    #[must_use]
    pub fn depth(&self, block: BlockId) -> u32 {
        self.innermost(block).map_or(0, |id| self.get(id).depth)
    }

    /// Whether `block` is the header of a loop.
    #[must_use]
    pub fn is_header(&self, block: BlockId) -> bool {
        self.innermost(block)
            .is_some_and(|id| self.get(id).header == block)
    }

    /// Whether `block` lies in loop `id` or in a loop inside it. Takes time by depth.
    #[must_use]
    pub fn contains(&self, id: LoopId, block: BlockId) -> bool {
        let mut at = self.innermost(block);
        while let Some(inner) = at {
            if inner == id {
                return true;
            }
            at = self.get(inner).parent;
        }
        false
    }
}

/// Loops while they are found.
struct Finder {
    loops: Vec<Loop>,
    innermost: Vec<u32>,
    /// By loop: some loop around it, or itself; compressed towards the outermost.
    outer: Vec<u32>,
}

impl Finder {
    /// Gives `header`'s loop all blocks that reach `stack` against the edges.
    fn collect(&mut self, cfg: &Cfg, header: BlockId, stack: &mut Vec<BlockId>) {
        let id = self.loops.len() as u32;
        self.outer.push(id);
        self.loops.push(Loop {
            header,
            parent: None,
            depth: 0,
        });
        self.innermost[header.index()] = id;
        while let Some(block) = stack.pop() {
            let inner = self.innermost[block.index()];
            let entrance = if inner == NONE {
                self.innermost[block.index()] = id;
                block
            } else {
                let root = self.outermost(inner);
                if root == id {
                    continue;
                }
                self.outer[root as usize] = id;
                self.loops[root as usize].parent = Some(LoopId(id));
                self.loops[root as usize].header
            };
            let reachable = |&&from: &&BlockId| cfg.is_reachable(from);
            stack.extend(cfg.preds(entrance).iter().filter(reachable));
        }
    }

    fn outermost(&mut self, id: u32) -> u32 {
        let mut root = id;
        while self.outer[root as usize] != root {
            root = self.outer[root as usize];
        }
        let mut at = id;
        while at != root {
            at = core::mem::replace(&mut self.outer[at as usize], root);
        }
        root
    }

    /// Depths, outer loops first.
    fn finish(mut self) -> Loops {
        for at in (0..self.loops.len()).rev() {
            let around = self.loops[at].parent;
            self.loops[at].depth = around.map_or(0, |id| self.loops[id.index()].depth) + 1;
        }
        Loops {
            loops: self.loops,
            innermost: self.innermost,
        }
    }
}
