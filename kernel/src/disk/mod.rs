//! The disk: a FAT16 volume on the machine's virtio block device, for reading module files, and for programs' files.
//!
//! `transport` finds the device on the PCI bus, `memory` gives it frames, `virtio` asks it for sectors, and the library
//! half (`kernel::volume`, `kernel::files`) makes files of them. [`Volume`] reads whole files, for the kernel itself;
//! [`service`] does what programs ask for. On the BSP only, once the cores are up (the waits need a calibrated clock).
//!
//! The FAT reader is other people's code that is fed with whatever a disk holds. So it runs as a contained call: a
//! panic in it, a stack overflow, too much memory or too much time ends the call with an error and not the machine.
//! It takes no lock (the volume belongs to its caller) and what it leaves half done is one thing only, a request to
//! the device, which then counts as lost (`virtio`).

#[expect(unsafe_code, reason = "memory and registers shared with a device")]
mod memory;
pub(crate) mod service;
#[expect(unsafe_code, reason = "writes configuration space")]
mod transport;
#[expect(unsafe_code, reason = "buffers that a device writes")]
mod virtio;

pub(crate) use kernel::volume::{DeviceError, DiskError, Entry, FileError};

use crate::console;
use crate::metal::{apic, time};
use crate::trap::contain::{Enclosure, Failure};
use crate::trap::interrupts;
use alloc::string::ToString;
use alloc::vec::Vec;
use kernel::volume::{self, file_error};
use virtio::Disk;

/// How long the device may take for one request.
const PATIENCE_US: u64 = 10_000_000;
/// How long one call of the FAT reader may take.
const CALL_LIMIT_US: u64 = 120_000_000;
/// How often the limit is looked at.
const TICK_US: u64 = 100_000;
const STACK_SIZE: u64 = 128 << 10;
/// What one call of the FAT reader may allocate, in bytes.
const ARENA_LIMIT: u64 = 16 << 20;

/// The FAT16 volume on the machine's disk.
#[derive(Debug)]
pub(crate) struct Volume {
    disk: Disk,
    enclosure: Enclosure,
}

impl Volume {
    /// Opens the volume on the machine's first virtio disk, which takes it away from a volume opened before.
    ///
    /// # Errors
    /// `NoDisk`, `NotFat`, or `Device`.
    pub(crate) fn open() -> Result<Self, DiskError> {
        let mut volume = Self::new(Disk::open(PATIENCE_US)?)?;
        volume.contained(volume::check)?;
        Ok(volume)
    }

    /// A volume on a disk that answers no request, each of which is waited for `patience_us`. For the test of that.
    pub(crate) fn open_dead(patience_us: u64) -> Result<Self, DiskError> {
        let disk = Disk::open(patience_us)?;
        disk.cut_off();
        Self::new(disk)
    }

    fn new(disk: Disk) -> Result<Self, DiskError> {
        let enclosure = Enclosure::new(STACK_SIZE, ARENA_LIMIT);
        let enclosure = enclosure.map_err(|_| DiskError::Contained("no memory".to_string()))?;
        Ok(Self { disk, enclosure })
    }

    /// The files of the root directory.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub(crate) fn list(&mut self) -> Result<Vec<Entry>, DiskError> {
        self.contained(volume::list)
    }

    /// The bytes of the file `name`, whatever its case.
    ///
    /// # Errors
    /// The file cannot be read; the error names it and the reason.
    pub(crate) fn read(&mut self, name: &str) -> Result<Vec<u8>, DiskError> {
        let size = self.contained(|disk| volume::size(disk, name))?;
        let mut bytes = Vec::new();
        if bytes.try_reserve_exact(size).is_err() {
            return Err(file_error(name, FileError::OutOfMemory(size as u64)));
        }
        bytes.resize(size, 0);
        self.contained(|disk| volume::read_into(disk, name, &mut bytes))?;
        Ok(bytes)
    }

    /// Runs `work` with the disk as a contained call.
    fn contained<R: Clone>(
        &mut self,
        work: impl FnOnce(&mut Disk) -> Result<R, DiskError>,
    ) -> Result<R, DiskError> {
        let disk = &mut self.disk;
        let outcome = contained(&mut self.enclosure, || work(disk));
        outcome.unwrap_or_else(|failure| Err(DiskError::Contained(failure.to_string())))
    }
}

/// Runs `work` to its end as a contained call; interrupts are served meanwhile. On the BSP.
fn contained<R: Clone>(enclosure: &mut Enclosure, work: impl FnOnce() -> R) -> Result<R, Failure> {
    let end = time::now_us() + CALL_LIMIT_US;
    apic::arm_timer(TICK_US);
    enclosure.run(work, Clone::clone, |vector| {
        interrupts::handle(vector);
        console::drain();
        apic::arm_timer(TICK_US);
        time::now_us() < end
    })
}
