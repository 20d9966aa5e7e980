//! The body that legalisation writes: what stays of the stored one, and new instructions between it.
//!
//! ```text
//!   block ─ [stored 7..12] [new 0..3] [stored 13..20] [new 3..4] [stored 21..22]
//! ```
//!
//! Nearly all instructions stay as they are, but for the numbers of their operands. So they are not written
//! one by one: a block is a list of [`Piece`]s, runs of stored or of new instructions, and
//! [`Output::finish`] copies the runs, gives all instructions their final ids (blocks in the old order, so
//! block and with them loop numbers stay; the stack objects that rewriting needed at the start of
//! the entry) and replaces the operands. Stored instructions name stored values and new ones name values of
//! the new body, among them stored ones that stay; what became of a stored value that did not
//! stay says [`Output::rename`].
//!
//! Pool and constants of the stored body stay as they are, in front of what is new.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;
use hashbrown::HashMap;
use ir::{
    Block, BlockId, Body, Const, ConstId, ConstKind, Flags, Inst, InstId, IntPred, Intrinsic, Line,
    MemFlags, Op, TypeId, Value, ValueKind,
};

/// Provisional ids from here on are those of stack objects.
const OBJECTS: u32 = 1 << 29;

/// Instructions `start..end` of a block, by their provisional ids: those of stored instructions are their own,
/// new ones follow them. No piece has both.
#[derive(Clone, Copy, Debug)]
struct Piece {
    start: u32,
    end: u32,
}

impl Piece {
    fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A body under construction.
#[derive(Debug)]
pub(super) struct Output<'r> {
    old: &'r Body,
    /// The first id of a new instruction.
    base: u32,
    /// The new instructions.
    insts: Vec<Inst>,
    /// The stored instruction each of them comes from.
    origin: Vec<InstId>,
    pub(super) pool: Vec<u32>,
    pub(super) consts: Vec<Const>,
    /// The new constants.
    numbers: HashMap<Const, ConstId>,
    objects: Vec<Inst>,
    /// Stored instructions whose result is another value now.
    renamed: Vec<(InstId, Value)>,
    pieces: Vec<Piece>,
    /// By number: which pieces a block has.
    blocks: Vec<(u32, u32)>,
    current: usize,
    /// Where what is emitted comes from.
    pub(super) at: InstId,
}

impl<'r> Output<'r> {
    /// With nothing of `old` kept so far.
    pub(super) fn new(old: &'r Body) -> Self {
        Self {
            old,
            base: old.insts.len() as u32,
            insts: Vec::new(),
            origin: Vec::new(),
            pool: old.pool.clone(),
            consts: old.consts.clone(),
            numbers: HashMap::new(),
            objects: Vec::new(),
            renamed: Vec::new(),
            pieces: Vec::new(),
            blocks: vec![(0, 0); old.blocks.len()],
            current: 0,
            at: InstId(0),
        }
    }

    /// From here on, instructions belong to `block`.
    pub(super) fn start_block(&mut self, block: BlockId) {
        self.current = block.index();
        let at = self.pieces.len() as u32;
        self.blocks[self.current] = (at, at);
    }

    /// Keeps the stored instructions `range`.
    pub(super) fn keep(&mut self, range: Range<u32>) {
        if !range.is_empty() {
            self.place(range);
        }
    }

    /// The result of the stored instruction `id`, which is not kept, is `value` for those that are.
    pub(super) fn rename(&mut self, id: InstId, value: Value) {
        self.renamed.push((id, value));
    }

    fn place(&mut self, Range { start, end }: Range<u32>) {
        let (first, last) = &mut self.blocks[self.current];
        let own = &mut self.pieces[*first as usize..];
        match own.last_mut() {
            Some(piece) if piece.end == start && start != self.base => piece.end = end,
            _ => {
                self.pieces.push(Piece { start, end });
                *last += 1;
            }
        }
    }

    pub(super) fn push(&mut self, inst: Inst) -> Value {
        let id = self.base + self.insts.len() as u32;
        self.insts.push(inst);
        self.origin.push(self.at);
        self.place(id..id + 1);
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
        let new = id.0.checked_sub(self.base);
        let inst = match new {
            None => self.old.insts.get(id.index()),
            Some(new) => self.insts.get(new as usize),
        };
        inst.map_or(TypeId::PTR, |inst| inst.ty)
    }

    /// Writes an entry of a new phi, which has room for it.
    pub(super) fn set_entry(&mut self, phi: InstId, entry: u32, from: BlockId, value: Value) {
        let Some(new) = phi.0.checked_sub(self.base) else {
            return;
        };
        let at = (self.insts[new as usize].args[0] + 2 * entry) as usize;
        self.pool[at] = from.0;
        self.pool[at + 1] = value.0;
    }

