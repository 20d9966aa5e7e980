//! Drives clang for tests. Where it is not installed, tests on real modules are skipped with a note.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The reader's test source: about everything that ordinary C makes clang write.
pub(super) const EVERYTHING: &str = include_str!("../../../bitcode/tests/everything.c");
/// Functions that use it and give numbers.
pub(super) const SEMANTICS: &str = include_str!("semantics.c");

/// A directory that is removed when the value goes.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // ORDERING: Relaxed; only the uniqueness of the number matters.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir =
            std::env::temp_dir().join(std::format!("load-test-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Versions of LLVM whose tools tests use when they are installed.
pub(super) const VERSIONS: [u32; 3] = [14, 16, 19];

/// Runs clang 19; `None` if there is none.
pub(super) fn clang(args: &[&str], input: &Path, output: &Path) -> Option<()> {
    clang_of(19, args, input, output)
}

/// Runs clang of this version; `None` if there is none.
fn clang_of(version: u32, args: &[&str], input: &Path, output: &Path) -> Option<()> {
    let run = Command::new(std::format!("clang-{version}"))
        .args(["-w", "-std=gnu17"])
        .args(args)
        .arg("-o")
        .arg(output)
        .arg(input)
        .output();
    let Ok(run) = run else {
        std::eprintln!("clang-{version} is not installed: tests on its modules are skipped");
        return None;
    };
    assert!(
        run.status.success(),
        "clang-{version} {args:?}: {}",
        String::from_utf8_lossy(&run.stderr)
    );
    Some(())
}

/// C to bitcode with the flags that modules are compiled with, and `flags`.
pub(super) fn bitcode(source: &str, flags: &[&str]) -> Option<Vec<u8>> {
    bitcode_of(19, source, flags)
}

/// As [`bitcode`], by this version.
pub(super) fn bitcode_of(version: u32, source: &str, flags: &[&str]) -> Option<Vec<u8>> {
    let scratch = Scratch::new();
    let input = scratch.write("in.c", source);
    let output = scratch.path("out.bc");
    let target = [
        "--target=i386-unknown-none-elf",
        "-m32",
        "-ffreestanding",
        "-nostdlib",
        "-fno-stack-protector",
    ];
    let mode = ["-mlong-double-64", "-ffp-contract=off", "-emit-llvm", "-c"];
    let args: Vec<&str> = target.iter().chain(&mode).chain(flags).copied().collect();
    clang_of(version, &args, &input, &output)?;
    Some(std::fs::read(&output).unwrap())
}

/// LLVM assembly to bitcode; `None` if there is no assembler.
pub(super) fn assemble(source: &str) -> Option<Vec<u8>> {
    assemble_by(19, source)
}

/// As [`assemble`], by this version. Before 15 it has to be told that pointers are opaque.
pub(super) fn assemble_by(version: u32, source: &str) -> Option<Vec<u8>> {
    assemble_with("-i128:128", version, source)
}

/// As [`assemble_by`], with what the data layout says of wide integers.
pub(super) fn assemble_with(wide: &str, version: u32, source: &str) -> Option<Vec<u8>> {
    let layout = std::format!(
        "e-m:e-p:32:32-p270:32:32-p271:32:32-p272:64:64{wide}-f64:32:64-f80:32-n8:16:32-S128"
    );
    let head = std::format!(
        "target datalayout = \"{layout}\"\ntarget triple = \"i386-unknown-none-elf\"\n"
    );
    let scratch = Scratch::new();
    let input = scratch.write("in.ll", &(head + source));
    let output = scratch.path("out.bc");
    let opaque: &[&str] = if version < 15 && !source.contains('*') {
        &["-opaque-pointers"]
    } else {
        &[]
    };
    let run = Command::new(std::format!("llvm-as-{version}"))
        .args(opaque)
        .arg("-o")
        .arg(&output)
        .arg(&input)
        .output()
        .ok()?;
    assert!(
        run.status.success(),
        "llvm-as-{version}: {}",
        String::from_utf8_lossy(&run.stderr)
    );
    Some(std::fs::read(&output).unwrap())
}

/// What the native program prints for `test(0)` to `test(count - 1)`.
pub(super) fn native(source: &str, count: u32) -> Option<Vec<u32>> {
    let scratch = Scratch::new();
    let input = scratch.write("all.c", &(source.to_string() + include_str!("native.c")));
    let program = scratch.path("program");
    let flags = [
        "-m32",
        "-O1",
        "-msse2",
        "-mfpmath=sse",
        "-ffp-contract=off",
        "-mlong-double-64",
    ];
    clang(&flags, &input, &program)?;
    let run = Command::new(&program)
        .arg(count.to_string())
        .output()
        .unwrap();
    assert!(run.status.success());
    let text = String::from_utf8(run.stdout).unwrap();
    Some(text.lines().map(|line| line.parse().unwrap()).collect())
}
