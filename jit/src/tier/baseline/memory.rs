//! Loads, stores, addresses, allocas.
//!
//! # Addresses
//!
//! Address arithmetic wraps in 32 bits. Registers hold addresses zero-extended, so `[base]` needs no
//! prefix; `[base + disp]` needs none either if `disp` is small and positive: a sum that should have wrapped
//! would lie below `LOWEST` and fault, and without wrapping it lies in the unmapped range above 4 GiB and
//! faults too. Everything else is computed in 32 bits by the prefix 0x67, which costs a byte. Places in
//! the frame are the exception: `rbp` plus an offset that stays in the frame never wraps.

use super::emit::Emitter;
use super::value::{NO_IX, Reg, Val};
use crate::abi::{self, Part};
use crate::tier::Declined;
use asm::{Gpr, Mem, Plain, Scale, Size};
use ir::{Inst, InstId, MemFlags, Value};

/// Memory ordering of sequentially consistent accesses.
const SEQ_CST: u8 = 6;

/// An address being put together.
#[derive(Clone, Copy)]
struct Address {
    base: Base,
    index: Option<(Gpr, Scale)>,
    disp: i32,
}

#[derive(Clone, Copy)]
enum Base {
    None,
    Frame,
    Reg(Gpr),
}

impl Address {
    /// The operand, with the arithmetic in 64 bits.
    fn wide(self) -> Mem {
        match (self.base, self.index) {
            (Base::None, None) => Mem::abs(self.disp),
            (Base::None, Some((index, scale))) => Mem::index(index, scale, self.disp),
            (Base::Frame, None) => Mem::base(Gpr::Rbp, self.disp),
            (Base::Frame, Some((index, scale))) => {
                Mem::base_index(Gpr::Rbp, index, scale, self.disp)
            }
            (Base::Reg(base), None) => Mem::base(base, self.disp),
            (Base::Reg(base), Some((index, scale))) => {
                Mem::base_index(base, index, scale, self.disp)
            }
        }
    }

    /// The operand of an access.
    fn access(self) -> Mem {
        let exact = match (self.base, self.index) {
            (Base::None, None) => self.disp >= 0,
            (Base::Frame, None) => true,
            (Base::Reg(_), None) => (0..abi::LOWEST as i32).contains(&self.disp),
            _ => false,
        };
        if exact {
            self.wide()
        } else {
            self.wide().addr32()
        }
    }
}

