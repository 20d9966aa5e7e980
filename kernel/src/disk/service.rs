//! The file service: a task of the BSP that does what programs ask for with files.
//!
//! A program's task puts a request into a queue, wakes the service and parks; the service does one request after the
//! other, waits for the disk by itself, and wakes the task again. So no worker core ever waits for the disk or for a
//! lock on it, and a volume has one user. What it runs is a contained call (`trap::contain`): if the FAT crate fails
//! on what a disk holds, the volume is out of use and the machine goes on.
//!
//! # Invariants
//! V1. Everything that stays from one request to the next (cache, open files, a request's buffers) is made outside of
//!     contained calls and never grows in them, because what they allocate is gone when they end.
//! V2. An [`OpenFile`] names a node of the mount that it came from (`mount`), and the service looks at `closed` before it
//!     uses one. So a request that comes after the close, or after the disk was opened anew, finds nothing.
//! V3. A file is closed when its last handle goes, however that happens: by `bf_close`, or with its instance. Then its
//!     node is in `orphans`, which has a place for every handle there can be.
//! V4. `pending` counts requests and orphans not dealt with: at 0, everything that programs closed is on the disk.

use super::virtio::Disk;
use super::{PATIENCE_US, contained};
use crate::console;
use crate::metal::rtc;
use crate::tasks::body::{KernelWork, WorkStep};
use crate::tasks::{self, executive::Executive};
use crate::trap::contain::Enclosure;
use abi::Errno;
use abi::file::Stat;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crossbeam_queue::ArrayQueue;
use kernel::files::cache::Cache;
use kernel::files::tree::{NodeId, Tree, set_clock};
use sched::{TaskId, TaskSpec};
use spin::{Mutex, Once};

/// Requests that wait at once.
const QUEUE: usize = 1024;
/// Handles on open files at once, all instances together.
const MAX_HANDLES: u64 = 4096;
/// Bytes of the cache.
const CACHE: usize = 16 << 20;
const STACK_SIZE: u64 = 128 << 10;
/// What one request may allocate, in bytes.
const ARENA_LIMIT: u64 = 16 << 20;

/// Largest file that the kernel reads for itself, in bytes, and how much of it at once.
const MAX_FILE: u64 = 64 << 20;
const READ_AT_ONCE: usize = 1 << 20;

static SERVICE: Once<Shared> = Once::new();

/// What the service and its customers share.
#[derive(Debug)]
struct Shared {
    task: TaskId,
    requests: ArrayQueue<Arc<Request>>,
    orphans: ArrayQueue<(u64, NodeId)>,
    handles: AtomicU64,
    pending: AtomicU64,
}

/// What a program wants.
#[derive(Debug)]
pub(crate) enum Op {
    /// A file; flags of `bf_open`.
    Open(String, u32),
    /// Up to so many bytes from an offset.
    Read(Arc<OpenFile>, u64, usize),
    /// Bytes to an offset, or to the end.
    Write(Arc<OpenFile>, Option<u64>, Vec<u8>),
    /// A size.
    SetSize(Arc<OpenFile>, u64),
    /// Everything on the disk.
    Sync,
    /// The end of a file.
    Close(Arc<OpenFile>),
    /// What an open file is.
    FileStat(Arc<OpenFile>),
    /// What is at a path.
    Stat(String),
    /// A file or directory gone.
    Remove(String),
    /// A new name.
    Rename(String, String),
    /// A directory.
    MakeDirectory(String),
    /// The name of an entry of a directory.
    Entry(String, usize),
}

/// A request, and its answer when there is one.
#[derive(Debug)]
pub(crate) struct Request {
    op: Op,
    owner: TaskId,
    answer: Mutex<Option<Result<Reply, Errno>>>,
    done: AtomicBool,
}

/// What came of a request.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    /// Bytes moved, or where a write ended.
    pub(crate) count: u64,
    /// Where a write ended.
    pub(crate) end: u64,
    /// What was read.
    pub(crate) bytes: Vec<u8>,
    /// What was opened.
    pub(crate) file: Option<Arc<OpenFile>>,
    /// What was asked about.
    pub(crate) stat: Option<Stat>,
}

