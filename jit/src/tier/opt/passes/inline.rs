//! Inlining: a direct call becomes a copy of the body that it runs.
//!
//! *Before*: a graph whose scalar clean-up is done, so that its own size is known and constants have
//! reached the calls. *After*: calls that [`Effort`] finds worth it are gone; copies of their bodies
//! stand there, themselves cleaned up; unless the function has come through unchanged, the clean-up
//! is to be run again ([`then`]), as copies join what they were called with.
//!
//! # Which body, and why from the top
//!
//! A compiler of whole programs inlines from the leaves upwards. One that compiles a function at a
//! time, when that gets hot, would have to process everything below it first, most of which never
//! runs. So this pass starts at the hot function and works downwards: it takes the callee's *stored*
//! body, cleans it by the passes that have cleaned the caller (`callee`), and copies that; the calls
//! in the copy are then looked at like the caller's own, one level deeper. What a call means is fixed
//! at load ([`Bindings`](crate::tier::Bindings)): across modules of a program, into its C library,
//! past definitions that others replaced. Nothing that is compiled later can change it, so copies
//! need no invalidation.
//!
//! # What is never inlined
//!
//! The runtime's functions; calls whose type differs from the definition's (they are marshalled) and
//! variadic ones; `noinline` without `optnone`; `musttail` calls; what `callee` refuses (dynamic
//! allocas, which would pile up in loops; functions that must stay at baseline; …); a function into
//! itself or into a copy of itself, so recursion ends.
//!
//! # Why it is right
//!
//! I1. The copy computes what the body does (`graph::splice`): arguments are values of the very types
//!     of the parameters, so nothing of the calling convention is left to do but `byval` copies,
//!     which are made here as the call would make them.
//! I2. A block that is split keeps its beginning; its end moves to a new block, and phis that named
//!     the old one are told at the end, all in one walk (`moved`). Copied blocks name copied blocks
//!     only, and are told likewise.
//! I3. Facts that depend on the function (FMA, strict floating point, valid null) are the same in
//!     both, or the call stays.
//!
//! # Bounds
//!
//! Levels ([`Effort::depth`]), instructions added ([`Effort::growth`]), bytes of frame added
//! ([`Effort::frame`]), instructions cleaned in order to find out ([`CLEANED`]). Each is a constant
//! or proportional to the caller, so time is linear. `alwaysinline` is subject to larger ones.

mod callee;
mod cost;

use crate::tier::opt::graph::{Graph, MAX_BLOCKS, MAX_INSTS, MAX_POOL};
use alloc::rc::Rc;
use alloc::vec::Vec;
use callee::{Callee, Callees};
use cost::{Site, Verdict};
use hashbrown::HashMap;
use ir::cfg::{Dominators, Loops};
use ir::{BlockId, Inst, InstId, Intrinsic, Op, TypeId, Value};

/// The pass's name in every list that has it.
pub const NAME: &str = "inline";

/// How much is inlined. Sizes are in instructions after clean-up that become code (`cost`).
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Largest callee, less what inlining it saves.
    pub size: u32,
    /// As `size`, of a call in a loop.
    pub in_loop: u32,
    /// As `size`, of a call that is not likely to be reached.
    pub cold: u32,
    /// How deep copies may be in each other.
    pub depth: u32,
    /// What may be added to any function, …
    pub growth: u32,
    /// … and that per cent of its own size.
    pub growth_percent: u32,
    /// Bytes of allocas that may be added to its frame.
    pub frame: u32,
}

/// At O2: what pays for itself nearly always.
pub const O2: Effort = Effort {
    size: 40,
    in_loop: 80,
    cold: 4,
    depth: 5,
    growth: 400,
    growth_percent: 100,
    frame: 1 << 11,
};

/// At O3, which only the hottest functions reach.
pub const O3: Effort = Effort {
    size: 60,
    in_loop: 160,
    cold: 4,
    depth: 8,
    growth: 1200,
    growth_percent: 200,
    frame: 1 << 13,
};

