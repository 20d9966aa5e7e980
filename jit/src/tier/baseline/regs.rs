//! Registers while code is emitted: who owns which, and what may be overwritten.
//!
//! A register is *scratch* (owned by the value it caches, or by nobody), *reserved* (fixed to one
//! value for now), or a temporary that this file never hands out (`r11`, `xmm15`). Within one
//! instruction, registers that hold its operands or temporaries are *locked*; a lock ends with the
//! instruction. A temporary is a locked register without owner, so it frees itself.
//!
//! A fixed register can have *aliases*: other values that happen to be equal to its content (a load of
//! a variable, a cast that changes nothing). Before the register is written its living aliases get
//! registers of their own.

use super::emit::Emitter;
use super::value::{Ix, NO_IX, Reg, Val};
use crate::abi::Part;
use asm::{Gpr, Xmm};
use ir::InstId;
use smallvec::SmallVec;

/// Scratch general registers: `rax rcx rdx rsi rdi r8 r9 r10`.
pub(super) const INTS: u32 = 0x07c7;
/// Scratch vector registers: all but `xmm15`.
pub(super) const VECTORS: u32 = 0x7fff << 16;
/// Holds a value only within one instruction.
pub(super) const TEMP: Gpr = Gpr::R11;
/// Holds a value only within one instruction.
pub(super) const VEC_TEMP: Xmm = Xmm::Xmm15;
/// More aliases than this are not kept.
const MAX_ALIASES: usize = 16;

/// The state of all registers.
#[derive(Debug)]
pub(super) struct Regs {
    /// Which value part a scratch register caches.
    pub(super) owner: [Ix; 32],
    /// Registers with an owner.
    pub(super) busy: u32,
    /// Registers that this instruction still needs.
    pub(super) locked: u32,
    /// Scratch registers that are fixed now.
    pub(super) reserved: u32,
    /// Last position at which a reserved register is.
    until: [u32; 32],
    /// No reservation begins or ends before this position.
    next_event: u32,
    /// Next entry of the reservations to begin.
    next: usize,
    /// Values that equal a fixed register's content.
    pub(super) aliases: SmallVec<[(Reg, Ix); MAX_ALIASES]>,
    /// No register was left for an operand: the code is worthless.
    pub(super) exhausted: Option<InstId>,
}

impl Regs {
    pub(super) fn new() -> Self {
        Self {
            owner: [NO_IX; 32],
            busy: 0,
            locked: 0,
            reserved: 0,
            until: [0; 32],
            next_event: 0,
            next: 0,
            aliases: SmallVec::new(),
            exhausted: None,
        }
    }
}

/// The set that a part's registers come from.
pub(super) fn class(part: Part) -> u32 {
    if part.is_int() { INTS } else { VECTORS }
}

/// The registers of a set, lowest first.
pub(super) fn each(mut set: u32) -> impl Iterator<Item = Reg> {
    core::iter::from_fn(move || {
        let reg = (set != 0).then(|| Reg(set.trailing_zeros() as u8))?;
        set &= set - 1;
        Some(reg)
    })
}

