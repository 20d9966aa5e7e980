//! Dominators, in `O(edges * log blocks)` on every graph, and constant-time queries.
//!
//! Nearly all bodies are *reducible*: every retreating edge leads to a block that dominates its source. Such an
//! edge changes no dominator, because a path that takes it has been at its target before. Without these edges the
//! graph has no cycle and reverse postorder sorts it, so one walk finds the tree: the immediate dominator of a
//! block is the lowest common ancestor of its predecessors (Aho, Hopcroft and Ullman, 1976), which is found
//! by climbing from whichever of two nodes has the higher position (Cooper, Harvey and Kennedy, "A Simple,
//! Fast Dominance Algorithm", 2001). Whether the assumption holds is seen afterwards, by asking the tree about
//! each retreating edge. Climbing is short in what people write, but may be as long as the tree is deep, so its
//! steps are counted and few a block allowed.
//!
//! Where layout is as good an order as reverse postorder, `layout` does without the latter.
//!
//! Where the assumption does not hold or the steps run out, the tree is made by Lengauer and Tarjan's "A Fast
//! Algorithm for Finding Dominators in a Flowgraph" (TOPLAS 1979), the simple variant with path compression. All
//! its work is on preorder numbers of a depth-first tree (entry = 0), because the theorems are about them: the
//! semidominator of `w` is the least `v` from which a path reaches `w` through vertices above `w` only; the
//! immediate dominator of `w` is its semidominator `s`, unless a vertex `u` between them in the tree has a
//! lesser semidominator, then it is `u`'s immediate dominator.
//!
//! A query "does a dominate b" compares intervals of a preorder of the dominator tree: the blocks
//! that `a` dominates are exactly its subtree, which is one interval.

mod layout;

use super::{Cfg, NONE};
use crate::body::BlockId;
use alloc::vec;
use alloc::vec::Vec;

/// Steps of climbing that are allowed for each block.
const STEPS: usize = 32;

/// The dominator tree of the reachable blocks.
#[derive(Clone, Debug, Default)]
pub struct Dominators {
    /// Immediate dominator by block; the entry's and unreachable blocks' is `NONE`.
    idom: Vec<u32>,
    /// Its subtree by block.
    subtree: Vec<Subtree>,
    /// While the tree is being made, by position in the order of the walk: position of the immediate
    /// dominator, which is the lower one. The entry's is its own.
    above: Vec<u32>,
    /// Subtrees by position; while numbers are dealt, `end` is the end of what has been dealt.
    dealt: Vec<Subtree>,
    /// Retreating edges as positions: source and target.
    retreating: Vec<(u32, u32)>,
}

/// The numbers that a subtree takes in a preorder of the tree: an interval, which begins with the
/// number of the subtree's root. Empty for unreachable blocks.
#[derive(Clone, Copy, Debug)]
struct Subtree {
    end: u32,
    size: u32,
}

impl Subtree {
    const EMPTY: Self = Self { end: 0, size: 0 };
    /// Of one node, that has been dealt nothing.
    const LEAF: Self = Self { end: 0, size: 1 };
}

impl Dominators {
    /// The dominator tree of `cfg`.
    #[must_use]
    pub fn new(cfg: &Cfg) -> Self {
        let mut dominators = Self::default();
        dominators.reset(cfg);
        dominators
    }

    /// Makes this the dominator tree of `cfg`, in the buffers that are there.
    pub fn reset(&mut self, cfg: &Cfg) {
        let in_time = self.without_retreating_edges(cfg);
        if in_time {
            self.number(cfg);
        }
        if !in_time || !self.explains_retreating_edges(cfg) {
            self.as_in_any_graph(cfg);
            self.number(cfg);
        }
    }

    /// Whether the target of every retreating edge dominates its source.
    fn explains_retreating_edges(&self, cfg: &Cfg) -> bool {
        let block = |at: u32| cfg.rpo()[at as usize];
        let mut edges = self.retreating.iter();
        edges.all(|&(from, to)| self.dominates(block(to), block(from)))
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
        let (a, b) = (self.subtree[a.index()], self.subtree[b.index()]);
        // Where `b` is in the interval of `a`; before its start wraps to more than any size.
        let inside = (b.end - b.size).wrapping_sub(a.end - a.size);
        b.size == 0 || inside < a.size
    }

