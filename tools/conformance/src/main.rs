//! Generated programs at every tier, judged by native clang.
//!
//! ```text
//! conformance run [--count N] [--seed N] [--jobs N] [--sources csmith,own] [--tiers interp,baseline,…]
//!                 [--compilers clang-14-O2,clang-19-O3-v3,…] [--per-case N] [--out DIR] [--resume]
//! conformance source csmith|own SEED          print a program
//! conformance reduce FILE.c|FILE.bfir [--compiler clang-16-O2] [--tier o2]
//! conformance corpus DIR                      modules to fuzz with
//! conformance fuzz [--seconds N] [--jobs N] [--tiers baseline,o2]   coverage-guided, see `tools/fuzz`
//! conformance text FILE.bc                    the module as text IR
//! conformance child --tier TIER FILE          run one bitcode file (what `run` starts)
//! ```

#![expect(
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    reason = "a Linux program: std is always there"
)]

mod campaign;
mod case;
mod child;
mod compile;
mod corpus;
mod fuzzer;
mod generate;
mod interpreted;
mod judge;
mod options;
mod process;
mod reduce;

use case::{Case, Source};
use child::Engine;
use std::error::Error;
use std::process::ExitCode;

type Failure = Box<dyn Error>;

fn main() -> ExitCode {
    match command() {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("conformance: {failure}");
            ExitCode::from(2)
        }
    }
}

fn command() -> Result<ExitCode, Failure> {
    let mut parser = lexopt::Parser::from_env();
    let Some(lexopt::Arg::Value(command)) = parser.next()? else {
        return Err("what? run, source or child".into());
    };
    match command.to_str() {
        Some("run") => {
            let clean = options::campaign(parser)?.run()?;
            Ok(if clean {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
        Some("source") => source(parser),
        Some("text") => text(parser),
        Some("child") => child(parser),
        Some("reduce") => reduce::main(parser),
        Some("corpus") => corpus(parser),
        Some("fuzz") => fuzzer::main(parser),
        _ => Err(format!("no command {command:?}").into()),
    }
}

fn corpus(mut parser: lexopt::Parser) -> Result<ExitCode, Failure> {
    match parser.next()? {
        Some(lexopt::Arg::Value(dir)) => corpus::make(dir.as_ref())?,
        _ => return Err("corpus: wants a directory".into()),
    }
    Ok(ExitCode::SUCCESS)
}

fn source(mut parser: lexopt::Parser) -> Result<ExitCode, Failure> {
    let mut word = || match parser.next() {
        Ok(Some(lexopt::Arg::Value(word))) => Ok(word.to_string_lossy().into_owned()),
        _ => Err("source: wants csmith|own SEED"),
    };
    let source: Source = word()?.parse()?;
    let case = Case {
        source,
        seed: word()?.parse()?,
    };
    case.write("/dev/stdout".as_ref())?;
    Ok(ExitCode::SUCCESS)
}

fn text(mut parser: lexopt::Parser) -> Result<ExitCode, Failure> {
    let Some(lexopt::Arg::Value(file)) = parser.next()? else {
        return Err("text: wants a file".into());
    };
    print!("{}", child::text(&child::load(file.as_ref())?));
    Ok(ExitCode::SUCCESS)
}

fn child(mut parser: lexopt::Parser) -> Result<ExitCode, Failure> {
    use lexopt::prelude::*;
    let (mut engine, mut file) = (Engine::Interpreter, None);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("tier") => engine = parser.value()?.string()?.parse()?,
            Value(path) => file = Some(path),
            other => return Err(other.unexpected().into()),
        }
    }
    let file = file.ok_or("child: wants a file")?;
    Ok(ExitCode::from(child::run(file.as_ref(), engine) as u8))
}
