//! Tail recursion: a function that ends by calling itself goes back to its beginning instead.
//!
//! *Before*: any graph, scalar. *During*, for each return behind a call of the function itself:
//!
//! ```text
//!   entry: …                                entry: br head
//!   …                                       head:  n = phi [n0, entry], [x, site]; …
//!   site:  r = call self(x); ret r    ►     site:  br head
//! ```
//!
//! and likewise if what is returned is `y op r`, with `op` one of those that may be done in any
//! order: then an *accumulator* starts with the neutral number, becomes `acc op y` at such sites, and
//! every return gives `acc op` what it gave. Of `fib(n-1) + fib(n-2)` the second call goes.
//!
//! *After*: no stack frame and no call for those turns; the loop is one for all passes behind.
//!
//! # Why it is right
//!
//! The call is the last thing that the function does, but for pure operations, so nothing of its frame is
//! needed any more: functions with places in the frame (allocas in use, `byval`, variadic) are left
//! alone. The parameters of the next turn take the places of those of this one, by phis. Integer sums,
//! products, ands, ors and xors are associative and commutative modulo 2^width, so the order of the
//! accumulator's operations does not matter. Linear in the function; one unit of fuel.

use crate::tier::opt::graph::Graph;
use alloc::vec::Vec;
use ir::{BlockId, Flags, FuncId, Inst, InstId, Op, TypeId, Value, ValueKind};

/// A return behind a call of the function itself.
#[derive(Clone, Copy, Debug)]
struct Site {
    block: BlockId,
    call: InstId,
    /// The operation on the result.
    sum: Option<InstId>,
    /// The block with the return, if it is another.
    joins: Option<BlockId>,
}

/// Makes tail recursion a loop.
pub fn run(graph: &mut Graph<'_>) {
    if !calls_itself(graph) {
        return;
    }
    let uses = graph.use_counts();
    if !is_suitable(graph, &uses) {
        return;
    }
    let mut sites: Vec<Site> = graph
        .blocks()
        .filter_map(|block| site(graph, &uses, block))
        .collect();
    // One accumulator: the first operation is everybody's.
    let ops = sites.iter().filter_map(|site| site.sum);
    let op = ops.map(|sum| graph.inst(sum).op).next();
    sites.retain(|site| site.sum.is_none_or(|sum| Some(graph.inst(sum).op) == op));
    if !sites.is_empty() && graph.fuel.spend() {
        make_loop(graph, &sites, op);
    }
}

fn calls_itself(graph: &Graph<'_>) -> bool {
    let mut blocks = graph.blocks();
    blocks.any(|block| {
        let mut insts = graph.insts(block).iter();
        insts.any(|&id| is_self_call(graph, id))
    })
}

/// Whether nothing in the function's frame has an address, and it knows all of its arguments.
fn is_suitable(graph: &Graph<'_>, uses: &[u32]) -> bool {
    let function = graph.function();
    let signature = graph.types().signature(function.ty);
    let set = graph.module().attr_set(function.attr_set);
    let copies = set.is_some_and(|set| set.params.iter().any(|param| param.byval != 0));
    let in_frame = |id: &InstId| {
        matches!(graph.inst(*id).op, Op::Alloca | Op::DynAlloca) && uses[id.index()] != 0
    };
    let mut blocks = graph.blocks();
    signature.is_some_and(|(_, _, variadic)| !variadic)
        && !copies
        && !blocks.any(|block| graph.insts(block).iter().any(in_frame))
}

fn is_self_call(graph: &Graph<'_>, id: InstId) -> bool {
    let inst = graph.inst(id);
    inst.op == Op::Call
        && graph.definition(FuncId(inst.args[0])) == Some(graph.id())
        && arguments(graph, id).len() == graph.code().params.len()
        && (0..).zip(arguments(graph, id)).all(|(n, argument)| {
            let param = Value::arg(n);
            graph.type_of(argument) == graph.type_of(param)
        })
}

/// The arguments of a call.
fn arguments(graph: &Graph<'_>, call: InstId) -> Vec<Value> {
    let [_, pool, n] = graph.inst(call).args;
    let words = &graph.code().words(pool, n + 2)[2..];
    words.iter().map(|&word| Value(word)).collect()
}

/// The site at the end of a block.
fn site(graph: &Graph<'_>, uses: &[u32], block: BlockId) -> Option<Site> {
    let (returned, joins) = returned(graph, block)?;
    let (_, list) = graph.insts(block).split_last()?;
    let once = |id: InstId| uses[id.index()] <= 1;
    let &last = list.last()?;
    if is_self_call(graph, last) {
        let gives = returned == Value::inst(last) || returned == Value::NONE;
        return (gives && once(last)).then_some(Site {
            block,
            call: last,
            sum: None,
            joins,
        });
    }
    let sum = *graph.inst(last);
    if returned != Value::inst(last) || !once(last) || neutral(sum.op).is_none() {
        return None;
    }
    let [a, b, _] = sum.args.map(Value);
    let called = |value: Value| value.as_inst().filter(|&id| is_self_call(graph, id));
    let found = [(a, b), (b, a)].into_iter().find_map(|(result, other)| {
        let call = called(result).filter(|&call| once(call) && result != other)?;
        let behind = list.iter().position(|&id| id == call)?;
        let mut between = list[behind + 1..].iter();
        let pure = between.all(|&id| graph.effects(graph.inst(id)).is_speculatable());
        pure.then_some(call)
    });
    Some(Site {
        block,
        call: found?,
        sum: Some(last),
        joins,
    })
}

