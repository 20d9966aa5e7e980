//! A mounted volume: names, and the open files behind them.
//!
//! Paths are relative to the root, their parts separated by `/`; who may name what has been decided before
//! (`instance::files`). Each operation on names mounts the volume anew on the cache, which costs a few cached sectors:
//! so the crate that does the work keeps nothing between two calls, and one that failed leaves nothing behind but what
//! it wrote.

use super::cache::Cache;
use super::geometry::{Geometry, RECORD};
use super::node::{Ground, Node, errno};
use super::removal::{ATTRIBUTES, FREE};
use super::stream::Stream;
use crate::calendar::Date;
use crate::volume::{BlockDevice, DeviceError, SECTOR_SIZE};
use abi::Errno;
use abi::file::{Kind, Stat, open as flag};
use alloc::boxed::Box;
use alloc::vec;
use core::fmt;
use core::sync::atomic::{AtomicI64, Ordering};
use hadris_fat::FatDateTime;
use hadris_fat::raw::DirEntryAttrFlags;
use hadris_fat::sync::{FatDir, FatVolume, FileEntry};
use hadris_fat::time::TimeProvider;

/// Files that can be open at once, each counted once.
pub const MAX_NODES: usize = 128;

/// A mounted volume.
#[derive(Debug)]
pub struct Tree<D> {
    pub(super) ground: Ground<D>,
    pub(super) nodes: Box<[Node]>,
}

/// Names an open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(u16);

impl NodeId {
    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Why a disk has no files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotMounted {
    /// The disk failed.
    Device(DeviceError),
    /// There is no FAT16 volume on it.
    NotFat,
}

impl fmt::Display for NotMounted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(error) => error.fmt(f),
            Self::NotFat => f.write_str("no FAT16 file system"),
        }
    }
}

/// The clock by which changes are dated, µs since 1970.
#[derive(Debug)]
struct Clock(AtomicI64);

static CLOCK: Clock = Clock(AtomicI64::new(0));

impl TimeProvider for Clock {
    fn now(&self) -> FatDateTime {
        // ORDERING: Relaxed: a figure that stands for itself.
        let date = Date::from_us(self.0.load(Ordering::Relaxed));
        if date.year < 1980 {
            return FatDateTime::EPOCH;
        }
        let Date {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = date;
        FatDateTime::new(year, month, day, hour, minute, second)
    }
}

/// Changes are dated by this from now on, µs since 1970.
pub fn set_clock(us: i64) {
    // ORDERING: Relaxed: as in `now`.
    CLOCK.0.store(us, Ordering::Relaxed);
}

/// What a path was found to be.
pub(super) struct Found {
    entry: FileEntry,
    /// First cluster of the directory it is in; 0 is the root.
    pub(super) directory: u16,
}

type Volume<'a, D> = FatVolume<Stream<'a, D>>;

impl<D: BlockDevice> Tree<D> {
    /// Mounts the volume on the disk behind `cache`: finds out where things lie. All memory that stays is taken here.
    ///
    /// # Errors
    /// There is none of FAT16, or the disk failed.
    pub fn mount(mut cache: Cache<D>) -> Result<Self, NotMounted> {
        let mut sector = [0; SECTOR_SIZE];
        cache.read(0, &mut sector)?;
        let geometry = Geometry::read(&sector, cache.len()).ok_or(NotMounted::NotFat)?;
        Ok(Self {
            ground: Ground {
                cache,
                geometry,
                hint: 2,
            },
            nodes: vec![Node::NONE; MAX_NODES].into(),
        })
    }

    /// The disk.
    pub fn device(&mut self) -> &mut D {
        self.ground.cache.device()
    }

    /// Opens the file at `path`; `flags` are those of `bf_open`, without those of directories.
    ///
    /// # Errors
    /// There is none and none is to be made, or there is one and it must not be, or it is a directory, or no place for
    /// another open file is left, or the disk fails.
    pub fn open(&mut self, path: &str, flags: u32) -> Result<NodeId, Errno> {
        let found = match self.find(path) {
            Ok(_) if flags & flag::EXCLUSIVE != 0 => return Err(Errno::Exists),
            Err(Errno::NoEntry) if flags & flag::CREATE != 0 => self.make_file(path)?,
            found => found?,
        };
        if found.entry.is_directory() {
            return Err(Errno::IsDirectory);
        }
        let id = self.take_node(&found)?;
        if flags & flag::TRUNCATE != 0 {
            self.set_size(id, 0)?;
        }
        Ok(id)
    }

    /// Gives an open file back; everything reaches the disk. If it was removed, it is gone now.
    ///
    /// # Errors
    /// The disk failed; the file is closed all the same.
    pub fn close(&mut self, id: NodeId) -> Result<(), Errno> {
        let node = &mut self.nodes[id.index()];
        let committed = node.commit(&mut self.ground);
        node.opens = node.opens.saturating_sub(1);
        let finished = self.finish_removal(id);
        committed.and(finished).and_then(|()| self.sync())
    }

