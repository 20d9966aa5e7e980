//! Compile time of one large source: bitcode bytes to code of every function.
//!
//! Three ways to runnable unoptimised code, side by side and interleaved: the engine's baseline tier
//! (reading, verification and counters included, thread CPU time), the whole `llc-19 -O0`
//! process on the same bitcode, and V8's Liftoff on the same source as WebAssembly where `node`,
//! and clang's `wasm-ld` are installed (`WebAssembly.Module`, lazy compilation off, CPU time).

use crate::Error;
use crate::child::children_ns;
use crate::contender::bitcode;
use crate::stats::median;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

/// What V8 runs: prints the CPU milliseconds of one compilation.
const LIFTOFF: &str = "\
const bytes = require('fs').readFileSync(process.argv[1]);
const before = process.cpuUsage();
new WebAssembly.Module(bytes);
const spent = process.cpuUsage(before);
console.log(JSON.stringify({ ms: (spent.user + spent.system) / 1000 }));";

/// Options that make V8 compile everything at once, on one thread, by Liftoff.
const V8_FLAGS: &[&str] = &[
    "--liftoff",
    "--no-wasm-tier-up",
    "--no-wasm-dynamic-tiering",
    "--no-wasm-lazy-compilation",
    "--single-threaded",
];

/// A large C file, and what clang needs besides to compile it.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// The file.
    pub(crate) file: PathBuf,
    /// Definitions and folders of headers.
    pub(crate) flags: Vec<String>,
}

impl Source {
    /// A file of the user's, with the words of the environment variable `BENCH_CFLAGS`.
    pub(crate) fn file(file: PathBuf) -> Self {
        let words = env::var("BENCH_CFLAGS").unwrap_or_default();
        let flags = words.split_whitespace().map(str::to_owned).collect();
        Self { file, flags }
    }

    /// SQLite as `make programs` tests it, with the C library's headers.
    ///
    /// # Errors
    /// cargo cannot fetch the source, or the library's sources are missing.
    pub(crate) fn sqlite() -> Result<Self, Error> {
        let program = clib::programs::find("sqlite").ok_or("no such program")?;
        let (file, flags) = program.source()?.ok_or("it has no source")?;
        Ok(Self { file, flags })
    }
}

/// Measures `source` and prints a table; writes `compile.json` to `out`.
///
/// # Errors
/// A compiler is missing or refuses the source.
pub(crate) fn run(source: &Source, out: &Path, rounds: usize) -> Result<(), Error> {
    let mut lines = Vec::new();
    println!(
        "{:<6} {:>9} {:>10} {:>10} {:>10} {:>9} {:>10} {:>10}",
        "level", "insts", "load ms", "code ms", "ns/inst", "KiB", "llc -O0", "Liftoff"
    );
    for level in ["-O0", "-O2"] {
        let file = bitcode(&source.file, out, level, &source.flags)?;
        let wasm = wasm(source, out, level);
        if let Err(why) = &wasm {
            println!("no Liftoff: {why}");
        }
        let wasm = wasm.ok();
        lines.push(level_line(level, &file, wasm.as_deref(), out, rounds)?);
    }
    fs::write(out.join("compile.json"), Value::from(lines).to_string())?;
    Ok(())
}

fn level_line(
    level: &str,
    file: &Path,
    wasm: Option<&Path>,
    out: &Path,
    rounds: usize,
) -> Result<Value, Error> {
    let (mut engine, mut llc, mut v8) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        engine.push(json_of(
            Command::new(env::current_exe()?)
                .args(["child", "compile"])
                .arg(file)
                .arg("baseline"),
        )?);
        llc.push(llc_ms(file, out)?);
        if let Some(wasm) = wasm {
            let line = json_of(
                Command::new("node")
                    .args(V8_FLAGS)
                    .args(["-e", LIFTOFF])
                    .arg(wasm),
            )?;
            v8.extend(line["ms"].as_f64());
        }
    }
    let middle = |key: &str| {
        let samples: Vec<f64> = engine
            .iter()
            .filter_map(|line| line[key].as_f64())
            .collect();
        median(&samples).unwrap_or(f64::NAN)
    };
    let insts = middle("insts");
    let (load, code) = (middle("load_ns") / 1e6, middle("compile_ns") / 1e6);
    let per_inst = (load + code) * 1e6 / insts;
    let llc = median(&llc).unwrap_or(f64::NAN);
    let v8 = median(&v8);
    println!(
        "{level:<6} {insts:>9} {load:>10.1} {code:>10.1} {per_inst:>10.0} {:>9.0} {llc:>10.0} {:>10}",
        middle("code_bytes") / 1024.0,
        v8.map_or("-".to_owned(), |ms| format!("{ms:.0}")),
    );
    if middle("declined") > 0.0 {
        println!(
            "       {} functions of {} declined",
            middle("declined"),
            middle("funcs")
        );
    }
    Ok(json!({
        "level": level, "insts": insts, "load_ms": load, "code_ms": code,
        "ns_per_inst": per_inst, "code_bytes": middle("code_bytes"),
        "declined": middle("declined"), "peak_kib": middle("peak_kib"),
        "llc_o0_ms": llc, "liftoff_ms": v8,
    }))
}

fn json_of(command: &mut Command) -> Result<Value, Error> {
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{command:?} ended with {}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// CPU milliseconds of one whole `llc -O0` process.
fn llc_ms(file: &Path, out: &Path) -> Result<f64, Error> {
    let before = children_ns();
    let status = Command::new("llc-19")
        .args(["-O0", "-filetype=obj", "-o"])
        .arg(out.join("compile.o"))
        .arg(file)
        .status()?;
    if !status.success() {
        return Err(format!("llc-19 ended with {status}").into());
    }
    Ok((children_ns() - before) / 1e6)
}

/// The source as a WebAssembly module, optimised like the engine's input.
fn wasm(source: &Source, out: &Path, level: &str) -> Result<PathBuf, Error> {
    if Command::new("node").arg("--version").output().is_err() {
        return Err("node is not installed".into());
    }
    let target = out.join(format!("compile{level}.wasm"));
    let mut clang = Command::new("clang-19");
    clang.args(["--target=wasm32-unknown-unknown", level, "-msimd128", "-w"]);
    clang.args(&source.flags);
    // newlib knows no WebAssembly, and asks which end of a number comes first.
    clang.arg("-D__IEEE_LITTLE_ENDIAN");
    clang.args([
        "-nostdlib",
        "-Wl,--no-entry",
        "-Wl,--export-all",
        "-Wl,--allow-undefined",
    ]);
    let status = clang.arg(&source.file).arg("-o").arg(&target).status()?;
    if status.success() {
        Ok(target)
    } else {
        Err("clang-19 with wasm-ld refuses the source".into())
    }
}
