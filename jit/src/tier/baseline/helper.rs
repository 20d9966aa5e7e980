//! Calls of helpers: code in ring 3 that the runtime puts into reserved slots.
//!
//! A helper is called as any function: System V registers, everything volatile is lost. The
//! analysis is told which instructions these are, so that no value that lives across one sits in a
//! volatile register.

use super::block_copy::{FILL_UNROLLED, LOOPED, SMALL};
use super::emit::Emitter;
use super::moves::{Move, Target};
use super::value::Reg;
use crate::abi;
use crate::tier::Declined;
use asm::{Gpr, Mem};
use ir::{Body, Inst, InstId, Intrinsic, Value};

/// Argument registers, in order.
const ARGS: [Gpr; 4] = [Gpr::Rdi, Gpr::Rsi, Gpr::Rdx, Gpr::Rcx];

/// The slot of the helper that divides so.
pub(super) fn division(which: Intrinsic) -> Option<u32> {
    Some(match which {
        Intrinsic::UDiv128 => abi::SLOT_UDIV128,
        Intrinsic::URem128 => abi::SLOT_UREM128,
        Intrinsic::SDiv128 => abi::SLOT_SDIV128,
        Intrinsic::SRem128 => abi::SLOT_SREM128,
        _ => return None,
    })
}

/// The slot of the helper that copies or fills; `None` where code of our own does it.
fn memory_slot(body: &Body, inst: &Inst) -> Option<u32> {
    let which = inst.intrinsic()?;
    let known = |at: u32| body.const_int(Value(body.pool[(inst.args[1] + at) as usize]));
    let limit = match which {
        Intrinsic::Memcpy => LOOPED,
        Intrinsic::Memmove => SMALL,
        Intrinsic::Memset if known(1).is_some() => FILL_UNROLLED,
        Intrinsic::Memset => 0,
        _ => return None,
    };
    if known(2).is_some_and(|bytes| bytes <= limit) {
        return None;
    }
    Some(match which {
        Intrinsic::Memcpy => abi::SLOT_MEMCPY,
        Intrinsic::Memmove => abi::SLOT_MEMMOVE,
        _ => abi::SLOT_MEMSET,
    })
}

/// Whether the code of intrinsic `inst` calls a helper.
pub(super) fn is_call(body: &Body, inst: &Inst) -> bool {
    let divides = inst.intrinsic().and_then(division).is_some();
    divides || memory_slot(body, inst).is_some()
}

impl Emitter<'_> {
    /// Calls the helper in `slot` with `args` as first parts, and releases them.
    fn call_helper(&mut self, id: InstId, slot: u32, args: &[Value]) {
        for (&arg, reg) in args.iter().zip(ARGS) {
            let from = self.source(arg, 0);
            let part = self.part(arg);
            self.moves.push(Move {
                from,
                to: Target::Reg(Reg::of(reg)),
                part,
            });
        }
        for &arg in args {
            self.release(arg);
        }
        self.store_volatile();
        self.emit_moves();
        self.note(id);
        self.asm.call_rm(Mem::abs(abi::slot_address(slot) as i32));
        let after = self.asm.offset().0;
        self.tables.returns.push(after);
        self.regs.locked = 0;
    }

    /// `Memcpy`, `Memmove` or `Memset` by a helper; false if code of our own is to do it.
    pub(super) fn memory_helper(&mut self, id: InstId, inst: &Inst, args: &[Value]) -> bool {
        let Some(slot) = memory_slot(self.body, inst) else {
            return false;
        };
        self.call_helper(id, slot, args);
        true
    }

    /// Division of 128 bits: the result's two parts in `rax` and `rdx`.
    pub(super) fn divide_wide(
        &mut self,
        id: InstId,
        which: Intrinsic,
        args: &[Value],
    ) -> Result<(), Declined> {
        let Some(slot) = division(which) else {
            return self.unsupported("intrinsic");
        };
        self.call_helper(id, slot, args);
        let ix = self.result(id);
        for (part, reg) in (0..).zip([Gpr::Rax, Gpr::Rdx]) {
            let part = self.part_ix(ix, part);
            self.lock(Reg::of(reg));
            self.set(part, Reg::of(reg), 0);
        }
        Ok(())
    }
}
