//! Bodies to inline: whether they may be, cleaned up, and measured; each at most once a run.
//!
//! Cleaning is most of the cost of looking at a call, so it is put off: a scan of the stored body
//! ([`scan`]) refuses what cannot be inlined and guesses the size of the rest; only what has a
//! chance is cleaned. The result is kept while the caller is compiled: a tier takes no lock and has
//! no memory beyond one compilation.

use super::Effort;
use super::cost::{self, Param, Site};
use crate::tier::opt::fuel::Fuel;
use crate::tier::opt::graph::{Graph, Optimised};
use crate::tier::opt::pipeline::{CLEAN, stays_at_baseline};
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use hashbrown::HashMap;
use ir::cfg::{Cfg, Dominators, Loops};
use ir::{
    BlockId, Body, ConstKind, Flags, FuncAttrs, FuncId, Inst, Intrinsic, Module, Op, ValueKind,
};

/// Larger stored bodies are not even scanned, unless the source asks for it.
const MAX_STORED: usize = 2000;
/// Quarters of the limit up to which the guess of [`scan`] is not believed, …
const SLACK: u32 = 6;
/// … and where arguments are known, which make bodies smaller.
const SLACK_KNOWN: u32 = 12;

/// A body that may be inlined.
#[derive(Debug)]
pub(super) struct Callee {
    /// Whose it is.
    pub(super) func: FuncId,
    /// It, cleaned up.
    pub(super) optimised: Optimised,
    /// What it costs (`cost`).
    pub(super) cost: u32,
    /// By parameter: what knowing it saves.
    pub(super) params: Vec<Param>,
    /// By block: loops around it.
    pub(super) loops: Vec<u32>,
    /// Bytes of its allocas.
    pub(super) frame: u32,
    /// Whether it is one block that returns.
    pub(super) is_straight: bool,
}

/// What is known of a function.
#[derive(Debug)]
enum Known {
    Refused,
    /// Scanned: its guessed cost.
    Guess(u32),
    Cleaned(Rc<Callee>),
}

/// The functions that calls were looked at of.
#[derive(Debug)]
pub(super) struct Callees {
    known: HashMap<FuncId, Known>,
    /// Stored instructions that may still be cleaned.
    left: u32,
}

impl Callees {
    /// Nothing is known; up to `left` instructions may be cleaned.
    pub(super) fn new(left: u32) -> Self {
        Self {
            known: HashMap::new(),
            left,
        }
    }

    /// The callee of `site`, if it can be inlined and may be small enough.
    pub(super) fn get(
        &mut self,
        graph: &Graph<'_>,
        site: &Site,
        effort: &Effort,
    ) -> Option<Rc<Callee>> {
        let func = site.func;
        let body = graph.module().func(func).body.as_ref()?;
        if body.insts.len() > MAX_STORED && !site.is_always() {
            return None;
        }
        let known = self.known.entry(func).or_insert_with(|| {
            let guess = scan(graph, func, body);
            guess.map_or(Known::Refused, Known::Guess)
        });
        match known {
            Known::Refused => None,
            Known::Cleaned(callee) => Some(Rc::clone(callee)),
            Known::Guess(guess) => {
                let slack = match site.knows_arguments() {
                    true => SLACK_KNOWN,
                    false => SLACK,
                };
                let most = site.limit(graph, effort) * slack / 4;
                if *guess > most && !site.is_always() {
                    return None;
                }
                self.left = self.left.checked_sub(body.insts.len() as u32)?;
                let callee = clean(graph, func, body).map(Rc::new);
                let found = callee.clone();
                *known = callee.map_or(Known::Refused, Known::Cleaned);
                found
            }
        }
    }
}

/// The facts about functions that change what instructions do and differ in caller and callee.
fn differences(graph: &Graph<'_>, func: FuncId) -> FuncAttrs {
    const MATTER: u32 = FuncAttrs::FMA | FuncAttrs::STRICT_FP | FuncAttrs::NULL_IS_VALID;
    let (callee, caller) = (graph.module().func(func).attrs, graph.function().attrs);
    FuncAttrs((callee.0 ^ caller.0) & MATTER)
}

