//! Machine code with virtual registers: what selection makes, allocation fills in, emission writes.
//!
//! An instruction ([`MInst`]) says what is done and what *shape* its operands have; which virtual
//! registers they are stands in one flat list of [`Operand`]s. So an instruction is small, copying one
//! is cheap, and the allocator's answer is a list parallel to the operands that emission reads from
//! left to right.
//!
//! # Order of an instruction's operands
//!
//! Results first, then register inputs in the order in which the variant names them, then the base
//! and the index of its memory operand if it has one. A result *tied* to an input gets that input's register.
//!
//! # Invariants
//!
//! V1. A virtual register has one definition, which dominates its uses; a block's parameters count as
//!     definitions at its start, and only a block whose terminator has one successor passes arguments.
//! V2. No edge is critical: a block with several successors is the only predecessor of each.
//! V3. An instruction that reads the flags directly follows the one that sets them. The allocator
//!     puts only moves between them, which leave the flags alone.
//! V4. `i32` and pointers are zero-extended in their registers; of narrower integers the upper
//!     bits are unspecified.

use crate::tier::flags::Test;
use alloc::vec::Vec;
use asm::{
    Alu, Cond, Fp, FpOp, Gpr, Plain, Scale, Shift, Size, Unary, VecBin, VecBinImm, VecBlend,
    VecLoad, VecMerge, VecShift, VecSigns, VecStore, VecUn, VecUnImm, X87Mem, X87Stack, Xmm,
};
use core::ops::Range;
use ir::InstId;

/// A virtual register; the lowest bit is set for a vector register.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Vreg(pub(super) u32);

impl Vreg {
    /// Number `index`, in a vector register if `vector`.
    pub(super) fn new(index: u32, vector: bool) -> Self {
        Self(index << 1 | u32::from(vector))
    }

    /// Its number.
    pub(super) fn index(self) -> u32 {
        self.0 >> 1
    }

    /// Whether it lives in a vector register.
    pub(super) fn is_vector(self) -> bool {
        self.0 & 1 != 0
    }
}

/// Where an operand must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// In a register.
    Reg,
    /// In a register or a spill slot.
    Any,
    /// In this register of the operand's class.
    Fixed(u8),
    /// A result in the register of operand number `.0`.
    Tied(u8),
}

/// How an operand takes part in its instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    /// Read before any result is written.
    Use,
    /// Read after results may have been written: shares no register with one.
    LateUse,
    /// Written when the inputs have been read.
    Def,
    /// Written while inputs are still read: shares no register with one.
    EarlyDef,
}

/// One mention of a virtual register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Operand {
    /// Which.
    pub(super) vreg: Vreg,
    /// Where it must be.
    pub(super) place: Place,
    /// What happens to it.
    pub(super) role: Role,
}

/// Short ways to write operands.
impl Operand {
    const fn new(vreg: Vreg, place: Place, role: Role) -> Self {
        Self { vreg, place, role }
    }

    /// An input in a register.
    pub(super) const fn reg(vreg: Vreg) -> Self {
        Self::new(vreg, Place::Reg, Role::Use)
    }

    /// An input in a register or a spill slot.
    pub(super) const fn any(vreg: Vreg) -> Self {
        Self::new(vreg, Place::Any, Role::Use)
    }

    /// An input that outlives the writing of results.
    pub(super) const fn late(vreg: Vreg) -> Self {
        Self::new(vreg, Place::Reg, Role::LateUse)
    }

    /// An input in a register or a spill slot that outlives the writing of results.
    pub(super) const fn any_late(vreg: Vreg) -> Self {
        Self::new(vreg, Place::Any, Role::LateUse)
    }

    /// A result.
    pub(super) const fn def(vreg: Vreg) -> Self {
        Self::new(vreg, Place::Reg, Role::Def)
    }

    /// A result, or a scratch register, that is written while inputs are still read.
    pub(super) const fn early(vreg: Vreg) -> Self {
        Self::new(vreg, Place::Reg, Role::EarlyDef)
    }

    /// A result in the register of operand `input`.
    pub(super) const fn tied(vreg: Vreg, input: u8) -> Self {
        Self::new(vreg, Place::Tied(input), Role::Def)
    }

    /// An input in the general register `gpr`.
    pub(super) const fn in_gpr(vreg: Vreg, gpr: Gpr) -> Self {
        Self::new(vreg, Place::Fixed(gpr.number()), Role::Use)
    }

