//! Which module files there are: those of the disk, or the embedded ones where the disk has none that is sound.

use crate::console;
use crate::disk::Volume;
use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

/// Endings of module files.
const ENDINGS: [&str; 2] = [".llbc", ".bc"];
/// Most files that are looked at.
const MAX_FILES: usize = 256;

/// Where a file came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The FAT16 volume.
    Disk,
    /// The kernel image.
    Embedded,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Disk => "disk",
            Self::Embedded => "image",
        })
    }
}

/// A module file in memory.
#[derive(Clone, Debug)]
pub(crate) struct File {
    /// Its name without the ending.
    pub(crate) name: String,
    /// Its bytes.
    pub(crate) bytes: Cow<'static, [u8]>,
    /// Where it came from.
    pub(crate) source: Source,
}

/// All module files, by name. A file of the disk goes before an embedded one of its name, unless it is damaged.
pub(crate) fn files() -> Vec<File> {
    let mut files: BTreeMap<String, File> = modules::all().map(embedded).collect();
    match Volume::open() {
        Ok(mut volume) => add_volume(&mut volume, &mut files),
        Err(why) => console::say!("disk: {why}; the embedded modules are used"),
    }
    files.into_values().collect()
}

/// The file with this name, with or without its ending, whatever its case.
pub(crate) fn find<'a>(files: &'a [File], name: &str) -> Option<&'a File> {
    let name = stem(name).unwrap_or(name);
    files
        .iter()
        .find(|file| file.name.eq_ignore_ascii_case(name))
}

fn embedded(module: &'static modules::Module) -> (String, File) {
    let name = stem(module.file_name)
        .unwrap_or(module.file_name)
        .to_string();
    let bytes = Cow::Borrowed(module.file);
    (
        name.clone(),
        File {
            name,
            bytes,
            source: Source::Embedded,
        },
    )
}

fn add_volume(volume: &mut Volume, files: &mut BTreeMap<String, File>) {
    let entries = match volume.list() {
        Ok(entries) => entries,
        Err(why) => {
            console::say!("disk: {why}; the embedded modules are used");
            return;
        }
    };
    let mut read = 0;
    for entry in entries.into_iter().take(MAX_FILES) {
        let Some(name) = stem(&entry.name) else {
            continue;
        };
        match volume
            .read(&entry.name)
            .map_err(|why| why.to_string())
            .and_then(|bytes| sound(&entry.name, bytes))
        {
            Ok(bytes) => {
                let file = File {
                    name: name.into(),
                    bytes: Cow::Owned(bytes),
                    source: Source::Disk,
                };
                files.insert(name.into(), file);
                read += 1;
            }
            Err(why) => {
                let instead = if files.contains_key(name) {
                    "; the embedded copy is used"
                } else {
                    ""
                };
                console::say!("disk: {why}{instead}");
            }
        }
    }
    console::say!("disk: FAT16, {read} modules");
}

/// The file if its header and checksum are right.
fn sound(name: &str, bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    match abi::Container::parse(&bytes) {
        Ok(_) => Ok(bytes),
        Err(why) => Err(alloc::format!("{name}: {why}")),
    }
}

fn stem(name: &str) -> Option<&str> {
    ENDINGS.iter().find_map(|ending| name.strip_suffix(ending))
}
