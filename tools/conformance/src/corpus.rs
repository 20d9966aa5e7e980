//! A corpus for the fuzzer: small modules of every compiler, level and feature: `corpus DIR`.

use crate::Failure;
use crate::case::{Case, Source};
use crate::compile::{Config, Target, Workshop};
use conformance::fuzz::SMALL_MODULE;
use std::fs;
use std::path::Path;

/// Programs of our generator, each in one configuration.
const PROGRAMS: u64 = 48;
/// Larger files would be mutated too slowly.
const MOST_BYTES: usize = 40_000;

/// Fills `dir`. Files that are there stay.
pub(crate) fn make(dir: &Path) -> Result<(), Failure> {
    fs::create_dir_all(dir)?;
    fs::write(dir.join("everything.bc"), SMALL_MODULE)?;
    let shop = Workshop::new(&dir.with_extension("work"))?;
    let source = shop.file("program.c");
    for seed in 0..PROGRAMS {
        Case {
            source: Source::Own,
            seed,
        }
        .write(&source)?;
        let config = Config {
            clang: [14, 16, 19][seed as usize % 3],
            level: (seed / 3 % 4) as u32,
            target: if seed % 5 == 0 {
                Target::V3
            } else {
                Target::Sse2
            },
        };
        // An older clang may not take a program; there are others.
        let Ok(bitcode) = shop.bitcode(config, &source) else {
            continue;
        };
        let mut bytes = fs::read(bitcode)?;
        if bytes.len() > MOST_BYTES {
            continue;
        }
        if seed % 8 == 0 {
            bytes = wrapped(&bytes)?;
        }
        fs::write(dir.join(format!("own-{seed}-{config}.bc")), bytes)?;
    }
    Ok(())
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
