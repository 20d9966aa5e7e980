//! The pass list of each level, and the loop that runs one.
//!
//! ```text
//!   stored Body ─ Graph ─ pass ─ pass ─ … ─ pass ─ to_body ─► Optimised
//!                      ▲      ▲            ▲
//!                      verifier, in debug builds
//! ```
//!
//! A pass is a function on the graph that never fails. What the pipeline adds: replaced values are
//! settled after each pass; the verifier (which was written for stored bodies and knows nothing of
//! graphs) looks at the compacted body before the first pass and after each; [`Fuel`] can stop the
//! passes after any number of changes; and whoever wants to know how long each pass takes hands in
//! a clock, as this crate has none.

use super::fuel::Fuel;
use super::graph::{Graph, Optimised};
use super::passes::{
    address, balance, dce, dse, gvn, hoist, induction, inline, recursion, scalarise, sccp,
    simplify, simplify_cfg, sink, sroa, strength, unroll,
};
use crate::tier::{Bindings, Declined, Tier};
use alloc::vec::Vec;
use core::fmt;
use ir::{FuncAttrs, FuncId, Inst, InstId, Module, Op, verify};

/// A pass: its name, unique in a list, and what it does.
pub type Pass = (&'static str, fn(&mut Graph<'_>));

/// What makes -O0 code scalar: run on a function before others are inlined into it, and on those
/// that are.
pub const CLEAN: &[Pass] = &[
    ("simplify-cfg", simplify_cfg::run),
    ("expand-copies", sroa::expand_copies),
    ("sroa", sroa::run),
    ("simplify", simplify::run),
    ("simplify-cfg-values", simplify_cfg::run),
];

/// Behind inlining: copies join what they were called with, and constants depend on control flow.
const JOIN: &[Pass] = &[
    ("simplify-cfg-inlined", inline::then::simplify_cfg),
    ("expand-copies-inlined", inline::then::expand_copies),
    ("sroa-inlined", inline::then::sroa),
    ("simplify-inlined", inline::then::simplify),
    ("sccp", sccp::run),
    ("simplify-cfg-constants", simplify_cfg::run),
];

/// Behind unrolling, that of O2 or of O3: turns become one piece of code.
const STRAIGHTEN: &[Pass] = &[
    ("simplify-turns", unroll::then::simplify),
    ("simplify-cfg-turns", unroll::then::simplify_cfg),
];

/// Less work: addresses and products, what is computed twice, what loops need not repeat.
const REDUCE: &[Pass] = &[
    ("scalarise", scalarise::run),
    ("address", address::run),
    ("strength", strength::run),
    ("gvn", gvn::run),
    ("hoist", hoist::run),
];

/// Behind that: counters as addresses, and what all this has left.
const FINISH: &[Pass] = &[
    ("induction", induction::run),
    ("balance", balance::run),
    ("simplify-late", simplify::run),
    ("dce", dce::run),
    ("simplify-cfg-late", simplify_cfg::run),
    ("dce-late", dce::run),
    ("sink", sink::run),
];

/// Scalar clean-up: what clang's -O0 leaves undone becomes values in registers. Invariant code and
/// products with counters leave loops already here: without that, -O0 loops over matrices are no
/// faster than at baseline, which keeps variables in registers, too.
pub const O1: &[Pass] =
    &list::<{ CLEAN.len() + REDUCE.len() + FINISH.len() }>(&[CLEAN, REDUCE, FINISH]);

/// As [`O1`], with inlining, small loops unrolled, and dead stores removed.
pub const O2: &[Pass] = &inlining(inline::run_o2, ("unroll", unroll::run_o2));

/// As [`O2`], with more of both, until vectorisation is there.
pub const O3: &[Pass] = &inlining(inline::run_o3, ("unroll-more", unroll::run_o3));

/// The list of a level that inlines by `inline` and unrolls by `unroll`.
const fn inlining(
    inline: fn(&mut Graph<'_>),
    unroll: Pass,
) -> [Pass; O1.len() + JOIN.len() + STRAIGHTEN.len() + 4] {
    list(&[
        CLEAN,
        &[("recursion", recursion::run), (inline::NAME, inline)],
        JOIN,
        &[unroll],
        STRAIGHTEN,
        REDUCE,
        &[("dse", dse::run)],
        FINISH,
    ])
}

/// The passes of `parts`, one part behind the other, `N` in all.
const fn list<const N: usize>(parts: &[&[Pass]]) -> [Pass; N] {
    let mut passes = [CLEAN[0]; N];
    let (mut part, mut at, mut next) = (0, 0, 0);
    while part < parts.len() {
        if at == parts[part].len() {
            (part, at) = (part + 1, 0);
            continue;
        }
        passes[next] = parts[part][at];
        (at, next) = (at + 1, next + 1);
    }
    assert!(next == N, "as many as were announced");
    passes
}

/// The passes of a tier, in order. Baseline has none.
#[must_use]
pub fn passes(tier: Tier) -> &'static [Pass] {
    match tier {
        Tier::Baseline => &[],
        Tier::O1 => O1,
        Tier::O2 => O2,
        Tier::O3 => O3,
    }
}

