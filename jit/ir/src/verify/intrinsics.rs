//! B4 for intrinsics: each has one of a few shapes of signature.
//!
//! LLVM overloads an intrinsic by a suffix to its name; here the operand types themselves say which
//! overload is meant, so they are checked against each other rather than against the name.

use super::body::Checker;
use super::class::Shape;
use super::{Check, fail};
use crate::inst::{Inst, Intrinsic};
use crate::types::TypeId;
use alloc::format;

/// A shape of signature. `T` is the result's type unless said otherwise.
#[derive(Clone, Copy)]
enum Form {
    /// `(T × n) → T` with `T` integers.
    Ints(usize),
    /// `(T × n) → T` with `T` floats.
    Floats(usize),
    /// `(int, int) → {int, i1}`, lane by lane for vectors.
    Overflow,
    /// `(float) → int`, lane by lane.
    Convert,
    /// `(int vector) → its element`.
    Reduce,
    /// `(T, T) → int` of at least two bits, lane by lane.
    ThreeWay,
    /// `(ptr × n) → void`.
    Pointers(usize),
    /// `(ptr, ptr or i8, int) → void`.
    Block(TypeId),
    /// `() → ptr`.
    Address,
    /// `(mask, T, T) → T`: vectors, the mask of integers as wide.
    Blend,
    /// `(int vector) → i32`.
    MoveMask,
    /// `(i64 × n) → i64`, or `→ {i64, i64}`.
    Words(usize),
    /// `(i16) → float` or back, lane by lane.
    Half,
    /// `(ptr, ptr) → i32`, `(ptr, number) → void`, `(ptr) → number`.
    X87,
}

/// Which form an intrinsic has. A match without a default: a new intrinsic does not compile until
/// it is classified.
fn form(which: Intrinsic) -> Form {
    use Intrinsic as I;
    match which {
        I::Memcpy | I::Memmove => Form::Block(TypeId::PTR),
        I::Memset => Form::Block(TypeId::I8),
        I::Abs | I::CtPop | I::CtLz | I::CtTz | I::BSwap | I::BitReverse => Form::Ints(1),
        I::SMax | I::SMin | I::UMax | I::UMin => Form::Ints(2),
        I::SAddSat | I::UAddSat | I::SSubSat | I::USubSat => Form::Ints(2),
        I::FShl | I::FShr => Form::Ints(3),
        I::SAddOverflow | I::UAddOverflow | I::SSubOverflow => Form::Overflow,
        I::USubOverflow | I::SMulOverflow | I::UMulOverflow => Form::Overflow,
        I::FMulAdd | I::Fma => Form::Floats(3),
        I::FAbs | I::Sqrt | I::Floor | I::Ceil | I::FTrunc | I::Rint | I::Round => Form::Floats(1),
        I::CopySign | I::MinNum | I::MaxNum => Form::Floats(2),
        I::FpToSiSat | I::FpToUiSat => Form::Convert,
        I::ReduceAdd | I::ReduceMul | I::ReduceAnd | I::ReduceOr | I::ReduceXor => Form::Reduce,
        I::ReduceSMax | I::ReduceSMin | I::ReduceUMax | I::ReduceUMin => Form::Reduce,
        I::VaStart | I::StackRestore => Form::Pointers(1),
        I::VaCopy => Form::Pointers(2),
        I::Trap => Form::Pointers(0),
        I::StackSave => Form::Address,
        I::UCmp | I::SCmp => Form::ThreeWay,
        I::Blend => Form::Blend,
        I::MoveMask => Form::MoveMask,
        I::UMulHigh => Form::Words(2),
        I::UDiv128 | I::URem128 | I::SDiv128 | I::SRem128 => Form::Words(4),
        I::HalfToFloat | I::FloatToHalf => Form::Half,
        I::X87Add | I::X87Sub | I::X87Mul | I::X87Div | I::X87Rem => Form::Pointers(3),
        I::X87Neg | I::X87Abs | I::X87Sqrt | I::X87Rint | I::X87Copy => Form::Pointers(2),
        I::X87Cmp | I::X87From | I::X87To => Form::X87,
    }
}

