//! One function: from decoded events to a body.
//!
//! Values are mapped from the file's numbers to the IR's as they are defined. Two kinds of operand
//! have no IR value yet when they are used:
//!
//! * a value that a later block defines. In a phi, its place in the pool is noted and filled in at
//!   the end; elsewhere it gets a *late* value;
//! * a constant that takes instructions to compute (an address as an integer, say). These
//!   instructions go to a *prologue* that ends up at the start of the entry block, where they
//!   dominate every use; until then they, too, have late values.
//!
//! Late values look like parameters with numbers from [`LATE`] on. Most functions have none; for
//! the others `finish` makes one more pass.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bitcode::{BodyHead, BodyReader, Constants, DebugLoc, Event, ValueId};
use hashbrown::HashMap;
use ir::{Builder, FuncId, Inst, Line, Op, TypeId, Value, ValueKind};
use smallvec::SmallVec;

use super::error::{LoadError, Result};
use super::module::{Loader, Symbol};
use super::place::{Place, Places};

/// A list of operands on the way to the pool. Most are short.
pub(super) type Values = SmallVec<[Value; 8]>;

/// Number of the first late value. No function has so many parameters.
pub(super) const LATE: u32 = 1 << 29;

/// A value that is not known yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Late {
    pub(super) ty: TypeId,
    pub(super) target: LateTarget,
}

/// What a late value will be.
#[derive(Clone, Copy, Debug)]
pub(super) enum LateTarget {
    /// What the file's value with this number will be.
    Defined(ValueId),
    /// The result of this instruction of the prologue.
    Prologue(u32),
}

/// Records between two looks at the size of what they were made into. Few become more than an
/// instruction or two, and none more than some thousands.
const SIZE_CHECK: usize = 256;

/// Buffers that outlive a function.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    constants: Constants,
    builder: Builder,
    late: Vec<Late>,
    forward: HashMap<ValueId, Value>,
    prologue: Vec<Inst>,
    phis: Vec<(u32, ValueId)>,
    records: Vec<u32>,
    words: Vec<u32>,
    /// IR values of parameters, the function's constants and results; [`Value::NONE`] for what is
    /// not known yet.
    locals: Vec<Value>,
    /// IR values of symbols and the module's constants, valid if the generation is the current one:
    /// each function has its own and needs few.
    globals: Vec<(u32, Value)>,
    generation: u32,
}

/// A function being translated.
#[derive(Debug)]
pub(super) struct BodyLoader<'l, 'm, 'a> {
    pub(super) loader: &'l mut Loader<'m, 'a>,
    scratch: &'l mut Scratch,
    pub(super) builder: Builder,
    /// The function itself.
    pub(super) own: FuncId,
    /// Late values, by number from [`LATE`] on.
    pub(super) late: Vec<Late>,
    /// Late values by what they stand for, so that each has one.
    forward: HashMap<ValueId, Value>,
    /// Instructions that go to the start of the entry block.
    pub(super) prologue: Vec<Inst>,
    /// Whether instructions go to the prologue now.
    pub(super) in_prologue: bool,
    /// Places in the pool that wait for the values of phis.
    pub(super) phis: Vec<(u32, ValueId)>,
    /// Where the function's value ids begin, and how many blocks it has.
    pub(super) head: BodyHead,
    /// Whether an extra block at the end faults (see `control`).
    pub(super) needs_fault_block: bool,
    /// Name of an operand bundle that the next call carries.
    pub(super) bundle: Option<u32>,
    /// IR values by value numbers less that of the first parameter, see [`Scratch::locals`].
    locals: Vec<Value>,
    /// Number of instructions made before the first record that is one in the file, which is 0, and
    /// up to the end of each.
    records: Vec<u32>,
    /// A list of operands on the way to the pool.
    pub(super) words: Vec<u32>,
}

