//! Sinking: in blocks with more values than registers, what is needed once is made where it is needed.
//!
//! *Before*: the last word on operations; the order within blocks is the source's, or that of a
//! vectoriser, which loads everything first. *During*, for each crowded block: an operation whose
//! one user is in the block moves down to that user, with the operands that move with it, if no
//! value has to live longer for it. *After*: each such tree of operations stands in one place.
//!
//! ```text
//!   a = load p; b = load p+1; …32 more; x = insert x, a; x = insert x, b; …
//!     →   a = load p; x = insert x, a; b = load p+1; x = insert x, b; …
//! ```
//!
//! # Why it is right
//!
//! Operations without effects compute the same anywhere between their operands and their user. A load does if
//! nothing between writes (*epoch*: the number of writes before an instruction). An operand that
//! stays was made before the old place, so before the new one.
//!
//! # Why it helps
//!
//! A move shortens the life of the result. It lengthens the life of an operand if the operation was its
//! last user, so an operation moves only if none of its operands, those that move with it aside, ends
//! with it. Where there are registers enough, the order is left alone. Linear in the function.

use crate::tier::opt::graph::{Graph, is_plain};
use alloc::vec;
use alloc::vec::Vec;
use ir::{BlockId, InstId, MemFlags, Op, TypeId};

/// Values made in a block and alive at once, in general registers and in vector registers, from which
/// on it is crowded: there are 15 and 16, and some hold what comes from outside.
const CROWDED: [u32; 2] = [11, 14];

/// Most operations between one that moves and the one that stays.
const MAX_DEPTH: u32 = 16;

/// Moves operations to their users in crowded blocks.
pub fn run(graph: &mut Graph<'_>) {
    let largest = graph.blocks().map(|block| graph.insts(block).len()).max();
    if largest.unwrap_or(0) <= CROWDED[0] as usize {
        return;
    }
    let uses = Uses::new(graph);
    for block in graph.blocks() {
        let list = graph.insts(block).to_vec();
        if list.len() <= CROWDED[0] as usize || !is_crowded(graph, &uses, &list) {
            continue;
        }
        let order = Order::new(graph, &uses, &list).finish(graph);
        if order != list && graph.fuel.spend() {
            *graph.insts_mut(block) = order;
        }
    }
}

/// Who uses what; by instruction.
struct Uses {
    count: Vec<u32>,
    /// Position of an instruction in its block.
    at: Vec<u32>,
    /// The last position in its block where it is used; 0 if nowhere.
    last: Vec<u32>,
    /// Whether another block uses it, or a phi.
    far: Vec<bool>,
}

impl Uses {
    fn new(graph: &Graph<'_>) -> Self {
        let n = graph.num_insts();
        let mut uses = Self {
            count: graph.use_counts(),
            at: vec![0; n],
            last: vec![0; n],
            far: vec![false; n],
        };
        let mut home = vec![BlockId(u32::MAX); n];
        for block in graph.blocks() {
            for (at, id) in (0..).zip(graph.insts(block)) {
                uses.at[id.index()] = at;
                home[id.index()] = block;
            }
        }
        for block in graph.blocks() {
            for (at, &id) in (0..).zip(graph.insts(block)) {
                let inst = graph.inst(id);
                graph.code().for_each_operand(inst, |value| {
                    if let Some(used) = value.as_inst() {
                        uses.far[used.index()] |= home[used.index()] != block || inst.op == Op::Phi;
                        let last = &mut uses.last[used.index()];
                        *last = at.max(*last);
                    }
                });
            }
        }
        uses
    }
}

/// Whether more values made in the block are alive at once than there are registers.
fn is_crowded(graph: &Graph<'_>, uses: &Uses, list: &[InstId]) -> bool {
    let mut ends = vec![[0u32; 2]; list.len()];
    let mut alive = [0u32; 2];
    for (at, &id) in list.iter().enumerate() {
        for class in 0..2 {
            alive[class] -= ends[at][class];
        }
        let inst = graph.inst(id);
        // Addresses are parts of memory operands.
        if !inst.has_result() || matches!(inst.op, Op::PtrAdd | Op::ICmp | Op::FCmp) {
            continue;
        }
        let class = usize::from(!is_general(graph, inst.ty));
        alive[class] += 1;
        if alive[class] > CROWDED[class] {
            return true;
        }
        let last = uses.last[id.index()] as usize;
        if !uses.far[id.index()] {
            ends[last.max(at + 1).min(list.len() - 1)][class] += 1;
        }
    }
    false
}

