//! The judge of the form: whether a body is in the machine dialect. It reads the table of [`machine`] and
//! shares nothing else with the rewriting. Linear in the body: rewriting asks it which functions may stay.

use super::machine::{self, Vector};
use crate::tier::CpuFeatures;
use alloc::borrow::Cow;
use alloc::format;
use alloc::vec::Vec;
use ir::{
    Body, FuncAttrs, FuncId, Function, Inst, InstId, Intrinsic, Module, Op, Type, TypeId, Types,
    Value,
};

/// What lies outside of the dialect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outside {
    /// In which function.
    pub func: FuncId,
    /// Which instruction.
    pub at: InstId,
    /// What about it.
    pub what: Cow<'static, str>,
}

/// Checks all functions of a module.
///
/// # Errors
/// The first instruction that tiers do not have to know.
pub fn check(module: &Module, cpu: CpuFeatures) -> Result<(), Outside> {
    let judge = Judge::new(&module.types, cpu);
    for (id, func) in (0u32..).map(FuncId).zip(&module.funcs) {
        let outside = |(at, what)| Outside { func: id, at, what };
        judge.function(func).map_err(outside)?;
    }
    Ok(())
}

/// Which values the dialect has of a module's types.
#[derive(Debug)]
pub struct Judge<'a> {
    types: &'a Types,
    cpu: CpuFeatures,
    /// By type.
    kinds: Vec<Kind>,
}

/// Values of a type.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Kind {
    Scalar,
    Vector,
    /// None, or only as the result of some operations.
    Other,
}

impl<'a> Judge<'a> {
    /// For the types of a module.
    #[must_use]
    pub fn new(types: &'a Types, cpu: CpuFeatures) -> Self {
        let ids = (0..=u16::MAX).take(types.len()).map(TypeId);
        let kind = |ty| match machine::is_value(types, ty, cpu) {
            true if types.vector(ty).is_some() => Kind::Vector,
            true => Kind::Scalar,
            false => Kind::Other,
        };
        Self {
            types,
            cpu,
            kinds: ids.map(kind).collect(),
        }
    }

    /// Checks one function: its type, and its body if it has one.
    ///
    /// # Errors
    /// The first instruction that tiers do not have to know, and what about it.
    pub fn function(&self, func: &Function) -> Result<(), (InstId, Cow<'static, str>)> {
        let none = Body::default();
        let body = func.body.as_ref().unwrap_or(&none);
        let mut checker = Checker {
            judge: self,
            types: self.types,
            body,
            cpu: self.cpu,
            fused: func.attrs.has(FuncAttrs::FMA),
            masks: Vec::new(),
        };
        checker
            .signature(func.ty)
            .map_err(|what| (InstId(0), what))?;
        for block in &body.blocks {
            checker.masks.clear();
            for at in block.insts() {
                checker.inst(at, body.inst(at)).map_err(|what| (at, what))?;
            }
        }
        Ok(())
    }

    fn kind(&self, ty: TypeId) -> Kind {
        self.kinds.get(ty.index()).copied().unwrap_or(Kind::Other)
    }
}

struct Checker<'a> {
    judge: &'a Judge<'a>,
    types: &'a Types,
    body: &'a Body,
    cpu: CpuFeatures,
    /// The function multiplies and adds with one rounding.
    fused: bool,
    /// The comparisons of vectors so far in this block.
    masks: Vec<Mask>,
}

/// A comparison of vectors, which one instruction of its block may use.
struct Mask {
    at: InstId,
    v: Vector,
    /// Nothing has used it so far.
    free: bool,
}

type Check = Result<(), Cow<'static, str>>;