    /// A result in the general register `gpr`.
    pub(super) const fn to_gpr(vreg: Vreg, gpr: Gpr) -> Self {
        Self::new(vreg, Place::Fixed(gpr.number()), Role::Def)
    }

    /// An input in the vector register `xmm`.
    pub(super) const fn in_xmm(vreg: Vreg, xmm: Xmm) -> Self {
        Self::new(vreg, Place::Fixed(xmm.number()), Role::Use)
    }

    /// A result in the vector register `xmm`.
    pub(super) const fn to_xmm(vreg: Vreg, xmm: Xmm) -> Self {
        Self::new(vreg, Place::Fixed(xmm.number()), Role::Def)
    }
}

/// What a memory operand's address starts from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Base {
    /// Nothing: an absolute address.
    None,
    /// A register, the next operand.
    Reg,
    /// The static allocas.
    Alloca,
    /// The caller's stack arguments.
    Incoming,
    /// This function's outgoing arguments, at `rsp`.
    Outgoing,
    /// Constant number `disp` of [`VCode::constants`]; no index.
    Constant,
    /// The core's GS block; no index.
    Gs,
}

/// The shape of a memory operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Mem {
    /// Displacement in bytes.
    pub(super) disp: i32,
    /// What it counts from.
    pub(super) base: Base,
    /// The scale of the index register, the operand after the base, if there is one.
    pub(super) index: Option<Scale>,
    /// Whether the sum is taken modulo 2^32 (prefix 0x67).
    pub(super) wraps: bool,
}

impl Mem {
    /// `disp` bytes from `base`, which is not a register.
    pub(super) fn at(base: Base, disp: i32) -> Self {
        Self {
            disp,
            base,
            index: None,
            wraps: false,
        }
    }
}

/// The second input of an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Src {
    /// A register or spill slot.
    Reg,
    /// Memory.
    Mem(Mem),
    /// A constant, sign-extended to the operation's size.
    Imm(i32),
}

/// Where a call goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Target {
    /// Through the dispatch slot at this address.
    Slot(u32),
    /// To the address in the last operand.
    Reg,
}

/// A read-modify-write of memory that is one instruction with a `lock` prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Locked {
    /// `xchg`: the result is the old value.
    Xchg,
    /// `lock xadd`: the result is the old value.
    Xadd,
    /// `lock op`, no result.
    Alu(Alu),
}

/// What a compare-and-exchange loop computes from the old value and the operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Combine {
    /// An operation of two operands.
    Alu(Alu),
    /// Not of `and`.
    Nand,
    /// The operand if the condition holds after `cmp old, operand`, else the old value.
    Choose(Cond),
}

