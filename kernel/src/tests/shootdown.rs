//! TLB shootdown: after an unmapping no core sees the old memory; and without it they do.
//!
//! A task on each worker reads one word for ever, so its core holds the translation. The page is unmapped and mapped
//! again with other contents. A core that was told reads the new word (or faults in between); one that was not still
//! reads the old one. Nothing else may flush its TLB meanwhile: the task is alone on its core.

use super::raw::{self, DATA, PATIENCE_US};
use super::{ensure, programs};
use crate::cores::machine;
use crate::memory::paging::Rights;
use crate::tasks::executive::Executive;
use crate::tasks::process::{Ending, Process};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use sched::TaskSpec;

const PAGE: u64 = DATA + 0x10_0000;
/// The counters in the data page that say how often a task has read.
const TURNS: usize = 80;

/// With shootdown, every task is ended by the missing page.
pub(super) fn unmapped_memory_is_out_of_reach(executive: &mut Executive) -> Result<(), String> {
    let (process, _) = watchers(executive)?;
    process.unmap(PAGE, 4096, true);
    let ending = raw::wait(executive, &process)?;
    ensure(
        matches!(&ending, Ending::Failed(report) if report.contains("reading 0x600000")),
        &format!("ended with {ending:?}"),
    )?;
    ensure(
        machine().calls.lost().is_empty(),
        "a core was declared lost",
    )
}

/// Without shootdown, tasks go on reading through the stale translation.
pub(super) fn without_shootdown_stale_memory_is_seen(
    executive: &mut Executive,
) -> Result<(), String> {
    let (process, count) = watchers(executive)?;
    process.unmap(PAGE, 4096, false);
    let seen = |number: usize| raw::word(&process, TURNS + number);
    let before: alloc::vec::Vec<u64> = (0..count).map(seen).collect();
    let stale = executive.run_until(PATIENCE_US, || {
        (0..count).any(|number| seen(number) > before[number] + 1000)
    });
    let fault = process.ending().is_some();
    raw::set_word(&process, 1, 1);
    let ending = raw::wait(executive, &process)?;
    ensure(
        stale && !fault,
        &format!("no core went on with the stale page: {ending:?}"),
    )
}

/// One task per worker that reads [`PAGE`], all of them at it.
fn watchers(executive: &mut Executive) -> Result<(Arc<Process>, usize), String> {
    let count = machine().roles().guests().len().min(8);
    let process = raw::process(programs::watch())?;
    process
        .map(PAGE, 4096, Rights::USER_WRITE)
        .map_err(|error| format!("{error:?}"))?;
    raw::set_word(&process, 3, PAGE);
    for number in 0..count {
        raw::add_task(&process, number as u64, TaskSpec::default())?;
    }
    let reading = |number: usize| raw::word(&process, TURNS + number) > 0;
    let all = executive.run_until(PATIENCE_US, || (0..count).all(reading));
    ensure(all, "a watcher did not start")?;
    Ok((process, count))
}
