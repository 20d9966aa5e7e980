//! The bit cursor: fixed-width fields, VBR numbers and blobs from a byte slice.
//!
//! The only state is a bit position. Every read loads the eight bytes around it, shifts and masks:
//! no refill logic, no branch except the bounds check of the load. At least 57 bits of such a
//! window are valid, more than any field that compilers write.
//!
//! # Reads do not fail, checks do
//! A read past the end yields zero bits and moves on. The owner calls [`Cursor::check`] once per
//! record, which compares the position with the end of the enclosing block. Between two checks
//! only a bounded number of fields is read (a count is compared with [`Cursor::remaining`] before
//! a loop runs on it), so nothing can run away, and the hot path carries no `Result` per field.
//! A fault in the middle of a field parks the position beyond every end, which `check` reports.
//!
//! # Cost
//! The position depends on the field before only by an addition, since a VBR number's length is
//! predicted: the loads of several fields overlap, and [`Bits`] reads several from one load.
//! Measured with the whole of a body's decoding, of SQLite
//! (`tests::compiled::speed_of_reading_function_bodies`): 28 ns an instruction at -O0, 35 ns at -O2.

use crate::error::{Error, Result};

/// Parked position: beyond every end, and far from overflow however many fields follow.
const PARKED: usize = usize::MAX / 2;

/// What is wrong with a VBR number of more than 64 bits.
const ENDLESS: &str = "number does not end";

/// Position in a bitstream, with the end of the block that is being read.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    data: &'a [u8],
    pos: usize,
    end: usize,
    /// Where and why a field was refused.
    fault: Option<(usize, &'static str)>,
}

