//! One body: shape, constants, and the walk that checks every instruction.
//!
//! Order matters, because each step relies on the ones before: blocks and terminators in range (B1)
//! → edges and dominators can be computed → constants → instructions in one walk, operands checked
//! for type and dominance as they are met. Dominators are made when the first use needs them: at
//! clang's -O0 every value that crosses blocks is an alloca of the entry block, which dominates all.
//!
//! # Why one walk is enough
//!
//! A use in the block of its definition is right if the definition has the lower id, because ids
//! ascend within a block (B1). A use in another block is right if the definition's block dominates
//! the use's. A phi uses a value at the end of the predecessor, where any definition of that block is
//! done, so there the block itself counts as dominated. A phi is complete if the edges from the blocks
//! that it names are as many as lead to its block. None of these looks at another use, so the order of
//! the walk does not matter and nothing is remembered but the entries of the phi at hand.
//!
//! # Why it is linear
//!
//! Each instruction looks at its own operands. Lists of up to [`Budget::FREE`] words are short; the
//! words of longer ones are paid for from a budget of twice the pool, which a body whose lists do
//! not overlap never exceeds. Phis have at most as many entries as their block has edges.

use super::class::{Class, Shape};
use super::{Check, Message, Verifier, fail};
use crate::body::{Block, BlockId, Body, Const, ConstId, ConstKind, Line, Value, ValueKind};
use crate::cfg::{Cfg, Dominators};
use crate::inst::{Inst, InstId, Op};
use crate::module::{Function, Module};
use crate::text::type_text;
use crate::types::{Type, TypeId};
use alloc::format;
use alloc::vec::Vec;

/// A failed check with the instruction at which it failed.
type Located = (Option<InstId>, Message);

/// Checks a body whose signature is right.
pub(super) fn check(
    verifier: &Verifier<'_>,
    func: &Function,
    body: &Body,
    scratch: &mut Scratch,
) -> Result<(), Located> {
    let whole = |what| (None, what);
    check_blocks(body).map_err(whole)?;
    let mut budget = Budget::new(body);
    scratch.begin(body);
    for block in &body.blocks {
        let last = block.terminator();
        check_targets(body, body.inst(last), &mut budget, &mut scratch.edges)
            .map_err(|what| (Some(last), what))?;
    }
    check_tables(verifier.module, body).map_err(whole)?;
    let signature = verifier.module.types.signature(func.ty);
    let mut checker = Checker {
        module: verifier.module,
        verifier,
        classes: &verifier.classes,
        body,
        ret: signature.map_or(TypeId::VOID, |(ret, ..)| ret),
        scratch,
        budget,
        frame_bytes: 0,
        entry_end: body.blocks.first().map_or(0, |entry| entry.end),
        block: BlockId(0),
        start: 0,
        inst: InstId(0),
    };
    for at in 0..body.consts.len() {
        checker
            .check_const(at)
            .map_err(|message| (None, format!("constant {at}: {}", message.0).into()))?;
    }
    checker.walk()
}

/// B1: the blocks cover the instructions without gaps, and each ends with a terminator. That it has
/// no other is seen when its instructions are looked at.
fn check_blocks(body: &Body) -> Check {
    let limit = Value::MAX_INDEX as usize;
    let lists = [
        body.insts.len(),
        body.consts.len(),
        body.params.len(),
        body.pool.len(),
    ];
    if lists.iter().any(|&len| len > limit) {
        return fail("the body is too large");
    }
    if body.blocks.is_empty() {
        return fail("the body has no blocks");
    }
    let mut expected_start = 0;
    for (id, &Block { start, end }) in body.blocks.iter().enumerate() {
        if start != expected_start || start >= end || end as usize > body.insts.len() {
            return Err(format!("block {id} is empty or does not follow the one before").into());
        }
        if !body.insts[end as usize - 1].op.is_terminator() {
            return other_terminator(BlockId(id as u32));
        }
        expected_start = end;
    }
    if expected_start as usize != body.insts.len() {
        return fail("the blocks do not cover the instructions");
    }
    Ok(())
}

/// Keeps the work linear when many instructions name the same words of the pool.
struct Budget(usize);

impl Budget {
    /// Longer lists count.
    const FREE: usize = 64;

    /// Twice what a body needs whose long lists do not overlap.
    fn new(body: &Body) -> Self {
        Self(body.pool.len() * 2)
    }

