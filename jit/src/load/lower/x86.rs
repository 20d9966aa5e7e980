//! Intrinsics of the processor: `llvm.x86.NAME`, as clang still writes them for `immintrin.h`.
//!
//! Most `_mm_` functions are plain vector code by the time clang is done. Those that are not and
//! whose result is a function of their operands are listed here and written out; each behaves as
//! its instruction does on every processor; approximations are exact ([`super::x86_mixed`]). What is missing is refused by
//! name: control registers, counters, MMX, AES, and instructions that would be long loops (`pcmpistri`).
//! (Intel SDM volume 2, the page of each instruction.)

use bitcode::Predicate;
use ir::{MemFlags, Op, TypeId, Value};

use crate::load::body::BodyLoader;
use crate::load::error::{LoadError, Result};
use crate::load::masked::Masked;

/// What an intrinsic of the processor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::load) enum X86 {
    /// Nothing that a program can see: hints, and registers that it does not have.
    Nothing,
    /// Orders memory accesses.
    Fence,
    /// The top bit of each lane, as a number.
    MoveMask,
    /// Halves the width of two vectors' lanes, saturating to signed or unsigned.
    Pack { signed: bool },
    /// Products of neighbours, added: words, or unsigned with signed bytes.
    MulAdd { bytes: bool },
    /// High half of a product of words.
    MulHigh { signed: bool },
    /// High half of a product of signed words, rounded.
    MulHighRound,
    /// Sums of absolute differences of eight bytes.
    SumAbs,
    /// All lanes by one amount; too large a one shifts everything out.
    Shift(Op),
    /// Each lane by its own amount.
    ShiftEach(Op),
    /// Bytes chosen by number within 128 bits, or 0.
    ShuffleBytes,
    /// Lanes chosen by number.
    Permute,
    /// Lanes whose mask has its top bit set: `(ptr, mask)`.
    MaskLoad,
    /// As `MaskLoad`: `(ptr, mask, vector)`.
    MaskStore,
    /// The smaller or larger number, the second operand unless the first is strictly it.
    MinMax { max: bool, first: bool },
    /// To signed integers, rounded to nearest or truncated.
    ToInt { nearest: bool },
    /// Whether `a & b` or `!a & b` is 0, or neither: by number.
    Test(u8),
    /// Lanes of ones where a predicate holds, of the first lane only or of all.
    Compare { first: bool },
    /// Lanes of the second operand where the mask's top bit is set.
    Blend,
    /// Neighbours combined, saturating or not.
    Horizontal { op: Op, saturate: bool },
    /// The first operand with the second one's sign, or 0.
    Sign,
    /// To whole numbers, as the immediate says.
    Round { first: bool },
    /// Adds bits to a CRC-32C.
    Crc32,
    /// Compares first lanes, to a number.
    Comi(Predicate),
    /// A load without alignment.
    Load,
    /// The low bits of a number, as many as another says.
    LowBits,
    /// A field of a number.
    Field,
    /// Bits that a mask names, moved to the low end.
    GatherBits,
    /// Low bits, moved to the places that a mask names.
    ScatterBits,
    /// Differences in even lanes, sums in odd ones.
    AddSub,
    /// The same of a product.
    FmaAddSub,
    /// Doubles to floats.
    Narrow,
    /// Floats to halves.
    ToHalf,
    /// One over a number or its root, of the first lane only or of all.
    Reciprocal { root: bool, first: bool },
    /// Products added up.
    Dot,
    /// Lanes chosen by number within 128 bits.
    PermuteWithin,
    /// As `Test`, of the lanes' top bits.
    TestSigns(u8),
    /// Means, rounded up.
    Average,
    /// Bytes whose mask has its top bit set: `(vector, mask, ptr)`.
    StoreBytes,
    /// The smallest word and its number.
    Smallest,
    /// Distances of runs of bytes.
    SumsOfDifferences,
    /// A lane of another vector, and zeros.
    Insert,
    /// Lanes from anywhere: `(other, ptr, numbers, mask, scale)`.
    Gather,
    /// A product without carries.
    Carryless,
}

