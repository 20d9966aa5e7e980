//! The baseline tier: one pass from IR to code.

use super::{Compiled, Declined, Job};

/// Compiles `job` at the baseline tier.
///
/// # Errors
/// The tier declined.
pub fn compile(job: &Job<'_>) -> Result<Compiled, Declined> {
    let _ = job;
    Err(Declined::LimitExceeded(
        "the baseline tier is not built yet",
    ))
}
