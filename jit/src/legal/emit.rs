//! The body that legalisation writes: instructions by block, constants each once.
//!
//! Blocks are filled in an order in which definitions come before uses, which need not be the order
//! of the stored body. So instructions get provisional ids here, and [`Output::finish`] gives final ones: blocks in
//! the old order (block numbers, and with them loop numbers, stay), the stack objects that
//! the rewriting needed at the start of the entry. One walk over the result replaces the ids.

use alloc::vec;
use alloc::vec::Vec;
use hashbrown::HashMap;
use ir::{
    Block, BlockId, Body, Const, ConstId, ConstKind, Flags, Inst, InstId, IntPred, Intrinsic, Line,
    MemFlags, Op, TypeId, Value, ValueKind,
};

/// Provisional ids from here on are those of stack objects.
const OBJECTS: u32 = 1 << 29;

/// A body under construction.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) insts: Vec<Inst>,
    /// The stored instruction each comes from.
    pub(super) origin: Vec<InstId>,
    pub(super) pool: Vec<u32>,
    pub(super) consts: Vec<Const>,
    numbers: HashMap<Const, ConstId>,
    objects: Vec<Inst>,
    /// Provisional start and end of each block, by number.
    blocks: Vec<(u32, u32)>,
    current: usize,
    /// Where what is emitted comes from.
    pub(super) at: InstId,
}

impl Output {
    /// With room for a body of about the size of `old`.
    pub(super) fn new(old: &Body) -> Self {
        let (insts, blocks) = (old.insts.len() + old.insts.len() / 8, old.blocks.len());
        Self {
            insts: Vec::with_capacity(insts),
            origin: Vec::with_capacity(insts),
            pool: Vec::with_capacity(old.pool.len() + old.pool.len() / 8),
            consts: Vec::with_capacity(old.consts.len()),
            numbers: HashMap::new(),
            objects: Vec::new(),
            blocks: vec![(0, 0); blocks],
            current: 0,
            at: InstId(0),
        }
    }

    /// From here on, instructions belong to `block`.
    pub(super) fn start_block(&mut self, block: BlockId) {
        self.current = block.index();
        let at = self.insts.len() as u32;
        self.blocks[self.current] = (at, at);
    }

    pub(super) fn push(&mut self, inst: Inst) -> Value {
        let id = self.insts.len() as u32;
        self.insts.push(inst);
        self.origin.push(self.at);
        self.blocks[self.current].1 = id + 1;
        Value::inst(InstId(id))
    }

    pub(super) fn emit(&mut self, op: Op, flags: u8, ty: TypeId, args: [u32; 3]) -> Value {
        self.push(Inst {
            op,
            flags: Flags(flags),
            ty,
            args,
        })
    }

    pub(super) fn words(&mut self, words: impl IntoIterator<Item = u32>) -> u32 {
        let at = self.pool.len() as u32;
        self.pool.extend(words);
        at
    }

    pub(super) fn intern(&mut self, ty: TypeId, kind: ConstKind) -> Value {
        let constant = Const { ty, kind };
        let consts = &mut self.consts;
        let id = *self.numbers.entry(constant).or_insert_with(|| {
            consts.push(constant);
            ConstId(consts.len() as u32 - 1)
        });
        Value::constant(id)
    }

    /// A constant of a scalar type, by its bits.
    pub(super) fn bits(&mut self, ty: TypeId, bits: u64) -> Value {
        self.intern(
            ty,
            match ty {
                TypeId::F32 => ConstKind::F32(bits as u32),
                TypeId::F64 => ConstKind::F64(bits),
                _ => ConstKind::Int(bits),
            },
        )
    }

    pub(super) fn word(&mut self, bits: u64) -> Value {
        self.bits(TypeId::I64, bits)
    }

    pub(super) fn number(&mut self, bits: u32) -> Value {
        self.bits(TypeId::I32, u64::from(bits))
    }

    pub(super) fn zero(&mut self, ty: TypeId) -> Value {
        self.intern(ty, ConstKind::Zero)
    }

    /// The constant that a value of this body is.
    pub(super) fn constant(&self, value: Value) -> Option<Const> {
        value.as_const().map(|id| self.consts[id.index()])
    }

    /// The integer that a scalar of this body is, if it is a constant one.
    pub(super) fn const_int(&self, value: Value) -> Option<u64> {
        match self.constant(value)?.kind {
            ConstKind::Int(bits) => Some(bits),
            ConstKind::Zero => Some(0),
            _ => None,
        }
    }

    pub(super) fn binary(&mut self, op: Op, ty: TypeId, a: Value, b: Value) -> Value {
        self.emit(op, 0, ty, [a.0, b.0, 0])
    }

