//! Builds and runs the coverage-guided fuzzer: `fuzz`.
//!
//! Stable Rust has all that libFuzzer needs: `-C passes=sancov-module` instruments every crate, and clang's
//! run-time library brings the loop and `main`. The corpus is made of real modules ([`crate::corpus`]) and kept from
//! run to run; what libFuzzer finds lies beside it.

use crate::{Failure, corpus, process};
use conformance::fuzz::MAX_LEN;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

/// Instrumentation: edges, and comparisons so that constants are found.
const RUSTFLAGS: &[&str] = &[
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=3",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];
/// Memory of the fuzzer in MiB: what it keeps itself, and an input of [`MAX_LEN`] bytes; the meter is stricter.
const RSS_LIMIT_MB: u32 = 2048;
/// Seconds for one input; they take milliseconds.
const UNIT_TIMEOUT_S: u32 = 10;
/// Versions of clang whose run-time library will do.
const CLANGS: [u32; 3] = [19, 16, 14];

/// Runs for some seconds; fails if anything was found.
pub(crate) fn main(mut parser: lexopt::Parser) -> Result<ExitCode, Failure> {
    use lexopt::prelude::*;
    let (mut seconds, mut jobs, mut tiers) = (1800u64, 1u32, "baseline".to_owned());
    while let Some(argument) = parser.next()? {
        match argument {
            Long("seconds") => seconds = parser.value()?.parse()?,
            Long("jobs") => jobs = parser.value()?.parse()?,
            Long("tiers") => tiers = parser.value()?.string()?,
            other => return Err(other.unexpected().into()),
        }
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or("target".into(), PathBuf::from);
    let home = std::path::absolute(target.join("bareflow/fuzz"))?;
    let (seeds, found) = (home.join("corpus"), home.join("found"));
    std::fs::create_dir_all(&found)?;
    corpus::make(&seeds)?;
    let program = build(&home.join("build"))?;
    let mut fuzzer = Command::new(program);
    fuzzer
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={MAX_LEN}"))
        .arg(format!("-rss_limit_mb={RSS_LIMIT_MB}"))
        .arg(format!("-timeout={UNIT_TIMEOUT_S}"))
        .arg(format!("-artifact_prefix={}/", found.display()))
        .args(["-print_final_stats=1", "-reload=1"])
        // Ignored by default when it forks.
        .args(["-ignore_timeouts=0", "-ignore_ooms=0"])
        .arg(format!("-fork={jobs}"))
        .arg(&seeds)
        .env("FUZZ_TIERS", tiers)
        .current_dir(&home);
    let status = fuzzer.status()?;
    println!(
        "fuzzing ended: {status}; what was found lies in {}",
        found.display()
    );
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Builds `tools/fuzz` with instrumentation; the program.
fn build(target: &Path) -> Result<PathBuf, Failure> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/Cargo.toml");
    let mut flags: Vec<String> = RUSTFLAGS.iter().map(|&flag| flag.into()).collect();
    flags.push(format!("-Clink-arg={}", runtime()?.display()));
    flags.push("-Clink-arg=-lstdc++".into());
    let triple = "x86_64-unknown-linux-gnu";
    let mut cargo = Command::new("cargo");
    // With a target named, the flags do not hit build scripts.
    cargo
        .args(["build", "--release", "--target", triple])
        .arg("--manifest-path")
        .arg(manifest)
        .arg("--target-dir")
        .arg(target)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    if !cargo.status()?.success() {
        return Err("the fuzzer does not build".into());
    }
    Ok(target.join(triple).join("release/fuzz"))
}

/// clang's libFuzzer.
fn runtime() -> Result<PathBuf, Failure> {
    for version in CLANGS {
        let mut clang = Command::new(format!("clang-{version}"));
        clang.args([
            "--target=x86_64-linux-gnu",
            "-print-file-name=libclang_rt.fuzzer-x86_64.a",
        ]);
        clang.arg("-rtlib=compiler-rt");
        let Ok(output) = process::run(&mut clang, Duration::from_secs(10)) else {
            continue;
        };
        let direct = PathBuf::from(output.stdout.trim());
        let resource =
            clang_resource(version).map(|dir| dir.join("lib/linux/libclang_rt.fuzzer-x86_64.a"));
        if let Some(path) = [Some(direct), resource]
            .into_iter()
            .flatten()
            .find(|path| path.is_file())
        {
            return Ok(path);
        }
    }
    Err("clang's libFuzzer is not installed: `apt-get install libclang-rt-19-dev`".into())
}

fn clang_resource(version: u32) -> Option<PathBuf> {
    let mut clang = Command::new(format!("clang-{version}"));
    let output = process::run(clang.arg("-print-resource-dir"), Duration::from_secs(10)).ok()?;
    output.success().then(|| output.stdout.trim().into())
}