    /// Fills in `above` as if there were no retreating edges, and notes those. False if that would take too long.
    fn without_retreating_edges(&mut self, cfg: &Cfg) -> bool {
        let (above, retreating) = (&mut self.above, &mut self.retreating);
        let mut steps = cfg.rpo().len() * STEPS;
        above.clear();
        above.reserve(cfg.rpo().len());
        retreating.clear();
        for (at, &block) in (0u32..).zip(cfg.rpo()) {
            let mut found = None;
            for pred in cfg.preds(block) {
                // Unreachable predecessors have no position, which is the highest number.
                match cfg.position[pred.index()] {
                    NONE => {}
                    pred if pred >= at => retreating.push((pred, at)),
                    pred => {
                        found = Some(match found {
                            Some(other) => common_ancestor(above, other, pred, &mut steps),
                            None => pred,
                        });
                    }
                }
            }
            // The entry has none; every other block is behind some predecessor.
            above.push(found.unwrap_or(0));
        }
        steps != 0 || cfg.rpo().is_empty()
    }

    /// Fills in what is known by block, from `above`.
    fn number(&mut self, cfg: &Cfg) {
        self.deal();
        self.idom.clear();
        self.idom.resize(cfg.num_blocks(), NONE);
        self.subtree.clear();
        self.subtree.resize(cfg.num_blocks(), Subtree::EMPTY);
        let found = self.above.iter().zip(&self.dealt);
        for ((&above, &subtree), block) in found.zip(cfg.rpo()) {
            self.idom[block.index()] = cfg.rpo()[above as usize].0;
            self.subtree[block.index()] = subtree;
        }
        if let Some(entry) = self.idom.first_mut() {
            *entry = NONE;
        }
    }

    /// Fills in the subtrees by position. Children come after their parent, so sizes add up from the back and
    /// numbers are dealt out from the front, without a walk: who has dealt to all children is at the end.
    /// What the walk left out has no parent and no number.
    fn deal(&mut self) {
        let (above, dealt) = (self.above.as_slice(), &mut self.dealt);
        dealt.clear();
        dealt.resize(above.len(), Subtree::LEAF);
        let dealt = dealt.as_mut_slice();
        for (at, &above) in above.iter().enumerate().skip(1).rev() {
            let size = dealt[at].size;
            match dealt.get_mut(above as usize) {
                Some(parent) => parent.size += size,
                None => dealt[at] = Subtree::EMPTY,
            }
        }
        if let Some(entry) = dealt.first_mut() {
            entry.end = 1;
        }
        for (at, &above) in above.iter().enumerate().skip(1) {
            let size = dealt[at].size;
            if let Some(parent) = dealt.get_mut(above as usize) {
                let start = parent.end;
                parent.end += size;
                dealt[at].end = start + 1;
            }
        }
    }

    /// Fills in `above`, whatever the graph.
    fn as_in_any_graph(&mut self, cfg: &Cfg) {
        let idom = of_any_graph(cfg);
        self.above.clear();
        let position = |block: &BlockId| match idom[block.index()] {
            NONE => 0,
            idom => cfg.position[idom as usize],
        };
        self.above.extend(cfg.rpo().iter().map(position));
    }
}

/// The lowest node that has both below it or is one of them; of no meaning once `steps` are used up.
#[inline]
fn common_ancestor(above: &[u32], mut a: u32, mut b: u32, steps: &mut usize) -> u32 {
    // Parents come before their children, so the later of the two is not the ancestor.
    while a != b && *steps != 0 {
        let later = if a > b { &mut a } else { &mut b };
        *later = above[*later as usize];
        *steps -= 1;
    }
    a
}

/// Immediate dominators by block, whatever the graph.
fn of_any_graph(cfg: &Cfg) -> Vec<u32> {
    let mut idom = vec![NONE; cfg.num_blocks()];
    if cfg.num_blocks() != 0 {
        let search = Search::new(cfg);
        let by_number = search.immediate_dominators(cfg);
        for number in 1..by_number.len() {
            let dominator = search.vertex[by_number[number] as usize];
            idom[search.vertex[number].index()] = dominator.0;
        }
    }
    idom
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