impl Emitter<'_> {
    /// Begins the instruction at `position`.
    #[inline(always)]
    pub(super) fn begin(&mut self, position: u32) {
        self.position = position;
        self.regs.locked = 0;
        self.frame.settle();
        if position >= self.regs.next_event {
            self.reserve(position);
        }
    }

    /// Brings the set of reserved registers up to `position`.
    fn reserve(&mut self, position: u32) {
        let mut next_event = u32::MAX;
        for reg in each(self.regs.reserved) {
            let until = self.regs.until[usize::from(reg.0)];
            if until < position {
                self.regs.reserved &= !reg.bit();
                self.inherit(reg);
            } else {
                next_event = next_event.min(until.saturating_add(1));
            }
        }
        while let Some(&reservation) = self.reserved.get(self.regs.next) {
            if reservation.start > position {
                next_event = next_event.min(reservation.start);
                break;
            }
            let reg = reservation.reg;
            self.vacate(reg);
            self.regs.reserved |= reg.bit();
            self.regs.until[usize::from(reg.0)] = reservation.end;
            next_event = next_event.min(reservation.end.saturating_add(1));
            self.regs.next += 1;
        }
        self.regs.next_event = next_event;
    }

    /// `reg` is scratch again: an alias that is left becomes its owner.
    fn inherit(&mut self, reg: Reg) {
        let Some(at) = self.regs.aliases.iter().position(|&(of, _)| of == reg) else {
            return;
        };
        let (_, heir) = self.regs.aliases.swap_remove(at);
        self.bind(reg, heir);
        self.unalias(reg, NO_IX);
        self.regs.locked = 0;
    }

    /// Keeps `reg` as it is until the instruction ends.
    #[inline(always)]
    pub(super) fn lock(&mut self, reg: Reg) {
        self.regs.locked |= reg.bit();
    }

    /// Undoes the lock of `reg` unless it was among those locked `before`.
    pub(super) fn unlock(&mut self, reg: Gpr, before: u32) {
        self.regs.locked &= !Reg::of(reg).bit() | before;
    }

    /// A register of `set` for this instruction, locked and without owner.
    pub(super) fn alloc(&mut self, set: u32) -> Reg {
        let usable = set & !(self.regs.locked | self.regs.reserved);
        let free = usable & !self.regs.busy;
        if free != 0 {
            let reg = Reg(free.trailing_zeros() as u8);
            self.lock(reg);
            return reg;
        }
        let cheap = |reg: &Reg| {
            let owner = self.regs.owner[usize::from(reg.0)];
            self.vals[owner as usize].flags & (Val::STORED | Val::ALLOCA) != 0
        };
        let victim = each(usable).find(cheap).or_else(|| each(usable).next());
        let Some(victim) = victim else {
            self.regs.exhausted.get_or_insert(self.at);
            return Reg(set.trailing_zeros() as u8);
        };
        self.vacate(victim);
        self.lock(victim);
        victim
    }

    /// A general register for this instruction.
    pub(super) fn temp(&mut self) -> Gpr {
        self.alloc(INTS).gpr()
    }

    /// A vector register for this instruction.
    pub(super) fn vec_temp(&mut self) -> Xmm {
        self.alloc(VECTORS).xmm()
    }

    /// Makes `reg` cache `ix`.
    pub(super) fn bind(&mut self, reg: Reg, ix: Ix) {
        self.regs.owner[usize::from(reg.0)] = ix;
        self.regs.busy |= reg.bit();
        self.regs.locked |= reg.bit();
        self.vals[ix as usize].reg = reg;
    }

    /// Forgets what scratch register `reg` caches.
    pub(super) fn unbind(&mut self, reg: Reg) {
        let owner = core::mem::replace(&mut self.regs.owner[usize::from(reg.0)], NO_IX);
        self.regs.busy &= !reg.bit();
        if let Some(val) = self.vals.get_mut(owner as usize) {
            val.reg = Reg::NONE;
        }
    }

    /// Makes scratch register `reg` free; its value is stored if it would be lost.
    pub(super) fn vacate(&mut self, reg: Reg) {
        let owner = self.regs.owner[usize::from(reg.0)];
        if owner != NO_IX {
            self.store_home(owner);
            self.unbind(reg);
        }
    }

    /// Makes `reg` free for this instruction and locks it. A value in it moves to another register if one
    /// is free. `reg` is one of the five that are never reserved.
    pub(super) fn take(&mut self, reg: Gpr) -> Gpr {
        let from = Reg::of(reg);
        debug_assert!(self.regs.locked & from.bit() == 0, "{reg} is in use");
        let owner = self.regs.owner[usize::from(from.0)];
        if owner != NO_IX {
            let usable = INTS & !(self.regs.locked | self.regs.reserved | self.regs.busy);
            let usable = usable & !from.bit();
            if usable == 0 {
                self.vacate(from);
            } else {
                let to = Reg(usable.trailing_zeros() as u8);
                self.copy(to, from, self.vals[owner as usize].part);
                self.unbind(from);
                let locked = self.regs.locked;
                self.bind(to, owner);
                self.regs.locked = locked;
            }
        }
        self.lock(from);
        reg
    }

    /// Stores the value part to its home unless it is there or can be made again.
    pub(super) fn store_home(&mut self, ix: Ix) {
        let val = self.vals[ix as usize];
        if val.flags & (Val::STORED | Val::ALLOCA) != 0 {
            return;
        }
        let home = self.home_of(ix);
        self.spill(home, val.reg, val.part);
        self.vals[ix as usize].flags |= Val::STORED;
    }

    /// The offset of the part's home, which is made if there is none.
    pub(super) fn home_of(&mut self, ix: Ix) -> i32 {
        let val = &mut self.vals[ix as usize];
        if val.home == 0 {
            val.home = self.frame.home(val.part.home_size());
        }
        val.home
    }

    /// The number under which uses and liveness of a part are kept.
    pub(super) fn main(&self, ix: Ix) -> Ix {
        let val = &self.vals[ix as usize];
        if val.has(Val::LATER) { val.extra } else { ix }
    }

    /// One use of the value has been emitted. With the last one its registers and homes are free.
    #[inline(always)]
    pub(super) fn release_ix(&mut self, ix: Ix) {
        let val = &mut self.vals[ix as usize];
        debug_assert!(val.uses > 0, "value {ix} is released too often");
        val.uses = val.uses.saturating_sub(1);
        if val.uses == 0 && val.end <= self.position {
            self.kill(ix);
        }
    }

    /// The value is dead. Nearly always that only means that a register has no owner any more, or nothing.
    #[inline(never)]
    fn kill(&mut self, ix: Ix) {
        let val = &mut self.vals[ix as usize];
        let reg = val.reg;
        if val.is_folded() || val.more != 0 || val.home != 0 {
            return self.kill_any(ix);
        }
        if reg.is_some() && reg != val.fixed {
            let owner = &mut self.regs.owner[usize::from(reg.0)];
            if *owner != ix {
                return self.kill_any(ix);
            }
            *owner = NO_IX;
            val.reg = Reg::NONE;
            self.regs.busy &= !reg.bit();
        }
    }

    /// Likewise, whatever there is of the value.
    #[inline(never)]
    fn kill_any(&mut self, ix: Ix) {
        if self.vals[ix as usize].is_folded() {
            // It is in no register and has no home, but kept its operands.
            let [base, index, _] = self.body.insts[(ix - self.params) as usize].args;
            self.release(ir::Value(base));
            self.release(ir::Value(index));
            return;
        }
        self.kill_part(ix);
        let Val { more, extra, .. } = self.vals[ix as usize];
        if more != 0 {
            for part in extra..extra + u32::from(more) {
                self.kill_part(part);
            }
        }
    }

    fn kill_part(&mut self, ix: Ix) {
        let val = &mut self.vals[ix as usize];
        let reg = val.reg;
        if reg.is_some() && reg != val.fixed {
            val.reg = Reg::NONE;
            let owner = &mut self.regs.owner[usize::from(reg.0)];
            if *owner == ix {
                *owner = NO_IX;
                self.regs.busy &= !reg.bit();
            } else {
                self.regs.aliases.retain(|alias| alias.1 != ix);
            }
        }
        if val.home != 0 && val.flags & (Val::ALLOCA | Val::KEEP_HOME) == 0 && !self.returns_twice {
            self.frame.free(val.home, val.part.home_size());
            val.home = 0;
        }
    }

    /// Notes that `ix` equals the content of fixed register `reg`. False if that is not kept.
    pub(super) fn alias(&mut self, reg: Reg, ix: Ix) -> bool {
        if self.regs.aliases.len() >= MAX_ALIASES {
            return false;
        }
        self.regs.aliases.push((reg, ix));
        self.vals[ix as usize].reg = reg;
        true
    }

    /// Gives the aliases of `reg` registers or homes of their own, because `reg` is about to be written; except
    /// for `dying`, whose last use is this instruction.
    pub(super) fn unalias(&mut self, reg: Reg, dying: Ix) {
        let mut at = 0;
        while let Some(&(of, ix)) = self.regs.aliases.get(at) {
            if of != reg || ix == dying {
                at += 1;
                continue;
            }
            self.regs.aliases.swap_remove(at);
            let part = self.vals[ix as usize].part;
            let taken = self.regs.locked | self.regs.reserved | self.regs.busy;
            if class(part) & !taken == 0 {
                self.store_home(ix);
                self.vals[ix as usize].reg = Reg::NONE;
                continue;
            }
            let own = self.alloc(class(part));
            self.copy(own, reg, part);
            self.bind(own, ix);
        }
    }

    /// Stores what scratch registers and aliases hold and `lives` says is needed.
    pub(super) fn store_all(&mut self, lives: impl Fn(&Val) -> bool) {
        for reg in each(self.regs.busy) {
            let ix = self.regs.owner[usize::from(reg.0)];
            if lives(&self.vals[self.main(ix) as usize]) {
                self.store_home(ix);
            }
        }
        for at in 0..self.regs.aliases.len() {
            let ix = self.regs.aliases[at].1;
            if lives(&self.vals[self.main(ix) as usize]) {
                self.store_home(ix);
            }
        }
    }

    /// Forgets all scratch registers and aliases.
    pub(super) fn reset(&mut self) {
        for reg in each(self.regs.busy) {
            self.unbind(reg);
        }
        while let Some((_, ix)) = self.regs.aliases.pop() {
            self.vals[ix as usize].reg = Reg::NONE;
        }
    }

    /// Forgets what `reg` caches or is aliased by; everything needed is stored.
    pub(super) fn forget(&mut self, reg: Reg) {
        if self.regs.busy & reg.bit() != 0 {
            self.unbind(reg);
        }
        let vals = &mut self.vals;
        self.regs.aliases.retain(|&mut (of, ix)| {
            if of == reg {
                vals[ix as usize].reg = Reg::NONE;
            }
            of != reg
        });
    }
}
