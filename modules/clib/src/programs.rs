//! Real programs: C sources from crates.io, compiled by us to modules, and natively to compare.
//!
//! Some crates carry a C library for Rust to link. cargo brings them, by the manifest
//! `modules/programs/Cargo.toml`, which is a package of its own: it is fetched and never built, so no build
//! script of theirs runs. Which files make a library stands in [`ALL`]; a driver of ours makes a program
//! of it, whose output follows from its arguments alone.
//!
//! The same sources are built natively for i386 with glibc ([`Program::native`]): that program's output is
//! what the module's must be, byte for byte.

use crate::cache::{self, Key, Product};
use crate::compile::{self, CLANG, Job, Tools};
use crate::{Error, MODULE_FLAGS, headers};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io, str};

/// This repository's `modules/programs`.
const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../programs");

/// How the judge is compiled: the same pointer width, SSE arithmetic, nothing fused.
const NATIVE_FLAGS: [&str; 7] = [
    "-m32",
    "-msse2",
    "-mfpmath=sse",
    "-ffp-contract=off",
    "-O2",
    "-w",
    "-D_GNU_SOURCE",
];

/// A program: a library from a crate, and a driver.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Its name, also that of the driver.
    pub name: &'static str,
    /// The crate that has the sources; none where the driver is the whole program.
    package: Option<&'static str>,
    /// Files below the crate's directory; a folder stands for its C files.
    sources: &'static [&'static str],
    /// Files below the crate's directory that are not compiled.
    without: &'static [&'static str],
    /// Folders below the crate's directory with its headers.
    include: &'static [&'static str],
    /// What its own build defines, and we.
    flags: &'static [&'static str],
    /// The runs that tests compare, in order; each continues with the files that the one before left.
    pub runs: &'static [Run],
}

/// One run of a program.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// The arguments of the full test. Files are named relative to the working directory.
    pub full: &'static [&'static str],
    /// The arguments of the short one.
    pub short: &'static [&'static str],
}

/// How a module is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variant {
    /// For file names: `O0`, `O1`, `O2`, `O3`, `O3-v3`.
    pub name: &'static str,
    /// clang's level of optimisation.
    pub level: &'static str,
    /// clang's flags for the processor.
    pub target: &'static [&'static str],
}

/// clang's flags for every x86-64.
const ANY: &[&str] = &["-march=x86-64", "-mfpmath=sse"];
/// clang's flags for x86-64-v3. Contraction is off: the judge does not fuse either.
pub const V3: &[&str] = &[
    "-march=x86-64-v3",
    "-mfpmath=sse",
    "-mprefer-vector-width=256",
    "-ffp-contract=off",
];

/// The variants that everything is tested in.
pub const VARIANTS: [Variant; 5] = [
    variant("O0", "-O0", ANY),
    variant("O1", "-O1", ANY),
    variant("O2", "-O2", ANY),
    variant("O3", "-O3", ANY),
    variant("O3-v3", "-O3", V3),
];

const fn variant(
    name: &'static str,
    level: &'static str,
    target: &'static [&'static str],
) -> Variant {
    Variant {
        name,
        level,
        target,
    }
}

/// Files of `modules/programs/scripts` that a run may name.
pub const SCRIPTS: [&str; 4] = ["numbers.lua", "strings.lua", "tables.lua", "test.js"];

