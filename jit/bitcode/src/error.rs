//! Errors of the reader: whose fault, what exactly, and at which bit of the file.
//!
//! An [`Error`] is one pointer wide. Decoding functions return `Result<u64>` and `Result<Inst>`
//! some hundred million times per second; a fat error type would push all of them through memory.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

/// Result of everything in this crate.
pub type Result<T> = core::result::Result<T, Error>;

/// Why a file was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The file breaks the format: damaged, or written by something that is not LLVM.
    Malformed(&'static str),
    /// The file is well formed and uses something that this reader does not do, by design.
    Unsupported(String),
    /// The file exceeds one of [`crate::limits`].
    LimitExceeded(&'static str),
}

/// A refusal, with the place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(Box<Repr>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Repr {
    kind: ErrorKind,
    bit: u64,
    function: Option<String>,
}

impl Error {
    /// Why the file was refused.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Offset in bits from the start of the file to where reading had got.
    pub fn bit(&self) -> u64 {
        self.0.bit
    }

    /// Name of the function whose body was being read, if one was.
    pub fn function(&self) -> Option<&str> {
        self.0.function.as_deref()
    }

    #[cold]
    pub(crate) fn malformed(bit: u64, what: &'static str) -> Self {
        Self::new(ErrorKind::Malformed(what), bit)
    }

    #[cold]
    pub(crate) fn unsupported(bit: u64, what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported(what.into()), bit)
    }

    #[cold]
    pub(crate) fn limit(bit: u64, which: &'static str) -> Self {
        Self::new(ErrorKind::LimitExceeded(which), bit)
    }

    /// Adds the function's name; names are bytes in bitcode and text in messages.
    #[cold]
    pub(crate) fn in_function(mut self, name: &[u8]) -> Self {
        self.0.function = Some(String::from_utf8_lossy(name).into_owned());
        self
    }

    /// The same error with another offset.
    #[cold]
    pub(crate) fn at(mut self, bit: u64) -> Self {
        self.0.bit = bit;
        self
    }

    /// The same error when its offset was counted from `bits` into the file (a wrapper header).
    pub(crate) fn moved_by(mut self, bits: u64) -> Self {
        self.0.bit = self.0.bit.saturating_add(bits);
        self
    }

    fn new(kind: ErrorKind, bit: u64) -> Self {
        Self(Box::new(Repr {
            kind,
            bit,
            function: None,
        }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.kind {
            ErrorKind::Malformed(what) => write!(f, "malformed bitcode: {what}")?,
            ErrorKind::Unsupported(what) => write!(f, "unsupported: {what}")?,
            ErrorKind::LimitExceeded(which) => write!(f, "limit exceeded: {which}")?,
        }
        if let Some(function) = &self.0.function {
            write!(f, " in function {function}")?;
        }
        write!(f, " (bit {})", self.0.bit)
    }
}

impl core::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_names_construct_function_and_bit() {
        let error = Error::unsupported(123, "invoke instruction").in_function(b"foo");
        assert_eq!(
            format!("{error}"),
            "unsupported: invoke instruction in function foo (bit 123)"
        );
        assert_eq!(error.function(), Some("foo"));
    }

    #[test]
    fn error_is_one_pointer_wide() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
