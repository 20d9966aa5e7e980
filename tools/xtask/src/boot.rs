//! `boot`: one program of a user's in the kernel; its `main` decides the exit status.
//!
//! The program is one module or several (`.bc`, `.llbc`), which are linked with each other and with
//! the C library. `--dir FOLDER` gives it a folder of the volume; if the host has a directory of this
//! name, its files and directories are put there first. `--disk IMAGE` keeps the volume in a file: what a program
//! writes is there at the next boot.
//!
//! QEMU's exit device carries seven bits, too few for a status, so the status comes through the
//! second serial port, among the kernel's JSON lines. One line per program run:
//!
//! | line | exit status here |
//! | --- | --- |
//! | `{"event":"main","module":"x.bc","status":7}` | 7 (the lowest eight bits) |
//! | `{"event":"fault","module":"x.bc",…}` | 134, as `bareflow run` has it |
//! | `{"event":"rejected","module":"x.bc",…}` | 65, likewise |
//! | none of them | 1: the machine did not get that far |

use crate::image::Entry;
use crate::qemu::{Accelerator, Machine, Verdict};
use crate::{Failure, image, kernel, output_dir, process};
use serde_json::Value;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

/// Exit status of a program that the runtime ended.
const FAULT: u8 = 134;
/// Exit status of a file that is not a module, or one that cannot be run.
const REJECTED: u8 = 65;
/// Time limit of a program: the kernel's own budget ends it earlier.
const LIMIT: Duration = Duration::from_secs(1800);

/// Directories in directories that are copied from the host.
const MAX_DEPTH: usize = 16;
/// Files and directories that are copied at most.
const MAX_ENTRIES: usize = 4096;

/// What the command line asked for.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// Modules of the program; the first says where it begins.
    pub(crate) files: Vec<PathBuf>,
    /// Arguments of `main`, after the program's name.
    pub(crate) words: Vec<String>,
    /// Folders for the program, as `FOLDER` or `FOLDER:NAME`.
    pub(crate) folders: Vec<String>,
    /// The volume, if it is to be kept.
    pub(crate) disk: Option<PathBuf>,
    pub(crate) cores: u32,
    pub(crate) accelerator: String,
    /// More words for the kernel.
    pub(crate) append: String,
}

pub(crate) fn main(parser: lexopt::Parser) -> Result<ExitCode, Failure> {
    let options = parse(parser)?;
    let kernel = kernel::build()?;
    let disk = prepare_disk(&options)?;
    let events = output_dir()?.join("boot.jsonl");
    let accelerator = Accelerator::choose(&options.accelerator, &kernel)?;
    let interactive = std::io::stdin().is_terminal();
    let machine = Machine {
        kernel,
        image: Some(disk),
        events: Some(events.clone()),
        cores: options.cores,
        append: command_line(&options, interactive),
        accelerator,
    };
    let mut qemu = machine.command();
    if !interactive {
        qemu.stdin(Stdio::null());
    }
    let end = process::run(&mut qemu, (!interactive).then_some(LIMIT))?;
    let lines = std::fs::read_to_string(&events)?;
    match status(&lines) {
        Some(status) => Ok(ExitCode::from(status)),
        None => {
            let file = options.files[0].display();
            Err(format!("no result of {file}: {}", Verdict::of(end)).into())
        }
    }
}

/// The volume with the program, its folders, and the C library where there is one.
fn prepare_disk(options: &Options) -> Result<PathBuf, Failure> {
    let mut entries = image::content(&options.files)?;
    for folder in &options.folders {
        let (path, _) = folder.split_once(':').unwrap_or((folder, ""));
        let name = path.trim_matches('/');
        let bytes = Vec::new();
        entries.push(Entry {
            name: format!("{name}/"),
            bytes,
        });
        add_directory(Path::new(path), name, &mut entries)?;
    }
    match image::library() {
        Ok(library) => entries.push(library),
        Err(why) => eprintln!("without the C library: {why}"),
    }
    match &options.disk {
        Some(disk) if disk.exists() => {
            image::put(disk, &entries)?;
            Ok(disk.clone())
        }
        kept => {
            let disk = match kept {
                Some(disk) => disk.clone(),
                None => output_dir()?.join("boot.img"),
            };
            image::write(&disk, &entries)?;
            Ok(disk)
        }
    }
}

