//! Counters' cold code, and what is live where a counter of a loop may trip.
//!
//! A call counter trips in the prologue, a loop's counter on an edge back to its header; both are
//! answered by code behind the function, which calls the count gate and goes on where it left off. The
//! cold code of a loop stores every live value that has a register of its own to its home first:
//! then all that lives at the header lies in the frame, as the side tables say, whatever the gate
//! does with it. A static alloca is listed with the offset of the object itself; one that is a variable
//! in a register has its content stored there.
//!
//! A value is listed once, at the first header at which it lives: from there to the end of its interval it
//! lives at every header, and its home stays. So the list is no longer than the values are many, however
//! deep loops nest, and what is done at a header is bounded by the number of registers.

use super::analysis::Candidate;
use super::emit::Emitter;
use super::layout::Layout;
use super::value::{Ix, Reg, Val};
use crate::abi;
use crate::tier::{LiveHome, LoopPoint};
use alloc::vec::Vec;
use asm::{Label, Mem};
use core::ops::Range;
use ir::{BlockId, InstId, Op, Value};

/// Code that runs rarely, emitted behind the rest.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cold {
    /// The call counter tripped.
    Entry { label: Label, back: Label },
    /// The loop counter tripped at the header of this loop.
    Loop {
        label: Label,
        header: BlockId,
        number: u32,
        /// The point in the side tables.
        point: u32,
        /// First and last (exclusive) of the stores.
        stores: (u32, u32),
    },
}

/// A walk over the candidates in step with the code: which of them live from block to block.
#[derive(Debug)]
pub(super) struct Lives {
    /// Ascending by where they begin to live.
    candidates: Vec<Candidate>,
    /// The first that has not begun.
    next: usize,
    /// Those that have begun, have a register, and lived at the last header.
    in_registers: Vec<Ix>,
    /// What the cold code of loops stores: to which home, from where, what.
    stores: Vec<(i32, Reg, abi::Part)>,
}

impl Lives {
    /// The walk over `candidates`, which ascend by start. If the layout is irreducible, a register belongs to
    /// its value from the function's beginning on, but the value itself begins where it is defined.
    pub(super) fn new(mut candidates: Vec<Candidate>, vals: &[Val], layout: &Layout) -> Self {
        if layout.irreducible {
            for candidate in &mut candidates {
                let val = &vals[candidate.ix as usize];
                if !val.has(Val::ALLOCA) {
                    candidate.start = val.def;
                }
            }
            candidates.sort_unstable_by_key(Candidate::order);
        }
        Self {
            candidates,
            next: 0,
            in_registers: Vec::with_capacity(16 * layout.loops.len().min(1)),
            stores: Vec::with_capacity(8 * layout.loops.len()),
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
        self.begin_lives(id, range.start);
        let stores = self.note_stores(range.start);
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
            at: range.start,
        });
        self.cold.push(Cold::Loop {
            label,
            header: id,
            number: range.number,
            point,
            stores: (stores.start as u32, stores.end as u32),
        });
    }

    /// Lists the values that have begun to live since the last header and live where `header` begins, at
    /// position `start`; its phis are among them.
    fn begin_lives(&mut self, header: BlockId, start: u32) {
        let phis = self.leading_phis(header);
        while let Some(&candidate) = self.lives.candidates.get(self.lives.next) {
            let ix = candidate.ix;
            let val = &self.vals[ix as usize];
            // A variable may begin with the loop. It comes before a value that is defined by the loop's first
            // instruction and is no phi, because allocas have lower numbers.
            let begun =
                candidate.start < start + phis || val.has(Val::ALLOCA) && candidate.start == start;
            if !begun {
                return;
            }
            self.lives.next += 1;
            if val.end >= start && val.has(Val::USED) {
                if val.fixed.is_some() {
                    self.lives.in_registers.push(ix);
                }
                self.list_homes(ix, start);
            }
        }
    }

    /// Notes what the cold code of the loop at position `start` stores; where in the list that is.
    fn note_stores(&mut self, start: u32) -> Range<usize> {
        let (lives, vals) = (&mut self.lives, &self.vals);
        let first = lives.stores.len();
        lives.in_registers.retain(|&ix| {
            let val = &vals[ix as usize];
            let lives_on = val.end >= start;
            if lives_on {
                lives.stores.push((val.home, val.fixed, val.part));
            }
            lives_on
        });
        first..lives.stores.len()
    }

    fn leading_phis(&self, id: BlockId) -> u32 {
        let insts = self.body.block(id).insts();
        insts
            .take_while(|&at| self.body.inst(at).op == Op::Phi)
            .count() as u32
    }

    /// Lists the homes of the parts of `ix` from position `first` on.
    fn list_homes(&mut self, ix: Ix, first: u32) {
        let value = match ix.checked_sub(self.params) {
            None => Value::arg(ix),
            Some(id) => Value::inst(InstId(id)),
        };
        let Val { more, end, .. } = self.vals[ix as usize];
        for number in 0..=more {
            let part = self.part_ix(ix, u32::from(number));
            let offset = self.home_of(part);
            self.tables.homes.push(LiveHome {
                value,
                part: number,
                kind: self.vals[part as usize].part,
                offset,
                first,
                last: end,
            });
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
                stores,
            } => {
                self.asm.bind(label);
                self.tables.loops[point as usize].cold = self.asm.offset().0;
                for at in stores.0..stores.1 {
                    let (home, reg, part) = self.lives.stores[at as usize];
                    self.spill(home, reg, part);
                }
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
