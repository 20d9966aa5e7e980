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
//! S2. `scopes` is never empty and at most [`limits::NESTING`] deep.
//! S3. A record has at most [`limits::RECORD_OPS`] operands and no more than bits were left, so the
//!     operand buffer is bounded by the file, and zero-width array elements cannot inflate it.

use alloc::vec::Vec;

use crate::abbrev::{self, Abbrev, AbbrevOp, BlockInfo, Scalar};
use crate::cursor::Cursor;
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
    /// Width of abbreviation ids.
    width: u32,
    /// First bit after the block.
    end: usize,
    /// List of [`BlockInfo`] that the block inherits, and its length.
    inherited: (usize, usize),
    /// Where the block's own abbreviations begin.
    first_abbrev: usize,
    /// Operands of abbreviations that were known before the block.
    pool_len: usize,
}

/// A reader of one bitstream. Its buffers live as long as it does; see [`Stream::rewind`].
#[derive(Debug)]
pub(crate) struct Stream<'a> {
    cursor: Cursor<'a>,
    scopes: Vec<Scope>,
    /// Abbreviations defined in open blocks, innermost last.
    abbrevs: Vec<Abbrev>,
    /// Operands: those of `info` first, then those defined in open blocks.
    pool: Vec<AbbrevOp>,
    info: BlockInfo,
    ops: Vec<u64>,
    blob: Option<&'a [u8]>,
}

impl<'a> Stream<'a> {
    /// A stream at the top level of `data`, whose abbreviation ids are 2 bits wide.
    pub(crate) fn new(data: &'a [u8], info: BlockInfo) -> Self {
        let cursor = Cursor::new(data);
        let top = Scope {
            width: 2,
            end: cursor.end(),
            inherited: (0, 0),
            first_abbrev: 0,
            pool_len: info.pool.len(),
        };
        Self {
            cursor,
            scopes: alloc::vec![top],
            abbrevs: Vec::new(),
            pool: info.pool.clone(),
            info,
            ops: Vec::new(),
            blob: None,
        }
    }

    /// Back to the top level, at the start of the block `head`, keeping all buffers.
    pub(crate) fn rewind(&mut self, head: &BlockHead) {
        self.scopes.truncate(1);
        self.abbrevs.clear();
        self.pool.truncate(self.info.pool.len());
        let end = self.scopes.first().map_or(head.end, |top| top.end);
        self.cursor.set(head.start, end);
    }

    /// What the BLOCKINFO blocks said so far.
    pub(crate) fn info(&self) -> &BlockInfo {
        &self.info
    }

