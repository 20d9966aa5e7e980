//! The cache between a file system and its disk: lines of 4 KiB, written back when they are needed for something else
//! or when a file is synchronised.
//!
//! A file system touches the same few sectors again and again (allocation table, directories), and programs write in
//! small pieces. Both cost a request to the device only when a line comes and when it goes.
//!
//! # Invariants
//! K1. All memory is taken when the cache is made. What runs in a contained call (`disk`) may not let the cache grow.
//! K2. A line holds what the disk should hold. Where they differ the line is *dirty*; it leaves the cache only by being
//!     written. A line that could not be written stays dirty, and the error comes out of whatever needed it gone.
//! K3. A line that could not be read is not in the cache.
//! K4. Reads and writes end at the device's last sector with an error; nothing is read or written in part beyond it.

use crate::volume::{BlockDevice, DeviceError, SECTOR_SIZE};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

/// Bytes of a line.
pub const LINE: usize = 4096;
const LINE_SECTORS: u64 = (LINE / SECTOR_SIZE) as u64;
/// Lines that a line of the disk can be in.
const WAYS: usize = 8;
/// Most lines that go to or come from the device in one request.
const BATCH: usize = 16;
/// No line of the disk.
const NONE: u64 = u64::MAX;

/// The cache and the disk behind it.
#[derive(Debug)]
pub struct Cache<D> {
    device: D,
    /// `WAYS` slots for each set; line `n` of the disk can be in set `n % sets`.
    slots: Box<[Slot]>,
    bytes: Box<[u8]>,
    /// Where adjacent dirty lines are put together.
    batch: Box<[u8]>,
    clock: u64,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    line: u64,
    last_use: u64,
    dirty: bool,
}

impl<D: BlockDevice> Cache<D> {
    /// A cache of about `size` bytes for `device`.
    pub fn new(device: D, size: usize) -> Self {
        let sets = (size / LINE / WAYS).max(1);
        let empty = Slot {
            line: NONE,
            last_use: 0,
            dirty: false,
        };
        Self {
            device,
            slots: vec![empty; sets * WAYS].into(),
            bytes: vec![0; sets * WAYS * LINE].into(),
            batch: vec![0; BATCH * LINE].into(),
            clock: 0,
        }
    }

    /// The disk.
    pub fn device(&mut self) -> &mut D {
        &mut self.device
    }

    /// Bytes of the disk.
    pub fn len(&self) -> u64 {
        self.device.sectors().saturating_mul(SECTOR_SIZE as u64)
    }

    /// Whether the disk has no sector.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buffer` from byte `at` of the disk.
    ///
    /// # Errors
    /// The device failed, or the range is not on it.
    pub fn read(&mut self, at: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        self.check(at, buffer.len())?;
        let mut done = 0;
        while done < buffer.len() {
            let (line, start) = place(at + done as u64);
            let direct = self.absent_lines(line, start, buffer.len() - done);
            if direct > 1 {
                let end = done + direct * LINE;
                let first = line * LINE_SECTORS;
                self.device.read(first, &mut buffer[done..end])?;
                done = end;
                continue;
            }
            let count = (LINE - start).min(buffer.len() - done);
            let slot = self.find(line, true)?;
            buffer[done..done + count].copy_from_slice(&self.line(slot)[start..start + count]);
            done += count;
        }
        Ok(())
    }

