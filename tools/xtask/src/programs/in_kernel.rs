//! Real programs in the kernel: the runs of the host, each in a boot of its own, on one volume.
//!
//! A program and its scripts are put on an empty volume, in a folder that the program is granted. Each run is
//! one boot of QEMU on that volume, so what a run finds there was on the disk when the machine before was
//! switched off. For each program these are judged:
//!
//! 1. each run: what the program prints, and its status, are those of the native build;
//! 2. the files it leaves, read from the volume by `fatfs`, which shares no code with the kernel: byte for byte
//!    those that the native build leaves;
//! 3. the volume: `fsck.fat` finds nothing to repair;
//! 4. the judge itself: the last run is repeated after letters of each such file were changed on a copy of the
//!    volume, and then it must *not* be found right. Programs that leave no files have no such run.
//!
//! Always on software emulation, like the other tests that boot: every machine tests the same thing.

use super::{Native, Outcome, Sum, difference, words};
use crate::boot::{self, Options};
use crate::image::{self, Entry};
use crate::qemu::{Accelerator, Machine, Verdict};
use crate::setup;
use crate::{Failure, kernel, output_dir, process};
use clib::programs::{self, Program, Variant};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// What is called a tier on the command line: the kernel, where tiers rise by themselves.
pub(super) const TIER: &str = "kernel";
/// The variant of the programs' bitcode.
const VARIANT: &str = "O2";
/// Cores of the machine: the BSP, a JIT worker, two for programs.
const CORES: u32 = 4;
/// The folder that the program is granted.
const FOLDER: &str = "work";
/// Time limit of one boot: far above what any needs.
const BOOT_LIMIT: Duration = Duration::from_secs(600);
/// Time limit of `fsck.fat`.
const FSCK_LIMIT: Duration = Duration::from_secs(60);

/// What all boots share.
pub(super) struct Kernel {
    elf: PathBuf,
    library: Entry,
}

/// A program on its volume.
struct Test<'a> {
    kernel: &'a Kernel,
    program: &'a Program,
    native: &'a Native,
    short: bool,
    /// Its module on the volume.
    module: String,
    disk: PathBuf,
}

/// Whether programs are run there from this variant of their bitcode.
pub(super) fn includes(variant: &Variant) -> bool {
    variant.name == VARIANT
}

impl Kernel {
    /// Builds the kernel and the C library.
    pub(super) fn build() -> Result<Self, Failure> {
        let (elf, library) = (kernel::build()?, image::library()?);
        Ok(Self { elf, library })
    }

    /// Runs a program in all its runs and adds up what was right.
    pub(super) fn check(
        &self,
        sum: &mut Sum,
        program: &Program,
        module: &Path,
        native: &Native,
        short: bool,
    ) -> Result<(), Failure> {
        let folder = output_dir()?.join("programs");
        let test = Test {
            kernel: self,
            program,
            native,
            short,
            module: format!("{}.bc", program.name),
            disk: folder.join(format!("{}-{TIER}.img", program.name)),
        };
        let title = |what: &str| format!("{} {VARIANT} {TIER}: {what}", program.name);
        test.prepare(module)?;
        for number in 0..program.runs.len() {
            let start = Instant::now();
            let complaints = test.run(number, &test.disk)?;
            let arguments = words(&program.runs[number], short).join(" ");
            sum.add(&title(&format!("run {arguments}")), start, &complaints);
        }
        let start = Instant::now();
        sum.add(&title("files left"), start, &test.files_left()?);
        if let Some(complaints) = test.fsck()? {
            sum.add(&title("fsck.fat -n"), start, &complaints);
        }
        if !test.native.left.is_empty() {
            let start = Instant::now();
            sum.add(&title("damage is noticed"), start, &test.damaged()?);
        }
        Ok(())
    }
}

