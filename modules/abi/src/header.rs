//! The LLBC container: 128 bytes of header, then LLVM bitcode (DESIGN section 8).
//!
//! | offset | size | field | rule |
//! | --- | --- | --- | --- |
//! | 0 | 4 | magic | `0x4C4C4243`, little endian |
//! | 4 | 32 | module name | printable ASCII, NUL-padded |
//! | 36 | 64 | entry function | printable ASCII, NUL-padded; empty means `main` |
//! | 100 | 4 | bitcode size | bytes, multiple of 4, not 0, inside the file; after it only zero bytes |
//! | 104 | 4 | version | 1 |
//! | 108 | 4 | optimisation level | 0 to 3 |
//! | 112 | 4 | CRC-32 (IEEE) of the bitcode | 0 = not given |
//! | 116 | 12 | reserved | 0 |
//!
//! Three older descriptions of this header disagree about its length (120, 124, 128 bytes), so a
//! file written by another tool is likely to be *shifted*. That is why every field has a rule that
//! can fail and why the error says which one did: a shifted file is then recognised in seconds.
//!
//! A plain `.bc` file, raw (`BC` C0 DE) or in Apple's wrapper (`0x0B17C0DE`), is accepted too: it
//! has no name, `main` is its entry, and its level is unknown. What is *inside* the bitcode is not
//! looked at here, except that it starts like bitcode.

use alloc::vec::Vec;
use core::fmt;

/// Length of the header in bytes; the bitcode starts here.
pub const HEADER_SIZE: usize = 128;
/// First word of an LLBC file, little endian: "LLBC" read as a number.
pub const MAGIC: u32 = 0x4C4C_4243;
/// The only version of the header there is.
pub const VERSION: u32 = 1;
/// Highest optimisation level that a header may state.
pub const MAX_LEVEL: u32 = 3;
/// Entry function when the header names none.
pub const DEFAULT_ENTRY: &str = "main";

/// First bytes of raw LLVM bitcode.
const RAW_MAGIC: [u8; 4] = *b"BC\xC0\xDE";
/// First bytes of bitcode in Apple's wrapper: `0x0B17C0DE`, little endian.
const WRAPPER_MAGIC: [u8; 4] = 0x0B17_C0DE_u32.to_le_bytes();

const NAME: usize = 4;
const NAME_SIZE: usize = 32;
const ENTRY: usize = 36;
const ENTRY_SIZE: usize = 64;
const SIZE: usize = 100;
const VERSION_AT: usize = 104;
const LEVEL: usize = 108;
const CRC: usize = 112;
const RESERVED: usize = 116;

/// What is wrong with a module file. Messages start with the field's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// Neither an LLBC file nor plain bitcode; the first bytes (0 where the file is shorter).
    Magic([u8; 4]),
    /// The file ends inside the header; its length in bytes.
    Truncated(usize),
    /// The module name is not printable ASCII with NUL padding, or too long.
    Name(TextError),
    /// The entry function's name is not printable ASCII with NUL padding, or too long.
    Entry(TextError),
    /// The bitcode size is 0 or not a multiple of 4.
    SizeNotWords(u32),
    /// The bitcode would end after the file.
    SizePastEnd {
        /// Size stated, in bytes.
        stated: u32,
        /// Bytes that follow the header.
        available: usize,
    },
    /// The bitcode is longer than the header's 32-bit size field can say, in bytes.
    SizeTooLarge(usize),
    /// A byte other than zero follows the bitcode, at this file offset.
    TrailingData(usize),
    /// Not version 1.
    Version(u32),
    /// Not an optimisation level of clang.
    Level(u32),
    /// The bitcode is not what the checksum was made from.
    Crc {
        /// Checksum in the header.
        stated: u32,
        /// Checksum of the bitcode found.
        computed: u32,
    },
    /// A reserved byte is not zero; its file offset.
    Reserved(usize),
    /// What follows the header does not start like bitcode; its first bytes.
    Bitcode([u8; 4]),
}

/// What is wrong with a text field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextError {
    /// A byte that is not printable ASCII.
    NotPrintable {
        /// Position in the text.
        at: usize,
        /// The byte.
        byte: u8,
    },
    /// A byte other than NUL after the first NUL; its position in the field.
    AfterNul(usize),
    /// Longer than the field; the field's size in bytes.
    TooLong(usize),
}

