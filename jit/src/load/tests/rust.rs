//! Rust programs: bitcode of the newest LLVM, and constructs that C compilers do not write.
//!
//! rustc comes with `core` for the machine that it runs on only, so its modules are of 64-bit
//! pointers and refused as they are. The functions here use none but to the stack, and mean the
//! same with the i386 layout; the guard is turned off for them.

use alloc::string::String;
use alloc::vec::Vec;
use std::process::Command;

use super::IGNORE_LAYOUT;
use super::clang::Scratch;
use super::{FUEL, computes};
use crate::load;

const SOURCE: &str = include_str!("program.rs");
/// Arguments of `test`.
const ARGUMENTS: [u32; 5] = [0, 1, 7, 100, 4_000_000_000];

/// Runs rustc; `None` if there is none.
fn rustc(scratch: &Scratch, source: &str, output: &str, args: &[&str]) -> Option<Vec<u8>> {
    let (input, output) = (scratch.write("in.rs", source), scratch.path(output));
    let run = Command::new("rustc")
        .args(["--edition=2024", "-Awarnings"])
        .args(args)
        .arg("-o")
        .arg(&output)
        .arg(&input)
        .output();
    let Ok(run) = run else {
        std::eprintln!("rustc is not installed: tests on its modules are skipped");
        return None;
    };
    assert!(
        run.status.success(),
        "rustc {args:?}: {}",
        String::from_utf8_lossy(&run.stderr)
    );
    Some(std::fs::read(&output).unwrap())
}

#[test]
fn modules_of_rustc_mean_what_the_native_program_computes() {
    let scratch = Scratch::new();
    let main = "fn main() { for n in std::env::args().skip(1) { \
                println!(\"{}\", test(n.parse().unwrap())); } }";
    let whole = std::format!("{SOURCE}\n{main}");
    if rustc(&scratch, &whole, "program", &["-O"]).is_none() {
        return;
    }
    let native = Command::new(scratch.path("program"))
        .args(ARGUMENTS.map(|n| std::format!("{n}")))
        .output()
        .unwrap();
    let native = String::from_utf8(native.stdout).unwrap();
    let expected: Vec<u32> = native.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(expected.len(), ARGUMENTS.len());
    let library = std::format!(
        "#![no_std]\n{SOURCE}\n#[panic_handler]\nfn p(_: &core::panic::PanicInfo<'_>) -> ! {{ loop {{}} }}"
    );
    let kind = ["--crate-type=lib", "-Cpanic=abort", "--emit=llvm-bc"];
    for flags in [
        &["-Copt-level=0", "-Coverflow-checks=off"][..],
        &["-Copt-level=1", "-g"],
        &["-Copt-level=3", "-Ctarget-cpu=x86-64-v3"],
    ] {
        let file = rustc(&scratch, &library, "out.bc", &[&kind, flags].concat()).unwrap();
        let refused = load::module(&file).unwrap_err();
        assert!(
            std::format!("{refused}").contains("data layout"),
            "{refused}"
        );
        IGNORE_LAYOUT.set(true);
        let what = std::format!("{flags:?}");
        let results = ARGUMENTS.into_iter().zip(expected.iter().copied());
        computes(&what, &file, FUEL, results);
        IGNORE_LAYOUT.set(false);
    }
}
