//! Page permissions: every mapping of every address space, judged by `kernel::judge`.

use super::raw::{self, DATA};
use super::{ensure, programs};
use crate::memory::paging::{self, Rights};
use crate::memory::{self, space};
use crate::tasks::executive::Executive;
use crate::tasks::process::Process;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use kernel::judge::{self, Violation};
use kernel::layout::PhysAddr;

/// The kernel's own tables and those of a process break no rule.
pub(super) fn every_mapping_obeys_the_rules(_executive: &mut Executive) -> Result<(), String> {
    space::activate_kernel();
    let mut mappings = 0;
    judge::walk(paging::kernel_root().0, &read, &mut |_| mappings += 1);
    ensure(mappings > 100, "the walk found too little")?;
    report(&violations(paging::kernel_root()))?;
    let process = raw::process(programs::exit())?;
    raw::add_task(&process, 0, sched::TaskSpec::default())?;
    report(&of_process(&process))
}

/// The judge sees what is wrong: a code frame that a program may write, and one in the kernel's data.
pub(super) fn broken_rules_are_seen(_executive: &mut Executive) -> Result<(), String> {
    let process = raw::process(programs::exit())?;
    let (code, _) = memory::code_frames();
    process.with_space(|space| space.map_code_for_test(DATA + 4096, code, Rights::USER_WRITE));
    let found = of_process(&process);
    process.with_space(|space| space.unmap(DATA + 4096, 4096, |_| ()));
    ensure(
        found.len() == 1 && found[0].rule == 4,
        &format!("a writable code frame was judged as {found:?}"),
    )
}

fn of_process(process: &Process) -> Vec<Violation> {
    violations(process.with_space(|space| space.root()))
}

fn violations(root: PhysAddr) -> Vec<Violation> {
    judge::judge(root.0, &paging::facts(), 8, &read)
}

fn read(table: u64, index: usize) -> u64 {
    paging::read_entry(PhysAddr(table), index)
}

fn report(found: &[Violation]) -> Result<(), String> {
    match found {
        [] => Ok(()),
        [first, ..] => Err(format!("{} violations, the first: {}", found.len(), first)),
    }
}
