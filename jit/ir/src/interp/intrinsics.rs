//! Intrinsics, each by its definition.
//!
//! Three groups: those that touch memory or the stack, float functions, and integer functions. The
//! last two map scalars to scalars and are lifted to lanes like operations. Where LLVM's result is
//! poison for some operand (`ctlz` of 0 with the poison flag, `abs` of the smallest number), the
//! defined result of the plain form is given, since the reader drops those flags.
//!
//! Float functions are computed in double: rounding to whole numbers is exact there, and so is the
//! choice between operands; only `fma` of float needs single precision throughout.

use super::convert::{saturate_signed, saturate_unsigned};
use super::exec::{lanes1, lanes2};
use super::float::{self, Format};
use super::int::{self, cut, signed, signed_range};
use super::value::{Val, mask, width};
use super::{FaultKind, Interp, extended};
use crate::body::{Body, Value};
use crate::inst::{Inst, IntPred, Intrinsic, Op};
use crate::module::FuncAttrs;
use alloc::vec::Vec;

use Intrinsic as I;

impl Interp<'_> {
    /// Executes an intrinsic. Those with effects are done here, the others are functions of their
    /// arguments.
    pub(super) fn intrinsic(&mut self, body: &Body, inst: &Inst) -> Result<Val, FaultKind> {
        let words = body.words(inst.args[1], inst.args[2]);
        let args: Vec<Val> = words
            .iter()
            .map(|&raw| self.value(raw))
            .collect::<Result<_, _>>()?;
        let Some(which) = inst.intrinsic() else {
            return Err(FaultKind::Unsupported("an unknown intrinsic"));
        };
        match which {
            I::Memcpy | I::Memmove | I::Memset | I::VaStart | I::VaCopy => {
                self.memory_intrinsic(which, &args)?;
                Ok(Val::ZERO)
            }
            I::StackSave => Ok(Val::from(self.sp)),
            I::StackRestore => self.restore_stack(args[0].addr()),
            I::Trap => Err(FaultKind::Trap),
            _ => {
                if which as u8 >= I::Blend as u8 {
                    return self.machine_intrinsic(which, body, inst, &args);
                }
                let operand = body.type_of(Value(words[0]));
                self.compute(which, inst, operand, &args)
            }
        }
    }

    /// Intrinsics that only compute.
    fn compute(
        &self,
        which: Intrinsic,
        inst: &Inst,
        operand: crate::TypeId,
        args: &[Val],
    ) -> Result<Val, FaultKind> {
        let types = &self.module.types;
        let scalar = types.scalar(operand);
        let to_width = || width(types, types.scalar(inst.ty));
        match which {
            I::FMulAdd | I::Fma | I::FAbs | I::Sqrt | I::Floor | I::Ceil => {
                self.compute_float(which, Format::of(types, scalar)?, args)
            }
            I::FTrunc | I::Rint | I::Round | I::CopySign | I::MinNum | I::MaxNum => {
                self.compute_float(which, Format::of(types, scalar)?, args)
            }
            I::FpToSiSat | I::FpToUiSat => {
                let (format, to) = (Format::of(types, scalar)?, to_width()?);
                lanes1(&args[0], |x| {
                    Ok(match which {
                        I::FpToSiSat => saturate_signed(format.truncated(x), to),
                        _ => saturate_unsigned(format.truncated_unsigned(x), to),
                    })
                })
            }
            I::UCmp | I::SCmp => {
                let (from, to) = (width(types, scalar)?, to_width()?);
                let less = match which {
                    I::UCmp => IntPred::Ult,
                    _ => IntPred::Slt,
                };
                lanes2(&args[0], &args[1], |x, y| {
                    let before = i128::from(int::compare(less, from, x, y));
                    let after = i128::from(int::compare(less, from, y, x));
                    Ok(cut(after - before, to))
                })
            }
            _ => compute_int(which, width(types, scalar)?, args),
        }
    }

    /// Float intrinsics. `fmuladd` is the only operation whose result depends on the function it is
    /// in: fused if that was compiled for a processor with FMA.
    fn compute_float(
        &self,
        which: Intrinsic,
        format: Format,
        args: &[Val],
    ) -> Result<Val, FaultKind> {
        if format == Format::Extended {
            return extended_float(which, args);
        }
        if matches!(which, I::FMulAdd | I::Fma) {
            let attrs = self.module.func(self.frame().func).attrs;
            let fused = which == I::Fma || attrs.has(FuncAttrs::FMA);
            return lanes3(args, |x| float::mul_add(format, x, fused));
        }
        if args.len() == 2 {
            return lanes2(&args[0], &args[1], |x, y| Ok(float2(which, format, x, y)));
        }
        lanes1(&args[0], |x| {
            if which == I::FAbs {
                return Ok(x & !format.sign());
            }
            let number = format.read(x);
            // Rounding to whole numbers is exact in double, and the square root of a narrower
            // format comes out correctly rounded from it.
            Ok(format.write(match which {
                I::Sqrt => libm::sqrt(number),
                I::Floor => libm::floor(number),
                I::Ceil => libm::ceil(number),
                I::FTrunc => libm::trunc(number),
                I::Rint => libm::rint(number),
                _ => libm::round(number),
            }))
        })
    }

    /// Block operations and the two that touch a `va_list`, which on i386 is a pointer into the
    /// stack image.
    fn memory_intrinsic(&mut self, which: Intrinsic, args: &[Val]) -> Result<(), FaultKind> {
        let dst = args[0].addr();
        // Lengths are i32 or i64; what does not fit 32 bits runs past the end of memory.
        let len = args.get(2).map_or(4, Val::bits) as u64;
        match which {
            I::VaStart => {
                let list = self.frame().varargs.to_le_bytes();
                Ok(self.memory.store(dst, &list)?)
            }
            I::Memset => {
                let byte = args[1].bits() as u8;
                self.fill(dst, byte, len)
            }
            _ => self.copy(dst, args[1].addr(), len),
        }
    }

    /// `memset`. Up to a fault, what lies before it is written.
    fn fill(&mut self, dst: u32, byte: u8, len: u64) -> Result<(), FaultKind> {
        let chunk = [byte; CHUNK];
        let mut done = 0;
        while done < len {
            let n = (len - done).min(CHUNK as u64);
            self.spend(n / 16)?;
            let to = dst.wrapping_add(done as u32);
            self.memory.store(to, &chunk[..n as usize])?;
            done += n;
        }
        Ok(())
    }

    /// Copies in pieces; from the end if the destination lies behind the source, so that
    /// overlapping regions come out right.
    pub(super) fn copy(&mut self, dst: u32, src: u32, len: u64) -> Result<(), FaultKind> {
        let backwards = dst > src;
        let mut chunk = [0; CHUNK];
        let mut done = 0;
        while done < len {
            let n = (len - done).min(CHUNK as u64);
            self.spend(n / 16)?;
            let at = if backwards { len - done - n } else { done } as u32;
            let piece = &mut chunk[..n as usize];
            self.memory.load(src.wrapping_add(at), piece)?;
            self.memory.store(dst.wrapping_add(at), piece)?;
            done += n;
        }
        Ok(())
    }

    /// Only what was allocated dynamically in this frame can be freed.
    fn restore_stack(&mut self, to: u32) -> Result<Val, FaultKind> {
        if to < self.sp || to > self.frame().base_sp {
            return Err(FaultKind::BadAddress(to));
        }
        self.sp = to;
        Ok(Val::ZERO)
    }
}

