//! What the processor's intrinsics compute, in plain vector operations.
//!
//! 256-bit forms of SSE instructions work in two halves that do not see each other; code that
//! builds lane numbers goes by [`HALF_BITS`].

use alloc::vec::Vec;

use bitcode::Predicate;
use ir::{Intrinsic, Op, Type, TypeId, Value};

use crate::load::body::BodyLoader;
use crate::load::error::{LoadError, Result};
use crate::load::fold::zero_extend;

/// Bits that such an instruction handles by themselves.
const HALF_BITS: u32 = 128;

impl BodyLoader<'_, '_, '_> {
    /// Which lanes have their top bit set.
    pub(super) fn sign_mask(&mut self, vector: Value) -> Result<Value> {
        let ty = self.bits_type(self.type_of(vector))?;
        let bits = self.convert(Op::Bitcast, vector, ty);
        let zero = self.number(ty, 0)?;
        self.test(Predicate::IcmpSlt, bits, zero)
    }

    /// `f` of both operands, or of their first lanes, put into the first operand.
    pub(super) fn x86_first(
        &mut self,
        first: bool,
        a: Value,
        b: Value,
        f: impl Fn(&mut Self, Value, Value) -> Result<Value>,
    ) -> Result<Value> {
        if !first {
            return f(self, a, b);
        }
        let (x, y) = (self.lane(a, 0), self.lane(b, 0));
        let part = f(self, x, y)?;
        Ok(self.with_lane(a, 0, part))
    }

    /// Bits of a lane and lanes of a vector.
    fn x86_shape(&self, vector: Value) -> (u32, u32) {
        let elem = self.loader.module.types.scalar(self.type_of(vector));
        let bits = self
            .loader
            .module
            .types
            .layout(elem)
            .store
            .saturating_mul(8);
        (bits.max(8), self.lanes_of(vector))
    }

    /// The same vector with lanes of type `elem`, converted by `op`.
    fn x86_lanes_to(&mut self, op: Op, vector: Value, elem: TypeId) -> Result<Value> {
        let ty = self.shaped(elem, self.type_of(vector))?;
        Ok(self.convert(op, vector, ty))
    }

    /// Signed numbers cut to `low..=high`.
    fn x86_clamp(&mut self, value: Value, low: i64, high: i64) -> Result<Value> {
        let ty = self.type_of(value);
        let scalar = self.loader.module.types.scalar(ty);
        let bits = self.loader.module.types.int_bits(scalar).unwrap_or(64);
        let cut = |number: i64| u128::from(zero_extend(number.cast_unsigned(), bits));
        let (low, high) = (self.number(ty, cut(low))?, self.number(ty, cut(high))?);
        let value = self.apply(Intrinsic::SMax, ty, &[value, low]);
        Ok(self.apply(Intrinsic::SMin, ty, &[value, high]))
    }

    /// `movmskps`, `pmovmskb`.
    pub(super) fn x86_move_mask(&mut self, vector: Value, ty: TypeId) -> Result<Value> {
        let mask = self.sign_mask(vector)?;
        let lanes = self.lanes_of(mask) as u16;
        let packed = self.intern(Type::Int(lanes))?;
        let bits = self.convert(Op::Bitcast, mask, packed);
        Ok(self.convert(Op::ZExt, bits, ty))
    }

    /// Lanes of `a` and `b`, alternating between them half by half: `per` of one, `per` of the other,
    /// every `step`-th from `from` on.
    fn x86_halves(&mut self, a: Value, b: Value, from: u32, step: u32) -> Result<Value> {
        let (bits, lanes) = self.x86_shape(a);
        let half = (HALF_BITS / bits).min(lanes).max(1);
        let mut order = Vec::new();
        for start in (0..lanes).step_by(half as usize) {
            for base in [0, lanes] {
                let first = base + start + from;
                order.extend((first..base + start + half).step_by(step as usize));
            }
        }
        self.shuffle(a, b, &order)
    }

    /// `packsswb` and its like.
    pub(super) fn x86_pack(
        &mut self,
        signed: bool,
        a: Value,
        b: Value,
        ty: TypeId,
    ) -> Result<Value> {
        let (bits, _) = self.x86_shape(a);
        let narrow = bits / 2;
        let (low, high) = if signed {
            (-(1i64 << (narrow - 1)), (1i64 << (narrow - 1)) - 1)
        } else {
            (0, (1i64 << narrow) - 1)
        };
        let both = self.x86_halves(a, b, 0, 1)?;
        let cut = self.x86_clamp(both, low, high)?;
        Ok(self.convert(Op::Trunc, cut, ty))
    }

    /// `pmaddwd`, `pmaddubsw`: neighbours are added in 32 bits.
    pub(super) fn x86_mul_add(
        &mut self,
        bytes: bool,
        a: Value,
        b: Value,
        ty: TypeId,
    ) -> Result<Value> {
        let first = if bytes { Op::ZExt } else { Op::SExt };
        let a = self.x86_lanes_to(first, a, TypeId::I32)?;
        let b = self.x86_lanes_to(Op::SExt, b, TypeId::I32)?;
        let products = self.binary_op(Op::Mul, a, b);
        let lanes = self.lanes_of(products);
        let (even, odd): (Vec<u32>, Vec<u32>) = (0..lanes).partition(|lane| lane % 2 == 0);
        let (even, odd) = (
            self.shuffle(products, products, &even)?,
            self.shuffle(products, products, &odd)?,
        );
        let sums = self.binary_op(Op::Add, even, odd);
        if !bytes {
            return Ok(sums);
        }
        let cut = self.x86_clamp(sums, i64::from(i16::MIN), i64::from(i16::MAX))?;
        Ok(self.convert(Op::Trunc, cut, ty))
    }

    /// Product of words in 32 bits.
    fn x86_product(&mut self, op: Op, a: Value, b: Value) -> Result<Value> {
        let (a, b) = (
            self.x86_lanes_to(op, a, TypeId::I32)?,
            self.x86_lanes_to(op, b, TypeId::I32)?,
        );
        Ok(self.binary_op(Op::Mul, a, b))
    }

    /// `pmulhw`, `pmulhuw`.
    pub(super) fn x86_mul_high(&mut self, signed: bool, a: Value, b: Value) -> Result<Value> {
        let product = self.x86_product(if signed { Op::SExt } else { Op::ZExt }, a, b)?;
        let amount = self.number(self.type_of(product), 16)?;
        let high = self.binary_op(Op::LShr, product, amount);
        Ok(self.convert(Op::Trunc, high, self.type_of(a)))
    }

    /// `pmulhrsw`.
    pub(super) fn x86_mul_high_round(&mut self, a: Value, b: Value) -> Result<Value> {
        let product = self.x86_product(Op::SExt, a, b)?;
        let ty = self.type_of(product);
        let (fourteen, one) = (self.number(ty, 14)?, self.number(ty, 1)?);
        let scaled = self.binary_op(Op::LShr, product, fourteen);
        let raised = self.binary_op(Op::Add, scaled, one);
        let halved = self.binary_op(Op::LShr, raised, one);
        Ok(self.convert(Op::Trunc, halved, self.type_of(a)))
    }

    /// `psadbw`: a sum of eight differences of bytes fits 16 bits.
    pub(super) fn x86_sum_abs(&mut self, a: Value, b: Value, ty: TypeId) -> Result<Value> {
        let bytes = self.type_of(a);
        let large = self.apply(Intrinsic::UMax, bytes, &[a, b]);
        let small = self.apply(Intrinsic::UMin, bytes, &[a, b]);
        let distance = self.binary_op(Op::Sub, large, small);
        let wide = self.x86_lanes_to(Op::ZExt, distance, TypeId::I16)?;
        self.each_lane(ty, |body, lane| {
            let order: Vec<u32> = (lane * 8..lane * 8 + 8).collect();
            let part = body.shuffle(wide, wide, &order)?;
            let sum = body.apply(Intrinsic::ReduceAdd, TypeId::I16, &[part]);
            Ok(body.convert(Op::ZExt, sum, TypeId::I64))
        })
    }

    /// `pslld` and its like: one amount, the low 64 bits of the operand if that is a vector.
    pub(super) fn x86_shift(&mut self, op: Op, vector: Value, amount: Value) -> Result<Value> {
        let ty = self.type_of(vector);
        let (bits, _) = self.x86_shape(vector);
        if let Some(amount) = self.builder.body().const_int(amount) {
            let largest = u64::from(bits - 1);
            if amount > largest && op != Op::AShr {
                return Ok(self.zero(ty));
            }
            let amount = self.number(ty, u128::from(amount.min(largest)))?;
            return Ok(self.binary_op(op, vector, amount));
        }
        let amount = if self
            .loader
            .module
            .types
            .vector(self.type_of(amount))
            .is_some()
        {
            let pair = self.intern(Type::Vector {
                elem: TypeId::I64,
                len: 2,
            })?;
            let words = self.convert(Op::Bitcast, amount, pair);
            self.lane(words, 0)
        } else {
            self.convert(Op::ZExt, amount, TypeId::I64)
        };
        let largest = self.builder.int(TypeId::I64, u64::from(bits - 1));
        let cut = self.apply(Intrinsic::UMin, TypeId::I64, &[amount, largest]);
        let elem = self.loader.module.types.scalar(ty);
        let cut = self.convert(Op::Trunc, cut, elem);
        let amounts = self.each_lane(ty, |_, _| Ok(cut))?;
        let shifted = self.binary_op(op, vector, amounts);
        if op == Op::AShr {
            return Ok(shifted);
        }
        let gone = self.test(Predicate::IcmpUgt, amount, largest)?;
        let zero = self.zero(ty);
        Ok(self.choose(gone, zero, shifted))
    }

    /// `vpsllvd` and its like.
    pub(super) fn x86_shift_each(
        &mut self,
        op: Op,
        vector: Value,
        amounts: Value,
    ) -> Result<Value> {
        let ty = self.type_of(vector);
        let (bits, _) = self.x86_shape(vector);
        let largest = self.number(ty, u128::from(bits - 1))?;
        let cut = self.apply(Intrinsic::UMin, ty, &[amounts, largest]);
        let shifted = self.binary_op(op, vector, cut);
        if op == Op::AShr {
            return Ok(shifted);
        }
        let gone = self.test(Predicate::IcmpUgt, amounts, largest)?;
        let zero = self.zero(ty);
        Ok(self.choose(gone, zero, shifted))
    }

    /// `pshufb`.
    pub(super) fn x86_shuffle_bytes(&mut self, vector: Value, numbers: Value) -> Result<Value> {
        let ty = self.type_of(vector);
        let picked = self.each_lane(ty, |body, lane| {
            let number = body.lane(numbers, lane);
            let low = body.builder.int(TypeId::I8, 15);
            let within = body.binary_op(Op::And, number, low);
            let half = body.builder.int(TypeId::I8, u64::from(lane / 16 * 16));
            let at = body.binary_op(Op::Or, within, half);
            Ok(body.emit(Op::ExtractElement, 0, TypeId::I8, [vector.0, at.0, 0]))
        })?;
        let none = self.sign_mask(numbers)?;
        let zero = self.zero(ty);
        Ok(self.choose(none, zero, picked))
    }

    /// `vpermd`: numbers are taken modulo the lanes, as `extractelement` takes them here.
    pub(super) fn x86_permute(&mut self, vector: Value, numbers: Value) -> Result<Value> {
        let ty = self.type_of(vector);
        self.each_lane(ty, |body, lane| {
            let number = body.lane(numbers, lane);
            let elem = body.loader.module.types.scalar(ty);
            Ok(body.emit(Op::ExtractElement, 0, elem, [vector.0, number.0, 0]))
        })
    }

    /// `minps`: the second operand if they are equal or one is NaN.
    pub(super) fn x86_min_max(&mut self, max: bool, a: Value, b: Value) -> Result<Value> {
        let pred = if max {
            Predicate::FcmpOgt
        } else {
            Predicate::FcmpOlt
        };
        let first = self.test(pred, a, b)?;
        Ok(self.choose(first, a, b))
    }

    /// `cvtps2dq` and its like; a scalar result comes from lane 0, missing lanes are 0.
    pub(super) fn x86_to_int(&mut self, nearest: bool, value: Value, ty: TypeId) -> Result<Value> {
        let wanted = self.loader.module.types.vector(ty);
        let mut value = if wanted.is_none() {
            self.lane(value, 0)
        } else {
            value
        };
        if nearest {
            value = self.apply(Intrinsic::Rint, self.type_of(value), &[value]);
        }
        let numbers = self.x86_lanes_to(Op::FpToSi, value, TypeId::I32)?;
        let (have, want) = (self.lanes_of(numbers), wanted.map_or(1, |(_, lanes)| lanes));
        if have >= want {
            return Ok(numbers);
        }
        let zero = self.zero(self.type_of(numbers));
        let order: Vec<u32> = (0..want).map(|lane| lane.min(have)).collect();
        self.shuffle(numbers, zero, &order)
    }

    /// `ptest`: 0 for the zero flag, 1 for the carry flag, 2 for neither.
    pub(super) fn x86_test(&mut self, which: u8, a: Value, b: Value, ty: TypeId) -> Result<Value> {
        let all = self.type_of(a);
        let ones = self.number(all, u128::from(u64::MAX))?;
        let not_a = self.binary_op(Op::Xor, a, ones);
        let flag = |body: &mut Self, of: Value, pred: Predicate| {
            let bits = body.binary_op(Op::And, of, b);
            let any = body.apply(Intrinsic::ReduceOr, TypeId::I64, &[bits]);
            let zero = body.builder.int(TypeId::I64, 0);
            body.test(pred, any, zero)
        };
        let holds = match which {
            0 => flag(self, a, Predicate::IcmpEq)?,
            1 => flag(self, not_a, Predicate::IcmpEq)?,
            _ => {
                let zero = flag(self, a, Predicate::IcmpNe)?;
                let carry = flag(self, not_a, Predicate::IcmpNe)?;
                self.binary_op(Op::And, zero, carry)
            }
        };
        Ok(self.convert(Op::ZExt, holds, ty))
    }

    /// `cmpps`: predicates come in two sets of 16 that differ in exceptions only.
    pub(super) fn x86_compare(&mut self, pred: u64, a: Value, b: Value) -> Result<Value> {
        use Predicate as P;
        const PREDICATES: [Predicate; 16] = [
            P::FcmpOeq,
            P::FcmpOlt,
            P::FcmpOle,
            P::FcmpUno,
            P::FcmpUne,
            P::FcmpUge,
            P::FcmpUgt,
            P::FcmpOrd,
            P::FcmpUeq,
            P::FcmpUlt,
            P::FcmpUle,
            P::FcmpFalse,
            P::FcmpOne,
            P::FcmpOge,
            P::FcmpOgt,
            P::FcmpTrue,
        ];
        let known = PREDICATES.get((pred & 15) as usize);
        let pred = known.ok_or_else(|| LoadError::malformed("predicate"))?;
        let ty = self.type_of(a);
        let (holds, bits) = (self.test(*pred, a, b)?, self.bits_type(ty)?);
        let mask = self.convert(Op::SExt, holds, bits);
        Ok(self.convert(Op::Bitcast, mask, ty))
    }

    /// `phaddw`, `haddps` and their like.
    pub(super) fn x86_horizontal(
        &mut self,
        op: Op,
        saturate: bool,
        a: Value,
        b: Value,
    ) -> Result<Value> {
        let even = self.x86_halves(a, b, 0, 2)?;
        let odd = self.x86_halves(a, b, 1, 2)?;
        Ok(match (op, saturate) {
            (Op::Add, true) => self.apply(Intrinsic::SAddSat, self.type_of(a), &[even, odd]),
            (Op::Sub, true) => self.apply(Intrinsic::SSubSat, self.type_of(a), &[even, odd]),
            _ => self.binary_op(op, even, odd),
        })
    }

    /// `psignb` and its like.
    pub(super) fn x86_sign(&mut self, a: Value, b: Value) -> Result<Value> {
        let zero = self.number(self.type_of(a), 0)?;
        let minus = self.binary_op(Op::Sub, zero, a);
        let negative = self.test(Predicate::IcmpSlt, b, zero)?;
        let none = self.test(Predicate::IcmpEq, b, zero)?;
        let signed = self.choose(negative, minus, a);
        Ok(self.choose(none, zero, signed))
    }

    /// `roundps`: bits 0 and 1 say how, bit 2 the mode in force, which is to nearest.
    pub(super) fn x86_round(&mut self, mode: Value, value: Value) -> Result<Value> {
        let which = match self.immediate(mode)? & 7 {
            1 => Intrinsic::Floor,
            2 => Intrinsic::Ceil,
            3 => Intrinsic::FTrunc,
            _ => Intrinsic::Rint,
        };
        Ok(self.apply(which, self.type_of(value), &[value]))
    }

    /// `crc32`, bit by bit; the polynomial is Castagnoli's, reversed.
    pub(super) fn x86_crc32(&mut self, crc: Value, bits: Value) -> Result<Value> {
        const POLYNOMIAL: u64 = 0x82F6_3B78;
        let types = &self.loader.module.types;
        let width = types.int_bits(self.type_of(bits)).unwrap_or(32).min(32);
        let bits = self.convert(Op::ZExt, bits, TypeId::I32);
        let mut crc = self.binary_op(Op::Xor, crc, bits);
        let (zero, one) = (
            self.builder.int(TypeId::I32, 0),
            self.builder.int(TypeId::I32, 1),
        );
        let polynomial = self.builder.int(TypeId::I32, POLYNOMIAL);
        for _ in 0..width {
            let low = self.binary_op(Op::And, crc, one);
            let mask = self.binary_op(Op::Sub, zero, low);
            let add = self.binary_op(Op::And, mask, polynomial);
            let rest = self.binary_op(Op::LShr, crc, one);
            crc = self.binary_op(Op::Xor, rest, add);
        }
        Ok(crc)
    }
}
