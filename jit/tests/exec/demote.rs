//! Makes -O0 code of optimised code: values go through static allocas again.
//!
//! A random half of a function's values get an alloca each: stored once behind the definition, loaded
//! in front of each use. The program computes the same, but looks like what clang writes at -O0, which
//! random programs otherwise never do.

use ir::random::Random;
use ir::{Block, BlockId, Body, Flags, Inst, InstId, MemFlags, Module, Op, Type, TypeId, Value};

/// Demotes about half of the values of every function.
pub(crate) fn demote(module: &mut Module, seed: u64) {
    let mut random = Random::new(seed);
    for at in 0..module.funcs.len() {
        if let Some(body) = module.funcs[at].body.take() {
            let body = Demotion::new(module, &body, &mut random).run();
            module.funcs[at].body = Some(body);
        }
    }
    if let Err(error) = ir::verify::module(module) {
        panic!("{error}\n{}", ir::text::module_text(module));
    }
}

struct Demotion<'a> {
    module: &'a Module,
    old: &'a Body,
    new: Body,
    /// By old instruction, then parameter: its alloca.
    slots: Vec<Option<Value>>,
    /// By old instruction: the new value.
    map: Vec<Value>,
    /// Pool words, and arguments of instructions, that hold old values until all have new ones.
    pool_fixes: Vec<usize>,
    arg_fixes: Vec<(usize, usize)>,
}

impl<'a> Demotion<'a> {
    fn new(module: &'a Module, old: &'a Body, random: &mut Random) -> Self {
        let mut this = Self {
            module,
            old,
            new: Body {
                params: old.params.clone(),
                pool: old.pool.clone(),
                consts: old.consts.clone(),
                ..Body::default()
            },
            slots: vec![None; old.insts.len() + old.params.len()],
            map: vec![Value::NONE; old.insts.len()],
            pool_fixes: Vec::new(),
            arg_fixes: Vec::new(),
        };
        this.new.blocks.push(Block { start: 0, end: 0 });
        let types = (0..old.insts.len()).map(|at| (old.insts[at].ty, this.may_demote(at)));
        let params = old.params.iter().map(|&ty| (ty, true));
        let all: Vec<_> = types.chain(params).collect();
        // A phi that is kept takes its inputs as values.
        let kept: Vec<u32> = this.inputs_of_kept_phis();
        for (at, (ty, may)) in all.into_iter().enumerate() {
            if kept.contains(&(at as u32)) {
                continue;
            }
            // A phi that may go does go, or its inputs would have to stay.
            let is_phi = this
                .old
                .insts
                .get(at)
                .is_some_and(|inst| inst.op == Op::Phi);
            if may && this.is_scalar(ty) && (is_phi || random.once_in(2)) {
                let layout = module.types.layout(ty);
                let align = u32::from(layout.align_log2);
                let args = [layout.size, align, u32::from(ty.0)];
                this.slots[at] = Some(this.push(Op::Alloca, TypeId::PTR, args));
            }
        }
        this
    }

    fn is_scalar(&self, ty: TypeId) -> bool {
        match self.module.types.get(ty) {
            Type::Int(bits) => *bits <= 64,
            Type::Ptr | Type::Float | Type::Double => true,
            _ => false,
        }
    }

    /// Allocas stay. A phi can be stored by its predecessors only if they lead nowhere else.
    fn may_demote(&self, at: usize) -> bool {
        let inst = &self.old.insts[at];
        if inst.op == Op::Phi {
            let words = self.old.words(inst.args[0], inst.args[1] * 2);
            return words.chunks_exact(2).all(|pair| {
                let from = self.old.block(BlockId(pair[0]));
                self.old.inst(from.terminator()).op == Op::Br
            });
        }
        inst.has_result() && inst.op != Op::Alloca
    }

    /// Inputs of phis that stay, as indices of `slots`; a phi among them stays too.
    fn inputs_of_kept_phis(&self) -> Vec<u32> {
        let is_phi = |at: usize| {
            self.old
                .insts
                .get(at)
                .is_some_and(|inst| inst.op == Op::Phi)
        };
        let goes = |at: usize| self.may_demote(at) && self.is_scalar(self.old.insts[at].ty);
        let mut phis: Vec<usize> = (0..self.old.insts.len()).filter(|&at| is_phi(at)).collect();
        phis.retain(|&at| !goes(at));
        let mut found = Vec::new();
        while let Some(at) = phis.pop() {
            self.old.for_each_operand(&self.old.insts[at], |value| {
                let input = match value.kind() {
                    ir::ValueKind::Inst(id) => id.index(),
                    ir::ValueKind::Arg(n) => self.old.insts.len() + n as usize,
                    _ => return,
                };
                if !found.contains(&(input as u32)) {
                    found.push(input as u32);
                    if is_phi(input) {
                        phis.push(input);
                    }
                }
            });
        }
        found
    }

    fn run(mut self) -> Body {
        for at in 0..self.old.params.len() {
            if let Some(slot) = self.slots[self.old.insts.len() + at] {
                self.store(self.old.params[at], Value::arg(at as u32), slot);
            }
        }
        for (number, block) in self.old.blocks.iter().enumerate() {
            if number != 0 {
                let start = self.new.insts.len() as u32;
                self.new.blocks.push(Block { start, end: start });
            }
            // Kept phis come first.
            for at in block.insts().filter(|&at| self.old.inst(at).op == Op::Phi) {
                self.phi(at);
            }
            for at in block.insts().filter(|&at| self.old.inst(at).op != Op::Phi) {
                if at == block.terminator() {
                    self.feed_phis(BlockId(number as u32), at);
                }
                self.inst(at);
            }
        }
        let new = |old: &mut u32| {
            if let Some(id) = Value(*old).as_inst() {
                *old = self.map[id.index()].0;
            }
        };
        for at in self.pool_fixes {
            new(&mut self.new.pool[at]);
        }
        for (at, arg) in self.arg_fixes {
            new(&mut self.new.insts[at].args[arg]);
        }
        self.new
    }