impl<'a> Loader<'_, 'a> {
    /// Translates all bodies.
    pub(super) fn bodies(&mut self) -> Result<()> {
        let source = self.source;
        let mut reader = BodyReader::new(source);
        let mut scratch = Scratch::default();
        let mut places = Places::default();
        // Ids of definitions and of bodies ascend together, so the file is read front to back.
        for (own_id, symbol) in (0..).map(ValueId).zip(self.symbols.clone()) {
            let (Symbol::Func(id), Some(bitcode::GlobalId::Function(at))) =
                (symbol, source.global(own_id))
            else {
                continue;
            };
            // A body that is only there to be inlined: the definition lies elsewhere.
            let function = source.functions().get(at as usize);
            let elsewhere = |function: &bitcode::Function| {
                function.linkage == bitcode::Linkage::AvailableExternally
            };
            if function.is_none_or(elsewhere) {
                continue;
            }
            let Some(head) = reader.open(at, &mut scratch.constants)? else {
                continue;
            };
            places.begin_function();
            self.meta.begin_function(at);
            self.facts.begin_function();
            self.memo.truncate(source.value_count());
            scratch.generation = scratch.generation.wrapping_add(1);
            let body = self.body(&mut reader, &mut scratch, &mut places, id, head);
            let body = body.map_err(|error| match self.module.funcs.get(id.index()) {
                Some(function) => error.in_function(&function.name),
                None => error,
            });
            let body = body.map_err(|error| self.with_line(error, at))?;
            if let Some(function) = self.module.funcs.get_mut(id.index()) {
                function.body = Some(body);
            }
        }
        Ok(())
    }

    /// Adds the line of the function if no better one is known.
    #[cold]
    pub(super) fn with_line(&mut self, mut error: Box<LoadError>, function: u32) -> Box<LoadError> {
        if error.line.is_none() {
            error.line = self.function_line(function);
        }
        error
    }

    /// Translates the body that the reader has just opened.
    fn body(
        &mut self,
        reader: &mut BodyReader<'_, '_>,
        scratch: &mut Scratch,
        places: &mut Places<'a>,
        id: FuncId,
        head: BodyHead,
    ) -> Result<ir::Body> {
        let mut body = BodyLoader::new(self, scratch, head, id);
        loop {
            let done = reader.step(
                #[inline(always)]
                |event| match event {
                    Event::Inst(inst, result) => {
                        let value = body.inst(&inst)?;
                        body.made(value, result, inst.is_terminator())
                    }
                    event => body.aside(event, places),
                },
            );
            let Some(done) = done.map_err(|error| reader.locate(error))? else {
                break;
            };
            if let Err(error) = done {
                let bit = reader.bit();
                let before = body.builder.body().lines.last().map(|line| line.line);
                let line = match reader.next_event() {
                    Ok(Some(Event::Loc(loc))) => Some(loc.line),
                    _ => before,
                };
                return Err(error.at(bit, line));
            }
        }
        let size = body.check_size();
        size.map_err(|error| error.at(reader.bit(), None))?;
        let words = body.words();
        body.loader.words_left = body.loader.words_left.saturating_sub(words);
        body.finish()
    }
}

impl<'l, 'm, 'a> BodyLoader<'l, 'm, 'a> {
    fn new(
        loader: &'l mut Loader<'m, 'a>,
        scratch: &'l mut Scratch,
        head: BodyHead,
        id: FuncId,
    ) -> Self {
        let ty = loader
            .module
            .funcs
            .get(id.index())
            .map_or(TypeId::VOID, |function| function.ty);
        let params = loader
            .module
            .types
            .signature(ty)
            .map_or(Vec::new(), |(_, params, _)| params.to_vec());
        let count = u32::try_from(params.len()).unwrap_or(0);
        let mut builder = core::mem::take(&mut scratch.builder);
        builder.begin(params);
        let mut body = Self {
            loader,
            builder,
            own: id,
            late: core::mem::take(&mut scratch.late),
            forward: core::mem::take(&mut scratch.forward),
            prologue: core::mem::take(&mut scratch.prologue),
            in_prologue: false,
            phis: core::mem::take(&mut scratch.phis),
            records: core::mem::take(&mut scratch.records),
            words: core::mem::take(&mut scratch.words),
            locals: core::mem::take(&mut scratch.locals),
            scratch,
            head,
            needs_fault_block: false,
            bundle: None,
        };
        let locals = head.first_result.0.saturating_sub(head.first_param.0);
        body.locals.resize(locals as usize, Value::NONE);
        body.records.push(0);
        body.builder.start_block();
        for param in 0..count {
            body.define(
                ValueId(head.first_param.0.saturating_add(param)),
                Value::arg(param),
            );
        }
        body
    }

