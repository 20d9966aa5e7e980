//! The C library of modules: newlib, built to bitcode, and what lies under it.
//!
//! A C program that is more than arithmetic wants `printf`, `malloc`, `strtod`. newlib is a complete
//! and well-kept library of the right size; Debian packages its sources (`newlib-source`). They are
//! unpacked and compiled here, by clang-19, to one archive of bitcode members, `libc.a`. Nothing of
//! newlib is in this repository, and its configure script is not run: [`newlib`] lists the sources,
//! `include/newlib.h` is the configuration, and `glue/` has what the script would have taken from the
//! operating system: files, memory, time, locks, tasks, on the host calls of `bareflow.h`.
//!
//! # When it is built
//! Once, when somebody first asks for it ([`ensure`]); that takes about a minute on one core, so it
//! is no part of `cargo build`. The products lie in a directory whose name has a hash of everything
//! that goes into them ([`cache`]): two checkouts or profiles with the same inputs share them, a changed
//! input makes a new one, and an unchanged one costs a hash of small texts.
//!
//! # Why the library is compiled as it is
//! `-O2` without vectorising: what vectors would make faster (`memcpy` and its kind) is native code of
//! the runtime, and the rest would only grow. `-ffp-contract=off`: `strtod` and the mathematical
//! functions are written for separate roundings. No assembly files: a module is bitcode only.
#![expect(
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    reason = "runs on the host"
)]
#![forbid(unsafe_code)]

pub mod cache;
pub mod compile;
mod glue;
pub mod newlib;
pub mod programs;

use cache::{Key, Product};
use compile::{Job, Tools};
use std::fmt;
use std::path::{Path, PathBuf};

/// What makes any C a module: the target, 64-bit `long double`, bitcode as the output.
pub const MODULE_FLAGS: [&str; 7] = [
    "--target=i386-unknown-none-elf",
    "-m32",
    "-nostdlibinc",
    "-fno-stack-protector",
    "-mlong-double-64",
    "-emit-llvm",
    "-c",
];

/// How the library itself is compiled, besides [`MODULE_FLAGS`].
const LIBRARY_FLAGS: [&str; 12] = [
    "-O2",
    "-march=x86-64",
    "-mfpmath=sse",
    "-fno-vectorize",
    "-fno-slp-vectorize",
    "-ffp-contract=off",
    "-fno-builtin",
    "-fno-math-errno",
    "-fno-pic",
    "-fcommon",
    "-std=gnu11",
    "-w",
];

/// Where the built library is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library {
    /// The archive `libc.a`: bitcode members with a symbol index.
    pub archive: PathBuf,
    /// The headers: newlib's, `bareflow.h`, `bf/task.h`, `threads.h`.
    pub include: PathBuf,
}

/// Why there is no library; for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(pub String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// The library, built if it is not there yet.
///
/// # Errors
/// A missing package (the message says which), a source that does not compile, a full disk.
pub fn ensure() -> Result<Library, Error> {
    let include = headers()?;
    let tarball = newlib::tarball()?;
    let mut key = Key::new("libc");
    key.tool("clang-19")?;
    // Its name has the hash of the tarball and of all headers.
    key.text(&include.to_string_lossy());
    for flag in MODULE_FLAGS.iter().chain(&LIBRARY_FLAGS) {
        key.text(flag);
    }
    newlib::add_to_key(&mut key);
    for (name, text) in glue::SOURCES {
        key.text(name);
        key.text(text);
    }
    let place = cache::product(&key, |product| build(&tarball, &include, product))?;
    Ok(Library {
        archive: place.join("libc.a"),
        include,
    })
}

/// The library's headers alone: all that compiling needs.
///
/// # Errors
/// A missing package, a full disk.
pub fn headers() -> Result<PathBuf, Error> {
    let tarball = newlib::tarball()?;
    let mut key = Key::new("include");
    key.file(&tarball)?;
    let moved = glue::EXTENDED
        .iter()
        .flat_map(|(name, aside)| [name, aside]);
    for text in moved.chain(&glue::REMOVED) {
        key.text(text);
    }
    for (name, text) in glue::HEADERS {
        key.text(name);
        key.text(text);
    }
    let place = cache::product(&key, |product| copy_headers(&tarball, product))?;
    Ok(place.join("include"))
}

/// Fills `include/`: newlib's headers and ours.
fn copy_headers(tarball: &Path, product: &Product) -> Result<(), Error> {
    let source = product.scratch("newlib")?;
    newlib::unpack(tarball, &source)?;
    let include = product.path().join("include");
    newlib::copy_headers(&source, &include)?;
    for (name, aside) in glue::EXTENDED {
        let (from, to) = (include.join(name), include.join(aside));
        std::fs::rename(&from, to).map_err(|error| cache::failure(&from, &error))?;
    }
    for name in glue::REMOVED {
        let path = include.join(name);
        std::fs::remove_file(&path).map_err(|error| cache::failure(&path, &error))?;
    }
    for (name, text) in glue::HEADERS {
        product.write(&format!("include/{name}"), text)?;
    }
    Ok(())
}

/// Fills the product's directory: `libc.a`.
fn build(tarball: &Path, include: &Path, product: &Product) -> Result<(), Error> {
    eprintln!("building the C library once (about a minute)");
    let source = product.scratch("newlib")?;
    newlib::unpack(tarball, &source)?;
    let own = product.scratch("glue")?;
    for (name, text) in glue::SOURCES {
        cache::write(&own.join(name), text)?;
    }
    let objects = product.scratch("objects")?;
    let mut jobs = newlib::jobs(&source, &objects)?;
    for (name, _) in glue::SOURCES {
        if let Some(stem) = name.strip_suffix(".c") {
            let output = objects.join(format!("bf_{stem}.bc"));
            jobs.push(Job::new(own.join(name), output, &["-D_GNU_SOURCE"]));
        }
    }
    let tools = Tools {
        flags: MODULE_FLAGS.iter().chain(&LIBRARY_FLAGS).copied().collect(),
        include: include.to_owned(),
    };
    compile::all(&tools, &jobs)?;
    compile::archive(&jobs, &product.path().join("libc.a"))
}
