//! Copies of single instructions within a graph, for passes that copy whole loops.
//!
//! A copy has words of its own and stands for what its original came from (G4), so lines and side
//! tables name the same place. What was known beside the flags (`ir::facts`) is not said of it.

use super::{Graph, operands};
use ir::{InstId, Value};
use smallvec::SmallVec;

impl Graph<'_> {
    /// A copy of instruction `id` that is in no block yet.
    pub fn duplicate(&mut self, id: InstId) -> InstId {
        let mut inst = *self.inst(id);
        let start = self.code.pool.len() as u32;
        let mut copied: SmallVec<[u32; 8]> = SmallVec::new();
        if let Some((at, words)) = operands::list(&mut inst, &self.code, &self.module.types) {
            copied.extend_from_slice(words);
            *at = start;
        }
        self.code.pool.extend_from_slice(&copied);
        self.make(inst, id)
    }

    /// Changes the operands of an instruction in place.
    pub fn map_operands(&mut self, id: InstId, mut f: impl FnMut(Value) -> Value) {
        let inst = &mut self.code.insts[id.index()];
        inst.for_each_operand_mut(&mut self.code.pool, |word| *word = f(Value(*word)).0);
    }
}
