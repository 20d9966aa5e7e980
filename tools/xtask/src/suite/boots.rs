//! The tests that need a machine: the kernel boots in QEMU and reports `ok` and `not ok` lines.
//!
//! They answer what the host cannot: real bring-up, IPIs, page permissions, faults in ring 3,
//! publication seen by other cores. Always on software emulation, so that every machine tests the
//! same thing; `make run` uses KVM where it works.
//!
//! Two boots test the kernel's own end: a panic must be printed and must not look like success.

use super::{Report, count, print_tail};
use crate::qemu::{Accelerator, Machine, Verdict};
use crate::{Failure, image, kernel};
use count::Tally;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Time limit of one boot: generous, because machines that run tests may be slow and busy.
const BOOT_LIMIT: Duration = Duration::from_secs(300);
/// What the kernel writes to the exit device when it panics.
const PANIC_CODE: i32 = 0x12;

/// One boot: cores, the kernel's tests, and what must come of it.
struct Boot {
    cores: u32,
    tests: &'static str,
    expected: Expected,
}

/// What a boot must come to.
enum Expected {
    /// `ok` lines only, and success.
    Tests,
    /// A panic message, and the status of a panic.
    Panic,
}

const BOOTS: [Boot; 9] = [
    Boot {
        cores: 1,
        tests: "all",
        expected: Expected::Tests,
    },
    Boot {
        cores: 4,
        tests: "all",
        expected: Expected::Tests,
    },
    Boot {
        cores: 16,
        tests: "all",
        expected: Expected::Tests,
    },
    Boot {
        cores: 2,
        tests: "bringup,ipi",
        expected: Expected::Tests,
    },
    Boot {
        cores: 3,
        tests: "bringup,ipi",
        expected: Expected::Tests,
    },
    Boot {
        cores: 8,
        tests: "bringup,ipi",
        expected: Expected::Tests,
    },
    Boot {
        cores: 64,
        tests: "bringup,ipi",
        expected: Expected::Tests,
    },
    Boot {
        cores: 4,
        tests: "panic",
        expected: Expected::Panic,
    },
    Boot {
        cores: 4,
        tests: "panic-trap",
        expected: Expected::Panic,
    },
];

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
    Ok(())
}

fn run_boot(report: &mut Report, boot: &Boot, parts: &Parts) -> Result<(), Failure> {
    let name = format!("qemu-{}-{}", boot.cores, boot.tests.replace(',', "-"));
    let machine = Machine {
        kernel: parts.kernel.clone(),
        image: Some(parts.disk.clone()),
        events: Some(report.logs.join(format!("{name}.jsonl"))),
        cores: boot.cores,
        append: format!("test={}", boot.tests),
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
