//! `cargo xtask`: what the Makefile's targets do.
//!
//! Image, QEMU, the whole test run, tidiness: logic that would be unreadable as a Makefile lives
//! here, one file per job. A subcommand is a row of [`COMMANDS`] and a function.
//!
//! Without the feature `guests` only `setup` and `tidy` exist. That is how the very first command
//! runs in a fresh clone: everything else embeds the demo modules, whose build needs the clang
//! that `setup` installs.
#![expect(clippy::std_instead_of_core, reason = "a host program")]

#[cfg(feature = "guests")]
mod boot;
#[cfg(feature = "guests")]
mod image;
#[cfg(feature = "guests")]
mod kernel;
mod process;
#[cfg(feature = "guests")]
mod programs;
#[cfg(feature = "guests")]
mod qemu;
#[cfg(feature = "guests")]
mod run;
mod setup;
#[cfg(feature = "guests")]
mod stress;
#[cfg(feature = "guests")]
mod suite;
mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

/// Why a subcommand failed, for a person; the program then exits with 1.
type Failure = Box<dyn std::error::Error>;

/// One subcommand: name, what it does, how.
struct Command {
    name: &'static str,
    help: &'static str,
    run: fn(lexopt::Parser) -> Result<ExitCode, Failure>,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "setup",
        help: "install what is missing (Debian packages)",
        run: setup::main,
    },
    Command {
        name: "tidy",
        help: "check layers, file heads, orderings, words",
        run: tidy::main,
    },
    #[cfg(feature = "guests")]
    Command {
        name: "libc",
        help: "build the C library of modules and print where it is",
        run: libc,
    },
    #[cfg(feature = "guests")]
    Command {
        name: "programs",
        help: "real programs at every tier against native ones: [--short] [--program NAME]... \
               [--variant O0|O1|O2|O3|O3-v3]... [--tier TIER|kernel]...",
        run: programs::main,
    },
    #[cfg(feature = "guests")]
    Command {
        name: "image",
        help: "build the FAT16 disk image: [--modules FILE,...] [--output FILE]",
        run: image::main,
    },
    #[cfg(feature = "guests")]
    Command {
        name: "kernel",
        help: "build the kernel and print where its ELF is",
        run: kernel::main,
    },
    #[cfg(feature = "guests")]
    Command {
        name: "run",
        help: "boot in QEMU: [--smp N] [--accel auto|tcg|kvm] [--modules FILE,...] \
               [--append WORDS] [--events FILE] [--timeout SECONDS] [--headless]",
        run: run::main,
    },
    #[cfg(feature = "guests")]
    Command {
        name: "boot",
        help: "boot one program: FILE [ARG...] [--smp N] [--accel auto|tcg|kvm]",
        run: boot::main,
    },
    #[cfg(feature = "guests")]
    Command {
        name: "stress",
        help: "call while recompiling: [--smp N] [--calls N] [--seconds N] [--accel auto|tcg|kvm]",
        run: stress::main,
    },
    #[cfg(feature = "guests")]
    Command {
        name: "test",
        help: "run every test: [--skip STEP]... [--only STEP]...",
        run: suite::main,
    },
];

fn main() -> ExitCode {
    let mut parser = lexopt::Parser::from_env();
    let Ok(Some(lexopt::Arg::Value(name))) = parser.next() else {
        return usage();
    };
    let Some(command) = COMMANDS.iter().find(|command| name == command.name) else {
        return usage();
    };
    match (command.run)(parser) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("{}: {failure}", command.name);
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: cargo xtask COMMAND\n");
    for command in COMMANDS {
        eprintln!("  {:<8} {}", command.name, command.help);
    }
    ExitCode::from(2)
}

/// The repository's root: this crate is `tools/xtask`.
fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Where this program's own products go: image, logs. Made if it is not there.
#[cfg(feature = "guests")]
fn output_dir() -> Result<PathBuf, Failure> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root().join("target"), PathBuf::from);
    let dir = target.join("bareflow");
    std::fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    Ok(dir)
}

/// Builds the C library if that has not happened yet.
#[cfg(feature = "guests")]
fn libc(parser: lexopt::Parser) -> Result<ExitCode, Failure> {
    no_arguments(parser)?;
    let library = clib::ensure()?;
    println!("{}", library.archive.display());
    println!("{}", library.include.display());
    Ok(ExitCode::SUCCESS)
}

/// For subcommands without options.
fn no_arguments(mut parser: lexopt::Parser) -> Result<(), lexopt::Error> {
    match parser.next()? {
        Some(argument) => Err(argument.unexpected()),
        None => Ok(()),
    }
}
