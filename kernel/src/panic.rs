//! The end of the machine when the kernel finds itself wrong.
//!
//! A panic inside a contained call (a compile) only ends that call (`trap::contain`). Any other one stops all cores by
//! NMI, shows what was still queued for the console, says where and why with a backtrace, and exits with the status of
//! a panic. It must work in any state, so it allocates nothing, takes no lock, and polls the serial port.
//!
//! The backtrace is conservative: the precompiled `core` has no frame pointers, so every word on the stack that points
//! behind a call instruction in the kernel's text is shown. Some are leftovers of calls that have returned.

use crate::console;
use crate::memory::paging;
use crate::metal::exit::{self, Status};
use crate::metal::{apic, cpu, percore, uart};
use crate::trap::contain;
use crate::trap::context::{self, Fault};
use core::fmt::{self, Write};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};
use kernel::layout::{PAGE_SIZE, VirtAddr};

/// Set by the first core that panics.
static STOPPING: AtomicBool = AtomicBool::new(false);

const MAX_FRAMES: usize = 32;
const MAX_STACK_WORDS: u64 = 4096;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    contain::note_panic(info);
    context::leave_after_panic();
    finish(cpu::stack_pointer(), |out| writeln!(out, "{info}"))
}

/// Ends the machine because of a trap in the kernel itself, with the stack pointer at that moment.
pub(crate) fn fatal_trap(fault: Fault, rsp: u64) -> ! {
    finish(rsp, |out| writeln!(out, "kernel {fault}"))
}

/// On an NMI: stops this core if another one has panicked.
pub(crate) fn stop_if_asked() {
    // ORDERING: Acquire pairs with the swap in `finish`; nothing but the flag is read.
    if STOPPING.load(Ordering::Acquire) {
        cpu::stop();
    }
}

fn finish(rsp: u64, why: impl FnOnce(&mut Raw) -> fmt::Result) -> ! {
    // ORDERING: AcqRel pairs with the load in `stop_if_asked` and with itself: one core reports, the others stop.
    if STOPPING.swap(true, Ordering::AcqRel) {
        cpu::stop();
    }
    apic::stop_others();
    console::drain_all();
    let mut out = Raw;
    let core = percore::current();
    let _ = writeln!(out, "\nPANIC on core {}:", core.index.get());
    let _ = why(&mut out);
    let _ = backtrace(&mut out, rsp);
    exit::exit(Status::Panic)
}

fn backtrace(out: &mut Raw, rsp: u64) -> fmt::Result {
    writeln!(
        out,
        "backtrace (return addresses; name them with `addr2line -e kernel`):"
    )?;
    let mut shown = 0;
    for at in (rsp & !7..).step_by(8).take(MAX_STACK_WORDS as usize) {
        let Some(word) = read_kernel_word(at) else {
            break;
        };
        if follows_a_call(word) {
            writeln!(out, "  {word:#x}")?;
            shown += 1;
        }
        if shown == MAX_FRAMES {
            break;
        }
    }
    Ok(())
}

/// Whether `address` is in the kernel's text, right behind an instruction that calls.
fn follows_a_call(address: u64) -> bool {
    let (start, end) = paging::text_range();
    if address < start + 8 || address >= end {
        return false;
    }
    let byte = |back: u64| paging::read_kernel_byte(VirtAddr(address - back));
    // call rel32; call r/m64 with no, an 8-bit and a 32-bit displacement (with or without SIB).
    byte(5) == Some(0xe8)
        || [2, 3, 4, 6, 7]
            .iter()
            .any(|&back| byte(back) == Some(0xff) && is_call_modrm(byte(back - 1)))
}

fn is_call_modrm(byte: Option<u8>) -> bool {
    byte.is_some_and(|byte| byte >> 3 & 7 == 2)
}

/// A word of kernel memory, or `None` where nothing is mapped.
fn read_kernel_word(at: u64) -> Option<u64> {
    if !(kernel::layout::KERNEL_HALF..=u64::MAX - PAGE_SIZE).contains(&at) {
        return None;
    }
    let bytes: [Option<u8>; 8] =
        core::array::from_fn(|byte| paging::read_kernel_byte(VirtAddr(at + byte as u64)));
    bytes
        .iter()
        .rev()
        .try_fold(0, |word, byte| byte.map(|byte| word << 8 | u64::from(byte)))
}

/// COM1 without rings.
struct Raw;

impl Write for Raw {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        uart::COM1.write(text.as_bytes());
        Ok(())
    }
}

/// Symbols that the precompiled libraries refer to; nothing unwinds here.
mod unwinding {
    #[unsafe(no_mangle)]
    extern "C" fn rust_eh_personality() {}

    #[unsafe(no_mangle)]
    extern "C" fn _Unwind_Resume() -> ! {
        crate::metal::cpu::stop()
    }
}
