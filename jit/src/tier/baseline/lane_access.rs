//! `ExtractElement` and `InsertElement` with a known lane.
//!
//! SSE4.1, without which there are no vectors, has instructions for every width of integers; floats are
//! shuffled. A lane in the upper half of 256 bits is reached through that half.

use super::emit::Emitter;
use super::lanes::{Lane, Shape};
use super::value::Reg;
use crate::tier::Declined;
use asm::{Enc, Gpr, VecBin, VecBinImm, VecMerge, VecUnImm, Xmm};
use ir::{Inst, InstId, Value};

impl Emitter<'_> {
    /// The lane that `index` names, if it is a known one of `shape`.
    fn known_lane(&self, index: Value, shape: Shape) -> Result<Option<u8>, Declined> {
        let Some(lane) = self.const_int(index) else {
            return self.unsupported("lane with a variable index");
        };
        Ok(u8::try_from(lane)
            .ok()
            .filter(|&lane| u32::from(lane) < shape.count))
    }

    /// The 128 bits that lane `lane` lies in, and its number there.
    fn half_of(&mut self, shape: Shape, source: Xmm, lane: u8) -> (Xmm, u8) {
        let per_half = (16 / shape.lane.bytes()) as u8;
        if lane < per_half {
            (source, lane)
        } else {
            (self.upper_lanes(source), lane - per_half)
        }
    }

    /// `ExtractElement`.
    pub(super) fn extract_lane(&mut self, id: InstId, inst: &Inst) -> Result<(), Declined> {
        let shape = self.shape(self.body.type_of(Value(inst.args[0])))?;
        let lane = self.known_lane(Value(inst.args[1]), shape)?;
        let source = self.xmm(Value(inst.args[0]));
        let dst = self.dst(id);
        match lane {
            None if shape.lane.is_float() => self.load_float(dst.xmm(), shape.lane.part(), 0),
            None => self.load_int(dst.gpr(), 0),
            Some(lane) => {
                let (source, lane) = self.half_of(shape, source, lane);
                if shape.lane.is_float() {
                    self.extract_float(shape.lane, dst.xmm(), source, lane);
                } else {
                    self.extract_int(shape.lane, dst.gpr(), source, lane);
                }
            }
        }
        self.done(id, inst, dst, 0);
        Ok(())
    }

    fn extract_float(&mut self, lane: Lane, dst: Xmm, source: Xmm, at: u8) {
        if at == 0 {
            self.asm.vec_mov(self.enc, dst, source);
        } else if lane == Lane::F64 {
            self.asm
                .vec_bin(self.enc, VecBin::UNPCKHPD, dst, source, source);
        } else {
            self.asm
                .vec_un_i(self.enc, VecUnImm::PSHUFD, dst, source, at);
        }
    }

    /// A lane of 128 bits in a general register; 32 bits come zero-extended.
    fn extract_int(&mut self, lane: Lane, dst: Gpr, source: Xmm, at: u8) {
        match lane {
            Lane::I16 => self.asm.vec_word(self.enc, dst, source, at),
            Lane::I32 | Lane::I64 if at == 0 => {
                self.asm.movd_mr(self.enc, lane.size(), dst, source);
            }
            _ => self.asm.vec_lane(self.enc, lane.size(), dst, source, at),
        }
    }

    /// `InsertElement`.
    pub(super) fn insert_lane(&mut self, id: InstId, inst: &Inst) -> Result<(), Declined> {
        let [whole, element, index] = inst.values();
        let shape = self.shape(inst.ty)?;
        let lane = self.known_lane(index, shape)?;
        let source = self.xmm(whole);
        let value = self.get(element);
        let dst = self.dst(id);
        let Some(lane) = lane else {
            self.vec_copy(shape, dst.xmm(), source);
            self.done(id, inst, dst, 0);
            return Ok(());
        };
        if shape.is_wide() {
            let per_half = (16 / shape.lane.bytes()) as u8;
            let (half, at) = (lane / per_half, lane % per_half);
            let part = self.vec_temp();
            let from = if half == 0 {
                source
            } else {
                self.upper_lanes(source)
            };
            self.insert_into(shape.lane, part, from, value, at);
            self.asm.vec_bin_i(
                Enc::Vex256,
                VecBinImm::VINSERTI128,
                dst.xmm(),
                source,
                part,
                half,
            );
        } else {
            self.insert_into(shape.lane, dst.xmm(), source, value, lane);
        }
        self.done(id, inst, dst, 0);
        Ok(())
    }

    /// `dst` = the 128 bits of `source` with lane `at` replaced; `dst` is neither.
    fn insert_into(&mut self, lane: Lane, dst: Xmm, source: Xmm, value: Reg, at: u8) {
        let enc = self.enc;
        match lane {
            Lane::F32 if at == 0 => {
                let value = value.xmm();
                self.asm.vec_merge(enc, VecMerge::MOVSS, dst, source, value);
            }
            Lane::F64 if at == 0 => {
                let value = value.xmm();
                self.asm.vec_merge(enc, VecMerge::MOVSD, dst, source, value);
            }
            Lane::F64 => {
                let value = value.xmm();
                self.asm.vec_bin(enc, VecBin::UNPCKLPD, dst, source, value);
            }
            Lane::F32 => {
                let imm = at << 4;
                let value = value.xmm();
                self.asm
                    .vec_bin_i(enc, VecBinImm::INSERTPS, dst, source, value, imm);
            }
            _ => {
                self.asm
                    .vec_insert(enc, lane.size(), dst, source, value.gpr(), at);
            }
        }
    }
}
