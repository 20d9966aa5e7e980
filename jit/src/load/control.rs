//! Where control goes: terminators and phis.
//!
//! The address of a block is its number. It is good for nothing but an `indirectbr`, which becomes
//! a switch over the blocks that it may reach, so no tier handles computed jumps and no code
//! address is ever in a module's memory. A number that is no such block leads to a block of its own
//! at the end of the function, which is a contained fault.

use alloc::vec::Vec;

use bitcode::{Inst, ValueId};
use ir::{Op, TypeId, Value};

use super::body::BodyLoader;
use super::error::{LoadError, Result};
use super::fold::Folded;

impl BodyLoader<'_, '_, '_> {
    /// Translates a terminator or a phi.
    #[inline(always)]
    pub(super) fn control(&mut self, inst: &Inst<'_>) -> Result<Value> {
        let (op, ty, args) = match *inst {
            Inst::Ret(None) => (Op::Ret, TypeId::VOID, [Value::NONE.0, 0, 0]),
            Inst::Ret(Some(value)) => (Op::Ret, TypeId::VOID, [self.operand(value)?.0, 0, 0]),
            Inst::Br(to) => (Op::Br, TypeId::VOID, [to, 0, 0]),
            Inst::CondBr {
                cond,
                if_true,
                if_false,
            } => {
                let cond = self.operand_like(cond, TypeId::I1)?;
                (Op::CondBr, TypeId::VOID, [cond.0, if_true, if_false])
            }
            Inst::Switch {
                ty,
                value,
                default,
                cases,
            } => return self.switch(ty, value, default, cases),
            Inst::IndirectBr {
                address, targets, ..
            } => return self.indirect_branch(address, targets),
            Inst::Phi {
                ty,
                incoming,
                flags,
            } => return self.phi(ty, incoming, flags),
            _ => (Op::Unreachable, TypeId::VOID, [0; 3]),
        };
        self.emit(op, 0, ty, args);
        Ok(Value::NONE)
    }

    /// A jump chosen by a number.
    fn switch(
        &mut self,
        ty: bitcode::TypeId,
        value: ValueId,
        default: u32,
        cases: &[(ValueId, u32)],
    ) -> Result<Value> {
        let ty = self.ty(ty)?;
        let value = self.operand_like(value, ty)?;
        let mut words = alloc::vec![default];
        for &(case, to) in cases {
            let Folded::Int(number) = self.fold(case)? else {
                return Err(LoadError::unsupported("switch over integers above 64 bits"));
            };
            words.extend([(number & 0xFFFF_FFFF) as u32, (number >> 32) as u32, to]);
        }
        let args = [value.0, self.builder.pool(words), cases.len() as u32];
        self.emit(Op::Switch, 0, ty, args);
        Ok(Value::NONE)
    }

    /// A jump to a block's number. Targets may repeat in the file and may not in a switch.
    fn indirect_branch(&mut self, address: ValueId, targets: &[u32]) -> Result<Value> {
        let address = self.operand_like(address, TypeId::PTR)?;
        let number = self.emit(Op::PtrToInt, 0, TypeId::I32, [address.0, 0, 0]);
        let mut targets = targets.to_vec();
        targets.sort_unstable();
        targets.dedup();
        self.needs_fault_block = true;
        let cases = targets.iter().flat_map(|&block| [block, 0, block]);
        let words: Vec<u32> = core::iter::once(self.head.blocks).chain(cases).collect();
        let pool = self.builder.pool(words);
        let count = targets.len() as u32;
        self.emit(Op::Switch, 0, TypeId::I32, [number.0, pool, count]);
        Ok(Value::NONE)
    }

    /// Values that no record has defined yet are filled in at the end.
    fn phi(
        &mut self,
        ty: bitcode::TypeId,
        incoming: &[(ValueId, u32)],
        flags: u32,
    ) -> Result<Value> {
        let ty = self.ty(ty)?;
        let mut words = core::mem::take(&mut self.words);
        words.clear();
        // Constants may put words of their own into the pool, so places are relative until the end.
        let first_waiting = self.phis.len();
        for &(id, block) in incoming {
            let value = match self.known(id) {
                Some(value) => value,
                None if id < self.head.first_result => self.materialise(id)?,
                None => {
                    let place = words.len().saturating_add(1) as u32;
                    self.phis.push((place, id));
                    Value::NONE
                }
            };
            words.extend([block, value.0]);
        }
        let pool = self.builder.pool_slice(&words);
        self.words = words;
        for (place, _) in self.phis.iter_mut().skip(first_waiting) {
            *place = place.saturating_add(pool);
        }
        Ok(self.emit(
            Op::Phi,
            self.float_flags(ty, flags),
            ty,
            [pool, incoming.len() as u32, 0],
        ))
    }
}
