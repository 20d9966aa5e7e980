//! Register allocation: the one file that knows `regalloc2`.
//!
//! Before: machine code whose operands name virtual registers, in SSA form (`vcode`, V1 and V2).
//! After: a location for each operand and a list of moves between instructions, in [`Allocation`].
//!
//! `regalloc2` knows nothing of widths: a move of a general register moves 8 bytes, one of a vector
//! register as many as the widest value of the function needs. Spill slots are counted in units of 8 bytes.
//!
//! Its independent judge, the checker that follows every value through the result, runs on every
//! function wherever debug assertions are on.

use super::vcode::{MInst, Place, Role, VCode, Vreg};
use crate::tier::Declined;
use alloc::vec::Vec;
use asm::{Gpr, Xmm};
use regalloc2::checker::{Checker, CheckerErrors};
use regalloc2::{
    Algorithm, Block, Edit, Inst, InstPosition, InstRange, MachineEnv, Operand, OperandConstraint,
    OperandKind, OperandPos, Output, PReg, PRegSet, RegAllocError, RegClass, RegallocOptions, VReg,
};

/// General registers that calls lose, `abi.md`.
pub(super) const CALLER_SAVED: [Gpr; 9] = [
    Gpr::Rax,
    Gpr::Rcx,
    Gpr::Rdx,
    Gpr::Rsi,
    Gpr::Rdi,
    Gpr::R8,
    Gpr::R9,
    Gpr::R10,
    Gpr::R11,
];

/// General registers that calls keep, but for `rbp`.
const CALLEE_SAVED: [Gpr; 5] = [Gpr::Rbx, Gpr::R12, Gpr::R13, Gpr::R14, Gpr::R15];

/// How much time to spend.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Effort {
    /// A single pass.
    Fast,
    /// Splitting and backtracking.
    Good,
}

/// Where a value is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Loc {
    /// In a general register.
    Gpr(Gpr),
    /// In a vector register.
    Xmm(Xmm),
    /// In the spill slot that starts so many units of 8 bytes into the spill area.
    Slot(u32),
}

/// What the allocator answered.
#[derive(Debug)]
pub(super) struct Allocation {
    output: Output,
    /// Where the values listed at counted loops are: (position among all that are listed, location),
    /// ascending. What does not live there is not in it.
    live: Vec<(u32, Loc)>,
    /// Callee-saved registers that are written.
    pub(super) saved: Vec<Gpr>,
}

impl Allocation {
    /// Units of 8 bytes in the spill area.
    pub(super) fn slots(&self) -> u32 {
        self.output.num_spillslots as u32
    }

    /// Location of operand `operand` of instruction `inst`.
    pub(super) fn loc(&self, inst: u32, operand: u32) -> Loc {
        let start = self.output.inst_alloc_offsets[inst as usize];
        loc(self.output.allocs[(start + operand) as usize])
    }

    /// Location of the value that is listed as number `label` at counted loops, if it lives there.
    pub(super) fn live_loc(&self, label: u32) -> Option<Loc> {
        let at = self
            .live
            .binary_search_by_key(&label, |entry| entry.0)
            .ok()?;
        Some(self.live[at].1)
    }

    /// Position of the first move at or after instruction `inst`.
    pub(super) fn first_move(&self, inst: u32) -> usize {
        let before = |edit: &(regalloc2::ProgPoint, Edit)| edit.0.inst().index() < inst as usize;
        self.output.edits.partition_point(before)
    }

    /// Move number `at` if it stands before (or, if `after`, behind) instruction `inst`.
    pub(super) fn move_at(&self, at: usize, inst: u32, after: bool) -> Option<(Loc, Loc)> {
        let (point, Edit::Move { from, to }) = self.output.edits.get(at)?;
        let here =
            point.inst().index() == inst as usize && (point.pos() == InstPosition::After) == after;
        here.then(|| (loc(*from), loc(*to)))
    }
}

