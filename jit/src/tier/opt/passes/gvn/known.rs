//! What memory is known to hold, and how that joins where ways join.

use crate::tier::opt::graph::Graph;
use crate::tier::opt::memory::Place;
use alloc::rc::Rc;
use alloc::vec::Vec;
use ir::{BlockId, InstId, TypeId, Value};

/// Places that are remembered at a time.
pub(super) const MAX_KNOWN: usize = 32;
/// Predecessors whose knowledge is joined; a block with more starts with nothing.
const MAX_WAYS: usize = 8;

/// A value that a place holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Avail {
    /// This one.
    Value(Value),
    /// A different one on each way into a block: an index into [`Merges`].
    Merged(u32),
}

/// What memory holds at a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Known {
    pub(super) place: Place,
    pub(super) ty: TypeId,
    pub(super) value: Avail,
}

/// What is known at one point, latest last; shared by the blocks that change nothing.
pub(super) type List = Rc<Vec<Known>>;

/// What is known of this place and type.
pub(super) fn find(list: &List, place: &Place, ty: TypeId) -> Option<Known> {
    let same = |known: &&Known| known.ty == ty && known.place.speaks_of(place);
    list.iter().rev().find(same).copied()
}

pub(super) fn remember(list: &mut List, known: Known) {
    let list = Rc::make_mut(list);
    if list.len() == MAX_KNOWN {
        list.remove(0);
    }
    list.push(known);
}

/// Keeps what `keep` says; copies nothing if that is all.
pub(super) fn retain(list: &mut List, keep: impl Fn(&Known) -> bool) {
    if let Some(first) = list.iter().position(|known| !keep(known)) {
        let list = Rc::make_mut(list);
        let mut at = 0;
        list.retain(|known| {
            at += 1;
            at <= first || at != first + 1 && keep(known)
        });
    }
}

/// Blocks by ascending id, each once; they are given in that order.
pub(super) fn distinct(blocks: &[BlockId]) -> Vec<BlockId> {
    let mut blocks = blocks.to_vec();
    blocks.dedup();
    blocks
}

/// What all of the lists say alike.
pub(super) fn common(lists: &[(BlockId, List)]) -> List {
    let Some((first, others)) = lists.split_first() else {
        return List::default();
    };
    let mut list = Rc::clone(&first.1);
    for (_, other) in others {
        if !Rc::ptr_eq(&list, other) {
            retain(&mut list, |known| {
                find(other, &known.place, known.ty).is_some_and(|at| at.value == known.value)
            });
        }
    }
    list
}

/// Values that differ by the way on which a block is reached, and the phis that some became.
#[derive(Debug, Default)]
pub(super) struct Merges {
    all: Vec<Merge>,
    /// Phis, with their blocks.
    phis: Vec<(BlockId, InstId)>,
}

#[derive(Debug)]
struct Merge {
    block: BlockId,
    ty: TypeId,
    /// One for each predecessor. Merges among them have lower numbers.
    ways: Vec<(BlockId, Avail)>,
    /// Somebody has asked for the value.
    is_needed: bool,
    value: Option<Value>,
}

impl Merges {
    /// What is known at the start of `block`, whose predecessors end with `lists`.
    pub(super) fn join(&mut self, block: BlockId, mut lists: Vec<(BlockId, List)>) -> List {
        if lists.len() < 2 || lists.len() > MAX_WAYS {
            let one = lists.pop().filter(|_| lists.is_empty());
            return one.map(|(_, list)| list).unwrap_or_default();
        }
        if lists.iter().all(|(_, list)| Rc::ptr_eq(list, &lists[0].1)) {
            return lists.swap_remove(0).1;
        }
        let known = lists[0].1.iter();
        Rc::new(
            known
                .filter_map(|known| self.join_one(block, known, &lists))
                .collect(),
        )
    }

    /// `known`, which the first list holds, if all hold something of the kind.
    fn join_one(
        &mut self,
        block: BlockId,
        known: &Known,
        lists: &[(BlockId, List)],
    ) -> Option<Known> {
        let mut ways = Vec::with_capacity(lists.len());
        for (pred, list) in lists {
            let at = find(list, &known.place, known.ty)?;
            ways.push((*pred, at.value));
        }
        let value = match ways.iter().all(|way| way.1 == ways[0].1) {
            true => ways[0].1,
            false => {
                let ty = known.ty;
                self.all.push(Merge {
                    block,
                    ty,
                    ways,
                    is_needed: false,
                    value: None,
                });
                Avail::Merged(self.all.len() as u32 - 1)
            }
        };
        Some(Known { value, ..*known })
    }

    /// The value if it is there without a new phi.
    pub(super) fn known_value(&self, graph: &mut Graph<'_>, avail: Avail) -> Option<Value> {
        let value = match avail {
            Avail::Value(value) => Some(value),
            Avail::Merged(at) => self.all[at as usize].value,
        };
        value.map(|value| graph.resolve(value))
    }

    /// The value, made if need be; it stands for what `like` came from.
    pub(super) fn value(&mut self, graph: &mut Graph<'_>, avail: Avail, like: InstId) -> Value {
        if let Avail::Merged(at) = avail {
            for at in self.needed(at) {
                self.make(graph, at as usize, like);
            }
        }
        let value = self.known_value(graph, avail);
        value.expect("what was needed has been made")
    }

    /// The merges that `at` depends on and that were not asked for, and it, in an order in which they
    /// can be made. Each is asked for once, so all this takes linear time.
    fn needed(&mut self, at: u32) -> Vec<u32> {
        let mut needed = Vec::new();
        let mut work = alloc::vec![at];
        while let Some(at) = work.pop() {
            let merge = &mut self.all[at as usize];
            if !core::mem::replace(&mut merge.is_needed, true) {
                needed.push(at);
                work.extend(merge.ways.iter().filter_map(|way| match way.1 {
                    Avail::Merged(at) => Some(at),
                    Avail::Value(_) => None,
                }));
            }
        }
        needed.sort_unstable();
        needed
    }

    fn make(&mut self, graph: &mut Graph<'_>, at: usize, like: InstId) {
        let merge = &self.all[at];
        let ways = merge.ways.iter().map(|&(pred, avail)| {
            let value = self.known_value(graph, avail);
            (pred, value.expect("lower numbers are made first"))
        });
        let ways: Vec<(BlockId, Value)> = ways.collect();
        let value = match ways.iter().all(|way| way.1 == ways[0].1) {
            true => ways[0].1,
            false => {
                let phi = graph.make_phi(merge.ty, like);
                graph.set_phi(phi, &ways);
                self.phis.push((merge.block, phi));
                Value::inst(phi)
            }
        };
        self.all[at].value = Some(value);
    }

    /// Puts the phis that were made into their blocks.
    pub(super) fn place(mut self, graph: &mut Graph<'_>) {
        self.phis.sort_by_key(|phi| phi.0);
        for phis in self.phis.chunk_by(|a, b| a.0 == b.0) {
            let ids = phis.iter().map(|phi| phi.1);
            graph.insts_mut(phis[0].0).splice(0..0, ids);
        }
    }
}