    /// Takes a list's words out of the budget.
    fn spend(&mut self, words: usize) -> Check {
        if words > Self::FREE {
            match self.0.checked_sub(words) {
                Some(left) => self.0 = left,
                None => return fail("long lists overlap in the pool"),
            }
        }
        Ok(())
    }
}

/// Pool ranges and block ids of a terminator: what `Cfg::new` follows. Counts its edges by target.
fn check_targets(body: &Body, inst: &Inst, budget: &mut Budget, edges: &mut [u32]) -> Check {
    let [_, start, n] = inst.args;
    let words = match inst.op {
        Op::Switch => u64::from(n) * 3 + 1,
        Op::IndirectBr => u64::from(n),
        _ => 0,
    };
    if words != 0 && u64::from(start) + words > body.pool.len() as u64 {
        return fail("its list lies outside the pool");
    }
    budget.spend(words as usize)?;
    let mut exist = true;
    body.for_each_successor(inst, |to| match edges.get_mut(to.index()) {
        Some(edges) => *edges += 1,
        None => exist = false,
    });
    if !exist {
        return fail("its target is not a block");
    }
    if edges.first().is_some_and(|&edges| edges != 0) {
        return fail("the entry block has a predecessor");
    }
    Ok(())
}

/// The lists beside the code.
fn check_tables(module: &Module, body: &Body) -> Check {
    let end = body.insts.len();
    let ordered = body.lines.windows(2).all(|w| w[0].from < w[1].from);
    let in_range = body.lines.last().is_none_or(|l| l.from.index() < end);
    let files = module.files.len();
    let scopes = module.scopes.len();
    let exists = |number: u32, len: usize| number == u32::MAX || (number as usize) < len;
    let named = |line: &Line| exists(line.file, files) && exists(line.scope, scopes);
    if !ordered || !in_range || !body.lines.iter().all(named) {
        return fail("the line table is out of order or out of range");
    }
    let ordered = body.side.windows(2).all(|w| w[0].0 <= w[1].0);
    if !ordered || body.side.last().is_some_and(|s| s.0.index() >= end) {
        return fail("the side table is out of order or out of range");
    }
    let known = |fact: &(InstId, u32, u32)| module.facts.has(fact.1, fact.2);
    if !body.side.iter().all(known) {
        return fail("a fact names what its table does not have");
    }
    Ok(())
}

/// Buffers that serve for many bodies, and what they hold of the one at hand.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// By block: how many edges lead to it.
    edges: Vec<u32>,
    /// Made when something asks that layout and terminators alone do not answer.
    cfg: Cfg,
    has_cfg: bool,
    /// Made when a use in another block asks, which few functions of clang's -O0 have; with the block of
    /// each instruction.
    dominators: Dominators,
    block_of: Vec<u32>,
    has_dominators: bool,
    /// By block: 1 + the phi that last named it, and with which value.
    entries: Vec<(u32, Value)>,
}

impl Scratch {
    /// Forgets the body before.
    fn begin(&mut self, body: &Body) {
        (self.has_cfg, self.has_dominators) = (false, false);
        self.entries.clear();
        self.edges.clear();
        self.edges.resize(body.blocks.len(), 0);
    }

    /// Itself, once `cfg` is that of `body`.
    fn with_cfg(&mut self, body: &Body) -> &Self {
        if !self.has_cfg {
            self.cfg.reset(body);
            self.has_cfg = true;
        }
        self
    }

    /// Fills in the dominators of `body`, and which block each of its instructions is in.
    #[inline(never)]
    fn find_dominators(&mut self, body: &Body) {
        if !self.dominators.reset_in_layout(body) {
            self.with_cfg(body);
            self.dominators.reset(&self.cfg);
        }
        self.block_of.clear();
        self.block_of.reserve(body.insts.len());
        for (id, block) in (0u32..).zip(&body.blocks) {
            let len = (block.end - block.start) as usize;
            self.block_of.extend(core::iter::repeat_n(id, len));
        }
        self.has_dominators = true;
    }
}

/// The walk over constants and instructions.
pub(super) struct Checker<'a> {
    pub(super) module: &'a Module,
    pub(super) verifier: &'a Verifier<'a>,
    classes: &'a [Class],
    pub(super) body: &'a Body,
    /// What the function returns.
    pub(super) ret: TypeId,
    scratch: &'a mut Scratch,
    budget: Budget,
    /// Bytes of static allocas so far, with what their alignment may take.
    pub(super) frame_bytes: u64,
    /// One past the last instruction of the entry, which dominates all blocks.
    entry_end: u32,
    /// Where the walk is.
    block: BlockId,
    /// First instruction of that block.
    start: u32,
    pub(super) inst: InstId,
}

