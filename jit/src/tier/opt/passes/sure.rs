//! What is surely executed when a loop is entered, so that it may as well be done before.
//!
//! A turn ends where the loop is left or begins again, and perhaps in a call that does not come back.
//! What dominates all these places of a loop is executed in its first turn, unless the turn hangs in
//! an inner loop that neither ends nor synchronises with anybody, which says nothing. Then its faults
//! are the loop's own: an access that is done before the loop faults only where the loop would have.

use super::nest::Nest;
use crate::tier::opt::graph::Graph;
use crate::tier::opt::memory::Memory;
use alloc::vec;
use alloc::vec::Vec;
use ir::cfg::LoopId;
use ir::{BlockId, InstId, Intrinsic, Op, Value};

/// Ends that are looked at for each question; in loops with more, nothing is sure.
const MAX_ENDS: usize = 24;
/// Instructions of one block that are looked at for each question.
const MAX_AHEAD: usize = 64;
/// Operations that one address may take along.
const MAX_CHAIN: u32 = 6;

/// The ends of all loops.
#[derive(Debug)]
pub(super) struct Sure {
    /// By loop: blocks at whose end a turn may end; `None` if there are too many.
    ends: Vec<Option<Vec<BlockId>>>,
    /// By loop: blocks with a call that may not come back; `None` if there are too many.
    calls: Vec<Option<Vec<BlockId>>>,
}

impl Sure {
    pub(super) fn new(graph: &Graph<'_>, memory: &Memory, nest: &Nest) -> Self {
        let none = || nest.all().map(|_| Some(Vec::new())).collect();
        let mut sure = Self {
            ends: none(),
            calls: none(),
        };
        for &block in nest.cfg.rpo() {
            let mut around = nest.innermost(block);
            let calls = graph
                .insts(block)
                .iter()
                .any(|&id| may_stay(graph, memory, id));
            while let Some(id) = around {
                let ends = |&to: &BlockId| to == nest.header(id) || !nest.contains(id, to);
                if nest.cfg.succs(block).iter().any(ends) {
                    note(&mut sure.ends[id.index()], block);
                }
                if calls {
                    note(&mut sure.calls[id.index()], block);
                }
                around = nest.parent(id);
            }
        }
        sure
    }

    /// Whether `inst` in `block`, which was there when the nest was made, is executed whenever loop `id`
    /// is entered.
    pub(super) fn executes(
        &self,
        graph: &Graph<'_>,
        memory: &Memory,
        nest: &Nest,
        id: LoopId,
        (block, inst): (BlockId, InstId),
    ) -> bool {
        let (Some(ends), Some(calls)) = (&self.ends[id.index()], &self.calls[id.index()]) else {
            return false;
        };
        if block.index() >= nest.cfg.num_blocks() {
            return false;
        }
        let dominates = |&other: &BlockId| nest.dominators.dominates(block, other);
        let is_ahead = || {
            let mut ahead = graph.insts(block).iter().take(MAX_AHEAD);
            ahead.find(|&&at| at == inst || may_stay(graph, memory, at)) == Some(&inst)
        };
        ends.iter().all(dominates)
            && calls.iter().all(dominates)
            && (!calls.contains(&block) || is_ahead())
    }
}

fn note(list: &mut Option<Vec<BlockId>>, block: BlockId) {
    match list {
        Some(blocks) if blocks.len() < MAX_ENDS => blocks.push(block),
        _ => *list = None,
    }
}

/// Whether what follows an instruction may not be executed although nothing faulted.
fn may_stay(graph: &Graph<'_>, memory: &Memory, id: InstId) -> bool {
    let inst = graph.inst(id);
    match inst.op {
        Op::Call | Op::CallIndirect => !memory.returns(graph, id),
        Op::Intrinsic => inst.intrinsic() == Some(Intrinsic::Trap),
        _ => false,
    }
}

/// Appends what computes `value` in loop `id` to `list`, operands first; false if that cannot be done
/// outside: something depends on the loop, costs more than an address, or there is too much of it.
pub(super) fn chain(
    graph: &Graph<'_>,
    nest: &Nest,
    id: LoopId,
    value: Value,
    list: &mut Vec<InstId>,
) -> bool {
    let mut work = vec![value];
    let mut steps = 0;
    while let Some(value) = work.pop() {
        let Some(inst) = value.as_inst() else {
            continue;
        };
        if nest.is_outside(id, value) {
            continue;
        }
        steps += 1;
        if steps > MAX_CHAIN || !graph.effects(graph.inst(inst)).is_speculatable() {
            return false;
        }
        // A later use wants it earlier.
        list.retain(|&at| at != inst);
        list.push(inst);
        graph
            .code()
            .for_each_operand(graph.inst(inst), |value| work.push(value));
    }
    list.reverse();
    true
}
