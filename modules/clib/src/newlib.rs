//! Which of newlib's files make the library, and with which flags.
//!
//! Taken are whole folders but for what [`LEFT_OUT`] names. A few files are compiled several times,
//! as newlib's own makefiles do: the allocator once per function, so that a program gets what it uses,
//! and the formatting engines with and without floats and streams.

use crate::Error;
use crate::cache::Key;
use crate::compile::{self, Job};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Where Debian's package `newlib-source` puts the sources.
const PACKAGE: &str = "/usr/src/newlib";

/// Folders below `newlib/` whose C files are all taken.
const FOLDERS: [&str; 17] = [
    "libc/argz",
    "libc/ctype",
    "libc/errno",
    "libc/locale",
    "libc/misc",
    "libc/reent",
    "libc/search",
    "libc/signal",
    "libc/stdio",
    "libc/stdlib",
    "libc/string",
    "libc/syscalls",
    "libc/time",
    "libm/common",
    "libm/complex",
    "libm/fenv",
    "libm/math",
];

/// Single files of other folders.
const FILES: [&str; 12] = [
    "libc/posix/collate.c",
    "libc/posix/collcmp.c",
    "libc/posix/creat.c",
    "libc/posix/fnmatch.c",
    "libc/posix/regcomp.c",
    "libc/posix/regerror.c",
    "libc/posix/regexec.c",
    "libc/posix/regfree.c",
    "libc/unix/basename.c",
    "libc/unix/dirname.c",
    "libc/unix/pread.c",
    "libc/unix/pwrite.c",
];

/// Files that are not compiled: the small variants of stdio and malloc, and what `glue/` replaces.
const LEFT_OUT: [&str; 20] = [
    "libc/misc/fini.c",
    "libc/misc/init.c",
    "libc/misc/lock.c",
    "libc/reent/getreent.c",
    "libc/reent/mkdirr.c",
    "libc/stdlib/system.c",
    "libm/common/s_fma.c",
    "libm/common/s_nearbyint.c",
    "libm/common/s_rint.c",
    "libm/common/s_trunc.c",
    "libm/common/sf_fma.c",
    "libm/common/sf_nearbyint.c",
    "libm/common/sf_rint.c",
    "libm/common/sf_trunc.c",
    "libm/math/e_sqrt.c",
    "libm/math/ef_sqrt.c",
    "libm/math/s_ceil.c",
    "libm/math/s_floor.c",
    "libm/math/sf_ceil.c",
    "libm/math/sf_floor.c",
];

/// Files compiled several times: path, and for each time the flag and a part of the output's name.
const VARIANTS: [(&str, &[&str]); 5] = [
    (
        "libc/stdlib/mallocr.c",
        &[
            "-DDEFINE_MALLOC",
            "-DDEFINE_FREE",
            "-DDEFINE_REALLOC",
            "-DDEFINE_CALLOC",
            "-DDEFINE_CFREE",
            "-DDEFINE_MEMALIGN",
            "-DDEFINE_VALLOC",
            "-DDEFINE_PVALLOC",
            "-DDEFINE_MALLINFO",
            "-DDEFINE_MALLOC_STATS",
            "-DDEFINE_MALLOC_USABLE_SIZE",
            "-DDEFINE_MALLOPT",
        ],
    ),
    ("libc/stdio/vfprintf.c", FORMATTERS),
    ("libc/stdio/vfwprintf.c", FORMATTERS),
    ("libc/stdio/vfscanf.c", FORMATTERS),
    ("libc/stdio/vfwscanf.c", FORMATTERS),
];

const FORMATTERS: &[&str] = &[
    "",
    "-DINTEGER_ONLY",
    "-DSTRING_ONLY",
    "-DINTEGER_ONLY -DSTRING_ONLY",
];

