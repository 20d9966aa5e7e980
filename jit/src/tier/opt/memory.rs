//! The memory model: what an instruction reads and writes, and whether two places may overlap.
//!
//! All passes that move, remove or replace accesses ask here. A [`Memory`] is made once for a graph,
//! in linear time, and answers in constant time; it may be asked about instructions that were made
//! or whose operands were replaced since, as it knows nothing of a new one, and replacing a value by
//! an equal one changes no answer.
//!
//! # What tells two places apart ([`Memory::may_overlap`])
//!
//! M1. *Offsets.* With the same base, distances are known modulo the largest power of two that divides
//!     the scales of the indices (2^32 if the indices are the same): fields of different elements of
//!     one array are apart. Addresses are modulo 2^32, so the argument needs no `inbounds`.
//! M2. *Objects* ([`Root`]). An address computed from one object is never one in another: allocas,
//!     results of `noalias` calls, `noalias` and `byval` parameters, variables that are defined here
//!     for good. (C says so. Code that breaks it has no meaning; it is contained like any other, and
//!     nothing that the runtime checks depends on it.)
//! M3. *Capture.* An object of the function's own whose address goes nowhere but into accesses,
//!     comparisons and `nocapture` arguments is reached by no address that came from elsewhere, and
//!     by a call only through its arguments.
//! M4. *Types* (TBAA). Accesses whose tags the source language keeps apart.
//!
//! "The same base" is the same SSA value. Whoever carries a place along a path may compare it as long
//! as the path does not pass the definition of the place's address again: then it does not pass those
//! of its base and index either, since they dominate it.
//!
//! # What is promised about other cores
//!
//! Programs follow C: two plain accesses to one place by two tasks without synchronisation between
//! them, one of which writes, have no meaning. So only calls, atomic accesses and fences make known
//! what others wrote. Volatile accesses change what they say and are never removed.

mod calls;
mod constants;
mod loops;
mod roots;
mod tbaa;

use crate::tier::opt::graph::{Graph, is_plain};
use crate::tier::opt::passes::address;
use ir::facts::kind;
use ir::{BlockId, ConstKind, GlobalId, InstId, Intrinsic, MemFlags, Op, TypeId, Value, ValueKind};
pub use loops::LoopWrites;
use roots::Roots;

/// Bytes of an x87 number in memory.
const X87_BYTES: u64 = 10;
/// Bytes of a list of variadic arguments.
const VA_LIST_BYTES: u64 = 4;

/// What an address was computed from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Root {
    /// An alloca.
    Alloca(InstId),
    /// The result of a call that gives memory nobody else knows.
    Fresh(InstId),
    /// A parameter.
    Arg(u32),
    /// A variable that no other symbol can be part of.
    Global(GlobalId),
    /// Memory that is never written.
    Constant(GlobalId),
    /// Anything.
    Unknown,
}

/// A run of bytes at an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// What the address is relative to; a constant one is that of its variable, or null.
    base: Value,
    index: Value,
    scale: u32,
    disp: u32,
    /// Bytes; `u32::MAX` if not known.
    size: u32,
    root: Root,
    /// TBAA tag plus 1; 0 is not known.
    tag: u32,
}

impl Place {
    /// What the address was computed from.
    #[must_use]
    pub fn root(&self) -> Root {
        self.root
    }