    /// An operation on i64, folded where an operand is 0 or both are constants.
    pub(super) fn op64(&mut self, op: Op, a: Value, b: Value) -> Value {
        match (op, self.const_int(a), self.const_int(b)) {
            (Op::Add | Op::Or | Op::Xor, Some(0), _) => return b,
            (Op::Add | Op::Or | Op::Xor | Op::Sub, _, Some(0)) => return a,
            (Op::Shl | Op::LShr | Op::AShr, _, Some(0)) => return a,
            (Op::And | Op::Mul, Some(0), _) => return a,
            (Op::And | Op::Mul, _, Some(0)) => return b,
            (Op::And, _, Some(u64::MAX)) => return a,
            (Op::And, Some(u64::MAX), _) => return b,
            (_, Some(a), Some(b)) => {
                let folded = match op {
                    Op::Add => Some(a.wrapping_add(b)),
                    Op::Sub => Some(a.wrapping_sub(b)),
                    Op::And => Some(a & b),
                    Op::Or => Some(a | b),
                    Op::Xor => Some(a ^ b),
                    Op::Shl => Some(a << (b & 63)),
                    Op::LShr => Some(a >> (b & 63)),
                    _ => None,
                };
                if let Some(bits) = folded {
                    return self.word(bits);
                }
            }
            _ => {}
        }
        self.binary(op, TypeId::I64, a, b)
    }

    pub(super) fn icmp(&mut self, pred: IntPred, a: Value, b: Value) -> Value {
        self.emit(Op::ICmp, pred as u8, TypeId::I1, [a.0, b.0, 0])
    }

    pub(super) fn cast(&mut self, op: Op, ty: TypeId, a: Value) -> Value {
        self.emit(op, 0, ty, [a.0, 0, 0])
    }

    pub(super) fn select(&mut self, ty: TypeId, cond: Value, a: Value, b: Value) -> Value {
        if a == b {
            return a;
        }
        self.emit(Op::Select, 0, ty, [cond.0, a.0, b.0])
    }

    pub(super) fn intrinsic(&mut self, which: Intrinsic, ty: TypeId, args: &[Value]) -> Value {
        self.intrinsic_with(which, 0, ty, args)
    }

    pub(super) fn intrinsic_with(
        &mut self,
        which: Intrinsic,
        flags: u8,
        ty: TypeId,
        args: &[Value],
    ) -> Value {
        let pool = self.words(args.iter().map(|value| value.0));
        self.emit(
            Op::Intrinsic,
            flags,
            ty,
            [which as u32, pool, args.len() as u32],
        )
    }

    pub(super) fn field(&mut self, ty: TypeId, pair: Value, at: u32) -> Value {
        let pool = self.words([at]);
        self.emit(Op::ExtractValue, 0, ty, [pair.0, pool, 1])
    }

    pub(super) fn offset(&mut self, address: Value, bytes: u32) -> Value {
        if bytes == 0 {
            return address;
        }
        let args = [address.0, Value::NONE.0, bytes];
        self.emit(Op::PtrAdd, 0, TypeId::PTR, args)
    }

    pub(super) fn load(&mut self, ty: TypeId, address: Value, at: u32, flags: MemFlags) -> Value {
        let address = self.offset(address, at);
        self.emit(Op::Load, 0, ty, [address.0, flags.behind(at).0, 0])
    }

    pub(super) fn store(
        &mut self,
        ty: TypeId,
        address: Value,
        at: u32,
        value: Value,
        flags: MemFlags,
    ) {
        let address = self.offset(address, at);
        self.emit(Op::Store, 0, ty, [address.0, value.0, flags.behind(at).0]);
    }

    /// A stack object that lives as long as the frame.
    pub(super) fn object(&mut self, bytes: u32, align_log2: u32, ty: TypeId) -> Value {
        let id = OBJECTS + self.objects.len() as u32;
        self.objects.push(Inst {
            op: Op::Alloca,
            flags: Flags(0),
            ty: TypeId::PTR,
            args: [bytes, align_log2, u32::from(ty.0)],
        });
        Value::inst(InstId(id))
    }

    /// The type of the result of an instruction of this body.
    pub(super) fn type_of_inst(&self, id: InstId) -> TypeId {
        match self.insts.get(id.index()) {
            Some(inst) => inst.ty,
            None => TypeId::PTR,
        }
    }

    /// Everything written so far, in words: what limits apply to.
    pub(super) fn size(&self) -> usize {
        self.insts.len() + self.pool.len() + self.consts.len()
    }

