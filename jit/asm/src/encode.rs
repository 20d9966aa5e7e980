//! The two generic encoders, legacy and VEX, that every instruction with a ModRM byte goes through.
//!
//! # Legacy (SDM vol. 2, sections 2.1 and 2.2)
//! A mandatory prefix (66, F3 or F2, part of the opcode) and the operand-size prefix come before
//! REX, and REX immediately before the opcode or its escape bytes. REX is `0100WRXB`: W is the
//! 64-bit operand size, R extends ModRM.reg, X SIB.index, B ModRM.rm or SIB.base. An *empty* REX
//! also matters: with any REX, byte registers 4–7 are spl, bpl, sil and dil; without, ah, ch, dh
//! and bh (section 2.2.1.2). This crate never names the latter.
//!
//! # VEX (SDM vol. 2, section 2.3.5)
//! ```text
//! C5  R̄ vvvv̄ L pp                        only for map 0F with X, B and W clear
//! C4  R̄ X̄ B̄ mmmmm   W vvvv̄ L pp
//! ```
//! R, X, B and vvvv are stored inverted; `pp` stands for the mandatory prefix, `mmmmm` for the
//! escape bytes. A missing second source is vvvv = 0 before inversion.

use crate::buffer::CodeBuffer;
use crate::mem::{Link, Parts};
use crate::{RegMem, Size};

/// Mandatory prefix of each `pp` value (SDM vol. 2, table 2-9); 0 is none.
const MANDATORY: [u8; 4] = [0, 0x66, 0xF3, 0xF2];
/// The address-size prefix.
const ADDR32: u8 = 0x67;

/// An opcode with everything the manual writes before ModRM, packed so that it can be a constant
/// passed in a register: opcode (bits 0–7), map (8–9), pp (10–11), W (12), VEX only (13), ModRM.reg
/// extension (16–18).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Code(u32);

impl Code {
    /// One-byte opcode.
    pub(crate) const fn one(opcode: u8) -> Self {
        Self(opcode as u32)
    }

    /// Opcode after 0F.
    pub(crate) const fn of(opcode: u8) -> Self {
        Self(opcode as u32 | 1 << 8)
    }

    /// Opcode after 0F 38.
    pub(crate) const fn of38(opcode: u8) -> Self {
        Self(opcode as u32 | 2 << 8)
    }

    /// Opcode after 0F 3A.
    pub(crate) const fn of3a(opcode: u8) -> Self {
        Self(opcode as u32 | 3 << 8)
    }

    /// With the mandatory prefix 66.
    pub(crate) const fn p66(self) -> Self {
        Self(self.0 | 1 << 10)
    }

    /// With the mandatory prefix F3.
    pub(crate) const fn pf3(self) -> Self {
        Self(self.0 | 2 << 10)
    }

    /// With the mandatory prefix F2.
    pub(crate) const fn pf2(self) -> Self {
        Self(self.0 | 3 << 10)
    }

    /// With REX.W or VEX.W set.
    pub(crate) const fn w(self) -> Self {
        Self(self.0 | 1 << 12)
    }

    /// With REX.W or VEX.W set if `wide`.
    #[inline(always)]
    pub(crate) const fn w_if(self, wide: bool) -> Self {
        Self(self.0 | (wide as u32) << 12)
    }

    /// With the mandatory prefix of the given `pp` number.
    #[inline(always)]
    pub(crate) const fn pp_number(self, pp: u8) -> Self {
        Self(self.0 | (pp as u32) << 10)
    }

    /// Marked as having no legacy encoding.
    pub(crate) const fn vex_only(self) -> Self {
        Self(self.0 | 1 << 13)
    }

    /// With an opcode extension for ModRM.reg.
    pub(crate) const fn extension(self, bits: u8) -> Self {
        Self(self.0 | (bits as u32) << 16)
    }

    /// The opcode extension.
    #[inline(always)]
    pub(crate) const fn extension_bits(self) -> u8 {
        (self.0 >> 16 & 7) as u8
    }

