//! Registers, operand sizes and condition codes.
//!
//! The hardware numbers registers 0–15; the low three bits go into ModRM, SIB or the opcode and the
//! fourth into REX or VEX (SDM vol. 2, section 2.2.1.2). Each enum's discriminant is that number,
//! so the conversions here cost nothing in the encoder.

use core::fmt;

/// Defines a register enum whose discriminants are the hardware numbers 0–15.
macro_rules! registers {
    ($(#[$doc:meta])* $name:ident { $($reg:ident = $number:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        #[expect(missing_docs, reason = "the register's own name says it all")]
        pub enum $name { $($reg = $number),* }

        impl $name {
            /// All sixteen, in hardware order.
            pub const ALL: [Self; 16] = [$(Self::$reg),*];

            /// The register with hardware number `number`; bits above the fourth are ignored.
            #[inline(always)]
            #[must_use]
            pub const fn new(number: u8) -> Self {
                // A dense match that maps each number to itself: the compiler reduces it to `& 15`.
                match number & 15 { $($number => Self::$reg,)* _ => Self::ALL[0] }
            }

            /// The hardware number, 0–15.
            #[inline(always)]
            #[must_use]
            pub const fn number(self) -> u8 {
                self as u8
            }
        }
    };
}

registers! {
    /// A general purpose register. The operand size is chosen by the instruction, not here.
    Gpr {
        Rax = 0, Rcx = 1, Rdx = 2, Rbx = 3, Rsp = 4, Rbp = 5, Rsi = 6, Rdi = 7,
        R8 = 8, R9 = 9, R10 = 10, R11 = 11, R12 = 12, R13 = 13, R14 = 14, R15 = 15,
    }
}

registers! {
    /// A vector register: XMM in 128-bit and scalar instructions, YMM under
    /// [`Enc::Vex256`](crate::Enc).
    Xmm {
        Xmm0 = 0, Xmm1 = 1, Xmm2 = 2, Xmm3 = 3, Xmm4 = 4, Xmm5 = 5, Xmm6 = 6, Xmm7 = 7,
        Xmm8 = 8, Xmm9 = 9, Xmm10 = 10, Xmm11 = 11, Xmm12 = 12, Xmm13 = 13, Xmm14 = 14, Xmm15 = 15,
    }
}

/// Names of the eight legacy registers, by hardware number, at 8, 16, 32 and 64 bits.
const LEGACY_NAMES: [[&str; 8]; 4] = [
    ["al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil"],
    ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"],
    ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"],
    ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"],
];

/// Names of R8–R15 at 8, 16, 32 and 64 bits.
const EXTENDED_NAMES: [[&str; 8]; 4] = [
    ["r8b", "r9b", "r10b", "r11b", "r12b", "r13b", "r14b", "r15b"],
    ["r8w", "r9w", "r10w", "r11w", "r12w", "r13w", "r14w", "r15w"],
    ["r8d", "r9d", "r10d", "r11d", "r12d", "r13d", "r14d", "r15d"],
    ["r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"],
];

impl Gpr {
    /// The name that an assembler uses for this register at `size`: `rax`, `r8d`, `sil`.
    #[must_use]
    pub const fn name(self, size: Size) -> &'static str {
        let names = if self.number() < 8 {
            &LEGACY_NAMES
        } else {
            &EXTENDED_NAMES
        };
        names[size as usize][(self.number() & 7) as usize]
    }
}

impl fmt::Display for Gpr {
    /// The 64-bit name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name(Size::B64))
    }
}

impl fmt::Display for Xmm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "xmm{}", self.number())
    }
}

/// Operand size of an integer instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Size {
    /// One byte.
    B8,
    /// Two bytes; costs the prefix 0x66.
    B16,
    /// Four bytes; writing a register clears its upper half.
    B32,
    /// Eight bytes; costs a REX.W prefix.
    B64,
}

impl Size {
    /// Every size, ascending.
    pub const ALL: [Self; 4] = [Self::B8, Self::B16, Self::B32, Self::B64];

    /// The size in bytes: 1, 2, 4 or 8.
    #[inline(always)]
    #[must_use]
    pub const fn bytes(self) -> u32 {
        1 << self as u32
    }

    /// The size in bits: 8, 16, 32 or 64.
    #[inline(always)]
    #[must_use]
    pub const fn bits(self) -> u32 {
        8 << self as u32
    }
}

/// A condition of `jcc`, `setcc` and `cmovcc`; the discriminant is the hardware's `tttn` field
/// (SDM vol. 2, appendix B.1.4.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Cond {
    /// Overflow.
    O,
    /// No overflow.
    No,
    /// Unsigned below; carry set.
    B,
    /// Unsigned above or equal; carry clear.
    Ae,
    /// Equal; zero.
    E,
    /// Not equal; not zero.
    Ne,
    /// Unsigned below or equal.
    Be,
    /// Unsigned above.
    A,
    /// Sign set.
    S,
    /// Sign clear.
    Ns,
    /// Parity even: after `ucomis`, unordered.
    P,
    /// Parity odd: after `ucomis`, ordered.
    Np,
    /// Signed less.
    L,
    /// Signed greater or equal.
    Ge,
    /// Signed less or equal.
    Le,
    /// Signed greater.
    G,
}

impl Cond {
    /// Every condition, in hardware order.
    pub const ALL: [Self; 16] = [
        Self::O,
        Self::No,
        Self::B,
        Self::Ae,
        Self::E,
        Self::Ne,
        Self::Be,
        Self::A,
        Self::S,
        Self::Ns,
        Self::P,
        Self::Np,
        Self::L,
        Self::Ge,
        Self::Le,
        Self::G,
    ];

    /// The hardware's four bits.
    #[inline(always)]
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The condition that holds exactly when this one does not: the hardware pairs them in bit 0.
    #[inline(always)]
    #[must_use]
    pub const fn invert(self) -> Self {
        Self::ALL[(self as u8 ^ 1) as usize]
    }

    /// The condition to test after `cmp b, a` in place of this one after `cmp a, b`; `None` for
    /// those that do not express an order of the operands (overflow, sign, parity).
    #[must_use]
    pub const fn swap(self) -> Option<Self> {
        Some(match self {
            Self::B => Self::A,
            Self::A => Self::B,
            Self::Ae => Self::Be,
            Self::Be => Self::Ae,
            Self::L => Self::G,
            Self::G => Self::L,
            Self::Ge => Self::Le,
            Self::Le => Self::Ge,
            Self::E | Self::Ne => self,
            Self::O | Self::No | Self::S | Self::Ns | Self::P | Self::Np => return None,
        })
    }
}
