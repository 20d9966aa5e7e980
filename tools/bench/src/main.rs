//! `make bench`: programs at every tier of the engine, next to what a user would pick instead.
//!
//! One run measures everything: for each program the contenders take turns, each in a process of
//! its own, round after round, so that a noisy machine disturbs all of them alike. Quoted are
//! medians over rounds, and ratios to `clang -O3` for x86-64.
//!
//! * [`contender`]: who runs, and how each is built.
//! * [`child`]: a process that measures one program in the engine.
//! * [`measure`]: the rounds.
//! * [`compile`]: from bitcode bytes to code of every function, next to `llc` and V8.
//! * [`report`], [`page`]: table, JSON and HTML.

#![expect(
    clippy::std_instead_of_core,
    reason = "a Linux program: std is always there"
)]

mod child;
mod compile;
mod contender;
mod measure;
mod page;
mod report;
mod stats;

use lexopt::{Arg, ValueExt as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fs};

type Error = Box<dyn std::error::Error>;

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
    compile: Option<PathBuf>,
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
bench --compile FILE.c                                           compile times of one large source";

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
    let results = measure::all(&request)?;
    print!("{}", report::table(&results));
    let written = report::write(&results, &request.out)?;
    println!("written: {written}");
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
            Arg::Long("compile") => request.compile = Some(args.value()?.into()),
            Arg::Long("help") => {
                println!("{USAGE}");
                std::process::exit(0);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(request)
}