/// What `alwaysinline` may add: instructions, and bytes of frame.
const ALWAYS: (u32, u32) = (20_000, 1 << 16);
/// Instructions of callees that are cleaned to see how large they are: so many for each of the
/// caller's, and so many in any case.
const CLEANED: (u32, u32) = (4, 4000);

/// Inlines at O2.
pub fn run_o2(graph: &mut Graph<'_>) {
    run(graph, &O2);
}

/// Inlines at O3.
pub fn run_o3(graph: &mut Graph<'_>) {
    run(graph, &O3);
}

/// The clean-up behind inlining: nothing where nothing was inlined.
pub mod then {
    use crate::tier::opt::graph::Graph;
    use crate::tier::opt::passes;

    /// Simplifies control flow.
    pub fn simplify_cfg(graph: &mut Graph<'_>) {
        when_inlined(graph, passes::simplify_cfg::run);
    }

    /// Expands copies.
    pub fn expand_copies(graph: &mut Graph<'_>) {
        when_inlined(graph, passes::sroa::expand_copies);
    }

    /// Promotes allocas.
    pub fn sroa(graph: &mut Graph<'_>) {
        when_inlined(graph, passes::sroa::run);
    }

    /// Simplifies instructions.
    pub fn simplify(graph: &mut Graph<'_>) {
        when_inlined(graph, passes::simplify::run);
    }

    fn when_inlined(graph: &mut Graph<'_>, pass: fn(&mut Graph<'_>)) {
        if !graph.inlined().is_empty() {
            pass(graph);
        }
    }
}

/// Inlines as much as `effort` says.
pub fn run(graph: &mut Graph<'_>, effort: &Effort) {
    let mut first = blocks_with_calls(graph);
    if first.is_empty() {
        return;
    }
    let cfg = graph.cfg();
    let loops = Loops::new(&cfg, &Dominators::new(&cfg));
    for work in &mut first {
        let innermost = loops.innermost(work.block);
        work.depth = innermost.map_or(0, |id| loops.get(id).depth);
    }
    let size: usize = graph.blocks().map(|block| graph.insts(block).len()).sum();
    let size = size as u32;
    let mut inliner = Inliner {
        callees: Callees::new(size.saturating_mul(CLEANED.0).saturating_add(CLEANED.1)),
        growth: effort.growth + (u64::from(size) * u64::from(effort.growth_percent) / 100) as u32,
        frame: effort.frame,
        always: ALWAYS,
        effort,
        graph,
        next: Vec::new(),
        moved: Vec::new(),
        allocas: Vec::new(),
    };
    inliner.levels(first);
    inliner.finish();
}

/// A block, or the rest of one, to be looked through.
#[derive(Debug)]
struct Work {
    block: BlockId,
    /// Loops around it.
    depth: u32,
    /// What has been looked at.
    done: Vec<InstId>,
    /// What has not, last first.
    pending: Vec<InstId>,
}

struct Inliner<'g, 'a> {
    graph: &'g mut Graph<'a>,
    effort: &'g Effort,
    callees: Callees,
    /// Instructions that may still be added.
    growth: u32,
    /// Bytes of frame that may still be added.
    frame: u32,
    /// The same for `alwaysinline`.
    always: (u32, u32),
    /// Blocks of the next level.
    next: Vec<Work>,
    /// (block, block that has its end now), in the order in which that happened.
    moved: Vec<(BlockId, BlockId)>,
    /// Allocas of copies, to be put into the entry.
    allocas: Vec<InstId>,
}

/// The blocks that call something; the lists stay with the graph until their turn comes.
fn blocks_with_calls(graph: &Graph<'_>) -> Vec<Work> {
    let calls = |block: &BlockId| {
        let mut insts = graph.insts(*block).iter();
        insts.any(|&id| graph.inst(id).op == Op::Call)
    };
    let work = |block| Work {
        block,
        depth: 0,
        done: Vec::new(),
        pending: Vec::new(),
    };
    graph.blocks().filter(calls).map(work).collect()
}

