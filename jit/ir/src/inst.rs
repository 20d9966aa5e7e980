//! Instructions: 16 bytes each, three arguments in place, longer lists in the operand pool.
//!
//! What the three arguments mean depends on the opcode and is written beside each variant of
//! [`Op`]. `v` is a [`Value`](crate::Value) in raw form, `b` a block id, `#` a plain number,
//! `pool` an index into [`Body::pool`](crate::Body::pool). Unused arguments are 0.

use crate::body::Value;
use crate::types::TypeId;

/// Index of an instruction in its body.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct InstId(pub u32);

impl InstId {
    /// As an index.
    #[must_use]
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What an instruction does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Op {
    /// `v + v`, wrapping; integers and vectors of them, as up to `Xor`.
    Add,
    /// `v - v`.
    Sub,
    /// `v * v`.
    Mul,
    /// Unsigned quotient; faults on 0.
    UDiv,
    /// Signed quotient; faults on 0 and on overflow.
    SDiv,
    /// Unsigned remainder; faults on 0.
    URem,
    /// Signed remainder; faults on 0 and on overflow.
    SRem,
    /// `v << (v mod width)`.
    Shl,
    /// Logical `v >> (v mod width)`.
    LShr,
    /// Arithmetic `v >> (v mod width)`.
    AShr,
    /// Bitwise and.
    And,
    /// Bitwise or.
    Or,
    /// Bitwise exclusive or.
    Xor,
    /// `v + v`, IEEE, round to nearest even; floats and vectors of them, as up to `FRem`.
    FAdd,
    /// `v - v`.
    FSub,
    /// `v * v`.
    FMul,
    /// `v / v`.
    FDiv,
    /// C's `fmod`.
    FRem,
    /// Flips the sign bit. `[v]`
    FNeg,
    /// `[v, v]`, flags = [`IntPred`]; the result is `i1` or a vector of `i1`.
    ICmp,
    /// `[v, v, # fast-math bits]`, flags = [`FloatPred`].
    FCmp,
    /// `[v]`, to the narrower integer type `ty`; as all casts up to `Bitcast`.
    Trunc,
    /// Zero extension.
    ZExt,
    /// Sign extension.
    SExt,
    /// Float to unsigned, as `cvttsd2si` of the next wider width gives it.
    FpToUi,
    /// Float to signed, as `cvttsd2si` gives it.
    FpToSi,
    /// Unsigned to float.
    UiToFp,
    /// Signed to float.
    SiToFp,
    /// To a narrower float.
    FpTrunc,
    /// To a wider float.
    FpExt,
    /// Address to integer: zero-extended or truncated.
    PtrToInt,
    /// Integer to address: zero-extended or truncated.
    IntToPtr,
    /// The same bits as another type of the same size.
    Bitcast,
    /// `[v]`, the same value.
    Freeze,
    /// `[v cond, v then, v else]`.
    Select,
    /// `[v ptr, # MemFlags]`.
    Load,
    /// `[v ptr, v value, # MemFlags]`; `ty` is the stored type, there is no result.
    Store,
    /// `[# bytes, # align log2, # allocated TypeId]`; fixed size, lives as long as the frame.
    Alloca,
    /// `[v count, # align log2, # bytes an element]`; until return or `StackRestore`.
    DynAlloca,
    /// `[v base, v index or NONE, c]`. Without index: `base + c` (as i32). With index:
    /// `base + index * pool[c] + pool[c + 1]`; the index is an `i32`. 32 bits, wrapping.
    PtrAdd,
    /// `[pool, # n]`: `n` pairs (block, value). First in its block.
    Phi,
    /// `[# FuncId, pool, # n]`: pool holds function type, attribute set, then `n` values.
    Call,
    /// `[v callee, pool, # n]`: as `Call`.
    CallIndirect,
    /// `[# Intrinsic, pool, # n]`: pool holds `n` values.
    Intrinsic,
    /// `[v vector, v index]`.
    ExtractElement,
    /// `[v vector, v element, v index]`.
    InsertElement,
    /// `[v, v, pool]`: pool holds one lane number a result lane; `u32::MAX` is any.
    Shuffle,
    /// `[v aggregate, pool, # n]`: pool holds `n` field numbers.
    ExtractValue,
    /// `[v aggregate, v, pool]`: pool holds the count and the field numbers.
    InsertValue,
    /// `[v ptr, v, # MemFlags]`, flags = [`Atomic`] operation; the result is the old value.
    AtomicRmw,
    /// `[v ptr, pool, # MemFlags]`: pool holds expected and new; result `{ty, i1}`.
    CmpXchg,
    /// `[# MemFlags]`.
    Fence,
    /// `[b]`.
    Br,
    /// `[v cond, b then, b else]`.
    CondBr,
    /// `[v, pool, # n]`: pool holds the default block, then `n` times (low, high, block).
    Switch,
    /// `[v, pool, # n]`: pool holds `n` blocks.
    IndirectBr,
    /// `[v or NONE]`.
    Ret,
    /// Reaching it is a contained fault.
    Unreachable,
}

impl Op {
    /// Whether the instruction ends a block.
    #[must_use]
    #[inline]
    pub fn is_terminator(self) -> bool {
        self as u8 >= Self::Br as u8
    }