impl HeaderError {
    /// Name of the field that is wrong, as in the table at the head of this file.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        match self {
            Self::Magic(_) => "magic",
            Self::Truncated(_) => "header",
            Self::Name(_) => "module name",
            Self::Entry(_) => "entry function",
            Self::SizeNotWords(_)
            | Self::SizePastEnd { .. }
            | Self::SizeTooLarge(_)
            | Self::TrailingData(_) => "bitcode size",
            Self::Version(_) => "version",
            Self::Level(_) => "optimisation level",
            Self::Crc { .. } => "CRC-32",
            Self::Reserved(_) => "reserved",
            Self::Bitcode(_) => "bitcode",
        }
    }
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPrintable { at, byte } => {
                write!(f, "byte {at} is {byte:#04x}, which is not printable ASCII")
            }
            Self::AfterNul(at) => write!(f, "byte {at} follows the end of the text and is not 0"),
            Self::TooLong(size) => write!(f, "longer than {size} bytes"),
        }
    }
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.field())?;
        match self {
            Self::Magic(found) => write!(f, "{found:02x?} starts neither an LLBC file nor bitcode"),
            Self::Truncated(length) => {
                write!(f, "the file has {length} bytes, the header {HEADER_SIZE}")
            }
            Self::Name(text) | Self::Entry(text) => text.fmt(f),
            Self::SizeNotWords(0) => f.write_str("0 bytes of bitcode"),
            Self::SizeNotWords(size) => write!(f, "{size} is not a multiple of 4"),
            Self::SizePastEnd { stated, available } => {
                write!(
                    f,
                    "{stated} bytes stated, {available} bytes follow the header"
                )
            }
            Self::SizeTooLarge(size) => write!(f, "{size} bytes do not fit into 32 bits"),
            Self::TrailingData(at) => {
                write!(f, "byte {at} of the file follows the bitcode and is not 0")
            }
            Self::Version(found) => write!(f, "{found} instead of {VERSION}"),
            Self::Level(found) => write!(f, "{found} is not one of 0 to {MAX_LEVEL}"),
            Self::Crc { stated, computed } => {
                write!(f, "{stated:#010x} stated, {computed:#010x} computed")
            }
            Self::Reserved(at) => write!(f, "byte {at} of the file is not 0"),
            Self::Bitcode(found) => write!(f, "starts with {found:02x?}"),
        }
    }
}

impl core::error::Error for HeaderError {}

/// A module file, taken apart; borrows the file's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadedFile<'a> {
    /// The module's name; empty if the file does not say.
    pub name: &'a str,
    /// The function to call; never empty.
    pub entry: &'a str,
    /// clang's optimisation level, 0 to 3; `None` for plain bitcode.
    pub level: Option<u8>,
    /// The bitcode: raw or in Apple's wrapper.
    pub bitcode: &'a [u8],
}

/// The reader of module files.
#[derive(Clone, Copy, Debug)]
pub struct Container;

impl Container {
    /// Takes a module file apart: LLBC, or plain bitcode.
    ///
    /// # Errors
    /// The first rule of the table at the head of this file that the bytes break, in file order.
    pub fn parse(file: &[u8]) -> Result<LoadedFile<'_>, HeaderError> {
        if is_bitcode(file) {
            return Ok(LoadedFile {
                name: "",
                entry: DEFAULT_ENTRY,
                level: None,
                bitcode: file,
            });
        }
        if !file.starts_with(&MAGIC.to_le_bytes()) {
            return Err(HeaderError::Magic(first_bytes(file)));
        }
        let Some((header, body)) = file.split_first_chunk::<HEADER_SIZE>() else {
            return Err(HeaderError::Truncated(file.len()));
        };
        let name = text(&header[NAME..ENTRY]).map_err(HeaderError::Name)?;
        let entry = text(&header[ENTRY..SIZE]).map_err(HeaderError::Entry)?;
        let bitcode = split_bitcode(body, word(header, SIZE))?;
        let level = check_numbers(header, bitcode)?;
        if !is_bitcode(bitcode) {
            return Err(HeaderError::Bitcode(first_bytes(bitcode)));
        }
        Ok(LoadedFile {
            name,
            entry: if entry.is_empty() {
                DEFAULT_ENTRY
            } else {
                entry
            },
            level: Some(level),
            bitcode,
        })
    }
}

/// A header to be written in front of bitcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The module's name: printable ASCII, at most 32 bytes.
    pub name: &'a str,
    /// The function to call: printable ASCII, at most 64 bytes; empty means `main`.
    pub entry: &'a str,
    /// clang's optimisation level, 0 to 3.
    pub level: u8,
}

