//! The code pass: walks the blocks and sends each instruction to the file that selects code for it.

use super::analysis::Analysis;
use super::assign::{Assignment, Reservation};
use super::branch::Carry;
use super::counting::{Cold, Lives};
use super::frame::Frame;
use super::layout::Layout;
use super::moves::Move;
use super::phi::PhiInputs;
use super::regs::Regs;
use super::value::{Ix, Reg, Val, index};
use crate::abi;
use crate::tier::{Compiled, Declined, Job, Reloc, SideTables};
use alloc::vec::Vec;
use asm::{CodeBuffer, Cond, Enc, Label, Mem, Size, Unary};
use ir::{BlockId, Body, Inst, InstId, Op, Value};

/// About the mean length of the code of an instruction.
const BYTES_PER_INST: usize = 9;

/// Not less than what sets up a frame, takes it down and counts takes mostly.
const BYTES_PER_FUNCTION: usize = 128;

/// Everything that is known while code is emitted.
#[derive(Debug)]
pub(super) struct Emitter<'a> {
    pub(super) job: &'a Job<'a>,
    pub(super) body: &'a Body,
    pub(super) layout: &'a Layout,
    pub(super) phis: PhiInputs,
    pub(super) vals: Vec<Val>,
    /// Number of parameters: instruction *n* is value `params + n`.
    pub(super) params: u32,
    pub(super) returns_twice: bool,
    /// Some constant is the address of a thread-local variable.
    pub(super) has_thread_locals: bool,
    /// Some value has 256 bits: other code must not be called with upper lanes in use.
    pub(super) dirties_upper_lanes: bool,
    pub(super) asm: CodeBuffer,
    /// How scalar floating-point instructions are encoded.
    pub(super) enc: Enc,
    pub(super) regs: Regs,
    pub(super) reserved: Vec<Reservation>,
    pub(super) frame: Frame,
    pub(super) tables: SideTables,
    /// Position and number of the instruction being emitted, and its block.
    pub(super) position: u32,
    pub(super) at: InstId,
    pub(super) block: BlockId,
    /// The block whose code comes after this one's.
    pub(super) next: Option<BlockId>,
    /// Where each block begins.
    pub(super) labels: Vec<Label>,
    /// By loop: where its counter's cold code begins.
    pub(super) cold_loops: Vec<Option<Label>>,
    pub(super) cold: Vec<Cold>,
    /// A comparison that its only user, the next instruction, emits.
    pub(super) fused: Option<InstId>,
    /// The code offset at which the flags tell whether this value is zero.
    pub(super) zero_flag: (u32, Ix),
    /// What the next block may assume.
    pub(super) carry: Carry,
    /// Moves being collected.
    pub(super) moves: Vec<Move>,
    /// Home of the variadic image's address.
    pub(super) image_home: i32,
    /// What lives at loop headers.
    pub(super) lives: Lives,
}

impl<'a> Emitter<'a> {
    pub(super) fn new(
        job: &'a Job<'a>,
        body: &'a Body,
        layout: &'a Layout,
        analysis: Analysis,
        assignment: Assignment,
    ) -> Self {
        let mut asm = CodeBuffer::new();
        asm.reserve(
            body.insts.len() * BYTES_PER_INST + BYTES_PER_FUNCTION,
            body.blocks.len() + layout.loops.len(),
        );
        let labels = body.blocks.iter().map(|_| asm.label()).collect();
        Self {
            job,
            body,
            layout,
            phis: analysis.phis,
            lives: Lives::new(analysis.candidates, &analysis.vals, layout),
            vals: analysis.vals,
            params: body.params.len() as u32,
            returns_twice: analysis.returns_twice,
            has_thread_locals: analysis.has_thread_locals,
            dirties_upper_lanes: analysis.has_wide_vectors,
            asm,
            enc: if job.cpu.avx {
                Enc::Vex128
            } else {
                Enc::Legacy
            },
            regs: Regs::new(),
            reserved: assignment.reserved,
            frame: Frame::new(assignment.saved),
            tables: SideTables {
                // About one in three instructions may fault.
                insts: Vec::with_capacity(body.insts.len() / 3 + 4),
                returns: Vec::with_capacity(analysis.calls.len() + layout.loops.len() + 1),
                loops: Vec::with_capacity(layout.loops.len()),
                ..SideTables::default()
            },
            position: 0,
            at: InstId(0),
            block: BlockId(0),
            next: None,
            labels,
            cold_loops: alloc::vec![None; layout.loops.len()],
            cold: Vec::with_capacity(layout.loops.len() + 1),
            fused: None,
            zero_flag: (0, super::value::NO_IX),
            carry: Carry::Keep,
            moves: Vec::with_capacity(8),
            image_home: 0,
        }
    }

