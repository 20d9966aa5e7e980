//! Blocks: arguments of phis, parameters, terminators.

use super::convention::{self, Spot};
use super::order::{Source, distinct};
use super::{Lower, Lowered};
use crate::abi::Part;
use crate::tier::flags::Truth;
use crate::tier::opt::backend::vcode::{
    Base, CountedLoop, LiveValue, MInst, Mem, Operand, VBlock, Vreg,
};
use alloc::vec;
use alloc::vec::Vec;
use asm::{Gpr, Xmm};
use ir::cfg::{Cfg, Loops};
use ir::{BlockId, FuncAttrs, Inst, InstId, Op, Value};

/// More values at loop headers than this, all together, are not listed.
const MAX_LIVE: usize = 1 << 18;

impl Lower<'_> {
    /// All blocks, last first.
    pub(super) fn block_list(&mut self, cfg: &Cfg, loops: &Loops) -> Lowered {
        let count = self.order.blocks.len();
        self.code.blocks = vec![VBlock::default(); count];
        let mut succs = Vec::new();
        for number in (0..count).rev() {
            let source = self.order.blocks[number];
            let start = self.rev.len() as u32;
            match source {
                Source::Real(id) => {
                    distinct(cfg.succs(id), &mut succs);
                    self.real_block(number, id, &succs, loops)?;
                }
                Source::Edge(from, to) => {
                    self.block = from;
                    self.at = self.body.block(from).terminator();
                    self.jump(number, from, to)?;
                    self.settle();
                }
            }
            let block = &mut self.code.blocks[number];
            block.insts = start..self.rev.len() as u32;
            block.depth = match source {
                Source::Real(id) => loops.depth(id),
                Source::Edge(from, to) => loops.depth(from).min(loops.depth(to)),
            };
            let start = self.code.edges.len() as u32;
            match source {
                Source::Real(id) => self.order.targets(id, &succs, &mut self.code.edges),
                Source::Edge(_, to) => self.code.edges.push(self.order.number(to)),
            }
            self.code.blocks[number].succs = start..self.code.edges.len() as u32;
        }
        self.link_predecessors();
        Ok(())
    }

    fn link_predecessors(&mut self) {
        let count = self.code.blocks.len();
        let mut lists = vec![Vec::new(); count];
        for from in 0..count {
            for &to in self.code.succs(from) {
                lists[to as usize].push(from as u32);
            }
        }
        for (at, list) in lists.into_iter().enumerate() {
            let start = self.code.edges.len() as u32;
            self.code.edges.extend(list);
            self.code.blocks[at].preds = start..self.code.edges.len() as u32;
        }
    }

    fn real_block(
        &mut self,
        number: usize,
        id: BlockId,
        succs: &[BlockId],
        loops: &Loops,
    ) -> Lowered {
        self.block = id;
        let block = self.body.block(id);
        self.at = block.terminator();
        let last = *self.body.inst(self.at);
        self.terminator(number, id, &last, succs)?;
        self.settle();
        for inst in block.insts().rev().skip(1) {
            if self.body.inst(inst).op == Op::Phi {
                break;
            }
            self.inst(inst)?;
            self.settle();
        }
        self.at = InstId(block.start);
        self.code.blocks[number].is_header = loops.is_header(id);
        self.code.blocks[number].cold = last.op == Op::Unreachable;
        self.block_parameters(number, id)?;
        if self.job.counting && loops.is_header(id) {
            self.count_loop(id, loops)?;
            self.settle();
        }
        if number == 0 {
            self.parameters()?;
            self.settle();
        }
        Ok(())
    }

    /// Counts an iteration at the beginning of each, the first included.
    ///
    /// What lives there is among what has been asked for and is not defined further on.
    fn count_loop(&mut self, header: BlockId, loops: &Loops) -> Lowered {
        let number = loops.headers().take_while(|&other| other != header).count() as u32;
        let here = self.order.number(header);
        let (body, order, block_of) = (self.body, &self.order, &self.block_of);
        self.demanded.retain(|value| {
            value.as_inst().is_none_or(|id| {
                let block = block_of[id.index()];
                order.number(block) < here || (block == header && body.inst(id).op == Op::Phi)
            })
        });
        let mut live = Vec::new();
        for at in 0..self.demanded.len() {
            if live.len() + self.live_listed > MAX_LIVE {
                live.clear();
                break;
            }
            let value = self.demanded[at];
            for (part, &kind) in (0u8..).zip(&self.parts(self.body.type_of(value))?) {
                let vreg = self.use_part(value, u32::from(part))?;
                live.push(LiveValue {
                    value,
                    part,
                    kind,
                    vreg,
                });
            }
        }
        self.live_listed += live.len();
        let at = self.code.loops.len() as u32;
        self.code.loops.push(CountedLoop {
            number,
            header,
            inst: 0,
            label: 0,
            live,
        });
        self.push(MInst::LoopCount(at), &[]);
        Ok(())
    }

    /// Phis of `block` that have users, if it has several predecessors.
    fn live_phis(&self, block: BlockId) -> impl Iterator<Item = InstId> + '_ {
        let joins = self.order.is_join(block);
        let phis = self.body.block(block).insts();
        let phis = phis.take_while(move |&id| joins && self.body.inst(id).op == Op::Phi);
        phis.filter(|id| self.uses[self.body.params.len() + id.index()] != 0)
    }

    fn block_parameters(&mut self, number: usize, id: BlockId) -> Lowered {
        let start = self.code.values.len() as u32;
        let phis: Vec<InstId> = self.live_phis(id).collect();
        for phi in phis {
            let parts = self.parts(self.body.inst(phi).ty)?.len() as u32;
            for part in 0..parts {
                let vreg = self.result_part(phi, part)?;
                self.code.values.push(vreg);
            }
        }
        self.code.blocks[number].params = start..self.code.values.len() as u32;
        Ok(())
    }

    /// Jumps from block `from` to `to`, with what its phis get.
    fn jump(&mut self, number: usize, from: BlockId, to: BlockId) -> Lowered {
        let phis: Vec<InstId> = self.live_phis(to).collect();
        let mut args: Vec<Vreg> = Vec::new();
        for phi in phis {
            let input = self.phi_input(phi, from);
            let parts = self.parts(self.body.inst(phi).ty)?.len() as u32;
            for part in 0..parts {
                args.push(self.use_part(input, part)?);
            }
        }
        let start = self.code.values.len() as u32;
        self.code.values.extend(args);
        self.code.blocks[number].args = start..self.code.values.len() as u32;
        self.push(MInst::Jump, &[]);
        Ok(())
    }

    fn terminator(
        &mut self,
        number: usize,
        id: BlockId,
        inst: &Inst,
        succs: &[BlockId],
    ) -> Lowered {
        match inst.op {
            Op::Ret => self.ret(inst),
            Op::Unreachable => {
                self.push(MInst::Trap, &[]);
                Ok(())
            }
            Op::Switch if succs.len() > 1 => self.switch(inst, succs),
            Op::CondBr if succs.len() > 1 => self.conditional(inst),
            Op::IndirectBr if succs.len() > 1 => self.indirect(inst, succs),
            _ => self.jump(number, id, succs[0]),
        }
    }

    fn conditional(&mut self, inst: &Inst) -> Lowered {
        let truth = self.truth(Value(inst.args[0]))?;
        match truth {
            Truth::Test(test) => self.push(MInst::Branch(test), &[]),
            Truth::Known(known) => {
                // The comparison of a constant with itself makes flags that say so.
                let zero = self.imm(u64::from(known));
                self.test_bit(zero);
                self.push(MInst::Branch(Self::SET), &[]);
            }
        }
        Ok(())
    }

    fn ret(&mut self, inst: &Inst) -> Lowered {
        let value = Value(inst.args[0]);
        if value == Value::NONE {
            self.push(MInst::Ret, &[]);
            return Ok(());
        }
        let parts = self.parts(self.body.type_of(value))?;
        let Some(registers) = convention::results(&parts) else {
            return self.return_through_pointer(value, &parts);
        };
        let mut operands = Vec::new();
        for (part, register) in (0..).zip(registers) {
            let vreg = self.use_part(value, part)?;
            operands.push(register.input(vreg));
        }
        self.push(MInst::Ret, &operands);
        Ok(())
    }

    fn return_through_pointer(&mut self, value: Value, parts: &[Part]) -> Lowered {
        let pointer = self.result_pointer();
        for (number, &part) in (0u32..).zip(parts) {
            let vreg = self.use_part(value, number)?;
            let mem = Mem {
                disp: 8 * number as i32,
                base: Base::Reg,
                index: None,
                wraps: false,
            };
            self.store_part(vreg, part, mem, &[Operand::reg(pointer)]);
        }
        self.push(MInst::Ret, &[]);
        Ok(())
    }

    fn result_pointer(&mut self) -> Vreg {
        if let Some(vreg) = self.result_pointer {
            return vreg;
        }
        let vreg = self.temp();
        self.result_pointer = Some(vreg);
        vreg
    }

    /// Brings the parameters that are used from where the caller put them.
    fn parameters(&mut self) -> Lowered {
        let function = self.job.function();
        if function.attrs.has(FuncAttrs::RETURNS_TWICE) {
            return self.unsupported("returns_twice");
        }
        let (ret, ..) = self
            .types
            .signature(function.ty)
            .unwrap_or((ir::TypeId::VOID, &[], false));
        let mut lists = Vec::new();
        let hidden = self.has_hidden_pointer(ret)?;
        if hidden {
            lists.push(convention::pointer());
        }
        for &ty in &self.body.params {
            lists.push(self.parts(ty)?);
        }
        let (spots, _) = convention::assign(&lists);
        let mut operands = Vec::new();
        let (mut loads, mut copies) = (Vec::new(), Vec::new());
        let mut spots = spots.into_iter();
        if let (true, Some(pointer)) = (hidden, self.result_pointer) {
            operands.extend(spots.next().and_then(|spot| spot.result(pointer)));
        } else if hidden {
            spots.next();
        }
        for n in 0..self.body.params.len() as u32 {
            let parts = &lists[n as usize + usize::from(hidden)];
            for (part, &kind) in (0u32..).zip(parts) {
                let spot = spots.next().expect("each part has a place");
                let Some(vreg) = self.wanted_param(n, part)? else {
                    continue;
                };
                let lasts = self.far[n as usize] || self.uses[n as usize] > 1;
                match spot {
                    Spot::Stack(offset) => loads.push((vreg, kind, offset)),
                    // As `detached`, for a definition.
                    _ if lasts && !self.code.calls.is_empty() => {
                        let raw = self.fresh(vreg.is_vector());
                        operands.extend(spot.result(raw));
                        copies.push((vreg, raw));
                    }
                    _ => operands.extend(spot.result(vreg)),
                }
            }
        }
        if let Some(image) = self.image {
            operands.push(Operand::to_gpr(image, Gpr::R10));
        }
        self.push(MInst::Args, &operands);
        for (vreg, raw) in copies {
            self.copy(vreg, raw);
        }
        for (vreg, kind, offset) in loads {
            self.load_part(vreg, kind, Mem::at(Base::Incoming, offset as i32), &[]);
        }
        Ok(())
    }
}

impl Spot {
    /// An input in this register.
    pub(super) fn input(self, vreg: Vreg) -> Operand {
        match self {
            Self::Gpr(gpr) => Operand::in_gpr(vreg, gpr),
            Self::Xmm(number) => Operand::in_xmm(vreg, Xmm::new(number)),
            Self::Stack(_) => Operand::any(vreg),
        }
    }

    /// A result in this register; none on the stack.
    pub(super) fn result(self, vreg: Vreg) -> Option<Operand> {
        match self {
            Self::Gpr(gpr) => Some(Operand::to_gpr(vreg, gpr)),
            Self::Xmm(number) => Some(Operand::to_xmm(vreg, Xmm::new(number))),
            Self::Stack(_) => None,
        }
    }
}