impl Checker<'_> {
    fn signature(&self, ty: TypeId) -> Check {
        let Some((ret, params, variadic)) = self.types.signature(ty) else {
            return Err("no function type".into());
        };
        for &param in params {
            self.value(param)?;
            if variadic && self.types.vector(param).is_some() {
                return Err("a vector in a variadic list".into());
            }
        }
        if ret == TypeId::VOID || self.is_words(ret) {
            return Ok(());
        }
        self.value(ret)
    }

    fn value(&self, ty: TypeId) -> Check {
        match self.judge.kind(ty) {
            Kind::Scalar | Kind::Vector => Ok(()),
            Kind::Other => Err(format!("a value of type {:?}", self.types.get(ty)).into()),
        }
    }

    /// `{i64, i64}`.
    fn is_words(&self, ty: TypeId) -> bool {
        let Type::Struct { fields, .. } = self.types.get(ty) else {
            return false;
        };
        fields[..] == [TypeId::I64, TypeId::I64]
    }

    /// `{iN, i1}`.
    fn is_flagged(&self, ty: TypeId) -> bool {
        let Type::Struct { fields, .. } = self.types.get(ty) else {
            return false;
        };
        match fields[..] {
            [first, TypeId::I1] => self.types.int_bits(first).is_some_and(|bits| bits <= 64),
            _ => false,
        }
    }

    fn inst(&mut self, at: InstId, inst: &Inst) -> Check {
        if self.is_scalar(inst) {
            return Ok(());
        }
        if let Op::Call | Op::CallIndirect = inst.op {
            let ty = TypeId(self.body.pool[inst.args[1] as usize] as u16);
            self.signature(ty)?;
        }
        let mut result = Ok(());
        let operands_free = matches!(inst.op, Op::ExtractValue | Op::InsertValue | Op::Ret);
        self.body.for_each_operand(inst, |value| {
            let ty = self.body.type_of(value);
            let mask = inst.op == Op::SExt && self.is_truth(ty);
            if result.is_ok() && !mask && !(operands_free && self.is_pair(ty)) {
                result = self.value(ty);
            }
        });
        result?;
        self.result(inst)?;
        self.operation(at, inst)
    }

    /// Whether nothing is asked of an instruction but scalars, and it has no others.
    fn is_scalar(&self, inst: &Inst) -> bool {
        let asked = matches!(
            inst.op,
            Op::Call | Op::CallIndirect | Op::Intrinsic | Op::AtomicRmw | Op::CmpXchg
        );
        if asked || (inst.ty != TypeId::VOID && self.judge.kind(inst.ty) != Kind::Scalar) {
            return false;
        }
        let mut most = Kind::Scalar;
        self.body.for_each_operand(inst, |value| {
            most = most.max(self.judge.kind(self.body.type_of(value)));
        });
        most == Kind::Scalar
    }

    fn is_pair(&self, ty: TypeId) -> bool {
        self.is_words(ty) || self.is_flagged(ty)
    }

    fn is_truth(&self, ty: TypeId) -> bool {
        self.types
            .vector(ty)
            .is_some_and(|(elem, _)| elem == TypeId::I1)
    }

    fn result(&self, inst: &Inst) -> Check {
        let fits = match inst.op {
            _ if inst.ty == TypeId::VOID => true,
            Op::ICmp | Op::FCmp => inst.ty == TypeId::I1 || self.is_truth(inst.ty),
            Op::Call | Op::CallIndirect | Op::InsertValue => {
                return match self.is_words(inst.ty) {
                    true => Ok(()),
                    false => self.value(inst.ty),
                };
            }
            Op::CmpXchg => self.is_flagged(inst.ty),
            Op::Intrinsic if self.is_flagged(inst.ty) => true,
            Op::Intrinsic if self.is_words(inst.ty) => true,
            _ => return self.value(inst.ty),
        };
        match fits {
            true => Ok(()),
            false => Err(format!("a result of type {:?}", self.types.get(inst.ty)).into()),
        }
    }

    /// What vectors must have.
    fn operation(&mut self, at: InstId, inst: &Inst) -> Check {
        let [a, b, c] = inst.args;
        let (types, body, cpu) = (self.types, self.body, self.cpu);
        let vector = |ty| Vector::of(types, ty);
        let of = |raw: u32| vector(body.type_of(Value(raw)));
        let fits = match inst.op {
            Op::ICmp | Op::FCmp => match of(a) {
                None => true,
                Some(v) => {
                    self.masks.push(Mask { at, v, free: true });
                    match inst.op {
                        Op::FCmp => machine::supports_fcmp(inst.float_pred(), v, cpu),
                        _ => inst
                            .int_pred()
                            .is_some_and(|pred| machine::supports_icmp(pred, v, cpu)),
                    }
                }
            },
            Op::SExt if self.is_truth(body.type_of(Value(a))) => self.extends(Value(a), inst.ty),
            Op::Shl | Op::LShr | Op::AShr => match vector(inst.ty) {
                None => true,
                Some(v) => machine::supports_shift(inst.op, v, self.is_amount(Value(b), v), cpu),
            },
            Op::Bitcast => match (of(a), vector(inst.ty)) {
                (Some(from), Some(to)) => machine::supports_cast(Op::Bitcast, from, to, cpu),
                _ => true,
            },
            op if op.is_cast() => match (of(a), vector(inst.ty)) {
                (Some(from), Some(to)) => machine::supports_cast(op, from, to, cpu),
                (None, None) => true,
                _ => false,
            },
            Op::ExtractElement | Op::InsertElement => {
                let lane = if inst.op == Op::ExtractElement { b } else { c };
                let known = self.body.const_int(Value(lane));
                of(a).is_some_and(|v| known.is_some_and(|lane| lane < u64::from(v.lanes)))
            }
            Op::Select => {
                let cond = self.body.type_of(Value(a));
                cond == TypeId::I1
            }
            Op::Intrinsic => return self.intrinsic(inst),
            Op::AtomicRmw => self.types.int_bits(inst.ty).is_some(),
            Op::Call | Op::CallIndirect | Op::Ret | Op::CmpXchg => true,
            _ => match vector(inst.ty) {
                None => true,
                Some(v) => machine::supports(inst.op, v, cpu),
            },
        };
        match fits {
            true => Ok(()),
            false => Err(format!("{:?} of type {:?}", inst.op, self.types.get(inst.ty)).into()),
        }
    }

    /// Whether `mask` is a comparison of this block that nothing else extends, and `ty` has lanes as wide as
    /// those compared.
    fn extends(&mut self, mask: Value, ty: TypeId) -> bool {
        let known = mask.as_inst().and_then(|id| {
            let known = self.masks.binary_search_by_key(&id, |mask| mask.at);
            known.ok()
        });
        let Some(at) = known else { return false };
        let Mask { v, free, .. } = &mut self.masks[at];
        core::mem::take(free) && self.types.vector(ty) == Some((v.lane.mask().ty(), v.lanes))
    }

    /// Whether a shift amount is one constant for all lanes, below the width.
    fn is_amount(&self, value: Value, v: Vector) -> bool {
        let Some(id) = value.as_const() else {
            return false;
        };
        match self.body.constant(id).kind {
            ir::ConstKind::Zero => true,
            ir::ConstKind::Elements { start, len } => {
                let ids = self.body.words(start, len);
                let bits = |&id: &u32| self.body.const_int(Value::constant(ir::ConstId(id)));
                let first = ids.first().and_then(bits);
                first.is_some_and(|first| first < u64::from(v.lane.bits()))
                    && ids.iter().all(|id| bits(id) == first)
            }
            _ => false,
        }
    }

    fn intrinsic(&self, inst: &Inst) -> Check {
        let args = self.body.words(inst.args[1], inst.args[2]);
        let Some(which) = inst.intrinsic() else {
            return Err("an unknown intrinsic".into());
        };
        let arg = |at: usize| {
            let ty = args.get(at).map(|&raw| self.body.type_of(Value(raw)));
            ty.and_then(|ty| Vector::of(self.types, ty))
        };
        // The operand that decides: of `blend` the second, of conversions of halves the floats.
        let v = match which {
            Intrinsic::Blend => arg(1),
            Intrinsic::HalfToFloat => Vector::of(self.types, inst.ty),
            _ => arg(0),
        };
        let fits = match v {
            Some(v) => machine::supports_intrinsic(which, v, self.cpu),
            None if self.fused && which == Intrinsic::FMulAdd => self.cpu.fma,
            None => machine::supports_scalar_intrinsic(which, self.cpu),
        };
        match fits {
            true => Ok(()),
            false => Err(format!("{} of such operands", which.name()).into()),
        }
    }
}
