//! Abbreviations: how a record's fields are laid out, and the BLOCKINFO lists of them.
//!
//! An abbreviation is a list of operands, each a literal, a scalar field, an array (last but one in
//! the file, its element last) or a blob. They are defined in the block that uses them, or in the
//! BLOCKINFO block for all blocks of one kind. All operands lie in one pool; an [`Abbrev`] is a
//! range of it. A block that is entered copies nothing: it looks inherited ones up in their list.
//!
//! ```text
//!  DEFINE_ABBREV   count: vbr5, then each operand:
//!    1 value: vbr8               literal, not in the stream
//!    0 encoding: 3 bits          1 fixed, 2 VBR (both: width: vbr5), 3 array, 4 char6, 5 blob
//! ```
//!
//! Writers derive widths from the module (type ids take as many bits as there are types), so the
//! same record has another layout in another file, and nothing can be known in advance.
//! (LLVM: docs/BitCodeFormat.rst, "Abbreviations"; lib/Bitstream/Reader/BitstreamReader.cpp.)

use alloc::vec::Vec;

use crate::cursor::{Bits, Cursor};
use crate::error::{Error, Result};
use crate::limits;

/// A field with one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scalar {
    /// Not in the stream at all.
    Literal(u64),
    /// So many bits, 1 to 64.
    Fixed(u8),
    /// A variable bit rate number in chunks of 2 to 32 bits.
    Vbr(u8),
    /// A character of the 6-bit alphabet.
    Char6,
}

impl Scalar {
    /// Reads the field.
    #[inline(always)]
    pub(crate) fn read(self, bits: &mut Bits, cursor: &mut Cursor<'_>) -> u64 {
        match self {
            Self::Literal(value) => value,
            Self::Fixed(width) => bits.fixed(cursor, u32::from(width)),
            Self::Vbr(width) => bits.vbr(cursor, u32::from(width)),
            Self::Char6 => bits.slowly(cursor, |cursor| cursor.char6()),
        }
    }
}

/// One operand of an abbreviation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AbbrevOp {
    /// One field.
    Scalar(Scalar),
    /// A VBR6 count and so many fields; always the last operand.
    Array(Scalar),
    /// A VBR6 length and so many bytes, aligned; always the last operand.
    Blob,
}

/// A range of the operand pool. The first operand is the record's code and never a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Abbrev {
    start: u32,
    end: u32,
}

impl Abbrev {
    /// The operands; empty only if the range does not belong to `pool`.
    #[inline]
    pub(crate) fn ops(self, pool: &[AbbrevOp]) -> &[AbbrevOp] {
        pool.get(self.start as usize..self.end as usize)
            .unwrap_or(&[])
    }
}

/// What the BLOCKINFO block said: abbreviations by the id of the block that inherits them.
#[derive(Clone, Debug, Default)]
pub(crate) struct BlockInfo {
    /// Operands of all of them.
    pub(crate) pool: Vec<AbbrevOp>,
    /// Ascending by block kind.
    lists: Vec<(u32, Vec<Abbrev>)>,
    count: usize,
}

impl BlockInfo {
    /// Which list a block of kind `id` inherits, and how long it is.
    pub(crate) fn inherited(&self, id: u32) -> (usize, usize) {
        let found = self.lists.binary_search_by_key(&id, |(of, _)| *of);
        let list = found
            .ok()
            .and_then(|at| Some((at, self.lists.get(at)?.1.len())));
        list.unwrap_or((0, 0))
    }

    /// An abbreviation of a list.
    #[inline]
    pub(crate) fn get(&self, list: usize, index: usize) -> Option<Abbrev> {
        self.lists.get(list)?.1.get(index).copied()
    }

    /// Number of abbreviations in all lists.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Appends to the list of block kind `id`.
    pub(crate) fn push(&mut self, id: u32, abbrev: Abbrev) {
        self.count = self.count.saturating_add(1);
        match self.lists.binary_search_by_key(&id, |(of, _)| *of) {
            Ok(at) => {
                if let Some((_, list)) = self.lists.get_mut(at) {
                    list.push(abbrev);
                }
            }
            Err(at) => self.lists.insert(at, (id, alloc::vec![abbrev])),
        }
    }
}

/// Reads a DEFINE_ABBREV body (after its abbreviation id) and appends its operands to `pool`.
pub(crate) fn define(cursor: &mut Cursor<'_>, pool: &mut Vec<AbbrevOp>) -> Result<Abbrev> {
    let start = pool.len();
    let count = cursor.vbr(5);
    if count == 0 {
        return Err(Error::malformed(
            cursor.bit(),
            "abbreviation without operands",
        ));
    }
    if count > limits::ABBREV_OPS as u64 {
        return Err(Error::limit(cursor.bit(), "operands of an abbreviation"));
    }
    let mut left = count;
    while left > 0 {
        left = left.wrapping_sub(1);
        let op = match field(cursor)? {
            Field::Scalar(scalar) => AbbrevOp::Scalar(scalar),
            Field::Blob if left == 0 => AbbrevOp::Blob,
            Field::Array if left == 1 => {
                left = 0;
                match field(cursor)? {
                    Field::Scalar(element) => AbbrevOp::Array(element),
                    _ => return Err(Error::malformed(cursor.bit(), "array of a list")),
                }
            }
            _ => {
                return Err(Error::malformed(
                    cursor.bit(),
                    "list before the last operand",
                ));
            }
        };
        if pool.len() == start && !matches!(op, AbbrevOp::Scalar(_)) {
            return Err(Error::malformed(cursor.bit(), "record code is a list"));
        }
        pool.push(op);
    }
    cursor.check()?;
    let too_many = |_| Error::limit(cursor.bit(), "operands of all abbreviations");
    Ok(Abbrev {
        start: u32::try_from(start).map_err(too_many)?,
        end: u32::try_from(pool.len()).map_err(too_many)?,
    })
}

/// An operand as it is written, before an array has swallowed its element.
enum Field {
    Scalar(Scalar),
    Array,
    Blob,
}

fn field(cursor: &mut Cursor<'_>) -> Result<Field> {
    if cursor.fixed(1) == 1 {
        return Ok(Field::Scalar(Scalar::Literal(cursor.vbr(8))));
    }
    let encoding = cursor.fixed(3);
    let scalar = match encoding {
        1 | 2 => {
            let width = cursor.vbr(5);
            match (encoding, u8::try_from(width)) {
                // Zero width is legal and occurs: a field that only ever holds 0.
                (_, Ok(0)) => Scalar::Literal(0),
                (1, Ok(width @ 1..=64)) => Scalar::Fixed(width),
                (2, Ok(width @ 2..=32)) => Scalar::Vbr(width),
                _ => {
                    return Err(Error::malformed(
                        cursor.bit(),
                        "width of an abbreviation field",
                    ));
                }
            }
        }
        3 => return Ok(Field::Array),
        4 => Scalar::Char6,
        5 => return Ok(Field::Blob),
        _ => {
            return Err(Error::malformed(
                cursor.bit(),
                "encoding of an abbreviation field",
            ));
        }
    };
    Ok(Field::Scalar(scalar))
}
