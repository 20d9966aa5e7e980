//! Intrinsics that only legalisation makes: masks, words of wide integers, x87 numbers in memory.

use super::exec::lanes1;
use super::float::Format;
use super::int::{self, cut};
use super::intrinsics::lanes3;
use super::value::{Val, width};
use super::{FaultKind, Interp, extended};
use crate::body::{Body, Value};
use crate::inst::{Inst, Intrinsic, Op};
use crate::types::TypeId;
use alloc::vec::Vec;

use Intrinsic as I;

impl Interp<'_> {
    /// One of those: the last of the list.
    pub(super) fn machine_intrinsic(
        &mut self,
        which: Intrinsic,
        body: &Body,
        inst: &Inst,
        args: &[Val],
    ) -> Result<Val, FaultKind> {
        if which.is_x87() {
            return self.x87(which, body, inst, args);
        }
        let words: Vec<u128> = args.iter().map(Val::bits).collect();
        Ok(match which {
            I::Blend => {
                let types = &self.module.types;
                let mask = body.type_of(Value(body.words(inst.args[1], 1)[0]));
                let top = width(types, types.scalar(mask))? - 1;
                lanes3(
                    args,
                    |[mask, a, b]| if mask >> top & 1 != 0 { a } else { b },
                )?
            }
            I::MoveMask => {
                let types = &self.module.types;
                let vector = body.type_of(Value(body.words(inst.args[1], 1)[0]));
                let top = width(types, types.scalar(vector))? - 1;
                let bit = |(at, lane): (usize, &Val)| (lane.bits() >> top & 1) << at;
                Val::Bits(args[0].list().iter().enumerate().map(bit).sum())
            }
            I::UMulHigh => Val::Bits((words[0] * words[1]) >> 64),
            I::UDiv128 | I::URem128 | I::SDiv128 | I::SRem128 => {
                let op = match which {
                    I::UDiv128 => Op::UDiv,
                    I::URem128 => Op::URem,
                    I::SDiv128 => Op::SDiv,
                    _ => Op::SRem,
                };
                let (a, b) = (words[0] | words[1] << 64, words[2] | words[3] << 64);
                let result = int::binary(op, 128, a, b)?;
                let half = |bits: u128| Val::from(bits as u64);
                Val::from_list(Vec::from([half(result), half(result >> 64)]))
            }
            I::HalfToFloat => lanes1(&args[0], |x| Ok(Format::Float.write(Format::Half.read(x))))?,
            _ => lanes1(&args[0], |x| Ok(Format::Half.write(Format::Float.read(x))))?,
        })
    }

    /// Operations on numbers in memory.
    fn x87(
        &mut self,
        which: Intrinsic,
        body: &Body,
        inst: &Inst,
        args: &[Val],
    ) -> Result<Val, FaultKind> {
        let result = match which {
            I::X87Add | I::X87Sub | I::X87Mul | I::X87Div | I::X87Rem => {
                let op = match which {
                    I::X87Add => Op::FAdd,
                    I::X87Sub => Op::FSub,
                    I::X87Mul => Op::FMul,
                    I::X87Div => Op::FDiv,
                    _ => Op::FRem,
                };
                let (a, b) = (self.extended(&args[1])?, self.extended(&args[2])?);
                extended::binary(op, a, b)
            }
            I::X87Copy => self.extended(&args[1])?,
            I::X87Cmp => {
                let (a, b) = (self.extended(&args[0])?, self.extended(&args[1])?);
                return Ok(Val::from(u32::from(extended::outcome(a, b))));
            }
            I::X87From => {
                let from = body.type_of(Value(body.words(inst.args[1], 2)[1]));
                x87_from(from, args[1].bits())
            }
            I::X87To => {
                let from = self.extended(&args[0])?;
                return Ok(Val::Bits(x87_to(inst.ty, from)));
            }
            _ => extended::unary(which, self.extended(&args[1])?),
        };
        let bytes = result.to_le_bytes();
        self.memory.store(args[0].addr(), &bytes[..10])?;
        Ok(Val::ZERO)
    }

    /// The number at an address.
    fn extended(&mut self, address: &Val) -> Result<u128, FaultKind> {
        let mut bytes = [0; 16];
        self.memory.load(address.addr(), &mut bytes[..10])?;
        Ok(u128::from_le_bytes(bytes))
    }
}

fn x87_from(from: TypeId, bits: u128) -> u128 {
    match from {
        TypeId::F32 => extended::from_double(f64::from(f32::from_bits(bits as u32))),
        TypeId::F64 => extended::from_double(f64::from_bits(bits as u64)),
        _ => {
            let width = if from == TypeId::I32 { 32 } else { 64 };
            let number = int::signed(bits, width);
            extended::from_int(number < 0, number.unsigned_abs())
        }
    }
}

fn x87_to(to: TypeId, bits: u128) -> u128 {
    match to {
        TypeId::F32 => u128::from(extended::to_float(bits).to_bits()),
        TypeId::F64 => u128::from(extended::to_double(bits).to_bits()),
        _ => {
            let width = if to == TypeId::I32 { 32 } else { 64 };
            let (low, high) = int::signed_range(width);
            let fits = |number: &i128| (low..=high).contains(number);
            cut(extended::truncated(bits).filter(fits).unwrap_or(low), width)
        }
    }
}