/// Every program.
pub const ALL: [Program; 12] = [
    // These test the C library itself.
    own(
        "c-print",
        &[Run {
            full: &[],
            short: &[],
        }],
    ),
    own(
        "c-lines",
        &[Run {
            full: &["50000"],
            short: &["2000"],
        }],
    ),
    own(
        "c-memory",
        &[Run {
            full: &["1000"],
            short: &["20"],
        }],
    ),
    own(
        "c-files",
        &[Run {
            full: &[],
            short: &[],
        }],
    ),
    own(
        "c-jumps",
        &[Run {
            full: &[],
            short: &[],
        }],
    ),
    own(
        "c-tasks",
        &[Run {
            full: &["5000"],
            short: &["300"],
        }],
    ),
    Program {
        name: "lua",
        package: Some("lua-src"),
        sources: &["lua-5.4.7"],
        without: &["lua-5.4.7/lua.c", "lua-5.4.7/luac.c"],
        include: &["lua-5.4.7"],
        // Otherwise the order of tables would depend on addresses and time.
        flags: &["-Dluai_makeseed(L)=0"],
        runs: &[
            Run {
                full: &["numbers.lua", "--", "300"],
                short: &["numbers.lua", "--", "20"],
            },
            Run {
                full: &["tables.lua", "--", "300"],
                short: &["tables.lua", "--", "20"],
            },
            Run {
                full: &["strings.lua", "--", "300"],
                short: &["strings.lua", "--", "20"],
            },
        ],
    },
    Program {
        name: "sqlite",
        package: Some("libsqlite3-sys"),
        sources: &["sqlite3/sqlite3.c"],
        without: &[],
        include: &["sqlite3"],
        flags: &[
            "-DSQLITE_THREADSAFE=0",
            "-DSQLITE_OMIT_LOAD_EXTENSION",
            "-DSQLITE_OMIT_WAL",
            "-DSQLITE_MAX_MMAP_SIZE=0",
            "-DSQLITE_ENABLE_RTREE",
            "-DSQLITE_DEFAULT_MEMSTATUS=0",
        ],
        runs: &[
            Run {
                full: &["create", "test.db", "100000"],
                short: &["create", "test.db", "2000"],
            },
            Run {
                full: &["query", "test.db"],
                short: &["query", "test.db"],
            },
        ],
    },
    Program {
        name: "zstd",
        package: Some("zstd-sys"),
        sources: &[
            "zstd/lib/common",
            "zstd/lib/compress",
            "zstd/lib/decompress",
        ],
        without: &[],
        include: &["zstd/lib"],
        flags: &[
            "-DZSTD_DISABLE_ASM",
            "-DDYNAMIC_BMI2=0",
            "-DSTATIC_BMI2=0",
            "-include",
            "zstd-cpu.h",
        ],
        runs: &[Run {
            full: &["4096"],
            short: &["128"],
        }],
    },
    Program {
        name: "zlib",
        package: Some("libz-sys"),
        sources: &["src/zlib"],
        without: &[],
        include: &["src/zlib"],
        flags: &["-DHAVE_UNISTD_H", "-DSTDC"],
        runs: &[Run {
            full: &["8192"],
            short: &["128"],
        }],
    },
    Program {
        name: "bzip2",
        package: Some("bzip2-sys"),
        sources: &[
            "bzip2-1.0.8/blocksort.c",
            "bzip2-1.0.8/huffman.c",
            "bzip2-1.0.8/crctable.c",
            "bzip2-1.0.8/randtable.c",
            "bzip2-1.0.8/compress.c",
            "bzip2-1.0.8/decompress.c",
            "bzip2-1.0.8/bzlib.c",
        ],
        without: &[],
        include: &["bzip2-1.0.8"],
        flags: &["-DBZ_NO_STDIO", "-D_FILE_OFFSET_BITS=64"],
        runs: &[Run {
            full: &["4096"],
            short: &["64"],
        }],
    },
    Program {
        name: "quickjs",
        package: Some("rquickjs-sys"),
        sources: &[
            "quickjs/libregexp.c",
            "quickjs/libunicode.c",
            "quickjs/cutils.c",
            "quickjs/quickjs.c",
            "quickjs/libbf.c",
        ],
        without: &[],
        include: &["quickjs"],
        // As for a platform without POSIX threads; it keeps the computed jumps, and knows no stack limit.
        flags: &["-D_GNU_SOURCE", "-D__wasi__"],
        runs: &[Run {
            full: &["test.js", "300"],
            short: &["test.js", "20"],
        }],
    },
];

/// A program that is one C file of ours.
const fn own(name: &'static str, runs: &'static [Run]) -> Program {
    Program {
        name,
        package: None,
        sources: &[],
        without: &[],
        include: &[],
        flags: &["-D_GNU_SOURCE"],
        runs,
    }
}

/// The program of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Program> {
    ALL.iter().find(|program| program.name == name)
}

