//! `Shuffle`: any lanes of two vectors in any order.
//!
//! A mask is first brought to its simplest form: lanes of zero vectors are zeros, two names of one
//! vector are one, and neighbours that move together are one wider lane. Then the cheapest
//! instruction that does it is looked for (`pick`), for registers of 128 bits:
//!
//! ```text
//!   one source     itself, pshufd, pshuflw/hw, byte shifts, unpack with itself
//!   two sources    unpack, shufpd, shufps
//!   else           a byte permutation of each source
//! ```
//!
//! 256 bits are two such registers, each made from up to four halves, unless one AVX2 instruction does
//! all. A lane that the mask leaves open (`any`) is zero, as everywhere.

use super::emit::Emitter;
use super::lanes::Shape;
use super::regs::VEC_TEMP;
use crate::tier::Declined;
use asm::{Enc, VecBin, VecBinImm, VecShift, VecUn, VecUnImm, Xmm};
use ir::{ConstKind, Inst, InstId, Value};
use smallvec::SmallVec;

/// What a lane of the result is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pick {
    /// Beyond the result: nobody looks.
    Open,
    Zero,
    /// A lane of the first or second source.
    Of(u8, u8),
}

/// Lanes of a result and their width in bytes.
#[derive(Clone, Debug)]
pub(super) struct Mask {
    pub(super) picks: SmallVec<[Pick; 32]>,
    pub(super) width: u32,
}

impl Mask {
    /// Joins neighbouring lanes that move together, as far as it goes, up to 8 bytes.
    fn widen(&mut self) {
        while self.width < 8 && self.picks.len() >= 2 {
            let pairs = self.picks.chunks_exact(2);
            let joined: Option<SmallVec<[Pick; 32]>> = pairs
                .map(|pair| match (pair[0], pair[1]) {
                    (Pick::Open, Pick::Open) => Some(Pick::Open),
                    (Pick::Zero | Pick::Open, Pick::Zero | Pick::Open) => Some(Pick::Zero),
                    (Pick::Of(a, low), Pick::Of(b, high))
                        if a == b && low % 2 == 0 && high == low + 1 =>
                    {
                        Some(Pick::Of(a, low / 2))
                    }
                    (Pick::Of(a, low), Pick::Open) if low % 2 == 0 => Some(Pick::Of(a, low / 2)),
                    _ => None,
                })
                .collect();
            let Some(joined) = joined else { return };
            self.picks = joined;
            self.width *= 2;
        }
    }

    /// Lanes of a register of 16 bytes.
    fn per_half(&self) -> usize {
        16 / self.width as usize
    }

    /// Whether every lane is open or what `of` says.
    fn is(&self, of: impl Fn(usize) -> Pick) -> bool {
        let mut picks = self.picks.iter().enumerate();
        picks.all(|(at, &pick)| pick == Pick::Open || pick == of(at))
    }

    /// The two sources exchanged.
    fn swap(&mut self) {
        for pick in &mut self.picks {
            if let Pick::Of(source, _) = pick {
                *source ^= 1;
            }
        }
    }

    fn uses(&self, source: u8) -> bool {
        let of = |pick: &Pick| matches!(pick, Pick::Of(from, _) if *from == source);
        self.picks.iter().any(of)
    }

    fn has_zero(&self) -> bool {
        self.picks.contains(&Pick::Zero)
    }

    /// The lanes from one source as a byte permutation: `0x80` gives 0.
    fn bytes_of(&self, source: u8, first: u32) -> [u8; 16] {
        let mut bytes = [0x80; 16];
        let width = self.width as usize;
        for (pick, place) in self.picks.iter().zip(bytes.chunks_exact_mut(width)) {
            if let Pick::Of(from, lane) = *pick
                && from == source
                && let Some(start) = (u32::from(lane) * self.width).checked_sub(first)
                && start < 16
            {
                for (at, byte) in place.iter_mut().enumerate() {
                    *byte = start as u8 + at as u8;
                }
            }
        }
        bytes
    }

    /// The 2-bit numbers of four 32-bit lanes from the first source, open ones in place.
    fn order(&self) -> Option<u8> {
        if self.width < 4 || self.has_zero() {
            return None;
        }
        let words = self.width / 4;
        let mut order = 0;
        for at in 0..4u32 {
            let lane = match self.picks.get((at / words) as usize) {
                Some(&Pick::Of(0, lane)) => u32::from(lane) * words + at % words,
                Some(Pick::Of(..)) => return None,
                _ => at,
            };
            order |= lane << (2 * at);
        }
        Some(order as u8)
    }
}