impl Test<'_> {
    /// An empty volume with the program and its scripts.
    fn prepare(&self, module: &Path) -> Result<(), Failure> {
        let mut entries = vec![
            self.kernel.library.clone(),
            Entry {
                name: self.module.clone(),
                bytes: std::fs::read(module)?,
            },
        ];
        for script in programs::SCRIPTS {
            entries.push(Entry {
                name: format!("{FOLDER}/{script}"),
                bytes: std::fs::read(programs::script(script))?,
            });
        }
        image::write(&self.disk, &entries)
    }

    /// Boots once; what is wrong with what the run of this number printed.
    fn run(&self, number: usize, disk: &Path) -> Result<Vec<String>, Failure> {
        let arguments = words(&self.program.runs[number], self.short);
        let options = Options {
            files: vec![self.module.clone().into()],
            words: arguments.iter().map(|&word| word.to_owned()).collect(),
            folders: vec![FOLDER.to_owned()],
            ..Options::default()
        };
        let events = disk.with_extension("jsonl");
        let machine = Machine {
            kernel: self.kernel.elf.clone(),
            image: Some(disk.to_owned()),
            events: Some(events.clone()),
            cores: CORES,
            append: boot::command_line(&options, false),
            accelerator: Accelerator::Tcg,
        };
        let (verdict, console) = machine.boot_logged(&disk.with_extension("log"), BOOT_LIMIT)?;
        let events = std::fs::read_to_string(&events).unwrap_or_default();
        let found = found(&self.module, verdict, &console, &events);
        let expected = &self.native.outcomes[number];
        Ok(match found {
            Ok(found) => difference(expected, &found).into_iter().collect(),
            Err(why) => vec![why],
        })
    }

    /// What differs between the files that the program and its native build have left.
    fn files_left(&self) -> Result<Vec<String>, Failure> {
        let mut complaints = Vec::new();
        let mut listed = image::list(&self.disk, FOLDER)?;
        listed.retain(|name| !programs::SCRIPTS.contains(&name.as_str()));
        let names: Vec<_> = self.native.left.iter().map(|(name, _)| name).collect();
        if listed.iter().collect::<Vec<_>>() != names {
            complaints.push(format!("{listed:?} instead of {names:?}"));
        }
        for (name, expected) in &self.native.left {
            let found = image::read(&self.disk, &format!("{FOLDER}/{name}")).unwrap_or_default();
            if found != *expected {
                let at = found.iter().zip(expected).position(|(a, b)| a != b);
                complaints.push(format!(
                    "{name}: {} bytes instead of {}, first difference at {at:?}",
                    found.len(),
                    expected.len()
                ));
            }
        }
        Ok(complaints)
    }

    /// What `fsck.fat` says of the volume; `None` where it is not installed.
    fn fsck(&self) -> Result<Option<Vec<String>>, Failure> {
        let Some(fsck) = setup::program("fsck.fat") else {
            println!("   fsck.fat is not installed: the volume was not checked");
            return Ok(None);
        };
        let log = self.disk.with_extension("fsck");
        let mut command = Command::new(fsck);
        let (end, text) = process::run_logged(command.arg("-n").arg(&self.disk), &log, FSCK_LIMIT)?;
        let bad = (!end.success()).then(|| format!("{end}: {text}"));
        Ok(Some(bad.into_iter().collect()))
    }

    /// Repeats the last run on a copy of the volume with other contents; a complaint if nobody notices.
    fn damaged(&self) -> Result<Vec<String>, Failure> {
        let disk = self.disk.with_extension("damaged.img");
        std::fs::copy(&self.disk, &disk)?;
        let mut entries = Vec::new();
        for (name, bytes) in &self.native.left {
            let mut bytes = bytes.clone();
            damage(&mut bytes);
            let name = format!("{FOLDER}/{name}");
            entries.push(Entry { name, bytes });
        }
        image::put(&disk, &entries)?;
        let complaints = self.run(self.program.runs.len() - 1, &disk)?;
        let unnoticed = complaints.is_empty();
        Ok(unnoticed
            .then(|| "a run on changed files was found right".to_owned())
            .into_iter()
            .collect())
    }
}

