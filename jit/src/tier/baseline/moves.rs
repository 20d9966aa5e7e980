//! Parallel moves: phi inputs on an edge, arguments of a call, parameters on entry.
//!
//! All sources are read before any destination is written. A move is ready when no other pending
//! move reads its destination; emitting it may make the move that writes its source ready. What remains
//! when none is ready are cycles: one source is saved in `r11`, a vector in the frame, which opens its
//! cycle. Memory goes to memory through `xmm15`, so the two temporaries never meet. Every move is emitted once and looked at a
//! constant number of times, but for sorting the homes. The flags are kept, since a comparison
//! may lie before the moves and its branch behind them.

use super::emit::Emitter;
use super::regs::{TEMP, VEC_TEMP};
use super::value::Reg;
use crate::abi::Part;
use alloc::vec;
use alloc::vec::Vec;
use asm::{Gpr, Mem, Size, VecLoad, VecStore};
use ir::ConstId;

/// Where a part comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Source {
    /// A register.
    Reg(Reg),
    /// A home, by its offset from `rbp`.
    Home(i32),
    /// The address of what lies at this offset from `rbp`.
    Address(i32),
    /// A constant.
    Bits(u64),
    /// A vector, or the address of a thread-local variable.
    Special(ConstId),
}

/// Where a part goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Target {
    /// A register.
    Reg(Reg),
    /// A home, by its offset from `rbp`.
    Home(i32),
    /// An outgoing argument, by its offset from `rsp`. Nothing reads it.
    Outgoing(i32),
}

/// One part on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Move {
    pub(super) from: Source,
    pub(super) to: Target,
    pub(super) part: Part,
}

/// What is known of the places that moves read and write.
struct Plan {
    /// By register: pending moves that read it, and the move that writes it.
    regs: [(u32, u32); 32],
    /// Likewise for homes, ascending by offset.
    homes: Vec<(i32, u32, u32)>,
}

impl Move {
    /// Whether the part is where it goes.
    #[inline]
    fn is_nothing(&self) -> bool {
        match (self.from, self.to) {
            (Source::Reg(from), Target::Reg(to)) => from == to,
            (Source::Home(from), Target::Home(to)) => from == to,
            _ => false,
        }
    }
}

const NOBODY: u32 = u32::MAX;
/// So many moves are ordered by looking at each other.
const FEW: usize = 8;

impl Plan {
    fn new(moves: &[Move]) -> Self {
        let mut homes: Vec<(i32, u32, u32)> = Vec::new();
        for m in moves {
            if let Target::Home(home) = m.to {
                homes.push((home, 0, NOBODY));
            }
        }
        homes.sort_unstable();
        let mut plan = Self {
            regs: [(0, NOBODY); 32],
            homes,
        };
        for (at, m) in (0u32..).zip(moves) {
            if let Some((readers, _)) = plan.source(m.from) {
                *readers += 1;
            }
            if let Some((_, writer)) = plan.target(m.to) {
                *writer = at;
            }
        }
        plan
    }

    fn source(&mut self, from: Source) -> Option<(&mut u32, &mut u32)> {
        match from {
            Source::Reg(reg) => self.target(Target::Reg(reg)),
            Source::Home(home) => self.target(Target::Home(home)),
            Source::Address(_) | Source::Bits(_) | Source::Special(_) => None,
        }
    }

    fn target(&mut self, to: Target) -> Option<(&mut u32, &mut u32)> {
        match to {
            Target::Reg(reg) => {
                let (readers, writer) = self.regs.get_mut(usize::from(reg.0))?;
                Some((readers, writer))
            }
            Target::Home(home) => {
                let at = self.homes.binary_search_by_key(&home, |h| h.0).ok()?;
                let (_, readers, writer) = &mut self.homes[at];
                Some((readers, writer))
            }
            Target::Outgoing(_) => None,
        }
    }

    fn is_ready(&mut self, to: Target) -> bool {
        self.target(to).is_none_or(|(readers, _)| *readers == 0)
    }
}

