//! `--perf-map` and `--jitdump`: generated code for Linux perf.
//!
//! A *map* (`/tmp/perf-PID.map`) names the functions. A *dump* (`DIR/jit-PID.dump`) also has their code and lines; `perf
//! record -k mono`, then `perf inject --jit`. Its format is that of `tools/perf/Documentation/jitdump-specification.txt`
//! in Linux, version 1: a header, for each version the lines and then the code, an end; all in the byte order of
//! the machine.
//!
//! Both are written when the run is over. The records of a dump bear the time at which the program started, one
//! nanosecond more for each, so that code is known before any sample of it; of versions that lay in
//! the same place one after the other, perf takes the last.

use crate::fail::{self, Failure};
use hosted::{Process, profile};
use ir::FuncId;
use jit::code::version::CodeVersion;
use lexopt::{Arg, Parser};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::{fs, process};

/// "JiTD", as the specification has it.
const MAGIC: u32 = 0x4A69_5444;
const VERSION: u32 = 1;
const HEADER_BYTES: u32 = 40;
/// `EM_X86_64`.
const MACHINE: u32 = 62;
/// Kinds of records, and the bytes before their content.
const LOAD: u32 = 0;
const LINES: u32 = 2;
const CLOSE: u32 = 3;
const PREFIX_BYTES: usize = 16;

/// What the command line asks for.
#[derive(Debug, Default)]
pub(crate) struct Request {
    map: bool,
    dump: Option<PathBuf>,
}

/// What is written at the end of a run.
#[derive(Debug)]
pub(crate) struct Profile {
    map: bool,
    dump: Option<Dump>,
}

/// A file that is marked in this process.
#[derive(Debug)]
struct Dump {
    path: PathBuf,
    file: File,
    start: u64,
}

impl Request {
    /// Takes the option if it is one of these.
    pub(crate) fn accept(&mut self, arg: &Arg<'_>) -> Option<Wants> {
        match arg {
            Arg::Long("perf-map") => {
                self.map = true;
                Some(Wants::Nothing)
            }
            Arg::Long("jitdump") => Some(Wants::Directory),
            _ => None,
        }
    }

    /// The value of an option that wants one.
    pub(crate) fn directory(&mut self, args: &mut Parser) -> Result<(), Failure> {
        self.dump = Some(args.value()?.into());
        Ok(())
    }

    /// Before the program runs: opens what will be written.
    pub(crate) fn open(&self) -> Result<Profile, Failure> {
        let dump = self.dump.as_deref().map(Dump::create).transpose()?;
        Ok(Profile {
            map: self.map,
            dump,
        })
    }
}

impl Dump {
    fn create(directory: &Path) -> Result<Self, Failure> {
        let path = directory.join(format!("jit-{}.dump", process::id()));
        let failed = |error: io::Error| unwritable(&path, &error);
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        let mut file = options.open(&path).map_err(failed)?;
        let start = profile::monotonic_ns();
        file.write_all(&header(start)).map_err(failed)?;
        profile::mark(&file).map_err(failed)?;
        Ok(Self { path, file, start })
    }
}

/// What else an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    Nothing,
    Directory,
}

impl Profile {
    /// After the program has run.
    pub(crate) fn write(self, run: &Process) -> Result<(), Failure> {
        if self.map {
            write_map(run)?;
        }
        let Some(mut dump) = self.dump else {
            return Ok(());
        };
        let bytes = records(run, dump.start);
        let written = bytes.and_then(|bytes| dump.file.write_all(&bytes));
        written.map_err(|error| unwritable(&dump.path, &error))
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(fail::NO_FILE, format!("{}: {error}", path.display()))
}

/// Writes the map: address, size and name of every version, in hexadecimal, one a line.
fn write_map(run: &Process) -> Result<(), Failure> {
    let mut map = String::new();
    for version in run.instance().versions() {
        let name = name(run, version);
        // Writing to a string does not fail.
        let _ = writeln!(map, "{:x} {:x} {name}", version.entry(), version.code_bytes);
    }
    let path = PathBuf::from(format!("/tmp/perf-{}.map", process::id()));
    fs::write(&path, map).map_err(|error| unwritable(&path, &error))
}

/// The function with its tier.
fn name(run: &Process, version: &CodeVersion) -> String {
    let name = &run.instance().program().module.funcs[version.func as usize].name;
    format!("{name} [{}]", version.tier)
}

fn header(time: u64) -> Vec<u8> {
    let words = [MAGIC, VERSION, HEADER_BYTES, MACHINE, 0, process::id()];
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    bytes.extend(time.to_ne_bytes());
    // No flags.
    bytes.extend(0u64.to_ne_bytes());
    bytes
}

/// All records behind the header.
fn records(run: &Process, start: u64) -> io::Result<Vec<u8>> {
    let memory = File::open("/proc/self/mem")?;
    let mut bytes = Vec::new();
    let mut time = start;
    for version in run.instance().versions() {
        let lines = lines(run, version);
        if !lines.is_empty() {
            time += 1;
            record(&mut bytes, LINES, time, &lines);
        }
        time += 1;
        let mut code = vec![0; version.code_bytes as usize];
        memory.read_exact_at(&mut code, version.entry())?;
        record(&mut bytes, LOAD, time, &load(run, version, &code));
    }
    record(&mut bytes, CLOSE, time + 1, &[]);
    Ok(bytes)
}

fn record(bytes: &mut Vec<u8>, kind: u32, time: u64, content: &[u8]) {
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(((PREFIX_BYTES + content.len()) as u32).to_ne_bytes());
    bytes.extend(time.to_ne_bytes());
    bytes.extend(content);
}

/// Process and thread, address, size, number, name and bytes of a version.
fn load(run: &Process, version: &CodeVersion, code: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(process::id().to_ne_bytes());
    bytes.extend(process::id().to_ne_bytes());
    let numbers = [
        version.entry(),
        version.entry(),
        code.len() as u64,
        u64::from(version.serial),
    ];
    bytes.extend(numbers.iter().flat_map(|number| number.to_ne_bytes()));
    bytes.extend(name(run, version).bytes());
    bytes.push(0);
    bytes.extend(code);
    bytes
}

/// Where lines begin in the code of a version; nothing if none is known.
fn lines(run: &Process, version: &CodeVersion) -> Vec<u8> {
    let module = &run.instance().program().module;
    let (mut entries, mut count, mut last) = (Vec::new(), 0u64, None);
    for &(offset, _) in &version.tables.insts {
        let chain = version.tables.chain(FuncId(version.func), offset);
        let Some(&(func, inst)) = chain.first() else {
            continue;
        };
        let body = module.funcs[func.index()].body.as_ref();
        let Some(line) = body.and_then(|body| body.line_of(inst)) else {
            continue;
        };
        let Some(file) = module.files.get(line.file as usize) else {
            continue;
        };
        if last == Some((line.file, line.line)) {
            continue;
        }
        last = Some((line.file, line.line));
        count += 1;
        entries.extend((version.entry() + u64::from(offset)).to_ne_bytes());
        entries.extend(line.line.to_ne_bytes());
        // No discriminator.
        entries.extend(0u32.to_ne_bytes());
        entries.extend(file.bytes());
        entries.push(0);
    }
    if count == 0 {
        return entries;
    }
    let head = [version.entry(), count];
    let mut bytes: Vec<u8> = head.iter().flat_map(|word| word.to_ne_bytes()).collect();
    bytes.extend(entries);
    bytes
}