impl Program {
    /// The program as one module without the C library: bitcode, built if it is not there.
    ///
    /// # Errors
    /// The sources cannot be fetched, or do not compile.
    pub fn module(&self, variant: Variant) -> Result<PathBuf, Error> {
        let level = [variant.level];
        let flags: Vec<&str> = level.iter().chain(variant.target).copied().collect();
        self.module_as(variant.name, &flags)
    }

    /// As [`Self::module`], compiled with these flags; `variant` names them in the cache.
    ///
    /// # Errors
    /// As for [`Self::module`].
    pub fn module_as(&self, variant: &str, flags: &[&'static str]) -> Result<PathBuf, Error> {
        let include = headers()?;
        let flags: Vec<&str> = MODULE_FLAGS.iter().chain(flags).copied().collect();
        let name = format!("{}-{variant}", self.name);
        let mut key = self.key(&name, &flags)?;
        // Its name has the hash of what the headers were made from.
        key.text(&include.to_string_lossy());
        let place = cache::product(&key, |product| {
            let tools = Tools {
                flags: flags.iter().copied().chain(["-w"]).collect(),
                include,
            };
            let jobs = self.jobs(product)?;
            compile::all(&tools, &jobs)?;
            compile::link(&jobs, &product.path().join("program.bc"))
        })?;
        Ok(place.join("program.bc"))
    }

    /// The same program for Linux on i386.
    ///
    /// # Errors
    /// As for [`Self::module`], or `gcc-multilib` is missing.
    pub fn native(&self) -> Result<PathBuf, Error> {
        self.native_as("native", &NATIVE_FLAGS)
    }

    /// The same program for Linux, compiled with these flags; `variant` names them in the cache.
    ///
    /// # Errors
    /// As for [`Self::native`].
    pub fn native_as(&self, variant: &str, flags: &[&str]) -> Result<PathBuf, Error> {
        let key = self.key(&format!("{}-{variant}", self.name), flags)?;
        let place = cache::product(&key, |product| {
            let mut clang = Command::new(CLANG);
            clang.args(flags);
            let jobs = self.jobs(product)?;
            for job in &jobs[..1] {
                clang.args(&job.flags);
            }
            clang.args(jobs.iter().map(|job| &job.source));
            clang.args(["-lm", "-latomic", "-pthread"]);
            compile::run(clang.arg("-o").arg(product.path().join("program")))
        })?;
        Ok(place.join("program"))
    }

    /// The first source of the library, and the flags with which it is compiled besides [`MODULE_FLAGS`]: to
    /// measure how long compiling it takes. `None` where the driver is the whole program.
    ///
    /// # Errors
    /// The source cannot be fetched, or there are no headers.
    pub fn source(&self) -> Result<Option<(PathBuf, Vec<String>)>, Error> {
        let Some(source) = self.sources.first() else {
            return Ok(None);
        };
        let root = self.root()?;
        let mut flags: Vec<String> = self.flags.iter().map(|&flag| flag.to_owned()).collect();
        for folder in self.include {
            flags.push(format!("-I{}", root.join(folder).display()));
        }
        flags.push("-nostdlibinc".to_owned());
        flags.push(format!("-isystem{}", headers()?.display()));
        Ok(Some((root.join(source), flags)))
    }

    /// Everything that a build of the program depends on.
    fn key(&self, name: &str, flags: &[&str]) -> Result<Key, Error> {
        let mut key = Key::new(name);
        key.tool(CLANG)?;
        key.text(&self.root()?.to_string_lossy());
        let lists = [self.sources, self.without, self.include, self.flags, flags];
        for text in lists.into_iter().flatten() {
            key.text(text);
        }
        let drivers = Path::new(HERE).join("drivers");
        let headers = ["generate.h", "zstd-cpu.h"].map(|name| drivers.join(name));
        for file in [self.driver()].iter().chain(&headers) {
            let text = fs::read_to_string(file).map_err(|error| cache::failure(file, &error))?;
            key.text(&text);
        }
        Ok(key)
    }

    /// The crate's files.
    fn root(&self) -> Result<PathBuf, Error> {
        self.package.map_or_else(|| Ok(PathBuf::new()), package)
    }

    fn driver(&self) -> PathBuf {
        Path::new(HERE).join(format!("drivers/{}.c", self.name))
    }

    /// One job per source; the outputs lie in the product's scratch folder.
    fn jobs(&self, product: &Product) -> Result<Vec<Job>, Error> {
        let root = self.root()?;
        let mut files = vec![self.driver()];
        for source in self.sources {
            let path = root.join(source);
            if path.is_dir() {
                files.extend(compile::c_files(&path)?);
            } else {
                files.push(path);
            }
        }
        let without: Vec<PathBuf> = self.without.iter().map(|name| root.join(name)).collect();
        files.retain(|file| !without.contains(file));
        let objects = product.scratch("objects")?;
        let mut jobs = Vec::new();
        for (number, file) in files.into_iter().enumerate() {
            let mut job = Job::new(file, objects.join(format!("{number}.bc")), self.flags);
            job.flags.push(format!("-I{HERE}/drivers"));
            for folder in self.include {
                job.flags.push(format!("-I{}", root.join(folder).display()));
            }
            jobs.push(job);
        }
        Ok(jobs)
    }
}

/// The script of this name.
#[must_use]
pub fn script(name: &str) -> PathBuf {
    Path::new(HERE).join("scripts").join(name)
}

/// Makes `place` an empty directory with the scripts in it.
///
/// # Errors
/// The file system refuses.
pub fn workplace(place: &Path) -> io::Result<()> {
    if place.exists() {
        fs::remove_dir_all(place)?;
    }
    fs::create_dir_all(place)?;
    for name in SCRIPTS {
        fs::copy(script(name), place.join(name))?;
    }
    Ok(())
}

/// Where cargo has put a crate's files; it fetches them if need be.
fn package(name: &str) -> Result<PathBuf, Error> {
    let mut cargo = Command::new("cargo");
    cargo.args(["metadata", "--format-version=1", "--locked"]);
    // Crates for other systems need not be fetched.
    cargo.args([
        "--filter-platform",
        "x86_64-unknown-linux-gnu",
        "--manifest-path",
    ]);
    cargo.arg(Path::new(HERE).join("Cargo.toml"));
    let output = cargo
        .output()
        .map_err(|error| Error(format!("cargo metadata: {error}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Error(format!(
            "cargo metadata for modules/programs: {said}"
        )));
    }
    let text = str::from_utf8(&output.stdout).unwrap_or_default();
    manifest_of(text, name).ok_or_else(|| Error(format!("cargo does not know the crate {name}")))
}