impl Emitter<'_> {
    /// Emits the collected moves and forgets them.
    pub(super) fn emit_moves(&mut self) {
        match self.moves[..] {
            [] => return,
            [only] => {
                self.moves.clear();
                if !only.is_nothing() {
                    self.emit_move(only);
                }
                return;
            }
            _ => {}
        }
        let mut moves = core::mem::take(&mut self.moves);
        moves.retain(|m| !m.is_nothing());
        if are_independent(&moves) {
            for &m in &moves {
                self.emit_move(m);
            }
        } else if moves.len() <= FEW {
            self.emit_few(&mut moves);
        } else {
            self.emit_parallel(&mut moves);
        }
        moves.clear();
        self.moves = moves;
    }

    /// A few moves: looking through all others costs less than a plan.
    fn emit_few(&mut self, moves: &mut [Move]) {
        let mut pending = (1u32 << moves.len()) - 1;
        while pending != 0 {
            let before = pending;
            for (at, &m) in moves.iter().enumerate() {
                if pending >> at & 1 != 0 && !is_blocked(moves, pending, at) {
                    self.emit_move(m);
                    pending &= !(1 << at);
                }
            }
            if pending == before {
                let at = pending.trailing_zeros() as usize;
                moves[at].from = self.open_cycle(moves[at], moves);
            }
        }
    }

    /// Saves the source of a move, which is on a cycle; where it is then. In the frame if the temporary
    /// may be needed on the way round: `xmm15` for vectors, `r11` for an address that goes to memory.
    fn open_cycle(&mut self, m: Move, moves: &[Move]) -> Source {
        let address = |m: &Move| matches!(m.from, Source::Address(_) | Source::Special(_));
        if matches!(m.part, Part::V128 | Part::V256) || moves.iter().any(address) {
            let scratch = self.frame.scratch();
            self.move_to_memory(self.local(scratch), m.from, m.part);
            return Source::Home(scratch);
        }
        let temp = Reg::of(TEMP);
        self.emit_move(Move {
            from: m.from,
            to: Target::Reg(temp),
            part: as_int(m.part),
        });
        Source::Reg(temp)
    }

    fn emit_parallel(&mut self, moves: &mut [Move]) {
        let mut plan = Plan::new(moves);
        let mut emitted = vec![false; moves.len()];
        let mut ready: Vec<u32> = Vec::with_capacity(moves.len());
        for (at, m) in (0u32..).zip(moves.iter()) {
            if plan.is_ready(m.to) {
                ready.push(at);
            }
        }
        for at in 0..moves.len() {
            self.drain(moves, &mut plan, &mut ready, &mut emitted);
            if emitted[at] {
                continue;
            }
            // Every pending move is on a cycle now: open this one's.
            let from = moves[at].from;
            moves[at].from = self.open_cycle(moves[at], moves);
            if let Some((readers, _)) = plan.source(moves[at].from) {
                *readers += 1;
            }
            unread(&mut plan, from, &mut ready);
        }
        self.drain(moves, &mut plan, &mut ready, &mut emitted);
    }

    fn drain(
        &mut self,
        moves: &[Move],
        plan: &mut Plan,
        ready: &mut Vec<u32>,
        emitted: &mut [bool],
    ) {
        while let Some(at) = ready.pop() {
            let m = moves[at as usize];
            self.emit_move(m);
            emitted[at as usize] = true;
            unread(plan, m.from, ready);
        }
    }

    fn emit_move(&mut self, m: Move) {
        match m.to {
            Target::Reg(reg) => self.move_to_reg(reg, m.from, m.part),
            Target::Home(home) => self.move_to_memory(self.local(home), m.from, m.part),
            Target::Outgoing(at) => self.move_to_memory(Mem::base(Gpr::Rsp, at), m.from, m.part),
        }
    }

    /// Brings a part into a register; the flags are kept.
    pub(super) fn move_to_reg(&mut self, to: Reg, from: Source, part: Part) {
        match from {
            Source::Reg(from) => match (to.0 < 16, from.0 < 16) {
                (true, false) => self.asm.movd_mr(self.enc, Size::B64, to.gpr(), from.xmm()),
                (false, true) => self.asm.movd(self.enc, Size::B64, to.xmm(), from.gpr()),
                _ => self.copy(to, from, part),
            },
            Source::Home(home) => self.load_home(to, home, part),
            Source::Address(offset) => self.asm.lea(Size::B32, to.gpr(), self.local(offset)),
            Source::Bits(bits) if part.is_int() => self.asm.mov_i(to.gpr(), bits),
            Source::Bits(bits) => self.load_float(to.xmm(), part, bits),
            Source::Special(id) if part.is_int() => self.load_thread_local(to.gpr(), id),
            Source::Special(id) => {
                let bytes = self.vector_bytes(id);
                self.load_bytes(to.xmm(), part, &bytes);
            }
        }
    }

    fn move_to_memory(&mut self, to: Mem, from: Source, part: Part) {
        if matches!(part, Part::V128 | Part::V256) {
            return self.move_vector_to_memory(to, from, part);
        }
        let narrow = part.is_int() && super::operand::bits_of(part) <= 32 || part == Part::F32;
        let size = if narrow { Size::B32 } else { Size::B64 };
        match from {
            Source::Reg(from) if from.0 < 16 => self.asm.mov_mr(size, to, from.gpr()),
            Source::Reg(from) => {
                let op = if narrow {
                    VecStore::MOVSS
                } else {
                    VecStore::MOVSD
                };
                self.asm.vec_store(self.enc, op, to, from.xmm());
            }
            Source::Home(home) => {
                let from = self.local(home);
                let (load, store) = if narrow {
                    (VecLoad::MOVSS, VecStore::MOVSS)
                } else {
                    (VecLoad::MOVSD, VecStore::MOVSD)
                };
                self.asm.vec_load(self.enc, load, VEC_TEMP, from);
                self.asm.vec_store(self.enc, store, to, VEC_TEMP);
            }
            Source::Address(offset) => {
                // No cycle is saved in `r11` when there is such a move.
                let object = self.local(offset);
                self.asm.lea(Size::B32, TEMP, object);
                self.asm.mov_mr(size, to, TEMP);
            }
            Source::Special(id) => {
                self.load_thread_local(TEMP, id);
                self.asm.mov_mr(size, to, TEMP);
            }
            Source::Bits(bits) => {
                self.asm.mov_mi(Size::B32, to, bits as i32);
                if !narrow {
                    self.asm
                        .mov_mi(Size::B32, to.offset(4), (bits >> 32) as i32);
                }
            }
        }
    }
}

