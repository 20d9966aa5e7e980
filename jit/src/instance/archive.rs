//! Archives: many module files in one, found by the symbols that they define.
//!
//! An `ar` file as `llvm-ar` and GNU `ar` write it: a magic line, then members, each behind a header
//! of 60 bytes of text, at even offsets. Two kinds of special members are read:
//!
//! ```text
//! /            GNU symbol table: u32be n, n × u32be offset of a member's header, n names with NUL
//! __.SYMDEF    BSD symbol table: u32 bytes, { u32 name, u32 offset } …, u32 bytes, names with NUL
//! //           GNU long names, "NAME/\n" each; a member called "/123" has the name at byte 123
//! #1/LENGTH    BSD long name: the member's data begins with it
//! ```
//!
//! Nothing is believed: every offset and length is checked against the file when it is used, and the
//! number of symbols is bounded by the table's own bytes. Only the symbol table is read at first; a
//! member is looked at when it is wanted.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use core::fmt;
use hashbrown::HashMap;

const MAGIC: &[u8] = b"!<arch>\n";
const THIN: &[u8] = b"!<thin>\n";
const HEADER: usize = 60;

/// Why an archive cannot be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ArchiveError {
    /// What is wrong.
    pub what: &'static str,
    /// Where in the file, in bytes.
    pub at: usize,
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.what, self.at)
    }
}

/// An archive with its symbol table.
#[derive(Clone, Debug)]
pub struct Archive<'a> {
    /// Name for messages.
    pub name: String,
    bytes: &'a [u8],
    /// Offset of the header of the member that defines a symbol.
    symbols: HashMap<&'a [u8], u32>,
    /// Data of the member with the long names.
    long_names: &'a [u8],
}

/// A member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member<'a> {
    /// Its file name.
    pub name: String,
    /// Its contents.
    pub bytes: &'a [u8],
}

/// A member's header, taken apart.
struct Header<'a> {
    name: &'a [u8],
    data: &'a [u8],
    next: usize,
}

/// Whether a file is an archive.
#[must_use]
pub fn is_archive(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC) || bytes.starts_with(THIN)
}

impl<'a> Archive<'a> {
    /// Reads the symbol table of an archive; `name` is for messages.
    ///
    /// # Errors
    /// It is no archive, is damaged, or has no symbol table.
    pub fn parse(name: &str, bytes: &'a [u8]) -> Result<Self, ArchiveError> {
        if bytes.starts_with(THIN) {
            return Err(fail("a thin archive, which holds no members", 0));
        }
        if !bytes.starts_with(MAGIC) {
            return Err(fail("not an archive", 0));
        }
        let mut archive = Self {
            name: name.to_owned(),
            bytes,
            symbols: HashMap::new(),
            long_names: &[],
        };
        let mut at = MAGIC.len();
        let mut found = at >= bytes.len();
        // The tables come first: reading stops at the first ordinary member.
        while at < bytes.len() {
            let header = header(bytes, at)?;
            let (name, data) = (header.name, header.data);
            if name == b"/" {
                archive.symbols = gnu_symbols(data, at)?;
                found = true;
            } else if name == b"//" {
                archive.long_names = data;
            } else if is_bsd_table(name, data) {
                archive.symbols = bsd_symbols(name, data, at)?;
                found = true;
            } else if name == b"/SYM64" || name == b"__.SYMDEF_64" {
                return Err(fail("a symbol table of 64 bits", at));
            } else {
                break;
            }
            at = header.next;
        }
        if !found {
            return Err(fail("no symbol table (llvm-ranlib makes one)", at));
        }
        Ok(archive)
    }

    /// The member that defines `symbol`, by the offset of its header.
    #[must_use]
    pub fn defines(&self, symbol: &str) -> Option<u32> {
        self.symbols.get(symbol.as_bytes()).copied()
    }

