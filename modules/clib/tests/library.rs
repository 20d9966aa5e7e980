//! The built library: complete, without duplicates, with nothing undefined but the host calls.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(clippy::std_instead_of_alloc, reason = "runs on the host")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Symbols of the archive: those that members define, with how often, and those that they use.
fn symbols() -> (BTreeMap<String, usize>, BTreeSet<String>) {
    let library = clib::ensure().unwrap();
    let output = Command::new("llvm-nm-19")
        .arg(library.archive)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (mut defined, mut used) = (BTreeMap::new(), BTreeSet::new());
    for line in text.lines() {
        let mut words = line.split_whitespace().rev();
        let (Some(name), Some(kind)) = (words.next(), words.next()) else {
            continue;
        };
        match kind {
            "T" | "D" | "R" | "B" | "C" => *defined.entry(name.to_owned()).or_insert(0) += 1,
            "W" | "V" => {
                defined.entry(name.to_owned()).or_insert(0);
            }
            "U" => {
                used.insert(name.to_owned());
            }
            _ => {}
        }
    }
    (defined, used)
}

#[test]
fn only_host_calls_and_main_are_undefined() {
    let (defined, used) = symbols();
    let own = ["main", "_GLOBAL_OFFSET_TABLE_"];
    let missing: Vec<&String> = used
        .iter()
        .filter(|name| !defined.contains_key(*name) && !own.contains(&name.as_str()))
        .filter(|name| !name.starts_with("bf_"))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn no_symbol_has_two_strong_definitions() {
    let (defined, _) = symbols();
    let twice: Vec<&String> = defined
        .iter()
        .filter(|(name, count)| **count > 1 && *name != "_dummy_link_syscalls")
        .map(|(name, _)| name)
        .collect();
    assert!(twice.is_empty(), "{twice:?}");
}

#[test]
fn the_functions_of_c11_and_some_of_posix_are_there() {
    let (defined, _) = symbols();
    for name in [
        "_start",
        "printf",
        "sscanf",
        "fopen",
        "malloc",
        "aligned_alloc",
        "qsort",
        "strtod",
        "strtold",
        "memcpy",
        "strlen",
        "isalpha",
        "towupper",
        "pow",
        "sqrtf",
        "fma",
        "fmodl",
        "cexp",
        "time",
        "strftime",
        "mktime",
        "signal",
        "raise",
        "abort",
        "atexit",
        "exit",
        "quick_exit",
        "setlocale",
        "getenv",
        "opendir",
        "readdir",
        "clock_gettime",
        "nanosleep",
        "thrd_create",
        "mtx_timedlock",
        "cnd_broadcast",
        "call_once",
        "tss_set",
        "__atomic_load_8",
        "__atomic_compare_exchange",
        "__atomic_fetch_max_8",
        "__muldc3",
        "__divdc3",
        "__mulsc3",
        "__powidf2",
        "bf_parallel_for",
        "regcomp",
        "fnmatch",
        "getopt",
        "__getreent",
        "ftruncate",
        "fcntl",
    ] {
        assert!(defined.contains_key(name), "{name}");
    }
}

#[test]
fn a_second_call_finds_what_the_first_has_built() {
    let library = clib::ensure().unwrap();
    let built = || {
        std::fs::metadata(&library.archive)
            .unwrap()
            .modified()
            .unwrap()
    };
    let before = built();
    assert_eq!(clib::ensure().unwrap(), library);
    assert_eq!(built(), before);
    assert!(library.include.join("stdio.h").is_file());
    assert!(library.include.join("bf/task.h").is_file());
}
