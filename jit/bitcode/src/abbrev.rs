//! Abbreviations: how a record's fields are laid out, and the BLOCKINFO lists of them.
//!
//! An abbreviation is a list of operands, each a literal, a scalar field, an array (last but one in
//! the file, its element last) or a blob. They are defined in the block that uses them, or in the
//! BLOCKINFO block for all blocks of one kind. Fields lie in a pool of each of these two origins; an
//! [`Abbrev`] is a range of it. A block that is entered copies nothing: what it inherits are
//! consecutive abbreviations of the [`BlockInfo`].
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
///
/// One form serves the usual encodings, so that reading a record takes no case distinction: the
/// value is the bits under `mask`, and if the bit `more` is set in it, the first chunk of a VBR number
/// that goes on. Other encodings are not *plain*, which an abbreviation says of all its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// The low `width` bits; of a literal, its value.
    mask: u64,
    /// Bit by which a chunk of a VBR number says that another follows; 0 for other encodings.
    more: u32,
    /// At most 64; 0 for a literal.
    width: u8,
    is_char6: bool,
}

impl Field {
    /// Not in the stream at all.
    const fn literal(literal: u64) -> Self {
        Self {
            mask: literal,
            more: 0,
            width: 0,
            is_char6: false,
        }
    }

    /// So many bits, 1 to 64.
    const fn fixed(width: u8) -> Self {
        Self {
            width,
            ..Self::literal(u64::MAX.wrapping_shr(64u32.wrapping_sub(width as u32)))
        }
    }

    /// A variable bit rate number in chunks of 2 to 32 bits.
    const fn vbr(width: u8) -> Self {
        Self {
            more: 1u32.wrapping_shl(width.wrapping_sub(1) as u32),
            ..Self::fixed(width)
        }
    }

    /// A character of the 6-bit alphabet.
    const CHAR6: Self = Self {
        is_char6: true,
        ..Self::fixed(6)
    };

    /// The value, if it is a literal.
    #[inline(always)]
    pub(crate) fn as_literal(self) -> Option<u64> {
        (self.width == 0).then_some(self.mask)
    }

    /// The value of what is known to be a literal.
    #[inline(always)]
    pub(crate) fn value_of_literal(self) -> u64 {
        self.mask
    }

    /// Whether [`Field::read`] may be used.
    fn is_plain(self) -> bool {
        !self.is_char6 && (1..=Bits::MAX_WIDTH).contains(&u32::from(self.width))
    }

    /// Reads a plain field.
    #[inline(always)]
    pub(crate) fn read(self, bits: &mut Bits, cursor: &mut Cursor<'_>) -> u64 {
        let value = bits.masked(cursor, u32::from(self.width), self.mask);
        if value & u64::from(self.more) == 0 {
            value
        } else {
            bits.rest_of_vbr(cursor, u32::from(self.width), value)
        }
    }

    /// Reads any field.
    pub(crate) fn read_slowly(self, cursor: &mut Cursor<'_>) -> u64 {
        match self.width {
            0 => self.mask,
            6 if self.is_char6 => cursor.char6(),
            width if self.more != 0 => cursor.vbr(u32::from(width)),
            width => cursor.fixed(u32::from(width)),
        }
    }

    /// Reads so many fields. The choice is outside the loop: strings are long.
    #[inline(always)]
    pub(crate) fn read_list(self, bits: &mut Bits, cursor: &mut Cursor<'_>, to: &mut [u64]) {
        if self == Self::vbr(6) {
            for slot in to {
                *slot = bits.vbr6(cursor);
            }
        } else {
            bits.give_back(cursor);
            self.read_others(cursor, to);
            *bits = cursor.bits();
        }
    }

    /// The rest of [`Field::read_list`], of which code has little.
    #[inline(never)]
    fn read_others(self, cursor: &mut Cursor<'_>, to: &mut [u64]) {
        if !self.is_plain() {
            to.iter_mut()
                .for_each(|slot| *slot = self.read_slowly(cursor));
            return;
        }
        let mut bits = cursor.bits();
        for slot in to {
            *slot = self.read(&mut bits, cursor);
        }
        bits.give_back(cursor);
    }
}

/// What follows the fields of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    Nothing,
    /// A VBR6 count and so many fields.
    Array(Field),
    /// A VBR6 length and so many bytes, aligned.
    Blob,
}

/// The layout of a record: its code, a range of a pool of fields, and what comes then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Abbrev {
    pub(crate) code: Field,
    start: u32,
    end: u32,
    pub(crate) tail: Tail,
    /// Whether there is a tail.
    pub(crate) has_tail: bool,
    /// Whether the code is a literal and all fields are plain, see [`Field`].
    pub(crate) is_plain: bool,
}

impl Abbrev {
    /// The fields after the code; empty also if the range does not belong to `pool`.
    #[inline(always)]
    pub(crate) fn fields(self, pool: &[Field]) -> &[Field] {
        pool.get(self.start as usize..self.end as usize)
            .unwrap_or(&[])
    }
}

/// What the BLOCKINFO block said: abbreviations by the id of the block that inherits them.
#[derive(Clone, Debug, Default)]
pub(crate) struct BlockInfo {
    /// Fields of all of them.
    pub(crate) pool: Vec<Field>,
    /// With the kind of block, ascending; within a kind in the order of their definition.
    abbrevs: Vec<(u32, Abbrev)>,
    is_sorted: bool,
}

