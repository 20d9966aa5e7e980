//! Error numbers that host calls return, negated, in the place of a result.
//!
//! The values are those of Linux on i386: a C library for modules (newlib) then needs no
//! translation, and a person who sees `-14` in a trace knows what it means.

use core::fmt;

/// Why a host call was refused. A call returns the negated number ([`Errno::to_result`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Errno {
    /// The file descriptor names nothing that can be used this way.
    BadDescriptor = 9,
    /// An address range is not wholly inside the instance's readable (or writable) memory.
    BadPointer = 14,
    /// An argument has a value that has no meaning.
    Invalid = 22,
    /// The runtime has no such call.
    NoSuchCall = 38,
}

impl Errno {
    /// Every number, in rising order.
    pub const ALL: [Self; 4] = [
        Self::BadDescriptor,
        Self::BadPointer,
        Self::Invalid,
        Self::NoSuchCall,
    ];

    /// The positive number, as in C's `errno`.
    #[must_use]
    pub const fn number(self) -> i32 {
        self as i32
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
            Self::BadDescriptor => "BF_EBADF",
            Self::BadPointer => "BF_EFAULT",
            Self::Invalid => "BF_EINVAL",
            Self::NoSuchCall => "BF_ENOSYS",
        }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadDescriptor => "bad file descriptor",
            Self::BadPointer => "bad address",
            Self::Invalid => "invalid argument",
            Self::NoSuchCall => "no such host call",
        })
    }
}
