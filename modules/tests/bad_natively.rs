//! The bad programs do wrong by themselves: run natively, the operating system ends each of them.
//!
//! Otherwise a runtime that "contains" such a program might only be running a harmless one. Linux
//! tells less than BareFlow does (an address fault and a stack overflow are the same signal), so
//! the signal is all that is compared.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use modules::{BAD, Fault, Module, Outcome};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const SIGFPE: i32 = 8;
const SIGSEGV: i32 = 11;

/// Compiles a bad program for i386 Linux, at the level of its bitcode.
fn native(module: &Module) -> PathBuf {
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests");
    let (name, level) = (module.name, module.level);
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-O{level}"));
    let output = Command::new("clang-19")
        .args(["-m32", "-msse2", "-w", "-Iinclude"])
        .args([format!("-O{level}"), format!("bad/{name}.c")])
        .arg("-o")
        .arg(&program)
        .current_dir(guests)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    program
}

#[test]
fn linux_ends_every_program_that_faults() {
    for module in &BAD {
        let expected = match module.outcome {
            Outcome::Returns(_) | Outcome::Faults(Fault::OutOfTime) => continue,
            Outcome::Faults(Fault::DivideError) => SIGFPE,
            Outcome::Faults(_) => SIGSEGV,
        };
        let mut program = Command::new(native(module));
        // A core file, where those are on, belongs among the products.
        let status = program
            .current_dir(env!("CARGO_TARGET_TMPDIR"))
            .status()
            .unwrap();
        assert_eq!(
            status.signal(),
            Some(expected),
            "{}: {status}",
            module.file_name
        );
    }
}
