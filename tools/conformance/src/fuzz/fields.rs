//! Where in a bitcode file its numbers stand: a walk over the bitstream that keeps positions.
//!
//! This is not the reader under test and shares nothing with it: it takes well-formed files (a corpus) apart
//! and stops at whatever it does not understand. Every operand of every record becomes a [`Field`], whose
//! value can be replaced by any other that its encoding has room for; the file stays well-formed
//! as a bitstream, and what is damaged is the meaning.

use std::collections::HashMap;
use std::rc::Rc;

/// Most fields that are noted.
const MOST_FIELDS: usize = 1 << 18;
/// Deepest nesting of blocks that is followed.
const MOST_NESTED: usize = 16;

/// An operand of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Field {
    /// Its first bit in the file.
    pub(super) bit: usize,
    /// Bits of one chunk.
    pub(super) width: u32,
    /// Chunks of a variable-width number; 0 for a number of fixed width.
    pub(super) chunks: u32,
}

#[derive(Clone, Copy, Debug)]
enum Op {
    /// A number that the record does not store.
    Literal,
    Fixed(u32),
    Vbr(u32),
    Array,
    Blob,
}

type Abbrev = Rc<[Op]>;

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    fields: Vec<Field>,
    /// Abbreviations that BLOCKINFO gives to the blocks of a kind.
    info: HashMap<u64, Vec<Abbrev>>,
}

/// A block that is being walked.
struct Block {
    kind: u64,
    width: u32,
    abbrevs: Vec<Abbrev>,
}

/// The fields of `file`, as far as it is a bitstream.
pub(super) fn find(file: &[u8]) -> Vec<Field> {
    let start = match file {
        [b'B', b'C', 0xC0, 0xDE, ..] => 32,
        _ => return Vec::new(),
    };
    let mut walk = Walk {
        bytes: file,
        at: start,
        fields: Vec::new(),
        info: HashMap::new(),
    };
    // A file that ends early has the fields up to there.
    let _ = walk.stream();
    walk.fields
}

/// The value of `field`.
pub(super) fn get(file: &[u8], field: Field) -> u64 {
    let Field { bit, width, chunks } = field;
    if chunks == 0 {
        return bits(file, bit, width).unwrap_or(0);
    }
    let chunk = |nth: u32| {
        let payload = bits(file, bit + (nth * width) as usize, width - 1).unwrap_or(0);
        payload.checked_shl(nth * (width - 1)).unwrap_or(0)
    };
    (0..chunks).map(chunk).fold(0, |all, part| all | part)
}

/// Puts as much of `value` into `field` as it has room for.
pub(super) fn set(file: &mut [u8], field: Field, value: u64) {
    let Field { bit, width, chunks } = field;
    if chunks == 0 {
        return set_bits(file, bit, width, value);
    }
    for nth in 0..chunks {
        let payload = value.checked_shr(nth * (width - 1)).unwrap_or(0);
        set_bits(file, bit + (nth * width) as usize, width - 1, payload);
    }
}

fn bits(file: &[u8], bit: usize, width: u32) -> Option<u64> {
    let mut value = 0;
    for nth in 0..width as usize {
        let at = bit + nth;
        value |= u64::from(file.get(at / 8)? >> (at % 8) & 1) << nth;
    }
    Some(value)
}

fn set_bits(file: &mut [u8], bit: usize, width: u32, value: u64) {
    for nth in 0..width as usize {
        let at = bit + nth;
        if let Some(byte) = file.get_mut(at / 8) {
            *byte = *byte & !(1 << (at % 8)) | ((value >> nth & 1) as u8) << (at % 8);
        }
    }
}

