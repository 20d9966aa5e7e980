//! Many C files to bitcode, side by side: a list of jobs and as many clangs as there are processors.
//!
//! The first job that fails ends the others after what they are at; its message is the error. clang's
//! own output is captured, so that of several compilers never gets mixed up.

use crate::Error;
use crate::cache::failure;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::{fs, thread};

/// The compiler; `llvm-ar-19` and `llvm-link-19` belong to the same LLVM.
pub const CLANG: &str = "clang-19";
const AR: &str = "llvm-ar-19";
const LINK: &str = "llvm-link-19";

/// One file to compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The C file.
    pub source: PathBuf,
    /// The bitcode file.
    pub output: PathBuf,
    /// Flags for this file only; they come after the common ones.
    pub flags: Vec<String>,
}

/// What all jobs have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tools {
    /// Flags, in order.
    pub flags: Vec<&'static str>,
    /// The library's headers.
    pub include: PathBuf,
}

impl Job {
    /// A job with these flags of its own.
    #[must_use]
    pub fn new(source: PathBuf, output: PathBuf, flags: &[&str]) -> Self {
        Self {
            source,
            output,
            flags: flags.iter().map(|&flag| flag.to_owned()).collect(),
        }
    }
}

/// Runs every job.
///
/// # Errors
/// The first failure that was noticed.
pub fn all(tools: &Tools, jobs: &[Job]) -> Result<(), Error> {
    let next = Mutex::new(jobs.iter());
    let work = || {
        loop {
            let Some(job) = next.lock().map_err(|_| broken())?.next() else {
                return Ok(());
            };
            if let Err(error) = one(tools, job) {
                // Nobody finds another job: the list has come to its end.
                *next.lock().map_err(|_| broken())? = [].iter();
                return Err(error);
            }
        }
    };
    let width = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..width).map(|_| scope.spawn(work)).collect();
        let mut result = Ok(());
        for worker in workers {
            result = result.and(worker.join().unwrap_or_else(|_| Err(broken())));
        }
        result
    })
}

/// The C files of a folder, sorted.
///
/// # Errors
/// The folder cannot be read.
pub fn c_files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let listing = fs::read_dir(folder).map_err(|error| failure(folder, &error))?;
    let mut files: Vec<PathBuf> = listing
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "c"))
        .collect();
    files.sort();
    Ok(files)
}

fn broken() -> Error {
    Error("a compiling thread panicked".to_owned())
}

fn one(tools: &Tools, job: &Job) -> Result<(), Error> {
    let mut clang = Command::new(CLANG);
    clang.args(&tools.flags);
    // The file's own folder first: newlib has several headers of the same name.
    if let Some(folder) = job.source.parent() {
        clang.arg("-I").arg(folder);
    }
    clang.args(&job.flags).arg("-isystem").arg(&tools.include);
    clang.arg(&job.source).arg("-o").arg(&job.output);
    run(&mut clang)
}

/// Makes an archive with a symbol index of the jobs' outputs.
///
/// # Errors
/// `llvm-ar-19` is missing or fails.
pub fn archive(jobs: &[Job], to: &Path) -> Result<(), Error> {
    let mut ar = Command::new(AR);
    // D: no dates or owners, so that the same inputs give the same bytes.
    ar.arg("rcsD").arg(to);
    ar.args(jobs.iter().map(|job| &job.output));
    run(&mut ar)
}

/// Joins the jobs' outputs into one module.
///
/// # Errors
/// `llvm-link-19` is missing or fails: two files define the same symbol.
pub fn link(jobs: &[Job], to: &Path) -> Result<(), Error> {
    let mut link = Command::new(LINK);
    link.args(jobs.iter().map(|job| &job.output));
    run(link.arg("-o").arg(to))
}

/// Runs a program that is quiet when all is well.
///
/// # Errors
/// It is missing or fails; the message has what it said.
pub fn run(command: &mut Command) -> Result<(), Error> {
    let program = PathBuf::from(command.get_program());
    let output = command
        .output()
        .map_err(|error| failure(&program, &error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    // The last argument is the output: the words before it would fill the screen.
    let last = command.get_args().last().unwrap_or_default();
    let (program, last) = (program.display(), last.to_string_lossy());
    Err(Error(format!(
        "{program} … {last}: {}\n{said}",
        output.status
    )))
}
