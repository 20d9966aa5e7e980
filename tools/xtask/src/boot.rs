//! `boot`: one program of a user's in the kernel; its `main` decides the exit status.
//!
//! QEMU's exit device carries seven bits, too few for a status, so the status comes through the
//! second serial port, among the kernel's JSON lines. One line per program run:
//!
//! | line | exit status here |
//! | --- | --- |
//! | `{"event":"main","module":"x.bc","status":7}` | 7 (the lowest eight bits) |
//! | `{"event":"fault","module":"x.bc",…}` | 134, as `bareflow run` has it |
//! | `{"event":"rejected","module":"x.bc",…}` | 65, likewise |
//! | none of them | 1: the machine did not get that far |

use crate::qemu::{Accelerator, Machine, Verdict};
use crate::{Failure, image, kernel, output_dir, process};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

/// Exit status of a program that the runtime ended.
const FAULT: u8 = 134;
/// Exit status of a file that is not a module, or one that cannot be run.
const REJECTED: u8 = 65;
/// Time limit of a program: the kernel's own budget ends it earlier.
const LIMIT: Duration = Duration::from_secs(600);

/// What the command line asked for.
#[derive(Debug)]
struct Options {
    file: PathBuf,
    /// Arguments of `main`, after the program's name.
    words: Vec<String>,
    cores: u32,
    accelerator: String,
}

pub(crate) fn main(parser: lexopt::Parser) -> Result<ExitCode, Failure> {
    let options = parse(parser)?;
    let kernel = kernel::build()?;
    let disk = output_dir()?.join("boot.img");
    image::write(&disk, &image::content(std::slice::from_ref(&options.file))?)?;
    let events = output_dir()?.join("boot.jsonl");
    let accelerator = Accelerator::choose(&options.accelerator, &kernel)?;
    let machine = Machine {
        kernel,
        image: Some(disk),
        events: Some(events.clone()),
        cores: options.cores,
        append: command_line(&options),
        accelerator,
    };
    let end = process::run(machine.command().stdin(Stdio::null()), Some(LIMIT))?;
    let lines = std::fs::read_to_string(&events)?;
    match status(&lines) {
        Some(status) => Ok(ExitCode::from(status)),
        None => Err(format!(
            "no result of {}: {}",
            options.file.display(),
            Verdict::of(end)
        )
        .into()),
    }
}

fn parse(mut parser: lexopt::Parser) -> Result<Options, Failure> {
    use lexopt::prelude::*;
    let (mut file, mut words, mut cores) = (None, Vec::new(), 4);
    let mut accelerator = "auto".to_owned();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("smp") => cores = parser.value()?.parse()?,
            Long("accel") => accelerator = parser.value()?.string()?,
            Value(path) if file.is_none() => file = Some(PathBuf::from(path)),
            Value(word) => words.push(word.string()?),
            _ => return Err(argument.unexpected().into()),
        }
    }
    let file = file.ok_or("which file?")?;
    Ok(Options {
        file,
        words,
        cores,
        accelerator,
    })
}

/// The kernel's command line: run this file only, with these arguments.
fn command_line(options: &Options) -> String {
    let name = disk_name(&options.file);
    let mut line = format!("run={name}");
    if !options.words.is_empty() {
        line.push_str(" args=");
        line.push_str(&options.words.join(","));
    }
    line
}

/// The name that a file has on the disk.
fn disk_name(file: &Path) -> String {
    file.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The exit status that the kernel's lines stand for; the last one that says anything counts.
fn status(lines: &str) -> Option<u8> {
    lines
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|event| match event["event"].as_str()? {
            "main" => event["status"]
                .as_i64()
                .map(|status| status.to_le_bytes()[0]),
            "fault" => Some(FAULT),
            "rejected" => Some(REJECTED),
            _ => None,
        })
        .next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_result_among_the_lines_is_the_status() {
        let core = "{\"event\":\"core\",\"status\":5}\n";
        assert_eq!(status(core), None);
        assert_eq!(
            status(&format!(
                "{core}{{\"event\":\"main\",\"status\":7}}\nnoise\n"
            )),
            Some(7)
        );
        assert_eq!(status("{\"event\":\"main\",\"status\":-1}"), Some(255));
        assert_eq!(status("{\"event\":\"fault\",\"module\":\"x\"}"), Some(134));
        assert_eq!(
            status("{\"event\":\"rejected\"}\n{\"event\":\"core\"}"),
            Some(65)
        );
        assert_eq!(status("{\"event\":\"main\"}"), None);
    }

    #[test]
    fn words_after_the_file_are_arguments_of_the_program() {
        let words = ["dir/x.bc", "3", "--smp", "2", "four"];
        let options = parse(lexopt::Parser::from_args(words)).unwrap();
        assert_eq!(options.cores, 2);
        assert_eq!(command_line(&options), "run=x.bc args=3,four");
        assert!(parse(lexopt::Parser::from_args(["--smp", "2"])).is_err());
    }
}
