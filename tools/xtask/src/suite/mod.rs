//! `test`: every test there is, counted, with one plain line at the end; `make test`.
//!
//! A step that fails does not stop the others: one run tells all that is wrong. What a step prints
//! goes into a log file and is shown only if the step fails. A step that dies without naming a
//! failed test (it does not compile, it hangs, it is killed) counts as one failed test, so the
//! last line cannot say `0 failed` after anything went wrong.

mod boots;
mod count;

use crate::process::{self, End};
use crate::{Failure, kernel, output_dir, programs, root};
use count::Tally;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

/// Time limit of one command. Far above what any needs: it only has to end a hang.
const COMMAND_LIMIT: Duration = Duration::from_secs(20 * 60);
/// Last lines of a failed command's output that are shown.
const LINES_SHOWN: usize = 120;

/// One step: its name and what it does.
struct Step {
    name: &'static str,
    run: fn(&mut Report) -> Result<(), Failure>,
}

const STEPS: [Step; 8] = [
    Step {
        name: "format",
        run: format,
    },
    Step {
        name: "clippy",
        run: clippy,
    },
    Step {
        name: "host",
        run: host,
    },
    Step {
        name: "programs",
        run: programs,
    },
    Step {
        name: "loom",
        run: loom,
    },
    Step {
        name: "kernel",
        run: kernel,
    },
    Step {
        name: "qemu",
        run: boots::run,
    },
    Step {
        name: "qemu-programs",
        run: programs_in_kernel,
    },
];

/// Crates with models that loom explores.
const LOOM_CRATES: [&str; 3] = ["smp", "sched", "jit"];

/// The sum so far, and where the logs go.
pub(crate) struct Report {
    total: Tally,
    logs: PathBuf,
}

pub(crate) fn main(mut parser: lexopt::Parser) -> Result<ExitCode, Failure> {
    use lexopt::prelude::*;
    let (mut skip, mut only) = (Vec::new(), Vec::new());
    while let Some(argument) = parser.next()? {
        match argument {
            Long("skip") => skip.push(step_named(&parser.value()?.string()?)?),
            Long("only") => only.push(step_named(&parser.value()?.string()?)?),
            _ => return Err(argument.unexpected().into()),
        }
    }
    let logs = output_dir()?.join("logs");
    std::fs::create_dir_all(&logs)?;
    let mut report = Report {
        total: Tally::default(),
        logs,
    };
    for step in &STEPS {
        let wanted = only.is_empty() || only.contains(&step.name);
        if wanted && !skip.contains(&step.name) {
            run_step(step, &mut report);
        }
    }
    let Tally { passed, failed } = report.total;
    println!("{passed} passed, {failed} failed");
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn step_named(name: &str) -> Result<&'static str, Failure> {
    let step = STEPS.iter().find(|step| step.name == name);
    step.map(|step| step.name)
        .ok_or_else(|| format!("no step {name:?}").into())
}

/// Runs one step; an error of the step itself is one failed test.
fn run_step(step: &Step, report: &mut Report) {
    let (before, start) = (report.total, Instant::now());
    println!("== {}", step.name);
    if let Err(failure) = (step.run)(report) {
        println!("{}: {failure}", step.name);
        report.total.failed += 1;
    }
    let (passed, failed) = (
        report.total.passed - before.passed,
        report.total.failed - before.failed,
    );
    let seconds = start.elapsed().as_secs();
    println!(
        "   {}: {passed} passed, {failed} failed ({seconds} s)",
        step.name
    );
}

impl Report {
    /// Runs a command; `read` counts the tests in its output.
    fn command(
        &mut self,
        name: &str,
        command: &mut Command,
        read: fn(&str, bool) -> Tally,
    ) -> Result<(), Failure> {
        let log = self.logs.join(format!("{name}.log"));
        let (end, text) = process::run_logged(command.current_dir(root()), &log, COMMAND_LIMIT)?;
        self.add(name, read(&text, end.success()), end, &text);
        Ok(())
    }

    /// Adds what a command came to, and shows its output if it failed.
    fn add(&mut self, name: &str, found: Tally, end: End, text: &str) {
        if found.failed > 0 {
            println!("-- {name}: {end}; the end of its output:");
            print_tail(text);
        }
        self.total.add(found);
    }
}

fn print_tail(text: &str) {
    let lines: Vec<&str> = text.lines().collect();
    for line in &lines[lines.len().saturating_sub(LINES_SHOWN)..] {
        println!("   | {line}");
    }
}

fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.args(arguments).env("CARGO_TERM_COLOR", "never");
    cargo
}

fn format(report: &mut Report) -> Result<(), Failure> {
    report.command(
        "format",
        &mut cargo(&["fmt", "--all", "--check"]),
        count::one,
    )
}

fn clippy(report: &mut Report) -> Result<(), Failure> {
    let host = [
        "clippy",
        "--workspace",
        "--exclude",
        "kernel",
        "--all-targets",
        "--",
        "-Dwarnings",
    ];
    report.command("clippy", &mut cargo(&host), count::one)?;
    let kernel = [
        "clippy",
        "--package",
        "kernel",
        "--profile",
        "kernel-dev",
        "--",
        "-Dwarnings",
    ];
    report.command("clippy-kernel", &mut cargo(&kernel), count::one)
}

fn host(report: &mut Report) -> Result<(), Failure> {
    let host = [
        "test",
        "--workspace",
        "--exclude",
        "kernel",
        "--no-fail-fast",
    ];
    report.command("host", &mut cargo(&host), count::cargo_tests)?;
    let kernel = ["test", "--package", "kernel", "--lib"];
    report.command("host-kernel", &mut cargo(&kernel), count::cargo_tests)
}

/// Real programs with short arguments, at the lowest tier and one that optimises.
fn programs(report: &mut Report) -> Result<(), Failure> {
    run_programs(report, &["O0", "O2"], &["baseline", "o2"])
}

/// The same programs in the kernel, each run a boot of its own.
fn programs_in_kernel(report: &mut Report) -> Result<(), Failure> {
    run_programs(report, &["O2"], &["kernel"])
}

fn run_programs(report: &mut Report, variants: &[&str], tiers: &[&str]) -> Result<(), Failure> {
    let names = |list: &[&str]| list.iter().map(|&name| name.to_owned()).collect();
    let sum = programs::run(&programs::Selection {
        short: true,
        programs: Vec::new(),
        variants: names(variants),
        tiers: names(tiers),
    })?;
    report.total.passed += sum.passed;
    report.total.failed += sum.failed;
    Ok(())
}

/// The loom models: optimised, and in a target directory of their own, because the flag would
/// otherwise make cargo build everything twice, back and forth. Linking each test as one piece would take
/// longer than running it.
fn loom(report: &mut Report) -> Result<(), Failure> {
    let target = output_dir()?.join("loom");
    for package in LOOM_CRATES {
        let arguments = ["test", "--release", "--package", package, "loom"];
        let mut command = cargo(&arguments);
        command
            .env("RUSTFLAGS", "--cfg loom")
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
            .env("CARGO_TARGET_DIR", &target);
        report.command(&format!("loom-{package}"), &mut command, count::cargo_tests)?;
    }
    Ok(())
}

fn kernel(report: &mut Report) -> Result<(), Failure> {
    report.command("kernel", &mut kernel::build_command(), count::one)
}
