//! Open files: where their bytes lie, and how they grow and shrink.
//!
//! A file is a chain of clusters, each of which says in the allocation table which is next. Walking a long chain from
//! its start for each access would make random access slow, so a node remembers every [`STRIDE`]th cluster and the one
//! it was at last. All of it is of fixed size: nodes are made once (`cache`, K1).

use super::cache::Cache;
use super::geometry::Geometry;
use super::stream::Stream;
use crate::volume::{BlockDevice, DeviceError};
use abi::Errno;
use hadris_fat::{FatDateTime, sync::Fat16};

/// Clusters between two that are remembered.
const STRIDE: u32 = 64;
/// Clusters that are remembered.
const MARKS: usize = 128;
/// Bytes of a file at most (FAT's limit).
const MAX_SIZE: u64 = u32::MAX as u64;
/// Offsets in a directory record: date of the last access; then time, date, first cluster and size, side by side.
const ACCESSED: u64 = 18;
const CHANGED: u64 = 22;

/// An open file. All tasks that have it open share it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    /// How often it is open; 0: the place is free.
    pub(super) opens: u32,
    /// Where on the disk its directory record lies: what it is known by.
    pub(super) record: u64,
    pub(super) size: u64,
    /// First cluster, 0 if it has none.
    first: u16,
    /// Clusters that its chain is known to have.
    clusters: u32,
    /// Time of the last change.
    pub(super) changed: FatDateTime,
    /// First cluster of the directory, 0 for the root, if the file was removed: it is gone when it is closed.
    pub(super) removed_from: Option<u16>,
    /// Whether the directory record is out of date.
    dirty: bool,
    /// Cluster number `(i + 1) * STRIDE` of the file; the first `marked` of them are known.
    marks: [u16; MARKS],
    marked: usize,
    /// A cluster by its place in the file.
    last: (u32, u16),
}

/// The volume below the names.
#[derive(Debug)]
pub(super) struct Ground<D> {
    pub(super) cache: Cache<D>,
    pub(super) geometry: Geometry,
    /// Where to look for a free cluster first.
    pub(super) hint: u16,
}

impl<D: BlockDevice> Ground<D> {
    pub(super) fn fat(&self) -> Fat16 {
        let Geometry {
            fat_start,
            fat_size,
            fats,
            max_cluster,
            ..
        } = self.geometry;
        Fat16::new(
            fat_start as usize,
            fat_size as usize,
            usize::from(fats),
            max_cluster,
        )
    }

    /// The cluster behind `cluster` in its chain.
    pub(super) fn next(&mut self, cluster: u16) -> Result<Option<u16>, Errno> {
        let fat = self.fat();
        let next = fat.next_cluster(&mut Stream::new(&mut self.cache), usize::from(cluster));
        // FAT16 has numbers of 16 bits.
        next.map(|next| next.map(|next| next as u16))
            .map_err(|error| errno(&error))
    }

    fn allocate(&mut self) -> Result<u16, Errno> {
        let fat = self.fat();
        let found = fat.allocate_cluster(&mut Stream::new(&mut self.cache), self.hint);
        let cluster = found.map_err(|error| errno(&error))?;
        self.hint = cluster.saturating_add(1);
        Ok(cluster)
    }

    fn link(&mut self, from: u16, to: u16) -> Result<(), Errno> {
        let fat = self.fat();
        fat.write_clus(&mut Stream::new(&mut self.cache), usize::from(from), to)
            .map_err(|error| errno(&error))
    }

    /// Frees what lies behind `last` in its chain.
    fn cut(&mut self, last: u16) -> Result<(), Errno> {
        let fat = self.fat();
        fat.truncate_chain(&mut Stream::new(&mut self.cache), last)
            .map(drop)
            .map_err(|error| errno(&error))
    }

    fn free(&mut self, first: u16) -> Result<(), Errno> {
        self.hint = self.hint.min(first);
        let fat = self.fat();
        fat.free_chain(&mut Stream::new(&mut self.cache), first)
            .map(drop)
            .map_err(|error| errno(&error))
    }
}

impl Node {
    /// No file.
    pub(super) const NONE: Self = Self {
        opens: 0,
        record: 0,
        size: 0,
        first: 0,
        clusters: 0,
        changed: FatDateTime::EPOCH,
        removed_from: None,
        dirty: false,
        marks: [0; MARKS],
        marked: 0,
        last: (0, 0),
    };

