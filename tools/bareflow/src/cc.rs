//! `bareflow cc`: C to a module, by clang-19 with the module flags.
//!
//! It takes a C compiler's arguments, so that build systems can call it: sources, files of bitcode
//! (`-c` makes them), archives of those, `-l` and `-L`; what it does not know goes to clang. Sources are
//! compiled one by one and joined by llvm-link, which belongs to the same LLVM. Headers are those of the C library (`clib`), which is built if it is not there yet; the
//! archive itself is linked by the runtime, not here. With `-ffreestanding` there is no library: only
//! the SDK header, which is in this binary, and clang's own.

use crate::fail::{self, Failure, Outcome};
use lexopt::ValueExt as _;
use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io, process};

const CLANG: &str = "clang-19";
const LINK: &str = "llvm-link-19";
const SDK: &str = include_str!("../../../modules/guests/include/bareflow.h");

/// What asks for no C library.
const FREESTANDING: &str = "-ffreestanding";

/// Flags whose value may be the next word.
const WITH_VALUE: &[&str] = &[
    "-I",
    "-D",
    "-U",
    "-x",
    "-include",
    "-isystem",
    "-iquote",
    "-idirafter",
    "-MF",
    "-MT",
    "-MQ",
];

/// Flags of other linkers that mean nothing here.
const IGNORED: &[&str] = &[
    "-static",
    "-s",
    "-rdynamic",
    "-pthread",
    "-no-pie",
    "-fPIE",
    "-pie",
];

#[derive(Debug, Default)]
struct Request {
    /// C sources, in order.
    sources: Vec<PathBuf>,
    /// Files of bitcode, in order.
    objects: Vec<PathBuf>,
    /// Archives of bitcode, in order.
    archives: Vec<PathBuf>,
    /// What `-l` names.
    libraries: Vec<String>,
    /// Where those are looked for.
    places: Vec<PathBuf>,
    output: Option<PathBuf>,
    compile_only: bool,
    passed: Vec<OsString>,
    march: Option<String>,
}

pub(crate) fn main(args: lexopt::Parser) -> Outcome {
    let request = parse(args)?;
    if request.compile_only {
        return compile_only(&request);
    }
    let Some(output) = &request.output else {
        return Err(Failure::usage("cc: -o OUT.bc is missing"));
    };
    let archives = archives(&request)?;
    let work = Scratch::new()?;
    let mut parts = Vec::new();
    if !request.sources.is_empty() {
        let include = headers(&request, &work)?;
        if let ([source], true) = (&request.sources[..], request.objects.is_empty())
            && archives.is_empty()
        {
            compile(&request, source, output, &include)?;
            return Ok(0);
        }
        for (number, source) in request.sources.iter().enumerate() {
            let part = work.0.join(format!("{number}.bc"));
            compile(&request, source, &part, &include)?;
            parts.push(part);
        }
    }
    parts.extend(request.objects.iter().cloned());
    if parts.is_empty() {
        return Err(Failure::usage("cc: no source file"));
    }
    link(&parts, &archives, output, &work)?;
    Ok(0)
}

/// `-c`: a file of bitcode for each source, by its name with `.o` where no other is given.
fn compile_only(request: &Request) -> Outcome {
    if request.sources.is_empty() {
        return Err(Failure::usage("cc: no source file"));
    }
    if request.output.is_some() && request.sources.len() > 1 {
        return Err(Failure::usage("cc: -c with -o wants one source file"));
    }
    let work = Scratch::new()?;
    let include = headers(request, &work)?;
    for source in &request.sources {
        let own = || PathBuf::from(source.with_extension("o").file_name().unwrap_or_default());
        let output = request.output.clone().unwrap_or_else(own);
        compile(request, source, &output, &include)?;
    }
    Ok(0)
}

