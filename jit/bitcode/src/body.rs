//! Function bodies, decoded on demand.
//!
//! A [`BodyReader`] holds the buffers; [`BodyReader::open`] goes to a function and reads what
//! stands before its instructions (block count, constants), [`BodyReader::next_event`] then yields one
//! [`Event`] per record. Blocks inside the body that say nothing about execution (value names,
//! use-list orders) are skipped by their length; attached metadata comes as one event.
//!
//! # Value numbers
//! Numbers continue where the module's end: parameters, then the function's constants, then each
//! result. Whether a record has a result must therefore be known for every record, even one that is
//! refused later; only calls need a look at their type for it.
//!
//! # What holds when the last event was delivered
//! B1. There are exactly as many terminators as blocks were declared, and the last instruction is
//!     one: block *n* begins after terminator *n-1*.
//! B2. Every value that an operand refers to is defined somewhere in the function.
//! B3. Jump targets exist and are not the entry block.
//!
//! Whether definitions dominate uses, and all typing, is for the verifier of the IR made from it.

use alloc::vec::Vec;

use crate::constants::Constants;
use crate::container::block;
use crate::decode::{Bounds, Lists, Record};
use crate::error::{Error, Result};
use crate::inst::{Attachment, DebugLoc, Event, ValueId};
use crate::limits;
use crate::module::Module;
use crate::operands::Operands;
use crate::stream::{BlockHead, Entry, Stream};
use crate::types::Type;

/// Codes of records that are not instructions (`bitc::FunctionCodes`).
mod code {
    pub(super) const DECLARE_BLOCKS: u32 = 1;
    pub(super) const DEBUG_LOC_AGAIN: u32 = 33;
    pub(super) const DEBUG_LOC: u32 = 35;
    pub(super) const OPERAND_BUNDLE: u32 = 55;

    /// In a block of attachments (`bitc::METADATA_ATTACHMENT`).
    pub(super) const ATTACHMENT: u32 = 11;

    pub(super) const FIRST_SILENT: u32 = 60;

    /// Users of block addresses (60) and debug records (61 to 66) do not concern execution.
    #[inline]
    pub(super) fn is_silent(code: u32) -> bool {
        matches!(code, FIRST_SILENT..=66)
    }
}

/// What is known of a body before its first instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyHead {
    /// Number of basic blocks.
    pub blocks: u32,
    /// Value id of the first parameter; the others follow.
    pub first_param: ValueId,
    /// Value id that the first instruction with a result gets.
    pub first_result: ValueId,
    /// Size of the body in the file, in bytes: a bound for what to reserve.
    pub bytes: usize,
}

/// Decoder of function bodies. One serves all functions of a module, one after the other.
#[derive(Debug)]
pub struct BodyReader<'m, 'a> {
    module: &'m Module<'a>,
    stream: Stream<'a>,
    lists: Lists,
    bounds: Bounds,
    name: &'a [u8],
    open: bool,
}

/// What comes next in a body.
enum Next {
    /// A record with this code.
    Record(u32),
    /// A block of attachments, which was read.
    Attachments,
    End,
}

impl<'m, 'a> BodyReader<'m, 'a> {
    /// A reader of bodies of this module.
    pub fn new(module: &'m Module<'a>) -> Self {
        Self {
            module,
            stream: module.stream(),
            lists: Lists::default(),
            bounds: Bounds {
                next: 0,
                limit: 0,
                referenced: 0,
                blocks: 0,
                blocks_left: 0,
            },
            name: &[],
            open: false,
        }
    }

    /// Offset in bits from the start of the file to where decoding has got.
    pub fn bit(&self) -> u64 {
        self.stream.bit().saturating_add(self.module.base_bit())
    }

    /// Goes to the function with this index in [`Module::functions`]; `None` if it has no body.
    /// Its constants replace what is in `constants`, whose buffers are reused.
    pub fn open(&mut self, function: u32, constants: &mut Constants) -> Result<Option<BodyHead>> {
        let module = self.module;
        let Some(function) = module.functions().get(function as usize) else {
            return Ok(None);
        };
        let Some(head) = function.body else {
            return Ok(None);
        };
        self.name = module.name(function.name);
        self.open = false;
        let params = match module.types().get(function.ty) {
            Type::Function { params, .. } => module.types().list(params).len(),
            _ => 0,
        };
        let first = module.value_count();
        let next = u32::try_from(params)
            .ok()
            .and_then(|params| first.checked_add(params));
        let next = next.ok_or_else(|| Error::limit(self.bit(), "number of values"))?;
        self.bounds = Bounds {
            next,
            limit: next,
            referenced: 0,
            blocks: 0,
            blocks_left: 0,
        };
        constants.reset(next);
        self.stream.rewind(&head);
        self.read_head(&head, constants)
            .map_err(|error| self.locate(error))?;
        self.open = true;
        Ok(Some(BodyHead {
            blocks: self.bounds.blocks,
            first_param: ValueId(first),
            first_result: ValueId(self.bounds.next),
            bytes: function.body_bytes(),
        }))
    }

