//! The optimising tiers: one pipeline, a pass list a level.
//!
//! ```text
//!   stored Body ─ pipeline (graph, passes) ─► Optimised ─ backend ─► Compiled
//! ```
//!
//! The middle end turns a body into a body, so that everything that judges bodies judges it too:
//! verifier, text, interpreter. It names no register and no instruction of the machine.

pub mod backend;
pub mod fuel;
pub mod graph;
pub mod memory;
pub mod passes;
pub mod pipeline;
pub mod tree;

use super::{Compiled, Declined, Job, SideTables, Tier};
use alloc::vec::Vec;
use backend::Origins;
use graph::Optimised;
use ir::{Body, InstId};
use passes::inline;
use pipeline::{Options, Pass, PassRun};

/// What a compilation spent its time on, in the unit of the clock that was handed in.
#[derive(Debug, Default)]
pub struct Timing {
    /// The passes in the order in which they ran.
    pub passes: Vec<PassRun>,
    /// The back end's steps.
    pub back_end: backend::Timing,
}

/// Compiles `job` at O1, O2 or O3.
///
/// What the back end cannot compile must not spread through inlining: if it declines a body into
/// which others were copied, the function is compiled once more without them.
///
/// # Errors
/// The tier declined.
pub fn compile(job: &Job<'_>, tier: Tier) -> Result<Compiled, Declined> {
    compile_timed(job, tier, &mut || 0, &mut Timing::default())
}

/// As [`compile`], for listings: the side tables say of all code where it comes from.
///
/// # Errors
/// The tier declined.
pub fn compile_listed(job: &Job<'_>, tier: Tier) -> Result<Compiled, Declined> {
    let timing = &mut Timing::default();
    compile_with(job, tier, Origins::All, &mut || 0, timing)
}

/// As [`compile`], for tools: adds to `timing` where the time of the clock `now` went.
///
/// # Errors
/// The tier declined.
pub fn compile_timed(
    job: &Job<'_>,
    tier: Tier,
    now: &mut dyn FnMut() -> u64,
    timing: &mut Timing,
) -> Result<Compiled, Declined> {
    compile_with(job, tier, Origins::Faults, now, timing)
}

fn compile_with(
    job: &Job<'_>,
    tier: Tier,
    origins: Origins,
    now: &mut dyn FnMut() -> u64,
    timing: &mut Timing,
) -> Result<Compiled, Declined> {
    let optimised = run(job, pipeline::passes(tier), now, timing)?;
    let has_copies = !optimised.inlined.is_empty();
    let compiled = finish(job, tier, optimised, origins, now, timing);
    if compiled.is_ok() || !has_copies {
        return compiled;
    }
    let passes = pipeline::passes(tier).iter().copied();
    let alone: Vec<Pass> = passes.filter(|pass| pass.0 != inline::NAME).collect();
    let optimised = run(job, &alone, now, timing)?;
    finish(job, tier, optimised, origins, now, timing)
}

/// The back end's part.
fn finish(
    job: &Job<'_>,
    tier: Tier,
    optimised: Optimised,
    origins: Origins,
    now: &mut dyn FnMut() -> u64,
    timing: &mut Timing,
) -> Result<Compiled, Declined> {
    let back_end = &mut timing.back_end;
    let body = &optimised.body;
    let mut compiled = backend::compile_timed(job, body, tier, origins, now, back_end)?;
    name_origins(&mut compiled.tables, optimised);
    Ok(compiled)
}

/// Makes side tables that name instructions of the optimised body name those of stored ones.
fn name_origins(tables: &mut SideTables, optimised: Optimised) {
    let mut copy = 0;
    for (offset, inst) in &mut tables.insts {
        let origin = optimised.origin[inst.index()];
        *inst = origin.inst;
        if origin.copy != copy {
            copy = origin.copy;
            tables.copies.push((*offset, copy));
        }
    }
    tables.inlined = optimised.inlined;
}

fn run(
    job: &Job<'_>,
    passes: &[Pass],
    now: &mut dyn FnMut() -> u64,
    timing: &mut Timing,
) -> Result<Optimised, Declined> {
    let options = Options {
        passes,
        bindings: Some(job.bindings),
        ..Options::default()
    };
    let outcome = pipeline::run(job.module, job.func, options, now)?;
    timing.passes.extend(outcome.runs);
    Ok(outcome.optimised)
}

/// The body of `job` after `passes`.
fn untimed(job: &Job<'_>, passes: &[Pass]) -> Result<Optimised, Declined> {
    run(job, passes, &mut || 0, &mut Timing::default())
}

/// What the back end starts from: the body of `job` after the passes of `tier`.
///
/// # Errors
/// The tier declined.
pub fn middle(job: &Job<'_>, tier: Tier) -> Result<Optimised, Declined> {
    untimed(job, pipeline::passes(tier))
}

/// The body of `job` after the passes of `tier`, up to and including the one named `stop_after`:
/// for tools. [`pipeline::passes_until`] checks a name and says which there are.
///
/// # Errors
/// The tier declined, or it has no pass of that name.
pub fn optimise(job: &Job<'_>, tier: Tier, stop_after: Option<&str>) -> Result<Body, Declined> {
    let passes = match stop_after {
        None => pipeline::passes(tier),
        Some(name) => pipeline::passes_until(tier, name)
            .map_err(|_| Declined::Unsupported("stopping after a pass of this name", InstId(0)))?,
    };
    untimed(job, passes).map(|optimised| optimised.body)
}
