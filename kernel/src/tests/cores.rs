//! Cores: all are up, answer, and have a timer; and the machine can be brought down by any of them.

use super::ensure;
use super::raw::PATIENCE_US;
use crate::cores::machine;
use crate::metal::{apic, cpu, time};
use crate::tasks;
use crate::tasks::body::{KernelWork, WorkStep};
use crate::tasks::executive::Executive;
use crate::trap::interrupts::Idle;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use sched::TaskSpec;
use smp::CoreId;
use smp::call::Request;

/// Every core of the ACPI tables is online, and the protections that the processor has are on.
pub(super) fn bringup(_executive: &mut Executive) -> Result<(), String> {
    let (listed, online) = (machine().topology.cores().len(), machine().online().len());
    ensure(
        listed == online,
        &format!("{online} of {listed} cores are online"),
    )?;
    ensure(
        cpu::write_protect_and_no_execute_are_on(),
        "CR0.WP or EFER.NXE is off",
    )?;
    for protection in cpu::protections() {
        let wrong = format!("{} is not as CPUID has it", protection.name);
        ensure(protection.on == protection.available, &wrong)?;
    }
    Ok(())
}

/// A core that never claims its slot (`lose=N` on the command line) is left out, and the rest works.
pub(super) fn a_lost_core_is_left_out(executive: &mut Executive) -> Result<(), String> {
    let (listed, online) = (machine().topology.cores().len(), machine().online().len());
    ensure(
        online + 1 == listed,
        &format!("{online} of {listed} cores are online"),
    )?;
    ipi(executive)?;
    super::tasks::tasks_run_on_all_workers(executive)
}

/// The one-shot timer comes once, and not before its time.
pub(super) fn timer(_executive: &mut Executive) -> Result<(), String> {
    let mut idle = Idle::new();
    for us in [100, 1_000, 20_000] {
        let start = time::now_us();
        apic::arm_timer(us);
        idle.wait();
        let waited = time::now_us() - start;
        // Other cores may interrupt too; 2 % covers the resolution of the calibration.
        ensure(
            waited + waited / 50 + 1 >= us,
            &format!("a timer of {us} us came after {waited} us"),
        )?;
    }
    Ok(())
}

/// All cores answer, many times, whether they are halted or not.
pub(super) fn ipi(_executive: &mut Executive) -> Result<(), String> {
    let online = machine().online();
    for round in 0..50 {
        ensure(
            machine().ask(online, Request::CoreSync),
            &format!("no answer in round {round}"),
        )?;
    }
    ensure(
        machine().calls.lost().is_empty(),
        "a core was declared lost",
    )
}

/// Panics; the exit status and the output are checked by who started the machine.
pub(super) fn panic_here(_executive: &mut Executive) -> Result<(), String> {
    panic!("asked for by test=panic")
}

/// Panics on another core, which must stop this one and report.
pub(super) fn panic_elsewhere(executive: &mut Executive) -> Result<(), String> {
    let others = machine().online().without(CoreId::BSP);
    let core = others.iter().next().ok_or("there is no other core")?;
    let spec = TaskSpec {
        pin: sched::CoreId::new(core.index()),
        ..TaskSpec::default()
    };
    tasks::spawn_kernel(spec, Box::new(Panicking)).map_err(|error| error.to_string())?;
    executive.run_until(PATIENCE_US, || false);
    Err("the machine goes on".into())
}

#[derive(Debug)]
struct Panicking;

impl KernelWork for Panicking {
    fn step(&mut self) -> WorkStep {
        panic!("asked for by test=panic-elsewhere")
    }
}

/// Does what only a bug does: writes to the kernel's text.
pub(super) fn panic_by_trap(_executive: &mut Executive) -> Result<(), String> {
    crate::memory::write_to_kernel_text();
    Err("the kernel's text is writable".into())
}
