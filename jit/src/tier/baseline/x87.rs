//! x87: operations of `long double`, from memory to memory.
//!
//! Legalisation has given each such value ten bytes of memory, so nothing lives on the register
//! stack between instructions. The control word is 0x37f: 64 bits of precision, to nearest even.

use super::emit::Emitter;
use super::regs::TEMP;
use super::value::Reg;
use crate::abi::Part;
use crate::tier::Declined;
use asm::{Alu, Cond, Gpr, Mem, Plain, Size, X87Mem, X87Stack};
use ir::{Inst, InstId, Intrinsic, Value};

/// The bit of the x87 status word's upper byte that says a remainder is not complete (C2).
const INCOMPLETE: i32 = 4;
/// Control word bits that round towards zero.
const TRUNCATE: i32 = 0xc00;
/// What `X87Cmp` gives.
const EQUAL: u64 = 1;
const GREATER: u64 = 2;
const LESS: u64 = 4;
const UNORDERED: u64 = 8;

impl Emitter<'_> {
    /// An x87 intrinsic.
    pub(super) fn x87(
        &mut self,
        id: InstId,
        inst: &Inst,
        which: Intrinsic,
        args: &[Value],
    ) -> Result<(), Declined> {
        match (which, args) {
            (Intrinsic::X87Rem, &[to, a, b]) => self.x87_remainder(to, a, b),
            (Intrinsic::X87Cmp, &[a, b]) => {
                let dst = self.x87_compare(id, a, b);
                self.done(id, inst, dst, 0);
                return Ok(());
            }
            (Intrinsic::X87From, &[to, value]) => self.x87_from(to, value),
            (Intrinsic::X87To, &[from]) => {
                let dst = self.x87_to(id, from);
                self.done(id, inst, dst, 0);
                return Ok(());
            }
            (Intrinsic::X87Copy, &[to, from]) => {
                let (from, to) = (self.address(from), self.address(to));
                self.note(id);
                let head = self.temp();
                self.asm.mov(Size::B64, head, from);
                self.asm.mov(Size::B16, TEMP, from.offset(8));
                self.asm.mov_mr(Size::B64, to, head);
                self.asm.mov_mr(Size::B16, to.offset(8), TEMP);
            }
            (_, &[to, a, b]) => {
                let op = match which {
                    Intrinsic::X87Add => X87Stack::FADDP,
                    Intrinsic::X87Sub => X87Stack::FSUBP,
                    Intrinsic::X87Mul => X87Stack::FMULP,
                    _ => X87Stack::FDIVP,
                };
                let (a, b, to) = (self.address(a), self.address(b), self.address(to));
                self.note(id);
                self.asm.x87_mem(X87Mem::FLD_M80, a);
                self.asm.x87_mem(X87Mem::FLD_M80, b);
                self.asm.x87_stack(op, 1);
                self.asm.x87_mem(X87Mem::FSTP_M80, to);
            }
            (_, &[to, a]) => {
                let op = match which {
                    Intrinsic::X87Neg => Plain::FCHS,
                    Intrinsic::X87Abs => Plain::FABS,
                    Intrinsic::X87Sqrt => Plain::FSQRT,
                    _ => Plain::FRNDINT,
                };
                let (a, to) = (self.address(a), self.address(to));
                self.note(id);
                self.asm.x87_mem(X87Mem::FLD_M80, a);
                self.asm.plain(op);
                self.asm.x87_mem(X87Mem::FSTP_M80, to);
            }
            _ => return self.unsupported("intrinsic"),
        }
        for &value in args {
            self.release(value);
        }
        Ok(())
    }

    /// With the divisor below the dividend on the stack, until nothing is left to subtract.
    fn x87_remainder(&mut self, to: Value, a: Value, b: Value) {
        self.take(Gpr::Rax);
        let (a, b, to) = (self.address(a), self.address(b), self.address(to));
        self.note(self.at);
        self.asm.x87_mem(X87Mem::FLD_M80, b);
        self.asm.x87_mem(X87Mem::FLD_M80, a);
        self.x87_reduce();
        self.asm.x87_mem(X87Mem::FSTP_M80, to);
        self.asm.x87_stack(X87Stack::FSTP, 0);
    }

    /// `st(0)` becomes its remainder by `st(1)`. Changes `rax`.
    pub(super) fn x87_reduce(&mut self) {
        let again = self.asm.here();
        self.asm.plain(Plain::FPREM);
        self.asm.plain(Plain::FNSTSW);
        self.asm.test_i(Size::B32, Gpr::Rax, INCOMPLETE << 8);
        self.asm.jcc(Cond::Ne, again);
    }

    /// `fucomip` sets the flags as `ucomisd` does: unordered sets all three, so it is asked last.
    fn x87_compare(&mut self, id: InstId, a: Value, b: Value) -> Reg {
        let (a, b) = (self.address(a), self.address(b));
        let dst = self.dst(id);
        self.note(id);
        self.asm.x87_mem(X87Mem::FLD_M80, b);
        self.asm.x87_mem(X87Mem::FLD_M80, a);
        self.asm.x87_stack(X87Stack::FUCOMIP, 1);
        self.asm.x87_stack(X87Stack::FSTP, 0);
        self.asm.mov_i(dst.gpr(), GREATER);
        for (cond, answer) in [(Cond::B, LESS), (Cond::E, EQUAL), (Cond::P, UNORDERED)] {
            self.asm.mov_i(TEMP, answer);
            self.asm.cmov(cond, Size::B32, dst.gpr(), TEMP);
        }
        dst
    }

    fn x87_from(&mut self, to: Value, value: Value) {
        let part = self.part(value);
        let load = match part {
            Part::Int(64) => X87Mem::FILD_M64,
            Part::Int(_) => X87Mem::FILD_M32,
            Part::F32 => X87Mem::FLD_M32,
            _ => X87Mem::FLD_M64,
        };
        let to = self.address(to);
        let source = self.get(value);
        let place = self.frame.scratch();
        self.spill(place, source, part);
        self.note(self.at);
        let place = self.local(place);
        self.asm.x87_mem(load, place);
        self.asm.x87_mem(X87Mem::FSTP_M80, to);
    }

    fn x87_to(&mut self, id: InstId, from: Value) -> Reg {
        let part = self.result_part(id);
        let store = match part {
            Part::Int(64) => X87Mem::FISTP_M64,
            Part::Int(_) => X87Mem::FISTP_M32,
            Part::F32 => X87Mem::FSTP_M32,
            _ => X87Mem::FSTP_M64,
        };
        let from = self.address(from);
        let dst = self.dst(id);
        let place = self.frame.scratch();
        let at = |this: &Self, offset: i32| -> Mem { this.local(place + offset) };
        let (number, saved, truncating) = (at(self, 0), at(self, 8), at(self, 12));
        self.note(id);
        self.asm.x87_mem(X87Mem::FLD_M80, from);
        if part.is_int() {
            // `fisttp`, which truncates by itself, came with SSE3.
            self.asm.x87_mem(X87Mem::FNSTCW_M16, saved);
            self.asm.movzx(TEMP, Size::B16, saved);
            self.asm.alu_i(Alu::Or, Size::B32, TEMP, TRUNCATE);
            self.asm.mov_mr(Size::B16, truncating, TEMP);
            self.asm.x87_mem(X87Mem::FLDCW_M16, truncating);
            self.asm.x87_mem(store, number);
            self.asm.x87_mem(X87Mem::FLDCW_M16, saved);
        } else {
            self.asm.x87_mem(store, number);
        }
        self.load_home(dst, place, part);
        dst
    }
}
