//! The form in which passes edit a function: instructions in an arena, blocks as lists of them.
//!
//! A stored [`Body`] keeps its blocks contiguous and never changes. A [`Graph`] copies it once, is
//! edited by every pass of a level, and is compacted back ([`Graph::to_body`]) at the end, or
//! between any two passes when somebody wants to look: verifier, printer and interpreter know
//! bodies only, so that a bug of this form cannot hide from them.
//!
//! ```text
//!   Body ── Graph::new ──► arena of Inst ── pass ── settle ── pass ── settle ── … ── to_body ──► Optimised
//!                          lists a block                                                 body + origin
//! ```
//!
//! # How edits work
//!
//! * An instruction's id is its place in the arena and never changes while the graph lives. Moving
//!   it means moving the id between lists; an id in no list is dead.
//! * [`Graph::replace`] says "whoever uses this, use that": a note in an alias table, so that it
//!   costs nothing however many uses there are. [`Graph::settle`] then rewrites all operands in one
//!   walk, drops replaced instructions from the lists and empties the table. The pipeline calls it
//!   after every pass; within a pass, operands may be stale and [`Graph::resolve`] looks them up.
//! * Operand lists longer than three lie in a pool as in a body. On entry each instruction gets
//!   words of its own, so that editing in place cannot be seen by another.
//!
//! # Invariants (between passes)
//!
//! G1. A block that is not removed holds phis, then others, then one terminator; it is reachable
//!     from the entry or from a block whose address is taken, unless the pass before cut it off.
//! G2. A phi has exactly one entry for each predecessor block, however many edges lead from it.
//! G3. No alias is pending.
//! G4. `origin[i]` is the stored instruction that arena instruction `i` came from: the first one
//!     that had its effect, in the body of the function itself or of one that was copied into it
//!     (`splice`). Lines and the back end's side tables are found through it.
//! G5. Equal integers are the same [`Value`]; null and undef ones are `ConstKind::Int(0)`.

mod compact;
mod duplicate;
mod effects;
mod operands;
mod splice;

pub use effects::Effects;
pub(super) use effects::is_plain;

use crate::tier::opt::fuel::Fuel;
use crate::tier::{Bindings, Declined, Inlined, Origin};
use alloc::vec;
use alloc::vec::Vec;
use core::mem;
use hashbrown::HashMap;
use ir::cfg::Cfg;
use ir::{
    Block, BlockId, Body, Const, ConstId, ConstKind, Flags, FuncId, Function, Inst, InstId, Module,
    Op, TypeId, Types, Value, ValueKind,
};

/// What the middle end makes of a body.
#[derive(Debug, Clone, Default)]
pub struct Optimised {
    /// The new body, valid wherever the stored one was.
    pub body: Body,
    /// Parallel to `body.insts`: the instruction of a stored body that each came from.
    pub origin: Vec<Origin>,
    /// Copies of other functions' bodies in it, as `origin` numbers them.
    pub inlined: Vec<Inlined>,
}

/// Largest functions that the optimising tiers take: instructions, blocks, pool words.
pub const MAX_INSTS: usize = 1 << 18;
/// See [`MAX_INSTS`].
pub const MAX_BLOCKS: usize = 1 << 16;
/// See [`MAX_INSTS`].
pub const MAX_POOL: usize = 1 << 20;

/// A function under optimisation.
#[derive(Debug)]
pub struct Graph<'a> {
    module: &'a Module,
    func: FuncId,
    /// What the graph was made from: lines and facts are read from it at the end.
    stored: &'a Body,
    /// What declarations mean; without it each function means itself.
    bindings: Option<&'a Bindings>,
    /// Arena, pool, constants, parameters. Its block list is empty; `lines` too. `side` holds the
    /// facts about instructions of copies.
    code: Body,
    /// By block; empty if removed.
    blocks: Vec<Vec<InstId>>,
    origin: Vec<Origin>,
    inlined: Vec<Inlined>,
    /// By instruction: what it was replaced by, or `Value::NONE`.
    alias: Vec<Value>,
    replaced: bool,
    const_ids: HashMap<Const, ConstId>,
    /// How many more changes passes may make; see [`Fuel`].
    pub fuel: Fuel,
    /// How many loops have been unrolled.
    pub unrolled: u32,
}