impl Inliner<'_, '_> {
    /// Works level by level, so that what a copy calls does not use up what its neighbours need; on
    /// a level the innermost loops come first.
    fn levels(&mut self, first: Vec<Work>) {
        let mut level = first;
        while !level.is_empty() {
            level.sort_by_key(|work| work.depth);
            while let Some(work) = level.pop() {
                let rest = self.look_through(work);
                level.extend(rest);
            }
            level = core::mem::take(&mut self.next);
        }
    }

    /// Inlines into a block. If that splits it, the rest of it comes back.
    fn look_through(&mut self, mut work: Work) -> Option<Work> {
        if work.pending.is_empty() {
            work.pending = self.graph.take_insts(work.block);
            work.pending.reverse();
        }
        let is_cold = match work.pending.first() {
            Some(&last) => self.graph.inst(last).op == Op::Unreachable,
            None => false,
        };
        while let Some(id) = work.pending.pop() {
            let callee = match self.graph.inst(id).op {
                Op::Call => self.worth_it(id, work.depth, is_cold),
                _ => None,
            };
            match callee {
                None => work.done.push(id),
                Some(callee) if callee.is_straight => self.insert(id, &callee, &mut work),
                Some(callee) => return Some(self.split(id, &callee, work)),
            }
        }
        *self.graph.insts_mut(work.block) = work.done;
        None
    }

    /// The callee of `call` if it is to be inlined here, paid for.
    fn worth_it(&mut self, call: InstId, loops: u32, is_cold: bool) -> Option<Rc<Callee>> {
        let site = Site::new(self.graph, call, loops, is_cold)?;
        if !self.may_nest(call, &site) {
            return None;
        }
        let callee = self.callees.get(self.graph, &site, self.effort)?;
        let body = &callee.optimised.body;
        let fits = self.graph.num_insts() + body.insts.len() + 8 <= MAX_INSTS
            && self.graph.num_blocks() + body.blocks.len() < MAX_BLOCKS
            && self.graph.code().pool.len() + body.pool.len() + 8 * body.blocks.len() <= MAX_POOL;
        let (growth, frame) = match site.verdict(self.graph, &callee, self.effort) {
            Verdict::Leave => return None,
            Verdict::Always => (&mut self.always.0, &mut self.always.1),
            Verdict::Inline => (&mut self.growth, &mut self.frame),
        };
        let growth_left = growth.checked_sub(callee.cost);
        let frame_left = frame.checked_sub(callee.frame.saturating_add(site.copied_bytes()));
        let (Some(growth_left), Some(frame_left), true) = (growth_left, frame_left, fits) else {
            return None;
        };
        if !self.graph.fuel.spend() {
            return None;
        }
        (*growth, *frame) = (growth_left, frame_left);
        Some(callee)
    }

    /// Whether a copy of the callee may be put where the call is: not into itself, not too deep.
    fn may_nest(&self, call: InstId, site: &Site) -> bool {
        let mut copy = self.graph.origin(call).copy;
        let mut depth = 1;
        while let Some(at) = (copy as usize).checked_sub(1) {
            let inlined = self.graph.inlined()[at];
            if inlined.func == site.func {
                return false;
            }
            copy = inlined.caller;
            depth += 1;
        }
        depth <= self.effort.depth && site.func != self.graph.id()
    }

    /// The arguments of a call; those passed `byval` are addresses of copies, which are made in `to`.
    fn arguments(&mut self, call: InstId, to: &mut Vec<InstId>) -> Vec<Value> {
        let [_, pool, n] = self.graph.inst(call).args;
        let words = self.graph.code().words(pool, n + 2).to_vec();
        let mut args: Vec<Value> = words[2..].iter().map(|&word| Value(word)).collect();
        let Some(set) = self.graph.module().attr_set(words[1]) else {
            return args;
        };
        for (arg, attrs) in args.iter_mut().zip(&set.params) {
            if attrs.byval == 0 {
                continue;
            }
            let align = u32::from(attrs.align_log2.max(BYVAL_ALIGN_LOG2));
            let parts = [attrs.byval, align, u32::from(TypeId::I8.0)];
            let object = self.graph.op(Op::Alloca, TypeId::PTR, parts, call);
            self.allocas.push(object);
            let len = self.graph.int(TypeId::I32, attrs.byval.into());
            let words = [Value::inst(object).0, arg.0, len.0];
            let parts = [Intrinsic::Memcpy as u32, self.graph.pool(&words), 3];
            to.push(self.graph.op(Op::Intrinsic, TypeId::VOID, parts, call));
            *arg = Value::inst(object);
        }
        args
    }

