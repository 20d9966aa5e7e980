//! The emulated machine: QEMU's command line, which accelerator works, what an exit status means.
//!
//! The kernel ends by writing a byte to the `isa-debug-exit` device, and QEMU then exits with
//! `2 * byte + 1`. A plain 0 can therefore only come from something else (a closed window, a
//! triple fault with `-no-reboot`), so the kernel says success with [`SUCCESS_CODE`] and
//! everything else is a failure, silence included.
//!
//! KVM is only used after a probe: the device may exist and still not run this kernel (nested
//! virtualisation without vector instructions in ring 0 is one such case, seen in practice).

#[cfg(test)]
mod machine_tests;

use crate::Failure;
use crate::process::{self, End};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// What the kernel writes to the exit device when all is well.
const SUCCESS_CODE: i32 = 0x10;
/// Port of the exit device.
const EXIT_PORT: &str = "isa-debug-exit,iobase=0xf4,iosize=4";
/// How long the probe boot may take.
const PROBE_LIMIT: Duration = Duration::from_secs(5);
/// Kernel command line of the probe: a test that only needs the boot to succeed.
const PROBE_APPEND: &str = "test=bringup";

/// How QEMU executes guest code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accelerator {
    /// Software emulation, one host thread per core.
    Tcg,
    /// The processor's virtualisation.
    Kvm,
}

/// A machine to boot.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    /// The kernel's ELF.
    pub(crate) kernel: PathBuf,
    /// The disk image, if there is a disk.
    pub(crate) image: Option<PathBuf>,
    /// Where the second serial port, the JSON lines, goes.
    pub(crate) events: Option<PathBuf>,
    /// Number of cores.
    pub(crate) cores: u32,
    /// Kernel command line.
    pub(crate) append: String,
    /// How to execute.
    pub(crate) accelerator: Accelerator,
}

/// What a boot came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The kernel said that all is well.
    Success,
    /// The kernel said something else: the byte it wrote.
    Failure(i32),
    /// QEMU ended without a word from the kernel, with this status (none: a signal).
    Silence(Option<i32>),
    /// The machine was still running when its time was up.
    TimedOut(Duration),
}

impl Verdict {
    /// Reads the end of the QEMU process.
    pub(crate) fn of(end: End) -> Self {
        match end {
            End::TimedOut(limit) => Self::TimedOut(limit),
            End::Exited(status) => match status.code() {
                Some(code) if code & 1 == 1 && code > 1 => match code >> 1 {
                    SUCCESS_CODE => Self::Success,
                    byte => Self::Failure(byte),
                },
                other => Self::Silence(other),
            },
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Success => f.write_str("success"),
            Self::Failure(byte) => write!(f, "the kernel exited with {byte:#x}"),
            Self::Silence(Some(code)) => {
                write!(
                    f,
                    "QEMU ended with status {code}, without a word from the kernel"
                )
            }
            Self::Silence(None) => f.write_str("QEMU was ended by a signal"),
            Self::TimedOut(limit) => write!(f, "not finished after {} s", limit.as_secs()),
        }
    }
}

impl Machine {
    /// The QEMU process, console on its standard streams.
    pub(crate) fn command(&self) -> Command {
        let mut qemu = Command::new("qemu-system-x86_64");
        qemu.args(["-machine", "q35", "-cpu", "max", "-m", "1G"]);
        qemu.args(["-accel", self.accelerator.argument()]);
        qemu.args(["-smp", &self.cores.to_string()]);
        qemu.args([
            "-display",
            "none",
            "-monitor",
            "none",
            "-nic",
            "none",
            "-no-reboot",
        ]);
        qemu.args(["-device", EXIT_PORT, "-serial", "stdio", "-serial"]);
        match &self.events {
            Some(file) => qemu.arg(format!("file:{}", escape(file))),
            None => qemu.arg("null"),
        };
        if let Some(image) = &self.image {
            let drive = format!("if=none,id=disk,format=raw,file={}", escape(image));
            qemu.args(["-drive", &drive, "-device", "virtio-blk-pci,drive=disk"]);
        }
        qemu.arg("-kernel")
            .arg(&self.kernel)
            .args(["-append", &self.append]);
        qemu
    }