/// Guesses the cost of a stored body; `None` if it cannot be inlined.
fn scan(graph: &Graph<'_>, func: FuncId, body: &Body) -> Option<u32> {
    let module = graph.module();
    let takes_addresses = |body: &Body| {
        let mut kinds = body.consts.iter().map(|constant| constant.kind);
        kinds.any(|kind| matches!(kind, ConstKind::Block(_)))
    };
    // How `fmuladd` rounds is all that FMA decides.
    let differences = differences(graph, func);
    let fma_differs = differences.has(FuncAttrs::FMA);
    let others_differ = differences.0 & !FuncAttrs::FMA != 0;
    if others_differ || takes_addresses(body) || stays_at_baseline(module, func) {
        return None;
    }
    let mut guess: u32 = 0;
    for inst in &body.insts {
        let is_fma = inst.op == Op::Intrinsic && inst.intrinsic() == Some(Intrinsic::FMulAdd);
        let is_itself = calls(graph, inst) == Some(func);
        if !may_be_copied(inst) || is_itself || is_fma && fma_differs {
            return None;
        }
        guess = guess.saturating_add(cost::of_stored(body, inst));
    }
    Some(guess)
}

/// Whether an instruction does in a copy what it does in the body itself.
fn may_be_copied(inst: &Inst) -> bool {
    match inst.op {
        Op::DynAlloca | Op::IndirectBr => false,
        Op::Call | Op::CallIndirect => inst.flags.0 & Flags::MUSTTAIL == 0,
        Op::Intrinsic => !matches!(
            inst.intrinsic(),
            Some(Intrinsic::StackSave | Intrinsic::StackRestore | Intrinsic::VaStart)
        ),
        _ => true,
    }
}

/// The function whose body an instruction calls.
fn calls(graph: &Graph<'_>, inst: &Inst) -> Option<FuncId> {
    (inst.op == Op::Call)
        .then(|| graph.definition(FuncId(inst.args[0])))
        .flatten()
}

/// Runs the clean-up passes on a body and measures the result.
fn clean(caller: &Graph<'_>, func: FuncId, stored: &Body) -> Option<Callee> {
    let module: &Module = caller.module();
    let mut graph = Graph::new(module, func, stored, Fuel::default()).ok()?;
    graph.bind(caller.bindings());
    for (_, pass) in CLEAN {
        pass(&mut graph);
        graph.settle();
    }
    Some(measure(func, graph.to_body()))
}

fn measure(func: FuncId, optimised: Optimised) -> Callee {
    let body = &optimised.body;
    let mut callee = Callee {
        func,
        cost: 0,
        params: vec![Param::default(); body.params.len()],
        loops: loop_depths(body),
        frame: 0,
        is_straight: body.blocks.len() == 1
            && body.insts.last().is_some_and(|last| last.op == Op::Ret),
        optimised: Optimised::default(),
    };
    for inst in &body.insts {
        callee.cost = callee.cost.saturating_add(cost::of_inst(inst));
        if inst.op == Op::Alloca {
            callee.frame = callee.frame.saturating_add(inst.args[0]);
        }
        let mut at = 0;
        body.for_each_operand(inst, |value| {
            if let ValueKind::Arg(n) = value.kind() {
                callee.params[n as usize].note_use(inst, at);
            }
            at += 1;
        });
    }
    callee.optimised = optimised;
    callee
}

fn loop_depths(body: &Body) -> Vec<u32> {
    let cfg = Cfg::new(body);
    let loops = Loops::new(&cfg, &Dominators::new(&cfg));
    let blocks = (0..body.blocks.len() as u32).map(BlockId);
    let depth = |block| loops.innermost(block).map_or(0, |id| loops.get(id).depth);
    blocks.map(depth).collect()
}
