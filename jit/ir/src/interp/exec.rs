//! The loop, and every operation but calls and intrinsics.
//!
//! The machine's state is a list of frames; the last one runs. A step executes the instruction at
//! which it stands and says what comes next ([`Flow`]): the next instruction, a pushed frame, a
//! block, or the end of the frame. A caller keeps standing at its call until the callee returns, so
//! a fault below it finds the right place in every frame.
//!
//! # Scalars and lanes
//!
//! Every operation is defined on scalars, as a function from bits to bits; [`lanes1`] and [`lanes2`]
//! lift it to vectors. There is no other vector arithmetic, so a lane can never see its neighbour.
//!
//! # What is not here
//!
//! Flags and promises are not read at all: whatever `nsw`, `exact`, `inbounds` or fast-math bits
//! say, results are those of the plain operation. A pass that uses a promise must come out the same
//! on every program that keeps it.

use super::convert::cast;
use super::float::{self, Format};
use super::value::{Val, from_bytes, mask, pack, to_bytes, unpack, width};
use super::{FaultKind, Interp, int, wide};
use crate::body::{BlockId, Body, Const, ConstId, ConstKind, Value, ValueKind};
use crate::inst::{Atomic, Inst, InstId, IntPred, Op};
use crate::types::{TypeId, Types};
use alloc::vec::Vec;

/// What to do after an instruction.
enum Flow {
    /// Go on with the next one.
    Next,
    /// A frame was pushed; it runs first.
    Entered,
    /// Go to a block.
    Jump(BlockId),
    /// Leave the frame with this result.
    Return(Val),
}

impl<'a> Interp<'a> {
    /// Runs until the frame that is now the first one returns.
    pub(super) fn run(&mut self) -> Result<Val, FaultKind> {
        loop {
            self.spend(1)?;
            let frame = self.frame();
            let body = frame.body;
            match self.step(body, body.inst(frame.at))? {
                Flow::Next => self.frame_mut().at.0 += 1,
                Flow::Entered => {}
                Flow::Jump(to) => self.jump(body, to)?,
                Flow::Return(value) => {
                    if let Some(result) = self.leave(value)? {
                        return Ok(result);
                    }
                }
            }
        }
    }

    /// Gives the call at which the running frame stands its result, and goes on behind it.
    pub(super) fn finish_call(&mut self, value: Val) {
        let frame = self.frame_mut();
        let at = frame.at.index();
        if frame.body.insts[at].has_result() {
            frame.values[at] = value;
        }
        frame.at.0 += 1;
    }

