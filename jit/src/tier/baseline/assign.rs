//! Which values get a register for all their life.
//!
//! Only values that leave their block compete; the others live in scratch registers for a few
//! instructions. One scan over the candidates by start of interval (Poletto and Sarkar's linear scan),
//! except that the *lightest* interval loses when registers run out: weights grow with loop depth, so what an
//! inner loop uses keeps its register. Intervals may touch: a value may be defined in the register that
//! its operand frees in the same instruction.
//!
//! The five callee-saved registers serve every interval and cost a save and a restore when first used.
//! `r8`–`r10` and `xmm8`–`xmm14` serve intervals without a call strictly inside; elsewhere they are
//! scratch registers, so the code pass is told when each is *reserved*.

use super::analysis::{Analysis, Candidate};
use super::value::{Ix, NO_IX, Reg, Val};
use crate::weaken::{Weakness, is_left_out};
use alloc::vec::Vec;
use asm::{Gpr, Xmm};

/// Lost at calls; shared with the scratch set.
const VOLATILE_INTS: [Gpr; 3] = [Gpr::R8, Gpr::R9, Gpr::R10];
/// Kept by callees.
const SAVED: [Gpr; 5] = [Gpr::Rbx, Gpr::R12, Gpr::R13, Gpr::R14, Gpr::R15];
/// Lost at calls; shared with the scratch set.
const VECTORS: [Xmm; 7] = [
    Xmm::Xmm8,
    Xmm::Xmm9,
    Xmm::Xmm10,
    Xmm::Xmm11,
    Xmm::Xmm12,
    Xmm::Xmm13,
    Xmm::Xmm14,
];
/// A callee-saved register must save at least so many accesses to be worth saving.
const WORTH_SAVING: u32 = 4;

/// No instruction has this position.
const NO_CALL: u32 = u32::MAX;

/// From `start` to `end` the register belongs to one value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reservation {
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) reg: Reg,
}

/// Result of the scan; the registers themselves are in [`Val::fixed`].
#[derive(Debug, Default)]
pub(super) struct Assignment {
    /// Of the registers that are scratch elsewhere; ascending by start.
    pub(super) reserved: Vec<Reservation>,
    /// Callee-saved registers that are used, in the order in which they are saved.
    pub(super) saved: Vec<Gpr>,
}

/// A register during the scan.
#[derive(Clone, Copy)]
struct Slot {
    reg: Reg,
    /// Last position of the holder's interval.
    until: u32,
    holder: Ix,
    /// Had a holder.
    opened: bool,
}

impl Slot {
    fn new(reg: Reg) -> Self {
        Self {
            reg,
            until: 0,
            holder: NO_IX,
            opened: false,
        }
    }

    fn is_free(&self, start: u32) -> bool {
        self.holder == NO_IX || self.until <= start
    }
}

/// Chooses fixed registers.
pub(super) fn run(analysis: &mut Analysis) -> Assignment {
    if analysis.returns_twice {
        // Nothing lives in registers, but a jump back comes with the registers of wherever it was
        // made: all that callers rely on is in the frame and is fetched from there at the end.
        return Assignment {
            reserved: Vec::new(),
            saved: if is_left_out(Weakness::NothingSaved) {
                Vec::new()
            } else {
                SAVED.to_vec()
            },
        };
    }
    let volatile = VOLATILE_INTS.iter().map(|&r| Slot::new(Reg::of(r)));
    let saved = SAVED.iter().map(|&r| Slot::new(Reg::of(r)));
    let mut ints: Vec<Slot> = volatile.chain(saved).collect();
    let vectors = VECTORS.iter().map(|&r| Slot::new(Reg::of_xmm(r)));
    let mut vectors: Vec<Slot> = vectors.collect();
    let Analysis {
        vals,
        candidates,
        calls,
        params,
        ..
    } = analysis;
    for &candidate in &*candidates {
        let val = vals[candidate.ix as usize];
        let variable = !val.has(Val::ALLOCA) || val.is_variable();
        if val.more != 0 || val.uses == 0 || !variable {
            continue;
        }
        let (slots, volatile) = if val.part.is_int() {
            (&mut ints, VOLATILE_INTS.len())
        } else {
            (&mut vectors, VECTORS.len())
        };
        // Its own result is all that a call at the definition does to a value; parameters and variables
        // are there before the instruction at their start.
        let own = if candidate.ix < *params {
            NO_CALL
        } else {
            val.def
        };
        let slots = if crosses_call(calls, candidate.start, val.end, own) {
            &mut slots[volatile..]
        } else {
            slots
        };
        place(vals, slots, candidate);
    }
    collect(vals, candidates)
}

/// Whether a call other than the one at `own` lies between `start` and `end`.
fn crosses_call(calls: &[u32], start: u32, end: u32, own: u32) -> bool {
    let first = calls.partition_point(|&call| call < start);
    calls[first..]
        .iter()
        .take_while(|&&call| call < end)
        .any(|&call| call != own)
}

/// Puts a candidate into one of `slots`, if it is worth it.
fn place(vals: &mut [Val], slots: &mut [Slot], candidate: Candidate) {
    let val = vals[candidate.ix as usize];
    let hint = if val.has(Val::HINTED) {
        vals[val.extra as usize].fixed
    } else {
        Reg::NONE
    };
    let hinted = |slot: &&mut Slot| slot.reg == hint && slot.is_free(candidate.start);
    let mut found = slots.iter_mut().find(hinted);
    if !val.has(Val::CROSS) && found.is_none() {
        return;
    }
    if found.is_none() {
        let worth = val.weight >= WORTH_SAVING;
        found = slots.iter_mut().find(|slot| {
            slot.is_free(candidate.start) && (worth || slot.opened || !is_saved(slot.reg))
        });
    }
    let found = match found {
        Some(slot) => slot,
        None => {
            let weight = |slot: &Slot| match vals.get(slot.holder as usize) {
                Some(holder) => holder.weight,
                None => u32::MAX,
            };
            let Some(slot) = slots.iter_mut().min_by_key(|slot| weight(slot)) else {
                return;
            };
            if weight(slot) >= val.weight || slot.is_free(candidate.start) {
                return;
            }
            vals[slot.holder as usize].fixed = Reg::NONE;
            slot
        }
    };
    found.opened = true;
    found.holder = candidate.ix;
    found.until = val.end;
    vals[candidate.ix as usize].fixed = found.reg;
}

/// Whether callees keep the register.
fn is_saved(reg: Reg) -> bool {
    reg.0 < 16 && SAVED.contains(&reg.gpr())
}

/// Lists what the chosen registers mean for the rest of the code.
fn collect(vals: &[Val], candidates: &[Candidate]) -> Assignment {
    let mut assignment = Assignment::default();
    for candidate in candidates {
        let val = vals[candidate.ix as usize];
        let reg = val.fixed;
        if !reg.is_some() {
            continue;
        }
        if is_saved(reg) {
            if !assignment.saved.contains(&reg.gpr()) {
                assignment.saved.push(reg.gpr());
            }
        } else {
            assignment.reserved.push(Reservation {
                start: candidate.start,
                end: val.end,
                reg,
            });
        }
    }
    assignment
}
