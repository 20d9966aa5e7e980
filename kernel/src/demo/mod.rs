//! What `make run` shows: every demo program at every level climbs the tiers while all cores work.
//!
//! * [`climb`]: one program: a reference run with the compiler off, then a run that tiers up.
//! * [`pause`]: the longest time that worker cores make no progress while the JIT worker compiles.
//! * [`table`]: what is printed.
//!
//! The BSP only watches: it starts tasks, collects results, prints. What runs, and when, is up to the scheduler;
//! what is compiled, and when, is up to the counters.

mod climb;
pub(crate) mod pause;
mod table;

use crate::catalog::{self, File};
use crate::console;
use crate::cores::machine;
use crate::instance::guest::{self, Setup};
use crate::instance::registry::registry;
use crate::metal::exit::Status;
use crate::tasks::executive::Executive;
use crate::tasks::process::Ending;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use climb::Climb;
use kernel::cmdline::Options;
use sched::TaskSpec;

/// How long the whole of one program may take, µs: for an emulator on a loaded machine.
const PATIENCE_US: u64 = 120_000_000;

/// Runs the programs that `options` names, or the whole demonstration; the status says whether all was right.
pub(crate) fn run(executive: &mut Executive, options: &Options) -> Status {
    let files = catalog::files();
    let right = if options.modules.is_empty() {
        demonstrate(executive, files, options)
    } else {
        run_named(executive, &files, options)
    };
    if right {
        Status::Success
    } else {
        Status::Failure
    }
}

fn demonstrate(executive: &mut Executive, files: Vec<File>, options: &Options) -> bool {
    let (demos, others): (Vec<File>, Vec<File>) = files
        .into_iter()
        .partition(|file| climb::guest(&file.name).is_some());
    let mut right = true;
    for file in others
        .iter()
        .filter(|file| modules::all().all(|guest| stem(guest) != file.name))
    {
        right &= run_main(executive, file, &[&file.name], options);
    }
    let mut waiting: VecDeque<File> = demos.into();
    let at_once = machine().roles().guests().len().max(1);
    let mut active: Vec<Climb> = Vec::new();
    let mut finished = Vec::new();
    while !(waiting.is_empty() && active.is_empty()) {
        while active.len() < at_once
            && let Some(file) = waiting.pop_front()
        {
            active.push(Climb::start(file, setup(options)));
        }
        executive.run_until(50_000, || active.iter().any(Climb::has_news));
        for mut climb in core::mem::take(&mut active) {
            if climb.go_on() {
                active.push(climb);
            } else {
                table::print_climb(&climb);
                finished.push(climb);
            }
        }
    }
    table::print_summary(&finished);
    pause::show(executive);
    table::print_machine();
    right && finished.iter().all(Climb::is_right)
}

/// Runs each program that the command line names, one after the other.
fn run_named(executive: &mut Executive, files: &[File], options: &Options) -> bool {
    let mut right = true;
    for name in &options.modules {
        let stem = name.trim_end_matches(".llbc").trim_end_matches(".bc");
        let Some(file) = files
            .iter()
            .find(|file| file.name.eq_ignore_ascii_case(stem))
        else {
            console::say!("{name}: no such module");
            right = false;
            continue;
        };
        let words: Vec<&str> = core::iter::once(file.name.as_str())
            .chain(options.arguments.iter().map(alloc::string::String::as_str))
            .collect();
        right &= run_main(executive, file, &words, options);
    }
    right
}

/// Runs the entry function of a file to its end; true if it came to one by itself.
pub(crate) fn run_main(
    executive: &mut Executive,
    file: &File,
    words: &[&str],
    options: &Options,
) -> bool {
    let name = &file.name;
    let rejected = |why: &str| {
        console::say!("{name}: rejected: {why}");
        console::json!("{{\"event\":\"rejected\",\"module\":\"{name}\"}}");
        false
    };
    let (program, entry) = match guest::read(name, &file.bytes) {
        Ok(read) => read,
        Err(why) => return rejected(&why),
    };
    let Some(func) = program.entry(&entry) else {
        return rejected("its entry function is not defined");
    };
    let loaded = match guest::load(program, setup(options)) {
        Ok(loaded) => loaded,
        Err(why) => return rejected(&why),
    };
    if let Err(why) = loaded.start_main(0, func, words, TaskSpec::default()) {
        return rejected(&why);
    }
    let over = || loaded.process.ending().is_some() || loaded.has_finished();
    let ended = executive.run_until(PATIENCE_US, over);
    let status = loaded
        .take_finished()
        .first()
        .map(|finished| finished.result as i32);
    let right = match (loaded.process.ending(), status) {
        (_, Some(status)) => Some(status),
        (Some(Ending::Exited(status)), None) => Some(status as i32),
        (Some(Ending::Failed(why)), None) => {
            console::say!("{name} was ended: {why}");
            console::json!("{{\"event\":\"fault\",\"module\":\"{name}\"}}");
            None
        }
        (None, None) => {
            console::say!("{name} did not end in time");
            None
        }
    };
    if let Some(status) = right {
        console::say!("{name} returned {status}");
        console::json!("{{\"event\":\"main\",\"module\":\"{name}\",\"status\":{status}}}");
    }
    loaded.unload();
    ended && right.is_some()
}

/// The setup that the command line asks for.
pub(crate) fn setup(options: &Options) -> Setup {
    let calls = options.thresholds;
    let thresholds = jit::policy::Thresholds {
        calls,
        ..jit::policy::Thresholds::default()
    };
    Setup {
        thresholds,
        tier_up: options.jit_workers > 0 && !registry().is_without_worker(),
    }
}

fn stem(guest: &modules::Module) -> &str {
    guest.file_name.trim_end_matches(".llbc")
}
