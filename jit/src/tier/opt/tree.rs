//! The dominator tree, downwards: for passes that carry something from a block to all that it
//! dominates.

use alloc::vec;
use alloc::vec::Vec;
use ir::BlockId;
use ir::cfg::{Cfg, Dominators};

/// The dominator tree of the reachable blocks.
#[derive(Debug)]
pub struct Tree {
    depth: Vec<u32>,
    /// `child[first[b]..first[b + 1]]` are the children of `b`.
    first: Vec<u32>,
    child: Vec<BlockId>,
}

/// A step of a walk over the tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// A block, before all that it dominates.
    Enter(BlockId),
    /// The same block, after all that it dominates.
    Leave(BlockId),
}

impl Tree {
    /// The tree of `cfg`, in linear time from its dominators.
    #[must_use]
    pub fn new(cfg: &Cfg) -> Self {
        let dominators = Dominators::new(cfg);
        let n = cfg.num_blocks();
        let mut depth = vec![0; n];
        let mut first = vec![0u32; n + 1];
        for &block in cfg.rpo() {
            if let Some(above) = dominators.idom(block) {
                depth[block.index()] = depth[above.index()] + 1;
                first[above.index() + 1] += 1;
            }
        }
        for at in 0..n {
            first[at + 1] += first[at];
        }
        let mut next = first.clone();
        let mut child = vec![BlockId(0); first[n] as usize];
        for &block in cfg.rpo() {
            if let Some(above) = dominators.idom(block) {
                let slot = &mut next[above.index()];
                child[*slot as usize] = block;
                *slot += 1;
            }
        }
        Self {
            depth,
            first,
            child,
        }
    }

    /// The blocks that `block` dominates immediately.
    #[must_use]
    pub fn children(&self, block: BlockId) -> &[BlockId] {
        let at = block.index();
        &self.child[self.first[at] as usize..self.first[at + 1] as usize]
    }

    /// How many blocks strictly dominate `block`; 0 for unreachable ones.
    #[must_use]
    pub fn depth(&self, block: BlockId) -> u32 {
        self.depth[block.index()]
    }

    /// Walks over the tree from the entry, without recursion.
    pub fn walk(&self, mut visit: impl FnMut(Step)) {
        let mut steps = vec![Step::Enter(BlockId(0))];
        while let Some(step) = steps.pop() {
            visit(step);
            if let Step::Enter(block) = step {
                steps.push(Step::Leave(block));
                let children = self.children(block).iter().rev();
                steps.extend(children.map(|&child| Step::Enter(child)));
            }
        }
    }
}
