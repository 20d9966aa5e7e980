//! Slots: runs of bytes that no access straddles; and which of them become variables.

use super::places::{Access, Places};
use super::value;
use crate::tier::opt::graph::Graph;
use alloc::vec;
use alloc::vec::Vec;
use ir::{InstId, TypeId};

/// What becomes SSA values.
pub(super) struct Variables {
    /// Type of each variable.
    pub(super) types: Vec<TypeId>,
    /// By instruction: which part of which variable it loads or stores.
    access: Vec<Option<Part>>,
}

/// Part of a variable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Part {
    pub(super) variable: u32,
    /// Byte at which it starts.
    pub(super) byte: u8,
    /// Whether it is all of the variable.
    pub(super) whole: bool,
}

/// Groups the accesses of each alloca and makes the groups that qualify variables.
pub(super) fn variables(graph: &mut Graph<'_>, places: &Places) -> Variables {
    let mut variables = Variables {
        types: Vec::new(),
        access: vec![None; graph.num_insts()],
    };
    // A copy that was not expanded touches bytes that no access names.
    let candidates = places.allocas.iter().filter(|a| !a.escapes && !a.copied);
    for alloca in candidates {
        let mut accesses = alloca.accesses.clone();
        accesses.sort_by_key(|access| access.offset);
        // End of what came before in the slot; accesses come by ascending offset.
        let mut end = 0;
        let overlaps = |left: &Access, right: &Access| {
            end = end.max(left.offset + left.size);
            right.offset < end
        };
        for slot in accesses.chunk_by(overlaps) {
            variables.add(graph, slot);
        }
    }
    variables
}

impl Variables {
    /// What an instruction loads or stores.
    pub(super) fn part(&self, id: InstId) -> Option<Part> {
        self.access.get(id.index()).copied().flatten()
    }

    fn add(&mut self, graph: &mut Graph<'_>, slot: &[Access]) {
        let Some(ty) = variable_type(graph, slot) else {
            return;
        };
        if !graph.fuel.spend() {
            return;
        }
        let variable = self.types.len() as u32;
        let size = graph.types().layout(ty).store;
        self.types.push(ty);
        for access in slot {
            self.access[access.inst.index()] = Some(Part {
                variable,
                byte: (access.offset - slot[0].offset) as u8,
                whole: access.size == size,
            });
        }
    }
}

/// The type of the variable that a slot becomes, if it does.
fn variable_type(graph: &Graph<'_>, slot: &[Access]) -> Option<TypeId> {
    let types = graph.types();
    let first = slot[0];
    let start = first.offset;
    let len = slot.iter().map(|a| a.offset + a.size - start).max()?;
    if slot.iter().all(|a| a.ty == first.ty && a.size == len) {
        return Some(first.ty);
    }
    if len <= 8 && slot.iter().all(|a| value::has_int(a.ty)) {
        return Some(value::int_of_bytes(len.next_power_of_two()));
    }
    // Vectors that are the same bits.
    let fits = |a: &Access| a.size == len && value::vector_bits(types, a.ty) == Some(len * 8);
    slot.iter().all(fits).then_some(first.ty)
}
