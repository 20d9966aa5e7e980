//! Terminators that lead to one place, or to two in a roundabout way.

use super::Budget;
use crate::tier::opt::graph::Graph;
use ir::{BlockId, ConstKind, Flags, Inst, InstId, IntPred, Op, TypeId, Value};

/// Simplifies the terminator of `block`; phis of successors that it loses lose their entries.
pub(super) fn terminator(graph: &mut Graph<'_>, budget: &mut Budget, block: BlockId) -> bool {
    let id = graph.terminator(block);
    let inst = *graph.inst(id);
    let simpler = match inst.op {
        Op::CondBr => cond_br(graph, &inst),
        Op::Switch => switch(graph, &inst, id),
        Op::IndirectBr => indirect_br(graph, &inst),
        _ => None,
    };
    let Some((simpler, extra)) = simpler else {
        return false;
    };
    let before = graph.succs(block);
    if !before.iter().all(|&to| budget.afford(graph, to, 0)) || !graph.fuel.spend() {
        return false;
    }
    graph.set(id, simpler);
    if let Some(extra) = extra {
        let end = graph.insts(block).len() - 1;
        graph.insts_mut(block).insert(end, extra);
    }
    let after = graph.succs(block);
    for &to in before.iter().filter(|to| !after.contains(to)) {
        graph.retain_phi_entries(to, |from| from != block);
    }
    true
}

/// A simpler terminator, and an instruction to put before it.
type Simpler = Option<(Inst, Option<InstId>)>;

fn br(to: BlockId) -> Inst {
    Inst {
        op: Op::Br,
        flags: Flags::default(),
        ty: TypeId::VOID,
        args: [to.0, 0, 0],
    }
}

fn cond_br(graph: &Graph<'_>, inst: &Inst) -> Simpler {
    let [cond, then, other] = inst.args;
    let taken = match graph.const_int(Value(cond)) {
        _ if then == other => then,
        Some(0) => other,
        Some(_) => then,
        None => return None,
    };
    Some((br(BlockId(taken)), None))
}

fn switch(graph: &mut Graph<'_>, inst: &Inst, id: InstId) -> Simpler {
    let [value, start, n] = inst.args;
    let words = graph.code().words(start, n * 3 + 1);
    let default = words[0];
    // Each case: the low and the high half of a number, and a block.
    let number = |case: &[u32]| u64::from(case[0]) | u64::from(case[1]) << 32;
    let mut cases = words[1..].chunks_exact(3);
    if cases.clone().all(|case| case[2] == default) {
        return Some((br(BlockId(default)), None));
    }
    if let Some(at) = graph.const_int(Value(value)) {
        let taken = cases.find(|case| number(case) == at);
        return Some((br(BlockId(taken.map_or(default, |case| case[2]))), None));
    }
    let &[low, high, target] = &words[1..] else {
        return None;
    };
    graph.types().int_bits(inst.ty).filter(|&bits| bits <= 64)?;
    let number = graph.int(inst.ty, number(&[low, high]));
    let compare = Inst {
        op: Op::ICmp,
        flags: Flags(IntPred::Eq as u8),
        ty: TypeId::I1,
        args: [value, number.0, 0],
    };
    let compare = graph.make(compare, id);
    let branch = Inst {
        op: Op::CondBr,
        args: [Value::inst(compare).0, target, default],
        ..br(BlockId(0))
    };
    Some((branch, Some(compare)))
}

fn indirect_br(graph: &Graph<'_>, inst: &Inst) -> Simpler {
    let [value, start, n] = inst.args;
    let constant = graph.code().constant(Value(value).as_const()?);
    let ConstKind::Block(to) = constant.kind else {
        return None;
    };
    let listed = graph.code().words(start, n).contains(&to.0);
    listed.then_some((br(to), None))
}
