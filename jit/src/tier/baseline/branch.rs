//! Terminators: edges, their moves, loop counters, returns. (`switch` has those with many targets.)
//!
//! A block ends in this order: what lives on is stored (E2), the condition is put into the flags, and
//! then each edge gets its phi moves on its own path, so nothing on one edge disturbs another. An edge
//! back to a loop's header also counts:
//!
//! ```text
//!   dec dword gs:[counter]
//!   jns header
//!   jmp cold                  trips: cold code calls the gate, then jumps to the header
//! ```

use super::emit::Emitter;
use super::moves::{Move, Source, Target};
use super::value::{Reg, Val};
use crate::abi;
use crate::tier::Declined;
use asm::{Cond, Gpr, Mem, Plain, Size, Unary, Xmm};
use ir::{BlockId, ConstKind, Inst, Op, Value};

/// What the next block may assume of scratch registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Carry {
    /// They are as the code emitted last leaves them.
    Keep,
    /// Nothing.
    Nothing,
}

impl Emitter<'_> {
    pub(super) fn terminator(&mut self, inst: &Inst) -> Result<(), Declined> {
        let [a, b, c] = inst.args;
        match inst.op {
            Op::Br => {
                self.branch(BlockId(a));
                Ok(())
            }
            Op::CondBr if b == c => {
                self.test(Value(a))?;
                self.branch(BlockId(b));
                Ok(())
            }
            Op::CondBr => self.cond_branch(Value(a), BlockId(b), BlockId(c)),
            Op::Switch => {
                self.switch(inst);
                Ok(())
            }
            Op::IndirectBr => {
                self.indirect_branch(inst);
                Ok(())
            }
            Op::Ret => self.ret(Value(a)),
            _ => {
                self.note(self.at);
                self.asm.plain(Plain::UD2);
                Ok(())
            }
        }
    }

    fn branch(&mut self, to: BlockId) {
        let alone = Some(to) == self.next && self.layout.place(to).edges == 1;
        let plain = self.phis.from(self.block).is_empty();
        if alone && plain {
            self.carry = Carry::Keep;
            return;
        }
        self.store_live();
        self.edge(to);
        self.jump(to);
        self.release_inputs();
        self.carry_to_next(&[to]);
    }

    fn cond_branch(&mut self, cond: Value, then: BlockId, other: BlockId) -> Result<(), Declined> {
        self.store_live();
        let test = self.test(cond)?;
        let (mut test, mut first, mut last) = (test, then, other);
        // The last edge falls through if it can; the first one should need no code of its own.
        let mut simple = [self.is_simple(then), self.is_simple(other)];
        let swap = if simple[0] == simple[1] {
            Some(then) == self.next
        } else {
            simple[1]
        };
        if swap {
            (test, first, last) = (test.invert(), other, then);
            simple.swap(0, 1);
        }
        if simple[0] {
            self.jump_if(test, self.labels[first.index()]);
        } else {
            let past = self.asm.label();
            self.jump_if(test.invert(), past);
            self.edge(first);
            self.asm_jump(first, false);
            self.asm.bind(past);
        }
        self.edge(last);
        self.jump(last);
        self.release_inputs();
        self.carry_to_next(&[then, other]);
        Ok(())
    }

    /// Whether the edge to `to` is just a jump: it counts nothing, and each phi already lies where its
    /// value does.
    #[inline]
    pub(super) fn is_simple(&self, to: BlockId) -> bool {
        !self.counts(to) && (self.phis.from(self.block).is_empty() || self.is_settled(to))
    }

    /// Whether each phi of `to` already lies where its value does.
    fn is_settled(&self, to: BlockId) -> bool {
        let mut inputs = self.phis.edge(self.block, self.body.block(to));
        inputs.all(|at| {
            let (phi, value) = self.phis.at(at);
            let val = &self.vals[self.result(phi) as usize];
            let settled = val.fixed.is_some() && self.source(value, 0) == Source::Reg(val.fixed);
            settled || !val.has(Val::USED)
        })
    }

    /// Whether the edge to `to` counts for a loop.
    fn counts(&self, to: BlockId) -> bool {
        let back = self.layout.place(to).index <= self.layout.place(self.block).index;
        back && self.job.counting && self.layout.loop_at(to).is_some()
    }

    /// Stores what lives beyond this block.
    pub(super) fn store_live(&mut self) {
        let end = self.position;
        self.store_all(|val| val.end > end);
    }

    /// Emits the phi moves of the edge to `to`.
    #[inline]
    pub(super) fn edge(&mut self, to: BlockId) {
        if !self.phis.from(self.block).is_empty() {
            self.move_inputs(to);
        }
    }

    fn move_inputs(&mut self, to: BlockId) {
        let mut last = None;
        for at in self.phis.edge(self.block, self.body.block(to)) {
            let (phi, value) = self.phis.at(at);
            let ix = self.result(phi);
            // A predecessor with several edges may be listed once for each.
            if last == Some(phi) || !self.vals[ix as usize].has(Val::USED) {
                continue;
            }
            last = Some(phi);
            for part in 0..u32::from(self.vals[ix as usize].more) + 1 {
                let phi = self.part_ix(ix, part);
                let val = self.vals[phi as usize];
                let target = if val.fixed.is_some() {
                    Target::Reg(val.fixed)
                } else {
                    Target::Home(self.home_of(phi))
                };
                let from = self.source(value, part);
                self.moves.push(Move {
                    from,
                    to: target,
                    part: val.part,
                });
            }
        }
        self.emit_moves();
    }

    /// Where a part of a value is.
    pub(super) fn source(&self, value: Value, part: u32) -> Source {
        let Some(ix) = self.index(value) else {
            return self.const_source(value, part);
        };
        let val = &self.vals[self.part_ix(ix, part) as usize];
        if val.reg.is_some() {
            Source::Reg(val.reg)
        } else if val.has(Val::ALLOCA) {
            Source::Address(val.home)
        } else {
            Source::Home(val.home)
        }
    }

    #[inline(never)]
    fn const_source(&self, value: Value, part: u32) -> Source {
        let Some(id) = value.as_const() else {
            return Source::Bits(0);
        };
        match self.body.constant(id).kind {
            ConstKind::Int(bits) => Source::Bits(bits),
            _ if self.is_special(id) => Source::Special(id),
            _ => Source::Bits(self.const_bits(id, part).1),
        }
    }

    /// Goes to `to`, by falling through if it is next.
    #[inline]
    fn jump(&mut self, to: BlockId) {
        self.asm_jump(to, Some(to) == self.next);
    }

    pub(super) fn asm_jump(&mut self, to: BlockId, falls: bool) {
        let label = self.labels[to.index()];
        if self.counts(to) {
            let inner = self.layout.place(to).inner as usize;
            let cold = match self.cold_loops[inner] {
                Some(cold) => cold,
                None => self.asm.label(),
            };
            self.cold_loops[inner] = Some(cold);
            let counter = abi::gs::loops(self.instance_func());
            self.asm
                .unary(Unary::Dec, Size::B32, Mem::gs(counter as i32));
            self.asm.jcc(Cond::Ns, label);
            self.asm.jmp(cold);
        } else if !falls {
            self.asm.jmp(label);
        }
    }

    pub(super) fn release_inputs(&mut self) {
        for at in self.phis.from(self.block) {
            let value = self.phis.at(at).1;
            self.release(value);
        }
    }

    /// Decides what the next block inherits when the edges to `targets` have been emitted.
    pub(super) fn carry_to_next(&mut self, targets: &[BlockId]) {
        let Some(next) = self.next else { return };
        if !targets.contains(&next) || self.layout.place(next).edges != 1 {
            return;
        }
        self.carry = Carry::Keep;
        for at in self.phis.edge(self.block, self.body.block(next)) {
            let phi = self.phis.at(at).0;
            let reg = self.vals[self.result(phi) as usize].fixed;
            if reg.is_some() {
                self.forget(reg);
            }
        }
    }

    fn ret(&mut self, value: Value) -> Result<(), Declined> {
        if value != Value::NONE {
            let mut ints = [Gpr::Rax, Gpr::Rdx].into_iter();
            let mut vectors = [Xmm::Xmm0, Xmm::Xmm1].into_iter();
            for (part, kind) in (0u32..).zip(self.parts(value)) {
                let reg = if kind.is_int() {
                    ints.next().map(Reg::of)
                } else {
                    vectors.next().map(Reg::of_xmm)
                };
                let Some(reg) = reg else {
                    return self.unsupported("result of more than two parts of a kind");
                };
                let from = self.source(value, part);
                self.moves.push(Move {
                    from,
                    to: Target::Reg(reg),
                    part: kind,
                });
            }
            self.emit_moves();
            self.release(value);
        }
        self.leave_frame();
        Ok(())
    }

    /// The parts of a value.
    pub(super) fn parts(&self, value: Value) -> abi::Parts {
        match self.index(value) {
            Some(ix) => (0..=u32::from(self.vals[ix as usize].more))
                .map(|part| self.vals[self.part_ix(ix, part) as usize].part)
                .collect(),
            None => {
                let ty = self.body.type_of(value);
                let parts = super::analysis::parts_of(self.job, ty, self.at);
                parts.map_or_else(
                    |_| abi::Parts::new(),
                    |(first, later)| core::iter::once(first).chain(later).collect(),
                )
            }
        }
    }
}
