//! What is too long to be written out at every use: functions of the dialect itself.
//!
//! They are written in the text form of the IR and added to a program that needs them, as functions
//! like all others: compiled by every tier, interpreted by the judge.

use ir::{Function, Linkage, Module, Type, TypeId, Types};

/// A function that legalised code calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Helper {
    /// Quotient and remainder of unsigned 256-bit numbers, by shifting and subtracting.
    UDivide256,
    /// The same for signed ones.
    SDivide256,
    /// An unsigned 128-bit number to the bits of the nearest double.
    ToDoubleBits,
    /// An unsigned 128-bit number to the bits of the nearest float.
    ToFloatBits,
    /// A double to the nearest signed 128-bit number.
    DoubleToSigned,
    /// A double to the nearest unsigned 128-bit number.
    DoubleToUnsigned,
    /// An x87 number to the nearest signed 128-bit number.
    ExtendedToSigned,
    /// An x87 number to the nearest unsigned 128-bit number.
    ExtendedToUnsigned,
    /// An x87 number towards negative infinity.
    ExtendedFloor,
    /// An x87 number towards positive infinity.
    ExtendedCeil,
    /// An x87 number towards zero.
    ExtendedTrunc,
    /// An x87 number to the nearest whole one, half away from zero.
    ExtendedRound,
    /// The bits of a half to those of a float.
    HalfToFloat,
    /// The bits of a float to those of the nearest half.
    FloatToHalf,
}

impl Helper {
    /// All, in the order of their numbers.
    #[cfg(test)]
    const ALL: [Self; 14] = [
        Self::UDivide256,
        Self::SDivide256,
        Self::ToDoubleBits,
        Self::ToFloatBits,
        Self::DoubleToSigned,
        Self::DoubleToUnsigned,
        Self::ExtendedToSigned,
        Self::ExtendedToUnsigned,
        Self::ExtendedFloor,
        Self::ExtendedCeil,
        Self::ExtendedTrunc,
        Self::ExtendedRound,
        Self::HalfToFloat,
        Self::FloatToHalf,
    ];

    /// Its name, which no symbol of a module has: dots are not C's.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::UDivide256 => "bf.legal.udivide256",
            Self::SDivide256 => "bf.legal.sdivide256",
            Self::ToDoubleBits => "bf.legal.to.double.bits",
            Self::ToFloatBits => "bf.legal.to.float.bits",
            Self::DoubleToSigned => "bf.legal.double.to.signed",
            Self::DoubleToUnsigned => "bf.legal.double.to.unsigned",
            Self::ExtendedToSigned => "bf.legal.x87.to.signed",
            Self::ExtendedToUnsigned => "bf.legal.x87.to.unsigned",
            Self::ExtendedFloor => "bf.legal.x87.floor",
            Self::ExtendedCeil => "bf.legal.x87.ceil",
            Self::ExtendedTrunc => "bf.legal.x87.trunc",
            Self::ExtendedRound => "bf.legal.x87.round",
            Self::HalfToFloat => "bf.legal.half.to.float",
            Self::FloatToHalf => "bf.legal.float.to.half",
        }
    }

    /// Parameters and result.
    pub(super) fn signature(self) -> (&'static [TypeId], TypeId) {
        const PTR: TypeId = TypeId::PTR;
        match self {
            Self::UDivide256 | Self::SDivide256 => (&[PTR], TypeId::VOID),
            Self::ToDoubleBits | Self::ToFloatBits => (&[TypeId::I64, TypeId::I64], TypeId::I64),
            Self::DoubleToSigned | Self::DoubleToUnsigned => (&[PTR, TypeId::F64], TypeId::VOID),
            Self::HalfToFloat | Self::FloatToHalf => (&[TypeId::I64], TypeId::I64),
            _ => (&[PTR, PTR], TypeId::VOID),
        }
    }
}

/// All of them, in the text form of the IR.
const SOURCE: &str = include_str!("helpers.bfir");

/// The helpers, ready to be added to a program: they use only types with constant ids, and call
/// nothing.
///
/// # Panics
/// Never: that the text parses and is complete is tested.
fn library() -> Module {
    ir::text::parse(SOURCE).expect("the text is this crate's own, and tested")
}

/// The functions of these helpers, as functions of a module with these types.
pub(super) fn functions(types: &mut Types, wanted: &[Helper]) -> Option<alloc::vec::Vec<Function>> {
    let mut library = library();
    let mut list = alloc::vec::Vec::with_capacity(wanted.len());
    for &helper in wanted {
        let (params, ret) = helper.signature();
        let ty = types
            .intern(Type::Func {
                ret,
                params: params.to_vec(),
                variadic: false,
            })
            .ok()?;
        let found = library.func_by_name(helper.name())?;
        let body = library.funcs[found.index()].body.take()?;
        list.push(Function {
            name: alloc::string::String::from(helper.name()),
            ty,
            linkage: Linkage::Internal,
            body: Some(body),
            ..Function::default()
        });
    }
    Some(list)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ir::{ConstKind, Op};

    /// `functions` copies bodies without looking into them, so they may name nothing of their module.
    #[test]
    fn every_helper_is_there_valid_and_on_its_own() {
        let library = library();
        ir::verify::module(&library).unwrap();
        for (at, helper) in Helper::ALL.into_iter().enumerate() {
            assert_eq!(helper as usize, at);
            let id = library.func_by_name(helper.name()).unwrap();
            let func = library.func(id);
            let (params, ret) = helper.signature();
            let expected = (ret, params, false);
            assert_eq!(library.types.signature(func.ty), Some(expected));
            let body = func.body.as_ref().unwrap();
            for inst in &body.insts {
                assert!(inst.ty.0 <= TypeId::X86_FP80.0, "{helper:?}");
                assert!(!matches!(inst.op, Op::Call | Op::CallIndirect));
            }
            for constant in &body.consts {
                assert!(constant.ty.0 <= TypeId::X86_FP80.0);
                assert!(!matches!(
                    constant.kind,
                    ConstKind::Func(_) | ConstKind::Global { .. }
                ));
            }
        }
    }
}