    /// Operands of the last record.
    #[inline]
    pub(crate) fn ops(&self) -> &[u64] {
        &self.ops
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
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Entry> {
        let width = self.scopes.last().map_or(2, |scope| scope.width);
        loop {
            let id = self.cursor.fixed(width);
            let code = match id {
                0 => return self.end_block(),
                1 => return self.block_head().map(Entry::Block),
                2 => {
                    self.define_abbrev()?;
                    continue;
                }
                3 => self.unabbreviated()?,
                _ => {
                    let undefined = || Error::malformed(self.bit(), "abbreviation is not defined");
                    let abbrev = self.find_abbrev(id).ok_or_else(undefined)?;
                    self.abbreviated(abbrev)?
                }
            };
            self.cursor.check()?;
            let code =
                u32::try_from(code).map_err(|_| Error::malformed(self.bit(), "record code"))?;
            return Ok(Entry::Record(code));
        }
    }

    /// The abbreviation with this id: inherited ones first, from 4 on, then the block's own.
    #[inline]
    fn find_abbrev(&self, id: u64) -> Option<Abbrev> {
        let scope = self.scopes.last()?;
        let index = usize::try_from(id.checked_sub(4)?).ok()?;
        let (list, inherited) = scope.inherited;
        match index.checked_sub(inherited) {
            None => self.info.get(list, index),
            Some(own) => self
                .abbrevs
                .get(scope.first_abbrev.checked_add(own)?)
                .copied(),
        }
    }

    /// Whether the top level ends here.
    pub(crate) fn at_end(&self) -> bool {
        self.cursor.remaining() == 0
    }

    /// Goes into a block that [`Stream::next`] just found, or that [`Stream::rewind`] went to.
    pub(crate) fn enter(&mut self, head: &BlockHead) -> Result<()> {
        if self.scopes.len() > limits::NESTING {
            return Err(Error::limit(self.bit(), "nesting of blocks"));
        }
        let scope = Scope {
            width: head.width,
            end: head.end,
            inherited: self.info.inherited(head.id),
            first_abbrev: self.abbrevs.len(),
            pool_len: self.pool.len(),
        };
        self.scopes.push(scope);
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
        let inner = match self.scopes.pop() {
            Some(scope) if !self.scopes.is_empty() => scope,
            _ => {
                return Err(Error::malformed(
                    self.bit(),
                    "end of a block that is not open",
                ));
            }
        };
        if self.cursor.pos() != inner.end && ends_are_checked() {
            return Err(Error::malformed(
                self.bit(),
                "block does not end where its head says",
            ));
        }
        self.abbrevs.truncate(inner.first_abbrev);
        self.pool.truncate(inner.pool_len);
        let outer_end = self.scopes.last().map_or(inner.end, |outer| outer.end);
        self.cursor.set(inner.end, outer_end);
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
    ///
    /// It may only stand where no open block has abbreviations of its own, which is where all
    /// compilers put it: its operands then extend the pool's shared front part.
    pub(crate) fn read_block_info(&mut self, head: &BlockHead) -> Result<()> {
        if self.pool.len() != self.info.pool.len() {
            return Err(Error::unsupported(
                self.bit(),
                "BLOCKINFO after local abbreviations",
            ));
        }
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
        let width = self.scopes.last().map_or(2, |scope| scope.width);
        match self.cursor.fixed(width) {
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
                let code = self.unabbreviated()?;
                self.cursor.check()?;
                if code == 1 {
                    let id = self.ops.first().and_then(|id| u32::try_from(*id).ok());
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

    /// Leaves the BLOCKINFO block and makes its operands the pool's shared front part.
    fn end_block_info(&mut self) -> Result<Entry> {
        let entry = self.end_block()?;
        self.pool.clone_from(&self.info.pool);
        for scope in &mut self.scopes {
            scope.pool_len = self.pool.len();
        }
        Ok(entry)
    }

    /// Reads a record in the general form: code, count and operands, all VBR6.
    #[inline]
    fn unabbreviated(&mut self) -> Result<u64> {
        let code = self.cursor.vbr(6);
        let count = self.cursor.vbr(6);
        let count = list_len(&self.cursor, count)?;
        self.blob = None;
        self.ops.clear();
        self.ops.resize(count, 0);
        self.cursor.vbr6_list(&mut self.ops);
        Ok(code)
    }

    /// Reads a record laid out by `abbrev`.
    #[inline]
    fn abbreviated(&mut self, abbrev: Abbrev) -> Result<u64> {
        let Self {
            cursor,
            pool,
            ops,
            blob,
            ..
        } = self;
        *blob = None;
        ops.clear();
        let mut layout = abbrev.ops(pool).iter();
        let mut bits = cursor.bits();
        let code = match layout.next() {
            Some(AbbrevOp::Scalar(scalar)) => scalar.read(&mut bits, cursor),
            _ => return Err(Error::malformed(cursor.bit(), "record without a code")),
        };
        for op in layout {
            match *op {
                AbbrevOp::Scalar(scalar) => ops.push(scalar.read(&mut bits, cursor)),
                // Lists come last.
                AbbrevOp::Array(element) => {
                    bits.give_back(cursor);
                    read_array(cursor, element, ops)?;
                    return Ok(code);
                }
                AbbrevOp::Blob => {
                    bits.give_back(cursor);
                    let len = usize::try_from(cursor.vbr(6)).unwrap_or(usize::MAX);
                    *blob = Some(cursor.blob(len));
                    return Ok(code);
                }
            }
        }
        bits.give_back(cursor);
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

/// Reads a count and so many elements. The match is outside the loop: strings are long.
fn read_array(cursor: &mut Cursor<'_>, element: Scalar, ops: &mut Vec<u64>) -> Result<()> {
    let count = cursor.vbr(6);
    let count = list_len(cursor, count)?;
    ops.reserve(count);
    match element {
        Scalar::Literal(value) => ops.extend((0..count).map(|_| value)),
        Scalar::Fixed(width) => ops.extend((0..count).map(|_| cursor.fixed(u32::from(width)))),
        Scalar::Vbr(width) => ops.extend((0..count).map(|_| cursor.vbr(u32::from(width)))),
        Scalar::Char6 => ops.extend((0..count).map(|_| cursor.char6())),
    }
    Ok(())
}

/// A length that the bits left can hold and the limits allow (S3).
///
/// Everything that loops over a count or reserves for one goes through this.
#[inline]
fn list_len(cursor: &Cursor<'_>, count: u64) -> Result<usize> {
    match usize::try_from(count) {
        Ok(count) if count <= cursor.remaining() && count <= limits::RECORD_OPS => Ok(count),
        Ok(count) if count <= cursor.remaining() => {
            Err(Error::limit(cursor.bit(), "operands of a record"))
        }
        _ => Err(Error::malformed(cursor.bit(), "list longer than its block")),
    }
}
