//! `bareflow.h` says the same as the Rust tables: names, signatures, error numbers.
//!
//! clang translates the header's declarations into LLVM's types, which are compared with the tables'
//! signatures; constants are static assertions, with every warning an error. The other direction, that
//! the header declares nothing the tables do not know, is a comparison of names.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    reason = "runs on the host"
)]

use abi::{Errno, HostCall, Type, file};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

const SDK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../guests/include");

/// C that compiles only where `errnos` match what the header defines.
fn checks(errnos: &[(Errno, i32)]) -> String {
    let mut c = String::from("#include <bareflow.h>\n");
    for (errno, number) in errnos {
        let name = errno.c_name();
        writeln!(c, "_Static_assert({name} == {number}, \"errno\");").unwrap();
    }
    let open = [
        ("READ", file::open::READ),
        ("WRITE", file::open::WRITE),
        ("CREATE", file::open::CREATE),
        ("TRUNCATE", file::open::TRUNCATE),
        ("APPEND", file::open::APPEND),
        ("EXCLUSIVE", file::open::EXCLUSIVE),
        ("DIRECTORY", file::open::DIRECTORY),
    ];
    for (name, bit) in open {
        writeln!(c, "_Static_assert(BF_OPEN_{name} == {bit}, \"flag\");").unwrap();
    }
    let sizes = [
        ("sizeof(struct bf_stat)", file::STAT_BYTES),
        ("BF_MAX_PATH", file::MAX_PATH),
        ("BF_MAX_OPEN", file::MAX_OPEN),
        ("BF_MAX_TASKS", file::MAX_TASKS),
        ("BF_KIND_FILE", file::Kind::File as usize),
        ("BF_KIND_DIRECTORY", file::Kind::Directory as usize),
        ("BF_KIND_CONSOLE", file::Kind::Console as usize),
    ];
    for (name, size) in sizes {
        writeln!(c, "_Static_assert({name} == {size}, \"size\");").unwrap();
    }
    c
}

/// `result (argument, …)` in LLVM's words.
fn expected(call: HostCall) -> String {
    let word = |ty| match ty {
        Type::I32 => "i32",
        Type::I64 => "i64",
        Type::Ptr => "ptr",
    };
    let signature = call.signature();
    let args: Vec<&str> = signature.args.iter().map(|&arg| word(arg)).collect();
    let result = signature.result.map_or("void", word);
    format!("{result} ({})", args.join(", "))
}

/// What clang makes of the header's declarations: name and `result (argument, …)`.
fn declared(header: &str) -> BTreeMap<String, String> {
    let mut source = format!("{header}\nvoid *const all[] = {{\n");
    for call in HostCall::ALL {
        writeln!(source, "(void *){},", call.symbol()).unwrap();
    }
    source.push_str("};\n");
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("declared.c");
    std::fs::write(&file, source).unwrap();
    let output = clang()
        .args(["-S", "-emit-llvm", "-o", "-"])
        .arg(&file)
        .output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    text.lines().filter_map(declaration).collect()
}

/// `declare RESULT @NAME(ARGUMENT ATTRIBUTES, …) …`.
fn declaration(line: &str) -> Option<(String, String)> {
    let (result, rest) = line.strip_prefix("declare ")?.split_once(" @")?;
    let result = result.rsplit(' ').next()?;
    let (name, rest) = rest.split_once('(')?;
    let args = rest.split_once(')')?.0;
    let first = |arg: &str| arg.split_whitespace().next().unwrap_or_default().to_owned();
    let args: Vec<String> = args.split(", ").map(first).collect();
    Some((name.to_owned(), format!("{result} ({})", args.join(", "))))
}

fn clang() -> Command {
    let mut clang = Command::new("clang-19");
    clang
        .args(["--target=i386-unknown-none-elf", "-m32", "-ffreestanding"])
        .args(["-Wall", "-Wextra", "-Werror", "-I", SDK]);
    clang
}

/// Whether clang accepts the file without a warning.
fn compiles(name: &str, source: &str) -> bool {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&file, source).unwrap();
    let output = clang().arg("-fsyntax-only").arg(&file).output();
    output
        .expect("clang-19 must be installed: apt-get install clang-19")
        .status
        .success()
}

fn errnos() -> Vec<(Errno, i32)> {
    Errno::ALL.iter().map(|&e| (e, e.number())).collect()
}

#[test]
fn the_header_declares_what_the_tables_say() {
    assert!(compiles("agrees.c", &checks(&errnos())));
    let declared = declared("#include <bareflow.h>");
    for call in HostCall::ALL {
        assert_eq!(
            declared.get(call.symbol()),
            Some(&expected(call)),
            "{call:?}"
        );
    }
}

#[test]
fn a_wrong_error_number_would_be_noticed() {
    let wrong = [(Errno::BadPointer, Errno::BadPointer.number() + 1)];
    assert!(!compiles("wrong_errno.c", &checks(&wrong)));
}

#[test]
fn the_header_declares_nothing_else() {
    let header = std::fs::read_to_string(Path::new(SDK).join("bareflow.h")).unwrap();
    let declared: BTreeSet<&str> = header
        .lines()
        .filter(|line| !line.trim_start().starts_with(['*', '/', '#']))
        .map(|line| line.trim_start_matches("__attribute__((noreturn)) "))
        .filter_map(|line| line.split_once('(')?.0.rsplit([' ', '*']).next())
        .filter(|name| name.starts_with("bf_"))
        .collect();
    let known: BTreeSet<&str> = HostCall::ALL.iter().map(|c| c.symbol()).collect();
    assert_eq!(declared, known);
}
