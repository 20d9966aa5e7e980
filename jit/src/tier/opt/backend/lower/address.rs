//! Addresses: chains of `PtrAdd` as memory operands.
//!
//! An address of the IR is a sum modulo 2^32. The hardware adds in 64 bits, so the prefix 0x67, which
//! cuts the sum to 32 bits, is needed unless the sum cannot wrap: with an index, whose register holds
//! no sign (V4), and for offsets that are not promised to stay within an object. An access through a
//! sum that was promised and still wraps lands above 4 GiB, where nothing is mapped.

use super::operand::Operands;
use super::{Lower, Lowered};
use crate::tier::opt::backend::vcode::{Base, MInst, Mem, Operand, Vreg};
use asm::{Alu, Scale, Size};
use ir::{Flags, Inst, InstId, Op, Value};

/// Static allocas with a higher alignment (log2) are rounded up at run time.
const FRAME_ALIGN_LOG2: u32 = 4;

/// An address being taken apart.
#[derive(Debug)]
struct Sum {
    base: Value,
    index: Option<(Value, Scale)>,
    disp: i32,
    wraps: bool,
}

impl Sum {
    /// Adds a constant offset.
    fn add(&mut self, offset: i32, inbounds: bool) {
        let (sum, overflow) = self.disp.overflowing_add(offset);
        self.disp = sum;
        self.wraps |= overflow || !inbounds;
    }
}

