//! The command as a user types it: what it prints, and its exit status.
#![expect(
    clippy::unwrap_used,
    reason = "a test: a failed expectation is a failed test"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs, process, thread};

/// A directory of this test's own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let thread = format!("{:?}", thread::current().id());
        let name: String = thread.chars().filter(char::is_ascii_digit).collect();
        let path = env::temp_dir().join(format!("bareflow-cli-{}-{name}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Compiles C text with the command itself.
    fn module(&self, name: &str, source: &str, level: &str) -> PathBuf {
        let source = self.write(&format!("{name}.c"), source.as_bytes());
        let module = self.0.join(format!("{name}{level}.bc"));
        let output = bareflow(&["cc", text(&source), level, "-g", "-o", text(&module)]);
        assert!(output.status.success(), "{}", stderr(&output));
        module
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn bareflow(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bareflow"))
        .args(args)
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const HELLO: &str = r#"
#include <bareflow.h>
int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        int length = 0;
        while (argv[i][length]) length++;
        bf_write(1, argv[i], length);
        bf_write(1, "\n", 1);
    }
    return 40 + argc;
}
"#;

#[test]
fn main_gets_its_words_and_its_result_is_the_status() {
    let scratch = Scratch::new();
    for level in ["-O0", "-O2"] {
        let module = scratch.module("hello", HELLO, level);
        for tier in ["baseline", "o1", "auto"] {
            let output = bareflow(&["run", text(&module), "one", "two", "--tier", tier]);
            assert_eq!(
                stdout(&output),
                "one\ntwo\n",
                "{level} {tier} {}",
                stderr(&output)
            );
            assert_eq!(output.status.code(), Some(43));
        }
    }
}

#[test]
fn a_fault_is_reported_with_function_tier_and_line() {
    let scratch = Scratch::new();
    let source = "int load(int *p)\n{\n    return *p;\n}\nint main(void) { return load(0); }\n";
    let module = scratch.module("null", source, "-O0");
    for tier in ["baseline", "o1", "o2", "o3"] {
        let output = bareflow(&["run", text(&module), "--tier", tier]);
        assert_eq!(output.status.code(), Some(134));
        let report = stderr(&output);
        let expected = format!("null pointer, address 0x0, in load ({tier}) line 3");
        assert!(report.contains(&expected), "{report}");
        // Where `load` was inlined, the report says into what.
        let inlined = report.contains("line 3, inlined into main line 5");
        assert_eq!(inlined, tier >= "o2", "{report}");
    }
}

#[test]
fn a_fault_in_a_copy_of_a_copy_names_all_calls() {
    let scratch = Scratch::new();
    let source = "int divide(int a, int b)\n{\n    return a / b;\n}\n\
                  int share(int n)\n{\n    return divide(100, n) + 1;\n}\n\
                  int main(int argc, char **argv)\n{\n    return share(argc - 1);\n}\n";
    let module = scratch.module("share", source, "-O0");
    let output = bareflow(&["run", text(&module), "--tier", "o2"]);
    let report = stderr(&output);
    let expected = "in divide (o2) line 3, inlined into share line 7, inlined into main line 11";
    assert!(report.contains(expected), "{report}");
}

#[test]
fn every_wrong_guest_is_ended() {
    let scratch = Scratch::new();
    for guest in &modules::BAD {
        let module = scratch.write(guest.file_name, guest.file);
        let output = bareflow(&["run", text(&module), "--time-limit", "0.2"]);
        let expected = guest.main_result().map_or(134, |result| result & 0xff);
        assert_eq!(
            output.status.code(),
            Some(expected),
            "{}: {}",
            guest.file_name,
            stderr(&output)
        );
    }
}

#[test]
fn a_damaged_module_is_rejected_with_reason_and_place() {
    let scratch = Scratch::new();
    let guest = modules::find("hello", 0).unwrap();
    let mut bytes = guest.file.to_vec();
    bytes[130] ^= 1;
    let output = bareflow(&["run", text(&scratch.write("crc.llbc", &bytes))]);
    assert_eq!(output.status.code(), Some(65));
    assert!(stderr(&output).contains("rejected"), "{}", stderr(&output));
    let cut = &guest.file[128..1128];
    let output = bareflow(&["run", text(&scratch.write("cut.bc", cut))]);
    assert_eq!(output.status.code(), Some(65));
    assert!(stderr(&output).contains("bit "), "{}", stderr(&output));
}

#[test]
fn call_prints_the_result_as_c_would() {
    let scratch = Scratch::new();
    let source = "int sub(int a, int b) { return a - b; }\n\
                  double half(int a) { return a / 2.0; }\n\
                  long long wide(int a) { return (long long)a << 33; }\n";
    let module = scratch.module("values", source, "-O1");
    for tier in ["baseline", "o1"] {
        let call = |words: &[&str]| {
            let mut args = vec!["call", text(&module)];
            args.extend(words);
            args.extend(["--tier", tier]);
            let output = bareflow(&args);
            assert!(output.status.success(), "{}", stderr(&output));
            stdout(&output)
        };
        assert_eq!(call(&["sub", "3", "-4"]), "7\n");
        assert_eq!(call(&["sub", "3", "10"]), "-7\n");
        assert_eq!(call(&["half", "5"]), "2.5\n");
        assert_eq!(call(&["wide", "-1"]), "-8589934592\n");
    }
    let output = bareflow(&[
        "call",
        text(&module),
        "sub",
        "5",
        "1",
        "--repeat",
        "50",
        "--json",
    ]);
    assert!(
        stdout(&output).contains("\"result\":\"4\""),
        "{}",
        stdout(&output)
    );
}

#[test]
fn wrap_and_inspect_agree() {
    let scratch = Scratch::new();
    let module = scratch.module("hello", HELLO, "-O1");
    let wrapped = scratch.0.join("hello.llbc");
    let args = [
        "wrap",
        text(&module),
        "-o",
        text(&wrapped),
        "--name",
        "greeting",
        "--level",
        "1",
    ];
    assert!(bareflow(&args).status.success());
    let shown = stdout(&bareflow(&["inspect", text(&wrapped)]));
    for words in [
        "name       greeting",
        "entry      main",
        "level      -O1",
        "bf_write",
    ] {
        assert!(shown.contains(words), "{words} in {shown}");
    }
    assert_eq!(
        bareflow(&["run", text(&wrapped), "x"]).status.code(),
        Some(42)
    );
}

#[test]
fn dis_shows_ir_passes_and_code() {
    let scratch = Scratch::new();
    let module = scratch.module("hello", HELLO, "-O0");
    let file = text(&module);
    let ir = stdout(&bareflow(&["dis", file, "--ir"]));
    assert!(ir.contains("alloca") && ir.contains("@main"), "{ir}");
    let optimised = stdout(&bareflow(&["dis", file, "--ir", "--tier", "o1"]));
    assert!(
        !optimised.contains("alloca") && optimised.contains("phi"),
        "{optimised}"
    );
    for tier in ["baseline", "o1"] {
        let code = stdout(&bareflow(&[
            "dis",
            file,
            "--asm",
            "--tier",
            tier,
            "--function",
            "main",
        ]));
        assert!(
            code.contains("call qword ptr") && code.contains("ret"),
            "{code}"
        );
    }
    let unknown = bareflow(&["dis", file, "--stop-after", "nonsense"]);
    assert!(!unknown.status.success());
}

#[test]
fn each_command_says_how_it_is_used() {
    let commands = [
        "cc", "wrap", "inspect", "run", "call", "dis", "bisect", "boot", "stress",
    ];
    for command in commands {
        let output = bareflow(&[command, "--help"]);
        assert!(output.status.success(), "{command}: {}", stderr(&output));
        let usage = stdout(&output);
        let head = format!("usage: bareflow {command} ");
        assert!(usage.starts_with(&head), "{usage}");
        assert!(
            usage.lines().skip(1).all(|line| line.starts_with("      ")),
            "{usage}"
        );
    }
}

#[test]
fn wrong_usage_names_the_problem() {
    for (args, words) in [
        (&["fly"][..], "no command fly"),
        (&["run"][..], "wants a file"),
        (&["run", "x.bc", "--tier", "o9"][..], "no tier `o9`"),
        (&["call", "x.bc", "f", "two"][..], "`two` is not an integer"),
    ] {
        let output = bareflow(args);
        assert_eq!(output.status.code(), Some(64), "{args:?}");
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
    }
    assert_eq!(
        bareflow(&["run", "/nonexistent.bc"]).status.code(),
        Some(66)
    );
}

#[test]
fn stress_finds_no_wrong_result_and_publishes_meanwhile() {
    let output = bareflow(&["stress", "--cores", "2", "--seconds", "0.3", "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let on = &report["compiler_on"];
    assert_eq!(on["wrong"], 0);
    assert!(on["published"].as_u64().unwrap() > 16, "{report}");
    assert!(on["calls"].as_u64().unwrap() > 1000, "{report}");
    assert_eq!(report["compiler_off"]["published"], 0);
}

#[test]
fn the_bisector_shows_the_change_that_makes_a_program_wrong() {
    let scratch = Scratch::new();
    let source = "#include <bareflow.h>\n\
                  int sum(int a, int b)\n{\n    return a * 3 + b;\n}\n\
                  int gap(int a, int b)\n{\n    return a * b - (a ^ b);\n}\n\
                  int main(int argc, char **argv)\n{\n    return gap(argc + 6, sum(2, 3));\n}\n";
    let module = scratch.module("gap", source, "-O1");
    let calls: [&[&str]; 2] = [&["gap", "7", "9"], &["--", "word"]];
    for words in calls {
        let run = |more: &[&str]| {
            let all = [&["bisect", text(&module)], more, words].concat();
            bareflow(&all)
        };
        let right = run(&["--tier", "o2"]);
        assert_eq!(right.status.code(), Some(0), "{}", stderr(&right));
        assert!(stdout(&right).contains("baseline and o2 agree"));
        let wrong = run(&["--planted"]);
        assert_eq!(wrong.status.code(), Some(1), "{}", stderr(&wrong));
        let report = stdout(&wrong);
        assert!(report.contains("by the pass planted"), "{report}");
        assert!(report.contains(", line 8,"), "{report}");
        let marked = |mark: char, op: &str| {
            let mut lines = report.lines().filter(|line| line.starts_with(mark));
            lines.any(|line| line.contains(&format!(" = {op} ")))
        };
        assert!(marked('-', "sub") && marked('+', "add"), "{report}");
    }
    let usage = bareflow(&["bisect", text(&module), "--tier", "baseline"]);
    assert_eq!(usage.status.code(), Some(64));
}
