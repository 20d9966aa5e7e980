//! The files of a program: open descriptors and the directories that it was granted.
//!
//! What a path means is [`Grants`]'s business; here it is opened beneath the granted directory by
//! `openat2(RESOLVE_BENEATH)`, which the system refuses where a symbolic link or a race would lead out
//! of it (openat2(2), Linux 5.6). Removing, renaming and making directories work on the last name in
//! a directory that was opened that way, and do not follow a link there.
//!
//! Only files and directories are opened: a device or a pipe in a granted directory is refused, since
//! opening or reading it could do anything, or wait for ever.

use crate::copy;
use abi::Errno;
use abi::file::{self, Kind, Stat, open};
use jit::instance::grants::{self, GrantError, Grants, Target};
use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

#[cfg(test)]
mod tests;

/// A directory that a program may use.
#[derive(Clone, Debug)]
pub struct Directory {
    /// Where it is.
    pub path: PathBuf,
    /// Under which name the program sees it; by default its own, or none if it is the only one.
    pub name: Option<String>,
}

/// Descriptors and grants of an instance.
#[derive(Debug)]
pub(crate) struct Files {
    grants: Grants,
    directories: Vec<File>,
    open: Mutex<Vec<Option<Arc<Open>>>>,
    /// How the system resolves paths: beneath the directory. Tests take that away.
    resolve: u64,
}

/// No path leads out of the directory that it starts from.
const BENEATH: u64 = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_MAGICLINKS;

/// What a descriptor stands for.
#[derive(Debug)]
enum Open {
    Console(u32),
    File(File),
    Directory(Mutex<Vec<String>>),
}

type Result<T> = core::result::Result<T, Errno>;

impl Files {
    /// Opens the granted directories.
    ///
    /// # Errors
    /// One cannot be opened, or names clash.
    pub(crate) fn new(directories: &[Directory]) -> io::Result<Self> {
        let given: Vec<(String, Option<&str>)> = directories
            .iter()
            .map(|given| {
                (
                    given.path.to_string_lossy().into_owned(),
                    given.name.as_deref(),
                )
            })
            .collect();
        let given: Vec<_> = given
            .iter()
            .map(|(path, name)| (path.as_str(), *name))
            .collect();
        let clash = |why: GrantError| io::Error::other(why.to_string());
        let grants = Grants::new(&given).map_err(clash)?;
        let mut opened = Vec::new();
        for directory in directories {
            opened.push(open_directory(&directory.path)?);
        }
        let console = (0..3).map(|fd| Some(Arc::new(Open::Console(fd))));
        Ok(Self {
            grants,
            directories: opened,
            open: Mutex::new(console.collect()),
            resolve: BENEATH,
        })
    }

