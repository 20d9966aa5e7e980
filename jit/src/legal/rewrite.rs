//! The walk over a stored body: each instruction becomes instructions of the machine dialect.
//!
//! # How it goes
//!
//! Blocks are visited in reverse postorder, so every operand but those of phis is known when it is
//! used. An instruction of types that the machine has is kept, and its result stays one value of the same
//! type. The result of any other is mapped to a list of parts ([`Val`]), which the module for its kind of type
//! computes from the parts of its operands.
//!
//! Other phis become one phi a part. What a phi receives from a block is taken apart at the end of that
//! block, where it is known, whatever has to be emitted for it. That makes back edges no special case.
//!
//! # Invariants
//! G1. Block numbers stay, and edges between reachable blocks stay; so loop numbers do. A block that no path
//!     reaches becomes `unreachable`.
//! G2. Nothing is emitted before its operands: new instructions go where the stored one was, before the
//!     terminator of a predecessor, or to the start of the entry.
//! G3. Each word of the pool has one user: lists of kept instructions stay theirs, all others are made anew.
//!
//! # Bounds
//! Output is linear in the input times the parts of a value; [`MAX_SIZE`] bounds their product.

use super::emit::Output;
use super::machine::Lane;
use super::shape::Shape;
use super::{Context, Stop};
use alloc::vec;
use alloc::vec::Vec;
use hashbrown::HashMap;
use ir::cfg::Cfg;
use ir::{BlockId, Body, ConstId, Flags, Inst, InstId, Intrinsic, Op, TypeId, Value, ValueKind};
use smallvec::SmallVec;

/// Most instructions, operands and parts that a function may have afterwards.
const MAX_SIZE: usize = 1 << 24;

/// The parts of a value.
pub(super) type Parts = SmallVec<[Value; 4]>;

/// A stored value, taken apart.
#[derive(Clone, Debug)]
pub(super) struct Val {
    /// Its type before legalisation.
    pub(super) ty: TypeId,
    /// How wide the lanes of a mask are.
    pub(super) lane: Lane,
    pub(super) parts: Parts,
}

impl Val {
    /// A value of one part.
    pub(super) fn one(ty: TypeId, value: Value) -> Self {
        Self::new(ty, SmallVec::from_slice(&[value]))
    }

    pub(super) fn new(ty: TypeId, parts: Parts) -> Self {
        Self {
            ty,
            lane: Lane::I8,
            parts,
        }
    }

    /// The only part.
    pub(super) fn value(&self) -> Value {
        self.parts[0]
    }
}

/// Where the parts of a stored value are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) start: u32,
    pub(super) len: u32,
    pub(super) lane: Lane,
}

pub(super) const NOWHERE: Place = Place {
    start: 0,
    len: u32::MAX,
    lane: Lane::I8,
};

/// An operation without its operands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Do {
    pub(super) op: Op,
    pub(super) flags: u8,
    /// Of `Op::Intrinsic`.
    pub(super) which: Option<Intrinsic>,
    /// Fast-math bits of a comparison.
    pub(super) fast: u32,
}

impl Do {
    pub(super) fn op(op: Op) -> Self {
        Self {
            op,
            flags: 0,
            which: None,
            fast: 0,
        }
    }

    pub(super) fn intrinsic(which: Intrinsic) -> Self {
        Self {
            which: Some(which),
            ..Self::op(Op::Intrinsic)
        }
    }
}

/// Phis that stand for one stored phi.
#[derive(Debug)]
struct Phi {
    ids: Parts,
    filled: u32,
}

/// What a step may end in.
pub(super) type Res<T = ()> = Result<T, Stop>;

/// A function while it is rewritten.
pub(super) struct Rewriter<'r, 'a> {
    pub(super) cx: &'r mut Context<'a>,
    pub(super) old: &'r Body,
    pub(super) out: Output<'r>,
    /// The function multiplies and adds with one rounding.
    pub(super) fused: bool,
    places: Vec<Place>,
    args: Vec<Place>,
    pub(super) consts: Vec<Place>,
    pub(super) parts: Vec<Value>,
    /// By block: what the phis of its successors receive from it.
    edges: Vec<Vec<(InstId, Value)>>,
    /// By phi: the blocks it has entries for.
    entries: HashMap<u32, u32>,
    phis: HashMap<u32, Phi>,
    /// What each phi receives from each block.
    fed: Vec<(InstId, BlockId, Parts)>,
    /// Where values are put to be read in another way, and its size.
    pub(super) scratch: Option<(Value, u32)>,
    pub(super) ret: super::signature::Return,
    /// Types of the new parameters.
    pub(super) params: Vec<TypeId>,
}

