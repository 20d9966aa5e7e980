//! Makes bodies, block by block.
//!
//! Blocks are created first (their ids are needed by branches) and filled in order: `start_block`
//! of block *n* may only follow block *n − 1*, which keeps instructions contiguous (B1) without a
//! second pass. Equal constants are kept once. Instruction ids are given at once, so a forward
//! reference is simply the id that the instruction will get.
//!
//! Making bodies is on the path from a file to running code, so one builder can serve for many:
//! [`Builder::take`] copies a finished body to exactly the memory that it needs and keeps the
//! buffers. Constants are found through a table of ids, open-addressed: hashing one is a
//! multiplication. The table is cleared for each body, which is linear as long as it is not much
//! larger than what the body before filled; when it is, it shrinks.

use crate::body::{Block, BlockId, Body, Const, ConstId, ConstKind, Line, Value};
use crate::inst::{Flags, Inst, InstId, Op};
use crate::types::TypeId;
use alloc::vec;
use alloc::vec::Vec;

/// Places of the table of constants at first.
const MIN_TABLE: usize = 64;

/// Places of the table that are looked at for one constant. Only constants chosen to collide come so
/// far; they are then kept twice rather than searched for.
const MAX_STEPS: usize = 64;

/// A body under construction.
#[derive(Debug, Default)]
pub struct Builder {
    body: Body,
    /// Ids of constants plus 1, at or after the place that their hash names; 0 is free. At most half
    /// of it is filled, and its length is a power of two.
    table: Vec<u32>,
}

impl Builder {
    /// An empty body with these parameters.
    #[must_use]
    pub fn new(params: Vec<TypeId>) -> Self {
        let mut builder = Self::default();
        builder.begin(params);
        builder
    }

    /// Begins another body with these parameters, and forgets the one before.
    pub fn begin(&mut self, params: Vec<TypeId>) {
        let used = self.body.consts.len().max(MIN_TABLE / 4);
        if self.table.len() < MIN_TABLE || self.table.len() / 16 > used {
            self.table = vec![0; MIN_TABLE];
        } else {
            self.table.fill(0);
        }
        let body = &mut self.body;
        body.params = params;
        body.insts.clear();
        body.blocks.clear();
        body.pool.clear();
        body.consts.clear();
        body.lines.clear();
        body.side.clear();
    }

    /// Begins the next block; its id is the number of blocks begun before.
    pub fn start_block(&mut self) -> BlockId {
        let at = self.end_block();
        self.body.blocks.push(Block { start: at, end: at });
        BlockId(self.body.blocks.len() as u32 - 1)
    }

    /// Ends the block begun last; gives the id of the next instruction.
    fn end_block(&mut self) -> u32 {
        let at = self.next_id().0;
        if let Some(last) = self.body.blocks.last_mut() {
            last.end = at;
        }
        at
    }

    /// The id that the next instruction will get.
    #[must_use]
    #[inline]
    pub fn next_id(&self) -> InstId {
        InstId(self.body.insts.len() as u32)
    }

    /// Appends an instruction to the block begun last.
    ///
    /// # Panics
    /// If no block was begun, where debug assertions are on; else the body fails the verifier.
    #[inline]
    pub fn push(&mut self, inst: Inst) -> Value {
        debug_assert!(!self.body.blocks.is_empty(), "a block was begun");
        let id = self.next_id();
        self.body.insts.push(inst);
        Value::inst(id)
    }

    /// Appends `op` with up to three arguments.
    #[inline]
    pub fn op(&mut self, op: Op, flags: u8, ty: TypeId, args: [u32; 3]) -> Value {
        self.push(Inst {
            op,
            flags: Flags(flags),
            ty,
            args,
        })
    }

    /// Appends words to the operand pool and gives the index of the first.
    #[inline]
    pub fn pool(&mut self, words: impl IntoIterator<Item = u32>) -> u32 {
        let at = self.body.pool.len() as u32;
        self.body.pool.extend(words);
        at
    }

    /// As [`Builder::pool`], for a list that is there already.
    #[inline]
    pub fn pool_slice(&mut self, words: &[u32]) -> u32 {
        let at = self.body.pool.len() as u32;
        self.body.pool.extend_from_slice(words);
        at
    }

    /// A word of the pool, to be filled in later (values of phis).
    pub fn pool_mut(&mut self, at: u32) -> Option<&mut u32> {
        self.body.pool.get_mut(at as usize)
    }

    /// The constant, added if it is new. The pool words that an element list or a wide integer
    /// names must have been added before.
    pub fn constant(&mut self, ty: TypeId, kind: ConstKind) -> Value {
        let constant = Const { ty, kind };
        let mask = self.table.len().wrapping_sub(1);
        let mut at = hash(constant) & mask;
        let mut steps = 0;
        while let Some(&entry) = self.table.get(at).filter(|entry| **entry != 0) {
            if self.body.consts.get(entry as usize - 1) == Some(&constant) {
                return Value::constant(ConstId(entry - 1));
            }
            at = (at + 1) & mask;
            steps += 1;
            if steps == MAX_STEPS {
                break;
            }
        }
        self.body.consts.push(constant);
        let count = self.body.consts.len();
        if count * 2 > self.table.len() {
            self.grow();
        } else if steps < MAX_STEPS {
            self.table[at] = count as u32;
        }
        Value::constant(ConstId(count as u32 - 1))
    }