    /// The integer operations of two operands.
    pub const INT_BINARY: [Self; 13] = [
        Self::Add,
        Self::Sub,
        Self::Mul,
        Self::UDiv,
        Self::SDiv,
        Self::URem,
        Self::SRem,
        Self::Shl,
        Self::LShr,
        Self::AShr,
        Self::And,
        Self::Or,
        Self::Xor,
    ];

    /// Whether it is one of [`INT_BINARY`](Self::INT_BINARY).
    #[must_use]
    #[inline]
    pub fn is_int_binary(self) -> bool {
        self as u8 <= Self::Xor as u8
    }

    /// Whether it is one of the five float operations of two operands.
    #[must_use]
    #[inline]
    pub fn is_float_binary(self) -> bool {
        (Self::FAdd as u8..=Self::FRem as u8).contains(&(self as u8))
    }

    /// Whether it converts one value to another type.
    #[must_use]
    #[inline]
    pub fn is_cast(self) -> bool {
        (Self::Trunc as u8..=Self::Bitcast as u8).contains(&(self as u8))
    }
}

/// Optimisation facts of an instruction, or its predicate. Baseline and interpreter ignore all of
/// these bits but the predicate and the atomic operation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Flags(pub u8);

impl Flags {
    /// Integer arithmetic: does not wrap as unsigned.
    pub const NUW: u8 = 1;
    /// Integer arithmetic: does not wrap as signed.
    pub const NSW: u8 = 2;
    /// Division and right shift: no bits are lost.
    pub const EXACT: u8 = 4;
    /// `or` of disjoint bits.
    pub const DISJOINT: u8 = 8;
    /// `zext`, `uitofp`: the operand is not negative.
    pub const NNEG: u8 = 16;
    /// `PtrAdd`: stays within its object (`inbounds`).
    pub const INBOUNDS: u8 = 1;
    /// `PtrAdd`: offsets do not wrap as signed.
    pub const NUSW: u8 = 2;
    /// Fast-math: reassociate.
    pub const REASSOC: u8 = 1;
    /// Fast-math: no NaN.
    pub const NNAN: u8 = 2;
    /// Fast-math: no infinity.
    pub const NINF: u8 = 4;
    /// Fast-math: sign of zero is insignificant.
    pub const NSZ: u8 = 8;
    /// Fast-math: reciprocal allowed.
    pub const ARCP: u8 = 16;
    /// Fast-math: contraction allowed.
    pub const CONTRACT: u8 = 32;
    /// Fast-math: approximate functions.
    pub const AFN: u8 = 64;
    /// `Call`: the optimiser's `tail` marker.
    pub const TAIL: u8 = 1;
    /// `Call`: must be a tail call.
    pub const MUSTTAIL: u8 = 2;
}

/// Integer comparison.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names are LLVM's and say it")]
pub enum IntPred {
    Eq,
    Ne,
    Ugt,
    Uge,
    Ult,
    Ule,
    Sgt,
    Sge,
    Slt,
    Sle,
}

impl IntPred {
    /// All, in the order of their numbers (LLVM's, less 32).
    pub const ALL: [Self; 10] = [
        Self::Eq,
        Self::Ne,
        Self::Ugt,
        Self::Uge,
        Self::Ult,
        Self::Ule,
        Self::Sgt,
        Self::Sge,
        Self::Slt,
        Self::Sle,
    ];