    /// Everything written so far, in words: what limits apply to.
    pub(super) fn size(&self) -> usize {
        self.base as usize + self.insts.len() + self.pool.len() + self.consts.len()
    }

    /// The body with parameters of the types `params`; the stored ones that stay are `args`.
    pub(super) fn finish(mut self, params: Vec<TypeId>, args: &[Value]) -> Body {
        let mut body = Body {
            params,
            ..Body::default()
        };
        let ids = self.lay_out(&mut body);
        let args: Vec<Value> = args
            .iter()
            .map(|&value| final_value(value, &ids, &[]))
            .collect();
        body.insts.reserve(self.objects.len() + ids.len());
        body.insts.append(&mut self.objects);
        for &(first, end) in &self.blocks {
            for &piece in &self.pieces[first as usize..end as usize] {
                let from = body.insts.len();
                let (insts, args) = match self.new_insts(piece) {
                    None => (&self.old.insts[piece.range()], &args[..]),
                    Some(new) => (&self.insts[new], &[][..]),
                };
                body.insts.extend_from_slice(insts);
                for inst in &mut body.insts[from..] {
                    inst.for_each_operand_mut(&mut self.pool, |word| {
                        *word = final_value(Value(*word), &ids, args).0;
                    });
                }
                self.carry_over(piece, from as u32, &mut body);
            }
        }
        body.pool = self.pool;
        body.consts = self.consts;
        body
    }

    /// Which of the new instructions a piece has; `None` if it has stored ones.
    fn new_insts(&self, piece: Piece) -> Option<Range<usize>> {
        let start = piece.start.checked_sub(self.base)?;
        Some(start as usize..(piece.end - self.base) as usize)
    }

    /// Gives a piece, which now begins at `at`, the positions and facts of the instructions it comes from.
    fn carry_over(&self, piece: Piece, at: u32, body: &mut Body) {
        let Some(new) = self.new_insts(piece) else {
            return carry_over(self.old, piece.start..piece.end, at, body);
        };
        for (at, &InstId(from)) in (at..).zip(&self.origin[new]) {
            let facts = body.side.len();
            carry_over(self.old, from..from + 1, at, body);
            // What became another instruction is not what its facts speak of.
            let (stored, inst) = (&self.old.insts[from as usize], &body.insts[at as usize]);
            if (stored.op, stored.ty) != (inst.op, inst.ty) {
                body.side.truncate(facts);
            }
        }
    }

    /// Fills in the blocks of the body, and gives what each instruction's result is there, by provisional id.
    fn lay_out(&self, body: &mut Body) -> Vec<Value> {
        let mut ids = vec![Value::NONE; self.base as usize + self.insts.len()];
        let mut next = self.objects.len() as u32;
        body.blocks.reserve(self.blocks.len());
        for (number, &(first, end)) in self.blocks.iter().enumerate() {
            let start = if number == 0 { 0 } else { next };
            for piece in &self.pieces[first as usize..end as usize] {
                for id in &mut ids[piece.range()] {
                    *id = Value::inst(InstId(next));
                    next += 1;
                }
            }
            body.blocks.push(Block { start, end: next });
        }
        for &(id, value) in &self.renamed {
            ids[id.index()] = final_value(value, &ids, &[]);
        }
        ids
    }
}

/// What a provisional value is in the end; parameters are those of the stored body if `args` is not empty.
fn final_value(value: Value, ids: &[Value], args: &[Value]) -> Value {
    match value.kind() {
        ValueKind::Inst(InstId(id)) if id >= OBJECTS => Value::inst(InstId(id - OBJECTS)),
        ValueKind::Inst(id) => ids[id.index()],
        ValueKind::Arg(n) => args.get(n as usize).copied().unwrap_or(value),
        ValueKind::Const(_) | ValueKind::None => value,
    }
}

/// The positions and facts of the stored instructions `range` for those that begin at `at`. Positions are noted
/// where they change.
fn carry_over(old: &Body, range: Range<u32>, at: u32, body: &mut Body) {
    let moved = |id: InstId| InstId(at + id.0.saturating_sub(range.start));
    let before = old.lines.partition_point(|line| line.from.0 <= range.start);
    let lines = &old.lines[before.saturating_sub(1)..];
    for &line in lines.iter().take_while(|line| line.from.0 < range.end) {
        let same = |last: &Line| {
            (last.line, last.column, last.file) == (line.line, line.column, line.file)
        };
        if !body.lines.last().is_some_and(same) {
            let from = moved(line.from);
            body.lines.push(Line { from, ..line });
        }
    }
    let first = old.side.partition_point(|fact| fact.0.0 < range.start);
    let facts = old.side[first..].iter();
    let facts = facts.take_while(|fact| fact.0.0 < range.end);
    let moved = facts.map(|&(id, kind, payload)| (moved(id), kind, payload));
    body.side.extend(moved);
}