/// Joins files of bitcode, and of archives what is needed then.
fn link(
    parts: &[PathBuf],
    archives: &[PathBuf],
    output: &Path,
    work: &Scratch,
) -> Result<(), Failure> {
    let joined = work.0.join("joined.bc");
    let target = if archives.is_empty() { output } else { &joined };
    let mut link = Command::new(LINK);
    link.args(parts).arg("-o").arg(target);
    execute(link, LINK, "llvm-19")?;
    if archives.is_empty() {
        return Ok(());
    }
    let mut link = Command::new(LINK);
    link.arg("--only-needed").arg(&joined).args(archives);
    link.arg("-o").arg(output);
    execute(link, LINK, "llvm-19")
}

/// The archives that are named by path or by `-l`. The C library and its mathematical half are linked
/// when the program is run.
fn archives(request: &Request) -> Result<Vec<PathBuf>, Failure> {
    let mut found = request.archives.clone();
    for library in request
        .libraries
        .iter()
        .filter(|name| !matches!(name.as_str(), "c" | "m"))
    {
        let name = format!("lib{library}.a");
        let candidates = request.places.iter().map(|place| place.join(&name));
        let path = candidates.into_iter().find(|path| path.is_file());
        found.push(path.ok_or_else(|| {
            Failure::new(
                fail::NO_FILE,
                format!("cc: no {name} in the directories of -L"),
            )
        })?);
    }
    Ok(found)
}

/// The folder of the headers: the C library's, or one that has the SDK header alone.
fn headers(request: &Request, work: &Scratch) -> Result<PathBuf, Failure> {
    if request.passed.iter().any(|flag| flag == FREESTANDING) {
        fs::write(work.0.join("bareflow.h"), SDK).map_err(|error| system(&work.0, &error))?;
        return Ok(work.0.clone());
    }
    clib::headers().map_err(|error| Failure::new(fail::NO_TOOL, error.to_string()))
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
    let mut words = args.raw_args()?;
    let value = |word: Option<OsString>, flag: &str| {
        word.ok_or_else(|| Failure::usage(format!("cc: {flag} wants a value")))
    };
    while let Some(word) = words.next() {
        let text = word.to_string_lossy().into_owned();
        let rest = |prefix: &str| text.strip_prefix(prefix).filter(|rest| !rest.is_empty());
        if !text.starts_with('-') || text == "-" {
            request.file(word.into())?;
        } else if text == "-c" {
            request.compile_only = true;
        } else if text == "-o" {
            request.output = Some(value(words.next(), "-o")?.into());
        } else if let Some(path) = rest("-o") {
            request.output = Some(path.into());
        } else if text == "-L" || text == "-l" {
            let value = value(words.next(), &text)?.string()?;
            request.place_or_library(&text, &value);
        } else if let Some(place) = rest("-L") {
            request.place_or_library("-L", place);
        } else if let Some(library) = rest("-l") {
            request.place_or_library("-l", library);
        } else if let Some(march) = rest("-march=") {
            request.march = Some(march.to_owned());
        } else if WITH_VALUE.contains(&text.as_str()) {
            let value = value(words.next(), &text)?;
            request.passed.extend([word, value]);
        } else if !IGNORED.contains(&text.as_str()) && !text.starts_with("-Wl,") {
            request.passed.push(word);
        }
    }
    Ok(request)
}

impl Request {
    fn place_or_library(&mut self, flag: &str, value: &str) {
        if flag == "-L" {
            self.places.push(value.into());
        } else {
            self.libraries.push(value.to_owned());
        }
    }

    /// A file is what its first bytes say: bitcode, an archive, or a source.
    fn file(&mut self, path: PathBuf) -> Result<(), Failure> {
        let mut start = Vec::new();
        let file = fs::File::open(&path).map_err(|error| system(&path, &error))?;
        let read = file.take(8).read_to_end(&mut start);
        read.map_err(|error| system(&path, &error))?;
        let list = if start.starts_with(b"!<") {
            &mut self.archives
        } else if start.starts_with(b"BC\xc0\xde") || start.starts_with(b"\xde\xc0\x17\x0b") {
            &mut self.objects
        } else if start.starts_with(b"\x7fELF") {
            let why = format!(
                "{}: machine code; modules are made of bitcode",
                path.display()
            );
            return Err(Failure::new(fail::REJECTED, why));
        } else {
            &mut self.sources
        };
        list.push(path);
        Ok(())
    }
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
