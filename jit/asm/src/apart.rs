//! Finishing code whose constants will lie at a distance that is not known yet.
//!
//! A code cache places instructions and constants in two regions and moves neither again; how far
//! apart they will be is decided after compilation. So references within the code are resolved here,
//! and those between the sections are handed out as a list: displacements of the code into the
//! data, and entries of jump tables. [`CodeBuffer::finalize`] is the other way, for a known distance.

use alloc::vec::Vec;

use crate::buffer::{CodeBuffer, CodeOffset, FixupKind, IN_DATA, UNBOUND};
use crate::finalize::{AsmError, Reloc};

/// A 32-bit displacement of the code that refers to the data: to be filled with
/// `data + to - (code + end)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataReference {
    /// Offset of the field in the code.
    pub at: CodeOffset,
    /// What the displacement counts from: the end of its instruction.
    pub end: CodeOffset,
    /// Offset in the data.
    pub to: u32,
}

/// A 32-bit jump-table entry of the data: to be filled with `code + to - (data + table)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableReference {
    /// Offset of the entry in the data.
    pub at: u32,
    /// Offset of its table in the data.
    pub table: u32,
    /// Offset in the code.
    pub to: CodeOffset,
}

/// Finished code and data, and what connects them.
#[derive(Clone, Debug)]
pub struct Apart<'a> {
    /// The instructions.
    pub text: &'a [u8],
    /// Alignment in bytes that `text` must be placed at, at least.
    pub text_align: u32,
    /// Constants and jump tables.
    pub data: &'a [u8],
    /// Alignment in bytes that `data` must be placed at, at least.
    pub data_align: u32,
    /// Displacements from the code to the data.
    pub references: Vec<DataReference>,
    /// Entries of jump tables.
    pub entries: Vec<TableReference>,
    /// Fields of `text` that refer to symbols.
    pub relocs: &'a [Reloc],
}

impl CodeBuffer {
    /// Resolves all labels within the code; references between code and data are listed.
    ///
    /// # Errors
    /// See [`AsmError`]; the buffer's contents are then unspecified until [`clear`](Self::clear).
    pub fn finalize_apart(&mut self) -> Result<Apart<'_>, AsmError> {
        if self.overflowed() || self.data_len() > self.limit() as usize {
            return Err(AsmError::TooLarge);
        }
        let mut references = Vec::new();
        // Taken out so that labels and text can be borrowed beside it.
        let fixups = core::mem::take(&mut self.fixups);
        for fixup in &fixups {
            let place = self.labels[fixup.label.0 as usize];
            if place == UNBOUND || place & IN_DATA == 0 {
                self.resolve(fixup, 0)?;
                continue;
            }
            debug_assert_eq!(
                fixup.kind,
                FixupKind::Rel32,
                "branches stay within the code"
            );
            // `label + addend - at`: the addend is the way to the instruction's end, less an offset from
            // the label. Behind the field there is an immediate of at most four bytes; more is offset.
            let to_end = fixup.addend.wrapping_neg();
            let to_end = if (4..=8).contains(&to_end) { to_end } else { 4 };
            let place = place & !IN_DATA;
            references.push(DataReference {
                at: CodeOffset(fixup.at),
                end: CodeOffset(fixup.at + to_end.unsigned_abs()),
                to: place.wrapping_add_signed(fixup.addend + to_end),
            });
        }
        self.fixups = fixups;
        let mut entries = Vec::with_capacity(self.data.entries.len());
        for entry in &self.data.entries {
            let to = self.label_offset(entry.target);
            entries.push(TableReference {
                at: entry.at,
                table: entry.table,
                to: to.ok_or(AsmError::Unbound(entry.target))?,
            });
        }
        Ok(Apart {
            text: self.text(),
            text_align: self.text_align(),
            data: &self.data.bytes,
            data_align: self.data_align(),
            references,
            entries,
            relocs: &self.relocs,
        })
    }
}
