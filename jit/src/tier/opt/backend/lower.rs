//! Lowering: from an IR body to machine code with virtual registers.
//!
//! # Idea
//!
//! Blocks are walked from the last to the first and each from its end to its beginning, so that every
//! instruction is met after all its users. An instruction gets code only if a user asked for its
//! value in a register; a user may instead look through it and do its work on the side: an address
//! becomes part of a memory operand, a load becomes one, a comparison sets flags for the branch that
//! reads it, a constant becomes an immediate. What is looked through by all users vanishes.
//!
//! Code for one IR instruction (the *root*) is written forwards into `seq` and appended backwards to
//! `rev`; at the end everything is turned round.
//!
//! # Why it is right
//!
//! L1. Blocks are in an order in which definitions come before uses except for phis (`order`); so
//!     walking backwards all uses of a value have been seen when its definition is reached. A phi is
//!     kept if it has any use at all, because the jumps of back edges are met before its users.
//! L2. Looking through an instruction without side effects only moves or repeats a computation of the
//!     same values. A load is looked through only if the root is its one user, they are in the same block,
//!     and nothing between them writes memory or may end the program (`epoch`).
//! L3. Within the code of a root, operands are put into registers before the flags are set, so V3
//!     holds.

mod address;
mod atomic;
mod bits;
mod block;
mod call;
mod cast;
mod compare;
mod convention;
mod copy;
mod float;
mod int;
mod intrinsic;
mod machine;
mod memory;
mod operand;
mod order;
mod overflow;
mod switch;
mod vector;

use super::vcode::{MInst, Operand, VCode, Vreg};
use crate::abi;
use crate::tier::{CpuFeatures, Declined, Job};
use alloc::vec;
use alloc::vec::Vec;
use ir::cfg::{Cfg, Dominators, Loops};
use ir::{BlockId, Body, Inst, InstId, Op, Types, Value, ValueKind};
use order::Order;

/// More instructions than this in a body are declined.
pub(super) const MAX_INSTS: usize = 1 << 19;

/// Result of lowering something.
type Lowered<T = ()> = Result<T, Declined>;

/// State of lowering one function.
#[derive(Debug)]
pub(super) struct Lower<'a> {
    job: &'a Job<'a>,
    body: &'a Body,
    types: &'a Types,
    cpu: CpuFeatures,
    order: Order,
    code: VCode,
    /// By value (parameters, then instructions): number of uses in reachable code.
    uses: Vec<u32>,
    /// By value: whether it is used in another block than its own.
    far: Vec<bool>,
    /// By instruction: which lanes of its result somebody looks at. Empty if no shuffle leaves lanes open.
    lanes_asked: Vec<u32>,
    /// By instruction: memory effects before it in its block.
    epoch: Vec<u32>,
    /// By instruction: its block.
    block_of: Vec<BlockId>,
    /// By value: one more than the number of the virtual register of
    /// its first part; 0 if nobody asked for it.
    first: Vec<u32>,
    /// Values that were asked for and whose definition has not been met yet; others are dropped now
    /// and then. Only kept when loops are counted.
    demanded: Vec<Value>,
    /// Values listed at loop headers.
    live_listed: usize,
    /// By instruction: a static alloca's offset, once it has one.
    alloca: Vec<Option<u32>>,
    /// The root.
    at: InstId,
    block: BlockId,
    /// Code of the root.
    seq: Vec<Pending>,
    /// All code so far, last instruction first.
    rev: Vec<Pending>,
    /// Where results go that do not fit registers.
    result_pointer: Option<Vreg>,
    /// Address of the variadic image.
    image: Option<Vreg>,
}

/// An instruction with its place in `operands`.
#[derive(Clone, Copy, Debug)]
struct Pending {
    inst: MInst,
    range: (u32, u32),
    origin: InstId,
}

/// Lowers `body`, which is a version of the job's function.
///
/// # Errors
/// The body is too large or uses something that is not supported yet.
pub(super) fn run(job: &Job<'_>, body: &Body) -> Lowered<VCode> {
    if body.insts.len() > MAX_INSTS {
        return Err(Declined::LimitExceeded("instructions of a function"));
    }
    let cfg = Cfg::new(body);
    let loops = Loops::new(&cfg, &Dominators::new(&cfg));
    let mut lower = Lower::new(job, body, Order::new(body, &cfg, &loops));
    lower.count();
    lower.ask_for_lanes();
    lower.block_list(&cfg, &loops)?;
    Ok(lower.finish())
}

