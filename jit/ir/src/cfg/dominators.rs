//! Dominators by Lengauer and Tarjan's algorithm, and constant-time queries.
//!
//! "A Fast Algorithm for Finding Dominators in a Flowgraph" (TOPLAS 1979), the simple variant with
//! path compression: `O(edges * log blocks)` on every graph. All work is on preorder numbers of a
//! depth-first tree (entry = 0), because the theorems are about them: the semidominator of `w` is
//! the least `v` from which a path reaches `w` through vertices above `w` only; the immediate
//! dominator of `w` is its semidominator `s`, unless a vertex `u` between them in the tree has a
//! lesser semidominator, then it is `u`'s immediate dominator.
//!
//! A query "does a dominate b" compares intervals of a preorder of the dominator tree: the blocks
//! that `a` dominates are exactly its subtree, which is one interval.

use super::{Cfg, NONE};
use crate::body::BlockId;
use alloc::vec;
use alloc::vec::Vec;

/// The dominator tree of the reachable blocks.
#[derive(Clone, Debug)]
pub struct Dominators {
    /// Immediate dominator by block; the entry's and unreachable blocks' is `NONE`.
    idom: Vec<u32>,
    /// By block: its number in a preorder of the tree, and one past the last number in its
    /// subtree. Empty for unreachable blocks.
    interval: Vec<(u32, u32)>,
}

impl Dominators {
    /// The dominator tree of `cfg`.
    #[must_use]
    pub fn new(cfg: &Cfg) -> Self {
        let mut idom = vec![NONE; cfg.num_blocks()];
        if cfg.num_blocks() != 0 {
            let search = Search::new(cfg);
            let by_number = search.immediate_dominators(cfg);
            for number in 1..by_number.len() {
                let dominator = search.vertex[by_number[number] as usize];
                idom[search.vertex[number].index()] = dominator.0;
            }
        }
        let interval = intervals(cfg, &idom);
        Self { idom, interval }
    }

    /// The closest strict dominator; `None` for the entry and for unreachable blocks.
    #[must_use]
    #[inline]
    pub fn idom(&self, block: BlockId) -> Option<BlockId> {
        Some(BlockId(self.idom[block.index()])).filter(|id| id.0 != NONE)
    }

    /// Whether every path from the entry to `b` passes `a`; a block dominates itself. An
    /// unreachable block is dominated by every block, since no path leads to it.
    #[must_use]
    #[inline]
    pub fn dominates(&self, a: BlockId, b: BlockId) -> bool {
        let (first, end) = self.interval[a.index()];
        let (at, at_end) = self.interval[b.index()];
        at == at_end || (first <= at && at < end)
    }
}

/// The depth-first tree, by preorder number.
struct Search {
    /// Block of each number.
    vertex: Vec<BlockId>,
    /// Number of the tree parent; the entry's is its own.
    parent: Vec<u32>,
    /// Number of each block; `NONE` if unreachable.
    number: Vec<u32>,
}

impl Search {
    fn new(cfg: &Cfg) -> Self {
        let reachable = cfg.rpo().len();
        let mut search = Self {
            vertex: Vec::with_capacity(reachable),
            parent: Vec::with_capacity(reachable),
            number: vec![NONE; cfg.num_blocks()],
        };
        // The edge of the stack that finds a block unnumbered is its tree edge. The entry pushed
        // below is found first.
        let mut stack = vec![(BlockId(0), 0)];
        while let Some((block, parent)) = stack.pop() {
            if search.number[block.index()] != NONE {
                continue;
            }
            let number = search.vertex.len() as u32;
            search.number[block.index()] = number;
            search.vertex.push(block);
            search.parent.push(parent);
            stack.extend(cfg.succs(block).iter().map(|&to| (to, number)));
        }
        search
    }

    /// Numbers of the immediate dominators, by number.
    fn immediate_dominators(&self, cfg: &Cfg) -> Vec<u32> {
        let n = self.vertex.len();
        let mut idom = vec![0u32; n];
        let mut forest = Forest::new(n);
        // Vertices by semidominator, as linked lists: `bucket[s]` is the first, `chained[v]` next.
        let mut bucket = vec![NONE; n];
        let mut chained = vec![NONE; n];
        for w in (1..n).rev() {
            for pred in cfg.preds(self.vertex[w]) {
                let v = self.number[pred.index()];
                if v != NONE {
                    let u = forest.eval(v) as usize;
                    forest.semi[w] = forest.semi[w].min(forest.semi[u]);
                }
            }
            let semi = forest.semi[w] as usize;
            chained[w] = bucket[semi];
            bucket[semi] = w as u32;
            let parent = self.parent[w];
            forest.link(parent, w as u32);
            // All paths from `parent` down to these are now in the forest.
            let mut v = core::mem::replace(&mut bucket[parent as usize], NONE);
            while v != NONE {
                let u = forest.eval(v);
                let less = forest.semi[u as usize] < forest.semi[v as usize];
                idom[v as usize] = if less { u } else { parent };
                v = chained[v as usize];
            }
        }
        for w in 1..n {
            if idom[w] != forest.semi[w] {
                idom[w] = idom[idom[w] as usize];
            }
        }
        idom
    }
}

/// Vertices whose semidominators are known, as trees in which paths are compressed.
struct Forest {
    semi: Vec<u32>,
    /// Parent in the forest; `NONE` for a root.
    ancestor: Vec<u32>,
    /// The vertex of least semidominator on the compressed path up to, not including, the root.
    best: Vec<u32>,
    /// Scratch of `eval`.
    path: Vec<u32>,
}

impl Forest {
    fn new(n: usize) -> Self {
        Self {
            semi: (0..n as u32).collect(),
            ancestor: vec![NONE; n],
            best: (0..n as u32).collect(),
            path: Vec::new(),
        }
    }

    fn link(&mut self, parent: u32, child: u32) {
        self.ancestor[child as usize] = parent;
    }

    /// The vertex of least semidominator on the path from `v` up to its root, root excluded; `v`
    /// itself if it is a root.
    fn eval(&mut self, v: u32) -> u32 {
        let mut at = v;
        while self.ancestor[at as usize] != NONE {
            self.path.push(at);
            at = self.ancestor[at as usize];
        }
        let root = at;
        // Top down; the topmost already hangs from the root.
        self.path.pop();
        while let Some(at) = self.path.pop() {
            let above = self.best[self.ancestor[at as usize] as usize];
            let own = self.best[at as usize];
            if self.semi[above as usize] < self.semi[own as usize] {
                self.best[at as usize] = above;
            }
            self.ancestor[at as usize] = root;
        }
        self.best[v as usize]
    }
}

/// Preorder intervals of the tree. Children come after their parent in reverse postorder, so sizes
/// add up from the back and starts are dealt out from the front, without a walk.
fn intervals(cfg: &Cfg, idom: &[u32]) -> Vec<(u32, u32)> {
    let mut size = vec![1u32; idom.len()];
    for block in cfg.rpo().iter().rev() {
        let above = idom[block.index()];
        if above != NONE {
            size[above as usize] += size[block.index()];
        }
    }
    let mut interval = vec![(0, 0); idom.len()];
    // Next free number in the subtree of each block.
    let mut next = vec![0u32; idom.len()];
    for block in cfg.rpo() {
        let at = block.index();
        let above = idom[at];
        let start = if above == NONE {
            0
        } else {
            let slot = &mut next[above as usize];
            let start = *slot;
            *slot += size[at];
            start
        };
        interval[at] = (start, start + size[at]);
        next[at] = start + 1;
    }
    interval
}
