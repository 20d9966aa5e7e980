//! Layout: the order of blocks in memory, blocks that are skipped, and which jumps are short.
//!
//! Lowering's order, in which every loop is one piece, with three changes: blocks that turned out empty are
//! left out and jumped over (*threading*); blocks that rarely run go to the end; and a loop that
//! tests at its top and jumps back from its bottom is *rotated*, so that the test stands at the bottom and
//! an iteration takes one jump. The way into it then takes a jump, once.
//!
//! A forward jump has two bytes if its target cannot be further than 127 bytes away. How long code is
//! gets known only when it is emitted, so bounds from above decide ([`longest`]).

use super::LOOP_ALIGN;
use super::dispatch::{self, Way};
use crate::tier::opt::backend::regalloc::Allocation;
use crate::tier::opt::backend::vcode::{MInst, VCode};
use alloc::vec;
use alloc::vec::Vec;

/// Longest instruction (SDM vol. 2, section 2.3.11).
const INSTRUCTION: u32 = 15;
/// Longest of the allocator's moves: prefixes, opcode, ModRM, SIB, disp32.
const MOVE: u32 = 10;
/// Longest jump.
const JUMP: u32 = 6;
/// Farthest target of a short jump.
const SHORT: u32 = 127;
/// An alignment that is not worth its padding: loops with more code than this between two jumps.
const MAX_ALIGNED: u32 = 64 * INSTRUCTION;

/// Where blocks go.
#[derive(Debug)]
pub(super) struct Layout {
    /// Block numbers as they are emitted.
    pub(super) order: Vec<u32>,
    /// By block: where a jump to it really goes.
    pub(super) forward: Vec<u32>,
    /// By place in the order: whether a loop begins there.
    aligned: Vec<bool>,
    /// By place: no more bytes than this before it.
    bound: Vec<u32>,
    /// By block: its place.
    place: Vec<u32>,
    /// Whether jumps to computed gotos become copies.
    replicates: bool,
}

impl Layout {
    pub(super) fn new(code: &VCode, allocation: &Allocation) -> Self {
        let forward = thread(code, allocation);
        let mut order: Vec<u32> = (0..code.blocks.len() as u32)
            .filter(|&at| forward[at as usize] == at)
            .collect();
        let mut aligned = vec![false; order.len()];
        rotate(code, &forward, &mut order, &mut aligned);
        let mut places: Vec<(u32, bool)> = order.into_iter().zip(aligned).collect();
        let is_cold = |entry: &(u32, bool)| entry.0 != 0 && code.blocks[entry.0 as usize].cold;
        places.sort_by_key(is_cold);
        let (order, aligned): (Vec<u32>, Vec<bool>) = places.into_iter().unzip();
        let mut layout = Self {
            bound: Vec::with_capacity(order.len() + 1),
            place: vec![u32::MAX; code.blocks.len()],
            replicates: dispatch::is_worthwhile(code, &forward),
            order,
            forward,
            aligned,
        };
        layout.measure(code, allocation);
        layout
    }

    /// Whether the block at `place` starts at a multiple of [`LOOP_ALIGN`].
    pub(super) fn is_aligned(&self, place: u32) -> bool {
        self.aligned[place as usize]
    }

    /// The block emitted behind the one at `place`.
    pub(super) fn next(&self, place: u32) -> Option<u32> {
        self.order.get(place as usize + 1).copied()
    }

    /// Whether a jump at the end of the block at `place` certainly reaches block `to`, further on, in two
    /// bytes.
    pub(super) fn is_near(&self, place: u32, to: u32) -> bool {
        let target = self.place[to as usize];
        // Behind the first jump there may be two more of the same terminator.
        target > place
            && self.bound[target as usize] - self.bound[place as usize + 1] + 2 * JUMP <= SHORT
    }

    /// What stands at the end of `block` instead of its jump, if that is replicated.
    pub(super) fn replica(&self, code: &VCode, block: u32) -> Option<Way> {
        let way = || Way::after(code, &self.forward, block);
        self.replicates.then(way).flatten()
    }

    fn measure(&mut self, code: &VCode, allocation: &Allocation) {
        let mut sum = 0u32;
        for (place, &at) in (0u32..).zip(&self.order) {
            self.place[at as usize] = place;
            if self.aligned[place as usize] {
                sum = sum.saturating_add(LOOP_ALIGN);
            }
            self.bound.push(sum);
            sum = sum.saturating_add(longest_block(code, allocation, at));
            if let Some(way) = self.replica(code, at) {
                let copied = way.blocks().iter();
                let bytes = copied.map(|&at| longest_block(code, allocation, at));
                sum = bytes.fold(sum, u32::saturating_add);
            }
        }
        self.bound.push(sum);
    }
}

