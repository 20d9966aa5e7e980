//! Induction variables: products with a loop's counter become sums.
//!
//! *Before*: loops count with a phi `i = [start, preheader], [i + step, latch]`. *During*, for each
//! loop: an address `base + i*s + d` whose base is made outside and whose scale is none of the
//! machine's, and a product `i * c`, become phis of their own:
//!
//! ```text
//!   p = phi [base + start*s + d, preheader], [p + step*s, latch]
//! ```
//!
//! *After*: such products are gone, up to [`MAX_DERIVED`] a loop, since each takes a register all
//! the loop long. All of this is arithmetic modulo 2^width, so it is exact whatever wraps.

use super::hoist::is_addressing_mode;
use super::nest::Nest;
use crate::tier::opt::graph::Graph;
use alloc::vec::Vec;
use ir::cfg::LoopId;
use ir::{BlockId, Inst, InstId, Op, TypeId, Value};
use smallvec::SmallVec;

/// Derived variables that one loop may get.
const MAX_DERIVED: usize = 4;

/// Replaces products with counters.
pub fn run(graph: &mut Graph<'_>) {
    let mut nest = Nest::new(graph);
    let members = nest.members();
    for id in nest.all() {
        let counters = counters(graph, &nest, id);
        if counters.is_empty() {
            continue;
        }
        let mut derived: Vec<(Key, Value)> = Vec::new();
        // The blocks of inner loops have counters of their own to look for.
        for &block in &members[id.index()] {
            for at in graph.insts(block).to_vec() {
                let Some(product) = product(graph, &nest, id, &counters, at) else {
                    continue;
                };
                let key = key(graph, at);
                let same = derived.iter().find(|old| old.0 == key);
                let same = same.map(|old| old.1);
                if (same.is_none() && derived.len() == MAX_DERIVED) || !graph.fuel.spend() {
                    continue;
                }
                let made = same.or_else(|| derive(graph, &mut nest, id, &product, at));
                if let Some(variable) = made {
                    graph.replace(at, variable);
                    if same.is_none() {
                        derived.push((key, variable));
                    }
                }
            }
        }
    }
}

/// What makes two products equal: opcode, type, operands.
type Key = SmallVec<[u32; 6]>;

fn key(graph: &Graph<'_>, at: InstId) -> Key {
    let inst = graph.inst(at);
    let mut key = Key::new();
    key.extend([inst.op as u32, inst.ty.0.into()]);
    graph.push_words(inst, &mut key);
    key
}

/// A phi of a loop's header that grows by a constant in each turn.
#[derive(Clone, Copy)]
struct Counter {
    phi: InstId,
    /// The entries from outside and from the latch.
    start: Value,
    step: u64,
}

/// What becomes a variable of its own.
struct Product {
    counter: Counter,
    /// What it grows by in each turn.
    step: u64,
}

/// The counters of a loop that has one latch and is entered from one block.
fn counters(graph: &Graph<'_>, nest: &Nest, id: LoopId) -> Vec<Counter> {
    let Some(latch) = nest.latch(id) else {
        return Vec::new();
    };
    let header = nest.header(id);
    let insts = graph.insts(header).iter().copied();
    insts
        .take_while(|&at| graph.inst(at).op == Op::Phi)
        .filter_map(|phi| counter(graph, phi, latch))
        .collect()
}

fn counter(graph: &Graph<'_>, phi: InstId, latch: BlockId) -> Option<Counter> {
    let entries = graph.phi(phi);
    let &[a, b] = entries.as_slice() else {
        return None;
    };
    let (start, next) = if a.0 == latch { (b.1, a.1) } else { (a.1, b.1) };
    let sum = graph.inst(next.as_inst()?);
    let step = graph.const_int(Value(sum.args[1]))?;
    let counts = sum.op == Op::Add && Value(sum.args[0]) == Value::inst(phi);
    counts.then_some(Counter { phi, start, step })
}

/// Whether an instruction is a product with a counter that is worth a variable.
fn product(
    graph: &Graph<'_>,
    nest: &Nest,
    id: LoopId,
    counters: &[Counter],
    at: InstId,
) -> Option<Product> {
    let inst = graph.inst(at);
    let [a, b, c] = inst.args;
    let counted = |value: u32| {
        let counter = counters.iter().find(|c| Value::inst(c.phi) == Value(value));
        counter.copied()
    };
    let (counter, factor) = match inst.op {
        Op::PtrAdd if !is_addressing_mode(graph, inst) && nest.is_outside(id, Value(a)) => {
            (counted(b)?, graph.code().words(c, 1)[0].into())
        }
        Op::Mul => (counted(a)?, graph.const_int(Value(b))?),
        Op::Shl => (counted(a)?, 1 << amount(graph, inst)?),
        _ => return None,
    };
    let step = counter.step.wrapping_mul(factor);
    Some(Product { counter, step })
}

/// The amount of a shift by a constant that no addressing mode does.
fn amount(graph: &Graph<'_>, inst: &Inst) -> Option<u64> {
    let width = graph.types().int_bits(inst.ty)?;
    let amount = graph.const_int(Value(inst.args[1]))?;
    (4..width.min(64).into())
        .contains(&amount)
        .then_some(amount)
}

/// Makes the variable that takes the place of the product `at`.
fn derive(
    graph: &mut Graph<'_>,
    nest: &mut Nest,
    id: LoopId,
    product: &Product,
    at: InstId,
) -> Option<Value> {
    let (latch, preheader) = (nest.latch(id)?, nest.preheader(graph, id)?);
    nest.adopt(id, preheader);
    let inst = *graph.inst(at);
    // The product at the start, with the counter's start in the counter's place.
    let mut first = inst;
    first.flags = ir::Flags::default();
    let start = entry_from(graph, product.counter, preheader);
    let slot = usize::from(inst.op == Op::PtrAdd);
    first.args[slot] = start.0;
    if inst.op == Op::PtrAdd {
        let words: [u32; 2] = [0, 1].map(|n| graph.code().words(inst.args[2], 2)[n]);
        first.args[2] = graph.pool(&words);
    }
    let first = graph.make(first, at);
    insert_at_end(graph, preheader, first);
    nest.settle(first, preheader);
    let phi = graph.make_phi(inst.ty, at);
    let next = if inst.ty == TypeId::PTR {
        let args = [Value::inst(phi).0, Value::NONE.0, product.step as u32];
        graph.op(Op::PtrAdd, inst.ty, args, at)
    } else {
        let step = graph.int(inst.ty, product.step);
        graph.op(Op::Add, inst.ty, [Value::inst(phi).0, step.0, 0], at)
    };
    insert_at_end(graph, latch, next);
    nest.settle(next, latch);
    graph.set_phi(
        phi,
        &[(preheader, Value::inst(first)), (latch, Value::inst(next))],
    );
    let header = nest.header(id);
    graph.insts_mut(header).insert(0, phi);
    nest.settle(phi, header);
    Some(Value::inst(phi))
}

/// Where a counter starts; the preheader may have been made since the counter was found.
fn entry_from(graph: &Graph<'_>, counter: Counter, preheader: BlockId) -> Value {
    let entries = graph.phi(counter.phi);
    let found = entries.iter().find(|entry| entry.0 == preheader);
    found.map_or(counter.start, |entry| entry.1)
}

/// Puts an instruction before the terminator of a block.
fn insert_at_end(graph: &mut Graph<'_>, block: BlockId, id: InstId) {
    let end = graph.insts(block).len() - 1;
    graph.insts_mut(block).insert(end, id);
}