    /// Whether both are the same bytes, whatever the source calls them.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.is_beside(other) && (self.disp, self.size) == (other.disp, other.size)
    }

    /// This place, for accesses of any type.
    #[must_use]
    pub fn untagged(self) -> Self {
        Self { tag: 0, ..self }
    }

    /// Whether both have the same tag.
    #[must_use]
    pub fn has_tag_of(&self, other: &Self) -> bool {
        self.tag == other.tag
    }

    /// Whether what is known of this place holds for an access of `other`: the same bytes, and what
    /// overwrites them could be told apart by no tag that the access does not have.
    #[must_use]
    pub fn speaks_of(&self, other: &Self) -> bool {
        self.is_same(other) && (self.tag == 0 || self.tag == other.tag)
    }

    /// Whether their distance is known.
    #[must_use]
    pub fn is_beside(&self, other: &Self) -> bool {
        (self.base, self.index, self.scale) == (other.base, other.index, other.scale)
    }

    /// Where in this place the other lies, if it lies in it.
    #[must_use]
    pub fn offset_of(&self, other: &Self) -> Option<u32> {
        let offset = other.disp.wrapping_sub(self.disp);
        let known = self.size != u32::MAX && self.is_beside(other);
        let fits = offset <= self.size && other.size <= self.size - offset;
        (known && fits).then_some(offset)
    }

    /// Offset from the start of a variable or alloca, if it is constant.
    #[must_use]
    pub fn constant_offset(&self) -> Option<u32> {
        let at_start = match self.root {
            Root::Alloca(id) | Root::Fresh(id) => self.base == Value::inst(id),
            Root::Global(id) | Root::Constant(id) => self.base == global_base(id),
            Root::Arg(n) => self.base == Value::arg(n),
            Root::Unknown => false,
        };
        (at_start && self.index == Value::NONE).then_some(self.disp)
    }

    /// Bytes; `None` if not known.
    #[must_use]
    pub fn size(&self) -> Option<u32> {
        Some(self.size).filter(|&size| size != u32::MAX)
    }
}

/// Memory that an instruction may touch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// None.
    Nothing,
    /// These bytes.
    Place(Place),
    /// What this call's arguments point to.
    Arguments(InstId),
    /// Whatever others know, and what the arguments point to if it is a call.
    Shared(InstId),
}

/// What an instruction does with memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Access {
    /// It may read there.
    pub reads: Reach,
    /// It may write there.
    pub writes: Reach,
}

impl Access {
    const NONE: Self = Self {
        reads: Reach::Nothing,
        writes: Reach::Nothing,
    };

    fn all(id: InstId) -> Self {
        Self {
            reads: Reach::Shared(id),
            writes: Reach::Shared(id),
        }
    }
}

/// What is known about the memory of a function.
#[derive(Debug)]
pub struct Memory {
    roots: Roots,
}

impl Memory {
    /// Looks through a graph; `order` is reverse postorder.
    #[must_use]
    pub fn new(graph: &Graph<'_>, order: &[BlockId]) -> Self {
        Self {
            roots: Roots::new(graph, order),
        }
    }

    /// The bytes of a value of type `ty` at `address`, accessed by `id`.
    #[must_use]
    pub fn place(&self, graph: &Graph<'_>, address: Value, ty: TypeId, id: InstId) -> Place {
        let size = graph.types().layout(ty).store;
        Place {
            tag: graph.fact(id, kind::TBAA).map_or(0, |tag| tag + 1),
            ..self.run_of_bytes(graph, address, size.into())
        }
    }

    /// `len` bytes at `address`.
    #[must_use]
    pub fn run_of_bytes(&self, graph: &Graph<'_>, address: Value, len: u64) -> Place {
        let parts = address::decompose(graph, address);
        let (base, disp) = split_constant(graph, parts.base, parts.disp);
        Place {
            base,
            index: parts.index,
            scale: parts.scale,
            disp,
            size: u32::try_from(len).unwrap_or(u32::MAX),
            root: self.roots.of(graph, address),
            tag: 0,
        }
    }