/// What is in a directory of the host, if there is one, with all that is in its directories. A link to a file
/// stands for the file; links to directories are left out, since they may lead in circles.
fn add_directory(host: &Path, folder: &str, entries: &mut Vec<Entry>) -> Result<(), Failure> {
    if !host.is_dir() {
        return Ok(());
    }
    let mut room = image::VOLUME_BYTES;
    add_files(host, folder, MAX_DEPTH, &mut room, entries)
}

/// As [`add_directory`], at most `depth` directories deep and `room` bytes.
fn add_files(
    host: &Path,
    folder: &str,
    depth: usize,
    room: &mut u64,
    entries: &mut Vec<Entry>,
) -> Result<(), Failure> {
    let failed = |path: &Path, why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let listing = std::fs::read_dir(host).map_err(|why| failed(host, &why))?;
    let mut paths = listing
        .map(|file| Ok(file?.path()))
        .collect::<std::io::Result<Vec<PathBuf>>>()
        .map_err(|why| failed(host, &why))?;
    // In the order of their names: the same files give the same volume.
    paths.sort();
    for path in paths {
        let name = format!("{folder}/{}", disk_name(&path));
        if path.is_file() {
            let size = path.metadata().map_err(|why| failed(&path, &why))?.len();
            if size > *room || entries.len() >= MAX_ENTRIES {
                return Err(failed(&path, &"the volume is too small for that").into());
            }
            *room -= size;
            let bytes = std::fs::read(&path).map_err(|why| failed(&path, &why))?;
            entries.push(Entry { name, bytes });
        } else if path.is_dir() && !path.is_symlink() {
            if depth == 0 {
                return Err(failed(&path, &format!("deeper than {MAX_DEPTH} directories")).into());
            }
            let bytes = Vec::new();
            entries.push(Entry {
                name: format!("{name}/"),
                bytes,
            });
            add_files(&path, &name, depth - 1, room, entries)?;
        }
    }
    Ok(())
}

/// What comes before the first file that is no module is a module, the rest are arguments.
fn parse(mut parser: lexopt::Parser) -> Result<Options, Failure> {
    use lexopt::prelude::*;
    let mut options = Options {
        cores: 4,
        accelerator: "auto".to_owned(),
        ..Options::default()
    };
    while let Some(argument) = parser.next()? {
        match argument {
            Long("smp") => options.cores = parser.value()?.parse()?,
            Long("accel") => options.accelerator = parser.value()?.string()?,
            Long("dir") => options.folders.push(parser.value()?.string()?),
            Long("disk") => options.disk = Some(parser.value()?.into()),
            Long("append") => options.append = parser.value()?.string()?,
            Value(path) if options.files.is_empty() || options.is_module(&path) => {
                options.files.push(path.into());
            }
            Value(word) => options.words.push(word.string()?),
            _ => return Err(argument.unexpected().into()),
        }
    }
    if options.files.is_empty() {
        return Err("which file?".into());
    }
    Ok(options)
}

impl Options {
    /// Whether a word is another module of the program.
    fn is_module(&self, word: &std::ffi::OsStr) -> bool {
        let ending = Path::new(word).extension();
        let named = ending.is_some_and(|ending| ending == "bc" || ending == "llbc");
        self.words.is_empty() && named
    }
}

/// The kernel's command line: run these files only, as one program, with these arguments.
pub(crate) fn command_line(options: &Options, interactive: bool) -> String {
    let names: Vec<String> = options.files.iter().map(|file| disk_name(file)).collect();
    let mut line = format!("run={} limit={}", names[0], LIMIT.as_secs());
    let mut add = |key: &str, values: &[String]| {
        if !values.is_empty() {
            line.push_str(&format!(" {key}={}", values.join(",")));
        }
    };
    add("link", &names[1..]);
    add("dir", &options.folders);
    let words: Vec<String> = options.words.iter().map(|word| encoded(word)).collect();
    add("args", &words);
    if interactive {
        line.push_str(" input=on");
    }
    if !options.append.is_empty() {
        line.push(' ');
        line.push_str(&options.append);
    }
    line
}

/// A word with `%XX` for what would end it on the kernel's command line.
fn encoded(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b',' | b'%' | b'"');
    word.bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02x}")
            }
        })
        .collect()
}