    /// The types, with the lifetime of the module and not of `self`, so that they can be held while
    /// the machine changes.
    fn types(&self) -> &'a Types {
        &self.module.types
    }

    /// Enters a block: all its phis read their values before any of them is written.
    fn jump(&mut self, body: &'a Body, to: BlockId) -> Result<(), FaultKind> {
        let from = self.frame().block;
        let block = body.block(to);
        let mut phis: Vec<(InstId, Val)> = Vec::new();
        for id in block.insts() {
            let inst = body.inst(id);
            if inst.op != Op::Phi {
                break;
            }
            let pairs = body.words(inst.args[0], inst.args[1] * 2);
            let entry = pairs.chunks_exact(2).find(|pair| pair[0] == from.0);
            // B2: there is an entry for every predecessor.
            let value = entry.map_or(Ok(Val::ZERO), |pair| self.value(pair[1]))?;
            phis.push((id, value));
        }
        self.spend(phis.len() as u64)?;
        let frame = self.frame_mut();
        frame.block = to;
        frame.at = InstId(block.start + phis.len() as u32);
        for (id, value) in phis {
            frame.values[id.index()] = value;
        }
        Ok(())
    }

    /// The value of an operand.
    pub(super) fn value(&self, raw: u32) -> Result<Val, FaultKind> {
        let frame = self.frame();
        match Value(raw).kind() {
            ValueKind::Inst(id) => Ok(frame.values[id.index()].clone()),
            ValueKind::Arg(n) => Ok(frame.args[n as usize].clone()),
            ValueKind::Const(id) => self.constant(frame.body, frame.body.constant(id)),
            ValueKind::None => Ok(Val::ZERO),
        }
    }

    /// The value of a constant. The verifier bounds how deep they nest.
    fn constant(&self, body: &Body, constant: Const) -> Result<Val, FaultKind> {
        Ok(match constant.kind {
            ConstKind::Int(bits) | ConstKind::F64(bits) => Val::from(bits),
            ConstKind::F32(bits) => Val::from(bits),
            ConstKind::Zero => Val::zero(self.types(), constant.ty),
            ConstKind::Func(id) => Val::from(self.addresses.func(id)),
            ConstKind::Global { id, offset } => {
                Val::from(self.addresses.global(id).wrapping_add_signed(offset))
            }
            // Never 0, and never the address of anything.
            ConstKind::Block(id) => Val::from(id.0 + 1),
            ConstKind::Wide { start } => {
                if let Some(width) = wide::width(self.types(), constant.ty) {
                    let words = body.words(start, width.div_ceil(64) * 2);
                    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
                    return Ok(wide::from_bytes(&bytes, width));
                }
                width(self.types(), constant.ty)?;
                let words = body.words(start, 4);
                let bits = |at: usize| u128::from(words[at]) << (32 * at);
                Val::Bits((0..4).map(bits).sum())
            }
            ConstKind::Elements { start, len } => {
                let ids = body.words(start, len).iter().copied().map(ConstId);
                let element = |id| self.constant(body, body.constant(id));
                Val::from_list(ids.map(element).collect::<Result<_, _>>()?)
            }
        })
    }

    /// Executes one instruction. Those that change control return early; what is left stores its
    /// result and goes on.
    fn step(&mut self, body: &'a Body, inst: &'a Inst) -> Result<Flow, FaultKind> {
        let [a, b, c] = inst.args;
        let value = match inst.op {
            Op::Call | Op::CallIndirect => {
                self.execute_call(inst)?;
                return Ok(Flow::Entered);
            }
            Op::Br => return Ok(Flow::Jump(BlockId(a))),
            Op::CondBr => {
                let taken = self.value(a)?.bits() != 0;
                return Ok(Flow::Jump(BlockId(if taken { b } else { c })));
            }
            Op::Switch => return self.switch(body, inst),
            Op::IndirectBr => {
                let addr = self.value(a)?.addr();
                let to = addr.wrapping_sub(1);
                return match body.words(b, c).contains(&to) {
                    true => Ok(Flow::Jump(BlockId(to))),
                    false => Err(FaultKind::BadCall(addr)),
                };
            }
            Op::Ret => return Ok(Flow::Return(self.value(a)?)),
            Op::Unreachable => return Err(FaultKind::Unreachable),
            Op::Fence => Val::ZERO,
            // Its place was made when the frame was.
            Op::Alloca => return Ok(Flow::Next),
            Op::Load | Op::Store | Op::AtomicRmw | Op::CmpXchg | Op::DynAlloca => {
                self.memory_operation(body, inst)?
            }
            Op::Intrinsic => self.intrinsic(body, inst)?,
            _ => self.pure(body, inst)?,
        };
        let frame = self.frame_mut();
        let at = frame.at.index();
        frame.values[at] = value;
        Ok(Flow::Next)
    }

    /// The block of the case that equals the operand, else the default. Cases differ (the
    /// verifier), so the first hit is the only one.
    fn switch(&self, body: &Body, inst: &Inst) -> Result<Flow, FaultKind> {
        let [a, start, n] = inst.args;
        let value = self.value(a)?.bits();
        let cases = body.words(start + 1, n * 3).chunks_exact(3);
        let hit = |case: &&[u32]| u128::from(case[0]) | u128::from(case[1]) << 32 == value;
        let to = cases.into_iter().find(hit).map(|case| case[2]);
        Ok(Flow::Jump(BlockId(
            to.unwrap_or_else(|| body.words(start, 1)[0]),
        )))
    }

    /// Operations that only compute.
    fn pure(&mut self, body: &Body, inst: &Inst) -> Result<Val, FaultKind> {
        let [a, b, c] = inst.args;
        let types = self.types();
        let x = self.value(a)?;
        let scalar = types.scalar(inst.ty);
        match inst.op {
            op if op.is_int_binary() => {
                if let Some(width) = wide::width(types, inst.ty) {
                    return wide::binary(op, width, wide::read(&x), wide::read(&self.value(b)?));
                }
                let width = width(types, scalar)?;
                lanes2(&x, &self.value(b)?, |x, y| int::binary(op, width, x, y))
            }
            op if op.is_float_binary() => {
                let format = Format::of(types, scalar)?;
                lanes2(&x, &self.value(b)?, |x, y| {
                    Ok(float::binary(op, format, x, y))
                })
            }
            Op::FNeg => {
                let sign = Format::of(types, scalar)?.sign();
                lanes1(&x, |x| Ok(x ^ sign))
            }
            Op::ICmp | Op::FCmp => self.compare(inst, body.type_of(Value(a))),
            Op::Bitcast => {
                let bytes = pack(types, body.type_of(Value(a)), &x)?;
                unpack(types, inst.ty, &bytes)
            }
            op if op.is_cast() => {
                let from = types.scalar(body.type_of(Value(a)));
                if wide::width(types, from).is_some() || wide::width(types, inst.ty).is_some() {
                    return wide::cast(op, types, (from, inst.ty), &x);
                }
                lanes1(&x, |x| cast(op, types, from, scalar, x))
            }
            Op::Freeze => Ok(x),
            Op::Select => {
                let (then, other) = (self.value(b)?, self.value(c)?);
                Ok(select(&x, then, other))
            }
            Op::PtrAdd => {
                let index = self.value(b)?.addr();
                let (scale, disp) = match Value(b) {
                    Value::NONE => (0, c),
                    _ => (body.words(c, 2)[0], body.words(c, 2)[1]),
                };
                let offset = index.wrapping_mul(scale).wrapping_add(disp);
                Ok(Val::from(x.addr().wrapping_add(offset)))
            }
            _ => self.rearrange(body, inst, x),
        }
    }

    /// `icmp` and `fcmp`, lane by lane; the result is `i1` or a vector of it.
    fn compare(&self, inst: &Inst, ty: TypeId) -> Result<Val, FaultKind> {
        let types = self.types();
        let (x, y) = (self.value(inst.args[0])?, self.value(inst.args[1])?);
        let scalar = types.scalar(ty);
        if inst.op == Op::FCmp {
            let (pred, format) = (inst.float_pred(), Format::of(types, scalar)?);
            let holds = |x, y| float::compare(pred, format, x, y);
            return lanes2(&x, &y, |x, y| Ok(u128::from(holds(x, y))));
        }
        // The verifier lets only existing predicates pass.
        let pred = inst.int_pred().unwrap_or(IntPred::Eq);
        if let Some(width) = wide::width(types, ty) {
            let holds = wide::compare(pred, width, wide::read(&x), wide::read(&y));
            return Ok(Val::from(u32::from(holds)));
        }
        let width = width(types, scalar)?;
        lanes2(&x, &y, |x, y| {
            Ok(u128::from(int::compare(pred, width, x, y)))
        })
    }

    /// Operations on parts of vectors and aggregates.
    fn rearrange(&self, body: &Body, inst: &Inst, whole: Val) -> Result<Val, FaultKind> {
        let [_, b, c] = inst.args;
        let list = whole.list();
        match inst.op {
            Op::ExtractElement => {
                let at = lane(self.value(b)?, list.len());
                Ok(list.get(at).cloned().unwrap_or(Val::ZERO))
            }
            Op::InsertElement => {
                let at = lane(self.value(c)?, list.len());
                let mut list = list.to_vec();
                if let Some(slot) = list.get_mut(at) {
                    *slot = self.value(b)?;
                }
                Ok(Val::from_list(list))
            }
            Op::Shuffle => {
                let second = self.value(b)?;
                let both = [list, second.list()].concat();
                let (_, len) = self.types().vector(inst.ty).unwrap_or_default();
                let take = |&at: &u32| both.get(at as usize).cloned().unwrap_or(Val::ZERO);
                Ok(Val::from_list(
                    body.words(c, len).iter().map(take).collect(),
                ))
            }
            Op::ExtractValue => {
                let path = body.words(b, c).iter();
                let inner = path.fold(&whole, |part, &at| {
                    part.list().get(at as usize).unwrap_or(&Val::ZERO)
                });
                Ok(inner.clone())
            }
            _ => {
                let path = body.words(c + 1, body.words(c, 1)[0]);
                Ok(insert(&whole, path, self.value(b)?))
            }
        }
    }

    /// Loads, stores, atomics and dynamic allocas. There is one thread, so an atomic operation is a
    /// load and a store, and orderings mean nothing.
    fn memory_operation(&mut self, body: &Body, inst: &Inst) -> Result<Val, FaultKind> {
        let [a, b, c] = inst.args;
        let first = self.value(a)?;
        let addr = first.addr();
        match inst.op {
            Op::Load => self.load(inst.ty, addr),
            Op::Store => {
                let value = self.value(b)?;
                self.store(inst.ty, addr, &value)?;
                Ok(Val::ZERO)
            }
            Op::AtomicRmw => {
                let old = self.load(inst.ty, addr)?;
                let width = width(self.types(), inst.ty)?;
                let new = atomic(inst.flags.0, width, old.bits(), self.value(b)?.bits())?;
                self.store(inst.ty, addr, &Val::Bits(new))?;
                Ok(old)
            }
            Op::CmpXchg => {
                let words = body.words(b, 2);
                let ty = body.type_of(Value(words[0]));
                let old = self.load(ty, addr)?;
                let equal = old == self.value(words[0])?;
                if equal {
                    let new = self.value(words[1])?;
                    self.store(ty, addr, &new)?;
                }
                let flag = Val::from(u32::from(equal));
                Ok(Val::from_list(Vec::from([old, flag])))
            }
            _ => {
                let count = u64::try_from(first.bits()).unwrap_or(u64::MAX);
                let bytes = count.saturating_mul(u64::from(c));
                self.push_stack(bytes, b).map(Val::from)
            }
        }
    }

    /// Makes room below the stack pointer, aligned.
    pub(super) fn push_stack(&mut self, bytes: u64, align_log2: u32) -> Result<u32, FaultKind> {
        let free = self.sp - self.limits.stack.start;
        if bytes > u64::from(free) {
            return Err(FaultKind::StackOverflow);
        }
        let align = 1u32.checked_shl(align_log2).unwrap_or(1);
        let sp = (self.sp - bytes as u32) & !(align - 1);
        if sp < self.limits.stack.start {
            return Err(FaultKind::StackOverflow);
        }
        self.sp = sp;
        Ok(sp)
    }

    /// A value from memory, field by field; padding is not touched.
    fn load(&mut self, ty: TypeId, addr: u32) -> Result<Val, FaultKind> {
        let types = self.types();
        let memory = &mut *self.memory;
        from_bytes(types, ty, 0, &mut |offset, bytes| {
            Ok(memory.load(addr.wrapping_add(offset), bytes)?)
        })
    }

    /// A value to memory, field by field; padding keeps what it held.
    fn store(&mut self, ty: TypeId, addr: u32, value: &Val) -> Result<(), FaultKind> {
        let memory = &mut *self.memory;
        to_bytes(&self.module.types, ty, value, |offset, bytes| {
            Ok(memory.store(addr.wrapping_add(offset), bytes)?)
        })
    }
}

