//! `bareflow boot`: runs `main` of a program in the kernel, in QEMU.
//!
//! The work is `xtask`'s: image, kernel, QEMU. This command finds the checkout it was built from
//! and passes modules and options on, after it has checked that the modules load. Words that name a
//! module file before the first other word are modules of the program; the rest are its arguments.

use crate::fail::{self, Failure, Outcome};
use crate::module_file::ModuleFile;
use lexopt::Arg;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) fn main(mut args: lexopt::Parser) -> Outcome {
    let (mut files, mut words) = (Vec::new(), Vec::new());
    let mut passed: Vec<OsString> = Vec::new();
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Value(path) if files.is_empty() || words.is_empty() && is_module(&path) => {
                files.push(checked(&PathBuf::from(path))?);
            }
            Arg::Value(word) => words.push(word),
            Arg::Long(name @ ("smp" | "dir" | "disk" | "accel" | "append")) => {
                passed.push(format!("--{name}").into());
                passed.push(args.value()?);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    if files.is_empty() {
        return Err(Failure::usage("boot: wants a file"));
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let manifest = root.join("Cargo.toml");
    let status = Command::new("cargo")
        .args(["run", "--quiet", "--package", "xtask", "--manifest-path"])
        .arg(manifest)
        .args(["--", "boot"])
        .args(files)
        .args(&words)
        .args(&passed)
        .status()
        .map_err(|error| Failure::new(fail::NO_TOOL, format!("cargo: {error}")))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    code.ok_or_else(|| Failure::new(fail::SYSTEM, format!("boot was ended: {status}")))
}

/// The whole path of a module that loads.
fn checked(file: &Path) -> Result<PathBuf, Failure> {
    ModuleFile::read(file)?.load()?;
    file.canonicalize()
        .map_err(|error| Failure::new(fail::NO_FILE, format!("{}: {error}", file.display())))
}

fn is_module(word: &OsStr) -> bool {
    let ending = Path::new(word).extension();
    ending.is_some_and(|ending| ending == "bc" || ending == "llbc")
}
