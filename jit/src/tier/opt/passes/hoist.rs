//! Loop-invariant code motion: what is the same in every turn is computed once, before the loop.
//!
//! *Before*: any graph. *During*, one walk in reverse postorder, so that operands are moved before
//! their users: an operation that cannot fault and whose operands are made outside a loop goes to
//! the preheader of the outermost such loop; a plain load goes there with what computes its address.
//! *After*: no operation that costs something is repeated in vain, up to [`MAX_HOISTED`] a loop, since
//! each takes a register all the loop long, and as many loads; what loops write is promoted. One that takes the place of its operand,
//! moved for it alone, does not count.
//!
//! A load may be moved if the loop does not write its place ([`LoopWrites`]) and if it cannot fault
//! there, because its object is there all the time ([`Memory::is_mapped`]), or faults only where the
//! loop would have anyway ([`Sure`]).
//!
//! Not moved: what an addressing mode, a compare-and-branch, or a register's lower part does for
//! free (a sum that is the base of another address with an index is not free).

use super::nest::Nest;
use super::promote;
use super::sure::{self, Sure};
use crate::tier::opt::graph::{Graph, is_plain};
use crate::tier::opt::memory::{LoopWrites, Memory};
use alloc::vec;
use alloc::vec::Vec;
use ir::cfg::LoopId;
use ir::{BlockId, Inst, InstId, MemFlags, Op, Value};

/// Operations that one loop may have taken out of it.
const MAX_HOISTED: u32 = 8;

/// Moves invariant operations out of loops, then promotes what they write ([`promote`]).
pub fn run(graph: &mut Graph<'_>) {
    let nest = Nest::new(graph);
    if nest.is_empty() {
        return;
    }
    let order: Vec<BlockId> = nest.cfg.rpo().to_vec();
    let memory = Memory::new(graph, &order);
    let count = nest.all().count();
    let mut hoister = Hoister {
        writes: LoopWrites::new(graph, &memory, &order, nest.loops()),
        sure: Sure::new(graph, &memory, &nest),
        bases: bases(graph),
        uses: graph.use_counts(),
        hoisted: vec![0; count],
        loads: vec![0; count],
        moved: vec![None; graph.num_insts()],
        memory,
        nest,
    };
    for block in order {
        let Some(innermost) = hoister.nest.innermost(block) else {
            continue;
        };
        for id in graph.insts(block).to_vec() {
            let inst = graph.inst(id);
            if inst.op == Op::Load && is_plain(MemFlags(inst.args[1])) {
                hoister.load(graph, innermost, block, id);
            } else if hoister.bases[id.index()] || is_worth_it(graph, inst) {
                hoister.operation(graph, innermost, block, id);
            }
        }
    }
    let Hoister {
        nest, memory, sure, ..
    } = hoister;
    promote::run(graph, nest, memory, sure);
}

struct Hoister {
    nest: Nest,
    memory: Memory,
    writes: LoopWrites,
    sure: Sure,
    /// See [`bases`].
    bases: Vec<bool>,
    uses: Vec<u32>,
    /// By loop: operations moved to its preheader that take a register of their own.
    hoisted: Vec<u32>,
    /// By loop: loads moved there.
    loads: Vec<u32>,
    /// By instruction: the loop out of which it was moved.
    moved: Vec<Option<LoopId>>,
}

impl Hoister {
    fn operation(&mut self, graph: &mut Graph<'_>, innermost: LoopId, block: BlockId, id: InstId) {
        let Some(target) = outermost(graph, &self.nest, innermost, id) else {
            return;
        };
        if self.hoisted[target.index()] < MAX_HOISTED && graph.fuel.spend() {
            let mut ends = false;
            graph.code().for_each_operand(graph.inst(id), |value| {
                let operand = value.as_inst().map_or(0, InstId::index);
                ends |= self.moved.get(operand) == Some(&Some(target)) && self.uses[operand] == 1;
            });
            self.hoisted[target.index()] += u32::from(!ends);
            if hoist(graph, &mut self.nest, target, block, id) {
                self.moved[id.index()] = Some(target);
            }
        }
    }

    /// Moves a load, with its address, out of as many loops as possible.
    fn load(&mut self, graph: &mut Graph<'_>, innermost: LoopId, block: BlockId, id: InstId) {
        let inst = *graph.inst(id);
        let address = Value(inst.args[0]);
        let place = self.memory.place(graph, address, inst.ty, id);
        let is_mapped = self.memory.is_mapped(graph, &place);
        let mut found = None;
        let mut at = Some(innermost);
        while let Some(around) = at {
            let mut list = Vec::new();
            let is_sure = || {
                let at = (block, id);
                self.sure
                    .executes(graph, &self.memory, &self.nest, around, at)
            };
            if !sure::chain(graph, &self.nest, around, address, &mut list)
                || self.writes.may_touch(graph, &self.memory, around, &place)
                || !is_mapped && !is_sure()
            {
                break;
            }
            found = Some((around, list));
            at = self.nest.parent(around);
        }
        let Some((target, list)) = found else {
            return;
        };
        if self.loads[target.index()] < MAX_HOISTED && graph.fuel.spend() {
            self.loads[target.index()] += 1;
            for part in list {
                let home = self.nest.home(part);
                hoist(graph, &mut self.nest, target, home, part);
            }
            hoist(graph, &mut self.nest, target, block, id);
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