    /// What an instruction does with memory. A volatile or atomic access is said to touch what an
    /// atomic one makes known, whatever its own place.
    #[must_use]
    pub fn access(&self, graph: &Graph<'_>, id: InstId) -> Access {
        let inst = graph.inst(id);
        let [a, b, c] = inst.args;
        match inst.op {
            Op::Load if is_plain(MemFlags(b)) => Access {
                reads: Reach::Place(self.place(graph, Value(a), inst.ty, id)),
                writes: Reach::Nothing,
            },
            // Volatile: it is done, but changes nothing.
            Op::Load if MemFlags(b).ordering() == 0 => Access {
                reads: Reach::Shared(id),
                writes: Reach::Nothing,
            },
            Op::Store if MemFlags(c).ordering() == 0 => Access {
                reads: Reach::Nothing,
                writes: Reach::Place(self.place(graph, Value(a), inst.ty, id)),
            },
            Op::Load | Op::Store | Op::AtomicRmw | Op::CmpXchg | Op::Fence => Access::all(id),
            Op::Call | Op::CallIndirect => calls::access(graph, id),
            Op::Intrinsic => self.of_intrinsic(graph, id),
            _ => Access::NONE,
        }
    }

    fn of_intrinsic(&self, graph: &Graph<'_>, id: InstId) -> Access {
        let inst = graph.inst(id);
        let words = graph.code().words(inst.args[1], inst.args[2]);
        let bytes =
            |at: usize, len: u64| Reach::Place(self.run_of_bytes(graph, Value(words[at]), len));
        let len = |at: usize| graph.const_int(Value(words[at])).unwrap_or(u64::MAX);
        match inst.intrinsic() {
            Some(Intrinsic::Memcpy | Intrinsic::Memmove) => Access {
                reads: bytes(1, len(2)),
                writes: bytes(0, len(2)),
            },
            Some(Intrinsic::Memset) => Access {
                reads: Reach::Nothing,
                writes: bytes(0, len(2)),
            },
            // The stack pointer: memory stays as it is.
            Some(Intrinsic::StackSave) => Access::NONE,
            Some(Intrinsic::VaStart) => Access {
                reads: Reach::Shared(id),
                writes: bytes(0, VA_LIST_BYTES),
            },
            Some(Intrinsic::VaCopy) => Access {
                reads: bytes(1, VA_LIST_BYTES),
                writes: bytes(0, VA_LIST_BYTES),
            },
            Some(which) if which.is_x87() => Access {
                reads: Reach::Shared(id),
                writes: match which {
                    Intrinsic::X87Cmp | Intrinsic::X87To => Reach::Nothing,
                    _ => bytes(0, X87_BYTES),
                },
            },
            _ if graph.effects(inst).is_pure() => Access::NONE,
            _ => Access::all(id),
        }
    }

    /// Whether something that touches `reach` may touch `place`.
    #[must_use]
    pub fn may_touch(&self, graph: &Graph<'_>, reach: &Reach, place: &Place) -> bool {
        match *reach {
            Reach::Nothing => false,
            Reach::Place(other) => self.may_overlap(graph, &other, place),
            Reach::Arguments(call) => self.arguments_reach(graph, call, place.root, true),
            Reach::Shared(id) => {
                !self.is_private(place) || self.arguments_reach(graph, id, place.root, false)
            }
        }
    }

    /// Calls `f` with what each operand of an instruction is an address in.
    pub fn for_each_root(&self, graph: &Graph<'_>, id: InstId, mut f: impl FnMut(Root)) {
        let operand = |value| f(self.roots.of(graph, value));
        graph.code().for_each_operand(graph.inst(id), operand);
    }

    /// Whether a call (or what else is [`Reach::Shared`]) has an address of the function's own object
    /// among its operands.
    fn takes_private(&self, graph: &Graph<'_>, id: InstId) -> bool {
        let mut taken = false;
        self.for_each_root(graph, id, |root| taken |= self.roots.is_private(root));
        taken
    }

    /// Whether an argument of a call (an operand, of others) is an address in the object of `root`,
    /// or, if `guess`, one that may be.
    fn arguments_reach(&self, graph: &Graph<'_>, id: InstId, root: Root, guess: bool) -> bool {
        let mut reached = false;
        graph.code().for_each_operand(graph.inst(id), |value| {
            if graph.type_of(value) == TypeId::PTR {
                let other = self.roots.of(graph, value);
                reached |= other == root || guess && self.may_share(other, root);
            }
        });
        reached
    }

