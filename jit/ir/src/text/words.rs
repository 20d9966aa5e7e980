//! The words of the language, in one place for the printer and the parser.
//!
//! Tables of pairs, searched from either side; where a table is also indexed by number, a test
//! checks its order. Adding an operation means adding its line here, and the test that compares the
//! last number with the length fails until it is done.

use crate::inst::{Atomic, Flags, IntPred, Op};
use crate::module::{FuncAttrs, Linkage};

/// Operations with the names by which they are written.
pub(super) const OPS: [(Op, &str); 58] = [
    (Op::Add, "add"),
    (Op::Sub, "sub"),
    (Op::Mul, "mul"),
    (Op::UDiv, "udiv"),
    (Op::SDiv, "sdiv"),
    (Op::URem, "urem"),
    (Op::SRem, "srem"),
    (Op::Shl, "shl"),
    (Op::LShr, "lshr"),
    (Op::AShr, "ashr"),
    (Op::And, "and"),
    (Op::Or, "or"),
    (Op::Xor, "xor"),
    (Op::FAdd, "fadd"),
    (Op::FSub, "fsub"),
    (Op::FMul, "fmul"),
    (Op::FDiv, "fdiv"),
    (Op::FRem, "frem"),
    (Op::FNeg, "fneg"),
    (Op::ICmp, "icmp"),
    (Op::FCmp, "fcmp"),
    (Op::Trunc, "trunc"),
    (Op::ZExt, "zext"),
    (Op::SExt, "sext"),
    (Op::FpToUi, "fptoui"),
    (Op::FpToSi, "fptosi"),
    (Op::UiToFp, "uitofp"),
    (Op::SiToFp, "sitofp"),
    (Op::FpTrunc, "fptrunc"),
    (Op::FpExt, "fpext"),
    (Op::PtrToInt, "ptrtoint"),
    (Op::IntToPtr, "inttoptr"),
    (Op::Bitcast, "bitcast"),
    (Op::Freeze, "freeze"),
    (Op::Select, "select"),
    (Op::Load, "load"),
    (Op::Store, "store"),
    (Op::Alloca, "alloca"),
    (Op::DynAlloca, "dynalloca"),
    (Op::PtrAdd, "ptradd"),
    (Op::Phi, "phi"),
    (Op::Call, "call"),
    (Op::CallIndirect, "calli"),
    (Op::Intrinsic, "intrinsic"),
    (Op::ExtractElement, "extractelement"),
    (Op::InsertElement, "insertelement"),
    (Op::Shuffle, "shuffle"),
    (Op::ExtractValue, "extractvalue"),
    (Op::InsertValue, "insertvalue"),
    (Op::AtomicRmw, "atomicrmw"),
    (Op::CmpXchg, "cmpxchg"),
    (Op::Fence, "fence"),
    (Op::Br, "br"),
    (Op::CondBr, "condbr"),
    (Op::Switch, "switch"),
    (Op::IndirectBr, "indirectbr"),
    (Op::Ret, "ret"),
    (Op::Unreachable, "unreachable"),
];

/// The name of an operation.
pub(super) fn op_name(op: Op) -> &'static str {
    // `OPS` is in the order of the numbers, which a test checks.
    OPS[op as usize].1
}

/// Integer predicates.
pub(super) const INT_PREDS: [(IntPred, &str); 10] = [
    (IntPred::Eq, "eq"),
    (IntPred::Ne, "ne"),
    (IntPred::Ugt, "ugt"),
    (IntPred::Uge, "uge"),
    (IntPred::Ult, "ult"),
    (IntPred::Ule, "ule"),
    (IntPred::Sgt, "sgt"),
    (IntPred::Sge, "sge"),
    (IntPred::Slt, "slt"),
    (IntPred::Sle, "sle"),
];

/// Operations of `atomicrmw`.
pub(super) const ATOMICS: [(Atomic, &str); 11] = [
    (Atomic::Xchg, "xchg"),
    (Atomic::Add, "add"),
    (Atomic::Sub, "sub"),
    (Atomic::And, "and"),
    (Atomic::Nand, "nand"),
    (Atomic::Or, "or"),
    (Atomic::Xor, "xor"),
    (Atomic::Max, "max"),
    (Atomic::Min, "min"),
    (Atomic::UMax, "umax"),
    (Atomic::UMin, "umin"),
];

/// Memory orderings by number; 0 is not written.
pub(super) const ORDERINGS: [&str; 7] = [
    "",
    "unordered",
    "monotonic",
    "acquire",
    "release",
    "acq_rel",
    "seq_cst",
];

