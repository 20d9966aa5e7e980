//! Jumps: what does not fall through.

use super::{Emit, Here};
use crate::tier::flags::Test;
use crate::tier::opt::backend::frame;
use crate::tier::opt::backend::vcode::{MInst, SwitchInfo};
use alloc::vec::Vec;
use asm::{Alu, Cond, Gpr, Label, Mem, Scale, Size};

/// So few ranges are compared one after the other.
const LINEAR: usize = 3;

impl Emit<'_> {
    /// Where control really goes to from `block` for its successor `number`.
    fn target(&self, block: u32, number: u32) -> u32 {
        let to = self.code.succs(block as usize)[number as usize];
        self.layout.forward[to as usize]
    }

    /// `Jump`.
    pub(super) fn jump(&mut self, here: Here) {
        let to = self.target(here.number, 0);
        let replica = self.layout.replica(self.code, here.number);
        match replica.filter(|_| self.layout.next(here.place) != Some(to)) {
            Some(way) => way
                .blocks()
                .iter()
                .for_each(|&at| self.copy_block(here, at)),
            None => self.go(here, to),
        }
    }

    /// Emits a copy of block `number`, but for the jump at its end, here.
    fn copy_block(&mut self, here: Here, number: u32) {
        let insts = self.code.blocks[number as usize].insts.clone();
        let mut edit = self.allocation.first_move(insts.start);
        for inst in insts {
            edit = self.moves(edit, inst, false);
            match self.code.insts[inst as usize] {
                MInst::Jump => {}
                MInst::LoopCount(number) => self.count_again(number),
                _ => self.inst(Here { number, ..here }, inst),
            }
            edit = self.moves(edit, inst, true);
        }
    }

    fn go(&mut self, here: Here, to: u32) {
        if self.layout.next(here.place) == Some(to) {
            return;
        }
        let label = self.labels[to as usize];
        if self.layout.is_near(here.place, to) {
            self.asm.jmp_short(label);
        } else {
            self.asm.jmp(label);
        }
    }

    /// `Branch`.
    pub(super) fn branch(&mut self, test: Test, here: Here) {
        let (then, other) = (self.target(here.number, 0), self.target(here.number, 1));
        if then == other {
            return self.go(here, then);
        }
        if self.layout.next(here.place) == Some(then) {
            return self.go_if(test.invert(), here, other);
        }
        self.go_if(test, here, then);
        self.go(here, other);
    }

    /// Jumps to block `to` if `test` holds.
    fn go_if(&mut self, test: Test, here: Here, to: u32) {
        let near = self.layout.is_near(here.place, to);
        match test {
            Test::One(cond) => self.jcc(cond, to, near),
            Test::Either(a, b) => {
                self.jcc(a, to, near);
                self.jcc(b, to, near);
            }
            Test::Both(a, b) => {
                let past = self.asm.label();
                self.asm.jcc_short(a.invert(), past);
                self.jcc(b, to, near);
                self.asm.bind(past);
            }
        }
    }

    fn jcc(&mut self, cond: Cond, to: u32, near: bool) {
        let label = self.labels[to as usize];
        if near {
            self.asm.jcc_short(cond, label);
        } else {
            self.asm.jcc(cond, label);
        }
    }

    /// `Switch`: `value` is compared with ranges, in a tree of depth log2 of their number.
    pub(super) fn switch(&mut self, info: &SwitchInfo, block: u32, value: Gpr, scratch: Gpr) {
        let default = self.case_label(block, info.default);
        let mut rest: Vec<(usize, usize, Option<Label>)> = Vec::new();
        rest.push((0, info.ranges.len(), None));
        while let Some((from, to, label)) = rest.pop() {
            if let Some(label) = label {
                self.asm.bind(label);
            }
            if to - from <= LINEAR {
                for &(low, high, number) in &info.ranges[from..to] {
                    let target = self.labels[self.target(block, number) as usize];
                    self.case(info.size, value, scratch, low, high, target);
                }
                self.asm.jmp(default);
                continue;
            }
            let middle = from + (to - from) / 2;
            let lower = self.asm.label();
            self.compare(info.size, value, scratch, info.ranges[middle].0);
            self.asm.jcc(Cond::B, lower);
            rest.push((from, middle, Some(lower)));
            rest.push((middle, to, None));
        }
        self.trap_here(info, default);
    }

    /// Where a switch goes for successor `number`: a label of its own if that is a trap.
    fn case_label(&mut self, block: u32, number: u32) -> Label {
        if number == SwitchInfo::TRAP {
            return self.asm.label();
        }
        self.labels[self.target(block, number) as usize]
    }

    /// The trap behind a switch that needs one.
    fn trap_here(&mut self, info: &SwitchInfo, default: Label) {
        if info.default == SwitchInfo::TRAP {
            self.asm.bind(default);
            frame::trap(&mut self.asm);
        }
    }

    fn case(&mut self, size: Size, value: Gpr, scratch: Gpr, low: u64, high: u64, to: Label) {
        if low == high {
            self.compare(size, value, scratch, low);
            return self.asm.jcc(Cond::E, to);
        }
        self.asm.mov_i(scratch, low.wrapping_neg());
        self.asm.alu(Alu::Add, size, scratch, value);
        match immediate(size, high - low) {
            Some(imm) => {
                self.asm.alu_i(Alu::Cmp, size, scratch, imm);
                self.asm.jcc(Cond::Be, to);
            }
            None => {
                // The width does not fit an immediate: two comparisons do.
                let past = self.asm.label();
                self.compare(size, value, scratch, low);
                self.asm.jcc(Cond::B, past);
                self.compare(size, value, scratch, high);
                self.asm.jcc(Cond::Be, to);
                self.asm.bind(past);
            }
        }
    }

    fn compare(&mut self, size: Size, value: Gpr, scratch: Gpr, number: u64) {
        match immediate(size, number) {
            Some(imm) => self.asm.alu_i(Alu::Cmp, size, value, imm),
            None => {
                self.asm.mov_i(scratch, number);
                self.asm.alu(Alu::Cmp, size, value, scratch);
            }
        }
    }

    /// `Table`.
    pub(super) fn table(&mut self, info: &SwitchInfo, block: u32, [at, base, value]: [Gpr; 3]) {
        let default = self.case_label(block, info.default);
        let label = |&number: &u32| match number {
            SwitchInfo::TRAP => default,
            number => self.labels[self.target(block, number) as usize],
        };
        let targets: Vec<Label> = info.table.iter().map(label).collect();
        let mut index = value;
        if info.low != 0 {
            // A 32-bit result clears the upper half.
            let low = (info.low as i32).wrapping_neg();
            self.asm.lea(info.size, at, Mem::base(value, low));
            index = at;
        }
        self.asm
            .alu_i(Alu::Cmp, info.size, index, targets.len() as i32 - 1);
        self.asm.jcc(Cond::A, default);
        let table = self.asm.jump_table(&targets);
        self.asm.lea(Size::B64, base, Mem::label(table));
        let entry = Mem::base_index(base, index, Scale::S4, 0);
        self.asm.movsx(Size::B64, at, Size::B32, entry);
        self.asm.alu(Alu::Add, Size::B64, at, base);
        self.asm.jmp_rm(at);
        self.trap_here(info, default);
    }
}

/// `number` as an immediate of a comparison of `size`, which sign-extends it to 64 bits.
fn immediate(size: Size, number: u64) -> Option<i32> {
    if size == Size::B64 {
        i32::try_from(number as i64).ok()
    } else {
        Some(number as u32 as i32)
    }
}
