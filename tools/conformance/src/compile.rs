//! clang: programs to bitcode in every configuration, and to the native programs that judge.
//!
//! The judge is `clang-19 -m32 -msse2 -mfpmath=sse -ffp-contract=off` on the same source: same widths,
//! same layout, same rounding. A second judge compiles *the same bitcode* for i386, which tells a
//! mistake of ours from one of the older clang that made the bitcode.

use crate::process::{self, Output};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::time::Duration;
use std::{fmt, fs, io};

/// Time limit of one compiler run.
const COMPILE_LIMIT: Duration = Duration::from_secs(60);
/// The compiler of all native programs.
const JUDGE: &str = "clang-19";
/// What the generated programs find as their C library.
const RUNTIME: &str = include_str!("../guest/runtime.h");
/// What lies under it natively.
const START: &str = include_str!("../guest/start.c");
/// Headers that are the runtime under another name.
const HEADERS: [&str; 5] = ["stdio.h", "stdlib.h", "string.h", "math.h", "assert.h"];
/// The meaning of floating point that all tiers and the judge share, and no library.
const COMMON: &[&str] = &[
    "-msse2",
    "-mfpmath=sse",
    "-ffp-contract=off",
    "-mlong-double-80",
    "-ffreestanding",
    "-fno-stack-protector",
    "-w",
];

/// A way to make bitcode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Config {
    /// clang's version: 14, 16 or 19.
    pub(crate) clang: u32,
    /// Its optimisation level.
    pub(crate) level: u32,
    /// What it may use.
    pub(crate) target: Target,
}

/// Which instructions a compiler may use, and thereby which IR it makes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    /// SSE2, as every module of the SDK.
    Sse2,
    /// x86-64-v3 with vectors of 256 bits.
    V3,
    /// SSE2 without a vectoriser: what the tiers make of scalar code at -O2.
    Scalar,
}

impl Target {
    const ALL: [Self; 3] = [Self::Sse2, Self::V3, Self::Scalar];

    fn suffix(self) -> &'static str {
        match self {
            Self::Sse2 => "",
            Self::V3 => "-v3",
            Self::Scalar => "-scalar",
        }
    }

    fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Sse2 => &[],
            Self::V3 => &["-march=x86-64-v3", "-mprefer-vector-width=256"],
            Self::Scalar => &["-fno-vectorize", "-fno-slp-vectorize"],
        }
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            clang,
            level,
            target,
        } = self;
        write!(f, "clang-{clang}-O{level}{}", target.suffix())
    }
}

impl FromStr for Config {
    type Err = String;

    /// Reads what `Display` writes.
    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let rest = text.strip_prefix("clang-")?;
            let (clang, rest) = rest.split_once("-O")?;
            let (level, suffix) = rest.split_at_checked(1)?;
            let target = Target::ALL
                .into_iter()
                .find(|target| target.suffix() == suffix)?;
            let (clang, level) = (clang.parse().ok()?, level.parse().ok()?);
            Some(Self {
                clang,
                level,
                target,
            })
        };
        parse()
            .ok_or_else(|| format!("no configuration `{text}`: like clang-16-O2 or clang-19-O3-v3"))
    }
}

/// Files in one directory that are compiled again and again under the same names.
#[derive(Debug)]
pub(crate) struct Workshop {
    dir: PathBuf,
    start: PathBuf,
    libgcc: PathBuf,
}

impl Workshop {
    /// Makes `dir` with the runtime in it.
    ///
    /// # Errors
    /// It cannot be written, or there is no 32-bit compiler.
    pub(crate) fn new(dir: &Path) -> io::Result<Self> {
        let include = dir.join("include");
        fs::create_dir_all(&include)?;
        fs::write(include.join("runtime.h"), RUNTIME)?;
        for header in HEADERS {
            fs::write(include.join(header), "#include \"runtime.h\"\n")?;
        }
        let source = dir.join("start.c");
        fs::write(&source, START)?;
        let this = Self {
            dir: dir.to_owned(),
            start: dir.join("start.o"),
            libgcc: libgcc()?,
        };
        let mut clang = Command::new(JUDGE);
        clang.args(COMMON).args(["-m32", "-O2", "-c"]).arg(&source);
        let output = process::run(clang.arg("-o").arg(&this.start), COMPILE_LIMIT)?;
        succeeded(&output)?;
        Ok(this)
    }

    /// A file in the directory.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Bitcode of `source`.
    ///
    /// # Errors
    /// clang's complaint.
    pub(crate) fn bitcode(&self, config: Config, source: &Path) -> io::Result<PathBuf> {
        let out = self.file(&format!("{config}.bc"));
        let mut clang = Command::new(format!("clang-{}", config.clang));
        clang.args(["--target=i386-unknown-none-elf", "-emit-llvm", "-c"]);
        self.common(&mut clang, config.level);
        clang.args(config.target.flags());
        let output = process::run(clang.arg(source).arg("-o").arg(&out), COMPILE_LIMIT)?;
        succeeded(&output)?;
        Ok(out)
    }

    /// A native program of `source`; `flags` come last.
    ///
    /// # Errors
    /// clang's complaint.
    pub(crate) fn native(&self, source: &Path, level: u32, flags: &[&str]) -> io::Result<PathBuf> {
        let out = self.file("native");
        let mut clang = Command::new(JUDGE);
        self.common(&mut clang, level);
        clang.args(flags).arg(source);
        self.link(clang, &out)
    }

    /// A native program of bitcode.
    ///
    /// # Errors
    /// clang's complaint.
    pub(crate) fn native_of_bitcode(&self, bitcode: &Path) -> io::Result<PathBuf> {
        let out = self.file("native-of-bitcode");
        let mut clang = Command::new(JUDGE);
        clang
            .args(["-w", "-x", "ir"])
            .arg(bitcode)
            .args(["-x", "none"]);
        self.link(clang, &out)
    }

    fn common(&self, clang: &mut Command, level: u32) {
        let include = self.dir.join("include");
        clang.args(COMMON).arg(format!("-O{level}"));
        clang.arg("-I").arg(include).arg("-I/usr/include/csmith");
    }

    fn link(&self, mut clang: Command, out: &Path) -> io::Result<PathBuf> {
        clang.args(["-m32", "-fno-pic", "-nostdlib", "-static", "-fuse-ld=lld"]);
        clang.arg(&self.start).arg(&self.libgcc).arg("-o").arg(out);
        succeeded(&process::run(&mut clang, COMPILE_LIMIT)?)?;
        Ok(out.to_owned())
    }
}

/// The library with 64-bit division and the like for 32-bit programs.
fn libgcc() -> io::Result<PathBuf> {
    let mut gcc = Command::new("gcc");
    let output = process::run(gcc.args(["-m32", "-print-libgcc-file-name"]), COMPILE_LIMIT)?;
    succeeded(&output)?;
    Ok(output.stdout.trim().into())
}

fn succeeded(output: &Output) -> io::Result<()> {
    if output.success() {
        return Ok(());
    }
    let first = output.stderr.lines().find(|line| line.contains("error"));
    let what = first.unwrap_or_else(|| output.stderr.lines().next().unwrap_or("no word"));
    Err(io::Error::other(format!("{:?}: {what}", output.end)))
}