fn loc(allocation: regalloc2::Allocation) -> Loc {
    if let Some(reg) = allocation.as_reg() {
        let number = reg.hw_enc() as u8;
        return match reg.class() {
            RegClass::Int => Loc::Gpr(Gpr::new(number)),
            _ => Loc::Xmm(Xmm::new(number)),
        };
    }
    let slot = allocation.as_stack().expect("every operand has a location");
    Loc::Slot(slot.index() as u32)
}

/// Allocates registers for `code`.
///
/// # Errors
/// The function is too large for the allocator, or one instruction needs more registers than there
/// are.
pub(super) fn run(code: &VCode, effort: Effort) -> Result<Allocation, Declined> {
    let input = Input::new(code);
    let env = environment(code);
    let options = RegallocOptions {
        verbose_log: false,
        validate_ssa: cfg!(debug_assertions),
        algorithm: match effort {
            Effort::Fast => Algorithm::Fastalloc,
            Effort::Good => Algorithm::Ion,
        },
    };
    let output = regalloc2::run(&input, &env, &options).map_err(refuse)?;
    if cfg!(debug_assertions)
        && let Err(errors) = check(&input, &env, &output)
    {
        panic!("the allocator's result is wrong: {errors:?}");
    }
    let saved = written_callee_saved(&output);
    let mut live: Vec<(u32, Loc)> = Vec::with_capacity(output.debug_locations.len());
    for &(label, _, _, allocation) in &output.debug_locations {
        if live.last().is_none_or(|last| last.0 != label) {
            live.push((label, loc(allocation)));
        }
    }
    Ok(Allocation {
        output,
        live,
        saved,
    })
}

/// Only limits are the function's fault; everything else would be a bug of selection.
fn refuse(error: RegAllocError) -> Declined {
    debug_assert!(
        matches!(
            error,
            RegAllocError::TooManyLiveRegs | RegAllocError::TooManyOperands
        ),
        "selection broke the allocator's rules: {error:?}"
    );
    Declined::LimitExceeded("register allocation")
}

/// Follows every value through the allocator's result.
fn check(input: &Input<'_>, env: &MachineEnv, output: &Output) -> Result<(), CheckerErrors> {
    let mut checker = Checker::new(input, env);
    checker.prepare(output);
    checker.run()
}

fn written_callee_saved(output: &Output) -> Vec<Gpr> {
    let mut used = PRegSet::empty();
    let moved = output.edits.iter().map(|(_, Edit::Move { to, .. })| *to);
    for allocation in output.allocs.iter().copied().chain(moved) {
        if let Some(reg) = allocation.as_reg() {
            used.add(reg);
        }
    }
    let kept = CALLEE_SAVED.into_iter().chain([Gpr::Rbp]);
    kept.filter(|&gpr| used.contains(gpr_reg(gpr))).collect()
}

fn gpr_reg(gpr: Gpr) -> PReg {
    PReg::new(usize::from(gpr.number()), RegClass::Int)
}

fn xmm_reg(number: usize) -> PReg {
    PReg::new(number, RegClass::Float)
}

fn environment(code: &VCode) -> MachineEnv {
    let frame = (!code.frame_pointer).then_some(Gpr::Rbp);
    let kept = CALLEE_SAVED.into_iter().chain(frame);
    MachineEnv {
        preferred_regs_by_class: [
            CALLER_SAVED.into_iter().map(gpr_reg).collect(),
            (0..16).map(xmm_reg).collect(),
            PRegSet::empty(),
        ],
        non_preferred_regs_by_class: [
            kept.map(gpr_reg).collect(),
            PRegSet::empty(),
            PRegSet::empty(),
        ],
        scratch_by_class: [None; 3],
        fixed_stack_slots: Vec::new(),
    }
}

/// The function as the allocator wants to see it.
struct Input<'a> {
    code: &'a VCode,
    operands: Vec<Operand>,
    edges: Vec<Block>,
    values: Vec<VReg>,
    /// Values whose location at an instruction is asked for, without any influence on it.
    labels: Vec<(VReg, Inst, Inst, u32)>,
}

