//! Good and bad disks: images made by another FAT implementation, cut, cyclic, and with random bytes changed.

use super::*;
use alloc::format;
use alloc::vec;
use fatfs::{FileSystem, FormatVolumeOptions, FsOptions};
use std::io::{Cursor, Write};

/// 4300 clusters of one sector: the smallest kind of FAT16.
const IMAGE_SECTORS: usize = 4400;
/// First byte of the FAT: one reserved sector comes before it.
const FAT_START: usize = SECTOR_SIZE;

/// A disk in memory that counts its requests and fails when it is told to.
#[derive(Clone, Debug)]
pub(crate) struct MemoryDisk {
    pub(crate) bytes: Vec<u8>,
    pub(crate) requests: u64,
    /// Number of the request from which on all fail.
    pub(crate) fail_at: Option<u64>,
}

impl MemoryDisk {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            requests: 0,
            fail_at: None,
        }
    }
}

impl BlockDevice for MemoryDisk {
    fn sectors(&self) -> u64 {
        (self.bytes.len() / SECTOR_SIZE) as u64
    }

    fn read(&mut self, first: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        assert!(!buffer.is_empty() && buffer.len().is_multiple_of(SECTOR_SIZE));
        let number = self.requests;
        self.requests += 1;
        let start = first as usize * SECTOR_SIZE;
        match self.bytes.get(start..start + buffer.len()) {
            Some(bytes) if self.fail_at.is_none_or(|at| number < at) => {
                buffer.copy_from_slice(bytes);
                Ok(())
            }
            _ => Err(DeviceError::Failed),
        }
    }

    fn write(&mut self, first: u64, bytes: &[u8]) -> Result<(), DeviceError> {
        assert!(!bytes.is_empty() && bytes.len().is_multiple_of(SECTOR_SIZE));
        let number = self.requests;
        self.requests += 1;
        let start = first as usize * SECTOR_SIZE;
        match self.bytes.get_mut(start..start + bytes.len()) {
            Some(place) if self.fail_at.is_none_or(|at| number < at) => {
                place.copy_from_slice(bytes);
                Ok(())
            }
            _ => Err(DeviceError::Failed),
        }
    }

    fn flush(&mut self) -> Result<(), DeviceError> {
        Ok(())
    }
}

/// The files of the test image; the sizes lie around those of sectors and clusters.
fn files() -> Vec<(String, Vec<u8>)> {
    let file = |name: &str, size: usize, seed: usize| {
        let bytes = (0..size).map(|at| (at * 31 + at / 251 + seed) as u8);
        (name.to_string(), bytes.collect())
    };
    vec![
        file("compute_intensive-O3.llbc", 5000, 1),
        file("SHORT.BC", 512, 2),
        file("A long name with spaces, and dots.v1.llbc", 70_001, 3),
        file("empty.bc", 0, 4),
        file("grün-über.bc", 513, 5),
    ]
}

fn image() -> MemoryDisk {
    let mut volume = Cursor::new(vec![0; IMAGE_SECTORS * SECTOR_SIZE]);
    let options = FormatVolumeOptions::new()
        .fat_type(fatfs::FatType::Fat16)
        .bytes_per_cluster(SECTOR_SIZE as u32);
    fatfs::format_volume(&mut volume, options).unwrap();
    {
        let disk = FileSystem::new(&mut volume, FsOptions::new()).unwrap();
        disk.root_dir().create_dir("folder").unwrap();
        for (name, bytes) in files() {
            let mut file = disk.root_dir().create_file(&name).unwrap();
            file.write_all(&bytes).unwrap();
        }
    }
    MemoryDisk::new(volume.into_inner())
}

fn read(disk: &mut MemoryDisk, name: &str) -> Result<Vec<u8>, DiskError> {
    let mut bytes = vec![0; size(disk, name)?];
    read_into(disk, name, &mut bytes).map(|()| bytes)
}

/// Where the directory record of the file with this short name lies.
fn record(disk: &MemoryDisk, short_name: &[u8; 11]) -> usize {
    let windows = disk
        .bytes
        .chunks(32)
        .position(|r| r.starts_with(short_name));
    windows.unwrap() * 32
}