impl<'r, 'a> Rewriter<'r, 'a> {
    pub(super) fn new(cx: &'r mut Context<'a>, old: &'r Body, fused: bool) -> Self {
        Self {
            cx,
            old,
            out: Output::new(old),
            fused,
            places: vec![NOWHERE; old.insts.len()],
            args: Vec::new(),
            consts: vec![NOWHERE; old.consts.len()],
            parts: Vec::new(),
            edges: vec![Vec::new(); old.blocks.len()],
            entries: HashMap::new(),
            phis: HashMap::new(),
            fed: Vec::new(),
            scratch: None,
            ret: super::signature::Return::Void,
            params: Vec::new(),
        }
    }

    /// The whole body; `ty` is the stored function type.
    pub(super) fn run(mut self, ty: TypeId) -> Result<Body, (InstId, Stop)> {
        let cfg = Cfg::new(self.old);
        self.collect_edges(&cfg);
        self.out.start_block(BlockId(0));
        let params = self.enter(ty).map_err(|stop| (InstId(0), stop))?;
        for &block in cfg.rpo() {
            if block != BlockId(0) {
                self.out.start_block(block);
            }
            self.block(block, &cfg)
                .map_err(|stop| (self.out.at, stop))?;
        }
        for block in (0..self.old.blocks.len() as u32).map(BlockId) {
            if !cfg.is_reachable(block) {
                self.out.at = self.old.block(block).terminator();
                self.out.start_block(block);
                self.out.emit(Op::Unreachable, 0, TypeId::VOID, [0; 3]);
            }
        }
        self.fill_phis();
        let args = (0..self.args.len() as u32).map(Value::arg);
        let args: Result<Vec<Value>, Stop> = args.map(|arg| self.scalar(arg)).collect();
        let args = args.map_err(|stop| (InstId(0), stop))?;
        Ok(self.out.finish(params, &args))
    }

    /// Whether a phi is kept: if not all of its predecessors are reachable, its list changes.
    fn keeps_phi(&self, inst: &Inst, cfg: &Cfg) -> bool {
        self.cx.kinds.stays(inst.ty) && cfg.rpo().len() == self.old.blocks.len()
    }

    /// Sorts the entries of phis that are not kept by the block they come from: one a phi and block.
    fn collect_edges(&mut self, cfg: &Cfg) {
        for &block in cfg.rpo() {
            for id in self.old.block(block).insts() {
                let inst = self.old.inst(id);
                if inst.op != Op::Phi {
                    break;
                }
                if self.keeps_phi(inst, cfg) {
                    continue;
                }
                for pair in self
                    .old
                    .words(inst.args[0], inst.args[1] * 2)
                    .chunks_exact(2)
                {
                    let from = &mut self.edges[pair[0] as usize];
                    let reachable = cfg.is_reachable(BlockId(pair[0]));
                    if reachable && from.last().is_none_or(|last| last.0 != id) {
                        from.push((id, Value(pair[1])));
                        *self.entries.entry(id.0).or_insert(0) += 1;
                    }
                }
            }
        }
    }

    /// What the entry does first: parameters, and constants that need instructions.
    fn enter(&mut self, ty: TypeId) -> Res<Vec<TypeId>> {
        let (params, values) = self.parameters(ty)?;
        for value in values {
            let place = self.keep(&value);
            self.args.push(place);
        }
        for at in 0..self.old.consts.len() {
            let constant = self.old.consts[at];
            let eager = match self.shape(constant.ty) {
                Shape::Extended => true,
                Shape::Lanes(..) => self.types().scalar(constant.ty) == TypeId::PTR,
                _ => false,
            };
            if eager {
                self.constant(ConstId(at as u32))?;
            }
        }
        Ok(params)
    }