impl<'a> Input<'a> {
    fn new(code: &'a VCode) -> Self {
        let listed = code.loops.iter().flat_map(|counted| {
            let at = Inst::new(counted.inst as usize);
            counted
                .live
                .iter()
                .map(move |live| (vreg(live.vreg), at, at.next()))
        });
        let mut labels: Vec<_> = listed
            .zip(0..)
            .map(|((vreg, from, to), label)| (vreg, from, to, label))
            .collect();
        labels.sort_unstable_by_key(|label| label.0);
        Self {
            code,
            labels,
            operands: code.operands.iter().copied().map(operand).collect(),
            edges: code
                .edges
                .iter()
                .map(|&to| Block::new(to as usize))
                .collect(),
            values: code.values.iter().copied().map(vreg).collect(),
        }
    }

    fn values(&self, range: &core::ops::Range<u32>) -> &[VReg] {
        &self.values[range.start as usize..range.end as usize]
    }

    fn edges(&self, range: &core::ops::Range<u32>) -> &[Block] {
        &self.edges[range.start as usize..range.end as usize]
    }
}

fn vreg(vreg: Vreg) -> VReg {
    let class = if vreg.is_vector() {
        RegClass::Float
    } else {
        RegClass::Int
    };
    VReg::new(vreg.index() as usize, class)
}

fn operand(operand: super::vcode::Operand) -> Operand {
    let vreg = vreg(operand.vreg);
    let constraint = match operand.place {
        Place::Reg => OperandConstraint::Reg,
        Place::Any => OperandConstraint::Any,
        Place::Fixed(number) => {
            OperandConstraint::FixedReg(PReg::new(usize::from(number), vreg.class()))
        }
        Place::Tied(input) => OperandConstraint::Reuse(usize::from(input)),
    };
    let (kind, pos) = match operand.role {
        Role::Use => (OperandKind::Use, OperandPos::Early),
        Role::LateUse => (OperandKind::Use, OperandPos::Late),
        Role::Def => (OperandKind::Def, OperandPos::Late),
        Role::EarlyDef => (OperandKind::Def, OperandPos::Early),
    };
    Operand::new(vreg, constraint, kind, pos)
}

