//! The virtio disk: one request at a time, through frames of its own, with a limit on how long it may take.
//!
//! The caller's buffer is never shown to the device. A request that is given up, because the device does not answer or
//! because the contained call that waits is abandoned, may still be answered later; then the bytes land in frames
//! that nobody else ever gets. Such a disk is *lost*: it is not asked again.

use super::memory::KernelMemory;
use super::transport;
use crate::memory;
use crate::metal::pci::Function;
use crate::metal::{cpu, time};
use alloc::string::{String, ToString};
use core::fmt;
use core::mem::ManuallyDrop;
use core::sync::atomic::{AtomicU64, Ordering};
use kernel::frames::Frame;
use kernel::layout::PAGE_SIZE;
use kernel::volume::{BlockDevice, DeviceError, DiskError, SECTOR_SIZE};
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::pci::PciTransport;
use virtio_drivers::transport::{DeviceStatus, Transport};

/// Frames of the data buffer, and so the most that one request moves (64 KiB).
const DATA_FRAMES: u64 = 16;
/// The queue that takes requests; block devices have it always.
const REQUESTS: u16 = 0;
/// VIRTIO_F_VERSION_1 and VIRTIO_BLK_F_FLUSH, the only features that are taken. Not taken, among others: indirect
/// descriptors, whose tables would lie on the heap, and event indices, which spare notifications that a single request
/// needs anyway.
const VERSION_1: u64 = 1 << 32;
const CAN_FLUSH: u64 = 1 << 9;
/// Bytes of a request's header: type (4), reserved (4), first sector (8) (virtio 1.1, section 5.2.6).
const HEADER_SIZE: usize = 16;
/// Request types (virtio 1.1, section 5.2.6).
const READ: u32 = 0;
const WRITE: u32 = 1;
const FLUSH: u32 = 4;
/// Status byte of a request that succeeded.
const SUCCEEDED: u8 = 0;
/// Status byte before the device writes it.
const NO_STATUS: u8 = 0xff;
/// How often the capacity is read again if the device changes it meanwhile.
const MAX_REREADS: u32 = 100;

/// How often the device has been opened: each opening resets it, and so ends the one before.
static OPENINGS: AtomicU64 = AtomicU64::new(0);

/// The bytes that a request moves.
enum Piece<'a> {
    /// From the disk.
    In(&'a mut [u8]),
    /// To the disk.
    Out(&'a [u8]),
    None,
}

/// The disk and its buffers.
pub(super) struct Disk {
    function: Function,
    /// Never dropped: that would wait for a reset without end.
    transport: ManuallyDrop<PciTransport>,
    queue: VirtQueue<KernelMemory, 16>,
    sectors: u64,
    /// Header and status of the request.
    control: Frame,
    data: Frame,
    patience_us: u64,
    /// Whether it has a cache of its own that can be emptied.
    can_flush: bool,
    /// Which of all openings of the device this was.
    opening: u64,
    /// A request is under way, or was given up.
    lost: bool,
}

impl Disk {
    /// Finds the disk and sets it up. It answers a request within `patience_us` or is lost.
    ///
    /// Opening resets the device: a [`Disk`] opened earlier then finds it silent.
    pub(super) fn open(patience_us: u64) -> Result<Self, DiskError> {
        let function = transport::find().ok_or(DiskError::NoDisk)?;
        Self::start(function, patience_us)
            .map_err(|why| DiskError::Device(DeviceError::Unusable(why)))
    }

    /// Makes the disk one that answers no request, for testing what happens then.
    pub(super) fn cut_off(&self) {
        transport::cut_off(self.function);
    }

    /// Sets the device up in the order that virtio 1.1, section 3.1.1 demands.
    fn start(function: Function, patience_us: u64) -> Result<Self, String> {
        let frames = |count| {
            memory::allocate_frames(count, u64::MAX).map_err(|_| "no memory for it".to_string())
        };
        let (control, data) = (frames(1)?, frames(DATA_FRAMES)?);
        let mut transport = ManuallyDrop::new(transport::open(function)?);
        reset(&mut transport, patience_us)?;
        let mut status = DeviceStatus::ACKNOWLEDGE | DeviceStatus::DRIVER;
        transport.set_status(status);
        let features = transport.read_device_features();
        if features & VERSION_1 == 0 {
            return Err("it is older than virtio 1.0".to_string());
        }
        transport.write_driver_features(features & (VERSION_1 | CAN_FLUSH));
        status |= DeviceStatus::FEATURES_OK;
        transport.set_status(status);
        if !transport.get_status().contains(status) {
            return Err("it does not agree to work without extra features".to_string());
        }
        let sectors = read_capacity(&transport)?;
        let queue = VirtQueue::new(&mut *transport, REQUESTS, false, false);
        let queue = queue.map_err(|error| error.to_string())?;
        transport.set_status(status | DeviceStatus::DRIVER_OK);
        Ok(Self {
            function,
            transport,
            queue,
            sectors,
            control,
            data,
            patience_us,
            can_flush: features & CAN_FLUSH != 0,
            // ORDERING: Relaxed: the disk is opened and used on the BSP only.
            opening: OPENINGS.fetch_add(1, Ordering::Relaxed) + 1,
            lost: false,
        })
    }

    /// Whether the device has not been opened again since, which ends this opening.
    pub(super) fn is_current(&self) -> bool {
        // ORDERING: Relaxed: as in `start`.
        self.opening == OPENINGS.load(Ordering::Relaxed)
    }

    /// Has the device do one request: `kind` from sector `first` on, with `bytes` to move, at most [`DATA_FRAMES`].
    fn request(&mut self, kind: u32, first: u64, bytes: Piece<'_>) -> Result<(), DeviceError> {
        if self.lost {
            return Err(DeviceError::Lost);
        }
        self.lost = true;
        // SAFETY: the frames are this disk's own, and no request is under way, so the device leaves them alone.
        let data = unsafe { memory::frame_bytes(self.data, DATA_FRAMES) };
        // SAFETY: as above.
        let control = unsafe { memory::frame_bytes(self.control, 1) };
        let (header, rest) = control.split_at_mut(HEADER_SIZE);
        let status = &mut rest[..1];
        header[..4].copy_from_slice(&kind.to_le_bytes());
        header[8..].copy_from_slice(&first.to_le_bytes());
        status[0] = NO_STATUS;
        let done = match bytes {
            Piece::In(buffer) => {
                let data = &mut data[..buffer.len()];
                let done = self.exchange(&[&*header], &mut [&mut *data, &mut *status]);
                if done.is_ok() {
                    buffer.copy_from_slice(data);
                }
                done
            }
            Piece::Out(buffer) => {
                let data = &mut data[..buffer.len()];
                data.copy_from_slice(buffer);
                self.exchange(&[&*header, &*data], &mut [&mut *status])
            }
            Piece::None => self.exchange(&[&*header], &mut [&mut *status]),
        };
        done?;
        self.lost = false;
        if status[0] == SUCCEEDED {
            Ok(())
        } else {
            Err(DeviceError::Failed)
        }
    }

    /// Shows the buffers to the device and waits for its answer.
    fn exchange<'a>(
        &mut self,
        inputs: &'a [&'a [u8]],
        outputs: &'a mut [&'a mut [u8]],
    ) -> Result<(), DeviceError> {
        // SAFETY: the buffers, all in frames of this disk, are not touched before the answer is there; if none comes,
        // never again.
        let token = unsafe { self.queue.add(inputs, outputs) };
        let token = token.map_err(|_| DeviceError::Failed)?;
        if self.queue.should_notify() {
            self.transport.notify(REQUESTS);
        }
        self.wait(token)?;
        // SAFETY: the buffers of the request with this token.
        let popped = unsafe { self.queue.pop_used(token, inputs, outputs) };
        popped.map(drop).map_err(|_| DeviceError::Failed)
    }

    /// Waits until the device has answered request `token`.
    fn wait(&self, token: u16) -> Result<(), DeviceError> {
        let answered = || self.queue.peek_used() == Some(token);
        if wait_for(self.patience_us, answered) {
            Ok(())
        } else {
            Err(DeviceError::TimedOut)
        }
    }
}

