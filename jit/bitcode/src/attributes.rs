//! Attributes: groups of them, and the lists of groups that functions and calls name.
//!
//! Kept as data and not judged: an unknown kind is data too, since a group delimits itself
//! (LLVM instead refuses files of newer compilers, which carry attributes it has not heard of).
//!
//! ```text
//!  group   id, place (all ones: function, 0: result, n + 1: parameter n), attributes
//!  attribute, by its first operand:
//!    0 kind                      1 kind, number
//!    3 name NUL                  4 name NUL value NUL
//!    5 kind                      6 kind, type
//!    7 kind, width, from, to     8 kind, count, width, (from, to)…
//!  list    group ids; functions and calls name a list by its number plus one
//! ```

use alloc::vec::Vec;
use core::ops::Range;

use crate::error::{Error, Result};
use crate::limits;
use crate::operands::{Operands, unrotate};
use crate::stream::{BlockHead, Entry, Stream};
use crate::types::TypeId;

/// What an attribute is attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttributeIndex {
    /// The function or the call as a whole.
    Function,
    /// The result.
    Result,
    /// The parameter or argument with this number.
    Param(u32),
}

/// An attribute's number in LLVM (`bitc::AttributeKindCodes`), named where semantics depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttributeKind(pub u32);

#[expect(
    missing_docs,
    reason = "the names are LLVM's own, explained in its language reference"
)]
impl AttributeKind {
    pub const ALIGN: Self = Self(1);
    pub const ALWAYS_INLINE: Self = Self(2);
    pub const BYVAL: Self = Self(3);
    pub const INREG: Self = Self(5);
    pub const NAKED: Self = Self(7);
    pub const NEST: Self = Self(8);
    pub const NOALIAS: Self = Self(9);
    pub const NOINLINE: Self = Self(14);
    pub const NORETURN: Self = Self(17);
    pub const NOUNWIND: Self = Self(18);
    pub const READNONE: Self = Self(20);
    pub const READONLY: Self = Self(21);
    pub const RETURNED: Self = Self(22);
    pub const RETURNS_TWICE: Self = Self(23);
    pub const SIGNEXT: Self = Self(24);
    pub const ALIGNSTACK: Self = Self(25);
    pub const SRET: Self = Self(29);
    pub const ZEROEXT: Self = Self(34);
    pub const COLD: Self = Self(36);
    pub const OPTNONE: Self = Self(37);
    pub const INALLOCA: Self = Self(38);
    pub const NONNULL: Self = Self(39);
    pub const DEREFERENCEABLE: Self = Self(41);
    pub const SWIFTSELF: Self = Self(46);
    pub const SWIFTERROR: Self = Self(47);
    pub const STRICTFP: Self = Self(54);
    pub const WILLRETURN: Self = Self(61);
    pub const PREALLOCATED: Self = Self(65);
    pub const ELEMENTTYPE: Self = Self(77);
    pub const MEMORY: Self = Self(86);
    pub const RANGE: Self = Self(92);
}

/// An attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its kind; [`AttributeValue::Text`] attributes have kind 0.
    pub kind: AttributeKind,
    /// What it says.
    pub value: AttributeValue,
}

/// What an attribute says beyond its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeValue {
    /// Nothing.
    Flag,
    /// A number: bytes for alignments and `dereferenceable`.
    Int(u64),
    /// A type; absent in some files of clang 14, where the pointer's pointee is meant.
    Type(Option<TypeId>),
    /// A half-open range of integers of at most 64 bits.
    Range {
        /// First value in the range.
        start: i64,
        /// First value after it.
        end: i64,
    },
    /// Something too wide or too rare to keep (wide ranges, `initializes`).
    Other,
    /// A string attribute: name, and value or empty.
    Text(Vec<u8>, Vec<u8>),
}

/// All attributes of a module.
#[derive(Clone, Debug, Default)]
pub struct Attributes {
    attributes: Vec<Attribute>,
    /// Sorted by id when the block ends.
    groups: Vec<Group>,
    /// Ranges of `members`, one per attribute list.
    lists: Vec<Range<usize>>,
    /// Indices into `groups`.
    members: Vec<u32>,
    /// Attributes of all lists, with repetitions: what walking every list once costs.
    listed: usize,
}

#[derive(Clone, Debug)]
struct Group {
    id: u32,
    index: AttributeIndex,
    attributes: Range<usize>,
}