    fn block(&mut self, block: BlockId, cfg: &Cfg) -> Res {
        let insts = self.old.block(block);
        let mut kept = self.phi_group(insts, cfg);
        let feeds = !self.edges[block.index()].is_empty();
        for id in (kept..insts.end).map(InstId) {
            let inst = *self.old.inst(id);
            let feeds = feeds && id == insts.terminator();
            let stays = self.stays(&inst);
            if stays && !feeds {
                continue;
            }
            self.out.keep(kept..id.0);
            if feeds {
                self.out.at = id;
                self.feed_phis(block)?;
            }
            kept = id.0;
            if !stays {
                kept += 1;
                self.out.at = id;
                self.inst(id, &inst)?;
            }
            if self.out.size() + self.parts.len() > MAX_SIZE {
                return Err(Stop::TooLarge);
            }
        }
        self.out.keep(kept..insts.end);
        Ok(())
    }

    /// The phis of a block: all of their parts first, then what has to be done with them. Gives the id behind
    /// them.
    fn phi_group(&mut self, block: ir::Block, cfg: &Cfg) -> u32 {
        let mut extended: SmallVec<[(Value, Parts); 2]> = SmallVec::new();
        let mut end = block.start;
        for id in block.insts() {
            let inst = *self.old.inst(id);
            if inst.op != Op::Phi {
                break;
            }
            end = id.0 + 1;
            self.out.at = id;
            if self.keeps_phi(&inst, cfg) {
                self.out.keep(id.0..end);
                continue;
            }
            let entries = self.entries.get(&id.0).copied().unwrap_or(0);
            let mut types = Vec::new();
            self.transport(inst.ty, &mut types);
            let mut ids = Parts::new();
            for ty in types {
                let pool = self
                    .out
                    .words(core::iter::repeat_n(0, entries as usize * 2));
                ids.push(self.out.emit(Op::Phi, inst.flags.0, ty, [pool, entries, 0]));
            }
            let value = self.received(inst.ty, &ids, &mut extended);
            self.set(id, &value);
            self.phis.insert(id.0, Phi { ids, filled: 0 });
        }
        for (slot, words) in extended {
            self.store_extended(slot, &words);
        }
        end
    }

    /// Takes apart what the phis of all successors receive from `block`.
    fn feed_phis(&mut self, block: BlockId) -> Res {
        for (phi, value) in core::mem::take(&mut self.edges[block.index()]) {
            let value = self.get(value)?;
            let lane = self.lane_of_type(value.ty);
            let parts = self.transported(&value, lane)?;
            self.fed.push((phi, block, parts));
        }
        Ok(())
    }

    /// Writes what was fed to phis into them, now that all exist.
    fn fill_phis(&mut self) {
        for (phi, block, parts) in core::mem::take(&mut self.fed) {
            let Some(state) = self.phis.get_mut(&phi.0) else {
                continue;
            };
            for (&id, part) in state.ids.iter().zip(parts) {
                if let Some(id) = id.as_inst() {
                    self.out.set_entry(id, state.filled, block, part);
                }
            }
            state.filled += 1;
        }
    }

    /// Whether an instruction is kept. Nearly all are.
    fn stays(&self, inst: &Inst) -> bool {
        let Context { kinds, .. } = &*self.cx;
        let operation = match inst.op {
            Op::AtomicRmw | Op::CmpXchg | Op::ExtractValue | Op::InsertValue => false,
            Op::Intrinsic => kinds.fma || !super::is_fused(inst, self.fused),
            Op::Call | Op::CallIndirect => self.is_plain_call(inst),
            _ => true,
        };
        let mut stays = operation && kinds.stays(inst.ty);
        if stays {
            self.old
                .for_each_operand(inst, |value| stays &= kinds.stays(self.old.type_of(value)));
        }
        stays
    }