impl<'a> Cursor<'a> {
    /// A cursor over all of `data`, which is at most [`crate::limits::FILE_BYTES`] long.
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self {
            data,
            pos: 0,
            end: data.len().saturating_mul(8),
            fault: None,
        }
    }

    /// Bits from the start of the data.
    pub(crate) fn pos(&self) -> usize {
        self.pos
    }

    /// The position as an error offset.
    pub(crate) fn bit(&self) -> u64 {
        self.fault.map_or(self.pos, |(at, _)| at) as u64
    }

    /// First bit after the block that is being read.
    pub(crate) fn end(&self) -> usize {
        self.end
    }

    /// Moves to `pos` and makes `end` the end of the block that is read from now on.
    pub(crate) fn set(&mut self, pos: usize, end: usize) {
        self.pos = pos;
        self.end = end;
        self.fault = None;
    }

    /// Bits left in the block.
    pub(crate) fn remaining(&self) -> usize {
        self.end.saturating_sub(self.pos)
    }

    /// Whether everything read since the last check lay inside the block.
    #[inline]
    pub(crate) fn check(&self) -> Result<()> {
        if self.pos > self.end {
            Err(self.overrun())
        } else {
            Ok(())
        }
    }

    /// What the failed check means: a fault inside a field, or simply too many fields.
    #[cold]
    fn overrun(&self) -> Error {
        let (at, what) = self
            .fault
            .unwrap_or((self.end, "record runs past the end of its block"));
        Error::malformed(at as u64, what)
    }

    /// The bits from the position on; at least 57 of them are valid, or zero past the end.
    #[inline(always)]
    fn window(&self) -> u64 {
        let byte = self.pos >> 3;
        let range = byte..byte.wrapping_add(8);
        match self.data.get(range).and_then(<[u8]>::first_chunk::<8>) {
            Some(chunk) => u64::from_le_bytes(*chunk) >> (self.pos & 7),
            None => self.window_at_end(byte),
        }
    }

    /// Fewer than eight bytes are left: what is there, then zeros.
    #[cold]
    fn window_at_end(&self, byte: usize) -> u64 {
        let mut chunk = [0u8; 8];
        let rest = self.data.get(byte..).unwrap_or(&[]);
        for (to, from) in chunk.iter_mut().zip(rest) {
            *to = *from;
        }
        u64::from_le_bytes(chunk) >> (self.pos & 7)
    }

    /// Cannot overflow: see [`PARKED`] and the bound on fields between checks.
    #[inline]
    fn advance(&mut self, bits: u32) {
        self.pos = self.pos.wrapping_add(bits as usize);
    }

    /// Reads `width` bits, at most 64.
    #[inline(always)]
    pub(crate) fn fixed(&mut self, width: u32) -> u64 {
        if width > 56 {
            return self.fixed_wide(width);
        }
        let value = self.window() & mask(width);
        self.advance(width);
        value
    }

    /// The rare case of [`Cursor::fixed`]: more bits than a window is sure to hold.
    #[cold]
    fn fixed_wide(&mut self, width: u32) -> u64 {
        let low = self.window() & mask(32);
        self.advance(32);
        let high = self.window() & mask(width.wrapping_sub(32));
        self.advance(width.wrapping_sub(32));
        low | (high << 32)
    }

    /// Begins to read several fields from one load.
    #[inline(always)]
    pub(crate) fn bits(&self) -> Bits {
        Bits {
            window: self.window(),
            used: 0,
        }
    }

    /// Reads a variable bit rate number in chunks of `width` bits (2 to 32).
    #[inline(always)]
    pub(crate) fn vbr(&mut self, width: u32) -> u64 {
        let window = self.window();
        let payload = width.wrapping_sub(1);
        if window >> payload & 1 == 0 {
            self.advance(width);
            return window & mask(payload);
        }
        self.vbr_long(width)
    }

    /// The rare case of [`Cursor::vbr`]: more than one chunk.
    #[inline(never)]
    fn vbr_long(&mut self, width: u32) -> u64 {
        let payload = width.wrapping_sub(1);
        let (mut rest, chunk) = (self.window(), mask(payload));
        let (mut value, mut used, mut shift) = (0u64, width, 0u32);
        while used <= Bits::SURE {
            value |= (rest & chunk).wrapping_shl(shift);
            if rest >> payload & 1 == 0 {
                self.advance(used);
                return value;
            }
            rest = rest.wrapping_shr(width);
            used = used.wrapping_add(width);
            shift = shift.wrapping_add(payload);
        }
        self.vbr_beyond_window(width)
    }

    /// The rare case of [`Cursor::vbr_long`]: more chunks than a window is sure to hold.
    #[cold]
    fn vbr_beyond_window(&mut self, width: u32) -> u64 {
        let start = self.pos;
        let payload = width.wrapping_sub(1);
        let (mut value, mut shift) = (0u64, 0u32);
        loop {
            let chunk = self.fixed(width);
            value |= (chunk & mask(payload)).wrapping_shl(shift);
            if chunk >> payload & 1 == 0 {
                return value;
            }
            shift = shift.wrapping_add(payload);
            if shift >= 64 {
                self.park(start, ENDLESS);
                return 0;
            }
        }
    }

    /// Reads one character of the 6-bit alphabet `a-zA-Z0-9._`.
    #[inline]
    pub(crate) fn char6(&mut self) -> u64 {
        const ALPHABET: &[u8; 64] =
            b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._";
        let index = (self.fixed(6) & 63) as usize;
        u64::from(ALPHABET.get(index).copied().unwrap_or(0))
    }

    /// Moves up to the next 32-bit boundary.
    #[inline]
    pub(crate) fn align32(&mut self) {
        self.pos = self.pos.wrapping_add(31) & !31;
    }

    /// Takes `len` bytes from an aligned position and aligns again.
    pub(crate) fn blob(&mut self, len: usize) -> &'a [u8] {
        self.align32();
        let start = self.pos >> 3;
        let bytes = start
            .checked_add(len)
            .and_then(|end| self.data.get(start..end));
        let Some(bytes) = bytes else {
            self.park(self.pos, "blob runs past the end of the file");
            return &[];
        };
        self.pos = self.pos.wrapping_add(len.wrapping_mul(8));
        self.align32();
        bytes
    }

    /// Notes the first fault, and moves where the next check must notice.
    #[cold]
    fn park(&mut self, at: usize, what: &'static str) {
        self.fault.get_or_insert((at, what));
        self.pos = PARKED;
    }
}