/// A handle on an open file.
#[derive(Debug)]
pub(crate) struct OpenFile {
    node: NodeId,
    mount: u64,
    closed: AtomicBool,
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        let Some(shared) = SERVICE.get() else { return };
        // ORDERING: AcqRel: pairs with itself; a count.
        shared.handles.fetch_sub(1, Ordering::AcqRel);
        // ORDERING: Acquire pairs with the Release in `Service::close`.
        if !self.closed.load(Ordering::Acquire) {
            // ORDERING: AcqRel pairs with the Acquire in `is_settled`.
            shared.pending.fetch_add(1, Ordering::AcqRel);
            // There is a place (V3).
            let _ = shared.orphans.push((self.mount, self.node));
            tasks::unblock(shared.task);
        }
    }
}

/// Starts the service. Once, on the BSP, when the cores are up.
pub(crate) fn start() {
    let Ok(enclosure) = Enclosure::new(STACK_SIZE, ARENA_LIMIT) else {
        console::log!(Warning, "no memory for the file service");
        return;
    };
    let work = Box::new(Service {
        enclosure,
        volume: Volume::Unknown,
        mounts: 0,
    });
    let spec = TaskSpec {
        pin: sched::CoreId::new(smp::CoreId::BSP.index()),
        ..TaskSpec::default()
    };
    match tasks::spawn_kernel(spec, work) {
        Ok(task) => {
            SERVICE.call_once(|| Shared {
                task,
                requests: ArrayQueue::new(QUEUE),
                orphans: ArrayQueue::new(MAX_HANDLES as usize),
                handles: AtomicU64::new(0),
                pending: AtomicU64::new(0),
            });
        }
        Err(why) => console::log!(Warning, "no file service: {why:?}"),
    }
}

/// Asks for `op`; `owner` is unblocked when it is done.
///
/// # Errors
/// There is no service, or too much waits for it already.
pub(crate) fn submit(op: Op, owner: TaskId) -> Result<Arc<Request>, Errno> {
    let shared = SERVICE.get().ok_or(Errno::Device)?;
    let request = Arc::new(Request {
        op,
        owner,
        answer: Mutex::new(None),
        done: AtomicBool::new(false),
    });
    // ORDERING: AcqRel pairs with the Acquire in `is_settled`.
    shared.pending.fetch_add(1, Ordering::AcqRel);
    if shared.requests.push(request.clone()).is_err() {
        // ORDERING: AcqRel: as above.
        shared.pending.fetch_sub(1, Ordering::AcqRel);
        return Err(Errno::Again);
    }
    tasks::unblock(shared.task);
    Ok(request)
}

/// Asks for `op` in the name of the kernel itself and waits for the answer, for a bounded time. On the BSP.
///
/// # Errors
/// What the service says, or `Device` if it says nothing.
pub(crate) fn ask(executive: &mut Executive, op: Op) -> Result<Reply, Errno> {
    let shared = SERVICE.get().ok_or(Errno::Device)?;
    // Nobody has to be unblocked: an unblock of the service itself does no harm.
    let request = submit(op, shared.task)?;
    let mut answer = None;
    executive.run_until(PATIENCE_US, || {
        answer = request.take_answer();
        answer.is_some()
    });
    answer.unwrap_or(Err(Errno::Device))
}

/// The bytes of a file of the volume, at most [`MAX_FILE`]. On the BSP.
///
/// # Errors
/// What the service says; `TooLarge`; `NoMemory`.
pub(crate) fn read_file(executive: &mut Executive, path: &str) -> Result<Vec<u8>, Errno> {
    let opened = ask(executive, Op::Open(path.into(), abi::file::open::READ))?;
    let file = opened.file.ok_or(Errno::Device)?;
    let stat = ask(executive, Op::FileStat(file.clone()))?.stat;
    let size = stat.ok_or(Errno::Device)?.size;
    if size > MAX_FILE {
        return Err(Errno::TooLarge);
    }
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(size as usize)
        .map_err(|_| Errno::NoMemory)?;
    while (bytes.len() as u64) < size {
        let op = Op::Read(file.clone(), bytes.len() as u64, READ_AT_ONCE);
        let reply = ask(executive, op)?;
        if reply.bytes.is_empty() {
            return Err(Errno::Device);
        }
        bytes.extend(reply.bytes);
    }
    Ok(bytes)
}

