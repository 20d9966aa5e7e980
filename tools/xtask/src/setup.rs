//! `setup`: install what is missing, and only that.
//!
//! Every tool is looked for first; when all are there nothing is run, so the Makefile can put this
//! in front of every target. On a system without apt it says what to install and fails.

use crate::{Failure, process};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// A thing that is needed, how to see that it is there, and what brings it.
struct Need {
    package: &'static str,
    why: &'static str,
    found: fn() -> bool,
}

/// Debian packages. Rust itself, and a linker for it, must be there to get here at all.
const NEEDS: [Need; 8] = [
    Need {
        package: "clang-19",
        why: "compiles C to the bitcode modules",
        found: || program("clang-19").is_some(),
    },
    Need {
        package: "llvm-19",
        why: "joins modules of several files, lists bitcode in tests",
        found: || program("llvm-link-19").is_some() && program("llvm-dis-19").is_some(),
    },
    Need {
        package: "newlib-source",
        why: "the sources of the C library of modules",
        found: || Path::new("/usr/src/newlib").is_dir(),
    },
    Need {
        package: "xz-utils",
        why: "unpacks them",
        found: || program("xz").is_some(),
    },
    Need {
        package: "gcc-multilib",
        why: "links native 32-bit programs, the judges of every result",
        found: || Path::new("/usr/lib32/crt1.o").exists() && has_32_bit_gcc(),
    },
    Need {
        package: "qemu-system-x86",
        why: "boots the kernel",
        found: || program("qemu-system-x86_64").is_some(),
    },
    Need {
        package: "mtools",
        why: "reads the disk image back in a test",
        found: || program("mdir").is_some(),
    },
    Need {
        package: "dosfstools",
        why: "checks the disk image in a test",
        found: || program("fsck.fat").is_some(),
    },
];

/// What only `make conformance` and `make fuzz` need.
const CONFORMANCE_NEEDS: [Need; 5] = [
    Need {
        package: "csmith",
        why: "writes random C programs",
        found: || program("csmith").is_some(),
    },
    Need {
        package: "clang-14",
        why: "compiles them to bitcode with typed pointers",
        found: || program("clang-14").is_some(),
    },
    Need {
        package: "clang-16",
        why: "compiles them to bitcode",
        found: || program("clang-16").is_some(),
    },
    Need {
        package: "lld-19",
        why: "links their native twins",
        found: || program("ld.lld-19").is_some(),
    },
    Need {
        package: "libclang-rt-16-dev",
        why: "is the fuzzer's loop",
        found: has_fuzzer,
    },
];

/// Parts of the Rust toolchain that a minimal installation lacks.
const COMPONENTS: [(&str, &str); 2] = [("clippy", "cargo-clippy"), ("rustfmt", "rustfmt")];

pub(crate) fn main(mut parser: lexopt::Parser) -> Result<ExitCode, Failure> {
    let more = match parser.next()? {
        Some(lexopt::Arg::Long("conformance")) => &CONFORMANCE_NEEDS[..],
        Some(argument) => return Err(argument.unexpected().into()),
        None => &[],
    };
    let needs = NEEDS.iter().chain(more);
    let missing: Vec<&Need> = needs.filter(|need| !(need.found)()).collect();
    if !missing.is_empty() {
        install_packages(&missing)?;
    }
    for (component, binary) in COMPONENTS {
        if program(binary).is_none() && program("rustup").is_some() {
            println!("installing the Rust component {component}");
            run(Command::new("rustup").args(["component", "add", component]))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn install_packages(missing: &[&Need]) -> Result<(), Failure> {
    println!("missing:");
    for need in missing {
        println!("  {:<16} {}", need.package, need.why);
    }
    let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    if program("apt-get").is_none() {
        let list = packages.join(" ");
        return Err(
            format!("no apt-get here; install what these Debian packages hold: {list}").into(),
        );
    }
    // An old package list names files that the mirrors no longer have.
    run(as_root("apt-get").args(["update", "--quiet"]))?;
    let install = ["install", "--yes", "--quiet", "--no-install-recommends"];
    run(as_root("apt-get").args(install).args(&packages))?;
    match missing.iter().find(|need| !(need.found)()) {
        Some(need) => Err(format!("{} was installed and is still not found", need.package).into()),
        None => Ok(()),
    }
}

/// A command that runs as root: directly if we are root, else through sudo.
fn as_root(name: &str) -> Command {
    let mut command = if is_root() || program("sudo").is_none() {
        Command::new(name)
    } else {
        // The variable has to pass through sudo, so it is set on its other side.
        let mut sudo = Command::new("sudo");
        sudo.args(["env", "DEBIAN_FRONTEND=noninteractive", name]);
        sudo
    };
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null());
    command
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn run(command: &mut Command) -> Result<(), Failure> {
    let end = process::run(command, None)?;
    if end.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {end}").into())
}

/// Where a program is. `/usr/sbin` counts too: Debian leaves it out of a user's `PATH`.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

/// Whether gcc's run-time library for i386 is there, in whatever version.
fn has_32_bit_gcc() -> bool {
    let Ok(versions) = std::fs::read_dir("/usr/lib/gcc/x86_64-linux-gnu") else {
        return false;
    };
    versions
        .filter_map(Result::ok)
        .any(|version| version.path().join("32/libgcc.a").exists())
}

/// Whether a clang that we know has libFuzzer's run-time library.
fn has_fuzzer() -> bool {
    let library = |version: &str, full: &str| {
        format!("/usr/lib/llvm-{version}/lib/clang/{full}/lib/linux/libclang_rt.fuzzer-x86_64.a")
    };
    let known = [("19", "19"), ("16", "16"), ("14", "14.0.6")];
    known
        .iter()
        .any(|(version, full)| Path::new(&library(version, full)).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_name_and_invented_ones_are_not() {
        assert!(program("sh").is_some());
        assert!(program("no-such-program").is_none());
    }

    #[test]
    fn every_need_says_why_and_is_listed_once() {
        for (index, need) in NEEDS.iter().enumerate() {
            assert!(!need.why.is_empty());
            assert!(
                NEEDS[..index]
                    .iter()
                    .all(|other| other.package != need.package)
            );
        }
    }
}