/// Bytes that memory intrinsics move at a time.
const CHUNK: usize = 256;

/// As `lanes2`, for three operands.
pub(super) fn lanes3(args: &[Val], f: impl Fn([u128; 3]) -> u128) -> Result<Val, FaultKind> {
    let [x, y, z] = args else {
        return Err(FaultKind::Unsupported(
            "an intrinsic without three operands",
        ));
    };
    // Pairs the first two by running over them with the index of the lane at hand.
    let mut at = 0;
    lanes2(x, y, |x, y| {
        let third = z.list().get(at).map_or(z.bits(), Val::bits);
        at += 1;
        Ok(f([x, y, third]))
    })
}

/// Float intrinsics of `x86_fp80`. The machine has no fused operation for it, so `fma` rounds twice.
fn extended_float(which: Intrinsic, args: &[Val]) -> Result<Val, FaultKind> {
    match args {
        [x] => lanes1(x, |x| Ok(extended::unary(which, x))),
        [x, y] => lanes2(x, y, |x, y| Ok(extended::choose(which, x, y))),
        _ => lanes3(args, |[x, y, z]| {
            extended::binary(Op::FAdd, extended::binary(Op::FMul, x, y), z)
        }),
    }
}

/// Float intrinsics of two operands, as the head of the crate defines them.
fn float2(which: Intrinsic, format: Format, x: u128, y: u128) -> u128 {
    let (a, b) = (format.read(x), format.read(y));
    match which {
        I::CopySign => x & !format.sign() | y & format.sign(),
        _ if a.is_nan() => y,
        I::MinNum if b < a => y,
        I::MaxNum if b > a => y,
        _ => x,
    }
}

/// Integer intrinsics, by their number of operands and the shape of their result.
fn compute_int(which: Intrinsic, width: u32, args: &[Val]) -> Result<Val, FaultKind> {
    match which {
        I::FShl | I::FShr => lanes3(args, |x| funnel(which, width, x)),
        I::SAddOverflow | I::UAddOverflow | I::SSubOverflow => overflowing(which, width, args),
        I::USubOverflow | I::SMulOverflow | I::UMulOverflow => overflowing(which, width, args),
        _ if which.name().starts_with("vector.reduce.") => reduce(which, width, &args[0]),
        _ if args.len() == 2 => lanes2(&args[0], &args[1], |x, y| Ok(int2(which, width, x, y))),
        _ => lanes1(&args[0], |x| Ok(int1(which, width, x))),
    }
}