/// The names of a tier's passes, in order: what `stop_after` may be.
pub fn pass_names(tier: Tier) -> impl Iterator<Item = &'static str> {
    passes(tier).iter().map(|pass| pass.0)
}

/// How a pass list is run.
#[derive(Debug)]
pub struct Options<'o> {
    /// The passes.
    pub passes: &'o [Pass],
    /// What declarations mean; without it each function means itself.
    pub bindings: Option<&'o Bindings>,
    /// How many changes they may make.
    pub fuel: Fuel,
    /// Whether the verifier looks on: in debug builds, unless a test turns it off.
    pub verify: bool,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            passes: O1,
            bindings: None,
            fuel: Fuel::default(),
            verify: cfg!(debug_assertions),
        }
    }
}

/// What is told about a pass that has run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PassRun {
    /// Its name.
    pub pass: &'static str,
    /// How long it took, in the clock's unit.
    pub time: u64,
    /// Changes it made: units of fuel.
    pub changes: u64,
    /// Instructions afterwards.
    pub insts: usize,
}

/// What a run of a pass list gives.
#[derive(Debug)]
pub struct Outcome {
    /// The function.
    pub optimised: Optimised,
    /// The fuel that is left.
    pub fuel: Fuel,
    /// The passes that ran.
    pub runs: Vec<PassRun>,
}

/// Runs a pass list on the stored body of `func`. `now` is a clock; one that stands still will do.
///
/// # Errors
/// The function is too large or of a kind that the optimising tiers leave to baseline.
///
/// # Panics
/// With `options.verify`, when a pass left an invalid body: a bug of that pass, which is named.
pub fn run(
    module: &Module,
    func: FuncId,
    options: Options<'_>,
    now: &mut dyn FnMut() -> u64,
) -> Result<Outcome, Declined> {
    let Some(stored) = &module.func(func).body else {
        return Err(Declined::Unsupported(
            "a function without a body",
            InstId(0),
        ));
    };
    decline(module, func)?;
    let mut graph = Graph::new(module, func, stored, options.fuel)?;
    graph.bind(options.bindings);
    if options.verify {
        check(&graph, func, "the copy");
    }
    let mut runs = Vec::with_capacity(options.passes.len());
    for &(name, pass) in options.passes {
        let (before, used) = (now(), graph.fuel.used());
        graph.fuel.enter(name);
        pass(&mut graph);
        graph.settle();
        runs.push(PassRun {
            pass: name,
            time: now().wrapping_sub(before),
            changes: graph.fuel.used() - used,
            insts: graph.blocks().map(|block| graph.insts(block).len()).sum(),
        });
        if options.verify {
            check(&graph, func, name);
        }
    }
    Ok(Outcome {
        optimised: graph.to_body(),
        fuel: graph.fuel,
        runs,
    })
}

/// Panics if the graph does not stand for a valid body.
fn check(graph: &Graph<'_>, func: FuncId, after: &str) {
    let body = graph.to_body().body;
    if let Err(error) = verify::body(graph.module(), func, &body) {
        panic!("invalid after {after}: {error}");
    }
}

/// Whether the function can have no version above baseline, whatever the tier.
#[must_use]
pub fn stays_at_baseline(module: &Module, func: FuncId) -> bool {
    decline(module, func).is_err()
}

/// Functions that stay at baseline: one that calls a `returns_twice` function, as every value must
/// have a home of its own that survives the second return.
fn decline(module: &Module, func: FuncId) -> Result<(), Declined> {
    let Some(body) = &module.func(func).body else {
        return Ok(());
    };
    for (id, inst) in (0..).map(InstId).zip(&body.insts) {
        if matches!(inst.op, Op::Call | Op::CallIndirect)
            && returns_twice(module, inst, body.pool[inst.args[1] as usize + 1])
        {
            return Err(Declined::Unsupported("a call that returns twice", id));
        }
    }
    Ok(())
}

fn returns_twice(module: &Module, call: &Inst, attr_set: u32) -> bool {
    let twice = |attrs: FuncAttrs| attrs.has(FuncAttrs::RETURNS_TWICE);
    let set = module.attr_set(attr_set);
    let by_callee = call.op == Op::Call && twice(module.func(FuncId(call.args[0])).attrs);
    by_callee || set.is_some_and(|set| twice(set.func))
}

/// The passes of `tier` up to and including the one named, for tools.
///
/// # Errors
/// No pass of the tier has the name.
pub fn passes_until(tier: Tier, name: &str) -> Result<&'static [Pass], UnknownPass> {
    let all = passes(tier);
    match all.iter().position(|pass| pass.0 == name) {
        Some(at) => Ok(&all[..=at]),
        None => Err(UnknownPass(tier)),
    }
}

/// No pass of the tier has the name asked for; says which there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnknownPass(pub Tier);

impl fmt::Display for UnknownPass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no such pass; those of {} are", self.0)?;
        for name in pass_names(self.0) {
            write!(f, " {name}")?;
        }
        Ok(())
    }
}

impl core::error::Error for UnknownPass {}
