//! Counters' cold code, and what is live where a counter of a loop may trip.
//!
//! A call counter trips in the prologue, a loop's counter on an edge back to its header; both are
//! answered by code behind the function, which calls the count gate and goes on where it left off. The
//! cold code of a loop stores every live value that has a register of its own to its home first:
//! then all that lives at the header lies in the frame, as the side tables say, whatever the gate
//! does with it. A static alloca is listed with the offset of the object itself; one that is a variable
//! in a register has its content stored there.

use super::analysis::Candidate;
use super::emit::Emitter;
use super::value::{Ix, Val};
use crate::abi;
use crate::tier::LoopPoint;
use alloc::vec::Vec;
use asm::{Label, Mem};
use ir::{BlockId, InstId, Op, Value};

/// A value, the number of its part, what that is, and where it lies.
type LiveHome = (Value, u8, abi::Part, i32);

/// More live values at loop headers than this, all together, are not listed.
pub(super) const MAX_LOOP_HOMES: usize = 1 << 20;

/// Code that runs rarely, emitted behind the rest.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cold {
    /// The call counter tripped.
    Entry { label: Label, back: Label },
    /// The loop counter tripped at the header of this loop; the point is in the side tables.
    Loop {
        label: Label,
        header: BlockId,
        number: u32,
        point: u32,
    },
}

/// A walk over the candidates in step with the code: which of them live from block to block.
#[derive(Debug)]
pub(super) struct Lives {
    /// Ascending by start.
    candidates: Vec<Candidate>,
    /// The first that has not begun.
    next: usize,
    live: Vec<Ix>,
    /// Homes listed so far.
    pub(super) listed: usize,
}

impl Lives {
    pub(super) fn new(candidates: Vec<Candidate>) -> Self {
        Self {
            candidates,
            next: 0,
            live: Vec::new(),
            listed: 0,
        }
    }
}

impl Emitter<'_> {
    /// If `id` is a loop header, notes what lives there.
    pub(super) fn begin_loop(&mut self, id: BlockId) {
        let Some(range) = self.layout.loop_at(id) else {
            return;
        };
        if !self.job.counting {
            return;
        }
        let homes = self.live_homes(id, range.start);
        let inner = self.layout.place(id).inner as usize;
        let label = match self.cold_loops[inner] {
            Some(label) => label,
            None => self.asm.label(),
        };
        self.cold_loops[inner] = Some(label);
        let point = self.tables.loops.len() as u32;
        self.tables.loops.push(LoopPoint {
            header: id,
            cold: 0,
            homes,
        });
        self.cold.push(Cold::Loop {
            label,
            header: id,
            number: range.number,
            point,
        });
    }

    /// Homes of the values that live where `header` begins, at position `start`. None once the limit is
    /// reached: so the work is bounded by what is listed.
    fn live_homes(&mut self, header: BlockId, start: u32) -> Vec<LiveHome> {
        let phis = self.leading_phis(header);
        let lives = &mut self.lives;
        if lives.listed > MAX_LOOP_HOMES {
            return Vec::new();
        }
        let rest = &lives.candidates[lives.next..];
        let begun = rest.partition_point(|candidate| candidate.start < start);
        let begin = |candidate: &Candidate| candidate.ix;
        lives.live.extend(rest[..begun].iter().map(begin));
        lives.next += begun;
        let vals = &self.vals;
        lives.live.retain(|&ix| vals[ix as usize].end >= start);
        let own = rest[begun..]
            .iter()
            .take_while(|c| c.start < start + phis.max(1));
        let kept = lives.live.len();
        lives.live.extend(own.map(begin));
        lives.listed += lives.live.len();
        let first_phi = self.params + self.body.block(header).start;
        let own_phis = first_phi..first_phi + phis;
        let mut homes = Vec::with_capacity(self.lives.live.len());
        for at in 0..self.lives.live.len() {
            let ix = self.lives.live[at];
            let val = &self.vals[ix as usize];
            let defined = val.has(Val::ALLOCA) || val.def < start || own_phis.contains(&ix);
            if defined && val.has(Val::USED) {
                self.list_homes(ix, &mut homes);
            }
        }
        self.lives.live.truncate(kept);
        homes
    }

    fn leading_phis(&self, id: BlockId) -> u32 {
        let insts = self.body.block(id).insts();
        insts
            .take_while(|&at| self.body.inst(at).op == Op::Phi)
            .count() as u32
    }

    /// Appends the homes of the parts of `ix`.
    fn list_homes(&mut self, ix: Ix, homes: &mut Vec<LiveHome>) {
        let value = match ix.checked_sub(self.params) {
            None => Value::arg(ix),
            Some(id) => Value::inst(InstId(id)),
        };
        for number in 0..=self.vals[ix as usize].more {
            let part = self.part_ix(ix, u32::from(number));
            let home = self.home_of(part);
            homes.push((value, number, self.vals[part as usize].part, home));
        }
    }

    pub(super) fn cold(&mut self, cold: Cold) {
        let func = 2 * self.instance_func();
        match cold {
            Cold::Entry { label, back } => {
                self.asm.bind(label);
                self.call_count_gate(func, 0);
                self.asm.jmp(back);
            }
            Cold::Loop {
                label,
                header,
                number,
                point,
            } => {
                self.asm.bind(label);
                let cold = self.asm.offset().0;
                let point = point as usize;
                let homes = core::mem::take(&mut self.tables.loops[point].homes);
                for &(value, _, part, home) in &homes {
                    let fixed = self.index(value).map(|ix| self.vals[ix as usize].fixed);
                    if let Some(reg) = fixed.filter(|reg| reg.is_some()) {
                        self.spill(home, reg, part);
                    }
                }
                let point = &mut self.tables.loops[point];
                point.cold = cold;
                point.homes = homes;
                self.call_count_gate(func + 1, number);
                self.asm.jmp(self.labels[header.index()]);
            }
        }
    }

    fn call_count_gate(&mut self, func: u32, number: u32) {
        self.asm.push_i(number as i32);
        self.asm.push_i(func as i32);
        let slot = abi::slot_address(abi::SLOT_COUNT);
        self.asm.call_rm(Mem::abs(slot as i32));
        let after = self.asm.offset().0;
        self.tables.returns.push(after);
    }
}
