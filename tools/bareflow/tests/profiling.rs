//! What is written for people and profilers to read: listings, tables, maps and dumps, read back.
#![expect(
    clippy::unwrap_used,
    reason = "a test: a failed expectation is a failed test"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::{env, fs, process, thread};

const SOURCE: &str = "int square(int a)\n{\n    return a * a;\n}\n\
                      int f(int a, int b)\n{\n    int s = 0;\n    for (int i = 0; i < b; i++)\n        \
                      s += square(a + i);\n    return s;\n}\n";

/// A directory of this test's own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    /// With the module `f.bc`.
    fn new() -> (Self, PathBuf) {
        let name = format!(
            "bareflow-profiling-{}-{:?}",
            process::id(),
            thread::current().id()
        );
        let name = name.replace(['(', ')'], "-");
        let path = env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        let (source, module) = (path.join("f.c"), path.join("f.bc"));
        fs::write(&source, SOURCE).unwrap();
        let output = bareflow(&["cc", text(&source), "-O0", "-g", "-c", "-o", text(&module)]);
        assert!(output.status.success(), "{output:?}");
        (Self(path), module)
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

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bareflow"));
    command
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn bareflow(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

fn stdout(args: &[&str]) -> String {
    let output = bareflow(args);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn code_stands_below_its_source_and_ir() {
    let (_scratch, module) = Scratch::new();
    let listing = stdout(&["dis", text(&module), "--tier", "o2", "--function", "f"]);
    assert!(
        listing.contains(";    9|         s += square(a + i);"),
        "{listing}"
    );
    // The product was inlined: it is named with its function and the call.
    let product = listing.lines().find(|line| line.contains("= mul"));
    let product = product.unwrap_or_else(|| panic!("{listing}"));
    assert!(
        product.contains("@square %") && product.contains(", line 3 in %"),
        "{product}"
    );
    assert!(listing.contains("imul"), "{listing}");
}

#[test]
fn passes_that_changed_something_are_shown_with_what_they_made() {
    let (_scratch, module) = Scratch::new();
    let shown = stdout(&[
        "dis",
        text(&module),
        "--passes",
        "--tier",
        "o2",
        "--function",
        "f",
    ]);
    let loaded = shown.split("; after ").next().unwrap();
    assert!(loaded.contains("alloca") && loaded.contains("call i32 @square"));
    let part = |name: &str| {
        let mut parts = shown.split("; after ");
        let found = parts.find(|part| part.starts_with(name));
        found.unwrap_or_else(|| panic!("{name}: {shown}"))
    };
    assert!(!part("sroa:").contains("store"));
    assert!(part("inline:").starts_with("inline: 1 changes"));
    assert!(!part("inline:").contains("call i32 @square"));
    assert!(!shown.contains(": 0 changes"), "{shown}");
}

#[test]
fn the_table_of_times_has_all_steps_and_their_sum() {
    let (_scratch, module) = Scratch::new();
    let table = stdout(&["dis", text(&module), "--timing", "--tier", "o1"]);
    for step in [
        "sroa",
        "simplify",
        "instruction selection",
        "register allocation",
        "emission",
        "all",
    ] {
        assert!(
            table.lines().any(|line| line.starts_with(step)),
            "{step}: {table}"
        );
    }
    let us = |line: &str| line[24..35].trim().parse::<f64>().unwrap();
    let rows: Vec<f64> = table.lines().skip(2).map(us).collect();
    let (all, steps) = rows.split_last().unwrap();
    assert!(
        (steps.iter().sum::<f64>() - all).abs() < 0.1 * rows.len() as f64,
        "{table}"
    );
}

/// Numbers of a dump, from front to back.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take(&mut self, count: usize) -> &[u8] {
        let (head, rest) = self.0.split_at(count);
        self.0 = rest;
        head
    }

    fn u32(&mut self) -> u32 {
        u32::from_ne_bytes(self.take(4).try_into().unwrap())
    }

    fn u64(&mut self) -> u64 {
        u64::from_ne_bytes(self.take(8).try_into().unwrap())
    }

    fn string(&mut self) -> String {
        let end = self.0.iter().position(|&byte| byte == 0).unwrap();
        let name = String::from_utf8(self.take(end).to_vec()).unwrap();
        self.take(1);
        name
    }
}

/// A version in a dump: name, address, code, and its lines by address.
#[derive(Debug)]
struct Version {
    name: String,
    address: u64,
    code: Vec<u8>,
    lines: Vec<(u64, u32, String)>,
}

/// Reads a dump as the specification says.
fn versions(dump: &[u8], pid: u32) -> Vec<Version> {
    let mut dump = Reader(dump);
    let head: [u32; 6] = core::array::from_fn(|_| dump.u32());
    assert_eq!(head, [0x4A69_5444, 1, 40, 62, 0, pid]);
    let (mut time, flags) = (dump.u64(), dump.u64());
    assert_eq!(flags, 0);
    let (mut found, mut lines) = (Vec::new(), Vec::new());
    loop {
        let (kind, size, at) = (dump.u32(), dump.u32(), dump.u64());
        assert!(at > time, "times go up");
        time = at;
        let mut record = Reader(dump.take(size as usize - 16));
        match kind {
            0 => {
                assert_eq!((record.u32(), record.u32()), (pid, pid));
                let (vma, address, size, _number) =
                    (record.u64(), record.u64(), record.u64(), record.u64());
                assert_eq!(vma, address);
                let name = record.string();
                let code = record.take(size as usize).to_vec();
                found.push(Version {
                    name,
                    address,
                    code,
                    lines: core::mem::take(&mut lines),
                });
            }
            2 => {
                let (_address, count) = (record.u64(), record.u64());
                for _ in 0..count {
                    let (address, line, discriminator) = (record.u64(), record.u32(), record.u32());
                    assert_eq!(discriminator, 0);
                    lines.push((address, line, record.string()));
                }
            }
            3 => break,
            _ => panic!("a record of kind {kind}"),
        }
        assert!(record.0.is_empty(), "nothing is left in the record");
    }
    assert!(dump.0.is_empty(), "nothing is behind the end");
    found
}

#[test]
fn maps_and_dumps_hold_the_code_that_ran() {
    let (scratch, module) = Scratch::new();
    let place = text(&scratch.0);
    let args = [
        "call",
        text(&module),
        "f",
        "3",
        "4",
        "--tier",
        "o1",
        "--perf-map",
        "--jitdump",
        place,
    ];
    let child = command(&args).spawn().unwrap();
    let pid = child.id();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "86");

    let path = format!("/tmp/perf-{pid}.map");
    let map = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let dump = fs::read(scratch.0.join(format!("jit-{pid}.dump"))).unwrap();
    let versions = versions(&dump, pid);
    let f = versions
        .iter()
        .find(|version| version.name == "f [o1]")
        .unwrap();
    let line = format!("{:x} {:x} f [o1]", f.address, f.code.len());
    assert!(map.lines().any(|found| found == line), "{map}");
    assert_eq!(map.lines().count(), versions.len());
    // It is code, not zeros: it holds a return.
    assert!(f.code.contains(&0xc3), "{:x?}", f.code);
    let end = f.address + f.code.len() as u64;
    assert!(
        f.lines
            .iter()
            .all(|line| (f.address..end).contains(&line.0) && line.2.ends_with("f.c"))
    );
    assert!(!f.lines.is_empty() && f.lines.iter().all(|line| line.1 <= 12));
}