impl Walk<'_> {
    /// All blocks, nested ones included. `None` where the stream ends or makes no sense.
    fn stream(&mut self) -> Option<()> {
        let mut open: Vec<Block> = vec![Block {
            kind: u64::MAX,
            width: 2,
            abbrevs: Vec::new(),
        }];
        // The kind of block that BLOCKINFO is talking about.
        let mut about = 0;
        while self.fields.len() < MOST_FIELDS {
            let block = open.last_mut()?;
            match self.fixed(block.width)? {
                0 => {
                    self.align();
                    open.pop();
                }
                1 => {
                    let (kind, width) = (self.vbr(8)?, self.vbr(4)? as u32);
                    self.align();
                    self.fixed(32)?;
                    let known = open.len() < MOST_NESTED && (1..=32).contains(&width);
                    let abbrevs = self.info.get(&kind).cloned().unwrap_or_default();
                    open.push(known.then_some(Block {
                        kind,
                        width,
                        abbrevs,
                    })?);
                }
                2 => {
                    let abbrev = self.define()?;
                    if block.kind == 0 {
                        self.info.entry(about).or_default().push(abbrev);
                    } else {
                        block.abbrevs.push(abbrev);
                    }
                }
                3 => {
                    let (code, count) = (self.vbr(6)?, self.vbr(6)?);
                    let first = self.fields.len();
                    for _ in 0..count {
                        self.note_vbr(6)?;
                    }
                    if block.kind == 0 && code == 1 {
                        about = self
                            .fields
                            .get(first)
                            .map_or(0, |&field| get(self.bytes, field));
                    }
                }
                id => {
                    let abbrev = block.abbrevs.get(id as usize - 4)?.clone();
                    self.abbreviated(&abbrev)?;
                }
            }
        }
        Some(())
    }

    fn fixed(&mut self, width: u32) -> Option<u64> {
        let value = bits(self.bytes, self.at, width)?;
        self.at += width as usize;
        Some(value)
    }

    fn vbr(&mut self, width: u32) -> Option<u64> {
        let first = self.fields.len();
        self.note_vbr(width)?;
        let field = self.fields[first];
        // Heads of blocks and records are left alone.
        self.fields.truncate(first);
        Some(get(self.bytes, field))
    }

    fn align(&mut self) {
        self.at = self.at.next_multiple_of(32);
    }

    fn note_fixed(&mut self, width: u32) -> Option<u64> {
        let field = Field {
            bit: self.at,
            width,
            chunks: 0,
        };
        if width > 0 {
            self.fields.push(field);
        }
        self.fixed(width)
    }

    fn note_vbr(&mut self, width: u32) -> Option<u64> {
        let bit = self.at;
        for chunks in 1..=16 {
            if self.fixed(width)? >> (width - 1) == 0 {
                let field = Field { bit, width, chunks };
                self.fields.push(field);
                return Some(get(self.bytes, field));
            }
        }
        None
    }

    fn define(&mut self) -> Option<Abbrev> {
        let count = self.vbr(5)?;
        let mut ops = Vec::new();
        for _ in 0..count {
            if self.fixed(1)? == 1 {
                self.vbr(8)?;
                ops.push(Op::Literal);
                continue;
            }
            ops.push(match self.fixed(3)? {
                1 => Op::Fixed(self.vbr(5)? as u32),
                2 => Op::Vbr(self.vbr(5)? as u32),
                3 => Op::Array,
                4 => Op::Fixed(6),
                5 => Op::Blob,
                _ => return None,
            });
        }
        Some(ops.into())
    }

    /// The operands of a record; its code, the first of them, is no field.
    fn abbreviated(&mut self, abbrev: &[Op]) -> Option<()> {
        let first = self.fields.len();
        for (nth, &op) in abbrev.iter().enumerate() {
            match op {
                Op::Array => {
                    let count = self.vbr(6)?;
                    let element = *abbrev.get(nth + 1)?;
                    for _ in 0..count {
                        self.scalar(element)?;
                    }
                    break;
                }
                Op::Blob => {
                    let size = self.vbr(6)?;
                    self.align();
                    self.at = self
                        .at
                        .checked_add(usize::try_from(size).ok()?.checked_mul(8)?)?;
                    self.align();
                }
                _ => self.scalar(op)?,
            }
            if nth == 0 {
                self.fields.truncate(first);
            }
        }
        Some(())
    }

    fn scalar(&mut self, op: Op) -> Option<()> {
        match op {
            Op::Literal => Some(0),
            Op::Fixed(width @ 0..=64) => self.note_fixed(width),
            Op::Vbr(width @ 2..=32) => self.note_vbr(width),
            _ => None,
        }
        .map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::SMALL_MODULE;

    #[test]
    fn a_real_module_is_walked_to_its_end() {
        let fields = find(SMALL_MODULE);
        let last = fields.last().unwrap().bit;
        assert!(fields.len() > 5_000, "{}", fields.len());
        // Only the symbol and string tables, which are blobs, lie behind the last field.
        assert!(last > SMALL_MODULE.len() * 8 / 2, "{last}");
    }

    #[test]
    fn what_is_set_is_read_back_and_nothing_else_changes() {
        let mut file = SMALL_MODULE.to_vec();
        for &field in find(SMALL_MODULE).iter().step_by(97) {
            let old = get(&file, field);
            set(&mut file, field, !old);
            let room = if field.chunks == 0 {
                field.width
            } else {
                field.chunks * (field.width - 1)
            };
            let mask = u64::MAX.checked_shr(64 - room.min(64)).unwrap_or(0);
            assert_eq!(get(&file, field), !old & mask);
            set(&mut file, field, old);
        }
        assert_eq!(file, SMALL_MODULE);
    }
}