impl<'a> Lower<'a> {
    fn new(job: &'a Job<'a>, body: &'a Body, order: Order) -> Self {
        let insts = body.insts.len();
        let values = body.params.len() + insts;
        let code = VCode {
            vector_bytes: 8,
            frame_pointer: job.counting,
            ..VCode::default()
        };
        Self {
            job,
            body,
            types: &job.module.types,
            cpu: job.cpu,
            order,
            code,
            uses: vec![0; values],
            far: vec![false; values],
            lanes_asked: Vec::new(),
            epoch: vec![0; insts],
            block_of: vec![BlockId(0); insts],
            first: vec![0; values],
            demanded: Vec::new(),
            live_listed: 0,
            alloca: vec![None; insts],
            at: InstId(0),
            block: BlockId(0),
            seq: Vec::new(),
            rev: Vec::with_capacity(insts * 2),
            result_pointer: None,
            image: None,
        }
    }

    /// Fills in `uses`, `epoch` and `block_of` for reachable code.
    fn count(&mut self) {
        for at in 0..self.order.blocks.len() {
            let Some(id) = self.order.blocks[at].real() else {
                continue;
            };
            let mut epoch = 0;
            for inst in self.body.block(id).insts() {
                self.block_of[inst.index()] = id;
                self.epoch[inst.index()] = epoch;
                let data = self.body.inst(inst);
                epoch += u32::from(has_effect(data));
                self.count_operands(id, data);
            }
        }
    }

    fn count_operands(&mut self, block: BlockId, inst: &Inst) {
        let params = self.body.params.len();
        let (uses, far, block_of) = (&mut self.uses, &mut self.far, &self.block_of);
        // What a phi takes leaves its predecessor: that is no use far from the definition.
        let is_phi = inst.op == Op::Phi;
        self.body.for_each_operand(inst, |value| {
            let (at, home) = match value.kind() {
                ValueKind::Inst(id) => (params + id.index(), block_of[id.index()]),
                ValueKind::Arg(n) => (n as usize, BlockId(0)),
                ValueKind::Const(_) | ValueKind::None => return,
            };
            uses[at] += 1;
            far[at] |= !is_phi && home != block;
        });
    }

    /// Code for the IR instruction `id`, which is no phi and no terminator.
    fn inst(&mut self, id: InstId) -> Lowered {
        let inst = *self.body.inst(id);
        self.at = id;
        if !has_effect(&inst) && !self.is_wanted(id) && !self.may_divide_by_zero(&inst) {
            return Ok(());
        }
        if self.is_by_lanes(&inst) {
            return self.by_lanes(id, &inst);
        }
        match inst.op {
            op if op.is_int_binary() => self.int_binary(id, &inst),
            op if op.is_float_binary() => self.float_binary(id, &inst),
            op if op.is_cast() => self.cast(id, &inst),
            Op::FNeg => self.float_negate(id, &inst),
            Op::ICmp | Op::FCmp => self.compare_value(id, &inst),
            Op::Select => self.select(id, &inst),
            Op::Load => self.load(id, &inst),
            Op::Store => self.store(&inst),
            Op::Alloca => self.alloca_address(id, &inst),
            Op::DynAlloca => self.dynamic_alloca(id, &inst),
            Op::PtrAdd => self.pointer_add(id, &inst),
            Op::Call | Op::CallIndirect => self.call(id, &inst),
            Op::Intrinsic => self.intrinsic(id, &inst),
            Op::AtomicRmw => self.atomic_rmw(id, &inst),
            Op::CmpXchg => self.compare_exchange(id, &inst),
            Op::Fence => self.fence(&inst),
            // Looked through wherever they are used (`leaf`).
            Op::Freeze | Op::ExtractValue | Op::InsertValue => Ok(()),
            _ => self.unsupported("an operation"),
        }
    }

    /// Whether `inst` is a division that can fault, which is part of what it does.
    fn may_divide_by_zero(&self, inst: &Inst) -> bool {
        if !matches!(inst.op, Op::UDiv | Op::URem | Op::SDiv | Op::SRem) {
            return false;
        }
        let divisor = Value(inst.args[1]);
        let bits = self.types.int_bits(inst.ty).unwrap_or(64).min(64);
        // -1 faults with the lowest number.
        !matches!(self.imm_of(divisor, bits), Some(..=-2 | 1..))
    }

    /// Whether a user asked for the result of `id`.
    fn is_wanted(&self, id: InstId) -> bool {
        self.first[self.body.params.len() + id.index()] != 0
    }

