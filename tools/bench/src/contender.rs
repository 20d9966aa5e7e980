//! Who takes part: the engine at each tier, and compilers a user would pick instead.
//!
//! All contenders run the same C file. Native ones are linked with `driver.c`, which measures as
//! [`child`](crate::child) does. What is built is kept in the output directory and only built
//! again when its source is newer.

use crate::Error;
use jit::tier::Tier;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Flags that make C a module with vectors, as `bareflow cc -march=x86-64-v3` does.
const MODULE_FLAGS: &[&str] = &[
    "--target=i386-unknown-none-elf",
    "-m32",
    "-march=x86-64-v3",
    "-mfpmath=sse",
    "-mprefer-vector-width=256",
    "-ffreestanding",
    "-nostdlib",
    "-fno-stack-protector",
    "-mlong-double-64",
    "-fno-math-errno",
    "-emit-llvm",
    "-c",
];

/// How a program is turned into something that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    /// `clang-19` with these flags, native.
    Clang(&'static str, &'static [&'static str]),
    /// clang's bitcode of this optimisation level through `llc-19 -O0`, native.
    Llc(&'static str, &'static str),
    /// The engine: bitcode of this level, every function at this tier; `None`: tiers by heat.
    Engine(&'static str, &'static str, Option<Tier>),
}

impl Contender {
    /// Everybody, in the order of the tables; the reference is [`Contender::is_reference`].
    pub(crate) const ALL: &'static [Self] = &[
        Self::Clang("clang -O0", &["-O0"]),
        Self::Clang("clang -O2", &["-O2"]),
        Self::Clang("clang -O3", &["-O3"]),
        Self::Clang("clang -O3 v3", &["-O3", "-march=x86-64-v3"]),
        Self::Clang("clang -m32 -O3", &["-O3", "-m32", "-msse2", "-mfpmath=sse"]),
        Self::Llc("llc -O0 (-O2 IR)", "-O2"),
        Self::Engine("baseline (-O0)", "-O0", Some(Tier::Baseline)),
        Self::Engine("o1 (-O0)", "-O0", Some(Tier::O1)),
        Self::Engine("o2 (-O0)", "-O0", Some(Tier::O2)),
        Self::Engine("o3 (-O0)", "-O0", Some(Tier::O3)),
        Self::Engine("baseline (-O2)", "-O2", Some(Tier::Baseline)),
        Self::Engine("o1 (-O2)", "-O2", Some(Tier::O1)),
        Self::Engine("o2 (-O2)", "-O2", Some(Tier::O2)),
        Self::Engine("o3 (-O2)", "-O2", Some(Tier::O3)),
        Self::Engine("auto (-O2)", "-O2", None),
    ];

    /// Name in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Clang(name, _) | Self::Llc(name, _) | Self::Engine(name, ..) => name,
        }
    }

    /// Whether all ratios are to this one.
    pub(crate) fn is_reference(self) -> bool {
        self.name() == "clang -O3"
    }

    /// The command that prints one sample for `source`; builds what it needs under `out`.
    ///
    /// # Errors
    /// A compiler is missing or refuses the program.
    pub(crate) fn command(
        self,
        source: &Path,
        out: &Path,
        budget_ms: u32,
    ) -> Result<Command, Error> {
        let budget = budget_ms.to_string();
        Ok(match self {
            Self::Clang(_, flags) => {
                let mut command = Command::new(native(source, out, flags)?);
                command.arg(budget);
                command
            }
            Self::Llc(_, level) => {
                let mut command = Command::new(through_llc(source, out, level)?);
                command.arg(budget);
                command
            }
            Self::Engine(_, level, tier) => {
                let mut command = Command::new(env::current_exe()?);
                let tier = tier.map_or("auto", Tier::name);
                command.args(["child", "run"]);
                command
                    .arg(bitcode(source, out, level, &[])?)
                    .args([tier, &budget]);
                command
            }
        })
    }
}

/// The source's bitcode for the engine at `level`; `flags` are for sources that need headers or definitions.
///
/// # Errors
/// clang refuses it.
pub(crate) fn bitcode(
    source: &Path,
    out: &Path,
    level: &str,
    flags: &[String],
) -> Result<PathBuf, Error> {
    let target = artefact(source, out, &format!("{level}.bc"));
    build(&target, source, || {
        let mut clang = Command::new("clang-19");
        clang.args(MODULE_FLAGS).args([level, "-w"]).args(flags);
        clang.arg(source).arg("-o").arg(&target);
        clang
    })?;
    Ok(target)
}

fn native(source: &Path, out: &Path, flags: &[&str]) -> Result<PathBuf, Error> {
    let target = artefact(source, out, &format!("{}.exe", flags.concat()));
    build(&target, source, || {
        let mut clang = Command::new("clang-19");
        clang
            .args(flags)
            .args(["-w", "-ffp-contract=off", "-fno-math-errno"]);
        clang.arg(source).arg(driver()).arg("-o").arg(&target);
        clang
    })?;
    Ok(target)
}

fn through_llc(source: &Path, out: &Path, level: &str) -> Result<PathBuf, Error> {
    let ir = artefact(source, out, &format!("{level}.x86-64.bc"));
    build(&ir, source, || {
        let mut clang = Command::new("clang-19");
        clang.args([
            level,
            "-w",
            "-emit-llvm",
            "-c",
            "-ffp-contract=off",
            "-fno-math-errno",
        ]);
        clang.arg(source).arg("-o").arg(&ir);
        clang
    })?;
    let object = artefact(source, out, "llc.o");
    build(&object, &ir, || {
        let mut llc = Command::new("llc-19");
        llc.args(["-O0", "-filetype=obj", "-relocation-model=pic"]);
        llc.arg(&ir).arg("-o").arg(&object);
        llc
    })?;
    let target = artefact(source, out, "llc.exe");
    build(&target, &object, || {
        let mut clang = Command::new("clang-19");
        clang.args(["-w", "-O2"]);
        clang.arg(&object).arg(driver()).arg("-o").arg(&target);
        clang
    })?;
    Ok(target)
}

fn driver() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("driver.c")
}

fn artefact(source: &Path, out: &Path, ending: &str) -> PathBuf {
    let stem = source.file_stem().unwrap_or_default().to_string_lossy();
    out.join(format!("{stem}{ending}"))
}

/// Runs the command that makes `target` unless it is younger than `source`.
fn build(target: &Path, source: &Path, command: impl FnOnce() -> Command) -> Result<(), Error> {
    let modified = |path: &Path| fs::metadata(path).and_then(|meta| meta.modified()).ok();
    if modified(target) > modified(source) {
        return Ok(());
    }
    let mut command = command();
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command
        .status()
        .map_err(|error| format!("{program}: {error} (`make setup` installs it)"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{program} failed for {}", source.display()).into())
    }
}
