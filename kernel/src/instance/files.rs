//! The files of an instance: descriptors, the folders it was given, and the host calls about them.
//!
//! What a path means is decided by words alone (`jit::instance::grants`), before the volume is asked; FAT has no
//! links, so a path that comes out of there stays below its folder. What the volume has to do goes to the file service;
//! the task parks until it is done ([`FileCall`]) and then copies the result by itself, with its address space loaded.
//!
//! Several tasks may use one descriptor at once. Each request carries its own offset; which of them sets the position
//! last is open.

use super::calls::{Answer, MAX_COPY, failed, inside, narrow};
use super::guest::Guest;
use crate::disk::service::{self, Op, OpenFile, Reply, Request};
use crate::syscall::copy;
use crate::tasks::body::{Poll, UserTask, Wait};
use crate::trap::context::Context;
use ::abi::file::{Kind, MAX_OPEN, MAX_PATH, Stat, open as flag};
use ::abi::{Errno, HostCall};
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};
use jit::instance::grants::{Grants, Target};
use sched::Ticks;
use spin::Mutex;

/// Descriptors and folders.
#[derive(Debug)]
pub(crate) struct Files {
    grants: Grants,
    /// Whether paths are looked at before they are followed: always, but for the test that shows why.
    checked: bool,
    /// The folder of each grant, without slashes at its ends.
    folders: Vec<String>,
    /// `None` when the instance is over.
    table: Mutex<Option<Vec<Option<Descriptor>>>>,
}

/// What a descriptor stands for.
#[derive(Clone, Debug)]
enum Descriptor {
    Console,
    File {
        file: Arc<OpenFile>,
        flags: u32,
        position: Arc<AtomicU64>,
    },
    /// A directory of the volume, or the root that holds the grants' names, and which entry comes next.
    Directory {
        path: Option<String>,
        next: Arc<AtomicU64>,
    },
}

/// What to do with the answer of the file service.
#[derive(Debug)]
enum Then {
    /// Nothing: it is done.
    Nothing,
    /// A descriptor for the file.
    Open(u32),
    /// A descriptor for the directory, if it is one.
    OpenDirectory(String),
    /// The bytes to an address, and the position behind them.
    Read(u32, Arc<AtomicU64>),
    /// The position behind what was written.
    Write(Arc<AtomicU64>),
    /// The position so far behind the file's end.
    Seek(i64, Arc<AtomicU64>),
    /// The record to an address.
    Stat(u32),
    /// The name to an address with so much room.
    List(u32, u32, Arc<AtomicU64>),
}

/// A host call that the file service works on.
#[derive(Debug)]
struct FileCall {
    guest: Arc<Guest>,
    request: Arc<Request>,
    then: Then,
}

type Outcome<T> = Result<T, Errno>;

impl Files {
    /// The three descriptors of the console, and the folders given as `FOLDER` or `FOLDER:NAME`.
    ///
    /// # Errors
    /// A sentence that says which folder cannot be given.
    pub(crate) fn new(given: &[String]) -> Result<Self, String> {
        let parts: Vec<(&str, Option<&str>)> = given
            .iter()
            .map(|given| match given.split_once(':') {
                Some((folder, name)) => (folder, Some(name)),
                None => (given.as_str(), None),
            })
            .collect();
        let grants = Grants::new(&parts).map_err(|why| why.to_string())?;
        let folders = parts
            .iter()
            .map(|(folder, _)| String::from(folder.trim_matches('/')))
            .collect();
        let console = [const { Some(Descriptor::Console) }; 3];
        Ok(Self {
            grants,
            checked: true,
            folders,
            table: Mutex::new(Some(console.into())),
        })
    }

    /// The same files, with paths that nobody checks ([`Files::followed`]). For tests only.
    pub(crate) fn unchecked(self) -> Self {
        Self {
            checked: false,
            ..self
        }
    }

    fn get(&self, fd: u32) -> Outcome<Descriptor> {
        let table = self.table.lock();
        let found = table.as_ref().and_then(|table| table.get(fd as usize));
        found.cloned().flatten().ok_or(Errno::BadDescriptor)
    }

    /// Closes everything, now and not when the last core has left the instance. What its tasks still ask for is refused.
    pub(super) fn close_all(&self) {
        let table = self.table.lock().take();
        drop(table);
    }

