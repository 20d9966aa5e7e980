//! Guests: real modules as ring-3 processes, compiled where they run.
//!
//! What a module computes is tested on the host, by the same engine. Here it is the kernel's part: address spaces from
//! bitcode, gates through `syscall`, code that one core writes and others execute, reports of what goes wrong, and the
//! background compiler.

use super::ensure;
use super::raw::PATIENCE_US;
use crate::cores::machine;
use crate::instance::guest::{self, Finished, Loaded, Setup};
use crate::instance::{compiler, registry};
use crate::memory;
use crate::metal::time;
use crate::tasks::executive::Executive;
use crate::tasks::process::Ending;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use jit::policy::Thresholds;
use jit::tier::Tier;
use modules::{Fault, Module, Outcome};
use sched::{TaskSpec, Ticks};

/// A setup that never leaves the baseline tier.
pub(super) const BASELINE: Setup = Setup {
    thresholds: Thresholds {
        calls: [100, 1000, 10_000],
        loop_weight: 8,
    },
    tier_up: false,
};
/// A setup that asks for the highest tier soon.
pub(super) const EAGER: Setup = Setup {
    thresholds: Thresholds {
        calls: [4, 16, 64],
        loop_weight: 8,
    },
    tier_up: true,
};

/// Every guest's `main` ends as it does natively, and the wrong ones are ended with the right report.
pub(super) fn every_guest_ends_as_it_must(executive: &mut Executive) -> Result<(), String> {
    let mut wrong = Vec::new();
    for module in modules::all() {
        if let Err(why) = run_main(executive, module) {
            wrong.push(format!("{}: {why}", module.file_name));
        }
    }
    ensure(wrong.is_empty(), &wrong.join("; "))
}

/// Under load from all workers, functions climb the tiers in the background and never give a wrong result.
pub(super) fn results_stay_right_while_tiers_rise(executive: &mut Executive) -> Result<(), String> {
    // Those that work on static data do not bear two calls at once.
    let alone = ["sum", "sieve", "sort", "globals", "matrix_int"].map(|name| (name, 1));
    let width = machine().roles().guests().len().min(8) + 1;
    let together = ["fibonacci", "indirect"].map(|name| (name, width));
    for (name, width) in together.into_iter().chain(alone) {
        let module = modules::find(name, 0).ok_or_else(|| format!("there is no guest {name}"))?;
        climb(executive, module, width).map_err(|why| format!("{}: {why}", module.file_name))?;
    }
    Ok(())
}

/// The same module twice at once: two instances that share nothing but the code's source.
pub(super) fn one_module_runs_twice(executive: &mut Executive) -> Result<(), String> {
    let module = modules::find("globals", 1).ok_or("there is no guest globals")?;
    let both = [load(module, BASELINE)?.0, load(module, BASELINE)?.0];
    for loaded in &both {
        start_main(loaded, None)?;
    }
    for loaded in &both {
        check_outcome(module, wait_one(executive, loaded)?)?;
    }
    both.into_iter().for_each(Loaded::unload);
    Ok(())
}

/// A compiler that panics costs one compile: the function stays at its tier and the next compile works.
pub(super) fn a_compiler_panic_costs_one_compile(executive: &mut Executive) -> Result<(), String> {
    let module = modules::find("fibonacci", 0).ok_or("there is no guest fibonacci")?;
    let (loaded, _) = load(module, EAGER)?;
    let check = module.checks.first().ok_or("the guest has no check")?;
    let func = function(&loaded, check.function)?;
    call_once(executive, &loaded, module, 0)?;
    compiler::sabotage(Some(func));
    for _ in 0..64 {
        call_once(executive, &loaded, module, 0)?;
    }
    let failed = executive.run_until(PATIENCE_US, || loaded.instance.contained() > 0);
    compiler::sabotage(None);
    ensure(failed, "the compiler did not fail")?;
    let tier = loaded
        .instance
        .state(func)
        .and_then(|state| state.load().published());
    ensure(
        tier == Some(Tier::Baseline),
        &format!("the function is at {tier:?}"),
    )?;
    call_once(executive, &loaded, module, 0)?;
    loaded.unload();
    run_main(executive, module)
}

