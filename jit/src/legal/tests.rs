//! The interpreter judges: a program means the same before and after. The verifier and the dialect's
//! checker judge the form.

mod divide;
mod files;
mod programs;

use super::dialect;
use crate::tier::CpuFeatures;
use alloc::vec::Vec;
use ir::interp::{FaultKind, FlatMemory, Image, Interp, Limits, Memory, NoHost, Val};
use ir::{FuncId, Module, verify};

/// CPUs that have different dialects.
fn cpus() -> [CpuFeatures; 4] {
    let old = CpuFeatures::default();
    let sse41 = CpuFeatures { sse41: true, ..old };
    let avx = CpuFeatures { avx: true, ..sse41 };
    let new = CpuFeatures {
        avx2: true,
        fma: true,
        f16c: true,
        ..avx
    };
    [old, sse41, avx, new]
}

/// `module` in the dialect of `cpu`, its form checked.
fn legalised(module: &Module, cpu: CpuFeatures) -> Module {
    let mut legal = module.clone();
    let result = super::module(&mut legal, cpu);
    assert!(result.is_ok(), "{}", result.unwrap_err());
    if let Err(error) = verify::module(&legal) {
        panic!("{error}\n{}", text_of(&legal, error.func));
    }
    if let Err(outside) = dialect::check(&legal, cpu) {
        panic!(
            "outside of the dialect: {} at %{}\n{}",
            outside.what,
            outside.at.0,
            text_of(&legal, Some(outside.func))
        );
    }
    legal
}

fn text_of(module: &Module, _func: Option<FuncId>) -> alloc::string::String {
    alloc::format!("{}", ir::text::module_text(module))
}

/// Result of a call, and the globals afterwards.
type Outcome = (Result<Val, FaultKind>, Vec<u8>);

/// Calls a function in a fresh memory.
fn run(module: &Module, func: FuncId, args: &[Val]) -> Outcome {
    const STACK: core::ops::Range<u32> = 0x7000_0000..0x7020_0000;
    let image = Image::new(module).unwrap();
    let mut memory = FlatMemory::new();
    let range = image.range();
    memory.map(range.start, range.end - range.start);
    memory.map(STACK.start, STACK.end - STACK.start);
    image.load(module, &mut memory).unwrap();
    let limits = Limits {
        steps: 200_000_000,
        depth: 200,
        stack: STACK,
    };
    let mut host = NoHost;
    let result = Interp::new(module, &mut memory, &image, &mut host, limits).call(func, args);
    let mut globals = alloc::vec![0; (range.end - range.start) as usize];
    memory.load(range.start, &mut globals).unwrap();
    (result.map_err(|fault| fault.kind), globals)
}
