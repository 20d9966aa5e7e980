//! The optimising tiers: one pipeline, a pass list a level.

use super::{Compiled, Declined, Job, Tier};

/// Compiles `job` at O1, O2 or O3.
///
/// # Errors
/// The tier declined.
pub fn compile(job: &Job<'_>, tier: Tier) -> Result<Compiled, Declined> {
    let _ = (job, tier);
    Err(Declined::LimitExceeded(
        "the optimising tiers are not built yet",
    ))
}