    fn get(&self, fd: u32) -> Result<Arc<Open>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let found = open.get(fd as usize).cloned().flatten();
        found.ok_or(Errno::BadDescriptor)
    }

    fn insert(&self, new: Open) -> Result<i64> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let free = open.iter().position(Option::is_none).unwrap_or(open.len());
        if free >= file::MAX_OPEN {
            return Err(Errno::TooManyOpen);
        }
        if free == open.len() {
            open.push(None);
        }
        open[free] = Some(Arc::new(new));
        Ok(free as i64)
    }

    /// `bf_open`.
    pub(crate) fn open(&self, path: &[u8], flags: u32) -> Result<i64> {
        if !open::is_valid(flags) {
            return Err(Errno::Invalid);
        }
        let Target::In { grant, path } = self.grants.resolve(path)? else {
            // The root that only holds the grants' names.
            if flags & open::DIRECTORY == 0 {
                return Err(Errno::IsDirectory);
            }
            let names = self.grants.names().iter().rev().cloned().collect();
            return self.insert(Open::Directory(Mutex::new(names)));
        };
        let file = self.beneath(grant, &path, system_flags(flags))?;
        let kind = file.metadata().map_err(|why| errno(&why))?.file_type();
        if flags & open::DIRECTORY != 0 {
            let names = names_of(&file)?;
            return self.insert(Open::Directory(Mutex::new(names)));
        }
        if kind.is_dir() {
            return Err(Errno::IsDirectory);
        }
        if !kind.is_file() {
            return Err(Errno::NoAccess);
        }
        self.insert(Open::File(file))
    }

    /// `bf_close`.
    pub(crate) fn close(&self, fd: u32) -> Result<i64> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = open.get_mut(fd as usize).ok_or(Errno::BadDescriptor)?;
        entry.take().map(|_| 0).ok_or(Errno::BadDescriptor)
    }

    /// `bf_write`.
    pub(crate) fn write(&self, fd: u32, address: u32, length: u32) -> Result<i64> {
        let open = self.get(fd)?;
        if matches!(*open, Open::Console(0) | Open::Directory(_)) {
            return Err(Errno::BadDescriptor);
        }
        let bytes = copy::read(address, length.min(copy::MOST))?;
        // The whole range must be the module's, whatever part of it is taken.
        if u64::from(address) + u64::from(length) > u64::from(jit::abi::MEMORY_END) {
            return Err(Errno::BadPointer);
        }
        match &*open {
            Open::Console(1) => {
                let mut out = io::stdout().lock();
                // A closed console takes nothing.
                let written = out.write_all(&bytes).and_then(|()| out.flush());
                Ok(if written.is_ok() {
                    bytes.len() as i64
                } else {
                    0
                })
            }
            Open::Console(_) => {
                let written = io::stderr().lock().write_all(&bytes);
                Ok(if written.is_ok() {
                    bytes.len() as i64
                } else {
                    0
                })
            }
            Open::File(file) => {
                let mut file = file;
                Ok(file.write(&bytes).map_err(|why| errno(&why))? as i64)
            }
            Open::Directory(_) => Err(Errno::BadDescriptor),
        }
    }

    /// `bf_read`. Console input comes as it comes; `ending` tells whether to give up waiting for it.
    pub(crate) fn read(
        &self,
        fd: u32,
        address: u32,
        length: u32,
        ending: impl Fn() -> bool,
    ) -> Result<i64> {
        let open = self.get(fd)?;
        let mut bytes = vec![0u8; length.min(copy::MOST) as usize];
        let count = match &*open {
            Open::Console(0) => console_input(&mut bytes, ending)?,
            Open::File(file) => {
                let mut file = file;
                file.read(&mut bytes).map_err(|why| errno(&why))?
            }
            _ => return Err(Errno::BadDescriptor),
        };
        copy::write(address, &bytes[..count])?;
        Ok(count as i64)
    }

    fn file<T>(&self, fd: u32, work: impl FnOnce(&File) -> io::Result<T>) -> Result<T> {
        match &*self.get(fd)? {
            Open::File(file) => work(file).map_err(|why| errno(&why)),
            Open::Console(_) => Err(Errno::NotSeekable),
            Open::Directory(_) => Err(Errno::BadDescriptor),
        }
    }

    /// `bf_seek`.
    pub(crate) fn seek(&self, fd: u32, offset: i64, whence: u32) -> Result<i64> {
        let from_start = || u64::try_from(offset).map_err(|_| Errno::Invalid);
        let to = match whence {
            0 => SeekFrom::Start(from_start()?),
            1 => SeekFrom::Current(offset),
            2 => SeekFrom::End(offset),
            _ => return Err(Errno::Invalid),
        };
        self.file(fd, |mut file| file.seek(to)).map(|at| at as i64)
    }

    /// `bf_stat`.
    pub(crate) fn stat(&self, path: &[u8]) -> Result<Stat> {
        match self.grants.resolve(path)? {
            Target::Root => Ok(directory_stat()),
            Target::In { grant, path } => {
                let file = self.beneath(grant, &path, libc::O_PATH)?;
                stat_of(&file)
            }
        }
    }

    /// `bf_fstat`.
    pub(crate) fn fstat(&self, fd: u32) -> Result<Stat> {
        match &*self.get(fd)? {
            Open::File(file) => stat_of(file),
            Open::Directory(_) => Ok(directory_stat()),
            Open::Console(_) => Ok(Stat {
                size: 0,
                mtime_us: 0,
                kind: Kind::Console,
            }),
        }
    }

    /// `bf_truncate`.
    pub(crate) fn truncate(&self, fd: u32, size: i64) -> Result<i64> {
        let size = u64::try_from(size).map_err(|_| Errno::Invalid)?;
        self.file(fd, |file| file.set_len(size)).map(|()| 0)
    }

    /// `bf_sync`.
    pub(crate) fn sync(&self, fd: u32) -> Result<i64> {
        self.file(fd, File::sync_all).map(|()| 0)
    }

    /// `bf_remove`.
    pub(crate) fn remove(&self, path: &[u8]) -> Result<i64> {
        let (directory, name, _) = self.parent(path)?;
        let unlink = |flags| {
            // SAFETY: an open directory and a C string.
            check(unsafe { libc::unlinkat(directory.as_raw_fd(), name.as_ptr(), flags) })
        };
        match unlink(0) {
            Err(Errno::IsDirectory) => unlink(libc::AT_REMOVEDIR),
            done => done,
        }
    }

    /// `bf_rename`.
    pub(crate) fn rename(&self, from: &[u8], to: &[u8]) -> Result<i64> {
        let (from_directory, from, from_grant) = self.parent(from)?;
        let (to_directory, to, to_grant) = self.parent(to)?;
        if from_grant != to_grant {
            return Err(Errno::OtherGrant);
        }
        let (from_fd, to_fd) = (from_directory.as_raw_fd(), to_directory.as_raw_fd());
        // SAFETY: open directories and C strings.
        check(unsafe { libc::renameat(from_fd, from.as_ptr(), to_fd, to.as_ptr()) })
    }

    /// `bf_mkdir`.
    pub(crate) fn make_directory(&self, path: &[u8]) -> Result<i64> {
        let (directory, name, _) = self.parent(path)?;
        // SAFETY: an open directory and a C string.
        check(unsafe { libc::mkdirat(directory.as_raw_fd(), name.as_ptr(), 0o777) })
    }

    /// `bf_list`.
    pub(crate) fn list(&self, fd: u32, address: u32, capacity: u32) -> Result<i64> {
        let open = self.get(fd)?;
        let Open::Directory(names) = &*open else {
            return Err(Errno::NotDirectory);
        };
        let mut names = names.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(name) = names.last() else {
            return Ok(0);
        };
        if name.len() > capacity as usize {
            return Err(Errno::Invalid);
        }
        copy::write(address, name.as_bytes())?;
        let length = name.len() as i64;
        names.pop();
        Ok(length)
    }

    /// The directory that holds a path's last name, that name, and the grant.
    fn parent(&self, path: &[u8]) -> Result<(File, CString, usize)> {
        let Target::In { grant, path } = self.grants.resolve(path)? else {
            return Err(Errno::NotPermitted);
        };
        let (directory, name) = grants::split(&path).ok_or(Errno::NotPermitted)?;
        let directory = self.beneath(grant, directory, libc::O_PATH | libc::O_DIRECTORY)?;
        let name = CString::new(name).map_err(|_| Errno::Invalid)?;
        Ok((directory, name, grant))
    }

    /// Opens `path` beneath a granted directory.
    fn beneath(&self, grant: usize, path: &str, flags: i32) -> Result<File> {
        let directory = self.directories.get(grant).ok_or(Errno::NoAccess)?;
        let path = if path.is_empty() { "." } else { path };
        let path = CString::new(path).map_err(|_| Errno::Invalid)?;
        // SAFETY: all fields of `open_how` may be zero.
        let mut how: libc::open_how = unsafe { core::mem::zeroed() };
        how.flags = (flags | libc::O_CLOEXEC) as u64;
        how.mode = if flags & libc::O_CREAT != 0 { 0o666 } else { 0 };
        how.resolve = self.resolve;
        // SAFETY: an open directory, a C string, and a structure of the size that is passed.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_openat2,
                directory.as_raw_fd(),
                path.as_ptr(),
                &raw const how,
                size_of::<libc::open_how>(),
            )
        };
        let Ok(fd @ 0..) = i32::try_from(fd) else {
            return Err(errno(&io::Error::last_os_error()));
        };
        // SAFETY: the descriptor was just made and belongs to nobody else.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) }.into())
    }
}