/// The folder of a package's manifest, from cargo's JSON. Only one field of it is needed, and a path
/// that JSON would have to escape is not expected.
fn manifest_of(metadata: &str, name: &str) -> Option<PathBuf> {
    let rest = metadata
        .split("\"manifest_path\":\"")
        .skip(1)
        .filter_map(|rest| rest.split_once('"'));
    let folders = rest.filter_map(|(path, _)| Path::new(path).parent());
    let wanted = |folder: &&Path| {
        let folder = folder.file_name().unwrap_or_default().to_string_lossy();
        // NAME-VERSION, where the name may have hyphens and a version begins with a digit.
        let version = folder.strip_prefix(name).and_then(|v| v.strip_prefix('-'));
        version.is_some_and(|v| v.starts_with(|c: char| c.is_ascii_digit()))
    };
    folders.into_iter().find(wanted).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_found_by_its_whole_name() {
        let text = r#"{"manifest_path":"/r/zlib-ng-sys-1.0/Cargo.toml"},{"manifest_path":"/r/zlib-2.1+x/Cargo.toml"}"#;
        assert_eq!(manifest_of(text, "zlib"), Some("/r/zlib-2.1+x".into()));
        assert_eq!(
            manifest_of(text, "zlib-ng-sys"),
            Some("/r/zlib-ng-sys-1.0".into())
        );
        assert_eq!(manifest_of(text, "sys"), None);
    }

    #[test]
    fn every_program_has_its_driver_and_every_run_its_scripts() {
        for program in &ALL {
            assert!(program.driver().is_file(), "{}", program.name);
            assert!(!program.runs.is_empty(), "{}", program.name);
        }
        for name in SCRIPTS {
            assert!(script(name).is_file(), "{name}");
        }
    }
}
