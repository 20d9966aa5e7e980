//! The code buffer: bytes being emitted, labels, fixups.
//!
//! # Emitting
//! `bytes` is always longer than what has been emitted, and its length, not its capacity, is the
//! room: the encoder writes into initialised memory, so it needs no `unsafe` and no length update.
//! Every instruction is stored through a window of [`WINDOW`] bytes at `pos`: one comparison
//! decides whether the window is there, and the compiler sees that the two 8-byte stores stay
//! inside it. What a store writes beyond the instruction's end is overwritten by the next one.
//!
//! # Bound
//! A buffer has a limit in bytes. Emission has no error path: past the limit the buffer starts over
//! at zero, remembers that it did, and [`CodeBuffer::finalize`] reports [`AsmError::TooLarge`]. So
//! nothing panics, memory stays bounded, and the fast path pays nothing for it. The same limit
//! holds for the data section, but is only looked at by `finalize`: its size follows from what the
//! caller has in hand.
//!
//! # Labels and fixups
//! A label is a number; `labels` holds where it is bound. A reference to a bound label of the code
//! is resolved at once (a loop's back edge, in two bytes if it reaches). Every other reference
//! becomes a fixup, resolved by `finalize`: the value written is `label + addend - at`, where `at`
//! is the offset of the field itself, so `addend` is minus the distance from the field to the
//! instruction's end (SDM vol. 2, section 2.2.1.6: RIP-relative means relative to the next
//! instruction).
//!
//! There is no branch relaxation: a forward branch takes rel32 unless the caller promises that it
//! is short. One pass over the code is the point.
//!
//! [`AsmError::TooLarge`]: crate::AsmError::TooLarge

use alloc::vec::Vec;

use crate::data::Data;
use crate::finalize::{Reloc, RelocKind};
use crate::mem::Link;

/// Room that every emission needs: a head of at most 8 bytes, whose length the compiler knows only
/// to be below 16, then a store of 8.
const WINDOW: usize = 24;
/// The first allocation, in bytes.
const FIRST_CAPACITY: usize = 4096;
/// Default limit of a buffer's code, in bytes.
const DEFAULT_LIMIT: u32 = 64 << 20;
/// Largest permitted limit: offsets must stay clear of [`IN_DATA`].
const MAX_LIMIT: u32 = 1 << 30;

/// In `labels`: not bound yet.
pub(crate) const UNBOUND: u32 = u32::MAX;
/// In `labels`: the rest of the value is an offset into the data section, not into the code.
pub(crate) const IN_DATA: u32 = 1 << 31;

/// The bytes of the recommended multi-byte NOPs of 1 to 9 bytes (SDM vol. 2, "NOP", table 4-12),
/// little endian; all bytes not shown are zero.
const NOPS: [u64; 9] = [
    0x90,
    0x9066,
    0x1F0F,
    0x40_1F0F,
    0x44_1F0F,
    0x441F_0F66,
    0x80_1F0F,
    0x84_1F0F,
    0x841F_0F66,
];

/// A position in the code or in its constants. Belongs to the buffer that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(pub(crate) u32);

/// An offset in bytes from the beginning of the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CodeOffset(pub u32);

/// Width of the field that a fixup fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FixupKind {
    Rel8,
    Rel32,
}

/// A field of the code that waits for a label.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fixup {
    /// Offset of the field.
    pub(crate) at: u32,
    pub(crate) label: Label,
    pub(crate) addend: i32,
    pub(crate) kind: FixupKind,
}

/// Code being built. See the head of this file.
#[derive(Debug)]
pub struct CodeBuffer {
    bytes: Vec<u8>,
    pos: u32,
    limit: u32,
    overflowed: bool,
    text_align: u32,
    pub(crate) labels: Vec<u32>,
    pub(crate) fixups: Vec<Fixup>,
    pub(crate) relocs: Vec<Reloc>,
    pub(crate) data: Data,
}

impl Default for CodeBuffer {
    fn default() -> Self {
        Self::new()
    }
}

