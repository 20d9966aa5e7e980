//! The order in which blocks are emitted, and where loops lie in it.
//!
//! Every instruction of a reachable block gets a *position*, counted up in emission order. Liveness is
//! an interval of positions, so the order must keep two promises:
//!
//! L1. An edge that is not a back edge goes forward.
//! L2. The blocks of a loop are contiguous, its header first.
//!
//! Then a value that is live somewhere is live only between its definition and the last of its uses,
//! each use first moved to the end of the outermost loop that contains it but not the definition. A path
//! from the definition to a use either only goes forward (L1) or takes a back edge of such a loop, and
//! then all of it lies inside that loop (L2) or after it.
//!
//! The body's own order usually keeps both promises and is taken then, because the front end chose good
//! fall-throughs. To see it takes three walks and no graph. Say that the target of a backward edge begins an
//! *interval* of blocks, which ends with the last source of such an edge, or with the interval that begins last
//! inside. Intervals nest. If no edge enters one but at its beginning, then
//!
//! * that block dominates the interval, so backward edges are back edges, which is L1;
//! * the natural loop lies in the interval, and both have one header. Blocks that only leave the loop
//!   may lie between; liveness takes them for part of it, which is L2 and costs nothing but registers.
//!
//! Else `sorted` makes an order by a depth-first walk.

mod sorted;

use alloc::vec;
use alloc::vec::Vec;
use core::cell::OnceCell;
use ir::cfg::Dominators;
use ir::{BlockId, Body};

/// No block, loop or position.
pub(super) const NONE: u32 = u32::MAX;

/// Where a block lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Index in the emission order; [`NONE`] if unreachable.
    pub(super) index: u32,
    /// Position of its first instruction.
    pub(super) start: u32,
    /// Innermost loop; [`NONE`] outside loops.
    pub(super) inner: u32,
    /// Edges that lead to it from reachable blocks.
    pub(super) edges: u32,
}

impl Place {
    /// That of an unreachable block.
    const NONE: Self = Self {
        index: NONE,
        start: 0,
        inner: NONE,
        edges: 0,
    };
}

/// A loop in positions.
#[derive(Clone, Copy, Debug)]
pub(super) struct LoopRange {
    /// Its header.
    pub(super) header: BlockId,
    /// First and last position.
    pub(super) start: u32,
    pub(super) end: u32,
    /// Nesting depth from 1.
    pub(super) depth: u32,
    /// Its number among the function's loops, by header block.
    pub(super) number: u32,
    parent: u32,
    /// An ancestor some levels up, which makes searches along the ancestors logarithmic.
    skip: u32,
}

/// Emission order, positions and loops of a body.
#[derive(Debug)]
pub(super) struct Layout {
    /// Reachable blocks in emission order.
    pub(super) order: Vec<BlockId>,
    /// By block.
    pub(super) places: Vec<Place>,
    /// Inner loops before outer ones.
    pub(super) loops: Vec<LoopRange>,
    /// Whether some cycle has no header.
    pub(super) irreducible: bool,
    /// Made when somebody asks.
    dominators: OnceCell<Dominators>,
}

impl Layout {
    /// Lays out `body`.
    pub(super) fn new(body: &Body) -> Self {
        let mut layout = Self {
            order: Vec::with_capacity(body.blocks.len()),
            places: vec![Place::NONE; body.blocks.len()],
            loops: Vec::new(),
            irreducible: false,
            dominators: OnceCell::new(),
        };
        if !layout.keep_order(body) {
            layout.sort(body);
        }
        layout
    }

    /// Whether all paths from the entry of `body`, which this is the layout of, to `b` pass `a`. Both are
    /// reachable, and the layout is not irreducible.
    pub(super) fn dominates(&self, body: &Body, a: BlockId, b: BlockId) -> bool {
        if a == b || a == BlockId(0) {
            return true;
        }
        // What dominates comes first in any order without backward edges but back edges (L1).
        self.place(a).index < self.place(b).index && {
            let dominators = self.dominators.get_or_init(|| Dominators::of(body));
            dominators.dominates(a, b)
        }
    }

    /// The place of `block`.
    pub(super) fn place(&self, block: BlockId) -> Place {
        self.places[block.index()]
    }

    /// The loop that `block` is the header of.
    pub(super) fn loop_at(&self, block: BlockId) -> Option<LoopRange> {
        let inner = self.loops.get(self.place(block).inner as usize)?;
        (inner.header == block).then_some(*inner)
    }

    /// Nesting depth of `block`.
    pub(super) fn depth(&self, block: BlockId) -> u32 {
        let inner = self.place(block).inner;
        self.loops.get(inner as usize).map_or(0, |l| l.depth)
    }

