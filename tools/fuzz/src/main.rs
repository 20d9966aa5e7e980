//! libFuzzer's side of the harness: bytes in, nothing out; a panic aborts, and libFuzzer keeps the bytes.
//!
//! Half of the mutations are libFuzzer's own, half change what the records of the module say
//! ([`conformance::fuzz::Mutator`]), and two inputs cross by becoming files of one program. `FUZZ_TIERS=baseline,o2`
//! selects what compiles each function; by default baseline, as the first call of a function does.
//!
//! Memory is metered: an input that holds more than [`most_memory`] of its length fails an allocation, which aborts.
//!
//! Only `make fuzz` builds this crate: it is linked with clang's runtime, which has `main`.

#![no_main]
#![expect(
    clippy::std_instead_of_core,
    reason = "a Linux program: std is always there"
)]

use conformance::fuzz::{Meter, Mutator, load_path, measured, most_memory};
use jit::tier::Tier;
use std::sync::OnceLock;

unsafe extern "C" {
    fn LLVMFuzzerMutate(data: *mut u8, size: usize, max_size: usize) -> usize;
}

#[global_allocator]
static METER: Meter = Meter;

fn tiers() -> &'static [Tier] {
    static TIERS: OnceLock<Vec<Tier>> = OnceLock::new();
    TIERS.get_or_init(|| {
        let names = std::env::var("FUZZ_TIERS").unwrap_or_else(|_| "baseline".to_owned());
        names.split(',').filter_map(Tier::from_name).collect()
    })
}

/// libFuzzer's entry.
///
/// # Safety
/// `data` points to `size` bytes, as libFuzzer promises.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn LLVMFuzzerTestOneInput(data: *const u8, size: usize) -> i32 {
    if size == 0 {
        return 0;
    }
    // SAFETY: libFuzzer passes a range that lives for this call.
    let bytes = unsafe { std::slice::from_raw_parts(data, size) };
    let tiers = tiers();
    let (_reached, _peak) = measured(most_memory(size), || load_path(bytes, tiers));
    0
}

/// libFuzzer asks for a mutant of `size` bytes, in place, of at most `max_size`.
///
/// # Safety
/// `data` points to `max_size` bytes, of which `size` are the input.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn LLVMFuzzerCustomMutator(
    data: *mut u8,
    size: usize,
    max_size: usize,
    seed: u32,
) -> usize {
    if seed & 1 == 0 {
        // SAFETY: the same promise that was made to us.
        return unsafe { LLVMFuzzerMutate(data, size, max_size) };
    }
    // SAFETY: `max_size` bytes are there, and nobody else uses them during this call.
    let buffer = unsafe { std::slice::from_raw_parts_mut(data, max_size) };
    let mut file = buffer[..size].to_vec();
    Mutator::new(u64::from(seed)).mutate(&mut file);
    let size = file.len().min(max_size);
    buffer[..size].copy_from_slice(&file[..size]);
    size
}

/// libFuzzer asks for something that two inputs make together, of at most `max_size` bytes.
///
/// # Safety
/// `first` and `second` are inputs of the sizes behind them, and `out` points to `max_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn LLVMFuzzerCustomCrossOver(
    first: *const u8,
    first_size: usize,
    second: *const u8,
    second_size: usize,
    out: *mut u8,
    max_size: usize,
    seed: u32,
) -> usize {
    // SAFETY: libFuzzer passes ranges that live for this call.
    let first = unsafe { std::slice::from_raw_parts(first, first_size) };
    // SAFETY: as above.
    let second = unsafe { std::slice::from_raw_parts(second, second_size) };
    let crossed = Mutator::new(u64::from(seed)).cross(first, second);
    if crossed.len() > max_size {
        return 0;
    }
    // SAFETY: `max_size` bytes are there, apart from the inputs, and nobody else uses them during this call.
    let out = unsafe { std::slice::from_raw_parts_mut(out, max_size) };
    out[..crossed.len()].copy_from_slice(&crossed);
    crossed.len()
}