/// Applies `f` to a scalar, or to each lane.
pub(super) fn lanes1(
    x: &Val,
    mut f: impl FnMut(u128) -> Result<u128, FaultKind>,
) -> Result<Val, FaultKind> {
    match x {
        Val::Bits(x) => Ok(Val::Bits(f(*x)?)),
        Val::List(list) => {
            let lane = |x: &Val| f(x.bits()).map(Val::Bits);
            Ok(Val::from_list(
                list.iter().map(lane).collect::<Result<_, _>>()?,
            ))
        }
    }
}

/// Applies `f` to two scalars, or lane by lane.
pub(super) fn lanes2(
    x: &Val,
    y: &Val,
    mut f: impl FnMut(u128, u128) -> Result<u128, FaultKind>,
) -> Result<Val, FaultKind> {
    match (x, y) {
        (Val::List(x), Val::List(y)) => {
            let pairs = x.iter().zip(y);
            let lane = |(x, y): (&Val, &Val)| f(x.bits(), y.bits()).map(Val::Bits);
            Ok(Val::from_list(pairs.map(lane).collect::<Result<_, _>>()?))
        }
        _ => Ok(Val::Bits(f(x.bits(), y.bits())?)),
    }
}

/// By one condition for all, or by one a lane.
fn select(cond: &Val, then: Val, other: Val) -> Val {
    match cond {
        Val::Bits(0) => other,
        Val::Bits(_) => then,
        Val::List(conds) => {
            let lanes = conds.iter().zip(then.list().iter().zip(other.list()));
            let pick = |(cond, (then, other)): (&Val, (&Val, &Val))| {
                select(cond, then.clone(), other.clone())
            };
            Val::from_list(lanes.map(pick).collect())
        }
    }
}