    /// Fills `buffer` from byte `at` of an open file; returns how many bytes there were.
    ///
    /// # Errors
    /// The disk failed, or the volume is damaged.
    pub fn read(&mut self, id: NodeId, at: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
        self.nodes[id.index()].read(&mut self.ground, at, buffer)
    }

    /// Writes `bytes` at byte `at` of an open file, or at its end. Returns how many were written, and where they end.
    ///
    /// # Errors
    /// The volume is full, the file would become too large, or the disk failed.
    pub fn write(
        &mut self,
        id: NodeId,
        at: Option<u64>,
        bytes: &[u8],
    ) -> Result<(usize, u64), Errno> {
        let node = &mut self.nodes[id.index()];
        let at = at.unwrap_or(node.size);
        let count = node.write(&mut self.ground, at, bytes, CLOCK.now())?;
        Ok((count, at + count as u64))
    }

    /// Makes an open file `size` bytes long.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn set_size(&mut self, id: NodeId, size: u64) -> Result<(), Errno> {
        self.nodes[id.index()].set_size(&mut self.ground, size, CLOCK.now())
    }

    /// Brings everything to the disk (F1).
    ///
    /// # Errors
    /// The disk failed.
    pub fn sync(&mut self) -> Result<(), Errno> {
        let ground = &mut self.ground;
        for node in self.nodes.iter_mut().filter(|node| node.opens > 0) {
            node.commit(ground)?;
        }
        let data = ground.geometry.data_start;
        let cache = &mut ground.cache;
        cache
            .write_back(data..u64::MAX)
            .and_then(|()| cache.write_back(0..data))
            .and_then(|()| cache.device().flush())
            .map_err(|_| Errno::Device)
    }

    /// What an open file is.
    #[must_use]
    pub fn node_stat(&self, id: NodeId) -> Stat {
        let node = &self.nodes[id.index()];
        stat(Kind::File, node.size, node.changed)
    }

    /// What there is at `path`.
    ///
    /// # Errors
    /// Nothing, or the disk failed.
    pub fn stat(&mut self, path: &str) -> Result<Stat, Errno> {
        if parts(path).next().is_none() {
            return Ok(stat(Kind::Directory, 0, FatDateTime::EPOCH));
        }
        let found = self.find(path)?;
        let record = self.record(&found)?;
        if let Some(id) = self.open_node(record) {
            return Ok(self.node_stat(id));
        }
        let kind = if found.entry.is_directory() {
            Kind::Directory
        } else {
            Kind::File
        };
        Ok(stat(kind, found.entry.len(), found.entry.modified()))
    }

    /// Removes a file, or a directory that is empty. A file that is open is gone when it is closed.
    ///
    /// # Errors
    /// There is none, it is not empty, or the disk failed.
    pub fn remove(&mut self, path: &str) -> Result<(), Errno> {
        let found = self.find(path)?;
        let record = self.record(&found)?;
        if let Some(id) = self.open_node(record) {
            self.remove_later(id, &found);
            return Ok(());
        }
        self.ground.hint = 2;
        self.mounted(|volume| volume.delete(&found.entry))
    }

    /// Makes a directory.
    ///
    /// # Errors
    /// The name is taken or cannot be one, there is no room, or the disk failed.
    pub fn make_directory(&mut self, path: &str) -> Result<(), Errno> {
        if self.find(path).is_ok() {
            return Err(Errno::Exists);
        }
        self.in_directory(path, |volume, directory, name| {
            volume.create_dir(directory, name).map(drop)
        })
    }

    /// Gives the file or directory `from` the name `to`; a file that has it is replaced.
    ///
    /// # Errors
    /// There is no `from`, what has the name is a directory or open, `to` lies in `from`, or the disk failed.
    pub fn rename(&mut self, from: &str, to: &str) -> Result<(), Errno> {
        let found = self.find(from)?;
        let record = self.record(&found)?;
        match self.find(to) {
            Err(Errno::NoEntry) => {}
            Err(other) => return Err(other),
            Ok(target) if self.record(&target)? == record => {}
            Ok(target) if target.entry.is_directory() => return Err(Errno::IsDirectory),
            Ok(_) if found.entry.is_directory() => return Err(Errno::NotDirectory),
            Ok(target) => {
                self.must_be_closed(&target)?;
                self.mounted(|volume| volume.delete(&target.entry))?;
            }
        }
        if let Some(id) = self.open_node(record) {
            // The new record is a copy of the old one, which has to be right.
            self.nodes[id.index()].commit(&mut self.ground)?;
        }
        let moved = self.find(from)?;
        self.in_directory(to, |volume, directory, name| {
            volume.rename(&moved.entry, directory, name).map(drop)
        })?;
        if let Some(id) = self.open_node(record) {
            let found = self.find(to)?;
            self.nodes[id.index()].record = self.record(&found)?;
        }
        Ok(())
    }

