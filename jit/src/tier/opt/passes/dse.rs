//! Dead stores: what is written and never read is not written.
//!
//! *Before*: any graph; best when loads have been replaced by what was stored. *During*, two analyses
//! against the direction of control flow, then one walk over each block from its end:
//!
//! * *Objects of this call* (allocas, `byval` parameters): which may be read from here on (`live`).
//!   Nobody reads them once the function has returned, so a store to one that is not read again is
//!   dead. One bit an object, all that are captured share one more, iterated until nothing changes.
//! * *Overwriting*: places that are written on every path from here on before anybody reads them. A
//!   store that lies within one of them is dead. Nothing is known at the end of a block that leads
//!   backwards.
//!
//! *After*: no plain store, copy or fill of constant length is dead in one of these senses, as far as
//! the bounds let it be seen.
//!
//! # Why nobody misses the store
//!
//! What may read is said by [`Memory::access`]: calls that may reach the place, atomic accesses and
//! fences end all that is known of places others know. A call that may not come back does, too. If
//! something faults between the store and the one that makes it dead, the instance ends with all its
//! tasks. So the store's value could be seen only by a task that does not synchronise with this one.
//!
//! Cost: linear, times [`MAX_DEAD`] and the few rounds of the first analysis.

use crate::tier::opt::graph::{Graph, is_plain};
use crate::tier::opt::memory::{Memory, Place, Reach, Root};
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use ir::cfg::Cfg;
use ir::{BlockId, InstId, Intrinsic, MemFlags, Op};

/// Overwritten places that are remembered at a time.
const MAX_DEAD: usize = 16;
/// Objects with a bit of their own.
const MAX_OBJECTS: usize = 63;
/// Walks over the blocks after which, if anything still changes, everything counts as read.
const MAX_ROUNDS: u32 = 16;
/// The bit of all captured objects.
const CAPTURED: u64 = 1 << MAX_OBJECTS;

/// Removes dead stores.
pub fn run(graph: &mut Graph<'_>) {
    let mut insts = graph.blocks().flat_map(|block| graph.insts(block));
    if !insts.any(|&id| target(graph, id)) {
        return;
    }
    drop(insts);
    let cfg = graph.cfg();
    let memory = Memory::new(graph, cfg.rpo());
    let objects = Objects::new(graph, &memory, &cfg);
    let mut walk = Walk {
        live: objects.live_at_ends(graph, &memory, &cfg),
        starts: vec![None; cfg.num_blocks()],
        uses: uses(&cfg),
        memory,
        objects,
    };
    for &block in cfg.rpo().iter().rev() {
        walk.block(graph, &cfg, block);
    }
}

/// By block: how many blocks ask what is overwritten from its start on.
fn uses(cfg: &Cfg) -> Vec<u32> {
    let mut uses = vec![0; cfg.num_blocks()];
    for &block in cfg.rpo() {
        for &to in cfg.succs(block) {
            uses[to.index()] += u32::from(!cfg.is_retreating(block, to));
        }
    }
    uses
}

/// Whether an instruction writes, and can be left out if nobody reads that.
fn target(graph: &Graph<'_>, id: InstId) -> bool {
    let inst = graph.inst(id);
    match inst.op {
        Op::Store => is_plain(MemFlags(inst.args[2])),
        Op::Intrinsic => matches!(
            inst.intrinsic(),
            Some(Intrinsic::Memcpy | Intrinsic::Memmove | Intrinsic::Memset)
        ),
        _ => false,
    }
}

/// The objects that end with the function.
#[derive(Debug)]
struct Objects {
    /// Those with a bit, by number.
    roots: Vec<Root>,
}

impl Objects {
    /// The first [`MAX_OBJECTS`] that something is stored to.
    fn new(graph: &Graph<'_>, memory: &Memory, cfg: &Cfg) -> Self {
        let mut seen = vec![false; graph.num_insts()];
        let mut roots = Vec::new();
        for &id in cfg.rpo().iter().flat_map(|&block| graph.insts(block)) {
            let Reach::Place(place) = memory.access(graph, id).writes else {
                continue;
            };
            let root = place.root();
            let is_new = match root {
                Root::Alloca(id) => !core::mem::replace(&mut seen[id.index()], true),
                _ => memory.ends_with_function(root) && !roots.contains(&root),
            };
            if is_new && roots.len() < MAX_OBJECTS {
                roots.push(root);
            }
        }
        Self { roots }
    }

    /// The bit of an object; 0 without one.
    fn bit(&self, root: Root) -> u64 {
        let at = self.roots.iter().position(|&at| at == root);
        at.map_or(0, |at| 1 << at)
    }

    /// The bits of what a reach may read.
    fn read(&self, graph: &Graph<'_>, memory: &Memory, reach: &Reach) -> u64 {
        match *reach {
            Reach::Nothing => 0,
            Reach::Place(place) => match place.root() {
                Root::Unknown => CAPTURED,
                root => self.bit(root),
            },
            Reach::Arguments(id) | Reach::Shared(id) => {
                let mut bits = CAPTURED;
                memory.for_each_root(graph, id, |root| bits |= self.bit(root));
                bits
            }
        }
    }

