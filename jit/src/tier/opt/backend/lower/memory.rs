//! Loads and stores.

use super::operand::{Operands, exact_size};
use super::{Lower, Lowered, size_of};
use crate::abi::Part;
use crate::tier::opt::backend::vcode::{MInst, Mem, Operand, Src, Vreg};
use asm::{Alu, Shift, Size};
use ir::{Inst, InstId, MemFlags, Op, Value};

/// Memory ordering `seq_cst` in [`MemFlags::ordering`].
const SEQ_CST: u8 = 6;

impl Mem {
    /// The same place `bytes` further on.
    pub(super) fn offset(self, bytes: i32) -> Self {
        let (disp, overflow) = self.disp.overflowing_add(bytes);
        Self {
            disp,
            wraps: self.wraps || overflow,
            ..self
        }
    }
}

impl Lower<'_> {
    /// `Load`.
    pub(super) fn load(&mut self, id: InstId, inst: &Inst) -> Lowered {
        if self.types.vector(inst.ty).is_some() {
            return self.lanes_load(id, inst);
        }
        let dst = self.result(id)?;
        let pointer = Value(inst.args[0]);
        if self.types.int_bits(inst.ty).is_some() {
            self.type_bits(inst.ty)?;
            let bytes = self.types.layout(inst.ty).store;
            let (mem, operands) = self.address(pointer)?;
            self.load_bytes(dst, bytes, mem, &operands);
            return Ok(());
        }
        let double = self.is_double(inst.ty)?;
        let (mem, operands) = self.address(pointer)?;
        self.push_with(
            MInst::FLoad { double, mem },
            &[Operand::def(dst)],
            &operands,
        );
        Ok(())
    }

    /// `dst` = the `bytes` (1 to 8) bytes at `mem`, zero-extended.
    fn load_bytes(&mut self, dst: Vreg, bytes: u32, mem: Mem, operands: &[Operand]) {
        if bytes.is_power_of_two() {
            let from = exact_size(bytes * 8);
            let to = if from == Size::B64 {
                Size::B64
            } else {
                Size::B32
            };
            let inst = MInst::Extend {
                from,
                to,
                signed: false,
                src: Src::Mem(mem),
            };
            return self.push_with(inst, &[Operand::def(dst)], operands);
        }
        let low_bytes = 1 << bytes.ilog2();
        let (low, high, shifted) = (self.temp(), self.temp(), self.temp());
        self.load_bytes(low, low_bytes, mem, operands);
        self.load_bytes(
            high,
            bytes - low_bytes,
            mem.offset(low_bytes as i32),
            operands,
        );
        let size = size_of(bytes * 8);
        let shift = MInst::ShiftImm {
            op: Shift::Shl,
            size,
            count: low_bytes as u8 * 8,
        };
        self.push(shift, &[Operand::tied(shifted, 1), Operand::reg(high)]);
        self.alu_src(Alu::Or, size, dst, shifted, Src::Reg, &[Operand::any(low)]);
    }

    /// `Store`.
    pub(super) fn store(&mut self, inst: &Inst) -> Lowered {
        let [pointer, value, flags] = inst.args;
        let (pointer, value) = (Value(pointer), Value(value));
        if MemFlags(flags).ordering() == SEQ_CST {
            self.plain_store(inst, pointer, value)?;
            self.push(MInst::Mfence, &[]);
            return Ok(());
        }
        if self.types.int_bits(inst.ty).is_some() && self.update(inst, pointer, value)? {
            return Ok(());
        }
        self.plain_store(inst, pointer, value)
    }

    fn plain_store(&mut self, inst: &Inst, pointer: Value, value: Value) -> Lowered {
        if self.types.vector(inst.ty).is_some() {
            return self.lanes_store(inst);
        }
        if self.types.int_bits(inst.ty).is_none() {
            let double = self.is_double(inst.ty)?;
            let vreg = self.reg(value)?;
            let (mem, operands) = self.address(pointer)?;
            self.push_with(
                MInst::FStore { double, mem },
                &[Operand::reg(vreg)],
                &operands,
            );
            return Ok(());
        }
        let bits = self.type_bits(inst.ty)?;
        let bytes = self.types.layout(inst.ty).store;
        if bytes.is_power_of_two()
            && let Some(raw) = self.const_bits(value)
        {
            let raw = (raw & (u64::MAX >> (64 - bits))) as i64;
            let size = exact_size(bytes * 8);
            // Immediates are sign-extended: only a 64-bit one may not fit.
            let imm = if size == Size::B64 {
                i32::try_from(raw).ok()
            } else {
                Some(raw as i32)
            };
            if let Some(imm) = imm {
                let (mem, operands) = self.address(pointer)?;
                self.push(MInst::StoreImm { size, imm, mem }, &operands);
                return Ok(());
            }
        }
        let vreg = if bits == bytes * 8 {
            self.reg(value)?
        } else {
            self.zero_extended(value, bits)?
        };
        let (mem, operands) = self.address(pointer)?;
        self.store_bytes(vreg, bytes, mem, &operands);
        Ok(())
    }

    /// Stores the low `bytes` (1 to 8) bytes of `value`.
    pub(super) fn store_bytes(&mut self, value: Vreg, bytes: u32, mem: Mem, operands: &[Operand]) {
        if bytes.is_power_of_two() {
            let size = exact_size(bytes * 8);
            return self.push_with(MInst::Store { size, mem }, &[Operand::reg(value)], operands);
        }
        let low_bytes = 1 << bytes.ilog2();
        self.store_bytes(value, low_bytes, mem, operands);
        let high = self.temp();
        let count = low_bytes as u8 * 8;
        let shift = MInst::ShiftImm {
            op: Shift::Shr,
            size: Size::B64,
            count,
        };
        self.push(shift, &[Operand::tied(high, 1), Operand::reg(value)]);
        self.store_bytes(
            high,
            bytes - low_bytes,
            mem.offset(low_bytes as i32),
            operands,
        );
    }

    /// Stores one part into its home.
    pub(super) fn store_part(&mut self, value: Vreg, part: Part, mem: Mem, operands: &[Operand]) {
        let inst = match part {
            Part::Int(_) => MInst::Store {
                size: Size::B64,
                mem,
            },
            Part::F32 => MInst::FStore { double: false, mem },
            Part::F64 => MInst::FStore { double: true, mem },
            Part::V128 | Part::V256 => {
                return self.store_vector(value, part.home_size(), mem, operands);
            }
        };
        self.push_with(inst, &[Operand::reg(value)], operands);
    }

    /// Loads one part from its home.
    pub(super) fn load_part(&mut self, dst: Vreg, part: Part, mem: Mem, operands: &[Operand]) {
        let inst = match part {
            // Baseline code stores only the bytes that count, so a narrow value's upper half is anything.
            Part::Int(bits) => MInst::Extend {
                from: if bits <= 32 { Size::B32 } else { Size::B64 },
                to: Size::B64,
                signed: false,
                src: Src::Mem(mem),
            },
            Part::F32 => MInst::FLoad { double: false, mem },
            Part::F64 => MInst::FLoad { double: true, mem },
            Part::V128 | Part::V256 => {
                return self.load_vector(dst, part.home_size(), mem, operands);
            }
        };
        self.push_with(inst, &[Operand::def(dst)], operands);
    }

    /// A store of `load op value` to where the load reads from, as one instruction.
    fn update(&mut self, inst: &Inst, pointer: Value, value: Value) -> Lowered<bool> {
        let flags = MemFlags(inst.args[2]);
        if flags.is_volatile() || flags.ordering() > 1 {
            return Ok(false);
        }
        let (leaf, _) = self.leaf(value, 0);
        let Some((id, binary)) = self.def(leaf) else {
            return Ok(false);
        };
        let binary = *binary;
        let op = match binary.op {
            Op::Add => Alu::Add,
            Op::Sub => Alu::Sub,
            Op::And => Alu::And,
            Op::Or => Alu::Or,
            Op::Xor => Alu::Xor,
            _ => return Ok(false),
        };
        let bits = self.type_bits(inst.ty)?;
        let fits = self.types.int_bits(binary.ty) == Some(bits) && matches!(bits, 8 | 16 | 32 | 64);
        let here = self.block_of[id.index()] == self.block;
        if !fits || !here || self.is_wanted(id) || !self.is_sole(value) {
            return Ok(false);
        }
        let [a, b, _] = binary.values();
        let size = exact_size(bits);
        let other = if self.reads(a, size, pointer) {
            b
        } else if op != Alu::Sub && self.reads(b, size, pointer) {
            a
        } else {
            return Ok(false);
        };
        if let Some(imm) = self.imm_of(other, bits) {
            let (mem, operands) = self.address(pointer)?;
            self.push(MInst::AluMemImm { op, size, imm, mem }, &operands);
        } else {
            let other = self.reg(other)?;
            let (mem, operands) = self.address(pointer)?;
            self.push_with(
                MInst::AluMem { op, size, mem },
                &[Operand::reg(other)],
                &operands,
            );
        }
        Ok(true)
    }

    /// Whether `value` is a load, which the root may do, from `pointer`.
    fn reads(&self, value: Value, size: Size, pointer: Value) -> bool {
        let from = |load: Inst| self.leaf(Value(load.args[0]), 0) == self.leaf(pointer, 0);
        self.sinkable_int(value, size).is_some_and(from)
    }

    /// `DynAlloca`: the count times the element's size, rounded up.
    pub(super) fn dynamic_alloca(&mut self, id: InstId, inst: &Inst) -> Lowered {
        let [count, align_log2, bytes] = inst.args;
        let dst = self.result(id)?;
        let bits = self.bits(Value(count))?;
        let count = self.zero_extended(Value(count), bits)?;
        let total = if bytes == 1 {
            count
        } else {
            let total = self.temp();
            let bytes = i32::try_from(bytes).expect("the verifier bounds elements (MAX_BYTES)");
            self.multiply_by(total, count, bytes, Size::B64);
            total
        };
        self.code.moves_rsp = true;
        self.code.frame_pointer = true;
        let scratch = self.temp();
        let operands: Operands = [
            Operand::early(dst),
            Operand::early(scratch),
            Operand::reg(total),
        ]
        .into_iter()
        .collect();
        self.push(
            MInst::DynAlloca {
                align: 1 << align_log2.max(4),
            },
            &operands,
        );
        Ok(())
    }
}
