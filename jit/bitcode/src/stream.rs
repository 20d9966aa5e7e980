//! The bitstream: blocks, abbreviation scopes and records.
//!
//! [`Stream::next`] yields the end of the block, the head of a block inside it, or a record whose
//! operands then are in [`Stream::ops`]. Abbreviation definitions are consumed on the way.
//!
//! What stands in a block is told by an id as wide as the block's head says:
//!
//! ```text
//!  0  END_BLOCK        pad to 32 bits
//!  1  ENTER_SUBBLOCK   kind: vbr8, id width: vbr4, pad, length in words: 32 bits, content
//!  2  DEFINE_ABBREV    see `abbrev`
//!  3  UNABBREV_RECORD  code: vbr6, count: vbr6, operands: vbr6 each
//!  4… a record laid out by an abbreviation, those of BLOCKINFO first
//! ```
//!
//! Both kinds of record are hot: in clang's output loads, arithmetic and casts are abbreviated;
//! calls, branches, phis, comparisons and stores are not.
//!
//! # Invariants
//! S1. A block lies inside its parent, and ends with END_BLOCK exactly where its head said. LLVM
//!     ignores the length; this check alone catches half of all random damage.
//! S2. At most [`limits::NESTING`] blocks are open.
//! S3. A record has at most [`limits::RECORD_OPS`] operands. It has no more of them than bits were
//!     left, or than there was room for, so the operand buffer is bounded by the file. Elements of
//!     an array that take no bits are few, or reading many such records would take longer than
//!     linear in the file.

use alloc::vec::Vec;

use crate::abbrev::{self, Abbrev, BlockInfo, Field, Tail};
use crate::cursor::{Bits, Cursor};
use crate::error::{Error, Result};
use crate::limits;

/// Head of a block: its kind, and where its content lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockHead {
    /// Block kind (`bitc::BlockIDs`).
    pub(crate) id: u32,
    /// Width of abbreviation ids inside, in bits.
    width: u32,
    /// First bit of the content.
    start: usize,
    /// First bit after the block.
    end: usize,
}

impl BlockHead {
    /// A block that takes all of a stream of so many bytes.
    #[cfg(test)]
    pub(crate) fn for_tests(bytes: usize) -> Self {
        Self {
            id: 99,
            width: 3,
            start: 0,
            end: bytes * 8,
        }
    }

    /// Size of the content in bits.
    pub(crate) fn bits(&self) -> usize {
        self.end.saturating_sub(self.start)
    }
}

/// What [`Stream::next`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// The block has ended and been left.
    End,
    /// A block: [`Stream::enter`] or [`Stream::skip`] it.
    Block(BlockHead),
    /// A record with this code; operands in [`Stream::ops`], bytes in [`Stream::blob`].
    Record(u32),
}

#[derive(Clone, Copy, Debug)]
struct Scope {
    /// Kind of the block.
    id: u32,
    /// Width of abbreviation ids, and a mask of so many bits.
    width: u32,
    mask: u64,
    /// First bit after the block.
    end: usize,
    /// The first of the [`BlockInfo`]'s abbreviations that the block inherits, and how many there are.
    inherited: (usize, usize),
    /// Where the block's own abbreviations begin.
    first_abbrev: usize,
    /// Fields of abbreviations that were known before the block.
    pool_len: usize,
}

/// A reader of one bitstream. Its buffers live as long as it does; see [`Stream::rewind`].
#[derive(Debug)]
pub(crate) struct Stream<'a> {
    cursor: Cursor<'a>,
    /// The innermost open block, or the top level.
    scope: Scope,
    /// What is around it, outermost first.
    outer: Vec<Scope>,
    /// Abbreviations defined in open blocks, innermost last.
    abbrevs: Vec<Abbrev>,
    /// Their fields.
    pool: Vec<Field>,
    info: BlockInfo,
    /// Operands of the last record in front, never shorter than an abbreviation is.
    ops: Vec<u64>,
    /// How many there are.
    count: usize,
    blob: Option<&'a [u8]>,
}

impl<'a> Stream<'a> {
    /// A stream at the top level of `data`, whose abbreviation ids are 2 bits wide.
    pub(crate) fn new(data: &'a [u8], info: BlockInfo) -> Self {
        let cursor = Cursor::new(data);
        let top = Scope {
            id: u32::MAX,
            width: 2,
            mask: 3,
            end: cursor.end(),
            inherited: (0, 0),
            first_abbrev: 0,
            pool_len: 0,
        };
        Self {
            cursor,
            scope: top,
            outer: Vec::new(),
            abbrevs: Vec::new(),
            pool: Vec::new(),
            info,
            ops: alloc::vec![0; limits::ABBREV_OPS],
            count: 0,
            blob: None,
        }
    }