    #[inline(always)]
    pub(crate) const fn is_vex_only(self) -> bool {
        self.0 >> 13 & 1 != 0
    }

    /// The same with the opcode byte's low bit set unless `size` is a byte: the integer opcodes' w
    /// bit (SDM vol. 2, appendix B.1.4.3).
    #[inline(always)]
    pub(crate) const fn sized(self, size: Size) -> Self {
        Self(self.0 | !matches!(size, Size::B8) as u32)
    }

    /// The same with `bits` or-ed into the opcode byte.
    #[inline(always)]
    pub(crate) const fn plus(self, bits: u8) -> Self {
        Self(self.0 | bits as u32)
    }

    #[inline(always)]
    const fn opcode(self) -> u8 {
        self.0 as u8
    }

    #[inline(always)]
    const fn map(self) -> u32 {
        self.0 >> 8 & 3
    }

    #[inline(always)]
    const fn pp(self) -> u32 {
        self.0 >> 10 & 3
    }

    #[inline(always)]
    const fn wide(self) -> bool {
        self.0 >> 12 & 1 != 0
    }

    /// The escape bytes and the opcode, little endian, and how many they are.
    #[inline(always)]
    const fn escaped(self) -> (u64, u32) {
        let opcode = self.opcode() as u64;
        match self.map() {
            0 => (opcode, 1),
            1 => (opcode << 8 | 0x0F, 2),
            2 => (opcode << 16 | 0x38_0F, 3),
            _ => (opcode << 16 | 0x3A_0F, 3),
        }
    }
}

/// An immediate of 0, 1, 2 or 4 bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Imm {
    value: u32,
    len: u32,
}

impl Imm {
    /// No immediate.
    pub(crate) const NONE: Self = Self { value: 0, len: 0 };

    /// One byte.
    #[inline(always)]
    pub(crate) const fn byte(value: u8) -> Self {
        Self {
            value: value as u32,
            len: 1,
        }
    }

    /// The full immediate of an instruction of `size`: 1, 2, 4 and, for 64 bits, 4 sign-extended.
    #[inline(always)]
    pub(crate) const fn sized(size: Size, value: i32) -> Self {
        let len = match size {
            Size::B8 => 1,
            Size::B16 => 2,
            Size::B32 | Size::B64 => 4,
        };
        Self {
            value: value as u32,
            len,
        }
    }
}

/// How an operand size shows in the legacy prefixes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prefixes {
    /// The operand-size prefix 66.
    pub(crate) word: bool,
    /// REX.W.
    pub(crate) wide: bool,
    /// The reg and r/m operands are byte registers, for which REX must be there from number 4 on.
    pub(crate) byte_reg: bool,
    pub(crate) byte_rm: bool,
}

impl Prefixes {
    /// 32-bit or size-less operands.
    pub(crate) const NONE: Self = Self {
        word: false,
        wide: false,
        byte_reg: false,
        byte_rm: false,
    };

    /// Both operands of `size`.
    #[inline(always)]
    pub(crate) const fn both(size: Size) -> Self {
        let byte = matches!(size, Size::B8);
        Self {
            byte_reg: byte,
            byte_rm: byte,
            ..Self::wide(size)
        }
    }

    /// An r/m operand of `size`; the reg field holds part of the opcode.
    #[inline(always)]
    pub(crate) const fn rm(size: Size) -> Self {
        Self {
            byte_rm: matches!(size, Size::B8),
            ..Self::wide(size)
        }
    }

    #[inline(always)]
    const fn wide(size: Size) -> Self {
        Self {
            word: matches!(size, Size::B16),
            wide: matches!(size, Size::B64),
            byte_reg: false,
            byte_rm: false,
        }
    }
}

impl CodeBuffer {
    /// Legacy encoding. `reg` is a register number or the opcode extension.
    #[inline(always)]
    pub(crate) fn legacy<R>(
        &mut self,
        code: Code,
        prefixes: Prefixes,
        reg: u8,
        rm: impl RegMem<R>,
        imm: Imm,
    ) {
        self.legacy_parts(code, prefixes, reg, &rm.parts(), imm);
    }