    /// The predicate that holds exactly when this one does not.
    #[must_use]
    pub fn invert(self) -> Self {
        match self {
            Self::Eq => Self::Ne,
            Self::Ne => Self::Eq,
            Self::Ugt => Self::Ule,
            Self::Uge => Self::Ult,
            Self::Ult => Self::Uge,
            Self::Ule => Self::Ugt,
            Self::Sgt => Self::Sle,
            Self::Sge => Self::Slt,
            Self::Slt => Self::Sge,
            Self::Sle => Self::Sgt,
        }
    }

    /// The predicate that holds for `b, a` exactly when this one does for `a, b`.
    #[must_use]
    pub fn swap(self) -> Self {
        match self {
            Self::Eq | Self::Ne => self,
            Self::Ugt => Self::Ult,
            Self::Uge => Self::Ule,
            Self::Ult => Self::Ugt,
            Self::Ule => Self::Uge,
            Self::Sgt => Self::Slt,
            Self::Sge => Self::Sle,
            Self::Slt => Self::Sgt,
            Self::Sle => Self::Sge,
        }
    }

    /// Whether the operands are compared as signed numbers.
    #[must_use]
    pub fn is_signed(self) -> bool {
        self as u8 >= Self::Sgt as u8
    }
}

/// Float comparison; bit 0 = equal, 1 = greater, 2 = less, 3 = unordered (LLVM's encoding).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FloatPred(pub u8);

impl FloatPred {
    /// Names as LLVM prints them, by number.
    pub const NAMES: [&str; 16] = [
        "false", "oeq", "ogt", "oge", "olt", "ole", "one", "ord", "uno", "ueq", "ugt", "uge",
        "ult", "ule", "une", "true",
    ];

    /// The predicate that holds exactly when this one does not.
    #[must_use]
    pub fn invert(self) -> Self {
        Self(self.0 ^ 15)
    }
}

/// How memory is accessed: alignment, volatility, atomicity.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct MemFlags(pub u32);

impl MemFlags {
    /// A plain access aligned to `1 << align_log2` bytes.
    #[must_use]
    pub fn aligned(align_log2: u8) -> Self {
        Self(u32::from(align_log2 & 31))
    }

    /// log2 of the promised alignment.
    #[must_use]
    pub fn align_log2(self) -> u8 {
        (self.0 & 31) as u8
    }

    /// The flags of an access `offset` bytes behind the place that these speak of: it is aligned to what divides both.
    #[must_use]
    pub fn behind(self, offset: u32) -> Self {
        let align = u32::from(self.align_log2()).min(offset.trailing_zeros());
        Self(self.0 & !31 | align)
    }

    /// The access may be neither removed, repeated, nor moved over another volatile one.
    #[must_use]
    pub fn is_volatile(self) -> bool {
        self.0 & 32 != 0
    }

    /// With the volatile bit set to `on`.
    #[must_use]
    pub fn with_volatile(self, on: bool) -> Self {
        Self(self.0 & !32 | u32::from(on) << 5)
    }

    /// Memory ordering as LLVM numbers it: 0 not atomic, 1 unordered, 2 monotonic, 3 acquire,
    /// 4 release, 5 acq_rel, 6 seq_cst.
    #[must_use]
    pub fn ordering(self) -> u8 {
        (self.0 >> 8 & 7) as u8
    }