impl<'a> Checker<'a> {
    /// Every instruction of every block, in order.
    fn walk(&mut self) -> Result<(), Located> {
        let body = self.body;
        for (id, block) in (0u32..).map(BlockId).zip(&body.blocks) {
            (self.block, self.start) = (id, block.start);
            let insts = &body.insts[block.start as usize..block.end as usize];
            for (at, inst) in (block.start..).map(InstId).zip(insts) {
                self.inst = at;
                self.check_inst(inst).map_err(|what| (Some(at), what))?;
            }
        }
        Ok(())
    }

    /// That a terminator is its block's only one: `check_blocks` saw that the last one is there.
    #[inline(always)]
    pub(super) fn expect_last(&self) -> Check {
        if self.inst == self.body.block(self.block).terminator() {
            Ok(())
        } else {
            other_terminator(self.block)
        }
    }

    /// The class of a type that may be out of range.
    #[inline(always)]
    pub(super) fn class(&self, id: TypeId) -> Check<Class> {
        match self.classes.get(id.index()) {
            Some(&class) => Ok(class),
            None => no_type(id),
        }
    }

    /// The class of a type that has values.
    #[inline(always)]
    pub(super) fn value_class(&self, id: TypeId) -> Check<Class> {
        let class = self.class(id)?;
        if class.is_value() {
            Ok(class)
        } else {
            self.not_a_value_type(id)
        }
    }

    /// That a type has values, where nothing else about it matters.
    #[inline(always)]
    pub(super) fn expect_value(&self, id: TypeId) -> Check {
        match self.classes.get(id.index()) {
            Some(class) if class.is_value() => Ok(()),
            _ => self.value_class(id).map(|_| ()),
        }
    }

    #[cold]
    fn not_a_value_type(&self, id: TypeId) -> Check<Class> {
        Err(format!("{} is not a type of values", self.name(id)).into())
    }

