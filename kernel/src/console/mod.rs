//! The console: every core writes whole lines into a ring of its own, the BSP drains the rings to the serial ports.
//!
//! No lock, no wait: a full ring drops the line and counts it. COM1 is for people; COM2 takes JSON lines for machines.
//! What programs print is different: nothing of it may be lost, and a task that moves from core to core must find its
//! lines in order. It goes through one ring, whose writers take turns by a lock, and a task waits while that is full.
//!
//! The BSP drains after each line of its own and whenever it has nothing else to do, so its lines never wait long.
//! Contained calls must not print: they could be abandoned, or preempted, in the middle of a line.

pub(crate) mod input;

use crate::metal::percore::{self, MAX_CORES};
use crate::metal::uart::{COM1, COM2, Uart};
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU8, Ordering};
use kernel::cmdline::LogLevel;
use kernel::ring::Ring;
use kernel::text::BoundedText;
use spin::Mutex;

/// Longest line; the rest is cut off.
const MAX_LINE: usize = 1024;

static TEXT: [Ring<8192>; MAX_CORES] = [const { Ring::new() }; MAX_CORES];
static JSON: [Ring<8192>; MAX_CORES] = [const { Ring::new() }; MAX_CORES];
/// What programs print. Only who has [`PRINTING`] may push.
static PRINTED: Ring<32768> = Ring::new();
static PRINTING: Mutex<()> = Mutex::new(());
static LEVEL: AtomicU8 = AtomicU8::new(LogLevel::Info as u8);

/// Prints a line for people.
macro_rules! say {
    ($($argument:tt)*) => { $crate::console::line(format_args!($($argument)*)) };
}

/// Prints a line for people if its level is shown: `log!(Warning, "…")`.
macro_rules! log {
    ($level:ident, $($argument:tt)*) => {
        $crate::console::logged(kernel::cmdline::LogLevel::$level, format_args!($($argument)*))
    };
}

/// Prints a JSON line for machines.
macro_rules! json {
    ($($argument:tt)*) => { $crate::console::json_line(format_args!($($argument)*)) };
}

pub(crate) use {json, log, say};

/// Sets the ports up.
pub(crate) fn initialise() {
    COM1.initialise();
    COM2.initialise();
}

/// From now on, messages above `level` are not shown.
pub(crate) fn set_level(level: LogLevel) {
    // ORDERING: Relaxed: a setting; a message more or less is no harm.
    LEVEL.store(level as u8, Ordering::Relaxed);
}

/// See `say!`.
pub(crate) fn line(text: fmt::Arguments<'_>) {
    write_line(&TEXT, text, "");
}

/// See `log!`.
pub(crate) fn logged(level: LogLevel, text: fmt::Arguments<'_>) {
    // ORDERING: Relaxed: see `set_level`.
    if level as u8 > LEVEL.load(Ordering::Relaxed) {
        return;
    }
    let prefix = match level {
        LogLevel::Error => "error: ",
        LogLevel::Warning => "warning: ",
        LogLevel::Info | LogLevel::Debug => "",
    };
    write_line(&TEXT, text, prefix);
}

/// See `json!`.
pub(crate) fn json_line(text: fmt::Arguments<'_>) {
    write_line(&JSON, text, "");
}

/// Prints what a program has written, whole or not at all; false if there is no room now. At most the size of the
/// ring, or there never will be. On the BSP, which makes room itself, it only fails while others print.
pub(crate) fn print(text: &str) -> bool {
    let pushed = {
        let _turn = PRINTING.lock();
        PRINTED.room() >= text.len() && PRINTED.push(text.as_bytes())
    };
    if percore::core_index() == 0 {
        drain_all();
    }
    pushed
}

/// Writes text without a line end, for prompts and echoes. On the BSP only.
pub(crate) fn prompt(text: &str) {
    drain();
    COM1.write(text.as_bytes());
}

/// The next character typed, if any. On the BSP only.
pub(crate) fn typed() -> Option<u8> {
    COM1.receive()
}

/// Sends what has been written so far. On the BSP only.
pub(crate) fn drain() {
    drain_all();
}

/// Sends what all cores have written so far. On the BSP, or on the core that panics when all others are stopped.
pub(crate) fn drain_all() {
    drain_ring(&PRINTED, COM1);
    TEXT.iter().for_each(|ring| drain_ring(ring, COM1));
    JSON.iter().for_each(|ring| drain_ring(ring, COM2));
}

/// Lines dropped because a ring was full.
pub(crate) fn dropped() -> u64 {
    TEXT.iter().chain(&JSON).map(Ring::dropped).sum()
}

fn write_line(rings: &[Ring<8192>; MAX_CORES], text: fmt::Arguments<'_>, prefix: &str) {
    let mut line = BoundedText::<MAX_LINE>::new();
    let _ = writeln!(line, "{prefix}{text}");
    let core = percore::core_index();
    rings[core].push(line.as_str().as_bytes());
    if line.is_cut() {
        rings[core].push(b"\n");
    }
    if core == 0 {
        drain_all();
    }
}

fn drain_ring<const SIZE: usize>(ring: &Ring<SIZE>, port: Uart) {
    let mut bytes = [0; 256];
    loop {
        match ring.pop(&mut bytes) {
            0 => return,
            count => port.write(&bytes[..count]),
        }
    }
}