    /// By block: the objects that may be read behind its end.
    fn live_at_ends(&self, graph: &Graph<'_>, memory: &Memory, cfg: &Cfg) -> Vec<u64> {
        let mut reads = vec![0; cfg.num_blocks()];
        for &block in cfg.rpo() {
            for &id in graph.insts(block) {
                let reach = memory.access(graph, id).reads;
                reads[block.index()] |= self.read(graph, memory, &reach);
            }
        }
        let mut live = vec![0; cfg.num_blocks()];
        let mut rounds = 0;
        let mut changed = true;
        while changed {
            if rounds == MAX_ROUNDS {
                return vec![u64::MAX; cfg.num_blocks()];
            }
            rounds += 1;
            changed = false;
            for &block in cfg.rpo().iter().rev() {
                let succs = cfg.succs(block).iter();
                let new = succs.fold(0, |all, to| all | live[to.index()] | reads[to.index()]);
                changed |= new != live[block.index()];
                live[block.index()] = new;
            }
        }
        live
    }
}

struct Walk {
    memory: Memory,
    objects: Objects,
    /// By block: bits of the objects that may be read behind its end.
    live: Vec<u64>,
    /// By block: what is overwritten from its start on, until nobody asks any more.
    starts: Vec<Option<Rc<Vec<Place>>>>,
    uses: Vec<u32>,
}

impl Walk {
    fn block(&mut self, graph: &mut Graph<'_>, cfg: &Cfg, block: BlockId) {
        let mut dead = self.at_end(cfg, block);
        let mut live = self.live[block.index()];
        let mut list = graph.take_insts(block);
        let mut at = list.len();
        let mut removed = false;
        while at > 0 {
            at -= 1;
            let id = list[at];
            let access = self.memory.access(graph, id);
            if let Reach::Place(place) = access.writes
                && target(graph, id)
            {
                if self.is_dead(&dead, live, &place) && graph.fuel.spend() {
                    list[at] = InstId(u32::MAX);
                    removed = true;
                    continue;
                }
                overwrite(&mut dead, place);
            }
            live |= self.objects.read(graph, &self.memory, &access.reads);
            self.read(graph, &mut dead, id, &access.reads);
        }
        if removed {
            list.retain(|&id| id != InstId(u32::MAX));
        }
        *graph.insts_mut(block) = list;
        if self.uses[block.index()] != 0 {
            self.starts[block.index()] = Some(dead);
        }
    }

    /// What is overwritten behind the end of a block whatever way is taken.
    fn at_end(&mut self, cfg: &Cfg, block: BlockId) -> Rc<Vec<Place>> {
        let mut all: Option<Rc<Vec<Place>>> = None;
        let mut is_sure = true;
        for &to in cfg.succs(block) {
            if cfg.is_retreating(block, to) {
                is_sure = false;
                continue;
            }
            let uses = &mut self.uses[to.index()];
            *uses = uses.saturating_sub(1);
            let start = match *uses {
                0 => self.starts[to.index()].take(),
                _ => self.starts[to.index()].clone(),
            };
            let start = start.unwrap_or_default();
            all = Some(match all {
                None => start,
                Some(all) if Rc::ptr_eq(&all, &start) => all,
                Some(mut all) => {
                    let both = |place: &Place| start.iter().any(|at| at.is_same(place));
                    Rc::make_mut(&mut all).retain(both);
                    all
                }
            });
        }
        all.filter(|_| is_sure).unwrap_or_default()
    }

    fn is_dead(&self, dead: &[Place], live: u64, place: &Place) -> bool {
        let root = place.root();
        let bit = self.objects.bit(root);
        let others = match self.memory.is_private(place) {
            true => 0,
            false => CAPTURED,
        };
        let is_unread = bit != 0 && live & (bit | others) == 0;
        is_unread || dead.iter().any(|at| at.offset_of(place).is_some())
    }

    /// Forgets what an instruction may read.
    fn read(&self, graph: &Graph<'_>, dead: &mut Rc<Vec<Place>>, id: InstId, reach: &Reach) {
        let is_call = matches!(graph.inst(id).op, Op::Call | Op::CallIndirect);
        let may_stay = is_call && !self.memory.returns(graph, id);
        if *reach == Reach::Nothing && !may_stay {
            return;
        }
        let keep = |place: &Place| {
            let is_lost = may_stay && !self.memory.is_private(place);
            !is_lost && !self.memory.may_touch(graph, reach, place)
        };
        if !dead.iter().all(keep) {
            Rc::make_mut(dead).retain(keep);
        }
    }
}

/// Takes note of a place that is written.
fn overwrite(dead: &mut Rc<Vec<Place>>, place: Place) {
    if place.size().is_some() && !dead.iter().any(|at| at.offset_of(&place).is_some()) {
        let dead = Rc::make_mut(dead);
        if dead.len() == MAX_DEAD {
            dead.remove(0);
        }
        // Whatever the source calls the bytes, they are written.
        dead.push(place.untagged());
    }
}
