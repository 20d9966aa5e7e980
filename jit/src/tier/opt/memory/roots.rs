//! Which object each address is computed from, and which objects have become known to others.
//!
//! Additions to an address stay in its object. Phis and selections of addresses in one object are in
//! that object; the walk begins with the hope that loops add nothing else (an address without an
//! object yet is left out), and is repeated until nothing changes. A value changes at most twice (no
//! object yet, one, several), and a few rounds are enough for loops in loops; if they are not, phis
//! and selections count as unknown. An object whose address goes into a mixture, into memory, or into
//! anything that is not listed in [`uses`] is captured.

use super::Root;
use super::calls;
use crate::tier::opt::graph::{Graph, is_plain};
use alloc::vec;
use alloc::vec::Vec;
use ir::{
    BlockId, ConstKind, Global, GlobalId, InstId, Intrinsic, Linkage, MemFlags, Op, Value,
    ValueKind,
};

/// Walks over the function before phis are given up.
const MAX_ROUNDS: u32 = 4;

/// What is known of a parameter.
#[derive(Clone, Copy, Debug, Default)]
struct Param {
    /// No other address reaches what it points to.
    is_object: bool,
    is_byval: bool,
    is_captured: bool,
    dereferenceable: u32,
}

/// The objects of a function.
#[derive(Debug)]
pub(super) struct Roots {
    /// By instruction; `None` of those whose address was never looked at.
    roots: Vec<Option<Root>>,
    /// By instruction: an alloca or fresh memory whose address others may know.
    captured: Vec<bool>,
    params: Vec<Param>,
}

impl Roots {
    pub(super) fn new(graph: &Graph<'_>, order: &[BlockId]) -> Self {
        let mut roots = Self {
            roots: vec![None; graph.num_insts()],
            captured: vec![false; graph.num_insts()],
            params: params(graph),
        };
        let addresses = addresses(graph, order);
        let mut rounds = 0;
        while roots.walk(graph, &addresses) {
            rounds += 1;
            if rounds == MAX_ROUNDS {
                roots.give_up_mixtures(graph, &addresses);
                break;
            }
        }
        for &block in order {
            for &id in graph.insts(block) {
                roots.note_uses(graph, id);
            }
        }
        roots
    }

    /// Looks at all addresses once; whether anything changed.
    fn walk(&mut self, graph: &Graph<'_>, addresses: &[InstId]) -> bool {
        let mut changed = false;
        for &id in addresses {
            let new = self.compute(graph, id);
            changed |= new != self.roots[id.index()];
            self.roots[id.index()] = new;
        }
        changed
    }

    fn compute(&self, graph: &Graph<'_>, id: InstId) -> Option<Root> {
        let inst = graph.inst(id);
        match inst.op {
            Op::Alloca => Some(Root::Alloca(id)),
            Op::PtrAdd | Op::Freeze => self.hoped(graph, Value(inst.args[0])),
            Op::Select => {
                let [_, a, b] = inst.args;
                join(self.hoped(graph, Value(a)), self.hoped(graph, Value(b)))
            }
            Op::Phi => {
                let words = graph.code().words(inst.args[0], inst.args[1] * 2);
                let values = words.chunks_exact(2).map(|pair| Value(pair[1]));
                values.fold(None, |root, value| join(root, self.hoped(graph, value)))
            }
            _ if calls::gives_fresh_memory(graph, id) => Some(Root::Fresh(id)),
            _ => Some(Root::Unknown),
        }
    }

    /// The object of an address as far as is known; `None` is none yet.
    fn hoped(&self, graph: &Graph<'_>, address: Value) -> Option<Root> {
        match address.as_inst() {
            Some(id) => self.roots[id.index()],
            None => Some(leaf(graph, address)),
        }
    }

    /// Makes all that depends on more than one address unknown, in one walk in order and one for
    /// what additions to those are.
    fn give_up_mixtures(&mut self, graph: &Graph<'_>, addresses: &[InstId]) {
        for &id in addresses {
            if !matches!(graph.inst(id).op, Op::Alloca | Op::Call | Op::CallIndirect) {
                self.roots[id.index()] = Some(Root::Unknown);
            }
        }
        for &id in addresses {
            if graph.inst(id).op == Op::PtrAdd {
                self.roots[id.index()] = self.compute(graph, id);
            }
        }
    }

    /// Takes note of the objects whose address an instruction makes known.
    fn note_uses(&mut self, graph: &Graph<'_>, id: InstId) {
        let keeps = keeps(graph, id);
        let own = self.roots[id.index()].filter(|_| {
            matches!(
                graph.inst(id).op,
                Op::PtrAdd | Op::Phi | Op::Select | Op::Freeze
            )
        });
        let mut at = 0;
        graph.code().for_each_operand(graph.inst(id), |value| {
            let root = self.of(graph, value);
            let stays = at < keeps.accesses || own == Some(root) || keeps.argument(graph, at);
            match root {
                _ if stays => {}
                Root::Alloca(object) | Root::Fresh(object) => {
                    self.captured[object.index()] = true;
                }
                Root::Arg(n) => {
                    if let Some(param) = self.params.get_mut(n as usize) {
                        param.is_captured = true;
                    }
                }
                _ => {}
            }
            at += 1;
        });
    }

