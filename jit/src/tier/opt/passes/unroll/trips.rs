//! How often a loop runs: tests that decide it, counted by running them, or by arithmetic.
//!
//! A *test* is a conditional branch of the header or of the latch that leaves the loop one way; every
//! turn passes it. [`Test::stays`] runs what the test depends on, as far as it is constants, header
//! phis and pure operations on them, turn by turn until it leaves: that needs no theory of what
//! wraps, and takes shifts and products for counters like sums. [`Test::counter`] describes the
//! common case `i < n` for loops that run too often for that, or whose `n` is not known.

use crate::tier::opt::graph::Graph;
use crate::tier::opt::passes::region::Region;
use crate::tier::opt::passes::simplify::fold;
use alloc::vec::Vec;
use hashbrown::HashMap;
use ir::{BlockId, InstId, IntPred, Op, Value};

/// Operations that a test may depend on.
const MAX_SLICE: usize = 12;

/// A branch that every turn passes and that leaves the loop one way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Test {
    /// Header or latch.
    pub(super) block: BlockId,
    /// Where it goes when the loop goes on; the header if the block is the latch.
    pub(super) stay: BlockId,
    /// Where it goes else.
    pub(super) leave: BlockId,
    condition: Value,
    /// What the condition is when the loop goes on.
    stays_if: bool,
}

/// A counter that a header test compares with a bound: the loop goes on while `pred(phi, bound)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counter {
    /// Its place among the header's phis.
    pub(super) phi: usize,
    /// `Slt` or `Ult` if it counts up, `Sgt` or `Ugt` if down.
    pub(super) pred: IntPred,
    /// Made outside.
    pub(super) bound: Value,
    /// What is added to the counter in a turn, and its width.
    pub(super) step: u64,
    /// Bits of the counter.
    pub(super) width: u32,
}

impl Test {
    /// The test of `block`, if it has one.
    pub(super) fn of(graph: &Graph<'_>, region: &Region, block: BlockId) -> Option<Self> {
        let branch = graph.inst(graph.terminator(block));
        if branch.op != Op::CondBr {
            return None;
        }
        let [condition, yes, no] = branch.args;
        let [yes, no] = [yes, no].map(BlockId);
        let (stay, leave, stays_if) = match [yes, no].map(|to| region.exits.contains(&to)) {
            [false, true] => (yes, no, true),
            [true, false] => (no, yes, false),
            _ => return None,
        };
        // A latch may lead on inside, too; then it is no test of every turn's end, but of its end.
        (block == region.header || stay == region.header).then_some(Self {
            block,
            stay,
            leave,
            condition: Value(condition),
            stays_if,
        })
    }

    /// How often the loop goes on here before it is left here, at most `limit`.
    pub(super) fn stays(&self, graph: &mut Graph<'_>, region: &Region, limit: u32) -> Option<u32> {
        let phis = region.phis(graph);
        let mut slice = Slice {
            start: phis.iter().copied().zip(region.start(graph)).collect(),
            around: phis.iter().copied().zip(region.around(graph)).collect(),
            order: Vec::new(),
            state: HashMap::new(),
        };
        slice.add(graph, self.condition, MAX_SLICE as u32)?;
        for turn in 0..=limit {
            let truth = slice.run(graph, self.condition)?;
            if truth != self.stays_if {
                return Some(turn);
            }
            slice.turn()?;
        }
        None
    }

    /// The counter that a header test compares.
    pub(super) fn counter(&self, graph: &Graph<'_>, region: &Region) -> Option<Counter> {
        let compare = graph.inst(self.condition.as_inst()?);
        let [a, bound, _] = compare.args.map(Value);
        let pred = compare.int_pred().filter(|_| compare.op == Op::ICmp)?;
        let pred = if self.stays_if { pred } else { pred.invert() };
        let phis = region.phis(graph);
        let phi = phis.iter().position(|&phi| Value::inst(phi) == a)?;
        let next = *graph.inst(region.around(graph)[phi].as_inst()?);
        let step = graph.const_int(Value(next.args[1]))?;
        let width = graph
            .types()
            .int_bits(next.ty)
            .filter(|width| *width <= 64)?;
        let up = step != 0 && step >> (width - 1) == 0;
        let fits = match pred {
            IntPred::Slt | IntPred::Ult => up,
            IntPred::Sgt | IntPred::Ugt => !up && step != 0,
            _ => false,
        };
        let counts = next.op == Op::Add && Value(next.args[0]) == a;
        (fits && counts).then_some(Counter {
            phi,
            pred,
            bound,
            step,
            width,
        })
    }
}