    /// Any instruction but a phi that does not stay.
    fn inst(&mut self, id: InstId, inst: &Inst) -> Res {
        match inst.op {
            Op::Load | Op::Store | Op::AtomicRmw | Op::CmpXchg => self.memory(id, inst),
            Op::Call | Op::CallIndirect => self.call(id, inst),
            Op::Ret => self.ret(inst),
            Op::ExtractValue | Op::InsertValue => self.fields(id, inst),
            Op::ExtractElement | Op::InsertElement | Op::Shuffle => {
                let value = self.lanes(inst)?;
                self.set(id, &value);
                Ok(())
            }
            Op::DynAlloca | Op::PtrAdd => self.address(id, inst),
            op if op.is_terminator() => Err(Stop::Unsupported("a jump by such a value")),
            _ => self.pure(id, inst),
        }
    }

    /// Instructions that compute from their operands.
    fn pure(&mut self, id: InstId, inst: &Inst) -> Res {
        let mut operands: SmallVec<[Value; 4]> = SmallVec::new();
        self.old
            .for_each_operand(inst, |value| operands.push(value));
        let mut args: SmallVec<[Val; 4]> = SmallVec::new();
        for value in operands {
            args.push(self.get(value)?);
        }
        let what = Do {
            op: inst.op,
            flags: inst.flags.0,
            which: match inst.op {
                Op::Intrinsic => inst.intrinsic(),
                _ => None,
            },
            fast: if inst.op == Op::FCmp { inst.args[2] } else { 0 },
        };
        let value = self.compute(what, inst.ty, &args)?;
        self.set(id, &value);
        Ok(())
    }

    /// An address that depends on a wide integer, of which the lowest 64 bits count.
    fn address(&mut self, id: InstId, inst: &Inst) -> Res {
        let [a, b, c] = inst.args;
        let mut args = [self.scalar(Value(a))?.0, b, c];
        if inst.op == Op::PtrAdd {
            let words = self.old.words(c, 2).iter().copied();
            args = [args[0], self.scalar(Value(b))?.0, self.out.words(words)];
        }
        let value = self.out.push(Inst { args, ..*inst });
        self.set_one(id, value);
        Ok(())
    }

    /// Where the parts of a stored value are; `None` if it stays the value that it is.
    fn place(&mut self, value: Value) -> Res<Option<Place>> {
        let place = match value.kind() {
            ValueKind::Inst(id) => match self.places[id.index()] {
                place if place.len != u32::MAX => place,
                _ if self.cx.kinds.stays(self.old.inst(id).ty) => return Ok(None),
                _ => return Err(Stop::Unsupported("a use before its definition")),
            },
            ValueKind::Arg(n) => self.args[n as usize],
            ValueKind::Const(id) if self.cx.kinds.stays(self.old.constant(id).ty) => {
                return Ok(None);
            }
            ValueKind::Const(id) => self.constant(id)?,
            ValueKind::None => return Ok(None),
        };
        Ok(Some(place))
    }

    /// The only part of a stored value.
    pub(super) fn scalar(&mut self, value: Value) -> Res<Value> {
        let place = self.place(value)?;
        Ok(place.map_or(value, |place| self.parts[place.start as usize]))
    }

    /// A stored value, taken apart.
    pub(super) fn get(&mut self, value: Value) -> Res<Val> {
        let ty = self.old.type_of(value);
        let Some(place) = self.place(value)? else {
            return Ok(match value {
                Value::NONE => Val::new(TypeId::VOID, Parts::new()),
                value => Val::one(ty, value),
            });
        };
        let parts = &self.parts[place.start as usize..][..place.len as usize];
        Ok(Val {
            ty,
            lane: place.lane,
            parts: SmallVec::from_slice(parts),
        })
    }

    /// Remembers what became of the stored instruction `id`.
    pub(super) fn set(&mut self, id: InstId, value: &Val) {
        self.places[id.index()] = self.keep(value);
        if self.cx.kinds.stays(self.old.inst(id).ty) {
            self.out.rename(id, value.value());
        }
    }

    pub(super) fn set_one(&mut self, id: InstId, value: Value) {
        let ty = self.old.inst(id).ty;
        self.set(id, &Val::one(ty, value));
    }

    /// Remembers the parts of a value.
    pub(super) fn keep(&mut self, value: &Val) -> Place {
        let start = self.parts.len() as u32;
        self.parts.extend_from_slice(&value.parts);
        Place {
            start,
            len: value.parts.len() as u32,
            lane: value.lane,
        }
    }

