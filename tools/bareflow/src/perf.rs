//! `--perf`: a map of generated code for Linux perf (`/tmp/perf-PID.map`).

use crate::fail::{self, Failure};
use hosted::Process;
use std::fmt::Write as _;
use std::{fs, process};

/// Writes the map: address, size and name of every version, in hexadecimal, one a line.
pub(crate) fn write_map(run: &Process) -> Result<(), Failure> {
    let funcs = &run.instance().program().module.funcs;
    let mut map = String::new();
    for version in run.instance().versions() {
        let name = &funcs[version.func as usize].name;
        let _ = writeln!(
            map,
            "{:x} {:x} {name} [{}]",
            version.entry(),
            version.code_bytes,
            version.tier
        );
    }
    let path = format!("/tmp/perf-{}.map", process::id());
    fs::write(&path, map).map_err(|error| Failure::new(fail::NO_FILE, format!("{path}: {error}")))
}