/// More bytes than block `at` can take.
fn longest_block(code: &VCode, allocation: &Allocation, at: u32) -> u32 {
    let insts = code.blocks[at as usize].insts.clone();
    let first = allocation.first_move(insts.start);
    let moves = allocation.first_move(insts.end) - first;
    let bytes = insts.map(|inst| longest(code.insts[inst as usize]));
    bytes.fold(moves as u32 * MOVE, u32::saturating_add)
}

/// More bytes than `inst` can take.
fn longest(inst: MInst) -> u32 {
    match inst {
        MInst::Switch(_) => 1 << 20,
        // Seven instructions and a trap (`Emit::table`); the entries lie elsewhere.
        MInst::Table(_) => 4 * INSTRUCTION,
        MInst::Ret => 12 * INSTRUCTION,
        MInst::AtomicLoop { .. } | MInst::FRem { .. } | MInst::DynAlloca { .. } => 20 * INSTRUCTION,
        MInst::Jump => JUMP,
        MInst::Branch(_) => 3 * JUMP,
        MInst::Set(_) | MInst::FSelect(_) | MInst::LoopCount(_) => 4 * INSTRUCTION,
        MInst::X87Remainder => 4 * INSTRUCTION,
        MInst::Args => 0,
        _ => 2 * INSTRUCTION,
    }
}

/// For each block the one that is reached through it: itself unless it is empty.
fn thread(code: &VCode, allocation: &Allocation) -> Vec<u32> {
    let count = code.blocks.len();
    let mut forward: Vec<u32> = (0..count as u32).collect();
    // From the end a target further on has its answer already. One further back must stay itself, or
    // an empty loop would go nowhere.
    for at in (1..count).rev() {
        if !is_empty(code, allocation, at) {
            continue;
        }
        let to = code.succs(at)[0] as usize;
        if to > at {
            forward[at] = forward[to];
        } else if !is_empty(code, allocation, to) {
            forward[at] = to as u32;
        }
    }
    forward
}

/// Whether a block does nothing but jump.
fn is_empty(code: &VCode, allocation: &Allocation, at: usize) -> bool {
    let insts = &code.blocks[at].insts;
    let only = insts.end - insts.start == 1;
    only && code.insts[insts.start as usize] == MInst::Jump && {
        let next = allocation.first_move(insts.start);
        allocation.move_at(next, insts.start, false).is_none()
    }
}

/// Moves headers that test to the bottom of their loops, and notes where innermost loops begin.
fn rotate(code: &VCode, forward: &[u32], order: &mut [u32], aligned: &mut [bool]) {
    let is_header = |at: &usize| code.blocks[order[*at] as usize].is_header;
    let starts = (0..order.len()).filter(is_header);
    let pieces: Vec<_> = starts
        .map(|start| start..loop_end(code, order, start))
        .collect();
    // Inner loops first: the pieces stay where they are.
    for piece in pieces.into_iter().rev() {
        let (blocks, aligned) = (&mut order[piece.clone()], &mut aligned[piece]);
        let depth = code.blocks[blocks[0] as usize].depth;
        let innermost = blocks
            .iter()
            .all(|&at| code.blocks[at as usize].depth <= depth);
        let aligns = innermost && is_short(code, blocks);
        if turns(code, forward, blocks) {
            blocks.rotate_left(1);
            aligned.rotate_left(1);
        }
        aligned[0] |= aligns;
    }
}

/// One past the last place of the loop whose header is at place `start`.
fn loop_end(code: &VCode, order: &[u32], start: usize) -> usize {
    let depth = code.blocks[order[start] as usize].depth;
    let inside = |at: &u32| {
        let block = &code.blocks[*at as usize];
        block.depth > depth || (block.depth == depth && !block.is_header)
    };
    let rest = order[start + 1..].iter();
    start + 1 + rest.take_while(|&at| inside(at)).count()
}

fn is_short(code: &VCode, blocks: &[u32]) -> bool {
    let insts = |at: &u32| code.blocks[*at as usize].insts.clone();
    let bytes = blocks
        .iter()
        .flat_map(insts)
        .map(|inst| longest(code.insts[inst as usize]));
    bytes.fold(0, u32::saturating_add) <= MAX_ALIGNED
}

/// Whether the loop tests in its header, the first of `blocks`, and jumps there from the last one.
fn turns(code: &VCode, forward: &[u32], blocks: &[u32]) -> bool {
    let (header, last) = (blocks[0] as usize, blocks[blocks.len() - 1] as usize);
    let terminator = |at: usize| code.insts[code.blocks[at].insts.end as usize - 1];
    let tests = matches!(terminator(header), MInst::Branch(_));
    let leaves = |to: &u32| !blocks.contains(&forward[*to as usize]);
    let stays = |to: &u32| !leaves(to);
    let succs = code.succs(header);
    header != last
        && tests
        && terminator(last) == MInst::Jump
        && forward[code.succs(last)[0] as usize] == header as u32
        && succs.iter().any(leaves)
        && succs.iter().any(stays)
}