    /// Puts the copy of a body of one block where the call was.
    fn insert(&mut self, call: InstId, callee: &Callee, work: &mut Work) {
        let args = self.arguments(call, &mut work.done);
        let copy = self
            .graph
            .splice(call, callee.func, &callee.optimised, &args);
        self.allocas.extend(copy.allocas);
        let insts = self.graph.take_insts(copy.blocks[0]);
        work.pending.extend(insts.into_iter().rev());
        let value = copy.returns.first().map_or(Value::NONE, |at| at.1);
        self.replace_call(call, value);
    }

    /// Splits the block at the call and puts the copy in between.
    fn split(&mut self, call: InstId, callee: &Callee, mut work: Work) -> Work {
        let args = self.arguments(call, &mut work.done);
        let copy = self
            .graph
            .splice(call, callee.func, &callee.optimised, &args);
        self.allocas.extend(copy.allocas);
        let rest = self.graph.add_block();
        work.done.push(self.jump(copy.blocks[0], call));
        *self.graph.insts_mut(work.block) = work.done;
        self.moved.push((work.block, rest));
        for &(block, _) in &copy.returns {
            let jump = self.jump(rest, call);
            self.graph.insts_mut(block).push(jump);
        }
        let mut done = Vec::new();
        let value = match copy.returns[..] {
            [] => Value::NONE,
            [(_, value)] => value,
            [(_, first), ..] if first == Value::NONE => first,
            _ => {
                let phi = self.graph.make_phi(self.graph.inst(call).ty, call);
                self.graph.set_phi(phi, &copy.returns);
                done.push(phi);
                Value::inst(phi)
            }
        };
        self.replace_call(call, value);
        let blocks = copy.blocks.iter().zip(&callee.loops);
        self.next.extend(blocks.map(|(&block, loops)| Work {
            block,
            depth: work.depth + loops,
            done: Vec::new(),
            pending: Vec::new(),
        }));
        Work {
            block: rest,
            depth: work.depth,
            done,
            pending: work.pending,
        }
    }

    fn jump(&mut self, to: BlockId, like: InstId) -> InstId {
        self.graph.op(Op::Br, TypeId::VOID, [to.0, 0, 0], like)
    }

    /// What used the call's result uses `value`; 0 if the callee never returns.
    fn replace_call(&mut self, call: InstId, value: Value) {
        let Inst { ty, .. } = *self.graph.inst(call);
        if ty == TypeId::VOID {
            return;
        }
        let value = match value {
            Value::NONE => self.graph.zero(ty),
            value => value,
        };
        self.graph.replace(call, value);
    }

    /// Puts allocas into the entry, and tells phis where the ends of blocks have gone.
    fn finish(self) {
        let graph = self.graph;
        graph.insts_mut(BlockId(0)).splice(0..0, self.allocas);
        if self.moved.is_empty() {
            return;
        }
        let mut end: HashMap<BlockId, BlockId> = HashMap::new();
        for &(from, to) in self.moved.iter().rev() {
            let to = end.get(&to).copied().unwrap_or(to);
            end.insert(from, to);
        }
        for block in graph.blocks() {
            for at in 0..graph.insts(block).len() {
                let id = graph.insts(block)[at];
                if graph.inst(id).op != Op::Phi {
                    break;
                }
                let mut entries = graph.phi(id);
                for entry in &mut entries {
                    entry.0 = end.get(&entry.0).copied().unwrap_or(entry.0);
                }
                graph.set_phi(id, &entries);
            }
        }
    }
}

/// Alignment of a `byval` copy: that of the outgoing area of a call.
const BYVAL_ALIGN_LOG2: u8 = 4;
