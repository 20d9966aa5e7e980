//! `bareflow cc`: C to a module, by clang-19 with the module flags.
//!
//! Several sources are compiled one by one and joined by llvm-link, which belongs to the same
//! LLVM. Headers are those of the C library (`clib`), which is built if it is not there yet; the
//! archive itself is linked by the runtime, not here. With `-ffreestanding` there is no library: only
//! the SDK header, which is in this binary, and clang's own.

use crate::fail::{self, Failure, Outcome};
use lexopt::{Arg, ValueExt as _};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io, process};

const CLANG: &str = "clang-19";
const LINK: &str = "llvm-link-19";
const SDK: &str = include_str!("../../../modules/guests/include/bareflow.h");

/// What asks for no C library.
const FREESTANDING: &str = "-ffreestanding";

#[derive(Debug, Default)]
struct Request {
    sources: Vec<PathBuf>,
    output: Option<PathBuf>,
    passed: Vec<OsString>,
    march: Option<String>,
}

pub(crate) fn main(args: lexopt::Parser) -> Outcome {
    let request = parse(args)?;
    let Some(output) = &request.output else {
        return Err(Failure::usage("cc: -o OUT.bc is missing"));
    };
    let work = Scratch::new()?;
    let include = headers(&request, &work)?;
    let [source] = &request.sources[..] else {
        return several(&request, output, &work, &include);
    };
    compile(&request, source, output, &include)?;
    Ok(0)
}

/// The folder of the headers: the C library's, or one that has the SDK header alone.
fn headers(request: &Request, work: &Scratch) -> Result<PathBuf, Failure> {
    if request.passed.iter().any(|flag| flag == FREESTANDING) {
        fs::write(work.0.join("bareflow.h"), SDK).map_err(|error| system(&work.0, &error))?;
        return Ok(work.0.clone());
    }
    let library = clib::ensure().map_err(|error| Failure::new(fail::NO_TOOL, error.to_string()))?;
    Ok(library.include)
}

fn several(request: &Request, output: &Path, work: &Scratch, include: &Path) -> Outcome {
    if request.sources.is_empty() {
        return Err(Failure::usage("cc: no source file"));
    }
    let mut parts = Vec::new();
    for (number, source) in request.sources.iter().enumerate() {
        let part = work.0.join(format!("{number}.bc"));
        compile(request, source, &part, include)?;
        parts.push(part);
    }
    let mut link = Command::new(LINK);
    link.args(&parts).arg("-o").arg(output);
    execute(link, LINK, "llvm-19")?;
    Ok(0)
}

fn compile(request: &Request, source: &Path, output: &Path, include: &Path) -> Result<(), Failure> {
    let mut clang = Command::new(CLANG);
    clang.args(clib::MODULE_FLAGS).arg("-isystem").arg(include);
    if let Some(march) = &request.march {
        // Vectors of the machine's width, as the SDK asks for (BITCODE, section 0).
        clang.arg(format!("-march={march}")).arg("-mfpmath=sse");
        clang.arg("-mprefer-vector-width=256");
    }
    clang
        .args(&request.passed)
        .arg(source)
        .arg("-o")
        .arg(output);
    execute(clang, CLANG, CLANG)
}

fn execute(mut command: Command, tool: &str, package: &str) -> Result<(), Failure> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::new(
            fail::REJECTED,
            format!("{tool} failed: {status}"),
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Failure::new(
            fail::NO_TOOL,
            format!("{tool} is not installed: `apt-get install {package}`"),
        )),
        Err(error) => Err(Failure::new(fail::NO_TOOL, format!("{tool}: {error}"))),
    }
}

fn parse(mut args: lexopt::Parser) -> Result<Request, Failure> {
    let mut request = Request::default();
    let pass = |flag: &str, value: OsString| {
        let mut joined = OsString::from(flag);
        joined.push(value);
        joined
    };
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Value(source) => request.sources.push(source.into()),
            Arg::Short('o') => request.output = Some(args.value()?.into()),
            Arg::Short('O') => request.passed.push(pass("-O", args.value()?)),
            Arg::Short('I') => request.passed.push(pass("-I", args.value()?)),
            Arg::Short('D') => request.passed.push(pass("-D", args.value()?)),
            Arg::Short('W') => request.passed.push(pass("-W", args.value()?)),
            Arg::Short('f') => request.passed.push(pass("-f", args.value()?)),
            Arg::Short('g') => request.passed.push("-g".into()),
            Arg::Short('s') => request.passed.push(pass("-s", args.value()?)),
            Arg::Short('m') => {
                let value = args.value()?.string()?;
                match value.strip_prefix("arch=") {
                    Some(march) => request.march = Some(march.to_owned()),
                    None => request.passed.push(pass("-m", value.into())),
                }
            }
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(request)
}

/// A directory that is removed at the end.
#[derive(Debug)]
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, Failure> {
        let path = env::temp_dir().join(format!("bareflow-cc-{}", process::id()));
        fs::create_dir_all(&path).map_err(|error| system(&path, &error))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays behind lies in the system's directory for such things.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn system(path: &Path, error: &io::Error) -> Failure {
    Failure::new(fail::NO_FILE, format!("{}: {error}", path.display()))
}
