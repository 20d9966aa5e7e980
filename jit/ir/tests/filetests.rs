//! Runs the files in `tests/filetests`: each is parsed, printed, verified and interpreted, and says
//! in its comments what should come of it.
//!
//! ```text
//! ; run: @f(1, 2) = 3              calls a function (see `ir::filetest`)
//! ; error: function 0: %1: …       the verifier's message; then nothing is run
//! ; parse-error: 3:5: …            the parser's message
//! ```
//!
//! `BLESS=1 cargo test -p ir --test filetests` rewrites the expectations to what came out.

use core::fmt::Write as _;
use ir::filetest::{outcome_text, runs};
use ir::{TypeId, interp, text, verify};
use std::path::{Path, PathBuf};
use std::{env, fs};

/// More than any of the files needs.
const STEPS: u64 = 1_000_000;

#[test]
fn files_do_what_they_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/filetests");
    let mut paths = Vec::new();
    collect(&folder, &mut paths);
    paths.sort();
    assert!(
        paths.len() >= 100,
        "only {} files in {folder:?}",
        paths.len()
    );
    let mut failures = String::new();
    for path in &paths {
        if let Err(what) = check(path) {
            writeln!(failures, "{}: {what}", path.display()).unwrap();
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder exists") {
        let path = entry.expect("it can be listed").path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|ext| ext == "bfir") {
            paths.push(path);
        }
    }
}

/// Compares a file with what comes out, or rewrites it.
fn check(path: &Path) -> Result<(), String> {
    let source = fs::read_to_string(path).expect("the file is readable");
    let actual = with_outcomes(&source)?;
    if actual == source {
        return Ok(());
    }
    if env::var_os("BLESS").is_some() {
        fs::write(path, actual).expect("the file is writable");
        return Ok(());
    }
    let differ = |(want, got): &(&str, &str)| want != got;
    match source.lines().zip(actual.lines()).find(differ) {
        Some((want, got)) => Err(format!("expected\n  {want}\ngot\n  {got}")),
        None => Err("the number of expectations differs".into()),
    }
}

/// The file with its expectations replaced by what came out.
fn with_outcomes(source: &str) -> Result<String, String> {
    let module = match text::parse(source) {
        Ok(module) => module,
        Err(error) => return Ok(with_error(source, "parse-error", &error.to_string())),
    };
    if let Err(error) = verify::module(&module) {
        return Ok(with_error(source, "error", &error.to_string()));
    }
    let printed = text::module_text(&module).to_string();
    let again = text::parse(&printed).map_err(|error| format!("printed: {error}"))?;
    if text::module_text(&again).to_string() != printed {
        return Err("printing is no fixed point of parsing".into());
    }
    verify::module(&again).map_err(|error| format!("printed: {error}"))?;
    let mut lines: Vec<String> = source
        .lines()
        .filter(|line| !line.starts_with("; error:") && !line.starts_with("; parse-error:"))
        .map(String::from)
        .collect();
    if lines.len() != source.lines().count() {
        return Ok(lines.join("\n") + "\n");
    }
    for run in runs(source, &module)? {
        let func = module.func(run.func);
        let signature = module.types.signature(func.ty);
        let ret = signature.map_or(TypeId::VOID, |(ret, ..)| ret);
        let outcome = interp::run(&module, run.func, &run.args, STEPS);
        let text = outcome_text(&module.types, ret, &outcome);
        lines[run.line as usize - 1] = format!("; run: {} {text}", run.call);
    }
    Ok(lines.join("\n") + "\n")
}

/// The file with that error as its only expectation of one.
fn with_error(source: &str, kind: &str, what: &str) -> String {
    let line = format!("; {kind}: {what}");
    let is_error = |l: &&str| l.starts_with("; error:") || l.starts_with("; parse-error:");
    if !source.lines().any(|l| is_error(&l)) {
        return format!("{line}\n{source}");
    }
    let replaced = source.lines().map(|l| if is_error(&l) { &line } else { l });
    replaced.collect::<Vec<_>>().join("\n") + "\n"
}