fn open_directory(path: &Path) -> io::Result<File> {
    let name = |why: io::Error| io::Error::new(why.kind(), format!("{}: {why}", path.display()));
    let directory = File::open(path).map_err(name)?;
    if directory.metadata()?.is_dir() {
        Ok(directory)
    } else {
        Err(io::Error::other(format!(
            "{}: not a directory",
            path.display()
        )))
    }
}

/// `bf_open`'s flags for the system. Not waiting for the other end keeps a pipe from blocking here.
fn system_flags(flags: u32) -> i32 {
    let access = match (flags & open::READ != 0, flags & open::WRITE != 0) {
        (true, true) => libc::O_RDWR,
        (false, true) => libc::O_WRONLY,
        _ => libc::O_RDONLY,
    };
    let bits = [
        (open::CREATE, libc::O_CREAT),
        (open::TRUNCATE, libc::O_TRUNC),
        (open::APPEND, libc::O_APPEND),
        (open::EXCLUSIVE, libc::O_EXCL),
        (open::DIRECTORY, libc::O_DIRECTORY),
    ];
    let chosen = bits.into_iter().filter(|(bit, _)| flags & bit != 0);
    chosen.fold(
        access | libc::O_NONBLOCK | libc::O_NOCTTY,
        |all, (_, bit)| all | bit,
    )
}

