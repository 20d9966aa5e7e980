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
//! sizes are bounded (`lower::MAX_INSTS` and the limits in `frame` and `emit`). Register allocation is given less
//! effort, or declined, where its work would be more than that: `MAX_GOOD`, `MAX_JOINS`, `MAX_LOOKS`.

mod emit;
mod frame;
mod lower;
mod regalloc;
mod vcode;

use crate::tier::{Compiled, Declined, Job, Tier};
use core::ops::Range;
use ir::Body;
use regalloc::Effort;
use vcode::VCode;

/// Bodies with more instructions get registers in a single pass: splitting and backtracking take
/// more than linear time.
const MAX_GOOD: usize = 1 << 16;

/// So do bodies whose joins are more work than this, by [`work_of_joins`]. The interpreter's loop of SQLite,
/// the worst among the real programs, comes to 700,000 with everything inlined.
const MAX_JOINS: u64 = 1 << 22;

/// The single pass looks at each value that lives anywhere for each way into a join. Bodies where that is more
/// often than this, a fifth of a second, are declined.
const MAX_LOOKS: u64 = 1 << 24;

/// Of which code the side tables say where it comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origins {
    /// Of what may fault: all that running needs.
    Faults,
    /// Of all: for listings.
    All,
}

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
    let timing = &mut Timing::default();
    compile_timed(job, body, tier, Origins::Faults, &mut || 0, timing)
}

/// As [`compile`]; adds to `timing` where the time of the clock `now` went.
pub(super) fn compile_timed(
    job: &Job<'_>,
    body: &Body,
    tier: Tier,
    origins: Origins,
    now: &mut dyn FnMut() -> u64,
    timing: &mut Timing,
) -> Result<Compiled, Declined> {
    let start = now();
    let code = lower::run(job, body)?;
    let lowered = now();
    let good =
        tier != Tier::Baseline && body.insts.len() <= MAX_GOOD && work_of_joins(&code) <= MAX_JOINS;
    let effort = if good { Effort::Good } else { Effort::Fast };
    if effort == Effort::Fast && looks_at_values(&code) > MAX_LOOKS {
        return Err(Declined::LimitExceeded("ways into joins times values"));
    }
    let allocation = regalloc::run(&code, effort)?;
    let allocated = now();
    let compiled = emit::run(job, &code, &allocation, origins);
    timing.lower += lowered.wrapping_sub(start);
    timing.regalloc += allocated.wrapping_sub(lowered);
    timing.emit += now().wrapping_sub(allocated);
    compiled
}

/// Ways into joins times values.
fn looks_at_values(code: &VCode) -> u64 {
    let preds = code.blocks.iter().map(|block| block.preds.len() as u64);
    let ways: u64 = preds.filter(|&preds| preds > 1).sum();
    ways * u64::from(code.num_vregs)
}

/// How much work the allocator has with parameters of blocks: it joins the ranges of each with those of all values
/// that come in, one after the other, which takes the square of their number; and where many values rotate in a
/// loop, each is in the way of all others. The weight is measured: 1,000 values that rotate take as long as
/// 4,000 that meet.
fn work_of_joins(code: &VCode) -> u64 {
    let len = |range: &Range<u32>| u64::from(range.end - range.start);
    let blocks = code.blocks.iter();
    let work = blocks.map(|block| {
        let (params, preds) = (len(&block.params), len(&block.preds));
        params * preds * preds + 16 * params * params
    });
    work.sum()
}
