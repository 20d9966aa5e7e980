//! `bareflow run`: runs `main` of a module, with the libraries and directories that it is given.

use crate::fail::{self, Failure, Outcome};
use crate::module_file::{Loaded, ModuleFile};
use crate::{listing, perf};
use hosted::{Left, Options, Process, StartError};
use jit::tier::Tier;
use lexopt::{Arg, ValueExt as _};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Default)]
struct Request {
    file: Option<PathBuf>,
    libraries: Vec<PathBuf>,
    args: Vec<String>,
    options: Options,
    stats: bool,
    json: Option<PathBuf>,
    perf: bool,
}

pub(crate) fn main(args: lexopt::Parser) -> Outcome {
    let request = parse(args)?;
    let Some(path) = &request.file else {
        return Err(Failure::usage("run: wants a file"));
    };
    let file = ModuleFile::read(path)?;
    let libraries = request
        .libraries
        .iter()
        .map(PathBuf::as_path)
        .map(ModuleFile::read);
    let loaded = file.load_with(&libraries.collect::<Result<Vec<_>, _>>()?)?;
    let entry = loaded.start()?;
    let process = start(loaded, request.options)?;
    let core = process
        .attach(0)
        .map_err(|error| Failure::new(fail::SYSTEM, error.to_string()))?;
    let name = path.to_string_lossy().into_owned();
    let words: Vec<&str> = std::iter::once(name.as_str())
        .chain(request.args.iter().map(String::as_str))
        .collect();
    let left = process
        .call_main(&core, entry, &words)
        .map_err(|_| Failure::usage("run: the arguments do not fit into 64 KiB"))?;
    if request.perf {
        perf::write_map(process)?;
    }
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

fn parse(mut args: lexopt::Parser) -> Result<Request, Failure> {
    let mut request = Request::default();
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Value(path) if request.file.is_none() => request.file = Some(path.into()),
            Arg::Value(word) => request.args.push(word.string()?),
            Arg::Long("tier") => request.options.forced = tier(&args.value()?.string()?)?,
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
            Arg::Long("perf") => request.perf = true,
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(request)
}

fn cores(text: &str) -> Result<usize, &'static str> {
    match text.parse() {
        Ok(cores @ 1..=64) => Ok(cores),
        _ => Err("1 to 64 cores"),
    }
}