    fn insert(&self, new: Descriptor) -> Outcome<i64> {
        let mut table = self.table.lock();
        let table = table.as_mut().ok_or(Errno::BadDescriptor)?;
        let free = table.iter().position(Option::is_none);
        let free = free.unwrap_or(table.len());
        if free >= MAX_OPEN {
            return Err(Errno::TooManyOpen);
        }
        if free == table.len() {
            table.push(None);
        }
        table[free] = Some(new);
        Ok(free as i64)
    }

    /// Whether a descriptor is the console.
    pub(super) fn is_console(&self, fd: u32) -> bool {
        matches!(self.get(fd), Ok(Descriptor::Console))
    }

    /// A path that a program gave as one of the volume; `None` for the root that holds the grants' names.
    fn resolve(&self, address: u32, length: u32) -> Outcome<Option<String>> {
        if length as usize > MAX_PATH {
            return Err(Errno::NameTooLong);
        }
        let mut bytes = alloc::vec![0; length as usize];
        copy::from_user(u64::from(address), &mut bytes).map_err(|_| Errno::BadPointer)?;
        if !self.checked {
            return self.followed(&bytes).map(Some);
        }
        match self.grants.resolve(&bytes)? {
            Target::Root => Ok(None),
            Target::In { grant, path } => {
                let folder = self.folders.get(grant).ok_or(Errno::NoEntry)?;
                Ok(Some([folder.as_str(), path.as_str()].join("/")))
            }
        }
    }

    /// What a path means to who puts the folder in front first and looks at `..` then.
    fn followed(&self, path: &[u8]) -> Outcome<String> {
        let path = core::str::from_utf8(path).map_err(|_| Errno::Invalid)?;
        let folder = self.folders.first().ok_or(Errno::NoEntry)?;
        let mut names = Vec::new();
        for name in folder.split('/').chain(path.split('/')) {
            match name {
                "" | "." => {}
                ".." => drop(names.pop()),
                name => names.push(name),
            }
        }
        Ok(names.join("/"))
    }

    /// The same for a path that is to be made, moved or removed: a grant's own folder is not the program's to change.
    fn resolve_inner(&self, address: u32, length: u32) -> Outcome<String> {
        let path = self.resolve(address, length)?.ok_or(Errno::NoAccess)?;
        let own = |folder: &String| path.trim_end_matches('/') == folder.as_str();
        if self.folders.iter().any(own) {
            return Err(Errno::NoAccess);
        }
        Ok(path)
    }
}

impl Guest {
    /// The host calls about files.
    pub(super) fn file_call(
        self: &Arc<Self>,
        call: HostCall,
        args: [u64; 4],
        task: &UserTask,
    ) -> Answer {
        let begun = self.begin(call, args);
        match begun {
            Ok(Begun::Over(value)) => Answer::Value(value),
            Ok(Begun::Request(op, then)) => match service::submit(op, task.id) {
                Ok(request) => Answer::wait(FileCall {
                    guest: self.clone(),
                    request,
                    then,
                }),
                Err(errno) => Answer::error(errno),
            },
            Err(errno) => Answer::error(errno),
        }
    }

    fn begin(&self, call: HostCall, args: [u64; 4]) -> Outcome<Begun> {
        let [a, b, c, d] = args.map(|arg| arg as u32);
        match call {
            HostCall::Open => self.open(a, b, c),
            HostCall::Close => self.close(a),
            HostCall::Read => self.read_file(a, b, c),
            HostCall::Write => self.write_file(a, b, c),
            HostCall::Seek => self.seek(a, args[1].cast_signed(), c),
            HostCall::FStat => self.file_stat(a, b),
            HostCall::Truncate => {
                let (file, _, _) = self.file(a, flag::WRITE)?;
                let size = u64::try_from(args[1].cast_signed()).map_err(|_| Errno::Invalid)?;
                Ok(Begun::Request(Op::SetSize(file, size), Then::Nothing))
            }
            HostCall::Sync => match self.files.get(a)? {
                Descriptor::Console => Ok(Begun::Over(0)),
                _ => Ok(Begun::Request(Op::Sync, Then::Nothing)),
            },
            HostCall::List => self.list(a, b, c),
            HostCall::Stat => match self.files.resolve(a, b)? {
                None => self.put_stat(c, ROOT).map(Begun::Over),
                Some(path) => Ok(Begun::Request(Op::Stat(path), Then::Stat(c))),
            },
            HostCall::Remove => {
                let op = Op::Remove(self.files.resolve_inner(a, b)?);
                Ok(Begun::Request(op, Then::Nothing))
            }
            HostCall::MakeDirectory => {
                let op = Op::MakeDirectory(self.files.resolve_inner(a, b)?);
                Ok(Begun::Request(op, Then::Nothing))
            }
            HostCall::Rename => {
                let from = self.files.resolve_inner(a, b)?;
                let to = self.files.resolve_inner(c, d)?;
                Ok(Begun::Request(Op::Rename(from, to), Then::Nothing))
            }
            _ => Err(Errno::NoSuchCall),
        }
    }

