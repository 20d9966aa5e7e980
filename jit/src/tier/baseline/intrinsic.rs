//! Intrinsics: to whom each goes; stack, variadic lists, traps.

use super::emit::Emitter;
use super::regs::TEMP;
use super::value::Reg;
use crate::abi;
use crate::tier::Declined;
use asm::{Alu, Cond, Gpr, Mem, Plain, Size};
use ir::{Inst, InstId, Intrinsic, TypeId, Value};
use smallvec::SmallVec;

impl Emitter<'_> {
    pub(super) fn intrinsic(&mut self, id: InstId, inst: &Inst) -> Result<(), Declined> {
        let Some(which) = inst.intrinsic() else {
            return self.unsupported("intrinsic");
        };
        let words = self.body.words(inst.args[1], inst.args[2]);
        let args: SmallVec<[Value; 4]> = words.iter().map(|&word| Value(word)).collect();
        if self.memory_helper(id, inst, &args) {
            return Ok(());
        }
        let known = |value| self.const_int(value).unwrap_or(0);
        match (which, args.as_slice()) {
            (Intrinsic::Memcpy | Intrinsic::Memmove, &[to, from, len]) => {
                let bytes = known(len);
                self.copy_memory(to, from, bytes);
            }
            (Intrinsic::Memset, &[to, byte, len]) => {
                let (byte, bytes) = (known(byte), known(len));
                self.fill_memory(to, byte, bytes);
            }
            (Intrinsic::VaStart, &[list]) => self.start_list(list),
            (Intrinsic::VaCopy, &[to, from]) => {
                let from = self.address(from);
                let to = self.address(to);
                self.note(id);
                self.asm.mov(Size::B32, TEMP, from);
                self.asm.mov_mr(Size::B32, to, TEMP);
            }
            (Intrinsic::StackSave, &[]) => {
                let dst = self.dst(id);
                self.asm.mov(Size::B32, dst.gpr(), Gpr::Rsp);
                self.done(id, inst, dst, 0);
                return Ok(());
            }
            (Intrinsic::StackRestore, &[to]) => {
                let to = self.gpr(to);
                self.asm.mov(Size::B64, Gpr::Rsp, to);
            }
            (Intrinsic::Trap, &[]) => {
                self.note(id);
                self.asm.plain(Plain::UD2);
            }
            (which, args) if which.is_x87() => return self.x87(id, inst, which, args),
            (Intrinsic::MoveMask, &[value]) => {
                let dst = self.move_mask(id, value)?;
                self.done(id, inst, dst, 0);
                return Ok(());
            }
            (which, args) if inst.ty != TypeId::VOID && self.is_vector(id) => {
                return self.vector_intrinsic(id, inst, which, args);
            }
            (which, args) if is_float(which) => return self.float_intrinsic(id, inst, which, args),
            (which, args) => return self.int_intrinsic(id, inst, which, args),
        }
        for value in args {
            self.release(value);
        }
        Ok(())
    }

    /// Stores the address of the first variadic argument: behind the fixed ones in the image.
    fn start_list(&mut self, list: Value) {
        let to = self.address(list);
        let image = self.local(self.image_home);
        self.asm.mov(Size::B32, TEMP, image);
        let fixed = self.fixed_image_size();
        self.asm.alu_i(Alu::Add, Size::B32, TEMP, fixed as i32);
        self.note(self.at);
        self.asm.mov_mr(Size::B32, to, TEMP);
    }

    /// `DynAlloca`: lowers `rsp`, touching every interval on the way so that an overflow meets the
    /// guard, and gives the address above the outgoing arguments, which stay lowest.
    pub(super) fn dynamic_alloca(&mut self, id: InstId, inst: &Inst) -> Result<(), Declined> {
        let [count, align_log2, bytes] = inst.args;
        let align = 1u64 << align_log2.clamp(4, 30);
        let slack = if align > 16 { align } else { 0 };
        let count = self.extended(Value(count), false, Size::B64);
        let dst = self.dst(id).gpr();
        let interval = abi::PROBE_INTERVAL as i32;
        self.asm.imul_i(Size::B64, TEMP, count, bytes as i32);
        self.asm
            .alu_i(Alu::Add, Size::B64, TEMP, (slack + 15) as i32);
        self.asm.alu_i(Alu::And, Size::B64, TEMP, -16);
        self.note(id);
        let rest = self.asm.label();
        let again = self.asm.here();
        self.asm.alu_i(Alu::Cmp, Size::B64, TEMP, interval);
        self.asm.jcc(Cond::Be, rest);
        self.asm.alu_i(Alu::Sub, Size::B64, Gpr::Rsp, interval);
        self.asm
            .alu_i(Alu::Or, Size::B32, Mem::base(Gpr::Rsp, 0), 0);
        self.asm.alu_i(Alu::Sub, Size::B64, TEMP, interval);
        self.asm.jmp(again);
        self.asm.bind(rest);
        self.asm.alu(Alu::Sub, Size::B64, Gpr::Rsp, TEMP);
        self.asm
            .alu_i(Alu::Or, Size::B32, Mem::base(Gpr::Rsp, 0), 0);
        self.lea_above_outgoing(dst);
        if slack != 0 {
            self.asm.alu_i(Alu::Add, Size::B32, dst, (align - 1) as i32);
            self.asm
                .alu_i(Alu::And, Size::B32, dst, (align as i32).wrapping_neg());
        }
        self.done(id, inst, Reg::of(dst), 0);
        Ok(())
    }
}

/// Whether the intrinsic computes with floats.
fn is_float(which: Intrinsic) -> bool {
    matches!(
        which,
        Intrinsic::FMulAdd
            | Intrinsic::Fma
            | Intrinsic::FAbs
            | Intrinsic::Sqrt
            | Intrinsic::Floor
            | Intrinsic::Ceil
            | Intrinsic::FTrunc
            | Intrinsic::Rint
            | Intrinsic::Round
            | Intrinsic::CopySign
            | Intrinsic::MinNum
            | Intrinsic::MaxNum
            | Intrinsic::FpToSiSat
            | Intrinsic::FpToUiSat
            | Intrinsic::HalfToFloat
            | Intrinsic::FloatToHalf
    )
}