impl<'a> Graph<'a> {
    /// The graph of a verified body of function `func`.
    ///
    /// # Errors
    /// The body is larger than the optimising tiers take.
    pub fn new(
        module: &'a Module,
        func: FuncId,
        stored: &'a Body,
        fuel: Fuel,
    ) -> Result<Self, Declined> {
        if stored.insts.len() > MAX_INSTS {
            return Err(Declined::LimitExceeded("instructions in a function"));
        }
        if stored.blocks.len() > MAX_BLOCKS {
            return Err(Declined::LimitExceeded("blocks in a function"));
        }
        let mut graph = Self {
            module,
            func,
            stored,
            bindings: None,
            code: Body {
                params: stored.params.clone(),
                insts: stored.insts.clone(),
                consts: stored.consts.clone(),
                ..Body::default()
            },
            blocks: stored.blocks.iter().map(|b| b.insts().collect()).collect(),
            origin: (0..stored.insts.len() as u32)
                .map(|at| Origin {
                    copy: 0,
                    inst: InstId(at),
                })
                .collect(),
            inlined: Vec::new(),
            alias: vec![Value::NONE; stored.insts.len()],
            replaced: false,
            const_ids: HashMap::new(),
            fuel,
            unrolled: 0,
        };
        graph.copy_pool()?;
        graph.unify_consts();
        Ok(graph)
    }

    /// Makes operands name each integer by one id only (G5).
    fn unify_consts(&mut self) {
        let mut ids = Vec::with_capacity(self.code.consts.len());
        for at in 0..self.code.consts.len() {
            let Const { ty, kind } = self.code.consts[at];
            let narrow = matches!(self.types().int_bits(ty), Some(..=64));
            let constant = match kind {
                ConstKind::Zero if narrow => Const {
                    ty,
                    kind: ConstKind::Int(0),
                },
                _ => Const { ty, kind },
            };
            self.code.consts[at] = constant;
            let id = ConstId(at as u32);
            ids.push(*self.const_ids.entry(constant).or_insert(id));
        }
        for inst in &mut self.code.insts {
            inst.for_each_operand_mut(&mut self.code.pool, |word| {
                if let Some(id) = Value(*word).as_const() {
                    *word = Value::constant(ids[id.index()]).0;
                }
            });
        }
    }

    /// Gives each constant and each instruction its own words of the pool, and phis one entry a
    /// predecessor (G2).
    fn copy_pool(&mut self) -> Result<(), Declined> {
        let stored = self.stored;
        let types = &self.module.types;
        for constant in &mut self.code.consts {
            let (start, len) = match &mut constant.kind {
                ConstKind::Elements { start, len } => (start, *len),
                ConstKind::Wide { start } => {
                    let bits = types.int_bits(constant.ty).unwrap_or(80);
                    (start, bits.div_ceil(64) * 2)
                }
                _ => continue,
            };
            let words = stored.words(*start, len);
            *start = self.code.pool.len() as u32;
            self.code.pool.extend_from_slice(words);
            check_pool(&self.code.pool)?;
        }
        for at in 0..self.code.insts.len() {
            let mut inst = self.code.insts[at];
            if let Some((start, words)) = operands::list(&mut inst, stored, types) {
                *start = self.code.pool.len() as u32;
                self.code.pool.extend_from_slice(words);
                check_pool(&self.code.pool)?;
            }
            self.code.insts[at] = inst;
            if inst.op == Op::Phi {
                self.merge_equal_entries(InstId(at as u32));
            }
        }
        Ok(())
    }

    fn merge_equal_entries(&mut self, phi: InstId) {
        let mut pairs = self.phi(phi).to_vec();
        pairs.sort_by_key(|pair| pair.0);
        pairs.dedup_by_key(|pair| pair.0);
        if pairs.len() != self.inst(phi).args[1] as usize {
            self.set_phi(phi, &pairs);
        }
    }

    /// From now on, calls of declarations lead where `bindings` say.
    pub fn bind(&mut self, bindings: Option<&'a Bindings>) {
        self.bindings = bindings;
    }

