//! Unrolling: several turns of a loop in a row.
//!
//! *Before*: any graph; best when counters and their bounds are simplified and nothing has left the
//! loops yet, because what turns have in common is found by the passes behind. *During*, up to
//! [`MAX_ROUNDS`] rounds over the innermost loops, in closed form (`region`):
//!
//! * **Fully**, if it is known how often a loop runs and all turns together are small: the turns
//!   follow each other without tests, and the loop is gone. What was its outer loop may be next.
//! * **Partly**, for small loops that test `i < n` at the top: `factor` turns run for one test.
//!
//! ```text
//!   preheader                       preheader: limit = n - (factor-1)*step, or none if that wraps
//!   header: i < n? ─► exit    ►     guard: i < limit? ─► header: i < n? ─► exit
//!   turn ─► header                  turn, turn, … ─► guard     turn ─► header
//! ```
//!
//! If the number of turns is known to be a multiple of `factor`, the loop behind the guard is not
//! needed: the guard asks `i < n`, and only what the header does before it leaves remains.
//!
//! *After*: as before, with more code; the budget is [`Limits`].
//!
//! # Why it is right
//!
//! Copies of turns do what the turns would have done, in the same order; other ways out of the loop
//! stay in every copy. What is left out is the outcome of tests: fully unrolled, the loop's own
//! constants decided them (`trips`). Under the guard, `i < limit` gives `i + (factor-1)*step < n` in
//! numbers that do not wrap, since `limit` was only used if computing it did not, and all values
//! of the counter in these turns lie between `i` and that, so each test would have said the same.
//! The guard itself computes nothing but the comparison, so it may run once more than the header.
//!
//! Time is linear in what is copied, which is bounded by [`Limits::growth`].

mod trips;

use super::nest::Nest;
use super::region::{self, Region};
use crate::tier::opt::graph::Graph;
use alloc::vec;
use alloc::vec::Vec;
use ir::cfg::LoopId;
use ir::facts::{LoopHints, kind};
use ir::{BlockId, Flags, Inst, InstId, IntPred, Op, TypeId, Value};
use trips::{Counter, Test};

/// How much may be copied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Turns of a loop that is unrolled fully.
    pub turns: u32,
    /// Instructions of all of them.
    pub full: usize,
    /// Instructions of the turns between two tests; 0 for no partial unrolling.
    pub partly: usize,
    /// Instructions that one function may grow by.
    pub growth: usize,
}

/// Small loops only.
pub const O2: Limits = Limits {
    turns: 8,
    full: 96,
    partly: 0,
    growth: 1 << 10,
};

/// Larger ones, and parts of those that run for long.
pub const O3: Limits = Limits {
    turns: 32,
    full: 256,
    partly: 64,
    growth: 1 << 12,
};

/// Nests deeper than this are not unrolled to the outermost.
const MAX_ROUNDS: u32 = 3;

/// Most turns between two tests, and most instructions of one for it to be worth while.
const MAX_FACTOR: u64 = 4;

/// Unrolls small loops fully.
pub fn run_o2(graph: &mut Graph<'_>) {
    run(graph, &O2);
}

/// Unrolls loops fully or partly.
pub fn run_o3(graph: &mut Graph<'_>) {
    run(graph, &O3);
}

/// Unrolls loops within `limits`.
pub fn run(graph: &mut Graph<'_>, limits: &Limits) {
    let mut unroller = Unroller {
        left: limits.growth,
        limits,
        done: Vec::new(),
    };
    for _ in 0..MAX_ROUNDS {
        if !unroller.round(graph) {
            break;
        }
    }
}

/// The clean-up behind unrolling: nothing where nothing was unrolled.
pub mod then {
    use crate::tier::opt::graph::Graph;
    use crate::tier::opt::passes;

    /// Simplifies instructions.
    pub fn simplify(graph: &mut Graph<'_>) {
        if graph.unrolled != 0 {
            passes::simplify::run(graph);
        }
    }

    /// Simplifies control flow.
    pub fn simplify_cfg(graph: &mut Graph<'_>) {
        if graph.unrolled != 0 {
            passes::simplify_cfg::run(graph);
        }
    }
}

/// What is to be done with a loop.
#[derive(Clone, Copy, Debug)]
enum Plan {
    /// The test stays so often before it leaves.
    Full(Test, u32),
    /// So many turns for one test; whether none is left over.
    Partly(Test, Counter, u64, bool),
}

struct Unroller<'l> {
    limits: &'l Limits,
    /// Instructions that may still be added.
    left: usize,
    /// Headers of loops that are not looked at again.
    done: Vec<BlockId>,
}