impl Header<'_> {
    /// The LLBC file: header with checksum, then the bitcode.
    ///
    /// # Errors
    /// The first field that breaks its rule; what this returns, [`Container::parse`] accepts.
    pub fn wrap(&self, bitcode: &[u8]) -> Result<Vec<u8>, HeaderError> {
        let size =
            u32::try_from(bitcode.len()).map_err(|_| HeaderError::SizeTooLarge(bitcode.len()))?;
        if size == 0 || !size.is_multiple_of(4) {
            return Err(HeaderError::SizeNotWords(size));
        }
        if !is_bitcode(bitcode) {
            return Err(HeaderError::Bitcode(first_bytes(bitcode)));
        }
        let level = u32::from(self.level);
        if level > MAX_LEVEL {
            return Err(HeaderError::Level(level));
        }
        let mut file = Vec::with_capacity(HEADER_SIZE + bitcode.len());
        file.extend(MAGIC.to_le_bytes());
        push_text(&mut file, self.name, NAME_SIZE).map_err(HeaderError::Name)?;
        push_text(&mut file, self.entry, ENTRY_SIZE).map_err(HeaderError::Entry)?;
        for number in [size, VERSION, level, crc32fast::hash(bitcode)] {
            file.extend(number.to_le_bytes());
        }
        file.resize(HEADER_SIZE, 0);
        file.extend_from_slice(bitcode);
        Ok(file)
    }
}

/// Whether the bytes start like bitcode, raw or wrapped.
fn is_bitcode(bytes: &[u8]) -> bool {
    bytes.starts_with(&RAW_MAGIC) || bytes.starts_with(&WRAPPER_MAGIC)
}

/// The first four bytes for a message; 0 where there are fewer.
fn first_bytes(bytes: &[u8]) -> [u8; 4] {
    let mut first = [0; 4];
    for (to, from) in first.iter_mut().zip(bytes) {
        *to = *from;
    }
    first
}

/// The little-endian word at a constant offset.
fn word(header: &[u8; HEADER_SIZE], at: usize) -> u32 {
    u32::from_le_bytes(first_bytes(&header[at..]))
}

/// The text of a NUL-padded field.
fn text(field: &[u8]) -> Result<&str, TextError> {
    let length = field.iter().position(|&b| b == 0).unwrap_or(field.len());
    let (text, padding) = field.split_at(length);
    if let Some(at) = padding.iter().position(|&b| b != 0) {
        return Err(TextError::AfterNul(length + at));
    }
    check_printable(text)?;
    // Printable ASCII is UTF-8, so the fallback is never taken.
    Ok(core::str::from_utf8(text).unwrap_or_default())
}

/// Appends a text, NUL-padded to the size of its field.
fn push_text(file: &mut Vec<u8>, text: &str, size: usize) -> Result<(), TextError> {
    check_printable(text.as_bytes())?;
    if text.len() > size {
        return Err(TextError::TooLong(size));
    }
    let end = file.len() + size;
    file.extend_from_slice(text.as_bytes());
    file.resize(end, 0);
    Ok(())
}

fn check_printable(text: &[u8]) -> Result<(), TextError> {
    match text.iter().position(|b| !matches!(b, b' '..=b'~')) {
        Some(at) => Err(TextError::NotPrintable { at, byte: text[at] }),
        None => Ok(()),
    }
}

/// The bitcode of the stated size; whatever follows it must be padding.
fn split_bitcode(body: &[u8], size: u32) -> Result<&[u8], HeaderError> {
    if size == 0 || !size.is_multiple_of(4) {
        return Err(HeaderError::SizeNotWords(size));
    }
    let split = usize::try_from(size)
        .ok()
        .and_then(|size| body.split_at_checked(size));
    let Some((bitcode, padding)) = split else {
        return Err(HeaderError::SizePastEnd {
            stated: size,
            available: body.len(),
        });
    };
    match padding.iter().position(|&b| b != 0) {
        Some(at) => Err(HeaderError::TrailingData(HEADER_SIZE + bitcode.len() + at)),
        None => Ok(bitcode),
    }
}

/// Checks version, level, checksum and the reserved bytes; returns the level.
fn check_numbers(header: &[u8; HEADER_SIZE], bitcode: &[u8]) -> Result<u8, HeaderError> {
    let version = word(header, VERSION_AT);
    if version != VERSION {
        return Err(HeaderError::Version(version));
    }
    let level = word(header, LEVEL);
    let small_level = match u8::try_from(level) {
        Ok(small) if level <= MAX_LEVEL => small,
        _ => return Err(HeaderError::Level(level)),
    };
    let stated = word(header, CRC);
    if stated != 0 {
        let computed = crc32fast::hash(bitcode);
        if stated != computed {
            return Err(HeaderError::Crc { stated, computed });
        }
    }
    match header[RESERVED..].iter().position(|&b| b != 0) {
        Some(at) => Err(HeaderError::Reserved(RESERVED + at)),
        None => Ok(small_level),
    }
}