/// One machine instruction, or a short fixed sequence. Operands as the head of this file says;
/// those named in the comments come in that order.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum MInst {
    /// Results: the parameters in their registers.
    Args,
    /// `dst = value`.
    Imm(u64),
    /// `dst = src`; any class, the input may be in a spill slot.
    Copy,
    /// `dst = +0.0`.
    FZero,
    /// `dst = src` extended from `from` to `to`; from memory it is the load of an integer.
    Extend {
        from: Size,
        to: Size,
        signed: bool,
        src: Src,
    },
    /// `mem = value`.
    Store { size: Size, mem: Mem },
    /// `mem = imm`.
    StoreImm { size: Size, imm: i32, mem: Mem },
    /// `dst = address`.
    Lea { size: Size, mem: Mem },
    /// `dst = lhs + rhs`, without a tie.
    Add { size: Size },
    /// `dst = lhs + imm`, without a tie.
    AddImm { size: Size, imm: i32 },
    /// `dst = lhs << count` for a count of 1 to 3, without a tie.
    ShlLea { size: Size, count: u8 },
    /// `dst = lhs op src`, tied to `lhs`.
    Alu { op: Alu, size: Size, src: Src },
    /// `mem = mem op value`.
    AluMem { op: Alu, size: Size, mem: Mem },
    /// `mem = mem op imm`.
    AluMemImm {
        op: Alu,
        size: Size,
        imm: i32,
        mem: Mem,
    },
    /// `not` or `neg`, tied.
    Unary { op: Unary, size: Size },
    /// `dst = lhs * src`, tied.
    Mul { size: Size, src: Src },
    /// `dst = src * imm`.
    MulImm { size: Size, imm: i32, src: Src },
    /// The full product of `rax` and `src` in `rax` and `rdx`.
    MulWide { op: Unary, size: Size },
    /// Shift or rotate by a constant, tied.
    ShiftImm { op: Shift, size: Size, count: u8 },
    /// Shift or rotate by `cl`, tied.
    ShiftCl { op: Shift, size: Size },
    /// `dst = src shifted by count`, with BMI2.
    ShiftX { op: Shift, size: Size },
    /// `lhs` shifted by `count` with bits of the second input coming in, tied.
    ShiftDoubleImm { left: bool, size: Size, count: u8 },
    /// As before by `cl`.
    ShiftDoubleCl { left: bool, size: Size },
    /// `dst = bits of src`.
    BitCount { op: asm::BitCount, size: Size },
    /// Bytes reversed, tied.
    Bswap { size: Size },
    /// `rax` (and its extension in `rdx`) divided by the second input. Result in `rax` or `rdx`.
    Div { size: Size, signed: bool },
    /// Flags of `lhs - src`.
    Cmp { size: Size, src: Src },
    /// Flags of `mem - value`.
    CmpMem { size: Size, mem: Mem },
    /// Flags of `mem - imm`.
    CmpMemImm { size: Size, imm: i32, mem: Mem },
    /// Flags of `lhs & src`.
    Test { size: Size, src: Src },
    /// Flags of `mem & imm`.
    TestMemImm { size: Size, imm: i32, mem: Mem },
    /// Flags of the comparison of two floats.
    FCmp { double: bool, src: Src },
    /// `dst = 1 if test else 0`; `EitherOf` and `Both` need a scratch register as second result.
    Set(Test),
    /// `dst = src if test else lhs`, tied to `lhs`.
    Cmov { test: Test, size: Size, src: Src },
    /// The same with vector registers.
    FSelect(Test),
    /// `dst = mem`, one scalar.
    FLoad { double: bool, mem: Mem },
    /// `mem = value`, one scalar.
    FStore { double: bool, mem: Mem },
    /// `dst = lhs op src`; tied without AVX.
    FBin { op: FpOp, double: bool, src: Src },
    /// `dst = src` converted or rooted; upper lanes do not matter.
    FConvert { op: VecBin, src: Src },
    /// `dst = src` rounded to an integer as `mode` says (SSE4.1).
    FRound { double: bool, mode: u8 },
    /// `dst = a * b + c` rounded once (FMA): tied to `a`.
    FFma { fp: Fp, wide: bool, src: Src },
    /// Integer of `size` to float.
    FromInt { fp: Fp, size: Size },
    /// Float to integer of `size`, truncating.
    ToInt { fp: Fp, size: Size },
    /// The bits of a general register in a vector register.
    MovToVec { size: Size },
    /// The bits of a vector register in a general register.
    MovFromVec { size: Size },
    /// `dst = mem`. Here and below `wide` is 256 bits instead of 128.
    VLoad { op: VecLoad, wide: bool, mem: Mem },
    /// `mem = value`.
    VStore { op: VecStore, wide: bool, mem: Mem },
    /// `dst = lhs op src`; tied without AVX.
    VBin { op: VecBin, wide: bool, src: Src },
    /// `dst = lhs op src` with an immediate; tied without AVX.
    VBinImm {
        op: VecBinImm,
        imm: u8,
        wide: bool,
        src: Src,
    },
    /// `dst = op src`.
    VUn { op: VecUn, wide: bool, src: Src },
    /// `dst = op src` with an immediate.
    VUnImm {
        op: VecUnImm,
        imm: u8,
        wide: bool,
        src: Src,
    },
    /// `dst = lhs` with a part of the second input; tied without AVX.
    VMerge { op: VecMerge },
    /// `dst` = lanes of `lhs` shifted; tied without AVX.
    VShift { op: VecShift, count: u8, wide: bool },
    /// `dst` = second input where the third, a mask, has its lane's top bit set, else `lhs`. Without AVX
    /// tied, and the mask is in `xmm0`.
    VBlend { op: VecBlend, wide: bool },
    /// `dst` = all bits set.
    VOnes { wide: bool },
    /// `dst = lhs` with a lane from a general register or memory; tied without AVX.
    VInsert { size: Size, lane: u8, src: Src },
    /// General `dst` = a lane (SSE4.1).
    VLane { size: Size, lane: u8 },
    /// General `dst` = top bits of the lanes.
    VSigns { op: VecSigns, wide: bool },
    /// `dst` = singles rounded to halves (F16C).
    VToHalf { wide: bool },
    /// `dst` = upper half of a register of 256 bits.
    VUpper,
    /// `mem` = upper half of a register of 256 bits.
    VUpperStore { mem: Mem },
    /// x87 operation on memory. It uses the x87 stack, which is empty between roots.
    X87Mem { op: X87Mem, mem: Mem },
    /// x87 operation on its stack.
    X87Stack { op: X87Stack, index: u8 },
    /// The remainder of the x87 stack's top by the number below it, which stays. Clobbers `rax`.
    X87Remainder,
    /// An instruction without operands.
    Plain(Plain),
    /// `fprem` loop on two scalars; `dst = fmod(a, b)`. Clobbers `rax`.
    FRem { double: bool },
    /// `lock` operation.
    Locked { op: Locked, size: Size, mem: Mem },
    /// Compare-and-exchange loop: results old value (`rax`) and scratch; input operand.
    AtomicLoop { op: Combine, size: Size, mem: Mem },
    /// `lock cmpxchg`: result old value (`rax`), inputs expected (`rax`), new.
    CmpXchg { size: Size, mem: Mem },
    /// `mfence`.
    Mfence,
    /// Copies `rcx` bytes from `rsi` to `rdi`, upwards.
    RepMovs,
    /// Lowers `rsp` by the input rounded up to `align`, probing; `dst` = the new block.
    DynAlloca { align: u32 },
    /// `dst = rsp`.
    StackSave,
    /// `rsp = input`.
    StackRestore,
    /// A call; `calls[.0]` says how.
    Call(u32),
    /// Returns; the results are inputs in their registers.
    Ret,
    /// `ud2` at the end of a block.
    Trap,
    /// `ud2` on the way.
    Ud2,
    /// Counts an iteration of loop `loops[.0]`.
    LoopCount(u32),
    /// To the block's only successor.
    Jump,
    /// To the first successor if the test holds, else to the second.
    Branch(Test),
    /// Compares the input with the ranges of `switches[.0]`; early result: scratch.
    Switch(u32),
    /// Through the table of `switches[.0]`; two early results: scratch.
    Table(u32),
}

