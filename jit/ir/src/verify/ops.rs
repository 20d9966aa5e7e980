//! B4: what each operation demands of its operands and its result.
//!
//! One method a group of operations, in the order of [`Op`]. In short (`T` the result's type):
//!
//! | operations | demand |
//! | --- | --- |
//! | integer and float binary, `fneg`, `freeze` | operands are `T`, of integers or floats |
//! | `icmp`, `fcmp` | equal operand types; `T` is `i1` for each lane |
//! | casts | the same lanes; widths change as the name says; `bitcast` keeps all bits |
//! | `select` | `i1`, or one for each lane; both choices are `T` |
//! | `load`, `store`, atomics | address is `ptr`; ordered accesses are of 8, 16, 32 or 64 bits |
//! | allocas | `ptr` out; sizes up to 1 GiB, alignments up to 2^29 |
//! | `ptradd` | `ptr` and `i32` in, `ptr` out |
//! | calls | arguments and result against the call's own function type |
//! | lanes, fields | types follow from the first operand; masks and paths stay inside it |
//! | terminators | conditions, case values and returned values have the right type |
//!
//! Anything else an instruction holds (promises, fast-math bits, alignments) may be any bits: no
//! tier relies on it for safety.

use super::body::Checker;
use super::class::{Class, Shape};
use super::{Check, MAX_ALIGN_LOG2, fail};
use crate::body::Value;
use crate::inst::{Atomic, Flags, FloatPred, Inst, MemFlags, Op};
use crate::types::{MAX_BYTES, Type, TypeId};
use alloc::format;
use alloc::vec::Vec;

/// `MemFlags::ordering` as LLVM numbers it.
const MONOTONIC: u8 = 2;
const ACQUIRE: u8 = 3;
const RELEASE: u8 = 4;
const ACQ_REL: u8 = 5;
const SEQ_CST: u8 = 6;