/// Integer intrinsics of one operand. Counting and reversing are done in 128 bits and corrected by
/// the unused ones above the width.
fn int1(which: Intrinsic, width: u32, x: u128) -> u128 {
    let top = 128 - width;
    match which {
        I::Abs => cut(signed(x, width).wrapping_abs(), width),
        I::CtPop => u128::from(x.count_ones()) & mask(width),
        I::CtLz => u128::from(x.leading_zeros() - top) & mask(width),
        I::CtTz => u128::from(x.trailing_zeros().min(width)) & mask(width),
        I::BSwap => x.swap_bytes() >> top,
        _ => x.reverse_bits() >> top,
    }
}

/// Minimum, maximum and saturating arithmetic. Up to 64 bits the exact result fits in 128 and is
/// clamped; at 128 Rust's own saturation takes over.
fn int2(which: Intrinsic, width: u32, x: u128, y: u128) -> u128 {
    let (sx, sy) = (signed(x, width), signed(y, width));
    let (low, high) = signed_range(width);
    match which {
        I::SMax => cut(sx.max(sy), width),
        I::SMin => cut(sx.min(sy), width),
        I::UMax => x.max(y),
        I::UMin => x.min(y),
        I::SAddSat => cut(sx.saturating_add(sy).clamp(low, high), width),
        I::SSubSat => cut(sx.saturating_sub(sy).clamp(low, high), width),
        I::UAddSat => x.saturating_add(y).min(mask(width)),
        _ => x.saturating_sub(y),
    }
}

/// Bits of `a:b` shifted left or right by `n` modulo the width.
fn funnel(which: Intrinsic, width: u32, [a, b, n]: [u128; 3]) -> u128 {
    let n = (n % u128::from(width)) as u32;
    let (left, right) = match (which, n) {
        (I::FShl, 0) => return a,
        (_, 0) => return b,
        (I::FShl, _) => (n, width - n),
        _ => (width - n, n),
    };
    (a << left | b >> right) & mask(width)
}

/// `{result cut to the width, whether that lost something}`.
fn overflowing(which: Intrinsic, width: u32, args: &[Val]) -> Result<Val, FaultKind> {
    let exact = |x: u128, y: u128| -> (u128, bool) {
        let (sx, sy) = (signed(x, width), signed(y, width));
        let of_signed = |result: Option<i128>, wrapped: i128| {
            let (low, high) = signed_range(width);
            let fits = result.is_some_and(|exact| (low..=high).contains(&exact));
            (cut(wrapped, width), !fits)
        };
        let of_unsigned = |result: Option<u128>, wrapped: u128| {
            let fits = result.is_some_and(|exact| exact <= mask(width));
            (wrapped & mask(width), !fits)
        };
        match which {
            I::SAddOverflow => of_signed(sx.checked_add(sy), sx.wrapping_add(sy)),
            I::SSubOverflow => of_signed(sx.checked_sub(sy), sx.wrapping_sub(sy)),
            I::SMulOverflow => of_signed(sx.checked_mul(sy), sx.wrapping_mul(sy)),
            I::UAddOverflow => of_unsigned(x.checked_add(y), x.wrapping_add(y)),
            I::USubOverflow => of_unsigned(x.checked_sub(y), x.wrapping_sub(y)),
            _ => of_unsigned(x.checked_mul(y), x.wrapping_mul(y)),
        }
    };
    let result = lanes2(&args[0], &args[1], |x, y| Ok(exact(x, y).0))?;
    let overflow = lanes2(&args[0], &args[1], |x, y| Ok(u128::from(exact(x, y).1)))?;
    Ok(Val::from_list(Vec::from([result, overflow])))
}

/// Folds the lanes from the first to the last. All these operations are associative, so the order
/// does not show.
fn reduce(which: Intrinsic, width: u32, vector: &Val) -> Result<Val, FaultKind> {
    let step = |x: u128, y: u128| match which {
        I::ReduceAdd => int::binary(Op::Add, width, x, y),
        I::ReduceMul => int::binary(Op::Mul, width, x, y),
        I::ReduceAnd => Ok(x & y),
        I::ReduceOr => Ok(x | y),
        I::ReduceXor => Ok(x ^ y),
        I::ReduceSMax => Ok(int2(I::SMax, width, x, y)),
        I::ReduceSMin => Ok(int2(I::SMin, width, x, y)),
        I::ReduceUMax => Ok(x.max(y)),
        _ => Ok(x.min(y)),
    };
    let mut lanes = vector.list().iter().map(Val::bits);
    let first = lanes.next().unwrap_or(0);
    lanes.try_fold(first, step).map(Val::Bits)
}
