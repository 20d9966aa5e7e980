//! Compile time of one large source: bitcode bytes to code of every function, at every tier.
//!
//! Three ways to runnable code, side by side and interleaved: the engine's tier
//! (reading, verification and counters included, thread CPU time), the whole `llc-19` process of the same level on the
//! same bitcode, and V8 on the same source as WebAssembly where `node` and clang's `wasm-ld` are installed
//! (`WebAssembly.Module`, lazy compilation off, CPU time): Liftoff beside baseline, TurboFan beside the other tiers.
//!
//! Time is told for each instruction that is loaded and, where functions are inlined, of each body that is copied into a
//! function, once. Where it goes is measured in a run of its own, as reading a clock takes time, and so is
//! memory, as counting does.

use crate::Error;
use crate::child::children_ns;
use crate::contender::bitcode;
use crate::stats::median;
use jit::tier::Tier;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

/// What V8 runs: prints the CPU milliseconds of one compilation.
const COMPILE: &str = "\
const bytes = require('fs').readFileSync(process.argv[1]);
const before = process.cpuUsage();
new WebAssembly.Module(bytes);
const spent = process.cpuUsage(before);
console.log(JSON.stringify({ ms: (spent.user + spent.system) / 1000 }));";

/// Options that make V8 compile everything at once, on one thread.
const V8_FLAGS: &[&str] = &[
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
        "{:<5} {:<8} {:>7} {:>7} {:>8} {:>8} {:>7} {:>8} {:>6} {:>9} {:>7} {:>7}",
        "level",
        "tier",
        "insts",
        "copied",
        "load ms",
        "code ms",
        "ns/inst",
        "regalloc",
        "KiB",
        "B/inst",
        "llc",
        "V8"
    );
    for level in ["-O0", "-O2"] {
        let file = bitcode(&source.file, out, level, &source.flags)?;
        let wasm = wasm(source, out, level);
        if let Err(why) = &wasm {
            println!("no V8: {why}");
        }
        let wasm = wasm.ok();
        for tier in Tier::ALL {
            let contest = Contest {
                level,
                tier,
                file: &file,
                wasm: wasm.as_deref(),
                out,
            };
            lines.push(contest.line(rounds)?);
        }
    }
    fs::write(out.join("compile.json"), Value::from(lines).to_string())?;
    Ok(())
}

/// A line of the table: who compiles what.
#[derive(Debug)]
struct Contest<'a> {
    level: &'static str,
    tier: Tier,
    file: &'a Path,
    wasm: Option<&'a Path>,
    out: &'a Path,
}

impl Contest<'_> {
    /// The engine compiles; `also` is what is measured beside time.
    fn engine(&self, also: &[&str]) -> Result<Value, Error> {
        let mut command = Command::new(env::current_exe()?);
        command.args(["child", "compile"]).arg(self.file);
        json_of(command.arg(self.tier.name()).args(also))
    }

    /// CPU milliseconds of V8's compiler of about this tier.
    fn v8(&self, wasm: &Path) -> Result<Option<f64>, Error> {
        let compiler = match self.tier {
            Tier::Baseline => "--liftoff",
            _ => "--no-liftoff",
        };
        let mut node = Command::new("node");
        node.arg(compiler).args(V8_FLAGS);
        Ok(json_of(node.args(["-e", COMPILE]).arg(wasm))?["ms"].as_f64())
    }

    fn line(&self, rounds: usize) -> Result<Value, Error> {
        let (mut engine, mut llc, mut v8) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            engine.push(self.engine(&[])?);
            llc.push(llc_ms(self.file, self.tier, self.out)?);
            if let Some(wasm) = self.wasm {
                v8.extend(self.v8(wasm)?);
            }
        }
        let middle = |key: &str| {
            let samples = engine.iter().filter_map(|line| line[key].as_f64());
            median(&samples.collect::<Vec<_>>()).unwrap_or(f64::NAN)
        };
        let steps = self.engine(&["steps"])?;
        let memory = self.engine(&["memory"])?;
        let (insts, copied) = (middle("insts"), middle("copied_insts"));
        let (load, code) = (middle("load_ns") / 1e6, middle("compile_ns") / 1e6);
        let line = json!({
            "level": self.level, "tier": self.tier.name(), "insts": insts, "copied_insts": copied,
            "load_ms": load, "code_ms": code,
            "ns_per_inst": (load + code) * 1e6 / (insts + copied),
            "regalloc_ns_per_inst": steps["regalloc_ns"].as_f64().unwrap_or(0.0) / (insts + copied),
            "steps": steps["steps"], "code_bytes": middle("code_bytes"),
            "declined": middle("declined"), "funcs": middle("funcs"),
            "bytes_per_inst": memory["bytes_per_inst"], "kept_bytes": memory["kept_bytes"],
            "llc_ms": median(&llc), "v8_ms": median(&v8),
        });
        print(&line);
        Ok(line)
    }
}

/// A line for people.
fn print(line: &Value) {
    let number = |key: &str| line[key].as_f64().unwrap_or(f64::NAN);
    let peer = |key: &str| {
        let ms = line[key].as_f64();
        ms.map_or("-".to_owned(), |ms| format!("{ms:.0}"))
    };
    println!(
        "{:<5} {:<8} {:>7} {:>7} {:>8.1} {:>8.1} {:>7.0} {:>8.0} {:>6.0} {:>9.0} {:>7} {:>7}",
        line["level"].as_str().unwrap_or_default(),
        line["tier"].as_str().unwrap_or_default(),
        number("insts"),
        number("copied_insts"),
        number("load_ms"),
        number("code_ms"),
        number("ns_per_inst"),
        number("regalloc_ns_per_inst"),
        number("code_bytes") / 1024.0,
        number("bytes_per_inst"),
        peer("llc_ms"),
        peer("v8_ms"),
    );
    let (declined, kept) = (number("declined"), number("kept_bytes"));
    if declined > 0.0 {
        println!("      {declined} functions of {} declined", number("funcs"));
    }
    if kept > 0.0 {
        println!("      {kept} bytes are not given back");
    }
}

fn json_of(command: &mut Command) -> Result<Value, Error> {
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{command:?} ended with {}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// CPU milliseconds of one whole `llc` process at the level of the tier's number.
fn llc_ms(file: &Path, tier: Tier, out: &Path) -> Result<f64, Error> {
    let level = match tier {
        Tier::Baseline => "-O0",
        Tier::O1 => "-O1",
        Tier::O2 => "-O2",
        Tier::O3 => "-O3",
    };
    let before = children_ns();
    let status = Command::new("llc-19")
        .args([level, "-filetype=obj", "-o"])
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
