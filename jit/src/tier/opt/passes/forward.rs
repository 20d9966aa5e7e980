//! Forwarding: a load of what was stored or loaded a moment ago is that value.
//!
//! *Before*: any graph; addresses in the shape that `address` gives them, or less is found. *During*,
//! a walk over the dominator tree with a short list of what memory is known to hold. A plain store
//! puts its value there and drops what it may overwrite; a plain load that finds its address and
//! type in the list is replaced, else it is added. A block that only one other leads to starts with
//! what that one knew at its end, any other block knows nothing. *After*: no load repeats an access
//! of the same address and type with nothing in between that may have changed it, in such a run of
//! blocks.
//!
//! # What may change what (`Alias`)
//!
//! * Two addresses with equal base, index and scale are compared by displacement, modulo 2^32.
//! * Different allocas, and different globals that are defined here for good, do not overlap: an
//!   address computed from one of them is never one in the other. (Code that breaks this has no
//!   meaning in C; it is contained like any other, and nothing the runtime checks depends on it.)
//! * An alloca whose address is used for nothing but accesses cannot be reached by calls, nor by
//!   addresses that come from elsewhere; no alloca can be reached by addresses in parameters.
//! * Volatile accesses are never replaced. Atomic ones and fences end what is known of memory that
//!   others can reach.

mod alias;

use crate::tier::opt::graph::{Graph, is_plain};
use crate::tier::opt::tree::{Step, Tree};
use alias::{Alias, Place};
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use ir::cfg::Cfg;
use ir::{BlockId, Inst, InstId, Intrinsic, MemFlags, Op, TypeId, Value};

/// Places that are remembered.
const MAX_KNOWN: usize = 16;

/// Bytes of an x87 number in memory.
const X87_BYTES: u64 = 10;

/// What memory holds at a place.
#[derive(Clone, Copy, Debug)]
struct Known {
    place: Place,
    ty: TypeId,
    value: Value,
}

/// Replaces loads whose value is known.
pub fn run(graph: &mut Graph<'_>) {
    let cfg = graph.cfg();
    let tree = Tree::new(&cfg);
    let alias = Alias::new(graph);
    // By block: what is known at its end, while blocks that start with it are to come.
    let mut ends: Vec<Option<Rc<[Known]>>> = vec![None; cfg.num_blocks()];
    tree.walk(|step| match step {
        Step::Enter(block) => {
            let above = only_pred(&cfg, block).and_then(|pred| ends[pred.index()].clone());
            let mut memory = Memory {
                alias: &alias,
                known: above.map_or(Vec::new(), |known| known.to_vec()),
            };
            memory.visit_block(graph, block);
            ends[block.index()] = Some(memory.known.into());
        }
        Step::Leave(block) => ends[block.index()] = None,
    });
}

/// The predecessor of a block that has only one.
fn only_pred(cfg: &Cfg, block: BlockId) -> Option<BlockId> {
    let (first, rest) = cfg.preds(block).split_first()?;
    rest.iter().all(|pred| pred == first).then_some(*first)
}

struct Memory<'m> {
    alias: &'m Alias,
    /// Latest last.
    known: Vec<Known>,
}

impl Memory<'_> {
    fn visit_block(&mut self, graph: &mut Graph<'_>, block: BlockId) {
        for at in 0..graph.insts(block).len() {
            let id = graph.insts(block)[at];
            graph.resolve_operands(id);
            self.visit(graph, id);
        }
    }

    fn visit(&mut self, graph: &mut Graph<'_>, id: InstId) {
        let inst = *graph.inst(id);
        match inst.op {
            Op::Load if is_plain(MemFlags(inst.args[1])) => self.load(graph, id, &inst),
            // Volatile: it is done, but changes nothing. Atomic: others may have changed things.
            Op::Load if MemFlags(inst.args[1]).ordering() == 0 => {}
            Op::Store if MemFlags(inst.args[2]).ordering() == 0 => self.store(graph, &inst),
            Op::Intrinsic => self.intrinsic(graph, &inst),
            Op::Load | Op::Store | Op::AtomicRmw | Op::CmpXchg | Op::Fence => self.forget_shared(),
            Op::Call | Op::CallIndirect => self.forget_shared(),
            _ => {}
        }
    }

    fn load(&mut self, graph: &mut Graph<'_>, id: InstId, inst: &Inst) {
        let place = self.alias.place(graph, Value(inst.args[0]), inst.ty);
        let same = |known: &&Known| known.place == place && known.ty == inst.ty;
        match self.known.iter().rev().find(same) {
            Some(known) => {
                let value = known.value;
                if graph.fuel.spend() {
                    graph.replace(id, value);
                }
            }
            None => self.remember(Known {
                place,
                ty: inst.ty,
                value: Value::inst(id),
            }),
        }
    }

    fn store(&mut self, graph: &Graph<'_>, inst: &Inst) {
        let place = self.alias.place(graph, Value(inst.args[0]), inst.ty);
        self.overwrite(&place);
        if is_plain(MemFlags(inst.args[2])) {
            self.remember(Known {
                place,
                ty: inst.ty,
                value: Value(inst.args[1]),
            });
        }
    }

    fn intrinsic(&mut self, graph: &Graph<'_>, inst: &Inst) {
        if graph.effects(inst).is_pure() {
            return;
        }
        let words = graph.code().words(inst.args[1], inst.args[2]);
        match inst.intrinsic() {
            Some(Intrinsic::Memcpy | Intrinsic::Memmove | Intrinsic::Memset) => {
                let len = graph.const_int(Value(words[2])).unwrap_or(u64::MAX);
                let place = self.alias.run_of_bytes(graph, Value(words[0]), len);
                self.overwrite(&place);
            }
            // The stack pointer: memory stays as it is.
            Some(Intrinsic::StackSave) => {}
            Some(Intrinsic::VaStart | Intrinsic::VaCopy) => {
                let place = self.alias.run_of_bytes(graph, Value(words[0]), 4);
                self.overwrite(&place);
            }
            Some(Intrinsic::X87Cmp | Intrinsic::X87To) => {}
            Some(which) if which.is_x87() => {
                let place = self.alias.run_of_bytes(graph, Value(words[0]), X87_BYTES);
                self.overwrite(&place);
            }
            _ => self.forget_shared(),
        }
    }

    fn remember(&mut self, known: Known) {
        if self.known.len() == MAX_KNOWN {
            self.known.remove(0);
        }
        self.known.push(known);
    }

    fn overwrite(&mut self, place: &Place) {
        let alias = self.alias;
        self.known
            .retain(|known| !alias.may_overlap(&known.place, place));
    }

    /// Forgets what somebody else may have changed.
    fn forget_shared(&mut self) {
        let alias = self.alias;
        self.known.retain(|known| alias.is_private(&known.place));
    }
}
