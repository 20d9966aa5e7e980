//! The tests that need a machine: the kernel boots in QEMU and reports `ok` and `not ok` lines.
//!
//! They answer what the host cannot: real bring-up, IPIs, page permissions, faults in ring 3,
//! publication seen by other cores. Always on software emulation, so that every machine tests the
//! same thing; `make run` uses KVM where it works.
//!
//! Some boots test the kernel's own end: a panic must be printed and must not look like success. Others have a core
//! that does not come, no disk, or a damaged one. The boots share a disk and write to it; in the end it must be whole.

use super::{Report, count, print_tail};
use crate::qemu::{Accelerator, Machine, Verdict};
use crate::setup::program;
use crate::{Failure, image, kernel};
use count::Tally;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Time limit of one boot: generous, because machines that run tests may be slow and busy.
const BOOT_LIMIT: Duration = Duration::from_secs(300);
/// What the kernel writes to the exit device when it panics.
const PANIC_CODE: i32 = 0x12;

/// One boot: cores, the kernel's tests, its disk, and what must come of it.
struct Boot {
    cores: u32,
    tests: &'static str,
    /// More words for the kernel.
    append: &'static str,
    disk: Disk,
    expected: Expected,
}

/// What disk a boot has.
enum Disk {
    /// The one that all share, as the boots before have left it.
    Shared,
    /// None.
    Missing,
    /// A copy on which some bytes of tables and directories have been changed.
    Damaged,
}

/// What a boot must come to.
enum Expected {
    /// `ok` lines only, and success.
    Tests,
    /// A panic message, and the status of a panic.
    Panic,
}

/// A boot with the shared disk that runs tests.
const fn tests(cores: u32, tests: &'static str) -> Boot {
    Boot {
        cores,
        tests,
        append: "",
        disk: Disk::Shared,
        expected: Expected::Tests,
    }
}

/// A boot with the shared disk that ends in a panic.
const fn panic(tests: &'static str) -> Boot {
    Boot {
        cores: 4,
        tests,
        append: "",
        disk: Disk::Shared,
        expected: Expected::Panic,
    }
}

/// The boots, in order: `files-again` reads what `all` has written in the boot before.
const BOOTS: [Boot; 14] = [
    tests(1, "all"),
    tests(4, "all"),
    tests(16, "all"),
    tests(2, "bringup,ipi,files-again"),
    tests(3, "bringup,ipi"),
    tests(8, "bringup,ipi"),
    tests(64, "bringup,ipi"),
    Boot {
        append: "lose=2",
        ..tests(4, "lost-core")
    },
    Boot {
        disk: Disk::Missing,
        ..tests(1, "no-disk")
    },
    Boot {
        disk: Disk::Damaged,
        ..tests(2, "any-disk")
    },
    tests(2, "any-disk"),
    panic("panic"),
    panic("panic-elsewhere"),
    panic("panic-trap"),
];

/// Bytes that are changed to damage a disk, from the first table on, each so far from the one before.
const DAMAGES: usize = 400;
const DAMAGE_DISTANCE: usize = 211;

/// What all boots share.
struct Parts {
    kernel: PathBuf,
    disk: PathBuf,
}

/// Boots each configuration and adds up what the kernel says.
pub(super) fn run(report: &mut Report) -> Result<(), Failure> {
    let parts = Parts {
        kernel: kernel::build()?,
        disk: image::default_path()?,
    };
    image::write(&parts.disk, &image::content(&[])?)?;
    for boot in &BOOTS {
        run_boot(report, boot, &parts)?;
    }
    check_disk(report, &parts.disk)
}

/// What the tests have left on the disk is a whole file system.
fn check_disk(report: &mut Report, disk: &Path) -> Result<(), Failure> {
    let Some(fsck) = program("fsck.fat") else {
        println!("   fsck.fat is not installed: the disk was not checked");
        return Ok(());
    };
    report.command(
        "fsck-after-boots",
        Command::new(fsck).arg("-n").arg(disk),
        count::one,
    )
}

/// The image file of a boot.
fn image_for(boot: &Boot, parts: &Parts) -> Result<Option<PathBuf>, Failure> {
    match boot.disk {
        Disk::Shared => Ok(Some(parts.disk.clone())),
        Disk::Missing => Ok(None),
        Disk::Damaged => {
            let mut bytes = std::fs::read(&parts.disk)?;
            for index in 0..DAMAGES {
                if let Some(byte) = bytes.get_mut(512 + index * DAMAGE_DISTANCE) {
                    *byte ^= 1 << (index % 8);
                }
            }
            let path = parts.disk.with_extension("damaged.img");
            std::fs::write(&path, bytes)?;
            Ok(Some(path))
        }
    }
}

fn run_boot(report: &mut Report, boot: &Boot, parts: &Parts) -> Result<(), Failure> {
    let name = format!("qemu-{}-{}", boot.cores, boot.tests.replace(',', "-"));
    let machine = Machine {
        kernel: parts.kernel.clone(),
        image: image_for(boot, parts)?,
        events: Some(report.logs.join(format!("{name}.jsonl"))),
        cores: boot.cores,
        append: format!("test={} {}", boot.tests, boot.append),
        accelerator: Accelerator::Tcg,
    };
    let start = Instant::now();
    let (verdict, text) =
        machine.boot_logged(&report.logs.join(format!("{name}.log")), BOOT_LIMIT)?;
    let Tally { passed, failed } = judge(&boot.expected, verdict, &text);
    let seconds = start.elapsed().as_secs();
    println!("   {name}: {passed} passed, {failed} failed ({seconds} s, {verdict})");
    if failed > 0 {
        print_tail(&text);
    }
    report.total.add(Tally { passed, failed });
    Ok(())
}

/// Counts a boot that ended with this verdict after printing this text.
fn judge(expected: &Expected, verdict: Verdict, text: &str) -> Tally {
    match expected {
        Expected::Tests => count::kernel_tests(text, verdict == Verdict::Success),
        Expected::Panic => {
            let said = text.contains("PANIC on core ")
                && !text.lines().any(|line| line.starts_with("ok "));
            count::one(text, said && verdict == Verdict::Failure(PANIC_CODE))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_must_be_said_and_must_end_the_machine_as_one() {
        let panic = |verdict, text| judge(&Expected::Panic, verdict, text).failed;
        assert_eq!(
            panic(Verdict::Failure(PANIC_CODE), "PANIC on core 2:\nx.rs:1"),
            0
        );
        assert_eq!(panic(Verdict::Failure(PANIC_CODE), ""), 1);
        assert_eq!(panic(Verdict::Success, "PANIC on core 2:\nx.rs:1"), 1);
        assert_eq!(
            panic(Verdict::TimedOut(BOOT_LIMIT), "PANIC on core 2:\nx.rs:1"),
            1
        );
    }

    #[test]
    fn all_tests_passed_and_no_success_is_a_failure() {
        let tests = |verdict, text| judge(&Expected::Tests, verdict, text).failed;
        assert_eq!(tests(Verdict::Success, "ok a\nok b\n"), 0);
        assert_eq!(tests(Verdict::TimedOut(BOOT_LIMIT), "ok a\nok b\n"), 1);
        assert_eq!(tests(Verdict::Failure(PANIC_CODE), "ok a\n"), 1);
        assert_eq!(tests(Verdict::Success, ""), 1);
    }
}