    /// `n` pool words from `start`.
    pub(super) fn words(&mut self, start: u32, n: u32) -> Check<&'a [u32]> {
        self.budget.spend(n as usize)?;
        let start = start as usize;
        match start.checked_add(n as usize) {
            Some(end) if end <= self.body.pool.len() => Ok(&self.body.pool[start..end]),
            _ => fail("its list lies outside the pool"),
        }
    }

    /// The type of an operand, which must exist and be defined wherever the instruction runs.
    #[inline(always)]
    pub(super) fn operand(&mut self, raw: u32) -> Check<TypeId> {
        let value = Value(raw);
        match self.type_of(value) {
            Some(ty) if self.is_there(value) => Ok(ty),
            found => bad_operand(value, found),
        }
    }

    /// Checks an operand of known type.
    #[inline(always)]
    pub(super) fn operand_of(&mut self, raw: u32, expected: TypeId) -> Check {
        let value = Value(raw);
        let found = self.type_of(value);
        if found == Some(expected) && self.is_there(value) {
            return Ok(());
        }
        self.other_type(value, found, expected)
    }

    /// The message of `operand_of`.
    #[cold]
    fn other_type(&self, value: Value, found: Option<TypeId>, expected: TypeId) -> Check {
        match found {
            Some(ty) if ty != expected => Err(format!(
                "its operand {value:?} is {}, not {}",
                self.name(ty),
                self.name(expected)
            )
            .into()),
            _ => bad_operand(value, found).map(|_| ()),
        }
    }

    /// The type of a value, wherever it is defined; `None` if it is not.
    #[inline(always)]
    fn type_of(&self, value: Value) -> Option<TypeId> {
        if let Some(id) = value.as_inst() {
            let inst = self.body.insts.get(id.index())?;
            return inst.has_result().then_some(inst.ty);
        }
        match value.kind() {
            ValueKind::Const(id) => self.body.consts.get(id.index()).map(|c| c.ty),
            ValueKind::Arg(n) => self.body.params.get(n as usize).copied(),
            ValueKind::Inst(_) | ValueKind::None => None,
        }
    }

    /// Whether an existing value is defined wherever the instruction runs. Most are results of the same
    /// block or of the entry.
    #[inline(always)]
    fn is_there(&mut self, value: Value) -> bool {
        let Some(def) = value.as_inst() else {
            return true;
        };
        def < self.inst && (def.0 >= self.start || def.0 < self.entry_end) || self.reaches(def)
    }

    /// Whether a definition that does not stand before this instruction in its block, nor in the entry,
    /// dominates it all the same.
    #[inline(never)]
    fn reaches(&mut self, def: InstId) -> bool {
        let Block { start, end } = self.body.block(self.block);
        !(start..end).contains(&def.0) && self.dominates(def, self.block)
    }

    /// Whether every path to block `to` passes the block of the existing instruction `def`.
    fn dominates(&mut self, def: InstId, to: BlockId) -> bool {
        let scratch = &mut *self.scratch;
        if !scratch.has_dominators {
            scratch.find_dominators(self.body);
        }
        let from = BlockId(scratch.block_of[def.index()]);
        scratch.dominators.dominates(from, to)
    }

    /// B2 for phis: they come first, every predecessor has an entry, and only predecessors do. One that
    /// has several edges may have an entry for each, all with the same value.
    #[inline(never)]
    pub(super) fn check_phi(&mut self, inst: &Inst) -> Check {
        let [start, n, _] = inst.args;
        if self.inst.0 != self.start && self.body.insts[self.inst.index() - 1].op != Op::Phi {
            return fail("a phi must come before other instructions");
        }
        self.expect_value(inst.ty)?;
        let edges = self.scratch.edges[self.block.index()];
        let entries = &mut self.scratch.entries;
        entries.resize(self.body.blocks.len(), (0, Value::NONE));
        if n == 0 || n > edges {
            return fail("the phi has no entries, or more than there are edges");
        }
        let mark = self.inst.0 + 1;
        let mut covered = 0;
        for pair in self.words(start, n * 2)?.chunks_exact(2) {
            let (from, value) = (pair[0], Value(pair[1]));
            self.check_phi_value(inst.ty, BlockId(from), value)?;
            let entry = &mut self.scratch.entries[from as usize];
            if entry.0 != mark {
                *entry = (mark, value);
                match self.edges_from(BlockId(from)) {
                    0 => return fail("the phi has an entry for a block that is no predecessor"),
                    edges => covered += edges,
                }
            } else if entry.1 != value {
                return Err(format!("the phi has two values for block {from}").into());
            }
        }
        if covered == edges {
            return Ok(());
        }
        let Scratch { cfg, entries, .. } = self.scratch.with_cfg(self.body);
        let named = |from: &&BlockId| entries[from.index()].0 == mark;
        match cfg.preds(self.block).iter().find(|from| !named(from)) {
            Some(from) => Err(format!("the phi has no entry for block {}", from.0).into()),
            None => Ok(()),
        }
    }

    /// How many edges lead from a block to the one at hand.
    #[inline(always)]
    fn edges_from(&mut self, from: BlockId) -> u32 {
        let (body, to) = (self.body, self.block);
        let inst = body.inst(body.block(from).terminator());
        let [a, b, c] = inst.args;
        match inst.op {
            Op::Br => u32::from(a == to.0),
            Op::CondBr => u32::from(b == to.0) + u32::from(c == to.0),
            Op::Switch | Op::IndirectBr => self.edges_among_many(from),
            _ => 0,
        }
    }

    /// Likewise from a block with a list of targets, which may be too long to read for every phi.
    #[inline(never)]
    fn edges_among_many(&mut self, from: BlockId) -> u32 {
        let preds = self.scratch.with_cfg(self.body).cfg.preds(self.block);
        // By ascending id, so those from one block are side by side.
        let start = preds.partition_point(|&pred| pred < from);
        let end = preds.partition_point(|&pred| pred <= from);
        (end - start) as u32
    }

    /// An entry's type, and that its value is there at the end of the predecessor.
    fn check_phi_value(&mut self, ty: TypeId, from: BlockId, value: Value) -> Check {
        let Some(&Block { start, end }) = self.body.blocks.get(from.index()) else {
            return Err(format!("the phi names block {}, which is none", from.0).into());
        };
        let found = self.type_of(value);
        if found != Some(ty) {
            return match found {
                Some(found) => Err(format!(
                    "the phi's entry {value:?} is {}, not {}",
                    self.name(found),
                    self.name(ty)
                )
                .into()),
                None => bad_operand(value, found).map(|_| ()),
            };
        }
        if let Some(def) = value.as_inst() {
            let inside = def.0 < self.entry_end || (start..end).contains(&def.0);
            if !inside && !self.dominates(def, from) {
                return Err(format!(
                    "the phi's entry %{} does not dominate the end of block {}",
                    def.0, from.0
                )
                .into());
            }
        }
        Ok(())
    }

    /// That the kind of a constant is one that its type can have, and its bits fit.
    fn check_const(&mut self, at: usize) -> Check {
        let Const { ty, kind } = self.body.consts[at];
        let class = self.value_class(ty)?;
        let scalar = |shape| class.is_scalar(shape);
        let fits = match kind {
            ConstKind::Zero => true,
            ConstKind::Int(bits) => {
                (scalar(Shape::Int) || scalar(Shape::Ptr))
                    && class.bits <= 64
                    && (class.bits == 64 || bits >> class.bits == 0)
            }
            ConstKind::Wide { start } => return self.check_wide(class, start),
            ConstKind::F32(bits) => {
                scalar(Shape::Float)
                    && (class.bits == 32 || class.bits == 16 && bits <= u32::from(u16::MAX))
            }
            ConstKind::F64(_) => scalar(Shape::Float) && class.bits == 64,
            ConstKind::Elements { start, len } => {
                let words = self.words(start, len)?;
                return self.check_elements(at, ty, words);
            }
            ConstKind::Func(id) => ty == TypeId::PTR && id.index() < self.module.funcs.len(),
            ConstKind::Global { id, .. } => {
                ty == TypeId::PTR && id.index() < self.module.globals.len()
            }
            ConstKind::Block(id) => ty == TypeId::PTR && id.index() < self.body.blocks.len(),
        };
        if fits {
            Ok(())
        } else {
            Err(format!("{kind:?} is not a value of {}", self.name(ty)).into())
        }
    }

    /// Words above 64 bits: as many as the width needs, and 0 beyond it.
    fn check_wide(&mut self, class: Class, start: u32) -> Check {
        let bits = u32::from(class.bits);
        let wide = class.is_scalar(Shape::Int) || class.is_scalar(Shape::Float);
        if !wide || bits <= 64 {
            return fail("a wide constant of a type of at most 64 bits");
        }
        let words = self.words(start, bits.div_ceil(64) * 2)?;
        for (at, &word) in (0u32..).zip(words) {
            let used = bits.saturating_sub(at * 32).min(32);
            if u64::from(word) >> used != 0 {
                return fail("a wide constant has bits above its width");
            }
        }
        Ok(())
    }

    /// Elements come before the constant that they are part of, so no constant holds itself.
    fn check_elements(&self, at: usize, ty: TypeId, words: &[u32]) -> Check {
        let types = &self.module.types;
        let (len, fields): (usize, &[TypeId]) = match types.get(ty) {
            Type::Vector { elem, len } | Type::Array { elem, len } => {
                (*len as usize, core::slice::from_ref(elem))
            }
            Type::Struct { fields, .. } => (fields.len(), fields),
            _ => return fail("only vectors and aggregates have elements"),
        };
        if len != words.len() {
            return fail("the number of elements is not the type's");
        }
        for (n, &word) in words.iter().enumerate() {
            let id = ConstId(word);
            if id.index() >= at {
                return fail("an element does not precede its constant");
            }
            let expected = fields.get(n).or(fields.first()).copied();
            if Some(self.body.constant(id).ty) != expected {
                return Err(format!("element {n} has another type").into());
            }
        }
        Ok(())
    }

    /// A type as text, for messages.
    pub(super) fn name(&self, id: TypeId) -> impl core::fmt::Display + use<'a> {
        type_text(&self.module.types, id)
    }
}

// Messages are made out of line, so that checks stay small.

#[cold]
fn other_terminator(id: BlockId) -> Check {
    Err(format!("block {} does not end with its only terminator", id.0).into())
}

/// Of an operand that does not exist, or exists with this type and is not there where it is used.
#[cold]
fn bad_operand(value: Value, found: Option<TypeId>) -> Check<TypeId> {
    Err(match found {
        Some(_) => format!("its operand {value:?} does not dominate it"),
        None => format!("its operand {value:?} is not a value"),
    }
    .into())
}

#[cold]
fn no_type(id: TypeId) -> Check<Class> {
    Err(format!("there is no type {}", id.0).into())
}
