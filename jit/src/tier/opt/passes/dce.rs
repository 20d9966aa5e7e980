//! Dead code elimination.
//!
//! *Before*: any graph. *After*: every instruction that is left has an effect of its own, or its
//! result is used by one that does; cycles of phis that feed only each other are gone.
//!
//! Liveness is found forwards from what must stay, not backwards from what has no uses, because a
//! dead cycle has uses. Stores to allocas whose address only goes into such stores are no effect:
//! nobody can load what they write. Each instruction is visited once.

use crate::tier::opt::graph::{Graph, is_plain};
use alloc::vec;
use alloc::vec::Vec;
use ir::{InstId, Intrinsic, MemFlags, Op, Value};

/// Removes dead code.
pub fn run(graph: &mut Graph<'_>) {
    let mut liveness = Liveness {
        live: vec![false; graph.num_insts()],
        work: Vec::new(),
    };
    let write_only = write_only_allocas(graph);
    for block in graph.blocks() {
        for &id in graph.insts(block) {
            let kept = !graph.is_removable(graph.inst(id));
            if kept && !writes_in_vain(graph, &write_only, id) {
                liveness.mark(id);
            }
        }
    }
    liveness.spread(graph);
    sweep(graph, &liveness.live);
}

struct Liveness {
    live: Vec<bool>,
    work: Vec<InstId>,
}

impl Liveness {
    fn mark(&mut self, id: InstId) {
        if !core::mem::replace(&mut self.live[id.index()], true) {
            self.work.push(id);
        }
    }

    /// Marks what live instructions use.
    fn spread(&mut self, graph: &Graph<'_>) {
        while let Some(id) = self.work.pop() {
            let inst = *graph.inst(id);
            graph.code().for_each_operand(&inst, |value| {
                if let Some(used) = value.as_inst() {
                    self.mark(used);
                }
            });
        }
    }
}

/// Removes what is not live. That is one change: dead instructions may use each other.
fn sweep(graph: &mut Graph<'_>, live: &[bool]) {
    let dead = |id: &InstId| !live[id.index()];
    let blocks: Vec<_> = graph
        .blocks()
        .filter(|&block| graph.insts(block).iter().any(dead))
        .collect();
    if !blocks.is_empty() && graph.fuel.spend() {
        for block in blocks {
            graph.insts_mut(block).retain(|id| !dead(id));
        }
    }
}

/// By instruction: an address inside an alloca that is only written to.
fn write_only_allocas(graph: &Graph<'_>) -> Vec<Option<InstId>> {
    let (base, mut written) = bases(graph);
    for block in graph.blocks() {
        for &id in graph.insts(block) {
            let inst = graph.inst(id);
            let writes = is_plain_write(graph, id);
            let mut is_first = true;
            graph.code().for_each_operand(inst, |value| {
                if let Some(alloca) = value.as_inst().and_then(|used| base[used.index()]) {
                    let moved = base[id.index()] == Some(alloca);
                    written[alloca.index()] &= is_first && (writes || moved);
                }
                is_first = false;
            });
        }
    }
    let kept = |alloca: &Option<InstId>| alloca.filter(|id| written[id.index()]);
    base.iter().map(kept).collect()
}

/// By instruction: the alloca that it is an address in; and whether it is an alloca.
///
/// A `PtrAdd` whose base comes later in this walk (blocks need not lie in order of dominance) is
/// not recognised; its base's use then counts as unknown, which is safe.
fn bases(graph: &Graph<'_>) -> (Vec<Option<InstId>>, Vec<bool>) {
    let mut base = vec![None; graph.num_insts()];
    let mut allocas = vec![false; graph.num_insts()];
    for block in graph.blocks() {
        for &id in graph.insts(block) {
            let inst = graph.inst(id);
            match inst.op {
                Op::Alloca => {
                    allocas[id.index()] = true;
                    base[id.index()] = Some(id);
                }
                Op::PtrAdd => {
                    let of = Value(inst.args[0]).as_inst();
                    base[id.index()] = of.and_then(|of| base[of.index()]);
                }
                _ => {}
            }
        }
    }
    (base, allocas)
}

/// Whether the instruction writes to its first operand, and that can be undone by leaving it out.
fn is_plain_write(graph: &Graph<'_>, id: InstId) -> bool {
    let inst = graph.inst(id);
    match inst.op {
        Op::Store => is_plain(MemFlags(inst.args[2])),
        Op::Intrinsic => inst.intrinsic().is_some_and(|which| {
            let reads = matches!(which, Intrinsic::X87Cmp | Intrinsic::X87To);
            let copies = matches!(
                which,
                Intrinsic::Memcpy | Intrinsic::Memmove | Intrinsic::Memset
            );
            copies || (which.is_x87() && !reads)
        }),
        _ => false,
    }
}

/// Whether the instruction only writes to an alloca that nobody reads.
fn writes_in_vain(graph: &Graph<'_>, write_only: &[Option<InstId>], id: InstId) -> bool {
    let mut first = None;
    graph.code().for_each_operand(graph.inst(id), |value| {
        first = first.or(Some(value));
    });
    let target = first.and_then(Value::as_inst);
    is_plain_write(graph, id) && target.is_some_and(|at| write_only[at.index()].is_some())
}
