//! Which addresses point where into which alloca, and which allocas have no other ones.

use crate::tier::opt::graph::{Graph, is_plain};
use alloc::vec;
use alloc::vec::Vec;
use ir::cfg::Cfg;
use ir::{Inst, InstId, Intrinsic, MemFlags, Op, Type, TypeId, Value};

/// A constant offset in an alloca.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    /// Index into [`Places::allocas`].
    pub(super) alloca: u32,
    /// Bytes from its start.
    pub(super) offset: i32,
}

/// A load or a store of part of a candidate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access {
    pub(super) inst: InstId,
    pub(super) offset: u32,
    pub(super) size: u32,
    pub(super) ty: TypeId,
}

/// A copy or fill of constant length with an end in a candidate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Copy {
    pub(super) inst: InstId,
    /// Where it writes, if to a candidate.
    pub(super) to: Option<Place>,
    /// Where it reads, if from a candidate.
    pub(super) from: Option<Place>,
    pub(super) len: u32,
}

/// An alloca.
#[derive(Clone, Debug)]
pub(super) struct Alloca {
    pub(super) bytes: u32,
    pub(super) align_log2: u8,
    /// The address is used in other ways too.
    pub(super) escapes: bool,
    /// A copy has an end in it.
    pub(super) copied: bool,
    /// By the order of blocks; empty if it escapes.
    pub(super) accesses: Vec<Access>,
}

/// The allocas of a graph, and how they are used.
pub(super) struct Places {
    pub(super) allocas: Vec<Alloca>,
    pub(super) copies: Vec<Copy>,
    /// By instruction.
    place: Vec<Option<Place>>,
}

impl Places {
    pub(super) fn new(graph: &Graph<'_>, cfg: &Cfg) -> Self {
        let mut places = Self {
            allocas: Vec::new(),
            copies: Vec::new(),
            place: vec![None; graph.num_insts()],
        };
        // In reverse postorder an address is met before its uses, but for those by phis.
        for &block in cfg.rpo() {
            for &id in graph.insts(block) {
                places.visit(graph, id);
            }
        }
        for block in graph.blocks() {
            for &id in graph.insts(block) {
                if graph.inst(id).op == Op::Phi || !cfg.is_reachable(block) {
                    places.escape_all(graph, id);
                }
            }
        }
        places.drop_escaped();
        places
    }

    fn drop_escaped(&mut self) {
        let Self {
            allocas, copies, ..
        } = self;
        for alloca in allocas.iter_mut().filter(|alloca| alloca.escapes) {
            alloca.accesses.clear();
        }
        for copy in copies.iter_mut() {
            for end in [&mut copy.to, &mut copy.from] {
                *end = end.filter(|place| !allocas[place.alloca as usize].escapes);
                if let Some(place) = end {
                    allocas[place.alloca as usize].copied = true;
                }
            }
        }
        copies.retain(|copy| copy.to.is_some() || copy.from.is_some());
    }

    /// Where an address points, if into an alloca at a constant offset.
    fn of(&self, value: Value) -> Option<Place> {
        self.place[value.as_inst()?.index()]
    }

    fn visit(&mut self, graph: &Graph<'_>, id: InstId) {
        let inst = graph.inst(id);
        let understood = match inst.op {
            Op::Alloca => {
                self.declare(inst, id);
                true
            }
            Op::PtrAdd => self.visit_ptr_add(graph, inst, id),
            Op::Load => self.visit_access(graph, inst, id, MemFlags(inst.args[1])),
            Op::Store if self.of(Value(inst.args[1])).is_none() => {
                self.visit_access(graph, inst, id, MemFlags(inst.args[2]))
            }
            Op::Intrinsic => self.visit_copy(graph, inst, id),
            Op::Phi => true,
            _ => false,
        };
        if !understood {
            self.escape_all(graph, id);
        }
    }

    fn declare(&mut self, inst: &Inst, id: InstId) {
        let alloca = self.allocas.len() as u32;
        self.place[id.index()] = Some(Place { alloca, offset: 0 });
        self.allocas.push(Alloca {
            bytes: inst.args[0],
            align_log2: inst.args[1] as u8,
            escapes: false,
            copied: false,
            accesses: Vec::new(),
        });
    }

    fn visit_ptr_add(&mut self, graph: &Graph<'_>, inst: &Inst, id: InstId) -> bool {
        let Some(base) = self.of(Value(inst.args[0])) else {
            return true;
        };
        let Some(added) = constant_offset(graph, inst) else {
            return false;
        };
        let offset = base.offset.wrapping_add(added);
        self.place[id.index()] = Some(Place { offset, ..base });
        true
    }

    /// Notes a load or a store; false if it is not of the kind that can be replaced.
    fn visit_access(&mut self, graph: &Graph<'_>, inst: &Inst, id: InstId, f: MemFlags) -> bool {
        let Some(place) = self.of(Value(inst.args[0])) else {
            return true;
        };
        let types = graph.types();
        let aggregate = matches!(types.get(inst.ty), Type::Array { .. } | Type::Struct { .. });
        let size = types.layout(inst.ty).store;
        let alloca = &mut self.allocas[place.alloca as usize];
        if aggregate || !is_plain(f) || !is_inside(place.offset, size, alloca.bytes) {
            return false;
        }
        alloca.accesses.push(Access {
            inst: id,
            offset: place.offset.cast_unsigned(),
            size,
            ty: inst.ty,
        });
        true
    }

    fn visit_copy(&mut self, graph: &Graph<'_>, inst: &Inst, id: InstId) -> bool {
        let reads = match inst.intrinsic() {
            Some(Intrinsic::Memcpy | Intrinsic::Memmove) => true,
            Some(Intrinsic::Memset) => false,
            _ => return false,
        };
        let words = graph.code().words(inst.args[1], inst.args[2]);
        let to = self.of(Value(words[0]));
        let from = if reads {
            self.of(Value(words[1]))
        } else {
            None
        };
        if to.is_none() && from.is_none() {
            return true;
        }
        let len = graph.const_int(Value(words[2]));
        let Some(len) = len.and_then(|len| u32::try_from(len).ok()) else {
            return false;
        };
        let fits = |end: Option<Place>| {
            end.is_none_or(|p| is_inside(p.offset, len, self.allocas[p.alloca as usize].bytes))
        };
        if !fits(to) || !fits(from) {
            return false;
        }
        self.copies.push(Copy {
            inst: id,
            to,
            from,
            len,
        });
        true
    }

    /// The operands of `id` are used in a way that is not understood.
    fn escape_all(&mut self, graph: &Graph<'_>, id: InstId) {
        graph.code().for_each_operand(graph.inst(id), |value| {
            if let Some(place) = self.of(value) {
                self.allocas[place.alloca as usize].escapes = true;
            }
        });
    }
}

/// What a `PtrAdd` adds, if that is a constant.
fn constant_offset(graph: &Graph<'_>, inst: &Inst) -> Option<i32> {
    let [_, index, c] = inst.args;
    if Value(index) == Value::NONE {
        return Some(c.cast_signed());
    }
    let words = graph.code().words(c, 2);
    let (scale, disp) = (words[0].cast_signed(), words[1].cast_signed());
    let index = graph.const_int(Value(index))? as u32;
    Some(index.cast_signed().wrapping_mul(scale).wrapping_add(disp))
}

fn is_inside(offset: i32, size: u32, bytes: u32) -> bool {
    u32::try_from(offset).is_ok_and(|at| at.checked_add(size).is_some_and(|end| end <= bytes))
}