    /// Leaves the buffers to the next function, empty.
    pub(super) fn give_back(mut self) {
        self.late.clear();
        self.prologue.clear();
        self.phis.clear();
        self.records.clear();
        self.locals.clear();
        if !self.forward.is_empty() {
            // Not cleared: that would take as long as the largest function so far.
            self.forward = HashMap::new();
        }
        let scratch = self.scratch;
        scratch.builder = self.builder;
        scratch.late = self.late;
        scratch.forward = self.forward;
        scratch.prologue = self.prologue;
        scratch.phis = self.phis;
        scratch.records = self.records;
        scratch.words = self.words;
        scratch.locals = self.locals;
    }

    /// What stands between instructions.
    #[inline(never)]
    fn aside(&mut self, event: Event<'_>, places: &mut Places<'a>) -> Result<()> {
        match event {
            Event::Loc(loc) => self.place(places, loc)?,
            Event::Attached(facts) => self.attach(facts)?,
            Event::Bundle(tag, _) => self.bundle = Some(tag),
            // The position before goes on by itself.
            Event::LocAgain | Event::Inst(..) => {}
        }
        Ok(())
    }

    /// Ends the translation of a record, whose result has the value if it has one.
    #[inline(always)]
    fn made(&mut self, value: Value, result: Option<ValueId>, ends_block: bool) -> Result<()> {
        self.records.push(self.builder.next_id().0);
        if let Some(id) = result {
            // Results come in the order of their numbers, behind parameters and constants.
            let local = id.0.wrapping_sub(self.head.first_param.0);
            debug_assert_eq!(local as usize, self.locals.len(), "results are numbered");
            self.locals.push(value);
        }
        // There are as many terminators as blocks, which the reader sees to.
        if ends_block && self.builder.body().blocks.len() < self.head.blocks as usize {
            self.builder.start_block();
        }
        if self.records.len().is_multiple_of(SIZE_CHECK) {
            return self.check_size();
        }
        Ok(())
    }

    /// That the module has not become too large.
    #[inline(never)]
    fn check_size(&self) -> Result<()> {
        if self.words() > self.loader.words_left {
            return Err(LoadError::limit("size of the translated module"));
        }
        Ok(())
    }

    /// What the body takes so far: instructions, constants, pool words.
    fn words(&self) -> usize {
        let body = self.builder.body();
        let made = body.insts.len().wrapping_add(self.prologue.len());
        made.wrapping_add(body.consts.len())
            .wrapping_add(body.pool.len())
    }

    /// Notes where the record before came from. A record that made no instruction passes its
    /// position on to what follows, which is better than none.
    fn place(&mut self, places: &mut Places<'a>, loc: DebugLoc) -> Result<()> {
        let Place { file, scope } = places.place(self.loader, loc)?;
        let before = self.records.len().checked_sub(2);
        let from = before.and_then(|before| self.records.get(before));
        let from = ir::InstId(from.copied().unwrap_or(0));
        let line = Line {
            from,
            line: loc.line,
            column: loc.column,
            file,
            scope,
        };
        self.builder.place(line);
        Ok(())
    }

    /// The last instruction made from a record that is one in the file; `None` if none was.
    #[inline(always)]
    pub(super) fn made_from(&self, record: u32) -> Option<ir::InstId> {
        let record = record as usize;
        let before = *self.records.get(record)?;
        let end = *self.records.get(record.wrapping_add(1))?;
        (before != end).then_some(ir::InstId(end.wrapping_sub(1)))
    }

    /// Appends an instruction, to the prologue if that is being made.
    #[inline(always)]
    pub(super) fn emit(&mut self, op: Op, flags: u8, ty: TypeId, args: [u32; 3]) -> Value {
        if self.in_prologue {
            let [a, b, c] = args;
            self.emit_in_prologue(op, flags, ty, a, b, c)
        } else {
            self.builder.op(op, flags, ty, args)
        }
    }

    /// The arguments one by one, so that they stay in registers where this is not called.
    #[cold]
    fn emit_in_prologue(&mut self, op: Op, flags: u8, ty: TypeId, a: u32, b: u32, c: u32) -> Value {
        let index = self.prologue.len() as u32;
        self.prologue.push(Inst {
            op,
            flags: ir::Flags(flags),
            ty,
            args: [a, b, c],
        });
        self.make_late(ty, LateTarget::Prologue(index))
    }