    /// Writes `bytes` from byte `at` of the disk on; they reach it later.
    ///
    /// # Errors
    /// The device failed, or the range is not on it.
    pub fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), DeviceError> {
        self.check(at, bytes.len())?;
        let mut done = 0;
        while done < bytes.len() {
            let (line, start) = place(at + done as u64);
            let count = (LINE - start).min(bytes.len() - done);
            let slot = self.find(line, count < LINE)?;
            self.slots[slot].dirty = true;
            self.line_mut(slot)[start..start + count].copy_from_slice(&bytes[done..done + count]);
            done += count;
        }
        Ok(())
    }

    /// Writes zeros.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn clear(&mut self, at: u64, bytes: u64) -> Result<(), DeviceError> {
        let zeros = [0; 512];
        let mut done = 0;
        while done < bytes {
            let count = (bytes - done).min(zeros.len() as u64);
            self.write(at + done, &zeros[..count as usize])?;
            done += count;
        }
        Ok(())
    }

    /// Writes the dirty lines that begin in a range of bytes of the disk, in order, adjacent ones together.
    ///
    /// # Errors
    /// The device failed; lines not written stay dirty.
    pub fn write_back(&mut self, range: core::ops::Range<u64>) -> Result<(), DeviceError> {
        let inside = |slot: &&Slot| slot.dirty && range.contains(&(slot.line * LINE as u64));
        let mut lines: Vec<u64> = self
            .slots
            .iter()
            .filter(inside)
            .map(|slot| slot.line)
            .collect();
        lines.sort_unstable();
        let mut rest = &lines[..];
        while let Some(&first) = rest.first() {
            let follows = |&(index, &line): &(usize, &u64)| line == first + index as u64;
            let count = rest.iter().enumerate().take(BATCH).take_while(follows);
            let count = count.count();
            self.write_lines(first, count)?;
            rest = &rest[count..];
        }
        Ok(())
    }

    /// Writes `count` adjacent lines, which are all in the cache.
    fn write_lines(&mut self, first: u64, count: usize) -> Result<(), DeviceError> {
        let size = self.bytes_of(first, count);
        for index in 0..count {
            let Some(slot) = self.present(first + index as u64) else {
                return Err(DeviceError::Failed);
            };
            let from = slot * LINE..(slot + 1) * LINE;
            self.batch[index * LINE..(index + 1) * LINE].copy_from_slice(&self.bytes[from]);
        }
        self.device
            .write(first * LINE_SECTORS, &self.batch[..size])?;
        for index in 0..count {
            if let Some(slot) = self.present(first + index as u64) {
                self.slots[slot].dirty = false;
            }
        }
        Ok(())
    }

    /// Bytes of `count` lines from `first` on that are on the disk, whose last line may be short.
    fn bytes_of(&self, first: u64, count: usize) -> usize {
        let left = self.len() - (first * LINE as u64).min(self.len());
        (count * LINE).min(usize::try_from(left).unwrap_or(usize::MAX))
    }

    /// How many whole lines from `line` on a read may take from the device past the cache.
    fn absent_lines(&self, line: u64, start: usize, bytes: usize) -> usize {
        let whole = if start == 0 { bytes / LINE } else { 0 };
        let absent = |&index: &usize| self.present(line + index as u64).is_none();
        (0..whole.min(BATCH)).take_while(absent).count()
    }

    /// The slot of `line`, which comes into the cache if it is not there, `filled` from the disk or for being
    /// overwritten as a whole.
    fn find(&mut self, line: u64, filled: bool) -> Result<usize, DeviceError> {
        self.clock += 1;
        if let Some(slot) = self.present(line) {
            self.slots[slot].last_use = self.clock;
            return Ok(slot);
        }
        let set = self.set_of(line);
        let slot = set
            .min_by_key(|&slot| self.slots[slot].last_use)
            .unwrap_or(0);
        if self.slots[slot].dirty {
            self.write_lines(self.slots[slot].line, 1)?;
        }
        self.slots[slot].line = NONE;
        if filled {
            let size = self.bytes_of(line, 1);
            let to = slot * LINE;
            self.device
                .read(line * LINE_SECTORS, &mut self.bytes[to..to + size])?;
        }
        self.slots[slot] = Slot {
            line,
            last_use: self.clock,
            dirty: false,
        };
        Ok(slot)
    }

    fn present(&self, line: u64) -> Option<usize> {
        self.set_of(line)
            .find(|&slot| self.slots[slot].line == line)
    }

    fn set_of(&self, line: u64) -> core::ops::Range<usize> {
        let sets = (self.slots.len() / WAYS) as u64;
        let first = (line % sets) as usize * WAYS;
        first..first + WAYS
    }

    fn line(&self, slot: usize) -> &[u8] {
        &self.bytes[slot * LINE..(slot + 1) * LINE]
    }

    fn line_mut(&mut self, slot: usize) -> &mut [u8] {
        &mut self.bytes[slot * LINE..(slot + 1) * LINE]
    }

    fn check(&self, at: u64, bytes: usize) -> Result<(), DeviceError> {
        match at.checked_add(bytes as u64) {
            Some(end) if end <= self.len() => Ok(()),
            _ => Err(DeviceError::Failed),
        }
    }
}