    /// Puts the name of entry number `index` of the directory at `path` into `name`; returns its length, 0 at the end.
    ///
    /// # Errors
    /// There is no such directory, the name does not fit, or the disk failed.
    pub fn entry(&mut self, path: &str, index: usize, name: &mut [u8]) -> Result<usize, Errno> {
        let removed = self.removed_names()?;
        let found = self.mounted(|volume| {
            let (directory, cluster) = enter(volume, parts(path))?;
            let is_removed = |entry: &FileEntry| removed.contains(&(cluster, short_name(entry)));
            let mut left = index;
            for record in directory.entries() {
                let record = record?;
                let Some(entry) = record.as_entry().filter(|entry| is_name(entry)) else {
                    continue;
                };
                if is_removed(entry) {
                    continue;
                }
                if left == 0 {
                    return Ok(Some(entry.clone()));
                }
                left -= 1;
            }
            Ok(None)
        })?;
        let Some(entry) = found else { return Ok(0) };
        let text = entry.name();
        let place = name.get_mut(..text.len()).ok_or(Errno::NameTooLong)?;
        place.copy_from_slice(text.as_bytes());
        Ok(text.len())
    }

    /// Whether there is a directory at `path`.
    ///
    /// # Errors
    /// There is something else, or nothing, or the disk failed.
    pub fn check_directory(&mut self, path: &str) -> Result<(), Errno> {
        match self.stat(path)?.kind {
            Kind::Directory => Ok(()),
            _ => Err(Errno::NotDirectory),
        }
    }

    /// Open files, each counted once.
    #[must_use]
    pub fn open_files(&self) -> usize {
        self.nodes.iter().filter(|node| node.opens > 0).count()
    }

    fn find(&mut self, path: &str) -> Result<Found, Errno> {
        self.in_directory(path, |_, directory, name| {
            directory
                .find(name)?
                .ok_or(hadris_fat::Error::EntryNotFound)
        })
        .and_then(|entry| {
            let directory = self.directory_of(path)?;
            let found = Found { entry, directory };
            if self.is_removed(&found)? {
                return Err(Errno::NoEntry);
            }
            Ok(found)
        })
    }

    fn make_file(&mut self, path: &str) -> Result<Found, Errno> {
        self.in_directory(path, |volume, directory, name| {
            volume.create_file(directory, name).map(drop)
        })?;
        self.find(path)
    }

