//! The border between ring 3 and the kernel.

use super::raw;
use super::{ensure, programs};
use crate::tasks::executive::Executive;
use crate::tasks::process::Ending;
use alloc::format;
use alloc::string::String;
use sched::TaskSpec;

/// Each wrong program ends its own process with a report that names the fault; a process beside it goes on.
pub(super) fn faults_end_only_their_process(executive: &mut Executive) -> Result<(), String> {
    let wrong: &[(&[u8], &str)] = &[
        (programs::load_null(), "page fault at 0x400000 reading 0x0"),
        (
            programs::jump_to_data(),
            "page fault at 0x500000 executing 0x500000",
        ),
        (
            programs::store_to_code(),
            "page fault at 0x400007 writing 0x400000",
        ),
        (programs::divide(), "division error"),
        (programs::undefined(), "invalid instruction"),
        (programs::breakpoint(), "breakpoint"),
        (programs::privileged(), "general protection fault"),
        (programs::port(), "general protection fault"),
        (programs::read_kernel(), "reading 0xffffffff80200000"),
        (programs::not_canonical(), "general protection fault"),
        (programs::overflow_stack(), "writing 0x7000fff8"),
        (programs::single_step(), "debug exception"),
        (programs::bad_stack_syscall(), "page fault"),
    ];
    let bystander = raw::process(programs::spin())?;
    raw::add_task(&bystander, 0, TaskSpec::default())?;
    for (code, expected) in wrong {
        let (_, ending) = raw::run(executive, code, 1)?;
        match ending {
            Ending::Failed(report) if report.contains(expected) => {}
            other => {
                return Err(format!(
                    "expected `{expected}`, the process ended with {other:?}"
                ));
            }
        }
    }
    ensure(
        bystander.ending().is_none(),
        "the process beside them has ended",
    )?;
    raw::set_word(&bystander, 1, 1);
    ensure(
        raw::wait(executive, &bystander)? == Ending::Exited(0),
        "the process beside them ended wrongly",
    )
}

/// Addresses that a program passes may be anything.
pub(super) fn copies_survive_any_address(executive: &mut Executive) -> Result<(), String> {
    let cases = [
        (raw::DATA, 0),
        (raw::CODE, 0),
        (0, 1),
        (raw::DATA + 4092, 1),
        (0x0000_7fff_ffff_fff8, 1),
        (0xffff_8000_0010_0000, 1),
        (0xffff_ffff_8020_0000, 1),
        (0x1234_5678_0000_0000, 1),
        (u64::MAX - 3, 1),
    ];
    for (address, expected) in cases {
        let process = raw::process(programs::peek())?;
        raw::set_word(&process, 3, address);
        raw::add_task(&process, 0, TaskSpec::default())?;
        let ending = raw::wait(executive, &process)?;
        ensure(
            ending == Ending::Exited(expected),
            &format!("reading {address:#x} ended with {ending:?}"),
        )?;
    }
    Ok(())
}

/// Scratch and vector registers are cleared, the others kept.
pub(super) fn system_calls_leave_nothing_behind(executive: &mut Executive) -> Result<(), String> {
    let (_, ending) = raw::run(executive, programs::cleared(), 1)?;
    ensure(
        ending == Ending::Exited(0),
        &format!("ended with {ending:?}"),
    )
}