    /// The member whose header is at `offset`.
    ///
    /// # Errors
    /// There is none, or it is damaged.
    pub fn member(&self, offset: u32) -> Result<Member<'a>, ArchiveError> {
        let at = offset as usize;
        let Header { name, data, .. } = header(self.bytes, at)?;
        let (name, bytes) = if let Some(digits) = name.strip_prefix(b"#1/") {
            let length = number(digits).ok_or(fail("a wrong length of a name", at))?;
            let split = data.split_at_checked(length);
            split.ok_or(fail("a name that is longer than its member", at))?
        } else if let Some(digits) = name.strip_prefix(b"/") {
            (self.long_name(digits, at)?, data)
        } else {
            (name.strip_suffix(b"/").unwrap_or(name), data)
        };
        let name = trim_end(name, 0);
        Ok(Member {
            name: String::from_utf8_lossy(name).into_owned(),
            bytes,
        })
    }

    fn long_name(&self, digits: &[u8], at: usize) -> Result<&'a [u8], ArchiveError> {
        let start = number(digits).ok_or(fail("a wrong name", at))?;
        let rest = self.long_names.get(start..);
        let rest = rest.ok_or(fail("a name outside the table of names", at))?;
        let end = rest.iter().position(|&byte| byte == b'\n');
        let name = &rest[..end.unwrap_or(rest.len())];
        Ok(name.strip_suffix(b"/").unwrap_or(name))
    }

    /// How a member is called in messages.
    #[must_use]
    pub fn title(&self, member: &Member<'_>) -> String {
        format!("{}({})", self.name, member.name)
    }
}

fn fail(what: &'static str, at: usize) -> ArchiveError {
    ArchiveError { what, at }
}

/// The header at byte `at`: name 16, dates, owners and mode 32, size 10, two magic bytes.
fn header(bytes: &[u8], at: usize) -> Result<Header<'_>, ArchiveError> {
    let start = at.checked_add(HEADER);
    let text = start.and_then(|start| bytes.get(at..start));
    let text = text.ok_or(fail("the file ends in a member's header", at))?;
    if !text.ends_with(b"`\n") {
        return Err(fail("no member's header", at));
    }
    let size = number(&text[48..58]).ok_or(fail("a wrong size of a member", at))?;
    let start = at + HEADER;
    let end = start.checked_add(size).filter(|&end| end <= bytes.len());
    let end = end.ok_or(fail("a member that ends behind the file", at))?;
    Ok(Header {
        name: trim_end(&text[..16], b' '),
        data: &bytes[start..end],
        next: end.next_multiple_of(2),
    })
}

/// Digits, padded with blanks.
fn number(text: &[u8]) -> Option<usize> {
    core::str::from_utf8(trim_end(text, b' '))
        .ok()?
        .parse()
        .ok()
}

fn trim_end(mut text: &[u8], pad: u8) -> &[u8] {
    while let Some(shorter) = text.strip_suffix(&[pad]) {
        text = shorter;
    }
    text
}

/// A symbol table of BSD, under its plain or its long name.
fn is_bsd_table(name: &[u8], data: &[u8]) -> bool {
    let table = b"__.SYMDEF";
    (name.starts_with(table) && name != b"__.SYMDEF_64")
        || (name.starts_with(b"#1/") && data.starts_with(table))
}

fn word(data: &[u8], at: usize) -> Option<[u8; 4]> {
    data.get(at..at.checked_add(4)?)?.try_into().ok()
}

fn gnu_symbols(data: &[u8], at: usize) -> Result<HashMap<&[u8], u32>, ArchiveError> {
    let damaged = fail("a damaged symbol table", at);
    let offset = |index: usize| Some(u32::from_be_bytes(word(data, index.checked_mul(4)?)?));
    let count = offset(0).ok_or(damaged.clone())? as usize;
    let names = count.checked_add(1).and_then(|words| words.checked_mul(4));
    let names = names.and_then(|start| data.get(start..));
    let mut names = names.ok_or(damaged.clone())?.split(|&byte| byte == 0);
    let mut symbols = HashMap::with_capacity(count);
    for index in 1..=count {
        let entry = names.next().zip(offset(index));
        let (name, member) = entry.ok_or(damaged.clone())?;
        // The first member that defines a symbol is the one that is taken.
        symbols.entry(name).or_insert(member);
    }
    Ok(symbols)
}

