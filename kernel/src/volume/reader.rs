//! A byte stream over a disk of sectors: what the FAT reader reads from.
//!
//! Small reads (boot sector, FAT entries, directory records) go through four cached lines of 4 KiB, replaced oldest use
//! first; without them each 2-byte FAT entry would cost a request to the device. Long reads that begin on a sector go
//! to the device directly. The disk is only read, so a line can never be stale.
//!
//! # Bounds
//! B1. Memory: four lines, however large the disk is.
//! B2. Time: every read takes its length and a fixed charge from an allowance given at the start. When it is used up,
//!     reads fail. So whatever loops a damaged file system makes the FAT reader run, they end, because each turn reads.
//! B3. A read never goes beyond the last sector of the device: it ends there, as at the end of a file.

use super::DeviceError;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;
use hadris_fat::{ErrorKind, IoResult, Read, Seek, SeekFrom};

/// Bytes of a sector: the unit in which virtio counts, whatever the medium's own sectors are.
pub const SECTOR_SIZE: usize = 512;

const LINE_SECTORS: u64 = 8;
const LINE_SIZE: usize = LINE_SECTORS as usize * SECTOR_SIZE;
const LINES: usize = 4;
/// What a read takes from the allowance besides its length.
const CHARGE: u64 = 64;

/// A disk.
pub trait BlockDevice {
    /// Number of sectors.
    fn sectors(&self) -> u64;

    /// Fills `buffer`, whose length is a multiple of [`SECTOR_SIZE`], from sector `first` on.
    ///
    /// # Errors
    /// The sectors are not on the disk, or the device failed; the buffer's contents are then unspecified.
    fn read(&mut self, first: u64, buffer: &mut [u8]) -> Result<(), DeviceError>;

    /// Writes `bytes`, whose length is a multiple of [`SECTOR_SIZE`], from sector `first` on.
    ///
    /// # Errors
    /// The sectors are not on the disk, or the device failed; what they hold is then unspecified.
    fn write(&mut self, first: u64, bytes: &[u8]) -> Result<(), DeviceError>;

    /// Returns when all that was written survives a loss of power.
    ///
    /// # Errors
    /// The device failed.
    fn flush(&mut self) -> Result<(), DeviceError>;
}

/// The last thing that the device reported, for whoever gets to see only the FAT reader's error.
#[derive(Debug, Default)]
pub(super) struct Failure(RefCell<Option<DeviceError>>);

impl Failure {
    /// Takes the report out.
    pub(super) fn take(&self) -> Option<DeviceError> {
        self.0.take()
    }

    fn set(&self, error: DeviceError) {
        self.0.replace(Some(error));
    }
}

/// The stream. What the device reports is kept in `failure`, because the FAT reader passes on only that there was one.
#[derive(Debug)]
pub(super) struct Reader<'a, D> {
    device: &'a mut D,
    failure: &'a Failure,
    position: u64,
    allowance: u64,
    lines: [Line; LINES],
    /// Counts uses of lines.
    clock: u64,
}

#[derive(Debug, Default)]
struct Line {
    /// The line's number on the disk (first sector / `LINE_SECTORS`); meaningless while `bytes` is empty.
    number: u64,
    bytes: Vec<u8>,
    last_use: u64,
}

impl<'a, D: BlockDevice> Reader<'a, D> {
    /// A stream at position 0 that may read about `allowance` bytes.
    pub(super) fn new(device: &'a mut D, allowance: u64, failure: &'a Failure) -> Self {
        Self {
            device,
            failure,
            position: 0,
            allowance,
            lines: Default::default(),
            clock: 0,
        }
    }

    fn end(&self) -> u64 {
        self.device.sectors().saturating_mul(SECTOR_SIZE as u64)
    }

    fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, DeviceError> {
        let left = self.end().saturating_sub(self.position);
        let wanted = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        self.allowance = self
            .allowance
            .checked_sub(wanted as u64 + CHARGE)
            .ok_or(DeviceError::Endless)?;
        if wanted == 0 {
            return Ok(0);
        }
        let sector = self.position / SECTOR_SIZE as u64;
        let aligned = self.position.is_multiple_of(SECTOR_SIZE as u64);
        let read = if aligned && wanted >= LINE_SIZE {
            let whole = wanted / SECTOR_SIZE * SECTOR_SIZE;
            self.device.read(sector, &mut buffer[..whole])?;
            whole
        } else {
            let start = (self.position % LINE_SIZE as u64) as usize;
            let line = self.line(sector / LINE_SECTORS)?;
            let count = wanted.min(line.len() - start);
            buffer[..count].copy_from_slice(&line[start..start + count]);
            count
        };
        self.position += read as u64;
        Ok(read)
    }

    /// The bytes of a line that holds at least one sector of the disk, from the cache or the device.
    fn line(&mut self, number: u64) -> Result<&[u8], DeviceError> {
        self.clock += 1;
        let holds = |line: &Line| line.number == number && !line.bytes.is_empty();
        let at = match self.lines.iter().position(holds) {
            Some(at) => at,
            None => self.fill_line(number)?,
        };
        self.lines[at].last_use = self.clock;
        Ok(&self.lines[at].bytes)
    }

