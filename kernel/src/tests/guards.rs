//! Guards with and without: the pages below a stack, and the range check of pointers in host calls.
//!
//! The `-off` tests pass only if, with the guard switched off, the damage is really seen.

use super::ensure;
use super::raw::PATIENCE_US;
use crate::demo::pause;
use crate::memory::{self, paging::Rights};
use crate::syscall::copy;
use crate::tasks::executive::Executive;
use crate::tasks::process::{Ending, Process};
use alloc::format;
use alloc::string::String;
use jit::abi;
use kernel::frames::Frame;
use kernel::layout::PAGE_SIZE;
use sched::TaskSpec;

/// A page that belongs to somebody else, just below the guard of the first stack.
const NEIGHBOUR: u64 = abi::STACKS as u64 - PAGE_SIZE;

/// An overflow ends in the guard: the report says so, and the neighbour is untouched.
pub(super) fn an_overflow_ends_in_the_guard(executive: &mut Executive) -> Result<(), String> {
    let (report, touched) = overflow(executive, true)?;
    ensure(report.contains("stack overflow"), &report)?;
    ensure(!touched, "the page below the guard was written")
}

/// With memory where the guard should be, the overflow runs on into its neighbour.
pub(super) fn without_guard_the_neighbour_is_hit(executive: &mut Executive) -> Result<(), String> {
    let (_, touched) = overflow(executive, false)?;
    ensure(
        touched,
        "the overflow stopped by itself: the guard would prove nothing",
    )
}

/// The kernel's own memory cannot be named by a program's pointer.
pub(super) fn pointers_into_the_kernel_are_refused(_: &mut Executive) -> Result<(), String> {
    let mut word = [0; 8];
    let refused = copy::from_user(secret_address(), &mut word).is_err();
    ensure(refused, "a copy from the kernel's half was accepted")
}

/// Without the range check the same copy reads the kernel's memory.
pub(super) fn without_check_the_kernel_is_read(_: &mut Executive) -> Result<(), String> {
    let mut word = [0; 8];
    let read = copy::from_user_unchecked(secret_address(), &mut word).is_ok();
    ensure(
        read && u64::from_le_bytes(word) == SECRET,
        "the copy failed without the check, too: the check would prove nothing",
    )
}

static SECRET: u64 = 0x5ec2_e70f_7e4b_a11e;

fn secret_address() -> u64 {
    (&raw const SECRET) as u64
}

/// Overflows the first stack of a guest; gives the report and whether the neighbour was written.
fn overflow(executive: &mut Executive, guard: bool) -> Result<(String, bool), String> {
    let loaded = pause::load("stack_overflow", false)?;
    let map = |start: u64, size: u64| {
        let mapped = loaded.process.map(start, size, Rights::USER_WRITE);
        mapped.map_err(|error| format!("{error:?}"))
    };
    map(NEIGHBOUR, PAGE_SIZE)?;
    if !guard {
        let size = u64::from(abi::STACK_STRIDE - abi::STACK_SIZE);
        map(u64::from(abi::STACKS), size)?;
    }
    let main = loaded
        .instance
        .program()
        .entry("main")
        .ok_or("the guest has no main")?;
    loaded.start(0, main, &[], TaskSpec::default())?;
    executive.run_until(PATIENCE_US, || loaded.process.ending().is_some());
    let report = match loaded.process.ending() {
        Some(Ending::Failed(report)) => report,
        other => return Err(format!("ended with {other:?}")),
    };
    let touched = is_written(&loaded.process);
    loaded.unload();
    Ok((report, touched))
}

/// Whether a word of the neighbour, which was mapped zeroed, is not zero any more.
fn is_written(process: &Process) -> bool {
    let phys = process.with_space(|space| space.translate(NEIGHBOUR));
    let Some(frame) = phys.map(|phys| Frame::containing(phys.0)) else {
        return false;
    };
    (0..512).any(|word| memory::read_shared_word(frame, word) != 0)
}
