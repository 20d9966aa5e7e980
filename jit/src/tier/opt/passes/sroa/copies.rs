//! Copies of constant length as loads and stores, where they would keep an alloca in memory.
//!
//! A copy is cut where the accesses to either end are cut, so that each piece is what somebody loads
//! or stores anyway; what nobody names is cut into naturally aligned integers. A chain of copies
//! passes the cuts on from end to end, in a bounded number of rounds; where they do not get through,
//! slots overlap and stay in memory, which is correct.
//!
//! A piece is of a type all of whose bits are value bits, so that copying it copies bytes (an `i1`
//! would not). All loads of a copy come before its stores, so its ends may overlap.

use super::places::{Alloca, Copy, Place, Places};
use super::value::{self, Converter};
use crate::tier::opt::graph::Graph;
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use ir::{BlockId, InstId, MemFlags, Op, TypeId, Types, Value};

/// Longest copy that is expanded, in bytes.
const MAX_BYTES: u32 = 128;
/// Most pieces that a copy is cut into.
const MAX_PIECES: usize = 24;
/// How far cuts travel along chains of copies.
const MAX_ROUNDS: u32 = 4;

/// Expands copies and fills of candidate allocas.
pub(super) fn run(graph: &mut Graph<'_>) {
    let cfg = graph.cfg();
    let places = Places::new(graph, &cfg);
    if places.copies.is_empty() {
        return;
    }
    let cuts = cuts(graph.types(), &places);
    let mut plans: Vec<Option<Plan>> = vec![None; graph.num_insts()];
    for copy in places.copies.iter().filter(|copy| copy.len <= MAX_BYTES) {
        let is_fill = is_fill(graph, copy.inst);
        let pieces = pieces(&cuts, copy, |ty| !is_fill || value::has_int(ty));
        if pieces.len() <= MAX_PIECES && graph.fuel.spend() {
            let align_log2 = [copy.to, copy.from].map(|end| align(&places, end));
            plans[copy.inst.index()] = Some(Plan { pieces, align_log2 });
        }
    }
    for &block in cfg.rpo() {
        expand_block(graph, block, &plans);
    }
}

/// A piece of a copy: where it starts, and its type.
type Piece = (u32, TypeId);

#[derive(Clone, Debug)]
struct Plan {
    pieces: Vec<Piece>,
    /// log2 of the alignment of destination and source that is known from their allocas.
    align_log2: [u8; 2],
}

/// By alloca: accesses by offset, as size and type.
type Cuts = Vec<BTreeMap<u32, (u32, TypeId)>>;

/// What is accessed where, copies included.
fn cuts(types: &Types, places: &Places) -> Cuts {
    let by_offset = |alloca: &Alloca| {
        let mut cuts = BTreeMap::new();
        for access in &alloca.accesses {
            if let Some(ty) = copy_type(types, access.ty) {
                cuts.entry(access.offset).or_insert((access.size, ty));
            }
        }
        cuts
    };
    let mut cuts: Cuts = places.allocas.iter().map(by_offset).collect();
    for _ in 0..MAX_ROUNDS {
        let mut changed = false;
        for copy in places.copies.iter().filter(|copy| copy.len <= MAX_BYTES) {
            if let (Some(to), Some(from)) = (copy.to, copy.from) {
                changed |= pass_on(&mut cuts, copy.len, from, to);
                changed |= pass_on(&mut cuts, copy.len, to, from);
            }
        }
        if !changed {
            break;
        }
    }
    cuts
}

/// The type as which the bytes of a `ty` are copied.
fn copy_type(types: &Types, ty: TypeId) -> Option<TypeId> {
    if ty == TypeId::I1 {
        return Some(TypeId::I8);
    }
    let full = Some(types.layout(ty).store * 8);
    (value::has_int(ty) || value::vector_bits(types, ty) == full).then_some(ty)
}

/// What is accessed in the `len` bytes at `from` is from now on accessed at `to` as well.
fn pass_on(cuts: &mut Cuts, len: u32, from: Place, to: Place) -> bool {
    let start = from.offset.cast_unsigned();
    let inside: Vec<_> = cuts[from.alloca as usize]
        .range(start..start + len)
        .map(|(&offset, &cut)| (offset - start, cut))
        .filter(|&(offset, (size, _))| offset + size <= len)
        .collect();
    let list = &mut cuts[to.alloca as usize];
    let before = list.len();
    for (offset, cut) in inside {
        list.entry(to.offset.cast_unsigned() + offset)
            .or_insert(cut);
    }
    list.len() != before
}