/// Loading and unloading gives all memory back: a round comes in which nothing is missing. (The kernel's heap, arenas
/// and page tables may grow in a round, but not in every one.)
pub(super) fn unloading_frees_everything(executive: &mut Executive) -> Result<(), String> {
    const ROUNDS: usize = 8;
    let module = modules::find("sum", 0).ok_or("there is no guest sum")?;
    let figures = || (memory::frame_counts().0, memory::code::usage().0);
    let mut seen = Vec::new();
    for _ in 0..ROUNDS {
        // What earlier tests unloaded may still be held by a worker's last compilation.
        executive.run_until(PATIENCE_US / 10, || memory::code::usage().0 == 0);
        let before = figures();
        run_main(executive, module)?;
        if executive.run_until(2_000_000, || figures() == before) {
            return Ok(());
        }
        seen.push((before, figures()));
    }
    Err(format!(
        "free frames and code bytes before and after: {seen:?}"
    ))
}

fn load(module: &Module, setup: Setup) -> Result<(Loaded, u32), String> {
    let (program, entry) = guest::read(module.name, module.file)?;
    let loaded = guest::load(program, setup)?;
    let entry = if entry.is_empty() { "main" } else { &entry };
    let func = function(&loaded, entry)?;
    Ok((loaded, func))
}

pub(super) fn function(loaded: &Loaded, name: &str) -> Result<u32, String> {
    loaded
        .instance
        .program()
        .entry(name)
        .ok_or_else(|| format!("there is no function {name}"))
}

fn start_main(loaded: &Loaded, budget: Option<Ticks>) -> Result<(), String> {
    let func = function(loaded, "main")?;
    loaded.start_main(
        0,
        func,
        &["guest"],
        TaskSpec {
            budget,
            ..TaskSpec::default()
        },
    )
}

fn run_main(executive: &mut Executive, module: &Module) -> Result<(), String> {
    let (loaded, _) = load(module, BASELINE)?;
    let limited = module.outcome == Outcome::Faults(Fault::OutOfTime);
    start_main(
        &loaded,
        limited.then(|| Ticks(200_000 * time::ticks_per_us())),
    )?;
    let outcome = wait_one(executive, &loaded);
    loaded.unload();
    check_outcome(module, outcome?)
}

/// How one task went: its result, or the report that ended the process.
pub(super) fn wait_one(
    executive: &mut Executive,
    loaded: &Loaded,
) -> Result<Result<u64, String>, String> {
    let mut finished: Vec<Finished> = Vec::new();
    executive.run_until(PATIENCE_US, || {
        finished.extend(loaded.take_finished());
        !finished.is_empty() || loaded.process.ending().is_some()
    });
    match (finished.first(), loaded.process.ending()) {
        (Some(task), _) => Ok(Ok(task.result)),
        (None, Some(Ending::Exited(result))) => Ok(Ok(result)),
        (None, Some(Ending::Failed(report))) => Ok(Err(report)),
        (None, None) => Err("it did not end".to_string()),
    }
}

fn check_outcome(module: &Module, outcome: Result<u64, String>) -> Result<(), String> {
    match (module.outcome, outcome) {
        (Outcome::Returns(value), Ok(result)) if result as u32 == value.cast_unsigned() => Ok(()),
        (Outcome::Faults(fault), Err(report)) if explains(fault, &report) => Ok(()),
        (expected, outcome) => Err(format!("expected {expected:?}, got {outcome:x?}")),
    }
}

/// Whether a report is about the fault that the guest was written for.
fn explains(fault: Fault, report: &str) -> bool {
    let texts: &[&str] = match fault {
        Fault::BadAccess => &["null pointer", "not mapped", "read-only"],
        Fault::BadJump => &["jump to memory that is not code", "null function"],
        Fault::DivideError => &["division by zero or overflow"],
        Fault::StackOverflow => &["stack overflow"],
        Fault::OutOfTime => &["time"],
    };
    texts.iter().any(|text| report.contains(text))
}

