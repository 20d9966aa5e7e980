//! An order for bodies whose own does not do: from dominators and natural loops.
//!
//! Blocks are sorted by reverse postorder with each loop kept together: a loop takes the place of its
//! header, which is smaller than that of anything behind the loop.
//!
//! A graph with a retreating edge that is no back edge is *irreducible*: promise L2 means nothing there,
//! so plain reverse postorder is used and every value that leaves its block lives for ever.

use super::{Layout, LoopRange, NONE};
use alloc::vec;
use alloc::vec::Vec;
use ir::cfg::{Cfg, Dominators, Loops};
use ir::{BlockId, Body};

impl Layout {
    /// Lays out any body.
    pub(super) fn sort(&mut self, body: &Body) {
        let cfg = Cfg::new(body);
        let dominators = Dominators::new(&cfg);
        let loops = Loops::new(&cfg, &dominators);
        self.irreducible = cfg.rpo().iter().any(|&from| {
            let odd =
                |&&to: &&BlockId| cfg.is_retreating(from, to) && !dominators.dominates(to, from);
            cfg.succs(from).iter().any(|to| odd(&to))
        });
        self.order = match self.irreducible {
            true => cfg.rpo().to_vec(),
            false => nested_order(&cfg, &loops),
        };
        self.place_in_order(body, &cfg, &loops);
        self.measure_loops(body, &loops);
        self.dominators = dominators.into();
    }

    fn place_in_order(&mut self, body: &Body, cfg: &Cfg, loops: &Loops) {
        for place in &mut self.places {
            place.index = NONE;
            place.inner = NONE;
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
                depth: 0,
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
        self.link_loops();
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
