//! The file around the module: wrapper, magic number, and which top-level block is where.
//!
//! Names come after the module that uses them, so the top level is surveyed first: each block is
//! noted and skipped by its length, and only then read in the order in which it is needed.

use alloc::vec::Vec;

use crate::abbrev::BlockInfo;
use crate::error::{Error, Result};
use crate::limits;
use crate::operands::Operands;
use crate::stream::{BlockHead, Entry, Stream};

/// Block kinds (`bitc::BlockIDs`) that mean something to the reader.
pub(crate) mod block {
    pub(crate) const BLOCK_INFO: u32 = 0;
    pub(crate) const MODULE: u32 = 8;
    pub(crate) const ATTRIBUTES: u32 = 9;
    pub(crate) const ATTRIBUTE_GROUPS: u32 = 10;
    pub(crate) const CONSTANTS: u32 = 11;
    pub(crate) const FUNCTION: u32 = 12;
    pub(crate) const IDENTIFICATION: u32 = 13;
    pub(crate) const METADATA: u32 = 15;
    pub(crate) const METADATA_ATTACHMENT: u32 = 16;
    pub(crate) const TYPES: u32 = 17;
    pub(crate) const BUNDLE_TAGS: u32 = 21;
    pub(crate) const METADATA_KINDS: u32 = 22;
    pub(crate) const STRTAB: u32 = 23;
    pub(crate) const SYNC_SCOPES: u32 = 26;
}

/// "BC", C0 DE.
const MAGIC: u64 = 0xDEC0_4342;
/// Magic of the wrapper that Apple's tools put around bitcode.
const WRAPPER: u64 = 0x0B17_C0DE;

/// The bitcode inside a file.
#[derive(Debug)]
pub(crate) struct Container<'a> {
    /// From the magic number on.
    pub(crate) data: &'a [u8],
    /// Bits of the file before that.
    pub(crate) base_bit: u64,
    /// The string table; empty if there is none.
    pub(crate) strtab: &'a [u8],
    /// Who wrote it, e.g. `LLVM19.1.7`.
    pub(crate) producer: Vec<u8>,
    /// The module.
    pub(crate) module: BlockHead,
}

/// Finds the blocks of `file`.
pub(crate) fn open(file: &[u8]) -> Result<Container<'_>> {
    if file.len() > limits::FILE_BYTES {
        return Err(Error::limit(0, "size of the file"));
    }
    let (data, offset) = unwrap(file)?;
    let base_bit = (offset as u64).wrapping_mul(8);
    survey(data, base_bit).map_err(|error| error.moved_by(base_bit))
}

/// Takes off the wrapper: magic, version, offset, size, CPU; five little-endian words.
fn unwrap(file: &[u8]) -> Result<(&[u8], usize)> {
    let word = |at: usize| {
        let bytes = file.get(at..).and_then(|rest| rest.first_chunk::<4>());
        bytes.map(|bytes| u64::from(u32::from_le_bytes(*bytes)))
    };
    if word(0) != Some(WRAPPER) {
        return Ok((file, 0));
    }
    let field = |at| word(at).and_then(|word| usize::try_from(word).ok());
    let (offset, size) = (field(8), field(12));
    let inside = offset.zip(size).and_then(|(offset, size)| {
        let data = file.get(offset..offset.checked_add(size)?)?;
        (offset >= 20 && offset & 3 == 0).then_some((data, offset))
    });
    inside.ok_or_else(|| Error::malformed(64, "wrapper around something outside the file"))
}

fn survey(data: &[u8], base_bit: u64) -> Result<Container<'_>> {
    if data.len() & 3 != 0 {
        return Err(Error::malformed(0, "size is not a multiple of 4"));
    }
    let mut stream = Stream::new(data, BlockInfo::default());
    if stream.fixed(32) != MAGIC {
        return Err(Error::malformed(0, "no bitcode magic number"));
    }
    let (mut strtab, mut producer, mut module) = (None, Vec::new(), None);
    while !stream.at_end() {
        let Entry::Block(head) = stream.next()? else {
            return Err(Error::malformed(stream.bit(), "record outside all blocks"));
        };
        match head.id {
            block::IDENTIFICATION => producer = identification(&mut stream, &head)?,
            block::STRTAB if strtab.is_none() => strtab = Some(string_table(&mut stream, &head)?),
            block::STRTAB => return Err(Error::malformed(stream.bit(), "second string table")),
            block::MODULE if module.is_none() => {
                module = Some(head);
                stream.skip(&head);
            }
            block::MODULE => {
                return Err(Error::unsupported(stream.bit(), "file of several modules"));
            }
            // The symbol table is for linkers; what else comes in future is not ours either.
            _ => stream.skip(&head),
        }
    }
    let module = module.ok_or_else(|| Error::malformed(stream.bit(), "no module"))?;
    Ok(Container {
        data,
        base_bit,
        strtab: strtab.unwrap_or(&[]),
        producer,
        module,
    })
}

/// Producer and epoch. An epoch other than 0 announces incompatible files.
fn identification(stream: &mut Stream<'_>, head: &BlockHead) -> Result<Vec<u8>> {
    let mut producer = Vec::new();
    stream.enter(head)?;
    loop {
        match stream.next()? {
            Entry::End => return Ok(producer),
            Entry::Block(inner) => stream.skip(&inner),
            Entry::Record(1) => producer = bytes(stream)?,
            Entry::Record(2) if stream.ops().first() != Some(&0) => {
                return Err(Error::unsupported(
                    stream.bit(),
                    "bitcode epoch other than 0",
                ));
            }
            Entry::Record(_) => {}
        }
    }
}

fn string_table<'a>(stream: &mut Stream<'a>, head: &BlockHead) -> Result<&'a [u8]> {
    let mut table: &[u8] = &[];
    stream.enter(head)?;
    loop {
        match stream.next()? {
            Entry::End => return Ok(table),
            Entry::Block(inner) => stream.skip(&inner),
            Entry::Record(1) => {
                let missing = || Error::malformed(stream.bit(), "string table without bytes");
                table = stream.blob().ok_or_else(missing)?;
            }
            Entry::Record(_) => {}
        }
    }
}

/// All operands of the last record as bytes.
pub(crate) fn bytes(stream: &Stream<'_>) -> Result<Vec<u8>> {
    let ops = Operands::new(stream.ops(), stream.bit());
    let text: core::result::Result<_, _> = ops.rest().iter().map(|op| u8::try_from(*op)).collect();
    text.map_err(|_| ops.malformed("character of a string"))
}
