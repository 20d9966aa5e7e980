//! Terminators with many targets: `switch`, `indirectbr`.
//!
//! Cases are sorted once. A dense run of them becomes a jump table in the constants, three or fewer are
//! compared one by one, everything else is halved. Targets whose edge needs code get a stub behind
//! the dispatch: the edge's moves, then a jump.

use super::emit::Emitter;
use super::operand::size_of;
use super::regs::TEMP;
use alloc::vec;
use alloc::vec::Vec;
use asm::{Alu, Cond, Gpr, Label, Mem, Plain, Scale, Size};
use ir::{BlockId, Inst, Value};

/// Cases that are compared one by one; more are split in halves.
const LINEAR_CASES: usize = 3;
/// Fewest cases of a jump table.
const MIN_TABLE: usize = 5;
/// A jump table has at most so many entries for each case.
const TABLE_SPREAD: u64 = 4;

/// A value and where it leads.
type Case = (u64, Label);

impl Emitter<'_> {
    pub(super) fn switch(&mut self, inst: &Inst) {
        let [value, start, count] = inst.args;
        let body = self.body;
        let default = BlockId(body.pool[start as usize]);
        let words = body.words(start + 1, count * 3).chunks_exact(3);
        let cases = words.map(|w| (u64::from(w[1]) << 32 | u64::from(w[0]), BlockId(w[2])));
        self.many_ways(Value(value), cases.collect(), Some(default));
    }

    /// The address of a block is its number plus 1. Anything but the listed blocks' is a fault.
    pub(super) fn indirect_branch(&mut self, inst: &Inst) {
        let [value, start, count] = inst.args;
        let words = self.body.words(start, count).iter();
        let mut cases: Vec<_> = words.map(|&to| (u64::from(to) + 1, BlockId(to))).collect();
        cases.sort_unstable();
        cases.dedup();
        self.many_ways(Value(value), cases, None);
    }

    fn many_ways(&mut self, value: Value, cases: Vec<(u64, BlockId)>, default: Option<BlockId>) {
        self.store_live();
        let bits = self.bits(value);
        let size = size_of(bits);
        let reg = match bits {
            32 | 64 => self.gpr(value),
            _ => self.extended(value, false, size),
        };
        // Taken here, since what it evicts must be stored on every path.
        let base = self.temp();
        self.release(value);
        let mut targets: Vec<BlockId> = cases.iter().map(|case| case.1).chain(default).collect();
        targets.sort_unstable();
        targets.dedup();
        let mut stubs: Vec<(BlockId, Label)> = Vec::new();
        for &to in &targets {
            if !self.is_simple(to) {
                stubs.push((to, self.asm.label()));
            }
        }
        let label = |to: BlockId, labels: &[Label]| {
            let stub = stubs.binary_search_by_key(&to, |stub| stub.0);
            stub.map_or(labels[to.index()], |at| stubs[at].1)
        };
        let mut sorted: Vec<Case> = Vec::with_capacity(cases.len());
        sorted.extend(
            cases
                .iter()
                .map(|&(case, to)| (case, label(to, &self.labels))),
        );
        sorted.sort_unstable_by_key(|case| case.0);
        let trap = self.asm.label();
        let other = default.map_or(trap, |to| label(to, &self.labels));
        self.dispatch((reg, base), size, &sorted, other);
        for (to, label) in stubs.iter().copied() {
            self.asm.bind(label);
            self.edge(to);
            self.asm_jump(to, false);
        }
        self.asm.bind(trap);
        if default.is_none() {
            self.note(self.at);
            self.asm.plain(Plain::UD2);
        }
        self.release_inputs();
        self.carry_to_next(&targets);
    }

    /// Goes to the label of the case that `reg` equals; `base` is free.
    fn dispatch(&mut self, (reg, base): (Gpr, Gpr), size: Size, cases: &[Case], default: Label) {
        let mut work: Vec<(usize, usize, Option<Label>)> = vec![(0, cases.len(), None)];
        while let Some((from, to, label)) = work.pop() {
            if let Some(label) = label {
                self.asm.bind(label);
            }
            let part = &cases[from..to];
            if is_dense(part) {
                self.jump_table((reg, base), size, part, default);
            } else if part.len() <= LINEAR_CASES {
                for &(case, label) in part {
                    self.compare_case(reg, size, case);
                    self.asm.jcc(Cond::E, label);
                }
                self.asm.jmp(default);
            } else {
                let middle = from + part.len() / 2;
                self.compare_case(reg, size, cases[middle].0);
                let upper = self.asm.label();
                self.asm.jcc(Cond::Ae, upper);
                work.push((middle, to, Some(upper)));
                work.push((from, middle, None));
            }
        }
    }

    fn compare_case(&mut self, reg: Gpr, size: Size, case: u64) {
        if size == Size::B32 || i64::from(case as i32) as u64 == case {
            self.asm.alu_i(Alu::Cmp, size, reg, case as i32);
        } else {
            self.asm.mov_i(TEMP, case);
            self.asm.alu(Alu::Cmp, size, reg, TEMP);
        }
    }

    fn jump_table(&mut self, (reg, base): (Gpr, Gpr), size: Size, cases: &[Case], default: Label) {
        let (first, last) = (cases[0].0, cases[cases.len() - 1].0);
        let mut targets = vec![default; (last - first) as usize + 1];
        for &(case, label) in cases {
            targets[(case - first) as usize] = label;
        }
        let index = TEMP;
        if size == Size::B32 || i64::from(first as i32) as u64 == first {
            self.asm.mov(size, index, reg);
            if first != 0 {
                self.asm.alu_i(Alu::Sub, size, index, first as i32);
            }
        } else {
            self.asm.mov_i(index, first.wrapping_neg());
            self.asm.alu(Alu::Add, size, index, reg);
        }
        self.asm.alu_i(Alu::Cmp, size, index, (last - first) as i32);
        self.asm.jcc(Cond::A, default);
        let table = self.asm.jump_table(&targets);
        self.asm.lea(Size::B64, base, Mem::label(table));
        let entry = Mem::base_index(base, index, Scale::S4, 0);
        self.asm.movsx(Size::B64, index, Size::B32, entry);
        self.asm.alu(Alu::Add, Size::B64, index, base);
        self.asm.jmp_rm(index);
    }
}

/// Whether a jump table serves the cases well.
fn is_dense(cases: &[Case]) -> bool {
    let [first, .., last] = cases else {
        return false;
    };
    let span = last.0 - first.0;
    cases.len() >= MIN_TABLE && span < TABLE_SPREAD * cases.len() as u64
}
