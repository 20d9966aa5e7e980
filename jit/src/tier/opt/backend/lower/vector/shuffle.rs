//! Shuffles: one instruction where a pattern fits, else two permutations and a blend.
//!
//! A mask says for each lane of the result which lane of the sources it is: lanes of the first are numbered
//! from 0, those of the second from the number of lanes that a *full* register holds (128 or 256 bits), and
//! lanes that do not matter are [`ANY`]. Neighbours that stay together are taken as one wider lane first, as
//! wider lanes have better instructions.
//!
//! 256-bit registers are two halves, and most instructions work in each by itself; those that cross take
//! three cycles (Intel optimisation manual, section 15.11). So the search goes from one instruction in both
//! halves over one that crosses to combinations.

mod wide;

use super::Shape;
use crate::tier::opt::backend::lower::{Lower, Lowered};
use crate::tier::opt::backend::vcode::Vreg;
use asm::{VecBin, VecBinImm, VecBlend, VecShift, VecUnImm};
use ir::{Inst, InstId, Op, Value};
use smallvec::SmallVec;

/// A lane that does not matter.
const ANY: i16 = -1;

/// For each lane of the result, where it comes from.
type Mask = SmallVec<[i16; 32]>;

/// How lanes are permuted.
#[derive(Clone, Debug)]
struct Pattern {
    /// Bits of a lane.
    bits: u32,
    /// Whether lanes are floats: selects instructions of their domain.
    float: bool,
    mask: Mask,
}

impl Pattern {
    /// Number of lanes.
    fn len(&self) -> usize {
        self.mask.len()
    }

    /// Whether lane `at` of the result may be lane `want(at)` of the sources, for all.
    fn fits(&self, want: impl Fn(usize) -> usize) -> bool {
        let mut lanes = self.mask.iter().enumerate();
        lanes.all(|(at, &lane)| lane == ANY || lane as usize == want(at))
    }

    /// Whether some lane comes from the second source.
    fn needs_second(&self) -> bool {
        self.mask.iter().any(|&lane| lane >= self.len() as i16)
    }

    /// Whether some lane comes from the first source.
    fn needs_first(&self) -> bool {
        let len = self.len() as i16;
        self.mask.iter().any(|&lane| lane != ANY && lane < len)
    }

    /// The same with the sources exchanged.
    fn swapped(&self) -> Self {
        let len = self.len() as i16;
        let swap = |&lane: &i16| match lane {
            ANY => ANY,
            lane if lane >= len => lane - len,
            lane => lane + len,
        };
        Self {
            mask: self.mask.iter().map(swap).collect(),
            ..*self
        }
    }

    /// Only the lanes from the first source.
    fn first_only(&self) -> Self {
        let len = self.len() as i16;
        let keep = |&lane: &i16| if lane < len { lane } else { ANY };
        Self {
            mask: self.mask.iter().map(keep).collect(),
            ..*self
        }
    }

    /// By lanes twice as wide, if neighbours stay together.
    fn widened(&self) -> Option<Self> {
        let pair = |pair: &[i16]| match (pair[0], pair[1]) {
            (ANY, ANY) => Some(ANY),
            (low, high) if low >= 0 && low % 2 == 0 && (high == ANY || high == low + 1) => {
                Some(low / 2)
            }
            (ANY, high) if high % 2 == 1 => Some(high / 2),
            _ => None,
        };
        let mask: Option<Mask> = self.mask.chunks_exact(2).map(pair).collect();
        Some(Self {
            bits: self.bits * 2,
            mask: mask?,
            ..*self
        })
    }

    /// By lanes of `bits`, which are narrower.
    fn split_to(&self, bits: u32) -> Self {
        let parts = (self.bits / bits) as i16;
        let split = |&lane: &i16| {
            (0..parts).map(move |part| match lane {
                ANY => ANY,
                lane => lane * parts + part,
            })
        };
        Self {
            bits,
            mask: self.mask.iter().flat_map(split).collect(),
            ..*self
        }
    }

    /// The widest lanes up to `most` bits.
    fn widest(self, most: u32) -> Self {
        let mut pattern = self;
        while pattern.bits < most {
            let Some(wider) = pattern.widened() else {
                break;
            };
            pattern = wider;
        }
        pattern
    }

    /// For a blend: the second source's lanes, if none moves.
    fn blend(&self) -> Option<u32> {
        let len = self.len();
        let mut second = 0;
        for (at, &lane) in self.mask.iter().enumerate() {
            match lane {
                ANY => {}
                lane if lane as usize == at => {}
                lane if lane as usize == at + len => second |= 1 << at,
                _ => return None,
            }
        }
        Some(second)
    }

