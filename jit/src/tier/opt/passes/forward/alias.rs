//! Whether two places in memory may overlap.

use crate::tier::opt::graph::{Graph, is_plain};
use crate::tier::opt::passes::address;
use alloc::vec;
use alloc::vec::Vec;
use ir::{
    ConstKind, Global, GlobalId, InstId, Intrinsic, Linkage, MemFlags, Op, TypeId, Value, ValueKind,
};

/// What an address was computed from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Root {
    Alloca(InstId),
    /// A parameter.
    Arg(u32),
    /// A global that no other symbol can be part of.
    Global(GlobalId),
    /// Memory that is never written.
    Constant(GlobalId),
    Unknown,
}

/// A run of bytes at an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    base: Value,
    index: Value,
    scale: u32,
    disp: u32,
    /// Bytes; `u32::MAX` if not known.
    size: u32,
    root: Root,
}

/// What is known about the addresses of a function.
pub(super) struct Alias {
    /// By instruction: an alloca whose address is used for nothing but plain accesses.
    private: Vec<bool>,
    /// By instruction.
    roots: Vec<Root>,
}

impl Alias {
    pub(super) fn new(graph: &Graph<'_>) -> Self {
        let mut alias = Self {
            private: vec![false; graph.num_insts()],
            roots: roots(graph),
        };
        for block in graph.blocks() {
            for &id in graph.insts(block) {
                alias.private[id.index()] = graph.inst(id).op == Op::Alloca;
            }
        }
        for block in graph.blocks() {
            for &id in graph.insts(block) {
                alias.note_uses(graph, id);
            }
        }
        alias
    }

    /// Takes note of the allocas whose address an instruction uses otherwise than for an access.
    fn note_uses(&mut self, graph: &Graph<'_>, id: InstId) {
        let accesses = addresses(graph, id);
        let mut at = 0;
        graph.code().for_each_operand(graph.inst(id), |value| {
            if at >= accesses
                && let Root::Alloca(alloca) = self.root(graph, value)
            {
                self.private[alloca.index()] = false;
            }
            at += 1;
        });
    }

    /// What an address was computed from.
    fn root(&self, graph: &Graph<'_>, address: Value) -> Root {
        match address.kind() {
            ValueKind::Inst(id) => self.roots.get(id.index()).copied().unwrap_or(Root::Unknown),
            _ => leaf_root(graph, address),
        }
    }

    /// The bytes of a value of type `ty` at `address`.
    pub(super) fn place(&self, graph: &Graph<'_>, address: Value, ty: TypeId) -> Place {
        let size = graph.types().layout(ty).store;
        self.run_of_bytes(graph, address, size.into())
    }

    /// `len` bytes at `address`.
    pub(super) fn run_of_bytes(&self, graph: &Graph<'_>, address: Value, len: u64) -> Place {
        let parts = address::decompose(graph, address);
        let (base, disp) = split_constant(graph, parts.base, parts.disp);
        Place {
            base,
            index: parts.index,
            scale: parts.scale,
            disp,
            size: u32::try_from(len).unwrap_or(u32::MAX),
            root: self.root(graph, address),
        }
    }

    /// Whether a write to one place may change the other.
    pub(super) fn may_overlap(&self, a: &Place, b: &Place) -> bool {
        if (a.base, a.index, a.scale) == (b.base, b.index, b.scale) {
            let [up, down] = [b.disp.wrapping_sub(a.disp), a.disp.wrapping_sub(b.disp)];
            return up < a.size || down < b.size;
        }
        match (a.root, b.root) {
            (Root::Constant(_), _) | (_, Root::Constant(_)) => false,
            (Root::Alloca(x), Root::Alloca(y)) => x == y,
            (Root::Global(x), Root::Global(y)) => x == y,
            (Root::Alloca(_), Root::Global(_) | Root::Arg(_))
            | (Root::Global(_) | Root::Arg(_), Root::Alloca(_)) => false,
            (Root::Alloca(id), Root::Unknown) | (Root::Unknown, Root::Alloca(id)) => {
                !self.private[id.index()]
            }
            _ => true,
        }
    }

    /// Whether nobody but this function's own accesses can change the place.
    pub(super) fn is_private(&self, place: &Place) -> bool {
        match place.root {
            Root::Alloca(id) => self.private[id.index()],
            Root::Constant(_) => true,
            _ => false,
        }
    }
}

/// How many operands, from the first on, an instruction uses only to reach memory with or to compute
/// another address from.
fn addresses(graph: &Graph<'_>, id: InstId) -> usize {
    let inst = graph.inst(id);
    match inst.op {
        Op::PtrAdd => 1,
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
    }
}

/// A constant address as its global with offset 0, or as null, so that equal objects have equal
/// bases; the rest is in the displacement.
fn split_constant(graph: &Graph<'_>, base: Value, disp: u32) -> (Value, u32) {
    let Some(constant) = base.as_const().map(|id| graph.code().constant(id)) else {
        return (base, disp);
    };
    match constant.kind {
        // No operand is tagged as "none" but `NONE` itself, so these values stand for globals.
        ConstKind::Global { id, offset } => (
            Value(Value::NONE.0 - 1 - id.0),
            disp.wrapping_add(offset.cast_unsigned()),
        ),
        ConstKind::Int(at) => (Value::NONE, disp.wrapping_add(at as u32)),
        _ => (base, disp),
    }
}

/// By instruction: what it was computed from, if it is an address. Each chain is followed once.
fn roots(graph: &Graph<'_>) -> Vec<Root> {
    let mut roots: Vec<Option<Root>> = vec![None; graph.num_insts()];
    let mut chain = Vec::new();
    for start in (0..graph.num_insts() as u32).map(InstId) {
        let mut at = Value::inst(start);
        let root = loop {
            let Some(id) = at.as_inst() else {
                break leaf_root(graph, at);
            };
            if let Some(root) = roots[id.index()] {
                break root;
            }
            chain.push(id);
            // What comes back to itself, in code that cannot run, is unknown.
            roots[id.index()] = Some(Root::Unknown);
            match graph.inst(id).op {
                Op::Alloca => break Root::Alloca(id),
                Op::PtrAdd => at = Value(graph.inst(id).args[0]),
                _ => break Root::Unknown,
            }
        };
        for id in chain.drain(..) {
            roots[id.index()] = Some(root);
        }
    }
    let known = |root: Option<Root>| root.unwrap_or(Root::Unknown);
    roots.into_iter().map(known).collect()
}

/// What a parameter or a constant points to.
fn leaf_root(graph: &Graph<'_>, address: Value) -> Root {
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
