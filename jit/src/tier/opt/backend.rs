//! The back end of the optimising tiers: from an IR body to machine code.
//!
//! ```text
//!   lower      IR -> machine code with virtual registers: instruction selection   (vcode, lower/)
//!   regalloc   virtual registers -> registers and spill slots, by regalloc2       (regalloc)
//!   frame      spill slots, allocas, saved registers -> offsets                   (frame)
//!   emit       bytes, side tables                                                 (emit/)
//! ```
//!
//! It compiles any verified body; what it does not support yet it declines by name, before any code is
//! emitted. All steps are linear in the body but for register allocation and the sorting of switch cases;
//! sizes are bounded (`lower::MAX_INSTS` and the limits in `frame` and `emit`).

mod emit;
mod frame;
mod lower;
mod regalloc;
mod vcode;

use crate::tier::{Compiled, Declined, Job, Tier};
use ir::Body;
use regalloc::Effort;

/// Bodies with more instructions get registers in a single pass: splitting and backtracking take
/// more than linear time.
const MAX_GOOD: usize = 1 << 16;

/// What the steps took, in the unit of the clock that was handed in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// Instruction selection.
    pub lower: u64,
    /// Register allocation.
    pub regalloc: u64,
    /// Frame, bytes, side tables.
    pub emit: u64,
}

/// Compiles `body`, a version of the job's function, for `tier`. Instructions and blocks in the side
/// tables are the body's. For `Tier::Baseline` registers are allocated in a single pass.
///
/// # Errors
/// The body is too large or uses something that is not supported yet.
pub fn compile(job: &Job<'_>, body: &Body, tier: Tier) -> Result<Compiled, Declined> {
    compile_timed(job, body, tier, &mut || 0, &mut Timing::default())
}

/// As [`compile`]; adds to `timing` where the time of the clock `now` went.
pub(super) fn compile_timed(
    job: &Job<'_>,
    body: &Body,
    tier: Tier,
    now: &mut dyn FnMut() -> u64,
    timing: &mut Timing,
) -> Result<Compiled, Declined> {
    let effort = match tier {
        Tier::O1 | Tier::O2 | Tier::O3 if body.insts.len() <= MAX_GOOD => Effort::Good,
        _ => Effort::Fast,
    };
    let start = now();
    let code = lower::run(job, body)?;
    let lowered = now();
    let allocation = regalloc::run(&code, effort)?;
    let allocated = now();
    let compiled = emit::run(job, &code, &allocation);
    timing.lower += lowered.wrapping_sub(start);
    timing.regalloc += allocated.wrapping_sub(lowered);
    timing.emit += now().wrapping_sub(allocated);
    compiled
}