    /// Four lanes as an immediate of two bits each; what does not matter stays.
    fn imm4(lanes: &[i16]) -> u8 {
        (0..4).fold(0, |imm, at| {
            let lane = if lanes[at] == ANY {
                at as i16
            } else {
                lanes[at]
            };
            imm | (lane as u8 & 3) << (2 * at)
        })
    }

    /// For `pshufb`: byte numbers of one source in each half, 0x80 for what comes from elsewhere.
    fn bytes(&self, from: impl Fn(usize, i16) -> Option<i16>) -> [u128; 2] {
        let bytes = self.split_to(8);
        let mut halves = [0u128; 2];
        for (at, &byte) in bytes.mask.iter().enumerate() {
            let pick = if byte == ANY { None } else { from(at, byte) };
            let pick = pick.map_or(0x80, |pick| pick as u128 & 15);
            halves[at / 16] |= pick << (8 * (at % 16));
        }
        halves
    }
}

impl Lower<'_> {
    /// `Shuffle`.
    pub(super) fn lanes_shuffle(&mut self, id: InstId, inst: &Inst) -> Lowered<Vreg> {
        let [a, b, pool] = inst.args;
        let (a, b) = (Value(a), Value(b));
        let from = self.shape_of(a)?;
        let Some(to) = self.shape(inst.ty) else {
            return self.unsupported("a shuffle");
        };
        let words = self.body.words(pool, to.count);
        let zeros = self.zero_lanes(id);
        if zeros != 0 {
            let open = self.shuffled(from, to, [a, b], words)?;
            return Ok(self.clear_lanes(to, open, zeros));
        }
        self.shuffled(from, to, [a, b], words)
    }

    /// `a` with the lanes in `zeros` 0.
    fn clear_lanes(&mut self, shape: Shape, a: Vreg, zeros: u32) -> Vreg {
        let mut kept = [0; 2];
        for at in (0..shape.count).filter(|at| zeros >> at & 1 == 0) {
            super::put_lane(&mut kept, shape.bits, at, u64::MAX);
        }
        let op = if shape.float {
            VecBin::ANDPS
        } else {
            VecBin::PAND
        };
        self.bin_constant(op, shape.wide(), a, kept)
    }

    /// As `Shuffle`; lanes that the mask leaves open are anything.
    fn shuffled(
        &mut self,
        from: Shape,
        to: Shape,
        [a, b]: [Value; 2],
        words: &[u32],
    ) -> Lowered<Vreg> {
        if let Some(scalar) = self.splat_source(from, [a, b], words) {
            return self.broadcast(to, scalar);
        }
        let half = 128 / from.bits;
        let crosses = words
            .iter()
            .any(|&lane| lane != u32::MAX && lane % from.count >= half);
        let wide = to.wide() || crosses;
        let full = (if wide { 256 } else { 128 }) / from.bits;
        let same = self.leaf(a, 0) == self.leaf(b, 0);
        let lane = |&lane: &u32| match lane {
            u32::MAX => ANY,
            lane if lane < from.count => lane as i16,
            lane if same => (lane - from.count) as i16,
            lane => (lane - from.count + full) as i16,
        };
        let mut mask: Mask = words.iter().map(lane).collect();
        mask.resize(full as usize, ANY);
        let pattern = Pattern {
            bits: from.bits,
            float: from.float,
            mask,
        };
        self.permute_values(pattern, wide, to.wide(), a, b)
    }

    fn permute_values(
        &mut self,
        pattern: Pattern,
        wide: bool,
        wide_result: bool,
        a: Value,
        b: Value,
    ) -> Lowered<Vreg> {
        let (pattern, a, b) = if pattern.needs_first() {
            (pattern, a, b)
        } else {
            (pattern.swapped(), b, a)
        };
        if !pattern.needs_first() {
            return Ok(self.zeros(wide_result));
        }
        let second = pattern.needs_second();
        let a = self.reg(a)?;
        let b = if second { self.reg(b)? } else { a };
        Ok(if wide {
            self.permute_wide(pattern, wide_result, a, b)
        } else {
            self.permute(pattern, a, b)
        })
    }

    /// The number that all lanes of a shuffle are.
    fn splat_source(&self, from: Shape, sources: [Value; 2], words: &[u32]) -> Option<Value> {
        let mut lanes = words.iter().copied().filter(|&lane| lane != u32::MAX);
        let lane = lanes.next()?;
        if lanes.any(|other| other != lane) {
            return None;
        }
        let source = sources[(lane / from.count) as usize];
        let (leaf, _) = self.leaf(source, 0);
        let (_, inst) = self.def(leaf)?;
        let [_, value, number] = inst.values();
        let found = inst.op == Op::InsertElement
            && self.shape(inst.ty)?.bits == from.bits
            && self.const_bits(number) == Some(u64::from(lane % from.count));
        found.then_some(value)
    }

    /// A permutation of one or two 128-bit registers.
    fn permute(&mut self, pattern: Pattern, a: Vreg, b: Vreg) -> Vreg {
        let pattern = pattern.widest(64);
        if !pattern.needs_second() {
            return self.permute_one(&pattern, a);
        }
        if !pattern.needs_first() {
            return self.permute_one(&pattern.swapped(), b);
        }
        if let Some(done) = self.permute_two_at_once(&pattern, a, b) {
            return done;
        }
        if pattern.bits <= 16 {
            let len = 16;
            let first = pattern.bytes(|_, byte| (byte < len).then_some(byte));
            let second = pattern.bytes(|_, byte| (byte >= len).then_some(byte - len));
            let a = self.bin_constant(VecBin::PSHUFB, false, a, first);
            let b = self.bin_constant(VecBin::PSHUFB, false, b, second);
            return self.bin(VecBin::POR, false, a, b);
        }
        let a = self.permute_one(&pattern.first_only(), a);
        let b = self.permute_one(&pattern.swapped().first_only(), b);
        self.blend_placed(&pattern, false, a, b)
    }

    /// Puts together what each source has at its place.
    fn blend_placed(&mut self, pattern: &Pattern, wide: bool, a: Vreg, b: Vreg) -> Vreg {
        let len = pattern.len() as i16;
        let mut second = 0;
        for (at, &lane) in pattern.mask.iter().enumerate() {
            second |= u32::from(lane >= len) << at;
        }
        self.blend_lanes(pattern, second, wide, a, b)
    }

    /// `a` with the lanes of `b` whose bits are set in `second`.
    fn blend_lanes(
        &mut self,
        pattern: &Pattern,
        second: u32,
        wide: bool,
        a: Vreg,
        b: Vreg,
    ) -> Vreg {
        let bits = pattern.bits;
        // By the widest unit whose number of bits fits the immediate.
        let unit = |unit: u32| {
            let parts = bits / unit;
            (0..pattern.len() as u32).fold(0u32, |imm, at| {
                let set = second >> at & 1 != 0;
                imm | (u32::from(set) * ((1 << parts) - 1)) << (at * parts)
            })
        };
        if bits >= 32 {
            let imm = unit(32) as u8;
            let op = if pattern.float || !self.cpu.avx2 {
                VecBinImm::BLENDPS
            } else {
                VecBinImm::VPBLENDD
            };
            return self.bin_imm(op, imm, wide, a, b);
        }
        if bits == 16 && (!wide || second >> 8 == second & 0xff) {
            return self.bin_imm(VecBinImm::PBLENDW, second as u8, wide, a, b);
        }
        let mut mask = [0; 2];
        for at in 0..pattern.len() as u32 {
            if second >> at & 1 != 0 {
                super::put_lane(&mut mask, bits, at, u64::MAX);
            }
        }
        let mask = self.load_constant(mask, wide);
        self.blend_by(VecBlend::Pblendvb, wide, mask, b, a)
    }

    /// A permutation of one 128-bit register.
    fn permute_one(&mut self, pattern: &Pattern, a: Vreg) -> Vreg {
        let mask = &pattern.mask;
        if pattern.fits(|at| at) {
            return a;
        }
        match pattern.bits {
            64 if pattern.fits(|_| 0) => {
                let op = if pattern.float {
                    VecBin::UNPCKLPD
                } else {
                    VecBin::PUNPCKLQDQ
                };
                self.bin(op, false, a, a)
            }
            32 | 64 => {
                let words = pattern.split_to(32);
                let imm = Pattern::imm4(&words.mask);
                let op = if pattern.float && self.cpu.avx {
                    VecUnImm::VPERMILPS
                } else {
                    VecUnImm::PSHUFD
                };
                self.un_imm(op, imm, false, a)
            }
            16 if pattern.fits(|at| {
                if at < 4 {
                    mask[at].max(0) as usize & 3
                } else {
                    at
                }
            }) =>
            {
                self.un_imm(VecUnImm::PSHUFLW, Pattern::imm4(&mask[..4]), false, a)
            }
            16 if pattern.fits(|at| if at < 4 { at } else { mask[at].max(4) as usize }) => {
                self.un_imm(VecUnImm::PSHUFHW, Pattern::imm4(&mask[4..]), false, a)
            }
            _ => {
                if let Some(shifted) = self.permute_by_bytes(pattern, a) {
                    return shifted;
                }
                let picks = pattern.bytes(|_, byte| Some(byte));
                self.bin_constant(VecBin::PSHUFB, false, a, picks)
            }
        }
    }

    /// Lanes that move down together, or double in place.
    fn permute_by_bytes(&mut self, pattern: &Pattern, a: Vreg) -> Option<Vreg> {
        let len = pattern.len();
        let first = pattern.mask[0];
        if first > 0 && pattern.fits(|at| at + first as usize) {
            let bytes = first as u32 * pattern.bits / 8;
            return Some(self.shift_lanes(VecShift::PSRLDQ, false, a, bytes));
        }
        let (low, high) = interleaving(pattern)?;
        if pattern.fits(|at| at / 2) {
            return Some(self.bin(low, false, a, a));
        }
        let doubled = pattern.fits(|at| at / 2 + len / 2);
        doubled.then(|| self.bin(high, false, a, a))
    }

    /// A permutation of two 128-bit registers by one instruction.
    fn permute_two_at_once(&mut self, pattern: &Pattern, a: Vreg, b: Vreg) -> Option<Vreg> {
        let len = pattern.len();
        if let Some(second) = pattern.blend() {
            return Some(self.blend_lanes(pattern, second, false, a, b));
        }
        for (pattern, a, b) in [(pattern.clone(), a, b), (pattern.swapped(), b, a)] {
            if let Some((low, high)) = interleaving(&pattern) {
                if pattern.fits(|at| at / 2 + at % 2 * len) {
                    return Some(self.bin(low, false, a, b));
                }
                if pattern.fits(|at| at / 2 + len / 2 + at % 2 * len) {
                    return Some(self.bin(high, false, a, b));
                }
            }
            if let Some(imm) = shuffled_pair(&pattern) {
                let op = if pattern.bits == 64 {
                    VecBinImm::SHUFPD
                } else {
                    VecBinImm::SHUFPS
                };
                return Some(self.bin_imm(op, imm, false, a, b));
            }
            // `palignr` takes a window of `b:a`; its first operand is the upper part.
            let shift = (1..len).find(|&shift| pattern.fits(|at| at + shift));
            if let Some(shift) = shift {
                let bytes = shift as u32 * pattern.bits / 8;
                return Some(self.bin_imm(VecBinImm::PALIGNR, bytes as u8, false, b, a));
            }
        }
        None
    }
}

