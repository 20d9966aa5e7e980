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
pub mod passes;
pub mod pipeline;
pub mod tree;

use super::{Compiled, Declined, Job, Tier};
use graph::Optimised;
use ir::{Body, InstId};
use pipeline::Options;

/// Compiles `job` at O1, O2 or O3.
///
/// # Errors
/// The tier declined.
pub fn compile(job: &Job<'_>, tier: Tier) -> Result<Compiled, Declined> {
    let optimised = middle(job, tier)?;
    let mut compiled = backend::compile(job, &optimised.body, tier)?;
    for (_, inst) in &mut compiled.tables.insts {
        *inst = optimised.origin[inst.index()];
    }
    Ok(compiled)
}

/// What the back end starts from: the body of `job` after the passes of `tier`.
///
/// # Errors
/// The tier declined.
pub fn middle(job: &Job<'_>, tier: Tier) -> Result<Optimised, Declined> {
    let options = Options {
        passes: pipeline::passes(tier),
        ..Options::default()
    };
    let outcome = pipeline::run(job.module, job.func, options, &mut || 0)?;
    Ok(outcome.optimised)
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
    let options = Options {
        passes,
        ..Options::default()
    };
    let outcome = pipeline::run(job.module, job.func, options, &mut || 0)?;
    Ok(outcome.optimised.body)
}