impl regalloc2::Function for Input<'_> {
    fn num_insts(&self) -> usize {
        self.code.insts.len()
    }

    fn num_blocks(&self) -> usize {
        self.code.blocks.len()
    }

    fn entry_block(&self) -> Block {
        Block::new(0)
    }

    fn block_insns(&self, block: Block) -> InstRange {
        let range = &self.code.blocks[block.index()].insts;
        InstRange::new(
            Inst::new(range.start as usize),
            Inst::new(range.end as usize),
        )
    }

    fn block_succs(&self, block: Block) -> &[Block] {
        self.edges(&self.code.blocks[block.index()].succs)
    }

    fn block_preds(&self, block: Block) -> &[Block] {
        self.edges(&self.code.blocks[block.index()].preds)
    }

    fn block_params(&self, block: Block) -> &[VReg] {
        self.values(&self.code.blocks[block.index()].params)
    }

    fn is_ret(&self, inst: Inst) -> bool {
        matches!(self.code.insts[inst.index()], MInst::Ret | MInst::Trap)
    }

    fn is_branch(&self, inst: Inst) -> bool {
        matches!(
            self.code.insts[inst.index()],
            MInst::Jump | MInst::Branch(_) | MInst::Switch(_) | MInst::Table(_)
        )
    }

    fn branch_blockparams(&self, block: Block, _: Inst, _: usize) -> &[VReg] {
        self.values(&self.code.blocks[block.index()].args)
    }

    fn inst_operands(&self, inst: Inst) -> &[Operand] {
        let (from, to) = self.code.ranges[inst.index()];
        &self.operands[from as usize..to as usize]
    }

    fn inst_clobbers(&self, inst: Inst) -> PRegSet {
        let mask = self.code.clobbers(inst.index());
        let mut set = PRegSet::empty();
        for number in 0..16 {
            if mask >> number & 1 != 0 {
                set.add(PReg::new(number, RegClass::Int));
            }
            if mask >> (16 + number) & 1 != 0 {
                set.add(xmm_reg(number));
            }
        }
        set
    }

    fn debug_value_labels(&self) -> &[(VReg, Inst, Inst, u32)] {
        &self.labels
    }

    fn num_vregs(&self) -> usize {
        self.code.num_vregs as usize
    }

    fn spillslot_size(&self, class: RegClass) -> usize {
        match class {
            RegClass::Int => 1,
            _ => (self.code.vector_bytes / 8) as usize,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::vcode::{Operand as Mention, VBlock};
    use super::*;
    use asm::Size;
    use ir::InstId;

    /// Code of one block: each instruction with its operands.
    fn code(list: &[(MInst, &[Mention])], num_vregs: u32) -> VCode {
        let mut code = VCode {
            num_vregs,
            vector_bytes: 8,
            ..VCode::default()
        };
        for &(inst, operands) in list {
            let from = code.operands.len() as u32;
            code.insts.push(inst);
            code.operands.extend_from_slice(operands);
            code.ranges.push((from, code.operands.len() as u32));
            code.origins.push(InstId(0));
        }
        let insts = 0..code.insts.len() as u32;
        code.blocks.push(VBlock {
            insts,
            ..VBlock::default()
        });
        code
    }

    /// `a + b` of two parameters.
    fn sum() -> VCode {
        let [a, b, c] = [0, 1, 2].map(|index| Vreg::new(index, false));
        code(
            &[
                (
                    MInst::Args,
                    &[Mention::to_gpr(a, Gpr::Rdi), Mention::to_gpr(b, Gpr::Rsi)],
                ),
                (
                    MInst::Add { size: Size::B32 },
                    &[Mention::def(c), Mention::reg(a), Mention::reg(b)],
                ),
                (MInst::Ret, &[Mention::in_gpr(c, Gpr::Rax)]),
            ],
            3,
        )
    }

    #[test]
    fn fixed_operands_get_their_registers_at_any_effort() {
        for effort in [Effort::Fast, Effort::Good] {
            let allocation = run(&sum(), effort).unwrap();
            assert_eq!(allocation.loc(0, 0), Loc::Gpr(Gpr::Rdi));
            assert_eq!(allocation.loc(2, 0), Loc::Gpr(Gpr::Rax));
            assert!(effort == Effort::Fast || allocation.saved.is_empty());
        }
    }

    #[test]
    fn the_checker_finds_a_wrong_register() {
        let code = sum();
        let input = Input::new(&code);
        let env = environment(&code);
        let mut output = regalloc2::run(&input, &env, &RegallocOptions::default()).unwrap();
        assert!(check(&input, &env, &output).is_ok());
        // The second input of the sum is read from where the first one is.
        let inputs = output.inst_alloc_offsets[1] as usize + 1;
        output.allocs[inputs + 1] = output.allocs[inputs];
        assert!(check(&input, &env, &output).is_err());
    }

    #[test]
    fn values_that_live_across_a_call_go_where_calls_keep_them() {
        let kept = Vreg::new(0, false);
        let mut code = code(
            &[
                (MInst::Args, &[Mention::to_gpr(kept, Gpr::Rdi)]),
                (MInst::Call(0), &[]),
                (MInst::Ret, &[Mention::in_gpr(kept, Gpr::Rax)]),
            ],
            1,
        );
        code.calls.push(super::super::vcode::CallInfo {
            target: super::super::vcode::Target::Slot(0),
            clobbers: super::super::vcode::gprs(CALLER_SAVED) | 0xffff_0000,
            foreign: false,
        });
        let allocation = run(&code, Effort::Good).unwrap();
        assert!(allocation.saved.len() == 1 || allocation.slots() == 1);
    }
}