impl Attributes {
    /// Number of attribute lists.
    pub fn len(&self) -> usize {
        self.lists.len()
    }

    /// Whether there is no list.
    pub fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    /// The attributes of a list as functions and calls name it; none for `None`.
    pub fn of(&self, list: Option<u32>) -> impl Iterator<Item = (AttributeIndex, &Attribute)> {
        let members = list
            .and_then(|list| self.lists.get(list as usize))
            .and_then(|range| self.members.get(range.clone()))
            .unwrap_or(&[]);
        members
            .iter()
            .filter_map(|group| self.groups.get(*group as usize))
            .flat_map(|group| {
                let attributes = self.attributes.get(group.attributes.clone()).unwrap_or(&[]);
                attributes.iter().map(|attribute| (group.index, attribute))
            })
    }

    /// Whether the list puts an attribute of this kind at this place.
    pub fn has(&self, list: Option<u32>, index: AttributeIndex, kind: AttributeKind) -> bool {
        self.get(list, index, kind).is_some()
    }

    /// The attribute of this kind that the list puts at this place.
    pub fn get(
        &self,
        list: Option<u32>,
        index: AttributeIndex,
        kind: AttributeKind,
    ) -> Option<&AttributeValue> {
        self.of(list)
            .find(|(at, attribute)| *at == index && attribute.kind == kind)
            .map(|(_, found)| &found.value)
    }

    /// Whether groups have been read.
    pub(crate) fn has_groups(&self) -> bool {
        !self.groups.is_empty()
    }

    /// Reads the PARAMATTR_GROUP block that was just found.
    pub(crate) fn read_groups(&mut self, stream: &mut Stream<'_>, head: &BlockHead) -> Result<()> {
        stream.enter(head)?;
        loop {
            match stream.next()? {
                Entry::End => break,
                Entry::Block(inner) => stream.skip(&inner),
                Entry::Record(3) => self.group(Operands::new(stream.ops(), stream.bit()))?,
                Entry::Record(_) => {}
            }
        }
        self.groups.sort_by_key(|group| group.id);
        Ok(())
    }

    /// Reads the PARAMATTR block that was just found; groups come before it.
    pub(crate) fn read_lists(&mut self, stream: &mut Stream<'_>, head: &BlockHead) -> Result<()> {
        stream.enter(head)?;
        loop {
            match stream.next()? {
                Entry::End => return Ok(()),
                Entry::Block(inner) => stream.skip(&inner),
                Entry::Record(2) => self.list(Operands::new(stream.ops(), stream.bit()))?,
                Entry::Record(_) => {}
            }
        }
    }

    /// [group id…]: one attribute list.
    fn list(&mut self, mut ops: Operands<'_>) -> Result<()> {
        let start = self.members.len();
        while !ops.is_empty() {
            let id = ops.next_u32()?;
            let found = self.groups.binary_search_by_key(&id, |group| group.id);
            let index = found.map_err(|_| ops.malformed("attribute group is not defined"))?;
            let size = self
                .groups
                .get(index)
                .map_or(0, |group| group.attributes.len());
            self.listed = self.listed.saturating_add(size);
            if self.listed > limits::ATTRIBUTES {
                return Err(Error::limit(ops.bit(), "number of attributes"));
            }
            self.members
                .push(u32::try_from(index).map_err(|_| ops.malformed("attribute group"))?);
        }
        self.lists.push(start..self.members.len());
        Ok(())
    }

    /// [id, place, attributes…]: a place is the function, the result or one parameter.
    fn group(&mut self, mut ops: Operands<'_>) -> Result<()> {
        let id = ops.next_u32()?;
        let index = match ops.next_u32()? {
            u32::MAX => AttributeIndex::Function,
            0 => AttributeIndex::Result,
            param => AttributeIndex::Param(param.wrapping_sub(1)),
        };
        let start = self.attributes.len();
        while !ops.is_empty() {
            if self.attributes.len() >= limits::ATTRIBUTES {
                return Err(Error::limit(ops.bit(), "number of attributes"));
            }
            self.attributes.push(attribute(&mut ops)?);
        }
        self.groups.push(Group {
            id,
            index,
            attributes: start..self.attributes.len(),
        });
        Ok(())
    }
}