    fn fill_line(&mut self, number: u64) -> Result<usize, DeviceError> {
        let oldest = (0..LINES).min_by_key(|&at| self.lines[at].last_use);
        let at = oldest.unwrap_or(0);
        let first = number * LINE_SECTORS;
        let sectors = (self.device.sectors() - first).min(LINE_SECTORS) as usize;
        let line = &mut self.lines[at];
        let mut bytes = core::mem::take(&mut line.bytes);
        if bytes.len() != sectors * SECTOR_SIZE {
            bytes = vec![0; sectors * SECTOR_SIZE];
        }
        // Until the read has succeeded the line is empty, hence holds nothing.
        self.device.read(first, &mut bytes)?;
        line.bytes = bytes;
        line.number = number;
        Ok(at)
    }
}

impl<D: BlockDevice> Read for Reader<'_, D> {
    type Error = ErrorKind;

    fn read(&mut self, buffer: &mut [u8]) -> IoResult<usize> {
        self.read_some(buffer).map_err(|error| {
            self.failure.set(error);
            hadris_fat::sync::Error::from_kind(ErrorKind::Other)
        })
    }
}

impl<D: BlockDevice> Seek for Reader<'_, D> {
    type Error = ErrorKind;

    fn seek(&mut self, to: SeekFrom) -> IoResult<u64> {
        let target = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
            SeekFrom::End(offset) => self.end().checked_add_signed(offset),
        };
        self.position =
            target.ok_or(hadris_fat::sync::Error::from_kind(ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::tests::MemoryDisk;

    fn pattern(sectors: usize) -> MemoryDisk {
        MemoryDisk::new(
            (0..sectors * SECTOR_SIZE)
                .map(|at| (at / 7) as u8)
                .collect(),
        )
    }

    #[test]
    fn any_range_is_read_as_it_is_on_the_disk() {
        let mut disk = pattern(61);
        let bytes = disk.bytes.clone();
        let failure = Failure::default();
        let mut reader = Reader::new(&mut disk, u64::MAX, &failure);
        for start in (0..bytes.len()).step_by(331) {
            for length in [1, 2, 511, 512, 513, 4096, 5000, 20_000] {
                let end = (start + length).min(bytes.len());
                let mut buffer = vec![0; end - start];
                reader.seek(SeekFrom::Start(start as u64)).unwrap();
                reader.read_exact(&mut buffer).unwrap();
                assert_eq!(buffer, bytes[start..end], "{start} + {length}");
            }
        }
    }

    #[test]
    fn the_stream_ends_with_the_disk() {
        let mut disk = pattern(3);
        let failure = Failure::default();
        let mut reader = Reader::new(&mut disk, u64::MAX, &failure);
        let mut buffer = [0; 100];
        assert_eq!(reader.seek(SeekFrom::End(-10)).unwrap(), 1526);
        assert_eq!(reader.read(&mut buffer).unwrap(), 10);
        assert_eq!(reader.read(&mut buffer).unwrap(), 0);
        assert_eq!(reader.seek(SeekFrom::Start(u64::MAX)).unwrap(), u64::MAX);
        assert_eq!(reader.read(&mut buffer).unwrap(), 0);
        assert!(reader.seek(SeekFrom::Current(1)).is_err());
        assert!(reader.seek(SeekFrom::End(-1537)).is_err());
    }

    #[test]
    fn small_reads_of_one_place_cost_one_request() {
        let mut disk = pattern(64);
        let failure = Failure::default();
        let mut reader = Reader::new(&mut disk, u64::MAX, &failure);
        for _ in 0..100 {
            for line in [0, 2, 5, 7] {
                reader
                    .seek(SeekFrom::Start(line * LINE_SIZE as u64))
                    .unwrap();
                reader.read_exact(&mut [0; 2]).unwrap();
            }
        }
        assert_eq!(disk.requests, 4);
    }

    #[test]
    fn reading_ends_when_the_allowance_is_used_up() {
        let mut disk = pattern(1);
        let failure = Failure::default();
        let mut reader = Reader::new(&mut disk, 10_000, &failure);
        let reads = (0..100_000)
            .take_while(|_| {
                reader.seek(SeekFrom::Start(0)).unwrap();
                reader.read(&mut [0; 2]).is_ok()
            })
            .count();
        assert_eq!(reads, 10_000 / (2 + CHARGE as usize));
        assert_eq!(failure.take(), Some(DeviceError::Endless));
    }

    #[test]
    fn a_failed_request_leaves_nothing_in_the_cache() {
        let mut disk = pattern(8);
        let expected = disk.bytes[0];
        let failure = Failure::default();
        disk.fail_at = Some(0);
        let mut reader = Reader::new(&mut disk, u64::MAX, &failure);
        assert!(reader.read(&mut [0; 1]).is_err());
        assert_eq!(failure.take(), Some(DeviceError::Failed));
        reader.device.fail_at = None;
        let mut byte = [expected ^ 1];
        reader.read_exact(&mut byte).unwrap();
        assert_eq!(byte[0], expected);
    }
}