/// What newlib's makefiles define. The system calls are ours, in the form that takes the state; blocks
/// of `malloc` are aligned for vectors.
const DEFINES: [&str; 8] = [
    "-D_COMPILING_NEWLIB",
    "-D_LIBC",
    "-DREENTRANT_SYSCALLS_PROVIDED",
    "-DHAVE_FCNTL",
    "-DHAVE_RENAME",
    "-DHAVE_BLKSIZE",
    "-DINTERNAL_NEWLIB",
    "-DMALLOC_ALIGNMENT=16",
];

/// The archive with the sources: `BAREFLOW_NEWLIB`, or Debian's.
///
/// # Errors
/// There is none; the message says which package to install.
pub fn tarball() -> Result<PathBuf, Error> {
    if let Some(path) = env::var_os("BAREFLOW_NEWLIB") {
        return Ok(path.into());
    }
    let listing = fs::read_dir(PACKAGE).into_iter().flatten();
    let mut found: Vec<PathBuf> = listing
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.to_string_lossy().ends_with(".tar.xz"))
        .collect();
    found.sort();
    let missing = || Error("newlib is missing: `apt-get install newlib-source`".to_owned());
    found.pop().ok_or_else(missing)
}

/// Adds the lists of this file to the library's key.
pub(crate) fn add_to_key(key: &mut Key) {
    let variants = VARIANTS
        .iter()
        .flat_map(|(file, flags)| [*file].into_iter().chain(flags.iter().copied()));
    let lists = FOLDERS.into_iter().chain(FILES).chain(LEFT_OUT);
    for text in lists.chain(DEFINES).chain(variants) {
        key.text(text);
    }
}

/// Unpacks the two libraries' folders; `to` then has `libc` and `libm`.
pub(crate) fn unpack(tarball: &Path, to: &Path) -> Result<(), Error> {
    let mut tar = Command::new("tar");
    tar.arg("-xJf").arg(tarball).arg("-C").arg(to);
    // The archive's only top folder is named after the version.
    tar.args(["--strip-components=2", "--wildcards"]);
    compile::run(tar.args(["*/newlib/libc/*", "*/newlib/libm/*"]))
}

/// Copies newlib's headers.
pub(crate) fn copy_headers(source: &Path, to: &Path) -> Result<(), Error> {
    let mut copy = Command::new("cp");
    compile::run(copy.arg("-r").arg(source.join("libc/include")).arg(to))
}

/// Every file to compile.
pub(crate) fn jobs(source: &Path, objects: &Path) -> Result<Vec<Job>, Error> {
    let mut files: Vec<String> = FILES.iter().map(|&file| file.to_owned()).collect();
    for folder in FOLDERS {
        let found = compile::c_files(&source.join(folder))?;
        let names = found.iter().filter_map(|file| file.file_name()?.to_str());
        files.extend(names.map(|name| format!("{folder}/{name}")));
    }
    files.sort();
    files.retain(|file| !LEFT_OUT.contains(&file.as_str()) && !file.contains("/nano-"));
    let mut jobs = Vec::new();
    for file in &files {
        let variants = VARIANTS.iter().find(|(name, _)| name == file);
        for variant in variants.map_or(&[""][..], |(_, variants)| *variants) {
            jobs.push(job(source, objects, file, variant));
        }
    }
    Ok(jobs)
}

fn job(source: &Path, objects: &Path, file: &str, variant: &str) -> Job {
    let name = file.replace('/', "_").replace(".c", "");
    let part = variant.replace("-D", "-").replace(' ', "");
    let output = objects.join(format!("{name}{part}.bc"));
    let mut job = Job::new(source.join(file), output, &DEFINES);
    job.flags
        .extend(variant.split_whitespace().map(str::to_owned));
    if file.contains("/posix/") {
        job.flags.push("-D_GNU_SOURCE".to_owned());
    }
    for folder in ["libc/locale", "libc/stdio", "libc/stdlib", "libm/common"] {
        let folder = source.join(folder);
        job.flags.push(format!("-I{}", folder.display()));
    }
    job
}