    fn open(&self, path: u32, length: u32, flags: u32) -> Outcome<Begun> {
        if !flag::is_valid(flags) {
            return Err(Errno::Invalid);
        }
        let path = self.files.resolve(path, length)?;
        match (path, flags & flag::DIRECTORY != 0) {
            (None, false) => Err(Errno::IsDirectory),
            (None, true) => {
                let next = Arc::default();
                let root = Descriptor::Directory { path: None, next };
                self.files.insert(root).map(Begun::Over)
            }
            (Some(path), true) => {
                let op = Op::Stat(path.clone());
                Ok(Begun::Request(op, Then::OpenDirectory(path)))
            }
            (Some(path), false) => Ok(Begun::Request(Op::Open(path, flags), Then::Open(flags))),
        }
    }

    fn close(&self, fd: u32) -> Outcome<Begun> {
        let mut table = self.files.table.lock();
        let place = table.as_mut().and_then(|table| table.get_mut(fd as usize));
        match place.and_then(Option::take).ok_or(Errno::BadDescriptor)? {
            Descriptor::File { file, .. } => Ok(Begun::Request(Op::Close(file), Then::Nothing)),
            _ => Ok(Begun::Over(0)),
        }
    }

    fn read_file(&self, fd: u32, address: u32, length: u32) -> Outcome<Begun> {
        let (file, position, _) = self.file(fd, flag::READ)?;
        if !inside(address, length) {
            return Err(Errno::BadPointer);
        }
        let count = (length as usize).min(MAX_COPY);
        let op = Op::Read(file, get(&position), count);
        Ok(Begun::Request(op, Then::Read(address, position)))
    }

    fn write_file(&self, fd: u32, address: u32, length: u32) -> Outcome<Begun> {
        let (file, position, flags) = self.file(fd, flag::WRITE)?;
        let mut bytes = alloc::vec![0; (length as usize).min(MAX_COPY)];
        let copied = copy::from_user(u64::from(address), &mut bytes);
        if !inside(address, length) || copied.is_err() {
            return Err(Errno::BadPointer);
        }
        let at = (flags & flag::APPEND == 0).then(|| get(&position));
        Ok(Begun::Request(
            Op::Write(file, at, bytes),
            Then::Write(position),
        ))
    }

    fn seek(&self, fd: u32, offset: i64, whence: u32) -> Outcome<Begun> {
        let (file, position) = match self.files.get(fd)? {
            Descriptor::Console => return Err(Errno::NotSeekable),
            Descriptor::Directory { .. } => return Err(Errno::Invalid),
            Descriptor::File { file, position, .. } => (file, position),
        };
        let from = match whence {
            0 => 0,
            1 => get(&position),
            2 => {
                return Ok(Begun::Request(
                    Op::FileStat(file),
                    Then::Seek(offset, position),
                ));
            }
            _ => return Err(Errno::Invalid),
        };
        move_to(&position, from, offset).map(Begun::Over)
    }

    fn file_stat(&self, fd: u32, address: u32) -> Outcome<Begun> {
        match self.files.get(fd)? {
            Descriptor::Console => self.put_stat(address, CONSOLE).map(Begun::Over),
            Descriptor::Directory { path: None, .. } => {
                self.put_stat(address, ROOT).map(Begun::Over)
            }
            Descriptor::Directory {
                path: Some(path), ..
            } => Ok(Begun::Request(Op::Stat(path), Then::Stat(address))),
            Descriptor::File { file, .. } => {
                Ok(Begun::Request(Op::FileStat(file), Then::Stat(address)))
            }
        }
    }

    fn list(&self, fd: u32, address: u32, room: u32) -> Outcome<Begun> {
        let Descriptor::Directory { path, next } = self.files.get(fd)? else {
            return Err(Errno::NotDirectory);
        };
        let index = get(&next) as usize;
        let Some(path) = path else {
            let names = self.files.grants.names();
            let name = names.get(index).map_or("", String::as_str);
            return put_name(name.as_bytes(), address, room, &next).map(Begun::Over);
        };
        Ok(Begun::Request(
            Op::Entry(path, index),
            Then::List(address, room, next),
        ))
    }

