//! Scalar intrinsics that legalisation makes: x87 numbers in memory, halves, 128-bit division.
//!
//! The x87 stack is empty between roots: a root loads what it needs, computes, and stores or pops all of it.
//! The allocator's moves between never touch it. Numbers that pass between registers and the x87 unit go
//! through the bottom of the frame, which is free between calls.

use super::{Lower, Lowered};
use crate::abi;
use crate::tier::flags::Test;
use crate::tier::opt::backend::regalloc::CALLER_SAVED;
use crate::tier::opt::backend::vcode::{
    Base, CallInfo, MInst, Mem, Operand, Src, Target, Vreg, gprs,
};
use asm::{Alu, Cond, Gpr, Plain, Scale, Size, VecUn, X87Mem, X87Stack};
use ir::{Inst, InstId, Intrinsic, TypeId, Value};

/// Registers of a helper's arguments.
const ARGUMENTS: [Gpr; 4] = [Gpr::Rdi, Gpr::Rsi, Gpr::Rdx, Gpr::Rcx];
/// Offsets in the scratch at the bottom of the frame: a number, the control word, another one.
const NUMBER: i32 = 0;
const CONTROL: i32 = 8;
const TRUNCATING: i32 = 10;
/// Rounding towards zero in the x87 control word (SDM vol. 1, section 8.1.5).
const ROUND_TO_ZERO: i32 = 0xc00;