/// Intrinsics by name without `llvm.x86.`.
const TABLE: &[(&str, X86)] = &[
    ("sse2.pause", X86::Nothing),
    ("avx.vzeroupper", X86::Nothing),
    ("avx.vzeroall", X86::Nothing),
    ("sse2.clflush", X86::Nothing),
    ("sse.sfence", X86::Fence),
    ("sse2.lfence", X86::Fence),
    ("sse2.mfence", X86::Fence),
    ("sse.movmsk.ps", X86::MoveMask),
    ("sse2.movmsk.pd", X86::MoveMask),
    ("sse2.pmovmskb.128", X86::MoveMask),
    ("avx.movmsk.ps.256", X86::MoveMask),
    ("avx.movmsk.pd.256", X86::MoveMask),
    ("avx2.pmovmskb", X86::MoveMask),
    ("sse2.packssdw.128", X86::Pack { signed: true }),
    ("sse2.packsswb.128", X86::Pack { signed: true }),
    ("sse2.packuswb.128", X86::Pack { signed: false }),
    ("sse41.packusdw", X86::Pack { signed: false }),
    ("avx2.packssdw", X86::Pack { signed: true }),
    ("avx2.packsswb", X86::Pack { signed: true }),
    ("avx2.packuswb", X86::Pack { signed: false }),
    ("avx2.packusdw", X86::Pack { signed: false }),
    ("sse2.pmadd.wd", X86::MulAdd { bytes: false }),
    ("avx2.pmadd.wd", X86::MulAdd { bytes: false }),
    ("ssse3.pmadd.ub.sw.128", X86::MulAdd { bytes: true }),
    ("avx2.pmadd.ub.sw", X86::MulAdd { bytes: true }),
    ("sse2.pmulh.w", X86::MulHigh { signed: true }),
    ("avx2.pmulh.w", X86::MulHigh { signed: true }),
    ("sse2.pmulhu.w", X86::MulHigh { signed: false }),
    ("avx2.pmulhu.w", X86::MulHigh { signed: false }),
    ("ssse3.pmul.hr.sw.128", X86::MulHighRound),
    ("avx2.pmul.hr.sw", X86::MulHighRound),
    ("sse2.psad.bw", X86::SumAbs),
    ("avx2.psad.bw", X86::SumAbs),
    ("ssse3.pshuf.b.128", X86::ShuffleBytes),
    ("avx2.pshuf.b", X86::ShuffleBytes),
    ("avx2.permd", X86::Permute),
    ("avx2.permps", X86::Permute),
    (
        "sse.min.ps",
        X86::MinMax {
            max: false,
            first: false,
        },
    ),
    (
        "sse.max.ps",
        X86::MinMax {
            max: true,
            first: false,
        },
    ),
    (
        "sse2.min.pd",
        X86::MinMax {
            max: false,
            first: false,
        },
    ),
    (
        "sse2.max.pd",
        X86::MinMax {
            max: true,
            first: false,
        },
    ),
    (
        "avx.min.ps.256",
        X86::MinMax {
            max: false,
            first: false,
        },
    ),
    (
        "avx.max.ps.256",
        X86::MinMax {
            max: true,
            first: false,
        },
    ),
    (
        "avx.min.pd.256",
        X86::MinMax {
            max: false,
            first: false,
        },
    ),
    (
        "avx.max.pd.256",
        X86::MinMax {
            max: true,
            first: false,
        },
    ),
    (
        "sse.min.ss",
        X86::MinMax {
            max: false,
            first: true,
        },
    ),
    (
        "sse.max.ss",
        X86::MinMax {
            max: true,
            first: true,
        },
    ),
    (
        "sse2.min.sd",
        X86::MinMax {
            max: false,
            first: true,
        },
    ),
    (
        "sse2.max.sd",
        X86::MinMax {
            max: true,
            first: true,
        },
    ),
    ("sse.cvtss2si", X86::ToInt { nearest: true }),
    ("sse.cvttss2si", X86::ToInt { nearest: false }),
    ("sse2.cvtsd2si", X86::ToInt { nearest: true }),
    ("sse2.cvttsd2si", X86::ToInt { nearest: false }),
    ("sse2.cvtps2dq", X86::ToInt { nearest: true }),
    ("sse2.cvttps2dq", X86::ToInt { nearest: false }),
    ("sse2.cvtpd2dq", X86::ToInt { nearest: true }),
    ("sse2.cvttpd2dq", X86::ToInt { nearest: false }),
    ("avx.cvt.ps2dq.256", X86::ToInt { nearest: true }),
    ("avx.cvtt.ps2dq.256", X86::ToInt { nearest: false }),
    ("avx.cvt.pd2dq.256", X86::ToInt { nearest: true }),
    ("avx.cvtt.pd2dq.256", X86::ToInt { nearest: false }),
    ("sse41.ptestz", X86::Test(0)),
    ("sse41.ptestc", X86::Test(1)),
    ("sse41.ptestnzc", X86::Test(2)),
    ("avx.ptestz.256", X86::Test(0)),
    ("avx.ptestc.256", X86::Test(1)),
    ("avx.ptestnzc.256", X86::Test(2)),
    ("sse.cmp.ps", X86::Compare { first: false }),
    ("sse2.cmp.pd", X86::Compare { first: false }),
    ("avx.cmp.ps.256", X86::Compare { first: false }),
    ("avx.cmp.pd.256", X86::Compare { first: false }),
    ("sse.cmp.ss", X86::Compare { first: true }),
    ("sse2.cmp.sd", X86::Compare { first: true }),
    ("sse41.blendvps", X86::Blend),
    ("sse41.blendvpd", X86::Blend),
    ("sse41.pblendvb", X86::Blend),
    ("avx.blendv.ps.256", X86::Blend),
    ("avx.blendv.pd.256", X86::Blend),
    ("avx2.pblendvb", X86::Blend),
    ("sse41.round.ps", X86::Round { first: false }),
    ("sse41.round.pd", X86::Round { first: false }),
    ("avx.round.ps.256", X86::Round { first: false }),
    ("avx.round.pd.256", X86::Round { first: false }),
    ("sse41.round.ss", X86::Round { first: true }),
    ("sse41.round.sd", X86::Round { first: true }),
    ("sse42.crc32.32.8", X86::Crc32),
    ("sse42.crc32.32.16", X86::Crc32),
    ("sse42.crc32.32.32", X86::Crc32),
    ("bmi.bzhi.32", X86::LowBits),
    ("bmi.bzhi.64", X86::LowBits),
    ("bmi.bextr.32", X86::Field),
    ("bmi.bextr.64", X86::Field),
    ("bmi.pext.32", X86::GatherBits),
    ("bmi.pext.64", X86::GatherBits),
    ("bmi.pdep.32", X86::ScatterBits),
    ("bmi.pdep.64", X86::ScatterBits),
    ("sse3.ldu.dq", X86::Load),
    ("avx.ldu.dq.256", X86::Load),
    ("sse3.addsub.ps", X86::AddSub),
    ("sse3.addsub.pd", X86::AddSub),
    ("avx.addsub.ps.256", X86::AddSub),
    ("avx.addsub.pd.256", X86::AddSub),
    ("fma.vfmaddsub.ps", X86::FmaAddSub),
    ("fma.vfmaddsub.pd", X86::FmaAddSub),
    ("fma.vfmaddsub.ps.256", X86::FmaAddSub),
    ("fma.vfmaddsub.pd.256", X86::FmaAddSub),
    ("sse2.cvtpd2ps", X86::Narrow),
    ("sse2.cvtsd2ss", X86::Narrow),
    ("avx.cvt.pd2.ps.256", X86::Narrow),
    ("vcvtps2ph.128", X86::ToHalf),
    ("vcvtps2ph.256", X86::ToHalf),
    ("sse41.dpps", X86::Dot),
    ("sse41.dppd", X86::Dot),
    ("avx.dp.ps.256", X86::Dot),
    ("avx.vpermilvar.ps", X86::PermuteWithin),
    ("avx.vpermilvar.pd", X86::PermuteWithin),
    ("avx.vpermilvar.ps.256", X86::PermuteWithin),
    ("avx.vpermilvar.pd.256", X86::PermuteWithin),
    ("sse2.pavg.b", X86::Average),
    ("sse2.pavg.w", X86::Average),
    ("avx2.pavg.b", X86::Average),
    ("avx2.pavg.w", X86::Average),
    ("sse2.maskmov.dqu", X86::StoreBytes),
    ("sse41.phminposuw", X86::Smallest),
    ("sse41.mpsadbw", X86::SumsOfDifferences),
    ("avx2.mpsadbw", X86::SumsOfDifferences),
    ("sse41.insertps", X86::Insert),
    ("pclmulqdq", X86::Carryless),
    (
        "sse.rcp.ps",
        X86::Reciprocal {
            root: false,
            first: false,
        },
    ),
    (
        "sse.rcp.ss",
        X86::Reciprocal {
            root: false,
            first: true,
        },
    ),
    (
        "avx.rcp.ps.256",
        X86::Reciprocal {
            root: false,
            first: false,
        },
    ),
    (
        "sse.rsqrt.ps",
        X86::Reciprocal {
            root: true,
            first: false,
        },
    ),
    (
        "sse.rsqrt.ss",
        X86::Reciprocal {
            root: true,
            first: true,
        },
    ),
    (
        "avx.rsqrt.ps.256",
        X86::Reciprocal {
            root: true,
            first: false,
        },
    ),
];

