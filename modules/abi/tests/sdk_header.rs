//! `bareflow.h` says the same as the Rust tables: names, signatures, error numbers.
//!
//! A C file is generated from the tables, made of declarations that only compile if the header
//! agrees, and given to clang with every warning an error. The other direction, that the header
//! declares nothing the tables do not know, is a comparison of names.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    reason = "runs on the host"
)]

use abi::{Errno, HostCall, Type};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

const SDK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../guests/include");

/// C that compiles only where `host_calls` and `errnos` match what the header declares.
fn checks(host_calls: &[HostCall], errnos: &[(Errno, i32)]) -> String {
    let mut c = String::from("#include <bareflow.h>\n");
    for call in host_calls {
        let (symbol, signature) = (call.symbol(), call.signature());
        let result = signature.result.map_or("void", |r| kind(r).1);
        let mut params: Vec<&str> = signature.args.iter().map(|&a| kind(a).0).collect();
        if params.is_empty() {
            params.push("void");
        }
        let params = params.join(", ");
        writeln!(c, "{result} (*const check_{symbol})({params}) = {symbol};").unwrap();
    }
    for (errno, number) in errnos {
        writeln!(
            c,
            "_Static_assert({} == {number}, \"errno\");",
            errno.c_name()
        )
        .unwrap();
    }
    c
}

/// The C types, as argument and as result, of a type of the table.
fn kind(ty: Type) -> (&'static str, &'static str) {
    match ty {
        Type::I32 => ("unsigned", "int"),
        Type::I64 => ("unsigned long long", "long long"),
        Type::Ptr => ("const void *", "void *"),
    }
}

/// Whether clang accepts the file without a warning.
fn compiles(name: &str, source: &str) -> bool {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&file, source).unwrap();
    let status = Command::new("clang-19")
        .args(["--target=i386-unknown-none-elf", "-m32", "-ffreestanding"])
        .args(["-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-I", SDK])
        .arg(&file)
        .output()
        .expect("clang-19 must be installed: apt-get install clang-19");
    status.status.success()
}

fn errnos() -> Vec<(Errno, i32)> {
    Errno::ALL.iter().map(|&e| (e, e.number())).collect()
}

#[test]
fn the_header_declares_what_the_tables_say() {
    assert!(compiles("agrees.c", &checks(&HostCall::ALL, &errnos())));
}

#[test]
fn a_wrong_error_number_would_be_noticed() {
    let wrong = [(Errno::BadPointer, Errno::BadPointer.number() + 1)];
    assert!(!compiles("wrong_errno.c", &checks(&[], &wrong)));
}

#[test]
fn a_wrong_signature_would_be_noticed() {
    let source = checks(&[HostCall::Write], &[]).replace("int (*", "long long (*");
    assert!(!compiles("wrong_signature.c", &source));
}

#[test]
fn the_header_declares_nothing_else() {
    let header = std::fs::read_to_string(Path::new(SDK).join("bareflow.h")).unwrap();
    let declared: BTreeSet<&str> = header
        .lines()
        .filter(|line| !line.trim_start().starts_with(['*', '/', '#']))
        .filter_map(|line| line.split_once('(')?.0.rsplit([' ', '*']).next())
        .filter(|name| name.starts_with("bf_"))
        .collect();
    let known: BTreeSet<&str> = HostCall::ALL.iter().map(|c| c.symbol()).collect();
    assert_eq!(declared, known);
}
