//! Loops as passes need them that move code out of them: with preheaders made on demand.
//!
//! A *preheader* is the one block from which a loop is entered, and it leads nowhere else, so that
//! code put there runs once before the loop if the loop runs at all, and else not.

use crate::tier::opt::graph::Graph;
use alloc::vec;
use alloc::vec::Vec;
use ir::cfg::{Cfg, Dominators, LoopId, Loops};
use ir::{BlockId, Flags, Inst, InstId, Op, TypeId, Value, ValueKind};

/// The loops of a graph.
pub(super) struct Nest {
    pub(super) cfg: Cfg,
    pub(super) dominators: Dominators,
    loops: Loops,
    /// By block, new ones included.
    innermost: Vec<Option<LoopId>>,
    /// By instruction: its block.
    home: Vec<BlockId>,
    /// By loop: its preheader, once it was asked for.
    preheader: Vec<Option<BlockId>>,
    /// Blocks whose address is taken.
    pinned: Vec<bool>,
}

impl Nest {
    pub(super) fn new(graph: &mut Graph<'_>) -> Self {
        let cfg = graph.cfg();
        let dominators = Dominators::new(&cfg);
        let loops = Loops::new(&cfg, &dominators);
        let blocks = (0..cfg.num_blocks() as u32).map(BlockId);
        let innermost = blocks.map(|block| loops.innermost(block)).collect();
        let mut home = vec![BlockId(0); graph.num_insts()];
        for block in graph.blocks() {
            for id in graph.insts(block) {
                home[id.index()] = block;
            }
        }
        let mut pinned = vec![false; cfg.num_blocks()];
        for block in graph.address_taken() {
            pinned[block.index()] = true;
        }
        Self {
            cfg,
            dominators,
            preheader: vec![None; loops.all().len()],
            loops,
            innermost,
            home,
            pinned,
        }
    }

    /// Whether there is no loop at all.
    pub(super) fn is_empty(&self) -> bool {
        self.loops.all().is_empty()
    }

    /// The loops, inner before outer.
    pub(super) fn all(&self) -> impl Iterator<Item = LoopId> + use<> {
        (0..self.loops.all().len() as u32).map(LoopId)
    }

    /// The innermost loop that holds a block.
    pub(super) fn innermost(&self, block: BlockId) -> Option<LoopId> {
        self.innermost[block.index()]
    }

    /// The closest loop around a loop.
    pub(super) fn parent(&self, id: LoopId) -> Option<LoopId> {
        self.loops.get(id).parent
    }

    /// How many loops a loop lies in, itself included.
    pub(super) fn depth(&self, id: LoopId) -> u32 {
        self.loops.get(id).depth
    }

    /// The loops themselves.
    pub(super) fn loops(&self) -> &Loops {
        &self.loops
    }

    /// The header of a loop.
    pub(super) fn header(&self, id: LoopId) -> BlockId {
        self.loops.get(id).header
    }

    /// Whether a block lies in a loop. Takes time by depth.
    pub(super) fn contains(&self, id: LoopId, block: BlockId) -> bool {
        let mut at = self.innermost(block);
        while let Some(inner) = at {
            if inner == id {
                return true;
            }
            at = self.parent(inner);
        }
        false
    }

    /// Whether a value is the same all the time that a loop runs because it is made outside.
    pub(super) fn is_outside(&self, id: LoopId, value: Value) -> bool {
        match value.kind() {
            ValueKind::Inst(inst) => !self.contains(id, self.home[inst.index()]),
            _ => true,
        }
    }

    /// By loop: the blocks that are in no inner loop, in reverse postorder.
    pub(super) fn members(&self) -> Vec<Vec<BlockId>> {
        let mut members: Vec<Vec<BlockId>> = self.all().map(|_| Vec::new()).collect();
        for &block in self.cfg.rpo() {
            if let Some(id) = self.innermost(block) {
                members[id.index()].push(block);
            }
        }
        members
    }