/// Linkages; the first is not written.
pub(super) const LINKAGES: [(Linkage, &str); 6] = [
    (Linkage::External, ""),
    (Linkage::Internal, "internal"),
    (Linkage::Weak, "weak"),
    (Linkage::ExternWeak, "extern_weak"),
    (Linkage::Common, "common"),
    (Linkage::Appending, "appending"),
];

/// Bits of [`FuncAttrs`].
pub(super) const FUNC_ATTRS: &[(u32, &str)] = &[
    (FuncAttrs::NOINLINE, "noinline"),
    (FuncAttrs::OPTNONE, "optnone"),
    (FuncAttrs::ALWAYS_INLINE, "alwaysinline"),
    (FuncAttrs::NORETURN, "noreturn"),
    (FuncAttrs::RETURNS_TWICE, "returns_twice"),
    (FuncAttrs::READ_ONLY, "readonly"),
    (FuncAttrs::READ_NONE, "readnone"),
    (FuncAttrs::COLD, "cold"),
    (FuncAttrs::FMA, "fma"),
    (FuncAttrs::NOT_ADDRESS_TAKEN, "not_address_taken"),
    (FuncAttrs::HOT, "hot"),
    (FuncAttrs::WILL_RETURN, "willreturn"),
    (FuncAttrs::ARG_MEM_ONLY, "argmemonly"),
    (FuncAttrs::NO_FREE, "nofree"),
    (FuncAttrs::NO_SYNC, "nosync"),
    (FuncAttrs::NO_RECURSE, "norecurse"),
    (FuncAttrs::SMALL, "optsize"),
    (FuncAttrs::STRICT_FP, "strictfp"),
    (FuncAttrs::NULL_IS_VALID, "null_is_valid"),
    (FuncAttrs::SPECULATABLE, "speculatable"),
    (FuncAttrs::WRITE_ONLY, "writeonly"),
    (FuncAttrs::MUST_PROGRESS, "mustprogress"),
];

/// Bits of `ParamAttrs::bits`.
pub(super) const PARAM_ATTRS: &[(u32, &str)] = &[
    (1, "sret"),
    (2, "noalias"),
    (4, "nocapture"),
    (8, "readonly"),
    (16, "nonnull"),
    (32, "zeroext"),
    (64, "signext"),
    (128, "or_null"),
    (256, "writeonly"),
    (512, "returned"),
    (1024, "noundef"),
    (2048, "readnone"),
];

const FAST_MATH: &[(u32, &str)] = &[
    (Flags::REASSOC as u32, "reassoc"),
    (Flags::NNAN as u32, "nnan"),
    (Flags::NINF as u32, "ninf"),
    (Flags::NSZ as u32, "nsz"),
    (Flags::ARCP as u32, "arcp"),
    (Flags::CONTRACT as u32, "contract"),
    (Flags::AFN as u32, "afn"),
];

const INTEGER: &[(u32, &str)] = &[
    (Flags::NUW as u32, "nuw"),
    (Flags::NSW as u32, "nsw"),
    (Flags::EXACT as u32, "exact"),
    (Flags::DISJOINT as u32, "disjoint"),
    (Flags::NNEG as u32, "nneg"),
];

const ADDRESS: &[(u32, &str)] = &[
    (Flags::INBOUNDS as u32, "inbounds"),
    (Flags::NUSW as u32, "nusw"),
];

const CALL: &[(u32, &str)] = &[
    (Flags::TAIL as u32, "tail"),
    (Flags::MUSTTAIL as u32, "musttail"),
];

/// What the flag bits of an operation are called; bits without a name are written as a number.
pub(super) fn flag_names(op: Op) -> &'static [(u32, &'static str)] {
    match op {
        op if op.is_int_binary() => INTEGER,
        op if op.is_float_binary() => FAST_MATH,
        Op::Trunc | Op::ZExt | Op::UiToFp => INTEGER,
        Op::FNeg | Op::FCmp | Op::FpTrunc | Op::FpExt => FAST_MATH,
        Op::Select | Op::Phi | Op::Intrinsic => FAST_MATH,
        Op::PtrAdd => ADDRESS,
        Op::Call | Op::CallIndirect => CALL,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_in_the_order_of_the_numbers() {
        for (at, (op, _)) in OPS.iter().enumerate() {
            assert_eq!(*op as usize, at);
        }
        for (at, (pred, _)) in INT_PREDS.iter().enumerate() {
            assert_eq!(*pred as usize, at);
        }
        for (at, (atomic, _)) in ATOMICS.iter().enumerate() {
            assert_eq!(*atomic as usize, at);
        }
        assert_eq!(OPS.len(), Op::Unreachable as usize + 1);
    }
}
