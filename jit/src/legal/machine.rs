//! The machine dialect: what every tier compiles, and what legalisation may leave in a body.
//!
//! This file is the contract between `legal` and the tiers, the same for all tiers of an instance as
//! it depends on the CPU only. `jit/docs/legal.md` says the same in words.
//!
//! * **Scalars**: integers of 1 to 64 bits, `ptr`, `float`, `double`, with every operation that the
//!   IR has for them.
//! * **Vectors** ([`Vector`]): a power of two of lanes, at least 2, of i8 i16 i32 i64 float double;
//!   16 to 128 bits together, 256 with AVX2. They exist only with SSE4.1 (which brings SSSE3): an older
//!   CPU computes lane by lane, so no tier has a second way to shuffle or to extend. One shorter
//!   than 128 bits is the low part of a register whose upper bits are unspecified.
//! * **Pairs**: `{iN, i1}` of the operations with overflow and of `cmpxchg`, taken apart by
//!   `extractvalue`; `{i64, i64}` of calls and of 128-bit divisions, taken apart likewise, made by
//!   `insertvalue` into zero and returned.
//!
//! Nothing else is left. [`supports`] and its companions say which operations vectors have; load,
//! store (any alignment, exactly their bytes), phi, call, ret, `freeze`, `select` by one `i1`,
//! `bitcast` among vectors and scalars of equal size, `shuffle` with any mask (the result may have more
//! or fewer lanes), `insertelement` and `extractelement` with a constant lane number below the
//! number of lanes: these are there for all of them and not asked for.
//!
//! # Masks
//!
//! `icmp` and `fcmp` of vectors give `<N x i1>`. The only use of such a value is a `sext` in the same
//! block to the integer vector with lanes as wide as those compared: for the machine an identity, as
//! its comparisons give all ones or zero. `blend` and `movemask` take such integer vectors.

use crate::tier::CpuFeatures;
use ir::{FloatPred, IntPred, Intrinsic, Op, Type, TypeId, Types};

/// What a lane of a machine vector holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Lane {
    I8,
    I16,
    I32,
    I64,
    F32,
    F64,
}

impl Lane {
    /// The lane type `ty`; `None` if machine vectors have no such lanes.
    #[must_use]
    pub fn of(ty: TypeId) -> Option<Self> {
        Some(match ty {
            TypeId::I8 => Self::I8,
            TypeId::I16 => Self::I16,
            TypeId::I32 => Self::I32,
            TypeId::I64 => Self::I64,
            TypeId::F32 => Self::F32,
            TypeId::F64 => Self::F64,
            _ => return None,
        })
    }

    /// Its type.
    #[must_use]
    pub fn ty(self) -> TypeId {
        match self {
            Self::I8 => TypeId::I8,
            Self::I16 => TypeId::I16,
            Self::I32 => TypeId::I32,
            Self::I64 => TypeId::I64,
            Self::F32 => TypeId::F32,
            Self::F64 => TypeId::F64,
        }
    }

    /// Its width in bits.
    #[must_use]
    pub fn bits(self) -> u32 {
        match self {
            Self::I8 => 8,
            Self::I16 => 16,
            Self::I32 | Self::F32 => 32,
            Self::I64 | Self::F64 => 64,
        }
    }

    /// Whether it is a float.
    #[must_use]
    pub fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }

    /// The integer lane of the same width: that of a mask for such lanes.
    #[must_use]
    pub fn mask(self) -> Self {
        match self {
            Self::F32 => Self::I32,
            Self::F64 => Self::I64,
            int => int,
        }
    }
}

/// A machine vector.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Vector {
    /// What each lane holds.
    pub lane: Lane,
    /// How many.
    pub lanes: u32,
}

impl Vector {
    /// The machine vector that `ty` is by its shape, whether or not a CPU has it.
    #[must_use]
    pub fn of(types: &Types, ty: TypeId) -> Option<Self> {
        let (elem, lanes) = types.vector(ty)?;
        let lane = Lane::of(elem)?;
        let fits = lanes >= 2 && lanes.is_power_of_two() && lanes * lane.bits() <= 256;
        fits.then_some(Self { lane, lanes })
    }

    /// Bits of all lanes.
    #[must_use]
    pub fn bits(self) -> u32 {
        self.lane.bits() * self.lanes
    }

    /// Whether the CPU has such vectors.
    #[must_use]
    pub fn exists(self, cpu: CpuFeatures) -> bool {
        self.lanes >= 2 && self.lanes.is_power_of_two() && self.bits() <= max_bits(cpu)
    }
}

/// Bits of the longest vector of a CPU; 0 if it has none.
#[must_use]
pub fn max_bits(cpu: CpuFeatures) -> u32 {
    match cpu {
        CpuFeatures { sse41: false, .. } => 0,
        CpuFeatures { avx2: true, .. } => 256,
        _ => 128,
    }
}

