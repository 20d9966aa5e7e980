//! Dominators straight from a body whose layout is already an order to find them in.
//!
//! Compilers write most bodies so that each block stands behind one that leads to it. Then no order need be
//! found and no edge turned round: one walk over the terminators, in layout order, hands each block to those
//! behind it. What a block was handed by the time the walk comes to it are all its predecessors before it;
//! their lowest common ancestor becomes its parent in the tree.
//!
//! # Why it is right
//!
//! The walk leaves out blocks that nobody handed anything, with their edges. Edges of the others that lead back
//! (to the block itself or before it) it only notes. The answer is taken if the target of each noted edge
//! dominates its source in the tree found. Suppose it is taken.
//!
//! * *The blocks of the tree are the reachable ones.* Each was handed something by one of the tree, so by
//!   induction a path leads to it. And no edge leaves the tree: one that leads forward hands its target
//!   something, and one that leads back was noted, where a block outside the tree dominates nothing inside.
//! * *The tree is that of the forward edges.* They have no cycle and layout sorts them, so when a block's turn
//!   comes the places of all its predecessors over them are final (see [`super`] for the common ancestor).
//! * *The edges that lead back change no dominator.* Let a path avoid block `a`, and let `from → to` be its first
//!   edge that leads back. Up to `from` it takes forward edges only, so it has passed `to`; without the cycle in
//!   between it leads to the same end, still avoids `a`, and has fewer such edges. So in the end there is a path
//!   of forward edges that avoids `a`: whoever dominates without the edges that lead back does so with them. The
//!   converse is clear.
//!
//! If it is not taken, or the steps of climbing run out, nothing is known and reverse postorder has to be found.

use super::{Dominators, STEPS, common_ancestor};
use crate::body::{BlockId, Body};
use crate::cfg::{Cfg, NONE};

impl Dominators {
    /// The dominator tree of `body`, for who needs no [`Cfg`]: by its layout if that allows.
    #[must_use]
    pub fn of(body: &Body) -> Self {
        let mut dominators = Self::default();
        if !dominators.reset_in_layout(body) {
            dominators.reset(&Cfg::new(body));
        }
        dominators
    }

    /// Makes this the dominator tree of `body` if its layout allows; else returns false, and what this is then
    /// means nothing. Block ids and pool ranges must be right, as for [`super::Cfg`].
    pub(crate) fn reset_in_layout(&mut self, body: &Body) -> bool {
        self.by_layout(body, true)
    }

    /// As above; without `check`, takes any answer.
    #[inline(always)]
    fn by_layout(&mut self, body: &Body, check: bool) -> bool {
        if !self.walk_in_layout(body) && check {
            return false;
        }
        self.deal();
        // Positions are block ids here.
        core::mem::swap(&mut self.dealt, &mut self.subtree);
        core::mem::swap(&mut self.above, &mut self.idom);
        if let Some(entry) = self.idom.first_mut() {
            *entry = NONE;
        }
        let mut edges = self.retreating.iter();
        !check || edges.all(|&(from, to)| self.dominates(BlockId(to), BlockId(from)))
    }

    /// Fills in `above` by block, and notes the edges that lead back. Whether nothing was seen that shows at once
    /// that the answer will not do.
    fn walk_in_layout(&mut self, body: &Body) -> bool {
        let (above, retreating) = (&mut self.above, &mut self.retreating);
        above.clear();
        above.resize(body.blocks.len(), NONE);
        let above = above.as_mut_slice();
        if let Some(entry) = above.first_mut() {
            *entry = 0;
        }
        retreating.clear();
        let (mut hopeful, mut steps) = (true, above.len() * STEPS);
        for (at, block) in (0u32..).zip(&body.blocks) {
            if above[at as usize] == NONE {
                continue;
            }
            body.for_each_successor(
                body.inst(block.terminator()),
                #[inline(always)]
                |to| match above[to.index()] {
                    handed if to.0 <= at => {
                        retreating.push((at, to.0));
                        hopeful &= handed != NONE;
                    }
                    NONE => above[to.index()] = at,
                    handed => above[to.index()] = common_ancestor(above, handed, at, &mut steps),
                },
            );
            if !hopeful || steps == 0 {
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::flow::{body, graph as random_graph};
    use alloc::vec::Vec;

    /// Whether both say the same of every pair of blocks.
    fn agree(a: &Dominators, b: &Dominators, blocks: u32) -> bool {
        let all = || (0..blocks).map(BlockId);
        all().all(|x| {
            a.idom(x) == b.idom(x) && all().all(|y| a.dominates(x, y) == b.dominates(x, y))
        })
    }

    /// What became of random graphs: answers taken, refused, wrong, and taken with unreachable blocks.
    fn judge(check: bool) -> [u32; 4] {
        let mut found = [0; 4];
        let mut by_layout = Dominators::default();
        for seed in 0..5000 {
            let body = body(&random_graph(seed));
            let taken = by_layout.by_layout(&body, check);
            let cfg = Cfg::new(&body);
            let blocks = body.blocks.len() as u32;
            let wrong = taken && !agree(&by_layout, &Dominators::new(&cfg), blocks);
            let unreachable = taken && cfg.rpo().len() < body.blocks.len();
            found[usize::from(!taken)] += 1;
            found[2] += u32::from(wrong);
            found[3] += u32::from(unreachable);
        }
        found
    }

    #[test]
    fn an_answer_from_layout_is_that_of_reverse_postorder() {
        let [taken, refused, wrong, unreachable] = judge(true);
        assert_eq!(wrong, 0);
        assert!(taken > 500 && refused > 500 && unreachable > 100);
    }

    #[test]
    fn without_its_check_layout_gives_wrong_answers() {
        let [_, refused, wrong, _] = judge(false);
        assert!(refused == 0 && wrong > 500);
    }

    #[test]
    fn an_irreducible_graph_is_refused() {
        // Blocks 1 and 2 lead to each other, and the entry to both.
        let graph = body(&[[1, 2].into(), [2].into(), [1].into()]);
        let mut dominators = Dominators::default();
        assert!(!dominators.reset_in_layout(&graph));
    }

    #[test]
    fn a_block_reached_only_from_behind_is_not_taken_for_unreachable() {
        let graph = body(&[[2].into(), [].into(), [1].into()]);
        let mut dominators = Dominators::default();
        assert!(!dominators.reset_in_layout(&graph));
    }

    #[test]
    fn a_graph_that_takes_long_climbs_is_refused_and_found_otherwise() {
        // A chain whose every block also leads to the last, deep below their common ancestor.
        let n = 10 * STEPS as u32;
        let mut comb: Vec<_> = (1..n).map(|next| [next, n].into()).collect();
        comb.extend([[n].into(), [].into()]);
        let comb = body(&comb);
        let mut dominators = Dominators::default();
        assert!(!dominators.reset_in_layout(&comb));
        dominators.reset(&Cfg::new(&comb));
        for at in 1..n {
            assert_eq!(dominators.idom(BlockId(at)), Some(BlockId(at - 1)));
        }
        assert_eq!(dominators.idom(BlockId(n)), Some(BlockId(0)));
    }
}
