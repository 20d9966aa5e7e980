//! Compiles the guests: C to bitcode to LLBC, and natively for the results they must have.
//!
//! A guest's comment carries lines that start with `* check:` (a call whose result to compute),
//! `* fault:` or `* result:` (the outcome of `main`, where only the runtime decides it). From them
//! and from the native builds this script writes `modules.rs`, which `src/lib.rs` includes.
//!
//! clang runs inside `guests/` with relative names, so no path of this machine gets into a file.

use core::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, thread};

/// The compiler and the Debian package it is in.
const CLANG: &str = "clang-19";

/// How modules are compiled (BUILD-NOTES); the same flags as `bareflow cc` uses.
const MODULE_FLAGS: [&str; 8] = [
    "--target=i386-unknown-none-elf",
    "-m32",
    "-ffreestanding",
    "-nostdlib",
    "-fno-stack-protector",
    "-mlong-double-64",
    "-emit-llvm",
    "-c",
];

/// How the judge is compiled: the same pointer width, SSE arithmetic, nothing fused.
const NATIVE_FLAGS: [&str; 5] = [
    "-m32",
    "-msse2",
    "-mfpmath=sse",
    "-ffp-contract=off",
    "-Dmain=guest_main",
];

/// Two native builds that must print the same: an optimised one, and one that stops at undefined
/// behaviour.
const NATIVE_BUILDS: [&[&str]; 2] = [
    &["-O3"],
    &["-O0", "-fsanitize=undefined", "-fsanitize-trap=undefined"],
];

/// Name of a group in `modules.rs`, its documentation, the levels, and which files are in it.
struct Group {
    name: &'static str,
    doc: &'static str,
    levels: &'static [u8],
    holds: fn(&Path) -> bool,
}

const GROUPS: [Group; 6] = [
    Group {
        name: "DEMOS",
        doc: "The demo programs, each at -O0 to -O3; they make no host calls.",
        levels: &[0, 1, 2, 3],
        holds: |file| {
            let others = [
                "hello.c",
                "mix.c",
                "heartbeat.c",
                "publication.c",
                "tasks.c",
                "files.c",
            ];
            !is_bad(file) && !others.iter().any(|other| file.ends_with(other))
        },
    },
    Group {
        name: "HELLO",
        doc: "The program that prints a line, at -O0 to -O3.",
        levels: &[0, 1, 2, 3],
        holds: |file| file.ends_with("hello.c"),
    },
    Group {
        name: "MIX",
        doc: "Sixteen small functions for the stress test, at -O0 to -O3.",
        levels: &[0, 1, 2, 3],
        holds: |file| file.ends_with("mix.c"),
    },
    Group {
        name: "PROBES",
        doc: "Programs that observe the runtime: time without progress, order of publications.",
        levels: &[2],
        holds: |file| file.ends_with("heartbeat.c") || file.ends_with("publication.c"),
    },
    Group {
        name: "CALLS",
        doc: "Programs that need the runtime's tasks and files: their functions return 0 when all is right.",
        levels: &[0, 2],
        holds: |file| file.ends_with("tasks.c") || file.ends_with("files.c"),
    },
    Group {
        name: "BAD",
        doc: "Programs that do wrong, at -O0 and -O2: ended with a report, or refused by host calls.",
        levels: &[0, 2],
        holds: is_bad,
    },
];

/// What a guest's comment says.
struct Guest {
    /// Path relative to `guests/`.
    source: PathBuf,
    name: String,
    /// Function and arguments of each check.
    checks: Vec<(String, Vec<i32>)>,
    /// Rust expression for the outcome; `None` if the native builds tell.
    outcome: Option<String>,
}

/// Directories that everything below needs.
struct Place {
    guests: PathBuf,
    out: PathBuf,
}

fn main() {
    println!("cargo::rerun-if-changed=guests");
    println!("cargo::rerun-if-changed=build.rs");
    if let Err(message) = build() {
        for line in message.lines() {
            println!("cargo::error={line}");
        }
    }
}

fn build() -> Result<(), String> {
    let variable = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .ok_or(format!("{name} is not set"))
    };
    let place = Place {
        guests: variable("CARGO_MANIFEST_DIR")?.join("guests"),
        out: variable("OUT_DIR")?,
    };
    let mut sources = c_files(&place.guests, "")?;
    sources.extend(c_files(&place.guests, "bad")?);
    let mut code = String::new();
    for group in &GROUPS {
        let files: Vec<&PathBuf> = sources.iter().filter(|file| (group.holds)(file)).collect();
        let entries = group_entries(&place, &files, group.levels)?;
        let (name, doc, count) = (group.name, group.doc, entries.len());
        let _ = writeln!(code, "/// {doc}\npub static {name}: [Module; {count}] = [");
        code.extend(entries);
        code.push_str("];\n");
    }
    let file = place.out.join("modules.rs");
    fs::write(&file, code).map_err(|error| format!("{}: {error}", file.display()))
}

