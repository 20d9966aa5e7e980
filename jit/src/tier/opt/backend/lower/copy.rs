//! Blocks of memory: copied and filled by single instructions while they are small, else by helpers; large
//! `byval` objects by the hardware's string instruction, as a call is being set up there.

use super::operand::{Operands, exact_size};
use super::{Lower, Lowered};
use crate::abi;
use crate::tier::opt::backend::vcode::{MInst, Mem, Operand, Src, Vreg};
use asm::{Gpr, Size};
use ir::Value;

/// Blocks up to this size are copied or filled by single instructions.
const INLINE_BYTES: u32 = 128;

/// A memory operand and its registers.
type Location = (Mem, Operands);

impl Lower<'_> {
    /// `memcpy` and `memmove`.
    pub(super) fn copy_block(&mut self, [to, from, len]: [Value; 3], overlap: bool) -> Lowered {
        let bits = self.bits(len)?;
        let known = self.const_bits(len).and_then(|len| u32::try_from(len).ok());
        if let Some(len) = known.filter(|&len| len <= INLINE_BYTES) {
            let source = self.address(from)?;
            let target = self.address(to)?;
            if overlap {
                self.move_bytes(&target, &source, len);
            } else {
                self.copy_bytes(target, source, len);
            }
            return Ok(());
        }
        let slot = if overlap {
            abi::SLOT_MEMMOVE
        } else {
            abi::SLOT_MEMCPY
        };
        let (to, from) = (self.place_argument(to)?, self.place_argument(from)?);
        let len = self.zero_extended(len, bits)?;
        self.call_block(slot, [to, from, len]);
        Ok(())
    }

    /// An address that is needed in an argument's register.
    fn place_argument(&mut self, value: Value) -> Lowered<Vreg> {
        let vreg = self.reg(value)?;
        Ok(self.detached(value, vreg))
    }

    /// Calls a helper for blocks of memory.
    fn call_block(&mut self, slot: u32, [first, second, third]: [Vreg; 3]) {
        let operands = [
            Operand::in_gpr(first, Gpr::Rdi),
            Operand::in_gpr(second, Gpr::Rsi),
            Operand::in_gpr(third, Gpr::Rdx),
        ];
        self.call_slot(slot, 0, &operands);
    }

    fn repeat_copy(&mut self, to: Vreg, from: Vreg, len: Vreg) {
        let operands = [
            Operand::in_gpr(to, Gpr::Rdi),
            Operand::in_gpr(from, Gpr::Rsi),
            Operand::in_gpr(len, Gpr::Rcx),
        ];
        self.push(MInst::RepMovs, &operands);
    }

    /// Copies `len` bytes between places that do not overlap.
    pub(super) fn copy_bytes(&mut self, target: Location, source: Location, len: u32) {
        if len > INLINE_BYTES {
            let (to, from) = (self.temp(), self.temp());
            for (dst, (mem, operands)) in [(to, &target), (from, &source)] {
                let mem = Mem {
                    wraps: false,
                    ..*mem
                };
                let lea = MInst::Lea {
                    size: Size::B32,
                    mem,
                };
                self.push_with(lea, &[Operand::def(dst)], operands);
            }
            let len = self.imm(u64::from(len));
            return self.repeat_copy(to, from, len);
        }
        for (offset, size) in pieces(len) {
            let piece = self.load_piece(&source, offset, size);
            self.store_piece(piece, &target, offset, size);
        }
    }

    /// Copies `len` bytes between places that may overlap: all are loaded before any is stored.
    fn move_bytes(&mut self, target: &Location, source: &Location, len: u32) {
        let mut loaded = Operands::new();
        for (offset, size) in pieces(len) {
            let piece = self.load_piece(source, offset, size);
            loaded.push(Operand::reg(piece));
        }
        for ((offset, size), piece) in pieces(len).zip(&loaded) {
            self.store_piece(piece.vreg, target, offset, size);
        }
    }

    fn load_piece(&mut self, (mem, operands): &Location, offset: u32, size: u32) -> Vreg {
        let mem = mem.offset(offset as i32);
        if size == 16 {
            let piece = self.float_temp();
            self.load_vector(piece, 16, mem, operands);
            return piece;
        }
        let piece = self.temp();
        self.load_word(piece, exact_size(size * 8), mem, operands);
        piece
    }

    fn store_piece(&mut self, piece: Vreg, (mem, operands): &Location, offset: u32, size: u32) {
        let mem = mem.offset(offset as i32);
        if size == 16 {
            return self.store_vector(piece, 16, mem, operands);
        }
        let size = exact_size(size * 8);
        let inst = MInst::Store { size, mem };
        self.push_with(inst, &[Operand::reg(piece)], operands);
    }

    /// `memset`.
    pub(super) fn fill_block(&mut self, [to, byte, len]: [Value; 3]) -> Lowered {
        let bits = self.bits(len)?;
        let known = self.const_bits(len).and_then(|len| u32::try_from(len).ok());
        let Some(len) = known.filter(|&len| len <= INLINE_BYTES) else {
            let (to, byte) = (self.place_argument(to)?, self.place_argument(byte)?);
            let len = self.zero_extended(len, bits)?;
            self.call_block(abi::SLOT_MEMSET, [to, byte, len]);
            return Ok(());
        };
        let target = self.address(to)?;
        let known = self.const_bits(byte).map(|byte| byte & 0xff);
        let wide = if known == Some(0) && len >= 16 {
            Some(self.zero_vector())
        } else {
            None
        };
        let word = match known {
            Some(byte) => self.imm(byte * 0x0101_0101_0101_0101),
            None => self.repeated(byte)?,
        };
        for (offset, size) in pieces(len) {
            match wide {
                Some(zero) if size == 16 => self.store_piece(zero, &target, offset, 16),
                None if size == 16 => {
                    self.store_piece(word, &target, offset, 8);
                    self.store_piece(word, &target, offset + 8, 8);
                }
                _ => self.store_piece(word, &target, offset, size),
            }
        }
        Ok(())
    }

    fn zero_vector(&mut self) -> Vreg {
        self.need_bytes(16);
        let zero = self.float_temp();
        self.push(MInst::FZero, &[Operand::def(zero)]);
        zero
    }

    /// The byte in each byte of a word.
    fn repeated(&mut self, byte: Value) -> Lowered<Vreg> {
        let byte = self.zero_extended(byte, 8)?;
        let ones = self.imm(0x0101_0101_0101_0101);
        let word = self.temp();
        let mul = MInst::Mul {
            size: Size::B64,
            src: Src::Reg,
        };
        self.push(
            mul,
            &[
                Operand::tied(word, 1),
                Operand::reg(byte),
                Operand::any(ones),
            ],
        );
        Ok(word)
    }

    /// Stores 32 bits.
    pub(super) fn store_word(&mut self, value: Vreg, mem: Mem, operands: &[Operand]) {
        let store = MInst::Store {
            size: Size::B32,
            mem,
        };
        self.push_with(store, &[Operand::reg(value)], operands);
    }

    /// Loads an integer of `size`, zero-extended.
    pub(super) fn load_word(&mut self, dst: Vreg, size: Size, mem: Mem, operands: &[Operand]) {
        let to = if size == Size::B64 {
            Size::B64
        } else {
            Size::B32
        };
        let load = MInst::Extend {
            from: size,
            to,
            signed: false,
            src: Src::Mem(mem),
        };
        self.push_with(load, &[Operand::def(dst)], operands);
    }
}

/// (offset, size) of the pieces of a block: 16 bytes as long as they fit, then 8, 4, 2, 1.
fn pieces(len: u32) -> impl Iterator<Item = (u32, u32)> {
    let mut at = 0;
    core::iter::from_fn(move || {
        let rest = len - at;
        let size = [16, 8, 4, 2, 1].into_iter().find(|&size| size <= rest)?;
        at += size;
        Some((at - size, size))
    })
}
