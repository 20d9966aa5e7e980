//! The files of a FAT16 disk: the root directory's list, and whole files by their long names.
//!
//! The FAT itself is read by the `hadris-fat` crate; this module gives it a stream (`reader`), bounds what it may do,
//! and turns its errors into ours, which name the file and the reason. Nothing is kept between two calls: each mounts
//! the disk anew, which costs one cached sector, so a failed call leaves nothing behind that the next could trip over.
//!
//! # Why a damaged disk does no harm
//! D1. Reads are bounded (`reader`, B2), and so are the chains that are walked without reading: FAT16 has at most 65524
//!     clusters and the reader refuses a chain that is longer. FAT32 could have 2^28, and is refused.
//! D2. A file's bytes go into a buffer of the size that its directory entry gives, which is checked against
//!     [`MAX_FILE`] and the size of the disk before anything is allocated.
//! D3. A file whose chain ends too early is an error and not a shorter file.
//!
//! What is not promised: that the bytes are those that were written. FAT has no checksums; module files carry their own.

mod reader;
#[cfg(test)]
pub(crate) mod tests;

pub use reader::{BlockDevice, SECTOR_SIZE};

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use hadris_fat::{ErrorKind, FatType, FatVolume, FatVolumeReadExt};
use reader::{Failure, Reader};

/// Largest file that is read, in bytes.
pub const MAX_FILE: u64 = 64 << 20;
/// What mounting and searching the directory may read, in bytes: the largest root directory (2 MiB) many times over.
const SEARCH_ALLOWANCE: u64 = 16 << 20;
/// Bytes of a file read at once; the file's directory entry is looked at again each time.
const PIECE: usize = 256 << 10;

/// A file of the root directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, the long one if it has one. Characters that could confuse a terminal are replaced by U+FFFD.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
}

/// What a disk may do instead of giving its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceError {
    /// It could not be set up, for this reason.
    Unusable(String),
    /// It did not answer in time, and is not used any more.
    TimedOut,
    /// It reported that it could not read.
    Failed,
    /// It is not used any more because an earlier request was given up.
    Lost,
    /// More was read than a file system in order needs.
    Endless,
}

/// Why a file could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileError {
    /// There is none of this name.
    NotFound,
    /// It is a folder.
    Folder,
    /// It is larger than [`MAX_FILE`] or than the disk; its size in bytes.
    TooLarge(u64),
    /// There is no memory for its bytes; its size.
    OutOfMemory(u64),
    /// Its clusters end early.
    Cut {
        /// Bytes that could be read.
        found: u64,
        /// Bytes that the directory entry promises.
        size: u64,
    },
    /// Its chain of clusters makes no sense.
    Damaged(String),
    /// The disk failed.
    Device(DeviceError),
}

/// Why something could not be had from the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskError {
    /// The machine has no disk.
    NoDisk,
    /// The disk failed.
    Device(DeviceError),
    /// There is no FAT16 file system on it.
    NotFat(String),
    /// The root directory makes no sense.
    Damaged(String),
    /// A file could not be read.
    File {
        /// The name that was asked for.
        name: String,
        /// Why.
        reason: FileError,
    },
    /// The FAT reader itself failed and was contained.
    Contained(String),
}

/// Whether there is a FAT16 file system on the disk.
///
/// # Errors
/// [`DiskError::NotFat`] or [`DiskError::Device`].
pub fn check<D: BlockDevice>(device: &mut D) -> Result<(), DiskError> {
    with_volume(device, SEARCH_ALLOWANCE, |_, _| Ok(()))
}

/// The files of the root directory in its order; folders are left out.
///
/// # Errors
/// As [`check`], and [`DiskError::Damaged`].
pub fn list<D: BlockDevice>(device: &mut D) -> Result<Vec<Entry>, DiskError> {
    with_volume(device, SEARCH_ALLOWANCE, |volume, failure| {
        let mut entries = Vec::new();
        for record in volume.root_dir().entries() {
            let record = record.map_err(|error| directory_error(&error, failure))?;
            let Some(file) = record.as_entry().filter(|entry| entry.is_file()) else {
                continue;
            };
            entries.push(Entry {
                name: file.name().chars().map(printable).collect(),
                size: file.len(),
            });
        }
        Ok(entries)
    })
}

/// The size in bytes of the file `name`, at most [`MAX_FILE`] and the size of the disk. Case does not matter.
///
/// # Errors
/// As [`list`], and [`DiskError::File`] if there is no such file or it is too large.
pub fn size<D: BlockDevice>(device: &mut D, name: &str) -> Result<usize, DiskError> {
    let limit = MAX_FILE.min(device.sectors().saturating_mul(SECTOR_SIZE as u64));
    with_volume(device, SEARCH_ALLOWANCE, |volume, failure| {
        let size = find(volume, name, failure)?.len();
        match usize::try_from(size) {
            Ok(bytes) if size <= limit => Ok(bytes),
            _ => Err(file_error(name, FileError::TooLarge(size))),
        }
    })
}