/// What the intrinsic with this name (without `x86.`) does.
pub(in crate::load) fn named(name: &str) -> Option<X86> {
    let exact = TABLE.iter().find(|(known, _)| *known == name);
    exact.map(|(_, what)| *what).or_else(|| family(name))
}

/// Families whose members differ by the width of their lanes: shifts, masked accesses, horizontal
/// operations, signs, comparisons of first lanes.
fn family(name: &str) -> Option<X86> {
    let (_, rest) = name.split_once('.')?;
    let (base, lanes) = rest.split_once('.')?;
    let shift = |name: &str| match name {
        "psll" => Some(Op::Shl),
        "psrl" => Some(Op::LShr),
        "psra" => Some(Op::AShr),
        _ => None,
    };
    if let Some(op) = shift(base) {
        return Some(X86::Shift(op));
    }
    if let Some(op) = base.strip_suffix('i').and_then(shift) {
        return Some(X86::Shift(op));
    }
    if let Some(op) = base.strip_suffix('v').and_then(shift) {
        return Some(X86::ShiftEach(op));
    }
    let saturate = lanes.starts_with("sw");
    let horizontal = |op| Some(X86::Horizontal { op, saturate });
    match base {
        "maskload" => Some(X86::MaskLoad),
        "maskstore" => Some(X86::MaskStore),
        "phadd" => horizontal(Op::Add),
        "phsub" => horizontal(Op::Sub),
        "hadd" => horizontal(Op::FAdd),
        "hsub" => horizontal(Op::FSub),
        "psign" => Some(X86::Sign),
        "gather" => Some(X86::Gather),
        "vtestz" => Some(X86::TestSigns(0)),
        "vtestc" => Some(X86::TestSigns(1)),
        "vtestnzc" => Some(X86::TestSigns(2)),
        _ => {
            let pred = base
                .strip_prefix('u')
                .unwrap_or(base)
                .strip_prefix("comi")?;
            Some(X86::Comi(match pred {
                "eq" => Predicate::FcmpOeq,
                "neq" => Predicate::FcmpUne,
                "lt" => Predicate::FcmpOlt,
                "le" => Predicate::FcmpOle,
                "gt" => Predicate::FcmpOgt,
                "ge" => Predicate::FcmpOge,
                _ => return None,
            }))
        }
    }
}