/// Bits loaded from a cursor that have not been used: several short fields need one load.
///
/// The cursor stands still meanwhile and is moved by [`Bits::give_back`], or when a new load is due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bits {
    window: u64,
    used: u32,
}

impl Bits {
    /// Bits that a load is sure to give.
    const SURE: u32 = 57;
    /// The widest field.
    pub(crate) const MAX_WIDTH: u32 = Self::SURE;

    /// Moves the cursor behind the fields read.
    #[inline(always)]
    pub(crate) fn give_back(self, cursor: &mut Cursor<'_>) {
        cursor.advance(self.used);
    }

    /// Bits left in the block, as [`Cursor::remaining`].
    #[inline(always)]
    pub(crate) fn remaining(self, cursor: &Cursor<'_>) -> usize {
        cursor.remaining().saturating_sub(self.used as usize)
    }

    /// The position as an error offset, as [`Cursor::bit`].
    pub(crate) fn bit(self, cursor: &Cursor<'_>) -> u64 {
        cursor.bit().saturating_add(u64::from(self.used))
    }

    /// Reads `width` bits, at most [`Bits::MAX_WIDTH`].
    #[inline(always)]
    pub(crate) fn fixed(&mut self, cursor: &mut Cursor<'_>, width: u32) -> u64 {
        self.masked(cursor, width, mask(width))
    }

    /// As [`Bits::fixed`], where the mask of `width` bits is at hand.
    #[inline(always)]
    pub(crate) fn masked(&mut self, cursor: &mut Cursor<'_>, width: u32, mask: u64) -> u64 {
        if self.used.wrapping_add(width) > Self::SURE {
            cursor.advance(self.used);
            *self = cursor.bits();
        }
        let value = self.window & mask;
        self.window = self.window.wrapping_shr(width);
        self.used = self.used.wrapping_add(width);
        value
    }

    /// Reads a VBR6 number, which is what most of a file consists of: nearly always of one chunk to
    /// three.
    #[inline(always)]
    pub(crate) fn vbr6(&mut self, cursor: &mut Cursor<'_>) -> u64 {
        if self.used > Self::SURE.wrapping_sub(18) {
            cursor.advance(self.used);
            *self = cursor.bits();
        }
        let window = self.window;
        let (value, width) = if window & 0x20 == 0 {
            (window & 0x1F, 6)
        } else if window & 0x800 == 0 {
            (window & 0x1F | window >> 1 & 0x3E0, 12)
        } else if window & 0x2_0000 == 0 {
            (
                window & 0x1F | window >> 1 & 0x3E0 | window >> 2 & 0x7C00,
                18,
            )
        } else {
            return self.long_vbr6(cursor);
        };
        self.window = window >> width;
        self.used = self.used.wrapping_add(width);
        value
    }

    /// The rare case of [`Bits::vbr6`].
    #[inline(always)]
    fn long_vbr6(&mut self, cursor: &mut Cursor<'_>) -> u64 {
        cursor.advance(self.used);
        let value = cursor.vbr_long(6);
        *self = cursor.bits();
        value
    }

    /// Reads what follows the first chunk of a VBR number.
    #[inline(always)]
    pub(crate) fn rest_of_vbr(&mut self, cursor: &mut Cursor<'_>, width: u32, first: u64) -> u64 {
        let payload = width.wrapping_sub(1);
        let (mut value, mut shift) = (first & mask(payload), payload);
        loop {
            let chunk = self.fixed(cursor, width);
            value |= (chunk & mask(payload)).wrapping_shl(shift);
            if chunk >> payload == 0 {
                return value;
            }
            shift = shift.wrapping_add(payload);
            if shift >= 64 {
                self.give_back(cursor);
                let read = shift.checked_div(payload).unwrap_or(0).wrapping_mul(width);
                cursor.park(cursor.pos.wrapping_sub(read as usize), ENDLESS);
                *self = cursor.bits();
                return 0;
            }
        }
    }
}

