//! Emission: bytes from allocated machine code.
//!
//! ```text
//!   layout     the order of blocks, what is skipped, which jumps are short
//!   blocks     the allocator's moves and the instructions (`inst`), jumps where control does not fall through
//!   cold       what counters do when they trip
//! ```

mod branch;
mod dispatch;
mod fault;
mod float;
mod inst;
mod layout;
mod vector;

use super::Origins;
use super::frame::Frame;
use super::regalloc::{Allocation, Loc};
use super::vcode::VCode;
use crate::abi;
use crate::tier::{Compiled, Declined, Job, LiveHome, LoopPoint, Reloc, SideTables};
use alloc::vec;
use alloc::vec::Vec;
use asm::{CodeBuffer, Cond, Enc, Gpr, Label, Mem, Size, Unary, VecLoad, VecStore};
use ir::InstId;
use layout::Layout;

/// Larger code than this, in bytes, is declined.
const MAX_CODE: u32 = 16 << 20;
/// Loop headers start at a multiple of this.
const LOOP_ALIGN: u32 = 16;

/// The block being emitted: its number and its place in the order.
#[derive(Clone, Copy, Debug)]
struct Here {
    number: u32,
    place: u32,
}

/// Code that runs when a counter trips.
#[derive(Debug)]
struct Cold {
    label: Label,
    back: Label,
    /// `function * 2 + kind` for the gate.
    what: u32,
    /// The loop's number.
    number: u32,
    /// Of a loop: its place in the side table, and what goes from registers to homes first.
    point: Option<(usize, Vec<Loc>)>,
}

/// Everything that is known while code is emitted.
#[derive(Debug)]
struct Emit<'a> {
    code: &'a VCode,
    allocation: &'a Allocation,
    frame: Frame,
    asm: CodeBuffer,
    enc: Enc,
    labels: Vec<Label>,
    layout: Layout,
    constants: Vec<Option<Label>>,
    tables: SideTables,
    cold: Vec<Cold>,
    /// By loop: its cold code.
    cold_loops: Vec<Label>,
    func: u32,
    origins: Origins,
}

/// Emits `code` with the locations of `allocation`.
///
/// # Errors
/// The code or its frame is too large.
pub(super) fn run(
    job: &Job<'_>,
    code: &VCode,
    allocation: &Allocation,
    origins: Origins,
) -> Result<Compiled, Declined> {
    let frame = Frame::new(code, allocation)?;
    let mut asm = CodeBuffer::with_limit(MAX_CODE);
    let labels = code.blocks.iter().map(|_| asm.label()).collect();
    let cold_loops = code.loops.iter().map(|_| asm.label()).collect();
    let mut emit = Emit {
        code,
        allocation,
        frame,
        asm,
        enc: if job.cpu.avx {
            Enc::Vex128
        } else {
            Enc::Legacy
        },
        labels,
        layout: Layout::new(code, allocation),
        constants: vec![None; code.constants.len()],
        tables: SideTables::default(),
        cold: Vec::new(),
        cold_loops,
        func: job.bindings.funcs[job.func.index()],
        origins,
    };
    emit.prologue(job.counting);
    emit.blocks();
    emit.cold_code();
    emit.finish()
}

