//! Shuffles with 256-bit registers (AVX2).

use super::super::convert::picks;
use super::{ANY, Mask, Pattern, interleaving, shuffled_pair};
use crate::tier::opt::backend::lower::Lower;
use crate::tier::opt::backend::vcode::Vreg;
use asm::{VecBin, VecBinImm, VecUnImm};

/// Lanes of the half of a 256-bit pattern that lie in each half, if each half does the same in itself: as
/// lanes of 128-bit registers.
fn repeated(pattern: &Pattern) -> Option<Pattern> {
    let len = pattern.len();
    let half = len / 2;
    let mut mask: Mask = core::iter::repeat_n(ANY, half).collect();
    for (at, &lane) in pattern.mask.iter().enumerate() {
        if lane == ANY {
            continue;
        }
        let (source, lane) = (lane as usize / len, lane as usize % len);
        if lane / half != at / half {
            return None;
        }
        let local = (source * half + lane % half) as i16;
        let place = &mut mask[at % half];
        if *place != ANY && *place != local {
            return None;
        }
        *place = local;
    }
    Some(Pattern { mask, ..*pattern })
}

impl Lower<'_> {
    /// A permutation of one or two 256-bit registers; of a narrow result the low half counts.
    pub(super) fn permute_wide(
        &mut self,
        pattern: Pattern,
        wide_result: bool,
        a: Vreg,
        b: Vreg,
    ) -> Vreg {
        if !wide_result && let Some(done) = self.permute_halves(&pattern, a, b) {
            return done;
        }
        let pattern = pattern.widest(128);
        if !pattern.needs_second() {
            return self.permute_wide_one(&pattern, a);
        }
        if !pattern.needs_first() {
            return self.permute_wide_one(&pattern.swapped(), b);
        }
        if let Some(done) = self.permute_wide_at_once(&pattern, a, b) {
            return done;
        }
        let pattern = if pattern.bits == 128 {
            pattern.split_to(64)
        } else {
            pattern
        };
        let a = self.permute_wide_one(&pattern.first_only(), a);
        let b = self.permute_wide_one(&pattern.swapped().first_only(), b);
        self.blend_placed(&pattern, true, a, b)
    }

    /// A result of 128 bits from at most two halves of the sources: as a permutation of those.
    fn permute_halves(&mut self, pattern: &Pattern, a: Vreg, b: Vreg) -> Option<Vreg> {
        let half = pattern.len() / 2;
        let mut used: [Option<usize>; 2] = [None; 2];
        let mut mask = Mask::new();
        for &lane in &pattern.mask[..half] {
            if lane == ANY {
                mask.push(ANY);
                continue;
            }
            let (block, lane) = (lane as usize / half, lane as usize % half);
            let slot = used
                .iter()
                .position(|&known| known == Some(block) || known.is_none())?;
            used[slot] = Some(block);
            mask.push((slot * half + lane) as i16);
        }
        let crossing = pattern.clone().widest(128);
        let alone = crossing.bits >= 32 && crossing.bits < 128 && !crossing.needs_second();
        if alone && used[1].is_some() {
            // One instruction that crosses does it.
            return None;
        }
        let mut block = |block: Option<usize>| match block {
            Some(0) | None => a,
            Some(1) => self.upper(a),
            Some(2) => b,
            _ => self.upper(b),
        };
        let (first, second) = (block(used[0]), block(used[1]));
        let narrow = Pattern { mask, ..*pattern };
        Some(self.permute(narrow, first, second))
    }

    /// A permutation of one 256-bit register.
    fn permute_wide_one(&mut self, pattern: &Pattern, a: Vreg) -> Vreg {
        if pattern.fits(|at| at) {
            return a;
        }
        let shape = super::Shape {
            bits: pattern.bits,
            float: pattern.float,
            count: 256 / pattern.bits,
        };
        if pattern.bits < 128 && pattern.fits(|_| 0) {
            return self.broadcast_lowest(shape, a);
        }
        if pattern.bits == 128 {
            let lane = |at: usize| pattern.mask[at].max(0) as u8;
            if lane(0) == 0 {
                return self.with_upper(a, a);
            }
            let imm = lane(0) | lane(1) << 4;
            return self.bin_imm(halves_op(pattern), imm, true, a, a);
        }
        if let Some(half) = repeated(pattern)
            && let Some(done) = self.permute_in_halves(&half, a)
        {
            return done;
        }
        match pattern.bits {
            64 => {
                let op = if pattern.float {
                    VecUnImm::VPERMPD
                } else {
                    VecUnImm::VPERMQ
                };
                self.un_imm(op, Pattern::imm4(&pattern.mask), true, a)
            }
            32 => {
                let mut lanes = [0; 8];
                for (place, &lane) in lanes.iter_mut().zip(&pattern.mask) {
                    *place = lane.max(0) as u8;
                }
                let lanes = self.load_constant(picks(lanes), true);
                let op = if pattern.float {
                    VecBin::VPERMPS
                } else {
                    VecBin::VPERMD
                };
                self.bin(op, true, lanes, a)
            }
            _ => self.permute_wide_bytes(pattern, a),
        }
    }

    /// The same in both halves by one instruction, for lanes of 32 and 64 bits.
    fn permute_in_halves(&mut self, half: &Pattern, a: Vreg) -> Option<Vreg> {
        if half.bits < 32 {
            return None;
        }
        let imm = Pattern::imm4(&half.split_to(32).mask);
        let op = if half.float {
            VecUnImm::VPERMILPS
        } else {
            VecUnImm::PSHUFD
        };
        Some(self.un_imm(op, imm, true, a))
    }

    /// Lanes of 8 or 16 bits: `vpshufb` in each half; if lanes cross, of the register and of it with its halves
    /// exchanged.
    fn permute_wide_bytes(&mut self, pattern: &Pattern, a: Vreg) -> Vreg {
        let own = |at: usize, byte: i16| at / 16 == byte as usize / 16;
        let bytes = pattern.split_to(8);
        let mut lanes = bytes.mask.iter().enumerate();
        let stays = lanes.all(|(at, &byte)| byte == ANY || own(at, byte));
        let first = pattern.bytes(|at, byte| own(at, byte).then_some(byte));
        if stays {
            return self.bin_constant(VecBin::PSHUFB, true, a, first);
        }
        if let Some([low, high]) = sources_of_halves(&bytes) {
            // Each half of the result comes from one half of the source.
            let quads = [2 * low, 2 * low + 1, 2 * high, 2 * high + 1];
            let imm = (0..4).fold(0, |imm, at| imm | quads[at] << (2 * at));
            let placed = self.un_imm(VecUnImm::VPERMQ, imm, true, a);
            let all = pattern.bytes(|_, byte| Some(byte));
            return self.bin_constant(VecBin::PSHUFB, true, placed, all);
        }
        let second = pattern.bytes(|at, byte| (!own(at, byte)).then_some(byte));
        let swapped = self.un_imm(VecUnImm::VPERMQ, 0x4e, true, a);
        let near = self.bin_constant(VecBin::PSHUFB, true, a, first);
        let far = self.bin_constant(VecBin::PSHUFB, true, swapped, second);
        self.bin(VecBin::POR, true, near, far)
    }

    /// A permutation of two 256-bit registers by one instruction.
    fn permute_wide_at_once(&mut self, pattern: &Pattern, a: Vreg, b: Vreg) -> Option<Vreg> {
        if pattern.bits == 128 {
            let [low, high] = [0, 1].map(|at: usize| pattern.mask[at].max(0) as u8);
            return Some(match (low, high) {
                (0, 2) => self.with_upper(a, b),
                (2, 0) => self.with_upper(b, a),
                _ => self.bin_imm(halves_op(pattern), low | high << 4, true, a, b),
            });
        }
        if let Some(second) = pattern.blend() {
            return Some(self.blend_lanes(pattern, second, true, a, b));
        }
        let half = repeated(pattern)?;
        let len = half.len();
        for (half, a, b) in [(half.clone(), a, b), (half.swapped(), b, a)] {
            if let Some((low, high)) = interleaving(&half) {
                if half.fits(|at| at / 2 + at % 2 * len) {
                    return Some(self.bin(low, true, a, b));
                }
                if half.fits(|at| at / 2 + len / 2 + at % 2 * len) {
                    return Some(self.bin(high, true, a, b));
                }
            }
            if let Some(imm) = shuffled_pair(&half) {
                // For doubles each half has bits of its own.
                let (op, imm) = if half.bits == 64 {
                    (VecBinImm::SHUFPD, imm | imm << 2)
                } else {
                    (VecBinImm::SHUFPS, imm)
                };
                return Some(self.bin_imm(op, imm, true, a, b));
            }
            let shift = (1..len).find(|&shift| half.fits(|at| at + shift));
            if let Some(shift) = shift {
                let bytes = shift as u32 * half.bits / 8;
                return Some(self.bin_imm(VecBinImm::PALIGNR, bytes as u8, true, b, a));
            }
        }
        None
    }
}

/// Which half of the source each half of the result comes from, if it is one.
fn sources_of_halves(bytes: &Pattern) -> Option<[u8; 2]> {
    let mut sources = [None; 2];
    for (at, &byte) in bytes.mask.iter().enumerate() {
        if byte == ANY {
            continue;
        }
        let from = (byte / 16) as u8;
        let known = &mut sources[at / 16];
        if known.is_some_and(|known| known != from) {
            return None;
        }
        *known = Some(from);
    }
    Some([sources[0].unwrap_or(0), sources[1].unwrap_or(1)])
}

fn halves_op(pattern: &Pattern) -> VecBinImm {
    if pattern.float {
        VecBinImm::VPERM2F128
    } else {
        VecBinImm::VPERM2I128
    }
}