impl Checker<'_> {
    /// Checks the arguments and the result of an intrinsic against its form.
    pub(super) fn check_intrinsic(&mut self, inst: &Inst, which: Intrinsic, args: &[u32]) -> Check {
        match form(which) {
            Form::Ints(n) => {
                let class = self.expect_shape(inst.ty, Shape::Int)?;
                if which == Intrinsic::BSwap && class.bits % 16 != 0 {
                    return fail("bytes are reversed in pairs only");
                }
                self.operands_of(args, n, inst.ty)
            }
            Form::Floats(n) => {
                self.expect_shape(inst.ty, Shape::Float)?;
                self.operands_of(args, n, inst.ty)
            }
            Form::Pointers(n) => {
                expect_void(inst.ty)?;
                self.operands_of(args, n, TypeId::PTR)
            }
            Form::Address => {
                if inst.ty != TypeId::PTR {
                    return fail("the result must be ptr");
                }
                self.operands_of(args, 0, TypeId::PTR)
            }
            Form::Block(second) => self.check_block_operation(inst, args, second),
            Form::Overflow | Form::Convert | Form::Reduce | Form::ThreeWay => {
                self.check_mixed(inst, which, args)
            }
            Form::Blend | Form::MoveMask | Form::Words(_) | Form::Half | Form::X87 => {
                self.check_machine(inst, which, args)
            }
        }
    }

    /// Forms whose operands have another type than the result.
    fn check_mixed(&mut self, inst: &Inst, which: Intrinsic, args: &[u32]) -> Check {
        let Some(&first) = args.first() else {
            return fail("an operand is missing");
        };
        let ty = self.operand(first)?;
        let form = form(which);
        let shape = if matches!(form, Form::Convert) {
            Shape::Float
        } else {
            Shape::Int
        };
        let class = self.value_class(ty)?;
        let address = matches!(form, Form::ThreeWay) && class.shape == Shape::Ptr;
        if !address {
            self.expect_shape(ty, shape)?;
        }
        match form {
            Form::Overflow => {
                self.operands_of(args, 2, ty)?;
                self.check_overflow_result(inst.ty, ty, class.lanes)
            }
            Form::Reduce => {
                self.operands_of(args, 1, ty)?;
                if class.lanes == 0 || inst.ty != class.scalar {
                    return fail("the result is not the element of a vector operand");
                }
                Ok(())
            }
            _ => {
                let n = if matches!(form, Form::ThreeWay) { 2 } else { 1 };
                self.operands_of(args, n, ty)?;
                let result = self.expect_shape(inst.ty, Shape::Int)?;
                if result.lanes != class.lanes || n == 2 && result.bits < 2 {
                    return fail("the result has other lanes, or too few bits");
                }
                Ok(())
            }
        }
    }

    /// What legalisation makes: operations that machines have and LLVM has not.
    fn check_machine(&mut self, inst: &Inst, which: Intrinsic, args: &[u32]) -> Check {
        use Intrinsic as I;
        match form(which) {
            Form::Blend => self.check_blend(inst, args),
            Form::MoveMask => {
                let [vector] = *args else {
                    return fail("one vector is needed");
                };
                let ty = self.operand(vector)?;
                let class = self.expect_shape(ty, Shape::Int)?;
                expect(inst.ty == TypeId::I32 && (1..=32).contains(&class.lanes))
            }
            Form::Words(n) => {
                self.operands_of(args, n, TypeId::I64)?;
                if n == 4 {
                    return self.expect_pair(inst.ty, TypeId::I64, TypeId::I64);
                }
                expect(inst.ty == TypeId::I64)
            }
            Form::Half => {
                let (Some(&arg), 1) = (args.first(), args.len()) else {
                    return fail("one operand is needed");
                };
                let ty = self.operand(arg)?;
                let (from, to) = (self.value_class(ty)?, self.value_class(inst.ty)?);
                let (half, float) = match which {
                    I::HalfToFloat => (from, to),
                    _ => (to, from),
                };
                let fits = half.scalar == TypeId::I16 && float.scalar == TypeId::F32;
                expect(fits && half.lanes == float.lanes)
            }
            _ => self.check_x87(inst, which, args),
        }
    }

    /// A mask of integers as wide as the lanes that it selects.
    fn check_blend(&mut self, inst: &Inst, args: &[u32]) -> Check {
        let [mask, a, b] = *args else {
            return fail("a mask and two vectors are needed");
        };
        let ty = self.operand(mask)?;
        let (mask, class) = (
            self.expect_shape(ty, Shape::Int)?,
            self.value_class(inst.ty)?,
        );
        self.operand_of(a, inst.ty)?;
        self.operand_of(b, inst.ty)?;
        expect(class.lanes != 0 && mask.lanes == class.lanes && mask.bits == class.bits)
    }

    /// Comparison and conversions of x87 numbers in memory.
    fn check_x87(&mut self, inst: &Inst, which: Intrinsic, args: &[u32]) -> Check {
        let number = |ty| {
            let known = [TypeId::I32, TypeId::I64, TypeId::F32, TypeId::F64];
            expect(known.contains(&ty))
        };
        match (which, args) {
            (Intrinsic::X87Cmp, _) => {
                self.operands_of(args, 2, TypeId::PTR)?;
                expect(inst.ty == TypeId::I32)
            }
            (Intrinsic::X87From, &[dst, from]) => {
                expect_void(inst.ty)?;
                self.operand_of(dst, TypeId::PTR)?;
                number(self.operand(from)?)
            }
            (Intrinsic::X87To, _) => {
                self.operands_of(args, 1, TypeId::PTR)?;
                number(inst.ty)
            }
            _ => fail("an address and a number are needed"),
        }
    }

    /// `{T, i1}`, or `{T, <n x i1>}` for vectors.
    fn check_overflow_result(&self, result: TypeId, ty: TypeId, lanes: u16) -> Check {
        let types = &self.module.types;
        self.value_class(result)?;
        let truth = match types.field_offset(result, 1) {
            Some(_) if lanes != 0 => match types.get(result) {
                crate::Type::Struct { fields, .. } => fields[1],
                _ => TypeId::I1,
            },
            _ => TypeId::I1,
        };
        let class = self.value_class(truth)?;
        if class.scalar != TypeId::I1 || class.lanes != lanes {
            return fail("the overflow field has other lanes than the operands");
        }
        self.expect_pair(result, ty, truth)
    }

    /// `memcpy`, `memmove`, `memset`.
    fn check_block_operation(&mut self, inst: &Inst, args: &[u32], second: TypeId) -> Check {
        expect_void(inst.ty)?;
        let [dst, src, len] = args else {
            return Err(format!("{} arguments instead of 3", args.len()).into());
        };
        self.operand_of(*dst, TypeId::PTR)?;
        self.operand_of(*src, second)?;
        let ty = self.operand(*len)?;
        if ty == TypeId::I32 || ty == TypeId::I64 {
            return Ok(());
        }
        fail("a length is an i32 or an i64")
    }

    /// Exactly `n` operands, all of type `ty`.
    fn operands_of(&mut self, args: &[u32], n: usize, ty: TypeId) -> Check {
        if args.len() != n {
            return Err(format!("{} arguments instead of {n}", args.len()).into());
        }
        args.iter().try_for_each(|&arg| self.operand_of(arg, ty))
    }
}

/// That the types of a machine operation are what its intrinsic says.
fn expect(fits: bool) -> Check {
    if fits {
        return Ok(());
    }
    fail("operands or result are not of the types that this operation has")
}

/// That there is no result.
fn expect_void(ty: TypeId) -> Check {
    if ty == TypeId::VOID {
        Ok(())
    } else {
        fail("there is no result")
    }
}