fn reason(result: Result<Vec<u8>, DiskError>) -> FileError {
    match result {
        Err(DiskError::File { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_file_reads_back_under_its_long_name() {
    let mut disk = image();
    let listed = list(&mut disk).unwrap();
    let expected = files();
    assert_eq!(
        listed,
        expected
            .iter()
            .map(|(name, bytes)| Entry {
                name: name.clone(),
                size: bytes.len() as u64
            })
            .collect::<Vec<_>>()
    );
    for (name, bytes) in expected {
        assert_eq!(read(&mut disk, &name), Ok(bytes), "{name}");
    }
}

#[test]
fn names_are_found_whatever_their_case() {
    let mut disk = image();
    let bytes = &files()[0].1;
    assert_eq!(
        read(&mut disk, "COMPUTE_INTENSIVE-o3.LLBC").as_ref(),
        Ok(bytes)
    );
    assert_eq!(
        read(&mut disk, "short.bc").map(|bytes| bytes.len()),
        Ok(512)
    );
}

#[test]
fn a_whole_file_takes_few_requests() {
    let mut disk = image();
    let name = &files()[2].0;
    read(&mut disk, name).unwrap();
    // 70 KB in 137 clusters: boot sector, FAT, directory, and the data in one piece.
    assert!(disk.requests < 20, "{} requests", disk.requests);
}

#[test]
fn what_is_not_a_readable_file_is_named_with_the_reason() {
    let mut disk = image();
    let error = read(&mut disk, "none.bc").unwrap_err();
    assert_eq!(error.to_string(), "none.bc: no such file");
    assert_eq!(reason(read(&mut disk, "folder")), FileError::Folder);
    assert_eq!(reason(read(&mut disk, "")), FileError::NotFound);
}

#[test]
fn a_size_beyond_the_disk_is_refused_before_memory_is_asked_for() {
    let mut disk = image();
    let at = record(&disk, b"SHORT   BC ");
    for size in [u32::MAX, IMAGE_SECTORS as u32 * 512 + 1] {
        disk.bytes[at + 28..at + 32].copy_from_slice(&size.to_le_bytes());
        let refused = reason(read(&mut disk, "SHORT.BC"));
        assert_eq!(refused, FileError::TooLarge(u64::from(size)));
    }
}

#[test]
fn a_file_that_ends_early_is_an_error() {
    let mut disk = image();
    let at = record(&disk, b"SHORT   BC ");
    disk.bytes[at + 28..at + 32].copy_from_slice(&5000_u32.to_le_bytes());
    let cut = reason(read(&mut disk, "SHORT.BC"));
    let (found, size) = (512, 5000);
    assert_eq!(cut, FileError::Cut { found, size });
    // No first cluster at all.
    disk.bytes[at + 26..at + 28].fill(0);
    assert!(matches!(
        reason(read(&mut disk, "SHORT.BC")),
        FileError::Cut { found: 0, .. } | FileError::Damaged(_)
    ));
}

#[test]
fn a_cyclic_chain_is_found_out() {
    let mut disk = image();
    let at = record(&disk, b"SHORT   BC ");
    let first = u16::from_le_bytes([disk.bytes[at + 26], disk.bytes[at + 27]]);
    let link = FAT_START + 2 * usize::from(first);
    disk.bytes[link..link + 2].copy_from_slice(&first.to_le_bytes());
    assert!(matches!(
        reason(read(&mut disk, "SHORT.BC")),
        FileError::Damaged(why) if why.contains("loop")
    ));
    assert!(disk.requests < 1000);
}

#[test]
fn other_contents_are_no_file_system() {
    let mut empty = MemoryDisk::new(Vec::new());
    let mut zeros = MemoryDisk::new(vec![0; 1 << 20]);
    let mut ones = MemoryDisk::new(vec![0xff; 1 << 20]);
    for disk in [&mut empty, &mut zeros, &mut ones] {
        assert!(matches!(check(disk), Err(DiskError::NotFat(_))));
        assert!(matches!(list(disk), Err(DiskError::NotFat(_))));
    }
    let mut fat32 = Cursor::new(vec![0; 40 << 20]);
    let options = FormatVolumeOptions::new().fat_type(fatfs::FatType::Fat32);
    fatfs::format_volume(&mut fat32, options.bytes_per_cluster(512)).unwrap();
    let mut fat32 = MemoryDisk::new(fat32.into_inner());
    let refused = check(&mut fat32).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "no FAT16 file system: it is another kind of FAT"
    );
}

#[test]
fn a_failing_device_is_reported_as_such_wherever_it_fails() {
    let name = &files()[2].0;
    let mut whole = image();
    read(&mut whole, name).unwrap();
    for at in 0..whole.requests {
        let mut disk = image();
        disk.fail_at = Some(at);
        match read(&mut disk, name) {
            Err(DiskError::Device(DeviceError::Failed)) => {}
            Err(DiskError::File {
                reason: FileError::Device(DeviceError::Failed),
                ..
            }) => {}
            other => panic!("request {at}: {other:?}"),
        }
    }
}

#[test]
fn control_characters_in_names_do_not_reach_the_console() {
    let mut disk = image();
    let at = record(&disk, b"SHORT   BC ");
    disk.bytes[at + 1] = 0x1b;
    let names = list(&mut disk).map(|entries| {
        let names = entries.into_iter().map(|entry| entry.name);
        names.collect::<String>()
    });
    assert!(names.is_err() || names.is_ok_and(|names| !names.contains('\u{1b}')));
}

#[test]
fn a_cut_image_gives_errors_or_the_right_bytes() {
    let whole = image();
    for sectors in (0..40).chain((40..IMAGE_SECTORS).step_by(61)) {
        let mut disk = MemoryDisk::new(whole.bytes[..sectors * SECTOR_SIZE].to_vec());
        survey(&mut disk, &format!("{sectors} sectors"));
        for (name, bytes) in files() {
            match read(&mut disk, &name) {
                Ok(read) => assert_eq!(read, bytes, "{name} of {sectors} sectors"),
                Err(error) => {
                    let why = error.to_string();
                    let expected = why.contains("beyond the end") || why.contains("too many");
                    assert!(expected, "{sectors} sectors: {why}");
                }
            }
        }
    }
}

/// Mutants of the image: bytes of its metadata changed, one or a few at a time.
#[test]
fn mutants_give_errors_or_files_but_never_a_panic_or_a_hang() {
    let whole = image();
    let root = record(&whole, b"SHORT   BC ") / SECTOR_SIZE * SECTOR_SIZE;
    let regions = [(0, 64), (500, 12), (FAT_START, 400), (root - 512, 1536)];
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut disk = whole.clone();
    let (mut read, mut refused) = (0, 0);
    for mutant in 0..4000 {
        let mut changed = Vec::new();
        for _ in 0..=random.below(4) {
            let (start, length) = regions[random.below(regions.len())];
            let at = start + random.below(length);
            let old = disk.bytes[at];
            disk.bytes[at] = random.byte(old);
            changed.push((at, old));
        }
        let (good, bad) = survey(&mut disk, &format!("mutant {mutant}: {changed:?}"));
        read += good;
        refused += bad;
        while let Some((at, old)) = changed.pop() {
            disk.bytes[at] = old;
        }
    }
    assert_eq!(disk.bytes, whole.bytes);
    // The mutations bite, and do not bite everything.
    assert!(
        read > 1000 && refused > 1000,
        "{read} read, {refused} refused"
    );
}

/// Lists the disk and reads all files, those it lists and those it should; returns how many could be read and not.
fn survey(disk: &mut MemoryDisk, what: &str) -> (u32, u32) {
    disk.requests = 0;
    let listed = list(disk).unwrap_or_default();
    let names = listed.into_iter().take(20).map(|entry| entry.name);
    let names: Vec<_> = names
        .chain(files().into_iter().map(|file| file.0))
        .collect();
    let (mut good, mut bad) = (0, 0);
    for name in &names {
        match read(disk, name) {
            Ok(bytes) => {
                assert!(bytes.len() <= disk.bytes.len(), "{what}");
                good += 1;
            }
            Err(_) => bad += 1,
        }
    }
    assert!(
        disk.requests < 100_000,
        "{what}: {} requests",
        disk.requests
    );
    (good, bad)
}

/// A small generator (xorshift), so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// A new value for a byte: an extreme one, a neighbour, or any.
    fn byte(&mut self, old: u8) -> u8 {
        match self.below(6) {
            0 => 0,
            1 => 0xff,
            2 => old ^ (1 << self.below(8)),
            3 => old.wrapping_add(1),
            4 => old.wrapping_sub(1),
            _ => self.next() as u8,
        }
    }
}