/// The lines of `modules.rs` for a group. Nearly all the time goes into waiting for clang, so the
/// guests are built side by side, as many as there are processors.
fn group_entries(place: &Place, files: &[&PathBuf], levels: &[u8]) -> Result<Vec<String>, String> {
    let width = thread::available_parallelism().map_or(1, usize::from);
    let mut entries = Vec::new();
    for chunk in files.chunks(width) {
        let built: Vec<_> = thread::scope(|scope| {
            let mut running = Vec::new();
            for &file in chunk {
                running.push(scope.spawn(move || guest_entries(place, file, levels)));
            }
            running
                .into_iter()
                .map(thread::ScopedJoinHandle::join)
                .collect()
        });
        for result in built {
            entries.extend(result.map_err(|_| "a builder thread panicked")??);
        }
    }
    Ok(entries)
}

fn is_bad(file: &Path) -> bool {
    file.starts_with("bad")
}

/// The C files of a folder below `guests/`, sorted, as paths relative to `guests/`.
fn c_files(guests: &Path, folder: &str) -> Result<Vec<PathBuf>, String> {
    let listing = fs::read_dir(guests.join(folder)).map_err(|e| format!("guests/{folder}: {e}"))?;
    let mut files: Vec<PathBuf> = listing
        .filter_map(|entry| Some(Path::new(folder).join(entry.ok()?.file_name())))
        .filter(|path| path.extension().is_some_and(|ending| ending == "c"))
        .collect();
    files.sort();
    Ok(files)
}

/// The lines of `modules.rs` for one guest at these levels.
fn guest_entries(place: &Place, source: &Path, levels: &[u8]) -> Result<Vec<String>, String> {
    let guest = read_guest(place, source)?;
    let name = &guest.name;
    let file_name = |level| format!("{name}-O{level}.llbc");
    for level in levels {
        compile_module(place, &guest, *level, &file_name(level))?;
    }
    let (checks, outcome) = match &guest.outcome {
        Some(outcome) => (String::new(), outcome.clone()),
        None => native_results(place, &guest)?,
    };
    let mut entries = Vec::new();
    for level in levels {
        let file_name = file_name(level);
        entries.push(format!(
            "    Module {{ name: {name:?}, level: {level}, file_name: {file_name:?}, \
             file: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{file_name}\")), \
             checks: &[{checks}], outcome: {outcome} }},\n"
        ));
    }
    Ok(entries)
}

fn read_guest(place: &Place, source: &Path) -> Result<Guest, String> {
    let text = fs::read_to_string(place.guests.join(source))
        .map_err(|error| format!("guests/{}: {error}", source.display()))?;
    let name = source
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mut guest = Guest {
        source: source.to_owned(),
        name,
        checks: Vec::new(),
        outcome: None,
    };
    for line in text.lines() {
        let Some((key, value)) = line.strip_prefix(" * ").and_then(|l| l.split_once(": ")) else {
            continue;
        };
        let wrong = || format!("guests/{}: cannot read \"{line}\"", source.display());
        match key {
            "check" => {
                let mut words = value.split_whitespace();
                let function = words.next().ok_or_else(wrong)?.to_owned();
                let args = words
                    .map(str::parse)
                    .collect::<Result<_, _>>()
                    .map_err(|_| wrong())?;
                guest.checks.push((function, args));
            }
            "fault" => {
                let fault = fault_variant(value).ok_or_else(wrong)?;
                guest.outcome = Some(format!("Outcome::Faults(Fault::{fault})"));
            }
            "result" => {
                let value: i32 = value.parse().map_err(|_| wrong())?;
                guest.outcome = Some(format!("Outcome::Returns({value})"));
            }
            _ => {}
        }
    }
    Ok(guest)
}

/// The variant of `Fault` that a comment names.
fn fault_variant(word: &str) -> Option<&'static str> {
    Some(match word {
        "bad-access" => "BadAccess",
        "bad-jump" => "BadJump",
        "divide-error" => "DivideError",
        "stack-overflow" => "StackOverflow",
        "out-of-time" => "OutOfTime",
        _ => return None,
    })
}

