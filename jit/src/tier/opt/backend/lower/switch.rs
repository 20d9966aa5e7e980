//! Switches: a table where the cases are dense, else a binary search.

use super::{Lower, Lowered, size_of};
use crate::tier::opt::backend::vcode::{MInst, Operand, SwitchInfo, Vreg};
use alloc::vec;
use alloc::vec::Vec;
use asm::Size;
use ir::{BlockId, Inst, Op, Value};

/// Fewer ranges than this are searched.
const MIN_TABLE: usize = 5;
/// A table has at most this many entries,
const MAX_TABLE: u64 = 1 << 12;
/// and at least one case for so many of them.
const DENSITY: u64 = 3;

impl Lower<'_> {
    /// `Switch` with several successors.
    pub(super) fn switch(&mut self, inst: &Inst, succs: &[BlockId]) -> Lowered {
        let bits = self.type_bits(inst.ty)?;
        let value = self.zero_extended(Value(inst.args[0]), bits)?;
        self.dispatch(
            value,
            SwitchInfo {
                size: size_of(bits),
                ranges: self.ranges(inst, bits, succs),
                low: 0,
                table: Vec::new(),
                computed: self.is_block_address(Value(inst.args[0])),
                default: self.successor(self.body.pool[inst.args[1] as usize], succs),
            },
        );
        Ok(())
    }

    /// `IndirectBr` with several successors: the address of a block is its number plus 1, and any other value
    /// traps.
    pub(super) fn indirect(&mut self, inst: &Inst, succs: &[BlockId]) -> Lowered {
        let value = self.reg(Value(inst.args[0]))?;
        let case = |(number, succ): (u32, &BlockId)| {
            let address = u64::from(succ.0) + 1;
            (address, address, number)
        };
        let mut ranges: Vec<_> = (0..).zip(succs).map(case).collect();
        ranges.sort_unstable();
        self.dispatch(
            value,
            SwitchInfo {
                size: Size::B32,
                ranges,
                low: 0,
                table: Vec::new(),
                computed: true,
                default: SwitchInfo::TRAP,
            },
        );
        Ok(())
    }

    /// Whether `value` is a pointer's number: what the loader makes of a computed goto is a switch over
    /// one, and C cannot say that in another way.
    fn is_block_address(&self, value: Value) -> bool {
        value
            .as_inst()
            .is_some_and(|id| self.body.inst(id).op == Op::PtrToInt)
    }

    fn dispatch(&mut self, value: Vreg, info: SwitchInfo) {
        let number = self.code.switches.len() as u32;
        let (first, second) = (self.temp(), self.temp());
        if let Some(tabled) = as_table(&info) {
            self.code.switches.push(tabled);
            let operands = [
                Operand::early(first),
                Operand::early(second),
                Operand::reg(value),
            ];
            self.push(MInst::Table(number), &operands);
        } else {
            self.code.switches.push(info);
            self.push(
                MInst::Switch(number),
                &[Operand::early(first), Operand::reg(value)],
            );
        }
    }

    fn successor(&self, block: u32, succs: &[BlockId]) -> u32 {
        let at = succs.iter().position(|succ| succ.0 == block);
        at.expect("a target is a successor") as u32
    }

    /// Cases as ascending disjoint ranges; neighbours with the same target are one.
    fn ranges(&self, inst: &Inst, bits: u32, succs: &[BlockId]) -> Vec<(u64, u64, u32)> {
        let mask = u64::MAX >> (64 - bits);
        let words = self.body.words(inst.args[1] + 1, inst.args[2] * 3);
        let mut at = vec![0u32; self.body.blocks.len()];
        for (number, succ) in (0u32..).zip(succs) {
            at[succ.index()] = number;
        }
        let case = |words: &[u32]| {
            let value = u64::from(words[0]) | u64::from(words[1]) << 32;
            (value & mask, value & mask, at[words[2] as usize])
        };
        let mut cases: Vec<_> = words.chunks_exact(3).map(case).collect();
        cases.sort_unstable();
        let mut ranges: Vec<(u64, u64, u32)> = Vec::with_capacity(cases.len());
        for case in cases {
            match ranges.last_mut() {
                Some(last) if last.1 + 1 == case.0 && last.2 == case.2 => last.1 = case.1,
                _ => ranges.push(case),
            }
        }
        ranges
    }
}

/// The same switch with a table, if its cases are dense enough.
fn as_table(info: &SwitchInfo) -> Option<SwitchInfo> {
    let (first, last) = (info.ranges.first()?, info.ranges.last()?);
    let span = last.1 - first.0;
    let covered: u64 = info.ranges.iter().map(|range| range.1 - range.0 + 1).sum();
    let dense = info.ranges.len() >= MIN_TABLE && span < MAX_TABLE && span < covered * DENSITY;
    let near = i32::try_from(first.0).is_ok() || info.size == Size::B32;
    if !dense || !near {
        return None;
    }
    let mut table = vec![info.default; span as usize + 1];
    for &(low, high, to) in &info.ranges {
        table[(low - first.0) as usize..=(high - first.0) as usize].fill(to);
    }
    Some(SwitchInfo {
        low: first.0,
        table,
        ranges: Vec::new(),
        ..*info
    })
}