impl Emitter<'_> {
    fn is_zero(&self, value: Value) -> bool {
        let kind = value.as_const().map(|id| self.body.constant(id).kind);
        kind == Some(ConstKind::Zero)
    }

    /// The mask of a shuffle, simplified, and its sources: the first is used unless none is.
    fn mask_of(&self, inst: &Inst, shape: Shape, source: Shape) -> (Mask, Value, Value) {
        let (mut a, mut b) = (Value(inst.args[0]), Value(inst.args[1]));
        let words = self.body.words(inst.args[2], shape.count);
        let (zero_a, zero_b, same) = (self.is_zero(a), self.is_zero(b), a == b);
        let pick = |&word: &u32| {
            let second = word >= source.count;
            if word >= 2 * source.count || if second { zero_b } else { zero_a } {
                Pick::Zero
            } else if second && !same {
                Pick::Of(1, (word - source.count) as u8)
            } else {
                Pick::Of(0, (word % source.count) as u8)
            }
        };
        let mut mask = Mask {
            picks: words.iter().map(pick).collect(),
            width: shape.lane.bytes(),
        };
        let lanes = shape.bytes().next_multiple_of(16) / mask.width;
        mask.picks.resize(lanes as usize, Pick::Open);
        if !mask.uses(0) {
            mask.swap();
            core::mem::swap(&mut a, &mut b);
        }
        mask.widen();
        (mask, a, b)
    }

    /// `Shuffle`.
    pub(super) fn shuffle(&mut self, id: InstId, inst: &Inst) -> Result<(), Declined> {
        let shape = self.shape(inst.ty)?;
        let source = self.shape(self.body.type_of(Value(inst.args[0])))?;
        let (mask, a, b) = self.mask_of(inst, shape, source);
        let wide = shape.is_wide() || source.is_wide();
        let same = |at: usize| Pick::Of(0, at as u8);
        if shape.is_wide() <= source.is_wide() && mask.is(same) {
            let from = self.xmm(a);
            let dst = self.dst(id);
            self.vec_copy(shape, dst.xmm(), from);
            self.done(id, inst, dst, 0);
            return Ok(());
        }
        let x = if mask.uses(0) { self.xmm(a) } else { VEC_TEMP };
        let y = if mask.uses(1) { self.xmm(b) } else { x };
        let dst = self.dst(id);
        if !mask.uses(0) {
            self.load_float(dst.xmm(), crate::abi::Part::F64, 0);
        } else if wide {
            self.shuffle_wide(shape, source, &mask, dst.xmm(), (x, y));
        } else {
            self.shuffle_half(&mask, dst.xmm(), (x, y));
        }
        self.done(id, inst, dst, 0);
        Ok(())
    }

    /// 128 bits from two registers of 128 bits.
    fn shuffle_half(&mut self, mask: &Mask, dst: Xmm, (x, y): (Xmm, Xmm)) {
        let done = if mask.uses(1) {
            self.shuffle_two(mask, dst, x, y)
        } else {
            self.shuffle_one(mask, dst, x)
        };
        if done {
            return;
        }
        self.permute_bytes(dst, x, mask.bytes_of(0, 0));
        if mask.uses(1) {
            self.permute_bytes(VEC_TEMP, y, mask.bytes_of(1, 0));
            self.asm.vec_bin(self.enc, VecBin::POR, dst, dst, VEC_TEMP);
        }
    }

    /// `dst = pshufb src, bytes`; of SSSE3.
    fn permute_bytes(&mut self, dst: Xmm, src: Xmm, bytes: [u8; 16]) {
        let label = self.asm.constant(&bytes, 16);
        let numbers = asm::Mem::label(label);
        self.asm
            .vec_bin(self.enc, VecBin::PSHUFB, dst, src, numbers);
    }

    /// One source by one or two instructions; false if that does not do.
    fn shuffle_one(&mut self, mask: &Mask, dst: Xmm, x: Xmm) -> bool {
        let enc = self.enc;
        if let Some(order) = mask.order() {
            self.asm.vec_un_i(enc, VecUnImm::PSHUFD, dst, x, order);
            return true;
        }
        if let Some(op) = unpack(mask, 0, 0) {
            self.asm.vec_bin(enc, op, dst, x, x);
            return true;
        }
        if let Some((op, by)) = byte_shift(mask) {
            self.asm.vec_shift_i(enc, op, dst, x, by);
            return true;
        }
        if mask.is(|at| if at == 0 { Pick::Of(0, 0) } else { Pick::Zero }) && mask.width == 8 {
            self.asm.vec_un(enc, VecUn::MOVQ, dst, x);
            return true;
        }
        if mask.width == 2
            && let Some((low, high)) = word_orders(mask)
        {
            self.asm.vec_un_i(enc, VecUnImm::PSHUFLW, dst, x, low);
            self.asm.vec_un_i(enc, VecUnImm::PSHUFHW, dst, dst, high);
            return true;
        }
        false
    }

    /// Two sources by one instruction; false if that does not do.
    fn shuffle_two(&mut self, mask: &Mask, dst: Xmm, x: Xmm, y: Xmm) -> bool {
        let enc = self.enc;
        for (first, second) in [(0, 1), (1, 0)] {
            if let Some(op) = unpack(mask, first, second) {
                let (x, y) = if first == 0 { (x, y) } else { (y, x) };
                self.asm.vec_bin(enc, op, dst, x, y);
                return true;
            }
        }
        let source = |from: u8| if from == 0 { x } else { y };
        if mask.width == 8
            && let [Pick::Of(a, low), Pick::Of(b, high)] = mask.picks[..]
        {
            let imm = low | high << 1;
            self.asm
                .vec_bin_i(enc, VecBinImm::SHUFPD, dst, source(a), source(b), imm);
            return true;
        }
        if mask.width == 4
            && let [
                Pick::Of(a, l0),
                Pick::Of(b, l1),
                Pick::Of(c, l2),
                Pick::Of(d, l3),
            ] = mask.picks[..]
            && a == b
            && c == d
        {
            let imm = l0 | l1 << 2 | l2 << 4 | l3 << 6;
            self.asm
                .vec_bin_i(enc, VecBinImm::SHUFPS, dst, source(a), source(c), imm);
            return true;
        }
        false
    }

    /// A result or sources of 256 bits; AVX2.
    fn shuffle_wide(
        &mut self,
        shape: Shape,
        source: Shape,
        mask: &Mask,
        dst: Xmm,
        (x, y): (Xmm, Xmm),
    ) {
        if self.shuffle_wide_at_once(shape, source, mask, dst, (x, y)) {
            return;
        }
        let half = mask.per_half();
        let low = Mask {
            picks: mask.picks[..half].into(),
            width: mask.width,
        };
        let wide = source.is_wide();
        if !shape.is_wide() {
            return self.gather_half(&low, wide, dst, (x, y));
        }
        let high = Mask {
            picks: mask.picks[half..].into(),
            width: mask.width,
        };
        let upper = self.vec_temp();
        self.gather_half(&high, wide, upper, (x, y));
        self.gather_half(&low, wide, dst, (x, y));
        self.asm
            .vec_bin_i(Enc::Vex256, VecBinImm::VINSERTI128, dst, dst, upper, 1);
    }

    /// One instruction on 256 bits; false if none does.
    fn shuffle_wide_at_once(
        &mut self,
        shape: Shape,
        source: Shape,
        mask: &Mask,
        dst: Xmm,
        (x, y): (Xmm, Xmm),
    ) -> bool {
        let half = mask.per_half();
        let upper_of_x = |at: usize| Pick::Of(0, (at + half) as u8);
        if !shape.is_wide() && mask.is(upper_of_x) {
            self.asm
                .vec_extract(Enc::Vex256, asm::VecExtract::VEXTRACTI128, dst, x, 1);
            return true;
        }
        let side_by_side = |at: usize| Pick::Of(u8::from(at >= half), (at % half) as u8);
        if shape.is_wide() && !source.is_wide() && mask.is(side_by_side) {
            self.asm
                .vec_bin_i(Enc::Vex256, VecBinImm::VINSERTI128, dst, x, y, 1);
            return true;
        }
        let first = |_: usize| Pick::Of(0, 0);
        if shape.is_wide() && mask.is(first) {
            let op = [
                VecUn::VPBROADCASTB,
                VecUn::VPBROADCASTW,
                VecUn::VPBROADCASTD,
                VecUn::VPBROADCASTQ,
            ][mask.width.trailing_zeros() as usize];
            self.asm.vec_un(Enc::Vex256, op, dst, x);
            return true;
        }
        let permutes = shape.is_wide() && source.is_wide() && !mask.uses(1) && !mask.has_zero();
        if permutes && mask.width == 8 {
            let lanes = (0u32..).zip(&mask.picks);
            let order = lanes.fold(0, |order, (at, pick)| match *pick {
                Pick::Of(_, lane) => order | u32::from(lane) << (2 * at),
                _ => order,
            });
            self.asm
                .vec_un_i(Enc::Vex256, VecUnImm::VPERMQ, dst, x, order as u8);
            return true;
        }
        if permutes && mask.width == 4 {
            let mut numbers = [0; 32];
            for (pick, place) in mask.picks.iter().zip(numbers.chunks_exact_mut(4)) {
                if let Pick::Of(_, lane) = *pick {
                    place[0] = lane;
                }
            }
            self.load_bytes(dst, crate::abi::Part::V256, &numbers);
            self.asm.vec_bin(Enc::Vex256, VecBin::VPERMD, dst, dst, x);
            return true;
        }
        false
    }

    /// `dst` = 128 bits from the halves of two registers: a byte permutation of each half that is
    /// used.
    fn gather_half(&mut self, mask: &Mask, wide: bool, dst: Xmm, (x, y): (Xmm, Xmm)) {
        let mut begun = false;
        for (source, reg) in [(0, x), (1, y)] {
            for half in 0..=u32::from(wide) {
                let bytes = mask.bytes_of(source, 16 * half);
                if bytes == [0x80; 16] {
                    continue;
                }
                let from = if half == 0 {
                    reg
                } else {
                    self.upper_lanes(reg)
                };
                let to = if begun { VEC_TEMP } else { dst };
                self.permute_bytes(to, from, bytes);
                if begun {
                    self.asm.vec_bin(self.enc, VecBin::POR, dst, dst, VEC_TEMP);
                }
                begun = true;
            }
        }
        if !begun {
            self.asm.vec_bin(self.enc, VecBin::XORPS, dst, dst, dst);
        }
    }
}