/// Whether values of the type live in general registers.
fn is_general(graph: &Graph<'_>, ty: TypeId) -> bool {
    graph.types().int_bits(ty).is_some()
}

/// A block being put into order.
struct Order<'l> {
    list: &'l [InstId],
    /// By position: writes before it.
    epoch: Vec<u32>,
    /// By position: whether it may move to its user.
    sinks: Vec<bool>,
    /// The new order, last first.
    reversed: Vec<InstId>,
    taken: Vec<bool>,
}

impl<'l> Order<'l> {
    /// Decides what moves.
    fn new(graph: &Graph<'_>, uses: &Uses, list: &'l [InstId]) -> Self {
        let mut order = Self {
            list,
            epoch: Vec::with_capacity(list.len()),
            sinks: Vec::with_capacity(list.len()),
            reversed: Vec::with_capacity(list.len()),
            taken: vec![false; list.len()],
        };
        let mut epoch = 0;
        for (at, &id) in (0..).zip(list) {
            order.epoch.push(epoch);
            epoch += u32::from(graph.effects(graph.inst(id)).writes);
            let sinks = can_move(graph, uses, id) && order.ends_nothing(graph, uses, at, id);
            order.sinks.push(sinks);
        }
        order
    }

    /// Whether no operand lives only until `id`, at position `at`, but for those that move with it.
    fn ends_nothing(&self, graph: &Graph<'_>, uses: &Uses, at: u32, id: InstId) -> bool {
        let mut ends_nothing = true;
        graph.code().for_each_operand(graph.inst(id), |value| {
            let Some(used) = value.as_inst().map(InstId::index) else {
                // A parameter's last use is not known: most are needed further on.
                return;
            };
            let lives_on = uses.far[used] && uses.count[used] > 1;
            let moves = !uses.far[used] && self.sinks[uses.at[used] as usize];
            ends_nothing &= lives_on || moves || uses.last[used] > at;
        });
        ends_nothing
    }

    /// The new order.
    fn finish(mut self, graph: &Graph<'_>) -> Vec<InstId> {
        let mut position = hashbrown::HashMap::new();
        position.extend(self.list.iter().copied().zip(0usize..));
        for at in (0..self.list.len()).rev() {
            if !self.taken[at] {
                self.place(graph, &position, at, at, 0);
            }
        }
        self.reversed.reverse();
        self.reversed
    }

    /// Puts the instruction at position `at` where the one at `anchor` is, behind what moves to it.
    fn place(
        &mut self,
        graph: &Graph<'_>,
        position: &hashbrown::HashMap<InstId, usize>,
        at: usize,
        anchor: usize,
        depth: u32,
    ) {
        self.taken[at] = true;
        self.reversed.push(self.list[at]);
        let mut operands: Vec<usize> = Vec::new();
        graph
            .code()
            .for_each_operand(graph.inst(self.list[at]), |value| {
                let at = value.as_inst().and_then(|id| position.get(&id));
                operands.extend(at);
            });
        for operand in operands.into_iter().rev() {
            let is_load = graph.inst(self.list[operand]).op == Op::Load;
            let same = !is_load || self.epoch[operand] == self.epoch[anchor];
            if self.sinks[operand] && same && !self.taken[operand] && depth < MAX_DEPTH {
                self.place(graph, position, operand, anchor, depth + 1);
            }
        }
    }
}

/// Whether an operation has one user, in its block, and may move to it if no write is between.
fn can_move(graph: &Graph<'_>, uses: &Uses, id: InstId) -> bool {
    let inst = graph.inst(id);
    let near = uses.count[id.index()] == 1 && !uses.far[id.index()];
    let plain = match inst.op {
        Op::Load => is_plain(MemFlags(inst.args[1])),
        Op::Phi | Op::Alloca => false,
        _ => graph.effects(inst).is_speculatable(),
    };
    near && plain && inst.has_result()
}
