//! Programs of several files: compiled apart, put into archives, linked, run with what they are granted.
#![expect(
    clippy::unwrap_used,
    reason = "a test: a failed expectation is a failed test"
)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::{env, fs, process, thread};

/// A directory of this test's own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let thread = format!("{:?}", thread::current().id());
        let name: String = thread.chars().filter(char::is_ascii_digit).collect();
        let path = env::temp_dir().join(format!("bareflow-link-{}-{name}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, content: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        text(&path)
    }

    fn path(&self, name: &str) -> String {
        text(&self.0.join(name))
    }

    /// Compiles C text to a file of bitcode with the command itself.
    fn object(&self, name: &str, source: &str) -> String {
        let source = self.write(&format!("{name}.c"), source);
        let object = self.path(&format!("{name}.o"));
        good(&bareflow(&[
            "cc",
            "-c",
            "-O1",
            "-g",
            "-ffreestanding",
            &source,
            "-o",
            &object,
        ]));
        object
    }

    fn archive(&self, name: &str, members: &[&str]) -> String {
        let archive = self.path(name);
        let mut ar = Command::new("llvm-ar-19");
        let output = ar.arg("rcs").arg(&archive).args(members).output().unwrap();
        good(&output);
        archive
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn bareflow(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bareflow"));
    command.args(args).output().unwrap()
}

/// Standard output of a command that ended well.
fn good(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Status and standard error of a command that did not.
fn bad(output: &Output) -> (Option<i32>, String) {
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), errors)
}

const MAIN: &str =
    "int twice(int);\nint main(int argc, char **argv) { (void)argv; return twice(argc) - 6; }\n";
const TWICE: &str = "int twice(int x) { return x * 2; }\n";

#[test]
fn modules_before_the_dashes_are_one_program() {
    let scratch = Scratch::new();
    let (main, twice) = (scratch.object("main", MAIN), scratch.object("twice", TWICE));
    good(&bareflow(&["run", &main, &twice, "--", "one", "two"]));
    good(&bareflow(&[
        "run", &main, "--lib", &twice, "--", "--stats", "two",
    ]));
    good(&bareflow(&["run", &main, "--lib", &twice, "one", "two"]));
}

#[test]
fn cc_joins_sources_objects_and_archives() {
    let scratch = Scratch::new();
    let (main, twice) = (scratch.object("main", MAIN), scratch.object("twice", TWICE));
    let unused = scratch.object(
        "unused",
        "int no_such_thing(void);\nint unused(void) { return no_such_thing(); }\n",
    );
    scratch.archive("libtwice.a", &[&unused, &twice]);
    let program = scratch.path("program.bc");
    let source = scratch.write("again.c", TWICE);
    for parts in [
        vec![main.as_str(), source.as_str()],
        vec![main.as_str(), twice.as_str()],
        vec![
            main.as_str(),
            "-L",
            text(&scratch.0).as_str(),
            "-ltwice",
            "-lm",
        ],
    ] {
        let mut words = vec!["cc", "-ffreestanding", "-o", &program];
        words.extend(parts);
        good(&bareflow(&words));
        good(&bareflow(&["run", &program, "--no-libc", "--", "a", "b"]));
    }
    let output = bareflow(&["cc", &main, "-lnone", "-o", &program]);
    let (status, errors) = bad(&output);
    assert_eq!(status, Some(66));
    assert!(
        errors.contains("no libnone.a in the directories of -L"),
        "{errors}"
    );
}

#[test]
fn an_archive_gives_the_members_that_are_needed() {
    let scratch = Scratch::new();
    let main = scratch.object("main", MAIN);
    let twice = scratch.object(
        "twice",
        "int half(void);\nint twice(int x) { return x * 4 / half(); }\n",
    );
    let half = scratch.object("half", "int half(void) { return 2; }\n");
    let unused = scratch.object(
        "unused",
        "int no_such_thing(void);\nint unused(void) { return no_such_thing(); }\n",
    );
    let archive = scratch.archive("lib.a", &[&half, &unused, &twice]);
    good(&bareflow(&[
        "run",
        &main,
        "--lib",
        &archive,
        "--no-libc",
        "--",
        "a",
        "b",
    ]));
}

#[test]
fn all_unresolved_symbols_are_listed_with_their_users() {
    let scratch = Scratch::new();
    let main = scratch.object(
        "main",
        "int f(void); extern int v; int g(void) { return f(); }\nint main(void) { return g() + f() + v; }\n",
    );
    let (status, errors) = bad(&bareflow(&["run", &main, "--no-libc"]));
    assert_eq!(status, Some(65));
    for line in [
        "unresolved symbols:",
        "f: used by ",
        "v: used by main (main)",
    ] {
        assert!(errors.contains(line), "{errors}");
    }
    let (status, errors) = bad(&bareflow(&["run", &main, &main, "--no-libc", "--"]));
    assert_eq!(status, Some(65));
    assert!(errors.contains("symbols defined twice:"), "{errors}");
}

#[test]
fn machine_code_and_damaged_archives_are_named() {
    let scratch = Scratch::new();
    let main = scratch.object("main", MAIN);
    let elf = scratch.write("elf.o", "\u{7f}ELF and so on");
    let (_, errors) = bad(&bareflow(&["cc", &main, &elf, "-o", &scratch.path("x.bc")]));
    assert!(
        errors.contains("elf.o: machine code; modules are made of bitcode"),
        "{errors}"
    );
    let damaged = scratch.write(
        "damaged.a",
        "!<arch>\nand nothing that makes sense behind it, for sixty bytes or more",
    );
    let (status, errors) = bad(&bareflow(&["run", &main, "--lib", &damaged]));
    assert_eq!(status, Some(65));
    assert!(
        errors.contains("damaged.a: rejected: no member's header at byte 8"),
        "{errors}"
    );
    let (status, errors) = bad(&bareflow(&["run", &damaged]));
    assert_eq!(status, Some(65));
    assert!(
        errors.contains("an archive; a program's first file is a module"),
        "{errors}"
    );
}

const CAT: &str = r#"
#include <bareflow.h>
int main(int argc, char **argv)
{
    char buffer[64];
    int fd = 0, count, length = 0;
    if (argc > 1) {
        while (argv[1][length]) length++;
        fd = bf_open(argv[1], length, BF_OPEN_READ);
    }
    if (fd < 0) return -fd;
    while ((count = bf_read(fd, buffer, sizeof buffer)) > 0) bf_write(1, buffer, count);
    return 0;
}
"#;

#[test]
fn a_program_reads_what_it_was_granted_and_nothing_else() {
    let scratch = Scratch::new();
    let cat = scratch.object("cat", CAT);
    let data = scratch.path("data");
    fs::create_dir(&data).unwrap();
    scratch.write("data/note", "granted\n");
    let own = bareflow(&["run", &cat, "--dir", &data, "note"]);
    assert_eq!(good(&own), "granted\n");
    let named = format!("{data}:in");
    assert_eq!(
        good(&bareflow(&["run", &cat, "--dir", &named, "/in/note"])),
        "granted\n"
    );
    let refused = |args: &[&str]| bareflow(args).status.code();
    assert_eq!(refused(&["run", &cat, "note"]), Some(13), "no grant");
    assert_eq!(
        refused(&["run", &cat, "--dir", &data, "../cat.o"]),
        Some(13)
    );
    assert_eq!(refused(&["run", &cat, "--dir", &named, "note"]), Some(2));
    let (status, errors) = bad(&bareflow(&["run", &cat, "--dir", &scratch.path("none")]));
    assert_eq!(status, Some(66));
    assert!(
        errors.contains("cannot grant a directory: ") && errors.contains("none"),
        "{errors}"
    );
}

#[test]
fn standard_input_reaches_the_program() {
    let scratch = Scratch::new();
    let cat = scratch.object("cat", CAT);
    let mut child = Command::new(env!("CARGO_BIN_EXE_bareflow"))
        .args(["run", &cat])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"typed\nlines\n")
        .unwrap();
    assert_eq!(good(&child.wait_with_output().unwrap()), "typed\nlines\n");
}