    /// What declarations mean, if that is known.
    #[must_use]
    pub fn bindings(&self) -> Option<&'a Bindings> {
        self.bindings
    }

    /// The function whose body a direct call of `func` runs; `None` if that is the runtime's.
    #[must_use]
    pub fn definition(&self, func: FuncId) -> Option<FuncId> {
        match self.bindings {
            Some(bindings) => bindings.definition(self.module, func),
            None => self.module.func(func).body.as_ref().map(|_| func),
        }
    }

    /// The module.
    #[must_use]
    pub fn module(&self) -> &'a Module {
        self.module
    }

    /// The module's types.
    #[must_use]
    pub fn types(&self) -> &'a Types {
        &self.module.types
    }

    /// The number of the function.
    #[must_use]
    pub fn id(&self) -> FuncId {
        self.func
    }

    /// The function.
    #[must_use]
    pub fn function(&self) -> &'a Function {
        self.module.func(self.func)
    }

    /// Arena, pool, constants and parameters in the shape of a body without blocks, for its
    /// queries (`type_of`, `const_int`, `for_each_operand`).
    #[must_use]
    #[inline]
    pub fn code(&self) -> &Body {
        &self.code
    }

    /// The instruction `id`.
    #[must_use]
    #[inline]
    pub fn inst(&self, id: InstId) -> &Inst {
        &self.code.insts[id.index()]
    }

    /// Instructions ever made; ids are below.
    #[must_use]
    pub fn num_insts(&self) -> usize {
        self.code.insts.len()
    }

    /// Changes instruction `id` in place.
    pub fn set(&mut self, id: InstId, inst: Inst) {
        self.code.insts[id.index()] = inst;
    }

    /// A new instruction that is in no block yet; it stands for what `like` came from.
    pub fn make(&mut self, inst: Inst, like: InstId) -> InstId {
        let id = InstId(self.code.insts.len() as u32);
        self.code.insts.push(inst);
        self.origin.push(self.origin[like.index()]);
        self.alias.push(Value::NONE);
        id
    }

    /// A new instruction of these parts, as [`Graph::make`].
    pub fn op(&mut self, op: Op, ty: TypeId, args: [u32; 3], like: InstId) -> InstId {
        let flags = Flags::default();
        let inst = Inst {
            op,
            flags,
            ty,
            args,
        };
        self.make(inst, like)
    }

    /// Number of blocks, removed ones included; ids are below.
    #[must_use]
    pub fn num_blocks(&self) -> usize {
        self.blocks.len()
    }

    /// A new block without instructions, last in layout order.
    pub fn add_block(&mut self) -> BlockId {
        self.blocks.push(Vec::new());
        BlockId(self.blocks.len() as u32 - 1)
    }

    /// The blocks that are not removed, in layout order.
    pub fn blocks(&self) -> impl Iterator<Item = BlockId> + use<> {
        let live: Vec<_> = (0..self.blocks.len() as u32)
            .map(BlockId)
            .filter(|id| !self.blocks[id.index()].is_empty())
            .collect();
        live.into_iter()
    }

    /// Whether the block is still there.
    #[must_use]
    pub fn has_block(&self, block: BlockId) -> bool {
        !self.blocks[block.index()].is_empty()
    }

    /// The instructions of a block; none if it is removed.
    #[must_use]
    #[inline]
    pub fn insts(&self, block: BlockId) -> &[InstId] {
        &self.blocks[block.index()]
    }

    /// The list of a block, to be changed.
    pub fn insts_mut(&mut self, block: BlockId) -> &mut Vec<InstId> {
        &mut self.blocks[block.index()]
    }

    /// Takes the list of a block out, to be rebuilt; the block counts as removed meanwhile.
    pub fn take_insts(&mut self, block: BlockId) -> Vec<InstId> {
        mem::take(&mut self.blocks[block.index()])
    }

    /// The terminator of a block that is not removed.
    #[must_use]
    #[inline]
    pub fn terminator(&self, block: BlockId) -> InstId {
        let insts = self.insts(block);
        insts[insts.len() - 1]
    }

    /// Successors of a block, as [`Body::for_each_successor`]; none if it is removed.
    #[must_use]
    pub fn succs(&self, block: BlockId) -> Vec<BlockId> {
        let mut succs = Vec::new();
        if let Some(&last) = self.insts(block).last() {
            self.code
                .for_each_successor(self.inst(last), |to| succs.push(to));
        }
        succs
    }

    /// Edges and order as they are now. Removed blocks have no edges.
    pub fn cfg(&mut self) -> Cfg {
        // A body of terminators only; the pool is lent to it.
        let mut skeleton = Body {
            pool: mem::take(&mut self.code.pool),
            ..Body::default()
        };
        for (at, insts) in (0..).zip(&self.blocks) {
            let last = insts.last().map(|id| self.code.insts[id.index()]);
            skeleton.insts.push(last.unwrap_or(Inst {
                op: Op::Unreachable,
                flags: Flags::default(),
                ty: TypeId::VOID,
                args: [0; 3],
            }));
            skeleton.blocks.push(Block {
                start: at,
                end: at + 1,
            });
        }
        let cfg = Cfg::new(&skeleton);
        self.code.pool = skeleton.pool;
        cfg
    }

    /// Blocks whose addresses are constants of the function: an `indirectbr` may lead to them.
    #[must_use]
    pub fn address_taken(&self) -> Vec<BlockId> {
        let kinds = self.code.consts.iter().map(|constant| constant.kind);
        kinds
            .filter_map(|kind| match kind {
                ConstKind::Block(id) => Some(id),
                _ => None,
            })
            .collect()
    }

    /// Which instructions are in blocks, by id.
    #[must_use]
    pub fn placed(&self) -> Vec<bool> {
        let mut placed = vec![false; self.num_insts()];
        for &id in self.blocks.iter().flatten() {
            placed[id.index()] = true;
        }
        placed
    }

    /// How many operands name each instruction, by id; aliases are not followed.
    #[must_use]
    pub fn use_counts(&self) -> Vec<u32> {
        let mut counts = vec![0; self.num_insts()];
        for &id in self.blocks.iter().flatten() {
            self.code.for_each_operand(self.inst(id), |value| {
                if let Some(used) = value.as_inst() {
                    counts[used.index()] += 1;
                }
            });
        }
        counts
    }

    /// Appends all that `inst` names to `words`: arguments, and the words of its list instead of
    /// where the list is.
    pub fn push_words(&self, inst: &Inst, words: &mut impl Extend<u32>) {
        let mut copy = *inst;
        if let Some((start, list)) = operands::list(&mut copy, &self.code, self.types()) {
            *start = 0;
            words.extend(list.iter().copied());
        }
        words.extend(copy.args);
    }

    /// Appends words to the pool and gives the index of the first.
    pub fn pool(&mut self, words: &[u32]) -> u32 {
        let at = self.code.pool.len() as u32;
        self.code.pool.extend_from_slice(words);
        at
    }

    /// The constant, added if it is new.
    pub fn constant(&mut self, ty: TypeId, kind: ConstKind) -> Value {
        let constant = Const { ty, kind };
        let consts = &mut self.code.consts;
        let id = *self.const_ids.entry(constant).or_insert_with(|| {
            consts.push(constant);
            ConstId(consts.len() as u32 - 1)
        });
        Value::constant(id)
    }

    /// An integer (or address) of at most 64 bits; higher bits of `bits` are cut off.
    pub fn int(&mut self, ty: TypeId, bits: u64) -> Value {
        let width = self.types().int_bits(ty).unwrap_or(64).clamp(1, 64);
        self.constant(ty, ConstKind::Int(bits & (u64::MAX >> (64 - width))))
    }

    /// All bits 0 of any type.
    pub fn zero(&mut self, ty: TypeId) -> Value {
        match self.types().int_bits(ty) {
            Some(..=64) => self.int(ty, 0),
            _ => self.constant(ty, ConstKind::Zero),
        }
    }

    /// The type of a value.
    #[must_use]
    #[inline]
    pub fn type_of(&self, value: Value) -> TypeId {
        self.code.type_of(value)
    }

    /// The integer that a value is, zero-extended, if it is a constant of at most 64 bits.
    #[must_use]
    #[inline]
    pub fn const_int(&self, value: Value) -> Option<u64> {
        let constant = self.code.constant(value.as_const()?);
        match constant.kind {
            ConstKind::Int(bits) => Some(bits),
            ConstKind::Zero => {
                matches!(self.types().int_bits(constant.ty), Some(..=64)).then_some(0)
            }
            _ => None,
        }
    }

    /// The entries of a phi.
    pub fn phi(&self, phi: InstId) -> Vec<(BlockId, Value)> {
        let [start, n, _] = self.inst(phi).args;
        let words = self.code.words(start, n * 2);
        let pairs = words.chunks_exact(2);
        pairs.map(|p| (BlockId(p[0]), Value(p[1]))).collect()
    }

    /// Replaces the entries of a phi.
    pub fn set_phi(&mut self, phi: InstId, entries: &[(BlockId, Value)]) {
        let [start, n, _] = self.inst(phi).args;
        let words = entries.iter().flat_map(|(from, value)| [from.0, value.0]);
        let at = if entries.len() <= n as usize {
            start
        } else {
            let at = self.code.pool.len();
            self.code.pool.resize(at + entries.len() * 2, 0);
            at as u32
        };
        for (slot, word) in self.code.pool[at as usize..].iter_mut().zip(words) {
            *slot = word;
        }
        let inst = &mut self.code.insts[phi.index()];
        inst.args = [at, entries.len() as u32, 0];
    }

    /// A phi without entries that is in no block yet.
    pub fn make_phi(&mut self, ty: TypeId, like: InstId) -> InstId {
        self.op(Op::Phi, ty, [0; 3], like)
    }

    /// From now on, uses of instruction `id` are uses of `value`; `id` itself goes away. A value
    /// that is `id` again (a phi of itself, in code that cannot run) becomes 0.
    pub fn replace(&mut self, id: InstId, value: Value) {
        let mut value = self.resolve(value);
        if value == Value::inst(id) {
            value = self.zero(self.inst(id).ty);
        }
        debug_assert_eq!(self.inst(id).ty, self.type_of(value), "a type changes");
        self.alias[id.index()] = value;
        self.replaced = true;
    }

    /// Whether the instruction was replaced since the graph was settled last.
    #[must_use]
    pub fn is_replaced(&self, id: InstId) -> bool {
        self.alias[id.index()] != Value::NONE
    }

    /// What a value stands for now.
    pub fn resolve(&mut self, value: Value) -> Value {
        let mut end = value;
        while let ValueKind::Inst(id) = end.kind()
            && self.alias[id.index()] != Value::NONE
        {
            end = self.alias[id.index()];
        }
        // Path compression: the next look-up is one step.
        let mut at = value;
        while let ValueKind::Inst(id) = at.kind()
            && at != end
        {
            at = mem::replace(&mut self.alias[id.index()], end);
        }
        end
    }

    /// Makes all replacements come true: operands name final values, replaced instructions are in
    /// no block.
    pub fn settle(&mut self) {
        if !mem::take(&mut self.replaced) {
            return;
        }
        for at in 0..self.blocks.len() {
            let mut insts = mem::take(&mut self.blocks[at]);
            insts.retain(|&id| !self.is_replaced(id));
            for &id in &insts {
                self.resolve_operands(id);
            }
            self.blocks[at] = insts;
        }
        self.alias.fill(Value::NONE);
    }

    /// Makes an instruction's operands final values.
    pub fn resolve_operands(&mut self, id: InstId) {
        let mut inst = *self.inst(id);
        let mut pool = mem::take(&mut self.code.pool);
        inst.for_each_operand_mut(&mut pool, |word| {
            *word = self.resolve(Value(*word)).0;
        });
        self.code.pool = pool;
        self.code.insts[id.index()] = inst;
    }

    /// Changes where a terminator leads; phis are the caller's business.
    pub fn map_successors(&mut self, terminator: InstId, mut f: impl FnMut(BlockId) -> BlockId) {
        let inst = &mut self.code.insts[terminator.index()];
        operands::for_each_successor_mut(inst, &mut self.code.pool, |word| {
            *word = f(BlockId(*word)).0;
        });
    }

    /// Keeps only the entries of the blocks that `keep` names in the phis of `block`: there is no
    /// edge from the others any more.
    pub fn retain_phi_entries(&mut self, block: BlockId, keep: impl Fn(BlockId) -> bool) {
        for at in 0..self.blocks[block.index()].len() {
            let id = self.blocks[block.index()][at];
            if self.inst(id).op != Op::Phi {
                break;
            }
            let mut entries = self.phi(id);
            entries.retain(|entry| keep(entry.0));
            self.set_phi(id, &entries);
            if entries.is_empty() {
                // No path leads here any more, but an address keeps the block.
                let zero = self.zero(self.inst(id).ty);
                self.replace(id, zero);
            }
        }
    }

    /// In the phis of `block`, what came from `old` now comes from `new`.
    pub fn rename_phi_entries(&mut self, block: BlockId, old: BlockId, new: BlockId) {
        for at in 0..self.blocks[block.index()].len() {
            let id = self.blocks[block.index()][at];
            if self.inst(id).op != Op::Phi {
                break;
            }
            let mut entries = self.phi(id);
            for entry in entries.iter_mut().filter(|entry| entry.0 == old) {
                entry.0 = new;
            }
            self.set_phi(id, &entries);
        }
    }
}

fn check_pool(pool: &[u32]) -> Result<(), Declined> {
    if pool.len() > MAX_POOL {
        return Err(Declined::LimitExceeded("operands in a function"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
