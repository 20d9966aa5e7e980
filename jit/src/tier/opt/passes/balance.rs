//! Balancing: sums and the like are added up in the order in which their terms are ready.
//!
//! C adds from left to right, `((h * 32 + h) + c)`, and each step waits for the one before. The processor
//! can do several at once, so what counts is the longest way to the result from what comes late: the value
//! that the turn of the loop before has left.
//!
//! ```text
//!   h ─ shl ─ add ─ add ─►          h ─ shl ─ add ─►
//!   └─────────┘     │               └─ add ───┘
//!   c ──────────────┘               c ──┘
//! ```
//!
//! *Before*: any graph. *During*, block by block: the height of each value is an estimate of the cycles until it
//! is there; terms of one associative and commutative operation, joined by values that nothing else
//! uses, are joined again, the two lowest first (as in Huffman's algorithm, which is best for the
//! maximum, too: Golumbic, "Combinatorial Merging", 1976), if that makes the whole lower. Only in
//! loops whose way from turn to turn takes longer than the processor needs to get through their instructions
//! anyway: elsewhere nothing was seen to gain, and products of matrices took a third longer.
//! *After*: as many operations as before; the old ones are left to `dce`.
//!
//! Integers only, which add up to the same in any order modulo 2^width; flags are dropped. Terms of an
//! address are left alone: the machine adds them in memory operands.

use crate::tier::opt::graph::Graph;
use alloc::collections::BinaryHeap;
use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Reverse;
use ir::{BlockId, Inst, InstId, Op, TypeId, Value};

/// Terms that are joined at once: bounds the work for a sum, and the values that wait in registers.
const MAX_TERMS: usize = 16;

/// Instructions that a processor does in a cycle, about.
const WIDTH: u32 = 4;
/// When a value arrives that the turn before has computed: behind all that does not depend on it.
const CARRIED: u32 = 64;

/// Balances what is joined in one block.
pub fn run(graph: &mut Graph<'_>) {
    let uses = graph.use_counts();
    let cfg = graph.cfg();
    let mut homes = vec![None; graph.num_insts()];
    for &block in cfg.rpo() {
        for id in graph.insts(block) {
            homes[id.index()] = Some(block);
        }
    }
    let mut balancer = Balancer {
        heights: vec![0; homes.len()],
        places: vec![0; homes.len()],
        inner: vec![false; homes.len()],
        homes,
        graph,
        uses,
        late: Vec::new(),
    };
    let mut seen = vec![false; balancer.graph.num_blocks()];
    for &block in cfg.rpo() {
        balancer.block(block, &seen);
        seen[block.index()] = true;
    }
}

struct Balancer<'g, 'a> {
    graph: &'g mut Graph<'a>,
    uses: Vec<u32>,
    homes: Vec<Option<BlockId>>,
    /// By instruction, as far as blocks have been walked: when its value is there.
    heights: Vec<u32>,
    /// By instruction of the block: its place, or that of the last instruction before it.
    places: Vec<u32>,
    /// By instruction: its only use is as a term of the same operation in the same block, or in an address.
    inner: Vec<bool>,
    /// What is new in the block: behind which place it belongs. Ascending where places are the same.
    late: Vec<(u32, InstId)>,
}

impl Balancer<'_, '_> {
    fn block(&mut self, block: BlockId, seen: &[bool]) {
        if !self.waits(block, seen) {
            return;
        }
        self.find_inner(block);
        let list = self.graph.take_insts(block);
        let phis = list
            .iter()
            .take_while(|&&id| self.graph.inst(id).op == Op::Phi);
        let first = (phis.count() as u32).saturating_sub(1);
        for (place, &id) in (0..).zip(&list) {
            let inst = *self.graph.inst(id);
            self.places[id.index()] = first.max(place);
            if inst.op != Op::Phi {
                self.heights[id.index()] = self.height(&inst);
            }
            if joins(&inst) && !self.inner[id.index()] {
                self.balance(id, &inst, block, first);
            }
        }
        *self.graph.insts_mut(block) = self.merged(list);
    }

    /// Finds heights as things stand; whether the longest way from what the turn before has left takes longer
    /// than the instructions of the block.
    fn waits(&mut self, block: BlockId, seen: &[bool]) -> bool {
        let (mut longest, mut count) = (0, 0);
        for &id in self.graph.insts(block) {
            let inst = *self.graph.inst(id);
            let height = match inst.op {
                Op::Phi => self.arrival(id, seen),
                _ => self.height(&inst),
            };
            self.heights[id.index()] = height;
            longest = longest.max(height.saturating_sub(CARRIED));
            // Memory operands and wider registers add and extend on the way.
            count += u32::from(inst.op != Op::PtrAdd && inst.op != Op::Phi && !inst.op.is_cast());
        }
        longest > count / WIDTH
    }

    /// Finds what is only a term of something else in its block.
    fn find_inner(&mut self, block: BlockId) {
        for &id in self.graph.insts(block) {
            let user = self.graph.inst(id);
            let terms = match user.op {
                Op::PtrAdd => &user.args[1..2],
                _ if joins(user) => &user.args[..2],
                _ => continue,
            };
            for at in terms.iter().filter_map(|&term| Value(term).as_inst()) {
                let inst = self.graph.inst(at);
                let same = user.op == Op::PtrAdd || (inst.op == user.op && inst.ty == user.ty);
                let here = self.homes[at.index()] == Some(block);
                self.inner[at.index()] |= same && here && joins(inst) && self.uses[at.index()] == 1;
            }
        }
    }

