//! A record's operands, read one after the other with conversion to what they mean.
//!
//! Everything that reads records goes through this: a missing operand, a number that does not fit
//! or a type id out of range becomes an error with the record's position, never a wrong value.

use crate::error::{Error, Result};
use crate::limits;
use crate::types::TypeId;

/// The operands of one record that have not been read yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operands<'r> {
    rest: &'r [u64],
    bit: u64,
}

impl<'r> Operands<'r> {
    pub(crate) fn new(ops: &'r [u64], bit: u64) -> Self {
        Self { rest: ops, bit }
    }

    /// Operands of a record whose position is added to errors by the caller: that of the common ones
    /// need not be known.
    #[inline(always)]
    pub(crate) fn unplaced(ops: &'r [u64]) -> Self {
        Self::new(ops, 0)
    }

    /// Position of the record's end, for errors.
    pub(crate) fn bit(&self) -> u64 {
        self.bit
    }

    /// Number of operands left.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.rest.len()
    }

    /// Whether all operands were read. Optional operands are told by this.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// All operands left.
    #[inline]
    pub(crate) fn rest(&self) -> &'r [u64] {
        self.rest
    }

    /// The next operand.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> Result<u64> {
        match self.rest.split_first() {
            Some((first, rest)) => {
                self.rest = rest;
                Ok(*first)
            }
            None => Err(self.malformed("record with too few operands")),
        }
    }

    /// The next operand, or 0 where older writers end the record earlier.
    #[inline]
    pub(crate) fn next_or_zero(&mut self) -> u64 {
        match self.rest.split_first() {
            Some((first, rest)) => {
                self.rest = rest;
                *first
            }
            None => 0,
        }
    }

    /// Takes the last operand.
    #[inline(always)]
    pub(crate) fn pop_last(&mut self) -> Option<u64> {
        let (last, rest) = self.rest.split_last()?;
        self.rest = rest;
        Some(*last)
    }

    /// The next operand as 32 bits.
    #[inline(always)]
    pub(crate) fn next_u32(&mut self) -> Result<u32> {
        let value = self.next()?;
        u32::try_from(value).map_err(|_| self.malformed("number does not fit 32 bits"))
    }

    /// The next operand as a truth value.
    #[inline(always)]
    pub(crate) fn next_bool(&mut self) -> Result<bool> {
        Ok(self.next()? != 0)
    }

    /// The next operand as an index into a type table of `types` entries.
    #[inline(always)]
    pub(crate) fn next_type(&mut self, types: usize) -> Result<TypeId> {
        let id = self.next_u32()?;
        if (id as usize) < types {
            Ok(TypeId(id))
        } else {
            Err(self.malformed("type id out of range"))
        }
    }

    /// The next operand as a list index that is stored plus one, 0 meaning none.
    #[inline(always)]
    pub(crate) fn next_index(&mut self) -> Result<Option<u32>> {
        Ok(self.next_u32()?.checked_sub(1))
    }

    /// The next operand as an alignment stored as log2 plus one; bytes, 0 meaning not given.
    #[inline(always)]
    pub(crate) fn next_align(&mut self) -> Result<u32> {
        let stored = self.next()?;
        self.align(stored)
    }

    /// Decodes an alignment stored as log2 plus one.
    #[inline(always)]
    pub(crate) fn align(&self, stored: u64) -> Result<u32> {
        match stored.checked_sub(1) {
            None => Ok(0),
            Some(log2) if log2 <= limits::ALIGN_LOG2 => Ok(1u32.wrapping_shl((log2 & 31) as u32)),
            Some(log2) if log2 <= 32 => Err(Error::limit(self.bit, "alignment")),
            Some(_) => Err(self.malformed("alignment")),
        }
    }

    /// Passes over the operands left.
    #[inline(always)]
    pub(crate) fn skip(&mut self) {
        self.rest = &[];
    }

    /// Fails unless all operands were read.
    #[inline(always)]
    pub(crate) fn finish(&self) -> Result<()> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.malformed("record with too many operands"))
        }
    }

    /// By value, so that the operands stay in registers.
    #[inline(always)]
    pub(crate) fn malformed(self, what: &'static str) -> Error {
        Error::malformed(self.bit, what)
    }

    /// As [`Operands::malformed`].
    #[inline(always)]
    pub(crate) fn unsupported(self, what: &str) -> Error {
        Error::unsupported(self.bit, what)
    }
}

/// Undoes LLVM's "sign rotated" coding: the sign is bit 0, and 1 alone means the least number.
#[inline]
pub(crate) fn unrotate(value: u64) -> i64 {
    let magnitude = (value >> 1).cast_signed();
    match (value & 1, value) {
        (0, _) => magnitude,
        (_, 1) => i64::MIN,
        _ => magnitude.wrapping_neg(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sign_rotated_numbers_cover_the_whole_range() {
        for (coded, value) in [
            (0, 0),
            (2, 1),
            (3, -1),
            (1, i64::MIN),
            (u64::MAX, -i64::MAX),
        ] {
            assert_eq!(unrotate(coded), value);
        }
    }

    #[test]
    fn alignment_is_log2_plus_one_and_bounded() {
        let ops = Operands::new(&[], 0);
        assert_eq!(ops.align(0), Ok(0));
        assert_eq!(ops.align(5), Ok(16));
        assert_eq!(ops.align(17), Ok(65536));
        assert!(ops.align(18).is_err());
        assert!(ops.align(u64::MAX).is_err());
    }
}