    /// The number of a value; `None` for constants.
    #[inline(always)]
    pub(super) fn index(&self, value: Value) -> Option<Ix> {
        index(value, self.params)
    }

    /// The number of an instruction's result.
    pub(super) fn result(&self, id: InstId) -> Ix {
        self.params + id.0
    }

    /// Says by name that `what`, met at the current instruction, is not supported.
    pub(super) fn unsupported<T>(&self, what: &'static str) -> Result<T, Declined> {
        Err(Declined::Unsupported(what, self.at))
    }

    /// Notes that code from here on comes from instruction `id`, and may fault.
    pub(super) fn note(&mut self, id: InstId) {
        let here = self.asm.offset().0;
        match self.tables.insts.last_mut() {
            Some(last) if last.1 == id => {}
            Some(last) if last.0 == here => last.1 = id,
            _ => self.tables.insts.push((here, id)),
        }
    }

    /// The code of all blocks.
    pub(super) fn blocks(&mut self) -> Result<(), Declined> {
        for at in 0..self.layout.order.len() {
            self.next = self.layout.order.get(at + 1).copied();
            self.block(self.layout.order[at])?;
            if self.asm.overflowed() || self.frame.is_too_large() || self.regs.exhausted.is_some() {
                break;
            }
        }
        Ok(())
    }

    fn block(&mut self, id: BlockId) -> Result<(), Declined> {
        let place = self.layout.place(id);
        if self.carry == Carry::Nothing {
            self.reset();
        }
        self.carry = Carry::Nothing;
        self.block = id;
        let label = self.labels[id.index()];
        self.asm.bind(label);
        self.begin(place.start);
        self.begin_loop(id);
        let body = self.body;
        let block = body.block(id);
        let insts = &body.insts[block.start as usize..block.end as usize];
        for (number, inst) in (0..).zip(insts) {
            self.begin(place.start + number);
            self.at = InstId(block.start + number);
            self.inst(self.at, inst)?;
        }
        Ok(())
    }

    #[inline(always)]
    fn inst(&mut self, id: InstId, inst: &Inst) -> Result<(), Declined> {
        match inst.op {
            Op::Phi => self.phi(id),
            Op::Add | Op::Sub | Op::Mul | Op::Shl | Op::LShr | Op::AShr => {
                self.int_binary(id, inst)
            }
            Op::And | Op::Or | Op::Xor | Op::UDiv | Op::SDiv | Op::URem | Op::SRem => {
                self.int_binary(id, inst)
            }
            Op::ICmp | Op::FCmp => self.compare(id, inst),
            Op::Trunc | Op::ZExt | Op::SExt | Op::FpToUi | Op::FpToSi | Op::UiToFp => {
                self.cast(id, inst)
            }
            Op::SiToFp | Op::FpTrunc | Op::FpExt | Op::PtrToInt | Op::IntToPtr | Op::Bitcast => {
                self.cast(id, inst)
            }
            Op::FAdd | Op::FSub | Op::FMul | Op::FDiv | Op::FRem => self.float_binary(id, inst),
            Op::FNeg => self.float_negate(id, inst),
            Op::Freeze => self.freeze(id, inst),
            Op::Select => self.select(id, inst),
            Op::Load => self.load(id, inst),
            Op::Store => self.store(inst),
            Op::Alloca => self.alloca(id, inst),
            Op::PtrAdd => self.ptr_add(id, inst),
            Op::Call | Op::CallIndirect => self.call(id, inst),
            Op::Br | Op::CondBr | Op::Switch | Op::IndirectBr | Op::Ret | Op::Unreachable => {
                self.terminator(inst)
            }
            Op::DynAlloca => self.dynamic_alloca(id, inst),
            Op::Intrinsic => self.intrinsic(id, inst),
            Op::ExtractValue => self.extract_value(id, inst),
            Op::InsertValue => self.insert_value(id, inst),
            Op::AtomicRmw => self.atomic(id, inst),
            Op::CmpXchg => self.compare_exchange(id, inst),
            Op::Fence => self.fence(inst),
            Op::Shuffle => self.shuffle(id, inst),
            Op::ExtractElement => self.extract_lane(id, inst),
            Op::InsertElement => self.insert_lane(id, inst),
        }
    }

