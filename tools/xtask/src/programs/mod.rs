//! `programs`: real programs as modules, at every tier, against their native builds.
//!
//! For each program ([`clib::programs`]), each variant of its bitcode and each tier: `bareflow run` with
//! that tier forced for all functions, the C library beside it, and one directory granted. What it prints
//! and its status must be those of the same program compiled natively for i386, run after run: a later
//! run reads the files that an earlier one has written. No function may have been declined by its tier,
//! except that one which calls `setjmp` stays at baseline.
//!
//! Everything runs in a child process with a time limit, in a directory of its own.

use crate::process::{self, End};
use crate::{Failure, output_dir, root};
use clib::programs::{self, ALL, Program, Run, VARIANTS, Variant};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// Time limit of one run: far above what any needs.
const LIMIT: Duration = Duration::from_secs(10 * 60);
/// The tiers that a run can be forced to, and the one that rises by itself.
const TIERS: [&str; 5] = ["baseline", "o1", "o2", "o3", "auto"];
/// The lowest tier's name, where callers of `setjmp` stay.
const LOWEST: &str = "baseline";

/// What is to be run.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    /// The short arguments.
    pub(crate) short: bool,
    /// Names; empty means all.
    pub(crate) programs: Vec<String>,
    /// Variants; empty means all.
    pub(crate) variants: Vec<String>,
    /// Tiers; empty means all.
    pub(crate) tiers: Vec<String>,
}

/// What a run gave: its status and all that it printed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Result {
    status: Option<i32>,
    output: String,
}

pub(crate) fn main(mut parser: lexopt::Parser) -> std::result::Result<ExitCode, Failure> {
    use lexopt::prelude::*;
    let mut selection = Selection {
        short: false,
        programs: Vec::new(),
        variants: Vec::new(),
        tiers: Vec::new(),
    };
    while let Some(argument) = parser.next()? {
        let list = match argument {
            Long("short") => {
                selection.short = true;
                continue;
            }
            Long("program") => &mut selection.programs,
            Long("variant") => &mut selection.variants,
            Long("tier") => &mut selection.tiers,
            _ => return Err(argument.unexpected().into()),
        };
        list.push(parser.value()?.string()?);
    }
    let (passed, failed) = run(&selection)?;
    println!("{passed} passed, {failed} failed");
    Ok(ExitCode::from(u8::from(failed > 0)))
}

/// Runs what is selected; returns how many combinations were right and how many were not.
pub(crate) fn run(selection: &Selection) -> std::result::Result<(usize, usize), Failure> {
    let bareflow = build_command(selection)?;
    let library = clib::ensure()?.archive;
    let (mut passed, mut failed) = (0, 0);
    for program in ALL.iter().filter(|p| wanted(&selection.programs, p.name)) {
        let native = program.native()?;
        let expected = native_results(program, &native, selection.short)?;
        for variant in VARIANTS
            .iter()
            .filter(|v| wanted(&selection.variants, v.name))
        {
            let module = program.module(*variant)?;
            for tier in TIERS.iter().filter(|tier| wanted(&selection.tiers, tier)) {
                let case = Case {
                    bareflow: &bareflow,
                    library: &library,
                    program,
                    variant,
                    module: &module,
                    tier,
                };
                let start = Instant::now();
                let complaints = case.check(&expected, selection.short)?;
                let title = format!("{} {} {tier}", program.name, variant.name);
                if complaints.is_empty() {
                    println!("ok {title} ({:.1} s)", start.elapsed().as_secs_f64());
                    passed += 1;
                } else {
                    println!("not ok {title}: {}", complaints.join("; "));
                    failed += 1;
                }
            }
        }
    }
    Ok((passed, failed))
}

fn wanted(names: &[String], name: &str) -> bool {
    names.is_empty() || names.iter().any(|wanted| wanted == name)
}

/// Builds the command: optimised for the full test, since megabytes are to be compressed; the short
/// one takes what `cargo test` has built anyway.
fn build_command(selection: &Selection) -> std::result::Result<PathBuf, Failure> {
    let mut cargo = Command::new("cargo");
    cargo.args([
        "build",
        "--quiet",
        "--package",
        "bareflow",
        "--message-format=json",
    ]);
    if !selection.short {
        cargo.arg("--release");
    }
    let output = cargo
        .current_dir(root())
        .stderr(Stdio::inherit())
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let messages = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let mut executables =
        messages.filter_map(|message: Value| Some(message["executable"].as_str()?.into()));
    let found = executables.next_back().filter(|_| output.status.success());
    found.ok_or_else(|| "bareflow does not build".into())
}