impl Checker<'_> {
    /// Checks any instruction. Part of the walk; what it calls for rare instructions is not.
    #[inline(always)]
    pub(super) fn check_inst(&mut self, inst: &Inst) -> Check {
        let [a, b, c] = inst.args;
        match inst.op {
            Op::Add | Op::Sub | Op::Mul | Op::UDiv | Op::SDiv | Op::URem | Op::SRem => {
                self.check_binary(inst, Shape::Int)
            }
            Op::Shl | Op::LShr | Op::AShr | Op::And | Op::Or | Op::Xor => {
                self.check_binary(inst, Shape::Int)
            }
            Op::FAdd | Op::FSub | Op::FMul | Op::FDiv | Op::FRem => {
                self.check_binary(inst, Shape::Float)
            }
            Op::Trunc | Op::ZExt | Op::SExt => self.check_cast(inst),
            Op::FpToUi | Op::FpToSi | Op::UiToFp | Op::SiToFp => self.check_cast(inst),
            Op::FpTrunc | Op::FpExt => self.check_cast(inst),
            Op::PtrToInt | Op::IntToPtr | Op::Bitcast => self.check_cast(inst),
            Op::FNeg => {
                self.expect_shape(inst.ty, Shape::Float)?;
                self.operand_of(a, inst.ty)
            }
            Op::Freeze => {
                self.expect_value(inst.ty)?;
                self.operand_of(a, inst.ty)
            }
            Op::ICmp | Op::FCmp => self.check_compare(inst),
            Op::Select => self.check_select(inst),
            Op::Load => {
                self.operand_of(a, TypeId::PTR)?;
                self.check_access(inst.ty, MemFlags(b).ordering(), &[RELEASE, ACQ_REL])
            }
            Op::Store => {
                self.operand_of(a, TypeId::PTR)?;
                self.operand_of(b, inst.ty)?;
                self.check_access(inst.ty, MemFlags(c).ordering(), &[ACQUIRE, ACQ_REL])
            }
            Op::AtomicRmw | Op::CmpXchg | Op::Fence => self.check_atomic(inst),
            Op::Alloca => self.check_alloca(inst),
            Op::DynAlloca => self.check_dyn_alloca(inst),
            Op::PtrAdd => self.check_ptr_add(inst),
            Op::Call => {
                if a as usize >= self.module.funcs.len() {
                    return Err(format!("there is no function {a}").into());
                }
                self.check_call(inst)
            }
            Op::CallIndirect => {
                self.operand_of(a, TypeId::PTR)?;
                self.check_call(inst)
            }
            Op::Intrinsic => {
                let Some(which) = inst.intrinsic() else {
                    return Err(format!("there is no intrinsic {a}").into());
                };
                let args = self.words(b, c)?;
                self.check_intrinsic(inst, which, args)
            }
            Op::ExtractElement | Op::InsertElement | Op::Shuffle => self.check_lanes(inst),
            Op::ExtractValue | Op::InsertValue => self.check_fields(inst),
            Op::Phi => self.check_phi(inst),
            Op::Br | Op::CondBr | Op::Switch | Op::IndirectBr | Op::Ret | Op::Unreachable => {
                self.check_terminator(inst)
            }
        }
    }

    /// The class of a type whose scalars have that shape.
    pub(super) fn expect_shape(&self, ty: TypeId, shape: Shape) -> Check<Class> {
        let class = self.class(ty)?;
        if class.shape == shape {
            return Ok(class);
        }
        let wanted = match shape {
            Shape::Int => "an integer",
            Shape::Float => "a float",
            Shape::Ptr => "an address",
            _ => "an aggregate",
        };
        Err(format!("{} is not {wanted}", self.name(ty)).into())
    }

    /// `T × T → T` with integers or floats.
    #[inline(always)]
    fn check_binary(&mut self, inst: &Inst, shape: Shape) -> Check {
        self.expect_shape(inst.ty, shape)?;
        self.operand_of(inst.args[0], inst.ty)?;
        self.operand_of(inst.args[1], inst.ty)
    }

    /// Casts keep the number of lanes and change what their name says. `bitcast` keeps the number
    /// of bits and does not turn addresses into numbers: that is what `ptrtoint` is for.
    #[inline(never)]
    fn check_cast(&mut self, inst: &Inst) -> Check {
        let from_ty = self.operand(inst.args[0])?;
        let from = self.value_class(from_ty)?;
        let to = self.value_class(inst.ty)?;
        let (int, ptr, float) = (Shape::Int, Shape::Ptr, Shape::Float);
        let shapes = |a, b| from.shape == a && to.shape == b && from.lanes == to.lanes;
        let fits = match inst.op {
            Op::Trunc => shapes(int, int) && from.bits > to.bits,
            Op::ZExt | Op::SExt => shapes(int, int) && from.bits < to.bits,
            Op::FpToUi | Op::FpToSi => shapes(float, int),
            Op::UiToFp | Op::SiToFp => shapes(int, float),
            Op::FpTrunc => shapes(float, float) && from.bits > to.bits,
            Op::FpExt => shapes(float, float) && from.bits < to.bits,
            Op::PtrToInt => shapes(ptr, int),
            Op::IntToPtr => shapes(int, ptr),
            _ => {
                from.total_bits() == to.total_bits()
                    && from.shape != Shape::Aggregate
                    && to.shape != Shape::Aggregate
                    && (from.shape == ptr) == (to.shape == ptr)
            }
        };
        if fits {
            return Ok(());
        }
        let (from, to) = (self.name(from_ty), self.name(inst.ty));
        Err(format!("no such conversion from {from} to {to}").into())
    }

    /// Two operands of one type, an existing predicate, and a truth value for each lane.
    #[inline(always)]
    fn check_compare(&mut self, inst: &Inst) -> Check {
        let ty = self.operand(inst.args[0])?;
        self.operand_of(inst.args[1], ty)?;
        let class = self.value_class(ty)?;
        let fits = if inst.op == Op::FCmp {
            class.shape == Shape::Float && usize::from(inst.flags.0) < FloatPred::NAMES.len()
        } else {
            matches!(class.shape, Shape::Int | Shape::Ptr) && inst.int_pred().is_some()
        };
        if !fits {
            return fail("there is no such comparison of such operands");
        }
        if class.lanes == 0 && inst.ty == TypeId::I1 {
            return Ok(());
        }
        self.expect_truth(inst.ty, class.lanes)
    }

    /// `i1`, or a vector of it with so many lanes.
    fn expect_truth(&self, ty: TypeId, lanes: u16) -> Check {
        let class = self.value_class(ty)?;
        if class.scalar == TypeId::I1 && class.lanes == lanes {
            return Ok(());
        }
        Err(format!("{} is not a truth value of {lanes} lanes", self.name(ty)).into())
    }

    /// One condition, or one for each lane.
    #[inline(never)]
    fn check_select(&mut self, inst: &Inst) -> Check {
        let [cond, then, other] = inst.args;
        let class = self.value_class(inst.ty)?;
        let cond = self.operand(cond)?;
        if cond != TypeId::I1 {
            self.expect_truth(cond, class.lanes)?;
        }
        self.operand_of(then, inst.ty)?;
        self.operand_of(other, inst.ty)
    }

    /// Atomic operations: the address is a `ptr`, the type has values, the ordering makes sense for
    /// the access.
    #[inline(never)]
    fn check_atomic(&mut self, inst: &Inst) -> Check {
        let [a, b, c] = inst.args;
        let ordering = |flags: u32| MemFlags(flags).ordering();
        match inst.op {
            Op::AtomicRmw => {
                self.operand_of(a, TypeId::PTR)?;
                self.operand_of(b, inst.ty)?;
                if inst.flags.0 > Atomic::UMin as u8 {
                    return fail("there is no such atomic operation");
                }
                let class = self.value_class(inst.ty)?;
                if inst.flags.0 != Atomic::Xchg as u8 && class.shape != Shape::Int {
                    return fail("this atomic operation takes integers");
                }
                self.check_access(inst.ty, ordering(c).max(1), &[1])
            }
            Op::CmpXchg => self.check_cmpxchg(inst),
            _ => match ordering(a) {
                _ if inst.ty != TypeId::VOID => fail("there is no result, so its type is void"),
                ACQUIRE..=SEQ_CST => Ok(()),
                _ => fail("a fence needs an ordering from acquire up"),
            },
        }
    }

    /// Integers and addresses only: comparing floats by bits is not what anyone means.
    fn check_cmpxchg(&mut self, inst: &Inst) -> Check {
        let [ptr, start, flags] = inst.args;
        self.operand_of(ptr, TypeId::PTR)?;
        let words = self.words(start, 2)?;
        let ty = self.operand(words[0])?;
        self.operand_of(words[1], ty)?;
        if matches!(self.class(ty)?.shape, Shape::Float) {
            return fail("only integers and addresses are compared and exchanged");
        }
        self.expect_pair(inst.ty, ty, TypeId::I1)?;
        self.check_access(ty, MemFlags(flags).ordering().max(1), &[1])
    }

    /// A struct of exactly these two.
    pub(super) fn expect_pair(&self, ty: TypeId, first: TypeId, second: TypeId) -> Check {
        self.value_class(ty)?;
        match self.module.types.get(ty) {
            Type::Struct {
                fields,
                packed: false,
            } if **fields == [first, second] => Ok(()),
            _ => Err(format!(
                "the result is {}, not {{{}, {}}}",
                self.name(ty),
                self.name(first),
                self.name(second)
            )
            .into()),
        }
    }

    /// A type in memory with an ordering that is not among `excluded`. Ordered accesses are of
    /// sizes that x86 does in one piece.
    #[inline(always)]
    fn check_access(&self, ty: TypeId, ordering: u8, excluded: &[u8]) -> Check {
        if ordering == 0 {
            return self.expect_value(ty);
        }
        self.check_ordered(ty, ordering, excluded)
    }

    #[inline(never)]
    fn check_ordered(&self, ty: TypeId, ordering: u8, excluded: &[u8]) -> Check {
        let class = self.value_class(ty)?;
        if ordering > SEQ_CST || excluded.contains(&ordering) {
            return fail("no such memory ordering for this access");
        }
        if ordering < MONOTONIC && ordering != 1 {
            return Ok(());
        }
        if class.lanes == 0 && matches!(class.bits, 8 | 16 | 32 | 64) {
            Ok(())
        } else {
            Err(format!("{} cannot be accessed atomically", self.name(ty)).into())
        }
    }

    /// A static alloca: bounded, and of a type that lies in memory.
    #[inline(never)]
    fn check_alloca(&mut self, inst: &Inst) -> Check {
        let [bytes, align_log2, allocated] = inst.args;
        expect_ptr(inst.ty)?;
        check_size(bytes, align_log2)?;
        self.frame_bytes += u64::from(bytes) + (1 << align_log2);
        if self.frame_bytes > MAX_BYTES {
            return fail("the frame's allocas are larger than 1 GiB together");
        }
        let known = u16::try_from(allocated).map(TypeId);
        match known {
            Ok(ty) if self.module.types.contains(ty) && self.module.types.is_sized(ty) => Ok(()),
            _ => fail("the allocated type has no size"),
        }
    }

    /// A dynamic alloca: the count is not known, but what it counts is bounded.
    #[inline(never)]
    fn check_dyn_alloca(&mut self, inst: &Inst) -> Check {
        let [count, align_log2, bytes] = inst.args;
        expect_ptr(inst.ty)?;
        check_size(bytes, align_log2)?;
        let ty = self.operand(count)?;
        let class = self.class(ty)?;
        if class.is_scalar(Shape::Int) && class.bits <= 64 {
            Ok(())
        } else {
            fail("the count must be an integer of at most 64 bits")
        }
    }

    /// Addresses in, address out; the index is always an `i32`, which the reader made it.
    #[inline(always)]
    fn check_ptr_add(&mut self, inst: &Inst) -> Check {
        let [base, index, c] = inst.args;
        expect_ptr(inst.ty)?;
        self.operand_of(base, TypeId::PTR)?;
        if Value(index) == Value::NONE {
            return Ok(());
        }
        self.words(c, 2)?;
        self.operand_of(index, TypeId::I32)
    }

    /// Arguments and result against the function type of the call itself; that the callee is
    /// defined with that type is not demanded (see DESIGN on K&R calls).
    #[inline(never)]
    fn check_call(&mut self, inst: &Inst) -> Check {
        let [_, start, n] = inst.args;
        let Some((&[ty, attributes], args)) =
            self.words(start, n.saturating_add(2))?.split_first_chunk()
        else {
            return fail("its list lies outside the pool");
        };
        let ty = u16::try_from(ty).map_or(TypeId(u16::MAX), TypeId);
        let types = &self.module.types;
        let signature = types.contains(ty).then(|| types.signature(ty)).flatten();
        let Some((ret, params, variadic)) = signature else {
            return fail("the call's type is not a function type");
        };
        self.verifier.check_attr_set(attributes)?;
        if args.len() < params.len() || args.len() > params.len() && !variadic {
            return Err(format!("{n} arguments for {} parameters", params.len()).into());
        }
        if inst.ty != ret {
            return fail("the result is not the function type's");
        }
        if ret != TypeId::VOID {
            self.expect_value(ret)?;
        }
        let (named, rest) = args.split_at(params.len());
        for (&param, &arg) in params.iter().zip(named) {
            self.expect_value(param)?;
            self.operand_of(arg, param)?;
        }
        for &arg in rest {
            let ty = self.operand(arg)?;
            self.expect_value(ty)?;
        }
        self.check_musttail(inst)
    }

    /// A `musttail` call is followed by the return of its result.
    fn check_musttail(&self, inst: &Inst) -> Check {
        if inst.flags.0 & Flags::MUSTTAIL == 0 {
            return Ok(());
        }
        // A call is no terminator, so another instruction follows (B2).
        let next = self.body.insts.get(self.inst.index() + 1);
        let result = if inst.ty == TypeId::VOID {
            Value::NONE
        } else {
            Value::inst(self.inst)
        };
        match next {
            Some(next) if next.op == Op::Ret && Value(next.args[0]) == result => Ok(()),
            _ => fail("a musttail call must be returned at once"),
        }
    }

    /// Operations on lanes: the first operand is a vector, and everything else follows from it.
    #[inline(never)]
    fn check_lanes(&mut self, inst: &Inst) -> Check {
        let [a, b, c] = inst.args;
        let vector = self.operand(a)?;
        let class = self.value_class(vector)?;
        if class.lanes == 0 {
            return Err(format!("{} is not a vector", self.name(vector)).into());
        }
        match inst.op {
            Op::ExtractElement => {
                if inst.ty != class.scalar {
                    return fail("the result is not the vector's element type");
                }
                self.check_lane_index(b)
            }
            Op::InsertElement => {
                if inst.ty != vector {
                    return fail("the result is not the vector's type");
                }
                self.operand_of(b, class.scalar)?;
                self.check_lane_index(c)
            }
            _ => {
                self.operand_of(b, vector)?;
                let result = self.value_class(inst.ty)?;
                if result.lanes == 0 || result.scalar != class.scalar {
                    return fail("the result is no vector of the same elements");
                }
                let lanes = 2 * u32::from(class.lanes);
                let mask = self.words(c, u32::from(result.lanes))?;
                match mask.iter().find(|&&m| m >= lanes && m != u32::MAX) {
                    Some(lane) => Err(format!("there is no lane {lane} to take").into()),
                    None => Ok(()),
                }
            }
        }
    }

    /// A lane number. That it may be too large is defined, not an error.
    fn check_lane_index(&mut self, raw: u32) -> Check {
        let ty = self.operand(raw)?;
        let class = self.class(ty)?;
        if class.is_scalar(Shape::Int) && class.bits <= 64 {
            Ok(())
        } else {
            fail("a lane is chosen by an integer of at most 64 bits")
        }
    }

    /// The path leads to a field, whose type is that of the result or of the operand.
    #[inline(never)]
    fn check_fields(&mut self, inst: &Inst) -> Check {
        let [a, b, c] = inst.args;
        let whole = self.operand(a)?;
        if inst.op == Op::ExtractValue {
            let path = self.words(b, c)?;
            let field = self.field_type(whole, path)?;
            if field != inst.ty {
                return fail("the result is not the field's type");
            }
            return Ok(());
        }
        let n = self.words(c, 1)?[0];
        let path = &self.words(c, n.saturating_add(1))?[1..];
        let field = self.field_type(whole, path)?;
        if inst.ty != whole {
            return fail("the result is not the aggregate's type");
        }
        self.operand_of(b, field)
    }

    /// The type at the end of a path of field numbers into an aggregate.
    fn field_type(&self, mut ty: TypeId, path: &[u32]) -> Check<TypeId> {
        if path.is_empty() {
            return fail("no field is named");
        }
        for &at in path {
            let inner = match self.module.types.get(ty) {
                Type::Struct { fields, .. } => fields.get(at as usize).copied(),
                Type::Array { elem, len } => (at < *len).then_some(*elem),
                _ => None,
            };
            let Some(inner) = inner else {
                return Err(format!("{} has no field {at}", self.name(ty)).into());
            };
            ty = inner;
        }
        Ok(ty)
    }

    /// Block ids and lists were checked before the walk.
    #[inline(always)]
    fn check_terminator(&mut self, inst: &Inst) -> Check {
        let [a, b, c] = inst.args;
        self.expect_last()?;
        if inst.ty != TypeId::VOID && inst.op != Op::Switch {
            return fail("there is no result, so its type is void");
        }
        match inst.op {
            Op::CondBr => self.operand_of(a, TypeId::I1),
            Op::Switch => {
                let cases = self.words(b + 1, c * 3)?;
                self.check_switch(inst, cases)
            }
            Op::IndirectBr => self.operand_of(a, TypeId::PTR),
            Op::Ret if self.ret == TypeId::VOID => {
                if Value(a) == Value::NONE {
                    Ok(())
                } else {
                    fail("a value is returned from a function without result")
                }
            }
            Op::Ret if Value(a) == Value::NONE => fail("no value is returned"),
            Op::Ret => self.operand_of(a, self.ret),
            _ => Ok(()),
        }
    }

    /// Cases fit the operand's width and differ, so that their order means nothing.
    #[inline(never)]
    fn check_switch(&mut self, inst: &Inst, cases: &[u32]) -> Check {
        self.operand_of(inst.args[0], inst.ty)?;
        let class = self.class(inst.ty)?;
        if !class.is_scalar(Shape::Int) || class.bits > 64 {
            return fail("a switch takes an integer of at most 64 bits");
        }
        let case = |words: &[u32]| u64::from(words[1]) << 32 | u64::from(words[0]);
        let mut values: Vec<u64> = Vec::new();
        let mut ascending = true;
        let mut before = None;
        for words in cases.chunks_exact(3) {
            let value = case(words);
            if class.bits < 64 && value >> class.bits != 0 {
                return Err(format!("case {value:#x} does not fit the operand").into());
            }
            ascending &= before < Some(value);
            before = Some(value);
        }
        if !ascending {
            values.extend(cases.chunks_exact(3).map(case));
            values.sort_unstable();
            if let Some(pair) = values.windows(2).find(|w| w[0] == w[1]) {
                return Err(format!("case {} comes twice", pair[0]).into());
            }
        }
        Ok(())
    }
}

/// That the result is an address.
fn expect_ptr(ty: TypeId) -> Check {
    if ty == TypeId::PTR {
        Ok(())
    } else {
        fail("the result must be ptr")
    }
}

/// That a size and an alignment are within bounds.
fn check_size(bytes: u32, align_log2: u32) -> Check {
    if u64::from(bytes) > MAX_BYTES || align_log2 > MAX_ALIGN_LOG2 {
        return fail("size or alignment too large");
    }
    Ok(())
}
