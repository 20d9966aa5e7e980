//! Fuzzing: whatever the bytes of a program's files and paths, what is done with them ends, quickly, in bounded
//! memory, and without a panic.
//!
//! [`load_path`] is everything that bytes from outside go through before any of their code runs:
//!
//! ```text
//! LLBC header, archive ─► bitcode reader ─► translation ─► verifier      each file by itself
//!                      ─► link: members, symbols, layout ─► verifier     all files of the input
//!                      ─► legaliser ─► verifier, dialect                 for an old or a new CPU
//!                      ─► tiers, function by function
//! grants × paths       ─► resolved, judged by a walk of our own ([`paths`])
//! ```
//!
//! It has ends that must not happen: a panic (the judges between the steps panic too), a hang, memory beyond
//! [`most_memory`]. The caller watches for those: `cargo test` with a fixed seed, libFuzzer with coverage and a time
//! limit, both with a [`Meter`].
//!
//! Random bytes never get past the first block. [`Mutator`] therefore changes what a real module's records
//! *say* and keeps how they are encoded ([`fields`]), besides plain damage; inputs of several files are
//! [`parcel`]s, which it changes item by item.

mod fields;
mod meter;
mod mutate;
pub mod parcel;
mod paths;
mod relabel;

pub use meter::{Meter, measured};
pub use mutate::Mutator;
pub use relabel::as_i386;

use ir::{Linkage, Module};
use jit::instance::archive::{self, Archive};
use jit::instance::{Input, LinkError, Program};
use jit::tier::{self, CpuFeatures, Job, Tier};
use parcel::{Item, Kind};
use std::collections::HashSet;

/// A real module that is always there: what clang 14 made of about everything that C can say.
pub const SMALL_MODULE: &[u8] = include_bytes!("../../../../jit/bitcode/tests/clang14-O1.bc");

/// Longest input in bytes.
pub const MAX_LEN: usize = 65_536;

/// Instructions of a function up to which the optimising tier is fuzzed too; it is not linear.
const MOST_OPTIMISED: usize = 2000;
/// Headers of an archive that are looked at without being asked for.
const MOST_HEADERS: usize = 4096;

/// Bytes that an input of `len` bytes may hold at once, at most.
///
/// Two things are not in proportion to a file, and have bounds of their own: initial values
/// ([`jit::load::MAX_INIT_BYTES`]), which exist in a module, in the copy that is linked, and in two segments that grow as
/// vectors do; and a million words of IR, with what their compilation needs. Real modules hold 42 bytes a byte.
#[must_use]
pub fn most_memory(len: usize) -> usize {
    6 * jit::load::MAX_INIT_BYTES + len * (1 << 10)
}

/// How far an input came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reached {
    /// No file of it is a module or an archive that is taken.
    Refused,
    /// So many paths came out of its grants; there is no module.
    Resolved(u32),
    /// Modules that are no program.
    Unbound,
    /// A program that the legaliser refuses.
    Illegal,
    /// A program of so many units of which so many functions were compiled, and so many compilations declined.
    Compiled {
        /// Modules and members.
        units: usize,
        /// Compilations with a result.
        done: u32,
        /// Compilations that a tier declined.
        declined: u32,
    },
}

/// Takes `input`, one file or a parcel, through everything that happens before its code runs. `tiers` compile each
/// function.
///
/// # Panics
/// A step leaves something that the next judge does not take.
#[must_use]
pub fn load_path(input: &[u8], tiers: &[Tier]) -> Reached {
    let items = parcel::open(input);
    let resolved = paths::check(&items);
    let files = Files::new(&items);
    if files.modules.is_empty() {
        return match resolved {
            0 => Reached::Refused,
            paths => Reached::Resolved(paths),
        };
    }
    let Some(mut program) = files.link() else {
        return Reached::Unbound;
    };
    ir::verify::module(&program.module).expect("a linked program passes the verifier");
    let cpu = cpu(input.len());
    if program.legalise(cpu).is_err() {
        return Reached::Illegal;
    }
    ir::verify::module(&program.module).expect("a legalised program passes the verifier");
    jit::legal::dialect::check(&program.module, cpu)
        .expect("a legalised program is in the dialect");
    compile(&program, cpu, tiers)
}

