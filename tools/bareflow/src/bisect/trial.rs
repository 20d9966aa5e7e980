//! One run of the program with so much fuel, in a process of its own.
//!
//! The child optimises every function in turn until the fuel is used up, gives the bodies to baseline, and
//! runs. What the program prints and how it ends is compared by the parent; how the fuel was used
//! comes back in a file.

use super::Request;
use crate::fail::{self, Failure, Outcome};
use crate::module_file::{Loaded, ModuleFile};
use crate::{call, run};
use hosted::{Left, Options};
use ir::{Body, FuncId};
use jit::tier::Tier;
use jit::tier::opt::fuel::Fuel;
use jit::tier::opt::pipeline::{self, Pass};
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::time::Duration;
use std::{env, fs};

/// A program that runs longer does not end.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a run ended: exit status, output. A crash of a compiler has no status, which is an outcome, too.
pub(super) type Ended = (Option<i32>, Vec<u8>);

/// A run.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) outcome: Ended,
    pub(super) last: Last,
}

/// The last change that was made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Last {
    /// Changes in all functions.
    pub(super) used: u64,
    pub(super) pass: &'static str,
    /// In which function it was, and how many changes came before that function.
    pub(super) func: u32,
    pub(super) before: u64,
}

/// The passes, with the wrong one if it is wanted.
pub(super) fn passes(request: &Request) -> Vec<Pass> {
    #[cfg_attr(
        not(debug_assertions),
        expect(unused_mut, reason = "nothing is planted")
    )]
    let mut passes = pipeline::passes(request.tier).to_vec();
    #[cfg(debug_assertions)]
    if request.planted {
        passes.insert(passes.len() / 2, super::planted::PASS);
    }
    passes
}

/// The program in the form in which passes get it.
pub(super) fn load(request: &Request) -> Result<Loaded, Failure> {
    let mut loaded = ModuleFile::read(&request.file)?.load()?;
    let legalised = loaded.program.legalise(hosted::process::cpu_features());
    legalised.map_err(|why| Failure::new(fail::REJECTED, why.to_string()))?;
    Ok(loaded)
}

/// Runs the program once with so much fuel.
pub(super) fn spawn(request: &Request, fuel: u64) -> Result<Ran, Failure> {
    let report = env::temp_dir().join(format!("bareflow-bisect-{}", process::id()));
    let mut command = myself("bisect")?;
    command.args(["--trial", &fuel.to_string(), "--report"]);
    command.arg(&report).args(&request.raw);
    let outcome = output(&mut command)?;
    let last = fs::read_to_string(&report).map_err(|error| unreadable(&report, &error))?;
    let _ = fs::remove_file(&report);
    let last = parse(request, &last)
        .ok_or_else(|| Failure::new(fail::SYSTEM, "a trial left no report"))?;
    Ok(Ran { outcome, last })
}

/// Runs the program once as the tier compiles it.
pub(super) fn whole_tier(request: &Request) -> Result<Ended, Failure> {
    let mut command = myself(if request.func.is_some() {
        "call"
    } else {
        "run"
    })?;
    command.args(["--tier", request.tier.name()]);
    command.arg(&request.file).args(&request.func);
    command.args(request.ints.iter().map(u64::to_string));
    if request.func.is_none() {
        command.arg("--").args(&request.words);
    }
    output(&mut command)
}

fn myself(subcommand: &str) -> Result<Command, Failure> {
    let path = env::current_exe().map_err(|why| Failure::new(fail::SYSTEM, why.to_string()))?;
    let mut command = Command::new(path);
    command.arg(subcommand).stdin(Stdio::null());
    Ok(command)
}

fn output(command: &mut Command) -> Result<Ended, Failure> {
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.map_err(|why| Failure::new(fail::SYSTEM, why.to_string()))?;
    if output.status.code() == Some(fail::REJECTED.into()) {
        let why = "the program cannot be compiled with these changes";
        return Err(Failure::new(fail::REJECTED, why));
    }
    Ok((output.status.code(), output.stdout))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(fail::NO_FILE, format!("{}: {error}", path.display()))
}

/// What [`child`] wrote.
fn parse(request: &Request, report: &str) -> Option<Last> {
    let mut words = report.split_whitespace();
    let mut number = || words.next()?.parse().ok();
    let (used, func, before) = (number()?, number()?, number()?);
    let name = words.next().unwrap_or_default();
    let pass = passes(request).into_iter().find(|pass| pass.0 == name);
    Some(Last {
        used,
        pass: pass.map_or("", |pass| pass.0),
        func: func as u32,
        before,
    })
}

/// The child's part.
pub(super) fn child(request: &Request, fuel: u64, report: &PathBuf) -> Outcome {
    let mut loaded = load(request)?;
    let (bodies, last) = optimise(request, &loaded, fuel);
    let line = format!("{} {} {} {}", last.used, last.func, last.before, last.pass);
    fs::write(report, line).map_err(|error| unreadable(report, &error))?;
    for (func, body) in bodies {
        loaded.program.module.funcs[func.index()].body = Some(body);
    }
    let entry = match &request.func {
        Some(name) => loaded.func(name)?,
        None => loaded.start()?,
    };
    let options = Options {
        forced: Some(Tier::Baseline),
        workers: 0,
        budget: Some(PATIENCE),
        ..Options::default()
    };
    let process = run::start(loaded, options)?;
    let core = process
        .attach(0)
        .map_err(|error| Failure::new(fail::SYSTEM, error.to_string()))?;
    if request.func.is_none() {
        let name = request.file.to_string_lossy();
        let words = request.words.iter().map(String::as_str);
        let words: Vec<&str> = std::iter::once(&*name).chain(words).collect();
        let left = process.call_main(&core, entry, &words);
        let left = left.map_err(|_| Failure::usage("bisect: the arguments do not fit"))?;
        return run::status(process, left);
    }
    let mut args = [0; 6];
    args[..request.ints.len()].copy_from_slice(&request.ints);
    match process.call(&core, entry, args) {
        Left::Returned(int, float) => {
            println!("{}", call::show_result(process, entry, int, float));
            Ok(0)
        }
        left => run::status(process, left),
    }
}

/// All bodies after the passes, and the last change. Passes see the program as it was loaded.
fn optimise(request: &Request, loaded: &Loaded, fuel: u64) -> (Vec<(FuncId, Body)>, Last) {
    let module = &loaded.program.module;
    let passes = passes(request);
    let mut last = Last {
        used: 0,
        pass: "",
        func: 0,
        before: 0,
    };
    let mut bodies = Vec::new();
    for func in (0..module.funcs.len() as u32).map(FuncId) {
        let before = last.used;
        let options = pipeline::Options {
            passes: &passes,
            bindings: Some(&loaded.program.bindings),
            fuel: Fuel::limited(fuel - before),
            ..pipeline::Options::default()
        };
        // What a tier declines stays as it is.
        let Ok(outcome) = pipeline::run(module, func, options, &mut || 0) else {
            continue;
        };
        if outcome.fuel.used() == 0 {
            continue;
        }
        last = Last {
            used: before + outcome.fuel.used(),
            pass: outcome.fuel.last_pass(),
            func: func.0,
            before,
        };
        bodies.push((func, outcome.optimised.body));
    }
    (bodies, last)
}
