//! The rounds: every program, every contender, taking turns.

use crate::contender::Contender;
use crate::stats::median;
use crate::{Error, Request};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What one contender did with one program.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// Who.
    pub(crate) contender: Contender,
    /// Median over the rounds of the nanoseconds a call takes; `None` when it failed.
    pub(crate) ns: Option<f64>,
    /// Why it failed.
    pub(crate) failure: Option<String>,
    /// What the last sample said besides (engine only).
    pub(crate) details: Value,
    /// The call counts and wall microseconds of the first round that gave them.
    pub(crate) path: Vec<(f64, f64)>,
}

/// All outcomes of one program.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Stem of the C file, or the real program's name.
    pub(crate) program: String,
    /// In the order of [`Contender::ALL`], without those who take no part.
    pub(crate) outcomes: Vec<Outcome>,
}

impl Row {
    /// The time of the contender called `name`.
    pub(crate) fn ns(&self, name: &str) -> Option<f64> {
        self.outcomes
            .iter()
            .find(|outcome| outcome.contender.name() == name)?
            .ns
    }

    /// Time relative to the reference.
    pub(crate) fn ratio(&self, outcome: &Outcome) -> Option<f64> {
        let reference = self
            .outcomes
            .iter()
            .find(|outcome| outcome.contender.is_reference())?;
        Some(outcome.ns? / reference.ns?)
    }

    /// Calls after which the tiered engine, started from bitcode bytes, is ahead for good of code
    /// that `clang -O0` had compiled beforehand; `None` if it never is on the measured path.
    pub(crate) fn overtakes(&self) -> Option<u64> {
        let slow = self.ns("clang -O0")?;
        let path = &self.outcomes.iter().find(|o| !o.path.is_empty())?.path;
        let behind = path
            .iter()
            .rposition(|&(calls, us)| us * 1000.0 > calls * slow);
        match behind {
            None => Some(1),
            Some(at) => path.get(at + 1).map(|&(calls, _)| calls as u64),
        }
    }
}

/// Measures all programs that the request selects.
///
/// # Errors
/// A compiler is missing, or results differ between contenders.
pub(crate) fn all(request: &Request) -> Result<Vec<Row>, Error> {
    let sources = sources(&request.filter)?;
    let mut rows = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        let row = program(source, request)?;
        eprintln!("{:>3}/{} {}", index + 1, sources.len(), row.program);
        rows.push(row);
    }
    Ok(rows)
}

fn sources(filter: &str) -> Result<Vec<PathBuf>, Error> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs");
    let mut sources: Vec<PathBuf> = fs::read_dir(dir)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "c"))
        .filter(|path| name(path).contains(filter))
        .collect();
    sources.sort();
    Ok(sources)
}

fn name(source: &Path) -> String {
    let stem = source.file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}

fn program(source: &Path, request: &Request) -> Result<Row, Error> {
    let mut commands = Vec::new();
    for &contender in Contender::ALL {
        commands.push(contender.command(source, &request.out, request.budget_ms)?);
    }
    let mut samples: Vec<Vec<Result<Value, String>>> = vec![Vec::new(); commands.len()];
    for _ in 0..request.rounds {
        for (command, samples) in commands.iter_mut().zip(&mut samples) {
            samples.push(sample(command));
        }
    }
    let outcomes: Vec<Outcome> = Contender::ALL
        .iter()
        .zip(samples)
        .map(|(&contender, samples)| outcome(contender, &samples))
        .collect();
    judge(&name(source), &outcomes)?;
    Ok(Row {
        program: name(source),
        outcomes,
    })
}

/// Runs one process that prints a line of JSON.
fn sample(command: &mut Command) -> Result<Value, String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let last = text.lines().last().unwrap_or("no message");
        return Err(format!("{}: {last}", output.status));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
}

/// What the samples of all rounds come to.
pub(crate) fn outcome(contender: Contender, samples: &[Result<Value, String>]) -> Outcome {
    let times: Vec<f64> = samples
        .iter()
        .filter_map(|sample| sample.as_ref().ok()?["ns"].as_f64())
        .collect();
    let failure = samples.iter().find_map(|sample| sample.clone().err());
    let details = samples.iter().rev().find_map(|sample| sample.clone().ok());
    let details = details.unwrap_or(Value::Null);
    let pair = |point: &Value| Some((point[0].as_f64()?, point[1].as_f64()?));
    let path = details["path"].as_array();
    let path = path.into_iter().flatten().filter_map(pair).collect();
    Outcome {
        contender,
        ns: if failure.is_some() {
            None
        } else {
            median(&times)
        },
        failure,
        details,
        path,
    }
}

/// All contenders must have computed the same.
///
/// # Errors
/// They have not.
pub(crate) fn judge(program: &str, outcomes: &[Outcome]) -> Result<(), Error> {
    let mut first = None;
    for outcome in outcomes {
        let Some(check) = outcome.details["check"].as_u64() else {
            continue;
        };
        let (who, expected) = *first.get_or_insert((outcome.contender.name(), check));
        if check != expected {
            let name = outcome.contender.name();
            let text = format!("{program}: {name} computes {check:#x}, {who} {expected:#x}");
            return Err(text.into());
        }
    }
    Ok(())
}
