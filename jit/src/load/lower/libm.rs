//! Intrinsics that are functions of C's library.
//!
//! Compilers write them with `-fno-math-errno`, or when the function sets no `errno`. What computes
//! them is up to who links the module, like any other import. Vectors are done lane by lane, half
//! in float; results that come in pairs are taken from memory or from two functions.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use ir::{MemFlags, Op, Type, TypeId, Value};

use crate::load::body::{BodyLoader, Values};
use crate::load::error::{LoadError, Result};

impl BodyLoader<'_, '_, '_> {
    /// Calls the function with this name, or that of another width.
    pub(in crate::load) fn libm(
        &mut self,
        name: &str,
        ty: TypeId,
        args: &[Value],
    ) -> Result<Value> {
        self.each_lane(ty, |body, lane| {
            let elem = body.loader.module.types.scalar(ty);
            let parts: Values = args.iter().map(|arg| body.lane(*arg, lane)).collect();
            body.libm_scalar(name, elem, &parts)
        })
    }

    /// As [`Self::libm`], for one lane.
    fn libm_scalar(&mut self, name: &str, ty: TypeId, args: &[Value]) -> Result<Value> {
        let first = args.first().map_or(TypeId::VOID, |arg| self.type_of(*arg));
        if matches!(self.loader.module.types.get(first), Type::Half) {
            let wide: Values = args
                .iter()
                .map(|&arg| match self.type_of(arg) == first {
                    true => self.convert(Op::FpExt, arg, TypeId::F32),
                    false => arg,
                })
                .collect();
            let result = if ty == first { TypeId::F32 } else { ty };
            let value = self.libm_scalar(name, result, &wide)?;
            return Ok(self.convert(Op::FpTrunc, value, ty));
        }
        let name = format!("{name}{}", suffix(first)?);
        self.import_call(&name, ty, args)
    }

    /// Calls a function that the file need not declare.
    pub(in crate::load) fn import_call(
        &mut self,
        name: &str,
        ret: TypeId,
        args: &[Value],
    ) -> Result<Value> {
        let params: Vec<TypeId> = args.iter().map(|arg| self.type_of(*arg)).collect();
        let variadic = false;
        let signature = self.intern(Type::Func {
            ret,
            params,
            variadic,
        })?;
        let id = self.loader.import(name, signature)?;
        let words = [u32::from(signature.0), 0];
        let values = args.iter().map(|arg| arg.0);
        let pool = self.builder.pool(words.into_iter().chain(values));
        Ok(self.emit(Op::Call, 0, ret, [id.0, pool, args.len() as u32]))
    }

    /// `frexp` and `modf`: a result and a second one through a pointer.
    pub(in crate::load) fn libm_pair(
        &mut self,
        name: &str,
        ty: TypeId,
        value: Value,
    ) -> Result<Value> {
        let [first, second] = self.pair_types(ty)?;
        let layout = self.loader.module.types.layout(second);
        let place = self.spare(second, layout.size);
        let name = format!("{name}{}", suffix(self.type_of(value))?);
        let result = self.import_call(&name, first, &[value, place])?;
        let flags = MemFlags::aligned(layout.align_log2.min(2));
        let other = self.emit(Op::Load, 0, second, [place.0, flags.0, 0]);
        Ok(self.pair(ty, result, other))
    }

    /// `sincos`, which not every library has: two calls.
    pub(in crate::load) fn sin_cos(&mut self, ty: TypeId, value: Value) -> Result<Value> {
        let [first, second] = self.pair_types(ty)?;
        let sin = self.libm("sin", first, &[value])?;
        let cos = self.libm("cos", second, &[value])?;
        Ok(self.pair(ty, sin, cos))
    }

    /// `powi`: the compiler's own library multiplies in this order, and so does a constant exponent
    /// here. (compiler-rt: `powidf2.c`.)
    pub(in crate::load) fn powi(
        &mut self,
        ty: TypeId,
        base: Value,
        exponent: Value,
    ) -> Result<Value> {
        let Some(bits) = self.builder.body().const_int(exponent) else {
            return self.each_lane(ty, |body, lane| {
                let (elem, part) = (body.loader.module.types.scalar(ty), body.lane(base, lane));
                let name = match suffix(elem)? {
                    "f" => "__powisf2",
                    "" => "__powidf2",
                    _ => "__powixf2",
                };
                body.import_call(name, elem, &[part, exponent])
            });
        };
        let exponent = (bits & u64::from(u32::MAX)) as u32;
        let one = self.one(ty)?;
        let (mut result, mut power, mut left) = (one, base, exponent.cast_signed());
        loop {
            if left & 1 != 0 {
                result = self.binary_op(Op::FMul, result, power);
            }
            left /= 2;
            if left == 0 {
                break;
            }
            power = self.binary_op(Op::FMul, power, power);
        }
        if exponent.cast_signed() < 0 {
            result = self.binary_op(Op::FDiv, one, result);
        }
        Ok(result)
    }

    /// 1.0 in every lane.
    pub(in crate::load) fn one(&mut self, ty: TypeId) -> Result<Value> {
        let number = self.shaped(TypeId::I32, ty)?;
        let one = self.number(number, 1)?;
        Ok(self.emit(Op::SiToFp, 0, ty, [one.0, 0, 0]))
    }

    /// The two fields of a pair.
    fn pair_types(&self, ty: TypeId) -> Result<[TypeId; 2]> {
        match self.loader.module.types.get(ty) {
            Type::Struct { fields, .. } => fields.as_slice().try_into().ok(),
            _ => None,
        }
        .ok_or_else(|| LoadError::malformed("intrinsic whose result is no pair"))
    }

    /// A struct of two values.
    fn pair(&mut self, ty: TypeId, first: Value, second: Value) -> Value {
        let whole = self.zero(ty);
        let whole = self.insert_value(whole, first, &[0]);
        self.insert_value(whole, second, &[1])
    }
}

/// What C appends to a function's name for the width of its argument.
fn suffix(ty: TypeId) -> Result<&'static str> {
    match ty {
        TypeId::F32 => Ok("f"),
        TypeId::F64 => Ok(""),
        TypeId::X86_FP80 => Ok("l"),
        _ => Err(LoadError::unsupported(String::from(
            "function of C's library with an argument of this type",
        ))),
    }
}
