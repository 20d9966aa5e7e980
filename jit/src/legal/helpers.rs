//! What is too long to be written out at every use: functions of the dialect itself.
//!
//! They are written in the text form of the IR and added to a program that needs them, as functions
//! like all others: compiled by every tier, interpreted by the judge.

use ir::{Function, Linkage, Module, TypeId, Types};

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
    /// The bits of two floats' product plus a third, rounded once.
    FmaFloat,
    /// The same for doubles.
    FmaDouble,
}

impl Helper {
    /// All, in the order of their numbers.
    #[cfg(test)]
    const ALL: [Self; 16] = [
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
        Self::FmaFloat,
        Self::FmaDouble,
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
            Self::FmaFloat => "bf.legal.fma.float",
            Self::FmaDouble => "bf.legal.fma.double",
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
            Self::FmaFloat | Self::FmaDouble => (&[TypeId::I64; 3], TypeId::I64),
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
    if wanted.is_empty() {
        return Some(alloc::vec::Vec::new());
    }
    let mut library = library();
    let mut list = alloc::vec::Vec::with_capacity(wanted.len());
    for &helper in wanted {
        let (params, ret) = helper.signature();
        let ty = types.function(ret, params.to_vec()).ok()?;
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

    /// What a helper of three numbers makes of their bits.
    fn fused(library: &Module, helper: Helper, args: [u64; 3]) -> u64 {
        use ir::interp::{FlatMemory, Image, Interp, Limits, NoHost, Val};
        let image = Image::new(library).unwrap();
        let mut memory = FlatMemory::new();
        memory.map(0x7000_0000, 0x1000);
        let limits = Limits {
            steps: 1000,
            depth: 4,
            stack: 0x7000_0000..0x7000_1000,
        };
        let mut host = NoHost;
        let mut interp = Interp::new(library, &mut memory, &image, &mut host, limits);
        let id = library.func_by_name(helper.name()).unwrap();
        interp.call(id, &args.map(Val::from)).unwrap().bits() as u64
    }

    #[test]
    fn fused_products_are_rounded_once() {
        let library = library();
        let mut random = ir::random::Random::new(5);
        for round in 0..6000 {
            // Exponents near each other, so that bits cancel, and at the edges of the range.
            let exponent = |random: &mut ir::random::Random, bias: u64, most: u64| match round % 4 {
                0 => bias - 30 + random.bits() % 60,
                1 => random.bits() % 40,
                2 => most - random.bits() % 40,
                _ => bias / 2 + random.bits() % 80,
            };
            let double = |random: &mut ir::random::Random| {
                let bits = random.bits() >> (random.bits() % 3 * 20) << (random.bits() % 2 * 30);
                let e = exponent(random, 1023, 2047);
                bits & 0x800f_ffff_ffff_ffff | e << 52
            };
            let mut args = [0; 3].map(|_| double(&mut random));
            if round % 5 == 0 {
                let [x, y] = [args[0], args[1]].map(f64::from_bits);
                args[2] = (-(x * y)).to_bits() ^ (random.bits() % 3);
            }
            let [x, y, z] = args.map(f64::from_bits);
            let expected = x.mul_add(y, z);
            let got = f64::from_bits(fused(&library, Helper::FmaDouble, args));
            let same = got.to_bits() == expected.to_bits() || got.is_nan() && expected.is_nan();
            assert!(same, "{x:e} {y:e} {z:e}: {got:e}, not {expected:e}");
            let single = |random: &mut ir::random::Random| {
                let e = exponent(random, 127, 255) & 255;
                random.bits() & 0x807f_ffff | e << 23
            };
            let args = [0; 3].map(|_| single(&mut random));
            let [x, y, z] = args.map(|bits| f32::from_bits(bits as u32));
            let expected = x.mul_add(y, z);
            let got = f32::from_bits(fused(&library, Helper::FmaFloat, args) as u32);
            let same = got.to_bits() == expected.to_bits() || got.is_nan() && expected.is_nan();
            assert!(same, "{x:e} {y:e} {z:e}: {got:e}, not {expected:e}");
        }
    }
}
