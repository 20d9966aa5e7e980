//! The wall clock: the battery-backed clock is read once, and the time stamp counter goes on from there.
//!
//! Registers and formats are those of the MC146818 (Intel ICH9 datasheet, 13.6). A reading is taken twice while no
//! update is under way and counts if both agree; all waits are bounded. A machine without such a clock, or with one
//! that makes no sense, has no wall clock. It is taken as UTC, which is what QEMU gives.

use super::devices::{in8, out8};
use super::time;
use core::sync::atomic::{AtomicI64, Ordering};
use kernel::calendar::Date;

const ADDRESS: u16 = 0x70;
const DATA: u16 = 0x71;
/// Keeps the non-maskable interrupt as it is after reset: on.
const REGISTER_A: u8 = 0x0a;
const REGISTER_B: u8 = 0x0b;
const UPDATING: u8 = 1 << 7;
const BINARY: u8 = 1 << 2;
const HOURS_24: u8 = 1 << 1;
const AFTERNOON: u8 = 1 << 7;
/// Seconds, minutes, hours, day, month, year.
const PARTS: [u8; 6] = [0, 2, 4, 7, 8, 9];
const MAX_POLLS: u32 = 100_000;
const MAX_READINGS: u32 = 10;

/// Wall clock time at the counter's zero, µs since 1970; `i64::MIN` if nobody knows.
static AT_ZERO: AtomicI64 = AtomicI64::new(i64::MIN);

/// Reads the clock; on the BSP, after the counter has been calibrated. Says whether there is one.
pub(crate) fn initialise() -> bool {
    let Some(date) = read().filter(|date| date.is_plausible()) else {
        return false;
    };
    let at_zero = date.to_us() - time::now_us() as i64;
    // ORDERING: Relaxed: a constant once set; nothing else is read because of it.
    AT_ZERO.store(at_zero, Ordering::Relaxed);
    true
}

/// Microseconds since 1970 UTC; 0 if nobody knows.
pub(crate) fn now_us() -> i64 {
    // ORDERING: Relaxed: as in `initialise`.
    match AT_ZERO.load(Ordering::Relaxed) {
        i64::MIN => 0,
        at_zero => at_zero + time::now_us() as i64,
    }
}

fn read() -> Option<Date> {
    let mut last = None;
    for _ in 0..MAX_READINGS {
        (0..MAX_POLLS).find(|_| register(REGISTER_A) & UPDATING == 0)?;
        let now = PARTS.map(register);
        if last == Some(now) {
            return Some(date(now, register(REGISTER_B)));
        }
        last = Some(now);
    }
    None
}

/// What the registers mean, which may be decimal digits and hours of half a day.
fn date(parts: [u8; 6], format: u8) -> Date {
    let plain = |part: u8| {
        if format & BINARY == 0 {
            (part >> 4) * 10 + (part & 15)
        } else {
            part
        }
    };
    let [second, minute, hour, day, month, year] = parts;
    let afternoon = format & HOURS_24 == 0 && hour & AFTERNOON != 0;
    let mut hour = plain(hour & !AFTERNOON);
    if format & HOURS_24 == 0 {
        hour = hour % 12 + if afternoon { 12 } else { 0 };
    }
    Date {
        year: 2000 + u16::from(plain(year)),
        month: plain(month),
        day: plain(day),
        hour,
        minute: plain(minute),
        second: plain(second),
    }
}

fn register(number: u8) -> u8 {
    // SAFETY: selects a register of the clock, which touches no memory.
    unsafe { out8(ADDRESS, number) };
    in8(DATA)
}
