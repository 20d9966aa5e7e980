//! From a failing case to a few lines: `reduce FILE`.
//!
//! 1. **C.** Functions, then lines are left out while the case still fails *and is still a valid judge*: clang
//!    must have no objection, a build with trapping sanitizers must run to its end, native -O0 and -O1
//!    must agree, and so must clang's own back end on the bitcode. The result is `FILE.reduced.c`.
//! 2. **IR.** The bitcode of what is left is printed as text IR; functions and lines are left out, branches
//!    made unconditional and operands made constants, while it still verifies and the interpreter and the engine still
//!    disagree. The result is `FILE.reduced.bfir`, which is a file test as it stands: put it into
//!    `tools/conformance/tests/cases`. If the interpreter is at fault, there is no judge for this step.
//!
//! Everything runs in child processes with limits, so a candidate that loops or crashes just fails the test.

mod shrink;

use crate::Failure;
use crate::child::{self, Engine};
use crate::compile::{Config, Workshop};
use crate::judge::{self, Verdict};
use crate::process::End;
use shrink::Budget;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Objections of clang that make a program no judge.
const STRICT: &[&str] = &[
    "-Wno-everything",
    "-Werror=uninitialized",
    "-Werror=sometimes-uninitialized",
    "-Werror=conditional-uninitialized",
    "-Werror=return-type",
    "-Werror=implicit-function-declaration",
    "-Werror=array-bounds",
    "-Werror=unsequenced",
    "-Werror=strict-prototypes",
];
/// Undefined behaviour becomes a trap; no library is needed for that.
const SANITIZE: &[&str] = &[
    "-fsanitize=undefined,float-cast-overflow",
    "-fno-sanitize=function,alignment",
    "-fsanitize-trap=all",
];
/// Tests of a reduction of C, and of one of IR.
const C_TESTS: u32 = 1500;
const IR_TESTS: u32 = 4000;

/// What fails.
#[derive(Clone, Copy, Debug)]
struct Target {
    config: Config,
    engine: Engine,
}

