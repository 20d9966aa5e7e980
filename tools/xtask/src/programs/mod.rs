//! `programs`: real programs as modules, at every tier, against their native builds.
//!
//! For each program ([`clib::programs`]), each variant of its bitcode and each tier: `bareflow run` with
//! that tier forced for all functions, the C library beside it, and one directory granted. What it prints
//! and its status must be those of the same program compiled natively for i386, run after run: a later
//! run reads the files that an earlier one has written. No function may have been declined by its tier,
//! except that one which calls `setjmp` stays at baseline.
//!
//! They also run in the kernel, as if that were another tier: see [`in_kernel`].
//!
//! Everything runs in a child process with a time limit, in a directory of its own.

mod in_kernel;

use crate::process::{self, End};
use crate::{Failure, output_dir, root};
use clib::programs::{self, ALL, Program, Run, VARIANTS, Variant};
use in_kernel::Kernel;
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
struct Outcome {
    status: Option<i32>,
    output: String,
}

/// What a program's native build does.
#[derive(Clone, Debug)]
struct Native {
    /// In each run.
    outcomes: Vec<Outcome>,
    /// Names and contents of the files that are there afterwards.
    left: Vec<(String, Vec<u8>)>,
}

/// How many checks were right and how many were not.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    /// Functions compiled at a forced tier, once for each program, variant and tier.
    functions: usize,
}

pub(crate) fn main(mut parser: lexopt::Parser) -> Result<ExitCode, Failure> {
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
    let start = Instant::now();
    let Sum {
        passed,
        failed,
        functions,
    } = run(&selection)?;
    let seconds = start.elapsed().as_secs();
    println!("{functions} functions at forced tiers, {seconds} s");
    println!("{passed} passed, {failed} failed");
    Ok(ExitCode::from(u8::from(failed > 0)))
}

/// Runs what is selected.
pub(crate) fn run(selection: &Selection) -> Result<Sum, Failure> {
    let hosted = TIERS.iter().any(|tier| wanted(&selection.tiers, tier));
    let host = hosted.then(|| Host::build(selection.short)).transpose()?;
    let booted = wanted(&selection.tiers, in_kernel::TIER);
    let kernel = booted.then(Kernel::build).transpose()?;
    let mut sum = Sum::default();
    for program in ALL.iter().filter(|p| wanted(&selection.programs, p.name)) {
        let native = Native::of(program, selection.short)?;
        for variant in VARIANTS
            .iter()
            .filter(|v| wanted(&selection.variants, v.name))
        {
            let module = program.module(*variant)?;
            if let Some(host) = &host {
                host.check(&mut sum, program, variant, &module, &native, selection)?;
            }
            if let Some(kernel) = &kernel
                && in_kernel::includes(variant)
            {
                kernel.check(&mut sum, program, &module, &native, selection.short)?;
            }
        }
    }
    Ok(sum)
}

impl Sum {
    /// Counts a check that began at `start`, and says how it ended.
    fn add(&mut self, title: &str, start: Instant, complaints: &[String]) {
        if complaints.is_empty() {
            println!("ok {title} ({:.1} s)", start.elapsed().as_secs_f64());
            self.passed += 1;
        } else {
            println!("not ok {title}: {}", complaints.join("; "));
            self.failed += 1;
        }
    }
}

fn wanted(names: &[String], name: &str) -> bool {
    names.is_empty() || names.iter().any(|wanted| wanted == name)
}

impl Native {
    /// Builds a program natively and runs it.
    fn of(program: &Program, short: bool) -> Result<Self, Failure> {
        let native = program.native()?;
        let place = workplace(&format!("{}-native", program.name))?;
        let each = program.runs.iter().map(|run| {
            let mut command = Command::new(&native);
            execute(command.args(words(run, short)), &place)
        });
        let outcomes = each.collect::<Result<_, _>>()?;
        let mut left = Vec::new();
        for entry in std::fs::read_dir(&place)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_file() && !programs::SCRIPTS.contains(&&*name) {
                left.push((name.into_owned(), std::fs::read(&path)?));
            }
        }
        left.sort();
        Ok(Self { outcomes, left })
    }
}

/// What all runs on the host share.
struct Host {
    bareflow: PathBuf,
    library: PathBuf,
}