/// What is returned behind a block, `NONE` for nothing, and the block with the return if another.
fn returned(graph: &Graph<'_>, block: BlockId) -> Option<(Value, Option<BlockId>)> {
    let last = graph.inst(graph.terminator(block));
    match last.op {
        Op::Ret => Some((value_of(last), None)),
        Op::Br => {
            let to = BlockId(last.args[0]);
            let (&ret, before) = graph.insts(to).split_last()?;
            let ret = graph.inst(ret);
            match before {
                _ if ret.op != Op::Ret => None,
                [] => Some((value_of(ret), Some(to))),
                &[phi] if graph.inst(phi).op == Op::Phi && value_of(ret) == Value::inst(phi) => {
                    let entries = graph.phi(phi);
                    let own = entries.iter().find(|entry| entry.0 == block)?;
                    Some((own.1, Some(to)))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// The value of a return.
fn value_of(ret: &Inst) -> Value {
    Value(ret.args[0])
}

/// The number that changes nothing, for operations that can be done in any order.
fn neutral(op: Op) -> Option<u64> {
    match op {
        Op::Add | Op::Or | Op::Xor => Some(0),
        Op::Mul => Some(1),
        Op::And => Some(u64::MAX),
        _ => None,
    }
}

fn make_loop(graph: &mut Graph<'_>, sites: &[Site], op: Option<Op>) {
    let entry = BlockId(0);
    let head = graph.add_block();
    let list = graph.take_insts(entry);
    let like = list[0];
    *graph.insts_mut(head) = list;
    for to in graph.succs(head) {
        graph.rename_phi_entries(to, entry, head);
    }
    let jump = graph.op(Op::Br, TypeId::VOID, [head.0, 0, 0], like);
    graph.insts_mut(entry).push(jump);
    let params: Vec<InstId> = (0..graph.code().params.len() as u32)
        .map(|n| graph.make_phi(graph.type_of(Value::arg(n)), like))
        .collect();
    for block in graph.blocks() {
        for at in 0..graph.insts(block).len() {
            let id = graph.insts(block)[at];
            graph.map_operands(id, |value| match value.kind() {
                ValueKind::Arg(n) => Value::inst(params[n as usize]),
                _ => value,
            });
        }
    }
    let accumulator = op.map(|op| accumulate(graph, sites, op, (entry, head)));
    for (n, &phi) in (0..).zip(&params) {
        let again = sites.iter().map(|site| {
            let from = place(site.block, entry, head);
            (from, arguments(graph, site.call)[n as usize])
        });
        let first = (entry, Value::arg(n));
        let entries: Vec<_> = core::iter::once(first).chain(again).collect();
        graph.set_phi(phi, &entries);
    }
    for site in sites {
        go_back(graph, site, (entry, head));
    }
    let phis = params.into_iter().chain(accumulator);
    graph.insts_mut(head).splice(0..0, phis);
}

/// Where the instructions of a block are now.
fn place(block: BlockId, entry: BlockId, head: BlockId) -> BlockId {
    if block == entry { head } else { block }
}

/// Makes the accumulator, and what sites and returns do with it.
fn accumulate(
    graph: &mut Graph<'_>,
    sites: &[Site],
    op: Op,
    (entry, head): (BlockId, BlockId),
) -> InstId {
    let like = sites[0].call;
    let ty = graph.inst(like).ty;
    let phi = graph.make_phi(ty, like);
    let acc = Value::inst(phi);
    let first = graph.int(ty, neutral(op).unwrap_or(0));
    let mut entries = alloc::vec![(entry, first)];
    let mut on_the_way = Vec::new();
    for site in sites {
        let from = place(site.block, entry, head);
        let next = match site.sum {
            None => acc,
            Some(sum) => {
                // In place: what was `y op r` becomes `y op acc`.
                let was = Value::inst(site.call);
                graph.map_operands(sum, |value| if value == was { acc } else { value });
                let mut inst = *graph.inst(sum);
                inst.flags = Flags::default();
                graph.set(sum, inst);
                Value::inst(sum)
            }
        };
        entries.push((from, next));
        on_the_way.push(from);
    }
    graph.set_phi(phi, &entries);
    for block in graph.blocks() {
        let terminator = graph.terminator(block);
        let mut ret = *graph.inst(terminator);
        if ret.op == Op::Ret && !on_the_way.contains(&block) {
            let result = graph.op(op, ty, [ret.args[0], acc.0, 0], terminator);
            let end = graph.insts(block).len() - 1;
            graph.insts_mut(block).insert(end, result);
            ret.args[0] = Value::inst(result).0;
            graph.set(terminator, ret);
        }
    }
    phi
}

/// Makes a site jump to the head.
fn go_back(graph: &mut Graph<'_>, site: &Site, (entry, head): (BlockId, BlockId)) {
    let block = place(site.block, entry, head);
    graph.insts_mut(block).retain(|&id| id != site.call);
    let terminator = graph.terminator(block);
    let jump = Inst {
        op: Op::Br,
        flags: Flags::default(),
        args: [head.0, 0, 0],
        ..*graph.inst(terminator)
    };
    graph.set(terminator, jump);
    if let Some(join) = site.joins {
        graph.retain_phi_entries(join, |from| from != block);
    }
}
