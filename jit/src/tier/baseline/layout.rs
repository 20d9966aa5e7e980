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
//! fall-throughs. Else blocks are sorted by reverse postorder with each loop kept together: a loop takes
//! the place of its header, which is smaller than that of anything behind the loop.
//!
//! A graph with a retreating edge that is no back edge is *irreducible*: promise L2 means nothing there,
//! so plain reverse postorder is used and every value that leaves its block lives for ever.

use alloc::vec;
use alloc::vec::Vec;
use ir::cfg::{Cfg, Dominators, LoopId, Loops};
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

/// A natural loop in positions.
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
    /// Made only if there is a backward edge.
    pub(super) dominators: Option<Dominators>,
}

impl Layout {
    /// Lays out `body`.
    pub(super) fn new(body: &Body) -> Self {
        let unplaced = Place {
            index: NONE,
            start: 0,
            inner: NONE,
            edges: 0,
        };
        let mut layout = Self {
            order: Vec::with_capacity(body.blocks.len()),
            places: vec![unplaced; body.blocks.len()],
            loops: Vec::new(),
            irreducible: false,
            dominators: None,
        };
        if !layout.place_forward(body) {
            layout.place_loops(body);
        }
        layout
    }

    /// The place of `block`.
    pub(super) fn place(&self, block: BlockId) -> Place {
        self.places[block.index()]
    }

    /// The block emitted after the one with index `at`.
    pub(super) fn after(&self, at: u32) -> Option<BlockId> {
        self.order.get(at as usize + 1).copied()
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

    /// Places a body without backward edges in its own order; false if there is one.
    fn place_forward(&mut self, body: &Body) -> bool {
        let mut position = 0;
        let mut forward = true;
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
                forward &= to.index() > at;
            });
            if !forward {
                break;
            }
        }
        forward
    }

    fn place_loops(&mut self, body: &Body) {
        let cfg = Cfg::new(body);
        let dominators = Dominators::new(&cfg);
        let loops = Loops::new(&cfg, &dominators);
        self.irreducible = cfg.rpo().iter().any(|&from| {
            let odd =
                |&&to: &&BlockId| cfg.is_retreating(from, to) && !dominators.dominates(to, from);
            cfg.succs(from).iter().any(|to| odd(&to))
        });
        self.order = if self.irreducible {
            cfg.rpo().to_vec()
        } else if in_body_order(&cfg, &dominators, &loops) {
            let blocks = (0..body.blocks.len() as u32).map(BlockId);
            blocks.filter(|&b| cfg.is_reachable(b)).collect()
        } else {
            nested_order(&cfg, &loops)
        };
        self.place_in_order(body, &cfg, &loops);
        self.measure_loops(body, &loops);
        self.dominators = Some(dominators);
    }

    fn place_in_order(&mut self, body: &Body, cfg: &Cfg, loops: &Loops) {
        for place in &mut self.places {
            place.index = NONE;
            place.edges = 0;
        }
        let mut position = 0;
        for (index, &id) in (0u32..).zip(&self.order) {
            let block = body.block(id);
            let place = &mut self.places[id.index()];
            place.index = index;
            place.start = position;
            place.inner = loops.innermost(id).map_or(NONE, |inner| inner.0);
            position += block.end - block.start;
            for to in cfg.succs(id) {
                self.places[to.index()].edges += 1;
            }
        }
    }

    /// Fills in `loops`.
    fn measure_loops(&mut self, body: &Body, loops: &Loops) {
        self.loops = loops
            .all()
            .iter()
            .map(|l| LoopRange {
                header: l.header,
                start: NONE,
                end: 0,
                depth: l.depth,
                number: 0,
                parent: l.parent.map_or(NONE, |parent| parent.0),
                skip: NONE,
            })
            .collect();
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
        self.number_loops();
        // Outer loops first: a loop's skip pointer is made from its parent's ("skew-binary" jumps,
        // Myers 1983): two jumps of equal length merge into one.
        for at in (0..self.loops.len()).rev() {
            let parent = self.loops[at].parent;
            let depth = |id: u32| self.loops.get(id as usize).map_or(0, |l| l.depth);
            let skip = |id: u32| self.loops.get(id as usize).map_or(NONE, |l| l.skip);
            let once = skip(parent);
            let twice = skip(once);
            let merges = once != NONE && depth(parent) - depth(once) == depth(once) - depth(twice);
            self.loops[at].skip = if merges { twice } else { parent };
        }
    }

    fn number_loops(&mut self) {
        let mut by_header: Vec<(BlockId, usize)> = Vec::with_capacity(self.loops.len());
        by_header.extend(self.loops.iter().enumerate().map(|(at, l)| (l.header, at)));
        by_header.sort_unstable();
        for (number, (_, at)) in (0u32..).zip(by_header) {
            self.loops[at].number = number;
        }
    }
}

/// Whether the body's own order keeps L1 and L2.
fn in_body_order(cfg: &Cfg, dominators: &Dominators, loops: &Loops) -> bool {
    // By loop: first and last index among reachable blocks in body order, and number of blocks.
    let mut spans = vec![(NONE, 0u32, 0u32); loops.all().len()];
    let mut index = 0;
    for from in (0..cfg.num_blocks() as u32).map(BlockId) {
        if !cfg.is_reachable(from) {
            continue;
        }
        let backward = |&&to: &&BlockId| to <= from && !dominators.dominates(to, from);
        if cfg.succs(from).iter().any(|to| backward(&to)) {
            return false;
        }
        if let Some(LoopId(inner)) = loops.innermost(from) {
            let (first, last, count) = &mut spans[inner as usize];
            *first = (*first).min(index);
            *last = index;
            *count += 1;
        }
        index += 1;
    }
    for (at, l) in loops.all().iter().enumerate() {
        let (first, last, count) = spans[at];
        if last - first + 1 != count {
            return false;
        }
        if let Some(parent) = l.parent {
            let outer = &mut spans[parent.index()];
            *outer = (outer.0.min(first), outer.1.max(last), outer.2 + count);
        }
    }
    true
}

/// Reverse postorder with each loop kept together.
fn nested_order(cfg: &Cfg, loops: &Loops) -> Vec<BlockId> {
    // Items are blocks, and loops as `blocks + loop`. List 0 is the function, list `1 + loop` a loop.
    let blocks = cfg.num_blocks() as u32;
    let mut next = vec![NONE; blocks as usize + loops.all().len()];
    let mut ends = vec![(NONE, NONE); 1 + loops.all().len()];
    let mut append = |list: usize, item: u32| {
        let (first, last) = &mut ends[list];
        match *last {
            NONE => *first = item,
            tail => next[tail as usize] = item,
        }
        *last = item;
    };
    for &block in cfg.rpo() {
        let inner = loops.innermost(block);
        if let Some(id) = inner
            && loops.get(id).header == block
        {
            let parent = loops.get(id).parent;
            append(parent.map_or(0, |p| p.index() + 1), blocks + id.0);
        }
        append(inner.map_or(0, |id| id.index() + 1), block.0);
    }
    let mut order = Vec::with_capacity(cfg.rpo().len());
    let mut stack = vec![ends[0].0];
    while let Some(item) = stack.pop() {
        if item == NONE {
            continue;
        }
        stack.push(next[item as usize]);
        if item < blocks {
            order.push(BlockId(item));
        } else {
            stack.push(ends[(item - blocks) as usize + 1].0);
        }
    }
    order
}