    /// Maps a parameter, a symbol or a constant of the file.
    pub(super) fn define(&mut self, id: ValueId, value: Value) {
        let local = id.0.wrapping_sub(self.head.first_param.0) as usize;
        if let Some(slot) = self.locals.get_mut(local) {
            *slot = value;
        } else {
            self.define_global(id, value);
        }
    }

    /// Maps a symbol or a constant of the module.
    fn define_global(&mut self, id: ValueId, value: Value) {
        let (globals, index) = (&mut self.scratch.globals, id.0 as usize);
        if globals.len() <= index {
            let all = self.head.first_param.0 as usize;
            globals.resize(all, (0, Value::NONE));
        }
        if let Some(slot) = globals.get_mut(index) {
            *slot = (self.scratch.generation, value);
        }
    }

    /// The IR value of a value of the file, if it has one already.
    #[inline(always)]
    pub(super) fn known(&self, id: ValueId) -> Option<Value> {
        let local = id.0.wrapping_sub(self.head.first_param.0) as usize;
        match self.locals.get(local) {
            Some(&value) => (value != Value::NONE).then_some(value),
            None => self.known_global(id),
        }
    }

    /// The IR value of a symbol or a constant of the module.
    fn known_global(&self, id: ValueId) -> Option<Value> {
        let &(generation, value) = self.scratch.globals.get(id.0 as usize)?;
        (generation == self.scratch.generation).then_some(value)
    }

    /// An operand that carries its type if it needs one.
    #[inline(always)]
    pub(super) fn operand(&mut self, value: bitcode::Value) -> Result<Value> {
        if let Some(known) = self.known(value.id) {
            return Ok(known);
        }
        let ty = match value.given_type() {
            Some(ty) => Some(self.ty(ty)?),
            None => None,
        };
        self.unknown(value.id, ty)
    }

    /// An operand whose type the instruction determines.
    #[inline(always)]
    pub(super) fn operand_like(&mut self, id: ValueId, ty: TypeId) -> Result<Value> {
        match self.known(id) {
            Some(known) => Ok(known),
            None => self.unknown(id, Some(ty)),
        }
    }

    /// A constant, made now; or a value that a later block defines.
    #[inline(never)]
    fn unknown(&mut self, id: ValueId, ty: Option<TypeId>) -> Result<Value> {
        if id < self.head.first_result {
            return self.materialise(id);
        }
        if let Some(&late) = self.forward.get(&id) {
            return Ok(late);
        }
        let ty = ty.ok_or_else(|| LoadError::malformed("forward reference without a type"))?;
        let late = self.make_late(ty, LateTarget::Defined(id));
        self.forward.insert(id, late);
        Ok(late)
    }

    /// A stand-in for what `finish` will put in its place.
    fn make_late(&mut self, ty: TypeId, target: LateTarget) -> Value {
        let number = LATE.saturating_add(self.late.len() as u32);
        self.late.push(Late { ty, target });
        Value::arg(number)
    }

    /// The late value that `value` is.
    pub(super) fn as_late(&self, value: Value) -> Option<Late> {
        match value.kind() {
            ValueKind::Arg(number) => self.late.get(number.checked_sub(LATE)? as usize).copied(),
            _ => None,
        }
    }

    /// The type of a value.
    #[inline(always)]
    pub(super) fn type_of(&self, value: Value) -> TypeId {
        match value.kind() {
            ValueKind::Arg(LATE..) => self.as_late(value).map_or(TypeId::VOID, |late| late.ty),
            _ => self.builder.body().type_of(value),
        }
    }

    /// The IR type of a type of the file.
    #[inline(always)]
    pub(super) fn ty(&self, id: bitcode::TypeId) -> Result<TypeId> {
        self.loader.types.get(self.loader.source.types(), id)
    }

    /// Adds a type that the file need not have, such as the truth vector of a comparison.
    pub(super) fn intern(&mut self, ty: ir::Type) -> Result<TypeId> {
        self.loader
            .module
            .types
            .intern(ty)
            .map_err(|_| LoadError::limit("number or size of types"))
    }

    /// The constants of the function.
    pub(super) fn constants(&self) -> &Constants {
        &self.scratch.constants
    }

    /// What a constant is.
    pub(super) fn fold(&mut self, id: ValueId) -> Result<super::fold::Folded> {
        self.loader.fold(id, Some(&self.scratch.constants))
    }
}
