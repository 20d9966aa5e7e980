//! Tasks on real cores: they spread, share, sleep, keep their registers, and end.

use super::raw::{self, PATIENCE_US};
use super::{ensure, programs};
use crate::console::say;
use crate::cores::machine;
use crate::metal::{cpu, time};
use crate::tasks::executive::Executive;
use crate::tasks::process::Ending;
use crate::tasks::scheduler;
use alloc::format;
use alloc::string::String;
use sched::{TaskSpec, Ticks};

/// Many tasks of one process count together; none is lost, and all workers took part.
pub(super) fn tasks_run_on_all_workers(executive: &mut Executive) -> Result<(), String> {
    let guests = machine().roles().guests();
    let runs = || guests.iter().map(runs_of).collect::<alloc::vec::Vec<u64>>();
    let before = runs();
    let (process, ending) = raw::run(executive, programs::count(), 64)?;
    ensure(
        matches!(ending, Ending::Exited(_)),
        &format!("ended with {ending:?}"),
    )?;
    let total = raw::word(&process, 0);
    ensure(total == 64_000, &format!("64 tasks counted to {total}"))?;
    let lazy = runs()
        .iter()
        .zip(&before)
        .filter(|(after, before)| after == before)
        .count();
    // With many emulated cores on few real ones, some may find all the work done.
    ensure(
        lazy == 0 || guests.len() > 4,
        &format!("{lazy} worker cores ran nothing"),
    )
}

/// More endless tasks than cores: each makes progress.
pub(super) fn endless_tasks_share_a_core(executive: &mut Executive) -> Result<(), String> {
    let count = machine().roles().guests().len() as u64 + 2;
    let process = raw::start(programs::spin(), count)?;
    let all = |words: &dyn Fn(u64) -> bool| (0..count).all(words);
    let started = executive.run_until(PATIENCE_US, || {
        all(&|number| raw::word(&process, 2 + number as usize) > 0)
    });
    raw::set_word(&process, 1, 1);
    let ending = raw::wait(executive, &process)?;
    ensure(started, "a task was never run")?;
    ensure(
        ending == Ending::Exited(0),
        &format!("ended with {ending:?}"),
    )
}

/// All registers survive being taken off a core many times.
pub(super) fn registers_survive_preemption(executive: &mut Executive) -> Result<(), String> {
    if !cpu::code_features().avx {
        say!("# without AVX there is less to keep; `tasks` and `guests` cover the rest");
        return Ok(());
    }
    let count = machine().roles().guests().len().min(4) as u64 + 1;
    let process = raw::start(programs::registers(), count)?;
    let ending = raw::wait(executive, &process)?;
    ensure(
        ending == Ending::Exited(0),
        &format!("ended with {ending:?}"),
    )
}

/// Sleeping tasks wake, and not too early.
pub(super) fn sleepers_wake(executive: &mut Executive) -> Result<(), String> {
    let start = time::now_us();
    let (_, ending) = raw::run(executive, programs::sleep(), 8)?;
    let waited = time::now_us() - start;
    ensure(
        ending == Ending::Exited(0),
        &format!("ended with {ending:?}"),
    )?;
    ensure(
        waited >= 24_000,
        &format!("the longest sleeper took {waited} us instead of 24 ms"),
    )
}

/// A program that never returns is ended when its time is used up.
pub(super) fn a_used_up_budget_ends_the_process(executive: &mut Executive) -> Result<(), String> {
    let process = raw::process(programs::never_returns())?;
    let budget = Some(Ticks(50_000 * time::ticks_per_us()));
    raw::add_task(
        &process,
        0,
        TaskSpec {
            budget,
            ..TaskSpec::default()
        },
    )?;
    raw::add_task(&process, 1, TaskSpec::default())?;
    match raw::wait(executive, &process)? {
        Ending::Failed(report) if report.contains("time is used up") => Ok(()),
        other => Err(format!("ended with {other:?}")),
    }
}

fn runs_of(core: smp::CoreId) -> u64 {
    sched::CoreId::new(core.index()).map_or(0, |core| scheduler().stats(core).runs)
}
