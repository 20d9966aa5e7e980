//! Random bytes: from the processor if it has a generator, else from one that is seeded by clocks.
//!
//! RDRAND may fail for a moment, so it is asked up to ten times (SDM volume 1, 7.3.17.1). The substitute is
//! SplitMix64 (Steele, Lea, Flood 2014), whose state every call advances by the time stamp counter: good enough for
//! hash seeds and tests, and not for secrets. The boot says which of the two there is.

use super::time;
use core::arch::x86_64::_rdrand64_step;
use core::sync::atomic::{AtomicU64, Ordering};
use raw_cpuid::CpuId;

const ATTEMPTS: u32 = 10;

static STATE: AtomicU64 = AtomicU64::new(0x6261_7265_666c_6f77);

/// Whether the processor has a generator.
pub(crate) fn is_from_hardware() -> bool {
    CpuId::new()
        .get_feature_info()
        .is_some_and(|features| features.has_rdrand())
}

/// Fills `bytes`.
pub(crate) fn fill(bytes: &mut [u8]) {
    let hardware = is_from_hardware();
    for chunk in bytes.chunks_mut(8) {
        let word = hardware.then(draw).flatten().unwrap_or_else(mix);
        chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
    }
}

fn draw() -> Option<u64> {
    let mut word = 0;
    // SAFETY: the caller has seen that CPUID has RDRAND.
    (0..ATTEMPTS).find_map(|_| (unsafe { _rdrand64_step(&mut word) } == 1).then_some(word))
}

fn mix() -> u64 {
    let step = time::ticks().wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    // ORDERING: Relaxed: each caller gets a state of its own; nothing else depends on it.
    let mut word = STATE.fetch_add(step, Ordering::Relaxed);
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}
