//! Value numbering: what was computed, loaded or stored before is not computed or loaded again.
//!
//! *Before*: any graph; addresses in the shape that `address` gives them, or less is found. *During*,
//! one walk in reverse postorder with two tables: of the pure operations seen, by what they compute
//! ([`Key`]), and of what memory holds ([`Memory`] says what may change it). *After*: no pure
//! operation is dominated by an equal one; no plain load repeats an access of the same place and type
//! that is behind it on every path, with nothing on any of the paths that may have changed the place,
//! up to [`known::MAX_KNOWN`] places at a time; a store of what the place holds already is gone. A load
//! from a constant whose initialiser is known is what that says.
//!
//! Both in one walk, because each finds work for the other: loads that are equal make equal
//! addresses, and equal addresses equal loads.
//!
//! # Pure operations
//!
//! An equal one counts if its block dominates. Operands of commutative operations count as equal either
//! way round. Phis of one block are compared, too. A division that may fault is pure in this sense:
//! where it is reached, the equal one before has not faulted. Facts (`nsw`, …) hold for the result that
//! is kept only if they held for both, so the flags are intersected.
//!
//! # Memory
//!
//! Reverse postorder comes to a block after all its predecessors but those on back edges. What is known
//! at the start of a block is what all predecessors know at their ends; where their values differ, it
//! is a merge, which becomes a phi when somebody asks for it. At the header of a natural loop it is what
//! is known on entry less what the loop may write ([`LoopWrites`]); blocks with other retreating edges
//! know nothing. By the head of [`memory`](crate::tier::opt::memory), places on such a path may be
//! compared: known ones are computed from values that dominate the block.
//!
//! Cost: linear, times the bounds of `known`.

mod key;
mod known;

use crate::tier::opt::graph::{Graph, is_plain};
use crate::tier::opt::memory::{LoopWrites, Memory, Reach};
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use ir::cfg::{Cfg, Dominators, Loops};
use ir::{BlockId, InstId, MemFlags, Op, Value};
use key::Table;
use known::{Avail, Known, List, Merges};

/// Replaces what is known.
pub fn run(graph: &mut Graph<'_>) {
    let cfg = graph.cfg();
    let dominators = Dominators::new(&cfg);
    let loops = Loops::new(&cfg, &dominators);
    let memory = Memory::new(graph, cfg.rpo());
    let mut walk = Walk {
        writes: LoopWrites::new(graph, &memory, cfg.rpo(), &loops),
        ends: vec![None; cfg.num_blocks()],
        uses: uses(&cfg),
        table: Table::default(),
        merges: Merges::default(),
        dropped: Vec::new(),
        known: Rc::default(),
        cfg: &cfg,
        dominators: &dominators,
        loops: &loops,
        memory: &memory,
    };
    for &block in cfg.rpo() {
        walk.block(graph, block);
    }
    let Walk {
        merges, dropped, ..
    } = walk;
    merges.place(graph);
    for (block, id) in dropped {
        graph.insts_mut(block).retain(|&at| at != id);
    }
}

/// By block: how many blocks behind it ask what it knows at its end.
fn uses(cfg: &Cfg) -> Vec<u32> {
    let mut uses = vec![0; cfg.num_blocks()];
    for &block in cfg.rpo() {
        for pred in known::distinct(cfg.preds(block)) {
            uses[pred.index()] += u32::from(!cfg.is_retreating(pred, block));
        }
    }
    uses
}

struct Walk<'w> {
    cfg: &'w Cfg,
    dominators: &'w Dominators,
    loops: &'w Loops,
    memory: &'w Memory,
    writes: LoopWrites,
    table: Table,
    merges: Merges,
    /// By block: what is known at its end, until nobody asks any more.
    ends: Vec<Option<List>>,
    uses: Vec<u32>,
    /// Stores that are not needed, with their blocks.
    dropped: Vec<(BlockId, InstId)>,
    /// What is known where the walk is.
    known: List,
}

