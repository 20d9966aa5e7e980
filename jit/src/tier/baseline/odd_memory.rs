//! Loads and stores that take several instructions: integers of 3, 5, 6 and 7 bytes, and first-class
//! structs, field by field.

use super::analysis::parts_of;
use super::emit::Emitter;
use super::regs::{TEMP, class};
use super::value::Reg;
use crate::abi::Part;
use crate::tier::Declined;
use alloc::vec::Vec;
use asm::{Alu, Gpr, Mem, Shift, Size};
use ir::{Inst, InstId, Type, TypeId, Value};
use smallvec::SmallVec;

/// The powers of two that `bytes` is the sum of, largest first, each with its offset.
fn pieces(bytes: u32) -> impl Iterator<Item = (Size, u32)> {
    let mut at = 0;
    [Size::B32, Size::B16, Size::B8]
        .into_iter()
        .filter_map(move |size| {
            let here = at;
            (bytes - here >= size.bytes()).then(|| {
                at += size.bytes();
                (size, here)
            })
        })
}

impl Emitter<'_> {
    /// `dst` = the integer of `bits` at `mem`, which does not use `dst`.
    pub(super) fn load_pieces(&mut self, dst: Gpr, mem: Mem, bits: u8) {
        for (size, at) in pieces(u32::from(bits).div_ceil(8)) {
            let from = mem.offset(at as i32);
            if at == 0 {
                self.asm.movzx(dst, size, from);
            } else {
                self.asm.movzx(TEMP, size, from);
                self.asm.shift_i(Shift::Shl, Size::B64, TEMP, 8 * at as u8);
                self.asm.alu(Alu::Or, Size::B64, dst, TEMP);
            }
        }
    }

    /// Stores the integer `value` of `bits` to `mem`, the rest of its last byte as zero.
    pub(super) fn store_pieces(&mut self, mem: Mem, value: Value, bits: u8) {
        let source = self.extended(value, false, super::operand::size_of(bits));
        self.note(self.at);
        self.asm.mov(Size::B64, TEMP, source);
        for (size, at) in pieces(u32::from(bits).div_ceil(8)) {
            self.asm.mov_mr(size, mem.offset(at as i32), TEMP);
            self.asm
                .shift_i(Shift::Shr, Size::B64, TEMP, size.bits() as u8);
        }
    }

    /// Offset and part of each scalar of a struct, in order. All have one part.
    fn scalars(&self, ty: TypeId) -> Result<SmallVec<[(u32, Part); 4]>, Declined> {
        let types = &self.job.module.types;
        let mut found = SmallVec::new();
        let mut stack: Vec<(u32, TypeId)> = alloc::vec![(0, ty)];
        while let Some((base, ty)) = stack.pop() {
            if let Type::Struct { fields, .. } = types.get(ty) {
                for (at, &field) in fields.iter().enumerate().rev() {
                    let offset = types.field_offset(ty, at).unwrap_or(0);
                    stack.push((base + offset, field));
                }
                continue;
            }
            match parts_of(self.job, ty, self.at)? {
                (Part::Int(bits), _) if !matches!(bits, 1..=8 | 16 | 32 | 64) => {
                    return self.unsupported("field of this width in a first-class struct");
                }
                (Part::V128 | Part::V256, _) => {
                    return self.unsupported("vector in a first-class struct in memory");
                }
                (part, later) if later.is_empty() => found.push((base, part)),
                _ => return self.unsupported("field of several parts in a first-class struct"),
            }
        }
        Ok(found)
    }

    pub(super) fn load_aggregate(&mut self, id: InstId, inst: &Inst) -> Result<(), Declined> {
        let scalars = self.scalars(inst.ty)?;
        let mem = self.address(Value(inst.args[0]));
        self.note(id);
        let mut regs: SmallVec<[Reg; 4]> = SmallVec::new();
        for &(at, part) in &scalars {
            let reg = self.alloc(class(part));
            let from = mem.offset(at as i32);
            match part {
                Part::Int(64) => self.asm.mov(Size::B64, reg.gpr(), from),
                Part::Int(bits) => self.asm.movzx(reg.gpr(), memory_size(bits), from),
                part => self.load_vector(reg.xmm(), part, from),
            }
            regs.push(reg);
        }
        self.release(Value(inst.args[0]));
        self.set_parts(id, &regs);
        Ok(())
    }

    pub(super) fn store_aggregate(&mut self, inst: &Inst) -> Result<(), Declined> {
        let (ptr, value) = (Value(inst.args[0]), Value(inst.args[1]));
        let scalars = self.scalars(inst.ty)?;
        let mem = self.address(ptr);
        let locked = self.regs.locked;
        for (number, &(at, part)) in (0u32..).zip(&scalars) {
            let reg = self.get_part(value, number);
            let to = mem.offset(at as i32);
            self.note(self.at);
            match part {
                Part::Int(bits @ 0..8) => {
                    // The rest of the byte is zero in memory.
                    self.asm.mov(Size::B32, TEMP, reg.gpr());
                    self.asm.alu_i(Alu::And, Size::B32, TEMP, (1 << bits) - 1);
                    self.asm.mov_mr(Size::B8, to, TEMP);
                }
                Part::Int(bits) => self.asm.mov_mr(memory_size(bits), to, reg.gpr()),
                part => self.store_vector(to, part, reg.xmm()),
            }
            self.regs.locked = locked;
        }
        self.release(ptr);
        self.release(value);
        Ok(())
    }
}

/// The size in memory of an integer of 1 to 8, 16, 32 or 64 bits.
fn memory_size(bits: u8) -> Size {
    match bits {
        0..=8 => Size::B8,
        9..=16 => Size::B16,
        17..=32 => Size::B32,
        _ => Size::B64,
    }
}