    /// Makes the table four times as long.
    #[cold]
    fn grow(&mut self) {
        let len = (self.table.len() * 4).max(MIN_TABLE);
        let mask = len - 1;
        self.table = vec![0; len];
        for (entry, &constant) in (1u32..).zip(&self.body.consts) {
            let from = hash(constant);
            let free = (0..MAX_STEPS).find(|step| self.table[(from + step) & mask] == 0);
            if let Some(step) = free {
                self.table[(from + step) & mask] = entry;
            }
        }
    }

    /// An integer constant; `bits` is zero-extended from the width of `ty`.
    pub fn int(&mut self, ty: TypeId, bits: u64) -> Value {
        self.constant(ty, ConstKind::Int(bits))
    }

    /// From the next instruction on, code comes from this position.
    pub fn line(&mut self, line: u32, column: u32, file: u32) {
        let from = self.next_id();
        self.place(Line {
            from,
            line,
            column,
            file,
            scope: u32::MAX,
        });
    }

    /// From `line.from` on, which must not precede the place noted last, code comes from there.
    pub fn place(&mut self, line: Line) {
        match self.body.lines.last_mut() {
            Some(last) if last.from == line.from => *last = line,
            Some(last)
                if (Line {
                    from: line.from,
                    ..*last
                }) == line => {}
            _ => self.body.lines.push(line),
        }
    }

    /// Notes a fact about instruction `id`. Facts are put in order at the end.
    pub fn side(&mut self, id: InstId, kind: u32, payload: u32) {
        self.body.side.push((id, kind, payload));
    }

    /// What has been built so far; the block begun last is still empty in it.
    #[must_use]
    #[inline]
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The body, for what can only be done at the end.
    pub fn body_mut(&mut self) -> &mut Body {
        self.end_block();
        if !self.body.side.is_sorted_by_key(|fact| fact.0) {
            self.body.side.sort_by_key(|fact| fact.0);
        }
        &mut self.body
    }

    /// A copy of the body that takes no more memory than it needs. The builder keeps its buffers:
    /// [`Builder::begin`] starts the next body in them.
    pub fn take(&mut self) -> Body {
        let body = self.body_mut();
        Body {
            params: core::mem::take(&mut body.params),
            insts: body.insts.as_slice().into(),
            blocks: body.blocks.as_slice().into(),
            pool: body.pool.as_slice().into(),
            consts: body.consts.as_slice().into(),
            lines: body.lines.as_slice().into(),
            side: body.side.as_slice().into(),
        }
    }

    /// The body.
    #[must_use]
    pub fn finish(mut self) -> Body {
        self.body_mut();
        self.body
    }
}

/// Spreads constants over a table whose length is a power of two: the high half of a product with
/// an odd number (Knuth, "The Art of Computer Programming" vol. 3, 6.4).
#[inline]
fn hash(constant: Const) -> usize {
    const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
    let (tag, bits) = match constant.kind {
        ConstKind::Int(bits) => (0, bits),
        ConstKind::F64(bits) => (1, bits),
        ConstKind::F32(bits) => (2, u64::from(bits)),
        ConstKind::Wide { start } => (3, u64::from(start)),
        ConstKind::Zero => (4, 0),
        ConstKind::Elements { start, len } => (5, u64::from(start) << 32 | u64::from(len)),
        ConstKind::Func(id) => (6, u64::from(id.0)),
        ConstKind::Global { id, offset } => {
            (7, u64::from(id.0) << 32 | u64::from(offset.cast_unsigned()))
        }
        ConstKind::Block(id) => (8, u64::from(id.0)),
    };
    let key = bits ^ (u64::from(constant.ty.0) << 8 | tag).wrapping_mul(ODD);
    (key.wrapping_mul(ODD) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_is_kept_once_however_many_there_are() {
        let mut builder = Builder::new(Vec::new());
        for round in 0..2 {
            for number in 0..1000 {
                let value = builder.int(TypeId::I32, number);
                assert_eq!(value, Value::constant(ConstId(number as u32)), "{round}");
            }
        }
        assert_ne!(builder.int(TypeId::I64, 7), builder.int(TypeId::I32, 7));
    }

    #[test]
    fn a_builder_that_is_used_again_remembers_nothing() {
        let mut builder = Builder::new(vec![TypeId::I32]);
        builder.start_block();
        builder.int(TypeId::I32, 5);
        builder.op(Op::Ret, 0, TypeId::VOID, [Value::arg(0).0, 0, 0]);
        let first = builder.take();
        assert_eq!((first.insts.len(), first.blocks[0].end), (1, 1));
        builder.begin(Vec::new());
        assert_eq!(builder.int(TypeId::I64, 5), Value::constant(ConstId(0)));
        builder.start_block();
        builder.op(Op::Unreachable, 0, TypeId::VOID, [0; 3]);
        let second = builder.take();
        assert_eq!((second.consts.len(), second.insts.len()), (1, 1));
    }

    #[test]
    fn facts_come_out_in_the_order_of_instructions() {
        let mut builder = Builder::new(Vec::new());
        builder.side(InstId(3), 1, 0);
        builder.side(InstId(1), 2, 0);
        assert_eq!(builder.body_mut().side[0].0, InstId(1));
    }
}
