//! A corpus for the fuzzer: small modules of every compiler, level and feature, programs of several files, archives,
//! paths: `corpus DIR`.

use crate::case::{Case, Source};
use crate::compile::{Config, Target, Workshop};
use crate::{Failure, process};
use conformance::fuzz::parcel::{self, Item, Kind};
use conformance::fuzz::{SMALL_MODULE, as_i386};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Programs of our generator, each in one configuration.
const PROGRAMS: u64 = 48;
/// Larger files would be mutated too slowly.
const MOST_BYTES: usize = 40_000;
/// Versions of clang whose modules are wanted.
const CLANGS: [u32; 3] = [14, 16, 19];
/// Time limit of a tool.
const LIMIT: Duration = Duration::from_secs(60);

const MAIN: &str = include_str!("../seeds/main.c");
const LIBRARY: [&str; 2] = [
    include_str!("../seeds/library-a.c"),
    include_str!("../seeds/library-b.c"),
];
/// Modules of one file, by name.
const FILES: [(&str, &str); 3] = [
    ("features", include_str!("../seeds/features.c")),
    ("large", include_str!("../seeds/large.c")),
    ("intrinsics", include_str!("../seeds/intrinsics.c")),
];
const RUST: &str = include_str!("../../../jit/src/load/tests/program.rs");
/// Grants, and paths that are resolved in them.
const PATHS: [(&str, &[&[u8]]); 3] = [
    (
        "/srv/data",
        &[b"a/b", b"/a/../b", b"../etc/passwd", b"./a//b/"],
    ),
    (
        "/srv/in:d\n/srv/out:e",
        &[b"d/a", b"/d/../e/b", b"f/a", b"/"],
    ),
    ("", &[b"a", b"\xff", b"a\0b", &[b'a'; 256]]),
];

/// Fills `dir`. Files that are there stay.
pub(crate) fn make(dir: &Path) -> Result<(), Failure> {
    fs::create_dir_all(dir)?;
    fs::write(dir.join("everything.bc"), SMALL_MODULE)?;
    let shop = Workshop::new(&dir.with_extension("work"))?;
    let put = |name: String, bytes: &[u8]| match bytes.len() {
        ..=MOST_BYTES => fs::write(dir.join(name), bytes),
        _ => Ok(()),
    };
    for seed in 0..PROGRAMS {
        // An older clang may not take a program; there are others.
        if let Some((config, bytes)) = generated(&shop, seed)? {
            put(format!("own-{seed}-{config}.bc"), &bytes)?;
        }
    }
    for clang in CLANGS {
        for (level, target) in [(0, Target::Sse2), (2, Target::V3)] {
            let config = Config {
                clang,
                level,
                target,
            };
            for (name, text) in FILES {
                put(
                    format!("{name}-{config}.bc"),
                    &compiled(&shop, config, text)?,
                )?;
            }
            put(format!("linked-{config}.parcel"), &linked(&shop, config)?)?;
        }
    }
    for flags in [
        &["-Copt-level=0", "-Coverflow-checks=off"][..],
        &["-Copt-level=3", "-Ctarget-cpu=x86-64-v3", "-g"],
    ] {
        match rust(&shop, flags)? {
            Some(bytes) => put(format!("rust{}.bc", flags[0]), &bytes)?,
            None => eprintln!("no module of rustc: its data layout is a new one"),
        }
    }
    for (at, (grants, paths)) in PATHS.into_iter().enumerate() {
        put(format!("paths-{at}.parcel"), &of_paths(grants, paths))?;
    }
    Ok(())
}

/// A program of our generator.
fn generated(shop: &Workshop, seed: u64) -> Result<Option<(Config, Vec<u8>)>, Failure> {
    let source = shop.file("program.c");
    Case {
        source: Source::Own,
        seed,
    }
    .write(&source)?;
    let config = Config {
        clang: CLANGS[seed as usize % 3],
        level: (seed / 3 % 4) as u32,
        target: if seed.is_multiple_of(5) {
            Target::V3
        } else {
            Target::Sse2
        },
    };
    let Ok(bitcode) = shop.bitcode(config, &source) else {
        return Ok(None);
    };
    let mut bytes = fs::read(bitcode)?;
    if seed.is_multiple_of(8) {
        bytes = wrapped(&bytes)?;
    }
    Ok(Some((config, bytes)))
}

/// Bitcode of C text.
fn compiled(shop: &Workshop, config: Config, text: &str) -> Result<Vec<u8>, Failure> {
    let source = shop.file("seed.c");
    fs::write(&source, text)?;
    Ok(fs::read(shop.bitcode(config, &source)?)?)
}

/// A program and an archive that it needs.
fn linked(shop: &Workshop, config: Config) -> Result<Vec<u8>, Failure> {
    let main = compiled(shop, config, MAIN)?;
    let (archive, mut members) = (shop.file("seed.a"), Vec::new());
    for (text, name) in LIBRARY
        .into_iter()
        .zip(["a.o", "a_long_name_of_a_member.o"])
    {
        let member = shop.file(name);
        fs::write(&member, compiled(shop, config, text)?)?;
        members.push(member);
    }
    let _ = fs::remove_file(&archive);
    let mut ar = Command::new("llvm-ar-19");
    let output = process::run(ar.arg("rcs").arg(&archive).args(members), LIMIT)?;
    if !output.success() {
        return Err(format!("llvm-ar-19: {}", output.stderr).into());
    }
    let archive = fs::read(archive)?;
    let kind = Kind::File;
    let files = [&main, &archive].map(|bytes| Item { kind, bytes });
    Ok(parcel::close(files))
}

/// A module of rustc, which writes the newest LLVM's bitcode, with our data layout.
fn rust(shop: &Workshop, flags: &[&str]) -> Result<Option<Vec<u8>>, Failure> {
    const PANIC: &str = "#[panic_handler]\nfn p(_: &core::panic::PanicInfo<'_>) -> ! { loop {} }\n";
    let (source, out) = (shop.file("seed.rs"), shop.file("rust.bc"));
    fs::write(
        &source,
        format!("#![no_std]\n{}\n{PANIC}", RUST.replace("//!", "//")),
    )?;
    let mut rustc = Command::new("rustc");
    rustc.args(["--edition=2024", "-Awarnings", "--crate-type=lib"]);
    rustc.args(["-Cpanic=abort", "--emit=llvm-bc"]).args(flags);
    let output = process::run(rustc.arg("-o").arg(&out).arg(&source), LIMIT)?;
    if !output.success() {
        return Err(format!("rustc: {}", output.stderr).into());
    }
    Ok(as_i386(&fs::read(out)?))
}

fn of_paths(grants: &str, paths: &[&[u8]]) -> Vec<u8> {
    let (kind, bytes) = (Kind::Grants, grants.as_bytes());
    let grants = Item { kind, bytes };
    let kind = Kind::Path;
    let paths = paths.iter().map(|bytes| Item { kind, bytes });
    parcel::close([grants].into_iter().chain(paths))
}

/// With an LLBC header without checksum: a mutant's would be wrong, and nothing behind it would be read.
fn wrapped(bitcode: &[u8]) -> Result<Vec<u8>, Failure> {
    const CHECKSUM: std::ops::Range<usize> = 112..116;
    let header = abi::Header {
        name: "seed",
        entry: "main",
        level: 1,
    };
    let mut file = header.wrap(bitcode).map_err(|why| why.to_string())?;
    file[CHECKSUM].fill(0);
    Ok(file)
}