fn reset(transport: &mut PciTransport, patience_us: u64) -> Result<(), String> {
    transport.set_status(DeviceStatus::empty());
    if wait_for(patience_us, || transport.get_status().is_empty()) {
        Ok(())
    } else {
        Err("it cannot be reset".to_string())
    }
}

/// The number of sectors, from two registers that change only together with the generation.
fn read_capacity(transport: &PciTransport) -> Result<u64, String> {
    let half = |offset| transport.read_config_space::<u32>(offset).map(u64::from);
    for _ in 0..MAX_REREADS {
        let before = transport.read_config_generation();
        let (low, high) = (half(0), half(4));
        if transport.read_config_generation() == before {
            let both = low.and_then(|low| Ok(low | high? << 32));
            return both.map_err(|error| error.to_string());
        }
    }
    Err("its capacity keeps changing".to_string())
}

/// Polls until `done`, for at most `patience_us`; returns whether it was.
fn wait_for(patience_us: u64, done: impl Fn() -> bool) -> bool {
    let end = time::now_us().saturating_add(patience_us);
    loop {
        // The clock is read first: time that passes between the two reads must not make an answer late.
        let late = time::now_us() > end;
        if done() {
            return true;
        }
        if late {
            return false;
        }
        cpu::relax();
    }
}

impl BlockDevice for Disk {
    fn sectors(&self) -> u64 {
        self.sectors
    }

    fn read(&mut self, first: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        let size = (DATA_FRAMES * PAGE_SIZE) as usize;
        let mut first = first;
        for piece in buffer.chunks_mut(size) {
            let sectors = (piece.len() / SECTOR_SIZE) as u64;
            self.request(READ, first, Piece::In(piece))?;
            first += sectors;
        }
        Ok(())
    }

    fn write(&mut self, first: u64, bytes: &[u8]) -> Result<(), DeviceError> {
        let size = (DATA_FRAMES * PAGE_SIZE) as usize;
        let mut first = first;
        for piece in bytes.chunks(size) {
            self.request(WRITE, first, Piece::Out(piece))?;
            first += (piece.len() / SECTOR_SIZE) as u64;
        }
        Ok(())
    }

    /// A device without a cache of its own has written when it has answered.
    fn flush(&mut self) -> Result<(), DeviceError> {
        if self.can_flush {
            self.request(FLUSH, 0, Piece::None)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk")
            .field("sectors", &self.sectors)
            .field("lost", &self.lost)
            .finish_non_exhaustive()
    }
}
