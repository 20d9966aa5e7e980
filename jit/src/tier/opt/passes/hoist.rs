//! Loop-invariant code motion: what is the same in every turn is computed once, before the loop.
//!
//! *Before*: any graph. *During*, one walk in reverse postorder, so that operands are moved before
//! their users: an operation that cannot fault and whose operands are made outside a loop goes to
//! the preheader of the outermost such loop. *After*: no operation that costs something is repeated
//! in vain, up to [`MAX_HOISTED`] a loop, since each takes a register all the loop long.
//!
//! Not moved: what an addressing mode, a compare-and-branch, or a register's lower part does for
//! free; loads, since whether they may fault or what changes them is not known here.

use super::nest::Nest;
use crate::tier::opt::graph::Graph;
use alloc::vec;
use alloc::vec::Vec;
use ir::cfg::LoopId;
use ir::{BlockId, Inst, InstId, Op, Value};

/// Operations that one loop may have taken out of it.
const MAX_HOISTED: u32 = 8;

/// Moves invariant operations out of loops.
pub fn run(graph: &mut Graph<'_>) {
    let mut nest = Nest::new(graph);
    if nest.is_empty() {
        return;
    }
    let mut hoisted = vec![0u32; nest.all().count()];
    let order: Vec<BlockId> = nest.cfg.rpo().to_vec();
    for block in order {
        let Some(innermost) = nest.innermost(block) else {
            continue;
        };
        for id in graph.insts(block).to_vec() {
            if !is_worth_it(graph, graph.inst(id)) {
                continue;
            }
            let Some(target) = outermost(graph, &nest, innermost, id) else {
                continue;
            };
            if hoisted[target.index()] < MAX_HOISTED && graph.fuel.spend() {
                hoisted[target.index()] += 1;
                hoist(graph, &mut nest, target, block, id);
            }
        }
    }
}

fn is_worth_it(graph: &Graph<'_>, inst: &Inst) -> bool {
    let free = match inst.op {
        Op::PtrAdd => is_addressing_mode(graph, inst),
        Op::ICmp | Op::FCmp | Op::Trunc | Op::ZExt | Op::Freeze => true,
        Op::PtrToInt | Op::IntToPtr => true,
        _ => false,
    };
    !free && inst.has_result() && graph.effects(inst).is_speculatable()
}

/// Whether loads and stores can do the addition themselves.
pub(super) fn is_addressing_mode(graph: &Graph<'_>, inst: &Inst) -> bool {
    let [_, index, c] = inst.args;
    Value(index) == Value::NONE || matches!(graph.code().words(c, 1), [1 | 2 | 4 | 8])
}

/// The outermost loop around `innermost`, or it, in which no operand of `id` is made.
fn outermost(graph: &Graph<'_>, nest: &Nest, innermost: LoopId, id: InstId) -> Option<LoopId> {
    let mut found = None;
    let mut at = Some(innermost);
    while let Some(around) = at {
        let mut invariant = true;
        graph.code().for_each_operand(graph.inst(id), |value| {
            invariant &= nest.is_outside(around, value);
        });
        if !invariant {
            break;
        }
        found = at;
        at = nest.parent(around);
    }
    found
}

fn hoist(graph: &mut Graph<'_>, nest: &mut Nest, target: LoopId, from: BlockId, id: InstId) {
    let Some(to) = nest.preheader(graph, target) else {
        return;
    };
    nest.adopt(target, to);
    graph.insts_mut(from).retain(|&at| at != id);
    let end = graph.insts(to).len() - 1;
    graph.insts_mut(to).insert(end, id);
    nest.settle(id, to);
}