    /// What an address was computed from.
    pub(super) fn of(&self, graph: &Graph<'_>, address: Value) -> Root {
        match address.kind() {
            ValueKind::Inst(id) => {
                let root = self.roots.get(id.index()).copied().flatten();
                root.unwrap_or(Root::Unknown)
            }
            _ => leaf(graph, address),
        }
    }

    fn param(&self, n: u32) -> Param {
        self.params.get(n as usize).copied().unwrap_or_default()
    }

    /// Whether the root is an object that addresses not computed from it do not reach, unless its
    /// address is captured.
    pub(super) fn is_object(&self, root: Root) -> bool {
        match root {
            Root::Alloca(_) | Root::Fresh(_) => true,
            Root::Arg(n) => self.param(n).is_object,
            _ => false,
        }
    }

    /// Whether the root is an object of the function's own that nobody else knows.
    pub(super) fn is_private(&self, root: Root) -> bool {
        match root {
            Root::Alloca(id) | Root::Fresh(id) => !self.captured[id.index()],
            Root::Arg(n) => self.param(n).is_object && !self.param(n).is_captured,
            _ => false,
        }
    }

    pub(super) fn is_byval(&self, n: u32) -> bool {
        self.param(n).is_byval
    }

    /// Bytes that are there behind a parameter.
    pub(super) fn dereferenceable(&self, n: u32) -> u32 {
        self.param(n).dereferenceable
    }
}

/// Both: none yet gives way, different ones are unknown.
fn join(a: Option<Root>, b: Option<Root>) -> Option<Root> {
    match (a, b) {
        (None, other) | (other, None) => other,
        (a, b) if a == b => a,
        _ => Some(Root::Unknown),
    }
}

/// What gives addresses, in order.
fn addresses(graph: &Graph<'_>, order: &[BlockId]) -> Vec<InstId> {
    let insts = order.iter().flat_map(|&block| graph.insts(block));
    let gives =
        |id: &&InstId| graph.inst(**id).ty == ir::TypeId::PTR && graph.inst(**id).has_result();
    insts.filter(gives).copied().collect()
}

fn params(graph: &Graph<'_>) -> Vec<Param> {
    let Some(set) = graph.module().attr_set(graph.function().attr_set) else {
        return Vec::new();
    };
    let param = |attrs: &ir::ParamAttrs| {
        let is_byval = attrs.byval != 0;
        let or_null = attrs.bits & calls::bits::OR_NULL != 0;
        Param {
            is_object: is_byval || attrs.bits & calls::bits::NOALIAS != 0,
            is_byval,
            is_captured: false,
            dereferenceable: match attrs.byval {
                0 if or_null => 0,
                0 => attrs.dereferenceable,
                bytes => bytes,
            },
        }
    };
    set.params.iter().map(param).collect()
}

/// Which operands an instruction keeps to itself.
struct Keeps {
    /// So many, from the first on, are only used to reach memory with or to be compared.
    accesses: usize,
    /// The call whose `nocapture` arguments come behind so many other operands.
    call: Option<(InstId, usize)>,
}

impl Keeps {
    fn argument(&self, graph: &Graph<'_>, at: usize) -> bool {
        self.call.is_some_and(|(call, before)| {
            at.checked_sub(before)
                .is_some_and(|at| calls::keeps_argument(graph, call, at))
        })
    }
}

fn keeps(graph: &Graph<'_>, id: InstId) -> Keeps {
    let inst = graph.inst(id);
    let accesses = match inst.op {
        Op::Load => usize::from(is_plain(MemFlags(inst.args[1]))),
        Op::Store => usize::from(is_plain(MemFlags(inst.args[2]))),
        Op::ICmp => 2,
        Op::Intrinsic => match inst.intrinsic() {
            Some(Intrinsic::Memcpy | Intrinsic::Memmove) => 2,
            Some(Intrinsic::Memset | Intrinsic::X87From | Intrinsic::X87To) => 1,
            Some(Intrinsic::X87Cmp) => 2,
            Some(which) if which.is_x87() => 3,
            _ => 0,
        },
        _ => 0,
    };
    let call = match inst.op {
        Op::Call => Some((id, 0)),
        Op::CallIndirect => Some((id, 1)),
        _ => None,
    };
    Keeps { accesses, call }
}

/// What a parameter or a constant points to.
fn leaf(graph: &Graph<'_>, address: Value) -> Root {
    match address.kind() {
        ValueKind::Arg(n) => Root::Arg(n),
        ValueKind::Const(id) => match graph.code().constant(id).kind {
            ConstKind::Global { id, .. } => of_global(graph, id),
            _ => Root::Unknown,
        },
        _ => Root::Unknown,
    }
}

fn of_global(graph: &Graph<'_>, id: GlobalId) -> Root {
    let Global {
        linkage,
        defined,
        constant,
        thread_local,
        ..
    } = &graph.module().globals[id.index()];
    let final_here = *defined && matches!(linkage, Linkage::External | Linkage::Internal);
    match (final_here && !thread_local, constant) {
        (true, true) => Root::Constant(id),
        (true, false) => Root::Global(id),
        _ => Root::Unknown,
    }
}