/// For two lanes of 64 bits or four of 32: the immediate of `shufpd` or `shufps`, if the lower half of the
/// result comes from the first source and the upper half from the second.
fn shuffled_pair(pattern: &Pattern) -> Option<u8> {
    let len = pattern.len() as i16;
    let (low, high) = pattern.mask.split_at(pattern.len() / 2);
    let apart = pattern.bits >= 32
        && low.iter().all(|&lane| lane < len)
        && high.iter().all(|&lane| lane == ANY || lane >= len);
    if !apart {
        return None;
    }
    let lane = |lane: i16| if lane == ANY { 0 } else { lane as u8 };
    Some(match pattern.mask[..] {
        [a, b] => (lane(a) & 1) | (lane(b) & 1) << 1,
        [a, b, c, d] => {
            let [a, b, c, d] = [a, b, c, d].map(|at| lane(at) & 3);
            a | b << 2 | c << 4 | d << 6
        }
        _ => return None,
    })
}

/// The instructions that interleave the low and the high halves of two registers.
fn interleaving(pattern: &Pattern) -> Option<(VecBin, VecBin)> {
    Some(match (pattern.bits, pattern.float) {
        (8, _) => (VecBin::PUNPCKLBW, VecBin::PUNPCKHBW),
        (16, _) => (VecBin::PUNPCKLWD, VecBin::PUNPCKHWD),
        (32, false) => (VecBin::PUNPCKLDQ, VecBin::PUNPCKHDQ),
        (32, true) => (VecBin::UNPCKLPS, VecBin::UNPCKHPS),
        (64, false) => (VecBin::PUNPCKLQDQ, VecBin::PUNPCKHQDQ),
        (64, true) => (VecBin::UNPCKLPD, VecBin::UNPCKHPD),
        _ => return None,
    })
}
