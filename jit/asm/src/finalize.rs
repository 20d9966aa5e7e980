//! Resolution: fixups become displacements, what is left becomes relocations.
//!
//! Before: `text` and `data` hold zeros or stale bytes where labels are referred to. After: every
//! reference between the two sections and within the code is final, for the given distance between
//! them, wherever the pair is placed. References to [`Symbol`]s stay open; the placer fills them in
//! with [`Reloc::apply`] when it knows the addresses.
//!
//! Addends are kept beside the bytes, never in them (as ELF's RELA does), so resolution can be
//! repeated with another distance.

use alloc::vec::Vec;
use core::fmt;

use crate::Symbol;
use crate::buffer::{CodeBuffer, CodeOffset, Fixup, FixupKind, IN_DATA, Label, UNBOUND};

/// What a relocation's field holds. S is the symbol's address, A the addend, P the field's own
/// address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RelocKind {
    /// S + A in 32 bits that the instruction zero-extends, or whose address calculation wraps.
    Abs32,
    /// S + A in 32 bits that the instruction sign-extends: `call [slot]`.
    Abs32Signed,
    /// S + A in 64 bits.
    Abs64,
    /// S + A - P in 32 bits, sign-extended.
    Rel32,
}

/// A field of the code that depends on a symbol's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reloc {
    /// Where the field is.
    pub offset: CodeOffset,
    /// What it holds.
    pub kind: RelocKind,
    /// What it refers to.
    pub symbol: Symbol,
    /// What is added to the symbol's address.
    pub addend: i64,
}

/// Why code could not be finished. All are the caller's doing, none the guest's, except that a huge
/// function can be `TooLarge`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsmError {
    /// A label was used but never bound.
    Unbound(Label),
    /// The field at this offset cannot hold the distance or address.
    OutOfRange(CodeOffset),
    /// The data section's distance from the code does not respect its alignment.
    Misaligned,
    /// The code, or its data, exceeded the buffer's limit.
    TooLarge,
}

impl fmt::Display for AsmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unbound(label) => write!(f, "label {} is used but not bound", label.0),
            Self::OutOfRange(at) => write!(f, "value out of range at code offset {:#x}", at.0),
            Self::Misaligned => f.write_str("constants would be misaligned"),
            Self::TooLarge => f.write_str("code exceeds the limit"),
        }
    }
}

impl core::error::Error for AsmError {}

/// Finished code, borrowed from its buffer.
#[derive(Clone, Copy, Debug)]
pub struct Finalized<'a> {
    /// The instructions.
    pub text: &'a [u8],
    /// Alignment in bytes that `text` must be placed at, at least.
    pub text_align: u32,
    /// Constants and jump tables.
    pub data: &'a [u8],
    /// Address of `data` minus address of `text`.
    pub data_distance: i64,
    /// Fields of `text` still to be filled.
    pub relocs: &'a [Reloc],
}

impl Finalized<'_> {
    /// Text and data in one piece, the gap filled with `int3`. Only for data that follows the text.
    #[must_use]
    pub fn image(&self) -> Vec<u8> {
        let mut image = self.text.to_vec();
        if !self.data.is_empty() {
            debug_assert!(self.data_distance >= self.text.len() as i64);
            image.resize(self.data_distance as usize, 0xCC);
            image.extend_from_slice(self.data);
        }
        image
    }
}

impl CodeBuffer {
    /// The smallest distance at which the data can follow the code.
    #[must_use]
    pub fn nearest_data(&self) -> i64 {
        self.text()
            .len()
            .next_multiple_of(self.data_align() as usize) as i64
    }

