//! Loop-invariant code motion: what is the same in every turn is computed once, before the loop.
//!
//! *Before*: any graph. *During*, one walk in reverse postorder, so that operands are moved before
//! their users: an operation that cannot fault and whose operands are made outside a loop goes to
//! the preheader of the outermost such loop. *After*: no operation that costs something is repeated
//! in vain, up to [`MAX_HOISTED`] a loop, since each takes a register all the loop long. One that
//! takes the place of its operand, moved for it alone, does not count.
//!
//! Not moved: what an addressing mode, a compare-and-branch, or a register's lower part does for
//! free (a sum that is the base of another address with an index is not free); loads, since whether they may fault or what changes them is not known here.

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
    let bases = bases(graph);
    let uses = graph.use_counts();
    let mut hoisted = vec![0u32; nest.all().count()];
    let mut moved = vec![None; graph.num_insts()];
    let order: Vec<BlockId> = nest.cfg.rpo().to_vec();
    for block in order {
        let Some(innermost) = nest.innermost(block) else {
            continue;
        };
        for id in graph.insts(block).to_vec() {
            if !(bases[id.index()] || is_worth_it(graph, graph.inst(id))) {
                continue;
            }
            let Some(target) = outermost(graph, &nest, innermost, id) else {
                continue;
            };
            if hoisted[target.index()] < MAX_HOISTED && graph.fuel.spend() {
                let mut ends = false;
                graph.code().for_each_operand(graph.inst(id), |value| {
                    let operand = value.as_inst().map_or(0, InstId::index);
                    ends |= moved.get(operand) == Some(&Some(target)) && uses[operand] == 1;
                });
                hoisted[target.index()] += u32::from(!ends);
                if hoist(graph, &mut nest, target, block, id) {
                    moved[id.index()] = Some(target);
                }
            }
        }
    }
}

/// By instruction: whether it is an address with an index, and the base of another. That one cannot
/// do both additions, unless the inner base is a constant.
fn bases(graph: &Graph<'_>) -> Vec<bool> {
    let mut bases = vec![false; graph.num_insts()];
    for block in graph.blocks() {
        for &id in graph.insts(block) {
            let outer = graph.inst(id);
            let base = Value(outer.args[0]);
            if outer.op != Op::PtrAdd || Value(outer.args[1]) == Value::NONE {
                continue;
            }
            if let Some(inner) = base.as_inst().filter(|&at| graph.inst(at).op == Op::PtrAdd) {
                let [base, index, _] = graph.inst(inner).args.map(Value);
                bases[inner.index()] |= index != Value::NONE && base.as_const().is_none();
            }
        }
    }
    bases
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

/// Moves an instruction to the preheader of `target`; says whether there is one.
fn hoist(
    graph: &mut Graph<'_>,
    nest: &mut Nest,
    target: LoopId,
    from: BlockId,
    id: InstId,
) -> bool {
    let Some(to) = nest.preheader(graph, target) else {
        return false;
    };
    nest.adopt(target, to);
    graph.insts_mut(from).retain(|&at| at != id);
    let end = graph.insts(to).len() - 1;
    graph.insts_mut(to).insert(end, id);
    nest.settle(id, to);
    true
}
