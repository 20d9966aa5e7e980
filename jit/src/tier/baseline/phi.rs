//! Phi inputs by predecessor: what each block's edges must move.
//!
//! A phi lists its inputs by predecessor; edges need them the other way round. Two passes over the
//! phis sort them by block (a counting sort), so that each edge finds its own by one binary search,
//! however many predecessors a block or targets a switch has.

use super::layout::{Layout, NONE};
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;
use ir::{Block, BlockId, Body, InstId, Op, Value};

/// What phis take from each block, by block and then by phi.
#[derive(Debug, Default)]
pub(super) struct PhiInputs {
    starts: Vec<u32>,
    list: Vec<(InstId, Value)>,
}

impl PhiInputs {
    pub(super) fn new(body: &Body, layout: &Layout) -> Self {
        // Ascending, also if the layout is not in body order: so they are within each predecessor.
        let mut phis = Vec::with_capacity(layout.order.len());
        for (place, block) in layout.places.iter().zip(&body.blocks) {
            if place.index != NONE {
                let insts = block.insts();
                phis.extend(insts.take_while(|&at| body.inst(at).op == Op::Phi));
            }
        }
        if phis.is_empty() {
            return Self::default();
        }
        let entries = |at: InstId| {
            let [start, n, _] = body.inst(at).args;
            body.words(start, n * 2).chunks_exact(2)
        };
        // Counted two places up, and so one place up where each block's begin; filling the list moves that on to
        // where the next block's begin, which is what that place is for.
        let mut starts = vec![0u32; body.blocks.len() + 2];
        for pair in phis.iter().flat_map(|&at| entries(at)) {
            starts[pair[0] as usize + 2] += 1;
        }
        let mut total = 0;
        for start in &mut starts {
            total += *start;
            *start = total;
        }
        let mut list = vec![(InstId(0), Value::NONE); total as usize];
        for at in phis {
            for pair in entries(at) {
                let slot = &mut starts[pair[0] as usize + 1];
                list[*slot as usize] = (at, Value(pair[1]));
                *slot += 1;
            }
        }
        Self { starts, list }
    }

    /// Where in the list all that phis take from `block` is.
    #[inline]
    pub(super) fn from(&self, block: BlockId) -> Range<usize> {
        match self.starts.get(block.index()..block.index() + 2) {
            Some(ends) => ends[0] as usize..ends[1] as usize,
            None => 0..0,
        }
    }

    /// Where in the list what the phis of `to` take from `block` is.
    #[inline]
    pub(super) fn edge(&self, block: BlockId, to: Block) -> Range<usize> {
        let Range { start, end } = self.from(block);
        if start == end {
            return 0..0;
        }
        let all = &self.list[start..end];
        // So it is for a block with one successor.
        if all[0].0.0 >= to.start && all[all.len() - 1].0.0 < to.end {
            return start..end;
        }
        let first = all.partition_point(|(phi, _)| phi.0 < to.start);
        let len = all[first..].partition_point(|(phi, _)| phi.0 < to.end);
        start + first..start + first + len
    }

    /// What is at `at` in the list: a phi, and what it takes.
    #[inline]
    pub(super) fn at(&self, at: usize) -> (InstId, Value) {
        self.list[at]
    }
}