    /// Back to the top level, at the start of the block `head`, keeping all buffers.
    pub(crate) fn rewind(&mut self, head: &BlockHead) {
        self.scope = self.outer.first().copied().unwrap_or(self.scope);
        self.outer.clear();
        self.abbrevs.clear();
        self.pool.clear();
        self.cursor.set(head.start, self.scope.end);
    }

    /// Where the next entry begins.
    pub(crate) fn mark(&self) -> usize {
        self.cursor.pos()
    }

    /// Back to an entry of the innermost block, whose mark was taken since it was entered.
    pub(crate) fn back_to(&mut self, mark: usize) {
        self.cursor.set(mark, self.scope.end);
    }

    /// What the BLOCKINFO blocks said so far.
    pub(crate) fn info(&self) -> &BlockInfo {
        &self.info
    }

    /// Operands of the last record.
    #[inline]
    pub(crate) fn ops(&self) -> &[u64] {
        let count = self.count.min(self.ops.len());
        self.ops.get(..count).unwrap_or(&[])
    }

    /// Bytes of the last record, if it had a blob.
    pub(crate) fn blob(&self) -> Option<&'a [u8]> {
        self.blob
    }

    /// Position for errors.
    #[inline]
    pub(crate) fn bit(&self) -> u64 {
        self.cursor.bit()
    }

    /// Bits left in the innermost open block.
    pub(crate) fn remaining(&self) -> usize {
        self.cursor.remaining()
    }

    /// Skips over `bits` at the top level, for the magic number.
    pub(crate) fn fixed(&mut self, bits: u32) -> u64 {
        self.cursor.fixed(bits)
    }

    /// Reads the next entry of the innermost open block.
    pub(crate) fn next(&mut self) -> Result<Entry> {
        self.next_inlined()
    }

    /// As [`Stream::next`], for the few places where nearly all records are read.
    #[inline(always)]
    pub(crate) fn next_inlined(&mut self) -> Result<Entry> {
        loop {
            let mut bits = self.cursor.bits();
            let id = bits.masked(&mut self.cursor, self.scope.width, self.scope.mask);
            let code = match id {
                3 => self.unabbreviated(bits)?,
                4.. => self.abbreviated(id, bits)?,
                _ => {
                    bits.give_back(&mut self.cursor);
                    match self.other(id)? {
                        Some(entry) => return Ok(entry),
                        None => continue,
                    }
                }
            };
            self.cursor.check()?;
            let code =
                u32::try_from(code).map_err(|_| Error::malformed(self.bit(), "record code"))?;
            return Ok(Entry::Record(code));
        }
    }

    /// The operands of the next entry if it is a record in the general form with this code and `N` of them,
    /// both below 32; else `None`, and nothing is read. Such a record's head is one known string of bits, and
    /// its operands go by [`Stream::ops`] into registers.
    #[inline(always)]
    pub(crate) fn next_if<const N: usize>(&mut self, code: u32) -> Result<Option<[u64; N]>> {
        debug_assert!(code < 32 && N < 32, "each is one chunk");
        let (cursor, width) = (&mut self.cursor, self.scope.width);
        let fields = u64::from(code) | (N as u64) << 6;
        let mut bits = cursor.bits();
        if bits.fixed(cursor, width.wrapping_add(12)) != fields.wrapping_shl(width) | 3 {
            return Ok(None);
        }
        let mut ops = [0; N];
        for slot in &mut ops {
            *slot = bits.vbr6(cursor);
        }
        bits.give_back(cursor);
        cursor.check()?;
        Ok(Some(ops))
    }

    /// What begins with the id 0, 1 or 2; `None` for an abbreviation, which only the stream needs.
    #[inline(never)]
    fn other(&mut self, id: u64) -> Result<Option<Entry>> {
        match id {
            0 => self.end_block().map(Some),
            1 => self.block_head().map(|head| Some(Entry::Block(head))),
            _ => self.define_abbrev().map(|()| None),
        }
    }

    /// Whether the top level ends here.
    pub(crate) fn at_end(&self) -> bool {
        self.cursor.remaining() == 0
    }

    /// Goes into a block that [`Stream::next`] just found, or that [`Stream::rewind`] went to.
    pub(crate) fn enter(&mut self, head: &BlockHead) -> Result<()> {
        if self.outer.len() >= limits::NESTING {
            return Err(Error::limit(self.bit(), "nesting of blocks"));
        }
        let scope = Scope {
            id: head.id,
            width: head.width,
            mask: 1u64.wrapping_shl(head.width).wrapping_sub(1),
            end: head.end,
            inherited: self.info.inherited(head.id),
            first_abbrev: self.abbrevs.len(),
            pool_len: self.pool.len(),
        };
        self.outer.push(core::mem::replace(&mut self.scope, scope));
        self.cursor.set(head.start, head.end);
        Ok(())
    }

    /// Passes over a block that [`Stream::next`] just found.
    pub(crate) fn skip(&mut self, head: &BlockHead) {
        self.cursor.set(head.end, self.cursor.end());
    }

    /// [kind: VBR8, width of ids: VBR4, aligned, size in words: 32 bits], after the id 1 (S1).
    fn block_head(&mut self) -> Result<BlockHead> {
        let id = self.cursor.vbr(8);
        let width = self.cursor.vbr(4);
        self.cursor.align32();
        let words = self.cursor.fixed(32);
        self.cursor.check()?;
        let start = self.cursor.pos();
        let end = usize::try_from(words)
            .ok()
            .and_then(|words| words.checked_mul(32))
            .and_then(|bits| start.checked_add(bits));
        match (u32::try_from(id), u32::try_from(width), end) {
            (Ok(id), Ok(width @ 2..=32), Some(end)) if end <= self.cursor.end() => Ok(BlockHead {
                id,
                width,
                start,
                end,
            }),
            (_, Ok(2..=32), _) => Err(Error::malformed(self.bit(), "block runs past its parent")),
            _ => Err(Error::malformed(self.bit(), "width of abbreviation ids")),
        }
    }

    /// Leaves the innermost block: its own abbreviations go, the parent's end is the end again.
    fn end_block(&mut self) -> Result<Entry> {
        self.cursor.align32();
        let Some(outer) = self.outer.pop() else {
            return Err(Error::malformed(
                self.bit(),
                "end of a block that is not open",
            ));
        };
        let inner = core::mem::replace(&mut self.scope, outer);
        if self.cursor.pos() != inner.end && ends_are_checked() {
            return Err(Error::malformed(
                self.bit(),
                "block does not end where its head says",
            ));
        }
        self.abbrevs.truncate(inner.first_abbrev);
        self.pool.truncate(inner.pool_len);
        self.cursor.set(inner.end, outer.end);
        Ok(Entry::End)
    }

    /// An abbreviation for the rest of this block.
    fn define_abbrev(&mut self) -> Result<()> {
        if self.abbrevs.len() >= limits::ABBREVS {
            return Err(Error::limit(self.bit(), "abbreviations"));
        }
        let abbrev = abbrev::define(&mut self.cursor, &mut self.pool)?;
        self.abbrevs.push(abbrev);
        Ok(())
    }

    /// Reads a BLOCKINFO block, which the caller just found, to its end.
    pub(crate) fn read_block_info(&mut self, head: &BlockHead) -> Result<()> {
        self.enter(head)?;
        let mut of = None;
        loop {
            match self.next_info(&mut of)? {
                Entry::End => return Ok(()),
                Entry::Block(inner) => self.skip(&inner),
                Entry::Record(_) => {}
            }
        }
    }

    /// Like [`Stream::next`], but an abbreviation goes to the list of block kind `of`.
    fn next_info(&mut self, of: &mut Option<u32>) -> Result<Entry> {
        let mut bits = self.cursor.bits();
        let id = bits.fixed(&mut self.cursor, self.scope.width);
        if id != 3 {
            bits.give_back(&mut self.cursor);
        }
        match id {
            0 => self.end_block_info(),
            1 => self.block_head().map(Entry::Block),
            2 => {
                let Some(id) = *of else {
                    return Err(Error::malformed(self.bit(), "abbreviation before SETBID"));
                };
                if self.info.count() >= limits::ABBREVS {
                    return Err(Error::limit(self.bit(), "abbreviations"));
                }
                let abbrev = abbrev::define(&mut self.cursor, &mut self.info.pool)?;
                self.info.push(id, abbrev);
                Ok(Entry::Record(0))
            }
            3 => {
                let code = self.unabbreviated(bits)?;
                self.cursor.check()?;
                if code == 1 {
                    let id = self.ops().first().and_then(|id| u32::try_from(*id).ok());
                    *of = Some(id.ok_or_else(|| Error::malformed(self.bit(), "SETBID"))?);
                }
                Ok(Entry::Record(1))
            }
            _ => Err(Error::malformed(
                self.bit(),
                "abbreviated record in BLOCKINFO",
            )),
        }
    }

    /// Leaves the BLOCKINFO block. What open blocks inherit may have moved.
    fn end_block_info(&mut self) -> Result<Entry> {
        let entry = self.end_block()?;
        self.info.sort();
        for scope in self.outer.iter_mut().chain([&mut self.scope]) {
            scope.inherited.0 = self.info.inherited(scope.id).0;
        }
        Ok(entry)
    }

    /// Reads a record in the general form, after its id: code, count and operands, all VBR6.
    #[inline(always)]
    fn unabbreviated(&mut self, mut bits: Bits) -> Result<u64> {
        let cursor = &mut self.cursor;
        let (code, count) = (bits.vbr6(cursor), bits.vbr6(cursor));
        let list = list(&mut self.ops, 0, count, bits, cursor)?;
        for slot in &mut *list {
            *slot = bits.vbr6(cursor);
        }
        self.count = list.len();
        self.blob = None;
        bits.give_back(cursor);
        Ok(code)
    }

    /// Reads a record laid out by the abbreviation with this id: inherited ones come first, from 4
    /// on, then the block's own.
    #[inline(always)]
    fn abbreviated(&mut self, id: u64, mut bits: Bits) -> Result<u64> {
        let Self {
            cursor, info, ops, ..
        } = self;
        let (first, inherited) = self.scope.inherited;
        let index = usize::try_from(id.wrapping_sub(4)).unwrap_or(usize::MAX);
        let (abbrev, pool) = match index.checked_sub(inherited) {
            None => (info.get(first.wrapping_add(index)), &info.pool),
            Some(own) => {
                let own = self.scope.first_abbrev.saturating_add(own);
                (self.abbrevs.get(own), &self.pool)
            }
        };
        let undefined = || Error::malformed(cursor.bit(), "abbreviation is not defined");
        let abbrev = abbrev.ok_or_else(undefined)?;
        self.blob = None;
        let (code, fields) = (abbrev.code, abbrev.fields(pool));
        self.count = fields.len();
        let code = if abbrev.is_plain {
            let mut slots = ops.iter_mut();
            for field in fields {
                let Some(slot) = slots.next() else { break };
                *slot = field.read(&mut bits, cursor);
            }
            code.value_of_literal()
        } else {
            bits.give_back(cursor);
            let code = code.read_slowly(cursor);
            for (slot, field) in ops.iter_mut().zip(fields) {
                *slot = field.read_slowly(cursor);
            }
            bits = cursor.bits();
            code
        };
        if !abbrev.has_tail {
            bits.give_back(cursor);
            return Ok(code);
        }
        match abbrev.tail {
            Tail::Nothing => bits.give_back(cursor),
            Tail::Array(element) => {
                let count = bits.vbr6(cursor);
                let list = list(ops, self.count, count, bits, cursor)?;
                if element.as_literal().is_some() && list.len() > limits::ABBREV_OPS {
                    let what = "elements that take no bits";
                    return Err(Error::limit(bits.bit(cursor), what));
                }
                element.read_list(&mut bits, cursor, list);
                self.count = self.count.wrapping_add(list.len());
                bits.give_back(cursor);
            }
            Tail::Blob => {
                let len = usize::try_from(bits.vbr6(cursor)).unwrap_or(usize::MAX);
                bits.give_back(cursor);
                self.blob = Some(cursor.blob(len));
            }
        }
        Ok(code)
    }
}