    /// A phi's value is where the edges put it.
    fn phi(&mut self, id: InstId) -> Result<(), Declined> {
        let ix = self.result(id);
        let more = u32::from(self.vals[ix as usize].more);
        let extra = self.vals[ix as usize].extra;
        for part in core::iter::once(ix).chain((0..more).map(|part| extra + part)) {
            let val = &mut self.vals[part as usize];
            val.reg = val.fixed;
            if !val.fixed.is_some() {
                self.home_of(part);
                self.vals[part as usize].flags |= Val::STORED;
            }
        }
        Ok(())
    }

    /// Sets up the frame, counts the call and fetches the parameters.
    pub(super) fn prologue(&mut self) -> Result<(), Declined> {
        self.enter_frame();
        if self.job.counting {
            let label = self.asm.label();
            let counter = abi::gs::calls(self.instance_func());
            self.asm
                .unary(Unary::Dec, Size::B32, Mem::gs(counter as i32));
            self.asm.jcc(Cond::S, label);
            let back = self.asm.here();
            self.cold.push(Cold::Entry { label, back });
        }
        self.begin(0);
        self.parameters()
    }

    /// The function's number in the instance.
    pub(super) fn instance_func(&self) -> u32 {
        self.job.bindings.funcs[self.job.func.index()]
    }

    /// Emits the cold code and hands out the result.
    pub(super) fn finish(mut self) -> Result<Compiled, Declined> {
        for cold in core::mem::take(&mut self.cold) {
            self.cold(cold);
        }
        self.finish_frame();
        if self.frame.is_too_large() {
            return Err(Declined::LimitExceeded("frame size"));
        }
        if let Some(at) = self.regs.exhausted {
            return Err(Declined::Unsupported(
                "operands for which registers run out",
                at,
            ));
        }
        self.tables.loops.sort_by_key(|point| point.header);
        let too_large = |_| Declined::LimitExceeded("code size");
        let apart = self.asm.finalize_apart().map_err(too_large)?;
        let relocs = apart.references.iter().map(|r| Reloc::CodeToRodata {
            at: r.at.0,
            end: r.end.0,
            to: r.to,
        });
        let entries = apart.entries.iter().map(|e| Reloc::TableToCode {
            at: e.at,
            table: e.table,
            to: e.to.0,
        });
        Ok(Compiled {
            code: apart.text.to_vec(),
            rodata: apart.data.to_vec(),
            relocs: relocs.chain(entries).collect(),
            tables: self.tables,
        })
    }

    /// Copies a part from register to register.
    pub(super) fn copy(&mut self, to: Reg, from: Reg, part: abi::Part) {
        if to == from {
            return;
        }
        match part {
            abi::Part::Int(0..=32) => self.asm.mov(Size::B32, to.gpr(), from.gpr()),
            abi::Part::Int(_) => self.asm.mov(Size::B64, to.gpr(), from.gpr()),
            _ => self.asm.vec_mov(self.enc_of(part), to.xmm(), from.xmm()),
        }
    }
}