/// The name that a file has on the disk.
fn disk_name(file: &Path) -> String {
    file.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The exit status that the kernel's lines stand for; the last one that says anything counts.
pub(crate) fn status(lines: &str) -> Option<u8> {
    lines
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|event| match event["event"].as_str()? {
            "main" => event["status"]
                .as_i64()
                .map(|status| status.to_le_bytes()[0]),
            "fault" => Some(FAULT),
            "rejected" => Some(REJECTED),
            _ => None,
        })
        .next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_result_among_the_lines_is_the_status() {
        let core = "{\"event\":\"core\",\"status\":5}\n";
        assert_eq!(status(core), None);
        assert_eq!(
            status(&format!(
                "{core}{{\"event\":\"main\",\"status\":7}}\nnoise\n"
            )),
            Some(7)
        );
        assert_eq!(status("{\"event\":\"main\",\"status\":-1}"), Some(255));
        assert_eq!(status("{\"event\":\"fault\",\"module\":\"x\"}"), Some(134));
        assert_eq!(
            status("{\"event\":\"rejected\"}\n{\"event\":\"core\"}"),
            Some(65)
        );
        assert_eq!(status("{\"event\":\"main\"}"), None);
    }

    #[test]
    fn words_after_the_files_are_arguments_of_the_program() {
        let words = ["dir/x.bc", "y.bc", "3", "--smp", "2", "a b,c", "z.bc"];
        let options = parse(lexopt::Parser::from_args(words)).unwrap();
        assert_eq!(options.cores, 2);
        assert_eq!(
            command_line(&options, false),
            "run=x.bc limit=1800 link=y.bc args=3,a%20b%2cc,z.bc"
        );
        assert!(parse(lexopt::Parser::from_args(["--smp", "2"])).is_err());
    }

    /// A directory of its own for a test.
    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn directories_of_the_host_are_copied_with_all_that_is_in_them() {
        let host = scratch("tree");
        std::fs::create_dir_all(host.join("in/deep er/empty")).unwrap();
        std::fs::write(host.join("a.txt"), "a").unwrap();
        std::fs::write(host.join("in/deep er/b"), "bb").unwrap();
        std::os::unix::fs::symlink("..", host.join("in/circle")).unwrap();
        std::os::unix::fs::symlink("in/deep er/b", host.join("link")).unwrap();
        let mut entries = Vec::new();
        add_directory(&host, "data", &mut entries).unwrap();
        let found: Vec<_> = entries
            .iter()
            .map(|entry| (entry.name.as_str(), entry.bytes.as_slice()))
            .collect();
        let expected: [(&str, &[u8]); 6] = [
            ("data/a.txt", b"a"),
            ("data/in/", b""),
            ("data/in/deep er/", b""),
            ("data/in/deep er/b", b"bb"),
            ("data/in/deep er/empty/", b""),
            ("data/link", b"bb"),
        ];
        assert_eq!(found, expected);
        let disk = host.join("disk.img");
        image::write(&disk, &entries).unwrap();
        assert_eq!(image::read(&disk, "data/in/deep er/b").unwrap(), b"bb");
        assert_eq!(image::list(&disk, "data/in").unwrap(), ["deep er"]);
        std::fs::remove_dir_all(host).unwrap();
        assert!(add_directory(Path::new("no-such-directory"), "x", &mut entries).is_ok());
    }

    #[test]
    fn directories_that_are_too_deep_or_too_large_are_refused() {
        let host = scratch("deep");
        let inner = (0..=MAX_DEPTH).fold(host.clone(), |path, _| path.join("d"));
        std::fs::create_dir_all(&inner).unwrap();
        let why = add_directory(&host, "x", &mut Vec::new()).unwrap_err();
        assert!(why.to_string().contains("deeper than 16"), "{why}");
        std::fs::remove_dir(inner).unwrap();
        assert!(add_directory(&host, "x", &mut Vec::new()).is_ok());
        let large = std::fs::File::create(host.join("large")).unwrap();
        large.set_len(image::VOLUME_BYTES + 1).unwrap();
        let why = add_directory(&host, "x", &mut Vec::new()).unwrap_err();
        assert!(why.to_string().contains("large: the volume"), "{why}");
        large.set_len(image::VOLUME_BYTES).unwrap();
        std::fs::write(host.join("more"), "m").unwrap();
        let why = add_directory(&host, "x", &mut Vec::new()).unwrap_err();
        assert!(why.to_string().contains("more: the volume"), "{why}");
        std::fs::remove_dir_all(host).unwrap();
    }

    #[test]
    fn folders_go_to_the_kernel_as_they_were_given() {
        let words = ["x.bc", "--dir", "data", "--dir", "/tmp/in:in"];
        let options = parse(lexopt::Parser::from_args(words)).unwrap();
        assert_eq!(
            command_line(&options, true),
            "run=x.bc limit=1800 dir=data,/tmp/in:in input=on"
        );
    }
}