/// Cuts a copy: known accesses of usable types that do not overlap, integers between them.
fn pieces(cuts: &Cuts, copy: &Copy, usable: impl Fn(TypeId) -> bool) -> Vec<Piece> {
    let ends = [copy.to, copy.from].into_iter().flatten();
    let mut known: Vec<_> = ends
        .flat_map(|end| {
            let start = end.offset.cast_unsigned();
            let list = cuts[end.alloca as usize].range(start..start + copy.len);
            list.map(move |(&offset, &(size, ty))| (offset - start, size, ty))
        })
        .filter(|cut| usable(cut.2))
        .collect();
    known.sort();
    let mut pieces = Vec::new();
    let mut at = 0;
    for (offset, size, ty) in known {
        if offset >= at && offset + size <= copy.len && pieces.len() <= MAX_PIECES {
            fill(&mut pieces, at, offset);
            pieces.push((offset, ty));
            at = offset + size;
        }
    }
    fill(&mut pieces, at, copy.len);
    pieces
}

/// Integers for the bytes from `at` to `end`, each aligned to its size within the copy.
fn fill(pieces: &mut Vec<Piece>, mut at: u32, end: u32) {
    while at < end && pieces.len() <= MAX_PIECES {
        let fits = |size: &u32| at.is_multiple_of(*size) && at + size <= end;
        let size = [8, 4, 2].into_iter().find(fits).unwrap_or(1);
        pieces.push((at, value::int_of_bytes(size)));
        at += size;
    }
}

/// The alignment that an end in an alloca has.
fn align(places: &Places, end: Option<Place>) -> u8 {
    end.map_or(0, |place| {
        let alloca = &places.allocas[place.alloca as usize];
        alloca
            .align_log2
            .min(trailing_zeros(place.offset.cast_unsigned()))
    })
}

fn trailing_zeros(offset: u32) -> u8 {
    offset.trailing_zeros().min(31) as u8
}

/// Whether the copy is a `memset`.
fn is_fill(graph: &Graph<'_>, id: InstId) -> bool {
    let inst = graph.inst(id);
    let source = graph.code().words(inst.args[1], inst.args[2])[1];
    graph.type_of(Value(source)) != TypeId::PTR
}

fn expand_block(graph: &mut Graph<'_>, block: BlockId, plans: &[Option<Plan>]) {
    // Instructions made for an earlier copy are beyond the end of `plans`.
    let plan = |id: InstId| plans.get(id.index()).and_then(Option::as_ref);
    if !graph.insts(block).iter().any(|&id| plan(id).is_some()) {
        return;
    }
    let mut list = Vec::new();
    for id in graph.take_insts(block) {
        match plan(id) {
            Some(plan) => expand(graph, id, plan, &mut list),
            None => list.push(id),
        }
    }
    *graph.insts_mut(block) = list;
}

/// Appends the loads and stores of one copy or fill.
fn expand(graph: &mut Graph<'_>, like: InstId, plan: &Plan, list: &mut Vec<InstId>) {
    let is_fill = is_fill(graph, like);
    let inst = *graph.inst(like);
    let words = graph.code().words(inst.args[1], inst.args[2]);
    let (to, source) = (Value(words[0]), Value(words[1]));
    let mut out = Converter { graph, list, like };
    let mut values = Vec::new();
    for &(offset, ty) in &plan.pieces {
        values.push(if is_fill {
            out.repeat_byte(source, ty)
        } else {
            let at = address(&mut out, source, offset);
            let flags = piece_flags(plan.align_log2[1], offset);
            out.op(Op::Load, ty, [at.0, flags, 0])
        });
    }
    for (&(offset, ty), value) in plan.pieces.iter().zip(values) {
        let at = address(&mut out, to, offset);
        let flags = piece_flags(plan.align_log2[0], offset);
        out.op(Op::Store, ty, [at.0, value.0, flags]);
    }
}

fn piece_flags(align_log2: u8, offset: u32) -> u32 {
    MemFlags::aligned(align_log2.min(trailing_zeros(offset))).0
}

fn address(out: &mut Converter<'_, '_>, base: Value, offset: u32) -> Value {
    if offset == 0 {
        return base;
    }
    out.op(Op::PtrAdd, TypeId::PTR, [base.0, Value::NONE.0, offset])
}