/// Reads the command line and reduces.
pub(crate) fn main(mut parser: lexopt::Parser) -> Result<ExitCode, Failure> {
    use lexopt::prelude::*;
    let (mut file, mut config, mut engine) = (None::<PathBuf>, None, None);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("compiler") => config = Some(parser.value()?.string()?.parse::<Config>()?),
            Long("tier") => engine = Some(parser.value()?.string()?.parse::<Engine>()?),
            Value(path) => file = Some(path.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    let file = file.ok_or("reduce: wants a file: .c or .bfir")?;
    let dir = std::env::temp_dir().join(format!("conformance-reduce-{}", std::process::id()));
    let shop = Workshop::new(&dir)?;
    let outcome = reduce(&file, config, engine, &shop);
    fs::remove_dir_all(&dir)?;
    outcome?;
    Ok(ExitCode::SUCCESS)
}

fn reduce(
    file: &Path,
    config: Option<Config>,
    engine: Option<Engine>,
    shop: &Workshop,
) -> Result<(), Failure> {
    let text = fs::read_to_string(file)?;
    if file.extension().is_some_and(|kind| kind == "bfir") {
        return reduce_ir(file, &text, engine, shop);
    }
    let source = shop.file("candidate.c");
    fs::write(&source, &text)?;
    let target = find_failure(&source, config, engine, shop)?;
    println!("fails: {} {}", target.config, target.engine);
    let out = file.with_extension("reduced.c");
    let mut test = |text: &str| fails_in_c(text, target, &source, shop) && keep(&out, text);
    if !test(&text) {
        return Err("the case fails, but it is no valid judge: undefined behaviour?".into());
    }
    let mut budget = Budget(C_TESTS);
    let units = shrink::shrink(shrink::top_level(&text), &mut budget, &mut test);
    let lines = shrink::shrink(shrink::lines(&units.concat()), &mut budget, &mut test);
    let reduced = lines.concat();
    let out = file.with_extension("reduced.c");
    fs::write(&out, &reduced)?;
    println!(
        "{} lines of {} are left: {}",
        lines.len(),
        text.lines().count(),
        out.display()
    );
    fs::write(&source, &reduced)?;
    let bitcode = shop.bitcode(target.config, &source)?;
    let module = child::load(&bitcode)?;
    let text = child::text(&module);
    if target.engine == Engine::Interpreter {
        println!("the interpreter is at fault, so the IR has no judge");
        return Ok(());
    }
    reduce_ir(file, &text, Some(target.engine), shop)
}

/// The first of the configurations and engines that fails.
fn find_failure(
    source: &Path,
    config: Option<Config>,
    engine: Option<Engine>,
    shop: &Workshop,
) -> Result<Target, Failure> {
    let expected = judge::expect(source, shop)??;
    let configs = config.map_or_else(crate::options::configs, |config| vec![config]);
    let engines = engine.map_or(Engine::ALL.to_vec(), |engine| vec![engine]);
    for config in configs {
        let Ok(bitcode) = shop.bitcode(config, source) else {
            continue;
        };
        for &engine in &engines {
            if judge::run_engine(&bitcode, engine, &expected)?.is_failure() {
                return Ok(Target { config, engine });
            }
        }
    }
    Err("nothing fails".into())
}

/// Whether `text` is a valid program that `target` gets wrong.
fn fails_in_c(text: &str, target: Target, source: &Path, shop: &Workshop) -> bool {
    let judged = || -> Result<bool, Failure> {
        fs::write(source, text)?;
        let expected = judge::expect(source, shop)??;
        let bitcode = shop.bitcode(target.config, source)?;
        if !judge::run_engine(&bitcode, target.engine, &expected)?.is_failure() {
            return Ok(false);
        }
        let strict = [&["-O0"], STRICT, SANITIZE].concat();
        let sanitized = judge::run_native(&shop.native(source, 0, &strict)?)?;
        let by_llc = judge::run_native(&shop.native_of_bitcode(&bitcode)?)?;
        let same = [sanitized, by_llc].map(|output| judge::compare(&output, &expected));
        Ok(same.iter().all(|verdict| *verdict == Verdict::Agrees))
    };
    judged().unwrap_or(false)
}

fn reduce_ir(
    file: &Path,
    text: &str,
    engine: Option<Engine>,
    shop: &Workshop,
) -> Result<(), Failure> {
    let candidate = shop.file("candidate.bfir");
    let engine = match engine {
        Some(engine) => engine,
        None => {
            let mut wrong = Engine::ALL.into_iter().skip(1);
            let fails = |engine: &Engine| fails_in_ir(text, *engine, &candidate);
            wrong
                .find(fails)
                .ok_or("no engine disagrees with the interpreter")?
        }
    };
    let out = file.with_extension("reduced.bfir");
    let mut test = |text: &str| fails_in_ir(text, engine, &candidate) && keep(&out, text);
    if !test(text) {
        return Err(format!("the interpreter agrees with {engine} on the text").into());
    }
    let mut budget = Budget(IR_TESTS);
    let units = shrink::shrink(shrink::top_level(text), &mut budget, &mut test);
    let mut lines = shrink::shrink(shrink::lines(&units.concat()), &mut budget, &mut test);
    loop {
        let before = lines.clone();
        lines = shrink::simplify(lines, &mut budget, simpler_ir, &mut test);
        lines = shrink::shrink(lines, &mut budget, &mut test);
        if lines == before {
            break;
        }
    }
    println!(
        "{} lines of IR are left, wrong at {engine}: {}",
        lines.len(),
        out.display()
    );
    Ok(())
}

/// Keeps what a reduction has reached: it may be ended at any time.
fn keep(out: &Path, text: &str) -> bool {
    fs::write(out, text).is_ok()
}

/// Whether the interpreter has an opinion on `text`, and `engine` another one.
fn fails_in_ir(text: &str, engine: Engine, candidate: &Path) -> bool {
    let judged = || -> Result<bool, Failure> {
        fs::write(candidate, text)?;
        if child::load(candidate).is_err() {
            return Ok(false);
        }
        let judge = judge::engine_output(candidate, Engine::Interpreter)?;
        if !matches!(judge.end, End::Exit(0..=99)) {
            return Ok(false);
        }
        let ours = judge::engine_output(candidate, engine)?;
        let declined = matches!(ours.end, End::Exit(child::DECLINED | child::REFUSED));
        Ok(!declined && (ours.end != judge.end || ours.stdout != judge.stdout))
    };
    judged().unwrap_or(false)
}

/// Simpler lines in place of a line of text IR: unconditional branches, constant operands.
fn simpler_ir(line: &str) -> Vec<String> {
    let trimmed = line.trim_start();
    if let Some(rest) = trimmed.strip_prefix("br ") {
        let labels = rest
            .split(',')
            .map(str::trim)
            .filter(|word| word.starts_with("bb"));
        return labels.map(|label| format!("  br {label}\n")).collect();
    }
    let Some((result, operation)) = line.split_once(" = ") else {
        return Vec::new();
    };
    let uses = operation.match_indices('%').map(|(at, _)| at);
    let replaced = |at: usize| {
        let name = operation[at + 1..].find(|c: char| !c.is_ascii_alphanumeric());
        let end = name.map_or(operation.len(), |length| at + 1 + length);
        format!("{result} = {}zero{}", &operation[..at], &operation[end..])
    };
    uses.map(replaced).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_ir_get_simpler() {
        assert_eq!(
            simpler_ir("  br i1 %3, bb1, bb2\n"),
            ["  br bb1\n", "  br bb2\n"]
        );
        let expected = ["  %4 = add i32 zero, %2\n", "  %4 = add i32 %3, zero\n"];
        assert_eq!(simpler_ir("  %4 = add i32 %3, %2\n"), expected);
    }
}