impl Lower<'_> {
    /// The memory operand for `pointer`, with its registers.
    pub(super) fn address(&mut self, pointer: Value) -> Lowered<(Mem, Operands)> {
        self.address_for(pointer, None)
    }

    /// As before; `root` is the instruction whose result is being computed, if one is.
    fn address_for(&mut self, pointer: Value, root: Option<InstId>) -> Lowered<(Mem, Operands)> {
        let mut sum = Sum {
            base: pointer,
            index: None,
            disp: 0,
            wraps: false,
        };
        while self.look_through(&mut sum, root) {}
        self.fold_index(&mut sum);
        self.operand(sum)
    }

    /// `dst = pointer`, computed here.
    pub(super) fn address_into(&mut self, pointer: Value, dst: Vreg) -> Lowered {
        let (mem, operands) = self.address_for(pointer, pointer.as_inst())?;
        // A 32-bit result is cut anyway.
        let mem = Mem {
            wraps: false,
            ..mem
        };
        self.push_with(
            MInst::Lea {
                size: Size::B32,
                mem,
            },
            &[Operand::def(dst)],
            &operands,
        );
        Ok(())
    }

    /// Replaces the sum's base by what it is made of, if that helps.
    fn look_through(&self, sum: &mut Sum, root: Option<InstId>) -> bool {
        let (leaf, _) = self.leaf(sum.base, 0);
        sum.base = leaf;
        let Some((id, inst)) = self.def(leaf) else {
            return false;
        };
        // The root's own result is wanted; any other that is in a register anyway is best used.
        if inst.op != Op::PtrAdd || (self.is_wanted(id) && root != Some(id)) {
            return false;
        }
        let [base, index, c] = inst.args;
        let inbounds = inst.flags.0 & Flags::INBOUNDS != 0;
        if Value(index) == Value::NONE {
            sum.base = Value(base);
            sum.add(c as i32, inbounds);
            return true;
        }
        let (scale, disp) = (
            self.body.pool[c as usize],
            self.body.pool[c as usize + 1] as i32,
        );
        if let Some(number) = self.const_bits(Value(index)) {
            sum.base = Value(base);
            sum.add(
                (number as i32)
                    .wrapping_mul(scale as i32)
                    .wrapping_add(disp),
                inbounds,
            );
            return true;
        }
        let near =
            root == Some(id) || self.block_of[id.index()] == self.block || self.is_sole(leaf);
        let Some(scale) = Scale::from_factor(scale) else {
            return false;
        };
        if sum.index.is_some() {
            // Two registers and a constant: the offset takes the place of the base.
            let Some(address) = self.const_bits(Value(base)).filter(|_| scale == Scale::S1) else {
                return false;
            };
            sum.base = Value(index);
            sum.disp = sum.disp.wrapping_add(disp).wrapping_add(address as i32);
            return false;
        }
        if !near {
            return false;
        }
        *sum = Sum {
            base: Value(base),
            index: Some((Value(index), scale)),
            disp: sum.disp.wrapping_add(disp),
            wraps: true,
        };
        true
    }

    /// Moves constants and shifts out of the index.
    fn fold_index(&self, sum: &mut Sum) {
        while let Some((index, scale)) = sum.index {
            let (leaf, _) = self.leaf(index, 0);
            let Some((id, inst)) = self.def(leaf) else {
                return;
            };
            let near = self.block_of[id.index()] == self.block || self.is_sole(index);
            if !near || self.is_wanted(id) || self.types.int_bits(inst.ty) != Some(32) {
                return;
            }
            // Arguments of other operations need not be values at all.
            if !matches!(inst.op, Op::Add | Op::Sub | Op::Shl) {
                return;
            }
            let [a, b, _] = inst.values();
            let Some(number) = self.imm_of(b, 32) else {
                return;
            };
            let factor = scale.factor() as i32;
            let offset = match inst.op {
                Op::Add => number.wrapping_mul(factor),
                Op::Sub => number.wrapping_neg().wrapping_mul(factor),
                Op::Shl => {
                    let wider = scale.factor().checked_shl(number as u32 & 31);
                    let Some(scale) = wider.and_then(Scale::from_factor) else {
                        return;
                    };
                    sum.index = Some((a, scale));
                    continue;
                }
                _ => return,
            };
            sum.disp = sum.disp.wrapping_add(offset);
            sum.index = Some((a, scale));
        }
    }

    fn operand(&mut self, sum: Sum) -> Lowered<(Mem, Operands)> {
        let mut operands = Operands::new();
        let mut mem = Mem {
            disp: sum.disp,
            base: Base::Reg,
            index: sum.index.map(|(_, scale)| scale),
            wraps: sum.wraps,
        };
        if let Some(address) = self.const_bits(sum.base) {
            mem.base = Base::None;
            mem.disp = sum.disp.wrapping_add(address as i32);
            mem.wraps = mem.index.is_some() || mem.disp < 0;
        } else if let Some(offset) = self.thread_local(sum.base) {
            mem.disp = sum.disp.wrapping_add(offset);
            mem.wraps |= mem.disp < 0;
            operands.push(Operand::reg(self.thread_base()));
        } else if let Some(offset) = self.frame_offset(sum.base) {
            mem.base = Base::Alloca;
            mem.disp = sum.disp.wrapping_add(offset as i32);
        } else {
            operands.push(Operand::reg(self.reg(sum.base)?));
        }
        if let Some((index, _)) = sum.index {
            operands.push(Operand::reg(self.reg(index)?));
        }
        Ok((mem, operands))
    }

    /// The static alloca that `value` is, if its place in the frame is its address.
    pub(super) fn alloca_of(&self, value: Value) -> Option<InstId> {
        let (id, inst) = self.def(value)?;
        (inst.op == Op::Alloca && inst.args[1] <= FRAME_ALIGN_LOG2).then_some(id)
    }

    /// Offset of a static alloca among them; it gets one now if it has none yet.
    fn frame_offset(&mut self, value: Value) -> Option<u32> {
        let id = self.alloca_of(self.leaf(value, 0).0)?;
        let [bytes, align_log2, _] = self.body.inst(id).args;
        Some(self.place_alloca(id, bytes, align_log2))
    }

    fn place_alloca(&mut self, id: InstId, bytes: u32, align_log2: u32) -> u32 {
        if let Some(offset) = self.alloca[id.index()] {
            return offset;
        }
        let offset = self
            .code
            .alloca_bytes
            .next_multiple_of(1 << align_log2.min(FRAME_ALIGN_LOG2));
        self.code.alloca_bytes = offset.saturating_add(bytes.max(1)).min(1 << 30);
        self.alloca[id.index()] = Some(offset);
        offset
    }

    /// `Alloca` with an alignment that the frame does not have: rounds its address up.
    pub(super) fn alloca_address(&mut self, id: InstId, inst: &Inst) -> Lowered {
        let [bytes, align_log2, _] = inst.args;
        let align = 1u32 << align_log2;
        let room = bytes.saturating_add(align);
        let offset = self.place_alloca(id, room, FRAME_ALIGN_LOG2);
        let (raw, high) = (self.temp(), self.temp());
        let dst = self.result(id)?;
        let mem = Mem::at(Base::Alloca, offset as i32);
        self.push(
            MInst::Lea {
                size: Size::B32,
                mem,
            },
            &[Operand::def(raw)],
        );
        let imm = align as i32 - 1;
        self.push(
            MInst::AddImm {
                size: Size::B32,
                imm,
            },
            &[Operand::def(high), Operand::reg(raw)],
        );
        let src = crate::tier::opt::backend::vcode::Src::Imm(-(align as i32));
        let and = MInst::Alu {
            op: Alu::And,
            size: Size::B32,
            src,
        };
        self.push(and, &[Operand::tied(dst, 1), Operand::reg(high)]);
        Ok(())
    }

    /// `PtrAdd` whose result is wanted in a register.
    pub(super) fn pointer_add(&mut self, id: InstId, inst: &Inst) -> Lowered {
        let dst = self.result(id)?;
        let [base, index, c] = inst.args;
        if Value(index) != Value::NONE && self.const_bits(Value(index)).is_none() {
            let (scale, disp) = (
                self.body.pool[c as usize],
                self.body.pool[c as usize + 1] as i32,
            );
            if Scale::from_factor(scale).is_none() {
                return self.scaled_add(dst, Value(base), Value(index), scale as i32, disp);
            }
        }
        self.address_into(Value::inst(id), dst)
    }

    /// `dst = base + index * scale + disp` for a scale that the hardware does not have.
    fn scaled_add(
        &mut self,
        dst: Vreg,
        base: Value,
        index: Value,
        scale: i32,
        disp: i32,
    ) -> Lowered {
        let index = self.reg(index)?;
        let product = self.temp();
        self.multiply_by(product, index, scale, Size::B32);
        let mut sum = Sum {
            base,
            index: None,
            disp,
            wraps: true,
        };
        while self.look_through(&mut sum, None) && sum.index.is_none() {}
        if sum.index.is_some() {
            // One index is taken: the rest of the base goes into a register.
            sum = Sum {
                base,
                index: None,
                disp,
                wraps: true,
            };
        }
        let (mut mem, mut operands) = self.operand(sum)?;
        mem.index = Some(Scale::S1);
        mem.wraps = false;
        operands.push(Operand::reg(product));
        self.push_with(
            MInst::Lea {
                size: Size::B32,
                mem,
            },
            &[Operand::def(dst)],
            &operands,
        );
        Ok(())
    }
}