impl CodeBuffer {
    /// An empty buffer; nothing is allocated before the first instruction.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limit(DEFAULT_LIMIT)
    }

    /// An empty buffer that refuses to hold more than about `limit` bytes of code, and as many of
    /// data (at most 1 GiB each).
    #[must_use]
    pub fn with_limit(limit: u32) -> Self {
        Self {
            bytes: Vec::new(),
            pos: 0,
            limit: limit.min(MAX_LIMIT),
            overflowed: false,
            text_align: 1,
            labels: Vec::new(),
            fixups: Vec::new(),
            relocs: Vec::new(),
            data: Data::default(),
        }
    }

    /// Forgets all contents and keeps the memory, for the next function.
    pub fn clear(&mut self) {
        self.pos = 0;
        self.overflowed = false;
        self.text_align = 1;
        self.labels.clear();
        self.fixups.clear();
        self.relocs.clear();
        self.data.clear();
    }

    /// Makes room for so many bytes of code and as many labels, with a branch to each, of which a
    /// compiler has an idea beforehand.
    pub fn reserve(&mut self, bytes: usize, labels: usize) {
        let bytes = bytes.min(self.limit as usize) + WINDOW;
        if self.bytes.len() < bytes {
            self.bytes.resize(bytes, 0);
        }
        self.labels.reserve(labels);
        self.fixups.reserve(labels);
    }

    /// Where the next instruction will begin.
    #[inline(always)]
    #[must_use]
    pub const fn offset(&self) -> CodeOffset {
        CodeOffset(self.pos)
    }

    /// The code emitted so far, fixups not yet resolved.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.bytes[..self.pos as usize]
    }

    /// The alignment in bytes that the code's first byte must have, a power of two.
    #[must_use]
    pub const fn text_align(&self) -> u32 {
        self.text_align
    }

    /// Whether the limit was exceeded, which makes the contents worthless. A compiler that emits
    /// much may look now and then in order to stop early.
    #[must_use]
    pub const fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// The limit in bytes, for code and data each.
    #[must_use]
    pub const fn limit(&self) -> u32 {
        self.limit
    }

    /// Creates a label that is not bound yet.
    #[inline]
    pub fn label(&mut self) -> Label {
        self.new_label(UNBOUND)
    }

    /// Creates a label bound to the current offset.
    #[inline]
    pub fn here(&mut self) -> Label {
        self.new_label(self.pos)
    }

    /// Binds `label` to the current offset. A label is bound once.
    #[inline]
    pub fn bind(&mut self, label: Label) {
        let place = &mut self.labels[label.0 as usize];
        debug_assert_eq!(*place, UNBOUND, "label bound twice");
        *place = self.pos;
    }

    /// The code offset that `label` is bound to; `None` if it is unbound or names a constant.
    #[must_use]
    pub fn label_offset(&self, label: Label) -> Option<CodeOffset> {
        let place = self.labels[label.0 as usize];
        (place & IN_DATA == 0).then_some(CodeOffset(place))
    }

    /// Pads with NOPs until the offset is a multiple of `align`, a power of two.
    pub fn align(&mut self, align: u32) {
        debug_assert!(align.is_power_of_two());
        self.text_align = self.text_align.max(align);
        let mut missing = self.pos.wrapping_neg() & (align - 1);
        while missing > 0 {
            let len = missing.min(9);
            self.put(NOPS[len as usize - 1], len.min(8), 0, len.saturating_sub(8));
            missing -= len;
        }
    }

    /// Pads with `int3` until the offset is a multiple of `align`, a power of two: for gaps that
    /// are never executed.
    pub fn align_trap(&mut self, align: u32) {
        debug_assert!(align.is_power_of_two());
        self.text_align = self.text_align.max(align);
        let mut missing = self.pos.wrapping_neg() & (align - 1);
        while missing > 0 {
            let len = missing.min(8);
            self.put_head(u64::from_le_bytes([0xCC; 8]), len);
            missing -= len;
        }
    }

    /// Appends bytes as they are: instructions that this crate has no method for.
    pub fn raw(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.put_head(u64::from_le_bytes(word), chunk.len() as u32);
        }
    }

    /// Overwrites the four bytes at `at` in code that has been emitted: for immediates that are
    /// known only at the end of a function, such as the frame's size.
    pub fn patch32(&mut self, at: CodeOffset, value: u32) {
        let at = at.0 as usize;
        self.bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    /// Appends the low `head_len` (at most 8) bytes of `head`. Higher bits may be anything.
    #[inline(always)]
    pub(crate) fn put_head(&mut self, head: u64, head_len: u32) {
        self.store::<false>(head, head_len, 0, 0);
    }

    /// Appends the low `head_len` (at most 8) bytes of `head`, then the low `tail_len` (at most 8)
    /// bytes of `tail`. Higher bits may be anything.
    #[inline(always)]
    pub(crate) fn put(&mut self, head: u64, head_len: u32, tail: u64, tail_len: u32) {
        self.store::<true>(head, head_len, tail, tail_len);
    }

    #[inline(always)]
    fn store<const TAIL: bool>(&mut self, head: u64, head_len: u32, tail: u64, tail_len: u32) {
        let at = self.pos as usize;
        // The array type tells the compiler how much room there is.
        let window: &mut [u8; WINDOW] = match self
            .bytes
            .get_mut(at..at + WINDOW)
            .and_then(|w| w.first_chunk_mut())
        {
            Some(window) => window,
            None => self.grow(),
        };
        window[..8].copy_from_slice(&head.to_le_bytes());
        if TAIL {
            // The mask changes nothing; it tells the compiler that the store fits the window.
            let tail_at = (head_len & 15) as usize;
            window[tail_at..tail_at + 8].copy_from_slice(&tail.to_le_bytes());
        }
        self.pos += head_len + tail_len;
    }

    /// Makes room for one more window at `pos` and returns it. Past the limit, starts over instead.
    #[cold]
    #[inline(never)]
    fn grow(&mut self) -> &mut [u8; WINDOW] {
        if self.pos > self.limit {
            self.overflowed = true;
            self.pos = 0;
        }
        let at = self.pos as usize;
        if self.bytes.len() < at + WINDOW {
            let doubled = (self.bytes.len() * 2).min(self.limit as usize + 2 * WINDOW);
            self.bytes
                .resize(doubled.max(at + WINDOW).max(FIRST_CAPACITY), 0);
        }
        self.bytes[at..]
            .first_chunk_mut()
            .expect("the vector is this long now")
    }

    /// Creates a label with the given entry of `labels`.
    #[inline]
    pub(crate) fn new_label(&mut self, place: u32) -> Label {
        let label = Label(self.labels.len() as u32);
        self.labels.push(place);
        label
    }

    /// Where `label` is bound in the code, for a branch to it.
    #[inline(always)]
    pub(crate) fn branch_target(&self, label: Label) -> Option<u32> {
        let place = self.labels[label.0 as usize];
        debug_assert!(
            place == UNBOUND || place & IN_DATA == 0,
            "branch into constants"
        );
        (place != UNBOUND).then_some(place)
    }

    /// Records that the branch displacement that ends at `pos` waits for `label`.
    #[inline]
    pub(crate) fn fix_branch(&mut self, label: Label, kind: FixupKind) {
        let len = match kind {
            FixupKind::Rel8 => 1,
            FixupKind::Rel32 => 4,
        };
        let at = self.pos - len;
        self.fixups.push(Fixup {
            at,
            label,
            addend: -(len as i32),
            kind,
        });
    }

    /// Records what the displacement of the instruction just emitted refers to; `imm_len` bytes of
    /// immediate follow it.
    #[inline(never)]
    pub(crate) fn fix_displacement(&mut self, link: Link, disp: i32, imm_len: u32, addr32: bool) {
        let at = self.pos - imm_len - 4;
        let to_end = 4 + imm_len as i32;
        match link {
            Link::None => {}
            Link::Label(label) => {
                let addend = disp.wrapping_sub(to_end);
                self.fixups.push(Fixup {
                    at,
                    label,
                    addend,
                    kind: FixupKind::Rel32,
                });
            }
            Link::Symbol(symbol) => {
                let kind = if addr32 {
                    RelocKind::Abs32
                } else {
                    RelocKind::Abs32Signed
                };
                let addend = i64::from(disp);
                self.relocs.push(Reloc {
                    offset: CodeOffset(at),
                    kind,
                    symbol,
                    addend,
                });
            }
            Link::SymbolRip(symbol) => {
                let addend = i64::from(disp) - i64::from(to_end);
                let kind = RelocKind::Rel32;
                self.relocs.push(Reloc {
                    offset: CodeOffset(at),
                    kind,
                    symbol,
                    addend,
                });
            }
        }
    }

    /// The emitted code, for resolution.
    pub(crate) fn text_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.pos as usize]
    }
}
