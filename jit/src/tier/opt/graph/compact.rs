//! From the graph back to a body: blocks contiguous, ids dense, nothing unused kept.
//!
//! Blocks keep their order, so that what clang laid out stays laid out. Ids are dealt out in one
//! walk, then every word that names an instruction, a block or a constant is translated in a second
//! one; both are linear. Constants keep their order, because elements must precede the list that
//! holds them.

use super::{Graph, Optimised, operands};
use crate::tier::Origin;
use alloc::vec;
use alloc::vec::Vec;
use ir::{Block, BlockId, Body, ConstId, ConstKind, Inst, InstId, Line, Op, Value, ValueKind};

/// Not in the new body.
const GONE: u32 = u32::MAX;

impl Graph<'_> {
    /// The body that the graph stands for. There are no pending replacements (G3).
    #[must_use]
    pub fn to_body(&self) -> Optimised {
        debug_assert!(!self.replaced, "the graph is settled");
        let mut compactor = Compactor {
            graph: self,
            new_inst: vec![GONE; self.code.insts.len()],
            new_block: vec![GONE; self.blocks.len()],
            new_const: vec![GONE; self.code.consts.len()],
            body: Body {
                params: self.code.params.clone(),
                ..Body::default()
            },
            origin: Vec::new(),
        };
        compactor.number();
        compactor.copy_consts();
        compactor.copy_insts();
        Optimised {
            body: compactor.body,
            origin: compactor.origin,
            inlined: self.inlined.clone(),
        }
    }
}

struct Compactor<'g, 'a> {
    graph: &'g Graph<'a>,
    new_inst: Vec<u32>,
    new_block: Vec<u32>,
    new_const: Vec<u32>,
    body: Body,
    origin: Vec<Origin>,
}

impl Compactor<'_, '_> {
    /// Deals out the ids of blocks and instructions.
    fn number(&mut self) {
        let mut next = 0;
        for (at, insts) in self.graph.blocks.iter().enumerate() {
            if insts.is_empty() {
                continue;
            }
            let start = next;
            self.new_block[at] = self.body.blocks.len() as u32;
            for id in insts {
                self.new_inst[id.index()] = next;
                next += 1;
            }
            self.body.blocks.push(Block { start, end: next });
        }
    }

    /// Keeps the constants that instructions name, and their elements.
    fn copy_consts(&mut self) {
        let code = &self.graph.code;
        let mut used = vec![false; code.consts.len()];
        for id in self.graph.blocks.iter().flatten() {
            code.for_each_operand(self.graph.inst(*id), |value| {
                if let Some(id) = value.as_const() {
                    used[id.index()] = true;
                }
            });
        }
        // Elements precede their list, so one walk from the end finds all.
        for at in (0..used.len()).rev() {
            if let (true, ConstKind::Elements { start, len }) = (used[at], code.consts[at].kind) {
                for &element in code.words(start, len) {
                    used[element as usize] = true;
                }
            }
        }
        for at in (0..used.len()).filter(|&at| used[at]) {
            let mut constant = code.consts[at];
            constant.kind = self.const_kind(ConstId(at as u32));
            self.new_const[at] = self.body.consts.len() as u32;
            self.body.consts.push(constant);
        }
    }

    fn const_kind(&mut self, id: ConstId) -> ConstKind {
        let code = &self.graph.code;
        let constant = code.constant(id);
        let at = self.body.pool.len() as u32;
        match constant.kind {
            ConstKind::Elements { start, len } => {
                let elements = code.words(start, len).iter();
                let new = elements.map(|&element| self.new_const[element as usize]);
                self.body.pool.extend(new);
                ConstKind::Elements { start: at, len }
            }
            ConstKind::Wide { start } => {
                let bits = self.graph.types().int_bits(constant.ty).unwrap_or(80);
                let words = code.words(start, bits.div_ceil(64) * 2);
                self.body.pool.extend_from_slice(words);
                ConstKind::Wide { start: at }
            }
            ConstKind::Block(id) => ConstKind::Block(BlockId(self.new_block[id.index()])),
            kind => kind,
        }
    }

    fn copy_insts(&mut self) {
        let graph = self.graph;
        for &id in graph.blocks.iter().flatten() {
            let origin = graph.origin[id.index()];
            let at = InstId(self.body.insts.len() as u32);
            self.copy_line(at, origin);
            self.copy_side(at, id);
            let inst = self.translated(*graph.inst(id));
            self.body.insts.push(inst);
            self.origin.push(origin);
        }
    }

    /// The instruction with new ids and a list of its own.
    fn translated(&mut self, mut inst: Inst) -> Inst {
        let start = self.body.pool.len();
        if let Some((at, words)) = operands::list(&mut inst, &self.graph.code, self.graph.types()) {
            *at = start as u32;
            self.body.pool.extend_from_slice(words);
        }
        let Self {
            new_inst,
            new_block,
            new_const,
            body,
            ..
        } = self;
        inst.for_each_operand_mut(&mut body.pool, |word| {
            *word = match Value(*word).kind() {
                ValueKind::Inst(id) => Value::inst(InstId(new_inst[id.index()])),
                ValueKind::Const(id) => Value::constant(ConstId(new_const[id.index()])),
                _ => Value(*word),
            }
            .0;
        });
        operands::for_each_successor_mut(&mut inst, &mut body.pool, |word| {
            *word = new_block[*word as usize];
        });
        if inst.op == Op::Phi {
            for pair in body.pool[start..].chunks_exact_mut(2) {
                pair[0] = new_block[pair[0] as usize];
            }
        }
        inst
    }

    /// Notes the position of the stored instruction where it changes.
    fn copy_line(&mut self, at: InstId, origin: Origin) {
        let unknown = Line {
            from: at,
            line: 0,
            column: 0,
            file: u32::MAX,
            scope: u32::MAX,
        };
        let stored = self.graph.stored_body(origin.copy);
        let line = stored.line_of(origin.inst).unwrap_or(unknown);
        let line = Line { from: at, ..line };
        let same = |last: &Line| {
            (last.line, last.column, last.file) == (line.line, line.column, line.file)
        };
        let last = self.body.lines.last();
        if !last.map_or(line.line == 0, same) {
            self.body.lines.push(line);
        }
    }

    /// Keeps the facts about an instruction that still is what it was when they were noted.
    fn copy_side(&mut self, at: InstId, id: InstId) {
        let facts = self.graph.facts_of(id).iter();
        self.body
            .side
            .extend(facts.map(|fact| (at, fact.1, fact.2)));
    }
}

impl Graph<'_> {
    /// The facts about an instruction that still is what it was when they were noted.
    fn facts_of(&self, id: InstId) -> &[(InstId, u32, u32)] {
        let origin = self.origin[id.index()];
        let side = match origin.copy {
            0 => &self.stored.side,
            _ => &self.code.side,
        };
        let from = side.partition_point(|fact| fact.0 < id);
        if side.get(from).is_none_or(|fact| fact.0 != id) {
            return &[];
        }
        let was = self.stored_body(origin.copy).inst(origin.inst);
        let is = self.inst(id);
        if was.op != is.op || was.ty != is.ty {
            return &[];
        }
        let len = side[from..].iter().take_while(|fact| fact.0 == id).count();
        &side[from..from + len]
    }

    /// The payload of the fact of this kind about an instruction ([`ir::facts::kind`]), if there is one.
    #[must_use]
    pub fn fact(&self, id: InstId, kind: u32) -> Option<u32> {
        let facts = self.facts_of(id).iter();
        facts
            .into_iter()
            .find(|fact| fact.1 == kind)
            .map(|fact| fact.2)
    }
}
