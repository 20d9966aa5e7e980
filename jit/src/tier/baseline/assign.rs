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
use smallvec::SmallVec;

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
#[derive(Debug)]
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
    /// Whether callees keep the register.
    saved: bool,
    /// Had a holder.
    opened: bool,
    /// Last position of the holder's interval.
    until: u32,
    /// The holder, and its weight.
    holder: Ix,
    weight: u32,
}

impl Slot {
    fn new(reg: Reg, saved: bool) -> Self {
        Self {
            reg,
            saved,
            opened: false,
            until: 0,
            holder: NO_IX,
            weight: 0,
        }
    }

    /// Whether there is no holder any more at `start`.
    fn is_free(&self, start: u32) -> bool {
        self.until <= start
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
    let volatile = VOLATILE_INTS.map(|reg| Slot::new(Reg::of(reg), false));
    let saved = SAVED.map(|reg| Slot::new(Reg::of(reg), true));
    let mut ints: SmallVec<[Slot; 8]> = volatile.into_iter().chain(saved).collect();
    let mut vectors = VECTORS.map(|reg| Slot::new(Reg::of_xmm(reg), false));
    let Analysis {
        vals,
        candidates,
        calls,
        params,
        ..
    } = analysis;
    let mut calls = calls.as_slice();
    for &candidate in &*candidates {
        while let [call, later @ ..] = calls
            && *call < candidate.start
        {
            calls = later;
        }
        let val = &vals[candidate.ix as usize];
        let variable = !val.has(Val::ALLOCA) || val.is_variable();
        if val.more != 0 || val.uses == 0 || !variable {
            continue;
        }
        let (slots, volatile) = if val.part.is_int() {
            (ints.as_mut_slice(), VOLATILE_INTS.len())
        } else {
            (vectors.as_mut_slice(), VECTORS.len())
        };
        // Its own result is all that a call at the definition does to a value; parameters and variables
        // are there before the instruction at their start.
        let own = if candidate.ix < *params {
            NO_CALL
        } else {
            val.def
        };
        let slots = if crosses_call(calls, val.end, own) {
            &mut slots[volatile..]
        } else {
            slots
        };
        place(vals, slots, candidate);
    }
    collect(vals, candidates)
}

/// Whether one of `calls`, which ascend, other than the one at `own` lies before `end`.
fn crosses_call(calls: &[u32], end: u32, own: u32) -> bool {
    let mut before_end = calls.iter().take_while(|&&call| call < end);
    before_end.any(|&call| call != own)
}

/// Puts a candidate into one of `slots`, if it is worth it: the hinted one, or else the first that is free, or
/// else that of the lightest holder.
fn place(vals: &mut [Val], slots: &mut [Slot], candidate: Candidate) {
    let val = vals[candidate.ix as usize];
    let hint = if val.has(Val::HINTED) {
        vals[val.extra as usize].fixed
    } else {
        Reg::NONE
    };
    let worth = val.weight >= WORTH_SAVING;
    let (mut hinted, mut free, mut lightest) = (None, None, None);
    let mut weight = val.weight;
    for (at, slot) in slots.iter().enumerate() {
        if !slot.is_free(candidate.start) {
            if slot.weight < weight {
                weight = slot.weight;
                lightest = Some(at);
            }
        } else if slot.reg == hint {
            hinted = Some(at);
            break;
        } else if free.is_none() && (worth || slot.opened || !slot.saved) {
            free = Some(at);
            if hint == Reg::NONE {
                break;
            }
        }
    }
    let elsewhere = free.or(lightest).filter(|_| val.has(Val::CROSS));
    let Some(slot) = hinted.or(elsewhere).map(|at| &mut slots[at]) else {
        return;
    };
    if !slot.is_free(candidate.start) {
        vals[slot.holder as usize].fixed = Reg::NONE;
    }
    slot.opened = true;
    slot.holder = candidate.ix;
    slot.until = val.end;
    slot.weight = val.weight;
    vals[candidate.ix as usize].fixed = slot.reg;
}

/// Whether callees keep the register.
fn is_saved(reg: Reg) -> bool {
    const SET: u32 = {
        let (mut set, mut at) = (0, 0);
        while at < SAVED.len() {
            set |= 1 << SAVED[at].number();
            at += 1;
        }
        set
    };
    reg.bit() & SET != 0
}

/// Lists what the chosen registers mean for the rest of the code.
fn collect(vals: &[Val], candidates: &[Candidate]) -> Assignment {
    let mut assignment = Assignment {
        reserved: Vec::with_capacity(candidates.len()),
        saved: Vec::with_capacity(SAVED.len()),
    };
    for candidate in candidates {
        let val = &vals[candidate.ix as usize];
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
