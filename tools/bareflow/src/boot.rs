//! `bareflow boot`: runs `main` of a module in the kernel, in QEMU.
//!
//! The work is `xtask`'s: image, kernel, QEMU. This command finds the checkout it was built from
//! and passes the module on, after it has checked that the module loads.

use crate::fail::{self, Failure, Outcome};
use crate::module_file::ModuleFile;
use lexopt::{Arg, ValueExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) fn main(mut args: lexopt::Parser) -> Outcome {
    let (mut file, mut words, mut smp) = (None::<PathBuf>, Vec::new(), 4u32);
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Value(path) if file.is_none() => file = Some(path.into()),
            Arg::Value(word) => words.push(word.string()?),
            Arg::Long("smp") => smp = args.value()?.parse()?,
            other => return Err(other.unexpected().into()),
        }
    }
    let file = file.ok_or_else(|| Failure::usage("boot: wants a file"))?;
    ModuleFile::read(&file)?.load()?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = file
        .canonicalize()
        .map_err(|error| Failure::new(fail::NO_FILE, format!("{}: {error}", file.display())))?;
    let status = Command::new("cargo")
        .current_dir(&root)
        .args(["run", "--quiet", "--package", "xtask", "--", "boot"])
        .arg(path)
        .args(&words)
        .args(["--smp", &smp.to_string()])
        .status()
        .map_err(|error| Failure::new(fail::NO_TOOL, format!("cargo: {error}")))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    code.ok_or_else(|| Failure::new(fail::SYSTEM, format!("boot was ended: {status}")))
}