    fn push(&mut self, op: Op, ty: TypeId, args: [u32; 3]) -> Value {
        self.push_inst(Inst {
            op,
            flags: Flags(0),
            ty,
            args,
        })
    }

    fn push_inst(&mut self, inst: Inst) -> Value {
        let id = self.new.insts.len() as u32;
        self.new.insts.push(inst);
        self.new.blocks.last_mut().unwrap().end = id + 1;
        Value::inst(InstId(id))
    }

    fn align(&self, ty: TypeId) -> u32 {
        MemFlags::aligned(self.module.types.layout(ty).align_log2).0
    }

    fn store(&mut self, ty: TypeId, value: Value, slot: Value) {
        let align = self.align(ty);
        self.push(Op::Store, ty, [slot.0, value.0, align]);
    }

    fn slot(&self, value: Value) -> Option<Value> {
        match value.kind() {
            ir::ValueKind::Inst(id) => self.slots[id.index()],
            ir::ValueKind::Arg(n) => self.slots[self.old.insts.len() + n as usize],
            _ => None,
        }
    }

    /// The load of a demoted value; `None` for one that stays.
    fn loaded(&mut self, raw: u32) -> Option<u32> {
        let value = Value(raw);
        let slot = self.slot(value)?;
        let ty = self.old.type_of(value);
        let align = self.align(ty);
        Some(self.push(Op::Load, ty, [slot.0, align, 0]).0)
    }

    /// Pool words `head`, then values: new ones if loaded, else old ones to be fixed.
    fn values(&mut self, head: Vec<u32>, values: Vec<u32>) -> u32 {
        let loaded: Vec<_> = values.iter().map(|&raw| self.loaded(raw)).collect();
        let at = self.append(head);
        for (raw, loaded) in values.into_iter().zip(loaded) {
            if loaded.is_none() {
                self.pool_fixes.push(self.new.pool.len());
            }
            self.new.pool.push(loaded.unwrap_or(raw));
        }
        at
    }

    fn append(&mut self, words: Vec<u32>) -> u32 {
        let at = self.new.pool.len() as u32;
        self.new.pool.extend(words);
        at
    }

    fn phi(&mut self, at: InstId) {
        if self.slots[at.index()].is_some() {
            return;
        }
        let mut inst = *self.old.inst(at);
        let words = self.old.words(inst.args[0], inst.args[1] * 2).to_vec();
        inst.args[0] = self.append(words);
        let first = inst.args[0] as usize;
        // Values are filled in later, when all have new numbers.
        self.pool_fixes
            .extend((0..inst.args[1] as usize).map(|entry| first + 2 * entry + 1));
        self.map[at.index()] = self.push_inst(inst);
    }

    /// At the end of a block: demoted phis get their values.
    fn feed_phis(&mut self, block: BlockId, terminator: InstId) {
        let mut targets = Vec::new();
        let last = self.old.inst(terminator);
        self.old.for_each_successor(last, |to| targets.push(to));
        let mut stores = Vec::new();
        for to in targets {
            for phi in self.old.block(to).insts() {
                let inst = *self.old.inst(phi);
                if inst.op != Op::Phi {
                    break;
                }
                let words = self.old.words(inst.args[0], inst.args[1] * 2);
                let raw = words
                    .chunks_exact(2)
                    .find(|pair| pair[0] == block.0)
                    .unwrap()[1];
                if let Some(slot) = self.slots[phi.index()] {
                    stores.push((inst.ty, raw, self.loaded(raw), slot));
                }
            }
        }
        for (ty, raw, loaded, slot) in stores {
            if loaded.is_none() {
                self.arg_fixes.push((self.new.insts.len(), 1));
            }
            self.store(ty, Value(loaded.unwrap_or(raw)), slot);
        }
    }

    fn inst(&mut self, at: InstId) {
        let mut inst = *self.old.inst(at);
        let [_, b, c] = inst.args;
        let values = match inst.op {
            Op::Alloca | Op::Fence | Op::Br | Op::Unreachable | Op::Call | Op::Intrinsic => 0,
            Op::FNeg | Op::Freeze | Op::Load | Op::DynAlloca | Op::CondBr | Op::Switch => 1,
            Op::IndirectBr | Op::ExtractValue | Op::Ret | Op::CallIndirect | Op::CmpXchg => 1,
            op if op.is_cast() => 1,
            Op::Select | Op::InsertElement => 3,
            _ => 2,
        };
        let words = |start: u32, n: u32| self.old.words(start, n).to_vec();
        match inst.op {
            Op::Call | Op::CallIndirect => inst.args[1] = self.values(words(b, 2), words(b + 2, c)),
            Op::Intrinsic => inst.args[1] = self.values(Vec::new(), words(b, c)),
            Op::CmpXchg => inst.args[1] = self.values(Vec::new(), words(b, 2)),
            _ => {}
        }
        let mut fixes = Vec::new();
        for arg in 0..values {
            match self.loaded(inst.args[arg]) {
                Some(loaded) => inst.args[arg] = loaded,
                None => fixes.push(arg),
            }
        }
        let place = self.new.insts.len();
        self.arg_fixes
            .extend(fixes.into_iter().map(|arg| (place, arg)));
        let value = self.push_inst(inst);
        self.map[at.index()] = value;
        if let Some(slot) = self.slots[at.index()] {
            self.store(inst.ty, value, slot);
        }
    }
}