impl Counter {
    /// How often the loop runs from `start` on, if that is known and the counter does not wrap.
    pub(super) fn turns(&self, graph: &Graph<'_>, start: Value) -> Option<u64> {
        let signed = matches!(self.pred, IntPred::Slt | IntPred::Sgt);
        let wide = |bits: u64| {
            let unused = 64 - self.width;
            match signed {
                true => i128::from((bits << unused).cast_signed() >> unused),
                false => i128::from(bits),
            }
        };
        let (start, bound) = (
            wide(graph.const_int(start)?),
            wide(graph.const_int(self.bound)?),
        );
        let unused = 64 - self.width;
        let step = i128::from((self.step << unused).cast_signed() >> unused);
        let far = if step > 0 {
            bound - start
        } else {
            start - bound
        };
        let turns = far.max(0).unsigned_abs().div_ceil(step.unsigned_abs());
        let last = start + step * turns.cast_signed();
        let highest = (1i128 << (self.width - u32::from(signed))) - 1;
        let lowest = if signed { -highest - 1 } else { 0 };
        (lowest..=highest).contains(&last).then_some(turns as u64)
    }
}

/// What a test depends on, run turn by turn.
struct Slice {
    start: HashMap<InstId, Value>,
    around: HashMap<InstId, Value>,
    /// Operations, operands first.
    order: Vec<InstId>,
    /// What phis and operations are now: constants.
    state: HashMap<InstId, Value>,
}

impl Slice {
    /// Adds what `value` depends on; `None` if that is not constant or too much.
    fn add(&mut self, graph: &Graph<'_>, value: Value, depth: u32) -> Option<()> {
        if graph.const_int(value).is_some() {
            return Some(());
        }
        let id = value.as_inst()?;
        if self.state.contains_key(&id) {
            return Some(());
        }
        let depth = depth.checked_sub(1)?;
        if let Some(&start) = self.start.get(&id) {
            graph.const_int(start)?;
            self.state.insert(id, start);
            return self.add(graph, self.around[&id], depth);
        }
        let inst = graph.inst(id);
        let counted = inst.op.is_int_binary() || inst.op.is_cast();
        let computes = counted || matches!(inst.op, Op::ICmp | Op::Select);
        if !computes || self.order.len() == MAX_SLICE {
            return None;
        }
        // Noted first: a cycle without a phi of the header has no order.
        self.state.insert(id, Value::NONE);
        let mut known = Some(());
        graph.code().for_each_operand(inst, |operand| {
            known = known.and_then(|()| self.add(graph, operand, depth));
        });
        self.order.push(id);
        known
    }

    /// Computes all operations; the truth of `condition`.
    fn run(&mut self, graph: &mut Graph<'_>, condition: Value) -> Option<bool> {
        for at in 0..self.order.len() {
            let id = self.order[at];
            let mut inst = *graph.inst(id);
            inst.for_each_operand_mut(&mut [], |word| *word = self.now(Value(*word)).0);
            let value = fold::constant(graph, &inst)?;
            graph.const_int(value)?;
            self.state.insert(id, value);
        }
        Some(graph.const_int(self.now(condition))? & 1 != 0)
    }

    /// Takes the phis to the next turn.
    fn turn(&mut self) -> Option<()> {
        let phis = self
            .start
            .keys()
            .filter(|phi| self.state.contains_key(*phi));
        let next: Vec<_> = phis
            .map(|&phi| (phi, self.now(self.around[&phi])))
            .collect();
        self.state.extend(next);
        Some(())
    }

    fn now(&self, value: Value) -> Value {
        let state = value.as_inst().and_then(|id| self.state.get(&id));
        state.copied().unwrap_or(value)
    }
}