impl Host {
    /// Builds the command and the C library. The command is optimised for the full test, since megabytes
    /// are to be compressed; the short one takes what `cargo test` has built anyway.
    fn build(short: bool) -> Result<Self, Failure> {
        let mut cargo = Command::new("cargo");
        cargo.args(["build", "--quiet", "--package", "bareflow"]);
        cargo.arg("--message-format=json");
        if !short {
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
        Ok(Self {
            bareflow: found.ok_or("bareflow does not build")?,
            library: clib::ensure()?.archive,
        })
    }

    /// One program and variant at each tier that is selected.
    fn check(
        &self,
        sum: &mut Sum,
        program: &Program,
        variant: &Variant,
        module: &Path,
        native: &Native,
        selection: &Selection,
    ) -> Result<(), Failure> {
        for tier in TIERS.iter().filter(|tier| wanted(&selection.tiers, tier)) {
            let case = Case {
                host: self,
                program,
                variant,
                module,
                tier,
            };
            let start = Instant::now();
            let (complaints, functions) = case.check(&native.outcomes, selection.short)?;
            let title = format!("{} {} {tier}", program.name, variant.name);
            sum.functions += functions;
            sum.add(&title, start, &complaints);
        }
        Ok(())
    }
}

/// One program, one variant, one tier.
struct Case<'a> {
    host: &'a Host,
    program: &'a Program,
    variant: &'a Variant,
    module: &'a Path,
    tier: &'a str,
}

impl Case<'_> {
    /// What is wrong with the case's runs, and how many functions were compiled at the tier.
    fn check(&self, expected: &[Outcome], short: bool) -> Result<(Vec<String>, usize), Failure> {
        let (program, variant) = (self.program.name, self.variant.name);
        let place = workplace(&format!("{program}-{variant}-{}", self.tier))?;
        let log = place.with_extension("json");
        let (mut complaints, mut functions) = (Vec::new(), 0);
        for (run, expected) in self.program.runs.iter().zip(expected) {
            // What an earlier run said must not be taken for what this one says.
            std::fs::write(&log, "")?;
            let mut command = Command::new(&self.host.bareflow);
            command.arg("run").arg(self.module);
            command.arg("--lib").arg(&self.host.library);
            command.args(["--cores", "2", "--tier", self.tier]);
            command.arg("--json").arg(&log).arg("--dir").arg(&place);
            command.arg("--").args(words(run, short));
            let found = execute(&mut command, &place)?;
            complaints.extend(difference(expected, &found));
            if self.tier != "auto" {
                match all_compiled(&std::fs::read_to_string(&log)?, self.tier) {
                    Ok(count) => functions = count,
                    Err(why) => complaints.push(why),
                }
            }
        }
        complaints.dedup();
        Ok((complaints, functions))
    }
}

/// How many functions a run has, if all are at the forced tier according to its JSON lines; else which are not.
fn all_compiled(log: &str, forced: &str) -> Result<usize, String> {
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let (mut count, mut others) = (0, Vec::new());
    for line in lines.filter(|line: &Value| line["event"] == "function") {
        let text = |key: &str| line[key].as_str().unwrap_or("?").to_owned();
        let tier = text("tier");
        let stays = tier == LOWEST && line["returns_twice"] == true;
        count += 1;
        if !tier.eq_ignore_ascii_case(forced) && !stays {
            others.push(format!("{} ({tier})", text("function")));
        }
    }
    match others.len() {
        0 if count == 0 => Err("no list of functions".to_owned()),
        0 => Ok(count),
        many => {
            others.truncate(5);
            Err(format!("{many} functions declined: {}", others.join(" ")))
        }
    }
}

/// The first line in which two results differ.
fn difference(expected: &Outcome, found: &Outcome) -> Option<String> {
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
    let line = |result: &Outcome| {
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
fn workplace(name: &str) -> Result<PathBuf, Failure> {
    let place = output_dir()?.join("programs").join(name);
    programs::workplace(&place)?;
    Ok(place)
}

/// Runs a command in a directory; what it prints to both streams is its output.
fn execute(command: &mut Command, place: &Path) -> Result<Outcome, Failure> {
    let log = place.with_extension("log");
    let (end, output) = process::run_logged(command.current_dir(place), &log, LIMIT)?;
    let status = match end {
        End::Exited(status) => status.code(),
        End::TimedOut(_) => None,
    };
    Ok(Outcome { status, output })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(status: i32, output: &str) -> Outcome {
        Outcome {
            status: Some(status),
            output: output.to_owned(),
        }
    }

    #[test]
    fn a_function_at_another_tier_or_no_list_at_all_is_noticed() {
        let line = |name: &str, tier: &str, twice: bool| {
            format!(
                "{{\"event\":\"function\",\"function\":\"{name}\",\"tier\":\"{tier}\",\"returns_twice\":{twice}}}\n"
            )
        };
        let log = line("f", "o2", false) + &line("g", "baseline", true);
        assert_eq!(all_compiled(&log, "o2"), Ok(2));
        let log = log + "noise\n" + &line("h", "baseline", false);
        let why = all_compiled(&log, "o2").unwrap_err();
        assert_eq!(why, "1 functions declined: h (baseline)");
        assert!(all_compiled("", "o2").is_err());
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