impl BlockInfo {
    /// Which abbreviations a block of kind `id` inherits: index of the first, and how many.
    pub(crate) fn inherited(&self, id: u32) -> (usize, usize) {
        let start = self.abbrevs.partition_point(|(of, _)| *of < id);
        let rest = self.abbrevs.get(start..).unwrap_or(&[]);
        (start, rest.partition_point(|(of, _)| *of == id))
    }

    /// An abbreviation by its index.
    #[inline(always)]
    pub(crate) fn get(&self, index: usize) -> Option<&Abbrev> {
        self.abbrevs.get(index).map(|(_, abbrev)| abbrev)
    }

    /// Number of abbreviations for all kinds of blocks.
    pub(crate) fn count(&self) -> usize {
        self.abbrevs.len()
    }

    /// Adds one for block kind `id`, which [`BlockInfo::sort`] puts in its place.
    pub(crate) fn push(&mut self, id: u32, abbrev: Abbrev) {
        self.abbrevs.push((id, abbrev));
        self.is_sorted = false;
    }

    /// Ends a BLOCKINFO block. Many that say nothing cost nothing.
    pub(crate) fn sort(&mut self) {
        if !self.is_sorted {
            self.abbrevs.sort_by_key(|(of, _)| *of);
            self.is_sorted = true;
        }
    }
}

/// Reads a DEFINE_ABBREV body (after its abbreviation id) and appends its fields to `pool`.
pub(crate) fn define(cursor: &mut Cursor<'_>, pool: &mut Vec<Field>) -> Result<Abbrev> {
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
    let (mut left, mut code, mut tail, mut is_plain) = (count, None, Tail::Nothing, true);
    while left > 0 {
        left = left.wrapping_sub(1);
        match operand(cursor)? {
            Operand::Field(field) => {
                if code.is_none() {
                    code = Some(field);
                } else {
                    is_plain &= field.is_plain();
                    pool.push(field);
                }
            }
            Operand::Blob if left == 0 => tail = Tail::Blob,
            Operand::Array if left == 1 => {
                left = 0;
                match operand(cursor)? {
                    Operand::Field(element) => tail = Tail::Array(element),
                    _ => return Err(Error::malformed(cursor.bit(), "array of a list")),
                }
            }
            _ => {
                return Err(Error::malformed(
                    cursor.bit(),
                    "list before the last operand",
                ));
            }
        }
    }
    let list = || Error::malformed(cursor.bit(), "record code is a list");
    let code = code.ok_or_else(list)?;
    cursor.check()?;
    let too_many = |_| Error::limit(cursor.bit(), "operands of all abbreviations");
    Ok(Abbrev {
        has_tail: tail != Tail::Nothing,
        is_plain: is_plain && code.as_literal().is_some(),
        code,
        start: u32::try_from(start).map_err(too_many)?,
        end: u32::try_from(pool.len()).map_err(too_many)?,
        tail,
    })
}

/// An operand as it is written, before an array has swallowed its element.
enum Operand {
    Field(Field),
    Array,
    Blob,
}

fn operand(cursor: &mut Cursor<'_>) -> Result<Operand> {
    if cursor.fixed(1) == 1 {
        return Ok(Operand::Field(Field::literal(cursor.vbr(8))));
    }
    let encoding = cursor.fixed(3);
    let field = match encoding {
        1 | 2 => {
            let width = cursor.vbr(5);
            match (encoding, u8::try_from(width)) {
                // Zero width is legal and occurs: a field that only ever holds 0.
                (_, Ok(0)) => Field::literal(0),
                (1, Ok(width @ 1..=64)) => Field::fixed(width),
                (2, Ok(width @ 2..=32)) => Field::vbr(width),
                _ => {
                    return Err(Error::malformed(
                        cursor.bit(),
                        "width of an abbreviation field",
                    ));
                }
            }
        }
        3 => return Ok(Operand::Array),
        4 => Field::CHAR6,
        5 => return Ok(Operand::Blob),
        _ => {
            return Err(Error::malformed(
                cursor.bit(),
                "encoding of an abbreviation field",
            ));
        }
    };
    Ok(Operand::Field(field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_of_block_inherits_its_own_in_the_order_of_definition() {
        let mut info = BlockInfo::default();
        let abbrev = |code| Abbrev {
            code: Field::literal(code),
            start: 0,
            end: 0,
            tail: Tail::Nothing,
            has_tail: false,
            is_plain: true,
        };
        // Two BLOCKINFO blocks: what the second adds moves what the first said.
        for list in [&[(12, 1), (11, 2), (12, 3)][..], &[(11, 4), (0, 5)]] {
            for &(kind, code) in list {
                info.push(kind, abbrev(code));
            }
            info.sort();
        }
        for (kind, codes) in [(0, &[5][..]), (11, &[2, 4]), (12, &[1, 3]), (9, &[])] {
            let (first, count) = info.inherited(kind);
            let found = (first..first + count).map(|at| info.get(at).unwrap().code);
            let found: Vec<_> = found.map(|code| code.as_literal().unwrap()).collect();
            assert_eq!(found, codes, "{kind}");
        }
    }
}
