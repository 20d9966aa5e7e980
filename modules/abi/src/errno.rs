//! Error numbers that host calls return, negated, in the place of a result.
//!
//! The values are those of Linux on i386: a person who sees `-14` in a trace knows what it means,
//! and the host needs no table. A C library with other numbers translates in one place.

use core::fmt;

/// Why a host call was refused. A call returns the negated number ([`Errno::to_result`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Errno {
    /// The task may not do this.
    NotPermitted = 1,
    /// Nothing of this name.
    NoEntry = 2,
    /// No task of this number can be joined.
    NoTask = 3,
    /// The device failed.
    Device = 5,
    /// The file descriptor names nothing that can be used this way.
    BadDescriptor = 9,
    /// The word was not the expected one, or there is no room for the moment.
    Again = 11,
    /// No memory is left.
    NoMemory = 12,
    /// Outside the directories that the instance was given.
    NoAccess = 13,
    /// An address range is not wholly inside the instance's readable (or writable) memory.
    BadPointer = 14,
    /// The name is taken.
    Exists = 17,
    /// The two names are in different grants.
    OtherGrant = 18,
    /// A part of the path is no directory.
    NotDirectory = 20,
    /// A directory, where a file is needed.
    IsDirectory = 21,
    /// An argument has a value that has no meaning.
    Invalid = 22,
    /// No descriptor is left.
    TooManyOpen = 24,
    /// The file would become too large.
    TooLarge = 27,
    /// The volume is full.
    NoSpace = 28,
    /// The console has no position.
    NotSeekable = 29,
    /// The volume or the grant is read-only.
    ReadOnly = 30,
    /// The task would wait for itself.
    Deadlock = 35,
    /// A path is longer than 255 bytes.
    NameTooLong = 36,
    /// The runtime has no such call.
    NoSuchCall = 38,
    /// The directory has entries.
    NotEmpty = 39,
    /// The time is up.
    TimedOut = 110,
}

impl Errno {
    /// Every number, in rising order.
    pub const ALL: [Self; 24] = [
        Self::NotPermitted,
        Self::NoEntry,
        Self::NoTask,
        Self::Device,
        Self::BadDescriptor,
        Self::Again,
        Self::NoMemory,
        Self::NoAccess,
        Self::BadPointer,
        Self::Exists,
        Self::OtherGrant,
        Self::NotDirectory,
        Self::IsDirectory,
        Self::Invalid,
        Self::TooManyOpen,
        Self::TooLarge,
        Self::NoSpace,
        Self::NotSeekable,
        Self::ReadOnly,
        Self::Deadlock,
        Self::NameTooLong,
        Self::NoSuchCall,
        Self::NotEmpty,
        Self::TimedOut,
    ];

    /// The positive number, as in C's `errno`.
    #[must_use]
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// The error with this positive number.
    #[must_use]
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|errno| errno.number() == number)
    }

    /// The value that a module sees: the number negated.
    #[must_use]
    pub const fn to_result(self) -> i32 {
        -self.number()
    }

    /// The macro's name in `bareflow.h`.
    #[must_use]
    pub const fn c_name(self) -> &'static str {
        match self {
            Self::NotPermitted => "BF_EPERM",
            Self::NoEntry => "BF_ENOENT",
            Self::NoTask => "BF_ESRCH",
            Self::Device => "BF_EIO",
            Self::BadDescriptor => "BF_EBADF",
            Self::Again => "BF_EAGAIN",
            Self::NoMemory => "BF_ENOMEM",
            Self::NoAccess => "BF_EACCES",
            Self::BadPointer => "BF_EFAULT",
            Self::Exists => "BF_EEXIST",
            Self::OtherGrant => "BF_EXDEV",
            Self::NotDirectory => "BF_ENOTDIR",
            Self::IsDirectory => "BF_EISDIR",
            Self::Invalid => "BF_EINVAL",
            Self::TooManyOpen => "BF_EMFILE",
            Self::TooLarge => "BF_EFBIG",
            Self::NoSpace => "BF_ENOSPC",
            Self::NotSeekable => "BF_ESPIPE",
            Self::ReadOnly => "BF_EROFS",
            Self::Deadlock => "BF_EDEADLK",
            Self::NameTooLong => "BF_ENAMETOOLONG",
            Self::NoSuchCall => "BF_ENOSYS",
            Self::NotEmpty => "BF_ENOTEMPTY",
            Self::TimedOut => "BF_ETIMEDOUT",
        }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotPermitted => "not permitted",
            Self::NoEntry => "no such file or directory",
            Self::NoTask => "no such task",
            Self::Device => "input or output error",
            Self::BadDescriptor => "bad file descriptor",
            Self::Again => "try again",
            Self::NoMemory => "out of memory",
            Self::NoAccess => "permission denied",
            Self::BadPointer => "bad address",
            Self::Exists => "file exists",
            Self::OtherGrant => "not within one granted directory",
            Self::NotDirectory => "not a directory",
            Self::IsDirectory => "is a directory",
            Self::Invalid => "invalid argument",
            Self::TooManyOpen => "too many open files",
            Self::TooLarge => "file too large",
            Self::NoSpace => "no space left on the volume",
            Self::NotSeekable => "not seekable",
            Self::ReadOnly => "read-only",
            Self::Deadlock => "a task cannot wait for itself",
            Self::NameTooLong => "file name too long",
            Self::NoSuchCall => "no such host call",
            Self::NotEmpty => "directory not empty",
            Self::TimedOut => "timed out",
        })
    }
}
