//! `image`: the FAT16 disk that the kernel boots with, built without root and without mounting.
//!
//! The root directory holds the modules to run, under long names: the demo programs, or the files
//! that a user gives. There are no folders: the `.` entries that fatfs 0.3 writes into a new folder
//! carry long names, which `fsck.fat` rightly refuses.
//!
//! The same input gives the same bytes: the volume number is fixed and every file is dated 1980,
//! FAT's first day. FAT16 is asked for explicitly; with 2 KiB clusters the volume has 16 Ki of
//! them, far from both limits of FAT16 (4085 and 65524), so no reader can take it for another FAT.

use crate::{Failure, output_dir};
use fatfs::{Date, DateTime, FatType, FileSystem, FormatVolumeOptions, FsOptions, Time};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Size of the volume in bytes; the file is sparse.
const VOLUME_BYTES: u64 = 32 << 20;
/// Size of a cluster in bytes.
const CLUSTER_BYTES: u32 = 2048;
/// Volume serial number: "BFLW".
const VOLUME_ID: u32 = 0x4246_4C57;
const LABEL: [u8; 11] = *b"BAREFLOW   ";

/// A file to be put on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Name in the root directory.
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

/// Formats the file at `path` and puts the entries on it.
pub(crate) fn write(path: &Path, entries: &[Entry]) -> Result<(), Failure> {
    let io = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
        .map_err(io)?;
    file.set_len(VOLUME_BYTES).map_err(io)?;
    fill(&mut file, entries).map_err(io)?;
    Ok(())
}

/// Formats a volume of the right length and puts the entries on it.
fn fill<V: Read + Write + Seek>(volume: &mut V, entries: &[Entry]) -> std::io::Result<()> {
    let format = FormatVolumeOptions::new()
        .fat_type(FatType::Fat16)
        .bytes_per_cluster(CLUSTER_BYTES)
        .volume_id(VOLUME_ID)
        .volume_label(LABEL);
    fatfs::format_volume(&mut *volume, format)?;
    let disk = FileSystem::new(volume, FsOptions::new().time_provider(&FIRST_DAY))?;
    for entry in entries {
        let mut file = disk.root_dir().create_file(&entry.name)?;
        file.truncate()?;
        file.write_all(&entry.bytes)?;
    }
    disk.unmount()
}

/// A clock that stands still, so that images are reproducible.
#[derive(Debug)]
struct FirstDay;

static FIRST_DAY: FirstDay = FirstDay;

impl fatfs::TimeProvider for FirstDay {
    fn get_current_date(&self) -> Date {
        Date {
            year: 1980,
            month: 1,
            day: 1,
        }
    }

    fn get_current_date_time(&self) -> DateTime {
        let time = Time {
            hour: 0,
            min: 0,
            sec: 0,
            millis: 0,
        };
        DateTime {
            date: self.get_current_date(),
            time,
        }
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
        let disk = disk.unwrap();
        assert_eq!(disk.fat_type(), FatType::Fat16);
        for entry in content(&[]).unwrap() {
            let mut bytes = Vec::new();
            let mut file = disk.root_dir().open_file(&entry.name).unwrap();
            file.read_to_end(&mut bytes).unwrap();
            assert_eq!(bytes, entry.bytes, "{}", entry.name);
        }
        drop(disk);
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
        std::fs::remove_file(path).unwrap();
    }
}