/// Whether everything that was asked for is done, and everything that was closed is on the disk.
pub(crate) fn is_settled() -> bool {
    SERVICE
        .get()
        // ORDERING: Acquire pairs with the AcqRel of those who count: what they did is done.
        .is_none_or(|shared| shared.pending.load(Ordering::Acquire) == 0)
}

/// Waits until [`is_settled`], for a bounded time. On the BSP.
pub(crate) fn settle(executive: &mut Executive) {
    if !executive.run_until(PATIENCE_US, is_settled) {
        console::log!(Warning, "the file service did not come to its end in time");
    }
}

impl Request {
    /// The answer, once; `None` before there is one.
    pub(crate) fn take_answer(&self) -> Option<Result<Reply, Errno>> {
        // ORDERING: Acquire pairs with the Release in `finish`.
        if !self.done.load(Ordering::Acquire) {
            return None;
        }
        self.answer.lock().take()
    }

    fn finish(&self, answer: Result<Reply, Errno>) {
        *self.answer.lock() = Some(answer);
        // ORDERING: Release pairs with the Acquire in `take_answer`.
        self.done.store(true, Ordering::Release);
        tasks::unblock(self.owner);
    }
}

/// The service's own state.
#[derive(Debug)]
struct Service {
    enclosure: Enclosure,
    volume: Volume,
    mounts: u64,
}

/// The volume as the service knows it.
#[derive(Debug)]
enum Volume {
    /// Nobody has asked yet, or the disk has been opened by others since.
    Unknown,
    Mounted(Box<Tree<Disk>>),
    /// The file system's code has failed on it.
    Broken,
}

impl KernelWork for Service {
    fn step(&mut self) -> WorkStep {
        let Some(shared) = SERVICE.get() else {
            return WorkStep::Wait;
        };
        if let Some((mount, node)) = shared.orphans.pop() {
            if self.is_mounted(mount) {
                let _ = self.run(|tree| tree.close(node));
            }
        } else if let Some(request) = shared.requests.pop() {
            set_clock(rtc::now_us());
            request.finish(self.answer(&request.op, shared));
        } else {
            return WorkStep::Wait;
        }
        // ORDERING: AcqRel pairs with the Acquire in `is_settled`.
        shared.pending.fetch_sub(1, Ordering::AcqRel);
        WorkStep::More
    }
}

impl Service {
    fn answer(&mut self, op: &Op, shared: &Shared) -> Result<Reply, Errno> {
        self.mount()?;
        match op {
            Op::Open(path, flags) => self.open(path, *flags, shared),
            Op::Read(file, at, count) => {
                let node = self.node(file)?;
                let mut bytes = alloc::vec![0; *count];
                let count = self.run(|tree| tree.read(node, *at, &mut bytes))?;
                bytes.truncate(count);
                Ok(Reply {
                    count: count as u64,
                    end: at + count as u64,
                    bytes,
                    ..Reply::default()
                })
            }
            Op::Write(file, at, bytes) => {
                let node = self.node(file)?;
                let (count, end) = self.run(|tree| tree.write(node, *at, bytes))?;
                Ok(Reply {
                    count: count as u64,
                    end,
                    ..Reply::default()
                })
            }
            Op::SetSize(file, size) => {
                let node = self.node(file)?;
                self.plain(|tree| tree.set_size(node, *size))
            }
            Op::Sync => self.plain(Tree::sync),
            Op::Close(file) => self.close(file),
            Op::FileStat(file) => {
                let node = self.node(file)?;
                self.stat(|tree| Ok(tree.node_stat(node)))
            }
            Op::Stat(path) => self.stat(|tree| tree.stat(path)),
            Op::Remove(path) => self.plain(|tree| tree.remove(path).and_then(|()| tree.sync())),
            Op::Rename(from, to) => {
                self.plain(|tree| tree.rename(from, to).and_then(|()| tree.sync()))
            }
            Op::MakeDirectory(path) => {
                self.plain(|tree| tree.make_directory(path).and_then(|()| tree.sync()))
            }
            Op::Entry(path, index) => {
                let mut name = alloc::vec![0; 4 * abi::file::MAX_PATH];
                let count = self.run(|tree| tree.entry(path, *index, &mut name))?;
                name.truncate(count);
                Ok(Reply {
                    count: count as u64,
                    bytes: name,
                    ..Reply::default()
                })
            }
        }
    }