impl Walk<'_> {
    fn block(&mut self, graph: &mut Graph<'_>, block: BlockId) {
        self.known = self.at_start(graph, block);
        for at in 0..graph.insts(block).len() {
            let id = graph.insts(block)[at];
            graph.resolve_operands(id);
            match graph.inst(id).op {
                Op::Load if is_plain(MemFlags(graph.inst(id).args[1])) => self.load(graph, id),
                Op::Store => self.store(graph, block, id),
                _ => {
                    self.table.visit(graph, self.dominators, block, id);
                    self.forget(graph, id);
                }
            }
        }
        if self.uses[block.index()] != 0 {
            self.ends[block.index()] = Some(Rc::clone(&self.known));
        }
    }

    /// What is known at the start of a block.
    fn at_start(&mut self, graph: &Graph<'_>, block: BlockId) -> List {
        let header = self.loops.innermost(block);
        let header = header.filter(|&id| self.loops.get(id).header == block);
        let mut lists = Vec::new();
        let mut is_sure = true;
        for pred in known::distinct(self.cfg.preds(block)) {
            if header.is_some_and(|id| self.loops.contains(id, pred)) {
                continue;
            }
            match self.end_of(pred) {
                Some(list) => lists.push((pred, list)),
                None => is_sure = false,
            }
        }
        if !is_sure {
            return List::default();
        }
        let mut list = match header {
            // A phi of the header would need what comes from behind.
            Some(_) if lists.len() > 1 => known::common(&lists),
            _ => self.merges.join(block, lists),
        };
        if let Some(id) = header {
            let stays =
                |known: &Known| !self.writes.may_touch(graph, self.memory, id, &known.place);
            known::retain(&mut list, stays);
        }
        list
    }

    /// What is known at the end of a predecessor, which forgets it when the last one has asked.
    fn end_of(&mut self, pred: BlockId) -> Option<List> {
        let uses = &mut self.uses[pred.index()];
        *uses = uses.saturating_sub(1);
        match *uses {
            0 => self.ends[pred.index()].take(),
            _ => self.ends[pred.index()].clone(),
        }
    }

    fn load(&mut self, graph: &mut Graph<'_>, id: InstId) {
        let inst = *graph.inst(id);
        let place = self.memory.place(graph, Value(inst.args[0]), inst.ty, id);
        if let Some(value) = self.memory.constant(graph, &place, inst.ty) {
            if graph.fuel.spend() {
                graph.replace(id, value);
            }
            return;
        }
        match known::find(&self.known, &place, inst.ty) {
            Some(known) => {
                if graph.fuel.spend() {
                    let value = self.merges.value(graph, known.value, id);
                    graph.replace(id, value);
                }
            }
            None => known::remember(
                &mut self.known,
                Known {
                    place,
                    ty: inst.ty,
                    value: Avail::Value(Value::inst(id)),
                },
            ),
        }
    }

    fn store(&mut self, graph: &mut Graph<'_>, block: BlockId, id: InstId) {
        let inst = *graph.inst(id);
        if !is_plain(MemFlags(inst.args[2])) {
            return self.forget(graph, id);
        }
        let place = self.memory.place(graph, Value(inst.args[0]), inst.ty, id);
        let value = Value(inst.args[1]);
        let held = known::find(&self.known, &place, inst.ty).map(|known| known.value);
        if held.and_then(|held| self.merges.known_value(graph, held)) == Some(value)
            && graph.fuel.spend()
        {
            self.dropped.push((block, id));
            return;
        }
        self.forget(graph, id);
        known::remember(
            &mut self.known,
            Known {
                place,
                ty: inst.ty,
                value: Avail::Value(value),
            },
        );
    }

    /// Forgets what an instruction may overwrite.
    fn forget(&mut self, graph: &Graph<'_>, id: InstId) {
        let reach = match graph.inst(id).op {
            Op::Store | Op::Load | Op::AtomicRmw | Op::CmpXchg | Op::Fence => {
                self.memory.access(graph, id).writes
            }
            Op::Call | Op::CallIndirect | Op::Intrinsic => self.memory.access(graph, id).writes,
            _ => Reach::Nothing,
        };
        if reach != Reach::Nothing {
            let memory = self.memory;
            known::retain(&mut self.known, |known| {
                !memory.may_touch(graph, &reach, &known.place)
            });
        }
    }
}