    /// The next event of the open function; `None` after the last.
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>> {
        let (name, base) = (self.name, self.module.base_bit());
        self.step(|event| event)
            .map_err(|error| error.moved_by(base).in_function(name))
    }

    /// Gives the next event of the open function to `each`; `None` after the last. Errors do not
    /// know yet where the function is: [`BodyReader::locate`] tells them.
    ///
    /// What `each` does with an event of one kind is compiled into the decoder of that kind, so that
    /// no event is ever stored. It should be small, or consist of calls.
    #[inline(always)]
    pub fn step<'r, R>(&'r mut self, each: impl FnOnce(Event<'r>) -> R) -> Result<Option<R>> {
        if !self.open {
            return Ok(None);
        }
        match self.next() {
            Ok(Next::Record(code)) => {
                let bit = self.stream.mark();
                let done = self.event(code, each);
                done.map(Some).map_err(|error| error.at(bit as u64))
            }
            Ok(Next::Attachments) => Ok(Some(each(Event::Attached(&self.lists.facts)))),
            Ok(Next::End) => {
                self.open = false;
                Ok(None)
            }
            Err(error) => {
                self.open = false;
                Err(error)
            }
        }
    }

    /// Adds the function's name to an error, and counts its offset from the start of the file.
    pub fn locate(&self, error: Error) -> Error {
        error
            .moved_by(self.module.base_bit())
            .in_function(self.name)
    }

    /// Reads up to the first instruction.
    fn read_head(&mut self, head: &BlockHead, constants: &mut Constants) -> Result<()> {
        self.stream.enter(head)?;
        let first = loop {
            let mark = self.stream.mark();
            match self.stream.next()? {
                Entry::End => {
                    return Err(Error::malformed(
                        self.stream.bit(),
                        "function without instructions",
                    ));
                }
                Entry::Block(inner) if inner.id == block::CONSTANTS => {
                    constants.read(&mut self.stream, &inner, self.module.types())?;
                }
                Entry::Block(inner) => self.stream.skip(&inner),
                Entry::Record(code::DECLARE_BLOCKS) => self.declare_blocks()?,
                Entry::Record(code) if code::is_silent(code) => {}
                Entry::Record(_) => break mark,
            }
        };
        if self.bounds.blocks == 0 {
            return Err(Error::malformed(
                self.stream.bit(),
                "function without blocks",
            ));
        }
        // Each value takes a record, and no writer needs less than eight bits for one.
        let left = (self.stream.remaining() >> 3).saturating_add(1 << 6);
        let too_many = || Error::limit(self.stream.bit(), "number of values");
        let count = u32::try_from(constants.len()).map_err(|_| too_many())?;
        let next = self.bounds.next.checked_add(count).ok_or_else(too_many)?;
        let left = u32::try_from(left).map_err(|_| too_many())?;
        self.bounds.next = next;
        self.bounds.limit = next.checked_add(left).ok_or_else(too_many)?;
        self.stream.back_to(first);
        Ok(())
    }

    /// [number of blocks]
    fn declare_blocks(&mut self) -> Result<()> {
        let mut ops = Operands::new(self.stream.ops(), self.stream.bit());
        let blocks = ops.next_u32()?;
        if self.bounds.blocks != 0 {
            return Err(ops.malformed("blocks declared twice"));
        }
        if blocks > limits::BLOCKS {
            return Err(Error::limit(ops.bit(), "number of blocks"));
        }
        if blocks as usize > self.stream.remaining() {
            return Err(ops.malformed("more blocks than the function can hold"));
        }
        self.bounds.blocks = blocks;
        self.bounds.blocks_left = blocks;
        Ok(())
    }

