//! Two ways that meet again at once become selects.
//!
//! ```text
//!        P: condbr c, A, J                    P: cheap
//!       /        \                               s = select c, x, y
//!   A: cheap      \          becomes             br J
//!       \         /                              │
//!        J: phi [x, A], [y, P]                J: phi [s, P]
//! ```
//!
//! and likewise when both ways have a block, or when the side block is the second target. What was
//! done on one way is now done on both, so it must be unable to fault (`Effects`) and cheap: the
//! price of a branch that is always predicted is one instruction, of one that never is about
//! fifteen. The bounds below accept `max`, `abs`, `c ? x : y`, `if (c) n++`, and an addition modulo
//! `m`, whose branch depends on bits of data.

use super::{Edges, graph_value, phis};
use crate::tier::opt::graph::Graph;
use alloc::vec::Vec;
use ir::{BlockId, Inst, InstId, Op, TypeId, Value};

/// Instructions that may be done in vain.
const MAX_SPECULATED: usize = 5;
/// Selects that may replace a branch.
const MAX_SELECTS: usize = 2;

/// A branch whose ways meet again.
struct Diamond {
    cond: Value,
    /// The ways from the branch to `join`: each through its side block, or straight.
    sides: [Option<BlockId>; 2],
    join: BlockId,
}

impl Edges<'_> {
    /// Turns a diamond that begins at `block` into selects.
    pub(super) fn select(&mut self, graph: &mut Graph<'_>, block: BlockId) -> bool {
        let Some(diamond) = self.diamond(graph, block) else {
            return false;
        };
        let affordable = self.afford(graph, diamond.join);
        if !affordable || !is_cheap(graph, &diamond, block) || !graph.fuel.spend() {
            return false;
        }
        let branch = graph.insts_mut(block).pop();
        let branch = branch.expect("a block ends with its terminator");
        for side in diamond.sides.into_iter().flatten() {
            let mut insts = graph.take_insts(side);
            insts.pop();
            graph.insts_mut(block).extend(insts);
            self.preds[side.index()].clear();
        }
        join_values(graph, &diamond, block, branch);
        let jump = Inst {
            op: Op::Br,
            args: [diamond.join.0, 0, 0],
            ..*graph.inst(branch)
        };
        graph.set(branch, jump);
        graph.insts_mut(block).push(branch);
        let preds = &mut self.preds[diamond.join.index()];
        preds.retain(|pred| *pred != block && !diamond.sides.contains(&Some(*pred)));
        preds.push(block);
        true
    }

    fn diamond(&self, graph: &Graph<'_>, block: BlockId) -> Option<Diamond> {
        let last = graph.inst(graph.terminator(block));
        if last.op != Op::CondBr || last.args[1] == last.args[2] {
            return None;
        }
        let targets = [BlockId(last.args[1]), BlockId(last.args[2])];
        let leads = targets.map(|at| self.side_leads_to(graph, block, at));
        let (sides, join) = match leads {
            [Some(a), Some(b)] if a == b => (targets.map(Some), a),
            [Some(a), _] if a == targets[1] => ([Some(targets[0]), None], a),
            [_, Some(b)] if b == targets[0] => ([None, Some(targets[1])], b),
            _ => return None,
        };
        let cond = Value(last.args[0]);
        // Joining the block itself would make a loop without a branch.
        (join != block).then_some(Diamond { cond, sides, join })
    }

    /// Where a block leads that only `from` leads to and that has one successor.
    fn side_leads_to(&self, graph: &Graph<'_>, from: BlockId, side: BlockId) -> Option<BlockId> {
        if self.pinned[side.index()] || self.preds[side.index()] != [from] || side == from {
            return None;
        }
        let last = graph.inst(graph.terminator(side));
        (last.op == Op::Br).then_some(BlockId(last.args[0]))
    }
}

fn is_cheap(graph: &Graph<'_>, diamond: &Diamond, block: BlockId) -> bool {
    let mut speculated = 0;
    for side in diamond.sides.into_iter().flatten() {
        let insts = graph.insts(side);
        for &id in &insts[..insts.len() - 1] {
            let inst = graph.inst(id);
            speculated += 1;
            if inst.op == Op::Phi || !is_one_cheap_instruction(graph, inst) {
                return false;
            }
        }
    }
    let mut joins = phis(graph, diamond.join);
    joins.retain(|&phi| {
        let [a, b] = both_values(graph, diamond, block, phi);
        a != b
    });
    let fits = |&phi: &InstId| is_register(graph.inst(phi).ty);
    speculated <= MAX_SPECULATED && joins.len() <= MAX_SELECTS && joins.iter().all(fits)
}

/// Types of which a conditional move exists.
fn is_register(ty: TypeId) -> bool {
    matches!(
        ty,
        TypeId::I1 | TypeId::I8 | TypeId::I16 | TypeId::I32 | TypeId::I64 | TypeId::PTR
    )
}

fn is_one_cheap_instruction(graph: &Graph<'_>, inst: &Inst) -> bool {
    let cheap = inst.op.is_int_binary() && !matches!(inst.op, Op::Mul)
        || matches!(
            inst.op,
            Op::ICmp | Op::Trunc | Op::ZExt | Op::SExt | Op::PtrToInt | Op::IntToPtr
        )
        || matches!(inst.op, Op::PtrAdd | Op::Select | Op::Freeze);
    let divides = matches!(inst.op, Op::UDiv | Op::SDiv | Op::URem | Op::SRem);
    cheap && !divides && is_register(inst.ty) && graph.effects(inst).is_speculatable()
}

/// What a phi of the join is after the first and after the second way.
fn both_values(graph: &Graph<'_>, diamond: &Diamond, block: BlockId, phi: InstId) -> [Value; 2] {
    let entries = graph.phi(phi);
    let way = |side: Option<BlockId>| graph_value(&entries, side.unwrap_or(block));
    diamond.sides.map(way)
}

/// Puts selects at the end of `block` and makes them the phis' one entry for both ways.
fn join_values(graph: &mut Graph<'_>, diamond: &Diamond, block: BlockId, branch: InstId) {
    let mut known: Vec<([Value; 2], Value)> = Vec::new();
    for phi in phis(graph, diamond.join) {
        let values = both_values(graph, diamond, block, phi);
        let [then, other] = values;
        let before = known.iter().find(|entry| entry.0 == values);
        let joined = match before {
            _ if then == other => then,
            Some(entry) => entry.1,
            None => {
                let args = [diamond.cond.0, then.0, other.0];
                let select = graph.op(Op::Select, graph.inst(phi).ty, args, branch);
                graph.insts_mut(block).push(select);
                Value::inst(select)
            }
        };
        known.push((values, joined));
        let mut entries = graph.phi(phi);
        entries.retain(|entry| entry.0 != block && !diamond.sides.contains(&Some(entry.0)));
        entries.push((block, joined));
        graph.set_phi(phi, &entries);
    }
}
