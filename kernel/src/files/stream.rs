//! The cache as the byte stream that `hadris-fat` works on.
//!
//! Every read and write takes its length and a fixed charge from an allowance. When that is used up they fail: so
//! whatever loops a damaged file system makes the crate run, they end, because each turn reads or writes.

use super::cache::Cache;
use crate::volume::{BlockDevice, DeviceError};
use hadris_fat::{ErrorKind, IoResult, Read, Seek, SeekFrom, Write};

/// What one stream may read and write, in bytes: each entry of the largest allocation table several times.
const ALLOWANCE: u64 = 64 << 20;
/// What an access takes from the allowance besides its length.
const CHARGE: u64 = 64;

/// A stream at a position.
#[derive(Debug)]
pub(super) struct Stream<'a, D> {
    cache: &'a mut Cache<D>,
    position: u64,
    allowance: u64,
}

impl<'a, D: BlockDevice> Stream<'a, D> {
    /// A stream at the start of the disk.
    pub(super) fn new(cache: &'a mut Cache<D>) -> Self {
        Self {
            cache,
            position: 0,
            allowance: ALLOWANCE,
        }
    }

    /// How many of `bytes` bytes are on the disk from here on, if so many may still be moved.
    fn charge(&mut self, bytes: usize) -> Result<usize, DeviceError> {
        let left = self.cache.len().saturating_sub(self.position);
        let count = bytes.min(usize::try_from(left).unwrap_or(usize::MAX));
        let rest = self.allowance.checked_sub(count as u64 + CHARGE);
        self.allowance = rest.ok_or(DeviceError::Endless)?;
        Ok(count)
    }

    fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, DeviceError> {
        let count = self.charge(buffer.len())?;
        self.cache.read(self.position, &mut buffer[..count])?;
        self.position += count as u64;
        Ok(count)
    }

    fn write_some(&mut self, bytes: &[u8]) -> Result<usize, DeviceError> {
        let count = self.charge(bytes.len())?;
        self.cache.write(self.position, &bytes[..count])?;
        self.position += count as u64;
        Ok(count)
    }
}

fn failed(_: DeviceError) -> hadris_fat::sync::Error {
    hadris_fat::sync::Error::from_kind(ErrorKind::Other)
}

impl<D: BlockDevice> Read for Stream<'_, D> {
    type Error = ErrorKind;

    fn read(&mut self, buffer: &mut [u8]) -> IoResult<usize> {
        self.read_some(buffer).map_err(failed)
    }
}

impl<D: BlockDevice> Write for Stream<'_, D> {
    type Error = ErrorKind;

    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        self.write_some(bytes).map_err(failed)
    }

    /// What is written reaches the disk when the file is synchronised, not here.
    fn flush(&mut self) -> IoResult<()> {
        Ok(())
    }
}

impl<D: BlockDevice> Seek for Stream<'_, D> {
    type Error = ErrorKind;

    fn seek(&mut self, to: SeekFrom) -> IoResult<u64> {
        let target = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
            SeekFrom::End(offset) => self.cache.len().checked_add_signed(offset),
        };
        let invalid = hadris_fat::sync::Error::from_kind(ErrorKind::InvalidInput);
        self.position = target.ok_or(invalid)?;
        Ok(self.position)
    }
}