/// The unpack instruction that interleaves lanes of the two sources so.
fn unpack(mask: &Mask, first: u8, second: u8) -> Option<VecBin> {
    let at = mask.width.trailing_zeros() as usize;
    let low = [
        VecBin::PUNPCKLBW,
        VecBin::PUNPCKLWD,
        VecBin::PUNPCKLDQ,
        VecBin::PUNPCKLQDQ,
    ];
    let high = [
        VecBin::PUNPCKHBW,
        VecBin::PUNPCKHWD,
        VecBin::PUNPCKHDQ,
        VecBin::PUNPCKHQDQ,
    ];
    let from = |start: usize| {
        move |lane: usize| {
            let source = if lane.is_multiple_of(2) {
                first
            } else {
                second
            };
            Pick::Of(source, (start + lane / 2) as u8)
        }
    };
    if mask.is(from(0)) {
        Some(low[at])
    } else if mask.is(from(mask.per_half() / 2)) {
        Some(high[at])
    } else {
        None
    }
}

/// The shift of the whole register that does it: lanes in a row, zeros at one end.
fn byte_shift(mask: &Mask) -> Option<(VecShift, u8)> {
    let lanes = mask.per_half();
    for by in 1..lanes {
        let down = |at: usize| {
            if at + by < lanes {
                Pick::Of(0, (at + by) as u8)
            } else {
                Pick::Zero
            }
        };
        let up = |at: usize| match at.checked_sub(by) {
            Some(from) => Pick::Of(0, from as u8),
            None => Pick::Zero,
        };
        let bytes = by as u8 * mask.width as u8;
        if mask.is(down) {
            return Some((VecShift::PSRLDQ, bytes));
        }
        if mask.is(up) {
            return Some((VecShift::PSLLDQ, bytes));
        }
    }
    None
}

/// `pshuflw` and `pshufhw` orders, if each half's words stay in it.
fn word_orders(mask: &Mask) -> Option<(u8, u8)> {
    let mut orders = [0u8; 2];
    for (at, &pick) in mask.picks.iter().enumerate() {
        let (half, place) = (at / 4, at % 4);
        let lane = match pick {
            Pick::Open => place,
            Pick::Of(0, lane) if usize::from(lane) / 4 == half => usize::from(lane) % 4,
            _ => return None,
        };
        orders[half] |= (lane << (2 * place)) as u8;
    }
    Some((orders[0], orders[1]))
}
