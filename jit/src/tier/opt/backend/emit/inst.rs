//! One machine instruction after the other.

use super::{Emit, Here, Origins, fault};
use crate::tier::flags::Test;
use crate::tier::opt::backend::frame;
use crate::tier::opt::backend::regalloc::Loc;
use crate::tier::opt::backend::vcode::{Base, Combine, Locked, MInst, Mem, Src, Target};
use asm::{Alu, Cond, Gpr, Plain, Rm, Scale, Shift, ShiftDouble, ShiftX, Size, Unary, Xmm};

/// The operands of one instruction, read from left to right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ops {
    inst: u32,
    next: u32,
}

/// A second input with its registers.
#[derive(Clone, Copy, Debug)]
enum Input {
    Rm(Rm<Gpr>),
    Imm(i32),
}

impl Emit<'_> {
    pub(super) fn loc(&self, ops: &mut Ops) -> Loc {
        ops.next += 1;
        self.allocation.loc(ops.inst, ops.next - 1)
    }

    pub(super) fn gpr(&self, ops: &mut Ops) -> Gpr {
        Self::gpr_of(self.loc(ops))
    }

    pub(super) fn xmm(&self, ops: &mut Ops) -> Xmm {
        match self.loc(ops) {
            Loc::Xmm(xmm) => xmm,
            _ => unreachable!("the operand's place is a vector register"),
        }
    }

    pub(super) fn rm(&self, ops: &mut Ops) -> Rm<Gpr> {
        match self.loc(ops) {
            Loc::Gpr(gpr) => Rm::Reg(gpr),
            Loc::Slot(slot) => Rm::Mem(self.frame.slot(slot)),
            Loc::Xmm(_) => unreachable!("the operand's class is general"),
        }
    }

    fn vec_rm(&self, ops: &mut Ops) -> Rm<Xmm> {
        match self.loc(ops) {
            Loc::Xmm(xmm) => Rm::Reg(xmm),
            Loc::Slot(slot) => Rm::Mem(self.frame.slot(slot)),
            Loc::Gpr(_) => unreachable!("the operand's class is vector"),
        }
    }

    /// The memory operand of shape `mem`.
    pub(super) fn mem(&mut self, mem: Mem, ops: &mut Ops) -> asm::Mem {
        let base = match mem.base {
            Base::None => None,
            Base::Reg => Some((self.gpr(ops), 0)),
            Base::Constant => return asm::Mem::label(self.constant(mem.disp as usize)),
            Base::Gs => return asm::Mem::gs(mem.disp),
            area => Some(self.frame.base(area)),
        };
        let index = mem.index.map(|scale| (self.gpr(ops), scale));
        let place = match (base, index) {
            (None, None) => asm::Mem::abs(mem.disp),
            (None, Some((index, scale))) => asm::Mem::index(index, scale, mem.disp),
            (Some((base, offset)), None) => asm::Mem::base(base, mem.disp.wrapping_add(offset)),
            (Some((base, offset)), Some((index, scale))) => {
                asm::Mem::base_index(base, index, scale, mem.disp.wrapping_add(offset))
            }
        };
        if mem.wraps { place.addr32() } else { place }
    }

    fn input(&mut self, src: Src, ops: &mut Ops) -> Input {
        match src {
            Src::Imm(imm) => Input::Imm(imm),
            Src::Reg => Input::Rm(self.rm(ops)),
            Src::Mem(mem) => Input::Rm(Rm::Mem(self.mem(mem, ops))),
        }
    }

    /// An input that is no immediate.
    fn rm_input(&mut self, src: Src, ops: &mut Ops) -> Rm<Gpr> {
        match self.input(src, ops) {
            Input::Rm(rm) => rm,
            Input::Imm(_) => unreachable!("selection gives no immediate here"),
        }
    }

    pub(super) fn vec_input(&mut self, src: Src, ops: &mut Ops) -> Rm<Xmm> {
        match src {
            Src::Mem(mem) => Rm::Mem(self.mem(mem, ops)),
            _ => self.vec_rm(ops),
        }
    }

    /// Emits instruction number `at` of block `here`.
    pub(super) fn inst(&mut self, here: Here, at: u32) {
        let inst = self.code.insts[at as usize];
        let mut ops = Ops { inst: at, next: 0 };
        if self.origins == Origins::All || fault::may(inst) {
            self.note(self.code.origins[at as usize]);
        }
        match inst {
            MInst::Jump => self.jump(here),
            MInst::Branch(test) => self.branch(test, here),
            MInst::Switch(number) => {
                let (scratch, value) = (self.gpr(&mut ops), self.gpr(&mut ops));
                let info = &self.code.switches[number as usize];
                self.switch(info, here.number, value, scratch);
            }
            MInst::Table(number) => {
                let gprs = [self.gpr(&mut ops), self.gpr(&mut ops), self.gpr(&mut ops)];
                let info = &self.code.switches[number as usize];
                self.table(info, here.number, gprs);
            }
            MInst::Ret => self.frame.leave(&mut self.asm),
            MInst::Trap | MInst::Ud2 => frame::trap(&mut self.asm),
            MInst::Call(number) => self.call(number, &mut ops),
            MInst::LoopCount(number) => self.count_loop(number),
            MInst::Args => {}
            _ => self.integer(inst, &mut ops),
        }
    }

    fn call(&mut self, number: u32, ops: &mut Ops) {
        if self.code.calls[number as usize].foreign && self.code.vector_bytes == 32 {
            self.asm.plain(Plain::VZEROUPPER);
        }
        match self.code.calls[number as usize].target {
            Target::Slot(slot) => self.asm.call_rm(asm::Mem::abs(slot as i32)),
            Target::Reg => {
                let count = self.code.operands(ops.inst as usize).len() as u32;
                ops.next = count - 1;
                let callee = self.rm(ops);
                self.asm.call_rm(callee);
            }
        }
        self.tables.returns.push(self.asm.offset().0);
    }

    fn integer(&mut self, inst: MInst, ops: &mut Ops) {
        match inst {
            MInst::Imm(value) => {
                let dst = self.gpr(ops);
                if value == 0 {
                    self.asm.alu(Alu::Xor, Size::B32, dst, dst);
                } else {
                    self.asm.mov_i(dst, value);
                }
            }
            MInst::Copy => {
                let (to, from) = (self.loc(ops), self.loc(ops));
                self.move_value(from, to);
            }
            MInst::Extend {
                from,
                to,
                signed,
                src,
            } => {
                let dst = self.gpr(ops);
                let src = self.rm_input(src, ops);
                self.extend(from, to, signed, dst, src);
            }
            MInst::Store { size, mem } => {
                let value = self.gpr(ops);
                let mem = self.mem(mem, ops);
                self.asm.mov_mr(size, mem, value);
            }
            MInst::StoreImm { size, imm, mem } => {
                let mem = self.mem(mem, ops);
                self.asm.mov_mi(size, mem, imm);
            }
            MInst::Lea { size, mem } => self.lea(size, mem, ops),
            MInst::Add { size } => {
                let (dst, a, b) = (self.gpr(ops), self.gpr(ops), self.gpr(ops));
                if dst == a || dst == b {
                    self.asm
                        .alu(Alu::Add, size, dst, if dst == a { b } else { a });
                } else {
                    self.asm
                        .lea(size, dst, asm::Mem::base_index(a, b, Scale::S1, 0));
                }
            }
            MInst::AddImm { size, imm } => {
                let (dst, src) = (self.gpr(ops), self.gpr(ops));
                self.add_imm(size, dst, src, imm);
            }
            MInst::ShlLea { size, count } => {
                let (dst, src) = (self.gpr(ops), self.gpr(ops));
                self.shift_left(size, dst, src, count);
            }
            _ => self.arithmetic(inst, ops),
        }
    }

    fn extend(&mut self, from: Size, to: Size, signed: bool, dst: Gpr, src: Rm<Gpr>) {
        if signed && from < to {
            self.asm.movsx(to, dst, from, src);
        } else if from == Size::B64 {
            self.asm.mov(Size::B64, dst, src);
        } else {
            self.asm.movzx(dst, from, src);
        }
    }

    fn lea(&mut self, size: Size, mem: Mem, ops: &mut Ops) {
        let dst = self.gpr(ops);
        if mem.base == Base::None && mem.index.is_none() {
            return self.asm.mov_i(dst, u64::from(mem.disp as u32));
        }
        if mem.base == Base::Reg && mem.index.is_none() {
            let src = self.gpr(ops);
            return self.add_imm(size, dst, src, mem.disp);
        }
        if (mem.base, mem.index, mem.disp) == (Base::Reg, Some(Scale::S1), 0) {
            let (a, b) = (self.gpr(ops), self.gpr(ops));
            if dst == a || dst == b {
                return self
                    .asm
                    .alu(Alu::Add, size, dst, if dst == a { b } else { a });
            }
            return self
                .asm
                .lea(size, dst, asm::Mem::base_index(a, b, Scale::S1, 0));
        }
        let mem = self.mem(mem, ops);
        self.asm.lea(size, dst, mem);
    }

    fn add_imm(&mut self, size: Size, dst: Gpr, src: Gpr, imm: i32) {
        match imm {
            0 if size == Size::B32 || dst != src => self.asm.mov(size, dst, src),
            0 => {}
            1 if dst == src => self.asm.unary(Unary::Inc, size, dst),
            -1 if dst == src => self.asm.unary(Unary::Dec, size, dst),
            _ if dst == src => self.asm.alu_i(Alu::Add, size, dst, imm),
            _ => self.asm.lea(size, dst, asm::Mem::base(src, imm)),
        }
    }

    fn shift_left(&mut self, size: Size, dst: Gpr, src: Gpr, count: u8) {
        if dst == src {
            self.asm.shift_i(Shift::Shl, size, dst, count);
        } else if count == 1 {
            self.asm
                .lea(size, dst, asm::Mem::base_index(src, src, Scale::S1, 0));
        } else {
            let scale = Scale::from_factor(1 << count).unwrap_or(Scale::S1);
            self.asm.lea(size, dst, asm::Mem::index(src, scale, 0));
        }
    }

    fn arithmetic(&mut self, inst: MInst, ops: &mut Ops) {
        match inst {
            MInst::Alu { op, size, src } => {
                let (dst, _) = (self.gpr(ops), self.gpr(ops));
                match self.input(src, ops) {
                    Input::Imm(imm) => self.asm.alu_i(op, size, dst, imm),
                    Input::Rm(rm) => self.asm.alu(op, size, dst, rm),
                }
            }
            MInst::AluMem { op, size, mem } => {
                let value = self.gpr(ops);
                let mem = self.mem(mem, ops);
                self.asm.alu_mr(op, size, mem, value);
            }
            MInst::AluMemImm { op, size, imm, mem } => {
                let mem = self.mem(mem, ops);
                match (op, imm) {
                    (Alu::Add, 1) | (Alu::Sub, -1) => self.asm.unary(Unary::Inc, size, mem),
                    (Alu::Add, -1) | (Alu::Sub, 1) => self.asm.unary(Unary::Dec, size, mem),
                    _ => self.asm.alu_i(op, size, mem, imm),
                }
            }
            MInst::Unary { op, size } => {
                let dst = self.gpr(ops);
                self.asm.unary(op, size, dst);
            }
            MInst::Mul { size, src } => {
                let (dst, _) = (self.gpr(ops), self.gpr(ops));
                let src = self.rm_input(src, ops);
                self.asm.imul(size, dst, src);
            }
            MInst::MulImm { size, imm, src } => {
                let dst = self.gpr(ops);
                let src = self.rm_input(src, ops);
                self.asm.imul_i(size, dst, src, imm);
            }
            MInst::MulWide { op, size } => {
                ops.next = 3;
                let src = self.rm(ops);
                self.asm.unary(op, size, src);
            }
            MInst::Div { size, signed } => {
                ops.next = 2;
                let divisor = self.rm(ops);
                self.divide(size, signed, divisor);
            }
            _ => self.bits(inst, ops),
        }
    }

    fn divide(&mut self, size: Size, signed: bool, divisor: Rm<Gpr>) {
        match (signed, size) {
            (false, _) => self.asm.alu(Alu::Xor, Size::B32, Gpr::Rdx, Gpr::Rdx),
            (true, Size::B64) => self.asm.plain(Plain::CQO),
            (true, _) => self.asm.plain(Plain::CDQ),
        }
        self.asm
            .unary(if signed { Unary::Idiv } else { Unary::Div }, size, divisor);
    }

    fn bits(&mut self, inst: MInst, ops: &mut Ops) {
        match inst {
            MInst::ShiftImm { op, size, count } => {
                let dst = self.gpr(ops);
                self.asm.shift_i(op, size, dst, count);
            }
            MInst::ShiftCl { op, size } => {
                let dst = self.gpr(ops);
                self.asm.shift_cl(op, size, dst);
            }
            MInst::ShiftX { op, size } => {
                let (dst, src, count) = (self.gpr(ops), self.rm(ops), self.gpr(ops));
                let op = match op {
                    Shift::Shr => ShiftX::Shrx,
                    Shift::Sar => ShiftX::Sarx,
                    _ => ShiftX::Shlx,
                };
                self.asm.shiftx(op, size, dst, src, count);
            }
            MInst::ShiftDoubleImm { left, size, count } => {
                let (dst, _, src) = (self.gpr(ops), self.gpr(ops), self.gpr(ops));
                self.asm
                    .shift_double_i(shift_double(left), size, dst, src, count);
            }
            MInst::ShiftDoubleCl { left, size } => {
                let (dst, _, src) = (self.gpr(ops), self.gpr(ops), self.gpr(ops));
                self.asm.shift_double_cl(shift_double(left), size, dst, src);
            }
            MInst::BitCount { op, size } => {
                let (dst, src) = (self.gpr(ops), self.rm(ops));
                self.asm.bit_count(op, size, dst, src);
            }
            MInst::Bswap { size } => {
                let dst = self.gpr(ops);
                self.asm.bswap(size, dst);
            }
            _ => self.flags(inst, ops),
        }
    }

    fn flags(&mut self, inst: MInst, ops: &mut Ops) {
        match inst {
            MInst::Cmp { size, src } => {
                let a = self.gpr(ops);
                match self.input(src, ops) {
                    Input::Imm(imm) => self.asm.alu_i(Alu::Cmp, size, a, imm),
                    Input::Rm(rm) => self.asm.alu(Alu::Cmp, size, a, rm),
                }
            }
            MInst::CmpMem { size, mem } => {
                let value = self.gpr(ops);
                let mem = self.mem(mem, ops);
                self.asm.alu_mr(Alu::Cmp, size, mem, value);
            }
            MInst::CmpMemImm { size, imm, mem } => {
                let mem = self.mem(mem, ops);
                self.asm.alu_i(Alu::Cmp, size, mem, imm);
            }
            MInst::Test { size, src } => {
                let a = self.gpr(ops);
                match self.input(src, ops) {
                    Input::Imm(imm) => self.asm.test_i(size, a, imm),
                    Input::Rm(rm) => self.asm.test(size, rm, a),
                }
            }
            MInst::TestMemImm { size, imm, mem } => {
                let mem = self.mem(mem, ops);
                self.asm.test_i(size, mem, imm);
            }
            MInst::Set(test) => self.set(test, ops),
            MInst::Cmov { test, size, src } => {
                let (dst, _) = (self.gpr(ops), self.gpr(ops));
                let src = self.rm_input(src, ops);
                self.move_if(test, size, dst, src);
            }
            MInst::FSelect(test) => {
                let (dst, _, src) = (self.xmm(ops), self.xmm(ops), self.loc(ops));
                self.select_float(test, dst, src);
            }
            _ => self.float(inst, ops),
        }
    }

    fn set(&mut self, test: Test, ops: &mut Ops) {
        let dst = self.gpr(ops);
        match test {
            Test::One(cond) => self.asm.setcc(cond, dst),
            Test::Both(a, b) | Test::Either(a, b) => {
                let scratch = self.gpr(ops);
                let op = if matches!(test, Test::Both(..)) {
                    Alu::And
                } else {
                    Alu::Or
                };
                self.asm.setcc(a, dst);
                self.asm.setcc(b, scratch);
                self.asm.alu(op, Size::B8, dst, scratch);
            }
        }
        self.asm.movzx(dst, Size::B8, dst);
    }

    fn move_if(&mut self, test: Test, size: Size, dst: Gpr, src: Rm<Gpr>) {
        match test {
            Test::One(cond) => self.asm.cmov(cond, size, dst, src),
            Test::Either(a, b) => {
                self.asm.cmov(a, size, dst, src);
                self.asm.cmov(b, size, dst, src);
            }
            Test::Both(..) => unreachable!("selection inverts it"),
        }
    }

    /// What is left: atomics, blocks of memory, the stack.
    pub(super) fn special(&mut self, inst: MInst, ops: &mut Ops) {
        match inst {
            MInst::Locked { op, size, mem } => {
                let value = self.gpr(ops);
                if !matches!(op, Locked::Alu(_)) {
                    ops.next += 1;
                }
                let mem = self.mem(mem, ops);
                self.locked(op, size, mem, value);
            }
            MInst::AtomicLoop { op, size, mem } => {
                ops.next = 1;
                let (scratch, value) = (self.gpr(ops), self.gpr(ops));
                let mem = self.mem(mem, ops);
                self.atomic_loop(op, size, mem, scratch, value);
            }
            MInst::CmpXchg { size, mem } => {
                ops.next = 2;
                let new = self.gpr(ops);
                let mem = self.mem(mem, ops);
                self.asm.lock();
                self.asm.cmpxchg(size, mem, new);
            }
            MInst::Mfence => self.asm.plain(Plain::MFENCE),
            MInst::RepMovs => self.asm.plain(Plain::REP_MOVSB),
            MInst::DynAlloca { align } => {
                let gprs = [self.gpr(ops), self.gpr(ops), self.gpr(ops)];
                frame::dynamic_alloca(&mut self.asm, gprs, align, self.frame.outgoing);
            }
            MInst::StackSave => {
                let dst = self.gpr(ops);
                self.asm.mov(Size::B64, dst, Gpr::Rsp);
            }
            MInst::StackRestore => {
                let src = self.gpr(ops);
                self.asm.mov(Size::B64, Gpr::Rsp, src);
            }
            _ => unreachable!("every instruction is emitted somewhere above: {inst:?}"),
        }
    }

    fn locked(&mut self, op: Locked, size: Size, mem: asm::Mem, value: Gpr) {
        match op {
            // It locks by itself.
            Locked::Xchg => self.asm.xchg(size, mem, value),
            Locked::Xadd => {
                self.asm.lock();
                self.asm.xadd(size, mem, value);
            }
            Locked::Alu(op) => {
                self.asm.lock();
                self.asm.alu_mr(op, size, mem, value);
            }
        }
    }

    fn atomic_loop(&mut self, op: Combine, size: Size, mem: asm::Mem, scratch: Gpr, value: Gpr) {
        let wide = size.max(Size::B32);
        self.extend(size, wide, false, Gpr::Rax, Rm::Mem(mem));
        let again = self.asm.here();
        self.asm.mov(Size::B64, scratch, Gpr::Rax);
        match op {
            Combine::Alu(op) => self.asm.alu(op, wide, scratch, value),
            Combine::Nand => {
                self.asm.alu(Alu::And, wide, scratch, value);
                self.asm.unary(Unary::Not, wide, scratch);
            }
            Combine::Choose(cond) => {
                self.asm.alu(Alu::Cmp, size, scratch, value);
                self.asm.cmov(cond, wide, scratch, value);
            }
        }
        self.asm.lock();
        self.asm.cmpxchg(size, mem, scratch);
        self.asm.jcc(Cond::Ne, again);
    }
}

fn shift_double(left: bool) -> ShiftDouble {
    if left {
        ShiftDouble::Shld
    } else {
        ShiftDouble::Shrd
    }
}
