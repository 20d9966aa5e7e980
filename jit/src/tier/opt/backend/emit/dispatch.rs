//! Replicated dispatch: an interpreter's operations end in an indirect jump of their own.
//!
//! Who writes `goto *table[*next]` at the end of each operation wants just that: the processor predicts an
//! indirect jump by its address and what came before, so with a jump of its own each operation learns what
//! follows it (Ertl and Gregg, "The Structure and Performance of Efficient Interpreters", JILP 5, 2003).
//! clang merges all computed gotos of a function into one `indirectbr`, and expects the back end to take
//! them apart again, as LLVM's does.
//!
//! So a jump to a short way into a computed goto becomes a copy of that way. Code with its registers allocated
//! can be copied as it is: the moves for the blocks' parameters are part of it, and the same values lie in
//! the same places on each path. What stays single is what side tables speak of: a loop's counter is
//! decremented in each copy, but trips into the one cold block of its header.

use crate::tier::opt::backend::vcode::{MInst, VCode};

/// Most blocks, and most instructions in them together, between a jump and the computed goto it leads to.
const MAX_WAY: (usize, u32) = (3, 16);
/// Most instructions that are copied in a function.
const MAX_COPIED: u32 = 1 << 12;

/// The blocks on the way to a computed goto, in order; it ends the last one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    blocks: [u32; MAX_WAY.0],
    len: usize,
    insts: u32,
}

impl Way {
    /// The way that starts at block `start`, if one does that may be copied; `forward` says where a jump
    /// to a block really goes.
    pub(super) fn from(code: &VCode, forward: &[u32], start: u32) -> Option<Self> {
        let mut way = Self {
            blocks: [0; MAX_WAY.0],
            len: 0,
            insts: 0,
        };
        let mut at = start;
        loop {
            let insts = &code.blocks[at as usize].insts;
            way.insts += insts.end - insts.start;
            if way.len == MAX_WAY.0 || way.insts > MAX_WAY.1 {
                return None;
            }
            way.blocks[way.len] = at;
            way.len += 1;
            match code.insts[insts.end as usize - 1] {
                MInst::Table(number) if code.switches[number as usize].computed => {
                    return Some(way);
                }
                MInst::Jump => at = forward[code.succs(at as usize)[0] as usize],
                _ => return None,
            }
        }
    }

    /// The way that the jump at the end of `block` takes.
    pub(super) fn after(code: &VCode, forward: &[u32], block: u32) -> Option<Self> {
        let last = code.blocks[block as usize].insts.end as usize - 1;
        let jumps = code.insts[last] == MInst::Jump;
        let to = || forward[code.succs(block as usize)[0] as usize];
        jumps.then(|| Self::from(code, forward, to())).flatten()
    }

    /// The blocks, by number.
    pub(super) fn blocks(&self) -> &[u32] {
        &self.blocks[..self.len]
    }
}

/// Whether the jumps of a function become copies: not where there is nothing to copy, or too much.
pub(super) fn is_worthwhile(code: &VCode, forward: &[u32]) -> bool {
    if !code.switches.iter().any(|switch| switch.computed) {
        return false;
    }
    let ways = (0..code.blocks.len() as u32).filter_map(|block| Way::after(code, forward, block));
    ways.map(|way| way.insts).fold(0, u32::saturating_add) <= MAX_COPIED
}
