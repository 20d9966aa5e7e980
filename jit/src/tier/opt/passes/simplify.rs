//! Instruction simplification: fewer, cheaper, or more regular instructions for the same value.
//!
//! *Before*: any graph. *During*, one walk in reverse postorder, so that operands are simple before
//! their users are looked at: constants are computed (`fold`), constants go to the right of
//! commutative operations and comparisons, then whatever applies of the rule table (`rules`, matched
//! by `pattern`), of what needs more than a pattern (`special`), and of what is known about single
//! bits (`known`). An instruction is looked at again until nothing applies. *After*: replaced
//! instructions are gone; operands of what is left may have become unused (`dce` follows).
//!
//! # Why it is right and why it ends
//!
//! Each rule is an equation that holds for all values under the semantics at the head of crate `ir`
//! (poison is 0, shifts are modulo the width, division is of its width), with no help of flags; the
//! tests evaluate every one for all 8-bit values. Flags of a rewritten instruction are dropped. A
//! rule either makes fewer instructions, or as many of a form that no rule turns back; [`MAX_STEPS`]
//! bounds what a mistake in that would cost.

pub mod fold;
mod known;
pub mod pattern;
mod rotate;
pub mod rules;
mod special;

#[cfg(test)]
mod tests;

use crate::tier::opt::graph::Graph;
use alloc::vec::Vec;
use ir::{Flags, Inst, InstId, Op, Value};

/// Changes of one instruction in one walk.
const MAX_STEPS: u32 = 16;

/// Simplifies instructions.
pub fn run(graph: &mut Graph<'_>) {
    let uses = graph.use_counts();
    let cfg = graph.cfg();
    let mut simplifier = Simplifier {
        graph,
        uses,
        list: Vec::new(),
    };
    for &block in cfg.rpo() {
        let old = simplifier.graph.take_insts(block);
        simplifier.list = Vec::with_capacity(old.len());
        for id in old {
            simplifier.visit(id);
            if !simplifier.graph.is_replaced(id) {
                simplifier.list.push(id);
            }
        }
        *simplifier.graph.insts_mut(block) = core::mem::take(&mut simplifier.list);
    }
}

/// What a rule makes of an instruction.
enum Simpler {
    /// A value that exists.
    Value(Value),
    /// Another instruction in its place.
    Inst(Inst),
}

/// The walk.
struct Simplifier<'g, 'a> {
    graph: &'g mut Graph<'a>,
    /// How many operands named each instruction at the start, and by how many more since.
    uses: Vec<u32>,
    /// The block so far.
    list: Vec<InstId>,
}

impl Simplifier<'_, '_> {
    /// Simplifies one instruction as far as it goes.
    fn visit(&mut self, id: InstId) {
        for _ in 0..MAX_STEPS {
            self.graph.resolve_operands(id);
            let inst = *self.graph.inst(id);
            let Some(simpler) = self.simpler(id, &inst) else {
                return;
            };
            if !self.graph.fuel.spend() {
                return;
            }
            match simpler {
                Simpler::Value(value) => {
                    self.graph.replace(id, value);
                    return;
                }
                Simpler::Inst(inst) => self.graph.set(id, inst),
            }
        }
    }

    /// The first simplification that applies.
    fn simpler(&mut self, id: InstId, inst: &Inst) -> Option<Simpler> {
        if let Some(value) = fold::constant(self.graph, inst) {
            return Some(Simpler::Value(value));
        }
        if let Some(swapped) = constant_right(self.graph, inst) {
            return Some(Simpler::Inst(swapped));
        }
        self.by_rule(id, inst)
            .or_else(|| self.special(id, inst))
            .or_else(|| self.by_known_bits(inst))
    }

    /// A new instruction before the one that is looked at.
    fn emit(&mut self, inst: Inst, like: InstId) -> Value {
        if let Some(value) = fold::constant(self.graph, &inst) {
            return value;
        }
        let id = self.graph.make(inst, like);
        self.uses.resize(id.index() + 1, 1);
        self.list.push(id);
        Value::inst(id)
    }

    /// Whether at most one operand names the value.
    fn used_once(&self, value: Value) -> bool {
        let count = value.as_inst().map(|id| self.uses[id.index()]);
        count.is_none_or(|count| count <= 1)
    }

    /// The operation that defines a value, if it is an instruction.
    fn def(&self, value: Value) -> Option<&Inst> {
        value.as_inst().map(|id| self.graph.inst(id))
    }
}

/// `op` on these operands, without flags.
fn plain(op: Op, ty: ir::TypeId, args: [u32; 3]) -> Inst {
    Inst {
        op,
        flags: Flags::default(),
        ty,
        args,
    }
}

/// A commutative operation or comparison with its constant moved to the right.
fn constant_right(graph: &Graph<'_>, inst: &Inst) -> Option<Inst> {
    let [a, b, c] = inst.args;
    let is_left = graph.const_int(Value(a)).is_some() && graph.const_int(Value(b)).is_none();
    let swapped = Inst {
        args: [b, a, c],
        ..*inst
    };
    match inst.op {
        op if is_commutative(op) => is_left.then_some(swapped),
        Op::ICmp if is_left => Some(Inst {
            flags: Flags(inst.int_pred()?.swap() as u8),
            ..swapped
        }),
        _ => None,
    }
}

/// Whether the operands may be swapped.
pub(super) const fn is_commutative(op: Op) -> bool {
    matches!(op, Op::Add | Op::Mul | Op::And | Op::Or | Op::Xor)
}
