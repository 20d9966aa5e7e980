//! `make bench`: programs at every tier of the engine, next to what a user would pick instead.
//!
//! One run measures everything: for each program the contenders take turns, each in a process of
//! its own, round after round, so that a noisy machine disturbs all of them alike. Quoted are
//! medians over rounds, and ratios to `clang -O3` for x86-64.
//!
//! * [`contender`]: who runs, and how each is built.
//! * [`child`]: a process that measures one program in the engine.
//! * [`measure`]: the rounds.
//! * [`workload`]: the same for runs of real programs.
//! * [`compile`]: from bitcode bytes to code of every function, next to `llc` and V8.
//! * [`heap`]: bytes that compiling takes.
//! * [`report`], [`page`]: table, JSON and HTML.

#![expect(
    clippy::std_instead_of_core,
    reason = "a Linux program: std is always there"
)]

mod child;
mod compile;
mod contender;
mod heap;
mod measure;
mod page;
mod report;
mod stats;
mod workload;

use compile::Source;
use lexopt::{Arg, ValueExt as _};
use measure::Row;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fs};

type Error = Box<dyn std::error::Error>;

/// All that was measured of running code.
#[derive(Debug, Default)]
struct Results {
    /// The programs in `programs`.
    programs: Vec<Row>,
    /// Runs of real programs.
    workloads: Vec<Row>,
}

/// What the command line asks for.
#[derive(Debug)]
struct Request {
    /// Interleaved rounds a program.
    rounds: usize,
    /// CPU milliseconds a sample.
    budget_ms: u32,
    /// Only programs whose name contains this.
    filter: String,
    /// Where reports and built programs go.
    out: PathBuf,
    /// A large C source to compile instead of running programs.
    compile: Option<Source>,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            rounds: 5,
            budget_ms: 40,
            filter: String::new(),
            out: PathBuf::from("target/bench"),
            compile: None,
        }
    }
}

const USAGE: &str = "\
bench [--rounds N] [--budget-ms N] [--filter NAME] [--out DIR]   run times of all programs
bench --compile [FILE.c]                                         compile times of one large source: SQLite's";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Error> {
    let mut words = env::args_os().skip(1);
    if words.next().is_some_and(|word| word == "child") {
        return child::main(words);
    }
    let request = parse(lexopt::Parser::from_env())?;
    fs::create_dir_all(&request.out)?;
    if let Some(source) = &request.compile {
        return compile::run(source, &request.out, request.rounds);
    }
    let results = Results {
        programs: measure::all(&request)?,
        workloads: workload::all(&request)?,
    };
    if results.programs.is_empty() && results.workloads.is_empty() {
        let filter = &request.filter;
        return Err(format!("no program has `{filter}` in its name").into());
    }
    print!("{}", report::text(&results));
    let written = report::write(&results, &request.out)?;
    println!("written: {written}");
    if request.filter.is_empty() {
        println!("compile time of SQLite, one file, CPU milliseconds");
        compile::run(&Source::sqlite()?, &request.out, request.rounds)?;
    }
    Ok(())
}

fn parse(mut args: lexopt::Parser) -> Result<Request, Error> {
    let mut request = Request::default();
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Long("rounds") => request.rounds = args.value()?.parse::<usize>()?.clamp(1, 1000),
            Arg::Long("budget-ms") => {
                request.budget_ms = args.value()?.parse::<u32>()?.clamp(1, 60_000);
            }
            Arg::Long("filter") => request.filter = args.value()?.string()?,
            Arg::Long("out") => request.out = args.value()?.into(),
            Arg::Long("compile") => request.compile = Some(source(&mut args)?),
            Arg::Long("help") => {
                println!("{USAGE}");
                std::process::exit(0);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(request)
}

/// The file that comes next, or else SQLite.
fn source(args: &mut lexopt::Parser) -> Result<Source, Error> {
    let is_file = |word: &OsStr| !word.as_encoded_bytes().starts_with(b"-");
    let given = args
        .try_raw_args()
        .and_then(|mut rest| rest.next_if(is_file));
    given.map_or_else(Source::sqlite, |file| Ok(Source::file(file.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_behind_compile_is_the_file_unless_it_is_an_option() {
        let words = ["--compile", "x.c", "--rounds", "2"];
        let request = parse(lexopt::Parser::from_args(words)).unwrap();
        let file = request.compile.map(|source| source.file);
        assert_eq!((file, request.rounds), (Some(PathBuf::from("x.c")), 2));
        assert!(parse(lexopt::Parser::from_args(["x.c"])).is_err());
    }
}
