//! The pure operations that were seen, by what they compute.

use crate::tier::opt::graph::Graph;
use crate::tier::opt::passes::simplify::is_commutative;
use alloc::vec::Vec;
use hashbrown::HashMap;
use ir::cfg::Dominators;
use ir::{BlockId, Flags, Inst, InstId, Op, Value};
use smallvec::SmallVec;

/// What makes two operations equal: opcode, type, operands.
type Key = SmallVec<[u32; 6]>;

/// Equal operations in different places that are looked at.
const MAX_CHAIN: u32 = 8;
/// The end of a chain.
const NONE: u32 = u32::MAX;

/// The operations seen so far.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Where the latest operation of a kind is in `seen`.
    latest: HashMap<Key, u32>,
    seen: Vec<Seen>,
}

#[derive(Debug)]
struct Seen {
    inst: InstId,
    block: BlockId,
    /// The one before of the same kind.
    before: u32,
}

impl Table {
    /// Replaces an operation if an equal one dominates it, else takes note of it.
    pub(super) fn visit(
        &mut self,
        graph: &mut Graph<'_>,
        dominators: &Dominators,
        block: BlockId,
        id: InstId,
    ) {
        let inst = *graph.inst(id);
        let Some(key) = key(graph, block, id, &inst) else {
            return;
        };
        let latest = self.latest.entry(key).or_insert(NONE);
        let mut at = *latest;
        for _ in 0..MAX_CHAIN {
            let Some(seen) = self.seen.get(at as usize) else {
                break;
            };
            if dominators.dominates(seen.block, block) {
                if graph.fuel.spend() {
                    intersect_flags(graph, seen.inst, &inst);
                    graph.replace(id, Value::inst(seen.inst));
                }
                return;
            }
            at = seen.before;
        }
        let before = *latest;
        *latest = self.seen.len() as u32;
        self.seen.push(Seen {
            inst: id,
            block,
            before,
        });
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
