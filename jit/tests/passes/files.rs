//! File tests: what a pass makes of a function, written out.
//!
//! A file starts with `; passes: NAME…`, then comes a module, then the line `; becomes`, then the
//! functions that have a body as the passes leave them. `BLESS=1 cargo test` rewrites that part; the
//! diff is then for people to read. Every file also is a semantic test: each function of it that
//! takes only integers is run before and after on a few numbers.

use crate::support::{call, optimised, passes_named};
use ir::interp::Val;
use ir::{Module, TypeId, text, verify};
use jit::tier::opt::fuel::Fuel;
use std::fs;
use std::path::{Path, PathBuf};

const MARK: &str = "; becomes\n";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/filetests/passes")
}

#[test]
fn every_file_becomes_what_it_says() {
    let mut paths: Vec<_> = fs::read_dir(folder())
        .expect("the folder is there")
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "bfir"))
        .collect();
    paths.sort();
    assert!(paths.len() > 10, "only {} files", paths.len());
    let failures: Vec<_> = paths.iter().filter_map(|path| check(path)).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Checks one file; says what is wrong.
fn check(path: &Path) -> Option<String> {
    let source = fs::read_to_string(path).expect("the file is readable");
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let (input, expected) = match source.split_once(MARK) {
        Some((input, expected)) => (input, expected),
        None => (source.as_str(), ""),
    };
    let header = input.lines().next().unwrap_or_default();
    let passes = header
        .strip_prefix("; passes:")
        .expect("the first line names passes");
    let passes: Vec<_> = passes.split_whitespace().flat_map(passes_named).collect();
    let before = match text::parse(input) {
        Ok(module) => module,
        Err(error) => return Some(format!("{name}: {error}")),
    };
    if let Err(error) = verify::module(&before) {
        return Some(format!("{name}: {error}"));
    }
    let (after, _) = optimised(&before, &passes, Fuel::default());
    if let Some(difference) = behaves_differently(&before, &after) {
        return Some(format!("{name}: {difference}"));
    }
    let actual = bodies(&after);
    if actual == expected {
        return None;
    }
    if std::env::var_os("BLESS").is_some() {
        let input = input.trim_end();
        fs::write(path, format!("{input}\n\n{MARK}{actual}")).expect("the file is writable");
        return None;
    }
    Some(format!("{name}: expected\n{expected}\nbut it is\n{actual}"))
}

/// The functions that have a body, as text.
fn bodies(module: &Module) -> String {
    let ids = (0u32..).map(ir::FuncId).zip(&module.funcs);
    let defined = ids.filter(|(_, func)| func.body.is_some());
    let texts: Vec<_> = defined
        .map(|(id, _)| text::func_text(module, id, None).to_string())
        .collect();
    texts.concat().trim_start().to_string()
}

/// Runs what can be run with integers only, and compares.
fn behaves_differently(before: &Module, after: &Module) -> Option<String> {
    const NUMBERS: [u64; 6] = [0, 1, 2, 7, 0x80, u64::MAX];
    for func in before.funcs.iter().filter(|func| func.body.is_some()) {
        let (_, params, _) = before.types.signature(func.ty)?;
        let bits: Option<Vec<u32>> = params
            .iter()
            .map(|&ty| match ty {
                TypeId::PTR => None,
                _ => before.types.int_bits(ty).filter(|bits| *bits <= 64),
            })
            .collect();
        let Some(bits) = bits else {
            continue;
        };
        for round in 0..NUMBERS.len().pow(bits.len().min(2) as u32) {
            let pick =
                |at: usize| NUMBERS[(round / NUMBERS.len().pow(at as u32 % 2)) % NUMBERS.len()];
            let args: Vec<_> = (0..bits.len())
                .map(|at| Val::from(pick(at) & (u64::MAX >> (64 - bits[at]))))
                .collect();
            let expected = call(before, &func.name, &args);
            let actual = call(after, &func.name, &args);
            if expected != actual {
                return Some(format!(
                    "@{} {args:?} gave {expected:?}, now gives {actual:?}",
                    func.name
                ));
            }
        }
    }
    None
}