    /// Reads on to something that has a meaning.
    #[inline(always)]
    fn next(&mut self) -> Result<Next> {
        loop {
            match self.stream.next_inlined()? {
                Entry::Record(code) if code >= code::FIRST_SILENT && code::is_silent(code) => {}
                Entry::Record(code) => return Ok(Next::Record(code)),
                Entry::Block(inner) if inner.id == block::METADATA_ATTACHMENT => {
                    self.read_attachments(&inner)?;
                    return Ok(Next::Attachments);
                }
                Entry::Block(inner) if inner.id == block::CONSTANTS => {
                    let what = "constants after an instruction";
                    return Err(Error::malformed(self.stream.bit(), what));
                }
                Entry::Block(inner) => self.stream.skip(&inner),
                Entry::End => return self.check_end().map(|()| Next::End),
            }
        }
    }

    /// Reads a block of attachments, to its end.
    #[inline(never)]
    fn read_attachments(&mut self, head: &BlockHead) -> Result<()> {
        let (stream, facts) = (&mut self.stream, &mut self.lists.facts);
        facts.clear();
        // Operands may take no bits at all, in what no compiler writes.
        let most = head.bits() / limits::BITS_A_FACT;
        stream.enter(head)?;
        loop {
            // Nearly all state one fact of one instruction.
            let read = match stream.next_if::<3>(code::ATTACHMENT)? {
                Some(ops) => attached(Operands::unplaced(&ops), facts),
                None => match stream.next()? {
                    Entry::End => return Ok(()),
                    Entry::Block(inner) => {
                        stream.skip(&inner);
                        Ok(())
                    }
                    Entry::Record(_) => attached(Operands::unplaced(stream.ops()), facts),
                },
            };
            read.map_err(|error| error.at(stream.bit()))?;
            if facts.len() > most {
                return Err(Error::limit(stream.bit(), "number of attachments"));
            }
        }
    }

    /// B1 and B2, at the end.
    #[cold]
    fn check_end(&self) -> Result<()> {
        let what = if self.bounds.blocks_left != 0 {
            "fewer blocks than declared"
        } else if self.bounds.referenced > self.bounds.next {
            "value that is never defined"
        } else {
            return Ok(());
        };
        Err(Error::malformed(self.stream.bit(), what))
    }

    #[inline(always)]
    fn event<'r, R>(&'r mut self, code: u32, each: impl FnOnce(Event<'r>) -> R) -> Result<R> {
        let lists = &mut self.lists;
        let mut record = Record {
            ops: Operands::unplaced(self.stream.ops()),
            module: self.module,
            bounds: &mut self.bounds,
        };
        match code {
            // Made anew, so that the operands of common records stay in registers.
            code::DEBUG_LOC => Ok(each(debug_loc(Operands::unplaced(self.stream.ops()))?)),
            code::DEBUG_LOC_AGAIN => Ok(each(Event::LocAgain)),
            code::OPERAND_BUNDLE => Ok(each(bundle(record.again(), lists)?)),
            _ => record.decode(code, lists, each),
        }
    }
}

/// [line, column, scope + 1, inlined-at + 1, …]; newer writers append more.
fn debug_loc<'r>(mut ops: Operands<'_>) -> Result<Event<'r>> {
    let loc = DebugLoc {
        line: ops.next_u32()?,
        column: ops.next_u32()?,
        scope: ops.next_index()?,
        inlined_at: ops.next_index()?,
    };
    Ok(Event::Loc(loc))
}

/// [instruction?, (kind, node)…]: an odd number of operands says that there is an instruction.
#[inline(always)]
fn attached(mut ops: Operands<'_>, facts: &mut Vec<Attachment>) -> Result<()> {
    if let &[inst, kind, node] = ops.rest()
        && let Ok(_) = u32::try_from(inst | kind | node)
    {
        let low = |number: u64| (number & 0xFFFF_FFFF) as u32;
        facts.push(Attachment {
            inst: Some(low(inst)),
            kind: low(kind),
            node: low(node),
        });
        return Ok(());
    }
    let inst = match ops.len() & 1 {
        1 => Some(ops.next_u32()?),
        _ => None,
    };
    while !ops.is_empty() {
        let (kind, node) = (ops.next_u32()?, ops.next_u32()?);
        facts.push(Attachment { inst, kind, node });
    }
    Ok(())
}

/// [tag, inputs…].
fn bundle<'r>(mut record: Record<'_>, lists: &'r mut Lists) -> Result<Event<'r>> {
    let tag = record.ops.next_u32()?;
    lists.values.clear();
    while !record.ops.is_empty() {
        let value = record.pair()?;
        lists.values.push(value);
    }
    Ok(Event::Bundle(tag, &lists.values))
}
