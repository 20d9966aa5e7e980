//! Where phis go: iterated dominance frontiers, restricted to where a variable is live.
//!
//! # Cost
//!
//! A variable costs what its live region and its frontiers have of blocks. Many long-lived variables
//! in a large function can make the sum quadratic, so there is a budget; variables beyond it stay in
//! memory. Nothing recurses.

use super::slots::Variables;
use crate::tier::opt::graph::Graph;
use crate::tier::opt::tree::Tree;
use alloc::collections::BinaryHeap;
use alloc::vec;
use alloc::vec::Vec;
use core::mem;
use ir::cfg::Cfg;
use ir::{BlockId, Op};

/// Work (blocks looked at) that is free.
const FREE_WORK: usize = 1 << 16;
/// Work that each instruction and block adds.
const WORK_EACH: usize = 32;

/// By variable: blocks that store it, and blocks that load it before they store it.
pub(super) struct Uses {
    defs: Vec<Vec<BlockId>>,
    exposed: Vec<Vec<BlockId>>,
}

impl Uses {
    pub(super) fn new(graph: &Graph<'_>, variables: &Variables) -> Self {
        let n = variables.types.len();
        let mut uses = Self {
            defs: vec![Vec::new(); n],
            exposed: vec![Vec::new(); n],
        };
        for block in graph.blocks() {
            for &id in graph.insts(block) {
                let Some(part) = variables.part(id) else {
                    continue;
                };
                let defs = &mut uses.defs[part.variable as usize];
                let exposed = &mut uses.exposed[part.variable as usize];
                let stored = defs.last() == Some(&block);
                let stores = graph.inst(id).op == Op::Store;
                // Storing a part keeps the rest, so it is a load, too.
                let loads = !stores || !part.whole;
                if loads && !stored && exposed.last() != Some(&block) {
                    exposed.push(block);
                }
                if stores && !stored {
                    defs.push(block);
                }
            }
        }
        uses
    }
}

/// Finds the blocks that need phis.
pub(super) struct Placement<'p> {
    cfg: &'p Cfg,
    tree: &'p Tree,
    budget: usize,
    /// By block: 1 + the variable for which it was last found to store, …
    def: Vec<u32>,
    /// … to want the value at its start, …
    live: Vec<u32>,
    /// … to be in the frontier, …
    frontier: Vec<u32>,
    /// … or was walked over.
    walked: Vec<u32>,
    /// Variable and block of each phi.
    pub(super) phis: Vec<(u32, BlockId)>,
}

impl<'p> Placement<'p> {
    pub(super) fn new(graph: &Graph<'_>, cfg: &'p Cfg, tree: &'p Tree) -> Self {
        let n = cfg.num_blocks();
        Self {
            cfg,
            tree,
            budget: FREE_WORK + WORK_EACH * (graph.num_insts() + n),
            def: vec![0; n],
            live: vec![0; n],
            frontier: vec![0; n],
            walked: vec![0; n],
            phis: Vec::new(),
        }
    }

    /// Places the phis of a variable; false, without any, if the budget is used up.
    pub(super) fn place(&mut self, variable: u32, uses: &Uses) -> bool {
        let before = self.phis.len();
        let mark = variable + 1;
        let defs = &uses.defs[variable as usize];
        for block in defs {
            self.def[block.index()] = mark;
        }
        let live = self.find_live(mark, &uses.exposed[variable as usize]);
        if live.and_then(|()| self.find_frontier(mark, defs)).is_none() {
            self.phis.truncate(before);
            return false;
        }
        true
    }

    fn spend(&mut self) -> Option<()> {
        self.budget = self.budget.checked_sub(1)?;
        Some(())
    }

    /// Marks the blocks at whose start the variable's value is wanted.
    fn find_live(&mut self, mark: u32, exposed: &[BlockId]) -> Option<()> {
        let mut work = exposed.to_vec();
        while let Some(block) = work.pop() {
            self.spend()?;
            if mem::replace(&mut self.live[block.index()], mark) != mark {
                let preds = self.cfg.preds(block).iter();
                work.extend(preds.filter(|pred| self.def[pred.index()] != mark));
            }
        }
        Some(())
    }

    /// Puts phis into the iterated dominance frontier of `defs`, where live.
    fn find_frontier(&mut self, mark: u32, defs: &[BlockId]) -> Option<()> {
        let (cfg, tree) = (self.cfg, self.tree);
        let reachable = defs.iter().filter(|&&block| cfg.is_reachable(block));
        let mut roots: BinaryHeap<(u32, BlockId)> =
            reachable.map(|&block| (tree.depth(block), block)).collect();
        let mut work = Vec::new();
        // Deepest first: what a root's subtree was walked for need not be walked again.
        while let Some((depth, root)) = roots.pop() {
            work.push(root);
            self.walked[root.index()] = mark;
            while let Some(block) = work.pop() {
                self.spend()?;
                for &to in cfg.succs(block) {
                    if self.meets(mark, depth, to) {
                        roots.push((tree.depth(to), to));
                    }
                }
                for &child in tree.children(block) {
                    if mem::replace(&mut self.walked[child.index()], mark) != mark {
                        work.push(child);
                    }
                }
            }
        }
        Some(())
    }

    /// An edge leads from the subtree of a root at `depth` to `to`. If it leaves the subtree, `to`
    /// is in the root's frontier and gets a phi. Returns whether that makes it a new definition.
    fn meets(&mut self, mark: u32, depth: u32, to: BlockId) -> bool {
        let at = to.index();
        if self.tree.depth(to) > depth
            || mem::replace(&mut self.frontier[at], mark) == mark
            || self.live[at] != mark
        {
            return false;
        }
        self.phis.push((mark - 1, to));
        self.def[at] != mark
    }
}