    fn open(&mut self, path: &str, flags: u32, shared: &Shared) -> Result<Reply, Errno> {
        // ORDERING: AcqRel: as in the drop of `OpenFile`.
        if shared.handles.fetch_add(1, Ordering::AcqRel) >= MAX_HANDLES {
            // ORDERING: AcqRel: as above.
            shared.handles.fetch_sub(1, Ordering::AcqRel);
            return Err(Errno::TooManyOpen);
        }
        match self.run(|tree| tree.open(path, flags)) {
            Ok(node) => Ok(Reply {
                file: Some(Arc::new(OpenFile {
                    node,
                    mount: self.mounts,
                    closed: AtomicBool::new(false),
                })),
                ..Reply::default()
            }),
            Err(errno) => {
                // ORDERING: AcqRel: as above.
                shared.handles.fetch_sub(1, Ordering::AcqRel);
                Err(errno)
            }
        }
    }

    fn close(&mut self, file: &OpenFile) -> Result<Reply, Errno> {
        let node = self.node(file)?;
        // ORDERING: Release pairs with the Acquire loads in `node` and in the drop.
        file.closed.store(true, Ordering::Release);
        self.plain(|tree| tree.close(node))
    }

    /// The node behind a handle, if it is still the handle's (V2).
    fn node(&self, file: &OpenFile) -> Result<NodeId, Errno> {
        // ORDERING: Acquire pairs with the Release in `close`.
        if file.closed.load(Ordering::Acquire) {
            return Err(Errno::BadDescriptor);
        }
        if self.is_mounted(file.mount) {
            Ok(file.node)
        } else {
            Err(Errno::Device)
        }
    }

    fn is_mounted(&self, mount: u64) -> bool {
        matches!(self.volume, Volume::Mounted(_)) && self.mounts == mount
    }

    /// Mounts the volume unless it is, or is known to be of no use.
    fn mount(&mut self) -> Result<(), Errno> {
        match &mut self.volume {
            Volume::Mounted(tree) => {
                if tree.device().is_current() {
                    return Ok(());
                }
                self.volume = Volume::Unknown;
            }
            Volume::Broken => return Err(Errno::Device),
            Volume::Unknown => {}
        }
        let disk = Disk::open(PATIENCE_US).map_err(|why| {
            console::log!(Warning, "files: {why}");
            Errno::Device
        })?;
        match Tree::mount(Cache::new(disk, CACHE)) {
            Ok(tree) => {
                self.volume = Volume::Mounted(Box::new(tree));
                self.mounts += 1;
                Ok(())
            }
            Err(why) => {
                console::log!(Warning, "files: {why}");
                Err(Errno::Device)
            }
        }
    }

    /// Does a piece of work on the volume as a contained call.
    fn run<R: Clone>(
        &mut self,
        work: impl FnOnce(&mut Tree<Disk>) -> Result<R, Errno>,
    ) -> Result<R, Errno> {
        let Volume::Mounted(tree) = &mut self.volume else {
            return Err(Errno::Device);
        };
        match contained(&mut self.enclosure, || work(tree)) {
            Ok(result) => result,
            Err(failure) => {
                console::log!(Error, "files: the volume is out of use: {failure}");
                self.volume = Volume::Broken;
                Err(Errno::Device)
            }
        }
    }

    fn plain(
        &mut self,
        work: impl FnOnce(&mut Tree<Disk>) -> Result<(), Errno>,
    ) -> Result<Reply, Errno> {
        self.run(work).map(|()| Reply::default())
    }

    fn stat(
        &mut self,
        work: impl FnOnce(&mut Tree<Disk>) -> Result<Stat, Errno>,
    ) -> Result<Reply, Errno> {
        let stat = Some(self.run(work)?);
        Ok(Reply {
            stat,
            ..Reply::default()
        })
    }
}