impl Unroller<'_> {
    /// Unrolls innermost loops; whether there were some.
    fn round(&mut self, graph: &mut Graph<'_>) -> bool {
        let mut nest = Nest::new(graph);
        let wanted = self.wanted(graph, &nest);
        if wanted.is_empty() {
            return false;
        }
        for region in region::close(graph, &mut nest, &wanted) {
            self.done.push(region.header);
            let Some(plan) = self.plan(graph, &region) else {
                continue;
            };
            graph.unrolled += 1;
            match plan {
                Plan::Full(test, stays) => full(graph, &region, &test, stays),
                Plan::Partly(test, counter, factor, even) => {
                    let guard = partly(graph, &region, &test, &counter, factor, even);
                    self.done.push(guard);
                }
            }
        }
        true
    }

    /// The innermost loops with a plan.
    fn wanted(&mut self, graph: &mut Graph<'_>, nest: &Nest) -> Vec<LoopId> {
        let mut is_innermost = vec![true; nest.all().count()];
        for parent in nest.all().filter_map(|id| nest.parent(id)) {
            is_innermost[parent.index()] = false;
        }
        let members = nest.members();
        let mut wanted = Vec::new();
        for id in nest.all().filter(|id| is_innermost[id.index()]) {
            if self.done.contains(&nest.header(id)) {
                continue;
            }
            let Some(region) = Region::open(graph, nest, id, &members[id.index()]) else {
                continue;
            };
            let before = self.left;
            if self.plan(graph, &region).is_some() && graph.fuel.spend() {
                wanted.push(id);
            }
            // It is paid for when it is done.
            self.left = before;
        }
        wanted
    }

    /// What to do with a loop, and its price.
    fn plan(&mut self, graph: &mut Graph<'_>, region: &Region) -> Option<Plan> {
        let size = region.size(graph).max(1);
        if size > self.limits.full || forbids(graph, region) {
            return None;
        }
        let turns = (self.limits.full / size) as u32;
        for block in [region.header, region.latch] {
            let Some(test) = Test::of(graph, region, block) else {
                continue;
            };
            let turns = turns.min(self.limits.turns);
            if let Some(stays) = test.stays(graph, region, turns) {
                self.left = self.left.checked_sub(size * (stays as usize + 1))?;
                return Some(Plan::Full(test, stays));
            }
        }
        let plan = self.plan_partly(graph, region, size)?;
        self.left = self.left.checked_sub(size * MAX_FACTOR as usize)?;
        Some(plan)
    }

    fn plan_partly(&self, graph: &Graph<'_>, region: &Region, size: usize) -> Option<Plan> {
        let test = Test::of(graph, region, region.header)?;
        let counter = test.counter(graph, region)?;
        let fits = |factor: &u64| size * *factor as usize <= self.limits.partly;
        let most = (2..=MAX_FACTOR).rev().find(fits)?;
        if calls(graph, region) || !is_outside(graph, region, counter.bound) {
            return None;
        }
        let start = region.start(graph)[counter.phi];
        let Some(turns) = counter.turns(graph, start) else {
            let fits = most & !1;
            return Some(Plan::Partly(test, counter, fits, false));
        };
        let even = (2..=most).rev().find(|factor| turns % factor == 0);
        let factor = even.unwrap_or(most);
        (turns > factor * 2).then_some(Plan::Partly(test, counter, factor, even.is_some()))
    }
}

/// Whether the source says that the loop stays as it is, or clang has unrolled it already.
fn forbids(graph: &Graph<'_>, region: &Region) -> bool {
    let latch = graph.terminator(region.latch);
    let hints = graph.fact(latch, kind::LOOP);
    let hints = hints.and_then(|at| graph.module().facts.loops.get(at as usize));
    let stop = LoopHints::UNROLL_DISABLE | LoopHints::IS_VECTORIZED;
    hints.is_some_and(|hints| hints.bits & stop != 0)
}

/// Whether a turn calls: then a test more is nothing.
fn calls(graph: &Graph<'_>, region: &Region) -> bool {
    let insts = region.blocks.iter().flat_map(|&block| graph.insts(block));
    let is_call = |id: &InstId| matches!(graph.inst(*id).op, Op::Call | Op::CallIndirect);
    insts.copied().any(|id| is_call(&id))
}

fn is_outside(graph: &Graph<'_>, region: &Region, value: Value) -> bool {
    let Some(id) = value.as_inst() else {
        return true;
    };
    !region
        .blocks
        .iter()
        .any(|&block| graph.insts(block).contains(&id))
}

/// Puts all turns in a row.
fn full(graph: &mut Graph<'_>, region: &Region, test: &Test, stays: u32) {
    let around = region.around(graph);
    let mut values = region.start(graph);
    let first = graph.add_block();
    let mut head = first;
    for _ in 0..stays {
        let next = graph.add_block();
        let copied = region.copy(graph, region.blocks.len(), &values, (head, next));
        region.settle(graph, &copied, test.block, test.stay);
        values = around.iter().map(|&value| copied.value(value)).collect();
        head = next;
    }
    last(graph, region, test, &values, head);
    let entry = graph.terminator(region.preheader);
    graph.map_successors(entry, |_| first);
    region.remove(graph);
}