/// Changes the last letter of each kilobyte of the second half: text of rows and of indices, which must not
/// differ; single letters may belong to rows that were deleted.
fn damage(bytes: &mut [u8]) {
    let half = bytes.len() / 2;
    for piece in bytes[half..].chunks_mut(1024) {
        if let Some(byte) = piece.iter_mut().rfind(|byte| byte.is_ascii_lowercase()) {
            *byte ^= 1;
        }
    }
}

/// What the program printed in a boot, and its status; or why that cannot be said.
///
/// The kernel says `disk: …` before it starts a program, and `NAME returned STATUS` behind it: all between
/// these lines is the program's.
fn found(module: &str, verdict: Verdict, console: &str, events: &str) -> Result<Outcome, String> {
    let text = console.replace('\r', "");
    let title = module.trim_end_matches(".bc");
    let status = boot::status(events).filter(|_| verdict == Verdict::Success);
    let ended = status.and_then(|status| {
        let end = text.rfind(&format!("{title} returned {status}\n"))?;
        let start = text.find("\ndisk: ")? + 1;
        let start = start + text.get(start..)?.find('\n')? + 1;
        Some((i32::from(status), text.get(start..end)?))
    });
    match ended {
        Some((status, output)) => Ok(Outcome {
            status: Some(status),
            output: output.to_owned(),
        }),
        None => {
            let last = text.lines().next_back().unwrap_or("nothing");
            Err(format!("{verdict}; the console ends with: {last}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONSOLE: &str =
        "4 cores, 4 online\r\ndisk: FAT16, 1 modules\r\none\r\ndisk: two\r\nx returned 3\r\n";
    const EVENTS: &str = "{\"event\":\"main\",\"module\":\"x\",\"status\":3}\n";

    fn outcome(status: i32, output: &str) -> Outcome {
        Outcome {
            status: Some(status),
            output: output.to_owned(),
        }
    }

    #[test]
    fn a_programs_output_is_cut_out_of_the_consoles() {
        let found = found("x.bc", Verdict::Success, CONSOLE, EVENTS);
        assert_eq!(found, Ok(outcome(3, "one\ndisk: two\n")));
    }

    #[test]
    fn another_output_or_status_is_a_difference() {
        let found = found("x.bc", Verdict::Success, CONSOLE, EVENTS).unwrap();
        assert!(difference(&outcome(3, "one\ndisk: 2\n"), &found).is_some());
        assert!(difference(&outcome(0, "one\ndisk: two\n"), &found).is_some());
        assert!(difference(&outcome(3, "one\n"), &found).is_some());
    }

    #[test]
    fn a_machine_that_does_not_end_well_has_no_outcome() {
        let failed = |verdict, console, events| found("x.bc", verdict, console, events).is_err();
        assert!(failed(Verdict::TimedOut(BOOT_LIMIT), CONSOLE, EVENTS));
        assert!(failed(Verdict::Failure(0x12), CONSOLE, EVENTS));
        assert!(failed(Verdict::Success, CONSOLE, ""));
        assert!(failed(Verdict::Success, "disk: x\r\nx was ended", EVENTS));
    }

    #[test]
    fn damage_changes_letters_in_every_part_and_never_the_length() {
        let mut bytes = [b"first half".to_vec(), vec![0; 4096]].concat();
        bytes[2100] = b'b';
        bytes[2101] = b'B';
        bytes[4000] = b'c';
        damage(&mut bytes);
        assert!(bytes.starts_with(b"first half\0"));
        assert_eq!((bytes[2100], bytes[2101], bytes[4000]), (b'c', b'B', b'b'));
        assert_eq!(bytes.len(), 4106);
        damage(&mut []);
    }
}
