//! A copy of another function's body in a graph: the mechanical half of inlining.
//!
//! Every id of the body is mapped by a total function: instructions by adding a base (the arena
//! grows by the whole body at once), blocks likewise, constants by adding each anew, parameters to
//! the arguments of the call, functions, variables and types not at all, since both bodies belong
//! to one module. So what was valid in the body is valid in the graph, but for two things that the
//! caller has to finish: returns are left out (their blocks lack a terminator), and static allocas
//! are in no block (their place is the entry of the function, where they live once a frame however
//! often the copy is entered; what they hold at the beginning is as unspecified as before).
//!
//! # What is dropped
//!
//! Alias scopes: they tell accesses apart within one run of the body, and a loop around the call
//! makes the copy run several times. The `tail` marker of calls, unless the inlined call has it,
//! too: it promises that no alloca of the caller is reached, and the caller has become larger.
//! Everything else that is known of an instruction stays.
//!
//! Cost: linear in the body.

use super::{Graph, Optimised, operands};
use crate::tier::{Inlined, Origin};
use alloc::vec::Vec;
use ir::facts::kind;
use ir::{BlockId, Body, ConstKind, Flags, FuncId, Inst, InstId, Op, Value, ValueKind};

/// A copy that is not connected with the graph yet.
#[derive(Debug)]
pub(in crate::tier::opt) struct Spliced {
    /// Its blocks in their order; the first is its entry.
    pub(in crate::tier::opt) blocks: Vec<BlockId>,
    /// Its static allocas, which are in no block.
    pub(in crate::tier::opt) allocas: Vec<InstId>,
    /// The blocks that lack a terminator, with the value that is returned there.
    pub(in crate::tier::opt) returns: Vec<(BlockId, Value)>,
}

/// How the ids of a body change.
struct Map<'m> {
    args: &'m [Value],
    insts: u32,
    blocks: u32,
    consts: Vec<Value>,
}

impl Map<'_> {
    fn value(&self, value: Value) -> Value {
        match value.kind() {
            ValueKind::Inst(id) => Value::inst(InstId(self.insts + id.0)),
            ValueKind::Arg(n) => self.args[n as usize],
            ValueKind::Const(id) => self.consts[id.index()],
            ValueKind::None => value,
        }
    }
}

impl<'a> Graph<'a> {
    /// The stored body of the function that a copy is of, as [`Origin::copy`] numbers it.
    #[must_use]
    pub fn stored_body(&self, copy: u32) -> &'a Body {
        match copy.checked_sub(1) {
            None => self.stored,
            Some(at) => {
                let func = self.inlined[at as usize].func;
                let body = self.module.func(func).body.as_ref();
                body.expect("only functions with a body are copied")
            }
        }
    }

    /// Where an instruction came from.
    #[must_use]
    pub fn origin(&self, id: InstId) -> Origin {
        self.origin[id.index()]
    }

    /// The copies so far.
    #[must_use]
    pub fn inlined(&self) -> &[Inlined] {
        &self.inlined
    }

    /// Puts a copy of `callee`, a body of `func` without copies of its own, into new blocks;
    /// `args` are those of the direct call `call`.
    pub(in crate::tier::opt) fn splice(
        &mut self,
        call: InstId,
        func: FuncId,
        callee: &Optimised,
        args: &[Value],
    ) -> Spliced {
        let from = self.origin(call);
        self.inlined.push(Inlined {
            func,
            call: from.inst,
            caller: from.copy,
        });
        let map = Map {
            args,
            insts: self.code.insts.len() as u32,
            blocks: self.blocks.len() as u32,
            consts: self.copy_consts(&callee.body),
        };
        let keep_tail = self.inst(call).flags.0 & Flags::TAIL != 0;
        self.copy_insts(callee, &map, keep_tail);
        self.copy_facts(&callee.body, &map);
        self.copy_blocks(&callee.body, &map)
    }

    fn copy_consts(&mut self, body: &Body) -> Vec<Value> {
        let mut new: Vec<Value> = Vec::with_capacity(body.consts.len());
        // Elements precede the list that holds them.
        for constant in &body.consts {
            let kind = match constant.kind {
                ConstKind::Elements { start, len } => {
                    let ids = body.words(start, len).iter().map(|&at| new[at as usize]);
                    let words: Vec<u32> = ids.filter_map(|v| Some(v.as_const()?.0)).collect();
                    let start = self.pool(&words);
                    ConstKind::Elements { start, len }
                }
                ConstKind::Wide { start } => {
                    let bits = self.types().int_bits(constant.ty).unwrap_or(80);
                    let words = body.words(start, bits.div_ceil(64) * 2);
                    let start = self.pool(words);
                    ConstKind::Wide { start }
                }
                kind => kind,
            };
            new.push(self.constant(constant.ty, kind));
        }
        new
    }

    fn copy_insts(&mut self, callee: &Optimised, map: &Map<'_>, keep_tail: bool) {
        let copy = self.inlined.len() as u32;
        for (inst, origin) in callee.body.insts.iter().zip(&callee.origin) {
            let mut inst = self.mapped(*inst, &callee.body, map);
            if inst.op == Op::Call && !keep_tail {
                inst.flags.0 &= !Flags::TAIL;
            }
            self.code.insts.push(inst);
            self.origin.push(Origin { copy, ..*origin });
            self.alias.push(Value::NONE);
        }
    }

    fn mapped(&mut self, mut inst: Inst, body: &Body, map: &Map<'_>) -> Inst {
        let start = self.code.pool.len();
        if let Some((at, words)) = operands::list(&mut inst, body, &self.module.types) {
            *at = start as u32;
            self.code.pool.extend_from_slice(words);
        }
        let pool = &mut self.code.pool;
        inst.for_each_operand_mut(pool, |word| *word = map.value(Value(*word)).0);
        operands::for_each_successor_mut(&mut inst, pool, |word| *word += map.blocks);
        if inst.op == Op::Phi {
            let pairs = pool[start..].chunks_exact_mut(2);
            pairs.for_each(|pair| pair[0] += map.blocks);
        }
        inst
    }

    fn copy_facts(&mut self, body: &Body, map: &Map<'_>) {
        let stays = |kind: u32| !matches!(kind, kind::ALIAS_SCOPE | kind::NOALIAS);
        let facts = body.side.iter().filter(|fact| stays(fact.1));
        let moved = facts.map(|fact| (InstId(map.insts + fact.0.0), fact.1, fact.2));
        self.code.side.extend(moved);
    }

    fn copy_blocks(&mut self, body: &Body, map: &Map<'_>) -> Spliced {
        let mut spliced = Spliced {
            blocks: Vec::with_capacity(body.blocks.len()),
            allocas: Vec::new(),
            returns: Vec::new(),
        };
        for block in &body.blocks {
            let id = self.add_block();
            let mut insts = Vec::with_capacity((block.end - block.start) as usize);
            for old in block.insts() {
                let new = InstId(map.insts + old.0);
                match body.inst(old).op {
                    Op::Alloca => spliced.allocas.push(new),
                    Op::Ret => {
                        let value = Value(self.inst(new).args[0]);
                        spliced.returns.push((id, value));
                    }
                    _ => insts.push(new),
                }
            }
            *self.insts_mut(id) = insts;
            spliced.blocks.push(id);
        }
        spliced
    }
}
