//! A pass that is wrong: what the bisecting command must find in tests. Debug builds only.

use ir::{Inst, Op};
use jit::tier::opt::graph::Graph;
use jit::tier::opt::pipeline::Pass;

/// Takes subtractions for additions.
pub(super) const PASS: Pass = ("planted", subtract_wrongly);

fn subtract_wrongly(graph: &mut Graph<'_>) {
    for block in graph.blocks() {
        for id in graph.insts(block).to_vec() {
            let inst = *graph.inst(id);
            if inst.op == Op::Sub && graph.fuel.spend() {
                graph.set(
                    id,
                    Inst {
                        op: Op::Add,
                        ..inst
                    },
                );
            }
        }
    }
}
