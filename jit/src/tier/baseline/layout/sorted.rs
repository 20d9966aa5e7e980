//! An order for bodies whose own does not do: reverse postorder with each loop kept together. A loop takes the
//! place of its header, which comes before anything behind the loop.
//!
//! # One walk
//!
//! A depth-first walk finds order and loops at once, without a graph or dominators (after Wei, Mao, Zou and Chen,
//! "A New Algorithm for Identifying Loops in Decompilation", SAS 2007). The *path* is the blocks entered and not
//! left. A block on it that an edge leads back to is a header. Each block knows the innermost header around it
//! that has been seen; the headers around that one follow from it, outwards, and all lie on the path as long as
//! the block does. So what an edge tells about its source is merged in by depth on the path (`join`):
//!
//! * an edge to a block on the path puts its source into the loop of that block;
//! * a block that is left puts the one before it on the path into the loops around itself;
//! * so does an edge to a block left earlier, if the header around that is still on the path. If not, the edge
//!   enters a loop past its header: the graph is *irreducible*.
//!
//! Nothing changes for a block that has been left, so its place can be given then: at the front of the list of
//! blocks of the loop around it. A header brings along the list of its own loop.
//!
//! # Other graphs
//!
//! In an irreducible graph promise L2 means nothing, so plain reverse postorder is used and every value that
//! leaves its block lives for ever. The same serves graphs whose loops are so deep that joining would
//! take quadratic time ([`STEPS_PER_BLOCK`]).

use super::{Layout, LoopRange, NONE, Place};
use alloc::vec;
use alloc::vec::Vec;
use ir::cfg::{Cfg, Dominators, Loops};
use ir::{BlockId, Body};

/// Headers looked at by all joins together, per block; the bodies of sqlite3 -O2 that come here look at 0.7.
const STEPS_PER_BLOCK: usize = 16;

impl Layout {
    /// Lays out any body.
    pub(super) fn sort(&mut self, body: &Body) {
        self.order.clear();
        self.loops.clear();
        self.places.fill(Place::NONE);
        match Walk::new(body).run(&mut self.places) {
            Some(walk) => self.take(body, &walk),
            None => {
                self.irreducible = true;
                self.places.fill(Place::NONE);
                self.sort_irreducible(body);
            }
        }
        self.number_loops();
        self.link_loops();
    }

    /// Takes order and loops from `walk`.
    fn take(&mut self, body: &Body, walk: &Walk<'_>) {
        let mut at = walk.nodes[walk.root as usize].first;
        let mut position = 0;
        while let Some(node) = walk.nodes.get(at as usize) {
            let inner = match node.own {
                NONE => walk.nodes[node.head as usize].own,
                own => own,
            };
            position = self.append(body, BlockId(at), position, inner);
            at = node.next;
        }
        self.loops.extend(walk.loops.iter().map(|&header| {
            let node = &walk.nodes[header.index()];
            let last = BlockId(node.last);
            let block = body.block(last);
            LoopRange {
                header,
                start: self.places[header.index()].start,
                end: self.places[last.index()].start + (block.end - block.start) - 1,
                depth: 0,
                number: 0,
                parent: walk.nodes[node.head as usize].own,
                skip: NONE,
            }
        }));
    }

    /// Places `id` next, at `position` and in loop `inner`; the position after it.
    fn append(&mut self, body: &Body, id: BlockId, position: u32, inner: u32) -> u32 {
        let block = body.block(id);
        let place = &mut self.places[id.index()];
        place.index = self.order.len() as u32;
        place.start = position;
        place.inner = inner;
        self.order.push(id);
        position + (block.end - block.start)
    }

    /// Reverse postorder, with natural loops for what they tell about frequencies.
    fn sort_irreducible(&mut self, body: &Body) {
        let cfg = Cfg::new(body);
        let dominators = Dominators::new(&cfg);
        let loops = Loops::new(&cfg, &dominators);
        let mut position = 0;
        for &id in cfg.rpo() {
            let inner = loops.innermost(id).map_or(NONE, |inner| inner.0);
            position = self.append(body, id, position, inner);
            for to in cfg.succs(id) {
                self.places[to.index()].edges += 1;
            }
        }
        self.measure_loops(body, &loops);
    }

    /// Fills in `loops`, whose blocks may lie anywhere.
    fn measure_loops(&mut self, body: &Body, loops: &Loops) {
        self.loops.extend(loops.all().iter().map(|l| LoopRange {
            header: l.header,
            start: NONE,
            end: 0,
            depth: 0,
            number: 0,
            parent: l.parent.map_or(NONE, |parent| parent.0),
            skip: NONE,
        }));
        for &id in &self.order {
            let place = self.places[id.index()];
            if let Some(range) = self.loops.get_mut(place.inner as usize) {
                let block = body.block(id);
                range.start = range.start.min(place.start);
                range.end = range.end.max(place.start + (block.end - block.start) - 1);
            }
        }
        for at in 0..self.loops.len() {
            let inner = self.loops[at];
            if let Some(outer) = self.loops.get_mut(inner.parent as usize) {
                outer.start = outer.start.min(inner.start);
                outer.end = outer.end.max(inner.end);
            }
        }
    }