/// The low `width` bits set; `width` is below 64.
#[inline]
fn mask(width: u32) -> u64 {
    1u64.wrapping_shl(width).wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Writer;
    use alloc::vec::Vec;

    #[test]
    fn fields_of_all_widths_come_back() {
        let mut writer = Writer::new();
        for width in 1..=64 {
            writer.fixed(0x5A5A_A5A5_1234_8765 >> (64 - width), width);
        }
        let bytes = writer.finish();
        let mut cursor = Cursor::new(&bytes);
        for width in 1..=64 {
            assert_eq!(
                cursor.fixed(width),
                0x5A5A_A5A5_1234_8765 >> (64 - width),
                "{width}"
            );
        }
        assert!(cursor.check().is_ok());
    }

    #[test]
    fn vbr_of_all_widths_and_sizes_comes_back() {
        for width in 2..=32 {
            let values: Vec<u64> = (0..64)
                .map(|bit| (1 << bit) | 1)
                .chain([0, u64::MAX])
                .collect();
            let mut writer = Writer::new();
            values.iter().for_each(|value| writer.vbr(*value, width));
            let bytes = writer.finish();
            let mut cursor = Cursor::new(&bytes);
            for value in values {
                assert_eq!(cursor.vbr(width), value, "width {width}");
            }
        }
    }

    #[test]
    fn fields_of_one_load_are_those_of_single_reads() {
        let mut writer = Writer::new();
        let values = [3u64, 40, 900, 1 << 20, u64::MAX, 0, 31, 32, 1023, 1024];
        for (at, &value) in values.iter().cycle().take(100).enumerate() {
            writer.vbr(value, 6);
            writer.fixed(at as u64 & 7, 3);
            writer.fixed(value, 57);
        }
        let bytes = writer.finish();
        let mut cursor = Cursor::new(&bytes);
        let mut bits = cursor.bits();
        for (at, &value) in values.iter().cycle().take(100).enumerate() {
            assert_eq!(bits.vbr6(&mut cursor), value);
            assert_eq!(bits.fixed(&mut cursor, 3), at as u64 & 7);
            assert_eq!(bits.fixed(&mut cursor, 57), value & mask(57));
        }
        bits.give_back(&mut cursor);
        assert!(cursor.check().is_ok() && cursor.remaining() < 64);
    }

    #[test]
    fn unterminated_vbr_is_reported_where_it_began() {
        let bytes = [0xFF; 64];
        let mut single = Cursor::new(&bytes);
        single.fixed(5);
        single.vbr(6);
        let mut loaded = Cursor::new(&bytes);
        let mut bits = loaded.bits();
        bits.fixed(&mut loaded, 5);
        bits.vbr6(&mut loaded);
        bits.give_back(&mut loaded);
        for cursor in [single, loaded] {
            let error = cursor.check().unwrap_err();
            assert_eq!(error.bit(), 5);
            assert_eq!(
                format!("{error}"),
                "malformed bitcode: number does not end (bit 5)"
            );
        }
    }

    #[test]
    fn reading_past_the_end_gives_zeros_and_fails_the_check() {
        let bytes = [0xFF; 4];
        let mut cursor = Cursor::new(&bytes);
        assert_eq!(cursor.fixed(32), 0xFFFF_FFFF);
        assert!(cursor.check().is_ok());
        assert_eq!(cursor.fixed(8), 0);
        assert!(cursor.check().is_err());
    }

    #[test]
    fn blob_must_lie_inside_the_file() {
        let bytes = [7u8; 8];
        let mut cursor = Cursor::new(&bytes);
        assert_eq!(cursor.blob(3), &[7, 7, 7]);
        assert_eq!(cursor.pos(), 32);
        assert_eq!(cursor.blob(usize::MAX), &[] as &[u8]);
        assert!(cursor.check().is_err());
    }

    #[test]
    fn char6_covers_the_alphabet() {
        let mut writer = Writer::new();
        (0..64).for_each(|index| writer.fixed(index, 6));
        let bytes = writer.finish();
        let mut cursor = Cursor::new(&bytes);
        let text: Vec<u8> = (0..64).map(|_| cursor.char6() as u8).collect();
        assert_eq!(&text[..3], b"abc");
        assert_eq!(&text[61..], b"9._");
    }
}
