//! The tests that need a machine: the kernel boots in QEMU and reports `ok` and `not ok` lines.
//!
//! They answer what the host cannot: real bring-up, IPIs, page permissions, faults in ring 3,
//! publication seen by other cores. Always on software emulation, so that every machine tests the
//! same thing; `make run` uses KVM where it works.

use super::{Report, count, print_tail};
use crate::qemu::{Accelerator, Machine, Verdict};
use crate::{Failure, image, kernel};
use std::path::Path;
use std::time::Duration;

/// Time limit of one boot: generous, because machines that run tests may be slow and busy.
const BOOT_LIMIT: Duration = Duration::from_secs(300);

/// One boot of the tests.
struct Boot {
    cores: u32,
    append: &'static str,
}

const BOOTS: [Boot; 3] = [
    Boot {
        cores: 1,
        append: "test=all",
    },
    Boot {
        cores: 4,
        append: "test=all",
    },
    Boot {
        cores: 16,
        append: "test=all",
    },
];

/// Boots each configuration and adds up what the kernel says.
pub(super) fn run(report: &mut Report) -> Result<(), Failure> {
    let kernel = kernel::build()?;
    let disk = image::default_path()?;
    image::write(&disk, &image::content(&[])?)?;
    for boot in &BOOTS {
        run_boot(report, boot, &kernel, &disk)?;
    }
    Ok(())
}

fn run_boot(report: &mut Report, boot: &Boot, kernel: &Path, disk: &Path) -> Result<(), Failure> {
    let name = format!("qemu-{}-cores", boot.cores);
    let machine = Machine {
        kernel: kernel.to_owned(),
        image: Some(disk.to_owned()),
        events: Some(report.logs.join(format!("{name}.jsonl"))),
        cores: boot.cores,
        append: boot.append.to_owned(),
        accelerator: Accelerator::Tcg,
    };
    let log = report.logs.join(format!("{name}.log"));
    let (verdict, text) = machine.boot_logged(&log, BOOT_LIMIT)?;
    let tally = count::kernel_tests(&text, verdict == Verdict::Success);
    println!(
        "   {name}: {} passed, {} failed, {verdict}",
        tally.passed, tally.failed
    );
    if tally.failed > 0 {
        print_tail(&text);
    }
    report.total.add(tally);
    Ok(())
}