/// Calls the module's first check once and looks at the result.
fn call_once(
    executive: &mut Executive,
    loaded: &Loaded,
    module: &Module,
    tag: u64,
) -> Result<(), String> {
    let check = module.checks.first().ok_or("the guest has no check")?;
    let arguments: Vec<u64> = check
        .args
        .iter()
        .map(|&arg| u64::from(arg.cast_unsigned()))
        .collect();
    loaded.start(
        tag,
        function(loaded, check.function)?,
        &arguments,
        TaskSpec::default(),
    )?;
    let result = wait_one(executive, loaded)??;
    ensure(
        result as u32 == check.expected.cast_unsigned(),
        &format!(
            "{} returned {result:#x} instead of {:#x}",
            check.function, check.expected
        ),
    )
}

/// Calls all checks of a module, `width` at a time, until each checked function has left the baseline tier.
fn climb(executive: &mut Executive, module: &Module, width: usize) -> Result<(), String> {
    let (loaded, _) = load(module, EAGER)?;
    let mut load = Load {
        loaded: &loaded,
        module,
        started: 0,
        running: 0,
    };
    let end = time::now_us() + PATIENCE_US;
    let mut outcome = Ok(());
    while outcome.is_ok() && time::now_us() < end && !(load.has_settled() && load.running == 0) {
        while outcome.is_ok() && load.running < width && !load.has_settled() {
            outcome = load.start_one();
        }
        executive.turn(Some(2_000));
        outcome = outcome.and_then(|()| load.collect());
    }
    let (started, stuck) = (
        load.started,
        load.tiers().find(|&(_, tier)| tier <= Some(Tier::Baseline)),
    );
    let waiting = registry::registry().queue().len();
    loaded.unload();
    outcome?;
    match stuck {
        None => Ok(()),
        Some((name, tier)) => Err(format!(
            "after {started} calls {name} is at {tier:?}, {waiting} requests wait"
        )),
    }
}

/// Calls of a module's checks, several at a time.
struct Load<'a> {
    loaded: &'a Loaded,
    module: &'a Module,
    started: usize,
    running: usize,
}

impl Load<'_> {
    /// The checked functions and the tiers at which they are.
    fn tiers(&self) -> impl Iterator<Item = (&'static str, Option<Tier>)> {
        self.module.checks.iter().map(|check| {
            let func = self.loaded.instance.program().entry(check.function);
            let state = func.and_then(|func| self.loaded.instance.state(func));
            (
                check.function,
                state.and_then(|state| state.load().published()),
            )
        })
    }

    /// Whether no checked function will leave the baseline tier any more: it has, or a tier declined.
    fn has_settled(&self) -> bool {
        self.module.checks.iter().all(|check| {
            let func = self.loaded.instance.program().entry(check.function);
            let state = func
                .and_then(|func| self.loaded.instance.state(func))
                .map(|state| state.load());
            state.is_some_and(|state| {
                let declined = Tier::ALL.iter().any(|&tier| state.has_declined(tier));
                state.published() > Some(Tier::Baseline) || declined
            })
        })
    }

    fn start_one(&mut self) -> Result<(), String> {
        let which = self.started % self.module.checks.len();
        let check = &self.module.checks[which];
        let arguments: Vec<u64> = check
            .args
            .iter()
            .map(|&arg| u64::from(arg.cast_unsigned()))
            .collect();
        let func = function(self.loaded, check.function)?;
        self.loaded
            .start(which as u64, func, &arguments, TaskSpec::default())?;
        self.started += 1;
        self.running += 1;
        Ok(())
    }

    /// Looks at the results that have come.
    fn collect(&mut self) -> Result<(), String> {
        for task in self.loaded.take_finished() {
            self.running -= 1;
            let check = &self.module.checks[task.tag as usize];
            if task.result as u32 != check.expected.cast_unsigned() {
                return Err(format!("{} returned {:#x}", check.function, task.result));
            }
        }
        match self.loaded.process.ending() {
            Some(Ending::Failed(report)) => Err(report),
            _ => Ok(()),
        }
    }
}
