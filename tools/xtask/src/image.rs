//! `image`: the FAT16 disk that the kernel boots with, built without root and without mounting.
//!
//! The root directory holds the modules to run, under long names: the demo programs, or the files
//! that a user gives. `lib/libc.a` is the C library, from which programs get what they lack. Other
//! folders come from `bareflow boot --dir`.
//!
//! `fatfs` formats the volume; files and folders are put on it by `hadris-fat`, as the kernel does,
//! because the `.` entries that fatfs 0.3 writes into a new folder carry long names, which `fsck.fat`
//! rightly refuses.
//!
//! The same input gives the same bytes: the volume number is fixed and every file is dated 1980,
//! FAT's first day. FAT16 is asked for explicitly; with 4 KiB clusters the volume has 16 Ki of
//! them, far from both limits of FAT16 (4085 and 65524), so no reader can take it for another FAT.

use crate::{Failure, output_dir};
use fatfs::{FatType, FileSystem, FormatVolumeOptions, FsOptions};
use hadris_fat::sync::{Error, ErrorKind, FatDir, FatVolume, FatVolumeWriteExt as _, IoResult};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Size of the volume in bytes; the file is sparse.
pub(crate) const VOLUME_BYTES: u64 = 64 << 20;
/// Size of a cluster in bytes.
const CLUSTER_BYTES: u32 = 4096;
/// Volume serial number: "BFLW".
const VOLUME_ID: u32 = 0x4246_4C57;
const LABEL: [u8; 11] = *b"BAREFLOW   ";

/// A file to be put on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Path on the volume; one that ends in a slash is a folder.
    pub(crate) name: String,
    /// Content.
    pub(crate) bytes: Vec<u8>,
}

pub(crate) fn main(mut parser: lexopt::Parser) -> Result<ExitCode, Failure> {
    use lexopt::prelude::*;
    let mut modules = Vec::new();
    let mut output = None;
    while let Some(argument) = parser.next()? {
        match argument {
            Long("modules") => modules.extend(split_list(&parser.value()?.string()?)),
            Long("output") => output = Some(PathBuf::from(parser.value()?)),
            _ => return Err(argument.unexpected().into()),
        }
    }
    let path = output.map_or_else(default_path, Ok)?;
    write(&path, &content(&modules)?)?;
    println!("{}", path.display());
    Ok(ExitCode::SUCCESS)
}

/// Where the image goes when nobody says otherwise.
pub(crate) fn default_path() -> Result<PathBuf, Failure> {
    Ok(output_dir()?.join("disk.img"))
}

/// The parts of a comma-separated list of files.
pub(crate) fn split_list(list: &str) -> impl Iterator<Item = PathBuf> {
    list.split([',', ' '])
        .filter(|part| !part.is_empty())
        .map(PathBuf::from)
}

/// The files of an image: the user's modules, or else the demo programs.
pub(crate) fn content(user_modules: &[PathBuf]) -> Result<Vec<Entry>, Failure> {
    let mut entries = Vec::new();
    for file in user_modules {
        let bytes = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        entries.push(Entry {
            name: name.into_owned(),
            bytes,
        });
    }
    if user_modules.is_empty() {
        let programs = modules::DEMOS
            .iter()
            .chain(&modules::HELLO)
            .chain(&modules::MIX);
        entries.extend(programs.map(|module| Entry {
            name: module.file_name.to_owned(),
            bytes: module.file.to_vec(),
        }));
    }
    Ok(entries)
}

/// The C library's archive as the kernel looks for it.
///
/// # Errors
/// It cannot be built: the sources or the compiler are missing.
pub(crate) fn library() -> Result<Entry, Failure> {
    let archive = clib::ensure()?.archive;
    let bytes = std::fs::read(&archive).map_err(|why| format!("{}: {why}", archive.display()))?;
    let name = "lib/libc.a".to_owned();
    Ok(Entry { name, bytes })
}

/// Formats the file at `path` and puts the entries on it.
pub(crate) fn write(path: &Path, entries: &[Entry]) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
        .map_err(|why| failed(&why))?;
    file.set_len(VOLUME_BYTES).map_err(|why| failed(&why))?;
    let format = FormatVolumeOptions::new()
        .fat_type(FatType::Fat16)
        .bytes_per_cluster(CLUSTER_BYTES)
        .volume_id(VOLUME_ID)
        .volume_label(LABEL);
    fatfs::format_volume(&mut file, format).map_err(|why| failed(&why))?;
    put(path, entries)
}

/// Puts the entries on the volume at `path`; files that it has under these names are replaced.
pub(crate) fn put(path: &Path, entries: &[Entry]) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let file = File::options().read(true).write(true).open(path);
    let disk = Disk(file.map_err(|why| failed(&why))?);
    let volume = FatVolume::open(disk).map_err(|why| failed(&why))?;
    for entry in entries {
        add(&volume, entry).map_err(|why| failed(&format!("{}: {why}", entry.name)))?;
    }
    Ok(())
}

