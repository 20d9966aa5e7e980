//! Makes a body, block by block.
//!
//! Blocks are created first (their ids are needed by branches) and filled in order: `start_block`
//! of block *n* may only follow block *n − 1*, which keeps instructions contiguous (B1) without a
//! second pass. Constants are kept once each. Instruction ids are given at once, so a forward
//! reference is simply the id that the instruction will get.

use crate::body::{Block, BlockId, Body, Const, ConstId, ConstKind, Line, Value};
use crate::inst::{Flags, Inst, InstId, Op};
use crate::types::TypeId;
use alloc::vec::Vec;
use hashbrown::HashMap;

/// A body under construction.
#[derive(Debug, Default)]
pub struct Builder {
    body: Body,
    consts: HashMap<Const, ConstId>,
}

impl Builder {
    /// An empty body with these parameters.
    #[must_use]
    pub fn new(params: Vec<TypeId>) -> Self {
        Self {
            body: Body {
                params,
                ..Body::default()
            },
            consts: HashMap::new(),
        }
    }

    /// Begins the next block; its id is the number of blocks begun before.
    pub fn start_block(&mut self) -> BlockId {
        let at = self.next_id().0;
        self.body.blocks.push(Block { start: at, end: at });
        BlockId(self.body.blocks.len() as u32 - 1)
    }

    /// The id that the next instruction will get.
    #[must_use]
    pub fn next_id(&self) -> InstId {
        InstId(self.body.insts.len() as u32)
    }

    /// Appends an instruction to the block begun last.
    ///
    /// # Panics
    /// If no block was begun.
    pub fn push(&mut self, inst: Inst) -> Value {
        let id = self.next_id();
        self.body.insts.push(inst);
        self.body.blocks.last_mut().expect("a block was begun").end = id.0 + 1;
        Value::inst(id)
    }

    /// Appends `op` with up to three arguments.
    pub fn op(&mut self, op: Op, flags: u8, ty: TypeId, args: [u32; 3]) -> Value {
        self.push(Inst {
            op,
            flags: Flags(flags),
            ty,
            args,
        })
    }

    /// Appends words to the operand pool and gives the index of the first.
    pub fn pool(&mut self, words: impl IntoIterator<Item = u32>) -> u32 {
        let at = self.body.pool.len() as u32;
        self.body.pool.extend(words);
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
        let consts = &mut self.body.consts;
        let id = *self.consts.entry(constant).or_insert_with(|| {
            consts.push(constant);
            ConstId(consts.len() as u32 - 1)
        });
        Value::constant(id)
    }

    /// An integer constant; `bits` is zero-extended from the width of `ty`.
    pub fn int(&mut self, ty: TypeId, bits: u64) -> Value {
        self.constant(ty, ConstKind::Int(bits))
    }

    /// From the next instruction on, code comes from this position.
    pub fn line(&mut self, line: u32, column: u32, file: u32) {
        let from = self.next_id();
        let entry = Line {
            from,
            line,
            column,
            file,
            scope: u32::MAX,
        };
        match self.body.lines.last_mut() {
            Some(last) if last.from == from => *last = entry,
            Some(last) if (last.line, last.column, last.file) == (line, column, file) => {}
            _ => self.body.lines.push(entry),
        }
    }

    /// Notes a fact about instruction `id`, which must not precede the one noted last.
    pub fn side(&mut self, id: InstId, kind: u32, payload: u32) {
        self.body.side.push((id, kind, payload));
    }

    /// What has been built so far.
    #[must_use]
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The body.
    #[must_use]
    pub fn finish(self) -> Body {
        self.body
    }
}
