//! The bad programs do wrong by themselves: run natively, the operating system ends each of them.
//!
//! Otherwise a runtime that "contains" such a program might only be running a harmless one. Linux
//! tells less than BareFlow does (an address fault and a stack overflow are the same signal), so
//! the signal is all that is compared.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(clippy::std_instead_of_alloc, reason = "runs on the host")]

use modules::{BAD, Fault, Module, Outcome};
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const SIGFPE: i32 = 8;
const SIGSEGV: i32 = 11;

/// Compiles a bad program for i386 Linux at -O0.
fn native(name: &str) -> PathBuf {
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let output = Command::new("clang-19")
        .args(["-m32", "-msse2", "-w", "-Iinclude"])
        .arg(format!("bad/{name}.c"))
        .arg("-o")
        .arg(&program)
        .current_dir(guests)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    program
}

#[test]
fn linux_ends_every_program_that_faults() {
    // One entry per program: the levels share a source.
    let programs: BTreeMap<&str, &Module> =
        BAD.iter().map(|module| (module.name, module)).collect();
    for (name, module) in programs {
        let expected = match module.outcome {
            Outcome::Returns(_) | Outcome::Faults(Fault::OutOfTime) => continue,
            Outcome::Faults(Fault::DivideError) => SIGFPE,
            Outcome::Faults(_) => SIGSEGV,
        };
        let mut program = Command::new(native(name));
        // A core file, where those are on, belongs among the products.
        let status = program
            .current_dir(env!("CARGO_TARGET_TMPDIR"))
            .status()
            .unwrap();
        assert_eq!(status.signal(), Some(expected), "{name}: {status}");
    }
}
