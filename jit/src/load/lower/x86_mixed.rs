//! Intrinsics of the processor that mix lanes: dot products, alternating signs, gathers, sums of differences,
//! permutations, products without carries, approximations.
//!
//! Approximations (`rcpps`, `rsqrtps`) differ from processor to processor; Intel promises a relative error below
//! 1.5 × 2^-12. Here they are the exact quotient, rounded, so a program gives the same everywhere and at every tier.
//! (Intel SDM volume 2, the page of each instruction.)

use alloc::vec::Vec;

use ir::{Intrinsic, Op, Type, TypeId, Value};

use crate::load::body::BodyLoader;
use crate::load::error::{LoadError, Result};
use crate::load::masked::Masked;

impl BodyLoader<'_, '_, '_> {
    /// `addsubps`: differences in even lanes, sums in odd ones.
    pub(super) fn x86_add_sub(&mut self, a: Value, b: Value) -> Result<Value> {
        let difference = self.binary_op(Op::FSub, a, b);
        let sum = self.binary_op(Op::FAdd, a, b);
        self.x86_alternate(difference, sum)
    }

    /// `vfmaddsub`: the same of a product and a third operand, each rounded once.
    pub(super) fn x86_fma_add_sub(&mut self, a: Value, b: Value, c: Value) -> Result<Value> {
        let ty = self.type_of(c);
        let minus = self.emit(Op::FNeg, 0, ty, [c.0, 0, 0]);
        let difference = self.apply(Intrinsic::Fma, ty, &[a, b, minus]);
        let sum = self.apply(Intrinsic::Fma, ty, &[a, b, c]);
        self.x86_alternate(difference, sum)
    }

    /// Even lanes of one vector and odd lanes of another.
    fn x86_alternate(&mut self, even: Value, odd: Value) -> Result<Value> {
        let lanes = self.lanes_of(even);
        let order: Vec<u32> = (0..lanes)
            .map(|lane| if lane % 2 == 0 { lane } else { lanes + lane })
            .collect();
        self.shuffle(even, odd, &order)
    }

    /// `cvtpd2ps` with zeros behind, or `cvtsd2ss` of `(vector, vector)`.
    pub(super) fn x86_narrow(&mut self, args: &[Value], ty: TypeId) -> Result<Value> {
        match *args {
            [value] => {
                let to = self.shaped(TypeId::F32, self.type_of(value))?;
                let narrow = self.convert(Op::FpTrunc, value, to);
                if to == ty {
                    return Ok(narrow);
                }
                let zero = self.zero(to);
                self.shuffle(narrow, zero, &[0, 1, 2, 3])
            }
            [into, value] => {
                let lane = self.lane(value, 0);
                let narrow = self.convert(Op::FpTrunc, lane, TypeId::F32);
                Ok(self.with_lane(into, 0, narrow))
            }
            _ => Err(LoadError::malformed("intrinsic with other arguments")),
        }
    }

    /// `vcvtps2ph`, to nearest; lanes that are missing are zero.
    pub(super) fn x86_to_half(&mut self, value: Value, mode: Value) -> Result<Value> {
        if !matches!(self.immediate(mode)? & 7, 0 | 4) {
            return Err(LoadError::unsupported(
                "intrinsic llvm.x86.vcvtps2ph that does not round to nearest",
            ));
        }
        let half = self.intern(Type::Half)?;
        let halves = self.shaped(half, self.type_of(value))?;
        let narrow = self.convert(Op::FpTrunc, value, halves);
        let words = self.bits_type(halves)?;
        let bits = self.convert(Op::Bitcast, narrow, words);
        if self.lanes_of(bits) == 8 {
            return Ok(bits);
        }
        let zero = self.zero(words);
        self.shuffle(bits, zero, &[0, 1, 2, 3, 4, 4, 4, 4])
    }

    /// `rcpps`, `rsqrtps`.
    pub(super) fn x86_reciprocal(&mut self, root: bool, value: Value) -> Result<Value> {
        const ONE: u128 = 0x3F80_0000;
        let ty = self.type_of(value);
        let value = if root {
            self.apply(Intrinsic::Sqrt, ty, &[value])
        } else {
            value
        };
        let bits = self.bits_type(ty)?;
        let one = self.number(bits, ONE)?;
        let one = self.convert(Op::Bitcast, one, ty);
        Ok(self.binary_op(Op::FDiv, one, value))
    }

    /// `dpps`, `dppd`: products that the immediate's high half names, added in pairs, to lanes that its low half names.
    pub(super) fn x86_dot(&mut self, a: Value, b: Value, which: Value) -> Result<Value> {
        let which = self.immediate(which)?;
        let (ty, lanes) = (self.type_of(a), self.lanes_of(a));
        let bits = self.loader.module.types.layout(ty).store.saturating_mul(8);
        let half = lanes / (bits / 128).max(1);
        let zero = self.zero(ty);
        let chosen = |shift: u32| -> Vec<u32> {
            let named = |lane: u32| which >> (shift + lane % half) & 1 != 0;
            (0..lanes)
                .map(|lane| if named(lane) { lane } else { lanes + lane })
                .collect()
        };
        let products = self.binary_op(Op::FMul, a, b);
        let mut sums = self.shuffle(products, zero, &chosen(4))?;
        for distance in [1, 2] {
            if distance < half {
                let other: Vec<u32> = (0..lanes).map(|lane| lane ^ distance).collect();
                let other = self.shuffle(sums, sums, &other)?;
                sums = self.binary_op(Op::FAdd, sums, other);
            }
        }
        self.shuffle(sums, zero, &chosen(0))
    }

    /// `vpermilps`, `vpermilpd` with numbers in a vector, each half by itself.
    pub(super) fn x86_permute_within(&mut self, vector: Value, numbers: Value) -> Result<Value> {
        let ty = self.type_of(vector);
        let (elem, of) = (
            self.loader.module.types.scalar(ty),
            self.loader.module.types.scalar(self.type_of(numbers)),
        );
        // Of two doubles, bit 1 says which.
        let (mask, shift, half) = if of == TypeId::I64 {
            (1, 1, 2)
        } else {
            (3, 0, 4)
        };
        self.each_lane(ty, |body, lane| {
            let number = body.lane(numbers, lane);
            let places = body.builder.int(of, shift);
            let number = body.binary_op(Op::LShr, number, places);
            let low = body.builder.int(of, mask);
            let within = body.binary_op(Op::And, number, low);
            let first = body.builder.int(of, u64::from(lane / half * half));
            let at = body.binary_op(Op::Or, within, first);
            Ok(body.emit(Op::ExtractElement, 0, elem, [vector.0, at.0, 0]))
        })
    }

    /// `vtestps`: `ptest` of the lanes' top bits.
    pub(super) fn x86_test_signs(
        &mut self,
        which: u8,
        a: Value,
        b: Value,
        ty: TypeId,
    ) -> Result<Value> {
        let bits = self.bits_type(self.type_of(a))?;
        let scalar = self.loader.module.types.scalar(bits);
        let width = self.loader.module.types.int_bits(scalar).unwrap_or(64);
        let (a, b) = (
            self.convert(Op::Bitcast, a, bits),
            self.convert(Op::Bitcast, b, bits),
        );
        let places = self.number(bits, u128::from(width - 1))?;
        let (a, b) = (
            self.binary_op(Op::AShr, a, places),
            self.binary_op(Op::AShr, b, places),
        );
        let words = self.loader.module.types.layout(bits).store / 8;
        let words = self.intern(Type::Vector {
            elem: TypeId::I64,
            len: words,
        })?;
        let (a, b) = (
            self.convert(Op::Bitcast, a, words),
            self.convert(Op::Bitcast, b, words),
        );
        self.x86_test(which, a, b, ty)
    }

    /// `pavgb`: the mean, rounded up.
    pub(super) fn x86_average(&mut self, a: Value, b: Value) -> Result<Value> {
        let ty = self.type_of(a);
        let wide = self.shaped(TypeId::I32, ty)?;
        let (x, y) = (
            self.convert(Op::ZExt, a, wide),
            self.convert(Op::ZExt, b, wide),
        );
        let one = self.number(wide, 1)?;
        let sum = self.binary_op(Op::Add, x, y);
        let raised = self.binary_op(Op::Add, sum, one);
        let mean = self.binary_op(Op::LShr, raised, one);
        Ok(self.convert(Op::Trunc, mean, ty))
    }

    /// `maskmovdqu`: bytes whose mask has its top bit set.
    pub(super) fn x86_store_bytes(
        &mut self,
        bytes: Value,
        mask: Value,
        ptr: Value,
    ) -> Result<Value> {
        let mask = self.sign_mask(mask)?;
        self.masked(Masked::Store, TypeId::VOID, &[bytes, ptr, mask])
    }

    /// `phminposuw`: the smallest word, its number, zeros.
    pub(super) fn x86_smallest(&mut self, words: Value) -> Result<Value> {
        let ty = self.type_of(words);
        let wide = self.shaped(TypeId::I32, ty)?;
        let keys = self.each_lane(wide, |body, lane| {
            let word = body.lane(words, lane);
            let word = body.convert(Op::ZExt, word, TypeId::I32);
            let places = body.builder.int(TypeId::I32, 16);
            let high = body.binary_op(Op::Shl, word, places);
            let number = body.builder.int(TypeId::I32, u64::from(lane));
            Ok(body.binary_op(Op::Or, high, number))
        })?;
        let least = self.apply(Intrinsic::ReduceUMin, TypeId::I32, &[keys]);
        let places = self.builder.int(TypeId::I32, 16);
        let word = self.binary_op(Op::LShr, least, places);
        let (word, number) = (
            self.convert(Op::Trunc, word, TypeId::I16),
            self.convert(Op::Trunc, least, TypeId::I16),
        );
        let zero = self.zero(ty);
        let first = self.with_lane(zero, 0, word);
        Ok(self.with_lane(first, 1, number))
    }

    /// `mpsadbw`: distances of four bytes of `b` to eight runs of four of `a`; three bits of the immediate for each half.
    pub(super) fn x86_sums_of_differences(
        &mut self,
        a: Value,
        b: Value,
        which: Value,
        ty: TypeId,
    ) -> Result<Value> {
        let which = self.immediate(which)? as u32;
        let lanes = self.lanes_of(a) / 2;
        let mut sum = self.zero(ty);
        for byte in 0..4 {
            let from = |lane: u32| {
                let (half, which) = (lane / 8, which >> (lane / 8 * 3) & 7);
                let a = half * 16 + (which >> 2) * 4 + lane % 8 + byte;
                let b = half * 16 + (which & 3) * 4 + byte;
                (a, b)
            };
            let (order_a, order_b): (Vec<u32>, Vec<u32>) = (0..lanes).map(from).unzip();
            let (x, y) = (self.shuffle(a, a, &order_a)?, self.shuffle(b, b, &order_b)?);
            let bytes = self.type_of(x);
            let large = self.apply(Intrinsic::UMax, bytes, &[x, y]);
            let small = self.apply(Intrinsic::UMin, bytes, &[x, y]);
            let distance = self.binary_op(Op::Sub, large, small);
            let distance = self.convert(Op::ZExt, distance, ty);
            sum = self.binary_op(Op::Add, sum, distance);
        }
        Ok(sum)
    }

    /// `insertps`: one lane of `b` into `a`, then zeros where the immediate says.
    pub(super) fn x86_insert(&mut self, a: Value, b: Value, which: Value) -> Result<Value> {
        let which = self.immediate(which)? as u32;
        let (from, to) = (which >> 6 & 3, which >> 4 & 3);
        let order = [0, 1, 2, 3].map(|lane| if lane == to { 4 + from } else { lane });
        let inserted = self.shuffle(a, b, &order)?;
        let zero = self.zero(self.type_of(a));
        let order = [0, 1, 2, 3].map(|lane| lane + (which >> lane & 1) * 4);
        self.shuffle(inserted, zero, &order)
    }

    /// `vgatherdps` and its like: lanes from base + number × scale whose mask has its top bit set, others from `other`;
    /// zero where there is no number.
    pub(super) fn x86_gather(&mut self, args: [Value; 5], ty: TypeId) -> Result<Value> {
        let [other, base, numbers, mask, scale] = args;
        let scale = self.immediate(scale)? as u32;
        let (lanes, count) = (self.lanes_of(other), self.lanes_of(numbers));
        let used = count.min(lanes);
        let pointers = self.intern(Type::Vector {
            elem: TypeId::PTR,
            len: used,
        })?;
        let addresses = self.each_lane(pointers, |body, lane| {
            let number = body.lane(numbers, lane);
            // Addresses have 32 bits.
            let number = body.convert(Op::Trunc, number, TypeId::I32);
            Ok(body.ptr_add(base, Some((number, scale)), 0, 0))
        })?;
        let first: Vec<u32> = (0..used).collect();
        let chosen = self.sign_mask(mask)?;
        let (mut other, mut chosen) = (other, chosen);
        if used < lanes {
            other = self.shuffle(other, other, &first)?;
            chosen = self.shuffle(chosen, chosen, &first)?;
        }
        let part = self.type_of(other);
        let gathered = self.masked(Masked::Gather, part, &[addresses, chosen, other])?;
        if used == lanes {
            return Ok(gathered);
        }
        let zero = self.zero(part);
        let order: Vec<u32> = (0..self
            .loader
            .module
            .types
            .vector(ty)
            .map_or(0, |(_, len)| len))
            .collect();
        self.shuffle(gathered, zero, &order)
    }

    /// `pclmulqdq`: the product of two words without carries; bits 0 and 4 of the immediate say which words.
    pub(super) fn x86_carryless(&mut self, a: Value, b: Value, which: Value) -> Result<Value> {
        let which = self.immediate(which)? as u32;
        let (a, b) = (self.lane(a, which & 1), self.lane(b, which >> 4 & 1));
        let word = |body: &mut Self, bits: u64| body.builder.int(TypeId::I64, bits);
        let zero = word(self, 0);
        let (mut low, mut high) = (zero, zero);
        for bit in 0..64 {
            let (one, place) = (word(self, 1), word(self, bit));
            let shifted = self.binary_op(Op::LShr, b, place);
            let set = self.binary_op(Op::And, shifted, one);
            let mask = self.binary_op(Op::Sub, zero, set);
            let part = self.binary_op(Op::And, a, mask);
            let up = self.binary_op(Op::Shl, part, place);
            low = self.binary_op(Op::Xor, low, up);
            if bit > 0 {
                let rest = word(self, 64 - bit);
                let over = self.binary_op(Op::LShr, part, rest);
                high = self.binary_op(Op::Xor, high, over);
            }
        }
        let pair = self.intern(Type::Vector {
            elem: TypeId::I64,
            len: 2,
        })?;
        let zeros = self.zero(pair);
        let first = self.with_lane(zeros, 0, low);
        Ok(self.with_lane(first, 1, high))
    }
}