    /// [`legacy`](Self::legacy) with the r/m operand already taken apart.
    #[inline(always)]
    pub(crate) fn legacy_parts(
        &mut self,
        code: Code,
        prefixes: Prefixes,
        reg: u8,
        parts: &Parts,
        imm: Imm,
    ) {
        let (opcode, opcode_len) = code.escaped();
        let mut head = (mod_rm_sib(parts, reg) << (8 * opcode_len)) | opcode;
        let mut len = 1 + parts.sib_len + opcode_len;

        let wide = u8::from(prefixes.wide | code.wide());
        let rex = wide << 3 | (reg >> 3) << 2 | parts.xb;
        let byte = prefixes.byte_reg & (reg >= 4) | prefixes.byte_rm & (parts.reg >= 4);
        // Without a branch: whether registers are extended is not predictable.
        let needed = u32::from(byte | (rex != 0));
        head = head << (8 * needed) | u64::from((0x40 | rex) & (needed as u8).wrapping_neg());
        len += needed;
        if code.pp() != 0 {
            head = head << 8 | u64::from(MANDATORY[code.pp() as usize]);
            len += 1;
        }
        if prefixes.word {
            head = head << 8 | 0x66;
            len += 1;
        }
        self.finish(head, len, parts, imm);
    }

    /// VEX encoding. `l` is VEX.L (256 bits), `second` the register in vvvv (0 if there is none).
    #[inline(always)]
    pub(crate) fn vex<R>(
        &mut self,
        code: Code,
        l: bool,
        reg: u8,
        second: u8,
        rm: impl RegMem<R>,
        imm: Imm,
    ) {
        self.vex_parts(code, l, reg, second, &rm.parts(), imm);
    }

    /// [`vex`](Self::vex) with the r/m operand already taken apart.
    #[inline(always)]
    pub(crate) fn vex_parts(
        &mut self,
        code: Code,
        l: bool,
        reg: u8,
        second: u8,
        parts: &Parts,
        imm: Imm,
    ) {
        let head = mod_rm_sib(parts, reg) << 8 | u64::from(code.opcode());
        let len = 2 + parts.sib_len;
        let last = (!second & 15) << 3 | u8::from(l) << 2 | code.pp() as u8;
        let r = (!reg >> 3 & 1) << 7;
        if code.map() == 1 && parts.xb == 0 && !code.wide() {
            let prefix = u64::from(r | last) << 8 | 0xC5;
            self.finish(head << 16 | prefix, len + 2, parts, imm);
        } else {
            let middle = r | (!parts.xb & 3) << 5 | code.map() as u8;
            let last = u8::from(code.wide()) << 7 | last;
            let prefix = u64::from(last) << 16 | u64::from(middle) << 8 | 0xC4;
            self.finish(head << 24 | prefix, len + 3, parts, imm);
        }
    }

    /// Adds the operand's own prefix, displacement and the immediate, and stores the instruction.
    #[inline(always)]
    fn finish(&mut self, mut head: u64, mut len: u32, parts: &Parts, imm: Imm) {
        if parts.prefix != 0 {
            head = head << 8 | u64::from(parts.prefix);
            len += 1;
        }
        if parts.is_reg && imm.len == 0 {
            return self.put_head(head, len);
        }
        let mut tail = u64::from(parts.disp as u32);
        if imm.len != 0 {
            // Only the displacement's own bytes may remain where the immediate goes.
            let end = 8 * parts.disp_len;
            tail = tail & !(u64::MAX << end) | u64::from(imm.value) << end;
        }
        self.put(head, len, tail, parts.disp_len + imm.len);
        if parts.link != Link::None {
            self.fix_displacement(parts.link, parts.disp, imm.len, parts.prefix == ADDR32);
        }
    }
}

/// ModRM and SIB, little endian. Without SIB the second byte is garbage that the tail overwrites.
#[inline(always)]
fn mod_rm_sib(parts: &Parts, reg: u8) -> u64 {
    u64::from(parts.modrm | (reg & 7) << 3) | u64::from(parts.sib) << 8
}
