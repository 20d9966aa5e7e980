//! `bareflow wrap`: the LLBC header in front of bitcode.

use crate::fail::{self, Failure, Outcome};
use crate::module_file::ModuleFile;
use abi::Header;
use lexopt::{Arg, ValueExt as _};
use std::fs;
use std::path::PathBuf;

pub(crate) fn main(mut args: lexopt::Parser) -> Outcome {
    let (mut input, mut output) = (None::<PathBuf>, None::<PathBuf>);
    let (mut name, mut entry, mut level) = (None, String::new(), 0u8);
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Value(path) if input.is_none() => input = Some(path.into()),
            Arg::Short('o') => output = Some(args.value()?.into()),
            Arg::Long("name") => name = Some(args.value()?.string()?),
            Arg::Long("entry") => entry = args.value()?.string()?,
            Arg::Long("level") => level = args.value()?.parse()?,
            other => return Err(other.unexpected().into()),
        }
    }
    let (Some(input), Some(output)) = (input, output) else {
        return Err(Failure::usage("wrap: wants FILE.bc -o OUT.llbc"));
    };
    let file = ModuleFile::read(&input)?;
    // A file that is wrapped already gets a new header.
    let bitcode = file.container()?.bitcode;
    let stem = input
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned());
    let name = name.or(stem).unwrap_or_default();
    let header = Header {
        name: &name,
        entry: &entry,
        level,
    };
    let wrapped = header.wrap(bitcode).map_err(|why| file.rejected(why))?;
    fs::write(&output, wrapped)
        .map_err(|error| Failure::new(fail::NO_FILE, format!("{}: {error}", output.display())))?;
    Ok(0)
}