/// Names in a directory, last first. Names that are no text cannot be opened and are left out.
fn names_of(directory: &File) -> Result<Vec<String>> {
    const MOST: usize = 1 << 16;
    let path = format!("/proc/self/fd/{}", directory.as_raw_fd());
    let entries = fs::read_dir(path).map_err(|why| errno(&why))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.take(MOST).collect();
    names.sort_unstable_by(|a, b| b.cmp(a));
    Ok(names)
}

fn stat_of(file: &File) -> Result<Stat> {
    let metadata = file.metadata().map_err(|why| errno(&why))?;
    if metadata.is_dir() {
        return Ok(directory_stat());
    }
    if !metadata.is_file() {
        return Err(Errno::NoAccess);
    }
    Ok(Stat {
        size: metadata.len(),
        mtime_us: metadata.mtime() * 1_000_000 + metadata.mtime_nsec() / 1000,
        kind: Kind::File,
    })
}

fn directory_stat() -> Stat {
    Stat {
        size: 0,
        mtime_us: 0,
        kind: Kind::Directory,
    }
}

/// Console input, as much as there is; a signal that ends the instance ends the waiting too.
fn console_input(bytes: &mut [u8], ending: impl Fn() -> bool) -> Result<usize> {
    loop {
        // SAFETY: the buffer is as long as is said.
        let count = unsafe { libc::read(0, bytes.as_mut_ptr().cast(), bytes.len()) };
        match usize::try_from(count) {
            Ok(count) => return Ok(count),
            Err(_) if ending() => return Ok(0),
            Err(_) => match io::Error::last_os_error() {
                why if why.kind() == io::ErrorKind::Interrupted => {}
                why => return Err(errno(&why)),
            },
        }
    }
}

fn check(result: i32) -> Result<i64> {
    if result == 0 {
        Ok(0)
    } else {
        Err(errno(&io::Error::last_os_error()))
    }
}

/// The system's error in the module's numbers, which are the same where both have one. A path that
/// would lead out of its grant is `EXDEV` or `ELOOP` to the system; a pipe without a reader is `ENXIO`.
fn errno(why: &io::Error) -> Errno {
    match why.raw_os_error() {
        Some(libc::EXDEV | libc::ELOOP | libc::ENXIO) => Errno::NoAccess,
        Some(number) => Errno::from_number(number).unwrap_or(Errno::Device),
        None => Errno::Device,
    }
}