/// The files of an input that are taken.
struct Files<'a> {
    modules: Vec<Module>,
    archives: Vec<Archive<'a>>,
}

impl<'a> Files<'a> {
    fn new(items: &[Item<'a>]) -> Self {
        let mut this = Self {
            modules: Vec::new(),
            archives: Vec::new(),
        };
        for item in items.iter().filter(|item| item.kind == Kind::File) {
            if archive::is_archive(item.bytes) {
                this.archives.extend(open_archive(item.bytes));
                continue;
            }
            let Ok(container) = abi::Container::parse(item.bytes) else {
                continue;
            };
            this.modules.extend(jit::load::module(container.bitcode));
        }
        this
    }

    /// The program, with what it lacks as weak references that mean nothing: no library's absence must keep
    /// functions from being compiled.
    fn link(&self) -> Option<Program> {
        match Program::link(self.inputs(&HashSet::new()), "main") {
            Err(LinkError::Unresolved(missing)) => {
                let missing = missing.iter().map(|symbol| symbol.name.as_str()).collect();
                Program::link(self.inputs(&missing), "main").ok()
            }
            linked => linked.ok(),
        }
    }

    fn inputs(&self, missing: &HashSet<&str>) -> Vec<Input<'a>> {
        let mut inputs = Vec::new();
        for module in &self.modules {
            let mut module = module.clone();
            let lacking = |name: &str| missing.contains(name);
            for func in module.funcs.iter_mut().filter(|func| func.body.is_none()) {
                if lacking(&func.name) {
                    func.linkage = Linkage::ExternWeak;
                }
            }
            for global in module.globals.iter_mut().filter(|global| !global.defined) {
                if lacking(&global.name) {
                    global.linkage = Linkage::ExternWeak;
                }
            }
            inputs.push(Input::Module(module));
        }
        inputs.extend(self.archives.iter().cloned().map(Input::Archive));
        inputs
    }
}

/// Reads an archive's tables, and members wherever one might begin.
fn open_archive(bytes: &[u8]) -> Option<Archive<'_>> {
    let archive = Archive::parse("archive", bytes).ok()?;
    for at in (0..bytes.len()).step_by(2).take(MOST_HEADERS) {
        let _ = archive.member(at as u32);
    }
    Some(archive)
}

fn compile(program: &Program, cpu: CpuFeatures, tiers: &[Tier]) -> Reached {
    let (mut done, mut declined) = (0, 0);
    for (index, function) in program.module.funcs.iter().enumerate() {
        let Some(body) = &function.body else { continue };
        let job = Job {
            module: &program.module,
            func: ir::FuncId(index as u32),
            bindings: &program.bindings,
            cpu,
            counting: index % 2 == 0,
        };
        for &tier in tiers {
            if tier > Tier::Baseline && body.insts.len() > MOST_OPTIMISED {
                continue;
            }
            match tier::compile(&job, tier) {
                Ok(_) => done += 1,
                Err(_) => declined += 1,
            }
        }
    }
    Reached::Compiled {
        units: program.units.len(),
        done,
        declined,
    }
}

/// Code is only made, not run, so any CPU will do: an old one for every third length of an input, a new one for the others.
fn cpu(len: usize) -> CpuFeatures {
    if len.is_multiple_of(3) {
        return CpuFeatures::default();
    }
    CpuFeatures {
        sse41: true,
        popcnt: true,
        avx: true,
        avx2: true,
        fma: true,
        bmi1: true,
        bmi2: true,
        lzcnt: true,
        ..CpuFeatures::default()
    }
}
