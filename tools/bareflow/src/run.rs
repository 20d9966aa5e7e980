//! `bareflow run`: runs `main` of a module, with the libraries and directories that it is given.

use crate::fail::{self, Failure, Outcome};
use crate::module_file::{self, Loaded, ModuleFile};
use crate::{listing, perf};
use hosted::{Directory, Left, Options, Process, StartError};
use jit::tier::Tier;
use lexopt::{Arg, ValueExt as _};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Default)]
struct Request {
    /// The program's modules: the first one names it and its entry.
    files: Vec<PathBuf>,
    libraries: Vec<PathBuf>,
    no_libc: bool,
    args: Vec<String>,
    options: Options,
    stats: bool,
    json: Option<PathBuf>,
    perf: perf::Request,
}

pub(crate) fn main(args: lexopt::Parser) -> Outcome {
    let request = parse(args)?;
    let Some(path) = request.files.first() else {
        return Err(Failure::usage("run: wants a file"));
    };
    let read = |path: &PathBuf| ModuleFile::read(path);
    let files = request.files.iter().chain(&request.libraries).map(read);
    let files = files.collect::<Result<Vec<_>, _>>()?;
    let loaded = module_file::link(&files, !request.no_libc)?;
    let entry = loaded.start()?;
    let process = start(loaded, request.options)?;
    let core = process
        .attach(0)
        .map_err(|error| Failure::new(fail::SYSTEM, error.to_string()))?;
    let name = path.to_string_lossy().into_owned();
    let words: Vec<&str> = std::iter::once(name.as_str())
        .chain(request.args.iter().map(String::as_str))
        .collect();
    let profile = request.perf.open()?;
    let left = process
        .call_main(&core, entry, &words)
        .map_err(|_| Failure::usage("run: the arguments do not fit into 64 KiB"))?;
    profile.write(process)?;
    if request.stats {
        eprint!("{}", listing::table(process));
    }
    if let Some(path) = &request.json {
        listing::write_json(process, path)?;
    }
    status(process, left)
}

/// The exit status of a program that ended so.
pub(crate) fn status(process: &Process, left: Left) -> Outcome {
    match left {
        Left::Returned(value, _) => Ok(value as u8),
        Left::Exited(status) => Ok(status as u8),
        Left::Faulted(fault, pc, caller) => Err(Failure::new(
            fail::FAULT,
            process.report(fault, pc, caller).to_string(),
        )),
    }
}

/// Starts the one instance of this process.
pub(crate) fn start(loaded: Loaded, options: Options) -> Result<&'static Process, Failure> {
    let module = loaded.program.module.name.clone();
    Process::start(loaded.program, options).map_err(|error| {
        let status = match error {
            StartError::System(_) => fail::SYSTEM,
            StartError::Files(_) => fail::NO_FILE,
            StartError::Link(_) | StartError::Legal(_) | StartError::Compile(..) => fail::REJECTED,
        };
        Failure::new(status, format!("{module}: {error}"))
    })
}

/// The tier of that name; `None` for `auto`.
pub(crate) fn tier(name: &str) -> Result<Option<Tier>, Failure> {
    if name == "auto" {
        return Ok(None);
    }
    Tier::from_name(name)
        .map(Some)
        .ok_or_else(|| Failure::usage(format!("no tier `{name}`: baseline, o1, o2, o3 or auto")))
}

/// Before `--` stand the program's files, behind it its arguments. Without a `--` there is one file.
fn parse(mut args: lexopt::Parser) -> Result<Request, Failure> {
    let words: Vec<OsString> = args.raw_args()?.collect();
    let split = words.iter().position(|word| word == "--");
    let (before, behind) = words.split_at(split.unwrap_or(words.len()));
    let mut args = lexopt::Parser::from_args(before);
    let mut request = Request::default();
    for word in behind.iter().skip(1) {
        request.args.push(word.clone().string()?);
    }
    while let Some(arg) = args.next()? {
        if let Some(wants) = request.perf.accept(&arg) {
            if wants == perf::Wants::Directory {
                request.perf.directory(&mut args)?;
            }
            continue;
        }
        match arg {
            Arg::Value(path) if request.files.is_empty() || split.is_some() => {
                request.files.push(path.into());
            }
            Arg::Value(word) => request.args.push(word.string()?),
            Arg::Long("tier") => request.options.forced = tier(&args.value()?.string()?)?,
            Arg::Long("no-libc") => request.no_libc = true,
            Arg::Long("dir") => {
                let directory = directory(&args.value()?.string()?);
                request.options.directories.push(directory);
            }
            Arg::Long("lib") => request.libraries.push(args.value()?.into()),
            Arg::Long("cores") => request.options.cores = args.value()?.parse_with(cores)?,
            Arg::Long("time-limit") => {
                let seconds: f64 = args.value()?.parse()?;
                let limit = Duration::try_from_secs_f64(seconds);
                request.options.budget =
                    Some(limit.map_err(|_| Failure::usage("--time-limit: not a time"))?);
            }
            Arg::Long("stats") => request.stats = true,
            Arg::Long("json") => request.json = Some(args.value()?.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(request)
}

/// `PATH[:NAME]`. A path with a colon needs a name behind it.
fn directory(text: &str) -> Directory {
    let (path, name) = match text.rsplit_once(':') {
        Some((path, name)) if !path.is_empty() => (path, Some(name.to_owned())),
        _ => (text, None),
    };
    Directory {
        path: path.into(),
        name,
    }
}

fn cores(text: &str) -> Result<usize, &'static str> {
    match text.parse() {
        Ok(cores @ 1..=64) => Ok(cores),
        _ => Err("1 to 64 cores"),
    }
}