/// The line in which byte `at` of the disk lies, and where in it.
fn place(at: u64) -> (u64, usize) {
    (at / LINE as u64, (at % LINE as u64) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::tests::MemoryDisk;

    fn cache(sectors: usize, lines: usize) -> Cache<MemoryDisk> {
        let bytes = (0..sectors * SECTOR_SIZE).map(|at| (at / 7) as u8);
        Cache::new(MemoryDisk::new(bytes.collect()), lines * LINE)
    }

    #[test]
    fn what_is_written_is_read_whatever_the_cache_has_to_drop() {
        let mut cache = cache(1003, 8);
        let mut expected = cache.device.bytes.clone();
        let mut random = 1_u64;
        for round in 0..3000_u32 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let at = (random >> 33) as usize % expected.len();
            let count = (((random >> 13) & 0x7fff) as usize).min(expected.len() - at);
            if round % 2 == 0 {
                let bytes = vec![round as u8; count];
                cache.write(at as u64, &bytes).unwrap();
                expected[at..at + count].copy_from_slice(&bytes);
            } else {
                let mut bytes = vec![0; count];
                cache.read(at as u64, &mut bytes).unwrap();
                assert_eq!(bytes, expected[at..at + count], "{at} + {count}");
            }
        }
        cache.write_back(0..u64::MAX).unwrap();
        assert!(cache.device.bytes == expected);
        let requests = cache.device.requests;
        cache.write_back(0..u64::MAX).unwrap();
        assert_eq!(cache.device.requests, requests, "nothing is dirty any more");
    }

    #[test]
    fn adjacent_lines_go_in_one_request_and_only_those_of_the_range() {
        let mut cache = cache(1024, 64);
        cache.write(0, &[1; 4 * LINE]).unwrap();
        cache.write(40 * LINE as u64, &[2; 2 * LINE]).unwrap();
        let before = cache.device.requests;
        cache.write_back(LINE as u64..20 * LINE as u64).unwrap();
        assert_eq!(cache.device.requests, before + 1);
        assert_eq!(cache.device.bytes[0], 0, "line 0 lies before the range");
        assert_eq!(cache.device.bytes[LINE..4 * LINE], [1; 3 * LINE]);
        assert_ne!(cache.device.bytes[40 * LINE], 2);
    }

    #[test]
    fn the_end_of_the_disk_is_the_end() {
        let mut cache = cache(3, 8);
        assert!(cache.read(1000, &mut [0; 536]).is_ok());
        assert_eq!(cache.read(1000, &mut [0; 537]), Err(DeviceError::Failed));
        assert_eq!(cache.write(u64::MAX, &[0; 2]), Err(DeviceError::Failed));
        cache.write(1535, &[9]).unwrap();
        cache.write_back(0..u64::MAX).unwrap();
        assert_eq!(cache.device.bytes[1535], 9);
    }

    #[test]
    fn a_line_that_cannot_be_written_stays_dirty() {
        let mut cache = cache(1024, 8);
        cache.write(5, &[7]).unwrap();
        cache.device.fail_at = Some(0);
        assert!(cache.write_back(0..u64::MAX).is_err());
        assert!(cache.read(20 * LINE as u64, &mut [0; 1]).is_err());
        cache.device.fail_at = None;
        cache.write_back(0..u64::MAX).unwrap();
        assert_eq!(cache.device.bytes[5], 7);
    }
}