/// The turn that leaves: the header alone if the test is there.
fn last(graph: &mut Graph<'_>, region: &Region, test: &Test, values: &[Value], head: BlockId) {
    let count = if test.block == region.header {
        1
    } else {
        region.blocks.len()
    };
    let copied = region.copy(graph, count, values, (head, head));
    region.settle(graph, &copied, test.block, test.leave);
}

/// Makes a loop of `factor` turns in front of the loop, or, if that is `even`, in its place. Returns
/// its header.
fn partly(
    graph: &mut Graph<'_>,
    region: &Region,
    test: &Test,
    counter: &Counter,
    factor: u64,
    even: bool,
) -> BlockId {
    let (phis, start, around) = (
        region.phis(graph),
        region.start(graph),
        region.around(graph),
    );
    let guard = graph.add_block();
    let first = graph.add_block();
    let guards: Vec<InstId> = phis
        .iter()
        .map(|&phi| graph.make_phi(graph.inst(phi).ty, phi))
        .collect();
    let at_guard: Vec<Value> = guards.iter().map(|&phi| Value::inst(phi)).collect();
    let (mut values, mut head, mut latch) = (at_guard.clone(), first, guard);
    for turn in 1..=factor {
        let next = if turn == factor {
            guard
        } else {
            graph.add_block()
        };
        let copied = region.copy(graph, region.blocks.len(), &values, (head, next));
        region.settle(graph, &copied, test.block, test.stay);
        values = around.iter().map(|&value| copied.value(value)).collect();
        (head, latch) = (next, copied.block(region.latch));
    }
    for ((&phi, &start), &value) in guards.iter().zip(&start).zip(&values) {
        graph.set_phi(phi, &[(region.preheader, start), (latch, value)]);
    }
    let entry = graph.terminator(region.preheader);
    graph.map_successors(entry, |_| guard);
    let test_at = |graph: &mut Graph<'_>, bound: Value, behind: BlockId| {
        let like = graph.terminator(test.block);
        let flags = Flags(counter.pred as u8);
        let args = [at_guard[counter.phi].0, bound.0, 0];
        let compare = plain(Op::ICmp, flags, TypeId::I1, args);
        let compare = graph.make(compare, like);
        let args = [Value::inst(compare).0, first.0, behind.0];
        let branch = graph.op(Op::CondBr, TypeId::VOID, args, like);
        let list = guards.iter().copied().chain([compare, branch]);
        *graph.insts_mut(guard) = list.collect();
    };
    if even {
        let tail = graph.add_block();
        last(graph, region, test, &at_guard, tail);
        test_at(graph, counter.bound, tail);
        region.remove(graph);
    } else {
        let bound = limit(graph, region, counter, factor);
        test_at(graph, bound, region.header);
        for (&phi, &value) in phis.iter().zip(&at_guard) {
            let mut entries = graph.phi(phi);
            for entry in entries
                .iter_mut()
                .filter(|entry| entry.0 == region.preheader)
            {
                *entry = (guard, value);
            }
            graph.set_phi(phi, &entries);
        }
    }
    guard
}

/// Below (or above) what the counter must be for `factor` turns: a number with which the guard never
/// lets anything pass if that one wraps.
fn limit(graph: &mut Graph<'_>, region: &Region, counter: &Counter, factor: u64) -> Value {
    let like = graph.terminator(region.preheader);
    let ty = graph.type_of(counter.bound);
    let far = (factor - 1).wrapping_mul(counter.step);
    let far = graph.int(ty, far);
    let never = match counter.pred {
        IntPred::Slt => 1 << (counter.width - 1),
        IntPred::Sgt => (1 << (counter.width - 1)) - 1,
        IntPred::Ugt => u64::MAX,
        _ => 0,
    };
    let never = graph.int(ty, never);
    let limit = graph.op(Op::Sub, ty, [counter.bound.0, far.0, 0], like);
    let limit_value = Value::inst(limit);
    let flags = Flags(counter.pred as u8);
    let args = [limit_value.0, counter.bound.0, 0];
    let right = graph.make(plain(Op::ICmp, flags, TypeId::I1, args), like);
    let args = [Value::inst(right).0, limit_value.0, never.0];
    let chosen = graph.op(Op::Select, ty, args, like);
    let end = graph.insts(region.preheader).len() - 1;
    graph
        .insts_mut(region.preheader)
        .splice(end..end, [limit, right, chosen]);
    Value::inst(chosen)
}

fn plain(op: Op, flags: Flags, ty: TypeId, args: [u32; 3]) -> Inst {
    Inst {
        op,
        flags,
        ty,
        args,
    }
}

#[cfg(test)]
mod tests;