#[test]
fn constructors_and_destructors_run_around_main() {
    let scratch = Scratch::new();
    let say = "#include <bareflow.h>\n#define SAY(t) bf_write(1, t, sizeof t - 1)\n";
    let part = |name: &str| {
        format!(
            "{say}__attribute__((constructor)) static void begin(void) {{ SAY(\"+{name} \"); }}\n\
             __attribute__((destructor)) static void end(void) {{ SAY(\"-{name} \"); }}\n"
        )
    };
    let main = scratch.object(
        "main",
        &(part("a") + "int main(void) { SAY(\"main \"); return 0; }\n"),
    );
    let other = scratch.object("other", &part("b"));
    let output = bareflow(&["run", &main, &other, "--no-libc", "--"]);
    assert_eq!(good(&output), "+a +b main -b -a ");
}

#[test]
fn the_c_library_comes_by_itself() {
    let scratch = Scratch::new();
    let source = scratch.write(
        "hello.c",
        "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n\
         static void bye(void) { puts(\"bye\"); }\n\
         int main(int argc, char **argv)\n{\n    atexit(bye);\n    char *s = malloc(100);\n\
         strcpy(s, argv[argc - 1]);\n    printf(\"%s %d %.3f\\n\", s, argc, 3.14159);\n    exit(7);\n}\n",
    );
    let program = scratch.path("hello.bc");
    good(&bareflow(&["cc", "-O2", &source, "-o", &program]));
    for tier in ["baseline", "auto"] {
        let output = bareflow(&["run", &program, "--tier", tier, "word"]);
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "word 2 3.142\nbye\n",
            "{:?}",
            bad(&output)
        );
        assert_eq!(output.status.code(), Some(7));
    }
}