    /// Resolves all labels for a data section that will lie `data_distance` bytes after the
    /// beginning of the code (or before it, if negative). Both sections must be placed at multiples
    /// of their alignments. May be called again with another distance.
    ///
    /// # Errors
    /// See [`AsmError`]; the buffer's contents are then unspecified until [`clear`](Self::clear).
    pub fn finalize(&mut self, data_distance: i64) -> Result<Finalized<'_>, AsmError> {
        if self.overflowed() || self.data_len() > self.limit() as usize {
            return Err(AsmError::TooLarge);
        }
        if data_distance & (i64::from(self.data_align()) - 1) != 0 {
            return Err(AsmError::Misaligned);
        }
        self.resolve_text(data_distance)?;
        self.resolve_tables(data_distance)?;
        Ok(Finalized {
            text: self.text(),
            text_align: self.text_align().max(self.data_align()),
            data: &self.data.bytes,
            data_distance,
            relocs: &self.relocs,
        })
    }

    fn resolve_text(&mut self, data_distance: i64) -> Result<(), AsmError> {
        // Taken out so that labels and text can be borrowed beside it.
        let fixups = core::mem::take(&mut self.fixups);
        let result = fixups
            .iter()
            .try_for_each(|fixup| self.resolve(fixup, data_distance));
        self.fixups = fixups;
        result
    }

    /// Fills one field.
    pub(crate) fn resolve(&mut self, fixup: &Fixup, data_distance: i64) -> Result<(), AsmError> {
        let target = self.distance_of(fixup.label, data_distance)?;
        let value = target + i64::from(fixup.addend) - i64::from(fixup.at);
        let out_of_range = AsmError::OutOfRange(CodeOffset(fixup.at));
        let at = fixup.at as usize;
        let text = self.text_mut();
        match fixup.kind {
            FixupKind::Rel8 => text[at] = i8::try_from(value).map_err(|_| out_of_range)? as u8,
            FixupKind::Rel32 => {
                let value = i32::try_from(value).map_err(|_| out_of_range)?;
                text[at..at + 4].copy_from_slice(&value.to_le_bytes());
            }
        }
        Ok(())
    }

    fn resolve_tables(&mut self, data_distance: i64) -> Result<(), AsmError> {
        for index in 0..self.data.entries.len() {
            let entry = self.data.entries[index];
            let target = self.distance_of(entry.target, data_distance)?;
            let value = target - (data_distance + i64::from(entry.table));
            let value = i32::try_from(value).map_err(|_| {
                AsmError::OutOfRange(self.label_offset(entry.target).unwrap_or(CodeOffset(0)))
            })?;
            let at = entry.at as usize;
            self.data.bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
        Ok(())
    }

    /// Distance of a label from the beginning of the code.
    fn distance_of(&self, label: Label, data_distance: i64) -> Result<i64, AsmError> {
        match self.labels[label.0 as usize] {
            UNBOUND => Err(AsmError::Unbound(label)),
            place if place & IN_DATA != 0 => Ok(data_distance + i64::from(place & !IN_DATA)),
            place => Ok(i64::from(place)),
        }
    }
}

impl Reloc {
    /// Fills the field in `text`, which will run at `text_address`, for a symbol at
    /// `symbol_address`.
    ///
    /// # Errors
    /// [`AsmError::OutOfRange`] if the field cannot hold the value.
    pub fn apply(
        &self,
        text: &mut [u8],
        text_address: u64,
        symbol_address: u64,
    ) -> Result<(), AsmError> {
        let out_of_range = AsmError::OutOfRange(self.offset);
        let at = self.offset.0 as usize;
        let value = symbol_address.wrapping_add_signed(self.addend);
        let field = text.get_mut(at..).ok_or(out_of_range)?;
        let narrow = match self.kind {
            RelocKind::Abs64 => {
                let field = field.get_mut(..8).ok_or(out_of_range)?;
                field.copy_from_slice(&value.to_le_bytes());
                return Ok(());
            }
            RelocKind::Abs32 => u32::try_from(value).ok(),
            RelocKind::Abs32Signed => i32::try_from(value as i64).ok().map(|v| v as u32),
            RelocKind::Rel32 => {
                let place = text_address.wrapping_add(u64::from(self.offset.0));
                i32::try_from(value.wrapping_sub(place) as i64)
                    .ok()
                    .map(|v| v as u32)
            }
        };
        let field = field.get_mut(..4).ok_or(out_of_range)?;
        field.copy_from_slice(&narrow.ok_or(out_of_range)?.to_le_bytes());
        Ok(())
    }
}