/// Fills `buffer`, whose length [`size`] gave, with the file `name`.
///
/// # Errors
/// As [`size`], and [`DiskError::File`] if the file cannot be read to its end.
pub fn read_into<D: BlockDevice>(
    device: &mut D,
    name: &str,
    buffer: &mut [u8],
) -> Result<(), DiskError> {
    let allowance = SEARCH_ALLOWANCE + 4 * buffer.len() as u64;
    with_volume(device, allowance, |volume, failure| {
        let entry = find(volume, name, failure)?;
        let broken = |error: hadris_fat::Error| {
            let reason = failure
                .take()
                .map_or_else(|| FileError::Damaged(describe(&error)), FileError::Device);
            file_error(name, reason)
        };
        let mut file = volume
            .read_file(&entry)
            .and_then(|file| file.with_cached_chain())
            .map_err(broken)?;
        let mut found = 0;
        while found < buffer.len() {
            let end = buffer.len().min(found + PIECE);
            match file.read(&mut buffer[found..end]).map_err(broken)? {
                0 => break,
                count => found += count,
            }
        }
        if found == buffer.len() && entry.len() == found as u64 {
            return Ok(());
        }
        let (found, size) = (found as u64, entry.len());
        Err(file_error(name, FileError::Cut { found, size }))
    })
}

/// Mounts the disk and lets `work` use it.
fn with_volume<D: BlockDevice, R>(
    device: &mut D,
    allowance: u64,
    work: impl FnOnce(&FatVolume<Reader<'_, D>>, &Failure) -> Result<R, DiskError>,
) -> Result<R, DiskError> {
    let failure = Failure::default();
    let reader = Reader::new(device, allowance, &failure);
    let volume = FatVolume::open(reader).map_err(|error| match failure.take() {
        Some(failure) => DiskError::Device(failure),
        None => DiskError::NotFat(describe(&error)),
    })?;
    if volume.fat_type() != FatType::Fat16 {
        return Err(DiskError::NotFat("it is another kind of FAT".to_string()));
    }
    work(&volume, &failure)
}

fn find<D: BlockDevice>(
    volume: &FatVolume<Reader<'_, D>>,
    name: &str,
    failure: &Failure,
) -> Result<hadris_fat::FileEntry, DiskError> {
    let found = volume.root_dir().find(name);
    let entry = found
        .map_err(|error| directory_error(&error, failure))?
        .ok_or_else(|| file_error(name, FileError::NotFound))?;
    if entry.is_directory() {
        return Err(file_error(name, FileError::Folder));
    }
    Ok(entry)
}

fn directory_error(error: &hadris_fat::Error, failure: &Failure) -> DiskError {
    match failure.take() {
        Some(failure) => DiskError::Device(failure),
        None => DiskError::Damaged(describe(error)),
    }
}

/// The FAT reader's error in words. It has none for a place that the device does not have (`reader`, B3).
fn describe(error: &hadris_fat::Error) -> String {
    use hadris_fat::Error::{Io, IoContext};
    match error {
        Io(cause) | IoContext { source: cause, .. } if cause.kind() == ErrorKind::UnexpectedEof => {
            "it goes beyond the end of the disk".to_string()
        }
        _ => error.to_string(),
    }
}

/// The error that the file `name` could not be read.
#[must_use]
pub fn file_error(name: &str, reason: FileError) -> DiskError {
    let name = name.to_string();
    DiskError::File { name, reason }
}

fn printable(character: char) -> char {
    if character.is_control() {
        char::REPLACEMENT_CHARACTER
    } else {
        character
    }
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unusable(why) => write!(f, "the disk cannot be used: {why}"),
            Self::TimedOut => f.write_str("the disk did not answer in time"),
            Self::Failed => f.write_str("the disk reported a read error"),
            Self::Lost => f.write_str("the disk is out of use since an earlier failure"),
            Self::Endless => f.write_str("the file system makes its reader read without end"),
        }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("no such file"),
            Self::Folder => f.write_str("it is a folder"),
            Self::TooLarge(size) => write!(f, "its {size} bytes are too many"),
            Self::OutOfMemory(size) => write!(f, "no memory for its {size} bytes"),
            Self::Cut { found, size } => write!(f, "only {found} of its {size} bytes are there"),
            Self::Damaged(why) => write!(f, "damaged: {why}"),
            Self::Device(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDisk => f.write_str("no disk"),
            Self::Device(error) => error.fmt(f),
            Self::NotFat(why) => write!(f, "no FAT16 file system: {why}"),
            Self::Damaged(why) => write!(f, "the root directory is damaged: {why}"),
            Self::File { name, reason } => write!(f, "{name}: {reason}"),
            Self::Contained(why) => write!(f, "the FAT reader failed: {why}"),
        }
    }
}