fn bsd_symbols<'a>(
    name: &[u8],
    data: &'a [u8],
    at: usize,
) -> Result<HashMap<&'a [u8], u32>, ArchiveError> {
    let damaged = fail("a damaged symbol table", at);
    let skip = name.strip_prefix(b"#1/").map_or(Some(0), number);
    let data = skip.and_then(|skip| data.get(skip..));
    let data = data.ok_or(damaged.clone())?;
    let word = |at: usize| Some(u32::from_le_bytes(word(data, at)?));
    let bytes = word(0).ok_or(damaged.clone())? as usize;
    let names = bytes.checked_add(8).and_then(|start| data.get(start..));
    let names = names.ok_or(damaged.clone())?;
    let mut symbols = HashMap::new();
    for entry in (4..4 + bytes / 8 * 8).step_by(8) {
        let (start, member) = word(entry).zip(word(entry + 4)).ok_or(damaged.clone())?;
        let rest = names.get(start as usize..).ok_or(damaged.clone())?;
        let end = rest.iter().position(|&byte| byte == 0);
        let name = &rest[..end.ok_or(damaged.clone())?];
        symbols.entry(name).or_insert(member);
    }
    Ok(symbols)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn member(name: &str, data: &[u8]) -> Vec<u8> {
        let size = data.len();
        let mut bytes = format!("{name:16}{:32}{size:<10}`\n", "0").into_bytes();
        bytes.extend(data);
        if !size.is_multiple_of(2) {
            bytes.push(b'\n');
        }
        bytes
    }

    fn gnu() -> Vec<u8> {
        let mut table = Vec::new();
        let names = b"f\0g\0";
        let long = member("//", b"a_name_that_is_too_long.o/\n");
        let first = MAGIC.len() + HEADER + 4 + 8 + names.len() + long.len();
        let one = member("short.o/", b"one");
        for word in [2, first as u32, (first + one.len()) as u32] {
            table.extend(word.to_be_bytes());
        }
        table.extend(names);
        [
            MAGIC.to_vec(),
            member("/", &table),
            long,
            one,
            member("/0", b"second"),
        ]
        .concat()
    }

    fn bsd() -> Vec<u8> {
        let mut table = b"__.SYMDEF\0\0\0".to_vec();
        let first = (MAGIC.len() + HEADER + table.len() + 20) as u32;
        for word in [8, 0, first, 4] {
            table.extend(word.to_le_bytes());
        }
        table.extend(b"sym\0");
        let data = b"longer_name.o\0\0\0data";
        [
            MAGIC.to_vec(),
            member("#1/12", &table),
            member("#1/16", data),
        ]
        .concat()
    }

    #[test]
    fn members_are_found_by_symbol_under_their_names() {
        let file = gnu();
        let archive = Archive::parse("lib.a", &file).unwrap();
        let find = |symbol| archive.member(archive.defines(symbol).unwrap()).unwrap();
        assert_eq!(
            (find("f").name.as_str(), find("f").bytes),
            ("short.o", &b"one"[..])
        );
        assert_eq!(find("g").bytes, b"second");
        assert_eq!(
            archive.title(&find("g")),
            "lib.a(a_name_that_is_too_long.o)"
        );
        assert_eq!(archive.defines("h"), None);
        let file = bsd();
        let archive = Archive::parse("lib.a", &file).unwrap();
        let found = archive.member(archive.defines("sym").unwrap()).unwrap();
        assert_eq!(
            (found.name.as_str(), found.bytes),
            ("longer_name.o", &b"data"[..])
        );
    }

    #[test]
    fn an_archive_without_symbols_or_of_another_kind_is_refused() {
        let plain = [MAGIC.to_vec(), member("x.o/", b"x")].concat();
        let why = Archive::parse("x.a", &plain).unwrap_err();
        assert!(why.to_string().contains("no symbol table"), "{why}");
        assert!(Archive::parse("x.a", THIN).is_err());
        assert!(Archive::parse("x.a", b"BC").is_err());
        assert!(Archive::parse("x.a", MAGIC).is_ok(), "an empty archive");
    }

    #[test]
    fn no_damage_makes_the_reader_fail_otherwise_than_by_an_error() {
        for file in [gnu(), bsd()] {
            for at in 0..file.len() {
                for byte in [0, b'9', b'/', 0xff] {
                    let mut damaged = file.clone();
                    damaged[at] = byte;
                    exhaust(&damaged);
                }
                exhaust(&file[..at]);
            }
        }
    }

    fn exhaust(file: &[u8]) {
        let Ok(archive) = Archive::parse("x.a", file) else {
            return;
        };
        for &offset in archive.symbols.values() {
            let _ = archive.member(offset);
        }
    }

    use alloc::string::ToString as _;
}
