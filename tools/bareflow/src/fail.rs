//! How a command fails: an exit status (those of `sysexits.h`) and one line for a person.

use std::fmt;

/// Wrong usage.
pub(crate) const USAGE: u8 = 64;
/// The module was rejected.
pub(crate) const REJECTED: u8 = 65;
/// A file cannot be read or written.
pub(crate) const NO_FILE: u8 = 66;
/// A tool is missing or failed.
pub(crate) const NO_TOOL: u8 = 69;
/// The system refused something.
pub(crate) const SYSTEM: u8 = 71;
/// A fault ended the module, as a shell reports SIGABRT.
pub(crate) const FAULT: u8 = 134;

/// Why a command gives up.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit status.
    pub(crate) status: u8,
    message: String,
}

impl Failure {
    pub(crate) fn new(status: u8, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(USAGE, message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Self {
        Self::usage(error.to_string())
    }
}

/// What every subcommand returns: the exit status or a failure.
pub(crate) type Outcome = Result<u8, Failure>;
