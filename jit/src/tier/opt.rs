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
use graph::Optimised;
use ir::{Body, InstId};
use passes::inline;
use pipeline::{Options, Pass};

/// Compiles `job` at O1, O2 or O3.
///
/// What the back end cannot compile must not spread through inlining: if it declines a body into
/// which others were copied, the function is compiled once more without them.
///
/// # Errors
/// The tier declined.
pub fn compile(job: &Job<'_>, tier: Tier) -> Result<Compiled, Declined> {
    let optimised = middle(job, tier)?;
    match finish(job, tier, optimised) {
        (Err(_), true) => {
            let passes = pipeline::passes(tier).iter().copied();
            let alone: Vec<Pass> = passes.filter(|pass| pass.0 != inline::NAME).collect();
            let outcome = run(job, &alone)?;
            finish(job, tier, outcome).0
        }
        (result, _) => result,
    }
}

/// The back end's part; and whether the body holds copies of others.
fn finish(job: &Job<'_>, tier: Tier, optimised: Optimised) -> (Result<Compiled, Declined>, bool) {
    let has_copies = !optimised.inlined.is_empty();
    let compiled = backend::compile(job, &optimised.body, tier).map(|mut compiled| {
        name_origins(&mut compiled.tables, optimised);
        compiled
    });
    (compiled, has_copies)
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

fn run(job: &Job<'_>, passes: &[Pass]) -> Result<Optimised, Declined> {
    let options = Options {
        passes,
        bindings: Some(job.bindings),
        ..Options::default()
    };
    let outcome = pipeline::run(job.module, job.func, options, &mut || 0)?;
    Ok(outcome.optimised)
}

/// What the back end starts from: the body of `job` after the passes of `tier`.
///
/// # Errors
/// The tier declined.
pub fn middle(job: &Job<'_>, tier: Tier) -> Result<Optimised, Declined> {
    run(job, pipeline::passes(tier))
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
    run(job, passes).map(|optimised| optimised.body)
}
