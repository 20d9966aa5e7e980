//! x87: what `long double` needs, memory to memory.
//!
//! Operations without operands (`fchs`, `fld1`, …) are in [`Plain`](crate::Plain). Opcodes: SDM
//! vol. 2, appendix B.17 and the instruction pages. The escape opcodes D8–DF carry the operation in
//! ModRM.reg and either a memory operand or a stack register in ModRM.rm.

use crate::buffer::CodeBuffer;
use crate::encode::{Code, Imm, Prefixes};
use crate::{Gpr, Mem};

/// Defines the operations of one kind: opcode, and ModRM.reg or the second byte.
macro_rules! x87 {
    ($(#[$doc:meta])* $name:ident { $($op:ident = $opcode:literal, $second:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $name {
            opcode: u8,
            second: u8,
        }

        #[expect(missing_docs, reason = "the manual's own names, one page each")]
        impl $name {
            $(pub const $op: Self = Self { opcode: $opcode, second: $second };)*

            /// Every operation with its name.
            pub const ALL: &[(&str, Self)] = &[$((stringify!($op), Self::$op)),*];
        }
    };
}

x87! {
    /// Operations on memory. The suffix is the operand's width in bits; `FI…` take integers, the
    /// others floating point. All but the loads work on st(0); `…P` pop it.
    X87Mem {
        FLD_M32 = 0xD9, 0; FLD_M64 = 0xDD, 0; FLD_M80 = 0xDB, 5;
        FST_M32 = 0xD9, 2; FST_M64 = 0xDD, 2;
        FSTP_M32 = 0xD9, 3; FSTP_M64 = 0xDD, 3; FSTP_M80 = 0xDB, 7;
        FILD_M16 = 0xDF, 0; FILD_M32 = 0xDB, 0; FILD_M64 = 0xDF, 5;
        FISTP_M16 = 0xDF, 3; FISTP_M32 = 0xDB, 3; FISTP_M64 = 0xDF, 7;
        FISTTP_M16 = 0xDF, 1; FISTTP_M32 = 0xDB, 1; FISTTP_M64 = 0xDD, 1;
        FADD_M32 = 0xD8, 0; FADD_M64 = 0xDC, 0; FMUL_M32 = 0xD8, 1; FMUL_M64 = 0xDC, 1;
        FSUB_M32 = 0xD8, 4; FSUB_M64 = 0xDC, 4; FSUBR_M32 = 0xD8, 5; FSUBR_M64 = 0xDC, 5;
        FDIV_M32 = 0xD8, 6; FDIV_M64 = 0xDC, 6; FDIVR_M32 = 0xD8, 7; FDIVR_M64 = 0xDC, 7;
        FLDCW_M16 = 0xD9, 5; FNSTCW_M16 = 0xD9, 7;
    }
}

x87! {
    /// Operations between st(0) and st(i). `…P` store to st(i) and pop, the others store to st(0).
    /// The comparisons set ZF, PF and CF.
    X87Stack {
        FLD = 0xD9, 0xC0; FXCH = 0xD9, 0xC8; FSTP = 0xDD, 0xD8;
        FADD = 0xD8, 0xC0; FMUL = 0xD8, 0xC8; FSUB = 0xD8, 0xE0; FSUBR = 0xD8, 0xE8;
        FDIV = 0xD8, 0xF0; FDIVR = 0xD8, 0xF8;
        FADDP = 0xDE, 0xC0; FMULP = 0xDE, 0xC8; FSUBRP = 0xDE, 0xE0; FSUBP = 0xDE, 0xE8;
        FDIVRP = 0xDE, 0xF0; FDIVP = 0xDE, 0xF8;
        FUCOMI = 0xDB, 0xE8; FCOMI = 0xDB, 0xF0; FUCOMIP = 0xDF, 0xE8; FCOMIP = 0xDF, 0xF0;
        FFREE = 0xDD, 0xC0;
    }
}

impl CodeBuffer {
    /// `op mem`.
    #[inline]
    pub fn x87_mem(&mut self, op: X87Mem, mem: Mem) {
        self.legacy::<Gpr>(
            Code::one(op.opcode),
            Prefixes::NONE,
            op.second,
            mem,
            Imm::NONE,
        );
    }

    /// `op st(index)`; `index` is 0 to 7.
    #[inline]
    pub fn x87_stack(&mut self, op: X87Stack, index: u8) {
        debug_assert!(index < 8);
        self.put_head(u64::from(op.second | index) << 8 | u64::from(op.opcode), 2);
    }
}