    /// Applies an operation to values that are taken apart.
    pub(super) fn compute(&mut self, what: Do, ty: TypeId, args: &[Val]) -> Res<Val> {
        match what.op {
            Op::Freeze => return Ok(args[0].clone()),
            Op::Select => return self.select(ty, args),
            Op::Bitcast => return self.bitcast(ty, &args[0]),
            Op::Intrinsic
                if what
                    .which
                    .is_some_and(|w| w as u8 >= Intrinsic::Blend as u8) =>
            {
                // Of the dialect already.
                let machine = self.shape(ty) != Shape::Aggregate;
                return match machine {
                    true => Ok(Val::one(ty, self.machine(what, ty, args))),
                    false => self.pair(what, ty, args),
                };
            }
            Op::Intrinsic if is_reduce(what.which) => return self.reduce(what, ty, &args[0]),
            op if op.is_cast() => return self.cast(what, ty, &args[0]),
            _ => {}
        }
        match self.shape(args[0].ty) {
            Shape::Wide(bits) => self.wide(what, ty, bits, args),
            Shape::Half => self.half(what, ty, args),
            Shape::Extended => self.extended(what, ty, args),
            Shape::Lanes(..) | Shape::Mask(_) | Shape::Scattered(..) => self.vector(what, ty, args),
            Shape::Machine if self.shape(ty) == Shape::Aggregate => self.pair(what, ty, args),
            Shape::Machine => match self.shape(ty) {
                Shape::Wide(_) | Shape::Half => self.widening_intrinsic(what, ty, args),
                _ => Ok(Val::one(ty, self.machine(what, ty, args))),
            },
            _ => Err(Stop::Unsupported("an operation on such values")),
        }
    }

    /// Conversions, by the kinds of types they lead from and to.
    fn cast(&mut self, what: Do, ty: TypeId, value: &Val) -> Res<Val> {
        let (from, to) = (self.shape(value.ty), self.shape(ty));
        let vector = |shape| {
            matches!(
                shape,
                Shape::Lanes(..) | Shape::Mask(_) | Shape::Scattered(..)
            )
        };
        match (from, to) {
            _ if vector(from) => self.vector_cast(what, ty, value),
            (Shape::Extended, _) | (_, Shape::Extended) => self.extended_cast(what, ty, value),
            (Shape::Half, _) | (_, Shape::Half) => self.half_cast(what, ty, value),
            (Shape::Wide(_), _) | (_, Shape::Wide(_)) => self.wide_cast(what, ty, value),
            _ => Ok(Val::one(
                ty,
                self.machine(what, ty, core::slice::from_ref(value)),
            )),
        }
    }

    /// An operation that the machine has, on values of one part.
    pub(super) fn machine(&mut self, what: Do, ty: TypeId, args: &[Val]) -> Value {
        let values: SmallVec<[Value; 4]> = args.iter().map(Val::value).collect();
        self.machine_op(what, ty, &values)
    }

    pub(super) fn machine_op(&mut self, what: Do, ty: TypeId, values: &[Value]) -> Value {
        if let Some(which) = what.which {
            if let Some(fused) = self.fused_by_helper(which, ty, values) {
                return fused;
            }
            return self.out.intrinsic_with(which, what.flags, ty, values);
        }
        let arg = |at: usize| values.get(at).map_or(0, |value| value.0);
        let mut args = [arg(0), arg(1), arg(2)];
        if what.op == Op::FCmp {
            args[2] = what.fast;
        }
        self.out.push(Inst {
            op: what.op,
            flags: Flags(what.flags),
            ty,
            args,
        })
    }

    /// An operation with two results on types that the machine has: taken apart at once.
    fn pair(&mut self, what: Do, ty: TypeId, args: &[Val]) -> Res<Val> {
        let pair = self.machine(what, ty, args);
        Ok(self.fields_of(ty, pair))
    }
}

/// Whether an intrinsic folds the lanes of a vector.
fn is_reduce(which: Option<Intrinsic>) -> bool {
    which.is_some_and(|which| {
        (Intrinsic::ReduceAdd as u8..=Intrinsic::ReduceUMin as u8).contains(&(which as u8))
    })
}
