//! Operations under `#pragma STDC FENV_ACCESS`: calls of `llvm.experimental.constrained.NAME`.
//!
//! A strict program wants the rounding mode in force and every exception flag. Here the mode is
//! always to nearest and flags cannot be read, so `round.dynamic` and `round.tonearest` are the
//! plain operation, and any other mode is refused. The mode, a comparison's predicate and what to
//! do about exceptions come as metadata strings. (LLVM: language reference, "Constrained
//! Floating-Point Intrinsics".)

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use bitcode::{BinOp, CastOp, Predicate};
use ir::{TypeId, Value};

use super::body::BodyLoader;
use super::error::{LoadError, Result};
use super::intrinsic;

/// The plain operation that is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Constrained {
    /// An operator.
    Binary(BinOp),
    /// A conversion.
    Cast(CastOp),
    /// A comparison; the predicate is an argument.
    Compare,
    /// The intrinsic of this name without the prefix.
    Same(&'static str),
}

/// Intrinsics that exist under the same name without the prefix.
const SAME: &[&str] = &[
    "sqrt",
    "fma",
    "fmuladd",
    "floor",
    "ceil",
    "trunc",
    "rint",
    "nearbyint",
    "round",
    "roundeven",
    "minnum",
    "maxnum",
    "minimum",
    "maximum",
    "lrint",
    "llrint",
    "lround",
    "llround",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "atan2",
    "sinh",
    "cosh",
    "tanh",
    "exp",
    "exp2",
    "log",
    "log2",
    "log10",
    "pow",
    "powi",
    "ldexp",
];

/// What the constrained operation with this name is, without the prefix and with type suffixes.
pub(super) fn constrained(name: &str) -> Option<Constrained> {
    let base = name.split_once('.').map_or(name, |(base, _)| base);
    Some(match base {
        "fadd" => Constrained::Binary(BinOp::Add),
        "fsub" => Constrained::Binary(BinOp::Sub),
        "fmul" => Constrained::Binary(BinOp::Mul),
        "fdiv" => Constrained::Binary(BinOp::SDiv),
        "frem" => Constrained::Binary(BinOp::SRem),
        "fptosi" => Constrained::Cast(CastOp::FpToSi),
        "fptoui" => Constrained::Cast(CastOp::FpToUi),
        "sitofp" => Constrained::Cast(CastOp::SiToFp),
        "uitofp" => Constrained::Cast(CastOp::UiToFp),
        "fptrunc" => Constrained::Cast(CastOp::FpTrunc),
        "fpext" => Constrained::Cast(CastOp::FpExt),
        "fcmp" | "fcmps" => Constrained::Compare,
        _ => Constrained::Same(SAME.iter().find(|known| **known == base)?),
    })
}

impl BodyLoader<'_, '_, '_> {
    /// A constrained operation with its arguments, some of them metadata.
    pub(super) fn constrained(
        &mut self,
        which: Constrained,
        ty: TypeId,
        params: &[bitcode::TypeId],
        args: &[bitcode::Value],
        flags: u32,
    ) -> Result<Value> {
        let words = self.metadata_words(params, args)?;
        let modes = words.iter().filter(|word| word.starts_with("round."));
        if let Some(mode) = modes
            .filter(|mode| !matches!(mode.as_str(), "round.dynamic" | "round.tonearest"))
            .map(|mode| mode.trim_start_matches("round."))
            .next()
        {
            return Err(LoadError::unsupported(format!("rounding mode {mode}")));
        }
        let values = self.intrinsic_args(params, args)?;
        match (which, values.as_slice()) {
            (Constrained::Binary(op), &[a, b]) => self.binary(op, a, b, flags),
            (Constrained::Cast(op), &[value]) => self.cast(op, value, ty, flags),
            (Constrained::Compare, &[a, b]) => {
                let known = words.iter().find_map(|word| predicate(word));
                let pred =
                    known.ok_or_else(|| LoadError::malformed("comparison without a predicate"))?;
                self.compare(pred, a, b, flags)
            }
            (Constrained::Same(name), values) => {
                self.intrinsic(intrinsic::action(name), ty, values, flags)
            }
            _ => Err(LoadError::malformed(
                "constrained operation with other arguments",
            )),
        }
    }

    /// The strings among the arguments.
    fn metadata_words(
        &mut self,
        params: &[bitcode::TypeId],
        args: &[bitcode::Value],
    ) -> Result<Vec<String>> {
        let mut words = Vec::new();
        for (arg, &param) in args.iter().zip(params) {
            if matches!(
                self.loader.source.types().get(param),
                bitcode::Type::Metadata
            ) {
                let text = self.metadata_string(arg.id.0)?;
                words.extend(text.map(|text| String::from_utf8_lossy(text).into_owned()));
            }
        }
        Ok(words)
    }
}

/// A predicate by its name in LLVM's language.
fn predicate(name: &str) -> Option<Predicate> {
    use Predicate as P;
    let at = ir::FloatPred::NAMES
        .iter()
        .position(|known| *known == name)?;
    const ALL: [Predicate; 16] = [
        P::FcmpFalse,
        P::FcmpOeq,
        P::FcmpOgt,
        P::FcmpOge,
        P::FcmpOlt,
        P::FcmpOle,
        P::FcmpOne,
        P::FcmpOrd,
        P::FcmpUno,
        P::FcmpUeq,
        P::FcmpUgt,
        P::FcmpUge,
        P::FcmpUlt,
        P::FcmpUle,
        P::FcmpUne,
        P::FcmpTrue,
    ];
    ALL.get(at).copied()
}
