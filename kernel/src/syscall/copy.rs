//! Copies from and to the memory of the program that runs on this core, which survive any address.
//!
//! A program's memory can vanish or change at any moment (another of its tasks, on another core), so the kernel never
//! makes a Rust reference to it: arguments are copied exactly once and checked on the copy. The copy loop may fault;
//! the trap handler then continues it at its fix-up. The range is checked first, so that a program cannot name the
//! kernel's half.

use core::arch::global_asm;
use kernel::layout::USER_END;

global_asm!(include_str!("copy.s"), options(att_syntax));

unsafe extern "C" {
    fn copy_user(to: *mut u8, from: *const u8, bytes: usize) -> usize;
    fn load_user_word(from: u64, to: *mut u32) -> u64;
    static copy_fixups_start: [[u64; 2]; 1];
    static copy_fixups_end: [[u64; 2]; 0];
}

/// Part of the range is not mapped for this access, or not the program's at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadAddress;

/// Copies from the running program's memory at `from`.
pub(crate) fn from_user(from: u64, to: &mut [u8]) -> Result<(), BadAddress> {
    check(from, to.len())?;
    from_user_unchecked(from, to)
}

/// The copy without the range check: what a test needs to show what the check is for.
pub(crate) fn from_user_unchecked(from: u64, to: &mut [u8]) -> Result<(), BadAddress> {
    // SAFETY: `to` is writable for its length; the source's faults are fixed up, and reading has no side effect.
    let left = unsafe { copy_user(to.as_mut_ptr(), from as *const u8, to.len()) };
    if left == 0 { Ok(()) } else { Err(BadAddress) }
}

/// Copies to the running program's memory at `to`. What does not arrive may have been written in part.
pub(crate) fn to_user(from: &[u8], to: u64) -> Result<(), BadAddress> {
    check(to, from.len())?;
    // SAFETY: `from` is readable for its length; the range is the program's (`check`), in which no Rust object lies, and
    // faults are fixed up.
    let left = unsafe { copy_user(to as *mut u8, from.as_ptr(), from.len()) };
    if left == 0 { Ok(()) } else { Err(BadAddress) }
}

/// The aligned word at `from` in the running program's memory, read in one access.
pub(crate) fn load_word(from: u64) -> Result<u32, BadAddress> {
    check(from, 4)?;
    if !from.is_multiple_of(4) {
        return Err(BadAddress);
    }
    let mut word = 0;
    // SAFETY: the fault of a wrong address is fixed up; `word` is written only after the read has succeeded.
    let failed = unsafe { load_user_word(from, &raw mut word) };
    if failed == 0 {
        Ok(word)
    } else {
        Err(BadAddress)
    }
}

/// If `rip` is an instruction that may fault, moves it to where the copy goes on.
pub(crate) fn fix_up(rip: &mut u64) -> bool {
    let start = (&raw const copy_fixups_start).cast::<[u64; 2]>();
    let count = ((&raw const copy_fixups_end as usize) - start as usize) / size_of::<[u64; 2]>();
    // SAFETY: the linker script puts the pairs between the two symbols, in read-only memory.
    let pairs = unsafe { core::slice::from_raw_parts(start, count) };
    match pairs.iter().find(|pair| pair[0] == *rip) {
        Some(pair) => {
            *rip = pair[1];
            true
        }
        None => false,
    }
}

fn check(start: u64, bytes: usize) -> Result<(), BadAddress> {
    let end = start.checked_add(bytes as u64).ok_or(BadAddress)?;
    if end <= USER_END {
        Ok(())
    } else {
        Err(BadAddress)
    }
}
