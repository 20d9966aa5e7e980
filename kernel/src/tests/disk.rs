//! The disk: every file of it reads back as it was written; bad disks, dead disks and no disk give errors.

use super::ensure;
use crate::console::say;
use crate::disk::{DeviceError, DiskError, FileError, Volume};
use crate::metal::time;
use crate::tasks::executive::Executive;
use abi::Container;
use alloc::format;
use alloc::string::{String, ToString};

/// How long the dead disk is waited for.
const SHORT_PATIENCE_US: u64 = 50_000;

/// Every file is as long as the directory says, and every LLBC file has the checksum in its header.
pub(super) fn every_file_reads_back(_executive: &mut Executive) -> Result<(), String> {
    let mut volume = Volume::open().map_err(text)?;
    let entries = volume.list().map_err(text)?;
    ensure(!entries.is_empty(), "the disk has no files")?;
    let (mut bytes, mut checked) = (0, 0);
    for entry in &entries {
        let file = volume
            .read(&entry.name.to_ascii_uppercase())
            .map_err(text)?;
        let (name, size) = (&entry.name, file.len());
        ensure(
            size as u64 == entry.size,
            &format!("{name}: {size} bytes instead of {}", entry.size),
        )?;
        if name.ends_with(".llbc") {
            Container::parse(&file).map_err(|error| format!("{name}: {error}"))?;
            checked += 1;
        }
        bytes += size;
    }
    ensure(checked > 0, "the disk has no file with a checksum")?;
    say!(
        "disk: {} files, {bytes} bytes, {checked} checksums",
        entries.len()
    );
    let missing = volume.read("no such file.bc");
    ensure(
        matches!(
            &missing,
            Err(DiskError::File {
                reason: FileError::NotFound,
                ..
            })
        ),
        &format!("a file that is not there gave {missing:?}"),
    )
}

/// A disk that does not answer is given up in time, and not asked again; the next opening brings it back.
pub(super) fn a_dead_disk_is_given_up(_executive: &mut Executive) -> Result<(), String> {
    let mut dead = Volume::open_dead(SHORT_PATIENCE_US).map_err(text)?;
    let start = time::now_us();
    let first = dead.list();
    let waited = time::now_us() - start;
    ensure(
        first == Err(DiskError::Device(DeviceError::TimedOut)) && waited >= SHORT_PATIENCE_US,
        &format!("after {waited} us it gave {first:?}"),
    )?;
    let second = dead.list();
    ensure(
        second == Err(DiskError::Device(DeviceError::Lost)),
        &format!("asked again, it gave {second:?}"),
    )?;
    Volume::open().map(drop).map_err(text)
}

/// A machine without a disk says so. Needs one.
pub(super) fn no_disk(_executive: &mut Executive) -> Result<(), String> {
    let opened = Volume::open();
    ensure(
        matches!(opened, Err(DiskError::NoDisk)),
        &format!("it gave {opened:?}"),
    )
}

/// Whatever the disk holds, there are files or errors, and the machine goes on. For disks that were damaged on purpose.
pub(super) fn any_disk(_executive: &mut Executive) -> Result<(), String> {
    let listed = Volume::open().and_then(|mut volume| Ok((volume.list()?, volume)));
    let (entries, mut volume) = match listed {
        Ok(listed) => listed,
        Err(error) => {
            say!("disk: {error}");
            return Ok(());
        }
    };
    let mut unreadable = 0;
    for entry in &entries {
        if let Err(error) = volume.read(&entry.name) {
            ensure(
                error.to_string().contains(&entry.name),
                &format!("the error of {} does not name it: {error}", entry.name),
            )?;
            say!("disk: {error}");
            unreadable += 1;
        }
    }
    say!("disk: {} files, {unreadable} unreadable", entries.len());
    Ok(())
}

fn text(error: DiskError) -> String {
    error.to_string()
}
