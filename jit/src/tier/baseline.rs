//! The baseline tier: two passes from IR to code, for compile speed.
//!
//! ```text
//!   layout    blocks in an order in which every loop is one piece
//!   analysis  uses, liveness intervals, which allocas are mere variables
//!   assign    registers for values that live long, by weight
//!   emit      one walk over the instructions: code, side tables
//! ```
//!
//! The idea is that of TPDE (Schwarz, Kamm, Engelke, 2025) and of the baseline compilers of
//! browsers: no intermediate form, every IR instruction is turned into code as it is met, and the
//! register state is tracked on the way.
//!
//! # Invariants
//!
//! E1. While a value is live it is in its register, in its home, or can be made again; the tables
//!     of [`Emitter`] say which, for the point of the code that is being emitted.
//! E2. At a block's start the tables assume only what holds on every edge to it: fixed registers hold
//!     their values, everything else is in its home. Only a block with one predecessor, emitted
//!     directly behind it, inherits the scratch registers too.
//! E3. A value without a fixed register is stored at most once, at or before the end of its block (or of
//!     the chain of inherited ones), so "it is stored" holds wherever the definition dominates: for all uses.
//! E4. Registers written on an edge are fixed registers of the target's phis, or `r11` and `xmm15`, which
//!     hold nothing between instructions.
//!
//! # Bounds
//!
//! Both passes are linear in the body, but for sorting candidates and the cases of switches; nothing
//! recurses. What the tier does not do yet it declines by name.

mod aggregate;
mod analysis;
mod assign;
mod atomic;
mod block_copy;
mod branch;
mod call;
mod cast;
mod compare;
mod counting;
mod divide;
mod emit;
mod float;
mod float_intrinsic;
mod frame;
mod fused;
mod helper;
mod int;
mod int_intrinsic;
mod intrinsic;
mod lane_access;
mod lanes;
mod layout;
mod memory;
mod moves;
mod odd_memory;
mod operand;
mod overflow;
mod phi;
mod regs;
mod rounding;
mod shuffle;
mod switch;
mod value;
mod variable;
mod vector;
mod vector_cast;
mod vector_compare;
mod vector_intrinsic;
mod x87;

use super::{Compiled, Declined, Job};
use emit::Emitter;
use layout::Layout;

/// Compiles `job` at the baseline tier.
///
/// # Errors
/// The tier declined.
pub fn compile(job: &Job<'_>) -> Result<Compiled, Declined> {
    let Some(body) = &job.function().body else {
        return Err(Declined::LimitExceeded("a declaration has no code"));
    };
    let layout = Layout::new(body);
    let mut analysis = analysis::run(job, body, &layout)?;
    let assignment = assign::run(&mut analysis);
    let mut emitter = Emitter::new(job, body, &layout, analysis, assignment);
    emitter.prologue()?;
    emitter.blocks()?;
    emitter.finish()
}