impl MInst {
    /// Whether the next instruction may read the flags that this one sets.
    pub(super) fn sets_flags(self) -> bool {
        matches!(
            self,
            Self::Cmp { .. }
                | Self::CmpMem { .. }
                | Self::CmpMemImm { .. }
                | Self::Test { .. }
                | Self::TestMemImm { .. }
                | Self::FCmp { .. }
                | Self::Alu { .. }
                | Self::Mul { .. }
                | Self::MulImm { .. }
                | Self::MulWide { .. }
                | Self::CmpXchg { .. }
                | Self::BitCount { .. }
                | Self::X87Stack { .. }
        )
    }

    /// Whether it reads flags.
    pub(super) fn reads_flags(self) -> bool {
        matches!(
            self,
            Self::Set(_) | Self::Cmov { .. } | Self::FSelect(_) | Self::Branch(_)
        )
    }
}

/// How a call is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct CallInfo {
    /// Where to.
    pub(super) target: Target,
    /// Registers lost, results excepted: bits 0–15 general, 16–31 vector.
    pub(super) clobbers: u32,
    /// The callee may be no code of a tier: it wants the upper halves of vector registers clean.
    pub(super) foreign: bool,
}

/// A multi-way branch.
#[derive(Clone, Debug)]
pub(super) struct SwitchInfo {
    /// Width of the comparison.
    pub(super) size: Size,
    /// Successor number for what no range holds, or [`TRAP`](Self::TRAP).
    pub(super) default: u32,
    /// (lowest, highest, successor number), ascending, disjoint.
    pub(super) ranges: Vec<(u64, u64, u32)>,
    /// Of a table: its lowest value; entry *n* is the successor for `low + n`.
    pub(super) low: u64,
    /// Of a table: the successors.
    pub(super) table: Vec<u32>,
    /// It is a computed goto.
    pub(super) computed: bool,
}

impl SwitchInfo {
    /// No successor: a trap.
    pub(super) const TRAP: u32 = u32::MAX;
}

/// A value part that may live at a loop header.
#[derive(Clone, Copy, Debug)]
pub(super) struct LiveValue {
    /// The value, of the body given to the back end.
    pub(super) value: ir::Value,
    /// Which part of it.
    pub(super) part: u8,
    /// What that is.
    pub(super) kind: crate::abi::Part,
    /// Where it is kept.
    pub(super) vreg: Vreg,
}

