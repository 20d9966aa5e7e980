//! The interpreter against the processor: random programs, compiled by clang for i386.
//!
//! The interpreter judges our compilers; this judges the interpreter. Programs of `ir::random` are
//! written as LLVM text and compiled natively. Without clang for i386 the test says so and passes.

use ir::interp::{self, Val};
use ir::random::{self, Config};
use ir::{Module, Op};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

#[path = "native/llvm.rs"]
mod llvm;

/// The compiler, and what makes it compute as we do.
const CLANG: &str = "clang-19";
const FLAGS: &[&str] = &[
    "-m32",
    "-msse2",
    "-mfpmath=sse",
    "-ffp-contract=off",
    "-Wno-override-module",
    "-Wno-psabi",
];

fn compile(folder: &Path, level: &str, inputs: &[&str], output: &str) -> Result<(), String> {
    let run = Command::new(CLANG)
        .current_dir(folder)
        .args(FLAGS)
        .arg(level)
        .args(inputs)
        .args(["-lm", "-o", output])
        .output()
        .map_err(|error| error.to_string())?;
    if run.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&run.stderr).into_owned())
}

/// Compiles and runs a program, interprets it, and compares. `distort` may change what is
/// interpreted in between.
fn check(folder: &Path, seed: u64, level: &str, distort: fn(&mut Module)) -> Result<(), String> {
    let mut module = random::module(seed, &Config::default());
    fs::write(folder.join("program.ll"), llvm::module(&module)).map_err(|e| e.to_string())?;
    compile(folder, level, &["program.ll", "helpers.o"], "program")?;
    let args = [
        i64::from(seed.wrapping_mul(0x9E37_79B9) as i32),
        seed as i64 - 7,
    ];
    let run = Command::new(folder.join("program"))
        .args(args.map(|arg| arg.to_string()))
        .output()
        .map_err(|error| error.to_string())?;
    let native = String::from_utf8_lossy(&run.stdout).trim().to_string();
    distort(&mut module);
    let entry = module.func_by_name("entry").ok_or("no entry")?;
    let values = [
        Val::from(args[0] as i32),
        Val::from(args[1].cast_unsigned()),
    ];
    let result = interp::run(&module, entry, &values, 10_000_000);
    let interpreted = result
        .map_err(|fault| fault.to_string())?
        .bits()
        .to_string();
    if native == interpreted {
        return Ok(());
    }
    Err(format!("native {native:?}, interpreted {interpreted}"))
}

/// A folder with the compiled helpers; `None`, with a word why, if there is no compiler.
fn prepare(name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).expect("the folder can be made");
    let helpers = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/native/helpers.c");
    let helpers = helpers.to_str().expect("paths are UTF-8");
    match compile(&folder, "-O1", &["-c", helpers], "helpers.o") {
        Ok(()) => Some(folder),
        Err(what) => {
            eprintln!("not run, as {CLANG} does not compile for i386: {what}");
            None
        }
    }
}

/// Turns the first addition of every function into a subtraction.
fn subtract(module: &mut Module) {
    for body in module
        .funcs
        .iter_mut()
        .filter_map(|func| func.body.as_mut())
    {
        if let Some(inst) = body.insts.iter_mut().find(|inst| inst.op == Op::Add) {
            inst.op = Op::Sub;
        }
    }
}

#[test]
fn a_wrong_operation_is_seen() {
    let Some(folder) = prepare("wrong") else {
        return;
    };
    let right = (0..4).filter(|&seed| check(&folder, seed, "-O0", subtract).is_ok());
    assert_eq!(right.count(), 0);
}

#[test]
fn the_interpreter_agrees_with_the_processor() {
    let Some(folder) = prepare("native") else {
        return;
    };
    // More seeds by hand: `IR_SEEDS=5000 cargo test -p ir --test native`.
    let seeds = env::var("IR_SEEDS").ok().and_then(|n| n.parse().ok());
    let mut failures = Vec::new();
    for seed in 0..seeds.unwrap_or(12) {
        let level = ["-O0", "-O2"][seed as usize % 2];
        if let Err(what) = check(&folder, seed, level, |_| ()) {
            failures.push(format!("seed {seed} {level}: {what}"));
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}
