//! Operators, predicates, orderings and flag bits, as the file numbers them.
//!
//! Numbers are those of `llvm/Bitcode/LLVMBitCodes.h`, which LLVM keeps apart from its internal
//! ones and never changes.

/// Defines an enum whose variants are numbered in the file from 0 without gaps.
macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident { $($variant:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "the names are LLVM's own, explained in its language reference")]
        pub enum $name { $($variant),* }

        impl $name {
            const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Decodes the number that the file uses.
            #[inline]
            pub(crate) fn from_code(code: u64) -> Option<Self> {
                Self::ALL.get(usize::try_from(code).ok()?).copied()
            }
        }
    };
}

numbered! {
    /// A binary operator. On floating-point operands `Add`, `Sub`, `Mul`, `SDiv` and `SRem` mean
    /// `fadd`, `fsub`, `fmul`, `fdiv` and `frem`; the file does not tell them apart.
    BinOp { Add, Sub, Mul, UDiv, SDiv, URem, SRem, Shl, LShr, AShr, And, Or, Xor }
}

numbered! {
    /// A conversion.
    CastOp {
        Trunc, ZExt, SExt, FpToUi, FpToSi, UiToFp, SiToFp, FpTrunc, FpExt, PtrToInt, IntToPtr,
        BitCast, AddrSpaceCast, PtrToAddr,
    }
}

numbered! {
    /// The operation of an `atomicrmw`.
    RmwOp {
        Xchg, Add, Sub, And, Nand, Or, Xor, Max, Min, UMax, UMin, FAdd, FSub, FMax, FMin, UIncWrap,
        UDecWrap, USubCond, USubSat, FMaximum, FMinimum, FMaximumNum, FMinimumNum,
    }
}

numbered! {
    /// Memory ordering of an atomic operation.
    AtomicOrdering { NotAtomic, Unordered, Monotonic, Acquire, Release, AcqRel, SeqCst }
}

/// Predicate of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    missing_docs,
    reason = "the names are LLVM's own, explained in its language reference"
)]
pub enum Predicate {
    FcmpFalse,
    FcmpOeq,
    FcmpOgt,
    FcmpOge,
    FcmpOlt,
    FcmpOle,
    FcmpOne,
    FcmpOrd,
    FcmpUno,
    FcmpUeq,
    FcmpUgt,
    FcmpUge,
    FcmpUlt,
    FcmpUle,
    FcmpUne,
    FcmpTrue,
    IcmpEq,
    IcmpNe,
    IcmpUgt,
    IcmpUge,
    IcmpUlt,
    IcmpUle,
    IcmpSgt,
    IcmpSge,
    IcmpSlt,
    IcmpSle,
}

impl Predicate {
    /// Decodes the number: `fcmp` 0 to 15, `icmp` 32 to 41.
    #[inline]
    pub(crate) fn from_code(code: u64) -> Option<Self> {
        use Predicate::*;
        const FLOAT: [Predicate; 16] = [
            FcmpFalse, FcmpOeq, FcmpOgt, FcmpOge, FcmpOlt, FcmpOle, FcmpOne, FcmpOrd, FcmpUno,
            FcmpUeq, FcmpUgt, FcmpUge, FcmpUlt, FcmpUle, FcmpUne, FcmpTrue,
        ];
        const INT: [Predicate; 10] = [
            IcmpEq, IcmpNe, IcmpUgt, IcmpUge, IcmpUlt, IcmpUle, IcmpSgt, IcmpSge, IcmpSlt, IcmpSle,
        ];
        let code = usize::try_from(code).ok()?;
        FLOAT
            .get(code)
            .or_else(|| INT.get(code.checked_sub(32)?))
            .copied()
    }

    /// Whether it compares integers or pointers.
    pub fn is_int(self) -> bool {
        self as u8 >= Self::IcmpEq as u8
    }
}

/// Bits of an instruction's optional flags operand; which set applies depends on the operation.
pub mod flags {
    /// `nuw` of add, sub, mul, shl and trunc.
    pub const NUW: u32 = 1;
    /// `nsw` of add, sub, mul, shl and trunc.
    pub const NSW: u32 = 2;
    /// `exact` of divisions and right shifts.
    pub const EXACT: u32 = 1;
    /// `disjoint` of or.
    pub const DISJOINT: u32 = 1;
    /// `nneg` of zext and uitofp.
    pub const NNEG: u32 = 1;
    /// `samesign` of icmp.
    pub const SAMESIGN: u32 = 1;

    /// `inbounds` of getelementptr.
    pub const INBOUNDS: u32 = 1;
    /// `nusw` of getelementptr.
    pub const GEP_NUSW: u32 = 2;
    /// `nuw` of getelementptr.
    pub const GEP_NUW: u32 = 4;

    /// Fast-math: all of the bits, as LLVM before 6 wrote it.
    pub const FAST: u32 = 1;
    /// Fast-math: `nnan`.
    pub const NNAN: u32 = 2;
    /// Fast-math: `ninf`.
    pub const NINF: u32 = 4;
    /// Fast-math: `nsz`.
    pub const NSZ: u32 = 8;
    /// Fast-math: `arcp`.
    pub const ARCP: u32 = 16;
    /// Fast-math: `contract`.
    pub const CONTRACT: u32 = 32;
    /// Fast-math: `afn`.
    pub const AFN: u32 = 64;
    /// Fast-math: `reassoc`.
    pub const REASSOC: u32 = 128;
}