/// Whether vectors of shape `v`, which the CPU has, have the operation `op`. Not for comparisons,
/// shifts, casts and intrinsics, which have functions of their own.
#[must_use]
pub fn supports(op: Op, v: Vector, cpu: CpuFeatures) -> bool {
    if !v.exists(cpu) {
        return false;
    }
    match op {
        Op::Add | Op::Sub | Op::And | Op::Or | Op::Xor => !v.lane.is_float(),
        Op::Mul => matches!(v.lane, Lane::I16 | Lane::I32),
        Op::FAdd | Op::FSub | Op::FMul | Op::FDiv | Op::FNeg => v.lane.is_float(),
        Op::Load | Op::Store | Op::Phi | Op::Select | Op::Freeze | Op::Bitcast => true,
        Op::Shuffle | Op::InsertElement | Op::ExtractElement => true,
        _ => false,
    }
}

/// Whether `op`, a shift, exists for `v`. `constant`: the amount is a constant with all lanes equal and
/// below the width. Otherwise each lane has its own, taken modulo the width.
#[must_use]
pub fn supports_shift(op: Op, v: Vector, constant: bool, cpu: CpuFeatures) -> bool {
    if !v.exists(cpu) {
        return false;
    }
    match (op, v.lane) {
        (Op::Shl | Op::LShr, Lane::I16) | (Op::AShr, Lane::I16) => constant,
        (Op::Shl | Op::LShr | Op::AShr, Lane::I32) => constant || cpu.avx2,
        (Op::Shl | Op::LShr, Lane::I64) => constant || cpu.avx2,
        _ => false,
    }
}

/// Whether vectors `v` are compared by `pred`.
#[must_use]
pub fn supports_icmp(pred: IntPred, v: Vector, cpu: CpuFeatures) -> bool {
    // `pcmpgtq` came with SSE4.2, which AVX implies.
    let ordered = !matches!(pred, IntPred::Eq | IntPred::Ne);
    v.exists(cpu) && !v.lane.is_float() && (v.lane != Lane::I64 || !ordered || cpu.avx)
}

/// Whether vectors `v` are compared by `pred`: all of them, but for the two that compare nothing.
#[must_use]
pub fn supports_fcmp(pred: FloatPred, v: Vector, cpu: CpuFeatures) -> bool {
    v.exists(cpu) && v.lane.is_float() && !matches!(pred.0, 0 | 15)
}

/// Whether vectors of shape `from` are converted to as many lanes `to` by `op`.
#[must_use]
pub fn supports_cast(op: Op, from: Vector, to: Vector, cpu: CpuFeatures) -> bool {
    if !from.exists(cpu) || !to.exists(cpu) {
        return false;
    }
    let ints = !from.lane.is_float() && !to.lane.is_float();
    match op {
        Op::Bitcast => from.bits() == to.bits(),
        _ if from.lanes != to.lanes => false,
        Op::SExt | Op::ZExt => ints && from.lane.bits() < to.lane.bits(),
        Op::Trunc => ints && from.lane.bits() > to.lane.bits(),
        Op::SiToFp => from.lane == Lane::I32 && to.lane.is_float(),
        Op::FpToSi => from.lane.is_float() && to.lane == Lane::I32,
        Op::FpExt => (from.lane, to.lane) == (Lane::F32, Lane::F64),
        Op::FpTrunc => (from.lane, to.lane) == (Lane::F64, Lane::F32),
        _ => false,
    }
}

/// Whether vectors `v` (the first operand of `blend` aside: its second) have the intrinsic.
/// `half.to.float` and `float.to.half`: `v` is the vector of floats.
#[must_use]
pub fn supports_intrinsic(which: Intrinsic, v: Vector, cpu: CpuFeatures) -> bool {
    use Intrinsic as I;
    if !v.exists(cpu) {
        return false;
    }
    let narrow = matches!(v.lane, Lane::I8 | Lane::I16);
    match which {
        I::Blend => true,
        I::MoveMask => !v.lane.is_float(),
        I::Sqrt | I::FAbs | I::CopySign => v.lane.is_float(),
        I::Floor | I::Ceil | I::FTrunc | I::Rint => v.lane.is_float(),
        // Fused or not is the function's matter (`FuncAttrs::FMA`), as for scalars.
        I::Fma | I::FMulAdd => v.lane.is_float() && cpu.fma,
        I::SMin | I::SMax | I::UMin | I::UMax | I::Abs => narrow || v.lane == Lane::I32,
        I::SAddSat | I::UAddSat | I::SSubSat | I::USubSat => narrow,
        I::HalfToFloat | I::FloatToHalf => {
            cpu.f16c && v.lane == Lane::F32 && matches!(v.lanes, 4 | 8)
        }
        _ => false,
    }
}

/// Whether the scalar forms of what only legalisation makes exist.
#[must_use]
pub fn supports_scalar_intrinsic(which: Intrinsic, cpu: CpuFeatures) -> bool {
    match which {
        Intrinsic::HalfToFloat | Intrinsic::FloatToHalf => cpu.f16c,
        // So is `fmuladd` in functions that fuse it.
        Intrinsic::Fma => cpu.fma,
        Intrinsic::Blend | Intrinsic::MoveMask => false,
        _ => true,
    }
}

/// Whether values of type `ty` exist in the dialect at all: scalars and the CPU's vectors.
#[must_use]
pub fn is_value(types: &Types, ty: TypeId, cpu: CpuFeatures) -> bool {
    match types.get(ty) {
        Type::Int(bits) => *bits <= 64,
        Type::Ptr | Type::Float | Type::Double => true,
        Type::Vector { .. } => Vector::of(types, ty).is_some_and(|v| v.exists(cpu)),
        _ => false,
    }
}
