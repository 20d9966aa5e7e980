//! Atomic operations. All are sequentially consistent: a locked instruction is a full barrier.

use super::operand::{Operands, exact_size};
use super::{Lower, Lowered};
use crate::tier::flags::Test;
use crate::tier::opt::backend::vcode::{Combine, Locked, MInst, Operand};
use asm::{Alu, Cond, Gpr, Size, Unary};
use ir::{Atomic, Inst, InstId, MemFlags, Value};

/// Memory ordering `seq_cst` in [`MemFlags::ordering`].
const SEQ_CST: u8 = 6;

impl Lower<'_> {
    /// `Fence`: loads and stores are ordered by the hardware except for a store and a later load.
    pub(super) fn fence(&mut self, inst: &Inst) -> Lowered {
        if MemFlags(inst.args[0]).ordering() == SEQ_CST {
            self.push(MInst::Mfence, &[]);
        }
        Ok(())
    }

    fn atomic_size(&self, ty: ir::TypeId) -> Lowered<Size> {
        match self.type_bits(ty)? {
            bits @ (8 | 16 | 32 | 64) => Ok(exact_size(bits)),
            _ => self.unsupported("an atomic operation of odd width"),
        }
    }

    /// `AtomicRmw`.
    pub(super) fn atomic_rmw(&mut self, id: InstId, inst: &Inst) -> Lowered {
        let [pointer, value, _] = inst.values();
        let size = self.atomic_size(inst.ty)?;
        let operand = self.reg(value)?;
        let (mem, address) = self.address(pointer)?;
        let wanted = self.is_wanted(id);
        let simple = match inst.flags.0 {
            op if op == Atomic::Add as u8 => Some(Alu::Add),
            op if op == Atomic::Sub as u8 => Some(Alu::Sub),
            op if op == Atomic::And as u8 => Some(Alu::And),
            op if op == Atomic::Or as u8 => Some(Alu::Or),
            op if op == Atomic::Xor as u8 => Some(Alu::Xor),
            _ => None,
        };
        if let Some(op) = simple.filter(|_| !wanted) {
            let inst = MInst::Locked {
                op: Locked::Alu(op),
                size,
                mem,
            };
            self.push_with(inst, &[Operand::reg(operand)], &address);
            return Ok(());
        }
        let dst = self.result(id)?;
        match simple {
            Some(Alu::Add) => self.exchange(Locked::Xadd, size, dst, operand, mem, &address),
            Some(Alu::Sub) => {
                let negated = self.temp();
                let neg = MInst::Unary {
                    op: Unary::Neg,
                    size: Size::B64,
                };
                self.push(neg, &[Operand::tied(negated, 1), Operand::reg(operand)]);
                self.exchange(Locked::Xadd, size, dst, negated, mem, &address);
            }
            None if inst.flags.0 == Atomic::Xchg as u8 => {
                self.exchange(Locked::Xchg, size, dst, operand, mem, &address);
            }
            _ => {
                let Some(op) = combination(inst.flags.0, simple) else {
                    return self.unsupported("an atomic operation");
                };
                let scratch = self.temp();
                let mut operands = Operands::from_slice(&[
                    Operand {
                        role: crate::tier::opt::backend::vcode::Role::EarlyDef,
                        ..Operand::to_gpr(dst, Gpr::Rax)
                    },
                    Operand::early(scratch),
                    Operand::late(operand),
                ]);
                operands.extend(address.iter().map(|operand| Operand::late(operand.vreg)));
                self.push(MInst::AtomicLoop { op, size, mem }, &operands);
            }
        }
        Ok(())
    }

    fn exchange(
        &mut self,
        op: Locked,
        size: Size,
        dst: crate::tier::opt::backend::vcode::Vreg,
        operand: crate::tier::opt::backend::vcode::Vreg,
        mem: crate::tier::opt::backend::vcode::Mem,
        address: &[Operand],
    ) {
        let first = [Operand::tied(dst, 1), Operand::reg(operand)];
        self.push_with(MInst::Locked { op, size, mem }, &first, address);
    }

    /// `CmpXchg`.
    pub(super) fn compare_exchange(&mut self, id: InstId, inst: &Inst) -> Lowered {
        let words = self.body.words(inst.args[1], 2);
        let (expected, new) = (Value(words[0]), Value(words[1]));
        let size = self.atomic_size(self.body.type_of(expected))?;
        let (expected, new) = (self.reg(expected)?, self.reg(new)?);
        let (mem, address) = self.address(Value(inst.args[0]))?;
        let old = self.result_part(id, 0)?;
        let success = self.result_part(id, 1)?;
        let first = [
            Operand::to_gpr(old, Gpr::Rax),
            Operand::in_gpr(expected, Gpr::Rax),
            Operand::reg(new),
        ];
        self.push_with(MInst::CmpXchg { size, mem }, &first, &address);
        self.push(MInst::Set(Test::One(Cond::E)), &[Operand::def(success)]);
        Ok(())
    }
}

/// What the loop computes for an operation that no instruction does.
fn combination(number: u8, simple: Option<Alu>) -> Option<Combine> {
    if let Some(op) = simple {
        return Some(Combine::Alu(op));
    }
    // `cmp old, operand`: the operand replaces the old value if ...
    match number {
        op if op == Atomic::Nand as u8 => Some(Combine::Nand),
        op if op == Atomic::Max as u8 => Some(Combine::Choose(Cond::L)),
        op if op == Atomic::Min as u8 => Some(Combine::Choose(Cond::G)),
        op if op == Atomic::UMax as u8 => Some(Combine::Choose(Cond::B)),
        op if op == Atomic::UMin as u8 => Some(Combine::Choose(Cond::A)),
        _ => None,
    }
}
