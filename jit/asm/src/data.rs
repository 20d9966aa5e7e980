//! Constants and jump tables: the read-only data that belongs to a piece of code.
//!
//! Executable pages hold only instructions, so the data is a section of its own. Code reaches it
//! relative to RIP; the distance between the two sections is known when
//! [`CodeBuffer::finalize`] is called. A label made here points into the data and can be used in
//! [`Mem::label`](crate::Mem::label) at once.

use alloc::vec::Vec;

use crate::buffer::{CodeBuffer, IN_DATA, Label};

/// How many of the latest constants are compared with a new one: bounds the time that a function
/// with thousands of constants spends here, at the price of some duplicates in it.
const DEDUP_WINDOW: usize = 64;

/// A constant in the pool.
#[derive(Clone, Copy, Debug)]
struct Constant {
    offset: u32,
    len: u32,
    label: Label,
}

/// A jump table's entry that waits for a label of the code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TableEntry {
    /// Offset of the entry in the data.
    pub(crate) at: u32,
    /// Offset of the table in the data; the entry is relative to it.
    pub(crate) table: u32,
    pub(crate) target: Label,
}

/// The data section being built.
#[derive(Debug)]
pub(crate) struct Data {
    pub(crate) bytes: Vec<u8>,
    pub(crate) align: u32,
    pub(crate) entries: Vec<TableEntry>,
    constants: Vec<Constant>,
}

impl Default for Data {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            align: 1,
            entries: Vec::new(),
            constants: Vec::new(),
        }
    }
}

impl Data {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.align = 1;
        self.entries.clear();
        self.constants.clear();
    }

    /// Pads to `align` and returns the offset reached.
    fn aligned_end(&mut self, align: u32) -> u32 {
        debug_assert!(align.is_power_of_two());
        self.align = self.align.max(align);
        self.bytes
            .resize(self.bytes.len().next_multiple_of(align as usize), 0);
        self.bytes.len() as u32
    }
}

impl CodeBuffer {
    /// A constant of the given bytes in the data section, at a multiple of `align` (a power of
    /// two). An equal constant made shortly before is used again.
    pub fn constant(&mut self, bytes: &[u8], align: u32) -> Label {
        let known = self
            .data
            .constants
            .iter()
            .rev()
            .take(DEDUP_WINDOW)
            .find(|c| {
                let place = c.offset as usize..(c.offset + c.len) as usize;
                c.offset.is_multiple_of(align) && self.data.bytes[place] == *bytes
            });
        if let Some(constant) = known {
            return constant.label;
        }
        let offset = self.data.aligned_end(align);
        self.data.bytes.extend_from_slice(bytes);
        let label = self.new_label(offset | IN_DATA);
        self.data.constants.push(Constant {
            offset,
            len: bytes.len() as u32,
            label,
        });
        label
    }

    /// A jump table in the data section: for each target, in order, its distance from the *table's*
    /// address as a signed 32-bit number. Used as
    /// `lea t, [table]; movsxd i, [t + i*4]; add i, t; jmp i`.
    pub fn jump_table(&mut self, targets: &[Label]) -> Label {
        let table = self.data.aligned_end(4);
        for (index, &target) in targets.iter().enumerate() {
            let at = table + 4 * index as u32;
            self.data.entries.push(TableEntry { at, table, target });
        }
        self.data
            .bytes
            .resize(table as usize + 4 * targets.len(), 0);
        self.new_label(table | IN_DATA)
    }

    /// Size of the data section so far, in bytes.
    #[must_use]
    pub fn data_len(&self) -> usize {
        self.data.bytes.len()
    }

    /// The alignment in bytes that the data section must have, a power of two.
    #[must_use]
    pub const fn data_align(&self) -> u32 {
        self.data.align
    }
}