/// A loop that is counted.
#[derive(Clone, Debug)]
pub(super) struct CountedLoop {
    /// Its number in the body given to the back end.
    pub(super) number: u32,
    /// Its header.
    pub(super) header: ir::BlockId,
    /// Position of its `LoopCount`.
    pub(super) inst: u32,
    /// Its first value's position among all that loops list.
    pub(super) label: u32,
    /// What may live there.
    pub(super) live: Vec<LiveValue>,
}

/// A run of instructions with one entrance and one exit.
#[derive(Clone, Debug, Default)]
pub(super) struct VBlock {
    /// Its instructions.
    pub(super) insts: Range<u32>,
    /// In `VCode::edges`.
    pub(super) succs: Range<u32>,
    /// In `VCode::edges`.
    pub(super) preds: Range<u32>,
    /// In `VCode::values`: virtual registers defined at its start.
    pub(super) params: Range<u32>,
    /// In `VCode::values`: what it passes to its only successor.
    pub(super) args: Range<u32>,
    /// Nesting of loops around it.
    pub(super) depth: u32,
    /// Rarely executed.
    pub(super) cold: bool,
    /// Header of an innermost loop.
    pub(super) is_header: bool,
}

/// A function between selection and emission.
#[derive(Debug, Default)]
pub(super) struct VCode {
    /// Instructions, block by block.
    pub(super) insts: Vec<MInst>,
    /// Parallel to `insts`: where their operands begin and end in `operands`.
    pub(super) ranges: Vec<(u32, u32)>,
    /// Parallel to `insts`: where it comes from.
    pub(super) origins: Vec<InstId>,
    /// Operands of all instructions.
    pub(super) operands: Vec<Operand>,
    /// Blocks in an order in which definitions come before uses; the first is the entry.
    pub(super) blocks: Vec<VBlock>,
    /// Block numbers: successors and predecessors.
    pub(super) edges: Vec<u32>,
    /// Parameters and arguments of blocks.
    pub(super) values: Vec<Vreg>,
    /// Number of virtual registers.
    pub(super) num_vregs: u32,
    /// Details of calls.
    pub(super) calls: Vec<CallInfo>,
    /// Details of multi-way branches.
    pub(super) switches: Vec<SwitchInfo>,
    /// Counted loops.
    pub(super) loops: Vec<CountedLoop>,
    /// Constants in memory, 4, 8, 16 or 32 bytes each: low and high half, size.
    pub(super) constants: Vec<([u128; 2], u8)>,
    /// Bytes of a vector register that values use: 8, 16 or 32.
    pub(super) vector_bytes: u32,
    /// Bytes of the static allocas.
    pub(super) alloca_bytes: u32,
    /// Bytes of outgoing arguments.
    pub(super) outgoing: u32,
    /// Whether `rsp` moves in the body.
    pub(super) moves_rsp: bool,
    /// Whether `rbp` must be a frame pointer.
    pub(super) frame_pointer: bool,
}

impl VCode {
    /// The operands of instruction `at`.
    pub(super) fn operands(&self, at: usize) -> &[Operand] {
        let (from, to) = self.ranges[at];
        &self.operands[from as usize..to as usize]
    }

    /// Numbers of the successors of block `at`.
    pub(super) fn succs(&self, at: usize) -> &[u32] {
        let range = &self.blocks[at].succs;
        &self.edges[range.start as usize..range.end as usize]
    }
}

/// The bits of general registers in a set of registers.
pub(super) const fn gprs<const N: usize>(list: [Gpr; N]) -> u32 {
    let mut mask = 0;
    let mut at = 0;
    while at < N {
        mask |= 1 << list[at].number();
        at += 1;
    }
    mask
}

impl VCode {
    /// Registers that instruction `at` writes besides its results: bits 0–15 general, 16–31 vector.
    pub(super) fn clobbers(&self, at: usize) -> u32 {
        match self.insts[at] {
            MInst::Call(call) => self.calls[call as usize].clobbers,
            MInst::Div { .. } => {
                let both = gprs([Gpr::Rax, Gpr::Rdx]);
                match self.operands(at)[0].place {
                    Place::Fixed(result) => both & !(1 << result),
                    _ => both,
                }
            }
            MInst::RepMovs => gprs([Gpr::Rcx, Gpr::Rsi, Gpr::Rdi]),
            MInst::FRem { .. } | MInst::X87Remainder => gprs([Gpr::Rax]),
            _ => 0,
        }
    }
}