    /// The file behind a descriptor that was opened with `needed`, its position and its flags.
    fn file(&self, fd: u32, needed: u32) -> Outcome<(Arc<OpenFile>, Arc<AtomicU64>, u32)> {
        match self.files.get(fd)? {
            Descriptor::File {
                file,
                flags,
                position,
            } if flags & needed != 0 => Ok((file, position, flags)),
            Descriptor::Directory { .. } => Err(Errno::IsDirectory),
            _ => Err(Errno::BadDescriptor),
        }
    }

    fn put_stat(&self, address: u32, stat: Stat) -> Outcome<i64> {
        copy::to_user(&stat.to_bytes(), u64::from(address))
            .map(|()| 0)
            .map_err(|_| Errno::BadPointer)
    }
}

/// How far a call is when the service has not been asked yet.
enum Begun {
    Over(i64),
    Request(Op, Then),
}

const CONSOLE: Stat = Stat {
    size: 0,
    mtime_us: 0,
    kind: Kind::Console,
};
const ROOT: Stat = Stat {
    size: 0,
    mtime_us: 0,
    kind: Kind::Directory,
};

impl Wait for FileCall {
    fn poll(&mut self, _context: &mut Context) -> Poll {
        let Some(answer) = self.request.take_answer() else {
            return Poll::Until(Ticks::NEVER);
        };
        let wide = matches!(self.then, Then::Seek(..));
        match answer.and_then(|reply| self.complete(reply)) {
            Ok(value) if wide => Poll::Done(value as u64),
            Ok(value) => Poll::Done(narrow(value)),
            Err(errno) if wide => Poll::Done(i64::from(errno.to_result()) as u64),
            Err(errno) => failed(errno),
        }
    }
}

impl FileCall {
    fn complete(&mut self, reply: Reply) -> Outcome<i64> {
        let count = reply.count as i64;
        match &self.then {
            Then::Nothing => Ok(0),
            Then::Open(flags) => self.guest.files.insert(Descriptor::File {
                file: reply.file.ok_or(Errno::Device)?,
                flags: *flags,
                position: Arc::default(),
            }),
            Then::OpenDirectory(path) => {
                if reply.stat.map(|stat| stat.kind) != Some(Kind::Directory) {
                    return Err(Errno::NotDirectory);
                }
                self.guest.files.insert(Descriptor::Directory {
                    path: Some(path.clone()),
                    next: Arc::default(),
                })
            }
            Then::Read(address, position) => {
                copy::to_user(&reply.bytes, u64::from(*address)).map_err(|_| Errno::BadPointer)?;
                set(position, reply.end);
                Ok(count)
            }
            Then::Write(position) => {
                set(position, reply.end);
                Ok(count)
            }
            Then::Seek(offset, position) => {
                let size = reply.stat.ok_or(Errno::Device)?.size;
                move_to(position, size, *offset)
            }
            Then::Stat(address) => {
                let stat = reply.stat.ok_or(Errno::Device)?;
                self.guest.put_stat(*address, stat)
            }
            Then::List(address, room, next) => put_name(&reply.bytes, *address, *room, next),
        }
    }
}

/// Stores a name, empty at the end of a directory, where there is room for it.
fn put_name(name: &[u8], address: u32, room: u32, next: &AtomicU64) -> Outcome<i64> {
    if name.len() > room as usize {
        return Err(Errno::NameTooLong);
    }
    copy::to_user(name, u64::from(address)).map_err(|_| Errno::BadPointer)?;
    if !name.is_empty() {
        set(next, get(next) + 1);
    }
    Ok(name.len() as i64)
}

fn move_to(position: &AtomicU64, from: u64, offset: i64) -> Outcome<i64> {
    let to = from.checked_add_signed(offset).ok_or(Errno::Invalid)?;
    let result = i64::try_from(to).map_err(|_| Errno::Invalid)?;
    set(position, to);
    Ok(result)
}

fn get(position: &AtomicU64) -> u64 {
    // ORDERING: Relaxed: the program orders its own calls (see the head of the file).
    position.load(Ordering::Relaxed)
}

fn set(position: &AtomicU64, to: u64) {
    // ORDERING: Relaxed: as in `get`.
    position.store(to, Ordering::Relaxed);
}