    /// The outermost of the loops around `inner` (itself included) that begin after position `def`.
    pub(super) fn outermost_after(&self, inner: u32, def: u32) -> Option<&LoopRange> {
        let begins_after = |at: u32| self.loops.get(at as usize).filter(|l| l.start > def);
        let mut found = begins_after(inner)?;
        loop {
            let next = begins_after(found.skip).or_else(|| begins_after(found.parent));
            match next {
                Some(outer) => found = outer,
                None => return Some(found),
            }
        }
    }

    /// Takes the body's own order if it keeps L1 and L2; else false, and what was filled in means nothing.
    fn keep_order(&mut self, body: &Body) -> bool {
        let Some(backward) = self.place_blocks(body) else {
            return false;
        };
        if backward.is_empty() {
            return true;
        }
        self.find_intervals(body, backward);
        self.is_entered_at_headers(body)
    }

    /// Places reachable blocks in body order. Backward edges, as (target, source); none if a block might be
    /// reachable over such an edge only.
    fn place_blocks(&mut self, body: &Body) -> Option<Vec<(u32, u32)>> {
        let mut backward = Vec::new();
        let mut position = 0;
        for at in 0..body.blocks.len() {
            if at != 0 && self.places[at].edges == 0 {
                continue;
            }
            let block = body.blocks[at];
            self.places[at].index = self.order.len() as u32;
            self.places[at].start = position;
            self.order.push(BlockId(at as u32));
            position += block.end - block.start;
            body.for_each_successor(body.inst(block.terminator()), |to| {
                self.places[to.index()].edges += 1;
                if to.index() <= at {
                    backward.push((to.0, at as u32));
                }
            });
        }
        let placed = |&(to, _): &(u32, u32)| self.places[to as usize].index != NONE;
        backward.iter().all(placed).then_some(backward)
    }

    /// Fills in `loops` and the innermost of each block from the backward edges.
    fn find_intervals(&mut self, body: &Body, mut backward: Vec<(u32, u32)>) {
        // By target, from the last: so what an interval swallows is known when it begins.
        backward.sort_unstable_by(|a, b| b.cmp(a));
        backward.dedup_by_key(|edge| edge.0);
        let numbers = (0..backward.len() as u32).rev();
        let mut lasts: Vec<u32> = Vec::with_capacity(backward.len());
        let mut outermost: Vec<u32> = Vec::new();
        for ((header, source), number) in backward.into_iter().zip(numbers) {
            let id = self.loops.len() as u32;
            let mut last = source;
            while let Some(&inner) = outermost.last()
                && self.loops[inner as usize].header.0 <= last
            {
                last = last.max(lasts[inner as usize]);
                self.loops[inner as usize].parent = id;
                outermost.pop();
            }
            outermost.push(id);
            lasts.push(last);
            let (end, block) = (self.places[last as usize].start, body.blocks[last as usize]);
            self.loops.push(LoopRange {
                header: BlockId(header),
                start: self.places[header as usize].start,
                end: end + (block.end - block.start) - 1,
                depth: 0,
                number,
                parent: NONE,
                skip: NONE,
            });
        }
        self.link_loops();
        self.enter_intervals(&lasts);
    }

    /// Fills in the innermost loop of each block, given the last block of each loop.
    fn enter_intervals(&mut self, lasts: &[u32]) {
        let mut next = self.loops.len();
        let mut inner = NONE;
        for &BlockId(at) in &self.order {
            while inner != NONE && at > lasts[inner as usize] {
                inner = self.loops[inner as usize].parent;
            }
            if next != 0 && self.loops[next - 1].header.0 == at {
                next -= 1;
                inner = next as u32;
            }
            self.places[at as usize].inner = inner;
        }
    }

    /// Whether no edge leads into a loop but to its header.
    fn is_entered_at_headers(&self, body: &Body) -> bool {
        let mut good = true;
        for &from in &self.order {
            body.for_each_successor(body.inst(body.block(from).terminator()), |to| {
                let mut inner = self.loops.get(self.place(to).inner as usize);
                if let Some(own) = inner.filter(|l| l.header == to) {
                    inner = self.loops.get(own.parent as usize);
                }
                good &= inner.is_none_or(|l| from >= l.header);
            });
        }
        good
    }

    /// Depths and skip pointers, from the parents. Outer loops come first: a loop's skip pointer is made from
    /// its parent's ("skew-binary" jumps, Myers 1983): two jumps of equal length merge into one.
    fn link_loops(&mut self) {
        for at in (0..self.loops.len()).rev() {
            let parent = self.loops[at].parent;
            let depth = |id: u32| self.loops.get(id as usize).map_or(0, |l| l.depth);
            let skip = |id: u32| self.loops.get(id as usize).map_or(NONE, |l| l.skip);
            let once = skip(parent);
            let twice = skip(once);
            let merges = once != NONE && depth(parent) - depth(once) == depth(once) - depth(twice);
            let own = depth(parent) + 1;
            self.loops[at].skip = if merges { twice } else { parent };
            self.loops[at].depth = own;
        }
    }
}
