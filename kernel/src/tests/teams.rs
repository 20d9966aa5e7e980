//! Several tasks in one instance: on different cores at once, waiting for each other, ended together.

use super::ensure;
use super::guests::{BASELINE, EAGER, function, wait_one};
use crate::console::{input, say};
use crate::cores::machine;
use crate::instance::files::Files;
use crate::instance::guest::{self, Loaded, Setup};
use crate::memory;
use crate::tasks::executive::Executive;
use alloc::format;
use alloc::string::String;
use kernel::waits::Waits;
use sched::TaskSpec;

/// Turns that two tasks take.
const ROUNDS: u64 = 3000;
/// The same with time-outs of [`TIMEOUT_US`], each of which a lost wake-up costs.
const FEW_ROUNDS: u64 = 400;
const TIMEOUT_US: u64 = 20_000;

/// The guest `tasks` at a level, with a table of waiting tasks that looks under its lock or does not.
fn load(level: u8, setup: Setup, look_under_lock: bool) -> Result<Loaded, String> {
    let module = modules::find("tasks", level).ok_or("there is no guest tasks")?;
    let (program, _) = guest::read("tasks", module.file)?;
    guest::load_with(
        program,
        setup,
        Waits::new(look_under_lock),
        Files::new(&[])?,
    )
}

fn call(
    executive: &mut Executive,
    loaded: &Loaded,
    name: &str,
    arguments: &[u64],
) -> Result<i32, String> {
    loaded.start(0, function(loaded, name)?, arguments, TaskSpec::default())?;
    let result = wait_one(executive, loaded)?.map_err(|report| format!("{name}: {report}"))?;
    Ok(result as i32)
}

/// Start, join, meeting on all cores, a mutex, time-outs, heap, clocks: at baseline, and while functions tier up.
pub(super) fn tasks_work_together(executive: &mut Executive) -> Result<(), String> {
    for (level, setup) in [(0, BASELINE), (2, EAGER)] {
        let loaded = load(level, setup, true)?;
        for name in ["crowd", "everywhere", "mutex", "timeouts", "heap", "clocks"] {
            let step = call(executive, &loaded, name, &[])?;
            ensure(
                step == 0,
                &format!("{name} at -O{level} failed at step {step}"),
            )?;
        }
        loaded.unload();
    }
    Ok(())
}

/// Two tasks take turns by waiting and waking without time-outs: one lost wake-up and they never end.
pub(super) fn no_wake_up_is_lost(executive: &mut Executive) -> Result<(), String> {
    let loaded = load(2, BASELINE, true)?;
    let lost = call(executive, &loaded, "turns", &[ROUNDS, u64::from(u32::MAX)])?;
    loaded.unload();
    ensure(lost == 0, &format!("turns returned {lost}"))
}

/// When the kernel looks at the word before it takes the lock, wake-ups are lost: with time-outs, they are counted.
pub(super) fn without_the_lock_wake_ups_are_lost(executive: &mut Executive) -> Result<(), String> {
    if machine().roles().guests().len() < 2 {
        say!(
            "# the kernel is not interrupted, so with one core for tasks nothing comes in between"
        );
        return Ok(());
    }
    let loaded = load(2, BASELINE, false)?;
    let lost = call(executive, &loaded, "turns", &[FEW_ROUNDS, TIMEOUT_US])?;
    loaded.unload();
    ensure(
        lost > 0,
        "nothing was lost without the lock, too: the lock would prove nothing",
    )
}

/// A fault of one task ends those that run and those that wait, and gives all memory back.
pub(super) fn one_fault_ends_all_tasks(executive: &mut Executive) -> Result<(), String> {
    const ROUNDS: usize = 8;
    for _ in 0..ROUNDS {
        let before = memory::frame_counts().0;
        let loaded = load(0, BASELINE, true)?;
        loaded.start(
            0,
            function(&loaded, "one_fault_ends_all")?,
            &[],
            TaskSpec::default(),
        )?;
        match wait_one(executive, &loaded)? {
            Err(report) if report.contains("wrong") => {}
            other => return Err(format!("it ended with {other:x?}")),
        }
        loaded.unload();
        if executive.run_until(2_000_000, || memory::frame_counts().0 == before) {
            return Ok(());
        }
    }
    Err(String::from("memory is missing after every round"))
}

/// A task that reads from the console waits until a line has been typed; the end of the input ends its wait, too.
pub(super) fn a_reader_waits_for_a_line(executive: &mut Executive) -> Result<(), String> {
    let loaded = load(0, BASELINE, true)?;
    let typed = function(&loaded, "typed")?;
    ensure(
        call(executive, &loaded, "typed", &[])? == 0,
        "without a console there is input",
    )?;
    input::connect(true);
    loaded.start(0, typed, &[], TaskSpec::default())?;
    let early = executive.run_until(50_000, || loaded.has_finished());
    "hex\x7fllo\r"
        .bytes()
        .for_each(|byte| input::add(byte, false));
    let line = wait_one(executive, &loaded)?;
    loaded.start(0, typed, &[], TaskSpec::default())?;
    executive.run_until(20_000, || loaded.has_finished());
    input::add(4, false);
    let end = wait_one(executive, &loaded)?;
    input::connect(false);
    loaded.unload();
    ensure(!early, "it did not wait")?;
    ensure(line == Ok(6), &format!("the line gave {line:?}"))?;
    ensure(end == Ok(0), &format!("the end gave {end:?}"))
}