    /// The body, with the positions and side facts of `old`.
    pub(super) fn finish(mut self, old: &Body, params: Vec<TypeId>) -> Body {
        let objects = self.objects.len() as u32;
        let mut starts = Vec::with_capacity(self.blocks.len());
        let mut next = objects;
        for &(start, end) in &self.blocks {
            starts.push(next);
            next += end - start;
        }
        let in_order = self.blocks.windows(2).all(|pair| pair[0].1 == pair[1].0);
        // Final ids by provisional ones; not needed when they are the same.
        let mut ids = Vec::new();
        if objects != 0 || !in_order {
            ids = vec![0u32; self.insts.len()];
            for (&(start, end), &to) in self.blocks.iter().zip(&starts) {
                for at in start..end {
                    ids[at as usize] = to + at - start;
                }
            }
        }
        let mut body = Body {
            params,
            ..Body::default()
        };
        body.insts.reserve(next as usize);
        body.insts.append(&mut self.objects);
        let mut origin = vec![InstId(0); objects as usize];
        for (&(start, end), &to) in self.blocks.iter().zip(&starts) {
            let range = start as usize..end as usize;
            body.insts.extend_from_slice(&self.insts[range.clone()]);
            origin.extend_from_slice(&self.origin[range]);
            body.blocks.push(Block {
                start: if to == objects { 0 } else { to },
                end: to + end - start,
            });
        }
        body.pool = self.pool;
        body.consts = self.consts;
        if !ids.is_empty() {
            renumber(&mut body, &ids);
        }
        body.lines = lines(old, &origin);
        body.side = side(old, &body, &origin);
        body
    }
}

/// Replaces provisional ids in operands. Each operand list belongs to one instruction, so each word
/// is visited once.
fn renumber(body: &mut Body, ids: &[u32]) {
    let Body { insts, pool, .. } = body;
    let new = |word: &mut u32| {
        if let ValueKind::Inst(InstId(id)) = Value(*word).kind() {
            *word = if id >= OBJECTS {
                id - OBJECTS
            } else {
                ids[id as usize]
            };
        }
    };
    for inst in insts {
        let Inst { op, args, .. } = inst;
        let [a, b, c] = args;
        let list = |start: u32, n: u32| start as usize..(start + n) as usize;
        match *op {
            Op::Alloca | Op::Fence | Op::Br | Op::Unreachable => {}
            Op::Select | Op::InsertElement => [a, b, c].into_iter().for_each(new),
            Op::Phi => {
                let pairs = &mut pool[list(*a, *b * 2)];
                pairs.iter_mut().skip(1).step_by(2).for_each(new);
            }
            Op::Call => pool[list(*b + 2, *c)].iter_mut().for_each(new),
            Op::CallIndirect => {
                new(a);
                pool[list(*b + 2, *c)].iter_mut().for_each(new);
            }
            Op::Intrinsic => pool[list(*b, *c)].iter_mut().for_each(new),
            Op::CmpXchg => {
                new(a);
                pool[list(*b, 2)].iter_mut().for_each(new);
            }
            Op::FNeg | Op::Freeze | Op::Load | Op::DynAlloca | Op::CondBr | Op::Switch => new(a),
            Op::IndirectBr | Op::ExtractValue | Op::Ret => new(a),
            op if op.is_cast() => new(a),
            _ => [a, b].into_iter().for_each(new),
        }
    }
}

/// The positions of the stored body, by what each instruction comes from. They change where blocks
/// begin or where the stored ones do.
fn lines(old: &Body, origin: &[InstId]) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    if old.lines.is_empty() {
        return lines;
    }
    let mut cursor = 0usize;
    for (at, &from) in origin.iter().enumerate() {
        // Origins ascend but for blocks that changed places, so the cursor seldom jumps.
        let here = |cursor: usize| {
            old.lines.get(cursor).is_none_or(|line| line.from > from)
                && (cursor == 0 || old.lines[cursor - 1].from <= from)
        };
        while cursor < old.lines.len() && old.lines[cursor].from <= from {
            cursor += 1;
        }
        if !here(cursor) {
            cursor = old.lines.partition_point(|line| line.from <= from);
        }
        let Some(&line) = cursor.checked_sub(1).map(|before| &old.lines[before]) else {
            continue;
        };
        let same = |last: &Line| {
            (last.line, last.column, last.file) == (line.line, line.column, line.file)
        };
        if !lines.last().is_some_and(same) {
            lines.push(Line {
                from: InstId(at as u32),
                ..line
            });
        }
    }
    lines
}

/// Facts about stored instructions that still are one instruction of the same kind and type.
fn side(old: &Body, body: &Body, origin: &[InstId]) -> Vec<(InstId, u32, u32)> {
    let mut side = Vec::new();
    if old.side.is_empty() {
        return side;
    }
    let mut first = 0;
    for (at, &from) in origin.iter().enumerate() {
        // Origins ascend but for blocks that changed places.
        if first > 0 && old.side[first - 1].0 >= from {
            first = old.side.partition_point(|fact| fact.0 < from);
        }
        first += old.side[first..]
            .iter()
            .take_while(|fact| fact.0 < from)
            .count();
        let (stored, new) = (old.inst(from), &body.insts[at]);
        if (stored.op, stored.ty) != (new.op, new.ty) {
            continue;
        }
        let facts = old.side[first..].iter().take_while(|fact| fact.0 == from);
        side.extend(facts.map(|&(_, kind, payload)| (InstId(at as u32), kind, payload)));
    }
    side
}