impl Emitter<'_> {
    fn move_vector_to_memory(&mut self, to: Mem, from: Source, part: Part) {
        let from = match from {
            Source::Reg(reg) => reg,
            other => {
                let temp = Reg::of_xmm(VEC_TEMP);
                self.move_to_reg(temp, other, part);
                temp
            }
        };
        let enc = self.enc_of(part);
        self.asm.vec_store(enc, VecStore::MOVUPS, to, from.xmm());
    }
}

/// A pending move no longer reads `from`; the move that writes it may be ready now.
fn unread(plan: &mut Plan, from: Source, ready: &mut Vec<u32>) {
    if let Some((readers, writer)) = plan.source(from) {
        *readers -= 1;
        if *readers == 0 && *writer != NOBODY {
            ready.push(*writer);
        }
    }
}

/// Whether no move reads what another one writes, so that any order does. May be false for no reason.
fn are_independent(moves: &[Move]) -> bool {
    let (mut read, mut written) = (0, 0);
    let (mut homes_read, mut homes_written) = (false, false);
    for m in moves {
        match m.from {
            Source::Reg(reg) => read |= reg.bit(),
            Source::Home(_) => homes_read = true,
            Source::Address(_) | Source::Bits(_) | Source::Special(_) => {}
        }
        match m.to {
            Target::Reg(reg) => written |= reg.bit(),
            Target::Home(_) => homes_written = true,
            Target::Outgoing(_) => {}
        }
    }
    read & written == 0 && !(homes_read && homes_written)
}

/// Whether another pending move reads what the move `at` writes.
fn is_blocked(moves: &[Move], pending: u32, at: usize) -> bool {
    let to = match moves[at].to {
        Target::Reg(reg) => Source::Reg(reg),
        Target::Home(home) => Source::Home(home),
        Target::Outgoing(_) => return false,
    };
    let others = moves.iter().enumerate();
    let mut pending_others = others.filter(|&(other, _)| other != at && pending >> other & 1 != 0);
    pending_others.any(|(_, m)| m.from == to)
}

/// The part as an integer of the same size: what it is while it waits in a general register.
fn as_int(part: Part) -> Part {
    match part {
        Part::F32 => Part::Int(32),
        Part::Int(bits) => Part::Int(bits),
        _ => Part::Int(64),
    }
}