/// The content of a file of the volume at `path`, read by `fatfs`.
pub(crate) fn read(path: &Path, name: &str) -> Result<Vec<u8>, Failure> {
    let volume = FileSystem::new(File::open(path)?, FsOptions::new())?;
    let mut bytes = Vec::new();
    let mut file = volume.root_dir().open_file(name)?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The names of what is in a folder of the volume at `path`, sorted, read by `fatfs`.
pub(crate) fn list(path: &Path, folder: &str) -> Result<Vec<String>, Failure> {
    let volume = FileSystem::new(File::open(path)?, FsOptions::new())?;
    let mut names = Vec::new();
    for entry in volume.root_dir().open_dir(folder)?.iter() {
        names.push(entry?.file_name());
    }
    names.retain(|name| name != "." && name != "..");
    names.sort();
    Ok(names)
}

/// Makes the folders of an entry's path and the entry itself.
fn add(volume: &FatVolume<Disk>, entry: &Entry) -> Result<(), hadris_fat::Error> {
    let (folders, name) = entry.name.rsplit_once('/').unwrap_or(("", &entry.name));
    let mut folder: FatDir<'_, Disk> = volume.root_dir();
    for part in folders.split('/').filter(|part| !part.is_empty()) {
        folder = match folder.find(part)? {
            Some(found) => volume.open_dir_entry(&found)?,
            None => volume.create_dir(&folder, part)?,
        };
    }
    if name.is_empty() {
        return Ok(());
    }
    if let Some(old) = folder.find(name)? {
        volume.delete(&old)?;
    }
    let file = volume.create_file(&folder, name)?;
    let mut writer = volume.write_file(&file)?;
    writer.write(&entry.bytes)?;
    writer.finish()
}

/// A file of the host as `hadris-fat` wants to see it.
#[derive(Debug)]
struct Disk(File);

fn failed<T>(result: std::io::Result<T>) -> IoResult<T> {
    result.map_err(|_| Error::from_kind(ErrorKind::Other))
}

impl hadris_fat::sync::Read for Disk {
    type Error = ErrorKind;

    fn read(&mut self, buffer: &mut [u8]) -> IoResult<usize> {
        failed(self.0.read(buffer))
    }
}

impl hadris_fat::sync::Write for Disk {
    type Error = ErrorKind;

    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        failed(self.0.write(bytes))
    }

    fn flush(&mut self) -> IoResult<()> {
        failed(self.0.flush())
    }
}

impl hadris_fat::sync::Seek for Disk {
    type Error = ErrorKind;

    fn seek(&mut self, to: hadris_fat::sync::SeekFrom) -> IoResult<u64> {
        use hadris_fat::sync::SeekFrom;
        failed(self.0.seek(match to {
            SeekFrom::Start(at) => std::io::SeekFrom::Start(at),
            SeekFrom::Current(by) => std::io::SeekFrom::Current(by),
            SeekFrom::End(by) => std::io::SeekFrom::End(by),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::program;
    use std::process::Command;

    /// An image of the default content in a file of its own.
    fn image(test: &str) -> PathBuf {
        let name = format!("xtask-{test}-{}.img", std::process::id());
        let path = std::env::temp_dir().join(name);
        write(&path, &content(&[]).unwrap()).unwrap();
        let folder = |name: &str, bytes: &[u8]| Entry {
            name: name.into(),
            bytes: bytes.into(),
        };
        let more = [
            folder("data/A long folder/", b""),
            folder("data/x.txt", b"old and longer"),
            folder("data/x.txt", b"new"),
        ];
        put(&path, &more).unwrap();
        path
    }

    #[test]
    fn the_same_content_gives_the_same_bytes() {
        let (one, two) = (image("one"), image("two"));
        let equal = std::fs::read(&one).unwrap() == std::fs::read(&two).unwrap();
        std::fs::remove_file(one).unwrap();
        std::fs::remove_file(two).unwrap();
        assert!(equal);
    }

    #[test]
    fn files_read_back_under_their_long_names() {
        let path = image("back");
        let disk = FileSystem::new(File::open(&path).unwrap(), FsOptions::new());
        // Opening read-only is enough: nothing is written back, not even on unmount.
        assert_eq!(disk.unwrap().fat_type(), FatType::Fat16);
        for entry in content(&[]).unwrap() {
            assert!(read(&path, &entry.name).unwrap() == entry.bytes);
        }
        assert_eq!(read(&path, "data/x.txt").unwrap(), b"new");
        assert!(read(&path, "data/y.txt").is_err());
        assert_eq!(list(&path, "data").unwrap(), ["A long folder", "x.txt"]);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn user_modules_take_the_place_of_the_demos() {
        let file = std::env::temp_dir().join(format!("xtask-user-{}.bc", std::process::id()));
        std::fs::write(&file, b"BC\xC0\xDE").unwrap();
        let entries = content(std::slice::from_ref(&file)).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert!(entries[0].name.starts_with("xtask-user-"));
        assert_eq!(entries.len(), 1);
        assert!(content(&["no-such-file.bc".into()]).is_err());
    }

    /// Whether `fsck.fat` finds nothing on the volume once a chain of clusters ends early.
    fn damaged_is_clean(path: &Path) -> bool {
        // The first table lies behind the boot sector; entries 2 to 9 belong to the first files.
        let mut bytes = std::fs::read(path).unwrap();
        bytes[512 + 2 * 4..512 + 2 * 10].fill(0);
        std::fs::write(path, bytes).unwrap();
        let fsck = program("fsck.fat").unwrap();
        let output = Command::new(fsck).arg("-n").arg(path).output().unwrap();
        output.status.success()
    }

    #[test]
    fn fsck_and_mtools_find_nothing_wrong() {
        let path = image("fsck");
        if let Some(fsck) = program("fsck.fat") {
            let output = Command::new(fsck).arg("-n").arg(&path).output().unwrap();
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stdout)
            );
        }
        if program("mdir").is_some() {
            let output = Command::new("mdir")
                .args(["-b", "-i"])
                .arg(&path)
                .output()
                .unwrap();
            let listing = String::from_utf8_lossy(&output.stdout);
            assert!(
                listing.contains("::/compute_intensive-O3.llbc"),
                "{listing}"
            );
        }
        if program("fsck.fat").is_some() {
            assert!(!damaged_is_clean(&path));
        }
        std::fs::remove_file(path).unwrap();
    }
}