    /// Appends an instruction to the root's code.
    fn push(&mut self, inst: MInst, operands: &[Operand]) {
        let from = self.code.operands.len() as u32;
        self.code.operands.extend_from_slice(operands);
        let range = (from, self.code.operands.len() as u32);
        self.seq.push(Pending {
            inst,
            range,
            origin: self.at,
        });
    }

    /// The root's code is complete.
    fn settle(&mut self) {
        debug_assert!(
            flags_are_read_at_once(&self.seq),
            "flags get lost (V3): {:?}",
            self.seq
        );
        self.rev.extend(self.seq.drain(..).rev());
    }

    /// A new virtual register.
    fn fresh(&mut self, vector: bool) -> Vreg {
        let vreg = Vreg::new(self.code.num_vregs, vector);
        self.code.num_vregs += 1;
        vreg
    }

    /// A new virtual register for an integer.
    fn temp(&mut self) -> Vreg {
        self.fresh(false)
    }

    /// A new virtual register for a float.
    fn float_temp(&mut self) -> Vreg {
        self.fresh(true)
    }

    /// Says by name that `what`, met at the root, is not supported.
    fn unsupported<T>(&self, what: &'static str) -> Lowered<T> {
        Err(Declined::Unsupported(what, self.at))
    }

    /// The number of the function in the instance.
    fn instance_func(&self, func: ir::FuncId) -> u32 {
        self.job.bindings.funcs[func.index()]
    }

    /// Turns everything round.
    fn finish(mut self) -> VCode {
        let total = self.rev.len() as u32;
        for block in &mut self.code.blocks {
            block.insts = total - block.insts.end..total - block.insts.start;
        }
        self.code.insts = self.rev.iter().rev().map(|pending| pending.inst).collect();
        self.code.ranges = self.rev.iter().rev().map(|pending| pending.range).collect();
        self.code.origins = self
            .rev
            .iter()
            .rev()
            .map(|pending| pending.origin)
            .collect();
        self.number_loops();
        self.code
    }

    /// Where each counted loop's instruction is, and its values among all.
    fn number_loops(&mut self) {
        let mut label = 0;
        for counted in &mut self.code.loops {
            counted.label = label;
            label += counted.live.len() as u32;
        }
        for (at, inst) in (0..).zip(&self.code.insts) {
            if let MInst::LoopCount(number) = inst {
                self.code.loops[*number as usize].inst = at;
            }
        }
    }
}

/// Whether the instruction does more than compute a value from its operands and memory, or must
/// stay for another reason.
fn has_effect(inst: &Inst) -> bool {
    match inst.op {
        Op::Load => {
            ir::MemFlags(inst.args[1]).is_volatile() || ir::MemFlags(inst.args[1]).ordering() > 2
        }
        Op::Store | Op::Call | Op::CallIndirect | Op::AtomicRmw | Op::CmpXchg | Op::Fence => true,
        Op::DynAlloca => true,
        Op::Intrinsic => inst.intrinsic().is_none_or(intrinsic::has_effect),
        _ => false,
    }
}

/// V3 for the code of one root.
fn flags_are_read_at_once(seq: &[Pending]) -> bool {
    let mut set = false;
    for pending in seq {
        if pending.inst.reads_flags() && !set {
            return false;
        }
        set = pending.inst.sets_flags() || (set && pending.inst.reads_flags());
    }
    true
}

/// The instruction size for integers of `bits` (1 to 64): 32 or 64.
fn size_of(bits: u32) -> asm::Size {
    if bits <= 32 {
        asm::Size::B32
    } else {
        asm::Size::B64
    }
}

/// Bits of an integer part.
fn bits_of(part: abi::Part) -> u32 {
    match part {
        abi::Part::Int(bits) => u32::from(bits),
        _ => 64,
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::vcode::Src;
    use super::*;
    use crate::tier::flags::Test;
    use asm::{Cond, Size};

    fn seq(list: &[MInst]) -> Vec<Pending> {
        let pending = |&inst| Pending {
            inst,
            range: (0, 0),
            origin: InstId(0),
        };
        list.iter().map(pending).collect()
    }

    #[test]
    fn an_instruction_between_flags_and_their_reader_is_noticed() {
        let compare = MInst::Cmp {
            size: Size::B32,
            src: Src::Imm(1),
        };
        let read = MInst::Branch(Test::One(Cond::E));
        assert!(flags_are_read_at_once(&seq(&[
            MInst::Imm(0),
            compare,
            read
        ])));
        assert!(!flags_are_read_at_once(&seq(&[
            compare,
            MInst::Imm(0),
            read
        ])));
        assert!(!flags_are_read_at_once(&seq(&[read])));
    }
}
