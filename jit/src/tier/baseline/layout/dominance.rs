//! Which block dominates which, by emission index.
//!
//! Back edges change no dominator, and all other edges go forward in emission order (L1). So one walk along the
//! order finds the tree: when a block's turn comes, the edges to it have been seen, and its immediate dominator is
//! the lowest common ancestor of their sources. Jump pointers (Myers 1983, as for `LoopRange::skip`) find
//! ancestors in logarithmic time.

use super::Layout;
use alloc::vec;
use alloc::vec::Vec;
use ir::Body;

/// The dominator tree.
#[derive(Debug)]
pub(super) struct Dominance {
    /// By emission index.
    nodes: Vec<Node>,
}

/// A block in the tree.
#[derive(Clone, Copy, Debug)]
struct Node {
    /// The immediate dominator, as far as known; the entry's is itself.
    above: u32,
    depth: u32,
    /// An ancestor at a depth that depends on this one's depth only.
    jump: u32,
}

impl Node {
    /// No edge to it has been seen.
    const UNSEEN: u32 = u32::MAX;

    const fn new(above: u32) -> Self {
        Self {
            above,
            depth: 0,
            jump: 0,
        }
    }
}

impl Dominance {
    /// The tree of `body`, whose layout is not irreducible.
    pub(super) fn new(body: &Body, layout: &Layout) -> Self {
        let nodes = vec![Node::new(Node::UNSEEN); layout.order.len()];
        let mut tree = Self { nodes };
        tree.nodes[0].above = 0;
        for (at, &id) in (0..).zip(&layout.order) {
            if at != 0 {
                tree.settle(at);
            }
            body.for_each_successor(body.inst(body.block(id).terminator()), |to| {
                let to = layout.place(to).index;
                if to > at {
                    let known = tree.nodes[to as usize].above;
                    tree.nodes[to as usize].above = match known {
                        Node::UNSEEN => at,
                        known => tree.common_ancestor(known, at),
                    };
                }
            });
        }
        tree
    }

    /// Whether block `a` dominates block `b`, which comes after it.
    pub(super) fn dominates(&self, a: u32, b: u32) -> bool {
        self.ancestor(b, self.node(a).depth) == a
    }

    fn node(&self, at: u32) -> Node {
        self.nodes[at as usize]
    }

    /// The immediate dominator of block `at` is known: fills in the rest.
    fn settle(&mut self, at: u32) {
        let above = self.node(at).above;
        let parent = self.node(above);
        let once = self.node(parent.jump);
        let twice = self.node(once.jump);
        // Two jumps of one length make one of twice the length and one more.
        let merges = parent.depth - once.depth == once.depth - twice.depth;
        self.nodes[at as usize] = Node {
            above,
            depth: parent.depth + 1,
            jump: if merges { once.jump } else { above },
        };
    }

    /// The ancestor of `at`, or itself, that is not deeper than `depth`.
    fn ancestor(&self, mut at: u32, depth: u32) -> u32 {
        while self.node(at).depth > depth {
            let Node { above, jump, .. } = self.node(at);
            at = match self.node(jump).depth < depth {
                true => above,
                false => jump,
            };
        }
        at
    }

    fn common_ancestor(&self, a: u32, b: u32) -> u32 {
        let depth = self.node(a).depth.min(self.node(b).depth);
        let (mut a, mut b) = (self.ancestor(a, depth), self.ancestor(b, depth));
        while a != b {
            // At one depth both jumps have one length, so they pass the same number of ancestors.
            let (one, other) = (self.node(a), self.node(b));
            (a, b) = match one.jump == other.jump {
                true => (one.above, other.above),
                false => (one.jump, other.jump),
            };
        }
        a
    }
}
