//! Fuzzing: whatever the bytes of a module file, loading it ends, quickly and without a panic.
//!
//! [`load_path`] is everything that bytes from outside go through before any of their code runs: the LLBC
//! header, the bitcode reader, the translation, the verifier, the binding of symbols, and the compilation of every
//! function. It has no result that could be wrong, only ends that must not happen: a panic, a hang, memory
//! out of proportion. The caller watches for those: `cargo test` with a fixed seed, libFuzzer with coverage,
//! a time limit and a memory limit.
//!
//! Random bytes never get past the first block. [`Mutator`] therefore changes what a real module's records
//! *say* and keeps how they are encoded ([`fields`]), besides plain damage.

mod fields;
mod mutate;

pub use mutate::Mutator;

use jit::instance::Program;
use jit::tier::{self, CpuFeatures, Job, Tier};

/// A real module that is always there: what clang 14 made of about everything that C can say.
pub const SMALL_MODULE: &[u8] = include_bytes!("../../../../jit/bitcode/tests/clang14-O1.bc");

/// Instructions of a function up to which the optimising tier is fuzzed too; it is not linear.
const MOST_OPTIMISED: usize = 2000;

/// How far a file came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reached {
    /// It is no module file, or the module is refused.
    Refused,
    /// It is a module whose symbols do not bind.
    Unbound,
    /// So many functions were compiled, and so many compilations declined.
    Compiled {
        /// Compilations with a result.
        done: u32,
        /// Compilations that a tier declined.
        declined: u32,
    },
}

/// Takes `file` through everything that happens before its code runs. `tiers` compile each function.
#[must_use]
pub fn load_path(file: &[u8], tiers: &[Tier]) -> Reached {
    let Ok(container) = abi::Container::parse(file) else {
        return Reached::Refused;
    };
    let Ok(mut module) = jit::load::module(container.bitcode) else {
        return Reached::Refused;
    };
    // A module alone lacks its libraries; what it lacks must not keep its functions from being compiled.
    for func in module.funcs.iter_mut().filter(|func| func.body.is_none()) {
        func.linkage = ir::Linkage::ExternWeak;
    }
    for global in module.globals.iter_mut().filter(|global| !global.defined) {
        global.linkage = ir::Linkage::ExternWeak;
    }
    let Ok(program) = Program::new(module) else {
        return Reached::Unbound;
    };
    let (mut done, mut declined) = (0, 0);
    for (index, function) in program.module.funcs.iter().enumerate() {
        let Some(body) = &function.body else { continue };
        let job = Job {
            module: &program.module,
            func: ir::FuncId(index as u32),
            bindings: &program.bindings,
            cpu: cpu(index),
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
    Reached::Compiled { done, declined }
}

/// Code is only made, not run, so any CPU will do: an old one and a new one in turn.
fn cpu(index: usize) -> CpuFeatures {
    if index.is_multiple_of(3) {
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
