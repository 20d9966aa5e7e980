//! What each loop writes: one list a loop, so that nobody walks over a loop again for each question.

use super::{Memory, Place, Reach, Root};
use crate::tier::opt::graph::Graph;
use alloc::vec::Vec;
use ir::BlockId;
use ir::cfg::{LoopId, Loops};

/// Different places that one loop may write before it counts as writing everywhere.
const MAX_PLACES: usize = 24;

/// What the loops of a graph write.
#[derive(Debug)]
pub struct LoopWrites(Vec<Writes>);

#[derive(Clone, Debug, Default)]
struct Writes {
    /// Everywhere but in constants.
    everywhere: bool,
    /// Where others can.
    shared: bool,
    reaches: Vec<Reach>,
}

impl LoopWrites {
    /// Looks through all blocks of `order` that are in loops.
    #[must_use]
    pub fn new(graph: &Graph<'_>, memory: &Memory, order: &[BlockId], loops: &Loops) -> Self {
        let mut all: Vec<Writes> = loops.all().iter().map(|_| Writes::default()).collect();
        for &block in order {
            let Some(innermost) = loops.innermost(block) else {
                continue;
            };
            for &id in graph.insts(block) {
                let reach = memory.access(graph, id).writes;
                if let Reach::Shared(id) = reach
                    && memory.takes_private(graph, id)
                {
                    all[innermost.index()].add(Reach::Arguments(id));
                }
                all[innermost.index()].add(reach);
            }
        }
        // Inner loops come before those around them.
        for at in 0..all.len() {
            if let Some(parent) = loops.get(LoopId(at as u32)).parent {
                let inner = all[at].clone();
                all[parent.index()].join(&inner);
            }
        }
        Self(all)
    }

    /// Whether loop `id` may write to `place`.
    #[must_use]
    pub fn may_touch(&self, graph: &Graph<'_>, memory: &Memory, id: LoopId, place: &Place) -> bool {
        let writes = &self.0[id.index()];
        let touches = |reach: &Reach| memory.may_touch(graph, reach, place);
        match place.root() {
            Root::Constant(_) => false,
            _ if writes.everywhere => true,
            _ if writes.shared && !memory.is_private(place) => true,
            _ => writes.reaches.iter().any(touches),
        }
    }
}

impl Writes {
    fn add(&mut self, reach: Reach) {
        match reach {
            Reach::Nothing => {}
            Reach::Shared(_) => self.shared = true,
            _ if self.everywhere || self.reaches.contains(&reach) => {}
            _ if self.reaches.len() == MAX_PLACES => {
                self.everywhere = true;
                self.reaches.clear();
            }
            _ => self.reaches.push(reach),
        }
    }

    fn join(&mut self, inner: &Self) {
        self.shared |= inner.shared;
        if inner.everywhere {
            self.everywhere = true;
            self.reaches.clear();
        }
        inner.reaches.iter().for_each(|&reach| self.add(reach));
    }
}