    /// With the ordering (0 to 6) set.
    #[must_use]
    pub fn with_ordering(self, ordering: u8) -> Self {
        Self(self.0 & !0x700 | u32::from(ordering & 7) << 8)
    }
}

/// What an `AtomicRmw` stores (LLVM's numbers).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names are LLVM's and say it")]
pub enum Atomic {
    Xchg,
    Add,
    Sub,
    And,
    Nand,
    Or,
    Xor,
    Max,
    Min,
    UMax,
    UMin,
}

/// Declares the intrinsics with their LLVM base names, so that name and meaning stay together.
macro_rules! intrinsics {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// An operation that LLVM writes as a call of `llvm.NAME.SUFFIX`.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum Intrinsic { $($(#[$doc])* $variant,)* }

        impl Intrinsic {
            /// All, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// LLVM's name without `llvm.` and without the type suffix.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

intrinsics! {
    /// `(ptr dst, ptr src, int len)`; regions do not overlap or are equal.
    Memcpy = "memcpy";
    /// `(ptr dst, ptr src, int len)`.
    Memmove = "memmove";
    /// `(ptr dst, i8 byte, int len)`.
    Memset = "memset";
    /// `(x, y)` signed maximum.
    SMax = "smax";
    /// `(x, y)` signed minimum.
    SMin = "smin";
    /// `(x, y)` unsigned maximum.
    UMax = "umax";
    /// `(x, y)` unsigned minimum.
    UMin = "umin";
    /// `(x)` absolute value, wrapping.
    Abs = "abs";
    /// `(a, b, n)` high half of `a:b << n mod width`.
    FShl = "fshl";
    /// `(a, b, n)` low half of `a:b >> n mod width`.
    FShr = "fshr";
    /// `(x)` number of set bits.
    CtPop = "ctpop";
    /// `(x)` leading zeros; width for 0.
    CtLz = "ctlz";
    /// `(x)` trailing zeros; width for 0.
    CtTz = "cttz";
    /// `(x)` bytes reversed.
    BSwap = "bswap";
    /// `(x)` bits reversed.
    BitReverse = "bitreverse";
    /// `(x, y)` saturating signed sum.
    SAddSat = "sadd.sat";
    /// `(x, y)` saturating unsigned sum.
    UAddSat = "uadd.sat";
    /// `(x, y)` saturating signed difference.
    SSubSat = "ssub.sat";
    /// `(x, y)` saturating unsigned difference.
    USubSat = "usub.sat";
    /// `(x, y)` → `{sum, i1 overflow}`.
    SAddOverflow = "sadd.with.overflow";
    /// `(x, y)` → `{sum, i1 overflow}`.
    UAddOverflow = "uadd.with.overflow";
    /// `(x, y)` → `{difference, i1 overflow}`.
    SSubOverflow = "ssub.with.overflow";
    /// `(x, y)` → `{difference, i1 overflow}`.
    USubOverflow = "usub.with.overflow";
    /// `(x, y)` → `{product, i1 overflow}`.
    SMulOverflow = "smul.with.overflow";
    /// `(x, y)` → `{product, i1 overflow}`.
    UMulOverflow = "umul.with.overflow";
    /// `(a, b, c)` `a * b + c`, rounded twice, or once where the function has the FMA feature.
    FMulAdd = "fmuladd";
    /// `(a, b, c)` `a * b + c`, rounded once.
    Fma = "fma";
    /// `(x)` magnitude.
    FAbs = "fabs";
    /// `(x)` square root.
    Sqrt = "sqrt";
    /// `(x)` towards negative infinity.
    Floor = "floor";
    /// `(x)` towards positive infinity.
    Ceil = "ceil";
    /// `(x)` towards zero.
    FTrunc = "trunc";
    /// `(x)` to nearest even.
    Rint = "rint";
    /// `(x)` half away from zero.
    Round = "round";
    /// `(x, y)` magnitude of x, sign of y.
    CopySign = "copysign";
    /// `(x, y)` IEEE minNum.
    MinNum = "minnum";
    /// `(x, y)` IEEE maxNum.
    MaxNum = "maxnum";
    /// `(x)` saturating conversion to signed.
    FpToSiSat = "fptosi.sat";
    /// `(x)` saturating conversion to unsigned.
    FpToUiSat = "fptoui.sat";
    /// `(v)` sum of the lanes.
    ReduceAdd = "vector.reduce.add";
    /// `(v)` product of the lanes.
    ReduceMul = "vector.reduce.mul";
    /// `(v)` and of the lanes.
    ReduceAnd = "vector.reduce.and";
    /// `(v)` or of the lanes.
    ReduceOr = "vector.reduce.or";
    /// `(v)` exclusive or of the lanes.
    ReduceXor = "vector.reduce.xor";
    /// `(v)` signed maximum of the lanes.
    ReduceSMax = "vector.reduce.smax";
    /// `(v)` signed minimum of the lanes.
    ReduceSMin = "vector.reduce.smin";
    /// `(v)` unsigned maximum of the lanes.
    ReduceUMax = "vector.reduce.umax";
    /// `(v)` unsigned minimum of the lanes.
    ReduceUMin = "vector.reduce.umin";
    /// `(ptr list)` stores the address of the first variadic argument.
    VaStart = "va_start";
    /// `(ptr dst, ptr src)` copies four bytes.
    VaCopy = "va_copy";
    /// `()` → the stack pointer.
    StackSave = "stacksave";
    /// `(ptr)` frees dynamic allocas made since.
    StackRestore = "stackrestore";
    /// `()` ends the instance with a report.
    Trap = "trap";
    /// `(x, y)` → −1, 0 or 1, unsigned.
    UCmp = "ucmp";
    /// `(x, y)` → −1, 0 or 1, signed.
    SCmp = "scmp";
    /// `(mask, a, b)` machine vectors: lane of `a` where the mask's lane, an integer as wide, is all
    /// ones, of `b` where it is 0. Other masks do not occur (the interpreter looks at the top bit).
    Blend = "blend";
    /// `(v)` → i32: top bits of the lanes of an integer vector, lane 0 lowest, upper bits 0.
    MoveMask = "movemask";
    /// `(i64, i64)` → i64: high half of the unsigned product.
    UMulHigh = "umulh";
    /// `(a low, a high, b low, b high)` → `{i64 low, i64 high}`, all i64: unsigned quotient of 128 bits;
    /// faults on 0.
    UDiv128 = "udiv128";
    /// As `udiv128`: unsigned remainder.
    URem128 = "urem128";
    /// As `udiv128`: signed quotient; the one that does not fit wraps.
    SDiv128 = "sdiv128";
    /// As `udiv128`: signed remainder.
    SRem128 = "srem128";
    /// `(i16)` → float, exactly: the bits of a half; also lane by lane.
    HalfToFloat = "half.to.float";
    /// `(float)` → i16: the bits of the nearest half, ties to even; also lane by lane.
    FloatToHalf = "float.to.half";
    /// `(ptr dst, ptr a, ptr b)`: sum of two x87 numbers of 10 bytes each, stored as such; so are
    /// the results of all that follow but `cmp` and `to`.
    X87Add = "x87.add";
    /// `(ptr dst, ptr a, ptr b)`: `a - b`.
    X87Sub = "x87.sub";
    /// `(ptr dst, ptr a, ptr b)`: product.
    X87Mul = "x87.mul";
    /// `(ptr dst, ptr a, ptr b)`: `a / b`.
    X87Div = "x87.div";
    /// `(ptr dst, ptr a, ptr b)`: C's `fmodl` (`fprem` until done).
    X87Rem = "x87.rem";
    /// `(ptr dst, ptr a)`: the sign flipped.
    X87Neg = "x87.neg";
    /// `(ptr dst, ptr a)`: magnitude.
    X87Abs = "x87.abs";
    /// `(ptr dst, ptr a)`: square root.
    X87Sqrt = "x87.sqrt";
    /// `(ptr dst, ptr a)`: to a whole number, ties to even.
    X87Rint = "x87.rint";
    /// `(ptr dst, ptr src)`: copies the 10 bytes.
    X87Copy = "x87.copy";
    /// `(ptr a, ptr b)` → i32: 1 equal, 2 `a` greater, 4 `a` less, 8 unordered.
    X87Cmp = "x87.cmp";
    /// `(ptr dst, v)`: `v` is an i32 or i64 (signed), a float or a double; exact.
    X87From = "x87.from";
    /// `(ptr src)` → i32 or i64 (truncated; what does not fit gives the lowest), float or double
    /// (rounded to nearest even).
    X87To = "x87.to";
}

impl Intrinsic {
    /// Whether it computes with x87 numbers in memory: all arguments that are addresses name ten bytes
    /// each, of which the first argument's are written, unless there is a result.
    #[must_use]
    pub fn is_x87(self) -> bool {
        self as u8 >= Self::X87Add as u8
    }
}

/// One instruction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Inst {
    /// What it does.
    pub op: Op,
    /// Facts or predicate.
    pub flags: Flags,
    /// Type of the result; of the stored value for `Store`, of the operand for `Switch`.
    pub ty: TypeId,
    /// Arguments, as [`Op`] says.
    pub args: [u32; 3],
}

impl Inst {
    /// The arguments as values; those that are numbers name none.
    #[must_use]
    #[inline]
    pub fn values(&self) -> [Value; 3] {
        let [a, b, c] = self.args;
        [Value(a), Value(b), Value(c)]
    }

    /// Whether the instruction defines a value.
    #[must_use]
    #[inline]
    pub fn has_result(&self) -> bool {
        // Fences stand just before the terminators.
        (self.op as u8) < Op::Fence as u8 && self.op != Op::Store && self.ty != TypeId::VOID
    }

    /// The predicate of an `ICmp`; `None` for a number out of range.
    #[must_use]
    #[inline]
    pub fn int_pred(&self) -> Option<IntPred> {
        IntPred::ALL.get(usize::from(self.flags.0 & 15)).copied()
    }

    /// The predicate of an `FCmp`.
    #[must_use]
    pub fn float_pred(&self) -> FloatPred {
        FloatPred(self.flags.0 & 15)
    }

    /// The intrinsic of an `Intrinsic`; `None` for a number out of range.
    #[must_use]
    pub fn intrinsic(&self) -> Option<Intrinsic> {
        Intrinsic::ALL.get(self.args[0] as usize).copied()
    }

    /// Calls `f` with each word that holds a value operand, in the order of
    /// [`Body::for_each_operand`](crate::Body::for_each_operand), its counterpart for reading; `pool` is that of
    /// the body. Words of a list are visited once only if no other instruction shares them.
    pub fn for_each_operand_mut(&mut self, pool: &mut [u32], mut f: impl FnMut(&mut u32)) {
        let [a, b, c] = &mut self.args;
        let words = |start: u32, n: u32| start as usize..(start + n) as usize;
        match self.op {
            Op::Alloca | Op::Fence | Op::Br | Op::Unreachable => {}
            Op::FNeg | Op::Freeze | Op::Load | Op::DynAlloca | Op::CondBr | Op::Switch => f(a),
            Op::IndirectBr | Op::ExtractValue => f(a),
            op if op.is_cast() => f(a),
            Op::Ret => {
                if Value(*a) != Value::NONE {
                    f(a);
                }
            }
            Op::Select | Op::InsertElement => {
                f(a);
                f(b);
                f(c);
            }
            Op::PtrAdd => {
                f(a);
                if Value(*b) != Value::NONE {
                    f(b);
                }
            }
            Op::Phi => {
                let pairs = &mut pool[words(*a, *b * 2)];
                pairs.iter_mut().skip(1).step_by(2).for_each(f);
            }
            Op::Call => pool[words(*b + 2, *c)].iter_mut().for_each(f),
            Op::CallIndirect => {
                f(a);
                pool[words(*b + 2, *c)].iter_mut().for_each(f);
            }
            Op::Intrinsic => pool[words(*b, *c)].iter_mut().for_each(f),
            Op::CmpXchg => {
                f(a);
                pool[words(*b, 2)].iter_mut().for_each(f);
            }
            _ => {
                f(a);
                f(b);
            }
        }
    }
}