    /// Whether a write to one place may change the other.
    #[must_use]
    pub fn may_overlap(&self, graph: &Graph<'_>, a: &Place, b: &Place) -> bool {
        if a.base == b.base {
            // The distance is known modulo this; 0 stands for 2^32.
            let known = match a.is_beside(b) {
                true => 0,
                false => power_of_two_in(a.scale | b.scale),
            };
            let up = b.disp.wrapping_sub(a.disp);
            let down = up.wrapping_neg();
            let mask = known.wrapping_sub(1);
            if up & mask >= a.size && down & mask >= b.size {
                return false;
            }
            if known == 0 {
                return true;
            }
        }
        self.may_share(a.root, b.root)
            && (a.tag == 0 || b.tag == 0 || tbaa::may_alias(graph, a.tag - 1, b.tag - 1))
    }

    /// Whether addresses computed from these may name one object.
    fn may_share(&self, a: Root, b: Root) -> bool {
        match (a, b) {
            (Root::Constant(_), _) | (_, Root::Constant(_)) => false,
            (Root::Unknown, other) | (other, Root::Unknown) => !self.roots.is_private(other),
            (Root::Arg(x), Root::Arg(y)) => {
                x == y || !self.roots.is_object(a) && !self.roots.is_object(b)
            }
            (Root::Arg(_), Root::Global(_)) => !self.roots.is_object(a),
            (Root::Global(_), Root::Arg(_)) => !self.roots.is_object(b),
            _ => a == b,
        }
    }

    /// Whether nobody but this function's own accesses, and calls by their arguments, can change the
    /// place.
    #[must_use]
    pub fn is_private(&self, place: &Place) -> bool {
        matches!(place.root, Root::Constant(_)) || self.roots.is_private(place.root)
    }

    /// Whether a call is known to come back.
    #[must_use]
    pub fn returns(&self, graph: &Graph<'_>, call: InstId) -> bool {
        calls::returns(graph, call)
    }

    /// Whether nobody can read the place once the function has returned.
    #[must_use]
    pub fn ends_with_function(&self, root: Root) -> bool {
        match root {
            Root::Alloca(_) => true,
            Root::Arg(n) => self.roots.is_byval(n),
            _ => false,
        }
    }

    /// Whether an access to the place cannot fault: it lies in an object that is there all the time.
    #[must_use]
    pub fn is_mapped(&self, graph: &Graph<'_>, place: &Place) -> bool {
        let (Some(offset), Some(size)) = (place.constant_offset(), place.size()) else {
            return false;
        };
        let object = match place.root {
            Root::Alloca(id) => graph.inst(id).args[0],
            Root::Global(id) | Root::Constant(id) => graph.module().globals[id.index()].size,
            Root::Arg(n) => self.roots.dereferenceable(n),
            Root::Fresh(_) | Root::Unknown => 0,
        };
        u64::from(offset) + u64::from(size) <= u64::from(object)
    }
}

/// The largest power of two that divides a number; 0 for 0, as 2^32 is.
fn power_of_two_in(n: u32) -> u32 {
    n & n.wrapping_neg()
}

/// A constant address as its variable with offset 0, or as null, so that equal objects have equal
/// bases; the rest is in the displacement.
fn split_constant(graph: &Graph<'_>, base: Value, disp: u32) -> (Value, u32) {
    let Some(constant) = base.as_const().map(|id| graph.code().constant(id)) else {
        return (base, disp);
    };
    match constant.kind {
        ConstKind::Global { id, offset } => {
            (global_base(id), disp.wrapping_add(offset.cast_unsigned()))
        }
        ConstKind::Int(at) => (Value::NONE, disp.wrapping_add(at as u32)),
        _ => (base, disp),
    }
}

/// What stands for a variable as a base: no operand is tagged as "none" but `NONE` itself.
fn global_base(id: GlobalId) -> Value {
    debug_assert!(matches!(
        Value(Value::NONE.0 - 1 - id.0).kind(),
        ValueKind::None
    ));
    Value(Value::NONE.0 - 1 - id.0)
}