/// Reads one attribute; its first operand says the form.
fn attribute(ops: &mut Operands<'_>) -> Result<Attribute> {
    let form = ops.next()?;
    if matches!(form, 3 | 4) {
        let name = text(ops)?;
        let value = if form == 4 { text(ops)? } else { Vec::new() };
        return Ok(Attribute {
            kind: AttributeKind(0),
            value: AttributeValue::Text(name, value),
        });
    }
    let kind = AttributeKind(ops.next_u32()?);
    let value = match form {
        0 => AttributeValue::Flag,
        1 => AttributeValue::Int(ops.next()?),
        5 => AttributeValue::Type(None),
        6 => AttributeValue::Type(Some(TypeId(ops.next_u32()?))),
        7 => {
            let width = ops.next()?;
            range(ops, width)?
        }
        8 => {
            // ConstantRangeList: how many, how wide, then the ranges.
            let (count, width) = (ops.next()?, ops.next()?);
            for _ in 0..count {
                range(ops, width)?;
            }
            AttributeValue::Other
        }
        _ => return Err(ops.malformed("form of an attribute")),
    };
    Ok(Attribute { kind, value })
}

/// Reads the bounds of a range of `width`-bit integers (LLVM: `readConstantRange`).
fn range(ops: &mut Operands<'_>, width: u64) -> Result<AttributeValue> {
    if width <= 64 {
        return Ok(AttributeValue::Range {
            start: unrotate(ops.next()?),
            end: unrotate(ops.next()?),
        });
    }
    // Wide bounds: one operand with the two word counts, then the words.
    let counts = ops.next()?;
    let words = (counts & 0xFFFF_FFFF).saturating_add(counts >> 32);
    for _ in 0..words {
        ops.next()?;
    }
    Ok(AttributeValue::Other)
}

/// Reads a NUL-terminated string.
fn text(ops: &mut Operands<'_>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        match u8::try_from(ops.next()?) {
            Ok(0) => return Ok(bytes),
            Ok(byte) => bytes.push(byte),
            Err(_) => return Err(ops.malformed("character of an attribute")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_group(ops: &[u64]) -> Result<Attributes> {
        let mut attributes = Attributes::default();
        attributes.group(Operands::new(ops, 0))?;
        attributes.list(Operands::new(&[ops[0]], 0))?;
        Ok(attributes)
    }

    #[test]
    fn all_forms_are_read_and_unknown_kinds_kept() {
        let mut ops = vec![1, 0xFFFF_FFFF, 0, 14, 1, 86, 5, 4];
        ops.extend(b"a\0b\0".map(u64::from));
        ops.extend([
            3,
            u64::from(b'c'),
            0,
            6,
            3,
            9,
            7,
            92,
            32,
            2,
            8,
            8,
            94,
            1,
            64,
            2,
            4,
            0,
            999,
        ]);
        let attributes = with_group(&ops).unwrap();
        let all: Vec<_> = attributes
            .of(Some(0))
            .map(|(_, attribute)| attribute.clone())
            .collect();
        assert_eq!(all.len(), 8);
        assert_eq!(all[1].value, AttributeValue::Int(5));
        assert_eq!(
            all[2].value,
            AttributeValue::Text(b"a".to_vec(), b"b".to_vec())
        );
        assert_eq!(all[4].value, AttributeValue::Type(Some(TypeId(9))));
        assert_eq!(all[5].value, AttributeValue::Range { start: 1, end: 4 });
        assert_eq!(all[7].kind, AttributeKind(999));
        assert!(attributes.has(Some(0), AttributeIndex::Function, AttributeKind::NOINLINE));
        assert!(!attributes.has(None, AttributeIndex::Function, AttributeKind::NOINLINE));
    }

    #[test]
    fn damaged_groups_are_refused() {
        for ops in [
            &[1, 0, 9, 1][..],
            &[1, 0, 1, 1],
            &[1, 0, 3, 65],
            &[1, 0, 3, 65, 256, 0],
        ] {
            assert!(with_group(ops).is_err(), "{ops:?}");
        }
        let wide = [1, 0, 7, 92, 128, u64::MAX, 0, 0];
        assert!(
            with_group(&wide).is_err(),
            "word counts must not loop past the record"
        );
    }

    #[test]
    fn list_of_an_undefined_group_is_refused() {
        assert!(Attributes::default().list(Operands::new(&[7], 0)).is_err());
    }
}
