//! Common subexpressions: what a dominating block has computed is not computed again.
//!
//! *Before*: any graph. *During*, one walk over the dominator tree with a table of the pure
//! operations on the way from the entry: one that is equal to an earlier one is replaced by it.
//! *After*: no pure operation is dominated by an equal one; operands of commutative operations count
//! as equal either way round. Phis of one block are compared, too.
//!
//! A division that may fault is pure in this sense: where it is reached, the equal one before has
//! not faulted. Facts (`nsw`, …) hold for the result that is kept only if they held for both, so the
//! flags are intersected. Memory is `forward`'s business.

use crate::tier::opt::graph::Graph;
use crate::tier::opt::passes::simplify::is_commutative;
use crate::tier::opt::tree::{Step, Tree};
use alloc::vec::Vec;
use hashbrown::HashMap;
use ir::{BlockId, Flags, Inst, InstId, Op, Value};
use smallvec::SmallVec;

/// What makes two operations equal: opcode, type, operands.
type Key = SmallVec<[u32; 6]>;

/// Replaces operations by equal ones that dominate them.
pub fn run(graph: &mut Graph<'_>) {
    let tree = Tree::new(&graph.cfg());
    let mut table = Table {
        known: HashMap::new(),
        log: Vec::new(),
        marks: Vec::new(),
    };
    tree.walk(|step| match step {
        Step::Enter(block) => {
            table.marks.push(table.log.len());
            table.visit(graph, block);
        }
        Step::Leave(_) => table.leave(),
    });
}

/// The operations on the way from the entry.
struct Table {
    known: HashMap<Key, InstId>,
    /// Keys in the order in which they came in.
    log: Vec<Key>,
    /// Length of the log at the start of each block on the way.
    marks: Vec<usize>,
}

impl Table {
    fn visit(&mut self, graph: &mut Graph<'_>, block: BlockId) {
        for at in 0..graph.insts(block).len() {
            let id = graph.insts(block)[at];
            graph.resolve_operands(id);
            let inst = *graph.inst(id);
            let Some(key) = key(graph, block, id, &inst) else {
                continue;
            };
            match self.known.get(&key) {
                Some(&first) => {
                    if graph.fuel.spend() {
                        intersect_flags(graph, first, &inst);
                        graph.replace(id, Value::inst(first));
                    }
                }
                None => {
                    self.known.insert(key.clone(), id);
                    self.log.push(key);
                }
            }
        }
    }

    /// Forgets what the block that is left, and only it, has computed.
    fn leave(&mut self) {
        let mark = self.marks.pop().unwrap_or(0);
        for key in self.log.drain(mark..) {
            self.known.remove(&key);
        }
    }
}

/// Keeps of the facts about `first` those that hold for `second`, too.
fn intersect_flags(graph: &mut Graph<'_>, first: InstId, second: &Inst) {
    let mut inst = *graph.inst(first);
    match inst.op {
        Op::ICmp => inst.flags = predicate_only(&inst),
        Op::FCmp => inst.args[2] &= second.args[2],
        _ => inst.flags.0 &= second.flags.0,
    }
    graph.set(first, inst);
}

fn predicate_only(inst: &Inst) -> Flags {
    Flags(inst.flags.0 & 15)
}

/// The key of an operation whose result depends on its operands only.
fn key(graph: &Graph<'_>, block: BlockId, id: InstId, inst: &Inst) -> Option<Key> {
    let mut key = Key::new();
    if inst.op == Op::Phi {
        key.extend([inst.op as u32, inst.ty.0.into(), block.0]);
        let mut entries = graph.phi(id);
        entries.sort_by_key(|entry| entry.0);
        key.extend(entries.iter().flat_map(|entry| [entry.0.0, entry.1.0]));
        return Some(key);
    }
    if !inst.has_result() || !graph.effects(inst).is_pure() {
        return None;
    }
    let mut inst = *inst;
    let [a, b, _] = inst.args;
    match inst.op {
        Op::ICmp => {
            let pred = inst.int_pred()?;
            let pred = if a > b { pred.swap() } else { pred };
            inst.flags = Flags(pred as u8);
            inst.args = [a.min(b), a.max(b), 0];
        }
        Op::FCmp => {
            inst.flags = predicate_only(&inst);
            inst.args[2] = 0;
        }
        op => {
            inst.flags = Flags::default();
            if is_commutative(op) {
                inst.args = [a.min(b), a.max(b), 0];
            }
        }
    }
    key.extend([
        inst.op as u32 | u32::from(inst.flags.0) << 8,
        inst.ty.0.into(),
    ]);
    graph.push_words(&inst, &mut key);
    Some(key)
}
