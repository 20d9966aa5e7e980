//! Refusals: whose fault, what, and where.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use core::fmt;

/// Result of everything in `load`. The error is boxed: a result is then returned in registers, some
/// ten times for each instruction of a file.
pub(super) type Result<T> = core::result::Result<T, Box<LoadError>>;

/// Whose fault a refusal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadErrorKind {
    /// The file's: damaged, or not what LLVM writes.
    Malformed,
    /// Ours, by design.
    Unsupported,
    /// A limit is exceeded.
    LimitExceeded,
}

/// Why a module was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    /// Whose fault.
    pub kind: LoadErrorKind,
    /// What exactly.
    pub what: String,
    /// The function at fault, if one is.
    pub function: Option<String>,
    /// Source line, if known.
    pub line: Option<u32>,
    /// Offset in the file, in bits, if it is known.
    pub bit: Option<u64>,
}

impl LoadError {
    #[cold]
    pub(super) fn malformed(what: impl Into<String>) -> Box<Self> {
        Box::new(Self::new(LoadErrorKind::Malformed, what.into()))
    }

    #[cold]
    pub(super) fn unsupported(what: impl Into<String>) -> Box<Self> {
        Box::new(Self::new(LoadErrorKind::Unsupported, what.into()))
    }

    #[cold]
    pub(super) fn limit(which: impl Into<String>) -> Box<Self> {
        Box::new(Self::new(LoadErrorKind::LimitExceeded, which.into()))
    }

    /// The file passed the reader and still breaks LLVM's own rules.
    pub(super) fn from_verifier(error: &ir::verify::VerifyError, module: &ir::Module) -> Self {
        let function = error.func.and_then(|id| module.funcs.get(id.index()));
        let body = function.and_then(|function| function.body.as_ref());
        let line = body
            .zip(error.inst)
            .and_then(|(body, inst)| body.line_of(inst));
        Self {
            function: function.map(|function| function.name.clone()),
            line: line.map(|line| line.line),
            ..Self::new(LoadErrorKind::Malformed, error.what.clone())
        }
    }

    /// Adds where in the file, unless that is known better already.
    pub(super) fn at(mut self: Box<Self>, bit: u64, line: Option<u32>) -> Box<Self> {
        self.bit = self.bit.or(Some(bit));
        self.line = self.line.or(line);
        self
    }

    /// Adds in which function.
    pub(super) fn in_function(mut self: Box<Self>, name: &str) -> Box<Self> {
        self.function.get_or_insert_with(|| name.to_string());
        self
    }

    fn new(kind: LoadErrorKind, what: String) -> Self {
        Self {
            kind,
            what,
            function: None,
            line: None,
            bit: None,
        }
    }
}

impl From<bitcode::Error> for LoadError {
    fn from(error: bitcode::Error) -> Self {
        let (kind, what) = match error.kind() {
            bitcode::ErrorKind::Malformed(what) => (LoadErrorKind::Malformed, what.to_string()),
            bitcode::ErrorKind::Unsupported(what) => (LoadErrorKind::Unsupported, what.clone()),
            bitcode::ErrorKind::LimitExceeded(which) => {
                (LoadErrorKind::LimitExceeded, which.to_string())
            }
        };
        Self {
            function: error.function().map(String::from),
            bit: Some(error.bit()),
            ..Self::new(kind, what)
        }
    }
}

impl From<bitcode::Error> for Box<LoadError> {
    fn from(error: bitcode::Error) -> Self {
        Self::new(error.into())
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            LoadErrorKind::Malformed => "malformed bitcode",
            LoadErrorKind::Unsupported => "unsupported",
            LoadErrorKind::LimitExceeded => "limit exceeded",
        };
        write!(f, "{kind}: {}", self.what)?;
        if let Some(function) = &self.function {
            write!(f, " in function {function}")?;
        }
        if let Some(line) = self.line {
            write!(f, " at line {line}")?;
        }
        match self.bit {
            Some(bit) => write!(f, " (bit {bit})"),
            None => Ok(()),
        }
    }
}

impl core::error::Error for LoadError {}