    /// The file of a directory record.
    pub(super) fn new(
        record: u64,
        size: u64,
        first: u16,
        changed: FatDateTime,
        geometry: &Geometry,
    ) -> Self {
        let clusters = if first == 0 {
            0
        } else {
            geometry.clusters_for(size) as u32
        };
        Self {
            opens: 1,
            record,
            size,
            first,
            clusters,
            changed,
            last: (0, first),
            ..Self::NONE
        }
    }

    /// Fills `buffer` from byte `at` of the file; returns how many bytes there were.
    pub(super) fn read<D: BlockDevice>(
        &mut self,
        ground: &mut Ground<D>,
        at: u64,
        buffer: &mut [u8],
    ) -> Result<usize, Errno> {
        let left = self.size.saturating_sub(at);
        let count = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        let mut done = 0;
        while done < count {
            let (start, room) = self.place(ground, at + done as u64)?;
            let end = count.min(done + room);
            let piece = &mut buffer[done..end];
            ground.cache.read(start, piece).map_err(|_| Errno::Device)?;
            done = end;
        }
        Ok(count)
    }

    /// Writes `bytes` at byte `at` of the file, which grows if it has to; what lies between its end and `at` is 0.
    /// Returns how many were written: fewer if the volume is full.
    pub(super) fn write<D: BlockDevice>(
        &mut self,
        ground: &mut Ground<D>,
        at: u64,
        bytes: &[u8],
        now: FatDateTime,
    ) -> Result<usize, Errno> {
        let end = at.checked_add(bytes.len() as u64).ok_or(Errno::TooLarge)?;
        if end > MAX_SIZE {
            return Err(Errno::TooLarge);
        }
        if bytes.is_empty() {
            return Ok(0);
        }
        self.fill_up(ground, at)?;
        let room = self.reserve(ground, end)?;
        let count = bytes.len().min((room - at.min(room)) as usize);
        if count == 0 {
            return Err(Errno::NoSpace);
        }
        let mut done = 0;
        while done < count {
            let (start, room) = self.place(ground, at + done as u64)?;
            let end = count.min(done + room);
            ground
                .cache
                .write(start, &bytes[done..end])
                .map_err(|_| Errno::Device)?;
            done = end;
        }
        self.size = self.size.max(at + count as u64);
        (self.changed, self.dirty) = (now, true);
        Ok(count)
    }

    /// Makes the file `size` bytes long; what is added is 0.
    pub(super) fn set_size<D: BlockDevice>(
        &mut self,
        ground: &mut Ground<D>,
        size: u64,
        now: FatDateTime,
    ) -> Result<(), Errno> {
        if size > MAX_SIZE {
            return Err(Errno::TooLarge);
        }
        self.fill_up(ground, size)?;
        self.size = size;
        (self.changed, self.dirty) = (now, true);
        self.trim(ground)
    }

    /// Brings the directory record up to date.
    pub(super) fn commit<D: BlockDevice>(&mut self, ground: &mut Ground<D>) -> Result<(), Errno> {
        if !self.dirty {
            return Ok(());
        }
        self.trim(ground)?;
        let mut fields = [0; 10];
        fields[..2].copy_from_slice(&self.changed.time.to_le_bytes());
        fields[2..4].copy_from_slice(&self.changed.date.to_le_bytes());
        fields[4..6].copy_from_slice(&self.first.to_le_bytes());
        // At most `MAX_SIZE`.
        fields[6..].copy_from_slice(&(self.size as u32).to_le_bytes());
        let date = self.changed.date.to_le_bytes();
        let cache = &mut ground.cache;
        cache
            .write(self.record + ACCESSED, &date)
            .and_then(|()| cache.write(self.record + CHANGED, &fields))
            .map_err(|_| Errno::Device)?;
        self.dirty = false;
        Ok(())
    }

    /// Lets the file grow to `size` with zeros, if it is shorter.
    fn fill_up<D: BlockDevice>(&mut self, ground: &mut Ground<D>, size: u64) -> Result<(), Errno> {
        if size <= self.size {
            return Ok(());
        }
        if self.reserve(ground, size)? < size {
            self.dirty = true;
            return Err(Errno::NoSpace);
        }
        while self.size < size {
            let (start, room) = self.place(ground, self.size)?;
            let count = (room as u64).min(size - self.size);
            ground
                .cache
                .clear(start, count)
                .map_err(|_| Errno::Device)?;
            self.size += count;
            self.dirty = true;
        }
        Ok(())
    }