impl BodyLoader<'_, '_, '_> {
    /// A call of an intrinsic of the processor, with a result of type `ty`.
    pub(in crate::load) fn x86(&mut self, which: X86, ty: TypeId, args: &[Value]) -> Result<Value> {
        match (which, args) {
            (X86::Nothing, _) => Ok(Value::NONE),
            (X86::Fence, _) => {
                const SEQ_CST: u8 = 6;
                let flags = MemFlags::default().with_ordering(SEQ_CST);
                self.emit(Op::Fence, 0, TypeId::VOID, [flags.0, 0, 0]);
                Ok(Value::NONE)
            }
            (X86::Load, &[ptr]) => {
                Ok(self.emit(Op::Load, 0, ty, [ptr.0, MemFlags::aligned(0).0, 0]))
            }
            (X86::MaskLoad, &[ptr, mask]) => {
                let (mask, other) = (self.sign_mask(mask)?, self.zero(ty));
                self.masked(Masked::Load, ty, &[ptr, mask, other])
            }
            (X86::MaskStore, &[ptr, mask, vector]) => {
                let mask = self.sign_mask(mask)?;
                self.masked(Masked::Store, ty, &[vector, ptr, mask])
            }
            (X86::MoveMask, &[vector]) => self.x86_move_mask(vector, ty),
            (X86::Pack { signed }, &[a, b]) => self.x86_pack(signed, a, b, ty),
            (X86::MulAdd { bytes }, &[a, b]) => self.x86_mul_add(bytes, a, b, ty),
            (X86::MulHigh { signed }, &[a, b]) => self.x86_mul_high(signed, a, b),
            (X86::MulHighRound, &[a, b]) => self.x86_mul_high_round(a, b),
            (X86::SumAbs, &[a, b]) => self.x86_sum_abs(a, b, ty),
            (X86::Shift(op), &[vector, amount]) => self.x86_shift(op, vector, amount),
            (X86::ShiftEach(op), &[vector, amounts]) => self.x86_shift_each(op, vector, amounts),
            (X86::ShuffleBytes, &[vector, numbers]) => self.x86_shuffle_bytes(vector, numbers),
            (X86::Permute, &[vector, numbers]) => self.x86_permute(vector, numbers),
            (X86::MinMax { max, first }, &[a, b]) => {
                self.x86_first(first, a, b, |body, a, b| body.x86_min_max(max, a, b))
            }
            (X86::ToInt { nearest }, &[value]) => self.x86_to_int(nearest, value, ty),
            (X86::Test(which), &[a, b]) => self.x86_test(which, a, b, ty),
            (X86::Compare { first }, &[a, b, pred]) => {
                let pred = self.immediate(pred)?;
                self.x86_first(first, a, b, |body, a, b| body.x86_compare(pred, a, b))
            }
            (X86::Blend, &[a, b, mask]) => {
                let mask = self.sign_mask(mask)?;
                Ok(self.choose(mask, b, a))
            }
            (X86::Horizontal { op, saturate }, &[a, b]) => self.x86_horizontal(op, saturate, a, b),
            (X86::Sign, &[a, b]) => self.x86_sign(a, b),
            (X86::Round { .. }, &[value, mode]) => self.x86_round(mode, value),
            (X86::Round { .. }, &[a, b, mode]) => {
                self.x86_first(true, a, b, |body, _, b| body.x86_round(mode, b))
            }
            (X86::Crc32, &[crc, bits]) => self.x86_crc32(crc, bits),
            (X86::LowBits, &[value, count]) => self.x86_low_bits(value, count),
            (X86::Field, &[value, field]) => self.x86_field(value, field),
            (X86::GatherBits, &[value, mask]) => self.x86_gather_bits(value, mask),
            (X86::ScatterBits, &[value, mask]) => self.x86_scatter_bits(value, mask),
            (X86::Reciprocal { root, first }, &[a]) => {
                self.x86_first(first, a, a, |body, a, _| body.x86_reciprocal(root, a))
            }
            (X86::Comi(pred), &[a, b]) => {
                let (a, b) = (self.lane(a, 0), self.lane(b, 0));
                let holds = self.test(pred, a, b)?;
                Ok(self.convert(Op::ZExt, holds, ty))
            }
            _ => self.x86_mixed(which, ty, args),
        }
    }

    /// The same for those that mix lanes.
    fn x86_mixed(&mut self, which: X86, ty: TypeId, args: &[Value]) -> Result<Value> {
        match (which, args) {
            (X86::AddSub, &[a, b]) => self.x86_add_sub(a, b),
            (X86::FmaAddSub, &[a, b, c]) => self.x86_fma_add_sub(a, b, c),
            (X86::Narrow, _) => self.x86_narrow(args, ty),
            (X86::ToHalf, &[value, mode]) => self.x86_to_half(value, mode),
            (X86::Dot, &[a, b, lanes]) => self.x86_dot(a, b, lanes),
            (X86::PermuteWithin, &[vector, numbers]) => self.x86_permute_within(vector, numbers),
            (X86::TestSigns(which), &[a, b]) => self.x86_test_signs(which, a, b, ty),
            (X86::Average, &[a, b]) => self.x86_average(a, b),
            (X86::StoreBytes, &[bytes, mask, ptr]) => self.x86_store_bytes(bytes, mask, ptr),
            (X86::Smallest, &[words]) => self.x86_smallest(words),
            (X86::SumsOfDifferences, &[a, b, which]) => {
                self.x86_sums_of_differences(a, b, which, ty)
            }
            (X86::Insert, &[a, b, which]) => self.x86_insert(a, b, which),
            (X86::Gather, &[other, ptr, numbers, mask, scale]) => {
                self.x86_gather([other, ptr, numbers, mask, scale], ty)
            }
            (X86::Carryless, &[a, b, which]) => self.x86_carryless(a, b, which),
            _ => Err(LoadError::malformed("intrinsic with other arguments")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_told_by_their_parts() {
        assert_eq!(named("sse2.psrai.w"), Some(X86::Shift(Op::AShr)));
        assert_eq!(named("avx2.psllv.d.256"), Some(X86::ShiftEach(Op::Shl)));
        assert_eq!(named("avx2.maskload.d.256"), Some(X86::MaskLoad));
        assert_eq!(
            named("ssse3.phadd.sw.128"),
            Some(X86::Horizontal {
                op: Op::Add,
                saturate: true
            })
        );
        assert_eq!(
            named("sse2.ucomilt.sd"),
            Some(X86::Comi(Predicate::FcmpOlt))
        );
        for refused in [
            "sse42.pcmpistri128",
            "rdtsc",
            "aesni.aesenc",
            "bmi.pdep.16",
            "sse.ldmxcsr",
        ] {
            assert_eq!(named(refused), None, "{refused}");
        }
    }
}
