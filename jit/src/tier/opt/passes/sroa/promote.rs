//! SSA construction: variables become values.
//!
//! Cytron et al., "Efficiently Computing Static Single Assignment Form" (TOPLAS 1991), pruned: a phi
//! stands where two definitions meet (the iterated dominance frontier of the blocks that store) and
//! the variable is live. Frontiers are found per variable on the DJ graph (Sreedhar and Gao, "A
//! Linear Time Algorithm for Placing phi-Nodes", POPL 1995), without frontier sets: `frontier`.
//! Then one walk over the dominator tree carries each variable's current value along: here.

use super::frontier::{Placement, Uses};
use super::slots::{Part, Variables};
use super::value::Converter;
use crate::tier::opt::graph::Graph;
use crate::tier::opt::tree::{Step, Tree};
use alloc::vec;
use alloc::vec::Vec;
use ir::cfg::Cfg;
use ir::{BlockId, InstId, Op, TypeId, Value};

/// Replaces the loads and stores of `variables` by values.
pub(super) fn run(graph: &mut Graph<'_>, cfg: &Cfg, variables: &Variables) {
    let tree = Tree::new(cfg);
    let uses = Uses::new(graph, variables);
    let mut placement = Placement::new(graph, cfg, &tree);
    let mut kept = vec![false; variables.types.len()];
    for (variable, kept) in kept.iter_mut().enumerate() {
        *kept = !placement.place(variable as u32, &uses);
    }
    let phis = placement.phis;
    let mut renamer = Renamer {
        graph,
        variables,
        kept,
        current: vec![Value::NONE; variables.types.len()],
        log: Vec::new(),
        phis: vec![Vec::new(); cfg.num_blocks()],
        entries: Vec::new(),
    };
    renamer.make_phis(&phis);
    renamer.walk(&tree);
    renamer.cut_off(cfg);
    renamer.finish();
}

/// Carries current values along the dominator tree.
struct Renamer<'g, 'a> {
    graph: &'g mut Graph<'a>,
    variables: &'g Variables,
    /// Variables that stay in memory.
    kept: Vec<bool>,
    /// By variable; `NONE` where nothing was stored.
    current: Vec<Value>,
    /// What `current` was before each change on the way from the root.
    log: Vec<(u32, Value)>,
    /// By block: variable, phi, and index into `entries`.
    phis: Vec<Vec<(u32, InstId, u32)>>,
    /// By phi.
    entries: Vec<Vec<(BlockId, Value)>>,
}

impl Renamer<'_, '_> {
    fn make_phis(&mut self, places: &[(u32, BlockId)]) {
        for &(variable, block) in places {
            let like = self.graph.insts(block)[0];
            let phi = self.graph.make_phi(self.type_of(variable), like);
            let index = self.entries.len() as u32;
            self.phis[block.index()].push((variable, phi, index));
            self.entries.push(Vec::new());
        }
    }

    fn type_of(&self, variable: u32) -> TypeId {
        self.variables.types[variable as usize]
    }

    fn walk(&mut self, tree: &Tree) {
        let mut marks = Vec::new();
        tree.walk(|step| match step {
            Step::Enter(block) => {
                marks.push(self.log.len());
                self.rename(block);
            }
            Step::Leave(_) => {
                let mark = marks.pop().unwrap_or(0);
                for (variable, value) in self.log.drain(mark..).rev() {
                    self.current[variable as usize] = value;
                }
            }
        });
    }

    /// Blocks that no path leads to: their values do not matter, but phis want entries for them.
    fn cut_off(&mut self, cfg: &Cfg) {
        for block in self.graph.blocks() {
            if !cfg.is_reachable(block) {
                self.current.fill(Value::NONE);
                self.rename(block);
            }
        }
    }

    fn set_current(&mut self, variable: u32, value: Value) {
        let slot = &mut self.current[variable as usize];
        self.log.push((variable, *slot));
        *slot = value;
    }

    /// The value of a variable here.
    fn get(&mut self, variable: u32) -> Value {
        match self.current[variable as usize] {
            Value::NONE => self.graph.zero(self.type_of(variable)),
            value => self.graph.resolve(value),
        }
    }

    fn rename(&mut self, block: BlockId) {
        let old = self.graph.take_insts(block);
        let mut list = Vec::with_capacity(old.len());
        for at in 0..self.phis[block.index()].len() {
            let (variable, phi, _) = self.phis[block.index()][at];
            self.set_current(variable, Value::inst(phi));
            list.push(phi);
        }
        for id in old {
            match self.variables.part(id) {
                Some(part) if !self.kept[part.variable as usize] => {
                    self.access(id, part, &mut list);
                }
                _ => list.push(id),
            }
        }
        *self.graph.insts_mut(block) = list;
        self.fill_successors(block);
    }

    fn access(&mut self, id: InstId, part: Part, list: &mut Vec<InstId>) {
        let inst = *self.graph.inst(id);
        let old = self.get(part.variable);
        let whole = self.type_of(part.variable);
        let mut out = Converter {
            graph: self.graph,
            list,
            like: id,
        };
        if inst.op == Op::Load {
            let value = if part.whole {
                out.reinterpret(old, inst.ty)
            } else {
                out.extract(old, part.byte, inst.ty)
            };
            self.graph.replace(id, value);
        } else {
            let value = Value(inst.args[1]);
            let new = if part.whole {
                out.reinterpret(value, whole)
            } else {
                out.insert(old, part.byte, value)
            };
            self.set_current(part.variable, new);
        }
    }

    fn fill_successors(&mut self, block: BlockId) {
        let mut succs = self.graph.succs(block);
        succs.sort();
        succs.dedup();
        for to in succs {
            for at in 0..self.phis[to.index()].len() {
                let (variable, _, index) = self.phis[to.index()][at];
                let value = self.get(variable);
                self.entries[index as usize].push((block, value));
            }
        }
    }

    fn finish(self) {
        for &(_, phi, index) in self.phis.iter().flatten() {
            self.graph.set_phi(phi, &self.entries[index as usize]);
        }
    }
}