impl Lower<'_> {
    /// Whether `intrinsic` is one of this file's.
    pub(super) fn is_machine(intrinsic: Intrinsic) -> bool {
        use Intrinsic as I;
        intrinsic.is_x87()
            || matches!(
                intrinsic,
                I::UMulHigh
                    | I::UDiv128
                    | I::URem128
                    | I::SDiv128
                    | I::SRem128
                    | I::HalfToFloat
                    | I::FloatToHalf
            )
    }

    /// An intrinsic that legalisation made.
    pub(super) fn machine_intrinsic(
        &mut self,
        id: InstId,
        intrinsic: Intrinsic,
        inst: &Inst,
        args: [Value; 3],
    ) -> Lowered {
        use Intrinsic as I;
        match intrinsic {
            I::UMulHigh => {
                let (a, b) = (self.reg(args[0])?, self.reg(args[1])?);
                let low = self.temp();
                let high = self.result(id)?;
                self.wide_product(Size::B64, low, high, a, b);
                Ok(())
            }
            I::UDiv128 => self.call_division(id, inst, abi::SLOT_UDIV128),
            I::URem128 => self.call_division(id, inst, abi::SLOT_UREM128),
            I::SDiv128 => self.call_division(id, inst, abi::SLOT_SDIV128),
            I::SRem128 => self.call_division(id, inst, abi::SLOT_SREM128),
            I::HalfToFloat => {
                let bits = self.reg(args[0])?;
                let half = self.vector_of(Size::B32, bits);
                let number = self.un(VecUn::VCVTPH2PS, false, half);
                let dst = self.result(id)?;
                self.bind(dst, number);
                Ok(())
            }
            I::FloatToHalf => {
                let number = self.reg(args[0])?;
                let half = self.halves_of(false, number);
                let dst = self.result(id)?;
                let inst = MInst::MovFromVec { size: Size::B32 };
                self.push(inst, &[Operand::def(dst), Operand::reg(half)]);
                Ok(())
            }
            _ => self.x87(id, intrinsic, inst, args),
        }
    }

    /// Calls a helper that divides: four words in, two out.
    fn call_division(&mut self, id: InstId, inst: &Inst, slot: u32) -> Lowered {
        let words = self.body.words(inst.args[1], inst.args[2]);
        let [low, high] = [self.result_part(id, 0)?, self.result_part(id, 1)?];
        let mut operands = alloc::vec![
            Operand::to_gpr(low, Gpr::Rax),
            Operand::to_gpr(high, Gpr::Rdx)
        ];
        for (&word, gpr) in words.iter().zip(ARGUMENTS) {
            let vreg = self.reg(Value(word))?;
            let vreg = self.detached(Value(word), vreg);
            operands.push(Operand::in_gpr(vreg, gpr));
        }
        let results = gprs([Gpr::Rax, Gpr::Rdx]);
        self.call_slot(slot, results, &operands);
        Ok(())
    }

    /// Calls the helper in reserved slot `slot`, whose results are in the general registers `results`.
    pub(super) fn call_slot(&mut self, slot: u32, results: u32, operands: &[Operand]) {
        let call = self.code.calls.len() as u32;
        self.code.calls.push(CallInfo {
            target: Target::Slot(abi::slot_address(slot)),
            clobbers: (gprs(CALLER_SAVED) | 0xffff_0000) & !results,
            // A helper's code is encoded as a tier's.
            foreign: false,
        });
        self.push(MInst::Call(call), operands);
    }

    fn x87(
        &mut self,
        id: InstId,
        intrinsic: Intrinsic,
        inst: &Inst,
        [dst, a, b]: [Value; 3],
    ) -> Lowered {
        use Intrinsic as I;
        let binary = |op| Some((op, 1));
        let stack = match intrinsic {
            I::X87Add => binary(X87Stack::FADDP),
            I::X87Sub => binary(X87Stack::FSUBP),
            I::X87Mul => binary(X87Stack::FMULP),
            I::X87Div => binary(X87Stack::FDIVP),
            _ => None,
        };
        if let Some((op, index)) = stack {
            self.x87_memory(X87Mem::FLD_M80, a)?;
            self.x87_memory(X87Mem::FLD_M80, b)?;
            self.push(MInst::X87Stack { op, index }, &[]);
            return self.x87_memory(X87Mem::FSTP_M80, dst);
        }
        let unary = match intrinsic {
            I::X87Neg => Some(Plain::FCHS),
            I::X87Abs => Some(Plain::FABS),
            I::X87Sqrt => Some(Plain::FSQRT),
            I::X87Rint => Some(Plain::FRNDINT),
            _ => None,
        };
        if let Some(plain) = unary {
            self.x87_memory(X87Mem::FLD_M80, a)?;
            self.push(MInst::Plain(plain), &[]);
            return self.x87_memory(X87Mem::FSTP_M80, dst);
        }
        match intrinsic {
            I::X87Rem => self.x87_remainder(dst, a, b),
            I::X87Copy => {
                let source = self.address(a)?;
                let target = self.address(dst)?;
                self.copy_bytes(target, source, 10);
                Ok(())
            }
            I::X87Cmp => self.x87_compare(id, [dst, a]),
            I::X87From => self.x87_from(dst, a),
            _ => self.x87_to(id, inst, dst),
        }
    }

    /// One operation on the number that `pointer` names.
    fn x87_memory(&mut self, op: X87Mem, pointer: Value) -> Lowered {
        let (mem, operands) = self.address(pointer)?;
        self.push(MInst::X87Mem { op, mem }, &operands);
        Ok(())
    }

    /// One operation on the scratch at the bottom of the frame.
    fn x87_scratch(&mut self, op: X87Mem, offset: i32) {
        let mem = self.scratch(offset);
        self.push(MInst::X87Mem { op, mem }, &[]);
    }

    fn scratch(&mut self, offset: i32) -> Mem {
        self.code.outgoing = self.code.outgoing.max(16);
        Mem::at(Base::Outgoing, offset)
    }

    fn pop(&mut self) {
        let op = X87Stack::FSTP;
        self.push(MInst::X87Stack { op, index: 0 }, &[]);
    }

    fn x87_remainder(&mut self, dst: Value, a: Value, b: Value) -> Lowered {
        self.x87_memory(X87Mem::FLD_M80, b)?;
        self.x87_memory(X87Mem::FLD_M80, a)?;
        self.push(MInst::X87Remainder, &[]);
        self.x87_memory(X87Mem::FSTP_M80, dst)?;
        self.pop();
        Ok(())
    }

    /// 1 equal, 2 greater, 4 less, 8 unordered. `fucomip` says "equal" and "less" for unordered, too:
    /// 1 + 4, to which 3 are added.
    fn x87_compare(&mut self, id: InstId, [a, b]: [Value; 2]) -> Lowered {
        self.x87_memory(X87Mem::FLD_M80, b)?;
        self.x87_memory(X87Mem::FLD_M80, a)?;
        let op = X87Stack::FUCOMIP;
        self.push(MInst::X87Stack { op, index: 1 }, &[]);
        self.pop();
        let flags = [Cond::E, Cond::A, Cond::B, Cond::P].map(|cond| {
            let flag = self.temp();
            self.push(MInst::Set(Test::One(cond)), &[Operand::def(flag)]);
            flag
        });
        let [equal, greater, less, unordered] = flags;
        let two = self.add_scaled(equal, greater, Scale::S2);
        let four = self.add_scaled(two, less, Scale::S4);
        let three = self.add_scaled(unordered, unordered, Scale::S2);
        let dst = self.result(id)?;
        let add = Alu::Add;
        self.alu_src(add, Size::B32, dst, four, Src::Reg, &[Operand::any(three)]);
        Ok(())
    }

    fn add_scaled(&mut self, a: Vreg, b: Vreg, scale: Scale) -> Vreg {
        let dst = self.temp();
        let mem = Mem {
            disp: 0,
            base: Base::Reg,
            index: Some(scale),
            wraps: false,
        };
        let size = Size::B32;
        let operands = [Operand::def(dst), Operand::reg(a), Operand::reg(b)];
        self.push(MInst::Lea { size, mem }, &operands);
        dst
    }

    fn x87_from(&mut self, dst: Value, number: Value) -> Lowered {
        let ty = self.body.type_of(number);
        let value = self.reg(number)?;
        let mem = self.scratch(NUMBER);
        let (store, load) = match ty {
            TypeId::I32 => (
                MInst::Store {
                    size: Size::B32,
                    mem,
                },
                X87Mem::FILD_M32,
            ),
            TypeId::I64 => (
                MInst::Store {
                    size: Size::B64,
                    mem,
                },
                X87Mem::FILD_M64,
            ),
            TypeId::F32 => (MInst::FStore { double: false, mem }, X87Mem::FLD_M32),
            _ => (MInst::FStore { double: true, mem }, X87Mem::FLD_M64),
        };
        self.push(store, &[Operand::reg(value)]);
        self.x87_scratch(load, NUMBER);
        self.x87_memory(X87Mem::FSTP_M80, dst)
    }

    fn x87_to(&mut self, id: InstId, inst: &Inst, from: Value) -> Lowered {
        self.x87_memory(X87Mem::FLD_M80, from)?;
        let dst = self.result(id)?;
        let mem = self.scratch(NUMBER);
        let double = match inst.ty {
            TypeId::I32 | TypeId::I64 => {
                let wide = inst.ty == TypeId::I64;
                self.x87_truncate(wide);
                let size = if wide { Size::B64 } else { Size::B32 };
                self.load_word(dst, size, mem, &[]);
                return Ok(());
            }
            ty => ty != TypeId::F32,
        };
        let op = if double {
            X87Mem::FSTP_M64
        } else {
            X87Mem::FSTP_M32
        };
        self.x87_scratch(op, NUMBER);
        self.push(MInst::FLoad { double, mem }, &[Operand::def(dst)]);
        Ok(())
    }

    /// Stores the number on the stack as an integer, rounded towards zero, and pops it.
    fn x87_truncate(&mut self, wide: bool) {
        if self.cpu.sse41 {
            // `fisttp` came with SSE3.
            let op = if wide {
                X87Mem::FISTTP_M64
            } else {
                X87Mem::FISTTP_M32
            };
            return self.x87_scratch(op, NUMBER);
        }
        self.x87_scratch(X87Mem::FNSTCW_M16, CONTROL);
        let (old, new) = (self.temp(), self.temp());
        let mem = self.scratch(CONTROL);
        self.load_word(old, Size::B16, mem, &[]);
        let src = Src::Imm(ROUND_TO_ZERO);
        self.alu_src(Alu::Or, Size::B32, new, old, src, &[]);
        let mem = self.scratch(TRUNCATING);
        let size = Size::B16;
        self.push(MInst::Store { size, mem }, &[Operand::reg(new)]);
        self.x87_scratch(X87Mem::FLDCW_M16, TRUNCATING);
        let op = if wide {
            X87Mem::FISTP_M64
        } else {
            X87Mem::FISTP_M32
        };
        self.x87_scratch(op, NUMBER);
        self.x87_scratch(X87Mem::FLDCW_M16, CONTROL);
    }
}
