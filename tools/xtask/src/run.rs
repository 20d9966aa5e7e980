//! `run`: build everything, boot it, show the console; `make run`.
//!
//! When stdin and stdout are a terminal the kernel is told to offer its shell and colours.
//! Otherwise it runs the demo, powers off, and the exit status says whether every result was
//! right. Headless runs end at a time limit; a person at the shell has none.

use crate::qemu::{Accelerator, Machine, Verdict};
use crate::{Failure, image, kernel, output_dir, process};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

/// Time limit of a headless run in seconds, when the caller gives none.
const DEFAULT_LIMIT_S: u64 = 600;

/// What the command line asked for.
struct Options {
    cores: u32,
    accelerator: String,
    append: String,
    modules: Vec<PathBuf>,
    events: Option<PathBuf>,
    limit: Duration,
    headless: bool,
}

pub(crate) fn main(parser: lexopt::Parser) -> Result<ExitCode, Failure> {
    let options = parse(parser)?;
    let kernel = kernel::build()?;
    let image = image::default_path()?;
    image::write(&image, &image::content(&options.modules)?)?;
    let events = options.events.clone().map_or_else(default_events, Ok)?;
    let accelerator = Accelerator::choose(&options.accelerator, &kernel)?;
    let interactive = !options.headless && std::io::stdin().is_terminal();
    let machine = Machine {
        kernel,
        image: Some(image),
        events: Some(events),
        cores: options.cores,
        append: command_line(&options, interactive),
        accelerator,
    };
    let mut qemu = machine.command();
    if !interactive {
        qemu.stdin(Stdio::null());
    }
    let end = process::run(&mut qemu, (!interactive).then_some(options.limit))?;
    match Verdict::of(end) {
        Verdict::Success => Ok(ExitCode::SUCCESS),
        verdict => Err(verdict.to_string().into()),
    }
}

fn parse(mut parser: lexopt::Parser) -> Result<Options, Failure> {
    use lexopt::prelude::*;
    let mut options = Options {
        cores: 4,
        accelerator: "auto".to_owned(),
        append: String::new(),
        modules: Vec::new(),
        events: None,
        limit: Duration::from_secs(DEFAULT_LIMIT_S),
        headless: false,
    };
    while let Some(argument) = parser.next()? {
        match argument {
            Long("smp") => options.cores = parser.value()?.parse()?,
            Long("accel") => options.accelerator = parser.value()?.string()?,
            Long("append") => options.append = parser.value()?.string()?,
            Long("modules") => {
                options
                    .modules
                    .extend(image::split_list(&parser.value()?.string()?));
            }
            Long("events") => options.events = Some(parser.value()?.into()),
            Long("timeout") => options.limit = Duration::from_secs(parser.value()?.parse()?),
            Long("headless") => options.headless = true,
            _ => return Err(argument.unexpected().into()),
        }
    }
    Ok(options)
}

fn default_events() -> Result<PathBuf, Failure> {
    Ok(output_dir()?.join("events.jsonl"))
}

/// The kernel's command line: what fits this terminal, then the caller's words, which win.
fn command_line(options: &Options, interactive: bool) -> String {
    let mut words = Vec::new();
    if interactive {
        words.push("shell=on");
    }
    if !options.headless && std::io::stdout().is_terminal() {
        words.push("color=on");
    }
    if !options.append.is_empty() {
        words.push(&options.append);
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Options, Failure> {
        parse(lexopt::Parser::from_args(arguments))
    }

    #[test]
    fn options_are_read() {
        let options = parsed(&[
            "--smp",
            "8",
            "--accel=tcg",
            "--modules",
            "a.bc,b.llbc c.bc",
            "--append",
            "t1=5",
            "--timeout",
            "9",
            "--headless",
        ])
        .unwrap();
        assert_eq!((options.cores, options.accelerator.as_str()), (8, "tcg"));
        assert_eq!(
            options.modules,
            ["a.bc", "b.llbc", "c.bc"].map(PathBuf::from)
        );
        assert_eq!(options.limit, Duration::from_secs(9));
        assert_eq!(command_line(&options, false), "t1=5");
        assert_eq!(command_line(&options, true), "shell=on t1=5");
    }

    #[test]
    fn what_is_not_an_option_is_refused() {
        assert!(parsed(&["--smp", "many"]).is_err());
        assert!(parsed(&["--faster"]).is_err());
        assert!(parsed(&["stray"]).is_err());
    }

    #[test]
    fn an_empty_list_of_modules_means_the_demos() {
        assert!(parsed(&["--modules", ""]).unwrap().modules.is_empty());
    }
}