/// Compiles a guest to bitcode and writes its LLBC file.
fn compile_module(place: &Place, guest: &Guest, level: u8, to: &str) -> Result<(), String> {
    let bitcode = place.out.join(format!("{to}.bc"));
    let mut clang = Command::new(CLANG);
    clang
        .args(MODULE_FLAGS)
        .arg(format!("-O{level}"))
        .args(["-Wall", "-Wextra", "-Iinclude"]);
    run(clang
        .arg(&guest.source)
        .arg("-o")
        .arg(&bitcode)
        .current_dir(&place.guests))?;
    let bytes = fs::read(&bitcode).map_err(|error| format!("{to}: {error}"))?;
    let header = abi::Header {
        name: &guest.name,
        entry: "main",
        level,
    };
    let file = header
        .wrap(&bytes)
        .map_err(|error| format!("{to}: {error}"))?;
    fs::write(place.out.join(to), file).map_err(|error| format!("{to}: {error}"))
}

/// Runs a guest natively; returns the checks and the outcome as Rust expressions.
fn native_results(place: &Place, guest: &Guest) -> Result<(String, String), String> {
    let driver = place.out.join(format!("{}-driver.c", guest.name));
    fs::write(&driver, driver_source(guest)).map_err(|error| format!("driver.c: {error}"))?;
    let mut outputs = Vec::new();
    for flags in NATIVE_BUILDS {
        let program = place.out.join(format!("{}-native", guest.name));
        let mut clang = Command::new(CLANG);
        clang
            .args(NATIVE_FLAGS)
            .args(flags)
            .arg("-Iinclude")
            .arg(&guest.source)
            .arg(&driver);
        run(clang.arg("-o").arg(&program).current_dir(&place.guests)).map_err(|error| {
            format!("{error}\nnative 32-bit programs need: apt-get install gcc-multilib")
        })?;
        let source = guest.source.display();
        let output = run(&mut Command::new(&program));
        outputs.push(output.map_err(|error| format!("guests/{source} with {flags:?}: {error}"))?);
    }
    let results: Vec<&str> = outputs[0].lines().collect();
    if outputs.iter().any(|o| *o != outputs[0]) || results.len() != guest.checks.len() + 1 {
        let source = guest.source.display();
        return Err(format!(
            "guests/{source}: native builds disagree: {outputs:?}"
        ));
    }
    let mut checks = String::new();
    for ((function, args), expected) in guest.checks.iter().zip(&results) {
        let _ = write!(
            checks,
            "Check {{ function: {function:?}, args: &{args:?}, expected: {expected} }}, "
        );
    }
    let main = results[guest.checks.len()];
    Ok((checks, format!("Outcome::Returns({main})")))
}

/// C that prints the result of each check and of the guest's `main`, one per line.
///
/// The checks run twice, and only results that stay the same are printed, so a function that
/// remembers something between calls is caught here.
fn driver_source(guest: &Guest) -> String {
    let mut c = String::from(
        "#undef main\nint printf(const char *, ...);\nint guest_main(void);\n\
         int bf_write(unsigned fd, const void *data, unsigned length)\n\
         { (void)fd; (void)data; return (int)length; }\n",
    );
    let mut calls = String::new();
    for (index, (function, args)) in guest.checks.iter().enumerate() {
        let params = vec!["int"; args.len()].join(", ");
        let args: Vec<String> = args.iter().map(i32::to_string).collect();
        let _ = writeln!(c, "int {function}({params});");
        let _ = writeln!(
            calls,
            "    result[round][{index}] = {function}({});",
            args.join(", ")
        );
    }
    let count = guest.checks.len();
    let _ = write!(
        c,
        "int main(void)\n{{\n    int result[2][{count} + 1];\n\
         for (int round = 0; round < 2; round++) {{\n{calls}\
         result[round][{count}] = guest_main();\n    }}\n\
         for (int i = 0; i <= {count}; i++)\n        if (result[0][i] == result[1][i])\n\
         printf(\"%d\\n\", result[0][i]);\n    return 0;\n}}\n"
    );
    c
}

/// Runs a program to its end; returns what it printed.
fn run(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| {
        let hint = if program == CLANG {
            "\ninstall it: apt-get install clang-19"
        } else {
            ""
        };
        format!(
            "cannot run {program}: {error}{hint}\nor let `make setup` install all that is missing"
        )
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?}: {}\n{said}", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
