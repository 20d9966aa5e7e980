//! Cases: a number stands for a program, the same one for ever.

use crate::{generate, process};
use std::path::Path;
use std::process::Command;
use std::str::FromStr;
use std::time::Duration;
use std::{fmt, fs, io};

/// Who writes the program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// csmith: well-defined C with integers, structs, unions, pointers, loops.
    Csmith,
    /// Our own generator: what csmith never makes.
    Own,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Csmith => "csmith",
            Self::Own => "own",
        })
    }
}

impl FromStr for Source {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let all = [Self::Csmith, Self::Own];
        let found = all.into_iter().find(|source| source.to_string() == name);
        found.ok_or_else(|| format!("no source `{name}`: csmith or own"))
    }
}

/// A program to judge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Case {
    /// Who writes it.
    pub(crate) source: Source,
    /// Which one.
    pub(crate) seed: u64,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.source, self.seed)
    }
}

/// What all csmith programs have in common: small enough to compile in a tenth of a second.
const SMALL: &[&str] = &[
    "--concise",
    "--max-block-depth",
    "3",
    "--max-expr-complexity",
    "6",
    "--max-array-len-per-dim",
    "6",
];

/// What they differ in. Built-ins of single processors (`ia32_crc32qi`) are left out.
const FLAVOURS: [&[&str]; 8] = [
    &["--max-funcs", "5"],
    &[
        "--max-funcs",
        "4",
        "--builtins",
        "--disable-builtin-kinds",
        "x86",
    ],
    &["--max-funcs", "4", "--float"],
    &["--max-funcs", "6", "--inline-function", "--no-volatiles"],
    &[
        "--max-funcs",
        "5",
        "--packed-struct",
        "--max-struct-fields",
        "6",
    ],
    &[
        "--max-funcs",
        "3",
        "--float",
        "--no-volatiles",
        "--no-bitfields",
    ],
    &[
        "--max-funcs",
        "8",
        "--no-arrays",
        "--max-pointer-depth",
        "4",
    ],
    &[
        "--max-funcs",
        "4",
        "--no-jumps",
        "--max-array-dim",
        "2",
        "--inline-function",
    ],
];

impl Case {
    /// Writes the program's C source to `path`.
    ///
    /// # Errors
    /// csmith is missing, or has no program for this seed.
    pub(crate) fn write(self, path: &Path) -> io::Result<()> {
        match self.source {
            Source::Own => fs::write(path, generate::program(self.seed)),
            Source::Csmith => csmith(self.seed, path),
        }
    }
}

fn csmith(seed: u64, path: &Path) -> io::Result<()> {
    let flavour = FLAVOURS[(seed % FLAVOURS.len() as u64) as usize];
    let mut csmith = Command::new("csmith");
    csmith
        .args(["--seed", &seed.to_string()])
        .args(SMALL)
        .args(flavour);
    // It leaves a file `platform.info` where it runs.
    csmith.current_dir(std::env::temp_dir());
    let output = process::run(csmith.arg("-o").arg(path), Duration::from_secs(10))?;
    if output.success() {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "csmith: {:?} {}",
        output.end, output.stderr
    )))
}
