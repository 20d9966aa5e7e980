//! Cases that once failed, reduced to text IR: the interpreter and every tier agree on each.
//!
//! `conformance reduce` makes these files; each is run in child processes, one for each engine. `host-calls.bfir` never
//! failed: it is a program of the calls that the interpreter serves (`src/interpreted.rs`), heap, clock, console, waiting.

#![expect(
    clippy::unwrap_used,
    reason = "a test: a failed expectation is a failed test"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

const TIERS: [&str; 5] = ["baseline", "o1", "o2", "o3", "mixed"];

/// What an engine prints and ends with; statuses of 100 and above are refusals and faults.
fn run(file: &Path, tier: &str) -> (String, Option<i32>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_conformance"));
    let output = child
        .args(["child", "--tier", tier])
        .arg(file)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (text.into_owned(), output.status.code())
}

fn cases() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let entries = std::fs::read_dir(dir).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_tier_does_what_the_interpreter_does() {
    for file in cases() {
        let judge = run(&file, "interp");
        assert!(
            matches!(judge.1, Some(0..100)),
            "{}: {judge:?}",
            file.display()
        );
        for tier in TIERS {
            assert_eq!(run(&file, tier), judge, "{} at {tier}", file.display());
        }
    }
}