/// Lane numbers are modulo the number of lanes rounded up to a power of two.
fn lane(number: Val, lanes: usize) -> usize {
    let modulus = lanes.next_power_of_two() as u128;
    (number.bits() % modulus) as usize
}

/// `whole` with the part at `path` replaced.
fn insert(whole: &Val, path: &[u32], part: Val) -> Val {
    let Some((&at, rest)) = path.split_first() else {
        return part;
    };
    let mut list = whole.list().to_vec();
    if let Some(slot) = list.get_mut(at as usize) {
        *slot = insert(slot, rest, part);
    }
    Val::from_list(list)
}

/// What an `atomicrmw` stores, given the old value and the operand.
fn atomic(operation: u8, width: u32, old: u128, operand: u128) -> Result<u128, FaultKind> {
    let is = |which: Atomic| operation == which as u8;
    let compared = |pred| int::compare(pred, width, old, operand);
    let pick = |keep: bool| if keep { old } else { operand };
    let op = match operation {
        _ if is(Atomic::Xchg) => return Ok(operand),
        _ if is(Atomic::Nand) => return Ok(!(old & operand) & mask(width)),
        _ if is(Atomic::Max) => return Ok(pick(compared(IntPred::Sgt))),
        _ if is(Atomic::Min) => return Ok(pick(compared(IntPred::Slt))),
        _ if is(Atomic::UMax) => return Ok(pick(compared(IntPred::Ugt))),
        _ if is(Atomic::UMin) => return Ok(pick(compared(IntPred::Ult))),
        _ if is(Atomic::Add) => Op::Add,
        _ if is(Atomic::Sub) => Op::Sub,
        _ if is(Atomic::And) => Op::And,
        _ if is(Atomic::Or) => Op::Or,
        _ => Op::Xor,
    };
    int::binary(op, width, old, operand)
}
