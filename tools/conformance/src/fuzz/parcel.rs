//! Inputs of several parts: module files, archives, grants and paths in one run of bytes.
//!
//! ```text
//! "BFPARCEL"  then, up to the end:  kind u8, length u32le, so many bytes
//! ```
//!
//! Any bytes behind the magic are a parcel: a length that is too long means "to the end", and every kind
//! means something. So a mutation of the parcel itself is never a dead end. Whatever does not begin
//! with the magic is a parcel of one file.

/// What a parcel begins with.
const MAGIC: &[u8] = b"BFPARCEL";
/// Bytes in front of an item.
const HEAD: usize = 5;
/// Items that are looked at.
const MOST_ITEMS: usize = 16;

/// What an item is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A module file or an archive: its own bytes say which.
    File,
    /// Granted directories, one a line: `PATH` or `PATH:NAME`.
    Grants,
    /// A path that a program asks for.
    Path,
}

impl Kind {
    fn of(byte: u8) -> Self {
        match byte % 4 {
            2 => Self::Grants,
            3 => Self::Path,
            _ => Self::File,
        }
    }

    fn byte(self) -> u8 {
        match self {
            Self::File => 0,
            Self::Grants => 2,
            Self::Path => 3,
        }
    }
}

/// A part of a parcel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Item<'a> {
    /// What it is.
    pub kind: Kind,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// Whether an input is a parcel and not one file.
#[must_use]
pub fn is_parcel(input: &[u8]) -> bool {
    input.starts_with(MAGIC)
}

/// The parts of an input.
#[must_use]
pub fn open(input: &[u8]) -> Vec<Item<'_>> {
    let Some(mut rest) = input.strip_prefix(MAGIC) else {
        let kind = Kind::File;
        return vec![Item { kind, bytes: input }];
    };
    let mut items = Vec::new();
    while let (Some((head, behind)), true) =
        (rest.split_first_chunk::<HEAD>(), items.len() < MOST_ITEMS)
    {
        let [kind, length @ ..] = *head;
        let length = (u32::from_le_bytes(length) as usize).min(behind.len());
        let (bytes, next) = behind.split_at(length);
        let kind = Kind::of(kind);
        items.push(Item { kind, bytes });
        rest = next;
    }
    items
}

/// A parcel of these items.
#[must_use]
pub fn close<'a>(items: impl IntoIterator<Item = Item<'a>>) -> Vec<u8> {
    let mut parcel = MAGIC.to_vec();
    for Item { kind, bytes } in items {
        parcel.push(kind.byte());
        parcel.extend((bytes.len() as u32).to_le_bytes());
        parcel.extend(bytes);
    }
    parcel
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_closed_opens_again() {
        let items = [
            (Kind::File, &b"module"[..]),
            (Kind::Grants, b"/d"),
            (Kind::Path, b""),
            (Kind::File, b"!<arch>\n"),
        ]
        .map(|(kind, bytes)| Item { kind, bytes });
        assert_eq!(open(&close(items)), items);
        let [alone, ..] = items;
        assert_eq!(open(b"module"), [alone]);
    }

    #[test]
    fn any_bytes_behind_the_magic_are_a_parcel_of_bounded_size() {
        let all = [MAGIC, &[0xff; 3000]].concat();
        assert_eq!(open(&all).len(), 1);
        let empty = [MAGIC, &[0; 3000]].concat();
        assert_eq!(open(&empty).len(), MOST_ITEMS);
        assert!(open(MAGIC).is_empty());
    }
}