    /// Sees that the chain has room for `size` bytes; returns for how many it has when the volume is full.
    fn reserve<D: BlockDevice>(&mut self, ground: &mut Ground<D>, size: u64) -> Result<u64, Errno> {
        while u64::from(self.clusters) < ground.geometry.clusters_for(size) {
            match self.extend(ground) {
                Ok(()) => {}
                Err(Errno::NoSpace) => break,
                Err(other) => return Err(other),
            }
        }
        Ok(u64::from(self.clusters) * ground.geometry.cluster_size)
    }

    /// Adds a cluster to the chain, or finds that it has one more than was known.
    fn extend<D: BlockDevice>(&mut self, ground: &mut Ground<D>) -> Result<(), Errno> {
        self.dirty = true;
        let new = if self.clusters == 0 {
            if self.first == 0 {
                self.first = ground.allocate()?;
            }
            self.first
        } else {
            let last = self.cluster(ground, self.clusters - 1)?;
            match ground.next(last)? {
                Some(next) => next,
                None => {
                    let new = ground.allocate()?;
                    ground.link(last, new)?;
                    new
                }
            }
        };
        self.last = (self.clusters, new);
        self.clusters += 1;
        Ok(())
    }

    /// Gives clusters beyond the size back.
    fn trim<D: BlockDevice>(&mut self, ground: &mut Ground<D>) -> Result<(), Errno> {
        let needed = ground.geometry.clusters_for(self.size) as u32;
        if needed >= self.clusters {
            return Ok(());
        }
        if needed == 0 {
            let first = core::mem::take(&mut self.first);
            (self.clusters, self.marked, self.last) = (0, 0, (0, 0));
            return ground.free(first);
        }
        let last = self.cluster(ground, needed - 1)?;
        self.clusters = needed;
        self.marked = self.marked.min(((needed - 1) / STRIDE) as usize);
        self.last = (needed - 1, last);
        ground.cut(last)
    }

    /// Where byte `at` of the file lies on the disk, and how many follow it there.
    fn place<D: BlockDevice>(
        &mut self,
        ground: &mut Ground<D>,
        at: u64,
    ) -> Result<(u64, usize), Errno> {
        let size = ground.geometry.cluster_size;
        let cluster = self.cluster(ground, (at / size) as u32)?;
        let within = at % size;
        let start = ground.geometry.cluster_start(cluster) + within;
        Ok((start, (size - within) as usize))
    }

    /// Cluster number `index` of the file. An error if the chain ends before: the volume is damaged.
    fn cluster<D: BlockDevice>(
        &mut self,
        ground: &mut Ground<D>,
        index: u32,
    ) -> Result<u16, Errno> {
        let mark = ((index / STRIDE) as usize).min(self.marked);
        let (mut at, mut cluster) = match mark {
            0 => (0, self.first),
            mark => (mark as u32 * STRIDE, self.marks[mark - 1]),
        };
        if (at..=index).contains(&self.last.0) {
            (at, cluster) = self.last;
        }
        if cluster < 2 || cluster > ground.geometry.max_cluster {
            return Err(Errno::Device);
        }
        while at < index {
            cluster = ground.next(cluster)?.ok_or(Errno::Device)?;
            at += 1;
            if at == (self.marked as u32 + 1) * STRIDE && self.marked < MARKS {
                self.marks[self.marked] = cluster;
                self.marked += 1;
            }
        }
        self.last = (at, cluster);
        Ok(cluster)
    }
}

/// The error number for an error of the FAT crate.
pub(super) fn errno(error: &hadris_fat::Error) -> Errno {
    use hadris_fat::Error;
    match error {
        Error::NoFreeSpace | Error::DirectoryFull => Errno::NoSpace,
        Error::NotAFile => Errno::IsDirectory,
        Error::NotADirectory => Errno::NotDirectory,
        Error::EntryNotFound => Errno::NoEntry,
        Error::InvalidPath | Error::InvalidFilename => Errno::Invalid,
        Error::AlreadyExists => Errno::Exists,
        Error::DirectoryNotEmpty => Errno::NotEmpty,
        _ => Errno::Device,
    }
}

impl From<DeviceError> for super::tree::NotMounted {
    fn from(error: DeviceError) -> Self {
        Self::Device(error)
    }
}