    fn of(&self, value: Value) -> u32 {
        value.as_inst().map_or(0, |id| self.heights[id.index()])
    }

    fn height(&self, inst: &Inst) -> u32 {
        let mut latest = 0;
        let code = self.graph.code();
        code.for_each_operand(inst, |value| latest = latest.max(self.of(value)));
        latest.saturating_add(cycles(inst.op))
    }

    /// When a phi is there: early if it only counts, late if it is what the turn before has left.
    fn arrival(&self, phi: InstId, seen: &[bool]) -> u32 {
        let mut latest = 0;
        for (from, value) in self.graph.phi(phi) {
            let carried = !seen[from.index()] && !self.counts(phi, value);
            latest = latest.max(if carried { CARRIED } else { self.of(value) });
        }
        latest
    }

    /// Whether `next` is `phi` plus a constant.
    fn counts(&self, phi: InstId, next: Value) -> bool {
        next.as_inst().is_some_and(|id| {
            let inst = self.graph.inst(id);
            let from = Value(inst.args[0]) == Value::inst(phi);
            let by = Value(inst.args[1]);
            match inst.op {
                Op::Add => from && by.as_const().is_some(),
                Op::PtrAdd => from && by == Value::NONE,
                _ => false,
            }
        })
    }

    /// The terms that the root joins, in order.
    fn terms(&self, root: &Inst) -> Vec<Value> {
        let mut terms = Vec::new();
        let mut stack = vec![Value(root.args[1]), Value(root.args[0])];
        while let Some(value) = stack.pop() {
            let inner = |id: &InstId| {
                let inst = self.graph.inst(*id);
                self.inner[id.index()] && inst.op == root.op && inst.ty == root.ty
            };
            match value.as_inst().filter(inner) {
                Some(id) if terms.len() + stack.len() < MAX_TERMS => {
                    let inst = self.graph.inst(id);
                    stack.extend([Value(inst.args[1]), Value(inst.args[0])]);
                }
                _ => terms.push(value),
            }
        }
        terms
    }

    /// Joins the terms of `root` again if it is there earlier then.
    fn balance(&mut self, id: InstId, root: &Inst, block: BlockId, first: u32) {
        let terms = self.terms(root);
        if terms.len() < 3 {
            return;
        }
        let mut heights: BinaryHeap<_> = terms.iter().map(|&t| Reverse(self.of(t))).collect();
        let mut lowest = 0;
        while let (Some(_), Some(Reverse(later))) = (heights.pop(), heights.pop()) {
            lowest = later + cycles(root.op);
            if !heights.is_empty() {
                heights.push(Reverse(lowest));
            }
        }
        if lowest >= self.heights[id.index()] || !self.graph.fuel.spend() {
            return;
        }
        self.join(id, root, terms, (block, first));
    }

    /// Joins `terms`, the two lowest first, and in the end in `root`.
    fn join(&mut self, root: InstId, inst: &Inst, mut terms: Vec<Value>, here: (BlockId, u32)) {
        let mut heap: BinaryHeap<_> = (0u32..)
            .zip(&terms)
            .map(|(at, &term)| Reverse((self.of(term), at)))
            .collect();
        while let (Some(Reverse((_, a))), Some(Reverse((height, b)))) = (heap.pop(), heap.pop()) {
            let (x, y) = (terms[a as usize], terms[b as usize]);
            let height = height + cycles(inst.op);
            if heap.is_empty() {
                self.heights[root.index()] = height;
                let args = [x.0, y.0, 0];
                let flags = ir::Flags::default();
                self.graph.set(
                    root,
                    Inst {
                        flags,
                        args,
                        ..*inst
                    },
                );
                return;
            }
            let id = self.graph.op(inst.op, inst.ty, [x.0, y.0, 0], root);
            let place = self.place(x, here).max(self.place(y, here));
            self.late.push((place, id));
            self.heights.push(height);
            self.places.push(place);
            self.inner.push(false);
            self.homes.push(Some(here.0));
            terms[b as usize] = Value::inst(id);
            heap.push(Reverse((height, b)));
        }
    }

    /// Behind which place of `block` a value is there; those from elsewhere are from the `first` on.
    fn place(&self, value: Value, (block, first): (BlockId, u32)) -> u32 {
        let id = value.as_inst();
        let here = id.filter(|id| self.homes[id.index()] == Some(block));
        here.map_or(first, |id| self.places[id.index()])
    }

    /// `list` with what is new in its places.
    fn merged(&mut self, list: Vec<InstId>) -> Vec<InstId> {
        if self.late.is_empty() {
            return list;
        }
        self.late.sort_by_key(|&(place, _)| place);
        let mut late = self.late.drain(..).peekable();
        let mut merged = Vec::with_capacity(list.len() + late.len());
        for (place, id) in (0..).zip(list) {
            merged.push(id);
            while let Some((_, id)) = late.next_if(|entry| entry.0 == place) {
                merged.push(id);
            }
        }
        merged
    }
}

/// Whether the terms of an instruction may be joined in any order.
fn joins(inst: &Inst) -> bool {
    matches!(inst.op, Op::Add | Op::Mul | Op::And | Op::Or | Op::Xor)
        && matches!(inst.ty, TypeId::I32 | TypeId::I64)
}

/// Cycles from the operands to the result, about.
fn cycles(op: Op) -> u32 {
    match op {
        Op::Load | Op::FAdd | Op::FSub | Op::FMul => 4,
        Op::Mul => 3,
        Op::UDiv | Op::SDiv | Op::URem | Op::SRem | Op::FDiv | Op::Call => 16,
        op if op.is_cast() => 0,
        _ => 1,
    }
}