/// Whether S1 is enforced: always, but for the test that shows what happens without.
#[inline]
fn ends_are_checked() -> bool {
    #[cfg(test)]
    {
        !crate::testing::IGNORE_BLOCK_ENDS.get()
    }
    #[cfg(not(test))]
    {
        true
    }
}

/// Room in `ops` from `start` on for a list (S3).
///
/// Everything that loops over a count or reserves for one goes through this. A list that there is
/// room for costs no more than one of an earlier record did; that it fits the block is seen when the record is
/// checked. The room for a longer one is made if the bits left can hold it and the limits allow it.
#[inline(always)]
fn list<'o>(
    ops: &'o mut Vec<u64>,
    start: usize,
    count: u64,
    bits: Bits,
    cursor: &Cursor<'_>,
) -> Result<&'o mut [u64]> {
    let end = (start as u64).saturating_add(count);
    if end > ops.len() as u64 {
        make_room(ops, start, count, bits, cursor)?;
    }
    let end = usize::try_from(end).unwrap_or(usize::MAX);
    Ok(ops.get_mut(start..end).unwrap_or(&mut []))
}

/// The rare case of [`list`].
#[cold]
fn make_room(
    ops: &mut Vec<u64>,
    start: usize,
    count: u64,
    bits: Bits,
    cursor: &Cursor<'_>,
) -> Result<()> {
    let (remaining, count) = (bits.remaining(cursor), usize::try_from(count));
    let count = count.unwrap_or(usize::MAX);
    if count > remaining {
        let what = "list longer than its block";
        return Err(Error::malformed(bits.bit(cursor), what));
    }
    if count > limits::RECORD_OPS {
        return Err(Error::limit(bits.bit(cursor), "operands of a record"));
    }
    ops.resize(start.saturating_add(count), 0);
    Ok(())
}