    /// Whether an address leads to a block.
    pub(super) fn is_pinned(&self, block: BlockId) -> bool {
        self.pinned.get(block.index()).is_some_and(|&pinned| pinned)
    }

    /// The block of an instruction.
    pub(super) fn home(&self, inst: InstId) -> BlockId {
        self.home[inst.index()]
    }

    /// Notes that an instruction is in a block now.
    pub(super) fn settle(&mut self, inst: InstId, block: BlockId) {
        if self.home.len() <= inst.index() {
            self.home.resize(inst.index() + 1, BlockId(0));
        }
        self.home[inst.index()] = block;
    }

    /// The one block of the loop from which its header is reached again, if there is only one.
    pub(super) fn latch(&self, id: LoopId) -> Option<BlockId> {
        let header = self.header(id);
        let mut latches = self
            .cfg
            .preds(header)
            .iter()
            .filter(|&&pred| self.contains(id, pred));
        let first = *latches.next()?;
        latches.all(|&pred| pred == first).then_some(first)
    }

    /// The preheader of a loop, made if there is none. `None` if an address leads to the header.
    pub(super) fn preheader(&mut self, graph: &mut Graph<'_>, id: LoopId) -> Option<BlockId> {
        if self.preheader[id.index()].is_none() {
            self.preheader[id.index()] = self.find_or_make(graph, id);
        }
        self.preheader[id.index()]
    }

    fn find_or_make(&self, graph: &mut Graph<'_>, id: LoopId) -> Option<BlockId> {
        let header = self.header(id);
        if self.pinned[header.index()] {
            return None;
        }
        let mut outside: Vec<BlockId> = self.cfg.preds(header).to_vec();
        outside.retain(|&pred| !self.contains(id, pred));
        outside.dedup();
        // An edge that was split meanwhile is not where it was.
        if !outside
            .iter()
            .all(|&pred| graph.succs(pred).contains(&header))
        {
            return None;
        }
        if let &[only] = outside.as_slice()
            && graph.inst(graph.terminator(only)).op == Op::Br
        {
            return Some(only);
        }
        Some(put_before(graph, header, &outside))
    }

    /// Notes a preheader that was made: it lies in the loop around.
    pub(super) fn adopt(&mut self, id: LoopId, block: BlockId) {
        if self.innermost.len() <= block.index() {
            self.place(block, self.parent(id));
        }
    }

    /// Notes that a block lies in a loop, and in those around it.
    pub(super) fn place(&mut self, block: BlockId, innermost: Option<LoopId>) {
        if self.innermost.len() <= block.index() {
            self.innermost.resize(block.index() + 1, None);
        }
        self.innermost[block.index()] = innermost;
    }
}

/// Puts a block between `outside` and `header`, with phis for what differs.
pub(super) fn put_before(graph: &mut Graph<'_>, header: BlockId, outside: &[BlockId]) -> BlockId {
    let block = graph.add_block();
    let like = graph.insts(header)[0];
    let mut list = Vec::new();
    for at in 0..graph.insts(header).len() {
        let phi = graph.insts(header)[at];
        if graph.inst(phi).op != Op::Phi {
            break;
        }
        let is_outside = |entry: &(BlockId, Value)| outside.contains(&entry.0);
        let (entering, mut staying): (Vec<_>, Vec<_>) =
            graph.phi(phi).into_iter().partition(is_outside);
        let value = match entering.as_slice() {
            [only] => only.1,
            _ => {
                let merged = graph.make_phi(graph.inst(phi).ty, phi);
                graph.set_phi(merged, &entering);
                list.push(merged);
                Value::inst(merged)
            }
        };
        staying.push((block, value));
        graph.set_phi(phi, &staying);
    }
    let jump = Inst {
        op: Op::Br,
        flags: Flags::default(),
        ty: TypeId::VOID,
        args: [header.0, 0, 0],
    };
    list.push(graph.make(jump, like));
    *graph.insts_mut(block) = list;
    for &pred in outside {
        let terminator = graph.terminator(pred);
        graph.map_successors(terminator, |at| if at == header { block } else { at });
    }
    block
}