impl Emitter<'_> {
    /// The memory operand for an access at address `value`.
    pub(super) fn address(&mut self, value: Value) -> Mem {
        self.address_of(value).access()
    }

    fn address_of(&mut self, value: Value) -> Address {
        let mut value = value;
        let mut disp = 0i32;
        while let Some(ix) = self.index(value)
            && self.vals[ix as usize].is_folded()
        {
            let [base, index, c] = self.body.insts[(ix - self.params) as usize].args;
            if Value(index) != Value::NONE {
                return self.indexed(Value(base), Value(index), c, disp);
            }
            disp = disp.wrapping_add(c as i32);
            value = Value(base);
        }
        self.based(value, disp)
    }

    /// `value + disp` without looking through `value`, but for allocas and constants.
    fn based(&mut self, value: Value, disp: i32) -> Address {
        let (base, disp) = if let Some(ix) = self.index(value) {
            let val = &self.vals[ix as usize];
            let near = disp.unsigned_abs() < abi::PROBE_INTERVAL;
            if val.has(Val::ALLOCA) && near {
                (Base::Frame, val.home + disp)
            } else {
                (Base::Reg(self.gpr(value)), disp)
            }
        } else if let Some(bits) = self.const_int(value) {
            (Base::None, disp.wrapping_add(bits as i32))
        } else {
            (Base::Reg(self.gpr(value)), disp)
        };
        Address {
            base,
            index: None,
            disp,
        }
    }

    fn indexed(&mut self, base: Value, index: Value, words: u32, disp: i32) -> Address {
        let [factor, offset] = [
            self.body.pool[words as usize],
            self.body.pool[words as usize + 1],
        ];
        let disp = disp.wrapping_add(offset as i32);
        if let Some(index) = self.const_int(index) {
            let disp = disp.wrapping_add((index as i32).wrapping_mul(factor as i32));
            return self.based(base, disp);
        }
        let mut address = self.based(base, disp);
        let before = self.regs.locked;
        let index = self.gpr(index);
        address.index = Some(match Scale::from_factor(factor) {
            Some(scale) => (index, scale),
            None => {
                let product = self.temp();
                self.asm.imul_i(Size::B32, product, index, factor as i32);
                self.unlock(index, before);
                (product, Scale::S1)
            }
        });
        address
    }

    /// `PtrAdd` that is not folded into accesses.
    pub(super) fn ptr_add(&mut self, id: InstId, inst: &Inst) -> Result<(), Declined> {
        if self.vals[self.result(id) as usize].is_folded() {
            return Ok(());
        }
        let [base, index, c] = inst.args;
        let address = if Value(index) == Value::NONE {
            let mut address = self.address_of(Value(base));
            address.disp = address.disp.wrapping_add(c as i32);
            address
        } else {
            self.indexed(Value(base), Value(index), c, 0)
        };
        let dst = self.dst_late(id);
        match address {
            Address {
                base: Base::None,
                index: None,
                disp,
            } => {
                self.load_int(dst.gpr(), u64::from(disp as u32));
            }
            Address {
                base: Base::Reg(base),
                index: None,
                disp: 0,
            } => {
                self.copy(dst, Reg::of(base), Part::Int(32));
            }
            Address {
                base: Base::Reg(base),
                index: None,
                disp,
            } if base == dst.gpr() => {
                self.asm.alu_i(asm::Alu::Add, Size::B32, base, disp);
            }
            address => self.asm.lea(Size::B32, dst.gpr(), address.wide()),
        }
        self.done(id, inst, dst, 0);
        Ok(())
    }

    /// The size of memory that an integer of `bits` occupies, if one access does it.
    fn access_size(bits: u8) -> Option<Size> {
        match bits {
            1..=8 => Some(Size::B8),
            9..=16 => Some(Size::B16),
            25..=32 => Some(Size::B32),
            57..=64 => Some(Size::B64),
            _ => None,
        }
    }

    pub(super) fn load(&mut self, id: InstId, inst: &Inst) -> Result<(), Declined> {
        let ptr = Value(inst.args[0]);
        let ix = self.result(id);
        let Val { part, more, .. } = self.vals[ix as usize];
        if more != 0 {
            return self.load_aggregate(id, inst);
        }
        if let Some(from) = self.variable(ptr) {
            return self.load_variable(id, inst, from);
        }
        let mem = self.address(ptr);
        let (dst, flags) = match part {
            Part::Int(bits) => match Self::access_size(bits) {
                Some(size) => self.load_whole(id, mem, bits, size),
                None => {
                    let dst = self.dst(id);
                    self.note(id);
                    self.load_pieces(dst.gpr(), mem, bits);
                    (dst, 0)
                }
            },
            Part::V128 | Part::V256 => {
                let dst = self.dst_late(id);
                self.note(id);
                let bytes = self.shape(inst.ty)?.bytes();
                self.load_lanes(dst.xmm(), bytes, mem);
                (dst, 0)
            }
            part => {
                let dst = self.dst_late(id);
                self.note(id);
                self.load_vector(dst.xmm(), part, mem);
                (dst, 0)
            }
        };
        self.release(ptr);
        self.set(ix, dst, flags);
        Ok(())
    }

    /// Loads an integer as wide as an access; its register, and what is known of its upper bits.
    fn load_whole(&mut self, id: InstId, mem: Mem, bits: u8, size: Size) -> (Reg, u16) {
        let dst = self.dst_late(id);
        self.note(id);
        match size {
            Size::B32 | Size::B64 => self.asm.mov(size, dst.gpr(), mem),
            Size::B8 | Size::B16 => self.asm.movzx(dst.gpr(), size, mem),
        }
        let whole = u32::from(bits) == size.bits();
        (dst, if whole { Val::ZEXT } else { 0 })
    }

    fn load_variable(&mut self, id: InstId, inst: &Inst, from: Reg) -> Result<(), Declined> {
        let ix = self.result(id);
        let val = self.vals[ix as usize];
        self.release(Value(inst.args[0]));
        if val.uses == 0 {
            return Ok(());
        }
        if !val.fixed.is_some() && self.alias(from, ix) {
            return Ok(());
        }
        let dst = self.dst_late(id);
        self.copy(dst, from, val.part);
        self.set(ix, dst, 0);
        Ok(())
    }

    pub(super) fn store(&mut self, inst: &Inst) -> Result<(), Declined> {
        let [ptr, value, flags] = inst.args;
        let (ptr, value) = (Value(ptr), Value(value));
        let part = match self.only_part(value) {
            Some(part) => part,
            None => match self.parts(value)[..] {
                [part] => part,
                _ => return self.store_aggregate(inst),
            },
        };
        if let Some(to) = self.variable(ptr) {
            self.store_variable(to, value);
            return Ok(());
        }
        let mem = self.address(ptr);
        let strong = MemFlags(flags).ordering() == SEQ_CST;
        match part {
            Part::Int(bits) => match Self::access_size(bits) {
                Some(size) => self.store_int(mem, value, bits, size, strong),
                None => self.store_pieces(mem, value, bits),
            },
            part => {
                let source = self.xmm(value);
                self.note(self.at);
                if matches!(part, Part::V128 | Part::V256) {
                    let bytes = self.shape(inst.ty)?.bytes();
                    self.store_lanes(mem, bytes, source);
                } else {
                    self.store_vector(mem, part, source);
                }
                if strong {
                    self.asm.plain(Plain::MFENCE);
                }
            }
        }
        self.release(ptr);
        self.release(value);
        Ok(())
    }

    /// Bytes beyond the value's width in its last byte are written as zero: `i1` is 0 or 1 in memory.
    fn store_int(&mut self, mem: Mem, value: Value, bits: u8, size: Size, strong: bool) {
        let imm = self.const_int(value).filter(|_| !strong);
        let imm = imm.and_then(|raw| match size {
            Size::B64 => i32::try_from(raw as i64).ok(),
            _ => Some(raw as i32),
        });
        if let Some(imm) = imm {
            self.note(self.at);
            return self.asm.mov_mi(size, mem, imm);
        }
        let source = if u32::from(bits) == size.bits() {
            self.gpr(value)
        } else {
            let wide = super::operand::size_of(bits);
            self.extended(value, false, wide)
        };
        self.note(self.at);
        self.asm.mov_mr(size, mem, source);
        if strong {
            self.asm.plain(Plain::MFENCE);
        }
    }

    fn store_variable(&mut self, to: Reg, value: Value) {
        if let Some(bits) = self.const_int(value) {
            self.unalias(to, NO_IX);
            self.load_int(to.gpr(), bits);
        } else {
            let from = self.get(value);
            // Otherwise the value was computed in the variable's register, or is its old content.
            if from != to {
                self.unalias(to, NO_IX);
                let part = self.part(value);
                self.copy(to, from, part);
            }
        }
        self.release(self.stored_to());
        self.release(value);
    }

    /// The address operand of the store being emitted.
    fn stored_to(&self) -> Value {
        Value(self.body.inst(self.at).args[0])
    }

    pub(super) fn alloca(&mut self, id: InstId, inst: &Inst) -> Result<(), Declined> {
        let [bytes, align_log2, _] = inst.args;
        let ix = self.result(id);
        let val = self.vals[ix as usize];
        if val.has(Val::ALLOCA) {
            if val.has(Val::USED) && !(val.is_variable() && val.fixed.is_some()) {
                let object = self
                    .frame
                    .area(u64::from(bytes.max(1)), 1 << align_log2.min(4));
                self.vals[ix as usize].home = object;
            }
            return Ok(());
        }
        // Aligned above 16, or not in the entry block: a value like any other.
        let align = 1u64 << align_log2;
        let slack = if align > 16 { align } else { 0 };
        let object = self
            .frame
            .area(u64::from(bytes.max(1)) + slack, (align as u32).min(16));
        let dst = self.dst(id);
        if slack == 0 {
            self.asm
                .lea(Size::B32, dst.gpr(), Mem::base(Gpr::Rbp, object));
        } else {
            let top = object + (align - 1) as i32;
            self.asm.lea(Size::B32, dst.gpr(), Mem::base(Gpr::Rbp, top));
            self.asm.alu_i(
                asm::Alu::And,
                Size::B32,
                dst.gpr(),
                (align as i32).wrapping_neg(),
            );
        }
        self.set(ix, dst, 0);
        Ok(())
    }
}
