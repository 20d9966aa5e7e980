//! Atomic operations.
//!
//! x86's locked instructions are sequentially consistent, which every ordering allows; aligned loads
//! and stores are atomic by themselves. Operations without an instruction of their own loop over
//! `cmpxchg`.

use super::emit::Emitter;
use super::value::{Reg, Val};
use crate::abi::Part;
use crate::tier::Declined;
use asm::{Alu, Cond, Gpr, Mem, Plain, Size, Unary};
use ir::{Atomic, Inst, InstId, MemFlags, Value};

/// `MemFlags::ordering` of a full barrier.
const SEQ_CST: u8 = 6;

impl Emitter<'_> {
    fn atomic_size(&self, part: Part) -> Result<Size, Declined> {
        match part {
            Part::Int(8) => Ok(Size::B8),
            Part::Int(16) => Ok(Size::B16),
            Part::Int(32) => Ok(Size::B32),
            Part::Int(64) => Ok(Size::B64),
            _ => self.unsupported("atomic operation of this type"),
        }
    }

    pub(super) fn atomic(&mut self, id: InstId, inst: &Inst) -> Result<(), Declined> {
        let (ptr, value) = (Value(inst.args[0]), Value(inst.args[1]));
        let size = self.atomic_size(self.result_part(id))?;
        let op = inst.flags.0;
        if op == Atomic::Xchg as u8 || op == Atomic::Add as u8 || op == Atomic::Sub as u8 {
            let mem = self.address(ptr);
            let from = self.gpr(value);
            let dst = self.temp();
            self.asm.mov(Size::B64, dst, from);
            if op == Atomic::Sub as u8 {
                self.asm.unary(Unary::Neg, Size::B64, dst);
            }
            self.note(id);
            if op == Atomic::Xchg as u8 {
                self.asm.xchg(size, mem, dst);
            } else {
                self.asm.lock();
                self.asm.xadd(size, mem, dst);
            }
            self.finish_atomic(id, inst, dst, size);
            return Ok(());
        }
        self.take(Gpr::Rax);
        let mem = self.address(ptr);
        let by = self.gpr(value);
        let new = self.temp();
        self.note(id);
        self.load_old(mem, size);
        let again = self.asm.here();
        self.atomic_step(op, size, new, by)?;
        self.asm.lock();
        self.asm.cmpxchg(size, mem, new);
        self.asm.jcc(Cond::Ne, again);
        self.finish_atomic(id, inst, Gpr::Rax, size);
        Ok(())
    }

    /// The old value is in `reg`: 32 bits are to be zero-extended.
    fn finish_atomic(&mut self, id: InstId, inst: &Inst, reg: Gpr, size: Size) {
        if size == Size::B32 {
            self.asm.mov(Size::B32, reg, reg);
        }
        self.done(id, inst, Reg::of(reg), 0);
    }

    fn load_old(&mut self, mem: Mem, size: Size) {
        if size == Size::B64 {
            self.asm.mov(size, Gpr::Rax, mem);
        } else {
            self.asm.movzx(Gpr::Rax, size, mem);
        }
    }

    /// `new` = `rax op by`.
    fn atomic_step(&mut self, op: u8, size: Size, new: Gpr, by: Gpr) -> Result<(), Declined> {
        let wide = if size == Size::B64 {
            Size::B64
        } else {
            Size::B32
        };
        let select = |cond: Cond| (Alu::Cmp, Some(cond));
        let (alu, cond) = match op {
            op if op == Atomic::And as u8 || op == Atomic::Nand as u8 => (Alu::And, None),
            op if op == Atomic::Or as u8 => (Alu::Or, None),
            op if op == Atomic::Xor as u8 => (Alu::Xor, None),
            op if op == Atomic::Max as u8 => select(Cond::L),
            op if op == Atomic::Min as u8 => select(Cond::G),
            op if op == Atomic::UMax as u8 => select(Cond::B),
            op if op == Atomic::UMin as u8 => select(Cond::A),
            _ => return self.unsupported("atomic operation"),
        };
        self.asm.mov(wide, new, Gpr::Rax);
        self.asm.alu(alu, size, new, by);
        if let Some(cond) = cond {
            self.asm.cmov(cond, wide, new, by);
        }
        if op == Atomic::Nand as u8 {
            self.asm.unary(Unary::Not, wide, new);
        }
        Ok(())
    }

    pub(super) fn compare_exchange(&mut self, id: InstId, inst: &Inst) -> Result<(), Declined> {
        let ptr = Value(inst.args[0]);
        let words = self.body.words(inst.args[1], 2);
        let (expected, new) = (Value(words[0]), Value(words[1]));
        let part = self.result_part(id);
        let size = self.atomic_size(part)?;
        self.take(Gpr::Rax);
        let mem = self.address(ptr);
        let new = self.gpr(new);
        self.fetch(Gpr::Rax, expected);
        let success = self.temp();
        self.note(id);
        self.asm.lock();
        self.asm.cmpxchg(size, mem, new);
        self.asm.setcc(Cond::E, success);
        self.asm.movzx(success, Size::B8, success);
        if size == Size::B32 {
            self.asm.mov(Size::B32, Gpr::Rax, Gpr::Rax);
        }
        let body = self.body;
        body.for_each_operand(inst, |operand| self.release(operand));
        let ix = self.result(id);
        self.set(ix, Reg::of(Gpr::Rax), 0);
        let flag = self.part_ix(ix, 1);
        self.set(flag, Reg::of(success), Val::ZEXT);
        Ok(())
    }

    /// Only a full barrier takes an instruction: loads are not moved before loads, stores not behind
    /// stores, and neither over the other the wrong way but for a store before a later load.
    pub(super) fn fence(&mut self, inst: &Inst) -> Result<(), Declined> {
        if MemFlags(inst.args[0]).ordering() == SEQ_CST {
            self.asm.plain(Plain::MFENCE);
        }
        Ok(())
    }
}