/// What the native program prints in each run.
fn native_results(
    program: &Program,
    native: &Path,
    short: bool,
) -> std::result::Result<Vec<Result>, Failure> {
    let place = workplace(&format!("{}-native", program.name))?;
    let each = program.runs.iter().map(|run| {
        let mut command = Command::new(native);
        execute(command.args(words(run, short)), &place)
    });
    each.collect()
}

/// One program, one variant, one tier.
struct Case<'a> {
    bareflow: &'a Path,
    library: &'a Path,
    program: &'a Program,
    variant: &'a Variant,
    module: &'a Path,
    tier: &'a str,
}

impl Case<'_> {
    /// What is wrong with the case's runs.
    fn check(&self, expected: &[Result], short: bool) -> std::result::Result<Vec<String>, Failure> {
        let (program, variant) = (self.program.name, self.variant.name);
        let place = workplace(&format!("{program}-{variant}-{}", self.tier))?;
        let log = place.with_extension("json");
        let mut complaints = Vec::new();
        for (run, expected) in self.program.runs.iter().zip(expected) {
            let mut command = Command::new(self.bareflow);
            command
                .arg("run")
                .arg(self.module)
                .arg("--lib")
                .arg(self.library);
            command.args(["--cores", "2", "--tier", self.tier]);
            command.arg("--json").arg(&log).arg("--dir").arg(&place);
            command.arg("--").args(words(run, short));
            let found = execute(&mut command, &place)?;
            complaints.extend(difference(expected, &found));
            complaints.extend(self.declined(&log));
        }
        complaints.dedup();
        Ok(complaints)
    }

    /// Functions that are not at the forced tier, from the run's JSON lines.
    fn declined(&self, log: &Path) -> Option<String> {
        if self.tier == "auto" {
            return None;
        }
        let text = std::fs::read_to_string(log).unwrap_or_default();
        let lines = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        let mut others = Vec::new();
        for line in lines.filter(|line: &Value| line["event"] == "function") {
            let (tier, name) = (line["tier"].as_str()?, line["function"].as_str()?);
            let stays = tier == LOWEST && line["returns_twice"] == true;
            if !tier.eq_ignore_ascii_case(self.tier) && !stays {
                others.push(format!("{name} ({tier})"));
            }
        }
        let first = others
            .get(..others.len().min(5))
            .filter(|names| !names.is_empty())?;
        Some(format!(
            "{} functions declined: {}",
            others.len(),
            first.join(" ")
        ))
    }
}

/// The first line in which two results differ.
fn difference(expected: &Result, found: &Result) -> Option<String> {
    if expected == found {
        return None;
    }
    let (a, b) = (expected.output.lines(), found.output.lines());
    let line = a.zip(b).position(|(a, b)| a != b);
    let number = line.unwrap_or_else(|| {
        expected
            .output
            .lines()
            .count()
            .min(found.output.lines().count())
    });
    let line = |result: &Result| {
        let text = result.output.lines().nth(number).unwrap_or("(nothing)");
        text.chars().take(160).collect::<String>()
    };
    Some(format!(
        "line {}: {:?} instead of {:?}, status {:?} instead of {:?}",
        number + 1,
        line(found),
        line(expected),
        found.status,
        expected.status
    ))
}

fn words(run: &Run, short: bool) -> &'static [&'static str] {
    if short { run.short } else { run.full }
}

/// An empty directory with the scripts in it.
fn workplace(name: &str) -> std::result::Result<PathBuf, Failure> {
    let place = output_dir()?.join("programs").join(name);
    if place.exists() {
        std::fs::remove_dir_all(&place)?;
    }
    std::fs::create_dir_all(&place)?;
    for script in programs::SCRIPTS {
        std::fs::copy(programs::script(script), place.join(script))?;
    }
    Ok(place)
}

/// Runs a command in a directory; what it prints to both streams is its output.
fn execute(command: &mut Command, place: &Path) -> std::result::Result<Result, Failure> {
    let log = place.with_extension("log");
    let (end, output) = process::run_logged(command.current_dir(place), &log, LIMIT)?;
    let status = match end {
        End::Exited(status) => status.code(),
        End::TimedOut(_) => None,
    };
    Ok(Result { status, output })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(status: i32, output: &str) -> Result {
        Result {
            status: Some(status),
            output: output.to_owned(),
        }
    }

    #[test]
    fn the_first_line_that_differs_is_named() {
        assert_eq!(difference(&result(0, "a\nb\n"), &result(0, "a\nb\n")), None);
        let text = difference(&result(0, "a\nb\nc\n"), &result(1, "a\nx\n")).unwrap();
        assert!(text.starts_with("line 2: \"x\" instead of \"b\""), "{text}");
        let text = difference(&result(0, "a\nb\n"), &result(0, "a\n")).unwrap();
        assert!(text.starts_with("line 2: \"(nothing)\""), "{text}");
        assert!(difference(&result(0, "a\n"), &result(7, "a\n")).is_some());
    }
}
