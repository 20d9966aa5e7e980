//! The kernel image: a readable list of what happens from the boot loader's jump to the last line of output.
//!
//! Everything that touches hardware is in `boot`, `metal`, `memory`, `trap` and `syscall`; everything that decides is
//! in the library half of this crate and in the crates `smp`, `sched` and `jit`. This file only puts them in order.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

#[expect(
    unsafe_code,
    reason = "assembly, and the page below 1 MiB on which other cores start"
)]
mod boot;
mod catalog;
mod console;
mod cores;
mod demo;
mod disk;
mod instance;
#[expect(unsafe_code, reason = "page tables, the allocator, physical memory")]
mod memory;
#[expect(unsafe_code, reason = "registers and ports")]
mod metal;
#[expect(unsafe_code, reason = "symbols that the linker asks for")]
mod panic;
mod shell;
mod stress;
#[expect(
    unsafe_code,
    reason = "copies from and to a program's memory, and the entry registers"
)]
mod syscall;
mod tasks;
mod tests;
#[expect(unsafe_code, reason = "stubs, the interrupt table, and contexts")]
mod trap;

use kernel::bootinfo::{BootInfo, Loader};
use kernel::cmdline;
use metal::exit::exit;
use metal::{cpu, gdt, percore, random, rtc};

/// Called by `boot.s` on the boot stack, with the loader's kind and the physical address of its information.
#[expect(unsafe_code, reason = "the name that boot.s calls")]
#[unsafe(no_mangle)]
extern "C" fn kernel_start(kind: u32, information: u64) -> ! {
    let core = percore::boot_core();
    core.install();
    cpu::enable_features();
    gdt::install_early(core.address());
    trap::install_table();
    console::initialise();
    let info = match BootInfo::read(Loader::from_code(kind), information, &memory::BootMemory) {
        Ok(info) => info,
        Err(error) => panic!("the boot loader's information is of no use: {error:?}"),
    };
    memory::initialise(&info).expect("the memory map has room for the kernel");
    cores::enter_kernel_stack(info, run)
}

/// On the BSP's own stack: everything else.
fn run(info: &'static BootInfo) -> ! {
    let (options, warnings) = cmdline::parse(info.command_line());
    console::set_level(options.log_level);
    for warning in warnings {
        console::log!(Warning, "command line: {warning}");
    }
    let (free, total) = memory::frame_counts();
    console::say!("memory: {} MiB usable, {} MiB free", total >> 8, free >> 8);
    cores::start(info, &options);
    if !rtc::initialise() {
        console::log!(Warning, "no wall clock");
    }
    if !random::is_from_hardware() {
        console::log!(
            Warning,
            "no RDRAND: random numbers are only seeded by clocks"
        );
    }
    console::input::connect(options.input || options.shell);
    let mut executive = tasks::executive();
    instance::worker::start(options.jit_workers);
    disk::service::start();
    if !options.tests.is_empty() {
        exit(tests::run(&mut executive, &options.tests));
    }
    if options.stress > 0 {
        exit(stress::run(&mut executive, options.stress));
    }
    exit(demo::run(&mut executive, &options))
}