impl Emit<'_> {
    fn prologue(&mut self, counting: bool) {
        self.frame.enter(&mut self.asm);
        if counting {
            let counter = abi::gs::calls(self.func);
            let label = self.asm.label();
            self.count(counter, label);
            let back = self.asm.here();
            self.cold.push(Cold {
                label,
                back,
                what: 2 * self.func,
                number: 0,
                point: None,
            });
        }
    }

    /// Counts down; when the counter trips, the code at `cold` calls the gate.
    fn count(&mut self, counter: u32, cold: Label) {
        self.asm
            .unary(Unary::Dec, Size::B32, Mem::gs(counter as i32));
        self.asm.jcc(Cond::S, cold);
    }

    fn blocks(&mut self) {
        for at in 0..self.layout.order.len() as u32 {
            self.block(at);
            if self.asm.overflowed() {
                return;
            }
        }
    }

    /// Emits the block at position `place` of the order.
    fn block(&mut self, place: u32) {
        let number = self.layout.order[place as usize];
        if self.layout.is_aligned(place) {
            self.asm.align(LOOP_ALIGN);
        }
        self.asm.bind(self.labels[number as usize]);
        let insts = self.code.blocks[number as usize].insts.clone();
        let mut edit = self.allocation.first_move(insts.start);
        for inst in insts {
            edit = self.moves(edit, inst, false);
            self.inst(Here { number, place }, inst);
            edit = self.moves(edit, inst, true);
        }
    }

    /// Emits the moves before or after `inst`, the first of which is number `edit`.
    fn moves(&mut self, mut edit: usize, inst: u32, after: bool) -> usize {
        while let Some((from, to)) = self.allocation.move_at(edit, inst, after) {
            self.move_value(from, to);
            edit += 1;
        }
        edit
    }

    /// One of the allocator's moves. It leaves the flags alone (V3).
    fn move_value(&mut self, from: Loc, to: Loc) {
        match (from, to) {
            (Loc::Gpr(from), Loc::Gpr(to)) => {
                if from != to {
                    self.asm.mov(Size::B64, to, from);
                }
            }
            (Loc::Slot(slot), Loc::Gpr(to)) => {
                let slot = self.frame.slot(slot);
                self.asm.mov(Size::B64, to, slot);
            }
            (Loc::Gpr(_) | Loc::Xmm(_), Loc::Slot(slot)) => {
                let slot = self.frame.slot(slot);
                self.store_value(from, slot);
            }
            (Loc::Xmm(from), Loc::Xmm(to)) => {
                if from != to {
                    self.asm.vec_mov(self.wide(), to, from);
                }
            }
            (Loc::Slot(slot), Loc::Xmm(to)) => {
                let op = if self.code.vector_bytes == 8 {
                    VecLoad::MOVSD
                } else {
                    VecLoad::MOVUPS
                };
                self.asm
                    .vec_load(self.wide(), op, to, self.frame.slot(slot));
            }
            _ => unreachable!("the allocator moves neither between classes nor between slots"),
        }
    }

    /// Stores all of a register that can matter.
    fn store_value(&mut self, from: Loc, to: Mem) {
        match from {
            Loc::Gpr(from) => self.asm.mov_mr(Size::B64, to, from),
            Loc::Xmm(from) => {
                let narrow = self.code.vector_bytes == 8;
                let op = if narrow {
                    VecStore::MOVSD
                } else {
                    VecStore::MOVUPS
                };
                self.asm.vec_store(self.wide(), op, to, from);
            }
            Loc::Slot(_) => {}
        }
    }

    /// Encoding of moves of whole values.
    fn wide(&self) -> Enc {
        if self.code.vector_bytes == 32 {
            Enc::Vex256
        } else {
            self.enc
        }
    }

    /// Notes that code from here on comes from `origin`.
    fn note(&mut self, origin: InstId) {
        let here = self.asm.offset().0;
        match self.tables.insts.last_mut() {
            Some(last) if last.1 == origin => {}
            Some(last) if last.0 == here => last.1 = origin,
            _ => self.tables.insts.push((here, origin)),
        }
    }

    /// A constant's place in rodata.
    fn constant(&mut self, number: usize) -> Label {
        if let Some(label) = self.constants[number] {
            return label;
        }
        let (halves, size) = self.code.constants[number];
        let mut bytes = [0; 32];
        for (place, half) in bytes.chunks_exact_mut(16).zip(halves) {
            place.copy_from_slice(&half.to_le_bytes());
        }
        let size = usize::from(size);
        let label = self.asm.constant(&bytes[..size], size as u32);
        self.constants[number] = Some(label);
        label
    }

    /// `LoopCount`.
    fn count_loop(&mut self, number: u32) {
        let counted = &self.code.loops[number as usize];
        let at = self.tables.loops.len();
        let mut stores = Vec::new();
        for (label, live) in (counted.label..).zip(&counted.live) {
            if let Some(loc) = self.allocation.live_loc(label) {
                let home = match loc {
                    Loc::Slot(slot) => self.frame.slot(slot),
                    _ => {
                        stores.push(loc);
                        self.frame.home(stores.len() as u32 - 1)
                    }
                };
                self.tables.homes.push(LiveHome {
                    value: live.value,
                    part: live.part,
                    kind: live.kind,
                    offset: home.disp(),
                    first: at as u32,
                    last: at as u32,
                });
            }
        }
        let header = counted.header;
        self.tables.loops.push(LoopPoint {
            header,
            cold: 0,
            at: at as u32,
        });
        self.count_again(number);
        let back = self.asm.here();
        self.cold.push(Cold {
            label: self.cold_loops[number as usize],
            back,
            what: 2 * self.func + 1,
            number: counted.number,
            point: Some((at, stores)),
        });
    }

    /// `LoopCount` in a copy of the loop's header: all lies where it lies in the header, so its cold code,
    /// which goes on in the header, serves the copy, too.
    fn count_again(&mut self, number: u32) {
        let counter = abi::gs::loops(self.func);
        self.count(counter, self.cold_loops[number as usize]);
    }

    fn cold_code(&mut self) {
        for cold in core::mem::take(&mut self.cold) {
            self.asm.bind(cold.label);
            if let Some((point, stores)) = cold.point {
                self.tables.loops[point].cold = self.asm.offset().0;
                for (number, loc) in (0..).zip(stores) {
                    let home = self.frame.home(number);
                    self.store_value(loc, home);
                }
            }
            self.asm.push_i(cold.number as i32);
            self.asm.push_i(cold.what as i32);
            let slot = abi::slot_address(abi::SLOT_COUNT);
            self.asm.call_rm(Mem::abs(slot as i32));
            self.tables.returns.push(self.asm.offset().0);
            self.asm.jmp(cold.back);
        }
    }

    fn finish(mut self) -> Result<Compiled, Declined> {
        self.tables.frame_size = self.frame.size();
        self.tables.has_frame_pointer = self.code.frame_pointer;
        self.tables.loops.sort_by_key(|point| point.header);
        let too_large = |_| Declined::LimitExceeded("code size");
        let apart = self.asm.finalize_apart().map_err(too_large)?;
        let relocs = apart
            .references
            .iter()
            .map(|reference| Reloc::CodeToRodata {
                at: reference.at.0,
                end: reference.end.0,
                to: reference.to,
            });
        let entries = apart.entries.iter().map(|entry| Reloc::TableToCode {
            at: entry.at,
            table: entry.table,
            to: entry.to.0,
        });
        Ok(Compiled {
            code: apart.text.to_vec(),
            rodata: apart.data.to_vec(),
            relocs: relocs.chain(entries).collect(),
            tables: self.tables,
        })
    }

    /// The general register of a location that must be one.
    fn gpr_of(loc: Loc) -> Gpr {
        match loc {
            Loc::Gpr(gpr) => gpr,
            _ => unreachable!("the operand's place is a general register"),
        }
    }
}
