//! Which lanes of vectors matter.
//!
//! A lane that a shuffle's mask leaves open is 0 (head of crate `ir`), but clang leaves lanes open because
//! nobody looks at them. One walk from the last use to the first finds out: what works lane by lane asks of
//! its operands what is asked of it, a shuffle and an extraction ask for the lanes that they name, and
//! everything else, phis included, asks for all. Only functions that have such a shuffle pay for the walk.

use crate::tier::opt::backend::lower::Lower;
use alloc::vec;
use ir::{BlockId, Inst, InstId, Intrinsic, Op, TypeId, Value};

impl Lower<'_> {
    /// Fills in `lanes_asked`.
    pub(in crate::tier::opt::backend::lower) fn ask_for_lanes(&mut self) {
        let open = |inst: &Inst| inst.op == Op::Shuffle && self.open_lanes(inst) != 0;
        if !self.body.insts.iter().any(open) {
            return;
        }
        let mut asked = vec![0u32; self.body.insts.len()];
        let body = self.body;
        for inst in body.insts.iter().filter(|inst| inst.op == Op::Phi) {
            body.for_each_operand(inst, |value| ask(&mut asked, value, u32::MAX));
        }
        for at in (0..self.order.blocks.len()).rev() {
            let Some(id) = self.order.blocks[at].real() else {
                continue;
            };
            self.ask_in_block(id, &mut asked);
        }
        self.lanes_asked = asked;
    }

    fn ask_in_block(&self, block: BlockId, asked: &mut [u32]) {
        for id in self.body.block(block).insts().rev() {
            let inst = self.body.inst(id);
            let wanted = asked[id.index()];
            match inst.op {
                Op::Phi => {}
                Op::Shuffle => self.ask_shuffled(inst, wanted, asked),
                Op::ExtractElement => {
                    let lane = self.const_bits(Value(inst.args[1])).unwrap_or(u64::MAX);
                    let lane = u32::try_from(lane)
                        .ok()
                        .and_then(|lane| 1u32.checked_shl(lane));
                    ask(asked, Value(inst.args[0]), lane.unwrap_or(u32::MAX));
                }
                _ => {
                    let wanted = if self.is_lane_by_lane(inst) {
                        wanted
                    } else {
                        u32::MAX
                    };
                    self.body
                        .for_each_operand(inst, |value| ask(asked, value, wanted));
                }
            }
        }
    }

    fn ask_shuffled(&self, inst: &Inst, wanted: u32, asked: &mut [u32]) {
        let [a, b, _] = inst.values();
        let lanes = self.lane_count(self.body.type_of(a));
        let mut needs = [0u32; 2];
        for (at, &lane) in self.lanes_named(inst).iter().enumerate() {
            if lane != u32::MAX && wanted >> at & 1 != 0 {
                needs[(lane / lanes) as usize] |= 1 << (lane % lanes);
            }
        }
        ask(asked, a, needs[0]);
        ask(asked, b, needs[1]);
    }

    /// Whether each lane of the result depends on that lane of the operands only.
    fn is_lane_by_lane(&self, inst: &Inst) -> bool {
        let lanes = self.lane_count(inst.ty);
        if lanes == 0 {
            return false;
        }
        match inst.op {
            op if op.is_int_binary() || op.is_float_binary() => true,
            Op::FNeg | Op::ICmp | Op::FCmp | Op::Freeze | Op::Select => true,
            Op::Bitcast => self.lane_count(self.body.type_of(Value(inst.args[0]))) == lanes,
            op if op.is_cast() => true,
            Op::Intrinsic => inst.intrinsic() != Some(Intrinsic::MoveMask),
            _ => false,
        }
    }

    fn lane_count(&self, ty: TypeId) -> u32 {
        self.types.vector(ty).map_or(0, |(_, lanes)| lanes)
    }

    fn lanes_named(&self, shuffle: &Inst) -> &[u32] {
        self.body
            .words(shuffle.args[2], self.lane_count(shuffle.ty))
    }

    /// The lanes that a shuffle's mask leaves open.
    fn open_lanes(&self, shuffle: &Inst) -> u32 {
        let lanes = self.lanes_named(shuffle).iter().enumerate();
        lanes
            .filter(|(_, lane)| **lane == u32::MAX)
            .fold(0, |open, (at, _)| open | 1 << at)
    }

    /// The lanes of shuffle `id` that must be 0: open, and somebody looks at them.
    pub(in crate::tier::opt::backend::lower) fn zero_lanes(&self, id: InstId) -> u32 {
        let asked = self.lanes_asked.get(id.index()).copied().unwrap_or(0);
        self.open_lanes(self.body.inst(id)) & asked
    }
}

fn ask(asked: &mut [u32], value: Value, lanes: u32) {
    if let Some(id) = value.as_inst() {
        asked[id.index()] |= lanes;
    }
}