    /// Boots without input for at most `limit`; returns the verdict and the console's text.
    pub(crate) fn boot_logged(
        &self,
        log: &Path,
        limit: Duration,
    ) -> Result<(Verdict, String), Failure> {
        let (end, text) = process::run_logged(&mut self.command(), log, limit)?;
        Ok((Verdict::of(end), text))
    }
}

/// A path inside one of QEMU's option lists, where a comma is written twice.
fn escape(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

impl Accelerator {
    /// Takes `auto`, `tcg` or `kvm`; `auto` boots `kernel` once under KVM to see whether it works.
    pub(crate) fn choose(word: &str, kernel: &Path) -> Result<Self, Failure> {
        match word {
            "tcg" => Ok(Self::Tcg),
            "kvm" => Ok(Self::Kvm),
            "auto" if kvm_works(kernel) => Ok(Self::Kvm),
            "auto" => Ok(Self::Tcg),
            _ => Err(format!("accelerator {word:?} is not one of auto, tcg, kvm").into()),
        }
    }

    const fn argument(self) -> &'static str {
        match self {
            Self::Tcg => "tcg,thread=multi",
            Self::Kvm => "kvm",
        }
    }
}

/// Whether this kernel really comes up under KVM here.
fn kvm_works(kernel: &Path) -> bool {
    if std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/kvm")
        .is_err()
    {
        return false;
    }
    let machine = Machine {
        kernel: kernel.to_owned(),
        image: None,
        events: None,
        cores: 1,
        append: PROBE_APPEND.to_owned(),
        accelerator: Accelerator::Kvm,
    };
    let mut qemu = machine.command();
    qemu.stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let end = process::run(&mut qemu, Some(PROBE_LIMIT));
    end.is_ok_and(|end| Verdict::of(end) == Verdict::Success)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    fn exited(code: i32) -> Verdict {
        Verdict::of(End::Exited(ExitStatus::from_raw(code << 8)))
    }

    #[test]
    fn only_the_kernels_own_success_code_is_success() {
        assert_eq!(exited(33), Verdict::Success);
        assert_eq!(exited(0), Verdict::Silence(Some(0)));
        assert_eq!(exited(1), Verdict::Silence(Some(1)));
        assert_eq!(exited(2), Verdict::Silence(Some(2)));
        assert_eq!(exited(3), Verdict::Failure(1));
        assert_eq!(exited(35), Verdict::Failure(0x11));
        let killed = ExitStatus::from_raw(9);
        assert_eq!(Verdict::of(End::Exited(killed)), Verdict::Silence(None));
        let limit = Duration::from_secs(1);
        assert_eq!(Verdict::of(End::TimedOut(limit)), Verdict::TimedOut(limit));
    }

    #[test]
    fn the_command_line_has_what_was_asked_for() {
        let machine = Machine {
            kernel: "k.elf".into(),
            image: Some("a,b.img".into()),
            events: Some("e.jsonl".into()),
            cores: 3,
            append: "test=x t1=5".into(),
            accelerator: Accelerator::Tcg,
        };
        let command = machine.command();
        let arguments: Vec<_> = command.get_args().map(|a| a.to_string_lossy()).collect();
        let line = arguments.join(" ");
        for part in [
            "-smp 3",
            "tcg,thread=multi",
            "file=a,,b.img",
            "-serial stdio -serial file:e.jsonl",
            "-append test=x t1=5",
        ] {
            assert!(line.contains(part), "{part} in {line}");
        }
    }

    #[test]
    fn an_unknown_accelerator_is_refused() {
        assert!(Accelerator::choose("fast", Path::new("k")).is_err());
    }
}