    /// Mounts the volume and lets `work` use it.
    fn mounted<R>(
        &mut self,
        work: impl FnOnce(&Volume<'_, D>) -> Result<R, hadris_fat::Error>,
    ) -> Result<R, Errno> {
        let stream = Stream::new(&mut self.ground.cache);
        FatVolume::builder(stream)
            .time_provider(&CLOCK)
            .open()
            .and_then(|volume| work(&volume))
            .map_err(|error| errno(&error))
    }

    /// Lets `work` use the directory that `path` is in, and its name there.
    fn in_directory<R>(
        &mut self,
        path: &str,
        work: impl for<'v, 'c> FnOnce(
            &'v Volume<'c, D>,
            &FatDir<'v, Stream<'c, D>>,
            &str,
        ) -> Result<R, hadris_fat::Error>,
    ) -> Result<R, Errno> {
        let (folder, name) = split(path).ok_or(Errno::NoAccess)?;
        if name.ends_with(['.', ' ']) {
            return Err(Errno::Invalid);
        }
        self.mounted(|volume| {
            let (directory, _) = enter(volume, parts(folder))?;
            work(volume, &directory, name)
        })
    }

    /// First cluster of the directory that `path` is in; 0 is the root.
    fn directory_of(&mut self, path: &str) -> Result<u16, Errno> {
        let (folder, _) = split(path).ok_or(Errno::NoAccess)?;
        self.mounted(|volume| enter(volume, parts(folder)).map(|(_, cluster)| cluster))
    }

    /// Where the directory record of what was found lies on the disk: the one with its short name, which no other in
    /// the directory has.
    pub(super) fn record(&mut self, found: &Found) -> Result<u64, Errno> {
        let short = short_name(&found.entry);
        let mut place = 0;
        let is_there = self.walk(found.directory, |at, record| {
            let attributes = DirEntryAttrFlags::from_bits_retain(record[ATTRIBUTES]);
            place = at;
            record[..11] == short && !attributes.contains(DirEntryAttrFlags::VOLUME_ID)
        })?;
        is_there.then_some(place).ok_or(Errno::Device)
    }

    /// Shows `stop` the records of a directory in order, with their offsets on the disk, until it says so; whether
    /// it did. The directory is named by its first cluster, 0 is the root.
    pub(super) fn walk(
        &mut self,
        directory: u16,
        mut stop: impl FnMut(u64, &[u8; RECORD as usize]) -> bool,
    ) -> Result<bool, Errno> {
        let geometry = self.ground.geometry;
        let mut record = [0; RECORD as usize];
        let mut cluster = directory;
        for _ in 0..geometry.max_cluster {
            let area = match cluster {
                0 => geometry.root_start..geometry.data_start,
                _ => {
                    let start = geometry.cluster_start(cluster);
                    start..start + geometry.cluster_size
                }
            };
            for at in area.step_by(RECORD as usize) {
                let read = self.ground.cache.read(at, &mut record);
                read.map_err(|_| Errno::Device)?;
                if record[0] == 0 {
                    // Behind the last record of a directory lies what was there before.
                    return Ok(false);
                }
                if stop(at, &record) {
                    return Ok(true);
                }
            }
            // The root is one area, and has no chain.
            if cluster == 0 {
                return Ok(false);
            }
            let Some(next) = self.ground.next(cluster)? else {
                return Ok(false);
            };
            cluster = next;
        }
        Err(Errno::Device)
    }

    fn open_node(&self, record: u64) -> Option<NodeId> {
        let is_it = |node: &Node| node.opens > 0 && node.record == record;
        // Below `MAX_NODES`.
        self.nodes
            .iter()
            .position(is_it)
            .map(|at| NodeId(at as u16))
    }

    fn must_be_closed(&mut self, found: &Found) -> Result<(), Errno> {
        let record = self.record(found)?;
        match self.open_node(record) {
            Some(_) => Err(Errno::NoAccess),
            None => Ok(()),
        }
    }

    /// The node of a file, opened once more.
    fn take_node(&mut self, found: &Found) -> Result<NodeId, Errno> {
        let record = self.record(found)?;
        if let Some(id) = self.open_node(record) {
            self.nodes[id.index()].opens += 1;
            return Ok(id);
        }
        let free = self.nodes.iter().position(|node| node.opens == 0);
        let at = free.ok_or(Errno::TooManyOpen)?;
        let first = u16::try_from(found.entry.cluster().0).map_err(|_| Errno::Device)?;
        let (size, changed) = (found.entry.len(), found.entry.modified());
        self.nodes[at] = Node::new(record, size, first, changed, &self.ground.geometry);
        Ok(NodeId(at as u16))
    }
}

/// The directory that is reached by `path`, and its first cluster; 0 is the root.
fn enter<'v, 'c, 'p, D: BlockDevice>(
    volume: &'v Volume<'c, D>,
    path: impl Iterator<Item = &'p str>,
) -> Result<(FatDir<'v, Stream<'c, D>>, u16), hadris_fat::Error> {
    let (mut directory, mut cluster) = (volume.root_dir(), 0);
    for part in path {
        let found = directory.find(part)?;
        let entry = found.ok_or(hadris_fat::Error::EntryNotFound)?;
        directory = volume.open_dir_entry(&entry)?;
        // FAT16 has numbers of 16 bits.
        cluster = entry.cluster().0 as u16;
    }
    Ok((directory, cluster))
}

/// The short name of an entry as its record has it.
fn short_name(entry: &FileEntry) -> [u8; 11] {
    let mut short = entry.short_name().raw_bytes();
    if short[0] == FREE {
        // Stands for itself only like this: it marks records that are free.
        short[0] = 0x05;
    }
    short
}

/// Whether a record is of a file or directory that has a name of its own.
fn is_name(entry: &FileEntry) -> bool {
    let name = entry.name();
    let label = entry.attributes().contains(DirEntryAttrFlags::VOLUME_ID);
    !label && name != "." && name != ".."
}

/// The parts of a path.
fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty())
}

/// A path as the path of its directory and its last part; the root has none.
fn split(path: &str) -> Option<(&str, &str)> {
    let path = path.trim_end_matches('/');
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    (!name.is_empty()).then_some((folder, name))
}

fn stat(kind: Kind, size: u64, changed: FatDateTime) -> Stat {
    let date = Date {
        year: 1980 + (changed.date >> 9),
        month: (changed.date >> 5 & 15) as u8,
        day: (changed.date & 31) as u8,
        hour: (changed.time >> 11) as u8,
        minute: (changed.time >> 5 & 63) as u8,
        second: (changed.time & 31) as u8 * 2,
    };
    let mtime_us = if date.is_plausible() { date.to_us() } else { 0 };
    Stat {
        size,
        mtime_us,
        kind,
    }
}
