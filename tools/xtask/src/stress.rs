//! `stress`: calls while everything that is called is recompiled, in the kernel and on the host.
//!
//! Both halves compare every result and measure the callers' latency with the compiler off and on.
//! The kernel's half runs emulated, so its times say little and its results everything; the host's
//! half, `bareflow stress`, measures.

use crate::process;
use crate::qemu::{Accelerator, Machine, Verdict};
use crate::{Failure, kernel, output_dir, root};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

/// Time limit of the kernel's half, above the sum of its own.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// What the command line asked for.
struct Options {
    cores: u32,
    calls: u32,
    seconds: u32,
    accelerator: String,
}

pub(crate) fn main(parser: lexopt::Parser) -> Result<ExitCode, Failure> {
    let options = parse(parser)?;
    println!(
        "== in the kernel, {} cores, {} calls",
        options.cores, options.calls
    );
    in_kernel(&options)?;
    println!(
        "== on the host, {} threads, {} s",
        options.cores, options.seconds
    );
    on_host(&options)?;
    Ok(ExitCode::SUCCESS)
}

fn parse(mut parser: lexopt::Parser) -> Result<Options, Failure> {
    use lexopt::prelude::*;
    let mut options = Options {
        cores: 4,
        calls: 20_000,
        seconds: 10,
        accelerator: "auto".to_owned(),
    };
    while let Some(argument) = parser.next()? {
        match argument {
            Long("smp") => options.cores = parser.value()?.parse()?,
            Long("calls") => options.calls = parser.value()?.parse()?,
            Long("seconds") => options.seconds = parser.value()?.parse()?,
            Long("accel") => options.accelerator = parser.value()?.string()?,
            _ => return Err(argument.unexpected().into()),
        }
    }
    Ok(options)
}

fn in_kernel(options: &Options) -> Result<(), Failure> {
    let kernel = kernel::build()?;
    let accelerator = Accelerator::choose(&options.accelerator, &kernel)?;
    let machine = Machine {
        kernel,
        image: None,
        events: Some(output_dir()?.join("stress.jsonl")),
        cores: options.cores,
        append: format!("stress={}", options.calls),
        accelerator,
    };
    let end = process::run(machine.command().stdin(Stdio::null()), Some(LIMIT))?;
    match Verdict::of(end) {
        Verdict::Success => Ok(()),
        verdict => Err(format!("in the kernel: {verdict}").into()),
    }
}

fn on_host(options: &Options) -> Result<(), Failure> {
    let mut bareflow = Command::new("cargo");
    bareflow
        .args([
            "run",
            "--quiet",
            "--release",
            "--package",
            "bareflow",
            "--",
            "stress",
        ])
        .args(["--cores", &options.cores.to_string()])
        .args(["--seconds", &options.seconds.to_string()])
        .current_dir(root())
        .stdin(Stdio::null());
    let end = process::run(&mut bareflow, Some(LIMIT))?;
    if end.success() {
        return Ok(());
    }
    Err(format!("on the host: {end}").into())
}