    fn number_loops(&mut self) {
        let mut number = 0;
        for (id, place) in (0..).map(BlockId).zip(&self.places) {
            if let Some(range) = self.loops.get_mut(place.inner as usize)
                && range.header == id
            {
                range.number = number;
                number += 1;
            }
        }
    }
}

/// A block during the walk, or the function as a whole, which all outermost loops lie in. Links are blocks.
#[derive(Clone, Copy)]
struct Node {
    /// Depth on the path, from 1; 0 before it is entered, [`LEFT`] after it is left.
    depth: u32,
    /// Header of the innermost loop around it (its own does not count), or the function.
    head: u32,
    /// The loop that it is the header of: [`NONE`] or [`NOT_YET`] until it is left.
    own: u32,
    /// The block after it in the order, once it is left.
    next: u32,
    /// Of a header or the function: the blocks of the loop left so far, [`NONE`] if there is none. `last` is the
    /// block itself if no other is left.
    first: u32,
    last: u32,
}

/// As a depth: the block is not on the path any more.
const LEFT: u32 = u32::MAX;
/// As a header's own loop: it has no number yet.
const NOT_YET: u32 = u32::MAX - 1;

/// The depth-first walk.
struct Walk<'a> {
    body: &'a Body,
    /// By block; the function is the last.
    nodes: Vec<Node>,
    /// Number of the function's node.
    root: u32,
    /// Headers; those of inner loops come before those of the loops around them.
    loops: Vec<BlockId>,
    /// Successors of the blocks entered so far, block by block.
    targets: Vec<BlockId>,
    /// What `join` may still look at.
    steps: usize,
}

/// A block on the path, and those of its edges that are still to be followed.
#[derive(Clone, Copy)]
struct Frame {
    block: u32,
    next: u32,
    end: u32,
}

impl<'a> Walk<'a> {
    fn new(body: &'a Body) -> Self {
        let root = body.blocks.len() as u32;
        let node = Node {
            depth: 0,
            head: root,
            own: NONE,
            next: NONE,
            first: NONE,
            last: NONE,
        };
        Self {
            body,
            nodes: vec![node; body.blocks.len() + 1],
            root,
            loops: Vec::new(),
            targets: Vec::with_capacity(2 * body.blocks.len()),
            steps: STEPS_PER_BLOCK * body.blocks.len(),
        }
    }

    /// Walks from the entry and counts the edges that lead to each of `places`. None if the graph is irreducible
    /// or too deep.
    fn run(mut self, places: &mut [Place]) -> Option<Self> {
        let mut path = Vec::new();
        let mut top = self.enter(0, 1);
        loop {
            if top.next == top.end {
                let head = self.leave(top.block);
                let Some(above) = path.pop() else {
                    return Some(self);
                };
                top = above;
                self.join(top.block, head)?;
                continue;
            }
            let to = self.targets[top.next as usize].0;
            top.next += 1;
            places[to as usize].edges += 1;
            let Node { depth, head, .. } = self.nodes[to as usize];
            match depth {
                0 => {
                    path.push(top);
                    top = self.enter(to, path.len() as u32 + 1);
                }
                LEFT if self.nodes[head as usize].depth == LEFT => return None,
                LEFT => self.join(top.block, head)?,
                _ => {
                    self.nodes[to as usize].own = NOT_YET;
                    self.join(top.block, to)?;
                }
            }
        }
    }

    /// Puts `block` on the path.
    fn enter(&mut self, block: u32, depth: u32) -> Frame {
        self.nodes[block as usize].depth = depth;
        let next = self.targets.len() as u32;
        let (body, targets) = (self.body, &mut self.targets);
        let terminator = body.block(BlockId(block)).terminator();
        body.for_each_successor(body.inst(terminator), |to| targets.push(to));
        let end = self.targets.len() as u32;
        Frame { block, next, end }
    }

    /// Puts `block`, which is on the path, into the loop of `head` and those around that. None if that takes too
    /// long.
    fn join(&mut self, mut block: u32, mut head: u32) -> Option<()> {
        if block == head {
            return Some(());
        }
        // Two chains of headers, each ordered by depth, become one: up to here that of `block` is done, and
        // `head` begins what is left of the other.
        while head != self.root && self.nodes[block as usize].head != head {
            self.steps = self.steps.checked_sub(1)?;
            let own = self.nodes[block as usize].head;
            if self.nodes[own as usize].depth < self.nodes[head as usize].depth {
                self.nodes[block as usize].head = head;
                (block, head) = (head, own);
            } else {
                block = own;
            }
        }
        Some(())
    }

    /// Takes `block` from the path and puts it, with the loop that it is the header of, before all that is in
    /// the loop around it; the header of that.
    fn leave(&mut self, block: u32) -> u32 {
        let node = &mut self.nodes[block as usize];
        node.depth = LEFT;
        node.next = node.first;
        if node.own == NOT_YET {
            node.own = self.loops.len() as u32;
            self.loops.push(BlockId(block));
        }
        if node.last == NONE {
            node.last = block;
        }
        let Node { head, last, .. } = *node;
        let around = &mut self.nodes[head as usize];
        let behind = core::mem::replace(&mut around.first, block);
        if around.last == NONE {
            around.last = last;
        }
        self.nodes[last as usize].next = behind;
        head
    }
}

#[cfg(test)]
mod tests;
