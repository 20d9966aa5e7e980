//! Workloads of real programs: Lua, SQLite, zlib, zstd, bzip2, QuickJS, whole runs of them.
//!
//! Their sources and drivers are [`clib::programs`]', their sizes are chosen here so that native code takes
//! a few tenths of a second. A sample is all runs of a workload, one process each, in a directory of its own with nothing
//! but the scripts in it. What is quoted is CPU time: of the whole process for native code, which starts in
//! a millisecond; in the engine, of the thread that runs `main`, without loading, and without compiling where a tier is forced.
//! Tiering (`auto`) compiles its baseline code on that thread, and better code on another, which does not count.
//!
//! What the program prints is its result: all contenders must print the same.

use crate::contender::Contender;
use crate::measure::{self, Outcome, Row};
use crate::{Error, Request, child};
use clib::programs::{self, Program};
use jit::tier::Tier;
use serde_json::{Value, json};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Rounds at most: a sample takes a second, not milliseconds.
const MAX_ROUNDS: usize = 3;

/// What is run of a program.
struct Workload {
    program: &'static str,
    /// Arguments of each run; later ones find the files of earlier ones.
    runs: &'static [&'static [&'static str]],
}

const WORKLOADS: [Workload; 6] = [
    Workload {
        program: "lua",
        runs: &[&["numbers.lua", "tables.lua", "strings.lua", "--", "200"]],
    },
    Workload {
        program: "sqlite",
        runs: &[&["create", "bench.db", "50000"], &["query", "bench.db"]],
    },
    Workload {
        program: "zlib",
        runs: &[&["1024"]],
    },
    Workload {
        program: "zstd",
        runs: &[&["1024"]],
    },
    Workload {
        program: "bzip2",
        runs: &[&["768"]],
    },
    Workload {
        program: "quickjs",
        runs: &[&["test.js", "3000"]],
    },
];

/// Flags of all native builds, so that everybody computes and prints the same.
const NATIVE_FLAGS: [&str; 3] = ["-w", "-ffp-contract=off", "-D_GNU_SOURCE"];

/// A contender that is built.
enum Runner {
    /// A program of Linux.
    Native(PathBuf),
    /// A module, and the tier's name.
    Engine(PathBuf, &'static str),
}

/// Measures the workloads that the request selects.
///
/// # Errors
/// A program cannot be built, or contenders print different things.
pub(crate) fn all(request: &Request) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    for workload in &WORKLOADS {
        if workload.program.contains(&request.filter) {
            rows.push(workload.measure(request)?);
            eprintln!("    {}", workload.program);
        }
    }
    Ok(rows)
}

impl Workload {
    fn measure(&self, request: &Request) -> Result<Row, Error> {
        let program = programs::find(self.program).ok_or("no such program")?;
        let mut runners = Vec::new();
        for &contender in Contender::ALL {
            if let Some(runner) = build(program, contender)? {
                runners.push((contender, runner, Vec::new()));
            }
        }
        let out = fs::canonicalize(&request.out)?;
        let place = out.join("workloads").join(self.program);
        for _ in 0..request.rounds.min(MAX_ROUNDS) {
            for (_, runner, samples) in &mut runners {
                let sample = self.sample(runner, &place);
                samples.push(sample.map_err(|error| error.to_string()));
            }
        }
        let outcomes: Vec<Outcome> = runners
            .iter()
            .map(|(contender, _, samples)| measure::outcome(*contender, samples))
            .collect();
        measure::judge(self.program, &outcomes)?;
        Ok(Row {
            program: self.program.to_owned(),
            outcomes,
        })
    }

    /// All runs once: their time, and what the engine says of each added up.
    fn sample(&self, runner: &Runner, place: &Path) -> Result<Value, Error> {
        programs::workplace(place)?;
        let report = place.with_extension("json");
        let (mut ns, mut printed) = (0.0, DefaultHasher::new());
        let mut details = json!({});
        for words in self.runs {
            let mut command = runner.command(place, &report)?;
            command.args(*words).current_dir(place);
            let before = child::children_ns();
            let output = command.output()?;
            let spent = child::children_ns() - before;
            if !output.status.success() {
                let text = String::from_utf8_lossy(&output.stderr);
                let last = text.lines().last().unwrap_or("no message");
                return Err(format!("{}: {last}", output.status).into());
            }
            output.stdout.hash(&mut printed);
            if let Runner::Native(_) = runner {
                ns += spent;
                continue;
            }
            details = serde_json::from_slice(&fs::read(&report)?)?;
            ns += details["ns"].as_f64().ok_or("the engine gave no time")?;
        }
        details["ns"] = json!(ns);
        details["check"] = json!(printed.finish());
        Ok(details)
    }
}

/// What `contender` runs of `program`; `None` if it takes no part.
fn build(program: &Program, contender: Contender) -> Result<Option<Runner>, Error> {
    Ok(match contender {
        Contender::Clang("clang -O2" | "clang -O3 v3", _) | Contender::Llc(..) => None,
        Contender::Clang(_, flags) => {
            let name = format!("native{}", flags.concat());
            let flags: Vec<&str> = flags.iter().chain(&NATIVE_FLAGS).copied().collect();
            Some(Runner::Native(program.native_as(&name, &flags)?))
        }
        Contender::Engine(_, level, tier) => {
            let flags: Vec<&str> = [level].iter().chain(programs::V3).copied().collect();
            let module = program.module_as(&format!("bench{level}"), &flags)?;
            Some(Runner::Engine(module, tier.map_or("auto", Tier::name)))
        }
    })
}

impl Runner {
    /// The command, but for the program's arguments.
    fn command(&self, place: &Path, report: &Path) -> Result<Command, Error> {
        Ok(match self {
            Self::Native(program) => Command::new(program),
            Self::Engine(module, tier) => {
                let mut command = Command::new(env::current_exe()?);
                command.args(["child", "program"]).arg(module).arg(tier);
                command.arg(clib::ensure()?.archive).arg(place).arg(report);
                command
            }
        })
    }
}
