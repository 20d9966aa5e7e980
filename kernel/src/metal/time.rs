//! Time: the time stamp counter, calibrated once against the PIT, whose frequency every PC agrees on.
//!
//! TCG has neither CPUID leaf 0x15 nor an invariant-TSC bit, so the counter is measured: channel 2 of the 8254 counts
//! down while the TSC and the local APIC timer run. The wait is bounded by polls, so a machine without a PIT gets a
//! guess (1 GHz) and says so.

use super::devices::{in8, out8};
use core::sync::atomic::{AtomicU64, Ordering};

/// TSC ticks per microsecond; 0 until calibrated.
static TICKS_PER_US: AtomicU64 = AtomicU64::new(0);

const PIT_HZ: u64 = 1_193_182;
const CALIBRATION_US: u64 = 10_000;
const MAX_POLLS: u32 = 20_000_000;
const FALLBACK_TICKS_PER_US: u64 = 1000;

/// The time stamp counter.
pub(crate) fn ticks() -> u64 {
    // SAFETY: reading the counter has no side effect.
    unsafe { x86::time::rdtsc() }
}

/// Microseconds since the counter's zero; 0 before calibration.
pub(crate) fn now_us() -> u64 {
    // ORDERING: Relaxed: a constant once set; nothing else is read because of it.
    ticks()
        .checked_div(TICKS_PER_US.load(Ordering::Relaxed))
        .unwrap_or(0)
}

/// Nanoseconds since the counter's zero; 0 before calibration.
pub(crate) fn now_ns() -> u64 {
    // ORDERING: Relaxed: as in `now_us`.
    let rate = u128::from(TICKS_PER_US.load(Ordering::Relaxed));
    (u128::from(ticks()) * 1000)
        .checked_div(rate)
        .map_or(0, |ns| ns as u64)
}

/// TSC ticks per microsecond; 0 before calibration.
pub(crate) fn ticks_per_us() -> u64 {
    // ORDERING: Relaxed: as in `now_us`.
    TICKS_PER_US.load(Ordering::Relaxed)
}

/// Measures the TSC, and with it `counter`, over ten milliseconds. Returns how much `counter` advanced per second and
/// whether the PIT answered.
pub(crate) fn calibrate(counter: impl Fn() -> u64) -> (u64, bool) {
    start_pit(CALIBRATION_US);
    let (first_ticks, first) = (ticks(), counter());
    let answered = (0..MAX_POLLS).any(|_| in8(0x61) & 0x20 != 0);
    let (elapsed, counted) = (ticks() - first_ticks, counter().wrapping_sub(first));
    let rate = if answered {
        (elapsed / CALIBRATION_US).max(1)
    } else {
        FALLBACK_TICKS_PER_US
    };
    // ORDERING: Relaxed: the BSP stores it once, before any other core runs.
    TICKS_PER_US.store(rate, Ordering::Relaxed);
    let elapsed_us = elapsed / rate;
    (counted * 1_000_000 / elapsed_us.max(1), answered)
}

/// Lets channel 2 count down once for `us` microseconds (at most 54 ms) with its gate open and the speaker off.
fn start_pit(us: u64) {
    let count = (PIT_HZ * us / 1_000_000) as u16;
    let [low, high] = count.to_le_bytes();
    let gate = in8(0x61) & !0x03;
    for (port, value) in [
        (0x61, gate),
        (0x43, 0xb0),
        (0x42, low),
        (0x42, high),
        (0x61, gate | 1),
    ] {
        // SAFETY: the ports of the 8254 and of the speaker gate; they do not touch memory.
        unsafe { out8(port, value) };
    }
}
